// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/lowering/MatrixTiles.h"

using namespace rwkv::test;

#if defined(__x86_64__) && defined(__linux__)
#include <atomic>
#include <cpuid.h>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace {
struct Tile {
  uint8_t rows[16][64];
};
thread_local Tile tiles[8];
thread_local uint16_t rowBytes[8];
thread_local uint8_t rowCounts[8];
thread_local bool configured = false;
std::atomic<long> products{0};
struct sigaction before;

float widen(uint16_t half) {
  uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// TDPBF16PS: sums over even elements and over odd ones, then both to the result.
void multiply(Tile &c, const Tile &a, const Tile &b, unsigned rows, unsigned columns, unsigned pairs) {
  for (unsigned m = 0; m < rows; ++m) {
    for (unsigned n = 0; n < columns; ++n) {
      float sums[2] = {0, 0}, total;
      for (unsigned k = 0; k < pairs; ++k) {
        for (unsigned half = 0; half < 2; ++half) {
          uint16_t x, y;
          std::memcpy(&x, a.rows[m] + 4 * k + 2 * half, 2);
          std::memcpy(&y, b.rows[k] + 4 * n + 2 * half, 2);
          sums[half] += widen(x) * widen(y);
        }
      }
      std::memcpy(&total, c.rows[m] + 4 * n, 4);
      total += sums[0] + sums[1];
      std::memcpy(c.rows[m] + 4 * n, &total, 4);
    }
  }
  ++products;
}

/// The registers of general purpose in the order of their numbers.
constexpr int kRegisters[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/// A decoded instruction: VEX.128, map 0F38.
struct Instruction {
  unsigned opcode = 0, prefix = 0, reg = 0, rm = 0, second = 0;
  bool isMemory = false;
  uint64_t address = 0;
  int64_t stride = 0;
  const uint8_t *end = nullptr;
};

bool decode(const uint8_t *p, const greg_t *registers, Instruction &out) {
  if (p[0] != 0xc4 || (p[1] & 31) != 2) {
    return false;
  }
  unsigned indexHigh = p[1] & 0x40 ? 0 : 8, baseHigh = p[1] & 0x20 ? 0 : 8;
  out.second = ~(p[2] >> 3) & 15;
  out.prefix = p[2] & 3;
  out.opcode = p[3];
  unsigned mode = p[4] >> 6;
  out.reg = p[4] >> 3 & 7;
  out.rm = p[4] & 7;
  p += 5;
  out.isMemory = mode != 3;
  if (out.isMemory) {
    unsigned base = out.rm;
    if (out.rm == 4) {
      unsigned index = (*p >> 3 & 7) | indexHigh;
      out.stride = index == 4 ? 0 : registers[kRegisters[index]] << (*p >> 6);
      base = *p++ & 7;
    }
    bool hasBase = mode != 0 || base != 5;
    if (!hasBase && out.rm == 5) {
      return false; // relative to the instruction
    }
    out.address = hasBase ? static_cast<uint64_t>(registers[kRegisters[base | baseHigh]]) : 0;
    if (mode == 1) {
      out.address += static_cast<int64_t>(static_cast<int8_t>(*p++));
    } else if (mode == 2 || !hasBase) {
      int32_t displacement;
      std::memcpy(&displacement, p, 4);
      out.address += static_cast<int64_t>(displacement);
      p += 4;
    }
  }
  out.end = p;
  return true;
}

void configure(const uint8_t *setup) {
  std::memset(tiles, 0, sizeof(tiles));
  for (unsigned i = 0; i < 8; ++i) {
    std::memcpy(&rowBytes[i], setup + 16 + 2 * i, 2);
    rowCounts[i] = setup[48 + i];
    configured = setup[0] == 1 && rowBytes[i] <= 64 && rowCounts[i] <= 16;
    if (!configured) {
      return;
    }
  }
}

bool execute(const Instruction &i) {
  if (i.opcode == 0x49 && i.prefix == 0) {
    i.isMemory ? configure(reinterpret_cast<const uint8_t *>(i.address)) : void(configured = false);
    return configured == i.isMemory;
  }
  if (!configured) {
    return false;
  }
  Tile &tile = tiles[i.reg];
  if (i.opcode == 0x49 && i.prefix == 3 && !i.isMemory) {
    std::memset(&tile, 0, sizeof(tile));
    return true;
  }
  if (i.opcode == 0x4b && i.isMemory && (i.prefix == 3 || i.prefix == 2)) {
    for (unsigned row = 0; row < rowCounts[i.reg]; ++row) {
      auto *memory = reinterpret_cast<uint8_t *>(i.address + static_cast<uint64_t>(row * i.stride));
      i.prefix == 3 ? std::memcpy(tile.rows[row], memory, rowBytes[i.reg])
                    : std::memcpy(memory, tile.rows[row], rowBytes[i.reg]);
    }
    return true;
  }
  bool areDifferent = i.reg != i.rm && i.reg != i.second && i.rm != i.second;
  if (i.opcode == 0x5c && i.prefix == 2 && !i.isMemory && areDifferent) {
    multiply(tile, tiles[i.rm], tiles[i.second], rowCounts[i.reg], rowBytes[i.reg] / 4u, rowBytes[i.rm] / 4u);
    return true;
  }
  return false;
}

void handle(int, siginfo_t *, void *context) {
  greg_t *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
  Instruction instruction;
  if (decode(reinterpret_cast<const uint8_t *>(registers[REG_RIP]), registers, instruction) && execute(instruction)) {
    registers[REG_RIP] = reinterpret_cast<greg_t>(instruction.end);
    return;
  }
  sigaction(SIGILL, &before, nullptr); // and the instruction does what it does
}

bool machineHasTiles() {
  unsigned a, b, c, d;
  bool has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return has && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
} // namespace

MatrixTiles::MatrixTiles() {
  for (bool has : {__builtin_cpu_supports("avx512f") != 0, __builtin_cpu_supports("avx512bw") != 0,
                   __builtin_cpu_supports("avx512dq") != 0, __builtin_cpu_supports("avx512vl") != 0}) {
    if (!has) {
      problem = "this machine has no AVX-512, which code with matrix tiles needs too";
      return;
    }
  }
  if (machineHasTiles()) {
    return;
  }
  emulated = true;
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, &before);
}

MatrixTiles::~MatrixTiles() {
  if (emulated) {
    sigaction(SIGILL, &before, nullptr);
  }
}

long MatrixTiles::countProducts() { return products; }

#else
MatrixTiles::MatrixTiles() : problem("this machine is no x86-64") {}
MatrixTiles::~MatrixTiles() = default;
long MatrixTiles::countProducts() { return 0; }
#endif

/// For programs that load this as a library: null, or why not.
extern "C" const char *rwkv_emulate_matrix_tiles() {
  static const MatrixTiles forever;
  return forever.getProblem();
}
