# Random blocks of GGUF's formats, as bytes, decode to the same bits as with the
# `gguf` package. The bytes are taken apart here, by the layout of ggml-common.h.
#
# REQUIRES: numpy, python-gguf
# RUN: %python %s
import gguf
import numpy as np
import support
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

ROWS, COLUMNS = 6, 512
random = np.random.default_rng(1)


def halves(shape):
    """f16 numbers of both signs and many magnitudes, subnormal ones included."""
    exponent = random.uniform(-20, 2, shape)
    return (random.choice([-1, 1], shape) * 2.0 ** exponent).astype(np.float16)


def make_blocks(kind, halves_at):
    """Random bytes, [rows, blocks, bytes], with scales that are finite."""
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=np.uint8)
    for at in halves_at:
        blocks[..., at:at + 2] = halves(blocks.shape[:2] + (1,)).view(np.uint8)
    return blocks


def half(blocks, at):
    return np.ascontiguousarray(blocks[..., at:at + 2]).view(np.float16)[..., 0]


def nibbles(block):
    """Low nibbles, then high ones: GGUF's order of 4-bit codes in a block."""
    return np.concatenate([block & 15, block >> 4], -1)


def planes(block, widths, run):
    """Codes of `widths` bits each: those in the lowest bits of `run` bytes,
    then those above, then the next `run` bytes."""
    parts = block.reshape(block.shape[:-1] + (-1, run))
    shifts = np.arange(0, 8, widths)[:, None]
    codes = (parts[..., None, :] >> shifts) & (2**widths - 1)
    return codes.reshape(block.shape[:-1] + (-1,))


def rows(codes):
    return codes.reshape(ROWS, -1).astype(np.int64)


def six_bits(packed):
    """The eight scales and eight minima of Q4_K and Q5_K."""
    d, m, rest = packed[..., 0:4], packed[..., 4:8], packed[..., 8:12]
    return (np.concatenate([d & 63, (rest & 15) | (d >> 6 << 4)], -1),
            np.concatenate([m & 63, (rest >> 4) | (m >> 6 << 4)], -1))


def check(name, blocks, leaves):
    kind = GGMLQuantizationType[name]
    expected = gguf.quants.dequantize(blocks.reshape(ROWS, -1), kind)
    type = support.type_of(name, (ROWS, COLUMNS))
    support.check(name, type, [support.Leaf(*leaf) for leaf in leaves], expected)


K = GGMLQuantizationType

b = make_blocks(K.Q4_0, [0])
check("Q4_0", b, [("i4", rows(nibbles(b[..., 2:])) - 8), ("f16", half(b, 0))])

b = make_blocks(K.Q4_1, [0, 2])
check("Q4_1", b, [("i4", rows(nibbles(b[..., 4:]))), ("f16", half(b, 0)), ("f16", half(b, 2))])


def fifth(block):
    return np.unpackbits(block, axis=-1, bitorder="little").astype(np.int64) << 4


b = make_blocks(K.Q5_0, [0])
check("Q5_0", b, [("i5", rows(nibbles(b[..., 6:]) | fifth(b[..., 2:6])) - 16),
                  ("f16", half(b, 0))])

b = make_blocks(K.Q5_1, [0, 2])
check("Q5_1", b, [("i5", rows(nibbles(b[..., 8:]) | fifth(b[..., 4:8]))), ("f16", half(b, 0)),
                  ("f16", half(b, 2))])

b = make_blocks(K.Q8_0, [0])
check("Q8_0", b, [("i8", rows(b[..., 2:].view(np.int8))), ("f16", half(b, 0))])

b = make_blocks(K.Q2_K, [80, 82])
check("Q2_K", b, [("i2", rows(planes(b[..., 16:80], 2, 32))),
                  ("i4", rows(b[..., :16] & 15)), ("f16", half(b, 80)),
                  ("i4", rows(b[..., :16] >> 4)), ("f16", -half(b, 82))])

b = make_blocks(K.Q3_K, [108])
low = planes(b[..., 32:96], 2, 32).astype(np.int64)
high = planes(b[..., :32], 1, 32).astype(np.int64)
scales = b[..., 96:108]
scales = (nibbles(scales[..., :8]) | (planes(scales[..., 8:], 2, 4) << 4)).astype(np.int64)
check("Q3_K", b, [("i3", rows(low - 4 * (1 - high))), ("i6", rows(scales - 32)),
                  ("f16", half(b, 108))])

b = make_blocks(K.Q4_K, [0, 2])
scale, least = six_bits(b[..., 4:16])
check("Q4_K", b, [("i4", rows(planes(b[..., 16:], 4, 32))),
                  ("i6", rows(scale)), ("f16", half(b, 0)),
                  ("i6", rows(least)), ("f16", -half(b, 2))])

b = make_blocks(K.Q5_K, [0, 2])
scale, least = six_bits(b[..., 4:16])
codes = planes(b[..., 48:], 4, 32) | (planes(b[..., 16:48], 1, 32) << 4)
check("Q5_K", b, [("i5", rows(codes)), ("i6", rows(scale)), ("f16", half(b, 0)),
                  ("i6", rows(least)), ("f16", -half(b, 2))])

b = make_blocks(K.Q6_K, [208])
codes = planes(b[..., :128], 4, 64) | (planes(b[..., 128:192], 2, 32) << 4)
check("Q6_K", b, [("i6", rows(codes.astype(np.int64) - 32)),
                  ("i8", rows(b[..., 192:208].view(np.int8))), ("f16", half(b, 208))])

# Codes of TQ2_0 are 0, 1, 2; the fourth is never written.
b = make_blocks(K.TQ2_0, [64])
codes = random.integers(0, 3, (ROWS, COLUMNS // 256, 2, 4, 32), dtype=np.uint8)
b[..., :64] = (codes << np.array([0, 2, 4, 6], np.uint8)[:, None]).sum(
    -2, dtype=np.uint8).reshape(b.shape[:2] + (64,))
check("TQ2_0", b, [("i2", rows(codes) - 1), ("f16", half(b, 64))])

IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
b = make_blocks(K.IQ4_NL, [0])
check("IQ4_NL", b, [("i4", rows(nibbles(b[..., 2:]))), ("i8", IQ4), ("f16", half(b, 0))])

b = make_blocks(K.IQ4_XS, [0])
low = np.stack([b[..., 4:8] & 15, b[..., 4:8] >> 4], -1).reshape(b.shape[:2] + (8,))
high = np.ascontiguousarray(b[..., 2:4]).view(np.uint16) >> np.arange(0, 16, 2) & 3
codes = nibbles(b[..., 8:].reshape(b.shape[:2] + (8, 16)))
check("IQ4_XS", b, [("i4", rows(codes)), ("i8", IQ4), ("i6", rows(low | (high << 4)) - 32),
                    ("f16", half(b, 0))])

# GGUF writes the values of MXFP4 doubled and half the scale: the same numbers,
# but for code 8, which is 0 there and -0 in OCP MX.
b = make_blocks(K.MXFP4, [])
b[..., 0] = random.integers(0, 255, b.shape[:2])
codes = rows(nibbles(b[..., 1:]))
check("MXFP4", b, [("f4E2M1FN", np.where(codes == 8, 0, codes)), ("f8E8M0FNU", rows(b[..., 0]))])
