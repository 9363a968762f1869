"""Exercises of Day 2: references, inputs, mistakes and hints. How to read it: see day1.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from helpers.exercises.engine import SEED, Refused, define, different_kind, gradients


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- 01 gans


def optimal_discriminator(log_p, log_q):
    return torch.sigmoid(log_p - log_q)


define(
    "gan.optimal_discriminator",
    optimal_discriminator,
    minutes=6,
    level="medium",
    hints=[
        "D* = p / (p + q). Divide above and below by p: only the ratio q / p is left.",
        "q / p is exp(log q − log p). Compare 1 / (1 + q / p) with 1 / (1 + exp(−t)).",
        "1 / (1 + exp(−t)) is torch.sigmoid(t), which never overflows, with t = log p − log q.",
    ],
    cases=lambda: [
        (_normal(6), _normal(6, seed=1)),
        (3 * _normal(2, 5, seed=2), 3 * _normal(2, 5, seed=3)),
        (torch.tensor([-800.0, -1500, -400, -2]), torch.tensor([-799.0, -1502, -2, -900])),
        (torch.tensor([90.0, 200.0, -1.0]), torch.tensor([92.0, 199.0, 150.0])),
    ],
    mistakes={
        "exp of a log density of −800 is 0, and 0 / 0 is NaN. Stay in the logarithm: only the "
        "difference log p − log q is needed.":
        lambda log_p, log_q: log_p.exp() / (log_p.exp() + log_q.exp()),
        "log p and log q are in each other's place: this is the probability of a fake.":
        ("log_p - log_q", "log_q - log_p"),
        "This is log p − log q, the logit of D*. A sigmoid makes it a probability.":
        ("torch.sigmoid(log_p - log_q)", "log_p - log_q"),
        "This is the density ratio p / q. D* is p / (p + q).": ("torch.sigmoid", "torch.exp"),
        "This is log D*; the probability itself is asked for.":
        ("torch.sigmoid", "F.logsigmoid"),
        "The logarithms are added. A ratio of densities is a difference of logarithms.":
        ("log_p - log_q", "log_p + log_q"),
        "These are logarithms of densities, not densities: log p / (log p + log q) means nothing.":
        lambda log_p, log_q: log_p / (log_p + log_q),
        "A small number added below the line hides the 0 / 0: far out, where p and q round to 0, "
        "the answer is 0 whatever their ratio is. Stay in the logarithm.":
        lambda log_p, log_q: log_p.exp() / (log_p.exp() + log_q.exp() + 1e-9),
        "log(p + q) is not log p + log q. torch.logaddexp(log_p, log_q) is the logarithm of a sum.":
        lambda log_p, log_q: torch.exp(log_p - (log_p + log_q)),
        "This looks at log p alone. Whether x is real depends on how often a fake would be there.":
        ("log_p - log_q", "log_p"),
        "This is 1 where p is greater and 0 elsewhere. D* also says how sure one can be.":
        lambda log_p, log_q: (log_p > log_q).to(log_p.dtype) + 0 * (log_p - log_q),
        "Without its factor of one half this tanh runs from −1 to 1; a probability runs from 0 to "
        "1. Use torch.sigmoid.": ("torch.sigmoid", "torch.tanh"),
    },
)  # fmt: skip


def discriminator_loss(real_logits, fake_logits):
    softplus = torch.nn.functional.softplus
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


define(
    "gan.discriminator_loss",
    discriminator_loss,
    minutes=7,
    level="medium",
    hints=[
        "D = sigmoid(t). Write −log sigmoid(t) and −log(1 − sigmoid(t)) with exp and log only.",
        "−log sigmoid(t) = log(1 + exp(−t)) = softplus(−t), and 1 − sigmoid(t) = sigmoid(−t).",
        "F.softplus(−real_logits).mean() is the first half; the second is the same for fakes, "
        "with the other sign.",
    ],
    cases=lambda: [
        (_normal(8), _normal(8, seed=1)),
        (2 * _normal(5, 1, seed=2), 2 * _normal(7, 1, seed=3)),
        (torch.tensor([-300.0, 4.0]), torch.tensor([250.0, -3.0, 1.0])),
    ],
    gradients=True,
    mistakes={
        "For large logits sigmoid rounds to 0 or 1 and its log is infinite; exp(t) is infinite "
        "from t = 89 on. softplus and logsigmoid stay finite.":
        lambda real, fake: -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()),
        "Real and fake are in each other's place: this rewards taking fakes for real.":
        lambda real, fake: F.softplus(real).mean() + F.softplus(-fake).mean(),
        "The fakes' term calls them real: −log D(fake) is what the generator wants.":
        ("softplus(fake_logits)", "softplus(-fake_logits)"),
        "The sign of the real term is wrong: −log sigmoid(t) is softplus(−t).":
        ("softplus(-real_logits)", "softplus(real_logits)"),
        "This is the value that D maximizes. A loss is minimized: turn the sign.":
        lambda real, fake: F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean(),
        "The fakes are missing: D would call everything real.":
        (" + softplus(fake_logits).mean()", ""),
        "The real samples are missing: D would call everything fake.":
        ("softplus(-real_logits).mean() + ", ""),
        "This is half of it: the two means are added, not averaged. The value "
        "−log 4 + 2 JS belongs to the sum.":
        lambda real, fake: (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2,
        "This is a sum over the batch. The formula has expectations: take means.":
        lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
        "The inputs are logits, any real numbers. These are treated as if they were logarithms of "
        "probabilities: apply the sigmoid (inside softplus) first.":
        lambda real, fake: -real.mean() + fake.mean(),
        "A small number inside the log, or a clamp, hides the overflow: the loss and its gradient "
        "stop growing there. Use softplus.":
        lambda real, fake: -(real.sigmoid() + 1e-8).log().mean()
        - (1 - fake.sigmoid() + 1e-8).log().mean(),
        "binary_cross_entropy cuts the log off at −100, and its gradient dies there. Give the "
        "logits to softplus.":
        lambda real, fake: F.binary_cross_entropy(real.sigmoid(), torch.ones_like(real))
        + F.binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake)),
        "The sign of the fakes' term is wrong. Both terms are −log of something, and are added.":
        (" + softplus(fake_logits)", " - softplus(fake_logits)"),
        "log(1 − D) is not 1 − log D. As 1 − sigmoid(t) = sigmoid(−t), it is logsigmoid(−t).":
        lambda real, fake: -F.logsigmoid(real).mean() - (1 - F.logsigmoid(fake)).mean(),
        "The inputs are logits, not probabilities: the log of a negative number is NaN.":
        lambda real, fake: -real.log().mean() - (1 - fake).log().mean(),
        "One mean over all samples weighs both kinds by their numbers. Take a mean of each, then "
        "add.":
        lambda real, fake: 2 * torch.cat([F.softplus(-real), F.softplus(fake)]).mean(),
        "One number is asked for: take the mean over real and the mean over fake samples, then "
        "add them.":
        lambda real, fake: F.softplus(-real) + F.softplus(fake)
        if real.shape == fake.shape else F.softplus(-real).mean() + F.softplus(fake).mean(),
    },
)  # fmt: skip


def generator_loss(fake_logits):
    softplus = torch.nn.functional.softplus
    return softplus(-fake_logits).mean()


define(
    "gan.generator_loss",
    generator_loss,
    minutes=4,
    level="easy",
    hints=[
        "The generator wants its fakes called real. One of the two halves of exercise 2 says that.",
        "It is the half for real samples, with the logits of fakes in their place.",
        "−log sigmoid(t) is softplus(−t); take the mean over the batch.",
    ],
    cases=lambda: [
        (_normal(8),),
        (2 * _normal(5, 1, seed=2) - 1,),
        (torch.tensor([-300.0, 40.0, 0.0]),),
    ],
    gradients=True,
    mistakes={
        "This is the minimax loss, log(1 − D): its gradient dies where D is sure. The "
        "non-saturating one is −log D.": ("softplus(-fake_logits)", "-F.softplus(fake_logits)"),
        "This is −log(1 − D): minimizing it makes fakes easier to find out.":
        ("softplus(-fake_logits)", "F.softplus(fake_logits)"),
        "This is log D, and minimizing it makes D small. Turn the sign.":
        ("softplus(-fake_logits)", "F.logsigmoid(fake_logits)"),
        "sigmoid(−300) rounds to 0 and its log is infinite; exp(300) is infinite. softplus and "
        "logsigmoid stay finite.":
        lambda fake_logits: -fake_logits.sigmoid().log().mean(),
        "A small number inside the log hides the overflow: the loss stops growing there, and so "
        "does its gradient. Use softplus.":
        lambda fake_logits: -(fake_logits.sigmoid() + 1e-8).log().mean(),
        "binary_cross_entropy cuts the log off at −100, and its gradient dies there. Give the "
        "logits to softplus.":
        lambda fake_logits: F.binary_cross_entropy(
            fake_logits.sigmoid(), torch.ones_like(fake_logits)
        ),
        "This is −log of the mean of D. Take the log of each first, then the mean.":
        lambda fake_logits: -fake_logits.sigmoid().mean().log(),
        "This is the sum over the batch; take the mean.": (".mean()", ".sum()"),
        "This is the minus mean of the logits, a loss without a logarithm (lesson 02 meets it). "
        "Here the logit goes through −log sigmoid.":
        ("softplus(-fake_logits)", "-fake_logits"),
        "This is the mean of D itself. Take −log of it, from the logits.":
        ("softplus(-fake_logits)", "fake_logits.sigmoid()"),
        "This is 1 − D. It also saturates where D is sure; take −log D.":
        ("softplus(-fake_logits)", "(1 - fake_logits.sigmoid())"),
        "One number for each fake; take their mean.": (".mean()", ""),
    },
)  # fmt: skip


def count_modes(samples, centers, radius, share):
    distance, nearest = torch.cdist(samples, centers).min(dim=1)
    near = distance <= radius
    counts = nearest[near].bincount(minlength=len(centers))
    return (counts >= share * len(samples)).sum().item(), near.float().mean().item()


define(
    "gan.count_modes",
    count_modes,
    minutes=8,
    level="medium",
    hints=[
        "torch.cdist(samples, centers) is a table (N, K) of distances; its smallest entry in each "
        "row says which center is nearest, and how near.",
        "Count for each center the samples that are near it: nearest[near].bincount(minlength=K).",
        "A mode counts if its count is at least share · N. `.item()` makes a Python number.",
    ],
    cases=lambda: [
        (_normal(40, 2, seed=6), _normal(5, 2, seed=1), 0.6, 0.1),
        (torch.tensor([[0.1, 0.0]] * 4), torch.tensor([[0.0, 0], [1, 0]]), 2.0, 0.5),
        (torch.tensor([[0.0, 0], [0.1, 0], [0, 0.1], [3, 0], [9, 9], [9, 8], [0, 0.2], [0.2, 0]]),
         torch.tensor([[0.0, 0], [3, 0], [9, 9], [-5, 0]]), 0.5, 0.125),
        (torch.full((6, 2), 50.0), _normal(3, 2, seed=4), 1.0, 0.02),
        (torch.tensor([[5.0, 5]] * 3 + [[0, 0.0]] * 2 + [[1, 0.0]]),
         torch.tensor([[0.0, 0], [1, 0]]), 0.4, 0.3),
    ],
    mistakes={
        "The share is taken of the near samples. A mode needs `share` of all N samples.":
        ("len(samples)", "near.sum()"),
        "This counts a mode as soon as one sample is near it. It needs `share` of all samples.":
        ("counts >= share * len(samples)", "counts > 0"),
        "Samples far from every center are counted for the nearest one. Count only those within "
        "`radius`.": ("nearest[near]", "nearest"),
        "The two results are in each other's place: first the modes, then the share of samples "
        "near a center.": lambda *given: count_modes(*given)[::-1],
        "This takes the distance squared. Compare the distance itself with the radius.":
        ("distance <= radius", "distance**2 <= radius"),
        "This is how many samples are near, not which share of all: divide by N.":
        ("near.float().mean()", "near.float().sum()"),
        "This is how many modes are missed. Count those that are hit.":
        ("counts >= share", "counts < share"),
        "This is the share of modes that are hit. The number of modes is asked for.":
        ("samples)).sum()", "samples)).float().mean()"),
        "This is the share of samples that are far from every center. Count those within `radius`.":
        ("near.float()", "(~near).float()"),
        "A sample belongs to its nearest center alone. This counts it for each center within "
        "`radius`.":
        lambda samples, centers, radius, share: (
            lambda n: ((n.float().mean(0) >= share).sum().item(), n.any(1).float().mean().item())
        )(torch.cdist(samples, centers) <= radius),
        "Samples within `radius` of two centers are counted twice. Look at the nearest center "
        "alone, or use (distances <= radius).any(dim=1).":
        lambda samples, centers, radius, share: (
            count_modes(samples, centers, radius, share)[0],
            (torch.cdist(samples, centers) <= radius).sum().item() / len(samples),
        ),
        "At least `share` means ≥: a mode with exactly that share counts.":
        ("counts >= share", "counts > share"),
        "The first result is right; the second, the share of samples within `radius`, is missing.":
        lambda *given: count_modes(*given)[0],
    },
)  # fmt: skip


# ---------------------------------------------------------------- 02 better_gans


# ---------------------------------------------------------------- 03 style_and_cycles


# ---------------------------------------------------------------- 04 diffusion
