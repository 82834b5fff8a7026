// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which loops become pipelines, and how many warps they get. Loops are looked at as pipelines whose numbers of warps
// are still open.
#include "lowering/Lanes/Pipeline.h"
#include "lowering/TilePrograms/Homogeneous.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::lanes;
using namespace rwkv::programs;
using namespace rwkv::warps;

namespace {

constexpr int64_t kWarps = 8;
/// What sizes that are no powers of two are multiples of.
constexpr int64_t kMultiple = 8;
/// Registers of a lane for a tile that is prepared.
constexpr int64_t kMostPrepared = 64;
/// Registers of a lane for all but what is carried: operands and results of products, addresses.
constexpr int64_t kWorking = 64;
/// Of those that apply, beside what is carried and the same as operands; and for looking whether operands are in range.
constexpr int64_t kReading = 40, kChecking = 16;
/// That are moved from those that apply to those that prepare, or back.
constexpr int64_t kEnough = 24;
/// Fewer slots than this are too few where a task shares a multiprocessor with another.
constexpr int64_t kFewestSlots = 3;

class Planner {
public:
  Planner(Pipeline &plan, const Machine &machine, std::string &why) : plan(plan), machine(machine), why(why) {}

  /// Chooses what the op says, and says it there.
  bool choose() {
    if (!checkOps() || !findInstruction() || !chooseWarps() || !checkProducts() || !checkRegisters() ||
        !layOutSlots(plan, *machine.hooks, why) || !chooseSlots() || !moveRegisters()) {
      return false;
    }
    plan.op.setPreparers(plan.preparers);
    plan.op.setIdle(plan.idle);
    plan.op.setAppliers(plan.appliers);
    plan.op.setColumns(plan.columns);
    plan.op.setTasks(plan.tasksAtOnce);
    plan.op.setMoved(plan.moved);
    plan.op.setPairs(plan.usesPairs());
    return true;
  }

  /// Does what the op says.
  bool follow() {
    plan.preparers = plan.op.getPreparers();
    plan.idle = plan.op.getIdle();
    plan.appliers = plan.op.getAppliers();
    plan.columns = plan.op.getColumns();
    plan.moved = plan.op.getMoved();
    return checkOps() && findInstruction() && checkPairs() && checkProducts() && checkRegisters() && checkWarps() &&
           layOutSlots(plan, *machine.hooks, why) && countSlots();
  }

private:
  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }

  bool checkOps() {
    return !plan.op->walk([&](Operation *op) { return WalkResult(success(check(op))); }).wasInterrupted();
  }

  bool check(Operation *op) {
    for (Value value : op->getResults()) {
      if (getRank(value) == 0) {
        continue;
      }
      Type element = getElementTypeOrSelf(value.getType());
      if (!element.isF32() && !element.isInteger()) {
        return refuse("tiles of another type than f32");
      }
      for (int64_t size : tile::getTileShape(value.getType())) {
        if (!llvm::isPowerOf2_64(size) && size % kMultiple != 0 && !isa<tile::ScanOp>(op)) {
          return refuse("a size that is neither a power of two nor a multiple of " + Twine(kMultiple));
        }
      }
    }
    if (auto slice = dyn_cast<tile::SliceOp>(op)) {
      APInt ignored;
      if (!llvm::all_of(slice.getOffsets(), [&](Value v) { return matchPattern(v, m_ConstantInt(&ignored)); })) {
        return refuse("a slice at a place that is not known");
      }
    }
    if (auto insert = dyn_cast<tile::InsertOp>(op); insert && !isAligned(insert)) {
      return refuse("an insert at a place that is not known, or no multiple of its size, a power of two");
    }
    if (isa<tile::ReshapeOp>(op) || (isa<tile::ScanOp>(op) && plan.isApplied(op))) {
      return refuse(op->getName().getStringRef());
    }
    if (auto solve = dyn_cast<tile::SolveUnitLowerOp>(op); solve && plan.roles.split.contains(solve.getLower())) {
      return refuse("a system that depends on what is carried");
    }
    if (auto store = dyn_cast<tile::StoreOp>(op);
        store && (!plan.roles.split.contains(store.getValue()) || getRank(store.getValue()) != 2)) {
      return refuse("a result that does not have the columns of what is carried");
    }
    return true;
  }

