// How a TIFF page is stored: which samples, channels, colours and blocks, checked before anything
// is allocated for them.

#include "TIFFFile.h"

#include <string.h>

// MARK: What is not read

static codec_status unsupported_samples(const tiff_layout *layout, char *message) {
  static const char *const formats[] = {
      "unknown",       "unsigned integer",        "signed integer",        "floating point",
      "untyped",       "complex integer",         "complex floating point",
  };
  size_t format = layout->sample_format;
  codec_set_message(message, "%u-bit %s samples, %u a pixel", layout->bits,
                    formats[format < 7 ? format : 0], layout->samples_per_pixel);
  return codec_unsupported;
}

static codec_status unsupported_photometric(const tiff_layout *layout, char *message) {
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

/// A compression of TIFF.
typedef struct {
  uint16_t scheme;
  const char *name;
  /// The most bytes that one stored byte becomes; 0 where there is no bound, as for blocks that are
  /// one value.
  uint64_t best_ratio;
  bool is_read;
} tiff_compression;

/// Deflate: 258 bytes from 2 bits. LZW: a code of at most 12 bits gives at most 4,096 bytes. PackBits:
/// 128 bytes from 2. JPEG: a block of 64 from half a bit, when colours are subsampled.
static const tiff_compression compressions[] = {
    {COMPRESSION_NONE, "none", 1, true},
    {COMPRESSION_CCITTRLE, "CCITT RLE", 0, true},
    {COMPRESSION_CCITTFAX3, "CCITT G3", 0, true},
    {COMPRESSION_CCITTFAX4, "CCITT G4", 0, true},
    {COMPRESSION_LZW, "LZW", 4096, true},
    {COMPRESSION_JPEG, "JPEG", 2048, true},
    {COMPRESSION_ADOBE_DEFLATE, "Deflate", 1032, true},
    {COMPRESSION_DEFLATE, "Deflate", 1032, true},
    {COMPRESSION_PACKBITS, "PackBits", 64, true},
    {COMPRESSION_LZMA, "LZMA", 0, true},
    {COMPRESSION_LERC, "LERC", 0, true},
    {COMPRESSION_ZSTD, "Zstandard", 0, true},
    {COMPRESSION_WEBP, "WebP", 0, true},
    {COMPRESSION_OJPEG, "old-style JPEG", 0, false},
    {COMPRESSION_NEXT, "NeXT", 0, false},
    {COMPRESSION_THUNDERSCAN, "ThunderScan", 0, false},
    {COMPRESSION_SGILOG, "SGI LogL", 0, false},
    {COMPRESSION_SGILOG24, "SGI LogLuv", 0, false},
    {COMPRESSION_JP2000, "JPEG 2000", 0, false},
    {22610, "JPEG XR", 0, false},
    {33003, "JPEG 2000 (Aperio)", 0, false},
    {33005, "JPEG 2000 (Aperio)", 0, false},
    {34892, "lossy JPEG", 0, false},
    {34933, "PNG", 0, false},
    {34934, "JPEG XR", 0, false},
    {50002, "JPEG XL", 0, false},
    {52546, "JPEG XL", 0, false},
};

static const tiff_compression *find_compression(uint16_t scheme) {
  for (size_t index = 0; index < sizeof compressions / sizeof *compressions; index++) {
    if (compressions[index].scheme == scheme) return &compressions[index];
  }
  return NULL;
}

/// Refuses differences of neighbours that libtiff would take for the samples: it undoes a predictor only where
/// compression is one of its own choice for it. Of samples stored as they are, and of codecs with a
/// prediction of their own, the tag says nothing.
static codec_status check_predictor(tiff_file *file, const tiff_layout *layout, char *message) {
  uint64_t predictor = PREDICTOR_NONE;
  bool is_forgotten =
      layout->compression == COMPRESSION_PACKBITS || layout->compression == COMPRESSION_LERC;
  if (!is_forgotten || !tiff_find_entry(file, TIFFTAG_PREDICTOR, &predictor) ||
      predictor == PREDICTOR_NONE)
    return codec_ok;
  codec_set_message(message, "%s compression with the predictor %u",
                    find_compression(layout->compression)->name, (unsigned)predictor);
  return codec_unsupported;
}

static codec_status check_compression(const tiff_layout *layout, char *message) {
  const tiff_compression *compression = find_compression(layout->compression);
  if (compression == NULL) {
    codec_set_message(message, "compression scheme %u", layout->compression);
    return codec_unsupported;
  }
  if (compression->is_read && TIFFIsCODECConfigured(layout->compression)) return codec_ok;
  codec_set_message(message, "%s compression", compression->name);
  return codec_unsupported;
}

// MARK: Samples and channels

codec_sample_type tiff_sample_type(const tiff_layout *layout) {
  if (layout->sample_format == SAMPLEFORMAT_IEEEFP) return codec_float32;
  if (layout->sample_format == SAMPLEFORMAT_INT)
    return layout->bits == 8 ? codec_int8 : layout->bits == 16 ? codec_int16 : codec_int32;
  return layout->bits <= 8 ? codec_uint8 : layout->bits <= 16 ? codec_uint16 : codec_uint32;
}

/// Which samples of a pixel are decoded: colours, and what is not said to be alpha.
///
/// A fourth sample of RGB that no tag explains is alpha, as older programs write it.
static void choose_channels(
    tiff_file *file, tiff_layout *layout, uint16_t colors, codec_image *image) {
  uint16_t extra_count = 0;
  uint16_t *extra_kinds = NULL;
  TIFFGetField(file->tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra_kinds);
  bool is_untagged = !tiff_find_entry(file, TIFFTAG_EXTRASAMPLES, NULL);
  for (uint16_t sample = 0; sample < layout->samples_per_pixel; sample++) {
    bool is_alpha = false;
    if (sample >= colors && is_untagged) {
      is_alpha = colors == 3 && layout->samples_per_pixel == 4;
    } else if (sample >= colors) {
      // The kinds are those of the last samples.
      uint32_t kind = (uint32_t)sample + extra_count - layout->samples_per_pixel;
      is_alpha = kind < extra_count && (extra_kinds[kind] == EXTRASAMPLE_ASSOCALPHA ||
                                        extra_kinds[kind] == EXTRASAMPLE_UNASSALPHA);
    }
    if (is_alpha) {
      image->has_lost_alpha = true;
    } else {
      layout->kept[layout->channels++] = sample;
    }
  }
}

/// Checks that depth and kind of the samples go together, and says which of them are channels.
static codec_status check_samples(
    tiff_file *file, codec_purpose purpose, tiff_layout *layout, codec_image *image,
    char *message) {
  uint16_t bits = layout->bits;
  bool is_unsigned = layout->sample_format == SAMPLEFORMAT_UINT ||
                     layout->sample_format == SAMPLEFORMAT_VOID;
  bool is_signed = layout->sample_format == SAMPLEFORMAT_INT;
  bool is_floating = layout->sample_format == SAMPLEFORMAT_IEEEFP;
  bool is_wide = bits == 16 || bits == 32 || bits == 64;
  if (!(is_unsigned && ((bits >= 1 && bits <= 16) || is_wide)) &&
      !(is_signed && (bits == 8 || is_wide)) && !(is_floating && is_wide))
    return unsupported_samples(layout, message);

  uint16_t colors = 1;
  bool is_supported = false;
  switch (layout->photometric) {
    case PHOTOMETRIC_MINISBLACK: is_supported = true; break;
    case PHOTOMETRIC_MINISWHITE:
      layout->inverted = purpose == codec_for_image;
      is_supported = (is_unsigned && bits <= 32) || !layout->inverted;
      break;
    case PHOTOMETRIC_PALETTE:
      is_supported = is_unsigned && bits <= 16;
      layout->expanded = purpose == codec_for_image;
      break;
    case PHOTOMETRIC_RGB:
      is_supported = true;
      colors = 3;
      break;
    case PHOTOMETRIC_YCBCR:
      // libtiff turns only JPEG's own YCbCr into RGB, and only where it is interleaved.
      is_supported = layout->compression == COMPRESSION_JPEG && bits == 8 &&
                     layout->samples_per_pixel == 3 && !layout->separate;
      colors = 3;
      break;
  }
  if (!is_supported || layout->samples_per_pixel < colors ||
      layout->samples_per_pixel > CODEC_MAXIMUM_CHANNELS)
    return unsupported_photometric(layout, message);
  choose_channels(file, layout, colors, image);
  if (layout->photometric == PHOTOMETRIC_PALETTE && layout->channels != 1)
    return unsupported_photometric(layout, message);
  return codec_ok;
}

static codec_status read_palette(tiff_file *file, tiff_layout *layout, char *message) {
  if (!TIFFGetField(file->tiff, TIFFTAG_COLORMAP, &layout->palette[0], &layout->palette[1],
                    &layout->palette[2]))
    return tiff_damaged(file, "a palette image without its palette", message);
  // Entries have 16 bits, yet some writers store 8: then none is above 255.
  layout->palette_channels = 1;
  for (size_t entry = 0; entry < (size_t)1 << layout->bits; entry++) {
    for (size_t color = 0; color < 3; color++) {
      if (layout->palette[color][entry] > 255) layout->palette_shift = 8;
      if (layout->palette[color][entry] != layout->palette[0][entry]) layout->palette_channels = 3;
    }
  }
  return codec_ok;
}

// MARK: Blocks

/// Sizes of the blocks, against the limits and against what unpacking will touch.
static codec_status measure_blocks(tiff_file *file, tiff_layout *layout, char *message) {
  TIFF *tiff = file->tiff;
  if (layout->tiled) {
    if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &layout->block_width) ||
        !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &layout->block_height))
      return tiff_damaged(file, "tiles without a size", message);
    // A tile may stick out over the image; its own sides are under the same limits.
    codec_status status = codec_check_sides(
        layout->block_width, layout->block_height, CODEC_MAXIMUM_SIDE, message);
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
  // Sides are at most 2^20, samples 2^10 (checked) of 64 bits: nothing here can overflow.
  if (layout->row_bytes < (row_samples * layout->bits + 7) / 8 ||
      layout->row_bytes > CODEC_MAXIMUM_DECODED_BYTES ||
      layout->block_bytes < layout->row_bytes * layout->block_height)
    return tiff_damaged(file, "strips or tiles of an impossible size", message);
  return codec_ok;
}

