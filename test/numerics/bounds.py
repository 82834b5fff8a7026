# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numbers that know how wrong a computation in f32 (or f64) may be: running error analysis.

A Num is a pair of arrays: v, the value in a wider type, and e >= 0 such that every computation of the same formula in
the working precision, in any order of its sums and with or without fused multiply-adds, ends within v - e .. v + e.
Formulas are written once, as numpy expressions, and run on plain arrays (values alone) or on Num (values and bounds).

Rules (Wilkinson's running error analysis; u is the unit roundoff of the working precision, 2^-24 for f32; t is half the
smallest denormal, which is what a result that underflows loses):

  x + y       e = e_x + e_y                          + u (|x + y| + that)
  x y         e = |x| e_y + |y| e_x + e_x e_y        + u (|x y|   + that) + t
  x / y       e = (e_x + |x / y| e_y) / (|y| - e_y)  + u (|x / y| + that) + t
  sum of n    e = sum e_x + gamma_n sum (|x| + e_x),   gamma_n = n u / (1 - n u): at most n roundings on any summand's
              path whatever the shape of the tree of additions (n - 1, and one for an accumulator that starts at zero)
  f(x)        e = |f'(x)| e_x + max |f''| e_x^2 / 2 + (roundings of f's evaluation) u |f(x)|, see each function

Bounds are carried in float64, whose own roundings (2^-53 against u) are covered by SLACK.

