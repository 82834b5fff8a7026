/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The part of the CUDA driver's interface that the runtime uses, declared here
 * so that building it needs no toolkit. Names without a version are those that
 * the driver exports to this day with the meaning they have below; the others
 * are the versions that follow them.
 */
#ifndef RWKV_RT_CUDA_DRIVER_H
#define RWKV_RT_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int cu_result; /* CUresult */
typedef int cu_device;
typedef uint64_t cu_pointer; /* CUdeviceptr */
typedef struct CUctx_st *cu_context;
typedef struct CUmod_st *cu_module;
typedef struct CUfunc_st *cu_function;
typedef struct CUstream_st *cu_stream;
typedef struct CUevent_st *cu_event;
typedef struct CUgraph_st *cu_graph;
typedef struct CUgraphExec_st *cu_graph_exec;
typedef struct CUgraphNode_st *cu_graph_node;

typedef struct CUmemPoolHandle_st *cu_pool;

typedef struct cu_pool_properties { /* CUmemPoolProps */
  int allocation, handles, location, id;
  void *security;
  size_t most;
  unsigned short usage;
  unsigned char reserved[54];
} cu_pool_properties;

typedef struct cu_update_result { /* CUgraphExecUpdateResultInfo */
  int result;
  cu_graph_node node, from;
} cu_update_result;

enum {
  CU_SUCCESS = 0,
  CU_ERROR_INVALID_VALUE = 1,
  CU_ERROR_OUT_OF_MEMORY = 2,
  CU_ERROR_NO_DEVICE = 100,
  CU_ERROR_NO_BINARY_FOR_GPU = 209,
  CU_ERROR_INVALID_PTX = 218,
  CU_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CU_ERROR_NOT_FOUND = 500
};

/* Attributes of devices and of functions. */
enum {
  CU_DEVICE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
  CU_DEVICE_MEMORY_POOLS_SUPPORTED = 115,
  CU_FUNC_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_SHARED_SIZE_BYTES = 1, /* that the code declares */
  CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_FUNC_PREFERRED_SHARED_CARVEOUT = 9 /* percent; a hint */
};

/* Options of cuModuleLoadDataEx. */
enum { CU_JIT_ERROR_LOG_BUFFER = 5, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6 };

enum {
  CU_STREAM_DEFAULT = 0,
  CU_STREAM_NON_BLOCKING = 1,
  CU_STREAM_CAPTURE_RELAXED = 2,
  CU_STREAM_CAPTURE_NONE = 0, /* status of a stream that captures nothing */
  CU_EVENT_DEFAULT = 0,
  CU_EVENT_DISABLE_TIMING = 2
};

/* Of pools of memory. */
enum {
  CU_MEM_ALLOCATION_PINNED = 1,
  CU_MEM_LOCATION_DEVICE = 1,
  CU_POOL_RELEASE_THRESHOLD = 4
};

/* Keys of cuLaunchKernel's `extra`, pointers by type. */
#define CU_LAUNCH_PARAM_END ((void *)0)
#define CU_LAUNCH_PARAM_BUFFER_POINTER ((void *)1)
#define CU_LAUNCH_PARAM_BUFFER_SIZE ((void *)2)

