// RUN: compress-opt %s --convert-compress-to-onnx | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-onnx | compress-opt --pass-pipeline='builtin.module(func.func(convert-onnx-qdq-to-compress))' | FileCheck %s --check-prefix=BACK

// BACK-LABEL: func.func @main_graph
// BACK-NOT: = onnx.
// BACK: compress.constant [{{.*}}] {compress.site = "book"} : <2x3xf32, codebook<5, of = f16>>
// BACK: compress.constant [{{.*}}] {compress.site = "mask"} : <2x4xf32, sparse<bitmask, nnz = 3, of = f32>>
// BACK: compress.constant [{{.*}} : tensor<0xf32>, {{.*}} : tensor<2x4xi1>] {compress.site = "none"} : <2x4xf32, sparse<bitmask, nnz = 0, of = f32>>
// BACK: compress.constant [{{.*}} : tensor<24xi8>, {{.*}}] : <2x2xf32, sum<[coded<zstd, bytes = [24], of = f32>,
// BACK: compress.constant [] : <16xf32, generated<nf4>>

module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // Operators for integers of 4 bits need opset 21, those for a mask 14.
  // CHECK: onnx.opset_imports = [{domain = "", version = 21 : i64}]
  // CHECK: %[[NF4:.+]] = onnx.Initializer "compress_constant{{.*}} : tensor<16xf32>
  func.func @main_graph() -> (tensor<2x3xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x2xf32>, tensor<16xf32>) {
    // Indices in the narrowest type that ONNX has, and a lookup.
    // CHECK: %[[I:.+]] = onnx.Initializer "book_indices" = {{.*}} : tensor<2x3xui4> {info = {metadata_props = {{\[\[}}"compress.leaf", "0"]]}}
    // CHECK: %[[II:.+]] = onnx.Cast(%[[I]])
    // CHECK: %[[T:.+]] = onnx.Initializer "book_codebooks" = {{.*}} : tensor<5xf16> {info = {metadata_props = {{\[\[}}"compress.leaf", "1"]]}}
    // CHECK: %[[TT:.+]] = onnx.Cast(%[[T]])
    // CHECK: onnx.Gather(%[[TT]], %[[II]]) {axis = 0 : i64
    // CHECK-SAME: "compress.part", "book_decoded"
    // CHECK-SAME: "compress.type", "!compress.tensor<2x3xf32, codebook<5, of = f16>>"
    // CHECK-SAME: "compress.site", "book"
    %c = compress.constant [dense<[[0, 1, 2], [3, 4, 0]]> : tensor<2x3xi3>, dense<[0.0, 0.5, 1.0, 1.5, 2.0]> : tensor<5xf16>]
      {compress.site = "book"} : !compress.tensor<2x3xf32, codebook<5, of = f16>>
    %0 = compress.decode %c : !compress.tensor<2x3xf32, codebook<5, of = f16>>

    // The number of a stored value is the number of set bits before it.
    // CHECK: %[[M:.+]] = onnx.Initializer "mask_mask" = {{.*}} : tensor<2x4xi1>
    // CHECK: onnx.CumSum({{.*}}) {exclusive = 1 : i64
    // CHECK: onnx.Gather
    // CHECK: onnx.Where
    // CHECK: onnx.Reshape({{.*}}"compress.type", "!compress.tensor<2x4xf32, sparse<bitmask, nnz = 3, of = f32>>"
    %s = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[[1, 0, 0, 1], [0, 1, 0, 0]]> : tensor<2x4xi1>]
      {compress.site = "mask"} : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 3, of = f32>>
    %1 = compress.decode %s : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 3, of = f32>>

    // A leaf that decoding does not need stays in the model nevertheless.
    // CHECK: onnx.Initializer "none_unused" = {{.*}} {info = {metadata_props = {{\[\[}}"compress.leaf", "1"]]}}
    // CHECK: onnx.Where({{.*}}"compress.site", "none"
    %e = compress.constant [dense<[]> : tensor<0xf32>, dense<0> : tensor<2x4xi1>]
      {compress.site = "none"} : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 0, of = f32>>
    %2 = compress.decode %e : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 0, of = f32>>

    // What is entropy coded is carried as it was before; nested quantization is
    // DequantizeLinear.
    // CHECK: %[[A:.+]] = onnx.Initializer "weight_term0" = {{.*}} : tensor<2x2xf32>
    // CHECK: %[[B:.+]] = onnx.DequantizeLinear
    // CHECK: onnx.Add(%[[A]], %[[B]])
    // CHECK-SAME: "compress.type", "!compress.tensor<2x2xf32, sum<[coded<zstd, bytes = [24], of = f32>
    // CHECK-SAME: "compress.exchange", "!compress.tensor<2x2xf32, sum<[f32, quant<
    %p = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>]
      : !compress.tensor<2x2xf32, f32>
    %q = compress.cast %p : !compress.tensor<2x2xf32, f32>
      -> !compress.tensor<2x2xf32, sum<[coded<zstd, bytes = [?], of = f32>, quant<i8, group = [1, *], scale = f32>]>>
    %3 = compress.decode %q : !compress.tensor<2x2xf32, sum<[coded<zstd, bytes = [?], of = f32>, quant<i8, group = [1, *], scale = f32>]>>

    // A table that tensors may share needs a node that says what it is here.
    // CHECK: onnx.Identity(%[[NF4]]) {onnx.metadata_props = {{\[\[}}"compress.type", "!compress.tensor<16xf32, generated<nf4>>"]]
    %g = compress.constant [] : !compress.tensor<16xf32, generated<nf4>>
    %4 = compress.decode %g : !compress.tensor<16xf32, generated<nf4>>
    func.return %0, %1, %2, %3, %4 : tensor<2x3xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x2xf32>, tensor<16xf32>
  }
}
