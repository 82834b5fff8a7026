// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emulated matrix instructions against what a device made of the same fragments (fragments.txt, made by fragments.cu).
#include "lowering/target/emu/EmuTarget.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "runtime/emu.h"
#include "test/unit/lowering/TestCompiler.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace rwkv;

namespace {

const MatrixInstruction instructions[] = {
#include "lowering/target/nvptx/MatrixInstructions.inc"
};

float toFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

uint32_t toBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// The f32 of an f16.
float widen(uint16_t bits) {
  float size = std::ldexp(static_cast<float>((bits & 0x3ff) | 0x400), (bits >> 10 & 0x1f) - 25); // a normal number
  return bits & 0x8000 ? -size : size;
}

struct Golden {
  std::string name;
  int lanes = 0, a = 0, b = 0, c = 0; // 32-bit registers
  std::vector<std::vector<uint32_t>> words;

  bool isWide() const { return name.find("tf32") != std::string::npos; }

  /// Elements of the registers [first, first + count) of a lane.
  std::vector<float> elements(int lane, int first, int count) const {
    std::vector<float> result;
    for (int i = first; i < first + count; ++i) {
      uint32_t word = words[lane][i];
      if (isWide()) {
        result.push_back(toFloat(word));
      } else {
        result.push_back(widen(word & 0xffff));
        result.push_back(widen(word >> 16));
      }
    }
    return result;
  }

  const MatrixInstruction *find() const {
    const auto *row = llvm::find_if(instructions, [&](const MatrixInstruction &row) { return row.name == name; });
    return row == std::end(instructions) ? nullptr : row;
  }
};

struct Data {
  std::vector<Golden> products;
  std::vector<std::pair<uint32_t, uint32_t>> rounded;

  Data() {
    std::ifstream file(RWKV_TEST_FRAGMENTS);
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream in(line);
      Golden golden;
      if (line.empty() || line[0] == '#' || !(in >> golden.name >> golden.lanes)) {
        continue;
      }
      if (golden.name == "cvt.rna.tf32") {
        for (int i = 0; i < golden.lanes; ++i) {
          std::vector<uint32_t> pair = readLine(file);
          rounded.push_back({pair.at(0), pair.at(1)});
        }
        continue;
      }
      in >> golden.a >> golden.b >> golden.c;
      for (int i = 0; i < golden.lanes; ++i) {
        golden.words.push_back(readLine(file));
      }
      products.push_back(golden);
    }
  }

  static std::vector<uint32_t> readLine(std::istream &file) {
    std::string line;
    std::getline(file, line);
    std::istringstream in(line);
    std::vector<uint32_t> words;
    for (std::string word; in >> word;) {
      words.push_back(static_cast<uint32_t>(std::stoul(word, nullptr, 16)));
    }
    return words;
  }
};

const Data &data() {
  static const Data data;
  return data;
}

/// The largest error of what the emulator makes of the fragments, relative to the sum of the sizes of what was added.
double findError(const Golden &golden, const rwkv_emu_product &product, bool rounds = false) {
  std::vector<rwkv_emu_lane> lanes(golden.lanes), sizes(golden.lanes);
  std::vector<rwkv_emu_lane *> pointers, sizePointers;
  size_t first = 0;
  for (int i = 0; i < golden.lanes; ++i) {
    std::vector<float> values = golden.elements(i, 0, golden.a + golden.b);
    for (float &value : values) {
      value = rounds ? toFloat(toBits(value) + 0x1000) : value;
    }
    first = values.size();
    for (int r = 0; r < golden.c; ++r) {
      values.push_back(toFloat(golden.words[i][golden.a + golden.b + r]));
    }
    for (size_t r = 0; r < values.size(); ++r) {
      lanes[i].registers[r] = values[r];
      sizes[i].registers[r] = std::abs(values[r]);
    }
    pointers.push_back(&lanes[i]);
    sizePointers.push_back(&sizes[i]);
  }
  char message[256] = "";
  EXPECT_TRUE(rwkvi_emu_multiply(&product, pointers.data(), message, sizeof(message))) << message;
  EXPECT_TRUE(rwkvi_emu_multiply(&product, sizePointers.data(), message, sizeof(message))) << message;
  double worst = 0;
  for (int i = 0; i < golden.lanes; ++i) {
    for (int r = 0; r < golden.c; ++r) {
      float expected = toFloat(golden.words[i][golden.a + golden.b + golden.c + r]);
      double error = std::abs(double(lanes[i].registers[first + r]) - expected);
      worst = std::max(worst, error / sizes[i].registers[first + r]);
    }
  }
  return worst;
}

