//===- GraphBuilder.h - Emits the nodes of one tensor -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GRAPHBUILDER_H
#define COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GRAPHBUILDER_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace compress {

/// What the consumer of the model accepts.
struct Profile {
  /// DequantizeLinear of 4-bit float codes (opset 23).
  bool float4Codes;
  /// Scales of type f8E8M0 (opset 24).
  bool powerOfTwoScales;

  static std::optional<Profile> get(llvm::StringRef name);
};

/// Emits ONNX nodes with names, in the forms of opset 18 and later, and notes
/// which opset they need. All nodes between `begin` and `finish` belong to one
/// compressed tensor.
class GraphBuilder {
public:
  GraphBuilder(mlir::func::FuncOp function, const Profile &profile);

  const Profile &profile;

  /// Starts the nodes of the tensor called `name`, before `before`.
  void begin(mlir::Operation *before, llvm::StringRef name);
  /// Erases this tensor's nodes and leaves that `root` is not computed from.
  void eraseUnused(mlir::Value root);
  /// Marks `root`, what `begin` was for, as the decoded value of `type`, whose
  /// leaves were written in the form `exchanged`; may add a node. `source` may
  /// carry the plan's attributes. Returns whether quantization operators and
  /// casts were enough.
  bool finish(mlir::Value &root, CompressedTensorType type,
              CompressedTensorType exchanged, mlir::Operation *source);

  /// Erases shared initializers that nothing uses, when all is written.
  void eraseUnusedConstants();

  /// The nodes that follow need this opset.
  void require(int64_t version) { opset = std::max(opset, version); }
  int64_t getRequiredOpset() const { return opset; }
  mlir::InFlightDiagnostic emitError() { return mlir::emitError(loc); }

  /// A node with one result; `label` names the result.
  mlir::Value node(llvm::StringRef opType, mlir::ValueRange inputs,
                   mlir::Type result,
                   llvm::ArrayRef<mlir::NamedAttribute> attrs = {},
                   llvm::StringRef label = "");
  mlir::Operation *nodes(llvm::StringRef opType, mlir::ValueRange inputs,
                         mlir::TypeRange results,
                         llvm::ArrayRef<mlir::NamedAttribute> attrs,
                         llvm::ArrayRef<llvm::StringRef> labels);
  /// Initializers: of this tensor (`leaf` >= 0 when it stores that component),
  /// and of numbers that all tensors share.
  mlir::Value initializer(const HostTensor &tensor, llvm::StringRef label,
                          int64_t leaf = -1);
  /// Whether there is an initializer for this leaf.
  bool hasLeaf(int64_t leaf) const { return leaves.contains(leaf); }
  /// An initializer of any numbers; tensors share small ones.
  mlir::Value constant(const HostTensor &tensor);
  mlir::Value ints(llvm::ArrayRef<int64_t> values);
  mlir::Value scalar(double value, mlir::Type type);
  mlir::Value table(llvm::StringRef name, llvm::ArrayRef<float> values);

