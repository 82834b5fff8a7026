// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles in shared memory: conflicts against a count of addresses, and the swizzles that are known to have none.
#include "test/unit/lowering/LayoutCases.h"

#include "lowering/Layout/SharedMemory.h"
#include "gtest/gtest.h"

#include <map>
#include <set>

using namespace rwkv;

namespace {
/// Counts wavefronts lane by lane: in each phase, the different words of the bank that has the most.
void expectCount(const Layout &tile, const Layout &memory, unsigned elementBits, Banks banks = {}) {
  std::optional<SharedAccess> cost = countAccess(tile, memory, elementBits, banks);
  ASSERT_TRUE(cost);
  Layout offsets = tile.compose(*memory.inverse())->orderRegisters(Axis::offset);
  const Space &in = offsets.getIn();
  uint32_t bytes = elementBits / 8 * cost->elements, lanes = in.getSize(Axis::lane);
  ASSERT_LE(bytes, 16u);
  uint32_t phaseLanes = std::min(lanes, banks.count * banks.bytes / std::max(bytes, banks.bytes));
  for (uint32_t warp = 0; warp < in.getSize(Axis::warp); ++warp) {
    uint32_t wavefronts = 0, phases = 0, instructions = 0;
    std::set<uint32_t> done;
    for (uint32_t reg = 0; reg < in.getSize(Axis::reg); reg += cost->elements) {
      if (!done.insert(offsets.apply(Point{reg, 0, warp}).offset).second) {
        continue; // a copy
      }
      ++instructions;
      for (uint32_t first = 0; first < lanes; first += phaseLanes) {
        std::map<uint32_t, std::set<uint32_t>> words;
        for (uint32_t lane = first; lane < first + phaseLanes; ++lane) {
          uint32_t start = offsets.apply(Point{reg, lane, warp}).offset;
          for (uint32_t i = 0; i < cost->elements; ++i) {
            ASSERT_EQ(offsets.apply(Point{reg + i, lane, warp}).offset, start + i);
          }
          for (uint32_t byte = 0; byte < bytes; ++byte) {
            uint32_t word = (start * elementBits / 8 + byte) / banks.bytes;
            words[word % banks.count].insert(word);
          }
        }
        size_t most = 0;
        for (auto &[bank, ofBank] : words) {
          most = std::max(most, ofBank.size());
        }
        wavefronts += most;
        ++phases;
      }
    }
    ASSERT_EQ(cost->instructions, instructions);
    ASSERT_EQ(cost->phases, phases);
    ASSERT_EQ(cost->wavefronts, wavefronts) << tile.str() << " in " << memory.str();
  }
}

uint32_t getConflicts(const Layout &tile, const Layout &memory, unsigned elementBits) {
  return countAccess(tile, memory, elementBits)->getConflicts();
}
} // namespace

TEST(SharedMemory, CountsAsAddressesDo) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      Layout tile = *fragment.tile(64, 32, 4);
      for (const Layout &access : {tile, tile.transpose()}) {
        uint32_t rows = access.getOut().getSize(Axis::row), columns = access.getOut().getSize(Axis::column);
        for (Swizzle swizzle : {Swizzle{}, Swizzle{3, 3, 3}, Swizzle{2, 2, 3}, Swizzle{4, 0, 5}, Swizzle{1, 4, 2}}) {
          for (Axis contiguous : {Axis::column, Axis::row}) {
            Layout memory = *Layout::shared(rows, columns, contiguous, swizzle);
            for (unsigned bits : {8, 16, 32}) {
              expectCount(access, memory, bits);
            }
          }
        }
      }
    }
  }
}

TEST(SharedMemory, CountsAllSmallMaps) {
  Layout memory = *Layout::shared(4, 4, Axis::column, {2, 0, 2});
  Banks few{4, 4};
  for (const Layout &tile : getLayouts(hardware(1, 2, 0), tileSpace(2, 2))) {
    for (unsigned bits : {8, 32, 128}) {
      expectCount(tile, memory, bits, few);
    }
  }
}

TEST(SharedMemory, RefusesWhatItCannotCount) {
  Layout tile = *getInstruction("mma.m16n8k16").getC(), memory = *Layout::shared(16, 8);
  EXPECT_TRUE(countAccess(tile, memory, 32));
  EXPECT_FALSE(countAccess(tile, memory, 4));
  EXPECT_FALSE(countAccess(tile, memory, 24));
  EXPECT_FALSE(countAccess(tile, memory, 256));
  EXPECT_FALSE(countAccess(tile, *Layout::shared(8, 16), 32));
  EXPECT_FALSE(countAccess(tile, tile, 32));
  EXPECT_FALSE(countAccess(tile, memory, 32, {24, 4}));
  EXPECT_FALSE(countAccess(memory, memory, 32));
  EXPECT_FALSE(chooseShared({}, 32));
  EXPECT_FALSE(chooseShared(tile, 12));
  EXPECT_FALSE(chooseShared({tile, tile.transpose()}, 32));
  EXPECT_FALSE(chooseShared(tile, 32, {{}, 3}));
  EXPECT_FALSE(chooseShared(tile, 32, {{}, 1, false, false}));
}

