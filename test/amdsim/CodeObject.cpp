// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CodeObject.h"

#include "Decode.h"

#include <cstring>
#include <llvm/BinaryFormat/ELF.h>
#include <llvm/Support/AMDHSAKernelDescriptor.h>

using namespace amdsim;
using namespace llvm::ELF;
using llvm::amdhsa::kernel_descriptor_t;

namespace {

/// The chips whose instructions the tables are written for.
constexpr struct {
  uint32_t flags;
  const char *name;
} kChips[] = {{EF_AMDGPU_MACH_AMDGCN_GFX942, "gfx942"}};

class Reader {
public:
  Reader(std::span<const uint8_t> file, std::string &error) : file(file), error(error) {}

  std::optional<std::vector<Kernel>> run() {
    std::vector<Kernel> kernels;
    if (!readHeader() || !readSections()) {
      return std::nullopt;
    }
    for (const Elf64_Sym &symbol : symbols) {
      std::string name = nameOf(symbol);
      constexpr std::string_view kSuffix = ".kd";
      if (name.size() <= kSuffix.size() || name.substr(name.size() - kSuffix.size()) != kSuffix) {
        continue;
      }
      name.resize(name.size() - kSuffix.size());
      if (!readKernel(symbol, kernels.emplace_back(name))) {
        error = "kernel \"" + name + "\": " + error;
        return std::nullopt;
      }
    }
    if (kernels.empty()) {
      fail("expected a kernel, found none");
      return std::nullopt;
    }
    return kernels;
  }

private:
  bool fail(std::string reason) {
    error = std::move(reason);
    return false;
  }

  /// What lies in the file, a copy: nothing in it needs to be aligned.
  template <typename T> bool read(uint64_t offset, T &value) const {
    if (offset > file.size() || sizeof(T) > file.size() - offset) {
      return false;
    }
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return true;
  }

  bool readHeader() {
    if (!read(0, header) || !header.checkMagic() || header.getFileClass() != ELFCLASS64 ||
        header.e_machine != EM_AMDGPU || header.e_type != ET_DYN) {
      return fail("expected a linked ELF file for AMD GPUs");
    }
    const uint32_t flags = header.e_flags & EF_AMDGPU_MACH;
    for (const auto &known : kChips) {
      chip = known.flags == flags ? known.name : chip;
    }
    if (!chip) {
      return fail("expected code for " + std::string(kChips[0].name) + ", found another chip, number " +
                  std::to_string(flags));
    }
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      if (!read(header.e_phoff + uint64_t(i) * sizeof(segment), segment)) {
        return fail("expected program headers, found the end of the file");
      }
      if (segment.p_type == PT_LOAD) {
        segments.push_back(segment);
      }
    }
    return true;
  }

