# The character transformer keeps its perplexity at each level.
#
# REQUIRES: numpy
# RUN: %python %s %t.int8 --level int8 --max-increase 1
# RUN: %python %s %t.int4 --level int4-g32 --max-increase 5
import argparse

import support

parser = argparse.ArgumentParser()
parser.add_argument("work", type=support.fresh)
parser.add_argument("--level", required=True)
parser.add_argument("--max-increase", type=float, required=True, help="per cent")
args = parser.parse_args()

charlm = support.EXAMPLES / "charlm"
labels = support.load(charlm / "valid.npz")["labels"]
scores = {}
for level in ("f32", args.level):
    out = args.work / level
    support.compile_model(charlm / "charlm.onnx", out, "--data", charlm / "calib.npz",
                          "--level", level)
    logits = support.run_library(out, charlm / "valid.npz", args.work)["logits"]
    scores[level] = support.perplexity(logits, labels)
    print(f"{level}: perplexity {scores[level]:.4f} on {labels.size} characters")
increase = 100 * (scores[args.level] / scores["f32"] - 1)
print(f"{args.level}: {increase:+.3f} %")
assert increase <= args.max_increase, f"perplexity rose by {increase:.2f} %"
