// Makes CBLAS visible to Swift, and OpenBLAS's choice of kernel repeatable after start.
#pragma once
#include <cblas.h>
#include <stddef.h>

// Entry points of OpenBLAS builds with run-time kernel selection (DYNAMIC_ARCH). They are exported
// but stand in no header; weak, so that another build of the library still links.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

// Selects the kernels again, by the OPENBLAS_CORETYPE now in the environment. Returns 0 where the
// library cannot do that.
static inline int COpenBLAS_selectKernelsAgain(void) {
  if (gotoblas_dynamic_init == NULL || gotoblas_dynamic_quit == NULL) return 0;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  return 1;
}
