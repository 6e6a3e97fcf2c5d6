"""Indices are data: those outside of a tensor read and write its nearest
position, and nothing beside it."""
# REQUIRES: numpy
# RUN: %python %s %t
import os
import shutil
import subprocess
import sys

import numpy

work, tools = sys.argv[1], os.environ["COMPRESS_TOOLS_DIR"]
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)


def run(*command):
    done = subprocess.run([os.path.join(tools, command[0]), *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


floats = "tensor<8x4xf32>"
source, model = os.path.join(work, "model.mlir"), os.path.join(work, "model.onnx")
with open(source, "w", encoding="utf-8") as file:
    file.write(f"""
module attributes {{onnx.ir_version = 8 : i64, onnx.opset_imports = [{{domain = "", version = 17 : i64}}]}} {{
func.func @main_graph(%x: {floats} {{onnx.name = "x"}}, %i: tensor<?xi64> {{onnx.name = "i"}},
                      %u: tensor<?x4xf32> {{onnx.name = "u"}})
    -> (tensor<?x4xf32> {{onnx.name = "rows"}}, {floats} {{onnx.name = "written"}}) {{
  %axes = onnx.Initializer "axes" = dense<1> : tensor<1xi64>
  %0 = onnx.Gather(%x, %i) {{axis = 0 : i64}} : ({floats}, tensor<?xi64>) -> tensor<?x4xf32>
  %1 = onnx.Unsqueeze(%i, %axes) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %2 = onnx.ScatterND(%x, %1, %u) : ({floats}, tensor<?x1xi64>, tensor<?x4xf32>) -> {floats}
  return %0, %2 : tensor<?x4xf32>, {floats}
}}
}}
""")
run("compress-translate", "--mlir-to-onnx", source, "-o", model)
indices = numpy.array([3, -1, 8, -9, 10**9, -10**12, 2**63 - 1, -2**63], numpy.int64)
x = numpy.arange(32, dtype=numpy.float32).reshape(8, 4)
u = 100 + numpy.arange(4 * len(indices), dtype=numpy.float32).reshape(-1, 4)
numpy.savez(os.path.join(work, "in.npz"), x=x, i=indices, u=u)
expected = [min(max(int(i) + (8 if i < 0 else 0), 0), 7) for i in indices]
for target in ("reference", "cpu"):
    out = os.path.join(work, target)
    run("compress-compile", model, "-o", out, "--target", target, "--level", "f32")
    results = os.path.join(work, target + ".npz")
    run("compress-run", out, "--input", os.path.join(work, "in.npz"), "--output", results)
    got = numpy.load(results)
    assert numpy.array_equal(got["rows"], x[expected]), got["rows"]
    written = x.copy()
    for at, row in zip(expected, u):
        written[at] = row
    assert numpy.array_equal(got["written"], written), got["written"]
