"""Keeps a golden step away from kinks: places where rounding decides which way a gradient goes.

A ReLU whose input lies within rounding of 0 passes its gradient or not by chance, and a maximum whose two largest values lie
within rounding of each other sends it to either. Deep networks have dozens of such places in every batch. Here parameters are
moved a little, from the first layer to the last, until every place is farther away than any float32 computation may be off.
"""

import contextlib

import torch
import torch.nn.functional as F

# Distances are kept above this many times the largest error of PyTorch's float32 in the same tensor.
SAFETY = 4
ATTEMPTS = 2000


class Kinks:
    """What ReLUs and maxima take in one forward pass, each with the last layers before it."""

    def __init__(self, model):
        self.model, self.places = model, []

    @contextlib.contextmanager
    def watched(self, visit=lambda place: None):
        relu, pool, last = F.relu, F.max_pool2d, {}

        def note(kind, x, *window):
            place = (kind, x.detach().double(), window, last.get("any"), last.get("convolution"))
            self.places.append(place)
            visit(place)

        def watched_relu(x, inplace=False):
            note("ReLU", x)
            return relu(x)

        def watched_pool(x, kernel_size, stride=None, padding=0, *rest, **options):
            note("maximum", x, kernel_size, stride or kernel_size, padding)
            return pool(x, kernel_size, stride, padding, *rest, **options)

        def hook(name):
            def remember(module, *_):
                last["any"] = name
                if isinstance(module, torch.nn.Conv2d):
                    last["convolution"] = name
            return remember

        kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear)
        hooks = [m.register_forward_hook(hook(n)) for n, m in self.model.named_modules() if isinstance(m, kinds)]
        F.relu, F.max_pool2d = watched_relu, watched_pool
        try:
            yield self.places
        finally:
            F.relu, F.max_pool2d = relu, pool
            for handle in hooks:
                handle.remove()


def distances(place):
    """How far each value is from its kink: [images, channels, places]."""
    kind, x, window, *_ = place
    if kind == "ReLU":
        return x.abs().flatten(2) if x.dim() > 2 else x.abs().unsqueeze(2)
    size, stride, padding = window
    n, c, h, w = x.shape
    padded = F.pad(x, (padding,) * 4, value=-1e30).reshape(n * c, 1, h + 2 * padding, w + 2 * padding)
    first, second = F.unfold(padded, size, stride=stride).topk(2, 1).values.unbind(1)
    # Each of the two may be off. Zeros behind a ReLU tie, but no gradient passes them.
    gap = torch.where((first == 0) & (second == 0), torch.inf, (first - second) / 2)
    return gap.reshape(n, c, -1)


def errors(single, double):
    """The largest error of float32 in each tensor of `places`."""
    return [(a[1] - b[1]).abs().max().item() for a, b in zip(single, double, strict=True)]


def forward(model, parameters, pixels, visit=lambda place: None):
    """The places of a forward pass in the model's own precision; `parameters` as values by key."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(parameters[key])
        with Kinks(model).watched(visit) as places:
            model(pixels.to(next(model.parameters()).dtype) / 255)
    return places


class Near(Exception):
    """Carries the first place that is too near."""


def settle(single, double, parameters, pixels):
    """Moves elements of `parameters` (float32) until no kink is near; returns the (key, element) of what was moved.

    `single` and `double` are the network in float32 and float64.
    """
    bounds = errors(*(forward(model, parameters, pixels) for model in (single, double)))
    moved = set()
    for attempt in range(ATTEMPTS):
        number = iter(range(len(bounds)))

        def visit(place):
            least = SAFETY * bounds[next(number)]
            near = (distances(place) <= least).any(2).any(0).nonzero().flatten().tolist()
            if near:
                raise Near(place, near, least)

        try:
            forward(double, parameters, pixels, visit)
            return moved
        except Near as found:
            (kind, x, _, layer, convolution), channels, least = found.args
        for channel in channels:
            if kind == "ReLU" and f"{layer}.bias" in parameters:
                key, element = f"{layer}.bias", channel
                change = shift(x[:, channel], least)
            else:
                # Adding the same to both does not part them, another filter does.
                key = f"{convolution}.weight"
                size = parameters[key][channel].numel()
                element, change = channel * size + attempt % size, 2.0 ** -10
            parameters[key].view(-1)[element] += change
            moved.add((key, element))
    raise SystemExit(f"after {ATTEMPTS} moves there is still a {kind} behind {layer} within rounding of its kink")


def shift(values, least):
    """The smallest change (in steps of half of `least`) that brings all values farther than 1.5 · `least` from 0."""
    step = 1
    while True:
        for change in (step * least / 2, -step * least / 2):
            if (values + change).abs().min() > 1.5 * least:
                return change
        step += 1


def check(name, single, double):
    """Ends the program where a kink of the float64 run is closer than float32's error there."""
    for number, (place, error) in enumerate(zip(double, errors(single, double))):
        nearest = distances(place).min().item()
        if nearest <= error:
            raise SystemExit(
                f"{name}: {place[0]} {number}, behind {place[3]}, has a value {nearest:.1e} from its kink, and float32 is off by "
                f"{error:.1e} there: its gradient would go either way by chance")
