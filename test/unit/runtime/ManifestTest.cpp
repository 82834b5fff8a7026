// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Manifests: every rule of the format, broken one at a time.
#include "Packs.h"

using namespace rwkvtest;

namespace {

class ManifestTest : public testing::Test {
protected:
  rwkv_status read(const std::string &text) {
    std::string bytes = packBytes(text, blobs);
    rwkv_pack *out = nullptr;
    rwkv_status status =
        rwkv_pack_read(rt.get(), bytes.data(), bytes.size(), "p.pack", &out);
    rwkv_pack_close(out);
    return status;
  }
  void refuse(const std::string &from, const std::string &to,
              const std::string &message) {
    SCOPED_TRACE(from + " -> " + to);
    EXPECT_FAILS(read(replaced(Toy::manifestText(), from, to)), RWKV_E_FORMAT,
                 rt.get(), "p.pack: manifest: ");
    EXPECT_NE(std::string(rwkv_message(rt.get())).find(message),
              std::string::npos)
        << rwkv_message(rt.get()) << "\nlacks: " << message;
  }

  Runtime rt = makeRuntime();
  std::string blobs = readFile(RWKV_TEST_KERNELS);
};

TEST_F(ManifestTest, TopLevel) {
  ASSERT_OK(read(Toy::manifestText()), rt.get());
  refuse("\"generator\": \"unit test\", ", "",
         "expected the field \"generator\", found none");
  refuse("\"name\": \"toy\"", "\"name\": \"\"",
         "name: expected a string that is not empty, found \"\"");
  refuse("\"name\": \"toy\"", "\"nam\": 1, \"name\": \"toy\"",
         "unknown field \"nam\"");
  refuse("\"name\": \"toy\"", "\"name\": \"toy\", \"name\": \"toy\"",
         "duplicate object key");
  refuse("\"dims\": {", "\"dims\": {\"X\": 0, ",
         "dims.X: expected an integer >= 1, found 0");
  refuse("\"params\": {", "\"params\": {\"x\": \"1\", ",
         "params.x: expected a number, found \"1\"");
  refuse("\"params\": {\"eps\": 1e-5}", "\"params\": []",
         "params: expected an object, found an array of 0");
}

TEST_F(ManifestTest, Weights) {
  const char *emb =
      R"("keys": ["emb.weight"], "dtype": "f32", "shape": [8, 4])";
  refuse(R"("keys": ["emb.weight"])", R"("keys": [])",
         "weights[0].keys: expected at least one key, found an array of 0");
  refuse(R"(["emb.weight"])", R"(["emb.weight", "x{l}"])",
         "weights[0].keys[1]: expected a key without \"{l}\"");
  refuse(R"("w.{l}")", R"("w.0")",
         "weights[1].keys[1]: expected a key with \"{l}\", as the weight has "
         "layers, found \"w.0\"");
  refuse(R"("from": 0, )", "", "weights[1].from: expected an integer");
  refuse(R"("from": 0, "to": 2)", R"("from": 3, "to": 2)",
         "weights[1].to: expected an integer in 3 .. 65536, found 2");
  refuse(R"("to": 2)", R"("to": 65537)", "in 0 .. 65536, found 65537");
  refuse(emb, R"("keys": ["e"], "dtype": "f33", "shape": [8, 4])",
         "weights[0].dtype: expected a dtype (f32, f16, bf16, f64, i32, i64, "
         "u8), found \"f33\"");
  refuse(emb, R"("keys": ["e"], "dtype": "f32", "shape": [8, -4])",
         "weights[0].shape[1]: expected an integer >= 0, found -4");
  refuse(emb,
         R"("keys": ["e"], "dtype": "f32", "shape": [4294967296, 4294967296])",
         "weights[0].shape: the size overflows 64 bits");
  refuse(
      emb,
      R"("keys": ["e"], "dtype": "f32", "shape": [1, 1, 1, 1, 1, 1, 1, 1, 1])",
      "weights[0].shape: expected at most 8 elements");
  refuse(R"("name": "w")", R"("name": "emb")", "a second weight named \"emb\"");
}

TEST_F(ManifestTest, Functions) {
  refuse(R"("name": "prefill")", R"("name": "forward")",
         "functions[1]: a second function named \"forward\"");
  refuse(R"("name": "offsets")", R"("name": "tokens")",
         "functions[0].args[1]: a second value named \"tokens\"");
  refuse(R"("role": "input")", R"("role": "output")",
         "functions[0].args[0].role: expected \"input\", \"state\" or "
         "\"sequences\", found \"output\"");
  refuse(R"("role": "output")", R"("role": "sequences")",
         "functions[0].results[0].role: expected \"output\" or \"state\"");
  refuse(R"([["+", "S", 1]])", R"(["S"])",
         "functions[0].args[1]: expected i32 of shape [[\"+\", \"S\", 1]]");
  refuse(R"("shape": ["B", "T"])", R"("shape": ["B", 5])",
         "expected an argument with an axis \"T\", as there are sequences");
  refuse(R"("shape": ["B", "T"])", R"("shape": ["B", "T"], "below": 0)",
         "functions[0].args[0].below: expected an integer >= 1, found 0");
  refuse(R"("shape": ["B", "T", 8])", R"("shape": ["B", "T", 8], "below": 3)",
         "functions[0].results[0].below: expected a bound for an i32 argument");
}

TEST_F(ManifestTest, Expressions) {
  auto tasks = [&](const std::string &expr, const std::string &message) {
    refuse(R"("launch": 0, "tasks": "T")", "\"launch\": 0, \"tasks\": " + expr,
           message);
  };
  tasks("1.5", "steps[0].tasks: expected an integer, \"B\", \"T\", \"S\"");
  tasks("\"V\"", "found \"V\"");
  tasks("null", "found null");
  tasks(R"(["-", "T", 1])", "found an array of 3");
  tasks(R"(["+", "T"])", "found an array of 2");
  tasks(R"(["+", "T", ["*", 2, {}]])", "tasks[2][2]: expected an integer");
  tasks("\"l\"", "expected \"l\" inside a repeat only");
  std::string deep = "1", wide = "1";
  for (int i = 0; i < 33; ++i) {
    deep = "[\"+\", 1, " + deep + "]";
  }
  tasks(deep, "expected an expression nested at most 32 deep, found more");
  for (int i = 0; i < 8; ++i) {
    wide = "[\"+\", " + wide + ", " + wide + "]";
  }
  tasks(wide, "expected an expression of at most 256 terms, found more");

  const char *shape = R"("shape": ["T", 4]})";
  refuse(shape, R"("shape": ["l"]})",
         "temporaries[0].shape[0]: expected a shape without the layer index");
  refuse(shape, R"("shape": [["ceildiv", 4, 0]]})",
         "the size divides by a number that is not positive");
  refuse(shape, R"("shape": [["*", 4611686018427387904, 2]]})",
         "the size overflows 64 bits");
  refuse(shape, R"("shape": [-1]})", "the size is negative");
  refuse(shape, R"("shape": ["T", 1, 1, 1, 1, 1, 1, 1, 1]})",
         "at most 8 elements");
}

TEST_F(ManifestTest, AssertionsAreTexts) {
  auto build = [](const std::string &assertions) {
    return replaced(manifest("[]", "[]"), "\"dims\"",
                    "\"assertions\": " + assertions + ", \"dims\"");
  };
  EXPECT_OK(read(build(R"(["w in [-1, 0]"])")), rt.get());
  EXPECT_FAILS(read(build("1")), RWKV_E_FORMAT, rt.get(),
               "assertions: expected an array, found 1");
  EXPECT_FAILS(read(build(R"(["a", 1])")), RWKV_E_FORMAT, rt.get(),
               "assertions[1]: expected a string that is not empty, found 1");
}

TEST_F(ManifestTest, SymbolsMustBeBound) {
  auto build = [&](const char *arg, const char *result, const char *temporary,
                   const char *tasks) {
    auto value = [](const char *name, const char *role, const char *shape) {
      return std::string("[{\"name\": \"") + name + "\", \"role\": \"" + role +
             "\", \"dtype\": \"f32\", \"shape\": " + shape + "}]";
    };
    return manifest(
        R"([{"symbol": "which", "scratch": 0}])",
        "[" +
            function("f", value("x", "input", arg),
                     value("y", "output", result),
                     std::string("[{\"dtype\": \"f32\", \"shape\": ") +
                         temporary + "}]",
                     std::string("[{\"launch\": 0, \"tasks\": ") + tasks +
                         ", \"buffers\": [[\"result\", 0]]}]") +
            "]");
  };
  EXPECT_OK(read(build(R"(["T"])", R"(["T"])", R"(["T"])", "\"T\"")), rt.get());
  EXPECT_FAILS(read(build(R"([["*", "T", 2]])", "[]", "[]", "1")),
               RWKV_E_FORMAT, rt.get(),
               "argument \"x\" uses \"T\", which no argument's shape binds");
  EXPECT_FAILS(read(build(R"(["T"])", R"(["B"])", "[]", "1")), RWKV_E_FORMAT,
               rt.get(), "result \"y\" uses \"B\"");
  EXPECT_FAILS(read(build(R"(["T"])", "[]", R"(["S"])", "1")), RWKV_E_FORMAT,
               rt.get(), "temporaries[0].shape: expected symbols");
  EXPECT_FAILS(read(build(R"(["T"])", "[]", "[]", "\"S\"")), RWKV_E_FORMAT,
               rt.get(), "tasks: expected symbols");
}

TEST_F(ManifestTest, States) {
  const char *first =
      R"("role": "state", "dtype": "f32", "shape": [2, "S", 4]})";
  refuse(first, R"("role": "state", "dtype": "f32", "shape": [2, 3, "S"]})",
         "expected a state of shape [\"S\", ..] or [L, \"S\", ..]");
  refuse(first, R"("role": "state", "dtype": "f32", "shape": ["S", "T"]})",
         "with constant other axes");
  refuse(first, R"("role": "state", "dtype": "f32", "shape": [2, 4]})",
         "expected a state of shape");
  refuse(first, R"("role": "state", "dtype": "f32", "shape": [3, "S", 4]})",
         "state \"a\": expected f32 [3, 1, 4] for one sequence, as said "
         "before, found f32 [2, 1, 4]");
  refuse(first, R"("role": "state", "dtype": "f16", "shape": [2, "S", 4]})",
         "expected f16 [2, 1, 4] for one sequence, as said before, found f32");
  refuse(first, R"("role": "input", "dtype": "f32", "shape": [2, "S", 4]})",
         "state \"a\": expected an argument of the same name, found none");
  std::string text = Toy::manifestText();
  while (text.find("\"name\": \"n\"") != std::string::npos) {
    text = replaced(text, "\"name\": \"n\"", "\"name\": \"position\"");
  }
  EXPECT_FAILS(read(text), RWKV_E_FORMAT, rt.get(),
               "\"position\" is a reserved name in state files");
}

TEST_F(ManifestTest, Steps) {
  const char *first = R"("launch": 0, "tasks": "T")";
  refuse(first, R"("launch": 5, "tasks": "T")",
         "steps[0].launch: expected an integer in 0 .. 4, found 5");
  refuse(first, R"("tasks": "T")",
         "steps[0]: expected a step (\"launch\", \"copy\" or \"repeat\")");
  refuse(first, R"("copy": 1, "launch": 0, "tasks": "T")",
         "steps[0]: unknown field \"copy\"");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["arg", 4], ["weight", 0])",
         "steps[0].buffers[0][1]: expected an integer in 0 .. 3, found 4");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["arg", -1], ["weight", 0])",
         "found -1");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["args", 0], ["weight", 0])",
         "buffers[0]: expected [\"arg\"|\"result\"|");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["arg"], ["weight", 0])",
         "found an array of 1");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["arg", 0], ["weight", 1])",
         "expected weight \"w\", which has layers, inside a repeat");
  refuse(R"(["arg", 0], ["weight", 0])", R"(["arg", 0, "l"], ["weight", 0])",
         "expected a slice \"l\" inside a repeat only");
  refuse(R"(["arg", 2, "l"])", R"(["arg", 2, "S"])",
         "buffers[3][2]: expected \"l\", found \"S\"");
  refuse(R"(["weight", 1], ["arg", 1])", R"(["weight", 1, "l"], ["arg", 1])",
         "expected a slice \"l\" of an argument or a result only");
  refuse("\"repeat\": [0, 2]", "\"repeat\": [0, 3]",
         "weight \"w\": expected layers within 0 .. 1, found a repeat from 0 "
         "to 3");
  refuse("\"repeat\": [0, 2]", "\"repeat\": [2, 1]", "in 2 .. 65536, found 1");
  refuse("\"repeat\": [0, 2]", "\"repeat\": [0, 1000000]", "found 1000000");
  refuse("\"repeat\": [0, 2]", "\"repeat\": [0]",
         "repeat: expected [from, to], found an array of 1");
  refuse(R"({"copy": [["temporary", 0], ["temporary", 1]]})",
         R"({"repeat": [0, 1], "steps": []})",
         "steps[1].steps[1]: expected no repeat inside a repeat");
  refuse(R"({"copy": [["temporary", 0],)", R"({"copy": [["arg", 0],)",
         "steps[1].steps[1].copy: expected [to, from], to a result or a");
  refuse(R"({"copy": [["temporary", 0],)", R"({"copy": [["result", 2],)",
         "copy: expected two buffers of one dtype, found i32 and f32");
  refuse(R"(["temporary", 1]]})", R"(["temporary", 1], ["temporary", 1]]})",
         "expected [to, from]");
}

