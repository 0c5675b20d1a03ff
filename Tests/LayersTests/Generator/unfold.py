"""unfold.h5: torch.nn.functional.unfold and fold, each the other's gradient."""

import torch
import torch.nn.functional as F

from common import CaseWriter, case_name, write_case

# batch, channels, extents, kernel, dilation, padding, stride
CASES = [
    (2, 3, (5, 4), (1, 1), (1, 1), (0, 0), (1, 1)),
    (1, 2, (5, 7), (3, 2), (1, 1), (0, 0), (1, 1)),
    (2, 1, (6, 5), (2, 3), (1, 1), (1, 1), (2, 1)),
    (3, 2, (7, 7), (3, 3), (2, 1), (1, 2), (1, 2)),
    (1, 4, (4, 9), (2, 2), (3, 2), (2, 0), (3, 3)),
    (2, 2, (3, 3), (3, 3), (1, 1), (0, 0), (1, 1)),
    (1, 1, (1, 1), (3, 3), (1, 1), (1, 1), (2, 2)),
    (1, 5, (8, 3), (2, 1), (1, 3), (0, 1), (5, 2)),
    (0, 2, (4, 4), (2, 2), (1, 1), (0, 0), (1, 1)),
]


def write_unfold(path, generator, errors):
    with CaseWriter(path) as writer:
        for n, c, extents, kernel, dilation, padding, stride in CASES:
            settings = dict(kernel_size=kernel, dilation=dilation, padding=padding, stride=stride)
            options = dict(kernel=kernel, dilation=dilation, padding=padding, stride=stride)
            words = dict(k=kernel, dilation=dilation, pad=padding, stride=stride)
            image = torch.randn((n, c, *extents), generator=generator)
            write_case(
                writer, errors, "unfold", case_name(unfold=True, x=image.shape, **words), dict(options, operation="unfold"),
                lambda x, settings=settings: F.unfold(x, **settings), generator, x=image)
            columns = torch.randn(F.unfold(image, **settings).shape, generator=generator)
            write_case(
                writer, errors, "fold", case_name(fold=True, x=image.shape, **words),
                dict(options, operation="fold", output=extents),
                lambda x, settings=settings, extents=extents: F.fold(x, extents, **settings), generator, x=columns)
        return writer.cases
