# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a failing region and its numbers smaller, one change after the other, as long as it fails in the same way."""

import copy
import time

import numpy as np

from .legality import analyse
from .operands import Case
from .region import STATE_OPS, Op


def take(x, dims, region, sizes):
    """The leading part of an array along the axes that its last axes stand for."""
    lead = x.ndim - len(dims)
    smaller = copy.copy(region)
    smaller.sizes = sizes
    return x[(slice(None),) * lead + tuple(slice(smaller.size(d)) for d in dims)]


def substitute(region, old, new):
    for op in region.ops:
        op.args = [new if n == old else n for n in op.args]
    region.outputs = list(dict.fromkeys(new if n == old else n for n in region.outputs))
    region.yields = [new if n == old else n for n in region.yields]


def unused(region):
    """Drops values that nothing uses."""
    for op in reversed(region.ops):
        used = {n for o in region.ops for n in o.args} | {*region.outputs, *region.yields}
        if op.name not in used:
            region.ops = [o for o in region.ops if o is not op]


def tidy(region, arrays):
    """Drops operands that nothing uses, but the last one that says how many tokens there are."""
    used = {n for op in region.ops for n in op.args} | set(region.outputs)
    for operand in list(region.operands):
        if operand.name not in used and (operand.clause == "const" or len(region.of_clause("over")) > 1):
            region.operands.remove(operand)
            del arrays[operand.name]


