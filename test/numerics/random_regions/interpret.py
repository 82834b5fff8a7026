# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a region means: numpy in float64, token by token, on all sequences and heads at once. It knows nothing of the
compiler and nothing of legality: any region that verifies has this meaning."""

import numpy as np


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


FUNCTIONS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "exp": np.exp,
    "tanh": np.tanh,
    "abs": np.abs,
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}

# Arrays in a token have the axes sequence, head, dims...: the axis of dim 0 is 2.
FIRST = 2


def read(state, keys):
    for key in keys:  # contracts the first key axis, until none is left
        state = np.einsum("bhk,bhk...->bh...", key, state)
    return state


def outer(keys, value):
    for key in reversed(keys):
        value = key.reshape(key.shape + (1,) * (value.ndim - FIRST)) * value[:, :, None]
    return value


def along(vector, axis, rank):
    """A vector per (sequence, head) that multiplies a state with `rank` axes along one of them."""
    shape = [1] * rank
    shape[axis] = vector.shape[-1]
    return vector.reshape(vector.shape[:FIRST] + tuple(shape))


def decay(state, log, axis):
    factor, rank = np.exp(log), state.ndim - FIRST
    if axis == "all":
        return state * factor.reshape(factor.shape + (1,) * rank)
    if axis == "each":
        return state * factor
    return state * along(factor, rank - 1 if axis == "value" else int(axis[3:]), rank)


def transform(state, matrix, axis):
    """matrix [B, H, n, p, p] on key axis `axis`: rows n p + i of the result from rows n p + j."""
    position = FIRST + int(axis[3:])
    blocks, p = matrix.shape[2:4]
    shape = state.shape
    split = state.reshape(shape[:position] + (blocks, p) + shape[position + 1 :])
    moved = np.moveaxis(split, (position, position + 1), (2, 3))
    turned = np.einsum("bhnij,bhnj...->bhni...", matrix, moved)
    return np.moveaxis(turned, (2, 3), (position, position + 1)).reshape(shape)


def select(x, positive, other):
    """By a number, or by one for each element."""
    return np.where((x > 0).reshape(x.shape + (1,) * (positive.ndim - x.ndim)), positive, other)


def evaluate(region, op, values, roots):
    """One op; `values` has what came before."""
    a = [values[n] for n in op.args]
    if op.kind == "read":
        return read(a[0], a[1:])
    if op.kind == "write":
        keys, value, scale = region.write_parts(op, roots[op.name])
        z = values[value]
        if scale:
            z = values[scale][:, :, None] * z
        return a[0] + outer([values[k] for k in keys], z)
    if op.kind == "decay":
        return decay(a[0], a[1], op.axis)
    if op.kind == "transform":
        return transform(a[0], a[1], op.axis)
    if op.kind == "maximum":
        return np.maximum(a[0] + a[1], a[2])
    if op.kind == "hold":
        return np.where((a[2] == 0).reshape(a[2].shape[:FIRST] + (1,) * (a[0].ndim - FIRST)), a[1], a[0])
    if op.kind == "count":
        return np.where(a[0] + 1 >= op.period, a[0] + 1 - op.period, a[0] + 1)
    shape = region.shape(op.dims)
    if op.kind == "fill":
        return np.full((1, 1) + shape, op.number)
    if op.kind == "broadcast":
        kept = [int(op.axis)] if op.axis else []
        spread = [region.size(d) if i in kept else 1 for i, d in enumerate(op.dims)]
        x = a[0].reshape(a[0].shape[:FIRST] + tuple(spread))
        return np.broadcast_to(x, x.shape[:FIRST] + shape)
    if op.kind == "dot":
        return (a[0] * a[1]).sum(-1)
    if op.kind == "sum":
        return a[0].sum(FIRST + int(op.axis))
    if op.kind == "matvec":
        return (a[0] * a[1][..., None, :]).sum(-1)
    if op.kind == "select":
        return select(a[0], a[1], a[2])
    return FUNCTIONS[op.kind](*a)


def run(region, inputs, disturb=None, evaluate=evaluate):
    """inputs: over [B, T, Hg, ..], const [B, Hg, ..] (B may be 1), states [B, H, ..]; B sequences of T tokens each.
    Returns ({output: [B, T, H, ..]}, {state: [B, H, ..]}, the largest magnitude that a state had). `disturb` gets the
    result of every op but a count, and says what to go on with; `evaluate` is what evaluates an op."""
    roots, heads = region.roots(), region.heads
    over, fixed = {}, {}
    for operand in region.operands:
        axis = 2 if operand.clause == "over" else 1
        wide = np.repeat(inputs[operand.name].astype(np.float64), heads // operand.heads, axis)
        (over if operand.clause == "over" else fixed)[operand.name] = wide
    states = {s.name: inputs[s.name].astype(np.float64) for s in region.states}
    sequences = next(iter(states.values())).shape[0]
    tokens = next(iter(over.values())).shape[1]
    types = region.types()
    outputs = {o: np.zeros((sequences, tokens, heads) + region.shape(types[o])) for o in region.outputs}
    peak = 0.0
    # A hard decay is e^-inf; an infinite state times it would be NaN, which the caller sees in the results.
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(tokens):
            values = {**fixed, **states, **{n: x[:, t] for n, x in over.items()}}
            for op in region.ops:
                value = evaluate(region, op, values, roots)
                values[op.name] = disturb(value) if disturb and op.kind != "count" else value
            for name in region.outputs:
                outputs[name][:, t] = values[name]
            states = {s.name: values[last] for s, last in zip(region.states, region.yields)}
            peak = float(np.max([peak, *(np.abs(x).max(initial=0) for x in states.values())]))  # NaN stays
    return outputs, states, peak
