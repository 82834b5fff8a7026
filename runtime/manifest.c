/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The manifest of a pack: from JSON to plain structs, with every name, index
 * and size checked. Plans are in plan.c. */
#include "internal.h"

#include <string.h>

/* Of any list: names are compared pairwise. */
enum { MAX_LIST = 16384 };

/* A list of the manifest: where it is and its elements. */
typedef struct list {
  rwkvi_where where;
  const json_t *array;
  size_t count;
} list;

static rwkv_status open_list(const rwkvi_reader *in, const rwkvi_where *up,
                             const json_t *object, const char *key, list *out) {
  out->where = (rwkvi_where){up, key, 0};
  out->array = json_object_get(object, key);
  return rwkvi_json_array(in, &out->where, out->array, MAX_LIST, &out->count);
}

static rwkv_status allocate(const rwkvi_reader *in, size_t count, size_t size,
                            void *out) {
  void *memory = rwkvi_pool_alloc(in->pool, count, size);
  memcpy(out, &memory, sizeof(memory));
  return memory ? RWKV_OK : rwkvi_no_memory(in->rt, "a manifest");
}

static rwkv_status read_strings(const rwkvi_reader *in, const rwkvi_where *up,
                                const json_t *object, const char *key,
                                const char ***strings, size_t *count) {
  list texts;
  RWKVI_TRY(open_list(in, up, object, key, &texts));
  RWKVI_TRY(allocate(in, texts.count, sizeof(char *), strings));
  for (size_t i = 0; i < texts.count; ++i) {
    RWKVI_TRY(rwkvi_json_string(in, &(rwkvi_where){&texts.where, NULL, i},
                                json_array_get(texts.array, i),
                                &(*strings)[i]));
  }
  *count = texts.count;
  return RWKV_OK;
}

static rwkv_status read_string(const rwkvi_reader *in, const rwkvi_where *up,
                               const json_t *object, const char *key,
                               const char **out) {
  return rwkvi_json_string(in, &(rwkvi_where){up, key, 0},
                           json_object_get(object, key), out);
}

static rwkv_status read_int(const rwkvi_reader *in, const rwkvi_where *up,
                            const json_t *object, const char *key, int64_t low,
                            int64_t high, int64_t *out) {
  return rwkvi_json_int(in, &(rwkvi_where){up, key, 0},
                        json_object_get(object, key), low, high, out);
}

static rwkv_status read_dtype(const rwkvi_reader *in, const rwkvi_where *up,
                              const json_t *object, rwkv_dtype *out) {
  return rwkvi_json_dtype(in, &(rwkvi_where){up, "dtype", 0},
                          json_object_get(object, "dtype"), out);
}

rwkv_status rwkvi_shape_read(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, int32_t *rank,
                             rwkvi_expr *shape) {
  size_t count;
  RWKVI_TRY(rwkvi_json_array(in, where, value, RWKVI_MAX_RANK, &count));
  *rank = (int32_t)count;
  for (size_t i = 0; i < count; ++i) {
    rwkvi_where here = {where, NULL, i};
    RWKVI_TRY(rwkvi_expr_read(in, &here, json_array_get(value, i), &shape[i]));
    if (shape[i].symbols & 1u << RWKV_SIZE_L) {
      return rwkvi_json_fail(
          in, &here, RWKV_E_FORMAT,
          "expected a shape without the layer index, found \"l\"");
    }
    const int64_t none[RWKV_SIZE_COUNT] = {0};
    int64_t size;
    const char *reason = rwkvi_expr_is_constant(&shape[i])
                             ? rwkvi_expr_size(&shape[i], none, &size)
                             : NULL;
    if (reason) {
      return rwkvi_json_fail(in, &here, RWKV_E_FORMAT, "the size %s", reason);
    }
  }
  return RWKV_OK;
}

/* ---- weights ------------------------------------------------------------- */

