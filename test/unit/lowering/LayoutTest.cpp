// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Layouts: every answer against brute force over all indices, for all small layouts and for the layouts of matrix
// instructions.
#include "test/unit/lowering/LayoutCases.h"

#include "gtest/gtest.h"

#include <map>
#include <set>

using namespace rwkv;

namespace {
std::set<uint64_t> getImage(const Layout &layout) {
  std::set<uint64_t> image;
  for (uint64_t i = 0; i < getCount(layout.getIn()); ++i) {
    image.insert(layout.apply(i));
  }
  return image;
}

/// All maps from two bits of registers, one of lanes, one of warps to 2 x 4 tiles, and others with more lanes.
std::vector<Layout> getSmallLayouts() {
  std::vector<Layout> layouts = getLayouts(hardware(2, 1, 1), tileSpace(1, 2));
  for (const Layout &layout : getLayouts(hardware(1, 2, 1), tileSpace(1, 1))) {
    layouts.push_back(layout);
  }
  for (const Layout &layout : getLayouts(hardware(1, 1, 0), tileSpace(2, 2))) {
    layouts.push_back(layout);
  }
  return layouts;
}

uint32_t vectorWidthByForce(const Layout &layout, Axis axis) {
  const Space &in = layout.getIn();
  uint32_t best = 1;
  for (uint32_t width = 2; width <= in.getSize(Axis::reg) && width <= layout.getOut().getSize(axis); width *= 2) {
    for (uint64_t i = 0; i < getCount(in); ++i) {
      Point index = in.unpack(i), first = index;
      first.reg -= index.reg % width;
      Point expected = layout.apply(first);
      if (expected[axis] % width) {
        return best;
      }
      expected[axis] += index.reg % width;
      Point got = layout.apply(index);
      if (got.row != expected.row || got.column != expected.column) {
        return best;
      }
    }
    best = width;
  }
  return best;
}
} // namespace

// ---- matrix instructions

TEST(Fragments, CoverTheirTilesEquallyOften) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      std::map<uint64_t, unsigned> count;
      for (uint64_t i = 0; i < getCount(fragment.getIn()); ++i) {
        ++count[fragment.apply(i)];
      }
      EXPECT_EQ(count.size(), getCount(fragment.getOut())) << row.name.str();
      for (auto [element, times] : count) {
        EXPECT_EQ(times, getCount(fragment.getIn()) / count.size());
      }
    }
  }
}

/// Checks operands element by element against the formulas of the instruction set's manual.
template <typename A, typename B, typename C> static void expectFormulas(const char *name, A a, B b, C c) {
  const MatrixInstruction &row = getInstruction(name);
  auto expect = [&](const std::optional<Layout> &layout, auto formula) {
    ASSERT_TRUE(layout) << name;
    const Space &in = layout->getIn();
    for (uint32_t w = 0; w < in.getSize(Axis::warp); ++w) {
      for (uint32_t l = 0; l < in.getSize(Axis::lane); ++l) {
        for (uint32_t i = 0; i < in.getSize(Axis::reg); ++i) {
          EXPECT_EQ(layout->at(i, l, w), formula(i, l, w)) << name << " element " << i << " lane " << l;
        }
      }
    }
  };
  expect(row.getA(), a);
  expect(row.getC(), c);
  if (!row.bInShared) {
    expect(row.getB(), b);
  }
}

