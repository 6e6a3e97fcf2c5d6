//===- WarpMatrix.cpp - Contractions by matrix instructions -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Elements/LoopExtents.h"
#include "SparseRows.h"
#include "Warp.h"
#include "WarpProduct.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

namespace {
/// The bits of an f32 rounded to bf16, in the upper half; special values lose
/// their lower half.
Value roundToUpper(DeviceKernel &k, Value bits, Value isSpecial) {
  Value odd = k.bitAnd(k.shiftRight(bits, 16), 1);
  Value rounded = k.add(k.add(bits, 0x7fff), odd);
  return k.bitAnd(k.select(isSpecial, bits, rounded), 0xffff0000);
}

/// The terms of an f32, each a bf16 in the upper half of an i32.
SmallVector<Value> splitIntoTerms(DeviceKernel &k, Value x, unsigned terms) {
  Type i32 = k.b.getI32Type(), f32 = k.b.getF32Type();
  constexpr int64_t exponent = 0x7f800000;
  auto isSpecial = [&](Value bits) {
    return k.compare(arith::CmpIPredicate::eq, k.bitAnd(bits, exponent),
                     k.i32(exponent));
  };
  Value bits = k.bitcast(x, i32);
  Value special = isSpecial(bits);
  SmallVector<Value> result{roundToUpper(k, bits, special)};
  if (terms > 1) {
    Value rest =
        arith::SubFOp::create(k.b, k.loc, x, k.bitcast(result[0], f32));
    bits = k.bitcast(rest, i32);
    Value lower = roundToUpper(k, bits, isSpecial(bits));
    // Infinity less itself is no number.
    result.push_back(k.select(special, k.i32(0), lower));
  }
  return result;
}

/// The kernel while it is written.
struct MatrixKernel {
  MatrixKernel(DeviceKernel &k, const ProductOperands &operands,
               const MatrixInstruction &matrix,
               const SparseRows *sparse = nullptr)
      : k(k), operands(operands), matrix(matrix), op(operands.op),
        loops(ProductLoops::get(op)), support(k.device.warp), sparse(sparse) {
    int64_t warps = k.workgroupSize / support.lanes;
    warpsM = warps >= 4 ? 2 : 1;
    warpsN = warps / warpsM;
    perWord = matrix.getPerWord();
    words = std::max(support.wordsK, matrix.k / perWord);
    // The first factor of the instruction is the sparse one.
    if (sparse && sparse->number == 1)
      std::swap(source[0], source[1]);
    // Four more words let the lanes that read a column meet all banks.
    pitch = words + 4;
    for (unsigned i = 0; i < 2; ++i) {
      terms[i] =
          operands.dot ? 1
          : sparse && i == 0
              ? sparse->values.size()
              : *countTerms((source[i] ? op.getRhs() : op.getLhs()).getType(),
                            matrix.element);
      tile[i] = i ? warpsN * support.tilesN * matrix.n
                  : warpsM * support.tilesM * matrix.m;
    }
  }

  DeviceKernel &k;
  const ProductOperands &operands;
  const MatrixInstruction &matrix;
  ContractOp op;
  ProductLoops loops;
  const WarpInterface &support;
  const SparseRows *sparse;
  /// The factor of the contraction that is each of the instruction.
  unsigned source[2] = {0, 1};
  int64_t warpsM, warpsN, perWord, words, pitch;
  unsigned terms[2];
  /// Rows and columns of a workgroup's tile.
  int64_t tile[2];

  std::optional<Warp> warp;
  /// Loops of batches are set.
  SmallVector<Value> at;
  /// Rows and columns there are, and where the tile starts.
  Value counts[2], firsts[2], sumExtent;
  /// Shared memory, and where a factor starts there.
  Value shared;
  int64_t starts[2], stageWords;
  bool isAsync = false;

