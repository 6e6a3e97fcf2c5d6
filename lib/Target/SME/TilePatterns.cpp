//===- TilePatterns.cpp - Claims of contractions and lookups ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task computes one block of the result: it decodes blocks of both operands
// into scratch memory, one column of the left one next to the other, and has
// them multiplied. Any contraction is such a product, convolutions too, since
// operands are read through their indexing maps.
//
//===----------------------------------------------------------------------===//

#include "TilePatterns.h"
#include "../Elements/LoopExtents.h"
#include "../Elements/Operands.h"
#include "CodeProduct.h"
#include "OuterProduct.h"
#include "TileKernel.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;
using namespace compress::sme;

/// Rows and columns of a block of the result, and steps that are decoded at a
/// time: 128 KiB of scratch memory in all, which a second-level cache holds.
static constexpr int64_t kRows = 128, kColumns = 64, kSteps = 128;
using sme::kFewRows;
/// Below so many multiplications threads do not pay.
static constexpr int64_t kSmallWork = 1 << 16;

namespace {
/// The loops of a contraction by what they are of a matrix product.
struct LoopGroups {
  SmallVector<unsigned> batch, rows, columns, sums;

  /// Nothing unless the result has each of its loops once.
  static std::optional<LoopGroups> get(ContractOp op) {
    if (!op.getMap(2).isProjectedPermutation())
      return std::nullopt;
    LoopGroups groups;
    for (unsigned d = 0; d < op.getNumLoops(); ++d) {
      bool isResult = op.getMap(2).isFunctionOfDim(d);
      if (op.isReductionDim(d) == isResult)
        return std::nullopt;
      bool isLeft = op.getMap(0).isFunctionOfDim(d);
      bool isRight = op.getMap(1).isFunctionOfDim(d);
      if (!isLeft && !isRight)
        return std::nullopt;
      (!isResult           ? groups.sums
       : isLeft && isRight ? groups.batch
       : isLeft            ? groups.rows
                           : groups.columns)
          .push_back(d);
    }
    return groups;
  }
};

struct TileContract : public OpRewritePattern<ContractOp> {
  // Before the patterns of the CPU, but for few rows of what is encoded, which
  // are better than the reference semantics at most.
  TileContract(MLIRContext *context, bool isLast, bool takesFew = false)
      : OpRewritePattern(context, /*benefit=*/takesFew ? 0 : 10),
        isLast(isLast), takesFew(takesFew) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getInit().getType());
    if (!type.getElementType().isF32())
      return leave(rewriter, op, isLast, "it does not compute in f32");
    auto groups = LoopGroups::get(op);
    if (!groups)
      return leave(rewriter, op, isLast, "its loops are not a product's");
    SmallVector<Value> operands{op.getLhs(), op.getRhs(), op.getInit()};
    SmallVector<AffineMap> maps{op.getMap(0), op.getMap(1), op.getMap(2)};
    auto sources = findLoopExtents(operands, maps, op.getNumLoops());
    if (failed(sources))
      return leave(rewriter, op, isLast, "a loop without an extent");
    // Sides of at least some rows, which need not be known.
    SmallVector<int64_t> extents = compress::getLoopExtents(op);
    auto count = [&](ArrayRef<unsigned> loops) {
      int64_t product = 1;
      for (unsigned d : loops) {
        if (ShapedType::isDynamic(extents[d]))
          return ShapedType::kDynamic;
        product *= extents[d];
      }
      return product;
    };
    int64_t rows = count(groups->rows), columns = count(groups->columns);
    auto isFew = [](int64_t size) {
      return !ShapedType::isDynamic(size) && size < kFewRows;
    };
    bool isEncoded = isa<CompressedTensorType>(op.getLhs().getType()) ||
                     isa<CompressedTensorType>(op.getRhs().getType());
    if ((isFew(rows) || isFew(columns)) && !(takesFew && isEncoded))
      return leave(rewriter, op, isLast,
                   "one of its sides has fewer than 4 rows");
    int64_t sums = count(groups->sums), batch = count(groups->batch);
    bool isParallel = true;
    if (!llvm::is_contained({rows, columns, sums, batch}, ShapedType::kDynamic))
      isParallel =
          rows * columns * std::max<int64_t>(sums, 1) * batch >= kSmallWork;

    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    std::string reason;
    Value result;
    {
      TileKernel k(rewriter, loc, op->getParentOfType<ModuleOp>(), type);
      LazyTensorBuilder lazy(k);
      Block block{op, k, *groups,
                  device::getLoopExtents(k, operands, *sources)};
      std::optional<Element> start = readInit(k, lazy, op);
      reason = lazy.reason;
      bool isWritten = false;
      if (start) {
        if (auto codes = CodeProduct::match(op, k)) {
          block.emit(*codes, *start);
          isWritten = true;
        } else {
          lazy.reason.clear();
          auto lhs = readOperand(k, lazy, op.getLhs(), isLast);
          auto rhs = succeeded(lhs) ? readOperand(k, lazy, op.getRhs(), isLast)
                                    : FailureOr<Element>(failure());
          reason = lazy.reason;
          if (succeeded(lhs) && succeeded(rhs)) {
            block.emit(*lhs, *rhs, *start);
            isWritten = true;
          }
        }
      }
      if (isWritten) {
        SmallVector<OpFoldResult> sizes =
            tensor::getMixedSizes(rewriter, loc, op.getInit());
        result = k.finish(countTasks(rewriter, op, *groups, sizes), isParallel,
                          sizes);
      }
    }
    if (!result)
      return leave(rewriter, op, isLast, reason);
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static Value countTasks(OpBuilder &b, ContractOp op, const LoopGroups &groups,
                          ArrayRef<OpFoldResult> sizes) {
    Location loc = op.getLoc();
    auto product = [&](ArrayRef<unsigned> loops) -> Value {
      Value total = arith::ConstantIndexOp::create(b, loc, 1);
      for (auto [axis, expr] : llvm::enumerate(op.getMap(2).getResults()))
        if (llvm::is_contained(loops, cast<AffineDimExpr>(expr).getPosition()))
          total = arith::MulIOp::create(
              b, loc, total,
              getValueOrCreateConstantIndexOp(b, loc, sizes[axis]));
      return total;
    };
    auto blocks = [&](ArrayRef<unsigned> loops, int64_t size) -> Value {
      return arith::CeilDivUIOp::create(
          b, loc, product(loops), arith::ConstantIndexOp::create(b, loc, size));
    };
    Value tasks = arith::MulIOp::create(b, loc, product(groups.batch),
                                        blocks(groups.rows, kRows));
    return arith::MulIOp::create(b, loc, tasks,
                                 blocks(groups.columns, kColumns));
  }

