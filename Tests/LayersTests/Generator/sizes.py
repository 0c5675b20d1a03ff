"""sizes.h5: the output sizes that PyTorch gives over a grid of options, −1 where it raises."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F

from common import Writer


def size(function):
    """The last extent of the result, −1 when PyTorch raises."""
    try:
        return function().shape[-1]
    except (RuntimeError, ValueError):
        return -1


def signal(extent):
    return torch.zeros(1, 1, extent)


def convolution(extent, kernel, stride, padding, dilation):
    return size(lambda: F.conv1d(signal(extent), signal(kernel), None, stride, padding, dilation))


def max_pooling(extent, kernel, stride, padding, dilation, ceil_mode):
    return size(lambda: F.max_pool1d(signal(extent), kernel, stride, padding, dilation, bool(ceil_mode)))


def average_pooling(extent, kernel, stride, padding, ceil_mode):
    return size(lambda: F.avg_pool1d(signal(extent), kernel, stride, padding, bool(ceil_mode)))


def transposed(extent, kernel, stride, padding, output_padding, dilation):
    return size(lambda: F.conv_transpose1d(signal(extent), signal(kernel), None, stride, padding, output_padding, 1, dilation))


# function, columns, grid; then the arguments around which each is made impossible in turn.
TABLES = {
    "convolution": (
        convolution, "input kernel stride padding dilation",
        ([1, 2, 3, 4, 5, 7, 8, 11, 16, 33], [1, 2, 3, 4, 5, 7], [1, 2, 3, 5], [0, 1, 2, 3], [1, 2, 3])),
    "max_pooling": (
        max_pooling, "input kernel stride padding dilation ceil_mode",
        ([1, 2, 3, 4, 5, 7, 8, 11], [1, 2, 3, 4, 5], [1, 2, 3, 5], [0, 1, 2, 3], [1, 2, 3], [0, 1])),
    "average_pooling": (
        average_pooling, "input kernel stride padding ceil_mode",
        ([1, 2, 3, 4, 5, 7, 8, 11], [1, 2, 3, 4, 5], [1, 2, 3, 5], [0, 1, 2, 3], [0, 1])),
    "transposed": (
        transposed, "input kernel stride padding output_padding dilation",
        ([1, 2, 3, 5, 8], [1, 2, 3, 5], [1, 2, 3], [0, 1, 2, 3], [0, 1, 2], [1, 2, 3])),
}
# Zero or negative where it makes no sense, in arguments that are possible otherwise.
IMPOSSIBLE = {"input": 0, "kernel": 0, "stride": 0, "dilation": 0, "padding": -1, "output_padding": -1}
POSSIBLE = {"input": 5, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1, "dilation": 1, "ceil_mode": 1}


def write_sizes(path, generator, errors):
    rows_written = 0
    with Writer(path) as writer:
        for name, (function, columns, grid) in TABLES.items():
            columns = columns.split()
            rows = list(itertools.product(*grid))
            for column in columns:
                if column in IMPOSSIBLE:
                    rows.append(tuple(IMPOSSIBLE[c] if c == column else POSSIBLE[c] for c in columns))
            table = np.array([(*row, function(*row)) for row in rows], dtype=np.int32)
            writer.arrays(writer.file, **{name: table})
            writer.attributes(writer.file[name], columns=" ".join([*columns, "output"]))
            rows_written += len(rows)
    return rows_written
