/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Integer expressions of plans: read once into postfix order, evaluated with
 * overflow checks. */
#include "internal.h"

#include <string.h>

enum { MAX_DEPTH = 32, MAX_OPS = 256 };
/* The codes of symbols are their RWKV_SIZE_* indices. */
enum { CONSTANT = RWKV_SIZE_COUNT, ADD, MULTIPLY, CEILDIV, FLOORDIV, MIN, MAX };

static const struct {
  const char *name;
  int32_t code;
} symbols[] = {{"B", RWKV_SIZE_B},
               {"T", RWKV_SIZE_T},
               {"S", RWKV_SIZE_S},
               {"l", RWKV_SIZE_L}},
  operators[] = {{"+", ADD},
                 {"*", MULTIPLY},
                 {"ceildiv", CEILDIV},
                 {"floordiv", FLOORDIV},
                 {"min", MIN},
                 {"max", MAX}};

typedef struct builder {
  int32_t count;
  uint32_t symbols;
  rwkvi_op ops[MAX_OPS];
} builder;

static rwkv_status read_node(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, int depth, builder *out) {
  /* The operands of a node are emitted before it, so room is checked when it is
   * written, below. */
  rwkvi_op op = {-1, 0};
  if (depth > MAX_DEPTH) {
    return rwkvi_json_fail(
        in, where, RWKV_E_FORMAT,
        "expected an expression nested at most %d deep, found more", MAX_DEPTH);
  }
  if (json_is_integer(value)) {
    op.code = CONSTANT;
    op.value = json_integer_value(value);
  } else if (json_is_string(value)) {
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); ++i) {
      if (strcmp(json_string_value(value), symbols[i].name) == 0) {
        op.code = symbols[i].code;
        out->symbols |= 1u << op.code;
      }
    }
  } else if (json_is_array(value) && json_array_size(value) == 3 &&
             json_is_string(json_array_get(value, 0))) {
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); ++i) {
      if (strcmp(json_string_value(json_array_get(value, 0)),
                 operators[i].name) == 0) {
        op.code = operators[i].code;
      }
    }
    for (size_t i = 1; i < 3 && op.code >= 0; ++i) {
      RWKVI_TRY(read_node(in, &(rwkvi_where){where, NULL, i},
                          json_array_get(value, i), depth + 1, out));
    }
  }
  if (op.code < 0) {
    return rwkvi_json_expected(in, where, value,
                               "an integer, \"B\", \"T\", \"S\", \"l\" or "
                               "[\"+\"|\"*\"|\"ceildiv\"|\"floordiv\"|"
                               "\"min\"|\"max\", expression, expression]");
  }
  if (out->count == MAX_OPS) {
    return rwkvi_json_fail(
        in, where, RWKV_E_FORMAT,
        "expected an expression of at most %d terms, found more", MAX_OPS);
  }
  out->ops[out->count++] = op;
  return RWKV_OK;
}

rwkv_status rwkvi_expr_read(const rwkvi_reader *in, const rwkvi_where *where,
                            const json_t *value, rwkvi_expr *out) {
  builder result = {0};
  RWKVI_TRY(read_node(in, where, value, 0, &result));
  out->count = result.count;
  out->symbols = result.symbols;
  out->ops = rwkvi_pool_alloc(in->pool, (size_t)result.count, sizeof(rwkvi_op));
  if (!out->ops) {
    return rwkvi_no_memory(in->rt, in->part);
  }
  memcpy(out->ops, result.ops, (size_t)result.count * sizeof(rwkvi_op));
  return RWKV_OK;
}

const char *rwkvi_expr_size(const rwkvi_expr *expr, const int64_t *sizes,
                            int64_t *out) {
  int64_t stack[MAX_DEPTH + 2]; /* a tree of depth d needs d + 1 */
  int top = 0;
  for (int32_t i = 0; i < expr->count; ++i) {
    const rwkvi_op *op = &expr->ops[i];
    if (op->code <= CONSTANT) {
      stack[top++] = op->code == CONSTANT ? op->value : sizes[op->code];
      continue;
    }
    int64_t b = stack[--top], a = stack[--top], value = 0;
    bool fits = true;
    switch (op->code) {
    case ADD:
      fits = rwkvi_add(a, b, &value);
      break;
    case MULTIPLY:
      fits = rwkvi_mul(a, b, &value);
      break;
    case CEILDIV:
    case FLOORDIV:
      if (b <= 0) {
        return "divides by a number that is not positive";
      }
      value = a / b + (op->code == CEILDIV ? a % b > 0 : -(a % b < 0));
      break;
    case MIN:
      value = a < b ? a : b;
      break;
    case MAX:
      value = a > b ? a : b;
      break;
    default:
      break;
    }
    if (!fits) {
      return "overflows 64 bits";
    }
    stack[top++] = value;
  }
  *out = stack[0];
  return *out < 0 ? "is negative" : NULL;
}

int rwkvi_expr_binds(const rwkvi_expr *expr, int64_t *addend) {
  const rwkvi_op *ops = expr->ops;
  *addend = 0;
  if (expr->count == 1 && ops[0].code < RWKV_SIZE_L) {
    return ops[0].code;
  }
  if (expr->count == 3 && ops[2].code == ADD) {
    int symbol = ops[0].code == CONSTANT ? 1 : 0;
    if (ops[symbol].code == RWKV_SIZE_S && ops[1 - symbol].code == CONSTANT &&
        ops[1 - symbol].value == 1) {
      *addend = 1;
      return RWKV_SIZE_S;
    }
  }
  return -1;
}
