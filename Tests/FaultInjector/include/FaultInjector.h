// A library that tests load into unet-dist (LD_PRELOAD), to let one rank fail at one moment.
//
//     UNET_DIST_FAULT=KIND:RANK:MOMENT:STEP    as in flip:1:forward:3; STEP may be * for every step, RANK -1
//                                              for every rank
//     UNET_DIST_FAULT_SEED=N                   which bit, and of which buffer
//     UNET_DIST_FAULT_TRACE=FILE               where the time of the fault is written, in nanoseconds
//
// Moments are those of FaultPoint (Sources/Liveness). Kinds:
//
//     throw                        an error of the language
//     trap, segv, exit0, exit3     the process ends in one of these ways
//     stop, kill                   it is sent SIGSTOP, SIGKILL
//     hang                         it runs in a loop
//     nan, flip                    a value becomes NaN, a bit is flipped, in the memory in use
//     enospc, eio                  from now on files cannot be written, or neither written nor read
//     emfile, nomem                from now on no file can be opened, no more than 16 MiB of memory be had
//     unreadable                   from now on no file can be read whose name ends as UNET_DIST_FAULT_FILE says
//     slowsync                     from now on forcing a file to the disk takes four seconds
//     nolocks                      from now on no file can be locked
//     unwatched                    neither watch nor log take time, to measure what they cost (Scripts/overhead)
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Called by unet-dist at each moment.
bool unet_dist_reached(
    const char *moment, int64_t step, float *values, size_t count, int number, int of);
