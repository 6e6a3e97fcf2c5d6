//===- ModelInstance.cpp - Checks and runs a loaded model -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Runtime/ModelInstance.h"
#include "Context.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <omp.h>
#include <sched.h>
#include <vector>

using namespace compress::runtime;

size_t compress::runtime::elementSize(int32_t dtype) {
  switch (dtype) {
  case COMPRESS_DTYPE_U8:
  case COMPRESS_DTYPE_I8:
  case COMPRESS_DTYPE_BOOL:
    return 1;
  case COMPRESS_DTYPE_U16:
  case COMPRESS_DTYPE_I16:
  case COMPRESS_DTYPE_F16:
  case COMPRESS_DTYPE_BF16:
    return 2;
  case COMPRESS_DTYPE_F32:
  case COMPRESS_DTYPE_I32:
  case COMPRESS_DTYPE_U32:
    return 4;
  case COMPRESS_DTYPE_F64:
  case COMPRESS_DTYPE_I64:
  case COMPRESS_DTYPE_U64:
  case COMPRESS_DTYPE_C64:
    return 8;
  case COMPRESS_DTYPE_C128:
    return 16;
  default:
    return 0;
  }
}

const char *compress::runtime::dtypeName(int32_t dtype) {
  static const char *const names[] = {"?",   "f32", "u8",  "i8",   "u16", "i16",
                                      "i32", "i64", "?",   "bool", "f16", "f64",
                                      "u32", "u64", "c64", "c128", "bf16"};
  return dtype >= 0 && dtype <= COMPRESS_DTYPE_BF16 ? names[dtype] : "?";
}