  static bool isAligned(tile::InsertOp insert) {
    SmallVector<int64_t> sizes;
    if (isa<RankedTensorType>(insert.getPart().getType())) {
      llvm::append_range(sizes, tile::getTileShape(insert.getPart().getType()));
    }
    sizes.insert(sizes.begin(), insert.getOffsets().size() - sizes.size(), 1);
    ArrayRef<int64_t> whole = tile::getTileShape(insert.getX().getType());
    return llvm::all_of(llvm::zip_equal(insert.getOffsets(), sizes, whole), [](auto axis) {
      auto [at, size, all] = axis;
      APInt offset;
      return matchPattern(at, m_ConstantInt(&offset)) && offset.getSExtValue() % size == 0 &&
             (size == all || llvm::isPowerOf2_64(size));
    });
  }

  bool findInstruction() {
    for (tile::DotOp dot : plan.findProducts()) {
      precision = dot.getPrecision();
      plan.instruction = plan.prepared = machine.hooks->findProduct(precision);
      if (!plan.instruction) {
        return refuse("no matrix instruction");
      }
    }
    return plan.instruction || refuse("no products");
  }

  bool chooseWarps() {
    const MatrixInstruction *instruction = plan.instruction;
    // Few warps with many columns would read less of what was prepared, but a chunk would take them longer.
    int64_t all = plan.roles.columns, wanted = kWarps / 2;
    for (int64_t columns = all; columns >= instruction->m; columns -= instruction->m) {
      int64_t appliers = all / columns;
      bool isCloser = std::abs(appliers - wanted) < std::abs(plan.appliers - wanted);
      if (columns % instruction->m == 0 && all % columns == 0 && isCloser && appliers < kWarps) {
        plan.columns = columns;
        plan.appliers = appliers;
      }
    }
    plan.preparers = kWarps - plan.appliers;
    if (const MatrixInstruction *pairs = machine.hooks->findPairProduct(precision); pairs && usesPairs(*pairs)) {
      usePairs(*pairs);
    }
    return plan.appliers > 0 || refuse("columns that no matrix instruction has");
  }

  bool checkPairs() {
    if (plan.op.getPairs()) {
      const MatrixInstruction *pairs = machine.hooks->findPairProduct(precision);
      if (!pairs || !canBePairs(*pairs, /*applied=*/true)) {
        return refuse("operands that cannot be pairs");
      }
      usePairs(*pairs);
    }
    return true;
  }

  bool checkWarps() {
    if (plan.warps() > kWarps) {
      return refuse("more warps than a task has");
    }
    std::optional<RegisterPool> pool = machine.hooks->getRegisterPool();
    const int64_t most = std::abs(plan.moved);
    bool fits = pool && most % pool->piece == 0 && plan.firstApplier() == plan.appliers &&
                plan.appliers % pool->warps == 0 && most < plan.registers &&
                plan.registers + most <= machine.hooks->getMostRegisters();
    return plan.moved == 0 || fits || refuse("registers that cannot be moved");
  }

  /// Whether a product is as deep as instructions are.
  bool hasDepth(tile::DotOp dot, const MatrixInstruction &instruction) {
    const MatrixInstruction *half = machine.hooks->findHalf(instruction);
    return getExtent(dot.getLhs()).columns % (half ? half->k : instruction.k) == 0;
  }

  /// Whether products of one phase can be made of pairs: where operands are whole blocks, which are read at once.
  bool canBePairs(const MatrixInstruction &pairs, bool applied) {
    constexpr int64_t kBlock = 8;
    auto isWhole = [&](Value operand) {
      Value tile = skipTransposes(operand).first;
      Extent shape = getExtent(tile);
      bool isInSlot = plan.roles.split.contains(tile) || !isMadeByAppliers(tile);
      return !isInSlot || (shape.rows % kBlock == 0 && shape.columns % kBlock == 0);
    };
    return llvm::all_of(plan.findProducts(), [&](tile::DotOp dot) {
      return plan.isApplied(dot) != applied || (isWhole(dot.getLhs()) && isWhole(dot.getRhs()) && hasDepth(dot, pairs));
    });
  }

