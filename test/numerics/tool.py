# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""rwkv-run as a person runs it, and the runtime library behind it through ctypes."""

import ctypes
import os
import pathlib
import subprocess

import numpy as np

DTYPES = {"f32": 0, "f16": 1, "bf16": 2, "f64": 3, "i32": 4, "i64": 5, "u8": 6}
NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "f64": np.float64, "i32": np.int32}
LIMIT = 60  # seconds for one run of the tool
GUARD = 128  # bytes before and after every output, which nobody may touch


class Failed(Exception):
    pass


# ---- element types


def to_bf16(array):
    """Bits, rounded to nearest even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bits(bits):
    """The f32 values of bf16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def encode(array, dtype):
    if dtype == "bf16":
        return to_bf16(array)
    return np.ascontiguousarray(array, NUMPY[dtype])


def decode(array, dtype):
    if dtype == "bf16":
        return from_bits(array)
    return array


def rounded(array, dtype):
    """The values that an array has after it was stored as dtype, in the widest type that needs be."""
    return decode(encode(array, dtype), dtype).astype(np.float64)


# ---- the library


class RwkvArray(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
    ]


class RuntimeOptions(ctypes.Structure):
    _fields_ = [("device", ctypes.c_char_p), ("threads", ctypes.c_int32), ("no_graphs", ctypes.c_int32)]


class BindOptions(ctypes.Structure):
    _fields_ = [("allow_unused", ctypes.c_int32)]


def view(array, dtype):
    result = RwkvArray(array.ctypes.data, DTYPES[dtype], array.ndim)
    result.shape[: array.ndim] = array.shape
    return result


class Library:
    """librwkv_rt.so. One runtime handle per number of threads; other devices than the host have no threads and one handle."""

    def __init__(self, path, device="host", graphs=True):
        self.device, self.graphs = device, graphs
        self.lib = ctypes.CDLL(str(path))
        self.lib.rwkv_message.restype = ctypes.c_char_p
        self.lib.rwkv_status_name.restype = ctypes.c_char_p
        self.lib.rwkv_model_vocab.restype = ctypes.c_int64
        self.lib.rwkv_state_position.restype = ctypes.c_int64
        self.runtimes = {}

    def runtime(self, threads):
        threads = threads if self.device == "host" else 0
        if threads not in self.runtimes:
            handle = ctypes.c_void_p()
            options = RuntimeOptions(self.device.encode(), threads, not self.graphs)
            status = self.lib.rwkv_runtime_create(ctypes.byref(options), ctypes.byref(handle))
            self.check(handle, status)
            self.runtimes[threads] = handle
        return self.runtimes[threads]

    def check(self, runtime, status):
        if status != 0:
            name = self.lib.rwkv_status_name(status).decode()
            raise Failed(f"{name}: {self.lib.rwkv_message(runtime).decode()}")

    def model(self, pack, checkpoint=None, threads=0):
        return Model(self, pack, checkpoint, threads)


class DeviceArray:
    """A dense array in the memory of a model's device."""

    def __init__(self, model, shape, dtype):
        self.model, self.dtype, self.shape = model, dtype, tuple(int(n) for n in shape)
        self.view = RwkvArray(None, DTYPES[dtype], len(self.shape))
        self.view.shape[: len(self.shape)] = self.shape
        self.bytes = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(NUMPY[dtype]).itemsize
        memory = ctypes.c_void_p()
        model.check(model.lib.rwkv_device_alloc(model.rt, ctypes.c_int64(self.bytes), ctypes.byref(memory)))
        self.view.data = memory.value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.view.data:
            self.model.lib.rwkv_device_free(self.model.rt, ctypes.c_void_p(self.view.data))
            self.view.data = None

    def _copy(self, call, to, from_):
        size = ctypes.c_int64(self.bytes)
        self.model.check(call(self.model.rt, ctypes.c_void_p(to), ctypes.c_void_p(from_), size))

    def write(self, values, encoded=False):
        """Values as for `encode`, f32 for a bf16 array; or as they are stored."""
        encoded = np.ascontiguousarray(values if encoded else encode(values, self.dtype))
        if encoded.shape != self.shape:
            raise Failed(f"expected values of shape {self.shape}, found {encoded.shape}")
        self._copy(self.model.lib.rwkv_upload, self.view.data, encoded.ctypes.data)
        return self

    def read(self):
        """Values as of `decode`, after everything that was launched."""
        encoded = np.empty(self.shape, NUMPY[self.dtype])
        self._copy(self.model.lib.rwkv_download, encoded.ctypes.data, self.view.data)
        return decode(encoded, self.dtype)


