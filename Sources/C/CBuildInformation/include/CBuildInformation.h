// What Package.swift knows when the program is built, and Swift cannot take as a definition.
#pragma once

// The commit that the program was built from, with "-modified" where files differed from it, or
// "unknown" outside of a clone.
const char *CBuildInformation_revision(void);
