//===- CompactExperts.td - onnx-compact-experts ------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_TD

include "mlir/Pass/PassBase.td"

def CompactExperts : Pass<"onnx-compact-experts", "::mlir::func::FuncOp"> {
  let summary = "Compute experts only for the tokens that go to them";
  let description = [{
    What `onnx-expand-experts` wrote computes each expert for all tokens, with
    zeros for those of others. This gathers the tokens of an expert before its
    first product, and adds its results to their places in the sum: all products
    have as many rows as the router sends tokens, none for most experts where
    there is one token. It comes after the levels of the experts were applied;
    experts in whose products something else looks (observers) stay as they are.
  }];
  let statistics = [
    Statistic<"numCompacted", "compacted", "Experts for their own tokens only">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_TD
