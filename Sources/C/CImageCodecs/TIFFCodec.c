// TIFF through libtiff: pages of strips or tiles to raw grey or RGB samples.
//
// libtiff's process-wide handlers are never touched: each open file carries its own.

#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#include "CodecSupport.h"

/// libtiff's single allocations are compressed strips and arrays of tag values, which widen what
/// the file stores by 8 at most: twice that of the whole file, and 16 MiB for tables and rounding.
static const uint64_t allocation_bytes_per_file_byte = 16;
static const uint64_t allocation_bytes_at_least = 16 << 20;

struct codec_tiff {
  TIFF *tiff;
  codec_source source;
  /// The first error since `begin`: later ones tend to follow from it.
  char error[CODEC_MESSAGE_CAPACITY];
  /// The first warning since `begin`.
  char warning[CODEC_MESSAGE_CAPACITY];
};

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
  /// Samples of a pixel that are decoded; those behind them are alpha.
  uint32_t colors;
  /// The palette's three tables of 1 << bits entries, and the shift that makes them 8 bits.
  uint16_t *palette[3];
  unsigned palette_shift;
} page_layout;

// MARK: Callbacks

static int tiff_keep_error(
    TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)module;
  codec_tiff *file = context;
  if (file->error[0] == 0) codec_set_message_list(file->error, format, arguments);
  return 1;
}

static int tiff_keep_warning(
    TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)module;
  codec_tiff *file = context;
  if (file->warning[0] == 0) codec_set_message_list(file->warning, format, arguments);
  return 1;
}

static tmsize_t tiff_read_bytes(thandle_t handle, void *bytes, tmsize_t count) {
  codec_tiff *file = handle;
  return count < 0 ? -1 : (tmsize_t)codec_source_read(&file->source, bytes, (size_t)count);
}

static tmsize_t tiff_write_nothing(thandle_t handle, void *bytes, tmsize_t count) {
  (void)handle;
  (void)bytes;
  (void)count;
  return -1;
}

static toff_t tiff_size(thandle_t handle) {
  codec_tiff *file = handle;
  return codec_source_size(&file->source);
}

static toff_t tiff_seek(thandle_t handle, toff_t offset, int whence) {
  codec_tiff *file = handle;
  switch (whence) {
    case SEEK_SET: file->source.position = offset; break;
    case SEEK_CUR: file->source.position += offset; break;
    case SEEK_END: file->source.position = tiff_size(handle) + offset; break;
    default: return (toff_t)-1;
  }
  return file->source.position;
}

static int tiff_close_nothing(thandle_t handle) {
  (void)handle;
  return 0;
}

/// No mapping: a mapped file that someone truncates meanwhile kills the process.
static int tiff_map_nothing(thandle_t handle, void **base, toff_t *size) {
  (void)handle;
  (void)base;
  (void)size;
  return 0;
}

static void tiff_unmap_nothing(thandle_t handle, void *base, toff_t size) {
  (void)handle;
  (void)base;
  (void)size;
}

// MARK: Messages

static void begin(codec_tiff *file) {
  file->error[0] = 0;
  file->warning[0] = 0;
  file->source.failed = false;
  file->source.ended = false;
}

/// Damage in libtiff's words, or in `otherwise` where it has none.
static codec_status damaged(const codec_tiff *file, const char *otherwise, char *message) {
  codec_set_message(message, "%s", file->error[0] != 0 ? file->error : otherwise);
  return file->source.failed ? codec_system_error : codec_damaged;
}

// MARK: Opening

codec_status codec_tiff_open(int descriptor, codec_tiff **result, char *message) {
  *result = NULL;
  codec_tiff *file = calloc(1, sizeof *file);
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (file == NULL || options == NULL) {
    free(file);
    if (options != NULL) TIFFOpenOptionsFree(options);
    codec_set_message(message, "libtiff could not be started");
    return codec_out_of_memory;
  }
  file->source.descriptor = descriptor;
  uint64_t allocation = allocation_bytes_at_least;
  uint64_t size = codec_source_size(&file->source);
  if (size > CODEC_MAXIMUM_DECODED_BYTES / allocation_bytes_per_file_byte) {
    allocation += CODEC_MAXIMUM_DECODED_BYTES;
  } else {
    allocation += size * allocation_bytes_per_file_byte;
  }
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)allocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options, tiff_keep_error, file);
  TIFFOpenOptionsSetWarningHandlerExtR(options, tiff_keep_warning, file);
  file->tiff = TIFFClientOpenExt(
      "TIFF", "rm", file, tiff_read_bytes, tiff_write_nothing, tiff_seek, tiff_close_nothing,
      tiff_size, tiff_map_nothing, tiff_unmap_nothing, options);
  TIFFOpenOptionsFree(options);
  // Without the end of a directory libtiff carries on and guesses: grey where a palette is lost.
  if (file->tiff == NULL || file->source.ended) {
    codec_status status = damaged(file, "no complete first directory", message);
    if (file->tiff != NULL) TIFFClose(file->tiff);
    free(file);
    return status;
  }
  *result = file;
  return codec_ok;
}

