"""What refinement finds loses less on samples that it has not seen than the best
uniform plan of the same size and than the least sum of layer errors, for whole
layers dropped, sparsity and bits. Candidates are not compiled (EvoPress)."""
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
tools = pathlib.Path(os.environ["COMPRESS_TOOLS_DIR"])
inputs = pathlib.Path(__file__).parent / "Inputs"
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
subprocess.run([sys.executable, inputs / "make-residual.py", work / "residual.mlir",
                work / "residual.npz"], check=True)
subprocess.run([tools / "compress-translate", "--mlir-to-onnx", work / "residual.mlir", "-o",
                work / "residual.onnx"], check=True)


def search(name, model, data, test, levels, size):
    out = work / name
    done = subprocess.run(
        [tools / "compress-compile", model, "-o", out, "--data", data, *test, "--max-size", size,
         "--levels", f"f32,{levels}", "--layer-errors", "--baselines", "1", "--stitch-frontier",
         "--refine", "12"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    # Refined, then what it began with, then the best single level.
    points = report["search"]["points"]
    assert [p["search"] for p in points[1:]] == ["not refined", "uniform"], points
    assert all(p["bytes"] <= p["limit_bytes"] for p in points), points
    candidates = max(int(run[1]) for note in report["notes"]
                     if (run := re.search(r"(\d+) candidates", note)))
    refined, summed, uniform = (p["output_error"] for p in points)
    print(f"{name}: uniform {uniform:.4f}, sum of errors {summed:.4f}, refined {refined:.4f}; "
          f"{candidates} candidates", flush=True)
    assert candidates > 50, candidates
    assert refined < summed and refined < uniform


residual = (work / "residual.onnx", work / "residual.npz", ["--holdout", "25%"])
cnn = (digits / "digits.onnx", digits / "calib.npz", ["--eval", digits / "test.npz"])
search("drop", *residual, "drop", "70%")
search("sparsity", *residual, ",".join(f"sparse-{p}%" for p in range(30, 100, 10)), "60%")
search("bits", *cnn, "int8,int6-g32,int5-g32,int4-g32,int3-g32,int2-g32", "13%")
