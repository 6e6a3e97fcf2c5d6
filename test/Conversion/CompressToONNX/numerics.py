# The exported model computes, in ONNX Runtime, exactly what the compressed
# tensor decodes to; importing it gives the same tensor again.
#
# REQUIRES: onnxruntime, python-onnx, numpy
# RUN: rm -rf %t && mkdir %t
# RUN: %python %s %t
"""Every case is a module in text form, with its expected output from numpy."""
import concurrent.futures
import os
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

TOOLS = os.environ.get("COMPRESS_TOOLS_DIR", "")
OPT = os.path.join(TOOLS, os.environ.get("COMPRESS_OPT", "compress-opt"))
TRANSLATE = os.path.join(TOOLS, os.environ.get("COMPRESS_TRANSLATE", "compress-translate"))
onnxruntime.set_default_logger_severity(3)
rng = np.random.default_rng(0)
f32 = np.float32


# --- Number formats ---------------------------------------------------------
def minifloat(exponent_bits, mantissa_bits, bias, kind):
    """The finite values by code; None for codes that are not finite."""
    width = 1 + exponent_bits + mantissa_bits
    values = []
    for code in range(1 << width):
        sign = -1.0 if code >> (width - 1) else 1.0
        exponent = (code >> mantissa_bits) & ((1 << exponent_bits) - 1)
        mantissa = code & ((1 << mantissa_bits) - 1)
        top = (1 << exponent_bits) - 1
        if kind == "ieee" and exponent == top:
            values.append(None)
        elif kind == "fn" and exponent == top and mantissa == (1 << mantissa_bits) - 1:
            values.append(None)
        elif kind == "fnuz" and code == 1 << (width - 1):
            values.append(None)
        elif exponent == 0:
            values.append(sign * mantissa * 2.0 ** (1 - bias - mantissa_bits))
        else:
            values.append(sign * (1 + mantissa / (1 << mantissa_bits)) * 2.0 ** (exponent - bias))
    return values


FLOATS = {
    "f8E4M3FN": minifloat(4, 3, 7, "fn"),
    "f8E5M2": minifloat(5, 2, 15, "ieee"),
    "f8E4M3FNUZ": minifloat(4, 3, 8, "fnuz"),
    "f8E5M2FNUZ": minifloat(5, 2, 16, "fnuz"),
    "f6E2M3FN": minifloat(2, 3, 1, "finite"),
    "f6E3M2FN": minifloat(3, 2, 3, "finite"),
    "f4E2M1FN": minifloat(2, 1, 1, "finite"),
    "f8E8M0FNU": [2.0 ** (code - 127) for code in range(255)],
}


def is_integer(text):
    return text.lstrip("u").startswith("i")


