#!/usr/bin/env python3
#===- search.py - what searching gains over one level everywhere -------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Search plans for a grid of sizes in five spaces of levels (bits, sparsity,
rank, coded: bits with an entropy code, and joint: those, their products and
their sums), run each plan that is found, and compare sizes at equal loss and
losses at equal size. "At equal loss" is read in two ways: at the losses that the
plans compared with have, where the joint curve is interpolated, and within given
limits on the loss, where the smallest plan that keeps each is taken of either.

Each seed calibrates with another half of the calibration samples. All plans
come from compress-compile: with --frontier it gives, for each size, the plan
that dp finds and the best uniform one, both run on the evaluation samples with
the weights that they decode to. The loss of a plan is the relative error of its
outputs there; for a model with labels per token, the rise of its perplexity."""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import search_plot
from harness import (ROOT, BenchmarkError, find_compiler, geometric_mean,
                     machine, print_cells, write_json)

# What one family offers. The method of levels without a name is the default.
BITS = (["int8"]
        + [f"int{bits}-g32:{method}" for bits in (6, 5, 4, 3, 2)
           for method in ("rtn(range=mse)", "adaquant")]
        + ["kmeans4-row", "kmeans3-row", "kmeans2-row", "ternary"])
SPARSITY = [f"sparse-{zeros}%" for zeros in (50, 60, 70, 80, 90, 95)]
RANK = [f"lowrank-{share}" for share in (0.5, 0.35, 0.25, 0.15, 0.1, 0.05)]
PRODUCTS = ["sparse-50%+int8", "sparse-75%+int8", "sparse-50%+kmeans4-row",
            "sparse-50%+kmeans3-row", "sparse-75%+kmeans4-row",
            "sparse-75%+kmeans3-row", "sparse-90%+kmeans4-row",
            "lowrank-0.5+int8", "lowrank-0.25+int8", "lowrank-0.1+int8",
            "lowrank-0.25+kmeans4-row"]
SUMS = ["kmeans3-row+outliers-1%", "kmeans2-row+outliers-1%",
        "kmeans2-row+lowrank-r4"]
# Fixed lengths waste what absmax ranges leave rare: with a lossless code over
# them, more bits of one scale per channel pay.
CODED = ([f"int{bits}+rans" for bits in (8, 7, 6, 5, 4, 3)]
         + [f"int{bits}-g128+rans" for bits in (6, 5, 4, 3)]
         + [f"coded-{bits}" for bits in (1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75,
                                         3, 3.25, 3.5, 4, 4.5, 5, 6)])
SPACES = {"bits": BITS, "sparsity": SPARSITY, "rank": RANK, "coded": CODED,
          "joint": BITS + SPARSITY + RANK + PRODUCTS + SUMS + CODED}
# The families whose best uniform plan is compared with; bits with a lossless
# code are two encodings already, and are listed apart.
FAMILIES = ("bits", "sparsity", "rank")

NAMED = {"digits": ("digits.onnx", "calib.npz", "test.npz"),
         "charlm": ("charlm.onnx", "calib.npz", "valid.npz")}
BUDGETS = "6%,8%,10%,12.5%,16%,20%,28%,40%,60%"
LIMITS = "0.5%,1%,2%,5%,10%,20%"

EPILOG = """\
examples:
  the networks of this repository:
      search.py digits --json digits.json --plot digits.svg
      search.py charlm --budgets 14%,17%,20%,25%,33%,45%,60%
  another model:
      search.py model.onnx --data calib.npz --eval test.npz
  print again what was measured:
      search.py digits --from digits.json

exit code:
  0: everything was measured; 1: a compilation failed; 2: the command line is
  wrong.
