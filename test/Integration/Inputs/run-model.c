/* Runs a compiled model through the function table of its library, on raw files
 * of numbers: inputs one after the other, and so outputs.
 *
 *   run-model MODEL.so INPUT OUTPUT BATCH THREADS
 *
 * Dimensions of inputs that the model leaves open are BATCH. Prints what the
 * code needs. */
#include "compress/Runtime/Model.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

static size_t count_bytes(const CompressTensor *tensor) {
  size_t bytes =
      tensor->dtype == COMPRESS_DTYPE_I64 || tensor->dtype == COMPRESS_DTYPE_F64
          ? 8
          : 4;
  for (int i = 0; i < tensor->rank; ++i)
    bytes *= (size_t)tensor->dims[i];
  return bytes;
}

int main(int argc, char **argv) {
  if (argc != 6)
    return fail("usage", "run-model MODEL.so INPUT OUTPUT BATCH THREADS");
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library)
    return fail(argv[1], dlerror());
  const CompressModelAPI *(*get)(void) =
      (const CompressModelAPI *(*)(void))dlsym(library, "compress_model_api");
  if (!get)
    return fail(argv[1], "not a model");
  const CompressModelAPI *api = get();
  const CompressModelInfo *info = api->info();
  printf("features: %s\n", info->cpu_features);

  char error[512];
  CompressModel *model;
  CompressModelOptions options = {atoi(argv[5]), 1};
  if (api->create(NULL, &options, &model, error, sizeof error))
    return fail("create", error);

  size_t num_inputs = (size_t)info->num_inputs;
  size_t num_outputs = (size_t)info->num_outputs;
  CompressTensor *in = calloc(num_inputs + 1, sizeof *in);
  CompressTensor *out = calloc(num_outputs + 1, sizeof *out);
  FILE *file = fopen(argv[2], "rb");
  if (!in || !out || !file)
    return fail(argv[2], "cannot be read");
  for (size_t t = 0; t < num_inputs; ++t) {
    in[t].dtype = info->inputs[t].dtype;
    in[t].rank = info->inputs[t].rank;
    for (int i = 0; i < in[t].rank; ++i)
      in[t].dims[i] =
          info->inputs[t].dims[i] < 0 ? atol(argv[4]) : info->inputs[t].dims[i];
    size_t bytes = count_bytes(&in[t]);
    in[t].data = malloc(bytes + 1);
    if (!in[t].data || fread(in[t].data, 1, bytes, file) != bytes)
      return fail(argv[2], "cannot be read");
  }
  fclose(file);

  if (api->run(model, in, num_inputs, out, num_outputs))
    return fail("run", api->last_error(model));
  file = fopen(argv[3], "wb");
  if (!file)
    return fail(argv[3], "cannot be written");
  for (size_t t = 0; t < num_outputs; ++t) {
    size_t bytes = count_bytes(&out[t]);
    if (fwrite(out[t].data, 1, bytes, file) != bytes)
      return fail(argv[3], "cannot be written");
  }
  if (fclose(file))
    return fail(argv[3], "cannot be written");
  api->release(out, num_outputs);
  api->destroy(model);
  for (size_t t = 0; t < num_inputs; ++t)
    free(in[t].data);
  free(in);
  free(out);
  return 0;
}
