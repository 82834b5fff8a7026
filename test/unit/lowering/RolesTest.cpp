// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Roles: what of a loop over chunks is prepared, what is applied to what it carries, and which loops have none.
#include "test/unit/lowering/TestCompiler.h"

#include "lowering/TilePrograms/Roles.h"
#include "mlir/IR/Verifier.h"
#include "gtest/gtest.h"

#include <cstring>
#include <optional>

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {
/// A loop over chunks of 4 tokens with keys of 8 and values of 16 elements that carries %S, and what it yields.
std::string getLoop(const std::string &body, const std::string &carried = "tensor<8x16xf32>") {
  return R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %S0 = tile.load %x[%c0] : <f32> -> )" +
         carried + "\n%r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (" + carried + ") {\n" + R"(
      %k = tile.load %x[%i] {k} : <f32> -> tensor<4x8xf32>
      %v = tile.load %x[%i] {v} : <f32> -> tensor<4x16xf32>
      %kt = tile.transpose %k : tensor<4x8xf32> -> tensor<8x4xf32>
)" + body +
         "\nscf.yield %Sn : " + carried + "\n}\ntile.store %r, %y[%c0] : " + carried + ", <f32>\n}\n";
}

const char *const kWrite = R"(
      %Sn = tile.dot %kt, %v acc %S : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)";

const char *const kDelta = R"(
      %q = tile.load %x[%i] {q} : <f32> -> tensor<4x8xf32>
      %A = tile.dot %k, %kt precision tf32 {scores} : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
      %L = arith.negf %A {lower} : tensor<4x4xf32>
      %old = tile.dot %k, %S precision tf32 {read} : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
      %e = arith.subf %v, %old {error} : tensor<4x16xf32>
      %u = tile.solve_unit_lower %L, %e {solve} : tensor<4x4xf32>, tensor<4x16xf32>
      %o = tile.dot %q, %S precision tf32 {output} : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
      tile.store %o, %y[%i] {store} : tensor<4x16xf32>, <f32>
      %Sn = tile.dot %kt, %u precision tf32 acc %S : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)";

class RolesTest : public ::testing::Test {
protected:
  RolesTest() { context.get().loadDialect<scf::SCFDialect>(); }

  void find(const std::string &text) {
    rwkv::test::Errors errors(context.get());
    module = context.parse(text);
    ASSERT_TRUE(module) << errors.get();
    loop = scf::ForOp();
    module->walk([&](scf::ForOp op) { loop = op; }); // outer loops come last
    why.clear();
    roles = findRoles(loop, why);
  }

  /// The reason why a loop has no roles; none if it has.
  std::string refuse(const std::string &text) {
    find(text);
    EXPECT_EQ(roles.has_value(), why.empty());
    return roles ? "" : why;
  }

  /// Ops by their unit attributes, which stand for names here.
  static std::string nameOf(Operation *op) {
    for (NamedAttribute attribute : op->getDiscardableAttrs()) {
      if (isa<UnitAttr>(attribute.getValue())) {
        return attribute.getName().str();
      }
    }
    return op->getName().getStringRef().str();
  }
  static std::string namesOf(ArrayRef<Operation *> ops) { return llvm::join(llvm::map_range(ops, nameOf), " "); }
  std::string passed() {
    return llvm::join(llvm::map_range(roles->passed, [](Value value) { return nameOf(value.getDefiningOp()); }), " ");
  }
  /// Ops of the loop's body whose results have split columns.
  std::string split() {
    std::vector<std::string> names;
    for (Operation &op : *loop.getBody()) {
      if (op.getNumResults() == 1 && roles->split.contains(op.getResult(0))) {
        names.push_back(nameOf(&op));
      }
    }
    return llvm::join(names, " ");
  }

  rwkv::test::TestContext context;
  OwningOpRef<ModuleOp> module;
  scf::ForOp loop;
  std::optional<Roles> roles;
  std::string why;
};
} // namespace

// ---- what is prepared, what is applied

TEST_F(RolesTest, DeltaRule) {
  find(getLoop(kDelta));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(roles->columns, 16);
  EXPECT_EQ(namesOf(roles->prepare), "k q scores lower");
  EXPECT_EQ(namesOf(roles->apply), "read error solve output store write");
  EXPECT_EQ(namesOf(roles->loads), "v");
  EXPECT_EQ(passed(), "k lower q"); // in the order in which they are applied; what is transposed once
  EXPECT_EQ(split(), "v read error solve output write");
  EXPECT_TRUE(roles->split.contains(loop.getRegionIterArgs().front()));
}

