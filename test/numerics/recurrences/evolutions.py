# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files of examples/ladder whose state is turned, mixed, or moved by a function of a matrix."""

import numpy as np

from bounds import Num, exp, log
from spec import Operand

from .common import *
from .ladder import blocks, delta_transition, diagonal, ladder, stacked

STATE = {"S": Operand("K | V")}
OUTPUT = {"o": Operand("V")}


# ---- functions of a generator of rank 2. The definition is the function of the K x K matrix; only the bound of its
# error comes from a formula with the same intermediate results as the region.


def generator(x):
    return outer(x.b0, x.a0) + outer(x.b1, x.a1)


def exponential(matrix):
    """Its series, after halving so often that the series converges fast."""
    halvings = 6
    small = matrix / 2.0**halvings
    term = total = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape)
    for n in range(1, 16):
        term = term @ small / n
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


def resolvent(matrix):
    return np.linalg.inv(np.eye(matrix.shape[-1]) - matrix)


def cayley(matrix):
    eye = np.eye(matrix.shape[-1])
    return np.linalg.solve(eye - matrix / 2, eye + matrix / 2)


def exponential_mixture(s, z):
    """s phi(Z), phi(z) = sum of z^n / (n + 1)!, as p + q Z."""
    trace, negative = z[0][0] + z[1][1], z[0][1] * z[1][0] - z[0][0] * z[1][1]
    c = [1.0]
    for n in range(2, 13):
        c.append(c[-1] / n)
    p, q = 0.0 * s + c[10], 0.0 * s + c[11]
    for term in reversed(c[:10]):
        p, q = negative * q + term, trace * q + p
    p, q = s * p, s * q
    return [[q * z[0][0] + p, q * z[0][1]], [q * z[1][0], q * z[1][1] + p]]


def resolvent_mixture(s, z):
    m00, m11 = 1.0 - z[0][0], 1.0 - z[1][1]
    r = s / (m00 * m11 - z[0][1] * z[1][0])
    return [[r * m11, r * z[0][1]], [r * z[1][0], r * m00]]


def cayley_mixture(s, z):
    return resolvent_mixture(s, [[0.5 * e for e in line] for line in z])


def evolution(function, mixture):
    def bounded(x, kept):
        a, b = (x.a0, x.a1), (x.b0, x.b1)
        f = mixture(x.s, [[x.s * dot(a[i], b[j]) for j in (0, 1)] for i in (0, 1)])
        y = [read(kept, a[0]), read(kept, a[1])]
        for i in (0, 1):
            for j in (0, 1):
                kept = kept + outer(b[i], on_vector(f[i][j]) * y[j])
        return kept

    def matrix(x, mistake=None):
        a = generator(x)
        if mistake == "reads and writes swapped":
            a = a.swapaxes(-1, -2)
        if mistake == "second term of the generator left out":
            a = outer(x.b0, x.a0)
        a = a if mistake == "step left out" else on_matrix(x.s) * a
        return np.eye(a.shape[-1]) + a if mistake == "first order" else function(a)

    def step(x, s, mistake):
        kept = col(exp(x.g)) * s.S
        if isinstance(kept, Num):
            values = type(x)(**{n: v.v for n, v in vars(x).items()})
            formula, exact = bounded(x, kept), matrix(values) @ kept.v
            new = Num(exact, formula.e + np.abs(formula.v - exact))
        elif mistake == "decay after the evolution":
            new = col(exp(x.g)) * (matrix(x) @ s.S)
        else:
            new = matrix(x, mistake) @ kept
        new = new + outer(x.k, x.v)
        return (read(new, x.q),), (new,)

    return dict(step=step, transition=lambda x, s: matrix(x) @ diagonal(x.g))


def short_step(inputs, rng, profile):
    """|s| |a| |b| <= 1/2: away from the poles, and where the series converges."""
    inputs["s"] = rng.uniform(0.1, 0.5, inputs["s"].shape) * rng.choice([-1, 1], inputs["s"].shape)


for file, function, mixture in (
    ("exp_evolution", exponential, exponential_mixture),
    ("resolvent_evolution", resolvent, resolvent_mixture),
    ("cayley_evolution", cayley, cayley_mixture),
):
    ladder(
        file,
        over={
            **QKV,
            "g": Operand("K", "decay"),
            **{n: Operand("K", "key") for n in ("a0", "a1", "b0", "b1")},
            "s": Operand(""),
        },
        states=STATE,
        outputs=OUTPUT,
        adjust=short_step,
        mistakes=(
            "reads and writes swapped",
            "second term of the generator left out",
            "step left out",
            "first order",
            "decay after the evolution",
        ),
        sizes=SMALL[1:],
        **evolution(function, mixture),
    )


