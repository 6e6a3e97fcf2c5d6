"""NVIDIA's own: products by cuBLASLt and the bandwidth of copies on the device,
through ctypes, so that nothing but the driver and that library is needed.

Everything raises Unavailable, with the reason, where something is missing."""
import ctypes
import ctypes.util
import glob
import os
import statistics

# cudaDataType, cublasComputeType_t and attributes, as in the headers.
R_32F, R_16F, R_8I, R_32I = 0, 2, 3, 10
COMPUTE_32F, COMPUTE_32I = 68, 72
ATTRIBUTE_TRANSA, PREFERENCE_WORKSPACE = 3, 1
OP_T = 1
WORKSPACE = 32 << 20


class Unavailable(Exception):
    pass


def check(status, what):
    if status:
        raise Unavailable(f"{what}: error {status}")


def load(name, patterns=()):
    """The library, by the loader's path or where packages put it."""
    found = [name] + [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    for candidate in found:
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    raise Unavailable(f"there is no {name}")


class Device:
    """The first device, or that of COMPRESS_CUDA_DEVICE, by its driver."""

    def __init__(self):
        self.driver = load("libcuda.so.1")
        self.call("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        number = os.environ.get("COMPRESS_CUDA_DEVICE", "0")
        self.call("cuDeviceGet", ctypes.byref(device),
                  int(number) if number.isdigit() else 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        try:
            function = getattr(self.driver, name)
        except AttributeError:
            raise Unavailable(f"the driver has no {name}") from None
        check(function(*arguments), name)

    def allocate(self, size):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def free(self, *addresses):
        for address in addresses:
            self.call("cuMemFree_v2", address)

    def time(self, enqueue, seconds):
        """Seconds of one `enqueue` on the device: medians of events around as
        many as fill a tenth of the time."""
        start, end, span = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float()
        for event in (start, end):
            self.call("cuEventCreate", ctypes.byref(event), 0)

        def block(count):
            self.call("cuEventRecord", start, None)
            for _ in range(count):
                enqueue()
            self.call("cuEventRecord", end, None)
            self.call("cuEventSynchronize", end)
            self.call("cuEventElapsedTime", ctypes.byref(span), start, end)
            return max(span.value, 1e-6) / 1e3
        block(3)
        count = max(1, int(seconds / 10 / (block(3) / 3)))
        return statistics.median(block(count) for _ in range(9)) / count

    def measure_copy(self, seconds, size=256 << 20):
        """Bytes read and written in a second by copies on the device."""
        one, two = self.allocate(size), self.allocate(size)
        try:
            once = self.time(lambda: self.call(
                "cuMemcpyDtoDAsync_v2", two, one, ctypes.c_size_t(size), None), seconds)
        finally:
            self.free(one, two)
        return 2 * size / once


class Product:
    """y [M, N] = x [M, K] times weights [N, K], in f16 to f32 or int8 to int32."""

    def __init__(self, device, m, k, n, is_byte):
        self.device = device
        self.lt = load("libcublasLt.so.12", [
            "/usr/local/cuda*/lib64/libcublasLt.so*",
            os.path.join(os.path.dirname(os.__file__), "site-packages", "nvidia",
                         "cublas", "lib", "libcublasLt.so*")])
        of, to = (R_8I, R_32I) if is_byte else (R_16F, R_32F)
        compute, scale = (COMPUTE_32I, R_32I) if is_byte else (COMPUTE_32F, R_32F)
        width = 1 if is_byte else 2
        self.one = (ctypes.c_int32 if is_byte else ctypes.c_float)(1)
        self.zero = (ctypes.c_int32 if is_byte else ctypes.c_float)(0)
        self.handle = self.make("cublasLtCreate")
        self.product = self.make("cublasLtMatmulDescCreate", compute, scale)
        transposed = ctypes.c_int32(OP_T)
        self.call("cublasLtMatmulDescSetAttribute", self.product, ATTRIBUTE_TRANSA,
                  ctypes.byref(transposed), ctypes.c_size_t(4))

        def layout(kind, rows, columns):
            return self.make("cublasLtMatrixLayoutCreate", kind, ctypes.c_uint64(rows),
                             ctypes.c_uint64(columns), ctypes.c_int64(rows))
        # Columns are contiguous there: y' [N, M] = w'' x', with w' [K, N].
        self.layouts = [layout(of, k, n), layout(of, k, m), layout(to, n, m)]
        preference = self.make("cublasLtMatmulPreferenceCreate")
        workspace = ctypes.c_size_t(WORKSPACE)
        self.call("cublasLtMatmulPreferenceSetAttribute", preference,
                  PREFERENCE_WORKSPACE, ctypes.byref(workspace), ctypes.c_size_t(8))
        # cublasLtMatmulHeuristicResult_t: the algorithm comes first.
        self.algorithm = (ctypes.c_uint64 * 12)()
        count = ctypes.c_int()
        a, b, y = self.layouts
        self.call("cublasLtMatmulAlgoGetHeuristic", self.handle, self.product, a, b, y, y,
                  preference, 1, self.algorithm, ctypes.byref(count))
        if not count.value:
            raise Unavailable("cuBLASLt has no algorithm for it")
        self.input_bytes, self.output_bytes = 4 * m * k, 4 * m * n
        self.memory = [device.allocate(size) for size in (
            width * n * k, width * m * k, self.output_bytes, WORKSPACE, self.input_bytes)]

    def call(self, name, *arguments):
        check(getattr(self.lt, name)(*arguments), name)

    def make(self, name, *arguments):
        made = ctypes.c_void_p()
        self.call(name, ctypes.byref(made), *arguments)
        return made

    def enqueue(self):
        w, x, y, workspace, _ = self.memory
        a, b, c = self.layouts
        self.call("cublasLtMatmul", self.handle, self.product, ctypes.byref(self.one),
                  w, a, x, b, ctypes.byref(self.zero), y, c, y, c, self.algorithm,
                  workspace, ctypes.c_size_t(WORKSPACE), None)

    def run_with_copies(self):
        """x to the device and y back, in f32, as our runs include them."""
        if not hasattr(self, "host"):
            self.host = [ctypes.create_string_buffer(size)
                         for size in (self.input_bytes, self.output_bytes)]
        self.device.call("cuMemcpyHtoD_v2", self.memory[4], self.host[0],
                         ctypes.c_size_t(self.input_bytes))
        self.enqueue()
        self.device.call("cuMemcpyDtoH_v2", self.host[1], self.memory[2],
                         ctypes.c_size_t(self.output_bytes))

    def free(self):
        self.device.free(*self.memory)
