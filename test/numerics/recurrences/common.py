# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The recurrences under test. Each has its region in the dialect and, written apart from it from the published
formula, one token in numpy. States are [.., key, value], as in the dialect: S = sum k v^T, a read is S^T q."""

import numpy as np

from bounds import absolute, broadcast, exp, log, maximum, minimum, relu, sigmoid, silu, softplus, sqrt, tanh
from spec import Operand, Recurrence, Types

ALL = []


def add(**fields):
    ALL.append(Recurrence(**fields))


# ---- numpy shorthands: a vector as a column or a row of matrices, a scalar against vectors or matrices


def col(x):
    return x[..., :, None]


def row(x):
    return x[..., None, :]


def on_vector(x):
    return x[..., None]


def on_matrix(x):
    return x[..., None, None]


def read(s, k):
    return (col(k) * s).sum(-2)


def outer(k, v):
    return col(k) * row(v)


def matvec(m, x):
    return (m * row(x)).sum(-1)


def dot(x, y):
    return (x * y).sum(-1)


def fit(x, n):
    """x with its last axis repeated or cut to n: for mistakes that confuse axes of different sizes."""
    return x[..., np.arange(n) % x.shape[-1]]


def wrong_axis(x, s):
    return row(fit(x, s.shape[-1]))


def hkv(*rows):
    return tuple(dict(zip("HKV", r)) for r in rows)


SMALL = hkv((1, 1, 1), (2, 8, 8), (3, 5, 7), (1, 17, 33))
LARGE = hkv(
    (2, 16, 16), (1, 32, 32), (3, 64, 64), (1, 128, 128), (5, 3, 100), (2, 100, 3), (1, 33, 1), (1, 1, 64), (2, 64, 17)
)
SIXTEEN_BIT = (
    Types(),
    Types(over="bf16", output="bf16"),
    Types(over="f16", output="f16"),
    Types(over="bf16", state="bf16", output="f32"),
)
DECAYS = ("normal", "near0", "near1")
QKV = {"q": Operand("K"), "k": Operand("K"), "v": Operand("V")}
VECTORS = tuple(dict(H=h, V=v) for h, v in [(1, 1), (2, 33), (3, 8), (1, 100)])
