// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels as programs of lanes: tiles lie in memory that the lanes of a task share, points of a nest are dealt out
// to lanes.
#ifndef RWKV_LOWERING_LANES_LANES_H
#define RWKV_LOWERING_LANES_LANES_H

#include "lowering/Lanes/Hooks.h"
#include "lowering/TilePrograms/Kernel.h"

#include <functional>

namespace rwkv::lanes {

using programs::Context;
using programs::Memory;
using programs::Nest;
using programs::Plan;

/// Numbers of the machine.
struct Machine {
  int64_t lanes;       // at most, per task
  int64_t sharedBytes; // per task
  const Hooks *hooks;

  /// Bytes of a multiprocessor's memory that every task takes beside its own.
  static constexpr int64_t kReserved = 1024;
  /// How many tasks with so much shared memory each run at once on a multiprocessor; how much each of so many may have.
  int64_t countTasks(int64_t bytes) const { return (sharedBytes + kReserved) / (bytes + kReserved); }
  int64_t shareMemory(int64_t tasks) const { return (sharedBytes + kReserved) / tasks - kReserved; }
};

/// Makes the first loop over chunks of a kernel that can be one a pipeline of warps. Remarks say which, and what is in
/// the way of others.
bool formPipeline(tile::KernelOp kernel, const Machine &machine);

/// The function of a kernel: `void k(buffers.., i64 B, T, S, l, scratch, status, i64 first task)`. Its attributes
/// tile.lanes, tile.shared and tile.scratch say how many lanes run it, and how many bytes of shared and of other memory
/// a task needs. `arena` is the symbol of the shared memory. Fails, and says so, if the machine cannot run its
/// pipeline.
mlir::FailureOr<mlir::func::FuncOp> lowerKernel(tile::KernelOp kernel, const Machine &machine, llvm::StringRef arena);

/// How code of one task is written: builder, lanes, memory.
class Emitter {
public:
  Emitter(mlir::OpBuilder &b, mlir::Location loc, const Hooks &hooks, int64_t lanes)
      : b(b), loc(loc), hooks(hooks), lanes(lanes) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Hooks &hooks;
  int64_t lanes;    // of the task, a power of two
  mlir::Value lane; // index
  /// The first warp that has nothing to do yet: products that need a few warps only run beside each other.
  int64_t nextWarp = 0;
  /// Products that are made together with the one that adds to them.
  llvm::SmallPtrSet<mlir::Operation *, 8> joined;

  mlir::Value index(int64_t value) { return programs::constantIndex(b, loc, value); }
  mlir::Value add(mlir::Value x, mlir::Value y) { return mlir::arith::AddIOp::create(b, loc, x, y); }
  mlir::Value mul(mlir::Value x, int64_t y);
  /// The remainder and the quotient of the lane's number by a power of two.
  mlir::Value laneModulo(int64_t size);
  mlir::Value laneDivided(int64_t size);
  /// The same number (index), as code from which nothing is computed ahead.
  mlir::Value hidden(mlir::Value index);
  /// All lanes wait for each other.
  void barrier();
  std::vector<mlir::Operation *> barriers; // so far

  /// By the machine's own conversion if it has one.
  void store(const Memory &memory, mlir::Value row, mlir::Value column, mlir::Value value);

  using Body = llvm::function_ref<void(mlir::Value)>;
  using CarryBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  /// i = first, first + step, .. below size, where first < step; no loop if there is one such i.
  void forEach(mlir::Value first, int64_t step, int64_t size, Body body);
  /// The same with values that are carried from one i to the next.
  llvm::SmallVector<mlir::Value> carry(mlir::Value first, int64_t step, int64_t size, mlir::ValueRange init,
                                       CarryBody body);
  void ifTrue(mlir::Value condition, llvm::function_ref<void()> body);
  /// Only the first lane of the task.
  void ifFirst(llvm::function_ref<void()> body);

  /// How points are dealt out: lanes side by side along the columns, then along the rows.
  struct Deal {
    int64_t columns, rows; // lanes along each axis, powers of two
    mlir::Value column, row;
  };
  Deal deal(int64_t rows, int64_t columns, int64_t most);
  /// The row of the i-th point of a lane that keeps them: rows that follow one another, so that what belongs to them
  /// is read several elements at a time, unless the lanes of a row read less of it than is brought from memory at once.
  mlir::Value ownRow(const Deal &dealt, int64_t rows, int64_t i);
  /// Every point (row, column) once, on some lane.
  void forEachPoint(int64_t rows, int64_t columns, llvm::function_ref<void(mlir::Value, mlir::Value)> body);

  /// What is read at some points, to be written when it has arrived.
  using Load = llvm::function_ref<mlir::Value(mlir::Value row, mlir::Value column)>;
  using Store = std::function<void()>;
  /// Reads every point once; `store` is given what was read. Stores that can wait for other loads are left in `later`.
  void copyPoints(int64_t rows, int64_t columns, Load load,
                  std::function<void(mlir::Value row, mlir::Value column, mlir::Value value)> store,
                  llvm::SmallVectorImpl<Store> &later);
  /// The largest number of iterations of `count` to write side by side, so that one does not wait for the other.
  static constexpr int64_t kSideBySide = 8;
  static int64_t getUnroll(int64_t count, int64_t most = kSideBySide);
};

/// Whether a tile that a loop carries can be in registers of the lanes: whatever accesses it does so point by point, or
/// sums over its rows, and every lane is dealt the same number of points, few enough.
bool canBeOfLanes(mlir::scf::ForOp loop, unsigned carried, int64_t lanes);
/// Whether every lane can keep its element of a vector, that of the column which is dealt to it: a load, sums over
/// rows, or what is computed point by point, that nobody reads at other points.
bool isVectorOfLanes(mlir::Value tile, int64_t lanes);
/// Whether a maximum of a vector is compared with bounds that it violates if an element does, and nothing else.
bool isOnlyFlagged(tile::ReduceOp maximum);
/// Whether nothing in a kernel needs what another lane has: all of its tiles are vectors of one length, computed point
/// by point.
bool isPointwise(tile::KernelOp kernel);

/// Emits the loops of a nest. `allocate` gives shared memory for some numbers, `ready` is called when scalars and
/// addresses have been computed, before anything is written.
void emitNest(Emitter &e, const Plan &plan, const Nest &nest, unsigned index, Context &context,
              llvm::function_ref<Memory(int64_t, mlir::Type)> allocate, llvm::function_ref<void()> ready);
void emitProgram(Emitter &e, mlir::Operation *op, Context &context, const Memory &target);
void emitDot(Emitter &e, tile::DotOp dot, Context &context, const Memory &target);
/// Whether a product is made of fragments of matrix instructions.
bool usesFragments(const Hooks &hooks, tile::DotOp dot);
void emitCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, mlir::Type compute);
/// The same, but stores may be left for later.
void emitCopy(Emitter &e, const Memory &from, const Memory &to, int64_t rows, int64_t columns, mlir::Type compute,
              llvm::SmallVectorImpl<Emitter::Store> &later);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_LANES_H
