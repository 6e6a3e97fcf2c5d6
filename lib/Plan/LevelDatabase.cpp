//===- LevelDatabase.cpp - Encoded weights, kept on disk --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/LevelDatabase.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include <cmath>
#include <map>
#include <mutex>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

const std::string &LevelDatabase::getProgramHash() {
  static const std::string hash = [] {
    static int anchor;
    std::string path = llvm::sys::fs::getMainExecutable(nullptr, &anchor);
    auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
    // What cannot be told apart must not be shared with other runs.
    return file ? hashHex((*file)->getBuffer())
                : "unknown" +
                      std::to_string(llvm::sys::Process::GetRandomNumber());
  }();
  return hash;
}

template <typename T> static StringRef asBytes(ArrayRef<T> values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(T)};
}

/// All that a method may read of a site's statistics.
static std::string hashStatistics(const Site &site,
                                  const Statistics *statistics) {
  if (!statistics)
    return "none";
  std::string all = hashHex(
      asBytes(ArrayRef<double>(statistics->getSecondMoments(site.name))));
  for (unsigned use = 0; use < site.uses.size(); ++use) {
    const TensorStatistics *seen = statistics->lookup(site.name, use);
    if (!seen) {
      all += "-";
      continue;
    }
    const Histogram &histogram = seen->getHistogram();
    double numbers[] = {double(seen->getCount()), seen->getMin(),
                        seen->getMax(), histogram.getRange(),
                        double(histogram.getNumZeros())};
    all += hashHex(asBytes(ArrayRef<double>(numbers)));
    all += hashHex(asBytes(ArrayRef<double>(seen->getMeans())));
    all += hashHex(asBytes(seen->getAbsMax()));
    all += hashHex(asBytes(histogram.getCounts()));
    all += hashHex(asBytes(seen->getReservoir()));
  }
  return hashHex(all);
}

