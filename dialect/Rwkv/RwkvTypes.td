// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_RWKV_RWKVTYPES_TD
#define RWKV_DIALECT_RWKV_RWKVTYPES_TD

include "dialect/Rwkv/RwkvDialect.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

def Rwkv_StateType : TypeDef<Rwkv_Dialect, "State"> {
  let mnemonic = "state";
  let summary = "The recurrent state of one head: key axes | value axis";
  let description = [{
    `!rwkv.state<64|64xf32>` is a matrix state `[K, V]`, `!rwkv.state<|64xf32>` a vector `[V]`, `!rwkv.state<64x64|64xf32>`
    a tensor `[K0, K1, V]`; `?` is a size that is not known before specialisation. The element type is the type that the
    state is kept and computed in (f32, or f64 when the operands are f64). Layout is always key-major `[K.., V]`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$keys, "int64_t":$value, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// tensor<K_axis x elt>: the type of a key for one key axis.
    ::mlir::RankedTensorType getKeyType(unsigned axis) const;
    /// tensor<V x elt>: the type of a value that is read or written.
    ::mlir::RankedTensorType getValueType() const;
    /// A state with the same key axes and one value.
    ::rwkv::StateType getWeightsType() const;
    /// A state of one number with the same element type.
    ::rwkv::StateType getCounterType() const;
    /// tensor<K.. x V x elt>: the whole state as a tensor.
    ::mlir::RankedTensorType getTensorType() const;
  }];
}

def Rwkv_DimsAttr : AttrDef<Rwkv_Dialect, "Dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "dims";
  let summary = "Names of a tensor's axes, or the shape of a weight in named sizes";
  let description = [{
    As the encoding of a tensor type it names the axes: `tensor<?x?x?xf32, #rwkv.dims<B, T, D>>`. Types with unequal names
    are unequal, so that `arith` and `math` refuse them. As the shape of a `rwkv.weight` an entry may also be a literal
    size or a constant times a name: `#rwkv.dims<5, R, D>`, `#rwkv.dims<D, 5*R>`. `B`, `T` and `S` are reserved for batch,
    time and packed sequences.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$names);
  let hasCustomAssemblyFormat = 1;
}

def Rwkv_TargetAttr : AttrDef<Rwkv_Dialect, "Target"> {
  let mnemonic = "target";
  let summary = "Numbers of the machine that code is generated for";
  let description = [{
    Data for cost models and register blocking, put on the module by the driver from the tables of lowering/target. No
    pass reads `chip` to decide; it names the row for the code generator and for messages.

    `vector` is the width of a vector register in bits, `registers` their number, `scratch` the bytes of fast private
    memory that one thread (or task of several lanes) should stay within. `lanes` is how many lanes may run one task, 1 where a
    thread with vectors does, and `units` how many such tasks the machine runs beside each other at full speed, 0 where
    nobody knows. `matrix` is how many vectors of multiply-adds a thread's matrix instructions make, on operands
    of 16 bits, in the time of one vector instruction; 0 where there are none.
  }];
  let parameters = (ins StringRefParameter<"row of the target table">:$chip, "int64_t":$vector, "int64_t":$registers,
                        "int64_t":$scratch, DefaultValuedParameter<"int64_t", "1">:$lanes,
                        DefaultValuedParameter<"int64_t", "0">:$units,
                        DefaultValuedParameter<"int64_t", "0">:$matrix);
  let assemblyFormat = "`<` $chip `,` struct($vector, $registers, $scratch, $lanes, $units, $matrix) `>`";
}

def Rwkv_ScheduleKind : I32EnumAttr<"ScheduleKind", "the form in which a recurrence runs", [
    I32EnumAttrCase<"step", 0>, I32EnumAttrCase<"scan", 1>, I32EnumAttrCase<"chunk", 2>]> {
  let cppNamespace = "::rwkv";
}

def Rwkv_ScheduleAttr : AttrDef<Rwkv_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "How a recurrence runs over its tokens";
  let description = [{
    `#rwkv.schedule<step>`: one token after the other, the form that the region itself has. `#rwkv.schedule<chunk, C = 16>`:
    C tokens at a time, by matrix products and one triangular solve. `#rwkv.schedule<scan, C = 16>`: C tokens at a time,
    elementwise. The last two keep what is left of a sequence for `step`.

    `#rwkv.schedule<chunk, C = 16, fill = 132>`: where there are heads of sequences for less than a third of so many tasks,
    and long ones, sequences are cut into segments that run beside each other: what each does to any state is computed
    first, then the states between them, then the outputs.

    `#rwkv.schedule<chunk, C = 16, least = 16>`: calls of fewer tokens per sequence, on average, run token by token, in a kernel
    of their own.

    `#rwkv.schedule<step, split = 4>`: the value axis of the states is split over 4 tasks per head, each of which has a
    quarter of the values and all of the keys. For states that one task cannot hold, and where nothing mixes values.
  }];
  let parameters = (ins EnumParameter<Rwkv_ScheduleKind>:$kind, DefaultValuedParameter<"int64_t", "1">:$chunk,
                        DefaultValuedParameter<"int64_t", "0">:$fill, DefaultValuedParameter<"int64_t", "0">:$least,
                        DefaultValuedParameter<"int64_t", "1">:$split);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Rwkv_Precision : I32EnumAttr<"Precision", "what operands of matrix products may be rounded to", [
    I32EnumAttrCase<"f32", 0>, I32EnumAttrCase<"tf32", 1>, I32EnumAttrCase<"bf16", 2>]> {
  let cppNamespace = "::rwkv";
  let genSpecializedAttr = 0;
}

def Rwkv_PrecisionAttr : AttrDef<Rwkv_Dialect, "Precision"> {
  let mnemonic = "precision";
  let summary = "What the operands of a recurrence's matrix products may be rounded to";
  let description = [{
    `#rwkv.precision<f32>`: nothing is rounded. `#rwkv.precision<tf32>`: to 11 significant bits or more, `#rwkv.precision<bf16>`: to
    8 or more, each with the range of f32. It is a permission: a machine rounds to what its matrix instructions take, and not
    at all where it has none for so many bits. Sums, states, decays and triangular systems are f32 in any case. Only schedules
    that make matrix products, `chunk`, make use of it.
  }];
  let parameters = (ins EnumParameter<Rwkv_Precision>:$value);
  let assemblyFormat = "`<` $value `>`";
}

def Rwkv_FloatTensor : TensorOf<[F16, BF16, F32, F64]>;
def Rwkv_ScalarOrTensor : AnyTypeOf<[F32, F64, Rwkv_FloatTensor]>;
def Rwkv_Sequences : 1DTensorOf<[I32]>;

#endif // RWKV_DIALECT_RWKV_RWKVTYPES_TD
