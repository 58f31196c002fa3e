// What the parts of the TIFF codec share: an open file, and how a page of it is stored.
#pragma once

#include <tiffio.h>

#include "CodecSupport.h"

/// A TIFF file that is open at one directory.
typedef struct {
  TIFF *tiff;
  codec_source source;
  uint64_t directory;
  /// The first error since `tiff_begin`: later ones tend to follow from it.
  char error[CODEC_MESSAGE_CAPACITY];
  /// The first warning since `tiff_begin`.
  char warning[CODEC_MESSAGE_CAPACITY];
} tiff_file;

/// How a page stores its samples.
typedef struct {
  uint32_t width;
  uint32_t height;
  uint16_t bits;
  uint16_t samples_per_pixel;
  uint16_t sample_format;
  uint16_t photometric;
  uint16_t compression;
  bool separate;
  bool tiled;
  /// A strip counts as a block that is as wide as the image.
  uint32_t block_width;
  uint32_t block_height;
  uint64_t block_bytes;
  uint64_t row_bytes;
  /// Samples of a pixel that are decoded, and their places among all of them; the others are alpha.
  uint16_t channels;
  uint16_t kept[CODEC_MAXIMUM_CHANNELS];
  /// Whether the first channel is white where it is 0 and to be turned.
  bool inverted;
  /// Whether entries become colours: `palette_channels` of them, 1 where all colours are grey.
  bool expanded;
  uint32_t palette_channels;
  /// The palette's three tables of 1 << bits entries, and the shift that makes them 8 bits.
  uint16_t *palette[3];
  unsigned palette_shift;
} tiff_layout;

/// Opens the directory at `offset` of the file behind a descriptor.
codec_status tiff_open(tiff_file *file, int descriptor, uint64_t offset, char *message);

/// Closes the file; the descriptor stays open.
void tiff_close(tiff_file *file);

/// Forgets errors and warnings so far.
void tiff_begin(tiff_file *file);

/// Damage in libtiff's words, or in `otherwise` where it has none.
codec_status tiff_damaged(const tiff_file *file, const char *otherwise, char *message);

/// Keeps libtiff's first error of the `tiff_file` that `context` is.
int tiff_keep_error(
    TIFF *tiff, void *context, const char *module, const char *format, va_list arguments);

/// Whether the open directory itself has an entry for `tag`, whatever libtiff makes of it; where `value` is not
/// NULL also the number that stands in it.
bool tiff_find_entry(tiff_file *file, uint16_t tag, uint64_t *value);

/// Reads and checks how the open page is stored, and sets all of the image but its samples.
///
/// No side may be above `longest_side`; the samples as a whole have no limit here.
codec_status tiff_read_layout(
    tiff_file *file, codec_purpose purpose, uint32_t longest_side, tiff_layout *layout,
    codec_image *image, char *message);

/// Sets the value of pixels without data, where the page names one.
void tiff_read_missing_value(tiff_file *file, codec_image *image);

/// Decodes `rows` rows of a strip or tile into `block`, which has the layout's `block_bytes`;
/// `frame` counts pages behind the directory's own, which lie in one piece and uncompressed.
codec_status tiff_read_block(
    tiff_file *file, const tiff_layout *layout, uint32_t index, uint32_t rows, uint32_t frame,
    uint8_t *block, char *message);

/// Whether strips are stored as they are, so that some of their rows can be read alone.
bool tiff_has_plain_strips(tiff_file *file, const tiff_layout *layout);

/// Reads `rows` rows of a plain strip from its row `first` on.
codec_status tiff_read_plain_rows(
    tiff_file *file, const tiff_layout *layout, uint32_t index, uint32_t first, uint32_t rows,
    uint32_t frame, uint8_t *block, char *message);

/// The type of the samples as they are decoded.
codec_sample_type tiff_sample_type(const tiff_layout *layout);

/// Stores the part of a decoded block that lies inside the image; false where a sample of 64 bits
/// does not fit 32.
bool tiff_store_block(
    const tiff_layout *layout, const codec_image *image, const uint8_t *block, uint32_t left,
    uint32_t top, uint32_t columns, uint32_t rows, uint16_t plane);

/// Pages of this layout that the file has room for from the first byte of the open one on, or 0
/// where the page does not lie in one piece, uncompressed.
uint64_t tiff_pages_in_one_piece(tiff_file *file, const tiff_layout *layout);

/// Bytes of a page of this layout without compression.
uint64_t tiff_page_bytes(const tiff_layout *layout);
