# ONNX Runtime loads the exported compressed model and decides on the same label
# as our library for every sample of the test split.
#
# REQUIRES: numpy, python-onnx, onnxruntime
# RUN: %python %s %t.int8 int8
# RUN: %python %s %t.int4 int4-g32
import sys

import numpy as np
import onnx
import support

work, level = support.fresh(sys.argv[1]), sys.argv[2]
digits = support.EXAMPLES / "digits"
test = support.load(digits / "test.npz")
out = work / "out"
support.compile_model(digits / "digits.onnx", out, "--data", digits / "calib.npz", "--level",
                      level, "--profile", "onnxruntime")

model = onnx.load(out / "model.onnx")
onnx.checker.check_model(model, full_check=True)
ops = [node.op_type for node in model.graph.node]
assert "DequantizeLinear" in ops, f"the export has no DequantizeLinear: {sorted(set(ops))}"

ours = support.run_library(out, digits / "test.npz", work)["logits"]
theirs = support.onnxruntime_outputs(out / "model.onnx", test)["logits"]
differ = np.flatnonzero(ours.argmax(-1) != theirs.argmax(-1))
error = support.relative_error(ours, theirs)
print(f"{level}: {len(differ)} of {len(ours)} labels differ, max relative error {error:.2e}")
for sample in differ:
    print(f"  sample {sample}: ours {ours[sample]}, ONNX Runtime {theirs[sample]}")
assert len(differ) == 0, f"labels differ at samples {differ.tolist()}"
