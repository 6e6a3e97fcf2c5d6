# A model that ONNX Runtime's own tool quantized imports as compressed tensors,
# and computes the same when it is exported again.
#
# REQUIRES: onnxruntime, python-onnx, numpy
# RUN: rm -rf %t && mkdir %t
# RUN: %python %s %t
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quantize_static)

TOOLS = os.environ.get("COMPRESS_TOOLS_DIR", "")
onnxruntime.set_default_logger_severity(3)
rng = np.random.default_rng(0)
folder = sys.argv[1]


def path(name):
    return os.path.join(folder, name)


def run(tool, *args):
    result = subprocess.run([os.path.join(TOOLS, tool), *args], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{tool} {' '.join(args)}\n{result.stderr}")


def weight(name, *shape):
    return numpy_helper.from_array(rng.standard_normal(shape, dtype=np.float32) * 0.2, name)


class Samples(CalibrationDataReader):
    def __init__(self):
        self.samples = iter([{"x": rng.standard_normal((2, 3, 8, 8), dtype=np.float32)}
                             for _ in range(4)])

    def get_next(self):
        return next(self.samples, None)


def outputs(model, x):
    options = onnxruntime.SessionOptions()
    # Without fusion, so that both models run the same kernels.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "k", "kb"], ["c"], kernel_shape=[3, 3], name="conv"),
     helper.make_node("Relu", ["c"], ["r"], name="relu"),
     helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
     helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1, name="gemm")],
    "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
    [weight("k", 4, 3, 3, 3), weight("kb", 4), weight("w", 10, 144), weight("b", 10)])
float_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
float_model.ir_version = 10
onnx.save(float_model, path("float.onnx"))

CASES = {
    "int8": dict(weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8),
    "per-channel": dict(weight_type=QuantType.QInt8, activation_type=QuantType.QInt8,
                        per_channel=True),
    "uint8": dict(weight_type=QuantType.QUInt8, activation_type=QuantType.QUInt8),
    "int16": dict(weight_type=QuantType.QInt16, activation_type=QuantType.QUInt16),
    "int4": dict(weight_type=QuantType.QInt4, activation_type=QuantType.QUInt8),
}
for name, options in CASES.items():
    quantize_static(path("float.onnx"), path("q.onnx"), Samples(), quant_format=QuantFormat.QDQ,
                    **options)
    run("compress-translate", "--onnx-to-mlir", path("q.onnx"), "-o", path("q.mlir"))
    run("compress-opt", path("q.mlir"), "--pass-pipeline=builtin.module(func.func("
        "onnx-infer-shapes,convert-onnx-qdq-to-compress))", "-o", path("c.mlir"))
    with open(path("c.mlir")) as file:
        text = file.read()
    constants, encodes = text.count("= compress.constant"), text.count("= compress.encode")
    if constants != 2 or encodes < 3:
        sys.exit(f"{name}: {constants} constants, {encodes} encoded activations\n{text[:4000]}")
    run("compress-opt", path("c.mlir"), "--convert-compress-to-onnx", "-o", path("o.mlir"))
    run("compress-translate", "--mlir-to-onnx", path("o.mlir"), "-o", path("o.onnx"))
    x = rng.standard_normal((2, 3, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(outputs(path("o.onnx"), x), outputs(path("q.onnx"), x), name)
    print(f"{name}: {constants} weights, {encodes} activations")
