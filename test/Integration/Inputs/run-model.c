/* Runs a compiled model with one f32 input and one f32 output through the
 * function table of its library, on raw files of floats:
 *
 *   run-model MODEL.so INPUT OUTPUT BATCH THREADS
 *
 * The first dimension of the input is BATCH. Prints what the code needs. */
#include "compress/Runtime/Model.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
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

  CompressTensor in = {0}, out = {0};
  size_t count = 1;
  in.dtype = COMPRESS_DTYPE_F32;
  in.rank = info->inputs[0].rank;
  for (int i = 0; i < in.rank; ++i) {
    in.dims[i] = i ? info->inputs[0].dims[i] : atol(argv[4]);
    count *= (size_t)in.dims[i];
  }
  in.data = malloc(count * sizeof(float));
  FILE *file = fopen(argv[2], "rb");
  if (!in.data || !file || fread(in.data, sizeof(float), count, file) != count)
    return fail(argv[2], "cannot be read");
  fclose(file);

  if (api->run(model, &in, 1, &out, 1))
    return fail("run", api->last_error(model));
  count = 1;
  for (int i = 0; i < out.rank; ++i)
    count *= (size_t)out.dims[i];
  file = fopen(argv[3], "wb");
  if (!file || fwrite(out.data, sizeof(float), count, file) != count ||
      fclose(file))
    return fail(argv[3], "cannot be written");
  api->release(&out, 1);
  api->destroy(model);
  free(in.data);
  return 0;
}
