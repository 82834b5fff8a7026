/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * A cache of files. Each is named by the hash of its key and starts with a
 * header that says what follows, so that a file that was cut, changed or given
 * another name is not used. That finds damage; it does not keep out somebody
 * who may write to the folder, who could as well change the program.
 */
#include "cache.h"
#include "internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "RWKVBIN" /* with its NUL */
#define TEMPORARY "tmp-"
#define SUFFIX ".bin"

enum {
  VERSION = 1,
  DIGITS = 32,    /* of a hash */
  NAME = 64,      /* bytes of a file's name with its NUL */
  ABANDONED = 600 /* seconds after which a temporary file is nobody's */
};

typedef struct header {
  char magic[8];
  uint32_t version, reserved;
  uint64_t key[2]; /* XXH3 128 (low, high) */
  uint64_t bytes;  /* that follow the header */
  uint64_t hash[2];
} header;

static void hash_of(const void *bytes, size_t size, uint64_t *out) {
  XXH128_hash_t hash = XXH3_128bits(bytes, size);
  out[0] = hash.low64;
  out[1] = hash.high64;
}

static void name_of(const uint64_t *hash, char *name) {
  snprintf(name, NAME, "%016llx%016llx" SUFFIX, (unsigned long long)hash[1],
           (unsigned long long)hash[0]);
}

/* ---- the folder ---------------------------------------------------------- */

static bool join(char *path, size_t size, const char *folder,
                 const char *name) {
  int n = snprintf(path, size, "%s%s", folder, name);
  return n > 0 && (size_t)n < size;
}

/* The folder that the environment names; false if there is none. */
static bool default_path(char *path, size_t size) {
  const char *own = getenv("RWKV_MODULE_CACHE"),
             *all = getenv("RWKV_CACHE_DIR"), *user = getenv("XDG_CACHE_HOME"),
             *home = getenv("HOME");
  if (own && *own) {
    return strcmp(own, "off") != 0 && join(path, size, own, "");
  }
  if (all && *all) {
    return join(path, size, all, "/modules");
  }
  /* The XDG specification: relative paths are invalid and ignored. */
  if (user && *user == '/') {
    return join(path, size, user, "/rwkv-mlir/modules");
  }
  return home && *home && join(path, size, home, "/.cache/rwkv-mlir/modules");
}

/* Makes the folder and those that it is in; failures show when it is opened. */
static void make_folders(char *path) {
  for (char *s = path + 1; *s; ++s) {
    if (*s == '/') {
      *s = 0;
      mkdir(path, 0700);
      *s = '/';
    }
  }
  mkdir(path, 0700);
}

rwkvi_cache rwkvi_cache_open(const char *path, int64_t most) {
  rwkvi_cache cache = {-1, most};
  char text[4096];
  struct stat info;
  if (path ? !*path || !join(text, sizeof(text), path, "")
           : !default_path(text, sizeof(text))) {
    return cache;
  }
  make_folders(text);
  int fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && (fstat(fd, &info) != 0 || info.st_uid != geteuid() ||
                  (info.st_mode & 077) != 0)) {
    close(fd);
    fd = -1;
  }
  cache.folder = fd;
  return cache;
}

void rwkvi_cache_close(rwkvi_cache *cache) {
  if (cache->folder >= 0) {
    close(cache->folder);
    cache->folder = -1;
  }
}

/* ---- reading ------------------------------------------------------------- */

