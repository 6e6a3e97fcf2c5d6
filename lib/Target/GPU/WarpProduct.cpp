//===- WarpProduct.cpp - Choice of kernels, and that for few rows *- C++ -*===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WarpProduct.h"
#include "../Elements/ElementCosts.h"
#include "../Elements/LoopExtents.h"
#include "SparseRows.h"
#include "Warp.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::device;

ProductLoops ProductLoops::get(ContractOp op) {
  ProductLoops loops;
  for (unsigned d = 0; d < op.getNumLoops(); ++d) {
    bool left = op.getMap(0).isFunctionOfDim(d);
    bool right = op.getMap(1).isFunctionOfDim(d);
    (op.isReductionDim(d) ? loops.k
     : left && right      ? loops.batch
     : right              ? loops.n
                          : loops.m)
        .push_back(d);
  }
  return loops;
}

/// The type of the numbers that a tensor's are, zeros aside; null if they are
/// computed.
static Type getStorage(Type type) {
  auto tensor = dyn_cast<CompressedTensorType>(type);
  if (!tensor)
    return getElementTypeOrSelf(type);
  Attribute encoding = tensor.getEncoding();
  if (auto sparse = dyn_cast<SparseAttr>(encoding))
    encoding = sparse.getOf();
  auto dense = dyn_cast<DenseAttr>(encoding);
  return dense ? dense.getStorageType() : Type();
}

std::optional<unsigned>
compress::device::countTerms(Type type, MatrixInstruction::Element element) {
  Type storage = getStorage(type);
  bool isSmall = storage && storage.getIntOrFloatBitWidth() <= 8;
  if (element == MatrixInstruction::Element::F16) {
    // Powers of two alone have the range of f32.
    if (storage &&
        (storage.isF16() || (isSmall && !isa<Float8E8M0FNUType>(storage))))
      return 1;
    return std::nullopt;
  }
  return storage && (storage.isBF16() || isSmall) ? 1 : 2;
}

