#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Generates the standard part of the onnx dialect from the operator schemas of
the Python `onnx` package.

    python3 utils/gen_onnx_ops.py            # rewrite the committed files
    python3 utils/gen_onnx_ops.py --check    # fail if they are out of date

Outputs (under include/compress/Dialect/ONNX/IR):
  ONNXStandardOps.td      one ODS definition for each operator
  ONNXStandardOps.def     one X-macro table of arity by opset version

The rules, shared with the importer and the exporter:
  * the ODS operands are the leading inputs that every version of the operator
    requires; everything after them is one variadic group, with one named
    accessor for each input that returns null when the input is not given;
  * the attributes are the union over all opset versions, all optional;
  * an attribute whose name clashes with an operand or a result (it became an
    input in a later opset, for example the `axes` of Squeeze) gets the prefix
    `legacy_`.
"""

import argparse
import pathlib
import sys

import onnx
from onnx import defs

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "include" / "compress" / "Dialect" / "ONNX" / "IR"

# Operators that stay `onnx.Custom`: they hold subgraphs, or they work on
# sequences, optionals, strings, or encoded images, which nothing here lowers.
EXCLUDED = set("""
  If Loop Scan SequenceMap
  ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase
  SequenceInsert SequenceLength SplitToSequence
  Optional OptionalGetElement OptionalHasElement
  RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer
  ImageDecoder Scatter
  Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform
  RandomUniformLike
  BlackmanWindow HammingWindow HannWindow MelWeightMatrix DFT STFT
  NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss
  AffineGrid CenterCropPad Col2Im DeformConv Det MaxRoiPool MaxUnpool RoiAlign
  NonMaxSuppression Unique Compress ReverseSequence BitCast
  CausalConvWithState LinearAttention TensorScatter
""".split())

# Operators with a hand-written verifier in lib/Dialect/ONNX/IR/ONNXVerifiers.cpp.
VERIFIED = set("""
  Conv ConvTranspose ConvInteger QLinearConv MaxPool AveragePool Gemm MatMul
  Concat Transpose Constant Softmax LogSoftmax Hardmax Flatten Gather
  GatherElements Split TopK ArgMax ArgMin LayerNormalization
  RMSNormalization BatchNormalization GroupNormalization
  InstanceNormalization DepthToSpace SpaceToDepth
  Squeeze Unsqueeze Where QuantizeLinear DequantizeLinear Cast