void codec_tiff_close(codec_tiff *file) {
  if (file == NULL) return;
  TIFFClose(file->tiff);
  free(file);
}

codec_status codec_tiff_count_pages(codec_tiff *file, uint32_t *count, char *message) {
  begin(file);
  tdir_t pages = TIFFNumberOfDirectories(file->tiff);
  // A chain that breaks off is no shorter stack but a damaged one: pages are missing. What
  // libtiff only warns of here is a chain that runs into itself.
  if (file->error[0] == 0 && file->warning[0] != 0) {
    codec_set_message(message, "%s", file->warning);
    return codec_damaged;
  }
  if (file->error[0] != 0 || file->source.ended || pages == 0)
    return damaged(file, "no complete chain of pages", message);
  if (pages > CODEC_MAXIMUM_PAGES) {
    codec_set_message(message, "%u pages", pages);
    return codec_too_large;
  }
  *count = pages;
  return codec_ok;
}

static codec_status select_page(codec_tiff *file, uint32_t page, char *message) {
  if (page >= CODEC_MAXIMUM_PAGES) {
    codec_set_message(message, "page %u asked for", page);
    return codec_no_such_page;
  }
  tdir_t current = TIFFCurrentDirectory(file->tiff);
  if (page == current) return codec_ok;
  // One step on costs one directory; any other jump walks the chain from its start.
  int found = page == current + 1 ? TIFFReadDirectory(file->tiff)
                                  : TIFFSetDirectory(file->tiff, (tdir_t)page);
  if (found && !file->source.ended) return codec_ok;
  // Counting tells a page that is damaged from one that is not there.
  codec_status reading = damaged(file, "an unreadable directory", message);
  char counting_message[CODEC_MESSAGE_CAPACITY];
  uint32_t count = 0;
  if (codec_tiff_count_pages(file, &count, counting_message) != codec_ok || page < count)
    return reading;
  codec_set_message(message, "%u pages", count);
  return codec_no_such_page;
}

// MARK: Layout

static codec_status unsupported_samples(const page_layout *layout, char *message) {
  static const char *const formats[] = {
      "unknown",       "unsigned integer",        "signed integer",        "floating point",
      "untyped",       "complex integer",         "complex floating point",
  };
  size_t format = layout->sample_format;
  codec_set_message(message, "%u-bit %s samples, %u a pixel", layout->bits,
                    formats[format < 7 ? format : 0], layout->samples_per_pixel);
  return codec_unsupported;
}

static codec_status unsupported_photometric(const page_layout *layout, char *message) {
  static const char *const names[] = {
      "inverted grey", "grey", "RGB", "palette", "transparency mask", "CMYK", "YCbCr", "", "CIE Lab",
  };
  const char *name = layout->photometric < 9 ? names[layout->photometric] : "";
  if (name[0] == 0) {
    codec_set_message(message, "photometric interpretation %u", layout->photometric);
  } else {
    codec_set_message(message, "%s of %u bits and %u samples a pixel%s", name, layout->bits,
                      layout->samples_per_pixel, layout->separate ? " in planes" : "");
  }
  return codec_unsupported;
}

static codec_status check_compression(const page_layout *layout, char *message) {
  switch (layout->compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_JPEG:
      if (TIFFIsCODECConfigured(layout->compression)) return codec_ok;
  }
  codec_set_message(message, "compression scheme %u", layout->compression);
  return codec_unsupported;
}

