/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the runtime share. Nothing here is installed; every
 * external name starts with rwkvi_. */
#ifndef RWKV_RT_INTERNAL_H
#define RWKV_RT_INTERNAL_H

#include "rwkv_rt.h"
#include "rwkv_rt_pack.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packs and checkpoints are little-endian and used in place"
#endif

enum {
  RWKVI_MAX_RANK = 8,
  RWKVI_ALIGN = 64,         /* of every buffer the runtime allocates */
  RWKVI_MAX_LAYERS = 65536, /* end of any layer range: bounds the work a hostile
                               manifest can ask for */
  RWKVI_MAX_TEMPORARIES = 4096,
  RWKVI_MAX_THREADS = 1024
};

/* Runs a call and returns its status from the current function unless it is
 * RWKV_OK. */
#define RWKVI_TRY(call)                                                        \
  do {                                                                         \
    rwkv_status status_ = (call);                                              \
    if (status_ != RWKV_OK) {                                                  \
      return status_;                                                          \
    }                                                                          \
  } while (0)

/* ---- support.c: messages, memory, shapes, files -------------------------- */

typedef struct rwkvi_threads rwkvi_threads;
typedef struct rwkvi_device rwkvi_device;

struct rwkv_runtime {
  char message[4096];
  const rwkvi_device *device; /* NULL: the handle takes messages only */
  void *context;              /* the device's own */
  rwkvi_threads *threads;     /* of the host; NULL on other devices */
  bool no_graphs;             /* as of the options, or recording has failed */
  uint64_t epoch; /* grows when memory moves that is in recordings, but not
                     among the buffers of launches */
  int32_t bits; /* that kernels of the run in progress have set, if the device
                   knows already: rwkvi_device.finish gives all */
  const rwkv_pack *launched; /* by rwkv_launch since the last rwkv_finish, */
  bool launched_others;      /* and whether others were, too */
};

/* Records the message and returns `status`, so that a failing function can end
 * in one statement. */
