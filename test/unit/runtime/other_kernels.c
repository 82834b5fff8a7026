// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A second object with a symbol of the first.
#include "runtime/rwkv_rt_pack.h"

__attribute__((visibility("default"))) void which(const rwkv_kernel_args *args,
                                                  int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    ((float *)args->buffers[0])[i] = 2.0f;
  }
}
