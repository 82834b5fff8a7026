// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions and conversions: plans carried out step by step on numbers, for all small layouts.
#include "test/unit/lowering/LayoutCases.h"

#include "lowering/Layout/Movement.h"
#include "gtest/gtest.h"

#include <map>
#include <random>
#include <set>

using namespace rwkv;

namespace {
/// A number for each element, such that sums of different sets differ.
std::vector<uint64_t> makeNumbers(const Layout &layout) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> numbers(getCount(layout.getOut()));
  for (uint64_t &number : numbers) {
    number = random();
  }
  return numbers;
}

void expectReduction(const Layout &layout, Axis axis) {
  const Space &in = layout.getIn(), &out = layout.getOut();
  Reduction plan = planReduction(layout, axis);
  ASSERT_EQ(plan.result, layout.slice(axis));

  // What is held by anyone, summed along the axis, and what a lane and a warp have of each sum.
  std::vector<uint64_t> numbers = makeNumbers(layout);
  auto rest = [&](uint64_t element) { return element & ~out.getMask(axis); };
  std::set<uint64_t> held, ofLane, ofWarp;
  for (uint64_t i = 0; i < getCount(in); ++i) {
    Point point = in.unpack(i);
    held.insert(layout.apply(i));
    (rest(layout.apply(i)) == 0 && !point.warp && !point.lane ? ofLane : held).insert(layout.apply(i));
    (rest(layout.apply(i)) == 0 && !point.warp ? ofWarp : held).insert(layout.apply(i));
  }
  std::vector<uint64_t> sums(numbers.size());
  uint64_t terms = 0;
  for (uint64_t element : held) {
    sums[rest(element)] += numbers[element];
    terms += rest(element) == 0;
  }
  // Each step doubles the terms.
  ASSERT_EQ(uint64_t(1) << plan.inLane.size(), ofLane.size());
  ASSERT_EQ(uint64_t(1) << (plan.inLane.size() + plan.shuffles.size()), ofWarp.size());
  ASSERT_EQ(uint64_t(1) << (plan.inLane.size() + plan.shuffles.size() + plan.throughShared.size()), terms);

  std::vector<uint64_t> values(getCount(in));
  for (uint64_t i = 0; i < values.size(); ++i) {
    values[i] = numbers[layout.apply(i)];
  }
  for (auto *steps : {&plan.inLane, &plan.shuffles, &plan.throughShared}) {
    for (const ReductionStep &step : *steps) {
      ASSERT_TRUE(steps != &plan.inLane || (!step.lane && !step.warp && step.reg));
      ASSERT_TRUE(steps != &plan.shuffles || (step.lane && !step.warp));
      ASSERT_TRUE(steps == &plan.inLane || !(step.reg & ~plan.kept));
      std::vector<uint64_t> old = values;
      for (uint64_t i = 0; i < values.size(); ++i) {
        values[i] += old[i ^ in.pack({step.reg, step.lane, step.warp})];
      }
    }
  }
  for (uint64_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i], sums[rest(layout.apply(i))]) << layout.str();
  }
  // Where the result's registers are.
  const Space &resultIn = plan.result.getIn();
  for (uint64_t i = 0; i < getCount(resultIn); ++i) {
    Point point = resultIn.unpack(i);
    uint32_t reg = 0, next = 0;
    for (unsigned bit = 0; bit < in.getBits(Axis::reg); ++bit) {
      if (plan.kept >> bit & 1) {
        reg |= (point.reg >> next++ & 1) << bit;
      }
    }
    ASSERT_EQ(next, resultIn.getBits(Axis::reg));
    Point whole = layout.apply(Point{reg, point.lane, point.warp});
    whole[axis] = 0;
    ASSERT_EQ(plan.result.apply(i), plan.result.getOut().pack(whole));
  }
}

