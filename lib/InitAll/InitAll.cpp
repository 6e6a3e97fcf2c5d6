//===- InitAll.cpp - Register everything ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/InitAll.h"
#include "compress/Calibration/Passes.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Conversion/CompressToQuant/CompressToQuant.h"
#include "compress/Conversion/CompressToSparseTensor/CompressToSparseTensor.h"
#include "compress/Conversion/ONNXToCompress/ONNXToCompress.h"
#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h"
#include "compress/Conversion/QuantToCompress/QuantToCompress.h"
#include "compress/Conversion/SparseTensorToCompress/SparseTensorToCompress.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h"
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h"
#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h"
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h"
#include "compress/Pipelines/Pipelines.h"
#include "compress/Plan/Passes.h"
#include "compress/Search/Passes.h"
#include "compress/Target/Host/Passes.h"
#include "compress/Target/Target.h"
#include "mlir/Dialect/Arith/Transforms/BufferDeallocationOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/Transforms/BufferDeallocationOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/Transforms/AllocationOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferDeallocationOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"

using namespace mlir;

void compress::registerAllDialects(DialectRegistry &registry) {
  registry.insert<CompressDialect, onnx::ONNXDialect>();
  onnx::registerCompressibleOpInterfaceExternalModels(registry);
  registerKernelBufferization(registry);
  // What the host lowering needs of upstream dialects.
  arith::registerBufferDeallocationOpInterfaceExternalModels(registry);
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(
      registry);
  cf::registerBufferDeallocationOpInterfaceExternalModels(registry);
  cf::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  memref::registerAllocationOpInterfaceExternalModels(registry);
  scf::registerBufferDeallocationOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
}

void compress::registerAllPasses() {
  registerCompressCalibrationPasses();
  registerCompressHostPasses();
  registerCompressPlanPasses();
  registerCompressSearchPasses();
  registerCompressToONNXPasses();
  registerCompressToQuantPasses();
  registerCompressToSparseTensorPasses();
  registerCompressTransformsPasses();
  registerONNXToCompressPasses();
  registerONNXToLinalgPasses();
  registerQuantToCompressPasses();
  registerSparseTensorToCompressPasses();
  onnx::registerONNXCompactExpertsPasses();
  onnx::registerONNXConstantFoldPasses();
  onnx::registerONNXExpandExpertsPasses();
  onnx::registerONNXFoldBatchNormPasses();
  onnx::registerONNXShrinkChannelsPasses();
  onnx::registerONNXInferShapesPasses();
  onnx::registerONNXUpgradeOpsetPasses();
  registerPipelines();
  registerAllTargets();
}