TEST_F(ManifestTest, SlicesOfConstantAxesAreCheckedEarly) {
  std::string text = Toy::manifestText();
  text = replaced(text, R"("from": 0, "to": 2)", R"("from": 0, "to": 9)");
  ASSERT_OK(read(text), rt.get());
  text = replaced(text, "\"repeat\": [0, 2]", "\"repeat\": [0, 3]");
  EXPECT_FAILS(read(text), RWKV_E_FORMAT, rt.get(),
               "\"a\" has 2 slices along axis 0, found a repeat from 0 to 3");
}

TEST_F(ManifestTest, KernelsAndTargets) {
  refuse(R"("scratch": 100)", R"("scratch": -1)",
         "kernels[1].scratch: expected an integer >= 0, found -1");
  refuse(
      R"("scratch": 100)", R"("scratch": 100, "threads": -1)",
      "kernels[1].threads: expected an integer in 0 .. 2147483647, found -1");
  refuse(R"("scratch": 100)", R"("scratch": 100, "threads": 2147483648)",
         "kernels[1].threads: expected an integer in 0 .. 2147483647, found "
         "2147483648");
  refuse(R"("scratch": 100)", R"("scratch": 100, "threads": 32, "shared": -1)",
         "kernels[1].shared: expected an integer in 0 .. 2147483647, found -1");
  refuse(R"("scratch": 100)", R"("scratch": 100, "shared": 64)",
         "kernels[1].shared: expected an integer in 0 .. 0, found 64");
  refuse(R"("symbol": "embed")", R"("symbol": 1)",
         "kernels[0].symbol: expected a string");
  std::string size = "\"size\": " + std::to_string(blobs.size());
  refuse(size, "\"size\": " + std::to_string(blobs.size() + 1),
         "targets[0].size: expected an integer in 0 .. ");
  refuse("\"offset\": 0", "\"offset\": 1", "targets[0].size: expected");
  refuse("\"offset\": 0", "\"offset\": -1", "targets[0].offset: expected");
  refuse("\"features\": []", "\"features\": [1]",
         "targets[0].features[0]: expected a string");
}

