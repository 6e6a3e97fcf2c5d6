//===- SparseTensorToCompress.cpp - from sparse_tensor ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/SparseTensorToCompress/SparseTensorToCompress.h"
#include "compress/Conversion/SparseTensorToCompress/TypeMapping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTSPARSETENSORTOCOMPRESS
#include "compress/Conversion/SparseTensorToCompress/SparseTensorToCompress.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

static bool isSparse(Value value) {
  return bool(sparse_tensor::getSparseTensorEncoding(value.getType()));
}

/// Whether the value is made by an operation that reports for itself.
static bool isConvertible(Value value) {
  Operation *source = value.getDefiningOp();
  return source &&
         isa<sparse_tensor::AssembleOp, sparse_tensor::ConvertOp>(source);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

namespace {
/// A constant operand; `isResource` if its attribute is one.
struct Constant {
  HostTensor tensor;
  bool isResource = false;
};
} // namespace

/// Elements of an attribute that HostTensor does not read: of `index` type, or
/// given as a list of nonzeros.
static std::optional<HostTensor> readElements(ElementsAttr attr) {
  auto type = dyn_cast<RankedTensorType>(attr.getType());
  if (!type)
    return std::nullopt;
  Type element = type.getElementType();
  if (element.isIndex())
    element = IntegerType::get(attr.getContext(), 64);
  unsigned width = HostTensor::getWidth(element);
  if (!width)
    return std::nullopt;
  HostTensor tensor = HostTensor::allocate(type.getShape(), element);
  int64_t index = 0;
  if (isa<FloatType>(element)) {
    auto values = attr.tryGetValues<APFloat>();
    if (!values)
      return std::nullopt;
    for (const APFloat &value : *values)
      tensor.setBits(index++, value.bitcastToAPInt().getZExtValue());
    return tensor;
  }
  auto values = attr.tryGetValues<APInt>();
  if (!values)
    return std::nullopt;
  for (const APInt &value : *values)
    tensor.setBits(index++, value.zextOrTrunc(width).getZExtValue());
  return tensor;
}

static std::optional<Constant> getConstant(Value value) {
  while (auto cast = value.getDefiningOp<tensor::CastOp>())
    value = cast.getSource();
  ElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  if (auto tensor = HostTensor::fromAttr(attr))
    return Constant{*tensor, isa<DenseResourceElementsAttr>(attr)};
  else
    llvm::consumeError(tensor.takeError());
  if (isa<DenseResourceElementsAttr>(attr))
    return std::nullopt;
  if (auto tensor = readElements(attr))
    return Constant{*tensor};
  return std::nullopt;
}

/// A leaf as an attribute of the context, for small payload.
static ElementsAttr makeDense(const HostTensor &leaf, RankedTensorType type) {
  if (auto real = dyn_cast<FloatType>(type.getElementType())) {
    SmallVector<APFloat> values;
    for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i)
      values.push_back(APFloat(real.getFloatSemantics(),
                               APInt(real.getWidth(), leaf.getBits(i))));
    return DenseElementsAttr::get(type, values);
  }
  unsigned width = type.getElementType().isIndex()
                       ? unsigned(IndexType::kInternalStorageBitWidth)
                       : type.getElementTypeBitWidth();
  SmallVector<APInt> values;
  for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i)
    values.push_back(APInt(width, leaf.getBits(i)));
  return DenseElementsAttr::get(type, values);
}

//===----------------------------------------------------------------------===//
// Producers
//===----------------------------------------------------------------------===//

namespace {
/// What stands for a sparse value: a constant, or an operation to build.
struct Compressed {
  std::optional<EncodedTensor> constant;
  bool isResource = false;
  /// The operands of `compress.pack`.
  CompressedTensorType type;
  SmallVector<Value> components;
};
} // namespace

static llvm::Expected<Compressed>
readAssemble(sparse_tensor::AssembleOp assemble) {
  auto type = cast<RankedTensorType>(assemble.getResult().getType());
  Compressed result;
  SparseBuffers buffers;
  bool isConstant = true;
  for (Value level : assemble.getLevels()) {
    auto constant = getConstant(level);
    isConstant &= constant.has_value();
    if (constant)
      buffers.levels.push_back(constant->tensor);
  }
  auto values = getConstant(assemble.getValues());
  if (isConstant && values) {
    buffers.values = values->tensor;
    auto tensor = readSparseBuffers(type, buffers);
    if (!tensor)
      return tensor.takeError();
    result.constant = std::move(*tensor);
    result.isResource = values->isResource;
    return result;
  }

  int64_t nnz =
      cast<RankedTensorType>(assemble.getValues().getType()).getDimSize(0);
  auto mapped = mapSparseTensorToCompress(type, nnz);
  if (!mapped)
    return mapped.takeError();
  if (cast<SparseAttr>(mapped->getEncoding()).getPattern() !=
      SparsePattern::CSR)
    return llvm::createStringError(
        "its buffers are not constants, and only those of CSR can be taken as "
        "they are");
  result.type = *mapped;
  result.components = {assemble.getValues(), assemble.getLevels()[1],
                       assemble.getLevels()[0]};
  SmallVector<Component> components = mapped->getComponents();
  for (auto [value, component] :
       llvm::zip_equal(result.components, components)) {
    if (value.getType() == component.type)
      continue;
    std::string message;
    llvm::raw_string_ostream(message)
        << "its buffers are not constants, and the '" << component.name
        << "' of the pattern have type " << component.type << ", found "
        << value.getType();
    return llvm::createStringError(Twine(message));
  }
  return result;
}

