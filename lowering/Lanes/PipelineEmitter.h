// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The code of a pipeline: what its phases have in common (Pipeline.cpp), that of those who prepare (Prepare.cpp, and
// Ahead.cpp for what they carry), and that of those who apply (Apply.cpp).
#ifndef RWKV_LOWERING_LANES_PIPELINEEMITTER_H
#define RWKV_LOWERING_LANES_PIPELINEEMITTER_H

#include "lowering/Lanes/Pipeline.h"
#include "lowering/Lanes/Ring.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace rwkv::lanes {

class PipelineEmitter {
public:
  PipelineEmitter(Emitter &e, const Pipeline &plan, llvm::ArrayRef<programs::Memory> places, mlir::Value count,
                  LoopSurroundings &surroundings)
      : e(e), b(e.b), loc(e.loc), plan(plan), pipeline(plan.op), places(places.take_front(pipeline.getInit().size())),
        placesAhead(places.drop_front(pipeline.getInit().size())), count(count), surroundings(surroundings) {}
  void run();

private:
  /// All lanes of the task, before and after chunks: those who prepare, and those who wait for them.
  void begin();
  void end();
  void awaitBegin();
  void awaitEnd() { awaitBegin(); }
  /// States that all who apply have, before one of them writes what becomes of them.
  void readAlike();
  /// What `body` emits has so many registers more than the rest.
  void withRegisters(int64_t more, llvm::function_ref<void()> body);
  bool isOutside(mlir::Value value);
  /// Tiles from outside that other lanes wrote, or that lie in a buffer.
  warps::Place outsideMemory(mlir::Value tile);
  warps::WarpTiles::Outside makeOutside(mlir::Value column);
  /// Of a tile as a warp has it.
  warps::Extent shapeOf(mlir::Value tile) { return plan.getAppliedExtent(tile); }
  warps::Place buffer(mlir::Value buffer, mlir::Value offset, std::optional<int64_t> stride, mlir::Value tile);
  /// The columns of this warp.
  warps::Place shifted(warps::Place place, mlir::Value tile, mlir::Value column);
  /// Memory of this warp, as large as the largest tile that is exchanged.
  warps::Place getExchange(mlir::Value tile);
  mlir::Value wide(mlir::Value index) { return mlir::arith::IndexCastOp::create(b, loc, b.getI64Type(), index); }
  mlir::Value toIndex(mlir::Value word) { return mlir::arith::IndexCastUIOp::create(b, loc, b.getIndexType(), word); }
  mlir::Value word(int64_t value) { return mlir::arith::ConstantIntOp::create(b, loc, b.getI32Type(), value); }
  mlir::Value narrow(mlir::Value index) { return mlir::arith::IndexCastOp::create(b, loc, b.getI32Type(), index); }
  /// Emits for a chunk what is so rare that nothing of it is worth registers otherwise.
  void seldom(mlir::Value chunk, llvm::function_ref<void(mlir::OpBuilder &, mlir::Value slot)> body);
  /// Of a warp that applies from a column on; of one that prepares, if that is null.
  warps::WarpTiles makeTiles(mlir::OpBuilder &entry, mlir::Value column, bool scaled = false);
  static llvm::SmallVector<mlir::Value> takeFront(mlir::ValueRange &values, size_t count);

  // ---- preparing

  void prepare();
  /// Loads of what is prepared, as they are read; then rows of what is passed on as it is.
  llvm::SmallVector<mlir::Value> readAhead(mlir::OpBuilder &entry, mlir::Value chunk);
  // What is carried ahead: taken from the one who prepares the chunk before, and handed on to the next. For that each
  // who prepares has memory, with a meeting in front.
  void beginAhead();
  void endAhead();
  void takeAhead(mlir::Value chunk);
  void bindAhead(warps::WarpTiles &tiles);
  void handOn(warps::WarpTiles &tiles);
  void handFirst();
  mlir::Value meetingOf(mlir::Value preparer);
  llvm::SmallVector<warps::Place> getHanded(mlir::Value preparer);
  llvm::SmallVector<warps::Place> getPlacesAhead();
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> loadAhead(llvm::ArrayRef<warps::Place> from);
  void storeAhead(llvm::ArrayRef<llvm::SmallVector<mlir::Value>> states, llvm::ArrayRef<warps::Place> to);
  void forEachLoad(llvm::function_ref<void(tile::LoadOp)> body);
  warps::Place bufferOf(tile::LoadOp load);
  warps::Place partOf(mlir::Value slot, tile::LoadOp load) {
    return slots->partAt(slot, plan.loads.find(load)->second);
  }
  void prepareChunk(mlir::OpBuilder &entry, mlir::Value chunk, mlir::Value slot, mlir::ValueRange words);
  /// Ops that one after the other are run, of the loop or of one side of a branch; flags the first time only.
  void prepareOps(warps::WarpTiles &tiles, mlir::Value chunk, mlir::Value slot, llvm::ArrayRef<mlir::Operation *> ops,
                  bool isFirst);
  /// To where a tile lies in a slot, if it does.
  void writePart(warps::WarpTiles &tiles, mlir::Value slot, mlir::Value tile, mlir::Value as);
  /// As pairs, for those who apply: those who prepare do not read them.
  void writePairs(warps::WarpTiles &tiles, mlir::Value slot, mlir::Value tile);
  /// Operands that share memory are there until the last product has read them: then all that do are made.
  void multiplyBeforeLost(warps::WarpTiles &tiles, mlir::Operation *op, llvm::ArrayRef<mlir::Operation *> products);
  /// All lanes of a warp go the same way. What both sides make lies in the slot behind it. A side that is seldom taken
  /// begins with what lies in memory, so that nothing is kept for it.
  void prepareBranch(warps::WarpTiles &tiles, mlir::Value chunk, mlir::Value slot, mlir::scf::IfOp branch);
  void bindResults(warps::WarpTiles &tiles, mlir::Value slot, mlir::scf::IfOp branch);
  void prepareSide(warps::WarpTiles &tiles, mlir::Value chunk, mlir::Value slot, mlir::Region &side,
                   mlir::scf::IfOp branch);
  /// Whether a warp fills one slot, always the same.
  bool hasOwnSlots() const { return plan.slots == plan.preparers; }
  mlir::Value slotOf(mlir::Value chunk) { return hasOwnSlots() ? slots->slotAt(number) : slots->slotOf(chunk); }
  /// Once the chunk has been applied: its results go to their buffers, and its slot is free.
  void finishChunk(mlir::OpBuilder &entry, mlir::Value chunk);
  /// The chunk (i32) that was in the slot where another one goes, unless that is the first one there.
  void finishIfAny(mlir::OpBuilder &entry, mlir::Value next);
  /// What is in the slots when all chunks have been prepared.
  void finishLast(mlir::OpBuilder &entry);

