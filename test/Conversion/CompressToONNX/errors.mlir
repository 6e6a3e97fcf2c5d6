// RUN: compress-opt %s --convert-compress-to-onnx --split-input-file --verify-diagnostics
// RUN: not compress-opt %s --convert-compress-to-onnx=profile=nobody 2>&1 | FileCheck %s --check-prefix=PROFILE
// RUN: not compress-opt %s --convert-compress-to-onnx=opset=0 2>&1 | FileCheck %s --check-prefix=OPSET

// PROFILE: unknown profile 'nobody'; there are 'onnxruntime' and 'standard'
// OPSET: option 'opset' must be 'auto' or a version from 1 to {{[0-9]+}}, found '0'

func.func @outside(%x: !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>) -> tensor<4xf32> {
  // expected-error @+1 {{cannot be written as ONNX: '!compress.tensor<4xf32, int8>' enters the graph from outside}}
  %0 = compress.decode %x : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  func.return %0 : tensor<4xf32>
}

// -----

func.func @parameters(%x: tensor<4xf32>, %s: tensor<1xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{cannot be written as ONNX: its parameters are not constant}}
  %0 = compress.encode %x params(%s : tensor<1xf32>) : tensor<4xf32>
    -> !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  %1 = compress.decode %0 : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  func.return %1 : tensor<4xf32>
}

// -----

func.func @blocks(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{blocks along the dynamic dimension 0 have no ONNX form}}
  %0 = compress.encode %x : tensor<?xf32>
    -> !compress.tensor<?xf32, quant<i8, group = [32], scale = f32>>
  %1 = compress.decode %0 : !compress.tensor<?xf32, quant<i8, group = [32], scale = f32>>
  func.return %1 : tensor<?xf32>
}

// -----

func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  %k = compress.constant [dense<1> : tensor<4xi8>, dense<1.0> : tensor<1xf32>]
    : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  %d = compress.decode %k : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  // expected-error @+1 {{'arith.addf' op cannot be written as ONNX}}
  %0 = arith.addf %x, %d : tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// -----

// Constants are verified where they are made, packed ones here.
func.func @payload() -> tensor<2xf32> {
  %i = arith.constant dense<[1, 3]> : tensor<2xi2>
  %t = arith.constant dense<1.0> : tensor<3xf16>
  %p = compress.pack %i, %t : tensor<2xi2>, tensor<3xf16> -> !compress.tensor<2xf32, codebook<3, of = f16>>
  // expected-error @+1 {{cannot be written as ONNX: codebook: }}
  %d = compress.decode %p : !compress.tensor<2xf32, codebook<3, of = f16>>
  func.return %d : tensor<2xf32>
}

// -----

func.func @activation(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{cannot write the encoding of an activation as '!compress.tensor<8xf32, scaled<}}
  %0 = compress.encode %x : tensor<8xf32> -> !compress.tensor<8xf32, scaled<group = [4], scale = f16, of = i8>>
  %1 = compress.decode %0 : !compress.tensor<8xf32, scaled<group = [4], scale = f16, of = i8>>
  func.return %1 : tensor<8xf32>
}
