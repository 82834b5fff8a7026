// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a slot of a pipeline is laid out: what is passed, in rows that the fewest lanes meet in, results over what has
// been read before them, and what only products of the one who prepares read, in memory that it shares.
#include "lowering/Lanes/Pipeline.h"
#include "lowering/TilePrograms/Lifetimes.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

namespace {

class SlotLayout {
public:
  SlotLayout(Pipeline &plan, const lanes::Hooks &hooks, std::string &why) : plan(plan), hooks(hooks), why(why) {}

  bool run() {
    llvm::SetVector<Value> written(plan.roles.passed.begin(), plan.roles.passed.end()), read; // by those who prepare
    SmallVector<scf::IfOp> branches;
    for (Operation *outer : plan.roles.prepare) {
      outer->walk<WalkOrder::PreOrder>([&](Operation *op) {
        order[op] = order.size();
        if (auto dot = dyn_cast<tile::DotOp>(op)) {
          for (Value operand : {dot.getLhs(), dot.getRhs()}) {
            read.insert(skipTransposes(operand).first);
          }
        }
        if (auto solve = dyn_cast<tile::SolveUnitLowerOp>(op)) {
          read.insert(solve.getLower());
        }
        if (auto branch = dyn_cast<scf::IfOp>(op)) { // its results are found in memory, whichever side has made them
          branches.push_back(branch);
          read.insert_range(branch.getResults());
        }
      });
    }
    written.insert_range(read);
    for (scf::IfOp branch : branches) {
      join(branch, written);
    }
    written.remove_if([&](Value value) {
      return !value.getDefiningOp() || !plan.op->isProperAncestor(value.getDefiningOp()) || getJoined(value);
    });
    placeUnits(written.getArrayRef());
    SmallVector<Value> scratch;
    for (Value value : written) {
      if (!getElementTypeOrSelf(value.getType()).isF32()) {
        return refuse("a mask is passed");
      }
      const bool isPassed = plan.roles.passed.contains(value), isTwice = isPassed && isMixed() && arePairs(value);
      if (isPassed) {
        Pipeline::Part part = place(getExtent(value).rows, makePart(value, /*isScratch=*/false, arePairs(value)));
        (isTwice ? plan.pairs : plan.parts)[value] = part;
      }
      if (isTwice ? read.contains(value) : !isPassed) {
        if (plan.usesPairs() &&
            isa<scf::IfOp>(value.getDefiningOp())) { // a chunk may be made once more, but for branches
          plan.parts[value] = place(getExtent(value).rows, makePart(value, /*isScratch=*/false, /*isPairs=*/false));
        } else {
          scratch.push_back(value);
        }
      }
    }
    for (Operation *op : plan.roles.loads) {
      auto load = cast<tile::LoadOp>(op);
      Extent shape = getExtent(load.getResult());
      Type element = load.getBuffer().getType().getElementType();
      plan.loads[load] = place(shape.rows, {0, element, paddedRow(shape.columns, element), true});
    }
    llvm::SmallPtrSet<Operation *, 4> taken;
    for (auto store : plan.op.getApply().getOps<tile::StoreOp>()) {
      Extent shape = getExtent(store.getValue());
      Type element = store.getBuffer().getType().getElementType();
      // Over a tile that is read before: what a warp reads and writes is its own columns.
      auto *over = llvm::find_if(plan.loads, [&](auto &entry) {
        auto &[load, part] = entry;
        return !taken.contains(load) && part.element == element &&
               tile::getTileShape(load->getResult(0).getType()) == tile::getTileShape(store.getValue().getType());
      });
      if (over != plan.loads.end()) {
        taken.insert(over->first);
        plan.results[store] = over->second;
      } else {
        plan.results[store] = place(shape.rows, {0, element, paddedRow(shape.columns, element), false});
      }
    }
    placeScratch(scratch);
    for (auto [value, result] : joined) {
      Pipeline::Part part = plan.parts.find(result)->second;
      plan.parts[value] = part;
    }
    return true;
  }

private:
  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }

  /// Whether what is passed on as pairs is no pairs for those who prepare.
  bool isMixed() const { return plan.usesPairs() && !plan.preparesPairs(); }