""".split())

KIND = {
    "INT": "ONNX_IntAttr",
    "FLOAT": "ONNX_FloatAttr",
    "STRING": "StrAttr",
    "INTS": "DenseI64ArrayAttr",
    "FLOATS": "DenseF32ArrayAttr",
    "STRINGS": "StrArrayAttr",
    "TENSOR": "ElementsAttr",
    "SPARSE_TENSOR": "ONNX_ProtoAttr",
}
INFINITE = 2**31 - 1

# Names that would hide members of mlir::Op.
RESERVED = {"Operands", "Results", "Result", "Type", "Types", "Operation",
            "Attributes", "Properties", "Regions", "Loc", "Context"}


def enum_name(value):
    return str(value).rsplit(".", 1)[-1]


def camel(name):
    return "".join(p[:1].upper() + p[1:] for p in name.split("_") if p)


def load():
    """Returns {name: [schema by ascending version]} of the standard domain."""
    ops = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name not in EXCLUDED:
            ops.setdefault(schema.name, []).append(schema)
    for versions in ops.values():
        versions.sort(key=lambda s: s.since_version)
    # The last version that is not a mere deprecation mark describes the op.
    return {n: ops[n] for n in sorted(ops)}


def newest(versions):
    live = [s for s in versions if not s.deprecated]
    return live[-1]


class OpInfo:
    def __init__(self, name, versions):
        self.name = name
        self.versions = [s for s in versions if not s.deprecated]
        top = newest(versions)
        self.inputs = [(p.name, enum_name(p.option)) for p in top.inputs]
        self.outputs = [(p.name, enum_name(p.option)) for p in top.outputs]
        self.required_in = self.required(lambda s: s.inputs)
        self.required_out = self.required(lambda s: s.outputs)
        self.attributes = self.collect_attributes()

    def required(self, params):
        """How many leading inputs (outputs) every version requires."""
        least = None
        for schema in self.versions:
            count = 0
            for p in params(schema):
                if enum_name(p.option) != "Single":
                    break
                count += 1
            least = count if least is None else min(least, count)
        return least or 0

    def collect_attributes(self):
        taken = {camel(n) for n, _ in self.inputs + self.outputs} | RESERVED
        result = {}
        for schema in self.versions:
            for name, attr in schema.attributes.items():
                kind = enum_name(attr.type)
                # The newest version decides; older ones that disagree (Cast-1
                # takes a string) are carried as onnx.Custom.
                result[name] = (kind, attr.required)
        table = []
        for name, (kind, _) in sorted(result.items()):
            ods = name if camel(name) not in taken else "legacy_" + name
            table.append((ods, name, kind))
        return table


def accessor(name, index, kind):
    what = "Operand" if kind == "input" else "Result"
    return (f"    ::mlir::Value get{camel(name)}() {{\n"
            f"      return ::compress::onnx::detail::given{what}(getOperation(), {index});\n"
            "    }\n")


def emit_values(info, values, required, kind):
    """The ODS operand (result) list and the accessors of the optional tail."""
    parts, extra = [], ""
    for i, (name, option) in enumerate(values):
        if i < required:
            parts.append(f"ONNX_Value:${name}")
    tail = values[required:]
    if tail:
        last_name, last_option = tail[-1]
        if len(tail) == 1 and last_option == "Variadic":
            ods = "inputs" if kind == "input" else "outputs"
            if kind == "output" and last_name not in ("data_0",):
                ods = last_name
            parts.append(f"Variadic<ONNX_OptionalValue>:${ods}")
        else:
            ods = "optional_inputs" if kind == "input" else "optional_outputs"
            parts.append(f"Variadic<ONNX_OptionalValue>:${ods}")
            for j, (name, option) in enumerate(tail):
                assert option != "Variadic", info.name
                extra += accessor(name, required + j, kind)
    return parts, extra


def emit_td(info):
    ins, extra_in = emit_values(info, info.inputs, info.required_in, "input")
    outs, extra_out = emit_values(info, info.outputs, info.required_out, "output")
    attrs = [f"OptionalAttr<{KIND[kind]}>:${ods}" for ods, _, kind in info.attributes]
    since = ", ".join(str(s.since_version) for s in info.versions)
    names = lambda vs: ", ".join(
        f"`{n}`" + {"Single": "", "Optional": " (optional)", "Variadic": " (variadic)"}[o]
        for n, o in vs) or "none"
    text = f'def ONNX_{info.name}Op : ONNX_StandardOp<"{info.name}"> {{\n'
    text += f'  let summary = "ONNX {info.name}";\n'
    text += "  let description = [{\n"
    text += f"    Inputs: {names(info.inputs)}. Outputs: {names(info.outputs)}.\n"
    text += f"    Opset versions: {since}.\n"
    text += f"    Specification: https://onnx.ai/onnx/operators/onnx__{info.name}.html\n"
    text += "  }];\n"
    text += "  let arguments = (ins " + ",\n                       ".join(ins + attrs) + ");\n"
    text += "  let results = (outs " + ",\n                     ".join(outs) + ");\n"
    if extra_in or extra_out:
        text += "  let extraClassDeclaration = [{\n" + extra_in + extra_out + "  }];\n"
    if info.name in VERIFIED:
        text += "  let hasVerifier = 1;\n"
    return text + "}\n"


def arity(params, minimum, maximum):
    """(fewest, most) values of one version; -1 stands for no upper bound."""
    fewest = 0
    for i, p in enumerate(params):
        if enum_name(p.option) == "Single":
            fewest = i + 1
    if params and enum_name(params[-1].option) == "Variadic":
        return max(minimum, len(params) - 1), -1
    return fewest, len(params) if maximum != INFINITE else -1


def emit_def(info):
    text = f"ONNX_OP({info.name})\n"
    for ods, name, kind in info.attributes:
        text += f'ONNX_ATTR({info.name}, "{ods}", "{name}", {kind})\n'
    for s in info.versions:
        lo_in, hi_in = arity(s.inputs, s.min_input, s.max_input)
        lo_out, hi_out = arity(s.outputs, s.min_output, s.max_output)
        required = ",".join(sorted(n for n, a in s.attributes.items() if a.required))
        text += (f'ONNX_VERSION({info.name}, {s.since_version}, {lo_in}, {hi_in}, '
                 f'{lo_out}, {hi_out}, "{required}")\n')
    return text


def render():
    infos = [OpInfo(n, v) for n, v in load().items()]
    note = (f"// Generated by utils/gen_onnx_ops.py from the schemas of onnx "
            f"{onnx.__version__}; do not edit.\n"
            "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n")
    td = note + "\n" + "\n".join(emit_td(i) for i in infos)
    table = note + "\n"
    table += "#ifndef ONNX_OP\n#define ONNX_OP(name)\n#endif\n"
    table += "#ifndef ONNX_ATTR\n#define ONNX_ATTR(op, ods, name, kind)\n#endif\n"
    table += ("#ifndef ONNX_VERSION\n#define ONNX_VERSION(op, since, minIn, maxIn, "
              "minOut, maxOut, required)\n#endif\n")
    table += f"#ifndef ONNX_NEWEST_OPSET\n#define ONNX_NEWEST_OPSET {defs.onnx_opset_version()}\n#endif\n\n"
    table += "".join(emit_def(i) for i in infos)
    table += "\n#undef ONNX_OP\n#undef ONNX_ATTR\n#undef ONNX_VERSION\n"
    return {"ONNXStandardOps.td": td, "ONNXStandardOps.def": table}, infos


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true",
                        help="only compare with the committed files")
    args = parser.parse_args()
    files, infos = render()
    table = OUT / "ONNXStandardOps.def"
    if args.check and f" onnx {onnx.__version__};" not in table.read_text():
        print(f"the committed files are not of onnx {onnx.__version__}: not compared")
        return 0
    stale = []
    for name, text in files.items():
        path = OUT / name
        if args.check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print("out of date, run utils/gen_onnx_ops.py: " + ", ".join(stale))
        return 1
    print(f"{len(infos)} operators")
    return 0


if __name__ == "__main__":
    sys.exit(main())