static rwkv_status read_keys(const rwkvi_reader *in, const rwkvi_where *up,
                             const json_t *value, rwkvi_weight *weight) {
  list keys;
  RWKVI_TRY(open_list(in, up, value, "keys", &keys));
  if (keys.count == 0) {
    return rwkvi_json_expected(in, &keys.where, keys.array, "at least one key");
  }
  weight->key_count = keys.count;
  RWKVI_TRY(allocate(in, keys.count, sizeof(char *), &weight->keys));
  for (size_t i = 0; i < keys.count; ++i) {
    rwkvi_where here = {&keys.where, NULL, i};
    const json_t *key = json_array_get(keys.array, i);
    RWKVI_TRY(rwkvi_json_string(in, &here, key, &weight->keys[i]));
    if ((strstr(weight->keys[i], "{l}") != NULL) != weight->layered) {
      return rwkvi_json_expected(
          in, &here, key,
          weight->layered ? "a key with \"{l}\", as the weight has layers"
                          : "a key without \"{l}\", as the weight has no "
                            "\"from\" and \"to\"");
    }
  }
  return RWKV_OK;
}

static rwkv_status read_weight(const rwkvi_reader *in, const rwkvi_where *here,
                               const json_t *value, rwkvi_weight *weight) {
  static const char *const keys[] = {"name",  "keys", "dtype", "shape",
                                     "?from", "?to",  NULL};
  RWKVI_TRY(rwkvi_json_object(in, here, value, keys));
  RWKVI_TRY(read_string(in, here, value, "name", &weight->name));
  RWKVI_TRY(read_dtype(in, here, value, &weight->dtype));
  weight->layered =
      json_object_get(value, "from") || json_object_get(value, "to");
  weight->to = 1;
  if (weight->layered) {
    RWKVI_TRY(
        read_int(in, here, value, "from", 0, RWKVI_MAX_LAYERS, &weight->from));
    RWKVI_TRY(read_int(in, here, value, "to", weight->from, RWKVI_MAX_LAYERS,
                       &weight->to));
  }
  RWKVI_TRY(read_keys(in, here, value, weight));

  rwkvi_where shape_here = {here, "shape", 0};
  const json_t *shape = json_object_get(value, "shape");
  size_t rank;
  RWKVI_TRY(rwkvi_json_array(in, &shape_here, shape, RWKVI_MAX_RANK, &rank));
  weight->rank = (int32_t)rank;
  for (size_t i = 0; i < rank; ++i) {
    RWKVI_TRY(rwkvi_json_int(in, &(rwkvi_where){&shape_here, NULL, i},
                             json_array_get(shape, i), 0, INT64_MAX,
                             &weight->shape[i]));
  }
  if (!rwkvi_bytes(weight->rank, weight->shape,
                   (int64_t)rwkv_dtype_size(weight->dtype), &weight->bytes)) {
    return rwkvi_json_fail(in, &shape_here, RWKV_E_FORMAT,
                           "the size overflows 64 bits");
  }
  return RWKV_OK;
}

static rwkv_status read_weights(const rwkvi_reader *in, const json_t *root,
                                rwkv_pack *pack) {
  list weights;
  RWKVI_TRY(open_list(in, NULL, root, "weights", &weights));
  RWKVI_TRY(allocate(in, weights.count, sizeof(rwkvi_weight), &pack->weights));
  for (size_t i = 0; i < weights.count; ++i) {
    rwkvi_where here = {&weights.where, NULL, i};
    rwkvi_weight *weight = &pack->weights[i];
    RWKVI_TRY(read_weight(in, &here, json_array_get(weights.array, i), weight));
    for (size_t j = 0; j < i; ++j) {
      if (strcmp(pack->weights[j].name, weight->name) == 0) {
        return rwkvi_json_fail(in, &here, RWKV_E_FORMAT,
                               "a second weight named \"%.200s\"",
                               weight->name);
      }
    }
    weight->slot = pack->weight_slots; /* at most 2^14 weights of 2^16 layers:
                                          no overflow */
    pack->weight_slots += weight->to - weight->from;
  }
  pack->weight_count = weights.count;
  return RWKV_OK;
}

/* ---- functions ----------------------------------------------------------- */

static rwkv_status read_role(const rwkvi_reader *in, const rwkvi_where *up,
                             const json_t *value, bool result,
                             rwkvi_role *out) {
  static const struct {
    const char *name;
    rwkvi_role role;
    bool arg, result;
  } roles[] = {{"input", RWKVI_PLAIN, true,
                true}, /* of a result: the same as "output" */
               {"output", RWKVI_PLAIN, false, true},
               {"state", RWKVI_STATE, true, true},
               {"sequences", RWKVI_SEQUENCES, true, false}};
  const json_t *role = json_object_get(value, "role");
  for (size_t i = 0;
       i < sizeof(roles) / sizeof(roles[0]) && json_is_string(role); ++i) {
    if (strcmp(json_string_value(role), roles[i].name) == 0 &&
        (result ? roles[i].result : roles[i].arg)) {
      *out = roles[i].role;
      return RWKV_OK;
    }
  }
  return rwkvi_json_expected(in, &(rwkvi_where){up, "role", 0}, role,
                             result ? "\"output\" or \"state\""
                                    : "\"input\", \"state\" or \"sequences\"");
}

