// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Assembler.h"

#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCObjectFileInfo.h"
#include "llvm/MC/MCObjectWriter.h"
#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/MCParser/MCTargetAsmParser.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"

using namespace amdsim;
using namespace amdsim::test;

static constexpr const char *kChip = "gfx942";

/// An object file; empty if the text has an error, which is in `said`.
static std::string assembleObject(const std::string &text, std::string &said) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmParsers();
  const llvm::Triple triple("amdgcn-amd-amdhsa");
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, said);
  if (!target) {
    return "";
  }
  llvm::SourceMgr sources;
  sources.setDiagHandler([](const llvm::SMDiagnostic &diagnostic,
                            void *to) { *static_cast<std::string *>(to) += diagnostic.getMessage().str() + "; "; },
                         &said);
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(".text\n" + text + "\n"), llvm::SMLoc());
  llvm::MCTargetOptions options;
  std::unique_ptr<llvm::MCRegisterInfo> registers(target->createMCRegInfo(triple));
  std::unique_ptr<llvm::MCAsmInfo> info(target->createMCAsmInfo(*registers, triple, options));
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(target->createMCSubtargetInfo(triple, kChip, ""));
  std::unique_ptr<llvm::MCInstrInfo> instructions(target->createMCInstrInfo());
  llvm::MCContext context(triple, info.get(), registers.get(), subtarget.get(), &sources, &options);
  std::unique_ptr<llvm::MCObjectFileInfo> sections(target->createMCObjectFileInfo(context, /*PIC=*/true));
  context.setObjectFileInfo(sections.get());
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream os(buffer);
  std::unique_ptr<llvm::MCAsmBackend> backend(target->createMCAsmBackend(*subtarget, *registers, options));
  std::unique_ptr<llvm::MCObjectWriter> writer = backend->createObjectWriter(os);
  std::unique_ptr<llvm::MCCodeEmitter> emitter(target->createMCCodeEmitter(*instructions, context));
  std::unique_ptr<llvm::MCStreamer> streamer(target->createMCObjectStreamer(
      triple, context, std::move(backend), std::move(writer), std::move(emitter), *subtarget));
  std::unique_ptr<llvm::MCAsmParser> parser(llvm::createMCAsmParser(sources, context, *streamer, *info));
  std::unique_ptr<llvm::MCTargetAsmParser> syntax(
      target->createMCAsmParser(*subtarget, *parser, *instructions, options));
  parser->setTargetParser(*syntax);
  return parser->Run(/*NoInitialTextSection=*/false) ? "" : buffer.str().str();
}

std::vector<uint8_t> test::assemble(const std::string &text) {
  std::string said;
  const std::string object = assembleObject(text, said);
  if (object.empty()) {
    ADD_FAILURE() << text << ": " << said;
    return {};
  }
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "code"));
  if (file) {
    for (const llvm::object::SectionRef &section : (*file)->sections()) {
      llvm::Expected<llvm::StringRef> bytes = section.getContents();
      if (section.isText() && bytes) {
        return {bytes->bytes_begin(), bytes->bytes_end()};
      }
      llvm::consumeError(bytes.takeError());
    }
  }
  ADD_FAILURE() << text << ": expected code";
  llvm::consumeError(file.takeError());
  return {};
}

std::vector<Instruction> test::program(const std::string &text) {
  std::string error;
  std::optional<std::vector<Instruction>> decoded = decode(assemble(text), kChip, {}, error);
  EXPECT_TRUE(decoded) << text << ": " << error;
  return decoded ? std::move(*decoded) : std::vector<Instruction>();
}

std::string test::refusal(const std::string &text, const Registers &registers) {
  std::string error;
  EXPECT_FALSE(decode(assemble(text), kChip, registers, error)) << text;
  return error;
}

void Machine::run(const std::string &text) {
  const std::vector<Instruction> instructions = program(text);
  for (wave.pc = 0; wave.pc < instructions.size() && wave.failure.empty();) {
    const Instruction &instruction = instructions[wave.pc++];
    instruction.row->execute(wave, instruction);
  }
}
