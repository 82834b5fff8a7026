// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Code objects as the compiler writes them: read, run through the interface for C, and refused.
#include "lowering/target/Target.h"
#include "test/amdsim/amdsim.h"
#include "test/unit/lowering/TestCompiler.h"
#include "llvm/BinaryFormat/ELF.h"

#include <gtest/gtest.h>
#include <memory>

using namespace rwkv;

namespace {

/// A kernel of 64 lanes: `body` is given %p, a pointer to i32, and %lane.
std::string compile(const std::string &body, const std::string &parameters = "") {
  test::TestContext context;
  test::Errors errors(context.get());
  mlir::OwningOpRef<mlir::ModuleOp> module =
      context.parse("llvm.func @k(%p: !llvm.ptr<1>" + parameters +
                    ") attributes {passthrough = [[\"rwkv-lanes\", \"64\"]]} {\n"
                    "  %lane = llvm.call_intrinsic \"llvm.amdgcn.workitem.id.x\"() : () -> i32\n" +
                    body + "  llvm.return\n}");
  std::string error;
  std::optional<TargetInfo> target = lookupTarget("gfx942", error);
  if (!module || !target) {
    ADD_FAILURE() << errors.get() << error;
    return "";
  }
  mlir::FailureOr<std::string> code = emitCode(*module, *target, EmitKind::shared);
  EXPECT_TRUE(mlir::succeeded(code)) << errors.get();
  return mlir::succeeded(code) ? *code : "";
}

const char *const kStore = "  %at = llvm.getelementptr %p[%lane] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n"
                           "  llvm.store %lane, %at : i32, !llvm.ptr<1>\n";

using Code = std::unique_ptr<amdsim_code, decltype(&amdsim_unload)>;

Code load(const std::string &file, std::string *said = nullptr) {
  char message[1024] = "";
  Code code(amdsim_load(file.data(), file.size(), message, sizeof(message)), amdsim_unload);
  EXPECT_EQ(code != nullptr, said == nullptr) << message;
  if (said) {
    *said = message;
  }
  return code;
}

std::string refusal(const std::string &file) {
  std::string said;
  load(file, &said);
  return said;
}

TEST(CodeObjectTest, RunsAKernel) {
  Code code = load(compile(kStore));
  ASSERT_TRUE(code);
  EXPECT_EQ(amdsim_find(code.get(), "other"), nullptr);
  const amdsim_kernel *kernel = amdsim_find(code.get(), "k");
  ASSERT_NE(kernel, nullptr);
  std::vector<int32_t> array(64, -1);
  const uint64_t parameters[2] = {reinterpret_cast<uintptr_t>(array.data()), 0};
  const amdsim_region region{array.data(), 64 * sizeof(int32_t), "the array"};
  amdsim_launch launch{.kernel = kernel,
                       .parameters = parameters,
                       .parameter_count = 1,
                       .regions = &region,
                       .region_count = 1,
                       .groups = 1,
                       .lanes = 64,
                       .local = 0,
                       .threads = 1};
  char message[1024] = "";
  ASSERT_TRUE(amdsim_run(&launch, message, sizeof(message))) << message;
  for (int lane = 0; lane < 64; ++lane) {
    EXPECT_EQ(array[lane], lane);
  }
  launch.parameter_count = 2;
  EXPECT_FALSE(amdsim_run(&launch, message, sizeof(message)));
  EXPECT_STREQ(message, "kernel \"k\": expected 8 bytes of parameters, found 16");
  launch.parameter_count = 1;
  launch.lanes = 128;
  EXPECT_FALSE(amdsim_run(&launch, message, sizeof(message)));
  EXPECT_NE(std::string(message).find("wave 1: "), std::string::npos) << message;
  EXPECT_NE(std::string(message).find("0 bytes behind the array of 256 bytes"), std::string::npos) << message;
}

TEST(CodeObjectTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refusal("nothing"), "expected a linked ELF file for AMD GPUs");
  const std::string good = compile(kStore);
  std::string changed = good;
  auto *header = reinterpret_cast<llvm::ELF::Elf64_Ehdr *>(changed.data());
  header->e_flags = llvm::ELF::EF_AMDGPU_MACH_AMDGCN_GFX1100;
  EXPECT_EQ(refusal(changed), "expected code for gfx942, found another chip, number 65");
  changed = good;
  header = reinterpret_cast<llvm::ELF::Elf64_Ehdr *>(changed.data());
  header->e_machine = llvm::ELF::EM_X86_64;
  EXPECT_EQ(refusal(changed), "expected a linked ELF file for AMD GPUs");
  EXPECT_EQ(refusal(good.substr(0, 100)), "expected program headers, found the end of the file");
  EXPECT_EQ(refusal(good.substr(0, good.size() - 100)), "expected section headers, found the end of the file");
  const std::string sine = refusal(compile("  %x = llvm.sitofp %lane : i32 to f32\n"
                                           "  %y = llvm.call_intrinsic \"llvm.amdgcn.sin.f32\"(%x) : (f32) -> f32\n"
                                           "  llvm.store %y, %p : f32, !llvm.ptr<1>\n"));
  EXPECT_EQ(sine.rfind("kernel \"k\": byte 0x", 0), 0u) << sine;
  EXPECT_NE(sine.find("v_sin_f32"), std::string::npos) << sine;
  EXPECT_NE(sine.find("this instruction is not implemented"), std::string::npos) << sine;
  const std::string plane = refusal(compile("  %y = llvm.call_intrinsic \"llvm.amdgcn.workitem.id.y\"() : () -> i32\n"
                                            "  llvm.store %y, %p : i32, !llvm.ptr<1>\n"));
  EXPECT_EQ(plane, "kernel \"k\": expected a grid with one axis");
}

} // namespace
