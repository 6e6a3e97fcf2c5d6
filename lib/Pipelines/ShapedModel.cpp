//===- ShapedModel.cpp - A model with known shapes --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapedModel.h"
#include "compress/Pipelines/Pipelines.h"
#include "compress/Support/Format.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;

llvm::Expected<ShapedModel> ShapedModel::create(ModuleOp model,
                                                ArrayRef<NpyArray> sample) {
  ShapedModel shaped;
  shaped.module = cast<ModuleOp>(model->clone());
  func::FuncOp main;
  for (auto function : shaped.module->getOps<func::FuncOp>())
    if (!function.isExternal() && !main)
      main = function;
  if (!main || main.getNumArguments() != sample.size())
    return llvm::createStringError("the model has no such inputs");
  for (auto [argument, array] : llvm::zip_equal(main.getArguments(), sample)) {
    auto type = cast<RankedTensorType>(argument.getType());
    argument.setType(RankedTensorType::get(array.shape, type.getElementType()));
    main.removeArgAttr(argument.getArgNumber(), "onnx.dim_params");
  }
  main.setFunctionType(FunctionType::get(main.getContext(),
                                         main.getBody().getArgumentTypes(),
                                         main.getFunctionType().getResults()));
  // Declared sizes of results are those of any batch.
  main.walk([&](Operation *op) {
    for (OpResult result : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType());
          type && !type.hasStaticShape())
        result.setType(UnrankedTensorType::get(type.getElementType()));
  });
  // Diagnostics are not of the user's model.
  std::string message;
  ScopedDiagnosticHandler handler(main.getContext(), [&](Diagnostic &found) {
    if (found.getSeverity() == DiagnosticSeverity::Error && message.empty())
      message = found.str();
    return success();
  });
  PassManager pm(main.getContext());
  buildSimplifyPipeline(pm);
  if (failed(pm.run(*shaped.module)))
    return llvm::createStringError("shapes could not be inferred: " + message);
  shaped.sites = findSites(cast<FunctionOpInterface>(*main));
  return shaped;
}

llvm::Expected<ShapePoint> ShapePoint::parse(StringRef text, bool isWeighted) {
  ShapePoint point;
  StringRef sizes = text;
  auto fail = [&] {
    return llvm::createStringError(
        "'" + text + "' is not a shape; write " +
        (isWeighted ? "'seq=128:0.1' (sizes of dynamic dimensions by name, "
                      "then how much runs like this count)"
                    : "'batch=1,seq=128' (sizes of dynamic dimensions by "
                      "name)"));
  };
  if (isWeighted) {
    auto [before, weight] = text.rsplit(':');
    sizes = before;
    if (!weight.empty() && (weight.trim().getAsDouble(point.weight) ||
                            !std::isfinite(point.weight) || point.weight <= 0))
      return fail();
  }
  SmallVector<StringRef> parts;
  sizes.split(parts, ',');
  for (StringRef part : parts) {
    auto [name, digits] = part.split('=');
    int64_t size;
    if (name.trim().empty() || digits.trim().getAsInteger(10, size) ||
        size <= 0)
      return fail();
    point.sizes.emplace_back(name.trim().str(), size);
  }
  return point;
}

/// The array with `size` entries along `axis`.
static llvm::Expected<NpyArray> resize(const NpyArray &array, size_t axis,
                                       int64_t size) {
  SmallVector<int64_t> shape(array.shape.begin(), array.shape.end());
  int64_t before = shape[axis];
  if (before == size)
    return array;
  if (before == 0)
    return llvm::createStringError("an empty sample cannot be resized");
  shape[axis] = size;
  auto result = NpyArray::allocate(array.dtype, shape);
  if (!result)
    return result.takeError();
  size_t outer = 1;
  for (size_t i = 0; i < axis; ++i)
    outer *= shape[i];
  if (array.data.empty() || outer == 0)
    return result;
  size_t row = array.data.size() / (outer * before);
  for (size_t i = 0; i < outer; ++i)
    for (int64_t j = 0; j < size; ++j)
      std::memcpy(result->mutableData() + (i * size + j) * row,
                  array.data.data() + (i * before + j % before) * row, row);
  return result;
}

llvm::Expected<std::vector<NpyArray>>
compress::resizeSample(FunctionOpInterface main, ArrayRef<NpyArray> sample,
                       const ShapePoint &point) {
  std::vector<NpyArray> resized(sample.begin(), sample.end());
  std::vector<std::string> known;
  SmallVector<bool> used(point.sizes.size(), false);
  for (auto [index, array] : llvm::enumerate(resized)) {
    auto type = dyn_cast<RankedTensorType>(main.getArgumentTypes()[index]);
    auto names = main.getArgAttrOfType<ArrayAttr>(index, "onnx.dim_params");
    if (!type || !names)
      continue;
    for (auto [axis, attr] : llvm::enumerate(names)) {
      auto name = dyn_cast<StringAttr>(attr);
      if (!name || name.empty() || axis >= array.shape.size() ||
          !type.isDynamicDim(axis))
        continue;
      if (!llvm::is_contained(known, name.getValue()))
        known.push_back(name.str());
      for (auto [number, entry] : llvm::enumerate(point.sizes))
        if (entry.first == name.getValue()) {
          used[number] = true;
          auto changed = resize(array, axis, entry.second);
          if (!changed)
            return changed.takeError();
          array = std::move(*changed);
        }
    }
  }
  for (auto [entry, isUsed] : llvm::zip_equal(point.sizes, used))
    if (!isUsed)
      return llvm::createStringError(
          "the model has no dynamic dimension '" + Twine(entry.first) +
          "'; it has " +
          (known.empty() ? "none with a name"
                         : "'" + llvm::join(known, "', '") + "'"));
  return resized;
}
