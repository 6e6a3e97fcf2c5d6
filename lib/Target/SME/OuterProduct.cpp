//===- OuterProduct.cpp - Sums of outer products in ZA ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OuterProduct.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ArmSME/IR/ArmSME.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace compress;
using namespace compress::sme;

/// Bytes of an element, and of four codes.
static constexpr int64_t kWord = 4;

// The ABI of ZA asks every function that starts to use it to call
// __arm_tpidr2_save, which stores what a caller has left there to be stored
// "lazily" (AAPCS64, "SME support routines"). It keeps all registers but x14
// to x16. Neither the C library nor every compiler's runtime has it; each model
// library brings its own, which nobody else sees.
static constexpr StringLiteral kSaveZA = R"(
  .arch_extension sme
  .text
  .p2align 2
  .weak __arm_tpidr2_save
  .hidden __arm_tpidr2_save
  .type __arm_tpidr2_save, %function
  .variant_pcs __arm_tpidr2_save
__arm_tpidr2_save:
  mrs x16, TPIDR2_EL0
  cbz x16, 2f
  ldrh w14, [x16, #10]
  cbnz w14, 3f
  ldr w14, [x16, #12]
  cbnz w14, 3f
  ldrh w14, [x16, #8]
  cbz w14, 2f
  ldr x16, [x16]
  cbz x16, 2f
  mov w15, wzr
1:
  str za[w15, 0], [x16]
  addsvl x16, x16, #1
  add w15, w15, #1
  cmp w15, w14
  b.ne 1b
2:
  ret
3:
  brk #1
  .size __arm_tpidr2_save, .-__arm_tpidr2_save
)";

static StringRef getName(Product product) {
  switch (product) {
  case Product::F32:
    return "compress_sme_fmopa";
  case Product::S8S8:
    return "compress_sme_smopa";
  case Product::U8S8:
    return "compress_sme_usmopa";
  case Product::S8U8:
    return "compress_sme_sumopa";
  case Product::U8U8:
    return "compress_sme_umopa";
  }
  llvm_unreachable("covered switch");
}

namespace {
/// Writes the function: blocks of two vectors of rows by two of columns, which
/// fill the four tiles of 32-bit elements.
class Writer {
public:
  Writer(func::FuncOp function, Product product)
      : b(function.getContext()), loc(function.getLoc()), product(product),
        words(VectorType::get({kWord}, getElement(), {true})),
        wordMask(VectorType::get({kWord}, b.getI1Type(), {true})),
        bytes(VectorType::get({4 * kWord}, b.getI8Type(), {true})),
        byteMask(VectorType::get({4 * kWord}, b.getI1Type(), {true})) {
    b.setInsertionPointToStart(function.addEntryBlock());
    auto arguments = function.getArguments();
    a = arguments[0], rhs = arguments[1], c = arguments[2];
    m = arguments[3], n = arguments[4], k = arguments[5];
    lda = arguments[6], ldb = arguments[7];
  }

  void write() {
    Value scale = call("llvm.vscale.i64", b.getI64Type(), {});
    length = mul(scale, i64(kWord));
    Value step = add(length, length);
    loop(i64(0), m, step, [&](Value i) {
      Strip rows = strip(i, m);
      loop(i64(0), n, step, [&](Value j) {
        Strip columns = strip(j, n);
        moveTiles(rows, columns, /*isStore=*/false);
        loop(i64(0), k, i64(1), [&](Value x) { multiply(rows, columns, x); });
        moveTiles(rows, columns, /*isStore=*/true);
      });
    });
    func::ReturnOp::create(b, loc);
  }

private:
  /// Two vectors of rows or columns: where they start, and what is within.
  struct Strip {
    Value start[2], count[2], mask[2];
  };

  Type getElement() {
    return product == Product::F32 ? Type(b.getF32Type()) : b.getI32Type();
  }
  Value i64(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
  Value call(StringRef name, Type result, ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name),
                                         arguments)
        .getResults();
  }
  Value at(Value pointer, Value index) {
    return LLVM::GEPOp::create(b, loc, pointer.getType(), getElement(), pointer,
                               ValueRange(index));
  }
  void loop(Value lower, Value upper, Value step,
            llvm::function_ref<void(Value)> body) {
    auto op = scf::ForOp::create(b, loc, lower, upper, step);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    body(op.getInductionVar());
  }

  Strip strip(Value start, Value end) {
    Strip result;
    for (unsigned v = 0; v < 2; ++v) {
      result.start[v] = v ? add(start, length) : start;
      Value left = arith::SubIOp::create(b, loc, end, result.start[v]);
      // None where negative.
      result.count[v] = arith::MinSIOp::create(b, loc, left, length);
      result.mask[v] = call("llvm.aarch64.sve.whilelt.nxv4i1.i64", wordMask,
                            {result.start[v], end});
    }
    return result;
  }

  /// Loads or stores the block of c, row by row.
  void moveTiles(const Strip &rows, const Strip &columns, bool isStore) {
    for (unsigned v = 0; v < 2; ++v)
      loop(i64(0), rows.count[v], i64(1), [&](Value r) {
        Value row = mul(add(rows.start[v], r), ldb);
        Value slice = arith::TruncIOp::create(b, loc, b.getI32Type(), r);
        for (unsigned w = 0; w < 2; ++w) {
          Value address = at(c, add(row, columns.start[w]));
          IntegerAttr tile = b.getI32IntegerAttr(2 * v + w);
          if (isStore)
            arm_sme::aarch64_sme_st1w_horiz::create(b, loc, columns.mask[w],
                                                    address, tile, slice);
          else
            arm_sme::aarch64_sme_ld1w_horiz::create(b, loc, columns.mask[w],
                                                    address, tile, slice);
        }
      });
  }

  void multiply(const Strip &rows, const Strip &columns, Value x) {
    auto load = [&](Value from, Value stride, const Strip &strip, unsigned v) {
      Value address = at(from, add(mul(x, stride), strip.start[v]));
      return call(product == Product::F32 ? "llvm.aarch64.sve.ld1.nxv4f32"
                                          : "llvm.aarch64.sve.ld1.nxv4i32",
                  words, {strip.mask[v], address});
    };
    Value left[2], right[2];
    for (unsigned v = 0; v < 2; ++v)
      left[v] = load(a, lda, rows, v);
    for (unsigned v = 0; v < 2; ++v)
      right[v] = load(rhs, ldb, columns, v);
    if (product == Product::F32) {
      for (unsigned v = 0; v < 2; ++v)
        for (unsigned w = 0; w < 2; ++w)
          arm_sme::aarch64_sme_mopa::create(
              b, loc, b.getI32IntegerAttr(2 * v + w), rows.mask[v],
              columns.mask[w], left[v], right[w]);
      return;
    }
    // What is not there was loaded as zeros.
    Value pattern = LLVM::ConstantOp::create(b, loc, b.getI32Type(),
                                             b.getI32IntegerAttr(31));
    Value all = call("llvm.aarch64.sve.ptrue.nxv16i1", byteMask, {pattern});
    for (unsigned v = 0; v < 2; ++v) {
      left[v] = LLVM::BitcastOp::create(b, loc, bytes, left[v]);
      right[v] = LLVM::BitcastOp::create(b, loc, bytes, right[v]);
    }
    for (unsigned v = 0; v < 2; ++v)
      for (unsigned w = 0; w < 2; ++w)
        multiplyBytes(all, left[v], right[w], b.getI32IntegerAttr(2 * v + w));
  }

  void multiplyBytes(Value all, Value x, Value y, IntegerAttr tile) {
    switch (product) {
    case Product::S8S8:
      arm_sme::aarch64_sme_smopa_wide::create(b, loc, tile, all, all, x, y);
      return;
    case Product::U8S8:
      arm_sme::aarch64_sme_usmopa_wide::create(b, loc, tile, all, all, x, y);
      return;
    case Product::S8U8:
      arm_sme::aarch64_sme_sumopa_wide::create(b, loc, tile, all, all, x, y);
      return;
    case Product::U8U8:
      arm_sme::aarch64_sme_umopa_wide::create(b, loc, tile, all, all, x, y);
      return;
    case Product::F32:
      llvm_unreachable("not bytes");
    }
  }

  OpBuilder b;
  Location loc;
  Product product;
  VectorType words, wordMask, bytes, byteMask;
  Value a, rhs, c, m, n, k, lda, ldb, length;
};
} // namespace

func::FuncOp compress::sme::getOuterProduct(ModuleOp module, Product product) {
  StringRef name = getName(product);
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  Type i64 = builder.getI64Type();
  auto function = func::FuncOp::create(
      builder, module.getLoc(), name,
      builder.getFunctionType(
          {pointer, pointer, pointer, i64, i64, i64, i64, i64}, {}));
  function.setPrivate();
  // Streaming mode and ZA are on between its entry and its exit.
  for (StringRef attribute : {"arm_locally_streaming", "arm_new_za"})
    function->setAttr(attribute, builder.getUnitAttr());
  // LLVM 22 does not count the call to __arm_tpidr2_save when it looks whether
  // the return address must be saved; with a frame pointer it is.
  function->setAttr("passthrough", builder.getArrayAttr(builder.getStrArrayAttr(
                                       {"frame-pointer", "all"})));
  function->setAttr(kGeneratedAttr, builder.getUnitAttr());
  Writer(function, product).write();
  StringRef assembly = LLVM::LLVMDialect::getModuleLevelAsmAttrName();
  if (!module->hasAttr(assembly)) {
    SmallVector<StringRef> lines;
    StringRef(kSaveZA).split(lines, '\n', -1, /*KeepEmpty=*/false);
    module->setAttr(assembly, builder.getStrArrayAttr(lines));
  }
  return function;
}
