//===- Compress.cpp - C API -------------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress-c/Compress.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/InitAll.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Registration.h"

using namespace compress;

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(Compress, compress,
                                      compress::CompressDialect)

void compressRegisterAllDialects(MlirDialectRegistry registry) {
  registerAllDialects(*unwrap(registry));
}

void compressRegisterAllPasses(void) { registerAllPasses(); }

bool compressTypeIsACompressedTensor(MlirType type) {
  return mlir::isa<CompressedTensorType>(unwrap(type));
}

MlirType compressCompressedTensorTypeGetChecked(MlirLocation location,
                                                intptr_t rank,
                                                const int64_t *shape,
                                                MlirType elementType,
                                                MlirAttribute encoding) {
  mlir::Location loc = unwrap(location);
  auto emitError = [&] { return mlir::emitError(loc); };
  auto attr = mlir::dyn_cast_or_null<EncodingAttrInterface>(unwrap(encoding));
  if (!attr) {
    emitError() << "expected an encoding attribute";
    return {nullptr};
  }
  llvm::SmallVector<int64_t> dims(shape, shape + rank);
  for (int64_t &dim : dims)
    if (dim == -1)
      dim = mlir::ShapedType::kDynamic;
  return wrap(mlir::Type(CompressedTensorType::getChecked(
      emitError, loc.getContext(), llvm::ArrayRef<int64_t>(dims),
      unwrap(elementType), attr)));
}

MlirAttribute compressCompressedTensorTypeGetEncoding(MlirType type) {
  return wrap(mlir::Attribute(
      mlir::cast<CompressedTensorType>(unwrap(type)).getEncoding()));
}

int64_t compressCompressedTensorTypeGetStorageBits(MlirType type) {
  auto tensor = mlir::cast<CompressedTensorType>(unwrap(type));
  if (!tensor.hasStaticShape())
    return -1;
  return tensor.getStorageBits();
}
