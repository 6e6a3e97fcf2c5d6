//===- EmitStages.cpp - IR between the stages, for people -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmitStages.h"
#include "compress/Pipelines/Pipelines.h"
#include "compress/Support/OutputFile.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Path.h"
#include <mutex>

using namespace mlir;
using namespace compress;

llvm::Expected<EmitStages> EmitStages::parse(ArrayRef<std::string> options) {
  EmitStages stages;
  for (const std::string &list : options) {
    SmallVector<StringRef> parts;
    StringRef(list).split(parts, ',');
    for (StringRef part : parts) {
      StringRef stage = part.trim();
      if (stage == "llvm")
        stages.llvmIR = true;
      else if (stage.consume_front("mlir-after=") && !stage.empty())
        stages.pending.push_back(stage.str());
      else
        return llvm::createStringError(
            "--emit: '" + part +
            "' is not known; write mlir-after=STAGE or llvm");
    }
  }
  return stages;
}

static std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(
      os,
      OpPrintingFlags().elideLargeElementsAttrs(32).elideLargeResourceString(
          64));
  os << "\n";
  return text;
}

static llvm::Error writeStage(StringRef stage, StringRef text,
                              StringRef folder) {
  SmallString<256> path(folder);
  llvm::sys::path::append(path, "model.after-" + stage + ".mlir");
  return writeFile(path, text);
}

llvm::Error EmitStages::write(StringRef stage, ModuleOp module,
                              StringRef folder) {
  auto it = llvm::find(pending, stage);
  if (it == pending.end())
    return llvm::Error::success();
  pending.erase(it);
  return writeStage(stage, print(module), folder);
}

namespace {
/// Keeps the IR after the passes of some names, and the names of all.
struct Capture : PassInstrumentation {
  Capture(ArrayRef<std::string> wanted, llvm::StringMap<std::string> &text,
          std::vector<std::string> &seen)
      : wanted(wanted), text(text), seen(seen) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    std::string name = pass->getArgument().str();
    if (name.empty())
      return;
    // A pass that runs several times, or on several functions, is shown as
    // often. Printed outside of the lock: printing verifies, which waits in the
    // thread pool, where this thread may take up another function.
    std::string shown;
    if (llvm::is_contained(wanted, name))
      shown = "// ----- after " + name + " on " +
              op->getName().getStringRef().str() + "\n" + print(op);
    std::lock_guard<std::mutex> lock(mutex);
    if (!llvm::is_contained(seen, name))
      seen.push_back(name);
    if (!shown.empty())
      text[name] += shown;
  }

  ArrayRef<std::string> wanted;
  llvm::StringMap<std::string> &text;
  std::vector<std::string> &seen;
  std::mutex mutex;
};
} // namespace

llvm::Error EmitStages::writePasses(ModuleOp module, StringRef folder,
                                    const Target &target,
                                    const TargetOptions &givenOptions) {
  if (pending.empty())
    return llvm::Error::success();
  TargetOptions options = givenOptions;
  if (llvm::Error error = target.resolve(options))
    return error;
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(module->clone()));
  llvm::StringMap<std::string> text;
  std::vector<std::string> seen;
  PassManager pm(module.getContext());
  buildCompilePipeline(pm, target, options);
  pm.addInstrumentation(std::make_unique<Capture>(pending, text, seen));
  bool complete = succeeded(pm.run(*copy));
  for (const std::string &stage : pending) {
    if (auto it = text.find(stage); it != text.end()) {
      if (llvm::Error error = writeStage(stage, it->second, folder))
        return error;
    } else if (complete) {
      return llvm::createStringError(
          "--emit: there is no stage '" + stage +
          "'; there are import, simplify, plan, onnx, " +
          llvm::join(seen, ", "));
    }
  }
  pending.clear();
  return llvm::Error::success();
}
