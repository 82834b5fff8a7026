// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans that are recorded and replayed: nobody notices but by the time it
// takes.
#include "Gpu.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace rwkvtest;

namespace {

class GpuGraphTest : public GpuToyTest {
protected:
  /// A state on the device, and one on the host that goes the same way.
  struct Pair {
    State there, here;
  };
  Pair pair(int64_t sequences = 2) {
    return {state(model.get(), sequences), host.state(sequences)};
  }
  static int64_t longest(const Pair &p) {
    int64_t most = 0;
    for (int64_t i = 0; i < rwkv_state_sequences(p.here.get()); ++i) {
      most = std::max(most, rwkv_state_position(p.here.get(), i));
    }
    return most;
  }
  void reset(const Pair &p) {
    for (int64_t i = 0; i < rwkv_state_sequences(p.there.get()); ++i) {
      ASSERT_OK(rwkv_state_reset(p.there.get(), i), rt.get());
      ASSERT_OK(rwkv_state_reset(p.here.get(), i), host.rt.get());
    }
  }
  /// A token of every sequence on both; the results must be the same.
  void decode(const Pair &p, rwkv_model *on = nullptr) {
    const size_t n = static_cast<size_t>(rwkv_state_sequences(p.there.get()));
    if (longest(p) > 12) {
      reset(p); // the toy's states grow
    }
    std::vector<int32_t> tokens(n);
    for (int32_t &token : tokens) {
      token = next = (next * 5 + 3) % 8;
    }
    std::vector<float> found(n * 8, 7), expected(n * 8, 9);
    ASSERT_OK(rwkv_decode(on ? on : model.get(), p.there.get(), tokens.data(),
                          found.data()),
              rt.get());
    ASSERT_OK(rwkv_decode(host.model.get(), p.here.get(), tokens.data(),
                          expected.data()),
              host.rt.get());
    EXPECT_EQ(found, expected);
    EXPECT_EQ(contents(p.there.get()), contents(p.here.get()));
  }
  void prefill(const Pair &p, const std::vector<int64_t> &lengths) {
    int64_t total = 0;
    for (int64_t length : lengths) {
      total += length;
    }
    // Of this one not even thousands make the toy's states grow.
    std::vector<int32_t> tokens(static_cast<size_t>(total), 7);
    std::vector<float> found(lengths.size() * 8), expected(lengths.size() * 8);
    ASSERT_OK(rwkv_prefill(model.get(), p.there.get(), tokens.data(),
                           lengths.data(), found.data()),
              rt.get());
    ASSERT_OK(rwkv_prefill(host.model.get(), p.here.get(), tokens.data(),
                           lengths.data(), expected.data()),
              host.rt.get());
    EXPECT_EQ(floats(found), floats(expected)); // NaN too
    EXPECT_EQ(contents(p.there.get()), contents(p.here.get()));
  }
  void forget() {
    fake->launched = fake->replayed = fake->instantiated = fake->updated = 0;
  }

