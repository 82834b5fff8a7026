// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads and stores of lanes, wherever the memory is.
#ifndef RWKV_TEST_AMDSIM_ACCESS_H
#define RWKV_TEST_AMDSIM_ACCESS_H

#include "Wave.h"

namespace amdsim {

/// What an instruction moves between memory and a lane's registers.
struct Piece {
  unsigned bytes;
  enum Part { whole, zeroExtended, signExtended, low, high } part = whole; // of a register, if it has less than 4 bytes

  constexpr uint8_t words() const { return uint8_t((bytes + 3) / 4); }
};

template <Piece piece> void loadPiece(Wave &wave, unsigned first, unsigned lane, const uint8_t *from) {
  if constexpr (piece.part == Piece::whole) {
    for (unsigned word = 0; word < piece.words(); ++word) {
      std::memcpy(&wave.vectors[first + word][lane], from + 4 * word, 4);
    }
  } else {
    uint32_t bits = 0, &to = wave.vectors[first][lane];
    std::memcpy(&bits, from, piece.bytes);
    if constexpr (piece.part == Piece::signExtended) {
      constexpr unsigned kUnused = 32 - 8 * piece.bytes;
      bits = uint32_t(int32_t(bits << kUnused) >> kUnused);
    }
    if constexpr (piece.part == Piece::low) {
      bits |= to & 0xffff0000;
    }
    if constexpr (piece.part == Piece::high) {
      bits = bits << 16 | (to & 0xffff);
    }
    to = bits;
  }
}

template <Piece piece> void storePiece(const Wave &wave, unsigned first, unsigned lane, uint8_t *to) {
  if constexpr (piece.part == Piece::whole) {
    for (unsigned word = 0; word < piece.words(); ++word) {
      std::memcpy(to + 4 * word, &wave.vectors[first + word][lane], 4);
    }
  } else {
    const uint32_t bits = wave.vectors[first][lane] >> (piece.part == Piece::high ? 16 : 0);
    std::memcpy(to, &bits, piece.bytes);
  }
}

/// Calls `access(lane, pointer)` for active lanes, while `locate(lane)` finds memory.
template <typename Locate, typename Access> void forActiveLanes(Wave &wave, Locate locate, Access access) {
  for (uint64_t left = wave.exec(); left != 0; left &= left - 1) {
    const unsigned lane = unsigned(std::countr_zero(left));
    uint8_t *pointer = locate(lane);
    if (!pointer) {
      return;
    }
    access(lane, pointer);
  }
}

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_ACCESS_H
