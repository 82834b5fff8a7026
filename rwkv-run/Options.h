// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command line.
#ifndef RWKV_RWKV_RUN_OPTIONS_H
#define RWKV_RWKV_RUN_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rwkv::run {

/// What every subcommand that runs a model takes.
struct CommonOptions {
  std::string device = "host"; // as of rwkv_runtime_options; it decides what is compiled for
  int64_t threads = 0;
  std::string schedule = "auto";
  int64_t chunk = 0;
  int64_t fill = -1;
  int64_t split = 0;
  std::string precision = "auto";
  std::string spec; // file or folder; empty: the specs that come with the tool
  std::string pack; // instead of compiling
  std::vector<std::pair<std::string, double>> params;
  bool noCache = false;
  bool noGraphs = false;
  bool allowUnused = false;
  bool quiet = false;
  bool progress = false;
};

/// --help and --version: text for stdout.
struct HelpOptions {
  std::string text;
};

struct InfoOptions {
  std::string file;   // empty: only the device
  std::string device; // empty: host
  bool json = false;
};

struct GenerateOptions : CommonOptions {
  std::string checkpoint;
  std::string tokenizer; // "bytes", a file, or empty: by the model
  std::optional<std::string> prompt;
  std::string promptFile;
  int64_t tokens = 128;
  double temperature = 1;
  double topP = 0.9;
  std::optional<uint64_t> seed;
  std::vector<std::string> stops;
  std::string stateIn, stateOut;
};

struct LogitsOptions : CommonOptions {
  std::string checkpoint;
  std::string tokenizer;
  std::optional<std::vector<int32_t>> tokens;
  std::string tokensFile;
  bool all = false;
  std::string output;
};

struct CallOptions : CommonOptions {
  std::string source; // spec or pack
  std::string function;
  std::vector<std::string> inputs;
  std::string checkpoint;
  std::string output;
};

using Options = std::variant<HelpOptions, InfoOptions, GenerateOptions, LogitsOptions, CallOptions>;

/// Throws UsageError.
Options parseOptions(int argc, const char *const *argv);

/// "1,2,3" (commas, spaces and newlines separate) into numbers >= 0. Throws Error starting with `what`.
std::vector<int32_t> parseTokenList(std::string_view text, const std::string &what);

// The subcommands. They write to stdout, and throw Error.
void runInfo(const InfoOptions &options);
void runGenerate(const GenerateOptions &options);
void runLogits(const LogitsOptions &options);
void runCall(const CallOptions &options);

/// The whole tool: messages go to stderr, the result is the exit code.
int runTool(int argc, const char *const *argv);

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_OPTIONS_H
