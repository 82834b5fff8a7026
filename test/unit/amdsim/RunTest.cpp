// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Work-groups: parameters and numbers, barriers, waves that wait for what never comes.
#include "test/amdsim/Run.h"
#include "Assembler.h"

using namespace amdsim;
using namespace amdsim::test;

namespace {

/// Runs code whose parameter, in s[0:1], is the address of an array of words; s2 is the number of the group.
struct Grid {
  explicit Grid(const std::string &code, size_t words = 1024) : array(words, 0xffffffff), kernel("k") {
    kernel.program = program(code);
    kernel.parameters = 0;
    kernel.groupNumber = 2;
    kernel.localBytes = 256;
    memory.add(array.data(), words * sizeof(uint32_t), /*isWritable=*/true, "the array");
  }
  bool run(int64_t groups = 1, unsigned lanes = 128, unsigned threads = 1) {
    return amdsim::run(memory,
                       {.kernel = &kernel,
                        .groups = groups,
                        .lanes = lanes,
                        .localBytes = 1024,
                        .parameters = array.data(),
                        .threads = threads},
                       error);
  }

  std::vector<uint32_t> array;
  Memory memory;
  Kernel kernel;
  std::string error;
};

TEST(RunTest, GroupsAndLanes) {
  // array[128 * group + lane] = lane
  for (unsigned threads : {1, 3}) {
    Grid grid("s_lshl_b32 s3, s2, 7\n v_add_u32 v1, s3, v0\n v_lshlrev_b32 v1, 2, v1\n"
              "global_store_dword v1, v0, s[0:1]\n s_endpgm");
    ASSERT_TRUE(grid.run(8, 128, threads)) << grid.error;
    for (unsigned i = 0; i < 1024; ++i) {
      EXPECT_EQ(grid.array[i], i % 128);
    }
  }
}

TEST(RunTest, BarriersAndPoison) {
  // Lanes pass a value to the lane 64 on; array[lane] = it. Local memory that nobody wrote is read into array[128 +
  // lane].
  const std::string code = "v_lshlrev_b32 v1, 2, v0\n v_add_u32 v2, 1000, v0\n ds_write_b32 v1, v2\n %\n"
                           "v_xor_b32 v3, 0x100, v1\n ds_read_b32 v4, v3\n ds_read_b32 v5, v1 offset:768\n"
                           "global_store_dword v1, v4, s[0:1]\n global_store_dword v1, v5, s[0:1] offset:512\n"
                           "global_store_dword v1, v9, s[0:1] offset:1024\n s_endpgm";
  auto with = [&](const char *barrier) { return std::string(code).replace(code.find('%'), 1, barrier); };
  Grid grid(with("s_barrier"));
  ASSERT_TRUE(grid.run(2)) << grid.error; // in both orders
  for (unsigned lane = 0; lane < 128; ++lane) {
    EXPECT_EQ(grid.array[lane], 1000 + (lane ^ 64));
    EXPECT_EQ(grid.array[128 + lane], 0xffffffffu);
    EXPECT_EQ(grid.array[256 + lane], 0xffffffffu) << "a register that nobody wrote";
  }
  Grid without(with("s_nop 0"));
  ASSERT_TRUE(without.run(1)) << without.error;
  EXPECT_EQ(without.array[0], 0xffffffffu) << "the first wave does not wait for the second";
}

TEST(RunTest, WavesThatHaveEndedAreNotWaitedFor) {
  Grid grid("v_cmp_gt_u32 vcc, 64, v0\n s_cbranch_vccz 4\n s_barrier\n v_lshlrev_b32 v1, 2, v0\n"
            "global_store_dword v1, v0, s[0:1]\n s_endpgm");
  ASSERT_TRUE(grid.run()) << grid.error;
  EXPECT_EQ(grid.array[63], 63u);
  EXPECT_EQ(grid.array[64], 0xffffffffu);
}

TEST(RunTest, WaitingForMemory) {
  // The first wave sleeps until the second has written a word of local memory.
  const std::string wait = "v_mov_b32 v1, 0\n v_cmp_gt_u32 vcc, 64, v0\n s_cbranch_vccz 7\n" // the second
                           "ds_read_b32 v2, v1\n v_readfirstlane_b32 s3, v2\n s_cmp_eq_u32 s3, 5\n s_cbranch_scc1 6\n"
                           "s_sleep 1\n s_branch 65529\n"; // again
  Grid grid(wait + "v_mov_b32 v2, 5\n ds_write_b32 v1, v2\n s_endpgm\n global_store_dword v1, v2, s[0:1]\n s_endpgm");
  ASSERT_TRUE(grid.run()) << grid.error;
  EXPECT_EQ(grid.array[0], 5u);
  Grid never(wait + "v_mov_b32 v2, 6\n ds_write_b32 v1, v2\n s_endpgm\n s_nop 0\n s_nop 0\n s_endpgm");
  EXPECT_FALSE(never.run());
  EXPECT_EQ(never.error, "kernel \"k\": task 0: no wave can go on: 0 wait at a barrier, 1 for memory to change, 1 have "
                         "ended");
  Grid apart(
      "v_cmp_gt_u32 vcc, 64, v0\n s_cbranch_vccz 1\n s_barrier\n s_nop 0\n s_sleep 1\n s_branch 65534\n s_endpgm");
  EXPECT_FALSE(apart.run());
  EXPECT_EQ(apart.error, "kernel \"k\": task 0: no wave can go on: 1 wait at a barrier, 1 for memory to change, 0 have "
                         "ended");
}

TEST(RunTest, Failures) {
  Grid outside("s_nop 0\n v_lshlrev_b32 v1, 2, v0\n global_store_dword v1, v0, s[0:1] offset:4000\n s_endpgm");
  EXPECT_FALSE(outside.run());
  EXPECT_EQ(outside.error,
            "kernel \"k\": task 0: wave 0: byte 0x8: global_store_dword v1, v0, s[0:1] offset:4000: lane "
            "24 writes 4 bytes at 0 bytes behind the array of 4096 bytes");
  Grid endless("s_branch 65535");
  EXPECT_FALSE(endless.run());
  EXPECT_NE(endless.error.find("expected it to end"), std::string::npos) << endless.error;
  Grid open("s_nop 0");
  EXPECT_FALSE(open.run());
  EXPECT_EQ(open.error, "kernel \"k\": task 0: wave 0: expected an instruction, found the end of the code");
  EXPECT_FALSE(open.run(1, 100));
  EXPECT_EQ(open.error, "kernel \"k\": expected whole waves of up to 1024 lanes and up to 65536 bytes of local memory, "
                        "found 100 lanes and 1280 bytes");
}

} // namespace
