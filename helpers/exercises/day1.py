"""Exercises of Day 1 and of the start page: references, inputs, mistakes and hints.

A mistake's key is what the student reads; its value computes what that mistake computes, as a
function or as an edit of the reference.
"""

import math

import numpy as np
import torch

from helpers.exercises.engine import SEED, Refused, define, different_kind, gradients


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- start here


def brightness(images):
    return images.mean(dim=(1, 2))


define(
    "start.brightness",
    brightness,
    minutes=3,
    level="easy",
    hints=[
        "`images.mean(dim=…)` averages over the dimensions that you name.",
        "Keep dimension 0 (which picture) and average over 1 and 2 (rows and columns).",
    ],
    cases=lambda: [(_normal(5, 8, 8),), (_normal(3, 4, 6),)],
    mistakes={
        "This is one number for all pictures together. Each picture needs its own: name the "
        "dimensions to average over.": ("dim=(1, 2)", ""),
        "This averages over the pictures (dimension 0), which gives an average picture. Average "
        "over rows and columns.": ("(1, 2)", "0"),
        "This averages over the pictures and the rows. Dimension 0 tells the pictures apart: leave "
        "it out, and average over 1 and 2.": ("1, 2", "0, 1"),
        "This is the sum of the gray levels; divide by the number of pixels, or use mean.":
        ("mean", "sum"),
        "This divides the sum by the number of rows. The number of pixels is rows times columns; "
        "mean divides for you.": lambda images: images.sum(dim=(1, 2)) / images.shape[1],
        "This divides the sum by the number of pictures. Divide by the number of pixels in one, or "
        "use mean.": lambda images: images.sum(dim=(1, 2)) / len(images),
        "This averages over the rows only. Name both picture dimensions, as in dim=(1, 2).":
        ("(1, 2)", "1"),
        "This averages over the columns only. Name both picture dimensions, as in dim=(1, 2).":
        ("(1, 2)", "2"),
        "The numbers are right, but dimensions of size 1 are left over: leave out keepdim=True.":
        ("(1, 2)", "(1, 2), keepdim=True"),
        "The numbers are right, but this is a Python list. One tensor is asked for: mean(dim=…) "
        "needs no loop, and torch.stack(…) joins a list.":
        lambda images: [image.mean().item() for image in images],
    },
)  # fmt: skip


# ---------------------------------------------------------------- 01 generative and discriminative


def log_density(x, mean, covariance):
    root = torch.linalg.cholesky(covariance)
    z = torch.linalg.solve_triangular(root, (x - mean).T, upper=False)
    log_volume = root.diagonal().log().sum()
    return -0.5 * (z**2).sum(dim=0) - log_volume - 0.5 * len(mean) * math.log(2 * math.pi)


def _gaussian(d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    root = _normal(d, d, seed=seed)
    return _normal(d, seed=seed + 1), root @ root.T / d + 0.3 * torch.eye(d)


def _narrow(d: int) -> torch.Tensor:
    """A covariance whose determinant rounds to 0; no two of its variances are equal."""
    covariance = torch.diag(torch.linspace(5e-4, 2e-3, d)).double()
    covariance[0, 1] = covariance[1, 0] = -1e-4
    return covariance


def _product_density(x, mean, covariance):
    variances = covariance.diagonal()
    z = (x - mean) / variances.sqrt()
    return -0.5 * (z**2 + variances.log() + math.log(2 * math.pi)).sum(dim=1)


define(
    "generative.log_density",
    log_density,
    minutes=8,
    level="medium",
    hints=[
        "For D = 1 it is −½ z² − log σ − ½ log 2π with z = (x − μ) / σ. L takes the place of σ.",
        "z = torch.linalg.solve_triangular(L, (x - mean).T, upper=False) has shape (D, N): one "
        "column for each x. Sum z² over dim=0.",
        "log σ becomes L.diagonal().log().sum(), and ½ log 2π is there D times: D = len(mean).",
    ],
    cases=lambda: [
        (_normal(5, 3), *_gaussian(3, 1)),
        (3 * _normal(4, 2, seed=4), *_gaussian(2, 5)),
        (_normal(6, 1, seed=7), *_gaussian(1, 8)),
        (_normal(3, 300, seed=9).double(), _normal(300).double(), _narrow(300)),
    ],
    gradients=True,
    mistakes={
        "The sum runs over the pictures. z has a column for each x: sum over dim=0.":
        ("(z**2).sum(dim=0)", "(z**2).sum(dim=1)"),
        "This is one number for all x together: sum z² over dim=0 only.":
        ("(z**2).sum(dim=0)", "(z**2).sum()"),
        "z must be squared before the sum.": ("(z**2)", "z"),
        "This squares the sum. Square each z first, then sum.":
        ("(z**2).sum(dim=0)", "z.sum(dim=0) ** 2"),
        "L has zeros above its diagonal, and log 0 is −∞. Take L.diagonal() first, then log.":
        ("root.diagonal().log()", "root.log()"),
        "The factor ½ before the sum of squares is missing.": ("-0.5 * (z**2)", "-(z**2)"),
        "The sign of the squares is wrong: far from the mean the density is small.":
        ("-0.5 * (z**2)", "0.5 * (z**2)"),
        "The log of the volume is missing: subtract Σ log L_ii, which is log σ in one dimension.":
        (" - log_volume", ""),
        "The log of the volume is added. A wide Gaussian is low, so subtract it.":
        ("- log_volume", "+ log_volume"),
        "This subtracts half of Σ log L_ii. L is the root already; the ½ would belong to the "
        "determinant of the covariance.": ("- log_volume", "- 0.5 * log_volume"),
        "This subtracts 2 Σ log L_ii, the log determinant of the covariance: its half is Σ log "
        "L_ii.": ("- log_volume", "- 2 * log_volume"),
        "The term −½ D log 2π is missing: without it the density does not sum to 1.":
        (" - 0.5 * len(mean) * math.log(2 * math.pi)", ""),
        "−½ log 2π is there once. It is there for each of the D dimensions: times len(mean).":
        (" * len(mean)", ""),
        "The term with 2π has N in place of D: len(mean) is the number of dimensions.":
        ("len(mean)", "len(x)"),
        "The ½ before D log 2π is missing.": ("0.5 * len(mean)", "len(mean)"),
        "The mean is not subtracted.": ("(x - mean)", "x"),
        "This uses the variances alone. The covariance has other entries, too: use L.":
        _product_density,
        "This is the density. Its logarithm is asked for: in 64 dimensions the density itself "
        "rounds to zero.": lambda x, mean, covariance: log_density(x, mean, covariance).exp(),
        "The determinant rounds to 0 in many dimensions and its log is −∞. Use L.diagonal().log()"
        ".sum().": ("root.diagonal().log().sum()", "0.5 * torch.linalg.det(covariance).log()"),
    },
)  # fmt: skip


def posterior(log_joint):
    return torch.exp(log_joint - log_joint.logsumexp(dim=1, keepdim=True))


def _one_maximum(log_joint):
    p = (log_joint - log_joint.max()).exp()
    return p / p.sum(dim=1, keepdim=True)


define(
    "generative.posterior",
    posterior,
    minutes=5,
    level="easy",
    hints=[
        "p(y | x) = p(x, y) / p(x), and p(x) is the sum of p(x, y) over the classes.",
        "exp(−900) rounds to 0, and 0 / 0 is NaN. Stay with logarithms until the difference is "
        "taken: log_joint.logsumexp(dim=1, keepdim=True) is log p(x).",
        "exp(log_joint − log p(x)). keepdim=True keeps the shape (N, 1), so that it subtracts.",
    ],
    cases=lambda: [
        (_normal(4, 3),),
        (2 * _normal(3, 10, seed=1) - 3,),
        (5 * _normal(2, 3, seed=2).double() - 900,),
        (_normal(3, 4, seed=3).double() - torch.tensor([[900.0], [1800], [6000]]).double(),),
    ],
    gradients=True,
    mistakes={
        "This normalizes over the pictures (dim=0). For each picture the classes must sum to 1.":
        ("dim=1", "dim=0"),
        "This normalizes over everything at once. Each picture's classes must sum to 1: dim=1.":
        lambda log_joint: torch.softmax(log_joint.flatten(), dim=0).view_as(log_joint),
        "This is p(x, y). Divide by p(x), the sum over the classes.":
        (" - log_joint.logsumexp(dim=1, keepdim=True)", ""),
        "This is log p(y | x): the last exp is missing.":
        lambda log_joint: log_joint - log_joint.logsumexp(dim=1, keepdim=True),
        "This divides the logarithms. The logarithm of a quotient is a difference.":
        lambda log_joint: log_joint / log_joint.logsumexp(dim=1, keepdim=True),
        "This divides by the sum of the logarithms. Sum the probabilities: logsumexp.":
        lambda log_joint: log_joint / log_joint.sum(dim=1, keepdim=True),
        "exp rounds to zero here, and 0 / 0 is NaN. Subtract the logsumexp first, then take exp.":
        lambda log_joint: log_joint.exp() / log_joint.exp().sum(dim=1, keepdim=True),
        "This divides by a logarithm: logsumexp is log p(x). Subtract it before exp.":
        lambda log_joint: log_joint.exp() / log_joint.logsumexp(dim=1, keepdim=True),
        "One maximum for all pictures: the row farthest below it rounds to 0 / 0. Take it for each "
        "row, or subtract logsumexp(dim=1).": _one_maximum,
        "The sign is the other way round: the least probable class gets most.":
        lambda log_joint: torch.softmax(-log_joint, dim=1),
        "This subtracts the largest one but does not divide by the sum, so rows do not sum to 1.":
        lambda log_joint: torch.exp(log_joint - log_joint.max(dim=1, keepdim=True).values),
        "This is log p(x), one number a picture. Subtract it from log_joint, then take exp.":
        lambda log_joint: log_joint.logsumexp(dim=1),
        "This is the most probable class. All the probabilities are asked for.":
        lambda log_joint: log_joint.argmax(dim=1),
    },
)  # fmt: skip


def draw(noise, mean, covariance):
    root = torch.linalg.cholesky(covariance)
    return mean + noise @ root.T


def _check_draw(answer) -> None:
    noise = _normal(4000, 3).double()
    noise = noise - noise.mean(dim=0)
    spread = torch.linalg.cholesky(noise.T @ noise / len(noise))
    noise = torch.linalg.solve_triangular(spread, noise.T, upper=False).T  # mean 0, covariance I
    mean = torch.tensor([2.0, -1.0, 5.0]).double()
    root = torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [-1, 0.8, 1.5]]).double()
    wanted = root @ root.T
    x = answer(noise, mean, wanted)
    if problem := different_kind(noise, x):
        raise Refused(f"The draws must have the shape and type of noise.\n{problem}")
    if not torch.isfinite(x).all():
        raise Refused("The draws contain NaN or infinite values. A covariance may be negative and "
                      "has no root entry by entry: use its Cholesky factor.")  # fmt: skip
    got = (x - x.mean(dim=0)).T @ (x - x.mean(dim=0)) / len(x)
    if got.abs().max() < 1e-8:
        raise Refused("All draws are equal: the noise is not used.")
    if not torch.equal(x, answer(noise, mean, wanted)):
        raise Refused("Two calls with the same noise differ. The noise is given: draw no other.")
    if not torch.allclose(answer(noise[:3], mean, wanted), x[:3]):
        raise Refused("A draw changes when others are left out. Treat each row of noise alone.")
    known = {
        "The noise is multiplied by L and not by its transpose. Rows of noise are pictures, so "
        "it is noise @ L.T.": root.T @ root,
        "The noise is multiplied by the covariance itself. Its root L is what stretches.":
        wanted @ wanted,
        "Only the diagonal of the covariance is used, so the dimensions vary independently.":
        torch.diag(wanted.diagonal()),
        "Only the diagonal of the covariance is used, and without its root.":
        torch.diag(wanted.diagonal() ** 2),
        "Only the diagonal of L is used.": torch.diag(root.diagonal() ** 2),
        "The noise is not stretched: multiply it by L.T.": torch.eye(3).double(),
        "The draws have the inverse covariance: multiply by L.T, do not solve.":
        torch.linalg.inv(wanted),
    }  # fmt: skip
    for says, value in known.items():
        if torch.allclose(got, value.double(), rtol=1e-3, atol=1e-6):
            raise Refused(says)
    if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-6):
        raise Refused("The covariance of the draws is not the one that was asked for.")
    if x.mean(dim=0).abs().max() < 1e-6:
        raise Refused("The mean is not added: the draws lie around 0.")
    if not torch.allclose(x.mean(dim=0), mean, rtol=1e-3):
        raise Refused("The covariance is right, but the draws do not lie around the mean.")


