//===- KernelGEMM.h - Integer matrix product kernels ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generators of kernels around the product of unsigned 8-bit activations and
// signed 8-bit weights in 32-bit integers. Every generator returns the name of
// a private function of the module and makes it if it is not there.
//
// The sums are exact: |u8 * s8| <= 255 * 128, so they fit 32 bits up to
// kMaxDotLength products, and the zero-point correction is exact modulo 2^32.
// What remains to the result are four roundings to f32 (the conversion, the
// product of scales, the scaling and the addition of the bias), so against the
// reference (decode both, sum in f32 in any order) the difference is at most
//   (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELGEMM_H
#define COMPRESS_LIB_TARGET_CPU_KERNELGEMM_H

#include "KernelBuilder.h"
#include "KernelISA.h"

namespace compress::cpu {

/// Largest number of products that cannot overflow: 2^31 / (255 * 128).
inline constexpr int64_t kMaxDotLength = 65793;
/// Bytes that kernels may read past the end of packed activations.
inline constexpr int64_t kSlackBytes = 64;
/// Multiplications that are not worth starting threads for.
inline constexpr int64_t kSmallWork = int64_t(1) << 19;

/// The sum axis as it lies in a row of packed activations: an outer nest of
/// (extent, stride in bytes), innermost last, over runs of consecutive bytes.
struct DotAxis {
  llvm::SmallVector<std::pair<int64_t, int64_t>> outer;
  int64_t run = 0;
  /// Steps of a run whose words of one vector of columns lie side by side in
  /// packed weights, as tile registers read them.
  int64_t tileSteps = 1;

  int64_t getNumRuns() const {
    int64_t count = 1;
    for (auto [extent, stride] : outer)
      count *= extent;
    return count;
  }
  /// Groups of four consecutive k of a run; the last one may be short.
  int64_t getSteps() const { return llvm::divideCeil(run, 4); }
  /// Extent with every run padded to a multiple of four.
  int64_t getPaddedExtent() const { return getNumRuns() * getSteps() * 4; }
};

/// The sum of a matrix product. Where there are tile registers and rows have
/// the room (`KernelISA::getRowBytes`), it is padded with zero weights to whole
/// tiles: there are eight registers, each of one shape in all of a function.
inline DotAxis getDotAxis(const KernelISA &isa, int64_t k) {
  DotAxis axis;
  axis.run = isa.hasDotTiles && k >= 256 ? int64_t(llvm::alignTo(k, 64)) : k;
  axis.tileSteps = isa.getTileSteps();
  return axis;
}

/// Columns in panels: as many of the widest kind as there are, and one
/// narrower panel for the rest.
struct Panels {
  Panels(const KernelISA &isa, int64_t columns);
  Panels(int64_t columns, unsigned lanes, unsigned fullVectors);
  int64_t columns;
  unsigned lanes, fullVectors, tailVectors;
  int64_t numFull;

