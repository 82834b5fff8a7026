// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of the tool but main(), so that tests can call it.
#include "rwkv-run/Options.h"
#include "rwkv-run/Support.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace rwkv::run {

static void run(const HelpOptions &options) { fputs(options.text.c_str(), stdout); }
static void run(const InfoOptions &options) { runInfo(options); }
static void run(const GenerateOptions &options) { runGenerate(options); }
static void run(const LogitsOptions &options) { runLogits(options); }
static void run(const CallOptions &options) { runCall(options); }

int runTool(int argc, const char *const *argv) {
  try {
    std::visit([](const auto &options) { run(options); }, parseOptions(argc, argv));
    if (fflush(stdout) != 0 || ferror(stdout)) {
      throw Error(format("standard output: cannot be written: %s", strerror(errno)));
    }
    return 0;
  } catch (const UsageError &error) {
    fprintf(stderr, "rwkv-run: error: %s\nrwkv-run --help and rwkv-run COMMAND --help say more\n", error.what());
    return 2;
  } catch (const std::bad_alloc &) {
    fprintf(stderr, "rwkv-run: error: out of memory\n");
    return 1;
  } catch (const std::exception &error) {
    fprintf(stderr, "rwkv-run: error: %s\n", error.what());
    return 1;
  }
}

} // namespace rwkv::run
