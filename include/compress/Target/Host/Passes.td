//===- Passes.td - Passes towards host code ----------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_HOST_PASSES_TD
#define COMPRESS_TARGET_HOST_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompressAssignTarget : Pass<"compress-assign-target", "::mlir::ModuleOp"> {
  let summary = "Lets a target claim the contractions that it runs well";
  let description = [{
    Attaches the description of the device to the module
    (`dlti.target_system_spec`) and applies the target's claim patterns, which
    turn `compress.contract` into `compress.kernel`. What is not claimed whole
    is taken apart by the rules of `compress-rewrite-contract`, if the target
    wants them, and offered again in parts. With `remarks`, every contraction
    that nobody claims in the end is reported.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "Name of the target">,
    Option<"triple", "triple", "std::string", "\"\"", "LLVM triple; empty: this machine">,
    Option<"cpu", "cpu", "std::string", "\"\"", "LLVM CPU name; empty: this machine">,
    Option<"features", "features", "std::string", "\"\"", "LLVM features">,
    Option<"coded", "coded", "std::string", "\"auto\"", "When entropy-coded weights are inflated: load, block (in each run) or auto">,
    Option<"remarks", "remarks", "bool", "false", "Report what is not claimed">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::amx::AMXDialect",
    "::mlir::arith::ArithDialect", "::mlir::DLTIDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numClaimed", "claimed", "Contractions claimed by the target">,
    Statistic<"numLeft", "left", "Contractions left to the reference way">
  ];
}

