// A small door to libpng, libtiff and libjpeg: whole images in and out, errors as codes and text.
//
// Every jump and every library callback stays behind this header. Each call owns its own state, so
// calls on different files may run on different threads at once.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The longest side decoded, in pixels: twice that of a gigapixel slide's usual level, and small
/// enough that no product of a side and a sample size overflows 32 bits.
#define CODEC_MAXIMUM_SIDE 65536

/// The most bytes one decoded image may take (1 GiB): a file of a few bytes may claim any size, and
/// a rank that is killed for its memory takes the whole run with it.
#define CODEC_MAXIMUM_DECODED_BYTES 1073741824

/// The most pages of one TIFF file: what classic readers count in 16 bits; a longer chain of
/// directories is rather a loop than a stack of images.
#define CODEC_MAXIMUM_PAGES 65535

/// Bytes of a message buffer, the terminating zero included.
#define CODEC_MESSAGE_CAPACITY 256

/// What became of a call. Every status but `codec_ok` leaves a message in printable ASCII.
typedef enum {
  codec_ok = 0,
  /// Truncated or corrupt.
  codec_damaged,
  /// Well-formed, but of a kind that is not decoded.
  codec_unsupported,
  /// Above one of the limits.
  codec_too_large,
  /// The page asked for does not exist.
  codec_no_such_page,
  /// An allocation failed.
  codec_out_of_memory,
  /// The operating system refused to read or write.
  codec_system_error,
} codec_status;

/// The type of a decoded sample.
typedef enum {
  codec_uint8 = 0,
  codec_uint16,
  codec_float32,
} codec_sample_type;

/// A decoded image: rows from the top, channels interleaved, samples in the host's byte order.
typedef struct {
  uint32_t width;
  uint32_t height;
  /// 1 (grey) or 3 (RGB).
  uint32_t channels;
  /// Significant bits of a sample: 1, 2, 4, 8, 16, or 32 for floating point.
  uint32_t bits_per_sample;
  codec_sample_type sample_type;
  /// Bytes at `samples`.
  size_t byte_count;
  /// The samples, owned by the image until `codec_image_free`.
  void *samples;
} codec_image;

/// Releases the samples of an image; an image whose decoding failed has none.
void codec_image_free(codec_image *image);

/// Decodes a PNG from an open descriptor, which is read by position and stays open.
codec_status codec_png_read(int descriptor, codec_image *image, char *message);

/// Encodes 8-bit (also 1, 2 and 4-bit grey) or 16-bit samples as a PNG to an open descriptor.
codec_status codec_png_write(int descriptor, const codec_image *image, char *message);

/// Decodes a JPEG from an open descriptor, which is read by position and stays open.
codec_status codec_jpeg_read(int descriptor, codec_image *image, char *message);

/// An open TIFF file.
typedef struct codec_tiff codec_tiff;

/// Opens a TIFF on a descriptor, which must stay open until `codec_tiff_close`.
codec_status codec_tiff_open(int descriptor, codec_tiff **file, char *message);

/// Counts the pages by walking the whole chain of directories.
codec_status codec_tiff_count_pages(codec_tiff *file, uint32_t *count, char *message);

/// Decodes one page, counted from 0. Ascending pages cost one step along the chain each.
///
/// After an error the file is good for nothing but closing.
codec_status codec_tiff_read(
    codec_tiff *file, uint32_t page, codec_image *image, char *message);

/// Closes the file; the descriptor stays open.
void codec_tiff_close(codec_tiff *file);
