// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/nvptx/NvptxTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/IR/Function.h"

#include <cmath>

using namespace mlir;
using namespace rwkv;

namespace {

constexpr int64_t kMostLanes = 256; // per task

class NvptxHooks : public lanes::Hooks {
public:
  /// `isFrom90`: of compute capability 9.0 or above.
  explicit NvptxHooks(bool isFrom90) : isFrom90(isFrom90) {}

  int64_t getWarp() const override { return 32; }
  int64_t getRegisters() const override { return 65536; }
  int64_t getMostRegisters() const override { return 255; }
  unsigned getSharedSpace() const override { return 3; }
  unsigned getGlobalSpace() const override { return 1; }

  Value emitLane(OpBuilder &b, Location loc) const override {
    return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.tid.x", {});
  }
  Value emitTask(OpBuilder &b, Location loc) const override {
    return call(b, loc, b.getI32Type(), "llvm.nvvm.read.ptx.sreg.ctaid.x", {});
  }
  void emitBarrier(OpBuilder &b, Location loc) const override {
    Value all = constant(b, loc, 0);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all"), ValueRange{all});
  }
  void emitWarpBarrier(OpBuilder &b, Location loc) const override {
    Value all = constant(b, loc, -1);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.nvvm.bar.warp.sync"), ValueRange{all});
  }
  void emitMeeting(OpBuilder &b, Location loc, Value place, int64_t count) const override {
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.nvvm.mbarrier.init.shared"),
                                  ValueRange{toShared(b, loc, place), constant(b, loc, getWarp() * count)});
  }
  void emitMeetingEnd(OpBuilder &b, Location loc, Value place) const override {
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.nvvm.mbarrier.inval.shared"),
                                  ValueRange{toShared(b, loc, place)});
  }
  void emitArrival(OpBuilder &b, Location loc, Value place) const override {
    // Each lane for itself, which takes no longer than one of them for all, and is what compute-sanitizer understands.
    call(b, loc, b.getI64Type(), "llvm.nvvm.mbarrier.arrive.shared", toShared(b, loc, place));
  }
  void emitAwait(OpBuilder &b, Location loc, Value place, Value round, int64_t) const override {
    // A loop of its own, as nothing is to be moved into it. A constant offset is a part of the address.
    int64_t offset = 0;
    if (auto address = place.getDefiningOp<LLVM::GEPOp>();
        address && address.getElemType().isInteger(8) && address.getDynamicIndices().empty()) {
      offset = address.getRawConstantIndices().front();
      place = address.getBase();
    }
    std::string code = "{\n"
                       ".reg .pred done;\n"
                       "wait:\n"
                       "mbarrier." +
                       std::string(isFrom90 ? "try" : "test") + "_wait.parity.shared.b64 done, [$0+" +
                       std::to_string(offset) +
                       "], $1;\n"
                       "@!done bra wait;\n"
                       "}";
    Value parity = LLVM::AndOp::create(b, loc, round, constant(b, loc, 1));
    LLVM::InlineAsmOp::create(b, loc, TypeRange(), ValueRange{toShared(b, loc, place), parity}, code,
                              /*constraints=*/"r,r,~{memory}",
                              /*has_side_effects=*/true, /*is_align_stack=*/false,
                              LLVM::tailcallkind::TailCallKind::None,
                              /*asm_dialect=*/nullptr, /*operand_attrs=*/nullptr);
  }
  Value emitShuffle(OpBuilder &b, Location loc, Value value, int64_t mask) const override {
    StringRef name = value.getType().isF32() ? "llvm.nvvm.shfl.sync.bfly.f32" : "llvm.nvvm.shfl.sync.bfly.i32";
    Value operands[] = {constant(b, loc, -1), value, constant(b, loc, mask), constant(b, loc, 31)};
    return call(b, loc, value.getType(), name, operands);
  }

  Value emitUniform(OpBuilder &b, Location loc, Value number) const override {
    Value operands[] = {constant(b, loc, -1), number, constant(b, loc, 0), constant(b, loc, 31)};
    return call(b, loc, b.getI32Type(), "llvm.nvvm.shfl.sync.idx.i32", operands);
  }
  Value emitHidden(OpBuilder &b, Location loc, Value number) const override {
    return LLVM::InlineAsmOp::create(b, loc, number.getType(), number, /*asm_string=*/"// seldom",
                                     /*constraints=*/"=r,0",
                                     /*has_side_effects=*/true, /*is_align_stack=*/false,
                                     LLVM::tailcallkind::TailCallKind::None, /*asm_dialect=*/nullptr,
                                     /*operand_attrs=*/nullptr)
        .getResult(0);
  }
  std::optional<lanes::RegisterPool> getRegisterPool() const override {
    return isFrom90 ? std::optional(lanes::RegisterPool{/*warps=*/4, /*piece=*/8}) : std::nullopt;
  }
  void emitRegisters(OpBuilder &b, Location loc, int64_t count, bool more) const override {
    StringRef name = more ? "llvm.nvvm.setmaxnreg.inc.sync.aligned.u32" : "llvm.nvvm.setmaxnreg.dec.sync.aligned.u32";
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(name), ValueRange{constant(b, loc, count)});
  }
  bool roundsToBF16() const override { return true; }
  Value emitExtremes(OpBuilder &b, Location loc, Value x, Value y, bool largest) const override {
    Type pair = VectorType::get({2}, b.getBF16Type());
    Value operands[] = {LLVM::BitcastOp::create(b, loc, pair, x), LLVM::BitcastOp::create(b, loc, pair, y)};
    return toWord(b, loc, call(b, loc, pair, largest ? "llvm.nvvm.fmax.bf16x2" : "llvm.nvvm.fmin.bf16x2", operands));
  }
  Value emitExp2(OpBuilder &b, Location loc, Value value) const override {
    return call(b, loc, value.getType(), "llvm.nvvm.ex2.approx.ftz.f32", value);
  }

  const MatrixInstruction *findProduct(tile::Precision precision) const override {
    // For bf16, too, which permits to round more.
    return precision == tile::Precision::f32 ? nullptr : findRow("mma.m16n8k8.tf32");
  }
  const MatrixInstruction *findPairProduct(tile::Precision precision) const override {
    return precision == tile::Precision::f32 ? nullptr : findRow("mma.m16n8k16.f16");
  }
  const MatrixInstruction *findHalf(const MatrixInstruction &instruction) const override {
    return instruction.name == "mma.m16n8k16.f16" ? findRow("mma.m16n8k8.f16") : nullptr;
  }
  Value emitRounded(OpBuilder &b, Location loc, Value value, bool isLast) const override {
    // The instruction leaves out the low 13 bits. Three quarters of what half a unit is at most are added first: a
    // product instead of a conversion (four instructions, one of them for NaN), with errors of either sign up to 3/4
    // unit.
    constexpr float kFactor = 1 + 1.5f / 4096;
    if (Value scaled = scalePower(b, loc, value, kFactor)) {
      return scaled;
    }
    if (Value scaled = isLast ? scaleShared(b, loc, value, kFactor) : Value()) {
      return scaled;
    }
    return arith::MulFOp::create(b, loc, value, arith::ConstantOp::create(b, loc, b.getF32FloatAttr(kFactor)));
  }
  SmallVector<Value> emitProduct(OpBuilder &b, Location loc, const MatrixInstruction &instruction, ValueRange x,
                                 ValueRange y, ValueRange c) const override {
    bool pairs = instruction.operandBits == 16;
    Type type = pairs ? pairType(b) : b.getI32Type();
    SmallVector<Value> operands;
    for (ValueRange values : {x, y}) {
      for (Value value : values) {
        operands.push_back(LLVM::BitcastOp::create(b, loc, type, value));
      }
    }
    llvm::append_range(operands, c);
    StringRef name = !pairs                ? "llvm.nvvm.mma.m16n8k8.row.col.tf32"
                     : instruction.k == 16 ? "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"
                                           : "llvm.nvvm.mma.m16n8k8.row.col.f32.f32";
    return callAll(b, loc, b.getF32Type(), 4, name, operands);
  }

  Value emitPair(OpBuilder &b, Location loc, Value low, Value high) const override {
    Value operands[] = {high, low};
    return toWord(b, loc, call(b, loc, pairType(b), "llvm.nvvm.ff2f16x2.rn", operands));
  }
  Value emitLargerSizes(OpBuilder &b, Location loc, Value x, Value y) const override {
    auto size = [&](Value pair) -> Value {
      return LLVM::FAbsOp::create(b, loc, LLVM::BitcastOp::create(b, loc, pairType(b), pair));
    };
    return toWord(b, loc, LLVM::MaximumOp::create(b, loc, size(x), size(y)));
  }
  SmallVector<Value> emitBlocks(OpBuilder &b, Location loc, Value row, int64_t count, bool turned) const override {
    std::string name = "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) + (turned ? ".trans" : "") +
                       ".b16.p" + std::to_string(getSharedSpace());
    return callAll(b, loc, b.getI32Type(), count, name, toShared(b, loc, row));
  }
  bool storesBlocks() const override { return isFrom90; }
  void emitBlockStore(OpBuilder &b, Location loc, Value row, ValueRange words) const override {
    std::string name = "llvm.nvvm.stmatrix.sync.aligned.m8n8.x" + std::to_string(words.size()) + ".b16.p" +
                       std::to_string(getSharedSpace());
    SmallVector<Value> operands{toShared(b, loc, row)};
    llvm::append_range(operands, words);
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(name), operands);
  }
  Value emitLargest(OpBuilder &b, Location loc, Value value) const override {
    Value operands[] = {value, constant(b, loc, -1)};
    return call(b, loc, b.getI32Type(), "llvm.nvvm.redux.sync.umax", operands);
  }
  Value emitUnion(OpBuilder &b, Location loc, Value value) const override {
    Value operands[] = {value, constant(b, loc, -1)};
    return call(b, loc, b.getI32Type(), "llvm.nvvm.redux.sync.or", operands);
  }

