//===- EncodingFuzzer.cpp - Random types and random payloads --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random type expressions (many of them illegal), random and damaged payloads.
// Nothing may crash; what is accepted must behave: text and bytecode round
// trips, decoding, re-encoding and simplification agree. (That compiled code
// agrees on damaged payloads is in EncodingProductJITTest.cpp.)
//
//   compress-encoding-fuzzer [--seed=N] [--iterations=N] [--seconds=N]
//                            [--trace] [GoogleTest options]
//
// Iteration i of seed s draws from seed s + i alone, so that
// `--seed=<s + i> --iterations=1` repeats it. `--trace` prints each case before
// it runs, to find one that crashes. Without options it takes a few seconds;
// build it with `cmake --preset asan` to look deeper.
//
//===----------------------------------------------------------------------===//

#include "EncodingGenerator.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"
#include <chrono>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;
using namespace compress::testing;

namespace {

struct Options {
  uint64_t seed = 1;
  uint64_t iterations = 4000;
  /// Overrides `iterations` for each test when it is not 0.
  uint64_t seconds = 0;
  bool trace = false;
} options;

/// Payloads are made for types of at most so many bits.
constexpr uint64_t maxBits = 1 << 18;

/// The size of a payload, or nothing if it is too large or unknown.
std::optional<uint64_t> getSize(CompressedTensorType type) {
  uint64_t bits = 0;
  auto count = [](ArrayRef<int64_t> shape) -> std::optional<uint64_t> {
    uint64_t product = 1;
    for (int64_t dim : shape) {
      if (ShapedType::isDynamic(dim) || dim > int64_t(maxBits))
        return std::nullopt;
      product *= uint64_t(dim);
      if (product > maxBits)
        return std::nullopt;
    }
    return product;
  };
  if (!count(type.getShape()))
    return std::nullopt;
  for (RankedTensorType leaf : type.getLeafTypes()) {
    auto elements = count(leaf.getShape());
    if (!elements)
      return std::nullopt;
    bits += *elements * HostTensor::getWidth(leaf.getElementType());
    if (bits > maxBits)
      return std::nullopt;
  }
  return bits;
}

/// One random case.
struct Fuzz : public ::testing::Test {
  /// Calls `body` for each iteration, with everything drawn from its seed.
  void loop(uint64_t weight, llvm::function_ref<void()> body) {
    auto begin = std::chrono::steady_clock::now();
    for (uint64_t i = 0;; ++i) {
      if (options.seconds
              ? std::chrono::steady_clock::now() - begin >
                    std::chrono::seconds(options.seconds)
              : i >= std::max<uint64_t>(options.iterations / weight, 1))
        break;
      // Types and resources stay in a context for ever.
      if (i % 256 == 0)
        newContext();
      seed = options.seed + i;
      generator.emplace(context.get(), seed);
      body();
      if (HasFatalFailure() || HasNonfatalFailure()) {
        ADD_FAILURE() << "repeat with --seed=" << seed << " --iterations=1";
        break;
      }
    }
  }

  void newContext() {
    // What refers to the old one goes first.
    generator.reset();
    context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
    context->loadDialect<CompressDialect, func::FuncDialect>();
    // Refusals are what most iterations are about.
    context->getDiagEngine().registerHandler([](Diagnostic &diagnostic) {
      EXPECT_FALSE(diagnostic.str().empty());
      return success();
    });
  }

  uint64_t pick(uint64_t n) { return generator->pick(n); }

  void trace(const Twine &text) {
    if (options.trace)
      llvm::errs() << "seed " << seed << ": " << text << "\n";
  }

  CompressedTensorType parse(const std::string &text) {
    trace(text);
    return dyn_cast_or_null<CompressedTensorType>(
        parseType(text, context.get()));
  }

  /// A legal type whose payload is small, sizes `?` allowed.
  CompressedTensorType randomType() {
    for (;;) {
      CompressedTensorType type = parse(generator->randomText());
      if (!type || !type.hasStaticShape())
        continue;
      uint64_t count = 1;
      for (int64_t dim : type.getShape())
        count *= dim;
      if (count <= 2048)
        return type;
    }
  }

