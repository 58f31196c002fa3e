// Tells the image codecs where OpenJPEG's header lies, which is in a folder of its version.
#pragma once
#include <openjpeg.h>
