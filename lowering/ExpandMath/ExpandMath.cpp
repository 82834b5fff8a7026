// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Math functions as arithmetic that needs no library.
//
// Each function is reduced to a small interval with error-free steps (products with a short constant, differences of
// nearby numbers, scaling by powers of two through the exponent's bits), where a polynomial stands for it. The
// polynomials are minimax fits of the relative error (Remez exchange at 60 digits) with their leading terms fixed, so
// that results near 0 are right relatively, too; coefficients are rounded to the type. The error of each fit stands
// beside it, in Numbers.cpp. test/unit/lowering measures the error of the whole.
#include "lowering/ExpandMath/ExpandMath.h"

#include "dialect/Tile/TileDialect.h"
#include "lowering/ExpandMath/Expansion.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace rwkv {
#define GEN_PASS_DEF_TILEEXPANDMATHPASS
#include "lowering/ExpandMath/Passes.h.inc"
} // namespace rwkv

using namespace mlir;
using namespace rwkv;

namespace {
/// `expand` takes as many values as the op has operands; the first one says of which type they are.
template <typename Op, auto expand> struct ExpandPattern : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    const Type type = op->getOperand(0).getType();
    const FloatNumbers *numbers = getFloatNumbers(type);
    if (!numbers) {
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    }
    Expansion expansion(rewriter, op.getLoc(), type, *numbers);
    if constexpr (Op::template hasTrait<OpTrait::OneOperand>()) {
      rewriter.replaceOp(op, (expansion.*expand)(op->getOperand(0)));
    } else if constexpr (Op::template hasTrait<OpTrait::NOperands<2>::Impl>()) {
      rewriter.replaceOp(op, (expansion.*expand)(op->getOperand(0), op->getOperand(1)));
    } else {
      rewriter.replaceOp(op, (expansion.*expand)(op->getOperand(0), op->getOperand(1), op->getOperand(2)));
    }
    return success();
  }
};

/// Whether an approximation by the machine's instruction is asked for.
template <typename Op> bool isApproximate(Op op) {
  return getElementTypeOrSelf(op.getType()).isF32() && bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn);
}

/// All but those that are left to the machine.
struct ExactExp2 : ExpandPattern<math::Exp2Op, &Expansion::exp2> {
  using ExpandPattern::ExpandPattern;
  LogicalResult matchAndRewrite(math::Exp2Op op, PatternRewriter &rewriter) const override {
    return isApproximate(op) ? failure() : ExpandPattern::matchAndRewrite(op, rewriter);
  }
};

/// e^x = 2^(x log2 e): the product's rounding costs |x| 2^-24, relative.
struct ApproximateExp : OpRewritePattern<math::ExpOp> {
  ApproximateExp(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}
  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!isApproximate(op)) {
      return failure();
    }
    auto number = [&](Type type, double value) -> Value {
      Attribute factor = rewriter.getF32FloatAttr(static_cast<float>(value));
      if (auto shaped = dyn_cast<ShapedType>(type)) {
        factor = DenseElementsAttr::get(shaped, factor);
      }
      return arith::ConstantOp::create(rewriter, op.getLoc(), cast<TypedAttr>(factor));
    };
    // What is broadcast is multiplied before it is: with the rest of a difference that is one instruction. Its own
    // rounding does not matter where the power of a difference meets that of the opposite one.
    auto scaleFew = [&](Value x, double factor) -> Value {
      auto broadcast = x.getDefiningOp<tile::BroadcastOp>();
      if (!broadcast) {
        return {};
      }
      Value few = broadcast.getX();
      Value scaled = arith::MulFOp::create(rewriter, op.getLoc(), few, number(few.getType(), factor));
      IRMapping mapping;
      mapping.map(few, scaled);
      return rewriter.clone(*broadcast, mapping)->getResult(0);
    };
    const double log2e = getFloatNumbers(rewriter.getF32Type())->log2e;
    Value power;
    if (auto difference = op.getOperand().getDefiningOp<arith::SubFOp>()) {
      Value x = difference.getLhs(), y = difference.getRhs();
      if (Value rest = scaleFew(y, -log2e)) {
        power = math::FmaOp::create(rewriter, op.getLoc(), x, number(op.getType(), log2e), rest);
      } else if (Value rest = scaleFew(x, log2e)) {
        power = math::FmaOp::create(rewriter, op.getLoc(), y, number(op.getType(), -log2e), rest);
      }
    }
    if (!power) {
      power = arith::MulFOp::create(rewriter, op.getLoc(), op.getOperand(), number(op.getType(), log2e));
    }
    rewriter.replaceOpWithNewOp<math::Exp2Op>(op, power, op.getFastmath());
    return success();
  }
};