  /// Whether those that are prepared can: what is made in a branch could not be looked at behind it. Products of fewer
  /// rows than the instruction has would mostly be copies; otherwise two of them are made as one.
  bool canPreparePairs(const MatrixInstruction &pairs) {
    bool areHigh = llvm::all_of(plan.findProducts(), [&](tile::DotOp dot) {
      return plan.isApplied(dot) || getExtent(dot.getResult()).rows >= pairs.m;
    });
    return areHigh && plan.op.getPrepare().getOps<scf::IfOp>().empty() && canBePairs(pairs, /*applied=*/false);
  }

  void usePairs(const MatrixInstruction &pairs) {
    plan.instruction = &pairs;
    plan.prepared = canPreparePairs(pairs) ? &pairs : plan.prepared;
  }

  /// Whether products are better made so: if operands are few (each is looked at whether it is in range, which of many
  /// small ones costs more than it saves), and what is carried leaves registers for itself as operand and for what it
  /// was, until the chunk is known to be in range. Those that prepare may give some of theirs.
  bool usesPairs(const MatrixInstruction &pairs) {
    // Of what is prepared: with more, registers of a lane are spilled.
    constexpr size_t kMostOperands = 12;
    constexpr int64_t kMostWords = 160;
    const bool preparesPairs = canPreparePairs(pairs);
    llvm::SmallDenseSet<Value> prepared;
    int64_t words = 0;
    for (tile::DotOp dot : plan.findProducts()) {
      for (Value operand : {dot.getLhs(), dot.getRhs()}) {
        Value tile = skipTransposes(operand).first;
        if (!isMadeByAppliers(tile) && (preparesPairs || plan.isApplied(dot)) &&
            prepared.insert(tile::PipelineOp::getPrepared(tile)).second) {
          words += getExtent(tile).rows * getExtent(tile).columns / machine.hooks->getWarp();
        }
      }
    }
    // The unit of what is homogeneous takes what instructions of half the depth save.
    bool isShort = llvm::any_of(plan.findProducts(), [&](tile::DotOp dot) {
      return plan.isApplied(dot) && getExtent(dot.getLhs()).columns % pairs.k != 0;
    });
    if (isShort && !findHomogeneous(plan.op).empty()) {
      return false;
    }
    return prepared.size() <= kMostOperands && words <= kMostWords && canBePairs(pairs, /*applied=*/true) &&
           countPairing() <= countRegisters() + countGiven();
  }

  /// Registers of a lane that applies pairs: of what is carried, of fragments of that which are operands, and of
  /// others.
  int64_t countPairing() {
    llvm::DenseSet<Value> operands;
    for (tile::DotOp dot : plan.findProducts()) {
      operands.insert(skipTransposes(dot.getRhs()).first);
    }
    int64_t registers = countCarried();
    for (Value arg : plan.op.getCarried()) {
      llvm::SetVector<Value> made; // element by element
      made.insert(arg);
      for (size_t i = 0; i < made.size(); ++i) {
        for (Operation *user : made[i].getUsers()) {
          if (isElementwise(user) || isa<tile::TransposeOp>(user)) {
            made.insert(user->getResult(0));
          }
        }
      }
      bool isOperand = llvm::any_of(made, [&](Value tile) { return operands.contains(tile); });
      registers += isOperand ? plan.getCarriedPlacement(arg).registers.size() / 2 : 0;
    }
    return registers + kReading + kChecking;
  }

  /// Registers of a lane that prepares which it can do without: those that apply may have them if they carry several
  /// states, each of which is an operand in its turn. All pairs of a state alone are kept, as several products read it.
  int64_t countGiven() {
    if (plan.op.getCarried().size() < 2) {
      return 0;
    }
    int64_t largest = 0;
    for (Value tile : plan.op.getPass().getWhole()) {
      Extent shape = getExtent(tile);
      largest = std::max(largest, shape.rows * shape.columns / machine.hooks->getWarp());
    }
    return canMove() ? std::clamp<int64_t>(countRegisters() - kWorking - largest, 0, kEnough) : 0;
  }

