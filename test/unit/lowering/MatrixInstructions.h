// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tables of matrix instructions, for tests.
#ifndef RWKV_TEST_UNIT_LOWERING_MATRIXINSTRUCTIONS_H
#define RWKV_TEST_UNIT_LOWERING_MATRIXINSTRUCTIONS_H

#include "lowering/Layout/MatrixInstruction.h"

#include <cstdlib>

namespace rwkv {

inline const MatrixInstruction matrixInstructions[] = {
#include "lowering/target/amdgcn/MatrixInstructions.inc"
#include "lowering/target/nvptx/MatrixInstructions.inc"
};

inline const MatrixInstruction &getInstruction(llvm::StringRef name) {
  for (const MatrixInstruction &row : matrixInstructions) {
    if (row.name == name) {
      return row;
    }
  }
  abort();
}

} // namespace rwkv

#endif // RWKV_TEST_UNIT_LOWERING_MATRIXINSTRUCTIONS_H
