//===- Level.cpp - Encoding, method and options of a site -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Level.h"
#include "LevelFamilies.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include <cmath>
#include <thread>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Families
//===----------------------------------------------------------------------===//

static std::vector<LevelFamily> &getFamilies() {
  static std::vector<LevelFamily> families = [] {
    std::vector<LevelFamily> all = getBuiltinLevelFamilies();
    for (LevelFamily &family : getCompositeLevelFamilies())
      all.push_back(std::move(family));
    return all;
  }();
  return families;
}

void compress::registerLevelFamily(LevelFamily family) {
  getFamilies().push_back(std::move(family));
}

ArrayRef<LevelFamily> compress::getLevelFamilies() { return getFamilies(); }

void compress::printLevelHelp(llvm::raw_ostream &os) {
  os << "Levels: NAME[:METHOD[(option=value,...)]]\n";
  for (const LevelFamily &family : getLevelFamilies())
    os << "  " << llvm::left_justify(family.syntax, 34) << " " << family.summary
       << "\n"
       << "  " << std::string(34, ' ') << " for example "
       << llvm::join(family.examples, ", ") << "\n";
  os << "Methods:\n";
  for (const Method *method : getMethods()) {
    os << "  " << llvm::left_justify(method->getName(), 34) << " "
       << method->getSummary() << "\n";
    if (!method->getOptionsHelp().empty())
      os << "  " << std::string(34, ' ') << " options "
         << method->getOptionsHelp() << "\n";
  }
}

static llvm::Expected<LevelEncoding> parseName(StringRef name) {
  for (const LevelFamily &family : getLevelFamilies()) {
    auto encoding = family.parse(name);
    if (!encoding)
      return encoding.takeError();
    if (*encoding)
      return std::move(**encoding);
  }
  SmallVector<StringRef> known;
  for (const LevelFamily &family : getLevelFamilies())
    known.push_back(family.syntax);
  return llvm::createStringError("unknown level '" + name + "'; known are " +
                                 llvm::join(known, ", "));
}

//===----------------------------------------------------------------------===//
// Spelling
//===----------------------------------------------------------------------===//

/// `key=value,...` between the parentheses.
static llvm::Error parseOptions(StringRef spelling, StringRef text,
                                MethodOptions &options) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    key = key.trim();
    value = value.trim();
    if (key.empty() || value.empty() || !part.contains('='))
      return llvm::createStringError("level '" + spelling +
                                     "': expected option=value, found '" +
                                     part.trim() + "'");
    if (!options.emplace(key.str(), value.str()).second)
      return llvm::createStringError("level '" + spelling + "': option '" +
                                     key + "' is given twice");
  }
  return llvm::Error::success();
}

/// The colon before the method: followed by a letter, and outside of brackets.
static size_t findMethod(StringRef spelling) {
  int depth = 0;
  for (size_t i = 0; i < spelling.size(); ++i) {
    if (StringRef("<[({").contains(spelling[i]))
      ++depth;
    else if (StringRef(">])}").contains(spelling[i]))
      --depth;
    else if (spelling[i] == ':' && depth == 0 &&
             (i + 1 == spelling.size() || !llvm::isDigit(spelling[i + 1])))
      return i;
  }
  return StringRef::npos;
}

llvm::Expected<Level> Level::parse(StringRef spelling) {
  spelling = spelling.trim();
  StringRef name = spelling, methodName;
  Level level;
  if (size_t colon = findMethod(spelling); colon != StringRef::npos) {
    name = spelling.take_front(colon);
    methodName = spelling.drop_front(colon + 1);
    if (size_t open = methodName.find('('); open != StringRef::npos) {
      StringRef text = methodName.drop_front(open + 1);
      methodName = methodName.take_front(open);
      if (!text.consume_back(")"))
        return llvm::createStringError("level '" + spelling +
                                       "': expected ')' at the end");
      if (llvm::Error error = parseOptions(spelling, text, level.options))
        return std::move(error);
    }
  }
  auto encoding = parseName(name);
  if (!encoding)
    return encoding.takeError();
  level.encoding = std::move(*encoding);
  level.spelling = name.str();
  if (level.isNone()) {
    if (name != spelling)
      return llvm::createStringError("level '" + spelling + "': '" + name +
                                     "' takes no method");
    return level;
  }

  bool isDefault = name == spelling;
  auto method = lookupMethod(isDefault ? StringRef(level.encoding.defaultMethod)
                                       : methodName);
  if (!method)
    return llvm::createStringError("level '" + spelling +
                                   "': " + llvm::toString(method.takeError()));
  level.method = *method;
  if (llvm::Error error = level.method->verifyOptions(level.options))
    return llvm::createStringError("level '" + spelling +
                                   "': " + llvm::toString(std::move(error)));
  if (methodName != level.encoding.defaultMethod || !level.options.empty())
    if (!isDefault)
      level.spelling += (":" + methodName).str();
  if (!level.options.empty()) {
    SmallVector<std::string> parts;
    for (const auto &[key, value] : level.options)
      parts.push_back(key + "=" + value);
    level.spelling += "(" + llvm::join(parts, ",") + ")";
  }
  if (level.method->getName() == level.encoding.defaultMethod)
    level.options.insert(level.encoding.defaultOptions.begin(),
                         level.encoding.defaultOptions.end());
  return level;
}

