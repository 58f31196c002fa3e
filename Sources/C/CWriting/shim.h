// Hands Swift the system call that begins to write a file to the disk.
//
// glibc declares its function only under _GNU_SOURCE, which Swift's import of glibc does not define.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// Lets the system begin to write these bytes of a file to the disk, and returns at once; 0, or -1.
static inline long CWriting_begin(int descriptor, int64_t offset, int64_t byteCount) {
  const unsigned write = 2;  // SYNC_FILE_RANGE_WRITE of linux/fs.h
  return syscall(SYS_sync_file_range, descriptor, offset, byteCount, write);
}
