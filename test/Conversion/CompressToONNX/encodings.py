# Every encoding, nested in others, as an ONNX model: ONNX Runtime and the
# reference evaluator of ONNX compute what the compressed tensor decodes to, and
# importing the model gives the same type and the same bytes again.
#
# REQUIRES: onnxruntime, python-onnx, numpy
# RUN: rm -rf %t && mkdir %t
# RUN: %python %s %t
"""Usage: encodings.py FOLDER [WORD]   (WORD: only types that contain it, one by one)

Types are filled by the default methods of `compress.encode`. Several tensors
share one model; values are bit-exact except where a runtime may add up in
another order (`factored`), where the bound is relative to the largest value.
"""
import concurrent.futures
import math
import os
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

TOOLS = os.environ.get("COMPRESS_TOOLS_DIR", "")
OPT = os.path.join(TOOLS, os.environ.get("COMPRESS_OPT", "compress-opt"))
TRANSLATE = os.path.join(TOOLS, os.environ.get("COMPRESS_TRANSLATE", "compress-translate"))
IMPORT = ("--pass-pipeline=builtin.module(func.func(onnx-infer-shapes,"
          "convert-onnx-qdq-to-compress))")
onnxruntime.set_default_logger_severity(3)

Q4 = "quant<i4, group = [1, 4], scale = f16>"
Q8 = "quant<i8, group = [*], scale = f32>"
TYPES = [
    # codebook: index widths of every storage, vectors, stages, groups, books
    # that are computed or themselves encoded
    *(f"7x13xf32, codebook<{n}, of = f16>" for n in (2, 3, 4, 5, 16, 17, 60, 128, 256, 300)),
    "7x13xf32, codebook<16, of = generated<nf4>>",
    "7x13xf32, codebook<3, of = generated<ternary>>",
    "7x13xf32, codebook<8, of = generated<linear>>",
    "7x13xf32, codebook<9, of = generated<pow2>>",
    "8x24xf32, codebook<16, of = f16, vec = [1, 8], stages = 2>",
    "7x13xf32, codebook<4, of = f32, vec = [2, 3]>",
    "7x13xf32, codebook<8, of = f16, group = [1, *]>",
    "7x13xf32, codebook<4, of = bf16, vec = [1, 2], stages = 2, group = [4, 6]>",
    "7x13xf32, codebook<16, of = quant<i8, group = [1], scale = f16>>",
    "8x16xf32, codebook<8, of = quant<i8, group = [1, *], scale = f16>, vec = [1, 4]>",
    "7x13xbf16, codebook<16, of = f16>", "7x13xf16, codebook<16, of = f16>",
    "7x13xf64, codebook<16, of = f32>", "13xf32, codebook<4, of = f16>",
    "4x6x3x3xf32, codebook<8, of = f16, vec = [1, 1, 3, 3]>",
    # sparse: every pattern, values of every kind
    *(f"7x13x{element}, sparse<bitmask, nnz = ?, of = {of}>"
      for element, of in (("f32", "f16"), ("f16", "f16"), ("bf16", "bf16"), ("f64", "f64"),
                          ("f32", Q8), ("f32", "codebook<4, of = f16>"))),
    "7x13xf32, sparse<csr<i8>, nnz = ?, of = f16>", "7x13xf32, sparse<csr<i16>, nnz = ?, of = f32>",
    f"7x13xf32, sparse<csr<i16>, nnz = ?, of = {Q8}>", "29xf32, sparse<csr<i32>, nnz = ?, of = f32>",
    "3x5x7xbf16, sparse<csr<i8>, nnz = ?, of = bf16>",
    f"8x16xf32, sparse<nm<2:4>, of = {Q4}>", "7x13xf32, sparse<nm<2:4>, of = f16>",
    "7x13xf32, sparse<nm<1:2>, of = f32>", "7x13xf32, sparse<nm<5:16>, of = f32>",
    "7x13xf16, sparse<nm<3:32>, of = f16>", "7x13xf32, sparse<nm<2:4, axis = 0>, of = f16>",
    "7x13xf32, sparse<block<2x4>, nnz = ?, of = f32>",
    "8x16xf32, sparse<block<4x4>, nnz = ?, of = quant<i8, group = [1, *, *], scale = f16>>",
    "7x13xf32, sparse<channels<0>, nnz = ?, of = f16>",
    f"7x13xf32, sparse<channels<1>, nnz = ?, of = {Q4}>",
    "4x6x3x3xbf16, sparse<channels<1>, nnz = ?, of = bf16>",
    # factored
    '7x13xf32, factored<"i j = i r, r j", sizes = {r = 4}, of = [f32, f16]>',
    f'8x16xf32, factored<"i j = i r, r j", sizes = {{r = 4}}, of = [{Q4}, {Q4}]>',
    '7x13xf32, factored<"i j = i r, r j", sizes = {r = 6}, prefix = {r = 3}, of = [f32, f16]>',
    '7x13xf32, factored<"i j = i r, r, r j", sizes = {r = 3}, of = [f32, f32, f32]>',
    '6x5x3x3xf32, factored<"o i h w = o p, p q h w, i q", sizes = {p = 3, q = 2}, of = [f32, f16, f32]>',
    '4x5x6xf32, factored<"i j k = p q r, i p, j q, k r", sizes = {p = 2, q = 3, r = 2}, '
    'of = [f32, f32, f32, f32]>',
    '4x5x6xf32, factored<"i j k = i r, j r, k r", sizes = {r = 3}, of = [f32, f32, f32]>',
    '6x12xf32, factored<"(a b) (c d) = a c r, r b d", sizes = {a = 2, b = 3, c = 3, d = 4, r = 2}, '
    'of = [f32, f32]>',
    '6x12xf32, factored<"(a b) (c d) = a c, b d", sizes = {a = 2, b = 3, c = 3, d = 4}, of = [f32, f32]>',
    '8x16xf32, factored<"i j = i k, k j", sizes = {k = 6}, of = [f16, sparse<nm<2:4, axis = 0>, of = f32>]>',
    '7x13xf64, factored<"i j = i r, r j", sizes = {r = 4}, of = [f32, f64]>',
    '7x13xbf16, factored<"i j = i r, r j", sizes = {r = 4}, of = [f32, bf16]>',
    # sum
    f"8x16xf32, sum<[{Q4}, sparse<csr<i16>, nnz = ?, of = f16>]>",
    f"7x13xf32, sum<[{Q4}, {Q4}, sparse<bitmask, nnz = ?, of = f16>]>",
    f'8x16xf32, sum<[{Q4}, factored<"i j = i r, r j", sizes = {{r = 2}}, of = [f16, f16]>]>',
    "7x13xf64, sum<[f16, f32]>", "7x13xbf16, sum<[f8E4M3FN, bf16]>",
    # scaled
    "7x13xf32, scaled<group = [1, 4], scale = f32, of = codebook<16, of = generated<nf4>>>",
    "7x13xf32, scaled<group = [*, 1], scale = f16, of = f8E4M3FN>",
    "7x13xf16, scaled<group = [3, *], scale = quant<ui8, group = [*, *], scale = f32>, of = i8>",
    "7x13xf64, scaled<group = [2, 5], scale = f32, of = f16>",
    "8x16xf32, scaled<group = [1, *], scale = f32, of = sparse<bitmask, nnz = ?, of = "
    "codebook<4, of = f16>>>",
    # permuted, rotated
    f"7x13xf32, permuted<axis = 1, index = i32, of = {Q4}>",
    f"7x13xf16, permuted<axis = 0, index = i8, of = permuted<axis = 1, index = i4, of = {Q4}>>",
    f"7x13xf32, rotated<hadamard, axis = 1, block = 8, of = {Q4}>",
    f"7x16xf32, rotated<hadamard, axis = 1, block = 16, of = {Q4}>",
    "7x13xf32, rotated<hadamard, axis = 0, block = 4, of = f16>",
    "7x13xf64, rotated<hadamard, axis = 1, block = 4, of = f32>",
    f"7x16xf32, scaled<group = [*, 1], scale = generated<rademacher, seed = 1>, of = "
    f"rotated<hadamard, axis = 1, block = 16, of = {Q4}>>",
    "8x16xf32, rotated<hadamard, axis = 1, block = 16, of = codebook<8, of = f16, vec = [1, 4]>>",
    # generated
    *(f"7x13xf32, generated<{kind}>"
      for kind in ("zeros", "ones", "identity", "hadamard", "linear", "power, param = 2.0", "pow2",
                   "rademacher, seed = 3", "uniform, seed = 4", "normal, seed = 4294967295")),
    "16xf32, generated<nf4>", "16xf32, generated<fp4>", "3xf16, generated<ternary>",
    "3x3x3xf64, generated<identity>", "40x50xbf16, generated<normal, seed = 7>",
    # coded: carried as what it codes
    "7x13xf32, coded<huffman, bytes = [?], of = f32>", "7x13xbf16, coded<rans, bytes = [?], of = bf16>",
    "40x50xf16, coded<rans, block = 512, bytes = [?], of = f16>",
    "7x13xf32, coded<zstd, bytes = [?], of = f32>",
    f"7x13xf32, coded<huffman, bytes = [?, ?], of = {Q4}>",
    "7x13xf32, coded<rans, bytes = [?, ?], of = codebook<16, of = f16>>",
    "7x13xf32, coded<rans, bytes = [?, ?], of = sparse<bitmask, nnz = ?, of = f16>>",
    "8x16xf32, sparse<nm<2:4>, of = coded<rans, bytes = [?], of = f16>>",
    f"8x16xf32, sum<[coded<huffman, bytes = [?, ?], of = {Q4}>, "
    "permuted<axis = 0, index = i8, of = coded<zstd, bytes = [?], of = f16>>]>",
    "7x13xf32, quant<i8, group = [1, *], scale = coded<huffman, bytes = [?], of = f16>>",
    # scales and zero points of other encodings
    "7x13xf32, quant<i4, group = [1, 4], scale = codebook<8, of = f16>>",
    "7x13xf32, quant<ui4, group = [1, 4], scale = f16, zero = codebook<4, of = f32>>",
    "7x13xf32, quant<i8, group = [1, *], scale = generated<ones>>",
    # one bit, signed and not
    *(f"7x13xf32, quant<{codes}, group = [1, 4], scale = f16{zero}>"
      for codes, zero in (("i1", ""), ("i1", ", zero = i1"), ("i1", ", zero = f32"), ("ui1", ", zero = ui1"))),
    # dense
    "7x13xf32, f6E3M2FN", "7x13xf32, i1", "7x13xf32, i8", "7x13xbf16, f8E5M2",
    # nothing stored
    "0x13xf32, codebook<4, of = f16>", f"0x13xf32, {Q4}", "7x0xf32, sparse<bitmask, nnz = ?, of = f16>",
    "0x8xf32, permuted<axis = 0, index = i8, of = f16>",
    '7x0xf32, factored<"i j = i r, r j", sizes = {r = 4}, of = [f32, f16]>',
]
# Zeros need no stored values, and whole channels and blocks of them no entry.
ZEROS = ["7x13xf32, sparse<bitmask, nnz = ?, of = f16>", "7x13xbf16, sparse<csr<i8>, nnz = ?, of = bf16>",
         "7x13xf32, sparse<channels<0>, nnz = ?, of = f16>",
         "7x13xf16, sparse<channels<1>, nnz = ?, of = codebook<5, of = f6E2M3FN>>"]
