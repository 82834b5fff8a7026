// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Placements: which element of a tile is in which register of which lane of a warp, and what accesses cost.
#include "test/unit/lowering/MatrixInstructions.h"

#include "lowering/Layout/Placement.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

#include <map>
#include <set>

using namespace rwkv;
using namespace rwkv::warps;

namespace {
constexpr int64_t kWarp = 32;

Coord sum(llvm::ArrayRef<Coord> bases, uint64_t bits) {
  Coord result{0, 0};
  for (auto [i, base] : llvm::enumerate(bases)) {
    result.row += bits >> i & 1 ? base.row : 0;
    result.column += bits >> i & 1 ? base.column : 0;
  }
  return result;
}

Coord elementAt(const Placement &placement, uint64_t lane, size_t reg) {
  Coord lanes = sum(placement.lanes, lane), first = placement.registers[reg];
  return {lanes.row + first.row, lanes.column + first.column};
}

/// How often a placement holds each element.
std::map<std::pair<uint32_t, uint32_t>, int> countHolders(const Placement &placement) {
  std::map<std::pair<uint32_t, uint32_t>, int> holders;
  for (uint64_t lane = 0; lane < uint64_t(1) << placement.lanes.size(); ++lane) {
    for (size_t reg = 0; reg < placement.registers.size(); ++reg) {
      Coord c = elementAt(placement, lane, reg);
      ++holders[{c.row, c.column}];
    }
  }
  return holders;
}

/// All elements of a tile, and no others, are held by as many registers.
void expectEven(const Placement &placement, uint32_t rows, uint32_t columns, int each) {
  auto holders = countHolders(placement);
  EXPECT_EQ(holders.size(), size_t(rows) * columns);
  for (auto [c, count] : holders) {
    EXPECT_LT(c.first, rows);
    EXPECT_LT(c.second, columns);
    EXPECT_EQ(count, each) << c.first << ", " << c.second;
  }
}

const MatrixInstruction &tf32() { return getInstruction("mma.m16n8k8.tf32"); }

using Coords = llvm::SmallVector<Coord>;
using Lanes = llvm::SmallVector<Coord, 8>;
using Numbers = llvm::SmallVector<unsigned, 4>;
} // namespace

// ---- columns and copies

TEST(Placement, ColumnsFewerThanLanesHaveCopies) {
  Placement placement = getColumns(3, 16, kWarp);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 0}}));
  EXPECT_EQ(placement.registers, (Coords{{0, 0}, {1, 0}, {2, 0}}));
  expectEven(placement, 3, 16, 2);
}

TEST(Placement, ColumnsOnePerLane) {
  Placement placement = getColumns(2, 32, kWarp);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}}));
  EXPECT_EQ(placement.registers, (Coords{{0, 0}, {1, 0}}));
  expectEven(placement, 2, 32, 1);
}

TEST(Placement, ColumnsInPairs) {
  Placement placement = getColumns(2, 64, kWarp);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 2}, {0, 4}, {0, 8}, {0, 16}, {0, 32}}));
  EXPECT_EQ(placement.registers, (Coords{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
  expectEven(placement, 2, 64, 1);
}

TEST(Placement, ColumnsFourOfALane) {
  Placement placement = getColumns(2, 128, kWarp);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 4}, {0, 8}, {0, 16}, {0, 32}, {0, 64}}));
  EXPECT_EQ(placement.registers,
            (Coords{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}, {1, 2}, {1, 3}})); // row by row: see solves
  expectEven(placement, 2, 128, 1);
}

TEST(Placement, ColumnsCoverTilesEvenly) {
  for (int64_t warp : {32, 64}) {
    for (uint32_t columns = 1; columns <= 256; columns *= 2) {
      SCOPED_TRACE("columns " + std::to_string(columns) + ", lanes " + std::to_string(warp));
      Placement placement = getColumns(4, columns, warp);
      EXPECT_EQ(int64_t(1) << placement.lanes.size(), warp);
      expectEven(placement, 4, columns, columns < warp ? warp / columns : 1);
    }
  }
}

