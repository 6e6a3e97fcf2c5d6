#!/usr/bin/env python3
#===- networks.py - latency of compiled networks against other runtimes -------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Time networks compiled by compress-compile against ONNX Runtime and, where
they are installed, OpenVINO and IREE.

Each model is compiled at each level. The float model (level f32) is compared
with the peers on the model as given; any other level with ONNX Runtime on the
model.onnx that compress-compile exports for it and, for int8-dynamic and w8a8,
with the model as ONNX Runtime's own tools quantize it. Outputs must agree
before anything is timed."""
import argparse
import os
import re
import sys
import tempfile

import models as named_models
import peers as peer_tools
from harness import (ROOT, BenchmarkError, CompiledModel, Peer, compile_model,
                     find_compiler, geometric_mean, in_child, machine,
                     numpy_dtypes, print_cells, relative_error,
                     report_progress, take_turns, with_spread, write_json)

DEFAULT_MODELS = [os.path.join(ROOT, "examples", name, name + ".onnx")
                  for name in ("digits", "charlm")]

EPILOG = """\
examples:
  the networks of this repository:
      networks.py
  convolutional networks and encoder transformers with random weights:
      networks.py {names}
  another model, with samples (which also adds the level w8a8):
      networks.py model.onnx --data samples.npz
  one level, one thread, more careful:
      networks.py model.onnx --levels int8 --threads 1 --rounds 15

exit code:
  0: everything asked was measured; 1: a compilation, comparison or run failed
  (the other rows are still measured); 2: the command line is wrong.