TEST_F(RolesTest, WhatOnlyValuesNeedIsApplied) {
  // Products of what is prepared and values do not depend on the state, but have its columns.
  find(getLoop(R"(
      %A = tile.dot %k, %kt {scores} : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
      %w = tile.dot %A, %v {mixed} : tensor<4x4xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
      %Sn = tile.dot %kt, %w acc %S : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)"));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(namesOf(roles->prepare), "k scores");
  EXPECT_EQ(namesOf(roles->apply), "mixed write");
  EXPECT_EQ(passed(), "scores k");
}

TEST_F(RolesTest, VectorsAndNumbersArePassed) {
  // A decay of rows is prepared; it is repeated by those who apply it. A row of values belongs to the columns.
  find(getLoop(R"(
      %g = tile.reduce sum %k over 0 {sum} : tensor<4x8xf32> -> tensor<8xf32>
      %d = math.exp %g {decay} : tensor<8xf32>
      %D = tile.broadcast %d on 0 : tensor<8xf32> -> tensor<8x16xf32>
      %f = tile.load %x[%n] {number} : <f32> -> f32
      %F = tile.broadcast %f : f32 -> tensor<8x16xf32>
      %b0 = tile.load %x[%n] {row} : <f32> -> tensor<16xf32>
      %B0 = tile.broadcast %b0 on 1 {rows} : tensor<16xf32> -> tensor<8x16xf32>
      %1 = arith.mulf %S, %D {decayed} : tensor<8x16xf32>
      %2 = arith.mulf %1, %F {scaled} : tensor<8x16xf32>
      %3 = arith.addf %2, %B0 {added} : tensor<8x16xf32>
      %Sn = tile.dot %kt, %v acc %3 : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)"));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(namesOf(roles->prepare), "k sum decay number");
  EXPECT_EQ(namesOf(roles->loads), "v row");
  EXPECT_EQ(passed(), "decay number k");
}

TEST_F(RolesTest, OutsideOfTheLoopNothingIsPassed) {
  std::string text = getLoop(R"(
      %1 = arith.mulf %S, %S1 {scaled} : tensor<8x16xf32>
      %Sn = tile.dot %kt, %v acc %1 : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)");
  text.insert(text.find("%r ="), "%S1 = tile.load %x[%c1] : <f32> -> tensor<8x16xf32>\n");
  find(text);
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(passed(), "k");
  EXPECT_EQ(namesOf(roles->loads), "v");
}

// ---- axes

/// Keys, values and chunks of the same size: axes are told apart by what is done, not by sizes.
static std::string getSquare(const std::string &body) {
  std::string text = getLoop(body, "tensor<8x8xf32>");
  for (const char *type : {"4x8xf32", "8x4xf32", "4x16xf32"}) {
    for (size_t at; (at = text.find(type)) != std::string::npos;) {
      text.replace(at, strlen(type), "8x8xf32");
    }
  }
  return text;
}

TEST_F(RolesTest, RepeatedVectorsDoNotJoinAxes) {
  // The same factors of tokens, repeated once for scores [C, C] and for values [C, V].
  auto repeatedOn = [](const std::string &axis) {
    return getSquare(R"(
      %g = tile.reduce sum %k over 1 {sum} : tensor<8x8xf32> -> tensor<8xf32>
      %G = tile.broadcast %g on )" +
                     axis + R"( : tensor<8xf32> -> tensor<8x8xf32>
      %A = tile.dot %k, %kt {scores} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
      %L = arith.mulf %A, %G {lower} : tensor<8x8xf32>
      %w = arith.mulf %v, %G {values} : tensor<8x8xf32>
      %u = tile.solve_unit_lower %L, %w {solve} : tensor<8x8xf32>, tensor<8x8xf32>
      %Sn = tile.dot %kt, %u acc %S : tensor<8x8xf32> {write} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>)");
  };
  find(repeatedOn("0"));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(namesOf(roles->prepare), "k sum scores lower");
  EXPECT_EQ(namesOf(roles->apply), "values solve write");
  EXPECT_EQ(passed(), "sum lower k");
  // Along the axis on which its elements differ a vector does join what it is used with.
  EXPECT_EQ(refuse(repeatedOn("1")), "the columns of the state depend on each other");
}

TEST_F(RolesTest, ConstantsDoNotJoinAxes) {
  // The same zeros, and a repeated number, for scores [C, C] and for values [C, V].
  const std::string ops = R"(
      %z = ZEROS : tensor<8x8xf32>
      %A = tile.dot %k, %kt {scores} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
      %P = arith.maximumf %A, %z {positive} : tensor<8x8xf32>
      %w = arith.maximumf %v, %z {values} : tensor<8x8xf32>
      %m = tile.dot %P, %w {mixed} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
      %Sn = tile.dot %kt, %m acc %S : tensor<8x8xf32> {write} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>)";
  auto with = [&](const std::string &zeros) {
    std::string text = ops;
    return getSquare(text.replace(text.find("ZEROS : tensor<8x8xf32>"), strlen("ZEROS : tensor<8x8xf32>"), zeros));
  };
  for (const char *zeros :
       {"arith.constant dense<0.0> : tensor<8x8xf32>", "tile.broadcast %zero : f32 -> tensor<8x8xf32>"}) {
    SCOPED_TRACE(zeros);
    std::string text = with(zeros);
    text.insert(text.find("%z ="), "%zero = arith.constant 0.0 : f32\n");
    find(text);
    ASSERT_TRUE(roles) << why;
    EXPECT_EQ(namesOf(roles->prepare), "k scores positive");
    EXPECT_EQ(namesOf(roles->apply), "values mixed write");
  }
  // Elements that differ belong to places: the columns of scores, which are summed over, would be those of the state.
  EXPECT_EQ(refuse(with("tile.load %x[%n] : <f32> -> tensor<8x8xf32>")),
            "the columns of the state depend on each other");
}

