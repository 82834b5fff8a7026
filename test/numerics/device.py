#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The schedule matrix on a device, in two steps, so that the machine with the device needs no compiler:

    device.py prepare --target sm_90a --packs build/packs            compiles a pack for every kernel
    device.py check --device cuda --packs build/packs                runs them, against float64

Cases are those of schedules.py; a kernel that was not prepared is counted as skipped. `rwkv-run info --device cuda` says on the
other machine which target fits it. What `check` needs there: Python 3.9 with numpy, libjansson, and these files:

    tar -czhf device.tgz test/numerics examples build/packs build/runtime/librwkv_rt.so

The runtime has to be of this processor's architecture and of a C library that is not newer than the other machine's; it needs
no CUDA toolkit, only the driver. In a new folder there:

    tar -xzf device.tgz && python3 test/numerics/device.py check --device cuda --packs build/packs

Without such a machine, the same programs run lane by lane on this one's processor:

    device.py prepare --target emu-sm_90a --packs build/packs
    device.py check --device emu --library build/runtime/librwkv_rt_emu.so --packs build/packs

and the matrix instructions of CPUs one by one, where this machine has none:

    device.py prepare --target emu-x86-64-amx --packs build/packs
    device.py check --device host --tiles build/test/unit/lowering/librwkv_matrix_tiles.so --packs build/packs

