# Weights coded by zstd in a model for another machine: its library is loaded when
# the model is, and where there is none the model says so. The emulated machine
# asks the library of this one.
#
# REQUIRES: aarch64-emulation, numpy
# RUN: %python %s %t
import ctypes
import ctypes.util
import os
import pathlib
import struct
import subprocess
import sys
import threading

import numpy as np

import support

work = support.fresh(pathlib.Path(sys.argv[1]))
digits = support.EXAMPLES / "digits"
runner = support.build_aarch64("run-model", work)
images = support.load(digits / "test.npz")["image"][:5]
np.savez(work / "images.npz", image=images)
images.astype(np.float32).tofile(work / "images.bin")
options = ("--level", "int8+zstd", "--no-compare")
support.compile_model(digits / "digits.onnx", work / "here", *options)
here = support.run_library(work / "here", work / "images.npz", work)["logits"]
support.compile_model(digits / "digits.onnx", work / "there", *options, "--target-triple",
                      "aarch64-linux-gnu")
assert "zstd" not in support.aarch64("readelf", "-d", work / "there/model.so")
command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", "max", runner,
           work / "there/model.so", work / "images.bin", work / "logits.bin", len(images), 1]
command = list(map(str, command))
system = pathlib.Path("/usr/lib/aarch64-linux-gnu/libzstd.so.1")

if not system.exists() and not pathlib.Path("/usr/aarch64-linux-gnu/lib/libzstd.so.1").exists():
    without = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert without.returncode == 1, without
    assert "there is no libzstd.so.1 (Debian: libzstd1)" in without.stderr, without.stderr

library = work / "lib"
library.mkdir()
support.aarch64("gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC",
                support.ROOT / "test/Integration/Inputs/zstd-outside.c", "-o",
                library / "libzstd.so.1")
zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
pipes = {"ZSTD_REQUESTS": work / "requests", "ZSTD_ANSWERS": work / "answers"}
for pipe in pipes.values():
    os.mkfifo(pipe)
served = 0


def read(file, size):
    data = b""
    while len(data) < size:
        data += os.read(file, size - len(data))
    return data


def serve():
    global served
    # Open at both ends, so that neither waits for the other to open.
    requests, answers = (os.open(pipe, os.O_RDWR) for pipe in pipes.values())
    while True:
        size, expected = struct.unpack("<QQ", read(requests, 16))
        out = ctypes.create_string_buffer(expected)
        assert zstd.ZSTD_decompress(out, expected, read(requests, size), size) == expected
        served += 1
        at = 0
        while at < expected:
            at += os.write(answers, out.raw[at:expected])


threading.Thread(target=serve, daemon=True).start()
environment = {**os.environ, "QEMU_SET_ENV": f"LD_LIBRARY_PATH={library}",
               **{name: str(pipe) for name, pipe in pipes.items()}}
subprocess.run(command, check=True, env=environment, timeout=60, stdout=subprocess.PIPE)
there = np.fromfile(work / "logits.bin", np.float32).reshape(here.shape)
error = np.abs(there - here).max() / np.abs(here).max()
print(f"{served} weights inflated, error {error:.1e}")
assert served > 0 and error < 1e-5, (served, error)
