#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times the kernels of other projects on a GPU, with the operands and the check of operators.py:

    peers.py compile                                     what follows then compiles little (one process per layer, optional)
    peers.py run --out peers.json                       --layers and --shapes as of operators.py

Needs torch with Triton. A peer that is not installed is skipped with a message; on a machine without a network:

    pip download fla-core einops --no-deps -d wheels     where there is one
    pip install --no-deps --no-index --target peers wheels/*.whl && PYTHONPATH=peers peers.py run        on the other

Milliseconds are the median of replays of a CUDA graph (of calls, where the peer cannot be captured; `eager_ms` has them
always), so that the time its launches need on the host does not count. Every peer gets the initial state and makes the final
one, as ours do. Triton's choices among a kernel's variants are made anew for every shape, at that shape, but with short runs:
a few milliseconds each instead of an eighth of a second. If the operands would fit the L2 cache, several sets take turns."""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

import numpy as np
import operators

COMPILED = 512  # tokens at which `compile` runs a kernel: its variants do not depend on how many there are
os.environ["FLA_CACHE_RESULTS"] = "0"  # choices made at one shape are not used for another


# ---- the peers: functions from operands (and sizes) to (call, what makes the layer's output of the call's result)


def fla(module, name):
    return getattr(importlib.import_module(f"fla.ops.{module}"), name)


def first(results):
    return results[0]


def same(function, operands, *inputs, **options):
    """A layer that the peer defines as we do: the scale is 1, decays are logarithms, states are K x V."""
    state = dict(initial_state=operands["S"], output_final_state=True, scale=1.0)
    return lambda: function(*(operands[name] for name in inputs), **state, **options), first


def rwkv7(o):
    # What the project's own layer uses: chunks of 64 with w in [-0.606531, 0).
    return same(fla("rwkv7", "chunk_rwkv7"), o, *"rwkvab", safe_gate=True, chunk_size=64)


def rwkv6(o):
    return same(fla("rwkv6", "chunk_rwkv6"), o, *"rkvw", u=o["u"])


def gla(o):
    return same(fla("gla", "chunk_gla"), o, *"qkvg")


def kda(o):
    return same(fla("kda", "chunk_kda"), o, *"qkvg", "beta", safe_gate=bool(o["g"].min() >= -5))


def deltanet(o):
    return same(fla("delta_rule", "chunk_delta_rule"), o, *"qkv", "beta")


def gated_deltanet(o):
    return same(fla("gated_delta_rule", "chunk_gated_delta_rule"), o, *"qkvg", "beta")


def delta_product(o):
    import torch

    def steps(name):
        return torch.stack([o[f"{name}{i}"] for i in (1, 2, 3)], 2).flatten(1, 2)

    joined = {"q": o["q"], "g": o["g"], "S": o["S"], **{name: steps(name) for name in "kvb"}}
    function = fla("gated_delta_product", "chunk_gated_delta_product")
    return same(function, joined, *"qkvgb", num_householder=3)


def retention(o):
    # chunk_retention is this with decays of its own.
    return same(fla("simple_gla", "chunk_simple_gla"), o, *"qkv", g_gamma=o["g"].float())


def mamba2_steps(o):
    import torch

    dt = torch.nn.functional.softplus(o["z"].float() + o["bias"].float())
    return dt, -o["A"].float().exp()


def mamba2_simple_gla(o):
    # The recurrence alone: dt, its products and D x are outside of what is timed, B and C are copied to every head.
    dt, decay = mamba2_steps(o)
    heads = o["x"].shape[2] // o["B"].shape[2]
    inner = {"q": o["C"].repeat_interleave(heads, 2), "k": o["B"].repeat_interleave(heads, 2), "S": o["S"]}
    inner |= {"v": (o["x"] * dt[..., None]).to(o["x"].dtype), "g": dt * decay}
    call, _ = same(fla("simple_gla", "chunk_simple_gla"), inner, *"qkvg")
    return call, lambda results: results[0].float() + o["D"].float()[:, None] * o["x"]


def mamba2_ssd(o):
    scan = importlib.import_module("mamba_ssm.ops.triton.ssd_combined").mamba_chunk_scan_combined
    decay, state = -o["A"].float().exp(), o["S"].transpose(2, 3).contiguous()
    options = dict(D=o["D"], dt_bias=o["bias"], dt_softplus=True, initial_states=state, return_final_states=True)
    return lambda: scan(o["x"], o["z"], decay, o["B"], o["C"], 256, **options), first


def rwkv4(o):
    import torch

    function = fla("rwkv4", "fused_recurrent_rwkv4")
    # The peer makes the decay of its parameter w: -exp(w).
    flat = [(-o["w"].float()).log().flatten(), o["u"].flatten(), o["k"].flatten(2), o["v"].flatten(2)]
    state = torch.stack([o[name].flatten(1) for name in ("num", "den", "m")], 1)[:, :, None].contiguous()
    return lambda: function(*flat, state), lambda results: results[0].unflatten(2, o["k"].shape[2:])


PEERS = [
    ("rwkv7", "fla chunk_rwkv7, chunks of 64", rwkv7),
    ("rwkv6", "fla chunk_rwkv6", rwkv6),
    ("gla", "fla chunk_gla", gla),
    ("gated-deltanet", "fla chunk_gated_delta_rule", gated_deltanet),
    ("kda", "fla chunk_kda", kda),
    ("deltanet", "fla chunk_delta_rule", deltanet),
    ("delta-product", "fla chunk_gated_delta_product", delta_product),
    ("retention", "fla chunk_simple_gla (g_gamma)", retention),
    ("mamba2", "fla chunk_simple_gla (recurrence alone)", mamba2_simple_gla),
    ("mamba2", "mamba-ssm chunk_scan_combined", mamba2_ssd),
    ("rwkv4", "fla fused_recurrent_rwkv4", rwkv4),
]


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


def run(args, torch, plan, make, shape, expected, operands):
    """`operands`: of one set, on the device."""
    batch, tokens, _ = shape
    size = sum(x.numel() * x.element_size() for x in operands.values())
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    sets = [operands] + [{n: x.clone() for n, x in operands.items()} for _ in range(min(15, 2 * cache // size))]
    made = [make(o) for o in sets]
    with torch.no_grad():
        results = made[0][0]()
        found = made[0][1](results).float().cpu().numpy()
        moved = sum(operands[n].numel() * operands[n].element_size() for n in plan.r.over) + 2 * found.size
        row = {"ms": None, "floor_ms": 1e3 * moved / (1e12 * args.bandwidth)}
        row["error"] = max(operators.error_of(found, x) for x in expected.values())
        del results, found
        calls = [call for call, _ in made]
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
    return row


def versions():
    import importlib.metadata as metadata

    found = {}
    for package in ("torch", "triton", "fla-core", "mamba-ssm"):
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
            chosen = [(name, make) for kind, name, make in PEERS if kind == layer]
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
    parser.add_argument("--layers", default=",".join(dict.fromkeys(layer for layer, *_ in PEERS)))
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
    rows, found = [], versions()

    def report(row):
        rows.append({**row, "versions": found})
        print(
            f"{row['layer']:16}{row['shape']:>12}  {row['peer']:42}{row['ms']:9.3f} ms  eager {row['eager_ms']:8.3f}"
            f"  x{row['ms'] / row['floor_ms']:6.1f}  error {row['error']:.2e}{'' if row['graph'] else '  (no graph)'}",
            flush=True,
        )
        if args.out:  # after each, so that nothing is lost if a peer ends the process
            args.out.write_text(json.dumps(rows, indent=1) + "\n")

    every(args, report)


if __name__ == "__main__":
    main()
