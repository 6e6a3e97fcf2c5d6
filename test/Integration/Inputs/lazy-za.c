/* Runs a model with one f32 input while ZA holds values of ours that whoever
 * needs ZA must save first (AAPCS64, the lazy saving scheme):
 *
 *   lazy-za MODEL.so
 *
 * Prints "saved" if they are where they were to be saved. */
#include "compress/Runtime/Model.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__asm__(".arch_extension sme");

/* What TPIDR2_EL0 points to. */
static struct {
  void *buffer;
  uint16_t slices;
  char reserved[6];
} block;

static int fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

int main(int argc, char **argv) {
  void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (!library)
    return fail("usage: lazy-za MODEL.so");
  const CompressModelAPI *api = ((const CompressModelAPI *(*)(void))dlsym(
      library, "compress_model_api"))();
  CompressModelOptions options = {1, 0};
  CompressModel *model;
  char error[512];
  if (api->create(NULL, &options, &model, error, sizeof error))
    return fail(error);
  CompressTensor in = {0}, out = {0};
  size_t bytes = sizeof(float);
  in.dtype = COMPRESS_DTYPE_F32;
  in.rank = api->info()->inputs[0].rank;
  for (int i = 0; i < in.rank; ++i) {
    int64_t dim = api->info()->inputs[0].dims[i];
    in.dims[i] = dim < 0 ? 5 : dim;
    bytes *= (size_t)in.dims[i];
  }
  in.data = calloc(bytes, 1);

  uint64_t length, pointer;
  __asm__("rdsvl %0, #1" : "=r"(length));
  unsigned char *values = malloc(length * length);
  unsigned char *saved = calloc(length, length);
  if (!in.data || !values || !saved)
    return fail("no memory");
  for (uint64_t i = 0; i < length * length; ++i)
    values[i] = (unsigned char)(i * 7 + i / length);
  block.buffer = saved;
  block.slices = (uint16_t)length;
  __asm__ volatile("smstart za" ::: "memory");
  for (uint64_t i = 0; i < length; ++i)
    __asm__ volatile("mov w12, %w0\n\tldr za[w12, 0], [%1]" ::"r"(i),
                     "r"(values + i * length)
                     : "x12", "memory");
  __asm__ volatile("msr s3_3_c13_c0_5, %0" ::"r"(&block) : "memory");
  int status = api->run(model, &in, 1, &out, 1);
  __asm__ volatile("mrs %0, s3_3_c13_c0_5\n\tsmstop za"
                   : "=r"(pointer)::"memory");
  if (status)
    return fail(api->last_error(model));
  if (pointer)
    return fail("nobody needed ZA");
  if (memcmp(values, saved, length * length))
    return fail("ZA was lost");
  puts("saved");
  api->release(&out, 1);
  api->destroy(model);
  free(in.data);
  free(values);
  free(saved);
  return 0;
}
