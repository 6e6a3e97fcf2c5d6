# REQUIRES: numpy
# RUN: %python %s %t
"""The bits per weight that a type reports are the bytes of the artifact.

For each level the weights of the digits model are compiled for the reference
target, which stores leaves as they are: the tensors of a site in
model.safetensors take its leaves' bits, each leaf rounded up to whole bytes, and
the report says the same. Leaves below 64 bytes (a few scales) are constants in the
code instead. The cpu target may pad what it packs for its kernels.
"""
import json
import re
import struct
import sys

import support

LEVELS = ["int8", "int4-g32", "int3-g32", "mxfp6", "nvfp4", "nf4-g64", "ternary", "kmeans4",
          "kmeans3-row", "2:4", "2:4+int8", "sparse-50%", "sparse-75%+int4-g32", "block16-50%",
          "lowrank-0.25", "lowrank-r8+int8", "int4-g32+outliers-1%", "int4-g32+lowrank-r4",
          "rans", "int4-g32+huffman", "2:4+int8+rans"]


def stored(path):
    """Bytes of each tensor of a safetensors file."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    return {name: entry["data_offsets"][1] - entry["data_offsets"][0]
            for name, entry in header.items() if name != "__metadata__"}


def main():
    work = support.fresh(sys.argv[1])
    for level in LEVELS:
        out = work / level.replace(":", "_").replace("%", "")
        support.compile_model(support.EXAMPLES / "digits/digits.onnx", out, "--level", level,
                              "--target", "reference")
        report = json.loads((out / "report.json").read_text())
        tensors = stored(out / "model.safetensors")
        found = expected = 0
        for site in report["sites"]:
            name, count = site["name"], 1
            for dim in site["shape"]:
                count *= dim
            # NAME.LEAF, or NAME for a single leaf; a number tells names apart.
            pattern = re.compile(re.escape(name) + r"(?:\.(\d+))?(?:_\d+)?(?:\.packed)?")
            parts = {pattern.fullmatch(key).group(1): size for key, size in tensors.items()
                     if pattern.fullmatch(key)}
            bits = site["bits_per_weight"] * count
            total = sum(parts.values())
            # Leaves have numbers where there are several; the last may be missing.
            in_code = max((int(key) for key in parts if key), default=0) + 4 - len(parts)
            missing = site["bytes_after"] - total
            assert 0 <= missing < 64 * in_code, (level, name, parts, site)
            found += total
            expected += site["bytes_after"]
            # Each leaf is rounded up to whole bytes.
            leaves = len(parts) + in_code
            assert bits <= 8 * site["bytes_after"] < bits + 8 * leaves, (level, name, site)
        assert found > 0.98 * expected, (level, found, expected)
        print(f"{level}: {found} of {expected} bytes in the file")


main()
