#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes an RWKV-7 of a given size with random weights, for measuring speed: key names and shapes are RWKV-LM's, activations
stay finite, the text is noise.

    random_model.py --size 0.1B --dtype bf16 -o 0.1B-bf16.safetensors
    random_model.py --layers 4 --width 256 --vocab 256 --ranks 32,32,16,64 -o small.safetensors
"""

import argparse
import json
import struct

import numpy as np

# layers, width and the low ranks of w, a, v, g of the released models
SIZES = {
    "0.1B": (12, 768, "64,64,32,128"),
    "0.4B": (24, 1024, "64,64,32,128"),
    "1.5B": (24, 2048, "96,96,64,256"),
}
CHUNK = 1 << 24  # random numbers made at a time


def tensors(layers, width, vocab, head, ranks):
    """Yields (name, shape, standard deviation, mean); vectors, r_k among them, stay float32."""
    inner = 4 * width
    yield "emb.weight", (vocab, width), 0.5, 0.0

    def norm(name):
        yield f"{name}.weight", (width,), 0.0, 1.0
        yield f"{name}.bias", (width,), 0.0, 0.0

    for layer in range(layers):
        block = f"blocks.{layer}"
        for name in (["ln0"] if layer == 0 else []) + ["ln1", "ln2"]:
            yield from norm(f"{block}.{name}")
        att = f"{block}.att"
        for name in "rwkvag":
            yield f"{att}.x_{name}", (width,), 0.1, 0.5
        for name, rank in zip("wavg", ranks):
            if name == "v" and layer == 0:
                continue
            if name != "g":
                yield f"{att}.{name}0", (width,), 0.5, -2.0 if name == "w" else 0.0
            yield f"{att}.{name}1", (width, rank), width**-0.5, 0.0
            yield f"{att}.{name}2", (rank, width), rank**-0.5, 0.0
        yield f"{att}.k_k", (width,), 0.1, 0.8
        yield f"{att}.k_a", (width,), 0.1, 1.0
        yield f"{att}.r_k", (width // head, head), 0.1, 0.0
        for name in ["receptance", "key", "value", "output"]:
            yield f"{att}.{name}.weight", (width, width), 0.5 * width**-0.5, 0.0
        yield from norm(f"{att}.ln_x")
        yield f"{block}.ffn.x_k", (width,), 0.1, 0.5
        yield f"{block}.ffn.key.weight", (inner, width), 0.5 * width**-0.5, 0.0
        yield f"{block}.ffn.value.weight", (width, inner), 0.5 * inner**-0.5, 0.0
    yield from norm("ln_out")
    yield "head.weight", (vocab, width), width**-0.5, 0.0


def is_vector(name, shape):
    return len(shape) == 1 or name.endswith(".r_k")


def to_bf16(array):
    """Rounds to nearest even; in place, returns a view of the upper halves."""
    bits = array.view(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype(np.uint16)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, help="layers, width and ranks of a released model")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--ranks", help="low ranks of w, a, v, g")
    parser.add_argument("--vocab", type=int, default=65536, help="default: 65536")
    parser.add_argument("--head", type=int, default=64, help="head size (default: 64)")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16", help="of the matrices (default: bf16)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    layers, width, ranks = SIZES.get(options.size, (options.layers, options.width, options.ranks))
    layers, width, ranks = options.layers or layers, options.width or width, options.ranks or ranks
    if not (layers and width and ranks):
        parser.error("expected --size, or --layers, --width and --ranks")
    if width % options.head:
        parser.error(f"expected a width that is a multiple of the head size {options.head}, found {width}")
    ranks = [int(rank) for rank in ranks.split(",")]
    if len(ranks) != 4:
        parser.error(f"expected four ranks, found {len(ranks)}")

    listed = list(tensors(layers, width, options.vocab, options.head, ranks))
    header, offset = {}, 0
    for name, shape, _, _ in listed:
        dtype = "F32" if options.dtype == "f32" or is_vector(name, shape) else "BF16"
        size = int(np.prod(shape)) * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(options.seed)
    with open(options.output, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape, deviation, mean in listed:
            count = int(np.prod(shape))
            for start in range(0, count, CHUNK):
                values = rng.standard_normal(min(CHUNK, count - start), np.float32)
                values *= np.float32(deviation)
                values += np.float32(mean)
                file.write((values if header[name]["dtype"] == "F32" else to_bf16(values)).tobytes())


if __name__ == "__main__":
    main()
