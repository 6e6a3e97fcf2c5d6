"""Single-operator cases for ops-vs-onnxruntime.py.

A case is a node with its inputs. Cases of one opset are joined into one model,
so that a compile serves many of them; every input is a graph input (nothing may
fold) unless it has to be constant.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Const:
    """An input that is an initializer."""

    def __init__(self, value, dtype=None):
        self.value = np.asarray(value, dtype)


class Case:
    def __init__(self, op, inputs, outputs=1, opset=17, tolerance=1e-5, exact=False, name=None,
                 skip_outputs=(), dynamic=(), off_by_one=0.0, **attributes):
        self.op, self.inputs, self.outputs, self.opset = op, inputs, outputs, opset
        self.tolerance, self.exact, self.attributes = tolerance, exact, attributes
        self.skip_outputs, self.dynamic, self.off_by_one = skip_outputs, dynamic, off_by_one
        self.label = name or op


CASES = []


def case(op, *inputs, **options):
    CASES.append(Case(op, list(inputs), **options))


def f(*shape, low=-3.0, high=3.0, dtype=np.float32):
    return RNG.uniform(low, high, shape).astype(dtype)


def i(*shape, low=-5, high=6, dtype=np.int64):
    return RNG.integers(low, high, shape).astype(dtype)


def u8(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def s8(*shape):
    return RNG.integers(-128, 128, shape).astype(np.int8)


def b(*shape):
    return RNG.integers(0, 2, shape).astype(bool)


RNG = np.random.default_rng(1)


def elementwise():
    for op in ("Add", "Sub", "Mul", "Div"):
        case(op, f(2, 3, 4), f(2, 3, 4))
        case(op, f(2, 3, 4), f(4))
        case(op, f(3, 1), f(2, 1, 4))
        case(op, f(2, 3), Const(np.float32(2.5)))
        low = 1 if op == "Div" else -5
        case(op, i(2, 3), i(3, low=low), exact=True)
        case(op, i(2, 3, dtype=np.int32), i(2, 3, low=low, dtype=np.int32), exact=True)
    case("Div", i(2, 3, low=0, high=200, dtype=np.uint8), i(3, low=1, high=9, dtype=np.uint8),
         exact=True)
    case("Div", i(4, 5, low=-20, high=20), i(5, low=-4, high=-1), exact=True)
    for op in ("Max", "Min", "Sum", "Mean"):
        case(op, f(2, 3), f(3), f(2, 1))
        case(op, f(2, 3))
    case("Max", i(2, 3, dtype=np.int8), i(2, 3, dtype=np.int8), exact=True)
    case("Min", u8(2, 3).astype(np.uint32), u8(2, 3).astype(np.uint32), exact=True)
    case("Mod", i(3, 5, low=-20, high=20), i(5, low=1), exact=True)
    case("Mod", i(3, 5, low=-20, high=20), i(5, low=-6, high=-1), exact=True)
    case("Mod", f(3, 5), f(5, low=1), fmod=1)
    for power in (2.0, 3.0, 0.5, -1.0, 1.7):
        case("Pow", f(3, 4, low=0.1), Const(np.float32(power)))
    case("Pow", f(3, 4, low=0.1), f(4))
    case("Pow", i(3, 4, low=1), i(4, low=0, high=4), exact=True)
    case("Pow", f(3, 4), Const(np.int64(2)))
    for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
        case(op, np.round(f(3, 4)), np.round(f(4)), exact=True)
        case(op, i(3, 4), i(4), exact=True)
    case("Less", u8(3, 4).astype(np.uint64), u8(4).astype(np.uint64), exact=True)
    for op in ("And", "Or", "Xor"):
        case(op, b(3, 4), b(4), exact=True)
    case("Not", b(3, 4), exact=True)
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        case(op, i(3, 4, dtype=np.int32), i(4, dtype=np.int32), opset=18, exact=True)
    case("BitwiseNot", u8(3, 4), opset=18, exact=True)
    case("BitShift", u8(3, 4), u8(4) % 8, direction="LEFT", exact=True)
    case("BitShift", u8(3, 4), u8(4) % 8, direction="RIGHT", exact=True)
    case("Where", b(2, 3), f(3), f(2, 1))
    case("Where", b(3), i(2, 3), i(1), exact=True)
    case("IsNaN", np.array([[1, np.nan], [np.inf, 0]], np.float32), exact=True)
    case("IsInf", np.array([[1, np.nan], [np.inf, -np.inf]], np.float32), exact=True)
    case("IsInf", np.array([[1, np.nan], [np.inf, -np.inf]], np.float32), exact=True,
         detect_negative=0)
    for source in (f(3, 4, low=-100, high=100), i(3, 4), b(3, 4), u8(3, 4), s8(3, 4),
                   f(3, 4).astype(np.float16), f(3, 4).astype(np.float64)):
        for to in (TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL,
                   TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8):
            case("Cast", source, to=to, exact=True, name=f"Cast {source.dtype} to {to}")
    case("Cast", f(3, 4, low=0, high=200), to=TensorProto.UINT8, exact=True)
    case("Identity", f(3, 4), exact=True)
    case("Dropout", f(3, 4), exact=True)
    case("Dropout", f(3, 4), outputs=2, exact=True)
    case("Neg", i(3, 4), exact=True)
    case("Neg", f(3, 4), exact=True)
    case("Abs", i(3, 4, dtype=np.int32), exact=True)
    case("Abs", f(3, 4), exact=True)
    case("Sign", f(3, 4), exact=True)
    case("Sign", i(3, 4), exact=True)
    case("Clip", f(3, 4), Const(np.float32(-1)), Const(np.float32(1)), exact=True)
    case("Clip", f(3, 4), None, Const(np.float32(1)), exact=True)
    case("Clip", i(3, 4), Const(np.int64(-1)), exact=True)
    case("Clip", f(3, 4), opset=6, min=-1.0, max=0.5, exact=True)


def activations():
    x = f(3, 5)
    for op in ("Ceil", "Floor", "Round", "Relu"):
        case(op, np.concatenate([x, np.array([[0.5, 1.5, 2.5, -0.5, -1.5]], np.float32)]),
             exact=True)
    for op in ("Atan", "Asinh", "Cos", "Cosh", "Erf", "Exp", "Sigmoid", "Sin", "Sinh", "Tan",
               "Tanh", "Softplus", "Softsign", "HardSwish", "HardSigmoid", "Elu", "Selu", "Celu",
               "LeakyRelu", "ThresholdedRelu", "Reciprocal"):
        case(op, x)
    case("Mish", x, opset=18)
    for op in ("Acos", "Asin", "Atanh"):
        case(op, f(3, 5, low=-0.9, high=0.9))
    for op in ("Log", "Sqrt"):
        case(op, f(3, 5, low=0.1))
    case("Acosh", f(3, 5, low=1.1))
    case("LeakyRelu", x, alpha=0.3)
    case("Elu", x, alpha=0.7)
    case("Celu", x, alpha=2.0)
    case("Selu", x, alpha=1.5, gamma=2.0)
    case("HardSigmoid", x, alpha=0.3, beta=0.4)
    case("Shrink", x, lambd=1.0, bias=0.5)
    case("PRelu", f(2, 3, 4), f(3, 1))
    case("Gelu", x, opset=20)
    case("Gelu", x, opset=20, approximate="tanh")
    case("Relu", x.astype(np.float64), exact=True)


def contractions():
    case("MatMul", f(3, 4), f(4, 5))
    case("MatMul", f(2, 3, 4), f(4, 5))
    case("MatMul", f(2, 3, 4), f(2, 4, 5))
    case("MatMul", f(2, 1, 3, 4), f(1, 6, 4, 5))
    case("MatMul", f(3, 4), f(2, 4, 5))
    case("MatMul", f(4), f(4, 5))
    case("MatMul", f(2, 3, 4), f(4))
    case("MatMul", f(4), f(4))
    case("MatMul", i(3, 4, dtype=np.int32), i(4, 5, dtype=np.int32), exact=True)
    case("MatMul", f(3, 4).astype(np.float64), f(4, 5).astype(np.float64))
    for trans_a in (0, 1):
        for trans_b in (0, 1):
            case("Gemm", f(*((4, 3) if trans_a else (3, 4))),
                 f(*((5, 4) if trans_b else (4, 5))), f(5), transA=trans_a, transB=trans_b)
    case("Gemm", f(3, 4), f(4, 5), f(3, 1), alpha=0.5, beta=2.0)
    case("Gemm", f(3, 4), f(4, 5), f(1, 5), beta=2.0)
    case("Gemm", f(3, 4), f(4, 5), alpha=0.5)
    case("Gemm", f(3, 4), f(4, 5), f(3, 5))
    case("Gemm", f(3, 4), f(4, 5), f())

    x = f(2, 6, 9, 8)
    case("Conv", x, f(4, 6, 3, 3))
    case("Conv", x, f(4, 6, 3, 3), f(4), pads=[1, 1, 1, 1])
    case("Conv", x, f(4, 6, 3, 2), f(4), pads=[1, 0, 2, 1], strides=[2, 3], dilations=[2, 1])
    case("Conv", x, f(6, 1, 3, 3), f(6), group=6, pads=[1, 1, 1, 1])
    case("Conv", x, f(12, 1, 3, 3), f(12), group=6, strides=[2, 2])
    case("Conv", x, f(8, 3, 3, 3), f(8), group=2, pads=[1, 1, 1, 1])
    case("Conv", x, f(2, 3, 3, 3), group=2)
    case("Conv", x, f(3, 6, 1, 1), f(3))
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        case("Conv", x, f(4, 6, 3, 3), auto_pad=pad, strides=[2, 2])
        case("Conv", x, f(4, 6, 2, 4), auto_pad=pad)
    case("Conv", f(2, 3, 11), f(4, 3, 3), f(4), pads=[1, 2], strides=[2])
    case("Conv", f(2, 2, 5, 6, 7), f(3, 2, 3, 2, 3), f(3), pads=[1, 0, 1, 0, 1, 0])
    case("Conv", f(2, 4, 5, 6, 7), f(4, 1, 3, 3, 3), group=4)
    w = f(6, 4, 3, 3)
    case("ConvTranspose", x, w)
    case("ConvTranspose", x, w, f(4), strides=[2, 2])
    case("ConvTranspose", x, w, strides=[2, 3], pads=[1, 1, 0, 1], dilations=[1, 2])
    case("ConvTranspose", x, w, strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1])
    case("ConvTranspose", x, f(6, 2, 3, 3), f(6), group=3, strides=[2, 2])
    case("ConvTranspose", x, w, strides=[2, 2], output_shape=[18, 16])
    case("ConvTranspose", x, w, strides=[2, 2], auto_pad="SAME_UPPER")
    case("ConvTranspose", f(2, 3, 5), f(3, 2, 4), strides=[2])


def pooling():
    x = f(2, 3, 9, 8)
    for op in ("MaxPool", "AveragePool", "LpPool"):
        case(op, x, kernel_shape=[3, 3], strides=[2, 2])
        case(op, x, kernel_shape=[3, 2], pads=[1, 0, 1, 1])
        case(op, x, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2])
        case(op, x, kernel_shape=[2, 2], auto_pad="SAME_LOWER")
        case(op, f(2, 3, 10), kernel_shape=[3], strides=[2])
        case(op, f(2, 2, 5, 6, 7), kernel_shape=[2, 2, 3], strides=[1, 2, 2])
    for op in ("MaxPool", "AveragePool"):
        case(op, x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        case(op, x, kernel_shape=[2, 3], strides=[2, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    case("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    case("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1,
         count_include_pad=1, opset=19)
    case("AveragePool", x, kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1], opset=19)
    case("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 3])
    case("MaxPool", u8(2, 3, 6, 6), kernel_shape=[2, 2], exact=True)
    case("MaxPool", s8(2, 3, 6, 6), kernel_shape=[3, 3], pads=[1, 1, 1, 1], exact=True)
    case("LpPool", x, kernel_shape=[2, 2], p=1)
    case("LpPool", x, kernel_shape=[2, 2], p=3)
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        case(op, x)
        case(op, f(2, 3, 7))


def normalizations():
    x = f(2, 3, 4, 5)
    for op in ("Softmax", "LogSoftmax"):
        case(op, x)
        case(op, x, axis=1)
        case(op, x, opset=11)
        case(op, x, opset=11, axis=2)
        case(op, f(3, 7) * 40)
    case("LayerNormalization", x, f(5), f(5))
    case("LayerNormalization", x, f(4, 5), f(4, 5), axis=2, epsilon=1e-3)
    case("LayerNormalization", x, f(5))
    case("LayerNormalization", x, f(5), f(5), outputs=3)
    case("RMSNormalization", x, f(5), opset=23)
    case("InstanceNormalization", x, f(3), f(3), epsilon=1e-4)
    case("GroupNormalization", f(2, 6, 4, 5), f(6), f(6), num_groups=3, opset=21)
    bn = (f(3), f(3), f(3), f(3, low=0.1))
    case("BatchNormalization", x, *bn)
    case("BatchNormalization", x, *bn, opset=9, epsilon=1e-2)
    case("BatchNormalization", f(2, 3), *bn)
    case("LRN", f(2, 7, 4, 5), size=3)
    case("LRN", f(2, 7, 4, 5), size=5, alpha=0.1, beta=0.5, bias=2.0)
    case("LpNormalization", x, axis=1)
    case("LpNormalization", x, p=1)
    case("MeanVarianceNormalization", x)


def reductions():
    x = f(2, 3, 4)
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
               "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare", "ReduceLogSum"):
        data = np.abs(x) + 0.1 if op == "ReduceLogSum" else x
        axes = (lambda v: {"axes": v}) if op != "ReduceSum" else None
        if axes:
            case(op, data, axes=[1])
            case(op, data, axes=[-1, 0], keepdims=0)
        case(op, data)
        case(op, data, keepdims=0)
        if op != "ReduceSum":
            case(op, data, Const([0, 2], np.int64), opset=18, keepdims=0)
    case("ReduceSum", x, Const([1], np.int64))
    case("ReduceSum", x, Const([0, -1], np.int64), keepdims=0)
    case("ReduceSum", x, opset=11, axes=[1], keepdims=0)
    case("ReduceSum", x, noop_with_empty_axes=1)
    case("ReduceSum", i(2, 3, 4), exact=True)
    case("ReduceMax", i(2, 3, 4, dtype=np.int32), axes=[2], exact=True)
    case("ReduceMin", u8(2, 3, 4), axes=[2], exact=True)
    case("ReduceL1", i(2, 3, 4, dtype=np.int32), axes=[2], exact=True)
    case("ReduceMean", i(2, 3, 4, dtype=np.int32), axes=[2], exact=True)
    for op in ("ArgMax", "ArgMin"):
        y = np.round(f(4, 5))
        case(op, y, exact=True)
        case(op, y, axis=1, keepdims=0, exact=True)
        case(op, y, axis=-1, select_last_index=1, exact=True)
        case(op, i(4, 5, dtype=np.int32), axis=1, exact=True)
    for options in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
        case("CumSum", f(3, 4), Const(np.int64(1)), **options)
    case("CumSum", i(3, 4), Const(np.int64(-2)), exact=True)


def shapes():
    x = f(2, 3, 4)
    for shape in ([6, 4], [-1], [0, -1], [2, 1, 12], [4, 3, 2], [0, 0, 2, 2], [3, 8]):
        case("Reshape", x, Const(shape, np.int64), exact=True)
    case("Reshape", f(2), Const([2, 1, 1], np.int64), exact=True)
    for axis in (0, 1, 2, 3, -1):
        case("Flatten", x, axis=axis, exact=True)
    case("Squeeze", f(2, 1, 3, 1), exact=True)
    case("Squeeze", f(2, 1, 3, 1), Const([1], np.int64), exact=True)
    case("Squeeze", f(2, 1, 3, 1), axes=[-1], opset=11, exact=True)
    case("Unsqueeze", x, Const([0, -1], np.int64), exact=True)
    case("Unsqueeze", x, axes=[1, 3], opset=11, exact=True)
    case("Shape", x, exact=True)
    case("Shape", x, start=1, end=-1, exact=True)
    case("Size", x, exact=True)
    case("Expand", f(3, 1), Const([2, 3, 4], np.int64), exact=True)
    case("Expand", f(2, 3), Const([1, 1], np.int64), exact=True)
    case("Range", Const(np.int64(2)), Const(np.int64(11)), Const(np.int64(3)), exact=True)
    case("Range", Const(np.float32(5)), Const(np.float32(-1)), Const(np.float32(-0.75)))
    case("EyeLike", f(4, 5), k=1, exact=True)
    case("ConstantOfShape", Const([2, 3], np.int64), exact=True,
         value=numpy_helper.from_array(np.array([7], np.int32)))
    case("Transpose", x, exact=True)
    case("Transpose", x, perm=[1, 0, 2], exact=True)
    case("Transpose", f(2, 3, 4, 5), perm=[0, 3, 1, 2], exact=True)
    case("Concat", x, f(2, 1, 4), f(2, 5, 4), axis=1, exact=True)
    case("Concat", x, x, axis=-1, exact=True)
    case("Concat", i(2, 3), i(4, 3), axis=0, exact=True)
    case("Split", f(6, 4), outputs=3, axis=0, exact=True)
    case("Split", f(6, 5), Const([2, 3], np.int64), outputs=2, axis=1, exact=True)
    case("Split", f(6, 5), outputs=2, axis=-1, split=[1, 4], opset=11, exact=True)
    case("Split", f(7, 4), outputs=3, axis=0, num_outputs=3, opset=18, exact=True)

    def sliced(starts, ends, axes=None, steps=None, **options):
        inputs = [Const(starts, np.int64), Const(ends, np.int64)]
        if axes is not None or steps is not None:
            inputs.append(Const(axes, np.int64) if axes is not None else None)
        if steps is not None:
            inputs.append(Const(steps, np.int64))
        case("Slice", f(5, 6, 7), *inputs, exact=True, **options)

    sliced([1], [4])
    sliced([1, -3], [100, -1], [0, 2])
    sliced([0, 1], [5, 6], [0, 1], [2, 3])
    sliced([-1], [-100], [1], [-1])
    sliced([4, 6], [0, -(2**63)], [0, 2], [-2, -3])
    case("Slice", f(5, 6), opset=9, starts=[1, 0], ends=[3, -1], axes=[0, 1], exact=True)
    case("Slice", f(5, 6), i(1, low=1, high=2), i(1, low=3, high=4), Const([0], np.int64),
         exact=True, name="Slice with run-time bounds")
    case("Slice", f(5, 6), i(1, low=-1, high=0), i(1, low=-9, high=-8), Const([0], np.int64),
         Const([-2], np.int64), exact=True, name="Slice backwards with run-time bounds")
    case("Tile", f(2, 3), Const([2, 3], np.int64), exact=True)
    case("Tile", f(2, 3), i(2, low=1, high=4), exact=True, name="Tile with run-time repeats")
    case("Pad", x, Const([0, 1, 2, 1, 0, 3], np.int64), exact=True)
    case("Pad", x, Const([0, 1, 2, 1, 0, 3], np.int64), Const(np.float32(4)), exact=True)
    case("Pad", x, Const([0, -1, 2, 0, 0, -1], np.int64), exact=True)
    for mode in ("edge", "reflect"):
        case("Pad", x, Const([1, 2, 3, 0, 1, 2], np.int64), mode=mode, exact=True)
    case("Pad", x, Const([2, 1], np.int64), None, Const([1], np.int64), opset=18, exact=True)
    case("Pad", x, Const([1, 2, 3, 3, 1, 2], np.int64), mode="wrap", opset=19, exact=True)
    case("Pad", f(2, 3), opset=2, pads=[0, 1, 2, 0], value=1.5, exact=True)
    case("Pad", i(2, 3), Const([0, 1, 1, 0], np.int64), exact=True)
    for mode in ("DCR", "CRD"):
        case("DepthToSpace", f(2, 8, 3, 4), blocksize=2, mode=mode, exact=True)
    case("SpaceToDepth", f(2, 3, 6, 4), blocksize=2, exact=True)
    case("Trilu", f(2, 4, 5), exact=True)
    case("Trilu", f(4, 5), Const(np.int64(1)), exact=True)
    case("Trilu", f(4, 5), Const(np.int64(-1)), upper=0, exact=True)


def gathers():
    table = f(5, 4)
    case("Gather", table, i(2, 3, low=-5, high=5), exact=True)
    case("Gather", table, i(2, 3, low=0, high=4, dtype=np.int32), axis=1, exact=True)
    case("Gather", f(3, 4, 5), Const(np.int64(-1)), axis=1, exact=True)
    case("Gather", f(3, 4, 5), i(low=0, high=3), axis=2, exact=True)
    case("GatherElements", f(3, 4), i(3, 4, low=-3, high=3), exact=True)
    case("GatherElements", f(3, 4), i(3, 2, low=0, high=4), axis=1, exact=True)
    case("GatherND", f(3, 4, 5), i(2, 2, low=0, high=3), exact=True)
    case("GatherND", f(3, 4, 5), i(3, 2, 1, low=0, high=4), batch_dims=1, exact=True)
    case("NonZero", np.where(f(3, 4, 5) > 0.5, f(3, 4, 5), 0).astype(np.float32), exact=True)
    case("NonZero", i(7, low=0, high=2), exact=True)
    case("NonZero", np.zeros((4,), np.float32), exact=True)
    case("ScatterND", f(5, 4), Const(np.array([[3], [-5], [1]], np.int64)), f(3, 4), exact=True)
    case("ScatterND", f(3, 4, 5), i(2, 2, low=0, high=3), f(2, 5), exact=True)
    case("ScatterND", f(4), np.zeros((0, 1), np.int64), f(0), exact=True)
    case("OneHot", i(2, 3, low=-4, high=4), Const(np.int64(4)), Const([0.0, 2.0], np.float32),
         exact=True)
    case("OneHot", i(2, 3, low=0, high=4), Const(np.int64(4)), Const([1, 5], np.int64), axis=1,
         exact=True)


def resizes():
    x = f(2, 3, 5, 6)

    def resized(scales=None, sizes=None, **options):
        inputs = [x, None, Const(scales, np.float32) if scales else None]
        if sizes:
            inputs.append(Const(sizes, np.int64))
        case("Resize", *inputs, **options)

    resized([1, 1, 2, 2], mode="nearest", exact=True, opset=13)
    resized([1, 1, 2, 2], mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor", exact=True, opset=13)
    resized([1, 1, 0.6, 1.7], mode="nearest", exact=True, opset=13)
    for nearest in ("round_prefer_ceil", "floor", "ceil"):
        resized([1, 1, 1.3, 2.2], mode="nearest", nearest_mode=nearest, exact=True, opset=13)
    for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
        resized([1, 1, 2, 1.5], mode="linear", coordinate_transformation_mode=coordinates,
                opset=13)
        resized(None, [2, 3, 3, 4], mode="linear", coordinate_transformation_mode=coordinates,
                opset=13)
    resized([1, 1, 2, 2], mode="cubic", opset=13)
    resized([1, 1, 0.8, 2], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5, opset=13)
    resized(None, [2, 3, 7, 9], mode="nearest", exact=True, opset=13)
    case("Resize", x, None, Const([2, 2], np.float32), axes=[2, 3], mode="linear", opset=18)
    case("Resize", x, Const([1, 1, 2, 2], np.float32), mode="nearest", opset=10, exact=True)
    case("Resize", x, Const([1, 1, 2, 2], np.float32), mode="linear", opset=10)
    case("Upsample", x, Const([1, 1, 2, 3], np.float32), mode="nearest", opset=9, exact=True)
    case("Upsample", x, Const([1, 1, 2, 2], np.float32), mode="linear", opset=9)
    case("Upsample", x, scales=[1.0, 1.0, 2.0, 3.0], mode="nearest", opset=7, exact=True)


def quantization():
    x = f(3, 4, 5)
    scale, zero = Const(np.float32(0.03)), Const(np.uint8(120))
    case("QuantizeLinear", x, scale, zero, exact=True)
    case("QuantizeLinear", x, Const(np.float32(0.01)), Const(np.int8(-5)), exact=True)
    case("QuantizeLinear", x, scale, exact=True)
    case("QuantizeLinear", x, Const(f(4, low=0.01, high=0.1)), Const(s8(4)), axis=1, exact=True)
    case("QuantizeLinear", x, Const(np.float32(0.001)), Const(np.int16(100)), opset=21, exact=True)
    case("QuantizeLinear", f(4, 6), Const(f(4, 2, low=0.01, high=0.1)), Const(s8(4, 2)), axis=1,
         block_size=3, opset=21, exact=True)
    case("DequantizeLinear", u8(3, 4), scale, zero)
    case("DequantizeLinear", s8(3, 4), Const(f(3, low=0.01)), Const(s8(3)), axis=0)
    case("DequantizeLinear", s8(4, 6), Const(f(2, 6, low=0.01)), axis=0, block_size=2, opset=21)
    case("DequantizeLinear", i(3, 4, low=-1000, high=1000, dtype=np.int32), scale)
    case("DynamicQuantizeLinear", x, outputs=3, exact=True)
    case("DynamicQuantizeLinear", np.abs(x) + 1, outputs=3, exact=True)
    case("MatMulInteger", u8(3, 4), s8(4, 5), exact=True)
    case("MatMulInteger", u8(3, 4), s8(4, 5), Const(np.uint8(7)), Const(np.int8(-3)), exact=True)
    case("MatMulInteger", u8(3, 4), u8(4, 5), Const(np.uint8(7)), Const(u8(5)), exact=True)
    case("ConvInteger", u8(2, 3, 6, 5), u8(4, 3, 3, 3), Const(np.uint8(9)), pads=[1, 1, 1, 1],
         exact=True)
    case("ConvInteger", u8(2, 3, 6, 5), u8(4, 3, 3, 3), Const(np.uint8(9)), Const(np.uint8(3)),
         strides=[2, 2], exact=True)

    def s(v):
        return Const(np.float32(v))

    case("QLinearMatMul", u8(3, 8), s(0.02), Const(np.uint8(100)), s8(8, 5), s(0.01),
         Const(np.int8(3)), s(0.05), Const(np.uint8(128)), exact=True, off_by_one=0.1)
    case("QLinearConv", u8(2, 3, 6, 5), s(0.02), Const(np.uint8(100)), s8(4, 3, 3, 3), s(0.01),
         Const(np.int8(0)), s(0.4), Const(np.uint8(128)), pads=[1, 1, 1, 1], exact=True,
         off_by_one=0.05)
    case("QLinearConv", u8(2, 4, 6, 5), s(0.02), Const(np.uint8(100)), Const(s8(4, 1, 3, 3)),
         Const(f(4, low=0.005, high=0.02)), Const(np.zeros(4, np.int8)), s(0.1),
         Const(np.uint8(128)), Const(i(4, low=-500, high=500, dtype=np.int32)), group=4,
         exact=True, off_by_one=0.05)


for group in (elementwise, activations, contractions, pooling, normalizations, reductions, shapes,
              gathers, resizes, quantization):
    group()


def models(dynamic=False):
    """Yields (opset, cases, model, inputs): one model for the cases of an opset.
    With `dynamic` the leading size of every case's first input is a symbol."""
    by_opset = {}
    for number, c in enumerate(CASES):
        c.key = f"c{number}"
        by_opset.setdefault(c.opset, []).append(c)
    for opset, cases in sorted(by_opset.items()):
        yield (opset, cases) + build(cases, opset, dynamic)