// As many lanes as the columns are a multiple of; the others have copies.
TEST(Placement, ColumnsThatAreNoPowersOfTwo) {
  for (uint32_t warp : {32, 64}) {
    for (uint32_t columns : {24, 40, 48, 80, 96, 192}) {
      SCOPED_TRACE("columns " + std::to_string(columns) + ", lanes " + std::to_string(warp));
      expectEven(getColumns(3, columns, warp), 3, columns, warp / std::min(warp, columns & -columns));
    }
  }
  EXPECT_EQ(getColumns(1, 48, kWarp).registers, (Coords{{0, 0}, {0, 16}, {0, 32}}));
}

TEST(Placement, FragmentsOfSizesThatAreNoPowersOfTwo) {
  Fragments fragments(tf32(), false);
  expectEven(fragments.getResults(48, 40).clipped(48, 40), 48, 40, 1);
  expectEven(fragments.getResults(8, 40).clipped(8, 40), 8, 40, 2); // eight rows of sixteen are copies
}

TEST(Placement, CopiesAreInAllLanes) {
  Placement placement = getCopies(4, kWarp);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}));
  EXPECT_EQ(placement.registers, (Coords{{0, 0}, {0, 1}, {0, 2}, {0, 3}}));
  expectEven(placement, 1, 4, 32);
}

// ---- parts and axes

TEST(Placement, TurnedTwiceIsTheSame) {
  Placement placement = Fragments(tf32(), false).getLeft(16, 8);
  Placement turned = placement.turned();
  EXPECT_FALSE(turned == placement);
  EXPECT_TRUE(turned.turned() == placement);
  Coord one = elementAt(placement, 13, 2), other = elementAt(turned, 13, 2);
  EXPECT_EQ(one, (Coord{other.column, other.row}));
}

TEST(Placement, MovedLeavesLanes) {
  Placement placement = getColumns(2, 32, kWarp), moved = placement.moved(4, 8);
  EXPECT_EQ(moved.lanes, placement.lanes);
  EXPECT_EQ(moved.registers, (Coords{{4, 8}, {5, 8}}));
}

TEST(Placement, ClippedHasCopies) {
  // Sixteen rows of fragments on a tile of 4: registers 8 rows below and lanes 4 rows below are copies.
  Placement placement = Fragments(tf32(), false).getResult(0, 0).clipped(4, 8);
  EXPECT_EQ(placement.lanes, (Lanes{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {0, 0}}));
  EXPECT_EQ(placement.registers, (Coords{{0, 0}, {0, 1}, {0, 0}, {0, 1}}));
  expectEven(placement, 4, 8, 4);
  EXPECT_EQ(placement.distinct().registers, (Coords{{0, 0}, {0, 1}}));
  EXPECT_EQ(placement.distinct().lanes, placement.lanes);
  // Nothing is clipped of a tile that is large enough.
  Placement whole = Fragments(tf32(), false).getResult(0, 0);
  EXPECT_TRUE(whole.clipped(16, 8) == whole);
  EXPECT_TRUE(whole.clipped(64, 64) == whole);
}

TEST(Placement, AlongAnAxis) {
  Placement tile = Fragments(tf32(), false).getResult(0, 0); // {0, 0}, {0, 1}, {8, 0}, {8, 1}
  for (int64_t axis : {0, 1}) {
    llvm::SmallVector<unsigned> map;
    Placement vector = tile.along(axis, map);
    ASSERT_EQ(map.size(), tile.registers.size());
    EXPECT_EQ(vector.registers, (axis == 0 ? Coords{{0, 0}, {0, 8}} : Coords{{0, 0}, {0, 1}}));
    EXPECT_EQ(map, (axis == 0 ? llvm::SmallVector<unsigned>{0, 0, 1, 1} : llvm::SmallVector<unsigned>{0, 1, 0, 1}));
    for (uint64_t lane = 0; lane < kWarp; ++lane) {
      for (size_t reg = 0; reg < map.size(); ++reg) {
        Coord c = elementAt(tile, lane, reg);
        EXPECT_EQ(elementAt(vector, lane, map[reg]), (Coord{0, axis == 0 ? c.row : c.column}));
      }
    }
  }
}

// ---- matrix instructions

