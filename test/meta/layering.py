#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The rules of the source tree that no compiler checks.

    layering.py ROOT         checks a tree, prints every violation, exits with 1 if there is one
    layering.py --self-test  checks that each rule finds what is planted in a small tree
"""
import argparse
import fnmatch
import os
import re
import sys
import tempfile

SPDX = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
CODE_FOLDERS = ["dialect", "passes", "lowering", "runtime", "rwkv-opt", "rwkv-run"]
SOURCE_SUFFIXES = (".c", ".cpp", ".h", ".td", ".inc", ".py", ".sh", ".cmake", ".in", ".mlir", ".test")
INCLUDING_SUFFIXES = (".c", ".cpp", ".h", ".td", ".inc")
MAX_LINES = 600
MAX_LINES_EXCEPTIONS = {}  # path: reason

# Which folders the files of a folder may include; the longest prefix of the including file counts.
MAY_INCLUDE = {
    "dialect/": ["dialect/"],
    "passes/": ["dialect/", "passes/"],
    "lowering/": ["dialect/", "lowering/"],
    "runtime/": ["runtime/"],
}
# What both sides of a pack know: what a pack looks like, and how kernels of lanes are called on a CPU.
FORMATS = {"runtime/rwkv_rt_pack.h": ["lowering/Pack/*"], "runtime/emu_kernel.h": ["lowering/target/emu/*"]}
TARGET_REGISTRY = "lowering/target/Target.cpp"

# Layers of the literature, besides the rungs that are there. Parts of identifiers, joined by `_`.
PUBLISHED_LAYERS = """
    gated_delta delta_net deltanet delta_product kda kimi retnet ret_net mamba mamba1 mamba2 mamba3 gla hgrn hgrn2
    mlstm slstm xlstm m_lstm s_lstm ttt comba gsa rodimus lact mesanet mesa_net qwen
""".split()
NUMBERED_RUNG = re.compile(r"(?<![a-z])r?wkv[-_ ]?[0-9]", re.IGNORECASE)

VENDOR_WORDS = {"nvidia", "cuda", "nvptx", "nvvm", "amdgcn", "amdgpu", "rocm", "rocdl", "hip"}
VENDOR_CHIP = re.compile(r"gfx[19][0-9a-f]+$")
VENDOR_FILES = ["lowering/target/*", "runtime/cuda*.[ch]", "runtime/hip*.[ch]"]
# The table of devices, the header that tells callers their names, the help that tells users.
VENDOR_FILES += ["runtime/device.c", "runtime/rwkv_rt.h", "rwkv-run/Options.cpp"]


class Tree:
    """The text files of a source tree."""

    def __init__(self, root):
        self.texts, self.executable = {}, set()
        for folder, names, files in os.walk(root):
            names[:] = sorted(name for name in names if not name.startswith((".", "build", "__pycache__")))
            for name in sorted(files):
                if name.endswith(SOURCE_SUFFIXES) or name == "CMakeLists.txt":
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8", errors="replace") as file:
                        self.texts[os.path.relpath(path, root)] = file.read()
                    if os.access(path, os.X_OK):
                        self.executable.add(os.path.relpath(path, root))

    def files(self, folders=None, suffixes=()):
        for path, text in self.texts.items():
            if (folders is None or path.split("/")[0] in folders) and (not suffixes or path.endswith(suffixes)):
                yield path, text


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def parts_of(word):
    """The parts of an identifier in lower case: GatedDeltaOp -> gated, delta, op."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+", word)]


# ---- rules: each yields (path, line, message)


