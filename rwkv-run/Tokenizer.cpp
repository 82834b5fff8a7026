// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Tokenizer.h"
#include "rwkv-run/Support.h"

#include <algorithm>
#include <charconv>

namespace rwkv::run {

namespace {

// Far above any vocabulary; bounds the table that a hostile file can ask for.
constexpr int64_t maxTokens = 1 << 20;
constexpr uint64_t maxFile = 256u << 20;

void appendUtf8(std::string &out, uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
  } else if (point < 0x10000) {
    out += {static_cast<char>(0xe0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3f)),
            static_cast<char>(0x80 | (point & 0x3f))};
  } else {
    out += {static_cast<char>(0xf0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 0x3f)),
            static_cast<char>(0x80 | (point >> 6 & 0x3f)), static_cast<char>(0x80 | (point & 0x3f))};
  }
}

/// Takes one escape sequence, after the backslash, from the front of `text`.
void parseEscape(std::string_view &text, bool isBytes, std::string &out) {
  static constexpr std::string_view names("\\'\"nrtabfv"), values("\\'\"\n\r\t\a\b\f\v");
  char kind = text.empty() ? '\0' : text[0];
  size_t simple = text.empty() ? std::string_view::npos : names.find(kind);
  if (simple != std::string_view::npos) {
    out += values[simple];
    text.remove_prefix(1);
    return;
  }
  size_t digits = kind == 'x' ? 2 : kind == 'u' && !isBytes ? 4 : kind == 'U' && !isBytes ? 8 : 0;
  if (digits == 0) {
    throw Error("unknown escape " + inQuotes("\\" + std::string(text.substr(0, 1))));
  }
  uint32_t value = 0;
  std::string_view number = text.substr(1, digits);
  auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value, 16);
  if (number.size() != digits || error != std::errc() || stop != number.data() + digits) {
    throw Error(format("expected %zu hexadecimal digits after \\%c, found %s", digits, kind, inQuotes(number).c_str()));
  }
  text.remove_prefix(1 + digits);
  if (isBytes) {
    out += static_cast<char>(value);
    return;
  }
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    throw Error(format("expected a Unicode scalar value, found U+%04X", value));
  }
  appendUtf8(out, value);
}

template <typename T> bool parseNumber(std::string_view text, T &value) {
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size();
}

struct Entry {
  int64_t id;
  std::string bytes;
};

Entry parseLine(std::string_view line) {
  size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    throw Error("expected `id literal length`, found " + inQuotes(line));
  }
  Entry entry{0, {}};
  if (!parseNumber(line.substr(0, first), entry.id) || entry.id < 1 || entry.id >= maxTokens) {
    throw Error(format("expected an id from 1 to %lld, found %s", (long long)maxTokens - 1,
                       inQuotes(line.substr(0, first)).c_str()));
  }
  uint64_t length = 0;
  if (!parseNumber(line.substr(last + 1), length)) {
    throw Error("expected a number of bytes, found " + inQuotes(line.substr(last + 1)));
  }
  entry.bytes = parsePythonLiteral(line.substr(first + 1, last - first - 1));
  if (entry.bytes.empty()) {
    throw Error("expected at least one byte, found an empty literal");
  }
  if (entry.bytes.size() != length) {
    throw Error(format("expected %llu bytes, as the line says, found %zu in the literal", (unsigned long long)length,
                       entry.bytes.size()));
  }
  return entry;
}

} // namespace

