// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What those who prepare the chunks of a pipeline hand on from one chunk to the next.
#include "lowering/Lanes/PipelineEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

/// Bytes that states begin at multiples of.
static constexpr int64_t kPiece = 16;

static int64_t countBytes(Value state) {
  Extent shape = getExtent(state);
  return llvm::alignTo(shape.rows * shape.columns * sizeof(float), kPiece);
}

int64_t lanes::countHandedBytes(tile::PipelineOp op) {
  int64_t bytes = 0;
  for (BlockArgument arg : op.getCarriedAhead()) {
    bytes += countBytes(arg);
  }
  return bytes == 0 ? 0 : bytes + llvm::alignTo(Pipeline::kMeetingBytes, kPiece);
}

void PipelineEmitter::beginAhead() {
  if (pipeline.getAhead().empty()) {
    return;
  }
  e.ifFirst([&] {
    for (int64_t i = 0; i < plan.preparers; ++i) {
      e.hooks.emitMeeting(b, loc, meetingOf(e.index(i)), /*count=*/1);
    }
  });
}

void PipelineEmitter::endAhead() {
  if (pipeline.getAhead().empty()) {
    return;
  }
  Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, count, e.index(0));
  Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, number, e.index(0));
  e.ifTrue(arith::AndIOp::create(b, loc, any, isFirst), [&] { // to the one whose turn it would be
    Value last = arith::RemUIOp::create(b, loc, narrow(count), word(plan.preparers));
    storeAhead(loadAhead(getHanded(toIndex(last))), getPlacesAhead());
  });
  e.ifFirst([&] {
    for (int64_t i = 0; i < plan.preparers; ++i) {
      e.hooks.emitMeetingEnd(b, loc, meetingOf(e.index(i)));
    }
  });
}

Value PipelineEmitter::meetingOf(Value preparer) {
  Value offset = arith::MulIOp::create(b, loc, preparer, e.index(plan.handedBytes));
  offset = addIndex(b, loc, offset, plan.slots * plan.slotBytes);
  return LLVM::GEPOp::create(b, loc, ring.getType(), b.getI8Type(), ring, ArrayRef<LLVM::GEPArg>{wide(offset)});
}

SmallVector<Place> PipelineEmitter::getHanded(Value preparer) {
  SmallVector<Place> result;
  Value start = meetingOf(preparer);
  int64_t offset = llvm::alignTo(Pipeline::kMeetingBytes, kPiece);
  for (BlockArgument arg : pipeline.getCarriedAhead()) {
    Value pointer = slots->wordAt(start, offset);
    result.push_back({{pointer, b.getF32Type(), getExtent(arg).columns}, kPiece / 4, /*isShared=*/false});
    offset += countBytes(arg);
  }
  return result;
}

SmallVector<Place> PipelineEmitter::getPlacesAhead() {
  return llvm::map_to_vector(placesAhead, [](const Memory &memory) { return Place{memory, 1, /*isShared=*/false}; });
}

SmallVector<SmallVector<Value>> PipelineEmitter::loadAhead(ArrayRef<Place> from) {
  WarpTiles tiles = makeTiles(b, Value());
  SmallVector<SmallVector<Value>> states;
  for (auto [arg, place] : llvm::zip_equal(pipeline.getCarriedAhead(), from)) {
    states.push_back(tiles.load(place, tiles.prefer(arg), b.getF32Type()));
  }
  return states;
}

void PipelineEmitter::storeAhead(ArrayRef<SmallVector<Value>> states, ArrayRef<Place> to) {
  WarpTiles tiles = makeTiles(b, Value());
  for (auto [arg, values, place] : llvm::zip_equal(pipeline.getCarriedAhead(), states, to)) {
    tiles.store(place, tiles.prefer(arg), values);
  }
}

/// Who prepares the first chunk hands it what is carried to itself.
void PipelineEmitter::handFirst() {
  if (pipeline.getAhead().empty()) {
    return;
  }
  e.ifTrue(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, number, e.index(0)), [&] {
    storeAhead(loadAhead(getPlacesAhead()), getHanded(number));
    e.hooks.emitArrival(b, loc, meetingOf(number));
  });
}

void PipelineEmitter::takeAhead(Value chunk) {
  if (pipeline.getAhead().empty()) {
    return;
  }
  Value round = arith::DivUIOp::create(b, loc, narrow(chunk), word(plan.preparers));
  e.hooks.emitAwait(b, loc, meetingOf(number), round, /*count=*/1);
  statesAhead = loadAhead(getHanded(number));
}

void PipelineEmitter::bindAhead(WarpTiles &tiles) {
  for (auto [arg, values] : llvm::zip(pipeline.getCarriedAhead(), statesAhead)) {
    tiles.hold(arg, tiles.prefer(arg), values);
  }
}

void PipelineEmitter::handOn(WarpTiles &tiles) {
  if (pipeline.getAhead().empty()) {
    return;
  }
  SmallVector<SmallVector<Value>> next;
  for (auto [arg, value] : llvm::zip_equal(pipeline.getCarriedAhead(), pipeline.getPass().getAhead())) {
    next.push_back(tiles.get(value, tiles.prefer(arg)));
  }
  Value following = arith::AddIOp::create(b, loc, narrow(number), word(1));
  following = toIndex(arith::RemUIOp::create(b, loc, following, word(plan.preparers)));
  if (plan.preparers == 1) { // lanes of this warp may still read what is overwritten
    e.hooks.emitWarpBarrier(b, loc);
  }
  storeAhead(next, getHanded(following));
  e.hooks.emitArrival(b, loc, meetingOf(following));
}
