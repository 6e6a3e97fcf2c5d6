#!/usr/bin/env python3
#===- networks.py - latency of compiled networks against ONNX Runtime ---------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Time networks compiled by compress-compile against ONNX Runtime.

Each model is compiled at each level. The float model (level f32) is compared
with ONNX Runtime on the model as given; any other level with ONNX Runtime on
the model.onnx that compress-compile exports for it. Outputs must agree before
anything is timed."""
import argparse
import ctypes
import json
import multiprocessing
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_MODELS = [os.path.join(ROOT, "examples", name, name + ".onnx")
                  for name in ("digits", "charlm")]
ABI_VERSION = 1
MAX_RANK = 8
# Threads of OpenMP runtimes go on spinning after a parallel region, 200 ms by
# default in LLVM's. A block of the peer must not compete with them.
SETTLE_SECONDS = 0.25

EPILOG = """\
examples:
  the networks of this repository:
      networks.py
  another model, with samples (which also adds the level w8a8):
      networks.py model.onnx --data samples.npz
  one level, one thread, more careful:
      networks.py model.onnx --levels int8 --threads 1 --rounds 15

exit code:
  0: everything asked was measured; 1: a compilation, comparison or run failed
  (the other rows are still measured); 2: the command line is wrong.
"""


class BenchmarkError(Exception):
    """Something that a user can do something about, in one line."""


# --- The C interface of a compiled model (compress/Runtime/Model.h) -----------
class TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int32),
                ("rank", ctypes.c_int32),
                ("dims", ctypes.POINTER(ctypes.c_int64))]


class ModelInfo(ctypes.Structure):
    _fields_ = [("abi_version", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("model_name", ctypes.c_char_p), ("producer", ctypes.c_char_p),
                ("inputs", ctypes.POINTER(TensorInfo)),
                ("outputs", ctypes.POINTER(TensorInfo)),
                ("num_inputs", ctypes.c_int64),
                ("num_outputs", ctypes.c_int64),
                ("weights_size", ctypes.c_uint64),
                ("weights_hash", ctypes.c_uint64),
                ("cpu_features", ctypes.c_char_p),
                ("num_slots", ctypes.c_int64)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("capacity", ctypes.c_size_t),
                ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("dims", ctypes.c_int64 * MAX_RANK),
                ("owned", ctypes.c_void_p)]


class Options(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int32),
                ("verify_weights", ctypes.c_int32)]


_TENSORS = ctypes.POINTER(Tensor)
_FUNCTIONS = [
    ("info", ctypes.CFUNCTYPE(ctypes.POINTER(ModelInfo))),
    ("create", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p,
                                ctypes.POINTER(Options),
                                ctypes.POINTER(ctypes.c_void_p),
                                ctypes.c_char_p, ctypes.c_size_t)),
    ("run", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _TENSORS,
                             ctypes.c_size_t, _TENSORS, ctypes.c_size_t)),
    ("release", ctypes.CFUNCTYPE(None, _TENSORS, ctypes.c_size_t)),
    ("set_threads", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p,
                                     ctypes.c_int32)),
    ("last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
    ("peak_bytes", ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p)),
    ("destroy", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
]


class ModelAPI(ctypes.Structure):
    _fields_ = [("abi_version", ctypes.c_uint32),
                ("struct_size", ctypes.c_uint32)] + _FUNCTIONS


def numpy_dtypes():
    """Element types of the C interface (numbered as in ONNX) that numpy has."""
    import numpy as np
    return {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16,
            6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
            11: np.float64, 12: np.uint32, 13: np.uint64}


class CompiledModel:
    """A model.so in this process, with one set of inputs at a time."""

    def __init__(self, path, threads):
        library = ctypes.CDLL(path)
        library.compress_model_api.restype = ctypes.POINTER(ModelAPI)
        self.api = library.compress_model_api().contents
        if self.api.abi_version != ABI_VERSION:
            raise BenchmarkError(f"{path}: ABI version {self.api.abi_version}, "
                                 f"this script knows {ABI_VERSION}")
        self.info = self.api.info().contents
        self.handle = ctypes.c_void_p()
        message = ctypes.create_string_buffer(1024)
        options = Options(threads, 1)
        if self.api.create(None, ctypes.byref(options),
                           ctypes.byref(self.handle), message, len(message)):
            raise BenchmarkError(f"{path}: {message.value.decode()}")
        self.inputs = self.outputs = None

    def signature(self):
        """(name, ONNX element type, dimensions) of each input."""
        return [(i.name.decode(), i.dtype, list(i.dims[:i.rank]))
                for i in self.info.inputs[:self.info.num_inputs]]

    def bind(self, feeds):
        """Sets the inputs and allocates outputs of the sizes that they give,
        so that timed runs allocate no more than the peer's bound ones."""
        import numpy as np
        count = self.info.num_inputs
        self.kept = []
        self.inputs = (Tensor * count)()
        for tensor, (name, dtype, _) in zip(self.inputs, self.signature()):
            array = np.ascontiguousarray(feeds[name])
            self.kept.append(array)
            tensor.data, tensor.capacity = array.ctypes.data, array.nbytes
            tensor.dtype, tensor.rank = dtype, array.ndim
            tensor.dims[:array.ndim] = array.shape
        self.outputs = (Tensor * self.info.num_outputs)()
        self.run()
        dtypes = numpy_dtypes()
        self.results = []
        shapes = [(t.dtype, t.dims[:t.rank]) for t in self.outputs]
        self.api.release(self.outputs, len(self.outputs))
        self.outputs = (Tensor * self.info.num_outputs)()
        for tensor, (dtype, shape) in zip(self.outputs, shapes):
            if dtype not in dtypes:
                raise BenchmarkError(f"output of element type {dtype} cannot "
                                     "be compared: numpy lacks it")
            array = np.zeros(shape, dtypes[dtype])
            self.results.append(array)
            # A null pointer would ask the runtime to allocate.
            tensor.data, tensor.capacity = array.ctypes.data, array.nbytes

    def run(self):
        if self.api.run(self.handle, self.inputs, len(self.inputs),
                        self.outputs, len(self.outputs)):
            reason = self.api.last_error(self.handle).decode()
            raise BenchmarkError(f"run failed: {reason}")

    def output_names(self):
        return [o.name.decode()
                for o in self.info.outputs[:self.info.num_outputs]]

    def close(self):
        self.api.destroy(self.handle)