  ArrayRef<unsigned> getLoops(unsigned side) {
    return source[side] ? loops.n : loops.m;
  }
  std::optional<int64_t> getKnownSum() {
    return getConstantIntValue(OpFoldResult(sumExtent));
  }
  int64_t perStage() { return words * perWord; }

  Value emit(std::string &reason) {
    auto type = cast<RankedTensorType>(op.getInit().getType());
    auto countGroups = [&](ValueRange hostSizes) {
      return countTiles(hostSizes);
    };
    return k.finishGroups(
        type, tensor::getMixedSizes(k.host, k.loc, op.getInit()), countGroups,
        [&](ValueRange sizes, Value group) { emitBody(sizes, group); }, reason);
  }

  /// Workgroups, on the host.
  Value countTiles(ValueRange hostSizes) {
    OpBuilder &h = k.host;
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(h, k.loc, h.getI64IntegerAttr(value));
    };
    Value counts[3] = {number(1), number(1), number(1)};
    for (auto [axis, expr] : llvm::enumerate(op.getMap(2).getResults())) {
      unsigned d = cast<AffineDimExpr>(expr).getPosition();
      unsigned which = llvm::is_contained(getLoops(0), d)   ? 0
                       : llvm::is_contained(getLoops(1), d) ? 1
                                                            : 2;
      counts[which] =
          arith::MulIOp::create(h, k.loc, counts[which], hostSizes[axis]);
    }
    for (unsigned i = 0; i < 2; ++i)
      counts[i] =
          arith::CeilDivUIOp::create(h, k.loc, counts[i], number(tile[i]));
    Value tiles = arith::MulIOp::create(h, k.loc, counts[0], counts[1]);
    return arith::MulIOp::create(h, k.loc, tiles, counts[2]);
  }

  Value ceilDiv(Value x, int64_t y) {
    if (auto known = getConstantIntValue(OpFoldResult(x)))
      return k.index(llvm::divideCeil(*known, y));
    return k.div(k.add(x, y - 1), k.index(y));
  }

  void emitBody(ValueRange sizes, Value group) {
    warp.emplace(k);
    at.resize(op.getNumLoops());
    for (unsigned i = 0; i < 2; ++i)
      counts[i] = countLoops(k, getLoops(i), operands.extents);
    sumExtent = countLoops(k, loops.k, operands.extents);
    Value across = ceilDiv(counts[1], tile[1]);
    firsts[1] = k.mul(k.rem(group, across), tile[1]);
    Value rest = k.div(group, across), down = ceilDiv(counts[0], tile[0]);
    firsts[0] = k.mul(k.rem(rest, down), tile[0]);
    setLoops(k, loops.batch, operands.extents, k.div(rest, down), at);

    isAsync = operands.dot && support.copyAsync &&
              (sparse || operands.dot->isAligned(0)) &&
              operands.dot->isAligned(source[1]) &&
              operands.dot->extent % perStage() == 0;
    starts[0] = 0;
    // Sparse rows are read where they are.
    starts[1] = sparse ? 0 : terms[0] * tile[0] * pitch;
    stageWords = starts[1] + terms[1] * tile[1] * pitch;
    shared = warp->allocateShared(isAsync ? 2 * stageWords : stageWords);

    SmallVector<Value> sums = isAsync ? sumOverlapped() : sumInTurns();
    writeResult(sums, sizes);
  }

  //===--- To shared memory -----------------------------------------------===//

  /// Calls `body` with each of so many numbers, spread over the workgroup.
  void spread(int64_t count, llvm::function_ref<void(Value)> body) {
    auto guarded = [&](Value number) {
      if (count % warp->numThreads == 0)
        return body(number);
      Value inside =
          k.compare(arith::CmpIPredicate::ult, number, k.index(count));
      auto branch = scf::IfOp::create(k.b, k.loc, inside, false);
      OpBuilder::InsertionGuard guard(k.b);
      k.b.setInsertionPointToStart(branch.thenBlock());
      body(number);
    };
    int64_t steps = llvm::divideCeil(count, warp->numThreads);
    if (steps == 1)
      return guarded(warp->thread);
    auto loop =
        scf::ForOp::create(k.b, k.loc, k.index(0), k.index(steps), k.index(1));
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(loop.getBody());
    guarded(
        k.add(k.mul(loop.getInductionVar(), warp->numThreads), warp->thread));
  }

