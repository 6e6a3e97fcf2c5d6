# Import and export of models that the onnx package makes are the identity, byte
# for byte: one test case of every operator, networks of several opsets, external
# data, and functions.
#
# REQUIRES: numpy, python-onnx
# RUN: %python %s %t
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

warnings.filterwarnings("ignore")
TOOL = pathlib.Path(os.environ["COMPRESS_TOOLS_DIR"]) / "compress-translate"
work = pathlib.Path(sys.argv[1])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)


def cnn(opset, ir):
    rng = np.random.default_rng(opset)
    tensor = lambda name, *shape: numpy_helper.from_array(
        rng.standard_normal(shape).astype(np.float32), name)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "b", "v"], ["n"], epsilon=1e-3),
        helper.make_node("Relu", ["n"], ["r"], doc_string="activation"),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "k"], ["y"], transB=1, alpha=0.5),
    ]
    graph = helper.make_graph(
        nodes, "cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [tensor("w", 4, 3, 3, 3), tensor("b", 4), tensor("s", 4),
         numpy_helper.from_array(np.ones(4, np.float32), "v"), tensor("m", 5, 4),
         tensor("k", 5)],
        doc_string="a small network")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir,
                              producer_name="identity.py")
    helper.set_model_props(model, {"license": "none", "task": "test"})
    return onnx.shape_inference.infer_shapes(model)


models = {f"cnn{opset}": cnn(opset, ir).SerializeToString()
          for opset, ir in ((9, 4), (13, 7), (17, 8), (21, 10))}

# One case of every operator of the standard's own tests.
from onnx.backend.test.case.node import collect_testcases  # noqa: E402
seen = set()
for case in collect_testcases(None):
    ops = tuple(sorted({node.op_type for node in case.model.graph.node})) if case.model else ()
    if ops and ops not in seen:
        seen.add(ops)
        models[case.name] = case.model.SerializeToString()

text = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
agraph (float[N, 4] x) => (float[N, 4] y) { y = local.twice <n = 2> (x) }
<domain: "local", opset_import: ["" : 17]>
twice <n> (a) => (b) { b = Add (a, a) }"""
models["function"] = onnx.parser.parse_model(text).SerializeToString()


def round_trip(source, target):
    """Exports to `target` what `source` imports to; an error message or None."""
    ir = target.with_suffix(".mlir")
    for arguments in (["--onnx-to-mlir", source, "-o", ir], ["--mlir-to-onnx", ir, "-o", target]):
        result = subprocess.run([str(TOOL), *map(str, arguments)], capture_output=True, text=True,
                                errors="replace", timeout=120)
        if result.returncode:
            return f"{source.name}: {arguments[0]}: {result.stderr.strip()[:300]}"
    if source.read_bytes() != target.read_bytes():
        same = onnx.load(source, load_external_data=False) == onnx.load(
            target, load_external_data=False)
        return f"{source.name}: bytes differ, messages are {'equal' if same else 'different'}"
    return None


def check(item):
    name, content = item
    source = work / f"{name}.onnx"
    source.write_bytes(content)
    return round_trip(source, work / f"{name}.out.onnx")


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    errors = [e for e in pool.map(check, models.items()) if e]

# External data goes to files of the same names beside the new model.
for one_file in (True, False):
    folder = work / f"external-{one_file}"
    folder.mkdir()
    onnx.save(onnx.ModelProto.FromString(models["cnn17"]), folder / "m.onnx",
              save_as_external_data=True, all_tensors_to_one_file=one_file,
              location="weights.bin" if one_file else None, size_threshold=0,
              convert_attribute=False)
    out = work / f"external-{one_file}-out"
    out.mkdir()
    error = round_trip(folder / "m.onnx", out / "m.onnx")
    if error:
        errors.append(error)
        continue
    for file in folder.iterdir():
        if file.suffix != ".onnx" and file.read_bytes() != (out / file.name).read_bytes():
            errors.append(f"external data {file.name} differs")
    loaded = onnx.load(out / "m.onnx")
    for a, b in zip(onnx.ModelProto.FromString(models["cnn17"]).graph.initializer,
                    loaded.graph.initializer):
        if not np.array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b)):
            errors.append(f"weight {a.name} differs")

print(f"{len(models)} models, {len(errors)} errors")
print("\n".join(errors[:20]))
assert len(models) > 150
assert not errors