/* Makes or finds the state array that a value of role "state" stands for: every
 * mention must agree. */
static rwkv_status declare_state(const rwkvi_reader *in,
                                 const rwkvi_where *here, rwkv_pack *pack,
                                 rwkvi_value *value) {
  rwkvi_state_array array = {.name = value->name,
                             .dtype = value->dtype,
                             .rank = value->rank,
                             .axis = -1,
                             .outer = 1};
  const int64_t none[RWKV_SIZE_COUNT] = {0};
  bool valid = true;
  for (int32_t i = 0; i < value->rank && valid; ++i) {
    int64_t addend;
    if (rwkvi_expr_is_constant(&value->shape[i])) {
      valid = rwkvi_expr_size(&value->shape[i], none, &array.shape[i]) == NULL;
    } else {
      valid = array.axis < 0 && i < 2 &&
              rwkvi_expr_binds(&value->shape[i], &addend) == RWKV_SIZE_S &&
              addend == 0;
      array.axis = i;
      array.shape[i] = 1;
    }
  }
  if (!valid || array.axis < 0) {
    return rwkvi_json_fail(in, here, RWKV_E_FORMAT,
                           "expected a state of shape [\"S\", ..] or [L, "
                           "\"S\", ..] with constant other axes");
  }
  array.outer = array.axis == 1 ? array.shape[0] : 1;
  int64_t bytes;
  if (!rwkvi_bytes(array.rank - array.axis, array.shape + array.axis,
                   (int64_t)rwkv_dtype_size(array.dtype), &array.row) ||
      !rwkvi_mul(array.row, array.outer, &bytes)) {
    return rwkvi_json_fail(in, here, RWKV_E_FORMAT,
                           "the size of the state overflows 64 bits");
  }
  for (value->state = 0; value->state < pack->state_count; ++value->state) {
    const rwkvi_state_array *other = &pack->states[value->state];
    if (strcmp(other->name, array.name) != 0) {
      continue;
    }
    if (other->dtype != array.dtype || other->rank != array.rank ||
        other->axis != array.axis ||
        memcmp(other->shape, array.shape, sizeof(array.shape)) != 0) {
      char a[RWKVI_SHAPE_TEXT], b[RWKVI_SHAPE_TEXT];
      return rwkvi_json_fail(in, here, RWKV_E_FORMAT,
                             "state \"%.200s\": expected %s %s for one "
                             "sequence, as said before, found %s %s",
                             array.name, rwkv_dtype_name(other->dtype),
                             rwkvi_shape_text(other->rank, other->shape, a),
                             rwkv_dtype_name(array.dtype),
                             rwkvi_shape_text(array.rank, array.shape, b));
    }
    return RWKV_OK;
  }
  if (strcmp(array.name, "position") == 0 ||
      strcmp(array.name, "__metadata__") == 0) {
    return rwkvi_json_fail(in, here, RWKV_E_FORMAT,
                           "\"%s\" is a reserved name in state files",
                           array.name);
  }
  if (!rwkvi_add(pack->state_bytes, bytes, &pack->state_bytes)) {
    return rwkvi_json_fail(in, here, RWKV_E_FORMAT,
                           "the size of the state overflows 64 bits");
  }
  pack->states[pack->state_count++] = array;
  return RWKV_OK;
}

