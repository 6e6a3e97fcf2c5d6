//===- ModelHeader.cpp - The generated model.h ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/ModelHeader.h"
#include "compress/Support/Format.h"
#include "compress/Support/Npz.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

using namespace compress;
using namespace llvm;

// The text of Model.h, put here by CMake, so that the two never differ.
static constexpr char modelInterface[] =
#include "ModelInterfaceText.inc"
    ;

std::string compress::toCIdentifier(StringRef name) {
  std::string id;
  for (char c : name)
    id += isAlnum(c) ? c : '_';
  if (id.empty() || isDigit(id[0]))
    id = "m" + id;
  return id;
}

/// Text that cannot end a comment or a line.
static std::string commentText(StringRef text) {
  std::string safe;
  for (char c : text) {
    bool endsComment = c == '/' && !safe.empty() && safe.back() == '*';
    safe += endsComment || !isPrint(c) ? '?' : c;
  }
  return safe;
}

/// Identifiers for a list of tensors, made unique.
static std::vector<std::string> identifiers(const CompressTensorInfo *list,
                                            int64_t count) {
  std::vector<std::string> ids;
  StringSet<> used;
  for (int64_t i = 0; i < count; ++i) {
    std::string id = toCIdentifier(list[i].name);
    while (!used.insert(id).second)
      id += "_";
    ids.push_back(id);
  }
  return ids;
}

static StringRef cType(int32_t dtype) {
  switch (dtype) {
  case COMPRESS_DTYPE_F32:
    return "float";
  case COMPRESS_DTYPE_F64:
    return "double";
  case COMPRESS_DTYPE_I8:
    return "int8_t";
  case COMPRESS_DTYPE_I16:
    return "int16_t";
  case COMPRESS_DTYPE_I32:
    return "int32_t";
  case COMPRESS_DTYPE_I64:
    return "int64_t";
  case COMPRESS_DTYPE_U8:
  case COMPRESS_DTYPE_BOOL:
    return "uint8_t";
  case COMPRESS_DTYPE_U16:
  case COMPRESS_DTYPE_F16:
  case COMPRESS_DTYPE_BF16:
    return "uint16_t"; // the bits
  case COMPRESS_DTYPE_U32:
    return "uint32_t";
  case COMPRESS_DTYPE_U64:
    return "uint64_t";
  default:
    return "void";
  }
}

static ArrayRef<int64_t> shapeOf(const CompressTensorInfo &info) {
  return ArrayRef<int64_t>(info.dims, info.rank);
}

static void printTensors(raw_ostream &os, StringRef title,
                         const CompressTensorInfo *list, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    os << " * " << (i ? std::string(title.size(), ' ') : title.str()) << " ["
       << i << "] " << commentText(list[i].name) << ": "
       << dtypeSpelling(list[i].dtype) << ' ' << formatShape(shapeOf(list[i]))
       << '\n';
}

/// `static inline CompressTensor <prefix>_input_<id>(data, dynamic dims)`.
static void printInput(raw_ostream &os, StringRef prefix, StringRef id,
                       const CompressTensorInfo &info) {
  os << "static inline CompressTensor " << prefix << "_input_" << id
     << "(const " << cType(info.dtype) << " *data";
  for (int32_t d = 0; d < info.rank; ++d)
    if (info.dims[d] < 0)
      os << ", int64_t dim" << d;
  os << ") {\n  CompressTensor t = {0};\n  t.data = (void *)data;\n"
     << "  t.dtype = " << info.dtype << "; /* " << dtypeSpelling(info.dtype)
     << " */\n  t.rank = " << info.rank << ";\n";
  for (int32_t d = 0; d < info.rank; ++d) {
    os << "  t.dims[" << d << "] = ";
    if (info.dims[d] < 0)
      os << "dim" << d << ";\n";
    else
      os << info.dims[d] << ";\n";
  }
  os << "  return t;\n}\n";
}

