#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes the examples out of the generated reference and makes a file of each that rwkv-opt can run.

    extract_examples.py PAGE.md.. --output FOLDER [--run RWKV_OPT]

The first line of an example says what it needs around it:
    // region   the token region of a recurrence, with %k, %v, %w, %beta, %R, %M, %z and the states
                %S, %B, %N, %P, %n
    // model    a function of a model with the weights @vec, @mat, @emb, the param @eps and %x, %p, %last, %tokens
    // layer    the body of rwkv.layers in such a function, with %x and %p
Anything else is a whole file. With --run each is parsed, printed, parsed again and compared.
"""
import argparse
import os
import re
import subprocess
import sys

REGION = """\
func.func @example(%k0: tensor<?x?x2x8xf32>, %v0: tensor<?x?x2x8xf32>, %w0: tensor<?x?x2x8xf32>,
                   %beta0: tensor<?x?x2xf32>, %R0: tensor<?x?x2x4x2x2xf32>, %M0: tensor<?x?x2x4x8xf32>,
                   %z0: tensor<?x?x2x8x8xf32>, %s0: tensor<?x2x8x8xf32>, %N0: tensor<?x2x8x1xf32>,
                   %P0: tensor<?x2x2x8x8xf32>, %F0: tensor<?x2x8x8x8xf32>, %n0: tensor<?x2x1xf32>) {{
  %s:6 = rwkv.recurrence
      over(%k = %k0 : tensor<?x?x2x8xf32>, %v = %v0 : tensor<?x?x2x8xf32>, %w = %w0 : tensor<?x?x2x8xf32>,
           %beta = %beta0 : tensor<?x?x2xf32>, %R = %R0 : tensor<?x?x2x4x2x2xf32>, %M = %M0 : tensor<?x?x2x4x8xf32>,
           %z = %z0 : tensor<?x?x2x8x8xf32>)
      init(%S = %s0 : tensor<?x2x8x8xf32>, %B = %s0 : tensor<?x2x8x8xf32>, %N = %N0 : tensor<?x2x8x1xf32>,
           %P = %P0 : tensor<?x2x2x8x8xf32>, %F = %F0 : tensor<?x2x8x8x8xf32>, %n = %n0 : tensor<?x2x1xf32>)
      -> (tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x1xf32>, tensor<?x2x2x8x8xf32>,
          tensor<?x2x8x8x8xf32>, tensor<?x2x1xf32>) {{
{example}
    rwkv.yield {states} : !rwkv.state<8|8xf32>, !rwkv.state<8|8xf32>, !rwkv.state<8|1xf32>, !rwkv.state<2x8|8xf32>,
        !rwkv.state<8x8|8xf32>, !rwkv.state<|1xf32>
  }}
  return
}}
"""

BTD = "tensor<?x?x?xf32, #rwkv.dims<B, T, D>>"

MODEL = f"""\
rwkv.model @example {{{{
  rwkv.param @eps = 1.0e-5
  rwkv.weight @vec "vec" #rwkv.dims<D>
  rwkv.weight @mat "mat" #rwkv.dims<D, F>
  rwkv.weight @emb "emb" #rwkv.dims<V, D>
  func.func @f(%x: {BTD}, %p: {BTD}, %last: tensor<?x?xf32, #rwkv.dims<B, D>>,
               %tokens: tensor<?x?xi32, #rwkv.dims<B, T>>) {{{{
{{example}}
    return
  }}}}
}}}}
"""

LAYER = f"""\
func.func @example(%x0: {BTD}, %p0: {BTD}) {{{{
  %y:2 = rwkv.layers l in L iter(%x = %x0 : {BTD}, %p = %p0 : {BTD}) -> ({BTD}, {BTD}) {{{{
{{example}}
    rwkv.yield %x, %p : {BTD}, {BTD}
  }}}}
  return
}}}}
"""

TEMPLATES = {"// region": REGION, "// model": MODEL, "// layer": LAYER}


def examples_of(page):
    """(name of the op, example) for every mlir block of a page; several of one op are numbered."""
    op, block, seen = "page", None, {}
    with open(page, encoding="utf-8") as lines:
        for line in lines:
            heading = re.match(r"#+ `?([\w.]+)`?", line)
            if block is None and heading:
                op = heading.group(1)
            elif block is None and line.strip() == "```mlir":
                block = []
            elif block is not None and line.strip() == "```":
                seen[op] = seen.get(op, 0) + 1
                yield (op if seen[op] == 1 else f"{op}-{seen[op]}"), "".join(block)
                block = None
            elif block is not None:
                block.append(line)


def wrap(example):
    first, _, rest = example.partition("\n")
    template = TEMPLATES.get(first.strip())
    if template is None:
        return example
    after = {name for name in "SBNPFn" if re.search(rf"^%{name}1 = ", rest, re.MULTILINE)}
    states = ", ".join(f"%{name}1" if name in after else f"%{name}" for name in "SBNPFn")
    indented = "\n".join("    " + line if line else line for line in rest.rstrip("\n").split("\n"))
    return template.format(example=indented, states=states)


def run(tool, path):
    """Nothing, or what went wrong with one file."""
    def call(*arguments, text=None):
        return subprocess.run([tool, *arguments], input=text, capture_output=True, text=True, check=False)

    reference = call(path, "--verify-roundtrip", "--mlir-print-op-generic")
    if reference.returncode != 0:
        return reference.stderr
    again = call("--mlir-print-op-generic", text=call(path).stdout)
    if again.returncode != 0:
        return "what was printed does not parse:\n" + again.stderr
    return "" if again.stdout == reference.stdout else "what was printed parses to something else\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", metavar="PAGE.md")
    parser.add_argument("--output", required=True, metavar="FOLDER")
    parser.add_argument("--run", metavar="RWKV_OPT")
    arguments = parser.parse_args()
    os.makedirs(arguments.output, exist_ok=True)
    count, failures = 0, 0
    for page in arguments.pages:
        for name, example in examples_of(page):
            path = os.path.join(arguments.output, name + ".mlir")
            with open(path, "w", encoding="utf-8") as file:
                file.write(wrap(example))
            count += 1
            error = run(arguments.run, path) if arguments.run else ""
            if error:
                failures += 1
                print(f"the example of {name} ({page}) fails:\n{error}", file=sys.stderr)
    print(f"{count} examples, {failures} failed")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
