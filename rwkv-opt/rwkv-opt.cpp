// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rwkv-opt: runs passes on specs and prints every stage (mlir-opt's options); with --emit, compiles a spec to IR,
// assembly, an object file or a pack.
#include "lowering/ExpandMath/ExpandMath.h"
#include "lowering/Passes.h"
#include "lowering/target/Target.h"
#include "passes/Passes.h"
#include "runtime/rwkv_rt.h"
#include "rwkv-opt/Driver.h"
#include "rwkv-opt/Pipeline.h"

#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

namespace cl = llvm::cl;

static cl::OptionCategory category("Compiling a spec");
static cl::opt<std::string> emitKind(
    "emit",
    cl::desc("Compile and write: explain (text), picture (svg), mlir (kernels and launches), llvm, asm, obj, pack"),
    cl::value_desc("kind"), cl::cat(category));
static cl::opt<std::string> targetName("target", cl::desc("Machine to compile for"), cl::init("host"),
                                       cl::cat(category));
static cl::opt<std::string> checkpointPath("checkpoint", cl::desc("Checkpoint that a model's sizes are solved from"),
                                           cl::value_desc("file.safetensors"), cl::cat(category));
static cl::list<std::string> params("param", cl::desc("Value of a param"), cl::value_desc("name=number"),
                                    cl::cat(category));
static cl::opt<bool> explain("rwkv-explain",
                             cl::desc("Say what is understood of the recurrences, and which schedules are legal"),
                             cl::cat(category));
static cl::opt<std::string> schedule("schedule", cl::desc("Form in which recurrences run: auto, step, scan, chunk"),
                                     cl::init("auto"), cl::cat(category));
static cl::opt<int64_t> chunk("chunk", cl::desc("Tokens of a scan or chunk; 0: chosen"), cl::init(0),
                              cl::cat(category));
static cl::opt<int64_t>
    fill("fill", cl::desc("Tasks that long sequences of few heads are cut into segments for; 0: none, -1: chosen"),
         cl::init(-1), cl::cat(category));
static cl::opt<int64_t>
    split("split", cl::desc("Tasks that share a head, each with a part of the value axis; 1: none, 0: chosen"),
          cl::init(0), cl::cat(category));
static cl::opt<std::string>
    precision("precision",
              cl::desc("What operands of products of chunks may be rounded to: auto (tf32 where "
                       "all operands have 16 bits), f32 (not at all), tf32, bf16"),
              cl::init("auto"), cl::cat(category));
static cl::opt<bool> allowUnused("allow-unused", cl::desc("Ignore tensors of the checkpoint that no weight names"),
                                 cl::cat(category));
static cl::opt<std::string> functionName("function", cl::desc("Compile this function instead of a model"),
                                         cl::cat(category));
static cl::list<std::string>
    argumentTypes("argument", cl::desc("Shape of the function's next argument, and its type, which must be the file's"),
                  cl::value_desc("2x7x4x64xf32"), cl::cat(category));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "rwkv-opt: error: " << message << "\n";
  return 1;
}

/// Names, dtypes and shapes of a checkpoint's tensors.
static bool readCheckpoint(std::vector<rwkv::ArrayInfo> &tensors, std::string &error) {
  rwkv_runtime *rt = nullptr;
  rwkv_runtime_options options = {nullptr, 1, 0};
  rwkv_checkpoint *checkpoint = nullptr;
  llvm::scope_exit cleanup([&] {
    rwkv_checkpoint_close(checkpoint);
    rwkv_runtime_destroy(rt);
  });
  if (rwkv_runtime_create(&options, &rt) != RWKV_OK ||
      rwkv_checkpoint_open(rt, checkpointPath.c_str(), &checkpoint) != RWKV_OK) {
    error = rt ? rwkv_message(rt) : "out of memory";
    return false;
  }
  for (int64_t i = 0; i < rwkv_checkpoint_count(checkpoint); ++i) {
    const char *name = nullptr;
    rwkv_array array;
    if (rwkv_checkpoint_at(checkpoint, i, &name, &array) != RWKV_OK) {
      error = rwkv_message(rt);
      return false;
    }
    tensors.push_back({name, rwkv_dtype_name(array.dtype), {array.shape, array.shape + array.rank}});
  }
  return true;
}

/// `2x7x4x64xf32`
static bool parseShape(llvm::StringRef text, rwkv::ArrayInfo &array) {
  for (llvm::StringRef head; text.contains('x');) {
    std::tie(head, text) = text.split('x');
    if (head.getAsInteger(10, array.shape.emplace_back()) || array.shape.back() < 0) {
      return false;
    }
  }
  array.dtype = text.str();
  return !text.empty();
}

/// A file, or what comes by a pipe ("-"); null, with a message: it cannot be read, or has no end.
static std::unique_ptr<llvm::MemoryBuffer> readInput(llvm::StringRef name) {
  constexpr size_t kMost = size_t(256) << 20, kPiece = size_t(1) << 20;
  llvm::Expected<llvm::sys::fs::file_t> file =
      name == "-" ? llvm::sys::fs::getStdinHandle() : llvm::sys::fs::openNativeFileForRead(name);
  if (!file) {
    fail("cannot read '" + name + "': " + llvm::toString(file.takeError()));
    return nullptr;
  }
  llvm::scope_exit close([&] { (void)llvm::sys::fs::closeFile(*file); });
  llvm::SmallVector<char, 0> text;
  for (size_t size = 0; size <= kMost;) {
    text.resize_for_overwrite(size + kPiece);
    llvm::Expected<size_t> count = llvm::sys::fs::readNativeFile(*file, llvm::MutableArrayRef(text).drop_front(size));
    if (!count) {
      fail("cannot read '" + name + "': " + llvm::toString(count.takeError()));
      return nullptr;
    }
    size += *count;
    if (*count == 0) {
      text.resize(size);
      return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(text), name);
    }
  }
  fail("cannot read '" + name + "': expected at most " + llvm::Twine(kMost >> 20) + " MiB, found more");
  return nullptr;
}

