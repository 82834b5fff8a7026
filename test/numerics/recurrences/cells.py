# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""States that are overwritten: recurrent cells."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

from .common import *


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
    linearise=True,
    tokens=40,
)
add(name="slstm", sizes=VECTORS[:3], more=(dict(H=1, V=64),), types=(Types(), Types("bf16", "f32", "bf16")), **SLSTM)
add(name="slstm-f64", types=(Types("f64", "f64", "f64"),), sizes=VECTORS[1:2], **SLSTM)


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
    linearise=True,
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
