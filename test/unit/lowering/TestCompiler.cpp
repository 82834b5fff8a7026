// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/lowering/TestCompiler.h"

#include "dialect/Tile/TileDialect.h"
#include "lowering/ExpandMath/ExpandMath.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

using namespace mlir;
using namespace rwkv::test;

SharedObject::SharedObject(const std::string &bytes) {
  char path[] = "/tmp/rwkv-test-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    error = "cannot write a temporary file";
  } else {
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    error = handle ? "" : dlerror();
  }
  if (fd >= 0) {
    close(fd);
    unlink(path);
  }
}

SharedObject::~SharedObject() {
  if (handle) {
    dlclose(handle);
  }
}

void *SharedObject::find(const char *name) const { return handle ? dlsym(handle, name) : nullptr; }

Errors::Errors(MLIRContext &context) : context(context) {
  id = context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) { text += diagnostic.str() + "\n"; });
}

Errors::~Errors() { context.getDiagEngine().eraseHandler(id); }

TestContext::TestContext() {
  context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  context->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                       rwkv::tile::TileDialect>();
}

OwningOpRef<ModuleOp> TestContext::parse(llvm::StringRef text) {
  return parseSourceString<ModuleOp>(text, context.get());
}

bool TestContext::lower(ModuleOp module, bool expandMath) {
  if (expandMath) {
    RewritePatternSet patterns(context.get());
    populateExpandMathPatterns(patterns);
    walkAndApplyPatterns(module, std::move(patterns));
  }
  PassManager manager(context.get());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  return succeeded(manager.run(module));
}

std::string rwkv::test::compileFunction(const TargetInfo &target, llvm::StringRef name,
                                        llvm::function_ref<void(OpBuilder &, Location, Value)> emit,
                                        std::string &error) {
  TestContext context;
  Errors errors(context.get());
  OpBuilder b(&context.get());
  Location loc = b.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToStart(module->getBody());
  Type pointer = LLVM::LLVMPointerType::get(&context.get());
  auto function = func::FuncOp::create(b, loc, name, b.getFunctionType({pointer}, {}));
  Block *body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  emit(b, loc, body->getArgument(0));
  func::ReturnOp::create(b, loc);
  FailureOr<std::string> code = failure();
  if (context.lower(*module, false)) {
    code = emitCode(*module, target, EmitKind::shared);
  }
  error = errors.get();
  return succeeded(code) ? *code : "";
}
