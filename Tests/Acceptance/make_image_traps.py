#!/usr/bin/env python3
"""Builds a folder of images in which much is wrong, for image-sources.

Usage: make_image_traps.py FOLDER   (needs Pillow; writes the same bytes every time)

Prints the number of traps.
"""

import io
import os
import pathlib
import socket
import struct
import sys
import zlib

from PIL import Image

root = pathlib.Path(sys.argv[1])
count = 0


def picture(seed=0, size=(40, 30), mode="RGB"):
    """A picture with edges and slopes; no random numbers."""
    width, height = size
    image = Image.new("RGB", size)
    image.putdata([((x * 7 + seed * 31) % 256, (y * 9 + seed * 17) % 256, (x * y + seed) % 256)
                   for y in range(height) for x in range(width)])
    return image.convert(mode)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth=8, colour=0, data=b"\0"):
    """A PNG by hand, so that it can say what no library would write."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def put(path, data):
    """One trap: a file with these bytes."""
    global count
    count += 1
    place = os.path.join(os.fsencode(root), path if isinstance(path, bytes) else path.encode())
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(data)


def link(path, target):
    global count
    count += 1
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, root / path)


good = encoded(picture(), "JPEG", quality=90)
good_png = encoded(picture(), "PNG")

# Good images, so that there are classes.
for split, names in (("train", ("ant", "bee", "cow")), ("test", ("ant", "bee", "cow"))):
    for name in names:
        for index in range(4):
            put(f"{split}/{name}/good{index}.jpg", encoded(picture(index), "JPEG", quality=90))
count = 0

# What must be read, whatever it is called and however it is stored.
put("train/ant/really-a-png.JPEG", good_png)
put("train/ant/really-a-jpeg.png", good)
put("train/ant/no-suffix", good)
put("train/ant/UPPER.JPG", good)
put("train/ant/cmyk.jpg", encoded(picture(1, mode="CMYK"), "JPEG"))
put("train/ant/gray.jpg", encoded(picture(2, mode="L"), "JPEG"))
put("train/ant/progressive.jpg", encoded(picture(3), "JPEG", progressive=True))
put("train/ant/alpha.png", encoded(picture(4, mode="RGBA"), "PNG"))
put("train/ant/gray-alpha.png", encoded(picture(4, mode="LA"), "PNG"))
put("train/ant/palette.png", encoded(picture(5, mode="P"), "PNG"))
put("train/ant/one-bit.png", encoded(picture(6, mode="1"), "PNG"))
put("train/ant/sixteen-bits.png", png(4, 2, 16, 0, b"".join(b"\0" + struct.pack(">4H", 0, 255, 256, 65535) for _ in range(2))))
exif = picture(7).getexif()
exif[0x0112] = 6
put("train/ant/turned.jpg", encoded(picture(7), "JPEG", exif=exif))
put("train/ant/name, with comma.jpg", good)
put('train/ant/name "quoted".jpg', good)
put("train/ant/ÄÖ☃.jpg", good)
put(b"train/ant/not-utf8-\xff.jpg", good)
put(b"train/ant/new\nline.jpg", good)
put("train/ant/deeper/and/deeper/good.jpg", good)
put("train/ant/one-pixel.png", encoded(picture(size=(1, 1)), "PNG"))
put("train/ant/a-" + "x" * 200 + ".jpg", good)

# What cannot be read.
put("train/bee/empty.jpg", b"")
put("train/bee/truncated.jpg", good[:len(good) // 2])
put("train/bee/without-its-end.jpg", good[:-2])
put("train/bee/only-a-header.jpg", good[:20])
put("train/bee/damaged.jpg", good[:2] + bytes(100) + good[102:])
put("train/bee/truncated.png", good_png[:len(good_png) // 2])
put("train/bee/damaged-checksum.png", good_png[:60] + bytes([good_png[60] ^ 1]) + good_png[61:])
put("train/bee/only-a-signature.png", good_png[:8])
put("train/bee/no-pixels.png", png(0, 5))
put("train/bee/too-little-data.png", png(100, 100))
put("train/bee/huge.png", png(60000, 60000))
put("train/bee/huge-rows.png", png(2_000_000_000, 1))
put("train/bee/bomb.png", png(9000, 9000, 8, 2))
put("train/bee/huge.jpg", good.replace(struct.pack(">HH", 30, 40), struct.pack(">HH", 65500, 65500), 1))
put("train/bee/a-gif.gif", encoded(picture(mode="P"), "GIF"))
put("train/bee/a-gif.jpg", encoded(picture(mode="P"), "GIF"))
put("train/bee/a-bitmap.bmp", encoded(picture(), "BMP"))
put("train/bee/a-tiff.tif", encoded(picture(), "TIFF"))
put("train/bee/html.jpg", b"<html>404 Not Found</html>")
put("train/bee/too-narrow.png", encoded(picture(size=(1, 20000)), "PNG"))
put("train/bee/reader.fifo", b"")
(root / "train/bee/reader.fifo").unlink()
os.mkfifo(root / "train/bee/reader.fifo")
count += 1
plug = socket.socket(socket.AF_UNIX)
before = os.getcwd()
os.chdir(root / "train/bee")
plug.bind("a-socket")
os.chdir(before)
plug.close()

# Links.
link("train/cow/link-inside.jpg", "good0.jpg")
link("train/cow/link-outside.jpg", "/etc/hostname")
link("train/cow/link-outside-relative", "../../..")
link("train/cow/link-to-nothing.jpg", "nowhere.jpg")
link("train/cow/link-to-itself.jpg", "link-to-itself.jpg")
link("train/cow/circle", "..")
link("train/cow/outside", "/usr/share")

# What only lies beside the images.
put("train/cow/.DS_Store", b"\0\0\0\1Bud1")
put("train/cow/Thumbs.db", b"\xd0\xcf\x11\xe0")
put("train/cow/.hidden.jpg", good)
put("train/cow/notes.txt", b"notes\n")
put("train/cow/labels.csv", b"a,b\n")
put(".git/config", b"[core]\n")
put("__MACOSX/train/ant/._good.jpg", b"\0\5\x16\7")
put("README.md", b"# read me\n")
put("train/loose.jpg", good)
put("extra/ant/beside.jpg", good)
put("test/dog/unknown-class.jpg", good)
count += 1
(root / "train/empty-class").mkdir()
deep = root / "train/cow"
for _ in range(40):
    deep = deep / "d"
put(str(deep.relative_to(root) / "too-deep.jpg"), good)

print(count)
