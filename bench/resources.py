#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the kernels of packs for NVIDIA GPUs take of a multiprocessor, as a Markdown table:

    resources.py build/operators/*.pack                  ptxas from the path, or --ptxas (it is part of CUDA's toolkit)

Lanes and shared memory are from the pack's manifest; registers of a lane, its stack and what spills to it (bytes stored,
bytes loaded) are what ptxas says of the pack's PTX. The driver, which compiles the PTX when a pack is opened, may have another
version of it. `blocks` is how many tasks fit a multiprocessor at a time, by registers, lanes and shared memory."""

import argparse
import json
import pathlib
import re
import struct
import subprocess
import tempfile

REGISTERS, LANES, BLOCKS = 65536, 2048, 32  # of a multiprocessor of compute capability 8.0, 9.0 and 10.0
RESERVED = 1024  # bytes of shared memory of a block that the system takes


def read(path):
    """(manifest, [(target, text of its blob)])."""
    data = path.read_bytes()
    if data[:8] != b"RWKVPACK":
        raise SystemExit(f"{path}: expected a pack")
    length = struct.unpack_from("<Q", data, 16)[0]
    manifest = json.loads(data[48 : 48 + length])
    blobs = -(-(48 + length) // 4096) * 4096
    targets = []
    for target in manifest["targets"]:
        begin = blobs + target["offset"]
        targets.append((target, data[begin : begin + target["size"]].rstrip(b"\0")))
    return manifest, targets


def measure(ptxas, arch, ptx):
    """{kernel: (registers, stack, stores, loads)} of ptxas -v."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "pack.ptx"
        source.write_bytes(ptx)
        command = [ptxas, f"-arch={arch}", "-v", str(source), "-o", str(source.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{ptxas}: {done.stderr.strip()}")
    found, stack = {}, None
    for line in done.stderr.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = match[1]
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            stack = tuple(map(int, match.groups()))
        elif match := re.search(r"Used (\d+) registers", line):
            found[kernel] = (int(match[1]), *stack)
    return found


def blocks(registers, lanes, shared, memory):
    warps = -(-lanes // 32)
    by_registers = REGISTERS // (warps * -(-registers * 32 // 256) * 256)
    return min(BLOCKS, LANES // (32 * warps), by_registers, memory * 1024 // (shared + RESERVED))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="+", type=pathlib.Path)
    parser.add_argument("--ptxas", default="ptxas")
    parser.add_argument("--memory", type=int, default=228, help="KiB of shared memory of a multiprocessor (default: 228)")
    args = parser.parse_args()
    print("| pack | kernel | target | lanes | registers | stack | spilled, stores + loads | shared | scratch | blocks |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for path in args.packs:
        manifest, targets = read(path)
        for target, ptx in targets:
            arch = target["features"][0]
            found = measure(args.ptxas, arch, ptx)
            for kernel in manifest["kernels"]:
                registers, stack, stores, loads = found[kernel["symbol"]]
                lanes, shared = kernel["threads"], kernel.get("shared", 0)
                fit = blocks(registers, lanes, shared, args.memory)
                print(
                    f"| {path.stem} | {kernel['symbol']} | {arch} | {lanes} | {registers} | {stack} | {stores} + {loads} "
                    f"| {shared} | {kernel['scratch']} | {fit} |"
                )


if __name__ == "__main__":
    main()
