#!/usr/bin/env python3
#===- kernels.py - matrix products of each encoding against peers --------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Time single matrix products, x [M, K] times constant weights [K, N], for each
encoding: against ONNX Runtime's operator for the same weights, or against
another encoding of ours, and against what the machine can do at most. Outputs
are checked against float64 products of the weights that were stored before
anything is timed."""
import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import (BenchmarkError, CompiledModel, compile_model,
                     find_compiler, geometric_mean, in_child, machine,
                     print_cells, relative_error, report_progress, take_turns,
                     with_spread, write_json)
import kernel_cases as kernels
import peers as peer_tools
import plot

# Largest difference over the largest output: sums in another order, and for
# rounded activations a code of one value that may go either way.
TOLERANCE, TOLERANCE_ROUNDED = 2e-5, 2e-3
READ_SIZES = [1 << power for power in range(20, 30)]

EPILOG = """\
examples:
  everything (several minutes, most of them compiling):
      kernels.py --json kernels.json --plot kernels.svg
  some cases and sizes:
      kernels.py --cases f32,int4 --shapes 4096x4096 --rows 1,128
  compile now, measure later on a quiet machine:
      kernels.py --keep models --prepare && kernels.py --keep models --reuse

exit code:
  0: everything asked was measured; 1: a compilation, comparison or run failed
  (the other rows are still measured); 2: the command line is wrong. Bars that
  are missed do not count as failures.