  bool readSections() {
    for (unsigned i = 0; i < header.e_shnum; ++i) {
      Elf64_Shdr section, names;
      if (!read(header.e_shoff + uint64_t(i) * sizeof(section), section)) {
        return fail("expected section headers, found the end of the file");
      }
      if ((section.sh_type == SHT_RELA || section.sh_type == SHT_REL) && section.sh_size != 0) {
        return fail("expected code without relocations");
      }
      if (section.sh_type != SHT_DYNSYM) {
        continue;
      }
      if (!read(header.e_shoff + uint64_t(section.sh_link) * sizeof(names), names)) {
        return fail("expected names of symbols");
      }
      strings = names.sh_offset;
      for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
        if (!read(section.sh_offset + at, symbols.emplace_back())) {
          return fail("expected symbols, found the end of the file");
        }
      }
    }
    return true;
  }

  std::string nameOf(const Elf64_Sym &symbol) const {
    std::string name;
    for (uint64_t at = strings + symbol.st_name; at < file.size() && file[at] != 0; ++at) {
      name += char(file[at]);
    }
    return name;
  }

  /// Where in the file an address is; nothing if so many bytes from there are not in it.
  std::optional<uint64_t> locate(uint64_t address, uint64_t size) const {
    for (const Elf64_Phdr &segment : segments) {
      if (address >= segment.p_vaddr && address - segment.p_vaddr <= segment.p_filesz &&
          size <= segment.p_filesz - (address - segment.p_vaddr)) {
        const uint64_t offset = segment.p_offset + (address - segment.p_vaddr);
        return offset <= file.size() && size <= file.size() - offset ? std::optional(offset) : std::nullopt;
      }
    }
    return std::nullopt;
  }

  bool readKernel(const Elf64_Sym &symbol, Kernel &kernel) {
    kernel_descriptor_t descriptor;
    std::optional<uint64_t> at = locate(symbol.st_value, sizeof(descriptor));
    if (!at || !read(*at, descriptor)) {
      return fail("expected a descriptor");
    }
    const uint64_t entry = symbol.st_value + uint64_t(descriptor.kernel_code_entry_byte_offset);
    const Elf64_Sym *code = nullptr;
    for (const Elf64_Sym &other : symbols) {
      code = other.getType() == STT_FUNC && other.st_value == entry ? &other : code;
    }
    std::optional<uint64_t> from = code ? locate(entry, code->st_size) : std::nullopt;
    if (!from) {
      return fail("expected its code");
    }
    Registers registers;
    if (!readDescriptor(descriptor, kernel, registers)) {
      return false;
    }
    std::optional<std::vector<Instruction>> program =
        decode(file.subspan(*from, code->st_size), chip, registers, error);
    if (program) {
      kernel.program = std::move(*program);
    }
    return program.has_value();
  }

  bool readDescriptor(const kernel_descriptor_t &descriptor, Kernel &kernel, Registers &registers) {
    namespace hsa = llvm::amdhsa;
    const uint32_t mode = descriptor.compute_pgm_rsrc1, setup = descriptor.compute_pgm_rsrc2;
    // Numbers are rounded to nearest, and subnormal ones are kept.
    constexpr uint32_t kKeepsAll = hsa::FLOAT_DENORM_MODE_FLUSH_NONE, kNearest = hsa::FLOAT_ROUND_MODE_NEAR_EVEN;
    if (AMDHSA_BITS_GET(mode, hsa::COMPUTE_PGM_RSRC1_FLOAT_ROUND_MODE_32) != kNearest ||
        AMDHSA_BITS_GET(mode, hsa::COMPUTE_PGM_RSRC1_FLOAT_DENORM_MODE_32) != kKeepsAll) {
      return fail("expected numbers to be rounded to nearest, and subnormal ones to be kept");
    }
    const uint32_t asked = descriptor.kernel_code_properties;
    const bool hasParameters = AMDHSA_BITS_GET(asked, hsa::KERNEL_CODE_PROPERTY_ENABLE_SGPR_KERNARG_SEGMENT_PTR);
    const uint32_t known = hsa::KERNEL_CODE_PROPERTY_ENABLE_SGPR_KERNARG_SEGMENT_PTR;
    if (asked & ~known || descriptor.kernarg_preload != 0) {
      return fail("expected it to ask for the address of its parameters only, found properties " +
                  std::to_string(asked) + " and preload " + std::to_string(descriptor.kernarg_preload));
    }
    const unsigned users = AMDHSA_BITS_GET(setup, hsa::COMPUTE_PGM_RSRC2_GFX6_GFX120_USER_SGPR_COUNT);
    kernel.parameters = hasParameters ? 0 : kScalars;
    if (AMDHSA_BITS_GET(setup, hsa::COMPUTE_PGM_RSRC2_ENABLE_SGPR_WORKGROUP_ID_X)) {
      kernel.groupNumber = users;
    }
    if (AMDHSA_BITS_GET(setup, hsa::COMPUTE_PGM_RSRC2_ENABLE_VGPR_WORKITEM_ID) != 0 ||
        AMDHSA_BITS_GET(setup, hsa::COMPUTE_PGM_RSRC2_ENABLE_SGPR_WORKGROUP_ID_Y) ||
        AMDHSA_BITS_GET(setup, hsa::COMPUTE_PGM_RSRC2_ENABLE_SGPR_WORKGROUP_ID_Z)) {
      return fail("expected a grid with one axis");
    }
    kernel.localBytes = descriptor.group_segment_fixed_size;
    kernel.privateBytes = descriptor.private_segment_fixed_size;
    kernel.parameterBytes = descriptor.kernarg_size;
    constexpr unsigned kGranule = 8, kAccumulatorGranule = 4;
    const unsigned all = kGranule * (AMDHSA_BITS_GET(mode, hsa::COMPUTE_PGM_RSRC1_GRANULATED_WORKITEM_VGPR_COUNT) + 1);
    registers.vectors = kAccumulatorGranule *
                        (AMDHSA_BITS_GET(descriptor.compute_pgm_rsrc3, hsa::COMPUTE_PGM_RSRC3_GFX90A_ACCUM_OFFSET) + 1);
    registers.accumulators = all > registers.vectors ? all - registers.vectors : 0;
    return true;
  }

  std::span<const uint8_t> file;
  std::string &error;
  Elf64_Ehdr header;
  const char *chip = nullptr;
  std::vector<Elf64_Phdr> segments;
  std::vector<Elf64_Sym> symbols;
  uint64_t strings = 0; // offset in the file
};

} // namespace

std::optional<std::vector<Kernel>> amdsim::readCodeObject(std::span<const uint8_t> file, std::string &error) {
  return Reader(file, error).run();
}
