// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States: copies, forks, files.
#include "Packs.h"

#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace rwkvtest;

namespace {

class StateTest : public testing::Test {
protected:
  /// A state of n sequences that have seen different tokens.
  State used(int64_t n) {
    State state = toy.state(n);
    std::vector<int32_t> tokens;
    std::vector<int64_t> lengths;
    for (int64_t i = 0; i < n; ++i) {
      lengths.push_back(i + 1);
      for (int64_t t = 0; t <= i; ++t) {
        tokens.push_back(static_cast<int32_t>((i * 3 + t) % 8));
      }
    }
    EXPECT_OK(rwkv_prefill(toy.model.get(), state.get(), tokens.data(),
                           lengths.data(), nullptr),
              toy.rt.get());
    return state;
  }
  std::vector<float> next(rwkv_state *state) {
    size_t n = static_cast<size_t>(rwkv_state_sequences(state));
    std::vector<int32_t> tokens(n, 3);
    std::vector<float> logits(n * 8);
    EXPECT_OK(rwkv_decode(toy.model.get(), state, tokens.data(), logits.data()),
              toy.rt.get());
    return logits;
  }

  Toy toy;
};

TEST_F(StateTest, StartsAtZero) {
  State state = toy.state(3);
  EXPECT_EQ(rwkv_state_sequences(state.get()), 3);
  EXPECT_EQ(rwkv_state_bytes(state.get()), 2 * 4 * 4 + 4);
  EXPECT_EQ(rwkv_state_position(state.get(), 2), 0);
  EXPECT_EQ(rwkv_state_position(state.get(), 3), -1);
  EXPECT_EQ(rwkv_state_position(state.get(), -1), -1);
  const char *name;
  rwkv_array array;
  ASSERT_OK(rwkv_state_array(state.get(), 0, &name, &array), toy.rt.get());
  EXPECT_STREQ(name, "a");
  ASSERT_EQ(array.rank, 3);
  EXPECT_EQ(array.shape[0], 2);
  EXPECT_EQ(array.shape[1], 3);
  EXPECT_EQ(array.shape[2], 4);
  for (int i = 0; i < 24; ++i) {
    EXPECT_EQ(static_cast<float *>(array.data)[i], 0);
  }
  EXPECT_FAILS(rwkv_state_array(state.get(), 2, &name, &array), RWKV_E_ARGUMENT,
               toy.rt.get(), "an index below 2, found index 2");
}

TEST_F(StateTest, RefusesAbsurdNumbersOfSequences) {
  rwkv_state *out = nullptr;
  for (int64_t n : {int64_t(0), int64_t(-1), int64_t(INT32_MAX), INT64_MAX}) {
    EXPECT_FAILS(rwkv_state_create(toy.model.get(), n, &out), RWKV_E_ARGUMENT,
                 toy.rt.get(), "1 .. 2147483646 sequences");
  }
  // 2^50 bytes per sequence: allocation fails; 2^62 times 16: overflow.
  for (const char *size : {"281474976710656", "1152921504606846976"}) {
    std::string values =
        std::string(
            R"([{"name": "s", "role": "state", "dtype": "f32", "shape": ["S", )") +
        size + "]}]";
    Pack pack = openPack(
        toy.rt.get(),
        manifest("[]", "[" + function("f", values, values, "[]", "[]") + "]"));
    Model model = bindModel(toy.rt.get(), pack.get());
    EXPECT_FAILS(rwkv_state_create(model.get(), 16, &out), RWKV_E_MEMORY,
                 toy.rt.get(), "the state of 16 sequences");
    EXPECT_EQ(out, nullptr);
  }
}

TEST_F(StateTest, ForksAreEqualAndIndependent) {
  State state = used(3);
  rwkv_state *out = nullptr;
  ASSERT_OK(rwkv_state_clone(state.get(), &out), toy.rt.get());
  State fork(out);
  EXPECT_EQ(contents(fork.get()), contents(state.get()));
  std::string before = contents(fork.get());
  std::vector<float> logits = next(state.get());
  EXPECT_EQ(contents(fork.get()), before);
  EXPECT_EQ(next(fork.get()), logits);
}

TEST_F(StateTest, CopiesOneSequence) {
  State from = used(3), to = used(2);
  ASSERT_OK(rwkv_state_copy(to.get(), 0, from.get(), 2), toy.rt.get());
  EXPECT_EQ(rwkv_state_position(to.get(), 0), 3);
  EXPECT_EQ(rwkv_state_position(to.get(), 1), 2);
  std::vector<float> a = next(from.get()), b = next(to.get()),
                     untouched = next(used(2).get());
  EXPECT_TRUE(std::equal(b.begin(), b.begin() + 8, a.begin() + 16));
  EXPECT_TRUE(std::equal(b.begin() + 8, b.end(), untouched.begin() + 8));
  // Within one state, and onto itself.
  ASSERT_OK(rwkv_state_copy(to.get(), 1, to.get(), 0), toy.rt.get());
  ASSERT_OK(rwkv_state_copy(to.get(), 1, to.get(), 1), toy.rt.get());
  b = next(to.get());
  EXPECT_TRUE(std::equal(b.begin(), b.begin() + 8, b.begin() + 8));

  EXPECT_FAILS(rwkv_state_copy(to.get(), 2, from.get(), 0), RWKV_E_ARGUMENT,
               toy.rt.get(), "to: expected a sequence in 0 .. 1, found 2");
  EXPECT_FAILS(rwkv_state_copy(to.get(), 0, from.get(), -1), RWKV_E_ARGUMENT,
               toy.rt.get(), "from: expected a sequence in 0 .. 2, found -1");
}

TEST_F(StateTest, CopiesBetweenPacksOfOneLayoutOnly) {
  Toy other;
  State from = used(2), to = other.state(1);
  ASSERT_OK(rwkv_state_copy(to.get(), 0, from.get(), 1), other.rt.get());
  EXPECT_EQ(rwkv_state_position(to.get(), 0), 2);
  const char *layout =
      R"([{"name": "a", "role": "state", "dtype": "f32", "shape": [3, "S", 4]},
 {"name": "n", "role": "state", "dtype": "i32", "shape": ["S"]}])";
  Pack pack = openPack(
      other.rt.get(),
      manifest("[]", "[" + function("f", layout, layout, "[]", "[]") + "]"));
  Model model = bindModel(other.rt.get(), pack.get());
  rwkv_state *out = nullptr;
  ASSERT_OK(rwkv_state_create(model.get(), 1, &out), other.rt.get());
  State different(out);
  EXPECT_FAILS(rwkv_state_copy(out, 0, from.get(), 0), RWKV_E_MISMATCH,
               other.rt.get(),
               "expected \"a\" f32 [3, 1, 4] for one sequence, found \"a\" f32 "
               "[2, 1, 4]");
}

