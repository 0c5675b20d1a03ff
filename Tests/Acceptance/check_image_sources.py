#!/usr/bin/env python3
"""What image-sources compares with Pillow, and the files that it converts.

Usage: check_image_sources.py pixels FOLDER DATASET WIDTH HEIGHT FIT FILTER     every image of the dataset against Pillow
       check_image_sources.py make-sizes FOLDER       200 images of random sizes
       check_image_sources.py make-forms FOLDER       the same 50 images in every kind of source; `commands` lists them
       check_image_sources.py make-hostile FOLDER     damaged and hostile files; `commands` lists them
"""

import gzip
import io
import json
import os
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None


def prepared(path, channels, width, height, fit, method):
    """Pillow's and torchvision's words for what the converter does."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        # Pillow clips 16 bits; the upper byte is what is meant.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    image = image.convert("L" if image.mode in ("L", "LA", "1") else "RGB").convert("L" if channels == 1 else "RGB")
    if fit == "stretch":
        return image.resize((width, height), method)
    if fit == "pad":
        return ImageOps.pad(image, (width, height), method)
    if width == height:
        # torchvision.transforms.Resize(width) and CenterCrop(width)
        short, long = sorted(image.size)
        new_long = int(width * long / short)
        size = (width, new_long) if image.width <= image.height else (new_long, width)
    elif image.height * width >= image.width * height:
        size = (width, max(height, width * image.height // image.width))
    else:
        size = (max(width, height * image.width // image.height), height)
    image = image.resize(size, method)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return image.crop((left, top, left + width, top + height))


def compare(folder, dataset, width, height, fit, name):
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[name]
    files = {}
    for root, _, names in os.walk(os.fsencode(folder)):
        for entry in names:
            path = os.path.join(root, entry)
            shown = os.path.relpath(path, os.fsencode(folder)).decode("utf-8", "backslashreplace").replace("\n", "\\x0a")
            files[shown] = path
    count = 0
    with h5py.File(dataset) as file:
        for split in (key for key in file if isinstance(file[key], h5py.Group)):
            images = file[split]["images"][:]
            for image, shown in zip(images, file[split]["names"].asstr()[:]):
                expected = np.asarray(prepared(files[shown], images.shape[3], width, height, fit, method)).reshape(image.shape)
                if not np.array_equal(image, expected):
                    difference = np.abs(image.astype(int) - expected).max()
                    sys.exit(f"{shown}: differs from Pillow by up to {difference}")
                count += 1
    print(f"  {count} images equal to Pillow, {width}×{height} {fit} {name}")


def make_sizes(folder):
    random = np.random.default_rng(200)
    for index in range(200):
        height, width = (int(2 ** side) for side in random.uniform(3, 9, 2))
        if max(height, width) > 8 * min(height, width):
            height = width
        shape = (height, width) if index % 3 == 0 else (height, width, 3)
        pixels = random.integers(0, 256, shape).astype(np.uint8)
        place = folder / f"class{index % 4}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / (f"{index:03d}.png" if index % 2 else f"{index:03d}.jpg"), quality=90)


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(stream, "PNG")
    return stream.getvalue()


def make_forms(folder):
    folder.mkdir()
    os.chdir(folder)
    random = np.random.default_rng(5)
    commands = []

    def command(name, words):
        commands.append(f"{name}\t{words}\n")

    train, test = (random.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8) for count in (50, 10))
    y_train, y_test = (np.arange(count) % 10 for count in (50, 10))
    # CIFAR-10's records; without batches.meta.txt classes are numbers, as in all other forms.
    os.mkdir("cifar")
    for number in range(6):
        name = "test_batch.bin" if number == 5 else f"data_batch_{number + 1}.bin"
        x, y = (test, y_test) if number == 5 else (train[number * 10:number * 10 + 10], y_train[number * 10:number * 10 + 10])
        records = b"".join(bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(x, y))
        pathlib.Path("cifar", name).write_bytes(records)
    command("cifar10", "cifar10 cifar")
    np.savez("keras.npz", x_train=train, y_train=y_train, x_test=test, y_test=y_test)
    command("npz, Keras", "numpy keras.npz")
    np.savez_compressed("medmnist.npz", train_images=train, train_labels=y_train[:, None].astype(np.uint8), test_images=test,
                        test_labels=y_test[:, None].astype(np.uint8))
    command("npz, MedMNIST, compressed", "numpy medmnist.npz")
    with zipfile.ZipFile("zip64.npz", "w") as archive:
        for name, array in (("x_train", train), ("y_train", y_train), ("x_test", test), ("y_test", y_test)):
            stream = io.BytesIO()
            np.save(stream, array)
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                member.write(stream.getvalue())
    command("npz, zip64", "numpy zip64.npz")
    forms = {
        "nchw": np.ascontiguousarray(train.transpose(0, 3, 1, 2)), "fortran": np.asfortranarray(train),
        "big": train.astype(">i4"), "wide": train.astype(np.int64),
    }
    np.save("test_images.npy", test)
    np.save("test_labels.npy", np.eye(10)[y_test])
    for name, array in forms.items():
        os.mkdir(name)
        np.save(f"{name}/train_images.npy", array)
        np.save(f"{name}/train_labels.npy", y_train.astype(np.float32))
        layout = " --layout nchw" if name == "nchw" else ""
        if name == "nchw":
            np.save("nchw/test_images.npy", np.ascontiguousarray(test.transpose(0, 3, 1, 2)))
        images = "nchw/test_images.npy" if name == "nchw" else "test_images.npy"
        command(f"npy, {name}", f"numpy {name}/train_images.npy {name}/train_labels.npy {images} test_labels.npy{layout}")
    for name, x, y in (("train", train, y_train), ("test", test, y_test)):
        rows = "\r\n".join(",".join(map(str, [label, *image.ravel()])) for image, label in zip(x, y)) + "\r\n"
        pathlib.Path(f"{name}.csv").write_text("\ufefflabel," + ",".join(f"pixel{i}" for i in range(3072)) + "\r\n" + rows)
        with gzip.open(f"{name}.csv.gz", "wt") as file:
            file.write(rows.replace("\r\n", "\n"))
    command("csv", "csv train.csv --test-from test.csv --shape 32x32x3")
    command("csv, gzip, no header", "csv train.csv.gz --test-from test.csv.gz --shape 32x32x3")
    for split, x, y in (("train", train, y_train), ("test", test, y_test)):
        for shard in range(2):
            mode = "w:gz" if shard else "w"
            with tarfile.open(f"{split}-{shard:04d}.tar", mode, format=tarfile.PAX_FORMAT if shard else tarfile.GNU_FORMAT) as archive:
                half = len(x) // 2
                for index in range(shard * half, (shard + 1) * half):
                    for suffix, data in (("png", png(x[index])), ("cls", str(y[index]).encode())):
                        entry = tarfile.TarInfo(f"{split}/{'ä' * 60}{index:06d}.{suffix}")
                        entry.size = len(data)
                        archive.addfile(entry, io.BytesIO(data))
        for index, (image, label) in enumerate(zip(x, y)):
            place = pathlib.Path("folder", split, str(label))
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index:06d}.png").write_bytes(png(image))
        with open(f"paths-{split}.csv", "w") as file:
            file.writelines(f"folder/{split}/{label}/{index:06d}.png,{label}\n" for index, label in enumerate(y))
    command("tar, gzip and plain, GNU and pax names", "tar train-{0000..0001}.tar --test-from test-{0000..0001}.tar")
    command("csv of paths", "csv paths-train.csv --test-from paths-test.csv")
    pathlib.Path("commands").write_text("".join(commands))


def make_large(folder):
    """A photo of 24 million pixels in the usual scans, as cameras and editors write it."""
    random = np.random.default_rng(1)
    place = folder / "class"
    place.mkdir(parents=True)
    coarse = Image.fromarray(random.integers(0, 256, (60, 90, 3), np.uint8)).resize((6000, 4000), Image.BICUBIC)
    noise = random.normal(0, 6, (4000, 6000, 1)).astype(np.int16)
    pixels = (np.asarray(coarse).astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(place / "photo.jpg", progressive=True, quality=85)
    Image.fromarray(pixels).save(place / "full-colours.jpg", progressive=True, quality=92, subsampling=0)
    Image.new("RGB", (6000, 4000), (10, 20, 30)).save(place / "solid.jpg", progressive=True)
    Image.new("L", (6000, 4000)).save(place / "solid-gray.jpg", optimize=True)
    Image.new("RGB", (6000, 4000)).save(place / "solid.png")


def make_hostile(folder):
    folder.mkdir()
    os.chdir(folder)
    commands = []

    def case(name, words):
        commands.append(f"{name}\t{words}\n")

    y = np.array([0, 1])
    x = np.zeros((2, 4, 4), np.uint8)

    def npy(header, data=b"", version=1):
        text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
        return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data

    def arrays(name, images, labels=None):
        os.mkdir(name)
        pathlib.Path(name, "x.npy").write_bytes(images)
        stream = io.BytesIO()
        np.save(stream, y)
        pathlib.Path(name, "y.npy").write_bytes(labels or stream.getvalue())
        case(f"npy, {name}", f"numpy {name}/x.npy {name}/y.npy")

    def header(descr="'|u1'", shape="(2, 4, 4)"):
        return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"

    pickle = b"cos\nsystem\n(S'cat /etc/passwd'\ntR."
    arrays("pickle", npy(header("'|O'"), pickle))
    arrays("code", npy("__import__('os').system('cat /etc/passwd')"))
    arrays("petabyte", npy(header(shape="(1099511627776, 1024, 1024)")))
    arrays("overflow", npy(header(shape="(9223372036854775807, 9223372036854775807, 4)")))
    arrays("negative", npy(header(shape="(-1, 4, 4)")))
    arrays("truncated", npy(header(), b"\0" * 31))
    arrays("longer", npy(header(), b"\0" * 33))
    arrays("long-header", b"\x93NUMPY\2\0" + struct.pack("<I", 0xFFFFFFFF))
    arrays("open-header", npy("{'descr': '|u1', 'shape': (2, 4, 4"))
    arrays("deep-header", npy("{'descr': " + "[" * 5000))
    arrays("version-9", npy(header(), b"\0" * 32, version=9))
    arrays("rank-40", npy(header(shape="(" + "1, " * 40 + ")"), b"\0"))
    stream = io.BytesIO()
    np.save(stream, x)
    arrays("labels-petabyte", stream.getvalue(), npy(header("'<i8'", "(2, 1099511627776)")))

    def archive(name, data):
        pathlib.Path(f"{name}.npz").write_bytes(data)
        case(f"npz, {name}", f"numpy {name}.npz")

    stream = io.BytesIO()
    np.savez_compressed(stream, x_train=x, y_train=y)
    whole = stream.getvalue()
    archive("truncated", whole[:len(whole) // 2])
    archive("no-zip", b"PK\3\4" + b"\0" * 100)
    archive("damaged", whole[:90] + bytes(40) + whole[130:])
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x_train.npy", npy(header(shape="(1000000, 1000, 1000)"), b"\0" * 1000))
        file.writestr("y_train.npy", npy(header("'<i8'", "(1000000,)"), b"\0" * 8_000_000))
    archive("bomb", bomb.getvalue())

    def tar(name, data):
        pathlib.Path(f"{name}.tar").write_bytes(data)
        case(f"tar, {name}", f"tar {name}.tar")

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for suffix, data in (("png", png(np.zeros((4, 4, 3), np.uint8))), ("cls", b"0")):
            entry = tarfile.TarInfo(f"a.{suffix}")
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    good = stream.getvalue()
    tar("truncated", good[:700])
    tar("checksum", good[:100] + b"9" + good[101:])
    tar("gzip-truncated", gzip.compress(good)[:60])
    tar("text", b"this is no archive" * 100)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for name, target in (("a.png", "/etc/passwd"), ("b.png", "../secret.png")):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE
            entry.linkname = target
            file.addfile(entry)
    tar("links", stream.getvalue())

    def table(name, data):
        pathlib.Path(f"{name}.csv").write_bytes(data)
        case(f"csv, {name}", f"csv {name}.csv")

    table("etc", b"path,label\n/etc/passwd,a\n../secret.png,b\n")
    table("one-line", b"1," * 20_000_000)
    table("nul", b"1,2,3,4,5\n\0\0\0\0\0\n")
    table("quote", b'1,2,3,4,"' + b"5\n" * 1_000_000)
    table("labels", b"999999999999,1,2,3,4\n")
    table("ragged", b"1,2,3,4,5\n1,2\n")

    def image(name, data):
        place = pathlib.Path(name, "class")
        place.mkdir(parents=True)
        (place / "a.png").write_bytes(data)
        case(f"image, {name}", f"folder {name} --size 32")

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def raw_png(width, height, colour=2, extra=b"", data=b"\0", depth=8, interlaced=0):
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
                + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))

    image("huge", raw_png(60000, 60000))
    image("bomb", raw_png(9999, 9999))
    image("text-bomb", raw_png(4, 4, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9))))
    image("no-palette", raw_png(4, 4, colour=3))
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG", progressive=True)
    jpeg = stream.getvalue()
    place = jpeg.index(struct.pack(">HH", 8, 8))
    image("jpeg-huge", jpeg[:place] + struct.pack(">HH", 65500, 65500) + jpeg[place + 4:])
    image("jpeg-large", jpeg[:place] + struct.pack(">HH", 9000, 9000) + jpeg[place + 4:])
    # The scans of a picture of 98 million pixels, and its last one, which looks at every coefficient, 89 times more.
    stream = io.BytesIO()
    Image.new("RGB", (9900, 9900)).save(stream, "JPEG", progressive=True)
    jpeg = stream.getvalue()
    scan = jpeg.rindex(b"\xff\xda")
    image("jpeg-scans", jpeg[:-2] + jpeg[scan:-2] * 89 + jpeg[-2:])
    image("jpeg-scans-only", jpeg[:-2] + jpeg[scan:-2] * 2000)
    image("interlaced-bomb", raw_png(9900, 9900, 6, data=bytes(9900 * 9900 * 8 + 9900 * 15), depth=16, interlaced=1))
    image("jpeg-only-start", b"\xff\xd8\xff" + b"\0" * 1000)
    image("polyglot", b"GIF89a" + raw_png(4, 4))
    pathlib.Path("commands").write_text("".join(commands))


if __name__ == "__main__":
    action, arguments = sys.argv[1], sys.argv[2:]
    if action == "pixels":
        compare(arguments[0], arguments[1], int(arguments[2]), int(arguments[3]), arguments[4], arguments[5])
    else:
        {"make-sizes": make_sizes, "make-forms": make_forms, "make-large": make_large, "make-hostile": make_hostile}[action](pathlib.Path(arguments[0]))
