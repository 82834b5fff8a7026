/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* NVIDIA GPUs as a device: opening the driver, memory, launching, waiting. */
#include "cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  MIN_CAPABILITY = 80,
  MAX_BLOCKS = 1 << 30,  /* of a grid */
  MAX_PARAMETERS = 4095, /* of a kernel, 8 bytes each: the hardware's 32764 */
  OWN_PARAMETERS = RWKV_SIZE_COUNT + 3 /* those after the buffers */
};

/* ---- errors -------------------------------------------------------------- */

const char *rwkvi_cuda_error(const rwkvi_cuda *c, cu_result result, char *text,
                             size_t size) {
  const char *name = NULL, *reason = NULL;
  c->driver.GetErrorName(result, &name);
  c->driver.GetErrorString(result, &reason);
  snprintf(text, size, "%.100s (%d): %.200s", name ? name : "unknown error",
           result, reason ? reason : "no description");
  return text;
}

rwkv_status rwkvi_cuda_status(rwkv_runtime *rt, cu_result result,
                              const char *call) {
  if (result == CU_SUCCESS) {
    return RWKV_OK;
  }
  const rwkvi_cuda *c = rwkvi_cuda_of(rt);
  char text[400];
  rwkvi_cuda_error(c, result, text, sizeof(text));
  return rwkvi_fail(
      rt, result == CU_ERROR_OUT_OF_MEMORY ? RWKV_E_MEMORY : RWKV_E_DEVICE,
      "%s: %.100s: %s", c->name, call, text);
}

cu_result rwkvi_cuda_enter(const rwkvi_cuda *c) {
  return c->driver.CtxPushCurrent(c->context);
}

void rwkvi_cuda_leave(const rwkvi_cuda *c) {
  cu_context ignored;
  c->driver.CtxPopCurrent(&ignored);
}

/* ---- order --------------------------------------------------------------- */

/* What is queued elsewhere is waited for before the runtime returns. What is
 * recorded follows when it is replayed, by us; when a caller does that is not
 * known here. */
cu_result rwkvi_cuda_follow(rwkvi_cuda *c, cu_stream stream) {
  cu_result result = CU_SUCCESS;
  if (c->recording) {
    return result;
  }
  if (c->waiting && c->last != stream) {
    result = c->driver.StreamWaitEvent(stream, c->event, 0);
  }
  c->last = stream;
  return result;
}

cu_result rwkvi_cuda_wait(rwkvi_cuda *c) {
  cu_result result = rwkvi_cuda_follow(c, c->own);
  result = result ? result : c->driver.StreamSynchronize(c->own);
  if (result == CU_SUCCESS) {
    c->waiting = false;
  }
  return result;
}

static bool is_capturing(const rwkvi_cuda *c, cu_stream stream) {
  int status = CU_STREAM_CAPTURE_NONE;
  return stream != c->own && c->driver.StreamIsCapturing &&
         c->driver.StreamIsCapturing(stream, &status) == CU_SUCCESS &&
         status != CU_STREAM_CAPTURE_NONE;
}

static rwkv_status begin(rwkv_runtime *rt, void *stream) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_stream target = stream ? stream : c->own;
  cu_result result = rwkvi_cuda_enter(c);
  if (result == CU_SUCCESS) {
    c->recording = is_capturing(c, target);
    result = rwkvi_cuda_follow(c, target);
    rwkvi_cuda_leave(c);
  }
  c->begun = result == CU_SUCCESS;
  c->recording &= c->begun;
  if (c->begun) {
    c->stream = target;
  }
  return rwkvi_cuda_status(rt, result, "cuStreamWaitEvent");
}

static rwkv_status end(rwkv_runtime *rt) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_result result = CU_SUCCESS;
  if (!c->recording) {
    result = rwkvi_cuda_enter(c);
    if (result == CU_SUCCESS) {
      result = c->driver.EventRecord(c->event, c->stream);
      rwkvi_cuda_leave(c);
    }
    c->waiting |= result == CU_SUCCESS;
    c->last = c->stream;
  }
  c->stream = c->own;
  c->begun = c->recording = false;
  return rwkvi_cuda_status(rt, result, "cuEventRecord");
}

