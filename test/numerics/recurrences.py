# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The recurrences under test. Each has its region in the dialect and, written apart from it from the published formula, one
token in numpy. States are [.., key, value], as in the dialect: S = sum k v^T, a read is S^T q."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

ALL = []


def add(**fields):
    ALL.append(Recurrence(**fields))


# ---- numpy shorthands: a vector as a column or a row of matrices, a scalar against vectors or matrices


def col(x):
    return x[..., :, None]


def row(x):
    return x[..., None, :]


def on_vector(x):
    return x[..., None]


def on_matrix(x):
    return x[..., None, None]


def read(s, k):
    return (col(k) * s).sum(-2)


def outer(k, v):
    return col(k) * row(v)


def matvec(m, x):
    return (m * row(x)).sum(-1)


def dot(x, y):
    return (x * y).sum(-1)


def fit(x, n):
    """x with its last axis repeated or cut to n: for mistakes that confuse axes of different sizes."""
    return x[..., np.arange(n) % x.shape[-1]]


def wrong_axis(x, s):
    return row(fit(x, s.shape[-1]))


def hkv(*rows):
    return tuple(dict(zip("HKV", r)) for r in rows)


SMALL = hkv((1, 1, 1), (2, 8, 8), (3, 5, 7), (1, 17, 33))
LARGE = hkv((2, 16, 16), (1, 32, 32), (3, 64, 64), (1, 128, 128), (5, 3, 100), (2, 100, 3), (1, 33, 1), (1, 1, 64), (2, 64, 17))
SIXTEEN_BIT = (
    Types(),
    Types(over="bf16", output="bf16"),
    Types(over="f16", output="f16"),
    Types(over="bf16", state="bf16", output="f32"),
)
DECAYS = ("normal", "near0", "near1")


# ---- RWKV-7, arXiv:2503.14456, equations 16 to 18: wkv_t = wkv_{t-1} (diag(w) - k^ (a . k^)^T) + v k~^T; r reads the new one


def wkv7(x, s, mistake):
    decay = exp(x.w)
    kept = wrong_axis(decay, s.S) * s.S if mistake == "decay on the value axis" else col(decay) * s.S
    removed = read(kept if mistake == "removal from the decayed state" else s.S, x.a)
    if mistake == "no removal":
        new = kept + outer(x.k, x.v)
    elif mistake == "removal and replacement swapped":
        new = kept + outer(x.a, read(s.S, x.b)) + outer(x.k, x.v)
    else:
        new = kept + outer(x.b, removed) + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.r),), (new,)


def wkv7_transition(x, s):
    return col(np.exp(x.w)) * np.eye(x.w.shape[-1]) + col(x.b) * row(x.a)


def wkv7_adjust(inputs, rng, profile):
    rate = rng.uniform(0, 1, inputs["b"].shape)
    inputs["a"] = -inputs["b"]
    inputs["b"] = inputs["b"] * rate
    if profile != "near1":
        inputs["w"] = -np.exp(-0.5) * rng.uniform(0, 1, inputs["w"].shape)


