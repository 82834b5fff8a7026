/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Kernels of lanes that run on a CPU, for tests (--target=emu-..): what the compiler's emulated targets and the
 * emulator (emu_lanes.c) both know. The code of a lane is called once per lane; what lanes do together it asks of the
 * emulator, through pointers that come with the call: the shared object needs no symbols.
 *
 * The parameters of a kernel are those of a GPU's (docs/Pack.md), 8 bytes each, one after the other.
 */
#ifndef RWKV_RT_EMU_KERNEL_H
#define RWKV_RT_EMU_KERNEL_H

#include <stdint.h>

enum {
  RWKV_EMU_REGISTERS = 256, /* of one product: those of A, B and C */
  RWKV_EMU_BITS = 8         /* of the number of a register, or of a lane of a warp */
};

/* What a matrix instruction takes the elements of A and B for. */
typedef enum rwkv_emu_operand { RWKV_EMU_F32, RWKV_EMU_TF32, RWKV_EMU_F16 } rwkv_emu_operand;

/* Which element a register of a lane holds: the xor of the (row, column) of the bits of both their numbers. */
typedef struct rwkv_emu_fragment {
  int32_t register_bits, lane_bits;
  int32_t of_register[RWKV_EMU_BITS][2], of_lane[RWKV_EMU_BITS][2];
} rwkv_emu_fragment;

/* C (m x n) += A (m x k) B (k x n), by the `lanes` lanes of a warp. C is f32. */
typedef struct rwkv_emu_product {
  int32_t lanes, m, n, k, operand;
  rwkv_emu_fragment a, b, c;
} rwkv_emu_product;

typedef struct rwkv_emu_lane rwkv_emu_lane;

typedef struct rwkv_emu_functions {
  /* All lanes of the task wait for each other. */
  void (*barrier)(rwkv_emu_lane *self);
  /* A meeting of `count` warps, at 8 bytes of shared memory, to which they come once per round. */
  void (*begin_meeting)(rwkv_emu_lane *self, void *place, int32_t count);
  void (*end_meeting)(rwkv_emu_lane *self, void *place);
  /* A warp, all of whose lanes call this, comes to a meeting, and goes on at once; its lanes have not waited either. */
  void (*arrive)(rwkv_emu_lane *self, void *place, int32_t warp);
  /* Waits until all warps have come for a round, from 0 on. */
  void (*await)(rwkv_emu_lane *self, void *place, int32_t round);
  /* For the lanes of a warp. */
  void (*warp_barrier)(rwkv_emu_lane *self, int32_t warp);
  /* The value of the lane whose number differs by the bits of `mask`. */
  uint32_t (*shuffle)(rwkv_emu_lane *self, uint32_t value, int32_t mask, int32_t warp);
  float (*exp2)(rwkv_emu_lane *self, float value);
  /* Registers of A, B and C follow each other in self->registers, each an f32; the result takes C's place. */
  void (*product)(rwkv_emu_lane *self, const rwkv_emu_product *product);
  /* Two f16 in a word, the first of them below: to nearest. */
  uint32_t (*pair)(rwkv_emu_lane *self, float low, float high);
  /* The first `count` registers, pairs, become twice as many f32. */
  void (*split)(rwkv_emu_lane *self, int32_t count);
  /* `count` blocks of 8 x 8 elements of 16 bits: lane i gives row i % 8 of block i / 8, 16 bytes, and gets the elements
   * 2 (i % 4) and the next one of row i / 4, or of that column, in self->registers, one for each block. */
  void (*blocks)(rwkv_emu_lane *self, const void *row, int32_t count, int32_t turned, int32_t warp);
  /* Comes before loads and stores of memory that lanes of a task may share. */
  void (*access)(rwkv_emu_lane *self, const void *memory, int32_t bytes, int32_t writes);
} rwkv_emu_functions;

/* What the code of a lane may read. */
struct rwkv_emu_lane {
  const rwkv_emu_functions *functions;
  void *shared;       /* memory of the task */
  int32_t lane, task; /* its number in the task, and the task's in the grid */
  float registers[RWKV_EMU_REGISTERS];
};

typedef void (*rwkv_emu_kernel)(rwkv_emu_lane *self, const uint64_t *parameters);

#endif /* RWKV_RT_EMU_KERNEL_H */
