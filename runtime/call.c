/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calling any function of a pack on plain arrays. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rwkv_status find(rwkv_model *model, const char *name,
                        const rwkvi_function **out) {
  *out = name ? rwkvi_function_find(model->pack, name) : NULL;
  if (*out) {
    return RWKV_OK;
  }
  char text[2048] = "";
  size_t at = 0;
  for (size_t i = 0; i < model->pack->function_count && at + 210 < sizeof(text);
       ++i) {
    const char *known = model->pack->functions[i].name;
    int n = snprintf(text + at, sizeof(text) - at, "%s\"%.200s\"",
                     i ? ", " : "", known);
    at += (size_t)n;
  }
  return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                    "expected a function of the pack (%s), found %s%.200s%s",
                    text, name ? "\"" : "", name ? name : "NULL",
                    name ? "\"" : "");
}

/* ---- inputs -------------------------------------------------------------- */

static rwkv_status check_array(rwkv_runtime *rt, const rwkvi_function *function,
                               const rwkvi_value *value,
                               const rwkv_array *array) {
  if (array->dtype != value->dtype || array->rank != value->rank) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "%.200s: \"%.200s\": expected %s of rank %d, found %s of rank %d",
        function->name, value->name, rwkv_dtype_name(value->dtype), value->rank,
        rwkv_dtype_name(array->dtype), array->rank);
  }
  for (int32_t i = 0; i < array->rank; ++i) {
    if (array->shape[i] < 0) {
      return rwkvi_fail(
          rt, RWKV_E_ARGUMENT,
          "%.200s: \"%.200s\": axis %d: expected a size, found %lld",
          function->name, value->name, i, (long long)array->shape[i]);
    }
  }
  return RWKV_OK;
}

/* Gives every symbol its value from the shapes of the inputs. Symbols that no
 * argument binds are 0, which nothing uses; B is 1 with packed sequences. */
static rwkv_status bind_symbols(rwkv_runtime *rt,
                                const rwkvi_function *function,
                                const rwkv_array *inputs, int64_t *sizes) {
  static const char *const names[] = {"B", "T", "S"};
  for (int i = 0; i < RWKV_SIZE_COUNT; ++i) {
    sizes[i] = -1;
  }
  if (function->has_sequences) {
    sizes[RWKV_SIZE_B] = 1;
  }
  for (size_t i = 0; i < function->arg_count; ++i) {
    const rwkvi_value *arg = &function->args[i];
    for (int32_t axis = 0; axis < arg->rank; ++axis) {
      int64_t addend, size = inputs[i].shape[axis];
      int symbol = rwkvi_expr_binds(&arg->shape[axis], &addend);
      if (symbol < 0) {
        continue;
      }
      if (size < addend ||
          (sizes[symbol] >= 0 && sizes[symbol] != size - addend)) {
        return rwkvi_fail(
            rt, RWKV_E_ARGUMENT,
            "%.200s: \"%.200s\": axis %d: expected %s%s = %lld, found %lld",
            function->name, arg->name, axis, names[symbol],
            addend ? " + 1" : "",
            (long long)(sizes[symbol] < 0 ? addend : sizes[symbol] + addend),
            (long long)size);
      }
      sizes[symbol] = size - addend;
    }
  }
  for (int i = 0; i < RWKV_SIZE_COUNT; ++i) {
    sizes[i] = sizes[i] < 0 ? 0 : sizes[i];
  }
  return RWKV_OK;
}

static rwkv_status check_shapes(rwkv_runtime *rt,
                                const rwkvi_function *function,
                                const rwkvi_value *values, size_t count,
                                const rwkv_array *arrays,
                                const int64_t *sizes) {
  for (size_t i = 0; i < count; ++i) {
    for (int32_t axis = 0; axis < values[i].rank; ++axis) {
      int64_t want;
      const char *reason =
          rwkvi_expr_size(&values[i].shape[axis], sizes, &want);
      if (reason) {
        return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                          "%.200s: \"%.200s\": axis %d: the size %s",
                          function->name, values[i].name, axis, reason);
      }
      if (arrays[i].shape[axis] != want) {
        return rwkvi_fail(
            rt, RWKV_E_ARGUMENT,
            "%.200s: \"%.200s\": axis %d: expected size %lld, found %lld",
            function->name, values[i].name, axis, (long long)want,
            (long long)arrays[i].shape[axis]);
      }
    }
  }
  return RWKV_OK;
}

