// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/Layout/SharedMemory.h"

#include "lowering/Layout/F2.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <algorithm>
#include <tuple>

using namespace llvm;

namespace rwkv {

static bool isElementSize(unsigned bits) { return has_single_bit(bits) && bits >= 8 && bits <= 128; }

std::optional<SharedAccess> countAccess(const Layout &tile, const Layout &memory, unsigned elementBits,
                                        const Banks &banks) {
  std::optional<Layout> offsets = memory.inverse();
  if (!offsets || !tile.isDistributed() || !isElementSize(elementBits) || !has_single_bit(banks.count) ||
      !has_single_bit(banks.bytes)) {
    return std::nullopt;
  }
  std::optional<Layout> access = tile.compose(*offsets);
  if (!access || access->getOut() != Space{{Axis::offset, access->getOut().getBits()}}) {
    return std::nullopt;
  }
  access = access->orderRegisters(Axis::offset);
  uint32_t elements = getAccessElements(access->getVectorWidth(Axis::offset), elementBits);
  uint32_t accessBytes = elements * elementBits / 8;
  uint32_t lanes = access->getIn().getSize(Axis::lane);
  uint32_t phaseLanes = std::clamp(banks.count * banks.bytes / std::max(accessBytes, banks.bytes), 1u, lanes);

  f2::Span words, hit;
  auto add = [&](uint64_t offset) {
    uint64_t word = offset * (elementBits / 8) / banks.bytes;
    words.insert(word);
    hit.insert(word & (banks.count - 1));
  };
  for_each(access->getImages(Axis::reg).take_front(Log2_32(elements)), add);
  for_each(access->getImages(Axis::lane).take_front(Log2_32(phaseLanes)), add);

  f2::Span registers;
  for (uint64_t image : access->getImages(Axis::reg)) {
    registers.insert(image);
  }
  SharedAccess result;
  result.elements = elements;
  result.instructions = 1u << (registers.getRank() - Log2_32(elements));
  result.phases = result.instructions * (lanes / phaseLanes);
  result.wavefronts = result.phases << (words.getRank() - hit.getRank());
  return result;
}

std::optional<SharedPlan> chooseShared(ArrayRef<Layout> accesses, unsigned elementBits, const SharedChoice &choice) {
  if (accesses.empty() || !isElementSize(elementBits) || !has_single_bit(choice.pieceBytes)) {
    return std::nullopt;
  }
  const Space &tile = accesses.front().getOut();
  unsigned bits = tile.getBits(), piece = Log2_32(std::max(1u, choice.pieceBytes * 8 / elementBits));
  std::optional<SharedPlan> best;
  uint32_t bestInstructions = 0;
  auto consider = [&](Axis contiguous, Swizzle swizzle) {
    std::optional<Layout> memory =
        Layout::shared(tile.getSize(Axis::row), tile.getSize(Axis::column), contiguous, swizzle);
    if (!memory) {
      return;
    }
    SharedPlan plan{*memory, contiguous, swizzle, {}, 0};
    uint32_t instructions = 0;
    for (const Layout &access : accesses) {
      std::optional<SharedAccess> cost = countAccess(access, *memory, elementBits, choice.banks);
      if (!cost) {
        return;
      }
      plan.accesses.push_back(*cost);
      plan.wavefronts += cost->wavefronts;
      instructions += cost->instructions;
    }
    if (!best || std::tie(plan.wavefronts, instructions, swizzle.bits) <
                     std::tie(best->wavefronts, bestInstructions, best->swizzle.bits)) {
      best = plan;
      bestInstructions = instructions;
    }
  };
  for (Axis contiguous : {Axis::column, Axis::row}) {
    bool wanted = contiguous == Axis::column ? choice.rowsContiguous : choice.columnsContiguous;
    if (!wanted || tile.getBits(contiguous) < piece) {
      continue;
    }
    consider(contiguous, {});
    for (unsigned count = 1; 2 * count + piece <= bits; ++count) {
      for (unsigned base = piece; base + 2 * count <= bits; ++base) {
        for (unsigned shift = count; base + shift + count <= bits; ++shift) {
          consider(contiguous, {count, base, shift});
        }
      }
    }
  }
  return best;
}

} // namespace rwkv
