//===- Data.h - Samples to run a model on ------------------------*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CALIBRATION_DATA_H
#define COMPRESS_CALIBRATION_DATA_H

#include "compress/Support/Npz.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace compress {

/// What a model expects for one input.
struct InputSpec {
  std::string name;
  CompressDType dtype = COMPRESS_DTYPE_F32;
  /// Negative: dynamic.
  llvm::SmallVector<int64_t, 4> shape;
};

/// The inputs of a function: `onnx.name` argument attributes (or `arg0`, ...)
/// and tensor types. An error for inputs that are not ranked tensors of a type
/// that arrays can have.
llvm::Expected<std::vector<InputSpec>>
getInputSpecs(mlir::FunctionOpInterface function);

/// Validated samples for the inputs of a model.
///
/// The leading axis of an array holds samples: one each where the model's
/// leading dimension is 1 or dynamic, else one for every B rows where it is B.
/// An array with a single sample serves all samples of the other inputs.
class CalibrationData {
public:
  /// Reads, by the kind of `path`:
  ///   - `.npz`: one array for each input, by name; other arrays are `extras`;
  ///   - `.npy`, `.pb` (an ONNX TensorProto): the input of a one-input model;
  ///   - a folder with `input_0.pb`, ... (an ONNX test set), or with subfolders
  ///     like that, whose samples follow each other in name order.
  /// Errors name the file and the input: a missing input, a wrong element type
  /// or shape, NaN or infinite values, inputs with different sample counts.
  static llvm::Expected<CalibrationData> load(llvm::StringRef path,
                                              llvm::ArrayRef<InputSpec> inputs);
  /// The same from arrays; `what` names them in errors.
  static llvm::Expected<CalibrationData>
  create(NpzArrays arrays, llvm::ArrayRef<InputSpec> inputs,
         llvm::StringRef what);

  /// Some of the samples, by index; extras are left out.
  CalibrationData select(llvm::ArrayRef<int64_t> indices) const;

  /// Number of samples, at least 1.
  int64_t size() const { return total; }
  /// The arrays of sample `index` in the order of the inputs; they share the
  /// memory of the data.
  std::vector<NpyArray> getSample(int64_t index) const;
  /// Arrays that are no input, such as labels; empty for other than `.npz`.
  const NpzArrays &getExtras() const { return extras; }

private:
  /// Samples that were read together.
  struct Part {
    int64_t count;
    struct Input {
      NpyArray array;
      /// Rows of one sample; 0 when the whole array is every sample.
      int64_t rows;
    };
    std::vector<Input> inputs;
  };
  std::vector<Part> parts;
  int64_t total = 0;
  /// What `select` chose; empty: all.
  std::vector<int64_t> selected;
  NpzArrays extras;
};

/// Reads one ONNX `TensorProto` file; the name it carries, maybe empty, comes
/// first. Numeric types only.
llvm::Expected<std::pair<std::string, NpyArray>>
readTensorProto(llvm::StringRef path);

} // namespace compress

#endif // COMPRESS_CALIBRATION_DATA_H
