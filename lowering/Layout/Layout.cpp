// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Layout/Layout.h"

#include "lowering/Layout/F2.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace llvm;

namespace rwkv {

//===----------------------------------------------------------------------===//
// Spaces
//===----------------------------------------------------------------------===//

unsigned Space::getBits() const {
  unsigned sum = 0;
  for (unsigned count : bits) {
    sum += count;
  }
  return sum;
}

unsigned Space::getBegin(Axis axis) const {
  unsigned begin = 0;
  for (unsigned i = 0; i < static_cast<unsigned>(axis); ++i) {
    begin += bits[i];
  }
  return begin;
}

bool Space::isValid() const {
  return all_of(bits, [](unsigned count) { return count < 32; }) && getBits() < 64;
}

uint64_t Space::pack(const Point &point) const {
  uint64_t number = 0;
  for (Axis axis : allAxes) {
    number |= uint64_t(point[axis]) << getBegin(axis) & getMask(axis);
  }
  return number;
}

Point Space::unpack(uint64_t number) const {
  Point point;
  for (Axis axis : allAxes) {
    point[axis] = (number & getMask(axis)) >> getBegin(axis);
  }
  return point;
}

//===----------------------------------------------------------------------===//
// Constructors
//===----------------------------------------------------------------------===//

std::optional<Layout> Layout::get(const Space &in, const Space &out, ArrayRef<uint64_t> images) {
  if (!in.isValid() || !out.isValid() || images.size() != in.getBits() ||
      any_of(images, [&](uint64_t image) { return image >> out.getBits(); })) {
    return std::nullopt;
  }
  return Layout(in, out, images);
}

static std::optional<Space> getTileSpace(uint32_t rows, uint32_t columns) {
  if (!has_single_bit(rows) || !has_single_bit(columns)) {
    return std::nullopt;
  }
  return Space{{Axis::row, Log2_32(rows)}, {Axis::column, Log2_32(columns)}};
}

std::optional<Layout> Layout::distributed(uint32_t rows, uint32_t columns, ArrayRef<Coord> reg, ArrayRef<Coord> lane,
                                          ArrayRef<Coord> warp) {
  std::optional<Space> out = getTileSpace(rows, columns);
  if (!out) {
    return std::nullopt;
  }
  SmallVector<uint64_t> images;
  for (Coord basis : concat<const Coord>(reg, lane, warp)) {
    if (basis.row >= rows || basis.column >= columns) {
      return std::nullopt;
    }
    images.push_back(out->pack({0, 0, 0, 0, basis.row, basis.column}));
  }
  Space in{{Axis::reg, reg.size()}, {Axis::lane, lane.size()}, {Axis::warp, warp.size()}};
  return get(in, *out, images);
}

std::optional<Layout> Layout::blocked(const BlockedShape &shape) {
  std::optional<Space> tile = getTileSpace(shape.rows, shape.columns);
  bool byRows = shape.contiguous == Axis::column;
  if (!tile || (!byRows && shape.contiguous != Axis::row) || !has_single_bit(shape.lanes) ||
      !has_single_bit(shape.warps) || !has_single_bit(shape.vector) ||
      shape.vector > (byRows ? shape.columns : shape.rows)) {
    return std::nullopt;
  }
  // What is left of the tile after each step, as bases in the order in which they are taken.
  SmallVector<Coord> left;
  for (Axis axis : {shape.contiguous, byRows ? Axis::row : Axis::column}) {
    for (unsigned i = 0; i < tile->getBits(axis); ++i) {
      left.push_back(axis == Axis::row ? Coord{1u << i, 0} : Coord{0, 1u << i});
    }
  }
  ArrayRef<Coord> rest = left;
  auto take = [&](unsigned bits) {
    SmallVector<Coord> taken(rest.take_front(bits));
    rest = rest.drop_front(taken.size());
    taken.resize(bits); // with copies
    return taken;
  };
  SmallVector<Coord> reg = take(Log2_32(shape.vector));
  SmallVector<Coord> lane = take(Log2_32(shape.lanes)), warp = take(Log2_32(shape.warps));
  reg.append(rest.begin(), rest.end());
  return distributed(shape.rows, shape.columns, reg, lane, warp);
}

std::optional<Layout> Layout::shared(uint32_t rows, uint32_t columns, Axis contiguous, Swizzle swizzle) {
  std::optional<Space> tile = getTileSpace(rows, columns);
  if (!tile || (contiguous != Axis::row && contiguous != Axis::column)) {
    return std::nullopt;
  }
  unsigned bits = tile->getBits(), low = tile->getBits(contiguous);
  Space in{{Axis::offset, bits}};
  bool fits = swizzle.bits <= swizzle.shift && swizzle.base <= bits && swizzle.shift <= bits &&
              swizzle.base + swizzle.shift + swizzle.bits <= bits;
  if (swizzle.bits && !fits) {
    return std::nullopt;
  }
  Axis other = contiguous == Axis::row ? Axis::column : Axis::row;
  // The number of the element at an offset without a swizzle, as a packed point.
  auto place = [&](unsigned bit) {
    return tile->pack(bit < low ? Point::at(contiguous, 1u << bit) : Point::at(other, 1u << (bit - low)));
  };
  SmallVector<uint64_t> images;
  for (unsigned bit = 0; bit < bits; ++bit) {
    bool source = bit >= swizzle.base + swizzle.shift && bit < swizzle.base + swizzle.shift + swizzle.bits;
    images.push_back(place(bit) ^ (source ? place(bit - swizzle.shift) : 0));
  }
  return get(in, *tile, images);
}

//===----------------------------------------------------------------------===//
// Access
//===----------------------------------------------------------------------===//

ArrayRef<uint64_t> Layout::getImages(Axis axis) const {
  return ArrayRef<uint64_t>(images).slice(in.getBegin(axis), in.getBits(axis));
}

SmallVector<Coord> Layout::getBases(Axis axis) const {
  return map_to_vector(getImages(axis), [&](uint64_t image) {
    Point point = out.unpack(image);
    return Coord{point.row, point.column};
  });
}

uint64_t Layout::apply(uint64_t number) const {
  uint64_t result = 0;
  for (auto [i, image] : enumerate(images)) {
    result ^= number >> i & 1 ? image : 0;
  }
  return result;
}

Coord Layout::at(uint32_t reg, uint32_t lane, uint32_t warp) const {
  Point point = apply(Point{reg, lane, warp});
  return {point.row, point.column};
}

bool Layout::isDistributed() const {
  unsigned hardware = in.getBits(Axis::reg) + in.getBits(Axis::lane) + in.getBits(Axis::warp);
  return hardware == in.getBits() && out.getBits(Axis::row) + out.getBits(Axis::column) == out.getBits();
}

std::string Layout::str() const {
  static constexpr const char *names[numAxes] = {"reg", "lane", "warp", "offset", "row", "column"};
  std::string text;
  raw_string_ostream stream(text);
  bool toTile = out.getBits() == out.getBits(Axis::row) + out.getBits(Axis::column);
  ListSeparator space(" ");
  for (Axis axis : allAxes) {
    if (!(isDistributed() && axis <= Axis::warp) && !in.getBits(axis)) {
      continue;
    }
    stream << space << names[static_cast<unsigned>(axis)] << "=[";
    ListSeparator comma(",");
    for (uint64_t image : getImages(axis)) {
      // Rows and columns even if there is one only, else the axes that there are.
      Point point = out.unpack(image);
      stream << comma << "[";
      ListSeparator inner(",");
      for (Axis to : allAxes) {
        if (toTile ? to >= Axis::row : out.getBits(to) != 0) {
          stream << inner << point[to];
        }
      }
      stream << "]";
    }
    stream << "]";
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Linear algebra
//===----------------------------------------------------------------------===//

/// The image, with lowest-numbered preimages; the kernel is what does not add to it.
static f2::Span getSpan(ArrayRef<uint64_t> images, SmallVectorImpl<uint64_t> *kernel = nullptr) {
  f2::Span span;
  for (auto [i, image] : enumerate(images)) {
    uint64_t bit = uint64_t(1) << i;
    if (!span.insert(image, bit) && kernel) {
      kernel->push_back(span.reduce({image, bit}).preimage);
    }
  }
  return span;
}

unsigned Layout::getRank() const { return getSpan(images).getRank(); }

SmallVector<uint64_t> Layout::getKernel() const {
  SmallVector<uint64_t> kernel;
  getSpan(images, &kernel);
  return kernel;
}

std::optional<Layout> Layout::compose(const Layout &outer) const {
  if (out != outer.in) {
    return std::nullopt;
  }
  return Layout(in, outer.out, map_to_vector(images, [&](uint64_t image) { return outer.apply(image); }));
}

Layout Layout::pseudoInverse() const {
  SmallVector<uint64_t> inverse(out.getBits(), 0);
  f2::Span span = getSpan(images);
  for (const f2::Span::Vector &vector : span.getBasis()) {
    inverse[Log2_64(vector.value)] = vector.preimage;
  }
  return Layout(out, in, inverse);
}

std::optional<Layout> Layout::inverse() const {
  return isInjective() && isSurjective() ? std::optional<Layout>(pseudoInverse()) : std::nullopt;
}

std::optional<Layout> Layout::product(const Layout &outer) const {
  Space newIn, newOut;
  for (Axis axis : allAxes) {
    newIn.setBits(axis, in.getBits(axis) + outer.in.getBits(axis));
    newOut.setBits(axis, out.getBits(axis) + outer.out.getBits(axis));
  }
  if (!newIn.isValid() || !newOut.isValid()) {
    return std::nullopt;
  }
  SmallVector<uint64_t> newImages;
  for (Axis axis : allAxes) {
    for (uint64_t image : getImages(axis)) {
      newImages.push_back(newOut.pack(out.unpack(image)));
    }
    for (uint64_t image : outer.getImages(axis)) {
      Point point = outer.out.unpack(image);
      for (Axis to : allAxes) {
        point[to] <<= out.getBits(to);
      }
      newImages.push_back(newOut.pack(point));
    }
  }
  return get(newIn, newOut, newImages);
}

//===----------------------------------------------------------------------===//
// Larger, smaller and turned tiles
//===----------------------------------------------------------------------===//

std::optional<Layout> Layout::repeat(Axis inAxis, Axis outAxis, uint32_t count) const {
  if (!has_single_bit(count)) {
    return std::nullopt;
  }
  unsigned bits = Log2_32(count);
  auto units = map_to_vector(seq(bits), [](unsigned i) { return uint64_t(1) << i; });
  return product(Layout({{inAxis, bits}}, {{outAxis, bits}}, units));
}

std::optional<Layout> Layout::replicate(Axis inAxis, uint32_t count) const {
  if (!has_single_bit(count)) {
    return std::nullopt;
  }
  unsigned bits = Log2_32(count);
  return product(Layout({{inAxis, bits}}, {}, SmallVector<uint64_t>(bits, 0)));
}

std::optional<Layout> Layout::tile(uint32_t rows, uint32_t columns, uint32_t warps, Axis warpAxis) const {
  uint32_t ownRows = out.getSize(Axis::row), ownColumns = out.getSize(Axis::column);
  uint32_t ownWarps = in.getSize(Axis::warp);
  if (!has_single_bit(rows) || !has_single_bit(columns) || !has_single_bit(warps) || rows < ownRows ||
      columns < ownColumns || warps < ownWarps || (warpAxis != Axis::row && warpAxis != Axis::column)) {
    return std::nullopt;
  }
  uint32_t downRows = rows / ownRows, alongColumns = columns / ownColumns;
  uint32_t &split = warpAxis == Axis::row ? downRows : alongColumns;
  uint32_t working = std::min(split, warps / ownWarps);
  split /= working;
  std::optional<Layout> result = repeat(Axis::warp, warpAxis, working);
  auto then = [&](auto step) { result = result ? step(*result) : std::nullopt; };
  then([&](const Layout &layout) { return layout.replicate(Axis::warp, warps / ownWarps / working); });
  then([&](const Layout &layout) { return layout.repeat(Axis::reg, Axis::row, downRows); });
  then([&](const Layout &layout) { return layout.repeat(Axis::reg, Axis::column, alongColumns); });
  return result;
}

Layout Layout::transpose() const {
  Space turned = out;
  turned.setBits(Axis::row, out.getBits(Axis::column));
  turned.setBits(Axis::column, out.getBits(Axis::row));
  return Layout(in, turned, map_to_vector(images, [&](uint64_t image) {
                  Point point = out.unpack(image);
                  std::swap(point.row, point.column);
                  return turned.pack(point);
                }));
}

Layout Layout::slice(Axis axis) const {
  Space newIn = in, newOut = out;
  newOut.setBits(axis, 0);
  auto project = [&](uint64_t image) { return newOut.pack(out.unpack(image)); };
  SmallVector<uint64_t> newImages;
  f2::Span registers;
  for (uint64_t image : getImages(Axis::reg)) {
    if (registers.insert(project(image))) {
      newImages.push_back(project(image));
    }
  }
  newIn.setBits(Axis::reg, newImages.size());
  for (uint64_t image : ArrayRef<uint64_t>(images).drop_front(in.getBits(Axis::reg))) {
    newImages.push_back(project(image));
  }
  return Layout(newIn, newOut, newImages);
}

//===----------------------------------------------------------------------===//
// Answers
//===----------------------------------------------------------------------===//

uint32_t Layout::getCopyMask(Axis axis) const {
  uint64_t mask = 0;
  for (uint64_t vector : getKernel()) {
    mask |= uint64_t(1) << Log2_64(vector);
  }
  return in.unpack(mask)[axis];
}

uint32_t Layout::getVectorWidth(Axis axis) const {
  unsigned begin = out.getBegin(axis), width = std::min(in.getBits(Axis::reg), out.getBits(axis));
  for (auto [i, image] : enumerate(images)) {
    // A bit that is not its own column ends the vector before it and before its lowest column.
    uint64_t coordinate = (image & out.getMask(axis)) >> begin;
    if (i < width && image == uint64_t(1) << (begin + i)) {
      continue;
    }
    width = std::min<unsigned>(width, i < in.getBits(Axis::reg) ? i : width);
    width = coordinate ? std::min<unsigned>(width, countr_zero(coordinate)) : width;
  }
  return 1u << width;
}

Layout Layout::orderRegisters(Axis axis) const {
  unsigned begin = out.getBegin(axis), width = 0, registers = in.getBits(Axis::reg);
  f2::Span span = getSpan(getImages(Axis::reg));
  while (width < out.getBits(axis) && span.contains(uint64_t(1) << (begin + width))) {
    ++width;
  }
  SmallVector<uint64_t> renamed;
  f2::Span taken;
  uint64_t low = ((uint64_t(1) << width) - 1) << begin;
  auto take = [&](uint64_t image) {
    if (taken.insert(image)) {
      renamed.push_back(image);
    }
  };
  for (unsigned i = 0; i < width; ++i) {
    take(uint64_t(1) << (begin + i));
  }
  for (uint64_t image : getImages(Axis::reg)) {
    take(image & ~low);
  }
  renamed.resize(registers, 0); // registers that held copies
  renamed.append(images.begin() + registers, images.end());
  return Layout(in, out, renamed);
}

uint32_t getAccessElements(uint32_t vectorWidth, unsigned elementBits, unsigned maxBits) {
  uint32_t most = elementBits && elementBits <= maxBits ? bit_floor(maxBits / elementBits) : 1;
  return std::max(1u, std::min(vectorWidth, most));
}

} // namespace rwkv
