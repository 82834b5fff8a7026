# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""CUDA graphs through the driver's library alone, for timing short kernels: no torch is needed."""

import ctypes
import os

NON_BLOCKING, RELAXED, L2_CACHE_SIZE = 1, 2, 38


class Device:
    """A device by the runtime's name, "cuda" or "cuda:N", in the context that the runtime uses."""

    def __init__(self, name):
        self.number = int(name.partition(":")[2] or 0)
        self.driver = ctypes.CDLL(os.environ.get("RWKV_LIBCUDA") or "libcuda.so.1")

    def __enter__(self):
        context = ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.number)
        self.call("cuCtxPushCurrent_v2", context)
        return self

    def __exit__(self, *_):
        self.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        self.call("cuDevicePrimaryCtxRelease_v2", self.number)

    def call(self, function, *arguments):
        error = getattr(self.driver, function)(*arguments)
        if error != 0:
            raise RuntimeError(f"{function}: error {error}")

    def make(self, function, *arguments):
        """What a function puts where its first parameter points."""
        made = ctypes.c_void_p()
        self.call(function, ctypes.byref(made), *arguments)
        return made

    def cache(self):
        """Bytes of the L2 cache."""
        size = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(size), L2_CACHE_SIZE, self.number)
        return size.value

    def describe(self):
        """The device's name, and the version of CUDA that its driver knows."""
        name, version = ctypes.create_string_buffer(256), ctypes.c_int()
        self.call("cuDeviceGetName", name, len(name), self.number)
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return f"{name.value.decode()}, CUDA {version.value // 1000}.{version.value % 1000 // 10}"

    def time(self, work, repeats):
        """Milliseconds of replays of what work(stream) queues, after two that are not counted."""
        stream = self.make("cuStreamCreate", NON_BLOCKING)
        self.call("cuStreamBeginCapture_v2", stream, RELAXED)
        try:
            work(stream.value)
        finally:
            graph = ctypes.c_void_p()
            self.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        replay = self.make("cuGraphInstantiateWithFlags", graph, ctypes.c_ulonglong(0))
        events = [self.make("cuEventCreate", 0) for _ in range(repeats + 1)]
        for _ in range(2):
            self.call("cuGraphLaunch", replay, stream)
        self.call("cuEventRecord", events[0], stream)
        for event in events[1:]:
            self.call("cuGraphLaunch", replay, stream)
            self.call("cuEventRecord", event, stream)
        self.call("cuStreamSynchronize", stream)
        times = []
        for begin, end in zip(events, events[1:]):
            milliseconds = ctypes.c_float()
            self.call("cuEventElapsedTime", ctypes.byref(milliseconds), begin, end)
            times.append(milliseconds.value)
        for event in events:
            self.call("cuEventDestroy_v2", event)
        self.call("cuGraphExecDestroy", replay)
        self.call("cuGraphDestroy", graph)
        self.call("cuStreamDestroy_v2", stream)
        return times
