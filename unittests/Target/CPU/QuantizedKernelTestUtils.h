//===- QuantizedKernelTestUtils.h - Run claimed contractions ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds one contraction, lets the CPU target claim it for a chosen instruction
// set, compiles it in memory and runs it.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_TARGET_CPU_QUANTIZEDKERNELTESTUTILS_H
#define COMPRESS_UNITTESTS_TARGET_CPU_QUANTIZEDKERNELTESTUTILS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include <functional>
#include <memory>
#include <vector>

namespace compress::test {

/// A context with every dialect that the lowering needs.
mlir::MLIRContext &getContext();

/// The options of a row of the table of instruction sets, or nothing when this
/// machine cannot run it.
std::optional<TargetOptions> getOptions(llvm::StringRef isa);
/// Names of the instruction sets that this machine runs, best first.
std::vector<std::string> getRunnableISAs();

/// A dense f32 array.
struct Array {
  std::vector<int64_t> shape;
  std::vector<float> values;

  static Array random(std::vector<int64_t> shape, unsigned seed,
                      float scale = 1.0f);
  static Array filled(std::vector<int64_t> shape, float value);
  int64_t size() const { return values.size(); }
};

CompressedTensorType parseType(const std::string &text);
/// Leaves of `values` encoded as `type`.
std::vector<HostTensor> encode(CompressedTensorType type, const Array &values);
/// What the reference decodes `values` to after encoding.
Array roundTrip(CompressedTensorType type, const Array &values);

/// What a product starts from: nothing, a row for all of its rows, or a tensor
/// of its shape.
enum class Init { Zero, Bias, Tensor };
/// The product of `lhs` [m, k] and `rhs`, [n, k] if `transposed`, else [k, n].
/// `like` has the m rows; `start` is what `init` says, if anything.
mlir::Value buildProduct(mlir::OpBuilder &b, mlir::RankedTensorType result,
                         mlir::Value like, mlir::Value lhs, mlir::Value rhs,
                         bool transposed, Init init, mlir::Value start);

/// The convolution of images [n, c, spatial...] with filters [f, c, kernel...],
/// which begins with `start`; with `isDepthwise` of images [n, f, 1, ...], with
/// `hasGroups` of images [n, g, c, ...] with filters [g, f, c, ...].
mlir::Value buildConv(mlir::OpBuilder &b, mlir::RankedTensorType result,
                      mlir::Value images, mlir::Value filters,
                      mlir::Value start, llvm::ArrayRef<int64_t> strides,
                      llvm::ArrayRef<int64_t> dilations,
                      bool isDepthwise = false, bool hasGroups = false);

/// One function `f`, claimed and compiled.
class Compiled {
public:
  /// `build` makes the body of `f`, whose parameters and one result are f32
  /// tensors. With `usesRules`, what is not claimed is taken apart and offered
  /// again. Fails the current test when anything goes wrong.
  Compiled(const TargetOptions &options, mlir::TypeRange inputs,
           mlir::RankedTensorType result,
           llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>
               build,
           bool usesRules = false);
  ~Compiled();

  /// Whether the contraction became kernels.
  bool isClaimed() const { return claimed; }
  /// How many calls of kernels there are.
  unsigned getNumKernels() const { return kernels.size(); }
  /// Whether one of these has a name that starts so.
  bool hasKernel(llvm::StringRef prefix) const {
    return llvm::any_of(kernels, [&](llvm::StringRef name) {
      return name.starts_with(prefix);
    });
  }
  /// Bytes of all constants of the claimed module.
  int64_t getConstantBytes() const { return constantBytes; }
  Array operator()(const std::vector<Array> &inputs) const;
  /// Seconds of one call, the best of several.
  double time(const std::vector<Array> &inputs) const;

private:
  void
  compile(const TargetOptions &options, mlir::TypeRange inputs,
          mlir::RankedTensorType result,
          llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>
              build,
          bool usesRules);

  struct Impl;
  std::unique_ptr<Impl> impl;
  bool claimed = false;
  std::vector<std::string> kernels;
  int64_t constantBytes = 0;
  unsigned resultRank;
};

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_TARGET_CPU_QUANTIZEDKERNELTESTUTILS_H
