// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which loops become pipelines, and what becomes of the others.
#include "test/unit/lowering/TestCompiler.h"

#include "lowering/Lanes/Pipeline.h"
#include "mlir/IR/Verifier.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace rwkv;

namespace {
/// Chunks of 16 tokens, whose system is solved for what is left of values.
const char *const kDelta = R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %S0 = tile.load %x[%c0] : <f32> -> tensor<16x64xf32>
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<16x64xf32>) {
      %k = tile.load %x[%i] : <f32> -> tensor<16x16xf32>
      %v = tile.load %x[%i] : <f32> -> tensor<16x64xf32>
      %kt = tile.transpose %k : tensor<16x16xf32> -> tensor<16x16xf32>
      %L = tile.dot %k, %kt precision tf32 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
      %old = tile.dot %k, %S precision tf32 : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
      %e = arith.subf %v, %old : tensor<16x64xf32>
      %u = tile.solve_unit_lower %L, %e : tensor<16x16xf32>, tensor<16x64xf32>
      %Sn = tile.dot %kt, %u precision tf32 acc %S : tensor<16x64xf32> : tensor<16x16xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
      scf.yield %Sn : tensor<16x64xf32>
    }
    tile.store %r, %y[%c0] : tensor<16x64xf32>, <f32>
  })";

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out);
  return text;
}

/// Keys and values are written to a state, all of which is read.
std::string writeKeys(int64_t keys, int64_t values) {
  std::string text = R"(
  tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<f32>, %y: !tile.buffer<f32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %S0 = tile.load %x[%c0] : <f32> -> tensor<KxVxf32>
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%S = %S0) -> (tensor<KxVxf32>) {
      %k = tile.load %x[%i] : <f32> -> tensor<16xKxf32>
      %v = tile.load %x[%i] : <f32> -> tensor<16xVxf32>
      %kt = tile.transpose %k : tensor<16xKxf32> -> tensor<Kx16xf32>
      %o = tile.dot %k, %S precision tf32 : tensor<16xKxf32>, tensor<KxVxf32> -> tensor<16xVxf32>
      tile.store %o, %y[%i] : tensor<16xVxf32>, <f32>
      %Sn = tile.dot %kt, %v precision tf32 acc %S : tensor<KxVxf32> : tensor<Kx16xf32>, tensor<16xVxf32> -> tensor<KxVxf32>
      scf.yield %Sn : tensor<KxVxf32>
    }
    tile.store %r, %y[%c0] : tensor<KxVxf32>, <f32>
  })";
  for (auto [name, size] : {std::pair('K', keys), std::pair('V', values)}) {
    for (size_t at; (at = text.find(name)) != std::string::npos;) {
      text.replace(at, 1, std::to_string(size));
    }
  }
  return text;
}

class PipelineTest : public ::testing::Test {
protected:
  PipelineTest() { context.get().loadDialect<scf::SCFDialect>(); }

  std::optional<lanes::Pipeline> find(const std::string &text) {
    module = context.parse(text);
    EXPECT_TRUE(module);
    scf::ForOp loop;
    module->walk([&](scf::ForOp op) { loop = op; });
    return lanes::formPipeline(loop, {/*lanes=*/256, target->scratchBytes, target->hooks}, why);
  }

  std::string why;
  std::optional<TargetInfo> target = lookupTarget("emu-sm_90a", why);
  test::TestContext context;
  OwningOpRef<ModuleOp> module;
};

