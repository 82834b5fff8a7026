# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memories that learn by gradients, and states with slots."""

import numpy as np

import bounds
from bounds import Num, absolute, exp, maximum, sqrt, tanh, value
from spec import Operand, Types

from .common import *
from .ladder import O, ladder, pair, stacked


# ---- states that are held: what they are taken from as it was when their counter was last 0


def where(condition, x, y):
    if isinstance(x, Num):
        return Num(np.where(condition, x.v, y.v), np.where(condition, x.e, y.e))
    return np.where(condition, x, y)


def counted(n, period):
    following = value(n) + 1
    following = np.where(following >= period, following - period, following)
    return Num(following) if isinstance(n, Num) else following


def due(n, at=0):
    """[B, H] of a counter [B, H, 1]."""
    return value(n)[..., 0] == at


# ---- TTT-linear, arXiv:2407.04620: the gradient of mean |LN(W0^T k) - v|^2 by its published formula


def inverse_root(x):
    root = 1.0 / sqrt(x)
    if isinstance(root, Num):  # one function instead of two
        root = Num(root.v, root.e + 4 * bounds.current().u * np.abs(root.v))
    return root


def mean(x):
    return on_vector(x.sum(-1) / float(x.shape[-1]))


def ttt(x, s, mistake):
    taken = due(s.n, 1 if mistake == "taken a token late" else 0)
    held = where(on_matrix(taken), s.W, s.W0)
    model = {"gradients at the token": s.W, "gradients at the last model": s.W0}.get(mistake, held)
    z = read(model, x.k)
    centred = z if mistake == "mean left in" else z - mean(z)
    scale = inverse_root(mean(centred * centred) + 1e-6)
    normal = centred * scale
    error = x.gamma * normal + (0.0 * x.beta if mistake == "no bias" else x.beta) - x.v
    slope = x.gamma * error * 2.0 / float(x.v.shape[-1])
    inner = slope - mean(slope)
    if mistake != "variance taken as constant":
        inner = inner - normal * mean(slope * normal)
    gradient = inner * scale
    new = s.W - outer(x.k, gradient if mistake == "no step size" else on_vector(x.eta) * gradient)
    count = counted(s.n, 15 if mistake == "15 tokens" else 16)
    return (read(s.W if mistake == "read before the update" else new, x.q),), (new, held, count)


def ttt_adjust(inputs, rng, profile):
    inputs["eta"] = 0.25 * inputs["eta"]
    inputs["gamma"], inputs["beta"] = 1 + 0.2 * inputs["gamma"], 0.2 * inputs["beta"]


ladder(
    "ttt_linear",
    over={"q": Operand("K"), "k": Operand("K", "key"), "v": Operand("V"), "eta": Operand("", "gate")},
    consts={"gamma": Operand("V"), "beta": Operand("V")},
    states={"W": Operand("K | V"), "W0": Operand("K | V"), "n": Operand("| one", "count")},
    outputs=O,
    step=ttt,
    adjust=ttt_adjust,
    mistakes=(
        "gradients at the token",
        "gradients at the last model",
        "taken a token late",
        "15 tokens",
        "mean left in",
        "no bias",
        "variance taken as constant",
        "no step size",
        "read before the update",
    ),
    tokens=20,
    sizes=tuple(s | dict(one=1) for s in SMALL[1:]),
)


# ---- two states that are held for 12 and for 8 tokens, one of them a vector, and a counter that is read


def stale(x, s, mistake):
    periods = (12, 12) if mistake == "one period" else (12, 8)
    held = where(on_matrix(due(s.n)), s.S, s.B)
    vector = where(on_vector(due(s.m)), s.M, s.A)
    y = read(s.S if mistake == "matrix not held" else held, x.k)
    z = tanh(y) + (s.M if mistake == "vector not held" else vector)
    new = col(exp(x.g)) * s.S + outer(x.k, z)
    count = counted(s.n, periods[0])
    after = s.n if mistake == "counter read before it counts" else count
    moved = exp(x.h) * s.M + x.v
    return (read(new, x.q), s.n, after), (new, held, moved, vector, count, counted(s.m, periods[1]))