static void printExample(raw_ostream &os, StringRef p,
                         ArrayRef<std::string> ids,
                         const CompressModelInfo &info) {
  os << " * Example (link with the model's .so):\n *\n"
     << " *   char error[256];\n"
     << " *   CompressModel *model = " << p
     << "_create(NULL, NULL, error, sizeof error);\n"
     << " *   if (!model) { fprintf(stderr, \"%s\\n\", error); return 1; }\n"
     << " *   CompressTensor in[" << std::max<int64_t>(info.num_inputs, 1)
     << "] = {";
  for (int64_t i = 0; i < info.num_inputs; ++i) {
    os << (i ? ", " : "") << p << "_input_" << ids[i] << "(data" << i;
    for (int64_t d : shapeOf(info.inputs[i]))
      if (d < 0)
        os << ", n";
    os << ")";
  }
  if (!info.num_inputs)
    os << "{0}";
  os << "};\n"
     << " *   CompressTensor out[" << std::max<int64_t>(info.num_outputs, 1)
     << "] = {{0}}; // NULL data: allocated for you\n"
     << " *   if (" << p << "_run(model, in, out) != COMPRESS_OK) {\n"
     << " *     fprintf(stderr, \"%s\\n\", " << p << "_last_error(model));\n"
     << " *     return 1;\n"
     << " *   }\n"
     << " *   // out[0].data, out[0].rank, out[0].dims\n"
     << " *   " << p << "_release(out);\n"
     << " *   " << p << "_destroy(model);\n";
}

std::string compress::renderModelHeader(const CompressModelInfo &info) {
  std::string text;
  raw_string_ostream os(text);
  std::string p = toCIdentifier(info.model_name);
  std::string guard = StringRef(p).upper() + "_MODEL_H";
  std::vector<std::string> ids = identifiers(info.inputs, info.num_inputs);
  os << "/* The model '" << commentText(info.model_name) << "', compiled by "
     << commentText(info.producer) << ". Generated: do not edit.\n *\n";
  printTensors(os, "Inputs: ", info.inputs, info.num_inputs);
  printTensors(os, "Outputs:", info.outputs, info.num_outputs);
  os << " * '?' is a size that you choose (inputs) or get (outputs).\n"
     << " * Weights: " << formatBytes(info.weights_size)
     << ". CPU features needed: "
     << commentText(info.cpu_features && *info.cpu_features
                        ? info.cpu_features
                        : "none beyond the architecture")
     << ".\n *\n";
  printExample(os, p, ids, info);
  os << " */\n#ifndef " << guard << "\n#define " << guard << "\n\n"
     << modelInterface << "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  os << "enum {\n  " << p << "_num_inputs = " << info.num_inputs << ",\n  " << p
     << "_num_outputs = " << info.num_outputs << "\n};\n\n";
  for (int64_t i = 0; i < info.num_inputs; ++i)
    printInput(os, p, ids[i], info.inputs[i]);
  os << "\nstatic inline CompressModel *" << p
     << "_create(const char *weights_path,\n"
        "    const CompressModelOptions *options, char *errbuf, size_t "
        "errbuf_size) {\n"
        "  CompressModel *model;\n"
        "  compress_model_api()->create(weights_path, options, &model, errbuf, "
        "errbuf_size);\n  return model;\n}\n";
  os << "static inline CompressStatus " << p
     << "_run(CompressModel *model,\n"
        "    const CompressTensor *inputs, CompressTensor *outputs) {\n"
        "  return compress_model_api()->run(model, inputs, "
     << info.num_inputs << ", outputs, " << info.num_outputs << ");\n}\n";
  os << "static inline void " << p
     << "_release(CompressTensor *outputs) {\n"
        "  compress_model_api()->release(outputs, "
     << info.num_outputs << ");\n}\n";
  os << "static inline CompressStatus " << p
     << "_set_threads(CompressModel *model, int32_t threads) {\n"
        "  return compress_model_api()->set_threads(model, threads);\n}\n";
  os << "static inline const char *" << p
     << "_last_error(const CompressModel *model) {\n"
        "  return compress_model_api()->last_error(model);\n}\n";
  os << "static inline size_t " << p
     << "_peak_bytes(const CompressModel *model) {\n"
        "  return compress_model_api()->peak_bytes(model);\n}\n";
  os << "static inline void " << p
     << "_destroy(CompressModel *model) {\n"
        "  compress_model_api()->destroy(model);\n}\n\n"
        "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* "
     << guard << " */\n";
  return text;
}
