#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures how long the compiler takes for every layer of examples/ladder: to derive a schedule from the region (generalise,
analyse, choose, fuse, expand: the passes from the region to tile programs), and the whole way to a pack with code:

    derivation.py                       prints milliseconds per layer and the largest, the best of several runs
    derivation.py --most 50             fails if a derivation takes longer
    derivation.py --target sm_90a --elements bf16 --schedule auto       code for a GPU, several kernels to a pack

Needs numpy, for the sizes of the tests' recurrences, and rwkv-opt."""

import argparse
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import types

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "test" / "numerics"))

import inputs  # noqa: E402
import numpy as np  # noqa: E402
import schedules  # noqa: E402
from legality import legality  # noqa: E402
from matrix import Plan  # noqa: E402
from recurrences import ALL  # noqa: E402
from recurrences.ladder import LADDER  # noqa: E402
from spec import Types  # noqa: E402

DERIVING = ("RwkvGeneralizePass", "RwkvSchedulePass", "RwkvFusePass", "RwkvExpandPass")


def milliseconds(opt, spec, function, arguments, schedule, chunk):
    """Of the passes that derive, by the compiler's own clock."""
    named = ",".join(f"a{i}={a}" for i, a in enumerate(arguments))
    inner = f"cse,rwkv-schedule{{schedule={schedule} chunk={chunk}}},rwkv-fuse"
    passes = f"rwkv-generalize,inline,rwkv-specialize{{function={function} arguments={named}}},func.func({inner}),rwkv-expand"
    command = [opt, spec, f"--pass-pipeline=builtin.module({passes})", "--mlir-timing", "--mlir-timing-display=list"]
    done = subprocess.run([*map(str, command), "--mlir-disable-threading", "-o", "/dev/null"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{spec}: {done.stderr}")
    times = {name: float(time) for time, name in re.findall(r"^ +([\d.]+) \( *[\d.]+%\)  (\S+)$", done.stderr, re.MULTILINE)}
    missing = [name for name in DERIVING if name not in times]
    if missing:
        sys.exit(f"expected times of {', '.join(missing)}, found:\n{done.stderr}")
    return 1e3 * sum(times[name] for name in DERIVING)


def seconds_to_pack(opt, spec, function, arguments, schedule, chunk, target):
    """Processor time of the whole compiler."""
    command = [opt, spec, "--function", function, *(x for a in arguments for x in ("--argument", a)), "--emit=pack"]
    command += [f"--schedule={schedule}", f"--chunk={chunk}", f"--target={target}", "-o", "/dev/null"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([*map(str, command)], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opt", type=pathlib.Path, default=SOURCE / "build/bin/rwkv-opt")
    parser.add_argument("--size", type=int, default=64, help="of key and value axes")
    parser.add_argument("--chunk", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--target", default="x86-64-v4", help="of the code")
    parser.add_argument("--schedule", help="of the code (default: chunk where it is legal, else scan, else step)")
    parser.add_argument("--elements", help="of operands and outputs, states being f32 (default: those of the tests)")
    parser.add_argument("--no-code", action="store_true", help="derive only")
    parser.add_argument("--most", type=float, help="milliseconds that a derivation may take")
    args = parser.parse_args()
    derived = []
    with tempfile.TemporaryDirectory() as folder:
        for r in ALL:
            if r.name not in LADDER:
                continue
            schedule = next(kind for kind in ("chunk", "scan", "step") if kind == "step" or legality(r.name, kind) == "yes")
            elements = Types(args.elements, "f32", args.elements) if args.elements else r.types[0] if r.types else Types()
            plan = Plan(r, elements, schedules.scaled(r, args.size, args.size), 0, False)
            kernel = plan.kernel(types.SimpleNamespace(folder=pathlib.Path(folder), library=None), plan.name)
            seen = inputs.make(r, plan.types, plan.sizes, 1, 2, np.random.default_rng(0), "normal", None)[1]
            arguments = ["x".join([*map(str, seen[n].shape), t]) for n, t in zip(r.operands(), plan.input_types)]
            what = args.opt, kernel.spec, kernel.function, arguments
            chunk = args.chunk if schedule != "step" else 0
            best = min(milliseconds(*what, schedule, chunk) for _ in range(args.repeats))
            derived.append((best, r.name))
            chosen = (args.schedule, 0) if args.schedule else (schedule, chunk)
            code = "" if args.no_code else f"{1e3 * seconds_to_pack(*what, *chosen, args.target):10.0f} ms to a pack"
            print(f"{r.name.removeprefix('ladder-'):24}{schedule:8}{best:8.2f} ms{code}", flush=True)
    largest, name = max(derived)
    print(f"largest derivation: {largest:.2f} ms ({name.removeprefix('ladder-')}), of {len(derived)} layers")
    if args.most and largest > args.most:
        sys.exit(f"derivation.py: expected at most {args.most} ms")


if __name__ == "__main__":
    main()