# ---- `rwkv.evolve` of rank 1, where the function of the matrix is known: with x = s a . b, f(s b a^T) is 1 plus
# s psi(x) b a^T. exp: psi = (e^x - 1) / x; resolvent: 1 / (1 - x); Cayley: 1 / (1 - x / 2). |x| is 1e-6 to 8; positive
# x end before a pole, and what they grow by, a decay takes back.


def exp_psi(x):
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


def doubled_psi(x):
    """exp_psi with the intermediate results of the op, for bounds: a polynomial at x / 16, four doublings."""
    y, coefficients = x * 0.0625, [1.0]
    for n in range(2, 11):
        coefficients.append(coefficients[-1] / n)
    phi = 0.0 * x + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        phi = phi * y + c
    for _ in range(4):
        phi = phi * (y * phi * 0.5 + 1.0)
        y = y + y
    return phi


def evolved(psi, bounded_psi):
    def coefficient(x, mistake=None):
        d = 0.0 * x.s if mistake == "first order" else x.s * dot(x.a, x.b)
        return x.s * psi(-d if mistake == "sign of the argument" else d)

    def step(x, s, mistake):
        kept = on_matrix(exp(x.g)) * s.S
        a, b = (x.b, x.a) if mistake == "reads and writes swapped" else (x.a, x.b)
        if isinstance(kept, Num):
            values = type(x)(**{n: v.v for n, v in vars(x).items()})
            formula = kept + outer(b, on_vector(x.s * bounded_psi(x.s * dot(a, b))) * read(kept, a))
            exact = kept.v + outer(b.v, on_vector(coefficient(values)) * read(kept.v, a.v))
            new = Num(exact, formula.e + np.abs(formula.v - exact))
        else:
            new = kept + outer(b, on_vector(coefficient(x, mistake)) * read(kept, a))
        if mistake == "nothing evolves":
            new = kept
        new = new + outer(x.k, x.v)
        return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)

    def transition(x, s):
        eye = np.eye(x.a.shape[-1])
        return on_matrix(np.exp(x.g)) * (eye + on_matrix(coefficient(x)) * outer(x.b, x.a))

    return dict(step=step, transition=transition)


def evolve_adjust(largest):
    def adjust(inputs, rng, profile):
        a, shape = inputs["a"], inputs["s"].shape
        b = a + 0.4 * inputs["b"]  # near a: no product of keys is near zero
        inputs["b"] = b / np.maximum(np.sqrt((b * b).sum(-1, keepdims=True)), 1e-6)
        grows = rng.random(shape) < 0.3
        x = np.exp(rng.uniform(np.log(1e-6), np.log(np.where(grows, largest, 8.0)), shape))
        inputs["s"] = np.where(grows, x, -x) / (inputs["a"] * inputs["b"]).sum(-1)
        inputs["g"] = inputs["g"] - np.where(grows, x, 0.0)

    return adjust


for function, psi, bounded_psi, largest in (
    ("exp", exp_psi, doubled_psi, 8.0),
    ("resolvent", lambda x: 1.0 / (1.0 - x), lambda x: 1.0 / (1.0 - x), 0.5),
    ("cayley", lambda x: 1.0 / (1.0 - 0.5 * x), lambda x: 1.0 / (1.0 - 0.5 * x), 1.0),
):
    add(
        name=f"evolve-{function}",
        over={**QKV, "g": Operand("", "decay"), "a": Operand("K", "key"), "b": Operand("K", "key"), "s": Operand("")},
        states=STATE,
        outputs=OUTPUT,
        yields=["%o", "%S3"],
        body=f"""
            %S1 = rwkv.decay %S, %g on "all" : !S
            %S2 = rwkv.evolve {function} %S1, %s reads [%a] writes [%b] : !S
            %S3 = rwkv.write %S2[%k], %v : !S
            %o  = rwkv.read  %S3[%q] : !S""",
        adjust=evolve_adjust(largest),
        mistakes=(
            "reads and writes swapped",
            "sign of the argument",
            "first order",
            "nothing evolves",
            "read before the update",
        ),
        profiles=("normal", "near1"),
        sizes=SMALL[1:],
        **evolved(psi, bounded_psi),
    )


