"""What refinement finds loses less on samples that it has not seen than the best
uniform plan of the same size, and no more than the least sum of layer errors;
for bits less. Candidates are not compiled."""
# REQUIRES: numpy
# RUN: %python %s %t
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

work = pathlib.Path(sys.argv[1])
digits = pathlib.Path(os.environ["COMPRESS_EXAMPLES"]) / "digits"
tool = os.path.join(os.environ["COMPRESS_TOOLS_DIR"], "compress-compile")
shutil.rmtree(work, ignore_errors=True)
BITS = "int8,int6-g32,int5-g32,int4-g32,int3-g32,int2-g32"
SPARSITY = ",".join(f"sparse-{zeros}%" for zeros in (30, 40, 50, 60, 70, 80, 90))


def search(name, levels, size, *extra):
    out = work / name
    done = subprocess.run(
        [tool, digits / "digits.onnx", "-o", out, "--data", digits / "calib.npz", "--eval",
         digits / "test.npz", "--max-size", size, "--levels", f"f32,{levels}", "--layer-errors",
         "--baselines", "1", "--stitch-frontier", "--cache", work / "cache", *extra],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    points = report["search"]["points"]
    uniform = [p["output_error"] for p in points if p["search"] == "uniform"]
    chosen = next(p for p in points if p["chosen"])
    assert chosen["bytes"] <= chosen["limit_bytes"]
    runs = [re.search(r"(\d+) candidates", note) for note in report["notes"]]
    return (chosen["output_error"], min(uniform, default=float("inf")),
            max([int(run[1]) for run in runs if run], default=0))


for name, levels, size in (("bits", BITS, "13%"), ("sparsity", SPARSITY, "60%")):
    summed, uniform, _ = search(f"{name}-sum", levels, size)
    refined, _, candidates = search(f"{name}-refined", levels, size, "--refine", "12")
    print(f"{name}: uniform {uniform:.4f}, sum of errors {summed:.4f}, refined {refined:.4f}; "
          f"{candidates} candidates", flush=True)
    assert candidates > 50, candidates
    assert refined <= summed and refined < uniform
    assert name != "bits" or refined < summed