/* Everything about the inputs that does not need their data. */
static rwkv_status bind_inputs(rwkv_model *model,
                               const rwkvi_function *function,
                               const rwkv_array *inputs, int64_t n_inputs,
                               int64_t *sizes) {
  if (n_inputs != (int64_t)function->arg_count || (!inputs && n_inputs != 0)) {
    return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                      "%.200s: expected %zu inputs, found %lld%s",
                      function->name, function->arg_count, (long long)n_inputs,
                      inputs ? "" : ", NULL");
  }
  for (size_t i = 0; i < function->arg_count; ++i) {
    RWKVI_TRY(check_array(model->rt, function, &function->args[i], &inputs[i]));
  }
  RWKVI_TRY(bind_symbols(model->rt, function, inputs, sizes));
  return check_shapes(model->rt, function, function->args, function->arg_count,
                      inputs, sizes);
}

static rwkv_status check_data(rwkv_runtime *rt, const rwkvi_function *function,
                              const rwkvi_value *value, const rwkv_array *array,
                              int64_t bytes, bool there) {
  if (bytes == 0) {
    return RWKV_OK;
  }
  /* Lanes of a device move 16 bytes at once. */
  size_t align = there ? 16 : rwkv_dtype_size(array->dtype);
  if (!array->data || (uintptr_t)array->data % align != 0) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "%.200s: \"%.200s\": expected data aligned to %zu bytes, found %p",
        function->name, value->name, align, array->data);
  }
  return RWKV_OK;
}

static rwkv_status check_sequences(rwkv_runtime *rt,
                                   const rwkvi_function *function,
                                   const rwkvi_value *value,
                                   const int32_t *offsets,
                                   const int64_t *sizes) {
  int32_t last = 0;
  for (int64_t i = 0; i <= sizes[RWKV_SIZE_S]; ++i) {
    bool first = i == 0;
    if (first ? offsets[i] != 0 : offsets[i] < last) {
      return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                        "%.200s: \"%.200s\"[%lld]: expected %s%d, found %d",
                        function->name, value->name, (long long)i,
                        first ? "" : ">= ", last, offsets[i]);
    }
    last = offsets[i];
  }
  if (last != sizes[RWKV_SIZE_T]) {
    return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                      "%.200s: \"%.200s\"[%lld]: expected T = %lld, found %d",
                      function->name, value->name,
                      (long long)sizes[RWKV_SIZE_S],
                      (long long)sizes[RWKV_SIZE_T], last);
  }
  return RWKV_OK;
}

rwkv_status rwkvi_check_below(rwkv_runtime *rt, const rwkvi_function *function,
                              const rwkvi_value *value, const int32_t *elements,
                              int64_t count, int64_t below) {
  for (int64_t i = 0; i < count; ++i) {
    if (elements[i] < 0 || elements[i] >= below) {
      return rwkvi_fail(
          rt, RWKV_E_ARGUMENT,
          "%.200s: \"%.200s\": position %lld: expected 0 .. %lld, found %d",
          function->name, value->name, (long long)i, (long long)below - 1,
          elements[i]);
    }
  }
  return RWKV_OK;
}

static rwkv_status check_elements(rwkv_runtime *rt,
                                  const rwkvi_function *function,
                                  const rwkvi_value *arg,
                                  const int32_t *elements, int64_t bytes,
                                  const int64_t *sizes) {
  return arg->role == RWKVI_SEQUENCES
             ? check_sequences(rt, function, arg, elements, sizes)
             : rwkvi_check_below(rt, function, arg, elements,
                                 bytes / (int64_t)sizeof(int32_t), arg->below);
}

