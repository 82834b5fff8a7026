// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles in the registers of one warp. A value is made where it is asked for: elementwise ops in the placement of their
// user, running sums, products and solves in a placement of their own, from which it goes through shared memory if
// another one is wanted.
#ifndef RWKV_LOWERING_WARPTILES_WARPTILES_H
#define RWKV_LOWERING_WARPTILES_WARPTILES_H

#include "lowering/Lanes/Hooks.h"
#include "lowering/Layout/Placement.h"
#include "lowering/TilePrograms/Memory.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

#include <functional>
#include <map>
#include <set>

namespace rwkv::warps {

using programs::Memory;

/// A tile in memory.
struct Place {
  Memory memory;
  int64_t alignment = 1; // in elements, of its first element; rows follow at memory.stride
  bool isShared = true;  // written by lanes of this warp: others must wait for each other before they read it
  bool isExact = false;  // elements are as products want them
  llvm::SmallVector<uint32_t, 4> order = {}; // of its rows
  /// Elements are f16, two of them in an element of this memory, which are multiplied by a number that lies here if
  /// they have been scaled.
  bool isPairs = false;
  mlir::Value unit = {};
  bool hasBlocks = false; // memory that lanes share, whose rows start at multiples of 16 bytes

  Rows getRows() const { return {memory.stride, order}; }
};

struct Extent {
  int64_t rows, columns; // of a vector: 1, its size
};
/// Of all of a tile.
Extent getExtent(mlir::Value tile);

/// Of many values one, pairs and then pairs of these: short chains. `together`: how many instead of two.
mlir::Value combineAll(llvm::ArrayRef<mlir::Value> values,
                       llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine, size_t together = 2);
/// As many as some machines have an instruction for.
constexpr size_t kThree = 3;

class WarpTiles {
public:
  /// What the surroundings know.
  struct Outside {
    std::function<mlir::Value(mlir::Value)> getScalar; // the value of an index or of a number from outside
    std::function<Place(mlir::Value)> find;            // where a tile from outside lies, or one that is loaded
    std::function<Place(mlir::Value)> getExchange;     // memory of this warp for a tile, for a moment
    std::function<Extent(mlir::Value)> getShape;       // of a tile, as this warp has it
    std::function<bool(mlir::Operation *)> isInside;   // whether an op is emitted here: others have been
  };

  /// Products are all made by one instruction. `entry`: where what does not change from chunk to chunk is computed.
  /// `lane`: the number of the lane in its warp. `scaled`: operands that are pairs have units; otherwise `areInRange`
  /// tells whether they can do without.
  WarpTiles(mlir::OpBuilder &b, mlir::OpBuilder &entry, mlir::Location loc, const lanes::Hooks &hooks, mlir::Value lane,
            const MatrixInstruction &instruction, bool turned, Outside outside, bool scaled = false)
      : b(b), entry(entry), loc(loc), hooks(hooks), lane(lane), turned(turned), scaled(scaled),
        outside(std::move(outside)), fragments(instruction, turned), blocks(instruction, turned, /*inMemory=*/true) {
    if (const MatrixInstruction *half = hooks.findHalf(instruction)) {
      halves.emplace(*half, turned);
    }
  }
  /// Whether a machine reads fragments in blocks.
  static bool hasBlocks(const lanes::Hooks &hooks) { return hooks.findPairProduct(tile::Precision::tf32); }
  /// Whether both operands of a product that is prepared are made of such blocks of f32, none of which is read twice.
  static bool suitBlocks(tile::DotOp dot, const MatrixInstruction &instruction, const lanes::Hooks &hooks);

  /// Another product of the same right operand, if both have half the rows of the instruction and can be made as one,
  /// of blocks of their left operands in turn.
  static tile::DotOp findStacked(tile::DotOp dot, const MatrixInstruction &instruction, const lanes::Hooks &hooks);

  /// Those of the ops that are products may be made together with others.
  void setProducts(llvm::ArrayRef<mlir::Operation *> ops) {
    products.clear();
    llvm::copy_if(ops, std::back_inserter(products), [](mlir::Operation *op) { return mlir::isa<tile::DotOp>(op); });
  }

  /// Emits code that is not always run: what it has made is forgotten.
  void inBranch(llvm::function_ref<void()> body);

