#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times prefill of models of examples/rwkv7.mlir with one schedule against another, on the host:

    prefill.py examples/models/rwkv7-small.safetensors .. --out prefill.json      measures
    prefill.py --table prefill.json                                               writes the table of docs/Schedules.md

Runs of the schedules take turns, so that what else the machine does meets all of them. It prints the fastest run of each and
the median, in tokens per second, and the median of the processor time (user mode, all threads) per token, which depends less on
what else runs. Needs numpy, and the targets rwkv-opt and rwkv_rt_shared."""

import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent


def compile_pack(opt, spec, model, schedule, chunk, pack):
    """Writes the pack; gives the schedule that its recurrences run by."""
    common = [opt, spec, "--checkpoint", model, f"--schedule={schedule}", f"--chunk={chunk}"]
    subprocess.run([*map(str, common), "--emit=pack", "-o", str(pack)], check=True)
    said = subprocess.run([*map(str, common), "--rwkv-explain"], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"^  (?:chosen|given) +(.*)$", said, re.MULTILINE)))


def shape_of(model):
    """(layers, heads, head size) from the names and shapes of the tensors."""
    with open(model, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    layers = 1 + max(int(m[1]) for name in header if (m := re.match(r"blocks\.(\d+)\.", name)))
    heads, size = header["blocks.0.att.r_k"]["shape"]
    return layers, heads, size


def measure(args):
    sys.path.insert(0, str(SOURCE / "test" / "numerics"))
    import numpy as np
    from tool import Library

    library, rows = Library(args.library), []
    with tempfile.TemporaryDirectory() as folder:
        for path in args.models:
            layers, heads, size = shape_of(path)
            packs = []
            for schedule in args.schedules.split(","):
                kind, _, chunk = schedule.partition(":")
                pack = pathlib.Path(folder) / f"{path.stem}-{kind}{chunk}.pack"
                runs_by = compile_pack(args.opt, args.spec, path, kind, chunk or 0, pack)
                packs.append((schedule, runs_by, library.model(pack, path, args.threads)))
            for prompt in map(int, args.prompts.split(",")):
                tokens = np.random.default_rng(0).integers(0, packs[0][2].vocabulary(), prompt).tolist()
                seconds, users = [[] for _ in packs], [[] for _ in packs]
                for _ in range(args.rounds + 1):
                    for i, (_, _, model) in enumerate(packs):
                        with model.state(1) as state:
                            user, start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
                            state.prefill([tokens])
                            seconds[i].append(time.perf_counter() - start)
                            users[i].append(resource.getrusage(resource.RUSAGE_SELF).ru_utime - user)
                for (schedule, runs_by, _), wall, user in zip(packs, seconds, users):
                    wall, user = wall[1:], user[1:]  # the first round is to warm up
                    rows.append(
                        {"model": path.stem, "layers": layers, "heads": heads, "size": size, "prompt": prompt}
                        | {"schedule": schedule, "runs_by": runs_by, "threads": args.threads, "rounds": args.rounds}
                        | {"best_s": min(wall), "median_s": statistics.median(wall), "user_s": statistics.median(user)}
                    )
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            for _, _, model in packs:
                model.close()
    return {"cpu": cpu(), "load": os.getloadavg()[0], "rows": rows}


def cpu():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def table(results):
    rows = results["rows"]
    yield "| model | layers x heads x size | tokens | schedule | tokens/s, best (median) | µs of CPU per token | best against the first |"
    yield "|---|---|---|---|---|---|---|"
    first = None
    for r in rows:
        key = r["model"], r["prompt"]
        first = first if first and (first["model"], first["prompt"]) == key else r
        runs_by = r["schedule"] if r["schedule"] == "step" else f"{r['schedule']}: {' and '.join(r['runs_by'])}"
        yield (
            f"| {r['model']} | {r['layers']} x {r['heads']} x {r['size']} | {r['prompt']} | {runs_by} | "
            f"{r['prompt'] / r['best_s']:.0f} ({r['prompt'] / r['median_s']:.0f}) | {1e6 * r['user_s'] / r['prompt']:.1f} | "
            f"{first['best_s'] / r['best_s']:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, help="checkpoints")
    parser.add_argument("--table", type=pathlib.Path, help="write the table of these results, and measure nothing")
    parser.add_argument("--spec", type=pathlib.Path, default=SOURCE / "examples" / "rwkv7.mlir")
    parser.add_argument("--schedules", default="step,auto,chunk:16,chunk:32", help="kind or kind:C, separated by commas")
    parser.add_argument("--prompts", default="512,2048", help="tokens, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--opt", type=pathlib.Path, default=SOURCE / "build/bin/rwkv-opt")
    parser.add_argument("--library", type=pathlib.Path, default=SOURCE / "build/runtime/librwkv_rt.so")
    parser.add_argument("--out", type=pathlib.Path, help="write JSON here")
    args = parser.parse_args()
    if args.table:
        print("\n".join(table(json.loads(args.table.read_text()))))
        return
    if not args.models:
        parser.error("expected checkpoints or --table")
    results = measure(args)
    print("\n".join(table(results)))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
