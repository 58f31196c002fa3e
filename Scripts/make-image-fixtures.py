#!/usr/bin/env python3
"""Makes the image files that ImagingTests decodes: one for each variant of each format.

Every pixel follows a formula that the tests state again, so that the expected values are nowhere
stored. Needs numpy, pillow, tifffile and imagecodecs:

    python3 Scripts/make-image-fixtures.py Tests/ImagingTests/Fixtures
"""

import pathlib
import struct
import sys
import zlib

import imagecodecs
import numpy
import tifffile
from PIL import Image

WIDTH, HEIGHT = 21, 19


def integers(bits, channels=1, page=0, width=WIDTH, height=HEIGHT):
    """Values of `bits` bits that look random, of shape (height, width, channels)."""
    y, x, c = numpy.mgrid[0:height, 0:width, 0:channels]
    values = (x * 2741 + y * 7919 + c * 12347 + page * 4099 + 1234) % 65536
    return (values >> (16 - bits)).astype(numpy.uint16 if bits == 16 else numpy.uint8)


def floats(channels=1, page=0):
    """Values that float32 holds exactly, some of them negative."""
    return integers(16, channels, page).astype(numpy.float32) / 256 - 100


def smooth(channels):
    """Values that JPEG keeps within a few steps, 16 x 8: the chroma is the same everywhere."""
    y, x, c = numpy.mgrid[0:8, 0:16, 0:channels]
    return (40 + 8 * x + 4 * y + 20 * c).astype(numpy.uint8)


def palette(count):
    """Entries of 8 bits, of shape (count, 3)."""
    return numpy.stack([(numpy.arange(count) * step + step) % 256 for step in (37, 59, 83)], 1)


def grey(values):
    return values[:, :, 0]


# PNG: written here chunk by chunk, since no library writes every depth, palette and interlacing.

# The first column and row of each pass of Adam7, and its steps.
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
         (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def packed_rows(values, bits):
    """Rows with filter 0, samples packed from the highest bit, 16-bit ones big-endian."""
    height, width, channels = values.shape
    if width == 0 or height == 0:
        return b""
    rows = bytearray()
    for row in values.reshape(height, width * channels):
        rows.append(0)
        if bits == 16:
            rows += row.astype(">u2").tobytes()
        else:
            digits = numpy.unpackbits(row.astype(numpy.uint8)[:, None], axis=1)[:, 8 - bits:]
            rows += numpy.packbits(digits).tobytes()
    return bytes(rows)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path, values, bits, color, interlaced=False, extra=b""):
    height, width, _ = values.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    data = b"".join(packed_rows(values[y::dy, x::dx], bits) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def make_pngs(folder):
    for bits in (1, 2, 4, 8, 16):
        png(folder / f"grey{bits}.png", integers(bits), bits, 0)
        png(folder / f"grey{bits}-interlaced.png", integers(bits), bits, 0, interlaced=True)
    for bits in (8, 16):
        png(folder / f"rgb{bits}.png", integers(bits, 3), bits, 2)
        png(folder / f"rgb{bits}-interlaced.png", integers(bits, 3), bits, 2, interlaced=True)
        png(folder / f"grey{bits}-alpha.png", integers(bits, 2), bits, 4)
        png(folder / f"rgb{bits}-alpha.png", integers(bits, 4), bits, 6)
    png(folder / "grey8-transparent.png", integers(8), 8, 0, extra=chunk(b"tRNS", b"\0\x20"))
    png(folder / "rgb8-transparent.png", integers(8, 3), 8, 2, extra=chunk(b"tRNS", bytes(6)))
    for bits in (1, 2, 4, 8):
        entries = chunk(b"PLTE", palette(1 << bits).astype(numpy.uint8).tobytes())
        png(folder / f"palette{bits}.png", integers(bits), bits, 3, extra=entries)
    transparent = entries + chunk(b"tRNS", bytes(range(200)))
    png(folder / "palette8-transparent.png", integers(8), 8, 3, extra=transparent)
    text = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tEXt", b"Comment\0\x1b[31mred")
    png(folder / "grey8-ancillary.png", integers(8), 8, 0, extra=text)


# TIFF: tifffile for what it writes, a directory by hand for the rest.


def tiff(path, values, **options):
    tifffile.imwrite(path, values, metadata=None, software=None, **options)


def plain_tiff(path, values, bits, photometric, extra=()):
    """One uncompressed little-endian strip."""
    height, width, channels = values.shape
    rows = numpy.frombuffer(packed_rows(values, bits), numpy.uint8).reshape(height, -1)[:, 1:]
    pixels = rows.tobytes()
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, [bits]), (259, 3, [1]),
            (262, 3, [photometric]), (273, 4, [8]), (277, 3, [channels]), (278, 3, [height]),
            (279, 4, [len(pixels)]), *extra]
    pixels += bytes(len(pixels) % 2)
    start = 8 + len(pixels)
    directory = struct.pack("<H", len(tags))
    outside = b""
    for tag, kind, entries in sorted(tags):
        data = struct.pack(f"<{len(entries)}{'H' if kind == 3 else 'I'}", *entries)
        if len(data) > 4:
            offset = start + 2 + 12 * len(tags) + 4 + len(outside)
            outside += data
            data = struct.pack("<I", offset)
        directory += struct.pack("<HHI", tag, kind, len(entries)) + data.ljust(4, b"\0")
    path.write_bytes(
        b"II*\0" + struct.pack("<I", start) + pixels + directory + bytes(4) + outside)


