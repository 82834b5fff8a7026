// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A checkpoint that is ready to run.
#ifndef RWKV_RWKV_RUN_MODEL_H
#define RWKV_RWKV_RUN_MODEL_H

#include "rwkv-run/Options.h"
#include "rwkv-run/Support.h"

namespace rwkv::run {

/// Members are destroyed from the last to the first, as the runtime wants it.
struct Model {
  RuntimeHandle rt;
  CheckpointHandle checkpoint;
  PackHandle pack;
  ModelHandle handle;
  int64_t vocabulary = 0;

  StateHandle createState() const;
};

/// Long inputs are consumed in pieces of this many tokens, so that progress can be shown and buffers stay small.
constexpr int64_t pieceLength = 256;

/// Opens the checkpoint and compiles or opens its pack.
Model loadModel(const CommonOptions &options, const std::string &checkpoint, Log &log);

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_MODEL_H
