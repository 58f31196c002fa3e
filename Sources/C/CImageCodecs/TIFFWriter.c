// TIFF through libtiff: pages of tiles or strips, written block by block, and tags that results take
// over from the image they are of.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "TIFFFile.h"

struct codec_tiff_writer {
  tiff_file file;
  codec_tiff_form form;
};

// MARK: Callbacks

static tmsize_t writer_read(thandle_t handle, void *bytes, tmsize_t count) {
  codec_tiff_writer *writer = handle;
  return count < 0 ? -1
                   : (tmsize_t)codec_source_read(&writer->file.source, bytes, (size_t)count);
}

static tmsize_t writer_write(thandle_t handle, void *bytes, tmsize_t count) {
  codec_source *source = &((codec_tiff_writer *)handle)->file.source;
  tmsize_t done = 0;
  while (done < count) {
    ssize_t written = pwrite(source->descriptor, (char *)bytes + done, (size_t)(count - done),
                             (off_t)source->position);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      source->failed = true;
      tiff_file *file = &((codec_tiff_writer *)handle)->file;
      if (file->error[0] == 0) codec_set_message(file->error, "%s", strerror(errno));
      return -1;
    }
    done += written;
    source->position += (uint64_t)written;
  }
  return done;
}

static toff_t writer_size(thandle_t handle) {
  return codec_source_size(&((codec_tiff_writer *)handle)->file.source);
}

static toff_t writer_seek(thandle_t handle, toff_t offset, int whence) {
  codec_source *source = &((codec_tiff_writer *)handle)->file.source;
  switch (whence) {
    case SEEK_SET: source->position = offset; break;
    case SEEK_CUR: source->position += offset; break;
    case SEEK_END: source->position = writer_size(handle) + offset; break;
    default: return (toff_t)-1;
  }
  return source->position;
}

static int writer_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static codec_status failure(const codec_tiff_writer *writer, const char *step, char *message) {
  const char *error = writer->file.error;
  codec_set_message(message, "%s", error[0] != 0 ? error : step);
  return codec_system_error;
}

// MARK: Writing

codec_status codec_tiff_writer_open(
    int descriptor, bool is_big, codec_tiff_writer **result, char *message) {
  *result = NULL;
  codec_tiff_writer *writer = calloc(1, sizeof *writer);
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (writer == NULL || options == NULL) {
    free(writer);
    if (options != NULL) TIFFOpenOptionsFree(options);
    codec_set_message(message, "libtiff could not be started");
    return codec_out_of_memory;
  }
  writer->file.source.descriptor = descriptor;
  TIFFOpenOptionsSetErrorHandlerExtR(options, tiff_keep_error, &writer->file);
  TIFFOpenOptionsSetWarningHandlerExtR(options, tiff_keep_error, &writer->file);
  writer->file.tiff = TIFFClientOpenExt(
      "TIFF", is_big ? "w8l" : "w4l", writer, writer_read, writer_write, writer_seek,
      writer_close, writer_size, NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  if (writer->file.tiff == NULL) {
    codec_status status = failure(writer, "the file's header", message);
    free(writer);
    return status;
  }
  *result = writer;
  return codec_ok;
}

/// Makes the tags known that libtiff does not know by itself.
static void register_tags(TIFF *tiff, const codec_tiff_form *form) {
  static char name[] = "carried";
  for (uint32_t index = 0; index < form->tag_count; index++) {
    const codec_tiff_tag *tag = &form->tags[index];
    if (TIFFFindField(tiff, tag->tag, TIFF_ANY) != NULL) continue;
    TIFFFieldInfo field = {
        tag->tag, TIFF_VARIABLE2, TIFF_VARIABLE2, (TIFFDataType)tag->type, FIELD_CUSTOM, 1, 1, name};
    TIFFMergeFieldInfo(tiff, &field, 1);
  }
}

codec_status codec_tiff_writer_begin(
    codec_tiff_writer *writer, const codec_tiff_form *form, char *message) {
  writer->form = *form;
  TIFF *tiff = writer->file.tiff;
  tiff_begin(&writer->file);
  uint16_t bits = (uint16_t)(8 * codec_sample_size(form->sample_type));
  bool is_color = form->channels == 3;
  bool done =
      TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, form->width) &&
      TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, form->height) &&
      TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)form->channels) &&
      TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits) &&
      TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT) &&
      TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
      TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                   is_color ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK) &&
      TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
      (!is_color || TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL)) &&
      (form->description == NULL ||
       TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, form->description));
  if (form->tiled) {
    done = done && TIFFSetField(tiff, TIFFTAG_TILEWIDTH, form->block_width) &&
           TIFFSetField(tiff, TIFFTAG_TILELENGTH, form->block_height);
  } else {
    done = done && TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, form->block_height);
  }
  if (form->x_resolution > 0 && form->y_resolution > 0) {
    done = done && TIFFSetField(tiff, TIFFTAG_XRESOLUTION, form->x_resolution) &&
           TIFFSetField(tiff, TIFFTAG_YRESOLUTION, form->y_resolution) &&
           TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, form->resolution_unit);
  }
  register_tags(tiff, form);
  for (uint32_t index = 0; index < form->tag_count && done; index++) {
    const codec_tiff_tag *tag = &form->tags[index];
    done = TIFFSetField(tiff, tag->tag, tag->count, tag->values);
  }
  return done ? codec_ok : failure(writer, "a page's tags", message);
}