  void bind(mlir::Value tile, const Place &place) { places[tile] = place; }
  void hold(mlir::Value tile, Placement placement, llvm::ArrayRef<mlir::Value> values);
  /// What has been read of a tile, which is unpacked where it is used.
  void holdWords(mlir::Value tile, const Place &from, Placement placement, llvm::ArrayRef<mlir::Value> read) {
    words[tile] = {from, std::move(placement), llvm::SmallVector<mlir::Value>(read)};
  }
  bool isMade(mlir::Value tile) const { return held.contains(tile) || places.contains(tile); }
  /// Where others have tiles, but for those that are loaded.
  void bindAll(const WarpTiles &others) {
    for (const auto &[tile, place] : others.places) {
      if (!tile.getDefiningOp<tile::LoadOp>()) {
        places[tile] = place;
      }
    }
  }
  /// What others hold of a tile.
  void hold(mlir::Value tile, const WarpTiles &others) {
    if (auto known = others.held.find(tile); known != others.held.end()) {
      held[tile] = known->second;
    }
  }
  /// The registers of a tile in a placement.
  llvm::SmallVector<mlir::Value> get(mlir::Value tile, const Placement &placement);
  /// The placement in which a tile costs least.
  Placement prefer(mlir::Value tile);
  /// Writes a tile, in the placement that it prefers. `overOthers`: where others may still be read.
  void write(mlir::Value tile, const Place &to, bool overOthers);
  /// Lanes may have written what others read, and exchanged tiles.
  void expectWrites() { unsettled = exchanged = true; }
  /// What lanes wrote is seen by the others of the warp.
  void settle();
  /// The placement of a product of this shape.
  Placement getFragments(mlir::Value tile);
  /// Whether the results of an op have a placement of their own.
  static bool isNative(mlir::Operation *op);
  /// Makes the operands of products that are not in memory as these want them, but for some tiles.
  void makeOperands(llvm::ArrayRef<mlir::Operation *> products, llvm::ArrayRef<mlir::Value> without = {});
  /// Operands that are this tile, and no pairs in memory, are multiplied by a number before.
  void multiplyOperand(mlir::Value tile, mlir::Value factor) { factors[tile] = factor; }
  /// All elements of these tiles are looked at, however many they are.
  void lookAtAll(llvm::ArrayRef<mlir::Value> tiles) { wholly.insert(tiles.begin(), tiles.end()); }
  /// Those of the ops that need the results of products among them, which they are themselves.
  static llvm::DenseSet<mlir::Operation *> findOfProducts(llvm::ArrayRef<mlir::Operation *> ops);
  /// i1, the same in all lanes: whether all operands that were made of f16 so far are in its range, none of them too
  /// large and none without an element that is large enough. Of tiles that are `exempt` none need be, if all bits of
  /// the word (i32) are set, or none.
  mlir::Value areInRange(const llvm::MapVector<mlir::Value, mlir::Value> &exempt = {});
  /// i32, the same in all lanes: the size of the largest element of the operands that are some tiles, as f16, in the
  /// upper half. Before it is asked whether all are in range.
  mlir::Value getLargest(llvm::ArrayRef<mlir::Value> tiles);
  /// If this is true, the units of tiles in memory have not been written: they are one.
  void setWithoutUnits(mlir::Value condition) { withoutUnits = condition; }
  /// The number that a value is which is no tile.
  mlir::Value getNumber(mlir::Value value);

  llvm::SmallVector<mlir::Value> load(const Place &from, const Placement &placement, mlir::Type compute) {
    return unpack(from, placement, read(from, placement), compute);
  }
  /// A load in two halves: what is read may be waited for later.
  llvm::SmallVector<mlir::Value> read(const Place &from, const Placement &placement);
  size_t countReads(const Place &from, const Placement &placement) { return groupReads(from, placement).size(); }
  llvm::SmallVector<mlir::Value> unpack(const Place &from, const Placement &placement,
                                        llvm::ArrayRef<mlir::Value> words, mlir::Type compute);
  void store(const Place &to, const Placement &placement, llvm::ArrayRef<mlir::Value> values);
  /// Elements as they are, in full rows, as wide as both sides allow: what this lane reads of them, and where it goes.
  size_t countPieces(const Place &from, const Place &to, Extent shape) {
    return llvm::divideCeil(shape.rows * shape.columns / getPiece(from, to, shape), warp());
  }
  llvm::SmallVector<mlir::Value> readRows(const Place &from, const Place &to, Extent shape);
  void writeRows(const Place &from, const Place &to, Extent shape, llvm::ArrayRef<mlir::Value> pieces);

private:
  struct Held {
    Placement placement;
    llvm::SmallVector<mlir::Value> values;
  };
  struct Words {
    Place from;
    Placement placement;
    llvm::SmallVector<mlir::Value> values;
  };
  int64_t warp() const { return hooks.getWarp(); }
  /// Whether a tile is a column of which lanes have one row each.
  bool isColumn(Extent shape) const {
    return !turned && shape.columns == 1 && shape.rows > 1 && shape.rows <= warp() && llvm::isPowerOf2_64(shape.rows);
  }
  /// Lanes side by side along the columns, or along the only one.
  Placement getPlain(Extent shape) const;
  Placement getNumberPlacement() const { return getCopies(1, warp()); }
  std::optional<llvm::SmallVector<mlir::Value>> pick(mlir::Value tile, const Placement &placement);
  llvm::SmallVector<mlir::Value> compute(mlir::Operation *op, const Placement &placement);
  llvm::SmallVector<mlir::Value> computeElementwise(mlir::Operation *op, const Placement &placement);
  std::optional<llvm::SmallVector<mlir::Value>> computeMask(mlir::Operation *comparison, const Placement &placement);
  void computeNative(mlir::Operation *op);
  llvm::SmallVector<mlir::Value> computeInsert(tile::InsertOp op, const Placement &placement);
  llvm::SmallVector<mlir::Value> exchange(mlir::Value tile, const Placement &placement);