TEST_F(StateTest, ResetsOneSequence) {
  State state = used(2);
  ASSERT_OK(rwkv_state_reset(state.get(), 0), toy.rt.get());
  EXPECT_EQ(rwkv_state_position(state.get(), 0), 0);
  EXPECT_EQ(rwkv_state_position(state.get(), 1), 2);
  std::vector<float> logits = next(state.get()), other = next(used(2).get()),
                     fresh = Toy::expected({3});
  EXPECT_TRUE(std::equal(fresh.begin(), fresh.end(), logits.begin()));
  EXPECT_TRUE(std::equal(logits.begin() + 8, logits.end(), other.begin() + 8));
  EXPECT_FAILS(rwkv_state_reset(state.get(), 2), RWKV_E_ARGUMENT, toy.rt.get(),
               "expected a sequence in 0 .. 1, found 2");
}

// ---- files ------------------------------------------------------------------

TEST_F(StateTest, FilesRestoreEverything) {
  State state = used(3), loaded = toy.state(3);
  std::string path = toy.folder.path("s.safetensors");
  ASSERT_OK(rwkv_state_save(state.get(), path.c_str()), toy.rt.get());
  ASSERT_OK(rwkv_state_load(loaded.get(), path.c_str()), toy.rt.get());
  EXPECT_EQ(contents(loaded.get()), contents(state.get()));
  EXPECT_EQ(next(loaded.get()), next(state.get()));
  // Saving replaces, and leaves nothing else behind.
  ASSERT_OK(rwkv_state_save(state.get(), path.c_str()), toy.rt.get());
  EXPECT_EQ(toy.folder.list().size(), 2u); // and the checkpoint
  ASSERT_OK(rwkv_state_load(loaded.get(), path.c_str()), toy.rt.get());
  EXPECT_EQ(contents(loaded.get()), contents(state.get()));

  // It is an ordinary safetensors file.
  std::string bytes = readFile(path);
  EXPECT_NE(bytes.find(R"("layout":"a f32 [2, S, 4]; n i32 [S]")"),
            std::string::npos);
  EXPECT_NE(bytes.find(R"("pack":"toy")"), std::string::npos);
  rwkv_checkpoint *file = nullptr;
  ASSERT_OK(rwkv_checkpoint_open(toy.rt.get(), path.c_str(), &file),
            toy.rt.get());
  Checkpoint holder(file);
  ASSERT_EQ(rwkv_checkpoint_count(file), 3);
  const char *name;
  rwkv_array array;
  ASSERT_OK(rwkv_checkpoint_at(file, 0, &name, &array), toy.rt.get());
  EXPECT_STREQ(name, "position");
  EXPECT_EQ(static_cast<int64_t *>(array.data)[2], 4);
}