/// Checks that depth and kind of the samples go together, and says how many of them are colours.
static codec_status check_samples(page_layout *layout, char *message) {
  uint16_t bits = layout->bits;
  bool integer = layout->sample_format == SAMPLEFORMAT_UINT ||
                 layout->sample_format == SAMPLEFORMAT_VOID;
  bool floating = layout->sample_format == SAMPLEFORMAT_IEEEFP;
  bool packed = bits == 1 || bits == 2 || bits == 4;
  if (!(integer && (packed || bits == 8 || bits == 16)) && !(floating && (bits == 32 || bits == 64)))
    return unsupported_samples(layout, message);

  bool supported = false;
  switch (layout->photometric) {
    case PHOTOMETRIC_MINISBLACK:
      supported = true;
      layout->colors = 1;
      break;
    case PHOTOMETRIC_MINISWHITE:
      supported = integer;
      layout->colors = 1;
      break;
    case PHOTOMETRIC_PALETTE:
      supported = integer && bits <= 8 && layout->samples_per_pixel == 1;
      layout->colors = 1;
      break;
    case PHOTOMETRIC_RGB:
      supported = !packed;
      layout->colors = 3;
      break;
    case PHOTOMETRIC_YCBCR:
      // libtiff turns only JPEG's own YCbCr into RGB, and only where it is interleaved.
      supported = layout->compression == COMPRESSION_JPEG && bits == 8 &&
                  layout->samples_per_pixel == 3 && !layout->separate;
      layout->colors = 3;
      break;
  }
  if (!supported) return unsupported_photometric(layout, message);
  // One sample more is alpha; several are channels of something else, not to be lost in silence.
  if (layout->samples_per_pixel < layout->colors ||
      layout->samples_per_pixel > layout->colors + 1)
    return unsupported_photometric(layout, message);
  return codec_ok;
}

static codec_status read_palette(codec_tiff *file, page_layout *layout, char *message) {
  if (!TIFFGetField(file->tiff, TIFFTAG_COLORMAP, &layout->palette[0], &layout->palette[1],
                    &layout->palette[2]))
    return damaged(file, "a palette image without its palette", message);
  // Entries have 16 bits, yet some writers store 8: then none is above 255.
  for (size_t color = 0; color < 3; color++) {
    for (size_t entry = 0; entry < (size_t)1 << layout->bits; entry++) {
      if (layout->palette[color][entry] > 255) layout->palette_shift = 8;
    }
  }
  return codec_ok;
}

/// Sizes of the blocks, against the limits and against what unpacking will touch.
static codec_status measure_blocks(codec_tiff *file, page_layout *layout, char *message) {
  TIFF *tiff = file->tiff;
  if (layout->tiled) {
    if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &layout->block_width) ||
        !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &layout->block_height))
      return damaged(file, "tiles without a size", message);
    // A tile may stick out over the image; its own sides are under the same limits.
    codec_status status = codec_check_sides(layout->block_width, layout->block_height, message);
    if (status != codec_ok) return status;
    layout->block_bytes = TIFFTileSize64(tiff);
    layout->row_bytes = TIFFTileRowSize64(tiff);
  } else {
    uint32_t rows = 0;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    layout->block_width = layout->width;
    layout->block_height = rows == 0 || rows > layout->height ? layout->height : rows;
    layout->block_bytes = TIFFStripSize64(tiff);
    layout->row_bytes = TIFFScanlineSize64(tiff);
  }
  uint64_t row_samples =
      (uint64_t)layout->block_width * (layout->separate ? 1 : layout->samples_per_pixel);
  // Sides are at most 2^16, samples 4 (checked) of 64 bits: nothing here can overflow.
  if (layout->row_bytes < (row_samples * layout->bits + 7) / 8 ||
      layout->row_bytes > CODEC_MAXIMUM_DECODED_BYTES ||
      layout->block_bytes < layout->row_bytes * layout->block_height)
    return damaged(file, "strips or tiles of an impossible size", message);
  // Twice the limit, since 64-bit samples are halved while they are decoded.
  if (layout->block_bytes > 2 * (uint64_t)CODEC_MAXIMUM_DECODED_BYTES) {
    codec_set_message(message, "a strip or tile of %llu bytes",
                      (unsigned long long)layout->block_bytes);
    return codec_too_large;
  }
  return codec_ok;
}

