/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The pack file: header, hash, manifest, blobs (rwkv_rt_pack.h). */
#include "internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_MANIFEST (64u << 20)

/* Checks the header and finds the parts. Sizes come from the file: no sum may
 * wrap. */
static rwkv_status check_header(rwkv_runtime *rt, const char *name,
                                const unsigned char *bytes, size_t size,
                                rwkv_pack_header *header, size_t *blobs) {
  if (size < sizeof(*header)) {
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: expected a pack with a header of %zu bytes, found %zu bytes",
        name, sizeof(*header), size);
  }
  memcpy(header, bytes, sizeof(*header));
  if (memcmp(header->magic, RWKV_PACK_MAGIC, sizeof(header->magic)) != 0) {
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: expected a pack starting with \"" RWKV_PACK_MAGIC
        "\", found something else",
        name);
  }
  if (header->version != RWKV_PACK_VERSION) {
    return rwkvi_fail(rt, RWKV_E_FORMAT,
                      "%.1000s: expected pack version %u, found %u", name,
                      RWKV_PACK_VERSION, header->version);
  }
  if (header->reserved != 0) {
    return rwkvi_fail(rt, RWKV_E_FORMAT,
                      "%.1000s: expected 0 in the reserved field, found %u",
                      name, header->reserved);
  }
  if (header->manifest_bytes == 0 || header->manifest_bytes > MAX_MANIFEST) {
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: expected a manifest of 1 .. %u bytes, found %llu", name,
        MAX_MANIFEST, (unsigned long long)header->manifest_bytes);
  }
  size_t end = sizeof(*header) + (size_t)header->manifest_bytes, total;
  *blobs = (end + RWKV_PACK_ALIGN - 1) / RWKV_PACK_ALIGN * RWKV_PACK_ALIGN;
  if (__builtin_add_overflow(*blobs, header->blob_bytes, &total) ||
      total != size) {
    return rwkvi_fail(rt, RWKV_E_FORMAT,
                      "%.1000s: expected a manifest of %llu bytes, padding to "
                      "%zu and %llu bytes of blobs, found a file "
                      "of %zu bytes",
                      name, (unsigned long long)header->manifest_bytes, *blobs,
                      (unsigned long long)header->blob_bytes, size);
  }
  XXH128_hash_t hash =
      XXH3_128bits(bytes + sizeof(*header), size - sizeof(*header));
  if (hash.low64 != header->hash[0] || hash.high64 != header->hash[1]) {
    return rwkvi_fail(rt, RWKV_E_FORMAT,
                      "%.1000s: expected contents with hash %016llx%016llx, "
                      "found %016llx%016llx",
                      name, (unsigned long long)header->hash[1],
                      (unsigned long long)header->hash[0],
                      (unsigned long long)hash.high64,
                      (unsigned long long)hash.low64);
  }
  for (size_t i = end; i < *blobs; ++i) {
    if (bytes[i] != 0) {
      return rwkvi_fail(rt, RWKV_E_FORMAT,
                        "%.1000s: expected zero padding after the manifest, "
                        "found %u at byte %zu",
                        name, bytes[i], i);
    }
  }
  return RWKV_OK;
}

static rwkv_status read_into(rwkv_pack *pack, const unsigned char *bytes,
                             size_t size, const char *name) {
  rwkv_runtime *rt = pack->rt;
  rwkv_pack_header header;
  size_t blobs = 0;
  RWKVI_TRY(check_header(rt, name, bytes, size, &header, &blobs));
  pack->file = rwkvi_pool_string(&pack->pool, name);
  pack->manifest =
      rwkvi_pool_alloc(&pack->pool, (size_t)header.manifest_bytes + 1, 1);
  if (!pack->file || !pack->manifest) {
    return rwkvi_no_memory(rt, "a pack");
  }
  memcpy(pack->manifest, bytes + sizeof(header), (size_t)header.manifest_bytes);
  if (strlen(pack->manifest) != header.manifest_bytes) {
    return rwkvi_fail(
        rt, RWKV_E_FORMAT,
        "%.1000s: manifest: expected text, found a NUL at byte %zu", name,
        strlen(pack->manifest));
  }
  rwkvi_reader in = {rt, pack->file, "manifest", &pack->pool};
  RWKVI_TRY(rwkvi_manifest_read(&in, pack, (int64_t)header.blob_bytes));
  return pack->kernel_count == 0 /* plans of copies need no code */
             ? RWKV_OK
             : rt->device->load(rt, pack, bytes + blobs);
}

rwkv_status rwkv_pack_read(rwkv_runtime *rt, const void *bytes, size_t size,
                           const char *name, rwkv_pack **out) {
  if (out) {
    *out = NULL;
  }
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  if (!out || (!bytes && size != 0)) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "rwkv_pack_read: expected bytes and an output, found NULL");
  }
  rwkv_pack *pack = calloc(1, sizeof(*pack));
  if (!pack) {
    return rwkvi_no_memory(rt, "a pack");
  }
  pack->rt = rt;
  pack->device = rt->device;
  pack->code_fd = -1;
  rwkv_status status = read_into(pack, bytes, size, name ? name : "pack");
  if (status != RWKV_OK) {
    rwkv_pack_close(pack);
    return status;
  }
  *out = pack;
  return RWKV_OK;
}

rwkv_status rwkv_pack_open(rwkv_runtime *rt, const char *path,
                           rwkv_pack **out) {
  if (out) {
    *out = NULL;
  }
  if (!rt) {
    return RWKV_E_ARGUMENT;
  }
  if (!path || !out) {
    return rwkvi_fail(
        rt, RWKV_E_ARGUMENT,
        "rwkv_pack_open: expected a path and an output, found NULL");
  }
  int fd;
  size_t size, done = 0;
  RWKVI_TRY(rwkvi_open_file(rt, path, &fd, &size));
  unsigned char *bytes = malloc(size ? size : 1);
  if (!bytes) {
    close(fd);
    return rwkvi_no_memory(rt, "a pack");
  }
  /* Read rather than mapped: what was hashed must be what is used, even if the
   * file changes meanwhile. */
  ssize_t n = 1;
  while (done < size && n > 0) {
    n = read(fd, bytes + done, size - done);
    if (n < 0 && errno == EINTR) {
      n = 1;
    } else if (n > 0) {
      done += (size_t)n;
    }
  }
  int error = errno;
  close(fd);
  rwkv_status status =
      n < 0 ? rwkvi_fail(rt, RWKV_E_IO, "%.1000s: cannot be read: %s", path,
                         strerror(error))
            : rwkv_pack_read(rt, bytes, done, path, out);
  free(bytes);
  return status;
}

void rwkv_pack_close(rwkv_pack *pack) {
  if (pack) {
    if (pack->rt->launched == pack) {
      pack->rt->launched = NULL;
      pack->rt->launched_others = true;
    }
    pack->device->unload(pack);
    rwkvi_pool_free(&pack->pool);
    free(pack);
  }
}

const char *rwkv_pack_manifest(const rwkv_pack *pack) {
  return pack ? pack->manifest : "";
}
