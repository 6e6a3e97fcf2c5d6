#!/usr/bin/env python3
#===- calibrate.py - the figures of the cost model ------------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Measure kernels of the CPU target and write the figures of its cost model
(lib/Target/CPU/KernelCosts.inc), or check what it predicts against times of
other shapes."""
import argparse
import itertools
import json
import math
import os
import re
import subprocess
import sys

import kernel_cases
from harness import (BenchmarkError, CompiledModel, ROOT, find_compiler,
                     in_child, machine, print_cells,
                     time_block, write_json)

TABLE = os.path.join(ROOT, "lib", "Target", "CPU", "KernelCosts.inc")
KINDS = os.path.join(ROOT, "lib", "Target", "CPU", "KernelKinds.def")
# The rows of KernelISA.cpp that x86 processors run, with 32-bit lanes.
_AVX512 = "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx2,+fma,+f16c"
ISAS = {
    "amx": (_AVX512 + ",+avx512vnni,+avx512vbmi2,+avx512vpopcntdq,+amx-tile,"
            "+amx-int8", 16),
    "avx512vnni": (_AVX512 + ",+avx512vnni", 16),
    "avx512bw": (_AVX512, 16),
    "avxvnni": ("+avxvnni,+avx2,+fma,+f16c", 8),
    "avx2": ("+avx2,+fma,+f16c", 8),
    "sse2": ("+sse2", 4),
}
# Instruction sets that were never measured: (the one whose figures they get,
# how many times longer arithmetic takes, why).
NOMINAL = {
    "portable": ("sse2", 1.0, "vectors as wide; nothing is known of it"),
    "neon": ("avx2", 2.0, "half as wide, as many multiply-adds a cycle"),
    "neon-dotprod": ("avxvnni", 1.5, "half as wide, two to four a cycle"),
    "neon-i8mm": ("avxvnni", 1.5, "half as wide, two to four a cycle"),
}
PARAMETERS = ("call", "near", "byte", "entry", "product", "input", "output")
# Weights of up to so many bytes come from a near cache; from three times as
# many on, they do not. As in KernelCosts.cpp.
NEAR_BYTES = 1 << 20

# Level: kind for few rows, kind for many (None: one way only), stored entries
# per weight (of bits, pairs of them).
PRODUCTS = {
    "f32": ("Float", None, 1),
    "fp16": ("Half", None, 1),
    "int8-dynamic": ("DotFew", "DotMany", 1),
    "int4-g32-dynamic-ag32": ("BlockDotFew", "BlockDotMany", 1),
    "int2-g32-dynamic-ag32": ("BlockDotFew", "BlockDotMany", 1),
    "binary-dynamic-a1": ("Bits", None, 1),
    "ternary-dynamic-a2": ("Bits", None, 4),
    "int4-dynamic": ("LongBlocksFew", "LongBlocksMany", 1),
    "ternary-dynamic": ("LongBlocksFew", "LongBlocksMany", 1),
    "2:4+int8-dynamic": ("PairsFew", "PairsMany", 1),
    "int4-g32": ("CodesFew", "CodesMany", 1),
    "int2-g32": ("CodesFew", "CodesMany", 1),
    "int3-g32": ("CodesFew", "CodesMany", 1),
    "mxfp4": ("CodesFew", "CodesMany", 1),
    "int8": ("BytesFew", "BytesMany", 1),
    "fp8-g32": ("SmallFloatFew", "SmallFloatMany", 1),
    "nf4-g32": ("TableFew", "TableMany", 1),
    "<codebook<64, of = f32>>": ("SixBitTableFew", "SixBitTableMany", 1),
    "<codebook<256, of = f32>>": ("WideTableFew", "WideTableMany", 1),
    "csr-70%": ("SparseFew", "SparseMany", 0.3),
    "csr-80%": ("SparseFew", "SparseMany", 0.2),
    "csr-95%": ("SparseFew", "SparseMany", 0.05),
    "block16x1-80%+int8-dynamic": ("SparseGroups", None, 0.2),
    "block16-80%+int8-dynamic": ("SparseDot", None, 0.2),
}
# Where a vector has 16 lanes, codes of these are looked up by nibbles (which are
# the entries) for so many rows of a tile, as `getNibbleRows` says: bits of a
# code, rows, and those for which that is not slower than decoding codes.
NIBBLES = {"int2-g32": (2, 16, 16), "int3-g32": (3, 2, 1)}
# Sums of entries of codebooks: entries, elements of an entry, stages. Tables of
# random numbers need not be fitted.
CODEBOOKS = [(16, 4, 1), (256, 8, 2), (256, 4, 1), (4096, 8, 1)]
LOOKUP_OUTPUTS = 2048
# Kinds to measure: level, [channels, filters, kernel, pixels on a side, groups]
WINDOWS = {
    "ConvFloat": ("f32", [(64, 64, 3, 28, 1), (128, 256, 1, 14, 1),
                          (256, 256, 3, 14, 1), (32, 64, 3, 56, 1),
                          (512, 512, 3, 7, 1)]),
    "ConvDot": ("int8-dynamic", [(64, 64, 3, 28, 1), (128, 256, 1, 14, 1),
                                 (256, 256, 3, 14, 1), (32, 64, 3, 56, 1),
                                 (512, 512, 3, 7, 1)]),
    "ConvDepthwise": ("f32", [(64, 64, 3, 56, 64), (256, 256, 3, 14, 256),
                              (512, 512, 3, 7, 512)]),
}
ROTATED = ("<rotated<hadamard, axis = 0, block = 128, of = quant<i4, "
           "group = [32, 1], scale = f16>>>")
SHAPES = [(512, 512), (1024, 3072), (4096, 2048)]
# Shorter inputs are padded too much in groups of outputs.
GROUP_SHAPES = [(4096, 2048), (2048, 1024), (2048, 4096), (8192, 1024)]
FEW, MANY = (1, 2, 4, 8, 16), (2, 4, 8, 16, 32, 64, 128)
# Rows from which on `Many` of these are tile registers where there are any, as
# `kFewestTileRows` says.
TILES = {"BlockDotMany": "BlockDotTiles",
         "LongBlocksMany": "LongBlocksTiles", "PairsMany": "PairsTiles"}
TILE_ROWS = 5
# Shapes and rows of --check, none of them used for fitting.
CHECKED_SHAPES, CHECKED_ROWS = [(1536, 2048)], (1, 16, 128)

EPILOG = """\
examples:
  compile, then measure on a quiet machine, then fit and write the table:
      calibrate.py --isa amx --keep models --prepare
      calibrate.py --isa amx --keep models --json amx.json
      calibrate.py --fit amx.json avx2.json --write
  what the compiler predicts for other shapes, against their times:
      calibrate.py --check --keep models --json check.json
