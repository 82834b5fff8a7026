#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds everything and runs every test suite; scripts/test.sh calls it after it has installed what is needed.

A suite whose runner crashes, hangs or reports nothing counts as one failure. The last line sums all suites up:
N passed, N failed, N skipped
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[1]
JOBS = os.cpu_count() or 1
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(command, timeout, env=None, capture=False):
    """Runs a command in its own process group: its exit code (None: out of time) and, with capture, what it printed, which
    is shown as well."""
    print("+", " ".join(map(str, command)), flush=True)
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=SOURCE,
        env=dict(os.environ, **(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
        start_new_session=True,
    )
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, stop)
    timer.start()
    text = []
    try:
        if capture:
            for line in process.stdout:
                line = line.decode(errors="replace")
                text.append(line)
                print(line, end="", flush=True)
        code = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        timer.cancel()
    if late.is_set():
        print(f"stopped after {timeout} s", flush=True)
        code = None
    return code, "".join(text)


def settle(counts, code):
    """What a suite's counts are, given its runner's exit code: a failing or silent runner is never a success."""
    if code != 0 and counts.failed == 0:
        print(f"the runner ended with exit code {code}", flush=True)
        counts.failed = 1
    if counts.passed + counts.failed + counts.skipped == 0:
        print("the runner reported no tests", flush=True)
        counts.failed = 1
    return counts


def junit(path):
    counts = Counts()
    if path.exists():
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            tags = {child.tag for child in case}
            if tags & {"failure", "error"}:
                counts.failed += 1
            elif "skipped" in tags:
                counts.skipped += 1
            else:
                counts.passed += 1
    return counts