MatrixInstruction::Element
compress::device::chooseElement(ContractOp op, const WarpInterface &warp) {
  using Element = MatrixInstruction::Element;
  Type types[] = {op.getLhs().getType(), op.getRhs().getType()};
  bool hasHalf = llvm::any_of(warp.matrices, [](const auto &matrix) {
    return matrix.element == Element::F16;
  });
  auto isOne = [](Element element) {
    return [element](Type type) { return countTerms(type, element) == 1; };
  };
  return hasHalf && llvm::all_of(types, isOne(Element::F16)) &&
                 !llvm::all_of(types, isOne(Element::BF16))
             ? Element::F16
             : Element::BF16;
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

/// Whether both factors, but for one that is `other`, are 8-bit codes that
/// ByteDot takes, by types.
static bool isByteProduct(ContractOp op, std::optional<unsigned> other = {}) {
  auto shape = matchMatmul(op);
  if (!shape || shape->k.size() != 1)
    return false;
  for (unsigned i = 0; i < 2; ++i) {
    if (i == other)
      continue;
    auto type = dyn_cast<CompressedTensorType>(
        (i ? op.getRhs() : op.getLhs()).getType());
    auto quant = type ? dyn_cast<QuantAttr>(type.getEncoding()) : QuantAttr();
    if (!quant || quant.isFloatCode() || quant.getCodeWidth() != 8)
      return false;
  }
  return true;
}

ProductChoice
compress::device::chooseProductKernel(ContractOp op,
                                      const DeviceInterface &device) {
  ProductChoice best;
  const DevicePeaks &peaks = device.peaks;
  if (!peaks.bytes)
    return best;
  SmallVector<int64_t> extents = compress::getLoopExtents(op);
  auto count = [&](ArrayRef<unsigned> loops) {
    double product = 1;
    for (unsigned d : loops)
      product *= ShapedType::isDynamic(extents[d]) ? 64 : extents[d];
    return product;
  };
  ProductLoops loops = ProductLoops::get(op);
  double batch = count(loops.batch), m = count(loops.m), n = count(loops.n),
         sum = count(loops.k);
  if (batch * m * n * sum == 0)
    return best;
  bool isByte = isByteProduct(op);
  ElementWork left = getElementWork(op.getLhs().getType(), batch * m * sum);
  ElementWork right = getElementWork(op.getRhs().getType(), batch * n * sum);
  double memory = (left.bytes + right.bytes + 4 * batch * m * n) / peaks.bytes;
  // Codes are taken four at a time.
  if (isByte)
    left.ops = right.ops = 1;
  double products = batch * m * n * sum * left.share * right.share;
  // Decoding on each use, and no lanes that read together.
  best.seconds = std::max(memory * 4, products * (left.ops + right.ops + 2) /
                                          peaks.floatOps);
  if (!device.warp.lanes)
    return best;
  auto consider = [&](ProductKernel kernel, double seconds) {
    if (seconds < best.seconds)
      best = {kernel, seconds};
  };
  bool fewRows = true;
  for (unsigned d : loops.m)
    fewRows &= !ShapedType::isDynamic(extents[d]);
  if (fewRows && m <= kManyRows && sum >= device.warp.lanes)
    // Neighbours in a word are found once.
    consider(ProductKernel::Vector,
             std::max(memory * 1.25,
                      products / m * (right.ops * 0.75 + m * (left.ops + 2)) /
                          peaks.floatOps));
  using MatrixElement = MatrixInstruction::Element;
  auto considerMatrix = [&](const MatrixInstruction &matrix) {
    if (sum < matrix.k / 2 || m < 2 || n < 2)
      return;
    bool isByte = matrix.element == MatrixElement::I8;
    int64_t warps = device.workgroupSize / device.warp.lanes;
    int64_t across = warps >= 4 ? 2 : 1;
    double tileM = device.warp.tilesM * matrix.m * across;
    double tileN = device.warp.tilesN * matrix.n * (warps / across);
    double tileK = device.warp.wordsK * matrix.getPerWord();
    auto round = [](double x, double to) { return std::ceil(x / to) * to; };
    double rounded = round(m, tileM) * round(n, tileN) * round(sum, tileK);
    unsigned terms = 1;
    if (!isByte)
      terms = *countTerms(op.getLhs().getType(), matrix.element) +
              *countTerms(op.getRhs().getType(), matrix.element) - 1;
    double multiply =
        2 * rounded * terms / (isByte ? peaks.byteOps : peaks.halfOps);
    if (matrix.isSparse)
      multiply /= 2;
    double staging =
        (round(m, tileM) * n / tileN * sum * (isByte ? 7 : left.ops + 6) +
         round(n, tileN) * m / tileM * sum * (isByte ? 7 : right.ops + 6)) /
        peaks.floatOps;
    double share = left.share * right.share;
    // Half of the peak is what such kernels reach.
    consider(ProductKernel::Matrix,
             std::max(memory * 1.25, batch * share * (2 * multiply + staging)));
  };
  MatrixElement element =
      isByte ? MatrixElement::I8 : chooseElement(op, device.warp);
  for (const MatrixInstruction &matrix : device.warp.matrices)
    if (matrix.element == element)
      considerMatrix(matrix);
  for (const MatrixInstruction &matrix : device.warp.sparseMatrices) {
    auto sparse = SparseRows::find(op, matrix.element);
    if (sparse &&
        (matrix.element == MatrixElement::I8 ? isByteProduct(op, sparse)
                                             : matrix.element == element))
      considerMatrix(matrix);
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Few rows
//===----------------------------------------------------------------------===//

/// Elements of k that a lane reads together: four words of 4-bit codes where
/// the sum has so many for all lanes.
static constexpr int64_t kTogether = 8, kManyTogether = 32;

Value compress::device::emitVectorProduct(DeviceKernel &k,
                                          const ProductOperands &operands,
                                          std::string &reason) {
  ContractOp op = operands.op;
  ProductLoops loops = ProductLoops::get(op);
  ArrayRef<Value> extents = operands.extents;
  auto rows =
      getConstantIntValue(OpFoldResult(countLoops(k, loops.m, extents)));
  Value sumExtent = countLoops(k, loops.k, extents);
  if (!rows || *rows > kManyRows)
    return {};
  auto type = cast<RankedTensorType>(op.getInit().getType());
  int64_t numWarps = k.workgroupSize / k.device.warp.lanes;
  AffineMap result = op.getMap(2);
  auto isRow = [&](unsigned d) { return llvm::is_contained(loops.m, d); };
  auto countGroups = [&](ValueRange hostSizes) -> Value {
    Value columns =
        arith::ConstantOp::create(k.host, k.loc, k.host.getI64IntegerAttr(1));
    for (auto [axis, expr] : llvm::enumerate(result.getResults()))
      if (!isRow(cast<AffineDimExpr>(expr).getPosition()))
        columns =
            arith::MulIOp::create(k.host, k.loc, columns, hostSizes[axis]);
    Value warps = arith::ConstantOp::create(k.host, k.loc,
                                            k.host.getI64IntegerAttr(numWarps));
    return arith::CeilDivUIOp::create(k.host, k.loc, columns, warps);
  };
  auto body = [&](ValueRange sizes, Value group) {
    Warp warp(k);
    OpBuilder &b = k.b;
    Location loc = k.loc;
    Value columns = k.mul(countLoops(k, loops.batch, extents),
                          countLoops(k, loops.n, extents));
    Value column = k.add(k.mul(group, numWarps), warp.warp);
    Value isColumn = k.compare(arith::CmpIPredicate::ult, column, columns);
    // All warps take part in what goes through shared memory.
    column = k.select(isColumn, column, k.index(0));
    SmallVector<Value> at(op.getNumLoops());
    Value perBatch = countLoops(k, loops.n, extents);
    setLoops(k, loops.batch, extents, k.div(column, perBatch), at);
    setLoops(k, loops.n, extents, k.rem(column, perBatch), at);
    auto setRow = [&](int64_t row) {
      setLoops(k, loops.m, extents, k.index(row), at);
    };
    auto loopOver = [&](Value count, unsigned carried, Value zero, auto step) {
      auto loop = scf::ForOp::create(b, loc, k.index(0), count, k.index(1),
                                     SmallVector<Value>(carried, zero));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(
          b, loc, step(loop.getInductionVar(), loop.getRegionIterArgs()));
      return SmallVector<Value>(loop.getResults());
    };
    auto storeRow = [&](int64_t row, llvm::function_ref<Value(Value)> value) {
      setRow(row);
      SmallVector<Value> position;
      for (AffineExpr expr : result.getResults())
        position.push_back(at[cast<AffineDimExpr>(expr).getPosition()]);
      Value isFirst =
          k.compare(arith::CmpIPredicate::eq, warp.lane, k.index(0));
      Value writes = arith::AndIOp::create(b, loc, isFirst, isColumn);
      auto guarded = scf::IfOp::create(b, loc, writes, false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(guarded.thenBlock());
      k.store(k.linearize(position, sizes), value(operands.start(position)));
    };

    if (const std::optional<ByteDot> &dot = operands.dot) {
      int64_t words = llvm::divideCeil(dot->extent, 4);
      SmallVector<Value> starts;
      Value right;
      for (int64_t row = 0; row < *rows; ++row) {
        setRow(row);
        starts.push_back(dot->getRow(0, at));
        right = dot->getRow(1, at);
      }
      bool isWhole = dot->extent % (4 * warp.lanes) == 0;
      // For each row the products and the sum of its codes; that of the column.
      auto sums = loopOver(
          k.index(llvm::divideCeil(words, warp.lanes)), 2 * *rows + 1, k.i32(0),
          [&](Value i, ValueRange carried) {
            Value word = k.add(k.mul(i, warp.lanes), warp.lane);
            auto load = [&](unsigned side, Value row) {
              return isWhole ? dot->loadCodes(side, row, word)
                             : dot->loadCodesMasked(side, row, word);
            };
            Value ones = isWhole ? k.i32(0x01010101) : dot->getOnes(word);
            Value y = load(1, right);
            SmallVector<Value> next(carried);
            auto add = [&](unsigned sum, Value x, Value with) {
              next[sum] = k.device.dotBytes(b, loc, x, with, next[sum]);
            };
            for (int64_t row = 0; row < *rows; ++row) {
              Value x = load(0, starts[row]);
              add(2 * row, x, y);
              if (dot->needsSum(0))
                add(2 * row + 1, x, ones);
            }
            if (dot->needsSum(1))
              add(2 * *rows, y, ones);
            return next;
          });
      Value sumB = dot->needsSum(1) ? warp.sumLanes(sums.back()) : Value();
      for (int64_t row = 0; row < *rows; ++row) {
        Value products = warp.sumLanes(sums[2 * row]);
        Value sumA =
            dot->needsSum(0) ? warp.sumLanes(sums[2 * row + 1]) : Value();
        storeRow(row, [&](Value init) {
          return dot->combine(at, init, products, sumA, sumB);
        });
      }
      return;
    }

    auto known = getConstantIntValue(OpFoldResult(sumExtent));
    bool isLong = known && *known % (warp.lanes * kManyTogether) == 0;
    int64_t together = isLong ? kManyTogether : kTogether;
    int64_t perStep = warp.lanes * together;
    Value steps = known
                      ? k.index(llvm::divideCeil(*known, perStep))
                      : k.div(k.add(sumExtent, perStep - 1), k.index(perStep));
    bool isWhole = known && *known % perStep == 0;
    bool areTogether = known && *known % together == 0;
    auto sums =
        loopOver(steps, *rows, k.f32(0), [&](Value i, ValueRange carried) {
          Value first = k.mul(k.add(k.mul(i, warp.lanes), warp.lane), together);
          Value inside;
          auto keepInside = [&](Value number) {
            inside = k.compare(arith::CmpIPredicate::ult, number, sumExtent);
            return k.select(inside, number, k.index(0));
          };
          if (!isWhole && areTogether)
            first = keepInside(first);
          SmallVector<Value> next(carried);
          for (int64_t j = 0; j < together; ++j) {
            Value number = k.add(first, j);
            if (!isWhole && !areTogether)
              number = keepInside(number);
            setLoops(k, loops.k, extents, number, at);
            auto read = [&](unsigned side) {
              SmallVector<Value> where;
              for (AffineExpr expr : op.getMap(side).getResults())
                where.push_back(k.apply(expr, at));
              Value value = (*operands.factors[side])(where);
              return isWhole ? value : k.select(inside, value, k.f32(0));
            };
            setRow(0);
            Value y = read(1);
            for (int64_t row = 0; row < *rows; ++row) {
              setRow(row);
              next[row] = k.multiplyAdd(read(0), y, next[row]);
            }
          }
          return next;
        });
    for (int64_t row = 0; row < *rows; ++row) {
      Value sum = warp.sumLanes(sums[row]);
      storeRow(row, [&](Value init) {
        return Value(arith::AddFOp::create(b, loc, init, sum));
      });
    }
  };
  return k.finishGroups(type,
                        tensor::getMixedSizes(k.host, k.loc, op.getInit()),
                        countGroups, body, reason);
}
