# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Transforms that are asserted to be orthogonal: chunks turn keys instead of pushing them."""

import numpy as np

from bounds import exp
from spec import Operand

from .common import *
from .ladder import blocks, delta_transition


def turned(r, s, axes=1):
    """Blocks [.., P, p, p] times the first of the key axes of a state."""
    n = s.shape
    lead, size = n[: len(n) - axes - 1], r.shape[-1]
    rows = s.reshape(lead + (n[len(lead)] // size, size, int(np.prod(n[len(lead) + 1 :]))))
    return (r[..., :, :, :, None] * rows[..., :, None, :, :]).sum(-2).reshape(n)


def full_turns(inputs, rng, profile):
    """Rotations of all of the key axis."""
    inputs["R"] = np.linalg.qr(rng.standard_normal(inputs["R"].shape))[0] if inputs["R"].size else inputs["R"]


def turned_and_written(x, s):
    new = turned(x.R, s.S) + outer(x.k, x.v)
    return (read(new, x.q),), (new,)


# ---- several turns in a token, what is read between them, a peek, and a decay that they do not mind


def turned_delta(x, s, mistake):
    kept = turned(x.R, s.S if mistake == "no decay" else on_matrix(exp(x.g)) * s.S)
    source = s.S if mistake == "error of the state before the turn" else kept
    new = kept + outer(x.k, on_vector(x.beta) * (x.v - read(source, x.k)))
    new = new if mistake == "second turn left out" else turned(x.Q, new)
    peek = turned(x.Q if mistake == "peek turned by the other matrix" else x.R, new)
    return (read(new, x.q), read(peek, x.q)), (peek if mistake == "peek carried" else new,)


add(
    name="turned-delta",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "beta": Operand("", "beta"),
        "g": Operand("", "decay"),
        "R": Operand("P two two", "rotation"),
        "Q": Operand("P two two", "rotation"),
    },
    exact=("R", "Q"),
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V"), "p": Operand("V")},
    yields=["%o", "%p", "%S4"],
    body="""
        %S1 = rwkv.decay %S, %g on "all" : !S
        %S2 = rwkv.transform %S1, %R on "key0" orthogonal : !S, !Ptwotwo
        %y  = rwkv.read %S2[%k] : !S
        %e  = arith.subf %v, %y : !V
        %S3 = rwkv.write %S2[%k], %e scale %beta : !S
        %S4 = rwkv.transform %S3, %Q on "key0" orthogonal : !S, !Ptwotwo
        %o  = rwkv.read %S4[%q] : !S
        %P  = rwkv.transform %S4, %R on "key0" orthogonal : !S, !Ptwotwo
        %p  = rwkv.read %P[%q] : !S""",
    step=turned_delta,
    transition=lambda x, s: on_matrix(np.exp(x.g)) * (blocks(x.Q) @ delta_transition(x.k, x.beta) @ blocks(x.R)),
    mistakes=("no decay", "error of the state before the turn", "second turn left out", "peek turned by the other matrix", "peek carried"),
    sizes=(dict(H=2, K=8, V=8, P=4, two=2), dict(H=1, K=6, V=5, P=3, two=2), dict(H=1, K=64, V=17, P=32, two=2)),
)


# ---- one block for all of the axis


def turned_whole(x, s, mistake):
    if mistake == "transposed":
        x.R = x.R.swapaxes(-1, -2)
    outputs, (new,) = turned_and_written(x, s)
    return (read(s.S, x.q),) if mistake == "read before the update" else outputs, (new,)


add(
    name="turned-whole",
    over={**QKV, "R": Operand("one K K")},
    exact=("R",),
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S2"],
    body="""
        %S1 = rwkv.transform %S, %R on "key0" orthogonal : !S, !oneKK
        %S2 = rwkv.write %S1[%k], %v : !S
        %o  = rwkv.read  %S2[%q] : !S""",
    step=turned_whole,
    adjust=full_turns,
    transition=lambda x, s: blocks(x.R),
    mistakes=("transposed", "read before the update"),
    sizes=(dict(H=2, K=6, V=8, one=1), dict(H=1, K=20, V=5, one=1)),
)


# ---- one key axis turned, the other one decayed by channel


def turned_axes(x, s, mistake):
    decay = exp(x.g)[..., None, :, None]
    kept = turned(x.R, s.S if mistake == "no decay" else decay * s.S, axes=2)
    new = kept + x.a[..., :, None, None] * x.b[..., None, :, None] * x.v[..., None, None, :]
    source = s.S if mistake == "read before the update" else new
    return ((x.c[..., :, None, None] * x.d[..., None, :, None] * source).sum(-2).sum(-2),), (new,)


add(
    name="turned-axes",
    over={
        **{n: Operand(d, "key") for n, d in zip("abcd", "KNKN")},
        "v": Operand("V"),
        "g": Operand("N", "decay"),
        "R": Operand("P two two", "rotation"),
    },
    exact=("R",),
    states={"S": Operand("K N | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "key1" : !S
        %S2 = rwkv.transform %S1, %R on "key0" orthogonal : !S, !Ptwotwo
        %S3 = rwkv.write %S2[%a, %b], %v : !S
        %o  = rwkv.read  %S3[%c, %d] : !S""",
    step=turned_axes,
    mistakes=("no decay", "read before the update"),
    tokens=20,
    sizes=(dict(H=2, K=6, N=5, V=7, P=3, two=2),),
)


# ---- turned and decayed along one axis: no frame that only turns, so keys are pushed


def turned_and_decayed(x, s, mistake):
    kept = turned(x.R, s.S if mistake == "no decay" else col(exp(x.g)) * s.S)
    if mistake == "decay after the turn":
        kept = col(exp(x.g)) * turned(x.R, s.S)
    new = kept + outer(x.k, x.v)
    return (read(new, x.q),), (new,)


add(
    name="turned-and-decayed",
    over={**QKV, "g": Operand("K", "decay"), "R": Operand("P two two", "rotation")},
    exact=("R",),
    states={"S": Operand("K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %S2 = rwkv.transform %S1, %R on "key0" orthogonal : !S, !Ptwotwo
        %S3 = rwkv.write %S2[%k], %v : !S
        %o  = rwkv.read  %S3[%q] : !S""",
    step=turned_and_decayed,
    transition=lambda x, s: blocks(x.R) @ (col(np.exp(x.g)) * np.eye(x.g.shape[-1])),
    mistakes=("no decay", "decay after the turn"),
    sizes=(dict(H=2, K=6, V=5, P=3, two=2),),
)
