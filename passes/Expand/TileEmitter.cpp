// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Expand/TileEmitter.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"

#include <cmath>

using namespace mlir;
using namespace rwkv;

// ---- types and constants

Type TileEmitter::computeType(Type element) {
  return element.isF64() || !isa<FloatType>(element) ? element : Type(Float32Type::get(element.getContext()));
}

/// A tile type with other elements.
static Type cloneElement(Type type, Type element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? Type(RankedTensorType::get(tensor.getShape(), element)) : element;
}

Type TileEmitter::tileType(ArrayRef<int64_t> shape, Type element) {
  element = computeType(element);
  if (shape.empty()) {
    return element;
  }
  if (shape.size() == 1) {
    return RankedTensorType::get(shape, element);
  }
  int64_t rows = 1;
  for (int64_t size : shape.drop_back()) {
    rows *= size;
  }
  return RankedTensorType::get({rows, shape.back()}, element);
}

Value TileEmitter::constant(double value, Type type) {
  Type element = getElementTypeOrSelf(type);
  return splat(FloatAttr::get(element, value), type);
}

Value TileEmitter::constant(DenseFPElementsAttr values, Type type) {
  if (values.isSplat()) {
    return constant(values.getSplatValue<APFloat>().convertToDouble(), type);
  }
  Value tile = constant(0.0, type);
  ArrayRef<int64_t> shape = tile::getTileShape(type);
  Type element = getElementTypeOrSelf(type);
  for (auto [i, value] : llvm::enumerate(values.getValues<APFloat>())) {
    if (value.isPosZero()) {
      continue;
    }
    auto position = static_cast<int64_t>(i);
    SmallVector<Value> offsets = {index(position % shape.back())};
    if (shape.size() == 2) {
      offsets.insert(offsets.begin(), index(position / shape.back()));
    }
    tile = insert(constant(value.convertToDouble(), element), tile, offsets);
  }
  return tile;
}

Value TileEmitter::splat(Attribute value, Type type) {
  auto attr = cast<TypedAttr>(value);
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    attr = DenseElementsAttr::get(tensor, value);
  }
  return arith::ConstantOp::create(b, loc, attr);
}

Value TileEmitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

// ---- shapes

Value TileEmitter::broadcast(Value x, Type type, int64_t on) {
  if (x.getType() == type) {
    return x;
  }
  bool scalar = !isa<RankedTensorType>(x.getType());
  return tile::BroadcastOp::create(b, loc, type, x, scalar ? IntegerAttr() : b.getI64IntegerAttr(on));
}

Value TileEmitter::reshape(Value x, Type type) {
  return x.getType() == type ? x : tile::ReshapeOp::create(b, loc, type, x).getResult();
}

Value TileEmitter::sum(Value x, int64_t axis) {
  SmallVector<int64_t> shape(tile::getTileShape(x.getType()));
  shape.erase(shape.begin() + axis);
  Type type = tileType(shape, getElementTypeOrSelf(x.getType()));
  return tile::ReduceOp::create(b, loc, type, tile::ReduceKind::sum, x, axis);
}

Value TileEmitter::slice(Value x, Type type, ValueRange offsets) {
  return x.getType() == type ? x : tile::SliceOp::create(b, loc, type, x, offsets).getResult();
}

Value TileEmitter::insert(Value part, Value x, ValueRange offsets) {
  return tile::InsertOp::create(b, loc, x.getType(), part, x, offsets);
}

// ---- arithmetic

Value TileEmitter::dot(Value x, Value y, Value acc) {
  Type element = getElementTypeOrSelf(x.getType());
  Type type = RankedTensorType::get({tile::getTileShape(x.getType())[0], tile::getTileShape(y.getType())[1]}, element);
  return tile::DotOp::create(b, loc, type, x, y, acc, UnitAttr(), IntegerAttr(), getPrecision());
}

Value TileEmitter::multiplyBlocks(Value blocks, Value x) {
  return tile::DotOp::create(b, loc, x.getType(), blocks, x, Value(), UnitAttr(),
                             b.getI64IntegerAttr(tile::getTileShape(blocks.getType())[1]),
                             tile::PrecisionAttr::get(b.getContext(), tile::Precision::f32));
}

