"""Operations at one shape, at eight times its batch, and their weighted mean."""
import json
import pathlib
import sys

single, eight, both = (json.loads((pathlib.Path(f) / "report.json").read_text(encoding="utf-8"))["totals"]
                       for f in sys.argv[1:4])
flops = single["work"]["float"]["flops"]
assert eight["work"]["float"]["flops"] == 8 * flops
assert abs(both["work"]["float"]["flops"] - (0.75 + 0.25 * 9) * flops) < 1e-6 * flops
shapes = both["latency_ms"]["shapes"]
assert [s["shape"] for s in shapes] == ["N=1", "N=9"], shapes
for key in ("float", "compressed"):
    mean = sum(s["weight"] * s[key]["median"] for s in shapes)
    assert abs(mean - both["latency_ms"][key]["median"]) < 1e-9, (mean, both["latency_ms"])
