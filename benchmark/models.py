#===- models.py - networks to measure, made here -------------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Networks by name, with seeded random weights of sensible variance (times do
not depend on the values, but agreement of outputs proves nothing when all
weights are equal): convolutional networks whose graphs come with the `onnx`
package, and encoder transformers."""
import os

from harness import BenchmarkError

SAMPLES = 16
CONVOLUTIONAL = ("resnet50", "squeezenet", "densenet121", "vgg19")
# layers, hidden size, heads, inner size
ENCODERS = {"minilm": (6, 384, 12, 1536), "bert-base": (12, 768, 12, 3072)}
SEQUENCE = 128
NAMES = CONVOLUTIONAL + tuple(ENCODERS)


def is_encoder(name):
    return name in ENCODERS


def make_model(name, folder):
    """Writes NAME.onnx and NAME.npz (samples for calibration and comparison)
    into the folder unless they are there; gives both paths."""
    import numpy as np
    import onnx
    model_path = os.path.join(folder, name + ".onnx")
    data_path = os.path.join(folder, name + ".npz")
    if os.path.isfile(model_path) and os.path.isfile(data_path):
        return model_path, data_path
    rng = np.random.default_rng(0)
    model = (encoder(rng, *ENCODERS[name]) if is_encoder(name)
             else convolutional(rng, name))
    onnx.checker.check_model(model)
    onnx.save(model, model_path)
    feeds = {}
    for value in inputs(model.graph):
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        feeds[value.name] = rng.standard_normal(
            [shape[0] * SAMPLES] + shape[1:], dtype=np.float32)
    np.savez(data_path, **feeds)
    return model_path, data_path


def inputs(graph):
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


# --- Convolutional networks of the onnx package -------------------------------
def convolutional(rng, name):
    import numpy as np
    import onnx
    from onnx import numpy_helper, version_converter
    path = os.path.join(os.path.dirname(onnx.__file__), "backend", "test",
                        "data", "light", f"light_{name}.onnx")
    if not os.path.isfile(path):
        raise BenchmarkError(f"the onnx package has no {path}")
    model = onnx.load(path)
    graph = model.graph
    # Weights are made by ConstantOfShape nodes from shapes in initializers.
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    made = {node.output[0]: shapes[node.input[0]].tolist()
            for node in graph.node if node.op_type == "ConstantOfShape"}
    kept = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    used = {name for node in kept for name in node.input}
    initializers = [t for t in graph.initializer if t.name in used]
    values = {}
    for node in kept:
        for index, operand in enumerate(node.input):
            if operand in made and operand not in values:
                values[operand] = fill(rng, node, index, made[operand])
    calibrate_last(graph, kept, values)
    real = inputs(graph)  # Some graphs list their weights, too.
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(initializers)
    graph.initializer.extend(numpy_helper.from_array(v.astype(np.float32), n)
                             for n, v in values.items())
    del graph.input[:]
    graph.input.extend(real)
    del graph.value_info[:]
    model.ir_version = max(model.ir_version, 8)
    # Attributes of old operator sets became operands; peers' quantization
    # tools ask for at least 13.
    return version_converter.convert_version(model, 13)


def fill(rng, node, index, shape):
    """He's variance for weights; statistics near those of normalized data."""
    import numpy as np
    if node.op_type == "BatchNormalization":
        if index in (1, 4):  # Scale, variance.
            return rng.uniform(0.8, 1.2, shape)
        return 0.1 * rng.standard_normal(shape)
    if node.op_type in ("Conv", "Gemm", "MatMul") and index == 1:
        inputs_of_one = np.prod(shape[1:])
        return rng.standard_normal(shape) * np.sqrt(2 / inputs_of_one)
    if node.op_type == "Mul":
        return rng.uniform(0.8, 1.2, shape)
    return 0.1 * rng.standard_normal(shape)


