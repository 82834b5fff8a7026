// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans for data that moves between registers, lanes and warps: reductions and conversions.
//
// A plan is a layout's answer to "who needs what from whom". All of it is xor: lane masks are those of a butterfly
// shuffle, and a plan is the same for every register, lane and warp.
#ifndef RWKV_LOWERING_LAYOUT_MOVEMENT_H
#define RWKV_LOWERING_LAYOUT_MOVEMENT_H

#include "lowering/Layout/Layout.h"

namespace rwkv {

/// One step of a reduction: every holder (reg, lane, warp) combines its value with that of the holder whose index is
/// the xor with these masks.
struct ReductionStep {
  uint32_t reg, lane, warp;
  friend bool operator==(const ReductionStep &a, const ReductionStep &b) {
    return a.reg == b.reg && a.lane == b.lane && a.warp == b.warp;
  }
};

/// How to reduce along an axis: first inside lanes, then between lanes, then between warps; as few steps between warps,
/// and then between lanes, as there can be. Copies are combined once only. After the steps, in this order, every holder
/// of `result` (the slice of the layout) has the whole: register r of the result is the register of the layout whose
/// bits in `kept` are r's bits, the others zero. Steps after the first list leave the bits outside `kept` alone.
struct Reduction {
  llvm::SmallVector<ReductionStep> inLane;   // lane == 0, warp == 0
  llvm::SmallVector<ReductionStep> shuffles; // warp == 0: lane is the mask of a shuffle
  llvm::SmallVector<ReductionStep> throughShared;
  uint32_t kept;
  Layout result;
};

/// `axis` is row or column: of a distributed layout, the reduction whose result has size one along that axis.
Reduction planReduction(const Layout &layout, Axis axis);

enum class Movement {
  none,      // every register stays what it is
  registers, // registers are renamed (or dropped, or used twice): free
  shuffles,  // between the lanes of a warp
  shared,    // through shared memory: between warps, or, with copies, if one lane has to send too much
};

/// How values in one layout become values in another of the same tile.
struct Conversion {
  Movement movement;
  /// (reg, lane, warp) of the new layout -> a place of the old one that holds the same element: on the same lane and
  /// warp for `registers`, on the same warp for `shuffles`.
  Layout source;

  // Shuffles, one round for each register i of the new layout. A round in which every lane reads from itself (see
  // isLocal) needs no shuffle, at most a select.
  //
  /// (i, lane, warp) -> the register of the new layout that this lane receives, and the lane that it receives from.
  std::optional<Layout> receive;
  /// (i, lane, warp) -> the register of the old layout that this lane sends.
  std::optional<Layout> send;

  /// Whether in round i every lane reads what it has itself.
  bool isLocal(uint32_t round) const;
  /// Rounds that need a shuffle.
  unsigned countShuffles() const;
};

/// Nothing if the tiles, lanes or warps differ in number or `to` has elements that `from` has not.
std::optional<Conversion> planConversion(const Layout &from, const Layout &to);

/// Whether a conversion moves nothing between lanes: an accumulator that is the next product's operand.
bool isFree(const Layout &from, const Layout &to);

/// A permutation of the coordinates along `axis`, linear, after which `from` converts to `to` for free. If the axis is
/// the contraction of a product, the other operand is permuted in the same way and the product does not change. Bits
/// are paired in order: bits of a lane or a warp with the same bits, registers along `axis` one after another.
std::optional<Layout> findPermutation(const Layout &from, const Layout &to, Axis axis);

} // namespace rwkv

#endif // RWKV_LOWERING_LAYOUT_MOVEMENT_H