# ---- `rwkv.evolve exp` of rank 2, with the norm of s A up to 8 where the files of the ladder end at 1/2


def times(x, y):
    return [[x[i][0] * y[0][j] + x[i][1] * y[1][j] for j in (0, 1)] for i in (0, 1)]


def plus(x, c):
    return [[x[i][j] + c if i == j else x[i][j] for j in (0, 1)] for i in (0, 1)]


def doubled_mixture(s, z):
    """s phi(Z) with the intermediate results of the op, for bounds."""
    y, coefficients = [[0.0625 * e for e in line] for line in z], [1.0]
    for n in range(2, 11):
        coefficients.append(coefficients[-1] / n)
    phi = plus([[0.0 * e for e in line] for line in y], coefficients[-1])
    for c in reversed(coefficients[:-1]):
        phi = plus(times(phi, y), c)
    for _ in range(4):
        phi = times(phi, plus([[0.5 * e for e in line] for line in times(y, phi)], 1.0))
        y = [[e + e for e in line] for line in y]
    return [[s * e for e in line] for line in phi]


def long_step(inputs, rng, profile):
    """A generator that is nearly symmetric and, for most tokens, negative: |s| |A| is 1e-6 to 8. What it can grow by is
    taken back."""
    shape = inputs["s"].shape
    for n in "01":
        b = inputs["a" + n] + 0.4 * inputs["b" + n]
        inputs["b" + n] = b / np.maximum(np.sqrt((b * b).sum(-1, keepdims=True)), 1e-6)
    a, b = (np.stack([inputs[n + i] for i in "01"], -1) for n in "ab")
    size = np.linalg.norm(b @ np.swapaxes(a, -1, -2), 2, (-2, -1))
    grows = rng.random(shape) < 0.3
    x = np.exp(rng.uniform(np.log(1e-6), np.log(8.0), shape))
    inputs["s"] = np.where(grows, x, -x) / size
    inputs["g"] = inputs["g"] - np.where(grows, x, 0.2 * x)[..., None]


add(
    name="evolve-exp-2",
    over={
        **QKV,
        "g": Operand("K", "decay"),
        **{n: Operand("K", "key") for n in ("a0", "a1", "b0", "b1")},
        "s": Operand(""),
    },
    states=STATE,
    outputs=OUTPUT,
    yields=["%o", "%S3"],
    body="""
        %S1 = rwkv.decay %S, %g on "key0" : !S
        %S2 = rwkv.evolve exp %S1, %s reads [%a0, %a1] writes [%b0, %b1] : !S
        %S3 = rwkv.write %S2[%k], %v : !S
        %o  = rwkv.read  %S3[%q] : !S""",
    adjust=long_step,
    mistakes=(
        "reads and writes swapped",
        "second term of the generator left out",
        "step left out",
        "first order",
        "decay after the evolution",
    ),
    sizes=SMALL[1:],
    **evolution(exponential, doubled_mixture),
)


# ---- `rwkv.evolve` with a diagonal: the function of the K x K matrix diag(d) + A. Strang's splitting is a product of
# three exponentials.


def evolved_diagonal(name, function, mixture, rank):
    part = 1.0 if name == "resolvent" else 0.5

    def matrix(x, mistake=None):
        s, d = on_matrix(x.s), col(x.d) * np.eye(x.d.shape[-1])
        a = generator(x) if rank == 2 else outer(x.b0, x.a0)
        if mistake == "reads and writes swapped":
            a = a.swapaxes(-1, -2)
        if mistake == "diagonal left out":
            d = 0 * d
        if mistake == "diagonal last":
            return function(s * d) @ function(s * a)
        if name == "exp" and mistake != "not split":
            return exponential(s / 2 * d) @ exponential(s * a) @ exponential(s / 2 * d)
        return function(s * (d + a))

    def bounded(x, state):
        keys, b = ([getattr(x, f"{n}{i}") for i in range(rank)] for n in "ab")
        scaled = x.d * on_vector(x.s * part)
        if name == "exp":
            a, state = keys, col(exp(scaled)) * state
        else:
            inverse = 1.0 / (1.0 - scaled)
            a, b = [k * inverse for k in keys], [k * inverse for k in b]
        f = mixture(x.s, [[x.s * dot(k, l) for l in b] for k in keys])
        y = [read(state, k) for k in a]
        if name == "resolvent":
            state = col(exp(-log(1.0 - scaled))) * state
        if name == "cayley":
            state = col((1.0 + scaled) * inverse) * state
        for i in range(rank):
            for j in range(rank):
                state = state + outer(b[i], on_vector(f[i][j]) * y[j])
        return col(exp(scaled)) * state if name == "exp" else state

    def step(x, s, mistake):
        if isinstance(s.S, Num):
            values = type(x)(**{n: v.v for n, v in vars(x).items()})
            formula, exact = bounded(x, s.S), matrix(values) @ s.S.v
            new = Num(exact, formula.e + np.abs(formula.v - exact))
        else:
            new = matrix(x, mistake) @ s.S
        new = new + outer(x.k, x.v)
        return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)

    return dict(step=step, transition=lambda x, s: matrix(x))


