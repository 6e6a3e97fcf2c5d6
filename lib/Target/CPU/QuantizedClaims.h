//===- QuantizedClaims.h - What quantized claims share ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizing quantized operands, and building the operations that call
// generated kernels.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_QUANTIZEDCLAIMS_H
#define COMPRESS_LIB_TARGET_CPU_QUANTIZEDCLAIMS_H

#include "KernelGEMM.h"
#include "QuantizedPacking.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/PatternMatch.h"

namespace compress::cpu {

/// An activation that is quantized to 8 bits at run time.
struct Activation {
  Value source; // f32
  QuantAttr encoding;
  ValueRange parameters;
  CodeRange range;
  std::optional<StaticParameters> statics;
};

/// Recognizes the result of a `compress.encode` that kernels can do.
std::optional<Activation> matchActivation(Value value);
/// The same for codes of at most `mostBits`, fewer than 8, which are stored in
/// bytes from 0 on; zero points may be f32.
std::optional<Activation> matchNarrowActivation(Value value, unsigned mostBits);
/// Whether a group along an axis of extent `size` is the whole of it.
bool isWhole(int64_t group, int64_t size);
bool isPerTensor(const Activation &activation);

/// A matrix product with constant weights on one side, seen as
/// `out[m.., n..] += x[m.., k..] * w[n, k]`.
struct MatrixProduct {
  Value activation;
  ConstantOp constant;
  llvm::SmallVector<unsigned> m, n, k;
  WeightMatrix weight;
  bool hasPattern = false;

  /// The axis of the result that runs over all of n.
  std::optional<unsigned> getChannelAxis() const {
    return n.size() == 1 ? std::optional<unsigned>(m.size()) : std::nullopt;
  }
};
/// `takesTables`: of what `getTableMatrix` recognizes, too. `takesPattern`: of
/// what `getCodesOfPattern` does.
std::optional<MatrixProduct> matchMatrixProduct(ContractOp op,
                                                bool takesTables = false,
                                                bool takesPattern = false);

/// The groups of an activation whose leading `numRowAxes` axes are rows: one of
/// all, or one or more per row, of `group` consecutive k.
struct ActivationGroups {
  bool perRow;
  int64_t group;
};
std::optional<ActivationGroups>
matchActivationGroups(const Activation &activation, unsigned numRowAxes);

/// How `op` starts its result; `axis` is that of output channels in the
/// result, if there is just one. `bias` is set for InitKind::Bias.
InitKind matchInit(ContractOp op, std::optional<unsigned> axis, Value &bias);

/// The name for the packed parts of a weight.
std::string getPackedName(ConstantOp weight);

/// Signed 8-bit codes with one scale per column and no zero points.
bool isChannelInt8(const WeightMatrix &weight);

/// Whether the packed form takes notably more room than what is stored; small
/// weights may be padded.
bool grows(ConstantOp weight, int64_t packedBytes);

mlir::ReassociationIndices axisRange(int64_t first, int64_t last);

/// Builds at the place of a claimed contraction.
struct Emitter {
  mlir::PatternRewriter &b;
  mlir::Location loc;

  Value constant(const HostTensor &tensor, llvm::StringRef name);
  Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes, Type element);
  mlir::OpFoldResult constantSize(int64_t size) { return b.getIndexAttr(size); }
  /// `size * factor + offset`
  mlir::OpFoldResult scaled(mlir::OpFoldResult size, int64_t factor,
                            int64_t offset);
  mlir::OpFoldResult size(Value tensor, int64_t axis);

  /// Merges the first `leading` axes into one and the others into another; no
  /// leading axes make an axis of one.
  Value asMatrix(Value value, int64_t leading);
  /// The inverse, back to the type and sizes of `like`.
  Value fromMatrix(Value value, int64_t leading, Value like);
  /// [n, c, spatial...] as [n, c, pixel], and back.
  Value asImages(Value value);
  Value fromImages(Value value, Value like);
  Value castTo(Value value, mlir::RankedTensorType type);

  llvm::SmallVector<Value> kernel(llvm::StringRef name, ValueRange ins,
                                  ValueRange outs);
  /// Calls a quantizing kernel: codes, scales, zero points, and block sums if
  /// their number is given.
  llvm::SmallVector<Value> quantize(llvm::StringRef name, Value x,
                                    const Activation &activation,
                                    mlir::OpFoldResult codeBytes,
                                    mlir::OpFoldResult groups, bool needsRanges,
                                    mlir::OpFoldResult sums = {});
  /// The same for images [n, l] whose codes lie in the same order.
  llvm::SmallVector<Value> quantizeInPlace(llvm::StringRef name, Value x,
                                           const Activation &activation,
                                           mlir::OpFoldResult groups);
};

/// Products of codes of a few bits on both sides, in BitPatterns.cpp.
void populateBitPatterns(mlir::RewritePatternSet &patterns,
                         const TargetOptions &options);
/// Convolutions, in QuantizedConvPatterns.cpp.
void populateQuantizedConvPatterns(mlir::RewritePatternSet &patterns,
                                   const TargetOptions &options);
/// Convolutions in chains, in CodeConvPatterns.cpp.
void populateCodeConvPatterns(mlir::RewritePatternSet &patterns,
                              const TargetOptions &options);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_QUANTIZEDCLAIMS_H
