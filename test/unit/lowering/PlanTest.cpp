// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans: which tiles of a straight-line piece are roots, and which roots share a loop nest.
#include "test/unit/lowering/TestCompiler.h"

#include "lowering/RegisterBlocks/Nest.h"
#include "lowering/TilePrograms/Plan.h"
#include "gtest/gtest.h"

#include <optional>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::blocks;
using namespace rwkv::programs;
using Kind = Root::Kind;

namespace {
/// What every test's kernel starts with: tiles of both shapes, and numbers.
constexpr const char *prologue = R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %v = tile.load %x[%c0] : <f32> -> tensor<8xf32>
    %w = tile.load %x[%c1] : <f32> -> tensor<8xf32>
    %m = tile.load %x[%t] : <f32> -> tensor<8x8xf32>
)";

class PlanTest : public ::testing::Test {
protected:
  PlanTest() { context.get().loadDialect<scf::SCFDialect>(); }

  /// Plans a kernel without loops; its ops get names by their results: see find.
  void plan(const std::string &text) {
    parse(text + "}");
    Block &block = kernel().getBody().front();
    build(block, {}, {});
  }

  /// Plans the body of a loop that carries `args` (name = init, types); `text` ends with a yield.
  void planLoop(const std::string &args, const std::string &types, const std::string &text) {
    parse("%r:" + std::to_string(std::count(args.begin(), args.end(), '=')) + " = scf.for %i = %c0 to %n step %c1 " +
          "iter_args(" + args + ") -> (" + types + ") {" + text + "}}");
    scf::ForOp loop = *kernel().getBody().getOps<scf::ForOp>().begin();
    build(*loop.getBody(), loop.getBody()->getTerminator()->getOperands(),
          SmallVector<Value>(loop.getRegionIterArgs().begin(), loop.getRegionIterArgs().end()));
  }

  void build(Block &block, ValueRange carried, ArrayRef<Value> args) {
    SmallVector<Operation *> ops;
    for (Operation &op : block) {
      if (op.getNumRegions() == 0 && !op.hasTrait<OpTrait::IsTerminator>()) {
        ops.push_back(&op);
      }
    }
    result.emplace(ops, carried, args);
  }

  void parse(const std::string &text) {
    rwkv::test::Errors errors(context.get());
    module = context.parse(prologue + text);
    ASSERT_TRUE(module) << errors.get();
  }

  tile::KernelOp kernel() { return *module->getOps<tile::KernelOp>().begin(); }

  /// The root that the n-th op of a name (from 0) makes or is; null if it is none.
  const Root *root(StringRef name, unsigned n = 0) {
    const Root *found = nullptr;
    unsigned count = 0;
    kernel().walk([&](Operation *op) {
      if (op->getName().getStringRef() != name || count++ != n) {
        return;
      }
      for (const Root &candidate : result->roots) {
        found = candidate.op == op ? &candidate : found;
      }
      if (op->getNumResults() == 1 && found) {
        EXPECT_EQ(result->find(op->getResult(0)), found);
      }
    });
    EXPECT_GT(count, n) << name.str();
    return found;
  }

  const Root *assign(unsigned destination) {
    for (const Root &candidate : result->roots) {
      if (candidate.kind == Kind::assign && candidate.destination == destination) {
        return &candidate;
      }
    }
    return nullptr;
  }

  /// Every root is listed by the nest that it names, once.
  void checkNests() {
    unsigned listed = 0;
    for (auto [i, nest] : llvm::enumerate(result->nests)) {
      for (unsigned index : nest.roots) {
        EXPECT_EQ(result->roots[index].nest, i);
        ++listed;
      }
    }
    EXPECT_EQ(listed, result->roots.size());
  }

  rwkv::test::TestContext context;
  OwningOpRef<ModuleOp> module;
  std::optional<Plan> result;
};

std::vector<std::pair<int64_t, int64_t>> split(int64_t size, int64_t lanes) {
  std::vector<std::pair<int64_t, int64_t>> slots;
  for (const Slot &slot : splitRow(size, lanes)) {
    slots.push_back({slot.offset, slot.width});
  }
  return slots;
}
} // namespace

