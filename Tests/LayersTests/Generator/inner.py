"""inner.h5: every value of a small network, the gradient of one logit with respect to each, and a class activation map."""

import collections

import torch
import torch.nn as nn
import torch.nn.functional as F

from common import Writer

IMAGES, CLASSES = 3, 5
CHANNELS, HEIGHT, WIDTH = 3, 12, 14
# The value whose map is drawn.
MAPPED = "relu3"


class Small(nn.Module):
    """Convolutions, batch normalisation, a shortcut, both poolings, dropout, linear layers: all that gradients go through."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 6, 5, padding=2)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 8, 3, stride=1)
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(8 * 2 * 2, 10)
        self.fc2 = nn.Linear(10, CLASSES)

    def values(self, x):
        """The values by the names of the layers that make them, in their order."""
        values = collections.OrderedDict()

        def keep(name, value):
            values[name] = value
            return value

        keep("input", x)
        x = keep("conv1", self.conv1(x))
        x = keep("bn1", self.bn1(x))
        shortcut = keep("relu1", F.relu(x))
        x = keep("conv2", self.conv2(shortcut))
        x = keep("bn2", self.bn2(x))
        x = keep("add", x + shortcut)
        x = keep("relu2", F.relu(x))
        x = keep("pool1", F.max_pool2d(x, 2))
        x = keep("conv3", self.conv3(x))
        x = keep("relu3", F.relu(x))
        x = keep("pool2", F.avg_pool2d(x, 2))
        x = keep("dropout", self.dropout(x))
        x = keep("flatten", x.flatten(1))
        x = keep("fc1", self.fc1(x))
        x = keep("relu4", F.relu(x))
        keep("fc2", self.fc2(x))
        return values


def class_activation_map(maps, gradients):
    """Selvaraju et al. 2017, and the same at the image's size, its largest value 1."""
    weights = gradients.mean((2, 3), keepdim=True)
    cam = F.relu((weights * maps).sum(1))
    larger = F.interpolate(cam[:, None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)[:, 0]
    return cam, larger / cam.amax((1, 2), keepdim=True)


def write_inner(path, generator, errors):
    model = Small().eval()
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith("running_var"):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif not key.endswith("num_batches_tracked"):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3 + (1 if ".weight" in key and "bn" in key else 0))
    images = torch.rand((IMAGES, HEIGHT, WIDTH, CHANNELS), generator=generator)
    labels = torch.tensor([2, 0, 4])
    with Writer(path) as writer:
        writer.arrays(writer.file, images=images, labels=labels)
        weights = writer.group("weights")
        writer.arrays(weights, **{k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")})
        results = {}
        for dtype in (torch.float32, torch.float64):
            values = model.to(dtype).values(images.permute(0, 3, 1, 2).to(dtype).requires_grad_(True))
            chosen = values["fc2"][torch.arange(IMAGES), labels].sum()
            gradients = torch.autograd.grad(chosen, list(values.values()))
            results[dtype] = dict(zip(values, zip(values.values(), gradients)))
        single, double = results[torch.float32], results[torch.float64]
        for name in double:
            group = writer.group(name)
            writer.arrays(group, value=double[name][0].float(), gradient=double[name][1].float())
            for place, quantity in enumerate(["value", "gradient"]):
                errors.note("inner", quantity, single[name][place], double[name][place])
        cam, larger = class_activation_map(*double[MAPPED])
        writer.arrays(writer.group("map"), value=cam.float(), larger=larger.float())
        return len(double)
