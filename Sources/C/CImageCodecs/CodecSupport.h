// What the decoders share: reading by position, sizing an image, writing messages.
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "CImageCodecs.h"

/// A read position in an open file. The descriptor's own offset is neither used nor moved.
typedef struct {
  int descriptor;
  uint64_t position;
  /// Set once the operating system refuses a read, as opposed to the file's ending.
  bool failed;
  /// Set once a read comes up short: a whole file never sends its reader past its end.
  bool ended;
} codec_source;

/// Reads up to `count` bytes and advances; fewer come back at the end of the file or on an error.
size_t codec_source_read(codec_source *source, void *bytes, size_t count);

/// Bytes of the whole file, 0 where the operating system does not say.
uint64_t codec_source_size(codec_source *source);

/// Formats a message and replaces everything but printable ASCII, because libraries quote what
/// stands in the file and the message ends on terminals and in logs.
void codec_set_message(char *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// The same with an argument list.
void codec_set_message_list(char *message, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/// Checks sides against a limit; the message names the size that was found.
codec_status codec_check_sides(
    uint64_t width, uint64_t height, uint32_t longest, char *message);

/// Checks an image's sides against a limit and its bytes against theirs, and sets `byte_count`.
codec_status codec_check_size(codec_image *image, uint32_t longest_side, char *message);

/// Checks an image's sizes against the limits, then allocates its zeroed samples.
///
/// All fields but `byte_count` and `samples` are set before.
codec_status codec_image_allocate(codec_image *image, uint32_t longest_side, char *message);

/// Bytes of one sample of a type.
size_t codec_sample_size(codec_sample_type type);

/// Refuses sizes of which a file of this length cannot hold the deflated bytes: 258 come from 2 bits
/// at best.
codec_status codec_check_deflated(codec_source *source, uint64_t byte_count, char *message);

/// The orientation that Exif data name, from their header of TIFF on; 1 where they name none.
uint32_t codec_exif_orientation(const uint8_t *bytes, size_t count);