"""


# --- Models -------------------------------------------------------------------
def save_matmul(path, rows, k, n):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
    w = np.random.default_rng(0).standard_normal((k, n), dtype=np.float32)
    w *= np.float32(1 / math.sqrt(k))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, n])],
        [numpy_helper.from_array(w, "w")])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), path)


def save_conv(path, channels, filters, kernel, side, groups):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
    w = np.random.default_rng(0).standard_normal(
        (filters, channels // groups, kernel, kernel), dtype=np.float32)
    pad = kernel // 2
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], group=groups,
                          pads=[pad] * 4)], "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT,
                                       [1, channels, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT,
                                       [1, filters, side, side])],
        [numpy_helper.from_array(w, "w")])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), path)


def save_nothing(path):
    """What every run takes: the call and the entry."""
    from onnx import TensorProto, helper, save
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
            for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])],
                              "nothing", info[:1], info[1:])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), path)


def compile_once(options, name, level, save, extra=(), few_rows=None):
    """The folder of the compiled model, made if it is not there; with kernels
    that take their way for few rows up to `few_rows`."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    folder = os.path.join(options.keep, slug)
    if os.path.isfile(os.path.join(folder, "model.so")):
        return folder
    os.makedirs(options.keep, exist_ok=True)
    model = folder + ".onnx"
    save(model)
    command = [options.compiler, model, "-o", folder, "--level", level,
               "--no-compare", *extra]
    environment = dict(os.environ)
    if few_rows is not None:
        environment["COMPRESS_CPU_FEW_ROWS"] = str(few_rows)
    done = subprocess.run(command, capture_output=True, text=True,
                          env=environment)
    os.remove(model)
    if done.returncode:
        raise BenchmarkError(f"{name}: {done.stderr.strip()[-300:]}")
    return folder


def stored_bytes(folder):
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        return sum(site["bytes_after"] for site in json.load(file)["sites"])


