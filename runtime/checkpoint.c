/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Checkpoints: .safetensors files, memory-mapped and checked completely when
 * they are opened, so that every later use of a tensor is within the mapping.
 *
 *   u64 header length n | n bytes of JSON | data
 *   header: { name: { "dtype": str, "shape": [int, ..], "data_offsets": [begin,
 * end] }, ..., "__metadata__"?: {str: str} }
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The format's own limit, of its reference implementation. */
#define MAX_HEADER 100000000u

/* Element types of the format; `dtype` is -1 where the runtime has none. */
static const struct element {
  const char *name;
  int32_t bits, dtype;
} elements[] = {
    {"F32", 32, RWKV_F32}, {"F16", 16, RWKV_F16}, {"BF16", 16, RWKV_BF16},
    {"F64", 64, RWKV_F64}, {"I32", 32, RWKV_I32}, {"I64", 64, RWKV_I64},
    {"U8", 8, RWKV_U8},    {"BOOL", 8, -1},       {"I8", 8, -1},
    {"I16", 16, -1},       {"U16", 16, -1},       {"U32", 32, -1},
    {"U64", 64, -1},       {"C64", 64, -1},       {"F8_E4M3", 8, -1},
    {"F8_E5M2", 8, -1},    {"F8_E8M0", 8, -1},    {"F4", 4, -1},
    {"F6_E2M3", 6, -1},    {"F6_E3M2", 6, -1},
};
enum { ELEMENTS = sizeof(elements) / sizeof(elements[0]) };

const char *rwkvi_safetensors_name(rwkv_dtype dtype) {
  for (int i = 0; i < ELEMENTS; ++i) {
    if (elements[i].dtype == (int32_t)dtype) {
      return elements[i].name;
    }
  }
  return "";
}

/* Bytes between two offsets must be those of the shape, and the data must be
 * aligned for its elements. */
static rwkv_status check_extent(const rwkvi_reader *in,
                                const rwkvi_where *where,
                                const rwkv_checkpoint *checkpoint,
                                const struct element *element,
                                const rwkvi_tensor *tensor) {
  int64_t data_size = (int64_t)(checkpoint->size -
                                (size_t)(checkpoint->data - checkpoint->map));
  long long begin = tensor->begin, end = tensor->end;
  if (end < begin) {
    return rwkvi_json_fail(
        in, where, RWKV_E_FORMAT,
        "data_offsets: expected begin <= end, found [%lld, %lld]", begin, end);
  }
  if (end > data_size) {
    return rwkvi_json_fail(in, where, RWKV_E_FORMAT,
                           "data_offsets: expected an end within the %lld "
                           "bytes of data, found [%lld, %lld]",
                           (long long)data_size, begin, end);
  }
  int64_t bits;
  char text[RWKVI_SHAPE_TEXT];
  rwkvi_shape_text(tensor->rank, tensor->shape, text);
  if (!rwkvi_bytes(tensor->rank, tensor->shape, element->bits, &bits)) {
    return rwkvi_json_fail(
        in, where, RWKV_E_FORMAT,
        "shape: expected a size below 2^63 bits, found %s of %s", text,
        element->name);
  }
  if (bits % 8 != 0 || bits / 8 != end - begin) {
    return rwkvi_json_fail(
        in, where, RWKV_E_FORMAT,
        "data_offsets: expected %lld bytes for %s of %s, found %lld",
        (long long)(bits / 8 + (bits % 8 != 0)), text, element->name,
        end - begin);
  }
  int64_t start = checkpoint->data - checkpoint->map + tensor->begin,
          align = element->bits / 8;
  if (align > 1 && start % align != 0) {
    return rwkvi_json_fail(in, where, RWKV_E_FORMAT,
                           "data: expected a start that is a multiple of %lld "
                           "for %s, found byte %lld of the file",
                           (long long)align, element->name, (long long)start);
  }
  return RWKV_OK;
}

static rwkv_status read_tensor(const rwkvi_reader *in,
                               const rwkv_checkpoint *checkpoint,
                               const char *name, const json_t *value,
                               rwkvi_tensor *tensor) {
  static const char *const keys[] = {"dtype", "shape", "data_offsets", NULL};
  rwkvi_where here = {NULL, name, 0};
  RWKVI_TRY(rwkvi_json_object(in, &here, value, keys));
  tensor->name = rwkvi_pool_string(in->pool, name);
  if (!tensor->name) {
    return rwkvi_no_memory(in->rt, "a checkpoint");
  }

  const json_t *type = json_object_get(value, "dtype");
  const struct element *element = NULL;
  for (int i = 0; i < ELEMENTS && json_is_string(type); ++i) {
    if (strcmp(json_string_value(type), elements[i].name) == 0) {
      element = &elements[i];
    }
  }
  if (!element) {
    return rwkvi_json_expected(in, &(rwkvi_where){&here, "dtype", 0}, type,
                               "a dtype of safetensors (F32, BF16, ..)");
  }
  tensor->type = element->name;
  tensor->dtype = element->dtype;

  const json_t *shape = json_object_get(value, "shape");
  rwkvi_where shape_here = {&here, "shape", 0};
  size_t rank;
  RWKVI_TRY(rwkvi_json_array(in, &shape_here, shape, RWKVI_MAX_RANK, &rank));
  tensor->rank = (int32_t)rank;
  for (size_t i = 0; i < rank; ++i) {
    RWKVI_TRY(rwkvi_json_int(in, &(rwkvi_where){&shape_here, NULL, i},
                             json_array_get(shape, i), 0, INT64_MAX,
                             &tensor->shape[i]));
  }

  const json_t *offsets = json_object_get(value, "data_offsets");
  rwkvi_where offsets_here = {&here, "data_offsets", 0};
  if (!json_is_array(offsets) || json_array_size(offsets) != 2) {
    return rwkvi_json_expected(in, &offsets_here, offsets, "[begin, end]");
  }
  int64_t *const ends[] = {&tensor->begin, &tensor->end};
  for (size_t i = 0; i < 2; ++i) {
    RWKVI_TRY(rwkvi_json_int(in, &(rwkvi_where){&offsets_here, NULL, i},
                             json_array_get(offsets, i), 0, INT64_MAX,
                             ends[i]));
  }
  return check_extent(in, &here, checkpoint, element, tensor);
}

