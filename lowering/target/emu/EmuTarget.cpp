// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/emu/EmuTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/ReplaceConstant.h"

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

using namespace mlir;
using namespace rwkv;

namespace {

/// Stands for the lane's rwkv_emu_lane until kernels get it as a parameter.
constexpr llvm::StringLiteral kSelf = "rwkv_emu_self";

/// Marks the address of a kernel's buffer: memory that the lanes of a task do not pass to each other.
constexpr llvm::StringLiteral kBuffer = "rwkv.buffer";

rwkv_emu_fragment describeFragment(const FragmentBases &bases) {
  rwkv_emu_fragment fragment = {};
  auto add = [](int32_t (&to)[RWKV_EMU_BITS][2], int32_t &count, ArrayRef<Coord> from) {
    for (Coord base : from) {
      assert(count < RWKV_EMU_BITS && "a fragment of so many registers or lanes");
      to[count][0] = static_cast<int32_t>(base.row);
      to[count++][1] = static_cast<int32_t>(base.column);
    }
  };
  add(fragment.of_register, fragment.register_bits, bases.reg);
  add(fragment.of_lane, fragment.lane_bits, bases.lane);
  return fragment;
}

rwkv_emu_operand getOperand(const MatrixInstruction &instruction) {
  if (instruction.operandBits == 32) {
    return instruction.name.ends_with(".tf32") ? RWKV_EMU_TF32 : RWKV_EMU_F32;
  }
  return RWKV_EMU_F16;
}

class EmuHooks : public lanes::Hooks {
public:
  explicit EmuHooks(const lanes::Shape &shape) : shape(shape) {}

  int64_t getWarp() const override { return shape.getWarp(); }
  int64_t getRegisters() const override { return shape.getRegisters(); }
  int64_t getMostRegisters() const override { return shape.getMostRegisters(); }
  std::optional<lanes::RegisterPool> getRegisterPool() const override { return shape.getRegisterPool(); }
  const MatrixInstruction *findProduct(tile::Precision precision) const override {
    return shape.findProduct(precision);
  }
  const MatrixInstruction *findPairProduct(tile::Precision precision) const override {
    return shape.findPairProduct(precision);
  }
  const MatrixInstruction *findHalf(const MatrixInstruction &instruction) const override {
    return shape.findHalf(instruction);
  }
  unsigned getSharedSpace() const override { return 0; }
  unsigned getGlobalSpace() const override { return 0; }

