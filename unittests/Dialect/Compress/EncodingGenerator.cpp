//===- EncodingGenerator.cpp - Encodings for tests, by the hundred --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EncodingGenerator.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::testing;

//===----------------------------------------------------------------------===//
// Paths
//===----------------------------------------------------------------------===//

StringRef compress::testing::getName(Kind kind) {
  constexpr const char *names[numKinds] = {
      "dense",  "quant",    "codebook", "sparse",    "factored", "sum",
      "scaled", "permuted", "rotated",  "generated", "coded"};
  return names[unsigned(kind)];
}

ArrayRef<Place> compress::testing::getPlaces() {
  static constexpr Place places[] = {
      {Kind::Quant, 0},  {Kind::Quant, 1},    {Kind::Codebook, 0},
      {Kind::Sparse, 0}, {Kind::Factored, 0}, {Kind::Factored, 1},
      {Kind::Sum, 0},    {Kind::Sum, 1},      {Kind::Scaled, 0},
      {Kind::Scaled, 1}, {Kind::Permuted, 0}, {Kind::Rotated, 0},
      {Kind::Coded, 0},
  };
  return places;
}

std::string Path::str() const {
  std::string text;
  for (const Place &place : places)
    text += (getName(place.kind) + "[" + Twine(place.index) + "] > ").str();
  return text + getName(leaf).str();
}

std::vector<Path> compress::testing::getPaths(unsigned numPlaces) {
  std::vector<Path> paths;
  if (numPlaces == 0) {
    for (unsigned kind = 0; kind < numKinds; ++kind)
      paths.push_back({{}, Kind(kind)});
    return paths;
  }
  for (const Path &inner : getPaths(numPlaces - 1))
    for (const Place &place : getPlaces()) {
      Path &path = paths.emplace_back(inner);
      path.places.insert(path.places.begin(), place);
    }
  return paths;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string dims(ArrayRef<int64_t> shape) {
  std::string text;
  for (int64_t dim : shape)
    text += (ShapedType::isDynamic(dim) ? "?" : std::to_string(dim)) + "x";
  return text;
}

std::string compress::testing::getTensorText(ArrayRef<int64_t> shape,
                                             StringRef elementType,
                                             StringRef encoding) {
  return ("!compress.tensor<" + dims(shape) + elementType + ", " + encoding +
          ">")
      .str();
}

CompressedTensorType compress::testing::parseTensorType(MLIRContext *context,
                                                        ArrayRef<int64_t> shape,
                                                        StringRef elementType,
                                                        StringRef encoding,
                                                        std::string &error) {
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (error.empty())
      error = diagnostic.str();
    return success();
  });
  error.clear();
  return dyn_cast_or_null<CompressedTensorType>(
      parseType(getTensorText(shape, elementType, encoding), context));
}

/// The type that an encoding computes its parts in.
static StringRef computeType(StringRef elementType) {
  return elementType == "f64" ? "f64" : "f32";
}

static bool isInteger(StringRef elementType) {
  return elementType.starts_with("i");
}

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::string EncodingGenerator::choose(ArrayRef<const char *> texts) {
  return texts[pick(texts.size())];
}

/// `[1, 8, *]`, and the grid of groups through `shape`.
std::string EncodingGenerator::group(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (axis)
      text += ", ";
    text += choose({"*", "1", "2", "3", "5", "8"});
  }
  return text + "]";
}

/// The grid that a group written by `group` cuts a shape into.
static SmallVector<int64_t> gridOf(StringRef group, ArrayRef<int64_t> shape) {
  SmallVector<StringRef> sizes;
  group.drop_front().drop_back().split(sizes, ", ", -1, false);
  SmallVector<int64_t> parsed;
  for (StringRef size : sizes) {
    int64_t value = ShapedType::kDynamic;
    if (size != "*")
      (void)!size.getAsInteger(10, value);
    parsed.push_back(value);
  }
  return getGroupGrid(shape, parsed);
}

//===----------------------------------------------------------------------===//
// One encoding
//===----------------------------------------------------------------------===//

