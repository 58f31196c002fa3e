// What happens before the program's libraries begin: OpenBLAS is told to take no threads.
//
// OpenBLAS starts a thread for every core when it is loaded, before main. They are never wanted, take memory and
// address space, and where there is too little of it for them the process waits for them for ever at its end.
// Only the environment can say so in time. So a process that was started without the variable replaces itself
// once by one that has it, before any library has done anything.
#include "CStart.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static char one_thread[] = "OPENBLAS_NUM_THREADS=1";

// Called by the dynamic linker before the constructors of libraries, those of sanitizers among them; calls nothing
// that needs theirs.
__attribute__((disable_sanitizer_instrumentation)) static void take_one_thread(int argc, char **argv, char **envp) {
  (void)argc;
  const size_t name_length = strlen("OPENBLAS_NUM_THREADS=");
  size_t count = 0;
  for (; envp[count] != NULL; count++) {
    if (strcmp(envp[count], one_thread) == 0) return;
  }
  char *variables[count + 2];
  size_t kept = 0;
  for (size_t index = 0; index < count; index++) {
    if (strncmp(envp[index], one_thread, name_length) != 0) variables[kept++] = envp[index];
  }
  variables[kept++] = one_thread;
  variables[kept] = NULL;
  // By its path, from which the process has its name; where there is none any more it goes on as it is.
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = 0;
  execve(path, argv, variables);
}

__attribute__((section(".preinit_array"), used)) static void (*before_libraries)(
    int, char **, char **) = take_one_thread;
