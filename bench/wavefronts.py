#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the pipelines of warps in packs for NVIDIA GPUs do per chunk, as a Markdown table:

    wavefronts.py build/operators/*.pack                 --instructions lists accesses that take more than they need

Wavefronts of shared memory are counted in the pack's PTX: the addresses of the lanes of a warp are computed from their numbers
(what is not known, as the slot, is the same for all of them), and words of one bank follow one another. Lanes are served
together if they access 128 bytes: 32 lanes of 4 bytes, 16 of 8, 8 of 16; twice as many if pairs of neighbours, or of lanes two
apart, want the same. `least` is what there would be without conflicts. On an H100 the sum over all warps agrees with what a
profile counts to less than a percent. A loop with a branch that whole warps take has a row for each way, but for
those that are seldom taken."""

import argparse
import collections
import pathlib
import re

from resources import read

BANKS, WORD, WARP = 32, 4, 32
NEAR = 8  # instructions after a branch, one of which says that what follows is seldom done
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "shl": lambda x, y: x << y,
    "shr": lambda x, y: x >> y,
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "rem": lambda x, y: x % y if y else 0,
    "div": lambda x, y: x // y if y else 0,
    "min": min,
    "max": max,
}


def permute(x, y, selector):
    """prmt: bytes of two words."""
    both, result = x & 0xFFFFFFFF | (y & 0xFFFFFFFF) << 32, 0
    for i in range(4):
        number = selector >> 4 * i & 15
        byte = both >> 8 * (number & 7) & 255
        result |= (byte if number < 8 else 255 * (byte >> 7)) << 8 * i
    return result


class Kernel:
    """Instructions of a PTX entry: (name, operands)."""

    def __init__(self, text, symbol):
        self.instructions, self.labels, self.definitions = [], {}, {}
        text = re.search(rf"\.entry {symbol}\(.*?\)(.*?)(?=\.entry|$)", text, re.DOTALL)[1]
        body = re.sub(r"// seldom", "seldom;", text[text.index("{") :])
        body = re.sub(r"//.*", "", body)
        for statement in re.findall(r"\$L\w+:|[^;:]+;", body):
            if statement.endswith(":"):
                self.labels[statement[:-1]] = len(self.instructions)
                continue
            match = re.match(r"(?:@!?%p\d+\s+)?([a-z][\w.]*)\s*(.*)$", statement[:-1].strip(), re.DOTALL)
            if not match:
                continue
            operands = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+", match[2])
            if operands and not match[1].startswith(("st.", "bra", "bar", "red")):
                for register in re.findall(r"%\w+", operands[0]):
                    self.definitions.setdefault(register, len(self.instructions))
            self.instructions.append((match[1], operands))

    def value(self, operand, lane, known):
        """Of a register, where it is defined first: what loops change is the same for all lanes."""
        if not operand.startswith("%"):
            number = re.match(r"-?(0x[0-9A-Fa-f]+|\d+)U?$", operand)
            return int(operand.rstrip("U"), 0) if number else 0
        if operand == "%tid.x":
            return lane
        if operand not in known and operand in self.definitions:
            known[operand] = 0
            name, operands = self.instructions[self.definitions[operand]]
            kind, *types = name.split(".")
            values = [self.value(x, lane, known) for x in operands[1:]] if kind != "ld" else [0]
            bits = 16 if types and types[-1].endswith("16") else 64 if types and types[-1].endswith("64") else 32
            if kind in BINARY:
                result = BINARY[kind](values[0], values[1])
            elif kind == "mad":
                result = values[0] * values[1] + values[2]
            elif kind == "bfe":
                result = values[0] >> values[1] & (1 << values[2]) - 1
            elif kind == "prmt":
                result = permute(*values)
            else:  # mov, cvt; of anything else no address is made
                result = values[0]
            known[operand] = result & (1 << bits) - 1
        return known.get(operand, 0)

    def loops(self):
        """(first, last) of the outermost ones; a loop whose head is behind its body ends where the body is left."""
        found = []
        for i, (name, operands) in enumerate(self.instructions):
            start = self.labels.get(operands[0], i) if name.startswith("bra") else i
            if start < i:
                found.append((start, i))
        result = []
        for first, last in sorted(found):
            if result and first <= result[-1][1]:
                result[-1] = (result[-1][0], max(last, result[-1][1]))
            else:
                result.append((first, last))
        return result

    def rounds(self, first, last):
        """Instructions from the meeting of a loop to the next one: a list for each way through its branches, the shortest
        first. What some lanes jump over is of both ways, what is marked as seldom done of none."""
        start = next(i for i in range(first, last + 1) if self.instructions[i][0].startswith("mbarrier.arrive"))
        found, work = [], [(start, [])]
        while work:
            i, taken = work.pop()
            while first <= i <= last and (i != start or not taken):
                taken = [*taken, i]
                name, operands = self.instructions[i]
                if name == "seldom":
                    break
                target = self.labels.get(operands[0], i) if name.startswith("bra") else i
                skipped = [x for x, _ in self.instructions[i + 1 : target]]
                if name == "bra.uni" or "seldom" in skipped:
                    i = target
                    continue
                behind = [x for x, _ in self.instructions[i + 1 : i + NEAR]]
                isNew = target not in taken or target == start and "seldom" in behind
                if name == "bra" and isNew and not (skipped and "bra.uni" not in skipped):
                    work.append((target, taken))
                i += 1
            if i == start:
                found.append([self.instructions[i] for i in taken])
        return sorted(found, key=len)


def serve(addresses, size):
    """Wavefronts of lanes, half of them at a time as long as they want too much."""
    wanted, half = size * len(addresses), len(addresses) // 2
    steps = (1, 2) if wanted == 2 * BANKS * WORD else ()
    shared = any(all(x == addresses[i ^ step] for i, x in enumerate(addresses)) for step in steps)
    if wanted > BANKS * WORD and not shared:
        return serve(addresses[:half], size) + serve(addresses[half:], size)
    words = {word for x in addresses for word in range(x // WORD, (x + size - 1) // WORD + 1)}
    return max(collections.Counter(word % BANKS for word in words).values())


def accesses(kernel, instructions, warp):
    """(instruction, wavefronts, least) of the accesses to shared memory."""
    known = [{} for _ in range(WARP)]
    for name, operands in instructions:
        if ".shared" not in name or not name.startswith(("ld", "st")):
            continue
        operand = next(x for x in operands if x.startswith("["))
        base, offset = re.match(r"\[(%?\w+)(?:\+(-?\d+))?\]", operand).groups()
        if name.startswith(("ldmatrix", "stmatrix")):
            lanes, size = 8 * int(re.search(r"\.x(\d)", name)[1]), 16
        else:
            vector = re.search(r"\.v(\d)", name)
            lanes, size = WARP, int(re.search(r"(\d+)$", name)[1]) // 8 * int(vector[1] if vector else 1)
        addresses = [kernel.value(base, WARP * warp + i, known[i]) + int(offset or 0) for i in range(lanes)]
        words = {x // WORD + i for x in addresses for i in range(-(-size // WORD))}
        yield f"{name} {operand}", serve(addresses, size), -(-len(words) // BANKS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="+", type=pathlib.Path)
    parser.add_argument("--instructions", action="store_true", help="list accesses that take more than they need")
    args = parser.parse_args()
    print("| pack | warps | instructions | loads, stores | wavefronts | least | matrix products |")
    print("|---|---|---|---|---|---|---|")
    for path in args.packs:
        manifest, targets = read(path)
        for kernel in manifest["kernels"]:
            code = Kernel(targets[0][1].decode(), kernel["symbol"])
            for first, last in code.loops():
                body = code.instructions[first : last + 1]
                meetings = {name.split(".")[1].split("_")[-1] for name, _ in body if name.startswith("mbarrier")}
                if meetings != {"wait", "arrive"}:
                    continue
                applies = not any(name.startswith("ld.global") for name, _ in body)
                for body in code.rounds(first, last):
                    found = list(accesses(code, body, kernel["threads"] // WARP - 1 if applies else 0))
                    total, least = sum(x[1] for x in found), sum(x[2] for x in found)
                    products = sum(name.startswith("mma") for name, _ in body)
                    role = "apply" if applies else "prepare"
                    print(f"| {path.stem} | {role} | {len(body)} | {len(found)} | {total} | {least} | {products} |")
                    for text, count, fewest in found if args.instructions else ():
                        if count > fewest:
                            print(f"    {text}: {count}, {fewest}")


if __name__ == "__main__":
    main()