Value TileEmitter::planes(Value blocks, int64_t size) {
  int64_t count = cast<RankedTensorType>(blocks.getType()).getNumElements() / (size * size);
  Type element = getElementTypeOrSelf(blocks.getType());
  Value lines = reshape(blocks, tileType({count, size * size}, element));
  return tile::TransposeOp::create(b, loc, tileType({size * size, count}, element), lines);
}

Value TileEmitter::identityBlocks(int64_t rows, int64_t size, Type element) {
  Type indices = RankedTensorType::get({rows, size}, b.getI32Type());
  Value row = tile::IotaOp::create(b, loc, indices, 0), column = tile::IotaOp::create(b, loc, indices, 1);
  Value p = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(cast<ShapedType>(indices), Attribute(b.getI32IntegerAttr(size))));
  Value inBlock = arith::RemUIOp::create(b, loc, row, p);
  Value isDiagonal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, inBlock, column);
  Type type = tileType({rows, size}, element);
  return arith::SelectOp::create(b, loc, isDiagonal, constant(1.0, type), constant(0.0, type));
}

bool TileEmitter::isSplat(Value x, double value) {
  while (auto broadcast = x.getDefiningOp<tile::BroadcastOp>()) {
    x = broadcast.getX();
  }
  FloatAttr number;
  DenseElementsAttr dense;
  if (matchPattern(x, m_Constant(&dense)) && dense.isSplat() && isa<FloatType>(dense.getElementType())) {
    number = dense.getSplatValue<FloatAttr>();
  }
  return (number || matchPattern(x, m_Constant(&number))) && number.getValueAsDouble() == value;
}

Value TileEmitter::add(Value x, Value y) {
  return isSplat(x, 0) ? y : isSplat(y, 0) ? x : arith::AddFOp::create(b, loc, x, y).getResult();
}
Value TileEmitter::sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value TileEmitter::mul(Value x, Value y) {
  return isSplat(x, 1) ? y : isSplat(y, 1) ? x : arith::MulFOp::create(b, loc, x, y).getResult();
}
Value TileEmitter::scale(Value x, double factor) { return mul(x, constant(factor, x.getType())); }

Value TileEmitter::mulAdd(Value a, int64_t factor, Value c) {
  Value product = arith::MulIOp::create(b, loc, a, index(factor));
  return arith::AddIOp::create(b, loc, product, c);
}

Value TileEmitter::iterate(int64_t count, Value carried, function_ref<Value(Value, Value)> body) {
  constexpr int64_t kFew = 4;
  if (count <= kFew) {
    for (int64_t i = 0; i < count; ++i) {
      carried = body(index(i), carried);
    }
    return carried;
  }
  auto loop = scf::ForOp::create(b, loc, index(0), index(count), index(1), ValueRange{carried});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  scf::YieldOp::create(b, loc, body(loop.getInductionVar(), loop.getRegionIterArg(0)));
  return loop.getResult(0);
}

Value TileEmitter::normalise(Value x, int64_t axis, double eps) {
  Type type = x.getType();
  double count = tile::getTileShape(type)[axis];
  int64_t kept = 1 - axis; // what is left of two axes after the reduction runs along the other one
  Value mean = scale(sum(x, axis), 1.0 / count);
  Value centred = sub(x, broadcast(mean, type, kept));
  Value variance = scale(sum(mul(centred, centred), axis), 1.0 / count);
  Value deviation = math::SqrtOp::create(b, loc, add(variance, constant(eps, variance.getType())));
  Value inverse = arith::DivFOp::create(b, loc, constant(1.0, deviation.getType()), deviation);
  return mul(centred, broadcast(inverse, type, kept));
}

Value TileEmitter::roundTo(Value x, Type element) {
  Type compute = getElementTypeOrSelf(x.getType());
  if (compute == element || !compute.isF32()) {
    return x;
  }
  auto like = [&](Type other) { return cloneElement(x.getType(), other); };
  if (!element.isBF16()) {
    Value narrow = arith::TruncFOp::create(b, loc, like(element), x);
    return arith::ExtFOp::create(b, loc, x.getType(), narrow);
  }
  // To nearest even, in integers: not every machine has the instruction.
  Type integer = like(b.getI32Type());
  auto bits = [&](int64_t value) -> Value {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto tensor = dyn_cast<RankedTensorType>(integer)) {
      attr = DenseElementsAttr::get(tensor, Attribute(attr));
    }
    return arith::ConstantOp::create(b, loc, attr);
  };
  Value raw = arith::BitcastOp::create(b, loc, integer, x);
  Value odd = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, raw, bits(16)), bits(1));
  Value sum = arith::AddIOp::create(b, loc, arith::AddIOp::create(b, loc, raw, bits(0x7fff)), odd);
  Value rounded = arith::BitcastOp::create(b, loc, x.getType(), arith::AndIOp::create(b, loc, sum, bits(-65536)));
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  return arith::SelectOp::create(b, loc, isNaN, x, rounded);
}

