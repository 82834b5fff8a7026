// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Layout/Placement.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <array>
#include <limits>

using namespace rwkv;
using namespace rwkv::warps;

static Coord swap(Coord c) { return {c.column, c.row}; }

bool Placement::holds(int64_t elements) const {
  int64_t bits = llvm::count_if(lanes, [](Coord c) { return !(c == Coord{0, 0}); });
  return static_cast<int64_t>(registers.size()) << bits >= elements;
}

Placement Placement::turned() const {
  Placement result;
  llvm::append_range(result.lanes, llvm::map_range(lanes, swap));
  llvm::append_range(result.registers, llvm::map_range(registers, swap));
  return result;
}

Placement Placement::moved(int64_t rows, int64_t columns) const {
  Placement result = *this;
  for (Coord &c : result.registers) {
    c.row += rows;
    c.column += columns;
  }
  return result;
}

Placement Placement::along(int64_t axis, llvm::SmallVectorImpl<unsigned> &map) const {
  auto pick = [&](Coord c) { return Coord{0, axis == 0 ? c.row : c.column}; };
  Placement result;
  llvm::append_range(result.lanes, llvm::map_range(lanes, pick));
  for (Coord c : registers) {
    auto known = llvm::find(result.registers, pick(c));
    map.push_back(known - result.registers.begin());
    if (known == result.registers.end()) {
      result.registers.push_back(pick(c));
    }
  }
  return result;
}

Placement Placement::clipped(int64_t rows, int64_t columns) const {
  auto inside = [](uint32_t at, int64_t size) { return llvm::isPowerOf2_64(size) ? at & uint32_t(size - 1) : at; };
  auto clip = [&](Coord c) { return Coord{inside(c.row, rows), inside(c.column, columns)}; };
  Placement result;
  llvm::append_range(result.lanes, llvm::map_range(lanes, clip));
  llvm::append_range(result.registers, llvm::map_range(registers, clip));
  return result;
}

Placement Placement::distinct() const {
  Placement result{lanes, {}};
  for (Coord c : registers) {
    if (!llvm::is_contained(result.registers, c)) {
      result.registers.push_back(c);
    }
  }
  return result;
}

Placement warps::getColumns(int64_t rows, int64_t columns, int64_t warp) {
  Placement result;
  uint32_t together = columns % (4 * warp) == 0 ? 4 : columns % (2 * warp) == 0 ? 2 : 1, next = together;
  for (int64_t bit = 1; bit < warp; bit *= 2) {
    bool fits = columns % (2 * next) == 0;
    result.lanes.push_back(fits ? Coord{0, next} : Coord{0, 0});
    next = fits ? 2 * next : next;
  }
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t first = 0; first < columns; first += next) {
      for (uint32_t i = 0; i < together; ++i) {
        result.registers.push_back({row, first + i});
      }
    }
  }
  return result;
}

Placement warps::getCopies(int64_t columns, int64_t warp) {
  Placement result;
  result.lanes.resize(llvm::Log2_64(warp), Coord{0, 0});
  for (uint32_t column = 0; column < columns; ++column) {
    result.registers.push_back({0, column});
  }
  return result;
}

std::optional<Placement> warps::getPairs(const Placement &placement,
                                         llvm::SmallVectorImpl<std::pair<unsigned, unsigned>> &registers) {
  Placement result;
  for (Coord c : placement.lanes) {
    if (c.column % 2 != 0) {
      return std::nullopt;
    }
    result.lanes.push_back({c.row, c.column / 2});
  }
  for (auto [i, c] : llvm::enumerate(placement.registers)) {
    auto other = llvm::find(placement.registers, Coord{c.row, c.column ^ 1});
    if (other == placement.registers.end()) {
      return std::nullopt;
    }
    Coord pair{c.row, c.column / 2};
    if (c.column % 2 == 0 && !llvm::is_contained(result.registers, pair)) {
      result.registers.push_back(pair);
      registers.push_back({i, other - placement.registers.begin()});
    }
  }
  return result;
}

Placement warps::getBlockAccess() {
  Placement result;
  result.lanes = {{1, 0}, {2, 0}, {4, 0}};
  result.registers = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
  return result;
}

