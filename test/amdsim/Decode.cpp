// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Decode.h"

#include <bit>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <llvm-c/Disassembler.h>
#include <llvm-c/Target.h>
#include <string_view>
#include <tuple>
#include <unordered_map>

using namespace amdsim;

namespace {

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

using Text = std::string_view;

bool take(Text &text, Text prefix) {
  const bool found = text.substr(0, prefix.size()) == prefix;
  text.remove_prefix(found ? prefix.size() : 0);
  return found;
}

/// A whole number, in decimal or, with 0x, in hexadecimal.
std::optional<int64_t> parseInteger(Text text) {
  const bool isNegative = take(text, "-");
  const int base = take(text, "0x") ? 16 : 10;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return isNegative ? -int64_t(value) : int64_t(value);
}

/// "12" or "[12:15]".
bool parseRegisters(Text text, Operand &operand) {
  Text last;
  if (take(text, "[")) {
    const size_t colon = text.find(':');
    if (colon == Text::npos || text.back() != ']') {
      return false;
    }
    last = text.substr(colon + 1, text.size() - colon - 2);
    text = text.substr(0, colon);
  }
  std::optional<int64_t> from = parseInteger(text), to = last.empty() ? from : parseInteger(last);
  if (!from || !to || *from < 0 || *to < *from || *to > 255) {
    return false;
  }
  operand.first = unsigned(*from);
  operand.words = unsigned(*to - *from) + 1;
  return true;
}

bool parseConstant(Text text, Operand &operand) {
  operand.bank = constant;
  if (text.find('.') != Text::npos) {
    operand.isReal = true;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), operand.real);
    return error == std::errc() && end == text.data() + text.size();
  }
  std::optional<int64_t> value = parseInteger(text);
  operand.bits = value ? uint64_t(*value) : 0;
  return value.has_value();
}

bool parseOperand(Text text, Operand &operand) {
  static const struct {
    Text name;
    Bank bank;
    unsigned first, words;
  } kNamed[] = {{"vcc", scalar, kVcc, 2},        {"vcc_lo", scalar, kVcc, 1},
                {"vcc_hi", scalar, kVcc + 1, 1}, {"exec", scalar, kExec, 2},
                {"exec_lo", scalar, kExec, 1},   {"exec_hi", scalar, kExec + 1, 1},
                {"m0", scalar, kM0, 1},          {"off", off, 0, 0}};
  const bool isNumber = !text.empty() && (isdigit(text[0]) || (text.size() > 1 && text[0] == '-' && isdigit(text[1])));
  if (isNumber) {
    return parseConstant(text, operand);
  }
  operand.isNegated = take(text, "-");
  if (text.size() > 2 && text.front() == '|' && text.back() == '|') {
    operand.isAbsolute = true;
    text = text.substr(1, text.size() - 2);
  }
  for (const auto &named : kNamed) {
    if (text == named.name) {
      operand.bank = named.bank;
      operand.first = named.first;
      operand.words = named.words;
      return true;
    }
  }
  if (text.empty() || (text[0] != 'v' && text[0] != 'a' && text[0] != 's') ||
      !parseRegisters(text.substr(1), operand)) {
    return false;
  }
  operand.bank = text[0] == 's' ? scalar : vector;
  operand.first += text[0] == 'a' ? kFirstAccumulator : 0;
  return true;
}