def stale_adjust(inputs, rng, profile):
    inputs["n"], inputs["m"] = inputs["n"] % 12, inputs["m"] % 8


add(
    name="stale",
    types=(Types(), Types("f64", "f64", "f64"), Types("bf16", "bf16", "f32")),
    over={**QKV, "g": Operand("K", "decay"), "h": Operand("V", "decay")},
    states={
        **{n: Operand("K | V") for n in ("S", "B")},
        **{n: Operand("| V") for n in ("M", "A")},
        **{n: Operand("| one", "count") for n in ("n", "m")},
    },
    outputs={"o": Operand("V"), "before": Operand("one"), "after": Operand("one")},
    yields=["%o", "%before", "%after", "%S2", "%B1", "%M2", "%A1", "%n1", "%m1"],
    body="""
        %B1 = rwkv.hold %B, %S at %n : !S
        %A1 = rwkv.hold %A, %M at %m : !M
        %n1 = rwkv.count %n every 12 : !n
        %m1 = rwkv.count %m every 8 : !m
        %y  = rwkv.read %B1[%k] : !S
        %a  = rwkv.read %A1[] : !A
        %t  = math.tanh %y : !V
        %z  = arith.addf %t, %a : !V
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %S2 = rwkv.write %S1[%k], %z : !S
        %M1 = rwkv.decay %M, %h on "value" : !M
        %M2 = rwkv.write %M1[], %v : !M
        %before = rwkv.read %n[] : !n
        %after  = rwkv.read %n1[] : !n
        %o  = rwkv.read %S2[%q] : !S""",
    step=stale,
    adjust=stale_adjust,
    mistakes=("one period", "matrix not held", "vector not held", "counter read before it counts"),
    sizes=tuple(s | dict(one=1) for s in SMALL),
    tokens=40,
)


# ---- slots: two states as one with an axis of size 2


def slots(s):
    return s[..., 0, :, :], s[..., 1, :, :]


def set_slots(inputs):
    for name, line in (("first", [1.0, 0.0]), ("second", [0.0, 1.0])):
        inputs[name] = np.broadcast_to(line, inputs[name].shape).copy()


def mixtures(shape, **entries):
    """2 x 2 matrices, the identity but for the entries given."""
    r = np.broadcast_to(np.eye(2), shape).copy()
    for place, entry in entries.items():
        r[..., int(place[1]), int(place[2])] = entry
    return r


def titans(x, s, mistake):
    """Published with the gradient at the start of a chunk; here it is taken at the token."""
    memory, momentum = slots(s.S)
    surprise = outer(x.k, on_vector(x.theta) * (x.v - read(memory, x.k)))
    momentum = surprise if mistake == "no momentum" else on_matrix(x.eta) * momentum + surprise
    gained = slots(s.S)[1] if mistake == "old momentum" else momentum
    new = (memory if mistake == "nothing forgotten" else on_matrix(1.0 - x.alpha) * memory) + gained
    return (read(memory if mistake == "read before the update" else new, x.q),), (stacked([new, momentum], -3),)


def titans_adjust(inputs, rng, profile):
    shape = inputs["eta"].shape
    inputs["theta"] = 0.5 * inputs["theta"]
    inputs["eta"] = rng.uniform(0.5, 0.95, shape)
    inputs["alpha"] = rng.uniform(0, 0.1, shape)


SLOT_SIZES = tuple(s | dict(one=1, two=2) for s in SMALL[1:])
ladder(
    "titans_momentum",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "theta": Operand("", "gate"),
        "eta": Operand("", "gate"),
        "alpha": Operand("", "gate"),
    },
    states={"S": Operand("two K | V")},
    outputs=O,
    step=titans,
    adjust=titans_adjust,
    mistakes=("no momentum", "old momentum", "nothing forgotten", "read before the update"),
    tokens=20,
    sizes=SLOT_SIZES,
)