  Value emitLane(OpBuilder &b, Location loc) const override {
    return load(b, loc, b.getI32Type(), self(b, loc), offsetof(rwkv_emu_lane, lane));
  }
  Value emitTask(OpBuilder &b, Location loc) const override {
    return load(b, loc, b.getI32Type(), self(b, loc), offsetof(rwkv_emu_lane, task));
  }
  void emitBarrier(OpBuilder &b, Location loc) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, barrier), {});
  }
  void emitWarpBarrier(OpBuilder &b, Location loc) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, warp_barrier), {constant(b, loc, getWarp())});
  }
  void emitMeeting(OpBuilder &b, Location loc, Value place, int64_t count) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, begin_meeting), {place, constant(b, loc, count)});
  }
  void emitMeetingEnd(OpBuilder &b, Location loc, Value place) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, end_meeting), {place});
  }
  void emitArrival(OpBuilder &b, Location loc, Value place) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, arrive), {place, constant(b, loc, getWarp())});
  }
  void emitAwait(OpBuilder &b, Location loc, Value place, Value round, int64_t) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, await), {place, round});
  }
  bool roundsToBF16() const override { return false; }
  Value emitExtremes(OpBuilder &b, Location loc, Value x, Value y, bool largest) const override {
    auto extreme = [&](Value x, Value y) -> Value { // of what the upper halves are
      Value numbers[2];
      for (auto [number, word] : llvm::zip_equal(numbers, ArrayRef<Value>{x, y})) {
        Value bits = arith::AndIOp::create(b, loc, word, constant(b, loc, -65536));
        number = arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
      }
      Value found = largest ? arith::MaxNumFOp::create(b, loc, numbers[0], numbers[1]).getResult()
                            : arith::MinNumFOp::create(b, loc, numbers[0], numbers[1]).getResult();
      return arith::BitcastOp::create(b, loc, b.getI32Type(), found);
    };
    auto lower = [&](Value word) -> Value { return arith::ShLIOp::create(b, loc, word, constant(b, loc, 16)); };
    Value low = arith::ShRUIOp::create(b, loc, extreme(lower(x), lower(y)), constant(b, loc, 16));
    return arith::OrIOp::create(b, loc, extreme(x, y), low);
  }
  Value emitExp2(OpBuilder &b, Location loc, Value value) const override {
    return call(b, loc, value.getType(), offsetof(rwkv_emu_functions, exp2), {value});
  }
  Value emitRounded(OpBuilder &b, Location loc, Value value, bool isLast) const override {
    return shape.emitRounded(b, loc, value, isLast); // so that what is rounded twice shows here, too
  }
  Value emitShuffle(OpBuilder &b, Location loc, Value value, int64_t mask) const override {
    Type i32 = b.getI32Type(), type = value.getType();
    Value bits = type == i32 ? value : arith::BitcastOp::create(b, loc, i32, value).getResult();
    bits = call(b, loc, i32, offsetof(rwkv_emu_functions, shuffle),
                {bits, constant(b, loc, mask), constant(b, loc, getWarp())});
    return type == i32 ? bits : arith::BitcastOp::create(b, loc, type, bits).getResult();
  }

  SmallVector<Value> emitProduct(OpBuilder &b, Location loc, const MatrixInstruction &instruction, ValueRange x,
                                 ValueRange y, ValueRange c) const override {
    bool pairs = instruction.operandBits == 16;
    int64_t operands = x.size() + y.size(), first = pairs ? 2 * operands : operands;
    SmallVector<Value> values(x);
    llvm::append_range(values, y);
    setRegisters(b, loc, 0, values);
    if (pairs) {
      call(b, loc, {}, offsetof(rwkv_emu_functions, split), {constant(b, loc, operands)});
    }
    setRegisters(b, loc, first, c);
    call(b, loc, {}, offsetof(rwkv_emu_functions, product), {constantProduct(b, loc, instruction)});
    return getRegisters(b, loc, b.getF32Type(), first, c.size());
  }

  Value emitPair(OpBuilder &b, Location loc, Value low, Value high) const override {
    return call(b, loc, b.getI32Type(), offsetof(rwkv_emu_functions, pair), {low, high});
  }
  Value emitLargerSizes(OpBuilder &b, Location loc, Value x, Value y) const override {
    auto part = [&](Value pair, int64_t bits) { return arith::AndIOp::create(b, loc, pair, constant(b, loc, bits)); };
    Value sizes[2];
    for (auto [size, bits] : llvm::zip_equal(sizes, ArrayRef<int64_t>{0x7fff, 0x7fff0000})) {
      size = arith::MaxUIOp::create(b, loc, part(x, bits), part(y, bits));
    }
    return arith::OrIOp::create(b, loc, sizes[0], sizes[1]);
  }
  SmallVector<Value> emitBlocks(OpBuilder &b, Location loc, Value row, int64_t count, bool turned) const override {
    call(b, loc, {}, offsetof(rwkv_emu_functions, blocks),
         {row, constant(b, loc, count), constant(b, loc, turned), constant(b, loc, getWarp())});
    return getRegisters(b, loc, b.getI32Type(), 0, count);
  }
  bool storesBlocks() const override { return shape.storesBlocks(); }
  void emitBlockStore(OpBuilder &b, Location loc, Value row, ValueRange words) const override {
    // A load of blocks brings what lane i needs: its word of an address, as often as a row has words, which lane
    // i / 4 of a block has.
    constexpr int64_t kWords = 4, kAlignment = 16;
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    Value given;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&b.getInsertionBlock()->getParentOp()->getParentOfType<FunctionOpInterface>().front());
      given = LLVM::AllocaOp::create(b, loc, pointer(b), i32, constant(b, loc, kWords), kAlignment);
    }
    Value own = LLVM::PtrToIntOp::create(b, loc, i64, row), low = LLVM::TruncOp::create(b, loc, i32, own);
    for (int64_t i = 0; i < kWords; ++i) {
      LLVM::StoreOp::create(b, loc, low, address(b, loc, given, i * sizeof(int32_t)));
    }
    SmallVector<Value> rows = emitBlocks(b, loc, given, words.size(), /*turned=*/false);
    Value column = arith::RemUIOp::create(b, loc, emitLane(b, loc), constant(b, loc, kWords));
    column = arith::MulIOp::create(b, loc, column, constant(b, loc, sizeof(int32_t)));
    for (auto [other, word] : llvm::zip_equal(rows, words)) {
      Value apart = arith::AddIOp::create(b, loc, arith::SubIOp::create(b, loc, other, low), column);
      Value at = LLVM::GEPOp::create(b, loc, pointer(b), b.getI8Type(), row, ArrayRef<LLVM::GEPArg>{apart});
      LLVM::StoreOp::create(b, loc, word, at);
    }
  }
  Value emitLargest(OpBuilder &b, Location loc, Value value) const override {
    return combine<arith::MaxUIOp>(b, loc, value);
  }
  Value emitUnion(OpBuilder &b, Location loc, Value value) const override {
    return combine<arith::OrIOp>(b, loc, value);
  }