def make_tiffs(folder):
    schemes = {"lzw": "lzw", "deflate": "adobe_deflate", "packbits": "packbits"}
    for bits in (8, 16):
        tiff(folder / f"grey{bits}.tif", grey(integers(bits)), photometric="minisblack")
        tiff(folder / f"rgb{bits}.tif", integers(bits, 3), photometric="rgb")
        tiff(folder / f"grey{bits}-inverted.tif", grey(integers(bits)), photometric="miniswhite")
        tiff(folder / f"rgb{bits}-big-endian-tiles.tif", integers(bits, 3), photometric="rgb",
             byteorder=">", tile=(16, 16))
        tiff(folder / f"rgb{bits}-planes.tif", integers(bits, 3).transpose(2, 0, 1),
             photometric="rgb", planarconfig="separate", rowsperstrip=5)
        tiff(folder / f"rgb{bits}-planes-tiles.tif", integers(bits, 3).transpose(2, 0, 1),
             photometric="rgb", planarconfig="separate", tile=(16, 16), compression="lzw")
    for name, scheme in schemes.items():
        tiff(folder / f"grey16-{name}.tif", grey(integers(16)), compression=scheme,
             photometric="minisblack", rowsperstrip=4)
    tiff(folder / "rgb8-lzw-predictor.tif", integers(8, 3), photometric="rgb", compression="lzw",
         predictor=True, rowsperstrip=8)
    tiff(folder / "rgb8-alpha.tif", integers(8, 4), photometric="rgb", extrasamples=["unassalpha"])
    tiff(folder / "rgb8-alpha-planes.tif", integers(8, 4).transpose(2, 0, 1), photometric="rgb",
         extrasamples=["unassalpha"], planarconfig="separate")
    tiff(folder / "grey8-alpha.tif", integers(8, 2), photometric="minisblack",
         extrasamples=["unassalpha"], planarconfig="contig")
    tiff(folder / "float32.tif", grey(floats()), photometric="minisblack")
    tiff(folder / "float32-big-endian.tif", grey(floats()), photometric="minisblack",
         byteorder=">")
    tiff(folder / "float32-rgb-tiles.tif", floats(3), photometric="rgb", tile=(16, 16),
         compression="adobe_deflate", predictor=True)
    tiff(folder / "float64.tif", grey(floats()).astype(numpy.float64), photometric="minisblack")
    tiff(folder / "bigtiff.tif", grey(integers(16)), photometric="minisblack", bigtiff=True)
    tiff(folder / "bigtiff-big-endian.tif", grey(integers(16)), photometric="minisblack",
         bigtiff=True, byteorder=">")
    tiff(folder / "bilevel.tif", grey(integers(1)).astype(bool), photometric="minisblack")
    tiff(folder / "bilevel-inverted.tif", grey(integers(1)).astype(bool),
         photometric="miniswhite", compression="packbits")
    for bits in (2, 4):
        plain_tiff(folder / f"grey{bits}.tif", integers(bits), bits, 1)
    for bits in (1, 2, 4, 8):
        entries = (palette(1 << bits) * 257).T.flatten().tolist()
        plain_tiff(folder / f"palette{bits}.tif", integers(bits), bits, 3, [(320, 3, entries)])
    entries = palette(256).T.flatten().tolist()
    plain_tiff(folder / "palette8-narrow.tif", integers(8), 8, 3, [(320, 3, entries)])
    with tifffile.TiffWriter(folder / "pages.tif") as writer:
        pages = [grey(integers(8, page=0)), grey(integers(16, page=1)), integers(8, 3, page=2),
                 grey(floats(page=3))]
        for page in pages:
            writer.write(page, metadata=None, software=None,
                         photometric="rgb" if page.ndim == 3 else "minisblack")
    tiff(folder / "smooth-grey-jpeg.tif", grey(smooth(1)), photometric="minisblack",
         compression="jpeg", compressionargs={"level": 98})
    tiff(folder / "smooth-rgb-jpeg.tif", smooth(3), photometric="rgb", tile=(16, 16),
         compression="jpeg", compressionargs={"level": 98}, subsampling=(1, 1))
    # In a strip: a tile's empty half would bleed into the subsampled colours at its edge.
    tiff(folder / "smooth-rgb-jpeg-subsampled.tif", smooth(3), photometric="rgb",
         compression="jpeg", compressionargs={"level": 98}, subsampling=(2, 2))


