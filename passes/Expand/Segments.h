// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Long sequences of few heads, cut into segments of chunks that run beside each other. C tokens make of the states S,
// stacked as rows of keys, M S + N whatever S holds, and so does a segment. One kernel finds M and N of every segment
// but the first and the last, while the one that runs segments runs the first, as it is known where that starts. A
// third one finds where the others start, and then these run. How many there are follows from the sizes of a call;
// where it is one, nothing else has tasks, and it runs as it would without.
#ifndef RWKV_PASSES_EXPAND_SEGMENTS_H
#define RWKV_PASSES_EXPAND_SEGMENTS_H

#include "passes/Expand/TileEmitter.h"

namespace rwkv {

class Segments {
public:
  /// None if the schedule of the group's recurrence does not ask for them.
  static std::optional<Segments> find(FusedOp fused);

  /// In order, of all segments of sequences but the last: states in which they end, and what states are multiplied by.
  mlir::RankedTensorType getStatesType() const;
  mlir::RankedTensorType getTransitionsType() const;

  /// How many a sequence has: at least one.
  mlir::Value count(TileEmitter &e, Sizes size) const;
  /// From which chunk of so many on segment `number` of `last + 1` runs.
  mlir::Value findStart(TileEmitter &e, mlir::Value number, mlir::Value last, mlir::Value chunks) const;
  /// How many of them are neither the first nor the last.
  mlir::Value countInner(TileEmitter &e, Sizes size) const;
  /// Heads of sequences.
  mlir::Value countHeads(TileEmitter &e, Sizes size) const;

  /// The row of keys at which each state starts.
  llvm::SmallVector<int64_t> getFirstRows() const;
  llvm::SmallVector<int64_t> stateRows; // of each state
  int64_t rows = 0, columns = 0;        // of all states
  mlir::Type element;
  int64_t heads = 0;
  tile::Precision precision = tile::Precision::f32; // of products with them
  int64_t eighths = 8;                              // of the length of other segments: that of the first one

private:
  mlir::Value countSequences(Sizes size) const { return size(isPacked ? tile::Size::S : tile::Size::B); }

  bool isPacked = false;
  int64_t fill = 0, chunk = 1;
};

/// What segments but the first do to the states: results are states, transitions.
std::unique_ptr<KernelEmitter> createEffectsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                    const Segments &segments, mlir::ValueRange inputs);
/// The states where segments start, from the one where the first ends, and what the others do.
std::unique_ptr<KernelEmitter> createStartsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                   const Segments &segments, mlir::ValueRange inputs);
/// The group, segment by segment, one kernel: the first, which says behind the group's results where it ends, and the
/// others, which find there where they start.
std::unique_ptr<KernelEmitter> createFirstEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                  const Segments &segments, mlir::ValueRange inputs);
std::unique_ptr<KernelEmitter> createOthersEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                   const Segments &segments, mlir::ValueRange inputs);

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_SEGMENTS_H