  /// Row `row` of the tile as the factor has it; the last one past the end.
  Value clampRow(unsigned side, Value row) {
    Value number = k.add(firsts[side], row);
    return arith::MinUIOp::create(k.b, k.loc, number, k.add(counts[side], -1));
  }

  /// The words of a factor from number `first` of k on, by the elements.
  SmallVector<Value> readWord(unsigned side, Value row, Value first) {
    setLoops(k, getLoops(side), operands.extents, row, at);
    if (const std::optional<ByteDot> &dot = operands.dot) {
      unsigned number = source[side];
      Value start = dot->getRow(number, at);
      Value word = k.div(first, perWord);
      bool isWhole = dot->extent % perStage() == 0;
      return {isWhole ? dot->loadCodes(number, start, word)
                      : dot->loadCodesMasked(number, start, word)};
    }
    auto known = getKnownSum();
    bool isWhole = known && *known % perStage() == 0;
    SmallVector<Value> packed(terms[side]);
    for (int64_t i = 0; i < perWord; ++i) {
      Value number = k.add(first, i), inside;
      if (!isWhole) {
        inside = k.compare(arith::CmpIPredicate::ult, number, sumExtent);
        number = k.select(inside, number, k.index(0));
      }
      setLoops(k, loops.k, operands.extents, number, at);
      SmallVector<Value> where;
      for (AffineExpr expr : op.getMap(source[side]).getResults())
        where.push_back(k.apply(expr, at));
      Value value = (*operands.factors[source[side]])(where);
      if (inside)
        value = k.select(inside, value, k.f32(0));
      if (matrix.element == MatrixInstruction::Element::F16) {
        Value half = k.toHalf(value);
        packed[0] = i == 0 ? half : k.bitOr(packed[0], k.shiftLeft(half, 16));
        continue;
      }
      for (auto [word, term] :
           llvm::zip_equal(packed, splitIntoTerms(k, value, terms[side])))
        word = i == 0 ? k.shiftRight(term, 16) : k.bitOr(word, term);
    }
    return packed;
  }

  void stage(unsigned side, Value first) {
    spread(tile[side] * words, [&](Value number) {
      Value row = k.div(number, words), word = k.rem(number, words);
      SmallVector<Value> values = readWord(side, clampRow(side, row),
                                           k.add(first, k.mul(word, perWord)));
      Value to = k.add(k.mul(row, pitch), word);
      for (auto [term, value] : llvm::enumerate(values))
        warp->store(value, shared,
                    k.add(to, starts[side] + term * tile[side] * pitch));
    });
  }

  /// Starts to copy codes as they are, four words at a time.
  void stageAsync(unsigned side, Value first, Value into) {
    const ByteDot &dot = *operands.dot;
    spread(tile[side] * words / 4, [&](Value number) {
      Value row = k.div(number, words / 4), chunk = k.rem(number, words / 4);
      setLoops(k, getLoops(side), operands.extents, clampRow(side, row), at);
      Value from = k.add(dot.getRow(source[side], at), first);
      from = k.add(k.div(from, 4), k.mul(chunk, 4));
      Value to = k.add(k.mul(row, pitch), k.mul(chunk, 4));
      to = k.add(k.add(to, starts[side]), into);
      support.copyAsync(k.b, k.loc, shared, to,
                        k.getBuffer(dot.getBuffer(source[side])), from);
    });
  }

  //===--- Products -------------------------------------------------------===//

  /// Whether zero points need the sum of the codes of a row.
  bool needsSum(unsigned side) {
    return operands.dot && operands.dot->needsSum(source[side]);
  }