static rwkv_status read_value(const rwkvi_reader *in, const rwkvi_where *here,
                              const json_t *json, bool result, rwkv_pack *pack,
                              rwkvi_value *value) {
  static const char *const keys[] = {"name",  "role",   "dtype",
                                     "shape", "?below", NULL};
  RWKVI_TRY(rwkvi_json_object(in, here, json, keys));
  RWKVI_TRY(read_string(in, here, json, "name", &value->name));
  RWKVI_TRY(read_role(in, here, json, result, &value->role));
  RWKVI_TRY(read_dtype(in, here, json, &value->dtype));
  RWKVI_TRY(rwkvi_shape_read(in, &(rwkvi_where){here, "shape", 0},
                             json_object_get(json, "shape"), &value->rank,
                             value->shape));
  const json_t *below = json_object_get(json, "below");
  if (below) {
    if (result || value->role != RWKVI_PLAIN || value->dtype != RWKV_I32) {
      return rwkvi_json_fail(
          in, &(rwkvi_where){here, "below", 0}, RWKV_E_FORMAT,
          "expected a bound for an i32 argument of role \"input\" only");
    }
    RWKVI_TRY(read_int(in, here, json, "below", 1, INT64_MAX, &value->below));
  }
  if (value->role == RWKVI_SEQUENCES) {
    int64_t addend = 0;
    if (value->dtype != RWKV_I32 || value->rank != 1 ||
        rwkvi_expr_binds(&value->shape[0], &addend) != RWKV_SIZE_S ||
        addend != 1) {
      return rwkvi_json_fail(
          in, here, RWKV_E_FORMAT,
          "expected i32 of shape [[\"+\", \"S\", 1]] for the sequences");
    }
  }
  return value->role == RWKVI_STATE ? declare_state(in, here, pack, value)
                                    : RWKV_OK;
}

static rwkv_status read_values(const rwkvi_reader *in, const rwkvi_where *up,
                               const json_t *json, bool result, rwkv_pack *pack,
                               rwkvi_value **values, size_t *count) {
  list all;
  RWKVI_TRY(open_list(in, up, json, result ? "results" : "args", &all));
  RWKVI_TRY(allocate(in, all.count, sizeof(rwkvi_value), values));
  for (size_t i = 0; i < all.count; ++i) {
    rwkvi_where here = {&all.where, NULL, i};
    RWKVI_TRY(read_value(in, &here, json_array_get(all.array, i), result, pack,
                         &(*values)[i]));
    for (size_t j = 0; j < i; ++j) {
      if (strcmp((*values)[j].name, (*values)[i].name) == 0) {
        return rwkvi_json_fail(in, &here, RWKV_E_FORMAT,
                               "a second value named \"%.200s\"",
                               (*values)[i].name);
      }
    }
  }
  *count = all.count;
  return RWKV_OK;
}

/* Every state a function takes it must give back, and the other way round. */
static rwkv_status check_states(const rwkvi_reader *in, const rwkvi_where *here,
                                const rwkvi_value *some, size_t n,
                                const rwkvi_value *others, size_t m,
                                const char *missing) {
  for (size_t i = 0; i < n; ++i) {
    size_t j = 0;
    while (
        some[i].role == RWKVI_STATE && j < m &&
        (others[j].role != RWKVI_STATE || others[j].state != some[i].state)) {
      ++j;
    }
    if (some[i].role == RWKVI_STATE && j == m) {
      return rwkvi_json_fail(
          in, here, RWKV_E_FORMAT,
          "state \"%.200s\": expected %s of the same name, found none",
          some[i].name, missing);
    }
  }
  return RWKV_OK;
}

static const char *symbol_name(uint32_t symbols) {
  return symbols & 1u << RWKV_SIZE_B   ? "B"
         : symbols & 1u << RWKV_SIZE_T ? "T"
                                       : "S";
}

static rwkv_status check_bound(const rwkvi_reader *in, const rwkvi_where *up,
                               const char *what, const rwkvi_value *values,
                               size_t count, uint32_t bound) {
  for (size_t i = 0; i < count; ++i) {
    for (int32_t axis = 0; axis < values[i].rank; ++axis) {
      uint32_t open = values[i].shape[axis].symbols & ~bound;
      if (open) {
        return rwkvi_json_fail(
            in, up, RWKV_E_FORMAT,
            "%s \"%.200s\" uses \"%s\", which no argument's shape binds", what,
            values[i].name, symbol_name(open));
      }
    }
  }
  return RWKV_OK;
}

