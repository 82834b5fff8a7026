// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Model.h"
#include "rwkv-run/Compile.h"

namespace rwkv::run {

StateHandle Model::createState() const {
  rwkv_state *state = nullptr;
  check(rt.get(), rwkv_state_create(handle.get(), 1, &state));
  return StateHandle(state);
}

Model loadModel(const CommonOptions &options, const std::string &checkpoint, Log &log) {
  Model model;
  if (isPackFile(checkpoint)) {
    throw Error(checkpoint + ": expected a checkpoint (.safetensors), found a pack: give it with --pack");
  }
  model.rt = openDevice(options);
  rwkv_runtime *rt = model.rt.get();
  model.checkpoint = openCheckpoint(rt, checkpoint);
  CompileOptions request;
  request.checkpoint = describeCheckpoint(rt, model.checkpoint.get(), options.allowUnused);
  model.pack = findPack(rt, options, std::move(request), checkpoint, log);
  rwkv_bind_options bind = {options.allowUnused};
  rwkv_model *handle = nullptr;
  check(rt, rwkv_model_bind(rt, model.pack.get(), model.checkpoint.get(), &bind, &handle));
  model.handle.reset(handle);
  model.vocabulary = rwkv_model_vocab(handle);
  if (model.vocabulary <= 0) {
    throw Error("expected a pack with a function \"prefill\" whose first result has one logit per token, found none");
  }
  return model;
}

} // namespace rwkv::run
