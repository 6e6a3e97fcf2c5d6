//===- Target.cpp - Target registry -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Target.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

using namespace compress;

llvm::Error TargetOptions::resolve() {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
  });
  bool native = triple.empty();
  // "aarch64-linux-gnu" leaves out the vendor.
  triple =
      native ? llvm::sys::getProcessTriple() : llvm::Triple::normalize(triple);
  if (cpu.empty() && native) {
    cpu = llvm::sys::getHostCPUName().str();
    if (features.empty()) {
      llvm::SubtargetFeatures list;
      for (const auto &entry : llvm::sys::getHostCPUFeatures())
        list.AddFeature(entry.first(), entry.second);
      features = list.getString();
    }
  }
  // What every processor of the architecture has.
  if (cpu.empty() && features.empty())
    cpu = "generic";
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(llvm::Triple(triple), error);
  if (!target)
    return llvm::createStringError("unknown target triple '" + triple +
                                   "': " + error);
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      target->createMCSubtargetInfo(llvm::Triple(triple), cpu, features));
  if (!info || (!cpu.empty() && !info->isCPUStringValid(cpu)))
    return llvm::createStringError("unknown CPU '" + cpu + "' for " + triple);
  // The features that the CPU name implies are spelled out, so that everyone
  // who asks sees the same list.
  llvm::SubtargetFeatures all;
  for (const llvm::SubtargetFeatureKV &feature :
       info->getEnabledProcessorFeatures())
    all.AddFeature(feature.Key);
  if (native || !cpu.empty()) {
    std::string explicitFeatures = features;
    features = all.getString();
    if (!explicitFeatures.empty())
      features += (features.empty() ? "" : ",") + explicitFeatures;
  }
  return llvm::Error::success();
}

bool TargetOptions::hasFeature(llvm::StringRef name) const {
  // The last mention wins.
  bool enabled = false;
  llvm::SubtargetFeatures list(features);
  for (const std::string &feature : list.getFeatures())
    if (llvm::SubtargetFeatures::StripFlag(feature) == name)
      enabled = llvm::SubtargetFeatures::isEnabled(feature);
  return enabled;
}

llvm::Expected<std::unique_ptr<compress::Target>>
compress::Target::forDevice(llvm::StringRef device) const {
  return llvm::createStringError("target '" + getName() +
                                 "' has no kinds of devices, such as '" +
                                 device + "'");
}

TargetRegistry &TargetRegistry::get() {
  static TargetRegistry registry;
  return registry;
}

void TargetRegistry::add(std::unique_ptr<Target> target) {
  targets.push_back(std::move(target));
}

llvm::Expected<const Target *>
TargetRegistry::lookup(llvm::StringRef name) const {
  std::string known;
  auto [base, device] = name.split(':');
  for (const std::unique_ptr<Target> &target : targets) {
    if (target->getName() == name)
      return target.get();
    if (target->getName() == base && !device.empty()) {
      std::lock_guard<std::mutex> lock(mutex);
      std::unique_ptr<Target> &found = forDevices[name.str()];
      if (!found) {
        auto made = target->forDevice(device);
        if (!made)
          return made.takeError();
        found = std::move(*made);
      }
      return found.get();
    }
    known += (known.empty() ? "" : ", ") + target->getName().str();
  }
  return llvm::createStringError("unknown target '" + name +
                                 "'; known: " + known);
}

std::vector<const Target *> TargetRegistry::getTargets() const {
  std::vector<const Target *> result;
  for (const std::unique_ptr<Target> &target : targets)
    result.push_back(target.get());
  return result;
}

std::optional<CodedWeights> compress::parseCodedWeights(llvm::StringRef text) {
  return llvm::StringSwitch<std::optional<CodedWeights>>(text)
      .Case("auto", CodedWeights::Auto)
      .Case("load", CodedWeights::Load)
      .Case("block", CodedWeights::Block)
      .Default(std::nullopt);
}

llvm::StringRef compress::stringify(CodedWeights coded) {
  switch (coded) {
  case CodedWeights::Auto:
    return "auto";
  case CodedWeights::Load:
    return "load";
  case CodedWeights::Block:
    return "block";
  }
  llvm_unreachable("covered switch");
}
