// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The custom directives of the ops' assembly formats. Private to the dialect's sources.
#ifndef RWKV_DIALECT_RWKV_RWKVASM_H
#define RWKV_DIALECT_RWKV_RWKVASM_H

#include "dialect/Rwkv/RwkvDialect.h"

namespace rwkv {
using AsmOperand = mlir::OpAsmParser::UnresolvedOperand;
using AsmOperands = llvm::SmallVectorImpl<AsmOperand>;
using AsmTypes = llvm::SmallVectorImpl<mlir::Type>;

/// A state type; null after an error.
StateType parseStateType(mlir::OpAsmParser &parser, mlir::Type &type);
/// The types of one key per key axis of `state`; an error if there are not as many keys.
mlir::ParseResult deriveKeyTypes(mlir::OpAsmParser &parser, llvm::StringRef op, StateType state,
                                 const AsmOperands &keys, AsmTypes &keyTypes);
// The same rules as verifiers: the generic form can say anything.
llvm::LogicalResult verifyType(mlir::Operation *op, llvm::StringRef what, mlir::Type expected, mlir::Type found);
llvm::LogicalResult verifyKeys(mlir::Operation *op, StateType state, mlir::OperandRange keys);

/// A type that must be one of a state.
mlir::ParseResult parseState(mlir::OpAsmParser &parser, mlir::Type &state);
void printState(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state);

// Only the state type is written; the other types follow from it.
mlir::ParseResult parseReadTypes(mlir::OpAsmParser &parser, mlir::Type &state, const AsmOperands &keys,
                                 AsmTypes &keyTypes, mlir::Type &value);
void printReadTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::OperandRange,
                    mlir::TypeRange, mlir::Type);
mlir::ParseResult parseWriteTypes(mlir::OpAsmParser &parser, mlir::Type &state, const AsmOperands &keys,
                                  AsmTypes &keyTypes, mlir::Type &value, const std::optional<AsmOperand> &scale,
                                  mlir::Type &scaleType);
void printWriteTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::OperandRange,
                     mlir::TypeRange, mlir::Type, mlir::Value, mlir::Type);
mlir::ParseResult parseDecayTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::StringAttr axis, mlir::Type &log);
void printDecayTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::StringAttr, mlir::Type);
mlir::ParseResult parseDeltaTypes(mlir::OpAsmParser &parser, mlir::Type &state, const AsmOperands &keys,
                                  AsmTypes &keyTypes, mlir::Type &value, const std::optional<AsmOperand> &scale,
                                  mlir::Type &scaleType, const AsmOperands &readKeys, AsmTypes &readKeyTypes);
void printDeltaTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::OperandRange,
                     mlir::TypeRange, mlir::Type, mlir::Value, mlir::Type, mlir::OperandRange, mlir::TypeRange);
mlir::ParseResult parseEvolveTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &s,
                                   const AsmOperands &readKeys, AsmTypes &readKeyTypes, const AsmOperands &writeKeys,
                                   AsmTypes &writeKeyTypes, const std::optional<AsmOperand> &diagonal,
                                   mlir::Type &diagonalType);
void printEvolveTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type, mlir::OperandRange,
                      mlir::TypeRange, mlir::OperandRange, mlir::TypeRange, mlir::Value, mlir::Type);
mlir::ParseResult parseNormalizerTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &weights,
                                       const AsmOperands &keys, AsmTypes &keyTypes,
                                       const std::optional<AsmOperand> &floor, mlir::Type &floorType,
                                       mlir::Type &value);
void printNormalizerTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type,
                          mlir::OperandRange, mlir::TypeRange, mlir::Value, mlir::Type, mlir::Type);
mlir::ParseResult parseSlotTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &x);
void printSlotTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type);
mlir::ParseResult parseMomentumTypes(mlir::OpAsmParser &parser, mlir::Type &state, const AsmOperands &keys,
                                     AsmTypes &keyTypes, mlir::Type &value, const std::optional<AsmOperand> &scale,
                                     mlir::Type &scaleType, mlir::Type &eta, mlir::Type &alpha);
void printMomentumTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::OperandRange,
                        mlir::TypeRange, mlir::Type, mlir::Value, mlir::Type, mlir::Type, mlir::Type);
// The last state's type is written; those before it have fewer key axes.
mlir::ParseResult parseFeatureWriteTypes(mlir::OpAsmParser &parser, const AsmOperands &states, AsmTypes &stateTypes,
                                         mlir::Type &key, mlir::Type &value, const std::optional<AsmOperand> &scale,
                                         mlir::Type &scaleType, AsmTypes &results);
void printFeatureWriteTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::OperandRange, mlir::TypeRange states,
                            mlir::Type, mlir::Type, mlir::Value, mlir::Type, mlir::TypeRange);
mlir::ParseResult parseFeatureReadTypes(mlir::OpAsmParser &parser, const AsmOperands &states, AsmTypes &stateTypes,
                                        mlir::Type &key, mlir::Type &value);
void printFeatureReadTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::OperandRange, mlir::TypeRange states,
                           mlir::Type, mlir::Type);
mlir::ParseResult parseMaximumTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &added, mlir::Type &value);
mlir::ParseResult parseHoldTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &source, mlir::Type &counter);
void printHoldTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type, mlir::Type);
void printMaximumTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type, mlir::Type);
mlir::ParseResult parseSetTypes(mlir::OpAsmParser &parser, mlir::Type &state, mlir::Type &value);
void printSetTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type state, mlir::Type);

/// `keyword(%arg = %operand : type, ..)`, which may be absent. `argType` gives the region argument's type for an
/// operand's type, or null after an error at its location.
mlir::ParseResult parseBoundOperands(mlir::OpAsmParser &parser, llvm::StringRef keyword,
                                     llvm::function_ref<mlir::Type(llvm::SMLoc, mlir::Type)> argType,
                                     llvm::SmallVectorImpl<mlir::OpAsmParser::Argument> &args, AsmOperands &operands,
                                     AsmTypes &types);
void printBoundOperands(mlir::OpAsmPrinter &printer, llvm::StringRef keyword, llvm::ArrayRef<mlir::BlockArgument> args,
                        mlir::OperandRange operands);

// `over "N"` or `over 3`
mlir::ParseResult parseAxis(mlir::OpAsmParser &parser, mlir::Attribute &axis);
void printAxis(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Attribute axis);

// One type for both vectors.
mlir::ParseResult parseDotTypes(mlir::OpAsmParser &parser, mlir::Type &lhs, mlir::Type &rhs);
void printDotTypes(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type lhs, mlir::Type);
} // namespace rwkv

#endif // RWKV_DIALECT_RWKV_RWKVASM_H
