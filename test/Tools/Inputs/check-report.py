"""Checks that report.json, report.html and plan.yaml of a folder agree."""
import argparse
import json
import pathlib
import xml.etree.ElementTree as ElementTree

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--accuracy", action="store_true", help="there must be one")
parser.add_argument("--max-ratio", type=float)
parser.add_argument("--max-drop", type=float)
args = parser.parse_args()

report = json.loads((args.folder / "report.json").read_text(encoding="utf-8"))
sites, totals = report["sites"], report["totals"]
assert sites, "no sites"
for site in sites:
    elements = 1
    for dim in site["shape"]:
        elements *= dim
    assert site["bytes_before"] == 4 * elements, site
    # Leaves are rounded up to whole bytes.
    assert abs(site["bytes_after"] * 8 / elements - site["bits_per_weight"]) < 0.5, site
    assert site["error"] >= 0 and (site["error"] == 0) == (site["level"] == "f32"), site
    assert site["op"] and site["level"], site
saved = sum(s["bytes_before"] - s["bytes_after"] for s in sites)
assert totals["bytes_before"] - totals["bytes_after"] == saved, totals
assert abs(totals["ratio"] - totals["bytes_after"] / totals["bytes_before"]) < 1e-9, totals
assert totals["seconds"] > 0 and set(report["stages"]) >= {"import", "encode", "compile"}
if args.max_ratio is not None:
    assert totals["ratio"] <= args.max_ratio, totals["ratio"]
if args.accuracy:
    quality = totals["quality"]
    assert quality["task"] == "classification" and quality["samples"] == 597, quality
    for key in ("float", "compressed"):
        score = quality[key]
        assert score["accuracy"] == score["correct"] / score["labels"] > 0.9, quality
    latency = totals["latency_ms"]
    assert latency["compressed"]["median"] > 0 and latency["float"]["median"] > 0, latency
    if args.max_drop is not None:
        assert quality["drop"] <= args.max_drop, quality
for name, size in report["artifacts"].items():
    assert (args.folder / name).stat().st_size == size, name

# Well-formed, self-contained, and with a row for each site.
page = (args.folder / "report.html").read_text(encoding="utf-8")
root = ElementTree.fromstring(page)
assert "http" not in page.replace("http://www.w3.org/1999/xhtml", ""), "refers to the network"
text = "".join(root.itertext())
plan = (args.folder / "plan.yaml").read_text(encoding="utf-8")
for site in sites:
    assert site["name"] in text, f"{site['name']} is not in report.html"
    assert site["name"] in plan, f"{site['name']} is not in plan.yaml"
bars = [e for e in root.iter() if e.tag.endswith("}rect")]
assert len(bars) >= 2 * min(len(sites), 40), len(bars)
