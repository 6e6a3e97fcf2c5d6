//===- AllTargets.cpp - The one list of targets -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/CUDA/CUDATarget.h"
#include "compress/Target/ROCm/ROCmTarget.h"
#include "compress/Target/Reference/ReferenceTarget.h"
#include "compress/Target/SME/SMETarget.h"
#include "compress/Target/Target.h"
#include "compress/Target/Vulkan/VulkanTarget.h"

void compress::registerAllTargets() {
  static bool once = [] {
    TargetRegistry::get().add(createCPUTarget());
    TargetRegistry::get().add(createReferenceTarget());
    TargetRegistry::get().add(createVulkanTarget());
    TargetRegistry::get().add(createSMETarget());
    TargetRegistry::get().add(createCUDATarget());
    TargetRegistry::get().add(createROCmTarget());
    return true;
  }();
  (void)once;
}