TEST(SplitRowTest, FullVectorsThenHalves) {
  using Slots = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(split(0, 8), Slots());
  EXPECT_EQ(split(1, 8), (Slots{{0, 1}}));
  EXPECT_EQ(split(3, 8), (Slots{{0, 2}, {2, 1}}));
  EXPECT_EQ(split(8, 8), (Slots{{0, 8}}));
  EXPECT_EQ(split(15, 8), (Slots{{0, 8}, {8, 4}, {12, 2}, {14, 1}}));
  EXPECT_EQ(split(17, 8), (Slots{{0, 8}, {8, 8}, {16, 1}}));
  EXPECT_EQ(split(100, 16), (Slots{{0, 16}, {16, 16}, {32, 16}, {48, 16}, {64, 16}, {80, 16}, {96, 4}}));
  EXPECT_EQ(split(3, 1), (Slots{{0, 1}, {1, 1}, {2, 1}}));
  for (int64_t size = 0; size < 70; ++size) {
    for (int64_t lanes : {1, 2, 4, 8, 16}) {
      int64_t next = 0, width = lanes;
      for (const Slot &slot : splitRow(size, lanes)) {
        EXPECT_EQ(slot.offset, next);
        EXPECT_LE(slot.width, width);
        width = slot.width;
        next += slot.width;
      }
      EXPECT_EQ(next, size);
    }
  }
}

TEST_F(PlanTest, NothingToDo) {
  plan("%1 = arith.addf %v, %w : tensor<8xf32>");
  EXPECT_TRUE(result->roots.empty());
  EXPECT_TRUE(result->nests.empty());
  EXPECT_EQ(result->find(kernel().getBuffers()[0]), nullptr);
}

TEST_F(PlanTest, PointwiseRootsShareANest) {
  plan(R"(%1 = arith.addf %v, %w : tensor<8xf32>
    %2 = arith.negf %1 : tensor<8xf32>
    tile.store %2, %y[%c0] : tensor<8xf32>, <f32>
    %3 = arith.mulf %1, %v : tensor<8xf32>
    tile.store %3, %y[%c1] : tensor<8xf32>, <f32>
    %4 = tile.reduce sum %3 over 0 : tensor<8xf32> -> f32)");
  checkNests();
  ASSERT_EQ(result->nests.size(), 1u);
  EXPECT_EQ(result->roots.size(), 3u);
  EXPECT_EQ(result->nests[0].domain, (SmallVector<int64_t>{8}));
  // A reduction of a vector has no order of axes.
  EXPECT_EQ(result->nests[0].order, Order::any);
}

TEST_F(PlanTest, OtherPointsAreOtherNests) {
  plan(R"(tile.store %v, %y[%c0] : tensor<8xf32>, <f32>
    tile.store %m, %y[%c0] : tensor<8x8xf32>, <f32>
    %1 = arith.negf %m : tensor<8x8xf32>
    tile.store %1, %y[%c1] : tensor<8x8xf32>, <f32>)");
  checkNests();
  ASSERT_EQ(result->nests.size(), 2u);
  EXPECT_EQ(root("tile.store", 0)->nest, 0u);
  EXPECT_EQ(root("tile.store", 1)->nest, 1u);
  EXPECT_EQ(root("tile.store", 2)->nest, 1u);
}

TEST_F(PlanTest, ReductionsOfDifferentAxesAreApart) {
  plan(R"(%1 = tile.reduce sum %m over 0 : tensor<8x8xf32> -> tensor<8xf32>
    %2 = tile.reduce sum %m over 1 : tensor<8x8xf32> -> tensor<8xf32>
    %3 = arith.negf %m : tensor<8x8xf32>
    tile.store %3, %y[%c0] : tensor<8x8xf32>, <f32>
    %4 = tile.reduce max %3 over 1 : tensor<8x8xf32> -> tensor<8xf32>)");
  checkNests();
  ASSERT_EQ(result->nests.size(), 2u);
  EXPECT_EQ(result->nests[0].order, Order::columnsOutside);
  EXPECT_EQ(result->nests[1].order, Order::rowsOutside);
  EXPECT_EQ(root("tile.reduce", 0)->getOrder(), Order::columnsOutside);
  // A store goes along with the first.
  EXPECT_EQ(root("tile.store")->nest, 0u);
  EXPECT_EQ(root("tile.reduce", 2)->nest, 1u);
}

