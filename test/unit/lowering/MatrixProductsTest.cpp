// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products by matrix instructions, run on the machine or instruction by instruction: all sizes, against double.
#include "test/unit/lowering/MatrixTiles.h"
#include "test/unit/lowering/TestCompiler.h"

#include "lowering/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace rwkv;
using namespace rwkv::test;

namespace {
/// A matrix as it lies in memory, and its values.
struct Operand {
  bool isHalf;
  std::vector<float> values;
  std::vector<uint16_t> halves;

  Operand(int64_t size, bool isHalf, std::mt19937 &random) : isHalf(isHalf) {
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < size; ++i) {
      set(values.emplace_back(), normal(random));
    }
  }
  void set(float &value, float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    bits = isHalf ? bits & 0xffff0000 : bits;
    std::memcpy(&value, &bits, 4);
    halves.push_back(static_cast<uint16_t>(bits >> 16));
  }
  void *data() { return isHalf ? static_cast<void *>(halves.data()) : values.data(); }
  const char *type() const { return isHalf ? "bf16" : "f32"; }
};

struct Sizes {
  int64_t m, k, n;
};

class MatrixProductsTest : public ::testing::Test {
protected:
  void SetUp() override {
    if (tiles.getProblem()) {
      GTEST_SKIP() << tiles.getProblem();
    }
  }

  /// x y + z for one kernel of these sizes; z may be null.
  std::vector<float> run(const Sizes &s, Operand &x, Operand &y, Operand *z, const std::string &precision = "tf32") {
    std::string error;
    const TargetInfo target = *lookupTarget("x86-64-amx", error);
    auto matrix = [](int64_t rows, int64_t columns) {
      return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "xf32>";
    };
    const std::string a = matrix(s.m, s.k), b = matrix(s.k, s.n), c = matrix(s.m, s.n);
    const std::string text =
        "tile.kernel @k(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<" + std::string(x.type()) +
        ">, %y: !tile.buffer<" + y.type() + ">, %z: !tile.buffer<f32>, %o: !tile.buffer<f32>) {\n" +
        "  %0 = arith.constant 0 : index\n" + "  %1 = tile.load %x[%0] : <" + x.type() + "> -> " + a +
        "\n  %2 = tile.load %y[%0] : <" + y.type() + "> -> " + b + "\n  %3 = tile.load %z[%0] : <f32> -> " + c +
        "\n  %4 = tile.dot %1, %2 precision " + precision + " " + (z ? "acc %3 : " + c : "") + " : " + a + ", " + b +
        " -> " + c + "\n  tile.store %4, %o[%0] : " + c + ", <f32>\n}\n";
    TestContext context;
    Errors errors(context.get());
    context.get().loadDialect<RwkvDialect>();
    mlir::OwningOpRef<mlir::ModuleOp> module = context.parse(text);
    if (!module) {
      ADD_FAILURE() << errors.get() << text;
      return {};
    }
    (*module)->setAttr("rwkv.target", target.toAttr(&context.get()));
    mlir::PassManager lower(&context.get());
    lower.addPass(createTileLowerKernelsPass());
    int64_t scratchBytes = 0;
    if (succeeded(lower.run(*module))) {
      auto function = *module->getOps<mlir::func::FuncOp>().begin();
      scratchBytes = llvm::cast<mlir::IntegerAttr>(function->removeAttr("tile.scratch")).getInt();
    }
    mlir::PassManager convert(&context.get());
    addLLVMConversion(convert);
    mlir::FailureOr<std::string> code = mlir::failure();
    if (succeeded(convert.run(*module))) {
      code = emitCode(*module, target, EmitKind::shared);
    }
    if (failed(code)) {
      ADD_FAILURE() << errors.get();
      return {};
    }
    const SharedObject object(*code);
    EXPECT_EQ(object.getError(), "");
    // What is in scratch memory and in the result before must not matter: NaN.
    std::vector<float> result(s.m * s.n, NAN);
    std::vector<uint8_t> memory(scratchBytes + 64, 0xff);
    auto *scratch = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
    void *buffers[] = {x.data(), y.data(), z ? z->data() : nullptr, result.data()};
    int64_t sizes[] = {1, 1, 1};
    int32_t status = 0;
    void *arguments[] = {buffers, sizes, scratch, &status};
    object.get<void(void **, int64_t, int64_t)>("k")(arguments, 0, 1);
    return result;
  }

