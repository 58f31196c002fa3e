// An open TIFF file: libtiff's callbacks and messages, and the chain of directories.
//
// libtiff's process-wide handlers are never touched: each open file carries its own.

#include "TIFFFile.h"

#include <stdlib.h>
#include <string.h>

/// libtiff's single allocations are compressed strips and arrays of tag values, which widen what
/// the file stores by 8 at most: twice that of the whole file, and 16 MiB for tables and rounding.
static const uint64_t allocation_bytes_per_file_byte = 16;
static const uint64_t allocation_bytes_at_least = 16 << 20;

// MARK: Callbacks

int tiff_keep_error(
    TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)module;
  tiff_file *file = context;
  if (file->error[0] == 0) codec_set_message_list(file->error, format, arguments);
  return 1;
}

static int tiff_keep_warning(
    TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) {
  (void)tiff;
  (void)module;
  tiff_file *file = context;
  if (file->warning[0] == 0) codec_set_message_list(file->warning, format, arguments);
  return 1;
}

static tmsize_t tiff_read_bytes(thandle_t handle, void *bytes, tmsize_t count) {
  tiff_file *file = handle;
  return count < 0 ? -1 : (tmsize_t)codec_source_read(&file->source, bytes, (size_t)count);
}

static tmsize_t tiff_write_nothing(thandle_t handle, void *bytes, tmsize_t count) {
  (void)handle;
  (void)bytes;
  (void)count;
  return -1;
}

static toff_t tiff_size(thandle_t handle) {
  tiff_file *file = handle;
  return codec_source_size(&file->source);
}

static toff_t tiff_seek(thandle_t handle, toff_t offset, int whence) {
  tiff_file *file = handle;
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

void tiff_begin(tiff_file *file) {
  file->error[0] = 0;
  file->warning[0] = 0;
  file->source.failed = false;
  file->source.ended = false;
}

codec_status tiff_damaged(const tiff_file *file, const char *otherwise, char *message) {
  codec_set_message(message, "%s", file->error[0] != 0 ? file->error : otherwise);
  return file->source.failed ? codec_system_error : codec_damaged;
}

// MARK: Opening

codec_status tiff_open(tiff_file *file, int descriptor, uint64_t offset, char *message) {
  memset(file, 0, sizeof *file);
  file->source.descriptor = descriptor;
  file->directory = offset;
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) {
    codec_set_message(message, "libtiff could not be started");
    return codec_out_of_memory;
  }
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
  // Only the header (h), no mapping (m): the directory is gone to at once, wherever in the chain.
  file->tiff = TIFFClientOpenExt(
      "TIFF", "rhm", file, tiff_read_bytes, tiff_write_nothing, tiff_seek, tiff_close_nothing,
      tiff_size, tiff_map_nothing, tiff_unmap_nothing, options);
  TIFFOpenOptionsFree(options);
  // Without the end of a directory libtiff carries on and guesses: grey where a palette is lost.
  if (file->tiff == NULL || !TIFFSetSubDirectory(file->tiff, offset) || file->source.ended) {
    codec_status status = tiff_damaged(file, "an unreadable directory", message);
    tiff_close(file);
    return status;
  }
  return codec_ok;
}

void tiff_close(tiff_file *file) {
  if (file->tiff != NULL) TIFFClose(file->tiff);
  file->tiff = NULL;
}

// MARK: Directories

/// The two forms of the format and their byte orders, and where the chain begins.
typedef struct {
  codec_source source;
  bool big_endian;
  bool is_big;
  uint64_t first;
} tiff_chain;

/// One directory as it lies in the file.
typedef struct {
  uint8_t *entries;
  uint64_t count;
  uint64_t next;
} tiff_entries;

static uint64_t number(const tiff_chain *chain, const uint8_t *bytes, size_t count) {
  uint64_t value = 0;
  for (size_t index = 0; index < count; index++) {
    value = value << 8 | bytes[chain->big_endian ? index : count - 1 - index];
  }
  return value;
}

