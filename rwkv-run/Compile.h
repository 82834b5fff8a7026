// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From what the command line names to a pack: finding the spec that fits, compiling it or taking it from the cache.
#ifndef RWKV_RWKV_RUN_COMPILE_H
#define RWKV_RWKV_RUN_COMPILE_H

#include "rwkv-opt/Driver.h"
#include "rwkv-run/Cache.h"
#include "rwkv-run/Options.h"
#include "rwkv-run/Support.h"

namespace rwkv::run {

/// True for a file that starts like a pack.
bool isPackFile(const std::string &path);

/// The device of these options.
RuntimeHandle openDevice(const CommonOptions &options);

/// The tensors of a checkpoint, for the compiler. Tensors of types that the runtime does not know are an error, or left
/// out with `allowUnused`.
std::vector<ArrayInfo> describeCheckpoint(rwkv_runtime *rt, const rwkv_checkpoint *checkpoint, bool allowUnused);

/// The pack for these options. `request` has what is to be compiled (checkpoint, function, inputs); the rest of it is
/// filled in from `options`. `subject` names what a spec has to fit, for messages.
PackHandle findPack(rwkv_runtime *rt, const CommonOptions &options, CompileOptions request, const std::string &subject,
                    Log &log);

/// The folder with the specs that come with the tool: of the installation, else of the source tree.
std::string defaultSpecFolder();

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_COMPILE_H
