// Hands Swift the two system calls on which cores a thread may run.
//
// glibc declares its functions for them only under _GNU_SOURCE, which Swift's import of glibc does
// not define.
#pragma once
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// Writes the calling thread's mask; returns the bytes written, or -1.
static inline long CScheduling_getaffinity(size_t byteCount, void *mask) {
  return syscall(SYS_sched_getaffinity, 0, byteCount, mask);
}

// Sets the calling thread's mask; returns 0, or -1.
static inline long CScheduling_setaffinity(size_t byteCount, const void *mask) {
  return syscall(SYS_sched_setaffinity, 0, byteCount, mask);
}
