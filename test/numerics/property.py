#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Property tests: random token regions, compiled with every schedule that they allow, against a float64 interpreter.

For each seed a region is drawn, nine of ten legal by construction (random_regions/generate.py), with numbers for it.
Each schedule must give what the interpreter gives, for two batches of other lengths, packed or not, and for the same
tokens in two calls; rwkv-run and the library must give the same bits; NaN in one head of one sequence must stay there.
A region that fails is made smaller for as long as it fails in the same way, then printed (and written to --keep) with
its numbers and the command to run it again.

Interpreters with a mistake (random_regions/mistakes.py) must each disagree with what some region gives: a test that
passes everything would be worth nothing.

A schedule that the rules of random_regions/legality.py promise must be accepted. Regions that go beyond these rules, or
break them, may be refused; what is accepted must be right."""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import secrets
import shlex
import shutil
import sys
import tempfile
import time
import traceback

import numpy as np

from random_regions import compare, mistakes, operands
from random_regions.generate import generate
from random_regions.legality import analyse
from random_regions.region import Region
from random_regions.shrink import shrink, size
import tool as program
from tool import Failed, Kernel, Tool

EXAMPLES = """examples:
  property.py --tool build/bin/rwkv-run
  property.py --tool build/bin/rwkv-run --count 3000 --seed 1 --keep failures
  property.py --tool build/bin/rwkv-run --only-seed 1234 --schedules step,chunk
  property.py --only-seed 1234 --print                                            # the region, without running it
  property.py --tool build/bin/rwkv-run --again failures/1234-chunk               # what --keep has written
