//===- Translation.cpp - --onnx-to-mlir and --mlir-to-onnx ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Tools/mlir-translate/Translation.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace compress::onnx;

static void registerDialects(DialectRegistry &registry) {
  registry.insert<ONNXDialect, func::FuncDialect>();
}

void compress::onnx::registerONNXTranslations(const ExportOptions *options) {
  // The buffer's identifier is the path, so that external data resolves.
  TranslateToMLIRRegistration toMLIR(
      "onnx-to-mlir", "import an ONNX model into the onnx dialect",
      [](llvm::SourceMgr &sourceMgr,
         MLIRContext *context) -> OwningOpRef<Operation *> {
        const llvm::MemoryBuffer *buffer =
            sourceMgr.getMemoryBuffer(sourceMgr.getMainFileID());
        FailureOr<OwningOpRef<ModuleOp>> module =
            importONNX(buffer->getMemBufferRef(), context);
        if (failed(module))
          return {};
        return OwningOpRef<Operation *>(module->release());
      },
      registerDialects);
  TranslateFromMLIRRegistration fromMLIR(
      "mlir-to-onnx", "export a graph of the onnx dialect to an ONNX model",
      [options](ModuleOp module, llvm::raw_ostream &os) {
        return exportONNX(module, os, options ? *options : ExportOptions());
      },
      registerDialects);
}
