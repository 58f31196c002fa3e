// TIFF through libtiff: pages of strips or tiles to samples as they are stored.

#include <stdlib.h>
#include <string.h>

#include "TIFFFile.h"

// MARK: Blocks

static codec_status read_blocks(
    tiff_file *file, const tiff_layout *layout, const codec_image *image, uint32_t frame,
    char *message) {
  // Twice the limit, since 64-bit samples are halved while they are decoded.
  if (layout->block_bytes > 2 * (uint64_t)CODEC_MAXIMUM_DECODED_BYTES) {
    codec_set_message(message, "a strip or tile of %llu bytes",
                      (unsigned long long)layout->block_bytes);
    return codec_too_large;
  }
  uint8_t *block = malloc(layout->block_bytes);
  if (block == NULL) {
    codec_set_message(message, "%llu bytes could not be allocated",
                      (unsigned long long)layout->block_bytes);
    return codec_out_of_memory;
  }
  codec_status status = codec_ok;
  uint16_t planes = layout->separate ? layout->channels : 1;
  for (uint16_t plane = 0; plane < planes; plane++) {
    uint16_t sample = layout->separate ? layout->kept[plane] : 0;
    for (uint32_t top = 0; top < layout->height; top += layout->block_height) {
      for (uint32_t left = 0; left < layout->width; left += layout->block_width) {
        uint32_t columns = layout->width - left;
        uint32_t rows = layout->height - top;
        if (columns > layout->block_width) columns = layout->block_width;
        if (rows > layout->block_height) rows = layout->block_height;
        uint32_t index = layout->tiled ? TIFFComputeTile(file->tiff, left, top, 0, sample)
                                       : TIFFComputeStrip(file->tiff, top, sample);
        status = tiff_read_block(file, layout, index, rows, frame, block, message);
        if (status != codec_ok) goto done;
        if (!tiff_store_block(layout, image, block, left, top, columns, rows, plane)) {
          codec_set_message(message, "64-bit samples with values beyond 32 bits");
          status = codec_unsupported;
          goto done;
        }
      }
    }
  }
done:
  free(block);
  return status;
}

// MARK: Tags

/// MetaMorph's tag UIC2, which has an entry for each plane of a stack (Molecular Devices, "MetaMorph Stack (STK) Image
/// File Format").
#define TIFFTAG_UIC2 33629

/// Zeiss's tag of an LSM file.
#define TIFFTAG_CZ_LSMINFO 34412

codec_status codec_tiff_summarize(
    int descriptor, uint64_t offset, codec_tiff_summary *summary, char *message) {
  memset(summary, 0, sizeof *summary);
  tiff_file file;
  codec_status status = tiff_open(&file, descriptor, offset, message);
  if (status != codec_ok) return status;
  const char *text = NULL;
  if (TIFFGetField(file.tiff, TIFFTAG_IMAGEDESCRIPTION, &text) && text != NULL) {
    summary->description = strdup(text);
  }
  uint32_t planes = 0;
  const void *entries = NULL;
  if (TIFFGetField(file.tiff, TIFFTAG_UIC2, &planes, &entries)) summary->plane_count = planes;
  summary->is_lsm = !TIFFIsBigTIFF(file.tiff) && tiff_find_entry(&file, TIFFTAG_CZ_LSMINFO, NULL);
  tiff_layout layout = {0};
  codec_image image = {0};
  // A page that is not read still counts; its own error follows where it is.
  if (tiff_read_layout(&file, codec_for_image, CODEC_MAXIMUM_WINDOWED_SIDE, &layout, &image,
                       message) == codec_ok) {
    summary->channels = layout.samples_per_pixel;
    summary->sample_count = (uint64_t)layout.width * layout.height * layout.samples_per_pixel;
    summary->pages_in_one_piece = tiff_pages_in_one_piece(&file, &layout);
  }
  tiff_close(&file);
  return codec_ok;
}

// MARK: Reading

codec_status codec_tiff_read(
    int descriptor, uint64_t offset, uint32_t frame, codec_purpose purpose, codec_image *image,
    char *message) {
  memset(image, 0, sizeof *image);
  tiff_file file;
  codec_status status = tiff_open(&file, descriptor, offset, message);
  if (status != codec_ok) return status;
  tiff_begin(&file);
  tiff_layout layout = {0};
  status = tiff_read_layout(&file, purpose, CODEC_MAXIMUM_SIDE, &layout, image, message);
  if (status == codec_ok && frame > 0 && frame >= tiff_pages_in_one_piece(&file, &layout)) {
    codec_set_message(message, "a page beyond the end of the file");
    status = codec_damaged;
  }
  if (status == codec_ok) {
    tiff_read_missing_value(&file, image);
    status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, message);
  }
  if (status == codec_ok) {
    tiff_begin(&file);
    status = read_blocks(&file, &layout, image, frame, message);
  }
  tiff_close(&file);
  if (status != codec_ok) codec_image_free(image);
  return status;
}
