/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * rwkv_rt: the minimal runtime of rwkv-mlir.
 *
 * A pack (one file, made by rwkv-opt or rwkv-run) holds compiled kernels, launch plans, the list of weights and the
 * layout of the recurrent state. This library loads a pack, binds a checkpoint to it and runs it. It contains no
 * compiler and depends on libc, jansson (JSON) and xxhash only.
 *
 *   rwkv_runtime *rt;            rwkv_runtime_create(&(rwkv_runtime_options){.threads = 2}, &rt);
 *   rwkv_pack *pack;             rwkv_pack_open(rt, "model.pack", &pack);
 *   rwkv_checkpoint *weights;    rwkv_checkpoint_open(rt, "model.safetensors", &weights);
 *   rwkv_model *model;           rwkv_model_bind(rt, pack, weights, NULL, &model);
 *   rwkv_state *state;           rwkv_state_create(model, 1, &state);
 *   rwkv_decode(model, state, &token, logits);
 *
 * Conventions
 *  - Every function that can fail returns rwkv_status; the reason in words is rwkv_message(rt) until the next call that
 *    uses the same rwkv_runtime. On failure output handles are set to NULL and no state, file or output is half-written.
 *  - A handle may be used by one thread at a time; different rwkv_runtime handles are independent. There are no globals.
 *  - A runtime must outlive everything made with it, a pack and a checkpoint the models bound to them, a model its states.
 *    Destroy functions accept NULL.
 *  - Arrays are dense and row-major, sizes and offsets are 64-bit, text is UTF-8.
 *  - A pack contains machine code and is as trusted as a shared library; its data (manifest, plans), checkpoints and
 *    state files are parsed as untrusted input.
 */
#ifndef RWKV_RT_H
#define RWKV_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RWKV_RT_VERSION_MAJOR 0
#define RWKV_RT_VERSION_MINOR 1

#if defined(__GNUC__)
#define RWKV_API __attribute__((visibility("default")))
#else
#define RWKV_API
#endif

typedef enum rwkv_status {
  RWKV_OK = 0,
  RWKV_E_ARGUMENT = 1,    /* a caller's argument: size, range, NULL, unknown name */
  RWKV_E_IO = 2,          /* a file could not be opened, read, mapped or written */
  RWKV_E_FORMAT = 3,      /* a file is not what it should be: truncated, malformed, hostile, wrong version */
  RWKV_E_MISMATCH = 4,    /* well-formed parts that do not fit: missing weight, other shape or dtype, other model's state */
  RWKV_E_UNSUPPORTED = 5, /* this machine or build cannot do it: CPU feature, device, dtype */
  RWKV_E_MEMORY = 6,      /* out of memory; nothing was changed */
  RWKV_E_BOUND = 7,       /* an asserted bound (see rwkv.decay) was violated by the data; outputs are NaN (integers: 0) */
  RWKV_E_DEVICE = 8       /* a device's driver reported an error; after most of them the device can be used by new processes only */
} rwkv_status;

typedef enum rwkv_dtype {
  RWKV_F32 = 0,
  RWKV_F16 = 1,
  RWKV_BF16 = 2,
  RWKV_F64 = 3,
  RWKV_I32 = 4,
  RWKV_I64 = 5,
  RWKV_U8 = 6
} rwkv_dtype;

typedef struct rwkv_runtime rwkv_runtime;
typedef struct rwkv_pack rwkv_pack;
typedef struct rwkv_checkpoint rwkv_checkpoint;
typedef struct rwkv_model rwkv_model;
typedef struct rwkv_state rwkv_state;

/* A dense row-major array. `data` of an input is not written; `rank` <= 8. */
typedef struct rwkv_array {
  void *data;
  rwkv_dtype dtype;
  int32_t rank;
  int64_t shape[8];
} rwkv_array;

