"""Exercises of Day 2: references, inputs, mistakes and hints. How to read it: see day1.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from helpers.exercises.engine import SEED, Refused, define, different_kind, gradients


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- 01 gans


# ---------------------------------------------------------------- 02 better_gans


# ---------------------------------------------------------------- 03 style_and_cycles


# ---------------------------------------------------------------- 04 diffusion


def noise(x0, eps, alpha_bar):
    alpha_bar = torch.as_tensor(alpha_bar)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def _shares(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1)


define(
    "diffusion.noise",
    noise,
    minutes=4,
    level="easy",
    hints=[
        "Two terms: a share of the picture and a share of the noise.",
        "The shares of variance are ᾱ and 1 − ᾱ; the factors are their square roots.",
        "alpha_bar is a tensor: alpha_bar.sqrt() or alpha_bar**0.5.",
    ],
    cases=lambda: [
        (_normal(3, 4, 4), _normal(3, 4, 4, seed=1), torch.tensor(0.3)),
        (_normal(2, 8, 8, seed=2), _normal(2, 8, 8, seed=3), _shares(0.9, 0.05)),
        (_normal(5, seed=4), _normal(5, seed=5), torch.tensor(1.0)),
    ],
    gradients=True,
    mistakes={
        "Both roots are missing: ᾱ is a share of the variance, and the factor is its root.":
        lambda x0, eps, alpha_bar: alpha_bar * x0 + (1 - alpha_bar) * eps,
        "The root of ᾱ in front of x0 is missing.": ("alpha_bar.sqrt() * x0", "alpha_bar * x0"),
        "The root of 1 − ᾱ in front of the noise is missing.": ("(1 - alpha_bar).sqrt()",
                                                                 "(1 - alpha_bar)"),
        "The factor of the noise is 1 − √ᾱ. It is √(1 − ᾱ): variances add up to 1, factors do not.":
        ("(1 - alpha_bar).sqrt()", "(1 - alpha_bar.sqrt())"),
        "Picture and noise have changed places: ᾱ = 1 must give the clean picture.":
        lambda x0, eps, alpha_bar: noise(eps, x0, alpha_bar),
        "The noise is subtracted. That would be as good for training, but the formula adds it, and "
        "later lines rely on the sign.": (".sqrt() * x0 +", ".sqrt() * x0 -"),
        "The noise keeps its full size. It must shrink as the picture grows: √(1 − ᾱ).":
        ("(1 - alpha_bar).sqrt() * eps", "eps"),
        "The picture keeps its full size. It must shrink: √ᾱ.": ("alpha_bar.sqrt() * x0", "x0"),
        "The noise is missing.": (" + (1 - alpha_bar).sqrt() * eps", ""),
    },
)  # fmt: skip


def posterior_mean(x_t, x0, alpha_bar, alpha_bar_before):
    alpha = alpha_bar / alpha_bar_before
    of_x0 = alpha_bar_before**0.5 * (1 - alpha) / (1 - alpha_bar)
    of_x_t = alpha**0.5 * (1 - alpha_bar_before) / (1 - alpha_bar)
    return of_x0 * x0 + of_x_t * x_t


def _step_cases() -> list[tuple]:
    return [
        (_normal(3, 4), _normal(3, 4, seed=1), torch.tensor(0.3), torch.tensor(0.35)),
        (_normal(2, 8, seed=2), _normal(2, 8, seed=3), torch.tensor(0.1), torch.tensor(0.8)),
        (_normal(2, 8, seed=4), _normal(2, 8, seed=5), torch.tensor(0.9), torch.tensor(1.0)),
    ]


define(
    "diffusion.posterior_mean",
    posterior_mean,
    minutes=8,
    level="medium",
    hints=[
        "First alpha = alpha_bar / alpha_bar_before, the share that this step alone keeps, and "
        "beta = 1 − alpha.",
        "The factor of x0 is √ᾱ_before · β / (1 − ᾱ).",
        "The factor of x_t is √α · (1 − ᾱ_before) / (1 − ᾱ). A check: with ᾱ_before = 1 the mean "
        "is x0.",
    ],
    cases=_step_cases,
    mistakes={
        "The two pictures have changed their factors: with ᾱ_before = 1 the mean must be x0.":
        ("of_x0 * x0 + of_x_t * x_t", "of_x0 * x_t + of_x_t * x0"),
        "ᾱ at the two times is mixed up: alpha_bar belongs to x_t, the noisier picture.":
        lambda x_t, x0, after, before: posterior_mean(x_t, x0, before, after),
        "This takes β = 1 − ᾱ. The noise of this step alone is β = 1 − ᾱ / ᾱ_before.":
        ("(1 - alpha) / (1 - alpha_bar)", "(1 - alpha_bar) / (1 - alpha_bar)"),
        "The root of ᾱ_before in front of x0 is missing.":
        ("alpha_bar_before**0.5", "alpha_bar_before"),
        "The factor of x0 has √ᾱ of the later time; it is √ᾱ_before.":
        ("alpha_bar_before**0.5", "alpha_bar**0.5"),
        "The root of α in front of x_t is missing.": ("alpha**0.5", "alpha"),
        "The factor of x_t has √ᾱ. It is √α with α = ᾱ / ᾱ_before, the share of this step alone.":
        ("of_x_t = alpha**0.5", "of_x_t = alpha_bar**0.5"),
        "The factor of x_t has α without bar twice: 1 − ᾱ_before belongs there.":
        ("alpha**0.5 * (1 - alpha_bar_before)", "alpha**0.5 * (1 - alpha)"),
        "α has no bar: α = ᾱ / ᾱ_before, in both factors.":
        lambda x_t, x0, a, b: (b**0.5 * (1 - a) * x0 + a**0.5 * (1 - b) * x_t) / (1 - a),
        "α is upside down: it is ᾱ / ᾱ_before, below 1.":
        ("alpha = alpha_bar / alpha_bar_before", "alpha = alpha_bar_before / alpha_bar"),
        "The division by 1 − ᾱ is missing.":
        lambda x_t, x0, after, before: posterior_mean(x_t, x0, after, before) * (1 - after),
        "This divides by 1 − ᾱ_before. Divide by 1 − ᾱ, the noise in x_t.":
        lambda x_t, x0, a, b: posterior_mean(x_t, x0, a, b) * (1 - a) / (1 - b),
        "This is the step of DDIM, which keeps the noise. Here the mean of the posterior is asked.":
        lambda x_t, x0, a, b: ddim_step(x_t, x0, a, b),
    },
)  # fmt: skip


def ddim_step(x_t, x0, alpha_bar, alpha_bar_before):
    eps = (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
    return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps


define(
    "diffusion.ddim_step",
    ddim_step,
    minutes=7,
    level="medium",
    hints=[
        "Two lines. First the noise: solve x_t = √ᾱ x0 + √(1 − ᾱ) ε for ε.",
        "Then the line of exercise 1, with x0, this noise, and ᾱ of the earlier time.",
        "The noise is (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar)**0.5, whatever made x_t.",
    ],
    cases=_step_cases,
    mistakes={
        "ᾱ at the two times is mixed up: alpha_bar belongs to x_t, the noisier picture.":
        lambda x_t, x0, after, before: ddim_step(x_t, x0, before, after),
        "The noise is solved with the right ᾱ, and then put together with the same one, which is "
        "x_t again. Use alpha_bar_before in the second line.": lambda x_t, x0, a, b: x_t,
        "The division by √(1 − ᾱ) is missing, so this is no noise of variance 1.":
        (" / (1 - alpha_bar) ** 0.5", ""),
        "The noise is divided by 1 − ᾱ, without the root.":
        ("/ (1 - alpha_bar) ** 0.5", "/ (1 - alpha_bar)"),
        "The root of ᾱ is missing where the noise is solved for.":
        ("x_t - alpha_bar**0.5 * x0", "x_t - alpha_bar * x0"),
        "x0 is subtracted at its full size. In x_t it has shrunk to √ᾱ x0.":
        ("x_t - alpha_bar**0.5 * x0", "x_t - x0"),
        "The roots in the last line are missing: factors are √ᾱ_before and √(1 − ᾱ_before).":
        lambda x_t, x0, a, b: b * x0 + (1 - b) * (x_t - a**0.5 * x0) / (1 - a) ** 0.5,
        "The root of 1 − ᾱ_before in front of the noise is missing.":
        ("(1 - alpha_bar_before) ** 0.5 * eps", "(1 - alpha_bar_before) * eps"),
        "The root of ᾱ_before in front of x0 is missing.":
        ("alpha_bar_before**0.5", "alpha_bar_before"),
        "x_t is not the noise: solve x_t = √ᾱ x0 + √(1 − ᾱ) ε for ε first.":
        lambda x_t, x0, a, b: b**0.5 * x0 + (1 - b) ** 0.5 * x_t,
        "√ᾱ and √(1 − ᾱ) have changed places where the noise is solved for.":
        lambda x_t, x0, a, b: (
            b**0.5 * x0 + (1 - b) ** 0.5 * (x_t - (1 - a) ** 0.5 * x0) / a**0.5
        ),
        "This is the mean of DDPM's step, which loses a part of the noise. Keep all of it.":
        posterior_mean,
        "This is the noise ε. Go on: put x0 and ε together at the earlier time.":
        lambda x_t, x0, a, b: (x_t - a**0.5 * x0) / (1 - a) ** 0.5,
    },
)  # fmt: skip


def guided(free, asked, weight):
    return free + weight * (asked - free)


define(
    "diffusion.guided",
    guided,
    minutes=3,
    level="easy",
    hints=[
        "Begin at the guess without the class and go along the difference.",
        "Weight 0 must give free, weight 1 must give asked.",
    ],
    cases=lambda: [
        (_normal(3, 4), _normal(3, 4, seed=1), 2.5),
        (_normal(2, 8, 8, seed=2), _normal(2, 8, 8, seed=3), 0.0),
        (_normal(5, seed=4), _normal(5, seed=5), 1.0),
        (_normal(5, seed=6), _normal(5, seed=7), -0.5),
    ],
    mistakes={
        "This begins at asked, the count of some papers: weight 1 must give asked, weight 0 free.":
        ("free + weight", "asked + weight"),
        "The difference points away from the class: it is asked − free.":
        ("(asked - free)", "(free - asked)"),
        "free and asked have changed places: weight 0 must give free.":
        lambda free, asked, weight: guided(asked, free, weight),
        "This is the step alone. Add it to free.": ("free + weight", "weight"),
        "The guess without the class is added at full size: its share is 1 − weight.":
        ("weight * (asked - free)", "weight * asked"),
        "Parentheses are missing: the weight multiplies the whole difference.":
        ("weight * (asked - free)", "weight * asked - free"),
        "This keeps weights between 0 and 1. Guidance goes beyond 1 on purpose.":
        lambda free, asked, weight: guided(free, asked, min(max(weight, 0), 1)),
        "The weight is not used.": ("weight * (asked - free)", "(asked - free)"),
    },
)  # fmt: skip
