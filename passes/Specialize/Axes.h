// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which axes of a function's values have the same size, and what that size is.
#ifndef RWKV_PASSES_SPECIALIZE_AXES_H
#define RWKV_PASSES_SPECIALIZE_AXES_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "llvm/ADT/StringMap.h"

namespace rwkv {

/// Solves the sizes of all axes in one function by unification: every op says which axes are one, names and static
/// types say what some of them are. Axes of batch, time and packed sequences stay open.
class AxisSolver {
public:
  /// `sizes` gives the named sizes that are known (from a checkpoint).
  AxisSolver(mlir::func::FuncOp function, const llvm::StringMap<int64_t> &sizes) : function(function), sizes(sizes) {}

  /// Collects the constraints of all ops; errors are located at the op where two sizes collide.
  llvm::LogicalResult collect();
  /// For a declaration: replaces the names in the function's type.
  llvm::LogicalResult solveSignature();
  /// Gives axis `axis` of an argument a size, unless it is open. To be called after collect(), in the order of the
  /// arguments; errors are located at the argument and name the one before that disagrees.
  llvm::LogicalResult bindArgument(unsigned argument, unsigned axis, int64_t size);
  /// Replaces the types of all values, without axis names; an axis without a size is an error.
  llvm::LogicalResult rewriteTypes();

private:
  static constexpr int64_t kUnknown = -1;
  /// Of one token; more is a mistake, and its bytes might not fit 64 bits.
  static constexpr int64_t kMostElements = int64_t(1) << 40;
  /// Kernels spell out a row of a tile, so more than that would take minutes to compile.
  static constexpr int64_t kLongestRegionAxis = 65536;
  struct Axis {
    unsigned parent;
    int64_t size = kUnknown;
    bool open = false;
  };

  unsigned create();
  unsigned find(unsigned id);
  llvm::LogicalResult unify(mlir::Operation *at, unsigned a, unsigned b);
  llvm::LogicalResult bind(mlir::Operation *at, unsigned id, int64_t size);
  void open(unsigned id) { axes[find(id)].open = true; }
  llvm::LogicalResult openAxis(mlir::Operation *at, mlir::Value value, unsigned axis);
  /// Opens batch, time and the axis of cu_seqlens.
  llvm::LogicalResult openTokens(mlir::Operation *at, mlir::Value tokens, mlir::Value reset);
  unsigned named(llvm::StringRef name);

  /// Ids of a value's axes, created at first sight from its type.
  llvm::FailureOr<llvm::ArrayRef<unsigned>> of(mlir::Operation *at, mlir::Value value);
  /// Unifies axes of `a` from `fromA` with axes of `b` from `fromB`, `count` of them (all that are left if negative).
  llvm::LogicalResult same(mlir::Operation *at, mlir::Value a, mlir::Value b, unsigned fromA = 0, unsigned fromB = 0,
                           int64_t count = -1);
  llvm::LogicalResult collectOp(mlir::Operation *op);
  llvm::LogicalResult collectRecurrence(RecurrenceOp op);
  llvm::LogicalResult collectLayers(LayersOp op);
  llvm::LogicalResult collectWeightUse(mlir::Operation *op);
  llvm::LogicalResult bindWeightAxis(mlir::Operation *op, mlir::FlatSymbolRefAttr weight, unsigned weightAxis,
                                     mlir::Value value, unsigned axis);
  mlir::FailureOr<mlir::Type> solvedType(mlir::Operation *at, mlir::Value value);

  mlir::func::FuncOp function;
  const llvm::StringMap<int64_t> &sizes;
  std::vector<Axis> axes;
  llvm::StringMap<unsigned> names;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<unsigned>> values;
};

} // namespace rwkv

#endif // RWKV_PASSES_SPECIALIZE_AXES_H