/* Name of a status ("RWKV_E_FORMAT") and of a dtype ("bf16"); bytes per element of a dtype. Never NULL / never 0. */
RWKV_API const char *rwkv_status_name(rwkv_status status);
RWKV_API const char *rwkv_dtype_name(rwkv_dtype dtype);
RWKV_API size_t rwkv_dtype_size(rwkv_dtype dtype);

/* ---- runtime: a device and the threads that use it ------------------------------------------------------------- */

typedef struct rwkv_runtime_options {
  const char *device; /* "host" (also the meaning of NULL); "cuda", "cuda:N": the first, the N-th (from 0) NVIDIA GPU */
  int32_t threads;    /* host worker threads including the caller; 0: one per available CPU; other devices use none */
  int32_t no_graphs;  /* nonzero: kernels are launched one by one whenever they run */
} rwkv_runtime_options;

/* A plan of several kernels that runs for the second time on the same memory, as rwkv_decode does, is recorded as a graph and
 * replayed from then on. This changes no result; states may be copied, forked and loaded at any time. rwkv_launch always
 * launches: a caller who captures its stream gets the kernels. */

/* A device "cuda" is used through its driver, libcuda.so.1 (or the library that the environment variable RWKV_LIBCUDA names),
 * in the primary context, so that its memory can be shared with other libraries of the process. It must be of compute
 * capability 8.0 at least. A device name that is none is RWKV_E_ARGUMENT, a device that is not there RWKV_E_UNSUPPORTED. */
/* `options` may be NULL for all defaults. If even the handle cannot be allocated, *out is NULL and RWKV_E_MEMORY is returned;
 * on any other failure *out is a handle that only rwkv_message and rwkv_runtime_destroy accept. */
RWKV_API rwkv_status rwkv_runtime_create(const rwkv_runtime_options *options, rwkv_runtime **out);
RWKV_API void rwkv_runtime_destroy(rwkv_runtime *rt);
/* What the last failing call on this runtime found and what it expected. Never NULL. */
RWKV_API const char *rwkv_message(const rwkv_runtime *rt);
RWKV_API int32_t rwkv_runtime_threads(const rwkv_runtime *rt);
/* The compiler's name of the target (rwkv-opt --target) that fits this device best: "host" for the host, "sm_90a" and the like
 * for GPUs. Never NULL. */
RWKV_API const char *rwkv_runtime_target(const rwkv_runtime *rt);

/* Memory of the device, for the arrays of rwkv_launch and rwkv_time; only the device may use the address (on the host it is
 * plain memory). Aligned to 64 bytes at least, not cleared. `bytes` >= 0; 0 bytes have an address too. */
RWKV_API rwkv_status rwkv_device_alloc(rwkv_runtime *rt, int64_t bytes, void **out);
/* Waits for what the runtime has queued. NULL is accepted. */
RWKV_API void rwkv_device_free(rwkv_runtime *rt, void *memory);
/* Copy to and from memory of the device, after everything that rwkv_launch has queued so far, and wait for it. `to` and `from`
 * are anywhere inside of allocations with `bytes` bytes left. */
RWKV_API rwkv_status rwkv_upload(rwkv_runtime *rt, void *to, const void *from, int64_t bytes);
RWKV_API rwkv_status rwkv_download(rwkv_runtime *rt, void *to, const void *from, int64_t bytes);

/* ---- checkpoint: named arrays in a .safetensors file, memory-mapped, never copied ------------------------------- */

RWKV_API rwkv_status rwkv_checkpoint_open(rwkv_runtime *rt, const char *path, rwkv_checkpoint **out);
RWKV_API void rwkv_checkpoint_close(rwkv_checkpoint *checkpoint);
RWKV_API int64_t rwkv_checkpoint_count(const rwkv_checkpoint *checkpoint);
/* i-th tensor in the order of the file's data; `*name` lives as long as the checkpoint. */
RWKV_API rwkv_status rwkv_checkpoint_at(const rwkv_checkpoint *checkpoint, int64_t i, const char **name,
                                        rwkv_array *array);