/// The text without the encoding's suffix, operands and modifiers. Returns what could not be understood.
std::string parse(Text text, Instruction &instruction) {
  instruction.text = text;
  const size_t space = text.find(' ');
  Text name = text.substr(0, space);
  for (Text suffix : {"_e32", "_e64", "_sdwa"}) {
    if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) {
      name.remove_suffix(suffix.size());
      instruction.hasParts = suffix == "_sdwa";
    }
  }
  instruction.name = name;
  text = space == Text::npos ? Text() : text.substr(space + 1);
  while (!text.empty()) {
    const size_t comma = text.find(", ");
    Text part = text.substr(0, comma);
    text = comma == Text::npos ? Text() : text.substr(comma + 2);
    // Modifiers follow the last operand.
    for (bool isFirst = true; !part.empty(); isFirst = false) {
      const size_t end = part.find(' ');
      const Text word = part.substr(0, end);
      part = end == Text::npos ? Text() : part.substr(end + 1);
      if (isFirst) {
        if (!parseOperand(word, instruction.operands.emplace_back())) {
          return std::string(word);
        }
        continue;
      }
      const size_t colon = word.find(':');
      instruction.modifiers.emplace(word.substr(0, colon), colon == Text::npos ? Text() : word.substr(colon + 1));
    }
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

const std::unordered_multimap<Text, const Row *> &getRows() {
  static const std::unordered_multimap<Text, const Row *> all = [] {
    std::unordered_multimap<Text, const Row *> all;
    for (std::span<const Row> family :
         {getControlRows(), getScalarRows(), getIntegerRows(), getFloatRows(), getCompareRows(), getExchangeRows(),
          getMemoryRows(), getLocalRows(), getMatrixRows()}) {
      for (const Row &row : family) {
        all.emplace(row.name, &row);
      }
    }
    return all;
  }();
  return all;
}

/// Whether the operand fits; the bits of a constant are made for its width.
std::string bindOperand(const Slot &slot, const Registers &registers, Operand &operand) {
  if (!(slot.banks & operand.bank)) {
    return "of a kind that is not expected";
  }
  if ((operand.isNegated || operand.isAbsolute) && !slot.isReal) {
    return "negated, where an integer is expected";
  }
  if (operand.bank == constant) {
    if (operand.isReal && slot.isHalf) {
      return "a number of 16 bits";
    }
    if (operand.isReal) {
      operand.bits = slot.words == 2 ? std::bit_cast<uint64_t>(operand.real)
                                     : std::bit_cast<uint32_t>(static_cast<float>(operand.real));
    } else if (slot.words == 2 && int64_t(operand.bits) > INT32_MAX) {
      return "a literal of which it is not known how it is extended";
    }
    return "";
  }
  if (operand.bank != off && slot.words != 0 && operand.words != slot.words) {
    return "expected to have " + std::to_string(slot.words) + " registers";
  }
  if (operand.bank == vector) {
    const bool isAccumulator = operand.first >= kFirstAccumulator;
    const unsigned first = operand.first - (isAccumulator ? kFirstAccumulator : 0);
    const unsigned most = isAccumulator ? registers.accumulators : registers.vectors;
    if (first + operand.words > most) {
      return "beyond the " + std::to_string(most) + " registers of the kernel";
    }
  }
  return "";
}

/// Which bits of the sources count, and that all of the result is written. Says what is not implemented.
std::string bindParts(const Row &row, Instruction &instruction) {
  static const std::map<Text, std::pair<unsigned, uint32_t>> kParts = {
      {"DWORD", {0, ~0u}},    {"BYTE_0", {0, 0xff}},   {"BYTE_1", {8, 0xff}},   {"BYTE_2", {16, 0xff}},
      {"BYTE_3", {24, 0xff}}, {"WORD_0", {0, 0xffff}}, {"WORD_1", {16, 0xffff}}};
  if (instruction.modifiers["dst_sel"] != "DWORD" || row.firstSource == 0) {
    return "a result that is a part of a register is not implemented";
  }
  for (size_t i = 0; i < 2; ++i) {
    auto part = kParts.find(instruction.modifiers["src" + std::to_string(i) + "_sel"]);
    if (part != kParts.end() && row.firstSource + i < instruction.operands.size()) {
      Operand &operand = instruction.operands[row.firstSource + i];
      std::tie(operand.shift, operand.mask) = part->second;
    }
  }
  for (const char *known : {"dst_sel", "dst_unused", "src0_sel", "src1_sel"}) {
    instruction.modifiers.erase(known);
  }
  return "";
}

std::string bind(const Row &row, const Registers &registers, Instruction &instruction) {
  if (row.takesAnything) {
    return "";
  }
  if (instruction.operands.size() != row.slots.size()) {
    return "expected " + std::to_string(row.slots.size()) + " operands";
  }
  for (size_t i = 0; i < row.slots.size(); ++i) {
    std::string why = bindOperand(row.slots[i], registers, instruction.operands[i]);
    if (!why.empty()) {
      return "operand " + std::to_string(i) + " is " + why;
    }
  }
  if (instruction.hasParts) {
    std::string why = bindParts(row, instruction);
    if (!why.empty()) {
      return why;
    }
  }
  for (const auto &[name, value] : instruction.modifiers) {
    if (Text(row.modifiers).find(name + " ") == Text::npos) {
      return "the modifier " + name + " is not implemented";
    }
    const int64_t number = parseInteger(value).value_or(0);
    if (name == "offset" || name == "offset0") {
      instruction.shift = number;
    } else if (name == "offset1") {
      instruction.otherShift = number;
    }
  }
  return "";
}

/// Gives the instruction a row; the reason if there is none.
std::string findRow(const Registers &registers, Instruction &instruction, const std::string &unknown) {
  std::string why = "this instruction is not implemented";
  auto [begin, end] = getRows().equal_range(instruction.name);
  for (auto it = begin; it != end; ++it) {
    const Row &row = *it->second;
    if (!unknown.empty() && !row.takesAnything) {
      why = "the operand " + unknown + " is not implemented";
      continue;
    }
    why = bind(row, registers, instruction);
    if (why.empty()) {
      instruction.row = &row;
      return "";
    }
  }
  return why;
}

//===----------------------------------------------------------------------===//
// Machine code
//===----------------------------------------------------------------------===//

struct Disassembler {
  explicit Disassembler(const char *chip) {
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUDisassembler();
    context = LLVMCreateDisasmCPU("amdgcn-amd-amdhsa", chip, nullptr, 0, nullptr, nullptr);
  }
  ~Disassembler() {
    if (context) {
      LLVMDisasmDispose(context);
    }
  }
  Disassembler(const Disassembler &) = delete;

  /// The number of bytes, 0 if there is no instruction.
  unsigned read(std::span<const uint8_t> code, size_t at, std::string &text) const {
    char buffer[512];
    const size_t size = LLVMDisasmInstruction(context, const_cast<uint8_t *>(code.data()) + at, code.size() - at, at,
                                              buffer, sizeof(buffer));
    text.clear();
    for (const char *c = buffer; size != 0 && *c; ++c) {
      const char next = *c == '\t' ? ' ' : *c;
      if (next != ' ' || (!text.empty() && text.back() != ' ')) {
        text += next;
      }
    }
    while (!text.empty() && text.back() == ' ') {
      text.pop_back();
    }
    return unsigned(size);
  }

  LLVMDisasmContextRef context;
};

/// Jumps name a distance in words from the next instruction.
bool resolveJumps(std::vector<Instruction> &program, std::string &error) {
  std::unordered_map<int64_t, unsigned> numbers;
  for (size_t i = 0; i < program.size(); ++i) {
    numbers[program[i].offset] = unsigned(i);
  }
  for (Instruction &instruction : program) {
    if (instruction.row->next != Row::Next::mayJump) {
      continue;
    }
    const int64_t next = instruction.offset + instruction.size;
    auto target = numbers.find(next + 4 * int64_t(int16_t(instruction.operands[0].bits)));
    if (target == numbers.end()) {
      error = locate(instruction) + "expected to jump to an instruction";
      return false;
    }
    instruction.target = target->second;
  }
  return true;
}

} // namespace

