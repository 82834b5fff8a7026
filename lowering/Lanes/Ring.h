// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The slots of a pipeline in shared memory, by turns those of its chunks. Each is met at twice per chunk: when it has
// been filled, by the warp that fills it, and when it has been applied, by all that apply.
#ifndef RWKV_LOWERING_LANES_RING_H
#define RWKV_LOWERING_LANES_RING_H

#include "lowering/Lanes/Pipeline.h"

namespace rwkv::lanes {

class Ring {
public:
  enum class Event { filled, applied };

  Ring(Emitter &e, const Pipeline &plan, mlir::Value memory) : e(e), b(e.b), loc(e.loc), plan(plan), memory(memory) {}

  /// By the first lane of the task, before and after all chunks.
  void begin();
  void end();

  /// Slots are addresses: of the warp that fills it, by its number, and of a chunk.
  mlir::Value slotAt(mlir::Value number);
  mlir::Value slotOf(mlir::Value chunk);
  warps::Place partAt(mlir::Value slot, const Pipeline::Part &part);
  mlir::Value wordAt(mlir::Value slot, int64_t offset);

  /// This warp has filled or applied a slot; what it wrote and read is over for those who wait.
  void come(mlir::Value slot, Event event);
  /// Waits until a slot has been filled with a chunk, or until all have applied it.
  void await(mlir::Value slot, mlir::Value chunk, Event event);

private:
  int64_t countComing(Event event) const { return event == Event::filled ? 1 : plan.appliers; }
  mlir::Value meetingAt(mlir::Value slot, Event event);
  void forEachMeeting(llvm::function_ref<void(mlir::Value, int64_t)> body);
  mlir::Value toWord(mlir::Value chunk);
  mlir::Value countSlots();

  Emitter &e;
  mlir::OpBuilder &b;
  mlir::Location loc;
  const Pipeline &plan;
  mlir::Value memory;
};

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_RING_H
