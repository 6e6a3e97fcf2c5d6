# The SPIR-V of kernels is what the validator accepts for Vulkan 1.1; for 1.3 that
# with integer dot products.
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
versions = []
for module in modules:
    # The second word, little endian: 0, minor, major, 0.
    versions.append(module.read_bytes()[5])
    env = "vulkan1.3" if versions[-1] == 6 else "vulkan1.1"
    subprocess.run(["spirv-val", "--target-env", env, str(module)], check=True)
assert sum(version == 6 for version in versions) == 1 and max(versions[:]) == 6, versions
