// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/TilePrograms/Homogeneous.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::programs;

namespace {

/// How often the factor of what is carried is in a value. Zero has it as often as one likes; of a value that is no
/// power of it times something else nothing is known.
enum class Degree { zero, none, one, unknown };

Degree ofSum(Degree x, Degree y) { return x == Degree::zero || x == y ? y : y == Degree::zero ? x : Degree::unknown; }

Degree ofProduct(Degree x, Degree y) {
  if (x == Degree::zero || y == Degree::zero) {
    return Degree::zero;
  }
  return x == Degree::none ? y : y == Degree::none ? x : Degree::unknown;
}

/// The degrees of the values of a phase, if what is carried and chosen has the factor.
class Degrees {
public:
  Degrees(tile::PipelineOp pipeline, const llvm::DenseSet<Value> &chosen) {
    for (Value arg : chosen) {
      degrees[arg] = Degree::one;
    }
    for (Operation &op : pipeline.getApply().front().without_terminator()) {
      Degree degree = visit(&op);
      for (Value result : op.getResults()) {
        degrees[result] = degree;
      }
    }
  }

  Degree of(Value value) const {
    auto known = degrees.find(value);
    if (known != degrees.end()) {
      return known->second;
    }
    return matchPattern(value, m_AnyZeroFloat()) ? Degree::zero : Degree::none;
  }

private:
  Degree visit(Operation *op) {
    auto at = [&](unsigned number) { return of(op->getOperand(number)); };
    return llvm::TypeSwitch<Operation *, Degree>(op)
        .Case<arith::MulFOp>([&](Operation *) { return ofProduct(at(0), at(1)); })
        .Case<arith::DivFOp>([&](Operation *) { return at(1) == Degree::none ? at(0) : ofOthers(op); })
        .Case<arith::AddFOp, arith::SubFOp>([&](Operation *) { return ofSum(at(0), at(1)); })
        .Case<math::FmaOp>([&](Operation *) { return ofSum(ofProduct(at(0), at(1)), at(2)); })
        .Case<arith::NegFOp, tile::BroadcastOp, tile::TransposeOp, tile::SliceOp>([&](Operation *) { return at(0); })
        .Case([&](tile::ReduceOp reduce) {
          return reduce.getKind() == tile::ReduceKind::sum ? of(reduce.getX()) : ofOthers(op);
        })
        .Case([&](tile::InsertOp insert) { return ofSum(of(insert.getPart()), of(insert.getX())); })
        .Case([&](arith::SelectOp select) {
          Degree either = ofSum(of(select.getTrueValue()), of(select.getFalseValue()));
          return of(select.getCondition()) == Degree::none ? either : Degree::unknown;
        })
        .Case([&](tile::DotOp dot) {
          Degree product = ofProduct(of(dot.getLhs()), of(dot.getRhs()));
          return dot.getAcc() ? ofSum(product, of(dot.getAcc())) : product;
        })
        .Case([&](arith::ConstantOp constant) { return of(constant.getResult()); })
        .Default([&](Operation *) { return ofOthers(op); });
  }

  /// Of what may depend on its operands in any way.
  Degree ofOthers(Operation *op) const {
    bool depends = llvm::any_of(
        op->getOperands(), [&](Value operand) { return of(operand) == Degree::one || of(operand) == Degree::unknown; });
    return depends ? Degree::unknown : Degree::none;
  }

  llvm::DenseMap<Value, Degree> degrees;
};

} // namespace

llvm::DenseSet<Value> programs::findHomogeneous(tile::PipelineOp pipeline) {
  auto carried = llvm::to_vector(llvm::zip_equal(pipeline.getCarried(), pipeline.getCarry().getValues()));
  llvm::DenseSet<Value> chosen(pipeline.getCarried().begin(), pipeline.getCarried().end());
  Degrees degrees(pipeline, chosen);
  for (bool isDone = false; !isDone;) {
    isDone = true;
    for (auto [arg, next] : carried) {
      Degree degree = degrees.of(next);
      if (chosen.contains(arg) && degree != Degree::one && degree != Degree::zero) {
        chosen.erase(arg);
        isDone = false;
      }
    }
    degrees = isDone ? degrees : Degrees(pipeline, chosen);
  }
  // With the factor nobody else may change.
  auto isFree = [&](Value value) { return degrees.of(value) == Degree::none || degrees.of(value) == Degree::zero; };
  bool isAlone =
      llvm::all_of(carried, [&](auto both) { return chosen.contains(std::get<0>(both)) || isFree(std::get<1>(both)); });
  llvm::DenseSet<Value> found = chosen;
  for (Operation &op : pipeline.getApply().front().without_terminator()) {
    if (op.getNumResults() == 0) { // stores
      isAlone = isAlone && llvm::all_of(op.getOperands(), isFree);
    }
    for (Value result : op.getResults()) {
      if (degrees.of(result) == Degree::one) {
        found.insert(result);
      }
    }
  }
  return isAlone ? found : llvm::DenseSet<Value>();
}