/// Whether one renaming of registers serves every lane.
bool isRenaming(const Layout &from, const Layout &to) {
  const Space &in = to.getIn();
  for (uint32_t reg = 0; reg < in.getSize(Axis::reg); ++reg) {
    bool found = false;
    for (uint32_t old = 0; old < from.getIn().getSize(Axis::reg) && !found; ++old) {
      found = true;
      for (uint32_t lane = 0; lane < in.getSize(Axis::lane); ++lane) {
        for (uint32_t warp = 0; warp < in.getSize(Axis::warp); ++warp) {
          found &= from.at(old, lane, warp) == to.at(reg, lane, warp);
        }
      }
    }
    if (!found) {
      return false;
    }
  }
  return true;
}

/// Whether every warp of `to` needs only what the same warp of `from` has.
bool isInWarps(const Layout &from, const Layout &to) {
  for (uint32_t warp = 0; warp < to.getIn().getSize(Axis::warp); ++warp) {
    std::set<uint64_t> has;
    for (uint64_t i = 0; i < getCount(from.getIn()); ++i) {
      if (from.getIn().unpack(i).warp == warp) {
        has.insert(from.apply(i));
      }
    }
    for (uint64_t i = 0; i < getCount(to.getIn()); ++i) {
      if (to.getIn().unpack(i).warp == warp && !has.count(to.apply(i))) {
        return false;
      }
    }
  }
  return true;
}

/// Carries a plan out, round by round: in a round every lane sends one register and receives one.
void expectConversion(const Layout &from, const Layout &to, std::map<Movement, unsigned> *count = nullptr) {
  const Space &oldIn = from.getIn(), &in = to.getIn();
  std::optional<Conversion> plan = planConversion(from, to);
  std::set<uint64_t> has;
  for (uint64_t i = 0; i < getCount(oldIn); ++i) {
    has.insert(from.apply(i));
  }
  bool possible = true;
  for (uint64_t i = 0; i < getCount(in); ++i) {
    possible &= has.count(to.apply(i)) == 1;
  }
  ASSERT_EQ(plan.has_value(), possible);
  if (!possible) {
    return;
  }
  if (count) {
    ++(*count)[plan->movement];
  }
  ASSERT_EQ(plan->movement == Movement::none, from == to);
  ASSERT_EQ(plan->movement <= Movement::registers, isRenaming(from, to)) << from.str() << " -> " << to.str();
  ASSERT_EQ(isFree(from, to), isRenaming(from, to));
  ASSERT_TRUE(plan->movement != Movement::shuffles || isInWarps(from, to));
  if (from.inverse() && to.inverse()) { // with copies, a lane may have more to send than the others
    ASSERT_EQ(plan->movement <= Movement::shuffles, isInWarps(from, to)) << from.str() << " -> " << to.str();
  }
  ASSERT_EQ(plan->source.compose(from), to);
  for (uint64_t i = 0; i < getCount(in); ++i) {
    Point point = in.unpack(i), place = plan->source.apply(point);
    ASSERT_TRUE(plan->movement == Movement::shared || point.warp == place.warp);
    ASSERT_TRUE(plan->movement > Movement::registers || point.lane == place.lane);
    ASSERT_TRUE(plan->movement > Movement::registers || place.reg == plan->source.apply(Point{point.reg}).reg);
  }
  ASSERT_EQ(plan->receive.has_value(), plan->movement == Movement::shuffles);
  ASSERT_EQ(plan->send.has_value(), plan->movement == Movement::shuffles);
  if (!plan->receive) {
    ASSERT_EQ(plan->countShuffles(), 0u);
    return;
  }
  std::set<uint64_t> received;
  unsigned moving = 0;
  for (uint32_t round = 0; round < in.getSize(Axis::reg); ++round) {
    bool local = true;
    for (uint32_t warp = 0; warp < in.getSize(Axis::warp); ++warp) {
      for (uint32_t lane = 0; lane < in.getSize(Axis::lane); ++lane) {
        Point take = plan->receive->apply(Point{round, lane, warp});
        uint32_t sent = plan->send->apply(Point{round, take.lane, warp}).reg;
        ASSERT_EQ(from.at(sent, take.lane, warp), to.at(take.reg, lane, warp)) << from.str() << " -> " << to.str();
        ASSERT_TRUE(received.insert(in.pack({take.reg, lane, warp})).second);
        local &= take.lane == lane;
      }
    }
    ASSERT_EQ(plan->isLocal(round), local);
    moving += !local;
  }
  ASSERT_EQ(received.size(), getCount(in));
  ASSERT_EQ(plan->countShuffles(), moving);
}

