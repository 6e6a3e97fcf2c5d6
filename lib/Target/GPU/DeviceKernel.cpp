//===- DeviceKernel.cpp - Terse construction of device kernels --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceKernel.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

DeviceKernel::DeviceKernel(OpBuilder &host, Location loc, ModuleOp module,
                           const DeviceInterface &device, int64_t groupSize)
    : ElementKernel(host, loc), device(device),
      workgroupSize(groupSize ? groupSize : device.workgroupSize),
      module(module) {
  OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
  kernelModule = gpu::GPUModuleOp::create(top, module.getLoc(), "kernel");
  OpBuilder inner = OpBuilder::atBlockBegin(kernelModule.getBody());
  // The first buffer holds the parameters.
  function =
      gpu::GPUFuncOp::create(inner, module.getLoc(), "main",
                             b.getFunctionType({getBufferType()}, TypeRange()));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function->setAttr(kWorkgroupSizeAttr, b.getI64IntegerAttr(workgroupSize));
  if (device.getEntryAttributes)
    for (NamedAttribute attr : device.getEntryAttributes(workgroupSize))
      function->setAttr(attr.getName(), attr.getValue());
  b.setInsertionPointToStart(&function.getBody().front());
  parameters.push_back(Value());
}

DeviceKernel::~DeviceKernel() {
  if (kernelModule)
    kernelModule.erase();
}

MemRefType DeviceKernel::getBufferType() {
  return MemRefType::get({ShapedType::kDynamic}, b.getI32Type(),
                         MemRefLayoutAttrInterface(), device.bufferSpace);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

unsigned DeviceKernel::addBuffer(Value tensor) {
  unsigned position = function.getNumArguments();
  (void)function.insertArgument(position, getBufferType(), DictionaryAttr(),
                                loc);
  buffers.push_back({tensor, function.getArgument(position)});
  return buffers.size() - 1;
}

unsigned DeviceKernel::addInput(Value tensor) {
  auto [it, isNew] = inputs.try_emplace(tensor, 0);
  if (isNew)
    it->second = addBuffer(tensor);
  return it->second;
}

Value DeviceKernel::parameter(Value number) {
  parameters.push_back(number);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  return memref::LoadOp::create(b, loc, function.getArgument(0),
                                index(parameters.size() - 1));
}

Value DeviceKernel::size(Value tensor, unsigned axis) {
  // Kernels read past padding, which else would be made for its sizes alone.
  auto pad = tensor.getDefiningOp<tensor::PadOp>();
  if (pad && pad.getStaticLow()[axis] == 0 && pad.getStaticHigh()[axis] == 0)
    return size(pad.getSource(), axis);
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(axis))
    return index(type.getDimSize(axis));
  Value &known = sizes[{tensor, axis}];
  if (known)
    return known;
  Value extent = tensor::DimOp::create(host, loc, tensor, axis);
  Value number =
      arith::IndexCastOp::create(host, loc, host.getI64Type(), extent);
  Value loaded = parameter(number);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(loaded);
  known = toIndex(loaded);
  return known;
}

Value DeviceKernel::loadWord(unsigned buffer, Value at) {
  return memref::LoadOp::create(b, loc, buffers[buffer].argument, at);
}

Value DeviceKernel::multiplyAdd(Value x, Value y, Value z) {
  auto flags = device.contracts ? arith::FastMathFlags::contract
                                : arith::FastMathFlags::none;
  Value product = arith::MulFOp::create(b, loc, x, y, flags);
  return arith::AddFOp::create(b, loc, z, product, flags);
}
//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

/// Bytes of one element in memory.
static int64_t getElementBytes(Type type) {
  return llvm::divideCeil(llvm::PowerOf2Ceil(type.getIntOrFloatBitWidth()), 8);
}

