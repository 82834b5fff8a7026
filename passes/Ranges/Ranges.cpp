// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Ranges/Ranges.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace rwkv;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr Interval kUnknown{-kInfinity, kInfinity};

bool Interval::isFinite() const { return std::isfinite(lo) && std::isfinite(hi); }

/// What rounding may add: a function is off by at most a few units in the last place of f32, relative to its result.
static Interval widen(Interval range) {
  constexpr double kRounding = 1e-6;
  auto outwards = [&](double x, double sign) { return x == 0 ? x : x + sign * std::fabs(x) * kRounding; };
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

static Interval rangeOfArgument(BlockArgument arg) {
  Operation *parent = arg.getOwner()->getParentOp();
  if (auto recurrence = dyn_cast<RecurrenceOp>(parent)) {
    unsigned number = arg.getArgNumber();
    bool isInput = number < recurrence.getOver().size() + recurrence.getConsts().size();
    return isInput ? getInterval(recurrence->getOperand(number)) : kUnknown;
  }
  return kUnknown;
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

Interval rwkv::getInterval(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op) {
    return rangeOfArgument(cast<BlockArgument>(value));
  }
  auto of = [&](unsigned i) { return getInterval(op->getOperand(i)); };
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  return widen(llvm::TypeSwitch<Operation *, Interval>(op)
                   .Case([&](FillOp fill) -> Interval {
                     double number = fill.getValue().convertToDouble();
                     return {number, number};
                   })
                   .Case([&](arith::ConstantOp constant) { return rangeOfConstant(constant.getValue()); })
                   .Case<BroadcastOp, ReshapeOp, arith::ExtFOp>([&](Operation *) { return of(0); })
                   .Case([&](arith::AddFOp) { return Interval{of(0).lo + of(1).lo, of(0).hi + of(1).hi}; })
                   .Case([&](arith::SubFOp) { return Interval{of(0).lo - of(1).hi, of(0).hi - of(1).lo}; })
                   .Case([&](arith::NegFOp) { return Interval{-of(0).hi, -of(0).lo}; })
                   .Case([&](arith::MulFOp) { return product(of(0), of(1)); })
                   .Case<arith::MaximumFOp, arith::MaxNumFOp>([&](Operation *) {
                     return Interval{std::max(of(0).lo, of(1).lo), std::max(of(0).hi, of(1).hi)};
                   })
                   .Case<arith::MinimumFOp, arith::MinNumFOp>([&](Operation *) {
                     return Interval{std::min(of(0).lo, of(1).lo), std::min(of(0).hi, of(1).hi)};
                   })
                   .Case([&](SigmoidOp) { return monotone(of(0), sigmoid); })
                   .Case([&](ReluOp) { return Interval{std::max(of(0).lo, 0.0), std::max(of(0).hi, 0.0)}; })
                   .Case([&](SoftplusOp) {
                     return monotone(of(0),
                                     [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); });
                   })
                   .Case([&](math::ExpOp) { return monotone(of(0), [](double x) { return std::exp(x); }); })
                   .Case([&](math::TanhOp) { return monotone(of(0), [](double x) { return std::tanh(x); }); })
                   .Case([&](math::AbsFOp) {
                     Interval x = of(0);
                     double low = x.lo <= 0 && x.hi >= 0 ? 0 : std::min(std::fabs(x.lo), std::fabs(x.hi));
                     return Interval{low, std::max(std::fabs(x.lo), std::fabs(x.hi))};
                   })
                   .Case([&](math::LogOp) {
                     Interval x = of(0);
                     return Interval{x.lo > 0 ? std::log(x.lo) : -kInfinity, x.hi > 0 ? std::log(x.hi) : -kInfinity};
                   })
                   .Default([](Operation *) { return kUnknown; }));
}

static bool certify(DecayOp decay) {
  Interval interval = getInterval(decay.getLog());
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
  root->walk([&](DecayOp decay) { count += certify(decay); });
  return count;
}
