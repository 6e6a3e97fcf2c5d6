# Random payloads in the published layouts of GPTQ, AWQ, bitsandbytes, OCP MX,
# NVFP4, AQLM, QuIP# and DFloat11 decode to the same bits as in plain numpy,
# written from the papers and specifications.
#
# REQUIRES: numpy
# RUN: %python %s
import itertools
import re

import numpy as np
import support
from support import Leaf

random = np.random.default_rng(2)


def words(codes, axis, order=range(8)):
    """4-bit codes in 32-bit words along `axis`: the n-th is code `order[n]`."""
    codes = np.moveaxis(codes, axis, -1).astype(np.uint32)
    codes = codes.reshape(codes.shape[:-1] + (-1, 8))[..., list(order)]
    packed = (codes << (4 * np.arange(8, dtype=np.uint32))).sum(-1, dtype=np.uint32)
    return np.moveaxis(packed, -1, axis)


def nibbles(packed, axis, order=range(8)):
    """The inverse of `words`."""
    packed = np.moveaxis(packed, axis, -1)
    codes = (packed[..., None] >> (4 * np.arange(8, dtype=np.uint32))) & 15
    codes = codes[..., np.argsort(list(order))]
    return np.moveaxis(codes.reshape(codes.shape[:-2] + (-1,)), -1, axis)


