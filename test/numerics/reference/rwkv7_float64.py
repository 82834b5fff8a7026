#!/usr/bin/env python3
# Part of rwkv-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""RWKV-7 in float64 numpy, from the equations: the reference for numerics tests.

  forward(weights, tokens, state=None, ln_x_eps=64e-5) -> (logits, state)

    weights  RWKV-LM key names -> arrays; Linear weights (out, in), low-rank factors (in, rank), (rank, out);
             vectors (D,) or (1, 1, D); r_k (H, N); block 0 needs no v0, v1, v2
    tokens   T integers
    logits   [T, V] float64, row t after tokens[0..t]
    state    dict of float64 arrays; None is all zeros. Passing the state back continues the sequence.
               "att_x" [L, D]        last token's ln1 output of every layer
               "wkv"   [L, H, N, N]  matrix state, [.., value, key]
               "ffn_x" [L, D]        last token's ln2 output of every layer

A layer handles all T tokens at once; only the recurrence itself walks over tokens. Needs numpy."""
import argparse
import json
import sys

import numpy as np

EXAMPLES = """examples:
  rwkv7_float64.py MODEL --prompt "In the beginning" --out logits.npz    # tokens, logits, final state
  rwkv7_float64.py MODEL --compare EXPECTED.npz                          # logits (and state) of a stored file
  rwkv7_float64.py MODEL --bits-per-byte heldout.txt
  rwkv7_float64.py MODEL --prompt "In the beginning" --generate 200 --temperature 0.7
"""

DECAY_SCALE = np.exp(-0.5)


# ---------------------------------------------------------------------------------------------- weights

def load_safetensors(path):
    """name -> float64 array, from a safetensors file of F64, F32, F16 and BF16 tensors."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 8:
        raise ValueError(f"{path}: too short for a safetensors file")
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError(f"{path}: the header is longer than the file")
    tensors = {}
    for name, entry in json.loads(data[8:start].decode("utf-8")).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw, dtype = data[start + begin:start + end], entry["dtype"]
        if dtype == "BF16":         # the upper half of a float32
            values = np.left_shift(np.frombuffer(raw, "<u2").astype("<u4"), 16).view("<f4")
        elif dtype in ("F64", "F32", "F16"):
            values = np.frombuffer(raw, {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])
        else:
            raise ValueError(f"{path}: {name} has dtype {dtype}; F64, F32, F16 and BF16 are read")
        tensors[name] = values.astype(np.float64).reshape(entry["shape"])
    return tensors


# -------------------------------------------------------------------------------------------- equations

def sigmoid(x):
    e = np.exp(-np.abs(x))          # never overflows
    return np.where(x >= 0, 1, e) / (1 + e)


