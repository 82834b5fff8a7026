// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the llvm dialect to code, in this process: translation, optimisation, code generation, linking.
#include "lowering/target/Target.h"

#include "lld/Common/Driver.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/LowerMemIntrinsics.h"

#include <memory>
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace rwkv;

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// Keeps the errors that a back end reports; without a handler LLVM prints the first and ends the process.
static void keepError(const llvm::DiagnosticInfo *info, void *errors) {
  if (info->getSeverity() != llvm::DS_Error) {
    return;
  }
  llvm::raw_string_ostream os(*static_cast<std::string *>(errors));
  llvm::DiagnosticPrinterRawOStream printer(os);
  os << (os.str().empty() ? "" : "; ");
  info->print(printer);
}

/// LLVM's fatal errors: keeps the reason and leaves the CrashRecoveryContext that the code runs in.
static void keepFatalError(void *errors, const char *reason, bool) {
  static_cast<std::string *>(errors)->append(reason);
  if (llvm::CrashRecoveryContext *context = llvm::CrashRecoveryContext::GetCurrent()) {
    context->HandleExit(1);
  }
}

/// Runs `work`; false if it reported an error or was left by a fatal one, then `crashed` is set.
static bool runGuarded(llvm::function_ref<void()> work, std::string &errors, bool &crashed) {
  // Fatal error handlers, crash recovery and the linker's context belong to the process.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  llvm::CrashRecoveryContext::Enable();
  {
    llvm::ScopedFatalErrorHandler handler(keepFatalError, &errors);
    crashed = !llvm::CrashRecoveryContext().RunSafely(work);
  }
  llvm::CrashRecoveryContext::Disable();
  if (crashed && errors.empty()) {
    errors = "the code generator crashed";
  }
  return errors.empty();
}

//===----------------------------------------------------------------------===//
// Code generation
//===----------------------------------------------------------------------===//

static std::string joinFeatures(const TargetInfo &target) {
  std::string features;
  for (llvm::StringRef feature : target.features) {
    features += (features.empty() ? "+" : ",+") + feature.str();
  }
  return features;
}

static std::unique_ptr<llvm::TargetMachine> createMachine(const TargetInfo &target, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
  });
  const llvm::Triple triple(target.triple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend) {
    return nullptr;
  }
  // Names that LLVM does not know would be ignored with a warning, or end the process.
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(backend->createMCSubtargetInfo(triple, "", ""));
  if (!subtarget || !subtarget->isCPUStringValid(target.cpu)) {
    error = "LLVM does not know the CPU '" + target.cpu + "' of " + target.triple;
    return nullptr;
  }
  for (const std::string &feature : target.features) {
    if (llvm::none_of(subtarget->getAllProcessorFeatures(),
                      [&](const llvm::SubtargetFeatureKV &known) { return feature == known.Key; })) {
      error = "LLVM does not know the feature '" + feature + "' of " + target.triple;
      return nullptr;
    }
  }
  llvm::TargetOptions options;
  options.MCOptions.AsmVerbose = false;
  // Text is optimized once more by whoever makes machine code of it: values are not numbered all over again before.
  llvm::CodeGenOptLevel level = target.isText ? llvm::CodeGenOptLevel::Default : llvm::CodeGenOptLevel::Aggressive;
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(
      triple, target.cpu, joinFeatures(target), options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  if (!machine) {
    error = "LLVM cannot generate code for " + target.triple;
  }
  return machine;
}

/// Translates with the target's data layout, leaving `module` as it was.
static std::unique_ptr<llvm::Module> translate(mlir::ModuleOp module, const llvm::TargetMachine &machine,
                                               llvm::LLVMContext &context) {
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  const mlir::DictionaryAttr attrs = module->getDiscardableAttrDictionary();
  llvm::scope_exit restore([&] { module->setDiscardableAttrs(attrs); });
  mlir::Builder builder(module.getContext());
  module->setDiscardableAttr(mlir::LLVM::LLVMDialect::getDataLayoutAttrName(),
                             builder.getStringAttr(machine.createDataLayout().getStringRepresentation()));
  module->setDiscardableAttr(mlir::LLVM::LLVMDialect::getTargetTripleAttrName(),
                             builder.getStringAttr(machine.getTargetTriple().str()));
  return mlir::translateModuleToLLVMIR(module, context, "rwkv");
}