// The device's sums drop bits that the emulator's keep; 2^-22 is less than one of 10 bits would do.
constexpr double kTolerance = 0x1p-22;

TEST(FragmentsTest, AreThoseOfTheDevice) {
  ASSERT_EQ(data().products.size(), 3u);
  for (const Golden &golden : data().products) {
    SCOPED_TRACE(golden.name);
    const MatrixInstruction *row = golden.find();
    ASSERT_NE(row, nullptr);
    rwkv_emu_product product = emu::describe(*row, 32);
    EXPECT_EQ(product.lanes, golden.lanes);
    double error = findError(golden, product);
    EXPECT_LT(error, kTolerance);
    // Another layout, or another precision, is noticed.
    rwkv_emu_product other = product;
    std::swap(other.c.of_lane[0], other.c.of_lane[1]);
    EXPECT_GT(findError(golden, other), 1000 * kTolerance);
    other = product;
    std::swap(other.a.of_register[0], other.a.of_register[1]);
    EXPECT_GT(findError(golden, other), 1000 * kTolerance);
    other = product;
    std::swap(other.b.of_lane[2], other.b.of_register[0]);
    EXPECT_GT(findError(golden, other), 1000 * kTolerance);
    if (product.operand == RWKV_EMU_TF32) {
      EXPECT_GT(findError(golden, product, /*rounds=*/true), 100 * kTolerance);
      product.operand = RWKV_EMU_F32;
      EXPECT_GT(findError(golden, product), 100 * kTolerance);
    }
  }
}

TEST(FragmentsTest, EveryInstructionHasData) {
  for (const MatrixInstruction &row : instructions) {
    EXPECT_TRUE(llvm::any_of(data().products, [&](const Golden &golden) { return golden.find() == &row; }))
        << row.name.str();
  }
}

TEST(FragmentsTest, OperandsFitTheirType) {
  MatrixInstruction row = instructions[0];
  ASSERT_EQ(row.operandBits, 16u);
  rwkv_emu_product product = emu::describe(row, 32);
  std::vector<rwkv_emu_lane> lanes(32);
  std::vector<rwkv_emu_lane *> pointers;
  for (rwkv_emu_lane &lane : lanes) {
    pointers.push_back(&lane);
  }
  char message[256];
  auto fits = [&](rwkv_emu_operand operand, float value) {
    lanes[5].registers[3] = value;
    product.operand = operand;
    return rwkvi_emu_multiply(&product, pointers.data(), message, sizeof(message));
  };
  EXPECT_TRUE(fits(RWKV_EMU_F16, 65504.0f));
  EXPECT_TRUE(fits(RWKV_EMU_F16, 0x1p-24f));
  EXPECT_TRUE(fits(RWKV_EMU_F16, INFINITY));
  EXPECT_FALSE(fits(RWKV_EMU_F16, 0x1.8p-24f));
  EXPECT_FALSE(fits(RWKV_EMU_F16, 0x1.002p0f));
  EXPECT_STREQ(message, "an operand of a matrix instruction has more bits than its type: 0x1.002p+0");
  EXPECT_FALSE(fits(RWKV_EMU_F16, 0x1p16f));
  EXPECT_TRUE(fits(RWKV_EMU_TF32, 0x1.002002p0f));
}