std::vector<Layout> pick(const Space &in, const Space &out, unsigned count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<Layout> layouts;
  for (unsigned i = 0; i < count; ++i) {
    llvm::SmallVector<uint64_t> images;
    for (unsigned bit = 0; bit < in.getBits(); ++bit) {
      images.push_back(random() & (getCount(out) - 1));
    }
    layouts.push_back(*Layout::get(in, out, images));
  }
  return layouts;
}
} // namespace

// ---- reductions

TEST(Reduction, AllSmallMaps) {
  for (const Layout &layout : getLayouts(hardware(2, 1, 1), tileSpace(1, 2))) {
    expectReduction(layout, Axis::row);
    expectReduction(layout, Axis::column);
  }
  for (const Layout &layout : getLayouts(hardware(1, 2, 1), tileSpace(1, 2))) {
    expectReduction(layout, Axis::row);
    expectReduction(layout, Axis::column);
  }
}

TEST(Reduction, RandomMaps) {
  for (const Layout &layout : pick(hardware(3, 3, 2), tileSpace(3, 4), 500, 7)) {
    expectReduction(layout, Axis::row);
    expectReduction(layout, Axis::column);
  }
}

TEST(Reduction, OfFragments) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      expectReduction(fragment, Axis::row);
      expectReduction(fragment, Axis::column);
    }
  }
}

TEST(Reduction, OfStates) {
  using Steps = llvm::SmallVector<ReductionStep>;
  Layout state = *getInstruction("mma.m16n8k16").getC()->tile(64, 64, 4);
  Reduction rows = planReduction(state, Axis::column), columns = planReduction(state, Axis::row);
  EXPECT_EQ(rows.inLane, (Steps{{1, 0, 0}, {4, 0, 0}, {8, 0, 0}, {16, 0, 0}}));
  EXPECT_EQ(rows.shuffles, (Steps{{0, 1, 0}, {0, 2, 0}}));
  EXPECT_TRUE(rows.throughShared.empty());
  EXPECT_EQ(rows.kept, 2u);
  EXPECT_EQ(rows.result.str(), "reg=[[8,0]] lane=[[0,0],[0,0],[1,0],[2,0],[4,0]] warp=[[16,0],[32,0]]");
  EXPECT_EQ(rows.result.getCopyMask(Axis::lane), 3u);
  EXPECT_EQ(rows.result.getCopyMask(Axis::warp), 0u);
  EXPECT_EQ(columns.inLane, (Steps{{2, 0, 0}}));
  EXPECT_EQ(columns.shuffles, (Steps{{0, 4, 0}, {0, 8, 0}, {0, 16, 0}}));
  EXPECT_EQ(columns.throughShared, (Steps{{0, 0, 1}, {0, 0, 2}}));

  state = *getInstruction("mfma.16x16x16").getC()->tile(64, 64, 4);
  rows = planReduction(state, Axis::column);
  columns = planReduction(state, Axis::row);
  EXPECT_EQ(rows.inLane, (Steps{{4, 0, 0}, {8, 0, 0}}));
  EXPECT_EQ(rows.shuffles, (Steps{{0, 1, 0}, {0, 2, 0}, {0, 4, 0}, {0, 8, 0}}));
  EXPECT_TRUE(rows.throughShared.empty());
  EXPECT_EQ(columns.inLane, (Steps{{1, 0, 0}, {2, 0, 0}}));
  EXPECT_EQ(columns.shuffles, (Steps{{0, 16, 0}, {0, 32, 0}}));
  EXPECT_EQ(columns.throughShared.size(), 2u);
}

// ---- conversions

