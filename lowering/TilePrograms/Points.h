// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the values of a nest are at a point, or at a few points side by side as a vector. How points are visited is up
// to the machine.
#ifndef RWKV_LOWERING_TILEPROGRAMS_POINTS_H
#define RWKV_LOWERING_TILEPROGRAMS_POINTS_H

#include "lowering/TilePrograms/Kernel.h"

namespace rwkv::programs {

// Axes of a nest: rows, columns. A nest over vectors has columns only.
constexpr unsigned kRowBit = 1, kColumnBit = 2;

class NestPoints {
protected:
  NestPoints(mlir::OpBuilder &builder, mlir::Location loc, const Plan &plan, const Nest &nest, unsigned nestIndex,
             Context &context)
      : b(builder), loc(loc), plan(plan), nest(nest), nestIndex(nestIndex), context(context),
        rows(nest.domain.size() == 2 ? nest.domain[0] : 1), columns(nest.domain.back()),
        hasRows(nest.domain.size() == 2) {}

  struct Point {
    mlir::Value row, column;
    int64_t width = 0;    // columns from `column` on, as a vector; 0: one, as a scalar
    mlir::Value own = {}; // its number among the points of this lane, where memory of lanes is accessed
  };

  static bool isScalarReduction(const Root &root) {
    return root.kind == Root::Kind::reduce && !isTile(mlir::cast<tile::ReduceOp>(root.op).getResult());
  }
  /// A tile that is read from memory in this nest.
  bool isMemory(mlir::Value tile);
  /// Whether any matrix of what has been prepared is, and in memory of lanes.
  bool readsOwn() {
    return llvm::any_of(memories, [](auto &entry) { return entry.second.ofLane && getRank(entry.first) == 2; });
  }
  /// Whether any of it lies at this address.
  bool readsFrom(mlir::Value pointer) {
    return llvm::any_of(memories, [&](auto &entry) { return entry.second.pointer == pointer; });
  }
  /// Makes scalars and addresses available in front of the loops.
  void prepare(mlir::Value value);
  unsigned domainAxes() const { return hasRows ? kRowBit | kColumnBit : kColumnBit; }

  mlir::Value evaluate(mlir::Value v, unsigned axes, const Point &point);
  mlir::Value toVector(mlir::Value value, int64_t width);
  /// Which axes the value of `v` at `axes` depends on.
  unsigned dependence(mlir::Value v, unsigned axes);
  static unsigned broadcastAxes(tile::BroadcastOp op, unsigned axes, llvm::ArrayRef<int64_t> shape);
  /// Evaluates, where the builder stands, all parts of the roots that depend on nothing but `known` axes.
  void hoist(unsigned known, const Point &point);

  tile::ReduceOp reduceOf(unsigned root) { return mlir::cast<tile::ReduceOp>(plan.roots[root].op); }
  /// What a sum or a maximum starts from; a vector of `width`, or with 0 a scalar.
  mlir::Value neutral(unsigned root, int64_t width);
  mlir::Value combine(unsigned root, mlir::Value x, mlir::Value y);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Plan &plan;
  const Nest &nest;
  unsigned nestIndex;
  Context &context;
  int64_t rows, columns;
  bool hasRows;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> memo; // of what has been evaluated, at these axes

private:
  mlir::Value evaluateNew(mlir::Value v, unsigned axes, const Point &point);
  mlir::Value emitIota(tile::IotaOp op, unsigned axes, const Point &point);
  static unsigned iotaAxis(tile::IotaOp op, unsigned axes);
  unsigned computeDependence(mlir::Value v, unsigned axes);
  void hoist(mlir::Value v, unsigned axes, unsigned known, const Point &point,
             llvm::SmallDenseSet<std::pair<mlir::Value, unsigned>> &seen);

  llvm::SmallDenseSet<mlir::Value> prepared;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<mlir::Value, Memory> memories;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, unsigned> dependences;
};

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_POINTS_H
