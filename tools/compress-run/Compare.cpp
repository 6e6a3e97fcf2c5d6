//===- Compare.cpp - Outputs against a reference ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Compare.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>

using namespace compress;
using namespace llvm;

static double half(uint16_t bits) {
  APFloat value(APFloat::IEEEhalf(), APInt(16, bits));
  bool exact;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &exact);
  return value.convertToDouble();
}

static double element(const NpyArray &array, int64_t i) {
  switch (array.dtype) {
  case COMPRESS_DTYPE_F32:
    return array.as<float>()[i];
  case COMPRESS_DTYPE_F64:
    return array.as<double>()[i];
  case COMPRESS_DTYPE_F16:
    return half(array.as<uint16_t>()[i]);
  case COMPRESS_DTYPE_BF16:
    return bit_cast<float>(uint32_t(array.as<uint16_t>()[i]) << 16);
  case COMPRESS_DTYPE_I8:
    return array.as<int8_t>()[i];
  case COMPRESS_DTYPE_I16:
    return array.as<int16_t>()[i];
  case COMPRESS_DTYPE_I32:
    return array.as<int32_t>()[i];
  case COMPRESS_DTYPE_I64:
    return static_cast<double>(array.as<int64_t>()[i]);
  case COMPRESS_DTYPE_U8:
  case COMPRESS_DTYPE_BOOL:
    return array.as<uint8_t>()[i];
  case COMPRESS_DTYPE_U16:
    return array.as<uint16_t>()[i];
  case COMPRESS_DTYPE_U32:
    return array.as<uint32_t>()[i];
  case COMPRESS_DTYPE_U64:
    return static_cast<double>(array.as<uint64_t>()[i]);
  default:
    return std::nan("");
  }
}

/// Complex arrays as real ones of twice the length.
static NpyArray real(NpyArray array) {
  bool single = array.dtype == COMPRESS_DTYPE_C64;
  if (single || array.dtype == COMPRESS_DTYPE_C128) {
    array.dtype = single ? COMPRESS_DTYPE_F32 : COMPRESS_DTYPE_F64;
    array.shape.push_back(2);
  }
  return array;
}

Expected<Comparison> compress::compare(StringRef name, const NpyArray &value,
                                       const NpyArray &reference, double rtol,
                                       double atol) {
  NpyArray a = real(value), b = real(reference);
  if (a.shape != b.shape)
    return createStringError("output '" + name + "' is " + describe(value) +
                             ", the reference is " + describe(reference));
  Comparison result;
  result.name = name.str();
  result.elements = a.size();
  double largest = 0, worst = -1;
  for (int64_t i = 0; i < result.elements; ++i) {
    double x = element(a, i), r = element(b, i);
    if (std::isfinite(r))
      largest = std::max(largest, std::fabs(r));
    bool same = x == r || (std::isnan(x) && std::isnan(r));
    double error = same ? 0 : std::fabs(x - r);
    if (std::isnan(error))
      error = INFINITY;
    result.maxAbs = std::max(result.maxAbs, error);
    double allowed = atol + rtol * std::fabs(r);
    // An infinite reference allows nothing but itself.
    bool isBeyond = !same && (!std::isfinite(r) || !(error <= allowed));
    result.beyond += isBeyond;
    double excess = error - (std::isfinite(allowed) ? allowed : 0);
    if (isBeyond && excess > worst) {
      worst = excess;
      result.worst = i;
      result.worstValue = x;
      result.worstReference = r;
    }
  }
  result.maxRel = result.maxAbs == 0 ? 0 : result.maxAbs / largest;
  return result;
}