class Model:
    """A pack with its weights."""

    def __init__(self, library, pack, checkpoint, threads):
        self.library, self.lib = library, library.lib
        self.rt = library.runtime(threads)
        self.pack, self.weights, self.handle = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.lib.rwkv_pack_open(self.rt, os.fsencode(pack), ctypes.byref(self.pack)))
        if checkpoint:
            self.check(self.lib.rwkv_checkpoint_open(self.rt, os.fsencode(checkpoint), ctypes.byref(self.weights)))
        self.check(
            self.lib.rwkv_model_bind(
                self.rt, self.pack, self.weights, ctypes.byref(BindOptions(1)), ctypes.byref(self.handle)
            )
        )

    def check(self, status):
        self.library.check(self.rt, status)

    def close(self):
        self.lib.rwkv_model_destroy(self.handle)
        self.lib.rwkv_checkpoint_close(self.weights)
        self.lib.rwkv_pack_close(self.pack)

    def call(self, function, inputs, types, output_types, poison=0xFF):
        """Results are poisoned with NaN before the call; inputs and the bytes around the outputs must survive it."""
        encoded = [np.ascontiguousarray(encode(x, t)) for x, t in zip(inputs, types)]
        before = [x.copy() for x in encoded]
        given = (RwkvArray * max(1, len(encoded)))(*(view(x, t) for x, t in zip(encoded, types)))
        count = len(output_types)
        results = (RwkvArray * count)()
        name = function.encode()
        self.check(
            self.lib.rwkv_function_shapes(
                self.handle, name, given, ctypes.c_int64(len(encoded)), results, ctypes.c_int64(count)
            )
        )
        memory, arrays = [], []
        for result, dtype in zip(results, output_types):
            if result.dtype != DTYPES[dtype]:
                raise Failed(f"{function}: expected a result of {dtype}, found dtype {result.dtype}")
            shape = tuple(result.shape[: result.rank])
            size = int(np.prod(shape)) * np.dtype(NUMPY[dtype]).itemsize
            raw = np.full(size + 2 * GUARD, 0xA5, np.uint8)
            raw[GUARD : GUARD + size] = poison
            memory.append(raw)
            arrays.append(raw[GUARD : GUARD + size].view(NUMPY[dtype]).reshape(shape))
            result.data = raw.ctypes.data + GUARD
        status = self.lib.rwkv_call(
            self.handle, name, given, ctypes.c_int64(len(encoded)), results, ctypes.c_int64(count)
        )
        for raw in memory:
            if (raw[:GUARD] != 0xA5).any() or (raw[-GUARD:] != 0xA5).any():
                raise Failed(f"{function}: something was written outside of an output")
        for x, y in zip(encoded, before):
            if x.tobytes() != y.tobytes():
                raise Failed(f"{function}: an input was changed")
        self.outputs = [decode(a, t) for a, t in zip(arrays, output_types)]
        self.check(status)
        return self.outputs

    # ---- arrays in the device's memory

    def place(self, values, dtype, encoded=False):
        return DeviceArray(self, np.shape(values), dtype).write(values, encoded)

    def outputs_for(self, function, inputs):
        """New arrays for the results of these inputs, with arbitrary contents."""
        arity = ctypes.c_int64(), ctypes.c_int64()
        name = function.encode()
        self.check(self.lib.rwkv_function_arity(self.handle, name, *map(ctypes.byref, arity)))
        results = (RwkvArray * max(1, arity[1].value))()
        given = (RwkvArray * max(1, len(inputs)))(*(x.view for x in inputs))
        self.check(
            self.lib.rwkv_function_shapes(self.handle, name, given, ctypes.c_int64(len(inputs)), results, arity[1])
        )
        names = {index: dtype for dtype, index in DTYPES.items()}
        return [DeviceArray(self, r.shape[: r.rank], names[r.dtype]) for r in results[: arity[1].value]]

    def _on_device(self, call, function, inputs, outputs, *more):
        """inputs, outputs: lists of DeviceArray."""
        given = (RwkvArray * max(1, len(inputs)))(*(x.view for x in inputs))
        results = (RwkvArray * max(1, len(outputs)))(*(x.view for x in outputs))
        counts = ctypes.c_int64(len(inputs)), ctypes.c_int64(len(outputs))
        self.check(call(self.handle, function.encode(), given, counts[0], results, counts[1], *more))

    def launch(self, function, inputs, outputs, stream=None):
        """Queues a call on `stream` (an address; None: the runtime's own); finish() or read() waits for it."""
        self._on_device(self.lib.rwkv_launch, function, inputs, outputs, ctypes.c_void_p(stream))

    def finish(self):
        self.check(self.lib.rwkv_finish(self.rt))

    def time(self, function, inputs, outputs, repeats=20):
        """The median duration of a call in milliseconds."""
        milliseconds = ctypes.c_double()
        more = ctypes.c_int32(repeats), ctypes.byref(milliseconds)
        self._on_device(self.lib.rwkv_time, function, inputs, outputs, *more)
        return milliseconds.value

    # ---- sequences with state

    def state(self, sequences):
        return State(self, sequences)

    def vocabulary(self):
        return self.lib.rwkv_model_vocab(self.handle)