private:
  static Value constant(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  }
  static Type pointer(OpBuilder &b) { return LLVM::LLVMPointerType::get(b.getContext()); }
  static Value address(OpBuilder &b, Location loc, Value base, size_t offset) {
    return LLVM::GEPOp::create(b, loc, pointer(b), b.getI8Type(), base,
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
  }
  static Value load(OpBuilder &b, Location loc, Type type, Value base, size_t offset) {
    return LLVM::LoadOp::create(b, loc, type, address(b, loc, base, offset));
  }
  static size_t registerOffset(size_t i) { return offsetof(rwkv_emu_lane, registers) + i * sizeof(float); }
  static void setRegisters(OpBuilder &b, Location loc, size_t first, ValueRange values) {
    Value lane = self(b, loc);
    for (auto [i, value] : llvm::enumerate(values)) {
      LLVM::StoreOp::create(b, loc, value, address(b, loc, lane, registerOffset(first + i)));
    }
  }
  static SmallVector<Value> getRegisters(OpBuilder &b, Location loc, Type type, size_t first, size_t count) {
    Value lane = self(b, loc);
    return llvm::map_to_vector(llvm::seq(first, first + count),
                               [&](size_t i) -> Value { return load(b, loc, type, lane, registerOffset(i)); });
  }
  template <typename Op> Value combine(OpBuilder &b, Location loc, Value value) const {
    for (int64_t mask = 1; mask < getWarp(); mask *= 2) {
      value = Op::create(b, loc, value, emitShuffle(b, loc, value, mask));
    }
    return value;
  }
  static ModuleOp moduleOf(OpBuilder &b) { return b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>(); }

  static Value self(OpBuilder &b, Location loc) {
    ModuleOp module = moduleOf(b);
    if (!module.lookupSymbol(kSelf)) {
      OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
      LLVM::LLVMFuncOp::create(top, loc, kSelf, LLVM::LLVMFunctionType::get(pointer(b), {}));
    }
    return LLVM::CallOp::create(b, loc, pointer(b), kSelf, ValueRange()).getResult();
  }

  /// Calls one of the emulator's functions; the result is null if there is none.
  static Value call(OpBuilder &b, Location loc, Type result, size_t function, ArrayRef<Value> more) {
    Value lane = self(b, loc);
    Value table = load(b, loc, pointer(b), lane, offsetof(rwkv_emu_lane, functions));
    SmallVector<Value> operands = {load(b, loc, pointer(b), table, function), lane};
    llvm::append_range(operands, more);
    SmallVector<Type> types =
        llvm::map_to_vector(ArrayRef<Value>(operands).drop_front(), [](Value value) { return value.getType(); });
    auto type = LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(b.getContext()), types);
    auto op = LLVM::CallOp::create(b, loc, type, operands);
    return result ? op.getResult() : Value();
  }

  /// The address of the instruction's description, data of the module.
  Value constantProduct(OpBuilder &b, Location loc, const MatrixInstruction &instruction) const {
    std::string name = "rwkv_emu_" + instruction.name.str();
    ModuleOp module = moduleOf(b);
    if (!module.lookupSymbol(name)) {
      rwkv_emu_product product = emu::describe(instruction, getWarp());
      static_assert(sizeof(product) % sizeof(int32_t) == 0);
      SmallVector<int32_t> words(sizeof(product) / sizeof(int32_t));
      std::memcpy(words.data(), &product, sizeof(product));
      OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
      auto type = LLVM::LLVMArrayType::get(b.getI32Type(), words.size());
      LLVM::GlobalOp::create(top, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                             b.getI32TensorAttr(words));
    }
    return LLVM::AddressOfOp::create(b, loc, pointer(b), name);
  }

  const lanes::Shape &shape;
};

