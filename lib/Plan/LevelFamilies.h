//===- LevelFamilies.h - The level names of this library --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PLAN_LEVELFAMILIES_H
#define COMPRESS_LIB_PLAN_LEVELFAMILIES_H

#include "compress/Plan/Level.h"

namespace compress {

std::vector<LevelFamily> getBuiltinLevelFamilies();

} // namespace compress

#endif // COMPRESS_LIB_PLAN_LEVELFAMILIES_H
