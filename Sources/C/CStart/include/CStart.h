// What happens before the program's libraries begin, and what decides it.
#pragma once

#include <stddef.h>

// The level that a name such as "x86-64-v3" says, or 0 where it says none.
int CStart_level(const char *name);

// The highest level of x86-64 whose instructions the processor and the system have: 1 to 4.
int CStart_processorLevel(void);

// Writes the path of the build for the highest level above `own` and up to `most` that is installed with `program`
// into `path`, of this capacity, and returns that level; 0 where there is none, or `own` is no level.
int CStart_variant(const char *program, int own, int most, char *path, size_t capacity);
