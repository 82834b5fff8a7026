// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions of generators of low rank, as reads and writes (section 2.4 of the derivation: for any f, f(s A) = f(0) +
// s B psi(s X) A^T with X = A^T B and psi(x) = (f(x) - f(0)) / x).
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

ParseResult rwkv::parseEvolveTypes(OpAsmParser &parser, Type &stateType, Type &sType, const AsmOperands &readKeys,
                                   AsmTypes &readKeyTypes, const AsmOperands &writeKeys, AsmTypes &writeKeyTypes,
                                   const std::optional<AsmOperand> &diagonal, Type &diagonalType) {
  StateType state = parseStateType(parser, stateType);
  if (!state) {
    return failure();
  }
  if (state.getKeys().size() != 1) { // evolve_c1
    return parser.emitError(parser.getNameLoc(), "'rwkv.evolve' expected a state with one key axis, but got ") << state;
  }
  readKeyTypes.append(readKeys.size(), state.getKeyType(0));
  writeKeyTypes.append(writeKeys.size(), state.getKeyType(0));
  sType = state.getElementType();
  if (diagonal) {
    diagonalType = state.getKeyType(0);
  }
  return success();
}

void rwkv::printEvolveTypes(OpAsmPrinter &printer, Operation *, Type state, Type, OperandRange, TypeRange, OperandRange,
                            TypeRange, Value, Type) {
  printer << state;
}

LogicalResult EvolveOp::verify() {
  StateType state = getState().getType();
  if (state.getKeys().size() != 1) { // evolve_c1
    return emitOpError("expected a state with one key axis, but got ") << state;
  }
  size_t rank = getReadKeys().size();
  if (rank != getWriteKeys().size() || rank < 1 || rank > 2) { // evolve_c2
    return emitOpError("expected one or two keys to read and as many to write, but got ")
           << rank << " and " << getWriteKeys().size();
  }
  for (OperandRange keys : {getReadKeys(), getWriteKeys()}) {
    for (Value key : keys) {
      if (failed(verifyType(*this, "key", state.getKeyType(0), key.getType()))) {
        return failure();
      }
    }
  }
  bool isExp = getFunction() == EvolveFunction::exp;
  if (getDiagonal() && isExp && !getStrang()) { // evolve_c3
    return emitOpError(
        "expected 'strang' with a diagonal: the exponential of a diagonal plus a low rank has no low rank; "
        "Strang's splitting is another layer, and so are 'resolvent' and 'cayley', which are exact");
  }
  if (getStrang() && (!isExp || !getDiagonal())) {
    return emitOpError("expected 'strang' with 'exp' and a diagonal only");
  }
  if (getDiagonal() && failed(verifyType(*this, "diagonal", state.getKeyType(0), getDiagonal().getType()))) {
    return failure();
  }
  return verifyType(*this, "s", state.getElementType(), getS().getType());
}

namespace {
/// Arithmetic on scalars and on square matrices of scalars.
class MatrixBuilder {
public:
  using Matrix = SmallVector<SmallVector<Value>>;

  MatrixBuilder(OpBuilder &b, Location loc, Type type, size_t rank) : b(b), loc(loc), type(type), rank(rank) {}

  Value number(double value) { return arith::ConstantOp::create(b, loc, FloatAttr::get(type, value)); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }

  Matrix make(function_ref<Value(size_t, size_t)> element) {
    Matrix result(rank);
    for (size_t i = 0; i < rank; ++i) {
      for (size_t j = 0; j < rank; ++j) {
        result[i].push_back(element(i, j));
      }
    }
    return result;
  }

  Matrix scale(const Matrix &x, Value factor) {
    return make([&](size_t i, size_t j) { return mul(x[i][j], factor); });
  }

  Matrix multiply(const Matrix &x, const Matrix &y) {
    return make([&](size_t i, size_t j) {
      Value sum = mul(x[i][0], y[0][j]);
      for (size_t k = 1; k < rank; ++k) {
        sum = add(sum, mul(x[i][k], y[k][j]));
      }
      return sum;
    });
  }

  /// x + c * 1
  Matrix addUnit(const Matrix &x, double c) {
    return make([&](size_t i, size_t j) { return i == j ? add(x[i][j], number(c)) : x[i][j]; });
  }

  /// (1 - x)^-1
  Matrix resolvent(const Matrix &x) {
    Matrix m = make([&](size_t i, size_t j) { return i == j ? sub(number(1.0), x[i][j]) : sub(number(0.0), x[i][j]); });
    if (rank == 1) {
      m[0][0] = div(number(1.0), m[0][0]);
      return m;
    }
    Value determinant = sub(mul(m[0][0], m[1][1]), mul(m[0][1], m[1][0]));
    Value inverse = div(number(1.0), determinant), negative = sub(number(0.0), inverse);
    return {{mul(m[1][1], inverse), mul(m[0][1], negative)}, {mul(m[1][0], negative), mul(m[0][0], inverse)}};
  }

