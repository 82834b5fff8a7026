// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/lowering/TestCompiler.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

#include <set>

using namespace rwkv;
using namespace rwkv::test;
using llvm::StringRef;

namespace {
constexpr const char *fmaText = R"(
  func.func @fma16(%p: !llvm.ptr) {
    %x = llvm.load %p : !llvm.ptr -> vector<16xf32>
    %y = math.fma %x, %x, %x : vector<16xf32>
    llvm.store %y, %p : vector<16xf32>, !llvm.ptr
    return
  }
  func.func private @helper(%x: f32) -> f32 attributes {no_inline} {
    %y = arith.mulf %x, %x : f32
    return %y : f32
  }
  func.func @square(%x: f32) -> f32 {
    %y = call @helper(%x) : (f32) -> f32
    return %y : f32
  }
)";

class EmitTest : public ::testing::Test {
protected:
  TargetInfo target(StringRef name) {
    std::string error;
    std::optional<TargetInfo> info = lookupTarget(name, error);
    EXPECT_TRUE(info.has_value()) << error;
    return info.value_or(TargetInfo());
  }

  /// Emits `text`; on failure returns "" and leaves the messages in `said`.
  std::string emit(StringRef text, const TargetInfo &target, EmitKind kind, bool expandMath = false) {
    Errors errors(context.get());
    mlir::OwningOpRef<mlir::ModuleOp> module = context.parse(text);
    std::string result;
    if (module && context.lower(*module, expandMath)) {
      mlir::FailureOr<std::string> code = emitCode(*module, target, kind);
      result = mlir::succeeded(code) ? *code : "";
    }
    said = errors.get();
    return result;
  }

  TestContext context;
  std::string said;
};

bool contains(StringRef text, StringRef part) { return text.contains(part); }

/// Names of the symbols that a shared object exports, or needs.
std::set<std::string> dynamicSymbols(const std::string &bytes, bool undefined) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(bytes, "test"));
  std::set<std::string> names;
  if (!file) {
    llvm::consumeError(file.takeError());
    return {"not an object file"};
  }
  for (const auto &symbol : llvm::cast<llvm::object::ELFObjectFileBase>(**file).getDynamicSymbolIterators()) {
    const bool isUndefined = llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined;
    const StringRef name = llvm::cantFail(symbol.getName());
    if (isUndefined == undefined && !name.empty()) {
      names.insert(name.str());
    }
  }
  return names;
}

/// What is in the folder of temporary files and was put there by the code generator.
size_t countTemporaries() {
  llvm::SmallString<128> directory;
  llvm::sys::path::system_temp_directory(/*ErasedOnReboot=*/true, directory);
  std::error_code error;
  size_t count = 0;
  for (llvm::sys::fs::directory_iterator it(directory, error), end; it != end && !error; it.increment(error)) {
    count += llvm::sys::path::filename(it->path()).starts_with("rwkv-kernels-");
  }
  return count;
}
} // namespace

TEST_F(EmitTest, UnknownTargetNamesTheKnownOnes) {
  std::string error;
  EXPECT_FALSE(lookupTarget("foo", error).has_value());
  EXPECT_EQ(error, "unknown target 'foo'; expected host, x86-64-v3, x86-64-v4, x86-64-amx, aarch64, "
                   "sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a or gfx942");
}

TEST_F(EmitTest, LanesAreEmulatedWithTheirNumbers) {
  std::string error;
  EXPECT_FALSE(lookupTarget("emu-foo", error).has_value());
  const TargetInfo host = target("host");
  const bool isX86 = llvm::StringRef(host.triple).starts_with("x86_64");
  EXPECT_EQ(error, std::string("unknown target 'emu-foo'; expected emu-sm_80, emu-sm_86, emu-sm_89, emu-sm_90a, "
                               "emu-sm_100a, emu-sm_120a") +
                       (isX86 ? ", emu-gfx942 or emu-x86-64-amx" : " or emu-gfx942"));
  const TargetInfo gpu = target("sm_90a"), emulated = target("emu-sm_90a");
  EXPECT_EQ(emulated.triple, host.triple);
  EXPECT_EQ(emulated.features, host.features);
  EXPECT_FALSE(emulated.isText);
  EXPECT_EQ(emulated.scratchBytes, gpu.scratchBytes);
  EXPECT_EQ(emulated.lanes, gpu.lanes);
  EXPECT_EQ(emulated.hooks->getWarp(), 32);
  EXPECT_EQ(emulated.hooks->findProduct(tile::Precision::tf32), gpu.hooks->findProduct(tile::Precision::tf32));
  EXPECT_EQ(target("emu-gfx942").hooks->getWarp(), 64);
  EXPECT_NE(target("emu-gfx942").hooks->findProduct(tile::Precision::f32), nullptr);
}

