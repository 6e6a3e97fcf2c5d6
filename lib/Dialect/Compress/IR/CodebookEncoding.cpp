//===- CodebookEncoding.cpp - The codebook encoding -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Fit.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult CodebookAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t size, EncodingAttrInterface of,
                                   ArrayRef<int64_t> vec, int64_t stages,
                                   ArrayRef<int64_t> group) {
  if (size < 1 || size > 65536)
    return emitError() << "codebook: a table has 1 to 65536 entries, found "
                       << size;
  if (!of)
    return emitError() << "codebook: the encoding of the tables is missing";
  int64_t count = 1;
  for (int64_t extent : vec) {
    if (extent < 1)
      return emitError() << "codebook: a block size is at least 1, found "
                         << (ShapedType::isDynamic(extent)
                                 ? std::string("'*'")
                                 : std::to_string(extent));
    if (llvm::MulOverflow(count, extent, count) || count > 65536)
      return emitError() << "codebook: a block has at most 65536 elements";
  }
  if (stages < 1 || stages > 256)
    return emitError() << "codebook: there are 1 to 256 stages, found "
                       << stages;
  if (failed(verifyGroup(emitError, "codebook", group)))
    return failure();
  if (vec.empty() || group.empty())
    return success();
  if (vec.size() != group.size())
    return emitError() << "codebook: vec has " << vec.size()
                       << " entries and group has " << group.size();
  for (auto [axis, size] : llvm::enumerate(group))
    if (!ShapedType::isDynamic(size) && size % vec[axis] != 0)
      return emitError() << "codebook: a group consists of whole blocks, but "
                         << size << " is no multiple of " << vec[axis]
                         << " in dimension " << axis;
  return success();
}

/// The shape of all tables: groups, stages, entries, elements of a block.
static SmallVector<int64_t> getTableShape(CodebookAttr attr,
                                          ArrayRef<int64_t> shape) {
  SmallVector<int64_t> result;
  if (!attr.getGroup().empty())
    result = attr.getGroupGrid(shape);
  if (attr.getStages() > 1)
    result.push_back(attr.getStages());
  result.push_back(attr.getSize());
  if (attr.getVectorSize() > 1)
    result.push_back(attr.getVectorSize());
  return result;
}

LogicalResult
CodebookAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError() << "codebook: the logical element type must be a float, "
                          "found "
                       << elementType;
  if (!getVec().empty() && getVec().size() != shape.size())
    return emitError() << "codebook: vec has " << getVec().size()
                       << " entries for a tensor of rank " << shape.size();
  if (!getGroup().empty() && getGroup().size() != shape.size())
    return emitError() << "codebook: group has " << getGroup().size()
                       << " entries for a tensor of rank " << shape.size();
  return getOf().verifyEncoding(emitError, getTableShape(*this, shape),
                                getComputeType(elementType));
}

unsigned CodebookAttr::getIndexWidth() const {
  return std::max(llvm::Log2_64_Ceil(getSize()), 1u);
}

SmallVector<int64_t> CodebookAttr::getVectorShape(int64_t rank) const {
  if (getVec().empty())
    return SmallVector<int64_t>(rank, 1);
  return SmallVector<int64_t>(getVec());
}

int64_t CodebookAttr::getVectorSize() const { return countElements(getVec()); }

SmallVector<int64_t> CodebookAttr::getIndexGrid(ArrayRef<int64_t> shape) const {
  return compress::getGroupGrid(shape, getVectorShape(shape.size()));
}

SmallVector<int64_t> CodebookAttr::getGroupGrid(ArrayRef<int64_t> shape) const {
  if (getGroup().empty())
    return SmallVector<int64_t>(shape.size(), 1);
  return compress::getGroupGrid(shape, getGroup());
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

SmallVector<Component>
CodebookAttr::getComponents(CompressedTensorType type) const {
  SmallVector<int64_t> grid = getIndexGrid(type.getShape());
  if (getStages() > 1)
    grid.insert(grid.begin(), getStages());
  Type storage =
      IntegerType::get(getContext(), getIndexWidth(), IntegerType::Unsigned);
  return {makeDenseComponent("indices", grid,
                             IntegerType::get(getContext(), 32), storage),
          makeComponent("codebooks", getTableShape(*this, type.getShape()),
                        getComputeType(type.getElementType()), getOf())};
}

unsigned CodebookAttr::getNumParameters() const { return 1; }

EncodingAttrInterface CodebookAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return CodebookAttr::get(getContext(), getSize(), encodings[1], getVec(),
                           getStages(), getGroup());
}