TEST(Fragments, FollowTheManuals) {
  using U = uint32_t;
  auto c16x8 = [](U i, U l, U w) { return Coord{16 * w + l / 4 + 8 * (i / 2), l % 4 * 2 + i % 2}; };
  auto a16x16 = [](U i, U l, U w) {
    bool upper = i < 2 || (4 <= i && i < 6);
    return Coord{16 * w + l / 4 + (upper ? 0 : 8), l % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
  };
  auto b16x8 = [](U i, U l, U) { return Coord{l % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), l / 4}; };
  expectFormulas("mma.m16n8k16", a16x16, b16x8, c16x8);
  expectFormulas("wgmma.m64n8k16", a16x16, b16x8, c16x8);
  expectFormulas("mma.m16n8k8", c16x8, [](U i, U l, U) { return Coord{l % 4 * 2 + i, l / 4}; }, c16x8);
  expectFormulas(
      "mma.m16n8k8.tf32", [](U i, U l, U) { return Coord{l / 4 + (i & 1) * 8, l % 4 + (i >= 2 ? 4 : 0)}; },
      [](U i, U l, U) { return Coord{l % 4 + 4 * i, l / 4}; }, c16x8);
  for (U k : {16, 32}) {
    U e = k / 4;
    expectFormulas(
        k == 16 ? "mfma.16x16x16" : "mfma.16x16x32", [e](U i, U l, U) { return Coord{l % 16, l / 16 * e + i}; },
        [e](U i, U l, U) { return Coord{l / 16 * e + i, l % 16}; },
        [](U i, U l, U) { return Coord{l / 16 * 4 + i, l % 16}; });
  }
  expectFormulas(
      "mfma.32x32x8", [](U i, U l, U) { return Coord{l % 32, l / 32 * 4 + i}; },
      [](U i, U l, U) { return Coord{l / 32 * 4 + i, l % 32}; },
      [](U i, U l, U) { return Coord{i / 4 * 8 + l / 32 * 4 + i % 4, l % 32}; });
  expectFormulas(
      "wmma.gfx11.16x16x16", [](U i, U l, U) { return Coord{l % 16, i}; }, [](U i, U l, U) { return Coord{i, l % 16}; },
      [](U i, U l, U) { return Coord{2 * i + l / 16, l % 16}; });
  auto b12 = [](U i, U l, U) { return Coord{l / 16 * 8 + i, l % 16}; };
  expectFormulas("wmma.gfx12.16x16x16", [](U i, U l, U) { return Coord{l % 16, l / 16 * 8 + i}; }, b12, b12);
}

TEST(Fragments, AccumulatorOfFourWarps) {
  std::optional<Layout> c = getInstruction("wgmma.m64n8k16").getC()->tile(64, 256, 4);
  ASSERT_TRUE(c && c->inverse());
  for (uint32_t i = 0; i < 128; ++i) {
    for (uint32_t thread = 0; thread < 128; ++thread) {
      Coord expected = {thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, i / 4 * 8 + thread % 4 * 2 + i % 2};
      EXPECT_EQ(c->at(i, thread % 32, thread / 32), expected);
    }
  }
}

// ---- constructors

TEST(Layout, IsPrintedInAttributeSyntax) {
  EXPECT_EQ(getInstruction("mma.m16n8k16").getC()->str(),
            "reg=[[0,1],[8,0]] lane=[[0,2],[0,4],[1,0],[2,0],[4,0]] warp=[]");
  EXPECT_EQ(Layout::shared(2, 4, Axis::column, {1, 0, 2})->str(), "offset=[[0,1],[0,2],[1,1]]");
  EXPECT_EQ(Layout::shared(2, 4, Axis::row)->inverse()->str(), "row=[[1]] column=[[2],[4]]");
}

TEST(Layout, RefusesWhatIsNoLayout) {
  EXPECT_FALSE(Layout::distributed(3, 4, {}, {}));
  EXPECT_FALSE(Layout::distributed(0, 4, {}, {}));
  EXPECT_FALSE(Layout::distributed(4, 4, {{4, 0}}, {}));
  EXPECT_FALSE(Layout::distributed(4, 4, {}, {{0, 4}}));
  EXPECT_TRUE(Layout::distributed(4, 4, {}, {{3, 3}}));
  EXPECT_FALSE(Layout::distributed(4, 4, std::vector<Coord>(32), {}));
  EXPECT_FALSE(Layout::distributed(4, 4, std::vector<Coord>(31), std::vector<Coord>(31), std::vector<Coord>(2)));
  EXPECT_FALSE(Layout::get(hardware(1, 0, 0), tileSpace(1, 1), {}));
  EXPECT_FALSE(Layout::get(hardware(1, 0, 0), tileSpace(1, 1), {4}));
  EXPECT_FALSE(Layout::blocked({8, 8, 3, 1}));
  EXPECT_FALSE(Layout::blocked({8, 8, 4, 1, 16}));
  EXPECT_FALSE(Layout::blocked({8, 8, 4, 1, 1, Axis::lane}));
  EXPECT_FALSE(Layout::shared(8, 6));
  EXPECT_FALSE(Layout::shared(8, 8, Axis::offset));
  EXPECT_FALSE(Layout::shared(8, 8, Axis::column, {2, 0, 1}));
  EXPECT_FALSE(Layout::shared(8, 8, Axis::column, {2, 2, 3}));
  EXPECT_FALSE(Layout::shared(8, 8, Axis::column, {1, ~0u, 2}));
  Layout c = *getInstruction("mma.m16n8k16").getC();
  EXPECT_FALSE(c.compose(c));
  EXPECT_FALSE(c.repeat(Axis::reg, Axis::row, 3));
  EXPECT_FALSE(c.repeat(Axis::reg, Axis::row, 1u << 31));
  EXPECT_FALSE(c.replicate(Axis::lane, 0));
  EXPECT_FALSE(c.tile(8, 8));
  EXPECT_FALSE(c.tile(48, 64));
  EXPECT_FALSE(c.tile(64, 64, 3));
  EXPECT_FALSE(c.tile(64, 64, 4, Axis::warp));
}

