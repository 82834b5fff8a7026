// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which loops become pipelines, and what becomes of the others.
#include "test/unit/lowering/TestCompiler.h"

#include "lowering/Lanes/Pipeline.h"
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

// A slot has room for the system, and for its inverse: the less memory there is, the fewer slots, until there is none.
TEST(PipelineTest, RefusedLoopsStayAsTheyAre) {
  std::string error, why;
  std::optional<TargetInfo> target = lookupTarget("emu-sm_90a", error);
  ASSERT_TRUE(target) << error;
  test::TestContext context;
  context.get().loadDialect<scf::SCFDialect>();
  int64_t found = 0, refused = 0, preparers = 0;
  for (int64_t bytes = 0; bytes <= 65536; bytes += 256) {
    OwningOpRef<ModuleOp> module = context.parse(kDelta);
    ASSERT_TRUE(module);
    scf::ForOp loop;
    module->walk([&](scf::ForOp op) { loop = op; });
    std::string before = print(*module);
    lanes::Machine machine{/*lanes=*/1024, bytes, target->hooks};
    std::optional<lanes::Pipeline> pipeline = lanes::findPipeline(loop, machine, why);
    unsigned loops = llvm::range_size(loop->getBlock()->getOps<scf::ForOp>());
    EXPECT_EQ(loops, 1u);
    if (!pipeline) {
      EXPECT_EQ(print(*module), before) << bytes;
      EXPECT_EQ(why, "slots that shared memory cannot hold");
      EXPECT_EQ(found, 0) << "less was enough";
      ++refused;
      continue;
    }
    ++found;
    EXPECT_EQ(pipeline->loop, loop);
    EXPECT_GE(pipeline->preparers, preparers);
    preparers = pipeline->preparers;
    EXPECT_LE(preparers * pipeline->slotBytes, bytes);
    loop.walk([](tile::SolveUnitLowerOp solve) { // for the identity
      EXPECT_EQ(solve.getResult().getType(), solve.getLower().getType());
    });
  }
  EXPECT_GT(refused, 1);
  EXPECT_GT(found, 1);
  EXPECT_EQ(preparers, 4);
}
} // namespace
