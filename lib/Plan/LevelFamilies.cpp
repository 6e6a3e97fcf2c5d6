//===- LevelFamilies.cpp - The level names of this library ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LevelFamilies.h"
#include "llvm/Support/Regex.h"
#include <cmath>

using namespace mlir;
using namespace compress;

using ParsedEncoding = llvm::Expected<std::optional<LevelEncoding>>;

/// Numbers in names; 0 when the text is empty or too long to be meant.
static int64_t toNumber(StringRef text) {
  int64_t value = 0;
  return text.size() > 9 || text.getAsInteger(10, value) ? 0 : value;
}

static llvm::Error badNumber(StringRef name, const Twine &what) {
  return llvm::createStringError("level '" + name + "': " + what);
}

/// Group sizes: at least 2, since a group of one stores more than it saves.
static llvm::Expected<int64_t> parseGroup(StringRef name, StringRef digits) {
  if (digits.empty())
    return 0;
  int64_t size = toNumber(digits);
  if (size < 2)
    return badNumber(name, "a group has 2 to 999999999 elements");
  return size;
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// Integer codes with one f32 scale per output channel, or f16 scales for
/// blocks of `group` elements.
static LevelEncoding makeInteger(unsigned bits, bool isUnsigned, int64_t group,
                                 bool asymmetric) {
  LevelEncoding level;
  level.defaultMethod = "rtn";
  level.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    Type code = IntegerType::get(context, bits,
                                 isUnsigned ? IntegerType::Unsigned
                                            : IntegerType::Signless);
    Type scale = group ? Type(Float16Type::get(context))
                       : Type(Float32Type::get(context));
    auto shape = group ? getBlockGroup(type.getShape(), role, group)
                       : getChannelGroup(type.getShape(), role);
    return QuantAttr::get(context, code, shape, DenseAttr::get(context, scale),
                          asymmetric ? DenseAttr::get(context, code)
                                     : EncodingAttrInterface());
  };
  return level;
}

/// What a group of a depth of its own covers. Inputs differ in how much they
/// matter far more than outputs do, so it is what one input channel is
/// multiplied with: all outputs, or `size` of them (then one position of a
/// window, too). Where there are hardly any inputs: as for integers.
static SmallVector<int64_t>
getDepthBlock(RankedTensorType type, const WeightOperand &role, int64_t size) {
  constexpr int64_t fewInputs = 8;
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> block;
  if (role.reductionAxes.empty() || role.outputAxes.empty() ||
      shape[role.reductionAxes[0]] < fewInputs) {
    block =
        size ? getBlockGroup(shape, role, size) : getChannelGroup(shape, role);
    for (auto [extent, dim] : llvm::zip_equal(block, shape))
      if (ShapedType::isDynamic(extent))
        extent = dim;
  } else {
    block.assign(shape.size(), 1);
    if (!size)
      for (int64_t axis : ArrayRef<int64_t>(role.reductionAxes).drop_front())
        block[axis] = shape[axis];
    for (int64_t axis : role.outputAxes)
      block[axis] = shape[axis];
    if (size)
      block[role.outputAxes[0]] = std::min(size, shape[role.outputAxes[0]]);
  }
  for (int64_t &extent : block)
    extent = std::max<int64_t>(extent, 1);
  return block;
}

/// `mixed-3.27`, `mixed-3.27-g64`: groups of several depths in one tensor, a
/// term for each depth: the codes of its groups, and a bit per group that says
/// which they are. Groups in no term are zeros.
static ParsedEncoding parseMixed(StringRef name) {
  static const llvm::Regex regex("^mixed-([0-9.]+)(-g([0-9]+))?$");
  SmallVector<StringRef> match;
  if (!regex.match(name, &match))
    return std::nullopt;
  double bits = 0;
  if (match[1].size() > 12 || match[1].getAsDouble(bits) ||
      !(bits >= 1 && bits <= 14))
    return badNumber(name, "there are 1 to 14 bits a weight, any fraction");
  auto group = parseGroup(name, match[3]);
  if (!group)
    return group.takeError();
  LevelEncoding level;
  level.defaultMethod = "depths";
  level.defaultOptions["bits"] = match[1].str();
  level.weight =
      [bits, size = *group](
          RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    SmallVector<int64_t> block = getDepthBlock(type, role, size);
    SmallVector<int64_t> whole(block.size() + 1, ShapedType::kDynamic);
    whole[0] = 1;
    // Depths far from the mean are rare, and each costs a bit per group.
    int64_t least = std::clamp<int64_t>(int64_t(bits) - 1, 2, 12);
    SmallVector<EncodingAttrInterface> terms;
    for (int64_t depth = least; depth < least + 5; ++depth) {
      auto codes = QuantAttr::get(
          context, IntegerType::get(context, depth), whole,
          DenseAttr::get(context, Float16Type::get(context)), {});
      terms.push_back(SparseAttr::get(context, SparsePattern::Block, block,
                                      ShapedType::kDynamic, codes));
    }
    return SumAttr::get(context, terms);
  };
  return level;
}

