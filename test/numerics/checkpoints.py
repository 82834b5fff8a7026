# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""RWKV-7 in numpy, with mistakes that a test must notice, and the checkpoints that models.py tests."""

import json
import os
import pathlib
import struct
import sys

import numpy as np

from tool import from_bits, to_bf16

sys.path.insert(0, str(pathlib.Path(__file__).parent / "reference"))
import rwkv7_float64  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DECAY_SCALE = np.exp(-0.5)

# ---- the equations once more, with mistakes


MISTAKES = (
    "ln_x eps 1e-5 instead of 64e-5",
    "kk from the modified k",
    "no kk normalise",
    "no k_a modification",
    "no v_first residual",
    "no r_k bonus",
    "bonus with v before the residual",
    "read S before the update",
    "sa from decayed S",
    "decay on the value axis",
    "a dropped in sa outer",
    "w: exp(-exp(w)) v6 style",
    "no tanh in w lora",
    "no sigmoid in g",
    "lerp order r,w,k,v,a,g -> w,r",
    "no ffn token shift",
    "ffn relu not squared",
    "state cleared each token",
    "no ln0",
    "bf16 weights",
)


def forward(weights, tokens, mistake=None, dtype=np.float64):
    """(logits [T, V], state as of rwkv7_float64), one token after the other, from zeros. S is [H, value, key]."""
    z = {n: np.asarray(x, dtype).reshape(-1) if np.ndim(x) == 3 else np.asarray(x, dtype) for n, x in weights.items()}
    if mistake == "bf16 weights":
        z = {n: from_bits(to_bf16(x)).astype(dtype) for n, x in z.items()}
    eps, eps_x = dtype(1e-5), dtype(1e-5 if mistake == MISTAKES[0] else 64e-5)
    heads, size = z["blocks.0.att.r_k"].shape
    layers = 1 + max(int(n.split(".")[1]) for n in z if n.startswith("blocks."))
    width = heads * size
    att_x, ffn_x = np.zeros((layers, width), dtype), np.zeros((layers, width), dtype)
    states = np.zeros((layers, heads, size, size), dtype)

    def sigmoid(x):
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-x))

    def normalised(x, e):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + e)

    def layer_norm(x, name):
        return normalised(x, eps) * z[name + ".weight"] + z[name + ".bias"]

    def per_head(x):
        return x.reshape(heads, size)

    rows = []
    for token in tokens:
        x = z["emb.weight"][token]
        if "blocks.0.ln0.weight" in z and mistake != "no ln0":
            x = layer_norm(x, "blocks.0.ln0")
        v_first = None
        for i in range(layers):
            a = f"blocks.{i}.att."
            h = layer_norm(x, f"blocks.{i}.ln1")
            mixed = {c: h + (att_x[i] - h) * z[a + "x_" + c] for c in "rwkvag"}
            att_x[i] = h
            if mistake == "lerp order r,w,k,v,a,g -> w,r":
                mixed["r"], mixed["w"] = mixed["w"], mixed["r"]
            r, k, v = (z[a + n + ".weight"] @ mixed[n[0]] for n in ("receptance", "key", "value"))
            low = mixed["w"] @ z[a + "w1"]
            low = z[a + "w0"] + (low if mistake == "no tanh in w lora" else np.tanh(low)) @ z[a + "w2"]
            w = (
                np.exp(-np.exp(low))
                if mistake == "w: exp(-exp(w)) v6 style"
                else np.exp(-dtype(DECAY_SCALE) * sigmoid(low))
            )
            v_alone = v
            if i == 0:
                v_first = v
            elif mistake != "no v_first residual":
                v = v + (v_first - v) * sigmoid(z[a + "v0"] + (mixed["v"] @ z[a + "v1"]) @ z[a + "v2"])
            rate = sigmoid(z[a + "a0"] + (mixed["a"] @ z[a + "a1"]) @ z[a + "a2"])
            gate = mixed["g"] @ z[a + "g1"]
            gate = (gate if mistake == "no sigmoid in g" else sigmoid(gate)) @ z[a + "g2"]
            changed = k if mistake == "no k_a modification" else k * (1 + (rate - 1) * z[a + "k_a"])
            kk = per_head((changed if mistake == "kk from the modified k" else k) * z[a + "k_k"])
            if mistake != "no kk normalise":
                kk = kk / np.maximum(np.sqrt((kk**2).sum(1, keepdims=True)), dtype(1e-12))
            r, w, k, v, rate = map(per_head, (r, w, changed, v, rate))
            s = states[i] * (0 if mistake == "state cleared each token" else 1)  # a copy
            decayed = s * (w[:, :, None] if mistake == "decay on the value axis" else w[:, None, :])
            removed = ((decayed if mistake == "sa from decayed S" else s) * -kk[:, None, :]).sum(2)
            into = kk if mistake == "a dropped in sa outer" else kk * rate
            new = decayed + removed[:, :, None] * into[:, None, :] + v[:, :, None] * k[:, None, :]
            states[i] = new
            y = ((s if mistake == "read S before the update" else new) * r[:, None, :]).sum(2)
            y = normalised(y, eps_x).reshape(-1) * z[a + "ln_x.weight"] + z[a + "ln_x.bias"]
            if mistake != "no r_k bonus":
                bonus_v = per_head(v_alone) if mistake == "bonus with v before the residual" else v
                y = y + ((r * k * z[a + "r_k"]).sum(1, keepdims=True) * bonus_v).reshape(-1)
            x = x + z[a + "output.weight"] @ (y * gate)
            f = f"blocks.{i}.ffn."
            h = layer_norm(x, f"blocks.{i}.ln2")
            mix = h if mistake == "no ffn token shift" else h + (ffn_x[i] - h) * z[f + "x_k"]
            ffn_x[i] = h
            inner = np.maximum(z[f + "key.weight"] @ mix, 0)
            x = x + z[f + "value.weight"] @ (inner if mistake == "ffn relu not squared" else inner**2)
        rows.append(z["head.weight"] @ layer_norm(x, "ln_out"))
    return np.array(rows), {"att_x": att_x, "wkv": states, "ffn_x": ffn_x}


