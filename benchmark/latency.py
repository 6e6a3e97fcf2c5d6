#!/usr/bin/env python3
#===- latency.py - whether limits on the time are kept ------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Asks compress-compile for plans that run some times as fast as the float
model, and times the libraries that it writes in another process, in turns with
the float model's. A promise is kept when the median is at most 5 % over it; a
limit that no plan keeps has to be called infeasible, with the best there is."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

from harness import (ROOT, BenchmarkError, CompiledModel, compile_model,
                     duration, find_compiler, in_child, machine, print_cells,
                     take_turns, write_json)
from networks import make_feeds
from search import write_first

EXAMPLES = ["digits", "charlm"]
EPILOG = """\
examples:
  the networks of this repository, at one and at two threads:
      latency.py --threads 1,2
  another one, with samples for calibration:
      latency.py model.onnx --data calib.npz --limits 1.5x,2x,4x

exit code:
  0: every limit was kept or infeasible; 1: one was not, or a compilation
  failed; 2: the command line is wrong.
"""


# --- Compilation --------------------------------------------------------------
def ask(options, model, data, threads, limit, folder, cache):
    """Compiles under a limit. What was promised, or why it cannot be."""
    command = [options.compiler, model, "-o", folder, "--max-latency", limit,
               "--threads", str(threads), "--cache", cache, "--baselines", "0"]
    if data:
        command += ["--data", data]
    if options.layer_errors:
        command.append("--layer-errors")
    if options.levels:
        command += ["--levels", options.levels]
    done = subprocess.run(command, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        if "infeasible: " in lines[-1]:
            return {"infeasible": lines[-1].split("infeasible: ", 1)[1]}
        raise BenchmarkError(f"{model}, {limit}: {lines[-1]}")
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    levels = {}
    for site in report["sites"]:
        levels[site["level"]] = levels.get(site["level"], 0) + 1
    return {"error": (report.get("outputs") or [{}])[0].get("relative_error"),
            "levels": levels, "notes": [note for note in report["notes"]
                                        if "--max-latency" in note]}


# --- Measurement --------------------------------------------------------------
def measure(job):
    """In a process of its own."""
    models = [CompiledModel(os.path.join(folder, "model.so"), job["threads"])
              for folder in job["folders"]]
    feeds = make_feeds(models[0].signature(), job["data"], 1, 1)[0]
    for model in models:
        model.bind(feeds)
    sides = list(zip(job["names"], [model.run for model in models]))
    return take_turns(sides, job["rounds"], job["seconds"], job["threads"])


def run_network(options, name, model, data, threads, folder):
    rows, cache = [], options.cache or os.path.join(folder, "cache")
    base = os.path.join(folder, f"{name}-{threads}")
    compile_model(options.compiler, model, "f32", None, f"{base}-f32",
                  ["--threads", str(threads)])
    for limit in options.limits:
        out = f"{base}-{limit}"
        row = {"model": name, "threads": threads, "limit": limit}
        row.update(ask(options, model, data, threads, limit, out, cache))
        rows.append(row)
    made = [row for row in rows if "infeasible" not in row]
    if made:
        times = in_child(measure, {
            "names": ["f32"] + [row["limit"] for row in made],
            "folders": [f"{base}-f32"] + [f"{base}-{row['limit']}"
                                          for row in made],
            "data": data, "threads": threads, "rounds": options.rounds,
            "seconds": options.block_ms / 1000})
        if "failure" in times:
            raise BenchmarkError(f"{name}: {times['failure']}")
        for row in made:
            row["float"] = times["f32"]
            row["time"] = times[row["limit"]]
    for row in rows:
        wanted = re.fullmatch(r"([0-9.]+)x", row["limit"])
        if "time" in row:
            row["over"] = float(wanted[1]) / row["time"]["ratio"] - 1
            row["kept"] = row["over"] <= 0.05
    return rows


# --- Printing -----------------------------------------------------------------
def print_rows(rows):
    lines = []
    for row in rows:
        line = [row["model"], str(row["threads"]), row["limit"]]
        if "infeasible" in row:
            lines.append(line + ["infeasible", "", "", "", row["infeasible"]])
            continue
        time = row["time"]
        levels = sorted(row["levels"].items(), key=lambda item: -item[1])
        lines.append(line + [
            f"{time['ratio']:.2f}x", f"{time['ratio_min']:.2f}.."
            f"{time['ratio_max']:.2f}", duration(time["median"]),
            "yes" if row["kept"] else f"{row['over']:.0%} too slow",
            ", ".join(f"{level} {count}" for level, count in levels)])
    print_cells(["network", "threads", "asked", "got", "range", "time", "kept",
                 "levels"], lines, 1)


# --- Command line --------------------------------------------------------------
def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=EXAMPLES,
                        help="digits, charlm, or .onnx files (default: both)")
    parser.add_argument("--data", help="calibration samples, for one model")
    parser.add_argument("--limits", default="1.5x,2x,3x",
                        help="speedups over float (default 1.5x,2x,3x)")
    parser.add_argument("--levels", help="what to choose from")
    parser.add_argument("--samples", type=int, default=32,
                        help="calibrate with the first ones (default 32)")
    parser.add_argument("--layer-errors", action="store_true",
                        help="as of compress-compile: faster")
    parser.add_argument("--threads", default="1", help="such as 1,2")
    parser.add_argument("--rounds", type=int, default=9,
                        help="turns of each library (default 9)")
    parser.add_argument("--block-ms", type=float, default=80,
                        help="length of a turn (default 80)")
    parser.add_argument("--cache", help="folder that keeps times of sites")
    parser.add_argument("--bin", help="folder of compress-compile")
    parser.add_argument("--json", help="write all numbers")
    options = parser.parse_args()
    options.limits = options.limits.split(",")
    for limit in options.limits:
        if not re.fullmatch(r"[0-9.]+x", limit):
            parser.error(f"--limits: '{limit}' is no speedup such as 2x")
    options.threads = [int(count) for count in options.threads.split(",")]
    if options.data and len(options.models) > 1:
        parser.error("--data goes with one model")
    return options


def main():
    options = parse_arguments()
    options.compiler = find_compiler(options.bin)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            data = options.data
            if model in EXAMPLES:
                example = os.path.join(ROOT, "examples", model)
                data = os.path.join(example, "calib.npz")
                model = os.path.join(example, f"{model}.onnx")
            name = os.path.splitext(os.path.basename(model))[0]
            if data:
                data = write_first(data, options.samples, os.path.join(
                    folder, f"{name}.npz"))
            for threads in options.threads:
                new = run_network(options, name, model, data, threads, folder)
                rows += new
                for row in new:
                    print(f"{name}, {threads} threads, {row['limit']}: "
                          + (row.get("infeasible")
                             or f"{row['time']['ratio']:.2f}x"),
                          file=sys.stderr, flush=True)
    print_rows(rows)
    if options.json:
        write_json(options.json, {"rows": rows, "machine": machine()})
    return 0 if all(row.get("kept", True) for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchmarkError, OSError) as error:
        print(f"latency.py: {error}", file=sys.stderr)
        sys.exit(1)
