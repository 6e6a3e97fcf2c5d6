//===- Fit.h - Filling encodings with regard to importance ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The searches behind `encodeHost` of codebook and factored encodings, with the
// knobs that methods turn.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_FIT_H
#define COMPRESS_DIALECT_COMPRESS_IR_FIT_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Numeric/Factorization.h"
#include "compress/Numeric/KMeans.h"

namespace compress {

/// Fits the tables of a `codebook` encoding by k-means, encodes them, and
/// assigns indices to the tables as they decode; returns the leaves.
/// `importance` weighs each element's squared error: empty, or as many entries
/// as elements, row-major, nonnegative. Tables that cannot be chosen (of
/// `generated` values) are taken as they are.
llvm::Expected<llvm::SmallVector<HostTensor>>
fitCodebook(CompressedTensorType type, const HostTensor &value,
            llvm::ArrayRef<float> importance, const KMeansOptions &options);

/// Fits the factors of a `factored` encoding and encodes them one after
/// another; those still to come make up for the rounding of those before.
/// Factors that cannot be chosen are taken as they are. Values that are not
/// finite are an error.
llvm::Expected<llvm::SmallVector<HostTensor>>
fitFactored(CompressedTensorType type, const HostTensor &value,
            const FactorizationOptions &options);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_FIT_H