  /// The task, while it is written.
  struct Block {
    Block(ContractOp op, TileKernel &k, const LoopGroups &groups,
          ArrayRef<Value> extents)
        : op(op), k(k), groups(groups), extents(extents) {
      numRows = product(groups.rows);
      numColumns = product(groups.columns);
      Value task = k.getTask();
      Value across = k.ceilDiv(numColumns, kColumns);
      Value column = k.rem(task, across);
      task = k.div(task, across);
      Value down = k.ceilDiv(numRows, kRows);
      Value row = k.rem(task, down);
      loops.resize(extents.size());
      place(groups.batch, k.div(task, down));
      firstRow = k.mul(row, kRows);
      firstColumn = k.mul(column, kColumns);
      rows = k.minimum(k.sub(numRows, firstRow), k.index(kRows));
      columns = k.minimum(k.sub(numColumns, firstColumn), k.index(kColumns));
      left = k.scratch(kSteps * kRows);
      right = k.scratch(kSteps * kColumns);
      sums = k.scratch(kRows * kColumns);
    }

    Value product(ArrayRef<unsigned> group) {
      Value total = k.index(1);
      for (unsigned d : group)
        total = k.mul(total, extents[d]);
      return total;
    }
    /// Sets the loops of a group to where its position number `linear` is.
    void place(ArrayRef<unsigned> group, Value linear) {
      SmallVector<Value> sizes;
      for (unsigned d : group)
        sizes.push_back(extents[d]);
      for (auto [d, at] : llvm::zip_equal(group, k.delinearize(linear, sizes)))
        loops[d] = at;
    }
    SmallVector<Value> getPosition(unsigned operand) {
      SmallVector<Value> position;
      for (AffineExpr expr : op.getMap(operand).getResults())
        position.push_back(k.apply(expr, loops));
      return position;
    }

    void clearSums(Type type) {
      Value zero = arith::ConstantOp::create(k.b, k.loc, k.b.getZeroAttr(type));
      k.loop(k.mul(rows, kColumns), [&](Value i) { k.store(zero, sums, i); });
    }
    void multiply(Product product, Value steps) {
      func::FuncOp function =
          getOuterProduct(op->getParentOfType<ModuleOp>(), product);
      SmallVector<Value> arguments{left, right, sums};
      for (Value size : {rows, columns, steps})
        arguments.push_back(k.toI64(size));
      for (int64_t stride : {kRows, kColumns})
        arguments.push_back(k.toI64(k.index(stride)));
      func::CallOp::create(k.b, k.loc, function, arguments);
    }
    /// Fills a block of an operand: calls `body(step, line)` with the loops of
    /// the lines (rows or columns) placed, in the order of memory.
    void fill(unsigned operand, Value steps,
              llvm::function_ref<void(Value step, Value line)> body,
              llvm::function_ref<void(Value step)> placeStep) {
      ArrayRef<unsigned> group = operand ? groups.columns : groups.rows;
      Value count = operand ? columns : rows;
      Value first = operand ? firstColumn : firstRow;
      AffineMap map = op.getMap(operand);
      bool isStepInner =
          map.getNumResults() > 0 && llvm::any_of(groups.sums, [&](unsigned d) {
            return map.getResults().back().isFunctionOfDim(d);
          });
      auto placeLine = [&](Value line) { place(group, k.add(first, line)); };
      if (isStepInner)
        k.loop(count, [&](Value line) {
          placeLine(line);
          k.loop(steps, [&](Value step) {
            placeStep(step);
            body(step, line);
          });
        });
      else
        k.loop(steps, [&](Value step) {
          placeStep(step);
          k.loop(count, [&](Value line) {
            placeLine(line);
            body(step, line);
          });
        });
    }
    /// Walks over steps, `kSteps` at a time.
    void walkSteps(Value total,
                   llvm::function_ref<void(Value first, Value count)> body) {
      k.loop(k.ceilDiv(total, kSteps), [&](Value part) {
        Value first = k.mul(part, kSteps);
        body(first, k.minimum(k.sub(total, first), k.index(kSteps)));
      });
    }
    void finish(
        const Element &start,
        llvm::function_ref<Value(Value sum, Value row, Value column)> convert,
        Type type) {
      k.loop(rows, [&](Value row) {
        place(groups.rows, k.add(firstRow, row));
        k.loop(columns, [&](Value column) {
          place(groups.columns, k.add(firstColumn, column));
          Value sum = k.load(type, sums, k.add(k.mul(row, kColumns), column));
          SmallVector<Value> position = getPosition(2);
          Value value = convert(sum, row, column);
          value = arith::AddFOp::create(k.b, k.loc, value, start(position));
          k.storeResult(value, position);
        });
      });
    }