llvm::Error CodebookAttr::verifyPayload(CompressedTensorType type,
                                        ArrayRef<HostTensor> leaves) const {
  const HostTensor &indices = leaves[0];
  if (uint64_t(getSize()) == uint64_t(1) << getIndexWidth())
    return llvm::Error::success();
  for (int64_t i = 0, e = indices.getNumElements(); i < e; ++i)
    if (indices.getBits(i) >= uint64_t(getSize()))
      return llvm::createStringError(
          "codebook: index #" + Twine(i) + " is " + Twine(indices.getBits(i)) +
          ", past the last of " + Twine(getSize()) + " entries");
  return llvm::Error::success();
}

/// The group shape in blocks.
static SmallVector<int64_t> getGroupOfBlocks(CodebookAttr attr, int64_t rank) {
  SmallVector<int64_t> result(rank, ShapedType::kDynamic);
  SmallVector<int64_t> vec = attr.getVectorShape(rank);
  for (auto [axis, size] : llvm::enumerate(attr.getGroup()))
    if (!ShapedType::isDynamic(size))
      result[axis] = size / vec[axis];
  return result;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

FailureOr<DenseValue>
CodebookAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                             ArrayRef<ComponentValue> parts) const {
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = shape.size(), block = getVectorSize(), stages = getStages();
  bool grouped = !getGroup().empty();
  if (!type.hasStaticShape() && (block > 1 || grouped))
    return b.emitFailure("codebook: decoding blocks or groups needs a static "
                         "shape");
  auto indices = b.decode(parts[0]);
  auto tables = b.decode(parts[1]);
  if (failed(indices) || failed(tables))
    return failure();

  // All groups and stages as one table of rows.
  int64_t numGroups = grouped ? countElements(getGroupGrid(shape)) : 1;
  int64_t numRows = numGroups * stages * getSize();
  SmallVector<int64_t> rows{numRows};
  if (block > 1)
    rows.push_back(block);
  DenseValue table = b.reshape(*tables, rows);
  SmallVector<int64_t> grid = getIndexGrid(shape);
  Type integer = numRows > INT32_MAX ? b.getI64() : b.getI32();
  DenseValue first;
  if (grouped) {
    // The first row of each block's group.
    DenseValue numbers =
        b.reshape(b.iota(numGroups, integer), getGroupGrid(shape));
    DenseValue perGroup =
        b.mul(numbers, b.scalar(stages * getSize(), rank, integer));
    DenseValue oneStage = stages > 1 ? b.slice(*indices, 0, 0, 1) : *indices;
    if (stages > 1)
      oneStage = b.reshape(oneStage, grid);
    first = b.expandGroups(perGroup, getGroupOfBlocks(*this, rank), oneStage);
  }
  DenseValue sum;
  for (int64_t stage = 0; stage < stages; ++stage) {
    DenseValue index = *indices, source = table;
    if (stages > 1)
      index = b.reshape(b.slice(index, 0, stage, 1), grid);
    if (grouped) {
      index = b.add(b.cast(index, integer), first);
      if (stage)
        index = b.add(index, b.scalar(stage * getSize(), rank, integer));
    } else if (stages > 1) {
      source = b.slice(table, 0, stage * getSize(), getSize());
    }
    DenseValue entry = b.gather(source, index, 0);
    sum = stage ? b.add(sum, entry) : entry;
  }
  if (block > 1) {
    SmallVector<int64_t> apart(grid);
    llvm::append_range(apart, getVec());
    sum = b.assembleBlocks(b.reshape(sum, apart), getVec(), shape);
  }
  return b.cast(sum, type.getElementType());
}

