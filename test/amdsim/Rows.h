// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows from functions of one lane's values, or of scalar values: operands, their widths and what is written follow from
// the function's type.
#ifndef RWKV_TEST_AMDSIM_ROWS_H
#define RWKV_TEST_AMDSIM_ROWS_H

#include "Wave.h"

#include <array>
#include <bit>
#include <tuple>
#include <type_traits>

namespace amdsim {

// Parameters that are no operands of the text, and results that are more than a value.

/// What the destination held before.
template <typename T> struct Before {
  T value;
};
/// The lower half of a register.
struct Half {
  uint16_t bits;
};
/// 16 bits of the instruction.
struct Immediate {
  uint32_t bits;

  int32_t extended() const { return int16_t(bits); }
  uint32_t plain() const { return bits & 0xffff; }
};
/// The number of the lane.
struct Lane {
  unsigned number;
};
/// The lane's bit of VCC, where the text does not say so.
struct Vcc {
  bool bit;
};
/// The condition of scalar instructions; as a result, nothing else is written.
struct Scc {
  bool bit;
};
/// A bit besides the value: of a lane's function a second destination, a mask; of a scalar one SCC.
template <typename T> struct Flagged {
  T value;
  bool flag;
};

template <typename T> constexpr uint8_t kWords = sizeof(T) / sizeof(uint32_t);

template <typename T> T combine(uint32_t low, [[maybe_unused]] uint32_t high) {
  if constexpr (kWords<T> == 1) {
    return std::bit_cast<T>(low);
  } else {
    return std::bit_cast<T>(low | uint64_t(high) << 32);
  }
}
template <typename T> uint32_t wordOf(T value, unsigned word) {
  if constexpr (kWords<T> == 1) {
    return std::bit_cast<uint32_t>(value);
  } else {
    return uint32_t(std::bit_cast<uint64_t>(value) >> 32 * word);
  }
}

// ---- sources of a lane's function

/// One word of an operand for all lanes; `buffer` is used if it is not in a register of its own.
inline const uint32_t *readLanes(const Wave &wave, const Operand &operand, unsigned word, uint32_t (&buffer)[kLanes]) {
  const uint32_t *from = operand.bank == vector ? wave.vectors[operand.first + word] : nullptr;
  if (from && !operand.isNegated && !operand.isAbsolute && operand.mask == ~0u) {
    return from;
  }
  const uint32_t value = from ? 0 : wave.readScalar(operand, word);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    uint32_t bits = (from ? from[lane] : value) >> operand.shift & operand.mask;
    bits = operand.isAbsolute ? bits & 0x7fffffff : bits;
    buffer[lane] = operand.isNegated ? bits ^ 0x80000000 : bits;
  }
  return buffer;
}

template <typename T> class LaneSource {
public:
  static constexpr bool isOperand = true;
  static constexpr Slot slot{vector | scalar | constant, kWords<T>, std::is_floating_point_v<T>};
  LaneSource(const Wave &wave, const Instruction &instruction, unsigned &next) {
    for (unsigned word = 0; word < kWords<T>; ++word) {
      words[word] = readLanes(wave, instruction.operands[next], word, buffers[word]);
    }
    ++next;
  }
  LaneSource(const LaneSource &) = delete; // points to itself
  T operator[](unsigned lane) const { return combine<T>(words[0][lane], words[kWords<T> - 1][lane]); }

private:
  const uint32_t *words[kWords<T>];
  uint32_t buffers[kWords<T>][kLanes];
};

template <> class LaneSource<bool> { // a mask
public:
  static constexpr bool isOperand = true;
  static constexpr Slot slot{scalar | constant, 2};
  LaneSource(const Wave &wave, const Instruction &instruction, unsigned &next)
      : mask(wave.readScalarPair(instruction.operands[next++])) {}
  bool operator[](unsigned lane) const { return mask >> lane & 1; }

private:
  uint64_t mask;
};

template <> class LaneSource<Half> {
public:
  static constexpr bool isOperand = true;
  static constexpr Slot slot{.banks = vector | scalar | constant, .words = 1, .isHalf = true};
  LaneSource(const Wave &wave, const Instruction &instruction, unsigned &next) : bits(wave, instruction, next) {}
  Half operator[](unsigned lane) const { return {uint16_t(bits[lane])}; }

private:
  LaneSource<uint32_t> bits;
};

