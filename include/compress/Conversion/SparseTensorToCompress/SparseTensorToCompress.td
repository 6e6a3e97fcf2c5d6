//===- SparseTensorToCompress.td - from sparse_tensor ------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_TD
#define COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_TD

include "mlir/Pass/PassBase.td"

def ConvertSparseTensorToCompress
    : Pass<"convert-sparse-tensor-to-compress"> {
  let summary = "Tensors of sparse_tensor encodings as compressed tensors";
  let description = [{
    | levels of the `sparse_tensor` encoding | pattern of `sparse` |
    |---|---|
    | all dimensions `dense`, the last `compressed` (CSR) | `csr` |
    | dimensions divided by block sizes likewise, then the remainders `dense` (BSR) | `block` |
    | all `dense`, the last divided by m, its remainder `structured[n, m]` | `nm` |
    | the first `compressed`, the others `dense` | `channels<0>` |

    - `sparse_tensor.assemble` of constants: `compress.constant`; of computed
      CSR buffers: `compress.pack`
    - `sparse_tensor.convert` of a dense constant to sparse: `compress.constant`
      of the values that are not zero
    - `sparse_tensor.convert` to dense, and reading by linalg operations:
      `compress.decode`
    - `sparse_tensor.disassemble` of a constant: constants

    ```mlir
    #CSR = #sparse_tensor.encoding<{
      map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
    %s = sparse_tensor.assemble (%positions, %coordinates), %values
       : (tensor<3xi32>, tensor<5xi8>), tensor<5xf32> to tensor<2x8xf32, #CSR>
    %d = sparse_tensor.convert %s : tensor<2x8xf32, #CSR> to tensor<2x8xf32>
    // becomes, if the operands are computed
    %s = compress.pack %values, %coordinates, %positions
       : tensor<5xf32>, tensor<5xi8>, tensor<3xi32>
      -> !compress.tensor<2x8xf32, sparse<csr<i8>, nnz = 5, of = f32>>
    %d = compress.decode %s : ...
    ```

    Positions become i32; coordinates of CSR keep 8, 16 or 32 bits, others
    become i32. What has no compressed form stays, with a remark that says why:
    other levels, levels that are unordered or not unique, explicit or implicit
    values, slices, blocks that do not divide the shape, payload that breaks the
    rules of the pattern, other operations on sparse tensors.
  }];
  let options = [
    Option<"strict", "strict", "bool", /*default=*/"false",
           "What cannot be converted is an error instead of a remark">
  ];
  let statistics = [
    Statistic<"numConverted", "converted", "Sparse values converted">,
    Statistic<"numLeft", "left", "Sparse values that stay">
  ];
  let dependentDialects = ["::compress::CompressDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_TD
