// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The generated op definitions.
#include "dialect/Rwkv/RwkvAsm.h"

using namespace mlir;
using namespace rwkv;

#define GET_OP_CLASSES
#include "dialect/Rwkv/RwkvOps.cpp.inc"
