// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels as a compiler would emit them, for a toy recurrent model of D = 4,
// V = 8, and for tests of plans and threads.
#include "runtime/rwkv_rt_pack.h"

#define KERNEL __attribute__((visibility("default"))) void
enum { D = 4, V = 8 };

// tokens [B, T], emb [V, D] -> x [T, D]; task = token
KERNEL embed(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const int32_t *tokens = args->buffers[0];
  const float *emb = args->buffers[1];
  float *x = args->buffers[2];
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t d = 0; d < D; ++d) {
      x[t * D + d] = emb[tokens[t] * D + d];
    }
  }
}

// x [T, D], w [D], offsets [S+1], a [S, D] -> y [T, D], a' [S, D]; task =
// sequence: a = w * a + x, y = a; |y| <= 1000 is an asserted bound.
KERNEL layer(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const float *x = args->buffers[0], *w = args->buffers[1];
  const int32_t *offsets = args->buffers[2];
  const float *a = args->buffers[3];
  float *y = args->buffers[4], *out = args->buffers[5];
  for (int64_t s = begin; s < end; ++s) {
    for (int64_t d = 0; d < D; ++d) {
      float state = a[s * D + d];
      for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
        state = w[d] * state + x[t * D + d];
        y[t * D + d] = state;
        if (state > 1000.0f) {
          *args->status |= RWKV_KERNEL_BOUND;
        }
      }
      out[s * D + d] = state;
    }
  }
}

// offsets, count [S] -> count' [S]; task = sequence
KERNEL count(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const int32_t *offsets = args->buffers[0];
  const int32_t *in = args->buffers[1];
  int32_t *out = args->buffers[2];
  for (int64_t s = begin; s < end; ++s) {
    out[s] = in[s] + offsets[s + 1] - offsets[s];
  }
}

static void project(const float *x, const float *emb, float *logits) {
  for (int64_t v = 0; v < V; ++v) {
    float sum = 0;
    for (int64_t d = 0; d < D; ++d) {
      sum += x[d] * emb[v * D + d];
    }
    logits[v] = sum;
  }
}

// x [T, D], emb -> logits [T, V]; task = token
KERNEL head(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    project((const float *)args->buffers[0] + t * D, args->buffers[1],
            (float *)args->buffers[2] + t * V);
  }
}

// x [T, D], emb, offsets -> logits [S, V]; task = sequence
KERNEL last(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  const int32_t *offsets = args->buffers[2];
  for (int64_t s = begin; s < end; ++s) {
    if (offsets[s] < offsets[s + 1]) {
      project((const float *)args->buffers[0] + (offsets[s + 1] - 1) * D,
              args->buffers[1], (float *)args->buffers[3] + s * V);
    }
  }
}

// out i64 [n]: the addresses of the other buffers; one task
KERNEL addresses1(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  ((int64_t *)args->buffers[0])[0] = (int64_t)args->buffers[1];
}

// out f32 [n] += buffers[1] f32 [n]; task = element
KERNEL accumulate(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    ((float *)args->buffers[0])[i] += ((const float *)args->buffers[1])[i];
  }
}

// out f32 [T] = T * 100 + l; task = element
KERNEL layer_index(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    ((float *)args->buffers[0])[i] =
        (float)(args->sizes[RWKV_SIZE_T] * 100 + args->sizes[RWKV_SIZE_L]);
  }
}

// in f32 [T] -> out f32 [T], through 4 KiB of scratch that other threads must
// not touch meanwhile; task = element
KERNEL through_scratch(const rwkv_kernel_args *args, int64_t begin,
                       int64_t end) {
  volatile float *scratch = args->scratch;
  if ((uintptr_t)args->scratch % 64 != 0) {
    *args->status |= 2;
  }
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < 1024; ++j) {
      scratch[j] = ((const float *)args->buffers[0])[i] + (float)j;
    }
    float sum = 0;
    for (int64_t j = 0; j < 1024; ++j) {
      sum += scratch[j] * 0.37f;
    }
    ((float *)args->buffers[1])[i] = sum;
  }
}

// met i32 [2]: two tasks that wait for each other, or give up after seconds.
KERNEL meet(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  int32_t *met = args->buffers[0];
  for (int64_t i = begin; i < end; ++i) {
    __atomic_store_n(&met[i], 1, __ATOMIC_SEQ_CST);
    for (int64_t spins = 0; spins < 1000000000; ++spins) {
      if (__atomic_load_n(&met[1 - i], __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&met[i], 2, __ATOMIC_SEQ_CST);
        break;
      }
    }
  }
}

// met i32 [2]: the second of the two alone, for a launch beside meet with one
// task.
KERNEL meet_second(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  int32_t *met = args->buffers[0];
  for (int64_t i = begin; i < end; ++i) {
    __atomic_store_n(&met[1], 1, __ATOMIC_SEQ_CST);
    for (int64_t spins = 0; spins < 1000000000; ++spins) {
      if (__atomic_load_n(&met[0], __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&met[1], 2, __ATOMIC_SEQ_CST);
        break;
      }
    }
  }
}

// A task whose element is n > 0 sets bit n - 1 of the status.
KERNEL flag(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    int bit = (int)((const float *)args->buffers[0])[i] - 1;
    if (bit >= 0) {
      *args->status |= 1 << bit;
    }
  }
}

// out f32 [n]: which object this is
KERNEL which(const rwkv_kernel_args *args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    ((float *)args->buffers[0])[i] = 1.0f;
  }
}