""".format(names=" ".join(named_models.NAMES))


# --- Inputs -------------------------------------------------------------------
def make_feeds(signature, data, batch, count):
    """Up to `count` sets of inputs: samples of the data file if there is one,
    else random numbers with a fixed seed."""
    import numpy as np
    dtypes = numpy_dtypes()
    for name, dtype, _ in signature:
        if dtype not in dtypes:
            raise BenchmarkError(f"input '{name}' has element type {dtype}, "
                                 "which numpy lacks")
    if not data:
        rng = np.random.default_rng(0)
        feeds = {}
        for name, dtype, dims in signature:
            kind = np.dtype(dtypes[dtype])
            shape = [batch if dim < 0 else dim for dim in dims]
            if kind.kind != "f":
                raise BenchmarkError(f"input '{name}' is {kind}: random values "
                                     "may be out of range, give --data")
            feeds[name] = rng.standard_normal(shape).astype(kind)
        return [feeds]
    loaded = np.load(data)
    if data.endswith(".npy"):
        if len(signature) != 1:
            raise BenchmarkError(f"{data}: an .npy is for models of one input")
        loaded = {signature[0][0]: loaded}
    sets = []
    for index in range(count):
        feeds = {}
        for name, dtype, dims in signature:
            if name not in loaded:
                raise BenchmarkError(f"{data}: no array '{name}'")
            array = loaded[name]
            if array.ndim != len(dims) or not array.shape[0]:
                raise BenchmarkError(f"{data}: '{name}' has shape "
                                     f"{list(array.shape)}, model wants {dims}")
            size = batch if dims and dims[0] < 0 else (dims or [1])[0]
            rows = np.arange(index * size, (index + 1) * size) % len(array)
            feeds[name] = np.ascontiguousarray(array[rows], dtypes[dtype])
        sets.append(feeds)
        if (index + 1) * size >= len(array):
            break
    return sets


# --- Measurement --------------------------------------------------------------
def measure(job):
    """One model at one level and thread count; gives a dictionary."""
    threads = job["threads"]
    ours = CompiledModel(job["library"], threads)
    peers = {}
    for name, engine, path in job["peers"]:
        peers[name] = peer_tools.ENGINES[engine](path, threads)
    # ONNX Runtime's optimizer may trade exactness for speed (it rounds the
    # activations of some weight-only products to 8 bits), so the reference is
    # the model as written, and all sides are compared with that.
    reference = Peer(job["reference"], threads, optimize=False)
    sets = make_feeds(ours.signature(), job["data"], job["batch"], 8)
    names = ours.output_names()
    row = {"error": 0.0, "peer_errors": dict.fromkeys(peers, 0.0),
           "samples_compared": len(sets), "constant_output": True}
    for feeds in reversed(sets):  # The first set stays bound, to be timed.
        expected = reference.run_once(feeds, names)
        ours.bind(feeds)
        ours.run()
        row["error"] = max(row["error"],
                           relative_error(ours.results, expected))
        for name, peer in peers.items():
            peer.bind(feeds, names)
            row["peer_errors"][name] = max(
                row["peer_errors"][name],
                relative_error(peer.results, expected))
        if any(value.size and (value != value.flat[0]).any()
               for value in expected):
            row["constant_output"] = False
    del reference
    if not row["error"] <= job["tolerance"]:
        row["failure"] = (f"outputs differ: relative error {row['error']:.2e} "
                          f"over {job['tolerance']:.0e}; not timed")
        return row
    sides = [("ours", ours.run)] + [(n, p.run) for n, p in peers.items()]
    times = take_turns(sides, job["rounds"], job["seconds"], threads)
    # Results of the timed runs themselves: a race would show here.
    after = relative_error(ours.results, expected)
    if not after <= job["tolerance"]:
        row["failure"] = ("outputs differ after the timed runs: relative error "
                          f"{after:.2e}")
        return row
    row["ours"] = times.pop("ours")
    row["peers"] = times
    ours.close()
    return row


# --- The job ------------------------------------------------------------------
def default_tolerance(level):
    """A rounded activation next to the middle between two codes may go either
    way in two exact implementations, and deep networks amplify that; without
    rounded activations there is only the order of sums."""
    rounds = "-dynamic" in level or re.match(r"w\d+a\d+", level)
    return 5e-2 if rounds else 1e-4


def find_peers(options, name, model, level, data, out, folder):
    """(name, engine, model) of what this level is compared with. A tool that
    fails costs its row, with a line that says so."""
    found = []

    def add(title, engine, make):
        if options.peers and not any(re.match(wanted, title)
                                     for wanted in options.peers.split(",")):
            return
        try:
            found.append((title, engine, make()))
        except Exception as error:  # The tools have many classes of their own.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            print(f"note: {name} {level}: no {title}: {reason[0]}",
                  file=sys.stderr)

    def prepared(suffix, make):
        """`make` writes the file unless an earlier row did."""
        path = os.path.join(folder, f"{name}-{suffix}.onnx")
        return path if os.path.isfile(path) else make(path)

    def fused(path):
        _, hidden, heads, _ = named_models.ENCODERS[name]
        return peer_tools.fuse_encoder(model, heads, hidden, path)

    if level == "f32":
        add("ort", "ort", lambda: model)
        if named_models.is_encoder(name):
            add("ort-fused", "ort", lambda: prepared("fused", fused))
        for other in peer_tools.NETWORKS:
            if peer_tools.available(other):
                add(other, other, lambda: model)
        return found
    add("ort", "ort", lambda: os.path.join(out, "model.onnx"))
    if level == "w8a8" and data:
        add("ort-own", "ort", lambda: prepared(
            "static", lambda path: peer_tools.quantize_static(model, data,
                                                              path)))
    if level == "int8-dynamic":
        add("ort-own", "ort", lambda: prepared(
            "dynamic", lambda path: peer_tools.quantize_dynamic(model, path)))
        if named_models.is_encoder(name):
            add("ort-own-fused", "ort", lambda: prepared(
                "dynamic-fused", lambda path: peer_tools.quantize_dynamic(
                    prepared("fused", fused), path)))
    return found


def table_rows(row):
    cells = [row["model"], row["level"], str(row["threads"])]
    if "failure" in row:
        error = f"{row['error']:.1e}" if "error" in row else ""
        return [cells + ["failed", "", "", "", "", error, ""]]
    return [cells + [with_spread(row["ours"]), name, with_spread(peer),
                     f"{peer['ratio']:.2f}",
                     f"{peer['ratio_min']:.2f}..{peer['ratio_max']:.2f}",
                     f"{row['error']:.1e}" +
                     ("*" if row["constant_output"] else ""),
                     f"{row['peer_errors'][name]:.1e}"]
            for name, peer in row["peers"].items()]


def print_table(rows):
    print_cells(["model", "level", "threads", "ours", "peer", "its time",
                 "ratio", "range", "our error", "its error"],
                [cells for row in rows for cells in table_rows(row)])
    print("\nratio: our time over the peer's, lower is better; the median "
          "over the rounds,\nrange their extremes. ~: width of the middle half "
          "of the times. errors: largest\ndifference from ONNX Runtime without "
          "graph optimization, over the largest output.")
    if any(row.get("constant_output") for row in rows):
        print("*: all outputs are one value, so that agreement proves little.")
    for line in mean_lines(rows):
        print(line)


def mean_lines(rows):
    """Geometric means over the networks, for each level, thread count and
    peer, and against the fastest of ONNX Runtime's variants."""
    groups = {}
    for row in rows:
        ort = {}
        for name, peer in row.get("peers", {}).items():
            groups.setdefault((row["level"], row["threads"], name),
                              []).append(peer["ratio"])
            if name.startswith("ort"):
                ort[name] = peer["ratio"]
        if ort:
            groups.setdefault((row["level"], row["threads"], "best ort"),
                              []).append(max(ort.values()))
    lines = [f"  {level}, {threads} threads, against {name}: "
             f"{geometric_mean(ratios):.3f} ({len(ratios)} networks)"
             for (level, threads, name), ratios in groups.items()
             if len(ratios) > 1]
    return ["\ngeometric means of the ratios:"] + lines if lines else []


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="model.onnx",
                        help="files, or names of networks made with random "
                        "weights: " + ", ".join(named_models.NAMES) +
                        " (default: the digits and charlm examples)")
    parser.add_argument("--peers", metavar="A,B",
                        help="only peers whose name starts so (ort, ort-own, "
                        "openvino, iree)")
    parser.add_argument("--bin", metavar="DIR",
                        help="where compress-compile is (default: build/bin, "
                        "then PATH)")
    parser.add_argument("--data", metavar="FILE",
                        help=".npz or .npy of samples, for one model (default: "
                        "calib.npz beside the model if there is one; else "
                        "random inputs)")
    parser.add_argument("--levels", metavar="A,B",
                        help="default: f32,int8,int8-dynamic, and w8a8 where "
                        "there is data")
    parser.add_argument("--threads", default="1,2", metavar="N,M",
                        help="thread counts (default 1,2)")
    parser.add_argument("--batch", type=int, default=1, metavar="N",
                        help="size of dynamic dimensions (default 1)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N",
                        help="how often blocks of runs of each side take turns "
                        "(default 7)")
    parser.add_argument("--block-ms", type=float, default=150, metavar="T",
                        help="length of a block (default 150; at least 3 runs)")
    parser.add_argument("--tolerance", type=float, metavar="E",
                        help="largest relative error of outputs (default 1e-4, "
                        "5e-2 for levels that round activations)")
    parser.add_argument("--json", metavar="FILE",
                        help="where to write all numbers (default: nowhere)")
    parser.add_argument("--keep", metavar="DIR",
                        help="keep the compiled models here, one folder for "
                        "each model and level (default: deleted)")
    parser.add_argument("--reuse", action="store_true",
                        help="do not compile what --keep's folder holds")
    parser.add_argument("--prepare", action="store_true",
                        help="compile only, into --keep's folder, measure "
                        "nothing")
    options = parser.parse_args()
    if (options.reuse or options.prepare) and not options.keep:
        parser.error("--reuse and --prepare need --keep")
    options.models = options.models or DEFAULT_MODELS
    try:
        options.threads = [int(n) for n in options.threads.split(",")]
    except ValueError:
        parser.error("--threads takes numbers separated by commas")
    if min(options.threads + [options.batch, options.rounds]) < 1:
        parser.error("--threads, --batch and --rounds must be at least 1")
    if options.block_ms <= 0:
        parser.error("--block-ms must be positive")
    for file in options.models + ([options.data] if options.data else []):
        if file not in named_models.NAMES and not os.path.isfile(file):
            parser.error(f"no such file: {file}")
    if options.data and len(options.models) > 1:
        parser.error("--data goes with one model")
    return options