def diagonal_adjust(inputs, rng, profile):
    """s d is 0.01 to 12 below zero; |s| |a| |b| < 1/2."""
    inputs["s"] = rng.uniform(0.05, 0.45, inputs["s"].shape)
    inputs["d"] = -np.exp(rng.uniform(np.log(0.2), np.log(25), inputs["d"].shape))


def alone(mixture):
    """Of rank 2 for rank 1: the second pair of keys is zero."""

    def of_rank_1(s, z):
        zero = 0.0 * z[0][0]
        return [mixture(s, [[z[0][0], zero], [zero, zero]])[0][:1]]

    return of_rank_1


for file, name, function, mixture, further in (
    ("strang_evolution", "exp", exponential, doubled_mixture, "not split"),
    ("resolvent_diagonal", "resolvent", resolvent, resolvent_mixture, "diagonal last"),
    ("cayley_diagonal", "cayley", cayley, cayley_mixture, "diagonal last"),
):
    mistakes = ("reads and writes swapped", "diagonal left out", further, "read before the update")
    splitting = "strang" if name == "exp" else ""
    ladder(
        file,
        over={**QKV, **{n: Operand("K", "key") for n in ("a0", "a1", "b0", "b1")}, "s": Operand("")},
        consts={"d": Operand("K")},
        states=STATE,
        outputs=OUTPUT,
        adjust=diagonal_adjust,
        mistakes=mistakes,
        sizes=SMALL[1:],
        **evolved_diagonal(name, function, mixture, 2),
    )
    add(
        name=f"evolve-{name}-diagonal",
        over={**QKV, "a0": Operand("K", "key"), "b0": Operand("K", "key"), "s": Operand(""), "d": Operand("K")},
        states=STATE,
        outputs=OUTPUT,
        yields=["%o", "%S2"],
        body=f"""
            %S1 = rwkv.evolve {name} %S, %s reads [%a0] writes [%b0] diagonal %d {splitting} : !S
            %S2 = rwkv.write %S1[%k], %v : !S
            %o  = rwkv.read  %S2[%q] : !S""",
        adjust=diagonal_adjust,
        mistakes=mistakes,
        sizes=SMALL[1:],
        **evolved_diagonal(name, function, alone(mixture), 1),
    )


# ---- rotations in the plane of two vectors, by the angle theta w with tan(theta w / 2) = t w


def rotation_matrix(x, mistake=None):
    g = outer(x.b, x.a) - outer(x.a, x.b)
    w = np.sqrt(np.maximum(dot(x.a, x.a) * dot(x.b, x.b) - dot(x.a, x.b) ** 2, 0.0))
    half = np.arctan(x.t * w) / np.where(w > 1e-7, w, 1.0)
    half = np.where(w > 1e-7, half, x.t)
    theta = half if mistake == "half of the angle" else -2 * half if mistake == "other way round" else 2 * half
    return exponential(on_matrix(theta) * g)


