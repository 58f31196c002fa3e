#include "CBuildInformation.h"

const char *CBuildInformation_revision(void) { return UNET_DIST_REVISION; }
