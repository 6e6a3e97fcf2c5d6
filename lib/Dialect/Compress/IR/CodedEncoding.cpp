//===- CodedEncoding.cpp - The coded encoding -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints and the host reference; CodedEncodingIR.cpp emits the decoders as
// IR. The streams themselves are those of compress/Support/EntropyCoding.h.
//
//===----------------------------------------------------------------------===//

#include "CodedStreams.h"
#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

static constexpr int64_t defaultBlock = 4096;
/// Every stream begins with the number of elements.
static constexpr int64_t minStreamBytes = 8;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult CodedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                Coder coder, int64_t block,
                                ArrayRef<int64_t> bytes,
                                EncodingAttrInterface of) {
  if (!of)
    return emitError() << "coded: 'of' is missing";
  if (coder == Coder::Zstd ? block != defaultBlock
                           : block < 1 || block > StreamFormat::maxBlock) {
    if (coder == Coder::Zstd)
      return emitError()
             << "coded: zstd has no blocks, so 'block' is not given";
    return emitError() << "coded: a block has 1 to " << StreamFormat::maxBlock
                       << " symbols, found " << block;
  }
  for (int64_t size : bytes)
    if (!ShapedType::isDynamic(size) && size < minStreamBytes)
      return emitError() << "coded: a stream has at least " << minStreamBytes
                         << " bytes, found " << size;
  WalkResult nested =
      Attribute(of).walk([](CodedAttr) { return WalkResult::interrupt(); });
  if (nested.wasInterrupted())
    return emitError() << "coded: 'of' holds a coded encoding already; code "
                          "the outermost one only";
  return success();
}

CompressedTensorType CodedAttr::getInnerType(CompressedTensorType type) const {
  return CompressedTensorType::get(getContext(), type.getShape(),
                                   type.getElementType(), getOf());
}

LogicalResult
CodedAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                          ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (ShapedType::isDynamicShape(shape))
    return emitError() << "coded: the shape must be static, found "
                       << RankedTensorType::get(shape, elementType);
  if (failed(getOf().verifyEncoding(emitError, shape, elementType)))
    return failure();
  auto inner = CompressedTensorType::getChecked(emitError, getContext(), shape,
                                                elementType, getOf());
  if (!inner)
    return failure();
  size_t numLeaves = inner.getLeafTypes().size();
  if (numLeaves != getBytes().size())
    return emitError() << "coded: 'of' has " << numLeaves
                       << " leaves, but 'bytes' lists " << getBytes().size()
                       << " streams";
  // The sizes inside are found by decoding, so all are known or none.
  bool anyKnown = llvm::any_of(
      getBytes(), [](int64_t size) { return !ShapedType::isDynamic(size); });
  if (anyKnown && !isRefined(inner))
    return emitError() << "coded: 'bytes' are given, so the sizes in 'of' must "
                          "be too";
  return success();
}

