//===- ONNXSchema.h - arity and attributes by opset version -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXSCHEMA_H
#define COMPRESS_DIALECT_ONNX_IR_ONNXSCHEMA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace compress::onnx {

/// The kinds of attributes that standard ops have.
enum class AttrKind {
  INT,
  FLOAT,
  STRING,
  INTS,
  FLOATS,
  STRINGS,
  TENSOR,
  SPARSE_TENSOR
};

struct AttrSchema {
  const char *odsName;  ///< name in the dialect
  const char *onnxName; ///< name in ONNX
  AttrKind kind;
};

/// What one opset version of an operator says.
struct OpVersion {
  int since;     ///< first opset version
  int minInputs; ///< the list may not end earlier
  int maxInputs; ///< -1: no bound
  int minOutputs;
  int maxOutputs;
  const char *requiredAttrs; ///< ONNX names, separated by commas
};

/// A standard operator that the dialect models.
struct OpSchema {
  const char *name;
  llvm::ArrayRef<AttrSchema> attrs;   ///< sorted by ONNX name
  llvm::ArrayRef<OpVersion> versions; ///< ascending

  /// The version in force in `opset`; null when the operator is younger.
  const OpVersion *inOpset(int64_t opset) const;
  const AttrSchema *byONNXName(llvm::StringRef name) const;
  const AttrSchema *byODSName(llvm::StringRef name) const;
};

/// The schema of operator `name` of the standard domain; null when the dialect
/// does not model it.
const OpSchema *lookupSchema(llvm::StringRef name);

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_IR_ONNXSCHEMA_H