"""


# --- Measurement --------------------------------------------------------------
def write_subset(source, share, seed, path):
    """The `seed`-th random subset of the samples."""
    import numpy as np
    arrays = dict(np.load(source))
    count = min(len(array) for array in arrays.values())
    keep = max(1, round(count * share))
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:keep])
    np.savez(path, **{name: array[rows] for name, array in arrays.items()})


def write_first(source, count, path):
    import numpy as np
    arrays = dict(np.load(source))
    np.savez(path, **{name: array[:count] for name, array in arrays.items()})
    return path


def search(options, space, seed, folder):
    """The points of one search, as report.json lists them."""
    data = os.path.join(folder, f"calib-{seed}.npz")
    if not os.path.exists(data):
        write_subset(options.data, options.share, seed, data)
    budgets = sorted(options.budgets.split(","),
                     key=lambda text: float(text.rstrip("%")))
    out = os.path.join(folder, f"{space}-{seed}")
    command = [options.compiler, options.model, "-o", out, "--data", data,
               "--eval", options.eval, "--seed", str(seed), "--baselines", "1",
               "--stitch-frontier",
               "--weigh-levels",
               # Spaces of one seed share what they encode.
               "--cache", os.path.join(folder, f"cache-{seed}"),
               "--levels", ",".join(["f32"] + SPACES[space]),
               "--max-size", budgets[-1], "--frontier", ",".join(budgets),
               "--threads", str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BenchmarkError(f"{space}, seed {seed}: {lines[-1]}")
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    points = []
    for point in report["search"]["points"]:
        point["kind"] = "uniform" if point["search"] == "uniform" else "mixed"
        points.append(point)
    return {"space": space, "seed": seed, "points": points,
            "rank_correlation": report["search"].get("rank_correlation"),
            "bytes_before": report["totals"]["bytes_before"]}


# --- Figures ------------------------------------------------------------------
def get_loss(point, metric):
    return point.get("drop" if metric == "drop" else "output_error")


def make_curve(points, metric):
    """(bytes, loss) of the plans that no other beats, by bytes."""
    pairs = sorted({(p["bytes"], get_loss(p, metric)) for p in points
                    if (get_loss(p, metric) or 0) > 0})
    curve = []
    for size, loss in pairs:
        if not curve or loss < curve[-1][1]:
            curve.append((size, loss))
    return curve


def interpolate(curve, value, given, wanted):
    """On straight lines between plans in logarithms; None outside of them."""
    for a, b in zip(curve, curve[1:]):
        low, high = sorted((a[given], b[given]))
        if low <= value <= high:
            share = (math.log(value / a[given])
                     / math.log(b[given] / a[given]))
            return math.exp(math.log(a[wanted])
                            + share * math.log(b[wanted] / a[wanted]))
    return None


def compare(reference, curve, most):
    """How much larger, and how much worse, the plans of `reference` are:
    for each of them with at most the loss `most`, (bytes, loss, ratio of bytes
    at its loss, ratio of losses at its bytes), None where the curve ends."""
    rows = []
    for size, loss in reference:
        if loss > most:
            continue
        other = interpolate(curve, loss, 1, 0)
        error = interpolate(curve, size, 0, 1)
        rows.append((size, loss, size / other if other else None,
                     loss / error if error else None))
    return rows


def get_smallest(curve, limit):
    """Bytes of the smallest plan that loses at most this."""
    return min((size for size, loss in curve if loss <= limit), default=None)


def compare_within(reference, curve, limits):
    """By limit on the loss: bytes of the smallest plan of each, where both have
    one."""
    rows = {}
    for limit in limits:
        sizes = get_smallest(reference, limit), get_smallest(curve, limit)
        if all(sizes):
            rows[limit] = sizes
    return rows


def get_curves(runs, metric):
    """By seed and name: the uniform and mixed curves of each family, the best
    of all families, and the joint one."""
    by_seed = {}
    for run in runs:
        curves = by_seed.setdefault(run["seed"], {})
        for kind in ("uniform", "mixed"):
            points = [p for p in run["points"] if p["kind"] == kind]
            curves[f"{kind} {run['space']}"] = make_curve(points, metric)
    for curves in by_seed.values():
        for kind in ("uniform", "mixed"):
            points = [pair for family in FAMILIES
                      for pair in curves.get(f"{kind} {family}", [])]
            curves[f"best {kind}"] = make_curve(
                [{"bytes": b, "output_error": e} for b, e in points], "error")
    return by_seed


def summarize(values):
    """Mean, least and greatest."""
    if not values:
        return None
    return {"mean": geometric_mean(values), "min": min(values),
            "max": max(values), "seeds": len(values)}


def get_figures(curves, most, limits):
    """For each kind of plan, ratios to the joint plan: of each seed the
    geometric mean over the plans or limits, then the spread of the seeds."""
    figures = {}
    names = (["best uniform"] + [f"uniform {f}" for f in FAMILIES + ("coded",)]
             + ["best mixed"] + [f"mixed {f}" for f in FAMILIES + ("coded",)])
    for name in names:
        sizes, losses, everything = [], [], []
        within, by_limit = [], {}
        for seed in sorted(curves):
            own = curves[seed]
            if not own.get(name) or not own.get("mixed joint"):
                continue
            known = compare_within(own[name], own["mixed joint"], limits)
            if known:
                within.append(geometric_mean([a / b for a, b
                                              in known.values()]))
            for limit, (a, b) in known.items():
                by_limit.setdefault(limit, []).append((a, b))
            rows = compare(own[name], own["mixed joint"], most)
            everything += rows
            for values, at in ((sizes, 2), (losses, 3)):
                known = [row[at] for row in rows if row[at]]
                if known:
                    values.append(geometric_mean(known))
        figures[name] = {
            "size_ratio": summarize(sizes), "loss_ratio": summarize(losses),
            "within_ratio": summarize(within),
            "limits": [{"limit": limit, "seeds": len(pairs),
                        "bytes": geometric_mean([a for a, _ in pairs]),
                        "joint_bytes": geometric_mean([b for _, b in pairs])}
                       for limit, pairs in sorted(by_limit.items())],
            "plans": len(everything),
            "compared": [sum(1 for row in everything if row[at])
                         for at in (2, 3)]}
    return figures


def show_ratio(summary):
    if not summary:
        return "-"
    return (f"{summary['mean']:.2f}x "
            f"({summary['min']:.2f} to {summary['max']:.2f})")


def print_figures(report):
    figures = report["figures"]
    print(f"{report['model']}: loss is {report['loss']}, at most "
          f"{report['max_loss']:.0%}; {report['seeds']} seeds")
    print_cells(["plans", "bytes at equal loss", "bytes within a loss",
                 "loss at equal bytes", "plans", "compared"],
                [[name, show_ratio(row["size_ratio"]),
                  show_ratio(row["within_ratio"]),
                  show_ratio(row["loss_ratio"]), str(row["plans"]),
                  "{} {}".format(*row["compared"])]
                 for name, row in figures.items()], 1)
    print("over those of the joint plan: mean (least to greatest of the "
          "seeds); compared: plans\nwithin the range of the joint ones, by "
          "loss and by bytes. Within a loss: of the smallest\nplans that lose "
          "at most so much:\n")
    whole = report["runs"][0]["bytes_before"]
    best = figures["best uniform"]["limits"]
    print_cells(["loss at most", "best uniform", "mixed joint", "ratio",
                 "seeds"],
                [[f"{row['limit']:.3g}", f"{row['bytes'] / whole:.1%}",
                  f"{row['joint_bytes'] / whole:.1%}",
                  f"{row['bytes'] / row['joint_bytes']:.2f}x",
                  str(row["seeds"])] for row in best], 0)
    print("sizes relative to float, geometric means of the seeds\n")
    lines = []
    for size in report["sizes"]:
        line = [f"{size['share']:.1%}"]
        for name in report["columns"]:
            row = size["losses"].get(name)
            line.append(f"{row['mean']:.3g} ({row['min']:.3g} to "
                        f"{row['max']:.3g})" if row else "-")
        lines.append(line)
    print_cells(["size"] + report["columns"], lines, 0)
    print("loss of the best plan of at most this size\n")


def tabulate(curves, shares, whole):
    """The least loss of each kind of plan within each size."""
    columns = ["best uniform", "uniform coded", "mixed bits", "mixed sparsity",
               "mixed rank", "mixed coded", "mixed joint"]
    sizes = []
    for share in shares:
        losses = {}
        for name in columns:
            values = []
            for own in curves.values():
                fitting = [loss for size, loss in own.get(name, [])
                           if size <= share * whole]
                if fitting:
                    values.append(min(fitting))
            if values and len(values) == len(curves):
                losses[name] = summarize(values)
        sizes.append({"share": share, "losses": losses})
    return columns, sizes


def parse_shares(text):
    """`5%,10%` as numbers, the least first."""
    return sorted(float(part.strip().rstrip("%")) / 100
                  for part in text.split(","))


def evaluate(report):
    """Adds what follows from the runs."""
    runs = report["runs"]
    drops = any(get_loss(p, "drop") for run in runs for p in run["points"])
    metric = "drop" if report["metric"] == "drop" and drops else "error"
    report["loss"] = ("the rise of what --max-drop measures"
                      if metric == "drop" else "the relative output error")
    curves = get_curves(runs, metric)
    report["seeds"] = len(curves)
    report["figures"] = get_figures(curves, report["max_loss"],
                                    parse_shares(report["limits"]))
    shares = parse_shares(report["budgets"])
    report["columns"], report["sizes"] = tabulate(
        curves, shares, runs[0]["bytes_before"])
    return curves


# --- Command line --------------------------------------------------------------
def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="digits, charlm or a model.onnx")
    parser.add_argument("--data", help="calibration samples (.npz)")
    parser.add_argument("--eval", help="evaluation samples (.npz)")
    parser.add_argument("--eval-samples", type=int, default=0,
                        help="use the first ones only (default: all)")
    parser.add_argument("--budgets", default=BUDGETS,
                        help="sizes, relative to float (default "
                        + BUDGETS.replace("%", "%%") + ")")
    parser.add_argument("--seeds", type=int, default=5,
                        help="calibration subsets (default 5)")
    parser.add_argument("--spaces", default=",".join(SPACES),
                        help="what to search (default: all five)")
    parser.add_argument("--share", type=float, default=0.5,
                        help="of the calibration samples in each (default 0.5)")
    parser.add_argument("--metric", choices=("error", "drop"),
                        help="loss: error of the outputs (default), or what "
                        "--max-drop measures (default for charlm)")
    parser.add_argument("--max-loss", type=float, default=0.5,
                        help="plans with a greater loss are not compared "
                        "(default 0.5)")
    parser.add_argument("--limits", default=LIMITS,
                        help="on the loss, within which the smallest plans are "
                        "compared (default " + LIMITS.replace("%", "%%") + ")")
    parser.add_argument("--threads", type=int, default=0,
                        help="of the compiler (default: all cores)")
    parser.add_argument("--bin", help="folder of compress-compile")
    parser.add_argument("--json", help="write all numbers, after each search; "
                        "what is in it already is not measured again")
    parser.add_argument("--plot", help="write the curves as SVG")
    parser.add_argument("--from", dest="source", metavar="JSON",
                        help="measure nothing, print what is in this file")
    options = parser.parse_args()
    name = options.model
    if name in NAMED:
        folder = os.path.join(ROOT, "examples", name)
        model, data, evaluation = (os.path.join(folder, file)
                                   for file in NAMED[name])
        options.model = model
        options.data = options.data or data
        options.eval = options.eval or evaluation
    for space in options.spaces.split(","):
        if space not in SPACES:
            parser.error(f"unknown space '{space}': {', '.join(SPACES)}")
    if not options.source and not (options.data and options.eval):
        parser.error("give --data and --eval")
    options.metric = options.metric or ("drop" if name == "charlm" else "error")
    return options


def measure(options):
    report = {"model": os.path.basename(options.model), "runs": [],
              "spaces": SPACES, "machine": machine()}
    if options.json and os.path.exists(options.json):
        with open(options.json, encoding="utf-8") as file:
            report = json.load(file)
    report.update(budgets=options.budgets, metric=options.metric,
                  max_loss=options.max_loss, limits=options.limits)
    known = {(run["space"], run["seed"]) for run in report["runs"]}
    options.compiler = find_compiler(options.bin)
    with tempfile.TemporaryDirectory() as folder:
        if options.eval_samples:
            options.eval = write_first(options.eval, options.eval_samples,
                                       os.path.join(folder, "eval.npz"))
        for seed in range(options.seeds):
            for space in options.spaces.split(","):
                if (space, seed) in known:
                    continue
                run = search(options, space, seed, folder)
                report["runs"].append(run)
                print(f"seed {seed}, {space}: {len(run['points'])} plans",
                      file=sys.stderr, flush=True)
                if options.json:
                    write_json(options.json, report)
    return report


def main():
    options = parse_arguments()
    if options.source:
        with open(options.source, encoding="utf-8") as file:
            report = json.load(file)
        report.update(metric=options.metric, max_loss=options.max_loss,
                      limits=options.limits)
    else:
        report = measure(options)
    curves = evaluate(report)
    if options.json and not options.source:
        write_json(options.json, report)
    print_figures(report)
    if options.plot:
        search_plot.write_curves(options.plot, report, curves)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchmarkError, OSError) as error:
        print(f"search.py: {error}", file=sys.stderr)
        sys.exit(1)