struct ExpandMathPass : rwkv::impl::TileExpandMathPassBase<ExpandMathPass> {
  using TileExpandMathPassBase::TileExpandMathPassBase;
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateExpandMathPatterns(set, nativeExp2);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override {
    bool failed = false;
    getOperation()->walk([&](tile::KernelOp kernel) {
      walkAndApplyPatterns(kernel, patterns);
      kernel.walk([&](Operation *op) {
        // What machines do themselves; anything else would be a call of a library that kernels are not linked with.
        bool isNative =
            isa<math::AbsFOp, math::SqrtOp, math::FmaOp, math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp,
                math::CopySignOp, math::AbsIOp, math::CountLeadingZerosOp, math::CountTrailingZerosOp, math::CtPopOp>(
                op);
        if (auto exp2 = dyn_cast<math::Exp2Op>(op)) {
          isNative = nativeExp2 && isApproximate(exp2);
        }
        if ((isa<math::MathDialect>(op->getDialect()) && !isNative) || isa<arith::RemFOp>(op)) {
          op->emitOpError("has no expansion for ") << getElementTypeOrSelf(op->getOperand(0).getType());
          failed = true;
        }
      });
      return WalkResult::skip();
    });
    if (failed) {
      signalPassFailure();
    }
  }
  FrozenRewritePatternSet patterns;
};
} // namespace

void rwkv::populateExpandMathPatterns(RewritePatternSet &patterns, bool nativeExp2) {
  if (nativeExp2) {
    patterns.add<ApproximateExp, ExactExp2>(patterns.getContext());
  } else {
    patterns.add<ExpandPattern<math::Exp2Op, &Expansion::exp2>>(patterns.getContext());
  }
  patterns.add<ExpandPattern<math::ExpOp, &Expansion::exp>, ExpandPattern<math::ExpM1Op, &Expansion::expm1>,
               ExpandPattern<math::SinhOp, &Expansion::sinh>, ExpandPattern<math::CoshOp, &Expansion::cosh>,
               ExpandPattern<math::TanhOp, &Expansion::tanh>, ExpandPattern<math::LogOp, &Expansion::log>,
               ExpandPattern<math::Log2Op, &Expansion::log2>, ExpandPattern<math::Log10Op, &Expansion::log10>,
               ExpandPattern<math::Log1pOp, &Expansion::log1p>, ExpandPattern<math::AsinhOp, &Expansion::asinh>,
               ExpandPattern<math::AcoshOp, &Expansion::acosh>, ExpandPattern<math::AtanhOp, &Expansion::atanh>,
               ExpandPattern<math::SinOp, &Expansion::sin>, ExpandPattern<math::CosOp, &Expansion::cos>,
               ExpandPattern<math::TanOp, &Expansion::tan>, ExpandPattern<math::AsinOp, &Expansion::asin>,
               ExpandPattern<math::AcosOp, &Expansion::acos>, ExpandPattern<math::AtanOp, &Expansion::atan>,
               ExpandPattern<math::Atan2Op, &Expansion::atan2>, ExpandPattern<math::ErfOp, &Expansion::erf>,
               ExpandPattern<math::ErfcOp, &Expansion::erfc>, ExpandPattern<math::CbrtOp, &Expansion::cbrt>,
               ExpandPattern<math::PowFOp, &Expansion::pow>, ExpandPattern<math::FPowIOp, &Expansion::powInteger>,
               ExpandPattern<math::RsqrtOp, &Expansion::rsqrt>, ExpandPattern<math::RoundOp, &Expansion::round>,
               ExpandPattern<math::ClampFOp, &Expansion::clamp>, ExpandPattern<math::IsNaNOp, &Expansion::isNaN>,
               ExpandPattern<math::IsInfOp, &Expansion::isInf>, ExpandPattern<math::IsFiniteOp, &Expansion::isFinite>,
               ExpandPattern<math::IsNormalOp, &Expansion::isNormal>>(patterns.getContext());
}