WKV7_OPERANDS = {
    "r": Operand("K"),
    "w": Operand("K", "decay"),
    "k": Operand("K"),
    "v": Operand("V"),
    "a": Operand("K", "key"),
    "b": Operand("K", "key"),
}
WKV7 = dict(
    over=WKV7_OPERANDS,
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %y  = rwkv.read  %S[%a] : !S
        %S1 = rwkv.decay %S, %w on "key0" : !S
        %S2 = rwkv.write %S1[%b], %y : !S
        %S3 = rwkv.write %S2[%k], %v : !S
        %o  = rwkv.read  %S3[%r] : !S""",
    step=wkv7,
    transition=wkv7_transition,
    adjust=wkv7_adjust,
    mistakes=(
        "decay on the value axis",
        "removal from the decayed state",
        "no removal",
        "removal and replacement swapped",
        "read before the update",
    ),
)
add(name="wkv7", types=SIXTEEN_BIT, profiles=("normal", "near1", "duplicate"), sizes=SMALL + hkv((2, 64, 64)), more=LARGE, **WKV7)
add(name="wkv7-rung", rung="rwkv.wkv7", types=SIXTEEN_BIT[:2], sizes=SMALL[1:3], more=LARGE, **WKV7)
add(name="wkv7-f64", types=(Types("f64", "f64", "f64"),), sizes=SMALL[1:], more=LARGE[:3], **WKV7)
add(name="wkv7-groups", sizes=hkv((6, 5, 7), (4, 8, 16)), **{**WKV7, "over": {**WKV7_OPERANDS, "k": Operand("K", group=2)}})


# ---- Gated delta rule, arXiv:2412.06464, equation 10: S_t = S_{t-1} alpha (I - beta k k^T) + beta v k^T


def gated_delta(x, s, mistake):
    kept = s.S if mistake == "no decay" else on_matrix(exp(x.g)) * s.S
    error = x.v - read(s.S if mistake == "error of the state before the decay" else kept, x.k)
    if mistake != "beta left out":
        error = on_vector(x.beta) * error
    if mistake == "beta applied to the value alone":
        error = on_vector(x.beta) * x.v - read(kept, x.k)
    new = kept + outer(x.k, error)
    if mistake == "query and key swapped":
        return (read(new, x.k),), (new,)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


def gated_delta_transition(x, s):
    return on_matrix(np.exp(x.g)) * (np.eye(x.k.shape[-1]) - on_matrix(x.beta) * outer(x.k, x.k))


GATED_DELTA_OPERANDS = {
    "q": Operand("K", "key"),
    "k": Operand("K", "key"),
    "v": Operand("V"),
    "g": Operand("", "decay"),
    "beta": Operand("", "beta"),
}
GATED_DELTA = dict(
    over=GATED_DELTA_OPERANDS,
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "all" : !S
        %y  = rwkv.read  %S1[%k] : !S
        %e  = arith.subf %v, %y : !V
        %S2 = rwkv.write %S1[%k], %e scale %beta : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=gated_delta,
    transition=gated_delta_transition,
    mistakes=(
        "no decay",
        "error of the state before the decay",
        "beta left out",
        "beta applied to the value alone",
        "query and key swapped",
        "read before the update",
    ),
)
add(
    name="gated-delta",
    types=SIXTEEN_BIT,
    profiles=("normal", "near0", "near1", "duplicate"),
    sizes=SMALL,
    more=LARGE,
    **GATED_DELTA,
)
add(name="gated-delta-rung", rung="rwkv.gated_delta", types=SIXTEEN_BIT[:2], sizes=SMALL[1:3], more=LARGE, **GATED_DELTA)
add(name="gated-delta-example", file="gated_delta.mlir", function="gated_delta", sizes=SMALL[1:3], **GATED_DELTA)
add(
    name="gated-delta-groups",
    sizes=hkv((6, 5, 7), (4, 16, 8)),
    **{
        **GATED_DELTA,
        "over": {**GATED_DELTA_OPERANDS, "q": Operand("K", "key", 2), "k": Operand("K", "key", 2), "g": Operand("", "decay", 2)},
    },
)


# ---- DeltaNet, arXiv:2406.06484: the same without decay


def delta_net(x, s, mistake):
    error = x.v if mistake == "keys not removed" else x.v - read(s.S, x.k)
    new = s.S + outer(x.k, error if mistake == "beta left out" else on_vector(x.beta) * error)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


add(
    name="delta-net",
    over={n: o for n, o in GATED_DELTA_OPERANDS.items() if n != "g"},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    body="""
        %y  = rwkv.read  %S[%k] : !S
        %e  = arith.subf %v, %y : !V
        %S1 = rwkv.write %S[%k], %e scale %beta : !S
        %o  = rwkv.read  %S1[%q] : !S""",
    step=delta_net,
    transition=lambda x, s: np.eye(x.k.shape[-1]) - on_matrix(x.beta) * outer(x.k, x.k),
    mistakes=("keys not removed", "beta left out", "read before the update"),
    profiles=("normal", "duplicate"),
    sizes=SMALL[1:],
    more=LARGE,
)


# ---- DeltaProduct, arXiv:2502.10297, with two Householder steps per token


def delta_product(x, s, mistake):
    steps = [(x.k1, x.v1, x.b1), (x.k2, x.v2, x.b2)]
    if mistake == "steps in reverse order":
        steps.reverse()
    if mistake == "second step left out":
        steps.pop()
    state = s.S
    for k, v, beta in steps:
        source = s.S if mistake == "second step reads the state of the first" else state
        state = state + outer(k, on_vector(beta) * (v - read(source, k)))
    return (read(state, x.q),), (state,)


def delta_product_transition(x, s):
    eye = np.eye(x.k1.shape[-1])
    return (eye - on_matrix(x.b2) * outer(x.k2, x.k2)) @ (eye - on_matrix(x.b1) * outer(x.k1, x.k1))


add(
    name="delta-product-2",
    over={
        "q": Operand("K"),
        "k1": Operand("K", "key"),
        "k2": Operand("K", "key"),
        "v1": Operand("V"),
        "v2": Operand("V"),
        "b1": Operand("", "beta"),
        "b2": Operand("", "beta"),
    },
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %y1 = rwkv.read  %S[%k1] : !S
        %e1 = arith.subf %v1, %y1 : !V
        %S1 = rwkv.write %S[%k1], %e1 scale %b1 : !S
        %y2 = rwkv.read  %S1[%k2] : !S
        %e2 = arith.subf %v2, %y2 : !V
        %S2 = rwkv.write %S1[%k2], %e2 scale %b2 : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=delta_product,
    transition=delta_product_transition,
    mistakes=("steps in reverse order", "second step left out", "second step reads the state of the first"),
    sizes=SMALL[1:],
    more=LARGE,
)


# ---- Kimi Delta Attention, arXiv:2510.26692: S_t = (I - beta k k^T) Diag(alpha) S_{t-1} + beta k v^T


def kda(x, s, mistake):
    alpha = exp(x.g)
    kept = wrong_axis(alpha, s.S) * s.S if mistake == "decay on the value axis" else col(alpha) * s.S
    if mistake == "decay after the removal":
        new = col(alpha) * (s.S - outer(x.k, on_vector(x.beta) * read(s.S, x.k))) + outer(x.k, on_vector(x.beta) * x.v)
    else:
        new = kept - outer(x.k, on_vector(x.beta) * read(kept, x.k)) + outer(x.k, on_vector(x.beta) * x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


def kda_transition(x, s):
    eye = np.eye(x.k.shape[-1])
    return (eye - on_matrix(x.beta) * outer(x.k, x.k)) @ (col(np.exp(x.g)) * eye)


add(
    name="kda",
    over={**GATED_DELTA_OPERANDS, "g": Operand("K", "decay")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %y  = rwkv.read  %S1[%k] : !S
        %n  = arith.negf %y : !V
        %S2 = rwkv.write %S1[%k], %n scale %beta : !S
        %S3 = rwkv.write %S2[%k], %v scale %beta : !S
        %o  = rwkv.read  %S3[%q] : !S""",
    step=kda,
    transition=kda_transition,
    mistakes=("decay on the value axis", "decay after the removal", "read before the update"),
    profiles=DECAYS + ("duplicate",),
    sizes=SMALL[1:],
    more=LARGE,
)


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
add(name="wkv6-example", file="rwkv6.mlir", function="wkv6", sizes=SMALL[1:3], **WKV6)
add(name="wkv6-groups", sizes=hkv((6, 5, 7)), **{**WKV6, "consts": {"u": Operand("K", group=3)}})


