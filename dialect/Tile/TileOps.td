// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef RWKV_DIALECT_TILE_TILEOPS_TD
#define RWKV_DIALECT_TILE_TILEOPS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::rwkv::tile";
  let summary = "One task's program over small static tiles, and the host-side calls of such programs";
  let description = [{
    A kernel is a program for one task over values `tensor<RxCxf32>`, `tensor<Cxf32>` and scalars. `arith`, `math` and
    `scf.for`/`scf.if` are used as they are; this dialect adds memory, shape and contraction ops. Sizes are static, at most
    two axes; keys of several axes are flattened. Nothing here knows lanes or vendors; `tile.pipeline`, which is formed for a
    machine, says what the warps of a task do.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect"];
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_BufferType : TypeDef<Tile_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "A dense array in memory, addressed by element offset";
  let description = [{
    Offsets count elements, not bytes. Elements are f32, f64, f16, bf16 or i32, as the caller's array has them; loads and
    stores convert.
  }];
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def Tile_Indices : AnyTypeOf<[TensorRankOf<[I32], [1, 2]>], "tile of i32">;
def Tile_Tile : AnyTypeOf<[TensorRankOf<[F32, F64], [1, 2]>, F32, F64], "tile or scalar of f32 or f64">;

def Tile_KernelOp : Tile_Op<"kernel", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock]> {
  let summary = "The program of one task";
  let description = [{
    Arguments: the task's number and the sizes B, T, S as `index`, then one buffer per operand, weight and result of the
    launches that use the kernel.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// task, B, T, S come before the buffers.
    static constexpr unsigned kFirstBuffer = 4;
    ::mlir::BlockArgument getTask() { return getBody().getArgument(0); }
    ::mlir::BlockArgument getSize(unsigned i) { return getBody().getArgument(1 + i); }
    ::mlir::ArrayRef<::mlir::BlockArgument> getBuffers() { return getBody().getArguments().drop_front(kFirstBuffer); }
  }];
}

def Tile_Size : I32EnumAttr<"Size", "a size that a call has", [
    I32EnumAttrCase<"B", 0>, I32EnumAttrCase<"T", 1>, I32EnumAttrCase<"S", 2>]> {
  let cppNamespace = "::rwkv::tile";
}

def Tile_SizeOp : Tile_Op<"size", [Pure]> {
  let summary = "Host side: the batch, the time or the number of packed sequences of the call";
  let description = [{
    B, T or S. B is 1 where sequences are packed; T counts the tokens of a sequence, or of all packed ones.
  }];
  let arguments = (ins Tile_Size:$size);
  let results = (outs Index:$result);
  let assemblyFormat = "$size attr-dict";
}

def Tile_LaunchOp : Tile_Op<"launch", [Pure, AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Host side: run tasks of a kernel";
  let description = [{
    `tasks` is their number, computed from `tile.size` by ops of `arith`; none is no launch. Their numbers start at 0, or
    at `from`. The kernel's buffers are the inputs, the weights and the results, in this order. Tasks are independent of
    each other. With `into` the results are written over these values, which nobody else reads: results of another
    launch, where what the tasks do not write stays, and which they may read.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Index:$tasks, Optional<Index>:$from,
                       Variadic<AnyRankedTensor>:$inputs, Variadic<AnyRankedTensor>:$into,
                       FlatSymbolRefArrayAttr:$weights);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `tasks` `(` $tasks (`from` $from^)? `)` `(` $inputs `)` `weights` $weights
    (`into` `(` $into^ `:` type($into) `)`)? attr-dict `:` functional-type($inputs, $results)
  }];
}

