// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text on its way out: cut at stop texts, and only in whole characters.
#ifndef RWKV_RWKV_RUN_TEXTSTREAM_H
#define RWKV_RWKV_RUN_TEXTSTREAM_H

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::run {

class TextStream {
public:
  using Writer = std::function<void(std::string_view)>;

  TextStream(std::vector<std::string> stops, Writer writer) : stops(std::move(stops)), writer(std::move(writer)) {}

  /// Adds bytes and writes those that can be written: held back are what may become a stop text, and an incomplete
  /// UTF-8 sequence at the end. True once a stop text was found; the text before it has then been written.
  bool push(std::string_view bytes);
  /// Writes what is held back, as it is.
  void finish();

private:
  void write(size_t count);

  std::vector<std::string> stops;
  Writer writer;
  std::string held;
};

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_TEXTSTREAM_H
