// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Tokenizer.h"
#include "FakeDriver.h"
#include "rwkv-run/Support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace rwkv::run;
using namespace rwkv::run::test;

namespace {

template <typename F> std::string messageOf(F call) {
  try {
    call();
  } catch (const Error &error) {
    return error.what();
  }
  return "no error";
}

std::string decodeAll(const Tokenizer &tokenizer, const std::vector<int32_t> &tokens) {
  std::string text;
  for (int32_t token : tokens) {
    text += tokenizer.decode(token);
  }
  return text;
}

TEST(Tokenizer, Bytes) {
  Tokenizer tokenizer = Tokenizer::bytes();
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  std::vector<int32_t> tokens = tokenizer.encode(all);
  ASSERT_EQ(tokens.size(), 256u);
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(tokens[i], i);
  }
  EXPECT_EQ(decodeAll(tokenizer, tokens), all);
  EXPECT_FALSE(tokenizer.isEnd(0));
  EXPECT_EQ(tokenizer.size(), 256);
  EXPECT_TRUE(tokenizer.encode("").empty());
}

TEST(Tokenizer, LongestMatch) {
  Tokenizer tokenizer = Tokenizer::parse("1 'a' 1\n2 'ab' 2\n3 'abcd' 4\n4 'b' 1\n9 'c' 1\n", "v");
  EXPECT_EQ(tokenizer.encode("abcd"), (std::vector<int32_t>{3}));
  EXPECT_EQ(tokenizer.encode("abcab"), (std::vector<int32_t>{2, 9, 2})); // back from abc, which is no token
  EXPECT_EQ(tokenizer.encode("aab"), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(tokenizer.size(), 10);
  EXPECT_TRUE(tokenizer.isEnd(0));
  EXPECT_EQ(tokenizer.decode(0), "");
  EXPECT_EQ(tokenizer.decode(5), "");
  EXPECT_EQ(tokenizer.decode(-1), "");
  EXPECT_EQ(tokenizer.decode(10), "");
  EXPECT_EQ(tokenizer.decode(3), "abcd");
  EXPECT_EQ(messageOf([&] { tokenizer.encode("ab!"); }),
            "v: expected a token for byte 0x21 at offset 2 of the text, found none");
}

TEST(Tokenizer, Literals) {
  EXPECT_EQ(parsePythonLiteral("'a b'"), "a b");
  EXPECT_EQ(parsePythonLiteral("\"it's\""), "it's");
  EXPECT_EQ(parsePythonLiteral(R"('it\'s \\ \" \n\r\t')"), "it's \\ \" \n\r\t");
  EXPECT_EQ(parsePythonLiteral(R"('\x41\x00')"), std::string("A\0", 2));
  EXPECT_EQ(parsePythonLiteral(R"('\xe9')"), "\xc3\xa9"); // a character
  EXPECT_EQ(parsePythonLiteral(R"(b'\xe9')"), "\xe9");    // a byte
  EXPECT_EQ(parsePythonLiteral(R"('\u4eca\U0001f642')"), "\xe4\xbb\x8a\xf0\x9f\x99\x82");
  EXPECT_EQ(parsePythonLiteral("'\xe4\xbb\x8a'"), "\xe4\xbb\x8a");
  EXPECT_EQ(parsePythonLiteral("''"), "");
}

TEST(Tokenizer, BadLiterals) {
  auto message = [](std::string_view literal) { return messageOf([&] { parsePythonLiteral(literal); }); };
  EXPECT_EQ(message("a"), "expected a literal '..' or b'..', found 'a'");
  EXPECT_EQ(message("'"), "expected a literal '..' or b'..', found '\\''");
  EXPECT_EQ(message("'a\""), "expected a literal '..' or b'..', found '\\'a\"'");
  EXPECT_EQ(message("'a'b'"), "expected UTF-8 text or an escape, found '\\''");
  EXPECT_EQ(message("'\\'"), "unknown escape '\\\\'");
  EXPECT_EQ(message("'\\q'"), "unknown escape '\\\\q'");
  EXPECT_EQ(message("'\\0'"), "unknown escape '\\\\0'");
  EXPECT_EQ(message("'\\x4'"), "expected 2 hexadecimal digits after \\x, found '4'");
  EXPECT_EQ(message("'\\xg1'"), "expected 2 hexadecimal digits after \\x, found 'g1'");
  EXPECT_EQ(message("'\\x-1'"), "expected 2 hexadecimal digits after \\x, found '-1'");
  EXPECT_EQ(message("b'\\u0041'"), "unknown escape '\\\\u'");
  EXPECT_EQ(message("'\\ud800'"), "expected a Unicode scalar value, found U+D800");
  EXPECT_EQ(message("'\\U00110000'"), "expected a Unicode scalar value, found U+110000");
  EXPECT_EQ(message("'\xff'"), "expected UTF-8 text or an escape, found '\\xff'");
  EXPECT_EQ(message("'\xe4\xbb'"), "expected UTF-8 text or an escape, found '\\xe4'");
  EXPECT_EQ(message("b'\xe4\xbb\x8a'"), "expected ASCII text or an escape, found '\\xe4'");
}

TEST(Tokenizer, BadFiles) {
  auto message = [](std::string_view text) { return messageOf([&] { Tokenizer::parse(text, "v"); }); };
  EXPECT_EQ(message(""), "v: expected a vocabulary, lines of `id literal length`, found none");
  EXPECT_EQ(message("1 'a' 1\n\n2 'b' 1\n"), "v:2: expected `id literal length`, found ''");
  EXPECT_EQ(message("1 'a'\n"), "v:1: expected `id literal length`, found '1 \\'a\\''");
  EXPECT_EQ(message("0 'a' 1\n"), "v:1: expected an id from 1 to 1048575, found '0'");
  EXPECT_EQ(message("1048576 'a' 1\n"), "v:1: expected an id from 1 to 1048575, found '1048576'");
  EXPECT_EQ(message("x 'a' 1\n"), "v:1: expected an id from 1 to 1048575, found 'x'");
  EXPECT_EQ(message("1 'a' one\n"), "v:1: expected a number of bytes, found 'one'");
  EXPECT_EQ(message("1 'a' 2\n"), "v:1: expected 2 bytes, as the line says, found 1 in the literal");
  EXPECT_EQ(message("1 '' 0\n"), "v:1: expected at least one byte, found an empty literal");
  EXPECT_EQ(message("1 'a' 1\n1 'b' 1\n"), "v:2: a second token 1");
  EXPECT_EQ(message("1 'a' 1\n2 b'a' 1\n"), "v: expected different tokens, found 'a' as tokens 1 and 2");
  EXPECT_EQ(message("1 'a' 1\r\n2 ' ' 1"), "no error");
}

TEST(Tokenizer, ForModel) {
  EXPECT_EQ(Tokenizer::forModel("", 256).size(), 256);
  EXPECT_EQ(Tokenizer::forModel("bytes", 300).size(), 256);
  EXPECT_EQ(
      messageOf([] { Tokenizer::forModel("", 65536); }),
      "the model has 65536 tokens, so they are not bytes: expected --tokenizer FILE, a vocabulary in the format of "
      "RWKV World, found none");
  EXPECT_EQ(messageOf([] { Tokenizer::forModel("bytes", 12); }),
            "--tokenizer bytes: expected tokens below 12, the size of the model's vocabulary, found token 255");
}

TEST(Tokenizer, World) {
  const char *models = getenv("RWKV_SHARED_MODELS");
  if (!models) {
    GTEST_SKIP() << "RWKV_SHARED_MODELS is not set: expected a folder with tokenizer/rwkv_vocab_v20230424.txt and "
                    "tokenizer/world_cases.json";
  }
  std::string folder = std::string(models) + "/tokenizer/";
  Tokenizer tokenizer = Tokenizer::load(folder + "rwkv_vocab_v20230424.txt");
  EXPECT_EQ(tokenizer.size(), 65530);
  nlohmann::json cases = nlohmann::json::parse(readAll(folder + "world_cases.json"));
  EXPECT_EQ(cases.size(), 25u);
  for (const nlohmann::json &one : cases) {
    std::string text;
    if (one.contains("text")) {
      text = one.at("text");
    } else {
      std::string hex = one.at("bytes_hex");
      for (size_t i = 0; i + 1 < hex.size(); i += 2) {
        text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
      }
    }
    std::vector<int32_t> tokens = tokenizer.encode(text);
    EXPECT_EQ(tokens, one.at("tokens").get<std::vector<int32_t>>()) << inQuotes(text);
    EXPECT_EQ(decodeAll(tokenizer, tokens), text);
  }
}

} // namespace