TEST_F(EmitTest, ProductsThatMayBeRoundedFindAnInstruction) {
  const lanes::Hooks *hooks = target("sm_90a").hooks;
  EXPECT_EQ(hooks->findProduct(tile::Precision::f32), nullptr);
  ASSERT_NE(hooks->findProduct(tile::Precision::tf32), nullptr);
  EXPECT_EQ(hooks->findProduct(tile::Precision::bf16), hooks->findProduct(tile::Precision::tf32));
}

TEST_F(EmitTest, MatrixInstructionsAreEmulatedWithTheSameCode) {
  if (!llvm::StringRef(target("host").triple).starts_with("x86_64")) {
    GTEST_SKIP() << "this machine is no x86-64";
  }
  const TargetInfo machine = target("x86-64-amx"), emulated = target("emu-x86-64-amx");
  EXPECT_EQ(emulated.matrix, machine.matrix);
  EXPECT_EQ(emulated.features, machine.features);
  // What a machine without the instructions has is all that the pack requires.
  std::vector<std::string> expected = machine.features;
  llvm::erase_if(expected, [](llvm::StringRef feature) { return feature == "amx-tile" || feature == "amx-bf16"; });
  EXPECT_EQ(emulated.required, expected);
  EXPECT_EQ(expected.size() + 2, machine.features.size());
}

TEST_F(EmitTest, TargetsHaveTheirNumbers) {
  EXPECT_EQ(listTargets(), (std::vector<std::string>{"host", "x86-64-v3", "x86-64-v4", "x86-64-amx", "aarch64", "sm_80",
                                                     "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a", "gfx942"}));
  const TargetInfo v3 = target("x86-64-v3"), v4 = target("x86-64-v4"), arm = target("aarch64");
  EXPECT_EQ(v3.vectorBits, 256);
  EXPECT_EQ(v3.registers, 16);
  EXPECT_EQ(v4.vectorBits, 512);
  EXPECT_EQ(v4.registers, 32);
  EXPECT_EQ(arm.vectorBits, 128);
  EXPECT_TRUE(arm.features.empty());
  // A level includes the one below.
  for (const std::string &feature : v3.features) {
    EXPECT_TRUE(llvm::is_contained(v4.features, feature)) << feature;
  }
  mlir::MLIRContext mlirContext;
  mlirContext.loadDialect<RwkvDialect>();
  EXPECT_EQ(v4.toAttr(&mlirContext).getChip(), "x86-64-v4");
  EXPECT_EQ(v4.toAttr(&mlirContext).getVector(), 512);
  EXPECT_EQ(v4.toAttr(&mlirContext).getMatrix(), 0);
  const TargetInfo tiles = target("x86-64-amx");
  EXPECT_EQ(tiles.toAttr(&mlirContext).getMatrix(), 16);
  for (const std::string &feature : v4.features) {
    EXPECT_TRUE(llvm::is_contained(tiles.features, feature)) << feature;
  }
}

TEST_F(EmitTest, AssemblyUsesTheWidthOfTheLevel) {
  const std::string v4 = emit(fmaText, target("x86-64-v4"), EmitKind::assembly);
  EXPECT_TRUE(contains(v4, "zmm")) << said << v4;
  EXPECT_TRUE(contains(v4, "vfmadd")) << v4;
  EXPECT_FALSE(contains(v4, "ymm")) << v4;
  const std::string v3 = emit(fmaText, target("x86-64-v3"), EmitKind::assembly);
  EXPECT_TRUE(contains(v3, "ymm")) << said << v3;
  EXPECT_FALSE(contains(v3, "zmm")) << v3;
  const std::string arm = emit(fmaText, target("aarch64"), EmitKind::assembly);
  EXPECT_TRUE(contains(arm, "fmla") || contains(arm, "fmadd")) << said << arm;
}

