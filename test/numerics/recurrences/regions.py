# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a region and a function around it may contain."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

from .common import *


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
    scalar = (
        sigmoid(x.z) + silu(x.z) * softplus(x.z) - relu(x.z) + exp(-absolute(x.z)) * tanh(x.z) + dot(x.y, x.y) * 0.25
    )
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


# ---- more than one recurrence in a function, and what stands before and after it


def with_neighbours(sizes):
    h, k, v = sizes["H"], sizes["K"], sizes["V"]
    return f"""
        !K = tensor<?x?x{h}x{k}xf32>
        !V = tensor<?x?x{h}x{v}xf32>
        !T = tensor<?x{h}x{k}x{v}xf32>
        !S = !rwkv.state<{k}|{v}xf32>
        func.func @f(%q: !K, %k: !K, %v: !V, %g: !K, %z: !V, %s0: !T) -> (!V, !T) {{
          %g0 = rwkv.softplus %g : !K
          %g1 = arith.negf %g0 : !K
          %kn = rwkv.l2norm %k over 3 floor 1.0e-6 : !K
          %o, %s = rwkv.recurrence over(%qt = %q : !K, %kt = %kn : !K, %vt = %v : !V, %gt = %g1 : !K)
              init(%S = %s0 : !T) -> (!V, !T) {{
            %S1 = rwkv.decay %S, %gt on "key0" : !S
            %S2 = rwkv.write %S1[%kt], %vt : !S
            %ot = rwkv.read %S2[%qt] : !S
            rwkv.yield %ot, %S2 : tensor<{v}xf32>, !S
          }}
          %zs = rwkv.silu %z : !V
          %y = arith.mulf %o, %zs : !V
          return %y, %s : !V, !T
        }}
        """


def neighbours(x, s, mistake):
    g = x.g if mistake == "no softplus" else softplus(x.g)
    length = maximum(sqrt(dot(x.k, x.k)), broadcast(np.full(1, 1e-6), x.k.shape[:-1]))
    k = x.k if mistake == "no l2norm" else x.k * on_vector(1.0 / length)
    new = col(exp(-g)) * s.S + outer(k, x.v)
    return (read(new, x.q) * (x.z if mistake == "no silu" else silu(x.z)),), (new,)


add(
    name="neighbours",
    over={**QKV, "g": Operand("K"), "z": Operand("V")},
    states={"S": Operand("K | V")},
    outputs={"y": Operand("V")},
    body="",
    yields=[],
    text=with_neighbours,
    step=neighbours,
    mistakes=("no softplus", "no l2norm", "no silu"),
    sizes=SMALL[1:],
)


def with_two_recurrences(sizes):
    h, k, v = sizes["H"], sizes["K"], sizes["V"]
    return f"""
        !K = tensor<?x?x{h}x{k}xf32>
        !V = tensor<?x?x{h}x{v}xf32>
        !G = tensor<?x?x{h}xf32>
        !T = tensor<?x{h}x{k}x{v}xf32>
        !S = !rwkv.state<{k}|{v}xf32>
        func.func @f(%q: !K, %k: !K, %v: !V, %g: !G, %s0: !T, %t0: !T) -> (!V, !T, !T) {{
          %o, %s = rwkv.recurrence over(%qt = %q : !K, %kt = %k : !K, %vt = %v : !V, %gt = %g : !G)
              init(%S = %s0 : !T) -> (!V, !T) {{
            %S1 = rwkv.decay %S, %gt on "all" : !S
            %S2 = rwkv.write %S1[%kt], %vt : !S
            %ot = rwkv.read %S2[%qt] : !S
            rwkv.yield %ot, %S2 : tensor<{v}xf32>, !S
          }}
          %p, %t = rwkv.recurrence over(%qt = %k : !K, %kt = %q : !K, %vt = %o : !V, %gt = %g : !G)
              init(%S = %t0 : !T) -> (!V, !T) {{
            %ot = rwkv.read %S[%qt] : !S
            %S1 = rwkv.decay %S, %gt on "all" : !S
            %S2 = rwkv.write %S1[%kt], %vt : !S
            rwkv.yield %ot, %S2 : tensor<{v}xf32>, !S
          }}
          return %p, %s, %t : !V, !T, !T
        }}
        """


def two_recurrences(x, s, mistake):
    decay = on_matrix(exp(x.g))
    first = decay * s.S + outer(x.k, x.v)
    out = read(first, x.q)
    second = decay * s.T + outer(x.q, x.v if mistake == "second fed with the first's input" else out)
    return (read(second if mistake == "second read after its update" else s.T, x.k),), (first, second)


add(
    name="two-recurrences",
    over={**QKV, "g": Operand("", "decay")},
    states={"S": Operand("K | V"), "T": Operand("K | V")},
    outputs={"p": Operand("V")},
    body="",
    yields=[],
    text=with_two_recurrences,
    step=two_recurrences,
    mistakes=("second fed with the first's input", "second read after its update"),
    sizes=SMALL[1:],
)