// ---- refusals

TEST_F(RolesTest, ColumnsThatDependOnEachOther) {
  const std::string expected = "the columns of the state depend on each other";
  EXPECT_EQ(refuse(getLoop(R"(
      %1 = tile.reduce sum %S over 1 : tensor<8x16xf32> -> tensor<8xf32>
      %2 = tile.broadcast %1 on 0 : tensor<8xf32> -> tensor<8x16xf32>
      %Sn = arith.subf %S, %2 : tensor<8x16xf32>)")),
            expected);
  EXPECT_EQ(refuse(getLoop(R"(
      %1 = tile.load %x[%n] : <f32> -> tensor<16x16xf32>
      %Sn = tile.dot %S, %1 : tensor<8x16xf32>, tensor<16x16xf32> -> tensor<8x16xf32>)")),
            expected);
  EXPECT_EQ(refuse(getLoop(R"(
      %1 = tile.slice %S[%c0, %c0] : tensor<8x16xf32> -> tensor<8x8xf32>
      %Sn = tile.insert %1 into %S[%c0, %c0] : tensor<8x8xf32> -> tensor<8x16xf32>)")),
            expected);
  // Sums over rows leave columns alone.
  EXPECT_EQ(refuse(getLoop(R"(
      %1 = tile.reduce sum %S over 0 : tensor<8x16xf32> -> tensor<16xf32>
      %2 = tile.broadcast %1 on 1 : tensor<16xf32> -> tensor<8x16xf32>
      %Sn = arith.subf %S, %2 : tensor<8x16xf32>)")),
            "");
}

TEST_F(RolesTest, StatesThatAreNoMatrices) {
  const std::string expected = "a state that is no f32 matrix";
  EXPECT_EQ(refuse(getLoop("%Sn = arith.addf %S, %S : tensor<16xf32>", "tensor<16xf32>")), expected);
  EXPECT_EQ(refuse(R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f64>) {
    %S0 = tile.load %x[%t] : <f64> -> tensor<8x16xf64>
    %r = scf.for %i = %t to %n step %b iter_args(%S = %S0) -> (tensor<8x16xf64>) {
      scf.yield %S : tensor<8x16xf64>
    }
  })"),
            expected);
  EXPECT_EQ(refuse(R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>) {
    scf.for %i = %t to %n step %b {
      %v = tile.load %x[%i] : <f32> -> tensor<8xf32>
      tile.store %v, %x[%t] : tensor<8xf32>, <f32>
    }
  })"),
            "nothing is carried");
}

// ---- states that are not split

namespace {
/// A normaliser %N with the keys of a memory %S, and what is carried besides.
std::string getNormalised(const std::string &body) {
  return R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %S0 = tile.load %x[%c0] : <f32> -> tensor<8x16xf32>
    %N0 = tile.load %x[%c0] : <f32> -> tensor<8x1xf32>
    %m0 = tile.load %x[%c0] : <f32> -> tensor<1xf32>
    %r:3 = scf.for %i = %c0 to %n step %c1 iter_args(%N = %N0, %m = %m0, %S = %S0) -> (tensor<8x1xf32>, tensor<1xf32>, tensor<8x16xf32>) {
      %k = tile.load %x[%i] {k} : <f32> -> tensor<4x8xf32>
      %v = tile.load %x[%i] {v} : <f32> -> tensor<4x16xf32>
      %g = tile.load %x[%i] {gate} : <f32> -> tensor<4x1xf32>
      %kt = tile.transpose %k : tensor<4x8xf32> -> tensor<8x4xf32>
      %maxima = tile.scan maxplus %g, %g init %m {maxima} : tensor<4x1xf32>, tensor<1xf32> -> tensor<5x1xf32>
)" + body +
         R"(
      %Sn = tile.dot %kt, %v acc %S : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>
      scf.yield %Nn, %mn, %Sn : tensor<8x1xf32>, tensor<1xf32>, tensor<8x16xf32>
    }
  })";
}

