//===- DiagnosticCollector.cpp - Diagnostics as one-line errors -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DiagnosticCollector.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace compress;

std::string compress::describeLocation(Location location) {
  return llvm::TypeSwitch<LocationAttr, std::string>(location)
      .Case([](NameLoc loc) { return loc.getName().str(); })
      .Case([](FileLineColRange loc) {
        return (loc.getFilename().getValue() + ":" + Twine(loc.getStartLine()) +
                ":" + Twine(loc.getStartColumn()))
            .str();
      })
      .Case([](CallSiteLoc loc) { return describeLocation(loc.getCallee()); })
      .Case([](FusedLoc loc) {
        for (Location part : loc.getLocations())
          if (std::string text = describeLocation(part); !text.empty())
            return text;
        return std::string();
      })
      .Default([](LocationAttr) { return std::string(); });
}

std::string compress::toOneLine(StringRef text) {
  std::string line;
  for (char c : text.trim()) {
    bool blank = llvm::isSpace(c);
    if (!blank)
      // Other control characters could rewrite the terminal.
      line += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
    else if (line.back() != ' ')
      line += ' ';
  }
  return line;
}

llvm::Error compress::atFile(StringRef file, llvm::Error error) {
  if (!error)
    return error;
  std::string message = llvm::toString(std::move(error));
  if (file.empty() || StringRef(message).starts_with(file.str() + ":"))
    return llvm::createStringError(Twine(message));
  return llvm::createStringError(file + ": " + message);
}

/// The name of the operation that a diagnostic without location is about, from
/// the note that MLIR attaches; empty when the message names it, too.
static std::string findOperation(Diagnostic &diagnostic) {
  if (StringRef(diagnostic.str()).starts_with("'"))
    return {};
  for (Diagnostic &note : diagnostic.getNotes()) {
    std::string text = note.str();
    StringRef rest(text);
    if (!rest.consume_front("see current operation: "))
      continue;
    // `%a, %b = "dialect.op"(...)` or `dialect.op ...`.
    rest = rest.take_until([](char c) { return c == '(' || c == '\n'; });
    if (size_t equals = rest.find(" = "); equals != StringRef::npos)
      rest = rest.drop_front(equals + 3);
    rest.consume_front("\"");
    return rest.take_until([](char c) { return c == '"' || c == ' '; }).str();
  }
  return {};
}

DiagnosticCollector::DiagnosticCollector(MLIRContext *context, StringRef file)
    : file(file.str()),
      handler(context, [this](Diagnostic &diagnostic) { handle(diagnostic); }) {
}

void DiagnosticCollector::handle(Diagnostic &diagnostic) {
  std::string text = toOneLine(diagnostic.str());
  std::string place = describeLocation(diagnostic.getLocation());
  // Messages about a file or a node that they name themselves.
  bool named = StringRef(text).starts_with(file + ":") ||
               StringRef(text).contains("'" + place + "'");
  if (!place.empty() && !named)
    text = place + ": " + text;
  if (place.empty())
    if (std::string name = findOperation(diagnostic); !name.empty())
      text += " (at " + name + ")";
  if (!StringRef(text).starts_with(file + ":"))
    text = file + ": " + text;
  if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
    warnings.push_back(std::move(text));
  else if (firstError.empty())
    firstError = std::move(text);
}

llvm::Error DiagnosticCollector::takeError(const Twine &fallback) {
  std::string text = std::move(firstError);
  firstError.clear();
  if (text.empty())
    text = (file + ": " + fallback).str();
  return llvm::createStringError(Twine(text));
}