static int compile(llvm::StringRef inputName, llvm::StringRef outputName) {
  auto input = readInput(inputName);
  if (!input) {
    return 1;
  }
  rwkv::CompileOptions options;
  options.emit = explain ? std::string("explain") : emitKind;
  options.target = targetName;
  options.allowUnused = allowUnused;
  options.function = functionName;
  options.schedule = schedule;
  options.chunk = chunk;
  options.fill = fill;
  options.split = split;
  options.precision = precision;
  std::string error;
  if (!checkpointPath.empty() && !readCheckpoint(options.checkpoint, error)) {
    return fail(error);
  }
  for (llvm::StringRef text : params) {
    auto [name, value] = text.split('=');
    if (value.getAsDouble(options.params.emplace_back(name.str(), 0.0).second)) {
      return fail("expected --param name=number, but got '" + text + "'");
    }
  }
  if (!argumentTypes.empty() && functionName.empty()) {
    return fail("expected --function beside --argument, found none");
  }
  for (const std::string &text : argumentTypes) {
    rwkv::ArrayInfo array;
    array.name = "argument " + std::to_string(options.inputs.size());
    if (!parseShape(text, array)) {
      return fail("expected --argument of the form 2x7x4x64xf32, but got '" + text + "'");
    }
    options.inputs.push_back(std::move(array));
  }
  rwkv::CompileResult result = rwkv::compileToPack(input->getBuffer().str(), inputName.str(), options);
  llvm::errs() << result.diagnostics;
  if (!result.ok) {
    return 1;
  }
  std::error_code failure;
  llvm::ToolOutputFile output(outputName, failure, llvm::sys::fs::OF_None);
  if (failure) {
    return fail("cannot write '" + outputName + "': " + failure.message());
  }
  output.os() << result.pack;
  output.os().close();
  if (output.os().has_error()) {
    failure = output.os().error();
    output.os().clear_error();
    return fail("cannot write '" + outputName + "': " + failure.message());
  }
  output.keep();
  return 0;
}

/// What the options say is done to a module, as mlir::MlirOptMain does it with files of any size.
static int runPasses(int argc, char **argv, llvm::StringRef inputName, llvm::StringRef outputName,
                     mlir::DialectRegistry &registry) {
  auto config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects() || config.shouldListPasses()) { // reads nothing
    return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, inputName, outputName, registry));
  }
  llvm::InitLLVM init(argc, argv);
  auto input = readInput(inputName);
  if (!input) {
    return 1;
  }
  std::string error;
  auto output = mlir::openOutputFile(outputName, &error);
  if (!output) {
    return fail(error);
  }
  if (failed(mlir::MlirOptMain(output->os(), std::move(input), registry, config))) {
    return 1;
  }
  output->keep();
  return 0;
}

/// Leaves the options of LLVM's code generators, which register themselves, to --help-hidden.
static void hideForeignOptions() {
  for (auto &[name, option] : cl::getRegisteredOptions()) {
    bool isGeneral = llvm::is_contained(option->Categories, &cl::getGeneralCategory());
    if (isGeneral && option->getOptionHiddenFlag() == cl::NotHidden) {
      option->setHiddenFlag(cl::Hidden);
    }
  }
}

/// An option of compiling that was given where nothing is compiled; empty: none was.
static llvm::StringRef findUnused() {
  for (auto &[name, option] : cl::getRegisteredOptions()) {
    if (llvm::is_contained(option->Categories, &category) && option->getNumOccurrences() > 0) {
      return name;
    }
  }
  return {};
}

int main(int argc, char **argv) {
  hideForeignOptions();
  mlir::DialectRegistry registry;
  rwkv::getDialectRegistry().appendTo(registry);
  mlir::registerTransformsPasses();
  rwkv::registerRwkvPasses();
  rwkv::registerRwkvLoweringPasses();
  rwkv::registerRwkvExpandMathPasses();
  std::string overview = "rwkv-mlir optimizer driver\n"
                         "  rwkv-opt spec.mlir --rwkv-generalize\n"
                         "  rwkv-opt spec.mlir --checkpoint model.safetensors --emit=pack -o model.pack\n"
                         "  rwkv-opt region.mlir --function f --argument 1x1x4x64xf32 .. --emit=asm\n"
                         "Targets: " +
                         llvm::join(rwkv::listTargets(), ", ") + "\n";
  auto [inputName, outputName] = mlir::registerAndParseCLIOptions(argc, argv, overview, registry);
  if (explain || !emitKind.empty()) {
    return compile(inputName, outputName);
  }
  if (llvm::StringRef name = findUnused(); !name.empty()) {
    return fail("expected --emit or --rwkv-explain beside --" + name + ", found neither");
  }
  return runPasses(argc, argv, inputName, outputName, registry);
}