class Peer:
    """An ONNX Runtime session with inputs and outputs bound in advance."""

    def __init__(self, path, threads, optimize=True):
        import onnxruntime as ort
        ort.set_default_logger_severity(3)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = (
            levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL)
        # Spinning is what ONNX Runtime is fastest with; it must only stop when
        # a run ends, or it would take the cores from our next block.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self.session = ort.InferenceSession(
                path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has many classes of its own.
            raise BenchmarkError("ONNX Runtime does not load the model: "
                                 + str(error).replace("\n", " ")) from error

    def run_once(self, feeds, output_names):
        names = [i.name for i in self.session.get_inputs()]
        return self.session.run(output_names,
                                {name: feeds[name] for name in names})

    def bind(self, feeds, output_names):
        import onnxruntime as ort
        names = [i.name for i in self.session.get_inputs()]
        self.results = self.run_once(feeds, output_names)
        self.binding = self.session.io_binding()
        self.kept = []
        for name in names:
            self.kept.append(ort.OrtValue.ortvalue_from_numpy(feeds[name]))
            self.binding.bind_ortvalue_input(name, self.kept[-1])
        for name, array in zip(output_names, self.results):
            self.kept.append(ort.OrtValue.ortvalue_from_numpy(array))
            self.binding.bind_ortvalue_output(name, self.kept[-1])

    def run(self):
        self.session.run_with_iobinding(self.binding)


