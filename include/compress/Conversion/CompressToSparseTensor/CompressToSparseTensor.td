//===- CompressToSparseTensor.td - to sparse_tensor --------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_TD
#define COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_TD

include "mlir/Pass/PassBase.td"

def ConvertCompressToSparseTensor
    : Pass<"convert-compress-to-sparse-tensor"> {
  let summary = "Sparse compressed tensors as tensors of sparse_tensor encodings";
  let description = [{
    The inverse of `convert-sparse-tensor-to-compress`, for tensors of `sparse`
    encoding whose values are stored plainly:

    - `compress.constant`, and `compress.pack` of CSR: `sparse_tensor.assemble`
    - `compress.decode`: `sparse_tensor.convert` to a dense tensor

    ```mlir
    %w = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[0, 7]> : tensor<2xi8>,
                            dense<[0, 1, 2]> : tensor<3xi32>]
       : !compress.tensor<2x8xf32, sparse<csr<i8>, nnz = 2, of = f32>>
    %d = compress.decode %w : ...
    // becomes
    #CSR = #sparse_tensor.encoding<{
      map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
    %s = sparse_tensor.assemble (%positions, %coordinates), %values
       : (tensor<3xi32>, tensor<2xi8>), tensor<2xf32> to tensor<2x8xf32, #CSR>
    %d = sparse_tensor.convert %s : tensor<2x8xf32, #CSR> to tensor<2x8xf32>
    ```

    With `sparse-operands`, linalg operations that read the dense tensor take
    the sparse one instead, so that upstream's sparsifier makes loops over what
    is stored. It must be able to: products and sums it can, but not operations
    that give something other than 0 for 0.

    What has no equivalent stays, with a remark that says why: other encodings,
    values that are encoded themselves, the `bitmask` pattern and channels of an
    axis other than the first (`compress.cast` to `csr` first), `nm` along
    another axis than the last, blocks that do not divide the shape, other
    operations on compressed tensors.

    Of upstream's two ways to run the result, generated code
    (`--sparsifier="enable-runtime-library=false"`) handles every pattern; the
    support library of LLVM 22.1 crashes when it assembles `structured` levels.
  }];
  let options = [
    Option<"sparseOperands", "sparse-operands", "bool", /*default=*/"false",
           "Linalg operations take sparse tensors instead of decoded ones">,
    Option<"strict", "strict", "bool", /*default=*/"false",
           "What cannot be converted is an error instead of a remark">
  ];
  let statistics = [
    Statistic<"numConverted", "converted", "Compressed values converted">,
    Statistic<"numLeft", "left", "Compressed values that stay">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::sparse_tensor::SparseTensorDialect"];
}

#endif // COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_TD
