#===- harness.py - what the benchmark scripts share ---------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Compiled models and their peers in one process, blocks of runs that take
turns, and tables of the results."""
import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ABI_VERSION = 1
MAX_RANK = 8
# Threads of OpenMP runtimes go on spinning after a parallel region, 200 ms by
# default in LLVM's. A block of the peer must not compete with them.
SETTLE_SECONDS = 0.25
# References are computed in the measuring process; numpy's threads would go on
# spinning, too. To be set before numpy is imported.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


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


def take_turns(sides, rounds, seconds, threads):
    """Times `sides`, pairs of a name and a function, in blocks that take turns,
    so that a slow phase of the machine falls on all. Gives for each name a
    summary and, against the first, the median ratio of the rounds (first over
    this) and its extremes."""
    blocks = {name: [] for name, _ in sides}
    for _ in range(rounds):
        for name, run in sides:
            if threads > 1 and len(sides) > 1:
                time.sleep(SETTLE_SECONDS)
            blocks[name].append(time_block(run, seconds))
    first = blocks[sides[0][0]]
    result = {}
    for name, _ in sides:
        mine = blocks[name]
        ratios = [statistics.median(a) / statistics.median(b)
                  for a, b in zip(first, mine)]
        result[name] = summarize(mine)
        result[name].update(
            ratio=statistics.median(ratios), ratio_min=min(ratios),
            ratio_max=max(ratios),
            ratio_of_best=min(map(min, first)) / min(map(min, mine)))
    return result


def child(function, job, pipe):
    try:
        pipe.send(function(job))
    except BenchmarkError as error:
        pipe.send({"failure": str(error)})
    except Exception as error:  # Reported, not lost: the parent prints it.
        pipe.send({"failure": f"{type(error).__name__}: {error}"})


def in_child(function, job):
    """function(job) in a process of its own: a crash of either runtime costs
    one row, not the table; one process at a time."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    process = context.Process(target=child, args=(function, job, sender))
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


# --- Compiling and printing ----------------------------------------------------
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


def compile_model(compiler, model, level, data, folder, options=()):
    command = [compiler, model, "-o", folder, "--level", level, "--no-compare"]
    if data and level != "f32":
        command += ["--data", data]
    done = subprocess.run(command + list(options), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        if done.returncode < 0:
            lines.append(signal.Signals(-done.returncode).name)
        errors = [line for line in lines if "error:" in line] or lines
        reason = errors[-1] if errors else f"exit code {done.returncode}"
        raise BenchmarkError(f"compress-compile --level {level}: {reason}")


def duration(seconds):
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def with_spread(summary):
    """Median and, after ~, the width of the middle half relative to it."""
    spread = (summary["q3"] - summary["q1"]) / summary["median"]
    return f"{duration(summary['median'])} ~{spread:.0%}"


def print_cells(head, lines, left=2):
    """A table; the first `left` columns are text, the others numbers."""
    cells = [head] + lines
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    cells.insert(1, ["-" * width for width in widths])
    for line in cells:
        print("  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths))).rstrip())


def report_progress(row):
    """One line while the table is not there yet."""
    what = " ".join(str(row[key]) for key in
                    ("model", "case", "level", "k", "n", "m", "threads")
                    if key in row)
    peers = row.get("peers", {})
    ratios = ", ".join(f"{peer['ratio']:.2f} of {name}"
                       for name, peer in peers.items())
    print(f"{what}: {ratios or row.get('failure', '')}", file=sys.stderr,
          flush=True)


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else float("nan")


def write_json(path, report):
    partial = f"{path}.{os.getpid()}.tmp"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    os.replace(partial, path)


def machine():
    """What has to be known about the machine to compare results."""
    return {"processor": processor(), "cores": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0]}
