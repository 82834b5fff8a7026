// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-opt/Driver.h"

#include "lowering/Pack/Pack.h"
#include "lowering/target/Target.h"
#include "passes/Explain/Explain.h"
#include "passes/Ranges/Ranges.h"
#include "passes/Specialize/Specialize.h"
#include "rwkv-opt/Pipeline.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace rwkv;

namespace {

/// Collects diagnostics as text, one located line each.
class DiagnosticText {
public:
  explicit DiagnosticText(MLIRContext &context)
      : os(text), handler(&context, [this](Diagnostic &diagnostic) {
          add(diagnostic);
          return success();
        }) {}

  std::string take() { return std::move(text); }

private:
  void add(Diagnostic &diagnostic) {
    Location loc = diagnostic.getLocation();
    while (auto fused = dyn_cast<FusedLoc>(loc)) {
      loc = fused.getLocations().front();
    }
    if (auto call = dyn_cast<CallSiteLoc>(loc)) {
      loc = call.getCallee();
    }
    if (auto file = dyn_cast<FileLineColLoc>(loc)) {
      os << file.getFilename().getValue() << ":" << file.getLine() << ":" << file.getColumn() << ": ";
    }
    static constexpr const char *kNames[] = {"note", "warning", "error", "remark"};
    os << kNames[static_cast<int>(diagnostic.getSeverity())] << ": " << diagnostic.str() << "\n";
    for (Diagnostic &note : diagnostic.getNotes()) {
      add(note);
    }
  }

