# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear attention: decays of all kinds and outer products."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

from .common import *


# ---- RWKV-6, arXiv:2404.05892, equations 18 and 19: o = r^T (S + diag(u) k v^T), S <- diag(w) S + k v^T


def wkv6(x, s, mistake):
    decay = exp(x.w)
    kept = wrong_axis(decay, s.S) * s.S if mistake == "decay on the value axis" else col(decay) * s.S
    kv = outer(x.k, x.v)
    seen = s.S + kv if mistake == "bonus left out" else s.S + col(x.u) * kv
    new = kept + (col(x.u) * kv if mistake == "bonus carried" else kv)
    if mistake == "decayed state read":
        seen = kept + col(x.u) * kv
    return (read(seen, x.r),), (new,)


WKV6 = dict(
    over={"r": Operand("K"), "k": Operand("K"), "v": Operand("V"), "w": Operand("K", "decay")},
    consts={"u": Operand("K")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %uk = arith.mulf %u, %k : !K
        %P  = rwkv.write %S[%uk], %v : !S
        %o  = rwkv.read  %P[%r] : !S
        %S1 = rwkv.decay %S, %w on "key0" : !S
        %S2 = rwkv.write %S1[%k], %v : !S""",
    step=wkv6,
    mistakes=("decay on the value axis", "bonus left out", "bonus carried", "decayed state read"),
)
add(name="wkv6", types=SIXTEEN_BIT, profiles=DECAYS, sizes=SMALL, more=LARGE, **WKV6)
add(name="wkv6-f64", types=(Types("f64", "f64", "f64"),), sizes=SMALL[1:3], **WKV6)
add(
    name="wkv6-rung",
    rung="rwkv.wkv6",
    types=SIXTEEN_BIT[:2],
    sizes=SMALL[1:3],
    more=LARGE,
    **{**WKV6, "over": {n: WKV6["over"][n] for n in "rwkv"}},
)
add(name="wkv6-groups", sizes=hkv((6, 5, 7)), **{**WKV6, "consts": {"u": Operand("K", group=3)}})


# ---- RWKV-5 (the same paper, equation 14): the decay is a constant of the head


def wkv5(x, s, mistake):
    decay = exp(x.w)
    kv = outer(x.k, x.v)
    kept = wrong_axis(decay, s.S) * s.S if mistake == "decay on the value axis" else col(decay) * s.S
    if mistake == "no decay":
        kept = s.S
    return (read((s.S + kv) if mistake == "bonus left out" else (s.S + col(x.u) * kv), x.r),), (kept + kv,)


WKV5 = dict(
    over={"r": Operand("K"), "k": Operand("K"), "v": Operand("V")},
    consts={"w": Operand("K", "decay"), "u": Operand("K")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %uk = arith.mulf %u, %k : !K
        %P  = rwkv.write %S[%uk], %v : !S
        %o  = rwkv.read  %P[%r] : !S
        %S1 = rwkv.decay %S, %w on "key0" : !S
        %S2 = rwkv.write %S1[%k], %v : !S""",
    step=wkv5,
    mistakes=("decay on the value axis", "bonus left out", "no decay"),
    types=(Types(), Types("bf16", "f32", "bf16", (("w", "f32"), ("u", "f32")))),
    more=LARGE,
)
add(name="wkv5", sizes=SMALL, **WKV5)
add(name="wkv5-rung", rung="rwkv.wkv5", sizes=SMALL[1:3], **WKV5)


# ---- RetNet, arXiv:2307.08621: one decay per head, constant; simple GLA and Mamba-2: one per head and token


def retention(x, s, mistake):
    kept = s.S if mistake == "no decay" else on_matrix(exp(x.g)) * s.S
    kv = outer(x.k, x.v)
    new = on_matrix(exp(x.g)) * (s.S + kv) if mistake == "decay after the write" else kept + kv
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


RETENTION_BODY = """
        %S1 = rwkv.decay %S, %g on "all" : !S
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S"""
RETENTION = dict(
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body=RETENTION_BODY,
    step=retention,
    mistakes=("no decay", "decay after the write", "read before the update"),
)
add(name="retnet", over=QKV, consts={"g": Operand("", "decay")}, sizes=SMALL, more=LARGE, **RETENTION)
add(
    name="simple-gla",
    over={**QKV, "g": Operand("", "decay")},
    profiles=DECAYS,
    sizes=SMALL[1:3],
    more=LARGE,
    **RETENTION,
)
add(
    name="mamba2-groups",  # one group of keys for all heads
    over={"q": Operand("K", group=4), "k": Operand("K", group=4), "v": Operand("V"), "g": Operand("", "decay")},
    sizes=hkv((4, 8, 16), (8, 5, 7)),
    **RETENTION,
)


# ---- GLA, arXiv:2312.06635; with gates on both axes; on the value axis alone


def gla(x, s, mistake):
    gate = exp(x.g)
    kept = wrong_axis(gate, s.S) * s.S if mistake == "decay on the value axis" else col(gate) * s.S
    new = kept + outer(x.k, x.v)
    if mistake == "decay after the write":
        new = col(gate) * (s.S + outer(x.k, x.v))
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


GLA_MISTAKES = ("decay on the value axis", "decay after the write", "read before the update")
GLA = dict(
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=gla,
    mistakes=GLA_MISTAKES,
    over={**QKV, "g": Operand("K", "decay")},
)
add(name="gla", types=SIXTEEN_BIT, profiles=DECAYS, sizes=SMALL + hkv((1, 128, 128)), more=LARGE, **GLA)

add(
    name="gla-bounded",
    sizes=SMALL[1:3],
    **{**GLA, "body": GLA["body"].replace('"key0"', '"key0" bound [-5.0 : f32, 0.0 : f32]')},
)


def gated_both(x, s, mistake):
    rows, columns = col(exp(x.g)), row(exp(x.h))
    if mistake == "value gate left out":
        columns = 1.0
    if mistake == "key gate left out":
        rows = 1.0
    if mistake == "gates swapped":
        rows, columns = col(fit(exp(x.h), s.S.shape[-2])), row(fit(exp(x.g), s.S.shape[-1]))
    new = rows * s.S * columns + outer(x.k, x.v)
    return (read(new, x.q),), (new,)


add(
    name="gated-both-axes",
    over={**QKV, "g": Operand("K", "decay"), "h": Operand("V", "decay")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %S2 = rwkv.decay %S1, %h on "value" : !S
        %S3 = rwkv.write %S2[%k], %v : !S
        %o  = rwkv.read  %S3[%q] : !S""",
    step=gated_both,
    mistakes=("value gate left out", "key gate left out", "gates swapped"),
    sizes=SMALL,
    more=LARGE,
)


def value_decay(x, s, mistake):
    gate = exp(x.g)
    kept = col(fit(gate, s.S.shape[-2])) * s.S if mistake == "decay on the key axis" else row(gate) * s.S
    new = kept + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


add(
    name="value-decay",
    over={**QKV, "g": Operand("V", "decay")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "value" : !S
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=value_decay,
    mistakes=("decay on the key axis", "read before the update"),
    profiles=DECAYS,
    sizes=SMALL[1:],
    more=LARGE,
)


# ---- decays of every element: plain, and Mamba (arXiv:2312.00752): h = e^{dt A} h + dt x B, y = C h + D x


def each(x, s, mistake):
    gate = exp(x.g)
    kept = col(gate[..., 0]) * s.S if mistake == "decay of the first column" else gate * s.S
    new = kept + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


add(
    name="each",
    over={**QKV, "g": Operand("K V", "decay")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "each" : !S
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=each,
    mistakes=("decay of the first column", "read before the update"),
    sizes=SMALL[1:],
    more=LARGE[:4],
)


def mamba(x, s, mistake):
    dt = softplus(x.z + x.bias) if mistake != "no softplus" else x.z + x.bias
    log_decay = row(dt) * -exp(x.A)
    drive = x.x if mistake == "input not scaled by dt" else dt * x.x
    new = exp(log_decay) * s.S + outer(x.B, drive)
    skip = 0.0 * x.x if mistake == "no skip" else x.D * x.x
    return (read(new, x.C) + skip,), (new,)


add(
    name="mamba-1",
    over={"x": Operand("V"), "z": Operand("V"), "B": Operand("K"), "C": Operand("K")},
    consts={"A": Operand("K V"), "bias": Operand("V"), "D": Operand("V")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %zb = arith.addf %z, %bias : !V
        %dt = rwkv.softplus %zb : !V
        %dk = rwkv.broadcast %dt on [1] : !V -> !KV
        %ea = math.exp %A : !KV
        %na = arith.negf %ea : !KV
        %g  = arith.mulf %dk, %na : !KV
        %S1 = rwkv.decay %S, %g on "each" : !S
        %dx = arith.mulf %dt, %x : !V
        %S2 = rwkv.write %S1[%B], %dx : !S
        %y  = rwkv.read %S2[%C] : !S
        %sk = arith.mulf %D, %x : !V
        %o  = arith.addf %y, %sk : !V""",
    step=mamba,
    mistakes=("no softplus", "input not scaled by dt", "no skip"),
    types=(Types(), Types("bf16", "f32", "bf16", (("A", "f32"), ("bias", "f32"), ("D", "f32")))),
    sizes=hkv((1, 16, 64), (3, 5, 7), (1, 16, 1)),
    more=hkv((1, 16, 128), (2, 1, 33)),
)