# ---- RWKV-5 (the same paper, equation 14): the decay is a constant of the head


def wkv5(x, s, mistake):
    decay = exp(x.w)
    kv = outer(x.k, x.v)
    kept = wrong_axis(decay, s.S) * s.S if mistake == "decay on the value axis" else col(decay) * s.S
    if mistake == "no decay":
        kept = s.S
    return (read((s.S + kv) if mistake == "bonus left out" else (s.S + col(x.u) * kv), x.r),), (kept + kv,)


add(
    name="wkv5",
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
    sizes=SMALL,
    more=LARGE,
)


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
QKV = {"q": Operand("K"), "k": Operand("K"), "v": Operand("V")}
add(name="retnet", over=QKV, consts={"g": Operand("", "decay")}, sizes=SMALL, more=LARGE, **RETENTION)
add(name="simple-gla", over={**QKV, "g": Operand("", "decay")}, profiles=DECAYS, sizes=SMALL[1:3], more=LARGE, **RETENTION)
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


# ---- vector states: HGRN (arXiv:2311.04823), h = f h + (1 - f) i, o = silu(g) h


def hgrn(x, s, mistake):
    forget = exp(x.f)
    entered = x.i if mistake == "input not gated" else (1.0 - forget) * x.i
    new = forget * s.h + entered
    seen = s.h if mistake == "read before the update" else new
    return ((sigmoid(x.g) if mistake == "sigmoid for silu" else silu(x.g)) * seen,), (new,)


