#!/usr/bin/env python3
"""Writes the images of ../Fixtures and what Pillow makes of them, for ImageDecodingTests and ResizeTests.

Usage: make_images.py     (Pillow 13.0.0, NumPy; the files are committed)

decoded.csv: file, channels asked for (0: its own), orientation applied, height, width, channels, SHA-256 of Pillow's pixels.
resized.csv: height, width, channels, new height, new width, filter, SHA-256 of Pillow's result. The source's byte i is
(i * 2654435761 mod 2^32) >> 24.
"""

import hashlib
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

folder = pathlib.Path(__file__).resolve().parent.parent / "Fixtures"
folder.mkdir(exist_ok=True)


def scene(width=37, height=23):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 6 % 256, y * 11 % 256, (x * y) % 256], 2).astype(np.uint8))


def sixteen_bits():
    rows = b"".join(b"\0" + struct.pack(">4H", 0, 255, 256, 65535 - 4096 * y) for y in range(3))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def interlaced(width, height, channels, bits):
    """A PNG in Adam7's seven passes, which Pillow does not write, of random samples and filters."""
    random = np.random.default_rng(7)
    rows = b""
    for left, top, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        columns = len(range(left, width, across))
        for _ in range(top, height, down) if columns else ():
            data = random.integers(0, 256, (columns * channels * bits + 7) // 8, np.uint8).tobytes()
            rows += bytes([random.integers(0, 5)]) + data

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    colour = {1: 0, 3: 2, 4: 6}[channels]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 1))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


images = {
    "baseline-420.jpg": (scene(), dict(quality=90)),
    "baseline-444.jpg": (scene(), dict(quality=75, subsampling=0)),
    "progressive.jpg": (scene(), dict(quality=85, progressive=True)),
    "gray.jpg": (scene().convert("L"), dict(quality=80)),
    "cmyk.jpg": (scene().convert("CMYK"), dict(quality=90)),
    "gray.png": (scene().convert("L"), {}),
    "rgb.png": (scene(), {}),
    "alpha.png": (scene().convert("RGBA"), {}),
    "gray-alpha.png": (scene().convert("LA"), {}),
    "palette.png": (scene().convert("P"), {}),
    "one-bit.png": (scene().convert("1"), {}),
}
for orientation in range(1, 9):
    images[f"orientation-{orientation}.jpg"] = (scene(16, 24), dict(quality=90, exif=exif(orientation)))
images["orientation-6.png"] = (scene(16, 24), dict(exif=exif(6)))

lines = ["file,asked,oriented,height,width,channels,sha256"]


def row(name, asked, oriented, pixels):
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    lines.append(f"{name},{asked},{int(oriented)},{pixels.shape[0]},{pixels.shape[1]},{pixels.shape[2]},{digest}")


for name, form in {"rgb": (13, 9, 3, 8), "alpha": (5, 7, 4, 8), "one-bit": (37, 23, 1, 1), "narrow": (3, 6, 1, 8), "pixel": (1, 1, 3, 8)}.items():
    images[f"interlaced-{name}.png"] = (interlaced(*form), {})

for name, (image, options) in images.items():
    path = folder / name
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image.save(path, "PNG" if name.endswith("png") else "JPEG", **options)
    for oriented in (False, True) if "orientation" in name else (False,):
        opened = Image.open(path)
        if oriented:
            opened = ImageOps.exif_transpose(opened)
        own = opened.convert("L" if opened.mode in ("L", "LA", "1") else "RGB")
        row(name, 0, oriented, np.asarray(own))
        row(name, 1, oriented, np.asarray(own.convert("L")))
        row(name, 3, oriented, np.asarray(own.convert("RGB")))
(folder / "sixteen-bits.png").write_bytes(sixteen_bits())
# Pillow clips 16 bits to 255; the upper byte is what is wanted.
row("sixteen-bits.png", 0, False,
    (np.asarray(Image.open(folder / "sixteen-bits.png")).astype(np.uint32) >> 8).astype(np.uint8))
(folder / "decoded.csv").write_text("\n".join(lines) + "\n")

random = np.random.default_rng(13)
lines = ["height,width,channels,new_height,new_width,filter,sha256"]
for case in range(200):
    height, width, new_height, new_width = (int(side) for side in random.integers(1, 90, 4))
    channels = 1 if case % 2 else 3
    count = height * width * channels
    pixels = ((np.arange(count, dtype=np.uint64) * 2654435761 % 2**32) >> 24).astype(np.uint8)
    image = Image.fromarray(pixels.reshape((height, width) if channels == 1 else (height, width, 3)))
    for name, method in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        digest = hashlib.sha256(np.asarray(image.resize((new_width, new_height), method)).tobytes()).hexdigest()
        lines.append(f"{height},{width},{channels},{new_height},{new_width},{name},{digest}")
(folder / "resized.csv").write_text("\n".join(lines) + "\n")
