// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes fragments.txt: what matrix instructions make of random fragments on a device, for FragmentsTest.cpp. On a
// machine with a GPU of compute capability 8.0 or more (fragments.txt is an H100's):
//
//   nvcc -arch=native -o fragments fragments.cu && ./fragments > fragments.txt
//
// An instruction is a line `NAME LANES A B C`, the number of 32-bit registers that a lane has of each operand, then a
// line per lane: those of A, of B, of C, then of the result, in hexadecimal. `cvt.rna.tf32 N` has N pairs: a number,
// and it rounded to tf32.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define CHECK(call)                                                                                                    \
  do {                                                                                                                 \
    cudaError_t error = (call);                                                                                        \
    if (error != cudaSuccess) {                                                                                        \
      fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(error));                                                   \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

constexpr int kMostWords = 16; // of a lane: A, B, C and the result

enum Kind { F16_K16, F16_K8, TF32_K8 };

struct Row {
  const char *name;
  Kind kind;
  int lanes, a, b, c; // registers
};

const Row rows[] = {
    {"mma.m16n8k16.f16", F16_K16, 32, 4, 2, 4},
    {"mma.m16n8k8.f16", F16_K8, 32, 2, 1, 4},
    {"mma.m16n8k8.tf32", TF32_K8, 32, 4, 2, 4},
};

// Words of a lane follow each other.
__global__ void execute(Kind kind, int inputs, uint32_t *words) {
  uint32_t *w = words + threadIdx.x * kMostWords;
  float c[4], d[4];
  for (int i = 0; i < 4; ++i) {
    c[i] = __uint_as_float(w[inputs - 4 + i]);
  }
  switch (kind) {
  case F16_K16:
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%10,%11,%12,%13};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(w[4]), "r"(w[5]), "f"(c[0]), "f"(c[1]), "f"(c[2]),
                   "f"(c[3]));
    break;
  case F16_K8:
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%8,%9,%10};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(w[0]), "r"(w[1]), "r"(w[2]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
    break;
  case TF32_K8:
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%10,%11,%12,%13};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(w[4]), "r"(w[5]), "f"(c[0]), "f"(c[1]), "f"(c[2]),
                   "f"(c[3]));
    break;
  }
  for (int i = 0; i < 4; ++i) {
    w[inputs + i] = __float_as_uint(d[i]);
  }
}

__global__ void convert(const uint32_t *from, uint32_t *to) {
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(to[threadIdx.x]) : "f"(__uint_as_float(from[threadIdx.x])));
}

uint32_t nextRandom() {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}

/// A number of magnitude 1/8 to 4, all bits of its mantissa at random.
uint32_t randomNumber(int exponentBits, int mantissaBits) {
  uint32_t bias = (1u << (exponentBits - 1)) - 1, r = nextRandom();
  uint32_t exponent = bias - 3 + (r >> 24) % 5, sign = r >> 23 & 1;
  return sign << (exponentBits + mantissaBits) | exponent << mantissaBits | (nextRandom() & ((1u << mantissaBits) - 1));
}

uint32_t randomOperand(Kind kind) {
  if (kind == TF32_K8) {
    return randomNumber(8, 23);
  }
  uint32_t low = randomNumber(5, 10);
  return low | randomNumber(5, 10) << 16;
}

template <typename T> T *upload(const std::vector<T> &values) {
  T *memory;
  CHECK(cudaMalloc(&memory, values.size() * sizeof(T)));
  CHECK(cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return memory;
}

void print(const Row &row) {
  int inputs = row.a + row.b + row.c;
  std::vector<uint32_t> words(row.lanes * kMostWords);
  for (int lane = 0; lane < row.lanes; ++lane) {
    for (int i = 0; i < inputs; ++i) {
      words[lane * kMostWords + i] = i < row.a + row.b ? randomOperand(row.kind) : randomNumber(8, 23);
    }
  }
  uint32_t *memory = upload(words);
  execute<<<1, row.lanes>>>(row.kind, inputs, memory);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(words.data(), memory, words.size() * sizeof(uint32_t), cudaMemcpyDeviceToHost));
  CHECK(cudaFree(memory));
  printf("%s %d %d %d %d\n", row.name, row.lanes, row.a, row.b, row.c);
  for (int lane = 0; lane < row.lanes; ++lane) {
    for (int i = 0; i < inputs + row.c; ++i) {
      printf("%08x%c", words[lane * kMostWords + i], i == inputs + row.c - 1 ? '\n' : ' ');
    }
  }
}

void printConversions() {
  // Ties to both sides, what rounds to the next power of two and to infinity, infinities, NaNs, numbers near zero.
  std::vector<uint32_t> from = {0x3f800fff, 0x3f801000, 0x3f801001, 0x3f803000, 0xbf801000, 0x3ffff000, 0x7f7fffff,
                                0x7f7fefff, 0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffffffff, 0x7fffffff,
                                0x00000000, 0x80000000, 0x00000001, 0x00001000, 0x00800fff, 0x807ff000};
  while (from.size() < 64) {
    from.push_back(nextRandom());
  }
  uint32_t *memory = upload(from), *results = upload(from);
  convert<<<1, 64>>>(memory, results);
  std::vector<uint32_t> to(64);
  CHECK(cudaMemcpy(to.data(), results, 64 * sizeof(uint32_t), cudaMemcpyDeviceToHost));
  printf("cvt.rna.tf32 64\n");
  for (int i = 0; i < 64; ++i) {
    printf("%08x %08x\n", from[i], to[i]);
  }
}

int main() {
  cudaDeviceProp device;
  CHECK(cudaGetDeviceProperties(&device, 0));
  printf("# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n");
  printf("# Made by fragments.cu on: %s\n", device.name);
  for (const Row &row : rows) {
    print(row);
  }
  printConversions();
}
