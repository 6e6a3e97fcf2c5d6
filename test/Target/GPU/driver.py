# The runtimes for CUDA and ROCm against a driver that has no GPU but keeps the
# books: what is loaded, moved and launched when, and what a user reads when
# something fails.
#
# REQUIRES: numpy
# RUN: env PYTHONPATH=%integration %python %s %t %build/lib/fake-driver
import argparse
import collections
import ctypes
import os
import pathlib

import numpy as np

import support

parser = argparse.ArgumentParser()
parser.add_argument("work", type=support.fresh)
parser.add_argument("drivers", type=pathlib.Path)
args = parser.parse_args()
digits = support.EXAMPLES / "digits"
images = support.load(digits / "test.npz")
few = args.work / "few.npz"
np.savez(few, **{name: values[:3] for name, values in images.items()})
log = args.work / "calls.txt"


def run(out, *options, fake=True, **environment):
    env = {**os.environ, "FAKE_DRIVER_LOG": str(log), **environment}
    if fake:
        env["LD_LIBRARY_PATH"] = str(args.drivers)
    return support.invoke("compress-run", out, "--input", few, *options, env=env)


def expect(out, message, **options):
    result = run(out, **options)
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert message in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def has(library):
    try:
        ctypes.CDLL(library)
        return True
    except OSError:
        return False


out = args.work / "cuda"
support.compile_model(digits / "digits.onnx", out, "--level", "int8", "--target", "cuda:sm_90")
if not has("libcuda.so.1"):
    expect(out, "cuda: there is no libcuda.so.1: the NVIDIA driver is not installed", fake=False)
# The fake kernels write ones, and the last result is one of theirs.
result = run(out, "--output", args.work / "ones.npz")
assert result.returncode == 0, result.stderr
for values in support.load(args.work / "ones.npz").values():
    assert (values == 1).all(), values
calls = [line.split() for line in log.read_text().splitlines()]
count = collections.Counter(call[0] for call in calls)
launches = [list(map(int, call[1:])) for call in calls if call[0] == "cuLaunchKernel"]
print(count, launches)
kernels = len(launches)
assert kernels >= 4 and count["cuMemcpyDtoH"] == 1, count
assert all(groups > 0 and threads == 128 for groups, threads, _ in launches)
# The fake driver refuses cubins, so that PTX is what is taken.
loads = [call[1] for call in calls if call[0] == "cuModuleLoadData"]
assert 0 < loads.count("ptx") <= kernels, loads
# Everything is given back.
assert count["cuMemAlloc"] == count["cuMemFree"]
assert loads.count("ptx") == count["cuModuleUnload"]
# Weights and kernels go there once: later runs move only parameters and the
# image; only the last result comes back.
result = run(out, "--repeat", "2")
assert result.returncode == 0, result.stderr
again = [line.split() for line in log.read_text().splitlines()]
ends = [i for i, call in enumerate(again) if call[0] == "cuMemcpyDtoH"]
assert len(ends) > 2, again
turns = [again[begin:end] for begin, end in zip([0] + ends, ends)]
moved = [sum(int(call[1]) for call in turn if call[0] == "cuMemcpyHtoD") for turn in turns]
print("bytes moved", moved[:3])
assert len(set(moved[1:])) == 1 and moved[1] < moved[0] / 4, moved
assert not any(call[0] in ("cuMemAlloc", "cuModuleLoadData") for turn in turns[1:]
               for call in turn)

expect(out, "no CUDA-capable device is detected (CUDA error 100)", FAKE_DRIVER_FAIL="cuInit:100")
expect(out, "the driver finds no device", FAKE_DRIVER_DEVICES="0")
expect(out, "no device is 'H100' (COMPRESS_CUDA_DEVICE); there are 0 = 'Fake GPU 0', 1 = ",
       COMPRESS_CUDA_DEVICE="H100")
expect(out, "out of device memory", FAKE_DRIVER_FAIL="cuMemAlloc:2")
expect(out, "COMPRESS_CUDA_MEMORY are taken", COMPRESS_CUDA_MEMORY="0")
expect(out, "cannot load a kernel made for sm_90 on 'Fake GPU 0' (sm_75): no kernel image is "
       "available for execution on the device (CUDA error 209)",
       FAKE_DRIVER_FAIL="cuModuleLoadData:209")
expect(out, "a kernel failed: an illegal memory access was encountered (CUDA error 700)",
       FAKE_DRIVER_FAIL="cuLaunchKernel:700")
run(out, COMPRESS_CUDA_DEVICE="GPU 1")
assert "cuDevicePrimaryCtxRetain 1\n" in log.read_text()

# Calibrated without a GPU: what cannot be measured is a note.
out = args.work / "calibrated"
support.compile_model(digits / "digits.onnx", out, "--level", "w8a8", "--target", "cuda:sm_90",
                      "--data", digits / "calib.npz")
if not has("libcuda.so.1"):
    assert "not run here: cuda: there is no libcuda.so.1" in (out / "report.json").read_text()
assert run(out).returncode == 0

out = args.work / "rocm"
result = support.invoke("compress-compile", digits / "digits.onnx", "-o", out, "--level", "int8",
                        "--target", "rocm:gfx942")
if "no ld.lld" in result.stderr:
    print("ROCm is not tested:", result.stderr)
else:
    assert result.returncode == 0, result.stderr
    result = run(out)
    assert result.returncode == 0, result.stderr
    count = collections.Counter(line.split()[0] for line in log.read_text().splitlines())
    assert count["hipModuleLaunchKernel"] == kernels, count
    assert count["hipMalloc"] == count["hipFree"], count
    expect(out, "out of device memory", FAKE_DRIVER_FAIL="hipMalloc:2")
    expect(out, "COMPRESS_ROCM_MEMORY are taken", COMPRESS_ROCM_MEMORY="0")
    expect(out, "cannot load a kernel made for gfx942", FAKE_DRIVER_FAIL="hipModuleLoadData:209")
    expect(out, "the driver finds no device", FAKE_DRIVER_DEVICES="0")
    expect(out, "(HIP error 719)", FAKE_DRIVER_FAIL="hipModuleLaunchKernel:719")
    if not has("libamdhip64.so"):
        expect(out, "rocm: there is no libamdhip64.so: ROCm's HIP runtime is not installed",
               fake=False)

# Without the tools that code is made with, or where they refuse it.
for target, message, environment in (
        ("rocm", "no ld.lld to link device code with: install lld-", {"PATH": "/nonexistent"}),
        ("cuda:sm_90", "false failed", {"COMPRESS_PTXAS": "/bin/false"})):
    result = support.invoke("compress-compile", digits / "digits.onnx", "-o", args.work / "none",
                            "--target", target, env={**os.environ, **environment})
    assert result.returncode == 1 and message in result.stderr, (target, result.stderr)
    assert not (args.work / "none").exists(), target

# Devices that are not known.
for target, message in (("cuda:sm_10", "known: sm_80 (A100), sm_90 (H100, H200)"),
                        ("cpu:fast", "target 'cpu' has no kinds of devices")):
    result = support.invoke("compress-compile", digits / "digits.onnx", "-o", args.work / "none",
                            "--target", target)
    assert result.returncode == 1 and message in result.stderr, result.stderr