"""

SCHEDULES = ("step", "scan", "chunk", "cut", "split")
CHUNKS = (1, 2, 3, 4, 5, 7, 8, 16, 32)
SHRUNK = 4  # failures that are made smaller, by default; the others are only reported
ALIKE = 2  # of these at most, that fail in the same way
PATIENCE = 5  # seconds for a smaller region, where the fault is that rwkv-run does not end
ENOUGH = 150  # regions, to make each mistake noticed
REFUSED = 1  # exit code of rwkv-run for a spec that it does not compile


class Failure(Exception):
    """`way` says in what way something fails: what stays the same while it is made smaller."""

    def __init__(self, way, text):
        super().__init__(text)
        self.way, self.text = way, text


@dataclasses.dataclass
class Work:
    """A region with everything that can be made ready in another thread."""

    seed: int
    region: Region
    verdict: object
    cases: list
    expected: list
    kernels: dict  # schedule: (chunk, Kernel, results of rwkv-run) or (chunk, None, Failure)
    seconds: dict  # schedule: how long rwkv-run took


def without_names(message):
    """A message of the compiler without what changes when a region is made smaller; of a refusal, the reason."""
    lines = [x for x in message.splitlines() if "error:" in x or "note:" in x] or message.splitlines()[:1]
    text = re.sub(r"^.*?(error|note): ", "", lines[-1])
    return re.sub(r"\d+", "N", re.sub(r"'?[!%]?[\w.]*<[^>]*>+'?|[%!]\w+|'[\w.]+'", "_", text))


def options(schedule, chunk):
    if schedule == "cut":  # into segments of at least 8 chunks
        return ["--schedule=chunk", f"--chunk={min(chunk, 3)}", "--fill=64"]
    if schedule == "split":  # the values of a head, over two tasks
        return ["--schedule=chunk", f"--chunk={chunk}", "--fill=0", "--split=2"]
    return [f"--schedule={schedule}"] + ([f"--chunk={chunk}"] if schedule != "step" else [])


def given(region, case):
    """The arguments of the function."""
    ordered = [*region.of_clause("over"), *region.of_clause("const"), *region.states]
    arrays = [case.arrays[x.name] for x in ordered]
    if region.packed:
        arrays.append(np.concatenate([[0], np.cumsum(case.lengths)]).astype(np.int32))
    return arrays


def compile_region(tool, name, region, case, schedule, chunk):
    """(Kernel, what rwkv-run made of the case)."""
    count = len(region.operands) + len(region.states)
    types = [region.element] * count + (["i32"] if region.packed else [])
    folder = tool.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    path = tool.folder / f"{name}.mlir"
    path.write_text(region.text())
    kernel = Kernel(tool, path, "f", name, types, [region.element] * len(region.names()))
    try:
        return kernel, kernel.run(given(region, case), options(schedule, chunk))
    except Failed as failure:
        message = str(failure)
        code = re.search(r"exit code (-?\d+): (.*)", message, re.DOTALL)
        if not code:
            raise Failure(("no end",), message) from None
        if int(code[1]) != REFUSED:
            raise Failure(("crash",), message) from None
        text = code[2].replace(str(path), f"{name}.mlir")
        refused = re.search("schedule [a-z]+ is not legal|cannot be (cut into segments|split along)|expected a split", text)
        way = "refused" if refused else "stopped"
        raise Failure((way, without_names(text)), text) from None
    finally:
        path.unlink()


def discard(tool, kernel):
    kernel.close()
    shutil.rmtree(kernel.folder, ignore_errors=True)


def check_values(region, case, expected, found, what):
    """The error of the worst result in units of what is allowed."""
    worst, text = 0.0, ""
    for name, x in zip(region.names(), found):
        ratio, where = compare.judge(region, case, name, x, expected[name])
        if ratio > worst:
            worst, text = ratio, where
    if not worst <= 1:
        raise Failure(("values" if np.isfinite(worst) else "not finite",), f"{what}: {text}")
    return worst


def call(kernel, region, case):
    try:
        return kernel.call(given(region, case))
    except Failed as failure:
        raise Failure(("call", str(failure).split(":")[0]), str(failure)) from None


def in_two_calls(kernel, region, case, expected, cut):
    """The same tokens in two calls, the states carried."""
    outputs, arrays = [], dict(case.arrays)
    for begin, end in ((0, cut), (cut, case.tokens)):
        piece = {o.name: case.arrays[o.name][:, begin:end] for o in region.of_clause("over")}
        part = operands.Case(case.batch, end - begin, None, {**arrays, **piece})
        found = dict(zip(region.names(), call(kernel, region, part)))
        arrays.update({s.name: found[s.name] for s in region.states})
        outputs.append(found)
    joined = [np.concatenate([o[n] for o in outputs], 1) for n in region.outputs]
    found = joined + [outputs[1][s.name] for s in region.states]
    return check_values(region, case, expected, found, f"cut at {cut}")


def check_confined(kernel, region, case, found):
    """NaN in all that one head of one sequence has of its own: the other heads and sequences keep their bits."""
    sequence, head = case.sequences - 1, region.heads // 2
    spoilt = operands.Case(case.batch, case.tokens, case.lengths, dict(case.arrays))
    tokens = slice(None)
    if case.lengths is not None:
        tokens = slice(sum(case.lengths[:sequence]), sum(case.lengths[: sequence + 1]))
    for x in [*region.of_clause("over"), *region.states]:
        array = spoilt.arrays[x.name] = case.arrays[x.name].copy()
        if x in region.states:
            array[sequence, head] = np.nan
        elif x.heads == region.heads:
            array[sequence if case.lengths is None else 0, tokens, head] = np.nan
    for name, before, after in zip(region.names(), found, call(kernel, region, spoilt)):
        parts = [compare.slices(region, case, name, x) for x in (before, after)]
        for i, (x, y) in enumerate(zip(*parts)):
            where = f"sequence {i // region.heads}, head {i % region.heads}"
            if i != sequence * region.heads + head:
                if x.tobytes() != y.tobytes():
                    raise Failure(("confined",), f"{case.name()}: NaN in another head changes {name} of {where}")
            elif name not in region.outputs and not np.isnan(y).any():
                raise Failure(("confined",), f"{case.name()}: NaN does not show in {name} of {where}")


def check_kernel(kernel, region, cases, expected, first, steps=None):
    """Every property of one compiled region; the worst error. `steps`: what step found, which chunk and scan should be
    as close to as to the reference."""
    worst = check_values(region, cases[0], expected[0], first, "rwkv-run")
    results = []
    for i, (case, reference) in enumerate(zip(cases, expected)):
        found = call(kernel, region, case)
        results.append(found)
        if i == 0 and [x.tobytes() for x in found] != [x.tobytes() for x in first]:
            raise Failure(("bits",), "rwkv-run and the library differ")
        worst = max(worst, check_values(region, case, reference, found, case.name()))
        if steps:
            near = {
                n: compare.Reference(x.astype(np.float64), reference[n].moved) for n, x in zip(region.names(), steps[i])
            }
            check_values(region, case, near, found, f"{case.name()} against step")
    check_confined(kernel, region, cases[-1], results[-1])
    case = cases[0]
    if case.lengths is None and case.tokens > 1:
        cut = 1 + case.tokens * 5 // 8 % (case.tokens - 1)
        worst = max(worst, in_two_calls(kernel, region, case, expected[0], cut))
    return worst, results


class Properties:
    def __init__(self, tool, report, schedules, keep=None, jobs=2, again="property.py", shrinks=SHRUNK):
        self.tool, self.report, self.keep, self.jobs, self.again = tool, report, keep, jobs, again
        self.shrinks = shrinks
        self.schedules = self.known(schedules)
        self.count = {"must": {}, "may": {}, "no": {}, "refused": {}}
        self.features, self.refusals, self.worst = {}, {}, {}
        self.alike, self.slowest = {}, {}
        self.unnoticed, self.regions = list(mistakes.NAMES), 0

    def known(self, wanted):
        """Those schedules that the tool has."""
        help_ = self.tool.checked("call", "--help", cache=self.tool.folder / "cache").stdout.decode()
        line = next((x for x in help_.splitlines() if "--schedule" in x), "")
        by_option = {"cut": "--fill", "split": "--split"}
        found = [s for s in wanted if re.search(rf"\b{s}\b", line) or by_option.get(s, "none") in help_]
        for s in wanted:
            if s not in found:
                self.report.skipped(f"property/{s}", "rwkv-run has no such schedule")
        return found

    # ---- one region

    def prepare(self, seed):
        """In a thread: draws, interprets, compiles."""
        try:
            region, hard = generate(seed)
            rng = np.random.default_rng([seed, 2])
            cases = [operands.draw(region, rng, hard) for _ in range(2)]
            chunk = int(rng.choice(CHUNKS))
            work = Work(seed, region, analyse(region), cases, [], {}, {})
            work.expected = [compare.references(region, case) for case in cases]
            for schedule in self.schedules:
                if work.verdict.schedules[schedule] == "no" and not work.verdict.broken:
                    continue
                try:
                    name, start = f"{seed}-{schedule}", time.monotonic()
                    kernel, first = compile_region(self.tool, name, region, cases[0], schedule, chunk)
                    work.kernels[schedule] = chunk, kernel, first
                    work.seconds[schedule] = time.monotonic() - start
                except Failure as failure:
                    work.kernels[schedule] = chunk, None, failure
            return work
        except Exception:  # a fault of the test: shown as a failure of this seed
            return seed, traceback.format_exc()

    def check(self, work):
        steps = None
        self.regions += 1
        for feature in work.verdict.features:
            self.features[feature] = self.features.get(feature, 0) + 1
        for schedule, seconds in work.seconds.items():
            self.slowest[schedule] = max(self.slowest.get(schedule, (0.0, 0)), (seconds, work.seed))
        for schedule, (chunk, kernel, first) in work.kernels.items():
            label = work.verdict.schedules[schedule]
            self.add(label, schedule)
            name = f"property/{work.seed}/{schedule}"
            failure = None
            if kernel is None:
                failure = first
                if first.way[0] == "refused" and label != "must":
                    self.add("refused", label + schedule)
                    key = schedule, first.way[1]
                    self.refusals[key] = self.refusals.get(key, 0) + 1
                    continue
            else:
                try:
                    worst, results = check_kernel(kernel, work.region, work.cases, work.expected, first, steps)
                    self.worst[schedule] = max(self.worst.get(schedule, 0.0), worst)
                    self.make_mistakes(work, results)
                    steps = results if schedule == "step" else steps
                except Failure as found:
                    failure = found
                finally:
                    discard(self.tool, kernel)
            with self.report.case(name):
                if failure:
                    raise Failed(self.explain(work, schedule, chunk, failure))

    def make_mistakes(self, work, results):
        """Crosses off mistakes that these right results tell from the truth."""
        for name in list(self.unnoticed):
            made = mistakes.apply(name, work.cases[0])
            if not made:
                continue
            with np.errstate(all="ignore"):
                wrong = compare.references(work.region, *made)
            found = dict(zip(work.region.names(), results[0]))
            judged = [compare.judge(work.region, work.cases[0], n, found[n], wrong[n])[0] for n in found]
            if max(judged, default=0.0) > 1:
                self.unnoticed.remove(name)

    def add(self, label, schedule):
        self.count[label][schedule] = self.count[label].get(schedule, 0) + 1

    # ---- failures

    def fails(self, schedule, way, region, case, chunk):
        """The failure of a smaller region, if it fails in the same way."""
        expected = compare.references(region, case)
        if not all(np.isfinite(r.exact).all() for r in expected.values()):
            return None
        kernel, limit = None, program.LIMIT
        if way == ("no end",):
            program.LIMIT = PATIENCE
        try:
            kernel, first = compile_region(self.tool, "smaller", region, case, schedule, chunk)
            check_kernel(kernel, region, [case], [expected], first)
        except Failure as failure:
            return failure if failure.way == way else None
        finally:
            program.LIMIT = limit
            if kernel:
                discard(self.tool, kernel)
        return None

    def explain(self, work, schedule, chunk, failure):
        """What failed, and the smallest region found that fails too."""
        command = f"{self.again} --only-seed {work.seed} --schedules {schedule}"
        text = f"{failure.text}\n       again: {command}"
        alike = schedule, failure.way
        self.alike[alike] = self.alike.get(alike, 0) + 1
        if self.shrinks <= 0 or self.alike[alike] > ALIKE:
            return text
        self.shrinks -= 1
        region, case, last = work.region, work.cases[0], failure

        def fails(r, c, n):
            nonlocal last
            found = self.fails(schedule, failure.way, r, c, n)
            last = found or last
            return found is not None

        for other in work.cases:  # one case alone; where only both together fail, the first is shown as it is
            if fails(region, other, chunk):
                seconds = 240 if failure.way == ("no end",) else 90
                region, case, chunk = shrink(region, other, chunk, schedule, fails, seconds)
                break
        before, after = size(work.region, work.cases[0]), size(region, case)
        shown = [f"\n       {before[0]} ops and {before[1]} numbers, made smaller: {after[0]} and {after[1]}"]
        shown.append(f"       {last.text}")
        shown.append(f"       rwkv-run call region.mlir f .. {' '.join(options(schedule, chunk))}")
        if case.lengths is not None:
            shown.append(f"       lengths {case.lengths}")
        shown += [f"       | {line}" for line in region.text().splitlines()]
        for name, x in case.arrays.items():
            with np.printoptions(precision=9, threshold=40, linewidth=100):
                inner = str(x.reshape(-1)).replace("\n", "\n         ")
            shown.append(f"       {name} {list(x.shape)}: {inner}")
        if self.keep:
            folder = self.write(work.seed, region, case, schedule, chunk, last)
            shown.append(f"       kept: {self.again} --again {folder}")
        return text + "\n".join(shown)

    def write(self, seed, region, case, schedule, chunk, failure):
        """A folder with everything that is needed to run a failure again."""
        folder = self.keep / f"{seed}-{schedule}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "region.mlir").write_text(region.text())
        inputs = given(region, case)
        for i, x in enumerate(inputs):
            wide = x.dtype == np.int32 or region.element == "f64"
            np.save(folder / f"in{i}.npy", x if wide else x.astype(np.float32))
        for i, reference in enumerate(compare.references(region, case).values()):
            np.save(folder / f"expected{i}.npy", reference.exact)
        names = [f"in{i}.npy" for i in range(len(inputs))]
        command = ["rwkv-run", "call", "region.mlir", "f", *names, "-o", "out", *options(schedule, chunk)]
        (folder / "command.txt").write_text(shlex.join(command) + f"\n\n{failure.text}\n")
        return folder

    # ---- running

    def run(self, seeds):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            waiting = []
            seeds = iter(seeds)
            while True:
                # Not all at once: what is compiled and not yet looked at lies in memory and on disk.
                while len(waiting) < 2 * self.jobs + 2 and (seed := next(seeds, None)) is not None:
                    waiting.append(pool.submit(self.prepare, seed))
                if not waiting:
                    break
                work = waiting.pop(0).result()
                if isinstance(work, tuple):
                    with self.report.case(f"property/{work[0]}"):
                        raise Failed(work[1])
                else:
                    self.check(work)
        self.summary()

    def summary(self):
        if self.regions >= ENOUGH and "step" in self.schedules:
            with self.report.case("property/mistakes"):
                if self.unnoticed:
                    raise Failed(f"too weak: no region tells the truth from: {', '.join(self.unnoticed)}")
        for schedule in self.schedules:
            must, may, no = (self.count[label].get(schedule, 0) for label in ("must", "may", "no"))
            refused = [self.count["refused"].get(label + schedule, 0) for label in ("may", "no")]
            self.report.line(
                f"{schedule:6} {must} regions must run, {may} may ({refused[0]} refused), {no} break a rule"
                f" ({refused[1]} refused); error at most {self.worst.get(schedule, 0.0):.2g} of what is allowed"
            )
        slowest = [f"{name} {s:.1f} s (seed {seed})" for name, (s, seed) in self.slowest.items()]
        self.report.line(f"slowest to compile and run: {', '.join(slowest)}")
        for (schedule, text), n in sorted(self.refusals.items(), key=lambda x: -x[1]):
            self.report.line(f"  refused with {schedule}, {n} times: {text}")
        features = sorted(self.features.items(), key=lambda x: -x[1])
        self.report.line("of these: " + ", ".join(f"{name} {n}" for name, n in features))


def run(tool, report, seed, count, schedules=SCHEDULES, keep=None, jobs=2):
    """Regions `seed` .. `seed + count - 1`."""
    Properties(tool, report, schedules, keep, jobs).run(range(seed, seed + count))


# ---- as a program


def again(tool, folder):
    """Runs what --keep has written."""
    command = shlex.split((folder / "command.txt").read_text().splitlines()[0])[1:]
    known = {p.name: p for p in folder.iterdir()}
    out = tool.folder / "out"
    command[command.index("-o") + 1] = str(out)
    try:
        tool.checked(*[known.get(word, word) for word in command], "--quiet", cache=tool.folder / "cache")
    except Failed as failure:
        print(failure)
        return 1
    worst = 0.0
    for i in range(len(list(folder.glob("expected*.npy")))):
        expected, found = np.load(folder / f"expected{i}.npy"), np.load(f"{out}{i}.npy")
        error = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-9) if expected.size else 0.0
        print(f"result {i}: error {error:.3g} of the largest number\n  expected {expected.ravel()[:8]}")
        print(f"  found    {found.ravel()[:8]}")
        worst = max(worst, error) if np.isfinite(error) else np.inf
    return 0 if worst < 1e-4 else 1


def main():
    from run import Report, find_library

    class Plain(Report):
        def fail(self, name, why):
            self.failed += 1
            print(f"FAILED {name}: {why}", flush=True)

    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tool", default=os.environ.get("RWKV_RUN"), help="rwkv-run (default: $RWKV_RUN)")
    parser.add_argument(
        "--library", default=os.environ.get("RWKV_RT"), help="librwkv_rt.so (default: $RWKV_RT, or beside the tool)"
    )
    parser.add_argument("--count", type=int, default=300, help="regions (default 300)")
    parser.add_argument("--seed", type=int, help="of the first region (default: $RWKV_SEED, else a new one)")
    parser.add_argument("--only-seed", type=int, metavar="N", help="this region alone")
    parser.add_argument("--schedules", default=",".join(SCHEDULES), help="default: step,scan,chunk,cut,split")
    parser.add_argument("--jobs", type=int, default=2, help="kernels compiled at a time (default 2)")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="where failing regions are written")
    parser.add_argument("--again", type=pathlib.Path, metavar="DIR", help="run a folder that --keep has written")
    parser.add_argument("--shrink", type=int, default=SHRUNK, metavar="N", help="failures to make smaller (default 4)")
    parser.add_argument("--print", action="store_true", help="print the regions, and run nothing")
    parser.add_argument("--verbose", action="store_true", help="a line per region that passes, too")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else int(os.environ.get("RWKV_SEED") or secrets.randbits(31))
    seeds = [args.only_seed] if args.only_seed is not None else range(seed, seed + args.count)
    schedules = args.schedules.split(",")
    if set(schedules) - set(SCHEDULES):
        parser.error(f"expected schedules among {', '.join(SCHEDULES)}, found {args.schedules}")
    if args.print:
        for s in seeds:
            region, _ = generate(s)
            verdict = analyse(region)
            labels = ", ".join(f"{k} {v}" for k, v in verdict.schedules.items())
            print(f"// seed {s}: {labels}\n// {', '.join(sorted(verdict.features))}\n{region.text()}")
        return 0
    if not args.tool:
        parser.error("expected rwkv-run: --tool PATH or $RWKV_RUN")
    path = pathlib.Path(args.tool)
    if not path.exists():
        parser.error(f"{path}: no such file")
    library = args.library or find_library(path.resolve())
    report = Plain(seed, args.verbose)
    folder = tempfile.mkdtemp(prefix="rwkv-property-")
    start = time.monotonic()
    try:
        if args.again:
            return again(Tool(path, None, folder), args.again)
        if not library:
            print("property.py: expected librwkv_rt.so (target rwkv_rt_shared) beside the tool or in --library, found none")
            return 1
        try:
            tool = Tool(path, library, folder)
        except OSError as error:
            print(f"property.py: {error}")
            return 1
        print(f"regions {seeds[0]} .. {seeds[-1]}", flush=True)
        again_ = f"property.py --tool {path}"
        Properties(tool, report, schedules, args.keep, args.jobs, again_, args.shrink).run(seeds)
    finally:
        shutil.rmtree(folder)
    return report.finish(start)


if __name__ == "__main__":
    sys.exit(main())
