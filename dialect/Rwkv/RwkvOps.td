// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the dialect; mlir-tblgen starts here.
#ifndef RWKV_DIALECT_RWKV_RWKVOPS_TD
#define RWKV_DIALECT_RWKV_RWKVOPS_TD

include "dialect/Rwkv/RwkvRecurrenceOps.td"
include "dialect/Rwkv/RwkvSugarOps.td"
include "dialect/Rwkv/RwkvTensorOps.td"
include "dialect/Rwkv/RwkvModelOps.td"
include "dialect/Rwkv/Rungs.td"

#endif // RWKV_DIALECT_RWKV_RWKVOPS_TD
