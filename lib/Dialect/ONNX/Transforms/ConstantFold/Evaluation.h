//===- Evaluation.h - What evaluators of operators share --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_EVALUATION_H
#define COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_EVALUATION_H

#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

namespace compress::onnx {

/// What an evaluator sees.
struct Evaluation {
  const Node &node;
  llvm::ArrayRef<HostTensor> inputs;
  llvm::SmallVector<HostTensor> &outputs;

  bool has(unsigned i) const { return i < inputs.size() && inputs[i]; }
  std::optional<llvm::SmallVector<int64_t>> ints(unsigned i) const {
    if (!has(i) || !llvm::isa<mlir::IntegerType>(inputs[i].getElementType()))
      return std::nullopt;
    llvm::SmallVector<int64_t> result;
    for (int64_t k = 0, e = inputs[i].getNumElements(); k < e; ++k)
      result.push_back(inputs[i].getInt(k));
    return result;
  }
  std::optional<llvm::SmallVector<int64_t>> attrOrInts(llvm::StringRef name,
                                                       unsigned i) const {
    if (auto attr = node.findInts(name))
      return attr;
    return ints(i);
  }
};

using Evaluator = llvm::LogicalResult (*)(Evaluation &);

llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);
/// Visits the positions of `shape` in row-major order; `offset` is the inner
/// product of the position and `strides`.
void forEach(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> strides,
             int64_t base,
             llvm::function_ref<void(int64_t at, int64_t offset)> body);
/// The strided view of `source` that `shape` at `strides` and `base` describes.
void copyView(HostTensor &result, const HostTensor &source,
              llvm::ArrayRef<int64_t> strides, int64_t base);
/// Strides that repeat `shape` over `target` by numpy broadcasting.
llvm::SmallVector<int64_t> broadcastStrides(llvm::ArrayRef<int64_t> shape,
                                            llvm::ArrayRef<int64_t> target);
bool canBroadcast(const HostTensor &tensor, llvm::ArrayRef<int64_t> target);

/// Reshapes, slices, lookups and the like; and reductions.
void addMovementEvaluators(llvm::StringMap<Evaluator> &table);

} // namespace compress::onnx

#endif // COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_EVALUATION_H
