# Without compression the library computes what ONNX Runtime computes, with any
# number of threads and any number of samples.
#
# REQUIRES: numpy, onnxruntime
# RUN: %python %s %t.digits digits/digits.onnx digits/test.npz
# RUN: %python %s %t.charlm charlm/charlm.onnx charlm/calib.npz
import sys

import numpy as np
import support

work = support.fresh(sys.argv[1])
model, data = (support.EXAMPLES / name for name in sys.argv[2:4])
inputs = support.load(data)
expected = support.onnxruntime_outputs(model, inputs)
np.savez(work / "expected.npz", **expected)

out = work / "f32"
support.compile_model(model, out, "--level", "f32")
for threads in (1, 2):
    actual = support.run_library(out, data, work, "--threads", threads)
    assert set(actual) == set(expected), f"outputs {set(actual)}, expected {set(expected)}"
    for name, value in expected.items():
        error = support.relative_error(actual[name], value)
        print(f"{name}, {threads} threads: max relative error {error:.2e}")
        assert error <= 1e-4, f"{name} differs from ONNX Runtime by {error:.2e}"

# One sample alone gives what it gave among the others.
single = {name: value[:1] for name, value in inputs.items() if name != "labels"}
np.savez(work / "single.npz", **single)
one = support.run_library(out, work / "single.npz", work)
for name, value in expected.items():
    assert support.relative_error(one[name], value[:1]) <= 1e-4, f"{name} of a single sample"

# compress-run's own comparison agrees, and fails where it must.
support.run("compress-run", out, "--input", data, "--reference", work / "expected.npz",
            "--rtol", "1e-3", "--atol", "1e-3")
np.savez(work / "wrong.npz", **{name: value + 1 for name, value in expected.items()})
result = support.invoke("compress-run", out, "--input", data, "--reference", work / "wrong.npz",
                        "--rtol", "1e-3", "--atol", "1e-3")
assert result.returncode == 1, f"exit code {result.returncode} on a wrong reference"