TEST_F(PlanTest, AStoreTakesTheOrderOfALaterReduction) {
  plan(R"(tile.store %m, %y[%c0] : tensor<8x8xf32>, <f32>
    %1 = tile.reduce sum %m over 0 : tensor<8x8xf32> -> tensor<8xf32>)");
  ASSERT_EQ(result->nests.size(), 1u);
  EXPECT_EQ(result->nests[0].order, Order::columnsOutside);
}

TEST_F(PlanTest, AResultOfAReductionIsKnownInALaterNest) {
  plan(R"(%1 = tile.reduce sum %v over 0 : tensor<8xf32> -> f32
    %2 = math.sqrt %1 : f32
    %3 = tile.broadcast %2 : f32 -> tensor<8xf32>
    %4 = arith.divf %v, %3 : tensor<8xf32>
    tile.store %4, %y[%c0] : tensor<8xf32>, <f32>)");
  checkNests();
  ASSERT_EQ(result->nests.size(), 2u);
  EXPECT_EQ(root("tile.reduce")->nest, 0u);
  EXPECT_EQ(root("tile.store")->nest, 1u);
}

TEST_F(PlanTest, AnOffsetIsWaitedFor) {
  plan(R"(%1 = tile.reduce sum %v over 0 : tensor<8xf32> -> f32
    %2 = arith.fptosi %1 : f32 to i64
    %3 = arith.index_cast %2 : i64 to index
    tile.store %w, %y[%3] : tensor<8xf32>, <f32>)");
  EXPECT_EQ(root("tile.store")->nest, 1u);
}

TEST_F(PlanTest, OperandsOfBroadcastsAreInMemory) {
  plan(R"(%1 = arith.negf %v : tensor<8xf32>
    %2 = tile.broadcast %1 on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %3 = arith.mulf %2, %m : tensor<8x8xf32>
    tile.store %3, %y[%c0] : tensor<8x8xf32>, <f32>)");
  checkNests();
  const Root *tile = root("arith.negf");
  ASSERT_NE(tile, nullptr);
  EXPECT_EQ(tile->kind, Kind::tile);
  EXPECT_TRUE(tile->stored);
  EXPECT_EQ(tile->nest, 0u);
  EXPECT_EQ(root("tile.store")->nest, 1u);
  // What is broadcast as it was loaded lies in memory already, a repeated number needs none.
  plan(R"(%1 = tile.broadcast %v on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %2 = tile.load %x[%c0] : <f32> -> f32
    %3 = tile.broadcast %2 : f32 -> tensor<8x8xf32>
    %4 = arith.mulf %1, %3 : tensor<8x8xf32>
    tile.store %4, %y[%c0] : tensor<8x8xf32>, <f32>)");
  EXPECT_EQ(result->roots.size(), 1u);
}

TEST_F(PlanTest, OperandsOfReshapesAndProductsAreInMemory) {
  plan(R"(%1 = arith.negf %v : tensor<8xf32>
    %2 = tile.reshape %1 : tensor<8xf32> -> tensor<2x4xf32>
    %3 = arith.addf %2, %2 : tensor<2x4xf32>
    tile.store %3, %y[%c0] : tensor<2x4xf32>, <f32>)");
  ASSERT_NE(root("arith.negf"), nullptr);
  EXPECT_TRUE(root("arith.negf")->stored);
  plan(R"(%1 = arith.negf %m : tensor<8x8xf32>
    %2 = tile.dot %1, %m transposed : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    tile.store %1, %y[%c0] : tensor<8x8xf32>, <f32>
    tile.store %2, %y[%c0] : tensor<8x8xf32>, <f32>)");
  checkNests();
  ASSERT_NE(root("arith.negf"), nullptr);
  EXPECT_TRUE(root("arith.negf")->stored);
}

TEST_F(PlanTest, AProductIsAloneInItsNest) {
  plan(R"(tile.store %m, %y[%c0] : tensor<8x8xf32>, <f32>
    %1 = tile.dot %m, %m transposed : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    %2 = tile.dot %m, %m : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    %3 = arith.addf %1, %2 : tensor<8x8xf32>
    tile.store %3, %y[%c1] : tensor<8x8xf32>, <f32>)");
  checkNests();
  ASSERT_EQ(result->nests.size(), 4u);
  for (unsigned i : {0, 1}) {
    const Root *dot = root("tile.dot", i);
    EXPECT_EQ(dot->kind, Kind::program);
    EXPECT_EQ(result->nests[dot->nest].roots.size(), 1u);
    EXPECT_TRUE(dot->getDomain().empty());
  }
  EXPECT_EQ(root("tile.store", 1)->nest, 3u);
}

