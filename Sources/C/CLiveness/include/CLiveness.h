// What must work while everything else may be stuck: the handler of signals that ask for a stop, the marks
// of progress that ranks of a host see of each other, and the end of a process that can wait for nobody.
//
// In C because a handler may call nothing that allocates or locks, and because marks lie in memory that
// several processes share.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Marks of progress

// The marks of one process, alone on its lines of the cache. All are read and written by the functions
// below only.
typedef struct {
  int64_t process;  // its number, 0 before it has come
  int64_t start;    // when it started, in ticks of the system, which tells it from a later one
  int64_t rank;
  int64_t beats;    // changes with every piece of work
  int64_t phase;
  int64_t step;
  int64_t waits;    // how many calls that wait for other ranks it is in
  int64_t spoken;   // whether it has told of a stall, so that others need not
  int64_t reserved[8];
} CLiveness_Marks;

// The marks of this process: its own until it moves to those that others see.
extern CLiveness_Marks *CLiveness_own;

static inline int64_t CLiveness_load(const int64_t *value) {
  return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static inline void CLiveness_store(int64_t *value, int64_t next) {
  __atomic_store_n(value, next, __ATOMIC_RELAXED);
}

static inline CLiveness_Marks *CLiveness_marks(void) {
  return __atomic_load_n(&CLiveness_own, __ATOMIC_ACQUIRE);
}

// Tells that a piece of work was done. Not an atomic addition: any change will do, and this costs nothing.
static inline void CLiveness_beat(void) {
  int64_t *beats = &CLiveness_marks()->beats;
  CLiveness_store(beats, CLiveness_load(beats) + 1);
}

// Adds to the calls that wait for other ranks.
static inline void CLiveness_wait(int64_t change) {
  __atomic_fetch_add(&CLiveness_marks()->waits, change, __ATOMIC_RELAXED);
}

// Moves this process's marks to where others see them.
void CLiveness_move(CLiveness_Marks *shared);

// MARK: Signals

// Catches the signal from now on, unless the process ignores it, as under nohup. Whoever started the process
// may have blocked it without wanting to.
//
// Before CLiveness_defer a signal ends the process with `status`, and says so if it `speaks`.
// After it the signal is only kept in CLiveness_received; an interrupt (SIGINT) behind another signal ends
// the process at once.
void CLiveness_catch(int signal, int status, bool speaks);

// From now on there is work to save, and the end waits for whoever asks CLiveness_received.
void CLiveness_defer(void);

// Catches the signals of faults (illegal instruction, memory that is not there, ...): one line says so, and
// the process ends by the signal. Without a trace, which would show what is in memory.
void CLiveness_explain_faults(void);

// The first signal that was caught, or 0.
int CLiveness_received(void);

// MARK: Ending

// Writes to standard error unless nobody takes it there.
void CLiveness_say(const char *text, size_t length);

// A handle to a process that stays with it, or -1.
int CLiveness_open_process(int64_t process);

// Has the system kill this process when the thread that has started it, of the process of this number, ends.
void CLiveness_end_with_parent(int process);

// Ends this process at once. Those in `processes`, handles, are killed soon after, if they are still there.
_Noreturn void CLiveness_end(int status, const int *processes, int count);

// MARK: Faults of tests

// Whether a function unet_dist_reached was loaded into the process, which only tests do.
bool CLiveness_has_faults(void);

// Tells it that a moment of the run has come, with the memory in use, buffer `number` of `of`; true when the
// caller is to fail.
bool CLiveness_reach(
    const char *moment, int64_t step, float *values, size_t count, int number, int of);