/// Checks that all blocks lie within the file, those of an alpha plane too.
///
/// libtiff reads an uncompressed strip whose place is missing from the start of the file. Checked
/// before the image is allocated, this also turns away most headers that claim too much.
static codec_status check_block_places(
    codec_tiff *file, const page_layout *layout, char *message) {
  TIFF *tiff = file->tiff;
  uint64_t size = codec_source_size(&file->source);
  uint32_t count = layout->tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  uint32_t down = (layout->height + layout->block_height - 1) / layout->block_height;
  for (uint32_t index = 0; index < count; index++) {
    uint64_t offset = TIFFGetStrileOffset(tiff, index);
    uint64_t bytes = TIFFGetStrileByteCount(tiff, index);
    uint64_t needed = 1;
    if (layout->compression == COMPRESSION_NONE) {
      uint32_t top = layout->tiled ? 0 : index % down * layout->block_height;
      uint32_t rows = layout->height - top;
      if (layout->tiled || rows > layout->block_height) rows = layout->block_height;
      needed = rows * layout->row_bytes;
    }
    if (offset == 0 || bytes < needed || offset > size || bytes > size - offset) {
      codec_set_message(message, "%s %u of %u lies outside the file or is too short",
                        layout->tiled ? "tile" : "strip", index, count);
      return codec_damaged;
    }
  }
  return codec_ok;
}

static codec_status read_layout(codec_tiff *file, page_layout *layout, char *message) {
  TIFF *tiff = file->tiff;
  uint16_t planes = PLANARCONFIG_CONTIG;
  uint32_t depth = 1;
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout->width) ||
      !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout->height))
    return damaged(file, "a page without a size", message);
  codec_status status = codec_check_sides(layout->width, layout->height, message);
  if (status != codec_ok) return status;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout->bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout->samples_per_pixel);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout->sample_format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planes);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout->compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_IMAGEDEPTH, &depth);
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout->photometric)) {
    // The tag is required, but left out by some: then the number of samples decides.
    layout->photometric =
        layout->samples_per_pixel >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  }
  if (depth != 1) {
    codec_set_message(message, "a volume of depth %u in one page", depth);
    return codec_unsupported;
  }
  layout->separate = planes == PLANARCONFIG_SEPARATE && layout->samples_per_pixel > 1;
  layout->tiled = TIFFIsTiled(tiff) != 0;
  status = check_compression(layout, message);
  if (status == codec_ok) status = check_samples(layout, message);
  if (status == codec_ok && layout->photometric == PHOTOMETRIC_PALETTE)
    status = read_palette(file, layout, message);
  if (status != codec_ok) return status;
  // Before any size is asked for: it changes what libtiff says a row takes.
  if (layout->photometric == PHOTOMETRIC_YCBCR)
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  status = measure_blocks(file, layout, message);
  return status == codec_ok ? check_block_places(file, layout, message) : status;
}

// MARK: Samples

