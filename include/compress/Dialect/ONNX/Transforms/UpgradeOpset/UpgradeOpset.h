//===- UpgradeOpset.h - onnx-upgrade-opset ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

/// Rewrites `module` for opset `version` of the standard domain (see the pass
/// `onnx-upgrade-opset`); returns how many operators changed. Nothing happens
/// when the module imports that version or a newer one. Fails with a diagnostic
/// on the operator that has no equivalent; the module is then half upgraded and
/// must not be used.
mlir::FailureOr<unsigned> upgradeOpset(mlir::ModuleOp module, int64_t version);

/// The IR version that ONNX pairs with an opset of the standard domain: the
/// lowest in which a model may import it.
int64_t getIRVersion(int64_t opset);

#define GEN_PASS_DECL_UPGRADEOPSET
#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_H
