//===- Plan.cpp - A level for each site -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Plan.h"
#include "compress/Support/Format.h"
#include "compress/Support/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include "llvm/Support/YAMLTraits.h"

using namespace mlir;
using namespace compress;

static constexpr StringLiteral levelAttrName = "compress.level";

//===----------------------------------------------------------------------===//
// YAML
//===----------------------------------------------------------------------===//

namespace {
/// What the traits need to turn positions into lines.
struct ParseContext {
  StringRef text;
  unsigned getLine(const char *position) const {
    if (position < text.begin() || position > text.end())
      return 0;
    return 1 + StringRef(text.begin(), position - text.begin()).count('\n');
  }
};
} // namespace

LLVM_YAML_IS_SEQUENCE_VECTOR(compress::PlanEntry)

namespace llvm::yaml {

template <> struct MappingTraits<compress::PlanEntry> {
  static void mapping(IO &io, compress::PlanEntry &entry) {
    io.mapRequired("name", entry.name);
    io.mapRequired("level", entry.level);
    if (io.outputting()) {
      // Empty strings say nothing.
      if (!entry.op.empty())
        io.mapRequired("op", entry.op);
      if (!entry.node.empty())
        io.mapRequired("node", entry.node);
    } else {
      io.mapOptional("op", entry.op);
      io.mapOptional("node", entry.node);
    }
    io.mapOptional("shape", entry.shape);
    io.mapOptional("bits", entry.bits);
    io.mapOptional("bytes-before", entry.bytesBefore);
    io.mapOptional("bytes-after", entry.bytesAfter);
    io.mapOptional("error", entry.error);
    io.mapOptional("seconds", entry.seconds);
    io.mapOptional("predicted-seconds", entry.predictedSeconds);
    io.mapOptional("flops", entry.flops);
    io.mapOptional("bops", entry.bops);
    io.mapOptional("joules", entry.joules);
    if (!io.outputting() || !entry.reason.empty())
      io.mapOptional("reason", entry.reason);
    if (io.outputting())
      return;
    auto *context = static_cast<ParseContext *>(io.getContext());
    const Node *node = static_cast<Input &>(io).getCurrentNode();
    if (node)
      entry.line = context->getLine(node->getSourceRange().Start.getPointer());
    if (entry.name.empty() || entry.level.empty())
      return;
    auto level = compress::Level::parse(entry.level);
    if (!level)
      io.setError("site '" + entry.name +
                  "': " + llvm::toString(level.takeError()));
  }
};

template <> struct MappingTraits<compress::Plan> {
  static void mapping(IO &io, compress::Plan &plan) {
    io.mapRequired("version", plan.version);
    if (!io.outputting() && plan.version != compress::Plan::currentVersion) {
      io.setError("plan version " + Twine(plan.version) +
                  " is not supported; this build reads version " +
                  Twine(compress::Plan::currentVersion));
      return;
    }
    io.mapOptional("model", plan.model);
    io.mapRequired("sites", plan.sites);
  }
};

} // namespace llvm::yaml

/// The YAML parser of LLVM recurses on nested nodes; a plan nests four deep.
static bool nestsTooDeep(StringRef text) {
  constexpr int limit = 64;
  int depth = 0, dashes = 0;
  for (char c : text) {
    if (c == '\n') {
      dashes = 0;
      continue;
    }
    if (c == '[' || c == '{')
      ++depth;
    else if (c == ']' || c == '}')
      depth = std::max(0, depth - 1);
    // Block collections nest by columns or by "- - - -" and "? ? ? ?".
    if (c == '-' || c == '?')
      ++dashes;
    else if (c != ' ')
      dashes = 0;
    if (depth > limit || dashes > limit)
      return true;
  }
  return false;
}

llvm::Expected<Plan> Plan::parse(StringRef text, StringRef fileName) {
  auto fail = [&](unsigned line, const Twine &message) {
    return llvm::createStringError(
        fileName + (line ? ":" + Twine(line) : Twine("")) + ": " + message);
  };
  if (text.contains('\0'))
    return fail(0, "a plan is a text file");
  if (text.trim().empty())
    return fail(0, "the file is empty");
  if (nestsTooDeep(text))
    return fail(0, "nested too deep for a plan");

  std::string message;
  unsigned line = 0;
  struct Handler {
    std::string &message;
    unsigned &line;
    static void handle(const llvm::SMDiagnostic &diagnostic, void *self) {
      auto *handler = static_cast<Handler *>(self);
      // What follows the first error is often its consequence.
      if (!handler->message.empty() ||
          diagnostic.getKind() != llvm::SourceMgr::DK_Error)
        return;
      handler->message = diagnostic.getMessage().str();
      handler->line = std::max(diagnostic.getLineNo(), 0);
    }
  } handler{message, line};
  ParseContext context{text};
  Plan plan;
  llvm::yaml::Input input(text, &context, Handler::handle, &handler);
  input >> plan;
  if (input.error())
    return fail(line, message.empty() ? "not a plan" : Twine(message));
  plan.fileName = fileName.str();

  llvm::StringMap<unsigned> seen;
  for (const PlanEntry &entry : plan.sites) {
    if (entry.name.empty())
      return fail(entry.line, "a site needs a name");
    auto [it, inserted] = seen.try_emplace(entry.name, entry.line);
    if (!inserted)
      return fail(entry.line, "site '" + entry.name + "' is already on line " +
                                  Twine(it->second));
  }
  return plan;
}

