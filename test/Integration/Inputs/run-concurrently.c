/* Runs instances of a model at the same time, each from a thread of its own:
 *
 *   run-concurrently MODEL.so CALLERS ROUNDS THREADS
 *
 * The input is made up. Exits with 1 if the results differ in a bit; prints the
 * most threads that the process had. */
#include "compress/Runtime/Model.h"
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, MAX_CALLERS = 64 };

static const CompressModelAPI *api;
static int rounds, threads;
static float *input;
static atomic_int most, failures;
static pthread_barrier_t barrier;

typedef struct Result {
  float *data;
  size_t count;
} Result;

static int countThreads(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  for (struct dirent *entry; tasks && (entry = readdir(tasks));)
    count += entry->d_name[0] != '.';
  if (tasks)
    closedir(tasks);
  return count;
}

static CompressTensor makeInput(void) {
  const CompressTensorInfo *info = &api->info()->inputs[0];
  CompressTensor in = {0};
  size_t count = 1;
  in.dtype = info->dtype;
  in.rank = info->rank;
  for (int i = 0; i < in.rank; ++i) {
    in.dims[i] = info->dims[i] < 0 ? BATCH : info->dims[i];
    count *= (size_t)in.dims[i];
  }
  if (!input) {
    input = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; ++i)
      input[i] = (float)(i * 7919 % 1000) / 1000;
  }
  in.data = input;
  return in;
}

static void *call(void *argument) {
  Result *result = argument;
  char error[512];
  CompressModel *model;
  CompressModelOptions options = {threads, 0};
  if (api->create(NULL, &options, &model, error, sizeof error)) {
    fprintf(stderr, "create: %s\n", error);
    ++failures;
    pthread_barrier_wait(&barrier);
    return NULL;
  }
  pthread_barrier_wait(&barrier);
  for (int round = 0; round < rounds; ++round) {
    CompressTensor in = makeInput(), out = {0};
    if (api->run(model, &in, 1, &out, 1)) {
      fprintf(stderr, "run: %s\n", api->last_error(model));
      ++failures;
      break;
    }
    size_t count = 1;
    for (int i = 0; i < out.rank; ++i)
      count *= (size_t)out.dims[i];
    if (!result->data) {
      result->data = malloc(count * sizeof(float));
      result->count = count;
      memcpy(result->data, out.data, count * sizeof(float));
    } else if (memcmp(result->data, out.data, count * sizeof(float))) {
      fprintf(stderr, "round %d differs\n", round);
      ++failures;
    }
    api->release(&out, 1);
    int now = countThreads(), before = most;
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
      ;
  }
  api->destroy(model);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 5)
    return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const CompressModelAPI *(*get)(void) =
      (const CompressModelAPI *(*)(void))dlsym(library, "compress_model_api");
  api = get();
  int callers = atoi(argv[2]);
  rounds = atoi(argv[3]);
  threads = atoi(argv[4]);
  if (callers < 1 || callers > MAX_CALLERS)
    return 2;
  makeInput();
  pthread_t ids[MAX_CALLERS];
  Result results[MAX_CALLERS] = {{0}};
  pthread_barrier_init(&barrier, NULL, (unsigned)callers);
  for (int i = 0; i < callers; ++i)
    pthread_create(&ids[i], NULL, call, &results[i]);
  for (int i = 0; i < callers; ++i)
    pthread_join(ids[i], NULL);
  for (int i = 1; i < callers && !failures; ++i)
    if (memcmp(results[0].data, results[i].data,
               results[0].count * sizeof(float))) {
      fprintf(stderr, "callers 0 and %d differ\n", i);
      ++failures;
    }
  printf("%d\n", most);
  return failures != 0;
}
