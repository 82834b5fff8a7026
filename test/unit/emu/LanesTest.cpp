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

void barrier(rwkv_emu_lane *self) { self->functions->barrier(self); }
void begin(rwkv_emu_lane *self, int32_t place, int32_t count) {
  self->functions->begin_meeting(self, static_cast<char *>(self->shared) + place, count);
}
void end(rwkv_emu_lane *self, int32_t place) {
  self->functions->end_meeting(self, static_cast<char *>(self->shared) + place);
}
void arrive(rwkv_emu_lane *self, int32_t place) {
  self->functions->arrive(self, static_cast<char *>(self->shared) + place, kWarp);
}
void await(rwkv_emu_lane *self, int32_t place, int32_t round) {
  self->functions->await(self, static_cast<char *>(self->shared) + place, round);
}
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

// The first warp makes numbers, two others use them, by a ring of two places: meetings 0 and 8 say that a place is
// full, 16 and 24 that both have read it. Those who read do not wait for each other.
TEST(LanesTest, WarpsPassNumbersAtMeetings) {
  Kernel kernel = [](rwkv_emu_lane *self, const uint64_t *parameters) {
    constexpr int32_t kSteps = 9, kFirst = 8; // numbers, behind the meetings
    uint32_t sum = 0;
    if (self->lane == 0) {
      for (int32_t place : {0, 1}) {
        begin(self, 8 * place, 1);
        begin(self, 16 + 8 * place, 2);
      }
    }
    barrier(self);
    for (int32_t step = 0; step < kSteps; ++step) {
      int32_t place = step % 2, round = step / 2;
      uint32_t *slot = shared(self) + kFirst + place * kWarp + self->lane % kWarp;
      if (self->lane < kWarp) {
        if (round > 0) {
          await(self, 16 + 8 * place, round - 1);
        }
        *slot = static_cast<uint32_t>(step * self->lane);
        arrive(self, 8 * place);
      } else {
        await(self, 8 * place, round);
        sum += *slot;
        arrive(self, 16 + 8 * place);
      }
    }
    barrier(self);
    if (self->lane == 0) {
      for (int32_t place : {0, 8, 16, 24}) {
        end(self, place);
      }
    } else if (self->lane >= kWarp) {
      output(parameters)[self->task * 2 * kWarp + self->lane - kWarp] = sum;
    }
  };
  std::vector<uint32_t> found(2 * 2 * kWarp);
  uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
  Result result = run(kernel, 3 * kWarp, parameters, 2);
  EXPECT_TRUE(result.ok) << result.message;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i], 36 * (i % kWarp));
  }
}

TEST(LanesTest, MeetingsThatAreWrong) {
  const std::string start = "kernel \"k\": task 0: ";
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { begin(self, 4, 1); }, 32),
            start + "lane 0: expected 8 bytes of the shared memory for a meeting of 1 to 32 warps, found byte 4 for 1");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { begin(self, 4096, 1); }, 32),
            start +
                "lane 0: expected 8 bytes of the shared memory for a meeting of 1 to 32 warps, found byte 4096 for 1");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { begin(self, 8, 0); }, 32),
            start + "lane 0: expected 8 bytes of the shared memory for a meeting of 1 to 32 warps, found byte 8 for 0");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { begin(self, 8, 1); }, 32), // by every lane
            start + "lane 1: the meeting at byte 8 has begun already");
  EXPECT_EQ(fails(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  for (int32_t i = 0; i <= 64; ++i) {
                    begin(self, 8 * i, 1);
                  }
                },
                32),
            start + "lane 0: expected at most 64 meetings");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { arrive(self, 8); }, 32),
            start + "lane 0 comes to byte 8 of the shared memory: there is no meeting");
  EXPECT_EQ(fails([](rwkv_emu_lane *self, const uint64_t *) { await(self, 8, 0); }, 32),
            start + "lane 0 waits at byte 8 of the shared memory: there is no meeting");
  Kernel open = [](rwkv_emu_lane *self, const uint64_t *) {
    self->lane == 0 ? begin(self, 8, 2) : void();
    barrier(self);
    arrive(self, 8);
    self->lane == 0 ? end(self, 8) : void();
  };
  EXPECT_EQ(fails(open, 32), start + "lane 0 ends the meeting at byte 8, to which 1 of 2 warps came");
  Kernel late = [](rwkv_emu_lane *self, const uint64_t *) { // two rounds are over: machines tell them apart by a bit
    self->lane == 0 ? begin(self, 8, 1) : void();
    barrier(self);
    arrive(self, 8);
    arrive(self, 8);
    self->lane == 0 ? await(self, 8, 0) : void();
  };
  EXPECT_EQ(fails(late, 32),
            start + "lane 0 waits for round 0 of the meeting at byte 8: expected round 2 or the one before");
  Kernel early = [](rwkv_emu_lane *self, const uint64_t *) {
    self->lane == 0 ? begin(self, 8, 1) : void();
    barrier(self);
    self->lane == 0 ? await(self, 8, 1) : void();
  };
  EXPECT_EQ(fails(early, 32),
            start + "lane 0 waits for round 1 of the meeting at byte 8: expected round 0 or the one before");
  Kernel alone = [](rwkv_emu_lane *self, const uint64_t *) {
    self->lane == 0 ? begin(self, 8, 2) : void();
    barrier(self);
    self->lane < kWarp ? arrive(self, 8) : await(self, 8, 0);
  };
  EXPECT_EQ(fails(alone, 64), start + "no lane can go on: lanes 0..31 have ended, lanes 32..63 wait for round 0 of the "
                                      "meeting at byte 8, to which 1 of 2 warps came");
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
  EXPECT_EQ(
      fails(
          [](rwkv_emu_lane *self, const uint64_t *) {
            if (self->lane < 40) {
              barrier(self);
            }
          },
          64),
      "kernel \"k\": task 0: no lane can go on: lanes 0..39 wait at the barrier, where 40 of 64 came, lanes 40..63 "
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
      "wait at the barrier, where 2 of 64 came, lanes 4..34 wait in a shuffle of 32 lanes, where 31 came, lanes "
      "35..35 wait at the barrier, where 2 of 64 came, lanes 36..63 wait in a shuffle of 32 lanes, where 31 came");
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
