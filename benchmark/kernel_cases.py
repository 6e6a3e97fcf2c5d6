#===- kernel_cases.py - matrix products to measure -----------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""One-product models, the same product for ONNX Runtime with the same weights,
and float64 references made from what the compiler really stored."""
import os
from dataclasses import dataclass, field

from harness import BenchmarkError, Peer

GROUP = 32


@dataclass
class Case:
    """A level and what it is compared with. `weights` names a maker below;
    `peers` are products of ONNX Runtime, `base` another case of ours. With
    `by_bytes` the base's time is scaled by the bytes of the weights. Bars are
    ratios of times, by rows of the activation; `shares` what share of a ceiling
    ("read" or "operations") should be reached."""
    level: str
    bars: dict
    weights: str = "dense"
    peers: tuple = ()
    base: str = ""
    by_bytes: bool = False
    density: float = 1.0
    # Of the arithmetic that the ceiling is taken from: f32 or int8.
    arithmetic: str = "f32"
    rank_share: float = 0.0
    options: tuple = field(default=())
    shares: dict = field(default_factory=dict)


def own(level, base, bar, m=128, **more):
    return Case(level, {m: bar}, base=base, **more)


# The levels by which `compress-compile` is asked for each case.
CASES = {
    "f32": Case("f32", {1: 1.0, 16: 0.95, 128: 0.90},
                peers=("matmul", "openvino", "onednn")),
    "int4": Case("int4-g32-dynamic-ag32", {1: 0.95, 16: 0.5, 128: 0.38}, "int4",
                 peers=("nbits-4", "nbits-0"), arithmetic="int8",
                 shares={1: ("read", 0.85)}),
    # Activations stay f32, which `accuracy_level` 4 does not do.
    "int4-exact": Case("int4-g32", {1: None, 16: None, 128: None}, "int4",
                       peers=("nbits-4", "nbits-0")),
    "int8": Case("int8-dynamic", {1: 1.0, 16: 0.85, 128: 0.75}, "int8",
                 peers=("dynamic-s8", "dynamic-u8", "onednn-int8"),
                 arithmetic="int8", shares={128: ("operations", 0.88)}),
    "int2": own("int2-g32-dynamic-ag32", "int4", 1.1, 1, by_bytes=True,
                arithmetic="int8"),
    "int3": own("int3-g32-dynamic-ag32", "int4", 1.1, 1, by_bytes=True,
                arithmetic="int8"),
    **{name: Case(name + "-g32-dynamic-ag32", {1: None, 128: None}, base="int4",
                  arithmetic="int8") for name in ("ternary", "binary")},
    # A bit or two on both sides.
    "binary-1": Case("binary-dynamic-a1", {1: None, 16: None, 128: None},
                     base="int8", arithmetic="int8"),
    "ternary-2": Case("ternary-dynamic-a2", {1: None, 16: None, 128: None},
                      base="int8", arithmetic="int8"),
    "int2-exact": own("int2-g32", "int4-exact", 1.1, 1, by_bytes=True),
    "int3-exact": own("int3-g32", "int4-exact", 1.1, 1, by_bytes=True),
    "nf4": own("nf4-g32", "int4-exact", 1.1, 1, by_bytes=True),
    # Tables of one whole weight; wider ones take more permutations.
    **{f"table-{size}": own(f"<codebook<{size}, of = f32>>", "int4-exact", None,
                            1, by_bytes=True) for size in (16, 32, 64, 256)},
    "mxfp4": own("mxfp4", "int4-exact", 1.1, 1, by_bytes=True),
    "fp8": own("fp8-g32", "int4-exact", 1.1, 1, by_bytes=True),
    "sparse-80": own("csr-80%", "f32", 0.6, density=0.20),
    "sparse-90": own("csr-90%", "f32", 0.3, density=0.10),
    "sparse-95": own("csr-95%", "f32", 0.17, density=0.05),
    # Outputs by inputs; weights are [inputs, outputs].
    "block-16x1": own("block16x1-80%+int8-dynamic", "int8", 0.4,
                      weights="blocks-1x16", density=0.2, arithmetic="int8"),
    "block-1x16": own("block16-80%+int8-dynamic", "int8", 0.4,
                      weights="blocks-16x1", density=0.2, arithmetic="int8"),
    "2:4": Case("2:4+int8-dynamic", {1: None, 128: None}, base="int8",
                density=0.5, arithmetic="int8"),
    # What is around codes goes to the activation.
    "rotated-int4": own(
        "<rotated<hadamard, axis = 0, block = 128, of = quant<i4, "
        "group = [32, 1], scale = f16>>>", "int4-exact", None, 1),
    "low-rank": own("lowrank-0.125", "f32", 0.32, weights="low-rank",
                    rank_share=0.125),
    "int4+outliers+rank": own("int4-g32+outliers-1%+lowrank-r32", "int4-exact",
                              1.3, 1, weights="dense"),
}


# --- Weights ------------------------------------------------------------------
def make_weights(kind, k, n):
    """[k, n] f32, and for integer kinds the codes and scales that give them.
    The largest code of each group is used, so that rounding again finds the
    same codes and scales."""
    import numpy as np
    rng = np.random.default_rng(0)
    w = rng.standard_normal((k, n), dtype=np.float32) / np.float32(np.sqrt(k))
    if kind == "int4":
        groups = w.reshape(k // GROUP, GROUP, n)
        scales = (np.abs(groups).max(1, keepdims=True) / 7).astype(np.float16)
        scales = scales.astype(np.float32)
        codes = np.clip(np.rint(groups / scales), -7, 7)
        return ((codes * scales).reshape(k, n).astype(np.float32),
                codes.astype(np.int8).reshape(k, n), scales[:, 0])
    if kind == "int8":
        scales = np.abs(w).max(0) / np.float32(127)
        codes = np.clip(np.rint(w / scales), -127, 127)
        return (codes * scales).astype(np.float32), codes.astype(np.int8), scales
    if kind.startswith("blocks-"):
        rows, columns = (int(s) for s in kind[len("blocks-"):].split("x"))
        kept = rng.random((-(-k // rows), -(-n // columns))) < 0.2
        w *= np.repeat(np.repeat(kept, rows, 0), columns, 1)[:k, :n]
        return w, None, None
    if kind == "low-rank":
        rank = k // 8
        a = rng.standard_normal((k, rank), dtype=np.float32)
        b = rng.standard_normal((rank, n), dtype=np.float32)
        return a @ b / np.float32(np.sqrt(rank * k)), None, None
    return w, None, None


def make_input(m, k):
    import numpy as np
    return np.random.default_rng(1).standard_normal((m, k), dtype=np.float32)


# --- Models -------------------------------------------------------------------
def save_product(path, m, k, n, nodes, constants, com_microsoft=False):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    graph = helper.make_graph(
        nodes, "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])],
        [numpy_helper.from_array(value, name)
         for name, value in constants.items()])
    opsets = [helper.make_opsetid("", 17)]
    if com_microsoft:
        opsets.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets),
              path)


def save_model(case, path, m, k, n):
    """What compress-compile is given."""
    from onnx import helper
    save_product(path, m, k, n, [helper.make_node("MatMul", ["x", "w"], ["y"])],
                 {"w": make_weights(case.weights, k, n)[0]})


def save_peer(name, case, path, m, k, n):
    """The product as ONNX Runtime runs it fastest, on the same weights."""
    import numpy as np
    from onnx import helper
    w, codes, scales = make_weights(case.weights, k, n)
    if name in ("matmul", "openvino", "onednn", "onednn-int8"):
        return save_model(case, path, m, k, n)
    if name.startswith("nbits-"):
        # [n, groups, group / 2]: two codes a byte, the first one low, plus 8.
        bytes_ = (codes.T.reshape(n, k // GROUP, GROUP) + 8).astype(np.uint8)
        packed = bytes_[..., 0::2] | (bytes_[..., 1::2] << 4)
        node = helper.make_node(
            "MatMulNBits", ["x", "codes", "scales"], ["y"],
            domain="com.microsoft", K=k, N=n, bits=4, block_size=GROUP,
            accuracy_level=int(name[-1]))
        constants = {"codes": packed,
                     "scales": np.ascontiguousarray(scales.T).reshape(-1)}
    elif name.startswith("dynamic-"):
        shift, kind = (128, np.uint8) if name.endswith("u8") else (0, np.int8)
        node = helper.make_node(
            "DynamicQuantizeMatMul", ["x", "codes", "scales", "zeros"], ["y"],
            domain="com.microsoft")
        constants = {"codes": (codes.astype(np.int16) + shift).astype(kind),
                     "scales": scales, "zeros": np.full(n, shift, kind)}
    else:
        raise BenchmarkError(f"no peer '{name}'")
    save_product(path, m, k, n, [node], constants, com_microsoft=True)


# --- Reference ----------------------------------------------------------------
class Reference:
    """The product in float64 from the exported model: weights decoded by ONNX
    Runtime without optimization (exactly what the compiler stored), products
    and sums in numpy. `rounded`: with activations rounded as the level says;
    `exact`: with the activations as given."""

    def __init__(self, path, x):
        import onnx
        self.model = onnx.load(path)
        self.x = x
        self.name = self.model.graph.input[0].name
        graph = self.model.graph
        dynamic, self.nodes = {self.name}, []
        for node in graph.node:
            if dynamic & set(node.input):
                dynamic.update(node.output)
                self.nodes.append(node)
        products = [i for i, node in enumerate(self.nodes)
                    if node.op_type in ("MatMul", "Gemm", "MatMulInteger")]
        if not products:
            raise BenchmarkError("the exported model has no product")
        # What comes before the first product rounds the activation; a factor
        # 1 to a value of the same shape would do no harm either.
        before = self.nodes[:products[0]]
        self.rest = self.nodes[products[0]:]
        self.rounds = [out for node in before for out in node.output]
        made = set(o for node in self.rest for o in node.output)
        wanted = {operand for node in self.rest for operand in node.input
                  if operand and operand not in made and operand != self.name}
        self.values = self.fetch(path, sorted(wanted))
        self.rounded = self.evaluate(self.values)
        exact = dict(self.values)
        for operand in wanted & set(self.rounds):
            if exact[operand].shape != x.shape:
                exact = None  # Grouped or permuted: not undone here.
                break
            exact[operand] = x
        self.exact = self.evaluate(exact) if exact else self.rounded

    def fetch(self, path, names):
        import onnx
        stored = {t.name for t in self.model.graph.initializer}
        computed = [name for name in names if name not in stored]
        values = {}
        if computed:
            graph = self.model.graph
            kept = list(graph.output)
            del graph.output[:]
            graph.output.extend(onnx.ValueInfoProto(name=name)
                                for name in computed)
            cut = path + ".cut.onnx"
            onnx.save(self.model, cut)
            del graph.output[:]
            graph.output.extend(kept)
            peer = Peer(cut, 1, optimize=False)
            values = dict(zip(computed,
                              peer.run_once({self.name: self.x}, computed)))
            os.remove(cut)
        from onnx import numpy_helper
        for tensor in self.model.graph.initializer:
            if tensor.name in names:
                values[tensor.name] = numpy_helper.to_array(
                    tensor, os.path.dirname(path))
        return values

    def evaluate(self, given):
        import numpy as np
        from onnx import helper
        values = {name: value.astype(np.float64)
                  if value.dtype.kind == "f" else value
                  for name, value in given.items()}
        values[self.name] = self.x.astype(np.float64)
        for node in self.rest:
            a = [values[name] for name in node.input if name]
            attributes = {attribute.name: helper.get_attribute_value(attribute)
                          for attribute in node.attribute}
            if node.op_type == "MatMul":
                result = a[0] @ a[1]
            elif node.op_type in ("Add", "Mul", "Sub", "Div"):
                result = {"Add": np.add, "Mul": np.multiply,
                          "Sub": np.subtract,
                          "Div": np.divide}[node.op_type](*a)
            elif node.op_type == "Sum":
                result = sum(a)
            elif node.op_type == "Transpose":
                result = np.transpose(a[0], attributes.get("perm"))
            elif node.op_type == "Reshape":
                result = a[0].reshape(a[1])
            elif node.op_type in ("Identity", "Cast"):
                result = a[0]
            else:
                raise BenchmarkError("no reference for the exported operator "
                                     + node.op_type)
            values[node.output[0]] = result
        return values[self.model.graph.output[0].name]


def rms_error(values, reference):
    """Root mean square of the difference over that of the reference."""
    import numpy as np
    difference = values.astype(np.float64) - reference
    return float(np.sqrt((difference ** 2).mean() / (reference ** 2).mean()))