TEST(Layout, BlockedIsCoalesced) {
  for (uint32_t rows : {1, 4, 64}) {
    for (uint32_t columns : {1, 8, 64}) {
      for (uint32_t lanes : {1, 32, 64}) {
        for (uint32_t warps : {1, 4}) {
          for (uint32_t vector = 1; vector <= columns && vector <= 8; vector *= 2) {
            std::optional<Layout> layout = Layout::blocked({rows, columns, lanes, warps, vector});
            ASSERT_TRUE(layout);
            EXPECT_TRUE(layout->isSurjective());
            EXPECT_EQ(layout->isInjective(), lanes * warps * vector <= rows * columns);
            EXPECT_GE(layout->getVectorWidth(), vector);
            EXPECT_EQ(Layout::blocked({columns, rows, lanes, warps, vector, Axis::row}), layout->transpose());
            // Thread t has the t-th vector of the tile, modulo the tile.
            for (uint32_t t = 0; t < lanes * warps; ++t) {
              uint32_t element = t * vector % (rows * columns);
              EXPECT_EQ(layout->at(0, t % lanes, t / lanes), (Coord{element / columns, element % columns}));
            }
          }
        }
      }
    }
  }
}

TEST(Layout, SharedIsSwizzledInPlace) {
  for (unsigned bits = 0; bits <= 2; ++bits) {
    for (unsigned base = 0; base <= 2; ++base) {
      for (unsigned shift = bits; base + shift + bits <= 6; ++shift) {
        for (Axis contiguous : {Axis::column, Axis::row}) {
          std::optional<Layout> layout = Layout::shared(4, 16, contiguous, {bits, base, shift});
          ASSERT_TRUE(layout && layout->inverse());
          for (uint32_t row = 0; row < 4; ++row) {
            for (uint32_t column = 0; column < 16; ++column) {
              uint32_t offset = contiguous == Axis::column ? row * 16 + column : column * 4 + row;
              offset ^= (offset >> shift & ((1u << bits) - 1) << base);
              Point place = layout->inverse()->apply(Point{0, 0, 0, 0, row, column});
              EXPECT_EQ(place.offset, offset);
            }
          }
        }
      }
    }
  }
}

// ---- linear algebra

TEST(Layout, AlgebraOfAllSmallMaps) {
  for (const Layout &layout : getSmallLayouts()) {
    const Space &in = layout.getIn(), &out = layout.getOut();
    std::set<uint64_t> image = getImage(layout);
    ASSERT_EQ(image.size(), uint64_t(1) << layout.getRank());
    ASSERT_EQ(layout.isInjective(), image.size() == getCount(in));
    ASSERT_EQ(layout.isSurjective(), image.size() == getCount(out));
    ASSERT_EQ(layout.inverse().has_value(), layout.isInjective() && layout.isSurjective());
    ASSERT_EQ(Layout::get(in, out, layout.getImages()), layout);

    Layout inverse = layout.pseudoInverse();
    std::set<uint64_t> copies = {0};
    for (uint64_t vector : layout.getKernel()) {
      std::set<uint64_t> shifted;
      for (uint64_t copy : copies) {
        shifted.insert(copy ^ vector);
      }
      copies.merge(shifted);
    }
    std::map<uint64_t, uint64_t> first;
    for (uint64_t i = 0; i < getCount(in); ++i) {
      ASSERT_EQ(layout.apply(i) == 0, copies.count(i) == 1);
      first.insert({layout.apply(i), i});
      Point point = in.unpack(i);
      ASSERT_EQ(in.pack(point), i);
      Coord at = layout.at(point.reg, point.lane, point.warp);
      ASSERT_EQ(out.pack({0, 0, 0, 0, at.row, at.column}), layout.apply(i));
    }
    for (auto [element, place] : first) {
      ASSERT_EQ(inverse.apply(element), place);
    }
    ASSERT_EQ(layout.compose(inverse)->compose(layout), layout);
    ASSERT_EQ(inverse.compose(layout)->compose(inverse), inverse);

    // Owners: zeros in the copy masks.
    std::set<uint64_t> owned;
    uint64_t owners = 0;
    for (uint64_t i = 0; i < getCount(in); ++i) {
      Point point = in.unpack(i);
      bool owner = !(point.reg & layout.getCopyMask(Axis::reg)) && !(point.lane & layout.getCopyMask(Axis::lane)) &&
                   !(point.warp & layout.getCopyMask(Axis::warp));
      owners += owner;
      if (owner) {
        owned.insert(layout.apply(i));
      }
    }
    ASSERT_EQ(owners, image.size());
    ASSERT_EQ(owned, image);
  }
}