# ---- checkpoints


def is_matrix(name, array):
    """What a released checkpoint stores in 16 bits; vectors, and r_k among them, stay f32."""
    return array.ndim == 2 and not name.endswith("r_k") and 1 not in array.shape


def write_safetensors(path, weights, dtype):
    """Matrices as `dtype` (F32, F16, BF16), the rest as F32. Returns the weights as stored, in float64."""
    header, data, stored = {}, b"", {}
    for name, array in weights.items():
        kind = dtype if is_matrix(name, array) else "F32"
        if kind == "BF16":
            bits = to_bf16(array)
            stored[name] = from_bits(bits).astype(np.float64)
        else:
            bits = array.astype(np.float16 if kind == "F16" else np.float32)
            stored[name] = bits.astype(np.float64)
        raw = bits.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return stored


def shared_folder():
    folder = os.environ.get("RWKV_SHARED_MODELS")
    return pathlib.Path(folder) if folder else ROOT.parent / "shared" / "models"


class Checkpoint:
    def __init__(self, name, path, tokens, logits, tolerance):
        self.name, self.path, self.tokens, self.logits, self.tolerance = (
            name,
            path,
            list(map(int, tokens)),
            logits,
            tolerance,
        )
        self.weights = rwkv7_float64.load_safetensors(path)

    @property
    def key(self):
        return f"models/{self.name}"


def small():
    folder = ROOT / "examples" / "models"
    with np.load(folder / "rwkv7-small.expected.npz") as expected:
        # Stated beside the file: numpy float32 is within 4.8e-6 of the logits.
        return Checkpoint(
            "small", folder / "rwkv7-small.safetensors", expected["tokens"], expected["logits"], 3 * 4.8e-6
        )


def tiny(folder):
    name = "tiny-rwkv-7v0-834K-FP32"
    facts = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.long.npz") as expected:
        tolerance = 3 * facts["long_reference"]["numpy_f32_vs_f64_max_abs"]
        result = Checkpoint("tiny7", folder / f"{name}.safetensors", expected["tokens"], expected["logits"], tolerance)
    # After the prompt of the engine that the checkpoint comes from: computed in float32 there.
    result.prompt, result.after_prompt = facts["prompt_tokens"], np.load(folder / f"{name}.expected.npy")
    return result


def reverse(folder):
    facts = json.loads((folder / "rwkv7-reverse-std.json").read_text())
    path, expected = folder / "rwkv7-reverse-std.safetensors", np.load(folder / "rwkv7-reverse.expected.npy")
    result = Checkpoint("reverse", path, facts["prompt_tokens"], expected, 1e-3)
    result.vocabulary, result.tasks = facts["vocab"], facts["generation_cases"]
    return result
