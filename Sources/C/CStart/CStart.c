// What happens before the program's libraries begin: the build that fits the processor is taken, and OpenBLAS is
// told to take no threads.
//
// The program may be installed once for each level of x86-64 (System V psABI, "Micro-Architecture Levels"): the one
// that is called in bin, those for more in libexec/unet-dist/LEVEL beside it. It replaces itself by the highest one
// that the processor can run and UNET_DIST_LEVEL allows.
//
// OpenBLAS starts a thread for every core when it is loaded, before main. They are never wanted, take memory and
// address space, and where there is too little of it for them the process waits for them for ever at its end.
// Only the environment can say so in time. So a process that was started without the variable replaces itself
// once by one that has it, before any library has done anything.
#include "CStart.h"

#include <cpuid.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

// Called by the dynamic linker before the constructors of libraries, those of sanitizers among them; calls nothing
// that needs theirs.
#define BEFORE_LIBRARIES __attribute__((disable_sanitizer_instrumentation))

static const char level_prefix[] = "x86-64-v";
enum { lowest_level = 2, highest_level = 4 };

BEFORE_LIBRARIES int CStart_level(const char *name) {
  const size_t length = sizeof level_prefix - 1;
  if (strncmp(name, level_prefix, length) != 0 || name[length] == 0 || name[length + 1] != 0) return 0;
  const int level = name[length] - '0';
  return level >= lowest_level && level <= highest_level ? level : 0;
}

BEFORE_LIBRARIES int CStart_processorLevel(void) {
  unsigned a, b, c, d;
  const unsigned v2 = bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & v2) != v2) return 1;
  const unsigned v3 = bit_AVX | bit_FMA | bit_MOVBE | bit_F16C | bit_OSXSAVE;
  if ((c & v3) != v3) return 2;
  // Whether the system saves the registers: XMM and YMM, and for level 4 masks and ZMM.
  unsigned state, unused;
  __asm__("xgetbv" : "=a"(state), "=d"(unused) : "c"(0));
  if ((state & 0x6) != 0x6) return 2;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 2;
  const unsigned v3_more = bit_AVX2 | bit_BMI | bit_BMI2;
  const unsigned extended = b;
  if ((extended & v3_more) != v3_more) return 2;
  if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & bit_LZCNT)) return 2;
  const unsigned v4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
  return (state & 0xE6) == 0xE6 && (extended & v4) == v4 ? 4 : 3;
}

BEFORE_LIBRARIES int CStart_variant(const char *program, int own, int most, char *path, size_t capacity) {
  const char *name = strrchr(program, '/');
  if (name == NULL || own == 0) return 0;
  static const char folder[] = "/../libexec/unet-dist/x86-64-v";
  const size_t home = (size_t)(name - program), length = strlen(name);
  if (home + sizeof folder + 1 + length > capacity) return 0;
  memcpy(path, program, home);
  memcpy(path + home, folder, sizeof folder - 1);
  char *level = path + home + sizeof folder - 1;
  memcpy(level + 1, name, length + 1);
  for (int candidate = most; candidate > own; candidate--) {
    *level = (char)('0' + candidate);
    if (access(path, X_OK) == 0) return candidate;
  }
  return 0;
}

BEFORE_LIBRARIES static void say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

static char one_thread[] = "OPENBLAS_NUM_THREADS=1";

BEFORE_LIBRARIES static void begin(int argc, char **argv, char **envp) {
  (void)argc;
  static const char level_name[] = "UNET_DIST_LEVEL=";
  const int own = CStart_level(UNET_DIST_MARCH), processor = CStart_processorLevel();
  if (own > processor) {
    say("error: this build is for processors of " UNET_DIST_MARCH
        ", and this one is of a lower level; take a build for that, by UNET_DIST_MARCH\n");
    _exit(1);
  }
  const size_t name_length = strlen("OPENBLAS_NUM_THREADS=");
  size_t count = 0;
  int has_one_thread = 0, most = processor;
  for (; envp[count] != NULL; count++) {
    if (strcmp(envp[count], one_thread) == 0) has_one_thread = 1;
    if (strncmp(envp[count], level_name, sizeof level_name - 1) != 0) continue;
    const int asked = CStart_level(envp[count] + sizeof level_name - 1);
    if (asked == 0) {
      say("error: UNET_DIST_LEVEL: expected x86-64-v2, x86-64-v3 or x86-64-v4, found another name; take one or leave it out\n");
      _exit(64);
    }
    if (asked < most) most = asked;
  }

  // By its path, from which the process has its name; where there is none any more it goes on as it is. So it does
  // where the dynamic linker was started with the program as an argument: that is the process's program then, and
  // says no path of one.
  char path[PATH_MAX], variant[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  if (name != NULL && strncmp(name, "/ld-linux", strlen("/ld-linux")) == 0) return;
  const int has_variant = CStart_variant(path, own, most, variant, sizeof variant);
  if (has_one_thread && !has_variant) return;
  char *variables[count + 2];
  size_t kept = 0;
  for (size_t index = 0; index < count; index++) {
    if (strncmp(envp[index], one_thread, name_length) != 0) variables[kept++] = envp[index];
  }
  variables[kept++] = one_thread;
  variables[kept] = NULL;
  execve(has_variant ? variant : path, argv, variables);
}

__attribute__((section(".preinit_array"), used)) static void (*before_libraries)(int, char **, char **) = begin;
