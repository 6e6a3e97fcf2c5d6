# An interrupted compile leaves nothing behind, an earlier result included.
#
# REQUIRES: numpy
# RUN: %python %s %t
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
tool = pathlib.Path(os.environ["COMPRESS_TOOLS_DIR"]) / "compress-compile"
charlm = pathlib.Path(os.environ["COMPRESS_EXAMPLES"]) / "charlm"

(work / "old").mkdir()
(work / "old" / "plan.yaml").write_text("mine")
for out, signum in (("new/deep", signal.SIGINT), ("old", signal.SIGINT), ("new", signal.SIGTERM)):
    process = subprocess.Popen(
        [tool, charlm / "charlm.onnx", "-o", work / out, "--data", charlm / "calib.npz", "--eval",
         charlm / "valid.npz", "--level", "int8"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(work.rglob(".compress-*")):
        assert process.poll() is None, "ended before it could be interrupted"
        assert time.monotonic() < deadline, "no temporary folder appeared"
        time.sleep(0.01)
    time.sleep(0.5)
    assert process.poll() is None, "ended before it could be interrupted"
    process.send_signal(signum)
    code = process.wait(timeout=60)
    assert code != 0, "an interrupted compile succeeded"
    left = sorted(str(p.relative_to(work)) for p in work.rglob("*"))
    print(out, code, left)
    assert left == ["old", "old/plan.yaml"], left
assert (work / "old" / "plan.yaml").read_text() == "mine"
