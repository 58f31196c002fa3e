// What is known when the program is built.
#pragma once

// The newest commit of the clone that the program was built in, where main or a commit is checked out;
// else "unknown". Files that differed from it do not show. Not for several threads at once.
const char *CBuildInformation_revision(void);

// The instruction set that the program was built for, as UNET_DIST_MARCH names it.
const char *CBuildInformation_instructionSet(void);

// The C compiler, which comes with Swift's.
const char *CBuildInformation_compiler(void);
