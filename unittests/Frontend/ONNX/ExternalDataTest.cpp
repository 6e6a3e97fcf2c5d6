//===- ExternalDataTest.cpp - weights in files beside the model -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TestModels.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <unistd.h>

using namespace mlir;
using namespace test;
using TP = pb::TensorProto;

namespace {

class ExternalData : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("onnx-test", root));
    ASSERT_FALSE(llvm::sys::fs::create_directory(at("model")));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(root); }

  std::string at(const char *name) const {
    llvm::SmallString<128> path(root);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }
  void write(const char *name, llvm::StringRef content) {
    std::error_code code;
    llvm::raw_fd_ostream(at(name), code) << content;
    ASSERT_FALSE(code);
  }
  std::string read(const char *name) const {
    auto buffer = llvm::MemoryBuffer::getFile(at(name), false, false);
    return buffer ? (*buffer)->getBuffer().str() : "missing";
  }
  /// The matmul model with w in a file.
  pb::ModelProto
  model(std::vector<std::pair<const char *, const char *>> entries) {
    pb::ModelProto model = matmulModel();
    pb::TensorProto *w = model.mutable_graph()->mutable_initializer(0);
    payload = w->raw_data();
    w->clear_raw_data();
    w->set_data_location(TP::EXTERNAL);
    for (auto [key, value] : entries) {
      auto *entry = w->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return model;
  }
  std::string errorOf(const pb::ModelProto &model) {
    MLIRContext context;
    std::vector<std::string> errors;
    std::string file = at("model/m.onnx");
    OwningOpRef<ModuleOp> module =
        import(model.SerializeAsString(), context, &errors, file.c_str());
    if (module || errors.size() != 1)
      return "no single error";
    llvm::StringRef message(errors[0]);
    message.consume_front(file + ": initializer 'w': ");
    return message.str();
  }

  llvm::SmallString<128> root;
  std::string payload;
};

} // namespace

TEST_F(ExternalData, RoundTrip) {
  pb::ModelProto m = model({{"location", "sub/w.bin"},
                            {"offset", "7"},
                            {"length", "80"},
                            {"checksum", "abc"}});
  ASSERT_FALSE(llvm::sys::fs::create_directory(at("model/sub")));
  write("model/sub/w.bin", std::string(7, '\0') + payload);
  write("model/m.onnx", m.SerializeAsString());
  MLIRContext context;
  auto module = compress::onnx::importONNX(at("model/m.onnx"), &context);
  ASSERT_TRUE(succeeded(module));
  ASSERT_FALSE(llvm::sys::fs::create_directory(at("out")));
  ASSERT_TRUE(
      succeeded(compress::onnx::exportONNX(**module, at("out/m.onnx"))));
  EXPECT_TRUE(read("out/m.onnx") == m.SerializeAsString());
  EXPECT_TRUE(read("out/sub/w.bin") == std::string(7, '\0') + payload);
  // Over its own files, which are still mapped.
  ASSERT_TRUE(
      succeeded(compress::onnx::exportONNX(**module, at("model/m.onnx"))));
  EXPECT_TRUE(read("model/sub/w.bin") == std::string(7, '\0') + payload);

  // Inline, and out again.
  compress::onnx::ExportOptions options;
  options.externalData = compress::onnx::ExportOptions::ExternalData::Inline;
  EXPECT_TRUE(exported(**module, nullptr, options) == [&] {
    pb::ModelProto plain = matmulModel();
    return plain.SerializeAsString();
  }());
  std::vector<std::string> errors;
  EXPECT_EQ(exported(**module, &errors), "");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].find("needs a folder"), std::string::npos) << errors[0];
}

TEST_F(ExternalData, Threshold) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module =
      import(matmulModel().SerializeAsString(), context);
  compress::onnx::ExportOptions options;
  options.externalThreshold = 80;
  ASSERT_TRUE(succeeded(
      compress::onnx::exportONNX(*module, at("model/t.onnx"), options)));
  EXPECT_EQ(read("model/t.onnx.data").size(), 80u);
  auto again = compress::onnx::importONNX(at("model/t.onnx"), &context);
  ASSERT_TRUE(succeeded(again));
  options.externalThreshold = std::nullopt;
  options.externalData = compress::onnx::ExportOptions::ExternalData::Inline;
  EXPECT_TRUE(exported(**again, nullptr, options) ==
              matmulModel().SerializeAsString());
}

