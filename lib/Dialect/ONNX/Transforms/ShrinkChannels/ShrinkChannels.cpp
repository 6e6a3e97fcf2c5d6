//===- ShrinkChannels.cpp - onnx-shrink-channels ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

namespace compress::onnx {
#define GEN_PASS_DEF_SHRINKCHANNELS
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

static HostTensor sliceTensor(const HostTensor &tensor, const Slice &slice) {
  SmallVector<int64_t> shape(tensor.getShape());
  int64_t inner = 1, outer = 1, before = shape[slice.axis];
  for (int64_t dim : ArrayRef(shape).take_front(slice.axis))
    outer *= dim;
  for (int64_t dim : ArrayRef(shape).drop_front(slice.axis + 1))
    inner *= dim;
  shape[slice.axis] = slice.kept.size();
  HostTensor result = HostTensor::allocate(shape, tensor.getElementType());
  int64_t to = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t index : slice.kept)
      for (int64_t i = 0; i < inner; ++i)
        result.setBits(to++, tensor.getBits((o * before + index) * inner + i));
  return result;
}

static Value makeInitializer(OpBuilder &builder, Location loc,
                             const HostTensor &tensor, StringRef name) {
  ElementsAttr attr = toAttr(tensor, name);
  return InitializerOp::create(builder, loc, attr.getType(),
                               builder.getStringAttr(name), attr,
                               DictionaryAttr())
      .getResult();
}

static Type withSize(Type type, const Slice &slice) {
  auto resize = [&](ArrayRef<int64_t> shape) {
    SmallVector<int64_t> result(shape);
    result[slice.axis] = slice.kept.size();
    return result;
  };
  if (auto stored = dyn_cast<CompressedTensorType>(type))
    return CompressedTensorType::get(
        type.getContext(), resize(stored.getShape()), stored.getElementType(),
        stored.getEncoding());
  auto tensor = cast<RankedTensorType>(type);
  return RankedTensorType::get(resize(tensor.getShape()),
                               tensor.getElementType(), tensor.getEncoding());
}

/// The name of a constant in ONNX.
static std::string getName(Value constant) {
  Operation *op = constant.getDefiningOp();
  if (auto initializer = dyn_cast<InitializerOp>(op))
    return initializer.getName().str();
  if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
    if (!outputs.empty())
      if (auto name = dyn_cast<StringAttr>(outputs[0]))
        return name.str();
  return "sliced";
}

namespace {
/// A constant that is cut, before anything changes.
struct Cut {
  OpOperand *use;
  HostTensor tensor;
};
} // namespace

/// The sizes that a reshape asks for, with one changed; none where they hold.
static std::optional<HostTensor> resizeReshape(ReshapeOp op,
                                               const ChannelGroup &group) {
  auto result = group.values.find(op->getResult(0));
  if (result == group.values.end())
    return std::nullopt;
  SmallVector<int64_t> sizes = *getConstantInts(op->getOperand(1));
  int64_t &size = sizes[result->second.axis];
  if (size < 0)
    return std::nullopt;
  size = result->second.kept.size();
  HostTensor tensor = HostTensor::allocate(
      {int64_t(sizes.size())}, IntegerType::get(op->getContext(), 64));
  for (auto [i, value] : llvm::enumerate(sizes))
    tensor.setBits(i, uint64_t(value));
  return tensor;
}

