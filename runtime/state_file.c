/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* States as .safetensors files: the arrays by name, and "position", I64
 * [sequences]. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char position_name[] = "position";

/* ---- saving -------------------------------------------------------------- */

/* Adds one tensor whose data starts at *at, and moves *at past it; false when
 * out of memory. */
static bool add_tensor(json_t *header, const char *name,
                       const rwkv_array *array, int64_t bytes, int64_t *at) {
  json_t *shape = json_array();
  for (int32_t i = 0; i < array->rank; ++i) {
    json_array_append_new(shape, json_integer(array->shape[i]));
  }
  json_t *tensor =
      json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                rwkvi_safetensors_name(array->dtype), "shape", shape,
                "data_offsets", (json_int_t)*at, (json_int_t)(*at + bytes));
  *at += bytes;
  return json_object_set_new(header, name, tensor) == 0;
}

/* "att f32 [2, S, 64]; ffn .." */
static char *layout_text(const rwkv_pack *pack) {
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) {
    return NULL;
  }
  for (size_t k = 0; k < pack->state_count; ++k) {
    const rwkvi_state_array *array = &pack->states[k];
    fprintf(stream, "%s%s %s [", k ? "; " : "", array->name,
            rwkv_dtype_name(array->dtype));
    for (int32_t i = 0; i < array->rank; ++i) {
      if (i == array->axis) {
        fprintf(stream, "%sS", i ? ", " : "");
      } else {
        fprintf(stream, "%s%lld", i ? ", " : "", (long long)array->shape[i]);
      }
    }
    fputs("]", stream);
  }
  if (fclose(stream) != 0) {
    free(text);
    return NULL;
  }
  return text;
}

/* Order of the arrays in the file: larger elements first, so that all data is
 * aligned. */
static const size_t element_sizes[] = {8, 4, 2, 1};
enum { ELEMENT_SIZES = sizeof(element_sizes) / sizeof(element_sizes[0]) };

static int64_t array_bytes(const rwkv_state *state, size_t k) {
  int64_t bytes = 0; /* allocated, so it does not overflow */
  rwkvi_state_bytes(&state->model->pack->states[k], state->sequences, &bytes);
  return bytes;
}

/* The JSON header, or NULL when out of memory. */
static char *header_text(const rwkv_state *state) {
  const rwkv_pack *pack = state->model->pack;
  json_t *header = json_object();
  char *layout = layout_text(pack), *text = NULL;
  int64_t at = 0;
  rwkv_array position = {
      .dtype = RWKV_I64, .rank = 1, .shape = {state->sequences}};
  bool complete =
      layout &&
      json_object_set_new(header, "__metadata__",
                          json_pack("{s:s, s:s, s:s}", "format", "rwkv-state",
                                    "pack", pack->name, "layout", layout)) == 0;
  complete =
      complete && add_tensor(header, position_name, &position,
                             state->sequences * (int64_t)sizeof(int64_t), &at);
  for (int e = 0; e < ELEMENT_SIZES; ++e) {
    for (size_t k = 0; k < pack->state_count && complete; ++k) {
      if (rwkv_dtype_size(pack->states[k].dtype) == element_sizes[e]) {
        rwkv_array view = rwkvi_state_view(state, k);
        complete = add_tensor(header, pack->states[k].name, &view,
                              array_bytes(state, k), &at);
      }
    }
  }
  if (complete) {
    text = json_dumps(header, JSON_COMPACT);
  }
  json_decref(header);
  free(layout);
  return text;
}

/* `data`: of every array. */
static bool write_state(int fd, const rwkv_state *state, const void **data,
                        const char *header) {
  const rwkv_pack *pack = state->model->pack;
  /* Spaces up to a multiple of 64 put the data on cache lines when the file is
   * mapped. */
  static const char spaces[RWKVI_ALIGN] =
      "                                                               ";
  uint64_t length = strlen(header),
           padding = (RWKVI_ALIGN - (length + sizeof(length)) % RWKVI_ALIGN) %
                     RWKVI_ALIGN;
  uint64_t padded = length + padding;
  bool complete = rwkvi_write_all(fd, &padded, sizeof(padded)) &&
                  rwkvi_write_all(fd, header, (size_t)length) &&
                  rwkvi_write_all(fd, spaces, (size_t)padding) &&
                  rwkvi_write_all(fd, state->position,
                                  (size_t)state->sequences * sizeof(int64_t));
  for (int e = 0; e < ELEMENT_SIZES; ++e) {
    for (size_t k = 0; k < pack->state_count && complete; ++k) {
      if (rwkv_dtype_size(pack->states[k].dtype) == element_sizes[e]) {
        complete = rwkvi_write_all(fd, data[k], (size_t)array_bytes(state, k));
      }
    }
  }
  return complete && fsync(fd) == 0;
}

/* A new file beside `path`, as rename does not cross file systems. Not mkstemp:
 * the user's umask decides the mode. */
static int create_temporary(const char *path, char *name, size_t size) {
  for (int i = 0; i < 100; ++i) {
    if ((size_t)snprintf(name, size, "%s.%ld-%d.tmp", path, (long)getpid(),
                         i) >= size) {
      errno = ENAMETOOLONG;
      return -1;
    }
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) {
      return fd;
    }
  }
  return -1;
}

/* So that the new name survives a crash. Not all file systems can; the contents
 * are safe already. */
static void sync_folder(char *path) {
  char *slash = strrchr(path, '/');
  if (slash) {
    slash[slash == path] = 0;
  }
  int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)!fsync(fd);
    close(fd);
  }
}