std::string parsePythonLiteral(std::string_view literal) {
  bool isBytes = literal.substr(0, 1) == "b";
  std::string_view text = literal.substr(isBytes ? 1 : 0);
  if (text.size() < 2 || (text[0] != '\'' && text[0] != '"') || text.back() != text[0]) {
    throw Error("expected a literal '..' or b'..', found " + inQuotes(literal));
  }
  char quote = text[0];
  text = text.substr(1, text.size() - 2);
  std::string out;
  while (!text.empty()) {
    unsigned char c = static_cast<unsigned char>(text[0]);
    if (c == '\\') {
      text.remove_prefix(1);
      parseEscape(text, isBytes, out);
      continue;
    }
    int length = isBytes && c >= 0x80 ? 0 : utf8Length(text);
    if (length <= 0 || c < 0x20 || c == 0x7f || text[0] == quote) {
      throw Error(format("expected %s, found %s", isBytes ? "ASCII text or an escape" : "UTF-8 text or an escape",
                         inQuotes(text.substr(0, 1)).c_str()));
    }
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

Tokenizer Tokenizer::bytes() {
  Tokenizer result;
  for (int i = 0; i < 256; ++i) {
    result.tokens.push_back(std::string(1, static_cast<char>(i)));
  }
  result.buildTrie();
  return result;
}

Tokenizer Tokenizer::parse(std::string_view text, const std::string &name) {
  Tokenizer result;
  result.file = name;
  result.end = true;
  result.tokens.resize(1);
  for (size_t number = 1; !text.empty(); ++number) {
    size_t stop = text.find('\n');
    std::string_view line = text.substr(0, stop);
    text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    try {
      Entry entry = parseLine(line);
      if (entry.id >= result.size()) {
        result.tokens.resize(entry.id + 1);
      }
      if (!result.tokens[entry.id].empty()) {
        throw Error(format("a second token %lld", (long long)entry.id));
      }
      result.tokens[entry.id] = std::move(entry.bytes);
    } catch (const Error &error) {
      throw Error(format("%s:%zu: %s", name.c_str(), number, error.what()));
    }
  }
  if (result.size() == 1) {
    throw Error(name + ": expected a vocabulary, lines of `id literal length`, found none");
  }
  result.buildTrie();
  return result;
}

Tokenizer Tokenizer::load(const std::string &path) { return parse(readFile(path, maxFile), path); }

Tokenizer Tokenizer::forModel(const std::string &option, int64_t vocabulary) {
  if (option.empty() && vocabulary != 256) {
    throw Error(
        format("the model has %lld tokens, so they are not bytes: expected --tokenizer FILE, a vocabulary in the "
               "format of RWKV World, found none",
               (long long)vocabulary));
  }
  Tokenizer result = option.empty() || option == "bytes" ? bytes() : load(option);
  if (result.size() > vocabulary) {
    throw Error(
        format("--tokenizer %s: expected tokens below %lld, the size of the model's vocabulary, found token %lld",
               result.file.c_str(), (long long)vocabulary, (long long)result.size() - 1));
  }
  return result;
}

void Tokenizer::buildTrie() {
  std::vector<int32_t> order;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) {
      order.push_back(static_cast<int32_t>(id));
    }
  }
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });

  // Breadth first over ranges of sorted tokens that share a prefix: the edges of a node come out contiguous and sorted.
  struct Range {
    uint32_t node;
    size_t begin, end, depth;
  };
  std::vector<Range> work{{0, 0, order.size(), 0}};
  nodes.assign(1, Node());
  edges.clear();
  for (size_t next = 0; next < work.size(); ++next) {
    Range range = work[next];
    size_t i = range.begin;
    nodes[range.node].firstEdge = static_cast<uint32_t>(edges.size());
    for (; i < range.end && tokens[order[i]].size() == range.depth; ++i) {
      if (nodes[range.node].token >= 0) {
        throw Error(format("%s: expected different tokens, found %s as tokens %d and %d", file.c_str(),
                           inQuotes(tokens[order[i]]).c_str(), nodes[range.node].token, order[i]));
      }
      nodes[range.node].token = order[i];
    }
    while (i < range.end) {
      char byte = tokens[order[i]][range.depth];
      size_t stop = i + 1;
      while (stop < range.end && tokens[order[stop]][range.depth] == byte) {
        ++stop;
      }
      uint32_t child = static_cast<uint32_t>(nodes.size());
      nodes.emplace_back();
      edges.push_back({static_cast<unsigned char>(byte), child});
      work.push_back({child, i, stop, range.depth + 1});
      i = stop;
    }
    nodes[range.node].edgeCount = static_cast<uint32_t>(edges.size()) - nodes[range.node].firstEdge;
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> result;
  size_t at = 0;
  while (at < text.size()) {
    uint32_t node = 0;
    int32_t token = -1;
    size_t next = at;
    for (size_t i = at; i < text.size(); ++i) {
      unsigned char byte = static_cast<unsigned char>(text[i]);
      auto begin = edges.begin() + nodes[node].firstEdge, stop = begin + nodes[node].edgeCount;
      auto edge = std::lower_bound(begin, stop, byte, [](const Edge &e, unsigned char b) { return e.byte < b; });
      if (edge == stop || edge->byte != byte) {
        break;
      }
      node = edge->node;
      if (nodes[node].token >= 0) {
        token = nodes[node].token;
        next = i + 1;
      }
    }
    if (token < 0) {
      throw Error(format("%s: expected a token for byte 0x%02x at offset %zu of the text, found none", file.c_str(),
                         static_cast<unsigned char>(text[at]), at));
    }
    result.push_back(token);
    at = next;
  }
  return result;
}

std::string_view Tokenizer::decode(int32_t id) const {
  return id >= 0 && id < size() ? std::string_view(tokens[id]) : std::string_view();
}

} // namespace rwkv::run