def Tile_LoadOp : Tile_Op<"load", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "A tile from memory, converted to the compute type";
  let description = [{
    Rows start at `offset`, `offset + stride`, ..; elements of a row are adjacent. Without `stride` rows are adjacent. The
    memory of a kernel's input buffers does not change while the kernel runs.
  }];
  let arguments = (ins Tile_BufferType:$buffer, Index:$offset, OptionalAttr<I64Attr>:$stride);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$buffer `[` $offset `]` (`stride` $stride^)? attr-dict `:` type($buffer) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_LoadIndexOp : Tile_Op<"load_index", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "An integer from memory, as an index";
  let description = [{
    The buffer is one of i32; the integer is signed.
  }];
  let arguments = (ins Tile_BufferType:$buffer, Index:$offset);
  let results = (outs Index:$result);
  let assemblyFormat = "$buffer `[` $offset `]` attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "A tile to memory, converted to the buffer's element type (round to nearest even)";
  let description = [{
    Rows go to `offset`, `offset + stride`, .., as `tile.load` reads them. Tasks store to places of their own.
  }];
  let arguments = (ins Tile_Tile:$value, Tile_BufferType:$buffer, Index:$offset, OptionalAttr<I64Attr>:$stride);
  let assemblyFormat = [{
    $value `,` $buffer `[` $offset `]` (`stride` $stride^)? attr-dict `:` type($value) `,` type($buffer)
  }];
  let hasVerifier = 1;
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "Repeat a scalar or a vector along the other axes";
  let description = [{
    `on` is the axis of the result that a vector operand runs along.
  }];
  let arguments = (ins Tile_Tile:$x, OptionalAttr<I64Attr>:$on);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$x (`on` $on^)? attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReduceKind : I32EnumAttr<"ReduceKind", "how elements are combined", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>]> {
  let cppNamespace = "::rwkv::tile";
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "Combine the elements along one axis";
  let description = [{
    `[M, N] -> [N]` over 0, `[M, N] -> [M]` over 1, `[N]` to a scalar; the element type stays. In which order elements are
    combined is the target's choice, the same for every call.
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Tile:$x, I64Attr:$axis);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $x `over` $axis attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReshapeOp : Tile_Op<"reshape", [Pure]> {
  let summary = "The same elements, row-major, in another shape";
  let description = [{
    Both shapes have as many elements, of one type.
  }];
  let arguments = (ins Tile_Tile:$x);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_SliceOp : Tile_Op<"slice", [Pure]> {
  let summary = "A part of a tile, from an offset on each axis";
  let description = [{
    One offset per axis of `x`; the part must lie inside. The result may leave out leading axes of size 1: a row of a matrix is
    a vector, an element of a vector a scalar.
  }];
  let arguments = (ins Tile_Tile:$x, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$x `[` $offsets `]` attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_InsertOp : Tile_Op<"insert", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "A tile with a part of it replaced";
  let description = [{
    `part` lies at one offset per axis of `x`, inside of it; it may leave out leading axes of size 1.
  }];
  let arguments = (ins Tile_Tile:$part, Tile_Tile:$x, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$part `into` $x `[` $offsets `]` attr-dict `:` type($part) `->` type($x)";
  let hasVerifier = 1;
}

def Tile_TransposeOp : Tile_Op<"transpose", [Pure]> {
  let summary = "Rows as columns: [M, N] -> [N, M]";
  let description = [{
    The element type stays.
  }];
  let arguments = (ins Tile_Tile:$x);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "Every element's index along an axis";
  let description = [{
    A tile of i32: with axis 0 the number of the row, with axis 1 that of the column.
  }];
  let arguments = (ins I64Attr:$axis);
  let results = (outs Tile_Indices:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_CumsumOp : Tile_Op<"cumsum", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "Running sums along the first axis, started anew every `blocks` rows";
  let description = [{
    Row t is the sum of the rows from the start of its block up to t; with `exclusive` up to t - 1. `blocks` divides the number
    of rows.
  }];
  let arguments = (ins Tile_Tile:$x, UnitAttr:$exclusive, I64Attr:$blocks);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$x (`exclusive` $exclusive^)? `blocks` $blocks attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Tile_ScanKind : I32EnumAttr<"ScanKind", "how a row follows from the row before", [
    I32EnumAttrCase<"affine", 0>, I32EnumAttrCase<"maxplus", 1>]> {
  let cppNamespace = "::rwkv::tile";
}

def Tile_ScanOp : Tile_Op<"scan", [Pure, AllTypesMatch<["a", "b"]>]> {
  let summary = "An elementwise first-order recurrence along the rows: [C, N], [C, N], [N] -> [C + 1, N]";
  let description = [{
    Row 0 is `init`; row t + 1 is `a_t * row_t + b_t` (`affine`) or `max(a_t + row_t, b_t)` (`maxplus`).
  }];
  let arguments = (ins Tile_ScanKind:$kind, Tile_Tile:$a, Tile_Tile:$b, Tile_Tile:$init);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $a `,` $b `init` $init attr-dict `:` type($a) `,` type($init) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_SolveUnitLowerOp : Tile_Op<"solve_unit_lower", [Pure, AllTypesMatch<["rhs", "result"]>]> {
  let summary = "X with (I + L) X = R for a unit lower triangular system, by substitution: [M, M], [M, N] -> [M, N]";
  let description = [{
    Unknowns are eliminated in the order of their rows. With `interleave n` the M = n C rows are n groups of C, and the order is
    the first rows of all groups, the second rows, ..: row g C + t is number t n + g. Elements of L on the diagonal or
    of later unknowns are not read. Sums are in the compute type; nothing is inverted.
  }];
  let arguments = (ins Tile_Tile:$lower, Tile_Tile:$rhs, DefaultValuedAttr<I64Attr, "1">:$interleave);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $lower `,` $rhs (`interleave` $interleave^)? attr-dict `:` type($lower) `,` type($rhs)
  }];
  let hasVerifier = 1;
}

def Tile_Precision : I32EnumAttr<"Precision", "what operands of a product may be rounded to", [
    I32EnumAttrCase<"f32", 0>, I32EnumAttrCase<"tf32", 1>, I32EnumAttrCase<"bf16", 2>]> {
  let cppNamespace = "::rwkv::tile";
}

def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "Matrix product: [M, K] x [K, N] -> [M, N], or with `transposed` [M, K] x [N, K]";
  let description = [{
    Sums are in the compute type; `acc` is added to them. Operands are used as they are, or with `precision tf32` rounded to
    11 significant bits or more, with `precision bf16` to 8 or more, where the machine has an instruction for it (the range
    is that of f32). With `blocks p` it is a product per block of p rows: result rows g p .. g p + p - 1 are the p x p block
    of the left operand times the same rows of the right one, [G' p, p] x [G p, N] -> [G p, N]; the blocks of the left
    operand are used again from the first on if it has fewer.
  }];
  let arguments = (ins Tile_Tile:$lhs, Tile_Tile:$rhs, Optional<Tile_Tile>:$acc, UnitAttr:$transposed,
                       OptionalAttr<I64Attr>:$blocks,
                       DefaultValuedAttr<Tile_Precision, "::rwkv::tile::Precision::f32">:$precision);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`transposed` $transposed^)? (`blocks` $blocks^)? (`precision` $precision^)? (`acc` $acc^ `:` type($acc))? attr-dict `:`
    type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_SequenceOfOp : Tile_Op<"sequence_of", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "The sequence that a token belongs to: the s with cu[s] <= token < cu[s + 1]";
  let description = [{
    `cu` is cu_seqlens of `count` sequences; the token lies in one of them.
  }];
  let arguments = (ins Tile_BufferType:$cu, Index:$count, Index:$token);
  let results = (outs Index:$sequence);
  let assemblyFormat = "$token `in` $cu `[` $count `]` attr-dict `:` type($cu)";
  let hasVerifier = 1;
}

def Tile_FlagOp : Tile_Op<"flag", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Report to the caller that an assertion does not hold for the data";
  let description = [{
    `number` is the place of the assertion in the list `tile.assertions` of the module, strings that say what is asserted
    where. Kernels report it as a bit of their status, whose last one stands for all assertions from number 30 on.

    Constraints
    - flag_c1: 0 <= number.
  }];
  let arguments = (ins I1:$violated, DefaultValuedAttr<I64Attr, "0">:$number);
  let assemblyFormat = "$violated (`number` $number^)? attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The module's list.
    static constexpr ::llvm::StringLiteral kAssertions = "tile.assertions";
    /// What the status has if this one does not hold.
    int32_t getStatusBit() { return int32_t(1) << ::std::min<int64_t>(getNumber(), 30); }
  }];
}

def Tile_Count : ConfinedAttr<I64Attr, [IntPositive]>;
def Tile_PerhapsNone : DefaultValuedAttr<ConfinedAttr<I64Attr, [IntNonNegative]>, "0">;

def Tile_PipelineOp : Tile_Op<"pipeline", [RecursiveMemoryEffects, AttrSizedOperandSegments]> {
  let summary = "A loop over chunks in which some warps of a task prepare chunks and others apply them to what is carried";
  let description = [{
    `for i = from; i < to; i += step`, with values that are carried from one chunk to the next, in two phases. `prepare` makes of a
    chunk what does not need what is carried, and passes it on (`tile.pass`); `apply` takes it, makes the next values of what is
    carried (`tile.carry`), and stores results. Chunks are applied one after the other, but several of them are prepared at a
    time: each of the `preparers` warps has a slot of a ring in shared memory, fills it for every chunk that is its turn, and
    fills it again when all that apply have read it. The next operands are read ahead while it waits.

    What is carried are matrices of whose columns nothing depends on another column. Each of the `appliers` warps has `columns`
    of them, for all chunks, and reads the same columns of what is passed as `columns`, tiles as they are in memory, and of tiles
    from outside that have such columns; of everything else that is passed it reads all. Matrices of fewer columns are carried by
    all warps that apply alike, and so is computed what is made of them alone.

    What is carried `ahead`, such as a running maximum, needs nothing of what is applied: those that prepare hand it from one
    chunk to the next, and `prepare` passes its next value.

    `idle` warps lie between those that prepare and those that apply, where machines have registers for whole groups of warps:
    those of a lane that applies are `moved` fewer, those of one that prepares as many more, or the other way around if that is
    negative. `tasks` share a multiprocessor.
    With `pairs` operands of products lie in slots as pairs of 16 bits.

    Constraints
    - pipeline_c1: what is carried are matrices of `appliers` times `columns` columns, or fewer, but not all of them; values,
      arguments and results of what is carried have the same types, results of what is carried `ahead` come last.
    - pipeline_c2: the arguments of `prepare` are the index and what is carried `ahead`; those of `apply` the index, what is
      carried else, what is passed.
    - pipeline_c3: `prepare` ends with `tile.pass`, `apply` with `tile.carry`.
    - pipeline_c4: `prepare` only reads memory; it may flag. It reads no buffer that `apply` stores to, as it runs ahead.
    - pipeline_c5: `apply` loads no tiles and flags nothing; it stores whole rows of its columns.
    - pipeline_c6: there are no loops inside, and branches in `prepare` alone: of two sides, which only compute.
    - pipeline_c7: what is passed as `columns` are loads of `prepare`, with the columns of what is carried.

    Neither phase sees values of the other but these.

    Example:
    ```mlir
    tile.kernel @sums(%t: index, %b: index, %n: index, %s: index, %x: !tile.buffer<bf16>, %y: !tile.buffer<f32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %S0 = tile.load %y[%c0] : <f32> -> tensor<64x64xf32>
      %r = tile.pipeline %c0 to %n step %c1 carries(%S0) : (tensor<64x64xf32>) -> tensor<64x64xf32>
          preparers 4 appliers 4 columns 16 tasks 2
      prepare(%i: index) {
        %k = tile.load %x[%i] : <bf16> -> tensor<64x16xf32>
        %v = tile.load %x[%i] : <bf16> -> tensor<16x64xf32>
        tile.pass %k : tensor<64x16xf32> columns %v : tensor<16x64xf32>
      } apply(%i: index, %S: tensor<64x64xf32>, %k: tensor<64x16xf32>, %v: tensor<16x64xf32>) {
        %Sn = tile.dot %k, %v acc %S : tensor<64x64xf32> : tensor<64x16xf32>, tensor<16x64xf32> -> tensor<64x64xf32>
        tile.carry %Sn : tensor<64x64xf32>
      }
      tile.store %r, %y[%c0] : tensor<64x64xf32>, <f32>
    }
    ```
  }];
  let arguments = (ins Index:$from, Index:$to, Index:$step, Variadic<Tile_Tile>:$init, Variadic<Tile_Tile>:$ahead,
                       Tile_Count:$preparers, Tile_PerhapsNone:$idle, Tile_Count:$appliers, Tile_Count:$columns,
                       Tile_Count:$tasks, DefaultValuedAttr<I64Attr, "0">:$moved, UnitAttr:$pairs);
  let results = (outs Variadic<Tile_Tile>:$results);
  let regions = (region SizedRegion<1>:$prepare, SizedRegion<1>:$apply);
  let assemblyFormat = [{
    $from `to` $to `step` $step `carries` `(` $init `)` (`ahead` `(` $ahead^ `:` type($ahead) `)`)?
    `:` functional-type($init, $results)
    `\n` `preparers` $preparers (`idle` $idle^)? `appliers` $appliers `columns` $columns `tasks` $tasks (`moved` $moved^)?
    (`pairs` $pairs^)? attr-dict `\n` `prepare` custom<Phase>($prepare) `apply` custom<Phase>($apply)
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    PassOp getPass();
    CarryOp getCarry();
    /// All that is carried: what is carried ahead comes last.
    ::mlir::OperandRange getStates() { return (*this)->getOperands().take_back(getInit().size() + getAhead().size()); }
    /// What the phases call the index, what is carried, and what is passed, in the order of `tile.pass`.
    ::mlir::BlockArgument getPreparedIndex() { return getPrepare().getArgument(0); }
    ::mlir::BlockArgument getAppliedIndex() { return getApply().getArgument(0); }
    ::mlir::ArrayRef<::mlir::BlockArgument> getCarriedAhead() { return getPrepare().getArguments().drop_front(); }
    ::mlir::ArrayRef<::mlir::BlockArgument> getCarried() {
      return getApply().getArguments().slice(1, getInit().size());
    }
    ::mlir::ArrayRef<::mlir::BlockArgument> getPassed() {
      return getApply().getArguments().drop_front(1 + getInit().size());
    }
    /// What is prepared, if this is an argument that it is passed as; otherwise the value.
    static ::mlir::Value getPrepared(::mlir::Value value);
  }];
}

def Tile_PassOp : Tile_Op<"pass", [Pure, Terminator, AttrSizedOperandSegments, HasParent<"PipelineOp">]> {
  let summary = "Pass on what has been prepared for a chunk, in a slot of the ring";
  let description = [{
    All warps that apply read all of `whole`; of `columns`, tiles as they have been loaded, each reads its own columns. Those
    of `ahead` are not passed, but what is carried to the next chunk by those that prepare.
  }];
  let arguments = (ins Variadic<Tile_Tile>:$whole, Variadic<Tile_Tile>:$columns, Variadic<Tile_Tile>:$ahead);
  let assemblyFormat = [{
    ($whole^ `:` type($whole))? (`columns` $columns^ `:` type($columns))? (`ahead` $ahead^ `:` type($ahead))? attr-dict
  }];
  let extraClassDeclaration = [{
    /// What is passed: all but what is carried ahead.
    ::mlir::MutableArrayRef<::mlir::OpOperand> getPassed() { return (*this)->getOpOperands().drop_back(getAhead().size()); }
    /// What `apply` calls an operand that is passed.
    ::mlir::BlockArgument getPassedAs(::mlir::OpOperand &operand);
  }];
}

def Tile_CarryOp : Tile_Op<"carry", [Pure, Terminator, HasParent<"PipelineOp">]> {
  let summary = "What is carried to the next chunk, or out of the last one";
  let description = [{
    The values take the places of what the pipeline carries, in its order.
  }];
  let arguments = (ins Variadic<Tile_Tile>:$values);
  let assemblyFormat = "$values `:` type($values) attr-dict";
}

#endif // RWKV_DIALECT_TILE_TILEOPS_TD
