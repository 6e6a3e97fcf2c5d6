"""Writes `tiny.mlir`, a small classifier of the digits that compiles in no time:
random features and a layer that is fitted to them by least squares, better than
90 % of the samples. Inputs and outputs are named as those of examples/digits."""
import sys

import numpy

samples, out = numpy.load(sys.argv[1]), sys.argv[2]
rng = numpy.random.default_rng(0)
image = samples["image"].reshape(-1, 64).astype(numpy.float32)
features = 96
first = (rng.standard_normal((features, 64)) / 4).astype(numpy.float32)
bias = rng.standard_normal(features).astype(numpy.float32) / 4
hidden = numpy.maximum(image @ first.T + bias, 0)
design = numpy.concatenate([hidden, numpy.ones((len(hidden), 1))], 1)
wanted = numpy.eye(10)[samples["labels"].reshape(-1)] * 8 - 4
fitted = numpy.linalg.solve(design.T @ design + 0.1 * numpy.eye(features + 1), design.T @ wanted)
second, shift = fitted[:-1].T.astype(numpy.float32), fitted[-1].astype(numpy.float32)
right = ((hidden @ second.T + shift).argmax(1) == samples["labels"].reshape(-1)).mean()
assert right > 0.9, right


def constant(name, value):
    shape = "x".join(map(str, value.shape))
    bits = value.astype("<f4").tobytes().hex().upper()
    return (f'  %{name.replace(".", "_")} = onnx.Initializer "{name}" = '
            f'dense<"0x{bits}"> : tensor<{shape}xf32>\n')


with open(out, "w", encoding="utf-8") as file:
    file.write(
        'module attributes {onnx.ir_version = 8 : i64, '
        'onnx.opset_imports = [{domain = "", version = 17 : i64}]} {\n'
        'func.func @main_graph(%x: tensor<?x1x8x8xf32> {onnx.name = "image", '
        'onnx.dim_params = ["N", "", "", ""]}) -> (tensor<?x10xf32> '
        '{onnx.name = "logits", onnx.dim_params = ["N", ""]}) {\n'
        + constant("fc1.weight", first) + constant("fc1.bias", bias)
        + constant("fc2.weight", second) + constant("fc2.bias", shift) +
        '  %0 = onnx.Flatten(%x) {axis = 1 : i64} : (tensor<?x1x8x8xf32>) -> tensor<?x64xf32>\n'
        '  %1 = onnx.Gemm(%0, %fc1_weight, %fc1_bias) {transB = 1 : i64} : (tensor<?x64xf32>, '
        f'tensor<{features}x64xf32>, tensor<{features}xf32>) -> tensor<?x{features}xf32>\n'
        f'  %2 = onnx.Relu(%1) : (tensor<?x{features}xf32>) -> tensor<?x{features}xf32>\n'
        '  %3 = onnx.Gemm(%2, %fc2_weight, %fc2_bias) {transB = 1 : i64} : '
        f'(tensor<?x{features}xf32>, tensor<10x{features}xf32>, tensor<10xf32>) -> tensor<?x10xf32>\n'
        '  return %3 : tensor<?x10xf32>\n}\n}\n')
