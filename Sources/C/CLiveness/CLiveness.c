// See the header.

#define _GNU_SOURCE
#include "CLiveness.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// MARK: Marks of progress

static CLiveness_Marks private_marks;
CLiveness_Marks *CLiveness_own = &private_marks;

void CLiveness_move(CLiveness_Marks *shared) {
  const CLiveness_Marks *before = CLiveness_marks();
  CLiveness_store(&shared->beats, CLiveness_load(&before->beats));
  CLiveness_store(&shared->phase, CLiveness_load(&before->phase));
  CLiveness_store(&shared->step, CLiveness_load(&before->step));
  CLiveness_store(&shared->waits, CLiveness_load(&before->waits));
  __atomic_store_n(&CLiveness_own, shared, __ATOMIC_RELEASE);
}

// MARK: Signals

static volatile sig_atomic_t received;
static volatile sig_atomic_t is_deferred;
static volatile sig_atomic_t early_status;
static volatile sig_atomic_t speaks_early;

static void handle(int number) {
  int code = errno;
  if (!is_deferred) {
    static const char text[] = "stopped by a signal before the first step, with nothing to save\n";
    if (speaks_early) CLiveness_say(text, sizeof text - 1);
    _exit(early_status);
  }
  if (number == SIGINT && received) {
    // Delivered when this handler has returned.
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
  if (!received) received = number;
  errno = code;
}

void CLiveness_catch(int number, int status, bool speaks) {
  early_status = status;
  speaks_early = speaks;
  struct sigaction before;
  if (sigaction(number, NULL, &before) != 0 || before.sa_handler == SIG_IGN) return;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handle;
  // System calls that were waiting go on.
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(number, &action, NULL);
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, number);
  sigprocmask(SIG_UNBLOCK, &own, NULL);
}

void CLiveness_defer(void) { is_deferred = 1; }

static void explain(int number) {
  static const char text[] =
      "error: a fault in the program itself; please report it with the command and the lines above\n";
  CLiveness_say(text, sizeof text - 1);
  signal(number, SIG_DFL);
  raise(number);
}

void CLiveness_explain_faults(void) {
  // For a stack that is full; other threads have their own.
  static char stack[1 << 16];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&other, NULL);
  const int faults[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = explain;
    action.sa_flags = SA_ONSTACK;
    sigaction(faults[i], &action, NULL);
  }
}

int CLiveness_received(void) { return received; }

// MARK: Ending

void CLiveness_say(const char *text, size_t length) {
  struct pollfd terminal = {.fd = STDERR_FILENO, .events = POLLOUT};
  int ready;
  do {
    ready = poll(&terminal, 1, 100);
  } while (ready == -1 && errno == EINTR);
  if (ready != 1 || !(terminal.revents & POLLOUT)) return;
  // Nobody to tell is no reason to fail.
  ssize_t written = write(STDERR_FILENO, text, length);
  (void)written;
}

int CLiveness_open_process(int64_t process) {
  return (int)syscall(SYS_pidfd_open, (pid_t)process, 0);
}

void CLiveness_end_with_parent(int process) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have ended before.
  if (getppid() != process) _exit(128 + SIGKILL);
}

// Whether `descriptor` is one of the handles.
static int is_kept(int descriptor, const int *processes, int count) {
  for (int i = 0; i < count; i++) {
    if (processes[i] == descriptor) return 1;
  }
  return 0;
}

void CLiveness_end(int status, const int *processes, int count) {
  // Not by fork(), whose handlers in libraries wait for threads and locks. The child makes system calls only.
  if (count > 0 && syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
    // Sockets and pipes must end with the parent, for others wait at their other ends.
    for (int descriptor = 0; descriptor < 65536; descriptor++) {
      if (!is_kept(descriptor, processes, count)) close(descriptor);
    }
    // Launchers end what they have started within a second or two, and tell why; this is for when they do not.
    struct timespec pause = {.tv_sec = 5};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {}
    for (int i = 0; i < count; i++) {
      syscall(SYS_pidfd_send_signal, processes[i], SIGKILL, NULL, 0);
    }
    _exit(0);
  }
  _exit(status);
}