/// A kernel of one product: lanes read their registers and write the result, `stride` words each.
std::string compileProduct(const TargetInfo &target, int64_t stride, std::string &error) {
  using namespace mlir;
  auto emit = [&](OpBuilder &b, Location loc, Value argument) {
    Type pointer = argument.getType();
    const MatrixInstruction &instruction = *target.hooks->findProduct(tile::Precision::tf32);
    Value lane = target.hooks->emitLane(b, loc);
    Value offset = arith::MulIOp::create(b, loc, lane, arith::ConstantIntOp::create(b, loc, b.getI32Type(), stride));
    Value own = LLVM::GEPOp::create(b, loc, pointer, b.getF32Type(), argument, offset);
    auto at = [&](int32_t i) -> Value {
      return LLVM::GEPOp::create(b, loc, pointer, b.getF32Type(), own, ArrayRef<LLVM::GEPArg>{i});
    };
    int32_t warp = static_cast<int32_t>(target.hooks->getWarp()), next = 0;
    auto load = [&](uint32_t elements) {
      SmallVector<Value> values;
      for (uint32_t i = 0; i < elements / warp; ++i) {
        values.push_back(LLVM::LoadOp::create(b, loc, b.getF32Type(), at(next++)));
      }
      return values;
    };
    SmallVector<Value> x = load(instruction.m * instruction.k), y = load(instruction.k * instruction.n);
    for (SmallVector<Value> *operand : {&x, &y}) {
      for (Value &value : *operand) {
        value = target.hooks->emitRounded(b, loc, value, /*isLast=*/false);
      }
    }
    int32_t result = next;
    SmallVector<Value> c = load(instruction.m * instruction.n);
    for (Value value : target.hooks->emitProduct(b, loc, instruction, x, y, c)) {
      LLVM::StoreOp::create(b, loc, value, at(result++));
    }
  };
  return test::compileFunction(target, "product", emit, error);
}

/// The product of the target's instruction, of matrices by rows; `c` is added to.
void multiply(const std::string &chip, const std::vector<float> &a, const std::vector<float> &b,
              std::vector<float> &c) {
  constexpr int64_t kStride = 16;
  std::string error;
  std::optional<TargetInfo> target = lookupTarget(chip, error);
  ASSERT_TRUE(target) << error;
  test::SharedObject object(compileProduct(*target, kStride, error));
  auto *kernel = object.get<std::remove_pointer_t<rwkv_emu_kernel>>("product");
  ASSERT_NE(kernel, nullptr) << error << object.getError();
  const MatrixInstruction &instruction = *target->hooks->findProduct(tile::Precision::tf32);
  int64_t lanes = target->hooks->getWarp();
  std::vector<float> words(lanes * kStride);
  auto place = [&](const FragmentBases &bases, uint32_t lane, uint32_t first, auto visit) {
    for (uint32_t r = 0; r < bases.countRegisters(); ++r) {
      visit(words[lane * kStride + first + r], bases.at(r, lane));
    }
    return first + bases.countRegisters();
  };
  for (int64_t lane = 0; lane < lanes; ++lane) {
    uint32_t next =
        place(instruction.a, lane, 0, [&](float &word, Coord at) { word = a[at.row * instruction.k + at.column]; });
    next =
        place(instruction.b, lane, next, [&](float &word, Coord at) { word = b[at.row * instruction.n + at.column]; });
    place(instruction.c, lane, next, [&](float &word, Coord at) { word = c[at.row * instruction.n + at.column]; });
  }
  uint64_t parameters[] = {reinterpret_cast<uintptr_t>(words.data())};
  rwkvi_emu_grid grid = {"product", kernel, parameters, 1, static_cast<int32_t>(lanes), 0, nullptr, 0};
  char message[256] = "";
  ASSERT_TRUE(rwkvi_emu_run(&grid, 1, message, sizeof(message))) << message;
  uint32_t first = (instruction.m * instruction.k + instruction.k * instruction.n) / lanes;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    place(instruction.c, lane, first, [&](float &word, Coord at) { c[at.row * instruction.n + at.column] = word; });
  }
}

