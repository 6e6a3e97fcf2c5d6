/*===- user.c - What a user of a model writes ---------------------*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
\*===----------------------------------------------------------------------===*/
#include "model.h"

#include <stdio.h>

int main(int argc, char **argv) {
  const float data[6] = {0, 1, 2, 3, 4, 5};
  char error[256];
  int i;
  CompressModelOptions options = {1, 1};
  CompressModel *model =
      affine_create(argc > 1 ? argv[1] : NULL, &options, error, sizeof error);
  if (!model) {
    printf("error: %s\n", error);
    return 1;
  }
  CompressTensor in[affine_num_inputs] = {affine_input_x(data, 2)};
  CompressTensor out[affine_num_outputs] = {{0}};
  if (affine_run(model, in, out) != COMPRESS_OK) {
    printf("error: %s\n", affine_last_error(model));
    return 1;
  }
  for (i = 0; i < 6; ++i)
    printf("%g ", ((const float *)out[0].data)[i]);
  printf("count %d\n", (int)*(const int64_t *)out[1].data);
  affine_release(out);
  in[0].dims[1] = 4;
  if (affine_run(model, in, out) != COMPRESS_OK)
    printf("error: %s\n", affine_last_error(model));
  affine_set_threads(model, 2);
  affine_destroy(model);
  return 0;
}
