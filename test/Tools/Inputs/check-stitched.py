"""Points that ran stitched have the errors of points that were compiled."""
import json
import sys


def load(folder):
    with open(folder + "/report.json", encoding="utf-8") as file:
        return json.load(file)["search"]["points"]


compiled, stitched = load(sys.argv[1]), load(sys.argv[2])
assert len(compiled) == len(stitched) == 4, (compiled, stitched)
assert [p["search"] for p in stitched] == ["dp", "uniform"] * 2
for a, b in zip(compiled, stitched):
    assert a["levels"] == b["levels"]
    assert abs(a["output_error"] / b["output_error"] - 1) < 1e-2, (a, b)
    # Times are measured where the plan was compiled, or rounds activations.
    assert ("latency_ms" in b) == (b["chosen"] or "dynamic" in b["levels"]), b