class Changes:
    """Candidates: pairs (region, case), each a copy. The big steps come first."""

    def __init__(self, region, case):
        self.region, self.case = region, case

    def copies(self):
        arrays = dict(self.case.arrays)
        return copy.deepcopy(self.region), Case(self.case.batch, self.case.tokens, self.case.lengths, arrays)

    def tokens(self):
        if self.case.lengths is not None:
            return
        n = self.case.tokens
        for keep in sorted({1, 2, 3, n // 2, n - 1}):
            for begin in {0, n - keep}:
                if 0 < keep < n:
                    region, case = self.copies()
                    case.tokens = keep
                    for o in region.of_clause("over"):
                        case.arrays[o.name] = case.arrays[o.name][:, begin : begin + keep]
                    yield region, case

    def sequences(self):
        lengths = self.case.lengths
        if lengths is None:
            for b in range(self.case.batch if self.case.batch > 1 else 0):
                region, case = self.copies()
                case.batch = 1
                for x in [*region.of_clause("over"), *region.states]:
                    case.arrays[x.name] = case.arrays[x.name][b : b + 1]
                yield region, case
            return
        if len(lengths) == 1:
            region, case = self.copies()
            region.packed, case.lengths = False, None
            yield region, case
        edges = np.concatenate([[0], np.cumsum(lengths)])
        for s in range(len(lengths)):
            for shorter in sorted({0, lengths[s] // 2, max(lengths[s] - 1, 0)}):
                if shorter < lengths[s] or len(lengths) > 1:
                    # One sequence away, or shorter by its last tokens.
                    away = shorter == 0 and len(lengths) > 1
                    region, case = self.copies()
                    case.lengths = [n for i, n in enumerate(lengths) if i != s] if away else list(lengths)
                    if not away:
                        case.lengths[s] = shorter
                    if case.lengths == lengths:
                        continue
                    case.tokens = sum(case.lengths)
                    gone = range(edges[s] + (0 if away else shorter), edges[s + 1])
                    for o in region.of_clause("over"):
                        case.arrays[o.name] = np.delete(case.arrays[o.name], gone, 1)
                    for state in region.states if away else ():
                        case.arrays[state.name] = np.delete(case.arrays[state.name], s, 0)
                    yield region, case

    def heads(self):
        if self.region.heads == 1:
            return
        for h in range(self.region.heads):
            region, case = self.copies()
            for o in region.operands:
                group = h * o.heads // region.heads
                axis = 2 if o.clause == "over" else 0
                case.arrays[o.name] = np.take(case.arrays[o.name], [group], axis)
                o.heads = 1
            for s in region.states:
                case.arrays[s.name] = case.arrays[s.name][:, h : h + 1]
            region.heads = 1
            yield region, case

    def states(self):
        for i in range(len(self.region.states) if len(self.region.states) > 1 else 0):
            region, case = self.copies()
            state, roots = region.states[i], region.roots()
            kept = []
            for op in region.ops:
                if not op.args or roots.get(op.args[0]) is not state:
                    kept.append(op)
                elif op.kind == "read":
                    kept.append(Op(op.name, "fill", [], op.dims, number=0.5))
            for op in [o for o in kept if o.kind == "hold" and state in (roots[n] for n in o.args[1:])]:
                kept.remove(op)  # without what it holds, or when, it holds nothing
                region.ops = kept
                substitute(region, op.name, op.args[0])
            region.ops = kept
            del region.states[i], region.yields[i], case.arrays[state.name]
            yield region, case

    def outputs(self):
        outputs = self.region.outputs
        for keep in [[], *([o] for o in outputs)] if len(outputs) > 1 else [[]] if outputs else []:
            region, case = self.copies()
            region.outputs = keep
            yield region, case
        for o in outputs if len(outputs) > 2 else ():
            region, case = self.copies()
            region.outputs.remove(o)
            yield region, case

    def many_ops(self):
        """All that nothing uses; then half of the ops, a quarter, an eighth: states pass, values become constants."""
        for n in (None, 2, 4, 8):
            count = len(self.region.ops)
            step = max(1, count if n is None else count // n)
            for begin in range(0, count, step) if step > 1 or n is None else ():
                region, case = self.copies()
                if n is not None:
                    for op in self.region.ops[begin : begin + step]:
                        here = next(i for i, o in enumerate(region.ops) if o.name == op.name)
                        if op.kind in STATE_OPS:
                            before = region.ops.pop(here).args[0]
                            substitute(region, op.name, before)
                        else:
                            region.ops[here] = Op(op.name, "fill", [], op.dims, number=0.5)
                unused(region)
                if region.ops != self.region.ops:
                    yield region, case

    def ops(self):
        types = self.region.types()
        for i in reversed(range(len(self.region.ops))):
            op = self.region.ops[i]
            uses = {n for o in self.region.ops for n in o.args} | {*self.region.outputs, *self.region.yields}
            if op.kind in STATE_OPS:
                instead = [op.args[0]]
            elif op.name not in uses:
                instead = [None]
            else:
                instead = [n for n in op.args if types.get(n) == op.dims]
                instead += [o.name for o in self.region.operands if o.dims == op.dims and o.name not in instead][:2]
                instead += ["constant"] if op.kind != "fill" else []
            for new in instead:
                region, case = self.copies()
                if new == "constant":
                    region.ops[i] = Op(op.name, "fill", [], op.dims, number=0.5)
                else:
                    del region.ops[i]
                    if new is not None:
                        substitute(region, op.name, new)
                yield region, case
            if op.kind == "write" and op.scaled:
                region, case = self.copies()
                region.ops[i].scaled = False
                region.ops[i].args.pop()
                yield region, case

    def sizes(self):
        """Axes of one size also together: some faults need equal sizes."""
        region = self.region
        dims = [d for t in region.types().values() for d in t if "/" in d]
        groups = [[a] for a in region.sizes]
        groups += [
            g for n in set(region.sizes.values()) if len(g := [a for a in region.sizes if region.sizes[a] == n]) > 1
        ]
        for axes in groups:
            n = region.sizes[axes[0]]
            blocks = [int(d.split("/")[1]) for d in dims if d.split("/")[0] in axes]
            step = int(np.lcm.reduce(blocks)) if blocks else 1
            for m in sorted({step, 2 * step, n // 2 // step * step, n - step}):
                if 0 < m < n:
                    smaller, case = self.copies()
                    smaller.sizes.update({a: m for a in axes})
                    for x in [*region.operands, *region.states]:
                        case.arrays[x.name] = take(case.arrays[x.name], x.dims, region, smaller.sizes)
                    yield smaller, case

    def forms(self):
        if self.region.dynamic:
            region, case = self.copies()
            region.dynamic = False
            yield region, case
        for i, op in enumerate(self.region.ops):
            if op.bound or op.orthogonal:
                region, case = self.copies()
                region.ops[i].bound, region.ops[i].orthogonal = (), False
                yield region, case
        for i, o in enumerate(self.region.operands):
            for j, other in enumerate(self.region.operands):
                same = (o.clause, o.dims, o.heads) == (other.clause, other.dims, other.heads)
                if j < i and same and o.kind == other.kind:
                    region, case = self.copies()
                    substitute(region, o.name, other.name)
                    yield region, case

    def numbers(self):
        for name, x in self.case.arrays.items():
            changed = [np.zeros_like(x), np.where(x == 0, 0, np.sign(x)), np.sign(x) * 2.0 ** np.round(_log2(x))]
            for y in changed:
                if not np.array_equal(x, y, equal_nan=True) and _simpler(y, x):
                    region, case = self.copies()
                    case.arrays[name] = y
                    yield region, case


def _log2(x):
    return np.log2(np.where((x == 0) | ~np.isfinite(x), 1, np.abs(x)))


def _simpler(y, x):
    """Fewer different numbers, or shorter ones: no change is undone by another."""
    return np.isfinite(x).all() and (_cost(y) < _cost(x))


def _cost(x):
    zero, one = x == 0, np.abs(x) == 1
    power = np.abs(x) == 2.0 ** np.round(_log2(x))
    return int(np.where(zero, 0, np.where(one, 1, np.where(power, 2, 3))).sum())


def size(region, case):
    return len(region.ops), sum(x.size for x in case.arrays.values())


KINDS = ("outputs", "states", "many_ops", "tokens", "sequences", "heads", "ops", "sizes", "forms", "numbers")


def shrink(region, case, chunk, schedule, fails, seconds):
    """`fails(region, case, chunk)` runs it. Returns the smallest (region, case, chunk) found in that time."""
    end = time.monotonic() + seconds
    wanted = analyse(region).schedules[schedule]
    tried = set()

    def holds(r, c, n):
        seen = hash((r.text(), n, str(c.lengths), *(x.tobytes() for x in c.arrays.values())))
        if seen in tried:
            return False
        tried.add(seen)
        verdict = analyse(r)
        label = verdict.schedules[schedule]
        if (wanted == "must" and label != "must") or (wanted == "may" and label == "no"):
            return False
        return fails(r, c, n)

    progress = True
    while progress and time.monotonic() < end:
        progress = False
        for n in sorted({1, 2, 4, chunk // 2, chunk - 1}) if schedule != "step" else []:
            if 0 < n < chunk and holds(region, case, n):
                chunk, progress = n, True
                break
        # Fewer ops compile faster, so they come first. After a change the same kind of change is tried on what is left.
        for kind in KINDS:
            again = True
            while again and time.monotonic() < end:
                again = False
                for r, c in getattr(Changes(region, case), kind)():
                    tidy(r, c.arrays)
                    if time.monotonic() < end and holds(r, c, chunk):
                        region, case, progress, again = r, c, True, True
                        break
    return region, case, chunk