def make_compressed(folder):
    """One file of each compression that is not lossy, and of the newer types of samples."""
    for kind in ("int8", "int16", "int32", "uint32", "int64", "uint64"):
        values = grey(integers(16)).astype("int64") >> (9 if kind == "int8" else 0)
        if kind[0] == "i":
            values = values - (32 if kind == "int8" else 20000)
        tiff(folder / f"{kind}.tif", values.astype(kind), photometric="minisblack",
             byteorder=">" if kind == "int32" else "<")
    tiff(folder / "float16.tif", grey(integers(8)).astype("float16") / 4 - 20,
         photometric="minisblack")
    for scheme in ("zstd", "lzma"):
        tiff(folder / f"grey16-{scheme}.tif", grey(integers(16)), compression=scheme,
             photometric="minisblack", rowsperstrip=4)
    tiff(folder / "rgb8-webp.tif", integers(8, 3), compression="webp",
         compressionargs={"lossless": True}, photometric="rgb")
    tiff(folder / "float32-lerc.tif", grey(floats()), compression="lerc",
         photometric="minisblack")
    for scheme in ("group3", "group4"):
        Image.fromarray(grey(integers(1)).astype(bool)).save(
            folder / f"bilevel-{scheme}.tif", compression=scheme)
    for channels, name in ((1, "grey8"), (3, "rgb8"), (1, "grey16")):
        bits = 16 if name == "grey16" else 8
        (folder / f"{name}.jp2").write_bytes(imagecodecs.jpeg2k_encode(
            numpy.squeeze(integers(bits, channels)), reversible=True, level=0))
    (folder / "grey8.j2k").write_bytes(imagecodecs.jpeg2k_encode(
        grey(integers(8)), reversible=True, level=0, codecformat="j2k"))


def make_unsupported(folder):
    small = grey(integers(8, width=4, height=3))
    tiff(folder / "unsupported-complex64.tif", small.astype("complex64"),
         photometric="minisblack")
    tiff(folder / "unsupported-cmyk.tif", integers(8, 4, width=4, height=3),
         photometric="separated")
    tiff(folder / "unsupported-jpegxl.tif", small, photometric="minisblack", compression="jpegxl")
    Image.fromarray(integers(8, 4, width=16, height=8), "CMYK").save(
        folder / "unsupported-cmyk.jpg", quality=90)


def make_jpegs(folder):
    for name, options in (("", {}), ("-progressive", {"progressive": True})):
        Image.fromarray(grey(smooth(1))).save(
            folder / f"smooth-grey{name}.jpg", quality=98, **options)
        Image.fromarray(smooth(3)).save(
            folder / f"smooth-rgb{name}.jpg", quality=98, subsampling=0, **options)
    for name, options in (("subsampled", {"subsampling": 2}), ("unconverted", {"keep_rgb": True})):
        Image.fromarray(smooth(3)).save(
            folder / f"smooth-rgb-{name}.jpg", quality=98, **options)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_pngs(folder)
    make_tiffs(folder)
    make_jpegs(folder)
    make_compressed(folder)
    make_unsupported(folder)


main()
