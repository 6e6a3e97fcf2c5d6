# REQUIRES: onnxruntime
# RUN: %python %s %t reference
# RUN: %python %s %t cpu Conv ConvTranspose Gemm MatMul MaxPool AveragePool GlobalAveragePool ArgMax CumSum Softmax LogSoftmax LayerNormalization InstanceNormalization ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceProd ReduceSum
# RUN: %python %s %t reference --dynamic
"""Compiles single operators in many variants and compares with ONNX Runtime.

    ops-vs-onnxruntime.py OUT TARGET [--dynamic] [OP...]
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "Inputs"), str(HERE.parent.parent / "Integration")]
import op_cases  # noqa: E402
import support  # noqa: E402

# Values that a dynamic leading size cannot be reconciled with.
STATIC_ONLY = {
    "Resize": "sizes are constants for every axis",
    "Squeeze": "which axes are 1 is not known",
    "Split": "the sizes fix the axis that is split",
}


def reference(model, values):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, values)))


def check(cases, opset, out, target, dynamic):
    """Compiles the cases as one model; returns messages about those that differ."""
    model, values = op_cases.build(cases, opset, dynamic)
    path, inputs, outputs = out / "model.onnx", out / "in.npz", out / "out.npz"
    onnx.save(model, path)
    np.savez(inputs, **values)
    compiled = support.invoke("compress-compile", path, "-o", out / "lib", "--level", "f32",
                              "--target", target)
    if compiled.returncode:
        return [f"does not compile: {compiled.stderr.strip()[:400]}"]
    ran = support.invoke("compress-run", out / "lib", "--input", inputs, "--output", outputs,
                         "--batch", "0")
    if ran.returncode:
        return [f"does not run: {ran.stderr.strip()[:400]}"]
    mine, expected = support.load(outputs), reference(model, values)
    messages = []
    for c in cases:
        for k in range(c.outputs):
            name = f"{c.key}_out{k}"
            problem = op_cases.agree(c, mine[name], expected[name])
            if problem:
                messages.append(f"{c.label} (opset {opset}, {c.attributes}) output {k}: {problem}")
    return messages


def bisect(cases, *arguments):
    """Finds the cases that keep a model from compiling or running."""
    messages = check(cases, *arguments)
    if len(cases) == 1:
        c = cases[0]
        return [f"{c.label} {c.attributes}: {m}" for m in messages]
    if not any(m.startswith("does not") for m in messages):
        return messages
    middle = len(cases) // 2
    return bisect(cases[:middle], *arguments) + bisect(cases[middle:], *arguments)


def leading(c):
    """The leading size that can be dynamic; None if there is none. A leading 1 of
    another input would make compress-run take that one for the sample axis."""
    if any(isinstance(v, np.ndarray) and v.ndim and v.shape[0] == 1 for v in c.inputs):
        return None
    first = next((v for v in c.inputs if isinstance(v, np.ndarray)), None)
    return first.shape[0] if first is not None and first.ndim and first.shape[0] != 1 else None


def main():
    dynamic = "--dynamic" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--dynamic"]
    out, target, only = support.fresh(arguments[0]), arguments[1], arguments[2:]
    messages, count = [], 0
    for opset, cases, _, _ in op_cases.models():
        cases = [c for c in cases if not only or c.op in only]
        groups = [cases]
        if dynamic:
            # All dynamic inputs of one model get the same number of samples.
            cases = [c for c in cases if leading(c) and c.op not in STATIC_ONLY]
            groups = [[c for c in cases if leading(c) == n] for n in sorted(set(map(leading, cases)))]
        for group in groups:
            for start in range(0, len(group), 60):
                part = group[start:start + 60]
                count += len(part)
                messages += bisect(part, opset, out, target, dynamic)
    for message in messages:
        print("FAIL", message)
    print(f"{count} operator variants, {len(messages)} failures")
    sys.exit(1 if messages else 0)


main()
