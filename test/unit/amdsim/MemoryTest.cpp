// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads, stores and atomics of every kind of memory, and what is outside of it.
#include "Assembler.h"

using namespace amdsim;
using namespace amdsim::test;

namespace {

/// A machine with an array of 4 KiB, whose address is in s[2:3] and, lane by lane 4 bytes on, in v[2:3]; v1 is 4 *
/// lane.
struct WithArray : Machine {
  WithArray() {
    for (size_t i = 0; i < std::size(array); ++i) {
      array[i] = uint8_t(i * 7 + i / 256);
    }
    memory.add(array, sizeof(array), /*isWritable=*/true, "the array");
    const uint64_t address = reinterpret_cast<uintptr_t>(array);
    wave.writeMask(2, address);
    fill(1, [](unsigned lane) { return 4 * lane; });
    fill(2, [&](unsigned lane) { return uint32_t(address + 4 * lane); });
    fill(3, [&](unsigned lane) { return uint32_t((address + 4 * lane) >> 32); });
  }
  uint32_t word(size_t at) const {
    uint32_t value;
    std::memcpy(&value, array + at, sizeof(value));
    return value;
  }

  alignas(64) uint8_t array[4096];
};

TEST(MemoryTest, GlobalLoads) {
  WithArray machine;
  auto expect = [&](const char *code, unsigned words, auto value) {
    machine.fill(10, 0xaaaabbbb);
    machine.run(code);
    EXPECT_EQ(machine.wave.failure, "") << code;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      for (unsigned word = 0; word < words; ++word) {
        EXPECT_EQ(machine.wave.vectors[10 + word][lane], value(lane, word)) << code << ": lane " << lane;
      }
    }
  };
  const uint8_t *array = machine.array;
  auto half = [&](size_t at) { return uint16_t(array[at] | array[at + 1] << 8); };
  auto words = [&](unsigned lane, unsigned word) { return machine.word(4 * lane + 4 * word); };
  expect("global_load_dword v10, v1, s[2:3]", 1, words);
  expect("global_load_dword v10, v[2:3], off", 1, words);
  expect("global_load_dwordx2 v[10:11], v1, s[2:3]", 2, words);
  expect("global_load_dwordx3 v[10:12], v1, s[2:3]", 3, words);
  expect("global_load_dwordx4 v[10:13], v[2:3], off", 4, words);
  expect("global_load_dword v10, v1, s[2:3] offset:1024 sc0 nt", 1,
         [&](unsigned lane, unsigned) { return machine.word(1024 + 4 * lane); });
  expect("global_load_ubyte v10, v1, s[2:3] offset:1", 1,
         [&](unsigned lane, unsigned) { return uint32_t(array[4 * lane + 1]); });
  expect("global_load_sbyte v10, v1, s[2:3]", 1,
         [&](unsigned lane, unsigned) { return uint32_t(int32_t(int8_t(array[4 * lane]))); });
  expect("global_load_ushort v10, v1, s[2:3]", 1, [&](unsigned lane, unsigned) { return uint32_t(half(4 * lane)); });
  expect("global_load_sshort v10, v1, s[2:3]", 1,
         [&](unsigned lane, unsigned) { return uint32_t(int32_t(int16_t(half(4 * lane)))); });
  expect("global_load_short_d16 v10, v1, s[2:3]", 1,
         [&](unsigned lane, unsigned) { return 0xaaaa0000 | half(4 * lane); });
  expect("global_load_short_d16_hi v10, v1, s[2:3]", 1,
         [&](unsigned lane, unsigned) { return uint32_t(half(4 * lane)) << 16 | 0xbbbb; });
  // The result takes the place of the address.
  machine.run("global_load_dwordx2 v[2:3], v[2:3], off offset:-0");
  EXPECT_EQ(machine.wave.vectors[3][5], machine.word(24));
}

