// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The whole tool, from the command line to files and stdout, with the stand-in compiler.
#include "ToolFixture.h"
#include "rwkv-run/Cache.h"
#include "rwkv-run/Support.h"

#include <cmath>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

using namespace rwkv::run;
using namespace rwkv::run::test;

namespace {

// ---- generate

TEST_F(Tool, GreedyText) {
  Result result = generate({"--prompt", "xxa", "--tokens", "7", "--temperature", "0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "bcabcab");
  EXPECT_EQ(result.err, "");
}

TEST_F(Tool, PromptFile) {
  writeAll(folder.file("prompt.txt"), "hello c");
  EXPECT_EQ(generate({"--prompt-file", folder.file("prompt.txt"), "--tokens", "2", "--temperature", "0"}).out, "ab");
  EXPECT_EQ(generate({"--prompt-file", folder.file("none"), "--tokens", "2"}).err,
            "rwkv-run: error: " + folder.file("none") + ": cannot be opened: No such file or directory\n");
  EXPECT_EQ(compilations, 1) << "a wrong path is found before compiling";
}

TEST_F(Tool, Stop) {
  EXPECT_EQ(generate({"--prompt", "a", "--temperature", "0", "--stop", "zzz", "--stop", "abca"}).out, "bc");
  EXPECT_EQ(generate({"--prompt", "a", "--temperature", "0", "--tokens", "4", "--stop", "abd"}).out, "bcab");
}

TEST_F(Tool, SeedDecides) {
  table.assign(table.size(), 0.0f);
  save();
  Result one = generate({"--prompt", "a", "--tokens", "20", "--seed", "1"});
  EXPECT_EQ(one.err, "");
  EXPECT_EQ(generate({"--prompt", "a", "--tokens", "20", "--seed", "1"}).out, one.out);
  EXPECT_NE(generate({"--prompt", "a", "--tokens", "20", "--seed", "2"}).out, one.out);
  Result random = generate({"--prompt", "a", "--tokens", "20"});
  ASSERT_EQ(random.err.substr(0, 15), "rwkv-run: seed ");
  std::string seed = random.err.substr(15, random.err.size() - 16);
  EXPECT_EQ(generate({"--prompt", "a", "--tokens", "20", "--seed", seed}).out, random.out);
  EXPECT_EQ(generate({"--prompt", "a", "--tokens", "20", "--quiet"}).err, "");
}

TEST_F(Tool, StateContinues) {
  // Token 0 follows c once more than 6 tokens were consumed, and else a.
  set('c', 0, 3.5f);
  save();
  std::string state = folder.file("a.state");
  EXPECT_EQ(generate({"--prompt", "a", "--tokens", "4", "--temperature", "0", "--state-out", state}).out, "bcab");
  std::vector<std::string> more = {"--prompt", "cc", "--tokens", "1", "--temperature", "0"};
  EXPECT_EQ(generate(more).out, "a");
  more.insert(more.end(), {"--state-in", state});
  EXPECT_EQ(generate(more).out, std::string(1, '\0')) << "1 + 4 + 2 tokens";
  more[1] = "c";
  EXPECT_EQ(generate(more).out, "a") << "1 + 4 + 1 tokens";
  Result stop = generate({"--prompt", "a", "--temperature", "0", "--stop", "ca", "--state-out", state});
  EXPECT_EQ(stop.out, "b") << "and b, c, a are consumed";
  more[1] = "ccc";
  EXPECT_EQ(generate(more).out, std::string(1, '\0')) << "4 + 3 tokens";
}

TEST_F(Tool, StateOnly) {
  std::string state = folder.file("a.state");
  EXPECT_EQ(generate({"--prompt", "abc", "--tokens", "0", "--state-out", state}).out, "");
  EXPECT_EQ(generate({"--prompt", "a", "--state-in", state, "--tokens", "1", "--temperature", "0"}).out, "b");
  writeAll(state, "junk");
  Result result = generate({"--prompt", "a", "--state-in", state});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.find("rwkv-run: error: " + state + ": "), 0u) << result.err;
}

TEST_F(Tool, LongPrompt) {
  set('b', 'c', 2000); // more than the count in the logit of token 0
  save();
  Result result =
      generate({"--prompt", std::string(999, 'x') + "b", "--tokens", "1", "--temperature", "0", "--progress"});
  EXPECT_EQ(result.out, "c");
  EXPECT_NE(result.err.find("rwkv-run: compiling bigram.mlir\n"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("rwkv-run: prompt: 0 of 1000 tokens\n"), std::string::npos) << result.err;
}

TEST_F(Tool, NotANumber) {
  set('b', 7, NAN);
  save();
  Result result = generate({"--prompt", "a", "--tokens", "9", "--temperature", "0"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "b");
  EXPECT_EQ(result.err,
            "rwkv-run: error: expected finite logits after position 1, found NaN for token 7: the weights or "
            "the state are not finite\n");
  result = logits({"--tokens", "97,98", "-o", folder.file("x.npy")});
  EXPECT_EQ(result.code, 1);
  EXPECT_FALSE(std::filesystem::exists(folder.file("x.npy")));
}

TEST_F(Tool, Vocabulary) {
  std::string lines;
  for (int i = 1; i < 200; ++i) {
    lines += std::to_string(i) + " b'\\x" + "0123456789abcdef"[i / 16] + "0123456789abcdef"[i % 16] + "' 1\n";
  }
  writeAll(folder.file("vocab.txt"), lines);
  set('c', 0, 11);   // the end of text here
  set('a', 250, 12); // not in the vocabulary: never chosen
  save();
  std::vector<std::string> arguments = {"--tokens", "9", "--temperature", "0", "--tokenizer", folder.file("vocab.txt")};
  arguments.insert(arguments.end(), {"--prompt", "a"});
  EXPECT_EQ(generate(arguments).out, "bc");
  arguments.back() = "\xff";
  EXPECT_EQ(generate(arguments).err, "rwkv-run: error: " + folder.file("vocab.txt") +
                                         ": expected a token for byte 0xff at offset 0 of the text, found none\n");
  // No prompt: starts after token 0.
  set(0, 'z', 20);
  save();
  arguments.resize(arguments.size() - 2);
  arguments[1] = "1";
  EXPECT_EQ(generate(arguments).out, "z");
  EXPECT_EQ(generate({}).err,
            "rwkv-run: error: expected a prompt of at least one token (--prompt or --prompt-file), found none\n");
}

// ---- logits

TEST_F(Tool, LogitsToFile) {
  std::string output = folder.file("x.npy");
  EXPECT_EQ(logits({"--tokens", "98, 97", "-o", output}).out, "");
  Array array = readNpy(output);
  EXPECT_EQ(array.shape, (std::vector<int64_t>{256}));
  std::vector<float> expected(table.begin() + 97 * 256, table.begin() + 98 * 256);
  expected[0] += 2;
  EXPECT_EQ(std::string(array.data.begin(), array.data.end()), bytesOf(expected));

  writeAll(folder.file("tokens.txt"), "98 97\n");
  EXPECT_EQ(logits({"--tokens-file", folder.file("tokens.txt"), "-o", folder.file("y.npy")}).code, 0);
  EXPECT_EQ(readAll(output), readAll(folder.file("y.npy")));
  writeArray("tokens.npy", RWKV_I64, {2}, std::string("b\0\0\0\0\0\0\0a\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(logits({"--tokens-file", folder.file("tokens.npy"), "-o", folder.file("y.npy")}).err, "");
  EXPECT_EQ(readAll(output), readAll(folder.file("y.npy")));
}

TEST_F(Tool, LogitsEverywhere) {
  std::string tokens, output = folder.file("x.npy");
  std::vector<float> expected;
  for (int i = 0; i < 600; ++i) { // three pieces
    tokens += (i ? "," : "") + std::to_string(i % 256);
    expected.insert(expected.end(), table.begin() + i % 256 * 256, table.begin() + (i % 256 + 1) * 256);
    expected[i * 256] += static_cast<float>(i + 1);
  }
  EXPECT_EQ(logits({"--tokens", tokens, "--all", "-o", output}).err, "");
  Array array = readNpy(output);
  EXPECT_EQ(array.shape, (std::vector<int64_t>{600, 256}));
  EXPECT_EQ(std::string(array.data.begin(), array.data.end()), bytesOf(expected));
}

TEST_F(Tool, LogitsShown) {
  EXPECT_EQ(logits({"--tokens", "97"}).out, "after position 0\n"
                                            "      98     10.000000  'b'\n"
                                            "       0      1.000000  '\\x00'\n"
                                            "       1      0.000000  '\\x01'\n"
                                            "       2      0.000000  '\\x02'\n"
                                            "       3      0.000000  '\\x03'\n");
  Result all = logits({"--tokens", "97,98", "--all"});
  EXPECT_NE(all.out.find("after position 0\n      98 "), std::string::npos);
  EXPECT_NE(all.out.find("after position 1\n      99 "), std::string::npos);
}

TEST_F(Tool, WrongTokens) {
  EXPECT_EQ(logits({"--tokens", "1,256"}).err,
            "rwkv-run: error: token 1: expected 0 .. 255, the model's vocabulary, found 256\n");
  EXPECT_EQ(logits({"--tokens", ""}).err, "rwkv-run: error: expected at least one token, found none\n");
  EXPECT_EQ(
      logits({"--tokens", "1,x"}).err,
      std::string("rwkv-run: error: --tokens: element 1: expected a token, an integer from 0 to 2147483647, found "
                  "'x'") +
          usage);
  writeArray("tokens.npy", RWKV_F32, {1}, "1234");
  EXPECT_EQ(logits({"--tokens-file", folder.file("tokens.npy")}).err,
            "rwkv-run: error: " + folder.file("tokens.npy") + ": expected elements of type i32, found f32\n");
  writeArray("tokens.npy", RWKV_I32, {1, 1}, "1234");
  EXPECT_EQ(logits({"--tokens-file", folder.file("tokens.npy")}).err,
            "rwkv-run: error: " + folder.file("tokens.npy") +
                ": expected tokens in an array of rank 1, found rank 2\n");
}

TEST(TokenList, Grammar) {
  EXPECT_EQ(parseTokenList(" 1, 2\n3\t4,5 ", "t"), (std::vector<int32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(parseTokenList("010", "t"), (std::vector<int32_t>{10}));
  EXPECT_TRUE(parseTokenList(" \n", "t").empty());
  for (const char *text : {"1,,2", ",1", "-1", "1.5", "2147483648", "1;2", "1,"}) {
    EXPECT_THROW(parseTokenList(text, "t"), Error) << text;
  }
}

// ---- call

TEST_F(Tool, CallConverts) {
  writeAll(folder.file("copy.mlir"), "copy bf16\n");
  writeArray("x.npy", RWKV_F32, {3}, bytesOf({1, 1 + 0x1p-8f, -2.5f}));
  std::string prefix = folder.file("out_");
  Result result = tool({"call", folder.file("copy.mlir"), "same", folder.file("x.npy"), "-o", prefix});
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.code, 0);
  Array array = readNpy(prefix + "0.npy");
  EXPECT_EQ(array.dtype, RWKV_F32) << "there is no bf16 in .npy";
  EXPECT_EQ(std::string(array.data.begin(), array.data.end()), bytesOf({1, 1, -2.5f}));

  writeAll(folder.file("copy.mlir"), "copy f64\n");
  EXPECT_EQ(tool({"call", folder.file("copy.mlir"), "same", folder.file("x.npy"), "-o", prefix}).err, "");
  EXPECT_EQ(readNpy(prefix + "0.npy").dtype, RWKV_F64);
  writeAll(folder.file("copy.mlir"), "copy f16\n");
  EXPECT_EQ(tool({"call", folder.file("copy.mlir"), "same", folder.file("x.npy"), "-o", prefix}).err, "");
  EXPECT_EQ(readNpy(prefix + "0.npy").dtype, RWKV_F16);
}

TEST_F(Tool, CallInputs) {
  writeAll(folder.file("copy.mlir"), "copy f32\n");
  std::string arrays = folder.file("in.safetensors"), prefix = folder.file("y");
  writeAll(arrays, makeSafetensors({{"p", {1, 2}}, {"q", {3, 4}}}, {2}));
  auto call = [&](std::vector<std::string> inputs) {
    inputs.insert(inputs.begin(), {"call", folder.file("copy.mlir"), "same", "-o", prefix});
    return tool(inputs);
  };
  EXPECT_EQ(call({arrays + ":q"}).err, "");
  Array array = readNpy(prefix + "0.npy");
  EXPECT_EQ(std::string(array.data.begin(), array.data.end()), bytesOf({3, 4}));
  EXPECT_EQ(call({arrays}).err, "rwkv-run: error: same: expected 1 inputs (x), found 2\n");
  EXPECT_EQ(call({}).err, "rwkv-run: error: same: expected 1 inputs (x), found 0\n");
  EXPECT_EQ(call({arrays + ":r"}).err, "rwkv-run: error: " + arrays + ": expected an array 'r', found 'p', 'q'\n");
  EXPECT_EQ(call({spec}).err,
            "rwkv-run: error: " + spec + ": expected an array, .npy or .safetensors, found something else\n");
  writeArray("i.npy", RWKV_I32, {1}, "1234");
  EXPECT_EQ(call({folder.file("i.npy")}).err, "rwkv-run: error: same: argument x: " + folder.file("i.npy") +
                                                  ": expected elements of type f32, found i32\n");
  writeArray("r.npy", RWKV_F32, {1, 1}, "1234");
  EXPECT_EQ(call({folder.file("r.npy")}).err,
            "rwkv-run: error: same: argument x: " + folder.file("r.npy") + ": expected rank 1, found rank 2, [1, 1]\n");
}

TEST_F(Tool, CallPack) {
  writeAll(folder.file("copy.pack"), makeCopyPack("same", "f32", 2));
  writeArray("x.npy", RWKV_F32, {1, 2}, bytesOf({1, 2}));
  std::vector<std::string> arguments = {"call", folder.file("copy.pack"), "same", folder.file("x.npy"),
                                        "-o",   folder.file("y")};
  EXPECT_EQ(tool(arguments).err, "");
  EXPECT_EQ(compilations, 0);
  EXPECT_EQ(readAll(folder.file("y0.npy")), readAll(folder.file("x.npy")));
  arguments[2] = "other";
  EXPECT_EQ(tool(arguments).err, "rwkv-run: error: expected a function of the pack (\"same\"), found \"other\"\n");
  arguments[2] = "same";
  arguments[5] = folder.file("missing/y");
  EXPECT_EQ(tool(arguments).err,
            "rwkv-run: error: " + folder.file("missing/y0.npy") + ": cannot be written: No such file or directory\n");
}

TEST_F(Tool, OutputsReplaceFilesOnly) {
  writeAll(folder.file("copy.pack"), makeCopyPack("same", "f32", 1));
  writeArray("x.npy", RWKV_F32, {1}, bytesOf({1}));
  auto call = [&] {
    return tool({"call", folder.file("copy.pack"), "same", folder.file("x.npy"), "-o", folder.file("y")});
  };
  writeAll(folder.file("real"), "old");
  ASSERT_EQ(symlink("real", folder.file("y0.npy").c_str()), 0);
  EXPECT_EQ(call().err, "");
  EXPECT_EQ(readAll(folder.file("real")), readAll(folder.file("x.npy"))) << "through a link";
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("y0.npy")));
  std::filesystem::remove(folder.file("y0.npy"));
  std::filesystem::create_directory(folder.file("y0.npy"));
  EXPECT_EQ(call().err,
            "rwkv-run: error: " + folder.file("y0.npy") + ": expected a file to write, found a directory\n");
  for (const std::string &name : folder.names()) {
    EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
  }
}

// ---- finding and compiling specs

TEST_F(Tool, CompilesOnce) {
  std::vector<std::string> arguments = {"--prompt", "a", "--tokens", "1", "--temperature", "0"};
  EXPECT_EQ(generate(arguments).out, "b");
  EXPECT_EQ(generate(arguments).out, "b");
  EXPECT_EQ(compilations, 1);
  arguments.insert(arguments.end(), {"--param", "x=1"});
  generate(arguments);
  EXPECT_EQ(compilations, 2) << "another parameter is another pack";
  arguments.push_back("--no-cache");
  generate(arguments);
  EXPECT_EQ(compilations, 3);
}

TEST_F(Tool, CorruptEntryIsReplaced) {
  std::vector<std::string> arguments = {"--prompt", "a", "--tokens", "1", "--temperature", "0"};
  generate(arguments);
  std::string entry = std::filesystem::directory_iterator(folder.file("cache"))->path().string(), good = readAll(entry);
  for (const std::string &bad : {std::string(), std::string("junk"), good.substr(0, good.size() - 1),
                                 good.substr(0, good.size() - 1) + static_cast<char>(good.back() ^ 1)}) {
    writeAll(entry, bad);
    compilations = 0;
    Result result = generate(arguments);
    EXPECT_EQ(result.out, "b");
    EXPECT_EQ(result.err.find("rwkv-run: cache: bigram.mlir: expected "), 0u) << result.err;
    EXPECT_NE(result.err.find("; compiling again\n"), std::string::npos);
    EXPECT_EQ(compilations, 1);
    EXPECT_EQ(readAll(entry), good);
  }
}

TEST_F(Tool, OpenCacheIsNotUsed) {
  std::string cache = folder.file("cache");
  mkdir(cache.c_str(), 0755);
  chmod(cache.c_str(), 0755);
  Result result = generate({"--prompt", "a", "--tokens", "1", "--temperature", "0"});
  EXPECT_EQ(result.out, "b");
  EXPECT_EQ(result.err,
            "rwkv-run: cache: " + cache + ": expected mode 0700, as it holds code, found 0755; going on without it\n");
  EXPECT_TRUE(std::filesystem::is_empty(cache));
}

TEST_F(Tool, SearchesAFolder) {
  std::filesystem::create_directory(folder.file("specs"));
  std::vector<std::string> arguments = {"generate", checkpoint,      "--prompt", "a",      "--tokens",
                                        "1",        "--temperature", "0",        "--spec", folder.file("specs")};
  EXPECT_EQ(tool(arguments).err,
            "rwkv-run: error: " + folder.file("specs") + ": expected specs, *.mlir, found none; give --spec FILE\n");
  writeAll(folder.file("specs/one.mlir"), "nonsense\n");
  writeAll(folder.file("specs/two.mlir"), "other\n");
  writeAll(folder.file("specs/README.md"), "bigram\n");
  Result result = tool(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "rwkv-run: error: no spec in " + folder.file("specs") + " fits " + checkpoint +
                            " (--spec FILE names another):\n  one.mlir: " + folder.file("specs/one.mlir") +
                            ":1:1: error: expected a spec, found 'nonsense'\n  two.mlir: " +
                            folder.file("specs/two.mlir") + ":1:1: error: expected a spec, found 'other'\n");
  writeAll(folder.file("specs/three.mlir"), "bigram\n");
  EXPECT_EQ(tool(arguments).out, "b");
  writeAll(folder.file("specs/four.mlir"), "bigram 2\n");
  EXPECT_EQ(tool(arguments).err, "rwkv-run: error: expected one spec that fits " + checkpoint +
                                     ", found 2; choose with --spec:\n  " + folder.file("specs/four.mlir") + "\n  " +
                                     folder.file("specs/three.mlir") + "\n");
}

TEST_F(Tool, Diagnostics) {
  writeAll(spec, "nonsense\n");
  EXPECT_EQ(generate({"--prompt", "a"}).err, "rwkv-run: error: cannot compile " + spec + " for " + checkpoint + ":\n" +
                                                 spec + ":1:1: error: expected a spec, found 'nonsense'\n" + spec +
                                                 ":1:1: note: here\n");
  writeAll(spec, "warn\n");
  Result result = generate({"--prompt", "a", "--tokens", "1", "--temperature", "0", "--no-cache"});
  EXPECT_EQ(result.err, "rwkv-run: " + spec + ":2:2: warning: careful\nrwkv-run: " + spec + ":3:3: note: because\n");
  EXPECT_EQ(generate({"--prompt", "a", "--tokens", "1", "--temperature", "0", "--no-cache", "--quiet"}).err, "");
}

TEST_F(Tool, Packs) {
  std::string pack = folder.file("model.pack");
  writeAll(pack, makeBigramPack());
  std::vector<std::string> arguments = {"generate", checkpoint,      "--prompt", "a",      "--tokens",
                                        "1",        "--temperature", "0",        "--pack", pack};
  EXPECT_EQ(tool(arguments).out, "b");
  arguments[8] = "--spec";
  EXPECT_EQ(tool(arguments).out, "b");
  EXPECT_EQ(compilations, 0);
  EXPECT_EQ(tool({"generate", pack}).err,
            "rwkv-run: error: " + pack + ": expected a checkpoint (.safetensors), found a pack: give it with --pack\n");
  arguments[8] = "--pack";
  arguments[9] = spec;
  EXPECT_EQ(tool(arguments).err.find("rwkv-run: error: " + spec + ": expected a pack"), 0u);
  writeAll(folder.file("copy.pack"), makeCopyPack("same", "f32", 1));
  arguments[9] = folder.file("copy.pack");
  arguments.push_back("--allow-unused");
  EXPECT_EQ(tool(arguments).err,
            "rwkv-run: error: expected a pack with a function \"prefill\" whose first result has one "
            "logit per token, found none\n");
}

// ---- info

TEST_F(Tool, InfoPack) {
  std::string pack = folder.file("model.pack");
  writeAll(pack, makeBigramPack());
  Result result = tool({"info", pack});
  EXPECT_EQ(result.code, 0);
  for (const char *line :
       {": pack bigram, ", ", made by test\n", "dims: V = 256\n", "params: scale = 0.5\n", "targets (1):\n  host  ",
        "state: 4 bytes for one sequence; count: f32[S]\n",
        "  prefill(tokens: i32[B, T], cu: i32[S+1] sequences, count: f32[S] state) -> (logits: f32[S, 256], count: "
        "f32[S] "
        "state)\n",
        "weights (1):\n  table  f32[256, 256]           table\n  in all 262144 bytes (256.00 KiB)\n"}) {
    EXPECT_NE(result.out.find(line), std::string::npos) << line << "\nin\n" << result.out;
  }
  EXPECT_NE(tool({"info", pack, "--json"}).out.find("\"generator\": \"test\""), std::string::npos);
}

TEST_F(Tool, InfoPackOfAnotherMachine) {
  std::string pack = makeBigramPack();
  size_t at = pack.find("\"arch\":\"") + 8;
  std::string manifest = pack.substr(48, pack.find('\0', 48) - 48);
  size_t arch = manifest.find("\"arch\":\"") + 8, end = manifest.find('"', arch);
  manifest.replace(arch, end - arch, "pdp11");
  ASSERT_NE(at, std::string::npos);
  writeAll(folder.file("model.pack"), makePack(manifest, readAll(RWKV_TEST_KERNELS)));
  Result result = tool({"info", folder.file("model.pack")});
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("  host  pdp11  "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("does not run here: "), std::string::npos) << result.out;
}

TEST_F(Tool, InfoCheckpoint) {
  EXPECT_EQ(tool({"info", checkpoint}).out, "table  f32   [256, 256]\n1 tensor (1 f32), 262144 bytes (256.00 KiB)\n");
  EXPECT_NE(tool({"info", checkpoint, "--json"}).out.find("\"bytes\": 262144"), std::string::npos);
  EXPECT_EQ(tool({"info", spec}).err,
            "rwkv-run: error: " + spec + ": expected a pack or a checkpoint (.safetensors), found something else\n");
  EXPECT_EQ(tool({"info", folder.file("none")}).err,
            "rwkv-run: error: " + folder.file("none") + ": cannot be opened: No such file or directory\n");
}

// ---- the command line

TEST(Usage, Messages) {
  auto message = [](std::vector<std::string> arguments) {
    Result result = tool(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    size_t end = result.err.find(usage);
    EXPECT_NE(end, std::string::npos) << result.err;
    EXPECT_EQ(result.err.substr(0, 17), "rwkv-run: error: ");
    return result.err.substr(17, end - 17);
  };
  EXPECT_EQ(message({}), "expected a command, info, generate, logits or call, found none");
  EXPECT_EQ(message({"frobnicate"}), "expected a command, info, generate, logits or call, found 'frobnicate'");
  EXPECT_EQ(message({"info"}), "info: expected a file or --device, found neither");
  EXPECT_EQ(message({"info", "--json", "--device", "host"}), "info: expected a file with --json, found none");
  EXPECT_EQ(message({"info", "x", "y"}), "The following argument was not expected: y");
  EXPECT_EQ(message({"info", "x", "--frob"}), "The following argument was not expected: --frob");
  EXPECT_EQ(message({"generate", "x", "--tokens", "many"}),
            "--tokens: expected an integer from 0 to 9223372036854775807, found 'many'");
  EXPECT_EQ(message({"generate", "x", "--tokens", "-1"}),
            "--tokens: expected an integer from 0 to 9223372036854775807, found '-1'");
  EXPECT_EQ(message({"generate", "x", "--threads", "1025"}),
            "--threads: expected an integer from 0 to 1024, found '1025'");
  EXPECT_EQ(message({"generate", "x", "--temperature", "-1"}), "--temperature: expected a number >= 0, found '-1'");
  EXPECT_EQ(message({"generate", "x", "--temperature", "nan"}), "--temperature: expected a number, found 'nan'");
  EXPECT_EQ(message({"generate", "x", "--top-p", "0"}), "--top-p: expected a number above 0 and at most 1, found '0'");
  EXPECT_EQ(message({"generate", "x", "--top-p", "1.1"}),
            "--top-p: expected a number above 0 and at most 1, found '1.1'");
  EXPECT_EQ(message({"generate", "x", "--seed", "-1"}),
            "--seed: expected an integer from 0 to 18446744073709551615, found '-1'");
  EXPECT_EQ(message({"generate", "x", "--stop", ""}), "--stop: expected a text, found an empty one");
  EXPECT_EQ(message({"generate", "x", "--param", "a"}), "--param: expected NAME=VALUE, found 'a'");
  EXPECT_EQ(message({"generate", "x", "--param", "a=b"}), "--param a: expected a number, found 'b'");
  EXPECT_EQ(message({"generate", "x", "--state-in", "s"}),
            "generate: expected --prompt or --prompt-file with --state-in, found neither");
  EXPECT_EQ(message({"generate", "x", "--prompt", "a", "--prompt-file", "b"}), "--prompt excludes --prompt-file");
  EXPECT_EQ(message({"generate", "x", "--pack", "a", "--spec", "b"}), "--spec excludes --pack");
  EXPECT_EQ(message({"generate", "x", "--pack", "a", "--param", "b=1"}), "--pack excludes --param");
  EXPECT_EQ(message({"generate", "x", "--schedule", "loop"}),
            "--schedule: expected auto, step, scan or chunk, found 'loop'");
  EXPECT_EQ(message({"logits", "x"}), "logits: expected --tokens or --tokens-file, found neither");
  EXPECT_EQ(message({"call", "x", "f"}), "--output is required");
  EXPECT_EQ(message({"call", "x", "f", "-o", ""}), "--output: expected a value, found an empty one");
}

TEST(Usage, Help) {
  for (const char *command : {"info", "generate", "logits", "call"}) {
    Result result = tool({command, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_NE(result.out.find("Examples:\n  rwkv-run " + std::string(command)), std::string::npos) << result.out;
  }
  EXPECT_NE(tool({"--help"}).out.find("generate"), std::string::npos);
  EXPECT_EQ(tool({"--version"}).out.substr(0, 9), "rwkv-run ");
}

TEST(Usage, Values) {
  const char *argv[] = {"rwkv-run", "generate", "m",          "--prompt", "--top-p",
                        "--stop",   "[a,b]",    "--stop",     "{}",       "--param",
                        "a=1e-5",   "--param",  "b=2",        "--seed",   "18446744073709551615",
                        "--tokens", "010",      "--schedule", "step",     "--threads=3"};
  auto options = std::get<GenerateOptions>(parseOptions(static_cast<int>(std::size(argv)), argv));
  EXPECT_EQ(options.prompt, "--top-p") << "a value may look like an option";
  EXPECT_EQ(options.stops, (std::vector<std::string>{"[a,b]", "{}"}));
  EXPECT_EQ(options.params, (std::vector<std::pair<std::string, double>>{{"a", 1e-5}, {"b", 2}}));
  EXPECT_EQ(options.seed, UINT64_MAX);
  EXPECT_EQ(options.tokens, 10);
  EXPECT_EQ(options.schedule, "step");
  EXPECT_EQ(options.threads, 3);
}

} // namespace