def slot_mix(x, s, mistake):
    first, second = slots(s.S)
    leak = on_matrix(x.R[..., 0, 0, 1])
    if mistake == "leak the other way":
        first, second = first, second + leak * first
    elif mistake != "no leak":
        first = first + leak * second
    decay = on_matrix(exp(x.g))
    first, second = decay * first, decay * second
    keys = (x.kl, x.k) if mistake == "keys swapped" else (x.k, x.kl)
    first = first + outer(keys[0], on_vector(x.beta) * (x.v - read(first, keys[0])))
    second = second + outer(keys[1], on_vector(x.betal) * (x.vl - read(second, keys[1])))
    return (read(second if mistake == "second slot read" else first, x.q),), (stacked([first, second], -3),)


def slot_mix_adjust(inputs, rng, profile):
    set_slots(inputs)
    inputs["R"] = mixtures(inputs["R"].shape, r01=0.3 * rng.standard_normal(inputs["R"].shape[:-2]))


ladder(
    "slot_mix",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "beta": Operand("", "beta"),
        "kl": Operand("K", "key"),
        "vl": Operand("V"),
        "betal": Operand("", "beta"),
        "g": Operand("", "decay"),
        "R": Operand("one two two"),
    },
    consts={"first": Operand("two"), "second": Operand("two")},
    states={"S": Operand("two K | V")},
    outputs=O,
    step=slot_mix,
    adjust=slot_mix_adjust,
    mistakes=("leak the other way", "no leak", "keys swapped", "second slot read"),
    tokens=20,
    sizes=SLOT_SIZES,
)


# ---- the short forms with what their files leave out: a floor, three slots, two key axes and no scale


def short_forms(x, s, mistake):
    kept = on_matrix(exp(x.g))
    sums = kept * s.S + outer(x.k, x.v)
    weights = kept * s.N + on_vector(x.k)
    match = dot(x.q, weights[..., 0])
    floor = 0.0 * x.floor + 1e-3 if mistake == "no floor" else x.floor
    divisor = maximum(match if mistake == "no absolute value" else absolute(match), floor)
    places = (0, 2) if mistake == "mixed the other way" else (2, 0)
    lines = [s.P[..., i, :, :] for i in range(3)]
    lines[places[1]] = lines[places[1]] + on_matrix(x.g) * lines[places[0]]
    mixed = stacked(lines, -3)
    memory, momentum = s.T[..., 0, :, :, :], s.T[..., 1, :, :, :]
    written = pair(x.l, x.l if mistake == "one key for another" else fit(x.k, x.l.shape[-1])) * x.v[..., None, None, :]
    momentum = x.eta[..., None, None, None] * momentum + written
    forgotten = 0.0 * x.alpha if mistake == "nothing forgotten" else x.alpha
    memory = (1.0 - forgotten)[..., None, None, None] * memory + momentum
    return (read(sums, x.q) / on_vector(divisor),), (sums, weights, mixed, stacked([memory, momentum], -4))


def short_forms_adjust(inputs, rng, profile):
    inputs["floor"] = 0.5 + inputs["floor"]
    inputs["g"] = -inputs["g"]


add(
    name="short-forms",
    types=(Types(), Types("f64", "f64", "f64")),
    over={**QKV, "l": Operand("K"), **{n: Operand("", "gate") for n in ("g", "floor", "eta", "alpha")}},
    states={
        "S": Operand("K | V"),
        "N": Operand("K | one"),
        "P": Operand("three K | V"),
        "T": Operand("two K K | V"),
    },
    outputs=O,
    yields=["%o", "%S2", "%N2", "%P1", "%T1"],
    body="""
        %one = rwkv.fill 1.0 : !one
        %S1 = rwkv.decay %S, %g on "all" : !S
        %S2 = rwkv.write %S1[%k], %v : !S
        %N1 = rwkv.decay %N, %g on "all" : !N
        %N2 = rwkv.write %N1[%k], %one : !N
        %o  = rwkv.normalizer %S2 by %N2[%q] floor %floor : !S
        %P1 = rwkv.mix %P, %g from 2 to 0 : !P
        %T1 = rwkv.momentum %T[%l, %k], %v eta %eta alpha %alpha : !T""",
    step=short_forms,
    adjust=short_forms_adjust,
    mistakes=("no floor", "no absolute value", "mixed the other way", "one key for another", "nothing forgotten"),
    sizes=tuple(s | dict(one=1, two=2, three=3) for s in hkv((1, 1, 1), (2, 4, 8), (3, 5, 7))),
    tokens=40,
)