/* Every function: name of its member and parameters, exported name. */
#define CU_FUNCTIONS(X)                                                        \
  X(Init, (unsigned flags), "cuInit")                                          \
  X(DriverGetVersion, (int *version), "cuDriverGetVersion")                    \
  X(GetErrorName, (cu_result error, const char **text), "cuGetErrorName")      \
  X(GetErrorString, (cu_result error, const char **text), "cuGetErrorString")  \
  X(DeviceGetCount, (int *count), "cuDeviceGetCount")                          \
  X(DeviceGet, (cu_device * device, int ordinal), "cuDeviceGet")               \
  X(DeviceGetName, (char *name, int size, cu_device device),                   \
    "cuDeviceGetName")                                                         \
  X(DeviceGetAttribute, (int *value, int attribute, cu_device device),         \
    "cuDeviceGetAttribute")                                                    \
  X(DevicePrimaryCtxRetain, (cu_context * context, cu_device device),          \
    "cuDevicePrimaryCtxRetain")                                                \
  X(DevicePrimaryCtxRelease, (cu_device device),                               \
    "cuDevicePrimaryCtxRelease_v2")                                            \
  X(CtxPushCurrent, (cu_context context), "cuCtxPushCurrent_v2")               \
  X(CtxPopCurrent, (cu_context * context), "cuCtxPopCurrent_v2")               \
  X(ModuleLoadDataEx,                                                          \
    (cu_module * module, const void *image, unsigned count, int *options,      \
     void **values),                                                           \
    "cuModuleLoadDataEx")                                                      \
  X(ModuleUnload, (cu_module module), "cuModuleUnload")                        \
  X(ModuleGetFunction,                                                         \
    (cu_function * function, cu_module module, const char *name),              \
    "cuModuleGetFunction")                                                     \
  X(FuncGetAttribute, (int *value, int attribute, cu_function function),       \
    "cuFuncGetAttribute")                                                      \
  X(FuncSetAttribute, (cu_function function, int attribute, int value),        \
    "cuFuncSetAttribute")                                                      \
  X(OccupancyBlocks,                                                           \
    (int *blocks, cu_function function, int threads, size_t shared),           \
    "cuOccupancyMaxActiveBlocksPerMultiprocessor")                             \
  X(MemAlloc, (cu_pointer * pointer, size_t bytes), "cuMemAlloc_v2")           \
  X(MemFree, (cu_pointer pointer), "cuMemFree_v2")                             \
  X(MemHostAlloc, (void **memory, size_t bytes, unsigned flags),               \
    "cuMemHostAlloc")                                                          \
  X(MemFreeHost, (void *memory), "cuMemFreeHost")                              \
  X(MemcpyHtoDAsync,                                                           \
    (cu_pointer to, const void *from, size_t bytes, cu_stream stream),         \
    "cuMemcpyHtoDAsync_v2")                                                    \
  X(MemcpyDtoHAsync,                                                           \
    (void *to, cu_pointer from, size_t bytes, cu_stream stream),               \
    "cuMemcpyDtoHAsync_v2")                                                    \
  X(MemcpyDtoDAsync,                                                           \
    (cu_pointer to, cu_pointer from, size_t bytes, cu_stream stream),          \
    "cuMemcpyDtoDAsync_v2")                                                    \
  X(MemsetD8Async,                                                             \
    (cu_pointer to, unsigned char value, size_t bytes, cu_stream stream),      \
    "cuMemsetD8Async")                                                         \
  X(StreamCreate, (cu_stream * stream, unsigned flags), "cuStreamCreate")      \
  X(StreamDestroy, (cu_stream stream), "cuStreamDestroy_v2")                   \
  X(StreamSynchronize, (cu_stream stream), "cuStreamSynchronize")              \
  X(StreamWaitEvent, (cu_stream stream, cu_event event, unsigned flags),       \
    "cuStreamWaitEvent")                                                       \
  X(EventCreate, (cu_event * event, unsigned flags), "cuEventCreate")          \
  X(EventDestroy, (cu_event event), "cuEventDestroy_v2")                       \
  X(EventSynchronize, (cu_event event), "cuEventSynchronize")                  \
  X(EventRecord, (cu_event event, cu_stream stream), "cuEventRecord")          \
  X(EventElapsedTime, (float *milliseconds, cu_event start, cu_event stop),    \
    "cuEventElapsedTime")                                                      \
  X(LaunchKernel,                                                              \
    (cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,  \
     unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,    \
     cu_stream stream, void **parameters, void **extra),                       \
    "cuLaunchKernel")

/* Functions that drivers have since after the first one for the oldest device:
 * NULL where there is none. */
#define CU_GRAPH_FUNCTIONS(X)                                                  \
  X(StreamBeginCapture, (cu_stream stream, int mode),                          \
    "cuStreamBeginCapture_v2")                                                 \
  X(StreamIsCapturing, (cu_stream stream, int *status),                        \
    "cuStreamIsCapturing")                                                     \
  X(StreamEndCapture, (cu_stream stream, cu_graph *graph),                     \
    "cuStreamEndCapture")                                                      \
  X(GraphInstantiate,                                                          \
    (cu_graph_exec * exec, cu_graph graph, unsigned long long flags),          \
    "cuGraphInstantiateWithFlags")                                             \
  X(GraphExecUpdate,                                                           \
    (cu_graph_exec exec, cu_graph graph, cu_update_result *result),            \
    "cuGraphExecUpdate_v2")                                                    \
  X(GraphLaunch, (cu_graph_exec exec, cu_stream stream), "cuGraphLaunch")      \
  X(GraphExecDestroy, (cu_graph_exec exec), "cuGraphExecDestroy")              \
  X(GraphDestroy, (cu_graph graph), "cuGraphDestroy")

#define CU_POOL_FUNCTIONS(X)                                                   \
  X(MemPoolCreate, (cu_pool * pool, const cu_pool_properties *properties),     \
    "cuMemPoolCreate")                                                         \
  X(MemPoolDestroy, (cu_pool pool), "cuMemPoolDestroy")                        \
  X(MemPoolSetAttribute, (cu_pool pool, int attribute, void *value),           \
    "cuMemPoolSetAttribute")                                                   \
  X(MemAllocFromPoolAsync,                                                     \
    (cu_pointer * pointer, size_t bytes, cu_pool pool, cu_stream stream),      \
    "cuMemAllocFromPoolAsync")                                                 \
  X(MemFreeAsync, (cu_pointer pointer, cu_stream stream), "cuMemFreeAsync")

typedef struct cu_driver {
#define X(name, parameters, symbol) cu_result(*name) parameters;
  CU_FUNCTIONS(X)
  CU_GRAPH_FUNCTIONS(X)
  CU_POOL_FUNCTIONS(X)
#undef X
} cu_driver;

#endif /* RWKV_RT_CUDA_DRIVER_H */
