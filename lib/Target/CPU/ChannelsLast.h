//===- ChannelsLast.h - Between layouts of images ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_CHANNELSLAST_H
#define COMPRESS_LIB_TARGET_CPU_CHANNELSLAST_H

#include "mlir/IR/Builders.h"

namespace compress::cpu {

/// [n, c, spatial...] to [n, spatial..., c].
mlir::Value toChannelsLast(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value value);
/// The inverse, marked so that `compress-propagate-layout` moves it.
mlir::Value toChannelsFirst(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::Value value);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_CHANNELSLAST_H