static std::string shapeText(const int64_t *dims, int32_t rank) {
  std::string text = "[";
  for (int32_t i = 0; i < rank; ++i) {
    if (i)
      text += ", ";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

static std::string signature(const CompressTensorInfo &info) {
  return std::string(dtypeName(info.dtype)) + " " +
         shapeText(info.dims, info.rank);
}

/// Elements of a shape; false if negative or beyond what memory can hold.
static bool countElements(const int64_t *dims, int32_t rank, size_t bytes,
                          size_t &count) {
  count = 1;
  for (int32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return false;
    if (dims[i] == 0) {
      count = 0;
      return true;
    }
    if (__builtin_mul_overflow(count, static_cast<size_t>(dims[i]), &count))
      return false;
  }
  size_t total;
  return !__builtin_mul_overflow(count, bytes, &total) &&
         total < (size_t(1) << 60);
}

namespace {

/// A memref descriptor of any rank, and the sizes and strides in it.
struct Descriptor {
  CompressMemRefHead head = {};
  int64_t extents[2 * COMPRESS_MAX_RANK] = {};

  const int64_t *sizes() const { return extents; }
  const int64_t *strides(int32_t rank) const { return extents + rank; }
};
static_assert(offsetof(Descriptor, extents) == sizeof(CompressMemRefHead),
              "sizes follow the offset");

thread_local Context *activeContext = nullptr;

/// What OMP_NUM_THREADS says, else all cores that the process may use.
int availableCores() {
  if (std::getenv("OMP_NUM_THREADS"))
    return std::max(1, omp_get_max_threads());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1, omp_get_num_procs());
}

/// Runs that are under way in this process.
std::atomic<int> activeRuns{0};

/// What this thread is executing and with how many threads; the caller's OpenMP
/// setting and an outer run (a model called by an observer) come back after it.
/// Runs at the same time share the cores unless a number of threads was asked
/// for; results do not depend on it.
struct RunScope {
  explicit RunScope(Context *ctx)
      : outer(activeContext), threads(omp_get_max_threads()) {
    int runs = ++activeRuns;
    activeContext = ctx;
    omp_set_num_threads(ctx->sharesCores ? std::max(1, ctx->threads / runs)
                                         : ctx->threads);
  }
  ~RunScope() {
    --activeRuns;
    omp_set_num_threads(threads);
    activeContext = outer;
  }
  Context *outer;
  int threads;
};

void freeBuffer(void *p) { deallocate(p); }
using BufferPtr = std::unique_ptr<void, void (*)(void *)>;

} // namespace

Context *compress::runtime::currentContext() { return activeContext; }

void compress::runtime::leaveRun(Context *ctx) {
  // In a parallel region even the main thread must first meet the others.
  if (ctx && ctx == activeContext && ctx->running && !omp_in_parallel())
    longjmp(ctx->exit, 1);
}

struct ModelInstance::Impl {
  CompressEntry entry = nullptr;
  const CompressModelInfo *info = nullptr;
  Weights weights;
  std::unique_ptr<Context> context;
  std::mutex mutex;
  std::string lastError;
  size_t peak = 0;
  // Inputs as the code wants them; buffers hold copies where one was needed.
  std::vector<Descriptor> inputs, outputs;
  std::vector<BufferPtr> copies;
};

ModelInstance::ModelInstance() : impl(std::make_unique<Impl>()) {}

ModelInstance::~ModelInstance() {
  impl->copies.clear();
  impl->context.reset();
  trimCache(0);
}

std::unique_ptr<ModelInstance>
ModelInstance::create(CompressEntry entry, const CompressModelInfo &info,
                      Weights weights, const CompressModelOptions &options,
                      CompressStatus &status, std::string &error) {
  auto fail = [&](CompressStatus code, std::string message) {
    status = code;
    error = std::move(message);
    return nullptr;
  };
  if (info.abi_version != COMPRESS_MODEL_ABI_VERSION)
    return fail(COMPRESS_ERROR_UNSUPPORTED,
                "the model was compiled for ABI version " +
                    std::to_string(info.abi_version) +
                    ", this runtime has version " +
                    std::to_string(COMPRESS_MODEL_ABI_VERSION));
  std::string missing = missingCPUFeatures(info.cpu_features);
  if (!missing.empty())
    return fail(COMPRESS_ERROR_UNSUPPORTED,
                std::string("the model was compiled for a CPU with ") +
                    info.cpu_features + ", but this one lacks " + missing +
                    "; compile it for this machine");
  for (bool isInput : {true, false}) {
    const CompressTensorInfo *list = isInput ? info.inputs : info.outputs;
    int64_t count = isInput ? info.num_inputs : info.num_outputs;
    for (int64_t i = 0; i < count; ++i)
      if (list[i].rank < 0 || list[i].rank > COMPRESS_MAX_RANK ||
          !elementSize(list[i].dtype))
        return fail(COMPRESS_ERROR_UNSUPPORTED,
                    std::string(isInput ? "input '" : "output '") +
                        list[i].name + "' has rank " +
                        std::to_string(list[i].rank) + " and element type " +
                        std::to_string(list[i].dtype) +
                        "; supported are ranks to " +
                        std::to_string(COMPRESS_MAX_RANK) +
                        " and the types of CompressDType");
  }
  if (weights.size() < info.weights_size)
    return fail(COMPRESS_ERROR_WEIGHTS, "the model needs " +
                                            std::to_string(info.weights_size) +
                                            " bytes of weights, given are " +
                                            std::to_string(weights.size()));
  std::unique_ptr<ModelInstance> model(new ModelInstance);
  model->impl->entry = entry;
  model->impl->info = &info;
  model->impl->weights = std::move(weights);
  model->impl->context =
      std::make_unique<Context>(std::max<int64_t>(0, info.num_slots));
  Context &ctx = *model->impl->context;
  ctx.weightsBegin = static_cast<const char *>(model->impl->weights.data());
  ctx.weightsEnd = ctx.weightsBegin + model->impl->weights.size();
  if (CompressStatus code = model->setThreads(options.threads))
    return fail(code, model->lastError());
  status = COMPRESS_OK;
  return model;
}

CompressStatus ModelInstance::fail(CompressStatus status, std::string message) {
  impl->lastError = std::move(message);
  return status;
}

CompressStatus ModelInstance::setThreads(int32_t threads) {
  std::lock_guard<std::mutex> lock(impl->mutex);
  if (threads < 0 || threads > 4096)
    return fail(COMPRESS_ERROR_ARGUMENT,
                "the number of threads is 0 (all cores) to 4096, not " +
                    std::to_string(threads));
  impl->context->threads = threads ? threads : availableCores();
  impl->context->sharesCores = threads == 0;
  return COMPRESS_OK;
}

int32_t ModelInstance::threads() const { return impl->context->threads; }
const char *ModelInstance::lastError() const { return impl->lastError.c_str(); }
size_t ModelInstance::peakBytes() const { return impl->peak; }
size_t ModelInstance::preparedBytes() const {
  size_t sum = 0;
  for (const auto &[block, size] : impl->context->prepared)
    sum += size;
  return sum;
}
const CompressModelInfo &ModelInstance::info() const { return *impl->info; }

void ModelInstance::setObserver(Observer observer, void *user) {
  std::lock_guard<std::mutex> lock(impl->mutex);
  impl->context->observer = observer;
  impl->context->observerData = user;
}

/// Checks the inputs against the model and fills their descriptors.
CompressStatus ModelInstance::checkInputs(const CompressTensor *inputs) {
  const CompressModelInfo &info = *impl->info;
  // Size of each named dynamic dimension, and the input that gave it.
  std::vector<std::pair<int64_t, std::pair<int64_t, int64_t>>> named;
  impl->inputs.assign(info.num_inputs, {});
  impl->copies.clear();
  for (int64_t i = 0; i < info.num_inputs; ++i) {
    const CompressTensorInfo &want = info.inputs[i];
    const CompressTensor &have = inputs[i];
    auto name = [&] { return std::string("input '") + want.name + "'"; };
    if (have.dtype != want.dtype)
      return fail(COMPRESS_ERROR_DTYPE,
                  name() + " is " + dtypeName(have.dtype) +
                      ", the model expects " + signature(want));
    if (have.rank != want.rank)
      return fail(COMPRESS_ERROR_SHAPE,
                  name() + " has rank " + std::to_string(have.rank) +
                      ", the model expects " + signature(want));
    for (int32_t d = 0; d < want.rank; ++d) {
      if (want.dims[d] >= 0 ? have.dims[d] != want.dims[d] : have.dims[d] < 0)
        return fail(COMPRESS_ERROR_SHAPE,
                    name() + " has shape " + shapeText(have.dims, have.rank) +
                        ", the model expects " + signature(want));
      if (want.dims[d] >= -1)
        continue;
      auto it = std::find_if(named.begin(), named.end(), [&](const auto &n) {
        return n.first == want.dims[d];
      });
      if (it == named.end())
        named.push_back({want.dims[d], {have.dims[d], i}});
      else if (it->second.first != have.dims[d])
        return fail(COMPRESS_ERROR_SHAPE,
                    name() + " has size " + std::to_string(have.dims[d]) +
                        " in dimension " + std::to_string(d) +
                        ", but the same dimension of input '" +
                        info.inputs[it->second.second].name + "' is " +
                        std::to_string(it->second.first));
    }
    size_t width = elementSize(want.dtype), count;
    if (!countElements(have.dims, have.rank, width, count))
      return fail(COMPRESS_ERROR_SHAPE, name() + " has shape " +
                                            shapeText(have.dims, have.rank) +
                                            ", which no memory can hold");
    if (count && !have.data)
      return fail(COMPRESS_ERROR_ARGUMENT, name() + " has no data");
    if (have.capacity && have.capacity < count * width)
      return fail(COMPRESS_ERROR_SHAPE, name() + " has " +
                                            std::to_string(have.capacity) +
                                            " bytes, its shape needs " +
                                            std::to_string(count * width));

    void *data = have.data;
    // Code may load elements as aligned, and a bool other than 0 or 1 is
    // undefined there: such inputs are copied.
    bool odd = want.dtype == COMPRESS_DTYPE_BOOL &&
               std::any_of(static_cast<unsigned char *>(data),
                           static_cast<unsigned char *>(data) + count,
                           [](unsigned char c) { return c > 1; });
    if (count && (odd || reinterpret_cast<uintptr_t>(data) % width)) {
      void *copy = allocate(count * width);
      if (!copy)
        return fail(COMPRESS_ERROR_MEMORY,
                    "out of memory: cannot copy " + name());
      impl->copies.emplace_back(copy, freeBuffer);
      std::memcpy(copy, data, count * width);
      if (odd)
        for (size_t e = 0; e < count; ++e)
          static_cast<unsigned char *>(copy)[e] =
              static_cast<unsigned char *>(copy)[e] != 0;
      data = copy;
    }
    Descriptor &d = impl->inputs[i];
    d.head = {data, data, 0};
    int64_t stride = 1;
    for (int32_t k = have.rank; k-- > 0;) {
      d.extents[k] = have.dims[k];
      d.extents[have.rank + k] = stride;
      stride *= have.dims[k];
    }
  }
  return COMPRESS_OK;
}

/// Runs the entry point. Separate from `run`, because a longjmp lands here and
/// must find no local object that changed since setjmp.
__attribute__((noinline)) CompressStatus
ModelInstance::execute(void **inputs, void **outputs) {
  Context *ctx = impl->context.get();
  if (setjmp(ctx->exit) == 0) {
    ctx->running = true;
    impl->entry(ctx, impl->weights.data(), inputs, outputs);
  }
  impl->context->running = false;
  return impl->context->status;
}

/// One core does not reach the bandwidth of memory.
static void copyBytes(char *target, const char *source, size_t bytes) {
  if (bytes < (size_t(1) << 20) || omp_in_parallel()) {
    std::memcpy(target, source, bytes);
    return;
  }
#pragma omp parallel
  {
    size_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    size_t lines = (bytes + 63) / 64;
    size_t begin = lines * thread / threads * 64;
    size_t end = std::min(bytes, lines * (thread + 1) / threads * 64);
    std::memcpy(target + begin, source + begin, end - begin);
  }
}

/// Copies `source` (any strides) densely to `target`.
static void packTensor(char *target, const char *source, const int64_t *sizes,
                       const int64_t *strides, int32_t rank, size_t width) {
  int64_t dense = 1;
  int32_t inner = rank; // Dimensions [inner, rank) are contiguous.
  while (inner > 0 && (sizes[inner - 1] == 1 || strides[inner - 1] == dense)) {
    dense *= sizes[inner - 1];
    --inner;
  }
  size_t chunk = static_cast<size_t>(dense) * width;
  int64_t index[COMPRESS_MAX_RANK] = {};
  int64_t outer = 1;
  for (int32_t d = 0; d < inner; ++d)
    outer *= sizes[d];
  for (int64_t n = 0; n < outer; ++n) {
    int64_t offset = 0;
    for (int32_t d = 0; d < inner; ++d)
      offset += index[d] * strides[d];
    copyBytes(target, source + offset * static_cast<int64_t>(width), chunk);
    target += chunk;
    for (int32_t d = inner; d-- > 0;) {
      if (++index[d] < sizes[d])
        break;
      index[d] = 0;
    }
  }
}

/// Moves what the code left in the output descriptors to the caller's tensors.
CompressStatus ModelInstance::collect(CompressTensor *outputs) {
  const CompressModelInfo &info = *impl->info;
  CompressStatus status = COMPRESS_OK;
  // The block of output i if it is the runtime's to free. Code that returns an
  // input or a weight, or one buffer twice, must not make us free it.
  auto blockOf = [&](int64_t i) -> void * {
    void *p = impl->outputs[i].head.allocated;
    if (impl->context->isConstant(p))
      return nullptr;
    for (const Descriptor &in : impl->inputs)
      if (in.head.allocated == p)
        return nullptr;
    for (int64_t k = 0; k < i; ++k)
      if (impl->outputs[k].head.allocated == p)
        return nullptr;
    return p;
  };
  for (int64_t i = 0; i < info.num_outputs; ++i)
    outputs[i].owned = nullptr;
  std::vector<void *> blocks(info.num_outputs);
  for (int64_t i = 0; i < info.num_outputs; ++i)
    blocks[i] = blockOf(i);
  for (int64_t i = 0; i < info.num_outputs; ++i) {
    const CompressTensorInfo &what = info.outputs[i];
    const Descriptor &d = impl->outputs[i];
    CompressTensor &out = outputs[i];
    size_t width = elementSize(what.dtype), count;
    out.dtype = what.dtype;
    out.rank = what.rank;
    std::copy_n(d.sizes(), what.rank, out.dims);
    if (!countElements(d.sizes(), what.rank, width, count)) {
      status = fail(COMPRESS_ERROR_INTERNAL,
                    std::string("output '") + what.name + "' has shape " +
                        shapeText(d.sizes(), what.rank));
      break;
    }
    const char *data = static_cast<const char *>(d.head.aligned) +
                       d.head.offset * static_cast<int64_t>(width);
    bool dense = true;
    int64_t stride = 1;
    for (int32_t k = what.rank; count && k-- > 0;) {
      dense &= d.sizes()[k] == 1 || d.strides(what.rank)[k] == stride;
      stride *= d.sizes()[k];
    }
    bool shared = std::count_if(impl->outputs.begin(), impl->outputs.end(),
                                [&](const Descriptor &o) {
                                  return o.head.allocated == d.head.allocated;
                                }) > 1;
    if (!out.data && dense && blocks[i] && !shared) {
      disown(blocks[i]);
      out.owned = blocks[i];
      blocks[i] = nullptr;
      out.data = const_cast<char *>(data);
      out.capacity = count * width;
      continue;
    }
    if (out.data && out.capacity < count * width) {
      status = fail(COMPRESS_ERROR_ARGUMENT,
                    std::string("output '") + what.name + "' of shape " +
                        shapeText(d.sizes(), what.rank) + " needs " +
                        std::to_string(count * width) +
                        " bytes, the buffer given has " +
                        std::to_string(out.capacity));
      break;
    }
    if (!out.data) {
      out.owned = allocate(std::max<size_t>(count * width, 1));
      if (!out.owned) {
        status = fail(COMPRESS_ERROR_MEMORY,
                      std::string("out of memory: cannot allocate output '") +
                          what.name + "'");
        break;
      }
      out.data = out.owned;
      out.capacity = count * width;
    }
    if (count)
      packTensor(static_cast<char *>(out.data), data, d.sizes(),
                 d.strides(what.rank), what.rank, width);
  }
  for (void *block : blocks)
    deallocate(block);
  if (status)
    releaseTensors(outputs, info.num_outputs);
  return status;
}

CompressStatus ModelInstance::runChecked(const CompressTensor *inputs,
                                         CompressTensor *outputs) {
  if (CompressStatus status = checkInputs(inputs))
    return status;
  const CompressModelInfo &info = *impl->info;
  impl->outputs.assign(info.num_outputs, {});
  std::vector<void *> in, out;
  for (Descriptor &d : impl->inputs)
    in.push_back(&d);
  for (Descriptor &d : impl->outputs)
    out.push_back(&d);
  if (CompressStatus status = execute(in.data(), out.data())) {
    impl->copies.clear();
    freeBlocksOf(impl->context.get());
    return fail(status, impl->context->error);
  }
  return collect(outputs);
}

CompressStatus ModelInstance::run(const CompressTensor *inputs,
                                  size_t numInputs, CompressTensor *outputs,
                                  size_t numOutputs) {
  std::lock_guard<std::mutex> lock(impl->mutex);
  const CompressModelInfo &info = *impl->info;
  if ((numInputs && !inputs) || (numOutputs && !outputs))
    return fail(COMPRESS_ERROR_ARGUMENT, "inputs or outputs are null");
  for (bool isInput : {true, false}) {
    size_t have = isInput ? numInputs : numOutputs;
    int64_t want = isInput ? info.num_inputs : info.num_outputs;
    if (static_cast<int64_t>(have) != want)
      return fail(
          COMPRESS_ERROR_ARGUMENT,
          std::string("the model has ") + std::to_string(want) +
              (isInput ? " inputs, given are " : " outputs, given are ") +
              std::to_string(have));
  }
  Context &ctx = *impl->context;
  ctx.status = COMPRESS_OK;
  ctx.error.clear();
  size_t before = liveBytes();
  resetPeak();

  CompressStatus status = COMPRESS_OK;
  {
    RunScope scope(&ctx);
    status = runChecked(inputs, outputs);
  }
  impl->copies.clear();
  size_t peak = peakLiveBytes();
  impl->peak = peak > before ? peak - before : 0;
  // Keep what a run of this size needs again, not what larger ones needed.
  trimCache(impl->peak + impl->peak / 2 + (size_t(8) << 20));
  return status;
}

void compress::runtime::releaseTensors(CompressTensor *tensors, size_t count) {
  for (size_t i = 0; tensors && i < count; ++i) {
    if (!tensors[i].owned)
      continue;
    deallocate(tensors[i].owned);
    tensors[i].owned = tensors[i].data = nullptr;
    tensors[i].capacity = 0;
  }
}