static rwkv_status finish(rwkv_runtime *rt, bool begun, int32_t *bits) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_pointer word = c->words + (begun ? sizeof(*bits) : 0);
  *bits = 0;
  const char *call = "waiting for the device";
  cu_result result = rwkvi_cuda_enter(c);
  if (result == CU_SUCCESS) {
    result = rwkvi_cuda_follow(c, c->own);
    result = result
                 ? result
                 : c->driver.MemcpyDtoHAsync(bits, word, sizeof(*bits), c->own);
    cu_result waited = rwkvi_cuda_wait(c); /* whatever became of the bits */
    result = result ? result : waited;
    if (result == CU_SUCCESS && *bits != 0) {
      result = c->driver.MemsetD8Async(word, 0, sizeof(*bits), c->own);
    }
    rwkvi_cuda_leave(c);
  }
  return rwkvi_cuda_status(rt, result, call);
}

/* ---- running ------------------------------------------------------------- */

/* The tasks of one grid; those of a launch beyond come in further grids, one
 * after the other, and use the same scratch. */
static int64_t grid_tasks(const rwkvi_kernel *kernel, int64_t tasks) {
  int64_t most = MAX_BLOCKS;
  if (kernel->scratch > 0 && RWKVI_CUDA_SCRATCH / kernel->scratch < most) {
    most = RWKVI_CUDA_SCRATCH / kernel->scratch;
    most = most ? most : 1;
  }
  return tasks < most ? tasks : most;
}

static rwkv_status reserve(rwkv_runtime *rt, const rwkvi_kernel *kernel,
                           int64_t tasks) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  int64_t bytes = kernel->scratch * grid_tasks(kernel, tasks);
  if (bytes <= c->scratch_bytes) {
    return RWKV_OK;
  }
  char what[256];
  snprintf(what, sizeof(what), "scratch of kernel %.200s", kernel->symbol);
  void *fresh;
  RWKVI_TRY(rwkvi_cuda_allocate(rt, bytes, what, &fresh));
  rwkvi_cuda_release(rt, rwkvi_cuda_memory(c->scratch));
  c->scratch = rwkvi_cuda_pointer(fresh);
  c->scratch_bytes = bytes;
  ++rt->epoch;
  return RWKV_OK;
}

/* The kernel's parameters: all of 8 bytes. Gives how many. */
static size_t set_parameters(const rwkvi_cuda *c, const rwkvi_launch *launch,
                             const int64_t *sizes, uint64_t *parameters) {
  size_t n = 0;
  for (; n < launch->buffer_count; ++n) {
    parameters[n] = rwkvi_cuda_pointer(launch->buffers[n]);
  }
  for (int i = 0; i < RWKV_SIZE_COUNT; ++i) {
    parameters[n++] = (uint64_t)sizes[i];
  }
  parameters[n++] = c->scratch;
  parameters[n++] = c->words + (c->begun ? sizeof(int32_t) : 0);
  ++n; /* the number of a grid's first task */
  return n;
}

static cu_result launch_grids(const rwkvi_cuda *c, cu_stream stream,
                              const rwkvi_launch *launch,
                              const int64_t *sizes) {
  const rwkvi_kernel *kernel = launch->kernel;
  uint64_t parameters[MAX_PARAMETERS];
  size_t count = set_parameters(c, launch, sizes, parameters),
         bytes = count * sizeof(parameters[0]);
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, parameters,
                   CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  int64_t most = grid_tasks(kernel, launch->tasks);
  cu_result result = CU_SUCCESS;
  for (int64_t done = 0; done < launch->tasks && result == CU_SUCCESS;
       done += most) {
    int64_t left = launch->tasks - done;
    parameters[count - 1] = (uint64_t)(launch->first + done);
    result = c->driver.LaunchKernel(
        kernel->code, (unsigned)(left < most ? left : most), 1, 1,
        (unsigned)kernel->threads, 1, 1, (unsigned)kernel->shared, stream, NULL,
        extra);
  }
  return result;
}

/* Of launches that may run beside each other every other one goes to a second
 * stream, but for those that use the scratch, of which there is one. */
