// PNG through libpng: every colour type and depth to samples as they are stored, and back.

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "PNGInflation.h"

/// The most bytes of one ancillary chunk, of which none is used: room for what libpng must look at.
static const png_alloc_size_t maximum_chunk_bytes = 1 << 20;

/// What the callbacks need; it outlives every jump.
typedef struct {
  codec_source source;
  /// What is read instead, where there is something.
  png_memory memory;
  int descriptor;
  int write_error;
  char *message;
} png_job;

// MARK: Callbacks

static void png_fail(png_structp png, png_const_charp text) {
  png_job *job = png_get_error_ptr(png);
  codec_set_message(job->message, "%s", text);
  png_longjmp(png, 1);
}

static void png_ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void png_read_bytes(png_structp png, png_bytep bytes, size_t count) {
  png_job *job = png_get_io_ptr(png);
  png_memory *memory = &job->memory;
  if (memory->bytes == NULL) {
    if (codec_source_read(&job->source, bytes, count) < count) {
      png_error(png, "the file ends early");
    }
    return;
  }
  if (memory->count - memory->position < count) png_error(png, "the file ends early");
  memcpy(bytes, memory->bytes + memory->position, count);
  memory->position += count;
}

static void png_write_bytes(png_structp png, png_bytep bytes, size_t count) {
  png_job *job = png_get_io_ptr(png);
  while (count > 0) {
    ssize_t done = write(job->descriptor, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      job->write_error = done < 0 ? errno : EIO;
      png_error(png, "the file cannot be written");
    }
    bytes += done;
    count -= (size_t)done;
  }
}

static void png_flush_nothing(png_structp png) { (void)png; }

// MARK: Reading

/// Checks the sides where every PNG has them, before libpng: it calls them only "invalid".
static codec_status png_check_header(codec_source source, char *message) {
  uint8_t bytes[24];
  if (codec_source_read(&source, bytes, sizeof bytes) < sizeof bytes ||
      memcmp(bytes + 12, "IHDR", 4) != 0) {
    codec_set_message(message, "no complete header");
    return source.failed ? codec_system_error : codec_damaged;
  }
  return codec_check_sides(
      png_get_uint_32(bytes + 16), png_get_uint_32(bytes + 20), CODEC_MAXIMUM_SIDE, message);
}

/// Bytes of the rows as they are packed in the file.
static uint64_t png_packed_bytes(png_structp png, png_infop info) {
  uint64_t bits = (uint64_t)png_get_bit_depth(png, info) * png_get_channels(png, info);
  return (png_get_image_width(png, info) * bits + 7) / 8 * png_get_image_height(png, info);
}

/// Checks that every sample is an entry of the palette.
static codec_status png_check_entries(
    const codec_image *image, int entry_count, char *message) {
  const uint8_t *samples = image->samples;
  for (size_t index = 0; index < image->byte_count; index++) {
    if (samples[index] < entry_count) continue;
    codec_set_message(message, "entry %u of a palette of %d", samples[index], entry_count);
    return codec_damaged;
  }
  return codec_ok;
}

/// Turns entries of a palette into their colours, which are grey where all of the palette is.
static codec_status png_expand(
    codec_image *image, const png_color *palette, int entry_count, char *message) {
  codec_image entries = *image;
  bool is_grey = true;
  for (int entry = 0; entry < entry_count; entry++) {
    is_grey = is_grey && palette[entry].red == palette[entry].green &&
              palette[entry].red == palette[entry].blue;
  }
  image->samples = NULL;
  image->channels = is_grey ? 1 : 3;
  image->bits_per_sample = 8;
  codec_status status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, message);
  if (status == codec_ok) {
    const uint8_t *from = entries.samples;
    uint8_t *to = image->samples;
    for (size_t index = 0; index < entries.byte_count; index++) {
      const png_color *color = &palette[from[index]];
      if (is_grey) {
        to[index] = color->red;
      } else {
        to[3 * index] = color->red;
        to[3 * index + 1] = color->green;
        to[3 * index + 2] = color->blue;
      }
    }
  }
  codec_image_free(&entries);
  return status;
}