llvm::Expected<std::vector<Level>> compress::parseLevels(StringRef list) {
  std::vector<Level> levels;
  size_t start = 0;
  int depth = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size()) {
      depth += StringRef("([{<").contains(list[i]);
      depth -= StringRef(")]}>").contains(list[i]);
      if (list[i] != ',' || depth > 0)
        continue;
    }
    auto level = Level::parse(list.slice(start, i));
    if (!level)
      return level.takeError();
    levels.push_back(std::move(*level));
    start = i + 1;
  }
  return levels;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

std::string compress::captureErrors(MLIRContext *context,
                                    function_ref<void()> action) {
  std::string message;
  // Sites are handled in parallel and handlers see what all threads report.
  auto thread = std::this_thread::get_id();
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (std::this_thread::get_id() != thread)
      return failure();
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  action();
  return message;
}

llvm::Expected<CompressedTensorType>
compress::makeCompressedType(RankedTensorType type,
                             EncodingAttrInterface encoding) {
  MLIRContext *context = type.getContext();
  CompressedTensorType result;
  std::string message = captureErrors(context, [&] {
    result = CompressedTensorType::getChecked(
        [&] { return mlir::emitError(UnknownLoc::get(context)); }, context,
        type.getShape(), type.getElementType(), encoding);
  });
  if (!result)
    return llvm::createStringError(Twine(message));
  return result;
}

llvm::Expected<CompressedTensorType>
Level::getWeightType(RankedTensorType weight, const WeightOperand &role) const {
  if (!encoding.weight)
    return llvm::createStringError("level '" + spelling +
                                   "' does not encode weights");
  auto attr = encoding.weight(weight, role);
  if (!attr)
    return attr.takeError();
  return makeCompressedType(weight, *attr);
}

llvm::Expected<CompressedTensorType>
Level::getActivationType(const SiteUse &use) const {
  Value activation = use.getActivation();
  if (!encoding.activation || !activation)
    return CompressedTensorType();
  auto type = dyn_cast<RankedTensorType>(activation.getType());
  if (!type || !isa<FloatType>(type.getElementType())) {
    std::string message;
    llvm::raw_string_ostream(message)
        << "level '" << spelling << "' needs a ranked float activation, found "
        << activation.getType() << "; run shape inference";
    return llvm::createStringError(Twine(message));
  }
  auto attr = encoding.activation(type, use);
  if (!attr)
    return attr.takeError();
  return makeCompressedType(type, *attr);
}

//===----------------------------------------------------------------------===//
// Constants of elementwise operations
//===----------------------------------------------------------------------===//

/// Whether values come back bit for bit, whatever they are.
static bool isExact(CompressedTensorType type) {
  EncodingAttrInterface encoding = type.getEncoding();
  if (auto coded = dyn_cast<CodedAttr>(encoding))
    encoding = coded.getOf();
  auto dense = dyn_cast<DenseAttr>(encoding);
  return dense && dense.getStorageType() == type.getElementType();
}

/// Whether a constant hides what it is added to or selected by: -inf, the
/// least float or -10000.
static bool isMask(const Site &site) {
  constexpr double hiding = 1e4;
  auto tensor = HostTensor::fromAttr(site.elements);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return false;
  }
  for (int64_t i = 0, e = tensor->getNumElements(); i < e; ++i)
    if (!(std::fabs(tensor->getDouble(i)) < hiding))
      return true;
  return false;
}

std::string Level::whyNotOffered(const Site &site) const {
  if (!site.isElementwise())
    return onlyElementwise ? "it is for constants of elementwise operations"
                           : "";
  if (isNone())
    return "";
  if (hasActivation())
    return "an elementwise operation has no activation that could be rounded";
  auto type = getWeightType(site.type, site.getRole());
  if (!type) {
    // Encoding says so, too.
    llvm::consumeError(type.takeError());
    return "";
  }
  if (!isExact(*type) && isMask(site))
    return "it is a mask (magnitudes of 10000 or more), which is only stored "
           "exactly";
  return "";
}

void compress::addExactLevels(std::vector<Level> &levels,
                              ArrayRef<Site> sites) {
  if (llvm::none_of(sites, [](const Site &s) { return s.isElementwise(); }))
    return;
  for (StringRef name : {"f32", "zstd"})
    if (llvm::none_of(levels, [&](const Level &level) {
          return level.getSpelling() == name;
        }))
      levels.push_back(llvm::cantFail(Level::parse(name)).forElementwise());
}

SmallVector<int64_t> compress::getChannelGroup(ArrayRef<int64_t> shape,
                                               const WeightOperand &role) {
  SmallVector<int64_t> group(shape.size(), ShapedType::kDynamic);
  // Without an axis to share a scale along, one for all.
  if (!role.reductionAxes.empty())
    for (int64_t axis : role.outputAxes)
      group[axis] = 1;
  return group;
}

SmallVector<int64_t> compress::getBlockGroup(ArrayRef<int64_t> shape,
                                             const WeightOperand &role,
                                             int64_t size) {
  if (role.reductionAxes.empty())
    return getChannelGroup(shape, role);
  int64_t perOutput = 1;
  for (int64_t axis : role.reductionAxes)
    perOutput *= shape[axis];
  int64_t axis = role.reductionAxes[0];
  if (perOutput <= size)
    return getChannelGroup(shape, role);
  SmallVector<int64_t> group(shape.size(), 1);
  if (shape[axis] >= size) {
    group[axis] = size;
    return group;
  }
  // Compare size / dim with perOutput / size.
  if (double(size) * double(size) > double(shape[axis]) * double(perOutput))
    return getChannelGroup(shape, role);
  group[axis] = ShapedType::kDynamic;
  return group;
}