static bool read_all(int fd, void *data, size_t size) {
  char *bytes = data;
  while (size > 0) {
    ssize_t n = read(fd, bytes, size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

static void *read_file(int fd, const uint64_t *key, size_t *size) {
  struct stat info;
  header head;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_uid != geteuid() || (info.st_mode & 022) != 0 ||
      !read_all(fd, &head, sizeof(head)) ||
      memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 ||
      head.version != VERSION || memcmp(head.key, key, sizeof(head.key)) != 0 ||
      info.st_size < (off_t)sizeof(head) ||
      head.bytes != (uint64_t)info.st_size - sizeof(head)) {
    return NULL;
  }
  void *bytes = malloc(head.bytes ? (size_t)head.bytes : 1);
  uint64_t hash[2];
  if (bytes && read_all(fd, bytes, (size_t)head.bytes)) {
    hash_of(bytes, (size_t)head.bytes, hash);
    if (memcmp(hash, head.hash, sizeof(hash)) == 0) {
      futimens(fd, NULL); /* it was used now */
      *size = (size_t)head.bytes;
      return bytes;
    }
  }
  free(bytes);
  return NULL;
}

void *rwkvi_cache_read(const rwkvi_cache *cache, const void *key,
                       size_t key_size, size_t *size) {
  if (cache->folder < 0) {
    return NULL;
  }
  uint64_t hash[2];
  char name[NAME];
  hash_of(key, key_size, hash);
  name_of(hash, name);
  /* Of a pipe in its place nothing is waited for. */
  int fd = openat(cache->folder, name,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return NULL;
  }
  void *bytes = read_file(fd, hash, size);
  close(fd);
  return bytes;
}

/* ---- writing ------------------------------------------------------------- */

typedef struct kept {
  char name[NAME];
  int64_t bytes;
  struct timespec used;
} kept;

static int by_use(const void *a, const void *b) {
  const struct timespec *x = &((const kept *)a)->used,
                        *y = &((const kept *)b)->used;
  return x->tv_sec != y->tv_sec
             ? (x->tv_sec > y->tv_sec ? 1 : -1)
             : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static bool is_kept(const char *name) {
  return strspn(name, "0123456789abcdef") == DIGITS &&
         strcmp(name + DIGITS, SUFFIX) == 0;
}

/* The kept files in *files; temporary ones that a process left are removed. */
static size_t list_files(int folder, DIR *dir, kept **files) {
  size_t count = 0, room = 0;
  time_t now = time(NULL);
  for (struct dirent *entry; (entry = readdir(dir));) {
    bool temporary =
        strncmp(entry->d_name, TEMPORARY, sizeof(TEMPORARY) - 1) == 0;
    struct stat info;
    if ((!temporary && !is_kept(entry->d_name)) ||
        fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if (temporary) {
      if (now - info.st_mtime > ABANDONED) {
        unlinkat(folder, entry->d_name, 0);
      }
      continue;
    }
    if (count == room) {
      room = room ? 2 * room : 64;
      kept *more = realloc(*files, room * sizeof(**files));
      if (!more) {
        break;
      }
      *files = more;
    }
    kept *one = &(*files)[count++];
    snprintf(one->name, sizeof(one->name), "%s", entry->d_name);
    one->bytes = info.st_size;
    one->used = info.st_mtim;
  }
  return count;
}

/* Removes the files that were not used for the longest time. Another process
 * that does the same, or reads one of them, is not disturbed. */
static void trim(const rwkvi_cache *cache) {
  int fd = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir) {
    if (fd >= 0) {
      close(fd);
    }
    return;
  }
  kept *files = NULL;
  int64_t total = 0;
  size_t count = list_files(cache->folder, dir, &files);
  for (size_t i = 0; i < count; ++i) {
    total += files[i].bytes;
  }
  if (count > 0) {
    qsort(files, count, sizeof(*files), by_use);
  }
  for (size_t i = 0; i < count && total > cache->most; ++i) {
    unlinkat(cache->folder, files[i].name, 0);
    total -= files[i].bytes;
  }
  free(files);
  closedir(dir);
}

/* A new file that no other process and no other thread writes. */
static int create_temporary(const rwkvi_cache *cache, char *name) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(name, NAME, TEMPORARY "%ld-%ld-%d", (long)getpid(),
             (long)now.tv_nsec, attempt);
    int fd = openat(cache->folder, name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != EEXIST) {
      return fd;
    }
  }
  return -1;
}

void rwkvi_cache_write(const rwkvi_cache *cache, const void *key,
                       size_t key_size, const void *bytes, size_t size) {
  header head = {.magic = MAGIC, .version = VERSION, .bytes = size};
  if (cache->folder < 0 || size + sizeof(head) > (uint64_t)cache->most) {
    return;
  }
  char name[NAME], temporary[NAME];
  hash_of(key, key_size, head.key);
  hash_of(bytes, size, head.hash);
  name_of(head.key, name);
  int fd = create_temporary(cache, temporary);
  if (fd < 0) {
    return;
  }
  /* Without fsync a crash of the machine may leave a file of zeros, which is
   * found not to be what was written. */
  bool good = rwkvi_write_all(fd, &head, sizeof(head)) &&
              rwkvi_write_all(fd, bytes, size);
  good = close(fd) == 0 && good;
  if (!good || renameat(cache->folder, temporary, cache->folder, name) != 0) {
    unlinkat(cache->folder, temporary, 0);
    return;
  }
  trim(cache);
}
