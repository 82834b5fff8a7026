/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Continues a text with a model of bytes (token = byte), using the runtime alone: no compiler, no C++.
 *
 *   rwkv-opt rwkv7.mlir --emit=pack --checkpoint models/rwkv7-small.safetensors -o small.pack
 *   cc -O2 generate.c $(pkg-config --cflags --libs rwkv_rt) -o generate
 *   ./generate small.pack models/rwkv7-small.safetensors 'And the king said unto' 80
 */
#include <rwkv_rt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rwkv_runtime *rt;

static void check(rwkv_status status) {
  if (status != RWKV_OK) {
    fprintf(stderr, "generate: %s\n", rt ? rwkv_message(rt) : rwkv_status_name(status));
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 5 || !argv[3][0]) {
    fprintf(stderr, "usage: generate PACK CHECKPOINT PROMPT TOKENS\n");
    return 2;
  }
  const char *prompt = argv[3];
  int64_t length = (int64_t)strlen(prompt);

  rwkv_pack *pack;
  rwkv_checkpoint *weights;
  rwkv_model *model;
  rwkv_state *state;
  check(rwkv_runtime_create(NULL, &rt)); /* the host, all its CPUs */
  check(rwkv_pack_open(rt, argv[1], &pack));
  check(rwkv_checkpoint_open(rt, argv[2], &weights));
  check(rwkv_model_bind(rt, pack, weights, NULL, &model));
  check(rwkv_state_create(model, 1, &state)); /* one sequence, all zeros */

  int64_t vocab = rwkv_model_vocab(model);
  float *logits = malloc((size_t)vocab * sizeof *logits);
  int32_t *tokens = malloc((size_t)(length + 1) * sizeof *tokens);
  if (!logits || !tokens)
    return 1;
  for (int64_t i = 0; i < length; ++i)
    tokens[i] = (unsigned char)prompt[i];
  check(rwkv_prefill(model, state, tokens, &length, logits));
  for (int n = atoi(argv[4]); n > 0; --n) {
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; ++i)
      best = logits[i] > logits[best] ? i : best;
    putchar(best);
    fflush(stdout);
    check(rwkv_decode(model, state, &best, logits));
  }
  putchar('\n');
  return 0; /* the process ends here: no handle needs to be destroyed */
}