def check_includes(tree):
    """Includes follow spec -> dialect -> passes -> lowering -> target -> runtime."""
    for path, text in tree.files(suffixes=INCLUDING_SUFFIXES):
        layer = next((prefix for prefix in MAY_INCLUDE if path.startswith(prefix)), None)
        if not layer:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r'\s*#?\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            included = found.group(1)
            beside = os.path.normpath(os.path.join(os.path.dirname(path), included))
            included = beside if beside in tree.texts or included.startswith("..") else included
            if included.split("/")[0] not in CODE_FOLDERS + ["test", "python", "bench"]:
                continue  # another project's
            target = re.match(r"lowering/target/([^/]+)/", included)
            if matches(path, FORMATS.get(included, [])):
                continue
            if not included.startswith(tuple(MAY_INCLUDE[layer])):
                yield path, number, f"{layer} includes {included}; it may include {', '.join(MAY_INCLUDE[layer])} only"
            elif target and path != TARGET_REGISTRY and not path.startswith(f"lowering/target/{target.group(1)}/"):
                yield path, number, f"only lowering/target/{target.group(1)}/ may include {included}"


def without_documentation(path, text):
    """A .td file of the dialect with its descriptions and summaries blanked; lines stay where they are."""
    if not (path.startswith("dialect/") and path.endswith(".td")):
        return text
    blank = lambda found: re.sub(r"[^\n]", " ", found.group(0))
    text = re.sub(r"\bdescription = \[\{.*?\}\]", blank, text, flags=re.DOTALL)
    return re.sub(r'\bsummary = "(?:[^"\\]|\\.)*"', blank, text)


def check_rung_names(tree):
    """Nothing but the rungs knows a rung's name."""
    names = {tuple(name.split("_")) for name in PUBLISHED_LAYERS}
    for path, _ in tree.files(["dialect"], (".td", ".cpp")):
        if path.startswith("dialect/Rwkv/rungs/"):
            names.add(tuple(parts_of(os.path.splitext(os.path.basename(path))[0])))
    for path, text in tree.files(CODE_FOLDERS):
        if path.startswith("dialect/Rwkv/rungs/"):
            continue
        for number, line in enumerate(without_documentation(path, text).split("\n"), 1):
            found = NUMBERED_RUNG.search(line)
            hit = found.group(0) if found else None
            for word in re.findall(r"[A-Za-z0-9_]+", line):
                parts = parts_of(word)
                spans = (tuple(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1))
                hit = hit or next(("_".join(span) for span in spans if span in names), None)
            if hit:
                yield path, number, f"names the rung or layer '{hit}'; only dialect/Rwkv/rungs may"


def check_vendor_names(tree):
    """Nothing but the targets and the drivers knows a vendor's name."""
    for path, text in tree.files(CODE_FOLDERS):
        if matches(path, VENDOR_FILES):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if path.endswith("CMakeLists.txt"):
                line = re.sub(r"\b(cuda|hip)(_\w+)?\.c\b", "", line)  # the drivers are listed
            for word in re.findall(r"[A-Za-z0-9_]+", line):
                hit = [p for p in parts_of(word) + [word.lower()] if p in VENDOR_WORDS or VENDOR_CHIP.match(p)]
                if hit:
                    yield path, number, f"names a vendor or chip, '{hit[0]}'; only {', '.join(VENDOR_FILES)} may"
                    break


def check_licences(tree):
    """Every source file says its licence at its top."""
    for path, text in tree.files():
        if SPDX not in "\n".join(text.split("\n")[:3]):
            yield path, 1, f"has no line '{SPDX}' at its top"


def check_lengths(tree):
    """No file is too long to read."""
    for path, text in tree.files():
        lines = text.count("\n") + 1
        if lines > MAX_LINES and path not in MAX_LINES_EXCEPTIONS:
            yield path, MAX_LINES, f"has {lines} lines, more than {MAX_LINES}"


def check_modes(tree):
    """What names its interpreter can be run by its name."""
    for path, text in tree.files():
        if text.startswith("#!") and path not in tree.executable:
            yield path, 1, "starts with #!, but is not executable"


