"""conv2d.h5 and conv2d_unequal.h5: plain 2-d convolution with stride, zero padding and bias."""

import torch
import torch.nn.functional as F

from common import Writer, differentiate

# batch, C, H, W, K, R, S, stride, padding, bias
CONV2D_CASES = [
    (1, 1, 1, 1, 1, 1, 1, 1, 0, True),
    (2, 3, 5, 4, 2, 1, 1, 1, 0, True),
    (1, 5, 6, 7, 3, 1, 1, 2, 0, False),
    (2, 4, 7, 5, 4, 1, 1, 3, 0, True),
    (1, 2, 3, 3, 3, 1, 1, 1, 1, True),
    (3, 16, 3, 3, 8, 1, 1, 1, 0, True),
    (1, 1, 2, 2, 1, 2, 2, 1, 0, True),
    (2, 2, 5, 5, 3, 2, 2, 1, 0, False),
    (2, 3, 7, 6, 2, 2, 2, 2, 0, True),
    (1, 2, 6, 5, 4, 2, 2, 2, 1, True),
    (3, 1, 8, 7, 2, 2, 2, 3, 1, False),
    (1, 1, 3, 3, 1, 3, 3, 1, 0, True),
    (1, 1, 1, 1, 2, 3, 3, 1, 1, True),
    (2, 1, 7, 7, 4, 3, 3, 1, 1, True),
    (5, 2, 5, 5, 2, 3, 3, 1, 0, True),
    (1, 3, 9, 7, 5, 3, 3, 1, 1, False),
    (2, 4, 6, 6, 3, 3, 3, 2, 1, True),
    (3, 3, 7, 9, 2, 3, 3, 2, 0, True),
    (1, 8, 7, 7, 4, 3, 3, 2, 1, True),
    (2, 2, 10, 11, 3, 3, 3, 3, 0, False),
    (1, 5, 8, 8, 3, 3, 3, 3, 2, True),
    (1, 16, 5, 5, 10, 3, 3, 1, 1, True),
    (2, 16, 2, 2, 10, 3, 3, 2, 1, True),
    (1, 3, 4, 4, 16, 3, 3, 1, 2, True),
    (4, 7, 3, 3, 1, 3, 3, 1, 0, True),
    (1, 1, 4, 4, 3, 4, 4, 1, 0, True),
    (2, 2, 7, 6, 3, 4, 4, 1, 1, True),
    (1, 3, 9, 9, 2, 4, 4, 2, 2, False),
    (3, 2, 8, 5, 2, 4, 4, 3, 1, True),
    (1, 1, 5, 5, 6, 5, 5, 1, 0, True),
    (2, 1, 12, 12, 6, 5, 5, 1, 0, True),
    (1, 6, 12, 12, 4, 5, 5, 1, 0, True),
    (5, 1, 6, 7, 3, 5, 5, 1, 1, False),
    (2, 8, 5, 5, 3, 5, 5, 1, 1, True),
    (1, 2, 9, 8, 3, 5, 5, 2, 2, True),
    (2, 3, 11, 9, 2, 5, 5, 3, 2, True),
    (1, 2, 5, 9, 3, 1, 5, 1, 0, True),
    (2, 2, 9, 5, 3, 5, 1, 1, 0, True),
    (1, 3, 6, 8, 4, 2, 3, 1, 1, True),
    (2, 2, 7, 7, 3, 3, 2, 2, 0, True),
    (1, 4, 8, 6, 2, 4, 3, 2, 1, False),
    (3, 1, 7, 9, 5, 3, 5, 3, 2, True),
]

# batch, C, H, W, K, R, S, (stride down, across), (padding above and below, left and right), bias
CONV2D_UNEQUAL_CASES = [
    (2, 2, 7, 8, 3, 3, 3, (1, 2), (1, 1), True),
    (1, 3, 8, 7, 2, 3, 3, (2, 1), (0, 1), True),
    (2, 1, 6, 9, 4, 1, 5, (1, 3), (0, 2), False),
    (1, 4, 9, 5, 3, 5, 1, (3, 1), (2, 0), True),
    (3, 2, 5, 6, 2, 2, 4, (2, 3), (1, 2), True),
    (1, 16, 4, 3, 5, 4, 3, (1, 2), (0, 1), True),
]


def write_conv2d_case(writer, name, case, generator, errors, **attributes):
    n, c, h, w, k, r, s, stride, padding, bias = case
    x = torch.randn((n, c, h, w), generator=generator)
    # Scaled like an initialised layer, so that one absolute tolerance suits every case.
    weight = torch.randn((k, c, r, s), generator=generator) / (c * r * s) ** 0.5
    b = torch.randn((k,), generator=generator) if bias else None

    def function(x, weight, b):
        return F.conv2d(x, weight, b, stride=stride, padding=padding)

    dy = torch.randn(function(x, weight, b).shape, generator=generator)
    (y, (dx, dw, db)), (y64, (dx64, dw64, db64)) = differentiate(function, (x, weight, b), dy)
    for quantity, single, double in [("y", y, y64), ("dx", dx, dx64), ("dweight", dw, dw64), ("dbias", db, db64)]:
        if single is not None:
            errors.note("conv2d", quantity, single, double)
    group = writer.group(name, bias=int(bias), **attributes)
    writer.arrays(group, x=x, weight=weight, bias=b, y=y, dy=dy, dx=dx, dweight=dw, dbias=db)


def write_conv2d(path, generator, errors):
    with Writer(path) as writer:
        for index, case in enumerate(CONV2D_CASES):
            n, c, h, w, k, r, s, stride, padding, bias = case
            name = f"{index:02d}_n{n}_c{c}_h{h}_w{w}_k{k}_r{r}_s{s}_stride{stride}_pad{padding}" + ("_bias" if bias else "")
            write_conv2d_case(writer, name, case, generator, errors, stride=stride, padding=padding)


def write_conv2d_unequal(path, generator, errors):
    with Writer(path) as writer:
        for index, case in enumerate(CONV2D_UNEQUAL_CASES):
            n, c, h, w, k, r, s, (down, across), (above, left), bias = case
            name = (f"{index:02d}_n{n}_c{c}_h{h}_w{w}_k{k}_r{r}_s{s}_stride{down}x{across}_pad{above}x{left}"
                    + ("_bias" if bias else ""))
            write_conv2d_case(
                writer, name, case, generator, errors, stride_height=down, stride_width=across,
                padding_height=above, padding_width=left)
