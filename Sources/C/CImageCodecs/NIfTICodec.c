// NIfTI volumes, versions 1 and 2, plain or gzipped: one slice along the third axis at a time.
//
// Source: the header files of the format, nifti1.h and nifti2.h (nifti.nimh.nih.gov).

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "CodecSupport.h"

/// The types of samples that are read, by their codes in the header.
typedef struct {
  uint16_t code;
  uint16_t stored_bits;
  codec_sample_type type;
  /// Samples of a pixel: 3 for colours.
  uint32_t colors;
} nifti_type;

static const nifti_type nifti_types[] = {
    {2, 8, codec_uint8, 1},      {4, 16, codec_int16, 1},    {8, 32, codec_int32, 1},
    {16, 32, codec_float32, 1},  {64, 64, codec_float32, 1}, {128, 8, codec_uint8, 3},
    {256, 8, codec_int8, 1},     {512, 16, codec_uint16, 1}, {768, 32, codec_uint32, 1},
    {1024, 64, codec_int32, 1},  {1280, 64, codec_uint32, 1},
};

/// What a header says.
typedef struct {
  gzFile file;
  bool swapped;
  const nifti_type *type;
  uint64_t columns;
  uint64_t rows;
  uint64_t slices;
  /// Volumes, along the fourth and further axes.
  uint64_t volumes;
  uint64_t offset;
  double slope;
  double intercept;
} nifti_volume;

// MARK: Numbers

static void turn_bytes(uint8_t *bytes, size_t size) {
  for (size_t index = 0; index < size / 2; index++) {
    uint8_t byte = bytes[index];
    bytes[index] = bytes[size - 1 - index];
    bytes[size - 1 - index] = byte;
  }
}

static uint64_t stored_integer(const uint8_t *from, size_t size, bool swapped) {
  uint8_t bytes[8] = {0};
  memcpy(bytes, from, size);
  if (swapped) turn_bytes(bytes, size);
  uint64_t value;
  memcpy(&value, bytes, 8);
  return value;
}

static double stored_float(const uint8_t *from, size_t size, bool swapped) {
  uint64_t bits = stored_integer(from, size, swapped);
  if (size == 8) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
  }
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// MARK: The header

static codec_status incomplete(nifti_volume *volume, const char *text, char *message) {
  int code = Z_OK;
  const char *reason = gzerror(volume->file, &code);
  // zlib calls the file "<fd:N>".
  const char *behind = strncmp(reason, "<fd:", 4) == 0 ? strstr(reason, ">: ") : NULL;
  if (behind != NULL) reason = behind + 3;
  codec_set_message(message, "%s", code < 0 && reason[0] != 0 ? reason : text);
  return code == Z_ERRNO ? codec_system_error : codec_damaged;
}

static bool read_exactly(nifti_volume *volume, void *bytes, uint64_t count) {
  uint8_t *to = bytes;
  while (count > 0) {
    unsigned piece = count > (1u << 30) ? 1u << 30 : (unsigned)count;
    int got = gzread(volume->file, to, piece);
    if (got <= 0) return false;
    to += got;
    count -= (unsigned)got;
  }
  return true;
}

/// Seven sizes, of which those beyond the stored number of axes are 1; false where one is none.
static bool read_axes(nifti_volume *volume, const uint8_t *dimensions, size_t size) {
  uint64_t axes[8];
  for (size_t axis = 0; axis < 8; axis++) {
    axes[axis] = stored_integer(dimensions + axis * size, size, volume->swapped);
  }
  if (axes[0] < 1 || axes[0] > 7) return false;
  for (size_t axis = 1; axis < 8; axis++) {
    if (axis > axes[0]) axes[axis] = 1;
    if (axes[axis] == 0 || axes[axis] > INT32_MAX) return false;
  }
  volume->columns = axes[1];
  volume->rows = axes[2];
  volume->slices = axes[3];
  volume->volumes = 1;
  for (size_t axis = 4; axis < 8; axis++) {
    volume->volumes *= axes[axis];
    if (volume->volumes > CODEC_MAXIMUM_CHANNELS) return false;
  }
  return true;
}