llvm::Expected<Plan> Plan::load(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError(path + ": " + buffer.getError().message());
  return parse((*buffer)->getBuffer(), path);
}

void Plan::print(llvm::raw_ostream &os) const {
  llvm::yaml::Output output(os, /*Ctxt=*/nullptr, /*WrapColumn=*/0);
  Plan copy = *this;
  output << copy;
}

llvm::Error Plan::save(StringRef path) const {
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  print(file->os());
  return file->commit();
}

//===----------------------------------------------------------------------===//
// Sites
//===----------------------------------------------------------------------===//

static PlanEntry makeEntry(const Site &site, StringRef level) {
  PlanEntry entry;
  entry.name = site.name;
  entry.level = level.str();
  entry.op = site.getOpName();
  entry.node = site.getNodeName();
  entry.shape = site.type.getShape().vec();
  return entry;
}

Plan Plan::uniform(ArrayRef<Site> sites, const Level &level) {
  Plan plan;
  for (const Site &site : sites)
    plan.sites.push_back(makeEntry(
        site, site.isElementwise() ? StringRef("f32") : level.getSpelling()));
  return plan;
}

llvm::Expected<Plan> Plan::fromAttributes(ArrayRef<Site> sites) {
  Plan plan;
  for (const Site &site : sites) {
    StringAttr level;
    for (const SiteUse &use : site.uses) {
      auto attr = use.op->getAttrOfType<StringAttr>(levelAttrName);
      if (!attr)
        continue;
      if (level && level != attr)
        return llvm::createStringError(
            "site '" + Twine(site.name) + "': its users ask for the levels '" +
            level.getValue() + "' and '" + attr.getValue() + "'");
      level = attr;
    }
    if (!level)
      continue;
    if (auto parsed = Level::parse(level); !parsed)
      return llvm::createStringError("site '" + Twine(site.name) + "': " +
                                     llvm::toString(parsed.takeError()));
    plan.sites.push_back(makeEntry(site, level));
  }
  return plan;
}

void Plan::toAttributes(ArrayRef<Site> sites) const {
  for (const Site &site : sites)
    if (const PlanEntry *entry = lookup(site.name))
      for (const SiteUse &use : site.uses)
        use.op->setAttr(levelAttrName,
                        StringAttr::get(use.op->getContext(), entry->level));
}

const PlanEntry *Plan::lookup(StringRef name) const {
  auto it = llvm::find_if(
      sites, [&](const PlanEntry &entry) { return entry.name == name; });
  return it == sites.end() ? nullptr : &*it;
}

llvm::Error Plan::verify(const SiteList &list) const {
  auto fail = [&](const PlanEntry &entry, const Twine &message) {
    std::string where = fileName;
    if (entry.line)
      where += ":" + std::to_string(entry.line);
    return llvm::createStringError((where.empty() ? "" : where + ": ") +
                                   "site '" + entry.name + "': " + message);
  };
  for (const PlanEntry &entry : sites) {
    if (const ExcludedSite *excluded = list.lookupExcluded(entry.name)) {
      if (entry.level == "f32")
        continue;
      return fail(entry, "cannot be compressed: " + excluded->reason);
    }
    const Site *site = list.lookup(entry.name);
    if (!site) {
      SmallVector<StringRef> known;
      for (const Site &other : list.sites) {
        if (known.size() == 8) {
          known.push_back("...");
          break;
        }
        known.push_back(other.name);
      }
      return fail(entry,
                  "the model has no such site; it has " +
                      (known.empty() ? "none" : llvm::join(known, ", ")));
    }
    if (entry.shape && ArrayRef<int64_t>(*entry.shape) != site->type.getShape())
      return fail(entry, "the plan says shape " + formatShape(*entry.shape) +
                             ", the model " +
                             formatShape(site->type.getShape()));
  }
  return llvm::Error::success();
}