SmallVector<Component>
CodedAttr::getComponents(CompressedTensorType type) const {
  Type i8 = IntegerType::get(getContext(), 8);
  SmallVector<Component> components;
  for (auto [k, size] : llvm::enumerate(getBytes()))
    components.push_back(
        makeDenseComponent("stream" + Twine(k), {size}, i8, i8));
  return components;
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

StreamFormat compress::getStreamFormat(CodedAttr attr, Type leafElementType) {
  StreamFormat format;
  switch (attr.getCoder()) {
  case Coder::Huffman:
    format.coder = EntropyCoder::Huffman;
    break;
  case Coder::RANS:
    format.coder = EntropyCoder::RANS;
    break;
  case Coder::Zstd:
    format.coder = EntropyCoder::Zstd;
    break;
  }
  format.block = attr.getBlock();
  format.element.width = HostTensor::getWidth(leafElementType);
  if (auto type = dyn_cast<FloatType>(leafElementType))
    if (type.getWidth() > 8)
      format.element.exponentWidth =
          type.getWidth() - type.getFPMantissaWidth();
  return format;
}

static llvm::Error inStream(size_t index, llvm::Error error) {
  return llvm::createStringError("stream" + Twine(index) + ": " +
                                 llvm::toString(std::move(error)));
}

/// The leaves of the types given that the streams restore.
static llvm::Expected<SmallVector<HostTensor>>
inflate(CodedAttr attr, ArrayRef<RankedTensorType> types,
        ArrayRef<HostTensor> streams) {
  SmallVector<HostTensor> leaves;
  for (auto [k, type] : llvm::enumerate(types)) {
    StreamFormat format = getStreamFormat(attr, type.getElementType());
    ArrayRef<char> stream = streams[k].getBytes();
    int64_t count = type.getNumElements();
    if (llvm::Error error = checkStream(format, count, stream))
      return inStream(k, std::move(error));
    HostTensor leaf =
        HostTensor::allocate(type.getShape(), type.getElementType());
    if (llvm::Error error =
            decodeStream(format, count, stream, leaf.getMutableBytes()))
      return inStream(k, std::move(error));
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

/// A coded tensor as the tensor inside.
static llvm::Expected<EncodedTensor> inflate(CodedAttr attr,
                                             CompressedTensorType type,
                                             ArrayRef<HostTensor> streams) {
  CompressedTensorType inner = attr.getInnerType(type);
  if (!isRefined(inner))
    return llvm::createStringError("the sizes in 'of' are not known");
  auto leaves = inflate(attr, inner.getLeafTypes(), streams);
  if (!leaves)
    return leaves.takeError();
  return EncodedTensor{inner, std::move(*leaves)};
}

static CodedAttr withSizes(CodedAttr attr, ArrayRef<HostTensor> streams,
                           EncodingAttrInterface of) {
  SmallVector<int64_t> bytes;
  for (const HostTensor &stream : streams)
    bytes.push_back(stream.getNumElements());
  return CodedAttr::get(attr.getContext(), attr.getCoder(), attr.getBlock(),
                        bytes, of);
}

/// Codes a tensor by the coder and block size of `attr`. Sizes that `attr`
/// gives must come out.
static llvm::Expected<EncodedTensor> deflate(CodedAttr attr,
                                             const EncodedTensor &inner) {
  SmallVector<HostTensor> streams;
  Type i8 = IntegerType::get(attr.getContext(), 8);
  SmallVector<RankedTensorType> types = inner.type.getLeafTypes();
  for (auto [k, leaf] : llvm::enumerate(inner.leaves)) {
    auto stream = encodeStream(getStreamFormat(attr, types[k].getElementType()),
                               leaf.getNumElements(), leaf.getBytes());
    if (!stream)
      return inStream(k, stream.takeError());
    int64_t size = stream->size(), asked = attr.getBytes()[k];
    if (!ShapedType::isDynamic(asked) && asked != size)
      return inStream(k, llvm::createStringError(
                             "it takes %lld bytes where the type says %lld; "
                             "write '?' for a size to be found",
                             (long long)size, (long long)asked));
    auto owner = std::make_shared<std::vector<char>>(std::move(*stream));
    streams.push_back(HostTensor::borrow({size}, i8, *owner, owner));
  }
  CodedAttr coded = withSizes(attr, streams, inner.type.getEncoding());
  return EncodedTensor{
      CompressedTensorType::get(attr.getContext(), inner.type.getShape(),
                                inner.type.getElementType(), coded),
      std::move(streams)};
}

//===----------------------------------------------------------------------===//
// Host reference
//===----------------------------------------------------------------------===//

llvm::Error CodedAttr::verifyPayload(CompressedTensorType type,
                                     ArrayRef<HostTensor> leaves) const {
  auto inner = inflate(*this, type, leaves);
  if (!inner)
    return inner.takeError();
  if (llvm::Error error = compress::verifyPayload(inner->type, inner->leaves))
    return llvm::createStringError("inside of the streams: " +
                                   llvm::toString(std::move(error)));
  return llvm::Error::success();
}

/// The leaf type with its one unknown dimension found from the stream.
static FailureOr<RankedTensorType> refineLeaf(RankedTensorType type,
                                              const HostTensor &stream) {
  auto count = getStreamElements(stream.getBytes());
  if (!count) {
    llvm::consumeError(count.takeError());
    return failure();
  }
  SmallVector<int64_t> shape(type.getShape());
  int64_t known = 1, *unknown = nullptr;
  for (int64_t &dim : shape) {
    if (!ShapedType::isDynamic(dim))
      known *= dim;
    else if (unknown)
      return failure();
    else
      unknown = &dim;
  }
  if (unknown) {
    // Of no elements any size is right; it is known from another leaf.
    if (known == 0 ? *count != 0 : *count % known != 0)
      return failure();
    *unknown = known == 0 ? 0 : *count / known;
  }
  return type.clone(shape);
}

EncodingAttrInterface CodedAttr::refine(CompressedTensorType type,
                                        ArrayRef<HostTensor> leaves) const {
  CompressedTensorType inner = getInnerType(type);
  if (isRefined(inner))
    return withSizes(*this, leaves, getOf());
  SmallVector<RankedTensorType> types;
  for (auto [leafType, stream] :
       llvm::zip_equal(inner.getLeafTypes(), leaves)) {
    auto refined = refineLeaf(leafType, stream);
    if (failed(refined))
      return *this;
    types.push_back(*refined);
  }
  auto innerLeaves = inflate(*this, types, leaves);
  if (!innerLeaves) {
    // Sizes stay unknown, which whoever needs them reports.
    llvm::consumeError(innerLeaves.takeError());
    return *this;
  }
  CompressedTensorType refined = refineType(inner, *innerLeaves);
  if (!isRefined(refined))
    return *this;
  return withSizes(*this, leaves, refined.getEncoding());
}

llvm::Expected<HostTensor>
CodedAttr::decodeHost(CompressedTensorType type,
                      ArrayRef<HostTensor> leaves) const {
  auto inner = inflate(*this, type, leaves);
  if (!inner)
    return inner.takeError();
  return getOf().decodeHost(inner->type, inner->leaves);
}

llvm::Expected<SmallVector<HostTensor>>
CodedAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                      ArrayRef<HostTensor> parameterLeaves) const {
  auto inner = encodeTensor(getInnerType(type), value);
  if (!inner)
    return inner.takeError();
  auto coded = deflate(*this, *inner);
  if (!coded)
    return coded.takeError();
  return std::move(coded->leaves);
}

FailureOr<DenseValue>
CodedAttr::describeDecode(TensorBuilder &builder, CompressedTensorType type,
                          ArrayRef<ComponentValue> parts) const {
  // Streams are read bit by bit, which whole-tensor operations do not say. With
  // the payload at hand, the decode of what is inside is the same.
  SmallVector<HostTensor> streams;
  for (const ComponentValue &part : parts)
    llvm::append_range(streams, part.leaves);
  if (streams.size() != parts.size())
    return builder.emitFailure(
        "a coded tensor is restored bit by bit; whole-tensor operations "
        "cannot say that unless it is a constant");
  auto inner = inflate(*this, type, streams);
  if (!inner)
    return builder.emitFailure(llvm::toString(inner.takeError()));
  return compress::describeDecode(builder, inner->type,
                                  splitLeaves(inner->type, inner->leaves));
}

//===----------------------------------------------------------------------===//
// Change of encoding
//===----------------------------------------------------------------------===//

/// Whether leaves of these types can be leaves of `type`, whose sizes may be
/// unknown.
static bool areLeavesOf(CompressedTensorType type,
                        ArrayRef<RankedTensorType> leaves) {
  SmallVector<RankedTensorType> types = type.getLeafTypes();
  return types.size() == leaves.size() &&
         llvm::all_of(llvm::zip_equal(types, leaves), [](auto pair) {
           auto [unknown, known] = pair;
           return unknown.getElementType() == known.getElementType() &&
                  succeeded(verifyCompatibleShape(unknown, known));
         });
}

/// `castTensor` as far as it is lossless and decodes no values.
static FailureOr<EncodedTensor> castWithoutValues(const EncodedTensor &source,
                                                  CompressedTensorType target) {
  if (source.type == target)
    return source;
  if (source.type.getEncoding().getTypeID() ==
          target.getEncoding().getTypeID() &&
      areLeavesOf(target, source.type.getLeafTypes()) &&
      refineType(target, source.leaves) == source.type)
    return source;
  auto recoded = source.type.getEncoding().recodeHost(source, target);
  if (failed(recoded))
    recoded = target.getEncoding().recodeHost(source, target);
  return recoded;
}

FailureOr<EncodedTensor>
CodedAttr::recodeHost(const EncodedTensor &source,
                      CompressedTensorType target) const {
  if (source.type.getShape() != target.getShape() ||
      source.type.getElementType() != target.getElementType())
    return failure();
  auto from = dyn_cast<CodedAttr>(source.type.getEncoding());
  if (from) {
    auto inner = inflate(from, source.type, source.leaves);
    if (!inner) {
      llvm::consumeError(inner.takeError());
      return failure();
    }
    return castWithoutValues(*inner, target);
  }
  auto to = cast<CodedAttr>(target.getEncoding());
  auto inner = castWithoutValues(source, to.getInnerType(target));
  if (failed(inner))
    return failure();
  auto coded = deflate(to, *inner);
  if (!coded) {
    llvm::consumeError(coded.takeError());
    return failure();
  }
  return std::move(*coded);
}

FailureOr<EncodedTensor> CodedAttr::simplify(const EncodedTensor &tensor,
                                             bool allowRounding) const {
  auto inner = inflate(*this, tensor.type, tensor.leaves);
  if (!inner) {
    llvm::consumeError(inner.takeError());
    return failure();
  }
  EncodedTensor simpler = simplifyTensor(*inner, allowRounding);
  if (simpler.type == inner->type)
    return failure();
  SmallVector<int64_t> unknown(simpler.leaves.size(), ShapedType::kDynamic);
  auto coded = deflate(CodedAttr::get(getContext(), getCoder(), getBlock(),
                                      unknown, simpler.type.getEncoding()),
                       simpler);
  if (!coded) {
    llvm::consumeError(coded.takeError());
    return failure();
  }
  return std::move(*coded);
}

llvm::Expected<EncodedTensor>
CodedAttr::getExchangeForm(const EncodedTensor &tensor) const {
  auto inner = inflate(*this, tensor.type, tensor.leaves);
  if (!inner)
    return inner.takeError();
  return getOf().getExchangeForm(*inner);
}

FailureOr<Value> CodedAttr::rewriteContract(RewriterBase &rewriter,
                                            Operation *op,
                                            unsigned operand) const {
  // What is inside has rules of its own.
  auto contract = cast<ContractOp>(op);
  Value source = contract->getOperand(operand);
  Value inner = CastOp::create(
      rewriter, op->getLoc(),
      getInnerType(cast<CompressedTensorType>(source.getType())), source);
  return cloneContract(rewriter, contract, operand, inner,
                       contract->getOperand(1 - operand), contract.getInit());
}

EncodingAttrInterface
CodedAttr::withComponentEncodings(ArrayRef<EncodingAttrInterface>) const {
  // Streams are plain bytes; `of` describes them from the outside.
  return *this;
}
