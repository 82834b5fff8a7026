// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a spec to a pack: the whole compiler as one call, for the tools.
#ifndef RWKV_RWKV_OPT_DRIVER_H
#define RWKV_RWKV_OPT_DRIVER_H

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace rwkv {

/// Name, dtype ("f32", "f16", "bf16", "f64", "i32", ..) and shape of an array: a tensor of a checkpoint, or an input, whose
/// dtype may be empty: it is converted to what the spec says.
struct ArrayInfo {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

struct CompileOptions {
  std::string emit = "pack";                          // pack | obj | asm | llvm | mlir (kernels and launches)
  std::string target = "host";                        // see rwkv::listTargets
  std::string schedule = "auto";                      // auto | step | scan | chunk
  int64_t chunk = 0;                                  // tokens of a chunk or scan; 0: chosen
  int64_t fill = -1;                                  // tasks that sequences are cut for; 0: none, -1: chosen
  int64_t split = 0;                                  // tasks that share a head; 0: chosen
  std::string precision = "auto";                     // auto | f32 | tf32 | bf16: of operands of products in chunks
  std::vector<std::pair<std::string, double>> params; // --param name=value
  std::vector<ArrayInfo> checkpoint;                  // tensors that a model's sizes and dtypes are solved from
  bool allowUnused = false;                           // checkpoint tensors that no weight names are ignored
  std::string function;                               // empty: the model; else this function alone (rwkv-run call)
  std::vector<ArrayInfo> inputs;                      // with `function`: its arguments
  std::function<void(const std::string &)> progress;  // called with what is being done; may be empty
};

struct CompileResult {
  bool ok = false;
  std::string pack; // bytes of the pack, or of what else was asked for
  std::string
      diagnostics; // errors, warnings and remarks as text, one located line each (empty if there is nothing to say)
};

/// Compiles the text of a spec. `name` is the file name that diagnostics show. Never exits, never prints.
CompileResult compileToPack(const std::string &spec, const std::string &name, const CompileOptions &options);

/// A string that differs whenever compileToPack could give another pack: compiler build, spec, options and, for "host",
/// the features of this CPU. For cache keys.
std::string compileKey(const std::string &spec, const CompileOptions &options);

} // namespace rwkv

#endif // RWKV_RWKV_OPT_DRIVER_H
