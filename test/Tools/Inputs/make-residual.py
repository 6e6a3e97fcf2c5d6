"""Writes `residual.mlir`, residual blocks x + relu(w x) of different weight, and
`residual.npz`, samples of its input."""
import sys

import numpy

out, data = sys.argv[1], sys.argv[2]
rng = numpy.random.default_rng(0)
width, blocks = 16, 12


def constant(name, value):
    shape = "x".join(map(str, value.shape))
    bits = value.astype("<f4").tobytes().hex().upper()
    return (f'  %{name} = onnx.Initializer "{name}" = dense<"0x{bits}"> : '
            f'tensor<{shape}xf32>\n')


vector = f"tensor<?x{width}xf32>"
product = f"({vector}, tensor<{width}x{width}xf32>) -> {vector}"
body, last = "", "%x"
for i in range(blocks):
    scale = rng.uniform(0.1, 1) / width ** 0.5
    body += constant(f"w{i}", scale * rng.standard_normal((width, width)))
    body += (f"  %a{i} = onnx.MatMul({last}, %w{i}) : {product}\n"
             f"  %b{i} = onnx.Relu(%a{i}) : ({vector}) -> {vector}\n"
             f"  %c{i} = onnx.Add({last}, %b{i}) : ({vector}, {vector}) -> {vector}\n")
    last = f"%c{i}"
with open(out, "w", encoding="utf-8") as file:
    file.write(
        'module attributes {onnx.ir_version = 8 : i64, '
        'onnx.opset_imports = [{domain = "", version = 17 : i64}]} {\n'
        f'func.func @main_graph(%x: {vector} {{onnx.name = "x", onnx.dim_params = ["N", ""]}}) '
        f'-> ({vector} {{onnx.name = "y", onnx.dim_params = ["N", ""]}}) {{\n'
        f"{body}  return {last} : {vector}\n}}\n}}\n")
numpy.savez(data, x=rng.standard_normal((64, width)).astype(numpy.float32))
