//===- ExpandExperts.td - onnx-expand-experts --------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_TD

include "mlir/Pass/PassBase.td"

def ExpandExperts : Pass<"onnx-expand-experts", "::mlir::func::FuncOp"> {
  let summary = "Write mixtures of experts as standard operators";
  let description = [{
    Rewrites `com.microsoft.MoE`, whose weights are stacked, as a product for
    each expert with a weight of its own, which can then be stored as suits it.
    The input of an expert is zero for tokens that are routed to others, and its
    hidden values are multiplied with the gate, so statistics of both are
    weighted by how often, and how much, the router asks for this expert.
    `onnx-compact-experts` then leaves out the zeros.

    With `threshold`, a token goes to its second expert (and further ones) only
    if the probability is at least this share of that of the first.

    Left alone: weights that are not constant, a third weight, `swiglu`
    with weights that are not interleaved, the sparse mixer, opsets before 13; a
    remark says why.
  }];
  let options = [
    Option<"threshold", "threshold", "double", "0",
           "Least probability of further experts, relative to the first">
  ];
  let statistics = [
    Statistic<"numExpanded", "expanded", "Mixtures written as operators">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_TD