TEST_F(PlanTest, DearValuesOfSeveralNestsAreKept) {
  // Four ops, used by a reduction and by what comes after it.
  const std::string four = R"(%1 = arith.addf %v, %w : tensor<8xf32>
    %2 = arith.mulf %1, %v : tensor<8xf32>
    %3 = arith.addf %2, %w : tensor<8xf32>
    %4 = arith.mulf %3, %3 : tensor<8xf32>)";
  const std::string uses = R"(
    %5 = tile.reduce sum %4 over 0 : tensor<8xf32> -> f32
    %6 = tile.broadcast %5 : f32 -> tensor<8xf32>
    %7 = arith.divf %4, %6 : tensor<8xf32>
    tile.store %7, %y[%c0] : tensor<8xf32>, <f32>)";
  plan(four + uses);
  checkNests();
  const Root *kept = root("arith.mulf", 1);
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(kept->stored);
  EXPECT_EQ(kept->nest, root("tile.reduce")->nest);
  EXPECT_EQ(root("arith.addf", 0), nullptr);
  // One op is computed again.
  plan("%4 = arith.addf %v, %w : tensor<8xf32>" + uses);
  EXPECT_EQ(root("arith.addf"), nullptr);
  EXPECT_EQ(result->roots.size(), 2u);
}

TEST_F(PlanTest, WhatOneNestAloneUsesIsNotWritten) {
  // Dear, used by two stores, but at the same points: evaluated once and dropped.
  plan(R"(%1 = arith.addf %v, %w : tensor<8xf32>
    %2 = arith.mulf %1, %v : tensor<8xf32>
    %3 = arith.addf %2, %w : tensor<8xf32>
    %4 = arith.mulf %3, %v : tensor<8xf32>
    tile.store %4, %y[%c0] : tensor<8xf32>, <f32>
    %5 = arith.negf %4 : tensor<8xf32>
    tile.store %5, %y[%c1] : tensor<8xf32>, <f32>)");
  checkNests();
  EXPECT_EQ(result->nests.size(), 1u);
  const Root *tile = root("arith.mulf", 1);
  ASSERT_NE(tile, nullptr);
  EXPECT_FALSE(tile->stored);
}

TEST_F(PlanTest, ValuesOfOtherPiecesAreKept) {
  plan(R"(%1 = arith.addf %v, %w : tensor<8xf32>
    %2 = arith.cmpi eq, %t, %b : index
    scf.if %2 {
      tile.store %1, %y[%c0] : tensor<8xf32>, <f32>
    })");
  const Root *tile = root("arith.addf");
  ASSERT_NE(tile, nullptr);
  EXPECT_TRUE(tile->stored);
}

TEST_F(PlanTest, CarriedInPlace) {
  planLoop("%S = %v, %U = %w", "tensor<8xf32>, tensor<8xf32>", R"(%1 = arith.addf %S, %v : tensor<8xf32>
    %2 = tile.reduce sum %1 over 0 : tensor<8xf32> -> f32
    tile.store %S, %y[%c0] : tensor<8xf32>, <f32>
    scf.yield %1, %U : tensor<8xf32>, tensor<8xf32>)");
  checkNests();
  ASSERT_NE(assign(0), nullptr);
  EXPECT_EQ(assign(0)->nest, 0u);
  EXPECT_EQ(assign(0)->op, nullptr);
  // What stays as it is, is not moved.
  EXPECT_EQ(assign(1), nullptr);
  EXPECT_TRUE(result->delayed.empty());
}

TEST_F(PlanTest, SwappedAtTheSamePoints) {
  planLoop("%S = %v, %U = %w", "tensor<8xf32>, tensor<8xf32>", "scf.yield %U, %S : tensor<8xf32>, tensor<8xf32>");
  checkNests();
  ASSERT_EQ(result->nests.size(), 1u);
  EXPECT_EQ(result->roots.size(), 2u);
  EXPECT_TRUE(result->delayed.empty());
}

