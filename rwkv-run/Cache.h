// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled packs, kept between runs.
#ifndef RWKV_RWKV_RUN_CACHE_H
#define RWKV_RWKV_RUN_CACHE_H

#include <optional>
#include <string>
#include <string_view>

namespace rwkv::run {

/// A folder of packs named by the hash of their key. Packs are code: the folder must belong to this user and be closed
/// to everybody else, and stays open, so that it cannot be exchanged for another one after that was checked. Files
/// appear complete or not at all: any number of processes may use one folder.
class PackCache {
public:
  /// No cache: nothing is found, nothing is kept.
  PackCache() = default;
  PackCache(PackCache &&other) noexcept;
  PackCache &operator=(PackCache &&other) noexcept;
  ~PackCache();

  /// Opens `path`, making it (mode 0700) if need be. A folder that cannot be used gives no cache, and `why` the reason.
  static PackCache open(const std::string &path, std::string &why);

  bool usable() const { return folder >= 0; }
  std::optional<std::string> read(const std::string &key) const;
  /// A pack that cannot be written is not kept, and `why` gets the reason: the next run compiles again.
  void write(const std::string &key, std::string_view pack, std::string &why) const;

  /// XXH3-128 of the key in hexadecimal and ".pack".
  static std::string fileName(const std::string &key);

private:
  int folder = -1;
  std::string path;
};

/// $RWKV_CACHE_DIR, $XDG_CACHE_HOME/rwkv-mlir or ~/.cache/rwkv-mlir; empty if none of the variables is set.
std::string defaultCachePath();

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_CACHE_H
