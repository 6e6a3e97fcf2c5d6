//===- DriverTarget.h - GPUs that LLVM generates code for -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the targets have in common whose kernels LLVM turns into binaries for
// one kind of chip, and a vendor's driver loads.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_DRIVERTARGET_H
#define COMPRESS_TARGET_GPU_DRIVERTARGET_H

#include "compress/Target/GPU/Device.h"
#include "compress/Target/Target.h"

namespace compress {

/// A kind of device. Peaks are those of the vendor's data sheets, dense.
struct DeviceChip {
  llvm::StringRef name, example;
  double bytesPerSecond, floatOps, halfOps, byteOps;
};

class DriverTarget : public Target {
public:
  /// `device` is a name in the target's table, or empty for the first.
  DriverTarget(llvm::StringRef name, llvm::StringRef triple,
               llvm::ArrayRef<DeviceChip> chips, llvm::StringRef device)
      : base(name), triple(triple), chips(chips), chip(&chips.front()),
        name((name + (device.empty() ? "" : ":") + device).str()) {
    for (const DeviceChip &known : chips)
      if (known.name == device)
        chip = &known;
  }

  llvm::StringRef getName() const override { return name; }
  mlir::Attribute describe(mlir::MLIRContext *context,
                           const TargetOptions &options) const override;
  llvm::Expected<std::unique_ptr<Target>>
  forDevice(llvm::StringRef device) const override;
  void registerDialects(mlir::DialectRegistry &registry) const override;
  llvm::Error checkAvailable(const TargetOptions &options) const override;
  llvm::Error checkDevice() const override;
  void populateClaimPatterns(mlir::RewritePatternSet &patterns,
                             const TargetOptions &options) const override;
  void populateFallbackPatterns(mlir::RewritePatternSet &patterns,
                                const TargetOptions &options) const override;
  std::optional<double>
  estimateSeconds(ContractOp op, const TargetOptions &options) const override;
  void buildLoweringPipeline(mlir::OpPassManager &pm,
                             const TargetOptions &options) const override;

protected:
  /// Fills in what is alike: memory, launches without limits, peaks.
  DeviceInterface makeDevice(mlir::MLIRContext *context, llvm::StringRef launch,
                             int64_t lanes) const;
  /// The target for a device that is in the table.
  virtual std::unique_ptr<Target> make(llvm::StringRef device) const = 0;
  virtual DeviceInterface getDevice(mlir::MLIRContext *context) const = 0;
  virtual int32_t probe(char *text, int64_t size) const = 0;

  llvm::StringRef base, triple;
  llvm::ArrayRef<DeviceChip> chips;
  const DeviceChip *chip;
  std::string name;
};

/// The address of an element of a memref, for intrinsics that take it.
mlir::Value getDevicePointer(mlir::OpBuilder &b, mlir::Location loc,
                             mlir::Value memref, mlir::Value index);

} // namespace compress

#endif // COMPRESS_TARGET_GPU_DRIVERTARGET_H