TEST(MatrixInstructions, EachElementHasOnePlace) {
  for (const MatrixInstruction &row : matrixInstructions) {
    auto expectOnce = [&](const FragmentBases &bases, uint32_t rows, uint32_t columns) {
      std::set<std::pair<uint32_t, uint32_t>> found;
      uint32_t lanes = 1u << bases.lane.size();
      for (uint32_t lane = 0; lane < lanes; ++lane) {
        for (uint32_t reg = 0; reg < bases.countRegisters(); ++reg) {
          Coord c = bases.at(reg, lane);
          EXPECT_LT(c.row, rows) << row.name.str();
          EXPECT_LT(c.column, columns) << row.name.str();
          found.insert({c.row, c.column});
        }
      }
      EXPECT_EQ(found.size(), size_t(rows) * columns) << row.name.str();
      EXPECT_EQ(found.size(), size_t(lanes) * bases.countRegisters()) << row.name.str();
    };
    expectOnce(row.a, row.m, row.k);
    expectOnce(row.b, row.k, row.n);
    expectOnce(row.c, row.m, row.n);
  }
}

/// Checks operands element by element against the formulas of the instruction set's manual.
template <typename A, typename B, typename C> void expectFormulas(const char *name, A a, B b, C c) {
  const MatrixInstruction &row = getInstruction(name);
  auto expect = [&](const FragmentBases &bases, auto formula) {
    for (uint32_t l = 0; l < 1u << bases.lane.size(); ++l) {
      for (uint32_t i = 0; i < bases.countRegisters(); ++i) {
        EXPECT_EQ(bases.at(i, l), formula(i, l)) << name << " element " << i << " lane " << l;
      }
    }
  };
  expect(row.a, a);
  expect(row.b, b);
  expect(row.c, c);
}

TEST(MatrixInstructions, FollowTheManuals) {
  using U = uint32_t;
  auto c16x8 = [](U i, U l) { return Coord{l / 4 + 8 * (i / 2), l % 4 * 2 + i % 2}; };
  expectFormulas(
      "mma.m16n8k16.f16",
      [](U i, U l) {
        bool upper = i < 2 || (4 <= i && i < 6);
        return Coord{l / 4 + (upper ? 0 : 8), l % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
      },
      [](U i, U l) { return Coord{l % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), l / 4}; }, c16x8);
  expectFormulas(
      "mma.m16n8k8.tf32", [](U i, U l) { return Coord{l / 4 + (i & 1) * 8, l % 4 + (i >= 2 ? 4 : 0)}; },
      [](U i, U l) { return Coord{l % 4 + 4 * i, l / 4}; }, c16x8);
  auto c16x16 = [](U i, U l) { return Coord{l / 16 * 4 + i, l % 16}; };
  expectFormulas(
      "mfma.16x16x4.f32", [](U, U l) { return Coord{l % 16, l / 16}; }, [](U, U l) { return Coord{l / 16, l % 16}; },
      c16x16);
  expectFormulas(
      "mfma.16x16x16", [](U i, U l) { return Coord{l % 16, l / 16 * 4 + i}; },
      [](U i, U l) { return Coord{l / 16 * 4 + i, l % 16}; }, c16x16);
  expectFormulas(
      "mfma.32x32x8", [](U i, U l) { return Coord{l % 32, l / 32 * 4 + i}; },
      [](U i, U l) { return Coord{l / 32 * 4 + i, l % 32}; },
      [](U i, U l) { return Coord{i / 4 * 8 + l / 32 * 4 + i % 4, l % 32}; });
}

// ---- fragments

TEST(WarpFragments, ResultIsTheLeftOperandOfTheNextProduct) {
  // With rows as columns a state that a product made is, fragment by fragment, the operand of the next one.
  for (bool turned : {false, true}) {
    Fragments fragments(tf32(), turned);
    for (int64_t m : {0, 16}) {
      for (int64_t k : {0, 8, 24}) {
        Placement result = fragments.getResult(m, k), left = fragments.getLeft(m, k);
        EXPECT_EQ(result.lanes, left.lanes);
        EXPECT_EQ(result.registers.size(), left.registers.size());
        for (Coord c : left.registers) {
          EXPECT_TRUE(llvm::is_contained(result.registers, c)) << c.row << ", " << c.column;
        }
      }
    }
  }
}

TEST(WarpFragments, StartWhereTheyAreAskedTo) {
  Placement straight = Fragments(tf32(), false).getLeft(16, 8), turned = Fragments(tf32(), true).getLeft(16, 8);
  EXPECT_EQ(straight.registers.front(), (Coord{16, 8}));
  EXPECT_EQ(turned.registers.front(), (Coord{8, 16}));
  EXPECT_TRUE(straight.turned() == turned);
}

