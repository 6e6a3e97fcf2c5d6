"""A mixture of experts (com.microsoft.MoE): each expert gets a width of its own
under a fractional number of bits, by what the router asks of it, and loses less
than with the same bits for all in as many bytes; tokens that hardly need their
second expert do without."""
# REQUIRES: numpy
# RUN: %python %s %t
import json
import os
import re
import shutil
import subprocess
import sys

import numpy

work, tools = sys.argv[1], os.environ["COMPRESS_TOOLS_DIR"]
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
rng = numpy.random.default_rng(0)
experts, inputs, hidden = 6, 48, 96


def draw(*shape):
    return rng.standard_normal(shape).astype(numpy.float32)


router, bias = draw(inputs, experts) / inputs**0.5, numpy.float32([2.5, 1.5, 0.5, 0, -1, -2])
up, up_bias = draw(experts, hidden, inputs) / inputs**0.5, draw(experts, hidden) / 4
down, down_bias = draw(experts, inputs, hidden) / hidden**0.5, draw(experts, inputs) / 4


def constant(name, value):
    return (f'  %{name} = onnx.Initializer "{name}" = dense<"0x{value.tobytes().hex().upper()}"> '
            f': tensor<{"x".join(map(str, value.shape))}xf32>\n')


def run(*command, **options):
    done = subprocess.run([os.path.join(tools, command[0]), *command[1:]], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


stack = f"tensor<{experts}x{hidden}x{inputs}xf32>, tensor<{experts}x{hidden}xf32>, tensor<{experts}x{inputs}x{hidden}xf32>, tensor<{experts}x{inputs}xf32>"
with open(f"{work}/moe.mlir", "w", encoding="utf-8") as file:
    file.write(
        'module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 17 : i64}, '
        '{domain = "com.microsoft", version = 1 : i64}]} {\n'
        f'func.func @main_graph(%x: tensor<?x{inputs}xf32> {{onnx.name = "x", onnx.dim_params = ["N", ""]}}) '
        f'-> (tensor<?x{inputs}xf32> {{onnx.name = "y", onnx.dim_params = ["N", ""]}}) {{\n'
        + constant("router", router) + constant("router_bias", bias) + constant("up", up) + constant("up_bias", up_bias)
        + constant("down", down) + constant("down_bias", down_bias) +
        f'  %0 = onnx.MatMul(%x, %router) : (tensor<?x{inputs}xf32>, tensor<{inputs}x{experts}xf32>) -> tensor<?x{experts}xf32>\n'
        f'  %1 = onnx.Add(%0, %router_bias) : (tensor<?x{experts}xf32>, tensor<{experts}xf32>) -> tensor<?x{experts}xf32>\n'
        '  %2 = onnx.Custom "MoE"(%x, %1, %up, %up_bias, %down, %down_bias) {domain = "com.microsoft", onnx.node_name = "moe", '
        'node_attributes = {k = 2 : i64, activation_type = "silu", normalize_routing_weights = 1 : i64}} : '
        f'(tensor<?x{inputs}xf32>, tensor<?x{experts}xf32>, {stack}) -> tensor<?x{inputs}xf32>\n'
        f'  return %2 : tensor<?x{inputs}xf32>\n}}\n}}\n')
run("compress-translate", "--mlir-to-onnx", f"{work}/moe.mlir", "-o", f"{work}/moe.onnx")
mixing = draw(inputs, inputs) / inputs**0.5
for name in ("calib", "eval"):
    numpy.savez(f"{work}/{name}.npz", x=draw(400, inputs) @ mixing)
x = numpy.load(f"{work}/eval.npz")["x"]


def compute(threshold):
    """The outputs, and experts a token, by the definition."""
    y, used = numpy.zeros_like(x), 0
    for t, token in enumerate(x):
        logits = token @ router + bias
        chances = numpy.exp(logits - logits.max())
        chances /= chances.sum()
        first, second = numpy.argsort(-chances, kind="stable")[:2]
        chosen = [first] + [second] * int(chances[second] >= threshold * chances[first])
        used += len(chosen)
        for e in chosen:
            h = up[e] @ token + up_bias[e]
            y[t] += chances[e] / chances[chosen].sum() * (down[e] @ (h / (1 + numpy.exp(-h))) + down_bias[e])
    return y, used / len(x)


def compile(out, *options):
    text = run("compress-compile", f"{work}/moe.onnx", "-o", f"{work}/{out}", "--data", f"{work}/calib.npz",
               "--eval", f"{work}/eval.npz", *options)
    with open(f"{work}/{out}/report.json", encoding="utf-8") as file:
        return json.load(file), text


# As it is, and with fewer experts for some tokens.
for out, threshold in (("whole", 0), ("fewer", 0.4)):
    _, text = compile(out, "--level", "f32" if threshold == 0 else "int8", "--expert-threshold", str(threshold), "--no-compare")
    expected, used = compute(threshold)
    run("compress-run", f"{work}/{out}", "--input", f"{work}/eval.npz", "--output", f"{work}/y.npz")
    y = numpy.load(f"{work}/y.npz")["y"]
    error = numpy.linalg.norm(y - expected) / numpy.linalg.norm(expected)
    print(out, error, used)
    # 8-bit weights are rounded by up to 1/254 of the largest of a row.
    assert error < (1e-5 if threshold == 0 else 0.03), error
cut = re.search(r"asked for by ([0-9 %,]+) of the tokens; ([0-9.]+) experts a token instead of 2, ([0-9.]+) % fewer", text)
shares = [int(share.rstrip(" %")) for share in cut[1].split(",")]
assert shares[0] > shares[2] > shares[5], shares
assert abs(float(cut[2]) - used) < 0.12 and abs(float(cut[3]) - 100 * (1 - used / 2)) < 6, (cut[0], used)

# Widths under 3.4 bits a weight, against 3 bits for all experts, scales included.
levels = [f"int{bits}:rtn(range=mse)" for bits in (2, 3, 4, 5, 8)]
mixed, text = compile("mixed", "--max-bits", "3.4", "--search", "ilp", "--levels", ",".join(levels), "--site",
                      "router=" + levels[-1], "--baselines", "0")
widths = {s["name"]: s["level"].split(":")[0] for s in mixed["sites"]}
print(widths)
assert len({widths[f"up.{e}"] for e in range(experts)} | {widths[f"down.{e}"] for e in range(experts)}) >= 3, widths
assert widths["down.0"] > widths["down.5"] and widths["up.0"] > widths["up.5"], widths
with open(f"{work}/mixed/plan.yaml", encoding="utf-8") as file:
    plan = file.read()
with open(f"{work}/uniform.yaml", "w", encoding="utf-8") as file:
    file.write(re.sub(r"(name: +(?:up|down)\.\d\n +level: +).*", r"\g<1>'int3:rtn(range=mse)'", plan))
uniform, _ = compile("uniform", "--plan", f"{work}/uniform.yaml")
bits = [sum(s["bytes_after"] for s in r["sites"]) for r in (mixed, uniform)]
errors = [r["totals"]["quality"]["outputs"][0]["relative_error"] for r in (mixed, uniform)]
print(bits, errors)
assert bits[0] <= bits[1] * 1.02 and errors[0] < 0.8 * errors[1], (bits, errors)

# Other activations, one mixture after the other; with one token most experts have none.
stacks = {"g1": draw(4, 10, 8) / 3, "g2": draw(4, 8, 10) / 3, "s1": draw(4, 12, 8) / 3, "s1b": draw(4, 12), "s2": draw(4, 8, 6) / 3}
to_experts = draw(8, 4)
row = "tensor<?x8xf32>"
with open(f"{work}/two.mlir", "w", encoding="utf-8") as file:
    kinds = {name: f'tensor<{"x".join(map(str, value.shape))}xf32>' for name, value in stacks.items()}

    def mixture(result, x, up, up_bias, down, attributes):
        missing = "" if up_bias else '  %none = onnx.NoValue : none\n'
        operands = f"%{up}, %{up_bias or 'none'}, %{down}"
        types = f"{kinds[up]}, {kinds[up_bias] if up_bias else 'none'}, {kinds[down]}"
        return (missing + f'  %l{result} = onnx.MatMul(%{x}, %to) : ({row}, tensor<8x4xf32>) -> tensor<?x4xf32>\n'
                f'  %{result} = onnx.Custom "MoE"(%{x}, %l{result}, {operands}) {{domain = "com.microsoft", '
                f'node_attributes = {{{attributes}}}}} : ({row}, tensor<?x4xf32>, {types}) -> {row}\n')

    file.write(
        'module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 17 : i64}, '
        '{domain = "com.microsoft", version = 1 : i64}]} {\n'
        f'func.func @main_graph(%x: {row} {{onnx.name = "x", onnx.dim_params = ["N", ""]}}) '
        f'-> ({row} {{onnx.name = "y", onnx.dim_params = ["N", ""]}}) {{\n'
        + constant("to", to_experts) + "".join(constant(name, value) for name, value in stacks.items())
        + mixture("0", "x", "g1", "", "g2", 'k = 1 : i64, activation_type = "gelu"')
        + mixture("1", "0", "s1", "s1b", "s2", 'k = 2 : i64, activation_type = "swiglu", swiglu_fusion = 1 : i64, '
                  'activation_alpha = 1.5 : f32, activation_beta = 1.0 : f32, swiglu_limit = 2.0 : f32')
        + f'  return %1 : {row}\n}}\n}}\n')
run("compress-translate", "--mlir-to-onnx", f"{work}/two.mlir", "-o", f"{work}/two.onnx")
run("compress-compile", f"{work}/two.onnx", "-o", f"{work}/two", "--level", "f32", "--no-compare")


def mix(x, k, hidden, down):
    y = numpy.zeros_like(x)
    for t, token in enumerate(x):
        logits = token @ to_experts
        chances = numpy.exp(logits - logits.max())
        chances /= chances.sum()
        for e in numpy.argsort(-chances, kind="stable")[:k]:
            y[t] += chances[e] * (down[e] @ hidden(e, token))
    return y


def gelu(e, token):
    h = stacks["g1"][e] @ token
    return h / 2 * (1 + numpy.tanh((2 / numpy.pi)**0.5 * (h + 0.044715 * h**3)))


def swiglu(e, token):
    h = stacks["s1"][e] @ token + stacks["s1b"][e]
    gate, linear = numpy.minimum(h[::2], 2), numpy.clip(h[1::2], -2, 2)
    return gate / (1 + numpy.exp(-1.5 * gate)) * (linear + 1)


for tokens in (1, 7):
    x = draw(tokens, 8)
    numpy.savez(f"{work}/few.npz", x=x)
    run("compress-run", f"{work}/two", "--input", f"{work}/few.npz", "--output", f"{work}/y.npz")
    expected = mix(mix(x, 1, gelu, stacks["g2"]), 2, swiglu, stacks["s2"])
    error = numpy.linalg.norm(numpy.load(f"{work}/y.npz")["y"] - expected) / numpy.linalg.norm(expected)
    assert error < 1e-5, (tokens, error)
