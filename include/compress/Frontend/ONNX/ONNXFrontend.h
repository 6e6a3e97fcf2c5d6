//===- ONNXFrontend.h - ONNX files to the onnx dialect and back -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Import followed by export is the identity: the same graph, names, order,
// metadata and initializer bytes. ONNXBase.td lists where each field lives.
// Specification: https://onnx.ai/onnx/repo-docs/IR.html (IR version 14).
//
// Every error is one diagnostic, `file: node 'name' (Op): reason`.

#ifndef COMPRESS_FRONTEND_ONNX_ONNXFRONTEND_H
#define COMPRESS_FRONTEND_ONNX_ONNXFRONTEND_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <string>

namespace compress::onnx {

struct ImportOptions {
  /// Folder to which the locations of external data are relative. Empty: the
  /// folder of the model file. A location may not leave it.
  std::string externalDirectory;
};

/// Reads the model at `path` (at most 2 GB, the limit of protobuf; weights in
/// external data do not count). The elements of initializers are not copied
/// again after parsing; external data is mapped and must not change while the
/// context lives. On failure reports an error on `context`.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importONNX(llvm::StringRef path, mlir::MLIRContext *context,
           const ImportOptions &options = {});

/// The same from memory; `buffer`'s identifier is the file name in messages,
/// and its folder the default for external data.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importONNX(llvm::MemoryBufferRef buffer, mlir::MLIRContext *context,
           const ImportOptions &options = {});

struct ExportOptions {
  /// Where initializers go that are external data (they were so in the imported
  /// file, or `externalThreshold` asks for it).
  enum class ExternalData {
    Write,  ///< files next to the model, under the imported locations
    Inline, ///< into the model
  };
  ExternalData externalData = ExternalData::Write;
  /// Initializers of this many bytes or more move to external data, into one
  /// file named `externalFile`. None: keep the form of each.
  std::optional<uint64_t> externalThreshold;
  /// Location, relative to the model. Empty: the model's file name + ".data".
  std::string externalFile;
  /// Folder for external data. Empty: the folder of the model file, or no
  /// external data at all when the model goes to a stream.
  std::string externalDirectory;
};

/// Writes the graph of `module` to `path`, through a temporary file, so that no
/// partial file is ever left. Ops made by passes get fresh names. Fails, with
/// an error on the op, for ops of other dialects and models above 2 GB.
mlir::LogicalResult exportONNX(mlir::ModuleOp module, llvm::StringRef path,
                               const ExportOptions &options = {});
mlir::LogicalResult exportONNX(mlir::ModuleOp module, llvm::raw_ostream &os,
                               const ExportOptions &options = {});

/// Registers `--onnx-to-mlir` and `--mlir-to-onnx`. `options` are those of the
/// export; the pointer must stay valid.
void registerONNXTranslations(const ExportOptions *options = nullptr);

} // namespace compress::onnx

#endif // COMPRESS_FRONTEND_ONNX_ONNXFRONTEND_H