# --- Inputs -------------------------------------------------------------------
def make_feeds(signature, data, batch, count):
    """Up to `count` sets of inputs: samples of the data file if there is one,
    else random numbers with a fixed seed."""
    import numpy as np
    dtypes = numpy_dtypes()
    for name, dtype, _ in signature:
        if dtype not in dtypes:
            raise BenchmarkError(f"input '{name}' has element type {dtype}, "
                                 "which numpy lacks")
    if not data:
        rng = np.random.default_rng(0)
        feeds = {}
        for name, dtype, dims in signature:
            kind = np.dtype(dtypes[dtype])
            shape = [batch if dim < 0 else dim for dim in dims]
            if kind.kind != "f":
                raise BenchmarkError(f"input '{name}' is {kind}: random values "
                                     "may be out of range, give --data")
            feeds[name] = rng.standard_normal(shape).astype(kind)
        return [feeds]
    loaded = np.load(data)
    if data.endswith(".npy"):
        if len(signature) != 1:
            raise BenchmarkError(f"{data}: an .npy is for models of one input")
        loaded = {signature[0][0]: loaded}
    sets = []
    for index in range(count):
        feeds = {}
        for name, dtype, dims in signature:
            if name not in loaded:
                raise BenchmarkError(f"{data}: no array '{name}'")
            array = loaded[name]
            if array.ndim != len(dims) or not array.shape[0]:
                raise BenchmarkError(f"{data}: '{name}' has shape "
                                     f"{list(array.shape)}, model wants {dims}")
            size = batch if dims and dims[0] < 0 else (dims or [1])[0]
            rows = np.arange(index * size, (index + 1) * size) % len(array)
            feeds[name] = np.ascontiguousarray(array[rows], dtypes[dtype])
        sets.append(feeds)
        if (index + 1) * size >= len(array):
            break
    return sets


# --- Measurement --------------------------------------------------------------
def relative_error(ours, theirs):
    """The largest difference over the largest magnitude of the reference, the
    worst of all outputs. NaN on one side only counts as infinite."""
    import numpy as np
    worst = 0.0
    for a, b in zip(ours, theirs):
        if a.shape != b.shape:
            raise BenchmarkError(f"shapes differ: ours {a.shape}, ONNX "
                                 f"Runtime's {b.shape}")
        a, b = a.astype(np.float64), b.astype(np.float64)
        if not a.size:
            continue
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            if not np.array_equal(a, b, equal_nan=True):
                return float("inf")
            continue
        scale = np.abs(b).max() or 1.0
        worst = max(worst, float(np.abs(a - b).max() / scale))
    return worst


def time_block(run, seconds):
    """Times of single runs (s) for about `seconds`, at least three, after a
    warm-up of at least two runs and a fifth of that time."""
    clock = time.perf_counter
    warm_until = clock() + seconds / 5
    run()
    run()
    while clock() < warm_until:
        run()
    times = []
    end = clock() + seconds
    while len(times) < 3 or clock() < end:
        begin = clock()
        run()
        times.append(clock() - begin)
    return times


def summarize(blocks):
    """Median over all runs and the quartiles around it, in seconds."""
    times = sorted(t for block in blocks for t in block)
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": median, "q1": low, "q3": high, "min": times[0],
            "runs": len(times)}


def measure(job):
    """One model at one level and thread count; gives a dictionary."""
    threads = job["threads"]
    ours = CompiledModel(job["library"], threads)
    peer = Peer(job["peer"], threads)
    # ONNX Runtime's optimizer may trade exactness for speed (it rounds the
    # activations of some weight-only products to 8 bits), so the reference is
    # the model as written, and both sides are compared with that.
    reference = Peer(job["peer"], threads, optimize=False)
    sets = make_feeds(ours.signature(), job["data"], job["batch"], 8)
    names = ours.output_names()
    row = {"error": 0.0, "ort_error": 0.0, "samples_compared": len(sets),
           "constant_output": True}
    for feeds in reversed(sets):  # The first set stays bound, to be timed.
        expected = reference.run_once(feeds, names)
        ours.bind(feeds)
        ours.run()
        peer.bind(feeds, names)
        row["error"] = max(row["error"],
                           relative_error(ours.results, expected))
        row["ort_error"] = max(row["ort_error"],
                               relative_error(peer.results, expected))
        if any(value.size and (value != value.flat[0]).any()
               for value in expected):
            row["constant_output"] = False
    del reference
    if not row["error"] <= job["tolerance"]:
        row["failure"] = (f"outputs differ: relative error {row['error']:.2e} "
                          f"over {job['tolerance']:.0e}; not timed")
        return row
    our_blocks, peer_blocks, ratios = [], [], []
    for _ in range(job["rounds"]):
        our_blocks.append(time_block(ours.run, job["seconds"]))
        if threads > 1:
            time.sleep(SETTLE_SECONDS)
        peer_blocks.append(time_block(peer.run, job["seconds"]))
        ratios.append(statistics.median(our_blocks[-1]) /
                      statistics.median(peer_blocks[-1]))
    # Results of the timed runs themselves: a race would show here.
    after = relative_error(ours.results, expected)
    if not after <= job["tolerance"]:
        row["failure"] = ("outputs differ after the timed runs: relative error "
                          f"{after:.2e}")
        return row
    row.update(ours=summarize(our_blocks), ort=summarize(peer_blocks),
               ratio=statistics.median(ratios), ratio_min=min(ratios),
               ratio_max=max(ratios),
               ratio_of_best=min(map(min, our_blocks)) /
               min(map(min, peer_blocks)))
    ours.close()
    return row


