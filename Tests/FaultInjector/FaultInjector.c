// See the header.

#define _GNU_SOURCE
#include "FaultInjector.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// MARK: What is asked for

static char kind[16], moment[16];
static int64_t fault_rank, fault_step;  // -1 is every rank, every step
static uint64_t seed;
static bool is_asked;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_request(void) {
  const char *text = getenv("UNET_DIST_FAULT");
  char step[32];
  long rank;
  if (!text || sscanf(text, "%15[^:]:%ld:%15[^:]:%31s", kind, &rank, moment, step) != 4) return;
  const char *own = getenv("OMPI_COMM_WORLD_RANK");
  if (!own) own = getenv("PMI_RANK");  // MPICH's
  fault_rank = rank;
  fault_step = strcmp(step, "*") == 0 ? -1 : atol(step);
  seed = getenv("UNET_DIST_FAULT_SEED") ? strtoull(getenv("UNET_DIST_FAULT_SEED"), NULL, 10) : 0;
  is_asked = fault_rank == -1 || fault_rank == (own ? atol(own) : 0);
}

// A number that looks random, of two others (the finaliser of SplitMix64).
static uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15ull + b;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

static void trace(const char *text) {
  const char *path = getenv("UNET_DIST_FAULT_TRACE");
  if (!path) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  char line[160];
  int length = snprintf(
      line, sizeof line, "%lld%09ld %s\n", (long long)now.tv_sec, now.tv_nsec, text);
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (file < 0) return;
  syscall(SYS_write, file, line, (size_t)length);
  syscall(SYS_close, file);
}

// MARK: Files that fail

static volatile int write_error, read_error;

// Whether calls on a descriptor fail: of files, not of the terminal or other ranks.
static bool is_file(int descriptor) {
  struct stat status;
  return syscall(SYS_fstat, descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

#define FAIL(error, descriptor)              \
  {                                          \
    int code = error;                        \
    if (code && is_file(descriptor)) {       \
      errno = code;                          \
      return -1;                             \
    }                                        \
  }

// Whether watch and log are to be missing: no fault, but the other side of a measurement.
static bool is_unwatched(void) {
  pthread_once(&once, read_request);
  return is_asked && strcmp(kind, "unwatched") == 0;
}

// The pause between two looks of the watch.
int usleep(useconds_t microseconds) {
  while (microseconds == 100000 && is_unwatched()) pause();
  struct timespec rest = {microseconds / 1000000, microseconds % 1000000 * 1000};
  return nanosleep(&rest, NULL);
}

ssize_t write(int file, const void *bytes, size_t count) {
  FAIL(write_error, file)
  if (is_unwatched() && is_file(file) && (fcntl(file, F_GETFL) & O_APPEND)) return (ssize_t)count;
  return syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  FAIL(write_error, file)
  return syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) {
  return pwrite(file, bytes, count, offset);
}

// Seconds that fsync(2) takes.
static volatile unsigned sync_seconds;

int fsync(int file) {
  FAIL(write_error, file)
  if (sync_seconds && is_file(file)) nanosleep(&(struct timespec){sync_seconds, 0}, NULL);
  return (int)syscall(SYS_fsync, file);
}

static volatile int lock_error;

int flock(int file, int operation) {
  FAIL(lock_error, file)
  return (int)syscall(SYS_flock, file, operation);
}

// What the name of a file that cannot be read ends with.
static const char *volatile unreadable_name;

static bool is_unreadable(int descriptor) {
  const char *name = unreadable_name;
  if (!name) return false;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path);
  size_t end = strlen(name);
  return length >= (ssize_t)end && memcmp(path + length - end, name, end) == 0;
}

ssize_t read(int file, void *bytes, size_t count) {
  FAIL(read_error, file)
  FAIL(is_unreadable(file) ? EIO : 0, file)
  return syscall(SYS_read, file, bytes, count);
}

ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  FAIL(read_error, file)
  FAIL(is_unreadable(file) ? EIO : 0, file)
  return syscall(SYS_pread64, file, bytes, count, offset);
}

ssize_t pread64(int file, void *bytes, size_t count, off_t offset) {
  return pread(file, bytes, count, offset);
}

// MARK: Faults

static void allow(int resource, rlim_t most) {
  struct rlimit limit;
  getrlimit(resource, &limit);
  limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
  setrlimit(resource, &limit);
}

static rlim_t address_space(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static bool is(const char *name) { return strcmp(kind, name) == 0; }

// Damages one value of one of the buffers.
static void damage(int64_t step, float *values, size_t count, int number, int of) {
  uint64_t draw = mixed(seed, (uint64_t)step);
  if (of == 0 || count == 0 || draw % (uint64_t)of != (uint64_t)number) return;
  size_t index = (size_t)(mixed(draw, 1) % count);
  unsigned bit = (unsigned)(mixed(draw, 2) % 32);
  uint32_t bits;
  memcpy(&bits, values + index, sizeof bits);
  bits = is("nan") ? 0x7FC00000u : bits ^ (1u << bit);
  memcpy(values + index, &bits, sizeof bits);
  char text[120];
  snprintf(
      text, sizeof text, "%s buffer %d of %d, value %zu, bit %u", kind, number, of, index, bit);
  trace(text);
}

bool unet_dist_reached(
    const char *name, int64_t step, float *values, size_t count, int number, int of) {
  static int64_t last_step = -1;
  static bool is_done;
  pthread_once(&once, read_request);
  if (!is_asked || strcmp(name, moment) != 0) return false;
  // A step that is made again is not disturbed again.
  if (fault_step == -1 ? step <= last_step : is_done || step != fault_step) return false;
  if (of == 0 || number == of - 1) {
    last_step = step;
    is_done = true;
  }
  if (is("nan") || is("flip")) {
    damage(step, values, count, number, of);
    return false;
  }
  if (number != 0 && number != of - 1) return false;
  if (number == 0) trace(kind);
  if (is("throw")) return true;
  if (is("trap")) __builtin_trap();
  if (is("segv")) *(volatile int *)8 = 1;
  if (is("exit0")) _exit(0);
  if (is("exit3")) _exit(3);
  if (is("stop")) raise(SIGSTOP);
  if (is("kill")) raise(SIGKILL);
  if (is("hang")) {
    for (volatile int i = 0;; i++) {}
  }
  if (is("enospc")) write_error = ENOSPC;
  if (is("eio")) write_error = read_error = EIO;
  if (is("nolocks")) lock_error = ENOLCK;
  if (is("slowsync")) sync_seconds = 4;
  if (is("unreadable")) unreadable_name = getenv("UNET_DIST_FAULT_FILE");
  if (is("emfile")) allow(RLIMIT_NOFILE, 3);
  // Nothing can go on without the little that a message takes.
  if (is("nomem")) allow(RLIMIT_AS, address_space() + (16 << 20));
  return false;
}
