// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/TileEmitter.h"

using namespace mlir;
using namespace rwkv;

/// Weights that an op names.
static SmallVector<FlatSymbolRefAttr> getWeightUses(Operation *op) {
  if (auto get = dyn_cast<GetOp>(op)) {
    return {get.getWeightAttr()};
  }
  if (auto embed = dyn_cast<EmbedOp>(op)) {
    return {embed.getWeightAttr()};
  }
  if (auto linear = dyn_cast<LinearOp>(op)) {
    return {linear.getWeightAttr()};
  }
  if (auto norm = dyn_cast<NormOp>(op)) {
    return {norm.getScaleAttr(), norm.getBiasAttr()};
  }
  return {};
}

void KernelEmitter::collectBuffers(SmallVectorImpl<Value> &inputs, SmallVectorImpl<Attribute> &weights) {
  Block &body = kernel.getBody().front();
  auto addBuffer = [&](Type element) -> Value {
    return body.addArgument(tile::BufferType::get(b.getContext(), element), loc);
  };
  fused.walk([&](Operation *op) {
    for (Value operand : op->getOperands()) {
      if (!fused.getBody().isAncestor(operand.getParentRegion()) && !llvm::is_contained(inputs, operand)) {
        inputs.push_back(operand);
      }
    }
    for (FlatSymbolRefAttr weight : getWeightUses(op)) {
      if (!llvm::is_contained(weights, weight)) {
        weights.push_back(weight);
      }
    }
  });
  for (Value input : inputs) {
    inputBuffers[input] = addBuffer(getElementTypeOrSelf(input.getType()));
  }
  for (Attribute weight : weights) {
    weightBuffers[weight] = addBuffer(weightOp(cast<FlatSymbolRefAttr>(weight)).getStoredType().getElementType());
  }
  for (Value result : fused.getResults()) {
    outputBuffers.push_back(addBuffer(getElementTypeOrSelf(result.getType())));
  }
}

WeightOp KernelEmitter::weightOp(FlatSymbolRefAttr name) {
  return SymbolTable::lookupNearestSymbolFrom<WeightOp>(fused, name);
}

double KernelEmitter::param(FlatSymbolRefAttr name) {
  return SymbolTable::lookupNearestSymbolFrom<ParamOp>(fused, name).getValue().convertToDouble();
}

Value KernelEmitter::load(Value buffer, Value offset, Type type, int64_t stride) {
  return tile::LoadOp::create(b, loc, type, buffer, offset, stride ? b.getI64IntegerAttr(stride) : IntegerAttr());
}

void KernelEmitter::store(Value value, Value buffer, Value offset, int64_t stride) {
  tile::StoreOp::create(b, loc, value, buffer, offset, stride ? b.getI64IntegerAttr(stride) : IntegerAttr());
}

Value KernelEmitter::loadIndex(Value buffer, Value offset) {
  return tile::LoadIndexOp::create(b, loc, b.getIndexType(), buffer, offset);
}

Value KernelEmitter::sequenceOf(Value token, Value reset) {
  if (!reset) {
    return arith::DivUIOp::create(b, loc, token, sizeT());
  }
  return tile::SequenceOfOp::create(b, loc, b.getIndexType(), buffer(reset), sizeS(), token);
}

Value KernelEmitter::sequenceStart(Value sequence, Value reset) {
  return reset ? loadIndex(buffer(reset), sequence) : arith::MulIOp::create(b, loc, sequence, sizeT()).getResult();
}

Value KernelEmitter::sequenceEnd(Value sequence, Value reset) {
  return sequenceStart(arith::AddIOp::create(b, loc, sequence, index(1)), reset);
}

bool KernelEmitter::isPacked() {
  return llvm::any_of(fused->getParentOfType<func::FuncOp>().getArgumentTypes(), [](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return tensor.getRank() == 1 && tensor.getElementType().isInteger(32) && tensor.isDynamicDim(0);
  });
}

Value KernelEmitter::findReset() {
  Value reset;
  fused.walk([&](Operation *op) {
    if (auto shift = dyn_cast<TokenShiftOp>(op)) {
      reset = reset ? reset : shift.getReset();
    } else if (auto last = dyn_cast<LastOp>(op)) {
      reset = reset ? reset : last.getReset();
    } else if (auto recurrence = dyn_cast<RecurrenceOp>(op)) {
      reset = reset ? reset : recurrence.getReset();
    }
  });
  return reset;
}

tile::KernelOp KernelEmitter::emit(FusedOp fused, OpBuilder &moduleBuilder, SmallVectorImpl<Value> &inputs,
                                   SmallVectorImpl<Attribute> &weights, AffineMap &tasks) {
  auto kernel = tile::KernelOp::create(moduleBuilder, fused.getLoc(), "kernel");
  Block &body = kernel.getBody().emplaceBlock();
  for (unsigned i = 0; i < tile::KernelOp::kFirstBuffer; ++i) {
    body.addArgument(moduleBuilder.getIndexType(), fused.getLoc());
  }
  OpBuilder builder = OpBuilder::atBlockEnd(&body);
  std::unique_ptr<KernelEmitter> emitter;
  switch (fused.getDomain()) {
  case FusedDomain::rows:
    emitter = createRowsEmitter(fused, kernel, builder);
    break;
  case FusedDomain::columns:
    emitter = createColumnsEmitter(fused, kernel, builder);
    break;
  case FusedDomain::heads:
    emitter = createHeadsEmitter(fused, kernel, builder);
    break;
  }
  emitter->collectBuffers(inputs, weights);
  if (failed(emitter->run(tasks))) {
    kernel.erase();
    return {};
  }
  return kernel;
}
