//===- ONNXToLinalg.td - convert-onnx-to-linalg ------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_TD
#define COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_TD

include "mlir/Pass/PassBase.td"

def ConvertONNXToLinalg : Pass<"convert-onnx-to-linalg", "::mlir::func::FuncOp"> {
  let summary = "Lower ONNX operators to linalg on tensors";
  let description = [{
    Every operator becomes `linalg`, `tensor`, `arith` and `math` operations on
    ranked tensors of signless element types (`onnx-infer-shapes` must have
    run). `onnx.Initializer` becomes an `arith.constant` that shares the
    resource.

    **Contractions** (Conv with groups, Gemm, MatMul with batch dimensions) are
    `linalg.generic` operations on the operands as they are: transposition,
    broadcasting, groups, strides and dilations live in the indexing maps, the
    bias is the initial value of the accumulator, and the body is exactly

        %0 = arith.mulf %lhs, %rhs
        %1 = arith.addf %acc, %0

    so that one later pattern recognizes them all. f16 and bf16 operands are
    extended in the body and accumulated in f32.

    ```mlir
    %y = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    // becomes
    %y = linalg.generic {indexing_maps = [(m, n, k) -> (m, k), (m, n, k) -> (k, n), (m, n, k) -> (m, n)], ...}
           ins(%x, %w) outs(%zeros) { mulf; addf }
    ```

    **Broadcasting** uses constant-zero map results for dimensions of size 1; a
    dynamic dimension is assumed to be equal to the one it meets.

    **`compress` operations** between ONNX ones stay. A `Gather` from the
    result of `compress.decode` becomes `compress.gather` from the encoded
    table, which decodes only the rows it reads.

    The first operator without a lowering is reported as
    `node 'name' (Op): reason`.
  }];
  let statistics = [
    Statistic<"numConverted", "converted", "ONNX operators converted">
  ];
  let dependentDialects = [
    "::compress::CompressDialect",
    "::compress::onnx::ONNXDialect",
    "::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

#endif // COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_TD
