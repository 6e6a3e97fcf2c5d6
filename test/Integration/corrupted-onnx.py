# Every byte-prefix of a small model, and models with flipped bits: the importer
# either succeeds or prints a one-line error; it never crashes, hangs or leaves a
# partial file.
#
# REQUIRES: numpy, python-onnx
# RUN: %python %s %t
import concurrent.futures
import os
import random
import sys

import numpy as np
import support
from onnx import TensorProto, helper, numpy_helper

work = support.fresh(sys.argv[1])
weight = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "weight")
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "weight"], ["product"], name="matmul"),
     helper.make_node("Softmax", ["product"], ["y"], name="softmax", axis=-1)], "small",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])], [weight])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
content = model.SerializeToString()

variants = {f"prefix-{size}": content[:size] for size in range(len(content))}
rng = random.Random(0)
for number in range(300):
    flipped = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    variants[f"flip-{number}"] = bytes(flipped)


def attempt(name):
    source, out = work / f"{name}.onnx", work / f"{name}.mlir"
    source.write_bytes(variants[name])
    result = support.subprocess.run(
        [str(support.TOOLS / "compress-translate"), "--onnx-to-mlir", str(source), "-o", str(out)],
        capture_output=True, text=True, errors="replace", timeout=60)
    if result.returncode == 0:
        return None if out.exists() else f"{name}: success, but no output"
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if result.returncode != 1 or len(lines) != 1 or f"{name}.onnx" not in lines[0]:
        return f"{name}: exit code {result.returncode}, {result.stderr.strip()[:400]!r}"
    return f"{name}: left an output" if out.exists() else ""


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = list(pool.map(attempt, variants))
wrong = [r for r in results if r]
print(f"{len(variants)} variants: {results.count('')} refused, {results.count(None)} accepted")
print("\n".join(wrong[:20]))
left = [p.name for p in work.iterdir() if p.suffix not in (".onnx", ".mlir")]
assert not left, f"left files: {left[:5]}"
assert not wrong, f"{len(wrong)} variants went wrong"
assert results.count("") > len(content) // 2, "hardly any prefix is refused"