/* ---- pack ------------------------------------------------------------------------------------------------------- */

RWKV_API rwkv_status rwkv_pack_open(rwkv_runtime *rt, const char *path, rwkv_pack **out);
/* As rwkv_pack_open for bytes in memory, which are copied. `name` is used in messages. */
RWKV_API rwkv_status rwkv_pack_read(rwkv_runtime *rt, const void *bytes, size_t size, const char *name,
                                    rwkv_pack **out);
RWKV_API void rwkv_pack_close(rwkv_pack *pack);
/* The manifest, JSON text (docs/Pack.md). */
RWKV_API const char *rwkv_pack_manifest(const rwkv_pack *pack);

/* ---- model: a pack with its weights bound ------------------------------------------------------------------------ */

typedef struct rwkv_bind_options {
  int32_t allow_unused; /* nonzero: tensors of the checkpoint that no weight names are ignored, else RWKV_E_MISMATCH */
} rwkv_bind_options;

/* `checkpoint` may be NULL for packs without weights, `options` NULL for defaults. */
RWKV_API rwkv_status rwkv_model_bind(rwkv_runtime *rt, rwkv_pack *pack, rwkv_checkpoint *checkpoint,
                                     const rwkv_bind_options *options, rwkv_model **out);
RWKV_API void rwkv_model_destroy(rwkv_model *model);
/* Number of logits per position (axis V of the prefill function's first result); 0 if the pack has no prefill function. */
RWKV_API int64_t rwkv_model_vocab(const rwkv_model *model);

/* ---- state: the recurrent state of n sequences -------------------------------------------------------------------- */

RWKV_API rwkv_status rwkv_state_create(rwkv_model *model, int64_t sequences, rwkv_state **out); /* all zeros, position 0 */
RWKV_API void rwkv_state_destroy(rwkv_state *state);
RWKV_API int64_t rwkv_state_sequences(const rwkv_state *state);
/* Tokens consumed so far by sequence i; -1 if i is out of range. */
RWKV_API int64_t rwkv_state_position(const rwkv_state *state, int64_t i);
/* Bytes of one sequence's state. */
RWKV_API int64_t rwkv_state_bytes(const rwkv_state *state);
/* A new state equal to `state`, for every sequence: a fork. */
RWKV_API rwkv_status rwkv_state_clone(const rwkv_state *state, rwkv_state **out);
/* Copies sequence `from_i` of `from` over sequence `to_i` of `to`; both belong to packs with the same state layout. */
RWKV_API rwkv_status rwkv_state_copy(rwkv_state *to, int64_t to_i, const rwkv_state *from, int64_t from_i);
/* Back to zeros and position 0. */
RWKV_API rwkv_status rwkv_state_reset(rwkv_state *state, int64_t i);
/* Whole state to and from a .safetensors file (write to a temporary file, then rename; a path that exists and is no
 * regular file, a device say, is RWKV_E_IO). Loading into a state with another number of sequences or another layout is
 * RWKV_E_MISMATCH and leaves the state as it was. */
RWKV_API rwkv_status rwkv_state_save(const rwkv_state *state, const char *path);
RWKV_API rwkv_status rwkv_state_load(rwkv_state *state, const char *path);
/* State array k as stored: name and a view (layout [L, sequences, ..] or [sequences, ..]), valid until the next call that
 * changes the state; on a device other than the host a copy, which writes do not reach the state of. RWKV_E_ARGUMENT past
 * the last. */
RWKV_API rwkv_status rwkv_state_array(rwkv_state *state, int64_t k, const char **name, rwkv_array *array);

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* Consumes lengths[i] >= 0 tokens of sequence i (tokens of all sequences one after the other) and writes one row of logits
 * per sequence, [sequences, V] float32: those after its last token; the row of a sequence with no tokens is filled with
 * NaN. On failure the state is unchanged. `logits` may be NULL. */
