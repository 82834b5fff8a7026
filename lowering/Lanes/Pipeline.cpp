// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/PipelineEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

void PipelineEmitter::run() {
  auto findOutside = [&](Operation *inner) { // before the roles part
    for (Value operand : inner->getOperands()) {
      if (isOutside(operand)) {
        isa<RankedTensorType>(operand.getType()) ? (void)outsideMemory(operand)
                                                 : (void)surroundings.getOutsideScalar(operand);
      }
    }
  };
  pipeline.getPrepare().walk(findOutside);
  pipeline.getApply().walk(findOutside);
  int64_t warp = e.hooks.getWarp();
  number = toIndex(e.hooks.emitUniform(b, loc, narrow(e.laneDivided(warp))));
  lane = e.laneModulo(warp);
  ring = surroundings.allocateShared(plan.ringBytes());
  surroundings.overlay(ring, places);
  slots.emplace(e, plan, ring);
  exchange = surroundings.allocateShared(0);
  exchangeSize = arith::ConstantIndexOp::create(b, loc, 0);
  exchangeStart = arith::MulIOp::create(b, loc, number, exchangeSize);
  readAlike();
  auto role = [&](int64_t from, int64_t to, function_ref<void()> body) {
    Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, number, e.index(from));
    Value below = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, e.index(to));
    e.ifTrue(arith::AndIOp::create(b, loc, inside, below), body);
  };
  role(0, plan.firstApplier(), [&] {
    withRegisters(plan.moved, [&] {
      begin();
      plan.idle ? role(0, plan.preparers, [&] { prepare(); }) : prepare();
      end();
    });
  });
  role(plan.firstApplier(), plan.warps(), [&] { withRegisters(-plan.moved, [&] { apply(); }); });
  if (int64_t all = e.lanes / warp; all > plan.warps()) {
    role(plan.warps(), all, [&] {
      awaitBegin();
      awaitEnd();
    });
  }
  exchangeSize.setValueAttr(b.getIndexAttr(exchangeBytes));
  surroundings.growShared(exchange, exchangeBytes * plan.warps());
}

// What is carried lies where slots will be: first it is read by those who apply, in the end it is written by them.
// Roles meet in the middle of their code, which are no moments that lifetimes of other memory could end with.

void PipelineEmitter::begin() {
  e.hooks.emitBarrier(b, loc);
  slots->begin();
  beginAhead();
  e.hooks.emitBarrier(b, loc);
}

void PipelineEmitter::end() {
  e.hooks.emitBarrier(b, loc);
  endAhead();
  slots->end();
  e.hooks.emitBarrier(b, loc);
}

void PipelineEmitter::awaitBegin() {
  e.hooks.emitBarrier(b, loc);
  e.hooks.emitBarrier(b, loc);
}

void PipelineEmitter::readAlike() {
  for (auto [arg, memory] : llvm::zip_equal(pipeline.getCarried(), places)) {
    if (!plan.roles.split.contains(arg)) {
      WarpTiles tiles = makeTiles(b, Value());
      alike[arg] = tiles.load({memory, 4, false, false}, plan.getCarriedPlacement(arg), b.getF32Type());
    }
  }
}

void PipelineEmitter::withRegisters(int64_t more, function_ref<void()> body) {
  if (more == 0) {
    return body();
  }
  e.hooks.emitRegisters(b, loc, plan.registers + more, more > 0);
  body();
  e.hooks.emitRegisters(b, loc, plan.registers, more < 0);
}

bool PipelineEmitter::isOutside(Value value) {
  bool inside = pipeline->isAncestor(value.getParentBlock()->getParentOp());
  return !inside && !value.getDefiningOp<arith::ConstantOp>() && !isa<tile::BufferType>(value.getType());
}

Place PipelineEmitter::outsideMemory(Value tile) {
  auto known = outside.find(tile);
  if (known == outside.end()) {
    known = outside.try_emplace(tile, Place{surroundings.getOutsideMemory(tile), 1, false, false}).first;
  }
  return known->second;
}

WarpTiles::Outside PipelineEmitter::makeOutside(Value column) {
  WarpTiles::Outside result;
  result.getScalar = [this](Value scalar) { return surroundings.getOutsideScalar(scalar); };
  result.find = [this, column](Value tile) {
    if (auto load = tile.getDefiningOp<tile::LoadOp>(); load && load->getParentOp() == pipeline) {
      return buffer(load.getBuffer(), load.getOffset(), load.getStride(), load.getResult());
    }
    return shifted(outsideMemory(tile), tile, column);
  };
  result.getExchange = [this](Value tile) { return getExchange(tile); };
  result.getShape = [this](Value tile) { return shapeOf(tile); };
  result.isInside = [this](Operation *inner) { return pipeline->isProperAncestor(inner); };
  return result;
}

Place PipelineEmitter::buffer(Value buffer, Value offset, std::optional<int64_t> stride, Value tile) {
  auto [memory, alignment] =
      surroundings.getAccess(buffer, offset, stride.value_or(tile::getTileShape(tile.getType()).back()));
  return {memory, alignment, false, false};
}

Place PipelineEmitter::shifted(Place place, Value tile, Value column) {
  if (column && plan.roles.split.contains(tile)) {
    place.memory.pointer = emitAddress(b, loc, place.memory, Value(), column);
    place.alignment = std::gcd(place.alignment, plan.columns);
  }
  return place;
}

Place PipelineEmitter::getExchange(Value tile) {
  Extent shape = shapeOf(tile);
  Type element = getElementTypeOrSelf(tile.getType());
  element = element.isInteger(1) ? b.getI8Type() : element;
  int64_t stride = shape.columns + (shape.rows > 1 ? 4 : 0);
  int64_t bytes = llvm::alignTo(shape.rows * stride * (element.getIntOrFloatBitWidth() / 8), 16);
  exchangeBytes = std::max(exchangeBytes, bytes);
  Value mine = LLVM::GEPOp::create(b, loc, exchange.getType(), b.getI8Type(), exchange,
                                   ArrayRef<LLVM::GEPArg>{wide(exchangeStart)});
  return {{mine, element, stride}, 4, true, false};
}

void PipelineEmitter::seldom(Value chunk, function_ref<void(OpBuilder &, Value)> body) {
  Value usualLane = lane, usualNumber = number;
  lane = e.hidden(lane);
  number = e.hidden(number);
  OpBuilder start(b);
  auto mark = arith::ConstantIndexOp::create(b, loc, 0);
  start.setInsertionPoint(mark);
  chunk = e.hidden(chunk);
  surroundings.forChunk(chunk, [&] { body(start, slotOf(chunk)); });
  mark.erase();
  lane = usualLane;
  number = usualNumber;
}

WarpTiles PipelineEmitter::makeTiles(OpBuilder &entry, Value column, bool scaled) {
  bool applies = bool(column);
  const MatrixInstruction &instruction = applies ? *plan.instruction : *plan.prepared;
  return WarpTiles(b, entry, loc, e.hooks, lane, instruction, /*turned=*/applies, makeOutside(column), scaled);
}

SmallVector<Value> PipelineEmitter::takeFront(ValueRange &values, size_t count) {
  SmallVector<Value> taken(values.take_front(count));
  values = values.drop_front(count);
  return taken;
}

void lanes::emitPipeline(Emitter &e, const Pipeline &plan, ArrayRef<Memory> places, Value count,
                         LoopSurroundings &surroundings) {
  PipelineEmitter(e, plan, places, count, surroundings).run();
}