"""


# --- Ceilings -----------------------------------------------------------------
def measure_ceilings(tool, threads):
    done = subprocess.run([tool, str(threads)] + [str(s) for s in READ_SIZES],
                          capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(f"{tool}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def roofline(ceilings, work, seconds):
    """Which ceiling is nearer, and the share of it that was reached."""
    read = min(ceilings["read"],
               key=lambda r: abs(math.log(r["bytes"] / work["bytes"])))
    operations = ceilings[work["arithmetic"] + "_ops_per_second"]
    by_bytes = work["bytes"] / read["bytes_per_second"]
    by_operations = work["operations"] / operations
    return {"binds": "read" if by_bytes > by_operations else work["arithmetic"],
            "share": max(by_bytes, by_operations) / seconds,
            "read_share": by_bytes / seconds,
            "operations_share": by_operations / seconds}


def work_of(case, weight_bytes, m, k, n):
    dense = 2 * m * k * n
    operations = dense * case.density
    if case.rank_share:
        operations = 2 * m * min(k, n) * case.rank_share * (k + n)
    return {"bytes": weight_bytes + 4 * m * (k + n), "operations": operations,
            "arithmetic": case.arithmetic}


# --- One row ------------------------------------------------------------------
def check(model, folder, x, rounds_activation):
    """Errors of the compiled model: against the meaning of its level, and
    against the same weights with activations as they are."""
    reference = kernels.Reference(os.path.join(folder, "model.onnx"), x)
    model.bind({"x": x})
    model.run()
    error = relative_error(model.results, [reference.rounded])
    tolerance = TOLERANCE_ROUNDED if rounds_activation else TOLERANCE
    return error, tolerance, reference


def measure(job):
    """One case, shape and thread count; gives a dictionary."""
    threads, m, k = job["threads"], job["m"], job["k"]
    x = kernels.make_input(m, k)
    ours = CompiledModel(os.path.join(job["folder"], "model.so"), threads)
    error, tolerance, reference = check(ours, job["folder"], x, job["rounds_x"])
    row = {"error": error, "peer_rms": {},
           "rms": kernels.rms_error(ours.results[0], reference.exact)}
    if not error <= tolerance:
        row["failure"] = (f"outputs differ: relative error {error:.2e} over "
                          f"{tolerance:.0e}; not timed")
        return row
    sides = [("ours", ours.run)]
    for name, engine, path in job["peers"]:
        peer = peer_tools.ENGINES[engine](path, threads)
        peer.bind({"x": x}, ["y"])
        row["peer_rms"][name] = kernels.rms_error(peer.results[0],
                                                  reference.exact)
        # Not the place to judge a peer's rounding, but it has to be the same
        # product.
        if not row["peer_rms"][name] < 0.05:
            row["failure"] = f"{name} computes something else"
            return row
        sides.append((name, peer.run))
    if job["base"]:
        name, folder, rounds_x = job["base"]
        base = CompiledModel(os.path.join(folder, "model.so"), threads)
        base_error, base_tolerance, _ = check(base, folder, x, rounds_x)
        if not base_error <= base_tolerance:
            row["failure"] = f"base {name} differs: {base_error:.2e}"
            return row
        sides.append((name, base.run))
    times = take_turns(sides, job["rounds"], job["seconds"], threads)
    # Results of the timed runs themselves: a race would show here.
    after = relative_error(ours.results, [reference.rounded])
    if not after <= tolerance:
        row["failure"] = f"outputs differ after the timed runs: {after:.2e}"
        return row
    row["ours"] = times.pop("ours")
    row["peers"] = times
    return row


# --- The job ------------------------------------------------------------------
class Workshop:
    """Compiles what rows need, each case, shape and row count once."""

    def __init__(self, options, compiler, folder):
        self.options, self.compiler, self.folder = options, compiler, folder
        self.failures, self.made = {}, set()

    def compiled(self, name, m, k, n):
        case = kernels.CASES[name]
        slug = re.sub(r"[^A-Za-z0-9-]", "-", name)
        out = os.path.join(self.folder, f"{slug}-{m}x{k}x{n}")
        if out in self.failures:
            raise BenchmarkError(self.failures[out])
        done = os.path.join(out, "model.so")
        if os.path.isfile(done) and (self.options.reuse or
                                     out in self.made):
            return out
        model = out + ".onnx"
        try:
            kernels.save_model(case, model, m, k, n)
            compile_model(self.compiler, model, case.level,
                          None, out, case.options)
        except BenchmarkError as error:
            self.failures[out] = str(error)
            raise
        finally:
            if os.path.isfile(model):
                os.remove(model)
        self.made.add(out)
        return out

    def peer(self, peer_name, name, m, k, n):
        case = kernels.CASES[name]
        path = os.path.join(self.folder,
                            f"{case.weights}-{peer_name}-{m}x{k}x{n}.onnx")
        if not os.path.isfile(path):
            kernels.save_peer(peer_name, case, path, m, k, n)
        return path


def weight_bytes(folder):
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        return sum(site["bytes_after"] for site in json.load(file)["sites"])


def run_case(options, workshop, ceilings, name, m, k, n):
    case = kernels.CASES[name]
    title = {"case": name, "level": case.level, "m": m,
             "k": k, "n": n, "bar": case.bars.get(m),
             "share_bar": case.shares.get(m)}
    rows, job, base_bytes = [], None, 0
    try:
        folder = workshop.compiled(name, m, k, n)
        base = None
        if case.base:
            base_folder = workshop.compiled(case.base, m, k, n)
            base = (case.base, base_folder,
                    kernels.CASES[case.base].level.endswith("-dynamic"))
            base_bytes = weight_bytes(base_folder)
        peers = []
        for peer in case.peers:
            engine = peer if peer in peer_tools.OPTIONAL else "ort"
            if engine == "ort" or peer_tools.available(engine):
                peers.append((peer, engine,
                              workshop.peer(peer, name, m, k, n)))
        job = {"m": m, "k": k, "folder": folder, "peers": peers, "base": base,
               "rounds_x": case.level.endswith("-dynamic"),
               "rounds": options.rounds, "seconds": options.block_ms / 1e3}
        title["bytes"] = weight_bytes(folder)
    except BenchmarkError as error:
        title["failure"] = str(error)
    if options.prepare and job:
        return rows
    for threads in options.threads:
        row = dict(title, threads=threads)
        if job:
            row.update(in_child(measure, dict(job, threads=threads)))
        if "failure" in row:
            print(f"error: {name} {m}x{k}x{n}, {threads} threads: "
                  f"{row['failure']}", file=sys.stderr)
        else:
            work = work_of(case, row["bytes"], m, k, n)
            if ceilings:
                row["roofline"] = roofline(ceilings[threads], work,
                                           row["ours"]["median"])
            if case.by_bytes:
                scale = base_bytes / row["bytes"]
                for key in ("ratio", "ratio_min", "ratio_max"):
                    row["peers"][case.base][key] *= scale
                row["bytes_of_base"] = 1 / scale
        report_progress(row)
        rows.append(row)
    return rows


def is_measured_by_bar(row, peer):
    """The bar is for the first peer named, and for the fastest of the settings
    of one operator (`dynamic-s8`, `dynamic-u8`)."""
    names = list(row["peers"])
    family = [n for n in names if n.split("-")[0] == names[0].split("-")[0]]
    if family[0].startswith("dynamic"):
        return peer == min(family, key=lambda n: row["peers"][n]["median"])
    return peer == names[0]


def verdict(row, peer):
    if row["bar"] is None or not is_measured_by_bar(row, peer):
        return ""
    mark = "yes" if row["peers"][peer]["ratio"] <= row["bar"] else "no"
    return f"{row['bar']:g} {mark}"


def shares(row):
    """Of what can be read, of what can be computed, and the bar for one."""
    roof = row.get("roofline")
    if not roof:
        return ["", "", ""]
    bar = ""
    if row.get("share_bar"):
        name, least = row["share_bar"]
        reached = roof[name + "_share"] >= least
        bar = f"{name} {least:.0%} {'yes' if reached else 'no'}"
    return [f"{roof['read_share']:.0%}", f"{roof['operations_share']:.0%}",
            bar]


def table_rows(row):
    cells = [row["case"], f"{row['k']}x{row['n']}", str(row["m"]),
             str(row["threads"])]
    if "failure" in row:
        return [cells + ["failed"] + [""] * 12]
    roof = row.get("roofline")
    bound = f"{roof['binds']} {roof['share']:.0%}" if roof else ""
    lines = []
    for name, peer in row["peers"].items():
        title = name
        if "bytes_of_base" in row:
            title += f" x{row['bytes_of_base']:.2f}"
        theirs = row["peer_rms"].get(name)
        lines.append(cells + [
            with_spread(row["ours"]), bound, *shares(row), title,
            with_spread(peer),
            f"{peer['ratio']:.2f}",
            f"{peer['ratio_min']:.2f}..{peer['ratio_max']:.2f}",
            verdict(row, name), f"{row['error']:.0e}", f"{row['rms']:.0e}",
            f"{theirs:.0e}" if theirs is not None else ""])
    return lines


def print_table(rows):
    head = ["case", "KxN", "M", "threads", "ours", "roofline", "of reads",
            "of operations", "share bar", "peer", "its time", "ratio", "range",
            "bar", "error", "our rms", "its rms"]
    print_cells(head, [cells for row in rows for cells in table_rows(row)])
    print("""