/// Everything that may jump. Nothing local is read after a jump.
static codec_status png_decode(
    png_structp png, png_infop info, codec_purpose purpose, codec_image *image, char *message) {
  png_job *job = png_get_io_ptr(png);
  if (setjmp(png_jmpbuf(png))) return codec_damaged;
  png_read_info(png, info);
  png_byte depth = png_get_bit_depth(png, info);
  png_byte color = png_get_color_type(png, info);
  bool is_palette = color == PNG_COLOR_TYPE_PALETTE;
  image->width = png_get_image_width(png, info);
  image->height = png_get_image_height(png, info);
  image->channels = color & PNG_COLOR_MASK_COLOR && !is_palette ? 3 : 1;
  image->bits_per_sample = depth;
  image->sample_type = depth == 16 ? codec_uint16 : codec_uint8;
  image->has_lost_alpha = color & PNG_COLOR_MASK_ALPHA;
  codec_status status = codec_check_size(image, CODEC_MAXIMUM_SIDE, message);
  if (status == codec_ok)
    status = codec_check_deflated(&job->source, png_packed_bytes(png, info), message);
  if (status != codec_ok) return status;
  if (depth < 8) png_set_packing(png);
  if (color & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (depth == 16) png_set_swap(png);
#endif
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);

  status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, message);
  if (status != codec_ok) return status;
  size_t row_bytes = image->byte_count / image->height;
  if (png_get_rowbytes(png, info) != row_bytes) {
    codec_set_message(message, "rows of an unexpected length");
    return codec_damaged;
  }
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < image->height; y++) {
      png_read_row(png, (png_bytep)image->samples + y * row_bytes, NULL);
    }
  }
  // Reads on to the last chunk, so that a file cut off behind its pixels is noticed too.
  png_read_end(png, info);

  png_uint_32 exif_bytes = 0;
  png_bytep exif = NULL;
  image->orientation = png_get_eXIf_1(png, info, &exif_bytes, &exif) != 0
                           ? codec_exif_orientation(exif, exif_bytes)
                           : 1;
  if (!is_palette) return codec_ok;
  png_colorp palette = NULL;
  int entry_count = 0;
  png_get_PLTE(png, info, &palette, &entry_count);
  status = png_check_entries(image, entry_count, message);
  return status != codec_ok || purpose == codec_for_mask
             ? status
             : png_expand(image, palette, entry_count, message);
}

codec_status codec_png_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message) {
  memset(image, 0, sizeof *image);
  png_job job = {.source = {.descriptor = descriptor}, .message = message};
  codec_status status = png_check_header(job.source, message);
  if (status != codec_ok) return status;
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, png_fail, png_ignore_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    codec_set_message(message, "libpng could not be started");
    return codec_out_of_memory;
  }
  png_inflate(job.source, &job.memory);
  png_set_read_fn(png, &job, png_read_bytes);
  png_set_user_limits(png, CODEC_MAXIMUM_SIDE, CODEC_MAXIMUM_SIDE);
  png_set_chunk_malloc_max(png, maximum_chunk_bytes);
  // Chunks that do not change raw samples are not parsed at all, but for the orientation: less code
  // for a hostile file.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep) "tRNS", 1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
  status = png_decode(png, info, purpose, image, message);
  png_destroy_read_struct(&png, &info, NULL);
  free(job.memory.bytes);
  if (status != codec_ok) codec_image_free(image);
  return status == codec_damaged && job.source.failed ? codec_system_error : status;
}

// MARK: Writing

static codec_status png_encode(png_structp png, png_infop info, const codec_image *image) {
  if (setjmp(png_jmpbuf(png))) return codec_system_error;
  bool packed = image->channels == 1 && (image->bits_per_sample == 1 ||
                                         image->bits_per_sample == 2 ||
                                         image->bits_per_sample == 4);
  int depth = image->sample_type == codec_uint16 ? 16 : packed ? (int)image->bits_per_sample : 8;
  png_set_user_limits(png, CODEC_MAXIMUM_SIDE, CODEC_MAXIMUM_SIDE);
  png_set_IHDR(
      png, info, image->width, image->height, depth,
      image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
      PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  if (depth < 8) png_set_packing(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (depth == 16) png_set_swap(png);
#endif
  size_t row_bytes = image->byte_count / image->height;
  for (size_t y = 0; y < image->height; y++) {
    png_write_row(png, (png_const_bytep)image->samples + y * row_bytes);
  }
  png_write_end(png, NULL);
  return codec_ok;
}

codec_status codec_png_write(int descriptor, const codec_image *image, char *message) {
  png_job job = {.descriptor = descriptor, .message = message};
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, png_fail, png_ignore_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    codec_set_message(message, "libpng could not be started");
    return codec_out_of_memory;
  }
  png_set_write_fn(png, &job, png_write_bytes, png_flush_nothing);
  codec_status status = png_encode(png, info, image);
  png_destroy_write_struct(&png, &info);
  if (job.write_error != 0) codec_set_message(message, "%s", strerror(job.write_error));
  return status;
}
