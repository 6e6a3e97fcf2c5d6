"""Checks the costs in report.json: bounds, and that parts add up."""
import argparse
import json
import pathlib
import xml.etree.ElementTree as ElementTree

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--bits", type=float)
for name in ("flops", "bops", "joules", "memory"):
    parser.add_argument(f"--{name}", type=float, help="at most this share of float")
parser.add_argument("--error", type=float, help="predicted, of the chosen plan")
parser.add_argument("--least", help="no baseline with as much error has less of this cost")
args = parser.parse_args()

report = json.loads((args.folder / "report.json").read_text(encoding="utf-8"))
totals, sites = report["totals"], report["sites"]
work = totals["work"]
for name in ("flops", "bops", "joules"):
    own, before = work["compressed"][name], work["float"][name]
    assert abs(sum(site[name] for site in sites) - own) <= 1e-9 * own, name
    assert 0 < own, name
    share = getattr(args, name)
    assert share is None or own <= share * before * (1 + 1e-9), (name, own / before)
# Two for each multiply-add, 32 x 32 bits each.
assert abs(work["float"]["bops"] - work["float"]["flops"] / 2 * 1024) < 1, work
if args.bits is not None:
    elements = sum(site["bytes_before"] // 4 for site in sites)
    bits = sum(site["bytes_after"] for site in sites) * 8 / elements
    assert args.bits * 0.5 < bits <= args.bits, bits
    assert abs(bits - totals["bits_per_weight"]) < 1e-9
    # One level everywhere is worse within the same bits, when it is run, too.
    mixed, uniform = report["search"]["points"]
    assert mixed["chosen"] and uniform["search"] == "uniform", report["search"]
    for name in ("predicted_error", "output_error"):
        assert mixed[name] < uniform[name], (mixed, uniform)
if args.memory is not None:
    memory = totals["memory_bytes"]
    assert memory["compressed"] <= args.memory * memory["float"], memory
points = report.get("search", {}).get("points", [])
chosen = [point for point in points if point["chosen"]]
if args.error is not None:
    assert chosen[0]["predicted_error"] <= args.error * (1 + 1e-9), chosen
if args.least:
    for point in points:
        if not point["chosen"] and point["predicted_error"] <= args.error:
            assert point["costs"][args.least] >= chosen[0]["costs"][args.least], point
plan = (args.folder / "plan.yaml").read_text(encoding="utf-8")
assert plan.count("flops:") == plan.count("joules:") == len(sites), plan
text = "".join(ElementTree.fromstring((args.folder / "report.html").read_text(encoding="utf-8")).itertext())
for word in ("bit operations", "energy (model)", "memory of a run"):
    assert word in text, word