// One number in a row of A, B the unit matrix: the number as the instruction sees it, at most 3/4 of a unit of its 11th
// bit away, so at most one from what the device's own conversion makes of it.
TEST(FragmentsTest, CodeRoundsAlmostLikeTheDevice) {
  constexpr uint32_t kUnit = 0x2000, kInfinity = 0x7f800000, kSign = 0x80000000;
  ASSERT_EQ(data().rounded.size(), 64u);
  for (size_t first = 0; first < data().rounded.size(); first += 16) {
    std::vector<float> a(16 * 8), b(8 * 8), c(16 * 8);
    for (size_t i = 0; i < 16; ++i) {
      a[i * 8 + i % 8] = toFloat(data().rounded[first + i].first);
      b[i % 8 * 9] = 1;
    }
    multiply("emu-sm_90a", a, b, c);
    for (size_t i = 0; i < 16; ++i) {
      auto [from, to] = data().rounded[first + i];
      uint32_t found = toBits(c[i * 8 + i % 8]);
      if (!std::isfinite(toFloat(from))) {
        EXPECT_EQ(std::isnan(toFloat(found)), std::isnan(toFloat(from))) << std::hex << from << ": " << found;
        EXPECT_GE(found & ~kSign, kInfinity) << std::hex << from << ": " << found;
        continue;
      }
      if (toFloat(from) == 0) { // of either sign
        EXPECT_EQ(toFloat(found), 0) << std::hex << from << ": " << found;
        continue;
      }
      EXPECT_LE(std::abs(int64_t(found) - int64_t(to)), kUnit) << std::hex << from << ": " << found;
      bool isNormal = (from & kInfinity) != 0 && (to & ~kSign) < kInfinity;
      if (isNormal) {
        EXPECT_LE(std::abs(int64_t(found) - int64_t(from)), kUnit * 3 / 4 + 1) << std::hex << from << ": " << found;
      }
    }
  }
}

uint32_t pairOf(float low, float high) { return rwkvi_emu_pair(low, high); }

TEST(FragmentsTest, PairsAreRoundedToNearest) {
  EXPECT_EQ(pairOf(1, -2), 0xc0003c00u);
  EXPECT_EQ(pairOf(65504, 65519.99f), 0x7bff7bffu);
  EXPECT_EQ(pairOf(65520, -1e30f), 0xfc007c00u); // infinite
  EXPECT_EQ(pairOf(INFINITY, -0.0f), 0x80007c00u);
  EXPECT_EQ(pairOf(0x1.002p0f, 0x1.006p0f), 0x3c023c00u); // ties to even
  EXPECT_EQ(pairOf(0x1.ffep0f, 0x1.0021p0f), 0x3c014000u);
  EXPECT_EQ(pairOf(0x1p-14f, 0x1p-24f), 0x00010400u); // the smallest normal number, and the smallest
  EXPECT_EQ(pairOf(0x1p-25f, 0x1.8p-24f), 0x00020000u);
  EXPECT_EQ(pairOf(0x1.ff8p-15f, 0x1.fffp-15f), 0x040003ffu); // the second becomes normal
  EXPECT_EQ(pairOf(NAN, 0) & 0x7c00u, 0x7c00u);
  EXPECT_NE(pairOf(NAN, 0) & 0x3ffu, 0u);
}

TEST(FragmentsTest, PairsAreSplitExactly) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    float registers[4] = {toFloat(half | (half ^ 0x8000) << 16), toFloat(0x3c00)};
    rwkvi_emu_split(registers, 2);
    EXPECT_EQ(registers[2], 1.0f);
    if (std::isnan(registers[0])) {
      EXPECT_GT(half & 0x7fffu, 0x7c00u);
      continue;
    }
    EXPECT_EQ(registers[1], -registers[0]);
    EXPECT_EQ(pairOf(registers[0], registers[1]), half | (half ^ 0x8000) << 16);
  }
}

TEST(FragmentsTest, WavesOf64Lanes) {
  std::vector<float> a(16 * 4), b(4 * 16), c(16 * 16), expected(16 * 16);
  for (int i = 0; i < 64; ++i) {
    a[i] = static_cast<float>(i % 7) - 3 + 0x1p-20f; // a bit that tf32 has not
    b[i] = static_cast<float>(i % 5) - 2;
  }
  for (int i = 0; i < 256; ++i) {
    c[i] = expected[i] = static_cast<float>(i);
    for (int k = 0; k < 4; ++k) {
      expected[i] = std::fma(a[i / 16 * 4 + k], b[k * 16 + i % 16], expected[i]);
    }
  }
  multiply("emu-gfx942", a, b, c);
  EXPECT_EQ(c, expected);
}

} // namespace
