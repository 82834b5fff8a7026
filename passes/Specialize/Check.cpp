// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What could not be verified while sizes were names.
#include "passes/Specialize/Specialize.h"

using namespace mlir;
using namespace rwkv;

/// The layers whose body `op` is in; nothing outside of rwkv.layers.
static std::optional<std::pair<int64_t, int64_t>> getLayers(Operation *op) {
  auto layers = op->getParentOfType<LayersOp>();
  if (!layers || !layers.getBounds()) {
    return std::nullopt;
  }
  for (auto [i, region] : llvm::enumerate(layers.getBodies())) {
    if (region.isAncestor(op->getParentRegion())) {
      return std::pair((*layers.getBounds())[i], (*layers.getBounds())[i + 1]);
    }
  }
  return std::nullopt;
}

static LogicalResult checkWeight(Operation *op, FlatSymbolRefAttr name) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, name);
  if (!weight.isPerLayer()) {
    return success();
  }
  auto layers = getLayers(op);
  if (!layers) {
    return op->emitOpError("expected a weight without {l} outside of 'rwkv.layers', but got ") << name;
  }
  if (auto when = weight.getWhen()) {
    std::string error;
    LayerCondition condition = *LayerCondition::parse(*when, error);
    for (int64_t layer = layers->first; layer < layers->second; ++layer) {
      if (!condition.holds(layer)) {
        return op->emitOpError("expected a weight of all layers of this body, but got ")
               << name << " with \"" << *when << "\" in layer " << layer;
      }
    }
  }
  return success();
}

/// A norm's weights have the normalised axis, or it and the feature axes in front of it.
static LogicalResult checkNorm(NormOp norm) {
  auto type = cast<RankedTensorType>(norm.getType());
  int64_t axis = cast<IntegerAttr>(norm.getAxis()).getInt(), size = type.getDimSize(axis), features = 1;
  for (int64_t i = type.getNumDynamicDims(); i < type.getRank(); ++i) {
    features *= type.getDimSize(i);
  }
  for (FlatSymbolRefAttr name : {norm.getScaleAttr(), norm.getBiasAttr()}) {
    RankedTensorType stored = SymbolTable::lookupNearestSymbolFrom<WeightOp>(norm, name).getStoredType();
    int64_t count = stored ? stored.getNumElements() : 0;
    if (count != size && count != features) {
      InFlightDiagnostic diag = norm.emitOpError("expected weight ") << name << " to have " << size;
      if (features != size) {
        diag << " or " << features;
      }
      return diag << " elements, but got " << TypeAttr::get(stored);
    }
  }
  return success();
}

LogicalResult rwkv::checkSolved(func::FuncOp function) {
  WalkResult result = function.walk([](Operation *op) -> WalkResult {
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      return reshape.verify();
    }
    if (auto layers = dyn_cast<LayersOp>(op)) {
      return layers.verify(); // stacks are as long as there are layers
    }
    if (auto when = dyn_cast<WhenOp>(op)) {
      return when.emitOpError("expected to be in 'rwkv.layers'");
    }
    if (auto norm = dyn_cast<NormOp>(op)) {
      return LogicalResult::success(succeeded(checkNorm(norm)) && succeeded(checkWeight(op, norm.getScaleAttr())) &&
                                    succeeded(checkWeight(op, norm.getBiasAttr())));
    }
    if (isa<GetOp, EmbedOp, LinearOp>(op)) {
      return checkWeight(op, op->getAttrOfType<FlatSymbolRefAttr>("weight"));
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
