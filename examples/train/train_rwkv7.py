#!/usr/bin/env python3
# Part of rwkv-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains a small byte-level RWKV-7 and writes it as a safetensors file with RWKV-LM key names.

The recurrence is trained in its chunked form: no loop over tokens, only one over chunks of 16 that
carries the (key x value) state, and plain batched matrix products. Needs python3, torch, numpy."""
import argparse
import contextlib
import json
import math
import os
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

EXAMPLES = """examples:
  python3 train_rwkv7.py --check                      # chunked form against a float64 token loop
  python3 prepare_text.py --out text                  # see prepare_text.py --help
  python3 train_rwkv7.py --text text --out rwkv7-small.safetensors --steps 2200 --graph   # the stored model
  python3 train_rwkv7.py --text text --out rwkv7-small.safetensors --minutes 2            # by time instead
  python3 train_rwkv7.py --text text --out tiny.safetensors --layers 2 --width 64 --batch 4 --minutes 1
  python3 train_rwkv7.py --text text --eval rwkv7-small.safetensors
"""

CHUNK = 16
LN_EPS, LN_X_EPS = 1e-5, 64e-5
# log w = DECAY * sigmoid(..) lies in [DECAY, 0]: within a chunk of 16 the decays relative to the middle
# token stay within exp(+-9 * 0.6065), so both factors of every decayed score are safe in float32.
DECAY = -math.exp(-0.5)


# ------------------------------------------------------------------------------------------- recurrence

def unit_lower_inverse(a):
    """(I - a)^-1 for strictly lower triangular a [..., n, n], n a power of two: forward substitution by
    blocks. With the inverses of the s x s diagonal blocks in t, those of the 2s x 2s blocks follow from
    [[B, 0], [-L, D]]^-1 = [[B^-1, 0], [D^-1 L B^-1, D^-1]]."""
    n = a.shape[-1]
    index = torch.arange(n, device=a.device)
    row, col = index[:, None], index[None, :]
    t = torch.eye(n, dtype=a.dtype, device=a.device)
    s = 1
    while s < n:
        mask = (row // (2 * s) == col // (2 * s)) & ((row // s) % 2 == 1) & ((col // s) % 2 == 0)
        block = a * mask.to(a.dtype)
        t = t + (block if s == 1 else t @ block @ t)
        s *= 2
    return t


def wkv7_chunked(r, g, k, v, a, b, s0=None):
    """RWKV-7 recurrence over [B, T, H, N] inputs, g = log decay:
         z_t = S_{t-1} a_t;   S_t = S_{t-1} diag(exp g_t) + z_t b_t^T + v_t k_t^T;   o_t = S_t r_t
    Returns o [B, T, H, N] and the last state [B, H, N(value), N(key)]."""
    bsz, t, heads, n = r.shape
    pad = -t % CHUNK
    chunks = (t + pad) // CHUNK

    def split(x):  # [B, T, H, N] -> [B, H, chunk, token, N]; zero padding leaves the state alone
        x = F.pad(x, (0, 0, 0, 0, 0, pad)) if pad else x
        return x.view(bsz, chunks, CHUNK, heads, n).permute(0, 3, 1, 2, 4)

    r, g, k, v, a, b = (split(x) for x in (r, g, k, v, a, b))
    after = g.cumsum(-2)                # log frame after token t; writes and outputs live here
    before = after - g                  # before token t: the read z_t uses the undecayed state
    last = after[..., -1:, :]
    mid = after[..., CHUNK // 2 - 1:CHUNK // 2, :].detach()
    up, down = torch.exp(after - mid), torch.exp(mid - after)
    am, rm, bm, km = a * torch.exp(before - mid), r * up, b * down, k * down
    bt, kt = bm.transpose(-1, -2), km.transpose(-1, -2)
    # tril also drops the pairs j > t, whose factors are large but finite
    ab, ak = (am @ bt).tril(-1), (am @ kt).tril(-1)
    rb, rk = (rm @ bt).tril(), (rm @ kt).tril()
    inverse = unit_lower_inverse(ab)
    w = inverse @ (a * torch.exp(before))        # z = w P + u, with P = S^T [key, value] at chunk start
    u = inverse @ (ak @ v)
    out_p = r * torch.exp(after) + rb @ w        # o = out_p P + out_0
    out_0 = rb @ u + rk @ v
    to_end = torch.exp(last - after)
    be, ke = (b * to_end).transpose(-1, -2), (k * to_end).transpose(-1, -2)
    step = be @ w + torch.diag_embed(torch.exp(last.squeeze(-2)))   # P' = step P + add
    add = be @ u + ke @ v
    p = r.new_zeros(bsz, heads, n, n) if s0 is None else s0.transpose(-1, -2)
    states = []
    for m, c in zip(step.unbind(2), add.unbind(2)):
        states.append(p)
        p = m @ p + c
    o = out_p @ torch.stack(states, 2) + out_0
    o = o.permute(0, 2, 3, 1, 4).reshape(bsz, chunks * CHUNK, heads, n)[:, :t]
    return o, p.transpose(-1, -2)


def wkv7_tokens(r, g, k, v, a, b, s0=None):
    """The same, token by token: the definition. Used by --check only."""
    bsz, t, heads, n = r.shape
    s = r.new_zeros(bsz, heads, n, n) if s0 is None else s0
    out = []
    for i in range(t):
        z = torch.einsum("bhij,bhj->bhi", s, a[:, i])
        s = (s * torch.exp(g[:, i])[:, :, None, :] + z[..., None] * b[:, i][:, :, None, :]
             + v[:, i][..., None] * k[:, i][:, :, None, :])
        out.append(torch.einsum("bhij,bhj->bhi", s, r[:, i]))
    return torch.stack(out, 1), s


# ------------------------------------------------------------------------------------------------ model

def shift(x):
    return F.pad(x, (0, 0, 1, -1))


class TimeMix(nn.Module):
    def __init__(self, args, layer):
        super().__init__()
        d, n = args.width, args.head
        self.layer, self.n, self.wkv = layer, n, wkv7_chunked
        up, down = layer / max(args.layers - 1, 1), 1 - layer / args.layers
        x = torch.arange(d) / d
        for name, power in zip("rwkvag", (0.2, 0.9, 0.7, 0.7, 0.9, 0.2)):
            setattr(self, "x_" + name, nn.Parameter(1 - x ** (power * down)))

        def lora(name, rank, bias):
            setattr(self, name + "1", nn.Parameter(torch.zeros(d, rank)))
            setattr(self, name + "2", nn.Parameter(nn.init.orthogonal_(torch.empty(rank, d)) * 0.1))
            if bias is not None:
                setattr(self, name + "0", nn.Parameter(bias))

        lora("w", args.rank_w, -5.5 + 6 * torch.linspace(0, 1, d) ** (1 + up ** 0.3))
        lora("a", args.rank_a, torch.zeros(d))
        if layer:
            lora("v", args.rank_v, torch.full((d,), 0.5))
        lora("g", args.rank_g, None)
        nn.init.normal_(self.g1, std=d ** -0.5)
        self.k_k = nn.Parameter(torch.full((d,), 0.85))
        self.k_a = nn.Parameter(torch.ones(d))
        self.r_k = nn.Parameter(torch.full((d // n, n), -0.04))
        for name, scale in (("receptance", 0.5), ("key", 0.05), ("value", 0.5), ("output", 0.0)):
            linear = nn.Linear(d, d, bias=False)
            nn.init.uniform_(linear.weight, -scale * d ** -0.5, scale * d ** -0.5)
            setattr(self, name, linear)
        self.ln_x = nn.GroupNorm(d // n, d, eps=LN_X_EPS)

    def forward(self, h, v_first):
        bsz, t, d = h.shape
        sx = shift(h) - h
        xr, xw, xk, xv, xa, xg = (h + sx * getattr(self, "x_" + c) for c in "rwkvag")
        full = self.w0.dtype                # under autocast the products come out as bf16
        r, k, v = self.receptance(xr).to(full), self.key(xk).to(full), self.value(xv).to(full)
        g_decay = DECAY * torch.sigmoid(self.w0 + torch.tanh(xw @ self.w1) @ self.w2)
        a = torch.sigmoid(self.a0 + xa @ self.a1 @ self.a2)
        gate = torch.sigmoid(xg @ self.g1) @ self.g2
        if self.layer == 0:
            v_first = v
        else:
            v = v + (v_first - v) * torch.sigmoid(self.v0 + xv @ self.v1 @ self.v2)
        heads = (bsz, t, d // self.n, self.n)
        kk = F.normalize((k * self.k_k).view(heads), dim=-1, eps=1e-12)
        k = k * (1 + (a - 1) * self.k_a)
        r, k, vh, a, g_decay = (x.reshape(heads) for x in (r, k, v, a, g_decay))
        with torch.autocast(h.device.type, enabled=False):
            o, _ = self.wkv(*(x.to(full) for x in (r, g_decay, k, vh, -kk, kk * a)))
        y = self.ln_x(o.reshape(bsz * t, d)).view(heads)
        y = y + (r * k * self.r_k).sum(-1, keepdim=True) * vh
        return self.output(y.reshape(bsz, t, d) * gate), v_first


class ChannelMix(nn.Module):
    def __init__(self, args, layer):
        super().__init__()
        d, f = args.width, args.ffn
        self.x_k = nn.Parameter(1 - (torch.arange(d) / d) ** ((1 - layer / args.layers) ** 4))
        self.key, self.value = nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)
        nn.init.orthogonal_(self.key.weight)
        nn.init.zeros_(self.value.weight)

    def forward(self, h):
        return self.value(torch.relu(self.key(h + (shift(h) - h) * self.x_k)) ** 2)


class Block(nn.Module):
    def __init__(self, args, layer):
        super().__init__()
        if layer == 0:
            self.ln0 = nn.LayerNorm(args.width, eps=LN_EPS)
        self.ln1, self.ln2 = nn.LayerNorm(args.width, eps=LN_EPS), nn.LayerNorm(args.width, eps=LN_EPS)
        self.att, self.ffn = TimeMix(args, layer), ChannelMix(args, layer)

    def forward(self, x, v_first):
        if hasattr(self, "ln0"):
            x = self.ln0(x)
        y, v_first = self.att(self.ln1(x), v_first)
        x = x + y
        return x + self.ffn(self.ln2(x)), v_first


class Rwkv7(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.emb = nn.Embedding(256, args.width)
        self.blocks = nn.ModuleList(Block(args, i) for i in range(args.layers))
        self.ln_out = nn.LayerNorm(args.width, eps=LN_EPS)
        self.head = nn.Linear(args.width, 256, bias=False)
        nn.init.uniform_(self.emb.weight, -0.05, 0.05)
        nn.init.orthogonal_(self.head.weight, gain=0.5)

    def forward(self, tokens):
        x, v_first = self.emb(tokens), None
        for block in self.blocks:
            x, v_first = block(x, v_first)
        return self.head(self.ln_out(x))


def is_matrix(name):
    return name.endswith(("emb.weight", "head.weight", "receptance.weight", "key.weight", "value.weight",
                          "output.weight")) or name.rsplit(".", 1)[-1] in \
        ("w1", "w2", "a1", "a2", "v1", "v2", "g1", "g2")


def round_matrices(model):
    """The function that the stored file computes: matrices rounded to bf16."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if is_matrix(name):
                p.copy_(p.to(torch.bfloat16).to(p.dtype))


