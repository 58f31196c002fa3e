// From the bytes of a decoded TIFF block to the samples of an image.

#include <string.h>

#include "TIFFFile.h"

/// An unsigned sample of 1...16 bits; the first is in the highest bits of its byte.
static unsigned packed_sample(const uint8_t *row, size_t index, unsigned bits) {
  if (bits == 8) return row[index];
  size_t bit = index * bits;
  size_t last = (bit + bits - 1) / 8;
  uint32_t value = 0;
  for (size_t byte = bit / 8; byte <= last; byte++) value = value << 8 | row[byte];
  return value >> (8 * (last + 1) - bit - bits) & ((1u << bits) - 1);
}

/// The same for whole 16 bits too, which libtiff has brought into the host's order.
static unsigned small_sample(const uint8_t *row, size_t index, unsigned bits) {
  if (bits != 16) return packed_sample(row, index, bits);
  uint16_t value;
  memcpy(&value, row + 2 * index, 2);
  return value;
}

/// The value of a 16-bit floating point number: 1 sign, 5 exponent and 10 fraction bits.
static float half_value(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 0x1F;
  uint32_t fraction = half & 0x3FF;
  float value;
  if (exponent == 0) {
    // Denormal: the fraction in units of 2^-24, exactly.
    value = (float)fraction * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  uint32_t bits = exponent == 31 ? sign | 0x7F800000 | fraction << 13
                                 : sign | (exponent + 112) << 23 | fraction << 13;
  memcpy(&value, &bits, 4);
  return value;
}

static float float_sample(const uint8_t *row, size_t index, unsigned bits) {
  if (bits == 64) {
    double wide;
    memcpy(&wide, row + 8 * index, 8);
    return (float)wide;
  }
  if (bits == 16) {
    uint16_t half;
    memcpy(&half, row + 2 * index, 2);
    return half_value(half);
  }
  float value;
  memcpy(&value, row + 4 * index, 4);
  return value;
}

/// A sample of 32 bits, or one of 64 bits whose value fits them; false where it does not.
static bool wide_sample(
    const uint8_t *row, size_t index, unsigned bits, bool is_signed, uint32_t *value) {
  if (bits == 32) {
    memcpy(value, row + 4 * index, 4);
    return true;
  }
  int64_t wide;
  memcpy(&wide, row + 8 * index, 8);
  *value = (uint32_t)wide;
  return is_signed ? wide == (int32_t)*value : wide == (int64_t)*value;
}

/// Stores samples `from`, `from + from_stride`, ... of a decoded row at `to`, `to + to_stride`, ...
static bool store_samples(
    const tiff_layout *layout, const codec_image *image, const uint8_t *row, size_t from,
    size_t from_stride, size_t to, size_t to_stride, size_t count, bool inverted) {
  uint32_t flip = inverted ? UINT32_MAX >> (32 - layout->bits) : 0;
  bool fits = true;
  for (size_t index = 0; index < count; index++) {
    size_t sample = from + index * from_stride;
    size_t place = to + index * to_stride;
    switch (image->sample_type) {
      case codec_uint8:
        ((uint8_t *)image->samples)[place] =
            (uint8_t)(packed_sample(row, sample, layout->bits) ^ flip);
        break;
      case codec_int8: ((int8_t *)image->samples)[place] = (int8_t)row[sample]; break;
      case codec_uint16:
      case codec_int16:
        ((uint16_t *)image->samples)[place] =
            (uint16_t)(small_sample(row, sample, layout->bits) ^ flip);
        break;
      case codec_uint32:
      case codec_int32: {
        uint32_t value;
        bool is_signed = image->sample_type == codec_int32;
        fits = wide_sample(row, sample, layout->bits, is_signed, &value) && fits;
        ((uint32_t *)image->samples)[place] = value ^ flip;
        break;
      }
      case codec_float32:
        ((float *)image->samples)[place] = float_sample(row, sample, layout->bits);
        break;
    }
  }
  return fits;
}

/// Stores palette entries as grey or interleaved RGB.
static void store_palette(
    const tiff_layout *layout, const codec_image *image, const uint8_t *row, size_t from,
    size_t from_stride, size_t to, size_t count) {
  uint8_t *samples = image->samples;
  size_t channels = image->channels;
  for (size_t x = 0; x < count; x++) {
    unsigned entry = small_sample(row, from + x * from_stride, layout->bits);
    for (size_t color = 0; color < channels; color++) {
      samples[to + channels * x + color] =
          (uint8_t)(layout->palette[color][entry] >> layout->palette_shift);
    }
  }
}

bool tiff_store_block(
    const tiff_layout *layout, const codec_image *image, const uint8_t *block, uint32_t left,
    uint32_t top, uint32_t columns, uint32_t rows, uint16_t plane) {
  bool fits = true;
  size_t stride = layout->separate ? 1 : layout->samples_per_pixel;
  // A plane holds one channel, interleaved blocks all of them.
  uint16_t first = layout->separate ? plane : 0;
  uint16_t end = layout->separate ? plane + 1 : layout->channels;
  for (uint32_t y = 0; y < rows; y++) {
    const uint8_t *row = block + y * layout->row_bytes;
    size_t to = ((size_t)(top + y) * layout->width + left) * image->channels;
    for (uint16_t channel = first; channel < end; channel++) {
      size_t from = layout->separate ? 0 : layout->kept[channel];
      if (layout->expanded) {
        store_palette(layout, image, row, from, stride, to, columns);
      } else {
        fits = store_samples(layout, image, row, from, stride, to + channel, image->channels,
                             columns, layout->inverted && layout->kept[channel] == 0) &&
               fits;
      }
    }
  }
  return fits;
}
