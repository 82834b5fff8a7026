# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs rwkv-run as a person does. RWKV_RUN is the path of the tool; python3 with numpy is needed, nothing else.

The tests of class Model compile examples/rwkv7.mlir for examples/models/rwkv7-small.safetensors.
"""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: expected the Python package numpy, found none")
    sys.exit(77)

TOOL = os.environ.get("RWKV_RUN", "")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
CHECKPOINT = EXAMPLES / "models" / "rwkv7-small.safetensors"
EXPECTED = EXAMPLES / "models" / "rwkv7-small.expected.npz"
USAGE = "\nrwkv-run --help and rwkv-run COMMAND --help say more\n"

# Linear attention without decay: small enough to compute beside, and with a state.
SPEC = """
!io = tensor<?x?x?x8x{type}>
!st = tensor<?x?x8x8xf32>
!S  = !rwkv.state<8|8xf32>
func.func @linear(%q: !io, %k: !io, %v: !io, %s0: !st) -> (!io, !st) {{
  %o, %s = rwkv.recurrence over(%qt = %q : !io, %kt = %k : !io, %vt = %v : !io) init(%S = %s0 : !st) -> (!io, !st) {{
    %S1 = rwkv.write %S[%kt], %vt : !S
    %ot = rwkv.read %S1[%qt] : !S
    rwkv.yield %ot, %S1 : tensor<8xf32>, !S
  }}
  return %o, %s : !io, !st
}}
"""

# The delta rule: what it reads comes back to the state, so that it has no scan.
DELTA = SPEC.replace(
    "    %S1 = rwkv.write %S[%kt], %vt : !S\n",
    """    %y = rwkv.read %S[%kt] : !S
    %e = arith.subf %vt, %y : tensor<8xf32>
    %S1 = rwkv.write %S[%kt], %e : !S
