#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Decodes with a model on a device, with kernels replayed as graphs and launched one by one:

    random_model.py --size 0.4B -o 0.4B.safetensors
    rwkv-opt examples/rwkv7.mlir --emit=pack --target=sm_90a --checkpoint 0.4B.safetensors -o 0.4B.pack
    decode_device.py 0.4B.pack 0.4B.safetensors --device cuda --sequences 1,8,32 --out decode.json

The logits of all steps must be the same bits either way, also after states were copied and loaded in between. A step is one
rwkv_decode: tokens there, logits back. Weights are read once per step, but for the embedding table; GB/s counts them. Needs
numpy, and librwkv_rt.so."""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "test" / "numerics"))

from tool import Library  # noqa: E402


def weight_bytes(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    skipped = ("__metadata__", "emb.weight")
    return sum(t["data_offsets"][1] - t["data_offsets"][0] for n, t in header.items() if n not in skipped)


def decode(args, library, sequences):
    """(logits of some steps, seconds of a step)."""
    rng = np.random.default_rng(0)
    model = library.model(args.pack, args.weights)
    seen = []

    def steps(state, count):
        for _ in range(count):
            seen.append(state.decode(rng.integers(0, model.vocabulary(), sequences)))

    with model.state(sequences) as state, model.state(sequences) as other, tempfile.TemporaryDirectory() as folder:
        state.prefill([[1, 2, 3]] * sequences)
        steps(state, 6)
        state.save(f"{folder}/state")
        steps(other, 3)  # another's buffers
        steps(state, 3)
        other.load(f"{folder}/state")
        steps(other, 6)
        steps(state, 2)
        tokens, times = rng.integers(0, model.vocabulary(), sequences), []
        for _ in range(args.repeats):
            begin = time.perf_counter()
            for _ in range(args.steps):
                state.decode(tokens)
            times.append((time.perf_counter() - begin) / args.steps)
    model.close()
    return seen, statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sequences", default="1,8,32", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--steps", type=int, default=50, help="of one timed run")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--library", type=pathlib.Path, default=SOURCE / "build/runtime/librwkv_rt.so")
    parser.add_argument("--out", type=pathlib.Path, help="write JSON here")
    args = parser.parse_args()
    rows, read = [], weight_bytes(args.weights)
    found = {"pack": args.pack.name, "device": args.device, "decode": rows}
    libraries = {graphs: Library(args.library, args.device, graphs) for graphs in (True, False)}
    different = 0
    for sequences in args.sequences:
        (logits, replayed), (expected, launched) = (decode(args, libraries[g], sequences) for g in (True, False))
        same = all(np.array_equal(a, b) for a, b in zip(logits, expected)) and np.isfinite(expected).all()
        different += not same
        rows.append({"sequences": sequences, "graphs_ms": 1e3 * replayed, "launches_ms": 1e3 * launched, "same": bool(same)})
        print(
            f"{sequences:5} sequences: {1e3 * replayed:8.3f} ms with graphs ({sequences / replayed:8.0f} tokens/s, "
            f"{read / replayed / 1e9:6.0f} GB/s), {1e3 * launched:8.3f} ms without; logits {'same' if same else 'DIFFER'}",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