std::string EncodingGenerator::emitDense(StringRef elementType) {
  if (isInteger(elementType))
    return choose({"i8", "ui8", "i4", "i16", "i32", "ui3"});
  return choose({"f32", "f16", "bf16", "f64", "f8E4M3FN", "f8E5M2", "f6E3M2FN",
                 "f4E2M1FN", "i8", "ui8", "i5"});
}

/// Plain scales are floats.
static std::string asScale(std::string encoding) {
  StringRef digits = encoding;
  digits.consume_front("u");
  if (digits.consume_front("i") && llvm::all_of(digits, llvm::isDigit))
    return "f16";
  return encoding;
}

std::string EncodingGenerator::emitQuant(ArrayRef<int64_t> shape, Nest nest) {
  bool hasZero = wanted == 1 || pick(3) == 0;
  std::string code =
      hasZero ? choose({"ui4", "i8", "ui8", "i3", "ui11", "ui2"})
              : choose({"i4", "i8", "ui4", "i2", "i1", "i16", "f8E4M3FN",
                        "f4E2M1FN", "f6E2M3FN", "f8E5M2", "i5"});
  std::string groups = group(shape);
  SmallVector<int64_t> grid = gridOf(groups, shape);
  std::string text = "quant<" + code + ", group = " + groups +
                     ", scale = " + asScale(nest(0, grid, "f32"));
  if (hasZero)
    text += ", zero = " + nest(1, grid, "f32");
  return text + ">";
}

std::string EncodingGenerator::emitCodebook(ArrayRef<int64_t> shape,
                                            StringRef elementType, Nest nest) {
  std::string size = choose({"2", "3", "4", "16", "5"}), rest;
  int64_t entries = std::stoll(size), block = 1, stages = 1;
  SmallVector<int64_t> table;
  if (pick(2) && !shape.empty()) {
    // The last axis is cut into vectors, sometimes the one before it too.
    rest += ", vec = [";
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      int64_t part = axis + 1 == shape.size()   ? 2 + pick(3)
                     : axis + 2 == shape.size() ? 1 + pick(2)
                                                : 1;
      rest += (axis ? ", " : "") + std::to_string(part);
      block *= part;
    }
    rest += "]";
  }
  if (pick(3) == 0) {
    stages = 2 + pick(2);
    rest += ", stages = " + std::to_string(stages);
  }
  if (pick(3) == 0 && block == 1) {
    std::string groups = group(shape);
    table = gridOf(groups, shape);
    rest += ", group = " + groups;
  }
  if (stages > 1)
    table.push_back(stages);
  table.push_back(entries);
  if (block > 1)
    table.push_back(block);
  return "codebook<" + size +
         ", of = " + nest(0, table, computeType(elementType)) + rest + ">";
}

std::string EncodingGenerator::emitSparse(ArrayRef<int64_t> shape,
                                          StringRef elementType,
                                          bool needsStatic, Nest nest) {
  int64_t rank = shape.size();
  bool isStatic = !ShapedType::isDynamicShape(shape);
  int64_t total = isStatic ? countElements(shape) : 0;
  auto count = [&](int64_t available) {
    return needsStatic || pick(3) == 0 ? ceilDiv(available, 3)
                                       : ShapedType::kDynamic;
  };
  auto write = [&](const Twine &pattern, int64_t nnz,
                   ArrayRef<int64_t> values) {
    return ("sparse<" + pattern + ", nnz = " +
            (ShapedType::isDynamic(nnz) ? Twine("?") : Twine(nnz)) +
            ", of = " + nest(0, values, elementType) + ">")
        .str();
  };
  switch (isStatic ? pick(rank ? 5 : 1) : 2) {
  case 0: {
    int64_t nnz = count(total);
    return write("bitmask", nnz, nnz);
  }
  case 1: {
    int64_t nnz = count(total);
    return write("csr<" + choose({"i8", "i16", "i32"}) + ">", nnz, nnz);
  }
  case 2: {
    // The only pattern without a size that depends on the data.
    int64_t m = 2 + pick(7), n = 1 + pick(m - 1), axis = pick(rank);
    SmallVector<int64_t> values(shape);
    if (ShapedType::isDynamic(values[axis]))
      axis = rank - 1;
    if (!ShapedType::isDynamic(values[axis]))
      values[axis] = ceilDiv(values[axis], m) * n;
    std::string where;
    if (axis + 1 != rank)
      where = ", axis = " + std::to_string(axis);
    return "sparse<nm<" + std::to_string(n) + ":" + std::to_string(m) + where +
           ">, of = " + nest(0, values, elementType) + ">";
  }
  case 3: {
    std::string text;
    SmallVector<int64_t> values{0};
    int64_t blocks = 1;
    for (int64_t dim : shape) {
      int64_t size = 1 + pick(4);
      text += (text.empty() ? "" : "x") + std::to_string(size);
      values.push_back(size);
      blocks *= ceilDiv(dim, size);
    }
    values[0] = count(blocks);
    return write("block<" + text + ">", values[0], values);
  }
  default: {
    int64_t axis = pick(rank);
    SmallVector<int64_t> values(shape);
    values[axis] = count(shape[axis]);
    return write("channels<" + Twine(axis) + ">", values[axis], values);
  }
  }
}