  int32_t next = 1;
};

TEST_F(GpuGraphTest, DecodingReplays) {
  Pair p = pair();
  for (int i = 0; i < 4; ++i) {
    decode(p); // two sets of buffers, each of them twice
  }
  EXPECT_EQ(fake->instantiated, 2);
  forget();
  fake->launch_count = 0;
  for (int i = 0; i < 10; ++i) {
    decode(p);
  }
  EXPECT_EQ(fake->launched, 0);
  EXPECT_EQ(fake->replayed, 10);
  EXPECT_EQ(fake->instantiated + fake->updated, 0);
  EXPECT_EQ(fake->launch_count, 50);
}

TEST_F(GpuGraphTest, CanBeSwitchedOff) {
  Runtime plain = open("cuda", true);
  Pack other = openPack(plain.get(), forDevice(Toy::manifestText()));
  Model on = bindModel(plain.get(), other.get(), checkpoint.get());
  Pair p = {state(on.get(), 2), host.state(2)};
  for (int i = 0; i < 6; ++i) {
    decode(p, on.get());
  }
  EXPECT_EQ(fake->launched, 30);
  EXPECT_EQ(fake->replayed + fake->instantiated, 0);
}

TEST_F(GpuGraphTest, StatesChangeInBetween) {
  Pair p = pair(), q = pair();
  const std::string path = host.folder.path("state.safetensors");
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) {
      decode(p);
      decode(q);
    }
    prefill(p, {round, 3});
    ASSERT_OK(rwkv_state_copy(q.there.get(), 1, p.there.get(), 0), rt.get());
    ASSERT_OK(rwkv_state_copy(q.here.get(), 1, p.here.get(), 0), host.rt.get());
    ASSERT_OK(rwkv_state_save(q.here.get(), path.c_str()), host.rt.get());
    ASSERT_OK(rwkv_state_reset(p.there.get(), 1), rt.get());
    ASSERT_OK(rwkv_state_reset(p.here.get(), 1), host.rt.get());
    decode(q);
    rwkv_state *there = nullptr, *here = nullptr;
    ASSERT_OK(rwkv_state_clone(p.there.get(), &there), rt.get());
    ASSERT_OK(rwkv_state_clone(p.here.get(), &here), host.rt.get());
    Pair fork = {State(there), State(here)};
    for (int i = 0; i < 5; ++i) {
      decode(fork);
      decode(p);
    }
    ASSERT_OK(rwkv_state_load(q.there.get(), path.c_str()), rt.get());
    ASSERT_OK(rwkv_state_load(q.here.get(), path.c_str()), host.rt.get());
    // A new state may get the memory of one that is gone.
    q = round % 2 ? pair() : std::move(q);
  }
  EXPECT_GT(fake->replayed, 40);
}

// More states than recordings: what is there is changed to other addresses.
TEST_F(GpuGraphTest, ManyStatesInTurn) {
  std::vector<Pair> pairs;
  for (int i = 0; i < 7; ++i) {
    pairs.push_back(pair());
  }
  for (int round = 0; round < 4; ++round) {
    for (const Pair &p : pairs) {
      decode(p);
    }
  }
  EXPECT_EQ(fake->replayed, 0); // nothing comes back soon enough
  for (const Pair &p : pairs) {
    for (int i = 0; i < 6; ++i) {
      decode(p);
    }
  }
  EXPECT_EQ(fake->instantiated, 8);
  EXPECT_EQ(fake->updated, 6);
  EXPECT_GE(fake->replayed, 7 * 4);
  forget();
  for (int i = 0; i < 4; ++i) {
    decode(pairs[6]);
    decode(pairs[5]);
  }
  EXPECT_EQ(fake->launched, 0);
}

TEST_F(GpuGraphTest, OtherSizesAreOtherPlans) {
  Pair p = pair(), three = pair(3);
  for (int i = 0; i < 5; ++i) {
    decode(p);
    decode(three);
    for (int64_t n = 1; n < 12; ++n) { // more than are remembered
      reset(p);
      prefill(p, {n, n / 2});
    }
  }
  for (int i = 0; i < 5; ++i) {
    reset(p);
    prefill(p, {1, 2});
    prefill(p, {2, 1}); // the same sizes
    decode(p);
  }
  EXPECT_GT(fake->replayed, 0);
}

TEST_F(GpuGraphTest, OtherWeightsAreOtherPlans) {
  Model second = bindModel(rt.get(), pack.get(), checkpoint.get());
  Pair p = pair(), q = {state(second.get(), 2), host.state(2)};
  for (int i = 0; i < 8; ++i) {
    decode(p);
    decode(q, second.get());
  }
  EXPECT_EQ(fake->instantiated, 4);
  EXPECT_EQ(fake->replayed, 12);
  p = {nullptr, nullptr};
  model.reset();
  for (int i = 0; i < 3; ++i) {
    decode(q, second.get());
  }
  EXPECT_EQ(fake->replayed, 15);
}