  /// Whether a tile lies in a slot as pairs of f16, at least where those who apply find it.
  bool arePairs(Value tile) {
    if (!isMixed()) {
      return plan.usesPairs() && isOperandOnly(tile);
    }
    return plan.roles.passed.contains(tile) && getRank(tile) == 2 && llvm::all_of(tile.getUses(), [](OpOperand &use) {
             auto pass = dyn_cast<tile::PassOp>(use.getOwner());
             return !pass || (use.getOperandNumber() < pass.getPassed().size() && areOperands(pass.getPassedAs(use)));
           });
  }

  /// Whether a tile is never read at places that are no multiples of a power of two, as slices are.
  static bool isReadWhole(Value tile) {
    llvm::SetVector<Value> readers;
    readers.insert(tile);
    for (size_t i = 0; i < readers.size(); ++i) {
      for (OpOperand &use : readers[i].getUses()) {
        Operation *user = use.getOwner();
        if (isa<tile::SliceOp>(user)) {
          return false;
        }
        if (auto pass = dyn_cast<tile::PassOp>(user); pass && use.getOperandNumber() < pass.getPassed().size()) {
          readers.insert(pass.getPassedAs(use));
        }
        if (isElementwise(user) || isa<tile::TransposeOp, tile::InsertOp>(user)) {
          readers.insert(user->getResult(0)); // computed from what it is asked for
        }
      }
    }
    return true;
  }

  /// The placement in which a warp that prepares a tile writes it.
  Placement preferPrepared(Value tile) {
    OpBuilder b(tile.getContext());
    WarpTiles::Outside outside;
    outside.getShape = getExtent;
    WarpTiles tiles(b, b, tile.getLoc(), hooks, Value(), *plan.prepared, /*turned=*/false, outside);
    return tiles.prefer(tile);
  }

  /// Rows for which accesses of all who read and write a tile meet the fewest banks twice.
  Rows chooseRowsOf(Value tile, bool isPairs) {
    Extent shape = getExtent(tile);
    if (getRank(tile) < 2) {
      return {shape.columns, {}};
    }
    SmallVector<Use> uses;
    const bool isTwice = isMixed() && arePairs(tile);
    for (tile::DotOp dot : plan.findProducts()) {
      bool turned = plan.isApplied(dot);
      if (isTwice && turned != isPairs) {
        continue;
      }
      const MatrixInstruction &instruction = turned ? *plan.instruction : *plan.prepared;
      const Fragments fragments(instruction, turned);
      for (Value operand : {dot.getLhs(), dot.getRhs()}) {
        auto [operandTile, isTurned] = skipTransposes(operand);
        Value inMemory = tile::PipelineOp::getPrepared(operandTile);
        if (inMemory != tile && getJoined(inMemory) != tile) {
          continue;
        }
        bool isLeft = (operand == dot.getLhs()) != turned;
        Placement placement = isLeft ? fragments.getLeft(0, 0) : fragments.getRight(0, 0);
        placement = (isTurned ? placement.turned() : placement).clipped(shape.rows, shape.columns);
        int64_t size = instruction.k * (isLeft ? instruction.m : instruction.n);
        bool inBlocks = !turned && (WarpTiles::suitBlocks(dot, instruction, hooks) ||
                                    WarpTiles::findStacked(dot, instruction, hooks));
        if (isPairs || inBlocks) {
          placement = getBlockAccess().clipped(shape.rows, isPairs ? shape.columns / 2 : shape.columns);
          size = isPairs ? 8 * 8 : 8 * 4;
        }
        int64_t count = llvm::divideCeil(shape.rows * shape.columns, size) * (turned ? plan.appliers : 1);
        uses.push_back({placement, count});
      }
    }
    Placement written = preferPrepared(tile);
    if (!isPairs) {
      uses.push_back({written, 1});
      return chooseRows(uses, shape.rows, shape.columns, /*mayOrder=*/isReadWhole(tile));
    }
    SmallVector<std::pair<unsigned, unsigned>> registers;
    if (std::optional<Placement> pairs = getPairs(written, registers)) {
      uses.push_back({*pairs, 1});
    }
    return chooseRows(uses, shape.rows, shape.columns / 2, /*mayOrder=*/false);
  }

