# RUN: %python %s %build/unittests/affine/model.safetensors | FileCheck %s
# The weight file loads with the reference implementation of the format.
# CHECK: {{w \[2\.0, 0\.5\]|skipped}}
import sys

try:
    from safetensors import safe_open
    import numpy  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(0)
with safe_open(sys.argv[1], framework="numpy") as file:
    assert file.metadata()["model"] == "affine"
    print("w", file.get_tensor("w").tolist())