def rotation(x, s, mistake):
    if isinstance(s.S, Num):
        m = dot(x.a, x.b)
        aa, bb = dot(x.a, x.a), dot(x.b, x.b)
        c = (x.t + x.t) / (1.0 + x.t * x.t * (aa * bb - m * m))
        ct = c * x.t
        ya, yb = read(s.S, x.a), read(s.S, x.b)
        new = s.S
        for key, f, y in ((x.b, c + ct * m, ya), (x.b, -(ct * aa), yb), (x.a, -(ct * bb), ya), (x.a, ct * m - c, yb)):
            new = new + outer(key, on_vector(f) * y)
        values = type(x)(**{n: v.v for n, v in vars(x).items()})
        exact = rotation_matrix(values) @ s.S.v
        new = Num(exact, new.e + np.abs(new.v - exact))
    else:
        new = (np.eye(x.a.shape[-1]) if mistake == "no rotation" else rotation_matrix(x, mistake)) @ s.S
    new = new + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


ladder(
    "rotation_son",
    over={**QKV, "a": Operand("K", "key"), "b": Operand("K", "key"), "t": Operand("")},
    states=STATE,
    outputs=OUTPUT,
    step=rotation,
    transition=lambda x, s: rotation_matrix(x),
    mistakes=("half of the angle", "other way round", "no rotation", "read before the update"),
    sizes=SMALL[1:],
)


# ---- blocks: complex numbers and quaternions


def rows(s, size):
    """The rows of a state by their place in a block: [size] of [.., P, V]."""
    n = s.shape
    split = s.reshape(n[:-2] + (n[-2] // size, size, n[-1]))
    return [split[..., i, :] for i in range(size)]


def joined(parts, shape):
    return stacked(parts, -2).reshape(shape)


def complex_delta(x, s, mistake):
    real, imaginary = x.R[..., 0, 0], x.R[..., 1, 0]
    if mistake == "conjugate":
        imaginary = -imaginary
    a, b = rows(s.S, 2)
    a, b = col(real) * a - col(imaginary) * b, col(imaginary) * a + col(real) * b
    kept = joined([a, b], s.S.shape)
    source = s.S if mistake == "error of the state before the rotation" else kept
    new = kept + outer(x.k, on_vector(x.beta) * (x.v - read(source, x.k)))
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


def complex_adjust(inputs, rng, profile):
    """Rotations that shrink."""
    inputs["R"] = inputs["R"] * np.exp(-0.2 * rng.uniform(0, 1, inputs["R"].shape[:-2]))[..., None, None]


ladder(
    "complex_delta",
    over={
        "q": Operand("K"),
        "k": Operand("K", "key"),
        "v": Operand("V"),
        "beta": Operand("", "beta"),
        "R": Operand("P two two", "rotation"),
    },
    states=STATE,
    outputs=OUTPUT,
    step=complex_delta,
    adjust=complex_adjust,
    transition=lambda x, s: delta_transition(x.k, x.beta) @ blocks(x.R),
    mistakes=("conjugate", "error of the state before the rotation", "read before the update"),
    sizes=(dict(H=2, K=8, V=8, P=4, two=2), dict(H=1, K=6, V=5, P=3, two=2)),
)


def hamilton(p, q):
    """The product of quaternions, as lists of four."""
    a, b, c, d = p
    e, f, g, h = q
    return [
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    ]


def quaternion(x, s, mistake):
    u = [col(x.R[..., i, 0]) for i in range(4)]
    if mistake == "conjugate":
        u = [u[0], -u[1], -u[2], -u[3]]
    held = rows(s.S, 4)
    turned = hamilton(held, u) if mistake == "multiplied from the right" else hamilton(u, held)
    new = joined(turned, s.S.shape) + outer(x.k, x.v)
    return (read(s.S if mistake == "read before the update" else new, x.q),), (new,)


def quaternion_adjust(inputs, rng, profile):
    u = rng.standard_normal(inputs["R"].shape[:-2] + (4,))
    a, b, c, d = np.moveaxis(u / np.sqrt((u * u).sum(-1, keepdims=True)), -1, 0)
    lines = [[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]]
    inputs["R"] = np.stack([np.stack(line, -1) for line in lines], -2)


ladder(
    "quaternion",
    over={**QKV, "R": Operand("P four four")},
    exact=("R",),
    types=(Types(), Types("bf16", "f32", "bf16", but=(("R", "f32"),))),
    states=STATE,
    outputs=OUTPUT,
    step=quaternion,
    adjust=quaternion_adjust,
    transition=lambda x, s: blocks(x.R),
    mistakes=("conjugate", "multiplied from the right", "read before the update"),
    sizes=(dict(H=2, K=8, V=8, P=2, four=4), dict(H=1, K=12, V=5, P=3, four=4)),
)
