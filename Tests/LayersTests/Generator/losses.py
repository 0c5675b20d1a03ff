"""cross_entropy.h5; losses.h5: cross-entropy with smoothing, class weights and soft targets, and mean squared error."""

import torch
import torch.nn.functional as F

from common import CaseWriter, Writer, case_name, differentiate

# batch, classes, how the logits are drawn
CROSS_ENTROPY_CASES = [
    (1, 2, "normal"),
    (4, 10, "normal"),
    (17, 10, "normal"),
    (3, 37, "normal"),
    (5, 1, "normal"),
    (6, 10, "large"),
    (8, 10, "right and sure"),
    (4, 10, "equal"),
]


def write_cross_entropy(path, generator, errors):
    with Writer(path) as writer:
        for index, (n, classes, how) in enumerate(CROSS_ENTROPY_CASES):
            targets = torch.randint(0, classes, (n,), generator=generator)
            logits = torch.randn((n, classes), generator=generator)
            if how == "large":
                logits = torch.where(torch.rand((n, classes), generator=generator) < 0.5, -80.0, 80.0) + logits
            elif how == "right and sure":
                logits[torch.arange(n), targets] = 40.0
            elif how == "equal":
                logits = torch.full((n, classes), 3.0)

            def function(logits, targets=targets):
                return F.cross_entropy(logits, targets, reduction="sum")

            (loss, (dlogits,)), (loss64, (dlogits64,)) = differentiate(function, (logits,), torch.tensor(1.0))
            errors.note("cross_entropy", "loss", loss, loss64)
            errors.note("cross_entropy", "dlogits", dlogits, dlogits64)
            group = writer.group(f"{index:02d}_n{n}_k{classes}_{how.replace(' ', '_')}", reduction="sum")
            writer.arrays(
                group, logits=logits, targets=targets, loss=loss.reshape(1), dlogits=dlogits,
                loss_float64=loss64.reshape(1), dlogits_float64=dlogits64)


# batch, classes, smoothing, class weights, soft targets, how the logits are drawn
WEIGHTED_CASES = [
    (n, classes, smoothing, weighted, soft, how)
    for soft in (False, True)
    for n, classes, how in [(5, 10, "normal"), (3, 37, "large")]
    for smoothing, weighted in [(0.0, False), (0.1, False), (0.0, True), (0.3, True)]
] + [
    (1, 2, 0.1, True, False, "normal"), (4, 1, 0.1, True, False, "normal"), (4, 1, 0.1, False, True, "normal"),
    (7, 5, 1.0, False, False, "normal"), (6, 5, 1.0, True, True, "normal"), (8, 10, 0.1, True, False, "zero weights"),
    (3, 4, 0.2, True, True, "equal"), (16, 3, 0.05, True, False, "large"),
]
SQUARED_CASES = [((4, 10), "normal"), ((1, 1), "normal"), ((3, 2, 4, 5), "normal"), ((5, 7), "large"), ((2, 3, 6), "equal")]


def write_reductions(writer, errors, family, name, options, function, x, divisor, **tensors):
    """`function(x, reduction)` in float64, the reference, with the gradients of x; and the number that divides the sum."""
    results = {}
    for reduction in ("sum", "mean"):
        (loss, (dx,)), (loss64, (dx64,)) = differentiate(
            lambda x, reduction=reduction: function(x, reduction), (x,), torch.tensor(1.0))
        errors.note(family, "loss", loss, loss64)
        errors.note(family, "dx", dx, dx64)
        results[f"loss_{reduction}"], results[f"dx_{reduction}"] = loss64, dx64
    quotient = results["loss_sum"] / divisor
    if not torch.allclose(quotient, results["loss_mean"], rtol=1e-12, atol=0):
        raise SystemExit(f"{name}: {float(quotient)} is not PyTorch's mean {float(results['loss_mean'])}")
    writer.case(name, dict(options, divisor=float(divisor)), x=x, **tensors, **results)


def write_losses(path, generator, errors):
    with CaseWriter(path) as writer:
        for n, classes, smoothing, weighted, soft, how in WEIGHTED_CASES:
            logits = torch.randn((n, classes), generator=generator)
            if how == "large":
                logits = torch.where(torch.rand((n, classes), generator=generator) < 0.5, -60.0, 60.0) + logits
            elif how == "equal":
                logits = torch.full((n, classes), 3.0)
            weights = 0.25 + 2 * torch.rand((classes,), generator=generator) if weighted else None
            if how == "zero weights":
                weights[::3] = 0.0
            labels = torch.randint(0, classes, (n,), generator=generator)
            rows = torch.softmax(2 * torch.randn((n, classes), generator=generator), 1) if soft else None
            if soft and classes > 1:
                # A row that is a class, and one with a probability of exactly zero.
                rows[0] = F.one_hot(labels[0], classes)
                rows[-1, 0] = 0.0
                rows[-1] /= rows[-1].sum()

            def function(logits, reduction, labels=labels, rows=rows, weights=weights, smoothing=smoothing):
                return F.cross_entropy(
                    logits, labels if rows is None else rows.to(logits.dtype),
                    None if weights is None else weights.to(logits.dtype), reduction=reduction, label_smoothing=smoothing)

            divisor = float(n) if soft or not weighted else float(weights.double()[labels].sum())
            options = dict(loss="cross_entropy", smoothing=float(smoothing))
            if not soft:
                options["labels"] = labels.tolist()
            name = case_name(
                n=n, classes=classes, smoothing=smoothing, weights=weighted, soft=soft, drawn=f"_{how.replace(' ', '_')}")
            write_reductions(
                writer, errors, "losses: cross-entropy", name, options, function, logits, divisor, targets=rows,
                weight=weights)
        for shape, how in SQUARED_CASES:
            x, target = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
            if how == "large":
                x = 1000 * x
            elif how == "equal":
                x = target + 0.5
            write_reductions(
                writer, errors, "losses: squared error", case_name(squared=True, x=shape, drawn=f"_{how}"),
                dict(loss="mean_squared_error"),
                lambda x, reduction, target=target: F.mse_loss(x, target.to(x.dtype), reduction=reduction), x,
                float(x.numel()), targets=target)
        return writer.cases