TEST_F(PlanTest, DelayedWhenReadInALaterNest) {
  planLoop("%S = %v", "tensor<8xf32>", R"(%1 = arith.addf %S, %v : tensor<8xf32>
    %2 = tile.reduce sum %1 over 0 : tensor<8xf32> -> f32
    %3 = tile.broadcast %2 : f32 -> tensor<8xf32>
    %4 = arith.mulf %3, %S : tensor<8xf32>
    tile.store %4, %y[%c0] : tensor<8xf32>, <f32>
    scf.yield %1 : tensor<8xf32>)");
  checkNests();
  EXPECT_EQ(assign(0)->nest, 0u);
  EXPECT_EQ(root("tile.store")->nest, 1u);
  EXPECT_TRUE(result->delayed.contains(0));
}

TEST_F(PlanTest, DelayedWhenReadAtOtherPoints) {
  // The rows are scaled by the old value of all other columns: a vector that is read along the other axis.
  planLoop("%S = %m", "tensor<8x8xf32>", R"(%1 = tile.reshape %S : tensor<8x8xf32> -> tensor<64xf32>
    %2 = tile.reshape %1 : tensor<64xf32> -> tensor<8x8xf32>
    %3 = arith.addf %S, %2 : tensor<8x8xf32>
    scf.yield %3 : tensor<8x8xf32>)");
  checkNests();
  EXPECT_TRUE(result->delayed.contains(0));
  // Another nest that comes earlier does no harm.
  planLoop("%S = %v", "tensor<8xf32>", R"(%1 = tile.broadcast %S on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %2 = tile.reduce sum %1 over 0 : tensor<8x8xf32> -> tensor<8xf32>
    %3 = arith.addf %S, %2 : tensor<8xf32>
    scf.yield %3 : tensor<8xf32>)");
  EXPECT_EQ(assign(0)->nest, 1u);
  EXPECT_TRUE(result->delayed.empty());
}

TEST_F(PlanTest, OneOfTwoStatesIsDelayed) {
  planLoop("%S = %v, %U = %w", "tensor<8xf32>, tensor<8xf32>", R"(%1 = arith.addf %S, %v : tensor<8xf32>
    %2 = tile.reduce sum %1 over 0 : tensor<8xf32> -> f32
    %3 = tile.broadcast %2 : f32 -> tensor<8xf32>
    %4 = arith.mulf %3, %S : tensor<8xf32>
    %5 = arith.addf %U, %4 : tensor<8xf32>
    scf.yield %1, %5 : tensor<8xf32>, tensor<8xf32>)");
  checkNests();
  EXPECT_TRUE(result->delayed.contains(0));
  EXPECT_FALSE(result->delayed.contains(1));
}

TEST_F(PlanTest, WaysThatPartAndMeetAreFollowedOnce) {
  // 2^64 ways from what is carried to what takes a number out of it.
  std::string text, last = "%a";
  for (int i = 0; i < 64; ++i) {
    std::string number = std::to_string(i);
    text += "%p" + number + " = arith.negf " + last + " : tensor<8xf32>\n";
    text += "%q" + number + " = arith.addf " + last + ", %p" + number + " : tensor<8xf32>\n";
    last = "%q" + number;
  }
  planLoop("%a = %v", "tensor<8xf32>", text + "scf.yield " + last + " : tensor<8xf32>");
  EXPECT_TRUE(result->delayed.empty());
  text += "%z = tile.slice " + last + "[%c0] : tensor<8xf32> -> f32\n%o = tile.broadcast %z : f32 -> tensor<8xf32>\n";
  planLoop("%a = %v", "tensor<8xf32>", text + "scf.yield %o : tensor<8xf32>");
  EXPECT_TRUE(result->delayed.contains(0));
}

TEST_F(PlanTest, CarriedNumbersAreNoRoots) {
  planLoop("%S = %v, %U = %c0", "tensor<8xf32>, index", R"(%1 = arith.addf %S, %v : tensor<8xf32>
    %2 = arith.addi %U, %c1 : index
    scf.yield %1, %2 : tensor<8xf32>, index)");
  EXPECT_EQ(result->roots.size(), 1u);
  EXPECT_EQ(assign(0)->destination, 0u);
}