bool warps::isInBlocks(const Placement &placement) {
  constexpr uint32_t kColumns = 4;
  return placement.lanes.size() == 5 && placement.lanes[0] == Coord{0, 1} && placement.lanes[1] == Coord{0, 2} &&
         llvm::all_of(llvm::drop_begin(placement.lanes, 2), [](Coord c) { return c.column == 0; }) &&
         llvm::all_of(placement.registers, [](Coord c) { return c.column % kColumns == 0; });
}

uint32_t Rows::getPlace(uint32_t row) const {
  uint32_t place = row;
  for (auto [bit, other] : llvm::enumerate(order)) {
    place ^= row >> bit & 1 ? other : 0;
  }
  return place;
}

llvm::SmallVector<Access> warps::groupAccesses(const Placement &placement, const Rows &rows, int64_t alignment,
                                               int64_t widest) {
  auto allows = [&](int64_t width) {
    return rows.stride % width == 0 && alignment % width == 0 &&
           llvm::all_of(placement.lanes, [&](Coord c) { return c.column % width == 0; });
  };
  int64_t most = 1;
  while (most < widest && allows(2 * most)) {
    most *= 2;
  }
  llvm::SmallVector<Access> accesses;
  llvm::SmallVector<bool> taken(placement.registers.size(), false);
  for (auto [i, c] : llvm::enumerate(placement.registers)) {
    for (int64_t width = most; !taken[i] && width >= 1; width /= 2) {
      Access access{{}, c};
      for (uint32_t j = 0; j < width && c.column % width == 0; ++j) {
        auto it = llvm::find(placement.registers, Coord{c.row, c.column + j});
        unsigned number = it - placement.registers.begin();
        if (it == placement.registers.end() || taken[number]) {
          break;
        }
        access.registers.push_back(number);
      }
      if (static_cast<int64_t>(access.registers.size()) == width) {
        for (unsigned number : access.registers) {
          taken[number] = true;
        }
        accesses.push_back(access);
      }
    }
  }
  return accesses;
}

int64_t warps::countWavefronts(const Placement &placement, const Rows &rows) {
  constexpr int64_t kBanks = 32;
  llvm::SmallVector<Coord, kBanks> lanes{{0, 0}};
  for (Coord base : placement.lanes) {
    for (size_t i = 0, below = lanes.size(); i < below; ++i) {
      lanes.push_back({lanes[i].row + base.row, lanes[i].column + base.column});
    }
  }
  int64_t total = 0, count = lanes.size();
  for (const Access &access : groupAccesses(placement, rows, 4, 4)) {
    int64_t width = access.registers.size(), together = std::max<int64_t>(1, kBanks / width);
    for (int64_t first = 0; first < count; first += together) {
      std::array<llvm::SmallVector<int64_t, 2>, kBanks> words; // by the bank in which an access starts
      std::array<int64_t, kBanks> inBank = {};
      for (int64_t lane = first; lane < std::min(count, first + together); ++lane) {
        Coord c = {access.first.row + lanes[lane].row, access.first.column + lanes[lane].column};
        int64_t word = rows.getOffset(c);
        if (llvm::is_contained(words[word % kBanks], word)) {
          continue;
        }
        words[word % kBanks].push_back(word);
        for (int64_t i = 0; i < width; ++i) {
          ++inBank[(word + i) % kBanks];
        }
      }
      total += *llvm::max_element(inBank);
    }
  }
  return total;
}

/// Each placement once.
static llvm::SmallVector<Use> combineUses(llvm::ArrayRef<Use> uses) {
  llvm::SmallVector<Use> combined;
  for (const Use &use : uses) {
    auto *known = llvm::find_if(combined, [&](const Use &other) { return other.placement == use.placement; });
    if (known == combined.end()) {
      combined.push_back(use);
    } else {
      known->times += use.times;
    }
  }
  return combined;
}