/// `coded-2.5`: one step size for all, whose codes have an entropy code.
static ParsedEncoding parseRate(StringRef name) {
  static const llvm::Regex regex("^coded-([0-9.]+)$");
  SmallVector<StringRef> match;
  if (!regex.match(name, &match))
    return std::nullopt;
  double bits = 0;
  if (match[1].size() > 12 || match[1].getAsDouble(bits) ||
      !(bits >= 0.1 && bits <= 7))
    return badNumber(name, "there are 0.1 to 7 bits a weight, any fraction");
  LevelEncoding level;
  level.defaultMethod = "rate";
  level.defaultOptions["bits"] = match[1].str();
  level.weight =
      [bits](RankedTensorType type,
             const WeightOperand &) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    // Rare codes are long, not many.
    auto width = std::clamp<unsigned>(unsigned(std::ceil(bits)) + 2, 3, 8);
    SmallVector<int64_t> whole(type.getRank(), ShapedType::kDynamic);
    auto codes =
        QuantAttr::get(context, IntegerType::get(context, width), whole,
                       DenseAttr::get(context, Float32Type::get(context)), {});
    SmallVector<int64_t> bytes(2, ShapedType::kDynamic);
    return CodedAttr::get(context, Coder::RANS, /*block=*/4096, bytes, codes);
  };
  return level;
}

void compress::addActivation(LevelEncoding &level, unsigned bits, bool dynamic,
                             int64_t blockSize) {
  level.staticActivation = !dynamic;
  level.activation =
      [=](RankedTensorType type,
          const SiteUse &use) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    SmallVector<int64_t> group(type.getRank(), ShapedType::kDynamic);
    int64_t axis = use.role.activationChannelAxis;
    if (dynamic && use.isMatrixProduct() && axis >= 0) {
      llvm::fill(group, 1);
      group[axis] = blockSize ? blockSize : ShapedType::kDynamic;
      if (blockSize)
        return QuantAttr::get(
            context, IntegerType::get(context, bits), group,
            DenseAttr::get(context, Float32Type::get(context)), {});
    }
    Type code = IntegerType::get(context, bits, IntegerType::Unsigned);
    // One of two integers would be zero; these are the least and the largest
    // value.
    Type zero = bits == 1 ? Type(Float32Type::get(context)) : code;
    return QuantAttr::get(context, code, group,
                          DenseAttr::get(context, Float32Type::get(context)),
                          DenseAttr::get(context, zero));
  };
}

static llvm::Error checkBits(StringRef name, int64_t bits) {
  if (bits < 2 || bits > 16)
    return badNumber(name, "integer codes have 2 to 16 bits");
  return llvm::Error::success();
}

static ParsedEncoding parseInteger(StringRef name) {
  static const llvm::Regex regex(
      "^(u?)int([0-9]+)(-g([0-9]+))?(-asym)?(-dynamic(-ag([0-9]+))?)?$");
  SmallVector<StringRef> match;
  if (!regex.match(name, &match))
    return std::nullopt;
  int64_t bits = toNumber(match[2]);
  if (llvm::Error error = checkBits(name, bits))
    return std::move(error);
  auto group = parseGroup(name, match[4]);
  if (!group)
    return group.takeError();
  // Without a zero point, unsigned codes could not hold negative weights.
  bool isUnsigned = !match[1].empty();
  if (isUnsigned && !match[5].empty())
    return badNumber(name, "uintN always has zero points; drop '-asym'");
  LevelEncoding level =
      makeInteger(bits, isUnsigned, *group, isUnsigned || !match[5].empty());
  auto blockSize = parseGroup(name, match[8]);
  if (!blockSize)
    return blockSize.takeError();
  if (!match[6].empty())
    addActivation(level, 8, /*dynamic=*/true, *blockSize);
  return level;
}