""",
)


def safetensors(arrays):
    """The bytes of a file with these {name: (dtype, array)}; a dtype of None is the array's own."""
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "int32": "I32", "int64": "I64", "uint8": "U8"}
    header, data = {}, b""
    for name, (dtype, array) in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": dtype or names[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def to_bf16(array):
    """Rounds to nearest even; returns uint16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(array):
    return (array.astype(np.uint32) << 16).view(np.float32)


class Base(unittest.TestCase):
    def setUp(self):
        if not TOOL:
            self.skipTest("RWKV_RUN is not set: expected the path of rwkv-run")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rwkv-run-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, RWKV_CACHE_DIR=str(self.folder / "cache"))

    def run_tool(self, *arguments, **keywords):
        return subprocess.run(
            [TOOL, *map(str, arguments)], capture_output=True, env=self.environment, timeout=600, **keywords
        )

    def file(self, name, contents):
        path = self.folder / name
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        return path

    def fails(self, arguments, message, code=1):
        result = self.run_tool(*arguments)
        expected = f"rwkv-run: error: {message}" + (USAGE if code == 2 else "\n")
        self.assertEqual((result.returncode, result.stdout, result.stderr.decode()), (code, b"", expected))

    def no_leftovers(self):
        self.assertEqual([str(p) for p in self.folder.rglob("*tmp*")], [])


class CommandLine(Base):
    def test_help(self):
        for command in ["info", "generate", "logits", "call"]:
            result = self.run_tool(command, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertIn(f"Examples:\n  rwkv-run {command} ", result.stdout.decode())
        self.assertIn("Exit codes: 0 done, 1 failed, 2 wrong usage.", self.run_tool("--help").stdout.decode())
        self.assertRegex(self.run_tool("--version").stdout.decode(), r"^rwkv-run \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for arguments, message in [
            ([], "expected a command, info, generate, logits or call, found none"),
            (["fly"], "expected a command, info, generate, logits or call, found 'fly'"),
            (["info"], "info: expected a file or --device, found neither"),
            (["info", "x", "--what"], "The following argument was not expected: --what"),
            (["generate", "x", "--temperature", "hot"], "--temperature: expected a number, found 'hot'"),
            (["generate", "x", "--top-p", "2"], "--top-p: expected a number above 0 and at most 1, found '2'"),
            (["generate", "x", "--schedule", "loop"], "--schedule: expected auto, step, scan or chunk, found 'loop'"),
            (["generate", "x", "--precision", "bf8"], "--precision: expected auto, f32, tf32 or bf16, found 'bf8'"),
            (["generate", "x", "--chunk=-1"], "--chunk: expected an integer from 0 to 1024, found '-1'"),
            (["call", "x", "f", "-o", "y", "--chunk=abc"], "--chunk: expected an integer from 0 to 1024, found 'abc'"),
            (["logits", "x", "--chunk", "7.5"], "--chunk: expected an integer from 0 to 1024, found '7.5'"),
            (["generate", "x", "--chunk", "1025"], "--chunk: expected an integer from 0 to 1024, found '1025'"),
            (["generate", "x", "--prompt", "a", "--pack", "p", "--chunk", "8"], "--pack excludes --chunk"),
            (["logits", "x", "--tokens", "1", "--pack", "p", "--schedule", "step"], "--pack excludes --schedule"),
            (["logits", "x", "--tokens", "1", "--pack", "p", "--precision", "f32"], "--pack excludes --precision"),
            (["generate", "x", "--param", "eps"], "--param: expected NAME=VALUE, found 'eps'"),
            (["logits", "x"], "logits: expected --tokens or --tokens-file, found neither"),
            (
                ["logits", "x", "--tokens", "1,,2"],
                "--tokens: element 1: expected a token, an integer from 0 to 2147483647, found ''",
            ),
        ]:
            with self.subTest(arguments=arguments):
                self.fails(arguments, message, code=2)

    def test_missing_files(self):
        none = self.folder / "none"
        reason = f"{none}: cannot be opened: No such file or directory"
        self.fails(["info", none], reason)
        self.fails(["generate", none, "--prompt", "a"], reason)
        self.fails(["logits", none, "--tokens", "1"], reason)
        self.fails(["logits", none, "--tokens-file", none], reason)
        self.fails(["call", none, "f", none, "-o", self.folder / "x"], reason)

    def test_devices(self):
        # No GPU is needed to find out that there is none.
        empty = self.file("empty.safetensors", safetensors({}))
        commands = [
            ["info"],
            ["generate", empty, "--prompt", "a"],
            ["logits", empty, "--tokens", "1"],
            ["call", "x", "f", "-o", self.folder / "y"],
        ]
        driver = self.folder / "libcuda.so"
        self.environment["RWKV_LIBCUDA"] = str(driver)
        reason = f"{driver}: cannot open shared object file: No such file or directory"
        for command in commands:
            for name in ["cuda", "cuda:0", "cuda:7"]:
                self.fails(
                    [*command, "--device", name],
                    f'device "cuda": expected the driver\'s library, found: {reason}',
                )
            for name in ["gpu", "cuda:", "cuda:x", "sm_90a", "x86-64-v3"]:
                self.fails(
                    [*command, "--device", name],
                    f'--device: expected "host", "cuda" or "cuda:N", found "{name}"',
                    code=2,
                )
        result = self.run_tool("info", "--device", "host")
        self.assertEqual(
            (result.returncode, result.stdout, result.stderr), (0, b"device host: expects packs of target host\n", b"")
        )
        self.assertFalse((self.folder / "cache").exists())

    def test_not_a_checkpoint(self):
        text = self.file("text", "just some text\n")
        self.fails(["info", text], f"{text}: expected a pack or a checkpoint (.safetensors), found something else")
        result = self.run_tool("generate", text, "--prompt", "a")
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.decode().startswith(f"rwkv-run: error: {text}: "), result.stderr)

    def test_no_spec_fits(self):
        odd = self.file("odd.safetensors", safetensors({"odd": (None, np.zeros(3, np.float32))}))
        result = self.run_tool("logits", odd, "--tokens", "1")
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().splitlines()
        self.assertRegex(lines[0], f"^rwkv-run: error: no spec in .* fits {odd} \\(--spec FILE names another\\):$")
        self.assertTrue(any(line.startswith("  rwkv7.mlir: ") for line in lines), lines)

    def test_bad_spec(self):
        odd = self.file("odd.safetensors", safetensors({"odd": (None, np.zeros(3, np.float32))}))
        spec = self.file("bad.mlir", "func.func @f(")
        result = self.run_tool("logits", odd, "--tokens", "1", "--spec", spec)
        self.assertEqual(result.returncode, 1)
        self.assertTrue(
            result.stderr.decode().startswith(f"rwkv-run: error: cannot compile {spec} for {odd}:\n{spec}:1:"),
            result.stderr,
        )

    def test_info_checkpoint(self):
        arrays = {"a.weight": (None, np.zeros((2, 3), np.float32)), "b": ("BF16", np.zeros(5, np.uint16))}
        path = self.file("x.safetensors", safetensors(arrays))
        self.assertEqual(
            self.run_tool("info", path).stdout.decode(),
            "a.weight  f32   [2, 3]\nb         bf16  [5]\n2 tensors (1 bf16, 1 f32), 34 bytes\n",
        )
        self.assertEqual(
            json.loads(self.run_tool("info", path, "--json").stdout),
            {
                "tensors": [
                    {"name": "a.weight", "dtype": "f32", "shape": [2, 3]},
                    {"name": "b", "dtype": "bf16", "shape": [5]},
                ],
                "bytes": 34,
                "unsupported": 0,
            },
        )

    def test_bad_arrays(self):
        spec = self.file("linear.mlir", SPEC.format(type="f32"))
        good = np.zeros((1, 1, 1, 8), np.float32)
        for name, array, message in [
            (
                "fortran",
                np.asfortranarray(np.zeros((2, 2), np.float32)),
                "header: expected C order, found Fortran order ",
            ),
            (
                "big",
                np.zeros(2, ">f4"),
                "header: expected an element type of '<f4', '<f8', '<f2', '<i4', '<i8' or '|u1', ",
            ),
            ("complex", np.zeros(2, np.complex64), "header: expected an element type of '<f4', "),
            ("record", np.zeros(2, [("a", "<f4")]), "header: expected an element type such as '<f4', found '[("),
        ]:
            with self.subTest(name=name):
                path = self.folder / f"{name}.npy"
                np.save(path, array)
                result = self.run_tool("call", spec, "linear", path, "-o", self.folder / "y")
                self.assertEqual(result.returncode, 1)
                self.assertTrue(
                    result.stderr.decode().startswith(f"rwkv-run: error: {path}: {message}"), result.stderr
                )
        path = self.folder / "short.npy"
        np.save(path, good)
        path.write_bytes(path.read_bytes()[:-1])
        self.fails(
            ["call", spec, "linear", path, "-o", self.folder / "y"],
            f"{path}: expected 32 bytes of data for [1, 1, 1, 8] of f32, found 31",
        )

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            result = subprocess.run([TOOL, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            result.stderr.decode(), "rwkv-run: error: standard output: cannot be written: No space left on device\n"
        )


class Call(Base):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(1)
        self.inputs = [random.standard_normal((2, 5, 3, 8)).astype(np.float32) for _ in range(3)]
        self.state = random.standard_normal((2, 3, 8, 8)).astype(np.float32)

    def expected(self, inputs):
        q, k, v = (x.astype(np.float64) for x in inputs)
        state, out = self.state.astype(np.float64), np.zeros(q.shape)
        for t in range(q.shape[1]):
            state = state + k[:, t, :, :, None] * v[:, t, :, None, :]
            out[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t], state)
        return out, state

    def save(self):
        paths = []
        for name, array in zip("qkvs", [*self.inputs, self.state]):
            paths.append(self.folder / f"{name}.npy")
            np.save(paths[-1], array)
        return paths

    def test_f32(self):
        spec = self.file("linear.mlir", SPEC.format(type="f32"))
        for schedule in ["auto", "step"]:
            result = self.run_tool(
                "call", spec, "linear", *self.save(), "-o", self.folder / "y", "--schedule", schedule
            )
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
            out, state = self.expected(self.inputs)
            np.testing.assert_allclose(np.load(self.folder / "y0.npy"), out, atol=2e-5)
            np.testing.assert_allclose(np.load(self.folder / "y1.npy"), state, atol=2e-5)
        self.no_leftovers()

    def test_schedules(self):
        # Sequences of whole chunks and a rest; of less than a chunk; of none. Step is compared bit for bit elsewhere.
        random = np.random.default_rng(2)
        for text, kinds in [
            (SPEC, [["scan"], ["scan", 8], ["chunk"], ["chunk", 1], ["chunk", 8], ["chunk", 24]]),
            (DELTA, [["chunk"], ["chunk", 1], ["chunk", 8], ["chunk", 24]]),
        ]:
            spec = self.file("spec.mlir", text.format(type="f32"))
            for tokens in [37, 5, 0]:
                self.inputs = [random.standard_normal((2, tokens, 3, 8)).astype(np.float32) for _ in range(3)]
                self.inputs[1] /= np.sqrt((self.inputs[1] ** 2).sum(-1, keepdims=True))
                paths = self.save()
                results = []
                for kind, *chunk in [["step"], *kinds]:
                    options = [f"--schedule={kind}", *(f"--chunk={n}" for n in chunk)]
                    result = self.run_tool("call", spec, "linear", *paths, "-o", self.folder / "y", *options)
                    self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""), options)
                    results.append([np.load(self.folder / f"y{i}.npy") for i in (0, 1)])
                    for found, expected in zip(results[-1], results[0]):
                        with self.subTest(spec=text is DELTA, tokens=tokens, options=options):
                            self.assertEqual(found.shape, expected.shape)
                            largest = np.abs(expected).max(initial=0)
                            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * largest)
        # Another schedule is another pack: the cache does not give one for the other.
        kept = len(list((self.folder / "cache").iterdir()))
        self.assertGreater(kept, 10)
        # So is another precision.
        command = ["call", spec, "linear", *paths, "-o", self.folder / "y", "--schedule=chunk", "--chunk=8"]
        for precision, more in [("auto", 0), ("bf16", 1), ("bf16", 1)]:
            self.assertEqual(self.run_tool(*command, "--precision", precision).returncode, 0)
            self.assertEqual(len(list((self.folder / "cache").iterdir())), kept + more)

    def test_illegal_schedule(self):
        spec = self.file("delta.mlir", DELTA.format(type="f32"))
        for option in [["--schedule=scan"], ["--schedule=scan", "--chunk=8"]]:
            result = self.run_tool("call", spec, "linear", *self.save(), "-o", self.folder / "y", *option)
            self.assertEqual((result.returncode, result.stdout), (1, b""))
            self.assertEqual(
                result.stderr.decode(),
                f"rwkv-run: error: cannot compile {spec} for function linear:\n"
                f"{spec}:6:12: error: 'rwkv.recurrence' op schedule scan is not legal\n"
                f"{spec}:9:11: note: L2: it depends on what this token reads from the state, so elements do not run on "
                "their own\n",
            )
        self.assertEqual(list(self.folder.glob("y*")), [])
        self.no_leftovers()

    def test_safetensors(self):
        spec = self.file("linear.mlir", SPEC.format(type="f32"))
        self.run_tool("call", spec, "linear", *self.save(), "-o", self.folder / "y")
        arrays = dict(zip("qkvs", ((None, x) for x in [*self.inputs, self.state])))
        path = self.file("in.safetensors", safetensors(arrays))
        for arguments in [[path], [f"{path}:q", f"{path}:k", self.folder / "v.npy", f"{path}:s"]]:
            result = self.run_tool("call", spec, "linear", *arguments, "-o", self.folder / "z")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual((self.folder / "y0.npy").read_bytes(), (self.folder / "z0.npy").read_bytes())

    def test_bf16(self):
        # f32 files are rounded to bf16, which gives what the bf16 arrays themselves give; bf16 results become f32.
        spec = self.file("linear.mlir", SPEC.format(type="bf16"))
        result = self.run_tool("call", spec, "linear", *self.save(), "-o", self.folder / "y")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        rounded = [to_bf16(x) for x in self.inputs]
        arrays = {name: ("BF16", x) for name, x in zip("qkv", rounded)}
        path = self.file("in.safetensors", safetensors(dict(arrays, s=(None, self.state))))
        self.assertEqual(self.run_tool("call", spec, "linear", path, "-o", self.folder / "z").returncode, 0)
        self.assertEqual((self.folder / "y0.npy").read_bytes(), (self.folder / "z0.npy").read_bytes())
        out, _ = self.expected([from_bf16(x) for x in rounded])
        found = np.load(self.folder / "y0.npy")
        self.assertEqual(found.dtype, np.float32)
        np.testing.assert_array_equal(from_bf16(to_bf16(found)), found)
        np.testing.assert_allclose(found, out, rtol=1e-2, atol=1e-2)

    def test_mistakes(self):
        spec = self.file("linear.mlir", SPEC.format(type="f32"))
        q, k, v, s = self.save()
        output = self.folder / "y"
        for name, inputs in [("missing", [q, k, v]), ("rank", [q, k, v, q]), ("nothing", [])]:
            with self.subTest(name=name):
                result = self.run_tool("call", spec, "linear", *inputs, "-o", output)
                self.assertEqual(result.returncode, 1)
                self.assertIn("expected", result.stderr.decode())
        np.save(k, self.inputs[1][:, :4])
        result = self.run_tool("call", spec, "linear", q, k, v, s, "-o", output)
        self.assertEqual(result.returncode, 1)
        np.save(k, self.inputs[1])
        result = self.run_tool("call", spec, "other", q, k, v, s, "-o", output)
        self.assertEqual(result.returncode, 1)
        self.assertFalse((self.folder / "y0.npy").exists())
        self.no_leftovers()


class Model(Base):
    def setUp(self):
        super().setUp()
        if not CHECKPOINT.exists():
            self.skipTest(f"{CHECKPOINT} is not there")

    @classmethod
    def setUpClass(cls):
        # Compiled once for all tests; the cache itself is tested with folders of its own.
        cls.cache = tempfile.mkdtemp(prefix="rwkv-run-test-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.cache)

    def shared_cache(self):
        self.environment["RWKV_CACHE_DIR"] = self.cache

    def generate(self, *arguments):
        result = self.run_tool("generate", CHECKPOINT, *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout

    def logits(self, *arguments):
        path = self.folder / "logits.npy"
        result = self.run_tool("logits", CHECKPOINT, "-o", path, *arguments)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        return np.load(path)

    def test_logits(self):
        self.shared_cache()
        if not EXPECTED.exists():
            self.skipTest(f"{EXPECTED} is not there")
        expected = np.load(EXPECTED)
        tokens = self.folder / "tokens.npy"
        np.save(tokens, expected["tokens"])
        found = self.logits("--tokens-file", tokens, "--all")
        self.assertEqual(found.dtype, np.float32)
        np.testing.assert_allclose(found, expected["logits"], rtol=0, atol=1e-3)
        last = self.logits("--tokens", ",".join(map(str, expected["tokens"])))
        np.testing.assert_allclose(last, expected["logits"][-1], rtol=0, atol=1e-3)
        for schedule in [["step"], ["chunk", "--chunk", 8]]:
            last = self.logits("--tokens-file", tokens, "--schedule", *schedule)
            np.testing.assert_allclose(last, expected["logits"][-1], rtol=0, atol=1e-3)

    def test_shown(self):
        self.shared_cache()
        result = self.run_tool("logits", CHECKPOINT, "--tokens", "65,110,100")
        lines = result.stdout.decode().splitlines()
        self.assertEqual((lines[0], len(lines)), ("after position 2", 6))
        row = self.logits("--tokens", "65,110,100")
        for line, token in zip(lines[1:], np.argsort(-row)):
            self.assertRegex(line, f"^ +{token} +-?[0-9.]+  '.*'$")

    def test_greedy(self):
        self.shared_cache()
        text = self.generate("--prompt", "And the ", "--tokens", 40, "--temperature", 0)
        self.assertEqual(len(text), 40)
        # Every byte is the most likely one after those before it.
        tokens = b"And the " + text
        rows = self.logits("--tokens", ",".join(map(str, tokens[:-1])), "--all")
        for i, token in enumerate(text):
            row = rows[len(b"And the ") - 1 + i]
            self.assertGreater(row[token], row.max() - 1e-3)

    def test_seed(self):
        self.shared_cache()
        one = self.generate("--prompt", "And ", "--tokens", 60, "--seed", 1)
        self.assertEqual(one, self.generate("--prompt", "And ", "--tokens", 60, "--seed", 1))
        self.assertEqual(one, self.generate("--prompt", "And ", "--tokens", 60, "--seed", 1, "--threads", 1))
        self.assertNotEqual(one, self.generate("--prompt", "And ", "--tokens", 60, "--seed", 2))

    def test_stop(self):
        self.shared_cache()
        whole = self.generate("--prompt", "And the ", "--tokens", 40, "--temperature", 0)
        stop = whole[10:13].decode()
        cut = self.generate("--prompt", "And the ", "--tokens", 40, "--temperature", 0, "--stop", stop)
        self.assertEqual(cut, whole[: whole.index(stop.encode())])

    def test_states(self):
        self.shared_cache()
        state = self.folder / "a.state"
        head = self.generate("--prompt", "And the ", "--tokens", 20, "--temperature", 0, "--state-out", state)
        tail = self.generate("--prompt", " of ", "--tokens", 20, "--temperature", 0, "--state-in", state)
        prompt = "And the " + head.decode() + " of "
        self.assertEqual(tail, self.generate("--prompt", prompt, "--tokens", 20, "--temperature", 0))
        state.write_bytes(state.read_bytes()[:-1])
        result = self.run_tool("generate", CHECKPOINT, "--prompt", "a", "--state-in", state)
        self.assertEqual((result.returncode, result.stdout), (1, b""))

    def test_long_prompt(self):
        self.shared_cache()
        prompt = self.file("prompt.txt", "All the world's a stage. " * 40)
        result = self.run_tool(
            "generate", CHECKPOINT, "--prompt-file", prompt, "--tokens", 5, "--temperature", 0, "--progress"
        )
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"rwkv-run: prompt: 0 of 1000 tokens\n", result.stderr)
        again = self.run_tool(
            "generate", CHECKPOINT, "--prompt-file", "-", "--tokens", 5, "--temperature", 0, input=prompt.read_bytes()
        )
        self.assertEqual(again.stdout, result.stdout)

    def test_cache(self):
        cache = self.folder / "cache"
        command = ["generate", CHECKPOINT, "--prompt", "a", "--tokens", "1", "--temperature", "0"]
        both = [
            subprocess.Popen(
                [TOOL, *map(str, command)], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(2)
        ]
        results = [process.communicate(timeout=600) for process in both]
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0][1], b"")
        entries = list(cache.iterdir())
        self.assertEqual(len(entries), 1)
        self.assertEqual(cache.stat().st_mode & 0o777, 0o700)
        good = entries[0].read_bytes()
        entries[0].write_bytes(good[:-1])
        result = self.run_tool(*command)
        self.assertEqual((result.returncode, result.stdout), (0, results[0][0]))
        self.assertIn(b"compiling again", result.stderr)
        self.assertEqual(entries[0].read_bytes(), good)
        cache.chmod(0o755)
        result = self.run_tool(*command)
        self.assertEqual(
            (result.returncode, result.stdout, result.stderr.decode()),
            (
                0,
                results[0][0],
                f"rwkv-run: cache: {cache}: expected mode 0700, as it holds code, found 0755; going on without it\n",
            ),
        )
        # The same entry is a pack like any other.
        pack = self.file("model.pack", good)
        self.assertEqual(self.run_tool(*command, "--pack", pack).stdout, results[0][0])
        info = self.run_tool("info", pack).stdout.decode()
        for part in ["dims: ", "D = 128", "params: ", "targets (1):", "state: ", "prefill(", "weights ("]:
            self.assertIn(part, info)

    def test_mistakes(self):
        self.shared_cache()
        self.fails(
            ["logits", CHECKPOINT, "--tokens", "1,256"],
            "token 1: expected 0 .. 255, the model's vocabulary, found 256",
        )
        vocabulary = self.file("v.txt", "1 'a' 1\n300 'b' 1\n")
        self.fails(
            ["generate", CHECKPOINT, "--prompt", "a", "--tokenizer", vocabulary],
            f"--tokenizer {vocabulary}: expected tokens below 256, the size of the model's vocabulary, found token 300",
        )
        self.fails(
            ["generate", CHECKPOINT],
            "expected a prompt of at least one token (--prompt or --prompt-file), found none",
        )
        result = self.run_tool("generate", CHECKPOINT, "--prompt", "a", "--param", "no_such_parameter=1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no_such_parameter", result.stderr.decode())
        with open(CHECKPOINT, "rb") as file:
            cut = self.file("cut.safetensors", file.read()[:-1])
        result = self.run_tool("generate", cut, "--prompt", "a")
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.decode().startswith(f"rwkv-run: error: {cut}: "), result.stderr)

    def test_nan(self):
        data = bytearray(CHECKPOINT.read_bytes())
        length = struct.unpack("<Q", data[:8])[0]
        entry = json.loads(data[8 : 8 + length])["ln_out.bias"]
        start = 8 + length + entry["data_offsets"][0]
        data[start : start + 4] = b"\x00\x00\xc0\x7f" if entry["dtype"] == "F32" else b"\xc0\x7f\xc0\x7f"
        self.shared_cache()
        broken = self.file("nan.safetensors", bytes(data))
        result = self.run_tool("generate", broken, "--prompt", "a", "--temperature", "0")
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertRegex(
            result.stderr.decode(),
            r"^rwkv-run: error: expected finite logits after position 0, found NaN for token \d+: the weights or the "
            r"state are not finite\n$",
        )


if __name__ == "__main__":
    unittest.main()
