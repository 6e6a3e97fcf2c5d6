//===- compress-translate.cpp - ONNX to MLIR and back ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"

using namespace compress::onnx;

static llvm::cl::OptionCategory category("ONNX export");

static ExportOptions options;

static llvm::cl::opt<bool>
    inlineData("onnx-inline-data", llvm::cl::cat(category),
               llvm::cl::desc("Put external data into the exported model"),
               llvm::cl::callback([](const bool &value) {
                 options.externalData =
                     value ? ExportOptions::ExternalData::Inline
                           : ExportOptions::ExternalData::Write;
               }));

static llvm::cl::opt<uint64_t> threshold(
    "onnx-external-threshold", llvm::cl::cat(category),
    llvm::cl::value_desc("bytes"),
    llvm::cl::desc("Move weights of this size or more to external data"),
    llvm::cl::callback([](const uint64_t &value) {
      options.externalThreshold = value;
    }));

/// The translation sees a stream only; external data must lie beside the file.
static void findOutput(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef arg(argv[i]), path;
    if ((arg == "-o" || arg == "--o") && i + 1 < argc)
      path = argv[i + 1];
    else if (!arg.consume_front("-o=") && !arg.consume_front("--o="))
      continue;
    else
      path = arg;
    if (path.empty() || path == "-")
      continue;
    llvm::StringRef folder = llvm::sys::path::parent_path(path);
    options.externalDirectory = folder.empty() ? "." : folder.str();
    options.externalFile = (llvm::sys::path::filename(path) + ".data").str();
  }
}

int main(int argc, char **argv) {
  findOutput(argc, argv);
  registerONNXTranslations(&options);
  return mlir::failed(
      mlir::mlirTranslateMain(argc, argv, "compress translations"));
}
