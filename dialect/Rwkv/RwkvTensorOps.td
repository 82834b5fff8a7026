// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on tensors that arith and math lack; used in token regions and in model functions alike.
#ifndef RWKV_DIALECT_RWKV_RWKVTENSOROPS_TD
#define RWKV_DIALECT_RWKV_RWKVTENSOROPS_TD

include "dialect/Rwkv/RwkvTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Rwkv_UnaryOp<string mnemonic, string formula> : Rwkv_Op<mnemonic, [Pure, Elementwise, SameOperandsAndResultType]> {
  let summary = formula # ", elementwise";
  let description = [{
    Operand and result have the same type, a float tensor of any shape or a scalar.

    Example:
    ```mlir
    // region
    %y = rwkv.}] # mnemonic # [{ %v : tensor<8xf32>
    ```
  }];
  let arguments = (ins Rwkv_ScalarOrTensor:$x);
  let results = (outs Rwkv_ScalarOrTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($result)";
}
def Rwkv_SigmoidOp : Rwkv_UnaryOp<"sigmoid", "1 / (1 + e^-x)">;
def Rwkv_SiluOp : Rwkv_UnaryOp<"silu", "x / (1 + e^-x)">;
def Rwkv_ReluOp : Rwkv_UnaryOp<"relu", "max(x, 0)">;
def Rwkv_SoftplusOp : Rwkv_UnaryOp<"softplus", "log(1 + e^x)">;

def Rwkv_FillOp : Rwkv_Op<"fill", [Pure]> {
  let summary = "A tensor (or scalar) of one constant, of any shape, known or not";
  let description = [{
    `arith.constant dense` needs static shapes; specs must hold before sizes are known.

    Example:
    ```mlir
    // region
    %one = rwkv.fill 1.0 : tensor<8xf32>
    ```
  }];
  let arguments = (ins F64Attr:$value);
  let results = (outs Rwkv_ScalarOrTensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
}

def Rwkv_AxisAttr : AnyAttrOf<[StrAttr, I64Attr], "axis name or position">;

def Rwkv_SumOp : Rwkv_Op<"sum", [Pure]> {
  let summary = "Sum over one axis";
  let description = [{
    The axis is a name of the operand's `#rwkv.dims`, or a position. In a token region a vector sums to a scalar.

    Constraints
    - sum_c1: the axis exists in the operand.
    - sum_c2: the result is the operand without that axis (a scalar if nothing is left).

    Example:
    ```mlir
    // region
    %s = rwkv.sum %v over 0 : tensor<8xf32> -> f32
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$x, Rwkv_AxisAttr:$axis);
  let results = (outs Rwkv_ScalarOrTensor:$result);
  let assemblyFormat = "$x `over` custom<Axis>($axis) attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Rwkv_BroadcastOp : Rwkv_Op<"broadcast", [Pure]> {
  let summary = "Repeat a value along new axes";
  let description = [{
    With axis names, the operand's axes are found in the result by name. Otherwise `on [..]` gives the position in the result
    of each axis of the operand, ascending; a scalar needs neither.

    Constraints
    - broadcast_c1: every axis of the operand is an axis of the result, of the same size, in the same order.

    Example:
    ```mlir
    // region
    %b = rwkv.broadcast %beta : f32 -> tensor<8xf32>
    ```
  }];
  let arguments = (ins Rwkv_ScalarOrTensor:$x, OptionalAttr<DenseI64ArrayAttr>:$on);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$x (`on` $on^)? attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Position in the result of each axis of the operand.
    ::llvm::SmallVector<int64_t> getPositions();
  }];
}

def Rwkv_DotOp : Rwkv_Op<"dot", [Pure]> {
  let summary = "Inner product of two vectors";
  let description = [{
    Shapes: two `tensor<n>` of one element type, which is that of the result, a scalar.

    Example:
    ```mlir
    // region
    %d = rwkv.dot %k, %w : tensor<8xf32> -> f32
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$lhs, Rwkv_FloatTensor:$rhs);
  let results = (outs AnyFloat:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` custom<DotTypes>(type($lhs), type($rhs)) `->` type($result)";
  let hasVerifier = 1;
}

def Rwkv_MatvecOp : Rwkv_Op<"matvec", [Pure]> {
  let summary = "Matrix times vector: y[i] = sum_j M[i, j] x[j]";
  let description = [{
    Shapes: `tensor<m x n>`, `tensor<n>` -> `tensor<m>`, all of one element type.

    Example:
    ```mlir
    // region
    %y = rwkv.matvec %M, %v : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
    ```
  }];
  let arguments = (ins Rwkv_FloatTensor:$matrix, Rwkv_FloatTensor:$x);
  let results = (outs Rwkv_FloatTensor:$result);
  let assemblyFormat = "$matrix `,` $x attr-dict `:` type($matrix) `,` type($x) `->` type($result)";
  let hasVerifier = 1;
}

#endif // RWKV_DIALECT_RWKV_RWKVTENSOROPS_TD
