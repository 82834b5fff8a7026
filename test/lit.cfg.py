# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Configuration of the lit tests.

From a build, `lit -sv <build>/test` or the target check-rwkv: lit.site.cfg.py sets the folders. From the sources:
    lit -sv test --param build_dir=<build> [--param tools_dir=..] [--param llvm_tools_dir=..]
A --param wins over the site's value.
"""
import os
import platform
import sys

import lit.formats
import lit.util


def setting(name, default):
    """A --param, else what lit.site.cfg.py set, else the default."""
    value = lit_config.params.get(name) or getattr(config, "rwkv_" + name, "") or default
    return os.path.abspath(value)


config.name = "rwkv"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "numerics", "integration", "lit.cfg.py", "lit.site.cfg.py"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))

source_dir = setting("source_dir", os.path.dirname(config.test_source_root))
build_dir = setting("build_dir", os.path.join(source_dir, "build"))
tools_dir = setting("tools_dir", os.path.join(build_dir, "bin"))
llvm_tools_dir = setting("llvm_tools_dir", "/usr/lib/llvm-22/bin")
python = setting("python", sys.executable)
config.test_exec_root = os.path.join(build_dir, "test")

for tool, folder in [("rwkv-opt", tools_dir), ("FileCheck", llvm_tools_dir), ("mlir-tblgen", llvm_tools_dir)]:
    if not lit.util.which(tool, folder):
        lit_config.fatal(f"expected {tool} in {folder}, but found none; "
                         "--param build_dir=, tools_dir= or llvm_tools_dir= sets the folder")

config.environment["PATH"] = os.pathsep.join([tools_dir, llvm_tools_dir, config.environment.get("PATH", "")])
# Helper scripts leave nothing in the source tree.
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
config.substitutions += [
    # The printed form parses back to the same ops (--verify-roundtrip compares the generic form and the bytecode).
    ("%roundtrip", "rwkv-opt %s --mlir-print-op-generic > %t.generic && "
                   "rwkv-opt %s | rwkv-opt --mlir-print-op-generic | diff %t.generic -"),
    ("%source_dir", source_dir),
    ("%build_dir", build_dir),
    ("%tools_dir", tools_dir),
    ("%llvm_tools_dir", llvm_tools_dir),
    ("%python", python),
]

# What a test may ask for with REQUIRES.
config.available_features.add("host-" + platform.machine().lower())
if lit.util.which("rwkv-run", tools_dir):
    config.available_features.add("rwkv-run")
