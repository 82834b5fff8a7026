#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures decode and prefill of random RWKV-7 models of released sizes: makes the models and packs where they are missing,
runs decode.c for every dtype and number of threads, prints a table and writes JSON.

    bench.py                                    0.1B, f32 and bf16, 1 and 2 threads
    bench.py --sizes 0.1B,0.4B --dtypes bf16 --threads 2 --out results.json
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent


def say(*what):
    print(*what, file=sys.stderr, flush=True)


def output_of(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def make(build):
    """decode.c and the compiler; its path."""
    if not (build / "CMakeCache.txt").exists():
        sys.exit(f"bench.py: {build}: expected a build folder, found none: cmake --preset default")
    subprocess.run(["cmake", "-B", build, "-DRWKV_BUILD_TESTS=ON"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build, "--target", "rwkv-bench-decode", "rwkv-opt"], check=True, stdout=sys.stderr)
    return build / "bench" / "rwkv-bench-decode"


def device():
    model = platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "system": platform.platform(terse=True)}


def commit():
    try:
        name = output_of("git", "-C", SOURCE, "rev-parse", "--short", "HEAD").strip()
        changed = output_of("git", "-C", SOURCE, "status", "--porcelain", "--untracked-files=no").strip()
        return name + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=SOURCE / "build", help="default: build")
    parser.add_argument("--models", type=pathlib.Path, help="folder for models and packs (default: BUILD/bench/models)")
    parser.add_argument("--sizes", default="0.1B", help="of random_model.py (default: 0.1B)")
    parser.add_argument("--dtypes", default="f32,bf16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of one timed decode run (default: 32)")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of one timed prefill (default: 512)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file for the results")
    options = parser.parse_args()
    build = options.build_dir.resolve()
    folder = (options.models or build / "bench" / "models").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    decode = make(build)

    results = []
    for size in options.sizes.split(","):
        for dtype in options.dtypes.split(","):
            model, pack = folder / f"{size}-{dtype}.safetensors", folder / f"{size}-{dtype}.pack"
            if not model.exists():
                say(f"making {model}")
                part = model.with_suffix(".part")
                output_of(sys.executable, HERE / "random_model.py", "--size", size, "--dtype", dtype, "-o", part)
                part.rename(model)
            spec = SOURCE / "examples" / "rwkv7.mlir"
            output_of(build / "bin" / "rwkv-opt", spec, "--emit=pack", "--checkpoint", model, "-o", pack)
            for threads in options.threads.split(","):
                say(f"measuring {size} {dtype} with {threads} thread(s)")
                line = output_of(decode, pack, model, threads, options.tokens, options.prompt, options.repeats)
                results.append({"model": size, "dtype": dtype, **json.loads(line)})

    about = {"commit": commit(), **device(), "load_before": load}
    print(
        f"{about['cpu']}, {about['cpus']} CPUs, load average {load:.1f} before; commit {about['commit']}; "
        f"medians of {options.repeats} runs\n"
    )
    print("| model | matrices | threads | decode t/s (min .. max) | weights read GB/s | ceiling GB/s | share | prefill t/s | RSS MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in results:
        read = r["decode_tokens_per_s"] * r["weight_bytes_per_token"] / 1e9
        print(
            f"| {r['model']} | {r['dtype']} | {r['threads']} | {r['decode_tokens_per_s']:.1f} ({r['decode_min']:.1f} .. "
            f"{r['decode_max']:.1f}) | {read:.1f} | {r['read_ceiling_bytes_per_s'] / 1e9:.1f} | {100 * r['share_of_ceiling']:.0f} % | "
            f"{r['prefill_tokens_per_s']:.0f} | {r['rss_bytes'] / 2**20:.0f} |"
        )
    if options.out:
        options.out.write_text(json.dumps({**about, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