  /// Whether whole groups of warps prepare and apply, of two tasks, and may have different numbers of registers.
  bool canMove() {
    std::optional<RegisterPool> pool = machine.hooks->getRegisterPool();
    return pool && plan.tasksAtOnce > 1 && 2 * plan.appliers == kWarps && plan.appliers % pool->warps == 0;
  }

  /// Whether those who apply have a tile in registers, not in a slot.
  bool isMadeByAppliers(Value tile) {
    bool isPassed = tile::PipelineOp::getPrepared(tile) != tile;
    return plan.roles.split.contains(tile) || (tile.getParentRegion() == &plan.op.getApply() && !isPassed);
  }

  /// Registers of a lane that applies for what is carried, and of any lane.
  int64_t countCarried() {
    int64_t carried = 0;
    for (Value arg : plan.op.getCarried()) {
      carried += plan.getCarriedPlacement(arg).registers.size();
    }
    return carried;
  }
  int64_t countRegisters() {
    const lanes::Hooks &hooks = *machine.hooks;
    return std::min(hooks.getMostRegisters(), hooks.getRegisters() / (plan.tasksAtOnce * kWarps * hooks.getWarp()));
  }

  bool checkProducts() {
    for (tile::DotOp dot : plan.findProducts()) {
      bool isSplit = plan.roles.split.contains(dot.getResult()), isApplied = plan.isApplied(dot);
      const MatrixInstruction &instruction = isApplied ? *plan.instruction : *plan.prepared;
      auto [rows, columns] = isApplied ? plan.getAppliedExtent(dot.getResult()) : getExtent(dot.getResult());
      bool fits = isSplit     ? columns % instruction.m == 0 && rows % instruction.n == 0
                  : isApplied ? holds(columns, instruction.m) && rows % instruction.n == 0
                              : holds(rows, instruction.m) && holds(columns, instruction.n);
      if (dot.getPrecision() != precision || !fits || !hasDepth(dot, instruction)) {
        return refuse("a product that is not made of matrix instructions");
      }
    }
    // What is carried, and tiles that others are inserted into, may lie in fragments as well.
    SmallVector<Value> tiles(plan.op.getCarried());
    for (auto insert : plan.op.getApply().getOps<tile::InsertOp>()) {
      tiles.push_back(insert.getResult());
    }
    for (Value arg : plan.op.getCarried()) {
      if (plan.getAppliedExtent(arg).columns > plan.instruction->m && !plan.roles.split.contains(arg)) {
        return refuse("a state of many columns, but fewer than another has"); // all who apply would have all of them
      }
    }
    for (Value tile : tiles) {
      if (getRank(tile) == 2 && !holds(getExtent(tile).rows, plan.instruction->n)) {
        return refuse("rows that no matrix instruction has");
      }
    }
    return true;
  }

  /// What is smaller than the instruction has copies.
  static bool holds(int64_t size, int64_t ofInstruction) {
    return llvm::isPowerOf2_64(size) || size % ofInstruction == 0;
  }

  bool checkRegisters() {
    int64_t warp = machine.hooks->getWarp();
    plan.registers = countRegisters();
    if (countCarried() + kWorking > plan.registers) {
      return refuse("more is carried than registers hold");
    }
    for (Operation *op : plan.roles.prepare) {
      WalkResult found = op->walk([&](Operation *inner) {
        return WalkResult(success(llvm::none_of(inner->getResults(), [&](Value value) {
          return getRank(value) == 2 && cast<RankedTensorType>(value.getType()).getNumElements() / warp > kMostPrepared;
        })));
      });
      if (found.wasInterrupted()) {
        return refuse("more is prepared than registers hold");
      }
    }
    return true;
  }

