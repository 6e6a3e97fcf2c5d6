/*===- DeviceCode.h - How binaries of kernels lie in a model ------*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|* The code of a kernel for a driver that loads modules, as 32-bit words:     *|
|* the number of images, the name of the chip that they were made for, then   *|
|* for each image its first byte and its bytes. Images follow, each ended by  *|
|* a zero byte; the best one first. Shared by the compiler and runtimes.      *|
\*===----------------------------------------------------------------------===*/
#ifndef COMPRESS_TARGET_GPU_DEVICECODE_H
#define COMPRESS_TARGET_GPU_DEVICECODE_H

enum {
  COMPRESS_CODE_NUM_IMAGES = 0,
  COMPRESS_CODE_CHIP = 1,
  COMPRESS_CODE_CHIP_BYTES = 28,
  COMPRESS_CODE_HEADER = 8,
  /* Of each image. */
  COMPRESS_CODE_OFFSET = 0,
  COMPRESS_CODE_BYTES = 1,
  COMPRESS_CODE_IMAGE = 2
};

/* The entry point of every image. */
#define COMPRESS_CODE_ENTRY "compress_kernel"

#endif /* COMPRESS_TARGET_GPU_DEVICECODE_H */
