// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-run generate
#include "rwkv-run/Model.h"
#include "rwkv-run/Sampler.h"
#include "rwkv-run/TextStream.h"
#include "rwkv-run/Tokenizer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <unistd.h>

namespace rwkv::run {

namespace {

constexpr uint64_t maxPrompt = uint64_t(1) << 30;

/// The tokens of the prompt; never empty.
std::vector<int32_t> encodePrompt(const GenerateOptions &options, const std::string &prompt,
                                  const Tokenizer &tokenizer) {
  std::vector<int32_t> tokens = tokenizer.encode(prompt);
  if (tokens.empty() && options.stateIn.empty() && tokenizer.hasEnd()) {
    tokens.push_back(0); // what the World models saw before the first token of a text
  }
  if (tokens.empty()) {
    throw Error("expected a prompt of at least one token (--prompt or --prompt-file), found none");
  }
  return tokens;
}

void writeOut(std::string_view text, bool &endsLine) {
  if (fwrite(text.data(), 1, text.size(), stdout) != text.size() || fflush(stdout) != 0) {
    throw Error(format("standard output: cannot be written: %s", strerror(errno)));
  }
  endsLine = text.back() == '\n';
}

uint64_t randomSeed() {
  std::random_device device;
  return uint64_t(device()) << 32 | device();
}

void prefill(const Model &model, rwkv_state *state, const std::vector<int32_t> &tokens, std::vector<float> &logits,
             Log &log) {
  int64_t count = static_cast<int64_t>(tokens.size());
  for (int64_t done = 0; done < count;) {
    if (count > pieceLength) {
      log.progress(format("prompt: %lld of %lld tokens", (long long)done, (long long)count));
    }
    int64_t length = std::min(pieceLength, count - done);
    check(model.rt.get(), rwkv_prefill(model.handle.get(), state, tokens.data() + done, &length, logits.data()));
    done += length;
  }
  log.clear();
}

} // namespace

void runGenerate(const GenerateOptions &options) {
  Log log(options.quiet, options.progress);
  // Before the model is compiled, so that a wrong path is found at once.
  std::string prompt = !options.promptFile.empty() ? readFile(options.promptFile, maxPrompt, true)
                                                   : options.prompt.value_or(std::string());
  Model model = loadModel(options, options.checkpoint, log);
  rwkv_runtime *rt = model.rt.get();
  Tokenizer tokenizer = Tokenizer::forModel(options.tokenizer, model.vocabulary);
  std::vector<int32_t> tokens = encodePrompt(options, prompt, tokenizer);

  StateHandle state = model.createState();
  if (!options.stateIn.empty()) {
    check(rt, rwkv_state_load(state.get(), options.stateIn.c_str()));
  }
  std::vector<float> logits(model.vocabulary);
  prefill(model, state.get(), tokens, logits, log);

  // Ids that pad the vocabulary have no text and are never chosen.
  std::vector<char> allowed(model.vocabulary, 0);
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    int32_t token = static_cast<int32_t>(id);
    allowed[id] = tokenizer.isEnd(token) || !tokenizer.decode(token).empty();
  }
  bool greedy = options.temperature == 0, wantSeed = !options.seed && !greedy && options.tokens > 0;
  uint64_t seed = wantSeed ? randomSeed() : options.seed.value_or(0);
  if (wantSeed) {
    log.note(format("seed %llu", (unsigned long long)seed));
  }
  Sampler sampler(options.temperature, options.topP, seed);
  bool endsLine = true;
  TextStream stream(options.stops, [&](std::string_view text) { writeOut(text, endsLine); });
  for (int64_t made = 0; made < options.tokens; ++made) {
    checkLogits(logits.data(), model.vocabulary, rwkv_state_position(state.get(), 0) - 1);
    int32_t token = sampler.sample(logits.data(), model.vocabulary, allowed);
    if (tokenizer.isEnd(token)) {
      break;
    }
    bool last = stream.push(tokenizer.decode(token)) || made + 1 == options.tokens;
    if (!last || !options.stateOut.empty()) {
      check(rt, rwkv_decode(model.handle.get(), state.get(), &token, logits.data()));
    }
    if (last) {
      break;
    }
  }
  stream.finish();
  if (!endsLine && isatty(STDOUT_FILENO) == 1) {
    writeOut("\n", endsLine);
  }
  if (!options.stateOut.empty()) {
    check(rt, rwkv_state_save(state.get(), options.stateOut.c_str()));
  }
}

} // namespace rwkv::run