def gptq():
    """AutoGPTQ: 32-bit words along the inputs (`qweight`) and the outputs
    (`qzeros`, one less than the zero point), and the group of each input."""
    inputs, outputs, group = 512, 16, 128
    qweight = words(random.integers(0, 16, (inputs, outputs)), 0)
    qzeros = words(random.integers(0, 15, (inputs // group, outputs)), 1)
    scales = random.uniform(-1, 1, (inputs // group, outputs)).astype(np.float16)
    g_idx = random.permutation(np.arange(inputs) // group)

    zeros = nibbles(qzeros, 1).astype(np.int32) + 1
    codes = nibbles(qweight, 0).astype(np.int32)
    expected = scales[g_idx] * (codes - zeros[g_idx]).astype(np.float16)

    # Rows of a group become neighbours; row j is found at permutation[j].
    order = np.argsort(g_idx, kind="stable")
    type = support.type_of("GPTQ", (inputs, outputs))
    support.check("GPTQ", type, [Leaf("i4", codes[order]), Leaf("f16", scales), Leaf("i4", zeros),
                                 Leaf("i16", np.argsort(order))], expected)


def awq():
    """AutoAWQ: words along the outputs, of interleaved codes."""
    inputs, outputs, group = 256, 32, 128
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    qweight = words(random.integers(0, 16, (inputs, outputs)), 1, order)
    qzeros = words(random.integers(0, 16, (inputs // group, outputs)), 1, order)
    scales = random.uniform(-1, 1, (inputs // group, outputs)).astype(np.float16)

    rows = np.arange(inputs) // group
    codes = nibbles(qweight, 1, order).astype(np.int32)
    zeros = nibbles(qzeros, 1, order).astype(np.int32)
    expected = (codes - zeros[rows]).astype(np.float16) * scales[rows]
    type = support.type_of("AWQ", (inputs, outputs))
    support.check("AWQ", type, [Leaf("i4", codes), Leaf("f16", scales), Leaf("i4", zeros)],
                  expected)


def dynamic_map():
    """The 8-bit data type of Dettmers et al. (2022), signed: for each of seven
    decimal exponents the means of 1, 2, 4, ... intervals of [0.1, 1], then 0, 1."""
    values = [0.0, 1.0]
    for exponent in range(7):
        edges = np.linspace(0.1, 1, 2**exponent + 1)
        means = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (exponent - 6)
        values += [*means, *-means]
    return np.sort(np.float32(values))


NF4 = np.float32([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0])


def nf4():
    """bitsandbytes: two codes to a byte, the first in the high bits; 8-bit
    indices for the scale of 64 weights; f32 for 256 of those, and one offset."""
    rows, columns = 8, 4096
    data = random.integers(0, 256, rows * columns // 2, dtype=np.uint8)
    blocks = rows * columns // 64
    table = np.pad(dynamic_map(), (0, 256 - len(dynamic_map())), mode="edge")
    absmax = random.integers(0, 256, blocks, dtype=np.uint8)
    absmax2 = random.uniform(0.5, 2, blocks // 256).astype(np.float32)
    offset = np.float32(1.375)

    codes = np.stack([data >> 4, data & 15], -1).reshape(-1)
    scales = table[absmax] * np.repeat(absmax2, 256) + offset
    expected = (NF4[codes] * np.repeat(scales, 64)).reshape(rows, columns)

    grid = (rows, columns // 64)
    type = support.type_of("NF4", (rows, columns))
    support.check("NF4", type,
                  [Leaf("i4", codes.reshape(rows, columns)), Leaf("i8", absmax.reshape(grid)),
                   Leaf("f32", table), Leaf("f32", absmax2.reshape(-1, 1)),
                   Leaf("f32", offset.reshape(1, 1))], expected)


def small_float(codes, exponent_bits, mantissa_bits, bias):
    """The finite numbers of a float format of at most 8 bits."""
    mantissa = codes & (2**mantissa_bits - 1)
    exponent = codes >> mantissa_bits & (2**exponent_bits - 1)
    sign = np.where(codes >> (exponent_bits + mantissa_bits), -1.0, 1.0)
    fraction = mantissa / 2.0**mantissa_bits
    magnitude = np.where(exponent == 0, fraction * 2.0 ** (1 - bias),
                         (1 + fraction) * 2.0 ** (exponent - bias))
    return (sign * magnitude).astype(np.float32)


FORMATS = {"f4E2M1FN": (2, 1, 1), "f6E2M3FN": (2, 3, 1), "f6E3M2FN": (3, 2, 3),
           "f8E4M3FN": (4, 3, 7), "f8E5M2": (5, 2, 15)}


def random_codes(element, shape):
    """Codes of finite numbers."""
    width = int(element[1])
    codes = np.arange(2**width)
    if element == "f8E4M3FN":
        codes = codes[(codes & 0x7F) != 0x7F]
    if element == "f8E5M2":
        codes = codes[(codes & 0x7C) != 0x7C]
    return random.choice(codes, shape)


def mx():
    """OCP Microscaling Formats 1.0: 2^(X - 127) times the element."""
    rows, columns = 16, 256
    for name, element in (("MXFP4", "f4E2M1FN"), ("MXFP6 E2M3", "f6E2M3FN"),
                          ("MXFP6 E3M2", "f6E3M2FN"), ("MXFP8 E4M3", "f8E4M3FN"),
                          ("MXFP8 E5M2", "f8E5M2")):
        codes = random_codes(element, (rows, columns))
        scales = random.integers(0, 255, (rows, columns // 32))
        with np.errstate(over="ignore", under="ignore"):
            power = np.ldexp(np.float32(1), scales - 127).astype(np.float32)
            expected = small_float(codes, *FORMATS[element]) * np.repeat(power, 32, 1)
        type = support.type_of(name, (rows, columns))
        support.check(name, type, [Leaf(element, codes), Leaf("f8E8M0FNU", scales)], expected)


def nvfp4():
    rows, columns = 16, 128
    codes = random_codes("f4E2M1FN", (rows, columns))
    scales = random_codes("f8E4M3FN", (rows, columns // 16)) & 0x7F
    whole = np.float32(0.0123)
    scale = small_float(scales, *FORMATS["f8E4M3FN"]) * whole
    expected = small_float(codes, *FORMATS["f4E2M1FN"]) * np.repeat(scale, 16, 1)
    type = support.type_of("NVFP4", (rows, columns))
    support.check("NVFP4", type, [Leaf("f4E2M1FN", codes), Leaf("f8E4M3FN", scales),
                                  Leaf("f32", whole.reshape(1, 1))], expected)


def aqlm():
    """codes [out, in / 8, books], codebooks [books, 256, 1, 8], scales
    [out, 1, 1, 1]: a scale times a sum of vectors."""
    outputs, inputs = 24, 128
    codes = random.integers(0, 256, (outputs, inputs // 8, 2))
    books = random.normal(size=(2, 256, 1, 8)).astype(np.float16)
    scales = random.uniform(0.1, 2, (outputs, 1, 1, 1)).astype(np.float16)
    vectors = books.astype(np.float32)[:, :, 0]
    blocks = vectors[0][codes[..., 0]] + vectors[1][codes[..., 1]]
    expected = (blocks * scales.astype(np.float32)[..., 0]).reshape(outputs, inputs)
    type = support.type_of("AQLM 2x8", (outputs, inputs))
    support.check("AQLM 2x8", type,
                  [Leaf("i8", np.moveaxis(codes, -1, 0)), Leaf("f16", books[:, :, 0]),
                   Leaf("f16", scales.reshape(outputs, 1))], expected)


def quip_sharp():
    """E8P of Tseng et al. (2024), section 4.2: 8 bits for an entry of S, 7 for
    the signs of all but the last number, which makes the sum even, 1 for a shift
    by plus or minus 1/4; between two Hadamard transforms with signs."""
    size = 64
    grid = np.array(list(itertools.product([0.5, 1.5, 2.5, 3.5], repeat=8)))
    norm = (grid**2).sum(-1)
    # With any 29 of the vectors of five 3/2 and three 1/2.
    more = grid[(norm == 12) & (grid.max(-1) == 1.5)][:29]
    table = np.concatenate([grid[norm <= 10], more])
    assert len(table) == 256
    entry = random.integers(0, 256, (size, size // 8))
    flips = random.integers(0, 128, (size, size // 8))
    shift = random.integers(0, 2, (size, size // 8))
    left, right = random.choice([-1.0, 1.0], (2, size))
    scale = np.float32(0.0371)

    signs = 1.0 - 2 * (flips[..., None] >> np.arange(7) & 1)
    vectors = table[entry].copy()
    vectors[..., :7] *= signs
    vectors[..., 7] *= np.where(vectors.sum(-1) % 2 == 0, 1, -1)
    assert (vectors.sum(-1) % 2 == 0).all()
    vectors += np.where(shift, 0.25, -0.25)[..., None]
    hadamard = np.ones((1, 1))
    while len(hadamard) < size:
        hadamard = np.kron([[1, 1], [1, -1]], hadamard)
    # Exact: multiples of 1/256 below 2^14. Then one rounding.
    exact = hadamard @ vectors.reshape(size, size) @ hadamard / size
    expected = exact.astype(np.float32) * scale * np.float32(np.outer(left, right))

    # The table of 2^16 vectors is a product: S with the parity of an entry in
    # its last sign, the sign patterns of even parity, and the shifts.
    parity = np.where(table.sum(-1) % 2 == 0, 1, -1)
    entries = table.copy()
    entries[:, 7] *= parity
    patterns = 1.0 - 2 * (np.arange(128)[:, None] >> np.arange(7) & 1)
    patterns = np.concatenate([patterns, patterns.prod(-1, keepdims=True)], -1)
    for n in np.ndindex(entry.shape):
        whole = entries[entry[n]] * patterns[flips[n]] + (0.25 if shift[n] else -0.25)
        assert (whole == vectors[n]).all(), n
    eighths = {value: code for code, value in enumerate(
        small_float(np.arange(256), *FORMATS["f8E4M3FN"]).tolist()) if code & 0x7F != 0x7F}
    to_f8 = np.vectorize(eighths.get)
    type = support.type_of("QuIP#", (size, size))
    support.check("QuIP#", type, [
        Leaf("i16", entry * 256 + flips * 2 + shift), Leaf("f8E4M3FN", to_f8(entries)),
        Leaf("i2", patterns.astype(int)), Leaf("f8E4M3FN", to_f8(np.array([-0.25, 0.25]))),
        Leaf("f32", scale.reshape(1, 1)), Leaf("f16", right.astype(np.float16).reshape(1, size)),
        Leaf("f16", left.astype(np.float16).reshape(size, 1))], expected)


def dfloat11():
    """Any bf16 weight comes back from about 11 bits, bit for bit."""
    rows, columns = 128, 512
    type = support.type_of("DFloat11", (rows, columns))
    values = (random.normal(size=(rows, columns)) * 0.02).astype(np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    plain = f"!compress.tensor<{rows}x{columns}xbf16, bf16>"
    op, resources = support.constant(plain, [Leaf("bf16", bits)])
    dense = f"tensor<{rows}x{columns}xbf16>"
    text = (f"func.func @f() -> {dense} {{\n  %w = {op}\n"
            f"  %c = compress.cast %w : {plain} -> {type}\n"
            f"  %d = compress.decode %c : {type}\n  return %d : {dense}\n}}\n{resources}")
    coded = support.run(text, "--canonicalize")
    size = int(re.search(r"bytes = \[(\d+)\]", coded).group(1))
    print(f"DFloat11: {8 * size / values.size:.3f} bits per weight")
    assert 8 * size / values.size < 11
    out = support.run(text, "--compress-fold-constants",
                      "--mlir-print-elementsattrs-with-hex-if-larger=1")
    assert (support.values_of(out, type) == bits).all()


for test in (gptq, awq, nf4, mx, nvfp4, aqlm, quip_sharp, dfloat11):
    test()