// A transposition of 16 x 32 words: columns written, pairs of columns read. The swizzle that xors the column with the
// row has two-way conflicts, with twice the row none (arXiv:2505.23819, optimal swizzling).
TEST(SharedMemory, TransposesWithoutConflicts) {
  Layout writer =
      *Layout::distributed(16, 32, {{1, 0}, {2, 0}, {4, 0}, {8, 0}}, {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}});
  Layout reader =
      *Layout::distributed(16, 32, {{0, 2}, {0, 4}, {0, 8}, {0, 16}}, {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 1}});
  auto count = [&](Swizzle swizzle) {
    Layout memory = *Layout::shared(16, 32, Axis::column, swizzle);
    EXPECT_EQ(getConflicts(writer, memory, 32), 0u);
    return countAccess(reader, memory, 32)->wavefronts;
  };
  EXPECT_EQ(count({}), 16u * 16u);
  EXPECT_EQ(count({4, 0, 5}), 16u * 2u);
  EXPECT_EQ(count({4, 1, 4}), 16u);
  std::optional<SharedPlan> plan = chooseShared({writer, reader}, 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->wavefronts, 32u);
  EXPECT_EQ(plan->accesses[0].getConflicts() + plan->accesses[1].getConflicts(), 0u);
}

// 64 x 64 halves, rows of 128 bytes: the swizzle of copy engines serves rows of 16 bytes a lane, fragments, and
// fragments that are transposed on the way.
TEST(SharedMemory, EngineSwizzleServesFragments) {
  const MatrixInstruction &mma = getInstruction("mma.m16n8k16");
  Layout rows = *Layout::blocked({64, 64, 32, 4, 8});
  Layout a = *mma.getA()->tile(64, 64, 4), b = *mma.getB()->tile(64, 64);
  Layout engine = *Layout::shared(64, 64, Axis::column, {3, 3, 3}), plain = *Layout::shared(64, 64);
  EXPECT_EQ(countAccess(rows, engine, 16)->elements, 8u);
  EXPECT_EQ(getConflicts(rows, engine, 16), 0u);
  EXPECT_EQ(getConflicts(rows, plain, 16), 0u);
  for (const Layout &access : {a, b.transpose()}) {
    SharedAccess good = *countAccess(access, engine, 16), bad = *countAccess(access, plain, 16);
    EXPECT_EQ(good.elements, 2u);
    EXPECT_EQ(good.getConflicts(), 0u);
    EXPECT_EQ(bad.wavefronts, 8 * bad.phases);
  }
  SharedChoice choice;
  choice.pieceBytes = 16;
  choice.columnsContiguous = false;
  std::optional<SharedPlan> plan = chooseShared({rows, a, b.transpose()}, 16, choice);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->swizzle.bits, 3u);
  EXPECT_EQ(plan->swizzle.base, 3u);
  EXPECT_EQ(plan->swizzle.shift, 3u);
  for (const SharedAccess &access : plan->accesses) {
    EXPECT_EQ(access.getConflicts(), 0u);
  }
}

TEST(SharedMemory, ChoosesPlainMemoryIfItServes) {
  Layout rows = *Layout::blocked({64, 64, 32, 4, 4});
  std::optional<SharedPlan> plan = chooseShared(rows, 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory, Layout::shared(64, 64));
  plan = chooseShared(rows.transpose(), 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory, Layout::shared(64, 64, Axis::row));
  EXPECT_EQ(plan->contiguous, Axis::row);
  SharedChoice byRows;
  byRows.columnsContiguous = false;
  plan = chooseShared(rows.transpose(), 32, byRows);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->contiguous, Axis::column);
  EXPECT_EQ(plan->accesses[0].getConflicts(), 0u);
}

// Every accumulator goes to coalesced rows and columns, and every operand comes from them, without conflicts; words at
// the full rate of the memory, 128 bytes a wavefront. (Halves that are not neighbours cannot reach that.)
TEST(SharedMemory, FragmentsNeedNoConflicts) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      Layout tile = *fragment.tile(64, 64, 4);
      uint32_t lanes = tile.getIn().getSize(Axis::lane);
      for (unsigned bits : {16, 32}) {
        for (bool byRows : {true, false}) {
          Layout rows = *Layout::blocked({64, 64, lanes, 4, 128 / bits, byRows ? Axis::column : Axis::row});
          std::optional<SharedPlan> plan = chooseShared({tile, rows}, bits);
          ASSERT_TRUE(plan);
          for (const SharedAccess &access : plan->accesses) {
            EXPECT_EQ(access.getConflicts(), 0u) << row.name.str() << " " << bits << " " << tile.str();
          }
          if (bits == 32 && tile.isInjective()) {
            EXPECT_EQ(plan->wavefronts, 2 * 64 * 64 / 4 * 4 / 128u) << row.name.str();
          }
        }
      }
    }
  }
}
