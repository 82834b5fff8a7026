# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numbers for a region: keys of length one, logarithms of decays, matrices that contract. What the numbers have in
common is that the state does not grow with the number of tokens, so a float32 result has few digits wrong."""

import dataclasses
from typing import Optional

import numpy as np

from .interpret import run

HARD = (-30.0, -1e4, -np.inf)
LARGEST = 100.0  # a state that grows above this gets smaller corrections


@dataclasses.dataclass
class Case:
    """`lengths`: of packed sequences, else None."""

    batch: int
    tokens: int
    lengths: Optional[list]
    arrays: dict

    @property
    def sequences(self):
        return self.batch if self.lengths is None else len(self.lengths)

    def name(self):
        return f"B{self.batch}T{self.tokens}" if self.lengths is None else "T" + ",".join(map(str, self.lengths))


def matrices(kind, shape, rng):
    x = rng.standard_normal(shape)
    p = shape[-1]
    if kind == "rotation":
        return np.linalg.qr(x)[0] if x.size else x
    if kind == "triangular":  # momentum: [1 - a, 1; 0, eta] and its kin
        x = np.triu(x) if rng.random() < 0.5 else np.tril(x)
        x[..., np.arange(p), np.arange(p)] = rng.uniform(0.02, 1, shape[:-1])
    length = np.linalg.norm(x, 2, (-2, -1), keepdims=True) if x.size else np.ones(shape[:-2] + (1, 1))
    x = x / np.maximum(length, 1e-6) * (rng.uniform(0.5, 1, shape[:-2] + (1, 1)) if kind != "triangular" else 1)
    if kind == "singular":
        x[..., 0, :] = 0
    return x


def numbers(operand, shape, rng, hard, duplicate):
    x = rng.standard_normal(shape)
    kind = operand.kind
    if kind == "unit":
        if duplicate and operand.clause == "over":  # almost the same key for all tokens: the hardest system to solve
            x = x[:, :1] + 1e-3 * x
        return x / np.maximum(np.sqrt((x * x).sum(-1, keepdims=True)), 1e-6)
    if kind == "decay":
        g = -np.exp(rng.uniform(-7, 1.5, shape))
        if hard:
            g = np.where(rng.random(shape) < 0.1, rng.choice(HARD, shape), g)
        return np.where(rng.random(shape) < 0.03, 0.0, g)
    if kind == "bounded":
        g = rng.uniform(operand.low, operand.high, shape)
        return np.where(rng.random(shape) < 0.1, operand.low, g)
    if kind == "coefficient":
        return rng.uniform(-1, 1, shape)
    if kind == "beta":
        return rng.uniform(0, 2, shape)
    if kind == "gate":
        return rng.uniform(0, 1, shape)
    if kind in ("rotation", "triangular", "contraction", "singular"):
        return matrices(kind, shape, rng)
    return x


def counts(period, shape, rng):
    """Of tokens behind: mostly the start of a period or somewhere in it; now and then no count at all."""
    kind = rng.random()
    if kind < 0.3:
        return np.zeros(shape)
    x = rng.integers(0, period, shape).astype(float)
    if kind < 0.9:
        return x
    return np.where(rng.random(shape) < 0.5, x, rng.choice([0.5, -1.0, period, period + 2.25], shape))


def stored(region, array):
    return array if region.element == "f64" else array.astype(np.float32).astype(np.float64)


def sequences_of(region, case):
    """The inputs of each packed sequence, as a batch of one; of all sequences, if they are not packed."""
    if case.lengths is None:
        yield case.arrays
        return
    edges = np.concatenate([[0], np.cumsum(case.lengths)])
    for s in range(len(case.lengths)):
        one = dict(case.arrays)
        for operand in region.of_clause("over"):
            one[operand.name] = one[operand.name][:, edges[s] : edges[s + 1]]
        for state in region.states:
            one[state.name] = one[state.name][s : s + 1]
        yield one


def with_batch(region, arrays):
    """Constants as the interpreter takes them."""
    consts = {o.name for o in region.of_clause("const")}
    return {n: x[None] if n in consts else x for n, x in arrays.items()}


def peak(region, case):
    result = 0.0
    for arrays in sequences_of(region, case):
        outputs, _, largest = run(region, with_batch(region, arrays))
        for x in outputs.values():
            largest = max(largest, float(np.sqrt(np.abs(x).max(initial=0))))
        result = max(result, largest if np.isfinite(largest) else np.inf)
    return result


def shape_of_case(region, rng):
    """(batch, tokens, lengths)."""
    tokens = int(rng.integers(2, 61)) if rng.random() < 0.85 else int(rng.choice([0, 1, 16, 32, 33]))
    if not region.packed:
        return int(rng.integers(1, 3)), tokens, None
    count = int(rng.integers(1, 5))
    cuts = np.sort(rng.integers(0, tokens + 1, count - 1))
    lengths = np.diff([0, *cuts, tokens]).tolist()
    return 1, tokens, lengths


def shorten(region, case):
    """Half of the tokens of every sequence."""
    lengths = [case.tokens] if case.lengths is None else case.lengths
    edges = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    kept = np.concatenate([np.arange(a, a + n // 2) for a, n in zip(edges, lengths)]).astype(int)
    for operand in region.of_clause("over"):
        case.arrays[operand.name] = case.arrays[operand.name][:, kept]
    case.tokens = len(kept)
    if case.lengths is not None:
        case.lengths = [n // 2 for n in lengths]


def draw(region, rng, hard):
    """A case with random numbers."""
    batch, tokens, lengths = shape_of_case(region, rng)
    case = Case(batch, tokens, lengths, {})
    duplicate = rng.random() < 0.15
    for operand in region.operands:
        lead = (batch, tokens) if operand.clause == "over" else ()
        shape = lead + (operand.heads,) + region.shape(operand.dims)
        x = numbers(operand, shape, rng, hard and rng.random() < 0.5, duplicate)
        case.arrays[operand.name] = stored(region, x)
    counters = region.counters()
    for state in region.states:
        shape = (case.sequences, region.heads) + region.shape(state.dims)
        x = 0.5 * rng.standard_normal(shape) * (rng.random() > 0.1)
        if state.name in counters:
            x = counts(counters[state.name], shape, rng)
        case.arrays[state.name] = stored(region, x)
    for attempt in range(14):
        if peak(region, case) <= LARGEST:
            break
        for operand in region.operands:
            if operand.kind == "coefficient":
                case.arrays[operand.name] = stored(region, case.arrays[operand.name] * 0.5)
        if attempt > 7:
            shorten(region, case)
    return case
