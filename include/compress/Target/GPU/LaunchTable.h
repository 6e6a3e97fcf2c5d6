/*===- LaunchTable.h - Between launches and devices ---------------*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|* How generated code describes one launch to the runtime of a device: an     *|
|* array of int64_t. Shared by the compiler and runtimes; depends on nothing. *|
|*                                                                            *|
|*   [0] number of buffers that follow in the table                           *|
|*   [1] number of parameters                                                 *|
|*   [2] invocations per workgroup                                            *|
|*   then for each buffer: host address, size in bytes, 1 if it is written,   *|
|*   and where it is: 0, on the host, from or to which it is moved; or twice  *|
|*   the number of a tensor that stays on the device, plus one if it is       *|
|*   written and the host wants it, too                                       *|
|*   then the parameters; the first is the number of invocations              *|
|*                                                                            *|
|* Binding 0 of the kernel holds the parameters as int32; buffer i is binding *|
|* i + 1.                                                                     *|
\*===----------------------------------------------------------------------===*/
#ifndef COMPRESS_TARGET_GPU_LAUNCHTABLE_H
#define COMPRESS_TARGET_GPU_LAUNCHTABLE_H

enum {
  COMPRESS_LAUNCH_NUM_BUFFERS = 0,
  COMPRESS_LAUNCH_NUM_PARAMETERS = 1,
  COMPRESS_LAUNCH_WORKGROUP_SIZE = 2,
  COMPRESS_LAUNCH_HEADER = 3,
  /* Of each buffer. */
  COMPRESS_LAUNCH_ADDRESS = 0,
  COMPRESS_LAUNCH_BYTES = 1,
  COMPRESS_LAUNCH_IS_WRITTEN = 2,
  COMPRESS_LAUNCH_PLACE = 3,
  COMPRESS_LAUNCH_BUFFER = 4
};

#endif /* COMPRESS_TARGET_GPU_LAUNCHTABLE_H */