  /// Accumulators: those of the tile, then sums of rows and of columns where
  /// zero points need them.
  SmallVector<Value> makeZeros() {
    unsigned perTile = matrix.c.rows.size();
    size_t count = support.tilesM * support.tilesN;
    if (needsSum(0))
      count += support.tilesM;
    if (needsSum(1))
      count += support.tilesN;
    Value zero = operands.dot ? k.i32(0) : k.f32(0);
    return SmallVector<Value>(count * perTile, zero);
  }

  /// The registers of a lane for tile number `t` of a factor.
  SmallVector<SmallVector<Value>> loadFragment(unsigned side, int64_t t,
                                               int64_t step, Value from,
                                               Value first) {
    if (sparse && side == 0)
      return loadSparse(t, k.add(first, step * matrix.k));
    const FragmentLayout &layout = side ? matrix.b : matrix.a;
    int64_t rows = side ? matrix.n : matrix.m;
    int64_t tiles = side ? support.tilesN : support.tilesM;
    Value place = side ? k.rem(warp->warp, warpsN) : k.div(warp->warp, warpsN);
    SmallVector<SmallVector<Value>> result(terms[side]);
    for (unsigned r = 0; r < layout.rows.size(); ++r) {
      Value row = k.add(k.mul(place, tiles * rows), warp->getRow(layout, r));
      row = k.add(row, t * rows);
      Value word = k.div(warp->getColumn(layout, r), perWord);
      word = k.add(word, step * matrix.k / perWord);
      Value first = k.add(k.add(k.mul(row, pitch), word), from);
      for (unsigned term = 0; term < terms[side]; ++term) {
        Value value = warp->load(
            shared, k.add(first, starts[side] + term * tile[side] * pitch));
        // What loadCodes does to unsigned codes.
        if (isAsync && operands.dot->isUnsigned(source[side]))
          value = arith::XOrIOp::create(k.b, k.loc, value, k.i32(0x80808080));
        result[term].push_back(value);
      }
    }
    return result;
  }

  /// The same of sparse rows, from number `first` of k on: values, then their
  /// positions.
  SmallVector<SmallVector<Value>> loadSparse(int64_t t, Value first) {
    Value place = k.mul(k.div(warp->warp, warpsN), support.tilesM * matrix.m);
    place = k.add(place, t * matrix.m);
    SmallVector<SmallVector<Value>> result(terms[0]);
    for (unsigned r = 0; r < matrix.a.rows.size(); ++r) {
      Value row = clampRow(0, k.add(place, warp->getRow(matrix.a, r)));
      Value word = k.add(k.div(first, 2 * perWord),
                         k.div(warp->getColumn(matrix.a, r), perWord));
      Value at = k.add(k.mul(row, sparse->valuesPerRow), word);
      for (unsigned term = 0; term < terms[0]; ++term)
        result[term].push_back(k.loadWord(sparse->values[term], at));
    }
    auto loadPositions = [&](Value row, Value word) {
      row = clampRow(0, k.add(place, row));
      word = k.add(k.div(first, 32), word);
      return k.loadWord(sparse->positions,
                        k.add(k.mul(row, sparse->positionsPerRow), word));
    };
    Value quad = k.div(warp->lane, 4), positions;
    if (perWord == 4) {
      // Of 32 columns of a row.
      Value inQuad = k.rem(warp->lane, 4);
      positions = loadPositions(k.add(quad, k.mul(k.rem(inQuad, 2), 8)),
                                k.div(inQuad, 2));
    } else {
      // Of 16 columns of two rows.
      Value shift = k.toI32(k.mul(k.rem(warp->lane, 2), 16));
      for (int64_t later : {0, 8}) {
        Value word = loadPositions(k.add(quad, later), k.index(0));
        Value half = k.bitAnd(k.shiftRight(word, shift), 0xffff);
        positions = later ? k.bitOr(positions, k.shiftLeft(half, 16)) : half;
      }
    }
    for (SmallVector<Value> &term : result)
      term.push_back(positions);
    return result;
  }