  // ---- applying

  void apply();
  /// What is carried after all chunks, which are in range or do not have to be.
  llvm::SmallVector<mlir::Value> applyAll(mlir::OpBuilder &entry, mlir::ValueRange init);
  llvm::SmallVector<mlir::Value> applyInRange(mlir::OpBuilder &entry, mlir::ValueRange init);
  mlir::Value findRead(mlir::Value carried);
  void bindPassed(warps::WarpTiles &tiles, mlir::Value slot);
  void holdCarried(warps::WarpTiles &tiles, mlir::ValueRange values);
  using Results = llvm::SmallVector<std::pair<warps::Placement, llvm::SmallVector<mlir::Value>>>; // of stores
  Results getResults(warps::WarpTiles &tiles);
  llvm::SmallVector<mlir::Value> getNext(warps::WarpTiles &tiles, mlir::Value factor = {});
  mlir::Value arePreparedInRange(mlir::Value slot);
  void finishApplied(warps::WarpTiles &tiles, mlir::Value slot, const Results &results);
  // What is carried and may be multiplied, as operands that are pairs: by a power of two for each chunk, which keeps
  // it in their range. Beside it goes the exponent of all of these, and whether it is nothing but zeros (i32).
  void findMultiplied();
  void findUniform();
  bool hasUnit() const { return !operandsOfIt.empty(); }
  mlir::Value getFactor(warps::WarpTiles &tiles, mlir::Value &exponent);
  void multiplyAhead(warps::WarpTiles &tiles, mlir::Value factor);
  llvm::SmallVector<mlir::Value> multiply(warps::WarpTiles &tiles, mlir::Value next, const warps::Placement &placement,
                                          mlir::Value factor);
  llvm::SmallVector<mlir::Value> multiplyProduct(warps::WarpTiles &tiles, mlir::arith::MulFOp product,
                                                 const warps::Placement &placement, mlir::Value factor);
  mlir::Value areZero(llvm::ArrayRef<mlir::Value> values);
  void divide(llvm::MutableArrayRef<mlir::Value> values, mlir::Value exponent);

  Emitter &e;
  mlir::OpBuilder &b;
  mlir::Location loc;
  const Pipeline &plan;
  tile::PipelineOp pipeline;
  llvm::ArrayRef<programs::Memory> places, placesAhead; // of what is carried
  mlir::Value count;
  LoopSurroundings &surroundings;
  mlir::Value number, lane;                       // of the warp in the task, of the lane in the warp
  mlir::Value column;                             // the first of a warp that applies
  llvm::SmallVector<warps::Placement> placements; // of what is carried
  std::optional<Ring> slots;
  mlir::Value ring, exchange, exchangeStart; // memory
  mlir::arith::ConstantIndexOp exchangeSize;
  int64_t exchangeBytes = 0;
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> statesAhead; // as this chunk has them
  llvm::DenseMap<mlir::Value, warps::Place> outside;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> alike; // initial values
  llvm::SmallPtrSet<mlir::Operation *, 8> ahead;             // loads that are read while the chunk before is waited for
  llvm::DenseSet<mlir::Value> multiplied;                    // what is multiplied alike; of that
  llvm::SmallVector<mlir::Value> operandsOfIt, lastOperands; // operands of products; those that are added last
  llvm::MapVector<mlir::Value, mlir::arith::MulFOp> decayed; // by arguments: what these are added to, and of that
  mlir::Value uniform;                                       // the number that all are multiplied by
};

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_PIPELINEEMITTER_H
