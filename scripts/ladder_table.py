#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes which schedules the layers of examples/ladder have, as `rwkv-opt --rwkv-explain` says it:
docs/generated/ladder.md, a row per layer with the reasons, and a short form between two comments of README.md."""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LADDER = ROOT / "examples" / "ladder"
KINDS = ("step", "scan", "chunk")
BEGIN = "<!-- Written by scripts/ladder_table.py. Do not edit up to the next comment. -->"
END = "<!-- End of what scripts/ladder_table.py wrote. -->"
EXAMPLES = """examples:
  ladder_table.py build/bin/rwkv-opt
  ladder_table.py build/bin/rwkv-opt --check
  ladder_table.py build/bin/rwkv-opt --output /tmp/docs          # leaves README.md alone
"""


class Unexpected(Exception):
    pass


def first_sentence(path):
    """Of the comment that a file starts with, without the licence."""
    words = []
    for line in path.read_text().splitlines():
        if not line.startswith("//") or (words and line.strip() == "//"):
            break
        if "SPDX" not in line:
            words += line[2:].split()
    text = re.sub(r"(?<=\w)- ", "-", " ".join(words))  # a word broken at its hyphen
    return re.split(r"(?<=\S)\.(?:\s|$)", text)[0]


def explain(tool, path):
    """What rwkv-opt says of a file: per recurrence its line, and per schedule (legal, rule or limit, reason)."""
    done = subprocess.run([tool, str(path), "--rwkv-explain", "--target=x86-64-v3"], capture_output=True, text=True)
    if done.returncode:
        raise Unexpected(f"{path.name}: {done.stderr.strip()}")
    found = []
    for line in done.stdout.splitlines():
        if head := re.match(r".*:(\d+):\d+: recurrence with ", line):
            found.append((int(head[1]), {}))
        elif entry := re.match(rf"  ({'|'.join(KINDS)}) +(legal|no: )(.*)$", line):
            kind, legal, rest = entry.groups()
            limit = re.match(r", (?:at most (\d+) tokens|of lengths that divide (\d+))", rest)
            refused = re.match(r"(.*) \((L\d)\)$", rest)
            if (legal == "legal") != (refused is None) or (legal == "legal" and rest and not limit):
                raise Unexpected(f"{path.name}: expected 'legal', or a reason and a rule, but got '{line.strip()}'")
            if refused:
                found[-1][1][kind] = (refused[2], refused[1])
            elif limit:
                found[-1][1][kind] = (f"C <= {limit[1]}" if limit[1] else f"C divides {limit[2]}", rest[2:])
            else:
                found[-1][1][kind] = ("yes", "")
    if not found or any(set(schedules) != set(KINDS) for _, schedules in found):
        raise Unexpected(f"{path.name}: expected step, scan and chunk of every recurrence in\n{done.stdout}")
    return found


def function_at(path, line):
    names = re.findall(r"^func\.func @(\w+)", "\n".join(path.read_text().splitlines()[:line]), re.MULTILINE)
    return names[-1]


def layers(tool):
    """(name, file, what it is, schedules) of every recurrence."""
    for path in sorted(LADDER.glob("*.mlir")):
        found = explain(tool, path)
        for line, schedules in found:
            name = path.stem if len(found) == 1 else f"{path.stem} @{function_at(path, line)}"
            yield name, path.name, first_sentence(path), schedules


def page(rows):
    """docs/generated/ladder.md."""
    notes = {}

    def cell(answer):
        text, reason = answer
        if not reason:
            return text
        return f"{text}[^{notes.setdefault((text, reason), len(notes) + 1)}]"

    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception -->",
        "<!-- Written by scripts/ladder_table.py from examples/ladder. Do not edit. -->",
        "",
        "# The ladder",
        "",
        "Every layer of examples/ladder and the schedules that it has; where one is not legal, the rule of",
        "[docs/Schedules.md](../Schedules.md) that it breaks. `rwkv-opt FILE --rwkv-explain` says it in full.",
        "",
        "| layer | what it is | step | scan | chunk |",
        "|---|---|---|---|---|",
    ]
    for name, file, what, schedules in rows:
        cells = " | ".join(cell(schedules[kind]) for kind in KINDS)
        lines.append(f"| [{name}](../../examples/ladder/{file}) | {what.replace('|', chr(92) + '|')} | {cells} |")
    lines.append("")
    for (text, reason), number in notes.items():
        lines += [f"[^{number}]: {text}: {reason}."]
    return "\n".join(lines) + "\n"


def short(rows):
    """The table of README.md: layers with the same schedules in one row, those with most schedules first."""
    groups = {}
    for name, file, _, schedules in rows:
        cells = tuple(schedules[kind][0] for kind in KINDS)
        groups.setdefault(cells, []).append(f"[{name}](examples/ladder/{file})")
    lines = [BEGIN, "| step | scan | chunk | layers |", "|---|---|---|---|"]
    order = sorted(groups, key=lambda cells: [(c.startswith("L"), c != "yes", c) for c in reversed(cells)])
    lines += [f"| {' | '.join(cells)} | {', '.join(groups[cells])} |" for cells in order]
    return "\n".join([*lines, END])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tool", metavar="RWKV_OPT", help="path of rwkv-opt")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    parser.add_argument("--output", type=pathlib.Path, metavar="FOLDER", help="of ladder.md (default: docs/generated)")
    parser.add_argument("--readme", type=pathlib.Path, metavar="FILE", help="default: README.md, none with --output")
    args = parser.parse_args()
    readme = args.readme or (None if args.output else ROOT / "README.md")
    output = args.output or ROOT / "docs" / "generated"
    try:
        rows = list(layers(args.tool))
        texts = {output / "ladder.md": page(rows)}
        if readme:
            old = readme.read_text()
            before, begin, rest = old.partition(BEGIN)
            _, end, after = rest.partition(END)
            if not begin or not end:
                raise Unexpected(f"{readme}: expected the comments '{BEGIN}' and '{END}'")
            texts[readme] = before + short(rows) + after
    except (Unexpected, OSError) as error:
        print(f"ladder_table.py: {error}", file=sys.stderr)
        return 1
    stale = False
    for path, text in texts.items():
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            continue
        old = path.read_text() if path.exists() else ""
        if old != text:
            diff = difflib.unified_diff(old.splitlines(), text.splitlines(), str(path), "expected", lineterm="")
            print("\n".join(diff))
            print(f"{path} is stale: run scripts/generate_docs.sh --ladder RWKV_OPT", file=sys.stderr)
            stale = True
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
