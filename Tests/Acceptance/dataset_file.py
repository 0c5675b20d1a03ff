"""Writes dataset files of swift-train from arrays."""

import h5py
import numpy as np


def write(path, classes, splits):
    """Classes named "class 0", "class 1" …; splits by name: images (N, H, W, C) of uint8, labels (N,)."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "swift-train.dataset"
        file.attrs["format_version"] = np.int64(1)
        file["classes"] = [f"class {index}" for index in range(classes)]
        for split, (images, labels) in splits.items():
            group = file.create_group(split)
            group["images"], group["labels"] = images, labels.astype(np.int64)
            attributes = group["images"].attrs
            attributes["layout"], attributes["color"] = "NHWC", "RGB" if images.shape[3] == 3 else "GRAY"
            attributes["mean"] = (images / 255).mean((0, 1, 2))
            attributes["std"] = (images / 255).std((0, 1, 2))
            attributes["counts"] = np.bincount(labels, minlength=classes).astype(np.int64)
