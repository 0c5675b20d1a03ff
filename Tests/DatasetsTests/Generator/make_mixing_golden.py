#!/usr/bin/env python3
"""Golden values of mixing: torchvision's v2.MixUp and v2.CutMix on float batches of whole pixels, with fixed parameters.

Usage: make_mixing_golden.py OUTPUT.h5     needs torchvision (any recent version), h5py
Each group is a case: `input` [N, H, W, C], `labels`, `output` (float32), `targets`, attributes lam, and for CutMix what was drawn (lam, row,
column) and the box.
"""
import sys

import h5py
import numpy as np
import torch
from torchvision.transforms import v2

generator = np.random.default_rng(1)
CLASSES = 5

with h5py.File(sys.argv[1], "w") as file:
    for number, (shape, lam) in enumerate([((4, 6, 5, 3), 0.3), ((3, 9, 8, 1), 0.75), ((1, 4, 4, 2), 0.5), ((5, 7, 7, 3), 0.0), ((2, 5, 9, 1), 1.0)]):
        for name, kind in [("mixup", v2.MixUp), ("cutmix", v2.CutMix)]:
            pixels = generator.integers(0, 256, shape).astype(np.uint8)
            labels = torch.from_numpy(generator.integers(0, CLASSES, shape[0]))
            images = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
            transform = kind(alpha=1.0, num_classes=CLASSES)
            row, column = int(generator.integers(shape[1])), int(generator.integers(shape[2]))
            transform._dist.sample = lambda size: torch.tensor(lam, dtype=torch.float64)
            drawn = iter([column, row])
            real, torch.randint = torch.randint, lambda high, size: torch.tensor([next(drawn)])
            params = {"labels": labels, "batch_size": shape[0], **transform.make_params([images])}
            torch.randint = real
            group = file.create_group(f"{name}{number}")
            group["input"] = pixels
            group["labels"] = labels.numpy()
            group["output"] = transform.transform(images, params).permute(0, 2, 3, 1).numpy()
            group["targets"] = transform.transform(labels, params).numpy()
            group["drawn"] = np.array([lam, row, column], np.float64)
            if name == "cutmix":
                group["box"] = np.array(params["box"], np.int64)