tile::Precision rwkv::getTilePrecision(Precision precision) {
  switch (precision) {
  case Precision::f32:
    return tile::Precision::f32;
  case Precision::tf32:
    return tile::Precision::tf32;
  case Precision::bf16:
    return tile::Precision::bf16;
  }
  llvm_unreachable("all precisions are handled");
}

/// Where operands of products are rounded anyway, the machine's approximation will do.
static arith::FastMathFlags flagsOfExp(tile::Precision precision) {
  return precision == tile::Precision::f32 ? arith::FastMathFlags::none : arith::FastMathFlags::afn;
}

Value TileEmitter::exp(Value x) { return math::ExpOp::create(b, loc, x, flagsOfExp(precision)); }

Value TileEmitter::elementwise(Operation *op, ValueRange operands) {
  Value x = operands.front();
  Type type = x.getType();
  auto sigmoid = [&](Value v) -> Value {
    Value e = exp(arith::NegFOp::create(b, loc, v));
    return arith::DivFOp::create(b, loc, constant(1.0, type), add(constant(1.0, type), e));
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](SigmoidOp) { return sigmoid(x); })
      .Case([&](SiluOp) { return mul(x, sigmoid(x)); })
      // Values are kept in the compute type; narrowing them to less is rounding.
      .Case([&](arith::ExtFOp ext) -> Value {
        Type wide = cloneElement(type, computeType(getElementTypeOrSelf(ext.getType())));
        return wide == type ? x : arith::ExtFOp::create(b, loc, wide, x).getResult();
      })
      .Case([&](arith::TruncFOp trunc) {
        Type element = getElementTypeOrSelf(trunc.getType()), narrow = cloneElement(type, computeType(element));
        return roundTo(narrow == type ? x : arith::TruncFOp::create(b, loc, narrow, x).getResult(), element);
      })
      .Case([&](ReluOp) { return arith::MaximumFOp::create(b, loc, x, constant(0.0, type)); })
      .Case([&](SoftplusOp) -> Value { // max(x, 0) + log1p(e^-|x|): no overflow, no cancellation
        Value magnitude = math::AbsFOp::create(b, loc, x);
        Value e = exp(arith::NegFOp::create(b, loc, magnitude));
        Value positive = arith::MaximumFOp::create(b, loc, x, constant(0.0, type));
        return add(positive, math::Log1pOp::create(b, loc, e));
      })
      .Case([&](math::ExpOp) { return exp(x); })
      .Default([&](Operation *) -> Value {
        IRMapping mapping;
        mapping.map(op->getOperands(), operands);
        Operation *clone = b.clone(*op, mapping);
        Type element = computeType(getElementTypeOrSelf(op->getResult(0).getType()));
        // The last operand: the first one of a select may be one condition for all elements.
        ArrayRef<int64_t> shape = tile::getTileShape(operands.back().getType());
        clone->getResult(0).setType(tileType(shape, element));
        return clone->getResult(0);
      });
}

// ---- states: rows of keys (several key axes flattened) times the value axis

Value TileEmitter::repeatKey(Value vector, StateType state, unsigned axis) {
  Type element = state.getElementType();
  auto repeat = [&](int64_t before, int64_t after, int64_t on) {
    vector = broadcast(vector, tileType({before, after}, element), on);
    vector = reshape(vector, tileType({before * after}, element));
  };
  int64_t before = 1, after = 1;
  for (auto [i, size] : llvm::enumerate(state.getKeys())) {
    (i < axis ? before : after) *= i == axis ? 1 : size;
  }
  if (before > 1) {
    repeat(before, state.getKeys()[axis], 1);
  }
  if (after > 1) {
    repeat(before * state.getKeys()[axis], after, 0);
  }
  return vector;
}

