//===- Device.h - What GPU targets share ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Claims for any device with workgroups and buffers. Each claimed operation
// becomes three things:
//
//  - a `gpu.module` @<kernel> with one `gpu.func` @main: one invocation per
//    element of the result; buffers are `memref<?xi32>`, the first holds the
//    number of invocations and sizes known at run time only;
//  - a host function @<kernel>_launch (`compress.generated`), which hands the
//    addresses and sizes of its memrefs to the launch function of the device;
//  - a `compress.kernel` that calls it.
//
// The target turns the module into the device's code, and gives a body to
// `@<kernel>_code() -> (i64, i64)`: address and size in bytes of that code.
//
// The launch function of the device's runtime is
//
//    void launch(void *ctx, int64_t slot, const void *code, int64_t codeBytes,
//                const int64_t *table)
//
// with the table of LaunchTable below.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_DEVICE_H
#define COMPRESS_TARGET_GPU_DEVICE_H

#include "compress/Target/GPU/LaunchTable.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include <functional>

namespace compress {

/// What generated kernels need to know of a device.
struct DeviceInterface {
  /// Starts the names of kernels.
  llvm::StringRef name;
  /// The launch function of its runtime.
  llvm::StringRef launch;
  /// Invocations per workgroup.
  int64_t workgroupSize = 64;
  /// Storage buffers that one kernel may have.
  unsigned maxBuffers = 16;
  /// The memory space of buffers; may be null.
  mlir::Attribute bufferSpace;
  /// What marks the entry point.
  mlir::SmallVector<mlir::NamedAttribute> entryAttributes;
  /// `acc + sum of a_i * b_i` of four signed bytes in each i32; null where the
  /// device has no such instruction.
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value a,
                            mlir::Value b, mlir::Value acc)>
      dotBytes;
};

/// Claims of contractions and lookups whose operands can be read element by
/// element. With `isLast`, other constants are decoded on the host when the
/// model is loaded; without, they are left to the rules of their encodings.
void populateDevicePatterns(mlir::RewritePatternSet &patterns,
                            const DeviceInterface &device, bool isLast);

/// Claims of elementwise operations, windows and reductions of what is on the
/// device already.
void populateDeviceLinalgPatterns(mlir::RewritePatternSet &patterns,
                                  const DeviceInterface &device);

/// On a `compress.kernel`: the device's kernel that it launches.
inline constexpr llvm::StringLiteral kDeviceAttr = "compress.device";

} // namespace compress

#endif // COMPRESS_TARGET_GPU_DEVICE_H
