// What devices are described as: memory levels, rows that kernels take, elements
// that instructions multiply, and peaks, which are nobody's measurements.
//
// RUN: compress-opt %s --compress-assign-target=target=cuda:sm_90 | FileCheck %s --check-prefixes=ALL,WARPS,CUDA
// RUN: compress-opt %s --compress-assign-target=target=rocm:gfx942 | FileCheck %s --check-prefixes=ALL,WARPS,ROCM
// RUN: env COMPRESS_VULKAN_DEVICE= compress-opt %s --compress-assign-target=target=vulkan | FileCheck %s --check-prefixes=ALL,VULKAN
// RUN: compress-opt %s --compress-assign-target=target=sme | FileCheck %s --check-prefix=SME

// ALL: module attributes
// CUDA-SAME: "chip" = "sm_90"
// ROCM-SAME: "chip" = "gfx942"
// ALL-SAME: "computes_in" = "f32"
// WARPS-SAME: "memory_levels" = ["registers", "shared", "device", "host"]
// VULKAN-SAME: "memory_levels" = ["registers", "device", "host"]
// ALL-SAME: "rows_element" = [0, -1]
// WARPS-SAME: "rows_vector" = [1, 8]
// WARPS-SAME: "rows_matrix" = [2, -1]
// CUDA-SAME: "matrix_elements" = ["bf16", "f16", "i8"], "sparse_matrix_elements" = ["bf16", "f16", "i8"]
// ROCM-SAME: "matrix_elements" = ["bf16", "f16", "i8"], "sparse_matrix_elements" = []
// CUDA-SAME: "bytes_per_second" = 3.350000e+12
// WARPS-SAME: "peaks_from" = "the data sheet, not measured"
// VULKAN-SAME: "peaks_from" = "nominal, for a small GPU"

// SME: "memory_levels" = ["tiles", "packed blocks", "memory"]
// SME-SAME: "rows_tiles" = [4, -1], "rows_cpu" = [0, 3]
// SME-SAME: "peaks_from" = "nominal
module {}