def unique_names(models):
    names = []
    for model in models:
        name = base = os.path.splitext(os.path.basename(model))[0]
        number = 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def run_model(options, compiler, folder, name, model):
    data = options.data
    if name in named_models.NAMES and model == name:
        model, data = named_models.make_model(name, folder)
    if not data:
        beside = os.path.join(os.path.dirname(model), "calib.npz")
        data = beside if os.path.isfile(beside) else None
    levels = ["f32", "int8", "int8-dynamic"] + (["w8a8"] if data else [])
    if options.levels:
        levels = options.levels.split(",")
    elif not data:
        print(f"{name}: random inputs; no w8a8, which needs --data",
              file=sys.stderr)
    rows = []
    for level in levels:
        out = os.path.join(folder, f"{name}-{level}")
        failure, peers = None, []
        try:
            if not (options.reuse and
                    os.path.isfile(os.path.join(out, "model.so"))):
                compile_model(compiler, model, level, data, out)
            peers = find_peers(options, name, model, level, data, out, folder)
        except BenchmarkError as error:
            failure = str(error)
        if options.prepare and not failure:
            continue
        for threads in options.threads:
            row = {"model": name, "level": level, "threads": threads}
            if failure:
                row["failure"] = failure
            else:
                row.update(in_child(measure, {
                    "library": os.path.join(out, "model.so"),
                    "peers": peers,
                    "reference": model if level == "f32" else
                    os.path.join(out, "model.onnx"),
                    "data": data, "batch": options.batch, "threads": threads,
                    "rounds": options.rounds,
                    "seconds": options.block_ms / 1e3,
                    "tolerance":
                    options.tolerance or default_tolerance(level)}))
            if "failure" in row:
                print(f"error: {name} {level}, {threads} threads: "
                      f"{row['failure']}", file=sys.stderr)
            report_progress(row)
            rows.append(row)
    return rows