/// Makes the host function that launches a kernel, unless it is there.
static void makeLaunch(ModuleOp module, StringRef kernel,
                       const DeviceInterface &device, int64_t workgroupSize,
                       ArrayRef<Type> ins, unsigned numParameters, Type out) {
  MLIRContext *context = module.getContext();
  Location loc = module.getLoc();
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = b.getI64Type();
  auto declare = [&](StringRef name, TypeRange arguments, TypeRange results) {
    if (module.lookupSymbol(name))
      return;
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    func::FuncOp::create(top, loc, name,
                         top.getFunctionType(arguments, results))
        .setPrivate();
  };
  std::string code = (kernel + "_code").str();
  declare(device.launch, {pointer, i64, i64, i64, i64}, {});
  declare(code, {}, {i64, i64});

  unsigned numBuffers = ins.size() + 1;
  auto toMemRef = [](Type type) -> Type {
    auto tensor = cast<RankedTensorType>(type);
    return MemRefType::get(tensor.getShape(), tensor.getElementType());
  };
  SmallVector<Type> types{pointer, i64};
  for (Type in : ins)
    types.push_back(toMemRef(in));
  unsigned firstScalar = types.size();
  types.append(numBuffers + numParameters, i64);
  types.push_back(toMemRef(out));
  auto launch = func::FuncOp::create(b, loc, (kernel + "_launch").str(),
                                     b.getFunctionType(types, {}));
  launch.setPrivate();
  launch->setAttr(kGeneratedAttr, b.getUnitAttr());
  Block *body = launch.addEntryBlock();
  b.setInsertionPointToStart(body);
  int64_t words = COMPRESS_LAUNCH_HEADER + COMPRESS_LAUNCH_BUFFER * numBuffers +
                  numParameters;
  Value table = memref::AllocaOp::create(b, loc, MemRefType::get({words}, i64),
                                         b.getI64IntegerAttr(16));
  int64_t next = 0;
  auto put = [&](Value value) {
    Value at = arith::ConstantIndexOp::create(b, loc, next++);
    memref::StoreOp::create(b, loc, value, table, at);
  };
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  };
  auto addressOf = [&](Value memref) -> Value {
    Value address =
        memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memref);
    return arith::IndexCastOp::create(b, loc, i64, address);
  };
  put(number(numBuffers));
  put(number(numParameters));
  put(number(workgroupSize));
  for (unsigned i = 0; i < numBuffers; ++i) {
    bool isOut = i + 1 == numBuffers;
    Value memref = launch.getArgument(isOut ? types.size() - 1 : 2 + i);
    auto type = cast<MemRefType>(memref.getType());
    put(addressOf(memref));
    Value bytes = number(getElementBytes(type.getElementType()));
    for (int64_t d = 0; d < type.getRank(); ++d) {
      Value extent = number(type.getDimSize(d));
      if (type.isDynamicDim(d))
        extent = arith::IndexCastOp::create(
            b, loc, i64, memref::DimOp::create(b, loc, memref, d));
      bytes = arith::MulIOp::create(b, loc, bytes, extent);
    }
    put(bytes);
    put(number(isOut));
    put(launch.getArgument(firstScalar + i)); // its place
  }
  for (unsigned i = 0; i < numParameters; ++i)
    put(launch.getArgument(firstScalar + numBuffers + i));
  auto binary = func::CallOp::create(b, loc, code, TypeRange{i64, i64});
  func::CallOp::create(b, loc, device.launch, TypeRange(),
                       ValueRange{launch.getArgument(0), launch.getArgument(1),
                                  binary.getResult(0), binary.getResult(1),
                                  addressOf(table)});
  func::ReturnOp::create(b, loc);
}

void DeviceKernel::store(Value at, Value value) {
  if (!out)
    out = addBuffer(Value());
  memref::StoreOp::create(b, loc, bitcast(value, b.getI32Type()),
                          buffers[*out].argument, at);
}

Value DeviceKernel::getGroup() {
  auto x = gpu::Dimension::x, y = gpu::Dimension::y;
  Value group = gpu::BlockIdOp::create(b, loc, x);
  if (device.hasFlatGrid)
    return group;
  // Workgroups beyond the limit of one dimension continue in the next.
  return add(
      mul(gpu::BlockIdOp::create(b, loc, y), gpu::GridDimOp::create(b, loc, x)),
      group);
}

Value DeviceKernel::getThread() {
  return gpu::ThreadIdOp::create(b, loc, gpu::Dimension::x);
}

bool DeviceKernel::readSizes(RankedTensorType type,
                             ArrayRef<OpFoldResult> extents,
                             SmallVectorImpl<Value> &hostSizes,
                             SmallVectorImpl<Value> &sizes,
                             std::string &reason) {
  Type elementType = type.getElementType();
  if (!elementType.isF32() && !elementType.isInteger(32)) {
    llvm::raw_string_ostream(reason)
        << "a result of " << elementType << " elements";
    return false;
  }
  if (type.hasStaticShape() && type.getNumElements() > INT32_MAX) {
    reason = "the result has more elements than 32-bit indices count";
    return false;
  }
  for (OpFoldResult extent : extents) {
    Value number = getValueOrCreateConstantIndexOp(host, loc, extent);
    number = arith::IndexCastOp::create(host, loc, host.getI64Type(), number);
    hostSizes.push_back(number);
    if (std::optional<int64_t> known = getConstantIntValue(extent)) {
      sizes.push_back(index(*known));
    } else {
      Value loaded = parameter(number);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointAfterValue(loaded);
      sizes.push_back(toIndex(loaded));
    }
  }
  return true;
}