/// The smallest divisor from 2 up, or the number itself.
static int64_t divide(int64_t n) {
  for (int64_t d = 2; d * d <= n; ++d)
    if (n % d == 0)
      return d;
  return std::max<int64_t>(n, 1);
}

std::string EncodingGenerator::emitFactored(ArrayRef<int64_t> shape,
                                            StringRef elementType, Nest nest) {
  int64_t rank = shape.size(), r = 2 + pick(2), q = 2;
  std::string equation, names;
  SmallVector<SmallVector<int64_t>> factors;
  auto add = [&](const Twine &part, ArrayRef<int64_t> factor) {
    equation += ((factors.empty() ? "" : ", ") + part).str();
    factors.emplace_back(factor);
  };
  auto size = [&](const Twine &name, int64_t value) {
    names += ((names.empty() ? "" : ", ") + name + " = " + Twine(value)).str();
  };
  bool isDynamic = ShapedType::isDynamicShape(shape), hasRank = true;
  unsigned form = pick(6);
  if (rank == 2 && !isDynamic && form >= 4) {
    int64_t a = divide(shape[0]), d = divide(shape[1]);
    int64_t b = shape[0] / a, c = shape[1] / d;
    size("a", a), size("b", b), size("c", c), size("d", d);
    equation = "(a b) (c d) = ";
    hasRank = form == 5;
    if (form == 4) {
      add("a c", {a, c}), add("b d", {b, d});
    } else {
      add("a c r", {a, c, r}), add("r b d", {r, b, d});
      size("r", r);
    }
  } else if (rank == 2 && form == 3) {
    equation = "i j = ";
    add("i r", {shape[0], r}), add("r", {r}), add("r j", {r, shape[1]});
    size("r", r);
  } else if (rank == 2 && form < 2) {
    equation = "i j = ";
    add("i r", {shape[0], r}), add("r j", {r, shape[1]});
    size("r", r);
  } else if (rank == 4 && form < 4) {
    equation = "o i h w = ";
    add("o p", {shape[0], r}), add("p q h w", {r, q, shape[2], shape[3]});
    add("i q", {shape[1], q});
    size("p", r), size("q", q);
    hasRank = false;
  } else if (rank == 3 && form < 3) {
    equation = "i j k = ";
    add("p q r", {q, q, r}), add("i p", {shape[0], q});
    add("j q", {shape[1], q}), add("k r", {shape[2], r});
    size("p", q), size("q", q), size("r", r);
  } else {
    // Canonical polyadic, for any rank.
    std::string result;
    for (int64_t axis = 0; axis < rank; ++axis)
      result += (axis ? " " : "") + ("n" + std::to_string(axis));
    equation = result + " = ";
    for (int64_t axis = 0; axis < rank; ++axis)
      add("n" + Twine(axis) + " r", {shape[axis], r});
    if (rank < 2)
      add("r", {r});
    if (rank < 1)
      add("r", {r});
    size("r", r);
  }
  std::string text = "factored<\"" + equation + "\", sizes = {" + names + "}";
  if (hasRank && pick(3) == 0)
    text += ", prefix = {r = " + std::to_string(r - 1) + "}";
  text += ", of = [";
  for (auto [i, factor] : llvm::enumerate(factors))
    text += (i ? ", " : "") + nest(i, factor, computeType(elementType));
  return text + "]>";
}

