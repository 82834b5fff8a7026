# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Delta rules: states that are corrected by what they already hold."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

from .common import *


# ---- RWKV-7, arXiv:2503.14456, equations 16 to 18: wkv_t = wkv_{t-1} (diag(w) - k^ (a . k^)^T) + v k~^T, which r reads


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
    if profile not in ("near1", "strong", "steep", "cliffs", "slow"):
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
add(
    name="wkv7",
    types=SIXTEEN_BIT,
    profiles=("normal", "near1", "duplicate"),
    sizes=SMALL + hkv((2, 64, 64)),
    more=LARGE,
    **WKV7,
)
add(name="wkv7-rung", rung="rwkv.wkv7", types=SIXTEEN_BIT[:2], sizes=SMALL[1:3], more=LARGE, **WKV7)
add(name="wkv7-f64", types=(Types("f64", "f64", "f64"),), sizes=SMALL[1:], more=LARGE[:3], **WKV7)
add(
    name="wkv7-groups",
    sizes=hkv((6, 5, 7), (4, 8, 16)),
    **{**WKV7, "over": {**WKV7_OPERANDS, "k": Operand("K", group=2)}},
)


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
add(
    name="gated-delta-rung", rung="rwkv.gated_delta", types=SIXTEEN_BIT[:2], sizes=SMALL[1:3], more=LARGE, **GATED_DELTA
)
add(
    name="gated-delta-groups",
    sizes=hkv((6, 5, 7), (4, 16, 8)),
    **{
        **GATED_DELTA,
        "over": {
            **GATED_DELTA_OPERANDS,
            "q": Operand("K", "key", 2),
            "k": Operand("K", "key", 2),
            "g": Operand("", "decay", 2),
        },
    },
)


# ---- DeltaNet, arXiv:2406.06484: the same without decay


def delta_net(x, s, mistake):
    error = x.v if mistake == "keys not removed" else x.v - read(s.S, x.k)
    new = s.S + outer(x.k, error if mistake == "beta left out" else on_vector(x.beta) * error)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


DELTA_NET = dict(
    over={n: o for n, o in GATED_DELTA_OPERANDS.items() if n != "g"},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    step=delta_net,
    transition=lambda x, s: np.eye(x.k.shape[-1]) - on_matrix(x.beta) * outer(x.k, x.k),
    mistakes=("keys not removed", "beta left out", "read before the update"),
    profiles=("normal", "duplicate"),
    sizes=SMALL[1:],
    more=LARGE,
)
add(
    name="delta-net",
    body="""
        %y  = rwkv.read  %S[%k] : !S
        %e  = arith.subf %v, %y : !V
        %S1 = rwkv.write %S[%k], %e scale %beta : !S
        %o  = rwkv.read  %S1[%q] : !S""",
    **DELTA_NET,
)
add(
    name="delta-short",
    body="""
        %S1 = rwkv.delta %S[%k], %v scale %beta : !S
        %o  = rwkv.read  %S1[%q] : !S""",
    **{**DELTA_NET, "more": ()},
)


# ---- the same with keys that are divided by their length in the region


def unit_length(k):
    return k / on_vector(maximum(sqrt(dot(k, k)), 1e-6))


def delta_normalized(x, s, mistake):
    k = x.k if mistake == "key of any length" else unit_length(x.k)
    new = s.S + outer(k, on_vector(x.beta) * (x.v - read(s.S, k)))
    return (read(new, x.q),), (new,)


def delta_normalized_transition(x, s):
    k = x.k / np.maximum(np.linalg.norm(x.k, axis=-1, keepdims=True), 1e-6)
    return np.eye(k.shape[-1]) - on_matrix(x.beta) * outer(k, k)


add(
    name="delta-normalized",
    over={**DELTA_NET["over"], "k": Operand("K")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    body="""
        %n  = rwkv.l2norm %k over 0 floor 1.0e-6 : !K
        %S1 = rwkv.delta %S[%n], %v scale %beta : !S
        %o  = rwkv.read  %S1[%q] : !S""",
    step=delta_normalized,
    transition=delta_normalized_transition,
    mistakes=("key of any length",),
    sizes=SMALL[1:],
)


# ---- the same with a key of its own for the read, without and with a scale, after a decay


def delta_reads(x, s, mistake):
    kept = s.S if mistake == "no decay" else on_matrix(exp(x.g)) * s.S
    a, k = (x.k, x.a) if mistake == "keys swapped" else (x.a, x.k)
    new = kept + outer(k, x.v - read(kept, k if mistake == "the written key read" else a))
    source = kept if mistake == "second step reads the state of the first" else new
    error = x.v - read(source, x.l)
    new = new + outer(x.k, error if mistake == "beta left out" else on_vector(x.beta) * error)
    return (read(new, x.q),), (new,)


def delta_reads_transition(x, s):
    eye = np.eye(x.k.shape[-1])
    second = eye - on_matrix(x.beta) * outer(x.k, x.l)
    return on_matrix(np.exp(x.g)) * (second @ (eye - outer(x.k, x.a)))


def delta_reads_adjust(inputs, rng, profile):
    """Reads that are near the write, and half of it: what is there shrinks."""
    k = inputs["k"]
    inputs["a"] = 0.5 * k + 0.2 * inputs["a"]
    inputs["l"] = 0.4 * k + 0.2 * inputs["l"]


add(
    name="delta-reads",
    over={**GATED_DELTA_OPERANDS, "a": Operand("K", "key"), "l": Operand("K", "key")},
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "all" : !S
        %S2 = rwkv.delta %S1[%k], %v reads [%a] : !S
        %S3 = rwkv.delta %S2[%k], %v scale %beta reads [%l] : !S
        %o  = rwkv.read  %S3[%q] : !S""",
    step=delta_reads,
    transition=delta_reads_transition,
    adjust=delta_reads_adjust,
    mistakes=(
        "no decay",
        "keys swapped",
        "the written key read",
        "second step reads the state of the first",
        "beta left out",
    ),
    profiles=("normal", "near1"),
    sizes=SMALL[1:],
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