/// One instruction on the elements that placements name: the product of the tiles.
TEST(WarpFragments, MultiplyToTheProductOfTheTiles) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (bool turned : {false, true}) {
      SCOPED_TRACE(row.name.str() + (turned ? ", turned" : ""));
      Fragments fragments(row, turned);
      auto x = [](uint32_t i, uint32_t k) { return int64_t(i * 31 + k * k * 7 + 1) % 101; };
      auto y = [](uint32_t k, uint32_t j) { return int64_t(k * 17 + j * j * 5 + k * j + 3) % 97; };
      // What the instruction calls A is X, or the transpose of Y if it makes rows as columns.
      auto gather = [&](const Placement &placement, const FragmentBases &bases, bool isLeft) {
        std::map<std::pair<uint32_t, uint32_t>, int64_t> matrix;
        for (uint64_t lane = 0; lane < uint64_t(1) << bases.lane.size(); ++lane) {
          for (uint64_t reg = 0; reg < placement.registers.size(); ++reg) {
            Coord own = bases.at(reg, lane), c = elementAt(placement, lane, reg);
            matrix[{own.row, own.column}] = isLeft != turned ? x(c.row, c.column) : y(c.row, c.column);
          }
        }
        return matrix;
      };
      auto a = gather(fragments.getLeft(0, 0), row.a, true), b = gather(fragments.getRight(0, 0), row.b, false);
      ASSERT_EQ(a.size(), size_t(row.m) * row.k);
      ASSERT_EQ(b.size(), size_t(row.k) * row.n);
      Placement result = fragments.getResult(0, 0);
      for (uint64_t lane = 0; lane < uint64_t(1) << row.c.lane.size(); ++lane) {
        for (uint64_t reg = 0; reg < result.registers.size(); ++reg) {
          Coord own = row.c.at(reg, lane), c = elementAt(result, lane, reg);
          int64_t made = 0, expected = 0;
          for (uint32_t k = 0; k < row.k; ++k) {
            made += a[{own.row, k}] * b[{k, own.column}];
            expected += x(c.row, k) * y(k, c.column);
          }
          ASSERT_EQ(made, expected) << c.row << ", " << c.column;
        }
      }
    }
  }
}

TEST(WarpFragments, ResultsCoverTiles) {
  for (bool turned : {false, true}) {
    Fragments fragments(tf32(), turned);
    expectEven(fragments.getResults(32, 64), 32, 64, 1);
    // m outside: the registers of one fragment after those of another.
    Placement results = fragments.getResults(32, 64);
    Placement second = turned ? fragments.getResult(0, 8) : fragments.getResult(0, 8);
    EXPECT_EQ(llvm::ArrayRef(results.registers).slice(4, 4), llvm::ArrayRef(second.registers));
  }
  // A tile that is smaller than a fragment has one.
  EXPECT_EQ(Fragments(tf32(), false).getResults(4, 4).registers.size(), 4u);
}

// ---- accesses

TEST(Accesses, WidthsFollowRegistersLanesAndRows) {
  Placement pairs = getColumns(1, 64, kWarp); // columns 2 l and 2 l + 1
  auto accesses = groupAccesses(pairs, {64, {}}, 4, 4);
  ASSERT_EQ(accesses.size(), 1u);
  EXPECT_EQ(accesses[0].registers, (Numbers{0, 1}));
  EXPECT_EQ(groupAccesses(pairs, {64, {}}, 4, 1).size(), 2u) << "no wider than asked for";
  EXPECT_EQ(groupAccesses(pairs, {64, {}}, 1, 4).size(), 2u) << "the first element is at any place";
  EXPECT_EQ(groupAccesses(pairs, {63, {}}, 4, 4).size(), 2u) << "rows start at any place";

  Placement copies = getCopies(8, kWarp);
  accesses = groupAccesses(copies, {8, {}}, 4, 4);
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0].registers, (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(accesses[1].registers, (Numbers{4, 5, 6, 7}));
  EXPECT_EQ(accesses[1].first, (Coord{0, 4}));

  Placement columns = getColumns(4, 32, kWarp); // neighbours belong to other lanes
  EXPECT_EQ(groupAccesses(columns, {32, {}}, 4, 4).size(), 4u);
}