TEST(Layout, ComposesAndMultiplies) {
  std::vector<Layout> inner = getLayouts(hardware(1, 1, 0), tileSpace(1, 1));
  std::vector<Layout> outer = getLayouts(tileSpace(1, 1), Space{{Axis::offset, 2}});
  for (const Layout &a : inner) {
    for (const Layout &b : outer) {
      std::optional<Layout> both = a.compose(b);
      ASSERT_TRUE(both);
      for (uint64_t i = 0; i < 4; ++i) {
        ASSERT_EQ(both->apply(i), b.apply(a.apply(i)));
      }
    }
    for (const Layout &b : inner) {
      std::optional<Layout> both = a.product(b);
      ASSERT_TRUE(both);
      for (uint32_t i = 0; i < 16; ++i) {
        uint32_t reg = i & 3, lane = i >> 2;
        Coord low = a.at(reg & 1, lane & 1), high = b.at(reg >> 1, lane >> 1);
        ASSERT_EQ(both->at(reg, lane), (Coord{low.row + 2 * high.row, low.column + 2 * high.column}));
      }
    }
  }
}

// ---- larger, smaller and turned tiles

TEST(Layout, TilesRepeatTheFragment) {
  for (const MatrixInstruction &row : matrixInstructions) {
    for (const Layout &fragment : getFragments(row)) {
      const Space &in = fragment.getIn();
      uint32_t m = fragment.getOut().getSize(Axis::row), n = fragment.getOut().getSize(Axis::column);
      uint32_t registers = in.getSize(Axis::reg), own = in.getSize(Axis::warp);
      for (Axis warpAxis : {Axis::row, Axis::column}) {
        for (uint32_t warps : {4, 16}) {
          std::optional<Layout> tile = fragment.tile(8 * m, 4 * n, warps, warpAxis);
          ASSERT_TRUE(tile);
          ASSERT_TRUE(tile->isSurjective());
          uint32_t split = std::min(warps / own, warpAxis == Axis::row ? 8u : 4u), down = 8;
          down /= warpAxis == Axis::row ? split : 1;
          for (uint64_t i = 0; i < getCount(tile->getIn()); ++i) {
            Point point = tile->getIn().unpack(i);
            uint32_t block = point.reg / registers, warp = point.warp / own % split;
            Coord expected = fragment.at(point.reg % registers, point.lane, point.warp % own);
            expected.row += m * (warpAxis == Axis::row ? block % down * split + warp : block % down);
            expected.column += n * (warpAxis == Axis::row ? block / down : block / down * split + warp);
            ASSERT_EQ(tile->at(point.reg, point.lane, point.warp), expected);
          }
        }
      }
    }
  }
}

TEST(Layout, TransposesAndSlices) {
  for (const Layout &layout : getSmallLayouts()) {
    const Space &in = layout.getIn();
    Layout turned = layout.transpose();
    ASSERT_EQ(turned.transpose(), layout);
    for (Axis axis : {Axis::row, Axis::column}) {
      Layout slice = layout.slice(axis);
      ASSERT_EQ(slice.getOut().getSize(axis), 1u);
      // The same lanes and warps hold the same elements, each register another one.
      for (uint32_t lane = 0; lane < in.getSize(Axis::lane); ++lane) {
        for (uint32_t warp = 0; warp < in.getSize(Axis::warp); ++warp) {
          std::set<uint32_t> expected, got;
          Axis other = axis == Axis::row ? Axis::column : Axis::row;
          for (uint32_t reg = 0; reg < in.getSize(Axis::reg); ++reg) {
            Point element = layout.apply(Point{reg, lane, warp});
            ASSERT_EQ(turned.at(reg, lane, warp), (Coord{element.column, element.row}));
            expected.insert(element[other]);
          }
          for (uint32_t reg = 0; reg < slice.getIn().getSize(Axis::reg); ++reg) {
            ASSERT_TRUE(got.insert(slice.apply(Point{reg, lane, warp})[other]).second);
          }
          ASSERT_EQ(got, expected);
        }
      }
    }
  }
}

