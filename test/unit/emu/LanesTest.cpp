// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes as fibers: what they do together, and what the emulator says of programs that are wrong.
#include "runtime/emu.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using Kernel = void (*)(rwkv_emu_lane *self, const uint64_t *parameters);

constexpr int32_t kWarp = 32;

struct Result {
  bool ok;
  std::string message;
};

Result run(Kernel kernel, int32_t lanes, const uint64_t *parameters = nullptr, int64_t tasks = 1, int64_t shared = 4096,
           int32_t threads = 1) {
  rwkvi_emu_grid grid = {"k", kernel, parameters, tasks, lanes, shared, nullptr, 0};
  char message[2048] = "";
  bool ok = rwkvi_emu_run(&grid, threads, message, sizeof(message));
  return {ok, message};
}

/// The error of a kernel that is wrong.
std::string fails(Kernel kernel, int32_t lanes) {
  Result result = run(kernel, lanes);
  EXPECT_FALSE(result.ok);
  return result.message;
}

// What generated code does, by hand.

void barrier(rwkv_emu_lane *self, int32_t id = 0, int32_t count = 0) {
  self->functions->barrier(self, id, count, 1, kWarp);
}
void arrive(rwkv_emu_lane *self, int32_t id, int32_t count) { self->functions->barrier(self, id, count, 0, kWarp); }
uint32_t shuffle(rwkv_emu_lane *self, uint32_t value, int32_t mask) {
  return self->functions->shuffle(self, value, mask, kWarp);
}
uint32_t *shared(rwkv_emu_lane *self) { return static_cast<uint32_t *>(self->shared); }
uint32_t *output(const uint64_t *parameters) { return reinterpret_cast<uint32_t *>(parameters[0]); }

TEST(LanesTest, WorkTogether) {
  // The sum of the squares of all numbers of lanes, by every lane: shuffles in a warp, shared memory between warps.
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *parameters) {
    uint32_t sum = self->lane * self->lane;
    for (int32_t mask = 1; mask < kWarp; mask *= 2) {
      sum += shuffle(self, sum, mask);
    }
    if (self->lane % kWarp == 0) {
      shared(self)[self->lane / kWarp] = sum;
    }
    barrier(self);
    sum = 0;
    for (int32_t warp = 0; warp < 8; ++warp) {
      sum += shared(self)[warp];
    }
    output(parameters)[self->task * 256 + self->lane] = sum + self->task;
  };
  for (int32_t threads : {1, 3}) {
    std::vector<uint32_t> found(7 * 256);
    uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
    Result result = run(kernel, 256, parameters, 7, 32, threads);
    EXPECT_TRUE(result.ok) << result.message;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i], 255u * 256 * 511 / 6 + i / 256);
    }
  }
}

// Blocks of numbers 100 row + column; a row of a block is 16 bytes, and rows are 48 bytes apart.
void loadBlocks(rwkv_emu_lane *self, const uint64_t *parameters, int32_t count, bool turned) {
  constexpr int32_t kRow = 24;
  auto *memory = reinterpret_cast<uint16_t *>(shared(self));
  for (int32_t row = self->lane; row < 8 * count; row += kWarp) {
    for (int32_t column = 0; column < 8; ++column) {
      memory[row * kRow + column] = static_cast<uint16_t>(100 * row + column);
    }
  }
  self->functions->warp_barrier(self, kWarp);
  self->functions->blocks(self, memory + self->lane % (8 * count) * kRow, count, turned, kWarp);
  for (int32_t block = 0; block < count; ++block) {
    std::memcpy(output(parameters) + self->lane * count + block, &self->registers[block], sizeof(uint32_t));
  }
}

TEST(LanesTest, BlocksAreSharedOut) {
  for (bool turned : {false, true}) {
    std::vector<uint32_t> found(kWarp * 4);
    uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
    Kernel kernel = turned ? Kernel([](rwkv_emu_lane *self, const uint64_t *p) { loadBlocks(self, p, 4, true); })
                           : Kernel([](rwkv_emu_lane *self, const uint64_t *p) { loadBlocks(self, p, 4, false); });
    Result result = run(kernel, kWarp, parameters);
    EXPECT_TRUE(result.ok) << result.message;
    for (uint32_t i = 0; i < found.size(); ++i) {
      uint32_t lane = i / 4, block = i % 4, outer = lane / 4, inner = lane % 4 * 2;
      auto at = [&](uint32_t x, uint32_t y) { return 100 * (8 * block + x) + y; };
      uint32_t low = turned ? at(inner, outer) : at(outer, inner), high = turned ? at(inner + 1, outer) : low + 1;
      EXPECT_EQ(found[i], low | high << 16) << turned << " " << i;
    }
  }
}

