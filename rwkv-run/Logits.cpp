// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-run logits
#include "rwkv-run/Model.h"
#include "rwkv-run/Npy.h"
#include "rwkv-run/Sampler.h"
#include "rwkv-run/Tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

namespace rwkv::run {

namespace {

constexpr size_t shownLogits = 5;

std::vector<int32_t> readTokens(const LogitsOptions &options) {
  if (options.tokens) {
    return *options.tokens;
  }
  const std::string &file = options.tokensFile;
  std::string bytes = readFile(file, uint64_t(1) << 32, true);
  if (!isNpy(bytes)) {
    return parseTokenList(bytes, file);
  }
  Array array = convertArray(parseNpy(bytes, file), RWKV_I32, file);
  if (array.shape.size() != 1) {
    throw Error(format("%s: expected tokens in an array of rank 1, found rank %zu", file.c_str(), array.shape.size()));
  }
  std::vector<int32_t> tokens(array.count());
  if (!tokens.empty()) {
    memcpy(tokens.data(), array.data.data(), array.data.size());
  }
  return tokens;
}

void checkTokens(const std::vector<int32_t> &tokens, int64_t vocabulary) {
  if (tokens.empty()) {
    throw Error("expected at least one token, found none");
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocabulary) {
      throw Error(format("token %zu: expected 0 .. %lld, the model's vocabulary, found %d", i,
                         (long long)vocabulary - 1, tokens[i]));
    }
  }
}

void showLargest(const float *logits, int64_t count, int64_t position, const Tokenizer *tokenizer) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  size_t shown = std::min<size_t>(shownLogits, order.size());
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  printf("after position %lld\n", (long long)position);
  for (size_t i = 0; i < shown; ++i) {
    int32_t id = order[i];
    std::string text;
    if (tokenizer) {
      text = tokenizer->isEnd(id)            ? "  end of text"
             : tokenizer->decode(id).empty() ? ""
                                             : "  " + inQuotes(tokenizer->decode(id));
    }
    printf("%8d  %12.6f%s\n", id, logits[id], text.c_str());
  }
}

} // namespace

void runLogits(const LogitsOptions &options) {
  Log log(options.quiet, options.progress);
  std::vector<int32_t> tokens = readTokens(options);
  Model model = loadModel(options, options.checkpoint, log);
  int64_t vocabulary = model.vocabulary, count = static_cast<int64_t>(tokens.size());
  checkTokens(tokens, vocabulary);
  std::optional<Tokenizer> tokenizer;
  if (!options.tokenizer.empty() || vocabulary == 256) {
    tokenizer = Tokenizer::forModel(options.tokenizer, vocabulary);
  }

  std::optional<OutputFile> output;
  if (!options.output.empty()) {
    output.emplace(options.output);
    output->write(npyHeader(RWKV_F32, options.all ? std::vector<int64_t>{count, vocabulary} : std::vector{vocabulary}));
  }
  StateHandle state = model.createState();
  std::vector<float> logits(static_cast<size_t>(vocabulary) * (options.all ? std::min(pieceLength, count) : 1));
  for (int64_t done = 0; done < count;) {
    if (count > pieceLength) {
      log.progress(format("logits: %lld of %lld tokens", (long long)done, (long long)count));
    }
    int64_t length = std::min(pieceLength, count - done);
    auto run = options.all ? rwkv_score : rwkv_prefill;
    check(model.rt.get(), run(model.handle.get(), state.get(), tokens.data() + done, &length, logits.data()));
    done += length;
    if (!options.all && done < count) {
      continue;
    }
    int64_t rows = options.all ? length : 1;
    for (int64_t row = 0; row < rows; ++row) {
      const float *values = logits.data() + row * vocabulary;
      checkLogits(values, vocabulary, done - rows + row);
      if (output) {
        output->write({reinterpret_cast<const char *>(values), static_cast<size_t>(vocabulary) * sizeof(float)});
      } else {
        log.clear();
        showLargest(values, vocabulary, done - rows + row, tokenizer ? &*tokenizer : nullptr);
      }
    }
  }
  log.clear();
  if (output) {
    output->commit();
  }
}

} // namespace rwkv::run
