// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lowering/target/amdgcn/AmdgcnShape.h"

#include "llvm/ADT/STLExtras.h"

using namespace rwkv;

namespace {

class AmdgcnShape : public lanes::Shape {
public:
  int64_t getWarp() const override { return 64; }
  int64_t getRegisters() const override { return 131072; } // of four SIMDs
  int64_t getMostRegisters() const override { return 512; }

  /// One that does not round: it is right for every precision.
  const MatrixInstruction *findProduct(tile::Precision) const override {
    static const MatrixInstruction table[] = {
#include "lowering/target/amdgcn/MatrixInstructions.inc"
    };
    return llvm::find_if(table, [](const MatrixInstruction &row) { return row.name == "mfma.16x16x4.f32"; });
  }
};

} // namespace

const lanes::Shape &amdgcn::getShape() {
  static const AmdgcnShape shape;
  return shape;
}

const TargetInfo &amdgcn::getRow() {
  // CDNA3: 64 KiB of local memory for a work group.
  static const TargetInfo row{"gfx942", "amdgcn-amd-amdhsa", "gfx942", {}, 2048, 64, 64 << 10, nullptr, 256};
  return row;
}
