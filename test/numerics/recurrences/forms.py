# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops on values that a region may have: functions, choices, axes, features of keys."""

import math

import numpy as np

from bounds import Num, broadcast, current
from spec import Operand, Types

from .common import *

# ---- every function of operands, which are exact


def function(f, *operands):
    """What f promises: a few roundings of its result."""
    values = [x.v if isinstance(x, Num) else x for x in operands]
    with np.errstate(all="ignore"):
        y = f(*values)
    if not any(isinstance(x, Num) for x in operands):
        return y
    # twice what other functions promise: some do not promise more
    return Num(y, 2 * current().function * current().u * np.abs(y).astype(np.float64) + 4 * current().t)


def unit(x):
    """Between -1 and 1, exactly."""
    return minimum(maximum(x, -1.0), 1.0)


def functions(x, s, mistake):
    q, k, b = x.q, x.k, unit(x.k)
    size = maximum(absolute(q), 0.5)
    erf, erfc = (np.vectorize(f, otypes=[np.float64]) for f in (math.erf, math.erfc))
    parts = [
        function(np.cos if mistake == "cosine for sine" else np.sin, q),
        function(np.cos, k),
        function(np.arcsin, b),
        function(np.arccos, b),
        function(np.arctan, q),
        function(np.arctan2, k, q) if mistake == "coordinates swapped" else function(np.arctan2, q, k),
        function(np.sinh, q),
        function(np.cosh, k),
        function(np.arcsinh, q),
        function(np.expm1, k),
        function(np.log10, size),
        function(erf, q),
        function(erf if mistake == "erf for erfc" else erfc, k),
        function(np.cbrt, q),
        function(np.power, size, k),
        on_vector(function(lambda z: z**3, x.g)),
        function(lambda z: np.copysign(np.floor(np.abs(z) + 0.5), z), 4.0 * k),
    ]
    out = read(s.S, q)
    for part in parts:
        out = out + part
    new = s.S + outer(k, x.v)
    return (out,), (new,)


add(
    name="functions",
    over={"q": Operand("K"), "k": Operand("K"), "v": Operand("K"), "g": Operand("")},
    states={"S": Operand("K | K")},
    outputs={"o": Operand("K")},
    yields=["%o16", "%S1"],
    body="""
        %low = rwkv.fill -1.0 : !K
        %high = rwkv.fill 1.0 : !K
        %four = rwkv.fill 4.0 : !K
        %three = arith.constant 3 : i32
        %b   = math.clampf %k to [%low, %high] : !K
        %half = rwkv.fill 0.5 : !K
        %abs = math.absf %q : !K
        %a   = arith.maximumf %abs, %half : !K
        %k4  = arith.mulf %k, %four : !K
        %f0  = math.sin %q : !K
        %f1  = math.cos %k : !K
        %f2  = math.asin %b : !K
        %f3  = math.acos %b : !K
        %f4  = math.atan %q : !K
        %f5  = math.atan2 %q, %k : !K
        %f6  = math.sinh %q : !K
        %f7  = math.cosh %k : !K
        %f8  = math.asinh %q : !K
        %f9  = math.expm1 %k : !K
        %f10 = math.log10 %a : !K
        %f11 = math.erf %q : !K
        %f12 = math.erfc %k : !K
        %f13 = math.cbrt %q : !K
        %f14 = math.powf %a, %k : !K
        %p   = math.fpowi %g, %three : !f, i32
        %f15 = rwkv.broadcast %p : !f -> !K
        %f16 = math.round %k4 : !K
        %o   = rwkv.read %S[%q] : !S
        %o0  = arith.addf %o, %f0 : !K
        """
    + "\n".join(f"%o{i} = arith.addf %o{i - 1}, %f{i} : !K" for i in range(1, 17))
    + """
        %S1  = rwkv.write %S[%k], %v : !S""",
    step=functions,
    mistakes=("cosine for sine", "coordinates swapped", "erf for erfc"),
    sizes=tuple(dict(H=h, K=k) for h, k in [(1, 1), (2, 8), (3, 5), (1, 17)]),
    types=(Types(), Types("bf16", "f32", "bf16")),
)


# ---- a value that a number per token chooses: an error of the delta rule, or what is written as it is


def selected(x, s, mistake):
    isOpen = x.g > x.h if not isinstance(x.g, Num) else x.g.v > x.h.v
    isOpen = np.ones_like(isOpen) if mistake == "always corrected" else ~isOpen if mistake == "the other one" else isOpen
    error = x.v - read(s.S, x.k)

    def choose(a, b):
        where = on_vector(isOpen)
        if isinstance(a, Num) or isinstance(b, Num):
            return Num(np.where(where, a.v, b.v), np.where(where, a.e, b.e))
        return np.where(where, a, b)

    new = s.S + outer(x.k, on_vector(x.beta) * choose(error, x.v))
    out = read(new, x.q)
    return (choose(out, x.q),), (new,)


def selected_transition(x, s):
    rate = np.where(x.g > x.h, x.beta, 0.0)
    return np.eye(x.k.shape[-1]) - on_matrix(rate) * outer(x.k, x.k)