/// An unsigned sample of 1, 2, 4 or 8 bits; the first is in the highest bits of its byte.
static unsigned packed_sample(const uint8_t *row, size_t index, unsigned bits) {
  size_t bit = index * bits;
  return (row[bit / 8] >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
}

/// Stores samples `from`, `from + from_stride`, ... of a decoded row at `to`, `to + to_stride`, ...
static void store_samples(
    const page_layout *layout, const codec_image *image, const uint8_t *row, size_t from,
    size_t from_stride, size_t to, size_t to_stride, size_t count) {
  bool inverted = layout->photometric == PHOTOMETRIC_MINISWHITE;
  switch (image->sample_type) {
    case codec_uint8: {
      uint8_t *samples = image->samples;
      uint8_t flip = inverted ? (uint8_t)((1u << layout->bits) - 1) : 0;
      for (size_t index = 0; index < count; index++) {
        unsigned value = packed_sample(row, from + index * from_stride, layout->bits);
        samples[to + index * to_stride] = (uint8_t)value ^ flip;
      }
      break;
    }
    case codec_uint16: {
      uint16_t *samples = image->samples;
      uint16_t flip = inverted ? 0xFFFF : 0;
      for (size_t index = 0; index < count; index++) {
        uint16_t value;
        memcpy(&value, row + 2 * (from + index * from_stride), 2);
        samples[to + index * to_stride] = value ^ flip;
      }
      break;
    }
    case codec_float32: {
      float *samples = image->samples;
      for (size_t index = 0; index < count; index++) {
        size_t sample = from + index * from_stride;
        float value;
        if (layout->bits == 64) {
          double wide;
          memcpy(&wide, row + 8 * sample, 8);
          value = (float)wide;
        } else {
          memcpy(&value, row + 4 * sample, 4);
        }
        samples[to + index * to_stride] = value;
      }
      break;
    }
  }
}

/// Stores palette entries as interleaved RGB.
static void store_palette(
    const page_layout *layout, const codec_image *image, const uint8_t *row, size_t to,
    size_t count) {
  uint8_t *samples = image->samples;
  for (size_t x = 0; x < count; x++) {
    unsigned entry = packed_sample(row, x, layout->bits);
    for (size_t color = 0; color < 3; color++) {
      samples[to + 3 * x + color] =
          (uint8_t)(layout->palette[color][entry] >> layout->palette_shift);
    }
  }
}

/// Stores the part of a decoded block that lies inside the image.
static void store_block(
    const page_layout *layout, const codec_image *image, const uint8_t *block, uint32_t left,
    uint32_t top, uint32_t columns, uint32_t rows, uint16_t plane) {
  for (uint32_t y = 0; y < rows; y++) {
    const uint8_t *row = block + y * layout->row_bytes;
    size_t to = ((size_t)(top + y) * layout->width + left) * image->channels;
    if (layout->photometric == PHOTOMETRIC_PALETTE) {
      store_palette(layout, image, row, to, columns);
    } else if (layout->separate) {
      store_samples(layout, image, row, 0, 1, to + plane, image->channels, columns);
    } else {
      for (uint32_t color = 0; color < layout->colors; color++) {
        store_samples(layout, image, row, color, layout->samples_per_pixel, to + color,
                      image->channels, columns);
      }
    }
  }
}

static codec_status read_block(
    codec_tiff *file, const page_layout *layout, const codec_image *image, uint8_t *block,
    uint32_t left, uint32_t top, uint16_t plane, char *message) {
  TIFF *tiff = file->tiff;
  uint32_t columns = layout->width - left;
  uint32_t rows = layout->height - top;
  if (columns > layout->block_width) columns = layout->block_width;
  if (rows > layout->block_height) rows = layout->block_height;
  file->warning[0] = 0;
  tmsize_t got =
      layout->tiled
          ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, left, top, 0, plane), block,
                                (tmsize_t)layout->block_bytes)
          : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, top, plane), block,
                                 (tmsize_t)layout->block_bytes);
  if (got < 0 || (uint64_t)got < rows * layout->row_bytes || file->error[0] != 0)
    return damaged(file, "a strip or tile ends early", message);
  // Decoders fill gaps and only warn of it; LZW's one warning is of an old order of bits.
  if (file->warning[0] != 0 && layout->compression != COMPRESSION_LZW) {
    codec_set_message(message, "%s", file->warning);
    return codec_damaged;
  }
  store_block(layout, image, block, left, top, columns, rows, plane);
  return codec_ok;
}

// MARK: Reading

static codec_status read_blocks(
    codec_tiff *file, const page_layout *layout, const codec_image *image, char *message) {
  uint8_t *block = malloc(layout->block_bytes);
  if (block == NULL) {
    codec_set_message(message, "%llu bytes could not be allocated",
                      (unsigned long long)layout->block_bytes);
    return codec_out_of_memory;
  }
  codec_status status = codec_ok;
  uint16_t planes = layout->separate ? (uint16_t)layout->colors : 1;
  for (uint16_t plane = 0; plane < planes; plane++) {
    for (uint32_t top = 0; top < layout->height; top += layout->block_height) {
      for (uint32_t left = 0; left < layout->width; left += layout->block_width) {
        status = read_block(file, layout, image, block, left, top, plane, message);
        if (status != codec_ok) goto done;
      }
    }
  }
done:
  free(block);
  return status;
}

codec_status codec_tiff_read(
    codec_tiff *file, uint32_t page, codec_image *image, char *message) {
  memset(image, 0, sizeof *image);
  begin(file);
  codec_status status = select_page(file, page, message);
  if (status != codec_ok) return status;
  page_layout layout = {0};
  status = read_layout(file, &layout, message);
  if (status != codec_ok) return status;

  bool palette = layout.photometric == PHOTOMETRIC_PALETTE;
  bool floating = layout.sample_format == SAMPLEFORMAT_IEEEFP;
  image->width = layout.width;
  image->height = layout.height;
  image->channels = palette ? 3 : layout.colors;
  image->bits_per_sample = palette ? 8 : floating ? 32 : layout.bits;
  image->sample_type = floating            ? codec_float32
                       : layout.bits == 16 ? codec_uint16
                                           : codec_uint8;
  status = codec_image_allocate(image, message);
  if (status == codec_ok) {
    begin(file);
    status = read_blocks(file, &layout, image, message);
  }
  if (status != codec_ok) codec_image_free(image);
  return status;
}
