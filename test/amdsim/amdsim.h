/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* AMD's machine code, executed on this CPU instruction by instruction: what the
 * device "amdsim" of the runtime's build for tests is made of. */
#ifndef RWKV_TEST_AMDSIM_H
#define RWKV_TEST_AMDSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct amdsim_code amdsim_code;     /* a loaded code object */
typedef struct amdsim_kernel amdsim_kernel; /* lives as long as its code */

/* NULL: the reason is in `message`. */
amdsim_code *amdsim_load(const void *file, size_t bytes, char *message,
                         size_t size);
void amdsim_unload(amdsim_code *code);
/* NULL if there is none of this name. */
const amdsim_kernel *amdsim_find(const amdsim_code *code, const char *name);

/* Memory that a kernel may access, but for what its lanes have themselves. */
typedef struct amdsim_region {
  const void *begin;
  int64_t bytes;
  const char *what; /* for messages */
} amdsim_region;

typedef struct amdsim_launch {
  const amdsim_kernel *kernel;
  const uint64_t *parameters;
  size_t parameter_count;
  const amdsim_region *regions;
  size_t region_count;
  int64_t groups;
  int64_t lanes;   /* of a group */
  int64_t local;   /* bytes of memory of a group, besides the kernel's own */
  int32_t threads; /* of this machine */
} amdsim_launch;

/* False: the reason is in `message`. */
bool amdsim_run(const amdsim_launch *launch, char *message, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* RWKV_TEST_AMDSIM_H */
