"""activations.h5: every activation on ordinary, large, tiny and zero inputs."""

import torch
import torch.nn.functional as F

from common import CaseWriter, case_name, write_case


def draw_magnitude(generator, shape, how):
    x = torch.randn(shape, generator=generator)
    flat = x.view(-1)
    if how == "large":
        x = x * 40
        x.view(-1)[0::6] *= 100
    elif how == "tiny":
        exponents = torch.randint(-36, -3, shape, generator=generator)
        x = (x.double() * 10.0 ** exponents.double()).float()
    elif how == "zeros":
        flat[0::2] = 0.0
        flat[1::4] = -0.0
    elif how == "equal":
        x = torch.full(shape, -1.25)
    return x


ACTIVATIONS = [
    ("relu", F.relu, {}),
    *[("leaky_relu", lambda x, slope=slope: F.leaky_relu(x, slope), dict(slope=slope)) for slope in (0.01, 0.2, 1.5)],
    ("tanh", torch.tanh, {}),
    ("sigmoid", torch.sigmoid, {}),
    ("gelu", lambda x: F.gelu(x), dict(approximate="none")),
    ("gelu", lambda x: F.gelu(x, approximate="tanh"), dict(approximate="tanh")),
]
# One shape a row of draws, so that every activation meets every number of axes.
ACTIVATION_DRAWS = [("normal", (3, 5, 4)), ("large", (2, 3, 5, 3)), ("tiny", (2, 29)), ("zeros", (3, 4, 3)), ("normal", (0, 3, 2))]
SOFTMAX_CASES = [
    ((4, 10), "normal"), ((3, 37), "large"), ((5, 1), "normal"), ((2, 7), "tiny"), ((3, 6), "zeros"), ((2, 5), "equal"),
    ((2, 3, 4, 5), "normal"), ((2, 5, 3, 2), "large"), ((1, 17, 3, 3), "normal"), ((3, 1, 2, 2), "normal"),
    ((2, 4, 3, 1), "zeros"), ((2, 4, 5), "large"), ((2, 3, 2, 2, 3), "normal"), ((0, 4), "normal"), ((0, 3, 2, 2), "normal"),
]


def write_activations(path, generator, errors):
    with CaseWriter(path) as writer:
        cases = [(*activation, how, shape) for activation in ACTIVATIONS for how, shape in ACTIVATION_DRAWS]
        cases += [("softmax", lambda x: F.softmax(x, dim=1), {}, how, shape) for shape, how in SOFTMAX_CASES]
        for operation, function, options, how, shape in cases:
            label = " ".join([operation, *(["tanh"] if options.get("approximate") == "tanh" else [])])
            name = case_name(**{operation: True}, x=shape, **options, drawn=f"_{how}")
            write_case(
                writer, errors, label, name, dict(options, operation=operation, input=how), function, generator,
                expects_double=True, x=draw_magnitude(generator, shape, how))
        return writer.cases
