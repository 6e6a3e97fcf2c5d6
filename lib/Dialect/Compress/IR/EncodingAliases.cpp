//===- EncodingAliases.cpp - Short names of encodings -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table of names with a function each. Printing tries the names with the
// arguments that the encoding suggests and compares, so there is no second
// table to keep in step.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace compress;

namespace {

/// `<g = 32, s = f16>`: elements per group along the last axis; `<axis = 0>`:
/// one group per entry of an axis; without, one for the whole tensor.
struct Arguments {
  std::optional<int64_t> group, axis;
  /// The type of the scales: f16 for groups, else f32.
  Type scale;

  bool operator==(const Arguments &other) const {
    return group == other.group && axis == other.axis && scale == other.scale;
  }
};

/// Makes the encoding; null where the arguments do not suit the name.
using Make = EncodingAttrInterface (*)(MLIRContext *, ArrayRef<int64_t> shape,
                                       const Arguments &);

struct Alias {
  StringRef name;
  Make make;
};

SmallVector<int64_t> getGroup(ArrayRef<int64_t> shape,
                              const Arguments &arguments) {
  SmallVector<int64_t> group(shape.size(), ShapedType::kDynamic);
  if (arguments.axis) {
    group[*arguments.axis] = 1;
  } else if (arguments.group) {
    llvm::fill(group, 1);
    group.back() = *arguments.group;
  }
  return group;
}

DenseAttr getScale(MLIRContext *context, const Arguments &arguments) {
  if (arguments.scale)
    return DenseAttr::get(context, arguments.scale);
  return DenseAttr::get(context, arguments.group
                                     ? Type(Float16Type::get(context))
                                     : Type(Float32Type::get(context)));
}

template <unsigned width>
EncodingAttrInterface makeSigned(MLIRContext *context, ArrayRef<int64_t> shape,
                                 const Arguments &arguments) {
  return QuantAttr::get(context, IntegerType::get(context, width),
                        getGroup(shape, arguments),
                        getScale(context, arguments), {});
}

template <unsigned width>
EncodingAttrInterface makeUnsigned(MLIRContext *context,
                                   ArrayRef<int64_t> shape,
                                   const Arguments &arguments) {
  Type code = IntegerType::get(context, width, IntegerType::Unsigned);
  return QuantAttr::get(context, code, getGroup(shape, arguments),
                        getScale(context, arguments),
                        DenseAttr::get(context, code));
}

template <typename Code>
EncodingAttrInterface makeFloat(MLIRContext *context, ArrayRef<int64_t> shape,
                                const Arguments &arguments) {
  return QuantAttr::get(context, Code::get(context), getGroup(shape, arguments),
                        getScale(context, arguments), {});
}

/// OCP Microscaling Formats 1.0.
template <typename Code>
EncodingAttrInterface makeMX(MLIRContext *context, ArrayRef<int64_t> shape,
                             const Arguments &arguments) {
  if (!(arguments == Arguments()) || shape.empty())
    return {};
  Arguments blocks;
  blocks.group = 32;
  blocks.scale = Float8E8M0FNUType::get(context);
  return makeFloat<Code>(context, shape, blocks);
}

EncodingAttrInterface makeNVFP4(MLIRContext *context, ArrayRef<int64_t> shape,
                                const Arguments &arguments) {
  if (!(arguments == Arguments()) || shape.empty())
    return {};
  Arguments blocks;
  blocks.group = 16;
  return QuantAttr::get(
      context, Float4E2M1FNType::get(context), getGroup(shape, blocks),
      makeFloat<Float8E4M3FNType>(context, shape, Arguments()), {});
}

EncodingAttrInterface makeNF4(MLIRContext *context, ArrayRef<int64_t> shape,
                              const Arguments &arguments) {
  auto table = CodebookAttr::get(
      context, 16,
      GeneratedAttr::get(context, GeneratedKind::NF4, 0, FloatAttr()), {}, 1,
      {});
  return ScaledAttr::get(context, getGroup(shape, arguments),
                         getScale(context, arguments), table);
}

constexpr Alias aliases[] = {
    {"int2", makeSigned<2>},
    {"int3", makeSigned<3>},
    {"int4", makeSigned<4>},
    {"int5", makeSigned<5>},
    {"int6", makeSigned<6>},
    {"int8", makeSigned<8>},
    {"int16", makeSigned<16>},
    {"uint2", makeUnsigned<2>},
    {"uint3", makeUnsigned<3>},
    {"uint4", makeUnsigned<4>},
    {"uint5", makeUnsigned<5>},
    {"uint6", makeUnsigned<6>},
    {"uint8", makeUnsigned<8>},
    {"fp8", makeFloat<Float8E4M3FNType>},
    {"fp8_e5m2", makeFloat<Float8E5M2Type>},
    {"fp6_e3m2", makeFloat<Float6E3M2FNType>},
    {"fp6_e2m3", makeFloat<Float6E2M3FNType>},
    {"fp4", makeFloat<Float4E2M1FNType>},
    {"mxfp8", makeMX<Float8E4M3FNType>},
    {"mxfp8_e5m2", makeMX<Float8E5M2Type>},
    {"mxfp6_e3m2", makeMX<Float6E3M2FNType>},
    {"mxfp6_e2m3", makeMX<Float6E2M3FNType>},
    {"mxfp4", makeMX<Float4E2M1FNType>},
    {"nvfp4", makeNVFP4},
    {"nf4", makeNF4},
};

ParseResult parseArguments(AsmParser &parser, ArrayRef<int64_t> shape,
                           Arguments &arguments) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::OptionalLessGreater, [&]() -> ParseResult {
        SMLoc loc = parser.getCurrentLocation();
        StringRef key;
        if (parser.parseKeyword(&key) || parser.parseEqual())
          return failure();
        if (key == "s") {
          if (parser.parseType(arguments.scale))
            return failure();
          if (!isa<FloatType>(arguments.scale))
            return parser.emitError(loc, "scales are floats");
          return success();
        }
        int64_t value;
        if ((key != "g" && key != "axis") || arguments.group || arguments.axis)
          return parser.emitError(loc, "expected 'g' or 'axis', and 's'");
        if (parser.parseInteger(value))
          return failure();
        if (shape.empty())
          return parser.emitError(loc, "a tensor of rank 0 has no groups");
        if (key == "g") {
          if (value < 1)
            return parser.emitError(loc, "a group has at least one element");
          arguments.group = value;
          return success();
        }
        if (value < 0 || value >= int64_t(shape.size()))
          return parser.emitError(loc)
                 << "axis " << value << " does not exist in a tensor of rank "
                 << shape.size();
        arguments.axis = value;
        return success();
      });
}

