// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Cache.h"
#include "rwkv-run/Support.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace rwkv::run {

PackCache::PackCache(PackCache &&other) noexcept
    : folder(std::exchange(other.folder, -1)), path(std::move(other.path)) {}

PackCache &PackCache::operator=(PackCache &&other) noexcept {
  std::swap(folder, other.folder);
  std::swap(path, other.path);
  return *this;
}

PackCache::~PackCache() {
  if (folder >= 0) {
    close(folder);
  }
}

PackCache PackCache::open(const std::string &path, std::string &why) {
  PackCache cache;
  std::error_code error;
  std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) {
    std::filesystem::create_directories(parent, error); // a failure shows below
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    why = format("%s: cannot be made: %s", path.c_str(), strerror(errno));
    return cache;
  }
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    why = format("%s: cannot be opened: %s", path.c_str(), strerror(errno));
  } else if (info.st_uid != geteuid()) {
    why = format("%s: expected a folder of user %lld, found one of user %lld", path.c_str(), (long long)geteuid(),
                 (long long)info.st_uid);
  } else if ((info.st_mode & 077) != 0) {
    why = format("%s: expected mode 0700, as it holds code, found %04o", path.c_str(),
                 static_cast<unsigned>(info.st_mode & 07777));
  } else {
    cache.folder = fd;
    cache.path = path;
    return cache;
  }
  if (fd >= 0) {
    close(fd);
  }
  return cache;
}

std::string PackCache::fileName(const std::string &key) {
  XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return format("%016llx%016llx.pack", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

std::optional<std::string> PackCache::read(const std::string &key) const {
  if (!usable()) {
    return std::nullopt;
  }
  int fd = openat(folder, fileName(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return std::nullopt;
  }
  std::string bytes;
  struct stat info;
  bool good = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 022) == 0;
  size_t done = 0;
  if (good) {
    bytes.resize(static_cast<size_t>(info.st_size));
    ssize_t n = 1;
    while (done < bytes.size() && n > 0) {
      n = ::read(fd, bytes.data() + done, bytes.size() - done);
      done += n > 0 ? n : 0;
      n = n < 0 && errno == EINTR ? 1 : n;
    }
  }
  close(fd);
  return good && done == bytes.size() ? std::optional(std::move(bytes)) : std::nullopt;
}

void PackCache::write(const std::string &key, std::string_view pack, std::string &why) const {
  if (!usable()) {
    return;
  }
  std::random_device random;
  std::string name = fileName(key), temporary = format("tmp-%ld-%08x", static_cast<long>(getpid()), random());
  int fd = openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool good = fd >= 0;
  while (good && !pack.empty()) {
    ssize_t n = ::write(fd, pack.data(), pack.size());
    good = n >= 0 || errno == EINTR;
    pack.remove_prefix(n > 0 ? n : 0);
  }
  // Without fsync a crash of the machine may leave a file of zeros: it is found to be corrupt and compiled again.
  int error = errno;
  if (fd >= 0 && close(fd) != 0 && good) {
    good = false;
    error = errno;
  }
  if (good && renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) {
    good = false;
    error = errno;
  }
  if (!good) {
    if (fd >= 0) {
      unlinkat(folder, temporary.c_str(), 0);
    }
    why = format("%s/%s: cannot be written: %s", path.c_str(), name.c_str(), strerror(error));
  }
}

std::string defaultCachePath() {
  auto variable = [](const char *name) {
    const char *value = getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string path = variable("RWKV_CACHE_DIR"); !path.empty()) {
    return path;
  }
  // The XDG specification: relative paths are invalid and ignored.
  if (std::string path = variable("XDG_CACHE_HOME"); !path.empty() && path[0] == '/') {
    return path + "/rwkv-mlir";
  }
  std::string home = variable("HOME");
  return home.empty() ? "" : home + "/.cache/rwkv-mlir";
}

} // namespace rwkv::run