static ParsedEncoding parseWeightActivation(StringRef name) {
  static const llvm::Regex regex(
      "^w([0-9]+)a([0-9]+)(-g([0-9]+))?(-asym)?(-dynamic)?$");
  SmallVector<StringRef> match;
  if (!regex.match(name, &match))
    return std::nullopt;
  int64_t weightBits = toNumber(match[1]), activationBits = toNumber(match[2]);
  if (llvm::Error error = checkBits(name, weightBits))
    return std::move(error);
  if (llvm::Error error = checkBits(name, activationBits))
    return std::move(error);
  auto group = parseGroup(name, match[4]);
  if (!group)
    return group.takeError();
  LevelEncoding level =
      makeInteger(weightBits, /*isUnsigned=*/false, *group, !match[5].empty());
  addActivation(level, activationBits, !match[6].empty());
  return level;
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

namespace {

using TypeGetter = Type (*)(MLIRContext *);

template <typename T> Type getType(MLIRContext *context) {
  return T::get(context);
}

/// A name and the float type that it stands for.
struct FloatFormat {
  StringRef name;
  TypeGetter type;
};

constexpr FloatFormat smallFloats[] = {
    {"fp8", getType<Float8E4M3FNType>},
    {"fp8-e4m3", getType<Float8E4M3FNType>},
    {"fp8-e5m2", getType<Float8E5M2Type>},
    {"fp6", getType<Float6E3M2FNType>},
    {"fp6-e3m2", getType<Float6E3M2FNType>},
    {"fp6-e2m3", getType<Float6E2M3FNType>},
    {"fp4", getType<Float4E2M1FNType>},
};

constexpr FloatFormat largeFloats[] = {
    {"fp16", getType<Float16Type>},
    {"bf16", getType<BFloat16Type>},
};

} // namespace

static const FloatFormat *lookupFormat(ArrayRef<FloatFormat> formats,
                                       StringRef name) {
  const auto *it = llvm::find_if(
      formats, [&](const FloatFormat &f) { return f.name == name; });
  return it == formats.end() ? nullptr : it;
}

/// `fp8`, `fp4-g16`: float codes, scales as for integers.
static ParsedEncoding parseSmallFloat(StringRef name) {
  static const llvm::Regex regex("^(fp[0-9]+(-e[0-9]m[0-9])?)(-g([0-9]+))?$");
  SmallVector<StringRef> match;
  if (!regex.match(name, &match))
    return std::nullopt;
  const FloatFormat *format = lookupFormat(smallFloats, match[1]);
  if (!format)
    return std::nullopt;
  auto group = parseGroup(name, match[4]);
  if (!group)
    return group.takeError();
  LevelEncoding level;
  level.defaultMethod = "rtn";
  level.weight =
      [format, size = *group](
          RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    Type scale = size ? Type(Float16Type::get(context))
                      : Type(Float32Type::get(context));
    return QuantAttr::get(context, format->type(context),
                          size ? getBlockGroup(type.getShape(), role, size)
                               : getChannelGroup(type.getShape(), role),
                          DenseAttr::get(context, scale),
                          EncodingAttrInterface());
  };
  return level;
}

/// `mxfp4`: OCP Microscaling Formats 1.0, power-of-two scales, blocks of 32.
static ParsedEncoding parseMicroscaling(StringRef name) {
  if (!name.starts_with("mx"))
    return std::nullopt;
  const FloatFormat *format = lookupFormat(smallFloats, name.drop_front(2));
  if (!format)
    return std::nullopt;
  LevelEncoding level;
  level.defaultMethod = "rtn";
  level.weight = [format](RankedTensorType type, const WeightOperand &role)
      -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    return QuantAttr::get(
        context, format->type(context),
        getBlockGroup(type.getShape(), role, 32),
        DenseAttr::get(context, Float8E8M0FNUType::get(context)),
        EncodingAttrInterface());
  };
  return level;
}

