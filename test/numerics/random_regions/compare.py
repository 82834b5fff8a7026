# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How wrong a result may be: the reference is float64, and how much it moves when its inputs and the result of every op
move by a rounding says how many digits a result can have."""

import dataclasses

import numpy as np

from .interpret import run
from .operands import sequences_of

ROUNDING = 1e-7  # relative: a little more than half a unit in the last place of float32
COPIES = 2  # disturbed ones
# Relative to the slice (one head of one sequence): float32, float64.
TOLERANCE = {"f32": 3e-5, "f64": 1e-11}
# How much more than that movement a result may be off: other orders of sums, other forms of the computation.
AMPLIFIED = {"f32": 32.0, "f64": 32.0 * 2.0**-29}
# Below this the reference counts as zero: a decay of e^-40 and one of e^-10000 are the same.
FLOOR = {"f32": 1e-9, "f64": 1e-15}


@dataclasses.dataclass
class Reference:
    """Of one result."""

    exact: np.ndarray
    moved: np.ndarray  # the largest |difference| from it among the perturbed copies


class _Noise:
    """Moves everything but the first `exact` sequences by roundings."""

    def __init__(self, exact):
        self.rng = np.random.default_rng(1)
        self.exact = exact
        self.pool = 1 + ROUNDING * self.rng.choice([-1.0, 1.0], 1 << 16)

    def __call__(self, x):
        if len(x) <= self.exact:  # the same for all sequences: a constant
            return x
        result = x.copy()
        part = result[self.exact :]
        pool = self.pool if 2 * part.size <= len(self.pool) else np.resize(self.pool, 2 * part.size)
        start = int(self.rng.integers(len(pool) - part.size))
        part *= pool[start : start + part.size].reshape(part.shape)
        return result


def _copied(region, arrays, noise):
    """Every input several times, stacked along the batch: as it is, then moved by roundings."""
    consts, counters = {o.name for o in region.of_clause("const")}, region.counters()
    result = {}
    for name, x in arrays.items():
        x = np.broadcast_to(x, (noise.exact,) + x.shape) if name in consts else x
        copies = np.concatenate([x] * (1 + COPIES))
        result[name] = copies if name in counters else noise(copies)
    return result


def references(region, case, function=run):
    """{result: Reference} with outputs [B, T, H, ..] (packed: [1, T, H, ..]) and states [sequences, H, ..]."""
    parts = []
    for arrays in sequences_of(region, case):
        noise = _Noise(len(arrays[region.states[0].name]))
        outputs, states, _ = function(region, _copied(region, arrays, noise), noise)
        parts.append({**outputs, **states})
    result = {}
    for name in region.names():
        split = [p[name].reshape((1 + COPIES, len(p[name]) // (1 + COPIES)) + p[name].shape[1:]) for p in parts]
        joined = split[0] if len(split) == 1 else np.concatenate(split, 2 if name in region.outputs else 1)
        exact = joined[0]
        with np.errstate(invalid="ignore"):
            moved = np.abs(joined[1:] - exact).max(0) if exact.size else np.zeros(exact.shape)
        result[name] = Reference(exact, moved)
    return result


def slices(region, case, name, array):
    """Parts of a result that are judged on their own: one head of one sequence."""
    if name in region.outputs and case.lengths is not None:
        edges = np.concatenate([[0], np.cumsum(case.lengths)])
        array = [array[0, a:b] for a, b in zip(edges, edges[1:])]
    for sequence in array:
        yield from np.moveaxis(sequence, 1, 0) if name in region.outputs else sequence


def judge(region, case, name, found, reference):
    """Errors of a result in units of what they may be: (of the worst slice, where it is wrong, in words)."""
    exact = reference.exact
    if found.shape != exact.shape:
        return np.inf, f"{name}: expected shape {exact.shape}, found {found.shape}"
    if not exact.size:
        return 0.0, ""
    relative, amplified = TOLERANCE[region.element], AMPLIFIED[region.element]
    floor = FLOOR[region.element] * max(1.0, float(np.abs(exact).max()))
    worst, text = 0.0, ""
    sliced = [slices(region, case, name, x) for x in (found.astype(np.float64), exact, reference.moved)]
    for x, y, moved in zip(*sliced):
        if not y.size:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            d = np.abs(x - y)
            d = np.where(np.isfinite(d), d, np.inf)
            largest = d.max() / (relative * np.abs(y).max() + amplified * moved.max() + floor)
            l2 = np.sqrt((d * d).sum()) / (
                relative * np.sqrt((y * y).sum())
                + amplified * np.sqrt((moved * moved).sum())
                + floor * np.sqrt(float(y.size))
            )
        ratio = float(max(largest, l2))
        if ratio > worst:
            worst = ratio
            at = np.unravel_index(int(d.argmax()), d.shape)
            text = f"{name}: expected {y[at]:.9g}, found {x[at]:.9g} (error {ratio:.3g} times what is allowed)"
    return worst, text