def integer_range(text):
    bits = int(text.lstrip("ui"))
    return (0, 2**bits - 1) if text[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def hexadecimal(array):
    return f'dense<"0x{array.tobytes().hex().upper()}">'


def component(values, text):
    """`values` (codes for small floats) as an attribute, with its MLIR type."""
    shape = "".join(f"{n}x" for n in values.shape)
    if is_integer(text):
        bits = int(text.lstrip("ui"))
        if bits == 1:  # the one type whose text is not bytes
            text = str((values != 0).tolist()).lower()
            return f"dense<{text}> : tensor<{shape}i1>"
        stored = values.astype(np.int64)
        stored = (stored & (2**bits - 1)).astype(f"<u{max(8, 1 << (bits - 1).bit_length()) // 8}")
        return f"{hexadecimal(stored)} : tensor<{shape}i{bits}>"
    numpy_type = {"f16": "<f2", "f32": "<f4", "f64": "<f8"}.get(text)
    if text == "bf16":
        stored = (values.astype(f32).view(np.uint32) >> 16).astype("<u2")
    elif numpy_type:
        stored = values.astype(numpy_type)
    else:
        stored = values.astype(np.uint8)
    return f"{hexadecimal(stored)} : tensor<{shape}{text}>"


def random_numbers(shape, text, spread=1.0):
    """What is stored, and the numbers that it stands for."""
    if is_integer(text):
        lo, hi = integer_range(text)
        codes = rng.integers(lo, hi, shape, endpoint=True)
        return codes, codes
    if text in FLOATS:
        finite = [c for c, v in enumerate(FLOATS[text]) if v is not None]
        if text == "f8E8M0FNU":
            finite = list(range(110, 140))
        if text.startswith("f8E5"):
            finite = [c for c in finite if abs(FLOATS[text][c]) < 1024]
        codes = rng.choice(finite, shape)
        return codes, np.vectorize(lambda c: FLOATS[text][c])(codes).astype(f32)
    values = (rng.random(shape) * spread + 0.01).astype(f32)
    if text == "f16":
        values = values.astype(np.float16).astype(f32)
    if text == "bf16":
        values = (values.view(np.uint32) & 0xFFFF0000).view(f32)
    return values, values


def grid(shape, group):
    return [1 if g == "*" else -(-n // g) for n, g in zip(shape, group)]


def spread_out(values, shape, group):
    for axis, (n, g) in enumerate(zip(shape, group)):
        values = np.repeat(values, n if g == "*" else g, axis=axis)
    return values[tuple(slice(n) for n in shape)]


# --- Weights ----------------------------------------------------------------
def quantized(shape, group, codes, scale="f32", zero=None, element="f32"):
    """Type text, component attributes and decoded value of a random tensor."""
    stored, numbers = random_numbers(shape, codes)
    attributes = [component(stored, codes)]
    if isinstance(scale, str):
        stored, scales = random_numbers(grid(shape, group), scale)
        attributes.append(component(stored, scale))
        text = scale
    else:
        text, inner, scales = quantized(grid(shape, group), *scale[1:])
        attributes += inner
        text = text[text.index("quant"):-1]
    number = numbers.astype(f32)
    full = f"quant<{codes}, group = [{', '.join(map(str, group))}], scale = {text}"
    if zero:
        stored, zeros = random_numbers(grid(shape, group), zero, 9)
        attributes.append(component(stored, zero))
        full += f", zero = {zero}"
        zeros = spread_out(zeros, shape, group)
        number = (numbers - zeros).astype(f32) if is_integer(zero) else number - zeros.astype(f32)
    value = number * spread_out(scales.astype(f32), shape, group)
    if element == "f64":
        value = number.astype(np.float64) * spread_out(scales, shape, group).astype(np.float64)
    if element == "f16":
        value = value.astype(np.float16)
    dims = "".join(f"{n}x" for n in shape)
    return f"!compress.tensor<{dims}{element}, {full}>>", attributes, value


def dense(shape, storage, element="f32"):
    stored, numbers = random_numbers(shape, storage)
    dims = "".join(f"{n}x" for n in shape)
    return (f"!compress.tensor<{dims}{element}, {storage}>", [component(stored, storage)],
            numbers.astype({"f32": np.float32, "f64": np.float64}[element]))


MODULE = """module attributes {{onnx.ir_version = 8 : i64,
    onnx.opset_imports = [{{domain = "", version = 13 : i64}}]}} {{
  func.func @main_graph({arguments}) -> ({result} {{onnx.name = "y"}}) {{
    {body}
    func.return %y : {result}
  }}
}}
"""


def logical(text):
    return "tensor<" + text[len("!compress.tensor<"):].split(",")[0] + ">"


def weight_module(text, attributes):
    return MODULE.format(arguments="", result=logical(text), body=f"""
    %w = compress.constant [{', '.join(attributes)}] {{compress.site = "W"}} : {text}
    %y = compress.decode %w : {text}""")


# --- Activations --------------------------------------------------------------
def code_range(codes, zero):
    if codes in FLOATS:
        top = max(v for v in FLOATS[codes] if v is not None)
        return -top, top
    lo, hi = integer_range(codes)
    return (-hi, hi) if codes[0] == "i" and not zero else (lo, hi)


def to_minifloat(x, text):
    finite = sorted({v for v in FLOATS[text] if v is not None})
    table = np.array(finite, np.float64)
    codes = {v: c for c, v in reversed(list(enumerate(FLOATS[text]))) if v is not None}
    even = np.array([codes[abs(v)] % 2 == 0 for v in finite])
    x = np.clip(x.astype(np.float64), table[0], table[-1])
    above = np.clip(np.searchsorted(table, x), 1, len(table) - 1)
    lo, hi = table[above - 1], table[above]
    up = (x - lo > hi - x) | ((x - lo == hi - x) & even[above])
    return np.where(up, hi, lo).astype(f32)


def store(values, text):
    """Numbers after being stored as `text`."""
    if text == "f32":
        return values
    if text == "f16":
        return values.astype(np.float16).astype(f32)
    if is_integer(text):
        return np.clip(np.round(values), *integer_range(text))
    if text == "f8E8M0FNU":
        mantissa, exponent = np.frexp(values)
        return np.ldexp(f32(1), exponent - 1 + (mantissa >= 0.75)).astype(f32)
    return to_minifloat(values, text)


def reduce_groups(x, group, function):
    padded = [n if g == "*" else -(-n // g) * g for n, g in zip(x.shape, group)]
    x = np.pad(x, [(0, p - n) for n, p in zip(x.shape, padded)])
    split, axes = [], []
    for n, g in zip(padded, group):
        split += [1, n] if g == "*" else [n // g, g]
        axes.append(len(split) - 1)
    return function(x.reshape(split), axis=tuple(axes))


def round_trip(x, group, codes, scale, zero, parameters=None):
    lo_code, hi_code = code_range(codes, zero)
    if parameters is None:
        lo = np.minimum(reduce_groups(x, group, np.min), 0).astype(f32)
        hi = np.maximum(reduce_groups(x, group, np.max), 0).astype(f32)
        top = f32(max(abs(lo_code), abs(hi_code)))
        if zero:
            s = (hi - lo) / f32(hi_code - lo_code)
            s = np.where(s == 0, f32(1), s)
        else:
            largest = np.maximum(hi, -lo)
            if scale == "f8E8M0FNU" and codes in FLOATS:
                emax = int(np.floor(np.log2(max(v for v in FLOATS[codes] if v is not None))))
                exponent = np.frexp(largest)[1] - 1 - emax
                s = np.ldexp(f32(1), np.maximum(exponent, -126)).astype(f32)
            elif scale == "f8E8M0FNU":
                mantissa, exponent = np.frexp(largest / top)
                s = np.ldexp(f32(1), exponent - (mantissa == 0.5)).astype(f32)
            else:
                s = largest / top
            s = np.where(largest == 0, f32(1), s)
        s = store(s.astype(f32), scale)
        z = None
        if zero:
            z = f32(lo_code) - lo / s
            if is_integer(zero):
                z = np.clip(np.round(z), lo_code, hi_code)
            z = store(z, zero).astype(f32)
    else:
        s, z = parameters
    s = spread_out(s, x.shape, group)
    q = x / s
    if codes in FLOATS:
        return to_minifloat(q, codes) * s
    if z is None:
        return np.clip(np.round(q), lo_code, hi_code) * s
    z = spread_out(z, x.shape, group).astype(f32)
    q = np.round(q) + z if is_integer(zero) else np.round(q + z)
    return (np.clip(q, lo_code, hi_code) - z) * s


def activation_module(shape, group, codes, scale, zero, parameters=None):
    dims = "".join("?x" if n is None else f"{n}x" for n in shape)
    tensor = f"tensor<{dims}f32>"
    text = f"quant<{codes}, group = [{', '.join(map(str, group))}], scale = {scale}"
    text = f"!compress.tensor<{dims}f32, {text}{', zero = ' + zero if zero else ''}>>"
    constants, given = "", ""
    if parameters is not None:
        names, types = [], []
        for name, values, storage in zip(("s", "z"), parameters, (scale, zero)):
            if values is None:
                continue
            attribute = component(values, storage)
            constants += f"%{name} = arith.constant {attribute}\n    "
            names.append(f"%{name}")
            types.append(attribute.split(" : ")[1])
        given = f"params({', '.join(names)} : {', '.join(types)}) "
    return text, MODULE.format(
        arguments=f'%x: {tensor} {{onnx.name = "x"}}', result=tensor, body=f"""{constants}
    %q = compress.encode %x {given}: {tensor} -> {text}
    %y = compress.decode %q : {text}""")


# --- Running ------------------------------------------------------------------
def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
    return result.stdout


def export(path, options=""):
    run(OPT, f"{path}.mlir", f"--convert-compress-to-onnx={options}", "-o", f"{path}.out.mlir")
    run(TRANSLATE, "--mlir-to-onnx", f"{path}.out.mlir", "-o", f"{path}.onnx")


failures = 0
pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
pending = []


def check(folder, *case):
    pending.append(pool.submit(check_now, os.path.join(folder, f"case{len(pending)}"), *case))


def check_now(path, label, text, module, expected, inputs):
    global failures
    try:
        with open(f"{path}.mlir", "w") as file:
            file.write(module)
        export(path)
        onnx.checker.check_model(f"{path}.onnx", full_check=False)
        model = onnx.load(f"{path}.onnx")
        session = onnxruntime.InferenceSession(f"{path}.onnx", providers=["CPUExecutionProvider"])
        got = session.run(None, inputs)[0]
        if got.dtype != expected.dtype or got.shape != expected.shape:
            raise RuntimeError(f"{got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}")
        wrong = got != expected
        if wrong.any():
            where = tuple(np.argwhere(wrong)[0])
            raise RuntimeError(f"{wrong.sum()} of {wrong.size} differ, first at {where}: "
                               f"{got[where]!r}, expected {expected[where]!r}")
        # And back.
        run(TRANSLATE, "--onnx-to-mlir", f"{path}.onnx", "-o", f"{path}.in.mlir")
        back = run(OPT, f"{path}.in.mlir",
                   "--pass-pipeline=builtin.module(func.func(onnx-infer-shapes,"
                   "convert-onnx-qdq-to-compress))", "-o", f"{path}.mlir")
        with open(f"{path}.mlir") as file:
            again = file.read()
        # As it was printed, which may be shorter; the assembly format leaves out
        # the mnemonic of the type.
        with open(f"{path}.out.mlir") as file:
            printed = re.search(r'"compress.type", "!compress.tensor([^"]*)"', file.read())[1]
        if printed not in again:
            raise RuntimeError(f"{text} is not in the imported model:\n{again[:3000]}")
        export(path)
        second = onnx.load(f"{path}.onnx")
        if [t.SerializeToString() for t in model.graph.initializer] != \
           [t.SerializeToString() for t in second.graph.initializer]:
            raise RuntimeError("the imported model has other initializers")
        kinds = [n.op_type for n in model.graph.node]
        print(f"ok    {label}: opset {model.opset_import[0].version}, {', '.join(kinds) or 'initializer'}")
    except Exception as error:  # pylint: disable=broad-except
        failures += 1
        print(f"FAIL  {label}: {error}")


def weights(folder):
    cases = []
    for codes in ("i8", "ui8", "i4", "ui4", "i2", "ui2", "i16", "ui16", "i3", "ui5", "i12", "ui1"):
        cases.append(([6, 8], ["*", "*"], codes))
        cases.append(([6, 8], [1, "*"], codes, "f32", codes))
        cases.append(([6, 8], [1, 4], codes, "f16"))
    for codes in FLOATS:
        if codes != "f8E8M0FNU":
            cases.append(([6, 8], ["*", 1], codes))
            cases.append(([6, 8], [1, 4], codes, "f16"))
            cases.append(([6, 32], [1, 32], codes, "f8E8M0FNU"))
    cases += [
        ([8, 6], [4, 1], "i4", "f32", "i4"),  # blocks along axis 0
        ([5, 7], [1, 4], "i4", "f32"),  # short last block
        ([4, 6, 3, 3], [1, 2, 1, 1], "i8"),
        ([4, 6, 3, 3], [1, "*", "*", "*"], "i8"),
        ([4, 6, 3, 3], [1, 2, "*", "*"], "i8"),  # per block and whole axes
        ([8, 8], [4, 4], "i8"),  # two-dimensional blocks
        ([7, 9], [4, 4], "ui4", "f16", "ui4"),  # with tails
        ([7, 9], [4, 4], "f4E2M1FN", "f16"),
        ([9], ["*"], "i8"), ([9], [1], "i8"), ([9], [4], "i8"),
        ([3, 5], [1, 1], "i8"), ([2, 3, 4], [1, 1, "*"], "i8"), ([2, 3, 4], ["*", 1, 1], "i8"),
        ([6, 8], [1, 4], "ui4", "f32", "f16"),  # zero points that are not integers
        ([6, 8], [1, 4], "ui4", "f32", "i16"),  # or do not fit the codes
        ([6, 8], [1, "*"], "i8", "bf16"), ([6, 8], [1, "*"], "i8", "f8E4M3FN"),
        ([6, 8], [1, 4], "i4", ("q", ["*", "*"], "f8E4M3FN")),  # scales of scales
        ([6, 32], [1, 16], "f4E2M1FN", ("q", ["*", "*"], "f8E4M3FN")),
        ([6, 32], [1, 4], "ui4", ("q", [1, 4], "ui6", "f16"), "ui4"),
        ([6, 8], [1, 4], "i4", ("q", ["*", 1], "i8", ("q", ["*", "*"], "ui4"))),
        ([6, 8], [1, 4], "i8", "f16", None, "f16"), ([6, 8], [1, 4], "i8", "f32", None, "f16"),
        ([6, 8], [1, 4], "i8", "f32", "i8", "f64"), ([7, 9], [4, 4], "i8", "f32", None, "f64"),
    ]
    for case in cases:
        text, attributes, value = quantized(*case)
        check(folder, text, text, weight_module(text, attributes), value, {})
    for storage in ("f16", "bf16", "f8E4M3FN", "f8E5M2", "f6E3M2FN", "f4E2M1FN", "f8E8M0FNU",
                    "i8", "ui16", "i5", "f64", "f32"):
        text, attributes, value = dense([4, 6], storage)
        check(folder, text, text, weight_module(text, attributes), value, {})


def activations(folder):
    x = (rng.standard_normal((6, 8)) * 3).astype(f32)
    x[1] = 0
    x[2] = np.abs(x[2])
    x[3] *= 1e-3
    dynamic = [
        (["*", "*"], "ui8", "f32", "ui8"), ([1, "*"], "ui8", "f32", "ui8"),
        ([1, "*"], "i8", "f32", None), ([1, "*"], "i8", "f32", "i8"), ([1, 4], "ui4", "f32", "ui4"),
        ([1, 3], "i8", "f16", None), (["*", 1], "ui8", "f16", "ui8"), ([1, "*"], "ui6", "f32", "ui6"),
        ([1, "*"], "ui4", "f32", "f32"), ([1, "*"], "i8", "f8E8M0FNU", None),
        ([1, "*"], "i8", "f8E4M3FN", None), ([1, 1], "i4", "f32", None),
        ([1, 4], "f4E2M1FN", "f8E8M0FNU", None), ([1, 4], "f8E4M3FN", "f8E8M0FNU", None),
        ([1, "*"], "f8E4M3FN", "f32", None), ([1, "*"], "f8E5M2", "f32", None),
        ([1, "*"], "f8E4M3FNUZ", "f32", None), ([1, "*"], "f6E2M3FN", "f32", None),
        ([1, "*"], "f6E3M2FN", "f32", None), ([1, 4], "f4E2M1FN", "f8E4M3FN", None),
    ]
    for group, codes, scale, zero in dynamic:
        expected = round_trip(x, group, codes, scale, zero)
        for shape in ([6, 8], [None, 8]):
            if shape[0] is None and group[0] not in ("*", 1):
                continue
            text, module = activation_module(shape, group, codes, scale, zero)
            check(folder, f"dynamic {text}", text, module, expected, {"x": x})
    x = np.concatenate([x.ravel(), (np.arange(-300, 300) * 0.25).astype(f32)])[:640].reshape(80, 8)
    static = [
        (["*", "*"], "ui8", "f32", "ui8"), (["*", "*"], "i8", "f32", None),
        (["*", "*"], "i8", "f32", "i8"), (["*", 1], "i8", "f32", None), (["*", 1], "ui8", "f32", "ui8"),
        (["*", "*"], "ui16", "f32", "ui16"), (["*", "*"], "i4", "f32", None),
        (["*", "*"], "ui4", "f32", "ui4"), (["*", "*"], "ui6", "f32", "ui6"),
        (["*", "*"], "i2", "f32", None), (["*", 4], "i8", "f32", None), (["*", "*"], "ui8", "f16", "ui8"),
        (["*", "*"], "f8E4M3FN", "f32", None), (["*", "*"], "f8E5M2", "f32", None),
        (["*", "*"], "f4E2M1FN", "f32", None), (["*", "*"], "ui8", "f32", "f32"),
        (["*", "*"], "ui8", "f32", "i16"),
    ]
    for group, codes, scale, zero in static:
        shape = grid(x.shape, group)
        stored, s = random_numbers(shape, scale, 0.25)
        z, parameters = None, [stored, None]
        if zero:
            z = rng.integers(3, 12, shape) if is_integer(zero) else random_numbers(shape, zero, 9)[0]
            parameters[1] = z
            z = z.astype(f32)
        if codes[0] == "i" and zero:
            z, parameters[1] = z - 8, parameters[1] - 8
        text, module = activation_module([None, 8], group, codes, scale, zero, parameters)
        expected = round_trip(x, group, codes, scale, zero, (s.astype(f32), z))
        check(folder, f"static {text}", text, module, expected, {"x": x})


def standard(folder):
    """The forms that ONNX Runtime lacks, in the reference evaluator of ONNX."""
    global failures
    from onnx.reference import ReferenceEvaluator

    for case in (([6, 32], [1, 32], "f4E2M1FN", "f8E8M0FNU"), ([6, 32], [1, 16], "f4E2M1FN", "f16"),
                 ([6, 32], [1, 16], "f8E4M3FN", "f8E8M0FNU"), ([6, 8], [1, 4], "i4", "f8E8M0FNU"),
                 ([6, 32], [1, 16], "f4E2M1FN", ("q", ["*", "*"], "f8E4M3FN"))):
        text, attributes, value = quantized(*case)
        path = os.path.join(folder, "standard")
        with open(f"{path}.mlir", "w") as file:
            file.write(weight_module(text, attributes))
        export(path, "profile=standard")
        model = onnx.load(f"{path}.onnx")
        onnx.checker.check_model(model, full_check=True)
        got = ReferenceEvaluator(model).run(None, {})[0]
        if not set(n.op_type for n in model.graph.node) <= {"DequantizeLinear", "Cast"} or \
           got.dtype != value.dtype or (got != value).any():
            failures += 1
            print(f"FAIL  standard {text}")


if __name__ == "__main__":
    standard(sys.argv[1])
    weights(sys.argv[1])
    activations(sys.argv[1])
    concurrent.futures.wait(pending)
    if failures:
        sys.exit(f"{failures} failed")
