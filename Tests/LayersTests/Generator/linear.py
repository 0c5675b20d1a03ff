"""linear.h5: y = x·weightᵀ + bias."""

import torch
import torch.nn.functional as F

from common import Writer, differentiate

# batch, features in, features out, bias
LINEAR_CASES = [
    (1, 1, 1, True),
    (1, 7, 3, True),
    (5, 1, 4, True),
    (3, 5, 1, False),
    (2, 16, 10, True),
    (4, 17, 13, False),
    (8, 33, 9, True),
    (17, 12, 10, True),
    (3, 84, 10, True),
    (2, 64, 31, True),
]


def write_linear(path, generator, errors):
    with Writer(path) as writer:
        for index, (n, features_in, features_out, bias) in enumerate(LINEAR_CASES):
            name = f"{index:02d}_n{n}_in{features_in}_out{features_out}" + ("_bias" if bias else "")
            x = torch.randn((n, features_in), generator=generator)
            weight = torch.randn((features_out, features_in), generator=generator) / features_in ** 0.5
            b = torch.randn((features_out,), generator=generator) if bias else None
            dy = torch.randn((n, features_out), generator=generator)
            (y, (dx, dw, db)), (y64, (dx64, dw64, db64)) = differentiate(F.linear, (x, weight, b), dy)
            for quantity, single, double in [("y", y, y64), ("dx", dx, dx64), ("dweight", dw, dw64), ("dbias", db, db64)]:
                if single is not None:
                    errors.note("linear", quantity, single, double)
            group = writer.group(name, bias=int(bias))
            writer.arrays(group, x=x, weight=weight, bias=b, y=y, dy=dy, dx=dx, dweight=dw, dbias=db)
