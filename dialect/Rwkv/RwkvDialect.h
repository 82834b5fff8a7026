// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rwkv dialect: types, attributes, ops.
#ifndef RWKV_DIALECT_RWKV_RWKVDIALECT_H
#define RWKV_DIALECT_RWKV_RWKVDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/Interfaces/StateStep.h"

#include "dialect/Rwkv/RwkvDialect.h.inc"
#include "dialect/Rwkv/RwkvEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/Rwkv/RwkvTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/Rwkv/RwkvAttrs.h.inc"

#include "dialect/Interfaces/RungOpInterface.h.inc"
#include "dialect/Interfaces/StateStepOpInterface.h.inc"
#include "dialect/Interfaces/SugarOpInterface.h.inc"

namespace rwkv {
class YieldOp;

/// `l <op> <integer>`, the condition of rwkv.when and of layer weights.
struct LayerCondition {
  enum class Compare { eq, ne, lt, le, gt, ge };
  Compare compare;
  int64_t value;

  /// Parses the text; on failure says in `error` what was expected.
  static std::optional<LayerCondition> parse(llvm::StringRef text, std::string &error);
  bool holds(int64_t layer) const;
};

/// Axis names of a tensor type, empty if it has none.
llvm::ArrayRef<mlir::StringAttr> getAxisNames(mlir::Type type);

/// Position of an axis given by name or number in `type`, or failure after an error at `op` (labelled `constraint`).
mlir::FailureOr<int64_t> resolveAxis(mlir::Operation *op, mlir::Attribute axis, mlir::Type type);

/// The checks that all rungs share: numbers of operands, and what rwkv.recurrence requires of them.
llvm::LogicalResult verifyRung(mlir::Operation *op, llvm::ArrayRef<llvm::StringRef> overNames,
                               llvm::ArrayRef<llvm::StringRef> constNames);

/// Operand constraints that rwkv.recurrence and the rungs share (recurrence_c1, c2).
llvm::LogicalResult verifyRecurrenceOperands(mlir::Operation *op, mlir::ValueRange over, mlir::ValueRange consts,
                                             mlir::ValueRange inits, mlir::Value reset);
} // namespace rwkv

#define GET_OP_CLASSES
#include "dialect/Rwkv/RwkvOps.h.inc"

#endif // RWKV_DIALECT_RWKV_RWKVDIALECT_H
