//===- Grouping.h - Groups and blocks of elements ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A group shape has one block size per dimension; kDynamic (`*`) is the whole
// dimension. The last block of a dimension may hang over.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_GROUPING_H
#define COMPRESS_DIALECT_COMPRESS_IR_GROUPING_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"

namespace compress {

/// Number of blocks per dimension; 0 for an empty dimension.
llvm::SmallVector<int64_t> getGroupGrid(llvm::ArrayRef<int64_t> shape,
                                        llvm::ArrayRef<int64_t> group);
/// Checks that sizes are positive or `*`; `what` names the encoding.
mlir::LogicalResult
verifyGroup(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
            llvm::StringRef what, llvm::ArrayRef<int64_t> group);
/// From the index of an element to the index of its group.
mlir::AffineMap getGroupMap(llvm::ArrayRef<int64_t> group,
                            mlir::MLIRContext *context);

/// Walks a shape in row-major order and names the group of each element.
class GroupIndexer {
public:
  GroupIndexer(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> group,
               llvm::ArrayRef<int64_t> grid);
  /// The row-major group index of the current element; then steps to the next.
  int64_t next();

private:
  llvm::SmallVector<int64_t> shape, position, strides, sizes;
};

/// Product of dimensions; 1 for rank 0. Saturates.
int64_t countElements(llvm::ArrayRef<int64_t> shape);

/// So many elements a tensor or a component can have: sizes in bits, and sums
/// of them, stay far from overflow.
constexpr int64_t maxElements = int64_t(1) << 40;
/// Refuses shapes of more elements; every encoding checks the shape that it is
/// verified for. Dimensions may be dynamic.
mlir::LogicalResult
verifySize(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
           llvm::ArrayRef<int64_t> shape);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_GROUPING_H
