# The digits CNN keeps its accuracy at each level.
#
# REQUIRES: numpy
# RUN: %python %s %t.int8 --level int8 --max-drop 0.5
# RUN: %python %s %t.int4 --level int4-g32 --max-drop 1.5
import argparse

import support

parser = argparse.ArgumentParser()
parser.add_argument("work", type=support.fresh)
parser.add_argument("--level", required=True)
parser.add_argument("--max-drop", type=float, required=True, help="points")
args = parser.parse_args()

digits = support.EXAMPLES / "digits"
test = support.load(digits / "test.npz")
scores = {}
for level in ("f32", args.level):
    out = args.work / level
    support.compile_model(digits / "digits.onnx", out, "--data", digits / "calib.npz",
                          "--level", level)
    logits = support.run_library(out, digits / "test.npz", args.work)["logits"]
    scores[level] = support.accuracy(logits, test["labels"])
    print(f"{level}: {scores[level]:.2f} % of {len(test['labels'])} samples, "
          f"{(out / 'model.safetensors').stat().st_size} bytes of weights")
assert scores["f32"] >= 98, "the float model itself is bad"
drop = scores["f32"] - scores[args.level]
assert drop <= args.max_drop, f"accuracy dropped by {drop:.2f} points"
sizes = [(args.work / level / "model.safetensors").stat().st_size for level in scores]
assert sizes[1] < 0.5 * sizes[0], f"weights take {sizes[1]} bytes, float ones {sizes[0]}"