  /// phi(x) = sum x^n / (n + 1)!, by its Taylor polynomial at x / 16 and phi(2 y) = phi(y) (e^y + 1) / 2, where e^y = 1
  /// + y phi(y).
  Matrix phi(const Matrix &x) {
    constexpr int kDegree = 9, kDoublings = 4;
    Matrix y = scale(x, number(1.0 / (1 << kDoublings)));
    double factorial = 1;
    for (int n = 2; n <= kDegree + 1; ++n) {
      factorial *= n;
    }
    Matrix result = make([&](size_t i, size_t j) { return number(i == j ? 1 / factorial : 0.0); });
    for (int n = kDegree; n >= 1; --n) { // Horner: coefficient of y^(n - 1) is 1 / n!
      factorial /= n + 1;
      result = addUnit(multiply(result, y), 1 / factorial);
    }
    for (int i = 0; i < kDoublings; ++i) {
      Matrix grown = addUnit(scale(multiply(y, result), number(0.5)), 1.0); // (e^y + 1) / 2
      result = multiply(result, grown);
      y = scale(y, number(2.0));
    }
    return result;
  }

private:
  OpBuilder &b;
  Location loc;
  Type type;
  size_t rank;
};
} // namespace

namespace {
/// What a diagonal part of the generator does before and after the reads and writes, and to their keys.
class Diagonal {
public:
  Diagonal(OpBuilder &b, EvolveOp op) : b(b), loc(op.getLoc()), op(op) {
    if (!op.getDiagonal()) {
      return;
    }
    double part = op.getFunction() == EvolveFunction::resolvent ? 1.0 : 0.5;
    Value s = arith::MulFOp::create(b, loc, op.getS(), number(part));
    Type keys = op.getDiagonal().getType();
    scaled = arith::MulFOp::create(b, loc, op.getDiagonal(), fill(keys, s));
    if (op.getFunction() != EvolveFunction::exp) {
      inverse = arith::DivFOp::create(b, loc, fill(keys, number(1.0)),
                                      arith::SubFOp::create(b, loc, fill(keys, number(1.0)), scaled));
    }
  }

  Value onKey(Value key) { return inverse ? arith::MulFOp::create(b, loc, key, inverse).getResult() : key; }

  Value before(Value state) { return op.getStrang() ? decay(state, scaled) : state; }

  /// The state times f of the diagonal alone.
  Value during(Value state) {
    if (op.getStrang()) {
      return state;
    }
    if (op.getFunction() == EvolveFunction::resolvent && scaled) { // log 1 / (1 - x) = -log1p(-x)
      Value log = math::Log1pOp::create(b, loc, arith::NegFOp::create(b, loc, scaled));
      return decay(state, arith::NegFOp::create(b, loc, log));
    }
    if (op.getFunction() == EvolveFunction::cayley && scaled) { // may be negative: not the exponential of anything
      Type keys = scaled.getType();
      Value grown = arith::AddFOp::create(b, loc, fill(keys, number(1.0)), scaled);
      Value factor = arith::MulFOp::create(b, loc, grown, inverse);
      auto blocks = RankedTensorType::get({cast<RankedTensorType>(keys).getDimSize(0), 1, 1}, elementType());
      Value matrix = BroadcastOp::create(b, loc, blocks, factor, b.getDenseI64ArrayAttr({0}));
      return TransformOp::create(b, loc, state.getType(), state, matrix, "key0");
    }
    return state;
  }

  Value after(Value state) { return op.getStrang() ? decay(state, scaled) : state; }

private:
  Type elementType() { return op.getState().getType().getElementType(); }
  Value number(double value) { return arith::ConstantOp::create(b, loc, FloatAttr::get(elementType(), value)); }
  Value fill(Type type, Value x) { return BroadcastOp::create(b, loc, type, x, DenseI64ArrayAttr()); }
  Value decay(Value state, Value log) { return DecayOp::create(b, loc, state, log, "key0"); }

  OpBuilder &b;
  Location loc;
  EvolveOp op;
  Value scaled, inverse; // s d or s d / 2, and 1 / (1 - that)
};
} // namespace

SmallVector<Value> EvolveOp::expand(OpBuilder &builder) {
  Location loc = getLoc();
  StateType type = getState().getType();
  MatrixBuilder m(builder, loc, type.getElementType(), getReadKeys().size());
  Diagonal diagonal(builder, *this);
  auto keysOf = [&](OperandRange keys) {
    return llvm::map_to_vector(keys, [&](Value k) { return diagonal.onKey(k); });
  };
  SmallVector<Value> readKeys = keysOf(getReadKeys()), writeKeys = keysOf(getWriteKeys());
  double half = getFunction() == EvolveFunction::cayley ? 0.5 : 1.0;
  MatrixBuilder::Matrix x = m.make([&](size_t i, size_t j) -> Value {
    Value dot = DotOp::create(builder, loc, type.getElementType(), getReadKeys()[i], writeKeys[j]);
    return m.mul(dot, m.mul(getS(), m.number(half)));
  });
  MatrixBuilder::Matrix psi = m.scale(getFunction() == EvolveFunction::exp ? m.phi(x) : m.resolvent(x), getS());
  Value state = diagonal.before(getState());
  SmallVector<Value> reads;
  for (Value key : readKeys) {
    reads.push_back(ReadOp::create(builder, loc, state, key));
  }
  state = diagonal.during(state);
  for (size_t i = 0; i < reads.size(); ++i) {
    Value value;
    for (size_t j = 0; j < reads.size(); ++j) {
      Value coefficient = BroadcastOp::create(builder, loc, type.getValueType(), psi[i][j], DenseI64ArrayAttr());
      Value part = arith::MulFOp::create(builder, loc, coefficient, reads[j]);
      value = value ? arith::AddFOp::create(builder, loc, value, part).getResult() : part;
    }
    state = WriteOp::create(builder, loc, state, writeKeys[i], value);
  }
  return {diagonal.after(state)};
}