TEST(Accesses, RegistersInAnyOrder) {
  // Registers of a left operand are (0, 0), (8, 0), (0, 1), (8, 1): the neighbours are the first and the third.
  auto accesses = groupAccesses(Fragments(tf32(), false).getLeft(0, 0), {64, {}}, 4, 4);
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0].registers, (Numbers{0, 2}));
  EXPECT_EQ(accesses[0].first, (Coord{0, 0}));
  EXPECT_EQ(accesses[1].registers, (Numbers{1, 3}));
  EXPECT_EQ(accesses[1].first, (Coord{8, 0}));
}

TEST(Accesses, StartAtMultiplesOfTheirWidth) {
  auto accesses = groupAccesses(getCopies(4, kWarp).moved(0, 2), {8, {}}, 4, 4); // columns 2 to 5
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0].registers, (Numbers{0, 1}));
  EXPECT_EQ(accesses[1].registers, (Numbers{2, 3}));
}

TEST(Accesses, CopiesOfALaneAreAccessedOnce) {
  auto accesses = groupAccesses(Fragments(tf32(), false).getResult(0, 0).clipped(8, 8), {8, {}}, 4, 4);
  ASSERT_EQ(accesses.size(), 1u); // (0, 0), (0, 1), (0, 0), (0, 1)
  EXPECT_EQ(accesses[0].registers, (Numbers{0, 1}));
}

TEST(Wavefronts, OfLeftOperands) {
  // Pairs of 16 lanes at a time: 4 rows of 8 columns; two accesses of 32 lanes.
  Placement left = Fragments(tf32(), false).getLeft(0, 0);
  EXPECT_EQ(countWavefronts(left, {64, {}}), 2 * 2 * 4); // rows start at the same bank
  EXPECT_EQ(countWavefronts(left, {68, {}}), 2 * 2 * 2); // 4 banks apart: half of a row meets the next one
  EXPECT_EQ(countWavefronts(left, {72, {}}), 2 * 2 * 1); // 8 banks apart: side by side
}

TEST(Wavefronts, OfRightOperands) {
  // Single words of 32 lanes: rows 0, 2, 4 and 6 of 8 columns, then those below them.
  Placement right = Fragments(tf32(), false).getRight(0, 0);
  EXPECT_EQ(countWavefronts(right, {64, {}}), 2 * 4);
  EXPECT_EQ(countWavefronts(right, {68, {}}), 2 * 1); // two rows are 8 banks apart
  EXPECT_EQ(countWavefronts(right, {72, {}}), 2 * 2); // 16
}

TEST(Wavefronts, TheSameWordIsReadOnce) {
  EXPECT_EQ(countWavefronts(getCopies(1, kWarp), {1, {}}), 1);
  EXPECT_EQ(countWavefronts(getColumns(1, 32, kWarp), {32, {}}), 1);
  EXPECT_EQ(countWavefronts(getColumns(1, 16, kWarp), {16, {}}), 1);
}

// ---- rows in another order

TEST(Pairs, AreNeighboursInARow) {
  llvm::SmallVector<std::pair<unsigned, unsigned>> registers;
  Placement columns = getColumns(16, 64, kWarp);
  std::optional<Placement> pairs = getPairs(columns, registers);
  ASSERT_TRUE(pairs);
  expectEven(*pairs, 16, 32, 1);
  for (auto [pair, both] : llvm::zip_equal(pairs->registers, registers)) {
    Coord low = columns.registers[both.first], high = columns.registers[both.second];
    EXPECT_EQ(low, (Coord{pair.row, 2 * pair.column}));
    EXPECT_EQ(high, (Coord{pair.row, 2 * pair.column + 1}));
  }
  // With lanes along the rows, each has whole rows. Neighbours may be in different lanes, or of different tiles.
  registers.clear();
  pairs = getPairs(getColumns(64, 32, kWarp).turned(), registers);
  ASSERT_TRUE(pairs);
  expectEven(*pairs, 32, 32, 1);
  EXPECT_FALSE(getPairs(getColumns(16, 32, kWarp), registers));
  EXPECT_FALSE(getPairs(getCopies(3, kWarp), registers));
}