define(
    "generative.draw",
    draw,
    minutes=6,
    level="medium",
    hints=[
        "In one dimension a draw is μ + σ ε. L takes the place of σ.",
        "For one picture it is mean + L @ noise. Here each row of noise is a picture.",
        "Rows times a matrix from the right: noise @ L.T, then add the mean.",
    ],
    checks=[_check_draw],
)


# ---------------------------------------------------------------- 02 deep learning primer


def unbroadcast(gradient, shape):
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True)


def _array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


define(
    "primer.unbroadcast",
    unbroadcast,
    minutes=8,
    level="medium",
    hints=[
        "Broadcasting copies numbers. A number that was used k times collects k gradients: their "
        "sum.",
        "First sum over the leading axes that `shape` does not have: gradient.ndim - len(shape) "
        "of them. gradient.sum(axis=(0, 1)) takes several axes at once.",
        "Then sum, with keepdims=True, over the axes where `shape` has size 1.",
    ],
    cases=lambda: [
        (_array(3, 4), (4,)),
        (_array(3, 4, seed=1), (3, 1)),
        (_array(3, 4, seed=2), (3, 4)),
        (_array(3, 4, seed=3), (1, 4)),
        (_array(2, 3, 4, seed=4), (3, 1)),
        (_array(3, 4, seed=5), ()),
        (_array(2, 3, seed=6), (1, 1)),
        (_array(3, 3, seed=7), (3,)),
        (_array(3, 1, seed=8), (3, 1)),
    ],
    mistakes={
        "The gradient comes back as it came. It has the broadcast shape; the copies must be summed "
        "back to `shape`.": lambda gradient, shape: gradient,
        "The leading axes that `shape` lacks are summed, and that is right. The axes where `shape` "
        "has size 1 are copies, too: sum over them with keepdims=True.":
        lambda gradient, shape: gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))),
        "The axes of size 1 are right, but the leading axes that `shape` lacks are still there: "
        "sum over them first.": lambda gradient, shape: gradient.sum(
            axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True),
        "This takes the mean over the copies. Each use of a number adds its own gradient: sum.":
        lambda gradient, shape: unbroadcast(gradient, shape) * (math.prod(shape) / gradient.size),
        "The numbers are right, but an axis of size 1 is gone: keepdims=True keeps it.":
        lambda gradient, shape: unbroadcast(gradient, shape).squeeze(),
        "This keeps the first copy's gradient. Every copy has its own: sum them.":
        lambda gradient, shape: gradient[(0,) * (gradient.ndim - len(shape))][
            tuple(slice(n) for n in shape)],
        "The numbers are cut or laid out anew, not added up. Sum over the axes that broadcasting "
        "stretched.": lambda gradient, shape: np.resize(gradient, shape),
        "The sum runs over every axis. Sum only over those that broadcasting added or stretched.":
        lambda gradient, shape: np.broadcast_to(gradient.sum(), shape),
        "Shapes are compared from the last axis back, so the missing axes are the first ones, not "
        "the last.":
        lambda gradient, shape: gradient.sum(axis=tuple(range(len(shape), gradient.ndim))),
        "This sums axis 0 whatever `shape` is. Which axes to sum depends on `shape`.":
        lambda gradient, shape: gradient.sum(axis=0),
    },
)  # fmt: skip