// The example of docs/Pack.md is a pack that runs.
TEST_F(ManifestTest, TheDocumentedExampleRuns) {
  std::string text = readFile(RWKV_TEST_PACK_MD);
  size_t begin = text.find("```json\n");
  ASSERT_NE(begin, std::string::npos);
  text = text.substr(begin + 8, text.find("```\n", begin + 8) - begin - 8);
  text = text.substr(0, text.find("\"targets\""));
  std::string here = manifest("[]", "[]"); // a target for this machine
  text += here.substr(here.find("\"targets\""));
  Pack pack = openPack(rt.get(), text);
  TempFolder folder;
  std::string path =
      folder.write("c.safetensors", Toy::checkpointBytes("blocks.{l}.decay"));
  rwkv_checkpoint *checkpoint = nullptr;
  ASSERT_OK(rwkv_checkpoint_open(rt.get(), path.c_str(), &checkpoint),
            rt.get());
  Checkpoint holder(checkpoint);
  Model model = bindModel(rt.get(), pack.get(), checkpoint);
  rwkv_state *created = nullptr;
  ASSERT_OK(rwkv_state_create(model.get(), 1, &created), rt.get());
  State state(created);
  int32_t token = 5;
  std::vector<float> logits(8);
  ASSERT_OK(rwkv_decode(model.get(), created, &token, logits.data()), rt.get());
  EXPECT_EQ(logits, Toy::expected({5}));
}

} // namespace
