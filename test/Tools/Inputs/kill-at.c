// Preloaded into a program, kills it (SIGKILL) at a chosen call of a function:
//   KILL_AT=rename:3:before   before the third call of rename
//   KILL_AT=write:5:half      in the fifth call of write, when half is written
// Calls of KILL_IN only, the program's name, since children are preloaded, too.
// KILL_COUNTS names a file that gets "function calls" lines at the end.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum Function { Rename, Write, Remove, Mkdir, NumFunctions };
static const char *const names[] = {"rename", "write", "remove", "mkdir"};
static atomic_long calls[NumFunctions];

// Whether this call, before or after it, is the chosen one.
static int isChosen(enum Function function, long call, const char *when) {
  const char *chosen = getenv("KILL_AT");
  const char *program = getenv("KILL_IN");
  char text[64];
  if (!chosen || (program && strcmp(program, program_invocation_short_name)))
    return 0;
  snprintf(text, sizeof text, "%s:%ld:%s", names[function], call, when);
  return !strcmp(text, chosen);
}

static void die(void) { kill(getpid(), SIGKILL); }

/// The body of a function that kills the process around the call that is
/// chosen.
#define AROUND(FUNCTION, TYPE, PARAMETERS, ...)                                \
  do {                                                                         \
    TYPE(*real) PARAMETERS = dlsym(RTLD_NEXT, names[FUNCTION]);                \
    long call = atomic_fetch_add(&calls[FUNCTION], 1) + 1;                     \
    if (isChosen(FUNCTION, call, "before"))                                    \
      die();                                                                   \
    TYPE result = real(__VA_ARGS__);                                           \
    int code = errno;                                                          \
    if (isChosen(FUNCTION, call, "after"))                                     \
      die();                                                                   \
    errno = code;                                                              \
    return result;                                                             \
  } while (0)

int rename(const char *from, const char *to) {
  AROUND(Rename, int, (const char *, const char *), from, to);
}
int remove(const char *path) { AROUND(Remove, int, (const char *), path); }
int mkdir(const char *path, mode_t mode) {
  AROUND(Mkdir, int, (const char *, mode_t), path, mode);
}

ssize_t write(int file, const void *bytes, size_t size) {
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  // Not what is printed.
  if (file <= 2)
    return real(file, bytes, size);
  if (isChosen(Write, atomic_fetch_add(&calls[Write], 1) + 1, "half")) {
    real(file, bytes, size / 2);
    die();
  }
  return real(file, bytes, size);
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("KILL_COUNTS");
  const char *program = getenv("KILL_IN");
  FILE *file;
  if (!path || (program && strcmp(program, program_invocation_short_name)) ||
      !(file = fopen(path, "w")))
    return;
  for (int i = 0; i < NumFunctions; ++i)
    fprintf(file, "%s %ld\n", names[i], atomic_load(&calls[i]));
  fclose(file);
}
