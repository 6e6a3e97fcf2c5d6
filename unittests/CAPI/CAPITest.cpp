//===- CAPITest.cpp - The C API ---------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress-c/Compress.h"
#include "mlir-c/BuiltinTypes.h"
#include "gtest/gtest.h"

static MlirStringRef str(const char *text) {
  return mlirStringRefCreateFromCString(text);
}

TEST(CAPI, TypesThroughC) {
  MlirContext context = mlirContextCreate();
  mlirDialectHandleRegisterDialect(mlirGetDialectHandle__compress__(), context);
  mlirDialectHandleLoadDialect(mlirGetDialectHandle__compress__(), context);
  MlirType type = mlirTypeParseGet(
      context, str("!compress.tensor<4x8xf32, quant<i4, group = [1, *], scale "
                   "= f16>>"));
  ASSERT_FALSE(mlirTypeIsNull(type));
  EXPECT_TRUE(compressTypeIsACompressedTensor(type));
  EXPECT_EQ(compressCompressedTensorTypeGetStorageBits(type),
            4 * 8 * 4 + 4 * 16);
  MlirAttribute encoding = compressCompressedTensorTypeGetEncoding(type);
  int64_t shape[] = {2, -1};
  MlirLocation loc = mlirLocationUnknownGet(context);
  MlirType other = compressCompressedTensorTypeGetChecked(
      loc, 2, shape, mlirF32TypeGet(context), encoding);
  ASSERT_FALSE(mlirTypeIsNull(other));
  EXPECT_EQ(compressCompressedTensorTypeGetStorageBits(other), -1);
  // A rank that the group does not fit is reported, not asserted.
  EXPECT_TRUE(mlirTypeIsNull(compressCompressedTensorTypeGetChecked(
      loc, 1, shape, mlirF32TypeGet(context), encoding)));
  EXPECT_FALSE(compressTypeIsACompressedTensor(mlirF32TypeGet(context)));
  mlirContextDestroy(context);
}