static rwkv_status read_function(const rwkvi_reader *in,
                                 const rwkvi_where *here, const json_t *json,
                                 rwkv_pack *pack, rwkvi_function *function) {
  static const char *const keys[] = {"name", "args", "results", "plan", NULL};
  RWKVI_TRY(rwkvi_json_object(in, here, json, keys));
  RWKVI_TRY(read_string(in, here, json, "name", &function->name));
  RWKVI_TRY(read_values(in, here, json, false, pack, &function->args,
                        &function->arg_count));
  RWKVI_TRY(read_values(in, here, json, true, pack, &function->results,
                        &function->result_count));
  RWKVI_TRY(check_states(in, here, function->args, function->arg_count,
                         function->results, function->result_count,
                         "a result"));
  RWKVI_TRY(check_states(in, here, function->results, function->result_count,
                         function->args, function->arg_count, "an argument"));
  uint32_t bound = 0;
  for (size_t i = 0; i < function->arg_count; ++i) {
    const rwkvi_value *arg = &function->args[i];
    if (arg->role == RWKVI_SEQUENCES && function->has_sequences) {
      return rwkvi_json_fail(
          in, here, RWKV_E_FORMAT,
          "expected one argument of role \"sequences\", found two");
    }
    function->has_sequences |= arg->role == RWKVI_SEQUENCES;
    for (int32_t axis = 0; axis < arg->rank; ++axis) {
      int64_t addend;
      int symbol = rwkvi_expr_binds(&arg->shape[axis], &addend);
      bound |= symbol >= 0 ? 1u << symbol : 0;
    }
  }
  if (function->has_sequences) {
    bound |= 1u << RWKV_SIZE_B; /* 1 by definition */
    if (!(bound & 1u << RWKV_SIZE_T)) {
      return rwkvi_json_fail(
          in, here, RWKV_E_FORMAT,
          "expected an argument with an axis \"T\", as there are sequences");
    }
  }
  RWKVI_TRY(check_bound(in, here, "argument", function->args,
                        function->arg_count, bound));
  RWKVI_TRY(check_bound(in, here, "result", function->results,
                        function->result_count, bound));
  return rwkvi_plan_read(in, &(rwkvi_where){here, "plan", 0},
                         json_object_get(json, "plan"), pack, function, bound);
}

static rwkv_status read_functions(const rwkvi_reader *in, const json_t *root,
                                  rwkv_pack *pack) {
  list functions;
  RWKVI_TRY(open_list(in, NULL, root, "functions", &functions));
  /* There are at most as many states as arguments. */
  size_t most = 0;
  for (size_t i = 0; i < functions.count; ++i) {
    const json_t *function = json_array_get(functions.array, i);
    most += json_array_size(json_object_get(function, "args")) +
            json_array_size(json_object_get(function, "results"));
  }
  RWKVI_TRY(allocate(in, most, sizeof(rwkvi_state_array), &pack->states));
  RWKVI_TRY(
      allocate(in, functions.count, sizeof(rwkvi_function), &pack->functions));
  for (size_t i = 0; i < functions.count; ++i) {
    rwkvi_where here = {&functions.where, NULL, i};
    RWKVI_TRY(read_function(in, &here, json_array_get(functions.array, i), pack,
                            &pack->functions[i]));
    for (size_t j = 0; j < i; ++j) {
      if (strcmp(pack->functions[j].name, pack->functions[i].name) == 0) {
        return rwkvi_json_fail(in, &here, RWKV_E_FORMAT,
                               "a second function named \"%.200s\"",
                               pack->functions[i].name);
      }
    }
  }
  pack->function_count = functions.count;
  return RWKV_OK;
}

/* ---- the rest ------------------------------------------------------------ */

static rwkv_status read_kernels(const rwkvi_reader *in, const json_t *root,
                                rwkv_pack *pack) {
  static const char *const keys[] = {"symbol", "scratch", "?threads", "?shared",
                                     NULL};
  list kernels;
  RWKVI_TRY(open_list(in, NULL, root, "kernels", &kernels));
  RWKVI_TRY(allocate(in, kernels.count, sizeof(rwkvi_kernel), &pack->kernels));
  for (size_t i = 0; i < kernels.count; ++i) {
    rwkvi_where here = {&kernels.where, NULL, i};
    const json_t *value = json_array_get(kernels.array, i);
    RWKVI_TRY(rwkvi_json_object(in, &here, value, keys));
    rwkvi_kernel *kernel = &pack->kernels[i];
    RWKVI_TRY(read_string(in, &here, value, "symbol", &kernel->symbol));
    RWKVI_TRY(read_int(in, &here, value, "scratch", 0, INT64_MAX,
                       &kernel->scratch));
    if (json_object_get(value, "threads")) {
      RWKVI_TRY(read_int(in, &here, value, "threads", 0, INT32_MAX,
                         &kernel->threads));
    }
    if (json_object_get(value, "shared")) {
      RWKVI_TRY(read_int(in, &here, value, "shared", 0,
                         kernel->threads ? INT32_MAX : 0, &kernel->shared));
    }
  }
  pack->kernel_count = kernels.count;
  return RWKV_OK;
}

