//===- ScaleAlong.h - Factors taken up by stored scales ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_SCALEALONG_H
#define COMPRESS_DIALECT_COMPRESS_IR_SCALEALONG_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// The same tensor with all values at position i of `axis` multiplied by
/// `factors[i]`, by changing float scales (or float values) that no two
/// positions share: type and codes stay. Fails, with the reason, where an
/// encoding has none such.
llvm::Expected<EncodedTensor> scaleAlong(const EncodedTensor &tensor,
                                         int64_t axis,
                                         llvm::ArrayRef<double> factors);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_SCALEALONG_H