def CompressPropagateLayout
    : Pass<"compress-propagate-layout", "::mlir::ModuleOp"> {
  let summary = "Keeps channels last between kernels that want them there";
  let description = [{
    Moves each `linalg.transpose` that is marked `compress.layout` towards the
    results: through `linalg.generic` (elementwise operations, pooling windows,
    sums), padding and slices, by permuting their indexing maps. What meets its
    inverse disappears, so that a chain of kernels transposes at its ends only.
    Loops of what is moved follow the new layout.
  }];
  let dependentDialects = [
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def CompressMergeConcats : Pass<"compress-merge-concats", "::mlir::ModuleOp"> {
  let summary = "Builds a concatenation where a larger one wants it";
  let description = [{
    Where the first part of a concatenation (slices inserted into a
    `tensor.empty`) is a concatenation itself, its parts go into the larger
    tensor at once, and its other users read a slice of that. Networks that
    append to all that came before would else copy all of it each time.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def CompressLowerObserve : Pass<"compress-lower-observe"> {
  let summary = "Turns compress.observe into a call of the runtime";
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def CompressPrepareAtLoad : Pass<"compress-prepare-at-load", "::mlir::ModuleOp"> {
  let summary = "Moves what is computed from constants into a function run at load";
  let description = [{
    A `compress.decode` of a `compress.constant` gives the same dense tensor in
    every run, and so does anything else that is computed from constants only,
    such as an inverse permutation, unless it is larger than what it is made of
    (a broadcast). It moves to `@compress_prepare`, which the runtime calls once per
    model instance; `main_graph` receives the results as arguments marked
    `compress.prepared`. The stored form stays small; memory at run time holds
    the decoded copy.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let statistics = [
    Statistic<"numPrepared", "prepared", "Tensors computed at load">
  ];
}

def CompressExternalizeWeights
    : Pass<"compress-externalize-weights", "::mlir::ModuleOp"> {
  let summary = "Replaces large constants by views of the mapped weight file";
  let description = [{
    Every tensor constant of at least `min-bytes` bytes gets an offset, a
    multiple of 64, in the weight file and becomes a view of the function's new
    first argument, the mapped data. Constants with the same contents share one
    place. The module attribute `compress.weights` lists name, offset and
    constant for whoever writes the file, `compress.weights_size` its size.
  }];
  let options = [
    Option<"minBytes", "min-bytes", "int64_t", "64", "Smaller constants stay in the code">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numWeights", "weights", "Constants moved to the weight file">,
    Statistic<"numShared", "shared", "Constants that share a place with another">
  ];
}

def CompressLowerKernels : Pass<"compress-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Turns compress.kernel on buffers into function calls";
  let description = [{
    A kernel of this module (`compress.generated`) is called with its memrefs,
    after the context and a state slot if it is `stateful`;
    one of the runtime gets the model's context, its state slot and unranked
    memrefs first. Functions with runtime kernels receive the context as their
    new first argument. The module attribute `compress.num_slots` counts the
    slots.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect"
  ];
}

def CompressParallelizeLoops : Pass<"compress-parallelize-loops"> {
  let summary = "Keeps parallel loops parallel where that pays";
  let description = [{
    Of each outermost `scf.parallel`, the leading dimensions become one parallel
    loop when the whole nest has at least `min-work` scalar iterations; the
    others, and every smaller nest, become `scf.for`.
  }];
  let options = [
    Option<"minWork", "min-work", "int64_t", "32768", "Iterations worth a fork">
  ];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numParallel", "parallel", "Loop nests run in parallel">,
    Statistic<"numSequential", "sequential", "Loop nests made sequential">
  ];
}

def CompressInsertDeallocations
    : Pass<"compress-insert-deallocations", "::mlir::ModuleOp"> {
  let summary = "Ownership-based deallocation of all but generated kernels";
  let description = [{
    Upstream's `ownership-based-buffer-deallocation` on every function that is
    not marked `compress.generated`: kernels own no heap buffers, and that
    analysis refuses the intrinsics in them.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"
  ];
}

def CompressInlineAllocaScopes : Pass<"compress-inline-alloca-scopes"> {
  let summary = "Replaces memref.alloca_scope by saving the stack pointer";
  let description = [{
    `convert-scf-to-openmp` wraps loop bodies in `memref.alloca_scope`, which
    must hold a single block and so stands in the way of control flow. The body
    moves out, between `llvm.intr.stacksave` and `llvm.intr.stackrestore` when
    it allocates.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def CompressApproximateMath : Pass<"compress-approximate-math"> {
  let summary = "Replaces f32 exp, erf and tanh by polynomials that vectorize";
  let description = [{
    The rational approximations of upstream's `math` dialect instead of scalar
    library calls: the loops around them vectorize. Their error is a few units
    in the last place of f32. Other functions stay calls.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::vector::VectorDialect"
  ];
}

def CompressRelaxFloat : Pass<"compress-relax-float"> {
  let summary = "Lets float reductions vectorize";
  let description = [{
    Sets the fast-math flags `reassoc` and `contract` on float additions and
    products, so that sums may be reordered and products fused. Results change
    by rounding only.

    Maxima and minima that propagate NaN become the LLVM intrinsics of that
    meaning, which LLVM vectorizes in reductions; comparisons and selections,
    which they would be expanded to, it does not. Results do not change.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def CompressPromoteAccumulators
    : Pass<"compress-promote-accumulators", "::mlir::func::FuncOp"> {
  let summary = "Keeps what a loop accumulates in registers";
  let description = [{
    An element of a buffer that an `scf.for` loads, combines and stores in each
    iteration, at one place, and touches nowhere else, becomes a value that the
    loop carries: loaded before the loop, stored after it. Such loops are the
    reductions of `linalg`; LLVM vectorizes them then.

    Buffers are told apart by where they are made. Views of one block count as
    different buffers, as `compress-plan-memory` makes them. Loops with other
    effects than loads and stores stay, and so do generated kernels.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
  let statistics = [
    Statistic<"numPromoted", "promoted", "Elements kept in registers">
  ];
}

def CompressPlanMemory : Pass<"compress-plan-memory", "::mlir::func::FuncOp"> {
  let summary = "Puts buffers that are not needed at the same time at one place";
  let description = [{
    Buffers of known size that the function's body allocates and frees become
    views of one block, which the attribute `compress.workspace` gives the size
    of. Buffers share a place if one is freed before the other is allocated
    (upstream's `optimize-allocation-liveness` moves frees up to the last use).
    Buffers of a size known at run time stay with the allocator, which reuses
    what was freed.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numPlaced", "placed", "Buffers that became views">
  ];
}

def CompressEmitEntry : Pass<"compress-emit-entry", "::mlir::ModuleOp"> {
  let summary = "Emits the entry point of the model ABI";
  let description = [{
    On the LLVM dialect: adds
    `void compress_entry(ptr ctx, ptr weights, ptr inputs, ptr outputs)`, which
    calls `main_graph` (and, once, `compress_prepare`) with memref descriptors
    as include/compress/Runtime/ModelABI.h describes.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // COMPRESS_TARGET_HOST_PASSES_TD