  int64_t getCount() const { return numFull + (tailVectors != 0); }
  int64_t getFullColumns() const { return int64_t(fullVectors) * lanes; }
  /// Columns with the padding of the last panel.
  int64_t getPaddedColumns() const {
    return numFull * getFullColumns() + int64_t(tailVectors) * lanes;
  }
  /// Valid columns of the narrower panel.
  int64_t getTailColumns() const {
    return columns - numFull * getFullColumns();
  }
};

/// What starts the result.
enum class InitKind { Zero, Bias, Accumulate };
/// "zero", "bias" or "acc", for names.
llvm::StringRef getInitName(InitKind init);

//===--- Activations to codes --------------------------------------------===//

/// Codes are stored as u8: those of a signed type are shifted by 128, and so
/// are zero points.
struct CodeRange {
  /// The range in the code type, and what is added to store it.
  int64_t lo, hi, shift;
  /// The divisor of symmetric scales: max(|lo|, |hi|).
  bool hasZero;
  /// Zero points are f32, and the kernel's results their bits; without shift.
  bool floatZero = false;
};

/// Where the zero point of a static encoding comes from.
struct StaticParameters {
  /// Width of the stored zero points (8 or 32); 0 without them.
  unsigned zeroWidth = 0;
  bool zeroUnsigned = false;
};

/// Rows of f32 to rows of codes.
///   ins x: f32 [M, K] [, scales: f32 [G], zeros: i8/i32 [G]]
///   outs codes: i8 [M * stride + slack], scale: f32 [G], zero: i32 [G]
///        [, sums: i32 [M * ceil(K / sumBlock)]]
///        [, ranges: f32 [kRangeTasks * 2] when dynamic and per tensor]
/// with the row stride of KernelISA::getRowBytes. G = 1 when not `perRow`, else
/// M times the groups of a row. The codes are those of `compress.encode`, bit
/// for bit.
struct QuantizeRows {
  const KernelISA *isa;
  int64_t k;
  bool perRow;
  CodeRange range;
  std::optional<StaticParameters> parameters;
  /// k per group of a row; 0 is all of it.
  int64_t group = 0;
  /// k per sum of (code - zero point), 0 for no sums. One of `group` and
  /// `sumBlock` divides the other, or is all of k.
  int64_t sumBlock = 0;
};
inline constexpr int64_t kRangeTasks = 32;
std::string generateQuantizeRows(mlir::ModuleOp module, const QuantizeRows &q);

/// Images [N, C, spatial...] of f32 to codes [N, padded spatial..., C], one
/// scale for all; padding holds the zero point.
///   ins x: f32 [N, C, P] [, scales: f32 [1], zeros: i8/i32 [1]]
///   outs codes: i8 [N * imageBytes + slack], scale: f32 [1], zero: i32 [1]
///        [, ranges as above]
struct QuantizeImages {
  const KernelISA *isa;
  int64_t channels;
  llvm::SmallVector<int64_t> spatial, padLow, padHigh;
  CodeRange range;
  std::optional<StaticParameters> parameters;

  llvm::SmallVector<int64_t> getPadded() const;
  int64_t getImageBytes() const;
};
std::string generateQuantizeImages(mlir::ModuleOp module,
                                   const QuantizeImages &q);

//===--- Products --------------------------------------------------------===//

/// out[m, n] = init + (sum (a - zero[m]) * b[n]) * scale[m] * scales[n].
///   ins a: i8 [..] with row stride `rowBytes`, scale: f32 [M or 1],
///       zero: i32 [M or 1], b: i8 packed, sums: i32 [padded N],
///       scales: f32 [padded N] [, bias: f32 [N]]
///   outs out: f32 [M, N]
struct DotGEMM {
  const KernelISA *isa;
  int64_t n, k;
  bool perRow;
  InitKind init;
};
std::string generateDotGEMM(mlir::ModuleOp module, const DotGEMM &gemm);

/// The same with rows taken from images by a window, and the result stored
/// [image, channel, pixel].
///   ins as above with scale and zero of one element
///   outs out: f32 [N, F, O], O the product of `outSizes`
struct DotConv {
  const KernelISA *isa;
  int64_t filters;
  DotAxis axis;
  int64_t imageBytes;
  /// Per spatial axis: result extent, and bytes from one result position to
  /// the next in the packed images.
  llvm::SmallVector<int64_t> outSizes, outStrides;
  InitKind init;

