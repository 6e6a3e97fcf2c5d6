# A limit on the time for a device that is not here: the plan is made from the
# target's figures, and the report says that nothing was timed.
#
# REQUIRES: numpy
# RUN: env COMPRESS_VULKAN_DEVICE=none %python %s %t
import json
import pathlib
import subprocess
import sys

import support

work = support.fresh(pathlib.Path(sys.argv[1]))
models = {name: support.EXAMPLES / name / f"{name}.onnx" for name in ("digits", "charlm")}
listing = support.run("compress-compile", "--targets")
tried = 0
for target in ("sme", "vulkan", "cuda:sm_90"):
    name = target.split(":")[0]
    if f"\n{name}: runs here" in "\n" + listing:
        continue
    out = work / name
    # Lookups have no predicted time, which is nothing to fail for.
    model = models["charlm" if name == "sme" else "digits"]
    shown = support.invoke("compress-compile", model, "-o", out, "--target", target,
                           "--levels", "f32,int8,int4-g32", "--max-size", "40%",
                           "--max-latency", "100ms")
    assert shown.returncode == 0, shown.stderr
    report = json.loads((out / "report.json").read_text())
    notes = "\n".join(report["notes"])
    assert "times are predicted from nominal figures, not measured" in notes, notes
    assert "--max-latency: predicted " in notes and "not run here" in notes, notes
    levels = {site["level"] for site in report["sites"]}
    assert levels != {"f32"}, levels
    assert any(site["predicted_seconds"] > 0 for site in report["sites"]), report["sites"]
    assert "latency" not in report or report["latency"] is None, report["latency"]
    # Nothing is as fast as this.
    shown = support.invoke("compress-compile", models["digits"], "-o", work / "none", "--target", target,
                           "--levels", "f32,int8,int4-g32", "--max-latency", "0.001us")
    assert shown.returncode == 1 and "infeasible" in shown.stderr and "(predicted" in \
        shown.stderr, shown.stderr
    tried += 1
print(f"{tried} targets")
