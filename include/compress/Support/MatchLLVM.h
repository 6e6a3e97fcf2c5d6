//===- MatchLLVM.h - The layout that LLVM's classes have there --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Included before anything else when libLLVM was built without assertions: the
// size of llvm::Statistic, and so of mlir::Pass::Statistic and of every pass
// with statistics, depends on NDEBUG, and the library constructs its own kind.
// Our assertions stay on.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SUPPORT_MATCHLLVM_H
#define COMPRESS_SUPPORT_MATCHLLVM_H

#ifdef NDEBUG
#include "llvm/ADT/Statistic.h"
#else
#define NDEBUG
#include "llvm/ADT/Statistic.h"
#undef NDEBUG
#include <cassert> // with assertions again
#endif

#endif // COMPRESS_SUPPORT_MATCHLLVM_H