TEST(Pairs, BlocksAreReadWithoutConflicts) {
  // 16 bytes of each of 8 rows: at once if they are an odd multiple of 16 bytes apart, one after the other at most.
  EXPECT_EQ(countWavefronts(getBlockAccess(), {36, {}}), 1);
  EXPECT_EQ(countWavefronts(getBlockAccess(), {12, {}}), 1);
  EXPECT_EQ(countWavefronts(getBlockAccess(), {8, {}}), 2);
  EXPECT_EQ(countWavefronts(getBlockAccess(), {32, {}}), 8);
  EXPECT_EQ(chooseRows({{getBlockAccess(), 1}}, 16, 32, /*mayOrder=*/false).stride, 36);
}

TEST(FragmentsTest, InMemoryTheyAreBlocks) {
  for (bool inMemory : {false, true}) {
    Fragments fragments(tf32(), /*turned=*/false, inMemory);
    Placement left = fragments.getLeft(16, 8), right = fragments.getRight(8, 24).turned();
    EXPECT_EQ(isInBlocks(left), inMemory);
    EXPECT_EQ(isInBlocks(right), inMemory);
    EXPECT_FALSE(isInBlocks(left.turned())); // columns of a block are in different registers
    EXPECT_FALSE(isInBlocks(fragments.getResult(0, 0)));
    if (inMemory) { // a register is a block that starts here
      EXPECT_EQ(left.registers, (llvm::SmallVector<Coord>{{16, 8}, {24, 8}, {16, 12}, {24, 12}}));
      EXPECT_EQ(right.registers, (llvm::SmallVector<Coord>{{24, 8}, {24, 12}}));
    }
  }
}

TEST(Rows, OrderMovesWholeRows) {
  Rows rows{72, {0, 0, 1}};
  EXPECT_EQ(rows.getPlace(3), 3u);
  EXPECT_EQ(rows.getPlace(4), 5u);
  EXPECT_EQ(rows.getPlace(13), 12u);
  EXPECT_EQ(rows.getOffset({13, 7}), 12 * 72 + 7);
}

TEST(Rows, ChosenForAllWhoReadAndWriteATile) {
  // Keys of 16 tokens: operands of scores (columns are the depth), and of what is added to the state (rows are), which
  // want rows 8 or 4 banks apart; rows in another order suit both.
  Placement scores = Fragments(tf32(), false).getRight(0, 0).turned();
  Placement update = Fragments(tf32(), true).getRight(0, 0).turned(), written = getColumns(16, 64, kWarp);
  auto count = [&](const Rows &rows) {
    return std::array{countWavefronts(scores, rows), countWavefronts(update, rows), countWavefronts(written, rows)};
  };
  const std::array<int64_t, 3> fewest{2, 2, 32}; // 4 bytes of each element, 128 at a time
  std::array<Use, 3> uses{Use{scores, 16}, Use{update, 64}, Use{written, 1}};
  for (bool mayOrder : {false, true}) {
    Rows rows = chooseRows(uses, 16, 64, mayOrder);
    EXPECT_EQ(count(rows) == fewest, mayOrder);
    EXPECT_EQ(rows.order.empty(), !mayOrder);
    std::set<uint32_t> places;
    for (uint32_t row = 0; row < 16; ++row) {
      places.insert(rows.getPlace(row));
    }
    EXPECT_EQ(places.size(), 16u);
    EXPECT_EQ(*places.rbegin(), 15u);
  }
}

TEST(Rows, ChosenWithTheLeastMemory) {
  // A whole row at a time: as close as can be.
  Use written{getColumns(16, 64, kWarp), 1};
  Rows rows = chooseRows(written, 16, 64, /*mayOrder=*/true);
  EXPECT_EQ(rows.stride, 64);
  EXPECT_TRUE(rows.order.empty());
}

TEST(PlacementTest, PartsDoNotHoldTheWhole) {
  Placement whole = getColumns(16, 64, kWarp);
  EXPECT_TRUE(whole.holds(16 * 64));
  EXPECT_TRUE(whole.turned().holds(16 * 64));
  EXPECT_TRUE(getColumns(16, 16, kWarp).holds(16 * 16)); // half of the lanes have copies
  EXPECT_TRUE(getCopies(4, kWarp).holds(4));
  EXPECT_FALSE(getColumns(1, 64, kWarp).moved(15, 0).holds(16 * 64)); // a row
  EXPECT_FALSE(getCopies(3, kWarp).holds(4));
}