add(
    name="selected",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("K"),
        "beta": Operand("", "beta"),
        "g": Operand(""),
        "h": Operand(""),
    },
    states={"S": Operand("K | K")},
    outputs={"o": Operand("K")},
    yields=["%y", "%S1"],
    body="""
        %c  = arith.cmpf ogt, %g, %h : !f
        %r  = rwkv.read %S[%k] : !S
        %e  = arith.subf %v, %r : !K
        %z  = arith.select %c, %e, %v : !K
        %S1 = rwkv.write %S[%k], %z scale %beta : !S
        %o  = rwkv.read %S1[%q] : !S
        %y  = arith.select %c, %o, %q : !K""",
    step=selected,
    transition=selected_transition,
    mistakes=("always corrected", "the other one"),
    sizes=tuple(dict(H=h, K=k) for h, k in [(1, 1), (2, 8), (3, 5), (1, 17)]),
    types=(Types(), Types("f64", "f64", "f64"), Types("bf16", "f32", "bf16")),
)


# ---- values of three axes: repeated along any of them, summed over any of them, in other shapes


def spread(x, shape, axes):
    """x with new axes behind `axes`, repeated to [.., shape]."""
    lead = x.shape[: len(x.shape) - len(axes)]
    full = lead + tuple(n if i in axes else 1 for i, n in enumerate(shape))
    return broadcast(x.reshape(full), lead + tuple(shape))


def axes(x, s, mistake):
    a, n, b = x.m.shape[-2], x.y.shape[-1], x.m.shape[-1]
    cube = spread(x.m, (a, n, b), (0, 2)) * spread(x.y, (a, n, b), (1,))
    if mistake == "rows repeated instead of columns":
        cube = spread(fit(x.y, a), (a, n, b), (0,)) * spread(x.m, (a, n, b), (0, 2))
    over_n, over_a, over_b = (cube * 1.0).sum(-2), cube.sum(-3), cube.sum(-1)
    length = maximum(sqrt((cube * cube).sum(-2)), 1e-6)
    straight = cube / spread(length, (a, n, b), (0, 2))
    if mistake == "not divided by the length":
        straight = cube
    key = over_n.reshape(over_n.shape[:-2] + (a * b,))
    value = over_a.reshape(over_a.shape[:-2] + (n * b,))
    value = value + straight.sum(-3).reshape(value.shape)
    kept = on_vector(over_b.sum(-1).sum(-1)) * 0.125
    new = s.S + outer(key, value)
    out = read(s.S, key) * kept
    return (out,), (new,)


add(
    name="axes",
    over={"m": Operand("A B"), "y": Operand("N")},
    states={"S": Operand("AtimesB | NtimesB")},
    outputs={"o": Operand("NtimesB")},
    aliases={"ANB": "A N B", "NB": "N B", "AN": "A N"},
    yields=["%o", "%S1"],
    body="""
        %mm = rwkv.broadcast %m on [0, 2] : !AB -> !ANB
        %yy = rwkv.broadcast %y on [1] : !N -> !ANB
        %c  = arith.mulf %mm, %yy : !ANB
        %sn = rwkv.sum %c over 1 : !ANB -> !AB
        %sa = rwkv.sum %c over 0 : !ANB -> !NB
        %sb = rwkv.sum %c over 2 : !ANB -> !AN
        %l  = rwkv.l2norm %c over 1 floor 1.0e-6 : !ANB
        %la = rwkv.sum %l over 0 : !ANB -> !NB
        %key = rwkv.reshape %sn : !AB -> !AtimesB
        %v0 = arith.addf %sa, %la : !NB
        %v  = rwkv.reshape %v0 : !NB -> !NtimesB
        %s0 = rwkv.sum %sb over 0 : !AN -> !N
        %s1 = rwkv.sum %s0 over 0 : !N -> !f
        %e  = arith.constant 0.125 : !f
        %s2 = arith.mulf %s1, %e : !f
        %w  = rwkv.broadcast %s2 : !f -> !NtimesB
        %r  = rwkv.read %S[%key] : !S
        %o  = arith.mulf %r, %w : !NtimesB
        %S1 = rwkv.write %S[%key], %v : !S""",
    step=axes,
    mistakes=("rows repeated instead of columns", "not divided by the length"),
    sizes=tuple(
        dict(H=h, A=a, N=n, B=b, AtimesB=a * b, NtimesB=n * b) for h, a, n, b in [(1, 2, 3, 4), (2, 3, 2, 5), (1, 1, 5, 8)]
    ),
)


# ---- the delta rule on the squares of keys, by what it does to a sum over past tokens: (q . k)^2 v


def pair(x, y):
    return x[..., :, None] * y[..., None, :]


def feature_delta(x, s, mistake):
    def contract(state, key):
        return (pair(key, key)[..., None] * state).sum(-2).sum(-2)

    error = x.v if mistake == "error left out" else x.v - contract(s.S, x.k)
    written = error if mistake == "beta left out" else on_vector(x.beta) * error
    features = pair(x.k, x.k) * 0.5 if mistake == "half of the features" else pair(x.k, x.k)
    new = s.S + features[..., None] * written[..., None, None, :]
    return (contract(new, x.q),), (new,)


add(
    name="feature-delta",
    over={"q": Operand("K", "key"), "k": Operand("K", "key"), "v": Operand("V"), "beta": Operand("", "beta")},
    states={"S": Operand("K K | V")},
    outputs={"o": Operand("V")},
    yields=["%o", "%S1"],
    body="""
        %y  = rwkv.feature_read power %S[%k] : !S
        %e  = arith.subf %v, %y : !V
        %S1 = rwkv.feature_write power %S[%k], %e scale %beta : !S
        %o  = rwkv.feature_read power %S1[%q] : !S""",
    step=feature_delta,
    mistakes=("error left out", "beta left out", "half of the features"),
    tokens=20,
    sizes=hkv((1, 1, 1), (2, 4, 8), (3, 5, 7)),
)
