// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/amdgcn/AmdgcnTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicsAMDGPU.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace rwkv;

namespace {

constexpr int64_t kMostLanes = 256; // per task
constexpr int64_t kWave = 64;       // lanes
constexpr int64_t kUnits = 4;       // of a compute unit: each runs some of its waves
constexpr unsigned kLocal = 3;      // address spaces
constexpr unsigned kGlobal = 1;
constexpr unsigned kOwn = 5;

class AmdgcnHooks : public lanes::Hooks {
public:
  int64_t getWarp() const override { return kWave; }
  int64_t getRegisters() const override { return 131072; } // of four SIMDs
  int64_t getMostRegisters() const override { return 512; }
  unsigned getSharedSpace() const override { return kLocal; }
  unsigned getGlobalSpace() const override { return kGlobal; }
  unsigned getOwnSpace() const override { return kOwn; }

  Value emitLane(OpBuilder &b, Location loc) const override {
    // The number of the wave is the same in its lanes, which the code generator is told: branches of a wave are jumps
    // then, and what they go by lies in scalar registers.
    Value item = call(b, loc, b.getI32Type(), "llvm.amdgcn.workitem.id.x", {});
    Value wave = LLVM::LShrOp::create(b, loc, item, constant(b, loc, llvm::Log2_64(kWave)));
    wave = call(b, loc, b.getI32Type(), "llvm.amdgcn.readfirstlane", wave);
    wave = LLVM::AndOp::create(b, loc, wave, constant(b, loc, kMostWaves - 1));
    Value first = LLVM::ShlOp::create(b, loc, wave, constant(b, loc, llvm::Log2_64(kWave)));
    auto lane = LLVM::OrOp::create(b, loc, first, laneOfWave(b, loc));
    lane.setIsDisjoint(true);
    return lane;
  }
  Value emitTask(OpBuilder &b, Location loc) const override {
    return call(b, loc, b.getI32Type(), "llvm.amdgcn.workgroup.id.x", {});
  }
  void emitBarrier(OpBuilder &b, Location loc) const override {
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::release, kGroup);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.amdgcn.s.barrier"), ValueRange());
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::acquire, kGroup);
  }
  void emitWarpBarrier(OpBuilder &b, Location loc) const override {
    // A wave's accesses are made in order: only the code generator has to be kept from moving them.
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::release, kWaveScope);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.amdgcn.wave.barrier"), ValueRange());
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::acquire, kWaveScope);
  }
  void emitMeeting(OpBuilder &b, Location loc, Value place, int64_t) const override {
    LLVM::StoreOp::create(b, loc, constant(b, loc, 0), place, /*alignment=*/4);
  }
  void emitArrival(OpBuilder &b, Location loc, Value place) const override {
    emitWarpBarrier(b, loc);
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, laneOfWave(b, loc), constant(b, loc, 0));
    auto branch = scf::IfOp::create(b, loc, isFirst, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::add, place, constant(b, loc, 1), LLVM::AtomicOrdering::release,
                              kGroup, /*alignment=*/4);
  }
  void emitAwait(OpBuilder &b, Location loc, Value place, Value round, int64_t count) const override {
    Type i32 = b.getI32Type();
    Value end = arith::AddIOp::create(b, loc, round, constant(b, loc, 1));
    end = arith::MulIOp::create(b, loc, end, constant(b, loc, count)); // wraps around, as the sum of those who came
    scf::WhileOp::create(
        b, loc, TypeRange(), ValueRange(),
        [&](OpBuilder &b, Location loc, ValueRange) {
          Value now = LLVM::LoadOp::create(b, loc, i32, place, /*alignment=*/4, /*isVolatile=*/false,
                                           /*isNonTemporal=*/false, /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                           LLVM::AtomicOrdering::acquire, kGroup);
          Value late = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, arith::SubIOp::create(b, loc, now, end),
                                             constant(b, loc, 0));
          scf::ConditionOp::create(b, loc, late, ValueRange());
        },
        [&](OpBuilder &b, Location loc, ValueRange) {
          LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.amdgcn.s.sleep"),
                                        ValueRange{constant(b, loc, 1)});
          scf::YieldOp::create(b, loc);
        });
  }
  Value emitShuffle(OpBuilder &b, Location loc, Value value, int64_t mask) const override {
    constexpr int64_t kHalf = kWave / 2; // that a swizzle is made in
    Type i32 = b.getI32Type(), type = value.getType();
    Value bits = type == i32 ? value : arith::BitcastOp::create(b, loc, i32, value).getResult();
    if (mask < kHalf) {
      int64_t pattern = mask << 10 | (kHalf - 1); // lane & and ^ xor
      bits = call(b, loc, i32, "llvm.amdgcn.ds.swizzle", {bits, constant(b, loc, pattern)});
    } else {
      Value other = LLVM::XOrOp::create(b, loc, laneOfWave(b, loc), constant(b, loc, mask));
      Value bytes = LLVM::ShlOp::create(b, loc, other, constant(b, loc, 2));
      bits = call(b, loc, i32, "llvm.amdgcn.ds.bpermute", {bytes, bits});
    }
    return type == i32 ? bits : arith::BitcastOp::create(b, loc, type, bits).getResult();
  }

  bool roundsToBF16() const override { return false; }
  Value emitExp2(OpBuilder &b, Location loc, Value value) const override {
    return call(b, loc, value.getType(), "llvm.amdgcn.exp2.f32", value);
  }

  /// One that does not round: it is right for every precision. (How the one of xf32 rounds is not documented.)
  const MatrixInstruction *findProduct(tile::Precision) const override {
    static const MatrixInstruction table[] = {
#include "lowering/target/amdgcn/MatrixInstructions.inc"
    };
    return llvm::find_if(table, [](const MatrixInstruction &row) { return row.name == "mfma.16x16x4.f32"; });
  }
  Value emitRounded(OpBuilder &, Location, Value value, bool) const override { return value; }
  SmallVector<Value> emitProduct(OpBuilder &b, Location loc, const MatrixInstruction &, ValueRange x, ValueRange y,
                                 ValueRange c) const override {
    auto type = VectorType::get({static_cast<int64_t>(c.size())}, b.getF32Type());
    Value sums = LLVM::UndefOp::create(b, loc, type);
    for (auto [i, value] : llvm::enumerate(c)) {
      sums = LLVM::InsertElementOp::create(b, loc, sums, value, constant(b, loc, i));
    }
    Value none = constant(b, loc, 0); // no lanes' operands are repeated or permuted
    sums = call(b, loc, type, "llvm.amdgcn.mfma.f32.16x16x4f32", {x.front(), y.front(), sums, none, none, none});
    SmallVector<Value> results;
    for (size_t i = 0; i < c.size(); ++i) {
      results.push_back(LLVM::ExtractElementOp::create(b, loc, sums, constant(b, loc, i)));
    }
    return results;
  }