  std::string text;
  llvm::raw_string_ostream os;
  ScopedDiagnosticHandler handler;
};

Type parseElement(MLIRContext &context, StringRef dtype) {
  if (dtype.starts_with("u")) {
    unsigned width = 0;
    (void)dtype.drop_front().getAsInteger(10, width);
    return IntegerType::get(&context, std::max(width, 1u), IntegerType::Unsigned);
  }
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  return parseType(dtype, &context);
}

FailureOr<std::vector<ArrayType>> convert(ModuleOp module, const std::vector<ArrayInfo> &arrays) {
  std::vector<ArrayType> result;
  for (const ArrayInfo &array : arrays) {
    Type element = array.dtype.empty() ? Type() : parseElement(*module.getContext(), array.dtype);
    if (!element && !array.dtype.empty()) {
      return module.emitError("expected the dtype of '")
             << array.name << "' to be f32, f16, bf16, f64, i32, .., but got '" << array.dtype << "'";
    }
    result.push_back({array.name, element, SmallVector<int64_t>(array.shape.begin(), array.shape.end())});
  }
  return result;
}

LogicalResult specialize(ModuleOp module, const CompileOptions &options) {
  if (!options.function.empty() && options.checkpoint.empty()) {
    if (!options.params.empty()) {
      return module.emitError("expected no params for a function outside of models, but got '")
             << options.params.front().first << "'";
    }
    FailureOr<std::vector<ArrayType>> arguments = convert(module, options.inputs);
    return failed(arguments) ? failure() : specializeFunction(module, options.function, *arguments);
  }
  SpecializeInput input;
  FailureOr<std::vector<ArrayType>> checkpoint = convert(module, options.checkpoint);
  if (failed(checkpoint)) {
    return failure();
  }
  input.checkpoint = std::move(*checkpoint);
  input.allowUnused = options.allowUnused;
  for (const auto &[name, value] : options.params) {
    input.params[name] = value;
  }
  return specializeModel(module, input);
}

/// Recurrences that do not say it themselves get the precision that is asked for.
LogicalResult askForPrecision(ModuleOp module, StringRef text) {
  std::optional<Precision> precision = symbolizePrecision(text);
  if (!precision) {
    return text == "auto" ? success()
                          : module.emitError("expected precision auto, f32, tf32 or bf16, but got '") << text << "'";
  }
  WalkResult walk = module.walk([&](RecurrenceOp recurrence) {
    if (!recurrence.getPrecisionAttr()) {
      recurrence.setPrecisionAttr(PrecisionAttr::get(module.getContext(), *precision));
    }
    return failed(verify(recurrence)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

/// The recurrences of a spec in words, or the first one as a picture. Sizes are known as far as the options say them.
FailureOr<std::string> explain(ModuleOp module, const CompileOptions &options, StringRef source) {
  bool sizes = !options.checkpoint.empty() || !options.function.empty();
  if (failed(runFrontend(module)) || (sizes && failed(specialize(module, options))) ||
      failed(askForPrecision(module, options.precision))) {
    return failure();
  }
  certifyBounds(module);
  SmallVector<StringRef> lines;
  source.split(lines, '\n');
  auto sourceLine = [&](Location loc) -> std::string {
    auto file = loc->findInstanceOf<FileLineColLoc>();
    bool known = file && file.getLine() >= 1 && file.getLine() <= lines.size();
    return known ? lines[file.getLine() - 1].split("//").first.trim().str() : "";
  };
  std::string text;
  llvm::raw_string_ostream os(text);
  auto target = module->getAttrOfType<TargetAttr>("rwkv.target");
  std::optional<ScheduleKind> wanted = symbolizeScheduleKind(options.schedule);
  module.walk([&](RecurrenceOp recurrence) {
    AffineState form(recurrence);
    if (wanted && !recurrence.getSchedule() && form.isLegal(*wanted)) {
      recurrence.setScheduleAttr(
          chooseSchedule(recurrence, form, target, {wanted, options.chunk, options.fill, options.split}).schedule);
    }
    if (options.emit == "picture") {
      explainPicture(os, recurrence, target, sourceLine);
      return WalkResult::interrupt();
    }
    os << (text.empty() ? "" : "\n");
    explainText(os, recurrence, target, sourceLine);
    return WalkResult::advance();
  });
  if (text.empty()) {
    return module.emitError("expected a recurrence to explain, found none");
  }
  return text;
}

FailureOr<std::string> compile(ModuleOp module, const CompileOptions &options, StringRef source) {
  auto report = [&](const std::string &what) {
    if (options.progress) {
      options.progress(what);
    }
  };
  std::string error;
  std::optional<TargetInfo> target = lookupTarget(options.target, error);
  if (!target) {
    return module.emitError() << error;
  }
  static constexpr StringLiteral kEmits[] = {"explain", "picture", "mlir", "llvm", "asm", "obj", "pack"};
  if (!llvm::is_contained(kEmits, options.emit)) {
    return module.emitError("expected to emit explain, picture, mlir, llvm, asm, obj or pack, but got '")
           << options.emit << "'";
  }
  module->setAttr("rwkv.target", target->toAttr(module.getContext()));
  if (options.emit == "explain" || options.emit == "picture") {
    return explain(module, options, source);
  }
  report("specializing");
  if (failed(runFrontend(module)) || failed(specialize(module, options)) ||
      failed(askForPrecision(module, options.precision)) ||
      failed(runMiddleEnd(module, options.schedule, options.chunk, options.fill, options.split))) {
    return failure();
  }
  static constexpr std::pair<StringLiteral, EmitKind> kKinds[] = {
      {"llvm", EmitKind::llvmIR}, {"asm", EmitKind::assembly}, {"obj", EmitKind::object}, {"pack", EmitKind::shared}};
  if (options.emit == "mlir") {
    std::string text;
    llvm::raw_string_ostream os(text);
    module.print(os);
    return text;
  }
  report("generating code");
  OwningOpRef<ModuleOp> code = module.clone();
  llvm::StringMap<KernelInfo> infos;
  if (failed(runCodegen(*code, infos))) {
    return failure();
  }
  for (auto [name, kind] : kKinds) {
    if (options.emit == name && kind != EmitKind::shared) {
      return emitCode(*code, *target, kind);
    }
  }
  FailureOr<llvm::json::Object> manifest = buildManifest(module, infos);
  FailureOr<std::string> object = emitCode(*code, *target, EmitKind::shared);
  if (failed(manifest) || failed(object)) {
    return failure();
  }
  return assemblePack(std::move(*manifest), *target, *object);
}

} // namespace

CompileResult rwkv::compileToPack(const std::string &spec, const std::string &name, const CompileOptions &options) {
  CompileResult result;
  MLIRContext context(getDialectRegistry());
  context.loadDialect<RwkvDialect>(); // the target is one of its attributes, whatever the text uses
  context.printOpOnDiagnostic(false);
  DiagnosticText diagnostics(context);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(spec, name), SMLoc());
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (module) {
    FailureOr<std::string> pack = compile(*module, options, spec);
    if (succeeded(pack)) {
      result.ok = true;
      result.pack = std::move(*pack);
    }
  }
  result.diagnostics = diagnostics.take();
  return result;
}

std::string rwkv::compileKey(const std::string &spec, const CompileOptions &options) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << "rwkv-mlir " << RWKV_VERSION << " llvm " << LLVM_VERSION_STRING << "\n";
  // The build: size and time of the program that this code is in.
  llvm::sys::fs::file_status status;
  std::string self = llvm::sys::fs::getMainExecutable(nullptr, reinterpret_cast<void *>(&compileKey));
  if (!llvm::sys::fs::status(self, status)) {
    os << status.getSize() << " " << status.getLastModificationTime().time_since_epoch().count() << "\n";
  }
  std::string error;
  if (std::optional<TargetInfo> target = lookupTarget(options.target, error)) {
    os << target->chip << "\n"; // "host" is the row that this machine takes
  }
  os << options.emit << " " << options.schedule << " " << options.chunk << " " << options.fill << " " << options.split
     << " " << options.precision << " " << options.allowUnused << " " << options.function << "\n";
  for (const auto &[name, value] : options.params) {
    os << name << "=" << llvm::format("%a", value) << "\n";
  }
  for (const auto *arrays : {&options.checkpoint, &options.inputs}) {
    for (const ArrayInfo &array : *arrays) {
      os << array.name << " " << array.dtype;
      for (int64_t size : array.shape) {
        os << " " << size;
      }
      os << "\n";
    }
    os << "--\n";
  }
  return key + spec;
}