std::string amdsim::locate(const Instruction &instruction) {
  char at[32];
  snprintf(at, sizeof(at), "byte 0x%x: ", instruction.offset);
  return at + instruction.text + ": ";
}

std::optional<std::vector<Instruction>> amdsim::decode(std::span<const uint8_t> code, const char *chip,
                                                       const Registers &registers, std::string &error) {
  const Disassembler disassembler(chip);
  if (!disassembler.context) {
    error = std::string("expected a chip that LLVM knows, found ") + chip;
    return std::nullopt;
  }
  std::vector<Instruction> program;
  for (size_t at = 0; at < code.size(); at += program.back().size) {
    Instruction &instruction = program.emplace_back();
    std::string text;
    instruction.offset = unsigned(at);
    instruction.size = disassembler.read(code, at, text);
    if (instruction.size < 4) {
      error = locate(instruction) + "expected an instruction";
      return std::nullopt;
    }
    memcpy(&instruction.word, code.data() + at, sizeof(instruction.word));
    const std::string unknown = parse(text, instruction);
    const std::string why = findRow(registers, instruction, unknown);
    if (!why.empty()) {
      error = locate(instruction) + why;
      return std::nullopt;
    }
  }
  if (!resolveJumps(program, error)) {
    return std::nullopt;
  }
  return program;
}
