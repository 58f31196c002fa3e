// JPEG 2000 through OpenJPEG: components of 1 to 32 bits, those of alpha left out.

#include <openjpeg.h>
#include <string.h>

#include "CodecSupport.h"

/// Bytes read from the file at once.
enum { stream_buffer_bytes = 65536 };

/// What the callbacks need.
typedef struct {
  codec_source source;
  char *message;
  bool has_message;
} jpeg2000_job;

// MARK: Callbacks

/// Keeps the first message: later ones tend to follow from it.
static void jpeg2000_keep_message(const char *text, void *context) {
  jpeg2000_job *job = context;
  if (job->has_message) return;
  codec_set_message(job->message, "%.*s", (int)strcspn(text, "\r\n"), text);
  job->has_message = true;
}

static void jpeg2000_ignore_message(const char *text, void *context) {
  (void)text;
  (void)context;
}

static OPJ_SIZE_T jpeg2000_read_bytes(void *bytes, OPJ_SIZE_T count, void *context) {
  jpeg2000_job *job = context;
  size_t done = codec_source_read(&job->source, bytes, count);
  return done == 0 ? (OPJ_SIZE_T)-1 : done;
}

static OPJ_OFF_T jpeg2000_skip_bytes(OPJ_OFF_T count, void *context) {
  jpeg2000_job *job = context;
  if (count < 0) return -1;
  uint64_t size = codec_source_size(&job->source);
  uint64_t left = job->source.position < size ? size - job->source.position : 0;
  OPJ_OFF_T done = (uint64_t)count < left ? count : (OPJ_OFF_T)left;
  job->source.position += (uint64_t)done;
  return done == 0 && count > 0 ? -1 : done;
}

static OPJ_BOOL jpeg2000_seek(OPJ_OFF_T position, void *context) {
  jpeg2000_job *job = context;
  if (position < 0) return OPJ_FALSE;
  job->source.position = (uint64_t)position;
  return OPJ_TRUE;
}

// MARK: Reading

/// Sets all of the image but its samples from the header.
static codec_status jpeg2000_describe(
    const opj_image_t *stored, codec_image *image, char *message) {
  if (stored->color_space == OPJ_CLRSPC_SYCC || stored->color_space == OPJ_CLRSPC_EYCC ||
      stored->color_space == OPJ_CLRSPC_CMYK) {
    codec_set_message(message, "%s colours",
                      stored->color_space == OPJ_CLRSPC_CMYK ? "CMYK" : "YCC");
    return codec_unsupported;
  }
  if (stored->numcomps == 0 || stored->numcomps > CODEC_MAXIMUM_CHANNELS) {
    codec_set_message(message, "%u components", stored->numcomps);
    return codec_unsupported;
  }
  const opj_image_comp_t *first = stored->comps;
  for (uint32_t index = 0; index < stored->numcomps; index++) {
    const opj_image_comp_t *component = first + index;
    if (component->w != first->w || component->h != first->h || component->prec != first->prec ||
        component->sgnd != first->sgnd || component->prec == 0 || component->prec > 31) {
      codec_set_message(message, "components of different sizes or depths");
      return codec_unsupported;
    }
  }
  image->width = first->w;
  image->height = first->h;
  image->orientation = 1;
  bool is_signed = first->sgnd != 0;
  uint32_t bits = first->prec;
  image->sample_type = bits <= 8    ? is_signed ? codec_int8 : codec_uint8
                       : bits <= 16 ? is_signed ? codec_int16 : codec_uint16
                                    : is_signed ? codec_int32 : codec_uint32;
  image->bits_per_sample = bits > 16 ? 32 : is_signed ? (bits > 8 ? 16 : 8) : bits;
  return codec_check_sides(image->width, image->height, CODEC_MAXIMUM_SIDE, message);
}

/// Stores the components but for alpha.
static codec_status jpeg2000_store(
    const opj_image_t *stored, codec_image *image, char *message) {
  uint32_t kept[CODEC_MAXIMUM_CHANNELS];
  image->channels = 0;
  for (uint32_t index = 0; index < stored->numcomps; index++) {
    if (stored->comps[index].data == NULL) {
      codec_set_message(message, "a component without samples");
      return codec_damaged;
    }
    if (stored->comps[index].alpha != 0) {
      image->has_lost_alpha = true;
    } else {
      kept[image->channels++] = index;
    }
  }
  if (image->channels == 0) {
    codec_set_message(message, "nothing but alpha");
    return codec_unsupported;
  }
  codec_status status = codec_image_allocate(image, CODEC_MAXIMUM_SIDE, message);
  if (status != codec_ok) return status;
  size_t count = (size_t)image->width * image->height;
  size_t channels = image->channels;
  for (size_t channel = 0; channel < channels; channel++) {
    const OPJ_INT32 *from = stored->comps[kept[channel]].data;
    for (size_t place = 0; place < count; place++) {
      size_t to = place * channels + channel;
      switch (codec_sample_size(image->sample_type)) {
        case 1: ((uint8_t *)image->samples)[to] = (uint8_t)from[place]; break;
        case 2: ((uint16_t *)image->samples)[to] = (uint16_t)from[place]; break;
        default: ((uint32_t *)image->samples)[to] = (uint32_t)from[place]; break;
      }
    }
  }
  return codec_ok;
}

