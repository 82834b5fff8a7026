// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tests of the runtime share: handles, files, packs and a toy model.
#ifndef RWKV_TEST_UNIT_RUNTIME_PACKS_H
#define RWKV_TEST_UNIT_RUNTIME_PACKS_H

#include "runtime/rwkv_rt.h"
#include "runtime/rwkv_rt_pack.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace rwkvtest {

template <typename T, void (*Destroy)(T *)> struct Deleter {
  void operator()(T *handle) const { Destroy(handle); }
};
template <typename T, void (*Destroy)(T *)>
using Handle = std::unique_ptr<T, Deleter<T, Destroy>>;
using Runtime = Handle<rwkv_runtime, rwkv_runtime_destroy>;
using Checkpoint = Handle<rwkv_checkpoint, rwkv_checkpoint_close>;
using Pack = Handle<rwkv_pack, rwkv_pack_close>;
using Model = Handle<rwkv_model, rwkv_model_destroy>;
using State = Handle<rwkv_state, rwkv_state_destroy>;

Runtime makeRuntime(int32_t threads = 1);

/// A file in a folder of its own, removed at the end of the test.
class TempFolder {
public:
  TempFolder();
  ~TempFolder();
  std::string path(const std::string &name) const {
    return folder + "/" + name;
  }
  std::string write(const std::string &name, const std::string &bytes) const;
  std::vector<std::string> list() const;

private:
  std::string folder;
};

std::string readFile(const std::string &path);
std::string floats(const std::vector<float> &values);
/// `text` with the one occurrence of `from` replaced; fails if there is none.
std::string replaced(std::string text, const std::string &from,
                     const std::string &to);

/// The bytes of a safetensors file: length, header (padded to 8), data.
std::string safetensors(std::string header, const std::string &data);
/// A pack with a correct header around a manifest and blobs.
std::string packBytes(const std::string &manifest, const std::string &blobs);
/// Makes the hash in the header of a pack fit its contents again.
void rehash(std::string &pack);

/// A manifest from its changing parts: kernels and functions are JSON lists.
std::string manifest(const std::string &kernels, const std::string &functions,
                     const std::string &weights = "[]",
                     const std::string &targets = "");
/// A function without results of its own: name, args, results, temporaries,
/// steps, all JSON lists.
std::string function(const std::string &name, const std::string &args,
                     const std::string &results, const std::string &temporaries,
                     const std::string &steps);

/// Opens a pack around the test kernels, expecting success.
Pack openPack(rwkv_runtime *rt, const std::string &manifest);
Model bindModel(rwkv_runtime *rt, rwkv_pack *pack,
                rwkv_checkpoint *checkpoint = nullptr);

rwkv_array arrayOf(std::vector<float> &values, std::vector<int64_t> shape = {});
rwkv_array arrayOf(std::vector<int32_t> &values,
                   std::vector<int64_t> shape = {});

/// A toy recurrent model: two layers of a = w * a + x over embeddings, D = 4,
/// V = 8; states "a" f32 [2, S, 4] and "n" i32 [S].
struct Toy {
  explicit Toy(int32_t threads = 1);
  State state(int64_t sequences) const;

  /// What the model computes, token by token, for one sequence: logits of
  /// every position.
  static std::vector<float> expected(const std::vector<int32_t> &tokens);
  static std::string manifestText();
  /// `decay`: the names of the two layers' tensors.
  static std::string checkpointBytes(const std::string &decay = "w.{l}");

  TempFolder folder;
  Runtime rt;
  Pack pack;
  Checkpoint checkpoint;
  Model model;
};

/// Bytes of all arrays of a state, and the positions.
std::string contents(rwkv_state *state);

} // namespace rwkvtest

/// A call that must fail with this status and a message containing this text.
#define EXPECT_FAILS(call, status, rt, text)                                   \
  do {                                                                         \
    EXPECT_EQ(rwkv_status_name(call), std::string(rwkv_status_name(status)))   \
        << rwkv_message(rt);                                                   \
    EXPECT_NE(std::string(rwkv_message(rt)).find(text), std::string::npos)     \
        << rwkv_message(rt) << "\nlacks: " << (text);                          \
  } while (0)
#define ASSERT_OK(call, rt) ASSERT_EQ(call, RWKV_OK) << rwkv_message(rt)
#define EXPECT_OK(call, rt) EXPECT_EQ(call, RWKV_OK) << rwkv_message(rt)

#endif // RWKV_TEST_UNIT_RUNTIME_PACKS_H