const char *const kNormaliser = R"(
      %mn = tile.slice %maxima[%c4, %c0] {maximum} : tensor<5x1xf32> -> tensor<1xf32>
      %before = tile.slice %maxima[%c0, %c0] {before} : tensor<5x1xf32> -> tensor<4x1xf32>
      %read = tile.dot %k, %N {sums} : tensor<4x8xf32>, tensor<8x1xf32> -> tensor<4x1xf32>
      %sums = tile.reduce sum %read over 1 {vector} : tensor<4x1xf32> -> tensor<4xf32>
      %all = tile.broadcast %sums on 0 : tensor<4xf32> -> tensor<4x16xf32>
      %values = tile.dot %k, %S {values} : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
      %o = arith.divf %values, %all {quotient} : tensor<4x16xf32>
      tile.store %o, %y[%i] {store} : tensor<4x16xf32>, <f32>
      %Nn = tile.dot %kt, %before acc %N : tensor<8x1xf32> {count} : tensor<8x4xf32>, tensor<4x1xf32> -> tensor<8x1xf32>)";
} // namespace

TEST_F(RolesTest, NarrowStatesAreAppliedByAllAlike) {
  find(getNormalised(kNormaliser));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(roles->columns, 16);
  ASSERT_EQ(roles->ahead.size(), 1u); // the maximum, which needs the gates alone
  EXPECT_EQ(roles->ahead.front(), 1u);
  EXPECT_EQ(namesOf(roles->prepare), "k gate maxima maximum before");
  EXPECT_EQ(namesOf(roles->apply), "sums vector tile.broadcast values quotient store count write");
  EXPECT_EQ(passed(), "k before");
  EXPECT_EQ(split(), "v values quotient write"); // the divisors of a row are alike
  auto args = loop.getRegionIterArgs();
  EXPECT_FALSE(roles->split.contains(args[0]));
  EXPECT_TRUE(roles->split.contains(args[2]));

  tile::PipelineOp pipeline = splitPhases(loop, *roles);
  ASSERT_TRUE(pipeline);
  pipeline.setColumns(16);
  EXPECT_TRUE(succeeded(verify(pipeline)));
  EXPECT_EQ(pipeline.getInit().size(), 2u);
  EXPECT_EQ(pipeline.getResult(1).getType(), loop.getResult(2).getType());
  EXPECT_EQ(pipeline.getResult(2).getType(), loop.getResult(1).getType());
  EXPECT_EQ(nameOf(pipeline.getPass().getAhead().front().getDefiningOp()), "maximum");
  std::optional<Roles> read = findRoles(pipeline, why);
  ASSERT_TRUE(read) << why;
  EXPECT_EQ(namesOf(read->apply), namesOf(roles->apply));
}