TEST(Conversion, AllPairsOfSmallMaps) {
  std::map<Movement, unsigned> count;
  for (const auto &[in, out] : {std::pair(hardware(1, 1, 1), tileSpace(1, 1)),
                                {hardware(2, 1, 0), tileSpace(1, 1)},
                                {hardware(1, 2, 0), tileSpace(1, 1)},
                                {hardware(1, 1, 0), tileSpace(1, 2)}}) {
    std::vector<Layout> layouts = getLayouts(in, out);
    for (const Layout &from : layouts) {
      for (const Layout &to : layouts) {
        expectConversion(from, to, &count);
      }
    }
  }
  for (const Layout &from : getLayouts(hardware(2, 1, 0), tileSpace(1, 1))) {
    for (const Layout &to : getLayouts(hardware(1, 1, 0), tileSpace(1, 1))) {
      expectConversion(from, to, &count);
      expectConversion(to, from, &count);
    }
  }
  for (Movement movement : {Movement::none, Movement::registers, Movement::shuffles, Movement::shared}) {
    EXPECT_GT(count[movement], 0u);
  }
}

TEST(Conversion, RandomMaps) {
  std::map<Movement, unsigned> count;
  for (const auto &[in, out, newIn] : {std::tuple(hardware(2, 3, 0), tileSpace(2, 3), hardware(2, 3, 0)),
                                       {hardware(3, 3, 1), tileSpace(3, 3), hardware(3, 3, 1)},
                                       {hardware(2, 3, 1), tileSpace(2, 2), hardware(3, 3, 1)}}) {
    std::vector<Layout> old = pick(in, out, 2000, 3), wanted = pick(newIn, out, 2000, 5);
    for (unsigned i = 0; i < old.size(); ++i) {
      expectConversion(old[i], wanted[i], &count);
    }
  }
  EXPECT_GT(count[Movement::shuffles], 200u);
  // Inside warps: a bijection of the registers and lanes of a warp, with what a warp adds to them.
  count.clear();
  Space in = hardware(3, 3, 2), inWarp = hardware(3, 3, 0);
  for (const Layout &old : pick(in, tileSpace(4, 4), 100, 11)) {
    for (const Layout &change : pick(inWarp, inWarp, 20, 13)) {
      for (const Layout &warps : pick(hardware(0, 0, 2), inWarp, 2, 17)) {
        llvm::SmallVector<uint64_t> images(change.getImages());
        for (uint32_t bit = 0; bit < 2; ++bit) {
          images.push_back(warps.getImages()[bit] | in.pack(Point::at(Axis::warp, 1u << bit)));
        }
        expectConversion(old, *Layout::get(in, in, images)->compose(old), &count);
      }
    }
  }
  EXPECT_GT(count[Movement::shuffles], 500u);
}

TEST(Conversion, BetweenFragments) {
  std::map<Movement, unsigned> count;
  std::vector<Layout> layouts;
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      for (const Layout &turned : {fragment, fragment.transpose()}) {
        std::optional<Layout> tile = turned.tile(64, 32, 4);
        if (tile && !llvm::is_contained(layouts, *tile)) {
          layouts.push_back(*tile);
        }
      }
    }
  }
  for (const Layout &from : layouts) {
    for (const Layout &to : layouts) {
      if (from.getIn().getBits(Axis::lane) == to.getIn().getBits(Axis::lane)) {
        expectConversion(from, to, &count);
      }
    }
  }
  EXPECT_GT(count[Movement::shuffles], 0u);
  EXPECT_GT(count[Movement::shared], 0u);
}

TEST(Conversion, OfDifferentShapesIsNone) {
  Layout c = *getInstruction("mma.m16n8k16").getC();
  EXPECT_FALSE(planConversion(c, c.transpose()));
  EXPECT_FALSE(planConversion(c, *c.replicate(Axis::warp, 2)));
  EXPECT_FALSE(planConversion(c, *c.replicate(Axis::lane, 2)));
  EXPECT_EQ(planConversion(c, *c.replicate(Axis::reg, 2))->movement, Movement::registers);
}