/// Arguments that may stand for this encoding.
SmallVector<Arguments> suggestArguments(EncodingAttrInterface encoding) {
  ArrayRef<int64_t> group;
  EncodingAttrInterface scale;
  if (auto quant = dyn_cast<QuantAttr>(encoding)) {
    group = quant.getGroup();
    scale = quant.getScale();
  } else if (auto scaled = dyn_cast<ScaledAttr>(encoding)) {
    group = scaled.getGroup();
    scale = scaled.getScale();
  } else {
    return {};
  }
  SmallVector<Arguments> result{Arguments()};
  for (auto [axis, size] : llvm::enumerate(group))
    if (size == 1)
      result.emplace_back().axis = axis;
  if (!group.empty() && !ShapedType::isDynamic(group.back()))
    result.emplace_back().group = group.back();
  // Each also with the scale type said.
  if (auto dense = dyn_cast<DenseAttr>(scale))
    for (size_t i = 0, e = result.size(); i < e; ++i) {
      Arguments arguments = result[i];
      arguments.scale = dense.getStorageType();
      result.push_back(arguments);
    }
  return result;
}

} // namespace

OptionalParseResult
compress::parseEncodingAlias(AsmParser &parser, ArrayRef<int64_t> shape,
                             EncodingAttrInterface &encoding) {
  SmallVector<StringRef> names;
  for (const Alias &alias : aliases)
    names.push_back(alias.name);
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (failed(parser.parseOptionalKeyword(&name, names)))
    return std::nullopt;
  Arguments arguments;
  if (parseArguments(parser, shape, arguments))
    return failure();
  const Alias *alias =
      llvm::find_if(aliases, [&](const Alias &a) { return a.name == name; });
  encoding = alias->make(parser.getContext(), shape, arguments);
  if (!encoding)
    return parser.emitError(loc)
           << "'" << name << "' takes no arguments and at least one axis";
  return success();
}

bool compress::printEncodingAlias(AsmPrinter &printer, ArrayRef<int64_t> shape,
                                  EncodingAttrInterface encoding) {
  for (const Arguments &arguments : suggestArguments(encoding)) {
    for (const Alias &alias : aliases) {
      if (alias.make(encoding.getContext(), shape, arguments) != encoding)
        continue;
      printer << alias.name;
      SmallVector<std::string> parts;
      if (arguments.axis)
        parts.push_back("axis = " + std::to_string(*arguments.axis));
      if (arguments.group)
        parts.push_back("g = " + std::to_string(*arguments.group));
      if (arguments.scale)
        llvm::raw_string_ostream(parts.emplace_back())
            << "s = " << arguments.scale;
      if (!parts.empty())
        printer << '<' << llvm::join(parts, ", ") << '>';
      return true;
    }
  }
  return false;
}