  /// A tile that is prepared, without its place.
  Pipeline::Part makePart(Value tile, bool isScratch, bool isPairs) {
    MLIRContext *context = tile.getContext();
    Type element = isPairs ? Type(IntegerType::get(context, 32)) : Type(Float32Type::get(context));
    return {0, element, chooseRowsOf(tile, isPairs), isOperandOnly(tile), isScratch, isPairs, units.lookup(tile)};
  }

  /// Units, and whether they are needed, at the front of a slot.
  void placeUnits(ArrayRef<Value> prepared) {
    constexpr int64_t kWord = 4;
    if (plan.usesPairs()) {
      for (Value tile : llvm::make_filter_range(prepared, [&](Value tile) { return arePairs(tile); })) {
        units[tile] = plan.slotBytes;
        plan.slotBytes += kWord;
      }
      plan.inRange = plan.slotBytes;
      plan.slotBytes = llvm::alignTo(plan.slotBytes + kWord, 16);
    }
  }

  Pipeline::Part place(int64_t count, Pipeline::Part part) {
    part.offset = plan.slotBytes;
    int64_t bytes = count * part.rows.stride * (part.element.getIntOrFloatBitWidth() / 8);
    plan.slotBytes += llvm::alignTo(bytes, 16);
    return part;
  }

  /// Operands of products that one side of a branch makes lie where its results do, if they are kept in the same way.
  void join(scf::IfOp branch, const llvm::SetVector<Value> &written) {
    for (Region &side : branch->getRegions()) {
      for (auto [yielded, result] : llvm::zip_equal(side.front().getTerminator()->getOperands(), branch.getResults())) {
        bool isMadeHere = yielded.getParentRegion() == &side;
        if (isMadeHere && written.contains(yielded) && isOperandOnly(yielded) == isOperandOnly(result)) {
          joined.try_emplace(yielded, result);
        }
      }
    }
  }

  Value getJoined(Value value) const { return joined.lookup(value); }

  /// Tiles that only products of the one who prepares read: those that are not needed at the same time share memory,
  /// behind what is passed.
  void placeScratch(ArrayRef<Value> tiles) {
    struct Life {
      Value tile;
      Operation *last;
      int64_t from, to;
    };
    int64_t start = plan.slotBytes, end = start;
    SmallVector<Life> placed;
    for (Value tile : tiles) {
      Operation *last = tile.getDefiningOp();
      std::function<void(Value)> visit = [&](Value value) {
        for (Operation *user : value.getUsers()) {
          last = order.lookup(last) < order.lookup(user) ? user : last;
          if (isa<tile::TransposeOp>(user)) {
            visit(user->getResult(0));
          }
        }
      };
      visit(tile);
      Pipeline::Part part = makePart(tile, /*isScratch=*/true, arePairs(tile) && !isMixed());
      int64_t bytes = llvm::alignTo(getExtent(tile).rows * part.rows.stride * 4, 16);
      SmallVector<std::pair<int64_t, int64_t>> taken;
      for (const Life &other : placed) {
        if (order.lookup(other.last) >= order.lookup(tile.getDefiningOp())) {
          taken.push_back({other.from, other.to});
        }
      }
      int64_t offset = findGap(start, bytes, std::move(taken));
      placed.push_back({tile, last, offset, offset + bytes});
      end = std::max(end, offset + bytes);
      part.offset = offset;
      plan.parts[tile] = part;
      plan.hasScratch = true;
    }
    plan.slotBytes = end;
  }

  /// Rows of fragments of a left operand start at different banks.
  static Rows paddedRow(int64_t columns, Type element) {
    return {columns + 16 * 8 / element.getIntOrFloatBitWidth(), {}};
  }

  llvm::DenseMap<Value, int64_t> units;        // where those of pairs lie
  llvm::DenseMap<Operation *, unsigned> order; // of what is prepared, inside of branches as well
  llvm::MapVector<Value, Value> joined;        // what one side of a branch yields: the result of the branch
  Pipeline &plan;
  const lanes::Hooks &hooks;
  std::string &why;
};

} // namespace

bool lanes::layOutSlots(Pipeline &plan, const lanes::Hooks &hooks, std::string &why) {
  return SlotLayout(plan, hooks, why).run();
}