  /// Where all registers are taken and can be moved, lanes that apply leave some to those that prepare, or the other
  /// way around: whole groups of warps do the one or the other then.
  bool moveRegisters() {
    constexpr int64_t kMuch = 64; // words that are read for a chunk: with fewer, registers are not short
    if (!canMove()) {
      return true;
    }
    const int64_t piece = machine.hooks->getRegisterPool()->piece;
    int64_t pairing = plan.usesPairs() ? countPairing() : 0;
    if (pairing > plan.registers) {
      plan.moved = -llvm::alignTo(pairing - plan.registers, piece);
    } else if (countWords() >= kMuch) {
      constexpr int64_t kAtOnce = 32; // of what is read: a little less at once spares those that prepare a spill
      int64_t checking = plan.usesPairs() ? kChecking : 0;
      int64_t free = std::clamp<int64_t>(plan.registers - 2 * countCarried() - kAtOnce - checking, 0, kEnough);
      plan.moved = free / piece * piece;
    }
    plan.idle = plan.moved != 0 ? plan.appliers - plan.preparers : 0;
    return true;
  }

  /// Words of the tiles that a lane reads for a chunk.
  int64_t countWords() {
    int64_t bits = 0;
    for (auto load : plan.op.getPrepare().getOps<tile::LoadOp>()) {
      if (auto type = dyn_cast<RankedTensorType>(load.getResult().getType())) {
        Type element = cast<tile::BufferType>(load.getBuffer().getType()).getElementType();
        bits += type.getNumElements() * element.getIntOrFloatBitWidth();
      }
    }
    return bits / (32 * machine.hooks->getWarp());
  }

  // ---- slots

  bool chooseSlots() {
    plan.preparers = std::min(plan.preparers, plan.sharedBytes / (plan.slotBytes + countHandedBytes(plan.op)));
    return plan.preparers >= (plan.tasksAtOnce > 1 ? kFewestSlots : 1) ? countSlots()
                                                                       : refuse("slots that shared memory cannot hold");
  }

  /// One for each warp that prepares. Where a task is alone on a multiprocessor, they go ahead, if there is memory for
  /// as many again; where two are, the other one has what to do, and registers are short.
  bool countSlots() {
    plan.handedBytes = countHandedBytes(plan.op);
    plan.slots = 2 * plan.preparers;
    if (plan.tasksAtOnce > 1 || plan.ringBytes() > plan.sharedBytes) {
      plan.slots = plan.preparers;
    }
    return plan.ringBytes() <= plan.sharedBytes || refuse("slots that shared memory cannot hold");
  }

  tile::Precision precision = tile::Precision::f32;
  Pipeline &plan;
  const Machine &machine;
  std::string &why;
};

} // namespace

Extent Pipeline::getAppliedExtent(Value tile) const {
  Extent result = getExtent(tile);
  result.columns = roles.split.contains(tile) ? columns : result.columns;
  return result;
}

Placement Pipeline::getCarriedPlacement(Value tile) const {
  Extent shape = getAppliedExtent(tile);
  Fragments fragments(*instruction, /*turned=*/true);
  return fragments.getResults(shape.rows, shape.columns).clipped(shape.rows, shape.columns).distinct();
}

SmallVector<tile::DotOp> Pipeline::findProducts() const {
  SmallVector<tile::DotOp> products;
  op->walk([&](tile::DotOp dot) { products.push_back(dot); });
  return products;
}

static std::optional<Pipeline> startPlan(tile::PipelineOp op, const Machine &machine, int64_t tasksAtOnce,
                                         std::string &why) {
  std::optional<Roles> roles = findRoles(op, why);
  if (!roles) {
    return std::nullopt;
  }
  Pipeline plan;
  plan.op = op;
  plan.roles = *roles;
  plan.tasksAtOnce = tasksAtOnce;
  plan.sharedBytes = machine.shareMemory(tasksAtOnce);
  return plan;
}

std::optional<Pipeline> lanes::choosePipeline(tile::PipelineOp op, const Machine &machine, std::string &why) {
  for (int64_t tasksAtOnce : {2, 1}) {
    std::optional<Pipeline> plan = startPlan(op, machine, tasksAtOnce, why);
    if (plan && Planner(*plan, machine, why).choose()) {
      return plan;
    }
  }
  return std::nullopt;
}

std::optional<Pipeline> lanes::planPipeline(tile::PipelineOp op, const Machine &machine, std::string &why) {
  std::optional<Pipeline> plan = startPlan(op, machine, op.getTasks(), why);
  return plan && Planner(*plan, machine, why).follow() ? plan : std::nullopt;
}