/// Visibility and attributes of all functions.
static void prepare(mlir::ModuleOp module, llvm::Module &code, const TargetInfo &target) {
  for (auto symbol : module.getOps<mlir::SymbolOpInterface>()) {
    llvm::GlobalValue *value = code.getNamedValue(symbol.getName());
    if (value && !value->isDeclaration() && (symbol.isPrivate() || llvm::isa<llvm::GlobalVariable>(value)) &&
        !value->hasLocalLinkage()) {
      value->setLinkage(llvm::GlobalValue::InternalLinkage);
    }
  }
  const std::string features = joinFeatures(target);
  for (llvm::Function &function : code) {
    if (function.isDeclaration()) {
      continue;
    }
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", features);
    // Otherwise LLVM halves 512-bit vectors for CPUs that lowered their clock for them.
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBits));
    // No loop may become a call of memcpy or memset: there is no library.
    function.addFnAttr("no-builtins");
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (!function.hasLocalLinkage()) {
      // Exported, and calls inside the module are direct.
      function.setVisibility(llvm::GlobalValue::ProtectedVisibility);
      if (target.prepareKernel) {
        target.prepareKernel(function);
      }
    }
  }
  if (target.prepareModule) {
    target.prepareModule(code);
  }
}

/// Replaces copies and fills that would become library calls.
static void expandMemoryIntrinsics(llvm::Function &function, const llvm::TargetTransformInfo &tti) {
  constexpr uint64_t maxInline = 1024; // bytes, as straight-line code
  llvm::SmallVector<llvm::MemIntrinsic *> intrinsics;
  for (llvm::BasicBlock &block : function) {
    for (llvm::Instruction &instruction : block) {
      if (auto *intrinsic = llvm::dyn_cast<llvm::MemIntrinsic>(&instruction)) {
        intrinsics.push_back(intrinsic);
      }
    }
  }
  for (llvm::MemIntrinsic *intrinsic : intrinsics) {
    auto *length = llvm::dyn_cast<llvm::ConstantInt>(intrinsic->getLength());
    const bool isSmall = length && length->getZExtValue() <= maxInline;
    llvm::IRBuilder<> builder(intrinsic);
    if (auto *copy = llvm::dyn_cast<llvm::MemCpyInst>(intrinsic)) {
      if (isSmall) {
        builder.CreateMemCpyInline(copy->getRawDest(), copy->getDestAlign(), copy->getRawSource(),
                                   copy->getSourceAlign(), length, copy->isVolatile());
      } else {
        llvm::expandMemCpyAsLoop(copy, tti);
      }
    } else if (auto *move = llvm::dyn_cast<llvm::MemMoveInst>(intrinsic)) {
      if (!llvm::expandMemMoveAsLoop(move, tti)) {
        continue;
      }
    } else if (auto *set = llvm::dyn_cast<llvm::MemSetInst>(intrinsic)) {
      if (isSmall) {
        builder.CreateMemSetInline(set->getRawDest(), set->getDestAlign(), set->getValue(), length, set->isVolatile());
      } else {
        llvm::expandMemSetAsLoop(set);
      }
    }
    intrinsic->eraseFromParent();
  }
}

/// A library of nothing: no function of libc or libm is known, thus none is called.
static llvm::TargetLibraryInfoImpl getNoLibrary(const llvm::Module &code) {
  llvm::TargetLibraryInfoImpl library(code.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

static void optimize(llvm::Module &code, llvm::TargetMachine &machine) {
  // Kernels come vectorised and blocked for the registers. O2 rather than O3: its unrolling thresholds are half as
  // high.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(getNoLibrary(code)); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(code, modules);
  for (llvm::Function &function : code) {
    if (!function.isDeclaration()) {
      expandMemoryIntrinsics(function, functions.getResult<llvm::TargetIRAnalysis>(function));
    }
  }
}

static std::string generate(llvm::Module &code, llvm::TargetMachine &machine, EmitKind kind) {
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream os(buffer);
  if (kind == EmitKind::llvmIR) {
    code.print(os, nullptr);
    return buffer.str().str();
  }
  llvm::legacy::PassManager passes;
  passes.add(new llvm::TargetLibraryInfoWrapperPass(getNoLibrary(code)));
  machine.addPassesToEmitFile(passes, os, nullptr,
                              kind == EmitKind::assembly ? llvm::CodeGenFileType::AssemblyFile
                                                         : llvm::CodeGenFileType::ObjectFile);
  passes.run(code);
  return buffer.str().str();
}

//===----------------------------------------------------------------------===//
// Linking
//===----------------------------------------------------------------------===//

/// The symbols that `object` uses and does not define, as "a, b".
static std::string listUndefined(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "kernels"));
  if (!file) {
    return llvm::toString(file.takeError());
  }
  std::string names;
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (flags && name && (*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty()) {
      names += (names.empty() ? "" : ", ") + name->str();
    }
    llvm::consumeError(flags.takeError());
    llvm::consumeError(name.takeError());
  }
  return names;
}