std::string EncodingGenerator::emitGenerated(ArrayRef<int64_t> shape) {
  int64_t count = ShapedType::isDynamicShape(shape) ? 0 : countElements(shape);
  if (count == 16 && pick(2))
    return choose({"generated<nf4>", "generated<fp4>"});
  if (count == 3 && pick(2))
    return "generated<ternary>";
  if (shape.size() == 2 && pick(6) == 0)
    return "generated<hadamard>";
  if (count >= 16 && llvm::isPowerOf2_64(count) && count <= 65536 &&
      pick(3) == 0)
    return choose({"generated<minifloat, param = 1.000000e+00 : f32>",
                   "generated<minifloat, param = 3.000000e+00 : f32>"});
  if (count <= 256 && pick(6) == 0)
    return "generated<pow2>";
  return choose({"generated<zeros>", "generated<ones>", "generated<identity>",
                 "generated<linear>", "generated<power, param = 5.0e-01 : f32>",
                 "generated<rademacher, seed = 3>",
                 "generated<uniform, seed = 4294967295>", "generated<normal>"});
}

std::string EncodingGenerator::emitCoded(ArrayRef<int64_t> shape,
                                         StringRef elementType, Nest nest) {
  std::string inner = nest(0, shape, elementType), error, bytes;
  // One stream for each leaf; a type that is refused is refused again.
  size_t leaves = 1;
  if (CompressedTensorType type =
          parseTensorType(context, shape, elementType, inner, error))
    leaves = type.getLeafTypes().size();
  for (size_t i = 0; i < leaves; ++i)
    bytes += i ? ", ?" : "?";
  std::string coder = choose(
      {"huffman", "rans", "zstd", "huffman, block = 16", "rans, block = 5"});
  return "coded<" + coder + ", bytes = [" + bytes + "], of = " + inner + ">";
}

std::string EncodingGenerator::emit(Kind kind, ArrayRef<int64_t> shape,
                                    StringRef elementType, bool needsStatic,
                                    Nest nest) {
  int64_t rank = shape.size();
  StringRef compute = computeType(elementType);
  switch (kind) {
  case Kind::Dense:
    return emitDense(elementType);
  case Kind::Quant:
    return emitQuant(shape, nest);
  case Kind::Codebook:
    return emitCodebook(shape, elementType, nest);
  case Kind::Sparse:
    return emitSparse(shape, elementType, needsStatic, nest);
  case Kind::Factored:
    return emitFactored(shape, elementType, nest);
  case Kind::Sum: {
    // One statement each: the order of evaluation matters for what is drawn.
    std::string text = "sum<[" + nest(0, shape, compute);
    text += ", " + nest(1, shape, compute);
    if (pick(4) == 0)
      text += ", " + nest(2, shape, compute);
    return text + "]>";
  }
  case Kind::Scaled: {
    std::string groups = group(shape);
    std::string scale = asScale(nest(0, gridOf(groups, shape), compute));
    return "scaled<group = " + groups + ", scale = " + scale +
           ", of = " + nest(1, shape, compute) + ">";
  }
  case Kind::Permuted: {
    int64_t axis = rank ? pick(rank) : 0;
    std::string index = choose({"i6", "i8", "i16", "i32"});
    if (rank && shape[axis] > 64)
      index = "i32";
    return "permuted<axis = " + std::to_string(axis) + ", index = " + index +
           ", of = " + nest(0, shape, elementType) + ">";
  }
  case Kind::Rotated: {
    std::string axis = std::to_string(rank ? pick(rank) : 0);
    std::string block = choose({"1", "2", "4", "8", "16", "64"});
    return "rotated<hadamard, axis = " + axis + ", block = " + block +
           ", of = " + nest(0, shape, compute) + ">";
  }
  case Kind::Generated:
    return emitGenerated(shape);
  case Kind::Coded:
    return emitCoded(shape, elementType, nest);
  }
  llvm_unreachable("unknown kind");
}