RWKV_API rwkv_status rwkv_prefill(rwkv_model *model, rwkv_state *state, const int32_t *tokens, const int64_t *lengths,
                                  float *logits);
/* One token per sequence: rwkv_prefill with all lengths 1. */
RWKV_API rwkv_status rwkv_decode(rwkv_model *model, rwkv_state *state, const int32_t *tokens, float *logits);
/* As rwkv_prefill, with logits at every position: [sum of lengths, V]. */
RWKV_API rwkv_status rwkv_score(rwkv_model *model, rwkv_state *state, const int32_t *tokens, const int64_t *lengths,
                                float *logits);

/* Signature of function `name` of the pack: number of arguments and results. */
RWKV_API rwkv_status rwkv_function_arity(rwkv_model *model, const char *name, int64_t *inputs, int64_t *outputs);
/* Shapes and dtypes of the results for these inputs (data pointers are not used and set to NULL in `outputs`). */
RWKV_API rwkv_status rwkv_function_shapes(rwkv_model *model, const char *name, const rwkv_array *inputs, int64_t n_inputs,
                                          rwkv_array *outputs, int64_t n_outputs);
/* Runs any function of the pack on dense arrays. Outputs must have the shapes and dtypes of rwkv_function_shapes. */
RWKV_API rwkv_status rwkv_call(rwkv_model *model, const char *name, const rwkv_array *inputs, int64_t n_inputs,
                               rwkv_array *outputs, int64_t n_outputs);

/* As rwkv_call on arrays whose `data` are pointers of the device (rwkv_device_alloc, or another library's in the same context),
 * without waiting: the work is queued on `stream` (a CUstream of the device; NULL: a stream of the runtime's own, which is in
 * order with the legacy default stream), after everything that this runtime has queued before on any stream. The arrays must
 * stay until the work is done. On the host it is rwkv_call, and `stream` is not used.
 *  - `data` of every array is a multiple of 16 bytes (rwkv_device_alloc's are).
 *  - The elements of inputs with role "sequences" or a bound `below` are checked before anything is queued. They are copied to
 *    this process for that, which waits for what `stream` holds.
 *  - A stream of the caller's that captures a graph gets the kernels and copies, of functions without such inputs and of sizes
 *    that were launched before (nothing can be allocated then). The graph must have come to its end before the runtime, or
 *    another graph with launches of it, is used again: temporaries and scratch are shared. Another function or a larger size
 *    may move them, after which the graph must be captured again; the arrays must stay.
 *  - Memory for temporaries is allocated when a function meets new sizes; RWKV_E_MEMORY queues nothing.
 *  - A violated bound is found by rwkv_finish only; the outputs are then what the kernels made of them. On any other failure
 *    here the outputs may be written in part. */
RWKV_API rwkv_status rwkv_launch(rwkv_model *model, const char *name, const rwkv_array *inputs, int64_t n_inputs,
                                 const rwkv_array *outputs, int64_t n_outputs, void *stream);
/* Waits for everything that rwkv_launch has queued on this runtime: RWKV_E_BOUND if a bound was violated in any of it since
 * the last rwkv_finish, RWKV_E_DEVICE if the device failed. */
RWKV_API rwkv_status rwkv_finish(rwkv_runtime *rt);
/* Runs a function on arrays as of rwkv_launch, once to warm up and then `repeats` times (1 .. 10000) back to back, and gives
 * the median duration of one run: of the device (from event to event, on the runtime's own stream), on the host by the clock.
 * Where the kernels are shorter than it takes to launch them, that is what is measured. */
RWKV_API rwkv_status rwkv_time(rwkv_model *model, const char *name, const rwkv_array *inputs, int64_t n_inputs,
                               const rwkv_array *outputs, int64_t n_outputs, int32_t repeats, double *milliseconds);

#ifdef __cplusplus
}
#endif
#endif /* RWKV_RT_H */