/// `nvfp4`: f4E2M1 in blocks of 16 whose f8E4M3 scales share one f32 scale.
static ParsedEncoding parseTwoLevel(StringRef name) {
  if (name != "nvfp4")
    return std::nullopt;
  LevelEncoding level;
  level.defaultMethod = "rtn";
  level.weight =
      [](RankedTensorType type,
         const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    SmallVector<int64_t> whole(type.getRank(), ShapedType::kDynamic);
    auto scales =
        QuantAttr::get(context, Float8E4M3FNType::get(context), whole,
                       DenseAttr::get(context, Float32Type::get(context)),
                       EncodingAttrInterface());
    return QuantAttr::get(context, Float4E2M1FNType::get(context),
                          getBlockGroup(type.getShape(), role, 16), scales,
                          EncodingAttrInterface());
  };
  return level;
}

static ParsedEncoding parseLargeFloat(StringRef name) {
  const FloatFormat *format = lookupFormat(largeFloats, name);
  if (!format)
    return std::nullopt;
  LevelEncoding level;
  level.defaultMethod = "cast";
  level.weight =
      [format](RankedTensorType type,
               const WeightOperand &) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    return DenseAttr::get(context, format->type(context));
  };
  return level;
}

static ParsedEncoding parseNone(StringRef name) {
  if (name != "f32")
    return std::nullopt;
  return LevelEncoding();
}

/// `drop`: the weight does nothing, which takes whole layers out of residual
/// networks.
static ParsedEncoding parseDrop(StringRef name) {
  if (name != "drop")
    return std::nullopt;
  LevelEncoding level;
  level.defaultMethod = "fit";
  level.weight =
      [](RankedTensorType type,
         const WeightOperand &) -> llvm::Expected<EncodingAttrInterface> {
    return GeneratedAttr::get(type.getContext(), GeneratedKind::Zeros, 0,
                              FloatAttr());
  };
  return level;
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

std::vector<LevelFamily> compress::getBuiltinLevelFamilies() {
  return {
      {"f32", "as in the model, no compression", {"f32"}, parseNone},
      {"drop", "zeros, which are not stored", {"drop"}, parseDrop},
      {"fp16|bf16",
       "values in a 16-bit float type",
       {"fp16", "bf16"},
       parseLargeFloat},
      {"[u]intN[-gG][-asym][-dynamic[-agA]]",
       "N-bit weights (2 to 16), one f32 scale per output channel or one f16 "
       "scale per G elements; -asym and uintN add zero points; -dynamic also "
       "rounds activations to 8 bits at run time, scaled per tensor or token, "
       "or per A elements of a token",
       {"int8", "int4-g32", "int4-g32-asym", "uint4-g64", "int8-dynamic",
        "int4-g32-dynamic-ag32"},
       parseInteger},
      {"wNaM[-gG][-asym][-dynamic]",
       "N-bit weights and M-bit activations with parameters from calibration "
       "data (-dynamic: at run time)",
       {"w8a8", "w4a8-g32"},
       parseWeightActivation},
      {"mixed-B[-gG]",
       "integer codes whose number of bits is chosen for each input channel "
       "(or for G outputs of it) so that all that is stored takes at most B "
       "bits a weight, any fraction",
       {"mixed-3.27", "mixed-2.6-g64"},
       parseMixed},
      {"coded-B",
       "integer codes of one step size, chosen together with a lossless code "
       "over them so that all that is stored takes at most B bits a weight, "
       "any fraction",
       {"coded-2.5", "coded-4"},
       parseRate},
      {"fp8|fp6|fp4[-eXmY][-gG]",
       "float codes, scales as for intN (fp8 is e4m3 or e5m2, fp6 e3m2 or "
       "e2m3)",
       {"fp8", "fp8-e5m2", "fp6-e2m3", "fp4-g16"},
       parseSmallFloat},
      {"mxfp8|mxfp6|mxfp4[-eXmY]",
       "OCP microscaling: float codes with a power-of-two scale per 32",
       {"mxfp4", "mxfp6", "mxfp8", "mxfp8-e5m2"},
       parseMicroscaling},
      {"nvfp4",
       "4-bit float codes, an 8-bit float scale per 16 and one f32 scale",
       {"nvfp4"},
       parseTwoLevel},
  };
}