/// `void k(buffers.., B, .., first task)` becomes `void k(rwkv_emu_lane *self, const uint64_t *parameters)`.
void wrapKernel(llvm::Function &function, llvm::Function *self, llvm::GlobalVariable *arena) {
  llvm::LLVMContext &context = function.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, pointer}, false);
  auto *kernel = llvm::Function::Create(type, function.getLinkage(), "", function.getParent());
  kernel->takeName(&function);
  kernel->setVisibility(function.getVisibility());
  kernel->addFnAttrs(llvm::AttrBuilder(context, function.getAttributes().getFnAttrs()));
  kernel->splice(kernel->begin(), &function);
  llvm::IRBuilder<> b(&kernel->getEntryBlock(), kernel->getEntryBlock().begin());
  for (llvm::Argument &argument : function.args()) {
    llvm::Value *at = b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), kernel->getArg(1), argument.getArgNo());
    llvm::LoadInst *value = b.CreateLoad(argument.getType(), at);
    if (argument.hasNoAliasAttr()) {
      value->setMetadata(kBuffer, llvm::MDNode::get(context, {}));
    }
    argument.replaceAllUsesWith(value);
  }
  llvm::Value *shared = b.CreateLoad(
      pointer, b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), kernel->getArg(0), offsetof(rwkv_emu_lane, shared)));
  for (llvm::BasicBlock &block : *kernel) {
    for (llvm::Instruction &instruction : llvm::make_early_inc_range(block)) {
      auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction);
      if (call && call->getCalledFunction() == self) {
        call->replaceAllUsesWith(kernel->getArg(0));
        call->eraseFromParent();
      } else if (arena) {
        instruction.replaceUsesOfWith(arena, shared);
      }
    }
  }
  function.eraseFromParent();
}

void prepareModule(llvm::Module &code) {
  llvm::Function *self = code.getFunction(kSelf);
  // The memory that lanes share is the one variable without a value.
  llvm::GlobalVariable *arena = nullptr;
  for (llvm::GlobalVariable &variable : code.globals()) {
    arena = variable.isDeclaration() ? &variable : arena;
  }
  if (arena) {
    llvm::convertUsersOfConstantsToInstructions({arena});
  }
  llvm::SmallVector<llvm::Function *> kernels;
  for (llvm::Function &function : code) {
    if (!function.isDeclaration() && !function.hasLocalLinkage()) {
      kernels.push_back(&function);
    }
  }
  for (llvm::Function *kernel : kernels) {
    wrapKernel(*kernel, self, arena);
  }
  for (llvm::GlobalValue *value : {static_cast<llvm::GlobalValue *>(self), static_cast<llvm::GlobalValue *>(arena)}) {
    if (value && value->use_empty()) {
      value->eraseFromParent();
    }
  }
}

