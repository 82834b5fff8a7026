# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The files of examples/ladder, each as it lies there. Those whose recurrence is under test already take everything but
the region from its entry; the others have their formula here."""

import dataclasses

import numpy as np

from bounds import Num, absolute, exp, maximum, minimum, softplus
from spec import Operand, Recurrence, Types

from .common import *

LADDER = []  # names of the entries, in the order of the files
SIXTEEN = (Types(), Types("bf16", "f32", "bf16"))
VECTOR_KEYS = SMALL[1:]


def register(recurrence, file, function, name):
    name = "ladder-" + (name or file).replace("_", "-")
    entry = dataclasses.replace(recurrence, name=name, file=f"ladder/{file}.mlir", function=function or file)
    ALL.append(entry)
    LADDER.append(name)


def ladder(file, function="", name="", **fields):
    """A file with a formula of its own."""
    fields = dict(types=SIXTEEN, sizes=VECTOR_KEYS) | fields
    register(Recurrence(name="", **fields), file, function, name)


def like(entry, file, function="", **fields):
    """A file whose recurrence is `entry`."""
    known = next(r for r in ALL if r.name == entry)
    fields = dict(types=SIXTEEN, sizes=known.sizes[1:3] or known.sizes, more=(), body="", yields=()) | fields
    register(dataclasses.replace(known, **fields), file, function, "")


def stacked(parts, axis):
    """np.stack for arrays and for Num."""
    if isinstance(parts[0], Num):
        return Num(np.stack([p.v for p in parts], axis), np.stack([p.e for p in parts], axis))
    return np.stack(parts, axis)


def delta_transition(k, beta):
    return np.eye(k.shape[-1]) - on_matrix(beta) * outer(k, k)


def diagonal(log_decay):
    return col(np.exp(log_decay)) * np.eye(log_decay.shape[-1])


def blocks(r):
    """[.., P, p, p] as block-diagonal matrices [.., P p, P p]."""
    count, size = r.shape[-3], r.shape[-1]
    whole = np.zeros(r.shape[:-3] + (count, size, count, size))
    for n in range(count):
        whole[..., n, :, n, :] = r[..., n, :, :]
    return whole.reshape(r.shape[:-3] + (count * size, count * size))


S = {"S": Operand("K | V")}
O = {"o": Operand("V")}

like("retnet", "retention")
like("gla", "gla")
like("hgrn", "hgrn")
like("mamba-1", "mamba1", types=(Types(),))
like("slstm", "slstm")
like("delta-net", "deltanet")
like("gated-delta", "gated_deltanet")
like("kda", "kda")
like("tensor-state", "tensor_state")
like("two-states", "two_states")
like("wkv5", "rwkv5", "wkv5")
like("wkv6", "rwkv6", "wkv6")


def wkv7_adjust(inputs, rng, profile):
    """As the model makes them, with room for the rounding of w to 16 bits, which the bound does not forgive."""
    rate = rng.uniform(0, 1, inputs["b"].shape)
    inputs["a"], inputs["b"] = -inputs["b"], inputs["b"] * rate
    inputs["w"] = -0.6 * rng.uniform(0, 1, inputs["w"].shape)


like("wkv7", "rwkv7", "wkv7", adjust=wkv7_adjust, profiles=("normal", "duplicate"))


# ---- Mamba-2, arXiv:2405.21060: h = e^(dt A) h + dt B x, y = C h + D x with one A per head


def mamba2(x, s, mistake):
    z = x.z + (0.0 * x.bias if mistake == "no bias" else x.bias)
    dt = z if mistake == "no softplus" else softplus(z)
    drive = x.x if mistake == "input not scaled by dt" else on_vector(dt) * x.x
    new = on_matrix(exp(dt * -exp(x.A))) * s.S + outer(x.B, drive)
    out = read(new, x.C)
    return (out if mistake == "no skip" else out + on_vector(x.D) * x.x,), (new,)


ladder(
    "mamba2",
    over={"x": Operand("V"), "z": Operand(""), "B": Operand("K", group=2), "C": Operand("K", group=2)},
    consts={"A": Operand(""), "bias": Operand(""), "D": Operand("")},
    states=S,
    outputs={"y": Operand("V")},
    step=mamba2,
    mistakes=("no bias", "no softplus", "input not scaled by dt", "no skip"),
    sizes=hkv((2, 8, 8), (4, 5, 7), (2, 17, 33)),
)


# ---- RWKV-4, arXiv:2305.13048, appendix: numerically stable form


def wkv4(x, s, mistake):
    now = x.k if mistake == "bonus left out" else x.u + x.k
    top = maximum(s.m, now)
    past, weight = exp(s.m - top), exp(now - top)
    out = (past * s.num + weight * x.v) / (past * s.den + weight)
    before = s.m if mistake == "no decay" else s.m + x.w
    m = before if mistake == "key left out of the maximum" else maximum(before, x.k)
    kept, entered = exp(before - m), exp(x.k - m)
    num = kept * s.num + entered * x.v
    den = kept * s.den + entered
    if mistake == "bonus carried":
        num = kept * s.num + exp(now - m) * x.v
    return (out,), (num, den, m)


def wkv4_adjust(inputs, rng, profile):
    inputs["k"] = 3 * inputs["k"]
    inputs["den"] = np.abs(inputs["den"]) + 0.5


WKV4 = dict(
    over={"k": Operand("V"), "v": Operand("V")},
    consts={"w": Operand("V", "decay"), "u": Operand("V")},
    states={n: Operand("| V") for n in ("num", "den", "m")},
    outputs=O,
    step=wkv4,
    adjust=wkv4_adjust,
    mistakes=("bonus left out", "bonus carried", "no decay", "key left out of the maximum"),
    tokens=40,
    sizes=VECTORS[1:],
)
ladder("rwkv4", "wkv4", **WKV4)
add(name="wkv4-rung", rung="rwkv.wkv4", types=SIXTEEN, **WKV4)


# ---- mLSTM with its stabiliser, arXiv:2405.04517, equations 15, 19 to 27


def mlstm(x, s, mistake):
    before = x.f + s.m[..., 0]
    m = before if mistake == "input gate left out of the maximum" else maximum(before, x.i)
    f, i = exp(before - m), exp(x.i - m)
    c = on_matrix(f) * s.C + outer(x.k, on_vector(i) * x.v)
    n = on_matrix(f) * s.n + on_vector(x.k if mistake == "input gate left out of n" else on_vector(i) * x.k)
    match = dot(x.q, (s.n if mistake == "old n" else n)[..., 0])
    floor = exp(0.0 * m if mistake == "1 not scaled" else -m)
    scale = maximum(match if mistake == "no absolute value" else absolute(match), floor)
    return (read(c, x.q) / on_vector(scale),), (c, n, on_vector(m))


ladder(
    "mlstm",
    over={**QKV, "f": Operand("", "decay"), "i": Operand("")},
    states={"C": Operand("K | V"), "n": Operand("K | one"), "m": Operand("| one")},
    outputs=O,
    step=mlstm,
    mistakes=(
        "input gate left out of the maximum",
        "input gate left out of n",
        "old n",
        "no absolute value",
        "1 not scaled",
    ),
    sizes=tuple(s | dict(one=1) for s in VECTOR_KEYS),
)


# ---- Comba, arXiv:2506.02475: a scalar and a matrix of rank one, with a feedback key p


def comba(x, s, mistake):
    kept = on_matrix(exp(x.g)) * s.S
    source = kept if mistake == "feedback from the decayed state" else s.S
    error = x.v - read(source, x.k if mistake == "feedback through k" else x.p)
    new = kept + outer(x.k, error if mistake == "beta left out" else on_vector(x.beta) * error)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


def comba_adjust(inputs, rng, profile):
    near = inputs["k"] + 0.3 * inputs["p"]
    inputs["p"] = 0.9 * near / np.sqrt((near * near).sum(-1, keepdims=True))


ladder(
    "comba",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "p": Operand("K", "key"),
        "v": Operand("V"),
        "g": Operand("", "decay"),
        "beta": Operand("", "gate"),
    },
    states=S,
    outputs=O,
    step=comba,
    adjust=comba_adjust,
    transition=lambda x, s: on_matrix(np.exp(x.g)) * np.eye(x.k.shape[-1]) - on_matrix(x.beta) * outer(x.k, x.p),
    mistakes=(
        "feedback from the decayed state",
        "feedback through k",
        "beta left out",
        "read before the update",
    ),
)


# ---- Gated DeltaProduct, arXiv:2502.10297, with three steps per token


def delta_product(x, s, mistake):
    steps = [(x.k1, x.v1, x.b1), (x.k2, x.v2, x.b2), (x.k3, x.v3, x.b3)]
    if mistake == "steps in reverse order":
        steps.reverse()
    if mistake == "third step left out":
        steps.pop()
    start = state = s.S if mistake == "no decay" else on_matrix(exp(x.g)) * s.S
    for k, v, beta in steps:
        source = start if mistake == "every step reads the state of the first" else state
        state = state + outer(k, on_vector(beta) * (v - read(source, k)))
    return (read(state, x.q),), (state,)


def delta_product_transition(x, s):
    first, second, third = (delta_transition(k, b) for k, b in ((x.k1, x.b1), (x.k2, x.b2), (x.k3, x.b3)))
    return on_matrix(np.exp(x.g)) * (third @ second @ first)


ladder(
    "delta_product",
    over={
        "q": Operand("K"),
        **{f"k{i}": Operand("K", "key") for i in (1, 2, 3)},
        **{f"v{i}": Operand("V") for i in (1, 2, 3)},
        **{f"b{i}": Operand("", "beta") for i in (1, 2, 3)},
        "g": Operand("", "decay"),
    },
    states=S,
    outputs=O,
    step=delta_product,
    transition=delta_product_transition,
    mistakes=(
        "steps in reverse order",
        "third step left out",
        "no decay",
        "every step reads the state of the first",
    ),
)


# ---- decays on both axes and the delta rule


def two_sided_delta(x, s, mistake):
    columns = 1.0 if mistake == "value gate left out" else row(exp(x.h))
    kept = col(exp(x.g)) * s.S * columns
    error = x.v - read(s.S if mistake == "error of the state before the decay" else kept, x.k)
    new = kept + outer(x.k, on_vector(x.beta) * error)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


ladder(
    "two_sided_delta",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "beta": Operand("", "beta"),
        "g": Operand("K", "decay"),
        "h": Operand("V", "decay"),
    },
    states=S,
    outputs=O,
    step=two_sided_delta,
    # The decay of values, at most 1, is left out: errors may only seem larger.
    transition=lambda x, s: delta_transition(x.k, x.beta) @ diagonal(x.g),
    mistakes=("value gate left out", "error of the state before the decay", "read before the update"),
)


# ---- two writes and a read before and after them


def rank2_write(x, s, mistake):
    kept = s.S if mistake == "no decay" else col(exp(x.g)) * s.S
    new = kept + outer(x.k1, x.v1)
    if mistake != "second write left out":
        new = new + outer(x.k2, x.v1 if mistake == "first value written twice" else x.v2)
    before = new if mistake == "both reads after the update" else s.S
    return (read(before, x.p), read(new, x.q)), (new,)


ladder(
    "rank2_write",
    over={
        "p": Operand("K"),
        "q": Operand("K"),
        "k1": Operand("K"),
        "v1": Operand("V"),
        "k2": Operand("K"),
        "v2": Operand("V"),
        "g": Operand("K", "decay"),
    },
    states=S,
    outputs={"before": Operand("V"), "after": Operand("V")},
    step=rank2_write,
    mistakes=("no decay", "second write left out", "first value written twice", "both reads after the update"),
)


# ---- the gated Oja rule: S <- S diag(e^g) + beta (k - S diag(e^g) v) v^T, in its own orientation S [K, V]


def oja_update(x, held, mistake):
    gate = row(exp(x.g)) if mistake != "no decay" else 1.0
    kept = held * gate
    seen = held if mistake == "error of the state before the decay" else kept
    error = x.k - (seen * row(x.v)).sum(-1)
    return kept + outer(on_vector(x.beta) * error if mistake != "beta left out" else error, x.v)


def transposed(s):
    if isinstance(s, Num):
        return Num(s.v.swapaxes(-1, -2), s.e.swapaxes(-1, -2))
    return s.swapaxes(-1, -2)


def oja(x, s, mistake):
    new = oja_update(x, transposed(s.Z), mistake)
    return ((new * row(x.q)).sum(-1),), (transposed(new),)


def gated_oja(x, s, mistake):
    old = s.S
    new = oja_update(x, old, mistake)
    return (read(old if mistake == "read before the update" else new, x.q),), (transposed(new), new)


def gated_oja_adjust(inputs, rng, profile):
    inputs["S"] = inputs["Z"].swapaxes(-1, -2).copy()


OJA_OPERANDS = {
    "q": Operand("V"),
    "k": Operand("K"),
    "v": Operand("V", "key"),
    "g": Operand("V", "decay"),
    "beta": Operand("", "beta"),
}
OJA_MISTAKES = ("no decay", "error of the state before the decay", "beta left out")
ladder(
    "oja",
    over=OJA_OPERANDS,
    states={"Z": Operand("V | K")},
    outputs={"o": Operand("K")},
    step=oja,
    transition=lambda x, s: delta_transition(x.v, x.beta) @ diagonal(x.g),
    mistakes=OJA_MISTAKES,
)
ladder(
    "oja",
    "gated_oja",
    name="gated_oja",
    over={**OJA_OPERANDS, "q": Operand("K")},
    states={"Z": Operand("V | K"), "S": Operand("K | V")},
    outputs=O,
    step=gated_oja,
    adjust=gated_oja_adjust,
    mistakes=OJA_MISTAKES + ("read before the update",),
    tokens=20,
)


# ---- states with two key axes


def pair(first, second):
    """[M], [N] -> [M, N, 1], against states [M, N, V]."""
    return first[..., :, None, None] * second[..., None, :, None]


def read_pair(s, first, second):
    return (pair(first, second) * s).sum(-2).sum(-2)


def tensor_delta(x, s, mistake):
    kept = pair(exp(x.f), exp(x.g)) * s.S
    error = x.v - read_pair(s.S if mistake == "error of the state before the decay" else kept, x.a, x.b)
    if mistake != "beta left out":
        error = on_vector(x.beta) * error
    new = kept + pair(x.a, x.b) * error[..., None, None, :]
    if mistake == "keys of the read swapped":
        n = new.shape
        return (read_pair(new, fit(x.d, n[-3]), fit(x.c, n[-2])),), (new,)
    return (read_pair(s.S if mistake == "read before the update" else new, x.c, x.d),), (new,)


ladder(
    "tensor_delta",
    over={
        **{n: Operand(d, "key") for n, d in zip("abcd", "MNMN")},
        "v": Operand("V"),
        "f": Operand("M", "decay"),
        "g": Operand("N", "decay"),
        "beta": Operand("", "beta"),
    },
    states={"S": Operand("M N | V")},
    outputs=O,
    step=tensor_delta,
    mistakes=(
        "error of the state before the decay",
        "beta left out",
        "keys of the read swapped",
        "read before the update",
    ),
    tokens=20,
    sizes=tuple(dict(zip("HMNV", n)) for n in [(2, 3, 5, 7), (1, 4, 4, 8), (1, 8, 1, 17)]),
)


def symmetric_power(x, s, mistake):
    """By its definition: past tokens count with the square of q . k."""
    kept = on_matrix(exp(x.g))[..., None] * s.S
    key = fit(x.q, x.k.shape[-1]) if mistake == "one key of the write replaced" else x.k
    written = pair(x.k, key) * x.v[..., None, None, :]
    new = (s.S if mistake == "no decay" else kept) + written
    match = dot(x.q, x.k)
    score = match if mistake == "score not squared" else match * match
    if mistake == "read before the update":
        return (read_pair(s.S, x.q, x.q),), (new,)
    out = read_pair(kept, x.q, x.q) + on_vector(score) * x.v
    if isinstance(out, Num):  # the region reads the token, too, out of the state, which loses more
        lossy = read_pair(new, x.q, x.q)
        out = Num(out.v, lossy.e + np.abs(lossy.v - out.v))
    return (out,), (new,)


ladder(
    "symmetric_power",
    over={**QKV, "g": Operand("", "decay")},
    states={"S": Operand("K K | V")},
    outputs=O,
    step=symmetric_power,
    mistakes=("one key of the write replaced", "no decay", "score not squared", "read before the update"),
    sizes=hkv((1, 1, 1), (2, 4, 8), (3, 5, 7)),
)


# ---- linear attention, arXiv:2006.16236, with elu(x) + 1


def positive(x):
    return maximum(x, 0.0) + exp(minimum(x, 0.0))


def linear_attention(x, s, mistake):
    q = x.q if mistake == "query as it is" else positive(x.q)
    k = exp(minimum(x.k, 0.0)) if mistake == "e^k for positive keys left out" else positive(x.k)
    state, weights = s.S + outer(k, x.v), s.N + on_vector(k)
    weight = dot(q, (s.N if mistake == "weights of before" else weights)[..., 0])
    out = read(s.S if mistake == "read before the update" else state, q)
    return (out if mistake == "not divided" else out / on_vector(weight),), (state, weights)


def linear_attention_adjust(inputs, rng, profile):
    inputs["N"] = np.abs(inputs["N"]) + 0.5


ladder(
    "linear_attention",
    over=QKV,
    states={"S": Operand("K | V"), "N": Operand("K | one")},
    outputs=O,
    step=linear_attention,
    adjust=linear_attention_adjust,
    mistakes=(
        "query as it is",
        "e^k for positive keys left out",
        "weights of before",
        "not divided",
        "read before the update",
    ),
    sizes=tuple(s | dict(one=1) for s in VECTOR_KEYS),
)


# ---- the second-order Taylor series of e^(q . k), arXiv:2402.18668, by its definition


def expansion(x, constant, linear, square, half):
    return constant + read(linear, x.q) + half * read_pair(square, x.q, x.q)


def taylor(x, s, mistake):
    half = 1.0 if mistake == "factor 1/2 left out" else 0.5
    match = dot(x.q, x.k)
    square = 0.0 * match if mistake == "first order" else half * match * match
    score = on_vector(match + square if mistake == "constant left out" else 1.0 + match + square)
    new = (
        s.A + x.v,
        s.B + outer(x.k, x.v),
        s.C + pair(x.k, x.k) * x.v[..., None, None, :],
        s.L + 1.0,
        s.M + on_vector(x.k),
        s.N + pair(x.k, x.k),
    )
    out = expansion(x, s.A, s.B, s.C, half) + score * x.v
    sum_of_scores = expansion(x, s.L, s.M, s.N, half) + score
    if mistake == "token left out of the sum":
        sum_of_scores = sum_of_scores - score
    out = out if mistake == "not divided" else out / sum_of_scores
    if isinstance(out, Num):  # the region reads the token, too, out of the states, which loses more
        lossy = expansion(x, *new[:3], half) / expansion(x, *new[3:], half)
        out = Num(out.v, lossy.e + np.abs(lossy.v - out.v))
    return (out,), new


def taylor_adjust(inputs, rng, profile):
    """States of a few tokens before, so that sums of scores are positive."""
    for name in "qk":
        inputs[name] = inputs[name] / inputs[name].shape[-1] ** 0.25
    lead, past = inputs["A"].shape[:-1], 3
    k = rng.standard_normal(lead + (past, inputs["k"].shape[-1])) / inputs["k"].shape[-1] ** 0.25
    v = rng.standard_normal(lead + (past, inputs["v"].shape[-1]))
    pairs = k[..., :, None] * k[..., None, :]
    inputs["A"], inputs["L"] = v.sum(-2), np.full(lead + (1,), float(past))
    inputs["B"], inputs["M"] = np.einsum("...tk,...tv->...kv", k, v), k.sum(-2)[..., None]
    inputs["C"], inputs["N"] = np.einsum("...tjk,...tv->...jkv", pairs, v), pairs.sum(-3)[..., None]


ladder(
    "taylor",
    over=QKV,
    states={
        "A": Operand("| V"),
        "B": Operand("K | V"),
        "C": Operand("K K | V"),
        "L": Operand("| one"),
        "M": Operand("K | one"),
        "N": Operand("K K | one"),
    },
    outputs=O,
    step=taylor,
    adjust=taylor_adjust,
    mistakes=(
        "factor 1/2 left out",
        "first order",
        "constant left out",
        "token left out of the sum",
        "not divided",
    ),
    sizes=tuple(s | dict(one=1) for s in hkv((1, 1, 1), (2, 4, 8), (3, 5, 7))),
)
like("ladder-taylor", "taylor_features")
