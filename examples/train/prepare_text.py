#!/usr/bin/env python3
# Part of rwkv-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds train.txt and heldout.txt (plain ASCII) from public-domain texts in Debian packages.

  bible-kjv, bible-kjv-text   King James Bible (1611; copyright expired); `bible` unpacks it
  jargon-text                 the Jargon File 4.4.7 (placed in the public domain by its editors)
  dict-devil                  Ambrose Bierce, The Devil's Dictionary (1911; copyright expired)

Wrapped paragraphs are joined into one line each; typographic quotes, dashes and accents become
ASCII. The text is cut into --pieces equal slices and the last --heldout fraction of every slice is
held out, cut at line ends, so the held-out text covers all three sources and is never trained on."""
import argparse
import gzip
import hashlib
import os
import re
import subprocess
import sys
import unicodedata

EXAMPLES = """examples:
  # with the packages installed
  sudo apt-get install bible-kjv bible-kjv-text jargon-text dict-devil
  python3 prepare_text.py --out text

  # without installing anything
  apt-get download bible-kjv bible-kjv-text jargon-text dict-devil
  for f in *.deb; do dpkg -x $f unpacked; done
  python3 prepare_text.py --root unpacked --out text
"""

ASCII = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "\u2013": "-",
         "\u2212": "-", "\u2022": "*", "\u2192": "->", "\u2190": "<-", "\u00d7": "x", "\u00df": "ss",
         "\u00e6": "ae", "\u00d8": "O", "\u00b7": "", "\u00b4": "'"}


def to_ascii(text):
    text = "".join(ASCII.get(c, c) for c in text)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def blocks(text):
    """Blank-line separated blocks, each a list of lines without trailing space."""
    for block in re.split(r"\n\s*\n", text):
        lines = [l.rstrip() for l in block.split("\n") if l.strip()]
        if lines:
            yield lines


def unwrap(lines):
    """Joins a wrapped paragraph; keeps the lines of verse, tables and program text."""
    indent = [len(l) - len(l.lstrip()) for l in lines]
    base = min(indent)
    if all(i == base for i in indent[1:]):
        return " ".join(l.strip() for l in lines)
    return "\n".join(l[base:] for l in lines)


def read_bible(root):
    command = [os.path.join(root, "usr/bin/bible"), "-d", os.path.join(root, "usr/lib/bible.data"),
               "Gen1:1-Rev22:21"]
    raw = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    out = []
    for line in to_ascii(raw.decode("ascii")).split("\n"):
        verse = re.match(r"  ?\d+ (.*)", line)
        if verse:
            out.append(verse.group(1).strip())
        elif re.fullmatch(r"[1-4A-Z][A-Za-z ]* \d+", line) and (not out or out[-1] == ""):
            out.append(line)            # "Genesis 1", between blank lines
        elif line.strip() and out and out[-1]:
            out[-1] += " " + line.strip()
        elif not line.strip() and out and out[-1]:
            out.append("")
    return "\n".join(out) + "\n"


def read_jargon(root):
    path = os.path.join(root, "usr/share/doc/jargon-text/jargon.txt.gz")
    text = gzip.open(path, "rb").read().decode("utf-8")
    entries = text.index("\n   :")       # everything before it but the introduction is an index
    intro = text[text.rindex("\nWelcome to the Jargon File", 0, entries):text.rindex("\nGlossary\n", 0, entries)] \
        if "\nWelcome to the Jargon File" in text[:entries] else ""
    out = []
    for lines in blocks(intro + "\n\n" + text[entries:]):
        if any("\u2500" <= c <= "\u257f" for l in lines for c in l):
            continue                     # tables drawn with box characters
        paragraph = to_ascii(unwrap(lines))
        if len(paragraph) < 60 and not re.search(r"[.!?:)\"']$", paragraph) and not paragraph.startswith(":"):
            continue                     # index lines and running titles
        out.append(paragraph)
    return "\n\n".join(out) + "\n"


def read_devil(root):
    path = os.path.join(root, "usr/share/dictd/devil.dict.dz")
    text = gzip.open(path, "rb").read().decode("ascii")
    text = text[text.index("PREFACE"):]
    return "\n\n".join(unwrap(b) for b in blocks(text)) + "\n"


def split(text, pieces, fraction):
    """Two strings: what is trained on, what is held out."""
    train, held = [], []
    step = len(text) // pieces
    for i in range(pieces):
        begin, end = i * step, (i + 1) * step if i + 1 < pieces else len(text)
        # All cuts move to the next line end, the same way for both neighbours of a cut.
        at = [text.find("\n", p) + 1 or len(text) if 0 < p < len(text) else p
              for p in (begin, end - int((end - begin) * fraction), end)]
        train.append(text[at[0]:at[1]])
        held.append(text[at[1]:at[2]])
    return "".join(train), "".join(held)


def write(path, text):
    data = text.encode("ascii")
    with open(path + ".part", "wb") as f:
        f.write(data)
    os.replace(path + ".part", path)
    print(f"{path}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="/", help="where the packages are installed or unpacked (default: /)")
    parser.add_argument("--out", default=".", help="folder for train.txt and heldout.txt (default: .)")
    parser.add_argument("--pieces", type=int, default=20, help="number of held-out pieces (default: 20)")
    parser.add_argument("--heldout", type=float, default=0.05, help="fraction held out (default: 0.05)")
    args = parser.parse_args()
    parts = []
    for name, reader in (("bible-kjv-text", read_bible), ("jargon-text", read_jargon), ("dict-devil", read_devil)):
        try:
            parts.append(reader(args.root))
        except FileNotFoundError as error:
            sys.exit(f"prepare_text.py: {error.filename} is missing: install or unpack {name} "
                     f"(and bible-kjv for the Bible), or pass --root (see --help)")
        print(f"{name}: {len(parts[-1])} bytes")
    os.makedirs(args.out, exist_ok=True)
    train, held = split("\n".join(parts), args.pieces, args.heldout)
    write(os.path.join(args.out, "train.txt"), train)
    write(os.path.join(args.out, "heldout.txt"), held)


if __name__ == "__main__":
    main()
