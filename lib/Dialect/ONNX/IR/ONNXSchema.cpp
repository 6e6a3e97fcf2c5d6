//===- ONNXSchema.cpp - arity and attributes by opset version -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXSchema.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace compress::onnx;

namespace {

/// Entries of one table, in the order of the operators.
struct NamedAttrSchema {
  const char *op;
  AttrSchema attr;
};
struct NamedOpVersion {
  const char *op;
  OpVersion version;
};

const char *const opNames[] = {
#define ONNX_OP(name) #name,
#include "compress/Dialect/ONNX/IR/ONNXStandardOps.def"
};
const NamedAttrSchema attrTable[] = {
#define ONNX_ATTR(op, ods, name, kind) {#op, {ods, name, AttrKind::kind}},
#include "compress/Dialect/ONNX/IR/ONNXStandardOps.def"
};
const NamedOpVersion versionTable[] = {
#define ONNX_VERSION(op, since, minIn, maxIn, minOut, maxOut, required)        \
  {#op, {since, minIn, maxIn, minOut, maxOut, required}},
#include "compress/Dialect/ONNX/IR/ONNXStandardOps.def"
};

/// The table by operator. The two vectors own what the schemas refer to.
struct Registry {
  std::vector<AttrSchema> attrs;
  std::vector<OpVersion> versions;
  llvm::StringMap<OpSchema> ops;

  Registry() {
    // The schemas hold references, so the vectors must not grow again.
    attrs.reserve(std::size(attrTable));
    versions.reserve(std::size(versionTable));
    size_t attr = 0, version = 0;
    for (const char *name : opNames) {
      size_t firstAttr = attrs.size(), firstVersion = versions.size();
      for (; attr < std::size(attrTable) &&
             llvm::StringRef(attrTable[attr].op) == name;
           ++attr)
        attrs.push_back(attrTable[attr].attr);
      for (; version < std::size(versionTable) &&
             llvm::StringRef(versionTable[version].op) == name;
           ++version)
        versions.push_back(versionTable[version].version);
      ops[name] = {name, llvm::ArrayRef(attrs).drop_front(firstAttr),
                   llvm::ArrayRef(versions).drop_front(firstVersion)};
    }
  }
};

} // namespace

const OpVersion *OpSchema::inOpset(int64_t opset) const {
  const OpVersion *found = nullptr;
  for (const OpVersion &version : versions)
    if (version.since <= opset)
      found = &version;
  return found;
}

const AttrSchema *OpSchema::byONNXName(llvm::StringRef name) const {
  auto it = llvm::find_if(attrs, [&](auto &a) { return name == a.onnxName; });
  return it == attrs.end() ? nullptr : it;
}

const AttrSchema *OpSchema::byODSName(llvm::StringRef name) const {
  auto it = llvm::find_if(attrs, [&](auto &a) { return name == a.odsName; });
  return it == attrs.end() ? nullptr : it;
}

const OpSchema *compress::onnx::lookupSchema(llvm::StringRef name) {
  static const Registry registry;
  auto it = registry.ops.find(name);
  return it == registry.ops.end() ? nullptr : &it->second;
}

int64_t compress::onnx::getNewestOpsetVersion() {
#include "compress/Dialect/ONNX/IR/ONNXStandardOps.def"
  return ONNX_NEWEST_OPSET;
}