def check_listed(tree):
    """Every C and C++ file is built."""
    for path, _ in tree.files(CODE_FOLDERS + ["test", "examples", "bench"], (".c", ".cpp")):
        folder = os.path.dirname(path)
        listed = False
        while folder and not listed:
            lists = tree.texts.get(folder + "/CMakeLists.txt", "")
            lists = re.sub(r"#.*", "", lists)
            relative = os.path.relpath(path, folder)
            stem, suffix = os.path.splitext(relative)
            words = re.split(r"[\s()\"]+", lists)
            globs = re.findall(r"\$\{CMAKE_CURRENT_(?:SOURCE|LIST)_DIR\}/([^\s)\"]*\*[^\s)\"]*)", lists)
            listed = (relative in words or matches(relative, globs) or
                      any(word.endswith("/" + relative) for word in words) or
                      (stem in words and "}" + suffix in lists))  # foreach(name ..) ${name}.c
            folder = os.path.dirname(folder)
        if not listed:
            yield path, 1, "is in no CMakeLists.txt of its folder or above: dead code"


RULES = [check_includes, check_rung_names, check_vendor_names, check_licences, check_lengths, check_modes, check_listed]


def check(root):
    tree = Tree(root)
    return [(rule.__name__, *violation) for rule in RULES for violation in rule(tree)]


# ---- self-test

CLEAN = {
    "dialect/CMakeLists.txt": "add_library(D D.cpp)\nfile(GLOB R ${CMAKE_CURRENT_SOURCE_DIR}/Rwkv/rungs/*.cpp)\n",
    "dialect/D.h": "",
    "dialect/D.cpp": '#include "dialect/D.h"\n#include "mlir/IR/Builders.h"\n// ships, chip, an RWKV model\n',
    "dialect/Rwkv/Ops.td": 'let description = [{\n RWKV-7 and mamba.\n}];\nlet summary = "as in wkv7";\n',
    "dialect/Rwkv/rungs/Wkv7.td": "def Wkv7 : Rung;\n",
    "dialect/Rwkv/rungs/OddName.cpp": "void OddNameOp::f() {}\n",
    "passes/CMakeLists.txt": "add_library(P Fuse/P.cpp)\n",
    "passes/P.h": '#include "dialect/D.h"\n',
    "passes/Fuse/P.cpp": '#include "passes/P.h"\n',
    "lowering/CMakeLists.txt": "add_library(L L.cpp Pack/Pack.cpp)\n",
    "lowering/L.cpp": '#include "lowering/target/Target.h"\n#include "dialect/D.h"\n',
    "lowering/Pack/Pack.cpp": '#include "runtime/rwkv_rt_pack.h"\n',
    "lowering/target/Target.h": '#include "mlir/IR/BuiltinOps.h"\n',
    "lowering/target/Target.cpp": '#include "lowering/target/cpu/cpu.h"\n',
    "lowering/target/CMakeLists.txt": "add_library(T Target.cpp cpu/cpu.cpp nvptx/nvptx.cpp)\n",
    "lowering/target/cpu/cpu.cpp": '#include "lowering/target/cpu/cpu.h"\n',
    "lowering/target/cpu/cpu.h": "",
    "lowering/target/nvptx/nvptx.cpp": '#include "lowering/target/Target.h"\n// gfx942 cuda\n',
    "runtime/CMakeLists.txt": "add_library(rt a.c device.c cuda.c cuda_code.c)\n",
    "runtime/rwkv_rt_pack.h": "",
    "runtime/a.c": '#include "rwkv_rt_pack.h"\n#include <stdio.h>\n',
    "runtime/cuda.c": "// cuda\n",
    "runtime/cuda_code.c": "// nvptx\n",
    "runtime/cuda.h": "// cuda\n",
    "runtime/device.c": '#include "cuda.h"\n',
    "test/unit/CMakeLists.txt": "foreach(name k l)\nadd_library(${name} MODULE ${name}.c)\nendforeach()\n",
    "test/unit/k.c": "// wkv7 on cuda\n",
    "examples/rwkv7.mlir": "// RWKV-7\n",
    "build/dialect/Generated.cpp": None,  # build folders are not looked at
}

