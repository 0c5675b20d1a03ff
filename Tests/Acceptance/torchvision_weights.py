#!/usr/bin/env python3
"""PyTorch's side of torchvision-weights.

Usage: torchvision_weights.py data FILE             draws a dataset of 64 × 64 colour images in 100 classes
       torchvision_weights.py save NETWORK FILE     writes the state dictionary of a network with random weights and statistics
       torchvision_weights.py check NETWORK WEIGHTS LOGITS DATA
           loads WEIGHTS (the datasets of a file, or of its /model) with strict=True, computes the logits of DATA's test images
           and compares them with those in LOGITS; prints the largest difference relative to the largest logit; at most 1e-4
"""

import sys

import h5py
import numpy as np
import torch

import dataset_file
from torchvision_networks import network

CLASSES, SIDE = 100, 64
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TOLERANCE = 1e-4


def write_data(path):
    generator = np.random.default_rng(3)

    def split(count):
        images = generator.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
        # Blocks of one colour, so that pooling and strides meet more than noise.
        images = images // 4 + images[:, ::16, ::16].repeat(16, 1).repeat(16, 2) // 4 * 3
        return images.astype(np.uint8), generator.integers(0, CLASSES, count)

    dataset_file.write(path, CLASSES, {"train": split(24), "test": split(13)})


def random_network(name):
    """A network whose logits tell images apart, and where its description comes from."""
    torch.manual_seed(11)
    model, source = network(name, CLASSES)
    with torch.no_grad():
        for module in model.modules():
            # With PyTorch's own defaults the logits of a deep network hardly depend on the image.
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, torch.nn.Linear):
                module.weight.normal_(0, 0.01)
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 2)
                module.num_batches_tracked.fill_(17)
    return model, source


def save(name, path):
    model, source = random_network(name)
    with h5py.File(path, "w") as file:
        for key, tensor in model.state_dict().items():
            file.create_dataset(key, data=tensor.numpy())
    print(f"{name} saved: {source}, {sum(tensor.numel() for tensor in model.parameters())} parameters")


def check(name, weights, logits, data):
    model, source = network(name, CLASSES)
    with h5py.File(weights) as file:
        group = file["model"] if "model" in file else file
        state = {key: torch.from_numpy(np.array(group[key])) for key in group}
    compare(model, state, f"{name} with {source}", logits, data)


def compare(model, state, what, logits, data):
    model.load_state_dict(state, strict=True)
    model.eval()
    with h5py.File(data) as file:
        images = torch.from_numpy(file["test/images"][:]).permute(0, 3, 1, 2).float() / 255
        labels = file["test/labels"][:]
    images = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        expected = model(images).numpy()
    with h5py.File(logits) as file:
        found = file["logits"][:]
        assert (file["labels"][:] == labels).all() and found.dtype == np.float32, "labels differ"
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    spread = float(expected.std(0).max() / np.abs(expected).max())
    print(f"{what}: logits differ by {error:.2g} of the largest; they vary by {spread:.2g} between images")
    if not error <= TOLERANCE or spread < 100 * TOLERANCE:
        sys.exit(f"expected at most {TOLERANCE}, and logits that tell images apart")


if __name__ == "__main__":
    commands = {("data", 1): write_data, ("save", 2): save, ("check", 4): check}
    command = commands.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv) - 2))
    if command is None:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    command(*sys.argv[2:])
