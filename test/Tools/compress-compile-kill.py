"""Killed (SIGKILL) at chosen calls of the system (before and after each kind of
change on disk, in the middle of writing) and at random times, one after the
other, the same command with --resume gives the plan and the weights of one that
nobody killed, and tidies up."""
# REQUIRES: numpy
# RUN: %python %s %t
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1])
examples = os.environ["COMPRESS_EXAMPLES"]
tool = os.path.join(os.environ["COMPRESS_TOOLS_DIR"], "compress-compile")
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
library = work / "kill-at.so"
source = pathlib.Path(__file__).parent / "Inputs" / "kill-at.c"
subprocess.run([os.environ["COMPRESS_CC"], "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
               check=True)
counts = work / "counts"
RESULTS = ("plan.yaml", "model.safetensors", "model.onnx")


def start(folder, *extra, **environment):
    command = [tool, f"{examples}/digits/digits.onnx", "-o", folder / "out", "--no-compare",
               "--data", work / "calib.npz", "--layer-errors", "--max-size", "20%",
               "--levels", "f32,int8,int4-g32,int3-g32:rtn(range=mse)", *extra]
    environment = dict(os.environ, **environment)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, env=environment)


def preloaded(**environment):
    return dict(environment, LD_PRELOAD=str(library), KILL_IN="compress-compile")


def end(process, *codes):
    error = process.communicate(timeout=300)[1]
    assert process.returncode in codes, (process.returncode, error)
    return error


def check(folder):
    """Resumes, and compares with what nobody killed."""
    end(start(folder, "--resume"), 0)
    for name in RESULTS:
        same = (work / "whole" / "out" / name).read_bytes() == (folder / "out" / name).read_bytes()
        assert same, f"{folder.name}: {name} differs"
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["out"], f"{folder.name}: left {left}"
    shutil.rmtree(folder)


import numpy
with numpy.load(f"{examples}/digits/calib.npz") as arrays:
    numpy.savez(work / "calib.npz", **{name: arrays[name][:16] for name in arrays.files})
(work / "whole").mkdir()
begin = time.monotonic()
end(start(work / "whole"), 0)
seconds = time.monotonic() - begin

# How often which function is called.
(work / "counted").mkdir()
end(start(work / "counted", "--resume", **preloaded(KILL_COUNTS=str(counts))), 0)
total = {name: int(count) for name, count in map(str.split, counts.read_text().splitlines())}
print(f"{seconds:.1f} s; {total}")
assert total["rename"] > 15 and total["write"] > 15 and total["remove"] > 10, total

# From the first entry of the cache over the last files of the result, and its
# folder's appearance, to the end of the cache; each chain ends in a whole run.
last = total["rename"]
chains = [["mkdir:1:before", "mkdir:1:after", "write:1:half", "rename:2:before"],
          ["rename:9:after", "write:12:half", "rename:4:before"],
          [f"rename:{last - 3}:before"], [f"write:{total['write'] - 2}:half"],
          [f"rename:{last}:before"], [f"rename:{last}:after"], ["remove:3:after"]]
generator = random.Random(0)
chains.append([f"{name}:{generator.randint(1, total[name] // 2)}:{when}" for name, when in
               (("write", "half"), ("rename", "before"), ("write", "half"), ("rename", "after"))])
for number, chain in enumerate(chains):
    folder = work / f"chain-{number}"
    folder.mkdir()
    killed = 0
    for point in chain:
        process = start(folder, "--resume", **preloaded(KILL_AT=point))
        # What was stored before is not stored again, so a later point may not come.
        end(process, -signal.SIGKILL, *([0] if killed else []))
        killed += process.returncode != 0
        if process.returncode == 0:
            break
    print(number, chain, killed)
    check(folder)

# At any time.
for seed in range(2):
    generator = random.Random(seed)
    folder = work / f"seed-{seed}"
    folder.mkdir()
    for _ in range(3):
        process = start(folder, "--resume")
        time.sleep(generator.uniform(0, seconds))
        process.kill()
        end(process, -signal.SIGKILL, 0)
    check(folder)

# Interrupted, it says how to go on, and does.
for extra, message, left in ((["--resume"], "goes on from what", ["out.cache"]),
                             ([], "--resume would have kept", [])):
    folder = work / "interrupted"
    folder.mkdir()
    process = start(folder, *extra)
    while process.poll() is None and not (
            list(folder.glob("out.cache/*.entry")) if extra else list(folder.glob(".compress-*"))):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    error = end(process, 130)
    assert error.count("\n") == 2 and message in error, error
    assert sorted(path.name for path in folder.iterdir()) == left, list(folder.iterdir())
    check(folder)
