# A model of an old opset computes the same after the upgrade.
#
# REQUIRES: onnxruntime, python-onnx, numpy
# RUN: rm -rf %t && mkdir %t
# RUN: %python %s %t
"""One small model per operator whose signature or meaning changed."""
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TOOLS = os.environ.get("COMPRESS_TOOLS_DIR", "")
OPT = os.path.join(TOOLS, "compress-opt")
TRANSLATE = os.path.join(TOOLS, "compress-translate")
onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(0)

CASES = []


def case(op, opset, shapes, outputs=1, constants=(), **attributes):
    """Inputs of `shapes`; `constants` are more inputs that are initializers."""
    CASES.append((op, opset, shapes, outputs, constants, attributes))


X = [2, 3, 4]
F = np.float32
case("Softmax", 11, [X], axis=1)
case("Softmax", 11, [X])
case("Softmax", 11, [X], axis=2)
case("Softmax", 11, [X], axis=-1)
case("Softmax", 9, [X], axis=0)
case("LogSoftmax", 11, [X], axis=1)
case("Hardmax", 11, [X], axis=1)
case("Squeeze", 11, [[2, 1, 3, 1]], axes=[1])
case("Squeeze", 11, [[2, 1, 3, 1]])
case("Unsqueeze", 11, [X], axes=[0, 4])
for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
             "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"):
    case(name, 11, [X], axes=[1], keepdims=0)
    case(name, 11, [X])
case("ReduceSum", 13, [X], constants=[np.array([1])])
case("ReduceMean", 13, [X], axes=[-1])
case("Clip", 6, [X], min=0.25, max=0.5)
case("Clip", 6, [X], max=0.5)
case("Clip", 6, [X])
case("Dropout", 7, [X], ratio=0.3)
case("Dropout", 10, [X], ratio=0.3)
case("Slice", 9, [X], axes=[1, 2], starts=[0, 1], ends=[2, -1])
case("Slice", 9, [X], starts=[1], ends=[2])
case("Split", 11, [[6, 2]], outputs=2, split=[2, 4])
case("Split", 11, [[6, 2]], outputs=3, axis=0)
case("Split", 13, [[6, 2]], outputs=2)
case("TopK", 9, [[3, 5]], outputs=2, k=2)
case("TopK", 10, [[3, 5]], outputs=2, constants=[np.array([2])])
case("Pad", 10, [X], pads=[0, 1, 0, 1, 0, 2], value=0.5)
case("Pad", 10, [X], pads=[0, 1, 0, 1, 0, 2], mode="edge")
case("Upsample", 7, [[1, 2, 3, 4]], scales=[1.0, 1.0, 2.0, 3.0])
case("Upsample", 7, [[1, 2, 3, 4]], scales=[1.0, 1.0, 2.0, 2.0], mode="linear")
case("Upsample", 9, [[1, 2, 3, 4]], constants=[np.array([1, 1, 2, 2], F)], mode="linear")
case("Upsample", 9, [[1, 2, 3, 4]], constants=[np.array([1, 1, 2, 1.5], F)])
case("Resize", 10, [[1, 2, 3, 4]], constants=[np.array([1, 1, 2, 1.5], F)])
case("Resize", 10, [[1, 2, 4, 4]], constants=[np.array([1, 1, 0.5, 0.75], F)])
case("Resize", 10, [[1, 2, 4, 4]], constants=[np.array([1, 1, 2, 2], F)], mode="linear")
case("Resize", 11, [[1, 2, 4, 4]], constants=[np.array([], F), np.array([1, 1, 2, 2], F)],
     mode="cubic")
case("BatchNormalization", 8, [[2, 3, 4], [3], [3], [3], [3]], epsilon=0.01)
case("BatchNormalization", 13, [[2, 3, 4], [3], [3], [3], [3]])
case("Selu", 6, [X])
case("LSTM", 7, [[5, 2, 3], [1, 16, 3], [1, 16, 4]], hidden_size=4)
case("GridSample", 16, [[1, 2, 4, 4], [1, 3, 3, 2]], mode="bilinear")
case("GridSample", 16, [[1, 2, 4, 4], [1, 3, 3, 2]], mode="bicubic")
case("MaxPool", 8, [[1, 2, 6, 6]], kernel_shape=[2, 2])
case("AveragePool", 7, [[1, 2, 6, 6]], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("Gemm", 7, [[2, 3], [3, 4], [4]])
case("Flatten", 9, [X], axis=2)
case("Concat", 11, [X, X], axis=1)


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")


def outputs_of(path, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def main(folder):
    failures = 0
    for op, opset, shapes, outputs, constants, attributes in CASES:
        names = [f"x{i}" for i in range(len(shapes))] + [f"c{i}" for i in range(len(constants))]
        results = [f"y{i}" for i in range(outputs)]
        graph = helper.make_graph(
            [helper.make_node(op, names, results, name="the_node", **attributes)], "g",
            [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, s)
             for i, s in enumerate(shapes)],
            [helper.make_empty_tensor_value_info(r) for r in results],
            [numpy_helper.from_array(c, f"c{i}") for i, c in enumerate(constants)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 4
        model = onnx.shape_inference.infer_shapes(model)
        for output in model.graph.output:  # what inference left open
            if not output.type.tensor_type.elem_type:
                output.type.tensor_type.elem_type = TensorProto.FLOAT
        path = os.path.join(folder, "model.onnx")
        onnx.save(model, path)
        inputs = {f"x{i}": rng.random(s, F) for i, s in enumerate(shapes)}
        for version in (13, 18, 21, 24):
            if version < opset:
                continue
            label = f"{op}-{opset} {attributes} to {version}"
            try:
                expected = outputs_of(path, inputs)
                up = os.path.join(folder, "up")
                run(TRANSLATE, "--onnx-to-mlir", path, "-o", up + ".mlir")
                run(OPT, up + ".mlir", "--pass-pipeline=builtin.module(func.func("
                    f"onnx-infer-shapes),onnx-upgrade-opset{{version={version}}})",
                    "-o", up + ".new.mlir")
                run(TRANSLATE, "--mlir-to-onnx", up + ".new.mlir", "-o", up + ".onnx")
                upgraded = onnx.load(up + ".onnx")
                onnx.checker.check_model(upgraded, full_check=True)
                assert upgraded.opset_import[0].version == max(version, opset)
                for a, b in zip(expected, outputs_of(up + ".onnx", inputs), strict=True):
                    np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-6)
            except Exception as error:  # pylint: disable=broad-except
                failures += 1
                print(f"FAIL {label}: {error}")
    print(f"{len(CASES)} operators, {failures} failures")
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
