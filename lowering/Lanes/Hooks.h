// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What lane programs ask of a target: the instructions that no dialect has.
#ifndef RWKV_LOWERING_LANES_HOOKS_H
#define RWKV_LOWERING_LANES_HOOKS_H

#include "dialect/Tile/TileDialect.h"
#include "lowering/Layout/MatrixInstruction.h"

#include <optional>

namespace rwkv::lanes {

/// Registers that lanes of a task may give to other lanes of it.
struct RegisterPool {
  int64_t warps; // in a row, from a multiple of them on, that give and take together
  int64_t piece; // what a lane has is a multiple of this
};

/// A task is run by lanes; lanes of a warp run in step, all lanes of a task share fast memory.
class Shape {
public:
  virtual ~Shape() = default;
  /// Lanes of a warp, a power of two.
  virtual int64_t getWarp() const = 0;
  /// Registers of 32 bits of a multiprocessor, which all lanes that run on it at once share, and of a lane at most.
  virtual int64_t getRegisters() const = 0;
  virtual int64_t getMostRegisters() const = 0;
  /// Whether warps of a task may have different numbers of registers, and what these are made of.
  virtual std::optional<RegisterPool> getRegisterPool() const { return std::nullopt; }
  /// The matrix instruction of a warp for products whose operands may be rounded like this; null: there is none.
  virtual const MatrixInstruction *findProduct(tile::Precision precision) const = 0;
  /// One that rounds no more, if operands are multiplied by powers of two that bring them into the range of f16, which
  /// has as many significant bits as some other types, in half the memory; null: there is none. Operands are pairs.
  virtual const MatrixInstruction *findPairProduct(tile::Precision) const { return nullptr; }
  /// One that differs from this one in that it has half the depth; null: there is none.
  virtual const MatrixInstruction *findHalf(const MatrixInstruction &) const { return nullptr; }
  /// Whether lanes of a warp store rows of such operands together.
  virtual bool storesBlocks() const { return false; }
  /// A number (f32) as operands of matrix instructions must be, still as an f32. `isLast`: nothing else needs the
  /// number.
  virtual mlir::Value emitRounded(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, bool isLast) const = 0;
};

class Hooks : public Shape {
public:
  /// The address space of the memory that lanes of a task share, and of memory that all tasks see.
  virtual unsigned getSharedSpace() const = 0;
  virtual unsigned getGlobalSpace() const = 0;
  /// The address space of memory of a lane's own, which becomes registers.
  virtual unsigned getOwnSpace() const { return 0; }