// Without graphs everything goes on.
TEST_F(GpuGraphTest, FailuresOfGraphsAreNone) {
  const struct {
    const char *call;
    bool again; // the next ones replay
  } cases[] = {{"cuStreamCreate", false},
               {"cuStreamBeginCapture_v2", false},
               {"cuLaunchKernel", false},
               {"cuStreamEndCapture", false},
               {"cuGraphInstantiateWithFlags", false},
               {"cuGraphLaunch", true}};
  for (const auto &c : cases) {
    SCOPED_TRACE(c.call);
    for (int error : {static_cast<int>(CU_ERROR_OUT_OF_MEMORY), 900}) {
      Runtime own = open();
      Pack its = openPack(own.get(), forDevice(Toy::manifestText()));
      Model on = bindModel(own.get(), its.get(), checkpoint.get());
      Pair p = {state(on.get(), 2), host.state(2)};
      decode(p, on.get());
      decode(p, on.get());
      forget();
      fail(c.call, error);
      for (int i = 0; i < 6; ++i) {
        decode(p, on.get());
      }
      EXPECT_EQ(fake->fail, nullptr);
      EXPECT_EQ(fake->replayed, c.again ? 5 : 0);
    }
  }
}

TEST_F(GpuGraphTest, WhatCannotBeChangedIsMadeAnew) {
  std::vector<Pair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(pair());
  }
  for (int i = 0; i < 4; ++i) {
    decode(pairs[0]);
  }
  EXPECT_EQ(fake->instantiated, 2);
  for (int i = 1; i < 5; ++i) { // the first recordings are given up
    decode(pairs[static_cast<size_t>(i)]);
    decode(pairs[static_cast<size_t>(i)]);
  }
  forget();
  fail("cuGraphExecUpdate_v2", 910);
  for (int i = 0; i < 2; ++i) {
    decode(pairs[4]);
  }
  EXPECT_EQ(fake->replayed, 2);
  EXPECT_EQ(fake->instantiated + fake->updated, 2);
  EXPECT_EQ(fake->fail, nullptr);
}

TEST_F(GpuGraphTest, FailuresLeaveTheStateAlone) {
  Pair p = pair();
  for (int i = 0; i < 6; ++i) {
    decode(p);
  }
  const std::string before = contents(p.there.get());
  std::vector<int32_t> tokens = {1, 2};
  std::vector<float> logits(16);
  auto decodes = [&] {
    return rwkv_decode(model.get(), p.there.get(), tokens.data(),
                       logits.data());
  };
  forget();
  for (const char *call : {"cuMemcpyHtoDAsync_v2", "cuStreamSynchronize",
                           "cuMemcpyDtoHAsync_v2"}) {
    fail(call, 999);
    EXPECT_FAILS(decodes(), RWKV_E_DEVICE, rt.get(), "unknown error (999)");
    EXPECT_EQ(contents(p.there.get()), before);
  }
  EXPECT_EQ(fake->replayed, 2);
  // A bound that does not hold.
  const char *name;
  rwkv_array a;
  ASSERT_OK(rwkv_state_array(p.here.get(), 0, &name, &a), host.rt.get());
  float *values = static_cast<float *>(a.data), good = values[2];
  values[2] = 1e6f;
  ASSERT_OK(rwkv_state_copy(p.there.get(), 0, p.here.get(), 0), rt.get());
  const std::string bad = contents(p.there.get());
  EXPECT_FAILS(decodes(), RWKV_E_BOUND, rt.get(), "an asserted bound");
  EXPECT_EQ(contents(p.there.get()), bad);
  for (float v : logits) {
    EXPECT_TRUE(std::isnan(v));
  }
  EXPECT_EQ(fake->replayed, 3);
  values[2] = good;
  ASSERT_OK(rwkv_state_copy(p.there.get(), 0, p.here.get(), 0), rt.get());
  decode(p);
  EXPECT_EQ(fake->replayed, 4);
  // Without memory for a longer call, which moves what calls use.
  const std::string now = contents(p.there.get());
  std::vector<int32_t> many(3000, 1);
  const int64_t lengths[] = {1000, 2000};
  for (int after = 0; after < 2; ++after) {
    fail("cuMemAllocFromPoolAsync", CU_ERROR_OUT_OF_MEMORY, after);
    EXPECT_FAILS(rwkv_prefill(model.get(), p.there.get(), many.data(), lengths,
                              logits.data()),
                 RWKV_E_MEMORY, rt.get(), "out of memory");
    EXPECT_EQ(contents(p.there.get()), now);
  }
  for (int i = 0; i < 6; ++i) {
    decode(p);
  }
  reset(p);
  prefill(p, {1000, 2000});
  for (int i = 0; i < 6; ++i) {
    decode(p);
  }
}