template <typename T> class LaneSource<Before<T>> {
public:
  static constexpr bool isOperand = false;
  LaneSource(const Wave &wave, const Instruction &instruction, unsigned &)
      : words(&wave.vectors[instruction.operands[0].first]) {}
  Before<T> operator[](unsigned lane) const { return {combine<T>(words[0][lane], words[kWords<T> - 1][lane])}; }

private:
  const uint32_t (*words)[kLanes];
};

template <> class LaneSource<Lane> {
public:
  static constexpr bool isOperand = false;
  LaneSource(const Wave &, const Instruction &, unsigned &) {}
  Lane operator[](unsigned lane) const { return {lane}; }
};

template <> class LaneSource<Vcc> {
public:
  static constexpr bool isOperand = false;
  LaneSource(const Wave &wave, const Instruction &, unsigned &) : mask(wave.readMask(kVcc)) {}
  Vcc operator[](unsigned lane) const { return {bool(mask >> lane & 1)}; }

private:
  uint64_t mask;
};

// ---- results of a lane's function: nothing is written before all lanes have been computed

template <typename T> class LaneResult {
public:
  static constexpr std::array<Slot, 1> slots{Slot{vector, kWords<T>}};
  void set(unsigned lane, T value) {
    for (unsigned word = 0; word < kWords<T>; ++word) {
      words[word][lane] = wordOf(value, word);
    }
  }
  void write(Wave &wave, const Instruction &instruction) const {
    const uint64_t active = wave.exec();
    for (unsigned word = 0; word < kWords<T>; ++word) {
      uint32_t *to = wave.vectors[instruction.operands[0].first + word];
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        to[lane] = active >> lane & 1 ? words[word][lane] : to[lane];
      }
    }
  }

private:
  uint32_t words[kWords<T>][kLanes];
};

template <> class LaneResult<bool> { // of lanes that are not active 0
public:
  static constexpr std::array<Slot, 1> slots{Slot{scalar, 2}};
  void set(unsigned lane, bool value) { mask |= uint64_t(value) << lane; }
  void write(Wave &wave, const Instruction &instruction) const {
    wave.writeMask(instruction.operands[0].first, mask & wave.exec());
  }

private:
  uint64_t mask = 0;
};

template <typename T> class LaneResult<Flagged<T>> {
public:
  static constexpr std::array<Slot, 2> slots{Slot{vector, kWords<T>}, Slot{scalar, 2}};
  void set(unsigned lane, Flagged<T> result) {
    values.set(lane, result.value);
    mask |= uint64_t(result.flag) << lane;
  }
  void write(Wave &wave, const Instruction &instruction) const {
    values.write(wave, instruction);
    wave.writeMask(instruction.operands[1].first, mask & wave.exec());
  }

private:
  LaneResult<T> values;
  uint64_t mask = 0;
};

// ---- the same of scalar functions

template <typename T> class ScalarSource {
public:
  static constexpr bool isOperand = true;
  static constexpr Slot slot{scalar | constant, kWords<T>};
  static T read(const Wave &wave, const Instruction &instruction, unsigned &next) {
    const Operand &operand = instruction.operands[next++];
    return combine<T>(wave.readScalar(operand), wave.readScalar(operand, kWords<T> - 1));
  }
};
template <> class ScalarSource<Immediate> {
public:
  static constexpr bool isOperand = true;
  static constexpr Slot slot{constant, 1};
  static Immediate read(const Wave &, const Instruction &instruction, unsigned &next) {
    return {uint32_t(instruction.operands[next++].bits)};
  }
};
template <typename T> class ScalarSource<Before<T>> {
public:
  static constexpr bool isOperand = false;
  static Before<T> read(const Wave &wave, const Instruction &instruction, unsigned &) {
    unsigned first = 0;
    return {ScalarSource<T>::read(wave, instruction, first)};
  }
};
template <> class ScalarSource<Scc> {
public:
  static constexpr bool isOperand = false;
  static Scc read(const Wave &wave, const Instruction &, unsigned &) { return {wave.scc}; }
};

