// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The memory of a work-group.
#include "Access.h"

#include <bit>

using namespace amdsim;

namespace {

/// Operand `place` is the address.
uint8_t *locate(Wave &wave, const Instruction &instruction, unsigned place, int64_t offset, unsigned lane,
                unsigned bytes, bool writes) {
  const uint32_t address = wave.vectors[instruction.operands[place].first][lane] + uint32_t(offset); // modulo 2^32
  std::vector<uint8_t> &local = wave.group.local;
  if (address > local.size() || bytes > local.size() - address) {
    wave.fail("lane " + std::to_string(lane) + (writes ? " writes " : " reads ") + std::to_string(bytes) +
              " bytes at byte " + std::to_string(address) + " of " + std::to_string(local.size()) + " of local memory");
    return nullptr;
  }
  // What has more than 8 bytes may lie at any multiple of 8, or of 4 if it has 12.
  const unsigned alignment = bytes == 12 ? 4 : std::min(bytes, 8u);
  if (address % alignment != 0) {
    wave.fail("lane " + std::to_string(lane) + ": expected an address that is a multiple of " +
              std::to_string(alignment) + ", found " + std::to_string(address));
    return nullptr;
  }
  wave.group.writes += writes;
  return local.data() + address;
}

template <Piece piece> void read(Wave &wave, const Instruction &instruction) {
  forActiveLanes(
      wave, [&](unsigned lane) { return locate(wave, instruction, 1, instruction.shift, lane, piece.bytes, false); },
      [&](unsigned lane, const uint8_t *from) { loadPiece<piece>(wave, instruction.operands[0].first, lane, from); });
}

template <Piece piece> void write(Wave &wave, const Instruction &instruction) {
  forActiveLanes(
      wave, [&](unsigned lane) { return locate(wave, instruction, 0, instruction.shift, lane, piece.bytes, true); },
      [&](unsigned lane, uint8_t *to) { storePiece<piece>(wave, instruction.operands[1].first, lane, to); });
}

// Two pieces, at offsets that count pieces, or 64 of them.

template <Piece piece, unsigned unit> void readTwo(Wave &wave, const Instruction &instruction) {
  constexpr int64_t kStep = piece.bytes * unit;
  const unsigned to = instruction.operands[0].first;
  forActiveLanes(
      wave,
      [&](unsigned lane) {
        // The address may be overwritten: both are found first.
        uint8_t *second = locate(wave, instruction, 1, instruction.otherShift * kStep, lane, piece.bytes, false);
        uint8_t *first = locate(wave, instruction, 1, instruction.shift * kStep, lane, piece.bytes, false);
        if (first && second) {
          loadPiece<piece>(wave, to + piece.words(), lane, second);
        }
        return second ? first : nullptr;
      },
      [&](unsigned lane, const uint8_t *from) { loadPiece<piece>(wave, to, lane, from); });
}

template <Piece piece, unsigned unit> void writeTwo(Wave &wave, const Instruction &instruction) {
  constexpr int64_t kStep = piece.bytes * unit;
  const std::pair<int64_t, const Operand &> parts[] = {{instruction.shift, instruction.operands[1]},
                                                       {instruction.otherShift, instruction.operands[2]}};
  for (const auto &[offset, data] : parts) {
    forActiveLanes(
        wave,
        [&, at = offset * kStep](unsigned lane) { return locate(wave, instruction, 0, at, lane, piece.bytes, true); },
        [&, first = data.first](unsigned lane, uint8_t *to) { storePiece<piece>(wave, first, lane, to); });
  }
}

template <uint32_t (*function)(uint32_t before, uint32_t data), bool returns>
void change(Wave &wave, const Instruction &instruction) {
  constexpr unsigned kAddress = returns ? 1 : 0;
  forActiveLanes(
      wave, [&](unsigned lane) { return locate(wave, instruction, kAddress, instruction.shift, lane, 4, true); },
      [&](unsigned lane, uint8_t *at) {
        uint32_t before;
        std::memcpy(&before, at, 4);
        const uint32_t after = function(before, wave.vectors[instruction.operands[kAddress + 1].first][lane]);
        std::memcpy(at, &after, 4);
        if constexpr (returns) {
          wave.vectors[instruction.operands[0].first][lane] = before;
        }
      });
}

uint32_t add(uint32_t before, uint32_t data) { return before + data; }

template <uint8_t words> constexpr Slot readSlots[] = {{vector, words}, {vector, 1}};
template <uint8_t words> constexpr Slot writeSlots[] = {{vector, 1}, {vector, words}};
template <uint8_t words> constexpr Slot writeTwoSlots[] = {{vector, 1}, {vector, words}, {vector, words}};
constexpr Slot changeSlots[] = {{vector, 1}, {vector, 1}, {vector, 1}};

constexpr const char *kOne = "offset ", *kTwo = "offset0 offset1 ";

template <Piece piece> constexpr Row makeRead(const char *name) {
  return {name, read<piece>, readSlots<piece.words()>, kOne};
}
template <Piece piece> constexpr Row makeWrite(const char *name) {
  return {name, write<piece>, writeSlots<piece.words()>, kOne};
}
template <Piece piece, unsigned unit> constexpr Row makeReadTwo(const char *name) {
  return {name, readTwo<piece, unit>, readSlots<2 * piece.words()>, kTwo};
}
template <Piece piece, unsigned unit> constexpr Row makeWriteTwo(const char *name) {
  return {name, writeTwo<piece, unit>, writeTwoSlots<piece.words()>, kTwo};
}

constexpr Row rows[] = {
    makeRead<Piece{1, Piece::zeroExtended}>("ds_read_u8"),
    makeRead<Piece{1, Piece::signExtended}>("ds_read_i8"),
    makeRead<Piece{2, Piece::zeroExtended}>("ds_read_u16"),
    makeRead<Piece{2, Piece::signExtended}>("ds_read_i16"),
    makeRead<Piece{2, Piece::low}>("ds_read_u16_d16"),
    makeRead<Piece{2, Piece::high}>("ds_read_u16_d16_hi"),
    makeRead<Piece{4}>("ds_read_b32"),
    makeRead<Piece{8}>("ds_read_b64"),
    makeRead<Piece{12}>("ds_read_b96"),
    makeRead<Piece{16}>("ds_read_b128"),
    makeReadTwo<Piece{4}, 1>("ds_read2_b32"),
    makeReadTwo<Piece{8}, 1>("ds_read2_b64"),
    makeReadTwo<Piece{4}, 64>("ds_read2st64_b32"),
    makeReadTwo<Piece{8}, 64>("ds_read2st64_b64"),
    makeWrite<Piece{1, Piece::low}>("ds_write_b8"),
    makeWrite<Piece{2, Piece::low}>("ds_write_b16"),
    makeWrite<Piece{2, Piece::high}>("ds_write_b16_d16_hi"),
    makeWrite<Piece{4}>("ds_write_b32"),
    makeWrite<Piece{8}>("ds_write_b64"),
    makeWrite<Piece{12}>("ds_write_b96"),
    makeWrite<Piece{16}>("ds_write_b128"),
    makeWriteTwo<Piece{4}, 1>("ds_write2_b32"),
    makeWriteTwo<Piece{8}, 1>("ds_write2_b64"),
    makeWriteTwo<Piece{4}, 64>("ds_write2st64_b32"),
    makeWriteTwo<Piece{8}, 64>("ds_write2st64_b64"),
    {"ds_add_u32", change<add, false>, std::span(changeSlots).subspan(1), kOne},
    {"ds_add_rtn_u32", change<add, true>, changeSlots, kOne},
};

} // namespace

std::span<const Row> amdsim::getLocalRows() { return rows; }