private:
  const bool isFrom90;

  static const MatrixInstruction *findRow(StringRef name) {
    static const MatrixInstruction table[] = {
#include "lowering/target/nvptx/MatrixInstructions.inc"
    };
    return llvm::find_if(table, [&](const MatrixInstruction &row) { return row.name == name; });
  }
  /// The address in the space of shared memory, computed there.
  Value toShared(OpBuilder &b, Location loc, Value address) const {
    Type pointer = LLVM::LLVMPointerType::get(b.getContext(), getSharedSpace());
    if (address.getType() == pointer) {
      return address;
    }
    if (auto part = address.getDefiningOp<LLVM::GEPOp>()) {
      SmallVector<LLVM::GEPArg> indices;
      for (auto index : part.getIndices()) {
        auto value = dyn_cast<Value>(index);
        indices.push_back(value ? LLVM::GEPArg(value) : LLVM::GEPArg(cast<IntegerAttr>(index).getInt()));
      }
      return LLVM::GEPOp::create(b, loc, pointer, part.getElemType(), toShared(b, loc, part.getBase()), indices);
    }
    return LLVM::AddrSpaceCastOp::create(b, loc, pointer, address);
  }
  static Type pairType(OpBuilder &b) { return VectorType::get({2}, b.getF16Type()); }
  static Value toWord(OpBuilder &b, Location loc, Value pair) {
    return LLVM::BitcastOp::create(b, loc, b.getI32Type(), pair);
  }
  /// Results of one type, of which an intrinsic makes a struct if they are several.
  static SmallVector<Value> callAll(OpBuilder &b, Location loc, Type type, int64_t count, StringRef name,
                                    ValueRange operands) {
    if (count == 1) {
      return {call(b, loc, type, name, operands)};
    }
    Type all = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(count, type));
    Value results = call(b, loc, all, name, operands);
    return llvm::map_to_vector(llvm::seq<int64_t>(count),
                               [&](int64_t i) -> Value { return LLVM::ExtractValueOp::create(b, loc, results, i); });
  }

  /// x 2^(a b + c) times a factor, which goes to the exponent, if nothing else needs the power so far: c is the same
  /// for many elements.
  static Value scalePower(OpBuilder &b, Location loc, Value value, double factor) {
    auto product = value.getDefiningOp<arith::MulFOp>();
    auto power = product ? product.getRhs().getDefiningOp<math::Exp2Op>() : math::Exp2Op();
    auto exponent = power ? power.getOperand().getDefiningOp<math::FmaOp>() : math::FmaOp();
    auto isUnused = [](Operation *user) { return isa<arith::MulFOp>(user) && user->use_empty(); };
    if (!exponent || !llvm::all_of(power->getUsers(), isUnused)) {
      return {};
    }
    Value more = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(std::log2(factor)));
    Value rest = arith::AddFOp::create(b, loc, exponent.getC(), more);
    Value larger = math::FmaOp::create(b, loc, exponent.getA(), exponent.getB(), rest);
    larger = math::Exp2Op::create(b, loc, larger, power.getFastmath());
    return arith::MulFOp::create(b, loc, product.getLhs(), larger);
  }

  /// x y times a factor, which goes to the one of them that is in more products.
  static Value scaleShared(OpBuilder &b, Location loc, Value value, double factor) {
    auto product = value.getDefiningOp<arith::MulFOp>();
    if (!product) {
      return {};
    }
    auto count = [](Value operand) { return llvm::range_size(operand.getUses()); };
    bool isLeft = count(product.getLhs()) > count(product.getRhs());
    Value shared = isLeft ? product.getLhs() : product.getRhs(), own = isLeft ? product.getRhs() : product.getLhs();
    if (count(shared) < 2) {
      return {};
    }
    Value scaled = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(factor)));
    scaled = arith::MulFOp::create(b, loc, shared, scaled); // the same for all of its products
    return arith::MulFOp::create(b, loc, own, scaled);
  }

  static Value constant(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  }
  static Value call(OpBuilder &b, Location loc, Type type, StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), operands).getResult(0);
  }
};

