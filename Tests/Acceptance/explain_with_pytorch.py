#!/usr/bin/env python3
"""PyTorch's side of features and explain.

Usage: explain_with_pytorch.py photo FILE                                   draws a photo of 224 x 224 pixels
       explain_with_pytorch.py compare NETWORK WEIGHTS PHOTO VALUES MAP     fails unless values and map agree
"""

import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from torchvision_networks import network
from torchvision_weights import CLASSES

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
# swift-train's layers, and the modules of torchvision whose output they are.
LAYERS = {
    "resnet18": {"conv1": "conv1", "layer1.0.conv1": "layer1.0.conv1", "layer2.0.downsample.1": "layer2.0.downsample.1",
                 "layer4.1.bn2": "layer4.1.bn2", "fc": "fc"},
}
MAPPED = {"resnet18": "layer4"}
LIMIT = 1e-4


def draw_photo(path):
    y, x = np.mgrid[0:224, 0:224] / 224
    rings = np.sin(40 * np.hypot(x - 0.4, y - 0.55))
    pixels = np.stack([0.5 + 0.4 * rings, x * (1 - 0.3 * rings), 0.5 + 0.5 * np.sin(9 * y)], -1)
    Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8)).save(path)


def compare(name, weights, photo, values, maps):
    model, origin = network(name, CLASSES)
    with h5py.File(weights) as file:
        state = {key: torch.from_numpy(file[key][()]) for key in file if not key.endswith("num_batches_tracked")}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    model = model.double().eval()
    kept = {}

    def keep(label):
        def hook(module, inputs, output):
            if output.requires_grad:
                output.retain_grad()
            kept[label] = output
        return hook

    for ours, theirs in LAYERS[name].items():
        model.get_submodule(theirs).register_forward_hook(keep(ours))
    model.get_submodule(MAPPED[name]).register_forward_hook(keep("mapped"))
    pixels = torch.from_numpy(np.asarray(Image.open(photo)).copy()).double() / 255
    logits = model(((pixels - MEAN) / STD).permute(2, 0, 1)[None])
    best = int(logits.argmax())
    logits[0, best].backward()

    worst = 0.0
    with h5py.File(values) as file:
        for layer in LAYERS[name]:
            theirs = kept[layer][0].detach().numpy()
            difference = np.abs(file[layer][()] - theirs).max() / np.abs(theirs).max()
            print(f"{layer:24} {theirs.shape}  largest relative difference {difference:.1e}")
            worst = max(worst, difference)
    activations, gradients = kept["mapped"], kept["mapped"].grad
    cam = F.relu((gradients.mean((2, 3), keepdim=True) * activations).sum(1))[0].detach().numpy()
    ours = np.load(maps)
    difference = np.abs(ours - cam).max() / cam.max()
    print(f"{'map of class ' + str(best):24} {cam.shape}  largest relative difference {difference:.1e}, {origin}")
    if max(worst, difference) > LIMIT:
        sys.exit(f"beyond {LIMIT}")


if __name__ == "__main__":
    {"photo": draw_photo, "compare": compare}[sys.argv[1]](*sys.argv[2:])
