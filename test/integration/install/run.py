#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs a build into a scratch folder and uses it as a person would: the tools with their specs, and examples/generate.c
against the runtime, found by CMake and by pkg-config, shared and static.

    run.py --build-dir DIR
"""

import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples"
CHECKPOINT = EXAMPLES / "models" / "rwkv7-small.safetensors"
PROMPT, TOKENS = "And the king said unto", 60


class Install(unittest.TestCase):
    build = None
    compiler = os.environ.get("CC", "cc")

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="rwkv-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.scratch = pathlib.Path(cls.folder.name)
        stage = cls.scratch / "stage"
        environment = dict(os.environ, DESTDIR=str(stage))
        subprocess.run(
            ["cmake", "--install", cls.build, "--prefix", "/opt/rwkv"], check=True, stdout=subprocess.DEVNULL, env=environment
        )
        # Nothing may remember where it was staged.
        cls.prefix = (stage / "opt" / "rwkv").rename(cls.scratch / "moved")
        cls.lib = next(cls.prefix.glob("**/librwkv_rt.so")).parent
        cls.environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(cls.lib),
            "PKG_CONFIG_PATH": str(cls.lib / "pkgconfig"),
            "RWKV_CACHE_DIR": str(cls.scratch / "cache"),
        }
        cls.pack = cls.scratch / "small.pack"
        spec = cls.prefix / "share" / "rwkv-mlir" / "specs" / "rwkv7.mlir"
        cls.run_tool("rwkv-opt", spec, "--emit=pack", "--checkpoint", CHECKPOINT, "-o", cls.pack)
        cls.expected = PROMPT + cls.generate("--pack", cls.pack)

    @classmethod
    def command(cls, *parts, **keywords):
        done = subprocess.run(
            [str(part) for part in parts], capture_output=True, text=True, env=cls.environment, timeout=300, **keywords
        )
        if done.returncode != 0:
            raise AssertionError(f"{shlex.join(map(str, parts))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    @classmethod
    def run_tool(cls, tool, *arguments):
        return cls.command(cls.prefix / "bin" / tool, *arguments, cwd="/")

    @classmethod
    def generate(cls, *arguments):
        return cls.run_tool(
            "rwkv-run", "generate", CHECKPOINT, "--prompt", PROMPT, "--tokens", TOKENS, "--temperature", 0, "--quiet", *arguments
        )

    def continues(self, program):
        self.assertEqual(self.command(program, self.pack, CHECKPOINT, PROMPT, TOKENS), self.expected[len(PROMPT) :] + "\n")

    def pkg_config(self, *options):
        return shlex.split(self.command("pkg-config", *options, "rwkv_rt"))

    def test_files(self):
        names = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if path.is_file()}
        expected = {"bin/rwkv-opt", "bin/rwkv-run", "include/rwkv_rt.h", "share/doc/rwkv-mlir/LICENSE"}
        expected |= {f"share/rwkv-mlir/specs/{path.name}" for path in EXAMPLES.glob("*.mlir")}
        self.assertLessEqual(expected, names)
        self.assertEqual({n for n in names if n.startswith("include/")}, {"include/rwkv_rt.h"})
        self.assertEqual({n for n in names if n.startswith("bin/")}, {"bin/rwkv-opt", "bin/rwkv-run"})

    def test_header_alone(self):
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{self.prefix}/include"]
        for language, standard in [("c", "c11"), ("c++", "c++17")]:
            source = "#include <rwkv_rt.h>\n#include <rwkv_rt.h>\nint main(void) { return 0; }\n"
            self.command(self.compiler, *flags, f"-std={standard}", "-x", language, "-", input=source)

    def test_specs_are_found(self):
        self.assertEqual(PROMPT + self.generate(), self.expected)

    def test_cmake(self):
        build = self.scratch / "examples"
        self.command("cmake", "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.command("cmake", "--build", build)
        self.continues(build / "generate")
        self.continues(build / "generate-static")
        linked = self.command("readelf", "-d", build / "generate-static")
        self.assertNotIn("rwkv_rt", linked)

    def test_cmake_refuses_another_version(self):
        project = self.scratch / "other"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES C)\nfind_package(rwkv_rt 0.2 REQUIRED)\n"
        )
        with self.assertRaisesRegex(AssertionError, "compatible with requested version\\s+\"0.2\""):
            self.command("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_pkg_config(self):
        program = self.scratch / "generate-pc"
        flags = self.pkg_config("--cflags", "--libs")
        self.command(self.compiler, "-O2", "-Wall", "-Werror", EXAMPLES / "generate.c", *flags, "-o", program)
        self.continues(program)

    def test_pkg_config_static(self):
        program = self.scratch / "generate-pc-static"
        flags = self.pkg_config("--cflags", "--libs", "--static")
        flags = [str(self.lib / "librwkv_rt.a") if flag == "-lrwkv_rt" else flag for flag in flags]
        self.command(self.compiler, "-O2", "-Wall", "-Werror", EXAMPLES / "generate.c", *flags, "-o", program)
        self.continues(program)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True, type=pathlib.Path)
    Install.build = parser.parse_args().build_dir.resolve()
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(Install))
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"{max(result.testsRun - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
