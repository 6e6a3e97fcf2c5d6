//===- ChannelBlocks.h - Blocks that are channels ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_CHANNELBLOCKS_H
#define COMPRESS_DIALECT_COMPRESS_IR_CHANNELBLOCKS_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// The axis of which each block of a `sparse<block>` tensor holds one entry and
/// all that this meets, as integer codes with a scale for each block: such
/// blocks are channels. Nothing for any other tensor.
std::optional<int64_t> getChannelBlockAxis(CompressedTensorType type);

/// Such a tensor as `sparse<channels>` of codes that are scaled channel by
/// channel. Contractions then gather the channels of the other operand, scale
/// these, and multiply them with plain codes. The values are the same.
EncodedTensor toScaledChannels(CompressedTensorType type,
                               llvm::ArrayRef<HostTensor> leaves);

/// Whether contractions with a sparse tensor do best to gather the channels
/// that it has, since its values are codes that kernels read.
bool hasChannelsOfCodes(CompressedTensorType type);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_CHANNELBLOCKS_H