private:
  static constexpr int64_t kMostWaves = 16; // of a work-group
  static constexpr llvm::StringLiteral kGroup = "workgroup", kWaveScope = "wavefront";

  static Value constant(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  }
  static Value call(OpBuilder &b, Location loc, Type type, StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), operands).getResult(0);
  }
  static Value laneOfWave(OpBuilder &b, Location loc) {
    Value all = constant(b, loc, -1), zero = constant(b, loc, 0);
    Value low = call(b, loc, b.getI32Type(), "llvm.amdgcn.mbcnt.lo", {all, zero});
    Value lane = call(b, loc, b.getI32Type(), "llvm.amdgcn.mbcnt.hi", {all, low});
    return LLVM::AndOp::create(b, loc, lane, constant(b, loc, kWave - 1));
  }
};

void prepareKernel(llvm::Function &code) {
  code.setCallingConv(llvm::CallingConv::AMDGPU_KERNEL);
  const std::string lanes = code.getFnAttribute("rwkv-lanes").getValueAsString().str();
  code.addFnAttr("amdgpu-flat-work-group-size", lanes + "," + lanes);
  if (code.hasFnAttribute("rwkv-blocks")) {
    int64_t blocks = 1, count = kWave;
    (void)code.getFnAttribute("rwkv-blocks").getValueAsString().getAsInteger(10, blocks);
    (void)llvm::StringRef(lanes).getAsInteger(10, count);
    code.addFnAttr("amdgpu-waves-per-eu", std::to_string(llvm::divideCeil(blocks * count, kWave * kUnits)));
  }
  // The parameters are those of the kernel alone.
  code.addFnAttr("amdgpu-implicitarg-num-bytes", "0");
}

void prepareModule(llvm::Module &code) {
  // Objects of this version are loaded by every runtime that knows these chips.
  constexpr uint32_t kObjectVersion = 500;
  code.addModuleFlag(llvm::Module::Error, "amdhsa_code_object_version", kObjectVersion);
}

/// A sign as an operation on bits, which instruction selection takes for what it is, a modifier of an operand. LLVM's
/// CodeGenPrepare numbers a whole block for every instruction with a negated operand: of blocks with thousands of them
/// that was 20 s of the 22 s that a kernel took.
void finishModule(llvm::Module &code) {
  for (llvm::Function &function : code) {
    for (llvm::Instruction &instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
      if (instruction.getOpcode() != llvm::Instruction::FNeg || !instruction.getType()->isFloatTy()) {
        continue;
      }
      llvm::IRBuilder<> b(&instruction);
      llvm::Value *bits = b.CreateBitCast(instruction.getOperand(0), b.getInt32Ty());
      bits = b.CreateXor(bits, b.getInt32(0x80000000));
      instruction.replaceAllUsesWith(b.CreateBitCast(bits, instruction.getType()));
      instruction.eraseFromParent();
    }
  }
}

} // namespace

llvm::ArrayRef<TargetInfo> amdgcn::getRows() {
  static const AmdgcnHooks hooks;
  // Cost models count the lanes of a wave as one vector.
  static const TargetInfo rows[] = {
#define GPU(name, local, units)                                                                                        \
  TargetInfo{name,                                                                                                     \
             "amdgcn-amd-amdhsa",                                                                                      \
             name,                                                                                                     \
             {},                                                                                                       \
             kWave * 32,                                                                                               \
             64,                                                                                                       \
             (local),                                                                                                  \
             /*matrix=*/nullptr,                                                                                       \
             kMostLanes,                                                                                               \
             &hooks,                                                                                                   \
             {name},                                                                                                   \
             units,                                                                                                    \
             /*isText=*/false,                                                                                         \
             prepareKernel,                                                                                            \
             prepareModule,                                                                                            \
             finishModule},
#include "lowering/target/amdgcn/KnownGpu.inc"
  };
  return rows;
}
