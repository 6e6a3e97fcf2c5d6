//===- Site.cpp - The weights of a function ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Site/Site.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace compress;

ElementsAttr compress::getConstantElements(Value value) {
  ElementsAttr elements;
  if (matchPattern(value, m_Constant(&elements)))
    return elements;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() || op->getNumResults() != 1 ||
      op->getNumRegions())
    return nullptr;
  elements = op->getAttrOfType<ElementsAttr>("value");
  return elements && elements.getType() == value.getType() ? elements
                                                           : ElementsAttr();
}

Value SiteUse::getActivation() const {
  return role.activation < 0 ? Value() : op->getOperand(role.activation);
}

std::string Site::getOpName() const {
  return uses.front().op->getName().getStringRef().str();
}

static std::string nodeName(Operation *op) {
  if (auto name = op->getAttrOfType<StringAttr>("onnx.node_name"))
    return name.str();
  if (auto loc = op->getLoc()->findInstanceOf<NameLoc>())
    return loc.getName().str();
  return "";
}

std::string Site::getNodeName() const { return nodeName(uses.front().op); }

static uint64_t bytesOf(RankedTensorType type) {
  return HostTensor::getByteSize(type.getShape(), type.getElementType());
}

uint64_t Site::getBytes() const { return bytesOf(type); }

const Site *SiteList::lookup(StringRef name) const {
  auto it = llvm::find_if(sites, [&](const Site &s) { return s.name == name; });
  return it == sites.end() ? nullptr : &*it;
}

const ExcludedSite *SiteList::lookupExcluded(StringRef name) const {
  auto it = llvm::find_if(
      excluded, [&](const ExcludedSite &s) { return s.name == name; });
  return it == excluded.end() ? nullptr : &*it;
}

uint64_t SiteList::getBytes() const {
  uint64_t bytes = 0;
  for (const Site &site : sites)
    bytes += site.getBytes();
  return bytes;
}

/// The name that the model gives to the constant, else one made from its user.
static std::string weightName(Value weight, const SiteUse &use) {
  Operation *op = weight.getDefiningOp();
  if (auto name = op->getAttrOfType<StringAttr>("name"))
    return name.str();
  if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
    if (!outputs.empty())
      if (auto name = dyn_cast<StringAttr>(outputs[0]))
        return name.str();
  if (std::string name = nodeName(op); !name.empty())
    return name;
  std::string user = nodeName(use.op);
  if (user.empty())
    user = use.op->getName().getStringRef().str();
  return user + "." + std::to_string(use.role.operand);
}

/// Whether a constant of elementwise operations may be a site: a large one of
/// several axes. Others are biases and scales, and are not even listed.
static bool isLargeOperand(const Site &site, const SiteOptions &options) {
  return isa<FloatType>(site.type.getElementType()) &&
         bytesOf(site.type) >= options.minElementwiseBytes &&
         llvm::count_if(site.type.getShape(),
                        [](int64_t dim) { return dim > 1; }) > 1;
}

static bool sameAxes(const WeightOperand &a, const WeightOperand &b) {
  return a.outputAxes == b.outputAxes && a.reductionAxes == b.reductionAxes;
}

/// Why this weight cannot be a site; empty when it can.
static std::string whyExcluded(const Site &site, const SiteOptions &options) {
  Type element = site.type.getElementType();
  std::string reason;
  llvm::raw_string_ostream os(reason);
  if (!isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(element)) {
    os << "element type " << element << " is not f16, bf16, f32 or f64";
  } else if (site.getNumElements() <= options.maxSmallElements) {
    os << site.getNumElements() << " elements are not more than "
       << options.maxSmallElements;
  } else {
    for (const SiteUse &use : site.uses)
      if (!sameAxes(use.role, site.getRole())) {
        os << "its users '" << site.getOpName() << "' and '"
           << use.op->getName() << "' contract different axes";
        break;
      }
  }
  return reason;
}

SiteList compress::findSites(FunctionOpInterface function,
                             const SiteOptions &options) {
  llvm::MapVector<Value, Site> found;
  function->walk<WalkOrder::PreOrder>([&](CompressibleOpInterface op) {
    for (const WeightOperand &role : op.getWeightOperands()) {
      if (role.operand >= op->getNumOperands() ||
          role.activation >= int(op->getNumOperands()))
        continue;
      Value weight = op->getOperand(role.operand);
      auto type = dyn_cast<RankedTensorType>(weight.getType());
      ElementsAttr elements = type && type.hasStaticShape()
                                  ? getConstantElements(weight)
                                  : ElementsAttr();
      if (!elements)
        continue;
      Site &site = found[weight];
      site.weight = weight;
      site.elements = elements;
      site.type = type;
      site.uses.push_back({op, role});
    }
  });

  SiteList list;
  llvm::StringSet<> names;
  for (auto &[weight, site] : found) {
    // What else uses a weight reads what is decoded.
    auto isElementwise = [](const SiteUse &use) {
      return use.role.isElementwise;
    };
    if (!llvm::all_of(site.uses, isElementwise))
      llvm::erase_if(site.uses, isElementwise);
    else if (!isLargeOperand(site, options))
      continue;
    std::string base = weightName(weight, site.uses.front());
    site.name = base;
    for (unsigned n = 2; !names.insert(site.name).second; ++n)
      site.name = base + "." + std::to_string(n);
    std::string reason = whyExcluded(site, options);
    if (reason.empty())
      list.sites.push_back(std::move(site));
    else
      list.excluded.push_back(
          {site.name, site.getOpName(), std::move(reason), bytesOf(site.type)});
  }
  return list;
}
