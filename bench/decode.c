/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Measures one pack with one checkpoint: tokens per second of decode and of prefill, resident memory, and, in the same run,
 * how fast this machine reads memory with the same number of threads. Prints one JSON object.
 *
 *   decode PACK CHECKPOINT THREADS DECODE_TOKENS PROMPT_TOKENS REPEATS
 *
 * Each figure has one warm-up and REPEATS timed runs. A decode step reads every weight once, except the embedding table, of
 * which it reads one row: share_of_ceiling is weight bytes per second over the read ceiling.
 */
#include <rwkv_rt.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static rwkv_runtime *rt;

static void check(rwkv_status status) {
  if (status != RWKV_OK) {
    fprintf(stderr, "decode: %s\n", rt ? rwkv_message(rt) : rwkv_status_name(status));
    exit(1);
  }
}

static void *must(void *pointer) {
  if (!pointer) {
    fprintf(stderr, "decode: out of memory\n");
    exit(1);
  }
  return pointer;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the ceiling: every thread reads its part of a buffer as 8 streams side by side ------------------------------- */

enum { STREAMS = 8, MAX_THREADS = 256 };
static const size_t BUFFER = (size_t)1 << 30;

typedef uint64_t vec __attribute__((vector_size(64)));

typedef struct {
  const vec *data;
  size_t count; /* vectors of each stream */
  pthread_barrier_t *start;
  uint64_t sum;
} reader;

static void *readAll(void *argument) {
  reader *r = argument;
  pthread_barrier_wait(r->start);
  vec sums[STREAMS] = {0};
  for (size_t i = 0; i < r->count; ++i) {
    for (int s = 0; s < STREAMS; ++s) {
      sums[s] ^= r->data[(size_t)s * r->count + i];
    }
  }
  for (int s = 0; s < STREAMS; ++s) {
    for (int k = 0; k < 8; ++k) {
      r->sum ^= sums[s][k];
    }
  }
  return NULL;
}

/* Bytes per second, the best of 5. */
static double readCeiling(int threads) {
  char *buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) {
    must(NULL);
  }
  memset(buffer, 1, BUFFER);
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    pthread_t ids[MAX_THREADS];
    reader readers[MAX_THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    size_t count = BUFFER / sizeof(vec) / STREAMS / (size_t)threads;
    for (int i = 0; i < threads; ++i) {
      readers[i] = (reader){(const vec *)(const void *)buffer + (size_t)i * count * STREAMS, count, &start, 0};
      if (pthread_create(&ids[i], NULL, readAll, &readers[i]) != 0) {
        must(NULL);
      }
    }
    pthread_barrier_wait(&start);
    double begin = now();
    for (int i = 0; i < threads; ++i) {
      pthread_join(ids[i], NULL);
    }
    double bytes = (double)count * sizeof(vec) * STREAMS * threads, rate = bytes / (now() - begin);
    best = rate > best ? rate : best;
    pthread_barrier_destroy(&start);
  }
  munmap(buffer, BUFFER);
  return best;
}