  MatrixTiles tiles;
  std::mt19937 random{7};
};
} // namespace

TEST_F(MatrixProductsTest, AllSizesAndElementTypes) {
  const Sizes all[] = {{16, 32, 16}, {32, 64, 64}, {8, 16, 8},   {17, 20, 35}, {33, 47, 16},
                       {64, 16, 31}, {16, 33, 64}, {9, 100, 24}, {48, 32, 48}, {80, 96, 112}};
  double worst = 0; // of operands that are rounded
  for (const Sizes &s : all) {
    for (unsigned kinds = 0; kinds < 16; ++kinds) {
      const bool isSplit = kinds < 8;
      Operand x(s.m * s.k, kinds & 1, random), y(s.k * s.n, kinds & 2, random), z(s.m * s.n, false, random);
      const long before = MatrixTiles::countProducts();
      const std::vector<float> found = run(s, x, y, kinds & 4 ? &z : nullptr, isSplit ? "tf32" : "bf16");
      ASSERT_EQ(found.size(), static_cast<size_t>(s.m * s.n));
      EXPECT_TRUE(!tiles.areEmulated() || MatrixTiles::countProducts() > before) << "no matrix instruction has run";
      // Of an operand that is no bf16, 2^-15 may get lost, and the product of what two lack of the nearest, which is
      // 2^-8 of each at most; that is what gets lost where the nearest is all that is taken.
      const double part = isSplit ? 0x1p-15 : 0x1p-8;
      const double lost = (x.isHalf ? 0 : part) + (y.isHalf ? 0 : part) + (x.isHalf || y.isHalf ? 0 : 0x1p-16);
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          double expected = kinds & 4 ? z.values[i * s.n + j] : 0, size = std::abs(expected);
          for (int64_t k = 0; k < s.k; ++k) {
            const double product = static_cast<double>(x.values[i * s.k + k]) * y.values[k * s.n + j];
            expected += product;
            size += std::abs(product);
          }
          worst = isSplit ? worst : std::max(worst, std::abs(found[i * s.n + j] - expected) / size);
          ASSERT_NEAR(found[i * s.n + j], expected, size * (lost + static_cast<double>(s.k + 4) * 0x1p-24))
              << s.m << "x" << s.k << "x" << s.n << " kinds " << kinds << " at " << i << ", " << j;
        }
      }
    }
  }
  EXPECT_GT(worst, 0x1p-10) << "nothing has been rounded";
}

TEST_F(MatrixProductsTest, WhatIsNotFiniteStaysInItsRowAndColumn) {
  const Sizes s{20, 40, 24};
  for (auto [isHalf, precision] : {std::pair(false, "tf32"), std::pair(true, "tf32"), std::pair(false, "bf16")}) {
    // NaNs whose upper half alone is none, or changes the sign when it is rounded up.
    for (uint32_t bits : {0x7fc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u, 0x7f800000u}) {
      Operand x(s.m * s.k, isHalf, random), y(s.k * s.n, isHalf, random);
      std::memcpy(&x.values[3 * s.k + 7], &bits, 4);
      x.halves[3 * s.k + 7] = static_cast<uint16_t>(bits >> 16);
      const std::vector<float> found = run(s, x, y, nullptr, precision);
      ASSERT_FALSE(found.empty());
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          EXPECT_EQ(std::isfinite(found[i * s.n + j]), i != 3)
              << std::hex << bits << std::dec << " at " << i << ", " << j;
        }
      }
    }
  }
}
