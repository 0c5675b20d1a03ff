#!/usr/bin/env python3
"""Writes the golden files of PredictionSessionTests: pictures of several sizes and kinds, a small network's weights, and the
outputs that Pillow and PyTorch give for them.

Usage: generate_predictions.py [--output FOLDER]      (default: ../PredictionGolden beside this file)
Run with the environment of Benchmarks/environment. Nothing is random but what the seed draws.
"""

import argparse
import hashlib
import pathlib
import platform

import h5py
import numpy as np
import PIL
import torch
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
SEED = 14
SIDE, CLASSES = 24, 7
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def scene(rng, height, width, channels):
    """Large soft shapes: what JPEG keeps."""
    small = rng.integers(0, 256, (4, 5, channels), np.uint8)
    planes = [Image.fromarray(small[:, :, c]).resize((width, height), Image.BICUBIC) for c in range(channels)]
    return np.stack([np.asarray(p) for p in planes], -1)


def write_pictures(folder, rng):
    def save(name, picture, **options):
        picture.save(folder / name, **options)

    save("a-wide.png", Image.fromarray(scene(rng, 40, 67, 3)))
    save("b-tall.jpg", Image.fromarray(scene(rng, 75, 31, 3)), quality=92)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("c-turned.jpg", Image.fromarray(scene(rng, 48, 80, 3)), quality=90, exif=exif)
    save("d-grey.png", Image.fromarray(scene(rng, 30, 30, 1)[:, :, 0]))
    save("e-alpha.png", Image.fromarray(scene(rng, 33, 29, 4), "RGBA"))
    save("f-grey.jpg", Image.fromarray(scene(rng, 64, 50, 1)[:, :, 0]), quality=85)
    save("g-small.png", Image.fromarray(scene(rng, 9, 11, 3)))
    save("h-exact.png", Image.fromarray(scene(rng, SIDE, SIDE, 3)))
    # A file that is cut off, and one that is no picture.
    (folder / "i-cut.jpg").write_bytes((folder / "b-tall.jpg").read_bytes()[:300])
    (folder / "j-text.png").write_bytes(b"no picture\n")
    (folder / "notes.txt").write_text("beside the pictures\n")


def prepare(path):
    """torchvision's Resize and CenterCrop of what EXIF asks for, in RGB; [1, 3, SIDE, SIDE] in 0…1."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = picture.size
    if (width, height) != (SIDE, SIDE):
        short = min(width, height)
        size = (SIDE, int(SIDE * height / width)) if width == short else (int(SIDE * width / height), SIDE)
        picture = picture.resize(size, Image.BILINEAR)
        left, top = (int(round((side - SIDE) / 2)) for side in picture.size)
        picture = picture.crop((left, top, left + SIDE, top + SIDE))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].double() / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path, default=HERE.parent / "PredictionGolden")
    folder = parser.parse_args().output
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.iterdir():
        old.unlink()
    rng = np.random.default_rng(SEED)
    write_pictures(pictures, rng)

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    network = torch.nn.Sequential()
    network.add_module("conv", torch.nn.Conv2d(3, 4, 3, stride=2))
    network.add_module("relu", torch.nn.ReLU())
    network.add_module("pool", torch.nn.MaxPool2d(2))
    network.add_module("flatten", torch.nn.Flatten())
    network.add_module("fc", torch.nn.Linear(4 * 5 * 5, CLASSES))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.4
    network = network.double()

    names, logits = [], []
    mean, std = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (MEAN, STD))
    for path in sorted(pictures.iterdir()):
        try:
            image = prepare(path)
        except (OSError, SyntaxError):
            continue
        with torch.no_grad():
            logits.append(network((image - mean) / std)[0].numpy())
        names.append(path.name)
    logits = np.array(logits)
    with h5py.File(folder / "predictions.h5", "w") as file:
        for key, value in network.state_dict().items():
            file[f"model/{key}"] = value.numpy().astype(np.float32)
        file["names"] = names
        file["logits"] = logits
        file["probabilities"] = torch.softmax(torch.from_numpy(logits), 1).numpy()

    rows = "\n".join(
        f"| `{p.relative_to(folder)}` | {p.stat().st_size:,} | `{hashlib.sha256(p.read_bytes()).hexdigest()}` |"
        for p in [folder / "predictions.h5", *sorted(pictures.iterdir())])
    (folder / "README.md").write_text(f"""# Golden predictions

Pictures, the weights of a small network, and the outputs that Pillow and PyTorch give for every picture that can be read, in float64;
`PredictionSessionTests` compares ours with them. This page is written by the generator.

| | |
|---|---|
| Generator | `Tests/TrainingTests/Generator/generate_predictions.py` |
| Command | `~/.cache/swift-train/venv/bin/python Tests/TrainingTests/Generator/generate_predictions.py` (environment: `Benchmarks/environment`) |
| Versions | torch {torch.__version__}, Pillow {PIL.__version__}, numpy {np.__version__}, h5py {h5py.__version__}, Python {platform.python_version()} |
| Seed | {SEED} |

| File | Bytes | SHA-256 |
|---|---|---|
{rows}
""")
    top = np.sort(logits, 1)
    print(f"{len(names)} pictures, classes {logits.argmax(1).tolist()}, smallest lead {np.min(top[:, -1] - top[:, -2]):.3f}")


if __name__ == "__main__":
    main()