static bool goes_aside(const rwkvi_launch *launches, size_t i) {
  size_t before = 0;
  for (size_t j = 0; j < i; ++j) {
    before += launches[j].tasks > 0;
  }
  return launches[i].tasks > 0 && launches[i].kernel->scratch == 0 &&
         before % 2 == 1;
}

static bool any_goes_aside(const rwkvi_launch *launches, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (goes_aside(launches, i)) {
      return true;
    }
  }
  return false;
}

/* What comes next on `to` comes after all that is on `from` now. */
static cu_result pass(const rwkvi_cuda *c, cu_event event, cu_stream from,
                      cu_stream to) {
  cu_result result = c->driver.EventRecord(event, from);
  return result ? result : c->driver.StreamWaitEvent(to, event, 0);
}

static rwkv_status launch(rwkv_runtime *rt, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_result result = rwkvi_cuda_enter(c);
  if (result != CU_SUCCESS) {
    return rwkvi_cuda_status(rt, result, "cuCtxPushCurrent");
  }
  rwkv_status status = rwkvi_cuda_status(rt, rwkvi_cuda_follow(c, c->stream),
                                         "cuStreamWaitEvent");
  bool forks = status == RWKV_OK && any_goes_aside(launches, count);
  if (forks) {
    result = pass(c, c->turns[0], c->stream, c->side);
    status = rwkvi_cuda_status(rt, result, "a second stream");
    forks = status == RWKV_OK;
  }
  for (size_t i = 0; i < count && status == RWKV_OK; ++i) {
    const rwkvi_launch *one = &launches[i];
    if (one->buffer_count + OWN_PARAMETERS > MAX_PARAMETERS) {
      status = rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                          "kernel \"%.200s\": expected at most %d buffers on "
                          "this device, found %zu",
                          one->kernel->symbol, MAX_PARAMETERS - OWN_PARAMETERS,
                          one->buffer_count);
      break;
    }
    result = launch_grids(c, goes_aside(launches, i) ? c->side : c->stream, one,
                          sizes);
    if (result != CU_SUCCESS) {
      char text[400];
      status = rwkvi_fail(
          rt, result == CU_ERROR_OUT_OF_MEMORY ? RWKV_E_MEMORY : RWKV_E_DEVICE,
          "%s: kernel \"%.200s\": cuLaunchKernel of %lld tasks of %lld threads "
          "and %lld bytes of shared memory: %s",
          c->name, one->kernel->symbol, (long long)one->tasks,
          (long long)one->kernel->threads, (long long)one->kernel->shared,
          rwkvi_cuda_error(c, result, text, sizeof(text)));
    }
  }
  if (forks) { /* whatever became of them */
    result = pass(c, c->turns[1], c->side, c->stream);
    if (result != CU_SUCCESS) {
      c->driver.StreamSynchronize(c->side);
    }
    status =
        status ? status : rwkvi_cuda_status(rt, result, "a second stream");
  }
  rwkvi_cuda_leave(c);
  return status;
}

/* ---- timing -------------------------------------------------------------- */

static cu_result read_times(const rwkvi_cuda *c, const cu_event *events,
                            int32_t runs, double *milliseconds) {
  cu_result result = c->driver.StreamSynchronize(c->own);
  for (int32_t i = 0; i < runs && result == CU_SUCCESS; ++i) {
    float time = 0;
    result = c->driver.EventElapsedTime(&time, events[i], events[i + 1]);
    milliseconds[i] = time;
  }
  return result;
}

