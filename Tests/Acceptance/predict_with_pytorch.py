#!/usr/bin/env python3
"""PyTorch's side of predict.

Usage: predict_with_pytorch.py photos FOLDER COUNT             draws photos of several sizes in five classes
       predict_with_pytorch.py weights NETWORK FILE            writes a network of 1000 classes with drawn weights as safetensors
       predict_with_pytorch.py predict NETWORK FILE LIST CORES OUTPUT
           decodes and resizes with Pillow on all cores, computes in batches of 32, prints images a second and writes file,class,probability
       predict_with_pytorch.py compare OURS THEIRS             fails unless every file has the same class, and near probabilities
"""

import concurrent.futures
import csv
import json
import pathlib
import struct
import sys
import time

import numpy as np
import torch
from PIL import Image, ImageOps

SIDE, BATCH = 224, 32
NAMES = ["bars", "dots", "rings", "stairs", "waves"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def network(name, classes):
    try:
        import torchvision

        return getattr(torchvision.models, name.replace("-", "_"))(num_classes=classes)
    except ImportError:
        from torchvision_networks import network as written

        return written(name, classes)[0]


def pattern(kind, rng, height, width):
    y, x = np.mgrid[0:height, 0:width] / rng.uniform(9, 25)
    phase = rng.uniform(0, 6)
    return [
        np.sin(x * 2 + phase), np.sin(x + phase) * np.sin(y + phase), np.sin(np.hypot(x - x.mean(), y - y.mean()) * 2 + phase),
        np.sign(np.sin(x + phase)) * np.sign(np.sin(y)), np.sin(x + 2 * np.sin(y) + phase),
    ][kind]


def draw_photos(folder, count):
    rng = np.random.default_rng(5)
    for number in range(count):
        kind = number % len(NAMES)
        height, width = rng.integers(240, 700, 2)
        grey = pattern(kind, rng, height, width)[:, :, None]
        pixels = 128 + grey * rng.uniform(30, 90, 3) + rng.normal(0, 12, (height, width, 3))
        path = pathlib.Path(folder, NAMES[kind], f"{number:05}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for key, value in tensors.items():
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        size = value.numel() * value.element_size()
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.contiguous().numpy().tobytes())


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for key, entry in header.items():
        first, last = (8 + length + place for place in entry["data_offsets"])
        kind = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
        tensors[key] = torch.from_numpy(np.frombuffer(data[first:last], kind).copy().reshape(entry["shape"]))
    return tensors, metadata


def prepare(path):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = picture.size
    short = min(width, height)
    picture = picture.resize(
        (SIDE, int(SIDE * height / width)) if width == short else (int(SIDE * width / height), SIDE), Image.BILINEAR)
    left, top = (int(round((side - SIDE) / 2)) for side in picture.size)
    picture = picture.crop((left, top, left + SIDE, top + SIDE))
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def predict(name, weights, listing, cores, output):
    started = time.perf_counter()
    torch.set_num_threads(int(cores))
    tensors, metadata = read_safetensors(weights)
    classes = json.loads(metadata["classes"])
    model = network(name, len(classes))
    model.load_state_dict(tensors, strict=True)
    model.eval()
    paths = pathlib.Path(listing).read_text().split("\n")[:-1]
    with concurrent.futures.ThreadPoolExecutor(int(cores)) as readers, open(output, "w", newline="") as file, torch.no_grad():
        rows = csv.writer(file)
        rows.writerow(["file", "class", "probability"])
        batches = [paths[start:start + BATCH] for start in range(0, len(paths), BATCH)]
        waiting = [readers.submit(prepare, path) for path in batches[0]]
        for number, batch in enumerate(batches):
            images = torch.stack([one.result() for one in waiting])
            # The next batch is read while this one is computed.
            waiting = [readers.submit(prepare, path) for path in batches[number + 1]] if number + 1 < len(batches) else []
            probabilities = torch.softmax(model(images), 1)
            best = probabilities.max(1)
            for path, index, value in zip(batch, best.indices.tolist(), best.values.tolist()):
                rows.writerow([path, classes[index], value])
    seconds = time.perf_counter() - started
    print(f"PyTorch {len(paths)} images in {seconds:.1f} s, {len(paths) / seconds:.1f} images/s")


def compare(ours, theirs):
    with open(ours, newline="") as first, open(theirs, newline="") as second:
        mine = {row["file"]: row for row in csv.DictReader(first)}
        other = {row["file"]: row for row in csv.DictReader(second)}
    if mine.keys() != other.keys():
        sys.exit(f"{len(mine)} files here, {len(other)} there")
    wrong = [file for file in mine if mine[file]["class"] != other[file]["class"]]
    largest = max(abs(float(mine[f]["probability"]) - float(other[f]["probability"])) for f in mine if f not in wrong)
    print(f"{len(mine) - len(wrong)} of {len(mine)} classes equal, probabilities within {largest:.1e}")
    if wrong or largest > 1e-4:
        sys.exit(f"other classes: {wrong[:5]}")


def main():
    command, *words = sys.argv[1:]
    if command == "photos":
        draw_photos(words[0], int(words[1]))
    elif command == "weights":
        torch.manual_seed(3)
        write_safetensors(words[1], network(words[0], 1000).state_dict())
    elif command == "predict":
        predict(*words)
    elif command == "compare":
        compare(*words)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
