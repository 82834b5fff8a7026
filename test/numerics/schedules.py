# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Schedules: every recurrence token by token, by scans and by chunks, against one reference. A kernel is compiled for
each (recurrence, element types, sizes, schedule) and runs all lengths; what legality.py rules out must be refused.

Other schedules sum in another order and rescale, so results are not held to the bounds of matrix.py, which belong to
the formula as written, but to a tolerance relative to the size of each result: its L2 norm, and its largest element.

  T17, ..      fresh operands, T tokens
  strong, ..   hazards, the profiles of inputs.py: what a derivation of chunks does wrong first
  repeat       the same call again, on other garbage in the outputs: the same bits
  threads      one thread and several: the same bits
  alone        sequences in one call and each in its own: the same bits
  split        the same tokens in several calls, some of them empty
  drift        100 000 tokens of a slow decay
  nan          NaN in an operand shows in its own sequence and head, and changes no bit elsewhere
  packed       sequences one after the other, with cu_seqlens
  refused      a schedule that is not legal: an error with a place, and nothing else
  mistakes     (of a recurrence) the tolerance would notice every mistake"""

import concurrent.futures
import dataclasses
import functools
import re
import types as simple
import zlib

import numpy as np

import bounds
import inputs
from legality import KINDS, can_be_cut, can_be_split, legality
from matrix import Plan, unequal
from recurrences import ALL
from recurrences.ladder import LADDER
from spec import Types, slices
from tool import Failed

TOLERANCE = {"f32": 2e-5, "f64": 1e-12}
SUMMED = 640 * 2.0**-24  # of f32 factors, where sums of logarithms may be as large (docs/Numerics.md)
# Of chunks on bf16 where the host has matrix instructions: operands of products keep 15 significant bits or more.
SPLIT_PRODUCTS = 2e-4
CHUNKS = (1, 3, 16, 64)
# Every chunk length sees fewer tokens than itself, as many, and what is no multiple of it.
LENGTHS = (0, 1, 2, 3, 15, 16, 17, 33, 64, 100, 200)
HAZARD_LENGTH = 130  # two chunks of 64 and a bit
PACKED = ((5, 0, 33, 1, 16, 15), (64, 2, 0, 17))
BF16 = Types("bf16", "f32", "bf16")
DECAY_HAZARDS = ("strong", "steep", "cliffs", "near1")
KEY_HAZARDS = ("duplicate", "similar")
SIZE_HAZARDS = ("small", "large", "spikes", "lone")
ANY_SIZE = ("ladder-rwkv7", "ladder-deltanet", "ladder-gated-deltanet", "ladder-retention")  # linear in what is not bounded
OUT_OF_BOUNDS = {"ladder-rwkv7": DECAY_HAZARDS, "gla-bounded": ("cliffs",)}  # whose decays are asserted to be elsewhere
# Not in the ladder, but with the most to lose: decays without the bound that the ladder's file has, or of other axes.
ALSO_IN_FULL = ("wkv7", "simple-gla", "gla-bounded", "gated-both-axes", "value-decay", "each")
DRIFT = ("ladder-kda", "ladder-gla", "ladder-hgrn")
DRIFT_LENGTH = 100_000
CUT_ON_WARPS = ("ladder-rwkv7", "ladder-gated-deltanet", "ladder-rwkv6", "ladder-delta-product", "ladder-kda")
LONGEST = {"crosswise": 33}  # it grows without limit
# These carry an exponent m as large as their keys and add to it with every token. The rounding of m is a relative error
# of everything scaled by e^m: about u |m| per token until the next larger key, in any schedule. So they may err as much
# as the same formula in f32, token by token, times a factor.
ILL_CONDITIONED = ("ladder-rwkv4", "wkv4-rung", "ladder-mlstm")
FACTOR = 8
# Reflections along keys that are nearly the same: a chunk of 64 solved by substitution in f32 loses up to ten times
# what token by token loses in f32, and a method that is not stable, such as products of powers, loses everything.
REFLECTIONS_FACTOR = 30
NOT_LEGAL = "is not legal"


class Schedule:
    def __init__(self, kind, chunk=0, fill=0, split=1):
        self.kind, self.chunk, self.fill, self.split = kind, chunk, fill, split
        self.name = (f"{kind}{chunk}" if chunk else kind) + ("cut" if fill else "") + (f"by{split}" if split > 1 else "")
        self.options = [f"--schedule={kind}"] + ([f"--chunk={chunk}"] if chunk else [])
        # Whole sequences where nothing else is asked: the kernels for segments take longer to compile than to run.
        self.options += [f"--fill={fill}"] if kind == "chunk" else []
        self.options += [f"--split={split}"] if split > 1 else []


def scaled(r, keys, values):
    """Sizes of all axes of a recurrence, for K keys and V values."""
    group = int(np.lcm.reduce([o.group for o in r.operands().values()]))
    names = r.sizes[0]
    if any(s.axes.count("K") > 1 for s in r.states.values()):  # the square of it
        keys = keys if keys == 5 else max(8, keys // 4)
    known = {"K": keys, "V": values, "Q": values, "one": 1, "two": 2, "four": 4, "L": 2}
    known["M"], known["N"] = {5: (3, 5), 16: (4, 8), 32: (8, 4)}.get(keys, (8, 8))
    known["P"] = keys // (4 if "four" in names else 2)
    known["H"] = -(-{8: 4, 64: 1}.get(keys, 2) // group) * group
    return {n: known[n] for n in names}


def kinds_of(r):
    return {operand.kind for operand in [*r.over.values(), *r.consts.values()]}


def oddest(r):
    """Of the sizes that a recurrence is tested with, those that fit vectors worst."""
    return max(r.sizes, key=lambda sizes: sum(n % 2 and n > 1 for axis, n in sizes.items() if axis != "H"))


class Kernels(Plan):
    """A kernel to be compiled, and its cases."""

    def __init__(self, r, types, sizes, schedule, packed=False, lengths=LENGTHS, hazards=False):
        super().__init__(r, types, sizes, 0, packed)
        longest = LONGEST.get(r.name, max(lengths))
        self.schedule, self.lengths = schedule, [n for n in lengths if n <= longest]
        self.group = f"schedules/{self.name}"
        self.name = f"{self.group}/{schedule.name}"
        self.hazards = hazards
        self.answer = legality(r.name, schedule.kind)

    def cases(self, full):
        if self.answer == "no":
            return [("refused", None)]
        if self.packed:
            return [("packed", lengths) for lengths in PACKED]
        if self.lengths == [DRIFT_LENGTH]:
            return [("drift", None)]
        result = [("tokens", n) for n in self.lengths]
        if self.hazards:
            kinds = kinds_of(self.r)
            profiles = DECAY_HAZARDS if "decay" in kinds else ()
            profiles += KEY_HAZARDS if "key" in kinds else ()
            rounds = self.types.name.startswith("bf16")  # where nothing contracts, what operands lose adds up
            profiles += ("reflections",) if {"key", "beta"} <= kinds and not rounds else ()
            profiles += SIZE_HAZARDS if self.r.name in ANY_SIZE else ()
            result += [("hazard", p) for p in profiles if p not in OUT_OF_BOUNDS.get(self.r.name, ())]
            result.append(("nan", None))
        return result + [(kind, None) for kind in ("repeat", "threads", "alone", "split")]

    def case_name(self, kind, what):
        if kind == "tokens":
            return f"{self.name}/T{what}"
        if kind == "hazard":
            return f"{self.name}/{what}"
        return f"{self.name}/{','.join(map(str, what)) if kind == 'packed' else kind}"


STEP, SCAN = Schedule("step"), Schedule("scan")
CUT = Schedule("chunk", 3, fill=60)  # segments of 24 tokens or more, up to ten of them
SPLIT = [Schedule("step", split=4), Schedule("scan", 16, split=2), Schedule("chunk", 16, split=2)]


def chunks(*lengths):
    return [Schedule("chunk", n) for n in lengths]


def sixteen_bits(r):
    return dataclasses.replace(BF16, but=tuple((name, "f32") for name in r.exact))


def chosen(r, full):
    """(element types, sizes, schedules, token counts, whether hazards are tried) of the kernels of a recurrence."""
    types = r.types[0] if r.types else Types()
    every = [STEP, SCAN, *chunks(*CHUNKS)]
    if r.name in LADDER:
        yield types, scaled(r, 16, 32), every, LENGTHS, True
        if types == Types():
            yield sixteen_bits(r), scaled(r, 32, 16), every, LENGTHS, False
        large = [SCAN] if legality(r.name, "chunk") == "no" else chunks(64)
        yield types, scaled(r, 64, 64), large, (64, 100), False
        if can_be_cut(r.name):
            yield types, scaled(r, 16, 32), [CUT], LENGTHS, False
        if can_be_split(r.name):
            yield types, scaled(r, 16, 32), [s for s in SPLIT if legality(r.name, s.kind) == "yes"], (1, 17, 100), False
        if r.name in DRIFT or full and "decay" in kinds_of(r):  # without decay, errors may walk
            yield types, scaled(r, 8, 8), [STEP, SCAN, *chunks(16, 64)], (DRIFT_LENGTH,), False
        if full:
            if "P" not in r.sizes[0]:
                yield types, scaled(r, 5, 7), every, LENGTHS, True
            yield types, scaled(r, 32, 32), every, LENGTHS, True
        return
    # matrix.py has these token by token.
    if r.name in ALSO_IN_FULL:
        yield types, scaled(r, 16, 32), [SCAN, *chunks(16, 64)], LENGTHS, True
    yield types, oddest(r), every if full else [SCAN, *chunks(16)], LENGTHS, full
    if full:
        for sizes in r.sizes[:2]:
            yield types, sizes, [STEP, SCAN, *chunks(3, 16)], LENGTHS, False
        if types == Types() and not r.text and not r.file:
            yield sixteen_bits(r), r.sizes[min(1, len(r.sizes) - 1)], [STEP, SCAN, *chunks(16, 64)], LENGTHS, False


def every_plan(r, full):
    for types, sizes, schedules, lengths, hazards in chosen(r, full):
        for schedule in schedules:
            hazardous = hazards and schedule.chunk not in (1, 3)
            yield Kernels(r, types, sizes, schedule, lengths=lengths, hazards=hazardous)
            if lengths == LENGTHS and (schedule.kind == "scan" or schedule.chunk == 16 or schedule.fill):
                if types == Types() and not r.text and (r.name in LADDER or full):
                    yield Kernels(r, types, sizes, schedule, packed=True)


def plans(full, kinds):
    for r in ALL:
        seen = set()
        for plan in every_plan(r, full):
            kind = plan.schedule.kind
            name = kind if plan.answer == "no" else plan.name  # one refusal of a kind is enough
            if kind in kinds and name not in seen:
                seen.add(name)
                yield plan


# Key and value axes of states that warps share: 32 columns for a warp, and no powers of two.
# Tokens of a chunk, keys and values: many of them, odd ones, as many values as tokens, and the short chunks of what is large.
WARP_SIZES = ((16, 128, 128), (8, 128, 128), (16, 48, 80), (16, 80, 96), (16, 32, 16), (8, 64, 64), (8, 256, 64))
WARP_LAYERS = {f"ladder-{layer}" for layer in ("delta-product", "gla", "kda", "mamba2", "rwkv7")}


def plans_of_warps():
    """Chunks of tiles that several warps share, products rounded: what only devices are asked, and not by plans()."""
    for r in ALL:
        if r.name in LADDER and (not r.types or r.types[0] == Types()) and legality(r.name, "chunk") != "no":
            for tokens, keys, values in ((16, 64, 64), *(WARP_SIZES if r.name in WARP_LAYERS else ())):
                sizes = scaled(r, keys, values)
                yield Kernels(r, sixteen_bits(r), sizes, Schedule("chunk", tokens), lengths=(17, 33), hazards=True)
            if r.name in CUT_ON_WARPS:
                # What segments do to any state is in units of its own: it hardly decays, or is forgotten at once.
                cut = Schedule("chunk", 16, fill=60)
                hazards = r.name != "ladder-delta-product"  # whose errors add up
                yield Kernels(r, sixteen_bits(r), scaled(r, 64, 64), cut, lengths=(17, 660), hazards=hazards)
                # Transitions are as large as the masks of a chunk.
                yield Kernels(r, sixteen_bits(r), scaled(r, 16, 32), cut, lengths=(17, 660))


# ---- the reference


class Run:
    """Operands, and what the recurrence makes of them after each of `lengths` tokens."""

    def __init__(self, plan, seen, lengths, mistake=None, wide=None):
        self.plan, self.seen, r = plan, seen, plan.r
        over, consts, states = slices(r, seen, plan.sizes["H"], wide or plan.precision.wide)
        self.states, collected = {0: states}, []
        with np.errstate(all="ignore"):
            for t in range(max(lengths)):
                x = simple.SimpleNamespace(**{n: a[:, t] for n, a in over.items()}, **consts)
                outputs, following = r.step(x, simple.SimpleNamespace(**states), mistake)
                states = dict(zip(r.states, following))
                collected.append(outputs)
                if t + 1 in lengths:
                    self.states[t + 1] = states
        self.outputs = {n: np.stack([c[i] for c in collected], 1) for i, n in enumerate(r.outputs)} if collected else {}

    def expected(self, tokens):
        return {**{n: a[:, :tokens] for n, a in self.outputs.items()}, **self.states[tokens]}

    def operands(self, tokens):
        return {n: a[:, :tokens] if n in self.plan.r.over else a for n, a in self.seen.items()}


def errors(plan, found, expected):
    """(relative L2 error, largest error relative to the largest element), of the worst result; what rounding a result
    for its storage may lose does not count."""
    worst = [0.0, 0.0]
    for name, dtype in zip(plan.names, plan.output_types):
        if name not in expected:
            continue
        x, v = found[name], expected[name]
        if x.shape != v.shape:
            raise Failed(f"{name}: expected shape {v.shape}, found {x.shape}")
        if not x.size:
            continue
        if not np.isfinite(v).all():
            raise Failed(f"{name}: the reference is not finite")
        with np.errstate(all="ignore"):
            v = v.astype(np.float64 if plan.types.compute == "f32" else np.longdouble)
            rounding = 0.0 if dtype == plan.types.compute else bounds.STORED[dtype][0]
            d = np.abs(x.astype(v.dtype) - v) - rounding * np.abs(v)
            d = np.where(np.isfinite(x), np.maximum(d, 0), np.inf).astype(np.float64)
            v = np.abs(v).astype(np.float64)
            ratios = np.sqrt((d * d).sum()) / np.sqrt((v * v).sum()), d.max() / v.max()
            worst = [max(w, 0.0 if not d.any() else float(q)) for w, q in zip(worst, ratios)]
    return worst


# ---- running


@functools.cache
def has_matrix_instructions():
    """Whether packs for this machine use them."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return {"amx_tile", "amx_bf16"} <= set(flags)