/// Tells the emulator of what a kernel loads and stores, so that it finds what nothing puts in order.
void watchAccesses(llvm::Function &kernel) {
  llvm::Value *self = kernel.getArg(0);
  llvm::SmallVector<llvm::Instruction *> accesses;
  for (llvm::BasicBlock &block : kernel) {
    for (llvm::Instruction &instruction : block) {
      const llvm::Value *address = llvm::getLoadStorePointerOperand(&instruction);
      const llvm::Value *object = address ? llvm::getUnderlyingObject(address) : nullptr;
      auto *loaded = llvm::dyn_cast_or_null<llvm::LoadInst>(object);
      bool isBuffer = loaded && loaded->hasMetadata(kBuffer);
      if (object && !isBuffer && !llvm::isa<llvm::Argument>(object) && !llvm::isa<llvm::GlobalVariable>(object)) {
        accesses.push_back(&instruction);
      }
    }
  }
  if (accesses.empty()) {
    return;
  }
  // The function comes from a table of constants: once for the kernel.
  llvm::IRBuilder<> b(&kernel.getEntryBlock(), kernel.getEntryBlock().begin());
  auto loadAt = [&](llvm::Value *base, size_t offset) {
    return b.CreateLoad(b.getPtrTy(), b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, offset));
  };
  llvm::Value *table = loadAt(self, offsetof(rwkv_emu_lane, functions));
  llvm::Value *function = loadAt(table, offsetof(rwkv_emu_functions, access));
  auto *type =
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty()}, false);
  for (llvm::Instruction *access : accesses) {
    auto *store = llvm::dyn_cast<llvm::StoreInst>(access);
    llvm::Type *element = store ? store->getValueOperand()->getType() : access->getType();
    uint64_t bytes = kernel.getDataLayout().getTypeStoreSize(element);
    b.SetInsertPoint(access);
    b.CreateCall(type, function,
                 {self, llvm::getLoadStorePointerOperand(access), b.getInt32(bytes), b.getInt32(store ? 1 : 0)});
  }
}

void finishModule(llvm::Module &code) {
  for (llvm::Function &function : code) {
    if (!function.isDeclaration() && !function.hasLocalLinkage()) {
      watchAccesses(function);
    }
  }
}

} // namespace

rwkv_emu_product emu::describe(const MatrixInstruction &instruction, int64_t warp) {
  auto number = [](auto value) { return static_cast<int32_t>(value); };
  return {number(warp),
          number(instruction.m),
          number(instruction.n),
          number(instruction.k),
          getOperand(instruction),
          describeFragment(instruction.a),
          describeFragment(instruction.b),
          describeFragment(instruction.c)};
}

TargetInfo emu::makeRow(const TargetInfo &machine, const TargetInfo &emulated, const lanes::Shape &shape) {
  static std::map<const lanes::Shape *, std::unique_ptr<EmuHooks>> all;
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<EmuHooks> &hooks = all[&shape];
  if (!hooks) {
    hooks = std::make_unique<EmuHooks>(shape);
  }
  TargetInfo row = emulated; // what costs and blocking count with
  row.chip = "emu-" + emulated.chip;
  row.triple = machine.triple;
  row.cpu = machine.cpu;
  row.features = machine.features;
  row.required = {};
  row.hooks = hooks.get();
  row.isText = false;
  row.prepareKernel = nullptr;
  row.prepareModule = prepareModule;
  row.finishModule = finishModule;
  return row;
}
