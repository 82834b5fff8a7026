#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times the kernels of other projects (peer_kernels.py) on a GPU, with the operands and the check of operators.py:

    peers.py compile                                     what follows then compiles little (one process per layer, optional)
    peers.py run --out peers.json                       --layers and --shapes as of operators.py

Needs torch with Triton. A peer that is not installed is skipped with a message; on a machine without a network:

    pip download fla-core einops rwkv nvidia-cudnn-frontend --no-deps -d wheels                  where there is one
    pip download mamba-ssm --no-deps --no-binary mamba-ssm --no-build-isolation -d wheels       and torch: its setup asks for it
    pip install --no-deps --no-index --target peers wheels/*.whl                                 on the other
    tar -xzf wheels/mamba_ssm-*.tar.gz -C peers --strip-components=1                             only its Triton kernels are used
    PYTHONPATH=peers peers.py run

Milliseconds are the median of replays of a CUDA graph (of calls, where the peer cannot be captured; `eager_ms` has them
always), so that the time its launches need on the host does not count. Every peer gets the initial state and makes the final
one, as ours do. Triton's choices among a kernel's variants are made anew for every shape, at that shape, but with short runs:
a few milliseconds each instead of an eighth of a second. If the operands would fit the L2 cache, several sets take turns; one
token (T = 1) of as many sets as do not fit it by far is one graph, whose time is divided by their number."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys

import numpy as np
import operators
import peer_kernels

COMPILED = 512  # tokens at which `compile` runs a kernel: its variants do not depend on how many there are
os.environ["FLA_CACHE_RESULTS"] = "0"  # choices made at one shape are not used for another


# ---- Triton's choice among variants


def tune_quickly(measure):
    """Variants are compiled side by side, then run by `measure`. Returns what forgets all choices."""
    from triton import AsyncCompileMode
    from triton.runtime import autotuner

    tuners, original = set(), autotuner.Autotuner.run
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())

    def prune(tuner, kwargs):
        # Called once per key, when nothing is known of it yet: tuner.nargs has the arguments.
        configs = type(tuner).prune_configs(tuner, kwargs)
        arguments = [tuner.nargs[name] for name in tuner.arg_names if name in tuner.nargs]
        with AsyncCompileMode(pool, ignore_errors=True):
            for config in configs:
                tuner.fn.run(*arguments, **{**kwargs, **config.all_kwargs(), "warmup": True})
        return configs

    def run(tuner, *args, **kwargs):
        if tuner not in tuners:
            tuners.add(tuner)
            tuner.prune_configs = lambda kwargs: prune(tuner, kwargs)
            tuner._do_bench = lambda call, quantiles: [measure(call)] * len(quantiles)
        return original(tuner, *args, **kwargs)

    autotuner.Autotuner.run = run
    return lambda: [tuner.cache.clear() for tuner in tuners]


def measured_quickly(call):
    import torch

    call()
    return min(durations(call, 3, torch))


def not_measured(call):
    call()  # may find that a variant needs more than the device has
    return 0.0


# ---- timing


def durations(call, count, torch):
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
    for begin, end in events:
        begin.record()
        call()
        end.record()
    torch.cuda.synchronize()
    return [begin.elapsed_time(end) for begin, end in events]


def graph_of(call, torch):
    """A call that replays `call`; None if it cannot be captured."""
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph.replay
    except Exception as error:
        print(f"    not captured: {first_line(error)}", flush=True)
        torch.cuda.synchronize()
        return None


def in_turn(calls):
    """One call that runs the next of `calls` each time."""
    state = [0]

    def call():
        state[0] += 1
        return calls[state[0] % len(calls)]()

    return call


def first_line(error):
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"


def on_device(array, dtype, torch):
    tensor = torch.from_numpy(np.ascontiguousarray(array).view(np.int16) if dtype == "bf16" else np.ascontiguousarray(array))
    tensor = tensor.to("cuda")
    return tensor.view(torch.bfloat16) if dtype == "bf16" else tensor


def time_sequences(args, torch, calls, row):
    """In turn, a graph each."""
    eager = in_turn(calls)
    for _ in range(2 * len(calls)):
        eager()
    row["eager_ms"] = statistics.median(durations(eager, args.repeats, torch))
    graphs = [graph_of(call, torch) for call in calls]
    row["graph"] = None not in graphs
    if row["graph"]:
        replay = in_turn(graphs)
        for _ in range(2 * len(graphs)):
            replay()
        row["ms"] = statistics.median(durations(replay, args.repeats, torch))
    else:
        row["ms"] = row["eager_ms"]


def time_steps(args, torch, calls, row):
    """One graph of all, whose results are all kept: memory that is written again and again would stay in the cache."""
    kept = []

    def all_calls():
        kept.extend([call() for call in calls])

    all_calls()
    kept.clear()
    row["eager_ms"] = statistics.median(durations(all_calls, 3, torch)) / len(calls)
    kept.clear()
    replay = graph_of(all_calls, torch)
    row["graph"] = replay is not None
    row["ms"] = row["eager_ms"]
    if replay:
        replay()
        row["ms"] = statistics.median(durations(replay, args.repeats, torch)) / len(calls)


def run(args, torch, plan, make, shape, expected, operands):
    """`operands`: of one set, on the device."""
    batch, tokens, _ = shape
    size = {n: x.numel() * x.element_size() for n, x in operands.items()}
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    count = operators.sets_of(tokens, sum(size.values()), cache)
    sets = [operands] + [{n: x.clone() for n, x in operands.items()} for _ in range(count - 1)]
    made = [make(o) for o in sets]
    with torch.no_grad():
        results = made[0][0]()
        found = made[0][1](results).float().cpu().numpy()
        moved = operators.moved(plan, tokens, size, 2 * found.size)
        row = {"ms": None, "floor_ms": 1e3 * moved / (1e12 * args.bandwidth)}
        row["error"] = max(operators.error_of(found[:, : x.shape[1]], x) for x in expected.values())
        del results, found
        (time_steps if tokens == 1 else time_sequences)(args, torch, [call for call, _ in made], row)
    return row


def versions():
    import importlib.metadata as metadata

    found = {}
    for package in ("torch", "triton", "fla-core", "mamba-ssm", "rwkv", "nvidia-cudnn-frontend"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


def every(args, report):
    """Runs all peers of the chosen layers and shapes; report(row) after each."""
    import torch

    compiling = args.step == "compile"
    forget = tune_quickly(not_measured if compiling else measured_quickly)
    for layer in args.layers.split(","):
        for shape in args.shapes.split(","):
            batch, tokens, heads = sizes = tuple(int(n) for n in shape.split("x"))
            chosen = [(name, make) for kind, name, make in peer_kernels.peers_of(tokens) if kind == layer]
            plan = operators.plan_of(layer, sizes, args.size, "auto")
            length = min(tokens, COMPILED) if compiling else tokens
            seen, arrays = operators.draw(plan, batch, length, args.seed)
            types = dict(zip(plan.r.operands(), plan.input_types))
            operands = {n: on_device(x, types[n], torch) for n, x in arrays.items()}
            expected = {} if compiling else operators.reference(plan, seen, min(operators.CHECKED, tokens))
            for name, make in chosen:
                forget()
                try:
                    if compiling:
                        with torch.no_grad():
                            make(operands)[0]()
                        continue
                    row = run(args, torch, plan, make, sizes, expected, operands)
                except ImportError as error:
                    print(f"{name}: skipped, {error}", flush=True)
                    continue
                except Exception as error:  # a peer's failure is its result
                    print(f"{layer} {shape} {name}: failed, {first_line(error)}", flush=True)
                    continue
                finally:
                    torch.cuda.empty_cache()
                report({"layer": layer, "shape": shape, "size": args.size, "peer": name, **row})
            del operands


def compile_all(args):
    """One process per layer, as much of the compiler holds Python's lock."""
    common = ["--shapes", args.shapes, "--size", str(args.size), "--single"]
    processes = [
        subprocess.Popen([sys.executable, __file__, "compile", "--layers", layer, *common])
        for layer in args.layers.split(",")
    ]
    for process in processes:
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("compile", "run"))
    parser.add_argument("--layers", default=",".join(dict.fromkeys(layer for layer, *_ in peer_kernels.SEQUENCES)))
    parser.add_argument("--shapes", default="8x4096x32", help="BxTxH, separated by commas")
    parser.add_argument("--size", type=int, default=64, help="of key and value axes")
    parser.add_argument("--bandwidth", type=float, default=3.0, help="TB/s of the device, measured by a copy (default: 3.0)")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--single", action="store_true", help="compile in this process")
    parser.add_argument("--out", type=pathlib.Path, help="write JSON here")
    args = parser.parse_args()
    if args.step == "compile" and not args.single:
        return compile_all(args)
    import torch

    rows, found, device = [], versions(), torch.cuda.get_device_name()

    def report(row):
        rows.append({**row, "versions": found, "device": device})
        print(
            f"{row['layer']:16}{row['shape']:>12}  {row['peer']:42}{row['ms']:9.4f} ms  eager {row['eager_ms']:8.3f}"
            f"  x{row['ms'] / row['floor_ms']:6.1f}  error {row['error']:.2e}{'' if row['graph'] else '  (no graph)'}",
            flush=True,
        )
        if args.out:  # after each, so that nothing is lost if a peer ends the process
            args.out.write_text(json.dumps(rows, indent=1) + "\n")

    every(args, report)


if __name__ == "__main__":
    main()
