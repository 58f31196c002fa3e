// JPEG through libjpeg: grey and colour to 8-bit samples; CMYK and damaged data are errors.

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "CodecSupport.h"

// libjpeg's headers need stdio.h in front of them, and define what each other's guards test.
#include <jpeglib.h>

#include <jerror.h>

/// The most scans of a progressive file. Encoders make about ten; each scan runs over the whole
/// image, so a small file with thousands of them would keep a decoder busy for minutes.
static const int maximum_scans = 100;

/// The markers behind the last scan, and between parts of one.
static const int end_of_image = 0xD9;
static const int first_restart = 0xD0, last_restart = 0xD7;

/// The most bytes between two markers that are nobody's. More are what a damaged scan has not used.
static const int maximum_stray_bytes = 64;

/// Bytes read from the file at once.
enum { source_buffer_bytes = 65536 };

/// The decoder with all its callbacks need; it outlives every jump.
typedef struct {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr manager;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  codec_source source;
  codec_status status;
  char *message;
  /// Whether the first scan has begun, and whether the file has ended without saying so.
  bool is_in_scans, has_ended;
  JOCTET buffer[source_buffer_bytes];
} jpeg_job;

// MARK: Callbacks

static void jpeg_fail(j_common_ptr decoder) {
  jpeg_job *job = decoder->client_data;
  char text[JMSG_LENGTH_MAX];
  decoder->err->format_message(decoder, text);
  codec_set_message(job->message, "%s", text);
  int code = decoder->err->msg_code;
  job->status = job->source.failed ? codec_system_error
                : code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE
                    ? codec_out_of_memory
                    : codec_damaged;
  longjmp(job->jump, 1);
}

/// libjpeg fills what is missing with grey and calls it a warning: here it is an error.
static void jpeg_weigh_message(j_common_ptr decoder, int level) {
  if (level >= 0) return;
  int code = decoder->err->msg_code;
  // Two warnings are about labels in the file and none of its pixels.
  if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
  // Bytes in front of a marker are nobody's: whatever a scan lacks has its own warning. Not so between the
  // parts of a scan.
  if (code == JWRN_EXTRANEOUS_DATA) {
    int count = decoder->err->msg_parm.i[0], marker = decoder->err->msg_parm.i[1];
    if (marker == end_of_image) return;
    if ((marker < first_restart || marker > last_restart) && count <= maximum_stray_bytes) return;
  }
  jpeg_fail(decoder);
}

static void jpeg_print_nothing(j_common_ptr decoder) { (void)decoder; }

static void jpeg_start_source(j_decompress_ptr decoder) { (void)decoder; }

/// A file may lack its last marker alone: it is put in its place once, and whatever else is missing then has
/// its own warning.
static boolean jpeg_fill_buffer(j_decompress_ptr decoder) {
  jpeg_job *job = decoder->client_data;
  size_t count = codec_source_read(&job->source, job->buffer, sizeof job->buffer);
  if (count == 0) {
    if (job->source.failed || !job->is_in_scans || job->has_ended) ERREXIT(decoder, JWRN_JPEG_EOF);
    job->has_ended = true;
    job->buffer[0] = 0xFF;
    job->buffer[1] = (JOCTET)end_of_image;
    count = 2;
  }
  job->manager.next_input_byte = job->buffer;
  job->manager.bytes_in_buffer = count;
  return TRUE;
}

static void jpeg_skip_bytes(j_decompress_ptr decoder, long count) {
  jpeg_job *job = decoder->client_data;
  if (count <= 0) return;
  if ((size_t)count <= job->manager.bytes_in_buffer) {
    job->manager.next_input_byte += count;
    job->manager.bytes_in_buffer -= (size_t)count;
    return;
  }
  job->source.position += (uint64_t)count - job->manager.bytes_in_buffer;
  job->manager.bytes_in_buffer = 0;
}

static void jpeg_end_source(j_decompress_ptr decoder) { (void)decoder; }

static void jpeg_count_scans(j_common_ptr decoder) {
  if (!decoder->is_decompressor) return;
  jpeg_job *job = decoder->client_data;
  if (job->decoder.input_scan_number <= maximum_scans) return;
  codec_set_message(job->message, "more than %d scans", maximum_scans);
  job->status = codec_too_large;
  longjmp(job->jump, 1);
}

// MARK: Reading

/// The orientation that the first Exif segment names.
static uint32_t jpeg_orientation(j_decompress_ptr decoder) {
  static const uint8_t label[] = {'E', 'x', 'i', 'f', 0, 0};
  for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker != NULL; marker = marker->next) {
    if (marker->data_length > sizeof label && memcmp(marker->data, label, sizeof label) == 0)
      return codec_exif_orientation(
          marker->data + sizeof label, marker->data_length - sizeof label);
  }
  return 1;
}

