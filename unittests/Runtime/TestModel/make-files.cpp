//===- make-files.cpp - model.h and model.safetensors of affine -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Runtime/ModelABI.h"
#include "compress/Support/ModelHeader.h"
#include "compress/Support/OutputFile.h"
#include "compress/Support/Safetensors.h"

#include "llvm/Support/Format.h"

using namespace compress;

int main(int argc, char **argv) {
  llvm::ExitOnError check("make-files: ");
  std::string directory = argv[1];
  const float values[] = {2.0f, 0.5f};
  SafetensorsWriter writer;
  check(writer.add("w", "F32", {2},
                   llvm::ArrayRef<char>(reinterpret_cast<const char *>(values),
                                        sizeof values)));
  writer.addMetadata("model", "affine");
  WeightFileInfo info = check(writer.write(directory + "/model.safetensors"));
  if (info.hash != compress_model_variants->info->weights_hash) {
    llvm::errs() << "WEIGHTS_HASH should be 0x"
                 << llvm::format_hex_no_prefix(info.hash, 16) << "\n";
    return 1;
  }
  check(writeFile(directory + "/model.h",
                  renderModelHeader(*compress_model_variants->info)));
  return 0;
}