/// Links one object into a shared object. lld reads and writes files: they live in a directory of their own.
static std::string linkShared(llvm::StringRef object, std::string &errors) {
  static bool canRun = true;
  if (!canRun) {
    errors = "the linker failed earlier in this process and cannot run again";
    return "";
  }
  llvm::SmallString<128> directory;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("rwkv-kernels", directory)) {
    errors = "cannot create a temporary directory: " + error.message();
    return "";
  }
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(directory); });
  llvm::SmallString<128> input = directory, output = directory;
  llvm::sys::path::append(input, "kernels.o");
  llvm::sys::path::append(output, "kernels.so");
  std::error_code error = llvm::sys::fs::setPermissions(directory, llvm::sys::fs::owner_all);
  if (!error) {
    llvm::raw_fd_ostream os(input, error);
    os << object;
    os.close();
    error = error ? error : os.error();
    os.clear_error();
  }
  if (error) {
    errors = "cannot write '" + input.str().str() + "': " + error.message();
    return "";
  }
  const char *args[] = {"ld.lld", "-shared",     "--no-undefined",  "-z",          "relro",       "-z", "now",
                        "-z",     "noexecstack", "--build-id=none", "--threads=1", input.c_str(), "-o", output.c_str()};
  std::string said;
  llvm::raw_string_ostream os(said);
  const lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  canRun = result.canRunAgain;
  if (result.retCode != 0) {
    errors = "linking failed: " + said;
    return "";
  }
  auto file = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file) {
    errors = "cannot read '" + output.str().str() + "': " + file.getError().message();
    return "";
  }
  return (*file)->getBuffer().str();
}

/// Where the first kernel comes from; the module itself has no line.
static mlir::Location firstKernel(mlir::ModuleOp module) {
  for (auto function : module.getOps<mlir::FunctionOpInterface>()) {
    if (!function.isExternal()) {
      return function.getLoc();
    }
  }
  return module.getLoc();
}

mlir::FailureOr<std::string> rwkv::emitCode(mlir::ModuleOp module, const TargetInfo &target, EmitKind kind) {
  std::string errors, result;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, errors);
  if (!machine) {
    return module.emitError("cannot generate code for target '") << target.chip << "': " << errors;
  }
  auto context = std::make_unique<llvm::LLVMContext>();
  context->setDiagnosticHandlerCallBack(keepError, &errors);
  std::unique_ptr<llvm::Module> code = translate(module, *machine, *context);
  if (!code) {
    return module.emitError("cannot translate the module to LLVM IR");
  }
  prepare(module, *code, target);
  if (target.isText && kind == EmitKind::object) {
    return mlir::emitError(firstKernel(module), "target '")
           << target.chip << "' has no object files: expected to emit asm or pack";
  }
  bool crashed = false;
  const bool ok = runGuarded(
      [&] {
        optimize(*code, *machine);
        if (target.finishModule) {
          target.finishModule(*code);
        }
        result = generate(*code, *machine, target.isText && kind == EmitKind::shared ? EmitKind::assembly : kind);
        if (target.isText && kind != EmitKind::llvmIR && llvm::StringRef(result).contains(".extern .func")) {
          errors = "kernels must not need a library, but some function is not defined";
        }
        if (kind != EmitKind::shared || target.isText || !errors.empty()) {
          return;
        }
        const std::string undefined = listUndefined(result);
        if (!undefined.empty()) {
          errors = "kernels must not need a library, but got undefined symbols: " + undefined;
          return;
        }
        result = linkShared(result, errors);
      },
      errors, crashed);
  if (crashed) {
    // Nothing is known about what a crash left behind: leak it.
    (void)code.release();
    (void)machine.release();
    (void)context.release();
  }
  if (!ok) {
    return module.emitError("cannot generate code for target '") << target.chip << "': " << errors;
  }
  return result;
}
