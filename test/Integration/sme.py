# Models compiled for Arm SME compute under emulation what they compute here on
# the CPU, with streaming vectors of several lengths: one library gives the same
# bits at each. Products are outer products in f32, or of 8-bit codes. Of text the
# perplexity is the same, within 1e-5 of it in f32 and with decoded weights; 2e-3
# where rounded activations may fall to the other side.
#
# REQUIRES: sme-emulation, numpy
# RUN: %python %s %t digits f32 fmopa
# RUN: %python %s %t digits int8-dynamic usmopa
# RUN: %python %s %t charlm f32 fmopa
# RUN: %python %s %t charlm int4-g32 fmopa
# RUN: %python %s %t charlm int8-dynamic usmopa
import pathlib
import subprocess
import sys

import numpy as np

import support

ALL_LENGTHS = (128, 256, 512, 1024, 2048)

name, level, instruction = sys.argv[2:5]
work = support.fresh(pathlib.Path(sys.argv[1]) / f"{name}-{level}")
folder = support.EXAMPLES / name
runner = support.build_aarch64("run-model", work)
data, key, count = {"digits": ("test", "image", 67), "charlm": ("valid", "tokens", 10)}[name]
samples = support.load(folder / f"{data}.npz")[key][:count]
np.savez(work / "samples.npz", **{key: samples})
samples = samples.astype(np.float32 if name == "digits" else np.int64)
samples.tofile(work / "samples.bin")

model = folder / f"{name}.onnx"
options = ("--level", level, "--no-compare")
support.compile_model(model, work / "here", *options)
here = support.run_library(work / "here", work / "samples.npz", work)["logits"]

# Nothing but the target is named: the platform follows from it.
support.compile_model(model, work / "sme", *options, "--target", "sme")
library = work / "sme" / "model.so"
assert f"\t{instruction}\t" in support.aarch64("objdump", "-d", library), f"no {instruction}"
needed = support.aarch64("readelf", "-d", library)
assert "mlir" not in needed.lower(), needed

first = None
for bits in (128, 256, 512) if name == "digits" else (256,):
    cpu = "max" + "".join(f",sme{other}={'on' if other == bits else 'off'}"
                          for other in ALL_LENGTHS)
    logits = work / f"logits-{bits}.bin"
    command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", cpu, runner,
               library, work / "samples.bin", logits, len(samples), 2]
    printed = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE,
                             text=True, timeout=300).stdout.strip()
    assert "sme" in printed, printed
    there = np.fromfile(logits, np.float32).reshape(here.shape)
    assert first is None or np.array_equal(first, there), f"other bits at {bits}"
    first = there
error = np.abs(first - here).max() / np.abs(here).max()
print(f"{name}, {level}: error {error:.2e}")
# Floats are summed in another order; a rounded activation may then fall to the
# other side.
assert error < (2e-2 if level == "int8-dynamic" else 1e-5), error
agree = (first.argmax(-1) == here.argmax(-1)).mean()
assert agree > 0.98, agree
if name == "charlm":
    labels = support.load(folder / "valid.npz")["labels"][:count]
    scores = [support.perplexity(logits, labels) for logits in (here, first)]
    print(f"perplexity of {labels.size} characters: {scores[0]:.5f} here, {scores[1]:.5f} there")
    bound = 2e-3 if level == "int8-dynamic" else 1e-5
    assert abs(scores[1] / scores[0] - 1) < bound, scores

# What a caller has in ZA is saved where the caller said.
if name == "digits":
    caller = support.build_aarch64("lazy-za", work)
    saved = subprocess.run(["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", "max",
                            str(caller), str(library)], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    assert saved == "saved\n", saved

# It does not run here, which is said.
shown = support.invoke("compress-run", work / "sme", "--input", work / "samples.npz")
assert shown.returncode == 1 and "error" in shown.stderr, shown
wrong = support.invoke("compress-compile", model, "-o", work / "no", "--level", "f32",
                       "--target", "sme", "--target-triple", "x86_64-linux-gnu")
assert wrong.returncode == 1 and "aarch64 Linux" in wrong.stderr, wrong
# Without SME it is not loaded.
plain = subprocess.run(["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", "cortex-a76",
                        str(runner), str(library), str(work / "samples.bin"),
                        str(work / "no.bin"), str(len(samples)), "1"],
                       stderr=subprocess.PIPE, text=True)
assert plain.returncode == 1 and "sme" in plain.stderr, plain
