# One library with code for several processors: each part gives the same labels,
# the best one that the machine has is picked, and equal weights are stored once.
#
# REQUIRES: x86-64, numpy
# RUN: %python %s %t
import os
import sys

import numpy as np

import support

work = support.fresh(sys.argv[1])
digits = support.EXAMPLES / "digits"


def compile_for(name, cpus):
    support.compile_model(digits / "digits.onnx", work / name, "--level", "int8-dynamic",
                          "--target-cpu", cpus, "--no-compare")
    return work / name


def without(features):
    return dict(os.environ, COMPRESS_DISABLE_CPU_FEATURES=features)


def size(folder):
    return (folder / "model.safetensors").stat().st_size


test = support.load(digits / "test.npz")
three = compile_for("three", "x86-64,x86-64-v3,x86-64-v2")
has_avx2 = "avx2" in support.run("compress-run", three)
best = None
for disabled in ["", "avx2", "avx2,sse4.2"]:
    os.environ["COMPRESS_DISABLE_CPU_FEATURES"] = disabled
    shown = support.run("compress-run", three)
    features = shown.split("code for ")[1].strip().split(",") if "code for" in shown else []
    assert not set(features) & set(disabled.split(",")), (features, disabled)
    assert ("avx2" in features) == (has_avx2 and not disabled), features
    assert ("sse4.2" in features) == ("sse4.2" not in disabled), features
    logits = support.run_library(three, digits / "test.npz", work)["logits"]
    best = logits if best is None else best
    # Integer sums are the same; what is float around them rounds differently, and
    # may then round an activation differently.
    error = np.abs(logits - best).max() / np.abs(best).max()
    accuracy = (logits.argmax(1) == test["labels"]).mean()
    print(f"without '{disabled}': accuracy {accuracy:.4f}, error {error:.2e}")
    assert error < 2e-2 and accuracy > 0.985
del os.environ["COMPRESS_DISABLE_CPU_FEATURES"]

# Both have vectors of 512 bits, for which weights are packed alike.
one, two = compile_for("one", "x86-64-v4"), compile_for("two", "x86-64-v4,cascadelake")
assert size(two) < 1.05 * size(one), (size(one), size(two))

# What no code fits: what the least demanding needs.
only = compile_for("only", "x86-64-v4,x86-64-v3")
failed = support.invoke("compress-run", only, "--input", digits / "test.npz",
                        env=without("avx2,fma"))
assert failed.returncode == 1, failed
assert "avx2,fma" in failed.stderr and "avx512" not in failed.stderr, failed.stderr

for cpus in ["x86-64-v3,x86-64-v3", "x86-64-v3,", "x86-64-v3,vax"]:
    failed = support.invoke("compress-compile", digits / "digits.onnx", "-o", work / "no",
                            "--target-cpu", cpus)
    assert failed.returncode == 1, cpus
    assert "error: " in failed.stderr, failed.stderr
    assert not (work / "no").exists()
