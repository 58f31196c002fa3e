// See the header.

#define _GNU_SOURCE
#include "CLiveness.h"
#include <dlfcn.h>
#include <pthread.h>

typedef bool (*Reached)(
    const char *moment, int64_t step, float *values, size_t count, int number, int of);

static Reached reached;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look(void) { reached = (Reached)dlsym(RTLD_DEFAULT, "unet_dist_reached"); }

bool CLiveness_has_faults(void) {
  pthread_once(&once, look);
  return reached != NULL;
}

bool CLiveness_reach(
    const char *moment, int64_t step, float *values, size_t count, int number, int of) {
  return CLiveness_has_faults() && reached(moment, step, values, count, number, of);
}