TEST_F(ExternalData, IsMapped) {
  pb::ModelProto m = model({{"location", "w.bin"}});
  write("model/w.bin", payload);
  write("model/m.onnx", m.SerializeAsString());
  MLIRContext context;
  auto module = compress::onnx::importONNX(at("model/m.onnx"), &context);
  ASSERT_TRUE(succeeded(module));
  (*module)->walk([&](compress::onnx::InitializerOp op) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue());
    ASSERT_TRUE(resource);
    // A mapping starts on a page.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(resource.getData().data()) % 4096,
              0u);
  });
}

TEST_F(ExternalData, Escapes) {
  write("secret.bin", std::string(80, 's'));
  std::string absolute = at("secret.bin");
  EXPECT_EQ(errorOf(model({{"location", "../secret.bin"}})),
            "external data location '../secret.bin' leaves the folder of the "
            "model");
  EXPECT_EQ(errorOf(model({{"location", "a/../../secret.bin"}})),
            "external data location 'a/../../secret.bin' leaves the folder of "
            "the model");
  EXPECT_EQ(errorOf(model({{"location", absolute.c_str()}})),
            "external data location '" + absolute +
                "' is absolute; it must be relative to the model");
  ASSERT_EQ(symlink(absolute.c_str(), at("model/link.bin").c_str()), 0);
  EXPECT_EQ(errorOf(model({{"location", "link.bin"}})),
            "external data location 'link.bin' leaves the folder of the model "
            "through a link");
  // A folder whose name begins like that of the model.
  ASSERT_FALSE(llvm::sys::fs::create_directory(at("model2")));
  write("model2/w.bin", std::string(80, 's'));
  ASSERT_EQ(symlink(at("model2").c_str(), at("model/d").c_str()), 0);
  EXPECT_EQ(errorOf(model({{"location", "d/w.bin"}})),
            "external data location 'd/w.bin' leaves the folder of the model "
            "through a link");
}

TEST_F(ExternalData, Errors) {
  write("model/w.bin", std::string(100, 'w'));
  EXPECT_EQ(errorOf(model({})), "external data without a location");
  EXPECT_EQ(errorOf(model({{"location", "none.bin"}})),
            "cannot open external data '" + at("model/none.bin") +
                "': No such file or directory");
  EXPECT_EQ(errorOf(model({{"location", "."}})),
            "external data location '.' leaves the folder of the model through "
            "a link");
  EXPECT_EQ(errorOf(model({{"location", "w.bin"}, {"offset", "21"}})),
            "external data 'w.bin' has 100 bytes, the tensor needs 80 at "
            "offset 21");
  EXPECT_EQ(errorOf(model(
                {{"location", "w.bin"}, {"offset", "18446744073709551615"}})),
            "external data 'w.bin' has 100 bytes, the tensor needs 80 at "
            "offset 18446744073709551615");
  EXPECT_EQ(errorOf(model({{"location", "w.bin"}, {"offset", "-1"}})),
            "external data offset '-1' is not a number");
  EXPECT_EQ(errorOf(model({{"location", "w.bin"}, {"length", "81"}})),
            "external data length 81 does not fit the tensor, which needs 80 "
            "bytes");
}

TEST_F(ExternalData, FailedExportLeavesNothing) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module =
      import(matmulModel().SerializeAsString(), context);
  std::vector<std::string> errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    errors.push_back(diagnostic.str());
    return success();
  });
  EXPECT_TRUE(
      failed(compress::onnx::exportONNX(*module, at("missing/folder/m.onnx"))));
  ASSERT_EQ(errors.size(), 1u);
  // An older file stays when the graph cannot be exported.
  write("model/m.onnx", "old");
  (*module)->removeAttr("onnx.opset_imports");
  EXPECT_TRUE(failed(compress::onnx::exportONNX(*module, at("model/m.onnx"))));
  EXPECT_EQ(read("model/m.onnx"), "old");
}
