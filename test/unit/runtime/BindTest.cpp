// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Binding checkpoints to packs.
#include "Packs.h"

using namespace rwkvtest;

namespace {

class BindTest : public testing::Test {
protected:
  rwkv_status bind(const std::string &header, size_t data_bytes,
                   int32_t allow_unused = 0) {
    model.reset();
    std::string path = folder.write(
        "c.safetensors", safetensors(header, std::string(data_bytes, 0)));
    rwkv_checkpoint *opened = nullptr;
    EXPECT_OK(rwkv_checkpoint_open(rt.get(), path.c_str(), &opened), rt.get());
    checkpoint.reset(opened);
    rwkv_bind_options options = {allow_unused};
    rwkv_model *out = reinterpret_cast<rwkv_model *>(this);
    rwkv_status status =
        rwkv_model_bind(rt.get(), pack.get(), opened, &options, &out);
    EXPECT_EQ(out != nullptr, status == RWKV_OK);
    model.reset(out);
    return status;
  }

  TempFolder folder;
  Runtime rt = makeRuntime();
  Pack pack = openPack(rt.get(), Toy::manifestText());
  Checkpoint checkpoint;
  Model model;
  const std::string good =
      R"({"emb.weight": {"dtype": "F32", "shape": [8, 4], "data_offsets": [0, 128]},
 "w.0": {"dtype": "F32", "shape": [4], "data_offsets": [128, 144]},
 "w.1": {"dtype": "F32", "shape": [1, 1, 4], "data_offsets": [144, 160]}})";
};

TEST_F(BindTest, FindsTensors) {
  EXPECT_OK(bind(good, 160), rt.get());
  EXPECT_EQ(rwkv_model_vocab(model.get()), 8);
  // Keys are alternatives: the first that the checkpoint has.
  EXPECT_OK(bind(replaced(good, "w.1", "other.1"), 160), rt.get());
  // Axes of size 1 do not matter, on either side.
  EXPECT_OK(bind(replaced(good, "[8, 4]", "[1, 8, 1, 4]"), 160), rt.get());
}

TEST_F(BindTest, SaysWhatIsMissingOrDifferent) {
  EXPECT_FAILS(bind(replaced(good, "w.1", "w.2"), 160), RWKV_E_MISMATCH,
               rt.get(),
               "c.safetensors: weight \"w\": expected tensor \"other.1\" or "
               "\"w.1\", found none");
  EXPECT_FAILS(bind(replaced(good, "[8, 4]", "[4, 8]"), 160), RWKV_E_MISMATCH,
               rt.get(),
               "weight \"emb\": tensor \"emb.weight\": expected [8, 4] of F32, "
               "found [4, 8] of F32");
  EXPECT_FAILS(bind(replaced(good, "[8, 4]", "[32]"), 160), RWKV_E_MISMATCH,
               rt.get(), "expected [8, 4] of F32, found [32] of F32");
  EXPECT_FAILS(bind(replaced(good, "\"F32\", \"shape\": [8, 4]",
                             "\"I32\", \"shape\": [8, 4]"),
                    160),
               RWKV_E_MISMATCH, rt.get(), "[8, 4] of F32, found [8, 4] of I32");
  EXPECT_FAILS(bind(replaced(good, "\"F32\", \"shape\": [8, 4]",
                             "\"U32\", \"shape\": [8, 4]"),
                    160),
               RWKV_E_UNSUPPORTED, rt.get(),
               "tensor \"emb.weight\": expected F32, found U32");
}

TEST_F(BindTest, UnusedTensorsAreRefusedUnlessAllowed) {
  std::string more = good;
  more.pop_back();
  for (int i = 0; i < 6; ++i) {
    std::string at = std::to_string(160 + i), end = std::to_string(161 + i);
    more += ", \"extra" + std::to_string(i) +
            "\": {\"dtype\": \"U8\", \"shape\": [1], \"data_offsets\": [" + at +
            ", " + end + "]}";
  }
  more += "}";
  EXPECT_FAILS(
      bind(more, 166), RWKV_E_MISMATCH, rt.get(),
      "expected only tensors that a weight names, found 6 others: "
      "\"extra0\", \"extra1\", \"extra2\", \"extra3\", \"extra4\", ..");
  EXPECT_OK(bind(more, 166, 1), rt.get());
}

