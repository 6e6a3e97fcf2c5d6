// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(convert-onnx-qdq-to-compress))' --split-input-file --verify-diagnostics | FileCheck %s

// A subgraph comes back as the type that it was.
// CHECK-LABEL: func.func @subgraph
func.func @subgraph() -> tensor<2x4xf32> {
  // CHECK-NEXT: %[[W:.+]] = compress.constant [{{.*}} : tensor<2x4xi3>, {{.*}} : tensor<1x1xf32>, {{.*}} : tensor<1x1xf16>] {compress.level = "level", compress.site = "w"} : <2x4xf32, quant<i3, group = [*, *], scale = f32, zero = f16>>
  // CHECK-NEXT: %[[D:.+]] = compress.decode %[[W]]
  // CHECK-NEXT: return %[[D]]
  %codes = onnx.Initializer "renamed" = dense<-3> : tensor<2x4xi4> {info = {metadata_props = [["compress.leaf", "0"]]}}
  %scale = onnx.Initializer "w_scale" = dense<0.5> : tensor<1x1xf32> {info = {metadata_props = [["compress.leaf", "1"]]}}
  %zero = onnx.Initializer "w_zero" = dense<0.5> : tensor<1x1xf16> {info = {metadata_props = [["compress.leaf", "2"]]}}
  %0 = onnx.Cast(%codes) {to = 1 : i64, onnx.metadata_props = [["compress.part", "p"]]} : (tensor<2x4xi4>) -> tensor<2x4xf32>
  %1 = onnx.Cast(%zero) {to = 1 : i64, onnx.metadata_props = [["compress.part", "p"]]} : (tensor<1x1xf16>) -> tensor<1x1xf32>
  %2 = onnx.Sub(%0, %1) {onnx.metadata_props = [["compress.part", "p"]]} : (tensor<2x4xf32>, tensor<1x1xf32>) -> tensor<2x4xf32>
  %3 = onnx.Mul(%2, %scale) {onnx.metadata_props = [["compress.part", "p"], ["compress.site", "w"], ["compress.level", "level"],
    ["compress.type", "!compress.tensor<2x4xf32, quant<i3, group = [*, *], scale = f32, zero = f16>>"]]}
    : (tensor<2x4xf32>, tensor<1x1xf32>) -> tensor<2x4xf32>
  func.return %3 : tensor<2x4xf32>
}

// -----

// Metadata that does not fit what is there is not believed.
func.func @wide() -> tensor<2xf32> {
  %codes = onnx.Initializer "c" = dense<100> : tensor<2xi8> {info = {metadata_props = [["compress.leaf", "0"]]}}
  %scale = onnx.Initializer "s" = dense<0.5> : tensor<f32> {info = {metadata_props = [["compress.leaf", "1"]]}}
  // expected-warning @+1 {{node 'n' (Mul) stays as it is: component 0 of its compress.type is missing or of another form}}
  %0 = onnx.Mul(%codes, %scale) {onnx.node_name = "n", onnx.metadata_props = [
    ["compress.type", "!compress.tensor<2xf32, quant<i3, group = [*], scale = f32>>"]]} : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// -----

func.func @text(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-warning @+1 {{stays as it is: its compress.type '!compress.tensor<2xf32, qu' is not a compressed type}}
  %0 = onnx.Relu(%x) {onnx.metadata_props = [["compress.type", "!compress.tensor<2xf32, qu"]]} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// -----

func.func @shape(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-warning @+1 {{stays as it is: its compress.type does not fit the shape of its result}}
  %0 = onnx.Relu(%x) {onnx.metadata_props = [["compress.type", "!compress.tensor<3xf32, f16>"]]} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// -----

func.func @element() -> tensor<2xf16> {
  %c = onnx.Initializer "c" = dense<1.0> : tensor<2xf16> {info = {metadata_props = [["compress.leaf", "0"]]}}
  // expected-warning @+1 {{stays as it is: its compress.type does not fit the element type of its result}}
  %0 = onnx.Identity(%c) {onnx.metadata_props = [["compress.type", "!compress.tensor<2xf32, f16>"]]} : (tensor<2xf16>) -> tensor<2xf16>
  func.return %0 : tensor<2xf16>
}

// -----

// The payload is checked like that of any constant.
func.func @payload() -> tensor<2xf32> {
  %i = onnx.Initializer "i" = dense<[1, 3]> : tensor<2xui2> {info = {metadata_props = [["compress.leaf", "0"]]}}
  %t = onnx.Initializer "t" = dense<1.0> : tensor<3xf32> {info = {metadata_props = [["compress.leaf", "1"]]}}
  %c = onnx.Cast(%i) {to = 6 : i64, onnx.metadata_props = [["compress.part", "p"]]} : (tensor<2xui2>) -> tensor<2xi32>
  // expected-warning @+1 {{stays as it is: codebook: }}
  %0 = onnx.Gather(%t, %c) {axis = 0 : i64, onnx.metadata_props = [["compress.part", "p"],
    ["compress.type", "!compress.tensor<2xf32, codebook<3, of = f32>>"]]} : (tensor<3xf32>, tensor<2xi32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// -----

// Sizes of coded streams must be those that coding gives.
func.func @exchange() -> tensor<2xf32> {
  %c = onnx.Initializer "c" = dense<[1.0, 2.0]> : tensor<2xf32> {info = {metadata_props = [["compress.leaf", "0"]]}}
  // expected-warning @+1 {{stays as it is: its compress.exchange does not give its compress.type}}
  %0 = onnx.Identity(%c) {onnx.metadata_props = [["compress.type", "!compress.tensor<2xf32, coded<rans, bytes = [100], of = f32>>"],
    ["compress.exchange", "!compress.tensor<2xf32, f32>"]]} : (tensor<2xf32>) -> tensor<2xf32>
  // expected-warning @+1 {{stays as it is: its compress.exchange does not give its compress.type}}
  %1 = onnx.Identity(%c) {onnx.metadata_props = [["compress.type", "!compress.tensor<2xf32, sum<[coded<rans, bytes = [100], of = f32>, f32]>>"],
    ["compress.exchange", "!compress.tensor<2xf32, f32>"]]} : (tensor<2xf32>) -> tensor<2xf32>
  // expected-warning @+1 {{stays as it is: its compress.exchange '!compress.tensor<3xf32, f32>' is not a type for its compress.type}}
  %2 = onnx.Identity(%c) {onnx.metadata_props = [["compress.type", "!compress.tensor<2xf32, coded<rans, bytes = [100], of = f32>>"],
    ["compress.exchange", "!compress.tensor<3xf32, f32>"]]} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