template <typename T> class ScalarResult {
public:
  static constexpr std::array<Slot, 1> slots{Slot{scalar, kWords<T>}};
  static void write(Wave &wave, const Instruction &instruction, T value) {
    for (unsigned word = 0; word < kWords<T>; ++word) {
      wave.scalars[instruction.operands[0].first + word] = wordOf(value, word);
    }
  }
};
template <typename T> class ScalarResult<Flagged<T>> {
public:
  static constexpr std::array<Slot, 1> slots = ScalarResult<T>::slots;
  static void write(Wave &wave, const Instruction &instruction, Flagged<T> result) {
    ScalarResult<T>::write(wave, instruction, result.value);
    wave.scc = result.flag;
  }
};
template <> class ScalarResult<Scc> {
public:
  static constexpr std::array<Slot, 0> slots{};
  static void write(Wave &wave, const Instruction &, Scc result) { wave.scc = result.bit; }
};

// ---- rows

template <typename Result, typename... Sources> constexpr auto makeSlots() {
  std::array<Slot, Result::slots.size() + (0 + ... + (Sources::isOperand ? 1 : 0))> slots{};
  size_t next = 0;
  for (const Slot &slot : Result::slots) {
    slots[next++] = slot;
  }
  auto add = [&]<typename Source>() {
    if constexpr (Source::isOperand) {
      slots[next++] = Source::slot;
    }
  };
  (add.template operator()<Sources>(), ...);
  return slots;
}

/// Sources that are made one after the other, in place.
template <size_t number, typename Source> struct Held {
  Held(const Wave &wave, const Instruction &instruction, unsigned &next) : source(wave, instruction, next) {}
  Source source;
};
template <typename Numbers, typename... Sources> struct HeldSources;
template <size_t... numbers, typename... Sources>
struct HeldSources<std::index_sequence<numbers...>, Sources...> : Held<numbers, Sources>... {
  HeldSources(const Wave &wave, const Instruction &instruction, unsigned &next)
      : Held<numbers, Sources>(wave, instruction, next)... {}
  template <typename Function> auto call(Function function, unsigned lane) const {
    return function(Held<numbers, Sources>::source[lane]...);
  }
};

template <typename Function, typename R, typename... P> struct LaneRow {
  static constexpr size_t firstSource = LaneResult<R>::slots.size();
  static constexpr auto slots = makeSlots<LaneResult<R>, LaneSource<P>...>();
  static void execute(Wave &wave, const Instruction &instruction) {
    unsigned next = firstSource;
    const HeldSources<std::index_sequence_for<P...>, LaneSource<P>...> sources(wave, instruction, next);
    LaneResult<R> result;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      result.set(lane, sources.call(Function(), lane));
    }
    result.write(wave, instruction);
  }
};

template <typename Function, typename R, typename... P> struct ScalarRow {
  static constexpr size_t firstSource = 0;
  static constexpr auto slots = makeSlots<ScalarResult<R>, ScalarSource<P>...>();
  static void execute(Wave &wave, const Instruction &instruction) {
    [[maybe_unused]] unsigned next = ScalarResult<R>::slots.size();
    std::tuple<P...> values{ScalarSource<P>::read(wave, instruction, next)...}; // braces: in this order
    ScalarResult<R>::write(wave, instruction, std::apply(Function(), values));
  }
};

/// The row of a function R(P...) that captures nothing.
template <template <typename...> typename Rows, typename Function, typename R, typename... P>
constexpr Row makeRow(const char *name, R (*)(P...)) {
  static_assert(std::is_empty_v<Function>, "a lambda, of which another one can be made");
  using Made = Rows<Function, R, P...>;
  return {.name = name, .execute = &Made::execute, .slots = Made::slots, .firstSource = Made::firstSource};
}

/// A row whose function is given the values of one lane.
template <typename Function> constexpr Row lanes(const char *name, Function function) {
  return makeRow<LaneRow, Function>(name, +function);
}
/// A row whose function is given scalar values.
template <typename Function> constexpr Row scalars(const char *name, Function function) {
  return makeRow<ScalarRow, Function>(name, +function);
}

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_ROWS_H