TEST(LanesTest, BlocksThatAreWrong) {
  Kernel odd = [](rwkv_emu_lane *self, const uint64_t *) {
    self->functions->blocks(self, shared(self) + 1, 1, 0, kWarp);
  };
  EXPECT_EQ(fails(odd, 32), "kernel \"k\": task 0: lane 0: expected a row at a multiple of 16 bytes");
  Kernel different = [](rwkv_emu_lane *self, const uint64_t *) {
    self->functions->blocks(self, shared(self), self->lane < 16 ? 2 : 4, 0, kWarp);
  };
  EXPECT_NE(fails(different, 32).find("comes to another operation"), std::string::npos);
  Kernel early = [](rwkv_emu_lane *self, const uint64_t *) { // no barrier after the store of another lane
    if (self->lane == 9) {
      self->functions->access(self, shared(self), 4, 1);
      shared(self)[0] = 1;
    }
    self->functions->blocks(self, shared(self), 1, 0, kWarp);
  };
  EXPECT_NE(fails(early, 32).find("no barrier is between them"), std::string::npos);
}

TEST(LanesTest, SharedMemoryIsPoisoned) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *parameters) {
    output(parameters)[self->task * kWarp + self->lane] = shared(self)[self->lane];
    barrier(self);
    shared(self)[self->lane] = 1; // not for the next task
  };
  std::vector<uint32_t> found(4 * kWarp);
  uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
  EXPECT_TRUE(run(kernel, kWarp, parameters, 4).ok);
  for (uint32_t bits : found) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    EXPECT_TRUE(std::isnan(value));
  }
}

// A lane reads what its neighbour wrote, on this side or on the other: without a barrier one of two tasks reads poison.
TEST(LanesTest, EveryOtherTaskRunsFromBehind) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *parameters) {
    shared(self)[self->lane] = 7;
    if (self->lane % 2 == static_cast<int32_t>(parameters[1])) {
      output(parameters)[self->task] &= shared(self)[self->lane ^ 1] == 7;
    }
  };
  for (uint64_t side : {0, 1}) {
    std::vector<uint32_t> found(2, 1);
    uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data()), side};
    EXPECT_TRUE(run(kernel, kWarp, parameters, 2).ok);
    EXPECT_EQ(found, (side ? std::vector<uint32_t>{1, 0} : std::vector<uint32_t>{0, 1}));
  }
}

// The first warp makes numbers, the second uses them, by a ring of two places: barriers 1 and 2 say that a place is
// full, 3 and 4 that it is empty.
TEST(LanesTest, WarpsPassNumbersByNamedBarriers) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *parameters) {
    constexpr int32_t kSteps = 9, kBoth = 2 * kWarp;
    uint32_t sum = 0;
    for (int32_t step = 0; step < kSteps; ++step) {
      int32_t place = step % 2;
      uint32_t *slot = shared(self) + place * kWarp + self->lane % kWarp;
      if (self->lane < kWarp) {
        if (step >= 2) {
          barrier(self, 3 + place, kBoth);
        }
        *slot = static_cast<uint32_t>(step * self->lane);
        arrive(self, 1 + place, kBoth);
      } else {
        barrier(self, 1 + place, kBoth);
        sum += *slot;
        if (step + 2 < kSteps) {
          arrive(self, 3 + place, kBoth);
        }
      }
    }
    if (self->lane >= kWarp) {
      output(parameters)[self->task * kWarp + self->lane % kWarp] = sum;
    }
  };
  std::vector<uint32_t> found(2 * kWarp);
  uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
  Result result = run(kernel, 2 * kWarp, parameters, 2);
  EXPECT_TRUE(result.ok) << result.message;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i], 36 * (i % kWarp));
  }
}

TEST(LanesTest, WarpBarriers) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *) {
    for (int32_t i = 0; i < self->lane / kWarp; ++i) { // as often as the warp likes
      self->functions->warp_barrier(self, kWarp);
    }
    barrier(self);
  };
  EXPECT_TRUE(run(kernel, 4 * kWarp).ok);
}