BATCH = 12


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr[:4000]}")
    return result.stdout


def split(text):
    """`7x13xf32, ...` as shape, element type and tensor type."""
    *shape, element = text.split(",")[0].split("x")
    return [int(n) for n in shape], element, f"tensor<{text.split(',')[0]}>"


def dense(shape, element, rng, zeros):
    """A random weight, a tenth of it in [-8, 8] and whole rows zero."""
    values = rng.standard_normal(shape) * np.where(rng.random(shape) < 0.1, 4, 0.5)
    values *= (np.arange(math.prod(shape)).reshape(shape) // 3 % 5 != 0) & (not zeros)
    if element == "bf16":
        data = (values.astype("<f4").view("<u4") >> 16).astype("<u2")
    else:
        data = values.astype({"f16": "<f2", "f32": "<f4", "f64": "<f8"}[element])
    return f'dense<"0x{data.tobytes().hex()}">' if data.size else "dense<>"


def constants(path):
    """Attributes and type of every `compress.constant`, by site; then the blobs."""
    with open(path) as file:
        text = file.read()
    body, _, resources = text.partition("{-#")
    found = re.findall(r"= compress\.constant \[(.*)\] (?:\{.*\"W(\d+)\"\} )?: (<.*>)$", body, re.M)
    found = [(data, kind) for data, _, kind in sorted(found, key=lambda line: int(line[1] or 0))]
    return found, "{-#" + resources if resources else ""


def leaves(path):
    """Type and stored bytes of every constant."""
    found, resources = constants(path)
    # The first four bytes of a blob are its alignment.
    blobs = dict(re.findall(r'([\w.]+): "0x[0-9A-F]{8}([0-9A-F]*)"', resources))
    return [(kind, re.sub(r"dense_resource<([\w.]+)>", lambda m: blobs[m[1]], attributes))
            for attributes, kind in found]


def decoded(path, outputs):
    """The results of `arith.constant`, in order."""
    with open(path) as file:
        lines = re.findall(r"arith\.constant dense<(.*)> : tensor<.*>$", file.read(), re.M)
    assert len(lines) == len(outputs), f"{len(lines)} of {len(outputs)} tensors decoded"
    result = []
    for text, (shape, element, _) in zip(lines, outputs):
        kind = {"f16": "<f2", "f32": "<f4", "f64": "<f8", "bf16": "<u2"}[element]
        if text.startswith('"0x'):
            values = np.frombuffer(bytes.fromhex(text[3:-1]), kind)
        elif text == "":
            values = np.zeros(0, kind)
        else:
            values = np.array(float(text), "<f4" if element == "bf16" else kind)
            if element == "bf16":
                values = (values.view("<u4") >> 16).astype("<u2")
        if element == "bf16":
            values = (values.astype("<u4") << 16).view("<f4")
        result.append(np.broadcast_to(values, shape) if values.size <= 1 and text
                      else values.reshape(shape))
    return result


def module(body, outputs, resources=""):
    results = ", ".join(f'{kind} {{onnx.name = "y{i}"}}' for i, (_, _, kind) in enumerate(outputs))
    names = ", ".join(f"%y{i}" for i in range(len(outputs)))
    types = ", ".join(kind for _, _, kind in outputs)
    return ('module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = '
            '[{domain = "", version = 19 : i64}]} {\n'
            f"func.func @main_graph() -> ({results}) {{\n{body}\nreturn {names} : {types}\n}}\n}}\n"
            + resources)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def compare(name, text, got, expected):
    assert got.shape == expected.shape, f"{name}: {text}: shape {got.shape}, not {expected.shape}"
    got = got.astype(expected.dtype)
    if not got.size:
        return
    bound = 0
    if "factored" in text:
        # Sums of at most some dozens of products, in any order; then rounded.
        unit = {"f64": 2.0**-50, "bf16": 2.0**-7}.get(split(text)[1], 2.0**-20)
        bound = unit * np.abs(expected).max()
    # Hadamard sums are in the same order everywhere. NaN does not occur.
    wrong = ~(np.abs(got.astype(np.float64) - expected) <= bound)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise AssertionError(f"{name}: {text}: {wrong.sum()} of {wrong.size} differ, first at {at}: "
                             f"{got[at]!r}, expected {expected[at]!r} (bound {bound})")


def check(path, texts, zeros):
    rng = np.random.default_rng(len(texts[0]))
    outputs = [split(text) for text in texts]
    # 1. Dense to compressed. A user that is not folded keeps the constants.
    body = ""
    for i, (text, (shape, element, kind)) in enumerate(zip(texts, outputs)):
        rows = "x".join(["?", *map(str, shape[1:]), element])
        body += (f"%d{i} = arith.constant {dense(shape, element, rng, zeros)} : {kind}\n"
                 f"%q{i} = compress.encode %d{i} : {kind} -> !compress.tensor<{text}>\n"
                 f"%g{i} = compress.gather %q{i}[%at] axis = 0 : !compress.tensor<{text}>, "
                 f"tensor<?xi64> -> tensor<{rows}>\n"
                 f"call @use{i}(%g{i}) : (tensor<{rows}>) -> ()\n")
    uses = "".join("func.func private @use%d(tensor<%s>)\n" % (
        i, "x".join(["?", *map(str, shape[1:]), element])) for i, (shape, element, _) in enumerate(outputs))
    write(f"{path}.mlir", f"{uses}func.func @encode(%at: tensor<?xi64>) {{\n{body}return\n}}\n")
    run(OPT, f"{path}.mlir", "--compress-fold-constants", "-o", f"{path}.encoded.mlir")
    found, resources = constants(f"{path}.encoded.mlir")
    assert len(found) == len(texts), f"{len(found)} of {len(texts)} tensors encoded"
    # 2. Compressed to ONNX, and decoded by us.
    body = "\n".join(
        f'%w{i} = compress.constant [{attributes}] {{compress.site = "W{i}"}} : !compress.tensor{kind}\n'
        f"%y{i} = compress.decode %w{i} : !compress.tensor{kind}"
        for i, (attributes, kind) in enumerate(found))
    write(f"{path}.mlir", module(body, outputs, resources))
    run(OPT, f"{path}.mlir", "--compress-fold-constants", "--mlir-print-elementsattrs-with-hex-if-larger=1",
        "-o", f"{path}.decoded.mlir")
    expected = decoded(f"{path}.decoded.mlir", outputs)
    run(OPT, f"{path}.mlir", "--convert-compress-to-onnx", "-o", f"{path}.out.mlir")
    run(TRANSLATE, "--mlir-to-onnx", f"{path}.out.mlir", "-o", f"{path}.onnx")
    # 3. What others make of it.
    onnx.checker.check_model(f"{path}.onnx", full_check=True)
    model = onnx.load(f"{path}.onnx")
    names = [f"y{i}" for i in range(len(texts))]
    wide = [i for i, (_, element, _) in enumerate(outputs) if element == "bf16"]
    for i in wide:  # numpy has no bf16
        model.graph.node.append(onnx.helper.make_node("Cast", [f"y{i}"], [f"wide{i}"], to=1))
        model.graph.output.append(onnx.helper.make_tensor_value_info(f"wide{i}", 1, outputs[i][0]))
        names[i] = f"wide{i}"
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        for text, got, value in zip(texts, session.run(names, {}), expected):
            compare(f"ONNX Runtime, {level}", text, got, value)
    for text, got, value in zip(texts, ReferenceEvaluator(model).run(names, {}), expected):
        compare("reference evaluator", text, got, value)
    # 4. And back.
    run(TRANSLATE, "--onnx-to-mlir", f"{path}.onnx", "-o", f"{path}.in.mlir")
    run(OPT, f"{path}.in.mlir", IMPORT, "-o", f"{path}.back.mlir")
    before, after = leaves(f"{path}.encoded.mlir"), leaves(f"{path}.back.mlir")
    assert len(before) == len(after), f"{len(after)} of {len(before)} tensors restored"
    for text, (kind, data), (kind2, data2) in zip(texts, before, after):
        assert kind == kind2, f"{text}: restored as {kind2}, was {kind}"
        assert data == data2, f"{text}: restored with other bytes\n{data[:300]}\n{data2[:300]}"
    with open(f"{path}.back.mlir") as file:
        left = set(re.findall(r"= onnx\.(?!Return)\w+", file.read()))
    left.discard("= onnx.Identity")  # of the translator: outputs are no initializers
    assert not left, f"not restored: {sorted(left)}"
    nodes = sum(1 for _ in model.graph.node)
    return f"ok    {len(texts)} tensors, opset {model.opset_import[0].version}, {nodes} nodes"


def attempt(path, texts, zeros=False):
    try:
        print(check(path, texts, zeros), *(texts if len(texts) == 1 else []), flush=True)
        return True
    except Exception as error:  # pylint: disable=broad-except
        print(f"FAIL  {error}" + (f"\n      {texts[0]}" if len(texts) == 1 else ""), flush=True)
        return False


if __name__ == "__main__":
    folder, word = sys.argv[1], (sys.argv[2:] or [None])[0]
    chosen = [t for t in TYPES if word is None or word in t]
    size = BATCH if word is None else 1
    cases = [(chosen[i:i + size],) for i in range(0, len(chosen), size)]
    cases.append((ZEROS, True))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda c: attempt(os.path.join(folder, f"case{c[0]}"), *c[1]),
                                enumerate(cases)))
    if not all(results):
        sys.exit(f"{results.count(False)} of {len(results)} models failed")
