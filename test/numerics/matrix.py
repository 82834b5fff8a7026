# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The generated matrix: every recurrence, in several sizes and element types, against its reference.

One kernel (recurrence, element types, sizes) is compiled once and runs all batch sizes and lengths. Cases of a kernel:

  B2T17, ..   fresh random operands, every result within its bound of the reference; every result of a reference with a
              mistake must be outside of the bound of at least one case, and each case must reject at least one mistake
  cli         rwkv-run and the library give the same bits
  empty       no tokens: the states come back unchanged
  split       the same tokens in several calls, some of them empty: the same bits
  batch       B sequences in one call and each alone: the same bits
  threads     one thread and several: the same bits
  packed      sequences of any length one after the other, with cu_seqlens, and each alone: the same bits, and within
  the
              bound of the reference"""

import concurrent.futures
import zlib

import numpy as np

import bounds
import inputs
from recurrences import ALL
from spec import EXAMPLES, Types, bounded, reference, spec_text
from tool import Failed, Kernel


class Plan:
    """A kernel and the cases it is to run."""

    def __init__(self, r, types, sizes, index, packed):
        self.r, self.types, self.sizes, self.index, self.packed = r, types, sizes, index, packed
        text = "".join(f"{n}{s}" for n, s in sizes.items())
        self.name = f"{r.name}/{types.name}/{text}" + ("/packed" if packed else "")
        self.names = list(r.outputs) + list(r.states)
        self.input_types = [types.of(n, "over") for n in [*r.over, *r.consts]] + [
            types.of(n, "state") for n in r.states
        ]
        self.input_types += ["i32"] if packed else []
        self.output_types = [types.of(n, "output") for n in r.outputs] + [types.of(n, "state") for n in r.states]
        self.precision = bounds.F64 if types.compute == "f64" else bounds.F32

    @property
    def work(self):
        return int(np.prod([s for s in self.sizes.values()]))

    def shapes(self, full):
        """(profile, B, T) of the value cases."""
        large = self.work > 4096
        longest = self.r.tokens or (120 if not large else 40)
        shapes = [("normal", 1, 1), ("normal", 2, min(17, longest)), ("normal", 5, 3)]
        if self.index == 1 or full:
            shapes.append(("normal", 1, longest))
        if full and self.work <= 1024 and not self.r.tokens:
            shapes.append(("normal", 1, 1000))
        if large:
            shapes = [("normal", 1, 1), ("normal", 2, 9)] + ([("normal", 1, longest)] if full else [])
        for profile in self.r.profiles[1:]:
            if self.types == Types() or full or not self.r.types:
                shapes.append((profile, 3, min(12 if large else 33, longest)))
        return shapes

    def kernel(self, tool, label):
        """Not yet compiled. An example in its own types is compiled from where it lies."""
        path = EXAMPLES / self.r.file
        if not self.r.file or self.types != Types() or self.packed:
            path = tool.folder / f"spec-{label.replace('/', '_')}.mlir"
            path.write_text(spec_text(self.r, self.sizes, self.types, self.packed))
        return Kernel(tool, path, self.r.function, label, self.input_types, self.output_types)

    def cases(self, full):
        if self.packed:
            return [("packed", lengths) for lengths in ([7], [3, 0, 1, 9, 1], [0, 5], [0, 0, 0])]
        result = [("values", shape) for shape in self.shapes(full)]
        result += [("cli", None), ("empty", None), ("batch", None), ("threads", None)]
        if self.types.state == self.types.compute:
            result.append(("split", None))
        return result


def case_name(plan, kind, what):
    if kind == "values":
        profile, batch, tokens = what
        return f"{plan.name}/B{batch}T{tokens}" + ("" if profile == "normal" else f"/{profile}")
    if kind == "packed":
        return f"{plan.name}/" + ",".join(map(str, what))
    return f"{plan.name}/{kind}"


def plans(full):
    for r in ALL:
        types = r.types or (Types(),)
        sizes = r.sizes + (r.more if full else ())
        for j, t in enumerate(types):
            # Other element types than the first: two sizes are enough, unless everything is asked for.
            for i, s in enumerate(sizes):
                if j == 0 or full or i in (1, 2) or len(sizes) == 1:
                    yield Plan(r, t, s, i, False)
                    if not r.text and (full or (j == 0 and (i == 2 or len(sizes) <= 2 and i == 0))):
                        yield Plan(r, t, s, i, True)


def unequal(found, expected):
    """Names of results that differ in any bit."""
    return [n for n in expected if np.asarray(found[n]).tobytes() != np.asarray(expected[n]).tobytes()]


class Matrix:
    def __init__(self, tool, report, seed, full, selected):
        self.tool, self.report, self.seed, self.full = tool, report, seed, full
        self.work = []
        for plan in plans(full):
            cases = [(kind, what) for kind, what in plan.cases(full) if selected(case_name(plan, kind, what))]
            if cases:
                self.work.append((plan, cases))
        self.partial = {p.r.name for p in plans(full)} - {
            p.r.name for p, c in self.work if len(c) == len(p.cases(full))
        }
        self.rejected = {}
        self.worst = (
            {}
        )  # {(recurrence, whether a result is rounded to 16 bits): (error in units of its bound, relative L2)}

    def rng(self, name):
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    # ---- calls

    def make(self, plan, name, batch, tokens, profile="normal", sequences=None):
        return inputs.make(plan.r, plan.types, plan.sizes, batch, tokens, self.rng(name), profile, sequences)

    def call(self, kernel, plan, seen, lengths=None, threads=0):
        arrays = [seen[n] for n in plan.r.operands()]
        if lengths is not None:
            arrays.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        return dict(zip(plan.names, kernel.call(arrays, threads)))

    # ---- comparison

    def bound(self, plan, seen):
        """{name: (value, bound)} of every result."""
        outputs, states = bounded(plan.r, seen, plan.sizes["H"], plan.precision)
        result = {}
        for (name, x), dtype in zip({**outputs, **states}.items(), [t for t in self.result_types(plan, outputs)]):
            result[name] = (x.v, bounds.stored(x, dtype, plan.types.compute))
        return result

    def result_types(self, plan, outputs):
        return plan.output_types if outputs else plan.output_types[len(plan.r.outputs) :]

    @staticmethod
    def ratio(found, expected):
        """Largest error in units of its bound, and the largest relative L2 error of a result."""
        worst, l2 = 0.0, 0.0
        for name, (v, e) in expected.items():
            x = found[name]
            if x.shape != v.shape:
                raise Failed(f"{name}: expected shape {v.shape}, found {x.shape}")
            if not x.size:
                continue
            with np.errstate(all="ignore"):
                d = np.abs(x.astype(v.dtype) - v).astype(np.float64)
                q = np.where(d == 0, 0.0, d / e)
                q = np.where(np.isfinite(x) & np.isfinite(q), q, np.inf)
                worst = max(worst, float(q.max()))
                length = float(np.sqrt((v.astype(np.float64) ** 2).sum()))
                l2 = max(l2, float(np.sqrt((d * d).sum())) / length if length else 0.0)
        return worst, l2

    def note(self, plan, worst, l2):
        key = plan.r.name, any(t.endswith("16") for t in plan.output_types)
        before = self.worst.get(key, (0.0, 0.0))
        self.worst[key] = max(before[0], worst), max(before[1], l2)

    def judge(self, plan, found, seen, expected=None):
        """Fails unless `found` is within its bound, and outside of it for some reference with a mistake."""
        expected = expected or self.bound(plan, seen)
        worst, l2 = self.ratio(found, expected)
        self.note(plan, worst, l2)
        if not worst <= 1:
            raise Failed(f"error is {worst:.3g} times its bound, relative L2 error {l2:.3g}")
        caught = []
        for mistake in plan.r.mistakes:
            outputs, states = reference(plan.r, seen, plan.sizes["H"], np.float64, mistake)
            wrong = {n: (x, expected[n][1]) for n, x in {**outputs, **states}.items() if x is not None}
            if self.ratio(found, wrong)[0] > 1:
                caught.append(mistake)
        self.rejected.setdefault(plan.r.name, set()).update(caught)
        if not caught:
            raise Failed(f"too weak: none of the references with a mistake is rejected; error {worst:.3g} of its bound")

    # ---- cases

    def values(self, plan, kernel, name, what):
        profile, batch, tokens = what
        _, seen = self.make(plan, name, batch, tokens, profile)
        self.judge(plan, self.call(kernel, plan, seen), seen)

    def cli(self, plan, kernel, name, _):
        given, seen, found = kernel.first
        self.judge(plan, found, seen)
        if self.tool.library:
            differs = unequal(self.call(kernel, plan, seen), found)
            if differs:
                raise Failed(f"rwkv-run and the library differ in {', '.join(differs)}")

    def empty(self, plan, kernel, name, _):
        _, seen = self.make(plan, name, 2, 0)
        found = self.call(kernel, plan, seen)
        for n in plan.r.states:
            if not np.array_equal(found[n].astype(np.float64), seen[n]):
                raise Failed(f"without tokens, state {n} changed")
        if not any(seen[n].any() for n in plan.r.states):  # one that counts may be
            raise Failed("too weak: all states are zero")
        for n in plan.r.outputs:
            if found[n].shape[1] != 0:
                raise Failed(f"without tokens, output {n} has shape {found[n].shape}")

    def split(self, plan, kernel, name, _):
        rng = self.rng(name + "/cuts")
        tokens = 13
        _, seen = self.make(plan, name, 3, tokens)
        whole = self.call(kernel, plan, seen)
        cuts = np.sort(rng.integers(0, tokens + 1, 4))
        cuts[1] = cuts[0]  # one call without tokens
        pieces, carried = self.pieces(kernel, plan, seen, cuts, carry=True)
        differs = unequal({**pieces, **carried}, whole)
        if differs:
            raise Failed(f"calls cut at {cuts.tolist()} differ from one call in {', '.join(differs)}")
        if any(0 < c < tokens for c in cuts) and plan.r.mistakes != ("state written", "sign"):
            pieces, carried = self.pieces(kernel, plan, seen, cuts, carry=False)
            if not unequal({**pieces, **carried}, whole) and plan.r.name != "matrix-overwritten":
                raise Failed("too weak: calls that forget the state give the same")

    def pieces(self, kernel, plan, seen, cuts, carry):
        collected, state = {n: [] for n in plan.r.outputs}, {n: seen[n] for n in plan.r.states}
        edges = [0, *cuts, next(iter(seen.values())).shape[1]]
        for begin, end in zip(edges, edges[1:]):
            piece = {n: (x[:, begin:end] if n in plan.r.over else x) for n, x in seen.items()}
            piece.update(state)
            found = self.call(kernel, plan, piece)
            for n in collected:
                collected[n].append(found[n])
            if carry:
                state = {n: found[n] for n in plan.r.states}
        return {n: np.concatenate(x, 1) for n, x in collected.items()}, {n: found[n] for n in plan.r.states}

    def batch(self, plan, kernel, name, _):
        _, seen = self.make(plan, name, 4, 6)
        whole = self.call(kernel, plan, seen)
        alone = []
        for b in range(4):
            one = {n: (x if n in plan.r.consts else x[b : b + 1]) for n, x in seen.items()}
            alone.append(self.call(kernel, plan, one))
        together = {n: np.concatenate([a[n] for a in alone]) for n in plan.names}
        differs = unequal(together, whole)
        if differs:
            raise Failed(f"sequences alone differ from the batch in {', '.join(differs)}")
        moved = {n: np.roll(x, 1, 0) for n, x in together.items()}
        if not unequal(moved, whole):
            raise Failed("too weak: sequences in another order give the same")

    def threads(self, plan, kernel, name, _):
        _, seen = self.make(plan, name, 3, 5)
        one, many = self.call(kernel, plan, seen, threads=1), self.call(kernel, plan, seen, threads=3)
        if unequal(one, many):
            raise Failed(f"one thread and three differ in {', '.join(unequal(one, many))}")
        self.judge(plan, many, seen)

    def packed_case(self, plan, kernel, name, lengths):
        _, seen = self.make(plan, name, 1, sum(lengths), sequences=len(lengths))
        whole = self.call(kernel, plan, seen, lengths)
        edges = np.concatenate([[0], np.cumsum(lengths)])
        alone = [self.sequence(plan, seen, edges, s) for s in range(len(lengths))]
        separate = [self.call(kernel, plan, one, [n]) for one, n in zip(alone, lengths)]
        differs = unequal(self.join(plan, separate), whole)
        if differs:
            raise Failed(f"sequences alone differ from packed ones in {', '.join(differs)}")
        if not sum(lengths):
            return
        expected = [self.bound(plan, one) for one in alone]
        joined = {}
        for n in plan.names:
            parts = [e[n] for e in expected if n in e]
            axis = 1 if n in plan.r.outputs else 0
            joined[n] = tuple(np.concatenate([p[i] for p in parts], axis) for i in (0, 1))
        self.judge_packed(plan, whole, seen, joined, edges)

    def judge_packed(self, plan, found, seen, expected, edges):
        worst, l2 = self.ratio(found, expected)
        self.note(plan, worst, l2)
        if not worst <= 1:
            raise Failed(f"error is {worst:.3g} times its bound")
        # Mistakes: of the formula, and boundaries that are off by one.
        for mistake in plan.r.mistakes:
            results = [
                reference(plan.r, self.sequence(plan, seen, edges, s), plan.sizes["H"], np.float64, mistake)
                for s in range(len(edges) - 1)
            ]
            wrong = self.join(plan, [{**o, **s} for o, s in results], skip_none=True)
            if self.ratio(found, {n: (x, expected[n][1]) for n, x in wrong.items()})[0] > 1:
                break
        else:
            raise Failed("too weak: none of the references with a mistake is rejected")
        if len(edges) > 3:
            moved = edges.copy()
            moved[1:-1] = np.minimum(moved[1:-1] + 1, edges[-1])
            results = [
                reference(plan.r, self.sequence(plan, seen, moved, s), plan.sizes["H"]) for s in range(len(edges) - 1)
            ]
            wrong = self.join(plan, [{**o, **s} for o, s in results], skip_none=True)
            if not self.ratio(found, {n: (x, expected[n][1]) for n, x in wrong.items()})[0] > 1:
                raise Failed("too weak: boundaries that are off by one are not rejected")

    def sequence(self, plan, seen, edges, s):
        one = {}
        for n, x in seen.items():
            one[n] = x[:, edges[s] : edges[s + 1]] if n in plan.r.over else x if n in plan.r.consts else x[s : s + 1]
        return one

    def join(self, plan, results, skip_none=False):
        joined = {}
        for n in plan.names:
            parts = [r[n] for r in results if not (skip_none and r[n] is None)]
            joined[n] = np.concatenate(parts, 1 if n in plan.r.outputs else 0)
        return joined

    # ---- running

    def prepare(self, item):
        """Compiles a kernel with rwkv-run: the first case of the kernel. In a thread."""
        index, (plan, _) = item
        kernel = plan.kernel(self.tool, f"{index}")
        name = plan.name + "/cli"
        sequences = 2 if plan.packed else None
        given, seen = self.make(plan, name, 1 if plan.packed else 2, 6, sequences=sequences)
        arrays = [given[n] for n in plan.r.operands()] + ([np.array([0, 2, 6], np.int32)] if plan.packed else [])
        try:
            kernel.first = given, seen, dict(zip(plan.names, kernel.run(arrays, ["--schedule", "step"])))
        except (Failed, OSError) as failure:
            return kernel, str(failure)
        return kernel, None

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            prepared = pool.map(self.prepare, enumerate(self.work))
            for (plan, cases), (kernel, failure) in zip(self.work, prepared):
                self.run_kernel(plan, cases, kernel, failure)
                kernel.close()
        self.summary()

    def run_kernel(self, plan, cases, kernel, failure):
        for kind, what in cases:
            name = case_name(plan, kind, what)
            with self.report.case(name):
                if failure:
                    raise Failed(failure)
                method = self.packed_case if kind == "packed" else getattr(self, kind)
                method(plan, kernel, name, what)

    def summary(self):
        for r in ALL:
            parts = []
            for short, what in ((False, ""), (True, "results in 16 bits: ")):
                if (r.name, short) in self.worst:
                    worst, l2 = self.worst[r.name, short]
                    parts.append(f"{what}error {worst:.2f} of its bound, relative L2 {l2:.1e}")
            if not parts:
                continue
            self.report.line(f"{r.name:20s} {'; '.join(parts)}")
            missed = set(r.mistakes) - self.rejected.get(r.name, set())
            if r.name not in self.partial:
                with self.report.case(f"{r.name}/mistakes"):
                    if missed:
                        raise Failed(f"too weak: no case rejects a reference with: {'; '.join(sorted(missed))}")
