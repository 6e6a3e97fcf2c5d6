"""Checks what report.json and report.html say about a search."""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

folder, limits = pathlib.Path(sys.argv[1]), int(sys.argv[2])
report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
points = report["search"]["points"]
chosen = [p for p in points if p["chosen"]]
assert len(chosen) == 1 and chosen[0]["bytes"] == report["totals"]["bytes_after"], chosen
assert -1 <= report["search"]["rank_correlation"] <= 1
assert all(site["reason"] for site in report["sites"])

estimates = "--estimates" in sys.argv
best = None
frontier = []
for point in points:
    if estimates and point["predicted_error"] < 0.5:
        assert 0.5 < point["predicted_error"] / point["output_error"] < 2, point
    if point["limit_bytes"]:
        assert point["bytes"] <= point["limit_bytes"], point
    assert point["output_error"] >= 0 and point["latency_ms"] > 0 and "drop" in point, point
    if point["search"] == "uniform" or point["search"].startswith("random"):
        # Baselines follow the point with their limits, which minimized the sum.
        # (Refinement minimizes what is measured instead.)
        slack = 0.8 if estimates else 1
        assert point["predicted_error"] >= best["predicted_error"] * slack, (point, best)
    elif point["search"] == "not refined":
        assert point["predicted_error"] <= best["predicted_error"] * (1 + 1e-9), (point, best)
    else:
        best = point
        frontier.append((point["bytes"], -point["predicted_error"]))
assert len(frontier) == limits and frontier == sorted(frontier), frontier
seeds = {f"random {report['seed'] + i}" for i in (1, 2, 3)}
assert {p["search"] for p in points} >= {"dp", "uniform"} | seeds

page = (folder / "report.html").read_text(encoding="utf-8")
root = ElementTree.fromstring(page)
circles = [e for e in root.iter() if e.tag.endswith("}circle")]
measured = [p for p in points if p["output_error"] > 0]
assert len(circles) >= len(measured), (len(circles), len(points))
text = "".join(root.itertext())
for heading in ("Size and error", "Predicted and measured error", "Why these levels"):
    assert heading in text, heading