/* ---- statistics ---------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* A line of /proc/self/status, in bytes. */
static long long memory(const char *name) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long long kib = 0;
  size_t length = strlen(name);
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, length) == 0 && line[length] == ':') {
      kib = atoll(line + length + 1);
    }
  }
  if (file) {
    fclose(file);
  }
  return kib * 1024;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: decode PACK CHECKPOINT THREADS DECODE_TOKENS PROMPT_TOKENS REPEATS\n");
    return 2;
  }
  int threads = atoi(argv[3]), repeats = atoi(argv[6]);
  int64_t steps = atoll(argv[4]), prompt = atoll(argv[5]);
  if (threads < 1 || threads > MAX_THREADS || repeats < 1 || steps < 1 || prompt < 1) {
    fprintf(stderr, "decode: expected numbers above 0, and at most %d threads\n", MAX_THREADS);
    return 2;
  }

  rwkv_pack *pack;
  rwkv_checkpoint *weights;
  rwkv_model *model;
  rwkv_state *state;
  rwkv_runtime_options options = {.threads = threads};
  check(rwkv_runtime_create(&options, &rt));
  check(rwkv_pack_open(rt, argv[1], &pack));
  check(rwkv_checkpoint_open(rt, argv[2], &weights));
  check(rwkv_model_bind(rt, pack, weights, NULL, &model));
  check(rwkv_state_create(model, 1, &state));

  double weightBytes = 0;
  for (int64_t i = 0; i < rwkv_checkpoint_count(weights); ++i) {
    const char *name;
    rwkv_array array;
    check(rwkv_checkpoint_at(weights, i, &name, &array));
    double bytes = (double)rwkv_dtype_size(array.dtype);
    for (int32_t k = 0; k < array.rank; ++k) {
      bytes *= (double)array.shape[k];
    }
    weightBytes += strcmp(name, "emb.weight") == 0 ? 0 : bytes;
  }

  int64_t vocab = rwkv_model_vocab(model), most = prompt > steps ? prompt : steps;
  float *logits = must(malloc((size_t)vocab * sizeof *logits));
  int32_t *tokens = must(malloc((size_t)most * sizeof *tokens));
  uint64_t random = 1;
  for (int64_t i = 0; i < most; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    tokens[i] = (int32_t)((random >> 33) % (uint64_t)vocab);
  }
  double *decode = must(malloc((size_t)repeats * sizeof *decode)), *prefill = must(malloc((size_t)repeats * sizeof *prefill));

  double ceiling = readCeiling(threads);
  for (int run = -1; run < repeats; ++run) { /* -1: warm-up */
    double begin = now();
    for (int64_t i = 0; i < steps; ++i) {
      check(rwkv_decode(model, state, &tokens[i], logits));
    }
    if (run >= 0) {
      decode[run] = (double)steps / (now() - begin);
    }
  }
  long long decodeRss = memory("VmRSS");
  double again = readCeiling(threads);
  ceiling = again > ceiling ? again : ceiling;
  for (int run = -1; run < repeats; ++run) {
    check(rwkv_state_reset(state, 0));
    double begin = now();
    check(rwkv_prefill(model, state, tokens, &prompt, logits));
    if (run >= 0) {
      prefill[run] = (double)prompt / (now() - begin);
    }
  }
  for (int64_t i = 0; i < vocab; ++i) {
    if (!isfinite(logits[i])) {
      fprintf(stderr, "decode: logit %lld is %f\n", (long long)i, logits[i]);
      return 1;
    }
  }

  double rate = median(decode, repeats);
  printf("{\"threads\": %d, \"decode_tokens_per_s\": %.2f, \"decode_min\": %.2f, \"decode_max\": %.2f, ", threads, rate,
         decode[0], decode[repeats - 1]);
  double prefillRate = median(prefill, repeats);
  printf("\"prefill_tokens\": %lld, \"prefill_tokens_per_s\": %.1f, \"prefill_min\": %.1f, \"prefill_max\": %.1f, ",
         (long long)prompt, prefillRate, prefill[0], prefill[repeats - 1]);
  printf("\"weight_bytes_per_token\": %.0f, \"read_ceiling_bytes_per_s\": %.4g, \"share_of_ceiling\": %.3f, ", weightBytes,
         ceiling, rate * weightBytes / ceiling);
  printf("\"rss_bytes_decode\": %lld, \"rss_bytes\": %lld, \"anonymous_bytes\": %lld}\n", decodeRss, memory("VmRSS"),
         memory("RssAnon"));
  rwkv_state_destroy(state);
  rwkv_model_destroy(model);
  rwkv_checkpoint_close(weights);
  rwkv_pack_close(pack);
  rwkv_runtime_destroy(rt);
  return 0;
}