/// Blocks of p rows of the state, each times its matrix. Behind the axis lie whole rows: they join the value axis.
Value TileEmitter::transformState(Value x, StateType state, unsigned axis, Value blocks) {
  int64_t rows = 1, columns = state.getValue();
  for (auto [i, key] : llvm::enumerate(state.getKeys())) {
    (i <= axis ? rows : columns) *= key;
  }
  Type wide = tileType({rows, columns}, state.getElementType());
  Value result = tile::DotOp::create(b, loc, wide, blocks, reshape(x, wide), Value(), UnitAttr(),
                                     b.getI64IntegerAttr(tile::getTileShape(blocks.getType())[1]), getPrecision());
  return reshape(result, x.getType());
}

// ---- what is asserted

/// An op's place in the source, what it does, to what: which operand of the recurrence, if it is one.
static std::string describeAssertion(const StateStep &step, const std::string &claim) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto file = step.op->getLoc()->findInstanceOf<FileLineColLoc>()) {
    os << llvm::sys::path::filename(file.getFilename().getValue()) << ":" << file.getLine() << ":" << file.getColumn()
       << ": ";
  }
  os << "'" << step.op->getName() << "' expected ";
  if (auto arg = dyn_cast<BlockArgument>(step.factor)) {
    unsigned over = cast<RecurrenceOp>(step.op->getParentOp()).getOver().size(), number = arg.getArgNumber();
    os << (number < over ? "over" : "const") << " operand " << (number < over ? number : number - over) << " ";
  }
  os << claim;
  return text;
}

/// The number of an assertion in the module's list.
static int64_t getNumber(OpBuilder &b, const std::string &assertion) {
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto known = module->getAttrOfType<ArrayAttr>(tile::FlagOp::kAssertions);
  SmallVector<Attribute> all(known ? known.getValue() : ArrayRef<Attribute>());
  Attribute text = b.getStringAttr(assertion);
  auto *it = llvm::find(all, text);
  int64_t number = it - all.begin();
  if (it == all.end()) {
    all.push_back(text);
    module->setAttr(tile::FlagOp::kAssertions, b.getArrayAttr(all));
  }
  return number;
}

void TileEmitter::flagAbove(Value x, double limit, const StateStep &step, const std::string &claim) {
  while (isa<RankedTensorType>(x.getType())) {
    ArrayRef<int64_t> shape = tile::getTileShape(x.getType());
    Type reduced = tileType(shape.drop_front(), getElementTypeOrSelf(x.getType()));
    x = tile::ReduceOp::create(b, loc, reduced, tile::ReduceKind::max, x, /*axis=*/0);
  }
  Value most = constant(limit, x.getType());
  Value violated = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, most);
  tile::FlagOp::create(b, step.op->getLoc(), violated, getNumber(b, describeAssertion(step, claim)));
}

void TileEmitter::checkBound(const StateStep &step, Value log) {
  if (!step.bound || step.isCertified || !checked.insert({step.op, log}).second) {
    return;
  }
  // Of many tokens the largest and the smallest first. A NaN is no violation, and must not hide one.
  auto [low, high] = *step.bound;
  Value most = log, least = log;
  if (tile::getTileShape(log.getType()).size() == 2 && std::isfinite(low) && std::isfinite(high)) {
    auto mostOf = [&](Value x, double atLeast) -> Value {
      Type row = tileType(tile::getTileShape(x.getType()).drop_front(), getElementTypeOrSelf(x.getType()));
      x = arith::MaxNumFOp::create(b, loc, x, constant(atLeast, x.getType()));
      return tile::ReduceOp::create(b, loc, row, tile::ReduceKind::max, x, /*axis=*/0);
    };
    most = mostOf(log, high);
    least = arith::NegFOp::create(b, loc, mostOf(arith::NegFOp::create(b, loc, log), -low));
  }
  Type type = most.getType();
  Value excess = arith::MaximumFOp::create(b, loc, sub(constant(low, type), least), sub(most, constant(high, type)));
  std::string claim;
  llvm::raw_string_ostream(claim) << llvm::format("in [%g, %g]", low, high);
  flagAbove(arith::MaxNumFOp::create(b, loc, excess, constant(0, type)), 0, step, claim);
}