TEST_F(RolesTest, ProductsOfPreparedVectorsArePrepared) {
  find(getNormalised(kNormaliser));
  ASSERT_TRUE(roles) << why;
  prepareVectorProducts(loop, *roles);
  ASSERT_TRUE(succeeded(verify(*module)));
  roles = findRoles(loop, why);
  ASSERT_TRUE(roles) << why;
  // What is added to the normaliser is prepared; what is read from it is a product still.
  unsigned products = 0;
  for (Operation *op : roles->apply) {
    auto dot = dyn_cast<tile::DotOp>(op);
    products += dot && tile::getTileShape(dot.getResult().getType())[1] == 1;
    EXPECT_NE(nameOf(op), "count");
  }
  EXPECT_EQ(products, 1u);
  EXPECT_TRUE(llvm::any_of(roles->passed, [](Value value) {
    return value.getDefiningOp<tile::ReduceOp>() && tile::getTileShape(value.getType()).front() == 8;
  }));
}

TEST_F(RolesTest, VectorsThatAreRepeatedAreComputedOnce) {
  find(getLoop(std::string(R"(
      %a = tile.reduce sum %k over 1 {a} : tensor<4x8xf32> -> tensor<4xf32>
      %across = tile.broadcast %a on 0 : tensor<4xf32> -> tensor<4x8xf32>
      %b2 = arith.mulf %across, %across {twice} : tensor<4x8xf32>
      %d = arith.mulf %b2, %k {once} : tensor<4x8xf32>
      %dt = tile.transpose %d : tensor<4x8xf32> -> tensor<8x4xf32>
      %Sn = tile.dot %dt, %v acc %S : tensor<8x16xf32> : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)")));
  ASSERT_TRUE(roles) << why;
  computeOfVectors(loop);
  ASSERT_TRUE(succeeded(verify(*module)));
  loop.walk([&](arith::MulFOp op) {
    EXPECT_EQ(static_cast<int64_t>(tile::getTileShape(op.getResult().getType()).size()), nameOf(op) == "twice" ? 1 : 2)
        << nameOf(op);
  });
}

TEST_F(RolesTest, StatesThatNeedOthers) {
  // A narrow state that needs columns of the wide one.
  EXPECT_EQ(refuse(getNormalised(R"(
      %mn = tile.slice %maxima[%c4, %c0] : tensor<5x1xf32> -> tensor<1xf32>
      %sum = tile.reduce sum %S over 1 : tensor<8x16xf32> -> tensor<8xf32>
      %Nn = tile.broadcast %sum on 0 : tensor<8xf32> -> tensor<8x1xf32>)")),
            "the columns of the state depend on each other");
  // A vector that needs a matrix is carried by nobody.
  EXPECT_EQ(refuse(getNormalised(R"(
      %mn = tile.reduce max %N over 0 : tensor<8x1xf32> -> tensor<1xf32>
      %Nn = tile.dot %kt, %g acc %N : tensor<8x1xf32> : tensor<8x4xf32>, tensor<4x1xf32> -> tensor<8x1xf32>)")),
            "a state that is no f32 matrix");
  // One that is carried ahead is not there when the chunk is applied.
  EXPECT_EQ(refuse(getNormalised(R"(
      %mn = tile.slice %maxima[%c4, %c0] : tensor<5x1xf32> -> tensor<1xf32>
      %now = tile.broadcast %m on 1 : tensor<1xf32> -> tensor<8x1xf32>
      %scaled = arith.mulf %N, %now : tensor<8x1xf32>
      %Nn = tile.dot %kt, %g acc %scaled : tensor<8x1xf32> : tensor<8x4xf32>, tensor<4x1xf32> -> tensor<8x1xf32>)")),
            "a state that is carried ahead, and applied");
}

TEST_F(RolesTest, SplitRows) {
  EXPECT_EQ(refuse(getLoop(R"(
      %St = tile.transpose %S : tensor<8x16xf32> -> tensor<16x8xf32>
      %1 = tile.transpose %St : tensor<16x8xf32> -> tensor<8x16xf32>
      %Sn = arith.addf %1, %S : tensor<8x16xf32>)")),
            "split rows");
}

TEST_F(RolesTest, OpsThatAreNotKnown) {
  EXPECT_EQ(refuse(getLoop(std::string(R"(
      %1 = scf.for %j = %c0 to %n step %c1 iter_args(%w = %v) -> (tensor<4x16xf32>) {
        scf.yield %w : tensor<4x16xf32>
      })") + kWrite)),
            "no roles for scf.for");
  EXPECT_EQ(refuse(getLoop(std::string(R"(
      %1 = tile.reshape %k : tensor<4x8xf32> -> tensor<8x4xf32>)") +
                           kWrite)),
            "no roles for tile.reshape");
  EXPECT_EQ(refuse(getLoop(std::string(R"(
      %1 = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>)") +
                           kWrite)),
            "no roles for arith.constant");
  EXPECT_EQ(refuse(getLoop(std::string(R"(
      %1 = arith.constant dense<[1.0, 1.0]> : tensor<2xf32>)") +
                           kWrite)),
            "");
  EXPECT_EQ(refuse(getLoop(std::string(R"(
      %1 = tile.dot %k, %k transposed : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>)") +
                           kWrite)),
            "no roles for tile.dot");
}

// ---- systems

TEST_F(RolesTest, SystemsThatArePreparedAreInverted) {
  find(getLoop(kDelta));
  ASSERT_TRUE(roles) << why;
  invertPrepared(loop, *roles);
  ASSERT_TRUE(succeeded(verify(*module)));
  roles = findRoles(loop, why);
  ASSERT_TRUE(roles) << why;
  tile::SolveUnitLowerOp solve;
  unsigned solves = 0;
  loop.walk([&](tile::SolveUnitLowerOp op) {
    solve = op;
    ++solves;
  });
  ASSERT_EQ(solves, 1u);
  EXPECT_EQ(nameOf(solve.getLower().getDefiningOp()), "lower");
  EXPECT_EQ(solve.getResult().getType(), solve.getLower().getType());
  auto identity = solve.getRhs().getDefiningOp<arith::SelectOp>();
  ASSERT_TRUE(identity);
  auto isSplat = [](Value value, double number) {
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    return dense && dense.isSplat() && dense.getSplatValue<APFloat>().convertToFloat() == number;
  };
  EXPECT_TRUE(isSplat(identity.getTrueValue(), 1));
  EXPECT_TRUE(isSplat(identity.getFalseValue(), 0));
  auto diagonal = identity.getCondition().getDefiningOp<arith::CmpIOp>();
  ASSERT_TRUE(diagonal);
  EXPECT_EQ(diagonal.getPredicate(), arith::CmpIPredicate::eq);
  EXPECT_NE(diagonal.getLhs().getDefiningOp<tile::IotaOp>().getAxis(),
            diagonal.getRhs().getDefiningOp<tile::IotaOp>().getAxis());

  // The solution is prepared and passed; it is multiplied as the other products are.
  EXPECT_TRUE(llvm::is_contained(roles->prepare, solve));
  EXPECT_TRUE(roles->passed.contains(solve.getResult()));
  EXPECT_EQ(passed(), "k tile.solve_unit_lower q");
  EXPECT_EQ(namesOf(roles->apply), "read error tile.dot output store write");
  auto product = cast<tile::DotOp>(roles->apply[2]);
  EXPECT_EQ(product.getLhs(), solve.getResult());
  EXPECT_EQ(nameOf(product.getRhs().getDefiningOp()), "error");
  EXPECT_EQ(product.getPrecision(), tile::Precision::tf32);
}

// Two groups of two unknowns: each is a system of its own, the rest are products. The solution is needed as a whole
// here.
TEST_F(RolesTest, InterleavedGroupsAreEliminatedOneByOne) {
  std::string text = getLoop(kDelta);
  text.insert(text.find("%L, %e") + strlen("%L, %e"), " interleave 2");
  find(text);
  ASSERT_TRUE(roles) << why;
  invertPrepared(loop, *roles);
  ASSERT_TRUE(succeeded(verify(*module)));
  roles = findRoles(loop, why);
  ASSERT_TRUE(roles) << why;
  unsigned solves = 0;
  loop.walk([&](tile::SolveUnitLowerOp solve) {
    ++solves;
    EXPECT_EQ(solve.getInterleave(), 1);
    EXPECT_EQ(tile::getTileShape(solve.getLower().getType()), ArrayRef<int64_t>({2, 2}));
    EXPECT_EQ(solve.getResult().getType(), solve.getLower().getType());
    EXPECT_TRUE(llvm::is_contained(roles->prepare, solve));
  });
  EXPECT_EQ(solves, 2u);
  // g (g^2 - 1) products of blocks are prepared; each of g^2 blocks is multiplied by a part of the error.
  auto countProducts = [](ArrayRef<Operation *> ops) {
    return llvm::count_if(ops, [](Operation *op) { return isa<tile::DotOp>(op) && nameOf(op) == "tile.dot"; });
  };
  EXPECT_EQ(countProducts(roles->prepare), 6);
  EXPECT_EQ(countProducts(roles->apply), 4);
  EXPECT_EQ(llvm::range_size(loop.getBody()->getOps<tile::InsertOp>()), 2u);
}

// Where parts are inserted and taken out again, no tile of the whole system is left.
TEST_F(RolesTest, PartsOfSystemsAreTakenFromWhereTheyComeFrom) {
  find(getLoop(R"(
      %c2 = arith.constant 2 : index
      %zero = arith.constant dense<0.0> : tensor<4x4xf32>
      %none = arith.constant dense<0.0> : tensor<4x16xf32>
      %k0 = tile.slice %k[%c0, %c0] : tensor<4x8xf32> -> tensor<2x8xf32>
      %k0t = tile.transpose %k0 : tensor<2x8xf32> -> tensor<8x2xf32>
      %A = tile.dot %k0, %k0t precision tf32 {scores} : tensor<2x8xf32>, tensor<8x2xf32> -> tensor<2x2xf32>
      %L0 = tile.insert %A into %zero[%c0, %c0] : tensor<2x2xf32> -> tensor<4x4xf32>
      %L1 = tile.insert %A into %L0[%c0, %c2] : tensor<2x2xf32> -> tensor<4x4xf32>
      %L2 = tile.insert %A into %L1[%c2, %c0] : tensor<2x2xf32> -> tensor<4x4xf32>
      %L3 = tile.insert %A into %L2[%c2, %c2] : tensor<2x2xf32> -> tensor<4x4xf32>
      %old = tile.dot %k0, %S precision tf32 {read} : tensor<2x8xf32>, tensor<8x16xf32> -> tensor<2x16xf32>
      %e0 = tile.insert %old into %none[%c0, %c0] : tensor<2x16xf32> -> tensor<4x16xf32>
      %e1 = tile.insert %old into %e0[%c2, %c0] : tensor<2x16xf32> -> tensor<4x16xf32>
      %u = tile.solve_unit_lower %L3, %e1 interleave 2 : tensor<4x4xf32>, tensor<4x16xf32>
      %u0 = tile.slice %u[%c0, %c0] : tensor<4x16xf32> -> tensor<2x16xf32>
      %u1 = tile.slice %u[%c2, %c0] : tensor<4x16xf32> -> tensor<2x16xf32>
      %sum = arith.addf %u0, %u1 : tensor<2x16xf32>
      %Sn = tile.dot %k0t, %sum precision tf32 acc %S : tensor<8x16xf32> {write} : tensor<8x2xf32>, tensor<2x16xf32> -> tensor<8x16xf32>)"));
  ASSERT_TRUE(roles) << why;
  invertPrepared(loop, *roles);
  ASSERT_TRUE(succeeded(verify(*module)));
  EXPECT_TRUE(loop.getBody()->getOps<tile::InsertOp>().empty());
  EXPECT_EQ(llvm::range_size(loop.getBody()->getOps<tile::SliceOp>()), 1u); // that of the keys
  ASSERT_TRUE(findRoles(loop, why)) << why;
}

TEST_F(RolesTest, SystemsThatNeedNoValuesStay) {
  // Solved for keys: all of it can be prepared as it is.
  find(getLoop(R"(
      %A = tile.dot %k, %kt {scores} : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
      %w = tile.solve_unit_lower %A, %k {solve} : tensor<4x4xf32>, tensor<4x8xf32>
      %wt = tile.transpose %w : tensor<4x8xf32> -> tensor<8x4xf32>
      %Sn = tile.dot %wt, %v acc %S : tensor<8x16xf32> {write} : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>)"));
  ASSERT_TRUE(roles) << why;
  EXPECT_EQ(namesOf(roles->prepare), "k scores solve");
  invertPrepared(loop, *roles);
  EXPECT_EQ(namesOf(roles->prepare), "k scores solve");
  loop.walk([&](tile::SolveUnitLowerOp solve) { EXPECT_EQ(nameOf(solve.getRhs().getDefiningOp()), "k"); });
}