ratio: our time over the peer's, lower is better; the median over the rounds,
range their extremes; a peer with a factor is our own time times the relation
of the bytes of the weights. bar: what the ratio should be at most. ~: width of
the middle half of the times. roofline: the ceiling that binds and the share of
it; of reads, of operations: the shares of both, the latter of vector
instructions (tile registers can do more). share bar: what a share should be at
least. error: largest difference from float64 products as the level means them,
over the largest output. rms: error against the same weights with unrounded
activations, over the root mean square of the outputs.""")
    groups = {}
    for row in rows:
        for name in row.get("peers", {}):
            if is_measured_by_bar(row, name):
                groups.setdefault((row["case"], row["m"], name), []).append(
                    row["peers"][name]["ratio"])
    print("\ngeometric means over shapes and threads:")
    for (case, m, name), ratios in groups.items():
        print(f"  {case}, M={m}, against {name}: {geometric_mean(ratios):.2f}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", metavar="A,B",
                        help="default: all of " + ", ".join(kernels.CASES))
    parser.add_argument("--filter", metavar="REGEX", default="",
                        help="of these cases, those whose name matches")
    parser.add_argument("--shapes", default="4096x4096,4096x11008",
                        metavar="KxN,KxN", help="default: %(default)s")
    parser.add_argument("--rows", metavar="M,M",
                        help="rows of the activation (default: those that the "
                        "case has bars for, of 1, 16, 128)")
    parser.add_argument("--threads", default="1,2", metavar="N,M",
                        help="thread counts (default 1,2)")
    parser.add_argument("--bin", metavar="DIR",
                        help="where compress-compile is (default: build/bin, "
                        "then PATH)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="how often blocks of runs of each side take turns "
                        "(default 5)")
    parser.add_argument("--block-ms", type=float, default=100, metavar="T",
                        help="length of a block (default 100; at least 3 runs)")
    parser.add_argument("--json", metavar="FILE",
                        help="where to write all numbers (default: nowhere)")
    parser.add_argument("--plot", metavar="FILE",
                        help="where to draw the ratios (SVG)")
    parser.add_argument("--keep", metavar="DIR",
                        help="keep the compiled models here (default: deleted)")
    parser.add_argument("--reuse", action="store_true",
                        help="do not compile what --keep's folder holds")
    parser.add_argument("--prepare", action="store_true",
                        help="compile only, into --keep's folder, measure "
                        "nothing")
    options = parser.parse_args()
    try:
        options.threads = [int(n) for n in options.threads.split(",")]
        options.shapes = [tuple(int(n) for n in shape.split("x"))
                          for shape in options.shapes.split(",")]
        options.rows = [int(n) for n in options.rows.split(",")
                        ] if options.rows else []
        options.filter = re.compile(options.filter)
    except (ValueError, re.error) as error:
        parser.error(str(error))
    names = options.cases.split(",") if options.cases else list(kernels.CASES)
    for name in names:
        if name not in kernels.CASES:
            parser.error(f"no case '{name}'")
    options.cases = [name for name in names if options.filter.search(name)]
    if min(options.threads + options.rows + [options.rounds]) < 1:
        parser.error("--threads, --rows and --rounds must be at least 1")
    if any(len(s) != 2 or s[0] < 1 or s[0] % kernels.GROUP or s[1] < 1
           for s in options.shapes):
        parser.error(f"--shapes are KxN, K a multiple of {kernels.GROUP}")
    if (options.reuse or options.prepare) and not options.keep:
        parser.error("--reuse and --prepare need --keep")
    return options


def find_roofline(compiler):
    """Beside compress-compile; rows have no such column without it."""
    beside = os.path.join(os.path.dirname(compiler), "compress-roofline")
    path = beside if os.access(beside, os.X_OK) else shutil.which(
        "compress-roofline")
    if not path:
        print("note: no compress-roofline (ninja benchmark builds it): no "
              "roofline column", file=sys.stderr)
    return path


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
    tool = None if options.prepare else find_roofline(compiler)
    before = machine()
    ceilings = {threads: measure_ceilings(tool, threads)
                for threads in options.threads} if tool else {}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        workshop = Workshop(options, compiler, options.keep or scratch)
        for name in options.cases:
            for k, n in options.shapes:
                for m in options.rows or kernels.CASES[name].bars:
                    rows += run_case(options, workshop, ceilings, name, m, k, n)
    print(f"{before['processor']}, {before['cores']} cores; ONNX Runtime "
          f"{onnxruntime.__version__}; load average {before['load']:.1f}")
    for threads, c in ceilings.items():
        reads = ", ".join(f"{r['bytes_per_second'] / 1e9:.0f}"
                          for r in c["read"])
        tiles = c.get("int8_tile_ops_per_second")
        tiles = f" ({tiles / 1e9:.0f} by tiles)" if tiles else ""
        print(f"ceilings, {threads} threads ({c['isa']}): f32 "
              f"{c['f32_ops_per_second'] / 1e9:.0f} Gop/s, int8 "
              f"{c['int8_ops_per_second'] / 1e9:.0f} Gop/s{tiles}, read "
              f"{reads} GB/s "
              f"of {READ_SIZES[0] >> 20} to {READ_SIZES[-1] >> 20} MiB")
    for line in peer_tools.missing_notes():
        print(line)
    print()
    if rows:
        print_table(rows)
    if options.json:
        write_json(options.json, {
            **before, "onnxruntime": onnxruntime.__version__,
            "rounds": options.rounds, "block_ms": options.block_ms,
            "ceilings": list(ceilings.values()), "rows": rows})
    if options.plot and rows:
        plot.write_ratios(options.plot, [
            (f"{row['case']} {row['k']}x{row['n']} M={row['m']} "
             f"t={row['threads']}", name, peer, row["bar"])
            for row in rows for name, peer in row.get("peers", {}).items()
            if is_measured_by_bar(row, name)])
    return 1 if any("failure" in row for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchmarkError, OSError) as error:
        print(f"kernels.py: error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