void prepareKernel(llvm::Function &code) {
  code.setCallingConv(llvm::CallingConv::PTX_Kernel);
  code.addFnAttr("nvvm.maxntid", code.getFnAttribute("rwkv-lanes").getValueAsString());
  if (code.hasFnAttribute("rwkv-blocks")) {
    code.addFnAttr("nvvm.minctasm", code.getFnAttribute("rwkv-blocks").getValueAsString());
  }
}

} // namespace

llvm::ArrayRef<TargetInfo> nvptx::getRows() {
  static const NvptxHooks since80(/*isFrom90=*/false), since90(/*isFrom90=*/true);
  // Cost models count the lanes of a warp as one vector.
  static const TargetInfo rows[] = {
#define GPU(name, ptx, shared, units, hooks)                                                                           \
  TargetInfo{name,                                                                                                     \
             "nvptx64-nvidia-cuda",                                                                                    \
             name,                                                                                                     \
             {ptx},                                                                                                    \
             1024,                                                                                                     \
             64,                                                                                                       \
             shared,                                                                                                   \
             /*matrix=*/nullptr,                                                                                       \
             kMostLanes,                                                                                               \
             &hooks,                                                                                                   \
             {name},                                                                                                   \
             units,                                                                                                    \
             /*isText=*/true,                                                                                          \
             prepareKernel},
#include "lowering/target/nvptx/KnownGpu.inc"
  };
  return rows;
}
