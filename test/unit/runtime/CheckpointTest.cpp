// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checkpoint files: what is accepted, and that every hostile file is refused
// with a message that says where and why.
#include "Packs.h"

#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

using namespace rwkvtest;

namespace {

class CheckpointTest : public testing::Test {
protected:
  rwkv_status open(const std::string &bytes) {
    std::string path = folder.write("m.safetensors", bytes);
    rwkv_checkpoint *out = reinterpret_cast<rwkv_checkpoint *>(this);
    rwkv_status status = rwkv_checkpoint_open(rt.get(), path.c_str(), &out);
    EXPECT_EQ(out != nullptr, status == RWKV_OK);
    checkpoint.reset(out);
    return status;
  }

  void refuse(const std::string &bytes, const std::string &message) {
    EXPECT_FAILS(open(bytes), RWKV_E_FORMAT, rt.get(), message);
    std::string text = rwkv_message(rt.get());
    EXPECT_NE(text.find("m.safetensors: "), std::string::npos) << text;
  }

  TempFolder folder;
  Runtime rt = makeRuntime();
  Checkpoint checkpoint;
};

TEST_F(CheckpointTest, ReadsTensorsInOrderOfTheirData) {
  std::string data(4 + 4 + 2, 0);
  float value = 1.5f;
  std::memcpy(data.data() + 4, &value, sizeof(value));
  ASSERT_OK(
      open(safetensors(
          R"({"h": {"dtype": "BF16", "shape": [1], "data_offsets": [8, 10]},
 "__metadata__": {"format": "pt"},
 "none": {"dtype": "F32", "shape": [0, 7], "data_offsets": [4, 4]},
 "x": {"dtype": "F32", "shape": [1, 1], "data_offsets": [4, 8]},
 "scalar": {"dtype": "I32", "shape": [], "data_offsets": [0, 4]}})",
          data)),
      rt.get());
  ASSERT_EQ(rwkv_checkpoint_count(checkpoint.get()), 4);
  const char *names[] = {"scalar", "none", "x", "h"};
  rwkv_dtype dtypes[] = {RWKV_I32, RWKV_F32, RWKV_F32, RWKV_BF16};
  int32_t ranks[] = {0, 2, 2, 1};
  for (int i = 0; i < 4; ++i) {
    const char *name;
    rwkv_array array;
    ASSERT_OK(rwkv_checkpoint_at(checkpoint.get(), i, &name, &array), rt.get());
    EXPECT_STREQ(name, names[i]);
    EXPECT_EQ(array.dtype, dtypes[i]);
    EXPECT_EQ(array.rank, ranks[i]);
    if (i == 2) {
      EXPECT_EQ(*static_cast<float *>(array.data), 1.5f);
      EXPECT_EQ(array.shape[0] * array.shape[1], 1);
    }
  }
  const char *name = "";
  rwkv_array array;
  EXPECT_FAILS(rwkv_checkpoint_at(checkpoint.get(), 4, &name, &array),
               RWKV_E_ARGUMENT, rt.get(), "0 .. 3, found index 4");
  EXPECT_EQ(name, nullptr);
  EXPECT_EQ(rwkv_checkpoint_at(checkpoint.get(), -1, &name, &array),
            RWKV_E_ARGUMENT);
}

TEST_F(CheckpointTest, AcceptsButDoesNotExposeOtherDtypes) {
  ASSERT_OK(
      open(safetensors(
          R"({"b": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]},
 "f8": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [3, 4]},
 "f4": {"dtype": "F4", "shape": [4], "data_offsets": [4, 6]}})",
          std::string(6, 0))),
      rt.get());
  const char *name;
  rwkv_array array;
  EXPECT_FAILS(rwkv_checkpoint_at(checkpoint.get(), 0, &name, &array),
               RWKV_E_UNSUPPORTED, rt.get(),
               "\"b\": this runtime has no dtype BOOL");
}

TEST_F(CheckpointTest, RefusesFilesThatAreNotOne) {
  refuse("", "at least 8 bytes, found 0");
  refuse("1234567", "at least 8 bytes, found 7");
  refuse(std::string(8, '\xff'),
         "header length: expected at most 0, what is left of the file, found "
         "18446744073709551615");
  refuse(
      std::string("\x03\0\0\0\0\0\0\0{}", 10),
      "header length: expected at most 2, what is left of the file, found 3");
  refuse(std::string(8, 0), "expected a JSON object starting with '{'");

  rwkv_checkpoint *out = nullptr;
  std::string path = folder.path("");
  EXPECT_FAILS(rwkv_checkpoint_open(rt.get(), path.c_str(), &out), RWKV_E_IO,
               rt.get(), "expected a regular file, found a directory");
  path = folder.path("missing");
  EXPECT_FAILS(rwkv_checkpoint_open(rt.get(), path.c_str(), &out), RWKV_E_IO,
               rt.get(), "missing: cannot be opened: No such file");
  path = folder.path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_FAILS(rwkv_checkpoint_open(rt.get(), path.c_str(), &out), RWKV_E_IO,
               rt.get(), "found a special file"); // and does not wait
  EXPECT_FAILS(rwkv_checkpoint_open(rt.get(), nullptr, &out), RWKV_E_ARGUMENT,
               rt.get(), "found NULL");
}

