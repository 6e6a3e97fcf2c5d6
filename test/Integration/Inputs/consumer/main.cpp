// A program outside of the project that uses the installed library.
#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"

int main() {
  mlir::MLIRContext context;
  context.loadDialect<compress::CompressDialect>();
  mlir::Type type = mlir::parseType(
      "!compress.tensor<4x8xf32, quant<i4, group = [1, *], scale = f16>>",
      &context);
  llvm::outs()
      << llvm::cast<compress::CompressedTensorType>(type).getStorageBits()
      << " bits\n";
}
