# The main test suite: FileCheck tests that mirror lib/, and test/Integration.
#
# Features for REQUIRES: lines
#   numpy, python-onnx, onnxruntime, python-gguf   the Python package can be imported
#   x86-64, avx2, avx512vnni          the CPU has the instructions
#   aarch64-emulation                 QEMU and a cross compiler for aarch64 are there
#   sme-emulation                     ... and QEMU is new enough for Arm SME
#   <target>-device                   this machine runs code for the target
#   spirv-val                         the validator of SPIR-V is there
#   onednn                            the build uses oneDNN
#   mpi                               the build uses MPI, and mpirun is there
#   browser                           there is a browser without a window (chromium)
#   asan                              the build is sanitized
#   ptxas                             NVIDIA's assembler is there
# Substitutions: %python, %browser, %examples (the examples folder), %integration
# (test/Integration, for its support.py), %benchmark (the folder), %build (the build
# folder), %mlir_runner_libs (what `mlir-runner --shared-libs` needs to print
# tensors), and the path of every tool of ours.
import os
import platform
import re
import shutil
import subprocess
import sys

import lit.formats
import lit.util
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "compress"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".py", ".td"]
# Unit is a suite of its own; the others are input of tests.
config.excludes = ["Unit", "Inputs", "lit.cfg.py", "lit.local.cfg", "support.py", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.compress_build_dir, "test")

# --- Tools ---------------------------------------------------------------
tools_dir = os.path.join(config.compress_build_dir, "bin")
for directory in (config.llvm_tools_dir, tools_dir):
    llvm_config.with_environment("PATH", directory, append_path=True)
llvm_config.with_system_environment(
    ["HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "OMP_NUM_THREADS",
     "PYTHONUNBUFFERED"])
tools = [ToolSubst(name, unresolved="ignore") for name in config.compress_tools if name]
tools += [ToolSubst(name) for name in ("FileCheck", "not", "mlir-opt", "mlir-runner",
                                        "mlir-translate")]
llvm_config.add_tool_substitutions(tools, [tools_dir, config.llvm_tools_dir])
config.substitutions.append(("%examples", os.path.join(config.compress_source_dir, "examples")))
config.substitutions.append(("%integration", os.path.join(config.test_source_root, "Integration")))
config.substitutions.append(("%benchmark", os.path.join(config.compress_source_dir, "benchmark")))
config.substitutions.append(("%build", config.compress_build_dir))
mlir_libraries = os.path.join(os.path.dirname(config.llvm_tools_dir), "lib")
config.substitutions.append(("%mlir_runner_libs", ",".join(
    os.path.join(mlir_libraries, f"libmlir_{name}.so") for name in ("c_runner_utils", "runner_utils"))))
config.environment["COMPRESS_TOOLS_DIR"] = tools_dir
config.environment["COMPRESS_CC"] = config.compress_c_compiler
config.environment["COMPRESS_EXAMPLES"] = os.path.join(config.compress_source_dir, "examples")

# --- Python --------------------------------------------------------------
# The interpreter of the environment that scripts/setup makes, if there is one;
# COMPRESS_PYTHON overrides it.
venv_python = os.path.join(config.compress_source_dir, ".venv", "bin", "python3")
python = os.environ.get("COMPRESS_PYTHON") or (
    venv_python if os.path.exists(venv_python) else sys.executable)
config.substitutions.append(("%python", f'"{python}"'))
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"

PROBE = """
for module in ("numpy", "onnx", "onnxruntime", "gguf"):
    try:
        __import__(module)
        print(module)
    except Exception:
        pass
"""
try:
    found = subprocess.run([python, "-c", PROBE], capture_output=True, text=True).stdout.split()
except OSError:
    found = []
for module, feature in (("numpy", "numpy"), ("onnx", "python-onnx"),
                        ("onnxruntime", "onnxruntime"), ("gguf", "python-gguf")):
    if module in found:
        config.available_features.add(feature)
    else:
        lit_config.note(f"{python} has no {module}: tests that require {feature} are skipped")

# --- The machine and the build -------------------------------------------
if platform.machine() == "x86_64":
    config.available_features.add("x86-64")
try:
    with open("/proc/cpuinfo") as cpuinfo:
        flags = set(next((l for l in cpuinfo if l.startswith("flags")), "").split())
except OSError:
    flags = set()
if "avx2" in flags:
    config.available_features.add("avx2")
if {"avx512_vnni", "avx512vl", "avx512bw"} <= flags:
    config.available_features.add("avx512vnni")
if config.compress_onednn.upper() in ("1", "ON", "TRUE", "YES"):
    config.available_features.add("onednn")
if config.compress_mpi.upper() in ("1", "ON", "TRUE", "YES") and shutil.which("mpirun"):
    config.available_features.add("mpi")
else:
    lit_config.note("no MPI in the build, or no mpirun (libopenmpi-dev, openmpi-bin): tests of "
                    "several processes are skipped")
if config.compress_asan_options:
    config.available_features.add("asan")
    config.environment.setdefault("ASAN_OPTIONS", config.compress_asan_options)

browser = next(filter(None, map(shutil.which, (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
if browser:
    config.available_features.add("browser")
    config.substitutions.append(("%browser", browser))
else:
    lit_config.note("no chromium: nobody looks at report.html")
if all(map(shutil.which, ("qemu-aarch64", "aarch64-linux-gnu-gcc"))):
    config.available_features.add("aarch64-emulation")
    # Outer products of codes are wrong in QEMU 7.
    version = subprocess.run(["qemu-aarch64", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", version)
    if found and int(found[1]) >= 10:
        config.available_features.add("sme-emulation")
    else:
        lit_config.note(f"qemu-aarch64 is version {found[1] if found else '?'}, and those before 10 "
                        "compute smopa wrongly: code for Arm SME is not run (bookworm-backports has 10)")
else:
    lit_config.note("no qemu-aarch64 or aarch64-linux-gnu-gcc: cross-compiled code is not run")

# Targets with a device of their own: a feature for each that runs here. Drivers
# that run Vulkan on the CPU are taken only when asked for.
config.environment["COMPRESS_VULKAN_DEVICE"] = os.environ.get("COMPRESS_VULKAN_DEVICE", "software")
try:
    listing = subprocess.run([os.path.join(tools_dir, "compress-compile"), "--targets"],
                             env=dict(os.environ, **config.environment),
                             capture_output=True, text=True).stdout
except OSError:
    listing = ""
for line in listing.splitlines():
    name, _, state = line.partition(": ")
    if state == "runs here":
        config.available_features.add(f"{name}-device")
    elif f"{name}-emulation" not in config.available_features:
        lit_config.note(f"tests on target {name} are skipped: {state}")
if shutil.which("spirv-val"):
    config.available_features.add("spirv-val")
ptxas = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
if ptxas:
    config.available_features.add("ptxas")
    config.environment["COMPRESS_PTXAS"] = ptxas
else:
    lit_config.note("no ptxas (NVIDIA's CUDA toolkit): kernels for CUDA are not assembled")

# A test that hangs fails instead of stopping the run (lit needs psutil for it).
if lit.util.killProcessAndChildrenIsSupported()[0] and not lit_config.maxIndividualTestTime:
    lit_config.maxIndividualTestTime = 900
