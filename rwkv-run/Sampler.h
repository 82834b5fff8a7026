// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Choosing the next token from logits.
#ifndef RWKV_RWKV_RUN_SAMPLER_H
#define RWKV_RWKV_RUN_SAMPLER_H

#include <cstdint>
#include <vector>

namespace rwkv::run {

/// xoshiro256** seeded by splitmix64 (public domain algorithms by Blackman and Vigna). Written out, because the
/// standard library's distributions differ between implementations: a seed gives the same text everywhere.
class Random {
public:
  explicit Random(uint64_t seed);
  uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
  uint64_t state[4];
};

/// Throws Error unless logits can be sampled from: no NaN, no +inf, at least one finite. `position` is that of the
/// token that they follow, for the message.
void checkLogits(const float *logits, int64_t count, int64_t position);

class Sampler {
public:
  /// `temperature` 0: the largest logit, the first of equal ones. Otherwise softmax(logits / temperature), cut to the
  /// fewest most likely tokens whose probabilities sum to at least `topP`.
  Sampler(double temperature, double topP, uint64_t seed);

  /// Tokens whose `allowed` is 0 are never chosen; empty: all are allowed. The logits have passed checkLogits.
  int32_t sample(const float *logits, int64_t count, const std::vector<char> &allowed = {});

private:
  struct Candidate {
    int32_t token;
    double weight;
  };
  double temperature, topP;
  Random random;
  std::vector<Candidate> candidates;
};

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_SAMPLER_H
