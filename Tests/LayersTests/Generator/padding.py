"""padding.h5: torch.nn.functional.pad in one to three dimensions, in every mode, and its gradient."""

import torch
import torch.nn.functional as F

from common import CaseWriter, case_name, write_case

# batch, channels, extents, margins (before and after of the first axis, then of the next)
CASES = [
    (2, 3, (7,), (0, 0)),
    (1, 2, (5,), (3, 1)),
    (3, 1, (4, 6), (1, 2, 0, 3)),
    (1, 16, (9, 5), (2, 2, 2, 2)),
    (2, 1, (8, 25), (1, 2, 1, 2)),
    (0, 2, (3, 3), (1, 1, 1, 1)),
    (1, 2, (3, 4, 5), (1, 0, 2, 1, 0, 3)),
    (2, 1, (2, 2, 2), (1, 1, 1, 1, 1, 1)),
]
MODES = [("zeros", 0.0), ("zeros", -1.5), ("reflect", 0.0), ("replicate", 0.0), ("circular", 0.0)]


def pad(x, margins, mode, value):
    pairs = [margins[2 * axis : 2 * axis + 2] for axis in reversed(range(len(margins) // 2))]
    order = [side for pair in pairs for side in pair]
    if mode == "zeros":
        return F.pad(x, order, value=value)
    if x.shape[0] == 0:
        return F.pad(x, order)
    return F.pad(x, order, mode=mode)


def write_padding(path, generator, errors):
    with CaseWriter(path) as writer:
        for n, c, extents, margins in CASES:
            for mode, value in MODES:
                write_case(
                    writer, errors, "padding", case_name(mode=mode, x=(n, c, *extents), by=margins),
                    dict(mode=mode, value=value, padding=margins),
                    lambda x, margins=margins, mode=mode, value=value: pad(x, margins, mode, value), generator,
                    x=torch.randn((n, c, *extents), generator=generator))
        return writer.cases
