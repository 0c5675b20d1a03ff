#!/usr/bin/env python3
"""Golden values of the image transforms, from torchvision's functional transforms on Pillow images.

Usage: make_augmentation_golden.py OUTPUT.h5     needs torchvision (any recent version), Pillow 13.0.0, h5py
Each group of the file is a case: `input` [H, W, C], attributes with the fixed parameters, `output`.
"""
import sys

import h5py
import numpy as np
import PIL
import torchvision
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

random = np.random.default_rng(1)
cases = []


def picture(height, width, channels):
    coarse = random.integers(0, 256, (height // 4 + 2, width // 4 + 2, channels))
    fine = np.kron(coarse, np.ones((4, 4, 1)))[:height, :width] + random.integers(-30, 31, (height, width, channels))
    return np.clip(fine, 0, 255).astype(np.uint8)


def to_pil(pixels):
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def add(kind, pixels, output, **parameters):
    output = np.asarray(output)
    cases.append((kind, pixels, output.reshape(output.shape[0], output.shape[1], pixels.shape[2]), parameters))


def size():
    return int(random.integers(5, 23)), int(random.integers(5, 23)), int(random.choice([1, 3]))


modes = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
for interpolation, mode in modes.items():
    for _ in range(12):
        pixels, degrees, fill = picture(*size()), float(random.uniform(-180, 180)), int(random.integers(0, 256))
        fills = [fill] * pixels.shape[2]
        turned = F.rotate(to_pil(pixels), degrees, mode, fill=fills)
        add("rotate", pixels, turned, degrees=degrees, fill=fill, interpolation=interpolation)
    for number in range(16):
        pixels, fill = picture(*size()), int(random.integers(0, 256))
        degrees = 0.0 if number % 4 == 0 else float(random.uniform(-180, 180))
        shear = [0.0, 0.0] if number % 2 == 0 else [float(v) for v in random.uniform(-25, 25, 2)]
        translate = [int(v) for v in random.integers(-6, 7, 2)]
        scale = float(random.uniform(0.6, 1.6))
        moved = F.affine(to_pil(pixels), degrees, translate, scale, shear, mode, fill=[fill] * pixels.shape[2])
        add("affine", pixels, moved, degrees=degrees, translate=translate, scale=scale, shear=shear, fill=fill,
            interpolation=interpolation)
for kind, change, low, high in (
    ("brightness", F.adjust_brightness, 0, 2), ("contrast", F.adjust_contrast, 0, 2),
    ("saturation", F.adjust_saturation, 0, 2), ("hue", F.adjust_hue, -0.5, 0.5),
):
    for _ in range(10):
        height, width, channels = size()
        pixels, factor = picture(height, width, channels), float(random.uniform(low, high))
        add(kind, pixels, change(to_pil(pixels), factor), factor=factor)
# Every colour that hue can meet at coarse steps.
grid = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3), -1).reshape(6, -1, 3).astype(np.uint8)
for factor in (-0.5, -0.21, 0.1, 0.37, 0.5):
    add("hue", grid, F.adjust_hue(to_pil(grid), factor), factor=factor)
for _ in range(12):
    pixels = picture(*size())
    height, width = pixels.shape[:2]
    h, w = int(random.integers(1, height + 1)), int(random.integers(1, width + 1))
    top, left = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
    out = [int(v) for v in random.integers(3, 33, 2)]
    add("resized_crop", pixels, F.resized_crop(to_pil(pixels), top, left, h, w, out, InterpolationMode.BILINEAR),
        part=[top, left, h, w])
for fill, mode in ((0, "constant"), (77, "constant"), (0, "edge"), (0, "reflect")):
    for _ in range(4):
        pixels = picture(*size())
        height, width = pixels.shape[:2]
        padding = int(random.integers(1, 5))
        out = [int(random.integers(1, height + 1)), int(random.integers(1, width + 1))]
        top = int(random.integers(0, height + 2 * padding - out[0] + 1))
        left = int(random.integers(0, width + 2 * padding - out[1] + 1))
        padded = F.pad(to_pil(pixels), padding, fill, mode) if mode == "constant" else F.pad(
            to_pil(pixels), padding, padding_mode=mode)
        add("crop", pixels, F.crop(padded, top, left, *out), padding=padding, fill=fill, mode=mode,
            corner=[top - padding, left - padding])
for kind, flip in (("horizontal", F.hflip), ("vertical", F.vflip)):
    for _ in range(3):
        pixels = picture(*size())
        add(kind, pixels, flip(to_pil(pixels)))

with h5py.File(sys.argv[1], "w", track_order=False) as file:
    file.attrs["torchvision"], file.attrs["pillow"] = torchvision.__version__, PIL.__version__
    for number, (kind, pixels, output, parameters) in enumerate(cases):
        group = file.create_group(f"{number:03}-{kind}")
        group.create_dataset("input", data=pixels)
        group.create_dataset("output", data=output)
        for name, value in parameters.items():
            if isinstance(value, list):
                value = np.asarray(value, np.float64)
            group.attrs[name] = float(value) if isinstance(value, int) else value
print(f"{len(cases)} cases")
