/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A byte model small enough to know its answers: the logits after a token are a row of a table, plus, for token 0, the
 * number of tokens so far, which is the state. */
#include "runtime/rwkv_rt_pack.h"

#define V 256

static void row(const float *table, int32_t token, float state, float *logits) {
  for (int i = 0; i < V; ++i) {
    logits[i] = table[token * V + i];
  }
  logits[0] += state;
}

/* Buffers: tokens [1, T], offsets [S + 1], table [V, V], state in [S], logits [S, V], state out [S]. */
void bigram_prefill(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const int32_t *tokens = args->buffers[0], *offsets = args->buffers[1];
  const float *in = args->buffers[3];
  float *logits = args->buffers[4], *out = args->buffers[5];
  for (int64_t s = begin; s < end; ++s) {
    out[s] = in[s] + (float)(offsets[s + 1] - offsets[s]);
    if (offsets[s + 1] > offsets[s]) {
      row(args->buffers[2], tokens[offsets[s + 1] - 1], out[s], logits + s * V);
    }
  }
}

/* As above with logits [1, T, V]. */
void bigram_forward(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const int32_t *tokens = args->buffers[0], *offsets = args->buffers[1];
  const float *in = args->buffers[3];
  float *logits = args->buffers[4], *out = args->buffers[5];
  for (int64_t s = begin; s < end; ++s) {
    out[s] = in[s];
    for (int32_t t = offsets[s]; t < offsets[s + 1]; ++t) {
      out[s] += 1;
      row(args->buffers[2], tokens[t], out[s], logits + (int64_t)t * V);
    }
  }
}