static rwkv_status read_metadata(const rwkvi_reader *in, const json_t *value) {
  rwkvi_where here = {NULL, "__metadata__", 0};
  if (!json_is_object(value)) {
    return rwkvi_json_expected(in, &here, value, "an object");
  }
  const char *key;
  json_t *member;
  json_object_foreach((json_t *)value, key, member) {
    if (!json_is_string(member)) {
      return rwkvi_json_expected(in, &(rwkvi_where){&here, key, 0}, member,
                                 "a string");
    }
  }
  return RWKV_OK;
}

/* ---- order of the data and of the names ---------------------------------- */

static int compare_data(const void *a, const void *b) {
  const rwkvi_tensor *x = a, *y = b;
  if (x->begin != y->begin) {
    return x->begin < y->begin ? -1 : 1;
  }
  if (x->end != y->end) {
    return x->end < y->end ? -1 : 1; /* empty tensors first */
  }
  return strcmp(x->name, y->name);
}

typedef struct named {
  const char *name;
  int64_t index;
} named;

static int compare_name(const void *a, const void *b) {
  return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* The tensors, in order, must cover the data exactly: bytes that no tensor
 * names could hide anything. */
static rwkv_status check_cover(const rwkvi_reader *in,
                               const rwkv_checkpoint *checkpoint) {
  int64_t at = 0,
          size = (int64_t)(checkpoint->size -
                           (size_t)(checkpoint->data - checkpoint->map));
  for (int64_t i = 0; i < checkpoint->count; ++i) {
    const rwkvi_tensor *tensor = &checkpoint->tensors[i];
    if (tensor->begin != at) {
      return rwkvi_json_fail(in, &(rwkvi_where){NULL, tensor->name, 0},
                             RWKV_E_FORMAT,
                             "data_offsets: expected data from %lld, where the "
                             "tensor before it ends, found %lld (%s)",
                             (long long)at, (long long)tensor->begin,
                             tensor->begin < at ? "an overlap" : "a gap");
    }
    at = tensor->end;
  }
  if (at != size) {
    return rwkvi_fail(
        in->rt, RWKV_E_FORMAT,
        "%.1000s: header: expected tensors that cover all %lld bytes of data, "
        "found %lld bytes covered",
        in->file, (long long)size, (long long)at);
  }
  return RWKV_OK;
}

static rwkv_status index_names(const rwkvi_reader *in,
                               rwkv_checkpoint *checkpoint) {
  size_t count = (size_t)checkpoint->count;
  named *order = calloc(count + 1, sizeof(named));
  checkpoint->by_name = rwkvi_pool_alloc(in->pool, count, sizeof(int64_t));
  if (!order || !checkpoint->by_name) {
    free(order);
    return rwkvi_no_memory(in->rt, "a checkpoint");
  }
  for (size_t i = 0; i < count; ++i) {
    order[i] = (named){checkpoint->tensors[i].name, (int64_t)i};
  }
  qsort(order, count, sizeof(named), compare_name);
  for (size_t i = 0; i < count; ++i) {
    checkpoint->by_name[i] = order[i].index;
  }
  free(order);
  return RWKV_OK;
}

int64_t rwkvi_checkpoint_find(const rwkv_checkpoint *checkpoint,
                              const char *name) {
  int64_t low = 0, high = checkpoint->count;
  while (low < high) {
    int64_t middle = low + (high - low) / 2,
            index = checkpoint->by_name[middle];
    int order = strcmp(name, checkpoint->tensors[index].name);
    if (order == 0) {
      return index;
    }
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return -1;
}

/* ---- opening ------------------------------------------------------------- */

static rwkv_status read_tensors(const rwkvi_reader *in,
                                rwkv_checkpoint *checkpoint,
                                const json_t *header) {
  checkpoint->tensors = rwkvi_pool_alloc(in->pool, json_object_size(header),
                                         sizeof(rwkvi_tensor));
  if (!checkpoint->tensors) {
    return rwkvi_no_memory(in->rt, "a checkpoint");
  }
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)header, name, value) {
    if (strcmp(name, "__metadata__") == 0) {
      RWKVI_TRY(read_metadata(in, value));
    } else {
      RWKVI_TRY(read_tensor(in, checkpoint, name, value,
                            &checkpoint->tensors[checkpoint->count]));
      ++checkpoint->count;
    }
  }
  qsort(checkpoint->tensors, (size_t)checkpoint->count, sizeof(rwkvi_tensor),
        compare_data);
  RWKVI_TRY(check_cover(in, checkpoint));
  return index_names(in, checkpoint);
}

