# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parses an SVG of rwkv-opt --emit=picture (a path, or - for stdin) and prints what is drawn, one thing a line."""

import sys
import xml.etree.ElementTree as xml

SVG = "{http://www.w3.org/2000/svg}"

root = xml.parse(sys.stdin if sys.argv[1] == "-" else sys.argv[1]).getroot()
assert root.tag == SVG + "svg", root.tag
width, height = float(root.get("width")), float(root.get("height"))
assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}", root.get("viewBox")
for element in root.iter():
    for x, y in [("x", "y"), ("cx", "cy"), ("x1", "y1"), ("x2", "y2")]:
        if element.get(x) is not None:
            assert 0 <= float(element.get(x)) <= width and 0 <= float(element.get(y)) <= height, element.attrib
for element in root:
    texts = [text.text for text in element.iter(SVG + "text")]
    title = element.find(SVG + "title")
    box, circle = element.find(SVG + "rect"), element.find(SVG + "circle")
    if box is not None:
        dashed = "dashed " if box.get("stroke-dasharray") else ""
        print(f"{dashed}box {texts[0]}: {title.text}")
    elif circle is not None:
        print(f"circle: {title.text}")
    elif element.tag == SVG + "text" and texts[0].startswith("S") and "[" in texts[0]:
        print(f"lane {texts[0]}")
    elif element.tag == SVG + "text" and element.get("text-anchor") == "middle":
        print(f"schedule {texts[0]}")