/// |x|, or -1 where it is NaN.
static Value emitMagnitude(TileEmitter &e, Value x) {
  Value isNaN = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNO, x, x);
  Value size = math::AbsFOp::create(e.b, e.loc, x);
  return arith::SelectOp::create(e.b, e.loc, isNaN, e.constant(-1.0, x.getType()), size);
}

/// [n]: the largest element of R R^T - 1 of each of n small blocks; NaN counts as -1.
static Value emitSmallDefects(TileEmitter &e, Value blocks, int64_t size) {
  Value planes = e.planes(blocks, size);
  Type element = getElementTypeOrSelf(planes.getType());
  int64_t count = tile::getTileShape(planes.getType())[1];
  Type row = TileEmitter::tileType({size, count}, element), numbers = TileEmitter::tileType({count}, element);
  auto rowAt = [&](Value i) { return e.slice(planes, row, {e.mulAdd(i, size, e.index(0)), e.index(0)}); };
  // Every row with itself and the half of the others that come after it: all pairs.
  return e.iterate(size, e.constant(-1.0, numbers), [&](Value i, Value worst) {
    return e.iterate(size / 2 + 1, worst, [&](Value distance, Value carried) {
      Value j = arith::RemUIOp::create(e.b, e.loc, arith::AddIOp::create(e.b, e.loc, i, distance), e.index(size));
      Value isSame = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, distance, e.index(0));
      Value wanted = arith::SelectOp::create(e.b, e.loc, isSame, e.constant(1.0, element), e.constant(0.0, element));
      Value defect = e.sub(e.sum(e.mul(rowAt(i), rowAt(j)), 0), e.broadcast(wanted, numbers));
      return arith::MaximumFOp::create(e.b, e.loc, carried, emitMagnitude(e, defect)).getResult();
    });
  });
}

/// [p]: the same of blocks [n p, p] for each row, by a matrix product per block.
static Value emitLargeDefects(TileEmitter &e, Value blocks, int64_t size) {
  Type element = getElementTypeOrSelf(blocks.getType());
  int64_t count = tile::getTileShape(blocks.getType())[0] / size;
  Type square = TileEmitter::tileType({size, size}, element), numbers = TileEmitter::tileType({size}, element);
  Value identity = e.identityBlocks(size, size, element);
  auto loop =
      scf::ForOp::create(e.b, e.loc, e.index(0), e.index(count), e.index(1), ValueRange{e.constant(-1.0, numbers)});
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToEnd(loop.getBody());
  Value block = e.slice(blocks, square, {e.mulAdd(loop.getInductionVar(), size, e.index(0)), e.index(0)});
  Value products = tile::DotOp::create(e.b, e.loc, square, block, block, Value(), e.b.getUnitAttr(), IntegerAttr(),
                                       tile::PrecisionAttr::get(e.b.getContext(), tile::Precision::f32));
  Value defects = emitMagnitude(e, e.sub(products, identity));
  Value worst = tile::ReduceOp::create(e.b, e.loc, numbers, tile::ReduceKind::max, defects, 0);
  worst = arith::MaximumFOp::create(e.b, e.loc, worst, loop.getRegionIterArg(0));
  scf::YieldOp::create(e.b, e.loc, worst);
  return loop.getResult(0);
}

void TileEmitter::checkIsometric(const StateStep &step, Value matrices) {
  if (!step.isIsometric || !checked.insert({step.op, matrices}).second) {
    return;
  }
  constexpr double kRoundings = 8; // of each element: a rotation made of rounded numbers has about three
  constexpr int64_t kLarge = 16;   // a row of a block fills vectors
  int64_t size = tile::getTileShape(step.factor.getType())[1];
  int64_t count = cast<RankedTensorType>(matrices.getType()).getNumElements() / (size * size);
  Type element = getElementTypeOrSelf(matrices.getType());
  int digits = APFloat::semanticsPrecision(cast<FloatType>(element).getFloatSemantics());
  double limit = kRoundings * std::sqrt(static_cast<double>(size)) * std::ldexp(1.0, 1 - digits);
  Value defects = size < kLarge
                      ? emitSmallDefects(*this, reshape(matrices, tileType({count, size * size}, element)), size)
                      : emitLargeDefects(*this, reshape(matrices, tileType({count * size, size}, element)), size);
  flagAbove(defects, limit, step, "of orthogonal blocks");
}
