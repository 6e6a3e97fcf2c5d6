// There and back again is the same program, in both directions.
//
// RUN: split-file %s %t
// RUN: compress-opt %t/quant.mlir > %t/quant
// RUN: compress-opt %t/quant.mlir --convert-quant-to-compress='strict=true' --convert-compress-to-quant='strict=true' > %t/quant.back
// RUN: diff %t/quant %t/quant.back
// RUN: compress-opt %t/compress.mlir > %t/compress
// RUN: compress-opt %t/compress.mlir --convert-compress-to-quant='strict=true' --convert-quant-to-compress='strict=true' > %t/compress.back
// RUN: diff %t/compress %t/compress.back

//--- quant.mlir
!tensor = !quant.uniform<i8<-127:127>:f32, 0.50390625>
!full = !quant.uniform<i8:f32, 0.5:-3>
!axis = !quant.uniform<u16:f32:1, {0.5:3, 0.25:60000, 2.0, 1.0}>
!sub = !quant.uniform<i4:f16:{0:1, 1:2}, {{0.5:3, 0.25:-4}, {1.0, 2.0}}>
!unsigned = !quant.uniform<u4:bf16:{1:2}, {{0.5, 0.25}}>
!bit = !quant.uniform<i1:f64, 0.125>
func.func @constants() -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf16>, tensor<2x4xbf16>, tensor<2xf64>) {
  %c8 = arith.constant dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi8>
  %q0 = quant.scast %c8 : tensor<2x4xi8> to tensor<2x4x!tensor>
  %d0 = quant.dcast %q0 : tensor<2x4x!tensor> to tensor<2x4xf32>
  %c8s = arith.constant dense<-128> : tensor<2x4xi8>
  %q1 = quant.scast %c8s : tensor<2x4xi8> to tensor<2x4x!full>
  %d1 = quant.dcast %q1 : tensor<2x4x!full> to tensor<2x4xf32>
  %c16 = arith.constant dense<-1> : tensor<2x4xi16>
  %q2 = quant.scast %c16 : tensor<2x4xi16> to tensor<2x4x!axis>
  %d2 = quant.dcast %q2 : tensor<2x4x!axis> to tensor<2x4xf32>
  %c4 = arith.constant dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi4>
  %q3 = quant.scast %c4 : tensor<2x4xi4> to tensor<2x4x!sub>
  %d3 = quant.dcast %q3 : tensor<2x4x!sub> to tensor<2x4xf16>
  %c4u = arith.constant dense<7> : tensor<2x4xi4>
  %q4 = quant.scast %c4u : tensor<2x4xi4> to tensor<2x4x!unsigned>
  %d4 = quant.dcast %q4 : tensor<2x4x!unsigned> to tensor<2x4xbf16>
  %c1 = arith.constant dense<[true, false]> : tensor<2xi1>
  %q5 = quant.scast %c1 : tensor<2xi1> to tensor<2x!bit>
  %d5 = quant.dcast %q5 : tensor<2x!bit> to tensor<2xf64>
  return %d0, %d1, %d2, %d3, %d4, %d5 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf16>, tensor<2x4xbf16>, tensor<2xf64>
}
func.func @values(%x: tensor<?x?xf32>, %c: tensor<2x4xi8>) -> (tensor<?x?xf32>, tensor<?x?xi16>, tensor<2x4xf32>) {
  %q = quant.qcast %x : tensor<?x?xf32> to tensor<?x?x!axis>
  %d = quant.dcast %q : tensor<?x?x!axis> to tensor<?x?xf32>
  %i = quant.scast %q : tensor<?x?x!axis> to tensor<?x?xi16>
  %p = quant.scast %c : tensor<2x4xi8> to tensor<2x4x!full>
  %e = quant.dcast %p : tensor<2x4x!full> to tensor<2x4xf32>
  return %d, %i, %e : tensor<?x?xf32>, tensor<?x?xi16>, tensor<2x4xf32>
}

//--- compress.mlir
!w0 = !compress.tensor<2x4xf32, quant<i8, group = [*, *], scale = f32>>
!w1 = !compress.tensor<2x4xf32, quant<ui4, group = [1, *], scale = f32, zero = ui4>>
!w2 = !compress.tensor<2x4xbf16, quant<i4, group = [2, 2], scale = bf16, zero = i4>>
!w3 = !compress.tensor<2x4xf64, quant<i16, group = [1, 4], scale = f32>>
!a = !compress.tensor<?x4xf32, quant<ui8, group = [*, 1], scale = f32, zero = ui8>>
func.func @constants() -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xbf16>, tensor<2x4xf64>) {
  %w0 = compress.constant [dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi8>, dense<0.1> : tensor<1x1xf32>] : !w0
  %d0 = compress.decode %w0 : !w0
  %w1 = compress.constant [dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi4>, dense<[[0.1], [3.0]]> : tensor<2x1xf32>,
                           dense<[[0], [-1]]> : tensor<2x1xi4>] : !w1
  %d1 = compress.decode %w1 : !w1
  %w2 = compress.constant [dense<-8> : tensor<2x4xi4>, dense<[[0.1, 2.0]]> : tensor<1x2xbf16>,
                           dense<[[0, -1]]> : tensor<1x2xi4>] : !w2
  %d2 = compress.decode %w2 : !w2
  %w3 = compress.constant [dense<-32767> : tensor<2x4xi16>, dense<[[0.1], [3.0]]> : tensor<2x1xf32>] : !w3
  %d3 = compress.decode %w3 : !w3
  return %d0, %d1, %d2, %d3 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xbf16>, tensor<2x4xf64>
}
func.func @values(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %cst = arith.constant dense<[[0.1, 0.2, 0.3, 0.4]]> : tensor<1x4xf32>
  %cst_0 = arith.constant dense<[[0, 1, 2, -3]]> : tensor<1x4xi8>
  %e = compress.encode %x params(%cst, %cst_0 : tensor<1x4xf32>, tensor<1x4xi8>) : tensor<?x4xf32> -> !a
  %d = compress.decode %e : !a
  return %d : tensor<?x4xf32>
}