TEST_F(EmitTest, LLVMIRIsOptimisedAndSaysItsTarget) {
  const std::string ir = emit(fmaText, target("x86-64-v4"), EmitKind::llvmIR);
  EXPECT_TRUE(contains(ir, "target triple = \"x86_64-unknown-linux-gnu\"")) << said << ir;
  EXPECT_TRUE(contains(ir, "\"target-cpu\"=\"x86-64-v4\"")) << ir;
  EXPECT_TRUE(contains(ir, "\"prefer-vector-width\"=\"512\"")) << ir;
  EXPECT_FALSE(contains(ir, "@helper")) << "not inlined\n" << ir;
}

TEST_F(EmitTest, EmittingLeavesTheModuleAsItWas) {
  mlir::OwningOpRef<mlir::ModuleOp> module = context.parse(fmaText);
  ASSERT_TRUE(module && context.lower(*module, false));
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os);
    return text;
  };
  const std::string before = print();
  EXPECT_TRUE(mlir::succeeded(emitCode(*module, target("x86-64-v3"), EmitKind::object)));
  EXPECT_EQ(print(), before);
}

TEST_F(EmitTest, ObjectIsRelocatableELF) {
  for (const char *name : {"x86-64-v3", "x86-64-v4", "aarch64"}) {
    const std::string object = emit(fmaText, target(name), EmitKind::object);
    ASSERT_GT(object.size(), 64u) << said;
    EXPECT_EQ(StringRef(object).take_front(4), "\x7f"
                                               "ELF");
    EXPECT_EQ(object[16], 1) << "ET_REL";
  }
}

TEST_F(EmitTest, SharedObjectExportsFunctionsAndNeedsNothing) {
  const size_t temporaries = countTemporaries();
  for (const char *name : {"x86-64-v3", "x86-64-v4", "aarch64"}) {
    const std::string shared = emit(fmaText, target(name), EmitKind::shared);
    ASSERT_GT(shared.size(), 64u) << said;
    EXPECT_EQ(shared[16], 3) << "ET_DYN";
    EXPECT_EQ(dynamicSymbols(shared, /*undefined=*/false), (std::set<std::string>{"fma16", "square"}));
    EXPECT_EQ(dynamicSymbols(shared, /*undefined=*/true), std::set<std::string>());
    EXPECT_EQ(shared, emit(fmaText, target(name), EmitKind::shared)) << "two runs differ";
  }
  EXPECT_EQ(countTemporaries(), temporaries);
}

TEST_F(EmitTest, SharedObjectRuns) {
  std::string error;
  const std::optional<TargetInfo> host = lookupTarget("host", error);
  if (!host) {
    GTEST_SKIP() << error;
  }
  const SharedObject object(emit(fmaText, *host, EmitKind::shared));
  ASSERT_EQ(object.getError(), "") << said;
  alignas(64) float values[16];
  for (int i = 0; i < 16; ++i) {
    values[i] = static_cast<float>(i);
  }
  auto *fma16 = object.get<void(float *)>("fma16");
  ASSERT_NE(fma16, nullptr);
  fma16(values);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], static_cast<float>(i * i + i));
  }
  EXPECT_EQ(object.get<float(float)>("square")(3.0f), 9.0f);
  EXPECT_EQ(object.find("helper"), nullptr);
}

TEST_F(EmitTest, UndefinedSymbolIsNamed) {
  const char *text = R"(
    func.func @f(%x: f32) -> f32 {
      %y = math.exp %x : f32
      return %y : f32
    }
  )";
  const size_t temporaries = countTemporaries();
  EXPECT_EQ(emit(text, target("x86-64-v3"), EmitKind::shared), "");
  EXPECT_EQ(said, "cannot generate code for target 'x86-64-v3': kernels must not need a library, but got undefined "
                  "symbols: expf\n");
  EXPECT_EQ(countTemporaries(), temporaries);
  // Expanded, the same function needs nothing.
  EXPECT_NE(emit(text, target("x86-64-v3"), EmitKind::shared, /*expandMath=*/true), "") << said;
}

