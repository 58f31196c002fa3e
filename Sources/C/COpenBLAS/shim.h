// Makes CBLAS visible to Swift, and OpenBLAS's choice of kernels repeatable after its start.
#pragma once
#include <cblas.h>
#include <stddef.h>

// Entry points of OpenBLAS builds with run-time kernel selection (DYNAMIC_ARCH). They are exported
// but stand in no header; weak, so that another build of the library still links.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

// Selects the kernels again, by the OPENBLAS_CORETYPE now in the environment. Returns 0 where the
// library cannot do that. No product may be under way.
static inline int COpenBLAS_selectKernelsAgain(void) {
  if (gotoblas_dynamic_init == NULL || gotoblas_dynamic_quit == NULL) return 0;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  return 1;
}

// The OPENBLAS_CORETYPE of the widest kernels this processor and its operating system can run, or
// NULL where OpenBLAS's own choice stands: processors younger than the library are unknown to it,
// and get kernels of half the vector width.
static inline const char *COpenBLAS_widestCoreType(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? "Cooperlake" : "SkylakeX";
  }
#endif
  return NULL;
}