/// Checks that all blocks lie within the file and can hold what they have to, those of an alpha
/// plane too.
///
/// libtiff reads an uncompressed strip whose place is missing from the start of the file. Checked
/// before the image is allocated, this also turns away most headers that claim too much.
static codec_status check_block_places(
    tiff_file *file, const tiff_layout *layout, char *message) {
  TIFF *tiff = file->tiff;
  uint64_t size = codec_source_size(&file->source);
  uint64_t ratio = find_compression(layout->compression)->best_ratio;
  uint32_t count = layout->tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  uint32_t down = (layout->height + layout->block_height - 1) / layout->block_height;
  for (uint32_t index = 0; index < count; index++) {
    uint64_t offset = TIFFGetStrileOffset(tiff, index);
    uint64_t bytes = TIFFGetStrileByteCount(tiff, index);
    uint64_t needed = 1;
    if (ratio != 0) {
      uint32_t top = layout->tiled ? 0 : index % down * layout->block_height;
      uint32_t rows = layout->height - top;
      if (layout->tiled || rows > layout->block_height) rows = layout->block_height;
      needed = (rows * layout->row_bytes + ratio - 1) / ratio;
    }
    if (offset == 0 || bytes < needed || offset > size || bytes > size - offset) {
      codec_set_message(message, "%s %u of %u lies outside the file or is too short",
                        layout->tiled ? "tile" : "strip", index, count);
      return codec_damaged;
    }
  }
  return codec_ok;
}

