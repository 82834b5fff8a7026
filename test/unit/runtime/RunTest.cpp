// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prefill, decode and score of a toy model against its definition.
#include "Packs.h"

#include <cmath>
#include <cstring>

using namespace rwkvtest;

namespace {

std::vector<float> row(const std::vector<float> &logits, size_t i) {
  return {logits.begin() + static_cast<long>(i * 8),
          logits.begin() + static_cast<long>(i * 8 + 8)};
}

const std::vector<int32_t> kA = {3, 1, 4, 1, 5}, kB = {2, 7};

TEST(RunTest, ScoreGivesEveryPosition) {
  Toy toy;
  State state = toy.state(1);
  std::vector<float> logits(5 * 8);
  int64_t length = 5;
  ASSERT_OK(rwkv_score(toy.model.get(), state.get(), kA.data(), &length,
                       logits.data()),
            toy.rt.get());
  EXPECT_EQ(logits, Toy::expected(kA));
  EXPECT_EQ(rwkv_state_position(state.get(), 0), 5);
}

TEST(RunTest, EverySplitIsTheSame) {
  Toy toy;
  for (int64_t split = 0; split <= 5; ++split) {
    State state = toy.state(1);
    std::vector<float> logits(8, 7);
    int64_t rest = 5 - split;
    ASSERT_OK(
        rwkv_prefill(toy.model.get(), state.get(), kA.data(), &split, nullptr),
        toy.rt.get());
    ASSERT_OK(rwkv_prefill(toy.model.get(), state.get(), kA.data() + split,
                           &rest, logits.data()),
              toy.rt.get());
    if (rest > 0) {
      EXPECT_EQ(logits, row(Toy::expected(kA), 4)) << split;
    }
    EXPECT_EQ(rwkv_state_position(state.get(), 0), 5);
  }
}

TEST(RunTest, DecodeIsPrefillOfOne) {
  Toy toy;
  State state = toy.state(2);
  std::vector<float> logits(2 * 8);
  for (size_t t = 0; t < kB.size(); ++t) {
    int32_t tokens[] = {kB[t], kA[t]};
    ASSERT_OK(rwkv_decode(toy.model.get(), state.get(), tokens, logits.data()),
              toy.rt.get());
    EXPECT_EQ(row(logits, 0), row(Toy::expected(kB), t));
    EXPECT_EQ(row(logits, 1), row(Toy::expected(kA), t));
  }
}

TEST(RunTest, PackedSequencesAreIndependent) {
  for (int32_t threads : {1, 3}) {
    Toy toy(threads);
    State state = toy.state(4);
    std::vector<int32_t> tokens = kA;
    tokens.insert(tokens.end(), kB.begin(), kB.end());
    int64_t lengths[] = {0, 5, 0, 2};
    std::vector<float> logits(4 * 8, 7);
    ASSERT_OK(rwkv_prefill(toy.model.get(), state.get(), tokens.data(), lengths,
                           logits.data()),
              toy.rt.get());
    EXPECT_EQ(row(logits, 1), row(Toy::expected(kA), 4));
    EXPECT_EQ(row(logits, 3), row(Toy::expected(kB), 1));
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_TRUE(std::isnan(logits[i]));
      EXPECT_TRUE(std::isnan(logits[2 * 8 + i]));
    }
    const int64_t positions[] = {0, 5, 0, 2};
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(rwkv_state_position(state.get(), i), positions[i]);
    }
    // State "n" counts tokens in the model itself.
    const char *name;
    rwkv_array n;
    ASSERT_OK(rwkv_state_array(state.get(), 1, &name, &n), toy.rt.get());
    ASSERT_STREQ(name, "n");
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(static_cast<int32_t *>(n.data)[i], positions[i]);
    }
  }
}

TEST(RunTest, NoTokensAtAll) {
  Toy toy;
  State state = toy.state(2);
  int32_t tokens[] = {1, 2};
  ASSERT_OK(rwkv_decode(toy.model.get(), state.get(), tokens, nullptr),
            toy.rt.get());
  std::string before = contents(state.get());
  int64_t lengths[] = {0, 0};
  std::vector<float> logits(16, 7);
  EXPECT_OK(rwkv_prefill(toy.model.get(), state.get(), nullptr, lengths,
                         logits.data()),
            toy.rt.get());
  for (float v : logits) {
    EXPECT_TRUE(std::isnan(v));
  }
  EXPECT_OK(rwkv_score(toy.model.get(), state.get(), nullptr, lengths, nullptr),
            toy.rt.get());
  EXPECT_EQ(contents(state.get()), before);
}