TEST_F(CheckpointTest, RefusesHeadersAboveTheLimitOfTheFormat) {
  // A sparse file: the header would fit.
  uint64_t length = 100000001;
  std::string path = folder.write(
      "m.safetensors",
      std::string(reinterpret_cast<char *>(&length), sizeof(length)));
  ASSERT_EQ(truncate(path.c_str(), 200000000), 0);
  rwkv_checkpoint *out = nullptr;
  EXPECT_FAILS(rwkv_checkpoint_open(rt.get(), path.c_str(), &out),
               RWKV_E_FORMAT, rt.get(),
               "expected at most 100000000, the limit of the format, found "
               "100000001");
}

TEST_F(CheckpointTest, RefusesBadJson) {
  refuse(safetensors("[]", ""), "starting with '{', found something else");
  refuse(safetensors("{", ""), "expected valid JSON, found at byte");
  refuse(safetensors("{} {}", ""), "expected valid JSON");
  refuse(safetensors("{\"a\": \"\\u0000\"}", ""), "expected valid JSON");
  refuse(safetensors(R"({"a\u0000b": {}})", ""), "expected valid JSON");
  refuse(safetensors("{\"a\xff\": 1}", ""), "expected valid JSON");
  refuse(safetensors(
             R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
 "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
             "x"),
         "duplicate object key");
  refuse(safetensors("{\"a\": " + std::string(100000, '[') +
                         std::string(100000, ']') + "}",
                     ""),
         "nested at most 64 deep");
}

TEST_F(CheckpointTest, RefusesBadFields) {
  const std::string good =
      R"({"t.x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}})";
  const std::string data(24, 0);
  ASSERT_OK(open(safetensors(good, data)), rt.get());
  struct {
    const char *from, *to, *message;
  } cases[] = {
      {R"("dtype": "F32", )", "",
       R"(header: "t.x": expected the field "dtype", found none)"},
      {R"("shape": [2, 3], )", "", R"(expected the field "shape")"},
      {R"(, "data_offsets": [0, 24])", "", R"(the field "data_offsets")"},
      {R"("dtype")", R"("extra": 1, "dtype")", R"(unknown field "extra")"},
      {R"({"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]})", "7",
       R"("t.x": expected an object, found 7)"},
      {R"("F32")", R"("F33")",
       R"(dtype: expected a dtype of safetensors (F32, BF16, ..), found "F33")"},
      {R"("F32")", "32", "found 32"},
      {"[2, 3]", "6", R"("t.x".shape: expected an array, found 6)"},
      {"[2, 3]", "[2, -3]",
       R"("t.x".shape[1]: expected an integer >= 0, found -3)"},
      {"[2, 3]", "[2.0, 3]",
       "shape[0]: expected an integer >= 0, found the "
       "real number 2"},
      {"[2, 3]", "[2, \"3\"]",
       "shape[1]: expected an integer >= 0, found "
       "\"3\""},
      {"[2, 3]", "[99999999999999999999]", "too big integer"},
      {"[2, 3]", "[1, 1, 1, 1, 1, 1, 1, 2, 3]",
       "shape: expected at most 8 elements, found an array of 9"},
      {"[2, 3]", "[4294967296, 4294967296]",
       "shape: expected a size below 2^63 bits, found [4294967296, "
       "4294967296]"},
      {"[2, 3]", "[0, 4294967296, 4294967296]", "expected a size below 2^63"},
      {"[2, 3]", "[2, 4]",
       "data_offsets: expected 32 bytes for [2, 4] of F32, found 24"},
      {"\"F32\"", "\"F4\"", "expected 3 bytes for [2, 3] of F4, found 24"},
      {"[0, 24]", "[0, 23]", "expected 24 bytes for [2, 3] of F32, found 23"},
      {"[0, 24]", "[24, 0]", "expected begin <= end, found [24, 0]"},
      {"[0, 24]", "[0, 25]", "within the 24 bytes of data, found [0, 25]"},
      {"[0, 24]", "[-24, 0]", "data_offsets[0]: expected an integer >= 0"},
      {"[0, 24]", "[9223372036854775800, 9223372036854775807]",
       "within the 24"},
      {"[0, 24]", "[0]", "data_offsets: expected [begin, end], found an array"},
      {"[0, 24]", "[0, 24, 24]", "expected [begin, end]"},
      {"{\"t.x\"", R"({"__metadata__": 1, "t.x")",
       "__metadata__: expected an object, found 1"},
      {"{\"t.x\"", R"({"__metadata__": {"a": 1}, "t.x")",
       "__metadata__.a: expected a string, found 1"},
  };
  for (const auto &c : cases) {
    SCOPED_TRACE(c.to);
    refuse(safetensors(replaced(good, c.from, c.to), data), c.message);
  }
}