TEST(MemoryTest, GlobalStores) {
  WithArray machine;
  machine.fill(10, [](unsigned lane) { return 0x11220000 + lane; });
  machine.fill(11, 0x33334444);
  machine.wave.writeMask(kExec, 0x5);
  const uint32_t before = machine.word(4);
  machine.run("global_store_dword v1, v10, s[2:3]");
  EXPECT_EQ(machine.word(0), 0x11220000u);
  EXPECT_EQ(machine.word(4), before) << "a lane that is not active";
  EXPECT_EQ(machine.word(8), 0x11220002u);
  machine.run("global_store_short_d16_hi v1, v10, s[2:3] offset:64\n global_store_short v1, v11, s[2:3] offset:66\n"
              "global_store_byte v1, v11, s[2:3] offset:1\n global_store_dwordx2 v[2:3], v[10:11], off offset:128");
  EXPECT_EQ(machine.word(64), 0x44441122u);
  EXPECT_EQ(machine.word(0), 0x11224400u);
  EXPECT_EQ(machine.word(132), 0x33334444u);
}

TEST(MemoryTest, GlobalAtomics) {
  WithArray machine;
  uint32_t counter = 40;
  machine.memory.add(&counter, sizeof(counter), /*isWritable=*/true, "the counter");
  machine.wave.writeMask(4, reinterpret_cast<uintptr_t>(&counter));
  machine.fill(5, 0);
  machine.fill(6, [](unsigned lane) { return lane; });
  machine.wave.writeMask(kExec, 0xf);
  machine.run("global_atomic_add v7, v5, v6, s[4:5] sc0");
  EXPECT_EQ(counter, 46u);
  EXPECT_EQ(machine.wave.vectors[7][3], 43u);
  machine.run("global_atomic_or v5, v6, s[4:5]");
  EXPECT_EQ(counter, 47u);
  machine.fill(7, 47); // expected; v6 is what replaces it
  machine.run("global_atomic_cmpswap v8, v5, v[6:7], s[4:5] sc0 sc1");
  EXPECT_EQ(counter, 0u) << "lane 0 came first";
  EXPECT_EQ(machine.wave.vectors[8][0], 47u);
  EXPECT_EQ(machine.wave.vectors[8][1], 0u);
}

TEST(MemoryTest, ScalarLoads) {
  WithArray machine;
  machine.wave.scalars[20] = 16;
  machine.run(
      "s_load_dword s6, s[2:3], 0x8\n s_load_dwordx2 s[8:9], s[2:3], s20\n s_load_dwordx16 s[36:51], s[2:3], 0x40");
  EXPECT_EQ(machine.wave.scalars[6], machine.word(8));
  EXPECT_EQ(machine.wave.scalars[9], machine.word(20));
  EXPECT_EQ(machine.wave.scalars[51], machine.word(64 + 60));
  machine.run("s_load_dwordx8 s[8:15], s[2:3], 0xff0");
  EXPECT_EQ(machine.wave.failure, "it reads 32 bytes at byte 4080 of the array of 4096 bytes");
}

TEST(MemoryTest, OwnMemory) {
  Machine machine;
  machine.fill(8, [](unsigned lane) { return lane; });
  machine.fill(9, 7);
  machine.fill(5, 4);
  machine.run("scratch_store_dwordx2 off, v[8:9], off offset:8\n scratch_load_dword v3, off, off offset:12\n"
              "scratch_load_dword v4, v5, off offset:4\n scratch_load_dword v6, off, off offset:16");
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(machine.wave.vectors[3][lane], 7u);
    EXPECT_EQ(machine.wave.vectors[4][lane], lane);
    EXPECT_EQ(machine.wave.vectors[6][lane], 0xffffffffu) << "poison";
  }
  machine.run("scratch_store_dword off, v1, off offset:61");
  EXPECT_EQ(machine.wave.failure, "lane 0 accesses 4 bytes at byte 61 of 64 of its own");
}

