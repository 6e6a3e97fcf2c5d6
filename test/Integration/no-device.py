# Without what a target's device needs, runs end with a message and exit code 1;
# compiling needs no device.
#
# REQUIRES: numpy, vulkan-device
# RUN: %python %s %t
import argparse
import os

import support

parser = argparse.ArgumentParser()
parser.add_argument("work", type=support.fresh)
args = parser.parse_args()
digits = support.EXAMPLES / "digits"
out = args.work / "out"
support.compile_model(digits / "digits.onnx", out, "--level", "f32", "--target", "vulkan")


def expect(message, **environment):
    env = {**os.environ, **environment}
    for name in [name for name, value in environment.items() if value is None]:
        del env[name]
    result = support.invoke("compress-run", out, "--input", digits / "test.npz", env=env)
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert message in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


expect("there are 0 = ", COMPRESS_VULKAN_DEVICE="no such device")
# A loader that finds no driver.
expect("no driver", VK_ICD_FILENAMES="/nonexistent.json", VK_DRIVER_FILES="/nonexistent.json")
expect("out of device memory", COMPRESS_VULKAN_MEMORY="0")
# Software stands in for a GPU only when asked to.
listing = support.run("compress-compile", "--targets",
                      env={**os.environ, "COMPRESS_VULKAN_DEVICE": ""})
if "vulkan: runs here" not in listing:
    expect("COMPRESS_VULKAN_DEVICE=software", COMPRESS_VULKAN_DEVICE=None)