// x [T] -> y [T]: sums by way of scratch, as often as there are steps.
class GpuGraphCallTest : public GpuCallTest {
protected:
  void makeSums(int64_t scratch) {
    fake->scratch = scratch;
    make(
        kernel("through_scratch", scratch) + "," + kernel("accumulate"),
        "[" + value("x", "f32", R"(["T"])") + "]",
        "[" + value("y", "f32", R"(["T"])", "output") + "]",
        R"([{"launch": 0, "tasks": "T", "buffers": [["arg", 0], ["temporary", 0]]},
 {"copy": [["result", 0], ["temporary", 0]]},
 {"launch": 1, "tasks": "T", "buffers": [["result", 0], ["arg", 0]]}])",
        R"([{"dtype": "f32", "shape": ["T"]}])");
  }
  static float sum(float v) {
    float result = 0;
    for (int j = 0; j < 1024; ++j) {
      volatile float product = (v + static_cast<float>(j)) * 0.37f;
      result = result + product;
    }
    return result + v;
  }
  void check(size_t n) {
    std::vector<float> x, y(n), expected;
    for (size_t i = 0; i < n; ++i) {
      x.push_back(static_cast<float>(i % 7));
      expected.push_back(sum(x.back()));
    }
    ASSERT_OK(call({arrayOf(x)}, {arrayOf(y)}), rt.get());
    EXPECT_EQ(y, expected);
  }
};

// Scratch, temporaries and the copies of arrays move when something larger
// comes: what was recorded before is not used then.
TEST_F(GpuGraphCallTest, MemoryMoves) {
  makeSums(4096);
  for (size_t most : {3, 40, 500}) {
    for (int i = 0; i < 4; ++i) {
      check(3);
    }
    fake->replayed = 0;
    check(3);
    EXPECT_EQ(fake->replayed, 1);
    check(most);
  }
  // Scratch moves alone, for another model.
  check(3);
  check(3);
  Model first = std::move(model);
  Pack its = std::move(pack);
  makeSums(1 << 20);
  fake->scratch = 1 << 20;
  check(3);
  std::swap(first, model);
  fake->scratch = 4096;
  fake->replayed = fake->launched = 0;
  check(3);
  EXPECT_EQ(fake->replayed, 0);
  EXPECT_EQ(fake->launched, 2);
  check(3);
  EXPECT_EQ(fake->replayed, 1);
  std::swap(first, model);
  first.reset(); // before its pack
}

TEST_F(GpuGraphCallTest, TimesReplays) {
  makeSums(4096);
  std::vector<float> values = {1, 2, 3};
  rwkv_array x = upload(values), y = upload(values);
  double milliseconds = 0;
  fake->launched = 0;
  ASSERT_OK(rwkv_time(model.get(), "f", &x, 1, &y, 1, 5, &milliseconds),
            rt.get());
  EXPECT_EQ(milliseconds, 2); // two launches, of 1 ms each
  EXPECT_EQ(fake->replayed, 6);
  EXPECT_EQ(fake->launched, 4);
  EXPECT_EQ(download(y), (std::vector<float>{sum(1), sum(2), sum(3)}));
}

