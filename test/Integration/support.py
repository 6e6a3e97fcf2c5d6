"""Shared by the integration tests: running the tools, arrays, measures.

lit sets COMPRESS_TOOLS_DIR and COMPRESS_EXAMPLES; to run a test by hand, set
them to <build>/bin and examples/.
"""
import os
import pathlib
import shutil
import subprocess
import sys

TOOLS = pathlib.Path(os.environ.get("COMPRESS_TOOLS_DIR", "build/bin"))
EXAMPLES = pathlib.Path(os.environ.get("COMPRESS_EXAMPLES", "examples"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
ARTIFACTS = ("model.so", "model.h", "model.safetensors", "model.onnx", "plan.yaml",
             "report.html", "report.json")


def fresh(path):
    """`path` as an empty folder."""
    path = pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def invoke(tool, *args, timeout=600, **options):
    command = [str(TOOLS / tool), *map(str, args)]
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=timeout, stdin=subprocess.DEVNULL, **options)


def run(tool, *args, **options):
    """Runs a tool that must succeed and returns what it printed."""
    result = invoke(tool, *args, **options)
    if result.returncode != 0:
        sys.exit(f"{tool} failed with exit code {result.returncode}:\n{result.stdout}"
                 f"{result.stderr}")
    return result.stdout


def compile_model(model, out, *args):
    run("compress-compile", model, "-o", out, *args)
    missing = [name for name in ARTIFACTS if not (pathlib.Path(out) / name).is_file()]
    assert not missing, f"compress-compile wrote no {missing}"


def run_library(out, inputs, work, *args):
    """The outputs of a compiled model on an .npz file, by name."""
    import numpy as np

    result = pathlib.Path(work) / "outputs.npz"
    run("compress-run", out, "--input", inputs, "--output", result, *args)
    with np.load(result) as arrays:
        return {name: arrays[name] for name in arrays.files}


def onnxruntime_outputs(model, inputs):
    """ONNX Runtime's outputs for a dictionary of arrays (others are ignored)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options,
                                           providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    outputs = session.run(None, {name: inputs[name] for name in names})
    return dict(zip((o.name for o in session.get_outputs()), outputs))


def load(path):
    import numpy as np

    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def accuracy(logits, labels):
    """Per cent of samples whose largest logit is the label's."""
    return 100.0 * float((logits.argmax(-1) == labels).mean())


def perplexity(logits, labels):
    """exp of the mean cross entropy of `labels` [N,T] under logits [N,T,V]."""
    import numpy as np

    logits = logits.astype(np.float64)
    top = logits.max(-1, keepdims=True)
    logp = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return float(np.exp(-np.take_along_axis(logp, labels[..., None], -1).mean()))


def relative_error(actual, expected):
    """max |actual - expected| / max |expected|."""
    import numpy as np

    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(actual).all(), "outputs are not finite"
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def expect_error(tool, *args, mentions, out=None):
    """Runs a tool that must refuse its input: exit code 1, one line on stderr
    that holds each of `mentions`, and nothing written at `out` or beside it.
    Returns None, or a sentence that says what is wrong."""
    beside = None
    if out is not None:
        beside = sorted(p.name for p in pathlib.Path(out).parent.iterdir())
    result = invoke(tool, *args)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    shown = f" (stderr: {result.stderr.strip()[:500]!r})"
    if result.returncode != 1:
        return f"exit code {result.returncode}, expected 1{shown}"
    if len(lines) != 1:
        return f"{len(lines)} lines of error, expected one{shown}"
    if "error" not in lines[0]:
        return f"the line does not say 'error'{shown}"
    for word in mentions:
        if str(word).lower() not in lines[0].lower():
            return f"the error does not mention {word!r}{shown}"
    if out is not None:
        out = pathlib.Path(out)
        if out.is_dir() and any(out.iterdir()):
            return f"left {sorted(p.name for p in out.iterdir())} in the output folder"
        left = set(p.name for p in out.parent.iterdir()) - set(beside) - {out.name}
        if left:
            return f"left {sorted(left)} beside the output"
    return None


def aarch64(tool, *args):
    """Runs a GNU tool for aarch64; returns what it prints."""
    return subprocess.run([f"aarch64-linux-gnu-{tool}", *map(str, args)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def build_aarch64(name, work):
    """A C program of Inputs for aarch64."""
    program = work / name
    aarch64("gcc", "-O1", "-Wall", "-Werror", "-I", ROOT / "include",
            ROOT / f"test/Integration/Inputs/{name}.c", "-o", program, "-ldl")
    return program