/* An event before and after every run. */
static rwkv_status time_runs(rwkv_runtime *rt, rwkv_status (*work)(void *data),
                             void *data, int32_t runs, double *milliseconds) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  cu_event *events = calloc((size_t)runs + 1, sizeof(*events));
  if (!events) {
    return rwkvi_no_memory(rt, "events");
  }
  cu_result result = rwkvi_cuda_enter(c);
  if (result != CU_SUCCESS) {
    free(events);
    return rwkvi_cuda_status(rt, result, "cuCtxPushCurrent");
  }
  for (int32_t i = 0; i <= runs && result == CU_SUCCESS; ++i) {
    result = c->driver.EventCreate(&events[i], CU_EVENT_DEFAULT);
  }
  result = result ? result : c->driver.EventRecord(events[0], c->own);
  rwkv_status status = rwkvi_cuda_status(rt, result, "timing");
  for (int32_t i = 0; i < runs && status == RWKV_OK; ++i) {
    status = work(data);
    if (status == RWKV_OK) {
      result = c->driver.EventRecord(events[i + 1], c->own);
      status = rwkvi_cuda_status(rt, result, "cuEventRecord");
    }
  }
  if (status == RWKV_OK) {
    status = rwkvi_cuda_status(rt, read_times(c, events, runs, milliseconds),
                               "timing");
  }
  for (int32_t i = 0; i <= runs; ++i) {
    if (events[i]) {
      c->driver.EventDestroy(events[i]);
    }
  }
  rwkvi_cuda_leave(c);
  free(events);
  return status;
}

/* ---- opening ------------------------------------------------------------- */

static void destroy(rwkv_runtime *rt) {
  rwkvi_cuda *c = rwkvi_cuda_of(rt);
  if (c->context && rwkvi_cuda_enter(c) == CU_SUCCESS) {
    if (c->own) {
      rwkvi_cuda_wait(c);
    }
    if (c->recorder) {
      c->driver.StreamDestroy(c->recorder);
    }
    if (c->side) {
      c->driver.StreamDestroy(c->side);
    }
    for (int i = 0; i < 2; ++i) {
      if (c->turns[i]) {
        c->driver.EventDestroy(c->turns[i]);
      }
    }
    if (c->event) {
      c->driver.EventDestroy(c->event);
    }
    if (c->words) {
      c->driver.MemFree(c->words);
    }
    rwkvi_cuda_release(rt, rwkvi_cuda_memory(c->scratch));
    rwkvi_cuda_close_memory(c);
    if (c->own) {
      c->driver.StreamDestroy(c->own);
    }
    rwkvi_cuda_leave(c);
  }
  if (c->context) {
    c->driver.DevicePrimaryCtxRelease(c->device);
  }
  free(c);
}

static const rwkvi_device cuda = {
    .here = false,
    .destroy = destroy,
    .target = rwkvi_cuda_target,
    .load = rwkvi_cuda_load,
    .unload = rwkvi_cuda_unload,
    .alloc = rwkvi_cuda_allocate,
    .free = rwkvi_cuda_release,
    .upload = rwkvi_cuda_upload,
    .download = rwkvi_cuda_download,
    .copy = rwkvi_cuda_copy,
    .clear = rwkvi_cuda_clear,
    .reserve = reserve,
    .launch = launch,
    .record = rwkvi_cuda_record,
    .replay = rwkvi_cuda_replay,
    .forget = rwkvi_cuda_forget,
    .begin = begin,
    .end = end,
    .finish = finish,
    .time = time_runs,
};

/* ISO C has no conversion from object to function pointers. */
static bool find(void *handle, const char *symbol, void *member) {
  void *function = dlsym(handle, symbol);
  memcpy(member, &function, sizeof(function));
  return function != NULL;
}

/* The library stays loaded: drivers keep threads and handlers of their own. */
static rwkv_status open_driver(rwkv_runtime *rt, rwkvi_cuda *c) {
  const char *library = getenv("RWKV_LIBCUDA");
  library = library && *library ? library : "libcuda.so.1";
  dlerror();
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    const char *reason = dlerror();
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                      "device \"cuda\": expected the driver's library, found: "
                      "%.1000s",
                      reason ? reason : library);
  }
#define X(member, parameters, symbol)                                          \
  if (!find(handle, symbol, &c->driver.member)) {                              \
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,                                  \
                      "device \"cuda\": %.1000s: expected the function "       \
                      "%s, found none",                                        \
                      library, symbol);                                        \
  }
  CU_FUNCTIONS(X)
#undef X
#define X(member, parameters, symbol) find(handle, symbol, &c->driver.member);
  CU_GRAPH_FUNCTIONS(X)
  CU_POOL_FUNCTIONS(X)
#undef X
  return RWKV_OK;
}

