"""pooling.h5: max, min, average, adaptive and global pooling in 1 to 3 dimensions."""

import random

import torch
import torch.nn.functional as F

from common import SEED, CaseWriter, case_name, draw, write_case

MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVERAGE_POOLS = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX_POOLS = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def pooled_extent(extent, kernel, stride, padding, dilation, ceil_mode):
    """PyTorch's rule: a last window must begin inside the input or the padding before it."""
    free = extent + 2 * padding - dilation * (kernel - 1) - 1
    count = (free + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= extent + padding:
        count -= 1
    return count


def draw_window(dimensions, dilates, padded, ceil_mode, chooser):
    """kernel, stride, padding, dilation and extents of one case."""
    columns = []
    while len(columns) < dimensions:
        kernel = chooser.choice([1, 2, 2, 3, 3, 4] if dimensions < 3 else [1, 2, 2, 3])
        stride, dilation = chooser.choice([1, 2, 2, 3]), chooser.choice([1, 2, 3]) if dilates else 1
        padding = chooser.randint(0, kernel // 2) if padded else 0
        extent = chooser.randint(1, 11 if dimensions == 1 else 7 if dimensions == 2 else 5)
        if pooled_extent(extent, kernel, stride, padding, dilation, ceil_mode) >= 1:
            columns.append((kernel, stride, padding, dilation, extent))
    return [list(row) for row in zip(*columns)]


def write_pooling(path, generator, errors):
    chooser = random.Random(SEED + 30)
    with CaseWriter(path) as writer:

        def write(operation, function, shape, how, options):
            name = case_name(**{operation: True}, x=shape, **{
                key: bool(value) if key in ("ceil_mode", "count_include_pad") else value
                for key, value in options.items()}, drawn=f"_{how}")
            write_case(
                writer, errors, f"pooling: {operation}", name, dict(options, operation=operation, input=how), function,
                generator, x=draw(generator, shape, how))

        def write_extreme(operation, dimensions, shape, how, kernel, stride, padding, dilation, ceil_mode):
            def function(x):
                sign = -1 if operation == "min" else 1
                return sign * MAX_POOLS[dimensions](sign * x, kernel, stride, padding, dilation, ceil_mode=bool(ceil_mode))

            write(operation, function, shape, how, dict(
                kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode))

        def write_average(dimensions, shape, how, kernel, stride, padding, ceil_mode, include):
            def function(x):
                return AVERAGE_POOLS[dimensions](x, kernel, stride, padding, bool(ceil_mode), bool(include))

            write("average", function, shape, how, dict(
                kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode, count_include_pad=include))

        def write_adaptive(operation, dimensions, shape, how, output):
            pools = ADAPTIVE_MAX_POOLS if operation == "adaptive_max" else ADAPTIVE_AVERAGE_POOLS
            write(operation, lambda x: pools[dimensions](x, tuple(output)), shape, how, dict(output=output))

        for dimensions in (1, 2, 3):
            def shape_of(extents):
                return (chooser.choice([1, 2, 3]), chooser.choice([1, 2, 3]), *extents)

            for operation, turns in (("max", 2), ("min", 1)):
                for turn in range(turns):
                    for index in range(8):
                        dilates, padded, ceil_mode = index & 1, index & 2, index >> 2
                        kernel, stride, padding, dilation, extents = draw_window(
                            dimensions, dilates, padded, ceil_mode, chooser)
                        how = ["normal", "ties", "negative", "ties", "equal", "relu"][(index + turn) % 6]
                        write_extreme(
                            operation, dimensions, shape_of(extents), how, kernel, stride, padding, dilation, ceil_mode)
            for index in range(12):
                padded, ceil_mode, include = index & 1, index >> 1 & 1, (index >> 2) != 1
                kernel, stride, padding, _, extents = draw_window(dimensions, False, padded or index >= 8, ceil_mode, chooser)
                write_average(dimensions, shape_of(extents), "normal", kernel, stride, padding, ceil_mode, int(include))
            for extents, output in [([5, 7, 4], [3, 2, 3]), ([3, 4, 2], [5, 6, 3]), ([6, 3, 4], [1, 3, 2]), ([1, 5, 3], [2, 4, 1])]:
                shape = shape_of(extents[:dimensions])
                write_adaptive("adaptive_average", dimensions, shape, "normal", output[:dimensions])
                write_adaptive("adaptive_max", dimensions, shape, chooser.choice(["normal", "ties"]), output[:dimensions])
            axes = tuple(range(2, 2 + dimensions))
            write("global_average", lambda x, axes=axes: x.mean(axes, keepdim=True), shape_of([4, 3, 2][:dimensions]), "normal", {})
            ones, empty = [1] * dimensions, (0, 2, *[4] * dimensions)
            write_extreme("max", dimensions, (1, 1, *ones), "negative", [3] * dimensions, [2] * dimensions, ones, ones, 0)
            write_extreme("max", dimensions, empty, "normal", [2] * dimensions, [2] * dimensions, [0] * dimensions, ones, 0)
            write_extreme("min", dimensions, empty, "normal", [3] * dimensions, [2] * dimensions, ones, ones, 1)
            write_average(dimensions, empty, "normal", [3] * dimensions, [2] * dimensions, ones, 0, 1)
            write_adaptive("adaptive_average", dimensions, empty, "normal", [3] * dimensions)
        return writer.cases
