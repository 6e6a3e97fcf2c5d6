//===- Passes.td - Calibration passes ----------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CALIBRATION_PASSES_TD
#define COMPRESS_CALIBRATION_PASSES_TD

include "mlir/Pass/PassBase.td"

def InsertObservers
    : InterfacePass<"compress-insert-observers", "mlir::FunctionOpInterface"> {
  let summary = "Shows the activations of all sites to the statistics collector";
  let description = [{
    Inserts `compress.observe` on the activation operand of every operation
    that uses a weight site, so that running the function calibrates it. Uses
    that read one value along one axis share an observer. Ids count from 0 in
    program order.

    ```mlir
    %y = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ```
    becomes
    ```mlir
    %0 = compress.observe %x as 0 : tensor<?x64xf32>
    %y = onnx.MatMul(%0, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ```
  }];
  let options = [
    Option<"minElements", "min-elements", "int64_t", "65",
           "smallest weight that is a site">,
  ];
  let statistics = [
    Statistic<"numObservers", "observers", "Observers inserted">,
    Statistic<"numSites", "sites", "Sites found">,
  ];
  let dependentDialects = ["::compress::CompressDialect"];
}

#endif // COMPRESS_CALIBRATION_PASSES_TD
