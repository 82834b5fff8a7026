// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Compile.h"
#include "runtime/rwkv_rt_pack.h"

#include <algorithm>
#include <filesystem>

namespace rwkv::run {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t maxSpec = 16u << 20;

std::string_view nextLine(std::string_view &text) {
  size_t stop = text.find('\n');
  std::string_view line = text.substr(0, stop);
  text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
  return line;
}

bool contains(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

/// The reason why a spec does not fit, in one line.
std::string firstError(std::string_view diagnostics) {
  std::string_view first;
  while (!diagnostics.empty()) {
    std::string_view line = nextLine(diagnostics);
    if (contains(line, "error:")) {
      return std::string(line);
    }
    first = first.empty() ? line : first;
  }
  return first.empty() ? "no reason given" : std::string(first);
}

std::string withoutLastNewline(std::string text) {
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

/// Warnings and their notes. Remarks say how a pack was made, not that something is wrong: rwkv-opt shows them.
void showWarnings(std::string_view diagnostics, Log &log) {
  bool showing = false;
  while (!diagnostics.empty()) {
    std::string_view line = nextLine(diagnostics);
    showing = contains(line, "warning:") || (showing && contains(line, "note:"));
    if (showing) {
      log.note(std::string(line));
    }
  }
}

class Compiler {
public:
  Compiler(rwkv_runtime *rt, const CommonOptions &options, CompileOptions request, std::string subject, Log &log)
      : rt(rt), request(std::move(request)), subject(std::move(subject)), log(log) {
    this->request.target = rwkv_runtime_target(rt);
    this->request.schedule = options.schedule;
    this->request.chunk = options.chunk;
    this->request.fill = options.fill;
    this->request.split = options.split;
    this->request.precision = options.precision;
    this->request.params = options.params;
    this->request.allowUnused = options.allowUnused;
    std::string path = options.noCache ? "" : defaultCachePath(), why;
    if (!path.empty()) {
      cache = PackCache::open(path, why);
    }
    noteCache(why);
  }

  /// The pack, or null and the compiler's diagnostics.
  PackHandle compile(const std::string &file, std::string &diagnostics) {
    std::string spec = readFile(file, maxSpec), name = fs::path(file).filename().string();
    std::string key = cache.usable() ? compileKey(spec, request) : "";
    if (std::optional<std::string> bytes = cache.read(key)) {
      rwkv_pack *pack = nullptr;
      if (rwkv_pack_read(rt, bytes->data(), bytes->size(), name.c_str(), &pack) == RWKV_OK) {
        return PackHandle(pack);
      }
      log.note(format("cache: %s; compiling again", rwkv_message(rt)));
    }
    request.progress = [&](const std::string &what) { log.progress("compiling " + name + ": " + what); };
    log.progress("compiling " + name);
    CompileResult result = compileToPack(spec, file, request);
    log.clear();
    diagnostics = result.diagnostics;
    if (!result.ok) {
      return nullptr;
    }
    showWarnings(diagnostics, log);
    rwkv_pack *pack = nullptr;
    check(rt, rwkv_pack_read(rt, result.pack.data(), result.pack.size(), name.c_str(), &pack));
    PackHandle handle(pack);
    std::string why;
    cache.write(key, result.pack, why);
    noteCache(why);
    return handle;
  }

  PackHandle compileOne(const std::string &file) {
    std::string diagnostics;
    PackHandle pack = compile(file, diagnostics);
    if (!pack) {
      throw Error("cannot compile " + file + " for " + subject + ":\n" + withoutLastNewline(diagnostics));
    }
    return pack;
  }

  /// The one spec of a folder that compiles for the subject.
  PackHandle search(const std::string &folder) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".mlir") {
        files.push_back(it->path().string());
      }
    }
    if (error) {
      throw Error(format("%s: expected a folder of specs, found: %s; give --spec FILE", folder.c_str(),
                         error.message().c_str()));
    }
    if (files.empty()) {
      throw Error(folder + ": expected specs, *.mlir, found none; give --spec FILE");
    }
    std::sort(files.begin(), files.end());
    PackHandle found;
    std::vector<std::string> fitting;
    std::string reasons;
    for (const std::string &file : files) {
      std::string diagnostics;
      if (PackHandle pack = compile(file, diagnostics)) {
        fitting.push_back(file);
        found = std::move(pack);
      } else {
        reasons += "\n  " + fs::path(file).filename().string() + ": " + firstError(diagnostics);
      }
    }
    if (fitting.empty()) {
      throw Error("no spec in " + folder + " fits " + subject + " (--spec FILE names another):" + reasons);
    }
    if (fitting.size() > 1) {
      std::string list;
      for (const std::string &file : fitting) {
        list += "\n  " + file;
      }
      throw Error("expected one spec that fits " + subject + ", found " + std::to_string(fitting.size()) +
                  "; choose with --spec:" + list);
    }
    return found;
  }

private:
  void noteCache(const std::string &why) {
    if (!why.empty()) {
      log.note("cache: " + why + "; going on without it");
    }
  }

  rwkv_runtime *rt;
  CompileOptions request;
  std::string subject;
  Log &log;
  PackCache cache;
};

PackHandle openPack(rwkv_runtime *rt, const std::string &path) {
  rwkv_pack *pack = nullptr;
  check(rt, rwkv_pack_open(rt, path.c_str(), &pack));
  return PackHandle(pack);
}

} // namespace

bool isPackFile(const std::string &path) { return readStart(path, 8) == std::string_view(RWKV_PACK_MAGIC, 8); }

RuntimeHandle openDevice(const CommonOptions &options) {
  return createRuntime({options.device.c_str(), static_cast<int32_t>(options.threads), options.noGraphs});
}

std::vector<ArrayInfo> describeCheckpoint(rwkv_runtime *rt, const rwkv_checkpoint *checkpoint, bool allowUnused) {
  std::vector<ArrayInfo> result;
  for (int64_t i = 0; i < rwkv_checkpoint_count(checkpoint); ++i) {
    const char *name = nullptr;
    rwkv_array array;
    rwkv_status status = rwkv_checkpoint_at(checkpoint, i, &name, &array);
    if (status == RWKV_E_UNSUPPORTED && allowUnused) {
      continue;
    }
    check(rt, status);
    result.push_back({name, rwkv_dtype_name(array.dtype), {array.shape, array.shape + array.rank}});
  }
  return result;
}

PackHandle findPack(rwkv_runtime *rt, const CommonOptions &options, CompileOptions request, const std::string &subject,
                    Log &log) {
  if (!options.pack.empty()) {
    return openPack(rt, options.pack);
  }
  std::error_code error;
  bool folder = options.spec.empty() || fs::is_directory(options.spec, error);
  if (!folder && isPackFile(options.spec)) {
    return openPack(rt, options.spec);
  }
  Compiler compiler(rt, options, std::move(request), subject, log);
  if (folder) {
    return compiler.search(options.spec.empty() ? defaultSpecFolder() : options.spec);
  }
  return compiler.compileOne(options.spec);
}

std::string defaultSpecFolder() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  fs::path installed = program.parent_path().parent_path() / "share" / "rwkv-mlir" / "specs";
  return !error && fs::is_directory(installed, error) ? installed.string() : RWKV_SPEC_DIR;
}

} // namespace rwkv::run
