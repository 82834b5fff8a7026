// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/TextStream.h"
#include "rwkv-run/Support.h"

#include <algorithm>

namespace rwkv::run {

/// Where an incomplete UTF-8 sequence at the end of `text` starts; its size if there is none.
static size_t completePrefix(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    size_t start = text.size() - back;
    if ((static_cast<unsigned char>(text[start]) & 0xc0) != 0x80) { // the first byte of a sequence
      return utf8Length(text.substr(start)) < 0 ? start : text.size();
    }
  }
  return text.size();
}

void TextStream::write(size_t count) {
  if (count > 0) {
    writer(std::string_view(held).substr(0, count));
    held.erase(0, count);
  }
}

bool TextStream::push(std::string_view bytes) {
  held += bytes;
  size_t found = std::string::npos;
  for (const std::string &stop : stops) {
    found = std::min(found, held.find(stop));
  }
  if (found != std::string::npos) {
    write(found);
    held.clear();
    return true;
  }
  size_t safe = held.size();
  for (const std::string &stop : stops) {
    for (size_t length = std::min(stop.size() - 1, held.size()); length > 0; --length) {
      if (std::string_view(held).substr(held.size() - length) == std::string_view(stop).substr(0, length)) {
        safe = std::min(safe, held.size() - length);
        break;
      }
    }
  }
  write(completePrefix(std::string_view(held).substr(0, safe)));
  return false;
}

void TextStream::finish() { write(held.size()); }

} // namespace rwkv::run
