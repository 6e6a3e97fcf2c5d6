"""Constants of elementwise operations: a mask and learned positions are stored
compressed, in the library as the report says, and both the library and the
exported model compute what the decoded constants do."""
# REQUIRES: numpy
# RUN: %python %s %t
import json
import os
import shutil
import subprocess
import sys

import numpy

work, tools = sys.argv[1], os.environ["COMPRESS_TOOLS_DIR"]
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
rng = numpy.random.default_rng(0)
tokens, width = 192, 48


def draw(*shape):
    return rng.standard_normal(shape).astype(numpy.float32)


weight, position = draw(width, tokens) / width**0.5, draw(tokens, tokens)
mask = numpy.triu(numpy.full((tokens, tokens), -1e4, numpy.float32), 1)


def constant(name, value):
    return (f'  %{name} = onnx.Initializer "{name}" = dense<"0x{value.tobytes().hex().upper()}"> '
            f': tensor<{"x".join(map(str, value.shape))}xf32>\n')


def run(*command):
    done = subprocess.run([os.path.join(tools, command[0]), *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


inner, square = f"tensor<{tokens}x{width}xf32>", f"tensor<{tokens}x{tokens}xf32>"
with open(f"{work}/model.mlir", "w", encoding="utf-8") as file:
    file.write(
        'module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 17 : i64}]} {\n'
        f'func.func @main_graph(%x: {inner} {{onnx.name = "x"}}) -> ({square} {{onnx.name = "y"}}) {{\n'
        + constant("weight", weight) + constant("position", position) + constant("mask", mask) +
        f'  %0 = onnx.MatMul(%x, %weight) : ({inner}, tensor<{width}x{tokens}xf32>) -> {square}\n'
        f'  %1 = onnx.Mul(%position, %0) : ({square}, {square}) -> {square}\n'
        f'  %2 = onnx.Add(%1, %mask) : ({square}, {square}) -> {square}\n'
        f'  %3 = onnx.Softmax(%2) {{axis = 1 : i64}} : ({square}) -> {square}\n'
        f'  return %3 : {square}\n}}\n}}\n')
run("compress-translate", "--mlir-to-onnx", f"{work}/model.mlir", "-o", f"{work}/model.onnx")
x = draw(1, tokens, width)
numpy.savez(f"{work}/data.npz", x=x)
numpy.savez(f"{work}/x.npz", x=x[0])


def compute(position):
    scores = (x[0] @ weight) * position + mask
    scores = numpy.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def compile(name, *options):
    out = f"{work}/{name}"
    run("compress-compile", f"{work}/model.onnx", "-o", out, "--no-compare", *options)
    run("compress-run", out, "--input", f"{work}/x.npz", "--output", f"{work}/{name}.npz")
    # What is exported is the same model.
    run("compress-run", f"{out}/model.onnx", "--input", f"{work}/x.npz", "--reference", f"{work}/{name}.npz",
        "--rtol", "1e-4", "--atol", "1e-6")
    with open(f"{out}/report.json", encoding="utf-8") as file:
        report = json.load(file)
    sites = {site["name"]: site for site in report["sites"]}
    return sites, numpy.load(f"{work}/{name}.npz")["y"], os.path.getsize(f"{out}/model.safetensors"), report["totals"]


# One level for all is for weights.
sites, y, whole, totals = compile("level", "--level", "int8")
assert [sites[name]["level"] for name in ("weight", "position", "mask")] == ["int8", "f32", "f32"], sites

search = ("--max-size", "30%", "--levels", "f32,int8,int8-dynamic,lowrank-0.5", "--site", "weight=f32")
sites, y, size, totals = compile("search", *search)
assert sites["mask"]["level"] == "zstd" and sites["mask"]["error"] == 0, sites["mask"]
assert sites["position"]["level"] == "int8", sites["position"]
scales = abs(position).max(1, keepdims=True) / 127
numpy.testing.assert_allclose(y, compute(numpy.round(position / scales) * scales), rtol=1e-3, atol=2e-6)
# The library holds what the report says.
saved = (sites["mask"]["bytes_before"] - sites["mask"]["bytes_after"]
         + sites["position"]["bytes_before"] - sites["position"]["bytes_after"]
         - 3 * weight.size)  # in 8 bits before
assert sites["mask"]["bytes_after"] < 0.02 * mask.nbytes, sites["mask"]
assert abs((whole - size) - saved) < 2048, (whole, size, saved)
assert totals["bytes_after"] == sum(site["bytes_after"] for site in sites.values()), totals

# Why the mask has no other level.
text = run("compress-compile", f"{work}/model.onnx", "-o", f"{work}/explained", "--explain", "--dry-run", *search)
assert "why mask is zstd" in text and "it is a mask" in text, text

# Lossless: the same bits as float.
_, exact, _, _ = compile("exact", "--max-size", "99%", "--levels", "f32,zstd", "--site", "*=zstd")
_, plain, _, _ = compile("plain", "--level", "f32")
assert numpy.array_equal(exact, plain)
numpy.testing.assert_allclose(plain, compute(position), rtol=1e-3, atol=2e-6)
