// Counts the calls of the memory allocator in a test program.
#pragma once

// Calls of malloc, calloc, realloc and their aligned relatives by any thread since the start, but for
// those that OpenBLAS makes.
long allocationCount(void);