def main():
    options = parse_arguments()
    try:
        import numpy  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise BenchmarkError(f"{error}: install requirements.txt") from error
    compiler = find_compiler(options.bin)
    if options.bin:
        os.environ[peer_tools.TOOLS] = options.bin
    before = machine()
    with tempfile.TemporaryDirectory() as scratch:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        rows = []
        for name, model in zip(unique_names(options.models), options.models):
            rows += run_model(options, compiler, options.keep or scratch, name,
                              model)
    after = machine()["load"]
    print(f"{before['processor']}, {before['cores']} cores; ONNX Runtime "
          f"{onnxruntime.__version__}; batch {options.batch}; load average "
          f"{before['load']:.1f} before, {after:.1f} after")
    for line in peer_tools.missing_notes():
        print(line)
    print()
    if rows:
        print_table(rows)
    # Our own threads are part of `after`, so only `before` tells.
    sys.stdout.flush()
    if before["load"] > 0.5:
        print(f"\nwarning: other programs kept the machine busy (load "
              f"{before['load']:.1f} before the start): times are not those of "
              "an idle machine", file=sys.stderr)
    if options.json:
        write_json(options.json, {
            "processor": before["processor"], "cores": before["cores"],
            "onnxruntime": onnxruntime.__version__, "batch": options.batch,
            "rounds": options.rounds, "block_ms": options.block_ms,
            "load_before": before["load"], "load_after": after, "rows": rows})
    return 1 if any("failure" in row for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchmarkError, OSError) as error:
        print(f"networks.py: error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
