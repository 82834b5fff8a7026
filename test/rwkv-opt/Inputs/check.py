# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Looks into what rwkv-opt --emit writes.

  check.py pack FILE                      prints what is in a pack, one fact a line
  check.py object FILE ARCHITECTURE NAME  an ELF object of this architecture with this symbol
  check.py budget FILE LINES              assembly of at most so many lines, no 512-bit register on the stack
  check.py within SECONDS COMMAND..       runs a command that must succeed in time
  check.py checkpoint FILE                writes a checkpoint of a small RWKV-7: L = 2, D = 16, H = 2, V = 32
"""
import json
import struct
import subprocess
import sys


def show_ref(ref):
    return "".join(str(part) for part in ref[:2]) + ("[l]" if len(ref) == 3 else "")


def show_steps(steps, kernels, weights, indent=""):
    for step in steps:
        if "repeat" in step:
            print(f"{indent}repeat {step['repeat'][0]} to {step['repeat'][1]}")
            show_steps(step["steps"], kernels, weights, indent + "  ")
        elif "copy" in step:
            print(f"{indent}copy {show_ref(step['copy'][0])} from {show_ref(step['copy'][1])}")
        else:
            buffers = " ".join(weights[ref[1]] if ref[0] == "weight" else show_ref(ref) for ref in step["buffers"])
            first = f" from {json.dumps(step['from'])}" if "from" in step else ""
            beside = " beside the next" if step.get("beside") else ""
            print(f"{indent}launch {kernels[step['launch']]} tasks {json.dumps(step['tasks'])}{first}{beside}: {buffers}")


def show_pack(path):
    with open(path, "rb") as file:
        data = file.read()
    magic, version, reserved, manifest_bytes, blob_bytes, low, high = struct.unpack("<8sIIQQQQ", data[:48])
    assert magic == b"RWKVPACK" and version == 1 and reserved == 0, data[:16]
    blobs = (48 + manifest_bytes + 4095) // 4096 * 4096
    assert len(data) == blobs + blob_bytes, (len(data), blobs, blob_bytes)
    assert not any(data[48 + manifest_bytes : blobs]), "padding is zero"
    print("hash:", "ok" if low and high else "missing")
    manifest = json.loads(data[48 : 48 + manifest_bytes])
    kernels = [kernel["symbol"] for kernel in manifest["kernels"]]
    weights = [weight["name"] for weight in manifest["weights"]]
    print("name:", manifest["name"])
    print("dims:", json.dumps(manifest["dims"]))
    print("params:", json.dumps(manifest["params"]))
    for weight in manifest["weights"]:
        layers = f" layers {weight['from']} to {weight['to']}" if "from" in weight else ""
        print(f"weight {weight['name']} {weight['dtype']} {weight['shape']}{layers} {' | '.join(weight['keys'])}")
    print("kernels:", " ".join(kernels))
    for kernel in manifest["kernels"]:
        if "threads" in kernel:
            sizes = [f"{name} {kernel[name]}" for name in ("threads", "shared", "scratch")]
            print("kernel:", kernel["symbol"], " ".join(sizes))
    for target in manifest["targets"]:
        assert target["offset"] == 0 and target["size"] == blob_bytes
        text = target["arch"] == "nvptx64"
        assert data[blobs : blobs + 4] == (b"//\n/" if text else b"\x7fELF")
        print("target:", target["name"], target["arch"], " ".join(target["features"]))
    for function in manifest["functions"]:
        print("function:", function["name"])
        for value in function["args"]:
            below = f" below {value['below']}" if "below" in value else ""
            print(value["name"], value["role"], value["dtype"], json.dumps(value["shape"]) + below)
        for value in function["results"]:
            print("->", value["name"], value["role"], value["dtype"], json.dumps(value["shape"]))
        show_steps(function["plan"]["steps"], kernels, weights)


def check_object(path, architecture, name):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:6] == b"\x7fELF\x02\x01", data[:6]
    kind, machine = struct.unpack("<HH", data[16:20])
    assert (kind, machine) == (1, {"x86-64": 62, "aarch64": 183, "amdgcn": 224}[architecture]), (kind, machine)
    assert b"\0" + name.encode() + b"\0" in data, name


def check_budget(path, limit):
    with open(path) as file:
        lines = file.read().splitlines()
    spills = [line for line in lines if "%zmm" in line and "(%rsp" in line]
    assert not spills, "vector registers on the stack:\n" + "\n".join(spills)
    assert len(lines) <= int(limit), f"expected at most {limit} lines, found {len(lines)}"
    assert any("%zmm" in line for line in lines), "512-bit vectors are used"


def run_within(seconds, *command):
    subprocess.run(command, check=True, timeout=float(seconds))


def write_checkpoint(path):
    d, heads, vocabulary, hidden = 16, 2, 32, 64
    ranks = {"w": 4, "a": 3, "v": 5, "g": 6}
    shapes = {"emb.weight": [vocabulary, d], "head.weight": [vocabulary, d], "ln_out.weight": [d], "ln_out.bias": [d]}
    shapes.update({"blocks.0.ln0.weight": [d], "blocks.0.ln0.bias": [d]})
    for layer in range(2):
        block, att, ffn = f"blocks.{layer}.", f"blocks.{layer}.att.", f"blocks.{layer}.ffn."
        for norm in (block + "ln1.", block + "ln2.", att + "ln_x."):
            shapes.update({norm + "weight": [d], norm + "bias": [d]})
        for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"):
            shapes[att + name] = [1, 1, d]
        for name in ("receptance", "key", "value", "output"):
            shapes[att + name + ".weight"] = [d, d]
        for name, rank in ranks.items():
            if name == "v" and layer == 0:
                continue
            shapes.update({att + name + "1": [d, rank], att + name + "2": [rank, d]})
            if name != "g":
                shapes[att + name + "0"] = [1, 1, d]
        shapes[att + "r_k"] = [heads, d // heads]
        shapes.update({ffn + "x_k": [1, 1, d], ffn + "key.weight": [hidden, d], ffn + "value.weight": [d, hidden]})
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(offset))


if __name__ == "__main__":
    commands = {
        "pack": show_pack,
        "object": check_object,
        "budget": check_budget,
        "within": run_within,
        "checkpoint": write_checkpoint,
    }
    commands[sys.argv[1]](*sys.argv[2:])
