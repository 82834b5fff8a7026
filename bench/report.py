#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A Markdown table and a roofline of what operators.py and peers.py measured:

    report.py ours.json peers.json --svg roofline.svg --ceiling 'bf16 products:765' > table.md

Shapes of one token (T = 1) have a table of their own, after the other, and are not in the roofline. The floor is the time that
moving operands and outputs once takes at --bandwidth (the one the runs were given). In the roofline operations are those of the
recurrence token by token, whatever a kernel does instead: 2 for every element of the state that is read by a key or written to,
1 for every one that decays, counted in examples/ladder. Needs nothing but Python."""

import argparse
import html
import json
import math
import pathlib
import re

LADDER = pathlib.Path(__file__).resolve().parent.parent / "examples" / "ladder"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 560, 70, 20, 20, 55  # of the picture and its margins
OURS, PEER = "#0b63b0", "#c0392b"
WRONG = 0.05  # a peer that errs more computes something else with these operands


def operations(layer, shape, size):
    text = (LADDER / f"{layer.replace('-', '_')}.mlir").read_text()
    text = re.sub(r"//.*", "", text)
    keys = re.search(r"state<([^|]*)\|", text)[1].count("?")
    state = size * (1, size, (size // 2) ** 2)[keys]  # of two key axes, each is half as long (operators.py)
    weights = {"read": 2, "write": 2, "decay": 1}
    per_token = sum(weights[op] for op in re.findall(r"= rwkv\.(read|write|decay) ", text))
    return math.prod(map(int, shape.split("x"))) * state * per_token


def is_step(row):
    return row["shape"].split("x")[1] == "1"


def pairs(rows, steps=False):
    """[(key, our fastest row, fastest row of a peer or None)], in the order of the rows."""
    keys = dict.fromkeys((r["layer"], r["shape"], r["size"]) for r in rows if "peer" not in r and is_step(r) == steps)

    def best(key, peers):
        found = [r for r in rows if (r["layer"], r["shape"], r["size"]) == key and ("peer" in r) == peers]
        found = [r for r in found if not peers or r["error"] < WRONG]
        return min(found, key=lambda r: r["ms"], default=None)

    return [(key, best(key, False), best(key, True)) for key in keys]


def name_of(layer, size):
    return layer if size == 64 else f"{layer}, K = V = {size}"


def table(rows):
    yield "| layer | B x T x H | ours, ms | best peer, ms | peer | peer / ours | floor, ms | ours / floor | error, ours | peer |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for (layer, shape, size), ours, peer in pairs(rows):
        theirs, ratio, name, error = "", "", "", ""
        if peer:
            theirs, ratio = f"{peer['ms']:#.3g}", f"{peer['ms'] / ours['ms']:.2f}"
            name, error = peer["peer"], f"{peer['error']:.2e}"
        floor = f"{ours['floor_ms']:.3f} | {ours['ms'] / ours['floor_ms']:.1f}"
        mine = f"| {name_of(layer, size)} | {shape} | {ours['ms']:#.3g}"
        yield f"{mine} | {theirs} | {name} | {ratio} | {floor} | {ours['error']:.2e} | {error} |"


def steps_table(rows):
    yield "| layer | B x H | ours, µs | best peer, µs | peer | peer / ours | floor, µs | ours / floor | error, ours | peer |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for (layer, shape, size), ours, peer in pairs(rows, steps=True):
        batch, _, heads = shape.split("x")
        theirs, ratio, name, error = "", "", "", ""
        if peer:
            theirs, ratio = f"{1e3 * peer['ms']:#.3g}", f"{peer['ms'] / ours['ms']:.2f}"
            name, error = peer["peer"], f"{peer['error']:.2e}"
        floor = f"{1e3 * ours['floor_ms']:#.3g} | {ours['ms'] / ours['floor_ms']:.2f}"
        mine = f"| {name_of(layer, size)} | {batch}x{heads} | {1e3 * ours['ms']:#.3g}"
        yield f"{mine} | {theirs} | {name} | {ratio} | {floor} | {ours['error']:.2e} | {error} |"


def roofline(rows, bandwidth, ceilings):
    points, names = [], []  # (operations per byte, TFLOP/s, number of the name, title, whether ours)
    for (layer, shape, size), ours, peer in pairs(rows):
        count = operations(layer, shape, size)
        intensity = count / (ours["floor_ms"] * 1e-3 * bandwidth * 1e12)
        names.append(f"{name_of(layer, size)} {shape}")
        points.append((intensity, count / ours["ms"] / 1e9, len(names), names[-1], True))
        if peer:
            points.append((intensity, count / peer["ms"] / 1e9, len(names), f"{names[-1]}: {peer['peer']}", False))
    ridges = [height / bandwidth * 1.5 for _, height in ceilings]
    low_x, high_x = min(p[0] for p in points) / 2, max([p[0] * 2 for p in points] + ridges)
    low_y, high_y = min(p[1] for p in points) / 2, max([c for _, c in ceilings] + [p[1] for p in points]) * 2

    def x_of(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / low_x) / math.log(high_x / low_x)

    def y_of(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / low_y) / math.log(high_y / low_y)

    def line(x0, y0, x1, y1, style):
        return f'<line x1="{x_of(x0):.1f}" y1="{y_of(y0):.1f}" x2="{x_of(x1):.1f}" y2="{y_of(y1):.1f}" style="{style}"/>'

    def text(x, y, content, more=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(content)}</text>'

    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for low, high, of, at in ((low_x, high_x, x_of, "x"), (low_y, high_y, y_of, "y")):
        ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5)]
        for tick in (t for t in ticks if low <= t <= high):
            if at == "x":
                yield line(tick, low_y, tick, high_y, "stroke:#e4e4e4")
                yield text(of(tick), HEIGHT - BOTTOM + 16, f"{tick:g}", 'text-anchor="middle"')
            else:
                yield line(low_x, tick, high_x, tick, "stroke:#e4e4e4")
                yield text(LEFT - 6, of(tick) + 4, f"{tick:g}", 'text-anchor="end"')
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "operations per byte of operands and outputs", 'text-anchor="middle"')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield text(16, middle, "TFLOP/s", f'text-anchor="middle" transform="rotate(-90 16 {middle:.0f})"')
    # The slope, as far as it lies within the picture, and the flat ceilings right of it.
    top = max((height for _, height in ceilings), default=high_y)
    begin, end = max(low_x, low_y / bandwidth), min(high_x, top / bandwidth)
    yield line(begin, begin * bandwidth, end, end * bandwidth, "stroke:#333;stroke-width:1.5")
    at = math.sqrt(begin * end)
    yield text(x_of(at) - 8, y_of(at * bandwidth) - 8, f"memory, {bandwidth:g} TB/s", 'text-anchor="end" fill="#333"')
    for name, height in ceilings:
        yield line(height / bandwidth, height, high_x, height, "stroke:#333;stroke-width:1.5")
        at = x_of(height / bandwidth) - 8, y_of(height) + 4
        yield text(*at, f"{name}, {height:g} TFLOP/s", 'text-anchor="end" fill="#333"')
    for x, y, number, label, ours in points:
        fill, ink, edge = (OURS, "white", OURS) if ours else ("white", PEER, PEER)
        title = html.escape(f"{label}: {y:.3g} TFLOP/s, {100 * y / (x * bandwidth):.0f} % of the memory's")
        yield f'<g><title>{title}</title><circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="7" fill="{fill}" stroke="{edge}"/>'
        yield text(x_of(x), y_of(y) + 3, str(number), f'text-anchor="middle" font-size="8.5" fill="{ink}"') + "</g>"
    for n, (edge, fill, label) in enumerate(((OURS, OURS, "ours"), (PEER, "white", "best peer"))):
        yield f'<circle cx="{LEFT + 14}" cy="{TOP + 14 + 17 * n}" r="7" fill="{fill}" stroke="{edge}"/>'
        yield text(LEFT + 26, TOP + 18 + 17 * n, label)
    for n, name in enumerate(names):
        yield text(LEFT + 10, TOP + 56 + 14 * n, f"{n + 1}  {name}")
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=pathlib.Path, help="JSON of operators.py and peers.py")
    parser.add_argument("--svg", type=pathlib.Path, help="write the roofline here")
    parser.add_argument("--bandwidth", type=float, default=3.0, help="TB/s, as of the runs (default: 3.0)")
    parser.add_argument("--ceiling", action="append", default=[], help="name:TFLOP/s (repeatable)")
    args = parser.parse_args()
    rows = [row for path in args.results for row in json.loads(path.read_text())]
    print("\n".join(table(rows)))
    if any(map(is_step, rows)):
        print("", *steps_table(rows), sep="\n")
    if args.svg:
        ceilings = [(name, float(height)) for name, _, height in (c.rpartition(":") for c in args.ceiling)]
        args.svg.write_text("\n".join(roofline(rows, args.bandwidth, ceilings)) + "\n")


if __name__ == "__main__":
    main()