rwkv_status rwkvi_fail(rwkv_runtime *rt, rwkv_status status, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
rwkv_status rwkvi_no_memory(rwkv_runtime *rt, const char *what);

/* Memory that lives and dies with one object. Blocks are zeroed. */
typedef struct rwkvi_pool {
  struct rwkvi_block *head;
} rwkvi_pool;

void *rwkvi_pool_alloc(rwkvi_pool *pool, size_t count, size_t size);
char *rwkvi_pool_string(rwkvi_pool *pool, const char *text);
void rwkvi_pool_free(rwkvi_pool *pool);

/* RWKVI_ALIGN-aligned and not cleared; NULL when out of memory. Never NULL for
 * 0 bytes. Freed with free(). */
void *rwkvi_aligned(size_t bytes);

static inline bool rwkvi_mul(int64_t a, int64_t b, int64_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline bool rwkvi_add(int64_t a, int64_t b, int64_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

/* Product of non-negative extents times `element`; false on overflow. An extent
 * of 0 does not hide an overflow of the others, so that every partial product a
 * kernel might form is in range too. */
bool rwkvi_bytes(int32_t rank, const int64_t *shape, int64_t element,
                 int64_t *bytes);

enum { RWKVI_SHAPE_TEXT = 8 * 24 };
/* "[2, 3]"; returns `text`, which has RWKVI_SHAPE_TEXT bytes. */
const char *rwkvi_shape_text(int32_t rank, const int64_t *shape, char *text);
bool rwkvi_dtype_from_name(const char *name, rwkv_dtype *dtype);

/* RWKV_E_IO if `info` is that of a folder, a device or the like. */
rwkv_status rwkvi_check_regular(rwkv_runtime *rt, const char *path,
                                const struct stat *info);
/* Opens a regular, readable file; `*size` is its length. The caller closes the
 * descriptor. */
rwkv_status rwkvi_open_file(rwkv_runtime *rt, const char *path, int *fd,
                            size_t *size);
/* Writes everything; false and errno otherwise. */
bool rwkvi_write_all(int fd, const void *data, size_t size);

/* ---- json.c: strict reading with located messages ------------------------ */

/* Where in the document a value is, as a list on the stack: a key of an object,
 * or an index of an array if key is NULL.
 */
typedef struct rwkvi_where {
  const struct rwkvi_where *up;
  const char *key;
  size_t index;
} rwkvi_where;

typedef struct rwkvi_reader {
  rwkv_runtime *rt;
  const char *file; /* for messages */
  const char *part; /* "header", "manifest" */
  rwkvi_pool *pool; /* strings read are copied here */
} rwkvi_reader;

/* Parses `size` bytes that must be one JSON object, without duplicate keys,
 * NULs or absurd nesting. */
rwkv_status rwkvi_json_parse(const rwkvi_reader *in, const char *text,
                             size_t size, json_t **out);
/* "FILE: manifest: functions[1].name: expected EXPECTED, found FOUND"; `found`
 * is described from the value. */
rwkv_status rwkvi_json_expected(const rwkvi_reader *in,
                                const rwkvi_where *where, const json_t *found,
                                const char *expected, ...)
    __attribute__((format(printf, 4, 5)));
/* As above with a free text in place of "expected .., found ..". */
rwkv_status rwkvi_json_fail(const rwkvi_reader *in, const rwkvi_where *where,
                            rwkv_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* `value` must be an object with exactly the keys of the NULL-terminated list;
 * a key that starts with '?' is optional.
 */
rwkv_status rwkvi_json_object(const rwkvi_reader *in, const rwkvi_where *where,
                              const json_t *value, const char *const *keys);
rwkv_status rwkvi_json_string(const rwkvi_reader *in, const rwkvi_where *where,
                              const json_t *value, const char **out);
rwkv_status rwkvi_json_int(const rwkvi_reader *in, const rwkvi_where *where,
                           const json_t *value, int64_t low, int64_t high,
                           int64_t *out);
rwkv_status rwkvi_json_array(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, size_t most, size_t *count);
rwkv_status rwkvi_json_dtype(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, rwkv_dtype *out);

/* ---- expr.c: integer expressions of plans -------------------------------- */

typedef struct rwkvi_op {
  int32_t code;
  int64_t value; /* of a constant */
} rwkvi_op;

/* Postfix order. `symbols` has bit RWKV_SIZE_* set for every symbol used. */
typedef struct rwkvi_expr {
  int32_t count;
  uint32_t symbols;
  rwkvi_op *ops;
} rwkvi_expr;

rwkv_status rwkvi_expr_read(const rwkvi_reader *in, const rwkvi_where *where,
                            const json_t *value, rwkvi_expr *out);
/* A size: NULL and *out >= 0, or the reason why there is none ("overflows 64
 * bits"). */
const char *rwkvi_expr_size(const rwkvi_expr *expr, const int64_t *sizes,
                            int64_t *out);
/* If the expression is a bare symbol, or a symbol plus 1, its index and the
 * addend; else -1. */
int rwkvi_expr_binds(const rwkvi_expr *expr, int64_t *addend);
static inline bool rwkvi_expr_is_constant(const rwkvi_expr *expr) {
  return expr->symbols == 0;
}

/* ---- checkpoint.c -------------------------------------------------------- */

typedef struct rwkvi_tensor {
  const char *name;
  const char *type; /* the file's name of the element type */
  int32_t dtype;    /* rwkv_dtype, or -1 if this runtime has none */
  int32_t rank;
  int64_t shape[RWKVI_MAX_RANK];
  int64_t begin, end; /* within the data part of the file */
} rwkvi_tensor;

struct rwkv_checkpoint {
  rwkv_runtime *rt;
  rwkvi_pool pool;
  const char *file;
  const unsigned char *map;
  size_t size;
  const unsigned char *data;
  int64_t count;
  rwkvi_tensor *tensors; /* in the order of their data */
  int64_t *by_name;      /* indices into tensors, sorted by name */
};

/* Index of the tensor, or -1. */
int64_t rwkvi_checkpoint_find(const rwkv_checkpoint *checkpoint,
                              const char *name);
/* The safetensors name of a dtype ("BF16"). */
const char *rwkvi_safetensors_name(rwkv_dtype dtype);

/* ---- pack.c, manifest.c, plan.c ------------------------------------------ */

typedef struct rwkvi_weight {
  const char *name;
  size_t key_count;
  const char **keys;
  rwkv_dtype dtype;
  int32_t rank;
  int64_t shape[RWKVI_MAX_RANK];
  int64_t bytes; /* of one layer */
  bool layered;
  int64_t from, to; /* layers; 0, 1 if not layered */
  int64_t slot;     /* of layer `from` in the model's table of pointers */
} rwkvi_weight;

typedef enum rwkvi_role {
  RWKVI_PLAIN,
  RWKVI_STATE,
  RWKVI_SEQUENCES
} rwkvi_role;

typedef struct rwkvi_value {
  const char *name;
  rwkvi_role role;
  rwkv_dtype dtype;
  int32_t rank;
  rwkvi_expr shape[RWKVI_MAX_RANK];
  int64_t below; /* elements must be in [0, below); 0: any */
  size_t state;  /* index into the pack's states if role is RWKVI_STATE */
} rwkvi_value;

typedef enum rwkvi_ref_kind {
  RWKVI_ARG,
  RWKVI_RESULT,
  RWKVI_TEMPORARY,
  RWKVI_WEIGHT
} rwkvi_ref_kind;

typedef struct rwkvi_ref {
  rwkvi_ref_kind kind;
  bool sliced; /* slice l along axis 0 */
  size_t index;
} rwkvi_ref;

typedef enum rwkvi_step_kind {
  RWKVI_LAUNCH,
  RWKVI_COPY,
  RWKVI_REPEAT
} rwkvi_step_kind;

typedef struct rwkvi_step {
  rwkvi_step_kind kind;
  size_t kernel;    /* launch */
  bool beside;      /* launch: runs at the same time as the next step */
  rwkvi_expr tasks; /* launch */
  rwkvi_expr first_task; /* launch; of no operations: 0 */
  size_t ref_count; /* launch: buffers; copy: to, from */
  rwkvi_ref *refs;
  int64_t from, to;  /* repeat */
  int64_t first, last; /* repeat: its place in the linear order of steps */
  size_t step_count; /* repeat */
  struct rwkvi_step *steps;
} rwkvi_step;

typedef struct rwkvi_temporary {
  rwkv_dtype dtype;
  int32_t rank;
  rwkvi_expr shape[RWKVI_MAX_RANK];
  int64_t first, last; /* live range in the linear order of steps; first = -1:
                          never used */
} rwkvi_temporary;

typedef struct rwkvi_function {
  const char *name;
  size_t arg_count, result_count, temporary_count, step_count;
  rwkvi_value *args, *results;
  rwkvi_temporary *temporaries;
  rwkvi_step *steps;
  bool has_sequences;
} rwkvi_function;

typedef struct rwkvi_kernel {
  const char *symbol;
  int64_t scratch; /* bytes: per thread on the host, else per task */
  int64_t threads; /* that run one task together; 0: a host kernel */
  int64_t shared;  /* bytes of memory that they share, per task */
  rwkv_kernel entry; /* on the host */
  void *code;        /* on other devices */
} rwkvi_kernel;

typedef struct rwkvi_target {
  const char *name, *arch;
  size_t feature_count;
  const char **features;
  int64_t offset, size; /* within the blobs */
} rwkvi_target;

/* One array of the recurrent state: [L, S, ..] or [S, ..], seen as [outer, S,
 * row bytes]. */
typedef struct rwkvi_state_array {
  const char *name;
  rwkv_dtype dtype;
  int32_t rank, axis;            /* axis: of the sequences */
  int64_t shape[RWKVI_MAX_RANK]; /* shape[axis] is 1: one sequence */
  int64_t outer, row; /* extent before the sequence axis; bytes after it */
} rwkvi_state_array;

struct rwkv_pack {
  rwkv_runtime *rt;
  rwkvi_pool pool;
  const char *file, *name;
  char *manifest;
  int64_t vocab; /* dims.V, 0 if there is none */
  size_t weight_count, function_count, kernel_count, target_count, state_count,
      assertion_count;
  const char **assertions; /* what bits of a kernel's status say is not so */
  rwkvi_weight *weights;
  rwkvi_function *functions;
  rwkvi_kernel *kernels;
  rwkvi_target *targets;
  rwkvi_state_array *states;
  int64_t weight_slots;
  int64_t state_bytes; /* of one sequence */
  const rwkvi_device *device;
  void *code;  /* the device's handle of the loaded blob */
  int code_fd; /* kept open: dlopen finds an already loaded object by its path,
                  which names this number */
};

rwkv_status rwkvi_manifest_read(const rwkvi_reader *in, rwkv_pack *pack,
                                int64_t blob_bytes);
/* Fills the temporaries and steps of `function`, whose args and results are
 * known. */
rwkv_status rwkvi_plan_read(const rwkvi_reader *in, const rwkvi_where *where,
                            const json_t *value, const rwkv_pack *pack,
                            rwkvi_function *function, uint32_t bound);
rwkv_status rwkvi_shape_read(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, int32_t *rank,
                             rwkvi_expr *shape);

/* ---- device.c, host.c: where packs run ----------------------------------- */

/* A kernel with its buffers, which are memory of the device; the last two are
 * set by rwkvi_threads_run. */
typedef struct rwkvi_launch {
  const rwkvi_kernel *kernel;
  void *const *buffers;
  const int64_t *buffer_bytes; /* of each */
  size_t buffer_count;
  int64_t first, tasks; /* number of the first one; how many there are */
  int64_t chunk, chunks;
} rwkvi_launch;

/*
 * All that the runtime asks of a device. Work is queued in order on a stream,
 * the runtime's own unless between begin and end; what was queued may fail as
 * late as in finish. Memory is addressed by pointers that only the device may
 * follow, except on a device that is `here`.
 */
struct rwkvi_device {
  bool here; /* its memory is that of this process: arrays of callers and
                checkpoints are used in place */
  void (*destroy)(rwkv_runtime *rt);
  /* The compiler's name of the target to compile for; "" if there is none. */
  const char *(*target)(const rwkv_runtime *rt);

  /* Chooses a target of the pack, loads its blob and resolves every kernel. */
  rwkv_status (*load)(rwkv_runtime *rt, rwkv_pack *pack,
                      const unsigned char *blobs);
  void (*unload)(rwkv_pack *pack);

  /* RWKVI_ALIGN-aligned, not cleared, never NULL for 0 bytes. RWKV_E_MEMORY:
   * "out of memory for .. bytes of `what`". */
  rwkv_status (*alloc)(rwkv_runtime *rt, int64_t bytes, const char *what,
                       void **out);
  /* When what was queued is done. NULL is accepted. */
  void (*free)(rwkv_runtime *rt, void *memory);

  /* `from` is memory of this process that stays as it is until finish. */
  rwkv_status (*upload)(rwkv_runtime *rt, void *to, const void *from,
                        int64_t bytes);
  /* To memory of this process; waits for it and all that was queued before. */
  rwkv_status (*download)(rwkv_runtime *rt, void *to, const void *from,
                          int64_t bytes);
  rwkv_status (*copy)(rwkv_runtime *rt, void *to, const void *from,
                      int64_t bytes);
  rwkv_status (*clear)(rwkv_runtime *rt, void *to, int64_t bytes);

  /* Makes the scratch suffice for launches of the kernel with so many tasks;
   * on failure it is what it was. */
  rwkv_status (*reserve)(rwkv_runtime *rt, const rwkvi_kernel *kernel,
                         int64_t tasks);
  /* Runs all tasks of all launches, in any order. */
  rwkv_status (*launch)(rwkv_runtime *rt, rwkvi_launch *launches, size_t count,
                        const int64_t *sizes);

  /* All NULL where nothing is gained. `record` calls `work`, which launches and
   * copies between memory of the device, and puts what it would queue into
   * *recording, in place of what is there (NULL: nothing); `replay` queues it.
   * What fails queues nothing; *recording is NULL then. */
  bool (*record)(rwkv_runtime *rt, rwkv_status (*work)(void *data), void *data,
                 void **recording);
  bool (*replay)(rwkv_runtime *rt, void *recording);
  void (*forget)(rwkv_runtime *rt, void *recording);

  /* From here to end, work goes to the caller's stream (NULL: the runtime's
   * own), after all that was queued before on any. Its bits are kept apart. */
  rwkv_status (*begin)(rwkv_runtime *rt, void *stream);
  rwkv_status (*end)(rwkv_runtime *rt);
  /* Waits for everything queued; gives the bits that kernels have set, and
   * clears them: those of work between begin and end, or of other work. */
  rwkv_status (*finish)(rwkv_runtime *rt, bool begun, int32_t *bits);
  /* The durations of so many runs of `work`, which queues something, one after
   * the other. */
  rwkv_status (*time)(rwkv_runtime *rt, rwkv_status (*work)(void *data),
                      void *data, int32_t runs, double *milliseconds);
};

/* Sets rt->device by the name that a caller gave. */
rwkv_status rwkvi_device_open(rwkv_runtime *rt, const char *name,
                              int32_t threads);
rwkv_status rwkvi_host_open(rwkv_runtime *rt, int32_t threads);
/* Of the build for tests, rwkv_rt_emu. */
rwkv_status rwkvi_emu_open(rwkv_runtime *rt, int32_t number, int32_t threads);
rwkv_status rwkvi_amdsim_open(rwkv_runtime *rt, int32_t number,
                              int32_t threads);
/* For devices that are like the host: its functions, the code of the target
 * that fits this machine, and a symbol of it. */
const rwkvi_device *rwkvi_host_device(void);
rwkv_status rwkvi_host_load(rwkv_runtime *rt, rwkv_pack *pack,
                            const unsigned char *blobs,
                            const rwkvi_target **loaded);
rwkv_status rwkvi_host_find(rwkv_runtime *rt, const rwkv_pack *pack,
                            const rwkvi_target *target, const char *symbol,
                            void **entry);
/* Whether a kernel has the threads of a task that the device needs: many of
 * them, or, where a task is a call, none. */
rwkv_status rwkvi_check_threads(rwkv_runtime *rt, const rwkv_pack *pack,
                                const rwkvi_target *target,
                                const rwkvi_kernel *kernel, bool many);
/* After a failure: waits for what was queued, which may use arrays of the
 * caller. Returns `status` and keeps its message. */
rwkv_status rwkvi_give_up(rwkv_runtime *rt, rwkv_status status);

/* ---- threads.c ----------------------------------------------------------- */

rwkv_status rwkvi_threads_create(rwkv_runtime *rt, int32_t count);
void rwkvi_threads_destroy(rwkvi_threads *threads);
int32_t rwkvi_threads_count(const rwkvi_threads *threads);
/* Makes every thread's scratch at least `bytes` long; false when out of memory
 * (the old scratch stays). */
bool rwkvi_threads_reserve(rwkvi_threads *threads, int64_t bytes);

/* Runs all tasks of all launches, in any order, and returns the OR of the
 * status bits. Allocates nothing. */
int32_t rwkvi_threads_run(rwkvi_threads *pool, rwkvi_launch *launches,
                          size_t count, const int64_t *sizes);

/* ---- model.c, layout.c, state.c, call.c, run.c, replay.c ----------------- */

enum { RWKVI_CLASSES = 8, RWKVI_REPLAYS = 8 };

/* A plan on certain memory. */
typedef struct rwkvi_replay {
  uint64_t used;    /* tick of the last use; 0: never */
  uint64_t epoch;   /* of the runtime then */
  void **addresses; /* of arguments, results and the arena */
  void *recording;  /* of the device */
  bool ready;       /* it is of these addresses */
} rwkvi_replay;

/* What a function needs for one (B, T, S): everything that can fail was
 * evaluated when the class was made. */
typedef struct rwkvi_class {
  bool ready;
  uint64_t used; /* tick of the last use */
  int64_t sizes[RWKV_SIZE_COUNT];
  int64_t arena_bytes;
  int64_t *arg_bytes, *result_bytes, *temporary_bytes, *temporary_offset;
  int64_t *arg_slice, *result_slice; /* bytes of one slice along axis 0 */
  int64_t operations; /* launches and copies of the plan */
  rwkvi_replay replays[RWKVI_REPLAYS];
} rwkvi_class;

struct rwkv_model {
  rwkv_runtime *rt;
  rwkv_pack *pack;
  rwkvi_pool pool;
  const rwkvi_device *device;
  const void **weights; /* by slot */
  void *weight_memory;  /* of the device, if it is not here */
  rwkvi_class *classes; /* RWKVI_CLASSES per function */
  size_t class_count;
  uint64_t tick;
  void **buffers, **args, **results; /* tables for the call in progress */
  int64_t *buffer_bytes;
  void **fetch; /* where each result goes in the end; NULL: it is in place */
  rwkvi_launch *launches;
  unsigned char *arena, *stage; /* of the device: temporaries; arrays of callers
                                   if it is not here */
  int64_t arena_bytes, stage_bytes;
};

struct rwkv_state {
  rwkv_model *model;
  int64_t sequences;
  int64_t *position;
  int32_t *offsets; /* cu_seqlens of the call in progress */
  void **current, **next; /* memory of the device */
  void **views;           /* copies for callers if the device is not here */
};

/* Finds or makes the class of a function for these sizes. */
rwkv_status rwkvi_class_get(rwkv_model *model, const rwkvi_function *function,
                            const int64_t *sizes, rwkvi_class **out);
const rwkvi_function *rwkvi_function_find(const rwkv_pack *pack,
                                          const char *name);
/* Bytes of state array k for n sequences; false on overflow. */
bool rwkvi_state_bytes(const rwkvi_state_array *array, int64_t sequences,
                       int64_t *bytes);
/* The elements must be in [0, below). */
rwkv_status rwkvi_check_below(rwkv_runtime *rt, const rwkvi_function *function,
                              const rwkvi_value *value, const int32_t *elements,
                              int64_t count, int64_t below);
/* NaN, or 0 for integers. */
void rwkvi_fill_nan(rwkv_dtype dtype, void *data, int64_t bytes);
rwkv_status rwkvi_arena_reserve(rwkv_model *model, int64_t bytes);
/* Queues the plan on model->args and model->results, memory of the device, with
 * the arena reserved. */
rwkv_status rwkvi_queue(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class);
/* As above, where the same memory may be used again and again: the plan is
 * recorded and replayed, if the device can. */
rwkv_status rwkvi_queue_again(rwkv_model *model, const rwkvi_function *function,
                              rwkvi_class *class);
/* Whether it will be, from the second time on. */
bool rwkvi_is_replayed(const rwkv_model *model, const rwkvi_class *class);
/* Memory for it, when the class is made first. */
rwkv_status rwkvi_replays_allocate(rwkv_model *model,
                                   const rwkvi_function *function,
                                   rwkvi_class *class);
/* What was recorded is for another plan. */
void rwkvi_replays_expire(rwkvi_class *class);
void rwkvi_replays_free(rwkv_model *model);
/* Queues it and waits. A failure here is the kernels' or the device's: the
 * results were written in part. */
rwkv_status rwkvi_run(rwkv_model *model, const rwkvi_function *function,
                      rwkvi_class *class);
/* What bits of the kernels of a pack mean; NULL: of several packs. `what` was
 * run. */
rwkv_status rwkvi_check_bits(rwkv_runtime *rt, const rwkv_pack *pack,
                             const char *what, int32_t bits);
/* Moves arguments to the device and gives results a place there, where
 * model->args and model->results point to memory of this process (a result of
 * NULL is not wanted); arrays of state are on the device already if `states`.
 * On a device that is here nothing needs to be done. */
rwkv_status rwkvi_place(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class, bool states);
/* After a run: the results to where rwkvi_place found them. */
rwkv_status rwkvi_fetch(rwkv_model *model, const rwkvi_function *function,
                        const rwkvi_class *class);
/* Checks everything about a call; the arrays are in the device's memory if
 * `there`, else in this process's. Points model->args and results at them. */
rwkv_status rwkvi_call_check(rwkv_model *model, const char *name,
                             const rwkv_array *inputs, int64_t n_inputs,
                             const rwkv_array *outputs, int64_t n_outputs,
                             bool there, const rwkvi_function **function,
                             rwkvi_class **class);
/* State array k as it is now, without data. */
rwkv_array rwkvi_state_view(const rwkv_state *state, size_t k);
/* Its data, in memory of this process: valid until the state changes. */
rwkv_status rwkvi_state_read(const rwkv_state *state, size_t k,
                             const void **data);

#endif /* RWKV_RT_INTERNAL_H */