/// Refuses sizes that the file is too short for: a block of 64 pixels takes half a bit at least, where
/// four times four of them share their colours.
static codec_status jpeg_check_length(jpeg_job *job, const codec_image *image) {
  static const uint64_t best_ratio = 2048;
  uint64_t bytes = (uint64_t)image->width * image->height * image->channels;
  uint64_t size = codec_source_size(&job->source);
  if (bytes / best_ratio <= size) return codec_ok;
  codec_set_message(job->message, "%u x %u pixels, for which a file of %llu bytes is too short",
                    image->width, image->height, (unsigned long long)size);
  return codec_damaged;
}

/// Whether all scans have come, of a file that has several: one that is missing lowers the quality, and has no
/// warning.
static bool jpeg_has_all_scans(j_decompress_ptr decoder) {
  if (!jpeg_has_multiple_scans(decoder)) return true;
  if (!decoder->progressive_mode || decoder->coef_bits == NULL) return false;
  for (int component = 0; component < decoder->num_components; component++) {
    for (int coefficient = 0; coefficient < DCTSIZE2; coefficient++) {
      if (decoder->coef_bits[component][coefficient] != 0) return false;
    }
  }
  return true;
}

/// Everything that may jump. Nothing local is read after a jump.
static codec_status jpeg_decode(jpeg_job *job, codec_image *image) {
  j_decompress_ptr decoder = &job->decoder;
  if (setjmp(job->jump)) return job->status;
  jpeg_create_decompress(decoder);
  // Creation clears all of the structure but its error handlers and `client_data`.
  decoder->src = &job->manager;
  decoder->progress = &job->progress;
  // A progressive file keeps all its coefficients, two bytes each, until the last scan.
  decoder->mem->max_memory_to_use = 2L * CODEC_MAXIMUM_DECODED_BYTES;
  jpeg_save_markers(decoder, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(decoder, TRUE);

  switch (decoder->jpeg_color_space) {
    case JCS_GRAYSCALE: decoder->out_color_space = JCS_GRAYSCALE; break;
    case JCS_RGB:
    case JCS_YCbCr: decoder->out_color_space = JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK: codec_set_message(job->message, "CMYK colours"); return codec_unsupported;
    default:
      codec_set_message(job->message, "%d components of an unknown colour space",
                        decoder->num_components);
      return codec_unsupported;
  }
  image->width = decoder->image_width;
  image->height = decoder->image_height;
  image->channels = decoder->out_color_space == JCS_RGB ? 3 : 1;
  image->bits_per_sample = 8;
  image->sample_type = codec_uint8;
  image->orientation = jpeg_orientation(decoder);
  codec_status status = codec_check_size(image, CODEC_MAXIMUM_SIDE, job->message);
  if (status == codec_ok) status = jpeg_check_length(job, image);
  if (status == codec_ok) status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, job->message);
  if (status != codec_ok) return status;

  job->is_in_scans = true;
  jpeg_start_decompress(decoder);
  // Of several scans all have been read by now.
  if (job->has_ended && !jpeg_has_all_scans(decoder)) ERREXIT(decoder, JWRN_JPEG_EOF);
  size_t row_bytes = image->byte_count / image->height;
  while (decoder->output_scanline < decoder->output_height) {
    JSAMPROW row = (JSAMPROW)image->samples + decoder->output_scanline * row_bytes;
    jpeg_read_scanlines(decoder, &row, 1);
  }
  jpeg_finish_decompress(decoder);
  return codec_ok;
}

codec_status codec_jpeg_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message) {
  (void)purpose;
  memset(image, 0, sizeof *image);
  jpeg_job job;
  memset(&job, 0, sizeof job);
  job.source.descriptor = descriptor;
  job.message = message;
  job.decoder.client_data = &job;
  job.decoder.err = jpeg_std_error(&job.errors);
  job.errors.error_exit = jpeg_fail;
  job.errors.emit_message = jpeg_weigh_message;
  job.errors.output_message = jpeg_print_nothing;
  job.manager.init_source = jpeg_start_source;
  job.manager.fill_input_buffer = jpeg_fill_buffer;
  job.manager.skip_input_data = jpeg_skip_bytes;
  job.manager.resync_to_restart = jpeg_resync_to_restart;
  job.manager.term_source = jpeg_end_source;
  job.progress.progress_monitor = jpeg_count_scans;
  codec_status status = jpeg_decode(&job, image);
  jpeg_destroy_decompress(&job.decoder);
  if (status != codec_ok) codec_image_free(image);
  return status;
}