static rwkv_status read_target(const rwkvi_reader *in, const rwkvi_where *here,
                               const json_t *value, int64_t blob_bytes,
                               rwkvi_target *target) {
  static const char *const keys[] = {"name",   "arch", "features",
                                     "offset", "size", NULL};
  RWKVI_TRY(rwkvi_json_object(in, here, value, keys));
  RWKVI_TRY(read_string(in, here, value, "name", &target->name));
  RWKVI_TRY(read_string(in, here, value, "arch", &target->arch));
  RWKVI_TRY(
      read_int(in, here, value, "offset", 0, blob_bytes, &target->offset));
  RWKVI_TRY(read_int(in, here, value, "size", 0, blob_bytes - target->offset,
                     &target->size));
  return read_strings(in, here, value, "features", &target->features,
                      &target->feature_count);
}

static rwkv_status read_targets(const rwkvi_reader *in, const json_t *root,
                                int64_t blob_bytes, rwkv_pack *pack) {
  list targets;
  RWKVI_TRY(open_list(in, NULL, root, "targets", &targets));
  RWKVI_TRY(allocate(in, targets.count, sizeof(rwkvi_target), &pack->targets));
  for (size_t i = 0; i < targets.count; ++i) {
    RWKVI_TRY(read_target(in, &(rwkvi_where){&targets.where, NULL, i},
                          json_array_get(targets.array, i), blob_bytes,
                          &pack->targets[i]));
  }
  pack->target_count = targets.count;
  return RWKV_OK;
}

static rwkv_status read_assertions(const rwkvi_reader *in, const json_t *root,
                                   rwkv_pack *pack) {
  if (!json_object_get(root, "assertions")) {
    return RWKV_OK;
  }
  return read_strings(in, NULL, root, "assertions", &pack->assertions,
                      &pack->assertion_count);
}

/* dims and params are information for people and tools, except the vocabulary,
 * which bounds token ids. */
static rwkv_status read_numbers(const rwkvi_reader *in, const json_t *root,
                                rwkv_pack *pack) {
  const char *key;
  json_t *member;
  json_t *dims = json_object_get(root, "dims"),
         *params = json_object_get(root, "params");
  rwkvi_where dims_here = {NULL, "dims", 0}, params_here = {NULL, "params", 0};
  if (!json_is_object(dims)) {
    return rwkvi_json_expected(in, &dims_here, dims, "an object");
  }
  if (!json_is_object(params)) {
    return rwkvi_json_expected(in, &params_here, params, "an object");
  }
  json_object_foreach(dims, key, member) {
    int64_t size;
    RWKVI_TRY(rwkvi_json_int(in, &(rwkvi_where){&dims_here, key, 0}, member, 1,
                             INT64_MAX, &size));
    if (strcmp(key, "V") == 0) {
      pack->vocab = size;
    }
  }
  json_object_foreach(params, key, member) {
    if (!json_is_number(member)) {
      return rwkvi_json_expected(in, &(rwkvi_where){&params_here, key, 0},
                                 member, "a number");
    }
  }
  return RWKV_OK;
}

rwkv_status rwkvi_manifest_read(const rwkvi_reader *in, rwkv_pack *pack,
                                int64_t blob_bytes) {
  static const char *const keys[] = {
      "name",    "generator", "dims",        "params", "weights", "functions",
      "kernels", "targets",   "?assertions", NULL};
  json_t *root;
  RWKVI_TRY(
      rwkvi_json_parse(in, pack->manifest, strlen(pack->manifest), &root));
  const char *generator;
  rwkv_status status = rwkvi_json_object(in, NULL, root, keys);
  status = status ? status : read_string(in, NULL, root, "name", &pack->name);
  status =
      status ? status : read_string(in, NULL, root, "generator", &generator);
  status = status ? status : read_numbers(in, root, pack);
  status = status ? status : read_weights(in, root, pack);
  status = status ? status : read_assertions(in, root, pack);
  status = status ? status : read_kernels(in, root, pack);
  status = status ? status : read_functions(in, root, pack);
  status = status ? status : read_targets(in, root, blob_bytes, pack);
  json_decref(root);
  return status;
}