/// Whether both hold the same numbers; a zero may have any sign.
static bool isSame(const HostTensor &a, const HostTensor &b) {
  for (int64_t i = 0, e = a.getNumElements(); i < e; ++i)
    if (a.getBits(i) != b.getBits(i) &&
        !(a.getDouble(i) == 0 && b.getDouble(i) == 0))
      return false;
  return true;
}

static llvm::Expected<Compressed>
readConvert(sparse_tensor::ConvertOp convert) {
  auto mapped = mapSparseTensorToCompress(
      cast<RankedTensorType>(convert.getDest().getType()));
  if (!mapped)
    return mapped.takeError();
  if (isSparse(convert.getSource()))
    return llvm::createStringError("it takes a sparse tensor already");
  auto dense = getConstant(convert.getSource());
  if (!dense)
    return llvm::createStringError(
        "how many values are not zero is only known at run time");
  auto tensor = encodeTensor(*mapped, dense->tensor);
  if (!tensor)
    return tensor.takeError();
  auto decoded = decodeTensor(*tensor);
  if (!decoded)
    return decoded.takeError();
  if (!isSame(*decoded, dense->tensor))
    return llvm::createStringError(
        "the constant has more nonzeros in a block than the type stores");
  Compressed result;
  result.constant = std::move(*tensor);
  result.isResource = dense->isResource;
  return result;
}

static Value buildCompressed(Operation *producer, const Compressed &value) {
  OpBuilder b(producer);
  Location loc = producer->getLoc();
  if (!value.constant)
    return PackOp::create(b, loc, value.type, value.components);
  // Payload that was a resource stays one; it may be large.
  if (value.isResource)
    return compress::ConstantOp::create(b, loc, value.constant->type,
                                        value.constant->leaves);
  SmallVector<Attribute> leaves;
  for (auto [leaf, type] : llvm::zip_equal(value.constant->leaves,
                                           value.constant->type.getLeafTypes()))
    leaves.push_back(makeDense(leaf, type));
  return compress::ConstantOp::create(b, loc, value.constant->type,
                                      b.getArrayAttr(leaves));
}

//===----------------------------------------------------------------------===//
// Users
//===----------------------------------------------------------------------===//

/// Replaces the results by constants. Fails if the buffers have other sizes
/// than what is stored, since the rest would be what they held before.
static LogicalResult replaceDisassemble(sparse_tensor::DisassembleOp op,
                                        const EncodedTensor &tensor) {
  SparseBuffers buffers = writeSparseBuffers(tensor);
  SmallVector<HostTensor> parts(buffers.levels);
  parts.push_back(buffers.values);
  SmallVector<Value> results(op.getRetLevels());
  results.push_back(op.getRetValues());
  SmallVector<Value> lengths(op.getLvlLens());
  lengths.push_back(op.getValLen());
  if (parts.size() != results.size() || parts.size() != lengths.size())
    return failure();
  for (auto [part, result] : llvm::zip_equal(parts, results)) {
    auto type = cast<RankedTensorType>(result.getType());
    if (type.getShape() != part.getShape())
      return failure();
    if (isa<FloatType>(type.getElementType()) &&
        type.getElementType() != part.getElementType())
      return failure();
    if (isa<IntegerType>(type.getElementType()))
      for (int64_t i = 0, e = part.getNumElements(); i < e; ++i)
        if (!llvm::isUIntN(type.getElementTypeBitWidth(), part.getBits(i)))
          return failure();
  }
  for (Value length : lengths)
    if (!length.getType().isIntOrIndex())
      return failure();
  OpBuilder b(op);
  Location loc = op.getLoc();
  for (auto [part, result, length] : llvm::zip_equal(parts, results, lengths)) {
    auto type = cast<RankedTensorType>(result.getType());
    result.replaceAllUsesWith(arith::ConstantOp::create(
        b, loc, cast<TypedAttr>(makeDense(part, type))));
    length.replaceAllUsesWith(arith::ConstantOp::create(
        b, loc, b.getIntegerAttr(length.getType(), part.getNumElements())));
  }
  op.erase();
  return success();
}

