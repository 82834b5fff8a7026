#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numerics tests: recurrences against float64 references, RWKV-7 checkpoints against stored and computed logits.

Needs python3 with numpy and a built rwkv-run; uses librwkv_rt.so (target rwkv_rt_shared) if it is there."""

import argparse
import contextlib
import fnmatch
import os
import pathlib
import secrets
import shutil
import sys
import tempfile
import time
import traceback

EXAMPLES = """examples:
  run.py --tool build/bin/rwkv-run
  RWKV_RUN=build/bin/rwkv-run RWKV_SEED=7 run.py --full
  run.py --tool build/bin/rwkv-run --only 'wkv7/*' --seed 7        # the cases of one recurrence
"""


class Report:
    """Counts, and says what failed and how to run it again."""

    def __init__(self, seed, verbose):
        self.seed, self.verbose = seed, verbose
        self.passed = self.failed = self.skips = 0

    @contextlib.contextmanager
    def case(self, name):
        from tool import Failed

        try:
            yield
        except Failed as failure:
            self.fail(name, str(failure))
        except Exception as error:  # a fault of the test is a failure like any other
            self.fail(name, "".join(traceback.format_exception(type(error), error, error.__traceback__)[-3:]).strip())
        else:
            self.passed += 1
            if self.verbose:
                print(f"passed {name}")

    def fail(self, name, why):
        self.failed += 1
        print(f"FAILED {name}: {why}\n       again: run.py --seed {self.seed} --only '{name}'", flush=True)

    def skipped(self, name, why, count=1):
        self.skips += count
        print(f"skipped {name}: {why}", flush=True)

    def finish(self, start=None):
        """The last lines, and the exit code."""
        if start is not None:
            print(f"{time.monotonic() - start:.0f} s")
        print(f"{self.passed} passed, {self.failed} failed, {self.skips} skipped")
        return 1 if self.failed else 0

    def line(self, text):
        print(text, flush=True)


def find_library(tool):
    for candidate in [tool.parent.parent / "runtime" / "librwkv_rt.so", tool.parent.parent / "lib" / "librwkv_rt.so"]:
        if candidate.exists():
            return candidate
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tool", default=os.environ.get("RWKV_RUN"), help="rwkv-run (default: $RWKV_RUN)")
    parser.add_argument(
        "--library", default=os.environ.get("RWKV_RT"), help="librwkv_rt.so (default: $RWKV_RT, or beside the tool)"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of the random inputs (default: $RWKV_SEED, else a new one)"
    )
    parser.add_argument("--full", action="store_true", help="more sizes and element types")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="cases whose name matches (repeatable)")
    parser.add_argument(
        "--schedules",
        default="step,scan,chunk",
        metavar="LIST",
        help="of step, scan, chunk: for the cases schedules/* (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="names of the cases of the matrix, and nothing more")
    parser.add_argument("--verbose", action="store_true", help="a line per case that passes, too")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else int(os.environ.get("RWKV_SEED") or secrets.randbits(31))
    print(f"seed {seed}", flush=True)
    try:
        import numpy  # noqa: F401
    except ImportError:
        print("skipped everything: expected the Python package numpy, found none")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    import asserted
    import matrix
    import models
    import schedules
    from tool import Tool

    def selected(name):
        return not args.only or any(fnmatch.fnmatch(name, p) or name.startswith(p + "/") for p in args.only)

    kinds = args.schedules.split(",")
    if not set(kinds) <= set(schedules.KINDS):
        parser.error(f"expected some of {','.join(schedules.KINDS)} in --schedules, but got {args.schedules}")
    if args.list:
        for plan in matrix.plans(args.full):
            for kind, what in plan.cases(args.full):
                print(matrix.case_name(plan, kind, what))
        for name in schedules.names(args.full, kinds):
            print(name)
        return 0
    if not args.tool:
        parser.error("expected rwkv-run: --tool PATH or $RWKV_RUN")
    path = pathlib.Path(args.tool)
    if not path.exists():
        parser.error(f"{path}: no such file")
    library = args.library or find_library(path.resolve())
    report = Report(seed, args.verbose)
    if not library:
        report.skipped(
            "library", "no librwkv_rt.so beside the tool or in --library: outputs are not poisoned, no C API tests"
        )
    start = time.monotonic()
    folder = tempfile.mkdtemp(prefix="rwkv-numerics-")
    try:
        tool = Tool(path, library, folder)
        matrix.Matrix(tool, report, seed, args.full, selected).run()
        kinds = schedules.available(tool, report, kinds)
        schedules.run(tool, report, seed, args.full, kinds, selected)
        asserted.run(tool, report, seed, kinds, selected)
        models.run(tool, report, seed, args.full, selected)
    finally:
        shutil.rmtree(folder)
    return report.finish(start)


if __name__ == "__main__":
    sys.exit(main())