TEST(Conversion, AccumulatorsAreOperands) {
  const MatrixInstruction &mma = getInstruction("mma.m16n8k16");
  Layout c = *mma.getC()->tile(16, 16);
  EXPECT_EQ(planConversion(c, *mma.getA())->movement, Movement::none);
  EXPECT_TRUE(isFree(c.transpose(), *mma.getB()->tile(16, 16)));
  EXPECT_FALSE(isFree(c, *mma.getB()->tile(16, 16)));
  for (const char *name : {"mfma.16x16x16", "wmma.gfx12.16x16x16"}) {
    const MatrixInstruction &row = getInstruction(name);
    EXPECT_TRUE(isFree(*row.getC(), *row.getB())) << name;
    EXPECT_TRUE(isFree(row.getC()->transpose(), *row.getA())) << name;
    EXPECT_EQ(row.getA()->transpose(), row.getB()) << name;
  }
  const MatrixInstruction &large = getInstruction("mfma.32x32x8");
  EXPECT_TRUE(isFree(*large.getC(), *large.getB()->tile(32, 32)));
  EXPECT_EQ(large.getA()->transpose(), large.getB());
  const MatrixInstruction &group = getInstruction("wgmma.m64n8k16");
  EXPECT_TRUE(isFree(*group.getC()->tile(64, 64, 4), *group.getA()->tile(64, 64, 4)));
  // Also with four warps on the value axis: rows of the first kind, columns of the second.
  for (uint32_t size : {64, 128}) {
    EXPECT_TRUE(isFree(*mma.getC()->tile(size, 64, 4), *mma.getA()->tile(size, 64, 4)));
    const MatrixInstruction &mfma = getInstruction("mfma.16x16x16");
    EXPECT_TRUE(isFree(*mfma.getC()->tile(64, size, 4, Axis::column), *mfma.getB()->tile(64, size, 4, Axis::column)));
  }
}

TEST(Conversion, FreeUpToAPermutationOfTheContraction) {
  const MatrixInstruction &row = getInstruction("mfma.16x16x32");
  Layout c = *row.getC()->tile(32, 16), b = *row.getB();
  EXPECT_FALSE(isFree(c, b));
  std::optional<Layout> permutation = findPermutation(c, b, Axis::row);
  ASSERT_TRUE(permutation && permutation->inverse());
  std::set<uint32_t> rows;
  for (uint32_t lane = 0; lane < 64; ++lane) {
    for (uint32_t reg = 0; reg < 8; ++reg) {
      Coord from = c.at(reg, lane), to = b.at(reg, lane);
      EXPECT_EQ(from.column, to.column);
      EXPECT_EQ(permutation->apply(Point::at(Axis::row, from.row)).row, to.row);
      rows.insert(to.row);
    }
  }
  EXPECT_EQ(rows.size(), 32u);
  EXPECT_FALSE(findPermutation(c, b, Axis::column));
  EXPECT_FALSE(findPermutation(c, c.transpose(), Axis::row));
  // The identity where nothing needs to be permuted.
  std::optional<Layout> identity = findPermutation(b, b, Axis::row);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->inverse(), identity);
}

TEST(Conversion, CountsShuffles) {
  // A transposition of 4 x 4 elements on four lanes: one round stays where it is.
  Layout rows = *Layout::distributed(4, 4, {{0, 1}, {0, 2}}, {{1, 0}, {2, 0}});
  Conversion plan = *planConversion(rows, rows.transpose());
  EXPECT_EQ(plan.movement, Movement::shuffles);
  EXPECT_EQ(plan.countShuffles(), 3u);
  // All that a lane needs is in the lane, in other registers on other lanes: selects.
  Layout skewed = *Layout::distributed(4, 4, {{0, 1}, {0, 2}}, {{1, 1}, {2, 2}});
  plan = *planConversion(rows, skewed);
  EXPECT_EQ(plan.movement, Movement::shuffles);
  EXPECT_EQ(plan.countShuffles(), 0u);
}
