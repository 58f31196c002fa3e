// What the decoders share: reading by position, sizing an image, writing messages.

#include "CodecSupport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

size_t codec_source_read(codec_source *source, void *bytes, size_t count) {
  size_t done = 0;
  while (done < count) {
    if (source->position > INT64_MAX) break;
    ssize_t got =
        pread(source->descriptor, (char *)bytes + done, count - done, (off_t)source->position);
    if (got < 0 && errno == EINTR) continue;
    // A position past the largest offset is refused as EINVAL: it comes from the file, so it is
    // damage and no failure of the disk.
    if (got < 0 && errno != EINVAL && errno != EOVERFLOW) source->failed = true;
    if (got <= 0) break;
    done += (size_t)got;
    source->position += (uint64_t)got;
  }
  if (done < count) source->ended = true;
  return done;
}

uint64_t codec_source_size(codec_source *source) {
  struct stat status;
  if (fstat(source->descriptor, &status) != 0 || status.st_size < 0) {
    source->failed = true;
    return 0;
  }
  return (uint64_t)status.st_size;
}

void codec_set_message_list(char *message, const char *format, va_list arguments) {
  if (vsnprintf(message, CODEC_MESSAGE_CAPACITY, format, arguments) < 0) message[0] = 0;
  for (char *character = message; *character != 0; character++) {
    if (*character < 0x20 || *character > 0x7E) *character = '?';
  }
}

void codec_set_message(char *message, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  codec_set_message_list(message, format, arguments);
  va_end(arguments);
}

size_t codec_sample_size(codec_sample_type type) {
  switch (type) {
    case codec_uint8:
    case codec_int8: return 1;
    case codec_uint16:
    case codec_int16: return 2;
    case codec_uint32:
    case codec_int32:
    case codec_float32: return 4;
  }
  return 4;
}

codec_status codec_check_sides(
    uint64_t width, uint64_t height, uint32_t longest, char *message) {
  if (width == 0 || height == 0) {
    codec_set_message(message, "an image of %llu x %llu pixels", (unsigned long long)width,
                      (unsigned long long)height);
    return codec_damaged;
  }
  if (width > longest || height > longest) {
    codec_set_message(message, "an image of %llu x %llu pixels", (unsigned long long)width,
                      (unsigned long long)height);
    return codec_too_large;
  }
  return codec_ok;
}

codec_status codec_check_size(codec_image *image, uint32_t longest_side, char *message) {
  codec_status status = codec_check_sides(image->width, image->height, longest_side, message);
  if (status != codec_ok) return status;
  size_t byte_count = codec_sample_size(image->sample_type);
  if (__builtin_mul_overflow(byte_count, (size_t)image->width, &byte_count) ||
      __builtin_mul_overflow(byte_count, (size_t)image->height, &byte_count) ||
      __builtin_mul_overflow(byte_count, (size_t)image->channels, &byte_count) ||
      byte_count > CODEC_MAXIMUM_DECODED_BYTES) {
    codec_set_message(message, "an image of %u x %u pixels, %u channels and %zu bytes a sample",
                      image->width, image->height, image->channels,
                      codec_sample_size(image->sample_type));
    return codec_too_large;
  }
  image->byte_count = byte_count;
  return codec_ok;
}

static uint64_t (*available_memory)(void);

void codec_ask_for_memory(uint64_t (*available)(void)) {
  __atomic_store_n(&available_memory, available, __ATOMIC_RELEASE);
}

// Refuses an image that with its copy takes more than the process may have: a container would kill it in the
// middle of the decoding, without a word. Of smaller ones nobody asks, for that takes longer than decoding them.
static codec_status check_memory(size_t byte_count, char *message) {
  static const size_t small = 32 << 20;
  uint64_t (*available)(void) = __atomic_load_n(&available_memory, __ATOMIC_ACQUIRE);
  if (byte_count <= small || available == NULL) return codec_ok;
  uint64_t most = available();
  if (2 * (uint64_t)byte_count <= most) return codec_ok;
  codec_set_message(message, "samples of %zu MiB, of which two copies are made, and %llu MiB to be had",
                    byte_count >> 20, (unsigned long long)(most >> 20));
  return codec_out_of_memory;
}

codec_status codec_image_allocate(codec_image *image, uint32_t longest_side, char *message) {
  codec_status status = codec_check_size(image, longest_side, message);
  if (status != codec_ok) return status;
  size_t byte_count = image->byte_count;
  status = check_memory(byte_count, message);
  if (status != codec_ok) return status;
  // The caller copies the samples, and cannot refuse for want of memory: that is tried here. Zeroed
  // pages cost nothing until they are touched, so a small file that claims a large image takes memory
  // only as far as its data go.
  void *copy = malloc(byte_count);
  image->samples = copy == NULL ? NULL : calloc(byte_count, 1);
  free(copy);
  if (image->samples == NULL) {
    codec_set_message(message, "%zu bytes could not be allocated", byte_count);
    return codec_out_of_memory;
  }
  return codec_ok;
}

codec_status codec_check_deflated(
    codec_source *source, uint64_t byte_count, char *message) {
  static const uint64_t best_ratio = 1032;
  uint64_t size = codec_source_size(source);
  if (byte_count / best_ratio <= size) return codec_ok;
  codec_set_message(message, "pixels of %llu bytes, for which a file of %llu bytes is too short",
                    (unsigned long long)byte_count, (unsigned long long)size);
  return source->failed ? codec_system_error : codec_damaged;
}

uint32_t codec_exif_orientation(const uint8_t *bytes, size_t count) {
  static const uint32_t upright = 1;
  if (count < 8 || bytes[0] != bytes[1] || (bytes[0] != 'I' && bytes[0] != 'M')) return upright;
  bool big_endian = bytes[0] == 'M';
#define EXIF_NUMBER(at, low, high) ((uint32_t)bytes[(at) + (big_endian ? (high) : (low))])
#define EXIF_SHORT(at) (EXIF_NUMBER(at, 0, 1) | EXIF_NUMBER(at, 1, 0) << 8)
  if (EXIF_SHORT(2) != 42) return upright;
  size_t directory = big_endian ? (size_t)EXIF_SHORT(4) << 16 | EXIF_SHORT(6)
                                : (size_t)EXIF_SHORT(6) << 16 | EXIF_SHORT(4);
  if (directory > count - 2) return upright;
  size_t entries = EXIF_SHORT(directory);
  for (size_t index = 0; index < entries; index++) {
    size_t entry = directory + 2 + 12 * index;
    if (entry + 12 > count) return upright;
    if (EXIF_SHORT(entry) != 0x0112) continue;
    uint32_t orientation = EXIF_SHORT(entry + 8);
    return orientation >= 1 && orientation <= 8 ? orientation : upright;
  }
#undef EXIF_SHORT
#undef EXIF_NUMBER
  return upright;
}

void codec_image_free(codec_image *image) {
  free(image->samples);
  image->samples = NULL;
  image->byte_count = 0;
}
