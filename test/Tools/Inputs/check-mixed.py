"""Stored bits within a limit, by the files too; less error at every site than a
plan that is larger."""
import json
import math
import pathlib
import sys

mixed, bits, uniform = pathlib.Path(sys.argv[1]), float(sys.argv[2]), pathlib.Path(sys.argv[3])
own, other = (json.loads((folder / "report.json").read_text(encoding="utf-8"))["sites"]
              for folder in (mixed, uniform))
elements = sum(math.prod(site["shape"]) for site in own)
stored = sum(site["bytes_after"] for site in own) * 8 / elements
assert bits - 0.3 < stored <= bits, stored
for a, b in zip(own, other, strict=True):
    print(a["name"], a["level"], a["bits_per_weight"], a["error"], "against", b["bits_per_weight"], b["error"])
    assert a["bits_per_weight"] <= b["bits_per_weight"] and a["error"] < b["error"] or a["bits_per_weight"] > b["bits_per_weight"], (a, b)
assert sum(s["bytes_after"] for s in own) < sum(s["bytes_after"] for s in other)
assert own[0]["error"] < 0.6 * other[0]["error"]
# As files, which have a header that names each component.
sizes = [(folder / "model.safetensors").stat().st_size for folder in (mixed, uniform)]
assert sizes[0] < sizes[1] + 4096, sizes
