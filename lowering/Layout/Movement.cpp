// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Layout/Movement.h"

#include "lowering/Layout/F2.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace llvm;

namespace rwkv {

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

Reduction planReduction(const Layout &layout, Axis axis) {
  const Space &in = layout.getIn(), &out = layout.getOut();
  // The indices whose elements differ in `axis` only: the kernel of what is left of the map. Its basis is in echelon
  // form, so a vector whose highest bit is a register's is in the lane, one whose highest bit is a lane's in the warp,
  // and there are as many of each kind as there can be.
  SmallVector<uint64_t> others =
      map_to_vector(layout.getImages(), [&](uint64_t image) { return image & ~out.getMask(axis); });
  std::optional<Layout> projected = Layout::get(in, out, others);
  f2::Span combined;
  for (uint64_t copy : layout.getKernel()) {
    combined.insert(copy);
  }
  Reduction plan{{}, {}, {}, in.getSize(Axis::reg) - 1, layout.slice(axis)};
  for (uint64_t vector : projected->getKernel()) {
    uint64_t highest = uint64_t(1) << Log2_64(vector);
    plan.kept &= ~in.unpack(highest & in.getMask(Axis::reg)).reg;
    if (!combined.insert(vector)) {
      continue; // copies of what is combined already
    }
    Point mask = in.unpack(vector);
    auto &steps = mask.warp ? plan.throughShared : mask.lane ? plan.shuffles : plan.inLane;
    steps.push_back({mask.reg, mask.lane, mask.warp});
  }
  return plan;
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

/// For every bit of `to`, a place of `from` for its image that differs from the bit itself only along the axes
/// `movable`; nothing if a bit has none.
static std::optional<SmallVector<uint64_t>> findSource(const Layout &from, const Layout &to, ArrayRef<Axis> movable) {
  const Space &fromIn = from.getIn(), &toIn = to.getIn();
  f2::Span span;
  for (Axis axis : movable) {
    for (auto [i, image] : enumerate(from.getImages(axis))) {
      span.insert(image, uint64_t(1) << (fromIn.getBegin(axis) + i));
    }
  }
  f2::Span registers;
  for (auto [i, image] : enumerate(from.getImages(Axis::reg))) {
    registers.insert(image, uint64_t(1) << i);
  }
  SmallVector<uint64_t> source;
  for (uint64_t bit = 0; bit < toIn.getBits(); ++bit) {
    Point point = toIn.unpack(uint64_t(1) << bit);
    uint64_t target = to.getImages()[bit];
    // Whoever has it already keeps it.
    uint64_t own = point.reg ? 0 : fromIn.pack(point);
    std::optional<uint64_t> moved = registers.solve(target ^ from.apply(own));
    if (!moved) {
      moved = span.solve(target ^ from.apply(own));
    }
    if (!moved) {
      return std::nullopt;
    }
    source.push_back(*moved ^ own);
  }
  return source;
}

namespace {
/// What a lane bit adds to the register that a lane receives in a round, and to the place that it reads.
struct LaneBit {
  uint64_t received, place;
};
} // namespace

/// In a round each lane sends one register, so lanes that read from the same lane must read the same register there.
/// Lane l then receives, in round i, not register i but i ^ d(l), with d such that the lanes that it reads from are
/// different ones; or reads from a lane that holds a copy. Nothing if neither helps.
static std::optional<SmallVector<LaneBit>> chooseRounds(const Layout &from, const Layout &source) {
  const Space &oldIn = from.getIn();
  auto laneOf = [&](uint64_t place) { return place & oldIn.getMask(Axis::lane); };
  ArrayRef<uint64_t> places = source.getImages(Axis::lane);
  SmallVector<LaneBit> bits = map_to_vector(places, [](uint64_t place) { return LaneBit{0, place}; });

  SmallVector<LaneBit> detours; // a copy of the same element, or another register of the new layout
  for (uint64_t copy : from.getKernel()) {
    if (!(copy & oldIn.getMask(Axis::warp))) {
      detours.push_back({0, copy});
    }
  }
  for (auto [i, place] : enumerate(source.getImages(Axis::reg))) {
    detours.push_back({uint64_t(1) << i, place});
  }
  // Combinations of lane bits that all read from the same lane. If they read different registers there, their highest
  // bit gets something that leads to a new lane.
  f2::Span reached;
  SmallVector<std::pair<unsigned, uint64_t>> same; // highest lane bit, what they read: a register
  for (unsigned lane = 0; lane < places.size(); ++lane) {
    uint64_t combination = reached.reduce({laneOf(places[lane]), uint64_t(1) << lane}).preimage;
    if (!reached.insert(laneOf(places[lane]), uint64_t(1) << lane)) {
      same.push_back({lane, source.apply(source.getIn().pack(Point::at(Axis::lane, combination)))});
    }
  }
  f2::Span fixed; // registers that are read on one lane, with the `same` that read them
  for (auto [i, entry] : enumerate(same)) {
    auto [lane, registers] = entry;
    uint64_t equal = fixed.reduce({registers, 0}).preimage;
    if (fixed.insert(registers, uint64_t(1) << i)) {
      auto *detour = find_if(detours, [&](auto &candidate) { return !reached.contains(laneOf(candidate.place)); });
      if (detour == detours.end()) {
        return std::nullopt;
      }
      reached.insert(laneOf(detour->place));
      bits[lane] = {detour->received, places[lane] ^ detour->place};
      continue;
    }
    // These read what earlier ones read together: they go the same way.
    for (unsigned j = 0; j < i; ++j) {
      if (equal >> j & 1) {
        unsigned other = same[j].first;
        bits[lane].received ^= bits[other].received;
        bits[lane].place ^= bits[other].place ^ places[other];
      }
    }
  }
  return bits;
}

/// Fills in who receives and sends what. False if the rounds cannot be arranged.
static bool arrangeShuffles(const Layout &from, Conversion &plan) {
  std::optional<SmallVector<LaneBit>> bits = chooseRounds(from, plan.source);
  if (!bits) {
    return false;
  }
  const Space &oldIn = from.getIn(), &in = plan.source.getIn();
  auto laneOf = [&](uint64_t place) { return place & oldIn.getMask(Axis::lane); };
  auto registerOf = [&](uint64_t place) { return place & oldIn.getMask(Axis::reg); };
  SmallVector<uint64_t> readFrom = map_to_vector(*bits, [&](const LaneBit &bit) { return laneOf(bit.place); });
  Layout readers = Layout::get({{Axis::lane, bits->size()}}, oldIn, readFrom)->pseudoInverse();
  // What the lane that reads from lane s (as a place) finds there by its lane bits.
  auto readAt = [&](uint64_t lane) {
    uint64_t found = 0, reader = readers.apply(lane);
    for (auto [i, bit] : enumerate(*bits)) {
      found ^= reader >> i & 1 ? registerOf(bit.place) : 0;
    }
    return found;
  };
  Space readSpace{{Axis::reg, in.getBits(Axis::reg)}, {Axis::lane, oldIn.getBits(Axis::lane)}};
  Space sendSpace{{Axis::reg, oldIn.getBits(Axis::reg)}};
  SmallVector<uint64_t> receive, send;
  for (auto [i, place] : enumerate(plan.source.getImages())) {
    Point point = in.unpack(uint64_t(1) << i);
    if (point.lane) {
      const LaneBit &bit = (*bits)[i - in.getBegin(Axis::lane)];
      receive.push_back(readSpace.pack({uint32_t(bit.received), oldIn.unpack(bit.place).lane}));
      send.push_back(readAt(oldIn.pack(point)));
      continue;
    }
    // The reader of lane s is the one whose lane bits lead to s less what this bit adds.
    receive.push_back(readSpace.pack({point.reg, oldIn.unpack(place).lane}));
    send.push_back(registerOf(place) ^ readAt(laneOf(place)));
  }
  plan.receive = Layout::get(in, readSpace, receive);
  plan.send = Layout::get(in, sendSpace, send);
  return true;
}

std::optional<Conversion> planConversion(const Layout &from, const Layout &to) {
  const Space &oldIn = from.getIn(), &newIn = to.getIn();
  if (!from.isDistributed() || !to.isDistributed() || from.getOut() != to.getOut() ||
      oldIn.getBits(Axis::lane) != newIn.getBits(Axis::lane) ||
      oldIn.getBits(Axis::warp) != newIn.getBits(Axis::warp)) {
    return std::nullopt;
  }
  if (from == to) {
    SmallVector<uint64_t> units = map_to_vector(seq(newIn.getBits()), [](unsigned i) { return uint64_t(1) << i; });
    return Conversion{Movement::none, *Layout::get(newIn, oldIn, units), {}, {}};
  }
  auto plan = [&](Movement movement, ArrayRef<Axis> movable) -> std::optional<Conversion> {
    std::optional<SmallVector<uint64_t>> source = findSource(from, to, movable);
    if (!source) {
      return std::nullopt;
    }
    return Conversion{movement, *Layout::get(newIn, oldIn, *source), {}, {}};
  };
  // Free if the same renaming serves every lane and warp. Else a lane may still have all it needs: rounds of selects.
  auto renamed = plan(Movement::registers, {Axis::reg});
  if (renamed && none_of(ArrayRef<uint64_t>(renamed->source.getImages()).drop_front(newIn.getBits(Axis::reg)),
                         [&](uint64_t place) { return place & oldIn.getMask(Axis::reg); })) {
    return renamed;
  }
  auto shuffled = plan(Movement::shuffles, {Axis::reg, Axis::lane});
  if (shuffled && arrangeShuffles(from, *shuffled)) {
    return shuffled;
  }
  return plan(Movement::shared, {Axis::reg, Axis::lane, Axis::warp});
}

bool Conversion::isLocal(uint32_t round) const {
  if (!receive) {
    return movement <= Movement::registers;
  }
  if (receive->apply(Point{round}).lane) {
    return false;
  }
  const Space &in = receive->getIn();
  for (unsigned bit = 0; bit < in.getBits(); ++bit) {
    Point point = in.unpack(uint64_t(1) << bit);
    if (!point.reg && receive->apply(point).lane != point.lane) {
      return false;
    }
  }
  return true;
}

unsigned Conversion::countShuffles() const {
  unsigned count = 0;
  for (uint32_t round = 0; receive && round < receive->getIn().getSize(Axis::reg); ++round) {
    count += !isLocal(round);
  }
  return count;
}

bool isFree(const Layout &from, const Layout &to) {
  std::optional<Conversion> plan = planConversion(from, to);
  return plan && plan->movement <= Movement::registers;
}

//===----------------------------------------------------------------------===//
// Permutations of a contraction
//===----------------------------------------------------------------------===//

std::optional<Layout> findPermutation(const Layout &from, const Layout &to, Axis axis) {
  if (!from.isDistributed() || from.getIn() != to.getIn() || from.getOut() != to.getOut()) {
    return std::nullopt;
  }
  const Space &in = from.getIn(), &out = from.getOut();
  uint64_t mask = out.getMask(axis);
  SmallVector<std::pair<uint64_t, uint64_t>> pairs; // images under from and to
  for (unsigned bit = in.getBits(Axis::reg); bit < in.getBits(); ++bit) {
    pairs.push_back({from.getImages()[bit], to.getImages()[bit]});
  }
  auto along = [&](const Layout &layout) {
    return to_vector(make_filter_range(layout.getImages(Axis::reg), [&](uint64_t image) { return !(image & ~mask); }));
  };
  for (auto [a, b] : zip(along(from), along(to))) {
    pairs.push_back({a, b});
  }
  // The coordinates along the axis: a permutation takes the first of each pair to the second.
  f2::Span span;
  for (auto [a, b] : pairs) {
    if ((a ^ b) & ~mask) {
      return std::nullopt;
    }
    span.insert(a & mask, b & mask);
  }
  Space line{{axis, out.getBits(axis)}};
  SmallVector<uint64_t> images;
  for (unsigned bit = 0; bit < line.getBits(); ++bit) {
    std::optional<uint64_t> image = span.solve(uint64_t(1) << (out.getBegin(axis) + bit));
    if (!image) {
      return std::nullopt;
    }
    images.push_back(*image >> out.getBegin(axis));
  }
  std::optional<Layout> permutation = Layout::get(line, line, images);
  SmallVector<uint64_t> permuted = map_to_vector(from.getImages(), [&](uint64_t image) {
    return (image & ~mask) | permutation->apply((image & mask) >> out.getBegin(axis)) << out.getBegin(axis);
  });
  std::optional<Layout> renamed = Layout::get(in, out, permuted);
  return permutation->isInjective() && isFree(*renamed, to) ? permutation : std::nullopt;
}

} // namespace rwkv