def build(cases, opset, dynamic=False):
    nodes, graph_inputs, initializers, values = [], [], [], {}
    for c in cases:
        names = []
        for number, value in enumerate(c.inputs):
            name = f"{c.key}_in{number}"
            if value is None:
                name = ""
            elif isinstance(value, Const):
                initializers.append(numpy_helper.from_array(value.value, name))
            else:
                array = np.asarray(value)
                shape = list(array.shape)
                if dynamic and number == 0 and shape and shape[0] != 1:
                    shape[0] = f"N_{c.key}"
                graph_inputs.append(helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), shape))
                values[name] = array
            names.append(name)
        outputs = [f"{c.key}_out{k}" for k in range(c.outputs)]
        nodes.append(helper.make_node(c.op, names, outputs, name=c.key, **c.attributes))
    graph_outputs = [helper.make_empty_tensor_value_info(f"{c.key}_out{k}")
                     for c in cases for k in range(c.outputs)]
    graph = helper.make_graph(nodes, "ops", graph_inputs, graph_outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10 if opset > 8 else 4
    return model, values


def agree(c, mine, reference):
    """An error message, or None."""
    if mine.shape != reference.shape:
        return f"shape {mine.shape}, expected {reference.shape}"
    if mine.dtype != reference.dtype:
        return f"type {mine.dtype}, expected {reference.dtype}"
    if c.exact:
        same = np.array_equal(mine, reference, equal_nan=mine.dtype.kind == "f")
        if same:
            return None
        if c.off_by_one and mine.dtype.kind in "iu":
            # A rounding tie may fall either way when scales are not exact.
            difference = np.abs(mine.astype(np.int64) - reference.astype(np.int64))
            if difference.max() <= 1 and (difference > 0).mean() <= c.off_by_one:
                return None
        return f"differs:\n{mine.ravel()[:12]}\n{reference.ravel()[:12]}"
    a, r = mine.astype(np.float64), reference.astype(np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(r)):
        return "NaNs differ"
    scale = max(np.nanmax(np.abs(r), initial=0), 1e-3)
    error = np.nanmax(np.abs(a - r), initial=0) / scale
    if error > c.tolerance:
        return f"relative error {error:.3g}:\n{a.ravel()[:8]}\n{r.ravel()[:8]}"
    return None