TEST(LanesTest, SaysWhoWaitsForWhat) {
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  if (self->lane < 40) {
                    barrier(self);
                  }
                },
                64),
            "kernel \"k\": task 0: no lane can go on: lanes 0..39 wait at barrier 0, where 40 of 64 came, lanes 40..63 "
            "have ended");
  EXPECT_EQ(
      fails(
          [](rwkv_emu_lane *self, const uint64_t *) {
            if (self->lane % kWarp != 3) {
              shuffle(self, 0, 1);
            }
            barrier(self);
          },
          64),
      "kernel \"k\": task 0: no lane can go on: lanes 0..2 wait in a shuffle of 32 lanes, where 31 came, lanes 3..3 "
      "wait at barrier 0, where 2 of 64 came, lanes 4..34 wait in a shuffle of 32 lanes, where 31 came, lanes "
      "35..35 wait at barrier 0, where 2 of 64 came, lanes 36..63 wait in a shuffle of 32 lanes, where 31 came");
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  if (self->lane < 31) {
                    self->functions->warp_barrier(self, kWarp);
                  }
                },
                32),
            "kernel \"k\": task 0: no lane can go on: lanes 0..30 wait in a barrier of 32 lanes, where 31 came, lanes "
            "31..31 have ended");
}

TEST(LanesTest, LanesOfAWarpDoTheSame) {
  EXPECT_EQ(
      fails([](rwkv_emu_lane *self, const uint64_t *) { shuffle(self, 0, self->lane < 20 ? 1 : 2); }, 32),
      "kernel \"k\": task 0: lane 20 comes to another operation than lanes of its warp, which wait in a shuffle of "
      "32 lanes, where 20 came");
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  static const rwkv_emu_product product = {kWarp, 16, 8, 8, RWKV_EMU_TF32, {}, {}, {}};
                  self->lane < 40 ? self->functions->product(self, &product) : (void)shuffle(self, 0, 1);
                },
                64),
            "kernel \"k\": task 0: lane 40 comes to another operation than lanes of its warp, which wait in a matrix "
            "instruction of 32 lanes, where 8 came");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { shuffle(self, 0, kWarp); }, 32),
            "kernel \"k\": task 0: lane 0: expected a shuffle within 32 lanes, found mask 32");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { self->functions->warp_barrier(self, 64); }, 32),
            "kernel \"k\": task 0: lane 0: expected groups of lanes that 32 can be divided into, found 64");
}

TEST(LanesTest, BarriersAreOfWholeWarps) {
  EXPECT_EQ(
      fails([](rwkv_emu_lane *self, const uint64_t *) { barrier(self, 1, 40); }, 64),
      "kernel \"k\": task 0: lane 0: expected a barrier of whole warps among 64 lanes, found barrier 1 of 40 lanes");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { barrier(self, 16); }, 64),
            "kernel \"k\": task 0: lane 0: expected a barrier of whole warps among 64 lanes, found barrier 16 of 64 "
            "lanes");
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  if (self->lane % 2) {
                    barrier(self, 1, kWarp);
                  }
                },
                64),
            "kernel \"k\": task 0: barrier 1: expected whole warps, found lane 1 without lane 0");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { barrier(self, 1, self->lane < 32 ? 64 : 96); }, 96),
            "kernel \"k\": task 0: barrier 1: lane 32 expects 96 lanes, others expected 64");
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  arrive(self, 2, 64);
                  arrive(self, 2, 64);
                },
                64),
            "kernel \"k\": task 0: barrier 2: lane 0 came twice, before the others had come");
}

TEST(LanesTest, WhatIsBehindSharedMemoryIsNotWritten) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *) { shared(self)[self->lane] = 0; };
  EXPECT_TRUE(run(kernel, kWarp, nullptr, 1, kWarp * 4).ok);
  EXPECT_EQ(run(kernel, kWarp, nullptr, 1, kWarp * 4 - 4).message,
            "kernel \"k\": task 0: a lane wrote behind the shared memory, 124 bytes of it");
}

TEST(LanesTest, TheFirstFailureEndsTheGrid) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *) {
    if (self->task == 5 && self->lane == 0) {
      return;
    }
    barrier(self);
  };
  for (int32_t threads : {1, 2}) {
    Result result = run(kernel, kWarp, nullptr, 1000, 0, threads);
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.message.rfind("kernel \"k\": task 5: no lane can go on", 0), 0u) << result.message;
  }
  EXPECT_TRUE(run(kernel, kWarp, nullptr, 5, 0, 4).ok);
  EXPECT_TRUE(run(kernel, kWarp, nullptr, 0).ok);
  EXPECT_EQ(run(kernel, 2048).message, "kernel \"k\": expected 1 to 1024 lanes, found 2048");
}

} // namespace
