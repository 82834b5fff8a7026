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

void KernelEmitter::collectBuffers(KernelCall &call, TypeRange results) {
  Block &body = kernel.getBody().front();
  auto addBuffer = [&](Type type) {
    return body.addArgument(tile::BufferType::get(b.getContext(), getElementTypeOrSelf(type)), loc);
  };
  llvm::SetVector<Attribute> weights;
  llvm::SetVector<Value> inputs(call.inputs.begin(), call.inputs.end());
  fused.walk([&](Operation *op) {
    for (Value operand : op->getOperands()) {
      if (!fused.getBody().isAncestor(operand.getParentRegion())) {
        inputs.insert(operand);
      }
    }
    weights.insert_range(getWeightUses(op));
  });
  for (Value input : inputs) {
    inputBuffers[input] = addBuffer(input.getType());
  }
  for (Attribute weight : weights) {
    weightBuffers[weight] = addBuffer(weightOp(cast<FlatSymbolRefAttr>(weight)).getStoredType());
  }
  for (Type type : results) {
    outputBuffers.push_back(addBuffer(type));
  }
}

/// A kernel for a part of a group does not need all operands.
void KernelEmitter::dropUnused(KernelCall &call) {
  call.inputs.clear();
  Block &body = kernel.getBody().front();
  auto keep = [&](auto &buffers, auto &names) {
    for (auto [name, buffer] : buffers) {
      if (buffer.use_empty()) {
        body.eraseArgument(buffer.getArgNumber());
      } else {
        names.push_back(name);
      }
    }
  };
  keep(inputBuffers, call.inputs);
  keep(weightBuffers, call.weights);
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

FailureOr<KernelCall> KernelEmitter::emit(FusedOp fused, OpBuilder &moduleBuilder, Factory create, ValueRange inputs,
                                          TypeRange results) {
  KernelCall call;
  call.kernel = tile::KernelOp::create(moduleBuilder, fused.getLoc(), "kernel");
  llvm::append_range(call.inputs, inputs);
  Block &body = call.kernel.getBody().emplaceBlock();
  for (unsigned i = 0; i < tile::KernelOp::kFirstBuffer; ++i) {
    body.addArgument(moduleBuilder.getIndexType(), fused.getLoc());
  }
  std::unique_ptr<KernelEmitter> emitter = create(fused, call.kernel, OpBuilder::atBlockEnd(&body));
  emitter->collectBuffers(call, results);
  if (failed(emitter->run())) {
    call.kernel.erase();
    return failure();
  }
  emitter->dropUnused(call);
  OpBuilder builder(fused);
  TileEmitter host(builder, fused.getLoc());
  auto size = [&](tile::Size which) {
    return tile::SizeOp::create(builder, fused.getLoc(), builder.getIndexType(), which).getResult();
  };
  call.tasks = emitter->countTasks(host, size);
  call.from = emitter->findFirstTask(host, size);
  return call;
}
