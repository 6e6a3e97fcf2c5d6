//===- Observe.cpp - Watching activations while a model runs ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Observe.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/DenseMap.h"
#include <cstring>

using namespace mlir;
using namespace compress;

Statistics compress::insertObservers(ArrayRef<Site> sites, uint64_t seed) {
  Statistics statistics(seed);
  // Observers by the value that they watch and the axis.
  llvm::DenseMap<std::pair<Value, int64_t>, ObserveOp> observers;
  for (const Site &site : sites)
    for (auto [index, use] : llvm::enumerate(site.uses)) {
      Value activation = use.getActivation();
      auto type = activation ? dyn_cast<RankedTensorType>(activation.getType())
                             : RankedTensorType();
      if (!type || !isa<FloatType>(type.getElementType()))
        continue;
      int64_t axis = use.role.activationChannelAxis;
      ObserveOp &observer = observers[{activation, axis}];
      if (!observer) {
        unsigned id = statistics.add("input of '" + site.name + "'", axis);
        // Right after the value, so that every use can read it.
        OpBuilder builder(use.op->getContext());
        builder.setInsertionPointAfterValue(activation);
        observer =
            ObserveOp::create(builder, use.op->getLoc(), type, activation, id);
      }
      statistics.setUse(site.name, index, observer.getId());
      use.op->setOperand(use.role.activation, observer.getResult());
    }
  return statistics;
}

/// Copies a strided tensor of 2-byte or 8-byte floats to dense f32.
template <typename Convert>
static std::vector<float> toFloats(ArrayRef<int64_t> shape,
                                   ArrayRef<int64_t> strides, Convert convert) {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  std::vector<float> values(count);
  SmallVector<int64_t> position(shape.size(), 0);
  int64_t offset = 0;
  for (float &value : values) {
    value = convert(offset);
    for (int64_t dim = int64_t(shape.size()) - 1; dim >= 0; --dim) {
      offset += strides[dim];
      if (++position[dim] < shape[dim])
        break;
      offset -= strides[dim] * shape[dim];
      position[dim] = 0;
    }
  }
  return values;
}

static float convertHalf(const void *data, int64_t offset,
                         const llvm::fltSemantics &semantics) {
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char *>(data) + 2 * offset, 2);
  llvm::APFloat value(semantics, llvm::APInt(16, bits));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToFloat();
}

void ObserverSink::observe(int64_t id, CompressDType dtype,
                           ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                           const void *data) {
  if (!firstError.empty())
    return;
  if (id < 0 || id >= int64_t(statistics.size())) {
    firstError = "calibration: there is no observer " + std::to_string(id);
    return;
  }
  SmallVector<int64_t> dense(shape.size(), 1);
  for (int64_t dim = int64_t(shape.size()) - 2; dim >= 0; --dim)
    dense[dim] = dense[dim + 1] * shape[dim + 1];
  TensorStatistics &collector = statistics.get(id);
  auto converted = [&](auto convert) {
    std::vector<float> values = toFloats(shape, strides, convert);
    return collector.update(values.data(), shape, dense);
  };
  auto update = [&]() -> llvm::Error {
    switch (dtype) {
    case COMPRESS_DTYPE_F32:
      return collector.update(static_cast<const float *>(data), shape, strides);
    case COMPRESS_DTYPE_F64:
      return converted([&](int64_t offset) {
        return float(static_cast<const double *>(data)[offset]);
      });
    case COMPRESS_DTYPE_F16:
      return converted([&](int64_t offset) {
        return convertHalf(data, offset, llvm::APFloat::IEEEhalf());
      });
    case COMPRESS_DTYPE_BF16:
      return converted([&](int64_t offset) {
        return convertHalf(data, offset, llvm::APFloat::BFloat());
      });
    default:
      return llvm::createStringError("values of type %d cannot be observed",
                                     int(dtype));
    }
  };
  if (llvm::Error error = update())
    firstError = "calibration: " + statistics.getName(id).str() + ": " +
                 llvm::toString(std::move(error));
}

llvm::Error ObserverSink::takeError() {
  if (firstError.empty())
    return llvm::Error::success();
  std::string message;
  std::swap(message, firstError);
  return llvm::createStringError(llvm::Twine(message));
}
