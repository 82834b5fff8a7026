// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Long sequences of few heads, cut into segments of chunks that run beside each other. C tokens make of the states S,
// stacked as rows of keys, M S + N whatever S holds, and so does a segment. One kernel finds M and N of every segment
// but the last, a second one the states where segments start, a third one runs the segments. How many there are follows
// from the sizes of a call; where it is one, only the third kernel has tasks, and it is what it would be without.
#ifndef RWKV_PASSES_EXPAND_SEGMENTS_H
#define RWKV_PASSES_EXPAND_SEGMENTS_H

#include "passes/Expand/TileEmitter.h"

namespace rwkv {

class Segments {
public:
  /// None if the schedule of the group's recurrence does not ask for them.
  static std::optional<Segments> find(FusedOp fused);

  /// For every segment but the last of its sequence, in order: states, and what states are multiplied by.
  mlir::RankedTensorType getStatesType() const;
  mlir::RankedTensorType getTransitionsType() const;

  /// How many a sequence has: at least one.
  mlir::Value count(TileEmitter &e, Sizes size) const;
  /// Heads of sequences.
  mlir::Value countHeads(TileEmitter &e, Sizes size) const;

  /// The row of keys at which each state starts.
  llvm::SmallVector<int64_t> getFirstRows() const;
  llvm::SmallVector<int64_t> stateRows; // of each state
  int64_t rows = 0, columns = 0;        // of all states
  mlir::Type element;
  int64_t heads = 0;

private:
  mlir::Value countSequences(Sizes size) const { return size(isPacked ? tile::Size::S : tile::Size::B); }

  bool isPacked = false;
  int64_t fill = 0, chunk = 1;
};

/// What segments do to the states: results are states, transitions.
std::unique_ptr<KernelEmitter> createEffectsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                    const Segments &segments, mlir::ValueRange inputs);
/// The states where segments start but the first, from what the segments before do.
std::unique_ptr<KernelEmitter> createStartsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                   const Segments &segments, mlir::ValueRange inputs);
/// The group, segment by segment, from where they start.
std::unique_ptr<KernelEmitter> createSegmentsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder,
                                                     const Segments &segments, mlir::ValueRange inputs);

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_SEGMENTS_H
