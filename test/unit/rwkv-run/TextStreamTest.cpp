// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/TextStream.h"
#include "rwkv-run/Support.h"

#include <gtest/gtest.h>

using namespace rwkv::run;

namespace {

struct Recorder {
  std::vector<std::string> pieces;
  TextStream stream;
  explicit Recorder(std::vector<std::string> stops = {})
      : stream(std::move(stops), [this](std::string_view text) { pieces.emplace_back(text); }) {}
};

using Pieces = std::vector<std::string>;

TEST(TextStream, WholeCharacters) {
  Recorder r;
  for (char c : std::string("a\xe4\xbb\x8a\xf0\x9f\x99\x82z")) {
    EXPECT_FALSE(r.stream.push(std::string(1, c)));
  }
  r.stream.finish();
  EXPECT_EQ(r.pieces, (Pieces{"a", "\xe4\xbb\x8a", "\xf0\x9f\x99\x82", "z"}));
}

TEST(TextStream, InvalidBytesAreKept) {
  Recorder r;
  std::string bytes = "\xff\x80\xe4(\xed\xa0\x80\xf0\x9f";
  for (char c : bytes) {
    r.stream.push(std::string(1, c));
  }
  r.stream.finish();
  std::string all;
  for (const std::string &piece : r.pieces) {
    all += piece;
  }
  EXPECT_EQ(all, bytes);
  EXPECT_EQ(r.pieces.front(), "\xff"); // not held back: it cannot become valid
  EXPECT_EQ(r.pieces.back(), "\xf0\x9f");
}

TEST(TextStream, Stop) {
  Recorder r({"\n\nUser:", "END"});
  EXPECT_FALSE(r.stream.push("hello\n"));
  EXPECT_FALSE(r.stream.push("\nUs"));
  EXPECT_EQ(r.pieces, (Pieces{"hello"}));
  EXPECT_FALSE(r.stream.push("age"));
  EXPECT_EQ(r.pieces, (Pieces{"hello", "\n\nUsage"}));
  EXPECT_FALSE(r.stream.push(" E"));
  EXPECT_TRUE(r.stream.push("NDless"));
  r.stream.finish();
  EXPECT_EQ(r.pieces, (Pieces{"hello", "\n\nUsage", " "}));
}

TEST(TextStream, EarliestStopWins) {
  Recorder r({"cd", "b"});
  EXPECT_TRUE(r.stream.push("abcd"));
  EXPECT_EQ(r.pieces, (Pieces{"a"}));
}

TEST(TextStream, HeldBackStopIsWrittenAtTheEnd) {
  Recorder r({"stop"});
  r.stream.push("sto");
  EXPECT_TRUE(r.pieces.empty());
  r.stream.finish();
  EXPECT_EQ(r.pieces, (Pieces{"sto"}));
}

TEST(TextStream, OverlappingPrefixes) {
  Recorder r({"aab"});
  EXPECT_FALSE(r.stream.push("aaa"));
  EXPECT_EQ(r.pieces, (Pieces{"a"}));
  EXPECT_TRUE(r.stream.push("b"));
  EXPECT_EQ(r.pieces, (Pieces{"a"}));
}

TEST(Support, Utf8Length) {
  EXPECT_EQ(utf8Length("a"), 1);
  EXPECT_EQ(utf8Length("\xc3\xa9"), 2);
  EXPECT_EQ(utf8Length("\xc3"), -1);
  EXPECT_EQ(utf8Length("\xc1\x81"), 0);         // overlong
  EXPECT_EQ(utf8Length("\xe0\x80\x80"), 0);     // overlong
  EXPECT_EQ(utf8Length("\xed\xa0\x80"), 0);     // a surrogate
  EXPECT_EQ(utf8Length("\xf4\x90\x80\x80"), 0); // above U+10FFFF
  EXPECT_EQ(utf8Length("\xf5"), 0);
  EXPECT_EQ(utf8Length("\x80"), 0);
  EXPECT_EQ(utf8Length("\xf0\x9f\x99"), -1);
}

TEST(Support, Quotes) { EXPECT_EQ(inQuotes("a'\\\n\x01\xff\xc3\xa9"), "'a\\'\\\\\\n\\x01\\xff\xc3\xa9'"); }

} // namespace
