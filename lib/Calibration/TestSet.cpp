//===- TestSet.cpp - Tensors of ONNX test sets ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Data.h"
#include "onnx.pb.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace compress;
using llvm::StringRef;
using llvm::Twine;
using Tensor = ::onnx::TensorProto;

/// Copies a typed field, narrowing each entry to `T`.
template <typename T, typename Field>
static void copyField(const Field &field, char *out) {
  for (const auto &entry : field) {
    T value = static_cast<T>(entry);
    std::memcpy(out, &value, sizeof(T));
    out += sizeof(T);
  }
}

/// Number of entries in the typed field of this element type.
static int64_t countEntries(const Tensor &tensor, CompressDType dtype) {
  switch (dtype) {
  case COMPRESS_DTYPE_F32:
    return tensor.float_data_size();
  case COMPRESS_DTYPE_F64:
    return tensor.double_data_size();
  case COMPRESS_DTYPE_I64:
    return tensor.int64_data_size();
  case COMPRESS_DTYPE_U32:
  case COMPRESS_DTYPE_U64:
    return tensor.uint64_data_size();
  default:
    return tensor.int32_data_size();
  }
}

static void copyEntries(const Tensor &tensor, CompressDType dtype, char *out) {
  switch (dtype) {
  case COMPRESS_DTYPE_F32:
    return copyField<float>(tensor.float_data(), out);
  case COMPRESS_DTYPE_F64:
    return copyField<double>(tensor.double_data(), out);
  case COMPRESS_DTYPE_I64:
    return copyField<int64_t>(tensor.int64_data(), out);
  case COMPRESS_DTYPE_U32:
    return copyField<uint32_t>(tensor.uint64_data(), out);
  case COMPRESS_DTYPE_U64:
    return copyField<uint64_t>(tensor.uint64_data(), out);
  case COMPRESS_DTYPE_I32:
    return copyField<int32_t>(tensor.int32_data(), out);
  case COMPRESS_DTYPE_U16:
  case COMPRESS_DTYPE_I16:
  case COMPRESS_DTYPE_F16:
  case COMPRESS_DTYPE_BF16:
    return copyField<uint16_t>(tensor.int32_data(), out);
  default:
    return copyField<uint8_t>(tensor.int32_data(), out);
  }
}

llvm::Expected<std::pair<std::string, NpyArray>>
compress::readTensorProto(StringRef path) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError(path + ": " + message);
  };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail(buffer.getError().message());
  size_t size = (*buffer)->getBufferSize();
  Tensor tensor;
  if (size > size_t(INT32_MAX) ||
      !tensor.ParseFromArray((*buffer)->getBufferStart(), int(size)))
    return fail("not an ONNX tensor");
  auto dtype = static_cast<CompressDType>(tensor.data_type());
  // Complex numbers come in pairs of entries, which no model input has.
  if (!dtypeSize(dtype) || dtype == COMPRESS_DTYPE_C64 ||
      dtype == COMPRESS_DTYPE_C128)
    return fail("elements of ONNX data type " + Twine(tensor.data_type()) +
                " cannot be read");
  if (tensor.external_data_size())
    return fail("the data is in another file");

  // Bounds the shape by the data that is there before allocating.
  bool raw = tensor.has_raw_data();
  int64_t entries = raw ? tensor.raw_data().size() / dtypeSize(dtype)
                        : countEntries(tensor, dtype);
  int64_t expected = 1;
  for (int64_t dim : tensor.dims())
    if (dim < 0 || llvm::MulOverflow(expected, dim, expected))
      return fail("the shape is not valid");
  if (entries != expected ||
      (raw && tensor.raw_data().size() % dtypeSize(dtype)))
    return fail("the shape has " + Twine(expected) + " elements, the data " +
                Twine(entries));
  llvm::SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  auto array = NpyArray::allocate(dtype, shape);
  if (!array)
    return fail(llvm::toString(array.takeError()));
  if (!raw)
    copyEntries(tensor, dtype, array->mutableData());
  else if (!tensor.raw_data().empty())
    std::memcpy(array->mutableData(), tensor.raw_data().data(),
                tensor.raw_data().size());
  return std::make_pair(tensor.name(), std::move(*array));
}
