"""transposed.h5: transposed convolution with output padding, dilation and groups."""

import random

import torch
import torch.nn.functional as F

from common import SEED, CaseWriter, case_name, scaled_weight, write_case

TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
DRAWN = {1: 24, 2: 24, 3: 14}
# channels in, channels out, groups
CHANNELS = [(1, 1, 1), (2, 3, 1), (4, 2, 2), (3, 3, 3), (2, 6, 2), (5, 1, 1), (3, 2, 1), (6, 3, 3)]


def output_extent(extent, kernel, stride, padding, output_padding, dilation):
    return (extent - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def draw_case(dimensions, index, chooser):
    options = dict(kernel=[], stride=[], padding=[], output_padding=[], dilation=[])
    extents = []
    while len(extents) < dimensions:
        kernel = chooser.choice([1, 2, 3, 3, 4] if dimensions < 3 else [1, 2, 2, 3])
        stride, dilation = chooser.choice([1, 2, 2, 3]), chooser.choice([1, 1, 2, 3])
        padding = min(chooser.choice([0, 0, 1, 2]), dilation * (kernel - 1) + dimensions % 3)
        output_padding = chooser.randrange(max(stride, dilation))
        extent = chooser.choice([1, 2, 3, 4, 5] if dimensions == 1 else [1, 2, 3] if dimensions == 2 else [1, 2])
        if output_extent(extent, kernel, stride, padding, output_padding, dilation) < 1:
            continue
        for key, value in zip(options, (kernel, stride, padding, output_padding, dilation)):
            options[key].append(value)
        extents.append(extent)
    channels_in, channels_out, groups = CHANNELS[index % len(CHANNELS)]
    return dict(options, groups=groups), channels_out, (chooser.choice([1, 2, 3]), channels_in, *extents)


def edges(dimensions):
    def case(shape, out, groups=1, **values):
        defaults = dict(kernel=2, stride=1, padding=0, output_padding=0, dilation=1)
        return dict({key: [values.get(key, value)] * dimensions for key, value in defaults.items()}, groups=groups), out, shape

    return [
        case((0, 2, *[3] * dimensions), 3, stride=2),
        case((0, 2, *[2] * dimensions), 2, groups=2, kernel=3, padding=1),
        case((1, 1, *[1] * dimensions), 1, kernel=1),
        case((2, 2, *[1] * dimensions), 1, kernel=2, stride=2, output_padding=1),
    ]


def write_transposed(path, generator, errors):
    chooser = random.Random(SEED + 20)
    with CaseWriter(path) as writer:
        for dimensions in (1, 2, 3):
            cases = [draw_case(dimensions, index, chooser) for index in range(DRAWN[dimensions])] + edges(dimensions)
            for index, (options, out, shape) in enumerate(cases):
                kernel, groups = options.pop("kernel"), options["groups"]
                x = torch.randn(shape, generator=generator)
                # PyTorch's layout: channels in first, then channels out of one group.
                weight = scaled_weight(generator, shape[1], out // groups, *kernel)
                bias = torch.randn((out,), generator=generator) if index % 3 else None

                def function(x, weight, bias, options=options, dimensions=dimensions):
                    return TRANSPOSED[dimensions](x, weight, bias, **options)

                name = case_name(
                    x=shape, k=kernel, stride=options["stride"], padding=options["padding"],
                    outputPadding=options["output_padding"], dilation=options["dilation"], groups=groups,
                    bias=bias is not None)
                write_case(
                    writer, errors, "transposed convolution", name, options, function, generator, x=x, weight=weight, bias=bias)
        return writer.cases
