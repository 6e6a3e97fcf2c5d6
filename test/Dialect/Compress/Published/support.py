"""Decoding with the compiler: a type expression from docs/Encodings.md, its
leaves, and the values that compress-opt folds their decode to.
"""
import os
import pathlib
import re
import subprocess
import sys

import numpy as np

TOOLS = pathlib.Path(os.environ.get("COMPRESS_TOOLS_DIR", "build/bin"))
PAGE = pathlib.Path(__file__).resolve().parents[4] / "docs" / "Encodings.md"


def page_types():
    """The types of the page that have a name: `// NAME: N bits`, then the type."""
    types = {}
    for name, rest in re.findall(r"^// ([^\n:]+):[^\n]*\n(!compress\.tensor<.*?>)\n(?=\n|//|```)",
                                 PAGE.read_text(), re.M | re.S):
        types[name] = re.sub(r"\s+", " ", rest)
    return types


def type_of(name, shape):
    """The type of that name on the page, with another shape."""
    old = page_types()[name]
    return re.sub(r"<[0-9x]+x", f"<{'x'.join(map(str, shape))}x", old, count=1)


def pack(codes, width):
    """Codes of `width` bits, least significant bits first, without padding."""
    codes = np.asarray(codes).reshape(-1).astype(np.int64)
    bits = (codes[:, None] >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


class Leaf:
    """A leaf: its element type, and integers that are its codes or an array of
    f16, f32 or integers of whole bytes."""

    def __init__(self, element, array):
        array = np.asarray(array)
        self.type = f"tensor<{''.join(f'{d}x' for d in array.shape)}{element}>"
        width = int(re.match(r"[a-z]+(\d+)", element).group(1))
        kind = array.dtype.kind
        self.bytes = array.tobytes() if kind == "f" else pack(array, width)


def run(text, *args):
    result = subprocess.run([TOOLS / "compress-opt", "-", *args], input=text, text=True,
                            capture_output=True)
    if result.returncode != 0:
        sys.exit(f"compress-opt failed:\n{result.stderr}\n{text[:2000]}")
    return result.stdout


def constant(type, leaves):
    """The text of a `compress.constant` and of the resources that it names."""
    names = ", ".join(f"dense_resource<leaf{i}> : {leaf.type}" for i, leaf in enumerate(leaves))
    blobs = ", ".join(f'leaf{i}: "0x08000000{leaf.bytes.hex()}"' for i, leaf in enumerate(leaves))
    return (f"compress.constant [{names}] : {type}",
            f"{{-# dialect_resources: {{ builtin: {{ {blobs} }} }} #-}}\n")


def logical_type(type):
    shape, element = re.match(r"!compress\.tensor<([0-9x]+)x([a-z]+[0-9]+),", type).groups()
    return [int(d) for d in shape.split("x")], element


FLOATS = {"f16": np.float16, "f32": np.float32, "bf16": np.uint16}


def values_of(text, type):
    """The folded constant of the program `text`, bit for bit (bf16 as bits)."""
    shape, element = logical_type(type)
    found = re.search(r'arith\.constant dense<"0x([0-9A-F]+)">', text)
    assert found, f"nothing was folded:\n{text[:2000]}"
    return np.frombuffer(bytes.fromhex(found.group(1)), FLOATS[element]).reshape(shape)


def decode(type, leaves):
    """The decoded values, by the compiler's reference."""
    shape, element = logical_type(type)
    dense = f"tensor<{''.join(f'{d}x' for d in shape)}{element}>"
    op, resources = constant(type, leaves)
    text = (f"func.func @f() -> {dense} {{\n  %w = {op}\n"
            f"  %d = compress.decode %w : {type}\n  return %d : {dense}\n}}\n{resources}")
    out = run(text, "--compress-fold-constants",
              "--mlir-print-elementsattrs-with-hex-if-larger=1")
    return values_of(out, type)


def check(name, type, leaves, expected):
    """Compares bit for bit."""
    values = decode(type, leaves)
    assert values.dtype == expected.dtype and values.shape == expected.shape, (
        f"{name}: {values.dtype}{values.shape}, expected {expected.dtype}{expected.shape}")
    bits = {2: np.uint16, 4: np.uint32}[values.dtype.itemsize]
    differ = np.argwhere(values.view(bits) != np.ascontiguousarray(expected).view(bits))
    for index in map(tuple, differ[:5]):
        print(f"  {name}{list(map(int, index))}: {values[index]!r}, expected {expected[index]!r}")
    assert len(differ) == 0, f"{name}: {len(differ)} of {values.size} values differ"
    print(f"{name}: {values.size} values agree bit for bit")
