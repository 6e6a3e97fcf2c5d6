//===- Device.h - What GPU targets share ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Claims for any device with workgroups and buffers. Each claimed operation
// becomes three things:
//
//  - a `gpu.module` @<kernel> with one `gpu.func` @main; buffers are
//    `memref<?xi32>`, the first holds the number of invocations and sizes known
//    at run time only;
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

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/GPU/LaunchTable.h"
#include "compress/Target/GPU/MatrixInstruction.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include <functional>
#include <vector>

namespace compress {

/// Invocations that run in step, and what they do together.
struct WarpInterface {
  using Builder = mlir::OpBuilder;
  using Location = mlir::Location;
  using Value = mlir::Value;

  /// 0 where kernels are not to count on any.
  int64_t lanes = 0;
  /// Memory that a workgroup shares: a memref of so many i32.
  std::function<Value(Builder &, Location, int64_t words)> allocateShared;
  /// The i32 of the lane whose number differs in the bits of `mask`; null to go
  /// through shared memory.
  std::function<Value(Builder &, Location, Value x, Value lane, int64_t mask)>
      shuffle;
  /// At most one for each type of elements.
  std::vector<MatrixInstruction> matrices;
  /// Those whose factor a is sparse.
  std::vector<MatrixInstruction> sparseMatrices;
  /// How many of them one warp has of rows and columns of the result at once;
  /// words of k that are in shared memory.
  int64_t tilesM = 2, tilesN = 4, wordsK = 16;
  /// Starts to copy four words from a buffer to shared memory; both start at
  /// multiples of four. Null where there is no such instruction.
  std::function<void(Builder &, Location, Value shared, Value to, Value buffer,
                     Value from)>
      copyAsync;
  /// Ends a group of copies; waits until at most so many groups are under way.
  std::function<void(Builder &, Location)> commitCopies;
  std::function<void(Builder &, Location, int64_t groups)> waitForCopies;
  /// Words of shared memory for what is emulated.
  int64_t emulationWords = 0;
};

/// What a device does in a second, for costs, and where the figures are from.
struct DevicePeaks {
  double bytes = 0, floatOps = 0, halfOps = 0, byteOps = 0;
  llvm::StringRef source = "";
  /// Seconds of a launch, and of the wait for it.
  double launch = 5e-6;
};

/// Memory that a workgroup shares.
inline constexpr int64_t kSharedBytes = 48 << 10;

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
  /// Whether a kernel may have any number of workgroups in one dimension.
  bool hasFlatGrid = false;
  /// Whether products and sums may be rounded once, as one operation.
  bool contracts = false;
  /// Whether it converts f16 to f32, subnormals included.
  bool hasHalf = false;
  /// What marks the entry point of a kernel with workgroups of this size.
  std::function<mlir::SmallVector<mlir::NamedAttribute>(int64_t)>
      getEntryAttributes;
  /// `acc + sum of a_i * b_i` of four signed bytes in each i32; null where the
  /// device has no such instruction.
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value a,
                            mlir::Value b, mlir::Value acc)>
      dotBytes;
  WarpInterface warp;
  DevicePeaks peaks;
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

/// The predicted seconds of a contraction by these kernels; nothing where an
/// extent is not known.
std::optional<double> estimateDeviceSeconds(ContractOp op,
                                            const DeviceInterface &device);

/// What the description of every such device says: workgroups, buffers, memory
/// levels, which kernels take how many rows, which elements their instructions
/// multiply, and peaks.
mlir::SmallVector<mlir::DataLayoutEntryInterface>
describeDevice(mlir::MLIRContext *context, const DeviceInterface &device);

/// Gives `@<kernel>_code` its body: the address of these words.
void defineDeviceCode(mlir::ModuleOp module, llvm::StringRef kernel,
                      llvm::ArrayRef<uint32_t> words);

/// On a `gpu.func`: invocations per workgroup.
inline constexpr llvm::StringLiteral kWorkgroupSizeAttr =
    "compress.workgroup_size";
/// On a `compress.kernel`: the device's kernel that it launches.
inline constexpr llvm::StringLiteral kDeviceAttr = "compress.device";

} // namespace compress

#endif // COMPRESS_TARGET_GPU_DEVICE_H
