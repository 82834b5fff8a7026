// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From text to tokens and back: bytes, or a vocabulary in the format of RWKV World.
#ifndef RWKV_RWKV_RUN_TOKENIZER_H
#define RWKV_RWKV_RUN_TOKENIZER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::run {

class Tokenizer {
public:
  /// Every byte is its own token; there is no end of text.
  static Tokenizer bytes();
  /// Lines `id literal length`: a token, its bytes as a Python literal, '..' (UTF-8) or b'..', and their number. Token
  /// 0 is the end of text and not in the file. `name` is the file name of messages.
  static Tokenizer parse(std::string_view text, const std::string &name);
  static Tokenizer load(const std::string &path);
  /// The one that --tokenizer names; without a name bytes, if the model has 256 tokens.
  static Tokenizer forModel(const std::string &option, int64_t vocabulary);

  /// Greedy: at every position the longest token that matches.
  std::vector<int32_t> encode(std::string_view text) const;
  /// The bytes of a token; empty for the end of text and for ids that are not in the vocabulary.
  std::string_view decode(int32_t id) const;
  bool hasEnd() const { return end; }
  bool isEnd(int32_t id) const { return end && id == 0; }
  /// The largest id plus one.
  int64_t size() const { return static_cast<int64_t>(tokens.size()); }

private:
  struct Node {
    int32_t token = -1;
    uint32_t firstEdge = 0, edgeCount = 0;
  };
  struct Edge {
    unsigned char byte;
    uint32_t node;
  };
  void buildTrie();

  std::string file = "bytes";
  bool end = false;
  std::vector<std::string> tokens; // by id
  std::vector<Node> nodes;
  std::vector<Edge> edges; // those of a node are contiguous and sorted
};

/// Parses one Python string or bytes literal into its bytes; strict: what repr() writes, and nothing else. Throws
/// Error.
std::string parsePythonLiteral(std::string_view literal);

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_TOKENIZER_H
