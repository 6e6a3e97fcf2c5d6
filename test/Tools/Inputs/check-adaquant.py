"""Weights and activations of mixed widths within the limit on bytes; a smaller
error at each site than the same levels by rounding to nearest."""
import json
import pathlib
import re
import sys

own, nearest = (json.loads((pathlib.Path(folder) / "report.json").read_text(encoding="utf-8"))
                for folder in sys.argv[1:3])
widths = {tuple(re.match(r"w(\d)a(\d):adaquant$", site["level"]).groups()) for site in own["sites"]}
assert len({w for w, _ in widths}) == len({a for _, a in widths}) == 2, widths
totals = own["totals"]
assert totals["bytes_after"] <= 0.17 * totals["bytes_before"], totals
for a, b in zip(own["sites"], nearest["sites"], strict=True):
    print(a["name"], a["level"], a["error"], b["error"])
    assert a["level"] == b["level"] + ":adaquant" and a["error"] < b["error"], (a, b)