/* As above for an array in the device's memory, which is copied here. */
static rwkv_status check_there(rwkv_runtime *rt, const rwkvi_function *function,
                               const rwkvi_value *arg, const int32_t *data,
                               int64_t bytes, const int64_t *sizes) {
  int32_t *elements = rwkvi_aligned((size_t)bytes);
  if (!elements) {
    return rwkvi_no_memory(rt, "indices to be checked");
  }
  rwkv_status status =
      bytes ? rt->device->download(rt, elements, data, bytes) : RWKV_OK;
  status = status ? status
                  : check_elements(rt, function, arg, elements, bytes, sizes);
  free(elements);
  return status;
}

static rwkv_status check_contents(rwkv_runtime *rt,
                                  const rwkvi_function *function,
                                  const rwkv_array *inputs, bool there,
                                  const rwkvi_class *class) {
  for (size_t i = 0; i < function->arg_count; ++i) {
    const rwkvi_value *arg = &function->args[i];
    int64_t bytes = class->arg_bytes[i];
    RWKVI_TRY(check_data(rt, function, arg, &inputs[i], bytes, there));
    if (arg->role == RWKVI_SEQUENCES || arg->below) {
      RWKVI_TRY((there ? check_there : check_elements)(
          rt, function, arg, inputs[i].data, bytes, class->sizes));
    }
  }
  return RWKV_OK;
}

/* ---- outputs ------------------------------------------------------------- */

static bool overlap(const void *a, int64_t a_bytes, const void *b,
                    int64_t b_bytes) {
  uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
  return a_bytes > 0 && b_bytes > 0 && x < y + (uintptr_t)b_bytes &&
         y < x + (uintptr_t)a_bytes;
}

static rwkv_status check_outputs(rwkv_runtime *rt,
                                 const rwkvi_function *function,
                                 const rwkv_array *inputs,
                                 const rwkv_array *outputs,
                                 const rwkvi_class *class, bool there) {
  for (size_t i = 0; i < function->result_count; ++i) {
    RWKVI_TRY(check_array(rt, function, &function->results[i], &outputs[i]));
  }
  RWKVI_TRY(check_shapes(rt, function, function->results,
                         function->result_count, outputs, class->sizes));
  for (size_t i = 0; i < function->result_count; ++i) {
    const rwkvi_value *result = &function->results[i];
    RWKVI_TRY(check_data(rt, function, result, &outputs[i],
                         class->result_bytes[i], there));
    const rwkvi_value *other = NULL;
    for (size_t j = 0; j < function->arg_count; ++j) {
      if (overlap(outputs[i].data, class->result_bytes[i], inputs[j].data,
                  class->arg_bytes[j])) {
        other = &function->args[j];
      }
    }
    for (size_t j = 0; j < i; ++j) {
      if (overlap(outputs[i].data, class->result_bytes[i], outputs[j].data,
                  class->result_bytes[j])) {
        other = &function->results[j];
      }
    }
    if (other) {
      return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                        "%.200s: result \"%.200s\": expected memory of its "
                        "own, found an overlap "
                        "with \"%.200s\"",
                        function->name, result->name, other->name);
    }
  }
  return RWKV_OK;
}

void rwkvi_fill_nan(rwkv_dtype dtype, void *data, int64_t bytes) {
  static const struct {
    rwkv_dtype dtype;
    uint64_t bits;
  } nans[] = {{RWKV_F32, 0x7fc00000},
              {RWKV_F16, 0x7e00},
              {RWKV_BF16, 0x7fc0},
              {RWKV_F64, 0x7ff8000000000000}};
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(nans) / sizeof(nans[0]); ++i) {
    bits = nans[i].dtype == dtype ? nans[i].bits : bits;
  }
  size_t size = rwkv_dtype_size(dtype);
  for (int64_t at = 0; at < bytes; at += (int64_t)size) {
    memcpy((char *)data + at, &bits,
           size); /* little-endian: the low bytes come first */
  }
}

/* ---- the interface ------------------------------------------------------- */

