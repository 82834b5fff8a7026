/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Strict reading of JSON: every refusal says where, what was expected and what
 * was found. */
#include "internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

/* The parser recurses on nesting; a document of brackets must not reach the end
 * of the caller's stack. */
static int nesting(const char *text, size_t size) {
  int depth = 0, most = 0;
  bool quoted = false;
  for (size_t i = 0; i < size && most <= MAX_DEPTH; ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      most = ++depth > most ? depth : most;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return most;
}

rwkv_status rwkvi_json_parse(const rwkvi_reader *in, const char *text,
                             size_t size, json_t **out) {
  *out = NULL;
  if (size == 0 || text[0] != '{') {
    return rwkvi_fail(
        in->rt, RWKV_E_FORMAT,
        "%.1000s: %s: expected a JSON object starting with '{', found %s",
        in->file, in->part, size == 0 ? "nothing" : "something else");
  }
  if (nesting(text, size) > MAX_DEPTH) {
    return rwkvi_fail(
        in->rt, RWKV_E_FORMAT,
        "%.1000s: %s: expected JSON nested at most %d deep, found more",
        in->file, in->part, MAX_DEPTH);
  }
  json_error_t error;
  *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  if (*out) {
    return RWKV_OK;
  }
  if (json_error_code(&error) == json_error_out_of_memory) {
    return rwkvi_no_memory(in->rt, in->part);
  }
  return rwkvi_fail(in->rt, RWKV_E_FORMAT,
                    "%.1000s: %s: expected valid JSON, found at byte %d: %s",
                    in->file, in->part, error.position, error.text);
}

/* ---- messages ------------------------------------------------------------ */

static bool is_word(const char *key) {
  for (const char *s = key; *s; ++s) {
    if (!isalnum((unsigned char)*s) && *s != '_') {
      return false;
    }
  }
  return *key != 0;
}

/* Writes "functions[1].name" into text[at..]; keys that are not words are
 * quoted. Returns the new end. */
static size_t write_where(const rwkvi_where *where, char *text, size_t size,
                          size_t at) {
  if (!where) {
    return at;
  }
  at = write_where(where->up, text, size, at);
  const char *format = !where->key           ? "[%zu]"
                       : is_word(where->key) ? "%s%.200s"
                                             : "%s\"%.200s\"";
  int n = where->key ? snprintf(text + at, size - at, format, at ? "." : "",
                                where->key)
                     : snprintf(text + at, size - at, "[%zu]", where->index);
  at += n > 0 ? (size_t)n : 0;
  return at < size ? at : size - 1;
}

rwkv_status rwkvi_json_fail(const rwkvi_reader *in, const rwkvi_where *where,
                            rwkv_status status, const char *format, ...) {
  char place[1024] = "", text[2048];
  write_where(where, place, sizeof(place), 0);
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof(text), format, list);
  va_end(list);
  return rwkvi_fail(in->rt, status, "%.1000s: %s: %s%s%s", in->file, in->part,
                    place, *place ? ": " : "", text);
}

static void describe(const json_t *value, char *text, size_t size) {
  if (!value) {
    snprintf(text, size, "nothing");
    return;
  }
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    snprintf(text, size, "an object");
    break;
  case JSON_ARRAY:
    snprintf(text, size, "an array of %zu", json_array_size(value));
    break;
  case JSON_STRING:
    snprintf(text, size, "\"%.200s\"", json_string_value(value));
    break;
  case JSON_INTEGER:
    snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    break;
  case JSON_REAL:
    snprintf(text, size, "the real number %g", json_real_value(value));
    break;
  default:
    snprintf(text, size, "%s",
             json_is_true(value)    ? "true"
             : json_is_false(value) ? "false"
                                    : "null");
  }
}

rwkv_status rwkvi_json_expected(const rwkvi_reader *in,
                                const rwkvi_where *where, const json_t *found,
                                const char *expected, ...) {
  char wanted[512], got[256];
  va_list list;
  va_start(list, expected);
  vsnprintf(wanted, sizeof(wanted), expected, list);
  va_end(list);
  describe(found, got, sizeof(got));
  return rwkvi_json_fail(in, where, RWKV_E_FORMAT, "expected %s, found %s",
                         wanted, got);
}

/* ---- typed values -------------------------------------------------------- */

rwkv_status rwkvi_json_object(const rwkvi_reader *in, const rwkvi_where *where,
                              const json_t *value, const char *const *keys) {
  if (!json_is_object(value)) {
    return rwkvi_json_expected(in, where, value, "an object");
  }
  for (const char *const *key = keys; *key; ++key) {
    if (**key != '?' && !json_object_get(value, *key)) {
      return rwkvi_json_fail(in, where, RWKV_E_FORMAT,
                             "expected the field \"%s\", found none", *key);
    }
  }
  const char *name;
  json_t *member;
  /* The iteration macro of jansson takes a non-const object although it does
   * not change it. */
  json_object_foreach((json_t *)value, name, member) {
    const char *const *key = keys;
    while (*key && strcmp(name, *key + (**key == '?')) != 0) {
      ++key;
    }
    if (!*key) {
      return rwkvi_json_fail(in, where, RWKV_E_FORMAT,
                             "unknown field \"%.200s\"", name);
    }
  }
  return RWKV_OK;
}

rwkv_status rwkvi_json_string(const rwkvi_reader *in, const rwkvi_where *where,
                              const json_t *value, const char **out) {
  if (!json_is_string(value) || json_string_length(value) == 0) {
    return rwkvi_json_expected(in, where, value, "a string that is not empty");
  }
  *out = rwkvi_pool_string(in->pool, json_string_value(value));
  return *out ? RWKV_OK : rwkvi_no_memory(in->rt, in->part);
}

rwkv_status rwkvi_json_int(const rwkvi_reader *in, const rwkvi_where *where,
                           const json_t *value, int64_t low, int64_t high,
                           int64_t *out) {
  if (!json_is_integer(value) || json_integer_value(value) < low ||
      json_integer_value(value) > high) {
    if (high == INT64_MAX) {
      return rwkvi_json_expected(in, where, value, "an integer >= %lld",
                                 (long long)low);
    }
    return rwkvi_json_expected(in, where, value, "an integer in %lld .. %lld",
                               (long long)low, (long long)high);
  }
  *out = json_integer_value(value);
  return RWKV_OK;
}

rwkv_status rwkvi_json_array(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, size_t most, size_t *count) {
  if (!json_is_array(value)) {
    return rwkvi_json_expected(in, where, value, "an array");
  }
  *count = json_array_size(value);
  if (*count > most) {
    return rwkvi_json_expected(in, where, value, "at most %zu elements", most);
  }
  return RWKV_OK;
}

rwkv_status rwkvi_json_dtype(const rwkvi_reader *in, const rwkvi_where *where,
                             const json_t *value, rwkv_dtype *out) {
  if (!json_is_string(value) ||
      !rwkvi_dtype_from_name(json_string_value(value), out)) {
    return rwkvi_json_expected(in, where, value,
                               "a dtype (f32, f16, bf16, f64, i32, i64, u8)");
  }
  return RWKV_OK;
}
