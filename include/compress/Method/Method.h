//===- Method.h - Which values go into an encoding --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The Method extension point. A method fills the components of an encoding
// from a weight and, if it uses them, calibration statistics. To add one, write
// one file that derives from `Method` and list it in `registerAllMethods`.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_METHOD_METHOD_H
#define COMPRESS_METHOD_METHOD_H

#include "compress/Calibration/Statistics.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include <map>

namespace compress {

/// What a method needs to know, from cheap to expensive.
enum class Rung { DataFree, ForwardStatistics, Gradients, FineTuning };
llvm::StringRef stringifyRung(Rung rung);

/// Options as written in a level: `rtn(range=percentile,percentile=99.9)`.
using MethodOptions = std::map<std::string, std::string>;

/// Inputs of a layer that calibration sampled, transposed: [channels, rows],
/// scaled so that the sum of the rows' products estimates that over all inputs.
struct LayerInputs {
  int64_t channels = 0, rows = 0;
  /// Of the vectors that were sampled.
  double total = 0;
  std::vector<float> values;
};

/// Which channel of a layer's inputs each element of its weight is multiplied
/// with. In grouped convolutions the output channels are split into as many
/// runs as there are sets of input channels.
class InputChannels {
public:
  /// Nothing where so many channels of inputs do not fit the weight.
  static std::optional<InputChannels> get(llvm::ArrayRef<int64_t> shape,
                                          const WeightOperand &role,
                                          int64_t numChannels);

  /// Of one set, along the weight's first reduction axis; neighbours there are
  /// `stride` elements apart.
  int64_t channels = 0, stride = 1;
  int64_t sets = 1;

  int64_t getSet(int64_t element) const {
    return sets > 1 ? element / outStride % outputs / (outputs / sets) : 0;
  }
  /// Of all sets.
  int64_t getChannel(int64_t element) const {
    return getSet(element) * channels + element / stride % channels;
  }
  /// Whether a vector along the channels starts with this element.
  bool isFirst(int64_t element) const {
    return element / stride % channels == 0;
  }

private:
  int64_t outputs = 1, outStride = 1;
};

/// A weight to encode.
struct WeightRequest {
  /// For diagnostics.
  llvm::StringRef site;
  /// The logical tensor; static shape, float elements.
  HostTensor weight;
  /// What to encode it as: same shape and element type. Sizes that depend on
  /// the data may be `?`: the method chooses them.
  CompressedTensorType type;
  /// The roles of the weight's axes.
  WeightOperand role;
  /// E[x^2] of each channel of the activation that the weight is contracted
  /// with; empty when there are no statistics. With grouped convolution there
  /// are `group` times as many channels as entries on `role.reductionAxes[0]`.
  llvm::ArrayRef<double> secondMoments;
  /// For methods that use them (`usesInputs`), if there are any; channels as in
  /// `secondMoments`.
  const LayerInputs *inputs = nullptr;
  MethodOptions options;
};

/// How far the layer's output is from that of the original weight, under the
/// model that its input channels are uncorrelated: the sum over all weight
/// elements of (w - w')^2 E[x^2], with E[x^2] = 1 without statistics.
struct LayerError {
  double absolute = 0;
  /// Divided by the same sum over w^2; 0 when the weight is all zeros and the
  /// error is 0 too.
  double relative = 0;
};

struct WeightResult {
  /// The requested type, with every size known.
  CompressedTensorType type;
  /// Its leaves.
  llvm::SmallVector<HostTensor> leaves;
  LayerError error;
};

class Method {
public:
  virtual ~Method();

  virtual llvm::StringRef getName() const = 0;
  /// One line for --help.
  virtual llvm::StringRef getSummary() const = 0;
  /// The options that it knows, for --help; empty when it has none.
  virtual llvm::StringRef getOptionsHelp() const { return ""; }
  /// Unknown options and bad values are errors.
  virtual llvm::Error verifyOptions(const MethodOptions &options) const = 0;
  virtual Rung getRung(const MethodOptions &options) const = 0;
  /// Whether `WeightRequest::inputs` are worth gathering.
  virtual bool usesInputs() const { return false; }
  /// Whether it can fill this encoding.
  virtual bool supports(EncodingAttrInterface encoding) const = 0;

  /// Encodes a weight. Errors, which name the site: a weight with NaN or
  /// infinite elements, an encoding that the method does not support.
  llvm::Expected<WeightResult>
  quantizeWeight(const WeightRequest &request) const;

  /// Chooses static parameters for an activation of this type from its
  /// statistics; returns the leaves of the parameter components. The default
  /// is an error.
  virtual llvm::Expected<llvm::SmallVector<HostTensor>>
  activationParameters(const TensorStatistics &statistics,
                       CompressedTensorType type,
                       const MethodOptions &options) const;

protected:
  /// Fills the leaves; the weight is finite, the encoding supported and the
  /// options verified.
  virtual llvm::Expected<llvm::SmallVector<HostTensor>>
  encode(const WeightRequest &request) const = 0;
};

/// Measures an encoded weight, of `type` with its sizes known, against the
/// original.
llvm::Expected<LayerError> measureLayerError(const WeightRequest &request,
                                             CompressedTensorType type,
                                             llvm::ArrayRef<HostTensor> leaves);

/// E[x^2] for each element of the weight, row-major: its importance in
/// `LayerError`. Empty when the request has no usable statistics.
std::vector<float> getImportance(const WeightRequest &request);

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

/// Adds a method; a later one of the same name replaces the earlier.
void registerMethod(std::unique_ptr<Method> method);
/// Registers the methods of this library; may be called repeatedly.
void registerAllMethods();
/// The error for an unknown name lists the known ones.
llvm::Expected<const Method *> lookupMethod(llvm::StringRef name);
/// Sorted by name.
llvm::SmallVector<const Method *> getMethods();

std::unique_ptr<Method> createRoundToNearestMethod();
std::unique_ptr<Method> createCastMethod();
std::unique_ptr<Method> createMagnitudeMethod();
std::unique_ptr<Method> createFitMethod();
std::unique_ptr<Method> createKMeansMethod();
std::unique_ptr<Method> createSVDMethod();
std::unique_ptr<Method> createDepthsMethod();
std::unique_ptr<Method> createAdaQuantMethod();
std::unique_ptr<Method> createOBSMethod();
std::unique_ptr<Method> createRateMethod();

} // namespace compress

#endif // COMPRESS_METHOD_METHOD_H