def googletest(path):
    counts = Counts()
    if path.exists():
        for suite in json.loads(path.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                if case.get("failures"):
                    counts.failed += 1
                elif case.get("result") == "COMPLETED":
                    counts.passed += 1
                else: # skipped or disabled
                    counts.skipped += 1
    return counts


def unittest(text):
    """Counts in the last words of Python's unittest."""
    ran = re.findall(r"^Ran (\d+) tests? in", text, re.MULTILINE)
    end = re.findall(r"^(?:OK|FAILED)(?: \((.*)\))?$", text, re.MULTILINE)
    if not ran or not end:
        return Counts()
    detail = {name: int(number) for name, number in re.findall(r"([a-z ]+)=(\d+)", end[-1])}
    detail = {name.strip(): number for name, number in detail.items()}
    failed = detail.get("failures", 0) + detail.get("errors", 0) + detail.get("unexpected successes", 0)
    skipped = detail.get("skipped", 0)
    # One test may fail in several subtests.
    return Counts(max(int(ran[-1]) - failed - skipped, 0), failed, skipped)


def closing_line(text):
    found = CLOSING_LINE.findall(text)
    return Counts(*(int(number or 0) for number in found[-1])) if found else Counts()


COMPILER_TESTS = [
    "lowering/rwkv_lowering_test",
    "passes/rwkv_passes_test",
    "emu/rwkv_emu_test",
    "amdsim/rwkv_amdsim_test",
]
# Programs that run without a device or its instructions: lane by lane (emu), their machine code instruction by instruction
# (amdsim), or the matrix instructions of a CPU that has none (host); which kernels, of how many tokens, how products are
# rounded.
WAVES = ["ladder-*/f32/*/step/*", "ladder-*/chunk16/*"]
DECODED = ["rwkv?", "gla", "*delta*", "mamba?", "kda", "retention", "hgrn", "?lstm", "comba", "symmetric-power", "t*"]
SHORT = [f"ladder-*/{kind}/*" for kind in ["step", "scan", "chunk3", "chunk8", "chunk16"]] + ["ladder-*by[24]/*"]
FORMS = [f"{name}/*/{kind}/*" for name in ["functions", "selected", "axes"] for kind in ["step", "scan", "chunk16"]]
CHIPS = [f"ladder-{layer}/bf16*/chunk16/*" for layer in ["kda", "rwkv7"]]  # other sizes of memory, no pool of registers
SEGMENTS = [f"ladder-{layer}/bf16*/*V32/chunk16cut/*" for layer in ["delta-product", "gated-deltanet", "kda", "rwkv[67]"]]
ROUNDED = ["ladder-rwkv[67]/*K64V64/chunk16/*", "ladder-kda/*K64V64/chunk16/*"]
TILES = ["ladder-*/bf16*/chunk16/*"]
EMULATED = [
    ("emu-sm_90a", "emu", [*SHORT, *FORMS], 40, "auto"),
    ("emu-sm_90a", "emu", SEGMENTS, 660, "auto"),
    ("emu-sm_90a", "emu", ROUNDED, 17, "bf16"),
    ("emu-sm_86", "emu", CHIPS, 17, "auto"),
    ("emu-gfx942", "emu", WAVES, 17, "auto"),
    ("emu-x86-64-amx", "host", TILES, 100, "auto"),
    ("emu-x86-64-amx", "host", [*TILES, "ladder-rwkv[67]/f32/*/chunk64/T*"], 100, "bf16"),
    ("gfx942", "amdsim", [pattern.replace("*", layer, 1) for layer in DECODED for pattern in WAVES], 40, "auto"),
]
EMULATED_FULL = EMULATED[:-1] + [("gfx942", "amdsim", WAVES, 40, "auto")]


def cpu_flags():
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return []


class Suites:
    """Every public method is a suite; its first line of documentation is what --list shows."""

    def __init__(self, build, full):
        self.build, self.full = build, full
        self.results = build / "test-results"
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir(parents=True)
        self.env = {
            "RWKV_RUN": str(build / "bin" / "rwkv-run"),
            "RWKV_OPT": str(build / "bin" / "rwkv-opt"),
            "RWKV_BUILD_DIR": str(build),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def lit(self):
        """the dialects, passes and tools on text (lit and FileCheck)"""
        out = self.results / "lit.xml"
        tool = shutil.which("lit", path="/usr/lib/llvm-22/bin") or shutil.which("lit") or "lit"
        command = [sys.executable, tool, "-sv", f"-j{JOBS}", "--xunit-xml-output", out, self.build / "test"]
        code, _ = run(command, 600, self.env)
        return settle(junit(out), code)

    def unit(self):
        """the runtime, the CPU code generator and rwkv-run's parts (GoogleTest)"""
        return self._googletests(self.build, ["runtime/rwkv_rt_test", "rwkv-run/rwkv_run_test", *COMPILER_TESTS])

    def sanitize(self):
        """the runtime and rwkv-run's parts again, under AddressSanitizer and UndefinedBehaviorSanitizer"""
        return self._sanitized("sanitize")

    def cli(self):
        """rwkv-run as a person uses it"""
        code, text = run([sys.executable, "test/rwkv-run/cli_test.py"], 900, self.env, capture=True)
        return Counts(skipped=1) if code == 77 else settle(unittest(text), code)

    def numerics(self):
        """results against float64 references, every rung and schedule"""
        more = ["--full"] if self.full else []
        return self._script("test/numerics/run.py", 7200 if self.full else 1200, *more)

    def devices(self):
        """the script that checks kernels on machines with a device, with the host as the device"""
        code, text = run([sys.executable, "test/numerics/device_test.py"], 300, self.env, capture=True)
        return settle(unittest(text), code)

    def emulation(self):
        """GPU programs of the layers and matrix instructions of CPUs, carried out one by one on this machine, against float64"""
        total = Counts()
        for target, device, patterns, longest, precision in EMULATED_FULL if self.full else EMULATED:
            if device == "host" and "avx512vl" not in cpu_flags():
                print(f"skipped: code for {target} needs AVX-512")
                total.add(Counts(skipped=1))
                continue
            packs = self.build / "emulation" / f"{target}-{precision}"
            shutil.rmtree(packs, ignore_errors=True)
            common = ["--packs", packs, *(f"--only={pattern}" for pattern in patterns), f"--longest={longest}"]
            common.append(f"--precision={precision}")
            script = [sys.executable, "test/numerics/device.py"]
            code, _ = run(
                [*script, "prepare", "--target", target, "--opt", self.build / "bin" / "rwkv-opt", *common], 1200, self.env
            )
            if code != 0:
                total.add(Counts(failed=1))
                continue
            command = [*script, "check", "--device", device, *common]
            command += ["--library", self.build / "runtime" / "librwkv_rt_emu.so"]
            if device == "host":
                command += ["--tiles", self.build / "test" / "unit" / "lowering" / "librwkv_matrix_tiles.so"]
            code, text = run(command, 1200, self.env, capture=True)
            total.add(settle(closing_line(text), code))
        return total

    def properties(self):
        """randomly generated legal regions, every schedule against float64 and against each other"""
        count = "3000" if self.full else "300"
        return self._script("test/numerics/property.py", 7200 if self.full else 1200, "--count", count)

    def install(self):
        """a C program against the installed runtime, found by CMake and by pkg-config"""
        return self._script("test/integration/install/run.py", 600, "--build-dir", self.build)

    def thread(self):
        """the runtime and rwkv-run's parts under ThreadSanitizer (with --full)"""
        return self._sanitized("thread")

    def gcc(self):
        """everything built with g++-12, and its unit tests (with --full)"""
        folder = self.build / "gcc"
        if not configure(folder, "gcc") or not compile_all(folder):
            return Counts(failed=1)
        return self._googletests(folder, ["runtime/rwkv_rt_test", "rwkv-run/rwkv_run_test", *COMPILER_TESTS])

    def _script(self, path, timeout, *arguments):
        code, text = run([sys.executable, path, *arguments], timeout, self.env, capture=True)
        return settle(closing_line(text), code)

    def _sanitized(self, preset):
        folder = self.build / preset
        if not configure(folder, preset) or not compile_all(folder):
            return Counts(failed=1)
        return self._googletests(folder, ["runtime/rwkv_rt_test", "rwkv-run/rwkv_run_test"])

    def _googletests(self, build, programs):
        total = Counts()
        for program in programs:
            out = self.results / f"{build.name}-{pathlib.Path(program).name}.json"
            command = [build / "test" / "unit" / program, "--gtest_brief=1", f"--gtest_output=json:{out}"]
            command += ["--gtest_also_run_disabled_tests"] if self.full else []
            if not command[0].exists():
                print(f"{command[0]}: not built", flush=True)
                total.add(Counts(failed=1))
                continue
            env = dict(self.env, UBSAN_OPTIONS="print_stacktrace=1", TSAN_OPTIONS="halt_on_error=1")
            code, _ = run(command, 3600 if self.full else 600, env)
            total.add(settle(googletest(out), code))
        return total


ALWAYS = ["lit", "unit", "sanitize", "cli", "numerics", "devices", "emulation", "properties", "install"]
FULL = ALWAYS + ["thread", "gcc"]


def configure(folder, preset):
    """A folder that is configured already keeps its settings, so that nothing is compiled twice after quickstart.sh."""
    command = ["cmake", "-B", folder]
    if not (folder / "build.ninja").exists():
        command += ["--preset", preset]
    command += ["-DRWKV_BUILD_TESTS=ON", f"-DPython3_EXECUTABLE={sys.executable}"]
    return run(command, 300)[0] == 0


def compile_all(folder):
    return run(["cmake", "--build", folder, "--parallel", JOBS], 3000)[0] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also the long tests, ThreadSanitizer and a g++-12 build")
    parser.add_argument("--build-dir", default=SOURCE / "build", type=pathlib.Path, help="default: build")
    parser.add_argument("--only", action="append", choices=FULL, metavar="SUITE", help="one suite (repeatable)")
    parser.add_argument("--list", action="store_true", help="list the suites")
    options = parser.parse_args()
    if options.list:
        for name in FULL:
            print(f"{name:9} {getattr(Suites, name).__doc__}")
        return 0

    start = time.monotonic()
    build = options.build_dir.resolve()
    ok = configure(build, "ci") and compile_all(build)
    lines = [f"{'build':9} {'done' if ok else 'FAILED'}, {time.monotonic() - start:.0f} s"]
    total = Counts() if ok else Counts(failed=1)
    suites = Suites(build, options.full)
    for name in (options.only or (FULL if options.full else ALWAYS)) if ok else []:
        print(f"\n== {name}: {getattr(suites, name).__doc__}", flush=True)
        start = time.monotonic()
        try:
            counts = getattr(suites, name)()
        except (OSError, ValueError, KeyError, xml.etree.ElementTree.ParseError) as error:
            print(f"the results of {name} cannot be read: {error!r}", flush=True)
            counts = Counts(failed=1)
        total.add(counts)
        lines.append(f"{name:9} {counts}, {time.monotonic() - start:.0f} s")
    print("\n" + "\n".join(lines))
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
