# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""States of other shapes, and several states in one region."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

from .common import *


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
        "k": Operand("K"),
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


# Momentum as in Titans, arXiv:2501.00663, equations 9, 10 and 13, for a diagonal memory: P is the momentum of the
# surprise, M the memory. The new memory reads the new momentum, the surprise the old memory.


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
    linearise=True,
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