uint64_t tiff_page_bytes(const tiff_layout *layout) {
  return layout->height * layout->row_bytes * (layout->separate ? layout->samples_per_pixel : 1);
}

uint64_t tiff_pages_in_one_piece(tiff_file *file, const tiff_layout *layout) {
  TIFF *tiff = file->tiff;
  if (!tiff_has_plain_strips(file, layout)) return 0;
  uint64_t first = TIFFGetStrileOffset(tiff, 0);
  uint64_t expected = first;
  uint32_t down = (layout->height + layout->block_height - 1) / layout->block_height;
  uint32_t count = TIFFNumberOfStrips(tiff);
  for (uint32_t index = 0; index < count; index++) {
    if (TIFFGetStrileOffset(tiff, index) != expected) return 0;
    uint32_t rows = layout->height - index % down * layout->block_height;
    expected += (rows < layout->block_height ? rows : layout->block_height) * layout->row_bytes;
  }
  uint64_t size = codec_source_size(&file->source);
  return first > size ? 0 : (size - first) / tiff_page_bytes(layout);
}

// MARK: The layout

codec_status tiff_read_layout(
    tiff_file *file, codec_purpose purpose, uint32_t longest_side, tiff_layout *layout,
    codec_image *image, char *message) {
  TIFF *tiff = file->tiff;
  uint16_t planes = PLANARCONFIG_CONTIG;
  uint32_t depth = 1;
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout->width) ||
      !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout->height))
    return tiff_damaged(file, "a page without a size", message);
  codec_status status = codec_check_sides(layout->width, layout->height, longest_side, message);
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
  if (status == codec_ok) status = check_predictor(file, layout, message);
  if (status == codec_ok) status = check_samples(file, purpose, layout, image, message);
  if (status == codec_ok && layout->expanded) status = read_palette(file, layout, message);
  if (status != codec_ok) return status;
  // Before any size is asked for: it changes what libtiff says a row takes.
  if (layout->photometric == PHOTOMETRIC_YCBCR)
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  status = measure_blocks(file, layout, message);
  if (status == codec_ok) status = check_block_places(file, layout, message);
  if (status != codec_ok) return status;

  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  image->width = layout->width;
  image->height = layout->height;
  image->orientation = orientation;
  image->channels = layout->expanded ? layout->palette_channels : layout->channels;
  image->sample_type = layout->expanded ? codec_uint8 : tiff_sample_type(layout);
  image->bits_per_sample = layout->expanded     ? 8
                           : layout->bits == 64 ? 32
                           : image->sample_type == codec_float32 ? 32
                                                                 : layout->bits;
  return codec_ok;
}