static rwkv_status map_file(rwkv_checkpoint *checkpoint, const char *path) {
  rwkv_runtime *rt = checkpoint->rt;
  int fd;
  RWKVI_TRY(rwkvi_open_file(rt, path, &fd, &checkpoint->size));
  if (checkpoint->size < 8) {
    close(fd);
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: expected a safetensors file of at least 8 bytes, found %zu",
        path, checkpoint->size);
  }
  void *map = mmap(NULL, checkpoint->size, PROT_READ, MAP_PRIVATE, fd, 0);
  int error = errno;
  close(fd);
  if (map == MAP_FAILED) {
    return rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be mapped: %s", path,
                      strerror(error));
  }
  checkpoint->map = map;
  return RWKV_OK;
}

static rwkv_status open_into(rwkv_checkpoint *checkpoint, const char *path) {
  rwkv_runtime *rt = checkpoint->rt;
  checkpoint->file = rwkvi_pool_string(&checkpoint->pool, path);
  if (!checkpoint->file) {
    return rwkvi_no_memory(rt, "a checkpoint");
  }
  RWKVI_TRY(map_file(checkpoint, path));
  uint64_t length;
  memcpy(&length, checkpoint->map, sizeof(length));
  size_t rest = checkpoint->size - sizeof(length);
  if (length > rest || length > MAX_HEADER) {
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: header length: expected at most %zu, %s, found %llu", path,
        rest < MAX_HEADER ? rest : (size_t)MAX_HEADER,
        rest < MAX_HEADER ? "what is left of the file"
                          : "the limit of the format",
        (unsigned long long)length);
  }
  const char *text = (const char *)checkpoint->map + sizeof(length);
  checkpoint->data = (const unsigned char *)text + length;
  rwkvi_reader in = {rt, path, "header", &checkpoint->pool};
  json_t *header;
  RWKVI_TRY(rwkvi_json_parse(&in, text, (size_t)length, &header));
  rwkv_status status = read_tensors(&in, checkpoint, header);
  json_decref(header);
  return status;
}

rwkv_status rwkv_checkpoint_open(rwkv_runtime *rt, const char *path,
                                 rwkv_checkpoint **out) {
  if (out) {
    *out = NULL;
  }
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  if (!path || !out) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "rwkv_checkpoint_open: expected a path and an output, found NULL");
  }
  rwkv_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
  if (!checkpoint) {
    return rwkvi_no_memory(rt, "a checkpoint");
  }
  checkpoint->rt = rt;
  rwkv_status status = open_into(checkpoint, path);
  if (status != RWKV_OK) {
    rwkv_checkpoint_close(checkpoint);
    return status;
  }
  *out = checkpoint;
  return RWKV_OK;
}

void rwkv_checkpoint_close(rwkv_checkpoint *checkpoint) {
  if (!checkpoint) {
    return;
  }
  if (checkpoint->map) {
    munmap((void *)checkpoint->map, checkpoint->size);
  }
  rwkvi_pool_free(&checkpoint->pool);
  free(checkpoint);
}

int64_t rwkv_checkpoint_count(const rwkv_checkpoint *checkpoint) {
  return checkpoint ? checkpoint->count : 0;
}

rwkv_status rwkv_checkpoint_at(const rwkv_checkpoint *checkpoint, int64_t i,
                               const char **name, rwkv_array *array) {
  if (name) {
    *name = NULL;
  }
  if (array) {
    *array = (rwkv_array){0};
  }
  if (!checkpoint) {
    return RWKV_E_ARGUMENT;
  }
  if (!name || !array || i < 0 || i >= checkpoint->count) {
    return rwkvi_fail(checkpoint->rt, RWKV_E_ARGUMENT,
                      "rwkv_checkpoint_at: expected outputs and an index in 0 "
                      ".. %lld, found index %lld",
                      (long long)checkpoint->count - 1, (long long)i);
  }
  const rwkvi_tensor *tensor = &checkpoint->tensors[i];
  if (tensor->dtype < 0) {
    return rwkvi_fail(checkpoint->rt, RWKV_E_UNSUPPORTED,
                      "%.1000s: \"%.200s\": this runtime has no dtype %s",
                      checkpoint->file, tensor->name, tensor->type);
  }
  *name = tensor->name;
  array->data = (void *)(checkpoint->data + tensor->begin);
  array->dtype = (rwkv_dtype)tensor->dtype;
  array->rank = tensor->rank;
  memcpy(array->shape, tensor->shape, sizeof(array->shape));
  return RWKV_OK;
}