def normalise(x, eps):
    """Zero mean and unit (biased) variance along the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)


def previous(x, first):
    """Row t is x[t-1]; row 0 is the token before this call."""
    return np.concatenate([first[None], x[:-1]])


def recurrence(r, w, k, v, read, write, s):
    """[T, H, N] inputs, s [H, value, key]:
         z = S_{t-1} read_t,  S_t = S_{t-1} diag(w_t) + z write_t' + v_t k_t',  o_t = S_t r_t."""
    out = np.empty_like(v)
    for t in range(len(r)):
        z = s @ read[t][:, :, None]
        s = s * w[t][:, None, :] + z * write[t][:, None, :] + v[t][:, :, None] * k[t][:, None, :]
        out[t] = (s @ r[t][:, :, None])[:, :, 0]
    return out, s


def forward(weights, tokens, state=None, ln_x_eps=64e-5):
    tokens = np.asarray(tokens, dtype=np.int64).reshape(-1)
    weight = {}

    def get(name):
        if name not in weight:
            array = np.asarray(weights[name], dtype=np.float64)
            weight[name] = array.reshape(-1) if array.ndim == 3 else array
        return weight[name]

    def layer_norm(x, name):
        return normalise(x, 1e-5) * get(name + ".weight") + get(name + ".bias")

    width = get("emb.weight").shape[1]
    heads, size = get("blocks.0.att.r_k").shape
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    if state is None:
        state = {"att_x": np.zeros((layers, width)), "wkv": np.zeros((layers, heads, size, size)),
                 "ffn_x": np.zeros((layers, width))}
    state = {name: np.array(array, dtype=np.float64) for name, array in state.items()}
    if not len(tokens):
        return np.zeros((0, get("head.weight").shape[0])), state
    per_head = (len(tokens), heads, size)

    x = get("emb.weight")[tokens]
    if "blocks.0.ln0.weight" in weights:
        x = layer_norm(x, "blocks.0.ln0")
    v_first = None
    for layer in range(layers):
        # time mix
        att = f"blocks.{layer}.att."
        h = layer_norm(x, f"blocks.{layer}.ln1")
        delta = previous(h, state["att_x"][layer]) - h
        state["att_x"][layer] = h[-1]

        def mixed(name):
            return h + delta * get(att + "x_" + name)

        def low_rank(name, inner=lambda y: y):
            return inner(mixed(name) @ get(att + name + "1")) @ get(att + name + "2")

        r = mixed("r") @ get(att + "receptance.weight").T
        k = mixed("k") @ get(att + "key.weight").T
        v = mixed("v") @ get(att + "value.weight").T
        w = np.exp(-DECAY_SCALE * sigmoid(get(att + "w0") + low_rank("w", np.tanh)))
        a = sigmoid(get(att + "a0") + low_rank("a"))
        gate = low_rank("g", sigmoid)
        if layer == 0:
            v_first = v
        else:
            v = v + sigmoid(get(att + "v0") + low_rank("v")) * (v_first - v)
        kappa = (k * get(att + "k_k")).reshape(per_head)
        kappa = kappa / np.maximum(np.sqrt(np.square(kappa).sum(-1, keepdims=True)), 1e-12)
        k = k + k * (a - 1) * get(att + "k_a")
        r, w, k, v_heads, a = (y.reshape(per_head) for y in (r, w, k, v, a))
        o, state["wkv"][layer] = recurrence(r, w, k, v_heads, -kappa, kappa * a, state["wkv"][layer])
        o = normalise(o, ln_x_eps).reshape(h.shape) * get(att + "ln_x.weight") + get(att + "ln_x.bias")
        bonus = np.einsum("thn,thn,hn->th", r, k, get(att + "r_k"))
        o = o + (bonus[:, :, None] * v_heads).reshape(h.shape)
        x = x + (o * gate) @ get(att + "output.weight").T
        # channel mix
        ffn = f"blocks.{layer}.ffn."
        h = layer_norm(x, f"blocks.{layer}.ln2")
        delta = previous(h, state["ffn_x"][layer]) - h
        state["ffn_x"][layer] = h[-1]
        inner = np.maximum((h + delta * get(ffn + "x_k")) @ get(ffn + "key.weight").T, 0)
        x = x + (inner * inner) @ get(ffn + "value.weight").T
    return layer_norm(x, "ln_out") @ get("head.weight").T, state


# ------------------------------------------------------------------------------------------------ tools

def log_softmax(logits):
    top = logits - logits.max(-1, keepdims=True)
    return top - np.log(np.exp(top).sum(-1, keepdims=True))


def bits_per_byte(weights, data, ln_x_eps, block=4096):
    """One pass over data; the state is carried from its first byte to its last. Byte 0 is not scored."""
    total, state = 0.0, None
    for begin in range(0, len(data) - 1, block):
        inputs, targets = data[begin:begin + block], data[begin + 1:begin + block + 1]
        inputs = inputs[:len(targets)]
        logits, state = forward(weights, inputs, state, ln_x_eps)
        total -= log_softmax(logits)[np.arange(len(targets)), targets].sum()
        done = begin + len(targets)
        if begin // block % 8 == 7:
            print(f"{done} of {len(data) - 1} bytes, {total / done / np.log(2):.4f} bits/byte",
                  file=sys.stderr, flush=True)
    return total / (len(data) - 1) / np.log(2)


def generate(weights, tokens, count, temperature, seed, ln_x_eps):
    random = np.random.RandomState(seed)
    logits, state = forward(weights, tokens, None, ln_x_eps)
    out = []
    for _ in range(count):
        if temperature > 0:
            p = np.exp(log_softmax(logits[-1] / temperature))
            out.append(int(np.searchsorted(np.cumsum(p), random.random_sample() * p.sum(), side="right")))
        else:
            out.append(int(logits[-1].argmax()))
        logits, state = forward(weights, out[-1:], state, ln_x_eps)
    return out


def compare(weights, path, tolerance, ln_x_eps):
    """path: npz with tokens, logits and, if it has them, final att_x, wkv, ffn_x."""
    with np.load(path) as expected:
        logits, state = forward(weights, expected["tokens"], None, ln_x_eps)
        results = {"logits": logits, **state}
        bad = False
        for name in [n for n in results if n in expected.files]:
            if results[name].shape != expected[name].shape:
                print(f"{name}: shape {results[name].shape}, expected {expected[name].shape}")
                bad = True
                continue
            error = np.abs(results[name] - expected[name]).max()
            good = error <= tolerance       # false for NaN
            bad |= not good
            print(f"{name}: max abs difference {error:.3g} {'<=' if good else 'EXCEEDS'} {tolerance:g}")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="safetensors file with RWKV-LM key names")
    add("--prompt", help="text; its UTF-8 bytes are the tokens")
    add("--tokens", help="comma-separated token ids instead of --prompt")
    add("--out", metavar="NPZ", help="write tokens, logits (float32) and the final state (float32)")
    add("--compare", metavar="NPZ", help="run the tokens of this file and compare logits and final state")
    add("--tolerance", type=float, default=1e-5, help="for --compare (default: 1e-5)")
    add("--bits-per-byte", metavar="FILE", help="of a text file, for byte-level models")
    add("--generate", type=int, metavar="N", help="print the prompt and N more bytes")
    add("--temperature", type=float, default=0.0, help="0 is greedy (default)")
    add("--seed", type=int, default=0)
    add("--ln-x-eps", type=float, default=64e-5, help="epsilon of the per-head norm (default: 64e-5)")
    args = parser.parse_args()
    if not (args.compare or args.bits_per_byte or args.out or args.generate):
        parser.error("pass one of --out, --compare, --bits-per-byte, --generate")
    weights = load_safetensors(args.model)
    if args.compare:
        return compare(weights, args.compare, args.tolerance, args.ln_x_eps)
    if args.bits_per_byte:
        with open(args.bits_per_byte, "rb") as f:
            data = np.frombuffer(f.read(), np.uint8).astype(np.int64)
        if len(data) < 2:
            parser.error(f"{args.bits_per_byte} has fewer than two bytes")
        print(f"{bits_per_byte(weights, data, args.ln_x_eps):.4f} bits/byte over {len(data)} bytes")
        return 0
    if args.tokens:
        tokens = [int(t) for t in args.tokens.split(",")]
    elif args.prompt:
        tokens = list(args.prompt.encode("utf-8"))
    else:
        parser.error("--out and --generate need --prompt or --tokens")
    if args.generate:
        text = generate(weights, tokens, args.generate, args.temperature, args.seed, args.ln_x_eps)
        print((args.prompt or "") + bytes(text).decode("utf-8", "replace"))
    if args.out:
        logits, state = forward(weights, tokens, None, args.ln_x_eps)
        with open(args.out, "wb") as f:
            np.savez_compressed(f, tokens=np.array(tokens, np.int32), logits=logits.astype(np.float32),
                                **{name: array.astype(np.float32) for name, array in state.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