TEST_F(StateTest, FilesOfEveryDtypeAreAligned) {
  // Small elements first in the manifest: their order in the file differs.
  const char *layout =
      R"([{"name": "u", "role": "state", "dtype": "u8", "shape": ["S", 3]},
 {"name": "h", "role": "state", "dtype": "bf16", "shape": [1, "S", 1]},
 {"name": "d", "role": "state", "dtype": "f64", "shape": ["S"]},
 {"name": "f", "role": "state", "dtype": "f32", "shape": ["S", 0]}])";
  Pack pack = openPack(
      toy.rt.get(),
      manifest("[]", "[" + function("f", layout, layout, "[]", "[]") + "]"));
  Model model = bindModel(toy.rt.get(), pack.get());
  rwkv_state *out = nullptr;
  ASSERT_OK(rwkv_state_create(model.get(), 3, &out), toy.rt.get());
  State state(out);
  ASSERT_OK(rwkv_state_create(model.get(), 3, &out), toy.rt.get());
  State loaded(out);
  const char *name;
  rwkv_array array;
  for (int64_t k = 0; k < 3; ++k) {
    ASSERT_OK(rwkv_state_array(state.get(), k, &name, &array), toy.rt.get());
    std::memset(array.data, static_cast<int>(k + 1),
                rwkv_dtype_size(array.dtype) * 3);
  }
  std::string path = toy.folder.path("mixed");
  ASSERT_OK(rwkv_state_save(state.get(), path.c_str()), toy.rt.get());
  ASSERT_OK(rwkv_state_load(loaded.get(), path.c_str()), toy.rt.get());
  EXPECT_EQ(contents(loaded.get()), contents(state.get()));
}

TEST_F(StateTest, BadFilesLeaveTheStateAlone) {
  State state = used(2);
  std::string path = toy.folder.path("s");
  ASSERT_OK(rwkv_state_save(state.get(), path.c_str()), toy.rt.get());
  const std::string good = readFile(path);
  next(state.get());
  const std::string before = contents(state.get());
  auto refuse = [&](const std::string &bytes, rwkv_status status,
                    const char *message) {
    toy.folder.write("s", bytes);
    EXPECT_FAILS(rwkv_state_load(state.get(), path.c_str()), status,
                 toy.rt.get(), message);
    EXPECT_EQ(contents(state.get()), before);
  };
  for (size_t size = 0; size < good.size(); ++size) {
    refuse(good.substr(0, size), RWKV_E_FORMAT, "");
  }
  refuse(replaced(good, "\"n\":{", "\"m\":{"), RWKV_E_MISMATCH,
         "expected an array \"n\", found none");
  refuse(replaced(good, "[2,2,4]", "[4,2,2]"), RWKV_E_MISMATCH,
         "\"a\": expected [2, 2, 4] of F32, found [4, 2, 2] of F32");
  refuse(replaced(good, "\"F32\"", "\"I32\""), RWKV_E_MISMATCH,
         "\"a\": expected [2, 2, 4] of F32, found [2, 2, 4] of I32");
  std::string negative = good;
  size_t data = good.size() - (2 * 8 + 2 * 2 * 4 * 4 + 2 * 4);
  negative[data + 15] = '\x80';
  refuse(negative, RWKV_E_FORMAT,
         "\"position\"[1]: expected a number that is not negative");
  refuse(safetensors("{}", ""), RWKV_E_MISMATCH,
         "expected 2 arrays of state and \"position\", found 0 arrays");
  State three = used(3);
  ASSERT_OK(rwkv_state_save(three.get(), path.c_str()), toy.rt.get());
  EXPECT_FAILS(rwkv_state_load(state.get(), path.c_str()), RWKV_E_MISMATCH,
               toy.rt.get(), "\"position\": expected [2] of I64, found [3]");
  EXPECT_EQ(contents(state.get()), before);
  EXPECT_FAILS(rwkv_state_load(state.get(), "/nonexistent/x"), RWKV_E_IO,
               toy.rt.get(), "cannot be opened");
}

TEST_F(StateTest, FailedSavesLeaveTheOldFile) {
  State state = used(2);
  EXPECT_FAILS(rwkv_state_save(state.get(), "/nonexistent/x"), RWKV_E_IO,
               toy.rt.get(), "/nonexistent/x: cannot be created");
  EXPECT_FAILS(rwkv_state_save(state.get(), nullptr), RWKV_E_ARGUMENT,
               toy.rt.get(), "expected a path");
  // Only a file is replaced: a folder, or a device like /dev/null, is not one.
  std::string path = toy.folder.path("folder");
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_FAILS(rwkv_state_save(state.get(), path.c_str()), RWKV_E_IO,
               toy.rt.get(),
               "folder: expected a regular file, found a directory");
  path = toy.folder.path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_FAILS(rwkv_state_save(state.get(), path.c_str()), RWKV_E_IO,
               toy.rt.get(),
               "pipe: expected a regular file, found a special file");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(toy.folder.list().size(), 2u); // folder and checkpoint

  // A full disk.
  path = toy.folder.path("s");
  ASSERT_OK(rwkv_state_save(state.get(), path.c_str()), toy.rt.get());
  std::string old = readFile(path);
  next(state.get());
  struct rlimit limit, small;
  getrlimit(RLIMIT_FSIZE, &limit);
  small = limit;
  small.rlim_cur = 100;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  rwkv_status status = rwkv_state_save(state.get(), path.c_str());
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_FAILS(status, RWKV_E_IO, toy.rt.get(),
               "s: cannot be written: File too large");
  EXPECT_EQ(readFile(path), old);
  EXPECT_EQ(toy.folder.list().size(), 3u);
}

} // namespace