// A slot has room for the system, and for its inverse: the less memory there is, the fewer slots, until there is none.
TEST_F(PipelineTest, RefusedLoopsStayAsTheyAre) {
  int64_t found = 0, refused = 0, slots = 0;
  for (int64_t bytes = 0; bytes <= 98304; bytes += 256) {
    module = context.parse(kDelta);
    ASSERT_TRUE(module);
    scf::ForOp loop;
    module->walk([&](scf::ForOp op) { loop = op; });
    std::string before = print(*module);
    lanes::Machine machine{/*lanes=*/1024, bytes, target->hooks};
    Block &body = *loop->getBlock();
    std::optional<lanes::Pipeline> pipeline = lanes::formPipeline(loop, machine, why);
    if (!pipeline) {
      EXPECT_EQ(print(*module), before) << bytes;
      EXPECT_EQ(why, "slots that shared memory cannot hold");
      EXPECT_EQ(found, 0) << "less was enough";
      ++refused;
      continue;
    }
    ++found;
    EXPECT_TRUE(succeeded(verify(*module)));
    EXPECT_TRUE(body.getOps<scf::ForOp>().empty());
    EXPECT_TRUE(llvm::equal(body.getOps<tile::PipelineOp>(), llvm::ArrayRef(pipeline->op)));
    EXPECT_GE(pipeline->preparers * pipeline->tasksAtOnce, slots);
    slots = pipeline->preparers * pipeline->tasksAtOnce;
    EXPECT_LE(slots * pipeline->slotBytes, bytes);
    pipeline->op.walk([](tile::SolveUnitLowerOp solve) { // for the identity
      EXPECT_EQ(solve.getResult().getType(), solve.getLower().getType());
    });
    std::optional<lanes::Pipeline> read = lanes::planPipeline(pipeline->op, machine, why);
    ASSERT_TRUE(read) << why;
    EXPECT_EQ(read->slotBytes, pipeline->slotBytes);
    EXPECT_EQ(read->tasksAtOnce, pipeline->tasksAtOnce);
    EXPECT_EQ(read->instruction, pipeline->instruction);
  }
  EXPECT_GT(refused, 1);
  EXPECT_GT(found, 1);
  EXPECT_EQ(slots, 8);
}

// What is carried lies in registers, and so does what a chunk is worked with: the more is carried, the fewer tasks
// share a multiprocessor's registers, until there are not enough for one.
TEST_F(PipelineTest, TasksShareRegisters) {
  auto tasksAtOnce = [&](int64_t keys, int64_t values) -> int64_t {
    std::optional<lanes::Pipeline> pipeline = find(writeKeys(keys, values));
    return pipeline ? pipeline->tasksAtOnce : 0;
  };
  EXPECT_EQ(tasksAtOnce(16, 64), 2);
  EXPECT_EQ(tasksAtOnce(64, 64), 2);   // 32 registers of a lane
  EXPECT_EQ(tasksAtOnce(128, 64), 2);  // 64
  EXPECT_EQ(tasksAtOnce(64, 128), 2);  // 64
  EXPECT_EQ(tasksAtOnce(128, 128), 1); // 128
  EXPECT_EQ(tasksAtOnce(256, 128), 0); // 256
  EXPECT_EQ(why, "more is carried than registers hold");
}

// Operands are pairs of f16 where registers hold what is carried twice and as operands.
TEST_F(PipelineTest, OperandsArePairs) {
  auto usesPairs = [&](int64_t keys, int64_t values) {
    std::optional<lanes::Pipeline> pipeline = find(writeKeys(keys, values));
    EXPECT_TRUE(pipeline) << why;
    if (pipeline && pipeline->usesPairs()) {
      int64_t units = 0;
      for (auto &[tile, part] : pipeline->parts) {
        EXPECT_EQ(part.isPairs, part.element.isInteger(32));
        EXPECT_TRUE(!part.isPairs || part.rows.stride % 4 == 0); // 16 bytes
        units += part.isPairs;
      }
      EXPECT_GT(units, 0);
      EXPECT_GE(pipeline->inRange, 4 * units);
    }
    return pipeline && pipeline->usesPairs();
  };
  EXPECT_TRUE(usesPairs(64, 64));
  EXPECT_TRUE(usesPairs(16, 64));
  EXPECT_TRUE(usesPairs(8, 64));    // half the depth of the instruction
  EXPECT_FALSE(usesPairs(128, 64)); // registers
  EXPECT_TRUE(usesPairs(128, 128)); // of one task
}

// Sizes of states are multiples of those of the matrix instruction; warps have as many columns as leave about half of
// them to prepare.
TEST_F(PipelineTest, SizesThatAreNoPowersOfTwo) {
  for (auto [values, columns, appliers] :
       {std::tuple(48, 16, 3), {64, 16, 4}, {80, 16, 5}, {96, 32, 3}, {128, 32, 4}}) {
    std::optional<lanes::Pipeline> pipeline = find(writeKeys(48, values));
    ASSERT_TRUE(pipeline) << why;
    EXPECT_EQ(pipeline->columns, columns);
    EXPECT_EQ(pipeline->appliers, appliers);
    EXPECT_EQ(pipeline->preparers, 8 - appliers);
  }
  EXPECT_TRUE(find(writeKeys(40, 64))) << why;
  EXPECT_FALSE(find(writeKeys(36, 64)));
  EXPECT_EQ(why, "a size that is neither a power of two nor a multiple of 8");
  EXPECT_FALSE(find(writeKeys(64, 40)));
  EXPECT_EQ(why, "columns that no matrix instruction has");
}
} // namespace
