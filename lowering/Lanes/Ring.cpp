// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Lanes/Ring.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::warps;

void Ring::begin() {
  forEachMeeting([&](Value place, int64_t count) { e.hooks.emitMeeting(b, loc, place, count); });
}

void Ring::end() {
  forEachMeeting([&](Value place, int64_t) { e.hooks.emitMeetingEnd(b, loc, place); });
}

Value Ring::slotAt(Value number) {
  Value offset = arith::MulIOp::create(b, loc, number, e.index(plan.slotBytes));
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
  return LLVM::GEPOp::create(b, loc, memory.getType(), b.getI8Type(), memory, ArrayRef<LLVM::GEPArg>{wide});
}

Value Ring::slotOf(Value chunk) {
  Value number = arith::RemUIOp::create(b, loc, toWord(chunk), countSlots());
  return slotAt(arith::IndexCastUIOp::create(b, loc, b.getIndexType(), number));
}

Place Ring::partAt(Value slot, const Pipeline::Part &part) {
  return {{wordAt(slot, part.offset), part.element, part.rows.stride},
          16 * 8 / part.element.getIntOrFloatBitWidth(),
          /*isShared=*/true,
          part.isExact,
          part.rows.order,
          part.isPairs,
          part.isPairs ? wordAt(slot, part.unit) : Value(),
          /*hasBlocks=*/WarpTiles::hasBlocks(e.hooks)};
}

Value Ring::wordAt(Value slot, int64_t offset) {
  return LLVM::GEPOp::create(b, loc, slot.getType(), b.getI8Type(), slot,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
}

void Ring::come(Value slot, Event event) { e.hooks.emitArrival(b, loc, meetingAt(slot, event)); }

void Ring::await(Value slot, Value chunk, Event event) {
  Value round = arith::DivUIOp::create(b, loc, toWord(chunk), countSlots());
  e.hooks.emitAwait(b, loc, meetingAt(slot, event), round, countComing(event));
}

/// In front of what the slot holds: nobody needs a register for another address.
Value Ring::meetingAt(Value slot, Event event) {
  return wordAt(slot, event == Event::filled ? 0 : Pipeline::kMeetingBytes);
}

void Ring::forEachMeeting(function_ref<void(Value, int64_t)> body) {
  e.ifFirst([&] {
    for (int64_t number = 0; number < plan.slots; ++number) {
      Value slot = slotAt(e.index(number));
      for (Event event : {Event::filled, Event::applied}) {
        body(meetingAt(slot, event), countComing(event));
      }
    }
  });
}

// Words, as quotients of longer numbers take many instructions.
Value Ring::toWord(Value chunk) { return arith::IndexCastOp::create(b, loc, b.getI32Type(), chunk); }
Value Ring::countSlots() { return arith::ConstantIntOp::create(b, loc, b.getI32Type(), plan.slots); }