static codec_status read_header(nifti_volume *volume, char *message) {
  uint8_t header[540];
  if (!read_exactly(volume, header, 348)) return incomplete(volume, "no complete header", message);
  bool is_first = false, is_second = false;
  for (int turn = 0; turn < 2 && !is_first && !is_second; turn++) {
    volume->swapped = turn == 1;
    uint64_t size = stored_integer(header, 4, volume->swapped);
    is_first = size == 348 && memcmp(header + 344, "n+1", 4) == 0;
    is_second = size == 540 && memcmp(header + 4, "n+2", 4) == 0;
  }
  if (!is_first && !is_second) {
    codec_set_message(message, "a header that is none of NIfTI in one file");
    return codec_unsupported;
  }
  if (is_second && !read_exactly(volume, header + 348, 540 - 348))
    return incomplete(volume, "no complete header", message);
  uint64_t code = stored_integer(header + (is_first ? 70 : 12), 2, volume->swapped);
  bool has_axes = is_first ? read_axes(volume, header + 40, 2) : read_axes(volume, header + 16, 8);
  if (!has_axes) {
    codec_set_message(message, "axes that are none, or more than %d volumes",
                      CODEC_MAXIMUM_CHANNELS);
    return codec_unsupported;
  }
  for (size_t index = 0; index < sizeof nifti_types / sizeof *nifti_types; index++) {
    if (nifti_types[index].code == code) volume->type = &nifti_types[index];
  }
  if (volume->type == NULL) {
    codec_set_message(message, "samples of the type %u", (unsigned)code);
    return codec_unsupported;
  }
  double offset = is_first ? stored_float(header + 108, 4, volume->swapped)
                           : (double)stored_integer(header + 168, 8, volume->swapped);
  if (!(offset >= (is_first ? 348 : 540) && offset < 1e15)) {
    codec_set_message(message, "samples at the byte %g", offset);
    return codec_damaged;
  }
  volume->offset = (uint64_t)offset;
  size_t size = is_first ? 4 : 8;
  volume->slope = stored_float(header + (is_first ? 112 : 176), size, volume->swapped);
  volume->intercept = stored_float(header + (is_first ? 116 : 184), size, volume->swapped);
  if (volume->slices > CODEC_MAXIMUM_PAGES) {
    codec_set_message(message, "%llu slices", (unsigned long long)volume->slices);
    return codec_too_large;
  }
  return codec_check_sides(volume->columns, volume->rows, CODEC_MAXIMUM_SIDE, message);
}

static codec_status open_volume(int descriptor, nifti_volume *volume, char *message) {
  memset(volume, 0, sizeof *volume);
  // Two descriptors of one open file share its place; every reading begins with setting it.
  int copy = dup(descriptor);
  if (copy >= 0) (void)lseek(copy, 0, SEEK_SET);
  volume->file = copy < 0 ? NULL : gzdopen(copy, "rb");
  if (volume->file == NULL) {
    if (copy >= 0) close(copy);
    codec_set_message(message, "zlib could not be started");
    return codec_out_of_memory;
  }
  codec_status status = read_header(volume, message);
  if (status != codec_ok) gzclose(volume->file);
  return status;
}

codec_status codec_nifti_count_pages(
    int descriptor, uint32_t *count, uint32_t *volumes, char *message) {
  nifti_volume volume;
  codec_status status = open_volume(descriptor, &volume, message);
  if (status != codec_ok) return status;
  *count = (uint32_t)volume.slices;
  *volumes = (uint32_t)volume.volumes;
  gzclose(volume.file);
  return codec_ok;
}

// MARK: Reading

/// Stores a slice of one volume as the channels from `channel` on.
static bool store_slice(
    const nifti_volume *volume, const codec_image *image, uint8_t *bytes, uint64_t channel,
    bool is_scaled) {
  const nifti_type *type = volume->type;
  size_t size = type->stored_bits / 8;
  size_t count = (size_t)volume->columns * volume->rows * type->colors;
  bool fits = true;
  for (size_t index = 0; index < count; index++) {
    const uint8_t *from = bytes + index * size;
    size_t to = index / type->colors * image->channels + channel + index % type->colors;
    uint64_t bits = stored_integer(from, size, volume->swapped);
    bool is_float = type->type == codec_float32;
    bool is_signed =
        type->type == codec_int8 || type->type == codec_int16 || type->type == codec_int32;
    // Brought to the top and down again, a signed number has its sign in all bits.
    int64_t value = is_signed ? (int64_t)(bits << (64 - type->stored_bits)) >>
                                    (64 - type->stored_bits)
                              : (int64_t)bits;
    if (size == 8 && !is_float) {
      fits = fits && (is_signed ? value == (int32_t)value : bits <= UINT32_MAX);
    }
    switch (image->sample_type) {
      case codec_float32: {
        double real = is_float      ? stored_float(from, size, volume->swapped)
                      : is_signed ? (double)value
                                  : (double)bits;
        if (is_scaled) real = real * volume->slope + volume->intercept;
        ((float *)image->samples)[to] = (float)real;
        break;
      }
      case codec_uint8:
      case codec_int8: ((uint8_t *)image->samples)[to] = (uint8_t)value; break;
      case codec_uint16:
      case codec_int16: ((uint16_t *)image->samples)[to] = (uint16_t)value; break;
      case codec_uint32:
      case codec_int32: ((uint32_t *)image->samples)[to] = (uint32_t)value; break;
    }
  }
  return fits;
}

static codec_status read_slices(
    nifti_volume *volume, uint32_t page, codec_image *image, bool is_scaled, char *message) {
  size_t slice_bytes = (size_t)volume->columns * volume->rows * volume->type->colors *
                       (volume->type->stored_bits / 8);
  uint8_t *bytes = malloc(slice_bytes);
  if (bytes == NULL) {
    codec_set_message(message, "%zu bytes could not be allocated", slice_bytes);
    return codec_out_of_memory;
  }
  codec_status status = codec_ok;
  for (uint64_t channel = 0; channel < volume->volumes && status == codec_ok; channel++) {
    uint64_t place = volume->offset + (channel * volume->slices + page) * slice_bytes;
    if (gzseek(volume->file, (z_off_t)place, SEEK_SET) < 0 ||
        !read_exactly(volume, bytes, slice_bytes)) {
      status = incomplete(volume, "the file ends early", message);
    } else if (!store_slice(
                   volume, image, bytes, channel * volume->type->colors, is_scaled)) {
      codec_set_message(message, "64-bit samples with values beyond 32 bits");
      status = codec_unsupported;
    }
  }
  free(bytes);
  return status;
}

