// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every part of rwkv-run shares: errors, files, messages on stderr, owning handles of the runtime.
#ifndef RWKV_RWKV_RUN_SUPPORT_H
#define RWKV_RWKV_RUN_SUPPORT_H

#include "runtime/rwkv_rt.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::run {

/// A failure with a message that says what was expected and what was found: exit code 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A command line that makes no sense: exit code 2.
struct UsageError : Error {
  using Error::Error;
};

/// printf into a string.
std::string format(const char *text, ...) __attribute__((format(printf, 1, 2)));

/// "[2, 3]".
std::string shapeText(const std::vector<int64_t> &shape);

/// Bytes as a person reads them: "17 bytes" or "3227136 bytes (3.08 MiB)".
std::string sizeText(uint64_t bytes);

/// Text in single quotes with control characters, quotes and invalid UTF-8 as \n, \', \xff: for messages and tables.
std::string inQuotes(std::string_view text);

/// Length of the UTF-8 sequence at the start of `text`; 0 if it is invalid, -1 if it is the beginning of one that is
/// cut off.
int utf8Length(std::string_view text);

/// The whole file ("-" is standard input if `standardInput`), of at most `limit` bytes.
std::string readFile(const std::string &path, uint64_t limit, bool standardInput = false);

/// The first bytes of the file, at most `count`.
std::string readStart(const std::string &path, size_t count);

/// A file that appears under its name only when it is complete: written beside it, renamed by commit(), removed if
/// there is no commit. Something that is not a regular file (a device, a pipe) is written directly.
class OutputFile {
public:
  explicit OutputFile(const std::string &path);
  OutputFile(OutputFile &&other) noexcept;
  OutputFile &operator=(OutputFile &&) = delete;
  ~OutputFile();

  void write(std::string_view bytes);
  /// Flushes and closes; what is left of commit() is the rename.
  void finish();
  void commit();

private:
  std::string shown, target, temporary;
  int descriptor = -1;
};

/// Messages on stderr. Progress is one line that is overwritten on a terminal, and at most one line a second elsewhere.
class Log {
public:
  Log(bool quiet, bool forceProgress);
  ~Log() { clear(); }

  /// "rwkv-run: TEXT", unless --quiet.
  void note(const std::string &text);
  void progress(const std::string &text);
  /// Takes the progress line away, before other output.
  void clear();

private:
  bool quiet, terminal, enabled, shown = false;
  std::chrono::steady_clock::time_point last;
};

// ---- the runtime's handles

template <auto Destroy> struct Destroyer {
  template <typename T> void operator()(T *handle) const { Destroy(handle); }
};
using RuntimeHandle = std::unique_ptr<rwkv_runtime, Destroyer<rwkv_runtime_destroy>>;
using CheckpointHandle = std::unique_ptr<rwkv_checkpoint, Destroyer<rwkv_checkpoint_close>>;
using PackHandle = std::unique_ptr<rwkv_pack, Destroyer<rwkv_pack_close>>;
using ModelHandle = std::unique_ptr<rwkv_model, Destroyer<rwkv_model_destroy>>;
using StateHandle = std::unique_ptr<rwkv_state, Destroyer<rwkv_state_destroy>>;

/// Throws the runtime's message unless `status` is RWKV_OK.
void check(rwkv_runtime *rt, rwkv_status status);

/// Throws UsageError for the name of no device.
RuntimeHandle createRuntime(const rwkv_runtime_options &options);
CheckpointHandle openCheckpoint(rwkv_runtime *rt, const std::string &path);

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_SUPPORT_H
