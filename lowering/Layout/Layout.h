// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Layouts: which register of which lane of which warp holds which element of a tile.
//
// Every size is a power of two, so an index is a word of bits, and every layout that hardware and schedules use is
// *linear over F2*: the coordinates of an index are the xor of the coordinates of its bits (linear layouts,
// arXiv:2505.23819). A layout is then a matrix of bits, written as its *bases*: the image of each bit of each axis.
//
//   reg=[[0,1],[8,0]] lane=[[0,2],[0,4],[1,0],[2,0],[4,0]] warp=[]        16 x 8 elements, 4 a lane, 32 lanes
//
// says that register bit 0 steps one column, register bit 1 eight rows, lane bit 0 two columns, and so on: register 3
// of lane 5 has row 8 ^ 1 = 9, column 1 ^ 2 = 3. A basis of zero is a copy: both values of the bit hold the same.
//
// What a lowering asks is linear algebra. Two layouts agree where bases agree; a conversion is a change of basis
// (Movement.h); loads are as wide as the first register bits are columns; the copies are the kernel; a vector that is
// broadcast over the rows of a tile is the tile's layout with the rows left out; shared memory is one more map, from
// offsets to elements, and bank conflicts are a difference of ranks (SharedMemory.h).
//
// A wrong size or shape gives std::nullopt; nothing here aborts on what a caller passes.
#ifndef RWKV_LOWERING_LAYOUT_LAYOUT_H
#define RWKV_LOWERING_LAYOUT_LAYOUT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace rwkv {

/// The axes of indices and of coordinates. `offset` counts elements in shared memory.
enum class Axis : uint8_t { reg, lane, warp, offset, row, column };
inline constexpr unsigned numAxes = 6;
inline constexpr std::array<Axis, numAxes> allAxes = {Axis::reg,    Axis::lane, Axis::warp,
                                                      Axis::offset, Axis::row,  Axis::column};

/// An element of a tile.
struct Coord {
  uint32_t row = 0, column = 0;
  friend bool operator==(Coord a, Coord b) { return a.row == b.row && a.column == b.column; }
  friend bool operator!=(Coord a, Coord b) { return !(a == b); }
};

/// One number per axis; zero along the axes that a space does not have.
struct Point {
  uint32_t reg = 0, lane = 0, warp = 0, offset = 0, row = 0, column = 0;

  uint32_t &operator[](Axis axis) {
    return *std::array{&reg, &lane, &warp, &offset, &row, &column}[static_cast<unsigned>(axis)];
  }
  uint32_t operator[](Axis axis) const { return const_cast<Point &>(*this)[axis]; }
  static Point at(Axis axis, uint32_t value) {
    Point point;
    point[axis] = value;
    return point;
  }
};

/// A space of points: 2^bits along each axis. Its points are numbered with the first axis in the lowest bits, so a
/// smaller number means a smaller warp, then a smaller lane, then a smaller register.
class Space {
public:
  Space() = default;
  Space(std::initializer_list<std::pair<Axis, unsigned>> axes) {
    for (auto [axis, count] : axes) {
      setBits(axis, count);
    }
  }

  unsigned getBits(Axis axis) const { return bits[static_cast<unsigned>(axis)]; }
  void setBits(Axis axis, unsigned count) { bits[static_cast<unsigned>(axis)] = count; }
  unsigned getBits() const;
  uint32_t getSize(Axis axis) const { return 1u << getBits(axis); }
  /// Where the bits of an axis begin in the number of a point.
  unsigned getBegin(Axis axis) const;
  uint64_t getMask(Axis axis) const { return ((uint64_t(1) << getBits(axis)) - 1) << getBegin(axis); }
  /// At most 31 bits along each axis and 63 in all.
  bool isValid() const;

  /// Coordinates are taken modulo the sizes.
  uint64_t pack(const Point &point) const;
  Point unpack(uint64_t number) const;

  friend bool operator==(const Space &a, const Space &b) { return a.bits == b.bits; }
  friend bool operator!=(const Space &a, const Space &b) { return !(a == b); }

private:
  std::array<unsigned, numAxes> bits{};
};

/// The xor swizzle of a row of memory: offset bits [base, base + bits) are xored with the bits `shift` above them
/// (shift >= bits, so that it is its own inverse). Offsets count elements. The swizzle over 128 bytes in pieces of 16
/// bytes that copy engines know is, for elements of 2 bytes, {3, 3, 3}.
struct Swizzle {
  unsigned bits = 0, base = 0, shift = 0;
};

/// What a blocked layout is made of. Along `contiguous`, a lane holds `vector` elements in consecutive registers.
struct BlockedShape {
  uint32_t rows, columns;
  uint32_t lanes, warps;
  uint32_t vector = 1;
  Axis contiguous = Axis::column;
};

/// A linear map over F2 from one space to another.
class Layout {
public:
  /// The map that takes bit i of `in` to `images[i]`, a number of a point of `out`.
  static std::optional<Layout> get(const Space &in, const Space &out, llvm::ArrayRef<uint64_t> images);

