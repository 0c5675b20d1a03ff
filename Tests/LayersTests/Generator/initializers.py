"""initializers.h5: the bounds and standard deviations from which torch.nn.init and PyTorch's layers draw."""

import math
import unittest.mock

import numpy as np
import torch
from torch import nn

from common import Writer

# kind, weight shape, and the layer that has it
SHAPES = [
    ("linear", (1, 1), lambda: nn.Linear(1, 1)),
    ("linear", (10, 84), lambda: nn.Linear(84, 10)),
    ("linear", (4096, 25), lambda: nn.Linear(25, 4096)),
    ("convolution", (4, 3, 5), lambda: nn.Conv1d(3, 4, 5)),
    ("convolution", (6, 1, 5, 5), lambda: nn.Conv2d(1, 6, 5)),
    ("convolution", (64, 3, 7, 7), lambda: nn.Conv2d(3, 64, 7)),
    ("convolution", (8, 16, 1, 1), lambda: nn.Conv2d(16, 8, 1)),
    ("convolution", (5, 2, 3, 1), lambda: nn.Conv2d(2, 5, (3, 1))),
    ("convolution", (4, 3, 2, 3, 4), lambda: nn.Conv3d(3, 4, (2, 3, 4))),
    ("grouped convolution", (6, 2, 3, 3), lambda: nn.Conv2d(4, 6, 3, groups=2)),
    ("grouped convolution", (12, 1, 3, 3), lambda: nn.Conv2d(12, 12, 3, groups=12)),
    ("grouped convolution", (9, 1, 4), lambda: nn.Conv1d(3, 9, 4, groups=3)),
    ("transposed convolution", (3, 5, 4), lambda: nn.ConvTranspose1d(3, 5, 4)),
    ("transposed convolution", (8, 4, 2, 2), lambda: nn.ConvTranspose2d(8, 4, 2)),
    ("transposed convolution", (6, 2, 3, 3), lambda: nn.ConvTranspose2d(6, 4, 3, groups=2)),
    ("transposed convolution", (2, 3, 2, 2, 3), lambda: nn.ConvTranspose3d(2, 3, (2, 2, 3))),
]
NONLINEARITIES = [("linear", 0), ("tanh", 0), ("relu", 0), ("leaky_relu", 0.01), ("leaky_relu", math.sqrt(5))]


class Drawing:
    """Records what is drawn: the bound of the last uniform, the standard deviation of the last normal."""

    def __init__(self):
        self.drawn = []

    def __enter__(self):
        def uniform(tensor, low=0, high=1, generator=None):
            assert low == -high
            self.drawn.append(high)
            return tensor

        def normal(tensor, mean=0, std=1, generator=None):
            assert mean == 0
            self.drawn.append(std)
            return tensor

        self.patches = [
            unittest.mock.patch.object(torch.Tensor, "uniform_", uniform),
            unittest.mock.patch.object(torch.Tensor, "normal_", normal)]
        for patch in self.patches:
            patch.start()
        return self.drawn

    def __exit__(self, *_):
        for patch in self.patches:
            patch.stop()


def drawn_by(function):
    with Drawing() as drawn:
        function()
    return drawn


def write_initializers(path, generator, errors):
    gains = np.array([nn.init.calculate_gain(name, slope) for name, slope in NONLINEARITIES])
    with Writer(path) as writer:
        writer.attributes(writer.file, nonlinearities=" ".join(f"{name}({slope})" for name, slope in NONLINEARITIES))
        writer.arrays(writer.file, gains=gains)
        for index, (kind, shape, layer) in enumerate(SHAPES):
            weight = torch.empty(shape)
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
            made = layer()
            assert tuple(made.weight.shape) == shape
            group = writer.group(
                f"{index:02d}_{kind.replace(' ', '_')}_" + "x".join(map(str, shape)), kind=kind, shape=list(shape),
                groups=getattr(made, "groups", 1), fan_in=fan_in, fan_out=fan_out)
            kaiming = {
                key: np.array([
                    [drawn_by(lambda: draw(weight, a=slope, mode=mode, nonlinearity=name))[0] for name, slope in NONLINEARITIES]
                    for mode in ("fan_in", "fan_out")])
                for key, draw in (("kaiming_bound", nn.init.kaiming_uniform_), ("kaiming_std", nn.init.kaiming_normal_))}
            xavier = {
                key: np.array([drawn_by(lambda: draw(weight, gain=gain))[0] for gain in gains])
                for key, draw in (("xavier_bound", nn.init.xavier_uniform_), ("xavier_std", nn.init.xavier_normal_))}
            default = drawn_by(made.reset_parameters)
            assert len(default) == 2
            writer.arrays(group, **kaiming, **xavier, default_bounds=np.array(default))
    return len(SHAPES)