rwkv_status rwkv_function_arity(rwkv_model *model, const char *name,
                                int64_t *inputs, int64_t *outputs) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  if (!inputs || !outputs) {
    return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                      "rwkv_function_arity: expected outputs, found NULL");
  }
  const rwkvi_function *function;
  RWKVI_TRY(find(model, name, &function));
  *inputs = (int64_t)function->arg_count;
  *outputs = (int64_t)function->result_count;
  return RWKV_OK;
}

static rwkv_status check_output_count(rwkv_model *model,
                                      const rwkvi_function *function,
                                      const rwkv_array *outputs,
                                      int64_t n_outputs) {
  if (n_outputs == (int64_t)function->result_count &&
      (outputs || n_outputs == 0)) {
    return RWKV_OK;
  }
  return rwkvi_fail(model->rt, RWKV_E_ARGUMENT,
                    "%.200s: expected %zu outputs, found %lld%s",
                    function->name, function->result_count,
                    (long long)n_outputs, outputs ? "" : ", NULL");
}

rwkv_status rwkv_function_shapes(rwkv_model *model, const char *name,
                                 const rwkv_array *inputs, int64_t n_inputs,
                                 rwkv_array *outputs, int64_t n_outputs) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  const rwkvi_function *function;
  int64_t sizes[RWKV_SIZE_COUNT];
  rwkvi_class *class;
  RWKVI_TRY(find(model, name, &function));
  RWKVI_TRY(bind_inputs(model, function, inputs, n_inputs, sizes));
  RWKVI_TRY(check_output_count(model, function, outputs, n_outputs));
  RWKVI_TRY(rwkvi_class_get(model, function, sizes, &class));
  for (size_t i = 0; i < function->result_count; ++i) {
    const rwkvi_value *result = &function->results[i];
    outputs[i] = (rwkv_array){.dtype = result->dtype, .rank = result->rank};
    for (int32_t axis = 0; axis < result->rank; ++axis) {
      rwkvi_expr_size(
          &result->shape[axis], sizes,
          &outputs[i].shape[axis]); /* cannot fail: the class was made */
    }
  }
  return RWKV_OK;
}

rwkv_status rwkvi_call_check(rwkv_model *model, const char *name,
                             const rwkv_array *inputs, int64_t n_inputs,
                             const rwkv_array *outputs, int64_t n_outputs,
                             bool there, const rwkvi_function **out,
                             rwkvi_class **class) {
  const rwkvi_function *function;
  int64_t sizes[RWKV_SIZE_COUNT];
  RWKVI_TRY(find(model, name, &function));
  RWKVI_TRY(bind_inputs(model, function, inputs, n_inputs, sizes));
  RWKVI_TRY(check_output_count(model, function, outputs, n_outputs));
  RWKVI_TRY(rwkvi_class_get(model, function, sizes, class));
  RWKVI_TRY(check_contents(model->rt, function, inputs, there, *class));
  RWKVI_TRY(
      check_outputs(model->rt, function, inputs, outputs, *class, there));
  for (size_t i = 0; i < function->arg_count; ++i) {
    model->args[i] = inputs[i].data;
  }
  for (size_t i = 0; i < function->result_count; ++i) {
    model->results[i] = outputs[i].data;
  }
  *out = function;
  return RWKV_OK;
}

rwkv_status rwkv_call(rwkv_model *model, const char *name,
                      const rwkv_array *inputs, int64_t n_inputs,
                      rwkv_array *outputs, int64_t n_outputs) {
  if (!model) {
    return RWKV_E_ARGUMENT;
  }
  const rwkvi_function *function;
  rwkvi_class *class;
  RWKVI_TRY(rwkvi_call_check(model, name, inputs, n_inputs, outputs, n_outputs,
                             false, &function, &class));
  RWKVI_TRY(rwkvi_arena_reserve(model, class->arena_bytes));
  RWKVI_TRY(rwkvi_place(model, function, class, false));
  rwkv_status status = rwkvi_run(model, function, class);
  status = status ? status : rwkvi_fetch(model, function, class);
  for (size_t i = 0; i < function->result_count && status != RWKV_OK; ++i) {
    rwkvi_fill_nan(outputs[i].dtype, outputs[i].data, class->result_bytes[i]);
  }
  return status;
}
