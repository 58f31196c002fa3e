// The pixels of a PNG inflated at once by libdeflate, and handed on in stored blocks.
//
// libpng asks zlib for a row at a time, and zlib's fast loop wants room for 258 bytes (inflate.c, inffast.c): rows of
// fewer are decoded by its slow one altogether. Everything else, checks of chunks and filters too, stays libpng's.

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "PNGInflation.h"

/// Bytes of a row up to which it pays; half of the bytes of a longer one come by the fast loop.
static const uint64_t widest_row_bytes = 512;
/// What is larger is read piece by piece.
static const uint64_t largest_bytes = 4 << 20;

enum { signature_bytes = 8, header_bytes = 13, chunk_bytes = 12, largest_block = 65535 };

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint8_t *put_big_endian(uint8_t *bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *bytes++ = (uint8_t)(value >> shift);
  return bytes;
}

/// Bytes of all rows with their filters, of a file that begins with these; 0 for an interlaced one, and for what
/// PNG does not have.
static uint64_t inflated_bytes(const uint8_t *file) {
  static const uint8_t channels_of_colour[] = {1, 0, 3, 1, 2, 0, 4};
  const uint8_t *header = file + signature_bytes + 8;
  uint64_t width = big_endian(header), height = big_endian(header + 4);
  uint8_t depth = header[8], colour = header[9], interlace = header[12];
  if (colour >= sizeof channels_of_colour || interlace != 0) return 0;
  uint64_t row = (width * depth * channels_of_colour[colour] + 7) / 8 + 1;
  return row > 1 && row <= widest_row_bytes && height <= largest_bytes / row ? row * height : 0;
}

/// The compressed pixels, brought together in place; `start` and `end` are those of their chunks. False where
/// a chunk is cut or damaged.
static bool gather(
    uint8_t *file, size_t size, size_t *start, size_t *end, size_t *count) {
  size_t position = signature_bytes, behind = 0;
  *count = 0;
  while (size - position >= chunk_bytes) {
    size_t length = big_endian(file + position);
    if (length > size - position - chunk_bytes) return false;
    bool holds_pixels = memcmp(file + position + 4, "IDAT", 4) == 0;
    if (holds_pixels) {
      uint32_t sum = big_endian(file + position + 8 + length);
      if (libdeflate_crc32(0, file + position + 4, length + 4) != sum) return false;
      if (behind == 0) *start = position;
      memmove(file + *start + 8 + *count, file + position + 8, length);
      *count += length;
      behind = position + chunk_bytes + length;
    } else if (behind != 0) {
      break;
    }
    position += chunk_bytes + length;
  }
  *end = behind;
  return behind != 0;
}

/// The chunk of these pixels in stored blocks (RFC 1950, RFC 1951); returns its end.
static uint8_t *put_stored(uint8_t *to, const uint8_t *pixels, size_t count) {
  uint8_t *chunk = to;
  memcpy(to + 4, "IDAT", 4);
  to += 8;
  *to++ = 0x78;
  *to++ = 0x01;
  for (size_t done = 0; done < count;) {
    size_t block = count - done < largest_block ? count - done : largest_block;
    *to++ = done + block == count;
    *to++ = (uint8_t)block;
    *to++ = (uint8_t)(block >> 8);
    *to++ = (uint8_t)~block;
    *to++ = (uint8_t)(~block >> 8);
    memcpy(to, pixels + done, block);
    to += block;
    done += block;
  }
  to = put_big_endian(to, libdeflate_adler32(1, pixels, count));
  put_big_endian(chunk, (uint32_t)(to - chunk - 8));
  return put_big_endian(to, libdeflate_crc32(0, chunk + 4, (size_t)(to - chunk - 4)));
}

static bool inflate_file(uint8_t *file, size_t size, uint64_t count, png_memory *memory) {
  size_t start = 0, end = 0, deflated = 0;
  if (!gather(file, size, &start, &end, &deflated)) return false;
  // A smaller window than zlib's header has is zlib's to find.
  uint8_t window = file[start + 8] >> 4;
  if (deflated == 0 || (window < 7 && count > (uint64_t)256 << window)) return false;
  size_t blocks = (count + largest_block - 1) / largest_block;
  size_t room = start + chunk_bytes + 2 + count + 5 * blocks + 4 + (size - end);
  uint8_t *pixels = malloc(count), *bytes = malloc(room);
  struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
  bool done = pixels != NULL && bytes != NULL && decompressor != NULL &&
              libdeflate_zlib_decompress(decompressor, file + start + 8, deflated, pixels, count,
                                         NULL) == LIBDEFLATE_SUCCESS;
  if (done) {
    memcpy(bytes, file, start);
    uint8_t *to = put_stored(bytes + start, pixels, count);
    memcpy(to, file + end, size - end);
    *memory = (png_memory){.bytes = bytes, .count = (size_t)(to - bytes) + size - end};
  } else {
    free(bytes);
  }
  libdeflate_free_decompressor(decompressor);
  free(pixels);
  return done;
}

bool png_inflate(codec_source source, png_memory *memory) {
  uint8_t beginning[signature_bytes + chunk_bytes + header_bytes];
  codec_source at_start = source;
  uint64_t size = codec_source_size(&source);
  if (size < sizeof beginning || size > largest_bytes ||
      codec_source_read(&at_start, beginning, sizeof beginning) < sizeof beginning)
    return false;
  uint64_t count = inflated_bytes(beginning);
  char message[CODEC_MESSAGE_CAPACITY];
  if (count == 0 || codec_check_deflated(&source, count, message) != codec_ok) return false;
  uint8_t *file = malloc(size);
  if (file == NULL) return false;
  bool done = codec_source_read(&source, file, size) == size &&
              memcmp(file, beginning, sizeof beginning) == 0 &&
              inflate_file(file, size, count, memory);
  free(file);
  return done;
}