  void computeCumsum(tile::CumsumOp op);
  void computeScan(tile::ScanOp op);
  void computeReduce(tile::ReduceOp op);
  mlir::Value shareOut(llvm::SmallVector<mlir::Value> values,
                       llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
  mlir::Value emitLargest(mlir::Value number);
  bool reduceWords(mlir::Value x, bool largest, llvm::function_ref<Coord(Coord)> rest, Placement &from,
                   llvm::SmallVector<mlir::Value> &values);
  void computeSolve(tile::SolveUnitLowerOp op);
  void computeProducts(tile::DotOp op);
  bool isReady(mlir::Value operand);
  bool isAtHand(mlir::Value tile);
  bool canJoin(tile::DotOp first, tile::DotOp other);
  bool isExact(mlir::Value operand);
  using Start = std::pair<int64_t, int64_t>; // of a fragment: row or column, and depth
  llvm::SmallVector<mlir::Value> getOperand(mlir::Value operand, bool isLeft, llvm::ArrayRef<Start> starts,
                                            bool inBlocks);
  /// The fragments of products of this depth, and the depth of an operand.
  const Fragments &fragmentsOf(int64_t depth) const {
    return halves && depth % fragments.instruction.k != 0 ? *halves : fragments;
  }
  int64_t getDepth(mlir::Value operand, bool isLeft) {
    Extent shape = outside.getShape(operand);
    return isLeft == turned ? shape.rows : shape.columns;
  }
  Placement getFragment(mlir::Value operand, bool isLeft, int64_t at, int64_t depth, bool inBlocks = false);
  Placement joinFragments(mlir::Value operand, bool isLeft, llvm::ArrayRef<Start> starts, bool inBlocks = false);
  bool isReadInBlocks(tile::DotOp dot);
  bool canStack(tile::DotOp first, tile::DotOp second);
  void computeStacked(tile::DotOp first, tile::DotOp second);

  // Left operands of so few columns that an instruction has room for them twice: it has them in two parts, what
  // rounding leaves and what it takes away.
  bool hasParts(mlir::Value left);
  static llvm::SmallVector<bool> findSecondPart(const FragmentBases &bases, int64_t rows);
  void makeParts(llvm::MutableArrayRef<mlir::Value> values, const MatrixInstruction &instruction);
  void addParts(llvm::MutableArrayRef<mlir::Value> sums, llvm::ArrayRef<Coord> registers);

  // Operands as pairs of f16.
  struct Operand {
    std::map<Start, llvm::SmallVector<mlir::Value>> fragments;
    mlir::Value unit;
    llvm::SmallVector<mlir::Value> looked; // pairs whose range is still to be looked at
    std::optional<size_t> size;            // its number in `sizes`
    bool isSampled = false;                // only some of its elements have been looked at so far
  };
  /// Pairs that have been written, whose range is still to be looked at.
  struct Unlooked {
    llvm::SmallVector<mlir::Value> written;
    std::map<std::pair<void *, bool>, llvm::SmallVector<mlir::Value>> read; // by operand and side
    std::set<std::tuple<void *, bool, Start>> starts;                       // of what has been read
  };
  bool usesPairs() const { return fragments.instruction.operandBits == 16; }
  llvm::SmallVector<mlir::Value> getPairs(mlir::Value operand, bool isLeft, llvm::ArrayRef<Start> starts);
  llvm::SmallVector<mlir::Value> getElements(mlir::Value operand, bool isLeft, Start start);
  void makeFragment(mlir::Value operand, bool isLeft, Start start, llvm::ArrayRef<mlir::Value> values);
  llvm::SmallVector<Start> getStarts(mlir::Value operand, bool isLeft);
  const Operand &makeOperand(mlir::Value operand, bool isLeft);
  llvm::ArrayRef<mlir::Value> getMade(mlir::Value operand, bool isLeft, Start start);
  std::optional<size_t> findSize(mlir::Value tile);
  mlir::Value blockAddress(const Place &place, mlir::Value pointer, llvm::ArrayRef<Coord> rowBases,
                           llvm::ArrayRef<Coord> starts);
  bool storeBlocks(const Place &to, const Placement &placement, llvm::ArrayRef<mlir::Value> values);
  llvm::SmallVector<mlir::Value> loadBlocks(const Place &from, const Placement &placement,
                                            const Place *oddFrom = nullptr);
  llvm::SmallVector<mlir::Value> unpackPairs(llvm::ArrayRef<mlir::Value> words);
  /// What has been read at once, word by word.
  llvm::SmallVector<mlir::Value> splitWords(mlir::Value read);
  llvm::SmallVector<mlir::Value> scale(llvm::ArrayRef<mlir::Value> values, mlir::Value &unit);
  mlir::Value getLargestSizes(llvm::ArrayRef<mlir::Value> pairs);
  void checkRange(llvm::ArrayRef<mlir::Value> pairs, std::optional<size_t> &number);
  void checkRange(Operand &operand);
  mlir::Value largerHalf(mlir::Value sizes);
  Operand &findOrMake(mlir::Value operand, bool isLeft);
  void checkProduct(tile::DotOp dot, llvm::ArrayRef<mlir::Value> sums, const Placement &placement);
  mlir::Value getUnit(mlir::Value operand, bool isLeft);
  void computeScaledProduct(tile::DotOp dot);
  void lookAt(mlir::Value operand, bool isLeft, llvm::ArrayRef<Start> starts, llvm::ArrayRef<mlir::Value> pairs);
  void writePairs(mlir::Value tile, const Place &to, const Placement &placement, llvm::ArrayRef<mlir::Value> values);

  llvm::SmallVector<Access> groupReads(const Place &from, const Placement &placement);
  void storeAll(const Place &to, const Placement &placement, llvm::ArrayRef<mlir::Value> values);
  void forEachAccess(const Place &place, const Placement &placement, llvm::ArrayRef<Access> accesses,
                     llvm::function_ref<void(const Access &, mlir::Value)> body);
  int64_t getPiece(const Place &from, const Place &to, Extent shape);
  void forEachPiece(int64_t width, Extent shape, llvm::function_ref<void(mlir::Value, mlir::Value, mlir::Value)> body);
  mlir::Value laneOffset(llvm::ArrayRef<int64_t> bases, bool isXor = false);
  mlir::Value combineBits(mlir::Value number, llvm::ArrayRef<int64_t> bases, bool isXor = false);
  mlir::Value laneAddress(llvm::ArrayRef<Coord> bases, const Rows &rows, uint32_t firstRow);
  static uint32_t placesOfLanes(llvm::ArrayRef<Coord> bases, const Rows &rows);
  mlir::Value addOffset(const Memory &memory, mlir::Value offset);
  mlir::Value offsetBy(mlir::Value pointer, mlir::Type element, int64_t offset);
  mlir::Value index(int64_t value) { return programs::constantIndex(b, loc, value); }
  mlir::Value zero();

  mlir::OpBuilder &b, &entry;
  mlir::Location loc;
  const lanes::Hooks &hooks;
  mlir::Value lane;
  bool turned; // products have rows as columns: columns of tiles along the rows of fragments
  bool scaled; // pairs have units
  Outside outside;
  Fragments fragments, blocks;     // which lie as they are read in blocks
  std::optional<Fragments> halves; // of half the depth
  llvm::SmallVector<mlir::Operation *> products;
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Held>> held;
  llvm::DenseMap<mlir::Value, Words> words;
  llvm::DenseMap<mlir::Value, mlir::Value> rounded;
  std::map<std::pair<std::vector<int64_t>, bool>, mlir::Value> laneOffsets;
  std::map<std::pair<void *, bool>, Operand> operands;
  llvm::MapVector<mlir::Value, Unlooked> unlooked;
  llvm::SmallVector<std::pair<mlir::Value, Operand *>> begun; // in the order in which they were begun
  llvm::DenseMap<mlir::Value, mlir::Value> units;             // of tiles in memory
  mlir::Value withoutUnits;
  llvm::DenseMap<mlir::Value, mlir::Value> factors; // of operands
  llvm::DenseSet<mlir::Value> wholly;
  llvm::SmallVector<mlir::Value> sizes;  // of each operand, the largest elements of this lane
  llvm::SmallVector<mlir::Value> others; // pairs that may be small, but not too large
  bool unsettled = false;                // lanes wrote what others may read
  bool exchanged = false;                // the memory for exchanges has been used
};

} // namespace rwkv::warps

#endif // RWKV_LOWERING_WARPTILES_WARPTILES_H