Value DeviceKernel::readInvocations(Value count) {
  parameters[0] = count;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  return memref::LoadOp::create(b, loc, function.getArgument(0), index(0));
}

Value DeviceKernel::finish(
    RankedTensorType type, ArrayRef<OpFoldResult> extents,
    llvm::function_ref<Value(ValueRange position)> element,
    std::string &reason) {
  SmallVector<Value> hostSizes, sizes;
  if (!readSizes(type, extents, hostSizes, sizes, reason))
    return {};
  Value count = arith::ConstantOp::create(host, loc, host.getI64IntegerAttr(1));
  for (Value number : hostSizes)
    count = arith::MulIOp::create(host, loc, count, number);
  Value total = readInvocations(count);
  // One invocation per element.
  Value linear = add(mul(getGroup(), workgroupSize), getThread());
  Value inside = compare(arith::CmpIPredicate::ult, toI32(linear), total);
  auto guarded = scf::IfOp::create(b, loc, inside, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(guarded.thenBlock());
    Value stored = element(delinearize(linear, sizes));
    if (!stored)
      return {};
    store(linear, stored);
  }
  return complete(type, extents, reason);
}

Value DeviceKernel::finishGroups(
    RankedTensorType type, ArrayRef<OpFoldResult> extents,
    llvm::function_ref<Value(ValueRange hostSizes)> countGroups,
    llvm::function_ref<void(ValueRange sizes, Value group)> body,
    std::string &reason) {
  SmallVector<Value> hostSizes, sizes;
  if (!readSizes(type, extents, hostSizes, sizes, reason))
    return {};
  Value count = countGroups(hostSizes);
  Value size = arith::ConstantOp::create(host, loc,
                                         host.getI64IntegerAttr(workgroupSize));
  Value total = readInvocations(arith::MulIOp::create(host, loc, count, size));
  Value group = getGroup();
  if (device.hasFlatGrid) {
    body(sizes, group);
  } else {
    // The last row of the grid may be longer than needed. All invocations of a
    // workgroup agree, so that barriers within are met by all.
    Value inside = compare(arith::CmpIPredicate::ult,
                           toI32(mul(group, workgroupSize)), total);
    auto guarded = scf::IfOp::create(b, loc, inside, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(guarded.thenBlock());
    body(sizes, group);
  }
  return complete(type, extents, reason);
}

Value DeviceKernel::complete(RankedTensorType type,
                             ArrayRef<OpFoldResult> extents,
                             std::string &reason) {
  gpu::ReturnOp::create(b, loc);
  // The result comes last.
  BlockArgument stored = buffers[*out].argument;
  unsigned last = addBuffer(Value());
  stored.replaceAllUsesWith(buffers[last].argument);
  // What was tried and given up is not read.
  for (unsigned i = buffers.size(); i-- > 0;)
    if (buffers[i].argument.use_empty()) {
      (void)function.eraseArgument(i + 1);
      buffers.erase(buffers.begin() + i);
    }
  if (buffers.size() + 1 > device.maxBuffers) {
    reason = "it reads more buffers than a kernel can have";
    return {};
  }

  // Equal kernels are one.
  SmallVector<Value> ins, scalars;
  SmallVector<Type> types;
  for (const Buffer &buffer : buffers)
    if (buffer.tensor) {
      ins.push_back(buffer.tensor);
      types.push_back(buffer.tensor.getType());
    }
  std::string text;
  llvm::raw_string_ostream os(text);
  kernelModule.print(os, OpPrintingFlags().assumeVerified());
  llvm::interleaveComma(types, os);
  os << type << parameters.size();
  std::string name =
      (device.name + "_" + llvm::utohexstr(llvm::xxh3_64bits(text))).str();
  if (module.lookupSymbol(name)) {
    kernelModule.erase();
  } else {
    kernelModule.setName(name);
    makeLaunch(module, name, device, workgroupSize, types, parameters.size(),
               type);
  }
  kernelModule = nullptr;
  // Everything starts on the host.
  Value onHost =
      arith::ConstantOp::create(host, loc, host.getI64IntegerAttr(0));
  scalars.append(buffers.size(), onHost);
  llvm::append_range(scalars, parameters);
  Value empty =
      tensor::EmptyOp::create(host, loc, extents, type.getElementType());
  if (empty.getType() != type)
    empty = tensor::CastOp::create(host, loc, type, empty);
  auto kernel = KernelOp::create(host, loc, TypeRange(type), name + "_launch",
                                 ins, scalars, empty, /*stateful=*/true,
                                 /*side_effect=*/false);
  kernel->setAttr(kDeviceAttr, host.getStringAttr(name));
  return kernel.getResult(0);
}
