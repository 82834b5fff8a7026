// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory that all see, by lanes and by scalar instructions, and the memory of each lane's own.
#include "Access.h"

#include <atomic>
#include <bit>
#include <optional>

using namespace amdsim;

namespace {

std::string count(unsigned bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

/// For a lane, or for all of the wave if there is none.
uint8_t *locateGlobal(Wave &wave, std::optional<unsigned> lane, uint64_t address, unsigned bytes, bool writes) {
  const Memory &memory = *wave.group.memory;
  if (memory.allows(address, bytes, writes, wave.recent)) {
    wave.group.writes += writes;
    return reinterpret_cast<uint8_t *>(address);
  }
  wave.fail((lane ? "lane " + std::to_string(*lane) : "it") + (writes ? " writes " : " reads ") + count(bytes) +
            " at " + memory.describe(address));
  return nullptr;
}

/// Operand `place` is the address, or what is added to the base, the last operand.
struct Global {
  static uint8_t *locate(Wave &wave, const Instruction &instruction, unsigned place, unsigned lane, unsigned bytes,
                         bool writes) {
    const Operand &at = instruction.operands[place], &base = instruction.operands.back();
    const uint32_t (*words)[kLanes] = &wave.vectors[at.first];
    const uint64_t start =
        base.bank == off ? words[0][lane] | uint64_t(words[1][lane]) << 32 : wave.readScalarPair(base) + words[0][lane];
    return locateGlobal(wave, lane, start + uint64_t(instruction.shift), bytes, writes);
  }
};

struct Private {
  static uint8_t *locate(Wave &wave, const Instruction &instruction, unsigned place, unsigned lane, unsigned bytes,
                         bool) {
    const Operand &at = instruction.operands[place], &base = instruction.operands.back();
    const int64_t address = instruction.shift + (at.bank == vector ? wave.vectors[at.first][lane] : 0) +
                            (base.bank == scalar ? wave.readScalar(base) : 0);
    if (address < 0 || address + bytes > wave.privateBytes) {
      wave.fail("lane " + std::to_string(lane) + " accesses " + count(bytes) + " at byte " + std::to_string(address) +
                " of " + std::to_string(wave.privateBytes) + " of its own");
      return nullptr;
    }
    return &wave.own[size_t(lane) * wave.privateBytes + size_t(address)];
  }
};

template <typename Space, Piece piece> void load(Wave &wave, const Instruction &instruction) {
  forActiveLanes(
      wave, [&](unsigned lane) { return Space::locate(wave, instruction, 1, lane, piece.bytes, /*writes=*/false); },
      [&](unsigned lane, const uint8_t *from) { loadPiece<piece>(wave, instruction.operands[0].first, lane, from); });
}

template <typename Space, Piece piece> void store(Wave &wave, const Instruction &instruction) {
  forActiveLanes(
      wave, [&](unsigned lane) { return Space::locate(wave, instruction, 0, lane, piece.bytes, /*writes=*/true); },
      [&](unsigned lane, uint8_t *to) { storePiece<piece>(wave, instruction.operands[1].first, lane, to); });
}

/// `update(place, data)` changes the word there and gives what was there before. With a result the operands are one
/// more.
template <uint32_t (*update)(uint32_t *place, const uint32_t *data), unsigned words, bool returns>
void change(Wave &wave, const Instruction &instruction) {
  constexpr unsigned kAddress = returns ? 1 : 0;
  const unsigned data = instruction.operands[kAddress + 1].first;
  forActiveLanes(
      wave, [&](unsigned lane) { return Global::locate(wave, instruction, kAddress, lane, 4, /*writes=*/true); },
      [&](unsigned lane, uint8_t *at) {
        uint32_t values[words];
        for (unsigned word = 0; word < words; ++word) {
          values[word] = wave.vectors[data + word][lane];
        }
        const uint32_t before = update(reinterpret_cast<uint32_t *>(at), values);
        if constexpr (returns) {
          wave.vectors[instruction.operands[0].first][lane] = before;
        }
      });
}

uint32_t addTo(uint32_t *place, const uint32_t *data) { return std::atomic_ref<uint32_t>(*place).fetch_add(*data); }
uint32_t orTo(uint32_t *place, const uint32_t *data) { return std::atomic_ref<uint32_t>(*place).fetch_or(*data); }
uint32_t compareAndSwap(uint32_t *place, const uint32_t *data) {
  uint32_t before = data[1];
  std::atomic_ref<uint32_t>(*place).compare_exchange_strong(before, data[0]);
  return before;
}

template <uint8_t words> void loadScalars(Wave &wave, const Instruction &instruction) {
  const Operand &base = instruction.operands[1], &more = instruction.operands[2];
  const uint64_t offset = more.bank == constant ? more.bits : wave.readScalar(more);
  const uint64_t address = wave.readScalarPair(base) + offset + uint64_t(instruction.shift);
  const uint8_t *from = locateGlobal(wave, std::nullopt, address & ~uint64_t(3), 4 * words, /*writes=*/false);
  if (from) {
    std::memcpy(&wave.scalars[instruction.operands[0].first], from, 4 * words);
  }
}

template <uint8_t words> constexpr Slot loadSlots[] = {{vector, words}, {vector, 0}, {scalar | off, 2}};
template <uint8_t words> constexpr Slot storeSlots[] = {{vector, 0}, {vector, words}, {scalar | off, 2}};
template <uint8_t words> constexpr Slot ownLoadSlots[] = {{vector, words}, {vector | off, 1}, {scalar | off, 1}};
template <uint8_t words> constexpr Slot ownStoreSlots[] = {{vector | off, 1}, {vector, words}, {scalar | off, 1}};
template <uint8_t words> constexpr Slot changeSlots[] = {{vector, 1}, {vector, 0}, {vector, words}, {scalar | off, 2}};
template <uint8_t words> constexpr Slot scalarSlots[] = {{scalar, words}, {scalar, 2}, {scalar | constant, 1}};

// Of caches, which are not there.
constexpr const char *kModifiers = "offset sc0 sc1 nt ";

template <Piece piece> constexpr Row globalLoad(const char *name) {
  return {name, load<Global, piece>, loadSlots<piece.words()>, kModifiers};
}
template <Piece piece> constexpr Row globalStore(const char *name) {
  return {name, store<Global, piece>, storeSlots<piece.words()>, kModifiers};
}
template <Piece piece> constexpr Row ownLoad(const char *name) {
  return {name, load<Private, piece>, ownLoadSlots<piece.words()>, kModifiers};
}
template <Piece piece> constexpr Row ownStore(const char *name) {
  return {name, store<Private, piece>, ownStoreSlots<piece.words()>, kModifiers};
}
template <uint8_t words> constexpr Row scalarLoad(const char *name) {
  return {name, loadScalars<words>, scalarSlots<words>, "offset "};
}
// Two rows for one name: they differ in the number of operands.
#define CHANGE(name, update, words)                                                                                    \
  Row{name, change<update, words, false>, std::span(changeSlots<words>).subspan(1), "offset sc1 nt "}, Row {           \
    name, change<update, words, true>, changeSlots<words>, kModifiers                                                  \
  }

constexpr Row rows[] = {
    globalLoad<Piece{1, Piece::zeroExtended}>("global_load_ubyte"),
    globalLoad<Piece{1, Piece::signExtended}>("global_load_sbyte"),
    globalLoad<Piece{2, Piece::zeroExtended}>("global_load_ushort"),
    globalLoad<Piece{2, Piece::signExtended}>("global_load_sshort"),
    globalLoad<Piece{2, Piece::low}>("global_load_short_d16"),
    globalLoad<Piece{2, Piece::high}>("global_load_short_d16_hi"),
    globalLoad<Piece{4}>("global_load_dword"),
    globalLoad<Piece{8}>("global_load_dwordx2"),
    globalLoad<Piece{12}>("global_load_dwordx3"),
    globalLoad<Piece{16}>("global_load_dwordx4"),
    globalStore<Piece{1, Piece::low}>("global_store_byte"),
    globalStore<Piece{2, Piece::low}>("global_store_short"),
    globalStore<Piece{2, Piece::high}>("global_store_short_d16_hi"),
    globalStore<Piece{4}>("global_store_dword"),
    globalStore<Piece{8}>("global_store_dwordx2"),
    globalStore<Piece{12}>("global_store_dwordx3"),
    globalStore<Piece{16}>("global_store_dwordx4"),

    CHANGE("global_atomic_add", addTo, 1),
    CHANGE("global_atomic_or", orTo, 1),
    CHANGE("global_atomic_cmpswap", compareAndSwap, 2),

    ownLoad<Piece{4}>("scratch_load_dword"),
    ownLoad<Piece{8}>("scratch_load_dwordx2"),
    ownLoad<Piece{12}>("scratch_load_dwordx3"),
    ownLoad<Piece{16}>("scratch_load_dwordx4"),
    ownStore<Piece{4}>("scratch_store_dword"),
    ownStore<Piece{8}>("scratch_store_dwordx2"),
    ownStore<Piece{12}>("scratch_store_dwordx3"),
    ownStore<Piece{16}>("scratch_store_dwordx4"),

    scalarLoad<1>("s_load_dword"),
    scalarLoad<2>("s_load_dwordx2"),
    scalarLoad<4>("s_load_dwordx4"),
    scalarLoad<8>("s_load_dwordx8"),
    scalarLoad<16>("s_load_dwordx16"),
};

} // namespace

std::span<const Row> amdsim::getMemoryRows() { return rows; }
