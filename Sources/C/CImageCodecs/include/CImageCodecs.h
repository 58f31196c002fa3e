// A small door to libpng, libtiff, libjpeg, OpenJPEG and zlib: whole images in and PNG out, errors as
// codes and text.
//
// Every jump and every library callback stays behind this header. Each call owns its own state, so
// calls on different files may run on different threads at once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The longest side decoded, in pixels: twice that of a gigapixel slide's usual level, and small
/// enough that no product of a side and a sample size overflows 32 bits.
#define CODEC_MAXIMUM_SIDE 65536

/// The longest side of a page that is decoded by rectangles: sixteen times as much, a whole slide at
/// a tenth of a micrometre.
#define CODEC_MAXIMUM_WINDOWED_SIDE 1048576

/// The most bytes of a strip or tile of such a page (64 MiB): each is decoded as a whole.
#define CODEC_MAXIMUM_BLOCK_BYTES 67108864

/// The most samples of one pixel: beyond it is rather a damaged header than a spectrum.
#define CODEC_MAXIMUM_CHANNELS 1024

/// The most bytes one decoded image may take (1 GiB): a file of a few bytes may claim any size, and
/// a rank that is killed for its memory takes the whole run with it.
#define CODEC_MAXIMUM_DECODED_BYTES 1073741824

/// The most pages of one file: what classic readers of TIFF count in 16 bits; a longer chain of
/// directories is rather a loop than a stack of images.
#define CODEC_MAXIMUM_PAGES 65535

/// Bytes of a message buffer, the terminating zero included.
#define CODEC_MESSAGE_CAPACITY 256

/// What became of a call. Every status but `codec_ok` leaves a message in printable ASCII.
typedef enum {
  codec_ok = 0,
  /// Truncated or corrupt.
  codec_damaged,
  /// Well-formed, but of a kind that is not decoded.
  codec_unsupported,
  /// Above one of the limits.
  codec_too_large,
  /// The page asked for does not exist.
  codec_no_such_page,
  /// An allocation failed.
  codec_out_of_memory,
  /// The operating system refused to read or write.
  codec_system_error,
} codec_status;

/// What an image is read for.
typedef enum {
  /// Palettes become colours, white-is-zero is inverted, scales of the file are applied.
  codec_for_image = 0,
  /// Stored values stay: an entry's number of a palette, the bits of white-is-zero.
  codec_for_mask,
} codec_purpose;

/// The type of a decoded sample.
typedef enum {
  codec_uint8 = 0,
  codec_uint16,
  codec_uint32,
  codec_int8,
  codec_int16,
  codec_int32,
  codec_float32,
} codec_sample_type;

/// A decoded image: rows from the top, channels interleaved, samples in the host's byte order.
typedef struct {
  uint32_t width;
  uint32_t height;
  uint32_t channels;
  /// Significant bits of a sample: 1...16, or 32.
  uint32_t bits_per_sample;
  codec_sample_type sample_type;
  /// How the rows and columns lie, 1...8 as Exif numbers it; 1 is upright.
  uint32_t orientation;
  /// Whether the file has alpha, which is not decoded.
  bool has_lost_alpha;
  /// The value of pixels without data, where the file names one.
  bool has_missing_value;
  double missing_value;
  /// Bytes at `samples`.
  size_t byte_count;
  /// The samples, owned by the image until `codec_image_free`.
  void *samples;
} codec_image;

/// Releases the samples of an image; an image whose decoding failed has none.
void codec_image_free(codec_image *image);

/// Decodes a PNG from an open descriptor, which is read by position and stays open.
codec_status codec_png_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message);

/// Encodes 8-bit (also 1, 2 and 4-bit grey) or 16-bit samples as a PNG to an open descriptor.
codec_status codec_png_write(int descriptor, const codec_image *image, char *message);

/// Decodes a JPEG from an open descriptor, which is read by position and stays open.
codec_status codec_jpeg_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message);

/// Decodes a JPEG 2000 file or code stream from an open descriptor, which is read by position and
/// stays open.
codec_status codec_jpeg2000_read(
    int descriptor, codec_purpose purpose, codec_image *image, char *message);

/// One directory of a TIFF file.
typedef struct {
  /// Where it lies in the file.
  uint64_t offset;
  /// Whether it is an image of its own: no overview, thumbnail or transparency mask of another.
  bool is_image;
  /// Whether its sides are those of the first image.
  bool is_as_large;
} codec_tiff_directory;

/// Lists the directories in the order of their chain, which is walked once.
///
/// `directories` is the caller's to free.
codec_status codec_tiff_list(
    int descriptor, codec_tiff_directory **directories, uint32_t *count, char *message);

/// What a directory says of the pages that it stands for.
typedef struct {
  /// The text of ImageDescription, the caller's to free; NULL where there is none.
  char *description;
  /// Samples of the page: columns, rows and channels.
  uint64_t sample_count;
  uint32_t channels;
  /// Pages of the same size, uncompressed, that the file has room for from this page's first byte
  /// on; 0 where this page does not lie in one piece.
  uint64_t pages_in_one_piece;
  /// Planes of a MetaMorph stack, by its tag UIC2; 0 without it.
  uint32_t plane_count;
  /// Whether Zeiss's LSM says what it is, with places of 32 bits.
  bool is_lsm;
} codec_tiff_summary;

/// Reads the summary of the directory at `offset`.
codec_status codec_tiff_summarize(
    int descriptor, uint64_t offset, codec_tiff_summary *summary, char *message);

