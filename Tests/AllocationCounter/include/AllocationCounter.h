// Counts the calls of the memory allocator in a test program.
#pragma once

// Whether allocations are counted: not under a sanitizer, which stands in the same place.
int canCountAllocations(void);

// Begins (1) or ends (0) the counting on the calling thread: other tests run beside this one.
void watchAllocationsOfThisThread(int watched);

// Calls of malloc, calloc, realloc and their aligned relatives by all watched threads, but for those
// that OpenBLAS makes.
long allocationCount(void);
