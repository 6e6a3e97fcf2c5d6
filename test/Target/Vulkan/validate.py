# The SPIR-V of kernels is what the validator accepts for Vulkan 1.1.
#
# REQUIRES: spirv-val
# RUN: rm -rf %t && mkdir -p %t
# RUN: compress-opt %S/kernels.mlir --compress-assign-target=target=vulkan --compress-serialize-spirv=dump=%t -o /dev/null
# RUN: %python %s %t
import pathlib
import subprocess
import sys

modules = sorted(pathlib.Path(sys.argv[1]).glob("*.spv"))
# Four kernels; the one with integer dot products has a variant without them.
assert len(modules) == 5, modules
for module in modules:
    subprocess.run(["spirv-val", "--target-env", "vulkan1.1", str(module)], check=True)