def time_models(job):
    """Seconds of one run at each shape of the input."""
    import numpy as np
    times = []
    for folder, shape in job["runs"]:
        model = CompiledModel(os.path.join(folder, "model.so"), job["threads"])
        name = model.signature()[0][0]
        x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
        model.bind({name: x})
        # Slow phases of a machine only ever add.
        block = sorted(time_block(model.run, job["seconds"]))
        times.append(block[len(block) // 3])
        model.close()
    return {"times": times}


# --- What to measure ----------------------------------------------------------
def codebook_level(size, vec, stages):
    return (f"<codebook<{size}, of = generated<normal, seed = 1>, "
            f"vec = [{vec}, 1], stages = {stages}>>")


def plan_jobs(options, isa):
    """(record without its time, how to compile it, shape of the input)."""
    features = ["--target-cpu", "x86-64", "--target-features", ISAS[isa][0]]
    shapes = SHAPES[:options.shapes]
    for (k, n), (level, (few, many, density)) in itertools.product(
            dict.fromkeys(SHAPES + GROUP_SHAPES), PRODUCTS.items()):
        if (k, n) not in (GROUP_SHAPES if few == "SparseGroups" else shapes):
            continue
        ways = [(few, FEW + MANY[-2:] if many is None else FEW, 1 << 20)]
        if many and not (few == "DotFew" and isa != "amx"):
            ways.append((many, MANY, 0))
        elif many:
            ways = [(few, FEW + MANY[-3:], 1 << 20)]
        for kind, rows, force in ways:
            name = f"{isa}-{level}-{k}x{n}-{kind}"
            forced = None if few in ("Float", "Half") else force
            bits, nibble_rows, best = NIBBLES.get(level, (0, 0, 0))
            if kind != few or ISAS[isa][1] != 16:
                bits = 0
            for m in rows:
                timed, entries = kind, n * k * density
                if isa == "amx" and m >= TILE_ROWS:
                    timed = TILES.get(kind, kind)
                if bits and m <= nibble_rows:
                    if m > best:
                        continue
                    timed, entries = "NibblesFew", n * k * bits / 4
                yield ({"kind": timed, "level": level, "m": m, "n": n, "k": k,
                        "entries": entries}, name, level,
                       lambda p, k=k, n=n: save_matmul(p, "m", k, n),
                       features, forced, (m, k))
    for kind, (level, shapes) in WINDOWS.items():
        for shape in shapes:
            channels, filters, kernel, side, groups = shape
            k = channels // groups * kernel * kernel
            yield ({"kind": kind, "level": level, "m": side * side,
                    "n": filters, "k": k, "entries": filters * k},
                   f"{isa}-{kind}-{'x'.join(map(str, shape))}", level,
                   lambda p, s=shape: save_conv(p, *s), features, None,
                   (1, channels, side, side))
    for (k, n), (size, vec, stages) in itertools.product(SHAPES[:2],
                                                         CODEBOOKS):
        for lookup in (True, False):
            if lookup and size > 512:
                continue
            level = codebook_level(size, vec, stages)
            way = "CodebookLookup" if lookup else "CodebookRows"
            for m in (1, 4, 16, 64):
                # As getCodebookWork says.
                work, kind = {"n": n * k, "k": k}, "CodebookRows"
                if lookup:
                    lanes = ISAS[isa][1] if m > 1 else 1
                    kind = "CodebookLookup" if m > 1 else "CodebookOne"
                    work = {"n": n, "k": k * size * stages *
                            -(-n // LOOKUP_OUTPUTS) *
                            (-(-m // lanes) * lanes) / m}
                yield (dict(work, kind=kind, level=level, m=m,
                            entries=n * (k // vec) * stages),
                       f"{isa}-{way}-{size}-{vec}-{stages}-{k}x{n}", level,
                       lambda p, k=k, n=n: save_matmul(p, "m", k, n),
                       features, 1 << 20 if lookup else 0, (m, k))
    # Less what the same product takes without coding; see fit_all.
    for (k, n), coder in itertools.product(SHAPES[:2], ("huffman", "rans")):
        level = f"int4-g32+{coder}"
        yield ({"kind": "Inflate", "level": level, "m": 1, "n": n, "k": k,
                "entries": n * k / 2}, f"{isa}-{level}-{k}x{n}", level,
               lambda p, k=k, n=n: save_matmul(p, "m", k, n),
               features + ["--coded", "block"], None, (1, k))
    for k, n in SHAPES[:2]:
        for m in (1, 16, 128):
            yield ({"kind": "Rotate", "level": ROTATED, "m": m, "n": n, "k": k,
                    "entries": n * k}, f"{isa}-rotated-{k}x{n}", ROTATED,
                   lambda p, k=k, n=n: save_matmul(p, "m", k, n), features,
                   None, (m, k))


def select_kinds(options, jobs):
    """Those of --kinds, by what they are called with or without tiles."""
    if not options.kinds:
        return jobs
    chosen = set(options.kinds.split(","))
    return (job for job in jobs if job[0]["kind"] in chosen)


def run_jobs(options, jobs):
    """Compiles what is not there; unless --prepare, fills in bytes and times,
    less what an empty model takes."""
    nothing = compile_once(options, "nothing", "f32", save_nothing)
    ready, failures = [], set()
    for record, name, level, save, extra, few_rows, shape in jobs:
        if name in failures:
            continue
        try:
            folder = compile_once(options, name, level, save, extra, few_rows)
        except BenchmarkError as error:
            failures.add(name)
            print(f"error: {error}", file=sys.stderr)
            continue
        ready.append((record, folder, shape))
    if options.prepare:
        return []
    runs = [(nothing, (1,))] + [(folder, shape) for _, folder, shape in ready]
    result = in_child(time_models, {"runs": runs, "threads": options.threads,
                                    "seconds": options.block_ms / 1e3})
    if "failure" in result:
        raise BenchmarkError(result["failure"])
    base, *times = result["times"]
    records = []
    for (record, folder, _), seconds in zip(ready, times):
        records.append(dict(record, bytes=stored_bytes(folder),
                            seconds=max(seconds - base, 1e-8), folder=folder))
    return records


# --- The model, as in KernelCosts.cpp --------------------------------------------
def read_kinds():
    with open(KINDS, encoding="utf-8") as file:
        rows = re.findall(r"^KERNEL_KIND\((\w+), (-?\d+), (\d+)\)", file.read(),
                          re.MULTILINE)
    return {name: (int(passes), int(multiple))
            for name, passes, multiple in rows}


def predict(costs, records, structure, lanes):
    """Seconds of records (columns of numbers) by costs, as PARAMETERS."""
    import numpy as np
    pass_rows, multiple = structure
    m = records["m"]
    pass_rows = lanes if pass_rows < 0 else pass_rows
    passes = np.ceil(m / pass_rows) if pass_rows else 1
    multiple = multiple or lanes
    rows = np.ceil(m / multiple) * multiple
    call, near, byte, entry, product, entering, leaving = costs
    far = np.clip((records["bytes"] / NEAR_BYTES - 1) / 2, 0, 1)
    reading = records["bytes"] * (near + (byte - near) * far)
    computing = records["entries"] * (passes * entry + rows * product)
    return (call + np.cbrt(reading ** 3 + computing ** 3) +
            m * (records["k"] * entering + records["n"] * leaving))


def fit(records, structure, lanes, extra=0.0):
    """Costs of least squared logarithms of predicted over measured, by damped
    Gauss-Newton steps on their logarithms from several starts. What hardly
    matters becomes zero."""
    import numpy as np
    data = {key: np.array([float(r[key]) for r in records])
            for key in ("m", "n", "k", "bytes", "entries", "seconds")}
    target = np.log(data["seconds"])

    def residuals(logs, used):
        costs = np.where(used, np.exp(logs), 0)
        total = predict(costs, data, structure, lanes) + extra
        return np.log(np.maximum(total, 1e-12)) - target

    def descend(logs, used):
        damping, r = 1e-2, residuals(logs, used)
        for _ in range(200):
            jacobian = np.empty((len(r), len(logs)))
            for i in range(len(logs)):
                step = logs.copy()
                step[i] += 1e-5
                jacobian[:, i] = (residuals(step, used) - r) / 1e-5
            normal = jacobian.T @ jacobian
            delta = np.linalg.solve(
                normal + damping * (np.diag(np.diag(normal)) + 1e-9 *
                                    np.eye(len(logs))) + 1e-12 *
                np.eye(len(logs)), -jacobian.T @ r)
            candidate = np.clip(logs + np.clip(delta, -2, 2), -60, 0)
            new = residuals(candidate, used)
            if new @ new < r @ r:
                done = r @ r - new @ new < 1e-9 * (r @ r)
                logs, r, damping = candidate, new, damping / 3
                if done:
                    break
            else:
                damping *= 4
                if damping > 1e8:
                    break
        return r @ r, logs

    everything = np.ones(len(PARAMETERS), bool)
    starts = [[1e-6, b / 2, b, e, p, 1e-10, 1e-10]
              for b, e, p in itertools.product((3e-11, 3e-10), (1e-11, 2e-10),
                                               (5e-13, 1e-11))]
    loss, logs = min((descend(np.log(np.array(s)), everything)
                      for s in starts), key=lambda pair: pair[0])
    used = everything.copy()
    for i in np.argsort(logs):
        without = used.copy()
        without[i] = False
        other, refined = descend(logs, without)
        if other <= loss * 1.02 + 1e-4:
            loss, logs, used = other, refined, without
    return np.where(used, np.exp(logs), 0), math.sqrt(loss / len(records))


def fit_all(files):
    """{isa: {kind: (costs, records, root mean square of logarithms)}}"""
    import numpy as np
    kinds, result = read_kinds(), {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        isa, lanes = report["isa"], ISAS[report["isa"]][1]
        fitted = result.setdefault(isa, {})
        by_kind = {}
        for record in report["records"]:
            by_kind.setdefault(record["kind"], []).append(record)
        for kind, structure in kinds.items():
            records = by_kind.get(kind)
            if not records:
                continue
            extra = 0.0
            if kind in ("Rotate", "Inflate"):
                # What is more than the product of the codes, which they store
                # in about as many bytes.
                extra = np.array([min(
                    predict(fitted[inner][0],
                            {key: np.array([float(r[key])]) for key in
                             ("m", "n", "k", "bytes", "entries")},
                            kinds[inner], lanes)[0]
                    for inner in ("CodesFew", "CodesMany")) for r in records])
                if kind == "Rotate":
                    records = [dict(r, bytes=0, entries=0) for r in records]
                else:
                    records = [dict(r, k=0, n=0) for r in records]
            costs, error = fit(records, structure, lanes, extra)
            fitted[kind] = (costs, records, error)
            print(f"{isa} {kind}: {len(records)} times, typical factor "
                  f"{math.exp(error):.2f}", file=sys.stderr)
    return result


def read_table(path):
    """{isa: {kind: costs}} of what was measured before."""
    result = {}
    with open(path, encoding="utf-8") as file:
        for isa, kind, numbers in re.findall(
                r'KERNEL_COST\("([^"]+)", (\w+),([^)]*)\)', file.read()):
            if isa in ISAS:
                result.setdefault(isa, {})[kind] = [
                    float(x) for x in numbers.split(",")]
    return result


def write_table(fitted, path):
    """Of kinds that were not fitted, the table keeps its figures."""
    order, table = list(read_kinds()), read_table(path)
    for isa, kinds in fitted.items():
        table.setdefault(isa, {}).update(
            (kind, costs) for kind, (costs, _, _) in kinds.items())
    table = {isa: {kind: kinds[kind] for kind in order if kind in kinds}
             for isa, kinds in table.items()}
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "// Written by benchmark/calibrate.py; not to be edited. Seconds\n"
            "// for a call, a byte of the weight from near and from far, an entry "
            "in a\n// pass, an entry and a row, an element of the activation, an element of the "
            "result.\n#ifndef KERNEL_COST\n#define KERNEL_COST(...)\n#endif\n"
            "#ifndef KERNEL_COST_ORIGIN\n#define KERNEL_COST_ORIGIN(...)\n#endif\n")
        for isa in ISAS:
            write_rows(file, isa, "measured", table.get(isa))
        for isa, (source, factor, why) in NOMINAL.items():
            if source not in table:
                continue
            # Reading takes as long.
            scale = [1 if name in ("call", "near", "byte") else factor
                     for name in PARAMETERS]
            write_rows(file, isa, f"nominal, those of {source} with {factor:g} "
                       f"times the arithmetic: {why}", {
                           kind: [c * s for c, s in zip(costs, scale)]
                           for kind, costs in table[source].items()})
        file.write("#undef KERNEL_COST\n#undef KERNEL_COST_ORIGIN\n")


def write_rows(file, isa, origin, kinds):
    if not kinds:
        return
    file.write(f'\nKERNEL_COST_ORIGIN("{isa}", "{origin}")\n')
    for kind, costs in kinds.items():
        numbers = ", ".join(f"{c:.3g}" for c in costs)
        line = f'KERNEL_COST("{isa}", {kind}, {numbers})'
        if len(line) > 80:
            line = f'KERNEL_COST("{isa}", {kind},\n    {numbers})'
        file.write(line + "\n")


# --- Checking -------------------------------------------------------------------
def check_jobs(options):
    """The cases of kernels.py, and the levels of the fit that are not there."""
    levels = {case.level: case for case in kernel_cases.CASES.values()}
    plain = kernel_cases.Case("", {})
    levels.update((level, plain) for level in PRODUCTS if level not in levels)
    for (k, n), (level, case), m in itertools.product(
            CHECKED_SHAPES, levels.items(), CHECKED_ROWS):
        yield ({"level": level, "m": m, "n": n, "k": k},
               f"check-{options.isa}-{level}-{m}x{k}x{n}", level,
               lambda p, case=case, m=m, k=k, n=n: kernel_cases.save_model(
                   case, p, m, k, n),
               ["--threads", str(options.threads), "--target-cpu", "x86-64",
                "--target-features", ISAS[options.isa][0]], None, (m, k))


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, index in enumerate(order):
        result[index] = rank
    return result


def rank_correlation(a, b):
    import numpy as np
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def check(records):
    """Adds the predictions of the compiler; prints how far off they are."""
    for record in records:
        with open(os.path.join(record["folder"], "report.json"),
                  encoding="utf-8") as file:
            site = json.load(file)["sites"][0]
        record["predicted"] = site["predicted_seconds"]
    lines = []

    def summarize(title, part):
        logs = [math.log(r["predicted"] / r["seconds"]) for r in part]
        factors = sorted(math.exp(abs(x)) for x in logs)
        lines.append([
            title, str(len(part)),
            f"{math.exp(sorted(logs)[len(logs) // 2]):.2f}",
            f"{factors[len(factors) // 2]:.2f}",
            f"{factors[int(len(factors) * 0.9)]:.2f}", f"{factors[-1]:.2f}",
            f"{rank_correlation([r['predicted'] for r in part], [r['seconds'] for r in part]):.3f}"])

    summarize("all", records)
    for m in CHECKED_ROWS:
        summarize(f"M={m}", [r for r in records if r["m"] == m])
    for level in dict.fromkeys(r["level"] for r in records):
        summarize(level, [r for r in records if r["level"] == level])
    print_cells(["times", "count", "median ratio", "median factor",
                 "90 % within", "worst", "rank correlation"], lines, left=1)
    # What a search asks: which of two levels is faster at a shape?
    right = total = 0
    groups = {}
    for record in records:
        groups.setdefault((record["m"], record["k"], record["n"]),
                          []).append(record)
    for part in groups.values():
        for a, b in itertools.combinations(part, 2):
            if max(a["seconds"], b["seconds"]) > 1.2 * min(a["seconds"],
                                                           b["seconds"]):
                total += 1
                right += ((a["seconds"] < b["seconds"]) ==
                          (a["predicted"] < b["predicted"]))
    print(f"\nof {total} pairs of levels at one shape whose times differ by "
          f"more than 20 %, the order is right in {right / max(1, total):.1%}")


# --- The command line -------------------------------------------------------------
def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", choices=ISAS, default="amx",
                        help="instruction set to measure (default amx)")
    parser.add_argument("--keep", metavar="DIR", default="calibration",
                        help="where compiled models are (default: %(default)s)")
    parser.add_argument("--prepare", action="store_true",
                        help="compile only")
    parser.add_argument("--json", metavar="FILE",
                        help="where to write the times")
    parser.add_argument("--fit", nargs="+", metavar="FILE",
                        help="fit the figures to these times")
    parser.add_argument("--write", action="store_true",
                        help="write what was fitted to KernelCosts.inc")
    parser.add_argument("--check", action="store_true",
                        help="compare predictions with times of other shapes "
                        "and of the cases of kernels.py")
    parser.add_argument("--kinds", metavar="A,B",
                        help="measure these kinds only (default all); --write "
                        "leaves the figures of others as they are")
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="for --check (default 1)")
    parser.add_argument("--shapes", type=int, default=len(SHAPES), metavar="N",
                        help="measure the first N shapes only (default all)")
    parser.add_argument("--block-ms", type=float, default=12, metavar="T",
                        help="how long to time each (default 12)")
    parser.add_argument("--bin", metavar="DIR",
                        help="where compress-compile is (default: build/bin, "
                        "then PATH)")
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        if options.fit:
            fitted = fit_all(options.fit)
            if options.write:
                write_table(fitted, TABLE)
            return 0
        options.compiler = find_compiler(options.bin)
        jobs = (check_jobs(options) if options.check else
                select_kinds(options, plan_jobs(options, options.isa)))
        records = run_jobs(options, jobs)
        if options.prepare:
            return 0
        if options.check:
            check(records)
        if options.json:
            write_json(options.json, {"machine": machine(),
                                      "isa": options.isa, "records": records})
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
