//===- ROCmTarget.cpp - AMD GPUs --------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/ROCm/ROCmTarget.h"
#include "compress/Target/GPU/DriverTarget.h"
#include "compress/Target/GPU/Passes.h"
#include "compress/Target/GPU/Tools.h"
#include "compress/Target/ROCm/Runtime.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace compress;

/// AMD Instinct MI250X (one of its two dies) and MI300X data sheets.
static constexpr DeviceChip kChips[] = {
    {"gfx90a", "MI210, MI250", 1.6e12, 23.9e12, 191e12, 191e12},
    {"gfx942", "MI300", 5.3e12, 81.7e12, 1307e12, 2614e12},
};

namespace {
class ROCmTarget : public DriverTarget {
public:
  explicit ROCmTarget(StringRef device)
      : DriverTarget("rocm", "amdgcn-amd-amdhsa", kChips, device) {}

  StringRef getSummary() const override {
    return "AMD GPUs, as rocm:gfx90a (the default) or rocm:gfx942: kernels "
           "that decode weights as they read them; the rest on the CPU";
  }
  llvm::Error checkAvailable(const TargetOptions &) const override {
    return findDeviceLinker().takeError();
  }
  StringRef getRuntimeLibrary() const override {
    return "libCompressRuntimeROCm.a";
  }
  llvm::ArrayRef<RuntimeSymbol> getRuntimeSymbols() const override {
    static const RuntimeSymbol symbols[] = {
        {"compress_rt_rocm_launch",
         reinterpret_cast<void *>(&compress_rt_rocm_launch)}};
    return symbols;
  }

protected:
  std::unique_ptr<Target> make(StringRef device) const override {
    return std::make_unique<ROCmTarget>(device);
  }
  int32_t probe(char *text, int64_t size) const override {
    return compress_rt_rocm_probe(text, size);
  }

  DeviceInterface getDevice(MLIRContext *context) const override {
    DeviceInterface device = makeDevice(context, "compress_rt_rocm_launch", 64);
    device.dotBytes = [](OpBuilder &b, Location loc, Value x, Value y,
                         Value sum) {
      Value clamp = LLVM::ConstantOp::create(b, loc, b.getBoolAttr(false));
      return call(b, loc, "llvm.amdgcn.sdot4", b.getI32Type(),
                  {x, y, sum, clamp});
    };
    WarpInterface &warp = device.warp;
    warp.shuffle = [](OpBuilder &b, Location loc, Value x, Value lane,
                      int64_t mask) {
      // Four bytes for each lane.
      Value other = arith::XOrIOp::create(b, loc, lane, number(b, loc, mask));
      Value address = arith::ShLIOp::create(b, loc, other, number(b, loc, 2));
      return call(b, loc, "llvm.amdgcn.ds.bpermute", b.getI32Type(),
                  {address, x});
    };
    // 16 x 16 of the result.
    warp.tilesM = warp.tilesN = 2;
    using Element = MatrixInstruction::Element;
    bool isWide = chip->name == "gfx942";
    warp.matrices = {getMFMAInstruction(Element::BF16, 2),
                     getMFMAInstruction(Element::F16, 2),
                     getMFMAInstruction(Element::I8, isWide ? 2 : 1)};
    for (MatrixInstruction &matrix : warp.matrices) {
      bool isByte = matrix.element == Element::I8;
      bool isHalf = matrix.element == Element::F16;
      matrix.emit = [=](OpBuilder &b, Location loc, ValueRange x, ValueRange y,
                        ValueRange c) {
        Type i32 = b.getI32Type();
        Type half = isHalf ? Type(b.getF16Type()) : b.getIntegerType(16);
        auto operand = [&](ValueRange words) -> Value {
          if (words.size() == 1)
            return words[0];
          Type to = isByte ? Type(b.getI64Type()) : VectorType::get({4}, half);
          return LLVM::BitcastOp::create(b, loc, to, pack(b, loc, words));
        };
        StringRef name = isHalf    ? "llvm.amdgcn.mfma.f32.16x16x16f16"
                         : !isByte ? "llvm.amdgcn.mfma.f32.16x16x16bf16.1k"
                         : isWide  ? "llvm.amdgcn.mfma.i32.16x16x32.i8"
                                   : "llvm.amdgcn.mfma.i32.16x16x16i8";
        Type type = VectorType::get({4}, isByte ? i32 : b.getF32Type());
        Value none = number(b, loc, 0);
        Value all =
            call(b, loc, name, type,
                 {operand(x), operand(y), pack(b, loc, c), none, none, none});
        SmallVector<Value> result;
        for (int64_t i = 0; i < int64_t(c.size()); ++i)
          result.push_back(
              LLVM::ExtractElementOp::create(b, loc, all, number(b, loc, i)));
        return result;
      };
    }
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
  /// A vector of values.
  static Value pack(OpBuilder &b, Location loc, ValueRange values) {
    auto type = VectorType::get({int64_t(values.size())}, values[0].getType());
    Value result = LLVM::PoisonOp::create(b, loc, type);
    for (auto [i, value] : llvm::enumerate(values))
      result = LLVM::InsertElementOp::create(b, loc, result, value,
                                             number(b, loc, i));
    return result;
  }
};
} // namespace

std::unique_ptr<Target> compress::createROCmTarget() {
  registerCompressGPUPasses();
  return std::make_unique<ROCmTarget>("");
}
