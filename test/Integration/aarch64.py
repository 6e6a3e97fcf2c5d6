# Models cross-compiled for aarch64 compute there, under emulation, what they
# compute here: with int8 matrix products, with dot products, with neither; on
# one thread and on three.
#
# REQUIRES: aarch64-emulation, numpy
# RUN: %python %s %t f32
# RUN: %python %s %t int8-dynamic
# RUN: %python %s %t w8a8
# RUN: %python %s %t int4-g32
import os
import pathlib
import subprocess
import sys

import numpy as np

import support

CPUS = {"generic": None, "cortex-a76": "sdot", "neoverse-n2": "usdot"}

level = sys.argv[2]
work = support.fresh(pathlib.Path(sys.argv[1]) / level)
digits = support.EXAMPLES / "digits"
runner = support.build_aarch64("run-model", work)
options = ("--level", level, "--data", digits / "calib.npz", "--no-compare")
support.compile_model(digits / "digits.onnx", work / "here", *options)
test = support.load(digits / "test.npz")
images = test["image"][:67]
np.savez(work / "images.npz", image=images)
images.astype(np.float32).tofile(work / "images.bin")
here = support.run_library(work / "here", work / "images.npz", work)["logits"]

for cpu, instruction in CPUS.items():
    folder = work / cpu
    support.compile_model(digits / "digits.onnx", folder, *options, "--target-triple",
                          "aarch64-linux-gnu", "--target-cpu", cpu)
    assembly = support.aarch64("objdump", "-d", folder / "model.so")
    if instruction and level in ("int8-dynamic", "w8a8"):
        assert f"\t{instruction}\t" in assembly, f"no {instruction} for {cpu}"
    for threads in (1, 3):
        command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", "max",
                   runner, folder / "model.so", work / "images.bin",
                   folder / "logits.bin", len(images), threads]
        print(subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE,
                             text=True, timeout=300).stdout.strip())
        there = np.fromfile(folder / "logits.bin", np.float32).reshape(here.shape)
        error = np.abs(there - here).max() / np.abs(here).max()
        print(f"{cpu}, {threads} threads: error {error:.2e}")
        # Floats are summed in another order; a rounded activation may then fall
        # to the other side.
        assert error < (2e-2 if level in ("int8-dynamic", "w8a8") else 1e-5)
        assert (there.argmax(1) == here.argmax(1)).mean() > 0.98

# It does not run here, which is a note, and what cannot be linked an error.
shown = support.invoke("compress-run", folder, "--input", work / "images.npz")
assert shown.returncode == 1 and "error" in shown.stderr, shown
failed = support.invoke("compress-compile", digits / "digits.onnx", "-o", work / "no",
                        "--target-triple", "riscv64-linux-gnu")
assert failed.returncode == 1 and "riscv64-linux-gnu" in failed.stderr, failed
failed = support.invoke("compress-compile", digits / "digits.onnx", "-o", work / "no",
                        "--target-triple", "pdp11-unknown-none")
assert failed.returncode == 1 and "pdp11" in failed.stderr, failed
assert not os.path.exists(work / "no")