FailureOr<Value> CodebookAttr::buildGather(OpBuilder &b, Location loc,
                                           CompressedTensorType type,
                                           ValueRange components, Value indices,
                                           int64_t axis) const {
  if (!type.hasStaticShape())
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);
  SmallVector<Component> parts = getComponents(type);
  auto tables = buildDecodeComponent(b, loc, components[1], parts[1]);
  if (failed(tables))
    return failure();
  Type compute = parts[1].elementType;
  SmallVector<int64_t> vec = getVectorShape(type.getRank());
  return buildLookup(
      b, loc, getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
        auto constant = [&](int64_t number) -> Value {
          return arith::ConstantIndexOp::create(b, loc, number);
        };
        // Where the element is: which block, and where in it.
        SmallVector<Value> blockAt = buildGroupPosition(b, loc, position, vec);
        Value within = constant(0);
        for (auto [index, size] : llvm::zip_equal(position, vec)) {
          if (size == 1)
            continue;
          Value offset = arith::RemUIOp::create(b, loc, index, constant(size));
          within = arith::MulIOp::create(b, loc, within, constant(size));
          within = arith::AddIOp::create(b, loc, within, offset);
        }
        SmallVector<Value> groupAt;
        if (!getGroup().empty())
          groupAt = buildGroupPosition(b, loc, position, getGroup());
        Value sum;
        for (int64_t stage = 0; stage < getStages(); ++stage) {
          SmallVector<Value> indexAt, entryAt(groupAt);
          if (getStages() > 1) {
            indexAt.push_back(constant(stage));
            entryAt.push_back(constant(stage));
          }
          llvm::append_range(indexAt, blockAt);
          Value code =
              tensor::ExtractOp::create(b, loc, components[0], indexAt);
          Value entry =
              arith::IndexCastUIOp::create(b, loc, b.getIndexType(), code);
          // A table is never read outside.
          if (!llvm::isPowerOf2_64(getSize()) || getSize() == 1)
            entry =
                arith::MinUIOp::create(b, loc, entry, constant(getSize() - 1));
          entryAt.push_back(entry);
          if (getVectorSize() > 1)
            entryAt.push_back(within);
          Value value = tensor::ExtractOp::create(b, loc, *tables, entryAt);
          sum = sum ? Value(arith::AddFOp::create(b, loc, sum, value)) : value;
        }
        return buildNumericCast(b, loc, sum, compute, type.getElementType());
      });
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

namespace {
/// The blocks of a tensor as points, sorted by group.
struct Blocks {
  /// Row-major over blocks; 0 where a block hangs over.
  std::vector<double> values;
  /// As `values`; empty if all count the same.
  std::vector<double> weights;
  /// Group of each block, and the blocks of each group.
  std::vector<std::vector<int64_t>> members;
};
} // namespace

static Blocks cutIntoBlocks(CodebookAttr attr, const HostTensor &value,
                            ArrayRef<float> importance) {
  ArrayRef<int64_t> shape = value.getShape();
  int64_t rank = shape.size(), size = attr.getVectorSize();
  SmallVector<int64_t> vec = attr.getVectorShape(rank);
  SmallVector<int64_t> grid = attr.getIndexGrid(shape);
  int64_t numBlocks = countElements(grid);
  Blocks blocks;
  blocks.values.assign(numBlocks * size, 0);
  bool hangsOver = numBlocks * size != value.getNumElements();
  if (hangsOver || !importance.empty())
    blocks.weights.assign(numBlocks * size, 0);
  SmallVector<int64_t> at(rank, 0);
  for (int64_t i = 0, e = value.getNumElements(); i < e; ++i) {
    int64_t block = 0, within = 0;
    for (int64_t d = 0; d < rank; ++d) {
      block = block * grid[d] + at[d] / vec[d];
      within = within * vec[d] + at[d] % vec[d];
    }
    blocks.values[block * size + within] = value.getDouble(i);
    if (!blocks.weights.empty())
      blocks.weights[block * size + within] =
          importance.empty() ? 1 : importance[i];
    for (int64_t d = rank - 1; d >= 0; --d) {
      if (++at[d] < shape[d])
        break;
      at[d] = 0;
    }
  }
  SmallVector<int64_t> groups = attr.getGroupGrid(shape);
  blocks.members.resize(countElements(groups));
  GroupIndexer indexer(grid, getGroupOfBlocks(attr, rank), groups);
  for (int64_t block = 0; block < numBlocks; ++block)
    blocks.members[indexer.next()].push_back(block);
  return blocks;
}

static std::vector<double> select(ArrayRef<double> values, int64_t size,
                                  ArrayRef<int64_t> members) {
  std::vector<double> result;
  if (values.empty())
    return result;
  result.reserve(members.size() * size);
  for (int64_t block : members)
    llvm::append_range(result, values.slice(block * size, size));
  return result;
}

/// Calls `body` for each group, in parallel; groups do not depend on each
/// other.
static void forGroups(const Blocks &blocks, function_ref<void(size_t)> body) {
  llvm::parallelFor(0, blocks.members.size(), body);
}