//===----------------------------------------------------------------------===//
// Nesting
//===----------------------------------------------------------------------===//

/// Encodings that need to know their shape before anything is stored.
static bool needsStaticShape(Kind kind) {
  return kind == Kind::Permuted || kind == Kind::Rotated ||
         kind == Kind::Generated || kind == Kind::Coded ||
         kind == Kind::Sparse || kind == Kind::Factored ||
         kind == Kind::Codebook;
}

/// What stands where the path does not lead: plain, exact enough that it does
/// not hide what the path shows.
static std::string getPlain(StringRef elementType) {
  return isInteger(elementType) ? "i32" : "f32";
}

std::string EncodingGenerator::emitPath(const Path &path, size_t at,
                                        ArrayRef<int64_t> shape,
                                        StringRef elementType) {
  bool isLeaf = at == path.places.size();
  Kind kind = isLeaf ? path.leaf : path.places[at].kind;
  // The encoding inside; a leaf has its own parts plain.
  bool needsStatic = false;
  for (size_t i = at + 1; i < path.places.size(); ++i)
    needsStatic |= needsStaticShape(path.places[i].kind);
  if (!isLeaf)
    needsStatic |= needsStaticShape(path.leaf);
  wanted = isLeaf ? 0 : path.places[at].index;
  return emit(kind, shape, elementType, needsStatic,
              [&](unsigned index, ArrayRef<int64_t> inner, StringRef element) {
                if (!isLeaf && index == path.places[at].index)
                  return emitPath(path, at + 1, inner, element);
                return getPlain(element);
              });
}

std::string EncodingGenerator::alongPath(const Path &path,
                                         ArrayRef<int64_t> shape,
                                         StringRef elementType) {
  return emitPath(path, 0, shape, elementType);
}

std::string EncodingGenerator::atRandom(unsigned depth, ArrayRef<int64_t> shape,
                                        StringRef elementType) {
  wanted = 0;
  Kind kind = depth <= 1 ? (pick(8) ? Kind::Dense : Kind::Generated)
                         : Kind(pick(numKinds));
  // Integers are only stored, moved and packed.
  if (isInteger(elementType) && pick(16) != 0) {
    constexpr Kind integral[] = {Kind::Dense, Kind::Sparse, Kind::Permuted,
                                 Kind::Coded};
    kind = depth <= 1 ? Kind::Dense : integral[pick(4)];
  }
  return emit(kind, shape, elementType, /*needsStatic=*/pick(4) != 0,
              [&](unsigned, ArrayRef<int64_t> inner, StringRef element) {
                // Most parts stay plain, or types would be huge.
                unsigned levels = pick(3) ? depth - 1 : 1;
                return atRandom(levels, inner, element);
              });
}

std::string EncodingGenerator::randomText() {
  SmallVector<int64_t> shape;
  unsigned rank = pick(12) ? 1 + pick(3) : pick(6);
  for (unsigned i = 0; i < rank; ++i) {
    int64_t dim = pick(10) ? 1 + pick(rank > 2 ? 6 : 20) : 0;
    shape.push_back(pick(40) ? dim : ShapedType::kDynamic);
  }
  std::string element =
      choose({"f32", "f32", "f32", "f64", "f16", "bf16", "i8", "i32"});
  unsigned depth = 1 + pick(4);
  return getTensorText(shape, element, atRandom(depth, shape, element));
}

//===----------------------------------------------------------------------===//
// Damage
//===----------------------------------------------------------------------===//