  int64_t getNumPixels() const;
};
std::string generateDotConv(mlir::ModuleOp module, const DotConv &conv);

/// The same with one filter per channel: `axis.outer` lists the taps and the
/// run is one byte. Sums are taken in f32, where they are exact.
///   b: i8 [tap, padded N]
inline constexpr int64_t kMaxDepthwiseTaps = 64;
std::string generateDepthwiseConv(mlir::ModuleOp module, const DotConv &conv);

//===--- Shared by the two -----------------------------------------------===//

/// Brings i32 lanes of four bytes into the form that `emitDot` multiplies.
llvm::SmallVector<Value> splitBytes(KernelBuilder &k, const KernelISA &isa,
                                    Value words, bool isSigned);
/// `sum` plus the four products of each lane, one factor unsigned and the other
/// signed, both split.
Value emitDot(KernelBuilder &k, const KernelISA &isa, Value sum,
              llvm::ArrayRef<Value> unsignedBytes,
              llvm::ArrayRef<Value> signedBytes);
/// What integer sums become results by: the arguments of a kernel for that.
///   rowScales: f32 [G], rowZeros: i32 [G], columnSums: i32 [padded N],
///   columnScales: f32 [padded N], bias: f32 [N] or null, out: f32 [M, N]
struct DotResults {
  Value rowScales, rowZeros, columnSums, columnScales, bias, out;
  /// G = 1 when not `perRow`, else M.
  bool perRow;
  InitKind init;
  /// Whether rowZeros are the bits of f32 numbers. Sums must be below 2^24.
  bool floatZeros = false;
};
/// What a vector of columns needs of these, loaded once for many rows.
struct DotColumns {
  Value n, mask, sums, scales, bias;
};
/// The `valid` columns from `n` on, at most a vector.
DotColumns loadDotColumns(KernelBuilder &k, const KernelISA &isa,
                          const DotResults &results, Value n, int64_t valid);
/// Stores the results of one row from its integer sums.
void storeDotResults(KernelBuilder &k, const KernelISA &isa,
                     const DotResults &results, const DotColumns &columns,
                     Value row, Value sums);
/// One register tile: rows of A at byte offsets `rowBases`, a panel of B at
/// `panelBase`. Returns i32 vectors, row by row.
llvm::SmallVector<Value> emitDotTile(KernelBuilder &k, const KernelISA &isa,
                                     const DotAxis &axis, unsigned vectors,
                                     Value a, ValueRange rowBases, Value b,
                                     Value panelBase);
/// Calls `body(offset, run, carried)` for all runs of `axis`: where the run
/// starts, in the unit of the strides, and its number in packed order.
llvm::SmallVector<Value>
emitRuns(KernelBuilder &k, const DotAxis &axis, unsigned depth, Value offset,
         Value run, ValueRange carried,
         llvm::function_ref<llvm::SmallVector<Value>(Value, Value, ValueRange)>
             body);
/// How tile registers see bytes; zero extends the others.
struct TileSigns {
  bool isSignedA = false, isSignedB = true;
};
/// Sums of [16 or 32 rows, columns of a panel] by tile registers, into
/// `sums`: i32 [32, panel columns]. Rows of A are `rowBytes` apart from
/// `rowBase` on, and as many as that can be read.
void emitDotTileRegisters(KernelBuilder &k, int64_t steps, unsigned vectors,
                          unsigned rows, Value a, Value rowBase,
                          int64_t rowBytes, Value b, Value panelBase,
                          Value sums);
/// The same with k as `axis` says.
void emitDotTileRegisters(KernelBuilder &k, const DotAxis &axis,
                          unsigned vectors, unsigned rows, Value a,
                          Value rowBase, int64_t rowBytes, Value b,
                          Value panelBase, Value sums, TileSigns signs = {});
/// Rows that share the parts of a panel in `emitDotTileBlock`.
inline constexpr int64_t kTileBlockRows = 128;
/// Sums of the rows [begin, end), at most kTileBlockRows, into `sums`:
/// i32 [kTileBlockRows, panel columns]. A part of k that fits the first cache
/// at a time, for all rows; meanwhile the panel at `nextPanel` is fetched.
void emitDotTileBlock(KernelBuilder &k, int64_t steps, unsigned vectors,
                      Value a, Value begin, Value end, int64_t rowBytes,
                      Value b, Value panelBase, Value nextPanel, Value sums);
/// Calls `tile(position, rows)` for tiles of at most `maxRows` rows that cover
/// [begin, end). `remainder` is (end - begin) % maxRows where that is the same
/// for all ranges that do not divide: it spares the code of other tiles.
void emitRowTiles(KernelBuilder &k, unsigned maxRows, Value begin, Value end,
                  std::optional<unsigned> remainder,
                  llvm::function_ref<void(Value position, unsigned rows)> tile);
/// Runs `body(panel, vectors, validColumns)` for the kind of panel that number
/// `panel` is of.
void emitPanel(
    KernelBuilder &k, const Panels &panels, Value panel,
    llvm::function_ref<void(unsigned vectors, int64_t columns)> body);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELGEMM_H