def calibrate_last(graph, nodes, values):
    """Without trained statistics magnitudes grow with depth; scales the last
    weights so that a final softmax does not saturate."""
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper
    last = [n for n in nodes if n.op_type in ("Conv", "Gemm", "MatMul")][-1]
    probe = onnx.ModelProto()
    probe.CopyFrom(onnx.helper.make_model(
        onnx.GraphProto(), ir_version=8,
        opset_imports=[onnx.helper.make_opsetid("", 9)]))
    probe.graph.name = "probe"
    probe.graph.node.extend(nodes)
    probe.graph.initializer.extend(
        t for t in graph.initializer
        if any(t.name in n.input for n in nodes))
    probe.graph.initializer.extend(
        numpy_helper.from_array(v.astype(np.float32), n)
        for n, v in values.items())
    probe.graph.input.extend(inputs(graph))
    probe.graph.output.append(onnx.helper.make_tensor_value_info(
        last.output[0], onnx.TensorProto.FLOAT, None))
    session = ort.InferenceSession(probe.SerializeToString(),
                                   providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = {i.name: rng.standard_normal(i.shape).astype(np.float32)
             for i in session.get_inputs()}
    spread = session.run(None, feeds)[0].std()
    for operand in last.input[1:]:
        if operand in values:
            values[operand] = values[operand] * (0.5 / spread)


# --- Encoder transformers -----------------------------------------------------
def encoder(rng, layers, hidden, heads, inner):
    """Layers as PyTorch's exporter writes BERT's (post-normalization, GELU by
    erf), from embedded tokens [1, SEQUENCE, hidden] on."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    nodes, constants, count = [], {}, [0]

    def constant(value):
        name = f"c{len(constants)}"
        constants[name] = value
        return name

    def weight(*shape):
        scale = 1 / np.sqrt(shape[0])
        return constant((scale * rng.standard_normal(shape))
                        .astype(np.float32))

    def vector(size, mean=0.0):
        return constant((mean + 0.1 * rng.standard_normal(size))
                        .astype(np.float32))

    def op(kind, *operands, **attributes):
        count[0] += 1
        name = f"t{count[0]}"
        nodes.append(helper.make_node(kind, operands, [name], name=name,
                                      **attributes))
        return name

    def linear(x, rows, columns):
        product = op("MatMul", x, weight(rows, columns))
        return op("Add", vector(columns), product)

    def normalize(x):
        return op("LayerNormalization", x, vector(hidden, 1.0),
                  vector(hidden), axis=-1, epsilon=1e-12)

    def scalar(value):
        return constant(np.array(value, np.float32))

    size = hidden // heads
    split = constant(np.array([1, SEQUENCE, heads, size], np.int64))
    join = constant(np.array([1, SEQUENCE, hidden], np.int64))
    root, sqrt2 = scalar(np.sqrt(size)), scalar(np.sqrt(2.0))
    one, half = scalar(1.0), scalar(0.5)

    def split_heads(x, perm):
        return op("Transpose", op("Reshape", x, split), perm=perm)

    x = "embedded"
    for _ in range(layers):
        query, key, value = (linear(x, hidden, hidden) for _ in range(3))
        query = split_heads(query, [0, 2, 1, 3])
        key = split_heads(key, [0, 2, 3, 1])
        value = split_heads(value, [0, 2, 1, 3])
        scores = op("Div", op("MatMul", query, key), root)
        context = op("MatMul", op("Softmax", scores, axis=-1), value)
        context = op("Transpose", context, perm=[0, 2, 1, 3])
        context = op("Reshape", context, join)
        x = normalize(op("Add", linear(context, hidden, hidden), x))
        y = linear(x, hidden, inner)
        erf = op("Add", op("Erf", op("Div", y, sqrt2)), one)
        y = op("Mul", op("Mul", y, erf), half)
        x = normalize(op("Add", linear(y, inner, hidden), x))
    shape = [1, SEQUENCE, hidden]
    nodes[-1].output[0] = "encoded"
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("embedded", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("encoded", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(v, n) for n, v in constants.items()])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 17)])