static rwkv_status save(const rwkv_state *state, const void **data,
                        const char *header, const char *path) {
  rwkv_runtime *rt = state->model->rt;
  char name[4096 + 64];
  /* A file may be replaced; renaming would put one in the place of a device. */
  struct stat info;
  rwkv_status status =
      stat(path, &info) == 0 ? rwkvi_check_regular(rt, path, &info) : RWKV_OK;
  if (status) {
    return status;
  }
  int fd = create_temporary(path, name, sizeof(name));
  if (fd < 0) {
    status = rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be created: %s", path,
                        strerror(errno));
  } else {
    bool complete = write_state(fd, state, data, header);
    int error = errno;
    if (close(fd) != 0 && complete) {
      complete = false;
      error = errno;
    }
    if (complete && rename(name, path) != 0) {
      complete = false;
      error = errno;
    }
    if (complete) {
      sync_folder(name);
    } else {
      unlink(name);
      status = rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be written: %s", path,
                          strerror(error));
    }
  }
  return status;
}

rwkv_status rwkv_state_save(const rwkv_state *state, const char *path) {
  if (!state) {
    return RWKV_E_ARGUMENT;
  }
  rwkv_runtime *rt = state->model->rt;
  if (!path) {
    return rwkvi_fail(rt, RWKV_E_ARGUMENT,
                      "rwkv_state_save: expected a path, found NULL");
  }
  size_t count = state->model->pack->state_count;
  const void **data = calloc(count + 1, sizeof(*data));
  char *header = header_text(state);
  rwkv_status status =
      data && header ? RWKV_OK : rwkvi_no_memory(rt, "a state file");
  for (size_t k = 0; k < count && status == RWKV_OK; ++k) {
    status = rwkvi_state_read(state, k, &data[k]);
  }
  status = status ? status : save(state, data, header, path);
  free(data);
  free(header);
  return status;
}

/* ---- loading ------------------------------------------------------------- */

/* The data of a tensor that must be there with exactly this dtype and shape. */
static rwkv_status find_array(const rwkv_checkpoint *file, const char *name,
                              const rwkv_array *want, const void **data) {
  int64_t index = rwkvi_checkpoint_find(file, name);
  if (index < 0) {
    return rwkvi_fail(file->rt, RWKV_E_MISMATCH,
                      "%.1000s: expected an array \"%.200s\", found none",
                      file->file, name);
  }
  const rwkvi_tensor *tensor = &file->tensors[index];
  if (tensor->dtype != (int32_t)want->dtype || tensor->rank != want->rank ||
      memcmp(tensor->shape, want->shape, sizeof(want->shape)) != 0) {
    char a[RWKVI_SHAPE_TEXT], b[RWKVI_SHAPE_TEXT];
    return rwkvi_fail(
        file->rt, RWKV_E_MISMATCH,
        "%.1000s: \"%.200s\": expected %s of %s, found %s of %s", file->file,
        name, rwkvi_shape_text(want->rank, want->shape, a),
        rwkvi_safetensors_name(want->dtype),
        rwkvi_shape_text(tensor->rank, tensor->shape, b), tensor->type);
  }
  *data = file->data + tensor->begin;
  return RWKV_OK;
}

static rwkv_status load_from(rwkv_state *state, const rwkv_checkpoint *file) {
  const rwkv_pack *pack = state->model->pack;
  rwkv_runtime *rt = file->rt;
  if (file->count != (int64_t)pack->state_count + 1) {
    return rwkvi_fail(
        rt, RWKV_E_MISMATCH,
        "%.1000s: expected %zu arrays of state and \"%s\", found %lld arrays",
        file->file, pack->state_count, position_name, (long long)file->count);
  }
  const void *data;
  const rwkv_array want = {
      .dtype = RWKV_I64, .rank = 1, .shape = {state->sequences}};
  RWKVI_TRY(find_array(file, position_name, &want, &data));
  const int64_t *position = data;
  for (int64_t i = 0; i < state->sequences; ++i) {
    if (position[i] < 0) {
      return rwkvi_fail(rt, RWKV_E_FORMAT,
                        "%.1000s: \"%s\"[%lld]: expected a number that is not "
                        "negative, found %lld",
                        file->file, position_name, (long long)i,
                        (long long)position[i]);
    }
  }
  for (size_t k = 0; k < pack->state_count; ++k) {
    rwkv_array view = rwkvi_state_view(state, k);
    RWKVI_TRY(find_array(file, pack->states[k].name, &view, &data));
  }
  /* The file is well: it takes the place of the state when it is complete. */
  rwkv_status status = RWKV_OK;
  for (size_t k = 0; k < pack->state_count && status == RWKV_OK; ++k) {
    rwkv_array view = rwkvi_state_view(state, k);
    status = find_array(file, pack->states[k].name, &view, &data);
    status = status ? status
                    : state->model->device->upload(rt, state->next[k], data,
                                                   array_bytes(state, k));
  }
  if (status != RWKV_OK) {
    return rwkvi_give_up(rt, status);
  }
  int32_t bits;
  RWKVI_TRY(state->model->device->finish(rt, false, &bits));
  void **loaded = state->next;
  state->next = state->current;
  state->current = loaded;
  memcpy(state->position, position, (size_t)state->sequences * sizeof(int64_t));
  return RWKV_OK;
}

rwkv_status rwkv_state_load(rwkv_state *state, const char *path) {
  if (!state) {
    return RWKV_E_ARGUMENT;
  }
  rwkv_checkpoint *file;
  RWKVI_TRY(rwkv_checkpoint_open(state->model->rt, path, &file));
  rwkv_status status = load_from(state, file);
  rwkv_checkpoint_close(file);
  return status;
}