TEST_F(EmitTest, UnknownCpuAndFeatureAreErrors) {
  TargetInfo info = target("x86-64-v3");
  info.features.push_back("warp-drive");
  EXPECT_EQ(emit(fmaText, info, EmitKind::object), "");
  EXPECT_TRUE(contains(said, "does not know the feature 'warp-drive'")) << said;
  info = target("x86-64-v3");
  info.cpu = "x86-64-v9";
  EXPECT_EQ(emit(fmaText, info, EmitKind::object), "");
  EXPECT_TRUE(contains(said, "does not know the CPU 'x86-64-v9'")) << said;
  info = target("x86-64-v3");
  info.triple = "pdp11-unknown-none";
  EXPECT_EQ(emit(fmaText, info, EmitKind::object), "");
  EXPECT_TRUE(contains(said, "pdp11")) << said;
}

TEST_F(EmitTest, ErrorsOfTheBackEndDoNotEndTheProcess) {
  // Reported by the assembler, through the context.
  EXPECT_EQ(emit(R"(llvm.func @f() { llvm.inline_asm has_side_effects "frobnicate", "" : () -> ()  llvm.return })",
                 target("x86-64-v3"), EmitKind::object),
            "");
  EXPECT_TRUE(contains(said, "frobnicate") || contains(said, "invalid instruction")) << said;
  // Fatal in instruction selection: an intrinsic of another architecture.
  EXPECT_EQ(emit(R"(llvm.func @f(%x: f32) -> f32 {
                   %0 = llvm.call_intrinsic "llvm.aarch64.neon.fmulx.f32"(%x, %x) : (f32, f32) -> f32
                   llvm.return %0 : f32
                 })",
                 target("x86-64-v3"), EmitKind::object),
            "");
  EXPECT_TRUE(contains(said, "select")) << said;
  // And it goes on working.
  EXPECT_NE(emit(fmaText, target("x86-64-v3"), EmitKind::shared), "") << said;
}