Rows warps::chooseRows(llvm::ArrayRef<Use> uses, int64_t rows, int64_t columns, bool mayOrder) {
  constexpr int64_t kPiece = 4, kMostPad = 16; // columns; wide accesses stay possible
  constexpr unsigned kBits = 4;                // rows further apart than these are on their own
  Rows best;
  int64_t fewest = std::numeric_limits<int64_t>::max();
  const llvm::SmallVector<Use> placements = combineUses(uses);
  auto consider = [&](const Rows &candidate) {
    int64_t count = 0;
    for (const Use &use : placements) {
      count += use.times * countWavefronts(use.placement, candidate);
      if (count >= fewest) {
        return;
      }
    }
    best = candidate;
    fewest = count;
  };
  unsigned bits = mayOrder ? std::min<unsigned>(kBits, llvm::Log2_64_Ceil(rows)) : 0;
  for (int64_t pad = 0; pad <= kMostPad; pad += kPiece) {
    Rows candidate{columns + pad, llvm::SmallVector<uint32_t, 4>(bits, 0)};
    consider(candidate);
    for (uint32_t all = 1; all < 1u << (bits * (bits - 1) / 2); ++all) { // bit i has i bits below it
      for (unsigned bit = 0; bit < bits; ++bit) {
        candidate.order[bit] = all >> (bit * (bit - 1) / 2) & ((1u << bit) - 1);
      }
      consider(candidate);
    }
  }
  while (!best.order.empty() && best.order.back() == 0) {
    best.order.pop_back();
  }
  return best;
}

Fragments::Fragments(const MatrixInstruction &instruction, bool turned, bool inMemory)
    : instruction(instruction), turned(turned) {
  // A bit of the lane's number that is a step of the depth in a left operand is to be the step along n that it is in a
  // result; bits of registers take what is left.
  unsigned bits = llvm::Log2_64(instruction.k);
  depth.resize(bits, 0);
  uint32_t taken = 0;
  for (auto [a, c] : llvm::zip_equal(instruction.a.lane, instruction.c.lane)) {
    if (!inMemory && a.column && c.column && c.column < instruction.k) {
      depth[llvm::Log2_32(a.column)] = c.column;
      taken |= c.column;
    }
  }
  for (uint32_t &image : depth) {
    if (image == 0) {
      uint32_t free = ~taken & (instruction.k - 1);
      image = free & -free;
      taken |= image;
    }
  }
}

uint32_t Fragments::permute(uint32_t value) const {
  uint32_t result = 0;
  for (auto [bit, image] : llvm::enumerate(depth)) {
    result |= value >> bit & 1 ? image : 0;
  }
  return result;
}

/// `depthAxis`: 0 rows, 1 columns, 2 neither.
Placement Fragments::make(const FragmentBases &bases, int64_t rows, int64_t columns, unsigned depthAxis) const {
  auto place = [&](Coord c) {
    c.row = depthAxis == 0 ? permute(c.row) : c.row;
    c.column = depthAxis == 1 ? permute(c.column) : c.column;
    return turned ? swap(c) : c;
  };
  Placement result;
  llvm::append_range(result.lanes, llvm::map_range(bases.lane, place));
  for (uint32_t r = 0; r < bases.countRegisters(); ++r) {
    Coord c = place(bases.at(r));
    Coord start = turned ? Coord{uint32_t(columns), uint32_t(rows)} : Coord{uint32_t(rows), uint32_t(columns)};
    result.registers.push_back({c.row + start.row, c.column + start.column});
  }
  return result;
}

Placement Fragments::getLeft(int64_t m, int64_t k) const { return make(instruction.a, m, k, 1); }
Placement Fragments::getRight(int64_t k, int64_t n) const { return make(instruction.b, k, n, 0); }
Placement Fragments::getResult(int64_t m, int64_t n) const { return make(instruction.c, m, n, 2); }

Placement Fragments::getResults(int64_t rows, int64_t columns) const {
  int64_t tall = turned ? columns : rows, wide = turned ? rows : columns;
  Placement result;
  for (int64_t m = 0; m < tall; m += instruction.m) { // at least one of each
    for (int64_t n = 0; n < wide; n += instruction.n) {
      Placement part = getResult(m, n);
      result.lanes = part.lanes;
      llvm::append_range(result.registers, part.registers);
    }
  }
  return result;
}