def child(job, pipe):
    try:
        pipe.send(measure(job))
    except BenchmarkError as error:
        pipe.send({"failure": str(error)})
    except Exception as error:  # Reported, not lost: the parent prints it.
        pipe.send({"failure": f"{type(error).__name__}: {error}"})


def measure_in_child(job):
    """A crash of either runtime costs one row, not the table; one process at
    a time."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    process = context.Process(target=child, args=(job, sender))
    process.start()
    sender.close()
    try:
        row = receiver.recv()
    except EOFError:
        row = None
    process.join()
    if row is None:
        code = process.exitcode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        row = {"failure": f"the measuring process died: {how}"}
    return row


# --- The job ------------------------------------------------------------------
def default_tolerance(level):
    """A rounded activation next to the middle between two codes may go either
    way in two exact implementations, and deep networks amplify that; without
    rounded activations there is only the order of sums."""
    rounds = "-dynamic" in level or re.match(r"w\d+a\d+", level)
    return 5e-2 if rounds else 1e-4


def find_compiler(folder):
    folders = [folder] if folder else [
        os.path.join(ROOT, "build", "bin")]
    for candidate in folders:
        path = os.path.join(candidate, "compress-compile")
        if os.access(path, os.X_OK):
            return path
    path = None if folder else shutil.which("compress-compile")
    if not path:
        where = folder or "build/bin or PATH"
        raise BenchmarkError(f"no compress-compile in {where}: build it, or "
                             "name its folder with --bin")
    return path


def compile_model(compiler, model, level, data, folder):
    command = [compiler, model, "-o", folder, "--level", level, "--no-compare"]
    if data and level != "f32":
        command += ["--data", data]
    done = subprocess.run(command, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        if done.returncode < 0:
            lines.append(signal.Signals(-done.returncode).name)
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise BenchmarkError(f"compress-compile --level {level}: {reason}")


def duration(seconds):
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def table_row(row):
    cells = [row["model"], row["level"], str(row["threads"])]
    if "failure" in row:
        error = f"{row['error']:.1e}" if "error" in row else ""
        return cells + ["failed", "", "", "", error, ""]
    for side in ("ours", "ort"):
        s = row[side]
        spread = (s["q3"] - s["q1"]) / s["median"]
        cells.append(f"{duration(s['median'])} ~{spread:.0%}")
    return cells + [f"{row['ratio']:.2f}",
                    f"{row['ratio_min']:.2f}..{row['ratio_max']:.2f}",
                    f"{row['error']:.1e}" +
                    ("*" if row["constant_output"] else ""),
                    f"{row['ort_error']:.1e}"]


def print_table(rows):
    head = ["model", "level", "threads", "ours", "ONNX Runtime", "ratio",
            "range", "our error", "ORT error"]
    cells = [head] + [table_row(row) for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    cells.insert(1, ["-" * width for width in widths])
    for line in cells:
        print("  ".join(text.ljust(width) if i < 2 else text.rjust(width)
                        for i, (text, width) in enumerate(zip(line, widths)))
              .rstrip())
    print("\nratio: our time over ONNX Runtime's, lower is better; the median "
          "over the rounds,\nrange their extremes. ~: width of the middle half "
          "of the times. errors: largest\ndifference from ONNX Runtime without "
          "graph optimization, over the largest output.")
    if any(row.get("constant_output") for row in rows):
        print("*: all outputs are one value, so that agreement proves little.")


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="model.onnx",
                        help="default: the digits and charlm examples")
    parser.add_argument("--bin", metavar="DIR",
                        help="where compress-compile is (default: build/bin, "
                        "then PATH)")
    parser.add_argument("--data", metavar="FILE",
                        help=".npz or .npy of samples, for one model (default: "
                        "calib.npz beside the model if there is one; else "
                        "random inputs)")
    parser.add_argument("--levels", metavar="A,B",
                        help="default: f32,int8,int8-dynamic, and w8a8 where "
                        "there is data")
    parser.add_argument("--threads", default="1,2", metavar="N,M",
                        help="thread counts (default 1,2)")
    parser.add_argument("--batch", type=int, default=1, metavar="N",
                        help="size of dynamic dimensions (default 1)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N",
                        help="how often blocks of runs of each side take turns "
                        "(default 7)")
    parser.add_argument("--block-ms", type=float, default=150, metavar="T",
                        help="length of a block (default 150; at least 3 runs)")
    parser.add_argument("--tolerance", type=float, metavar="E",
                        help="largest relative error of outputs (default 1e-4, "
                        "5e-2 for levels that round activations)")
    parser.add_argument("--json", metavar="FILE",
                        help="where to write all numbers (default: nowhere)")
    parser.add_argument("--keep", metavar="DIR",
                        help="keep the compiled models here, one folder for "
                        "each model and level (default: deleted)")
    options = parser.parse_args()
    options.models = options.models or DEFAULT_MODELS
    try:
        options.threads = [int(n) for n in options.threads.split(",")]
    except ValueError:
        parser.error("--threads takes numbers separated by commas")
    if min(options.threads + [options.batch, options.rounds]) < 1:
        parser.error("--threads, --batch and --rounds must be at least 1")
    if options.block_ms <= 0:
        parser.error("--block-ms must be positive")
    for file in options.models + ([options.data] if options.data else []):
        if not os.path.isfile(file):
            parser.error(f"no such file: {file}")
    if options.data and len(options.models) > 1:
        parser.error("--data goes with one model")
    return options


def unique_names(models):
    names = []
    for model in models:
        name = base = os.path.splitext(os.path.basename(model))[0]
        number = 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def run_all(options, compiler, folder):
    rows = []
    for name, model in zip(unique_names(options.models), options.models):
        data = options.data
        if not data:
            beside = os.path.join(os.path.dirname(model), "calib.npz")
            data = beside if os.path.isfile(beside) else None
        levels = ["f32", "int8", "int8-dynamic"] + (["w8a8"] if data else [])
        if options.levels:
            levels = options.levels.split(",")
        elif not data:
            print(f"{name}: random inputs; no w8a8, which needs --data",
                  file=sys.stderr)
        for level in levels:
            out = os.path.join(folder, f"{name}-{level}")
            failure = None
            try:
                compile_model(compiler, model, level, data, out)
            except BenchmarkError as error:
                failure = str(error)
            for threads in options.threads:
                row = {"model": name, "level": level, "threads": threads}
                tolerance = options.tolerance or default_tolerance(level)
                if failure:
                    row["failure"] = failure
                else:
                    row.update(measure_in_child({
                        "library": os.path.join(out, "model.so"),
                        "peer": model if level == "f32" else
                        os.path.join(out, "model.onnx"),
                        "data": data, "batch": options.batch,
                        "threads": threads, "rounds": options.rounds,
                        "seconds": options.block_ms / 1e3,
                        "tolerance": tolerance}))
                if "failure" in row:
                    print(f"error: {name} {level}, {threads} threads: "
                          f"{row['failure']}", file=sys.stderr)
                rows.append(row)
    return rows


def main():
    options = parse_arguments()
    try:
        import numpy  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise BenchmarkError(f"{error}: install requirements.txt") from error
    compiler = find_compiler(options.bin)
    before = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        rows = run_all(options, compiler, options.keep or scratch)
    after = os.getloadavg()[0]
    print(f"{processor()}, {cores} cores; ONNX Runtime "
          f"{onnxruntime.__version__}; batch {options.batch}; load average "
          f"{before:.1f} before, {after:.1f} after\n")
    print_table(rows)
    # Our own threads are part of `after`, so only `before` tells.
    sys.stdout.flush()
    if before > 0.5:
        print(f"\nwarning: other programs kept the machine busy (load "
              f"{before:.1f} before the start): times are not those of an idle "
              "machine", file=sys.stderr)
    if options.json:
        report = {"processor": processor(), "cores": cores,
                  "onnxruntime": onnxruntime.__version__,
                  "batch": options.batch, "rounds": options.rounds,
                  "block_ms": options.block_ms, "load_before": before,
                  "load_after": after, "rows": rows}
        partial = f"{options.json}.{os.getpid()}.tmp"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
        os.replace(partial, options.json)
    return 1 if any("failure" in row for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchmarkError, OSError) as error:
        print(f"networks.py: error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