  /// (reg, lane, warp) -> (row, column): who holds which element of a rows x columns tile.
  static std::optional<Layout> distributed(uint32_t rows, uint32_t columns, llvm::ArrayRef<Coord> reg,
                                           llvm::ArrayRef<Coord> lane, llvm::ArrayRef<Coord> warp = {});

  /// The layout of coalesced accesses: vectors, then lanes, then warps, then the registers that are left run along the
  /// contiguous axis first and along the other one next. Lanes and warps that find nothing left hold copies.
  static std::optional<Layout> blocked(const BlockedShape &shape);

  /// offset -> (row, column): a tile in shared memory, `contiguous` fastest, swizzled.
  static std::optional<Layout> shared(uint32_t rows, uint32_t columns, Axis contiguous = Axis::column,
                                      Swizzle swizzle = {});

  const Space &getIn() const { return in; }
  const Space &getOut() const { return out; }
  /// The images of the bits of an axis, in the order of the bits.
  llvm::ArrayRef<uint64_t> getImages(Axis axis) const;
  llvm::ArrayRef<uint64_t> getImages() const { return images; }
  llvm::SmallVector<Coord> getBases(Axis axis) const;

  uint64_t apply(uint64_t number) const;
  Point apply(const Point &point) const { return out.unpack(apply(in.pack(point))); }
  /// The element that a register holds.
  Coord at(uint32_t reg, uint32_t lane, uint32_t warp = 0) const;

  /// From registers, lanes and warps to rows and columns.
  bool isDistributed() const;

  // ---- linear algebra

  unsigned getRank() const;
  /// No element has two places.
  bool isInjective() const { return getRank() == in.getBits(); }
  /// Every element has a place.
  bool isSurjective() const { return getRank() == out.getBits(); }
  /// A basis of the indices that hold element zero, in reduced echelon form, highest bits ascending: x and x ^ k hold
  /// the same element.
  llvm::SmallVector<uint64_t> getKernel() const;

  /// First this map, then `outer`, whose input is the output of this one.
  std::optional<Layout> compose(const Layout &outer) const;
  /// Takes an element to the lowest-numbered of the places that hold it; zero on a complement of the image. For every
  /// map L, with P its pseudo-inverse: L P L = L and P L P = P.
  Layout pseudoInverse() const;
  /// Of a bijection.
  std::optional<Layout> inverse() const;
  /// The direct product: this map on the low bits of every axis and `outer` on the bits above them.
  std::optional<Layout> product(const Layout &outer) const;

  // ---- larger, smaller and turned tiles

  /// `count` copies of the tile beside each other along `outAxis`, told apart by new high bits of `inAxis`.
  std::optional<Layout> repeat(Axis inAxis, Axis outAxis, uint32_t count) const;
  /// `count` holders of everything instead of one: bases of zero.
  std::optional<Layout> replicate(Axis inAxis, uint32_t count) const;
  /// A fragment repeated to a rows x columns tile: over warps along `warpAxis` first (warps that find nothing left hold
  /// copies), then over registers, down the rows first.
  std::optional<Layout> tile(uint32_t rows, uint32_t columns, uint32_t warps = 1, Axis warpAxis = Axis::row) const;
  /// Rows and columns exchanged.
  Layout transpose() const;
  /// The layout of a vector that is broadcast along `axis` to this layout, and of the result of a reduction along it:
  /// that axis has size one. Of registers that then hold the same, the first is left.
  Layout slice(Axis axis) const;

  // ---- answers

  /// The bits of an input axis that tell copies apart: every element of the image has exactly one place with zeros in
  /// these bits of all axes. Who has one of them set need not store.
  uint32_t getCopyMask(Axis axis) const;
  /// How many contiguous elements along `axis`, in order and aligned, are in consecutive registers of every lane.
  uint32_t getVectorWidth(Axis axis = Axis::column) const;
  /// This layout with its registers renamed (a linear map of register indices, the same on every lane) such that the
  /// vector width along `axis` is as large as it can be.
  Layout orderRegisters(Axis axis = Axis::column) const;

  /// As in the header of this file, in attribute syntax.
  std::string str() const;

  friend bool operator==(const Layout &a, const Layout &b) {
    return a.in == b.in && a.out == b.out && a.images == b.images;
  }
  friend bool operator!=(const Layout &a, const Layout &b) { return !(a == b); }

private:
  Layout(Space in, Space out, llvm::ArrayRef<uint64_t> images) : in(in), out(out), images(images) {}

  Space in, out;
  llvm::SmallVector<uint64_t, 16> images;
};

/// How many elements one access of at most `maxBits` moves, if `vectorWidth` are contiguous.
uint32_t getAccessElements(uint32_t vectorWidth, unsigned elementBits, unsigned maxBits = 128);

} // namespace rwkv

#endif // RWKV_LOWERING_LAYOUT_LAYOUT_H