/// Decodes the page of the directory at `offset`, or the page `frame` pages behind it, where pages
/// without a directory of their own follow in one piece.
codec_status codec_tiff_read(
    int descriptor, uint64_t offset, uint32_t frame, codec_purpose purpose, codec_image *image,
    char *message);

/// A page of a TIFF that is open to be decoded by blocks.
typedef struct codec_tiff_page codec_tiff_page;

/// What such a page is decoded by: a tile, or some rows of the image as wide as it.
typedef struct {
  uint32_t width;
  uint32_t height;
  /// Bytes of a block before its samples are taken out; beyond CODEC_MAXIMUM_BLOCK_BYTES none is read.
  uint64_t stored_byte_count;
} codec_tiff_blocks;

/// Opens the page of the directory at `offset`, or the page `frame` pages behind it, and sets all of
/// `image` but its samples, and its blocks.
///
/// The descriptor stays the caller's, open as long as the page. No memory is taken for the size that the page claims but for what the
/// file has of its blocks' places.
codec_status codec_tiff_page_open(
    int descriptor, uint64_t offset, uint32_t frame, codec_purpose purpose, codec_tiff_page **page,
    codec_image *image, codec_tiff_blocks *blocks, char *message);

/// Decodes the block whose first pixel is at `left` and `top`, as far as it lies in the image.
codec_status codec_tiff_page_read(
    codec_tiff_page *page, uint32_t left, uint32_t top, codec_image *block, char *message);

/// Closes a page.
void codec_tiff_page_close(codec_tiff_page *page);

/// A tag with its values, in libtiff's numbers of types.
typedef struct {
  uint16_t tag;
  uint16_t type;
  uint32_t count;
  const void *values;
} codec_tiff_tag;

/// The most tags that results take over.
#define CODEC_MAXIMUM_ORIGIN_TAGS 8

/// What a page says of where it lies and of how large its pixels are.
typedef struct {
  /// Pixels per unit; 0 where the page does not say.
  double x_resolution;
  double y_resolution;
  /// 1 for none, 2 for inches, 3 for centimetres.
  uint16_t resolution_unit;
  /// How the rows and columns lie, 1...8.
  uint16_t orientation;
  uint32_t tag_count;
  codec_tiff_tag tags[CODEC_MAXIMUM_ORIGIN_TAGS];
} codec_tiff_origin;

/// Reads the origin of the directory at `offset`, whose tags are the caller's to free.
codec_status codec_tiff_read_origin(
    int descriptor, uint64_t offset, codec_tiff_origin *origin, char *message);

/// Releases the tags of an origin.
void codec_tiff_origin_free(codec_tiff_origin *origin);

/// A TIFF file that is being written.
typedef struct codec_tiff_writer codec_tiff_writer;

/// The form of a page to write.
typedef struct {
  uint32_t width;
  uint32_t height;
  /// 1 for grey, 3 for RGB.
  uint32_t channels;
  /// 8 or 16 bits, unsigned.
  codec_sample_type sample_type;
  /// Tiles of `block_width` x `block_height`, multiples of 16, or strips of `block_height` rows.
  bool tiled;
  uint32_t block_width;
  uint32_t block_height;
  /// The text of ImageDescription, or NULL.
  const char *description;
  /// Pixels per unit, or 0.
  double x_resolution;
  double y_resolution;
  uint16_t resolution_unit;
  /// Further tags, which must stay until the page ends.
  const codec_tiff_tag *tags;
  uint32_t tag_count;
} codec_tiff_form;

/// Says whom decoders ask how many bytes the process may still have, before they decode a large image.
void codec_ask_for_memory(uint64_t (*available)(void));

/// Begins a file on an open descriptor, which stays open: BigTIFF, or the classic form of at most
/// 4 GiB.
codec_status codec_tiff_writer_open(
    int descriptor, bool is_big, codec_tiff_writer **writer, char *message);

/// Begins a page.
codec_status codec_tiff_writer_begin(
    codec_tiff_writer *writer, const codec_tiff_form *form, char *message);

/// Writes the whole tile, or the strip, whose first pixel is at `left` and `top`; `samples` may be
/// overwritten.
codec_status codec_tiff_writer_write(
    codec_tiff_writer *writer, uint32_t left, uint32_t top, void *samples, size_t byte_count,
    char *message);

/// Ends a page.
codec_status codec_tiff_writer_end(codec_tiff_writer *writer, char *message);

/// Releases a writer; what its last page still lacks is not written.
void codec_tiff_writer_close(codec_tiff_writer *writer);

/// Counts the slices along the third axis of a NIfTI volume, gzipped or not, and the volumes along all
/// further axes, which are channels of each slice.
codec_status codec_nifti_count_pages(
    int descriptor, uint32_t *count, uint32_t *volumes, char *message);

/// Writes the whole of a gzipped NIfTI volume, unpacked, to the beginning of `target`.
///
/// `is_whole` tells whether that was done: not of a volume that is not gzipped, has one slice, or takes more
/// than `byte_limit` bytes or than there is room for.
codec_status codec_nifti_unpack(
    int descriptor, int target, uint64_t byte_limit, bool *is_whole, char *message);

/// Decodes a slice of a NIfTI volume; the fourth and further axes are channels.
codec_status codec_nifti_read(
    int descriptor, uint32_t page, codec_purpose purpose, codec_image *image, char *message);