TEST_F(GpuGraphCallTest, LaunchesAreNotReplayed) {
  makeSums(4096);
  std::vector<float> values = {1, 2, 3};
  rwkv_array x = upload(values), y = upload(values);
  cu_stream mine = stream();
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(rwkv_launch(model.get(), "f", &x, 1, &y, 1, mine), rt.get());
  }
  ASSERT_OK(rwkv_finish(rt.get()), rt.get());
  EXPECT_EQ(fake->replayed + fake->instantiated, 0);
  EXPECT_EQ(download(y), (std::vector<float>{sum(1), sum(2), sum(3)}));
}

// The caller may record launches.
TEST_F(GpuGraphCallTest, CallersCapture) {
  decltype(cu_driver::StreamBeginCapture) beginCapture;
  decltype(cu_driver::StreamEndCapture) endCapture;
  decltype(cu_driver::GraphInstantiate) instantiate;
  decltype(cu_driver::GraphLaunch) replay;
  decltype(cu_driver::GraphDestroy) destroyGraph;
  decltype(cu_driver::GraphExecDestroy) destroy;
  decltype(cu_driver::CtxPushCurrent) push;
  decltype(cu_driver::CtxPopCurrent) pop;
  driver("cuStreamBeginCapture_v2", beginCapture);
  driver("cuStreamEndCapture", endCapture);
  driver("cuGraphInstantiateWithFlags", instantiate);
  driver("cuGraphLaunch", replay);
  driver("cuGraphDestroy", destroyGraph);
  driver("cuGraphExecDestroy", destroy);
  driver("cuCtxPushCurrent_v2", push);
  driver("cuCtxPopCurrent_v2", pop);
  auto inContext = [&](auto call) {
    cu_context context = reinterpret_cast<cu_context>(fake); // any
    push(context);
    EXPECT_EQ(call(), CU_SUCCESS);
    pop(&context);
  };
  makeSums(4096);
  std::vector<float> values = {1, 2, 3}, others = {4, 5, 6};
  rwkv_array x = upload(values), y = upload(values), z = upload(others);
  cu_stream mine = stream(), second = stream();
  // Work elsewhere that was not waited for is not part of it.
  ASSERT_OK(rwkv_launch(model.get(), "f", &x, 1, &y, 1, second), rt.get());
  inContext([&] { return beginCapture(mine, 1); });
  const int queued = fake->queued;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(rwkv_launch(model.get(), "f", &y, 1, &z, 1, mine), rt.get());
  }
  EXPECT_EQ(fake->queued, queued);
  cu_graph graph = nullptr;
  cu_graph_exec exec = nullptr;
  inContext([&] { return endCapture(mine, &graph); });
  EXPECT_OK(rwkv_finish(rt.get()), rt.get());
  EXPECT_EQ(download(z), others);
  inContext([&] { return instantiate(&exec, graph, 0); });
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(rwkv_upload(rt.get(), z.data, others.data(), 12), rt.get());
    inContext([&] { return replay(exec, mine); });
    // What is launched there comes after it.
    ASSERT_OK(rwkv_launch(model.get(), "f", &x, 1, &y, 1, mine), rt.get());
    EXPECT_EQ(download(z),
              (std::vector<float>{sum(sum(1)), sum(sum(2)), sum(sum(3))}));
  }
  inContext([&] { return destroy(exec); });
  inContext([&] { return destroyGraph(graph); });
  // A failure leaves nothing behind.
  inContext([&] { return beginCapture(mine, 1); });
  fail("cuLaunchKernel", 999, 1);
  EXPECT_FAILS(rwkv_launch(model.get(), "f", &y, 1, &z, 1, mine), RWKV_E_DEVICE,
               rt.get(), "(999)");
  inContext([&] { return endCapture(mine, &graph); });
  inContext([&] { return destroyGraph(graph); });
  check(3);
}

} // namespace
