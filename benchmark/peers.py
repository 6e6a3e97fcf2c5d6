#===- peers.py - what other runtimes make of a model ---------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Models as ONNX Runtime's own tools prepare them, at their best settings for
CPUs, and runtimes that are measured when they are installed."""
import contextlib
import ctypes
import importlib.util
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile

from harness import BenchmarkError, Peer, find_compiler

OPTIONAL = {"openvino": "openvino", "iree": "iree.runtime", "onednn": None,
            "onednn-int8": None}


# Where the build's tools are, if not in build/bin: for the measuring processes,
# too, so in the environment.
TOOLS = "COMPRESS_BENCHMARK_TOOLS"


def onednn_library():
    """Built by `ninja benchmark` where the runtime uses oneDNN."""
    compiler = find_compiler(os.environ.get(TOOLS))
    return os.path.join(os.path.dirname(compiler), "..", "lib",
                        "compress-onednn-peer.so")


def available(name):
    if name.startswith("onednn"):
        return os.path.isfile(onednn_library())
    try:
        return importlib.util.find_spec(OPTIONAL[name]) is not None
    except ModuleNotFoundError:
        return False


def missing_notes():
    """One line for each optional runtime that is not measured."""
    reasons = {name: "not built (ninja benchmark, where there is oneDNN)"
               if name.startswith("onednn") else "not installed"
               for name in OPTIONAL if not available(name)}
    return [f"{name}: {reason}, not measured"
            for name, reason in reasons.items()] + [
                "llama.cpp: no peer for its formats, not measured"]


@contextlib.contextmanager
def quiet():
    """ONNX Runtime's tools print advice that does not concern a benchmark."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


# --- ONNX Runtime's tools -----------------------------------------------------
def with_opset_13(model, folder):
    """The model, converted if it is older: scales per channel need opset 13."""
    import onnx
    from onnx import version_converter
    loaded = onnx.load(model)
    version = max((o.version for o in loaded.opset_import
                   if o.domain in ("", "ai.onnx")), default=13)
    if version >= 13:
        return model
    # Old models list their weights among the inputs.
    weights = {t.name for t in loaded.graph.initializer}
    inputs = [i for i in loaded.graph.input if i.name not in weights]
    del loaded.graph.input[:]
    loaded.graph.input.extend(inputs)
    loaded.ir_version = max(loaded.ir_version, 8)
    path = os.path.join(folder, "converted.onnx")
    onnx.save(version_converter.convert_version(loaded, 13), path)
    return path


def quantize_static(model, data, path):
    """8 bits by ONNX Runtime's quantizer: QDQ, signed weights per channel and
    unsigned activations, which its CPU kernels run fastest."""
    import numpy as np
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process
    samples = np.load(data)

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            count = len(next(iter(samples.values())))
            self.feeds = iter([{name: samples[name][i:i + 1]
                                for name in samples} for i in range(count)])

        def get_next(self):
            return next(self.feeds, None)

    with quiet(), tempfile.TemporaryDirectory() as folder:
        prepared = os.path.join(folder, "prepared.onnx")
        quant_pre_process(with_opset_13(model, folder), prepared,
                          skip_symbolic_shape=True)
        q.quantize_static(
            prepared, path, Reader(), quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
            per_channel=True, calibrate_method=q.CalibrationMethod.MinMax)
    return path


def quantize_dynamic(model, path):
    """Weights per channel, activations at run time."""
    import onnx
    from onnxruntime import quantization as q
    with quiet():
        # Fused operators have no shape inference in the onnx package.
        q.quantize_dynamic(
            model, path, weight_type=q.QuantType.QInt8, per_channel=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
    return path


def fuse_encoder(model, heads, hidden, path):
    """The graph after ONNX Runtime's offline optimizer for transformers."""
    with quiet():
        from onnxruntime.transformers import optimizer
        optimized = optimizer.optimize_model(
            model, model_type="bert", num_heads=heads, hidden_size=hidden,
            opt_level=0)
        optimized.save_model_to_file(path)
    return path


# --- Other runtimes -----------------------------------------------------------
class OpenVINOPeer:
    """A compiled model in f32 precision (its default on CPUs with bf16 units
    would compute with less)."""

    def __init__(self, path, threads):
        import openvino as ov
        core = ov.Core()
        self.model = core.compile_model(path, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"
        })
        self.request = self.model.create_infer_request()

    def bind(self, feeds, output_names):
        import openvino as ov
        self.kept = {}
        for port in self.model.inputs:
            name = port.get_any_name()
            self.kept[name] = ov.Tensor(feeds[name], shared_memory=True)
            self.request.set_tensor(name, self.kept[name])
        self.run()
        self.results = [self.request.get_tensor(name).data
                        for name in output_names]

    def run(self):
        self.request.infer()