/// Bytes of all samples as they are stored.
static uint64_t stored_byte_count(const nifti_volume *volume) {
  return volume->columns * volume->rows * volume->type->colors *
         (volume->type->stored_bits / 8) * volume->volumes * volume->slices;
}

static bool write_exactly(int target, const uint8_t *bytes, size_t count, uint64_t at) {
  while (count > 0) {
    ssize_t written = pwrite(target, bytes, count, (off_t)at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= (size_t)written;
    at += (uint64_t)written;
  }
  return true;
}

codec_status codec_nifti_unpack(
    int descriptor, int target, uint64_t byte_limit, bool *is_whole, char *message) {
  *is_whole = false;
  nifti_volume volume;
  codec_status status = open_volume(descriptor, &volume, message);
  if (status != codec_ok) return status;
  codec_source source = {.descriptor = descriptor};
  uint64_t stored = stored_byte_count(&volume);
  uint64_t end = volume.offset + stored;
  if (gzdirect(volume.file) || volume.slices < 2 || end < stored || end > byte_limit) {
    gzclose(volume.file);
    return codec_ok;
  }
  status = codec_check_deflated(&source, stored, message);
  enum { piece_bytes = 1 << 20 };
  uint8_t *bytes = malloc(piece_bytes);
  if (status == codec_ok && bytes == NULL) {
    codec_set_message(message, "%d bytes could not be allocated", piece_bytes);
    status = codec_out_of_memory;
  }
  if (status == codec_ok && gzrewind(volume.file) < 0) {
    status = incomplete(&volume, "a file that cannot be read again", message);
  }
  bool has_room = true;
  for (uint64_t done = 0; done < end && status == codec_ok && has_room;) {
    size_t count = end - done < piece_bytes ? (size_t)(end - done) : piece_bytes;
    if (!read_exactly(&volume, bytes, count)) {
      status = incomplete(&volume, "the file ends early", message);
    } else {
      has_room = write_exactly(target, bytes, count, done);
    }
    done += count;
  }
  // What is behind the samples has the checksum.
  if (status == codec_ok && has_room && gzread(volume.file, bytes, piece_bytes) < 0) {
    status = incomplete(&volume, "a wrong checksum", message);
  }
  free(bytes);
  // The end of a stream that is cut is told last.
  if (gzclose(volume.file) == Z_BUF_ERROR && status == codec_ok && has_room) {
    codec_set_message(message, "the file ends early");
    status = codec_damaged;
  }
  *is_whole = status == codec_ok && has_room;
  return status;
}

codec_status codec_nifti_read(
    int descriptor, uint32_t page, codec_purpose purpose, codec_image *image, char *message) {
  memset(image, 0, sizeof *image);
  nifti_volume volume;
  codec_status status = open_volume(descriptor, &volume, message);
  if (status != codec_ok) return status;
  // A slope of 0, or of no finite value, stands for none.
  bool is_scaled = purpose == codec_for_image && isfinite(volume.slope) &&
                   isfinite(volume.intercept) && volume.slope != 0 &&
                   (volume.slope != 1 || volume.intercept != 0);
  image->width = (uint32_t)volume.columns;
  image->height = (uint32_t)volume.rows;
  image->channels = (uint32_t)volume.volumes * volume.type->colors;
  image->orientation = 1;
  image->sample_type = is_scaled ? codec_float32 : volume.type->type;
  image->bits_per_sample = (uint32_t)codec_sample_size(image->sample_type) * 8;
  codec_source source = {.descriptor = descriptor};
  uint64_t stored = stored_byte_count(&volume);
  if (page >= volume.slices) {
    codec_set_message(message, "%llu slices", (unsigned long long)volume.slices);
    status = codec_no_such_page;
  }
  // Channels of a mask would be taken for colours.
  if (status == codec_ok && purpose == codec_for_mask && volume.volumes > 1) {
    codec_set_message(message, "a mask of %llu volumes, of which it is to be one",
                      (unsigned long long)volume.volumes);
    status = codec_unsupported;
  }
  if (status == codec_ok && gzdirect(volume.file) &&
      volume.offset + stored > codec_source_size(&source)) {
    codec_set_message(message, "fewer samples than the header names");
    status = codec_damaged;
  }
  if (status == codec_ok) status = codec_check_deflated(&source, stored, message);
  if (status == codec_ok) status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, message);
  if (status == codec_ok) status = read_slices(&volume, page, image, is_scaled, message);
  gzclose(volume.file);
  if (status != codec_ok) codec_image_free(image);
  return status;
}
