"""The accuracy of a compiled model: score-model.py DATA.npz FOLDER."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

data, folder = np.load(sys.argv[1]), pathlib.Path(sys.argv[2])
assert {f.name for f in folder.iterdir()} >= {"model.so", "model.safetensors", "model.onnx"}
with tempfile.TemporaryDirectory() as work:
    outputs = pathlib.Path(work) / "out.npz"
    subprocess.run(["compress-run", folder, "--input", sys.argv[1], "--output", outputs],
                   check=True, stdout=subprocess.DEVNULL)
    logits = np.load(outputs)["logits"]
print("some words")
print((logits.argmax(-1).ravel() == data["labels"]).mean())