static bool read_chain(tiff_chain *chain, int descriptor) {
  uint8_t header[16];
  memset(chain, 0, sizeof *chain);
  chain->source.descriptor = descriptor;
  if (codec_source_read(&chain->source, header, 8) < 8) return false;
  chain->big_endian = header[0] == 'M';
  chain->is_big = number(chain, header + 2, 2) == 43;
  if (!chain->is_big) {
    chain->first = number(chain, header + 4, 4);
    return true;
  }
  if (codec_source_read(&chain->source, header + 8, 8) < 8) return false;
  chain->first = number(chain, header + 8, 8);
  return true;
}

/// Reads the directory at `offset`; its entries are the caller's to free.
static bool read_entries(tiff_chain *chain, uint64_t offset, tiff_entries *directory) {
  size_t count_bytes = chain->is_big ? 8 : 2;
  size_t entry_bytes = chain->is_big ? 20 : 12;
  size_t next_bytes = chain->is_big ? 8 : 4;
  uint8_t bytes[8];
  chain->source.position = offset;
  if (codec_source_read(&chain->source, bytes, count_bytes) < count_bytes) return false;
  directory->count = number(chain, bytes, count_bytes);
  // Tags have 16 bits and occur once each.
  if (directory->count == 0 || directory->count > UINT16_MAX) return false;
  size_t size = directory->count * entry_bytes;
  directory->entries = malloc(size);
  if (directory->entries == NULL) return false;
  if (codec_source_read(&chain->source, directory->entries, size) < size ||
      codec_source_read(&chain->source, bytes, next_bytes) < next_bytes) {
    free(directory->entries);
    return false;
  }
  directory->next = number(chain, bytes, next_bytes);
  return true;
}

/// The bytes of the entry for `tag`, or NULL.
static const uint8_t *find_entry(
    const tiff_chain *chain, const tiff_entries *directory, uint16_t tag) {
  for (uint64_t index = 0; index < directory->count; index++) {
    const uint8_t *entry = directory->entries + index * (chain->is_big ? 20 : 12);
    if (number(chain, entry, 2) == tag) return entry;
  }
  return NULL;
}

/// A number that stands in an entry itself, 0 where there is none.
static uint64_t entry_value(
    const tiff_chain *chain, const tiff_entries *directory, uint16_t tag) {
  const uint8_t *entry = find_entry(chain, directory, tag);
  if (entry == NULL) return 0;
  bool is_short = number(chain, entry + 2, 2) == TIFF_SHORT;
  return number(chain, entry + (chain->is_big ? 12 : 8), is_short ? 2 : 4);
}

/// What tells a page of a pyramid.
typedef struct {
  uint64_t width;
  uint64_t height;
  bool is_tiled;
} tiff_page_size;

static tiff_page_size page_size(const tiff_chain *chain, const tiff_entries *directory) {
  return (tiff_page_size){
      .width = entry_value(chain, directory, TIFFTAG_IMAGEWIDTH),
      .height = entry_value(chain, directory, TIFFTAG_IMAGELENGTH),
      .is_tiled = find_entry(chain, directory, TIFFTAG_TILEWIDTH) != NULL,
  };
}

