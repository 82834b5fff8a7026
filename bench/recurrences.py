#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures the schedules of recurrences against each other: microseconds per call, tokens per second and head, and the largest
difference from `step`, on random inputs that change from call to call. Needs numpy and a build with rwkv_rt_shared.

    recurrences.py                                          all layers below; T = 4096
    recurrences.py --layers rwkv7 --chunks 8,16,32 --threads 1 --tokens 512
"""

import argparse
import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent
sys.path.insert(0, str(SOURCE / "test" / "numerics"))

import tool as runtime  # noqa: E402  the C API through ctypes


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# name: (example, function, operands as (kind, axes after the head), key axes)
KEY, VALUE, NUMBER = "K", "V", ""
LAYERS = {
    "rwkv6": ("rwkv6", "wkv6", [("normal", KEY), ("normal", KEY), ("normal", VALUE), ("decay", KEY), ("const", KEY)], 1),
    "rwkv7": (
        "rwkv7",
        "wkv7",
        [("normal", KEY), ("decay7", KEY), ("normal", KEY), ("normal", VALUE), ("remove", KEY), ("replace", KEY)],
        1,
    ),
    "kda": ("kda", "kda", [("normal", KEY), ("unit", KEY), ("normal", VALUE), ("decay", KEY), ("beta", NUMBER)], 1),
    "gated_deltanet": (
        "gated_deltanet",
        "gated_deltanet",
        [("normal", KEY), ("unit", KEY), ("normal", VALUE), ("decay", NUMBER), ("beta", NUMBER)],
        1,
    ),
    "tensor_state": (
        "tensor_state",
        "tensor_state",
        [("normal", KEY), ("normal", KEY), ("normal", KEY), ("normal", KEY), ("normal", VALUE), ("decay", KEY), ("decay", KEY)],
        2,
    ),
    "quaternion": (
        "quaternion",
        "quaternion",
        [("normal", KEY), ("unit", KEY), ("normal", VALUE), ("quaternion", KEY)],
        1,
    ),
    "complex_delta": (
        "complex_delta",
        "complex_delta",
        [("normal", KEY), ("unit", KEY), ("normal", VALUE), ("beta", NUMBER), ("complex", KEY)],
        1,
    ),
}


def quaternions(lead, size, rng):
    """Unit quaternions as matrices, one for every four key channels."""
    a, b, c, d = np.moveaxis(unit(rng.standard_normal((*lead, size // 4, 4))), -1, 0)
    rows = [[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]]
    return np.stack([np.stack(row, -1) for row in rows], -2).astype(np.float32)


def complexes(lead, size, rng):
    """Complex numbers inside of the unit circle as matrices, one for every two key channels."""
    angle, radius = rng.standard_normal((*lead, size // 2)), sigmoid(rng.standard_normal((*lead, size // 2)) + 3)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.stack([np.stack([x, -y], -1), np.stack([y, x], -1)], -2).astype(np.float32)


def draw(kind, shape, rng, made):
    if kind in ("quaternion", "complex"):
        return (quaternions if kind == "quaternion" else complexes)(shape[:-1], shape[-1], rng)
    x = rng.standard_normal(shape).astype(np.float32)
    if kind == "decay":
        return np.log(sigmoid(x + 3)).astype(np.float32)
    if kind == "decay7":
        return (-np.exp(-0.5) * sigmoid(x)).astype(np.float32)
    if kind in ("unit", "remove"):
        return unit(x).astype(np.float32)
    if kind == "replace":
        return (-made["remove"] * sigmoid(x)).astype(np.float32)
    return sigmoid(x).astype(np.float32) if kind == "beta" else x


def inputs_of(layer, batch, tokens, heads, size, rng):
    _, _, operands, keys = LAYERS[layer]
    made, arrays = {}, []
    for kind, axes in operands:
        lead = (heads,) if kind == "const" else (batch, tokens, heads)
        made[kind] = draw(kind, lead + (size,) * len(axes), rng, made)
        arrays.append(made[kind])
    return arrays + [np.zeros((batch, heads) + (size,) * (keys + 1), np.float32)]


def compile_pack(opt, layer, arrays, schedule, chunk, folder):
    example, function, _, _ = LAYERS[layer]
    path = folder / f"{layer}-{schedule}-{chunk}.pack"
    shapes = [a for x in arrays for a in ("--argument", "x".join(map(str, x.shape)) + "xf32")]
    command = [opt, SOURCE / "examples" / "ladder" / f"{example}.mlir", "--emit=pack", "--function", function, *shapes]
    start = time.perf_counter()
    subprocess.run([*map(str, command), "--schedule", schedule, "--chunk", str(chunk), "-o", str(path)], check=True)
    return path, function, time.perf_counter() - start


class Call:
    """One function of a pack on fixed memory."""

    def __init__(self, library, pack, function, sets, threads):
        self.model, self.name = library.model(pack, threads=threads), function.encode()
        self.sets = sets
        self.given = [(runtime.RwkvArray * len(s))(*(runtime.view(x, "f32") for x in s)) for s in sets]
        self.results = (runtime.RwkvArray * 2)()
        self.check(self.model.lib.rwkv_function_shapes)
        self.outputs = []
        for result in self.results:
            self.outputs.append(np.full(tuple(result.shape[: result.rank]), np.nan, np.float32))
            result.data = self.outputs[-1].ctypes.data

    def check(self, entry, which=0):
        given = self.given[which]
        self.model.check(
            entry(self.model.handle, self.name, given, ctypes.c_int64(len(given)), self.results, ctypes.c_int64(2))
        )

    def run(self, which):
        start = time.perf_counter()
        self.check(self.model.lib.rwkv_call, which)
        return time.perf_counter() - start


def measure(args, layer, folder, library):
    size = args.tensor_size if LAYERS[layer][3] == 2 else args.size
    rng = np.random.default_rng(args.seed)
    sets = [inputs_of(layer, 1, args.tokens, args.heads, size, rng) for _ in range(2)]
    reference, rows = None, []
    for schedule, chunk in [("step", 0)] + [("chunk", c) for c in args.chunks]:
        pack, function, compiled = compile_pack(args.build_dir / "bin" / "rwkv-opt", layer, sets[0], schedule, chunk, folder)
        call = Call(library, pack, function, sets, args.threads)
        call.run(0)
        outputs = [x.copy() for x in call.outputs]
        reference = reference or outputs
        error = max(float(np.linalg.norm(x - y) / np.linalg.norm(y)) for x, y in zip(outputs, reference))
        times = sorted(call.run(i % 2) for i in range(args.repeats))
        median = times[len(times) // 2]
        rows.append(
            {
                "layer": layer,
                "schedule": schedule + (f" {chunk}" if chunk else ""),
                "ms": 1e3 * median,
                "tokens_per_s": args.tokens / median,
                "against_step": rows[0]["ms"] / (1e3 * median) if rows else 1.0,
                "error": error,
                "compile_s": compiled,
            }
        )
        call.model.close()
        row = rows[-1]
        print(
            f"{layer:16}{row['schedule']:10}{row['ms']:9.2f} ms{row['tokens_per_s']:12.0f} t/s"
            f"{row['against_step']:7.2f} x step   difference {error:.1e}   compiled in {compiled:.2f} s",
            flush=True,
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=SOURCE / "build", help="default: build")
    parser.add_argument("--layers", default=",".join(LAYERS), help="default: all")
    parser.add_argument("--chunks", default="16,32", type=lambda text: [int(c) for c in text.split(",")])
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=64, help="of key and value axes")
    parser.add_argument("--tensor-size", type=int, default=32, help="of the axes of states with two key axes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="write JSON here")
    args = parser.parse_args()
    for layer in args.layers.split(","):
        if layer not in LAYERS:
            parser.error(f"--layers: expected some of {', '.join(LAYERS)}, found '{layer}'")
    library = runtime.Library(args.build_dir / "runtime" / "librwkv_rt.so")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for layer in args.layers.split(","):
            rows += measure(args, layer, pathlib.Path(folder), library)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
