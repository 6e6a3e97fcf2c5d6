//===- EncodingGenerator.h - Encodings for tests, by the hundred *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes the text of encodings that are legal for a shape: either along a path
// (which encoding is nested at which place of which other: the product tests
// enumerate all paths), or at random (the fuzzer).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_DIALECT_COMPRESS_ENCODINGGENERATOR_H
#define COMPRESS_UNITTESTS_DIALECT_COMPRESS_ENCODINGGENERATOR_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include <random>
#include <string>
#include <vector>

namespace compress {
namespace testing {

enum class Kind {
  Dense,
  Quant,
  Codebook,
  Sparse,
  Factored,
  Sum,
  Scaled,
  Permuted,
  Rotated,
  Generated,
  Coded
};
constexpr unsigned numKinds = 11;
llvm::StringRef getName(Kind kind);

/// A place in an encoding where another one is nested.
struct Place {
  Kind kind;
  /// Which of its nested encodings: `quant` has scale 0 and zero 1, `scaled`
  /// scale 0 and of 1, `factored` and `sum` their list; otherwise 0.
  unsigned index;
};
/// Every place of every kind of encoding.
llvm::ArrayRef<Place> getPlaces();

/// The encodings on the way from the outside in, and the innermost one. All
/// others are plain.
struct Path {
  std::vector<Place> places;
  Kind leaf;

  /// For example "sum[1] > scaled[0] > quant".
  std::string str() const;
};
/// All paths with so many places.
std::vector<Path> getPaths(unsigned numPlaces);

class EncodingGenerator {
public:
  EncodingGenerator(mlir::MLIRContext *context, uint64_t seed)
      : context(context), engine(seed) {}

  /// The encoding of a path for this shape; parameters (code types, patterns,
  /// equations, groups, ...) take turns. Elements of the shape may be
  /// kDynamic only where a data-dependent size stands.
  std::string alongPath(const Path &path, llvm::ArrayRef<int64_t> shape,
                        llvm::StringRef elementType);
  /// A random encoding of at most this many levels.
  std::string atRandom(unsigned depth, llvm::ArrayRef<int64_t> shape,
                       llvm::StringRef elementType);
  /// The text of a random type, almost always a legal one.
  std::string randomText();
  /// Leaves of the types that `type` asks for: random bytes, or those of `old`
  /// cut off or filled up, with some bits turned over.
  llvm::SmallVector<HostTensor> randomLeaves(CompressedTensorType type,
                                             llvm::ArrayRef<HostTensor> old);
  /// Changes some characters, numbers or words of a text.
  std::string mutate(std::string text);

  /// Number from 0 to n - 1.
  uint64_t pick(uint64_t n) { return engine() % n; }

private:
  /// Writes the nested encoding at a place for the shape it has there.
  using Nest = llvm::function_ref<std::string(unsigned index,
                                              llvm::ArrayRef<int64_t> shape,
                                              llvm::StringRef elementType)>;
  std::string emit(Kind kind, llvm::ArrayRef<int64_t> shape,
                   llvm::StringRef elementType, bool needsStatic, Nest nest);
  std::string emitDense(llvm::StringRef elementType);
  std::string emitQuant(llvm::ArrayRef<int64_t> shape, Nest nest);
  std::string emitCodebook(llvm::ArrayRef<int64_t> shape,
                           llvm::StringRef elementType, Nest nest);
  std::string emitSparse(llvm::ArrayRef<int64_t> shape,
                         llvm::StringRef elementType, bool needsStatic,
                         Nest nest);
  std::string emitFactored(llvm::ArrayRef<int64_t> shape,
                           llvm::StringRef elementType, Nest nest);
  std::string emitGenerated(llvm::ArrayRef<int64_t> shape);
  std::string emitCoded(llvm::ArrayRef<int64_t> shape,
                        llvm::StringRef elementType, Nest nest);
  std::string emitPath(const Path &path, size_t at,
                       llvm::ArrayRef<int64_t> shape,
                       llvm::StringRef elementType);
  std::string group(llvm::ArrayRef<int64_t> shape);
  std::string choose(llvm::ArrayRef<const char *> texts);

  mlir::MLIRContext *context;
  std::mt19937_64 engine;
  /// The place of `emit` that must exist, so that optional ones are written.
  unsigned wanted = 0;
};

/// The type, or null with `error` set to the first diagnostic.
CompressedTensorType parseTensorType(mlir::MLIRContext *context,
                                     llvm::ArrayRef<int64_t> shape,
                                     llvm::StringRef elementType,
                                     llvm::StringRef encoding,
                                     std::string &error);
/// "!compress.tensor<2x3xf32, ENCODING>".
std::string getTensorText(llvm::ArrayRef<int64_t> shape,
                          llvm::StringRef elementType,
                          llvm::StringRef encoding);

/// A tensor of normally distributed values of many magnitudes and some zeros
/// (whole numbers for an integer type); reproducible.
HostTensor makeWeight(llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                      uint64_t seed);

/// Whether two tensors have the same shape and bits.
bool isSame(const HostTensor &a, const HostTensor &b);
/// The same, where NaN equals NaN: its sign and payload mean nothing.
bool isSameValue(const HostTensor &a, const HostTensor &b);

} // namespace testing
} // namespace compress

#endif // COMPRESS_UNITTESTS_DIALECT_COMPRESS_ENCODINGGENERATOR_H