/// Loops and intrinsics that LLVM likes to turn into calls of memcpy, memmove, memset.
TEST_F(EmitTest, MemoryIsCopiedAndFilledWithoutALibrary) {
  const char *text = R"(
    llvm.func @copy_loop(%to: !llvm.ptr {llvm.noalias}, %from: !llvm.ptr {llvm.noalias}, %n: i64) {
      %zero = llvm.mlir.constant(0 : i64) : i64
      %one = llvm.mlir.constant(1 : i64) : i64
      llvm.br ^head(%zero : i64)
    ^head(%i: i64):
      %more = llvm.icmp "slt" %i, %n : i64
      llvm.cond_br %more, ^body, ^done
    ^body:
      %a = llvm.getelementptr %from[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      %b = llvm.getelementptr %to[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      %x = llvm.load %a : !llvm.ptr -> f32
      llvm.store %x, %b : f32, !llvm.ptr
      %next = llvm.add %i, %one : i64
      llvm.br ^head(%next : i64)
    ^done:
      llvm.return
    }
    llvm.func @zero_loop(%to: !llvm.ptr, %n: i64) {
      %zero = llvm.mlir.constant(0 : i64) : i64
      %one = llvm.mlir.constant(1 : i64) : i64
      %x = llvm.mlir.constant(0.0 : f32) : f32
      llvm.br ^head(%zero : i64)
    ^head(%i: i64):
      %more = llvm.icmp "slt" %i, %n : i64
      llvm.cond_br %more, ^body, ^done
    ^body:
      %b = llvm.getelementptr %to[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      llvm.store %x, %b : f32, !llvm.ptr
      %next = llvm.add %i, %one : i64
      llvm.br ^head(%next : i64)
    ^done:
      llvm.return
    }
    llvm.func @copy_large(%to: !llvm.ptr, %from: !llvm.ptr) {
      %x = llvm.load %from : !llvm.ptr -> !llvm.array<1024 x f32>
      llvm.store %x, %to : !llvm.array<1024 x f32>, !llvm.ptr
      llvm.return
    }
    llvm.func @copy_n(%to: !llvm.ptr, %from: !llvm.ptr, %n: i64) {
      "llvm.intr.memcpy"(%to, %from, %n) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
      llvm.return
    }
    llvm.func @move_n(%to: !llvm.ptr, %from: !llvm.ptr, %n: i64) {
      "llvm.intr.memmove"(%to, %from, %n) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
      llvm.return
    }
    llvm.func @fill_n(%to: !llvm.ptr, %value: i8, %n: i64) {
      "llvm.intr.memset"(%to, %value, %n) <{isVolatile = false}> : (!llvm.ptr, i8, i64) -> ()
      llvm.return
    }
    llvm.func @copy_768(%to: !llvm.ptr, %from: !llvm.ptr) {
      %n = llvm.mlir.constant(768 : i64) : i64
      "llvm.intr.memcpy"(%to, %from, %n) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
      llvm.return
    }
    llvm.func @move_768(%to: !llvm.ptr, %from: !llvm.ptr) {
      %n = llvm.mlir.constant(768 : i64) : i64
      "llvm.intr.memmove"(%to, %from, %n) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
      llvm.return
    }
    llvm.func @fill_768(%to: !llvm.ptr, %value: i8) {
      %n = llvm.mlir.constant(768 : i64) : i64
      "llvm.intr.memset"(%to, %value, %n) <{isVolatile = false}> : (!llvm.ptr, i8, i64) -> ()
      llvm.return
    }
  )";
  for (const char *name : {"x86-64-v3", "x86-64-v4", "aarch64"}) {
    EXPECT_NE(emit(text, target(name), EmitKind::shared), "") << said;
  }
  std::string error;
  const std::optional<TargetInfo> host = lookupTarget("host", error);
  if (!host) {
    GTEST_SKIP() << error;
  }
  const SharedObject object(emit(text, *host, EmitKind::shared));
  ASSERT_EQ(object.getError(), "") << said;
  std::string from(5000, '\0'), expected;
  for (size_t i = 0; i < from.size(); ++i) {
    from[i] = static_cast<char>(i * 37 % 251);
  }
  using Copy = void(char *, const char *);
  using CopyN = void(char *, const char *, int64_t);
  std::string to(5000, '\0');
  auto check = [&](const char *what, size_t n) {
    EXPECT_EQ(to, from.substr(0, n) + std::string(to.size() - n, '\0')) << what;
    to.assign(to.size(), '\0');
  };
  object.get<CopyN>("copy_loop")(to.data(), from.data(), 777);
  check("copy_loop", 777 * 4);
  object.get<Copy>("copy_large")(to.data(), from.data());
  check("copy_large", 4096);
  object.get<CopyN>("copy_n")(to.data(), from.data(), 1001);
  check("copy_n", 1001);
  object.get<CopyN>("move_n")(to.data(), from.data(), 1001);
  check("move_n", 1001);
  object.get<Copy>("copy_768")(to.data(), from.data());
  check("copy_768", 768);
  object.get<Copy>("move_768")(to.data(), from.data());
  check("move_768", 768);
  // Overlapping.
  for (int64_t shift : {1, 64, -1, -64}) {
    for (int64_t n : {768, 1500}) {
      std::string moved = from;
      expected = from;
      expected.replace(static_cast<size_t>(1000 + shift), static_cast<size_t>(n),
                       from.substr(1000, static_cast<size_t>(n)));
      if (n == 768) {
        object.get<Copy>("move_768")(moved.data() + 1000 + shift, moved.data() + 1000);
      } else {
        object.get<CopyN>("move_n")(moved.data() + 1000 + shift, moved.data() + 1000, n);
      }
      EXPECT_EQ(moved, expected) << shift;
    }
  }
  object.get<void(char *, char)>("fill_768")(to.data(), 'x');
  EXPECT_EQ(to, std::string(768, 'x') + std::string(to.size() - 768, '\0'));
  object.get<void(char *, char, int64_t)>("fill_n")(to.data(), 'y', 1025);
  EXPECT_EQ(to, std::string(1025, 'y') + std::string(to.size() - 1025, '\0'));
  object.get<void(char *, int64_t)>("zero_loop")(to.data(), 257);
  EXPECT_EQ(to, std::string(to.size(), '\0'));
}
