#!/usr/bin/env python3
"""Writes small HDF5 files as others write them (h5py 3), the same twelve images in each: Tests/IngestTests/Fixtures/foreign.

Usage: make_foreign.py FOLDER

Layouts: PatchCamelyon, Galaxy10, deeplearning.ai, Caffe, Keras, MedMNIST; other types and axes; files that allow several readings; and
hostile ones. An image's element (image, y, x, channel), 8×8×3, is ((image * 192 + y * 24 + x * 3 + channel) * 40503 >> 4) & 255; the
label of image i is (i * 7) % 3.
"""

import os
import sys

import h5py
import numpy as np

COUNT = 12
INDEX = np.arange(COUNT * 192, dtype=np.uint64)
IMAGES = ((INDEX * 40503 >> np.uint64(4)) & np.uint64(255)).astype(np.uint8).reshape(COUNT, 8, 8, 3)
LABELS = (np.arange(COUNT) * 7 % 3).astype(np.int64)


def write(folder, name, **datasets):
    with h5py.File(os.path.join(folder, name), "w", libver="earliest") as file:
        for path, value in datasets.items():
            file.create_dataset(path.replace("__", "/"), data=value, track_times=False)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    channels_first = IMAGES.transpose(0, 3, 1, 2)
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    write(folder, "camelyonpatch_level_2_split_train_x.h5", x=IMAGES)
    write(folder, "camelyonpatch_level_2_split_train_y.h5", y=LABELS.astype(np.uint8).reshape(-1, 1, 1, 1))
    write(folder, "camelyonpatch_level_2_split_valid_x.h5", x=IMAGES[:4])
    write(folder, "camelyonpatch_level_2_split_valid_y.h5", y=LABELS[:4].astype(np.uint8).reshape(-1, 1, 1, 1))
    columns = {name: np.linspace(0, 9, COUNT) for name in ("ra", "dec", "redshift", "pxscale")}
    write(folder, "galaxy10.h5", images=IMAGES, ans=LABELS.astype(np.uint8), **columns)
    names = np.array([b"ant", b"bee", b"cow"])
    write(folder, "train_signs.h5", train_set_x=IMAGES, train_set_y=LABELS, list_classes=names)
    write(folder, "test_signs.h5", test_set_x=IMAGES[:4], test_set_y=LABELS[:4], list_classes=names)
    write(folder, "caffe.h5", data=channels_first.astype(np.float32), label=LABELS.astype(np.float32).reshape(-1, 1))
    write(folder, "caffe-row.h5", data=channels_first, label=LABELS.astype(np.float32).reshape(1, -1))
    write(folder, "keras.h5", X_train=IMAGES, y_train=one_hot, X_test=IMAGES[:4], y_test=one_hot[:4])
    write(folder, "keras-groups.h5", train__x=IMAGES, train__y=LABELS.astype(np.int32), test__x=IMAGES[:4], test__y=LABELS[:4])
    write(folder, "medmnist.h5", train_images=IMAGES, train_labels=LABELS.reshape(-1, 1).astype(np.uint8), val_images=IMAGES[:4],
          val_labels=LABELS[:4].reshape(-1, 1), test_images=IMAGES[4:8], test_labels=LABELS[4:8].reshape(-1, 1))
    write(folder, "int16.h5", images=IMAGES.astype(">i2"), labels=LABELS + 1)
    write(folder, "float64.h5", images=IMAGES.astype(np.float64), labels=LABELS.astype(np.float64))
    write(folder, "unit.h5", images=IMAGES.astype(np.float32) / 255, labels=LABELS)
    write(folder, "half.h5", images=IMAGES.astype(np.float16) + np.float16(0.5) * (IMAGES < 128), labels=LABELS)
    write(folder, "uint16.h5", images=IMAGES.astype(np.uint16) * 257, labels=LABELS)
    write(folder, "gray.h5", images=IMAGES[..., 0], labels=LABELS)
    with h5py.File(os.path.join(folder, "chunked.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", data=channels_first, chunks=(5, 3, 8, 8), compression="gzip", track_times=False)
        file.create_dataset("labels", data=LABELS, track_times=False)
    with h5py.File(os.path.join(folder, "gray-chunks.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", data=IMAGES[..., 0], chunks=(5, 3, 5), compression="gzip", track_times=False)
        file.create_dataset("labels", data=LABELS, track_times=False)
    with h5py.File(os.path.join(folder, "fletcher-first.h5"), "w", libver="earliest") as file:
        # h5py always puts the checksum last.
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((5, 8, 8, 3))
        creation.set_fletcher32()
        creation.set_deflate(4)
        space = h5py.h5s.create_simple(IMAGES.shape)
        h5py.h5d.create(file.id, b"images", h5py.h5t.STD_U8LE, space, creation).write(h5py.h5s.ALL, h5py.h5s.ALL, IMAGES)
        file.create_dataset("labels", data=LABELS, track_times=False)
    # A group with three hundred names for the root, which holds it.
    with h5py.File(os.path.join(folder, "circle.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", data=IMAGES, track_times=False)
        file.create_dataset("labels", data=LABELS, track_times=False)
        for number in range(300):
            file[f"again{number:03}"] = file["/"]
    file_names = np.array([f"{number}.png".encode() for number in range(COUNT)])
    write(folder, "file-names.h5", images=IMAGES, labels=LABELS, names=file_names)

    # Volumes, [N, D, H, W, C]: five of the twelve images at a time, one behind the other, in every layout.
    volumes = np.stack([IMAGES.take(range(number, number + 5), axis=0, mode="wrap") for number in range(COUNT)])
    write(folder, "volumes.h5", train__images=volumes, train__labels=LABELS, test__images=volumes[:6], test__labels=LABELS[:6])
    write(folder, "volumes-first.h5", x_train=volumes.transpose(0, 4, 1, 2, 3).astype(np.float32), y_train=LABELS,
          x_test=volumes[:6].transpose(0, 4, 1, 2, 3).astype(np.float32), y_test=LABELS[:6])
    write(folder, "volumes-axes.h5", images=volumes.transpose(0, 1, 4, 2, 3), labels=LABELS)

    # Files that allow several readings, or none.
    write(folder, "two-images.h5", left=IMAGES, right=IMAGES, labels=LABELS)
    write(folder, "two-labels.h5", images=IMAGES, label_a=LABELS, label_b=LABELS)
    write(folder, "axes.h5", images=IMAGES[:, :, :3, :].transpose(0, 2, 1, 3), labels=LABELS)
    write(folder, "many-hot.h5", images=IMAGES, labels=np.ones((COUNT, 3), np.uint8))
    write(folder, "fractions.h5", images=IMAGES, labels=LABELS + 0.5)
    write(folder, "negative.h5", images=IMAGES, labels=LABELS - 1)
    write(folder, "levels.h5", images=IMAGES.astype(np.int32) * 9, labels=LABELS)
    write(folder, "no-labels.h5", images=IMAGES)
    not_a_number = IMAGES.astype(np.float32)
    not_a_number[7, 1, 2, 0] = np.nan
    write(folder, "not-a-number.h5", images=not_a_number, labels=LABELS)
    write(folder, "least-label.h5", images=IMAGES, labels=np.where(LABELS == 2, -(2**63), LABELS))
    write(folder, "scalar-label.h5", images=IMAGES[:1], labels=np.int64(0))
    write(folder, "weights.h5", layers__conv__vars__0=np.zeros((3, 3), np.float32))

    # Hostile ones.
    with h5py.File(os.path.join(folder, "linked.h5"), "w", libver="earliest") as file:
        file["images"] = h5py.ExternalLink("galaxy10.h5", "/images")
        file["labels"] = h5py.SoftLink("/elsewhere")
    with h5py.File(os.path.join(folder, "external.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", (COUNT, 8, 8, 3), "u1", external=[("/etc/passwd", 0, COUNT * 192)])
        file.create_dataset("labels", data=LABELS, track_times=False)
    with h5py.File(os.path.join(folder, "virtual.h5"), "w", libver=("earliest", "v110")) as file:
        layout = h5py.VirtualLayout((COUNT, 8, 8, 3), "u1")
        layout[:] = h5py.VirtualSource("galaxy10.h5", "images", (COUNT, 8, 8, 3))
        file.create_virtual_dataset("images", layout)
        file.create_dataset("labels", data=LABELS, track_times=False)
    with h5py.File(os.path.join(folder, "bomb.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", (1 << 40, 8, 8, 3), "f4", chunks=(1, 8, 8, 3))
        file.create_dataset("labels", data=LABELS, track_times=False)
    with h5py.File(os.path.join(folder, "types.h5"), "w", libver="earliest") as file:
        file.create_dataset("images", data=IMAGES > 3, track_times=False)
        file.create_dataset("labels", data=LABELS, track_times=False)


if __name__ == "__main__":
    main()