def adam_step(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * gradient
    v = beta2 * state["v"] + (1 - beta2) * gradient**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return parameter - lr * m_hat / (v_hat**0.5 + epsilon), {"m": m, "v": v, "t": t}


def _adam_case(seed: int, t: int, lr: float, *others: float) -> tuple:
    w, g, m, v = _array(4, 3, seed=seed)
    state = {"m": m, "v": v**2, "t": t} if t else {"m": 0.0, "v": 0.0, "t": 0}
    return w, g, state, lr, *others


def _adam_formulas(m, v, parameter, state, lr, beta1, beta2, epsilon):
    t = state["t"] + 1
    with np.errstate(invalid="ignore"):
        step = m / (1 - beta1**t) / ((v / (1 - beta2**t)) ** 0.5 + epsilon)
    return parameter - lr * step, {"m": m, "v": v, "t": t}


def _gradient_not_squared(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = beta1 * state["m"] + (1 - beta1) * gradient
    v = beta2 * state["v"] + (1 - beta2) * gradient
    return _adam_formulas(m, v, parameter, state, lr, beta1, beta2, epsilon)


def _weights_swapped(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = (1 - beta1) * state["m"] + beta1 * gradient
    v = (1 - beta2) * state["v"] + beta2 * gradient**2
    return _adam_formulas(m, v, parameter, state, lr, beta1, beta2, epsilon)


def _other_form(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    _, new = adam_step(parameter, gradient, state, lr, beta1, beta2, epsilon)
    size = lr * (1 - beta2 ** new["t"]) ** 0.5 / (1 - beta1 ** new["t"])
    return parameter - size * new["m"] / (new["v"] ** 0.5 + epsilon), new


def _not_counted(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    _, new = adam_step(parameter, gradient, state, lr, beta1, beta2, epsilon)
    with np.errstate(divide="ignore", invalid="ignore"):
        m_hat = new["m"] / np.float64(1 - beta1 ** state["t"])
        v_hat = new["v"] / np.float64(1 - beta2 ** state["t"])
        return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new


def _beta_times_t(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    _, new = adam_step(parameter, gradient, state, lr, beta1, beta2, epsilon)
    m_hat, v_hat = new["m"] / (1 - beta1 * new["t"]), new["v"] / (1 - beta2 * new["t"])
    with np.errstate(invalid="ignore"):
        return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new


def _uncorrected(parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    _, new = adam_step(parameter, gradient, state, lr, beta1, beta2, epsilon)
    return parameter - lr * new["m"] / (new["v"] ** 0.5 + epsilon), new


define(
    "primer.adam_step",
    adam_step,
    minutes=8,
    level="medium",
    hints=[
        "Count first: t is the old count plus 1. m and v are running means of the gradient and of "
        "its square; the new gradient enters with weight 1 − β.",
        "m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the start at zero. The state keeps m and v, "
        "without the correction.",
        "parameter - lr * m_hat / (v_hat**0.5 + epsilon), and {\"m\": m, \"v\": v, \"t\": t}.",
    ],
    cases=lambda: [
        _adam_case(0, 0, 0.1),
        _adam_case(1, 3, 0.01),
        _adam_case(2, 1, 0.5, 0.8, 0.9),
        _adam_case(3, 0, 0.1, 0.9, 0.999, 0.5),
    ],
    mistakes={
        "The bias correction is missing: m and v start at 0 and are too small at first. Divide "
        "them by 1 − βᵗ.": _uncorrected,
        "m is not corrected: divide it by 1 − β₁ᵗ.": (" / (1 - beta1**t)", ""),
        "v is not corrected: divide it by 1 − β₂ᵗ.": (" / (1 - beta2**t)", ""),
        "The sign is the other way round: this climbs. Subtract the step.":
        ("parameter - lr", "parameter + lr"),
        "The root is missing: divide by the square root of v̂.": ("v_hat**0.5", "v_hat"),
        "v is the running mean of the squared gradient: gradient**2.": _gradient_not_squared,
        "ε belongs outside the root: divide by √v̂ + ε, as the paper and torch do.":
        ("(v_hat**0.5 + epsilon)", "(v_hat + epsilon)**0.5"),
        "t is not counted up before it is used: the first step has t = 1.":
        ("(v_hat**0.5 + epsilon), {\"m\": m, \"v\": v, \"t\": t}",
         "(v_hat**0.5 + epsilon), {\"m\": m, \"v\": v, \"t\": t - 1}"),
        "The state holds the corrected m̂ and v̂. Keep m and v: the correction is made anew at each "
        "step.": ("{\"m\": m, \"v\": v,", "{\"m\": m_hat, \"v\": v_hat,"),
        "β₁ and β₂ are in each other's place: β₁ belongs to m, β₂ to v.":
        lambda parameter, gradient, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8: adam_step(
            parameter, gradient, state, lr, beta2, beta1, epsilon),
        "The weights are the other way round: the old mean has weight β, the new gradient 1 − β.":
        _weights_swapped,
        "The step uses the gradient itself; Adam steps along m̂, its running mean.":
        ("lr * m_hat", "lr * gradient"),
        "The new gradient needs its weight 1 − β₁ in m.": ("(1 - beta1) * gradient", "gradient"),
        "The learning rate is not used.": ("lr * ", ""),
        "ε stands beside the uncorrected √v here: the other form in the paper. Algorithm 1 and "
        "torch divide by √v̂ + ε.": _other_form,
        "The correction uses the old count; in the first step that is 0, and 1 − β⁰ is 0. Count "
        "first: t = state[\"t\"] + 1.": _not_counted,
        "β is raised to the power t: beta1**t, not beta1 * t.": _beta_times_t,
    },
)  # fmt: skip


def cross_entropy(logits, labels):
    log_total = torch.logsumexp(logits, dim=1)
    of_label = logits[torch.arange(len(labels)), labels]
    return (log_total - of_label).mean()


def _one_maximum(logits, labels):
    shifted = logits - logits.max()
    of_label = shifted[torch.arange(len(labels)), labels]
    return (shifted.exp().sum(dim=1).log() - of_label).mean()


define(
    "primer.cross_entropy",
    cross_entropy,
    minutes=7,
    level="medium",
    hints=[
        "For one picture: −log softmax(logits)[label] = log Σ exp(logits) − logits[label].",
        "torch.logsumexp(logits, dim=1) is the first part, and never overflows.",
        "logits[torch.arange(len(labels)), labels] picks one logit a row. Then the mean over rows.",
    ],
    cases=lambda: [
        (_normal(5, 4), torch.tensor([0, 3, 1, 1, 2])),
        (3 * _normal(6, 3, seed=1) - 2, torch.tensor([2, 0, 1, 2, 0, 0])),
        (200 * _normal(4, 10, seed=2) + 50, torch.tensor([9, 0, 4, 4])),
        (_normal(3, 3, seed=3).double(), torch.tensor([1, 1, 0])),
        (torch.tensor([[200.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
    ],
    gradients=True,
    mistakes={
        "The sign is the other way round: this is the mean log-probability, and a loss must fall "
        "when it rises.": lambda logits, labels: -cross_entropy(logits, labels),
        "This adds the rows up. The mean over the batch is asked for.": ("mean", "sum"),
        "One number for the batch is asked for: take the mean over the rows.": (".mean()", ""),
        "The sum of exponentials must run over the classes, dim=1, not over the batch.":
        lambda logits, labels: -logits.log_softmax(dim=0)[torch.arange(len(labels)), labels].mean(),
        "The normalization is missing: a logit is no log-probability until log Σ exp(logits) is "
        "subtracted.": lambda logits, labels: -logits[torch.arange(len(labels)), labels].mean(),
        "This is minus the probability of the label. Its logarithm is missing.":
        lambda logits, labels: -logits.softmax(1)[torch.arange(len(labels)), labels].mean(),
        "This takes the logarithm of the mean probability. Take the mean of the logarithms.":
        lambda logits, labels: -logits.softmax(1)[torch.arange(len(labels)), labels].mean().log(),
        "exp of a large logit overflows, and the result is NaN. torch.logsumexp stays finite.":
        lambda logits, labels: -(logits.exp() / logits.exp().sum(1, keepdim=True))[
            torch.arange(len(labels)), labels].log().mean(),
        "The formula is right, but exp of a large logit overflows, and the result is infinite. "
        "torch.logsumexp(logits, dim=1) computes the same and stays finite.":
        lambda logits, labels: (
            logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean(),
        "softmax first, then the logarithm: for large logits the probability rounds to 0, and "
        "log 0 is −∞. Use logsumexp or log_softmax.": lambda logits, labels: -logits.softmax(1)[
            torch.arange(len(labels)), labels].log().mean(),
        "A small number inside the log hides the rounding: the loss cannot exceed −log of it. Use "
        "logsumexp or log_softmax.": lambda logits, labels: -(
            logits.softmax(1)[torch.arange(len(labels)), labels] + 1e-9).log().mean(),
        "One maximum for the whole batch is too large for the other rows: their exponentials round "
        "to 0. Take each row's own, logits.amax(dim=1, keepdim=True), or torch.logsumexp.":
        _one_maximum,
        "This applies softmax twice: torch's cross_entropy takes logits, not probabilities.":
        lambda logits, labels: cross_entropy(logits.softmax(dim=1), labels),
        "This divides by the number of classes, too. The mean runs over the pictures only.":
        lambda logits, labels: cross_entropy(logits, labels) / logits.shape[1],
        "The logarithm here has base 2. In this course logarithms are natural.":
        lambda logits, labels: cross_entropy(logits, labels) / math.log(2),
        "The row of labels picks whole rows here. Pair each row with its label: "
        "logits[torch.arange(len(labels)), labels].":
        lambda logits, labels: (torch.logsumexp(logits, dim=1) - logits[:, labels]).mean(),
    },
)  # fmt: skip


def conv2d(images, filters, bias):
    size = filters.shape[-1]
    windows = images.unfold(2, size, 1).unfold(3, size, 1)
    maps = torch.einsum("bchwij,ocij->bohw", windows, filters)
    return maps + bias[:, None, None]


define(
    "primer.conv2d",
    conv2d,
    minutes=12,
    level="hard",
    hints=[
        "The output has height H − k + 1: as many places as the k by k window fits into.",
        "For one place (i, j): the window images[:, :, i:i+k, j:j+k] has shape (B, C, k, k). "
        "Multiply it with one filter (C, k, k) and sum over C, k, k.",
        "All filters at once: torch.einsum(\"bcij,ocij->bo\", window, filters) + bias. Collect the "
        "places with torch.stack, and mind the order of the axes.",
    ],
    cases=lambda: [
        (_normal(2, 3, 6, 5), _normal(4, 3, 3, 3, seed=1), _normal(4, seed=2)),
        (_normal(1, 1, 5, 5, seed=3), _normal(2, 1, 2, 2, seed=4), torch.zeros(2)),
        (_normal(3, 2, 4, 7, seed=5), _normal(1, 2, 1, 1, seed=6), _normal(1, seed=7)),
        tuple(_normal(*s, seed=8).double() for s in [(2, 2, 4, 5), (3, 2, 2, 2), (3,)]),
    ],
    gradients=True,
    mistakes={
        "The bias is not added.": (" + bias[:, None, None]", ""),
        "The filters are turned around. That is the mathematicians' convolution; in deep learning "
        "the filter is laid on as it is.":
        lambda images, filters, bias: conv2d(images, filters.flip(2, 3), bias),
        "Rows and columns of the filter are exchanged.": ("ocij", "ocji"),
        "This averages over the window. A convolution adds the products up.":
        lambda images, filters, bias: conv2d(images, filters / filters[0].numel(), bias),
        "This averages over the input channels. Their products are added up.":
        lambda images, filters, bias: conv2d(images, filters / filters.shape[1], bias),
        "Only the first input channel is used. Sum over all C channels.": lambda images, filters,
        bias: conv2d(images[:, :1], filters[:, :1], bias),
        "The edges are padded here, so that the maps keep the size of the image. No padding is "
        "asked for: height H − k + 1.": lambda images, filters, bias:
        torch.nn.functional.conv2d(images, filters, bias, padding="same"),
        "The last row and column of places are missing: the window fits H − k + 1 times.":
        lambda images, filters, bias: conv2d(images, filters, bias)[:, :, :-1, :-1],
        "Windows may overlap: move by one pixel, not by k.": lambda images, filters, bias:
        torch.nn.functional.conv2d(images, filters, bias, stride=filters.shape[-1]),
        "Rows and columns of the maps are exchanged.": ("bohw", "bowh"),
        "The axes are in another order: (B, O, height, width) is asked for.": lambda images,
        filters, bias: conv2d(images, filters, bias).permute(0, 2, 3, 1),
        "The bias enters with the wrong sign.": ("+ bias", "- bias"),
        "The numbers are right, but the output must have the dtype of the images: "
        "torch.zeros(…, dtype=images.dtype), or torch.stack.":
        lambda images, filters, bias: conv2d(images, filters, bias).float(),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 03 probability and latents


def kl_discrete(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def _table(*weights: float) -> torch.Tensor:
    return torch.tensor(weights) / sum(weights)  # default dtype: double in the lesson


def _must_be_right(reference, *cases: tuple, says: str):
    """A check for a trap that has many ways in, and one thing to say about all of them."""

    def check(answer) -> None:
        for case in cases:
            if not torch.allclose(answer(*case).double(), reference(*case).double(), atol=1e-4):
                raise Refused(says)

    return check


define(
    "latents.kl_discrete",
    kl_discrete,
    minutes=5,
    level="easy",
    hints=[
        "KL(p ‖ q) is the sum over k of p_k (log p_k − log q_k), with natural logarithms.",
        "0 times −∞ is NaN. torch.xlogy(p, q) computes p log q, and gives 0 where p is 0.",
        "Then the sum is (torch.xlogy(p, p) - torch.xlogy(p, q)).sum().",
    ],
    cases=lambda: [
        (_table(4, 2, 1, 1), _table(1, 1, 3, 5)),
        (_table(3, 0, 1), _table(1, 2, 2)),
        (_table(2, 0, 6), _table(4, 0, 4)),
    ],
    checks=[
        _must_be_right(
            kl_discrete, (_table(1, 1, 2), _table(1, 0, 1)),
            says="With p = (¼, ¼, ½) and q = (½, 0, ½) the divergence is infinite: the second "
            "outcome comes, and q calls it impossible. Is a small number added inside a "
            "logarithm, or is an infinite value replaced?",
        )
    ],
    mistakes={
        "This is KL(q ‖ p). The data come from p: its probabilities weigh the sum.":
        lambda p, q: kl_discrete(q, p),
        "The sign is the other way round. A divergence is never negative.":
        lambda p, q: -kl_discrete(p, q),
        "This is the cross entropy H(p, q). Subtract the entropy of p, which is −Σ p log p.":
        ("torch.xlogy(p, p) - torch.xlogy(p, q)", "-torch.xlogy(p, q)"),
        "This is the cross entropy with the wrong sign: Σ p log q. The KL is Σ p (log p − log q).":
        lambda p, q: torch.xlogy(p, q).sum(),
        "This is the entropy of p; q is not used.": lambda p, q: -torch.xlogy(p, p).sum(),
        "The logarithm is to base 2 here, which gives bits. Nats are asked for: torch.log.":
        lambda p, q: kl_discrete(p, q) / math.log(2),
        "This is the mean over the outcomes. The probabilities weigh them already: sum.":
        ("sum", "mean"),
        "The sum is missing: this is the share of each outcome.": (".sum()", ""),
        "The probabilities p do not weigh the sum: each term is p_k (log p_k − log q_k).":
        lambda p, q: (p.log() - q.log()).sum(),
        "This is p times p / q: the logarithm is missing.": lambda p, q: (p * p / q).sum(),
        "Where p is 0 this computes 0 · log 0, which is NaN. Such outcomes cost nothing: "
        "torch.xlogy, or torch.where(p > 0, …, 0).": lambda p, q: (p * (p / q).log()).sum(),
        "A small number is added to q, so an outcome that q calls impossible costs little. It must "
        "cost infinitely much.":
        lambda p, q: (torch.xlogy(p, p) - torch.xlogy(p, q + 1e-3)).sum(),
    },
)  # fmt: skip


def effective_sample_size(log_weights):
    w = torch.softmax(log_weights, dim=0)
    return 1 / (w**2).sum()


define(
    "latents.effective_sample_size",
    effective_sample_size,
    minutes=8,
    level="medium",
    hints=[
        "A common factor of all weights cancels: (Σ w)² / Σ w² is the same for w and for w / Σ w.",
        "So you may subtract the largest log weight first, and then exp is safe.",
        "torch.softmax(log_weights, dim=0) gives weights that sum to 1. With these the formula "
        "becomes 1 / Σ w².",
    ],
    cases=lambda: [
        (_normal(6),),
        (torch.zeros(5),),
        (3 * _normal(40, seed=1) - 900,),
        (_normal(8, seed=2) + 800,),
    ],
    checks=[
        _must_be_right(
            effective_sample_size,
            (torch.tensor([-2000.0, 0, -2000, -1]).double(),),
            (torch.tensor([0, -2000.0, -2000]).double(),),
            says="With log weights of −2000 and 0, exp overflows or all weights round to 0. Before "
            "exp, subtract the largest log weight; the smallest, the mean or the first will not "
            "do. torch.softmax does it for you.",
        )
    ],
    mistakes={
        "exp(log_weights) rounds to 0 here (or overflows). Subtract the largest log weight first, "
        "or use torch.softmax or torch.logsumexp.":
        lambda log_weights: log_weights.exp().sum() ** 2 / (log_weights.exp() ** 2).sum(),
        "This is the logarithm of the effective sample size: one exp is missing.":
        lambda log_weights: effective_sample_size(log_weights).log(),
        "This is Σ w² of the normalized weights. The effective sample size is its inverse.":
        ("1 / (w**2).sum()", "(w**2).sum()"),
        "The weights are given as logarithms: this uses the logarithms themselves.":
        lambda log_weights: log_weights.sum() ** 2 / (log_weights**2).sum(),
        "This squares the logarithm. The logarithm of w² is 2 log w.":
        lambda log_weights: (2 * log_weights.logsumexp(0) - (log_weights**2).logsumexp(0)).exp(),
        "This is the share of the samples, ESS / S. The number itself is asked for.":
        lambda log_weights: effective_sample_size(log_weights) / len(log_weights),
        "The square of the sum is missing: it is (Σ w)², not Σ w.":
        lambda log_weights: (w := (log_weights - log_weights.max()).exp()).sum() / (w**2).sum(),
        "This is 1 whatever the weights are. The formula divides by Σ w²: square first, then sum.":
        ("(w**2).sum()", "w.sum() ** 2"),
        "This is 1 over the largest share. All weights count: 1 / Σ w² of the shares.":
        ("(w**2).sum()", "w.max()"),
        "This is exp of the entropy of the weights, another measure. (Σ w)² / Σ w² is asked for.":
        lambda log_weights: (-torch.xlogy(w := torch.softmax(log_weights, 0), w).sum()).exp(),
    },
)  # fmt: skip


def responsibilities(log_weights, log_densities):
    return torch.softmax(log_weights + log_densities, dim=1)


define(
    "latents.responsibilities",
    responsibilities,
    minutes=5,
    level="easy",
    hints=[
        "Bayes' rule: weight times density, divided by the sum of these over the groups.",
        "In logarithms the product is a sum, log_weights + log_densities: (K,) + (N, K).",
        "exp of it, divided by its sum over the groups, is a softmax over dim=1.",
    ],
    cases=lambda: [
        (_table(1, 2, 5).log(), _normal(4, 3)),
        (_table(1, 1).log(), 5 * _normal(3, 2, seed=1)),
        (_table(6, 1, 1).log(), 3 * _normal(5, 3, seed=2) - 900),
        (_table(1, 4).log(), _normal(2, 2, seed=3) + 500),
    ],
    checks=[
        _must_be_right(
            responsibilities,
            (
                _table(1, 3).log().double(),
                torch.tensor([[0, -2000.0], [-2000, 0], [-5000, -5001]]).double(),
            ),
            says="With rows as far apart as (0, −2000) and (−5000, −5001), exp overflows or a row "
            "rounds to 0. Before exp, subtract the largest value of each point's own row, "
            "dim=1; any other shift fails for some rows. torch.softmax does it for you.",
        )
    ],
    mistakes={
        "The weights of the groups are not used: a large group takes more of the points.":
        ("log_weights + ", ""),
        "The densities are not used: these are the weights alone.":
        lambda log_weights, log_densities: torch.softmax(
            log_weights.expand_as(log_densities), dim=1),
        "Here each group's column sums to 1 over the points. Each point's row must sum to 1 over "
        "the groups: dim=1.": ("dim=1", "dim=0"),
        "This sums over points and groups together. Each point's row sums to 1: dim=1.":
        lambda log_weights, log_densities: torch.softmax(
            (log_weights + log_densities).flatten(), 0).view_as(log_densities),
        "These are the logarithms of the responsibilities: exp is missing, or softmax in place of "
        "log_softmax.": ("torch.softmax", "torch.log_softmax"),
        "The weights enter as they are; they are logarithms already, so add them.":
        ("log_weights +", "log_weights.exp() +"),
        "Logarithms are multiplied here. The product of weight and density is the sum of their "
        "logarithms.": ("log_weights +", "log_weights *"),
        "This subtracts the weights. Multiply by the weight: add its logarithm.":
        ("log_weights + log_densities", "log_densities - log_weights"),
        "The division by the sum over the groups is missing.":
        ("torch.softmax(log_weights + log_densities, dim=1)",
         "(log_weights + log_densities).exp()"),
        "exp rounds to 0 (or overflows) before you divide. torch.softmax subtracts the largest "
        "value of each row first.":
        lambda log_weights, log_densities: (w := (log_weights + log_densities).exp())
        / w.sum(dim=1, keepdim=True),
        "The rows do not sum to 1. Multiply weight and density first, then divide by the sum.":
        lambda log_weights, log_densities: torch.softmax(log_weights, 0)
        * torch.softmax(log_densities, 1),
        "This divides the logarithms by their sum. Take exp first: torch.softmax.":
        lambda log_weights, log_densities: (w := log_weights + log_densities)
        / w.sum(dim=1, keepdim=True),
        "This gives each point to one group. Responsibilities are shares: torch.softmax.":
        lambda log_weights, log_densities: torch.eye(
            len(log_weights), dtype=log_densities.dtype
        )[(log_weights + log_densities).argmax(dim=1)],
    },
)  # fmt: skip


def score_gradient(values, z, mu, baseline):
    return (values - baseline)[:, None] * (z - mu)


define(
    "latents.score_gradient",
    score_gradient,
    minutes=8,
    level="medium",
    hints=[
        "For each draw: its value less the baseline, times the score of the draw, z − mu.",
        "values is (S,) and z − mu is (S, D): give values a second dimension, values[:, None].",
        "Return all S estimates; whoever calls takes the mean.",
    ],
    cases=lambda: [
        (_normal(4, seed=3), _normal(4, 4, seed=4), _normal(4), -1.5),
        (_normal(5), _normal(5, 3, seed=1), _normal(3, seed=2), 0.7),
        (_normal(6, seed=5), _normal(6, 1, seed=6), torch.zeros(1), 0.0),
    ],
    mistakes={
        "The baseline is not used: subtract it from the values.": (" - baseline", ""),
        "The baseline is added. Subtract it: values − baseline.": ("- baseline", "+ baseline"),
        "The sign is the other way round: the score is z − mu, so that good draws pull mu towards "
        "them.": ("(z - mu)", "(mu - z)"),
        "mu is not subtracted: the score of a draw is z − mu.": ("(z - mu)", "z"),
        "This is the mean over the draws. Return the estimate of each draw, (S, D).":
        ("(values - baseline)[:, None] * (z - mu)",
         "((values - baseline)[:, None] * (z - mu)).mean(dim=0)"),
        "This sums over the draws. Return the estimate of each draw, (S, D).":
        ("(values - baseline)[:, None] * (z - mu)",
         "((values - baseline)[:, None] * (z - mu)).sum(dim=0)"),
        "This sums over the components. The gradient has D of them: keep (S, D).":
        ("* (z - mu)", "* (z - mu).sum(dim=1, keepdim=True)"),
        "This sums over the components, and leaves one number for each draw. Keep (S, D).":
        ("[:, None] * (z - mu)", " * (z - mu).sum(dim=1)"),
        "The baseline is subtracted from the product. It belongs to the value: (f − b)(z − mu).":
        ("(values - baseline)[:, None] * (z - mu)", "values[:, None] * (z - mu) - baseline"),
        "The values are missing: this is the score alone, whose mean is 0.":
        ("(values - baseline)[:, None] * ", ""),
        "The value of draw s must multiply row s. Here it multiplies column s: values[:, None].":
        ("[:, None]", ""),
        "The score is z − mu. This multiplies by the logarithm of the density instead.":
        ("(z - mu)", "(-0.5 * (z - mu) ** 2)"),
        "This multiplies by the log density. The score is its slope with respect to mu, z − mu.":
        ("(z - mu)", "torch.distributions.Normal(mu, 1.0).log_prob(z)"),
        "The score is squared here: it is z − mu.": ("(z - mu)", "(z - mu) ** 2"),
        "This divides by the number of draws: the caller takes the mean.":
        ("(z - mu)", "(z - mu) / len(z)"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 04 early generative nets


def _signs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.where(_normal(*shape, seed=seed) > 0, 1.0, -1.0)


def hebb(patterns):
    weights = patterns.T @ patterns / patterns.shape[1]
    return weights - torch.diag(weights.diagonal())


define(
    "energy.hebb",
    hebb,
    minutes=5,
    level="easy",
    hints=[
        "The sum over patterns of x_i x_j is a product of two matrices, one of them transposed.",
        "patterns.T @ patterns is (N, N). Divide it by N, the number of units.",
        "fill_diagonal_(0) sets the diagonal of a new matrix to zero. A mask from torch.eye needs "
        "device=patterns.device.",
    ],
    cases=lambda: [(_signs(3, 5),), (_signs(6, 4, seed=1),), (_signs(1, 7, seed=2),)],
    mistakes={
        "The diagonal must be zero: no unit is joined to itself.":
        (" - torch.diag(weights.diagonal())", ""),
        "This divides by the number of patterns. Hebb's rule divides by the number of units, "
        "patterns.shape[1].": ("shape[1]", "shape[0]"),
        "This divides by the number of patterns, and the diagonal is not zero. Divide by the "
        "number of units, patterns.shape[1], and set the diagonal to zero.":
        lambda patterns: patterns.T @ patterns / len(patterns),
        "Only the last pattern is stored. Add the patterns up: weights += torch.outer(x, x).":
        lambda patterns: hebb(patterns[-1:]),
        "This is the covariance of the units. Hebb's rule subtracts no mean, and divides by the "
        "number of units.": lambda patterns: torch.cov(patterns.T),
        "The division by the number of units is missing.": (" / patterns.shape[1]", ""),
        "The sign is the other way round: stored patterns would be hills, not valleys.":
        ("patterns.T @", "-patterns.T @"),
        "This is (P, P), the overlaps of patterns. The weights join units: patterns.T @ patterns.":
        ("patterns.T @ patterns", "patterns @ patterns.T"),
        "Only the diagonal is left here. It is the diagonal that must be zero.":
        ("weights - torch", "torch"),
        "This sets one triangle to zero. Weights are symmetric: only the diagonal is zero.":
        lambda patterns: hebb(patterns).triu(),
        "This subtracts 1 from the diagonal, which is P/N and not 1. Set it to zero.":
        lambda patterns: patterns.T @ patterns / patterns.shape[1] - torch.eye(patterns.shape[1]),
        "This subtracts 1 from the diagonal before the division; the diagonal of the sum is P.":
        lambda patterns:
        (patterns.T @ patterns - torch.eye(patterns.shape[1])) / patterns.shape[1],
        "This divides by the number of units and of patterns. Hebb's rule adds the patterns up: "
        "divide by the number of units only.":
        lambda patterns: hebb(patterns) / len(patterns),
    },
)  # fmt: skip


def free_energy(v, W, b, c):
    return -v @ b - torch.nn.functional.softplus(v @ W + c).sum(dim=1)


def _rbm(n: int, p: int, h: int, seed: int = 0, scale: float = 1.0) -> tuple:
    v = (_normal(n, p, seed=seed) > 0).float()
    sizes = [(p, h), (p,), (h,)]
    return v, *(scale * _normal(*size, seed=seed + k) for k, size in enumerate(sizes, 1))


define(
    "energy.free_energy",
    free_energy,
    minutes=5,
    level="medium",
    hints=[
        "Take −log of the middle formula: the product becomes a sum over the hidden units.",
        "F(v) = −bᵀv − Σ_j log(1 + exp(c_j + (vᵀW)_j)). v @ W + c has shape (B, H).",
        "F.softplus(v @ W + c) is the logarithm, safe for large numbers. Sum over dim=1.",
    ],
    cases=lambda: [_rbm(4, 5, 3), _rbm(3, 4, 4, seed=5), _rbm(3, 6, 4, seed=9, scale=60),
                   tuple(part.double() for part in _rbm(3, 5, 4, seed=15))],
    gradients=True,
    mistakes={
        "This is exp(−F(v)), the product of the formula. F(v) is −log of it.":
        lambda v, W, b, c: torch.exp(-free_energy(v, W, b, c)),
        "The sign is the other way round: this is −F(v), the logarithm of p(v) without Z.":
        lambda v, W, b, c: -free_energy(v, W, b, c),
        "The sign of the visible term is wrong: it is −bᵀv.": ("-v @ b", "v @ b"),
        "The sign of the hidden term is wrong: subtract the softplus.": ("b - torch", "b + torch"),
        "The visible term −bᵀv is missing.": ("-v @ b - torch", "-torch"),
        "The hidden bias c is missing inside the softplus.": (" + c", ""),
        "This averages over the hidden units; their terms add up: sum over dim=1.":
        ("sum", "mean"),
        "This is one number for the whole batch. Keep one per picture: sum over dim=1 only.":
        lambda v, W, b, c: free_energy(v, W, b, c).sum(),
        "This averages over the batch. Keep one number per picture.":
        lambda v, W, b, c: free_energy(v, W, b, c).mean(),
        "This is the energy of the probabilities p(h | v), not the free energy: that sums over all "
        "hidden states, which gives a softplus.":
        lambda v, W, b, c: -v @ b - (torch.sigmoid(v @ W + c) * (v @ W + c)).sum(dim=1),
        "This takes the larger of 0 and each input, as for the best hidden state alone. The sum "
        "over both values of each hidden unit gives softplus.":
        lambda v, W, b, c: -v @ b - (v @ W + c).clamp(min=0).sum(dim=1),
        "exp overflows for large inputs: log(1 + exp(x)) becomes infinite. F.softplus(x) does not.":
        lambda v, W, b, c: -v @ b - torch.log(1 + torch.exp(v @ W + c)).sum(dim=1),
        "This sums first and takes softplus of the sum. Each hidden unit has its own softplus; "
        "then sum.":
        lambda v, W, b, c: -v @ b - torch.nn.functional.softplus((v @ W + c).sum(dim=1)),
    },
)  # fmt: skip


def cd_gradient(v, v_chain, W, c):
    h, h_chain = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
    to_W = v.T @ h / len(v) - v_chain.T @ h_chain / len(v_chain)
    to_b = v.mean(dim=0) - v_chain.mean(dim=0)
    to_c = h.mean(dim=0) - h_chain.mean(dim=0)
    return to_W, to_b, to_c


def _cd_case(n: int, m: int, seed: int) -> tuple:
    v, W, _, c = _rbm(n, 5, 3, seed=seed)
    return v, _rbm(m, 5, 3, seed=seed + 7)[0], W, c


def _descent(v, v_chain, W, c):
    return tuple(-part for part in cd_gradient(v, v_chain, W, c))


def _summed(v, v_chain, W, c):
    h, h_chain = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
    to_b, to_c = v.sum(0) - v_chain.sum(0), h.sum(0) - h_chain.sum(0)
    return v.T @ h - v_chain.T @ h_chain, to_b, to_c


def _drawn(v, v_chain, W, c):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)  # as at the first call of an answer
        h, h_chain = (torch.bernoulli(torch.sigmoid(x @ W + c)) for x in (v, v_chain))
    to_W = v.T @ h / len(v) - v_chain.T @ h_chain / len(v_chain)
    return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - h_chain.mean(0)


define(
    "energy.cd_gradient",
    cd_gradient,
    minutes=10,
    level="medium",
    hints=[
        "Compute p(h = 1 | v) for the batch and for the chains: sigmoid(v @ W + c).",
        "The mean over the batch of v pᵀ is v.T @ h / len(v), of shape (N, H).",
        "For b the statistic is v, for c it is h; batch minus chains, each averaged over dim=0.",
    ],
    cases=lambda: [_cd_case(6, 4, seed=0), _cd_case(3, 8, seed=20), _cd_case(5, 5, seed=40)],
    mistakes={
        "All signs are the other way round. The positive phase is the data: batch minus chains.":
        _descent,
        "These are sums over the batch. Average: divide by len(v) and by len(v_chain).": _summed,
        "The hidden units are drawn here. Use their probabilities: the same mean, less noise.":
        _drawn,
        "The part for W is a sum. Divide each phase by its number of pictures.":
        lambda *a: (_summed(*a)[0], *cd_gradient(*a)[1:]),
        "This multiplies two means. The statistic is the mean of the product: v.T @ h / len(v).":
        lambda v, v_chain, W, c: (
            torch.outer(v.mean(0), torch.sigmoid(v @ W + c).mean(0))
            - torch.outer(v_chain.mean(0), torch.sigmoid(v_chain @ W + c).mean(0)),
            *cd_gradient(v, v_chain, W, c)[1:],
        ),
        "This divides both phases by the size of the batch. The chains have their own number, "
        "len(v_chain).": ("/ len(v_chain)", "/ len(v)"),
        "The hidden bias c is missing in p(h | v) of the batch.": ("v @ W + c)", "v @ W)"),
        "The negative phase of W uses the hidden units of the batch; take those of the chains.":
        lambda v, v_chain, W, c: (
            v.T @ torch.sigmoid(v @ W + c) / len(v)
            - v_chain[: min(len(v), len(v_chain))].T
            @ torch.sigmoid(v @ W + c)[: min(len(v), len(v_chain))] / len(v_chain),
            *cd_gradient(v, v_chain, W, c)[1:],
        ),
        "The negative phase of W is missing: subtract the mean over the chains.":
        (" - v_chain.T @ h_chain / len(v_chain)", ""),
        "The two phases of W are added. Subtract the negative phase.":
        ("len(v) - v_chain.T", "len(v) + v_chain.T"),
        "The two phases of b are added. Subtract the negative phase.":
        ("v.mean(dim=0) - v", "v.mean(dim=0) + v"),
        "The two phases of c are added. Subtract the negative phase.":
        ("h.mean(dim=0) - h", "h.mean(dim=0) + h"),
        "The parts for b and c are in each other's place: first b, shape (N,), then c, shape (H,).":
        ("to_W, to_b, to_c", "to_W, to_c, to_b"),
        "The part for W is transposed: W has shape (N, H), so v.T @ h.":
        ("return to_W,", "return to_W.T,"),
        "The sigmoid is missing: v @ W + c are logits, and the statistics need probabilities.":
        lambda v, v_chain, W, c: (
            v.T @ (v @ W + c) / len(v) - v_chain.T @ (v_chain @ W + c) / len(v_chain),
            v.mean(0) - v_chain.mean(0), (v @ W + c).mean(0) - (v_chain @ W + c).mean(0),
        ),
    },
)  # fmt: skip


def ais_step(v, W, b, c, base, beta, beta_next):
    def log_p(beta):
        hidden = torch.nn.functional.softplus(beta * (v @ W + c)).sum(dim=1)
        return (1 - beta) * (v @ base) + beta * (v @ b) + hidden

    return log_p(beta_next) - log_p(beta)


def _log_p(v, W, b, c, base, beta):
    hidden = torch.nn.functional.softplus(beta * (v @ W + c)).sum(dim=1)
    return (1 - beta) * (v @ base) + beta * (v @ b) + hidden


def _ais_case(n: int, beta: float, beta_next: float, seed: int = 0, scale: float = 1) -> tuple:
    return *_rbm(n, 5, 3, seed=seed, scale=scale), _normal(5, seed=seed + 9), beta, beta_next


define(
    "energy.ais_step",
    ais_step,
    minutes=8,
    level="medium",
    hints=[
        "Write the formula for one β as a function of its own, and take the difference of two.",
        "a is `base`: (1 − β) · (v @ base) + β · (v @ b) + the sum over hidden units.",
        "Inside the last logarithm stands β times (v @ W + c): F.softplus(beta * (v @ W + c)).",
    ],
    cases=lambda: [
        _ais_case(4, 0.2, 0.5, seed=1),
        _ais_case(6, 0.0, 1.0, seed=20),
        _ais_case(3, 0.9, 0.7, seed=40),
        _ais_case(3, 0.4, 1.0, seed=64, scale=60),
    ],
    mistakes={
        "This divides one logarithm by the other. The logarithm of a ratio is a difference.":
        lambda *a: _log_p(*a[:5], a[6]) / _log_p(*a[:6]),
        "This is the weight; its logarithm is asked for: leave out exp.":
        lambda *a: torch.exp(ais_step(*a)),
        "softplus of a difference is not the difference of two softplus.":
        lambda v, W, b, c, base, beta, beta_next: (beta_next - beta) * (v @ (b - base))
        + torch.nn.functional.softplus((beta_next - beta) * (v @ W + c)).sum(dim=1),
        "exp overflows for large inputs. F.softplus(x) is log(1 + exp(x)), and does not.":
        lambda v, W, b, c, base, beta, beta_next: (beta_next - beta) * (v @ (b - base)) + sum(
            sign * torch.log(1 + torch.exp(t * (v @ W + c))).sum(dim=1)
            for sign, t in ((1, beta_next), (-1, beta))
        ),
        "The sign is the other way round: log p* at beta_next minus log p* at beta.":
        ("log_p(beta_next) - log_p(beta)", "log_p(beta) - log_p(beta_next)"),
        "β stands before the softplus here, and belongs inside: the Gibbs sweep scales the input "
        "of each hidden unit by β.":
        ("torch.nn.functional.softplus(beta * (v", "beta * torch.nn.functional.softplus((v"),
        "b and base are in each other's place: β = 0 is the independent pixels, `base`.":
        lambda v, W, b, c, base, beta, beta_next: ais_step(v, W, base, c, b, beta, beta_next),
        "β is missing inside the softplus, so the hidden term never changes.":
        ("beta * (v @ W", "(v @ W"),
        "β multiplies v @ W and not c. Both are scaled: beta * (v @ W + c).":
        ("beta * (v @ W + c)", "beta * (v @ W) + c"),
        "The term of the independent pixels, (1 − β) aᵀv, is missing, or its factor is: then it "
        "cancels.":
        ("(1 - beta) * (v @ base) + ", ""),
        "The independent pixels have the factor β; it is 1 − β.":
        ("(1 - beta) *", "beta *"),
        "The visible term β bᵀv is missing, or its factor β is: then it cancels.":
        (" + beta * (v @ b)", ""),
        "The term bᵀv has the wrong sign. −F(v) contains +bᵀv.": ("+ beta * (v", "- beta * (v"),
        "The hidden term has the wrong sign. −F(v) contains +softplus.":
        ("+ hidden", "- hidden"),
        "This is log p* at beta_next alone; subtract log p* at beta.":
        ("log_p(beta_next) - log_p(beta)", "log_p(beta_next)"),
        "This averages over the hidden units; their terms add up.": ("sum", "mean"),
        "This is one number for all chains together. Keep one per chain.":
        ("log_p(beta_next) - log_p(beta)", "(log_p(beta_next) - log_p(beta)).sum()"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 05 autoencoders


def principal_angles(a, b):
    q_a, q_b = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    cosines = torch.linalg.svdvals(q_a.T @ q_b)
    return torch.acos(cosines.clamp(max=1))


def _bases() -> list[tuple[torch.Tensor, torch.Tensor]]:
    a, b, c = (_normal(6, 2, seed=seed).double() for seed in range(3))
    return [(a, b), (a, a + 0.3 * c), (_normal(9, 3, seed=3).double(), 2 * _normal(9, 3).double())]


def _check_equal_spaces(answer) -> None:
    for seed in range(20):  # whether a cosine comes out above 1 is a matter of rounding
        a = _normal(30, 4, seed=seed).double()
        angles = answer(a, a @ _normal(4, 4, seed=50 + seed).double())
        if angles.isnan().any():
            raise Refused(
                "right, but two bases of the same subspace give NaN: rounding lifts a cosine a "
                "little above 1, and no angle has it. clamp(max=1) before torch.acos."
            )
        if not angles.abs().max() < 3e-3:
            raise Refused("two bases of the same subspace: all angles should be 0.")


define(
    "autoencoders.principal_angles",
    principal_angles,
    minutes=7,
    level="medium",
    hints=[
        "torch.linalg.qr(a).Q has columns of length 1, at right angles, that span the same space.",
        "The cosines are the singular values of Q_aᵀ Q_b: torch.linalg.svdvals.",
        "Rounding may lift a cosine a little above 1: clamp(max=1) before torch.acos.",
    ],
    cases=_bases,
    checks=[_check_equal_spaces],
    mistakes={
        "These are the cosines. The angles are asked for: torch.acos.":
        ("torch.acos(cosines.clamp(max=1))", "cosines"),
        "These are degrees. Radians are asked for, as torch.acos gives them.":
        ("torch.acos(cosines.clamp(max=1))", "torch.rad2deg(torch.acos(cosines.clamp(max=1)))"),
        "This is the largest angle only. Return all D of them.":
        ("max=1))", "max=1)).max()"),
        "This is the smallest angle only. Return all D of them.":
        ("max=1))", "max=1)).min()"),
        "The order is the other way round: the smallest angle comes first, as svdvals gives them.":
        ("max=1))", "max=1)).flip(0)"),
        "The columns of a and b are not at right angles to each other, nor of length 1. Take "
        "torch.linalg.qr(…).Q of both first.":
        lambda a, b: torch.acos(torch.linalg.svdvals(a.T @ b).clamp(max=1)),
        "Only the lengths were made 1. The columns must also be at right angles to each other: "
        "torch.linalg.qr(…).Q.":
        lambda a, b: torch.acos(
            torch.linalg.svdvals((a / a.norm(dim=0)).T @ (b / b.norm(dim=0))).clamp(max=1)),
        "These are angles between single columns. The axes may turn inside the subspace: compare "
        "the subspaces, by the singular values of Q_aᵀ Q_b.":
        lambda a, b: torch.acos(torch.cosine_similarity(a, b, dim=0)),
        "This is the diagonal of Q_aᵀ Q_b, which compares axis with axis. Take its singular "
        "values.":
        lambda a, b: torch.acos((torch.linalg.qr(a).Q.T @ torch.linalg.qr(b).Q).diagonal()),
        "Eigenvalues are no singular values, and here not even real: torch.linalg.svdvals.":
        lambda a, b: torch.acos(torch.linalg.eigvals(
            torch.linalg.qr(a).Q.T @ torch.linalg.qr(b).Q).real.clamp(max=1)),
        "The singular values are cosines: torch.acos in place of torch.asin.":
        ("acos", "asin"),
        "These are P angles. The transpose is on the wrong factor: Q_aᵀ Q_b has shape (D, D).":
        ("q_a.T @ q_b", "q_a @ q_b.T"),
        "qr returns Q and R. R holds the lengths and the mixing; the axes are in Q.":
        lambda a, b: torch.acos(torch.linalg.svdvals(
            torch.linalg.qr(a).R.T @ torch.linalg.qr(b).R).clamp(max=1)),
    },
)  # fmt: skip


def psnr(pictures, copies, peak):
    error = (pictures - copies).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(peak**2 / error)


define(
    "autoencoders.psnr",
    psnr,
    minutes=5,
    level="easy",
    hints=[
        "First the mean squared error of each picture: all dimensions but the first.",
        "flatten(1) makes one row of each picture, so that mean(dim=1) takes in all its values.",
        "PSNR = 10 log₁₀(peak² / error). torch.log10 is the logarithm to base 10.",
    ],
    cases=lambda: [
        (_normal(4, 3, 5, 5).sigmoid(), _normal(4, 3, 5, 5, seed=1).sigmoid(), 1.0),
        (255 * _normal(3, 6, 6).sigmoid(), 255 * _normal(3, 6, 6, seed=1).sigmoid(), 255.0),
    ],
    mistakes={
        "This is one number for all pictures together. Each needs its own: mean over all "
        "dimensions but the first.": (".flatten(1).mean(dim=1)", ".mean()"),
        "This takes the mean of the pictures' PSNR. Return one number for each.":
        ("/ error)", "/ error).mean()"),
        "This is the natural logarithm. Decibels have base 10: torch.log10.": ("log10", "log"),
        "This is the logarithm to base 2. Decibels have base 10: torch.log10.": ("log10", "log2"),
        "The factor 10 is missing: this is in bel, and a bel has ten decibels.":
        ("10 * ", ""),
        "The factor is 10 here. It is 20 only with the root of the error: 20 log₁₀(peak / root).":
        ("10 * ", "20 * "),
        "peak must be squared, because the error is: peak² / error.": ("peak**2", "peak"),
        "peak is not used. The same error is less for pictures that go up to 255.":
        ("peak**2", "1"),
        "The peak is the highest value that a pixel can have, as given, not the highest that "
        "these pictures happen to have.":
        lambda pictures, copies, peak: psnr(pictures, copies, pictures.max()),
        "This takes the mean of the differences first, where plus and minus cancel. Square each "
        "difference, then take the mean.":
        lambda pictures, copies, peak: 10 * torch.log10(
            peak**2 / (pictures - copies).flatten(1).mean(dim=1).square()),
        "This averages over the pictures. Keep dimension 0 and average over all others.":
        lambda pictures, copies, peak: 10 * torch.log10(
            peak**2 / (pictures - copies).square().mean(dim=0)),
        "This averages over dimension 1 only. Make one row of each picture first: flatten(1).":
        (".flatten(1).mean(dim=1)", ".mean(dim=1)"),
        "This averages over the last dimension only. Make one row of each picture first: "
        "flatten(1).": (".flatten(1).mean(dim=1)", ".mean(dim=-1)"),
        "The sign is the other way round: less error must give more decibels.":
        ("10 * ", "-10 * "),
        "This sums the squared errors. PSNR is made of their mean.":
        (".mean(dim=1)", ".sum(dim=1)"),
        "This averages the absolute errors. PSNR is made of the squared ones.":
        (".square()", ".abs()"),
        "This takes the root of the error first. Leave it out, or write 20 log₁₀(peak / root).":
        ("/ error)", "/ error.sqrt())"),
        "This is the mean squared error, not yet in decibels: 10 log₁₀(peak² / error).":
        lambda pictures, copies, peak: (pictures - copies).square().flatten(1).mean(dim=1),
    },
)  # fmt: skip


def entropy_bits(codes):
    bits = 0.0
    for column in codes.T:
        _, counts = column.unique(return_counts=True)
        frequencies = counts / len(column)
        bits -= (frequencies * frequencies.log2()).sum().item()
    return bits


def _whole_numbers() -> list[tuple[torch.Tensor]]:
    return [((2 * _normal(20, 3)).round().long(),), (_normal(50, 2, seed=1).round().long(),)]


define(
    "autoencoders.entropy_bits",
    entropy_bits,
    minutes=8,
    level="medium",
    hints=[
        "One column at a time: `for column in codes.T`. Whole numbers may be negative.",
        "column.unique(return_counts=True) gives the values and how often each occurs.",
        "Frequencies are counts / N; a column has −Σ f log₂ f bits. Add the columns up.",
    ],
    cases=_whole_numbers,
    mistakes={
        "These are nats. Bits have the logarithm to base 2: log2.": ("log2", "log"),
        "The sign is the other way round: log₂ of a frequency is negative, and bits are not.":
        ("bits -=", "bits +="),
        "This is the mean over the columns. A picture needs all D of its numbers: add them up.":
        ("return bits", "return bits / codes.shape[1]"),
        "These are the bits of all N pictures. One picture's are asked for.":
        ("return bits", "return bits * len(codes)"),
        "This is one entropy of all columns thrown together. Each column has its own frequencies.":
        lambda codes: entropy_bits(codes.flatten()[:, None]),
        "This pools the columns and then multiplies by D. Each column has its own frequencies, and "
        "then fewer bits.": lambda codes: codes.shape[1] * entropy_bits(codes.flatten()[:, None]),
        "This counts whole rows. With few pictures nearly all rows differ, which tells nothing: "
        "take the columns one by one and add up.":
        lambda codes: entropy_bits(codes.unique(dim=0, return_inverse=True)[1][:, None]),
        "The sum runs over pictures, as if each picture were a column. Columns are codes.T.":
        ("codes.T", "codes"),
        "This gives every value that occurs the same length, log₂ of their number. Frequent values "
        "deserve short names: −Σ f log₂ f.":
        lambda codes: sum(math.log2(len(column.unique())) for column in codes.T),
        "0 · log 0 is NaN: leave out the values that do not occur, as unique does, or use "
        "torch.special.entr.": lambda codes: math.nan,
        "counts must be divided by the number of pictures, N, not by all N · D numbers.":
        ("len(column)", "codes.numel()"),
        "This divides by N once more. The frequencies already did.":
        ("return bits", "return bits / len(codes)"),
        "The logarithm is not weighted by the frequency: f log₂ f.": ("(frequencies * ", "(1.0 * "),
        "counts must be divided by N to become frequencies.": ("counts / len(column)", "counts"),
        "These are the entropies of the columns. Independent columns add up: return the sum.":
        lambda codes: torch.tensor([entropy_bits(column[:, None]) for column in codes.T]),
    },
)  # fmt: skip


def auc(normal, unusual):
    higher = (unusual[:, None] > normal[None, :]).double()
    tied = (unusual[:, None] == normal[None, :]).double()
    return (higher + 0.5 * tied).mean().item()


define(
    "autoencoders.auc",
    auc,
    minutes=6,
    level="medium",
    hints=[
        "Compare every unusual score with every normal one: N × M comparisons.",
        "unusual[:, None] > normal[None, :] makes a table of shape (M, N) of True and False.",
        "The mean of the table, plus half the mean of the same table with ==.",
    ],
    cases=lambda: [
        (_normal(8), _normal(5, seed=1) + 0.3),
        ((2 * _normal(12, seed=2)).round(), (2 * _normal(7, seed=3)).round() + 1),
    ],
    mistakes={
        "The two sets are in each other's place: an unusual score that is higher is a success.":
        lambda normal, unusual: auc(unusual, normal),
        "Ties are lost. A pair with equal scores counts one half.": ("0.5 * tied", "0.0 * tied"),
        "Ties count as full successes here. A pair with equal scores counts one half.":
        ("0.5 * tied", "tied"),
        "This counts the pairs. Divide by their number, or use mean.": ("mean()", "sum()"),
        "This divides by the number of unusual scores. Divide by the number of pairs, N × M.":
        lambda normal, unusual: auc(normal, unusual) * len(normal),
        "This divides by the number of normal scores. Divide by the number of pairs, N × M.":
        lambda normal, unusual: auc(normal, unusual) * len(unusual),
        "This compares the means of the two sets. Compare every score with every score.":
        lambda normal, unusual: (unusual.mean() - normal.mean()).item(),
        "This asks which unusual scores are above the mean of the normal ones. Compare every score "
        "with every score.":
        lambda normal, unusual: (unusual > normal.mean()).double().mean().item(),
        "This asks which unusual scores are above all normal ones: one threshold, the strictest. "
        "Compare every score with every score.":
        lambda normal, unusual: (unusual > normal.max()).double().mean().item(),
        "This divides by one number and multiplies by the other: the brackets are missing. "
        "Divide by the product N × M.":
        lambda normal, unusual: auc(normal, unusual) * len(unusual) ** 2,
        "zip makes pairs of the first with the first, the second with the second. Compare every "
        "unusual score with every normal one.":
        lambda normal, unusual: sum(
            float(u > n) + 0.5 * float(u == n) for u, n in zip(unusual, normal, strict=False)
        ) / min(len(normal), len(unusual)),
        "zip makes pairs of the first with the first only. Compare every unusual score with every "
        "normal one.":
        lambda normal, unusual: sum(
            float(u > n) + 0.5 * float(u == n) for u, n in zip(unusual, normal, strict=False)
        ) / (len(normal) * len(unusual)),
        "This is one number for each unusual score. Take the mean over both dimensions.":
        lambda normal, unusual: torch.stack([
            torch.tensor(auc(normal, one[None])) for one in unusual]).float(),
        "This is 2 · AUC − 1, which is 0 for chance. The share itself is asked for.":
        lambda normal, unusual: 2 * auc(normal, unusual) - 1,
    },
)  # fmt: skip


# ---------------------------------------------------------------- 06 variational autoencoders


def reparameterize(mu, log_var):
    noise = torch.randn_like(mu)
    return mu + torch.exp(0.5 * log_var) * noise


def _check_reparameterize(answer) -> None:
    mu = torch.tensor([-2.0, 0.0, 3.0]).repeat(20_000, 1).requires_grad_()
    log_var = torch.tensor([-2.0, 0.5, 1.5]).repeat(20_000, 1).requires_grad_()
    z = answer(mu, log_var)
    if problem := different_kind(mu, z):
        raise Refused(f"z must have the shape and type of mu.\n{problem}")
    if not torch.isfinite(z).all():
        raise Refused("z contains NaN or infinite values. log_var is negative where the variance "
                      "is below 1, so it has no root: exp first.")  # fmt: skip
    moved = (z - mu).detach()
    std = (0.5 * log_var[0]).exp().detach()
    if moved.abs().max() == 0:
        raise Refused("z equals mu: no noise is added, so every code is a point and not a cloud.")
    if torch.equal(z, answer(mu, log_var)):
        if moved.std(dim=0).max() < 1e-4:
            raise Refused("No noise is drawn: the same mu and log_var always give the same z. "
                          "Multiply the standard deviation by torch.randn_like(mu).")  # fmt: skip
        raise Refused("Two draws are equal. The noise must be fresh at each call: no fixed seed.")
    spread = moved.std(dim=0)
    if spread[1] < 1e-4 < spread[0]:  # eps * mu + sigma, or mu * sigma * eps
        raise Refused("z does not vary where mu is 0. It is μ + σ ε: the noise multiplies σ, and "
                      "mu is added.")  # fmt: skip
    if spread.min() < 1e-4:
        raise Refused("All pictures share the same noise. Draw as many numbers as mu has: "
                      "torch.randn_like(mu).")  # fmt: skip
    noise = moved / spread
    if (noise.std(dim=1) < 1e-2).all():
        raise Refused("All latents of a picture share one number. Draw as many as mu has: "
                      "torch.randn_like(mu).")  # fmt: skip
    _check_center(z.detach().mean(dim=0), mu[0].detach(), log_var[0].detach(), spread)
    _check_spread(spread, log_var[0].detach(), std)
    if not 2.5 < noise.pow(4).mean() < 3.5:
        raise Refused("Mean and standard deviation are right, but the noise is not normal. "
                      "torch.randn_like draws normal numbers.")  # fmt: skip
    _check_pathwise_gradients(z, mu, log_var)
    if torch.cuda.is_available():  # noise drawn on the CPU fails here
        with torch.random.fork_rng():
            answer(mu.detach().cuda(), log_var.detach().cuda())


def _check_center(center, mu, log_var, spread) -> None:
    if ((center - mu) / spread).abs().max() < 0.05:
        return
    if (center / spread).abs().max() < 0.05:
        raise Refused("The mean of z is 0: mu is not added.")
    if ((center - log_var) / spread).abs().max() < 0.05:
        raise Refused("The mean of z is log_var. Are mu and log_var in each other's place?")
    raise Refused(
        "The mean of z is not mu. The noise must have mean 0: torch.randn_like, and not rand_like, "
        "whose mean is ½.\n"
        f"  expected  {_listed(mu)} in the three dimensions\n"
        f"  got       {_listed(center)}"
    )


def _check_spread(spread, log_var, std) -> None:
    if torch.allclose(spread, std, rtol=0.04):
        return
    known = {
        "The spread equals exp(log_var), the variance. The noise is multiplied by the standard "
        "deviation, exp(log_var / 2).": log_var.exp(),
        "The spread equals log_var itself. The encoder returns the logarithm of the variance: "
        "take exp(log_var / 2).": log_var.abs(),
        "The spread is exp(-log_var / 2): a sign is wrong.": (-0.5 * log_var).exp(),
        "The spread is 1 in every dimension: log_var is not used.": torch.ones(3),
        "The spread equals log_var / 2: the exponential is missing.": (0.5 * log_var).abs(),
        "The spread is exp(2 · log_var), the square of the variance. Its root is asked for: "
        "exp(log_var / 2).": (2 * log_var).exp(),
        "The noise is uniform, from −½ to ½. Normal noise is asked for: torch.randn_like(mu).":
        std / math.sqrt(12),
    }  # fmt: skip
    for says, value in known.items():
        if torch.allclose(spread, value, rtol=0.04):
            raise Refused(says)
    raise Refused(
        "The standard deviation of z is off.\n"
        f"  expected  {_listed(std)} in the three dimensions\n"
        f"  got       {_listed(spread)}"
    )


def _listed(values) -> str:
    return ", ".join(f"{value:.3g}" for value in values.tolist())


def _check_pathwise_gradients(z, mu, log_var) -> None:
    to_mu, to_log_var = gradients(z, [mu, log_var])
    if all(g is None or not g.any() for g in (to_mu, to_log_var)):
        raise Refused("The values are right, but no gradient reaches mu or log_var: the encoder "
                      "could not learn. torch.normal(…), `Normal(…).sample()`, detach() and "
                      "no_grad() cut the path; mu + std * noise keeps it.")  # fmt: skip
    if to_mu is None or not torch.allclose(to_mu, torch.ones_like(mu)):
        raise Refused("The values are right, but the gradient of z with respect to mu must be 1, "
                      "and here it is not. Is mu detached somewhere?")  # fmt: skip
    if to_log_var is None or not torch.allclose(to_log_var, 0.5 * (z - mu), rtol=1e-3, atol=1e-4):
        raise Refused("The values are right, but the gradient with respect to log_var is not: it "
                      "must flow through the standard deviation. Is that detached?")  # fmt: skip


define(
    "vae.reparameterize",
    reparameterize,
    minutes=7,
    level="medium",
    hints=[
        "A normal variable with mean μ and standard deviation σ is μ + σ ε, with ε from N(0, 1).",
        "torch.randn_like(mu) draws ε in the shape of mu. σ is the square root of the variance.",
        "σ = exp(log_var / 2), because log_var = log σ² = 2 log σ.",
    ],
    checks=[_check_reparameterize],
)


def kl(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(dim=1)


define(
    "vae.kl",
    kl,
    minutes=5,
    level="easy",
    hints=[
        "Start with one dimension: ½ (μ² + σ² − 1 − log σ²). It is 0 for μ = 0 and σ = 1.",
        "log_var is log σ², so σ² = exp(log_var). The D dimensions are independent.",
        "KL divergences of independent dimensions add up: sum over dim=1, keep the batch.",
    ],
    cases=lambda: [
        (_normal(4, 3), _normal(4, 3, seed=1)),
        (_normal(2, 6, seed=2), torch.zeros(2, 6)),
        (torch.zeros(3, 2), _normal(3, 2, seed=3)),
        (_normal(2, 3).double(), _normal(2, 3, seed=1).double()),
    ],
    gradients=True,
    mistakes={
        "This averages over the latent dimensions. They are independent, so their divergences "
        "add: sum over dim=1.": ("sum", "mean"),
        "This is one number for the whole batch. Keep one per image: sum over dim=1 only.":
        ("dim=1", ""),
        "This is the mean over batch and dimensions. Sum over the latents (dim=1) and leave the "
        "batch as it is.": ("sum(dim=1)", "mean()"),
        "This averages over the batch as well. Keep one number per image: sum over dim=1, and no "
        "mean after it.": (".sum(dim=1)", ".sum(dim=1).mean()"),
        "The sum runs over the batch (dim=0). Sum over the latent dimensions, dim=1.":
        ("dim=1", "dim=0"),
        "The sum is missing: this is the divergence of each dimension on its own.":
        (".sum(dim=1)", ""),
        "The numbers are right, but a dimension of size 1 is left over: leave out keepdim=True.":
        ("dim=1", "dim=1, keepdim=True"),
        "The sign is the other way round. A divergence is never negative.": ("0.5", "-0.5"),
        "The factor ½ is missing.": ("0.5 * ", ""),
        "The ½ belongs to all four terms: add brackets.":
        ("0.5 * (mu**2", "(0.5 * mu**2"),
        "The −1 is missing: for mu = 0 and log_var = 0 the divergence must be 0.": (" - 1", ""),
        "The −1 belongs to each latent: put it inside the sum.":
        lambda mu, log_var: 0.5 * ((mu**2 + log_var.exp() - log_var).sum(dim=1) - 1),
        "This reads log_var as log σ. It is log σ², so the variance is exp(log_var).":
        lambda mu, log_var: kl(mu, 2 * log_var),
        "This uses the standard deviation where the variance belongs: exp(log_var), not "
        "exp(log_var / 2).": ("log_var.exp()", "(log_var / 2).exp()"),
        "This squares log_var. σ² is exp(log_var).": ("log_var.exp()", "log_var**2"),
        "This is KL(p ‖ q), from the prior to the posterior. The ELBO has KL(q ‖ p).":
        lambda mu, log_var: 0.5 * ((1 + mu**2) / log_var.exp() - 1 + log_var).sum(dim=1),
        "mu must be squared.": ("mu**2", "mu"),
        "mu is not used. A mean away from 0 costs mu² / 2.": ("mu**2 + ", ""),
        "log_var enters with the wrong sign: the formula has −log σ², which is −log_var.":
        ("- log_var", "+ log_var"),
        "The term −log σ² is missing, which is −log_var.": (" - log_var", ""),
        "The 1 enters with the wrong sign: for mu = 0 and log_var = 0 the divergence must be 0.":
        ("- 1", "+ 1"),
        "log_var is taken for the variance here, and log(log_var) is NaN where it is negative. It "
        "is the logarithm already: σ² is exp(log_var).":
        lambda mu, log_var: 0.5 * (mu**2 + log_var - 1 - log_var.log()).sum(dim=1),
    },
)  # fmt: skip


def log_likelihood_estimate(log_weights):
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))


define(
    "vae.log_likelihood_estimate",
    log_likelihood_estimate,
    minutes=10,
    level="medium",
    hints=[
        "The estimate of p(x) is the mean of the S weights; you are given their logarithms.",
        "exp of −90 is tiny and exp of −900 is 0: never leave the logarithm. torch.logsumexp "
        "computes log(Σ exp(…)) safely.",
        "The mean is the sum divided by S, so its logarithm is logsumexp minus log S.",
    ],
    cases=lambda: [
        (2 * _normal(10, 4) - 5,),
        (5 * _normal(50, 3, seed=1) - 90,),
        (_normal(7, 2, seed=2) - 900,),
    ],
    gradients=True,
    mistakes={
        "This averages the logarithms, which gives the ELBO again. The mean belongs inside the "
        "logarithm.": lambda log_weights: log_weights.mean(dim=0),
        "The mean became a sum: subtract log S.":
        (" - math.log(len(log_weights))", ""),
        "log S is added here. The mean divides by S, so subtract log S.":
        ("- math", "+ math"),
        "This subtracts the logarithm of the number of images. S is the number of samples, "
        "S = len(log_weights).":
        ("len(log_weights)", "log_weights.shape[1]"),
        "This is one number for all images together. Keep one per image: logsumexp over dim=0 "
        "only.":
        lambda log_weights: log_likelihood_estimate(log_weights.flatten()),
        "Keep one number per image, and subtract log S.":
        lambda log_weights: torch.logsumexp(log_weights, dim=0).mean(),
        "This is the largest weight alone, as a logarithm. The mean takes in all of them: "
        "torch.logsumexp, then subtract log S.":
        lambda log_weights: log_weights.max(dim=0).values,
        "This averages over the images as well. Keep one number per image.":
        lambda log_weights: log_likelihood_estimate(log_weights).mean(),
        "This sums over the images (dimension 1). The S samples are along dimension 0.":
        lambda log_weights: torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1]),
        "Divide by S inside the logarithm, or subtract log S outside; this divides the logarithm "
        "by S.": ("- math.log(len(log_weights))", "/ len(log_weights)"),
        "Subtract log S: the logarithm of a quotient is a difference.": ("- math", "/ math"),
        "The sign is the other way round: this is −log p(x).":
        lambda log_weights: math.log(len(log_weights)) - torch.logsumexp(log_weights, dim=0),
        "exp(log_weights) rounds to zero here, and log 0 is −∞. Use torch.logsumexp, which never "
        "leaves the logarithm.": lambda log_weights: log_weights.exp().mean(dim=0).log(),
        "The estimate is right, but it is p(x) and not log p(x).":
        lambda log_weights: log_weights.exp().mean(dim=0),
    },
)  # fmt: skip


def free_bits(kl_per_dimension, floor):
    return kl_per_dimension.mean(dim=0).clamp(min=floor).sum()


define(
    "vae.free_bits",
    free_bits,
    minutes=10,
    level="medium",
    hints=[
        "A dimension that carries less than `floor` nats on average costs `floor` all the same.",
        "On average means: over the batch, dimension 0, before the comparison with the floor.",
        "tensor.clamp(min=floor) raises every entry to the floor at least. Then sum.",
    ],
    cases=lambda: [
        (_normal(6, 4).abs(), 0.7),
        (3 * _normal(5, 3, seed=1).abs(), 0.1),
        (0.1 * _normal(8, 5, seed=2).abs(), 0.5),
    ],
    gradients=True,
    mistakes={
        "The floor is applied to each image. It belongs to the average over the batch: mean over "
        "dim=0 first, then the floor.":
        lambda kl_per_dimension, floor: kl_per_dimension.clamp(min=floor).mean(dim=0).sum(),
        "The floor is applied to the sum over all dimensions: one busy dimension then pays for "
        "all idle ones. Apply it to each dimension.":
        lambda kl_per_dimension, floor: kl_per_dimension.mean(dim=0).sum().clamp(min=floor),
        "This averages over the latent dimensions (dim=1). Average over the batch, dim=0.":
        ("dim=0", "dim=1"),
        "This averages over batch and dimensions before it compares. Average over the batch only "
        "(dim=0), then apply the floor to each dimension.": ("dim=0", ""),
        "This sums over the batch. The floor is for the average over the batch: mean over dim=0.":
        ("mean", "sum"),
        "The batch is not averaged: mean over dim=0 first, then the floor, then the sum.":
        (".mean(dim=0)", ""),
        "The floor is added here. Free bits replace small values by the floor, and leave large "
        "ones as they are.":
        lambda kl_per_dimension, floor: (kl_per_dimension.mean(dim=0) + floor).sum(),
        "This limits the divergence from above (clamp(max=…), or torch.minimum). The floor is a "
        "lower limit: clamp(min=floor).":
        ("min=floor", "max=floor"),
        "This is the mean over the dimensions; the divergences of the dimensions add up.":
        ("sum", "mean"),
        "The floor is not used.": (".clamp(min=floor)", ""),
        "The floor is subtracted here. Free bits replace small values by the floor, so that "
        "making them smaller gains nothing.":
        lambda kl_per_dimension, floor: (kl_per_dimension.mean(dim=0) - floor).clamp(min=0).sum(),
        "The sum over the dimensions is missing: the loss needs one number.":
        (".sum()", ""),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 07 discrete latents


def quantize(z, codebook):
    distances = (
        z.square().sum(dim=1, keepdim=True) - 2 * z @ codebook.T + codebook.square().sum(dim=1)
    )
    indices = distances.argmin(dim=1)
    return indices, codebook[indices]


define(
    "discrete.quantize",
    quantize,
    minutes=6,
    level="medium",
    hints=[
        "You need the distance of each of the N vectors to each of the K codes, (N, K).",
        "torch.cdist(z, codebook) is that table. By hand: |z|² − 2 z·e + |e|², where "
        "z @ codebook.T holds all the products.",
        "argmin over dim=1 gives the number of the nearest code, and codebook[indices] its vector.",
    ],
    cases=lambda: [
        (_normal(7, 3), 3 * _normal(5, 3, seed=1)),
        (2 * _normal(6, 4, seed=2), _normal(9, 4, seed=3)),
        (_normal(4, 2, seed=4).double(), _normal(3, 2, seed=5).double()),
    ],
    gradients=True,
    mistakes={
        "This finds for each code the nearest vector: the minimum runs over dimension 0. Take it "
        "over the codes, dim=1.":
        lambda z, codebook: (i := torch.cdist(z, codebook).argmin(dim=0), z[i]),
        "This is the farthest code: argmin, not argmax.": ("argmin", "argmax"),
        "This takes the code with the largest product z·e: the term |e|² of the distance is "
        "missing, so a long code wins although it is far away.":
        lambda z, codebook: (i := (z @ codebook.T).argmax(dim=1), codebook[i]),
        "This is the sum of absolute differences. The distance meant is the Euclidean one, of "
        "squares.":
        lambda z, codebook: (i := torch.cdist(z, codebook, p=1).argmin(dim=1), codebook[i]),
        "This compares directions (cosine) and not distances.":
        lambda z, codebook: (
            i := (torch.nn.functional.normalize(z) @ torch.nn.functional.normalize(codebook).T)
            .argmax(dim=1), codebook[i]),
        "The term −2 z·e lost its 2, so these are no distances: |z − e|² = |z|² − 2 z·e + |e|².":
        ("- 2 * z", "- z"),
        "The product enters with the wrong sign: |z − e|² = |z|² − 2 z·e + |e|².": ("- 2", "+ 2"),
        "The two results are in each other's place: indices first, then vectors.":
        lambda z, codebook: quantize(z, codebook)[::-1],
        "The vectors are missing: return indices and codebook[indices].":
        lambda z, codebook: quantize(z, codebook)[0],
        "The indices are missing: return indices and codebook[indices].":
        lambda z, codebook: quantize(z, codebook)[1],
        "The second result is z itself. It should be the nearest codes: codebook[indices].":
        ("codebook[indices]", "z"),
        "The indices have one dimension too many: leave out keepdim=True behind argmin.":
        lambda z, codebook: (
            (i := torch.cdist(z, codebook).argmin(dim=1, keepdim=True)), codebook[i[:, 0]]),
    },
)  # fmt: skip


def straight_through(z, vectors):
    return z + (vectors - z).detach()


def _check_straight_through(answer) -> None:
    z, vectors = _normal(4, 3).requires_grad_(), _normal(4, 3, seed=1).requires_grad_()
    out = answer(z, vectors)
    if problem := different_kind(vectors, out):
        raise Refused(f"The result must have the shape and type of vectors.\n{problem}")
    known = {
        "The result equals z: nothing is quantized. Its value must be that of vectors.": z,
        "The result is z + vectors: subtract z again, inside the detached part.": z + vectors,
        "The result is vectors − z: add z in front.": vectors - z,
        "The result is 2z − vectors: inside the detached part stands vectors − z, in this order.":
        2 * z - vectors,
        "The result is the middle between z and vectors. Its value must be that of vectors.":
        (z + vectors) / 2,
    }  # fmt: skip
    if not torch.allclose(out, vectors, rtol=1e-4, atol=1e-5):
        for says, value in known.items():
            if torch.allclose(out, value, rtol=1e-4, atol=1e-5):
                raise Refused(says)
        raise Refused("The result must have the values of vectors.")
    to_z, to_vectors = gradients(out, [z, vectors])
    if to_z is None or not to_z.any():
        raise Refused("The values are right, but no gradient reaches z, so the encoder learns "
                      "nothing. Add z outside the detached part.")  # fmt: skip
    if not torch.allclose(to_z, torch.ones_like(z)):
        raise Refused("The values are right, but the gradient with respect to z must be 1, as for "
                      "out = z. Is a z inside the bracket not detached?")  # fmt: skip
    if to_vectors is not None and to_vectors.any():
        raise Refused("The values are right, but a gradient reaches vectors. The codebook has its "
                      "own loss: detach the whole bracket.")  # fmt: skip


define(
    "discrete.straight_through",
    straight_through,
    minutes=4,
    level="easy",
    hints=[
        "Forward, the result is vectors; backward, it must look as if it were z.",
        "z + (vectors − z) has the right value. Decide which part should have no gradient.",
        "tensor.detach() is the same numbers without a gradient: z + (…).detach().",
    ],
    checks=[_check_straight_through],
)


def perplexity(counts):
    p = counts / counts.sum()
    return torch.exp(torch.special.entr(p).sum())


define(
    "discrete.perplexity",
    perplexity,
    minutes=5,
    level="easy",
    hints=[
        "Counts become probabilities when they are divided by their sum.",
        "The entropy is −Σ p log p, in nats; the perplexity is its exponential.",
        "A code that is never used has p = 0, and 0 · log 0 counts as 0: torch.special.entr(p) is "
        "−p log p and knows this; so does the sum over p[p > 0].",
    ],
    cases=lambda: [
        (torch.tensor([3.0, 1.0, 4.0, 2.0]),),
        (torch.tensor([5.0, 0.0, 1.0, 0.0, 9.0]),),
        (torch.tensor([7.0, 0.0]),),
        (torch.ones(16),),
    ],
    mistakes={
        "This is the entropy in nats. The perplexity is its exponential.":
        lambda counts: torch.special.entr(counts / counts.sum()).sum(),
        "This is the entropy in bits. The perplexity is exp of the entropy in nats (or 2 to the "
        "power of these bits).":
        lambda counts: torch.special.entr(counts / counts.sum()).sum() / math.log(2),
        "This takes exp of an entropy in bits. exp belongs to nats, that is, to the natural "
        "logarithm.":
        lambda counts: torch.exp(torch.special.entr(counts / counts.sum()).sum() / math.log(2)),
        "This is 2 to the power of an entropy in nats. 2 belongs to bits, that is, to log2; to the "
        "natural logarithm belongs exp.":
        lambda counts: 2 ** torch.special.entr(counts / counts.sum()).sum(),
        "This makes probabilities by softmax. Counts need no exp: divide them by their sum.":
        lambda counts: torch.exp(torch.special.entr(counts.softmax(dim=0)).sum()),
        "0 · log 0 became NaN: a code that is never used must count as 0. Use torch.special.entr, "
        "or sum over p[p > 0].":
        lambda counts: torch.exp(-(counts / counts.sum() * (counts / counts.sum()).log()).sum()),
        "The sign is the other way round: the entropy is −Σ p log p, so a perplexity is never "
        "below 1.": ("torch.exp(", "torch.exp(-"),
        "The counts must be divided by their sum first, to be probabilities.":
        ("counts / counts.sum()", "counts"),
        "This is how many codes are used at all. Perplexity weighs them by how often.":
        lambda counts: (counts > 0).sum().to(counts.dtype),
        "This is the mean of −p log p over the codes. The entropy is their sum.":
        (").sum())", ").mean())"),
        "The counts are divided by the number of codes. Divide by how many vectors were counted, "
        "counts.sum().": ("counts.sum()", "len(counts)"),
        "This is 1 / Σ p², another measure of how many codes are in use. Perplexity is the "
        "exponential of the entropy.":
        lambda counts: 1 / (counts / counts.sum()).square().sum(),
    },
)  # fmt: skip


def ema_update(counts, sums, z, indices, decay):
    chosen = torch.nn.functional.one_hot(indices, len(counts)).to(z.dtype)
    counts = decay * counts + (1 - decay) * chosen.sum(dim=0)
    sums = decay * sums + (1 - decay) * chosen.T @ z
    return counts, sums


def _decayed_per_vector(counts, sums, z, indices, decay):
    counts, sums = counts.clone(), sums.clone()
    for vector, k in zip(z, indices.tolist(), strict=True):
        counts[k] = decay * counts[k] + (1 - decay)
        sums[k] = decay * sums[k] + (1 - decay) * vector
    return counts, sums


define(
    "discrete.ema_update",
    ema_update,
    minutes=8,
    level="medium",
    hints=[
        "First count how many of the N vectors chose each code, (K,), and add up their vectors, "
        "(K, D).",
        "F.one_hot(indices, K) is a table (N, K) of zeros and ones: its column sums are the "
        "counts, and its transpose times z the sums. index_add_ on zeros does the same.",
        "new = decay · old + (1 − decay) · now, for counts and for sums. Return both.",
    ],
    cases=lambda: [
        (_normal(4).abs() + 1, _normal(4, 3, seed=1), _normal(6, 3, seed=2),
         torch.tensor([0, 2, 2, 1, 0, 2]), 0.9),
        (_normal(5, seed=3).abs(), _normal(5, 2, seed=4), _normal(4, 2, seed=5),
         torch.tensor([4, 4, 1, 4]), 0.7),
        (torch.ones(3), _normal(3, 2, seed=6), _normal(5, 2, seed=7),
         torch.tensor([0, 0, 1, 2, 1]), 0.0),
    ],
    mistakes={
        "The weights are in each other's place: decay belongs to the old value, 1 − decay to the "
        "new one.":
        lambda counts, sums, z, indices, decay: ema_update(counts, sums, z, indices, 1 - decay),
        "The factor 1 − decay is missing: the running sums grow without end.":
        lambda counts, sums, z, indices, decay: tuple(
            decay * old + now for old, now in zip(
                (counts, sums), ema_update(counts, sums, z, indices, 0.0), strict=True)),
        "These are the counts and sums of this batch alone; the old ones are forgotten.":
        lambda counts, sums, z, indices, decay: ema_update(counts, sums, z, indices, 0.0),
        "The counts are right, but not the sums: add up all vectors of a code, and do not "
        "average them. Dividing by the counts comes later.":
        lambda counts, sums, z, indices, decay: (
            ema_update(counts, sums, z, indices, decay)[0],
            decay * sums + (1 - decay) * _mean_of_chosen(counts, z, indices)),
        "The counts are right, but each code's sum holds one vector only: `sums[indices] = z` and "
        "`+=` keep the last one. one_hot or index_add_ add up all.":
        lambda counts, sums, z, indices, decay: (
            ema_update(counts, sums, z, indices, decay)[0],
            decay * sums + (1 - decay) * torch.zeros_like(sums).index_copy(0, indices, z)),
        "The sums are divided by the counts here, which gives the codebook. Return counts and "
        "sums: the running mean needs both apart.":
        lambda counts, sums, z, indices, decay: (
            (new := ema_update(counts, sums, z, indices, decay))[0], new[1] / new[0][:, None]),
        "The old values decay once for each vector here. They decay once per batch, also for codes "
        "that nobody chose.": _decayed_per_vector,
        "Only the counts are averaged over time; the sums are those of this batch.":
        lambda counts, sums, z, indices, decay: (
            ema_update(counts, sums, z, indices, decay)[0],
            ema_update(counts, sums, z, indices, 0.0)[1]),
        "Only the sums are averaged over time; the counts are those of this batch.":
        lambda counts, sums, z, indices, decay: (
            ema_update(counts, sums, z, indices, 0.0)[0],
            ema_update(counts, sums, z, indices, decay)[1]),
        "The two results are in each other's place: counts first, then sums.":
        lambda counts, sums, z, indices, decay: ema_update(counts, sums, z, indices, decay)[::-1],
    },
)  # fmt: skip


def _mean_of_chosen(counts, z, indices):
    now, total = ema_update(torch.zeros_like(counts), 0 * z[:1], z, indices, 0.0)
    return total / now.clamp(min=1).unsqueeze(1)
