/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A matrix instruction: the fragments of all lanes to matrices, a product, and
 * back. */
#include "emu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 32 * 32 }; /* elements of a matrix */

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

/* ---- what the instruction reads ------------------------------------------ */

/* The value as the instruction sees it; false if its register could not hold
 * it. */
static bool read_operand(int32_t operand, float *value) {
  uint32_t bits = bits_of(*value);
  switch (operand) {
  case RWKV_EMU_F32:
    return true;
  case RWKV_EMU_TF32: /* the low bits are not connected */
    *value = of_bits(bits & ~UINT32_C(0x1fff));
    return true;
  case RWKV_EMU_F16: {
    /* 11 significant bits, the last of them not below 2^-24. */
    float size = fabsf(*value);
    int exponent;
    (void)frexpf(size, &exponent);
    float unit = ldexpf(1.0f, exponent - 11 > -24 ? exponent - 11 : -24);
    return !isfinite(*value) ||
           (size <= 65504.0f && rintf(size / unit) * unit == size);
  }
  default:
    return false;
  }
}

/* ---- pairs of f16 -------------------------------------------------------- */

/* To nearest, ties to even. */
static uint32_t half_of(float value) {
  uint32_t sign = bits_of(value) >> 16 & 0x8000;
  float size = fabsf(value);
  if (isnan(value)) {
    return sign | 0x7fff;
  }
  if (size >= 65520.0f) {
    return sign | 0x7c00;
  }
  if (size < 0x1p-14f) { /* units of 2^-24; 1024 of them are 2^-14 */
    return sign | (uint32_t)rintf(size * 0x1p24f);
  }
  int exponent;
  float unit = ldexpf(frexpf(size, &exponent), 11); /* 1024 .. 2047 */
  /* A carry goes to the exponent. */
  return sign | (((uint32_t)(exponent + 13) << 10) + (uint32_t)rintf(unit));
}

static float of_half(uint32_t half) {
  int32_t exponent = half >> 10 & 31;
  float rest = (float)(half & 0x3ff), size;
  if (exponent == 31) {
    size = rest > 0 ? NAN : INFINITY;
  } else if (exponent == 0) {
    size = rest * 0x1p-24f;
  } else {
    size = ldexpf(rest + 1024, exponent - 25);
  }
  return half & 0x8000 ? -size : size;
}

uint32_t rwkvi_emu_pair(float low, float high) {
  return half_of(low) | half_of(high) << 16;
}

void rwkvi_emu_split(float *registers, int32_t count) {
  for (int32_t i = count - 1; i >= 0; --i) {
    uint32_t word = bits_of(registers[i]);
    registers[2 * i + 1] = of_half(word >> 16);
    registers[2 * i] = of_half(word & 0xffff);
  }
}

/* ---- fragments ----------------------------------------------------------- */

typedef struct place {
  int32_t row, column;
} place;

static place of_number(int32_t number, int32_t bits, const int32_t (*bases)[2],
                       place at) {
  for (int32_t i = 0; i < bits; ++i) {
    if (number >> i & 1) {
      at.row ^= bases[i][0];
      at.column ^= bases[i][1];
    }
  }
  return at;
}

/* Registers from `first` on to or from a matrix of so many columns. */
static void walk(const rwkv_emu_fragment *fragment, int32_t count,
                 rwkv_emu_lane *const *lanes, int32_t first, int32_t columns,
                 void (*visit)(float *reg, float *element), float *matrix) {
  for (int32_t lane = 0; lane < count; ++lane) {
    place own =
        of_number(lane, fragment->lane_bits, fragment->of_lane, (place){0, 0});
    for (int32_t r = 0; r < 1 << fragment->register_bits; ++r) {
      place at =
          of_number(r, fragment->register_bits, fragment->of_register, own);
      visit(&lanes[lane]->registers[first + r],
            &matrix[at.row * columns + at.column]);
    }
  }
}

static void gather(float *reg, float *element) { *element = *reg; }
static void scatter(float *reg, float *element) { *reg = *element; }

static bool fits(const rwkv_emu_product *p) {
  int32_t registers = (1 << p->a.register_bits) + (1 << p->b.register_bits) +
                      (1 << p->c.register_bits);
  return registers <= RWKV_EMU_REGISTERS && p->m * p->k <= MOST &&
         p->k * p->n <= MOST && p->m * p->n <= MOST;
}

bool rwkvi_emu_multiply(const rwkv_emu_product *p, rwkv_emu_lane *const *lanes,
                        char *message, size_t size) {
  static _Thread_local float a[MOST], b[MOST], c[MOST];
  if (!fits(p)) {
    snprintf(message, size, "a matrix instruction is too large: %d x %d x %d",
             p->m, p->n, p->k);
    return false;
  }
  int32_t of_b = 1 << p->a.register_bits,
          of_c = of_b + (1 << p->b.register_bits);
  for (int32_t i = 0; i < p->lanes; ++i) {
    for (int32_t r = 0; r < of_c; ++r) {
      float *value = &lanes[i]->registers[r];
      if (!read_operand(p->operand, value)) {
        snprintf(message, size,
                 "an operand of a matrix instruction has more bits than its "
                 "type: %a",
                 (double)*value);
        return false;
      }
    }
  }
  walk(&p->a, p->lanes, lanes, 0, p->k, gather, a);
  walk(&p->b, p->lanes, lanes, of_b, p->n, gather, b);
  walk(&p->c, p->lanes, lanes, of_c, p->n, gather, c);
  for (int32_t i = 0; i < p->m; ++i) {
    for (int32_t j = 0; j < p->n; ++j) {
      float sum = c[i * p->n + j];
      for (int32_t k = 0; k < p->k; ++k) {
        sum = fmaf(a[i * p->k + k], b[k * p->n + j], sum);
      }
      c[i * p->n + j] = sum;
    }
  }
  walk(&p->c, p->lanes, lanes, of_c, p->n, scatter, c);
  return true;
}
