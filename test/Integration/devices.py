# On a target with a device of its own the examples give what they give on the
# CPU: the same labels of all digits, of text the same perplexity within 1e-3 of it.
#
# REQUIRES: numpy, vulkan-device
# RUN: %python %s %t.f32 --target vulkan --level f32
# RUN: %python %s %t.int8 --target vulkan --level int8
# RUN: %python %s %t.int4 --target vulkan --level int4-g32
# RUN: %python %s %t.codes --target vulkan --level w8a8
# RUN: env COMPRESS_VULKAN_DISABLE=dot-product %python %s %t.emulated --target vulkan --level w8a8
# RUN: %python %s %t.text --target vulkan --level int4-g32 --model charlm
# RUN: %python %s %t.textf --target vulkan --level f32 --model charlm
import argparse

import numpy as np

import support

parser = argparse.ArgumentParser()
parser.add_argument("work", type=support.fresh)
parser.add_argument("--target", required=True)
parser.add_argument("--level", required=True)
parser.add_argument("--model", default="digits")
args = parser.parse_args()

folder = support.EXAMPLES / args.model
test = folder / ("test.npz" if args.model == "digits" else "valid.npz")
if args.model == "charlm":
    # A driver on the CPU is slow.
    samples = args.work / "samples.npz"
    np.savez(samples, **{name: values[:24] for name, values in support.load(test).items()})
    test = samples
logits = {}
for target in ("cpu", args.target):
    out = args.work / target
    support.compile_model(folder / f"{args.model}.onnx", out, "--data", folder / "calib.npz",
                          "--level", args.level, "--target", target, "--no-compare")
    logits[target] = support.run_library(out, test, args.work)["logits"]
expected, found = logits["cpu"], logits[args.target]
assert found.shape == expected.shape
difference = np.abs(found - expected).max() / np.abs(expected).max()
print(f"{args.model} {args.level}: largest difference {difference:.2e} of the largest logit")
same = found.argmax(-1) == expected.argmax(-1)
if args.model == "digits":
    assert same.all(), f"{(~same).sum()} labels differ"
else:
    labels = support.load(test)["labels"]
    scores = [support.perplexity(x, labels) for x in (expected, found)]
    print("perplexity", *scores)
    assert abs(scores[1] / scores[0] - 1) < 1e-3, scores
