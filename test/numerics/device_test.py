#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs device.py as a person does, with the host and with emu as the device: what it finds and what it says; and a model on
emu. RWKV_OPT is the path of rwkv-opt, RWKV_BUILD_DIR the build folder with the runtime; python3 with numpy is needed."""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest

import numpy as np

import asserted
from run import Report
from tool import Kernel, Library

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("RWKV_BUILD_DIR") or HERE.parents[1] / "build")
OPT = pathlib.Path(os.environ.get("RWKV_OPT") or BUILD / "bin" / "rwkv-opt")
LIBRARY = BUILD / "runtime" / "librwkv_rt.so"
EMULATOR = BUILD / "runtime" / "librwkv_rt_emu.so"
NAMES = "ladder-rwkv[67]/f32/H2K16V32/chunk16/*"  # two kernels


class Emulated(Kernel):
    """A kernel that rwkv-opt compiles and emu runs."""

    target = "emu-sm_90a"

    def run(self, inputs, more=()):
        if not self.pack().exists():
            arguments = ["x".join([*map(str, x.shape), t]) for x, t in zip(inputs, self.types)]
            command = [OPT, self.spec, "--function", self.function, f"--target={self.target}", "--emit=pack", *more]
            command += [f"--argument={a}" for a in arguments] + ["-o", self.pack()]
            subprocess.run([*map(str, command)], check=True, timeout=120)
        return self.call(inputs)

    def pack(self):
        return self.folder / "emulated.pack"


class Decoded(Emulated):
    """The same as machine code, which amdsim runs."""

    target = "gfx942"


class Device(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="rwkv-device-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.packs = cls.folder / "packs"
        cls.prepared = cls.run_device("prepare", "--target", "host", "--opt", OPT)

    @classmethod
    def run_device(cls, step, *arguments, packs=None, env=None):
        command = [sys.executable, HERE / "device.py", step, "--packs", packs or cls.packs, "--only", NAMES, *arguments]
        environment = dict(os.environ, **(env or {}))
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, env=environment)

    def check(self, device="host", *arguments, library=LIBRARY, **more):
        return self.run_device("check", "--device", device, "--library", library, *arguments, **more)

    def test_checks(self):
        self.assertEqual((self.prepared.stdout, self.prepared.returncode), ("2 packs, 0 failed\n", 0), self.prepared.stderr)
        self.assertEqual(len(list(self.packs.glob("*.pack"))), 2)
        result = self.check()
        self.assertRegex(result.stdout, r"(?m)^schedule chunk: 2 kernels, error \d+\.\d\d of its tolerance")
        self.assertRegex(result.stdout, r"\n[1-9]\d* passed, 0 failed, 0 skipped\n$")
        self.assertEqual((result.stderr, result.returncode), ("", 0))

    def changed(self):
        """A copy of the packs, by name."""
        folder = self.folder / self.id()
        shutil.copytree(self.packs, folder)
        return folder, sorted(folder.iterdir())

    def test_counts_what_is_missing(self):
        folder, packs = self.changed()
        packs[0].unlink()
        result = self.check(packs=folder)
        self.assertRegex(result.stdout, r"(?m)^skipped schedules/ladder-rwkv6/.*: not prepared$")
        self.assertRegex(result.stdout, r"\n\d+ passed, 0 failed, 1 skipped\n$")
        self.assertEqual(result.returncode, 0)

    def test_notices_another_kernel(self):
        folder, packs = self.changed()
        shutil.copy(packs[1], packs[0])
        result = self.check(packs=folder)
        self.assertRegex(result.stdout, r"FAILED schedules/ladder-rwkv6/")
        self.assertRegex(result.stdout, r"\n\d+ passed, [1-9]\d* failed, 0 skipped\n$")
        self.assertEqual(result.returncode, 1)

    def check_stand_in(self, target, device, of_host, on_host):
        """Packs of a target on what stands in for its device; what is said of the host's packs there, and of these here."""
        packs = self.folder / device
        prepared = self.run_device("prepare", "--target", target, "--opt", OPT, packs=packs)
        self.assertEqual((prepared.stdout, prepared.returncode), ("2 packs, 0 failed\n", 0), prepared.stderr)
        result = self.check(device, "--longest=17", library=EMULATOR, packs=packs)
        self.assertRegex(result.stdout, r"(?m)^schedule chunk: 2 kernels, error \d+\.\d\d of its tolerance")
        self.assertRegex(result.stdout, r"\n[1-9]\d* passed, 0 failed, 0 skipped\n$")
        result = self.check(device, "--longest=17", library=EMULATOR)
        self.assertIn(of_host, result.stdout)
        self.assertRegex(result.stdout, r"\n0 passed, [1-9]\d* failed, 0 skipped\n$")
        result = self.check("host", "--longest=17", packs=packs)
        self.assertIn(on_host, result.stdout)
        return packs

    def test_emulates(self):
        wrong = "expected threads for a task, found a host kernel", "expected one thread per task on this machine, found 32"
        packs = self.check_stand_in("emu-sm_90a", "emu", *wrong)
        result = self.check("emu", packs=packs)  # the device is not one of the runtime's
        self.assertIn('device: expected "host", "cuda" or "cuda:N", found "emu"', result.stderr)

    def test_emulates_matrix_instructions(self):
        tiles = BUILD / "test" / "unit" / "lowering" / "librwkv_matrix_tiles.so"
        problem = ctypes.CDLL(str(tiles)).rwkv_emulate_matrix_tiles
        problem.restype = ctypes.c_char_p
        if problem():
            self.skipTest(problem().decode())
        # The tolerance of one pass is needed: with that of operands that are split, it fails.
        for precision in ("bf16", "tf32"):
            packs = self.folder / f"tiles-{precision}"
            prepared = self.run_device("prepare", "--target=emu-x86-64-amx", f"--precision={precision}", "--opt", OPT, packs=packs)
            self.assertEqual((prepared.stdout, prepared.returncode), ("2 packs, 0 failed\n", 0), prepared.stderr)
            result = self.check("host", f"--precision={precision}", "--tiles", tiles, packs=packs)
            self.assertRegex(result.stdout, r"\n[1-9]\d* passed, 0 failed, 0 skipped\n$")
            error = float(re.search(r"schedule chunk: 2 kernels, error (\d+\.\d\d) of its tolerance", result.stdout)[1])
            self.assertGreater(error, 0.0)
        result = self.check("host", "--precision=f32", "--tiles", tiles, packs=self.folder / "tiles-bf16")
        self.assertRegex(result.stdout, r"\n\d+ passed, [1-9]\d* failed, 0 skipped\n$")

    def test_emulates_a_model(self):
        models = HERE.parents[1] / "examples" / "models"
        weights = models / "rwkv7-small.safetensors"
        with np.load(models / "rwkv7-small.expected.npz") as file:
            expected = dict(file)
        tokens = expected["tokens"][:12].tolist()
        for device, target in (("emu", "emu-sm_90a"), ("emu", "emu-gfx942"), ("amdsim", "gfx942")):
            library = Library(EMULATOR, device)
            pack = self.folder / f"{target}.pack"
            command = [OPT, models.parent / "rwkv7.mlir", "--checkpoint", weights, "--emit=pack", f"--target={target}"]
            subprocess.run([*map(str, command), "-o", str(pack)], check=True, timeout=120)
            model = library.model(pack, weights)
            with model.state(1) as state:
                logits = state.score([tokens[:9]])
                for token in tokens[9:]:
                    logits = np.concatenate([logits, state.decode([token])])
            model.close()
            error = np.abs(logits - expected["logits"][:12]).max()
            self.assertLess(error, 1e-4 * np.abs(expected["logits"]).max(), target)

    def test_emulates_asserted_bounds(self):
        for device, kind in (("emu", Emulated), ("amdsim", Decoded)):
            report = Report(1, False)
            tool = types.SimpleNamespace(folder=self.folder / f"asserted-{device}", library=Library(EMULATOR, device))
            tool.folder.mkdir()
            asserted.run(tool, report, 1, ["step", "scan", "chunk"], lambda name: True, kind)
            self.assertEqual((report.passed, report.failed), (82, 0), device)

    def test_executes_machine_code(self):
        wrong = "expected a target amdgcn gfx942, found x86-64", "expected a target for this machine"
        self.check_stand_in("gfx942", "amdsim", *wrong)

    def test_mistakes(self):
        result = self.run_device("prepare", "--target", "sm_1", "--opt", OPT, packs=self.folder / "none")
        self.assertEqual((result.stdout, result.returncode), ("0 packs, 2 failed\n", 1))
        self.assertIn("unknown target 'sm_1'", result.stderr)
        nowhere = str(self.folder / "libcuda.so")
        result = self.check("cuda", env={"RWKV_LIBCUDA": nowhere})
        self.assertEqual((result.stdout, result.returncode), ("", 1))
        self.assertRegex(result.stderr, rf"^error: RWKV_E_UNSUPPORTED: device \"cuda\": .*{nowhere}.*\n$")


if __name__ == "__main__":
    unittest.main()