SmallVector<HostTensor>
EncodingGenerator::randomLeaves(CompressedTensorType type,
                                ArrayRef<HostTensor> old) {
  SmallVector<HostTensor> leaves;
  unsigned damage = pick(4);
  for (auto [i, leafType] : llvm::enumerate(type.getLeafTypes())) {
    HostTensor leaf =
        HostTensor::allocate(leafType.getShape(), leafType.getElementType());
    MutableArrayRef<char> bytes = leaf.getMutableBytes();
    if (i < old.size() && damage) {
      size_t size = std::min(bytes.size(), old[i].getBytes().size());
      llvm::copy(old[i].getBytes().take_front(size), bytes.begin());
      if (damage > 1 && !bytes.empty() && pick(2))
        for (unsigned k = 1 + pick(4); k > 0; --k) {
          size_t at = pick(bytes.size());
          bytes[at] ^= char(1 << pick(8));
        }
    } else {
      for (char &byte : bytes)
        byte = char(pick(5) ? pick(256) : 0);
    }
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

std::string EncodingGenerator::mutate(std::string text) {
  constexpr const char *numbers[] = {"0",          "-1",
                                     "1",          "2",
                                     "7",          "31",
                                     "33",         "65537",
                                     "4294967296", "9223372036854775807",
                                     "?",          "*",
                                     "1e999",      "18446744073709551616"};
  constexpr const char *words[] = {"quant",     "codebook",
                                   "sparse",    "factored",
                                   "sum",       "scaled",
                                   "rans",      "permuted",
                                   "coded",     "generated",
                                   "rotated",   "dense",
                                   "nnz",       "of",
                                   "f32",       "i4",
                                   "f8E8M0FNU", "index",
                                   "none",      "complex<f32>",
                                   "group",     "bytes",
                                   "i65",       "#compress.sum<[f16]>",
                                   "\"\"",      "\"i j = i j\"",
                                   "\"(a\"",    "\"= = ,\"",
                                   "zero = i8"};
  for (unsigned edits = 1 + pick(3); edits > 0 && !text.empty(); --edits) {
    size_t at = pick(text.size());
    switch (pick(5)) {
    case 0: // Another character.
      text[at] = char(pick(8) ? 32 + pick(95) : pick(256));
      break;
    case 1: // A piece is missing or there twice.
    {
      size_t length = 1 + pick(12);
      std::string piece = text.substr(at, length);
      if (pick(2))
        text.erase(at, length);
      else
        text.insert(at, piece);
      break;
    }
    default: // Another number or word.
    {
      bool isNumber = pick(3) != 0;
      auto belongs = [&](char c) {
        return isNumber ? llvm::isDigit(c) : llvm::isAlnum(c) || c == '_';
      };
      while (at < text.size() && !belongs(text[at]))
        ++at;
      size_t end = at;
      while (end < text.size() && belongs(text[end]))
        ++end;
      text.replace(at, end - at,
                   isNumber ? numbers[pick(std::size(numbers))]
                            : words[pick(std::size(words))]);
      break;
    }
    }
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

HostTensor compress::testing::makeWeight(ArrayRef<int64_t> shape,
                                         Type elementType, uint64_t seed) {
  HostTensor tensor = HostTensor::allocate(shape, elementType);
  std::mt19937_64 engine(seed);
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i) {
    // The sum of uniform numbers is about normal, on every standard library
    // the same.
    double value = -6;
    for (int k = 0; k < 12; ++k)
      value += double(engine() >> 11) * 0x1p-53;
    if (isa<IntegerType>(elementType))
      value = std::floor(value * 3);
    else
      value = std::ldexp(value, int(i % 7) - 3);
    tensor.setDouble(i, i % 13 == 5 ? 0.0 : value);
  }
  return tensor;
}

bool compress::testing::isSame(const HostTensor &a, const HostTensor &b) {
  return a.getShape() == b.getShape() && a.getBitWidth() == b.getBitWidth() &&
         a.getBytes() == b.getBytes();
}

bool compress::testing::isSameValue(const HostTensor &a, const HostTensor &b) {
  if (isSame(a, b))
    return true;
  if (a.getShape() != b.getShape() || a.getElementType() != b.getElementType())
    return false;
  for (int64_t i = 0, e = a.getNumElements(); i < e; ++i)
    if (a.getBits(i) != b.getBits(i) &&
        !(std::isnan(a.getDouble(i)) && std::isnan(b.getDouble(i))))
      return false;
  return true;
}
