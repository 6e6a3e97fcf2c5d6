/* A libzstd for a machine that is emulated where only this one has the real
 * library: frames go through a pipe to a process that has it, and what they
 * hold comes back. Pipes are ZSTD_REQUESTS and ZSTD_ANSWERS; a request is two
 * sizes, of the frame and of what is expected, then the frame. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static int transfer(int file, char *data, size_t size, int writes) {
  while (size) {
    ssize_t done = writes ? write(file, data, size) : read(file, data, size);
    if (done <= 0)
      return 0;
    data += done;
    size -= (size_t)done;
  }
  return 1;
}

size_t ZSTD_decompress(void *out, size_t expected, const void *frame,
                       size_t bytes) {
  int requests = open(getenv("ZSTD_REQUESTS"), O_WRONLY);
  int answers = open(getenv("ZSTD_ANSWERS"), O_RDONLY);
  uint64_t sizes[2] = {bytes, expected};
  int good = requests >= 0 && answers >= 0 &&
             transfer(requests, (char *)sizes, sizeof sizes, 1) &&
             transfer(requests, (char *)frame, bytes, 1) &&
             transfer(answers, out, expected, 0);
  close(requests);
  close(answers);
  return good ? expected : (size_t)-1;
}

unsigned ZSTD_isError(size_t code) { return code == (size_t)-1; }
const char *ZSTD_getErrorName(size_t code) {
  (void)code;
  return "the process outside does not answer";
}
