#!/usr/bin/env python3
"""Makes the damaged files that bad-inputs feeds to swift-train.

Usage: make_bad_inputs.py FOLDER GOOD_DATASET GOOD_CHECKPOINT
Writes FOLDER/{dataset,checkpoint}/*.h5, FOLDER/idx/<case>/ (four files each) and FOLDER/config/*.yaml.
Each kind has a case "good", made the same way but with nothing wrong: it must be accepted.
"""

import gzip
import hashlib
import pathlib
import shutil
import struct
import sys

import h5py
import numpy as np

TRAILER_BYTES = 64


def datasets(folder, good):
    """Damaged dataset files, each from a copy of a good one."""
    folder.mkdir(parents=True)

    def edited(name, edit):
        path = folder / f"{name}.h5"
        shutil.copyfile(good, path)
        with h5py.File(path, "r+") as file:
            edit(file)

    def replace(file, name, value):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=value).attrs.update(attributes)

    def external(file):
        shape, dtype = file["train/images"].shape, file["train/images"].dtype
        attributes = dict(file["train/images"].attrs)
        del file["train/images"]
        size = int(np.prod(shape)) * dtype.itemsize
        (folder / "secret.bin").write_bytes(bytes(size))
        file.create_dataset("train/images", shape, dtype, external=[("secret.bin", 0, size)]).attrs.update(attributes)

    def label(value):
        def edit(file):
            file["train/labels"][7] = value
        return edit

    edited("good", lambda file: None)
    edited("label-10", label(10))
    edited("label-negative", label(-1))
    edited("no-labels", lambda file: file.__delitem__("train/labels"))
    edited("fewer-labels", lambda file: replace(file, "train/labels", file["train/labels"][:-3]))
    edited("flat-images", lambda file: replace(file, "train/images", file["train/images"][:].reshape(len(file["train/images"]), -1)))
    edited("int32-images", lambda file: replace(file, "train/images", file["train/images"][:].astype(np.int32)))
    edited("no-train", lambda file: file.__delitem__("train"))
    edited("future-version", lambda file: file.attrs.modify("format_version", np.int64(99)))
    edited("external", external)

    def empty(file):
        replace(file, "train/images", file["train/images"][:0])
        replace(file, "train/labels", file["train/labels"][:0])

    edited("empty", empty)
    whole = good.read_bytes()
    (folder / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "text.h5").write_text("image,label\n0,1\n")
    (folder / "zero-bytes.h5").write_bytes(b"")


def idx_images(images, magic=0x0803, count=None):
    n, rows, columns = images.shape
    return struct.pack(">IIII", magic, n if count is None else count, rows, columns) + images.tobytes()


def idx_labels(labels, magic=0x0801):
    return struct.pack(">II", magic, len(labels)) + labels.tobytes()


