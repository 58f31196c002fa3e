// The strips and tiles of a TIFF page: read one at a time, whole or by rows.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "TIFFFile.h"

// MARK: One block

bool tiff_has_plain_strips(tiff_file *file, const tiff_layout *layout) {
  uint16_t fill_order = FILLORDER_MSB2LSB;
  TIFFGetFieldDefaulted(file->tiff, TIFFTAG_FILLORDER, &fill_order);
  return !layout->tiled && layout->compression == COMPRESSION_NONE &&
         fill_order == FILLORDER_MSB2LSB;
}

codec_status tiff_read_plain_rows(
    tiff_file *file, const tiff_layout *layout, uint32_t index, uint32_t first, uint32_t rows,
    uint32_t frame, uint8_t *block, char *message) {
  TIFF *tiff = file->tiff;
  uint64_t needed = rows * layout->row_bytes;
  file->source.position = TIFFGetStrileOffset(tiff, index) +
                          frame * tiff_page_bytes(layout) + first * layout->row_bytes;
  if (codec_source_read(&file->source, block, needed) < needed)
    return tiff_damaged(file, "the file ends early", message);
  if (TIFFIsByteSwapped(tiff)) {
    if (layout->bits == 16) TIFFSwabArrayOfShort((uint16_t *)block, (tmsize_t)(needed / 2));
    if (layout->bits == 32) TIFFSwabArrayOfLong((uint32_t *)block, (tmsize_t)(needed / 4));
    if (layout->bits == 64) TIFFSwabArrayOfLong8((uint64_t *)block, (tmsize_t)(needed / 8));
  }
  return codec_ok;
}

codec_status tiff_read_block(
    tiff_file *file, const tiff_layout *layout, uint32_t index, uint32_t rows, uint32_t frame,
    uint8_t *block, char *message) {
  TIFF *tiff = file->tiff;
  if (frame > 0)
    return tiff_read_plain_rows(file, layout, index, 0, rows, frame, block, message);
  uint64_t needed = rows * layout->row_bytes;
  file->warning[0] = 0;
  tmsize_t size = (tmsize_t)layout->block_bytes;
  tmsize_t got = layout->tiled ? TIFFReadEncodedTile(tiff, index, block, size)
                               : TIFFReadEncodedStrip(tiff, index, block, size);
  if (got < 0 || (uint64_t)got < needed || file->error[0] != 0)
    return tiff_damaged(file, "a strip or tile ends early", message);
  // Decoders fill gaps and only warn of it; LZW's one warning is of an old order of bits.
  if (file->warning[0] != 0 && layout->compression != COMPRESSION_LZW) {
    codec_set_message(message, "%s", file->warning);
    return codec_damaged;
  }
  return codec_ok;
}

void tiff_read_missing_value(tiff_file *file, codec_image *image) {
  // GDAL keeps it as text.
  static const uint32_t nodata_tag = 42113;
  uint32_t count = 0;
  const char *value = NULL;
  char text[64] = {0};
  char *end = text;
  if (!tiff_find_entry(file, nodata_tag, NULL) ||
      !TIFFGetField(file->tiff, nodata_tag, &count, &value) || value == NULL)
    return;
  memcpy(text, value, count < sizeof text ? count : sizeof text - 1);
  image->missing_value = strtod(text, &end);
  // What is not a number is missing by itself.
  image->has_missing_value = end != text && !isnan(image->missing_value);
}

// MARK: A page by its blocks

/// Rows of plain strips that are read at once take about so many bytes (1 MiB).
static const uint64_t plain_block_bytes = 1 << 20;

struct codec_tiff_page {
  tiff_file file;
  tiff_layout layout;
  codec_image image;
  uint32_t frame;
  /// Whether blocks are rows that are read alone, of one strip or of several.
  bool is_plain;
  /// Rows of a block that the caller sees; those of a strip are the layout's.
  uint32_t block_height;
  /// One strip or tile of one plane, as it is stored, and its bytes; NULL until one is read.
  uint8_t *block;
  uint64_t block_bytes;
};

void codec_tiff_page_close(codec_tiff_page *page) {
  if (page == NULL) return;
  tiff_close(&page->file);
  free(page->block);
  free(page);
}