/// Whether a use is by a linalg operation that reads the tensor; it computes
/// the same on the dense one.
static bool isLinalgInput(OpOperand &use) {
  auto op = dyn_cast<linalg::LinalgOp>(use.getOwner());
  return op && op.isDpsInput(&use);
}

static void replaceConvert(sparse_tensor::ConvertOp convert, Value compressed) {
  OpBuilder b(convert);
  Value dense = DecodeOp::create(b, convert.getLoc(), compressed);
  if (dense.getType() != convert.getDest().getType())
    dense = tensor::CastOp::create(b, convert.getLoc(),
                                   convert.getDest().getType(), dense);
  convert.getDest().replaceAllUsesWith(dense);
  convert.erase();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ConvertSparseTensorToCompressPass
    : compress::impl::ConvertSparseTensorToCompressBase<
          ConvertSparseTensorToCompressPass> {
  using ConvertSparseTensorToCompressBase::ConvertSparseTensorToCompressBase;

  void runOnOperation() override;

private:
  void leave(Operation *op, const Twine &reason);
  void convert(Operation *producer);
};
} // namespace

void ConvertSparseTensorToCompressPass::leave(Operation *op,
                                              const Twine &reason) {
  InFlightDiagnostic diagnostic = strict ? op->emitError() : op->emitRemark();
  diagnostic << "'" << op->getName() << "' stays as it is: " << reason;
  if (strict)
    signalPassFailure();
}

void ConvertSparseTensorToCompressPass::convert(Operation *producer) {
  auto value = isa<sparse_tensor::AssembleOp>(producer)
                   ? readAssemble(cast<sparse_tensor::AssembleOp>(producer))
                   : readConvert(cast<sparse_tensor::ConvertOp>(producer));
  if (!value) {
    ++numLeft;
    return leave(producer, llvm::toString(value.takeError()));
  }
  Value sparse = producer->getResult(0), compressed;
  for (OpOperand &use : llvm::make_early_inc_range(sparse.getUses())) {
    Operation *user = use.getOwner();
    if (isLinalgInput(use)) {
      if (!compressed)
        compressed = buildCompressed(producer, *value);
      OpBuilder b(user);
      use.set(DecodeOp::create(b, producer->getLoc(), compressed));
      continue;
    }
    if (auto convert = dyn_cast<sparse_tensor::ConvertOp>(user)) {
      // Those to sparse tensors report themselves.
      if (isSparse(convert.getDest()))
        continue;
      if (!compressed)
        compressed = buildCompressed(producer, *value);
      replaceConvert(convert, compressed);
      continue;
    }
    auto disassemble = dyn_cast<sparse_tensor::DisassembleOp>(user);
    if (!disassemble)
      continue;
    if (!value->constant)
      leave(user, "the tensor is not a constant");
    else if (failed(replaceDisassemble(disassemble, *value->constant)))
      leave(user, "its buffers do not have the size of what is stored");
  }
  if (!sparse.use_empty()) {
    ++numLeft;
    return;
  }
  ++numConverted;
  SmallVector<Value> operands(producer->getOperands());
  producer->erase();
  llvm::SmallSetVector<Operation *, 4> sources;
  for (Value operand : operands)
    if (Operation *source = operand.getDefiningOp())
      sources.insert(source);
  for (Operation *source : sources)
    if (isOpTriviallyDead(source))
      source->erase();
}

void ConvertSparseTensorToCompressPass::runOnOperation() {
  SmallVector<Operation *> producers;
  getOperation()->walk([&](Operation *op) {
    bool makesSparse = llvm::any_of(op->getResults(), isSparse);
    if (makesSparse &&
        isa<sparse_tensor::AssembleOp, sparse_tensor::ConvertOp>(op)) {
      producers.push_back(op);
      return;
    }
    if (!makesSparse && llvm::none_of(op->getOperands(), isSparse))
      return;
    if (isa<linalg::LinalgOp>(op) && !makesSparse &&
        llvm::all_of(op->getOpOperands(), [](OpOperand &operand) {
          return !isSparse(operand.get()) ||
                 (isLinalgInput(operand) && isConvertible(operand.get()));
        }))
      return;
    if (!isa<sparse_tensor::ConvertOp, sparse_tensor::DisassembleOp>(op)) {
      ++numLeft;
      return leave(op, "of operations on sparse tensors only assemble, "
                       "disassemble, convert and what linalg reads can be "
                       "converted");
    }
    if (isConvertible(op->getOperand(0)))
      return;
    ++numLeft;
    leave(op, "its operand is not made by assemble or convert");
  });
  for (Operation *producer : producers)
    convert(producer);
}
