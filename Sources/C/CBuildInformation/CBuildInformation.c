// The commit is read from the clone when this file is compiled. The compiler knows what it has embedded,
// so a new commit compiles it again; Package.swift's own knowledge of git is kept from an older one.
#include "CBuildInformation.h"

#include <stddef.h>
#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

// What is checked out: a commit, or the name of a branch.
static const char head[] = {
#if __has_embed("../../../.git/HEAD")
#embed "../../../.git/HEAD"
    ,
#endif
    0};

// The commit of the branch main.
static const char mainBranch[] = {
#if __has_embed("../../../.git/refs/heads/main")
#embed "../../../.git/refs/heads/main"
    ,
#endif
    0};

const char *CBuildInformation_revision(void) {
  static char revision[41];
  const char *source = strcmp(head, "ref: refs/heads/main\n") == 0 ? mainBranch : head;
  if (strspn(source, "0123456789abcdef") != 40) return "unknown";
  memcpy(revision, source, 40);
  return revision;
}

const char *CBuildInformation_instructionSet(void) { return UNET_DIST_MARCH; }

const char *CBuildInformation_compiler(void) { return "Clang " __clang_version__; }
