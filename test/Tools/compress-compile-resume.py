# RUN: %python %s %t
"""Kill -9 at any point, then the same command with --resume: the same plan and
weights as in one go, from what the killed runs left."""

import os
import shutil
import signal
import subprocess
import sys
import time

work = sys.argv[1]
examples = os.environ["COMPRESS_EXAMPLES"]
tool = os.path.join(os.environ["COMPRESS_TOOLS_DIR"], "compress-compile")
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)


def command(out, *extra):
    return [tool, f"{examples}/charlm/charlm.onnx", "-o", f"{work}/{out}", "--no-compare",
            "--max-size", "20%", "--levels", "f32,int8,int4-g32,int4-g32:rtn(range=mse)", *extra]


def read(out, name):
    with open(f"{work}/{out}/{name}", "rb") as file:
        return file.read()


def run(out, *extra):
    return subprocess.run(command(out, *extra), check=True, capture_output=True, text=True).stdout


run("whole")
cache = f"{work}/killed.cache"
counts = set()
entries = []
for attempt in range(8):
    process = subprocess.Popen(command("killed", "--resume"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    # Each time a little further: until there are more entries than before.
    goal = len(entries) + 1 + attempt
    end = time.time() + 60
    while process.poll() is None and time.time() < end:
        entries = os.listdir(cache) if os.path.isdir(cache) else []
        if len(entries) >= goal:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    entries = os.listdir(cache) if os.path.isdir(cache) else []
    counts.add(len(entries))
assert len(counts) > 2 and max(counts) > 5, counts
assert not os.path.exists(f"{work}/killed/plan.yaml")

# A file that is cut off is found out and made again.
largest = max((os.path.join(cache, name) for name in entries if name.endswith(".entry")),
              key=os.path.getsize)
os.truncate(largest, os.path.getsize(largest) // 2)
text = run("killed", "--resume")
assert "1 entries of" in text and "broken" in text, text
assert not os.path.exists(cache), "removed when the compile is done"
for name in ("plan.yaml", "model.safetensors", "model.onnx"):
    assert read("whole", name) == read("killed", name), name

# A cache is kept and serves other runs, with the same result.
run("first", "--cache", f"{work}/cache")
stamps = {name: os.stat(f"{work}/cache/{name}").st_mtime_ns for name in os.listdir(f"{work}/cache")}
run("second", "--cache", f"{work}/cache", "--threads", "1")
assert stamps == {name: os.stat(f"{work}/cache/{name}").st_mtime_ns
                  for name in os.listdir(f"{work}/cache")}
# What a run is predicted to take depends on its threads.
plans = [[line for line in read(out, "plan.yaml").splitlines() if b"predicted-seconds:" not in line]
         for out in ("whole", "second")]
assert plans[0] == plans[1] and len(plans[0]) > 100, plans
for name in ("model.safetensors", "model.onnx"):
    assert read("whole", name) == read("second", name), name