  /// Elementwise operators with broadcasting; the result has the element type
  /// of `a`.
  mlir::Value binary(llvm::StringRef opType, mlir::Value a, mlir::Value b,
                     mlir::Type resultElement = {});
  mlir::Value unary(llvm::StringRef opType, mlir::Value a);
  mlir::Value where(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// Cast; the value itself when it has the type.
  mlir::Value cast(mlir::Value value, mlir::Type elementType);
  /// Reshape; `sources` gives for each dynamic dimension of `shape` the axis of
  /// `value` that it equals.
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape,
                      llvm::ArrayRef<int64_t> sources = {});
  /// ReduceMin, ReduceMax over `axes`, kept as ones; at least one axis.
  mlir::Value reduce(llvm::StringRef opType, mlir::Value value,
                     llvm::ArrayRef<int64_t> axes);
  /// Adds zeros after the end, and cuts the end off, up to a static shape.
  mlir::Value padTo(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value cutTo(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  /// Values of a 1-D table at integer indices.
  mlir::Value lookup(mlir::Value table, mlir::Value indices);

  mlir::NamedAttribute intAttr(llvm::StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute intsAttr(llvm::StringRef name,
                                llvm::ArrayRef<int64_t> values) {
    return b.getNamedAttr(name, b.getDenseI64ArrayAttr(values));
  }
  mlir::NamedAttribute stringAttr(llvm::StringRef name, llvm::StringRef value) {
    return b.getNamedAttr(name, b.getStringAttr(value));
  }
  mlir::Type boolean() { return b.getI1Type(); }
  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::MLIRContext *getContext() { return b.getContext(); }

private:
  std::string unique(llvm::StringRef name);
  /// One initializer for all uses of `key`.
  mlir::Value shared(const HostTensor &tensor, llvm::StringRef key,
                     llvm::StringRef name);

  mlir::func::FuncOp function;
  mlir::OpBuilder b;
  mlir::Location loc;
  std::string name;
  llvm::SmallVector<mlir::Operation *> created;
  llvm::MapVector<int64_t, llvm::SmallVector<mlir::Operation *, 1>> leaves;
  llvm::StringSet<> names;
  llvm::StringMap<unsigned> counters;
  llvm::StringMap<mlir::Value> constants;
  int64_t opset = 13;
};

/// Emits the decoded value of a constant with these leaves; the result has the
/// logical type. `firstLeaf` numbers the leaves, `label` is appended to names.
mlir::FailureOr<mlir::Value> writeConstant(GraphBuilder &g,
                                           CompressedTensorType type,
                                           llvm::ArrayRef<HostTensor> leaves,
                                           int64_t firstLeaf = 0,
                                           llvm::StringRef label = "");

/// The same through `EncodingAttrInterface::describeDecode`.
mlir::FailureOr<mlir::Value>
writeByDescription(GraphBuilder &g, CompressedTensorType type,
                   llvm::ArrayRef<HostTensor> leaves, int64_t firstLeaf,
                   llvm::StringRef label);

/// `value`, computed from every leaf that has elements, so that import finds
/// those too that decoding does not need (the mask of a tensor without values).
mlir::Value attachUnusedLeaves(GraphBuilder &g, mlir::Value value,
                               llvm::ArrayRef<HostTensor> leaves);

/// The tensor in the form in which ONNX carries it (see
/// `EncodingAttrInterface::getExchangeForm`), in all its components.
llvm::Expected<EncodedTensor> getExchangeForm(const EncodedTensor &tensor);

/// The value of `leaf` (numbers of type `storage`) as an ONNX value: integers
/// in some integer type, floats as f16, bf16, f32 or f64. A signless `i1` is a
/// boolean.
mlir::Value writeNumbers(GraphBuilder &g, const HostTensor &leaf,
                         mlir::Type storage, int64_t number,
                         llvm::StringRef label);

/// A component (scales, zero points) of a constant, reshaped.
mlir::FailureOr<mlir::Value>
writeComponent(GraphBuilder &g, mlir::Type componentType,
               EncodingAttrInterface encoding, mlir::Type elementType,
               llvm::ArrayRef<HostTensor> leaves, int64_t firstLeaf,
               llvm::ArrayRef<int64_t> shape, llvm::StringRef label);

/// Emits decode(encode(value)). `parameters` are the leaves of static
/// parameters, empty for dynamic encoding.
mlir::FailureOr<mlir::Value>
writeRoundTrip(GraphBuilder &g, mlir::Value value, CompressedTensorType type,
               llvm::ArrayRef<HostTensor> parameters);

/// Codes as integers or floats that ONNX has, and zero points as codes.
struct ONNXCodes {
  /// The element type of codes in DequantizeLinear; null when it has none.
  mlir::Type type;
  /// The opset that has this type there.
  int64_t opset = 0;
  static ONNXCodes get(mlir::Type codeType, const Profile &profile);
};
/// Whether every element is an integer that `type` holds.
bool fitsInto(const HostTensor &integers, mlir::Type type);
/// Whether the type is one of the four 8-bit floats that ONNX casts.
bool isONNXFloat8(mlir::Type type);

} // namespace compress

#endif // COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GRAPHBUILDER_H
