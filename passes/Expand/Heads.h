// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recurrences: a task runs one head of one sequence, with the ops before and after the recurrence that stay within the
// head, or a part of the head's values. Tokens are taken one by one, or C at a time with what is left over one by one.
#ifndef RWKV_PASSES_EXPAND_HEADS_H
#define RWKV_PASSES_EXPAND_HEADS_H

#include "passes/Expand/Part.h"
#include "passes/Expand/TileEmitter.h"

namespace rwkv {

class AffineState;

class HeadsEmitter : public KernelEmitter {
public:
  HeadsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder)
      : KernelEmitter(fused, kernel, builder), recurrence(*fused.getBody().getOps<RecurrenceOp>().begin()),
        part(recurrence) {}

protected:
  mlir::LogicalResult run() override;

  mlir::Value countTasks(TileEmitter &e, Sizes size) override { return e.times(countHeads(e, size), areMany(e, size)); }

  mlir::Value countHeads(TileEmitter &e, Sizes size);

  /// 1 if sequences have as many tokens as the schedule wants, on average, else 0.
  mlir::Value areMany(TileEmitter &e, Sizes size);

  /// In which form tokens run; null: one by one.
  virtual ScheduleAttr chooseSchedule() { return recurrence.getScheduleAttr(); }

  // ---- what is different where sequences are cut into segments

  /// Which head of which sequence the task runs.
  virtual mlir::Value chooseRow();
  virtual llvm::SmallVector<mlir::Value> loadStates() {
    return llvm::map_to_vector(recurrence.getInits(), [&](mlir::Value init) { return loadInit(init); });
  }
  /// From which to which token of a sequence of so many chunks it runs these.
  virtual std::pair<mlir::Value, mlir::Value> chooseChunks(mlir::Value start, mlir::Value count, mlir::Value size) {
    return {start, plus(start, times(count, size))};
  }
  /// Where it stops to run tokens, of which those behind `rest` are in no chunk; null: it runs none of these.
  virtual mlir::Value chooseEnd(mlir::Value rest, mlir::Value end) { return end; }
  /// How many tiles are carried behind the states, which chunks multiply; if there are any, outputs are not wanted.
  virtual unsigned countTransitions() const { return 0; }
  virtual void finish(mlir::ValueRange carried) { storeStates(carried); }

  RecurrenceOp recurrence;
  Part part;
  int64_t heads = 0;
  mlir::Value row, head, partNumber;

  // ---- states: [sequence, head, K.., V]

  mlir::Value loadInit(mlir::Value init) {
    return load(buffer(init), stateOffset(init), stateType(init), stateStride(init));
  }
  static llvm::ArrayRef<int64_t> stateShape(mlir::Value init) {
    return mlir::cast<mlir::RankedTensorType>(init.getType()).getShape().drop_front(2);
  }
  mlir::Type stateType(mlir::Value init);

  /// Tasks run over (sequence, head, part), the first two in the order of the state's leading axes.
  mlir::Value stateOffset(mlir::Value init);
  int64_t stateStride(mlir::Value init);

  // ---- parts of the value axis

  llvm::SmallVector<int64_t> ofPart(llvm::ArrayRef<int64_t> shape);
  /// Where the task's part of so many values starts, if the first one is at `offset`.
  mlir::Value fromPart(mlir::Value offset, int64_t values) {
    return partNumber ? plus(offset, times(partNumber, index(values / part.getCount()))) : offset;
  }
  /// Whether the task has a part alone of what `value` of the region is.
  bool isInParts(mlir::Value value) { return partNumber && part.isAlong(value); }

  void storeStates(mlir::ValueRange states);

  /// Which state a value is the final value of.
  std::optional<unsigned> stateIndex(mlir::Value value);

private:
  llvm::SmallVector<mlir::Value> loadConsts();

  /// Head h reads group h * groups / heads.
  mlir::Value groupOf(int64_t groups) { return groups == heads ? head : over(head, index(heads / groups)); }

  /// The first token at which every counter is a multiple of a chunk's length, if not `end`.
  mlir::Value alignChunks(const AffineState &form, mlir::ValueRange states, mlir::Value size, mlir::Value start,
                          mlir::Value end);

  mlir::LogicalResult emitSequence(mlir::Value start, mlir::Value end, llvm::ArrayRef<mlir::Value> consts,
                                   llvm::SmallVector<mlir::Value> &carried);
  mlir::LogicalResult check(const AffineState &form, ScheduleAttr schedule);

  // ---- one token, or `batch` tokens

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)>;

  /// Tokens from `start` to `end`, `tokens` at a time (0: one by one, as values without a token axis).
  mlir::LogicalResult emitLoop(mlir::Value start, mlir::Value end, int64_t tokens, llvm::ArrayRef<mlir::Value> consts,
                               llvm::SmallVector<mlir::Value> &states, Body body);

  mlir::LogicalResult emitTokens(llvm::ArrayRef<mlir::Value> consts, mlir::ValueRange states, Body body);

  /// Of what is the same for all parts.
  mlir::Value takePart(mlir::Value tile);

  /// An operand of the recurrence: its slice for this token, for this head's group, and for this part.
  mlir::Value loadOver(mlir::Value value, bool inParts);

  /// One value of this shape, or one of each token as a row: tokens lie `stride` elements apart.
  mlir::Value loadRows(mlir::Value buffer, mlir::Value offset, llvm::ArrayRef<int64_t> shape, mlir::Type element,
                       int64_t stride);

  void storeRows(mlir::Value tile, mlir::Value buffer, mlir::Value offset, int64_t stride);

  // ---- values around the recurrence: the head's part of a token's features

  /// The head's features; none if the value has one feature per head and says so ([B, T, H]).
  llvm::SmallVector<int64_t> shapeOf(mlir::Value value);

  mlir::Type typeOf(mlir::Value value);

  /// The axis of a head's features in a tile.
  int64_t featureAxis() { return batch ? 1 : 0; }

  mlir::Value tokenOffset(mlir::Value value);
  mlir::Value resultOffset(mlir::Value value);

  mlir::FailureOr<mlir::Value> emit(mlir::Value value);

  /// A weight as the head's part of it, or the same for all heads if it is as long as one head.
  mlir::FailureOr<mlir::Value> loadWeight(mlir::Operation *op, mlir::FlatSymbolRefAttr name, mlir::Type type);

  mlir::FailureOr<mlir::Value> emitOp(mlir::Value value);

  int64_t batch = 0;
  mlir::Value token;
  llvm::DenseMap<mlir::Value, mlir::Value> tiles; // what values of the group are for the tokens at hand
};

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_HEADS_H