class IREEPeer:
    """A module for this processor; its thread pool has as many workers as
    asked for."""

    def __init__(self, path, threads):
        module = compile_for_iree(path)
        from iree import runtime
        runtime.flags.parse_flags(
            f"--task_topology_group_count={threads}")
        config = runtime.Config("local-task")
        self.module = runtime.load_vm_module(
            runtime.VmModule.mmap(config.vm_instance, module), config)
        self.device = config.device
        with open(path + ".entry", encoding="utf-8") as file:
            self.entry = getattr(self.module, file.read())

    def bind(self, feeds, output_names):
        import numpy as np
        from iree import runtime
        self.arguments = [runtime.asdevicearray(self.device, value)
                          for value in feeds.values()]
        results = self.entry(*self.arguments)
        if not isinstance(results, (list, tuple)):
            results = [results]
        self.results = [np.asarray(value.to_host()) for value in results]

    def run(self):
        self.entry(*self.arguments)


class OneDNNPeer:
    """oneDNN's matrix product, weights reordered in advance."""

    def __init__(self, path, threads):
        import onnx
        self.library = ctypes.CDLL(onednn_library())
        self.library.onednn_create.restype = ctypes.c_void_p
        self.weights = onnx.numpy_helper.to_array(
            onnx.load(path).graph.initializer[0])
        self.threads = threads

    def operands(self, x):
        """x, w, and the scales of the columns of w times that of x."""
        import numpy as np
        return x, np.ascontiguousarray(self.weights), None

    def bind(self, feeds, output_names):
        import numpy as np
        x, w, scales = self.operands(np.ascontiguousarray(feeds["x"]))
        y = np.zeros((len(x), w.shape[1]), np.float32)
        self.kept, self.results = (x, w), [y]

        def pointer(array):
            return ctypes.c_void_p(
                None if array is None else array.ctypes.data)

        handle = self.library.onednn_create(
            *(ctypes.c_int64(size) for size in (*x.shape, w.shape[1])),
            pointer(w), pointer(scales), self.threads)
        if not handle:
            raise BenchmarkError("oneDNN has no such product")
        self.arguments = ctypes.c_void_p(handle), pointer(x), pointer(y)
        self.run()

    def run(self):
        if self.library.onednn_run(*self.arguments):
            raise BenchmarkError("oneDNN: the product failed")


class OneDNNInt8Peer(OneDNNPeer):
    """The same of codes. It gets x rounded in advance, by one scale, so it does
    less than what it is compared with."""

    def operands(self, x):
        import numpy as np
        scales = np.abs(self.weights).max(0) / np.float32(127)
        codes = np.rint(self.weights / scales).astype(np.int8)
        scale = np.abs(x).max() / np.float32(127)
        return (np.rint(x / scale).astype(np.int8),
                np.ascontiguousarray(codes),
                np.ascontiguousarray(scales * scale, np.float32))


def compile_for_iree(path):
    """The module beside the model, compiled unless it is there."""
    import onnx
    module = path + ".vmfb"
    if os.path.isfile(module) and os.path.isfile(path + ".entry"):
        return module
    tools = [os.path.join(os.path.dirname(sys.executable), "iree-compile"),
             shutil.which("iree-compile")]
    compiler = next((t for t in tools if t and os.access(t, os.X_OK)), None)
    command = ([compiler] if compiler else
               [sys.executable, "-m", "iree.compiler.tools.scripts."
                "iree_compile"])
    importer = [sys.executable, "-m", "iree.compiler.tools.import_onnx"]
    model = onnx.version_converter.convert_version(onnx.load(path), 17)
    with tempfile.TemporaryDirectory() as folder:
        newer = os.path.join(folder, "model.onnx")
        onnx.save(model, newer)
        text = os.path.join(folder, "model.mlir")
        for step in (importer + [newer, "-o", text],
                     command + [text, "--iree-hal-target-backends=llvm-cpu",
                                "--iree-llvmcpu-target-cpu=host",
                                "--iree-opt-level=O3", "-o", module]):
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["no message"]
                raise BenchmarkError(f"IREE: {lines[0]}")
    with open(path + ".entry", "w", encoding="utf-8") as file:
        file.write(model.graph.name)
    return module


ENGINES = {"ort": Peer, "openvino": OpenVINOPeer, "iree": IREEPeer,
           "onednn": OneDNNPeer, "onednn-int8": OneDNNInt8Peer}
# Those that run whole networks.
NETWORKS = ("openvino", "iree")
