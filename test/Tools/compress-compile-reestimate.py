"""--reestimate: means and variances of what the layers of a compressed network
compute are those of the float network, as after estimating batch normalization
again: where it was folded into a convolution (biases and scales of weights), and
where it could not be (its statistics). Samples that were not used gain too."""
# REQUIRES: numpy
# RUN: %python %s %examples/digits %t
import json
import os
import shutil
import subprocess
import sys

import numpy

digits, work, tools = sys.argv[1], sys.argv[2], os.environ["COMPRESS_TOOLS_DIR"]
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
rng = numpy.random.default_rng(0)
calib = numpy.load(f"{digits}/calib.npz")["image"]
test = numpy.load(f"{digits}/test.npz")


def draw(*shape):
    return rng.standard_normal(shape).astype(numpy.float32)


def conv(x, w, stride):
    x = numpy.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = numpy.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    return numpy.einsum("ncyxhw,ochw->noyx", windows, w, optimize=True)


constants = {}


def normalization(name, x):
    """Of its own mean and variance, as after training."""
    channels = x.shape[1]
    parts = {"scale": numpy.float32(1 + rng.random(channels)), "shift": draw(channels),
             "mean": x.mean((0, 2, 3)), "var": x.var((0, 2, 3))}
    constants.update({f"{name}_{part}": value.astype(numpy.float32) for part, value in parts.items()})
    scale, shift, mean, var = (value[:, None, None] for value in parts.values())
    return scale * (x - mean) / numpy.sqrt(var + 1e-5) + shift


# What batch normalization follows is not always a layer: the first one comes after a Relu.
constants["w1"], constants["b1"] = draw(12, 1, 3, 3) / 3, abs(draw(12))
constants["w2"] = draw(16, 12, 3, 3) / 10
x = normalization("first", numpy.maximum(conv(calib, constants["w1"], 1) + constants["b1"][:, None, None], 0))
x = numpy.maximum(normalization("second", conv(x, constants["w2"], 2)), 0)
constants["w3"], constants["b3"] = draw(10, 256) / 16, draw(10)


def constant(name, value):
    return (f'  %{name} = onnx.Initializer "{name}" = dense<"0x{value.astype("<f4").tobytes().hex().upper()}"> '
            f': tensor<{"x".join(map(str, value.shape))}xf32>\n')


def types(*shapes):
    return ", ".join(f"tensor<{shape}xf32>" for shape in shapes)


with open(f"{work}/net.mlir", "w", encoding="utf-8") as file:
    result = '{{onnx.name = "{}", onnx.dim_params = ["N", {}]}}'
    a, b, square = "?x12x8x8", "?x16x4x4", '"", "", ""'
    file.write(
        'module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 17 : i64}]} {\n'
        f'func.func @main_graph(%x: tensor<?x1x8x8xf32> {result.format("image", square)}) -> ('
        f'tensor<?x10xf32> {result.format("logits", chr(34) * 2)}, tensor<{a}xf32> {result.format("normed", square)}, '
        f'tensor<{b}xf32> {result.format("hidden", square)}) {{\n'
        + "".join(constant(name, value) for name, value in constants.items()) +
        f'  %0 = onnx.Conv(%x, %w1, %b1) {{pads = array<i64: 1, 1, 1, 1>}} : ({types("?x1x8x8", "12x1x3x3", 12)}) -> {types(a)}\n'
        f'  %1 = onnx.Relu(%0) : ({types(a)}) -> {types(a)}\n'
        f'  %2 = onnx.BatchNormalization(%1, %first_scale, %first_shift, %first_mean, %first_var) '
        f': ({types(a, 12, 12, 12, 12)}) -> {types(a)}\n'
        f'  %3 = onnx.Conv(%2, %w2) {{pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>}} : ({types(a, "16x12x3x3")}) -> {types(b)}\n'
        f'  %4 = onnx.BatchNormalization(%3, %second_scale, %second_shift, %second_mean, %second_var) '
        f': ({types(b, 16, 16, 16, 16)}) -> {types(b)}\n'
        f'  %5 = onnx.Relu(%4) : ({types(b)}) -> {types(b)}\n'
        f'  %6 = onnx.Flatten(%5) {{axis = 1 : i64}} : ({types(b)}) -> {types("?x256")}\n'
        f'  %7 = onnx.Gemm(%6, %w3, %b3) {{transB = 1 : i64}} : ({types("?x256", "10x256", 10)}) -> {types("?x10")}\n'
        f'  return %7, %2, %4 : {types("?x10", a, b)}\n}}\n}}\n')


def run(*command):
    done = subprocess.run([os.path.join(tools, command[0]), *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compile(out, *options):
    """What it computes from each of the two sets of samples; and its report."""
    text = run("compress-compile", f"{work}/net.onnx", "-o", f"{work}/{out}", "--data", f"{digits}/calib.npz",
               "--no-compare", *options)
    print(out, *(line for line in text.splitlines() if "reestimate" in line), sep="\n  ")
    outputs = []
    for name in ("calib", "test"):
        run("compress-run", f"{work}/{out}", "--input", f"{work}/{name}.npz", "--output", f"{work}/y.npz")
        outputs.append(dict(numpy.load(f"{work}/y.npz")))
    with open(f"{work}/{out}/report.json", encoding="utf-8") as file:
        return *outputs, json.load(file)


run("compress-translate", "--mlir-to-onnx", f"{work}/net.mlir", "-o", f"{work}/net.onnx")
numpy.savez(f"{work}/calib.npz", image=calib)
numpy.savez(f"{work}/test.npz", image=test["image"])
seen, unseen, _ = compile("float", "--level", "f32")


def distances(outputs):
    """Of means, in standard deviations, and of standard deviations, by output."""
    result = {}
    for name, value in seen.items():
        axes = tuple(axis for axis in range(value.ndim) if axis != 1)
        mean, deviation = value.mean(axes), value.std(axes)
        result[name] = (abs((outputs[name].mean(axes) - mean) / deviation).max(),
                        abs(outputs[name].std(axes) / deviation - 1).max())
    return result


errors = []
for out, options in (("plain", ()), ("again", ["--reestimate"])):
    on_seen, on_unseen, report = compile(out, "--level", "w4a8", *options)
    far = distances(on_seen)
    errors.append(numpy.linalg.norm(on_unseen["logits"] - unseen["logits"]) / numpy.linalg.norm(unseen["logits"]))
    print(far, errors[-1], report["totals"]["bytes_after"])
assert all(max(pair) < 0.01 for pair in far.values()), far
assert errors[1] < 0.8 * errors[0], errors

# Values that all outputs share take no factors.
with open(f"{work}/again/plan.yaml", encoding="utf-8") as file:
    plan = file.read()
with open(f"{work}/codebook.yaml", "w", encoding="utf-8") as file:
    file.write(plan.replace("'w4a8'", "kmeans3").replace("w4a8", "kmeans3"))
on_seen, _, report = compile("codebook", "--plan", f"{work}/codebook.yaml", "--reestimate")
assert any("variances of its outputs are not corrected" in note for note in report["notes"]), report["notes"]
assert all(pair[0] < 0.01 for pair in distances(on_seen).values())

done = subprocess.run([os.path.join(tools, "compress-compile"), f"{work}/net.onnx", "-o", f"{work}/no", "--level", "int8",
                       "--reestimate"], capture_output=True, text=True)
assert done.returncode != 0 and "--reestimate: statistics are those of runs on --data: give it" in done.stderr, done.stderr
