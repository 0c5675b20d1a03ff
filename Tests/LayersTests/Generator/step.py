"""step.h5 and step-float64.h5: the Fashion classifier's first step and ten-step traces of SGD."""

import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from common import SEED, Writer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "Benchmarks"))
from pytorch_models import FashionClassifier  # noqa: E402

TRACE_STEPS = 10
TRACE_BATCH = 32
TRACES = {
    "momentum": dict(lr=0.01, momentum=0.9),
    "nesterov": dict(lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
}


def draw_images(generator):
    """Ten batches of images that can be learnt: a blob at a place of its class, on black, with noise."""
    labels = torch.randint(0, 10, (TRACE_STEPS, TRACE_BATCH), generator=generator)
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    angle = labels.double() * (2 * np.pi / 10)
    jitter = torch.rand((2, TRACE_STEPS, TRACE_BATCH), generator=generator, dtype=torch.float64) * 4 - 2
    row = (13.5 + 8 * torch.sin(angle) + jitter[0])[..., None, None]
    column = (13.5 + 8 * torch.cos(angle) + jitter[1])[..., None, None]
    blob = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    noise = 0.25 * torch.rand(blob.shape, generator=generator, dtype=torch.float64)
    pixels = torch.where(blob > 0.05, blob + noise, 0.0).clamp(0, 1)
    return (pixels * 255).round().to(torch.uint8), labels


def whole_step(dtype, state, images, labels):
    """Logits, mean loss and gradients of batch 0, then the traces; everything computed in `dtype`."""
    def model_with_initial_weights():
        model = FashionClassifier().to(dtype)
        model.load_state_dict({key: value.to(dtype) for key, value in state.items()})
        return model

    def batch(index):
        return images[index].to(dtype).unsqueeze(1) / 255, labels[index]

    model = model_with_initial_weights()
    x, target = batch(0)
    logits = model(x)
    loss = F.cross_entropy(logits, target)
    loss.backward()
    result = {
        "logits": logits.detach(),
        "loss": loss.detach().reshape(1),
        "gradients": {key: p.grad.clone() for key, p in model.named_parameters()},
        "traces": {},
    }
    for name, options in TRACES.items():
        model = model_with_initial_weights()
        optimizer = torch.optim.SGD(model.parameters(), **options)
        losses = []
        for index in range(TRACE_STEPS):
            optimizer.zero_grad(set_to_none=True)
            x, target = batch(index)
            loss = F.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        result["traces"][name] = {
            "losses": torch.stack(losses),
            "weights": {key: value.detach().clone() for key, value in model.state_dict().items()},
        }
    return result


def write_step(folder, generator, errors):
    torch.manual_seed(SEED)
    state = {key: value.detach().clone() for key, value in FashionClassifier().state_dict().items()}
    images, labels = draw_images(generator)
    single = whole_step(torch.float32, state, images, labels)
    double = whole_step(torch.float64, state, images, labels)

    errors.note("step", "logits", single["logits"], double["logits"])
    errors.note("step", "loss", single["loss"], double["loss"])
    for key, gradient in single["gradients"].items():
        errors.note("step", "gradients (worst tensor)", gradient, double["gradients"][key])
    for name in TRACES:
        ours, theirs = single["traces"][name], double["traces"][name]
        errors.note("step", f"{name}: losses", ours["losses"], theirs["losses"])
        for key, value in ours["weights"].items():
            errors.note("step", f"{name}: final weights (worst tensor)", value, theirs["weights"][key])

    def write(path, result, with_inputs):
        with Writer(path) as writer:
            if with_inputs:
                writer.arrays(writer.file, images=images, labels=labels)
                writer.arrays(writer.group("weights"), **state)
            writer.attributes(writer.file, model="fashion-classifier", pixels="uint8 / 255", reduction="mean")
            writer.arrays(writer.file, logits=result["logits"], loss=result["loss"])
            writer.arrays(writer.group("gradients"), **result["gradients"])
            for name, options in TRACES.items():
                trace = writer.group(
                    name, learning_rate=float(options["lr"]), momentum=float(options["momentum"]),
                    nesterov=int(options.get("nesterov", False)), weight_decay=float(options.get("weight_decay", 0.0)))
                writer.arrays(trace, losses=result["traces"][name]["losses"])
                writer.arrays(writer.group(f"{name}/weights"), **result["traces"][name]["weights"])

    write(folder / "step.h5", single, with_inputs=True)
    write(folder / "step-float64.h5", double, with_inputs=False)
    return single["traces"]["momentum"]["losses"]