def idx(folder):
    """Folders of four IDX files with one thing wrong in the training images."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = (np.arange(20) % 10).astype(np.uint8)
    good = idx_images(images)
    zipped = bytearray(gzip.compress(good, mtime=0))
    damaged = bytearray(zipped)
    damaged[-6] ^= 0xFF  # inside the CRC-32
    cases = {
        "good": good,
        "wrong-magic": idx_images(images, magic=0x12345678),
        "float-type": idx_images(images, magic=0x0D03),
        "labels-as-images": idx_labels(labels),
        "truncated": good[:-100],
        "header-only-half": good[:10],
        "trailing-bytes": good + b"more",
        "count-too-large": idx_images(images, count=4_000_000_000),
        "fewer-images": idx_images(images[:-1]),
        "no-rows": idx_images(images[:, :0]),
        "truncated-gzip": bytes(zipped[: len(zipped) // 2]),
        "damaged-gzip": bytes(damaged),
        "empty-file": b"",
    }
    for name, train_images in cases.items():
        case = folder / name
        case.mkdir(parents=True)
        suffix = ".gz" if name.endswith("-gzip") else ""
        (case / f"train-images-idx3-ubyte{suffix}").write_bytes(train_images)
        (case / "train-labels-idx1-ubyte").write_bytes(idx_labels(labels))
        (case / "t10k-images-idx3-ubyte").write_bytes(good)
        (case / "t10k-labels-idx1-ubyte").write_bytes(idx_labels(labels))
    (folder / "nothing").mkdir()


def checkpoints(folder, good):
    """Damaged checkpoints; the last ones are damaged inside and carry a right digest again."""
    folder.mkdir(parents=True)
    whole = good.read_bytes()
    image, trailer = whole[:-TRAILER_BYTES], whole[-TRAILER_BYTES:]
    flipped = bytearray(whole)
    flipped[len(image) // 2] ^= 0x10
    (folder / "flipped-bit.h5").write_bytes(flipped)
    flipped = bytearray(whole)
    flipped[len(image) + 40] ^= 0x01
    (folder / "flipped-trailer.h5").write_bytes(flipped)
    (folder / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "no-trailer.h5").write_bytes(image)
    (folder / "longer.h5").write_bytes(whole + b"x")
    (folder / "text.h5").write_text("weights\n")
    (folder / "zero-bytes.h5").write_bytes(b"")

    digest, length = hashlib.sha256(image).digest(), len(image)
    if trailer.count(digest) != 1:
        sys.exit("make_bad_inputs: the trailer does not hold the SHA-256 of the image")
    orders = [order for order in "<>" if trailer.count(struct.pack(order + "Q", length)) == 1]
    if not orders:
        sys.exit("make_bad_inputs: the trailer does not hold the image's length as a 64-bit number")

    def resealed(name, edit):
        path = folder / f"{name}.h5"
        path.write_bytes(image)
        with h5py.File(path, "r+") as file:
            edit(file)
        changed = path.read_bytes()
        sealed = trailer.replace(digest, hashlib.sha256(changed).digest())
        sealed = sealed.replace(struct.pack(orders[0] + "Q", length), struct.pack(orders[0] + "Q", len(changed)))
        path.write_bytes(changed + sealed)

    def wrong_shape(file):
        del file["model/fc3.bias"]
        file["model/fc3.bias"] = np.zeros(11, np.float32)

    resealed("good", lambda file: None)
    resealed("missing-tensor", lambda file: file.__delitem__("model/fc3.bias"))
    resealed("wrong-shape", wrong_shape)
    resealed("unknown-model", lambda file: file.attrs.__setitem__("model", "no-such-model"))


def configurations(folder, dataset):
    folder.mkdir(parents=True)
    head = f"model: fashion-classifier\ndata: {{file: {dataset}}}\nepochs: 1\n"
    cases = {
        "good": head,
        "unknown-key": head + "batchsize: 32\n",
        "unknown-nested-key": head + "optimizer: {name: sgd, learning_rat: 0.1}\n",
        "wrong-type": head + "optimizer: {learning_rate: fast}\n",
        "negative-rate": head + "optimizer: {learning_rate: -0.1}\n",
        "rate-not-a-number": head + "optimizer: {learning_rate: .nan}\n",
        "negative-epochs": head.replace("epochs: 1", "epochs: -1"),
        "batch-not-divisible": head + "batch_size: 30\nshards: 4\n",
        "shards-0": head + "batch_size: 33\nshards: 0\n",
        "no-model": f"data: {{file: {dataset}}}\n",
        "no-data": "model: fashion-classifier\n",
        "unknown-model": head.replace("fashion-classifier", "fashion-clasifier"),
        "unknown-optimizer": head + "optimizer: {name: magic}\n",
        "duplicate-key": head + "epochs: 2\n",
        "not-yaml": head + "optimizer: {name: sgd\n",
        "a-list": "- model\n- data\n",
    }
    for name, text in cases.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "binary.yaml").write_bytes(bytes(range(256)))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, dataset, checkpoint = map(pathlib.Path, sys.argv[1:])
    datasets(folder / "dataset", dataset)
    idx(folder / "idx")
    checkpoints(folder / "checkpoint", checkpoint.resolve())
    configurations(folder / "config", dataset)


if __name__ == "__main__":
    main()
