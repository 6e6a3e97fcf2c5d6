//===- SumEncoding.cpp - The sum encoding -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace compress;

LogicalResult SumAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              ArrayRef<EncodingAttrInterface> of) {
  if (of.empty())
    return emitError() << "sum: at least one term is needed";
  return success();
}

LogicalResult
SumAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                        ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError()
           << "sum: the logical element type must be a float, found "
           << elementType;
  for (EncodingAttrInterface term : getOf())
    if (failed(
            term.verifyEncoding(emitError, shape, getComputeType(elementType))))
      return failure();
  return success();
}

SmallVector<Component> SumAttr::getComponents(CompressedTensorType type) const {
  SmallVector<Component> components;
  for (auto [i, term] : llvm::enumerate(getOf()))
    components.push_back(makeComponent("term" + Twine(i), type.getShape(),
                                       getComputeType(type.getElementType()),
                                       term));
  return components;
}

EncodingAttrInterface SumAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return SumAttr::get(getContext(), encodings);
}

FailureOr<DenseValue>
SumAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                        ArrayRef<ComponentValue> parts) const {
  auto sum = b.decode(parts[0]);
  for (const ComponentValue &part : parts.drop_front()) {
    auto term = b.decode(part);
    if (failed(sum) || failed(term))
      return failure();
    sum = b.add(*sum, *term);
  }
  if (failed(sum))
    return failure();
  return b.cast(*sum, type.getElementType());
}

static HostTensor subtract(const HostTensor &a, const HostTensor &b) {
  HostTensor result = HostTensor::allocate(a.getShape(), a.getElementType());
  // The difference of two floats in f64, rounded once, is the f32 difference.
  for (int64_t i = 0, e = a.getNumElements(); i < e; ++i)
    result.setDouble(i, a.getDouble(i) - b.getDouble(i));
  return result;
}

llvm::Expected<SmallVector<HostTensor>>
SumAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                    ArrayRef<HostTensor>) const {
  HostTensor rest = value.convert(getComputeType(type.getElementType()));
  SmallVector<HostTensor> leaves;
  SmallVector<Component> components = getComponents(type);
  for (auto [i, component] : llvm::enumerate(components)) {
    SmallVector<HostTensor> own;
    if (llvm::Error error = encodeComponent(component, rest, own))
      return std::move(error);
    if (i + 1 < components.size()) {
      // Sizes written `?` are known once the term is encoded.
      Type stored = component.type;
      auto encoding = cast<EncodingAttrInterface>(component.encoding);
      if (auto nested = dyn_cast<CompressedTensorType>(stored)) {
        CompressedTensorType refined = refineType(nested, own);
        stored = refined;
        encoding = refined.getEncoding();
      }
      auto decoded =
          decodeComponent(stored, component.elementType, encoding, own);
      if (!decoded)
        return decoded.takeError();
      rest = subtract(rest, *decoded);
    }
    llvm::append_range(leaves, own);
  }
  return leaves;
}

FailureOr<SmallVector<Value>> SumAttr::buildEncode(OpBuilder &b, Location loc,
                                                   CompressedTensorType type,
                                                   Value value,
                                                   ValueRange) const {
  Type compute = getComputeType(type.getElementType());
  Value rest = buildElementwise(
      b, loc, compute, value, [&](OpBuilder &b, Location loc, ValueRange in) {
        return buildNumericCast(b, loc, in[0], type.getElementType(), compute);
      });
  SmallVector<Value> terms;
  SmallVector<Component> components = getComponents(type);
  for (auto [i, component] : llvm::enumerate(components)) {
    auto term = buildEncodeComponent(b, loc, rest, component.type, getOf()[i]);
    if (failed(term))
      return failure();
    terms.push_back(*term);
    if (i + 1 == components.size())
      break;
    auto decoded = buildDecodeComponent(b, loc, *term, component);
    if (failed(decoded))
      return failure();
    rest = buildElementwise(
        b, loc, compute, {rest, *decoded},
        [](OpBuilder &b, Location loc, ValueRange in) -> Value {
          return arith::SubFOp::create(b, loc, in[0], in[1]);
        });
  }
  return terms;
}

FailureOr<Value> SumAttr::buildGather(OpBuilder &b, Location loc,
                                      CompressedTensorType type,
                                      ValueRange components, Value indices,
                                      int64_t axis) const {
  Value sum;
  SmallVector<Component> parts = getComponents(type);
  for (auto [value, component] : llvm::zip_equal(components, parts)) {
    auto rows = buildGatherComponent(b, loc, value, component, indices, axis);
    if (failed(rows))
      return failure();
    sum = sum ? buildAdd(b, loc, sum, *rows) : *rows;
  }
  return buildElementwise(b, loc, type.getElementType(), sum,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return buildNumericCast(b, loc, in[0],
                                                    parts[0].elementType,
                                                    type.getElementType());
                          });
}

FailureOr<Value> SumAttr::rewriteContract(RewriterBase &rewriter, Operation *op,
                                          unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  if (!getRewritableType(contract, operand))
    return failure();
  // One accumulator for all terms.
  Value accumulator = contract.getInit();
  auto parts =
      UnpackOp::create(rewriter, op->getLoc(), contract->getOperand(operand));
  SmallVector<Component> components =
      getComponents(getRewritableType(contract, operand));
  for (auto [term, component] : llvm::zip_equal(parts.getResults(), components))
    accumulator =
        cloneContract(rewriter, contract, operand,
                      packDense(rewriter, op->getLoc(), term, component),
                      contract->getOperand(1 - operand), accumulator);
  return accumulator;
}

FailureOr<EncodedTensor> SumAttr::simplify(const EncodedTensor &tensor,
                                           bool allowRounding) const {
  Type element = tensor.type.getElementType();
  SmallVector<ComponentValue> parts = splitLeaves(tensor.type, tensor.leaves);
  // A sum of one term is that term.
  if (parts.size() == 1 && element == getComputeType(element))
    return getEncodedTensor(parts[0]);
  // (a + b) + c is a + b + c; a + (b + c) rounds differently.
  SmallVector<EncodingAttrInterface> terms;
  SmallVector<HostTensor> leaves;
  bool changed = false;
  for (auto [i, part] : llvm::enumerate(parts)) {
    auto encoding = cast<EncodingAttrInterface>(part.component.encoding);
    auto nested = dyn_cast<SumAttr>(encoding);
    auto generated = dyn_cast<GeneratedAttr>(encoding);
    if (nested && (i == 0 || allowRounding)) {
      llvm::append_range(terms, nested.getOf());
      changed = true;
    } else if (generated && generated.getKind() == GeneratedKind::Zeros &&
               parts.size() > 1 && allowRounding) {
      // x + 0 is x but for the sign of a zero.
      changed = true;
    } else {
      terms.push_back(encoding);
    }
    llvm::append_range(leaves, part.leaves);
  }
  if (!changed || terms.empty())
    return failure();
  return EncodedTensor{
      CompressedTensorType::get(getContext(), tensor.type.getShape(), element,
                                SumAttr::get(getContext(), terms)),
      leaves};
}
