# Compiling twice gives the same bytes, and so does applying the plan of the
# first run; evaluation is written to the report.
#
# REQUIRES: numpy
# RUN: %python %s %t
import json
import sys

import support

work = support.fresh(sys.argv[1])
digits = support.EXAMPLES / "digits"
common = ["--data", digits / "calib.npz", "--eval", digits / "test.npz"]
runs = {"first": ["--level", "int8"], "second": ["--level", "int8"],
        "plan": ["--plan", work / "first" / "plan.yaml"]}
for name, how in runs.items():
    support.compile_model(digits / "digits.onnx", work / name, *common, *how)
for name in ("second", "plan"):
    for artifact in ("model.safetensors", "model.onnx", "plan.yaml"):
        same = (work / "first" / artifact).read_bytes() == (work / name / artifact).read_bytes()
        assert same, f"{artifact} of the {name} run differs from the first"
with open(work / "first" / "report.json", encoding="utf-8") as file:
    report = json.load(file)
print(json.dumps(report, indent=1)[:2000])