HGRN = dict(
    over={"f": Operand("V", "decay"), "i": Operand("V"), "g": Operand("V")},
    states={"h": Operand("| V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%h2"],
    body="""
        %h1  = rwkv.decay %h, %f on "value" : !h
        %ef  = math.exp %f : !V
        %one = rwkv.fill 1.0 : !V
        %nf  = arith.subf %one, %ef : !V
        %in  = arith.mulf %nf, %i : !V
        %h2  = rwkv.write %h1[], %in : !h
        %y   = rwkv.read %h2[] : !h
        %sg  = rwkv.silu %g : !V
        %o   = arith.mulf %sg, %y : !V""",
    step=hgrn,
    mistakes=("input not gated", "read before the update", "sigmoid for silu"),
)
VECTORS = tuple(dict(H=h, V=v) for h, v in [(1, 1), (2, 33), (3, 8), (1, 100)])
add(name="hgrn", types=SIXTEEN_BIT, profiles=DECAYS, sizes=VECTORS, more=(dict(H=2, V=128), dict(H=1, V=17)), **HGRN)
add(name="hgrn-f64", types=(Types("f64", "f64", "f64"),), sizes=VECTORS[1:2], **HGRN)


def leaky(x, s, mistake):
    kept = s.h if mistake == "no decay" else on_vector(exp(x.g)) * s.h
    new = kept + (x.i if mistake == "scale left out" else on_vector(x.c) * x.i)
    return (new,), (new,)


add(
    name="vector-scaled",
    over={"g": Operand("", "decay"), "i": Operand("V"), "c": Operand("")},
    states={"h": Operand("| V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%h2"],
    body="""
        %h1 = rwkv.decay %h, %g on "all" : !h
        %h2 = rwkv.write %h1[], %i scale %c : !h
        %o  = rwkv.read %h2[] : !h""",
    step=leaky,
    mistakes=("no decay", "scale left out"),
    sizes=VECTORS[1:],
)


# ---- tensor states: several key axes


def read2(s, c, d):
    return (d[..., None, :, None] * (c[..., :, None, None] * s)).sum(-2).sum(-2)


def tensor_state(x, s, mistake):
    first, second = exp(x.f)[..., :, None, None], exp(x.g)[..., None, :, None]
    if mistake == "decays swapped":
        n = s.S.shape
        first, second = fit(exp(x.g), n[-3])[..., :, None, None], fit(exp(x.f), n[-2])[..., None, :, None]
    written = (x.a[..., :, None] * x.b[..., None, :])[..., None] * x.v[..., None, None, :]
    if mistake == "keys of the write swapped":
        n = s.S.shape
        a, b = fit(x.b, n[-3]), fit(x.a, n[-2])
        written = (a[..., :, None] * b[..., None, :])[..., None] * x.v[..., None, None, :]
    new = second * (first * s.S) + written
    if mistake == "keys of the read swapped":
        return (read2(new, fit(x.d, new.shape[-3]), fit(x.c, new.shape[-2])),), (new,)
    return (read2(s.S if mistake == "read before the update" else new, x.c, x.d),), (new,)


TENSOR_STATE = dict(
    over={
        "a": Operand("M"),
        "b": Operand("N"),
        "c": Operand("M"),
        "d": Operand("N"),
        "v": Operand("V"),
        "f": Operand("M", "decay"),
        "g": Operand("N", "decay"),
    },
    states={"S": Operand("M N | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S,  %f on "key0" : !S
        %S2 = rwkv.decay %S1, %g on "key1" : !S
        %S3 = rwkv.write %S2[%a, %b], %v : !S
        %o  = rwkv.read  %S3[%c, %d] : !S""",
    step=tensor_state,
    mistakes=("decays swapped", "keys of the write swapped", "keys of the read swapped", "read before the update"),
)
TENSORS = tuple(dict(zip("HMNV", n)) for n in [(2, 3, 5, 7), (1, 4, 4, 8), (1, 8, 1, 17)])
add(name="tensor-state", sizes=TENSORS, more=(dict(H=1, M=16, N=16, V=16), dict(H=3, M=1, N=7, V=33)), **TENSOR_STATE)
add(name="tensor-state-bf16", types=(Types("bf16", "f32", "bf16"),), sizes=TENSORS[:1], **TENSOR_STATE)
add(name="tensor-state-example", file="tensor_state.mlir", function="tensor_state", sizes=TENSORS[:2], **TENSOR_STATE)


def tensor3(x, s, mistake):
    gate = exp(x.g)[..., None, :, None, None]
    if mistake == "decay on key2":
        gate = fit(exp(x.g), s.S.shape[-2])[..., None, None, :, None]
    keys = x.a[..., :, None, None] * x.b[..., None, :, None] * x.c[..., None, None, :]
    new = gate * s.S + on_vector(x.z)[..., None, None, None] * (keys[..., None] * x.v[..., None, None, None, :])
    if mistake == "scale left out":
        new = gate * s.S + keys[..., None] * x.v[..., None, None, None, :]
    query = x.p[..., :, None, None] * x.q[..., None, :, None] * x.r[..., None, None, :]
    if mistake == "one key of the read replaced":
        query = x.a[..., :, None, None] * x.q[..., None, :, None] * x.r[..., None, None, :]
    n = new.shape
    flat = (n[0], n[1], n[2] * n[3] * n[4])
    return (read(new.reshape(flat + n[5:]), query.reshape(flat)),), (new,)


add(
    name="tensor-state-3",
    over={
        **{n: Operand(d) for n, d in zip("abcpqr", "LMNLMN")},
        "v": Operand("V"),
        "g": Operand("M", "decay"),
        "z": Operand(""),
    },
    states={"S": Operand("L M N | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "key1" : !S
        %S2 = rwkv.write %S1[%a, %b, %c], %v scale %z : !S
        %o  = rwkv.read  %S2[%p, %q, %r] : !S""",
    step=tensor3,
    mistakes=("decay on key2", "scale left out", "one key of the read replaced"),
    sizes=(dict(H=2, L=2, M=3, N=5, V=7), dict(H=1, L=4, M=1, N=2, V=8)),
)


# ---- several states in one region


def two_states(x, s, mistake):
    slow = s.slow if mistake == "slow state not decayed" else on_matrix(exp(x.g)) * s.slow
    fast = col(exp(x.w)) * s.fast
    slow = slow + outer(x.k, x.v)
    target = s.slow if mistake == "surprise of the old slow state" else slow
    fast = fast + outer(x.k, x.v - read(target, x.k))
    if mistake == "fast state not read":
        return (on_vector(x.m) * read(slow, x.q),), (slow, fast)
    a, b = (fast, slow) if mistake == "states swapped in the read" else (slow, fast)
    return (on_vector(x.m) * read(a, x.q) + read(b, x.q),), (slow, fast)


TWO_STATES = dict(
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "g": Operand("", "decay"),
        "w": Operand("K", "decay"),
        "m": Operand(""),
    },
    states={"slow": Operand("K | V"), "fast": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%slow2", "%fast2"],
    body="""
        %slow1 = rwkv.decay %slow, %g on "all" : !slow
        %slow2 = rwkv.write %slow1[%k], %v : !slow
        %y     = rwkv.read  %slow2[%k] : !slow
        %e     = arith.subf %v, %y : !V
        %fast1 = rwkv.decay %fast, %w on "key0" : !fast
        %fast2 = rwkv.write %fast1[%k], %e : !fast
        %os    = rwkv.read  %slow2[%q] : !slow
        %of    = rwkv.read  %fast2[%q] : !fast
        %mv    = rwkv.broadcast %m : !f -> !V
        %om    = arith.mulf %mv, %os : !V
        %o     = arith.addf %om, %of : !V""",
    step=two_states,
    mistakes=(
        "slow state not decayed",
        "surprise of the old slow state",
        "fast state not read",
        "states swapped in the read",
    ),
)
add(name="two-states", types=SIXTEEN_BIT[:2], profiles=DECAYS, sizes=SMALL[1:], more=LARGE[:4], **TWO_STATES)
add(name="two-states-example", file="two_states.mlir", function="two_states", sizes=SMALL[1:3], **TWO_STATES)


# Momentum as in Titans, arXiv:2501.00663, equations 9, 10 and 13, for a diagonal memory: P is the momentum of the surprise,
# M the memory. The new memory reads the new momentum, the surprise the old memory.


def momentum(x, s, mistake):
    surprise = x.v - x.k * s.M
    velocity = exp(x.eta) * s.P + on_vector(x.theta) * (x.k * surprise)
    if mistake == "no momentum":
        velocity = on_vector(x.theta) * (x.k * surprise)
    memory = exp(x.alpha) * s.M + (s.P if mistake == "old momentum" else velocity)
    if mistake == "nothing forgotten":
        memory = s.M + velocity
    return (x.q * (s.M if mistake == "read before the update" else memory),), (memory, velocity)


add(
    name="momentum",
    over={
        "q": Operand("V"),
        "k": Operand("V", "gate"),
        "v": Operand("V"),
        "alpha": Operand("V", "decay"),
        "eta": Operand("V", "decay"),
        "theta": Operand("", "gate"),
    },
    states={"M": Operand("| V"), "P": Operand("| V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%M2", "%P2"],
    body="""
        %m  = rwkv.read %M[] : !M
        %km = arith.mulf %k, %m : !V
        %e  = arith.subf %v, %km : !V
        %ke = arith.mulf %k, %e : !V
        %P1 = rwkv.decay %P, %eta on "value" : !P
        %P2 = rwkv.write %P1[], %ke scale %theta : !P
        %p  = rwkv.read %P2[] : !P
        %M1 = rwkv.decay %M, %alpha on "value" : !M
        %M2 = rwkv.write %M1[], %p : !M
        %n  = rwkv.read %M2[] : !M
        %o  = arith.mulf %q, %n : !V""",
    step=momentum,
    mistakes=("no momentum", "old momentum", "nothing forgotten", "read before the update"),
    tokens=20,
    sizes=VECTORS[1:],
)


# Two memories that teach each other: each writes what the other one recalled before this token.


def crosswise(x, s, mistake):
    ra, rb = read(s.A, x.k), read(s.B, x.k)
    if mistake == "second state sees the first after its write":
        ra = read(on_matrix(exp(x.g)) * s.A + outer(x.k, rb), x.k)
    if mistake == "each its own":
        ra, rb = rb, ra
    a = on_matrix(exp(x.g)) * s.A + outer(x.k, rb)
    b = on_matrix(exp(x.g)) * s.B + outer(x.k, x.v - ra)
    out = (read(a, x.q) - read(b, x.q), read(b, x.q))
    return (out[::-1] if mistake == "outputs swapped" else out), (a, b)


def crosswise_transition(x, s):
    decay = on_matrix(np.exp(x.g)) * np.eye(x.k.shape[-1])
    teach = outer(x.k, x.k)
    return np.concatenate([np.concatenate([decay, teach], -1), np.concatenate([-teach, decay], -1)], -2)


add(
    name="crosswise",
    over={"q": Operand("K"), "k": Operand("K", "key"), "v": Operand("V"), "g": Operand("", "decay")},
    states={"A": Operand("K | V"), "B": Operand("K | V")},
    outputs={"o": Operand("V"), "p": Operand("V")},
    yields=["%o", "%p", "%A2", "%B2"],
    body="""
        %ra = rwkv.read  %A[%k] : !A
        %rb = rwkv.read  %B[%k] : !B
        %A1 = rwkv.decay %A, %g on "all" : !A
        %B1 = rwkv.decay %B, %g on "all" : !B
        %A2 = rwkv.write %A1[%k], %rb : !A
        %e  = arith.subf %v, %ra : !V
        %B2 = rwkv.write %B1[%k], %e : !B
        %oa = rwkv.read  %A2[%q] : !A
        %p  = rwkv.read  %B2[%q] : !B
        %o  = arith.subf %oa, %p : !V""",
    step=crosswise,
    transition=crosswise_transition,
    mistakes=("second state sees the first after its write", "each its own", "outputs swapped"),
    tokens=40,
    sizes=SMALL[1:],
    more=LARGE[:3],
)


# Vector states that change places and turn.


def swapped(x, s, mistake):
    a, b = s.b, x.c * s.a
    if mistake == "second takes the new first":
        b = x.c * s.b
    if mistake == "not swapped":
        a, b = s.a, x.c * s.b
    return (s.a + x.i * b,), (a, b)


add(
    name="states-swapped",
    over={"c": Operand("V", "gate"), "i": Operand("V")},
    states={"a": Operand("| V"), "b": Operand("| V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%a1", "%b1"],
    body="""
        %ra = rwkv.read %a[] : !a
        %rb = rwkv.read %b[] : !b
        %cb = arith.mulf %c, %ra : !V
        %a1 = rwkv.set %a, %rb : !a
        %b1 = rwkv.set %b, %cb : !b
        %ib = arith.mulf %i, %cb : !V
        %o  = arith.addf %ra, %ib : !V""",
    step=swapped,
    mistakes=("second takes the new first", "not swapped"),
    sizes=VECTORS,
)


# ---- states of different shapes: mLSTM without its stabiliser, arXiv:2405.04517, equations 19 to 27:
# C = f C + i k v^T, n = f n + i k, o = C^T q / max(|n q|, 1)


def mlstm(x, s, mistake):
    f, i = exp(x.f), exp(x.i)
    c = on_matrix(f) * s.C + outer(x.k, on_vector(i) * x.v)
    n = on_vector(f) * s.n + (x.k if mistake == "input gate left out of n" else on_vector(i) * x.k)
    scale = maximum(absolute(dot(s.n if mistake == "old n" else n, x.q)), broadcast(np.ones(1), x.i.shape))
    if mistake == "no absolute value":
        scale = maximum(dot(n, x.q), broadcast(np.ones(1), x.i.shape))
    return (read(c, x.q) / on_vector(scale), scale), (c, n)


add(
    name="mlstm",
    over={**QKV, "f": Operand("", "decay"), "i": Operand("")},
    states={"C": Operand("K | V"), "n": Operand("| K")},
    outputs={"o": Operand("V"), "d": Operand("")},
    yields=["%o", "%d", "%C2", "%n2"],
    body="""
        %ei = math.exp %i : !f
        %C1 = rwkv.decay %C, %f on "all" : !C
        %C2 = rwkv.write %C1[%k], %v scale %ei : !C
        %n1 = rwkv.decay %n, %f on "all" : !n
        %n2 = rwkv.write %n1[], %k scale %ei : !n
        %y  = rwkv.read  %C2[%q] : !C
        %z  = rwkv.read  %n2[] : !n
        %zq = rwkv.dot %z, %q : !K -> !f
        %za = math.absf %zq : !f
        %one = rwkv.fill 1.0 : !f
        %d  = arith.maximumf %za, %one : !f
        %dv = rwkv.broadcast %d : !f -> !V
        %o  = arith.divf %y, %dv : !V""",
    step=mlstm,
    mistakes=("input gate left out of n", "old n", "no absolute value"),
    types=SIXTEEN_BIT[:2],
    sizes=SMALL,
    more=LARGE[:3],
)


# ---- overwritten states: sLSTM (the same paper, equations 8 to 18), minGRU (arXiv:2410.01201), GRU


def slstm(x, s, mistake):
    def gate(name):
        return getattr(x, name) + matvec(getattr(x, "R" + name), s.h)

    z, i, f, o = gate("z"), gate("i"), gate("f"), gate("o")
    log_f = -softplus(-f)  # log sigmoid
    m = log_f + s.m if mistake == "input gate left out of the maximum" else maximum(log_f + s.m, i)
    fs = exp(log_f + s.m - m) if mistake != "old maximum left out" else exp(log_f - m)
    es = exp(i - m)
    c = fs * s.c + es * (z if mistake == "no tanh" else tanh(z))
    n = fs * s.n + es
    h = sigmoid(o) * (c if mistake == "not normalised" else c / n)
    return (h,), (h, c, n, m)


def slstm_adjust(inputs, rng, profile):
    inputs["n"] = np.abs(inputs["n"]) + 0.5


SLSTM = dict(
    over={n: Operand("V") for n in "zifo"},
    consts={"R" + n: Operand("V V", "recurrent") for n in "zifo"},
    states={n: Operand("| V") for n in "hcnm"},
    outputs={"y": Operand("V")},
    yields=["%hn", "%h1", "%c1", "%n1", "%m1"],
    body="""
        %h0 = rwkv.read %h[] : !h
        %c0 = rwkv.read %c[] : !c
        %n0 = rwkv.read %n[] : !n
        %m0 = rwkv.read %m[] : !m
        %zr = rwkv.matvec %Rz, %h0 : !VV, !V -> !V
        %ir = rwkv.matvec %Ri, %h0 : !VV, !V -> !V
        %fr = rwkv.matvec %Rf, %h0 : !VV, !V -> !V
        %or = rwkv.matvec %Ro, %h0 : !VV, !V -> !V
        %za = arith.addf %z, %zr : !V
        %ia = arith.addf %i, %ir : !V
        %fa = arith.addf %f, %fr : !V
        %oa = arith.addf %o, %or : !V
        %fn = arith.negf %fa : !V
        %fs = rwkv.softplus %fn : !V
        %mf = arith.subf %m0, %fs : !V
        %mn = arith.maximumf %mf, %ia : !V
        %fd = arith.subf %mf, %mn : !V
        %fe = math.exp %fd : !V
        %id = arith.subf %ia, %mn : !V
        %ie = math.exp %id : !V
        %zt = math.tanh %za : !V
        %cf = arith.mulf %fe, %c0 : !V
        %ci = arith.mulf %ie, %zt : !V
        %cn = arith.addf %cf, %ci : !V
        %nf = arith.mulf %fe, %n0 : !V
        %nn = arith.addf %nf, %ie : !V
        %q  = arith.divf %cn, %nn : !V
        %og = rwkv.sigmoid %oa : !V
        %hn = arith.mulf %og, %q : !V
        %h1 = rwkv.set %h, %hn : !h
        %c1 = rwkv.set %c, %cn : !c
        %n1 = rwkv.set %n, %nn : !n
        %m1 = rwkv.set %m, %mn : !m""",
    step=slstm,
    adjust=slstm_adjust,
    mistakes=("input gate left out of the maximum", "old maximum left out", "no tanh", "not normalised"),
    tokens=20,
)
add(name="slstm", sizes=VECTORS[:3], more=(dict(H=1, V=64),), types=(Types(), Types("bf16", "f32", "bf16")), **SLSTM)
add(name="slstm-f64", types=(Types("f64", "f64", "f64"),), sizes=VECTORS[1:2], **SLSTM)
add(name="slstm-example", file="slstm.mlir", function="slstm", sizes=VECTORS[1:3], **SLSTM)


def mingru(x, s, mistake):
    z = sigmoid(x.z)
    a, b = (z, 1.0 - z) if mistake == "gate reversed" else (1.0 - z, z)
    new = a * s.h + b * (x.c if mistake == "no tanh" else tanh(x.c))
    return ((s.h if mistake == "read before the update" else new),), (new,)


add(
    name="mingru",
    over={"z": Operand("V"), "c": Operand("V")},
    states={"h": Operand("| V")},
    outputs={"y": Operand("V")},
    yields=["%n", "%h1"],
    body="""
        %h0  = rwkv.read %h[] : !h
        %zs  = rwkv.sigmoid %z : !V
        %one = rwkv.fill 1.0 : !V
        %zn  = arith.subf %one, %zs : !V
        %ct  = math.tanh %c : !V
        %a   = arith.mulf %zn, %h0 : !V
        %b   = arith.mulf %zs, %ct : !V
        %n   = arith.addf %a, %b : !V
        %h1  = rwkv.set %h, %n : !h""",
    step=mingru,
    mistakes=("gate reversed", "no tanh", "read before the update"),
    types=SIXTEEN_BIT,
    sizes=VECTORS,
)


def gru(x, s, mistake):
    h = matvec(x.U, s.h)
    if mistake == "matrix transposed":
        h = (col(s.h) * x.U).sum(-2)
    r, z = sigmoid(x.r + h), sigmoid(x.z + h)
    c = tanh(x.c + (matvec(x.W, s.h) if mistake == "reset gate left out" else matvec(x.W, r * s.h)))
    new = s.h + z * (c - s.h)
    return (matvec(x.P, s.h if mistake == "read before the update" else new),), (new,)


add(
    name="gru",  # with a projection of another size as its output
    over={n: Operand("V") for n in "rzc"},
    consts={"U": Operand("V V", "recurrent"), "W": Operand("V V", "recurrent"), "P": Operand("Q V", "recurrent")},
    states={"h": Operand("| V")},
    outputs={"y": Operand("Q")},
    yields=["%y", "%h1"],
    body="""
        %h0 = rwkv.read %h[] : !h
        %uh = rwkv.matvec %U, %h0 : !VV, !V -> !V
        %ra = arith.addf %r, %uh : !V
        %rs = rwkv.sigmoid %ra : !V
        %za = arith.addf %z, %uh : !V
        %zs = rwkv.sigmoid %za : !V
        %rh = arith.mulf %rs, %h0 : !V
        %wh = rwkv.matvec %W, %rh : !VV, !V -> !V
        %ca = arith.addf %c, %wh : !V
        %ct = math.tanh %ca : !V
        %d  = arith.subf %ct, %h0 : !V
        %zd = arith.mulf %zs, %d : !V
        %n  = arith.addf %h0, %zd : !V
        %h1 = rwkv.set %h, %n : !h
        %y  = rwkv.matvec %P, %n : !QV, !V -> !Q""",
    step=gru,
    mistakes=("matrix transposed", "reset gate left out", "read before the update"),
    tokens=20,
    sizes=(dict(H=2, V=7, Q=3), dict(H=1, V=17, Q=33), dict(H=3, V=8, Q=8)),
)


def overwritten(x, s, mistake):
    new = tanh(outer(x.k, x.v) + row(x.b))
    if mistake == "transposed":
        new = tanh(outer(fit(x.v, s.S.shape[-2]), fit(x.k, s.S.shape[-1])) + row(x.b))
    if mistake == "bias left out":
        new = tanh(outer(x.k, x.v))
    return (read(new if mistake == "read after the update" else s.S, x.q),), (new,)


add(
    name="matrix-overwritten",  # a fast weight that lives for one token
    over=QKV,
    consts={"b": Operand("V")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    aliases={"KV": "K V"},
    body="""
        %o  = rwkv.read %S[%q] : !S
        %kk = rwkv.broadcast %k on [0] : !K -> !KV
        %vv = rwkv.broadcast %v on [1] : !V -> !KV
        %bb = rwkv.broadcast %b on [1] : !V -> !KV
        %kv = arith.mulf %kk, %vv : !KV
        %kb = arith.addf %kv, %bb : !KV
        %z  = math.tanh %kb : !KV
        %S1 = rwkv.set %S, %z : !S""",
    step=overwritten,
    mistakes=("transposed", "bias left out", "read after the update"),
    sizes=SMALL[1:],
    more=LARGE[:3],
)


# ---- reads without writes, outputs without reads, several outputs


def read_only(x, s, mistake):
    state = s.S
    if mistake == "state written":
        return (read(state, x.q),), (state + outer(x.q, fit(x.q, state.shape[-1])),)
    return (read(state, -x.q if mistake == "sign" else x.q),), (state,)


add(
    name="read-only",
    over={"q": Operand("K")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S"],
    body="%o = rwkv.read %S[%q] : !S",
    step=read_only,
    mistakes=("state written", "sign"),
    types=SIXTEEN_BIT,
    sizes=SMALL,
    more=LARGE,
)


def write_only(x, s, mistake):
    new = on_matrix(exp(x.g)) * s.S + outer(x.k, x.v)
    return (), ((s.S + outer(x.k, x.v)) if mistake == "no decay" else new,)


add(
    name="write-only",
    over={"k": Operand("K"), "v": Operand("V"), "g": Operand("", "decay")},
    states={"S": Operand("K | V")},
    outputs={},
    yields=["%S2"],
    body="""
        %S1 = rwkv.decay %S, %g on "all" : !S
        %S2 = rwkv.write %S1[%k], %v : !S""",
    step=write_only,
    mistakes=("no decay",),
    sizes=SMALL[:3],
)


def several_outputs(x, s, mistake):
    new = col(exp(x.g)) * s.S + outer(x.k, x.v)
    before, after = read(s.S, x.q), read(new, x.q)
    if mistake == "reads swapped":
        before, after = after, before
    match = dot(x.q, x.k if mistake != "dot of q with itself" else x.q)
    total = x.v.sum(-1) if mistake != "sum of k" else x.k.sum(-1)
    return (before, after, match, on_vector(match) * x.v, outer(x.k, x.v), total), (new,)


add(
    name="several-outputs",
    over={**QKV, "g": Operand("K", "decay")},
    states={"S": Operand("K | V")},
    outputs={
        "before": Operand("V"),
        "after": Operand("V"),
        "match": Operand(""),
        "scaled": Operand("V"),
        "product": Operand("K V"),
        "total": Operand(""),
    },
    yields=["%before", "%after", "%match", "%scaled", "%product", "%total", "%S2"],
    body="""
        %before = rwkv.read  %S[%q] : !S
        %S1     = rwkv.decay %S, %g on "key0" : !S
        %S2     = rwkv.write %S1[%k], %v : !S
        %after  = rwkv.read  %S2[%q] : !S
        %match  = rwkv.dot %q, %k : !K -> !f
        %mv     = rwkv.broadcast %match : !f -> !V
        %scaled = arith.mulf %mv, %v : !V
        %kk     = rwkv.broadcast %k on [0] : !K -> !KV
        %vv     = rwkv.broadcast %v on [1] : !V -> !KV
        %product = arith.mulf %kk, %vv : !KV
        %total  = rwkv.sum %v over 0 : !V -> !f""",
    step=several_outputs,
    mistakes=("reads swapped", "dot of q with itself", "sum of k"),
    types=SIXTEEN_BIT[:3] + (Types(but=(("after", "bf16"), ("match", "f16"))),),
    sizes=SMALL,
    more=LARGE[:3],
)


# Peeks of peeks: none is carried.


def peeks(x, s, mistake):
    first = s.S + outer(x.k, x.v)
    second = on_matrix(exp(x.g)) * (s.S if mistake == "second peek from the state" else first) + outer(x.q, x.v)
    new = s.S + outer(x.q, x.v)
    if mistake == "peek carried":
        new = first + outer(x.q, x.v)
    return (read(first, x.q) + read(second, x.k),), (new,)


add(
    name="peeks",
    over={**QKV, "g": Operand("", "decay")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    body="""
        %P1 = rwkv.write %S[%k], %v : !S
        %P2 = rwkv.decay %P1, %g on "all" : !S
        %P3 = rwkv.write %P2[%q], %v : !S
        %a  = rwkv.read  %P1[%q] : !S
        %b  = rwkv.read  %P3[%k] : !S
        %o  = arith.addf %a, %b : !V
        %S1 = rwkv.write %S[%q], %v : !S""",
    step=peeks,
    mistakes=("second peek from the state", "peek carried"),
    sizes=SMALL,
)


# ---- every function and shape op of a region


def zoo(x, s, mistake):
    n = x.x.shape[-1]
    a = sigmoid(x.x) + silu(x.x) + softplus(x.x) + relu(x.x) + tanh(x.x)
    if mistake == "softplus for silu":
        a = sigmoid(x.x) + 2.0 * softplus(x.x) + relu(x.x) + tanh(x.x)
    b = log(1.5 + absolute(x.x)) * exp(minimum(x.x, broadcast(np.full(1, 2.0), x.x.shape)))
    c = sqrt(1.5 + x.x * x.x) / (1.5 + relu(x.x))
    m = outer(x.x, x.y)
    rows, columns = m.sum(-1), m.sum(-2)
    if mistake == "sums swapped":
        rows, columns = fit(columns, rows.shape[-1]), fit(rows, columns.shape[-1])
    y = (1.0 if mistake == "constant" else 0.1) * columns + matvec(x.M, x.x)
    new = (a - b * c) + on_vector(x.z) * rows + 0.25 * s.h
    scalar = sigmoid(x.z) + silu(x.z) * softplus(x.z) - relu(x.z) + exp(-absolute(x.z)) * tanh(x.z) + dot(x.y, x.y) * 0.25
    return (new, y, scalar), (new,)


add(
    name="zoo",
    over={"x": Operand("V"), "y": Operand("K"), "z": Operand("")},
    consts={"M": Operand("K V")},
    states={"h": Operand("| V")},
    outputs={"p": Operand("V"), "r": Operand("K"), "s": Operand("")},
    yields=["%n", "%r", "%s", "%h1"],
    aliases={"VK": "V K"},
    body="""
        %a1 = rwkv.sigmoid %x : !V
        %a2 = rwkv.silu %x : !V
        %a3 = rwkv.softplus %x : !V
        %a4 = rwkv.relu %x : !V
        %a5 = math.tanh %x : !V
        %a12 = arith.addf %a1, %a2 : !V
        %a123 = arith.addf %a12, %a3 : !V
        %a1234 = arith.addf %a123, %a4 : !V
        %a  = arith.addf %a1234, %a5 : !V
        %k15 = rwkv.fill 1.5 : !V
        %k2 = rwkv.fill 2.0 : !V
        %abs = math.absf %x : !V
        %b1 = arith.addf %k15, %abs : !V
        %b2 = math.log %b1 : !V
        %b3 = arith.minimumf %x, %k2 : !V
        %b4 = math.exp %b3 : !V
        %b  = arith.mulf %b2, %b4 : !V
        %xx = arith.mulf %x, %x : !V
        %c1 = arith.addf %k15, %xx : !V
        %c2 = math.sqrt %c1 : !V
        %c3 = arith.addf %k15, %a4 : !V
        %c  = arith.divf %c2, %c3 : !V
        %mx = rwkv.broadcast %x on [0] : !V -> !VK
        %my = rwkv.broadcast %y on [1] : !K -> !VK
        %m  = arith.mulf %mx, %my : !VK
        %rows = rwkv.sum %m over 1 : !VK -> !V
        %columns = rwkv.sum %m over 0 : !VK -> !K
        %tenth = rwkv.fill 0.1 : !K
        %r1 = arith.mulf %tenth, %columns : !K
        %r2 = rwkv.matvec %M, %x : !KV, !V -> !K
        %r  = arith.addf %r1, %r2 : !K
        %h0 = rwkv.read %h[] : !h
        %quarter = rwkv.fill 0.25 : !V
        %qh = arith.mulf %quarter, %h0 : !V
        %bc = arith.mulf %b, %c : !V
        %n1 = arith.subf %a, %bc : !V
        %zv = rwkv.broadcast %z : !f -> !V
        %n2 = arith.mulf %zv, %rows : !V
        %n3 = arith.addf %n1, %n2 : !V
        %n  = arith.addf %n3, %qh : !V
        %h1 = rwkv.set %h, %n : !h
        %s1 = rwkv.sigmoid %z : !f
        %s2 = rwkv.silu %z : !f
        %s3 = rwkv.softplus %z : !f
        %s4 = rwkv.relu %z : !f
        %s5 = math.absf %z : !f
        %s6 = arith.negf %s5 : !f
        %s7 = math.exp %s6 : !f
        %s8 = math.tanh %z : !f
        %s23 = arith.mulf %s2, %s3 : !f
        %s78 = arith.mulf %s7, %s8 : !f
        %t1 = arith.addf %s1, %s23 : !f
        %t2 = arith.subf %t1, %s4 : !f
        %t3 = arith.addf %t2, %s78 : !f
        %yy = rwkv.dot %y, %y : !K -> !f
        %q4 = arith.constant 0.25 : !f
        %yq = arith.mulf %yy, %q4 : !f
        %s  = arith.addf %t3, %yq : !f""",
    step=zoo,
    mistakes=("softplus for silu", "sums swapped", "constant"),
    types=SIXTEEN_BIT[:3] + (Types("f64", "f64", "f64"),),
    sizes=hkv((1, 1, 1), (2, 8, 8), (3, 5, 7), (1, 33, 17)),
)


# ---- rotations of pairs of keys


def rotated(x, s, mistake):
    n = s.S.shape
    pairs = s.S.reshape(n[:-2] + (n[-2] // 2, 2, n[-1]))
    r = x.R if mistake != "transposed" else x.R.swapaxes(-1, -2)
    turned = (r[..., :, :, :, None] * pairs[..., :, None, :, :]).sum(-2).reshape(n)
    new = turned + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


add(
    name="transform",
    over={**QKV, "R": Operand("P two two", "rotation")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.transform %S, %R on "key0" : !S, !Ptwotwo
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=rotated,
    mistakes=("transposed", "read before the update"),
    tokens=20,
    sizes=(dict(H=2, K=8, V=8, P=4, two=2), dict(H=1, K=6, V=5, P=3, two=2)),
)