static bool is_image(const tiff_chain *chain, const tiff_entries *directory) {
  uint64_t type = entry_value(chain, directory, TIFFTAG_SUBFILETYPE);
  uint64_t old_type = entry_value(chain, directory, TIFFTAG_OSUBFILETYPE);
  return (type & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0 && old_type != OFILETYPE_REDUCEDIMAGE;
}

bool tiff_find_entry(tiff_file *file, uint16_t tag, uint64_t *value) {
  tiff_chain chain;
  tiff_entries directory = {0};
  if (!read_chain(&chain, file->source.descriptor) ||
      !read_entries(&chain, file->directory, &directory))
    return false;
  bool found = find_entry(&chain, &directory, tag) != NULL;
  if (value != NULL) *value = entry_value(&chain, &directory, tag);
  free(directory.entries);
  return found;
}

/// The shortest longer side of an image of which somebody makes a pyramid.
static const uint64_t smallest_pyramid_side = 1024;

/// Whether a page is one of a pyramid on the first one, which is large and in tiles: of its shape, and half as
/// large or less.
///
/// Writers of slides leave out the mark of a reduced image. Pages of a stack are all of one size.
static bool is_reduced(const tiff_page_size *first, const tiff_page_size *page) {
  uint64_t longer = first->width > first->height ? first->width : first->height;
  if (!first->is_tiled || longer < smallest_pyramid_side || page->width == 0 ||
      page->width > first->width / 2 + 1)
    return false;
  // Sides are rounded up or down.
  double height = (double)first->height * page->width / first->width;
  double slack = 1 + (double)first->height / first->width;
  return height - slack <= page->height && page->height <= height + slack;
}

static int compare_offsets(const void *left, const void *right) {
  uint64_t first = ((const codec_tiff_directory *)left)->offset;
  uint64_t second = ((const codec_tiff_directory *)right)->offset;
  return first < second ? -1 : first > second;
}

/// Whether a chain goes through one place twice, by sorting a copy of it.
static bool has_loop(const codec_tiff_directory *list, uint32_t count) {
  codec_tiff_directory *sorted = malloc(count * sizeof *sorted);
  if (sorted == NULL) return false;
  memcpy(sorted, list, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare_offsets);
  bool found = false;
  for (uint32_t index = 1; index < count && !found; index++) {
    found = sorted[index].offset == sorted[index - 1].offset;
  }
  free(sorted);
  return found;
}

codec_status codec_tiff_list(
    int descriptor, codec_tiff_directory **directories, uint32_t *count, char *message) {
  *directories = NULL;
  *count = 0;
  tiff_chain chain;
  uint32_t capacity = 16;
  codec_tiff_directory *list = malloc(capacity * sizeof *list);
  codec_status status = codec_ok;
  if (list == NULL) status = codec_out_of_memory;
  if (status == codec_ok && (!read_chain(&chain, descriptor) || chain.first == 0))
    status = codec_damaged;
  uint64_t offset = status == codec_ok ? chain.first : 0;
  // Of the first image, and of the first page, in a file without an image of its own.
  tiff_page_size first = {0}, beginning = {0};
  uint32_t first_image = 0;
  // A pyramid is one as a whole: of pages of many sizes none is passed over.
  bool is_pyramid = true;
  while (status == codec_ok && offset != 0 && *count <= CODEC_MAXIMUM_PAGES) {
    tiff_entries directory = {0};
    // A chain that breaks off is no shorter stack but a damaged one: pages are missing.
    if (!read_entries(&chain, offset, &directory)) {
      status = codec_damaged;
      break;
    }
    if (*count == capacity) {
      capacity *= 2;
      codec_tiff_directory *longer = realloc(list, capacity * sizeof *list);
      if (longer == NULL) status = codec_out_of_memory;
      else list = longer;
    }
    if (status == codec_ok) {
      tiff_page_size size = page_size(&chain, &directory);
      bool is_own = is_image(&chain, &directory);
      if (*count == 0) beginning = size;
      if (is_own && first.width == 0) {
        first = size;
        first_image = *count;
      } else if (is_own) {
        is_pyramid = is_pyramid && is_reduced(&first, &size);
      }
      const tiff_page_size *model = first.width != 0 ? &first : &beginning;
      list[(*count)++] = (codec_tiff_directory){
          .offset = offset,
          .is_image = is_own,
          .is_as_large = size.width == model->width && size.height == model->height,
      };
    }
    offset = directory.next;
    free(directory.entries);
  }
  if (status == codec_damaged) {
    if (chain.source.failed) status = codec_system_error;
    codec_set_message(message, "no complete chain of pages");
  } else if (status == codec_out_of_memory) {
    codec_set_message(message, "the list of pages could not be allocated");
  } else if (has_loop(list, *count)) {
    codec_set_message(message, "a chain of pages that runs into itself");
    status = codec_damaged;
  } else if (*count > CODEC_MAXIMUM_PAGES) {
    codec_set_message(message, "more than %d pages", CODEC_MAXIMUM_PAGES);
    status = codec_too_large;
  }
  if (status != codec_ok) {
    free(list);
    return status;
  }
  for (uint32_t index = first_image + 1; is_pyramid && index < *count; index++) {
    list[index].is_image = false;
  }
  *directories = list;
  return codec_ok;
}
