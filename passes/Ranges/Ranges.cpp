// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Ranges/Ranges.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace rwkv;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr Interval kUnknown{-kInfinity, kInfinity};

bool Interval::isFinite() const { return std::isfinite(lo) && std::isfinite(hi); }

/// What rounding to elements of `type` may do to numbers: a function is off by at most a few units in the last place of
/// f32, relative to its result, which is then rounded once more where it is stored as something shorter. What is too
/// small for a normal number may become 0, and what is too large infinite.
static Interval widen(Interval range, Type type) {
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (!element) {
    return kUnknown;
  }
  const llvm::fltSemantics &semantics = element.getFloatSemantics();
  int digits = APFloat::semanticsPrecision(semantics);
  double relative = 1e-6 + (digits < 24 ? std::ldexp(1.0, -digits) : 0);
  double smallest = APFloat::getSmallestNormalized(semantics).convertToDouble();
  double largest = APFloat::getLargest(semantics).convertToDouble();
  auto outwards = [&](double x, double sign) {
    if (x == 0 || std::isinf(x)) {
      return x;
    }
    double moved = x + sign * std::fabs(x) * relative;
    if (std::fabs(moved) < smallest) {
      return sign * x > 0 ? sign * smallest : 0;
    }
    return sign * moved > largest ? sign * kInfinity : moved;
  };
  return {std::isnan(range.lo) ? -kInfinity : outwards(range.lo, -1),
          std::isnan(range.hi) ? kInfinity : outwards(range.hi, 1)};
}

static Interval product(Interval x, Interval y) {
  double lo = kInfinity, hi = -kInfinity;
  for (double a : {x.lo, x.hi}) {
    for (double b : {y.lo, y.hi}) {
      double value = a == 0 || b == 0 ? 0 : a * b;
      lo = std::min(lo, value);
      hi = std::max(hi, value);
    }
  }
  return {lo, hi};
}

/// f of both ends, for a function that grows.
static Interval monotone(Interval x, double (*f)(double)) { return {f(x.lo), f(x.hi)}; }

/// Of all numbers of which `divisor` is not 0.
static Interval quotient(Interval x, Interval divisor) {
  return divisor.lo > 0 || divisor.hi < 0 ? product(x, {1 / divisor.hi, 1 / divisor.lo}) : kUnknown;
}

static Interval rangeOfConstant(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value)) {
    return {number.getValueAsDouble(), number.getValueAsDouble()};
  }
  auto dense = dyn_cast<DenseFPElementsAttr>(value);
  if (!dense || !dense.isSplat()) {
    return kUnknown;
  }
  double number = dense.getSplatValue<APFloat>().convertToDouble();
  return {number, number};
}

namespace {

/// The intervals of values, each found once.
class Intervals {
public:
  Interval of(Value value) {
    auto it = known.find(value);
    if (it != known.end()) {
      return it->second;
    }
    Operation *op = value.getDefiningOp();
    Interval found = op ? widen(ofResult(op), value.getType()) : ofArgument(cast<BlockArgument>(value));
    known[value] = found;
    return found;
  }

private:
  Interval ofArgument(BlockArgument arg) {
    auto recurrence = dyn_cast<RecurrenceOp>(arg.getOwner()->getParentOp());
    if (!recurrence || arg.getArgNumber() >= recurrence.getOver().size() + recurrence.getConsts().size()) {
      return kUnknown;
    }
    return of(recurrence->getOperand(arg.getArgNumber()));
  }

  /// Of `both` operands, or of the other one where one is a NaN, which only a constant is known not to be.
  Interval orOther(Operation *op, Interval both) {
    for (unsigned i : {0, 1}) {
      Operation *source = op->getOperand(i).getDefiningOp();
      if (!isa_and_nonnull<FillOp, arith::ConstantOp>(source) || !of(op->getOperand(i)).isFinite()) {
        Interval other = of(op->getOperand(1 - i));
        both = {std::min(both.lo, other.lo), std::max(both.hi, other.hi)};
      }
    }
    return both;
  }

