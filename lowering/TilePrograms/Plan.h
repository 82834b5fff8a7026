// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which tiles of a straight-line piece of a tile program are written to memory, and which loops compute what.
//
// A tile is never held whole: ops are evaluated point by point inside loop nests. A *root* is what makes a nest exist:
// a store, a reduction, a *program* (a product, a running sum, a solve ..: it has loops of its own over tiles in
// memory), or a tile that must be in memory because another nest needs it (a vector that is broadcast, a value used by
// several nests, the value that a loop carries). Roots over the same points share a nest if none needs another's result
// at other points.
#ifndef RWKV_LOWERING_TILEPROGRAMS_PLAN_H
#define RWKV_LOWERING_TILEPROGRAMS_PLAN_H

#include "dialect/Tile/TileDialect.h"
#include "llvm/ADT/SetVector.h"

namespace rwkv::programs {

/// How a nest runs over two axes: a reduction over rows wants columns outside, one over columns rows outside.
enum class Order { any, columnsOutside, rowsOutside };

struct Root {
  enum class Kind { store, reduce, program, tile, assign };
  Kind kind;
  mlir::Operation *op;      // store, reduce, program; the defining op of a tile; null for assign
  mlir::Value value;        // what is evaluated at each point (reduce: before the reduction); null for program
  unsigned destination = 0; // assign: which destination of the block
  unsigned nest = 0;
  bool stored = true; // tile: whether another nest reads it

  Order getOrder() const;
  llvm::ArrayRef<int64_t> getDomain() const;
};

struct Nest {
  llvm::SmallVector<int64_t> domain;
  Order order = Order::any;
  llvm::SmallVector<unsigned> roots;
};

/// The plan of one straight-line piece of a block.
class Plan {
public:
  /// `ops` without regions, in order; `carried` are values to be written to the block's destinations at the end, and
  /// `carriedArgs` the block arguments whose memory those destinations are (null if they are not).
  /// `inPlace` is what earlier pieces did in place.
  Plan(
      llvm::ArrayRef<mlir::Operation *> ops, mlir::ValueRange carried, llvm::ArrayRef<mlir::Value> carriedArgs,
      const llvm::DenseMap<mlir::Operation *, mlir::Value> &inPlace = llvm::DenseMap<mlir::Operation *, mlir::Value>());

  llvm::SmallVector<Root> roots;
  llvm::SmallVector<Nest> nests;
  /// Destinations that must be written beside their memory and copied afterwards, because old values are still read.
  llvm::SmallDenseSet<unsigned> delayed;
  /// Ops that write their result over one of their operands, which nobody reads afterwards: inserts, products over what
  /// they are added to, elementwise ops that make a tile.
  llvm::DenseMap<mlir::Operation *, mlir::Value> inPlace;

  /// The nests in an order in which those over vectors that need no others come first: what they make is there when the
  /// first large one waits for what it needs.
  llvm::SmallVector<unsigned> getVectorsFirst();

  /// The root that makes `value`, or null.
  const Root *find(mlir::Value value) const;

private:
  /// The flag says that the value is reached through elementwise ops alone: at the same point.
  void visitRoot(const Root &root, llvm::function_ref<bool(mlir::Value, bool)> callback);
  bool isLocal(mlir::Operation *op) const { return op && ops.contains(op); }
  void addTile(mlir::Operation *op);
  void chooseTiles(llvm::ArrayRef<mlir::Operation *> order);
  void place(unsigned root);
  void checkCarried(llvm::ArrayRef<mlir::Value> carriedArgs);
  bool isReadElsewhere(mlir::Value tile);
  void dropUnread(const llvm::SmallDenseSet<mlir::Value> &written);
  void chooseInPlace(llvm::ArrayRef<mlir::Operation *> order);
  bool isDeadAfter(mlir::Value tile, mlir::Operation *op);
  bool isOwned(mlir::Value tile, mlir::Operation *op);
  bool readsOnlyHere(mlir::Operation *op, mlir::Value tile);
  mlir::Value inPlaceSource(mlir::Value value);

  /// Whether `user` reads a tile of this piece when the piece is over: it is in another piece or block, or a terminator
  /// that comes after another piece.
  bool isElsewhere(mlir::Operation *user) const;

  llvm::SmallDenseSet<mlir::Operation *> ops;
  bool endsBlock = true; // nothing but the terminator follows
  llvm::DenseMap<mlir::Value, unsigned> rootOf;
};

/// Tiles that cost nothing to evaluate anywhere: memory, constants, repeated scalars.
bool isFree(mlir::Value value);
bool isTile(mlir::Value value);
/// The number of axes of a tile; a number has none.
int64_t getRank(mlir::Value value);
/// The tile behind transposes, and whether its rows are columns of `tile`.
std::pair<mlir::Value, bool> skipTransposes(mlir::Value tile);
/// Whether a matrix is an operand of products and nothing else, so that it may be kept as they want it.
bool isOperandOnly(mlir::Value tile);
/// The same of a value that one phase of a pipeline has, for this phase and those after it.
bool areOperands(mlir::Value tile);
bool isElementwise(mlir::Operation *op);
/// A part or another shape of a tile in memory.
bool isView(mlir::Operation *op);
/// An op with loops of its own, whose operands are in memory.
bool isProgram(mlir::Operation *op);

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_PLAN_H
