//===- Level.h - Encoding, method and options of a site ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A level is what a plan says about a site: an encoding for the weight, maybe
// one for the activation, and the method that fills them, in a short spelling:
//
//   level   ::= name [ ":" method [ "(" option { "," option } ")" ] ]
//   option  ::= key "=" value
//
// `int8`, `int4-g32`, `int4-g32-asym:rtn(range=mse)`, `w8a8`, `mxfp4`.
//
// Names belong to families. To add one, write one file that registers a
// `LevelFamily`, or a row in the table of an existing family.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_LEVEL_H
#define COMPRESS_PLAN_LEVEL_H

#include "compress/Method/Method.h"
#include "compress/Site/Site.h"
#include <functional>
#include <optional>

namespace compress {

/// The encodings behind a level name.
struct LevelEncoding {
  /// The encoding of a weight of this type with these axes; null for the level
  /// that leaves the weight alone.
  std::function<llvm::Expected<EncodingAttrInterface>(mlir::RankedTensorType,
                                                      const WeightOperand &)>
      weight;
  /// The encoding of the activation (ranked, float) of a use; null when it
  /// stays as it is.
  std::function<llvm::Expected<EncodingAttrInterface>(mlir::RankedTensorType,
                                                      const SiteUse &)>
      activation;
  /// Whether the activation's parameters are constants, from statistics.
  bool staticActivation = false;
  /// The method when the spelling names none, and options that it gets where
  /// the spelling has none of that name.
  std::string defaultMethod;
  MethodOptions defaultOptions = {};
  /// Whether inputs of the weight are removed, so that what computes only these
  /// can shrink too.
  bool removesInputs = false;
};

/// Level names of one form.
struct LevelFamily {
  /// Grammar and meaning of the names, for --help and for errors.
  std::string syntax, summary;
  /// Names worth trying, for --help and for tests.
  std::vector<std::string> examples;
  /// The encoding of a name; nothing for names of other families; an error for
  /// a name of this family with a bad number.
  std::function<llvm::Expected<std::optional<LevelEncoding>>(llvm::StringRef)>
      parse;
};

class Level {
public:
  /// Parses a spelling, checking method and options too.
  static llvm::Expected<Level> parse(llvm::StringRef spelling);

  /// The spelling that parses to this level; options sorted.
  llvm::StringRef getSpelling() const { return spelling; }
  /// Whether it leaves weight and activation alone.
  bool isNone() const { return !encoding.weight && !encoding.activation; }
  const Method &getMethod() const { return *method; }
  /// Those of the name included.
  const MethodOptions &getOptions() const { return options; }

  /// The type that the weight is stored as. An error when the encoding does
  /// not fit the weight.
  llvm::Expected<CompressedTensorType>
  getWeightType(mlir::RankedTensorType weight, const WeightOperand &role) const;

  /// The same, offered to constants of elementwise operations only.
  Level forElementwise() const {
    Level copy = *this;
    copy.onlyElementwise = true;
    return copy;
  }
  /// Why this level is not offered to a site that could be stored so; empty
  /// when it is. A plan may name it all the same.
  std::string whyNotOffered(const Site &site) const;

  bool hasActivation() const { return bool(encoding.activation); }
  bool removesInputs() const { return encoding.removesInputs; }
  bool needsStatistics() const {
    return encoding.activation && encoding.staticActivation;
  }
  /// The type that the activation of a use is encoded as; null when the level
  /// leaves it alone or the use has none.
  llvm::Expected<CompressedTensorType>
  getActivationType(const SiteUse &use) const;

private:
  std::string spelling;
  LevelEncoding encoding;
  const Method *method = nullptr;
  MethodOptions options;
  bool onlyElementwise = false;
};

/// Constants of elementwise operations can always stay as they are, or be
/// stored losslessly: adds these levels, for them only, where some site is one
/// and the level is not offered anyway.
void addExactLevels(std::vector<Level> &levels, llvm::ArrayRef<Site> sites);

/// Splits at commas that are not inside parentheses and parses each level.
llvm::Expected<std::vector<Level>> parseLevels(llvm::StringRef list);

void registerLevelFamily(LevelFamily family);
/// In the order of registration.
llvm::ArrayRef<LevelFamily> getLevelFamilies();
/// A table of families and methods for --help.
void printLevelHelp(llvm::raw_ostream &os);

//===----------------------------------------------------------------------===//
// Group shapes
//===----------------------------------------------------------------------===//

/// One group per output: 1 on the output axes, whole on all others.
llvm::SmallVector<int64_t> getChannelGroup(llvm::ArrayRef<int64_t> shape,
                                           const WeightOperand &role);

/// Groups of about `size` elements in a form that ONNX can say (blocks along
/// one axis, or one group per output channel): `size` elements along the first
/// reduction axis where it is that long; on shorter axes (small convolutions)
/// either the whole axis or one group per output, whichever comes closer to
/// `size`, so that scales never outweigh what they scale.
llvm::SmallVector<int64_t> getBlockGroup(llvm::ArrayRef<int64_t> shape,
                                         const WeightOperand &role,
                                         int64_t size);

} // namespace compress

#endif // COMPRESS_PLAN_LEVEL_H