static codec_status open_page(
    codec_tiff_page *page, uint32_t frame, codec_purpose purpose, char *message) {
  tiff_layout *layout = &page->layout;
  tiff_begin(&page->file);
  codec_status status = tiff_read_layout(
      &page->file, purpose, CODEC_MAXIMUM_WINDOWED_SIDE, layout, &page->image, message);
  if (status != codec_ok) return status;
  if (frame > 0 && frame >= tiff_pages_in_one_piece(&page->file, layout)) {
    codec_set_message(message, "a page beyond the end of the file");
    return codec_damaged;
  }
  tiff_read_missing_value(&page->file, &page->image);
  page->frame = frame;
  page->block_height = layout->block_height;
  page->is_plain = tiff_has_plain_strips(&page->file, layout);
  page->block_bytes = layout->block_bytes;
  if (page->is_plain) {
    uint64_t rows = plain_block_bytes / layout->row_bytes;
    if (rows == 0) rows = 1;
    page->block_height = rows < layout->height ? (uint32_t)rows : layout->height;
    page->block_bytes = page->block_height * layout->row_bytes;
  }
  return codec_ok;
}

/// Takes the memory of a block, unless there is some.
static codec_status allocate_block(codec_tiff_page *page, char *message) {
  if (page->block != NULL) return codec_ok;
  if (page->block_bytes > CODEC_MAXIMUM_BLOCK_BYTES) {
    codec_set_message(message, "%s of %llu bytes", page->layout.tiled ? "tiles" : "strips",
                      (unsigned long long)page->block_bytes);
    return codec_too_large;
  }
  page->block = malloc(page->block_bytes);
  if (page->block == NULL) {
    codec_set_message(message, "%llu bytes could not be allocated",
                      (unsigned long long)page->block_bytes);
    return codec_out_of_memory;
  }
  return codec_ok;
}

codec_status codec_tiff_page_open(
    int descriptor, uint64_t offset, uint32_t frame, codec_purpose purpose, codec_tiff_page **page,
    codec_image *image, codec_tiff_blocks *blocks, char *message) {
  *page = NULL;
  codec_tiff_page *opened = calloc(1, sizeof *opened);
  if (opened == NULL) {
    codec_set_message(message, "a page could not be allocated");
    return codec_out_of_memory;
  }
  codec_status status = tiff_open(&opened->file, descriptor, offset, message);
  if (status == codec_ok) status = open_page(opened, frame, purpose, message);
  if (status != codec_ok) {
    codec_tiff_page_close(opened);
    return status;
  }
  *page = opened;
  *image = opened->image;
  *blocks = (codec_tiff_blocks){
      .width = opened->layout.block_width,
      .height = opened->block_height,
      .stored_byte_count = opened->block_bytes,
  };
  return codec_ok;
}

/// Reads rows from `top` on out of the strips in which they lie.
static codec_status read_plain(
    codec_tiff_page *page, uint32_t top, uint32_t rows, uint16_t sample, char *message) {
  const tiff_layout *layout = &page->layout;
  for (uint32_t done = 0; done < rows;) {
    uint32_t first = (top + done) % layout->block_height;
    uint32_t count = layout->block_height - first;
    if (count > rows - done) count = rows - done;
    codec_status status = tiff_read_plain_rows(
        &page->file, layout, TIFFComputeStrip(page->file.tiff, top + done, sample), first, count,
        page->frame, page->block + done * layout->row_bytes, message);
    if (status != codec_ok) return status;
    done += count;
  }
  return codec_ok;
}

codec_status codec_tiff_page_read(
    codec_tiff_page *page, uint32_t left, uint32_t top, codec_image *block, char *message) {
  *block = page->image;
  // The block as an image of its own.
  tiff_layout layout = page->layout;
  uint32_t columns = layout.width - left;
  uint32_t rows = layout.height - top;
  if (columns > layout.block_width) columns = layout.block_width;
  if (rows > page->block_height) rows = page->block_height;
  block->width = layout.width = columns;
  block->height = layout.height = rows;
  // How the page lies is a matter of its whole.
  block->orientation = ORIENTATION_TOPLEFT;
  codec_status status = allocate_block(page, message);
  if (status == codec_ok) {
    status = codec_image_allocate(block, CODEC_MAXIMUM_WINDOWED_SIDE, message);
  }
  if (status != codec_ok) return status;
  tiff_begin(&page->file);
  TIFF *tiff = page->file.tiff;
  for (uint16_t plane = 0; plane < (layout.separate ? layout.channels : 1); plane++) {
    uint16_t sample = layout.separate ? layout.kept[plane] : 0;
    if (page->is_plain) {
      status = read_plain(page, top, rows, sample, message);
    } else {
      uint32_t index = layout.tiled ? TIFFComputeTile(tiff, left, top, 0, sample)
                                    : TIFFComputeStrip(tiff, top, sample);
      status = tiff_read_block(
          &page->file, &page->layout, index, rows, page->frame, page->block, message);
    }
    if (status == codec_ok &&
        !tiff_store_block(&layout, block, page->block, 0, 0, columns, rows, plane)) {
      codec_set_message(message, "64-bit samples with values beyond 32 bits");
      status = codec_unsupported;
    }
    if (status != codec_ok) break;
  }
  if (status != codec_ok) codec_image_free(block);
  return status;
}
