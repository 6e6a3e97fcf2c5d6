//===- Passes.td - Search passes ---------------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_PASSES_TD
#define COMPRESS_SEARCH_PASSES_TD

include "mlir/Pass/PassBase.td"

def SearchPlan : InterfacePass<"compress-search", "mlir::FunctionOpInterface"> {
  let summary = "Chooses a level for each site under a budget";
  let description = [{
    Encodes every site at every level, searches, and writes the answer to the
    `compress.level` attribute of the operations that use the sites, where
    `compress-apply-plan` finds it. The budget counts the stored bytes of all
    sites, metadata included; without one, the least error wins.

    ```mlir
    %y = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ```
    with `levels=int8,int4-g32 budget-bytes=1500` becomes
    ```mlir
    %y = onnx.MatMul(%x, %w) {compress.level = "int4-g32"} : ...
    ```
  }];
  let options = [
    Option<"budgetBytes", "budget-bytes", "int64_t", "-1",
           "most bytes for all sites; -1 is no limit">,
    ListOption<"levels", "levels", "std::string",
               "levels to choose from (default: f32, int8, int4-g32)">,
    Option<"search", "search", "std::string", "\"dp\"",
           "dp, ilp, lagrange, greedy, uniform or random">,
    ListOption<"rules", "rules", "std::string",
               "what sites may choose, by name: 'fc*=int8', 'head!=int4-g32'">,
    ListOption<"same", "same", "std::string",
               "sites with names like this take the same level">,
    Option<"siblings", "same-siblings", "bool", "false",
           "matrix products of one shape that read the same activation take "
           "the same level">,
    Option<"seed", "seed", "uint64_t", "0", "seed of the search random">,
    Option<"planOut", "plan-out", "std::string", "",
           "YAML file to write the plan to">,
    Option<"minElements", "min-elements", "int64_t", "65",
           "smallest weight that is a site">,
  ];
  let statistics = [
    Statistic<"numSites", "sites", "Sites given a level">,
    Statistic<"numBytesBefore", "bytes-before", "Bytes of all sites before">,
    Statistic<"numBytesAfter", "bytes-after", "Bytes of all sites after">,
  ];
  let dependentDialects = ["::compress::CompressDialect"];
}

#endif // COMPRESS_SEARCH_PASSES_TD