TEST_F(CheckpointTest, RefusesDataThatTensorsDoNotCoverExactly) {
  auto two = [](const char *a, const char *b) {
    return std::string(
               R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": )") +
           a + R"(}, "b": {"dtype": "U8", "shape": [4], "data_offsets": )" + b +
           "}}";
  };
  ASSERT_OK(open(safetensors(two("[4, 8]", "[0, 4]"), "12345678")), rt.get());
  refuse(safetensors(two("[0, 4]", "[3, 7]"), "1234567"),
         "b: data_offsets: expected data from 4, where the tensor before it "
         "ends, found 3 (an overlap)");
  refuse(safetensors(two("[0, 4]", "[0, 4]"), "1234"), "found 0 (an overlap)");
  refuse(safetensors(two("[0, 4]", "[5, 9]"), "123456789"), "found 5 (a gap)");
  refuse(safetensors(two("[1, 5]", "[5, 9]"), "123456789"),
         "a: data_offsets: expected data from 0");
  refuse(safetensors(two("[0, 4]", "[4, 8]"), "123456789"),
         "expected tensors that cover all 9 bytes of data, found 8 bytes");
  refuse(safetensors("{}", "1"), "cover all 1 bytes of data, found 0 bytes");
  ASSERT_OK(open(safetensors("{}", "")), rt.get());
  EXPECT_EQ(rwkv_checkpoint_count(checkpoint.get()), 0);
}

TEST_F(CheckpointTest, RefusesMisalignedData) {
  const std::string header =
      R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
 "b": {"dtype": "F16", "shape": [1], "data_offsets": [1, 3]}})";
  refuse(safetensors(header, "123"),
         "b: data: expected a start that is a multiple of 2 for F16, found "
         "byte");
  // The header itself may end anywhere, if the elements allow it.
  std::string odd =
      R"({"b":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}} )";
  odd += odd.size() % 2 == 0 ? " " : "";
  uint64_t length = odd.size();
  refuse(std::string(reinterpret_cast<char *>(&length), 8) + odd + "12",
         "multiple of 2");
}

TEST_F(CheckpointTest, MessagesArePrintableWhateverTheNames) {
  refuse(safetensors("{\"a\\n\\u001b[2J\": 1}", ""),
         "\"a??[2J\": expected an object");
  std::string name(5000, 'n');
  refuse(safetensors("{\"" + name + "\": 1}", ""),
         "expected an object, found 1");
}

// Nothing that a changed header says may lead to a read outside the file.
TEST_F(CheckpointTest, SurvivesEveryChangedByte) {
  const std::string good = safetensors(
      R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"U8","shape":[5],"data_offsets":[12,17]}})",
      std::string(17, 1));
  ASSERT_OK(open(good), rt.get());
  int opened = 0;
  for (size_t i = 0; i + 17 < good.size(); ++i) {
    for (char c : std::string("\0\xff\"09-{}[],:", 12)) {
      std::string bytes = good;
      bytes[i] = c;
      if (open(bytes) != RWKV_OK) {
        ASSERT_STRNE(rwkv_message(rt.get()), "");
        continue;
      }
      ++opened;
      for (int64_t k = 0; k < rwkv_checkpoint_count(checkpoint.get()); ++k) {
        const char *name;
        rwkv_array array;
        if (rwkv_checkpoint_at(checkpoint.get(), k, &name, &array) == RWKV_OK) {
          size_t size = rwkv_dtype_size(array.dtype);
          for (int d = 0; d < array.rank; ++d) {
            size *= static_cast<size_t>(array.shape[d]);
          }
          std::string copy(static_cast<char *>(array.data), size);
          ASSERT_EQ(copy, std::string(size, 1));
        }
      }
    }
  }
  EXPECT_GT(opened, 0); // names may change
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(open(good.substr(0, size)), RWKV_E_FORMAT) << size;
  }
}

} // namespace