/// Cuts everything in the group, and gives the reader its values.
static llvm::Expected<int64_t> shrink(const ChannelGroup &group,
                                      DecodeOp decode,
                                      compress::ConstantOp constant) {
  std::vector<Cut> cuts;
  for (const auto &[use, slice] : group.constants) {
    auto tensor = getConstant(use->get());
    if (failed(tensor))
      return llvm::createStringError("a constant cannot be read");
    cuts.push_back({use, sliceTensor(*tensor, slice)});
  }
  for (Operation *op : group.getOps())
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      if (auto sizes = resizeReshape(reshape, group))
        cuts.push_back({&op->getOpOperand(1), std::move(*sizes)});

  int64_t saved = 0;
  for (Cut &cut : cuts) {
    Value old = cut.use->get();
    auto type = cast<RankedTensorType>(old.getType());
    OpBuilder builder(old.getDefiningOp());
    std::string name = getName(old);
    if (!old.hasOneUse())
      name += ".of." + getName(group.reader->getOperand(group.role.operand));
    // Weights are sites, which count by themselves.
    if (type.getRank() < 2)
      saved += (old.hasOneUse() ? int64_t(HostTensor::getByteSize(
                                      type.getShape(), type.getElementType()))
                                : 0) -
               int64_t(cut.tensor.getBytes().size());
    Value cutValue = makeInitializer(builder, old.getLoc(), cut.tensor, name);
    cut.use->set(cutValue);
    if (old.use_empty())
      old.getDefiningOp()->erase();
  }
  for (const auto &[value, slice] : group.values)
    Value(value).setType(withSize(value.getType(), slice));

  // What is left of the weight is what was stored.
  CompressedTensorType type = cast<CompressedTensorType>(constant.getType());
  SmallVector<HostTensor> leaves = constant.getLeaves();
  Component values = type.getComponents().front();
  ArrayRef<HostTensor> stored = ArrayRef(leaves).drop_back();
  OpBuilder builder(constant);
  Location loc = constant.getLoc();
  std::string site;
  if (auto name = constant->getAttrOfType<StringAttr>("compress.site"))
    site = name.str();
  auto sparse = cast<SparseAttr>(type.getEncoding());
  SmallVector<int64_t> shape = sparse.getValuesShape(type.getShape());
  Value weight;
  if (auto nested = dyn_cast<CompressedTensorType>(values.type)) {
    auto whole =
        compress::ConstantOp::create(builder, loc, nested, stored, site);
    for (StringRef name : {"compress.site", "compress.level"})
      if (Attribute attr = constant->getAttr(name))
        whole->setAttr(name, attr);
    weight = DecodeOp::create(builder, loc, whole);
  } else if (stored.front().getElementType() == type.getElementType()) {
    weight = makeInitializer(builder, loc, stored.front(), site);
  } else {
    auto whole = compress::ConstantOp::create(
        builder, loc,
        CompressedTensorType::get(type.getContext(), shape,
                                  type.getElementType(), sparse.getOf()),
        stored, site);
    for (StringRef name : {"compress.site", "compress.level"})
      if (Attribute attr = constant->getAttr(name))
        whole->setAttr(name, attr);
    weight = DecodeOp::create(builder, loc, whole);
  }
  group.reader->setOperand(group.role.operand, weight);
  decode.erase();
  constant.erase();
  return saved;
}

llvm::Expected<ShrinkResult>
compress::onnx::shrinkChannels(FunctionOpInterface function) {
  SmallVector<CompressibleOpInterface> ops;
  function->walk([&](CompressibleOpInterface op) { ops.push_back(op); });
  ShrinkResult result;
  for (CompressibleOpInterface op : ops)
    for (const WeightOperand &role : op.getWeightOperands()) {
      if (role.operand >= op->getNumOperands())
        continue;
      auto decode = op->getOperand(role.operand).getDefiningOp<DecodeOp>();
      auto constant =
          decode ? decode->getOperand(0).getDefiningOp<compress::ConstantOp>()
                 : compress::ConstantOp();
      if (!constant)
        continue;
      auto kept =
          getKeptChannels(cast<CompressedTensorType>(constant.getType()),
                          constant.getLeaves(), role);
      if (!kept)
        continue;
      auto site = constant->getAttrOfType<StringAttr>("compress.site");
      auto keep = [&](std::string reason) {
        result.kept.emplace_back(site ? site.str() : "", std::move(reason));
      };
      if (!decode->hasOneUse() || !constant->hasOneUse()) {
        keep("the weight has several users");
        continue;
      }
      auto group = findChannelGroup(op, role, *kept);
      if (!group) {
        keep(llvm::toString(group.takeError()));
        continue;
      }
      auto saved = shrink(*group, decode, constant);
      if (!saved)
        return saved.takeError();
      result.savedBytes += *saved;
      ++result.numShrunk;
    }
  return result;
}

namespace {
struct ShrinkChannelsPass : onnx::impl::ShrinkChannelsBase<ShrinkChannelsPass> {
  using ShrinkChannelsBase::ShrinkChannelsBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    auto result = shrinkChannels(
        cast<FunctionOpInterface>(getOperation().getOperation()));
    if (!result) {
      getOperation().emitError(llvm::toString(result.takeError()));
      return signalPassFailure();
    }
    numShrunk += result->numShrunk;
    numKept += result->kept.size();
  }
};
} // namespace