class State:
    def __init__(self, model, sequences):
        self.model, self.lib, self.sequences = model, model.lib, sequences
        self.handle = ctypes.c_void_p()
        model.check(self.lib.rwkv_state_create(model.handle, ctypes.c_int64(sequences), ctypes.byref(self.handle)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.rwkv_state_destroy(self.handle)

    def _run(self, call, tokens, rows):
        """tokens: a list per sequence. Rows of NaN are what the runtime left unwritten (or wrote as NaN)."""
        flat = np.array([t for sequence in tokens for t in sequence], np.int32)
        lengths = np.array([len(sequence) for sequence in tokens], np.int64)
        logits = np.full((rows(lengths), self.model.vocabulary()), np.nan, np.float32)
        pointer = ctypes.c_void_p
        self.model.check(
            call(
                self.model.handle,
                self.handle,
                pointer(flat.ctypes.data),
                pointer(lengths.ctypes.data),
                pointer(logits.ctypes.data),
            )
        )
        return logits

    def prefill(self, tokens):
        return self._run(self.lib.rwkv_prefill, tokens, len)

    def score(self, tokens):
        return self._run(self.lib.rwkv_score, tokens, lambda lengths: int(lengths.sum()))

    def decode(self, tokens):
        flat = np.array(tokens, np.int32)
        logits = np.full((len(flat), self.model.vocabulary()), np.nan, np.float32)
        self.model.check(
            self.lib.rwkv_decode(
                self.model.handle, self.handle, ctypes.c_void_p(flat.ctypes.data), ctypes.c_void_p(logits.ctypes.data)
            )
        )
        return logits

    def position(self, i):
        return self.lib.rwkv_state_position(self.handle, ctypes.c_int64(i))

    def save(self, path):
        self.model.check(self.lib.rwkv_state_save(self.handle, os.fsencode(path)))

    def load(self, path):
        self.model.check(self.lib.rwkv_state_load(self.handle, os.fsencode(path)))

    def arrays(self):
        """{name: copy}."""
        result, k = {}, 0
        while True:
            name, array = ctypes.c_char_p(), RwkvArray()
            if self.lib.rwkv_state_array(self.handle, ctypes.c_int64(k), ctypes.byref(name), ctypes.byref(array)) != 0:
                return result
            shape = tuple(array.shape[: array.rank])
            dtype = NUMPY[next(n for n, i in DTYPES.items() if i == array.dtype)]
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            result[name.value.decode()] = np.frombuffer(ctypes.string_at(array.data, size), dtype).reshape(shape)
            k += 1


# ---- the program


class Tool:
    def __init__(self, path, library, folder):
        self.path, self.folder = pathlib.Path(path).resolve(), pathlib.Path(folder)
        self.library = Library(library) if library else None

    def run(self, *arguments, cache, input=None):
        environment = dict(os.environ, RWKV_CACHE_DIR=str(cache))
        command = [str(self.path), *map(str, arguments)]
        try:
            return subprocess.run(command, env=environment, input=input, capture_output=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(['rwkv-run', *command[1:4]])}: not done after {LIMIT} s") from None

    def checked(self, *arguments, cache, input=None):
        result = self.run(*arguments, cache=cache, input=input)
        if result.returncode != 0:
            message = result.stderr.decode(errors="replace").strip()
            raise Failed(
                f"{' '.join(['rwkv-run', *map(str, arguments[:3])])}: exit code {result.returncode}: {message}"
            )
        return result


class Kernel:
    """A function of a spec. The first call runs rwkv-run, which compiles it; later ones use the pack that this left
    in the cache (or rwkv-run again, without the library)."""

    def __init__(self, tool, spec, function, name, types, output_types):
        self.tool, self.spec, self.function = tool, spec, function
        self.types, self.output_types = types, output_types
        self.folder = tool.folder / name.replace("/", "_")
        self.folder.mkdir(parents=True)
        self.models = {}

    def run(self, inputs, more=()):
        """Through rwkv-run. Inputs are f32 (f64, i32) files: the tool converts them."""
        paths = []
        for i, (array, dtype) in enumerate(zip(inputs, self.types)):
            paths.append(self.folder / f"in{i}.npy")
            np.save(paths[-1], np.ascontiguousarray(array, NUMPY[dtype if dtype in ("f64", "i32") else "f32"]))
        self.tool.checked(
            "call",
            self.spec,
            self.function,
            *paths,
            "-o",
            self.folder / "out",
            "--quiet",
            *more,
            cache=self.folder / "cache",
        )
        return [np.load(self.folder / f"out{i}.npy") for i in range(len(self.output_types))]

    def pack(self):
        return next((self.folder / "cache").glob("*.pack"))

    def call(self, inputs, threads=0):
        if not self.tool.library:
            return self.run(inputs, ["--threads", threads])
        return self.model(threads).call(self.function, inputs, self.types, self.output_types)

    def refuse(self, inputs):
        """Makes a call that must fail: (status, the outputs), which were zeros before."""
        model = self.model()
        try:
            model.call(self.function, inputs, self.types, self.output_types, poison=0)
        except Failed as failure:
            return str(failure), model.outputs
        return "", model.outputs

    def model(self, threads=0):
        if threads not in self.models:
            self.models[threads] = self.tool.library.model(self.pack(), threads=threads)
        return self.models[threads]

    def close(self):
        for model in self.models.values():
            model.close()
        self.models = {}
