// Stands before glibc's allocator in a test program: defining these symbols in the executable makes
// every library of the process call them. They count, and pass the call on.
#define _GNU_SOURCE
#include "AllocationCounter.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long calls;
static _Thread_local int isWatched;

// Where OpenBLAS lies in memory. Its kernels for tiny matrices take scratch memory from malloc now
// and then, which no caller can prevent, so its own calls are not counted.
static atomic_uintptr_t blasStart, blasEnd;

static int findBLAS(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  (void)context;
  if (info->dlpi_name == NULL || strstr(info->dlpi_name, "openblas") == NULL) return 0;
  uintptr_t end = 0;
  for (int index = 0; index < info->dlpi_phnum; index++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[index];
    uintptr_t last = info->dlpi_addr + header->p_vaddr + header->p_memsz;
    if (header->p_type == PT_LOAD && last > end) end = last;
  }
  atomic_store(&blasEnd, end);
  atomic_store(&blasStart, info->dlpi_addr);
  return 1;
}

#if !UNDER_SANITIZER
static void count(const void *caller) {
  if (!isWatched) return;
  uintptr_t address = (uintptr_t)caller;
  if (address >= atomic_load(&blasStart) && address < atomic_load(&blasEnd)) return;
  atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}
#endif

void watchAllocationsOfThisThread(int watched) {
  if (atomic_load(&blasStart) == 0) dl_iterate_phdr(findBLAS, NULL);
  isWatched = watched;
}

long allocationCount(void) { return atomic_load(&calls); }

int canCountAllocations(void) {
#if UNDER_SANITIZER
  return 0;
#else
  return 1;
#endif
}

// A sanitizer stands before the allocator itself, and its own functions may not be called as early as
// the loader calls these.
#if !UNDER_SANITIZER

void *malloc(size_t size) {
  count(__builtin_return_address(0));
  return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size) {
  count(__builtin_return_address(0));
  return __libc_calloc(elements, size);
}

void *realloc(void *memory, size_t size) {
  count(__builtin_return_address(0));
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

#endif