static rwkv_status no_device(rwkv_runtime *rt, const rwkvi_cuda *c,
                             cu_result result) {
  char text[400];
  return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                    "device \"cuda\": expected a device, found none: %s",
                    rwkvi_cuda_error(c, result, text, sizeof(text)));
}

/* What the device is and can do. */
static rwkv_status examine(rwkv_runtime *rt, rwkvi_cuda *c, int32_t number) {
  const cu_driver *driver = &c->driver;
  cu_result result = driver->Init(0);
  int count = 0, major = 0, minor = 0;
  result = result ? result : driver->DriverGetVersion(&c->version);
  result = result ? result : driver->DeviceGetCount(&count);
  if (result != CU_SUCCESS || count == 0) {
    return no_device(rt, c, result ? result : CU_ERROR_NO_DEVICE);
  }
  if (number >= count) {
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                      "device \"cuda:%d\": expected a number below %d, as "
                      "there are so many devices",
                      number, count);
  }
  result = driver->DeviceGet(&c->device, number);
  result =
      result ? result
             : driver->DeviceGetName(c->name, (int)sizeof(c->name), c->device);
  c->name[sizeof(c->name) - 1] = 0;
  const struct {
    int attribute;
    int *value;
  } attributes[] = {
      {CU_DEVICE_COMPUTE_CAPABILITY_MAJOR, &major},
      {CU_DEVICE_COMPUTE_CAPABILITY_MINOR, &minor},
      {CU_DEVICE_MAX_THREADS_PER_BLOCK, &c->threads},
      {CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &c->shared},
      {CU_DEVICE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, &c->shared_of_all},
  };
  for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); ++i) {
    result =
        result ? result
               : driver->DeviceGetAttribute(attributes[i].value,
                                            attributes[i].attribute, c->device);
  }
  if (result != CU_SUCCESS) {
    return no_device(rt, c, result);
  }
  c->capability = major * 10 + minor;
  if (c->capability < MIN_CAPABILITY) {
    return rwkvi_fail(rt, RWKV_E_UNSUPPORTED,
                      "device \"cuda:%d\": %s: expected compute capability "
                      "%d.%d or above, found %d.%d",
                      number, c->name, MIN_CAPABILITY / 10, MIN_CAPABILITY % 10,
                      major, minor);
  }
  return RWKV_OK;
}

rwkv_status rwkvi_cuda_open(rwkv_runtime *rt, int32_t number, int32_t threads) {
  (void)threads;
  rwkvi_cuda *c = calloc(1, sizeof(*c));
  if (!c) {
    return rwkvi_no_memory(rt, "a device");
  }
  rt->context = c;
  rt->device = &cuda; /* from here on rwkv_runtime_destroy cleans up */
  RWKVI_TRY(open_driver(rt, c));
  RWKVI_TRY(examine(rt, c, number));
  RWKVI_TRY(rwkvi_cuda_status(
      rt, c->driver.DevicePrimaryCtxRetain(&c->context, c->device),
      "cuDevicePrimaryCtxRetain"));
  RWKVI_TRY(rwkvi_cuda_status(rt, rwkvi_cuda_enter(c), "cuCtxPushCurrent"));
  /* In order with the legacy default stream, where others often work. */
  cu_result result = c->driver.StreamCreate(&c->own, CU_STREAM_DEFAULT);
  c->stream = c->last = c->own;
  result = result ? result : c->driver.EventCreate(&c->event, CU_EVENT_DEFAULT);
  result = result ? result
                  : c->driver.StreamCreate(&c->side, CU_STREAM_NON_BLOCKING);
  for (int i = 0; i < 2 && result == CU_SUCCESS; ++i) {
    result = c->driver.EventCreate(&c->turns[i], CU_EVENT_DISABLE_TIMING);
  }
  result = result ? result : c->driver.MemAlloc(&c->words, 2 * sizeof(int32_t));
  result = result ? result
                  : c->driver.MemsetD8Async(c->words, 0, 2 * sizeof(int32_t),
                                            c->own);
  if (result == CU_SUCCESS) {
    rwkvi_cuda_open_memory(c);
  }
  rwkvi_cuda_leave(c);
  return rwkvi_cuda_status(rt, result, "preparing the device");
}