// ---- vectors

TEST(Layout, VectorWidthOfAllSmallMaps) {
  std::vector<Layout> renamings = getLayouts(hardware(2, 0, 0), hardware(2, 0, 0));
  for (const Layout &layout : getSmallLayouts()) {
    const Space &in = layout.getIn();
    for (Axis axis : {Axis::row, Axis::column}) {
      ASSERT_EQ(layout.getVectorWidth(axis), vectorWidthByForce(layout, axis)) << layout.str();
      Layout ordered = layout.orderRegisters(axis);
      ASSERT_EQ(ordered.getIn(), in);
      // A renaming: a register of the old one for each of the new one, the same on every lane and warp.
      for (uint32_t reg = 0; reg < in.getSize(Axis::reg); ++reg) {
        bool found = false;
        for (uint32_t old = 0; old < in.getSize(Axis::reg); ++old) {
          bool same = true;
          for (uint32_t rest = 0; rest < getCount(in) >> in.getBits(Axis::reg); ++rest) {
            uint32_t lane = rest % in.getSize(Axis::lane), warp = rest / in.getSize(Axis::lane);
            same &= layout.at(old, lane, warp) == ordered.at(reg, lane, warp);
          }
          found |= same;
        }
        ASSERT_TRUE(found);
      }
      ASSERT_EQ(getImage(ordered), getImage(layout));
      // No renaming does better.
      uint32_t best = 1;
      for (const Layout &renaming : renamings) {
        if (in.getBits(Axis::reg) != 2 || !renaming.isInjective()) {
          continue;
        }
        llvm::SmallVector<uint64_t> images;
        for (uint64_t image : renaming.getImages()) {
          images.push_back(layout.apply(image));
        }
        llvm::append_range(images, layout.getImages().drop_front(2));
        best = std::max(best, vectorWidthByForce(*Layout::get(in, layout.getOut(), images), axis));
      }
      best = std::max(best, layout.getVectorWidth(axis));
      ASSERT_EQ(ordered.getVectorWidth(axis), best) << layout.str();
    }
  }
}

TEST(Layout, VectorWidthOfFragments) {
  Layout state = *getInstruction("mma.m16n8k16").getC()->tile(64, 64, 4);
  EXPECT_EQ(state.getIn().getSize(Axis::reg), 32u);
  EXPECT_EQ(state.getVectorWidth(Axis::column), 2u);
  EXPECT_EQ(state.getVectorWidth(Axis::row), 1u);
  Layout waves = *getInstruction("mfma.16x16x16").getC()->tile(64, 64, 4);
  EXPECT_EQ(waves.getIn().getSize(Axis::reg), 16u);
  EXPECT_EQ(waves.getVectorWidth(Axis::row), 4u);
  EXPECT_EQ(getInstruction("mma.m16n8k16").getA()->orderRegisters(Axis::column).getVectorWidth(), 2u);
  // Two fragments interleaved along k: 8 contiguous elements, in registers that must be put in order.
  Layout apart = *Layout::distributed(8, 32, {{0, 1}, {0, 4}, {0, 2}}, {{0, 8}, {0, 16}, {1, 0}, {2, 0}, {4, 0}});
  EXPECT_EQ(apart.getVectorWidth(), 2u);
  EXPECT_EQ(apart.orderRegisters().getVectorWidth(), 8u);

  EXPECT_EQ(getAccessElements(16, 16), 8u);
  EXPECT_EQ(getAccessElements(16, 32), 4u);
  EXPECT_EQ(getAccessElements(2, 32), 2u);
  EXPECT_EQ(getAccessElements(16, 8, 64), 8u);
  EXPECT_EQ(getAccessElements(16, 256), 1u);
  EXPECT_EQ(getAccessElements(16, 0), 1u);
}