codec_status codec_tiff_writer_write(
    codec_tiff_writer *writer, uint32_t left, uint32_t top, void *samples, size_t byte_count,
    char *message) {
  TIFF *tiff = writer->file.tiff;
  tmsize_t written =
      writer->form.tiled
          ? TIFFWriteEncodedTile(
                tiff, TIFFComputeTile(tiff, left, top, 0, 0), samples, (tmsize_t)byte_count)
          : TIFFWriteEncodedStrip(
                tiff, TIFFComputeStrip(tiff, top, 0), samples, (tmsize_t)byte_count);
  if (written >= 0 && writer->file.error[0] == 0) return codec_ok;
  return failure(writer, "a strip or tile", message);
}

codec_status codec_tiff_writer_end(codec_tiff_writer *writer, char *message) {
  if (TIFFWriteDirectory(writer->file.tiff) && writer->file.error[0] == 0) return codec_ok;
  return failure(writer, "a page's directory", message);
}

void codec_tiff_writer_close(codec_tiff_writer *writer) {
  if (writer == NULL) return;
  TIFFCleanup(writer->file.tiff);
  free(writer);
}

// MARK: Tags of the image that results are of

/// The tags that say where on the earth an image lies: ModelPixelScale, ModelTiepoint,
/// ModelTransformation, and GeoTIFF's directory of keys with its numbers and texts.
static const uint16_t place_tags[] = {33550, 33922, 34264, 34735, 34736, 34737};

/// Bytes of one value of a tag's type; 0 for a type that is not carried.
static size_t value_size(uint16_t type) {
  switch (type) {
    case TIFF_ASCII:
    case TIFF_BYTE: return 1;
    case TIFF_SHORT: return 2;
    case TIFF_LONG:
    case TIFF_FLOAT: return 4;
    case TIFF_DOUBLE: return 8;
    default: return 0;
  }
}

void codec_tiff_origin_free(codec_tiff_origin *origin) {
  for (uint32_t index = 0; index < origin->tag_count; index++) {
    free((void *)origin->tags[index].values);
  }
  origin->tag_count = 0;
}

codec_status codec_tiff_read_origin(
    int descriptor, uint64_t offset, codec_tiff_origin *origin, char *message) {
  memset(origin, 0, sizeof *origin);
  tiff_file file;
  codec_status status = tiff_open(&file, descriptor, offset, message);
  if (status != codec_ok) return status;
  float x = 0;
  float y = 0;
  origin->resolution_unit = RESUNIT_INCH;
  TIFFGetFieldDefaulted(file.tiff, TIFFTAG_ORIENTATION, &origin->orientation);
  if (TIFFGetField(file.tiff, TIFFTAG_XRESOLUTION, &x) &&
      TIFFGetField(file.tiff, TIFFTAG_YRESOLUTION, &y)) {
    origin->x_resolution = x;
    origin->y_resolution = y;
    TIFFGetFieldDefaulted(file.tiff, TIFFTAG_RESOLUTIONUNIT, &origin->resolution_unit);
  }
  for (size_t index = 0; index < sizeof place_tags / sizeof *place_tags; index++) {
    uint16_t number = place_tags[index];
    const TIFFField *field = TIFFFindField(file.tiff, number, TIFF_ANY);
    uint32_t count = 0;
    const void *values = NULL;
    if (field == NULL || !TIFFFieldPassCount(field) ||
        TIFFFieldReadCount(field) != TIFF_VARIABLE2 ||
        !TIFFGetField(file.tiff, number, &count, &values) || values == NULL)
      continue;
    size_t size = count * value_size((uint16_t)TIFFFieldDataType(field));
    void *copy = size == 0 ? NULL : malloc(size);
    if (copy == NULL) continue;
    memcpy(copy, values, size);
    origin->tags[origin->tag_count++] = (codec_tiff_tag){
        .tag = number, .type = (uint16_t)TIFFFieldDataType(field), .count = count, .values = copy};
  }
  tiff_close(&file);
  return codec_ok;
}