/// Encodes the tables that k-means finds and decodes them again. Tables without
/// stored values just decode.
static llvm::Expected<HostTensor>
makeTables(CodebookAttr attr, const Component &component, const Blocks &blocks,
           const KMeansOptions &options, SmallVectorImpl<HostTensor> &leaves) {
  auto nested = dyn_cast<CompressedTensorType>(component.type);
  auto encoding = cast<EncodingAttrInterface>(component.encoding);
  if (!nested || getNumLeaves(nested) > 0) {
    int64_t size = attr.getVectorSize();
    int64_t perGroup = attr.getStages() * attr.getSize() * size;
    std::vector<double> centers(blocks.members.size() * perGroup);
    forGroups(blocks, [&](size_t group) {
      ArrayRef<int64_t> members = blocks.members[group];
      std::vector<double> fitted =
          clusterAdditive(select(blocks.values, size, members), size,
                          select(blocks.weights, size, members), attr.getSize(),
                          attr.getStages(), options);
      llvm::copy(fitted, centers.begin() + group * perGroup);
    });
    HostTensor tables = HostTensor::allocate(
        cast<ShapedType>(component.type).getShape(), component.elementType);
    for (auto [i, center] : llvm::enumerate(centers))
      tables.setDouble(i, center);
    if (llvm::Error error = encodeComponent(component, tables, leaves))
      return std::move(error);
  }
  // Sizes written `?` are known once the tables are encoded.
  if (!nested)
    return decodeComponent(component.type, component.elementType, encoding,
                           leaves);
  CompressedTensorType refined = refineType(nested, leaves);
  return refined.getEncoding().decodeHost(refined, leaves);
}

/// Chooses the entries nearest to the values.
static HostTensor assignIndices(CodebookAttr attr, RankedTensorType type,
                                const HostTensor &tables,
                                const Blocks &blocks) {
  int64_t size = attr.getVectorSize(), stages = attr.getStages();
  int64_t perGroup = stages * attr.getSize() * size;
  int64_t numBlocks = blocks.values.size() / size;
  std::vector<uint32_t> chosen(stages * numBlocks);
  forGroups(blocks, [&](size_t group) {
    ArrayRef<int64_t> members = blocks.members[group];
    std::vector<double> centers(perGroup);
    for (int64_t i = 0; i < perGroup; ++i)
      centers[i] = tables.getDouble(group * perGroup + i);
    std::vector<uint32_t> indices =
        assignAdditive(select(blocks.values, size, members), size,
                       select(blocks.weights, size, members), centers, stages);
    for (int64_t stage = 0; stage < stages; ++stage)
      for (auto [i, block] : llvm::enumerate(members))
        chosen[stage * numBlocks + block] = indices[stage * members.size() + i];
  });
  HostTensor indices =
      HostTensor::allocate(type.getShape(), type.getElementType());
  for (auto [i, index] : llvm::enumerate(chosen))
    indices.setBits(i, index);
  return indices;
}

llvm::Expected<SmallVector<HostTensor>>
compress::fitCodebook(CompressedTensorType type, const HostTensor &value,
                      ArrayRef<float> importance,
                      const KMeansOptions &options) {
  auto attr = cast<CodebookAttr>(type.getEncoding());
  SmallVector<Component> components = attr.getComponents(type);
  Blocks blocks = cutIntoBlocks(attr, value, importance);
  SmallVector<HostTensor> tableLeaves;
  auto tables = makeTables(attr, components[1], blocks, options, tableLeaves);
  if (!tables)
    return tables.takeError();
  SmallVector<HostTensor> leaves{assignIndices(
      attr, cast<RankedTensorType>(components[0].type), *tables, blocks)};
  llvm::append_range(leaves, tableLeaves);
  return leaves;
}

llvm::Expected<SmallVector<HostTensor>>
CodebookAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                         ArrayRef<HostTensor> parameterLeaves) const {
  if (parameterLeaves.empty())
    return fitCodebook(type, value, {}, {});
  SmallVector<Component> components = getComponents(type);
  auto tables = decodeComponent(
      components[1].type, components[1].elementType,
      cast<EncodingAttrInterface>(components[1].encoding), parameterLeaves);
  if (!tables)
    return tables.takeError();
  SmallVector<HostTensor> leaves{
      assignIndices(*this, cast<RankedTensorType>(components[0].type), *tables,
                    cutIntoBlocks(*this, value, {}))};
  llvm::append_range(leaves, parameterLeaves);
  return leaves;
}
