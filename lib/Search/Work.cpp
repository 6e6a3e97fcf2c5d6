//===- Work.cpp - Operations, bit operations and energy ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Work.h"
#include "compress/Plan/Apply.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/YAMLTraits.h"
#include <cmath>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Energy
//===----------------------------------------------------------------------===//

namespace {
using Row = std::pair<const char *, double EnergyModel::*>;
constexpr Row rows[] = {{"int8-multiply", &EnergyModel::int8Multiply},
                        {"int32-add", &EnergyModel::int32Add},
                        {"f16-multiply", &EnergyModel::f16Multiply},
                        {"f16-add", &EnergyModel::f16Add},
                        {"f32-multiply", &EnergyModel::f32Multiply},
                        {"f32-add", &EnergyModel::f32Add},
                        {"memory-byte", &EnergyModel::memoryByte},
                        {"cache-byte", &EnergyModel::cacheByte}};
} // namespace

template <> struct llvm::yaml::MappingTraits<EnergyModel> {
  static void mapping(IO &io, EnergyModel &model) {
    for (auto [key, member] : rows)
      io.mapOptional(key, model.*member);
  }
};

llvm::Expected<EnergyModel> EnergyModel::load(StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return llvm::createStringError(path + ": " + file.getError().message());
  std::string message;
  EnergyModel model;
  llvm::yaml::Input input((*file)->getBuffer(), nullptr,
                          [](const llvm::SMDiagnostic &diagnostic, void *to) {
                            auto &message = *static_cast<std::string *>(to);
                            if (message.empty())
                              message = std::to_string(diagnostic.getLineNo()) +
                                        ": " + diagnostic.getMessage().str();
                          },
                          &message);
  input >> model;
  if (input.error())
    return llvm::createStringError(
        path + ":" + (message.empty() ? "it is not YAML" : message));
  for (auto [key, member] : rows)
    if (!std::isfinite(model.*member) || model.*member < 0)
      return llvm::createStringError(path + ": '" + key +
                                     "' is not a number of picojoules");
  return model;
}

double EnergyModel::getMultiplyAdd(Type a, Type b) const {
  if (a.isInteger() && b.isInteger())
    return int8Multiply * (a.getIntOrFloatBitWidth() / 8.0) *
               (b.getIntOrFloatBitWidth() / 8.0) +
           int32Add;
  auto isNarrow = [](Type type) {
    return isa<FloatType>(type) && type.getIntOrFloatBitWidth() <= 16;
  };
  return isNarrow(a) && isNarrow(b) ? f16Multiply + f16Add
                                    : f32Multiply + f32Add;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

SiteWork &SiteWork::operator+=(const SiteWork &other) {
  flops += other.flops;
  bops += other.bops;
  joules += other.joules;
  return *this;
}

SiteWork SiteWork::operator*(double factor) const {
  return {flops * factor, bops * factor, joules * factor};
}

/// What the elements of an encoded activation are multiplied as.
static Type getOperandType(CompressedTensorType type) {
  SmallVector<MultiplyAdds> counts;
  type.getEncoding().countMultiplyAdds(type, WeightWork(), counts);
  auto most = llvm::max_element(
      counts, [](const auto &a, const auto &b) { return a.count < b.count; });
  return most == counts.end() ? type.getElementType() : most->type;
}

llvm::Expected<SiteWork> compress::measureWork(const Site &site,
                                               const Level &level,
                                               CompressedTensorType stored,
                                               const EnergyModel &energy) {
  constexpr double pico = 1e-12;
  SiteWork total;
  for (const SiteUse &use : site.uses) {
    auto op = dyn_cast<CompressibleOpInterface>(use.op);
    std::optional<WeightWork> work;
    if (op)
      work = op.getWork(use.role);
    if (!work)
      return llvm::createStringError(
          "site '" + Twine(site.name) +
          "': the shapes that it works on are not known");
    // A table is read where it is looked up, which costs next to nothing.
    Value activation = use.getActivation();
    if (!activation)
      continue;
    Type activationType =
        cast<RankedTensorType>(activation.getType()).getElementType();
    auto encoded = level.getActivationType(use);
    if (!encoded)
      return encoded.takeError();
    double activationBits = activationType.getIntOrFloatBitWidth();
    double activationBytes =
        activationBits / 8 *
        cast<ShapedType>(activation.getType()).getNumElements();
    if (*encoded) {
      activationType = getOperandType(*encoded);
      activationBits = activationType.getIntOrFloatBitWidth();
      activationBytes = double(getStorageBytes(*encoded));
    }
    SmallVector<MultiplyAdds> counts;
    if (stored)
      stored.getEncoding().countMultiplyAdds(stored, *work, counts);
    else
      counts.push_back({double(site.getNumElements()) * work->outputs,
                        site.type.getElementType()});
    for (const MultiplyAdds &part : counts) {
      total.flops += 2 * part.count;
      total.bops +=
          part.count * part.type.getIntOrFloatBitWidth() * activationBits;
      total.joules +=
          part.count * energy.getMultiplyAdd(part.type, activationType) * pico;
    }
    double results = 0;
    for (Value result : use.op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType());
          type && type.hasStaticShape() && type.getElementType().isIntOrFloat())
        results +=
            double(type.getNumElements()) * type.getElementTypeBitWidth() / 8;
    double weightBytes =
        double(stored ? getStorageBytes(stored) : site.getBytes());
    total.joules += (weightBytes * energy.memoryByte +
                     (activationBytes + results) * energy.cacheByte) *
                    pico;
  }
  return total;
}
