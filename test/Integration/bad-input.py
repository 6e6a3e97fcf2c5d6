# Every bad input is refused in one line that names what is wrong, with exit code
# 1 and nothing written.
#
# REQUIRES: numpy, python-onnx
# RUN: %python %s %t
import pathlib
import sys

import numpy as np
import onnx
import support
from onnx import TensorProto, helper, numpy_helper

work = support.fresh(sys.argv[1])
digits = support.EXAMPLES / "digits"
MODEL, CALIB = digits / "digits.onnx", digits / "calib.npz"
failures = []


def case(what, *args, mentions, out=None, tool="compress-compile"):
    if tool == "compress-compile":
        out = out or work / "out"
        args += ("-o", out)
    wrong = support.expect_error(tool, *args, mentions=mentions, out=out)
    print(f"{'FAILED' if wrong else 'ok'}: {what}{': ' + wrong if wrong else ''}")
    if wrong:
        failures.append(what)


def save(name, model):
    path = work / name
    onnx.save(model, path)
    return path


def arrays(name, **values):
    path = work / name
    np.savez(path, **values)
    return path


# --- Models --------------------------------------------------------------
case("no such model", work / "none.onnx", mentions=["none.onnx"])
(work / "empty.onnx").write_bytes(b"")
case("empty model", work / "empty.onnx", mentions=["empty.onnx"])
(work / "text.onnx").write_text("this is not a protobuf\n" * 100)
case("text as model", work / "text.onnx", mentions=["text.onnx"])
case("folder as model", digits, mentions=["digits"])
content = MODEL.read_bytes()
for part in (0.1, 0.5, 0.9, 0.9999):
    path = work / "truncated.onnx"
    path.write_bytes(content[:int(len(content) * part)])
    case(f"model truncated to {part:.2%}", path, mentions=["truncated.onnx"])

for value in (np.nan, np.inf, -np.inf):
    model = onnx.load(MODEL)
    weight = next(t for t in model.graph.initializer if t.name == "fc1.weight")
    data = numpy_helper.to_array(weight).copy()
    data[3, 5] = value
    weight.CopyFrom(numpy_helper.from_array(data, weight.name))
    case(f"weight with {value}", save("nonfinite.onnx", model), "--level", "int8",
         mentions=["nonfinite.onnx", "fc1"])

model = onnx.load(MODEL)
model.graph.node[0].op_type, model.graph.node[0].domain = "Frobnicate", "com.example"
model.opset_import.append(helper.make_opsetid("com.example", 1))
case("unsupported op", save("unsupported.onnx", model),
     mentions=["unsupported.onnx", "Frobnicate", "/conv1/conv"])

for location, what in (("missing.bin", "missing external data"),
                       ("../../secret.bin", "external data outside the folder"),
                       ("/etc/passwd", "absolute external data")):
    model = onnx.load(MODEL)
    weight = next(t for t in model.graph.initializer if t.name == "fc1.weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    del weight.external_data[:]
    for key, value in (("location", location), ("offset", "0"), ("length", "524288")):
        weight.external_data.add(key=key, value=value)
    (work / "external.onnx").write_bytes(model.SerializeToString())
    case(what, work / "external.onnx", mentions=["external.onnx", "fc1.weight"])

model = onnx.load(MODEL)
weight = next(t for t in model.graph.initializer if t.name == "fc1.weight")
weight.raw_data = weight.raw_data[:-4]
(work / "short.onnx").write_bytes(model.SerializeToString())
case("initializer shorter than its shape", work / "short.onnx",
     mentions=["short.onnx", "fc1.weight"])

model = onnx.load(MODEL)
model.graph.node[1].input[0] = "nowhere"
(work / "dangling.onnx").write_bytes(model.SerializeToString())
case("input that nothing produces", work / "dangling.onnx",
     mentions=["dangling.onnx", "nowhere"])

# --- Data ----------------------------------------------------------------
good = support.load(CALIB)["image"]
int8 = (MODEL, "--level", "int8", "--data")
case("no such data", *int8, work / "none.npz", mentions=["none.npz"])
(work / "garbage.npz").write_bytes(b"PK\x03\x04" + bytes(range(256)))
case("corrupted data", *int8, work / "garbage.npz", mentions=["garbage.npz"])
(work / "cut.npz").write_bytes(CALIB.read_bytes()[:-300])
case("truncated data", *int8, work / "cut.npz", mentions=["cut.npz"])
case("data under a wrong name", *int8, arrays("name.npz", picture=good),
     mentions=["name.npz", "image"])
case("data of a wrong shape", *int8, arrays("shape.npz", image=np.zeros((4, 1, 9, 9), "f4")),
     mentions=["shape.npz", "image"])
case("data of a wrong rank", *int8, arrays("rank.npz", image=good.reshape(-1, 64)),
     mentions=["rank.npz", "image"])
case("data of a wrong type", *int8, arrays("type.npz", image=good.astype("i8")),
     mentions=["type.npz", "image"])
case("no samples", *int8, arrays("none0.npz", image=good[:0]), mentions=["none0.npz"])
case("labels for another number of samples", MODEL, "--level", "int8", "--eval",
     arrays("labels.npz", image=good[:10], labels=np.zeros(9, "i8")),
     mentions=["labels.npz", "labels"])

# --- Options and output --------------------------------------------------
case("unknown level", MODEL, "--level", "int99-x", mentions=["int99-x"])
case("unknown target", MODEL, "--level", "int8", "--target", "abacus", mentions=["abacus"])
case("unknown profile", MODEL, "--level", "int8", "--profile", "nobody", mentions=["nobody"])
(work / "bad.yaml").write_text("sites: [this is: not a plan")
case("broken plan", MODEL, "--plan", work / "bad.yaml", mentions=["bad.yaml"])
case("no such plan", MODEL, "--plan", work / "none.yaml", mentions=["none.yaml"])
(work / "file").write_text("in the way")
case("output folder below a file", MODEL, "--level", "f32", out=work / "file",
     mentions=["file"])
assert (work / "file").read_text() == "in the way", "the file at the output was overwritten"
# A file system that refuses even root; a chroot may lack it.
if pathlib.Path("/sys").is_mount():
    case("unwritable output", MODEL, "--level", "f32", out=pathlib.Path("/sys/compress"),
         mentions=["/sys/compress"])

# A failing compile leaves an earlier result alone.
support.compile_model(MODEL, work / "earlier", "--level", "f32")
before = {p.name: p.read_bytes() for p in (work / "earlier").iterdir()}
result = support.invoke("compress-compile", work / "truncated.onnx", "-o", work / "earlier")
assert result.returncode == 1
after = {p.name: p.read_bytes() for p in (work / "earlier").iterdir()}
if before != after:
    failures.append("a failing compile changed an earlier result")

# --- compress-run ----------------------------------------------------------
case("run: no such library", work / "none", "--input", CALIB, tool="compress-run",
     mentions=["none"])
case("run: wrong shape", work / "earlier", "--input", work / "shape.npz", tool="compress-run",
     mentions=["image"])
case("run: wrong name", work / "earlier", "--input", work / "name.npz", tool="compress-run",
     mentions=["image"])
case("run: unwritable output", work / "earlier", "--input", CALIB, "--output",
     "/proc/compress.npz", tool="compress-run", mentions=["/proc/compress.npz"])
weights = work / "earlier" / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:-100])
case("run: truncated weights", work / "earlier", "--input", CALIB, tool="compress-run",
     mentions=["model.safetensors"])

if failures:
    sys.exit(f"{len(failures)} cases failed: " + "; ".join(failures))