std::string LevelDatabase::getKey(const Site &site, const Level &level) const {
  std::string key;
  llvm::raw_string_ostream os(key);
  auto list = [&](StringRef name, ArrayRef<int64_t> values) {
    os << "\n" << name;
    for (int64_t value : values)
      os << " " << value;
  };
  os << "level 1\nprogram " << getProgramHash() << "\nlevel "
     << level.getSpelling() << "\nweight " << site.type << " ";
  if (auto weight = HostTensor::fromAttr(site.elements))
    os << hashHex(asBytes(weight->getBytes()));
  else
    llvm::consumeError(weight.takeError());
  const WeightOperand &role = site.getRole();
  list("output", role.outputAxes);
  list("reduction", role.reductionAxes);
  os << "\nactivations";
  for (const SiteUse &use : site.uses) {
    os << " " << use.role.activationChannelAxis;
    if (Value activation = use.getActivation())
      os << " " << activation.getType();
  }
  os << "\nstatistics " << hashStatistics(site, statistics) << "\n";
  return key;
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

namespace {
/// The text before the leaves: type, absolute and relative error of the weight,
/// error of the activation, one a line; empty line.
struct Entry {
  LevelSummary summary;
  StringRef leaves;
};
} // namespace

static std::string formatExact(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

static std::string writeEntry(const EncodedSite &site, double activation) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << site.type << "\n"
     << formatExact(site.weight.error.absolute) << "\n"
     << formatExact(site.weight.error.relative) << "\n"
     << formatExact(activation) << "\n\n";
  for (const HostTensor &leaf : site.weight.leaves)
    os << StringRef(leaf.getBytes().data(), leaf.getBytes().size());
  return text;
}

static std::optional<Entry> parseEntry(StringRef text, MLIRContext *context) {
  auto [head, leaves] = text.split("\n\n");
  SmallVector<StringRef> lines;
  head.split(lines, '\n');
  if (lines.size() != 4)
    return std::nullopt;
  Entry entry;
  entry.leaves = leaves;
  // The checksum was right, so this program wrote it and can read it.
  entry.summary.type =
      dyn_cast_or_null<CompressedTensorType>(parseType(lines[0], context));
  if (!entry.summary.type)
    return std::nullopt;
  LayerError &error = entry.summary.error;
  double *numbers[] = {&error.absolute, &error.relative,
                       &entry.summary.activationError};
  for (auto [number, line] :
       llvm::zip_equal(numbers, ArrayRef<StringRef>(lines).drop_front()))
    *number = std::strtod(line.str().c_str(), nullptr);
  entry.summary.bytes = getStorageBytes(entry.summary.type);
  if (entry.summary.bytes != leaves.size())
    return std::nullopt;
  return entry;
}

static EncodedSite readLeaves(const Entry &entry) {
  EncodedSite site;
  site.type = entry.summary.type;
  site.weight.type = entry.summary.type;
  site.weight.error = entry.summary.error;
  StringRef rest = entry.leaves;
  for (RankedTensorType type : site.type.getLeafTypes()) {
    HostTensor leaf =
        HostTensor::allocate(type.getShape(), type.getElementType());
    MutableArrayRef<char> bytes = leaf.getMutableBytes();
    llvm::copy(rest.take_front(bytes.size()), bytes.begin());
    rest = rest.drop_front(bytes.size());
    site.weight.leaves.push_back(std::move(leaf));
  }
  return site;
}

/// Whether the leaves are just what the type says, so that they can be read
/// back.
static bool canStore(const EncodedSite &site) {
  SmallVector<RankedTensorType> types = site.type.getLeafTypes();
  if (types.size() != site.weight.leaves.size())
    return false;
  for (auto [type, leaf] : llvm::zip_equal(types, site.weight.leaves))
    if (!type.hasStaticShape() || type.getShape() != leaf.getShape() ||
        type.getElementType() != leaf.getElementType())
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Database
//===----------------------------------------------------------------------===//

struct LevelDatabase::Memory {
  std::mutex mutex;
  /// By site and level.
  std::map<std::pair<const void *, std::string>, CompressedTensorType> types;
  /// By key; empty with a cache on disk.
  llvm::StringMap<LevelSummary> summaries;
};

LevelDatabase::LevelDatabase(const Statistics *statistics, ContentCache *cache)
    : statistics(statistics), cache(cache), memory(std::make_shared<Memory>()) {
}

/// Weights of one file are told apart by their elements.
static std::pair<const void *, std::string> getTypeKey(const Site &site,
                                                       const Level &level) {
  return {site.elements.getAsOpaquePointer(),
          site.name + "\n" + level.getSpelling().str()};
}

void LevelDatabase::remember(const Site &site, const Level &level,
                             CompressedTensorType type) const {
  std::lock_guard<std::mutex> lock(memory->mutex);
  memory->types[getTypeKey(site, level)] = type;
}

llvm::Expected<CompressedTensorType>
LevelDatabase::getType(const Site &site, const Level &level) const {
  {
    std::lock_guard<std::mutex> lock(memory->mutex);
    auto known = memory->types.find(getTypeKey(site, level));
    if (known != memory->types.end())
      return known->second;
  }
  auto summary = getSummary(site, level);
  if (!summary)
    return summary.takeError();
  return summary->type;
}

llvm::Expected<LevelSummary>
LevelDatabase::getSummary(const Site &site, const Level &level) const {
  std::string key = getKey(site, level);
  if (!cache) {
    std::lock_guard<std::mutex> lock(memory->mutex);
    auto known = memory->summaries.find(key);
    if (known != memory->summaries.end())
      return known->second;
  }
  MLIRContext *context = site.type.getContext();
  if (cache)
    if (auto text = cache->lookup(key))
      if (auto entry = parseEntry(*text, context)) {
        remember(site, level, entry->summary.type);
        return entry->summary;
      }
  auto encoded = encodeSite(site, level, statistics);
  if (!encoded)
    return encoded.takeError();
  remember(site, level, encoded->type);
  auto activation = measureActivationError(site, level, statistics);
  if (!activation)
    return activation.takeError();
  if (cache && canStore(*encoded))
    if (llvm::Error error =
            cache->store(key, writeEntry(*encoded, *activation)))
      return std::move(error);
  LevelSummary summary;
  summary.type = encoded->type;
  summary.bytes = getStorageBytes(encoded->type);
  summary.error = encoded->weight.error;
  summary.activationError = *activation;
  if (!cache) {
    std::lock_guard<std::mutex> lock(memory->mutex);
    memory->summaries[key] = summary;
  }
  return summary;
}

llvm::Expected<EncodedSite> LevelDatabase::encode(const Site &site,
                                                  const Level &level) const {
  if (cache)
    if (auto text = cache->lookup(getKey(site, level)))
      if (auto entry = parseEntry(*text, site.type.getContext())) {
        remember(site, level, entry->summary.type);
        return readLeaves(*entry);
      }
  auto encoded = encodeSite(site, level, statistics);
  if (encoded)
    remember(site, level, encoded->type);
  return encoded;
}
