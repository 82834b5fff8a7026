// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accesses that nothing puts in order: of kernels by hand, which tell of them, and of code that a target makes.
#include "lowering/target/Target.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "runtime/emu.h"
#include "test/unit/lowering/TestCompiler.h"

#include <gtest/gtest.h>

using namespace rwkv;

namespace {

using Kernel = void (*)(rwkv_emu_lane *self, const uint64_t *parameters);

/// What is said of a kernel of 64 lanes with 256 bytes of shared memory; "" if nothing.
std::string run(Kernel kernel, int64_t tasks = 1, unsigned char *scratch = nullptr, int64_t scratchBytes = 0) {
  rwkvi_emu_grid grid = {"k", kernel, nullptr, tasks, 64, 256, scratch, scratchBytes};
  char message[2048] = "";
  bool ok = rwkvi_emu_run(&grid, 1, message, sizeof(message));
  EXPECT_EQ(ok, !message[0]);
  return message;
}

void access(rwkv_emu_lane *self, int32_t at, int32_t bytes, bool writes) {
  self->functions->access(self, static_cast<char *>(self->shared) + at, bytes, writes);
}
void read(rwkv_emu_lane *self, int32_t at, int32_t bytes = 4) { access(self, at, bytes, false); }
void write(rwkv_emu_lane *self, int32_t at, int32_t bytes = 4) { access(self, at, bytes, true); }
void barrier(rwkv_emu_lane *self) { self->functions->barrier(self); }

// Meetings of one warp, behind what lanes write.
void *placeOf(rwkv_emu_lane *self, int32_t id) { return static_cast<char *>(self->shared) + 128 + 8 * id; }
void begin(rwkv_emu_lane *self) {
  for (int32_t id = 0; self->lane == 0 && id < 3; ++id) {
    self->functions->begin_meeting(self, placeOf(self, id), 1);
  }
  barrier(self);
}
void await(rwkv_emu_lane *self, int32_t id, int32_t round) { self->functions->await(self, placeOf(self, id), round); }
void arrive(rwkv_emu_lane *self, int32_t id) { self->functions->arrive(self, placeOf(self, id), 32); }

TEST(RacesTest, BarriersPutAccessesInOrder) {
  EXPECT_EQ(run(
                [](rwkv_emu_lane *self, const uint64_t *) {
                  for (int32_t i = 0; i < 3; ++i) {
                    write(self, self->lane * 4);
                    barrier(self);
                    read(self, self->lane * 4 ^ 4);
                    read(self, 0);
                    barrier(self);
                  }
                },
                3),
            "");
}

TEST(RacesTest, EveryPairWithAWriteIsFound) {
  EXPECT_EQ(run([](rwkv_emu_lane *self, const uint64_t *) {
              self->lane == 0 ? write(self, 0) : self->lane == 1 ? read(self, 0) : void();
            }),
            "kernel \"k\": task 0: lane 1 reads byte 0 of the shared memory, which lane 0 wrote: no barrier is between "
            "them");
  EXPECT_EQ(
      run([](rwkv_emu_lane *self, const uint64_t *) { write(self, 8); }),
      "kernel \"k\": task 0: lane 1 writes byte 8 of the shared memory, which lane 0 wrote: no barrier is between "
      "them");
  EXPECT_EQ(
      run([](rwkv_emu_lane *self, const uint64_t *) { self->lane == 63 ? write(self, 8) : read(self, 8); }),
      "kernel \"k\": task 0: lane 63 writes byte 8 of the shared memory, which lanes among 0..31 read: no barrier "
      "is between them");
  EXPECT_EQ(run([](rwkv_emu_lane *self, const uint64_t *) {
              self->lane ? void() : read(self, 8), self->lane == 5 ? write(self, 8) : void();
            }),
            "kernel \"k\": task 0: lane 5 writes byte 8 of the shared memory, which lane 0 read: no barrier is between "
            "them");
  EXPECT_EQ(run([](rwkv_emu_lane *self, const uint64_t *) { read(self, 8); }), "");
}

TEST(RacesTest, BytesAreToldApart) {
  for (int32_t size : {1, 2, 4}) {
    static int32_t bytes;
    bytes = size;
    EXPECT_EQ(run([](rwkv_emu_lane *self, const uint64_t *) {
                write(self, self->lane * bytes, bytes);
                read(self, self->lane * bytes, bytes);
              }),
              "");
  }
  EXPECT_EQ(
      run([](rwkv_emu_lane *self, const uint64_t *) {
        self->lane == 0 ? write(self, 4, 8) : self->lane == 1 ? read(self, 11, 1) : void();
      }),
      "kernel \"k\": task 0: lane 1 reads byte 11 of the shared memory, which lane 0 wrote: no barrier is between "
      "them");
}

TEST(RacesTest, WarpBarriersAreOfTheWarp) {
  Kernel inside = [](rwkv_emu_lane *self, const uint64_t *) {
    write(self, self->lane * 4);
    self->functions->warp_barrier(self, 32);
    read(self, self->lane * 4 ^ 4);
  };
  EXPECT_EQ(run(inside), "");
  Kernel across = [](rwkv_emu_lane *self, const uint64_t *) {
    write(self, self->lane * 4);
    self->functions->warp_barrier(self, 32);
    read(self, self->lane * 4 ^ 128);
  };
  EXPECT_NE(run(across), "");
  Kernel shuffled = [](rwkv_emu_lane *self, const uint64_t *) { // waits, but says nothing about memory
    write(self, self->lane * 4);
    self->functions->shuffle(self, 0, 1, 32);
    read(self, self->lane * 4 ^ 4);
  };
  EXPECT_NE(run(shuffled), "");
}

// The first warp writes and says so, the second waits, reads and says so.
template <bool Waits> void pass(rwkv_emu_lane *self, const uint64_t *) {
  int32_t own = self->lane % 32 * 4;
  begin(self);
  for (int32_t i = 0; i < 3; ++i) {
    if (self->lane < 32) {
      Waits &&i > 0 ? await(self, 2, i - 1) : void();
      write(self, own);
      arrive(self, 1);
    } else {
      await(self, 1, i);
      read(self, own ^ 8);
      arrive(self, 2);
    }
  }
}

TEST(RacesTest, WhoWaitsKnowsWhatTheOthersDidBefore) {
  EXPECT_EQ(run(pass<true>, 2), "");
  EXPECT_NE(run(pass<false>), "");
  Kernel other = [](rwkv_emu_lane *self, const uint64_t *) { // the other way round
    begin(self);
    self->lane < 32 ? (await(self, 1, 0), write(self, 0)) : (arrive(self, 1), read(self, 0));
  };
  EXPECT_NE(run(other), "");
  Kernel inside = [](rwkv_emu_lane *self, const uint64_t *) { // who comes does not wait, for the own warp either
    begin(self);
    write(self, self->lane * 2, 2);
    arrive(self, 1 + self->lane / 32);
    read(self, self->lane * 2 ^ 2, 2);
  };
  EXPECT_NE(run(inside), "");
}

// What a warp does before it comes to a round is not known to who waited for the one before.
TEST(RacesTest, RoundsAreToldApart) {
  auto kernel = [](rwkv_emu_lane *self, const uint64_t *) {
    if (self->lane == 0) {
      self->functions->begin_meeting(self, placeOf(self, 0), 2);
    }
    barrier(self);
    self->lane < 32 ? write(self, self->lane * 2, 2) : void();
    arrive(self, 0);
    await(self, 0, 0);
    read(self, self->lane % 32 * 2, 2);
    if (self->lane < 32) {
      write(self, 64 + self->lane * 2, 2);
      arrive(self, 0);
    } else {
      self->task == 1 ? read(self, 64 + self->lane % 32 * 2, 2) : void();
    }
  };
  EXPECT_EQ(run(kernel, 1), "");
  EXPECT_NE(run(kernel, 2).find("task 1: lane"), std::string::npos);
}

TEST(RacesTest, ScratchMemoryIsOfTheTask) {
  static unsigned char scratch[3 * 256];
  Kernel own = [](rwkv_emu_lane *self, const uint64_t *) {
    self->functions->access(self, scratch + self->task * 256 + self->lane * 4, 4, 1);
  };
  EXPECT_EQ(run(own, 3, scratch, 256), "");
  Kernel same = [](rwkv_emu_lane *self, const uint64_t *) {
    self->functions->access(self, scratch + self->task * 256, 4, self->lane == 1);
  };
  EXPECT_EQ(
      run(same, 3, scratch, 256),
      "kernel \"k\": task 0: lane 1 writes byte 0 of the scratch memory, which lane 0 read: no barrier is between "
      "them");
}

/// A kernel in which lanes read what their neighbour wrote.
std::string compileExchange(const TargetInfo &target, bool waits, std::string &error) {
  using namespace mlir;
  auto emit = [&](OpBuilder &b, Location loc, Value argument) {
    Type pointer = argument.getType();
    auto module = b.getInsertionBlock()->getParent()->getParentOfType<ModuleOp>();
    auto global = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(global, loc, LLVM::LLVMArrayType::get(b.getI8Type(), 0), /*isConstant=*/false,
                           LLVM::Linkage::External, "arena", Attribute());
    Value lane = target.hooks->emitLane(b, loc);
    Value arena = LLVM::AddressOfOp::create(b, loc, pointer, "arena");
    auto at = [&](Value base, Value i) -> Value {
      return LLVM::GEPOp::create(b, loc, pointer, b.getI32Type(), base, i);
    };
    LLVM::StoreOp::create(b, loc, lane, at(arena, lane));
    if (waits) {
      target.hooks->emitBarrier(b, loc);
    }
    Value one = arith::ConstantIntOp::create(b, loc, b.getI32Type(), 1);
    Value other = arith::XOrIOp::create(b, loc, lane, one);
    Value found = LLVM::LoadOp::create(b, loc, b.getI32Type(), at(arena, other));
    LLVM::StoreOp::create(b, loc, found, at(argument, lane));
  };
  return test::compileFunction(target, "exchange", emit, error);
}

TEST(RacesTest, CodeTellsOfItsAccesses) {
  std::string error;
  std::optional<TargetInfo> target = lookupTarget("emu-sm_90a", error);
  ASSERT_TRUE(target) << error;
  for (bool waits : {true, false}) {
    test::SharedObject object(compileExchange(*target, waits, error));
    auto *kernel = object.get<std::remove_pointer_t<rwkv_emu_kernel>>("exchange");
    ASSERT_NE(kernel, nullptr) << error << object.getError();
    std::vector<int32_t> found(64);
    uint64_t parameters[] = {reinterpret_cast<uintptr_t>(found.data())};
    rwkvi_emu_grid grid = {"exchange", kernel, parameters, 1, 64, 256, nullptr, 0};
    char message[2048] = "";
    EXPECT_EQ(rwkvi_emu_run(&grid, 1, message, sizeof(message)), waits);
    EXPECT_STREQ(message, waits
                              ? ""
                              : "kernel \"exchange\": task 0: lane 1 writes byte 4 of the shared memory, which lane 0 "
                                "read: no barrier is between them");
    for (int32_t i = 0; i < 64 && waits; ++i) {
      EXPECT_EQ(found[i], i ^ 1);
    }
  }
}

} // namespace