  /// A factor of ones; of a factor that ends before the stage does, the other
  /// is zero there.
  SmallVector<Value> makeOnes(const FragmentLayout &layout) {
    return SmallVector<Value>(layout.rows.size(), k.i32(0x01010101));
  }

  /// Adds the products of what lies in shared memory from `from` on, which
  /// starts at number `first` of k.
  SmallVector<Value> multiplyStage(ValueRange carried, Value from,
                                   Value first) {
    SmallVector<Value> sums(carried);
    unsigned perTile = matrix.c.rows.size();
    auto multiply = [&](size_t number, ValueRange a, ValueRange b) {
      auto accumulators =
          MutableArrayRef<Value>(sums).slice(number * perTile, perTile);
      llvm::copy(warp->multiply(matrix, a, b, accumulators),
                 accumulators.begin());
    };
    int64_t steps = perStage() / matrix.k;
    for (int64_t step = 0; step < steps; ++step) {
      SmallVector<SmallVector<SmallVector<Value>>> a, b;
      for (int64_t t = 0; t < support.tilesM; ++t)
        a.push_back(loadFragment(0, t, step, from, first));
      for (int64_t t = 0; t < support.tilesN; ++t)
        b.push_back(loadFragment(1, t, step, from, first));
      size_t number = 0;
      for (auto &left : a)
        for (auto &right : b) {
          // Small terms first; the product of two small ones is dropped.
          if (terms[0] > 1)
            multiply(number, left[1], right[0]);
          if (terms[1] > 1)
            multiply(number, left[0], right[1]);
          multiply(number++, left[0], right[0]);
        }
      if (needsSum(0))
        for (auto &left : a)
          multiply(number++, left[0], makeOnes(matrix.b));
      if (needsSum(1))
        for (auto &right : b)
          multiply(number++, makeOnes(matrix.a), right[0]);
    }
    return sums;
  }

  /// Stage by stage: all write, all multiply.
  SmallVector<Value> sumInTurns() {
    Value stages = ceilDiv(sumExtent, perStage());
    auto loop = scf::ForOp::create(k.b, k.loc, k.index(0), stages, k.index(1),
                                   makeZeros());
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(loop.getBody());
    Value first = k.mul(loop.getInductionVar(), perStage());
    for (unsigned side = sparse ? 1 : 0; side < 2; ++side)
      stage(side, first);
    warp->barrier();
    SmallVector<Value> sums =
        multiplyStage(loop.getRegionIterArgs(), k.index(0), first);
    warp->barrier();
    scf::YieldOp::create(k.b, k.loc, sums);
    return loop.getResults();
  }

  /// The next stage is copied while this one is multiplied.
  SmallVector<Value> sumOverlapped() {
    Value stages = ceilDiv(sumExtent, perStage());
    auto copy = [&](Value stage) {
      Value into = k.mul(k.rem(stage, 2), stageWords);
      for (unsigned side = sparse ? 1 : 0; side < 2; ++side)
        stageAsync(side, k.mul(stage, perStage()), into);
      support.commitCopies(k.b, k.loc);
    };
    copy(k.index(0));
    auto loop = scf::ForOp::create(k.b, k.loc, k.index(0), stages, k.index(1),
                                   makeZeros());
    // Before the memory is another's.
    support.waitForCopies(k.b, k.loc, 0);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(loop.getBody());
    Value stage = loop.getInductionVar(), next = k.add(stage, 1);
    // The last stage is copied once more, to where nobody reads: a group of
    // copies is then under way in each turn.
    Value last = k.add(stages, -1);
    Value into = k.mul(k.rem(next, 2), stageWords);
    Value from = arith::MinUIOp::create(k.b, k.loc, next, last);
    for (unsigned side = sparse ? 1 : 0; side < 2; ++side)
      stageAsync(side, k.mul(from, perStage()), into);
    support.commitCopies(k.b, k.loc);
    support.waitForCopies(k.b, k.loc, 1);
    warp->barrier();
    SmallVector<Value> sums = multiplyStage(loop.getRegionIterArgs(),
                                            k.mul(k.rem(stage, 2), stageWords),
                                            k.mul(stage, perStage()));
    warp->barrier();
    scf::YieldOp::create(k.b, k.loc, sums);
    return loop.getResults();
  }

