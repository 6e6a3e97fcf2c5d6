//===- CompressDialect.cpp - The compress dialect ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace compress;

#include "compress/Dialect/Compress/IR/CompressAttrInterfaces.cpp.inc"
#include "compress/Dialect/Compress/IR/CompressDialect.cpp.inc"
#include "compress/Dialect/Compress/IR/CompressOpInterfaces.cpp.inc"

void CompressDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "compress/Dialect/Compress/IR/CompressOps.cpp.inc"
      >();
}

bool CompressDialect::isVerified(Type type, ArrayAttr components) {
  llvm::sys::ScopedLock lock(verifiedMutex);
  return verified.contains({type, components});
}

void CompressDialect::setVerified(Type type, ArrayAttr components) {
  llvm::sys::ScopedLock lock(verifiedMutex);
  verified.insert({type, components});
}