TEST(RunTest, BadArgumentsLeaveTheStateAlone) {
  Toy toy;
  State state = toy.state(2);
  int32_t tokens[] = {1, 2, 8, -1};
  ASSERT_OK(rwkv_decode(toy.model.get(), state.get(), tokens, nullptr),
            toy.rt.get());
  std::string before = contents(state.get());
  std::vector<float> logits(64, 7);
  auto refuse = [&](std::vector<int64_t> lengths, const int32_t *tokens,
                    const char *message) {
    EXPECT_FAILS(rwkv_prefill(toy.model.get(), state.get(), tokens,
                              lengths.data(), logits.data()),
                 RWKV_E_ARGUMENT, toy.rt.get(), message);
    EXPECT_EQ(contents(state.get()), before);
    EXPECT_EQ(logits, std::vector<float>(64, 7));
  };
  refuse({2, 1}, tokens,
         "prefill: \"tokens\": position 2: expected 0 .. 7, found 8");
  refuse({1, 0}, tokens + 3, "position 0: expected 0 .. 7, found -1");
  refuse({1, -1}, tokens,
         "lengths[1]: expected a number that is not negative, found -1");
  refuse({INT32_MAX, 1}, tokens,
         "lengths[1]: expected at most 2147483647 tokens in one call, found 1 "
         "after 2147483647 others");
  refuse({1, INT64_MAX}, tokens, "found 9223372036854775807 after 1 others");
  refuse({1, 1}, nullptr, "expected 2 tokens, found NULL");
  EXPECT_FAILS(rwkv_prefill(toy.model.get(), state.get(), tokens, nullptr,
                            logits.data()),
               RWKV_E_ARGUMENT, toy.rt.get(), "expected a state and lengths");
  EXPECT_FAILS(rwkv_decode(toy.model.get(), nullptr, tokens, nullptr),
               RWKV_E_ARGUMENT, toy.rt.get(), "expected a state");
  EXPECT_EQ(rwkv_decode(nullptr, state.get(), tokens, nullptr),
            RWKV_E_ARGUMENT);
  Model other = bindModel(toy.rt.get(), toy.pack.get(), toy.checkpoint.get());
  EXPECT_FAILS(rwkv_decode(other.get(), state.get(), tokens, nullptr),
               RWKV_E_ARGUMENT, toy.rt.get(), "expected a state of this model");
}

TEST(RunTest, AViolatedBoundLeavesTheStateAlone) {
  Toy toy;
  State state = toy.state(2);
  int32_t tokens[] = {1, 2};
  ASSERT_OK(rwkv_decode(toy.model.get(), state.get(), tokens, nullptr),
            toy.rt.get());
  const char *name;
  rwkv_array a;
  ASSERT_OK(rwkv_state_array(state.get(), 0, &name, &a), toy.rt.get());
  float *values = static_cast<float *>(a.data);
  float was = values[8 + 4 + 2]; // layer 1, sequence 1, channel 2
  values[8 + 4 + 2] = 1e6f;
  std::string before = contents(state.get());
  std::vector<float> logits(16, 7);
  EXPECT_FAILS(rwkv_decode(toy.model.get(), state.get(), tokens, logits.data()),
               RWKV_E_BOUND, toy.rt.get(), "prefill: an asserted bound");
  EXPECT_EQ(contents(state.get()), before);
  for (float v : logits) {
    EXPECT_TRUE(std::isnan(v));
  }
  values[8 + 4 + 2] = was;
  ASSERT_OK(rwkv_decode(toy.model.get(), state.get(), tokens, logits.data()),
            toy.rt.get());
  EXPECT_EQ(row(logits, 0), row(Toy::expected({1, 1}), 1));
}

TEST(RunTest, CallGivesTheSameAsPrefill) {
  Toy toy;
  std::vector<int32_t> tokens = kA, offsets = {0, 3, 5}, n(2), n1(2);
  std::vector<float> a(16), a1(16), logits(16);
  rwkv_array inputs[] = {arrayOf(tokens, {1, 5}), arrayOf(offsets),
                         arrayOf(a, {2, 2, 4}), arrayOf(n)};
  rwkv_array outputs[] = {arrayOf(logits, {2, 8}), arrayOf(a1, {2, 2, 4}),
                          arrayOf(n1)};
  ASSERT_OK(rwkv_call(toy.model.get(), "prefill", inputs, 4, outputs, 3),
            toy.rt.get());
  EXPECT_EQ(n1, (std::vector<int32_t>{3, 2}));
  EXPECT_EQ(row(logits, 0), row(Toy::expected({3, 1, 4}), 2));
  EXPECT_EQ(row(logits, 1), row(Toy::expected({1, 5}), 1));
}

TEST(RunTest, SaysWhatPrefillShouldBe) {
  Runtime rt = makeRuntime();
  int32_t token = 0;
  auto refuse = [&](const std::string &text, const char *message) {
    Toy toy; // for its checkpoint
    Pack pack = openPack(toy.rt.get(), text);
    Model model = bindModel(toy.rt.get(), pack.get(), toy.checkpoint.get());
    rwkv_state *state = nullptr;
    ASSERT_OK(rwkv_state_create(model.get(), 1, &state), toy.rt.get());
    EXPECT_FAILS(rwkv_decode(model.get(), state, &token, nullptr),
                 RWKV_E_UNSUPPORTED, toy.rt.get(), message);
    rwkv_state_destroy(state);
  };
  const std::string good = Toy::manifestText();
  refuse(replaced(good, "\"name\": \"prefill\"", "\"name\": \"pre\""),
         "expected a function \"prefill\", found none");
  refuse(replaced(good, "\"dtype\": \"f32\", \"shape\": [\"S\", 8]",
                  "\"dtype\": \"f16\", \"shape\": [\"S\", 8]"),
         "function \"prefill\": expected (tokens i32 [B, T], sequences, "
         "states) -> (logits f32 [S, V], states), found another signature");
  refuse(replaced(good, "\"dtype\": \"f32\", \"shape\": [\"S\", 8]",
                  "\"dtype\": \"f32\", \"shape\": [\"S\", \"T\"]"),
         "found another signature");
}

} // namespace