A sequence of many tokens compounds |A| for a transition A = I - k k^T that in truth contracts, so such bounds grow
without reason. Accumulator below bounds the same first-order error through the signed products of the transitions (of
the derivatives, where a recurrence is not linear) instead.
"""

import contextlib

import numpy as np

SLACK = 1 + 2.0**-20


class Precision:
    """A working precision: unit roundoff, half of the smallest denormal, error of elementary functions in units of u
    (1 ulp is at most 2 u; the compiler promises 2 ulp in f32 and 4 ulp in f64), smallest normal number."""

    def __init__(self, u, t, function, normal, wide):
        self.u, self.t, self.function, self.normal, self.wide = u, t, function, normal, wide


F32 = Precision(2.0**-24, 2.0**-150, 4, 2.0**-126, np.float64)
# The reference of f64 needs more than f64; its own error is added to u where longdouble is no wider.
_LONG = float(np.finfo(np.longdouble).eps) / 2
F64 = Precision(2.0**-53 + (0 if _LONG < 2.0**-60 else 2.0**-53), 5e-324, 8, 2.0**-1022, np.longdouble)

_current = F32


@contextlib.contextmanager
def precision(p):
    global _current
    before, _current = _current, p
    try:
        yield
    finally:
        _current = before


def current():
    return _current


class Num:
    __slots__ = ("v", "e")
    __array_ufunc__ = None  # array * Num is Num.__rmul__

    def __init__(self, v, e=None):
        self.v = v
        self.e = np.zeros(np.shape(v)) if e is None else np.broadcast_to(e, np.shape(v))

    def __getitem__(self, key):
        return Num(self.v[key], self.e[key])

    @property
    def shape(self):
        return np.shape(self.v)

    def sum(self, axis=-1):
        n = self.v.shape[axis]
        gamma = n * _current.u / (1 - n * _current.u)
        return Num(self.v.sum(axis), (self.e.sum(axis) + gamma * (_abs(self.v) + self.e).sum(axis)) * SLACK)

    def reshape(self, shape):
        return Num(self.v.reshape(shape), self.e.reshape(shape))

    def __neg__(self):
        return Num(-self.v, self.e)

    def __add__(self, other):
        y = num(other)
        return _rounded(self.v + y.v, self.e + y.e)

    __radd__ = __add__

    def __sub__(self, other):
        y = num(other)
        return _rounded(self.v - y.v, self.e + y.e)

    def __rsub__(self, other):
        return (-self) + other

    def __mul__(self, other):
        y = num(other)
        e = _abs(self.v) * y.e + _abs(y.v) * self.e + self.e * y.e
        return _rounded(self.v * y.v, e + _current.t)

    __rmul__ = __mul__

    def __truediv__(self, other):
        y = num(other)
        with np.errstate(divide="ignore", invalid="ignore"):
            v = self.v / y.v
            room = _abs(y.v) - y.e
            e = np.where(room > 0, (self.e + _abs(v) * y.e) / room, np.inf)
        return _rounded(v, e + _current.t)

    def __rtruediv__(self, other):
        return num(other) / self


def _abs(v):
    return np.abs(v).astype(np.float64)


def _rounded(v, e):
    return Num(v, (e + _current.u * (_abs(v) + e)) * SLACK)


def num(x):
    """A Num of a Num, of exact numbers (an array), or of a constant, which the compiler rounds."""
    if isinstance(x, Num):
        return x
    if isinstance(x, np.ndarray):
        return Num(x)
    v = _current.wide(x)
    exact = np.float32(x) == x
    return Num(np.asarray(v), np.asarray(0.0 if exact else _current.u * abs(float(v))))


def value(x):
    return x.v if isinstance(x, Num) else x


def error(x):
    return x.e if isinstance(x, Num) else np.zeros(np.shape(x))


# ---- functions of plain arrays and of Num


def _function(x, f, first, second, evaluation, floor=0.0):
    """first: |f'| at x; second: max |f''| over the line; evaluation: roundings in units of u |f(x)|; floor: what may
    be lost where an intermediate result under- or overflows."""
    if not isinstance(x, Num):
        return f(x)
    y = f(x.v)
    e = first * x.e + 0.5 * second * x.e * x.e
    return Num(y, (e + evaluation * _current.u * (_abs(y) + e) + floor + 4 * _current.t) * SLACK)


def _sigmoid(v):
    e = np.exp(-np.abs(v))
    return np.where(v >= 0, 1, e) / (1 + e)


def exp(x):
    if not isinstance(x, Num):
        return np.exp(x)
    y = np.exp(x.v)  # e^(x + d) - e^x = e^x (e^d - 1)
    e = _abs(y) * np.expm1(x.e)
    return Num(y, (e + _current.function * _current.u * (_abs(y) + e) + 4 * _current.t) * SLACK)


def log(x):
    if not isinstance(x, Num):
        return np.log(x)
    y = np.log(x.v)
    with np.errstate(divide="ignore", invalid="ignore"):
        e = np.where(x.e < x.v, -np.log1p(-(x.e / _abs(x.v))), np.inf)
    return Num(y, (e + _current.function * _current.u * (_abs(y) + e)) * SLACK)


def tanh(x):
    v = value(x)
    return _function(x, np.tanh, 1 - np.tanh(v).astype(np.float64) ** 2, 0.77, _current.function)


def sigmoid(x):
    """1 / (1 + e^-x): the exponential, weighted by e^-x / (1 + e^-x) < 1, an addition and a division."""
    s = _sigmoid(value(x)).astype(np.float64)
    return _function(x, _sigmoid, s * (1 - s), 0.1, _current.function + 2, 2 * _current.normal)


def silu(x):
    v = value(x)
    s = _sigmoid(v).astype(np.float64)
    first = np.abs(s * (1 + v.astype(np.float64) * (1 - s)))
    floor = 2 * _current.normal * _abs(v)
    return _function(x, lambda z: z * _sigmoid(z), first, 0.5, _current.function + 3, floor)


def softplus(x):
    """max(x, 0) + log1p(e^-|x|): log1p' (e) e <= log1p(e), so the exponential's relative error does not grow."""
    s = _sigmoid(value(x)).astype(np.float64)

    def f(z):
        return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))

    return _function(x, f, s, 0.25, 2 * _current.function + 1)


def sqrt(x):
    if not isinstance(x, Num):
        return np.sqrt(x)
    y = np.sqrt(x.v)
    with np.errstate(divide="ignore", invalid="ignore"):
        e = np.where(x.e == 0, 0.0, x.e / _abs(y))
    return _rounded(y, e)


def relu(x):
    return Num(np.maximum(x.v, 0), x.e) if isinstance(x, Num) else np.maximum(x, 0)


def absolute(x):
    return Num(np.abs(x.v), x.e) if isinstance(x, Num) else np.abs(x)


def maximum(x, y):
    if not isinstance(x, Num) and not isinstance(y, Num):
        return np.maximum(x, y)
    x, y = num(x), num(y)
    return Num(np.maximum(x.v, y.v), np.maximum(x.e, y.e))


def minimum(x, y):
    return -maximum(-x, -y)


def broadcast(x, shape):
    """Repeat without rounding."""
    if isinstance(x, Num):
        return Num(np.broadcast_to(x.v, shape), np.broadcast_to(x.e, shape))
    return np.broadcast_to(x, shape)


# ---- rounding of stored results

# Unit roundoff and half the smallest denormal of the types results are stored in.
STORED = {
    "f64": (2.0**-53, 0.0),
    "f32": (2.0**-24, 2.0**-150),
    "f16": (2.0**-11, 2.0**-25),
    "bf16": (2.0**-8, 2.0**-134),
}


def stored(x, dtype, working):
    """The bound of a result after its conversion to `dtype`; none if that is the working precision."""
    e = error(x)
    if dtype == working:
        return e
    u, t = STORED[dtype]
    return (e + u * (_abs(value(x)) + e) + t) * SLACK


# ---- long sequences


class Accumulator:
    """First-order error of matrix states that run through known transitions S_t = A_t S_{t-1} + U_t:

        E_t = sum over s <= t of |A_t .. A_{s+1}| L_s,   L_s: what the roundings of token s add (entrywise)

    Products are taken with signs and only then made positive, so contractions stay contractions. Sources are merged
    after `window` tokens: what has accumulated counts as one source from there on."""

    def __init__(self, initial, window=64):
        self.window = window
        self.eye = np.broadcast_to(np.eye(initial.shape[-2]), (1,) + initial.shape[:-1] + initial.shape[-2:-1])
        self.products, self.sources, self.total = self.eye, initial[None], initial

    def step(self, transition, local):
        products = transition @ self.products
        self.total = ((np.abs(products) @ self.sources).sum(0) + local) * SLACK
        if len(products) < self.window:
            self.products = np.concatenate([products, self.eye])
            self.sources = np.concatenate([self.sources, local[None]])
        else:
            self.products, self.sources = self.eye, self.total[None]
        return self.total
