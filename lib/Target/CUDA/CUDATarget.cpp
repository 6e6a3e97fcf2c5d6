//===- CUDATarget.cpp - NVIDIA GPUs -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CUDA/CUDATarget.h"
#include "compress/Target/CUDA/Runtime.h"
#include "compress/Target/GPU/DriverTarget.h"
#include "compress/Target/GPU/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace compress;

/// NVIDIA A100 Tensor Core GPU (80 GB) and H100 Tensor Core GPU (SXM) data
/// sheets.
static constexpr DeviceChip kChips[] = {
    {"sm_80", "A100", 2.04e12, 19.5e12, 312e12, 624e12},
    {"sm_90", "H100, H200", 3.35e12, 67e12, 989e12, 1979e12},
};

namespace {
class CUDATarget : public DriverTarget {
public:
  explicit CUDATarget(StringRef device)
      : DriverTarget("cuda", "nvptx64-nvidia-cuda", kChips, device) {}

  StringRef getSummary() const override {
    return "NVIDIA GPUs, as cuda:sm_80 (the default) or cuda:sm_90: kernels "
           "that decode weights as they read them; the rest on the CPU";
  }
  StringRef getRuntimeLibrary() const override {
    return "libCompressRuntimeCUDA.a";
  }
  llvm::ArrayRef<RuntimeSymbol> getRuntimeSymbols() const override {
    static const RuntimeSymbol symbols[] = {
        {"compress_rt_cuda_launch",
         reinterpret_cast<void *>(&compress_rt_cuda_launch)}};
    return symbols;
  }

protected:
  std::unique_ptr<Target> make(StringRef device) const override {
    return std::make_unique<CUDATarget>(device);
  }
  int32_t probe(char *text, int64_t size) const override {
    return compress_rt_cuda_probe(text, size);
  }

  DeviceInterface getDevice(MLIRContext *context) const override {
    DeviceInterface device = makeDevice(context, "compress_rt_cuda_launch", 32);
    device.dotBytes = [](OpBuilder &b, Location loc, Value x, Value y,
                         Value sum) {
      return call(b, loc, "llvm.nvvm.idp4a.s.s", b.getI32Type(), {x, y, sum});
    };
    WarpInterface &warp = device.warp;
    warp.shuffle = [](OpBuilder &b, Location loc, Value x, Value,
                      int64_t mask) {
      return call(
          b, loc, "llvm.nvvm.shfl.sync.bfly.i32", b.getI32Type(),
          {number(b, loc, -1), x, number(b, loc, mask), number(b, loc, 31)});
    };
    using Element = MatrixInstruction::Element;
    for (auto [element, dense, sparse] :
         {std::tuple(Element::BF16, "m16n8k16.row.col.bf16",
                     "m16n8k32.row.col.bf16"),
          std::tuple(Element::F16, "m16n8k16.row.col.f32.f32",
                     "m16n8k32.row.col.f32.f32"),
          std::tuple(Element::I8, "m16n8k32.row.col.s8",
                     "m16n8k64.row.col.s8")}) {
      warp.matrices.push_back(getPTXInstruction(element));
      warp.matrices.back().emit =
          multiplyBy("llvm.nvvm.mma." + std::string(dense), element, false);
      warp.sparseMatrices.push_back(getPTXSparseInstruction(element));
      warp.sparseMatrices.back().emit =
          multiplyBy("llvm.nvvm.mma.sp." + std::string(sparse), element, true);
    }
    warp.copyAsync = [](OpBuilder &b, Location loc, Value shared, Value to,
                        Value buffer, Value from) {
      call(b, loc, "llvm.nvvm.cp.async.cg.shared.global.16",
           {getDevicePointer(b, loc, shared, to),
            getDevicePointer(b, loc, buffer, from)});
    };
    warp.commitCopies = [](OpBuilder &b, Location loc) {
      call(b, loc, "llvm.nvvm.cp.async.commit.group", {});
    };
    warp.waitForCopies = [](OpBuilder &b, Location loc, int64_t groups) {
      call(b, loc, "llvm.nvvm.cp.async.wait.group", number(b, loc, groups));
    };
    return device;
  }

private:
  static Value number(OpBuilder &b, Location loc, int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  static Value call(OpBuilder &b, Location loc, StringRef intrinsic, Type type,
                    ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(b, loc, type,
                                         b.getStringAttr(intrinsic), arguments)
        .getResult(0);
  }
  /// Emits an instruction that takes a, b, c and, if a is sparse, positions and
  /// the selector of the lanes that have them.
  static decltype(MatrixInstruction::emit)
  multiplyBy(std::string intrinsic, MatrixInstruction::Element element,
             bool isSparse) {
    return [=](OpBuilder &b, Location loc, ValueRange x, ValueRange y,
               ValueRange c) {
      SmallVector<Value> arguments(isSparse ? x.drop_back() : x);
      llvm::append_range(arguments, y);
      if (element == MatrixInstruction::Element::F16)
        for (Value &word : arguments)
          word = LLVM::BitcastOp::create(
              b, loc, VectorType::get({2}, b.getF16Type()), word);
      llvm::append_range(arguments, c);
      if (isSparse)
        arguments.append({x.back(), number(b, loc, 0)});
      auto type = LLVM::LLVMStructType::getLiteral(
          b.getContext(), SmallVector<Type>(c.getTypes()));
      Value all = call(b, loc, intrinsic, type, arguments);
      SmallVector<Value> result;
      for (int64_t i = 0; i < int64_t(c.size()); ++i)
        result.push_back(LLVM::ExtractValueOp::create(b, loc, all, i));
      return result;
    };
  }
  static void call(OpBuilder &b, Location loc, StringRef intrinsic,
                   ValueRange arguments) {
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(intrinsic),
                                  arguments);
  }
};
} // namespace

std::unique_ptr<Target> compress::createCUDATarget() {
  registerCompressGPUPasses();
  return std::make_unique<CUDATarget>("");
}