PLANTED = [  # rule, path, text that is appended to the file there (None: a file without a licence)
    ("check_includes", "dialect/D.cpp", '#include "passes/P.h"\n'),
    ("check_includes", "dialect/Rwkv/Ops.td", 'include "passes/Passes.td"\n'),
    ("check_includes", "dialect/D.h", '#include "../runtime/rwkv_rt_pack.h"\n'),
    ("check_includes", "passes/P.h", '#include "lowering/target/Target.h"\n'),
    ("check_includes", "passes/P.h", '#include "runtime/rwkv_rt_pack.h"\n'),
    ("check_includes", "lowering/L.cpp", '#include "passes/P.h"\n'),
    ("check_includes", "lowering/L.cpp", '#include "runtime/rwkv_rt_pack.h"\n'),
    ("check_includes", "lowering/L.cpp", '#include "lowering/target/cpu/cpu.h"\n'),
    ("check_includes", "lowering/Pack/Pack.cpp", '#include "runtime/internal.h"\n'),
    ("check_includes", "lowering/Pack/Pack.cpp", '#include "runtime/emu_kernel.h"\n'),
    ("check_includes", "lowering/target/nvptx/nvptx.cpp", '#include "lowering/target/cpu/cpu.h"\n'),
    ("check_includes", "runtime/a.c", '#include "dialect/D.h"\n'),
    ("check_rung_names", "dialect/D.cpp", "// as in RWKV-6\n"),
    ("check_rung_names", "dialect/Rwkv/Ops.td", "// rwkv.wkv7\n"),
    ("check_rung_names", "passes/Fuse/P.cpp", "bool b = isa<Wkv7Op>(op);\n"),
    ("check_rung_names", "passes/Fuse/P.cpp", "bool b = isa<OddNameOp>(op);\n"),
    ("check_rung_names", "lowering/L.cpp", "void lowerGatedDelta();\n"),
    ("check_rung_names", "lowering/target/cpu/cpu.cpp", "// kda\n"),
    ("check_rung_names", "runtime/a.c", "int has_mamba2;\n"),
    ("check_rung_names", "runtime/CMakeLists.txt", "# rwkv5\n"),
    ("check_vendor_names", "dialect/D.cpp", "bool isCuda();\n"),
    ("check_vendor_names", "passes/P.h", "// NVIDIA\n"),
    ("check_vendor_names", "lowering/L.cpp", 'if (chip == "gfx942")\n'),
    ("check_vendor_names", "lowering/L.cpp", "// amdgcn\n"),
    ("check_vendor_names", "runtime/a.c", "int rwkv_hip_open(void);\n"),
    ("check_vendor_names", "runtime/a.c", "// gfx1201\n"),
    ("check_licences", "passes/Fuse/New.h", None),
    ("check_licences", "scripts/new.sh", None),
    ("check_licences", "examples/new.mlir", None),
    ("check_lengths", "passes/P.h", "\n" * MAX_LINES),
    ("check_modes", "scripts/new.sh", "#!/bin/sh\n"),
    ("check_listed", "passes/Fuse/Dead.cpp", ""),
    ("check_listed", "runtime/dead.c", ""),
    ("check_listed", "dialect/Rwkv/Dead.cpp", ""),
    ("check_listed", "test/unit/dead.c", ""),
]


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            comment = "#" if path.endswith((".txt", ".sh")) else "//"
            licence = f"{comment} {SPDX}\n"
            first = text.startswith("#!") if text else False
            file.write("int nothing;\n" if text is None else f"{text}{licence}" if first else f"{licence}{text}")


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, CLEAN)
        failures += [f"a clean tree has a violation: {violation}" for violation in check(root)]
    for rule, path, text in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, CLEAN)
            write_tree(root, {path: None if text is None else CLEAN.get(path, "") + text})
            found = {(violation[0], violation[1]) for violation in check(root)}
            if found != {(rule, path)}:
                failures.append(f"expected {rule} alone to find {text!r} in {path}, but found {sorted(found)}")
    silent = {rule.__name__ for rule in RULES} - {rule for rule, _, _ in PLANTED}
    failures += [f"no violation of {rule} is planted" for rule in sorted(silent)]
    for failure in failures:
        print(failure)
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return 0 if self_test() else 1
    violations = check(arguments.root)
    for rule, path, line, message in violations:
        print(f"{path}:{line}: {message} ({rule})")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
