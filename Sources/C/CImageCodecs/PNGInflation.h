// A PNG whose pixels are inflated at once, for libpng to read.
#pragma once

#include "CodecSupport.h"

/// The bytes of a PNG in memory, and how many of them were read.
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t position;
} png_memory;

/// Makes a PNG of the same pixels in stored blocks, which libpng reads faster; false where it would not pay or the
/// file is not as expected, and is to be read as it is.
///
/// `bytes` are the caller's to free.
bool png_inflate(codec_source source, png_memory *memory);