  std::string print(Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  /// A weight, sometimes with what measurement and training can leave in one.
  HostTensor randomWeight(CompressedTensorType type) {
    HostTensor value = makeWeight(type.getShape(), type.getElementType(), seed);
    if (value.getNumElements() == 0 || isa<IntegerType>(type.getElementType()))
      return value;
    const double odd[] = {0.0,   -0.0,   1e30,     -1e38,
                          1e-40, 5e-324, INFINITY, std::nan("")};
    switch (pick(6)) {
    case 0:
      for (int64_t i = 0, e = value.getNumElements(); i < e; ++i)
        value.setDouble(i, odd[pick(2)]);
      break;
    case 1:
      for (int64_t i = 0; i < 3; ++i)
        value.setDouble(pick(value.getNumElements()),
                        odd[pick(std::size(odd))]);
      break;
    default:
      break;
    }
    return value;
  }

  /// A type like this one, with other numbers.
  CompressedTensorType mutateType(CompressedTensorType type) {
    for (unsigned attempt = 0; attempt < 8; ++attempt) {
      std::string text = print(type);
      SmallVector<std::pair<size_t, size_t>> numbers;
      for (size_t i = 0; i < text.size(); ++i) {
        size_t end = i;
        while (end < text.size() && llvm::isDigit(text[end]))
          ++end;
        if (end > i && (i == 0 || !llvm::isAlnum(text[i - 1])))
          numbers.push_back({i, end - i});
        i = end;
      }
      if (numbers.empty())
        return {};
      auto [at, length] = numbers[pick(numbers.size())];
      int64_t value = 0;
      (void)!StringRef(text).substr(at, length).getAsInteger(10, value);
      value = std::max<int64_t>(0, value + int64_t(pick(5)) - 2);
      text.replace(at, length, std::to_string(value));
      CompressedTensorType other = parse(text);
      if (other && isRefined(other) && getSize(other))
        return other;
    }
    return {};
  }

  OwningOpRef<ModuleOp> makeModule(const EncodedTensor &tensor) {
    OpBuilder b(context.get());
    Location loc = b.getUnknownLoc();
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto function = func::FuncOp::create(
        b, loc, "f", b.getFunctionType(tensor.type, tensor.type));
    b.setInsertionPointToStart(function.addEntryBlock());
    Value constant =
        ConstantOp::create(b, loc, tensor.type, tensor.leaves, "w");
    func::ReturnOp::create(b, loc, constant);
    return module;
  }

  void checkRoundTrips(const EncodedTensor &tensor) {
    OwningOpRef<ModuleOp> module = makeModule(tensor);
    ASSERT_TRUE(succeeded(module->verify()));
    std::string text, bytecode;
    llvm::raw_string_ostream textStream(text), byteStream(bytecode);
    module->print(textStream);
    ASSERT_TRUE(succeeded(writeBytecodeToFile(*module, byteStream)));
    for (const std::string &form : {text, bytecode}) {
      auto again = parseSourceString<ModuleOp>(form, context.get());
      ASSERT_TRUE(again) << text;
      ConstantOp constant;
      again->walk([&](ConstantOp op) { constant = op; });
      ASSERT_EQ(constant.getType(), tensor.type);
      for (auto [a, b] : llvm::zip_equal(constant.getLeaves(), tensor.leaves))
        ASSERT_TRUE(isSame(a, b)) << text;
    }
  }

  /// What must hold of every constant that verification accepts.
  void checkConstant(const EncodedTensor &tensor) {
    SCOPED_TRACE(print(tensor.type));
    auto decoded = decodeTensor(tensor);
    ASSERT_TRUE(bool(decoded)) << llvm::toString(decoded.takeError());
    ASSERT_EQ(decoded->getShape(), tensor.type.getShape());
    ASSERT_EQ(decoded->getElementType(), tensor.type.getElementType());
    checkRoundTrips(tensor);

    EncodedTensor simpler = simplifyTensor(tensor, /*allowRounding=*/false);
    auto same = decodeTensor(simpler);
    ASSERT_TRUE(bool(same)) << llvm::toString(same.takeError());
    EXPECT_TRUE(isSameValue(*same, *decoded))
        << "simplified to " << print(simpler.type);
    auto rounded = decodeTensor(simplifyTensor(tensor, /*allowRounding=*/true));
    ASSERT_TRUE(bool(rounded)) << llvm::toString(rounded.takeError());

    // Another encoding of plain values holds the decode.
    Type element = tensor.type.getElementType();
    auto dense = CompressedTensorType::get(
        context.get(), tensor.type.getShape(), element,
        DenseAttr::get(context.get(), element));
    auto cast = castTensor(tensor, dense);
    ASSERT_TRUE(bool(cast)) << llvm::toString(cast.takeError());
    EXPECT_TRUE(isSameValue(cast->leaves[0], *decoded));
  }

  std::unique_ptr<MLIRContext> context;
  std::optional<EncodingGenerator> generator;
  uint64_t seed = 0;
};

/// Text is a type that prints and parses back, or is refused.
TEST_F(Fuzz, Types) {
  uint64_t accepted = 0;
  loop(1, [&] {
    std::string text = generator->randomText();
    if (pick(3))
      text = generator->mutate(text);
    trace(text);
    Type type = parseType(text, context.get());
    if (!type)
      return;
    ++accepted;
    std::string printed = print(type);
    EXPECT_EQ(parseType(printed, context.get()), type) << printed;
    auto tensor = dyn_cast<CompressedTensorType>(type);
    if (!tensor)
      return;
    // Accounting holds of every type.
    SmallVector<RankedTensorType> leaves = tensor.getLeafTypes();
    if (auto size = getSize(tensor))
      EXPECT_EQ(*size, tensor.getStorageBits()) << printed;
  });
  RecordProperty("accepted", std::to_string(accepted));
}

/// Encoding gives a legal payload, for any weight, or an error.
TEST_F(Fuzz, Encoding) {
  loop(8, [&] {
    CompressedTensorType type = randomType();
    auto encoded = encodeTensor(type, randomWeight(type));
    if (!encoded) {
      EXPECT_FALSE(llvm::toString(encoded.takeError()).empty());
      return;
    }
    llvm::Error error = verifyPayload(encoded->type, encoded->leaves);
    ASSERT_FALSE(bool(error))
        << print(type) << ": " << llvm::toString(std::move(error));
    checkConstant(*encoded);
  });
}

/// A payload is refused, or it is as good as one that encoding made.
TEST_F(Fuzz, Payloads) {
  uint64_t accepted = 0;
  loop(8, [&] {
    CompressedTensorType type = randomType();
    auto encoded = encodeTensor(
        type, makeWeight(type.getShape(), type.getElementType(), seed));
    if (!encoded) {
      llvm::consumeError(encoded.takeError());
      return;
    }
    for (unsigned k = 0; k < 8; ++k) {
      CompressedTensorType other = encoded->type;
      if (pick(2))
        other = mutateType(other);
      if (!other || !getSize(other))
        continue;
      EncodedTensor tensor{other,
                           generator->randomLeaves(other, encoded->leaves)};
      trace("payload " + Twine(k) + " of " + print(other));
      if (llvm::Error error = verifyPayload(other, tensor.leaves)) {
        EXPECT_FALSE(llvm::toString(std::move(error)).empty());
        continue;
      }
      ++accepted;
      checkConstant(tensor);
      if (HasFatalFailure() || HasNonfatalFailure())
        break;
    }
  });
  RecordProperty("accepted", std::to_string(accepted));
}
} // namespace

int main(int argc, char **argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    auto [name, value] = argument.split('=');
    uint64_t *option = name == "--seed"         ? &options.seed
                       : name == "--iterations" ? &options.iterations
                       : name == "--seconds"    ? &options.seconds
                                                : nullptr;
    if (argument == "--trace") {
      options.trace = true;
    } else if (!option || value.getAsInteger(10, *option)) {
      llvm::errs() << "compress-encoding-fuzzer: error: unknown argument '"
                   << argument << "'; known are --seed=N, --iterations=N, "
                   << "--seconds=N, --trace\n";
      return 1;
    }
  }
  return RUN_ALL_TESTS();
}
