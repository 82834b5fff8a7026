// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From text to code that runs in the test's process.
#ifndef RWKV_TEST_UNIT_LOWERING_TESTCOMPILER_H
#define RWKV_TEST_UNIT_LOWERING_TESTCOMPILER_H

#include "lowering/target/Target.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace rwkv::test {
/// A shared object, loaded for as long as this lives.
class SharedObject {
public:
  explicit SharedObject(const std::string &bytes);
  ~SharedObject();
  SharedObject(const SharedObject &) = delete;

  const std::string &getError() const { return error; }
  void *find(const char *name) const;
  template <typename Fn> Fn *get(const char *name) const { return reinterpret_cast<Fn *>(find(name)); }

private:
  void *handle = nullptr;
  std::string error;
};

/// Collects the error messages of a context.
class Errors {
public:
  explicit Errors(mlir::MLIRContext &context);
  ~Errors();
  const std::string &get() const { return text; }

private:
  mlir::MLIRContext &context;
  uint64_t id;
  std::string text;
};

/// A context with the dialects that tests use.
class TestContext {
public:
  TestContext();
  mlir::MLIRContext &get() { return *context; }
  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text);
  /// Expands math functions if wanted, then lowers func, arith and math to the llvm dialect.
  bool lower(mlir::ModuleOp module, bool expandMath);

private:
  std::unique_ptr<mlir::MLIRContext> context;
};

/// A shared object with one function of a pointer, whose body `emit` makes; empty, with the reason in `error`, if there
/// is none.
std::string compileFunction(const TargetInfo &target, llvm::StringRef name,
                            llvm::function_ref<void(mlir::OpBuilder &, mlir::Location, mlir::Value)> emit,
                            std::string &error);
} // namespace rwkv::test

#endif // RWKV_TEST_UNIT_LOWERING_TESTCOMPILER_H