TEST_F(BindTest, NeedsACheckpointOnlyForWeights) {
  rwkv_model *out = nullptr;
  EXPECT_FAILS(rwkv_model_bind(rt.get(), pack.get(), nullptr, nullptr, &out),
               RWKV_E_ARGUMENT, rt.get(),
               "expected a checkpoint for 2 weights, found NULL");
  EXPECT_FAILS(rwkv_model_bind(rt.get(), nullptr, nullptr, nullptr, &out),
               RWKV_E_ARGUMENT, rt.get(), "expected a pack");
  Pack none = openPack(rt.get(), manifest("[]", "[]"));
  Model bound = bindModel(rt.get(), none.get());
  EXPECT_EQ(rwkv_model_vocab(bound.get()), 0);
}

TEST_F(BindTest, AbsurdScratchIsOutOfMemory) {
  for (const char *bytes : {"4611686018427387904", "9223372036854775807"}) {
    Pack greedy =
        openPack(rt.get(), manifest(std::string("[{\"symbol\": \"which\", "
                                                "\"scratch\": ") +
                                        bytes + "}]",
                                    "[]"));
    rwkv_model *out = nullptr;
    EXPECT_FAILS(
        rwkv_model_bind(rt.get(), greedy.get(), nullptr, nullptr, &out),
        RWKV_E_MEMORY, rt.get(), "bytes of scratch per thread of kernel which");
  }
  EXPECT_OK(bind(good, 160), rt.get()); // the runtime is as good as before
}

TEST(RuntimeTest, SaysWhatItCannotBe) {
  rwkv_runtime *out = nullptr;
  rwkv_runtime_options options = {"gpu9", 1, 0};
  for (const char *name : {"gpu9", "", "hos", "host:0", "hostile"}) {
    options.device = name;
    EXPECT_EQ(rwkv_runtime_create(&options, &out), RWKV_E_ARGUMENT);
    EXPECT_EQ(rwkv_message(out),
              std::string("device: expected \"host\", \"cuda\" or \"cuda:N\", "
                          "found \"") +
                  name + "\"");
    rwkv_runtime_destroy(out);
  }
  options = {nullptr, -1, 0};
  EXPECT_EQ(rwkv_runtime_create(&options, &out), RWKV_E_ARGUMENT);
  EXPECT_STREQ(rwkv_message(out), "threads: expected 0 .. 1024, found -1");
  rwkv_runtime_destroy(out);
  ASSERT_EQ(rwkv_runtime_create(nullptr, &out), RWKV_OK);
  EXPECT_GE(rwkv_runtime_threads(out), 1);
  rwkv_runtime_destroy(out);
  rwkv_runtime_destroy(nullptr);
}

TEST(RuntimeTest, NamesAndSizes) {
  EXPECT_STREQ(rwkv_status_name(RWKV_E_FORMAT), "RWKV_E_FORMAT");
  EXPECT_STREQ(rwkv_status_name(static_cast<rwkv_status>(99)),
               "unknown status");
  const size_t sizes[] = {4, 2, 2, 8, 4, 8, 1};
  const char *names[] = {"f32", "f16", "bf16", "f64", "i32", "i64", "u8"};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(rwkv_dtype_size(static_cast<rwkv_dtype>(i)), sizes[i]);
    EXPECT_STREQ(rwkv_dtype_name(static_cast<rwkv_dtype>(i)), names[i]);
  }
  EXPECT_NE(rwkv_dtype_size(static_cast<rwkv_dtype>(7)), 0u);
}

} // namespace
