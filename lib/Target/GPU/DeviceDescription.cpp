//===- DeviceDescription.cpp - What GPUs are and take -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WarpProduct.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/GPU/Device.h"
#include "mlir/Dialect/DLTI/DLTI.h"

using namespace mlir;
using namespace compress;

std::optional<double>
compress::estimateDeviceSeconds(ContractOp op, const DeviceInterface &device) {
  if (!device.peaks.bytes ||
      llvm::is_contained(compress::getLoopExtents(op), ShapedType::kDynamic))
    return std::nullopt;
  return device.peaks.launch + device::chooseProductKernel(op, device).seconds;
}

/// As the description spells elements.
static StringRef spell(MatrixInstruction::Element element) {
  switch (element) {
  case MatrixInstruction::Element::BF16:
    return "bf16";
  case MatrixInstruction::Element::F16:
    return "f16";
  case MatrixInstruction::Element::I8:
    return "i8";
  }
  llvm_unreachable("covered switch");
}

SmallVector<DataLayoutEntryInterface>
compress::describeDevice(MLIRContext *context, const DeviceInterface &device) {
  Builder b(context);
  SmallVector<DataLayoutEntryInterface> entries;
  auto add = [&](StringRef key, Attribute value) {
    entries.push_back(DataLayoutEntryAttr::get(b.getStringAttr(key), value));
  };
  auto names = [&](ArrayRef<MatrixInstruction> matrices) {
    SmallVector<StringRef> spelled;
    for (const MatrixInstruction &matrix : matrices)
      spelled.push_back(spell(matrix.element));
    return b.getStrArrayAttr(spelled);
  };
  add("workgroup_size", b.getI64IntegerAttr(device.workgroupSize));
  add("max_buffers", b.getI64IntegerAttr(device.maxBuffers));
  add("computes_in", b.getStringAttr("f32"));
  // Each is filled from the next one.
  SmallVector<StringRef> memories{"registers"};
  if (device.warp.lanes)
    memories.push_back("shared");
  memories.append({"device", "host"});
  add("memory_levels", b.getStrArrayAttr(memories));
  // The least and the most rows of products; -1 is any.
  auto rows = [&](StringRef kernel, int64_t least, int64_t most) {
    add(("rows_" + kernel).str(), b.getI64ArrayAttr({least, most}));
  };
  rows("element", 0, -1);
  if (device.warp.lanes) {
    add("shared_bytes", b.getI64IntegerAttr(kSharedBytes));
    rows("vector", 1, device::kManyRows);
    rows("matrix", 2, -1);
    add("matrix_elements", names(device.warp.matrices));
    add("sparse_matrix_elements", names(device.warp.sparseMatrices));
  }
  const DevicePeaks &peaks = device.peaks;
  if (!peaks.bytes)
    return entries;
  add("bytes_per_second", b.getF64FloatAttr(peaks.bytes));
  add("peak_f32", b.getF64FloatAttr(peaks.floatOps));
  if (device.warp.lanes) {
    add("peak_bf16", b.getF64FloatAttr(peaks.halfOps));
    add("peak_i8", b.getF64FloatAttr(peaks.byteOps));
  }
  add("peaks_from", b.getStringAttr(peaks.source));
  return entries;
}
