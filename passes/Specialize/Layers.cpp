// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Resolves rwkv.when: one body of rwkv.layers per range of layers in which all conditions have the same answers.
#include "passes/Specialize/Specialize.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace rwkv;

static bool holds(WhenOp when, int64_t layer) {
  std::string error;
  return LayerCondition::parse(when.getCondition(), error)->holds(layer);
}

/// Replaces every rwkv.when in `body` by the branch that layer `layer` takes.
static void resolve(Region &body, int64_t layer) {
  SmallVector<WhenOp> whens;
  body.walk([&](WhenOp when) { whens.push_back(when); });
  for (WhenOp when : whens) { // post-order: inner ones first
    Block &taken = (holds(when, layer) ? when.getThen() : when.getOtherwise()).front();
    Operation *yield = taken.getTerminator();
    SmallVector<Value> results(yield->getOperands());
    yield->erase();
    when->getBlock()->getOperations().splice(when->getIterator(), taken.getOperations());
    when->replaceAllUsesWith(results);
    when->erase();
  }
}

static void expand(LayersOp op, int64_t layers) {
  SmallVector<WhenOp> whens;
  op.walk([&](WhenOp when) { whens.push_back(when); });
  auto answers = [&](int64_t layer) {
    SmallVector<bool> bits;
    for (WhenOp when : whens) {
      bits.push_back(holds(when, layer));
    }
    return bits;
  };
  SmallVector<int64_t> bounds = {0};
  for (int64_t layer = 1; layer < layers; ++layer) {
    if (answers(layer) != answers(layer - 1)) {
      bounds.push_back(layer);
    }
  }
  bounds.push_back(layers);

  OpBuilder builder(op);
  auto expanded = LayersOp::create(builder, op.getLoc(), op.getResultTypes(), op.getIndexAttr(), StringAttr(),
                                   builder.getDenseI64ArrayAttr(bounds), op.getIter(), op.getEach(), bounds.size() - 1);
  for (auto [i, region] : llvm::enumerate(expanded.getBodies())) {
    IRMapping mapping;
    op.getBodies().front().cloneInto(&region, mapping);
    resolve(region, bounds[i]);
  }
  op->replaceAllUsesWith(expanded);
  op->erase();
}

void rwkv::expandLayers(ModelOp model, int64_t layers) {
  SmallVector<LayersOp> ops;
  model.walk([&](LayersOp op) { ops.push_back(op); });
  for (LayersOp op : ops) {
    expand(op, layers);
  }
}
