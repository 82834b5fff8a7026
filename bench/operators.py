#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times recurrences on a device, in two steps, so that the machine with the device needs no compiler:

    operators.py prepare --packs build/operators --target sm_90a            a pack per layer, schedule and shape
    operators.py run     --packs build/operators --device cuda --out operators.json

Operands and outputs are bf16, states f32. Every kernel is checked in the same run: its outputs for the first tokens of all
heads and, of longer sequences, for the last ones of a head, of the first and the last sequence, against float64. Prints
milliseconds (median), the time that moving the operands and outputs once would take, and the relative L2 error; the JSON also
says which device it was, and of which commit the packs were. Needs numpy, and librwkv_rt.so for `run`.

One token (T = 1, as in decoding) of many sequences is mostly its states, which then count as moved. On a GPU it is timed as a
CUDA graph of calls on different operands, states and outputs, so many that they do not fit the L2 cache by far."""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import types

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "test" / "numerics"))

import graphs  # noqa: E402
import inputs  # noqa: E402
import schedules  # noqa: E402
from matrix import Plan  # noqa: E402
from recurrences import ALL  # noqa: E402
from spec import Types, slices  # noqa: E402
from tool import Library, encode  # noqa: E402

BF16 = Types("bf16", "f32", "bf16")
CHECKED = 64  # tokens
DRAWN = 512  # tokens of random operands, repeated along time: more would take longer to draw than to run
LAYERS = "rwkv7,rwkv6,gla,gated-deltanet,kda,deltanet,delta-product,retention,mamba2,rwkv4"


def plan_of(layer, shape, size, schedule, values=0):
    batch, tokens, heads = shape
    r = next(r for r in ALL if r.name == f"ladder-{layer}")
    sizes = {**schedules.scaled(r, size, values or size), "H": heads, "M": size // 2, "N": size // 2}
    plan = Plan(r, BF16, sizes, 0, False)
    width = f"{size}v{values}" if values else size
    plan.label = f"{layer}-{width}-{batch}x{tokens}x{heads}-{schedule.replace(':', '')}"
    return plan


def draw(plan, batch, tokens, seed):
    """Operands of at most DRAWN tokens of one sequence, and as they are stored and passed: repeated."""
    rng = np.random.default_rng(seed)
    drawn = min(DRAWN, tokens)
    seen = inputs.make(plan.r, plan.types, plan.sizes, 1, drawn, rng, "normal", None)[1]

    def whole(name, x, dtype):
        x = encode(x.astype(np.float32), dtype)
        if name in plan.r.consts:
            return x
        repeats = [batch] + ([-(-tokens // drawn)] if name in plan.r.over else [1]) + [1] * (x.ndim - 2)
        x = np.tile(x, repeats)
        return x[:, :tokens] if name in plan.r.over else x

    return seen, {n: whole(n, seen[n], t) for n, t in zip(plan.r.operands(), plan.input_types)}


def reference(plan, seen, tokens):
    """{output: [1, tokens, ..] in float64} of the operands as they are stored."""
    run = schedules.Run(plan, {n: x[:, :tokens] if n in plan.r.over else x for n, x in seen.items()}, [tokens])
    return run.outputs


def last_of_head(plan, seen, tokens, count):
    """{output: [1, count, 1, ..]}: the last tokens of the first head, whose operands are repeated."""
    over, consts, states = slices(plan.r, seen, plan.sizes["H"], np.float64)
    over, consts = {n: x[:, :, :1] for n, x in over.items()}, {n: x[:, :1] for n, x in consts.items()}
    states = {n: x[:, :1] for n, x in states.items()}
    collected = []
    for t in range(tokens):
        x = types.SimpleNamespace(**{n: x[:, t % x.shape[1]] for n, x in over.items()}, **consts)
        outputs, following = plan.r.step(x, types.SimpleNamespace(**states), None)
        states = dict(zip(plan.r.states, following))
        collected = [*collected[-count + 1 :], outputs]
    return {n: np.stack([c[i] for c in collected], 1) for i, n in enumerate(plan.r.outputs)}


def error_of(found, expected):
    """Relative L2 of the first and the last sequence; infinite if anything is not finite."""
    if not np.isfinite(found).all():
        return float("inf")
    found = found[[0, -1]].astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(np.broadcast_to(expected, found.shape)))


def sets_of(tokens, size, cache):
    """How many sets of operands of this size take turns, so that none is found in a cache of so many bytes."""
    return min(512, -(-3 * cache // size)) if tokens == 1 else 1 + min(15, 2 * cache // size)


def moved(plan, tokens, size, written):
    """Bytes that have to be read and written: {operand: its size}, and the outputs."""
    states = 2 * sum(size[n] for n in plan.r.states) if tokens == 1 else 0
    return sum(size[n] for n in plan.r.over) + states + written


def time_steps(args, model, plan, operands, first):
    """Milliseconds of a call among many on different arrays."""
    arrays = list(zip(plan.r.operands(), plan.input_types))
    size = sum(x.bytes for side in first for x in side)
    sets = [first]
    with graphs.Device(args.device) as device:
        while len(sets) < sets_of(1, size, device.cache()):
            given = [model.place(operands[n], t, encoded=True) for n, t in arrays]
            sets.append((given, model.outputs_for(plan.r.function, given)))
        for given, results in sets:
            model.launch(plan.r.function, given, results)
        model.finish()

        def work(stream):
            for given, results in sets:
                model.launch(plan.r.function, given, results, stream)

        times = device.time(work, args.repeats)
    for side in (side for one in sets[1:] for side in one):
        for array in side:
            array.close()
    return statistics.median(times) / len(sets)


def prepare(args, plan, schedule, shape, folder):
    kernel = plan.kernel(types.SimpleNamespace(folder=folder, library=None), plan.label)
    seen = inputs.make(plan.r, plan.types, plan.sizes, 1, 2, np.random.default_rng(0), "normal", None)[1]
    arguments = []
    for name, dtype in zip(plan.r.operands(), plan.input_types):
        arguments += ["--argument", "x".join([*map(str, seen[name].shape), dtype])]
    kind, *more = schedule.split(":")
    chunk, fill, precision, split = more + ["0", "-1", "auto", "0"][len(more) :]
    command = [args.opt, kernel.spec, "--emit=pack", f"--target={args.target}", "--function", kernel.function, *arguments]
    command += [f"--schedule={kind}", f"--chunk={chunk or 0}", f"--fill={fill or -1}", f"--precision={precision or 'auto'}"]
    command += [f"--split={split}", "-o", args.packs / f"{plan.label}.pack"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{plan.label}: {done.stderr.strip().splitlines()[0]}", file=sys.stderr)


def commit():
    """Of this source tree; `+` behind it: with changes."""
    done = subprocess.run(["git", "-C", SOURCE, "describe", "--always", "--dirty=+"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def describe(device):
    if device.startswith("cuda"):
        with graphs.Device(device) as gpu:
            return gpu.describe()
    return f"{device}, {platform.machine()}"


def run(args, plan, library, batch, tokens):
    path = args.packs / f"{plan.label}.pack"
    if not path.exists():
        return None
    model = library.model(path, threads=args.threads)
    seen, operands = draw(plan, batch, tokens, args.seed)
    given = [model.place(operands[n], t, encoded=True) for n, t in zip(plan.r.operands(), plan.input_types)]
    results = model.outputs_for(plan.r.function, given)
    for result in results:
        result.write(np.full(result.shape, *encode(np.array([np.nan]), result.dtype)), encoded=True)
    model.launch(plan.r.function, given, results)
    model.finish()
    count = min(CHECKED, tokens)
    first = reference(plan, seen, count)
    last = last_of_head(plan, seen, tokens, count) if tokens > count else {}  # else they are among the first
    errors = []
    for name, result in zip(plan.r.outputs, results):
        found = result.read()
        errors.append(error_of(found[:, :count], first[name]))
        errors += [error_of(found[:, -count:, :1], last[name])] if last else []
    if tokens == 1 and args.device.startswith("cuda"):
        milliseconds = time_steps(args, model, plan, operands, (given, results))
    else:
        milliseconds = model.time(plan.r.function, given, results, args.repeats)
    size = {n: x.bytes for n, x in zip(plan.r.operands(), given)}
    total = moved(plan, tokens, size, sum(x.bytes for _, x in zip(plan.r.outputs, results)))
    for array in [*given, *results]:
        array.close()
    model.close()
    return {"ms": milliseconds, "floor_ms": 1e3 * total / (1e12 * args.bandwidth), "error": max(errors)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "run"))
    parser.add_argument("--packs", type=pathlib.Path, required=True, help="folder of packs")
    parser.add_argument("--layers", default=LAYERS, help=f"names of examples/ladder (default: {LAYERS})")
    parser.add_argument("--shapes", default="8x4096x32", help="BxTxH, separated by commas")
    parser.add_argument("--size", type=int, default=64, help="of key and value axes; half of it of each of two key axes")
    parser.add_argument(
        "--values",
        type=int,
        default=0,
        help="of the value axis, if it is another",
    )
    parser.add_argument("--schedules", default="auto,step,chunk:16,chunk:64", help="kind:C:FILL:precision:split or less, by commas")
    parser.add_argument("--target", default="sm_90a", help="of prepare")
    parser.add_argument("--opt", type=pathlib.Path, default=SOURCE / "build/bin/rwkv-opt", help="of prepare")
    parser.add_argument("--device", default="cuda", help="of run")
    parser.add_argument("--threads", type=int, default=0, help="of run on the host (default: one per core)")
    parser.add_argument("--library", type=pathlib.Path, default=SOURCE / "build/runtime/librwkv_rt.so", help="of run")
    parser.add_argument("--bandwidth", type=float, default=3.0, help="TB/s of the device, measured by a copy (default: 3.0)")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="write JSON here")
    args = parser.parse_args()
    args.packs.mkdir(parents=True, exist_ok=True)
    library, origin, made = None, {}, args.packs / "commit"
    if args.step == "run":
        library = Library(args.library, args.device)
        origin = {"device": describe(args.device), "commit": made.read_text() if made.exists() else "unknown"}
    else:
        made.write_text(commit())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for layer in args.layers.split(","):
            for shape in args.shapes.split(","):
                batch, tokens, heads = sizes = tuple(int(n) for n in shape.split("x"))
                for schedule in args.schedules.split(","):
                    plan = plan_of(layer, sizes, args.size, schedule, args.values)
                    if args.step == "prepare":
                        prepare(args, plan, schedule, sizes, pathlib.Path(folder))
                        continue
                    row = run(args, plan, library, batch, tokens)
                    if row:
                        rows.append({"layer": layer, "shape": shape, "size": args.size, "schedule": schedule, **row, **origin})
                        print(
                            f"{layer:16}{shape:>12}{schedule:>10}{row['ms']:11.4f} ms  floor {row['floor_ms']:8.4f}"
                            f"  x{row['ms'] / row['floor_ms']:7.1f}  error {row['error']:.2e}",
                            flush=True,
                        )
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