With --precision bf16, in both steps, operands of products are rounded to bf16, and results are held to what that leaves."""

import argparse
import concurrent.futures
import ctypes
import fnmatch
import pathlib
import subprocess
import sys
import tempfile
import types

import schedules
from run import Report
from tool import Failed, Kernel, Library

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {"threads"}  # a device has no threads of ours


class PackKernel(Kernel):
    def __init__(self, kernel, path):
        self.__dict__.update(kernel.__dict__)
        self.path = path

    def pack(self):
        return self.path


# Where all operands have 16 bits, those of products may be rounded to 11 significant bits, 5e-4. Errors of several add up.
ROUNDED_PRODUCTS = 2e-3
# Where that is asked for, to bf16: 4e-3 each, 2e-3 on average; ratios of sums that cancel lose more.
BF16_PRODUCTS, BF16_RATIOS = 1e-2, 4e-2


class DeviceSchedules(schedules.Schedules):
    """Compiles nothing: packs lie in a folder."""

    def rounding(self, plan):
        if self.precision != "auto" and plan.schedule.kind == "chunk" and plan.types.compute == "f32":
            to_bf16 = BF16_RATIOS if plan.r.name in schedules.ILL_CONDITIONED else BF16_PRODUCTS
            return {"f32": 0.0, "tf32": ROUNDED_PRODUCTS, "bf16": to_bf16}[self.precision]
        rounds = plan.types.name.startswith("bf16") and plan.schedule.kind == "chunk"
        return (schedules.SPLIT_PRODUCTS if self.device == "host" else ROUNDED_PRODUCTS) if rounds else 0.0

    def judge(self, plan, found, expected, tolerance, what=""):
        key = plan.r.name.removeprefix("ladder-"), plan.types.name
        self.errors[key] = max(self.errors.get(key, 0.0), schedules.errors(plan, found, expected)[0])
        super().judge(plan, found, expected, tolerance, what)

    def __init__(self, args, *arguments):
        super().__init__(*arguments)
        self.errors = {}  # (layer, element types): largest relative L2 error
        self.precision, self.device, longest = args.precision, args.device, args.longest
        self.packs = args.packs
        self.checked = {}
        self.work = [(plan, self.within(plan, cases, longest)) for plan, cases in self.work if plan.answer != "no"]
        self.work = [(plan, cases) for plan, cases in self.work if cases]

    def plans(self, full, kinds):
        return [*super().plans(full, kinds), *schedules.plans_of_warps()]

    def within(self, plan, cases, longest):
        """The cases that a device has, of no more tokens than `longest`."""
        plan.lengths = [n for n in plan.lengths if n <= longest]
        skipped = set(SKIPPED)
        if self.precision == "bf16" and plan.types.name.startswith("bf16"):
            skipped.add("hazard")  # of 8 bits, keys that are almost the same leave few
        allowed = lambda kind, what: kind not in skipped and (kind != "tokens" or what <= longest)
        return [case for case in cases if allowed(*case)] if plan.lengths else []

    def path(self, plan):
        return self.packs / (plan.name.replace("/", "_") + ".pack")

    def prepare(self, item):
        index, (plan, _) = item
        kernel = PackKernel(plan.kernel(self.tool, f"schedule{index}"), self.path(plan))
        return kernel, None if kernel.path.exists() else "not prepared"

    def run_kernel(self, plan, cases, kernel, failure):
        if failure:
            return self.report.skipped(plan.name, failure)
        super().run_kernel(plan, cases, kernel, None)

    def compile(self, opt, target):
        """Packs for all plans; yields what failed."""

        def one(item):
            index, (plan, _) = item
            kernel = plan.kernel(self.tool, f"schedule{index}")
            seen = self.make(plan, "first", 6, batch=1 if plan.packed else 2, sequences=2 if plan.packed else None)
            shapes = [seen[n].shape for n in plan.r.operands()] + ([(3,)] if plan.packed else [])
            arguments = [
                a for s, t in zip(shapes, plan.input_types) for a in ("--argument", "x".join([*map(str, s), t]))
            ]
            command = [opt, kernel.spec, "--emit=pack", f"--target={target}", "--function", kernel.function, *arguments]
            command += [*plan.schedule.options, f"--precision={self.precision}", "-o", self.path(plan)]
            result = subprocess.run([*map(str, command)], capture_output=True, timeout=300, text=True)
            return plan, result

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for plan, result in pool.map(one, enumerate(self.work)):
                if result.returncode != 0 and schedules.NOT_LEGAL not in result.stderr:
                    yield plan.name, result.stderr.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "check"))
    parser.add_argument("--packs", type=pathlib.Path, required=True, help="folder of packs")
    parser.add_argument("--target", default="sm_90a", help="of prepare")
    parser.add_argument("--opt", type=pathlib.Path, default=SOURCE / "build/bin/rwkv-opt", help="of prepare")
    parser.add_argument("--device", default="cuda", help="of check: host, cuda, cuda:N, emu")
    parser.add_argument("--library", type=pathlib.Path, default=SOURCE / "build/runtime/librwkv_rt.so", help="of check")
    parser.add_argument("--tiles", type=pathlib.Path, help="of check: this library carries out matrix instructions of CPUs")
    parser.add_argument("--precision", default="auto", choices=("auto", "f32", "tf32", "bf16"), help="of products of chunks")
    parser.add_argument("--only", action="append", help="names of cases, as a pattern (repeatable)")
    parser.add_argument("--errors", action="store_true", help="of check: print the largest relative L2 error of each layer")
    parser.add_argument("--longest", type=int, default=1 << 30, help="no cases of more tokens than this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="the whole matrix")
    args = parser.parse_args()
    args.packs.mkdir(parents=True, exist_ok=True)
    report = Report(args.seed, False)
    patterns = [start + pattern for pattern in args.only or ["*"] for start in ("", "schedules/")]
    selected = lambda name: any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    with tempfile.TemporaryDirectory() as folder:
        tool = types.SimpleNamespace(folder=pathlib.Path(folder), library=None)
        if args.step == "check":
            if args.tiles:
                emulate = ctypes.CDLL(str(args.tiles)).rwkv_emulate_matrix_tiles
                emulate.restype = ctypes.c_char_p
                if problem := emulate():
                    print(f"error: {args.tiles}: {problem.decode()}", file=sys.stderr)
                    return 1
            tool.library = Library(args.library, args.device)
            try:
                tool.library.runtime(0)
            except Failed as failure:  # once, not for every case
                print(f"error: {failure}", file=sys.stderr)
                return 1
        matrix = DeviceSchedules(args, tool, report, args.seed, args.full, schedules.KINDS, selected)
        if args.step == "check":
            matrix.run()
            if args.errors:
                for (layer, types_name), error in matrix.errors.items():
                    print(f"{layer:24}{types_name:20}{error:.1e}")
            return report.finish()
        failed = 0
        for name, reason in matrix.compile(args.opt, args.target):
            failed += 1
            print(f"{name}: {reason}", file=sys.stderr)
        print(f"{len(matrix.work) - failed} packs, {failed} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