TEST_F(PlanTest, FreeValues) {
  parse(R"(%f = tile.load %x[%c0] : <f32> -> f32
    %1 = tile.broadcast %f : f32 -> tensor<8xf32>
    %2 = tile.broadcast %v on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %3 = tile.reshape %m : tensor<8x8xf32> -> tensor<64xf32>
    %4 = arith.constant dense<1.0> : tensor<8xf32>
    %5 = arith.addf %v, %4 : tensor<8xf32>
    %6 = tile.broadcast %5 on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %7 = tile.reduce sum %m over 0 : tensor<8x8xf32> -> tensor<8xf32>
    %8 = tile.reshape %7 : tensor<8xf32> -> tensor<2x4xf32>
  })");
  auto check = [&](StringRef name, unsigned n, bool expected) {
    unsigned count = 0;
    kernel().walk([&](Operation *op) {
      if (op->getName().getStringRef() == name && count++ == n) {
        EXPECT_EQ(isFree(op->getResult(0)), expected) << name.str() << " " << n;
        EXPECT_TRUE(isTile(op->getResult(0)));
      }
    });
    EXPECT_GT(count, n);
  };
  check("tile.load", 0, true);
  check("tile.broadcast", 0, true);
  check("tile.broadcast", 1, true);
  check("tile.broadcast", 2, false);
  check("tile.reshape", 0, true);
  check("tile.reshape", 1, false);
  check("arith.addf", 0, false);
  check("tile.reduce", 0, false);
  EXPECT_FALSE(isTile(kernel().getTask()));
}

/// Sums over the rows of a matrix, and roots of another vector, which need nothing of them.
constexpr const char *kReadAndRoots = R"(
    %rows = tile.broadcast %v on 0 : tensor<8xf32> -> tensor<8x8xf32>
    %product = arith.mulf %m, %rows : tensor<8x8xf32>
    %read = tile.reduce sum %product over 0 : tensor<8x8xf32> -> tensor<8xf32>
    %root = math.sqrt %w : tensor<8xf32>
    %roots = tile.broadcast %root on 0 : tensor<8xf32> -> tensor<8x8xf32>
)";

// Vectors that need nothing of the nests in front of them come first, and what needs those alone.
TEST_F(PlanTest, VectorsFirst) {
  plan(std::string(kReadAndRoots) + R"(
    %total = tile.reduce sum %root over 0 : tensor<8xf32> -> f32
    %scale = tile.broadcast %total : f32 -> tensor<8xf32>
    %scaled = arith.divf %root, %scale : tensor<8xf32>
    %columns = tile.broadcast %scaled on 1 : tensor<8xf32> -> tensor<8x8xf32>
    %reads = tile.broadcast %read on 1 : tensor<8xf32> -> tensor<8x8xf32>
    %1 = arith.mulf %columns, %reads : tensor<8x8xf32>
    %2 = arith.addf %1, %roots : tensor<8x8xf32>
    tile.store %2, %y[%c0] : tensor<8x8xf32>, <f32>
  )");
  unsigned read = root("tile.reduce")->nest, vectors = root("math.sqrt")->nest, scaled = root("arith.divf")->nest;
  unsigned store = root("tile.store")->nest;
  EXPECT_LT(read, vectors);
  EXPECT_LT(vectors, scaled);
  EXPECT_EQ(result->getVectorsFirst(), (SmallVector<unsigned>{vectors, scaled, read, store}));
}

// A nest stays where it is if one of its vectors needs what comes before.
TEST_F(PlanTest, VectorsBehindWhatOneNeeds) {
  plan(std::string(kReadAndRoots) + R"(
    %late = arith.subf %read, %w : tensor<8xf32>
    %lates = tile.broadcast %late on 1 : tensor<8xf32> -> tensor<8x8xf32>
    %1 = arith.addf %lates, %roots : tensor<8x8xf32>
    tile.store %1, %y[%c0] : tensor<8x8xf32>, <f32>
  )");
  unsigned read = root("tile.reduce")->nest, vectors = root("math.sqrt")->nest, store = root("tile.store")->nest;
  EXPECT_EQ(root("arith.subf")->nest, vectors);
  EXPECT_EQ(result->getVectorsFirst(), (SmallVector<unsigned>{read, vectors, store}));
}