/// Whether a file of this length can hold so many samples of a picture.
///
/// The format has no bound of its own, since a bit can stand for 2^30 empty samples, and the library takes
/// memory for each of their blocks. A code block of 64 x 64 takes a byte at least where it holds anything.
static bool jpeg2000_is_plausible(uint64_t samples, codec_source *source) {
  static const uint64_t any_samples = 1 << 22, samples_a_byte = 4096;
  return samples <= any_samples || samples / samples_a_byte <= codec_source_size(source);
}

static codec_status jpeg2000_decode(
    opj_codec_t *codec, opj_stream_t *stream, opj_image_t **stored, codec_image *image,
    codec_source *source, char *message) {
  if (!opj_read_header(stream, codec, stored) || *stored == NULL) return codec_damaged;
  codec_status status = jpeg2000_describe(*stored, image, message);
  if (status != codec_ok) return status;
  // The library holds every sample in 32 bits: those are to be within the limit too.
  uint64_t bytes = 4 * (uint64_t)image->width * image->height * (*stored)->numcomps;
  if (bytes > 2 * (uint64_t)CODEC_MAXIMUM_DECODED_BYTES) {
    codec_set_message(message, "an image of %u x %u pixels and %u components", image->width,
                      image->height, (*stored)->numcomps);
    return codec_too_large;
  }
  if (!jpeg2000_is_plausible(bytes / 4, source)) {
    codec_set_message(message, "an image of %u x %u pixels in %llu bytes", image->width,
                      image->height, (unsigned long long)codec_source_size(source));
    return codec_damaged;
  }
  if (!opj_decode(codec, stream, *stored) || !opj_end_decompress(codec, stream))
    return codec_damaged;
  status = jpeg2000_describe(*stored, image, message);
  return status == codec_ok ? jpeg2000_store(*stored, image, message) : status;
}

codec_status codec_jpeg2000_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message) {
  memset(image, 0, sizeof *image);
  jpeg2000_job job = {.source = {.descriptor = descriptor}, .message = message};
  codec_set_message(message, "no complete code stream");
  uint8_t start[2] = {0};
  codec_source_read(&job.source, start, sizeof start);
  job.source.position = 0;
  // A code stream alone begins with its first marker, a file with a box.
  bool is_bare = start[0] == 0xFF && start[1] == 0x4F;
  opj_codec_t *codec = opj_create_decompress(is_bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
  opj_stream_t *stream = opj_stream_create(stream_buffer_bytes, OPJ_TRUE);
  opj_image_t *stored = NULL;
  codec_status status = codec_out_of_memory;
  if (codec != NULL && stream != NULL) {
    opj_stream_set_read_function(stream, jpeg2000_read_bytes);
    opj_stream_set_skip_function(stream, jpeg2000_skip_bytes);
    opj_stream_set_seek_function(stream, jpeg2000_seek);
    opj_stream_set_user_data(stream, &job, NULL);
    opj_stream_set_user_data_length(stream, codec_source_size(&job.source));
    opj_set_info_handler(codec, jpeg2000_ignore_message, &job);
    opj_set_warning_handler(codec, jpeg2000_ignore_message, &job);
    opj_set_error_handler(codec, jpeg2000_keep_message, &job);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (purpose == codec_for_mask) parameters.flags |= OPJ_DPARAMETERS_IGNORE_PCLR_CMAP_CDEF_FLAG;
    status = opj_setup_decoder(codec, &parameters) &&
                     opj_decoder_set_strict_mode(codec, OPJ_TRUE)
                 ? jpeg2000_decode(codec, stream, &stored, image, &job.source, message)
                 : codec_out_of_memory;
  }
  if (stored != NULL) opj_image_destroy(stored);
  if (stream != NULL) opj_stream_destroy(stream);
  if (codec != NULL) opj_destroy_codec(codec);
  if (status != codec_ok) codec_image_free(image);
  return status == codec_damaged && job.source.failed ? codec_system_error : status;
}
