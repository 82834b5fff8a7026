// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Sampler.h"
#include "rwkv-run/Support.h"

#include <algorithm>
#include <cmath>

namespace rwkv::run {

Random::Random(uint64_t seed) {
  for (uint64_t &word : state) {
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    word = z ^ z >> 31;
  }
}

uint64_t Random::next() {
  auto rotate = [](uint64_t x, int n) { return x << n | x >> (64 - n); };
  uint64_t result = rotate(state[1] * 5, 7) * 9, shifted = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotate(state[3], 45);
  return result;
}

void checkLogits(const float *logits, int64_t count, int64_t position) {
  bool finite = false;
  for (int64_t i = 0; i < count; ++i) {
    if (std::isnan(logits[i]) || logits[i] == HUGE_VALF) {
      throw Error(
          format("expected finite logits after position %lld, found %s for token %lld: the weights or the state "
                 "are not finite",
                 (long long)position, std::isnan(logits[i]) ? "NaN" : "infinity", (long long)i));
    }
    finite |= std::isfinite(logits[i]);
  }
  if (!finite) {
    throw Error(format("expected finite logits after position %lld, found none", (long long)position));
  }
}

Sampler::Sampler(double temperature, double topP, uint64_t seed) : temperature(temperature), topP(topP), random(seed) {}

int32_t Sampler::sample(const float *logits, int64_t count, const std::vector<char> &allowed) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; ++i) {
    if ((allowed.empty() || allowed[i]) && (best < 0 || logits[i] > logits[best])) {
      best = i;
    }
  }
  if (best < 0 || std::isinf(logits[best])) {
    throw Error("expected a finite logit for a token of the vocabulary, found none");
  }
  if (temperature == 0) {
    return static_cast<int32_t>(best);
  }

  candidates.clear();
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!allowed.empty() && !allowed[i]) {
      continue;
    }
    // The largest logit has weight 1, so nothing overflows however small the temperature is.
    double weight = std::exp((static_cast<double>(logits[i]) - static_cast<double>(logits[best])) / temperature);
    if (weight > 0) {
      candidates.push_back({static_cast<int32_t>(i), weight});
      sum += weight;
    }
  }
  if (topP < 1) {
    // Ties by token, so that the order, and with it the text, does not depend on the sort.
    std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
      return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
    });
    double kept = 0;
    size_t size = 0;
    do {
      kept += candidates[size++].weight;
    } while (size < candidates.size() && kept < topP * sum);
    candidates.resize(size);
    sum = kept;
  }
  double left = random.uniform() * sum;
  for (const Candidate &candidate : candidates) {
    left -= candidate.weight;
    if (left < 0) {
      return candidate.token;
    }
  }
  return candidates.back().token; // rounding in the sum
}

} // namespace rwkv::run