# ------------------------------------------------------------------------------------------ safetensors

def save(path, model, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, p in model.named_parameters():
        p = p.detach().cpu()
        if is_matrix(name):
            dtype, data = "BF16", p.to(torch.bfloat16).view(torch.int16).numpy().tobytes()
        else:
            dtype, data = "F32", p.float().numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(p.shape), "data_offsets": [offset, offset + len(data)]}
        blobs.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)      # tensor data starts on a multiple of 64
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for data in blobs:
            f.write(data)
    os.replace(path + ".part", path)


def load(path):
    """name -> float32 tensor, of the F32 and BF16 tensors that save() writes."""
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack_from("<Q", data)[0]
    header, out = json.loads(data[8:8 + size]), {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + x for x in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(data[begin:end], "<f4").copy()
        out[name] = torch.from_numpy(array.reshape(entry["shape"]))
    return out


def load_model(path, args):
    weights = load(path)
    args.width = weights["emb.weight"].shape[1]
    args.head = weights["blocks.0.att.r_k"].shape[1]
    args.ffn = weights["blocks.0.ffn.key.weight"].shape[0]
    args.layers = 1 + max(int(n.split(".")[1]) for n in weights if n.startswith("blocks."))
    for rank, layer in zip("wavg", (0, 0, 1, 0)):
        name = f"blocks.{layer}.att.{rank}1"
        if name in weights:
            setattr(args, "rank_" + rank, weights[name].shape[1])
    model = Rwkv7(args)
    model.load_state_dict(weights)
    return model


# --------------------------------------------------------------------------------------- train, evaluate

def evaluate(model, data, window=1024, batch=32):
    """Held-out bits per byte. Every window starts from the zero state; its first byte is not scored."""
    total = count = 0
    usable = len(data) // window * window
    with torch.no_grad():
        for chunk in data[:usable].view(-1, window).split(batch):
            chunk = chunk.long()
            logits = model(chunk[:, :-1]).float()
            total += F.cross_entropy(logits.reshape(-1, 256), chunk[:, 1:].reshape(-1), reduction="sum").double()
            count += chunk[:, 1:].numel()
    return float(total) / count / math.log(2)


def read_text(args, name, device):
    path = os.path.join(args.text, name)
    try:
        with open(path, "rb") as f:
            return torch.from_numpy(np.frombuffer(f.read(), np.uint8).copy()).to(device)
    except FileNotFoundError:
        sys.exit(f"train_rwkv7.py: {path} is missing: run prepare_text.py --out {args.text}")


def graphed(loss_step, tokens):
    """Captures forward and backward into one CUDA graph; gradients keep their addresses."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            loss_step(tokens)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = loss_step(tokens)

    def run(batch):
        tokens.copy_(batch)
        graph.replay()
        return loss
    return run


def train(args, device):
    data, held = read_text(args, "train.txt", device), read_text(args, "heldout.txt", device)
    model = (load_model(args.init, args) if args.init else Rwkv7(args)).to(device)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count} parameters, {len(data)} bytes of text, {len(held)} held out, {device}, torch {torch.__version__}",
          flush=True)
    groups = [{"params": [p for n, p in model.named_parameters() if is_matrix(n)], "weight_decay": args.weight_decay},
              {"params": [p for n, p in model.named_parameters() if not is_matrix(n)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.99),
                                  **({"fused": True} if device.type == "cuda" else {}))

    def loss_step(tokens):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        if grads:
            torch._foreach_zero_(grads)
        # bf16 products, float32 recurrence; no cast cache, so that a graph replays the casts
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False) \
                if device.type == "cuda" else contextlib.nullcontext():
            logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.float().reshape(-1, 256), tokens[:, 1:].reshape(-1))
        loss.backward()
        return loss.detach()

    span = torch.arange(args.length + 1, device=device)

    def batch():
        start = torch.randint(len(data) - args.length, (args.batch, 1), device=device)
        return data[start + span].long()

    step_fn = graphed(loss_step, batch()) if args.graph and device.type == "cuda" else loss_step
    metadata = {"format": "pt", "model": "rwkv7", "vocab": "bytes"}

    def checkpoint():
        saved = {n: p.detach().clone() for n, p in model.named_parameters()}
        round_matrices(model)
        bits = evaluate(model, held)
        save(args.out, model, metadata)
        with torch.no_grad():
            for n, p in model.named_parameters():
                p.copy_(saved[n])
        return bits

    begin = last = time.time()
    step, seen = 0, 0.0
    while True:
        elapsed = time.time() - begin
        progress = max(elapsed / (60 * args.minutes) if args.minutes else 0, step / args.steps if args.steps else 0)
        if progress >= 1:
            break
        lr = args.lr * min(1, (step + 1) / args.warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = step_fn(batch())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % args.log == 0:
            bits = float(loss) / math.log(2)   # also keeps the host from running ahead
            if not math.isfinite(bits):
                sys.exit(f"train_rwkv7.py: the loss is {bits} at step {step}; lower --lr")
            rate = step * args.batch * args.length / (time.time() - begin)
            print(f"step {step} {100 * progress:.0f}% lr {lr:.2e} train {bits:.3f} bits/byte, "
                  f"{rate / 1e3:.0f} kB/s, {time.time() - begin:.0f} s", flush=True)
            if time.time() - last > args.save_every:
                print(f"step {step} held-out {checkpoint():.4f} bits/byte (saved)", flush=True)
                last = time.time()
    bits = checkpoint()
    print(f"done: {step} steps, {step * args.batch * args.length / 1e6:.0f} MB seen, {time.time() - begin:.0f} s")
    print(f"held-out {bits:.4f} bits/byte, {args.out}: {os.path.getsize(args.out)} bytes", flush=True)


# ------------------------------------------------------------------------------------------------ check

def check(args, device):
    torch.manual_seed(1)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
    failed = False

    def expect(name, error, limit):
        nonlocal failed
        good = error <= limit               # false for NaN
        failed |= not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {error:.2e} (limit {limit:.0e})")

    def relative(x, y):
        return float((x.double() - y.double()).abs().max() / y.double().abs().max())

    low = torch.randn(64, CHUNK, CHUNK, dtype=torch.float64, device=device).tril(-1) * 0.3
    eye = torch.eye(CHUNK, dtype=torch.float64, device=device).expand_as(low).contiguous()
    solved = torch.linalg.solve_triangular(eye - low, eye, upper=False, unitriangular=True)
    expect("block substitution against solve_triangular, float64", relative(unit_lower_inverse(low), solved), 1e-12)
    expect("the same in float32", relative(unit_lower_inverse(low.float()), solved), 1e-5)

    for t, n, kind in ((96, 32, "random decays"), (83, 16, "padded last chunk"), (64, 32, "strongest decay"),
                       (64, 64, "no decay, near-duplicate keys, a = 1")):
        def rand(*tail):
            return torch.randn(2, t, 3, n, dtype=torch.float64, device=device)
        r, k, v = rand() * 0.5, rand() * 0.5, rand()
        g = DECAY * torch.sigmoid(2 * rand())
        kappa, rate = rand(), torch.sigmoid(rand())
        if kind == "strongest decay":
            g = torch.full_like(g, DECAY)
        if kind.startswith("no decay"):
            g, rate = torch.zeros_like(g), torch.ones_like(g)
            kappa = kappa[:, :1] + 0.1 * kappa
        kappa = F.normalize(kappa, dim=-1)
        s0 = torch.randn(2, 3, n, n, dtype=torch.float64, device=device)
        inputs = [x.requires_grad_() for x in (r, g, k, v, -kappa, kappa * rate, s0)]
        want = wkv7_tokens(*inputs)
        got = wkv7_chunked(*inputs)
        single = wkv7_chunked(*(x.detach().float() for x in inputs))
        for what, index in (("outputs", 0), ("state", 1)):
            expect(f"{kind}: {what}, float64", relative(got[index], want[index]), 1e-11)
            expect(f"{kind}: {what}, float32", relative(single[index], want[index]), 2e-5)
        probe = [torch.randn_like(x) for x in want]
        grads = [torch.autograd.grad(sum((x * p).sum() for x, p in zip(y, probe)), inputs) for y in (got, want)]
        expect(f"{kind}: gradients, float64", max(relative(x, y) for x, y in zip(*grads)), 1e-10)

    args.width, args.head, args.layers, args.ffn = 64, 16, 3, 128
    model = Rwkv7(args).to(device)
    with torch.no_grad():
        for p in model.parameters():          # no zero matrices: every path must matter
            p.add_(0.1 * torch.randn_like(p))
    tokens = torch.randint(256, (2, 100), device=device)
    single = model(tokens)
    for block in model.blocks:
        block.att.wkv = wkv7_tokens
    model.double()
    want = model(tokens)
    expect("whole model, float32 chunked against float64 tokens: logits", relative(single, want), 2e-5)
    if failed:
        sys.exit("train_rwkv7.py: --check failed")
    print("check passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--check", action="store_true", help="compare the chunked form with a float64 token loop and exit")
    add("--eval", metavar="FILE", help="print the held-out bits per byte of a model and exit")
    add("--text", default="text", help="folder with train.txt and heldout.txt (default: text)")
    add("--out", default="rwkv7-small.safetensors", help="model file; rewritten at every checkpoint")
    add("--init", metavar="FILE", help="start from this model instead of random weights")
    add("--minutes", type=float, default=0, help="time budget; the learning rate follows it")
    add("--steps", type=int, default=0, help="number of steps (with --minutes: whichever ends first)")
    add("--width", type=int, default=128, help="model width D (default: 128)")
    add("--head", type=int, default=32, help="head size N (default: 32)")
    add("--layers", type=int, default=7, help="number of blocks (default: 7)")
    add("--ffn", type=int, default=0, help="channel-mix width (default: 4 D)")
    for name, rank in (("w", 16), ("a", 16), ("v", 8), ("g", 32)):
        add("--rank-" + name, type=int, default=rank, help=f"rank of {name}1 {name}2 (default: {rank})")
    add("--batch", type=int, default=64, help="sequences per step (default: 64)")
    add("--length", type=int, default=512, help="bytes per sequence (default: 512)")
    add("--lr", type=float, default=5e-3, help="peak learning rate (default: 5e-3)")
    add("--warmup", type=int, default=200, help="warm-up steps (default: 200)")
    add("--weight-decay", type=float, default=0.2, help="of the matrices (default: 0.2)")
    add("--seed", type=int, default=1)
    add("--log", type=int, default=100, help="steps between progress lines (default: 100)")
    add("--save-every", type=float, default=60, help="seconds between checkpoints (default: 60)")
    add("--graph", action="store_true", help="replay forward and backward as one CUDA graph")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    args.ffn = args.ffn or 4 * args.width
    if args.width % args.head:
        parser.error("--width must be a multiple of --head")
    if args.check:
        return check(args, device)
    if args.eval:
        model = load_model(args.eval, args).to(device)
        return print(f"held-out {evaluate(model, read_text(args, 'heldout.txt', device)):.4f} bits/byte")
    if not args.minutes and not args.steps:
        parser.error("pass --minutes or --steps")
    train(args, device)


if __name__ == "__main__":
    main()