  Interval ofResult(Operation *op) {
    auto x = [&] { return of(op->getOperand(0)); };
    auto y = [&] { return of(op->getOperand(1)); };
    auto largest = [&] { return Interval{std::max(x().lo, y().lo), std::max(x().hi, y().hi)}; };
    auto least = [&] { return Interval{std::min(x().lo, y().lo), std::min(x().hi, y().hi)}; };
    return llvm::TypeSwitch<Operation *, Interval>(op)
        .Case([&](FillOp fill) -> Interval {
          double number = fill.getValue().convertToDouble();
          return {number, number};
        })
        .Case([&](arith::ConstantOp constant) { return rangeOfConstant(constant.getValue()); })
        .Case<BroadcastOp, ReshapeOp, arith::ExtFOp, arith::TruncFOp>([&](Operation *) { return x(); })
        .Case([&](arith::AddFOp) { return Interval{x().lo + y().lo, x().hi + y().hi}; })
        .Case([&](arith::SubFOp) { return Interval{x().lo - y().hi, x().hi - y().lo}; })
        .Case([&](arith::NegFOp) { return Interval{-x().hi, -x().lo}; })
        .Case([&](arith::MulFOp) { return product(x(), y()); })
        .Case([&](arith::DivFOp) { return quotient(x(), y()); })
        .Case([&](arith::SelectOp select) {
          Interval a = of(select.getTrueValue()), b = of(select.getFalseValue());
          return Interval{std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
        })
        .Case([&](arith::MaximumFOp) { return largest(); })
        .Case([&](arith::MinimumFOp) { return least(); })
        .Case([&](arith::MaxNumFOp) { return orOther(op, largest()); })
        .Case([&](arith::MinNumFOp) { return orOther(op, least()); })
        .Case([&](SigmoidOp) { return monotone(x(), [](double v) { return 1 / (1 + std::exp(-v)); }); })
        .Case([&](ReluOp) { return Interval{std::max(x().lo, 0.0), std::max(x().hi, 0.0)}; })
        .Case([&](SoftplusOp) {
          return monotone(x(), [](double v) { return std::max(v, 0.0) + std::log1p(std::exp(-std::fabs(v))); });
        })
        .Case([&](math::ExpOp) { return monotone(x(), [](double v) { return std::exp(v); }); })
        .Case([&](math::Exp2Op) { return monotone(x(), [](double v) { return std::exp2(v); }); })
        .Case([&](math::TanhOp) { return monotone(x(), [](double v) { return std::tanh(v); }); })
        .Case([&](math::ErfOp) { return monotone(x(), [](double v) { return std::erf(v); }); })
        .Case([&](math::AtanOp) { return monotone(x(), [](double v) { return std::atan(v); }); })
        .Case([&](math::SqrtOp) { return monotone(x(), [](double v) { return std::sqrt(std::max(v, 0.0)); }); })
        .Case<math::SinOp, math::CosOp>([&](Operation *) { return Interval{-1, 1}; })
        .Case([&](math::AbsFOp) {
          double lo = std::fabs(x().lo), hi = std::fabs(x().hi);
          return Interval{x().lo <= 0 && x().hi >= 0 ? 0 : std::min(lo, hi), std::max(lo, hi)};
        })
        .Case([&](math::LogOp) {
          auto log = [](double v) { return v > 0 ? std::log(v) : -kInfinity; };
          return Interval{log(x().lo), log(x().hi)};
        })
        .Default([](Operation *) { return kUnknown; });
  }

  llvm::DenseMap<Value, Interval> known;
};

} // namespace

Interval rwkv::getInterval(Value value) { return Intervals().of(value); }

static bool certify(DecayOp decay, Intervals &intervals) {
  Interval interval = intervals.of(decay.getLog());
  if (!interval.isFinite() || decay.getCertified()) {
    return false;
  }
  if (auto bound = decay.getBound()) {
    bool follows = cast<FloatAttr>((*bound)[0]).getValueAsDouble() <= interval.lo &&
                   interval.hi <= cast<FloatAttr>((*bound)[1]).getValueAsDouble();
    if (!follows) {
      return false;
    }
  } else {
    auto outwards = [](double x, float towards) { // the f32 on the far side
      auto nearest = static_cast<float>(x);
      return static_cast<double>(nearest) == x ? nearest : std::nextafter(nearest, towards);
    };
    constexpr float kFar = std::numeric_limits<float>::infinity();
    Builder builder(decay.getContext());
    decay.setBoundAttr(builder.getF32ArrayAttr({outwards(interval.lo, -kFar), outwards(interval.hi, kFar)}));
  }
  decay.setCertified(true);
  return true;
}

unsigned rwkv::certifyBounds(Operation *root) {
  unsigned count = 0;
  Intervals intervals;
  root->walk([&](DecayOp decay) { count += certify(decay, intervals); });
  return count;
}