    /// Products in f32.
    void emit(const Element &lhs, const Element &rhs, const Element &start) {
      Type f32 = k.b.getF32Type();
      clearSums(f32);
      walkSteps(product(groups.sums), [&](Value first, Value steps) {
        auto placeStep = [&](Value step) {
          place(groups.sums, k.add(first, step));
        };
        for (unsigned i = 0; i < 2; ++i)
          fill(
              i, steps,
              [&](Value step, Value line) {
                Value value = (i ? rhs : lhs)(getPosition(i));
                k.store(value, i ? right : left,
                        k.add(k.mul(step, i ? kColumns : kRows), line));
              },
              placeStep);
        multiply(Product::F32, steps);
      });
      finish(start, [](Value sum, Value, Value) { return sum; }, f32);
    }

    /// Products of codes, four steps in each word.
    void emit(const CodeProduct &codes, const Element &start) {
      OpBuilder &b = k.b;
      Type i32 = b.getI32Type();
      clearSums(i32);
      // Sums of the codes of a line, for the zero points of the other side.
      Value lineSums[2];
      for (unsigned i = 0; i < 2; ++i) {
        if (!codes.needsSums(i))
          continue;
        lineSums[i] = k.scratch(i ? kColumns : kRows);
        k.loop(i ? columns : rows,
               [&](Value line) { k.store(k.i32(0), lineSums[i], line); });
      }
      Value total = product(groups.sums);
      walkSteps(k.ceilDiv(total, 4), [&](Value first, Value steps) {
        for (unsigned i = 0; i < 2; ++i)
          fill(
              i, steps,
              [&](Value step, Value line) {
                Value at = k.mul(k.add(first, step), 4);
                Value word = k.i32(0), sum = k.i32(0);
                for (int64_t q = 0; q < 4; ++q) {
                  Value number = k.add(at, q);
                  Value isInside =
                      k.compare(arith::CmpIPredicate::ult, number, total);
                  place(groups.sums, k.select(isInside, number, k.index(0)));
                  Value code = codes.read(i, getPosition(i));
                  code = k.select(isInside, code, k.i32(0));
                  if (lineSums[i])
                    sum = k.add(sum, code);
                  word =
                      k.bitOr(word, k.shiftLeft(k.bitAnd(code, 0xff), 8 * q));
                }
                k.store(word, i ? right : left,
                        k.add(k.mul(step, i ? kColumns : kRows), line));
                if (lineSums[i])
                  k.store(k.add(k.load(i32, lineSums[i], line), sum),
                          lineSums[i], line);
              },
              [](Value) {});
        multiply(codes.getProduct(), steps);
      });
      // Scales and zero points are the same along the sum.
      for (unsigned d : groups.sums)
        loops[d] = k.index(0);
      finish(
          start,
          [&](Value sum, Value row, Value column) {
            Value perLine[2];
            for (unsigned i = 0; i < 2; ++i)
              if (lineSums[i])
                perLine[i] = k.load(i32, lineSums[i], i ? column : row);
            SmallVector<Value> positions[2] = {getPosition(0), getPosition(1)};
            return codes.scale(sum, perLine, positions, total);
          },
          i32);
    }

    ContractOp op;
    TileKernel &k;
    const LoopGroups &groups;
    SmallVector<Value> extents, loops;
    Value numRows, numColumns, firstRow, firstColumn, rows, columns;
    Value left, right, sums;
  };

  bool isLast, takesFew;
};
} // namespace

void compress::sme::populateTilePatterns(RewritePatternSet &patterns,
                                         bool isLast) {
  patterns.add<TileContract>(patterns.getContext(), isLast);
  if (isLast)
    patterns.add<TileContract>(patterns.getContext(), isLast,
                               /*takesFew=*/true);
}