  /// i32: the number of this lane in its task, and of this task in its grid.
  virtual mlir::Value emitLane(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  virtual mlir::Value emitTask(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// All lanes of the task wait for each other; what they wrote is then seen by all.
  virtual void emitBarrier(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// The lanes of a warp wait for each other.
  virtual void emitWarpBarrier(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// Of a meeting, 8 bytes of the memory that lanes of a task share, to which `count` warps come once per round. One
  /// lane begins it, before a barrier of all, and ends it after one, whenever rounds are over.
  virtual void emitMeeting(mlir::OpBuilder &b, mlir::Location loc, mlir::Value place, int64_t count) const = 0;
  virtual void emitMeetingEnd(mlir::OpBuilder &, mlir::Location, mlir::Value /*place*/) const {}
  /// A warp comes: all of its lanes do this, and none waits.
  virtual void emitArrival(mlir::OpBuilder &b, mlir::Location loc, mlir::Value place) const = 0;
  /// Waits until all have come for round `round` (i32, from 0 on); what they did before is then seen. The next round
  /// must not be over before.
  virtual void emitAwait(mlir::OpBuilder &b, mlir::Location loc, mlir::Value place, mlir::Value round,
                         int64_t count) const = 0;
  /// The value (f32 or i32) of the lane of this warp whose number differs by the bits of `mask`.
  virtual mlir::Value emitShuffle(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, int64_t mask) const = 0;

  /// 2 to the power of a number (f32), within a few units of the last place; subnormal results may be zero.
  virtual mlir::Value emitExp2(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value) const = 0;
  /// The number (i32), which all lanes of this warp have, so that the machine knows that: it computes with it once for
  /// the warp, in registers of its own.
  virtual mlir::Value emitUniform(mlir::OpBuilder &, mlir::Location, mlir::Value number) const { return number; }
  /// The number (i32), as code from which nothing is computed ahead: what is seldom done keeps no registers then.
  virtual mlir::Value emitHidden(mlir::OpBuilder &, mlir::Location, mlir::Value number) const { return number; }
  /// From here on a lane has `count` registers; `more`: it had fewer, and waits until they have been given.
  virtual void emitRegisters(mlir::OpBuilder &, mlir::Location, int64_t /*count*/, bool /*more*/) const {}
  /// Whether a conversion from f32 to bf16 is an instruction of the machine.
  virtual bool roundsToBF16() const = 0;
  /// The larger or the smaller of the numbers of two pairs of bf16 (i32), one by one, where NaN counts as the other
  /// one; null: the machine has no instruction for that.
  virtual mlir::Value emitExtremes(mlir::OpBuilder &, mlir::Location, mlir::Value /*x*/, mlir::Value /*y*/,
                                   bool /*largest*/) const {
    return {};
  }
  /// One matrix instruction: c + x y, in the registers of this lane, all f32; x and y are rounded. Of an instruction of
  /// findPairProduct, x and y are pairs.
  virtual llvm::SmallVector<mlir::Value> emitProduct(mlir::OpBuilder &b, mlir::Location loc,
                                                     const MatrixInstruction &instruction, mlir::ValueRange x,
                                                     mlir::ValueRange y, mlir::ValueRange c) const = 0;

  // Of machines that have an instruction of findPairProduct. A pair (i32) is two f16, the first of them below.

  /// Two numbers (f32) to nearest; what is too large becomes infinite.
  virtual mlir::Value emitPair(mlir::OpBuilder &, mlir::Location, mlir::Value /*low*/, mlir::Value /*high*/) const {
    return {};
  }
  /// The larger of the sizes of the elements of two pairs, one by one; NaN is larger than all.
  virtual mlir::Value emitLargerSizes(mlir::OpBuilder &, mlir::Location, mlir::Value /*x*/, mlir::Value /*y*/) const {
    return {};
  }
  /// 1, 2 or 4 blocks of 8 x 8 elements of 16 bits from memory that lanes share, a register each. Lane i gives the
  /// address of row i % 8 of block i / 8, 16 bytes at a multiple of 16; it is given elements 2 (i % 4) and the next one
  /// of row i / 4. `turned`: of column i / 4.
  virtual llvm::SmallVector<mlir::Value> emitBlocks(mlir::OpBuilder &, mlir::Location, mlir::Value /*row*/,
                                                    int64_t /*count*/, bool /*turned*/) const {
    return {};
  }
  /// The same the other way around, where storesBlocks(): 1, 2 or 4 words, which are stored.
  virtual void emitBlockStore(mlir::OpBuilder &, mlir::Location, mlir::Value /*row*/,
                              mlir::ValueRange /*words*/) const {}
  /// Of the values (i32) of all lanes of the warp: the largest, without signs, and the bits that any of them has.
  virtual mlir::Value emitLargest(mlir::OpBuilder &, mlir::Location, mlir::Value /*value*/) const { return {}; }
  virtual mlir::Value emitUnion(mlir::OpBuilder &, mlir::Location, mlir::Value /*value*/) const { return {}; }
};

/// A value as it is stored, by the machine's own conversion if it has one.
mlir::Value convertStored(mlir::OpBuilder &b, mlir::Location loc, const Hooks &hooks, mlir::Value value,
                          mlir::Type element);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_HOOKS_H
