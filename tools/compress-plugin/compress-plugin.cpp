//===- compress-plugin.cpp - Our dialects and passes as a plugin *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For any MLIR 22 tool:
//   mlir-opt --load-dialect-plugin=CompressPlugin.so
//            --load-pass-plugin=CompressPlugin.so --compress-fuse-contract ...
//
//===----------------------------------------------------------------------===//

#include "compress/InitAll.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Compress", "v0.1",
          [](mlir::DialectRegistry *registry) {
            compress::registerAllDialects(*registry);
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "CompressPasses", "v0.1",
          [] { compress::registerAllPasses(); }};
}
