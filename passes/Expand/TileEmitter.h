// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Building tile programs: the arithmetic that model functions and token regions share, and the buffers of a kernel.
#ifndef RWKV_PASSES_EXPAND_TILEEMITTER_H
#define RWKV_PASSES_EXPAND_TILEEMITTER_H

#include "dialect/Rwkv/RwkvDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "llvm/ADT/MapVector.h"

namespace rwkv {

/// Arithmetic on tiles.
class TileEmitter {
public:
  TileEmitter(mlir::OpBuilder builder, mlir::Location loc) : b(builder), loc(loc) {}

  /// The tile of a shape: a scalar, a vector or rows; more axes are flattened into rows.
  static mlir::Type tileType(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// f64 stays f64, everything else is computed in f32.
  static mlir::Type computeType(mlir::Type element);

  mlir::Value constant(double value, mlir::Type type);
  /// One element everywhere, a number, an integer or a condition.
  mlir::Value splat(mlir::Attribute value, mlir::Type type);
  /// Few numbers, element by element (row-major).
  mlir::Value constant(mlir::DenseFPElementsAttr values, mlir::Type type);
  mlir::Value index(int64_t value);
  /// Repeats a scalar, or a vector along axis `on`, to `type`; a value of that type is returned as it is.
  mlir::Value broadcast(mlir::Value x, mlir::Type type, int64_t on = 0);
  mlir::Value reshape(mlir::Value x, mlir::Type type);
  mlir::Value sum(mlir::Value x, int64_t axis);
  /// A part of `x` of this type, and `x` with a part replaced; one offset per axis of `x`.
  mlir::Value slice(mlir::Value x, mlir::Type type, mlir::ValueRange offsets);
  mlir::Value insert(mlir::Value part, mlir::Value x, mlir::ValueRange offsets);
  /// [M, K] x [K, N] + acc.
  mlir::Value dot(mlir::Value x, mlir::Value y, mlir::Value acc = {});
  /// [n p, p] x [n p, N]: each block of p rows times its own matrix, whatever the precision of other products: blocks
  /// are small, and what is multiplied by many of them must not lose anything on the way.
  mlir::Value multiplyBlocks(mlir::Value blocks, mlir::Value x);
  /// [p p, n]: the elements of n blocks of any tile, those in one place side by side.
  mlir::Value planes(mlir::Value blocks, int64_t size);
  /// [n p, p]: unit matrices.
  mlir::Value identityBlocks(int64_t rows, int64_t size, mlir::Type element);
  /// Whether a tile is the same constant everywhere.
  static bool isSplat(mlir::Value x, double value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value scale(mlir::Value x, double factor);
  mlir::Value exp(mlir::Value x);
  /// `count` times what `body` makes of a number and of what is carried; few times without a loop.
  mlir::Value iterate(int64_t count, mlir::Value carried,
                      llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> body);
  /// a * b + c on indices.
  mlir::Value mulAdd(mlir::Value a, int64_t factor, mlir::Value c);

  /// (x - mean) / sqrt(var + eps) along `axis`, without scale and bias.
  mlir::Value normalise(mlir::Value x, int64_t axis, double eps);
  /// x / max(|x|, floor) along `axis` of a tile.
  mlir::Value l2normalise(mlir::Value x, int64_t axis, double floor) {
    return l2normalise(x, tile::getTileShape(x.getType()), axis, floor, /*count=*/1);
  }
  /// `x` rounded to a narrower element type, still in the compute type.
  mlir::Value roundTo(mlir::Value x, mlir::Type element);
  /// An elementwise op of rwkv, arith or math on tiles.
  mlir::Value elementwise(mlir::Operation *op, mlir::ValueRange operands);

  // ---- rows of flattened axes

  /// [R, d] -> [R, times * d]: every row several times side by side.
  mlir::Value repeat(mlir::Value x, int64_t times);
  /// [R, d] -> [R, d * times]: every element of a row several times.
  mlir::Value stretch(mlir::Value x, int64_t times);
  /// [R, n * d] -> [R, d]: the sum of n pieces of a row.
  mlir::Value sumPieces(mlir::Value x, int64_t pieces);

  // ---- axes of values that tiles hold flattened, `count` of them one after another; so is the result

  /// The axes of x stand at `positions` of the result's `shape`, in the same order.
  mlir::Value broadcastAxes(mlir::Value x, llvm::ArrayRef<int64_t> positions, llvm::ArrayRef<int64_t> shape,
                            int64_t count);
  mlir::Value sumAxis(mlir::Value x, llvm::ArrayRef<int64_t> shape, int64_t axis, int64_t count);
  mlir::Value l2normalise(mlir::Value x, llvm::ArrayRef<int64_t> shape, int64_t axis, double floor, int64_t count);

  // ---- states: rows of keys (several key axes flattened) times the value axis

  /// A vector along key axis `axis`, repeated along the other key axes.
  mlir::Value repeatKey(mlir::Value vector, StateType state, unsigned axis);
  /// Key axis `axis` of a state times blocks [n p, p].
  mlir::Value transformState(mlir::Value x, StateType state, unsigned axis, mlir::Value blocks);
  /// Flags a violation of lo <= g <= hi, where that is asserted; a NaN is none, it shows in the outputs.
  void checkBound(const StateStep &step, mlir::Value log);
  /// The same for a transform whose blocks are asserted to be orthogonal; `matrices` is a tile of any number of them.
  void checkIsometric(const StateStep &step, mlir::Value matrices);

  mlir::OpBuilder b;
  mlir::Location loc;
  /// Of products.
  tile::Precision precision = tile::Precision::f32;
  /// Whether short loops are written out: where lanes hold tiles in registers, slices must be at places that are known.
  bool writesOut = false;
  tile::PrecisionAttr getPrecision() { return tile::PrecisionAttr::get(b.getContext(), precision); }

  // ---- indices that are not negative

  mlir::Value plus(mlir::Value x, mlir::Value y) { return mlir::arith::AddIOp::create(b, loc, x, y); }
  mlir::Value minus(mlir::Value x, mlir::Value y) { return mlir::arith::SubIOp::create(b, loc, x, y); }
  mlir::Value times(mlir::Value x, mlir::Value y) { return mlir::arith::MulIOp::create(b, loc, x, y); }
  mlir::Value over(mlir::Value x, mlir::Value y) { return mlir::arith::DivUIOp::create(b, loc, x, y); }
  mlir::Value modulo(mlir::Value x, mlir::Value y) { return mlir::arith::RemUIOp::create(b, loc, x, y); }
  mlir::Value least(mlir::Value x, mlir::Value y) { return mlir::arith::MinUIOp::create(b, loc, x, y); }
  mlir::Value most(mlir::Value x, mlir::Value y) { return mlir::arith::MaxUIOp::create(b, loc, x, y); }

private:
  /// [outer, inner] -> [outer, times, inner].
  mlir::Value insertAxis(mlir::Value x, int64_t outer, int64_t times, int64_t inner);
  /// Flags that any number of a tile is above a limit, against what the step claims; NaN is not.
  void flagAbove(mlir::Value x, double limit, const StateStep &step, const std::string &claim);
  llvm::DenseSet<std::pair<mlir::Operation *, mlir::Value>> checked; // what steps assert, and of which tile
};

/// How the operands of products on tiles are rounded where a recurrence's may be.
tile::Precision getTilePrecision(Precision precision);

/// Runs the token region of a recurrence on tiles: the semantics of the state ops. `args` are tiles for the region's
/// arguments; the result are tiles for what it yields.
llvm::SmallVector<mlir::Value> emitStep(TileEmitter &e, RecurrenceOp recurrence, mlir::ValueRange args);

class AffineState;

/// Runs `tokens` tokens of a recurrence at once, from its normal form; the schedule must be legal. `args` are tiles
/// with one row per token for `over` operands (see Batch), tiles for consts and states; so is the result.
/// What a chunk does to the states' rows of keys, whatever they hold, is a matrix: `transitions`, if there are any, are
/// what it is multiplied by, a tile with the rows of each state; the products follow the results.
llvm::SmallVector<mlir::Value> emitChunk(TileEmitter &e, RecurrenceOp recurrence, const AffineState &form,
                                         ScheduleAttr schedule, mlir::ValueRange args,
                                         mlir::ValueRange transitions = {});

/// The sizes of a call: arguments of a kernel, or known where it is launched.
using Sizes = llvm::function_ref<mlir::Value(tile::Size)>;

/// A kernel, and what a launch of it needs.
struct KernelCall {
  tile::KernelOp kernel;
  mlir::Value tasks, from; // from: null where they start at 0
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::Attribute> weights;
};

/// A kernel under construction for one rwkv.fused, or for a part of what it does.
class KernelEmitter : public TileEmitter {
public:
  using Factory = llvm::function_ref<std::unique_ptr<KernelEmitter>(FusedOp, tile::KernelOp, mlir::OpBuilder)>;
  /// Emits a kernel; its name is set by the caller. `inputs` are what it reads beside the operands of the group,
  /// `results` the types of what it makes. Fails after an error has been reported.
  static mlir::FailureOr<KernelCall> emit(FusedOp fused, mlir::OpBuilder &moduleBuilder, Factory create,
                                          mlir::ValueRange inputs, mlir::TypeRange results);

  virtual ~KernelEmitter() = default;

protected:
  KernelEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder)
      : TileEmitter(builder, fused.getLoc()), fused(fused), kernel(kernel) {}

  /// Builds the body for task kernel.getTask().
  virtual llvm::LogicalResult run() = 0;
  /// The number of tasks, once the body is built.
  virtual mlir::Value countTasks(TileEmitter &e, Sizes size) = 0;
  /// The number of the first one; null: 0.
  virtual mlir::Value findFirstTask(TileEmitter &e, Sizes size) { return {}; }

  bool isInput(mlir::Value value) { return inputBuffers.contains(value); }
  mlir::Value buffer(mlir::Value input) { return inputBuffers.lookup(input); }
  mlir::Value buffer(mlir::FlatSymbolRefAttr weight) { return weightBuffers.lookup(weight); }
  mlir::Value output(unsigned i) { return outputBuffers[i]; }
  WeightOp weightOp(mlir::FlatSymbolRefAttr name);
  double param(mlir::FlatSymbolRefAttr name);

  mlir::Value load(mlir::Value buffer, mlir::Value offset, mlir::Type tile, int64_t stride = 0);
  void store(mlir::Value tile, mlir::Value buffer, mlir::Value offset, int64_t stride = 0);
  mlir::Value loadIndex(mlir::Value buffer, mlir::Value offset);

  // Sequences: cu_seqlens if there is a reset operand, else T tokens each.
  mlir::Value sequenceOf(mlir::Value token, mlir::Value reset);
  mlir::Value sequenceStart(mlir::Value sequence, mlir::Value reset);
  mlir::Value sequenceEnd(mlir::Value sequence, mlir::Value reset);
  /// Whether the function takes cu_seqlens; without them there is one sequence per batch row.
  bool isPacked();
  /// The reset operand of any op in the group, or null.
  mlir::Value findReset();
  mlir::Value sizeB() { return size(tile::Size::B); }
  mlir::Value sizeT() { return size(tile::Size::T); }
  mlir::Value sizeS() { return size(tile::Size::S); }
  mlir::Value size(tile::Size size) { return kernel.getSize(static_cast<unsigned>(size)); }

  FusedOp fused;
  tile::KernelOp kernel;

private:
  void collectBuffers(KernelCall &call, mlir::TypeRange results);
  void dropUnused(KernelCall &call);

  llvm::MapVector<mlir::Value, mlir::BlockArgument> inputBuffers;
  llvm::MapVector<mlir::Attribute, mlir::BlockArgument> weightBuffers;
  llvm::SmallVector<mlir::Value> outputBuffers;
};

/// The emitters of the three domains.
std::unique_ptr<KernelEmitter> createRowsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder);
std::unique_ptr<KernelEmitter> createColumnsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder);
std::unique_ptr<KernelEmitter> createHeadsEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder);
/// The same, token by token, for calls that are too short for the schedule.
std::unique_ptr<KernelEmitter> createTokensEmitter(FusedOp fused, tile::KernelOp kernel, mlir::OpBuilder builder);

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_TILEEMITTER_H
