// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values that go from lane to lane, or between lanes and scalar registers.
#include "Wave.h"

#include <bit>

using namespace amdsim;

namespace {

void readFirstLane(Wave &wave, const Instruction &instruction) {
  const uint64_t active = wave.exec();
  const unsigned lane = active ? std::countr_zero(active) : 0;
  wave.scalars[instruction.operands[0].first] = wave.vectors[instruction.operands[1].first][lane];
}

void readLane(Wave &wave, const Instruction &instruction) {
  const unsigned lane = wave.readScalar(instruction.operands[2]) % kLanes;
  wave.scalars[instruction.operands[0].first] = wave.vectors[instruction.operands[1].first][lane];
}

void writeLane(Wave &wave, const Instruction &instruction) {
  const unsigned lane = wave.readScalar(instruction.operands[2]) % kLanes;
  wave.vectors[instruction.operands[0].first][lane] = wave.readScalar(instruction.operands[1]);
}

/// Every active lane gets what `from(lane)` has; of lanes that are not active, 0.
template <typename From> void gather(Wave &wave, const Instruction &instruction, const Operand &operand, From from) {
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned other = from(lane);
    result[lane] = wave.isActive(other) ? wave.vectors[operand.first][other] : 0;
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (wave.isActive(lane)) {
      wave.vectors[instruction.operands[0].first][lane] = result[lane];
    }
  }
}

void permute(Wave &wave, const Instruction &instruction) {
  const uint32_t *addresses = wave.vectors[instruction.operands[1].first];
  const uint32_t shift = uint32_t(instruction.shift);
  gather(wave, instruction, instruction.operands[2],
         [&](unsigned lane) { return (addresses[lane] + shift) / 4 % kLanes; });
}

/// The offset has three masks of 5 bits: lane & m0 | m1 ^ m2, in each half of the lanes.
void swizzle(Wave &wave, const Instruction &instruction) {
  const uint32_t pattern = instruction.word & 0xffff;
  if (pattern >> 15) {
    return wave.fail("expected a swizzle of bit masks");
  }
  constexpr unsigned kHalf = 32;
  gather(wave, instruction, instruction.operands[1], [&](unsigned lane) {
    const unsigned in = (((lane & pattern) | pattern >> 5) ^ pattern >> 10) % kHalf;
    return lane / kHalf * kHalf + in;
  });
}

constexpr Slot firstLaneSlots[] = {{scalar, 1}, {vector, 1}};
constexpr Slot readLaneSlots[] = {{scalar, 1}, {vector, 1}, {scalar | constant, 1}};
constexpr Slot writeLaneSlots[] = {{vector, 1}, {scalar | constant, 1}, {scalar | constant, 1}};
constexpr Slot permuteSlots[] = {{vector, 1}, {vector, 1}, {vector, 1}};
constexpr Slot swizzleSlots[] = {{vector, 1}, {vector, 1}};

constexpr Row rows[] = {
    {"v_readfirstlane_b32", readFirstLane, firstLaneSlots}, {"v_readlane_b32", readLane, readLaneSlots},
    {"v_writelane_b32", writeLane, writeLaneSlots},         {"ds_bpermute_b32", permute, permuteSlots, "offset "},
    {"ds_swizzle_b32", swizzle, swizzleSlots, "offset "},
};

} // namespace

std::span<const Row> amdsim::getExchangeRows() { return rows; }