  //===--- The result -----------------------------------------------------===//

  void writeResult(ArrayRef<Value> sums, ValueRange sizes) {
    unsigned perTile = matrix.c.rows.size();
    size_t tiles = support.tilesM * support.tilesN;
    size_t firstOfColumns = tiles + (needsSum(0) ? support.tilesM : 0);
    Value placeM = k.mul(k.div(warp->warp, warpsN), support.tilesM * matrix.m);
    Value placeN = k.mul(k.rem(warp->warp, warpsN), support.tilesN * matrix.n);
    for (int64_t tm = 0; tm < support.tilesM; ++tm)
      for (int64_t tn = 0; tn < support.tilesN; ++tn)
        for (unsigned r = 0; r < perTile; ++r) {
          Value row = k.add(k.add(firsts[0], placeM), tm * matrix.m);
          row = k.add(row, warp->getRow(matrix.c, r));
          Value column = k.add(k.add(firsts[1], placeN), tn * matrix.n);
          column = k.add(column, warp->getColumn(matrix.c, r));
          Value inside = arith::AndIOp::create(
              k.b, k.loc, k.compare(arith::CmpIPredicate::ult, row, counts[0]),
              k.compare(arith::CmpIPredicate::ult, column, counts[1]));
          auto guarded = scf::IfOp::create(k.b, k.loc, inside, false);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPointToStart(guarded.thenBlock());
          setLoops(k, getLoops(0), operands.extents, row, at);
          setLoops(k, getLoops(1), operands.extents, column, at);
          SmallVector<Value> position;
          for (AffineExpr expr : op.getMap(2).getResults())
            position.push_back(at[cast<AffineDimExpr>(expr).getPosition()]);
          Value start = operands.start(position);
          Value sum = sums[(tm * support.tilesN + tn) * perTile + r], value;
          if (const std::optional<ByteDot> &dot = operands.dot) {
            // Of the factors as the contraction has them.
            Value ofCodes[2];
            if (needsSum(0))
              ofCodes[source[0]] = sums[(tiles + tm) * perTile + r];
            if (needsSum(1))
              ofCodes[source[1]] = sums[(firstOfColumns + tn) * perTile + r];
            value = dot->combine(at, start, sum, ofCodes[0], ofCodes[1]);
          } else {
            value = arith::AddFOp::create(k.b, k.loc, start, sum);
          }
          k.store(k.linearize(position, sizes), value);
        }
  }
};
} // namespace

Value compress::device::emitMatrixProduct(DeviceKernel &k,
                                          const ProductOperands &operands,
                                          std::string &reason) {
  const WarpInterface &warp = k.device.warp;
  auto element = operands.dot ? MatrixInstruction::Element::I8
                              : chooseElement(operands.op, warp);
  for (const MatrixInstruction &matrix : warp.sparseMatrices) {
    int64_t perStage = std::max(warp.wordsK * matrix.getPerWord(), matrix.k);
    if (matrix.element == element)
      if (auto sparse = SparseRows::match(operands.op, k, element, perStage))
        return MatrixKernel(k, operands, matrix, &*sparse).emit(reason);
  }
  for (const MatrixInstruction &matrix : warp.matrices)
    if (matrix.element == element)
      return MatrixKernel(k, operands, matrix).emit(reason);
  reason = "no matrix instruction for its elements";
  return {};
}