TEST(MemoryTest, LocalMemory) {
  Machine machine;
  machine.fill(1, [](unsigned lane) { return 8 * lane; });
  machine.fill(2, [](unsigned lane) { return 0x10000 * lane + 1; });
  machine.fill(3, [](unsigned lane) { return 0x10000 * lane + 2; });
  machine.run("ds_write_b64 v1, v[2:3]\n ds_read_b32 v4, v1 offset:4\n ds_read2_b32 v[6:7], v1 offset0:1 offset1:0\n"
              "ds_read_u16 v8, v1 offset:2\n ds_read_u8 v9, v1 offset:4\n ds_read_b64 v[10:11], v1\n"
              "ds_read_u16_d16_hi v8, v1");
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(machine.wave.vectors[4][lane], 0x10000 * lane + 2);
    EXPECT_EQ(machine.wave.vectors[6][lane], 0x10000 * lane + 2);
    EXPECT_EQ(machine.wave.vectors[7][lane], 0x10000 * lane + 1);
    EXPECT_EQ(machine.wave.vectors[8][lane], lane | 0x10000);
    EXPECT_EQ(machine.wave.vectors[9][lane], 2u);
    EXPECT_EQ(machine.pair(10, lane), (uint64_t(0x10000 * lane + 2) << 32) + 0x10000 * lane + 1);
  }
  machine.fill(12, [](unsigned lane) { return 4 * lane; });
  machine.run("ds_write2st64_b32 v12, v2, v3 offset0:0 offset1:2\n ds_read2st64_b32 v[14:15], v12 offset0:2 offset1:0\n"
              "ds_read_b32 v16, v12 offset:512\n ds_write2_b32 v12, v3, v3 offset0:64 offset1:128\n"
              "ds_read_b128 v[20:23], v1 offset:256");
  for (unsigned lane = 0; lane < 31; ++lane) {
    EXPECT_EQ(machine.wave.vectors[14][lane], 0x10000 * lane + 2);
    EXPECT_EQ(machine.wave.vectors[15][lane], 0x10000 * lane + 1);
    EXPECT_EQ(machine.wave.vectors[16][lane], 0x10000 * lane + 2);
    EXPECT_EQ(machine.wave.vectors[23][lane], 0x10000 * (2 * lane + 3) + 2);
  }
  machine.fill(24, uint32_t(-16)); // addresses wrap around
  machine.run("ds_read_b32 v25, v24 offset:24");
  EXPECT_EQ(machine.wave.vectors[25][0], 0x20001u);
  machine.fill(13, 0);
  machine.fill(14, 2);
  machine.run("ds_write_b32 v13, v13\n ds_add_u32 v13, v14\n ds_add_rtn_u32 v15, v13, v14");
  EXPECT_EQ(machine.wave.vectors[15][63], 128 + 2 * 63u);
  EXPECT_EQ(machine.wave.failure, "");
}

TEST(MemoryTest, WhatIsOutside) {
  auto failure = [](const std::string &code) {
    WithArray machine;
    machine.fill(4, [](unsigned lane) { return lane == 5 ? 4096 : 0; });
    machine.fill(5, [](unsigned lane) { return lane == 9 ? 1021 : 0; });
    static const uint32_t fixed[4] = {};
    machine.memory.add(fixed, sizeof(fixed), /*isWritable=*/false, "the constants");
    machine.wave.writeMask(4, reinterpret_cast<uintptr_t>(fixed));
    machine.fill(6, 0);
    machine.run(code);
    return machine.wave.failure;
  };
  EXPECT_EQ(failure("global_load_dword v10, v4, s[2:3]"),
            "lane 5 reads 4 bytes at 0 bytes behind the array of 4096 bytes");
  EXPECT_EQ(failure("global_load_dword v10, v4, s[2:3] offset:-4"),
            "lane 0 reads 4 bytes at 4 bytes before the array of 4096 bytes");
  EXPECT_EQ(failure("global_store_short v4, v4, s[2:3] offset:4095"),
            "lane 0 writes 2 bytes at byte 4095 of the array of 4096 bytes");
  EXPECT_EQ(failure("global_store_dword v6, v6, s[4:5]"),
            "lane 0 writes 4 bytes at byte 0 of the constants of 16 bytes, which is not to be written");
  EXPECT_EQ(failure("ds_read_b32 v10, v5"), "lane 9 reads 4 bytes at byte 1021 of 1024 of local memory");
  EXPECT_EQ(failure("ds_write2_b32 v6, v6, v6 offset0:255 offset1:0\n ds_write2_b32 v5, v6, v6 offset0:0 offset1:1"),
            "lane 9 writes 4 bytes at byte 1021 of 1024 of local memory");
  EXPECT_EQ(failure("ds_read_b64 v[10:11], v6 offset:4"),
            "lane 0: expected an address that is a multiple of 8, found 4");
  EXPECT_EQ(failure("ds_read_b64 v[10:11], v6 offset:8"), "");
}

} // namespace