class Schedules:
    def __init__(self, tool, report, seed, full, kinds, selected):
        self.tool, self.report, self.seed = tool, report, seed
        self.work = []
        self.runs, self.group = {}, None
        self.worst = {}
        self.checked = {}
        for plan in self.plans(full, kinds):
            if selected(f"schedules/{plan.r.name}/mistakes"):
                self.checked.setdefault(plan.r.name, plan)
            cases = [(kind, what) for kind, what in plan.cases(full) if selected(plan.case_name(kind, what))]
            if cases:
                self.work.append((plan, cases))

    def plans(self, full, kinds):
        return plans(full, kinds)

    def rng(self, name):
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def make(self, plan, name, tokens, profile="normal", batch=2, sequences=None):
        return inputs.make(plan.r, plan.types, plan.sizes, batch, tokens, self.rng(name), profile, sequences)[1]

    def run_of(self, plan, profile="normal"):
        """Made once for all schedules of a recurrence, its types and its sizes."""
        if self.group != plan.group:
            self.runs, self.group = {}, plan.group
        key = profile, tuple(plan.lengths)
        if key not in self.runs:
            lengths = plan.lengths if profile in ("normal", "slow") else [min(HAZARD_LENGTH, plan.lengths[-1])]
            batch = 1 if profile == "slow" else 2
            seen = self.make(plan, f"{plan.group}/{profile}", max(lengths), profile, batch)
            run = self.runs[key] = Run(plan, seen, lengths)
            run.tolerance = TOLERANCE[plan.types.compute]
            if profile in DECAY_HAZARDS and plan.types.compute == "f32":
                run.tolerance = SUMMED
            if plan.r.name in ILL_CONDITIONED or profile == "reflections":
                coarse = Run(plan, seen, lengths, wide=np.float32)
                lost = max(max(errors(plan, coarse.expected(n), run.expected(n))) for n in lengths if n)
                lost *= REFLECTIONS_FACTOR if profile == "reflections" else FACTOR
                run.tolerance = lost + SUMMED if run.tolerance == SUMMED else max(run.tolerance, lost)
        return self.runs[key]

    def rounding(self, plan):
        """What rounded operands of products may add to the error."""
        rounds = plan.types.name.startswith("bf16") and plan.schedule.kind == "chunk"
        return SPLIT_PRODUCTS if rounds and has_matrix_instructions() else 0.0

    def call(self, kernel, plan, seen, **options):
        arrays = [seen[n] for n in plan.r.operands()]
        model = kernel.model(options.pop("threads", 0))
        return dict(zip(plan.names, model.call(kernel.function, arrays, kernel.types, kernel.output_types, **options)))

    def judge(self, plan, found, expected, tolerance, what=""):
        tolerance = max(tolerance, self.rounding(plan))
        l2, largest = errors(plan, found, expected)
        key = plan.r.name, plan.schedule.kind
        self.worst[key] = max(self.worst.get(key, 0.0), l2 / tolerance, largest / tolerance)
        if not max(l2, largest) <= tolerance:
            raise Failed(f"{what}relative L2 error {l2:.3g}, largest error {largest:.3g} of the largest element")

    # ---- cases

    def tokens(self, plan, kernel, name, tokens):
        run = self.run_of(plan)
        found = self.call(kernel, plan, run.operands(tokens))
        self.judge(plan, found, run.expected(tokens), run.tolerance)
        if not tokens:
            for n in plan.r.states:
                if not np.array_equal(found[n].astype(np.float64), run.seen[n]):
                    raise Failed(f"without tokens, state {n} changed")

    def hazard(self, plan, kernel, name, profile):
        run = self.run_of(plan, profile)
        tokens = max(run.states)
        self.judge(plan, self.call(kernel, plan, run.operands(tokens)), run.expected(tokens), run.tolerance)

    def drift(self, plan, kernel, name, _):
        run = self.run_of(plan, "slow")
        self.judge(plan, self.call(kernel, plan, run.seen), run.expected(DRIFT_LENGTH), run.tolerance)

    def same(self, plan, found, expected, what):
        differs = unequal(found, expected)
        if differs:
            raise Failed(f"{what} differ in {', '.join(differs)}")

    def repeat(self, plan, kernel, name, _):
        seen = self.run_of(plan).operands(self.longest(plan))
        first = self.call(kernel, plan, seen)
        self.same(plan, self.call(kernel, plan, seen, poison=0x5A), first, "two runs")

    def threads(self, plan, kernel, name, _):
        seen = self.run_of(plan).operands(self.longest(plan))
        one = self.call(kernel, plan, seen, threads=1)
        self.same(plan, self.call(kernel, plan, seen, threads=3), one, "one thread and three")

    def alone(self, plan, kernel, name, _):
        seen = self.run_of(plan).operands(self.longest(plan))
        parts = []
        for b in (0, 1):
            one = {n: x if n in plan.r.consts else x[b : b + 1] for n, x in seen.items()}
            parts.append(self.call(kernel, plan, one))
        together = {n: np.concatenate([p[n] for p in parts]) for n in plan.names}
        self.same(plan, together, self.call(kernel, plan, seen), "sequences alone and a batch")

    def split(self, plan, kernel, name, _):
        run, tokens = self.run_of(plan), self.longest(plan)
        cuts = np.sort(self.rng(name).integers(0, tokens + 1, 4))
        cuts[1] = cuts[0]  # one call without tokens
        seen, edges = run.operands(tokens), [0, *cuts, tokens]
        pieces, states = [], {n: seen[n] for n in plan.r.states}
        for begin, end in zip(edges, edges[1:]):
            piece = {n: x[:, begin:end] if n in plan.r.over else x for n, x in seen.items()} | states
            pieces.append(self.call(kernel, plan, piece))
            states = {n: pieces[-1][n] for n in plan.r.states}
        found = {n: np.concatenate([p[n] for p in pieces], 1) for n in plan.r.outputs} | states
        self.judge(plan, found, run.expected(tokens), run.tolerance, f"cut at {cuts.tolist()}: ")

    @staticmethod
    def longest(plan):
        return max(n for n in plan.lengths if n <= 100)

    def nan(self, plan, kernel, name, _):
        rng, tokens = self.rng(name), min(100 if plan.schedule.chunk > 16 else 40, plan.lengths[-1])
        seen = self.run_of(plan).operands(tokens)
        clean = self.call(kernel, plan, seen)
        for operand, described in plan.r.over.items():
            if described.group > 1:
                continue  # other heads share it
            broken = seen | {operand: seen[operand].copy()}
            b, t, h = int(rng.integers(2)), int(rng.integers(tokens)), int(rng.integers(plan.sizes["H"]))
            place = tuple(int(rng.integers(n)) for n in broken[operand].shape[3:])
            broken[operand][(b, t, h, *place)] = np.nan
            found, shows = self.call(kernel, plan, broken), False
            for n in plan.names:
                own = (b, slice(None), h) if n in plan.r.outputs else (b, h)
                x, y = found[n].copy(), clean[n].copy()
                shows |= bool(np.isnan(x[own][t:] if n in plan.r.outputs else x[own]).any())
                if n in plan.r.outputs and plan.schedule.kind == "step":
                    own = (b, slice(t, None), h)  # nor before it
                x[own] = y[own] = 0
                if x.tobytes() != y.tobytes():
                    raise Failed(f"NaN in {operand} of sequence {b}, token {t}, head {h} changes {n} elsewhere")
            if not shows:
                raise Failed(f"NaN in {operand} does not show")

    def packed(self, plan, kernel, name, lengths):
        edges = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        seen = self.make(plan, name, sum(lengths), batch=1, sequences=len(lengths))
        arrays = [seen[n] for n in plan.r.operands()] + [edges]
        found = dict(zip(plan.names, kernel.call(arrays)))
        parts = []
        for s, n in enumerate(lengths):
            one = {k: x[:, edges[s] : edges[s + 1]] if k in plan.r.over else x for k, x in seen.items()}
            one |= {k: seen[k][s : s + 1] for k in plan.r.states}
            parts.append(Run(plan, one, [n]).expected(n))
        expected = {n: np.concatenate([p[n] for p in parts if n in p], 1) for n in plan.r.outputs}
        expected |= {n: np.concatenate([p[n] for p in parts]) for n in plan.r.states}
        self.judge(plan, found, expected, TOLERANCE[plan.types.compute])

    def mistakes(self, plan):
        tokens = min(33, plan.lengths[-1])
        seen = self.make(plan, f"{plan.group}/mistakes", tokens)
        right = Run(plan, seen, [tokens]).expected(tokens)
        for mistake in plan.r.mistakes:
            wrong = Run(plan, seen, [tokens], mistake).expected(tokens)
            if not max(errors(plan, wrong, right)) > 1e-3:
                raise Failed(f"too weak: a reference with a mistake is as good: {mistake}")

    # ---- compiling

    def prepare(self, item):
        """Compiles a kernel with rwkv-run: (kernel, error)."""
        index, (plan, _) = item
        kernel = plan.kernel(self.tool, f"schedule{index}")
        sequences = 2 if plan.packed else None
        batch = 1 if plan.packed else 2
        seen = self.make(plan, "first", 6, batch=batch, sequences=sequences)
        arrays = [seen[n] for n in plan.r.operands()] + ([np.array([0, 2, 6], np.int32)] if plan.packed else [])
        try:
            kernel.run(arrays, plan.schedule.options)
        except (Failed, OSError) as failure:
            return kernel, str(failure)
        return kernel, None

    def run_kernel(self, plan, cases, kernel, failure):
        refused = failure and NOT_LEGAL in failure
        if plan.answer == "no" or refused and plan.answer == "may":
            with self.report.case(plan.case_name("refused", None)):
                if not failure:
                    raise Failed(f"expected a refusal: this recurrence has no schedule {plan.schedule.name}")
                if not refused or not re.search(r":[1-9]\d*:\d+: error: ", failure):
                    raise Failed(f"expected an error with a place that says '{NOT_LEGAL}', found: {failure}")
        elif failure:  # once, not for every case
            with self.report.case(plan.name):
                raise Failed(failure)
        else:
            for kind, what in cases:
                name = plan.case_name(kind, what)
                with self.report.case(name):
                    getattr(self, kind)(plan, kernel, name, what)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            prepared = pool.map(self.prepare, enumerate(self.work))
            for (plan, cases), (kernel, failure) in zip(self.work, prepared):
                self.run_kernel(plan, cases, kernel, failure)
                kernel.close()
        for name, plan in self.checked.items():
            with self.report.case(f"schedules/{name}/mistakes"):
                self.mistakes(plan)
        for kind in KINDS:
            found = {n: e for (n, k), e in self.worst.items() if k == kind}
            if found:
                name = max(found, key=found.get)
                count = sum(p.schedule.kind == kind for p, _ in self.work)
                self.report.line(f"schedule {kind}: {count} kernels, error {found[name]:.2f} of its tolerance ({name})")


def names(full, kinds):
    return [plan.case_name(kind, what) for plan in plans(full, kinds) for kind, what in plan.cases(full)]


def available(tool, report, kinds):
    """Those of `kinds` that this rwkv-run has."""
    if set(kinds) != {"step"} and b"--chunk" not in tool.run("call", "--help", cache=tool.folder).stdout:
        report.skipped("schedules", "this rwkv-run has no --chunk: only step is run")
        return [k for k in kinds if k == "step"]
    return kinds


def run(tool, report, seed, full, kinds, selected):
    if not tool.library:
        report.skipped("schedules", "no librwkv_rt.so: they are run through the library")
        return
    if "chunk" in kinds and not has_matrix_instructions():
        report.skipped("schedules/*/bf16*/chunk* by matrix instructions", "this machine has none: by vectors instead")
    Schedules(tool, report, seed, full, kinds, selected).run()
