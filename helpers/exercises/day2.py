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


def modulate(weight, styles, eps=1e-8):
    modulated = weight * styles[:, None, :, None, None]
    squares = modulated.square().sum(dim=(2, 3, 4), keepdim=True)
    return modulated * torch.rsqrt(squares + eps)


define(
    "style.modulate",
    modulate,
    minutes=8,
    level="medium",
    hints=[
        "The result has five dimensions, (B, O, I, k, k). Give the styles ones where they lack "
        "dimensions: styles[:, None, :, None, None] is (B, 1, I, 1, 1).",
        "The length of a filter: square, sum over its inputs and places, dim=(2, 3, 4) with "
        "keepdim=True, add eps, take the root.",
        "modulated * torch.rsqrt(squares + eps) divides by the length.",
    ],
    cases=lambda: [
        (_normal(3, 3, 3, 3), _normal(2, 3, seed=1) + 1, 1e-8),
        (_normal(4, 3, 1, 1, seed=2), _normal(3, 3, seed=3), 1e-8),
        (1e-4 * _normal(2, 5, 3, 3, seed=4), _normal(4, 5, seed=5), 1e-8),
        (_normal(2, 4, 3, 3, seed=6), _normal(2, 4, seed=7), 0.5),
    ],
    gradients=True,
    mistakes={
        "The demodulation is missing: divide each filter by its length.":
        lambda weight, styles, eps=1e-8: weight * styles[:, None, :, None, None],
        "The sum leaves out the input channels (dimension 2). A filter has all its inputs and "
        "places: dim=(2, 3, 4).": ("dim=(2, 3, 4)", "dim=(3, 4)"),
        "The sum runs over the inputs only. A filter has places, too: dim=(2, 3, 4).":
        ("dim=(2, 3, 4)", "dim=2"),
        "The sum runs over the output channels, too. Each of them has a length of its own.":
        ("dim=(2, 3, 4)", "dim=(1, 2, 3, 4)"),
        "This sums over the output channels (dimension 1) in place of the inputs (dimension 2).":
        ("dim=(2, 3, 4)", "dim=(1, 3, 4)"),
        "This divides by the squared length: the root is missing.":
        lambda weight, styles, eps=1e-8: (m := weight * styles[:, None, :, None, None])
        / (m.square().sum(dim=(2, 3, 4), keepdim=True) + eps),
        "eps belongs under the root, beside the sum of squares.":
        lambda weight, styles, eps=1e-8: (m := weight * styles[:, None, :, None, None])
        / (m.square().sum(dim=(2, 3, 4), keepdim=True).sqrt() + eps),
        "eps is missing under the root: a style of zeros would divide by zero.": (" + eps", ""),
        "This takes the mean of the squares. A length is the root of their sum.":
        (".sum(dim", ".mean(dim"),
        "This multiplies by the length. Divide: torch.rsqrt is 1 / √.": ("rsqrt", "sqrt"),
        "This divides by the length of the weights before modulation. Square the modulated ones.":
        ("modulated.square().sum(dim=(2, 3, 4), keepdim=True)",
         "weight.square().sum(dim=(1, 2, 3), keepdim=True)"),
        "The styles scale the output channels. They have a factor for each input channel: "
        "dimension 2 of (B, O, I, k, k).": lambda weight, styles, eps=1e-8: (
            m := weight * styles[:, :, None, None, None])
        * torch.rsqrt(m.square().sum(dim=(2, 3, 4), keepdim=True) + eps),
    },
)  # fmt: skip


def mix(w_coarse, w_fine, crossover, layers):
    first = torch.arange(layers, device=crossover.device) < crossover[:, None]
    return torch.where(first[:, :, None], w_coarse[:, None], w_fine[:, None])


define(
    "style.mix",
    mix,
    minutes=6,
    level="easy",
    hints=[
        "torch.arange(layers, device=crossover.device) numbers the layers, on the device of the "
        "inputs. Layer l is coarse if l < crossover.",
        "With these numbers, numbers < crossover[:, None] is a table (B, layers): a row for each "
        "picture.",
        "torch.where(table[:, :, None], w_coarse[:, None], w_fine[:, None]) spreads it over D.",
    ],
    cases=lambda: [
        (_normal(4, 3), _normal(4, 3, seed=1), torch.tensor([1, 3, 5, 0]), 5),
        (_normal(2, 6, seed=2), _normal(2, 6, seed=3), torch.tensor([2, 2]), 3),
        (_normal(6, 2, seed=4), _normal(6, 2, seed=5), torch.arange(6), 6),
    ],
    gradients=True,
    mistakes={
        "The layer whose number is the crossover belongs to the fine ones: layers 0 to crossover "
        "− 1 are coarse, so compare with <.": (" < crossover", " <= crossover"),
        "Coarse and fine are the other way round: the first layers take w_coarse.":
        (" < crossover", " >= crossover"),
        "The layers stand in dimension 0. Pictures come first: (B, layers, D).":
        lambda *args: mix(*args).transpose(0, 1),
        "All pictures have the crossover of the first. Each has its own: crossover[:, None].":
        lambda a, b, crossover, layers: mix(a, b, crossover[:1].expand(len(a)), layers),
        "This blends the two styles. A layer takes one or the other.":
        lambda a, b, crossover, layers: torch.lerp(
            b, a, (crossover / layers)[:, None])[:, None].repeat(1, layers, 1),
        "The crossover counts layers from the coarse end; this counts them from the fine end.":
        lambda a, b, crossover, layers: mix(a, b, layers - crossover, layers),
        "All layers take w_coarse: the crossover is not used.":
        lambda a, b, crossover, layers: a[:, None].repeat(1, layers, 1),
        "All layers take w_fine: the crossover is not used.":
        lambda a, b, crossover, layers: b[:, None].repeat(1, layers, 1),
        "Only the layer whose number is the crossover takes w_coarse. All layers before it do.":
        (" < crossover", " == crossover"),
        "These are the choices (True for coarse). The styles are asked for: torch.where.":
        lambda a, b, crossover, layers: torch.arange(layers) < crossover[:, None],
    },
)  # fmt: skip


def psnr(x, truth):
    error = (x.clamp(-1, 1) - truth).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error)


define(
    "cycle.psnr",
    psnr,
    minutes=5,
    level="easy",
    hints=[
        "x.clamp(-1, 1) first; then the mean of the squared differences over dim=(1, 2, 3).",
        "The range R is 2, so R² = 4. torch.log10 is the logarithm to base 10.",
        "10 * torch.log10(4 / error), one number for each picture.",
    ],
    cases=lambda: [
        (_normal(3, 3, 4, 4), _normal(3, 3, 4, 4, seed=1).clamp(-1, 1)),
        (0.3 * _normal(2, 3, 6, 5, seed=2), 0.3 * _normal(2, 3, 6, 5, seed=3)),
    ],
    mistakes={
        "This is one number for all pictures together. Each has its own: mean over dim=(1, 2, 3).":
        ("dim=(1, 2, 3)", ""),
        "Averaged over the pictures, not within them: dim=(1, 2, 3).": ("(1, 2, 3)", "0"),
        "The range of −1 … 1 is 2, so its square is 4.": ("4 / error", "1 / error"),
        "R is squared: 2² = 4.": ("4 / error", "2 / error"),
        "For gray levels R would be 255. These pictures go from −1 to 1: R² = 4.":
        ("4 / error", "255**2 / error"),
        "The quotient is upside down: a small error is a high ratio.": ("4 / error", "error / 4"),
        "Values outside −1 … 1 count as the limit: x.clamp(-1, 1) first.": (".clamp(-1, 1)", ""),
        "The logarithm has base 10: torch.log10.": ("log10", "log"),
        "The factor before the logarithm of squared values is 10.": ("10 * torch", "20 * torch"),
        "The factor 10 is missing: a bel has ten decibel.": ("10 * torch", "torch"),
        "Differences are squared, not taken as absolute values.": ("square", "abs"),
        "The squares are summed. MSE is their mean.": (".mean(dim", ".sum(dim"),
        "The numbers are right, but dimensions of size 1 are left over: leave out keepdim=True.":
        ("(1, 2, 3)", "(1, 2, 3), keepdim=True"),
    },
)  # fmt: skip


def cycle_loss(to_striped, to_plain, x, y, weight=10.0):
    there_and_back = (to_plain(to_striped(x)) - x).abs().mean()
    back_and_there = (to_striped(to_plain(y)) - y).abs().mean()
    return weight * (there_and_back + back_and_there)


def _there(x):
    return 2 * x + 0.3


def _back(y):
    return 0.4 * y - y**2


define(
    "cycle.loss",
    cycle_loss,
    minutes=5,
    level="easy",
    hints=[
        "Plain pictures go there and back: to_plain(to_striped(x)). Striped ones the other way.",
        "The bar is a mean of absolute differences: (… - x).abs().mean().",
        "weight * (first mean + second mean).",
    ],
    cases=lambda: [
        (_there, _back, _normal(2, 3, 4, 4), _normal(2, 3, 4, 4, seed=1), 10.0),
        (_there, _back, _normal(3, 3, 2, 2, seed=2), _normal(3, 3, 2, 2, seed=3), 2.0),
    ],
    gradients=True,
    mistakes={
        "x is plain, so it goes through to_striped first, then back through to_plain; y the other "
        "way.": lambda g, f, x, y, weight=10.0: cycle_loss(f, g, x, y, weight),
        "Only the plain pictures make the round trip. The striped ones do, too.":
        (" + back_and_there", ""),
        "Only the striped pictures make the round trip. The plain ones do, too.":
        ("there_and_back + ", ""),
        "The weight is missing.": ("weight * ", ""),
        "The weight acts on the first mean only: put both in parentheses.":
        ("weight * (there_and_back + back_and_there)", "weight * there_and_back + back_and_there"),
        "The weight is always 10 here. It is an argument.":
        lambda g, f, x, y, weight=10.0: cycle_loss(g, f, x, y),
        "The differences are squared. CycleGAN takes their absolute values.":
        lambda g, f, x, y, weight=10.0: weight * (
            (f(g(x)) - x).square().mean() + (g(f(y)) - y).square().mean()),
        "The absolute values are missing: errors up and down cancel.":
        lambda g, f, x, y, weight=10.0: weight * ((f(g(x)) - x).mean() + (g(f(y)) - y).mean()),
        "This sums over the values. The bar in the formula is a mean.":
        lambda g, f, x, y, weight=10.0: weight * (
            (f(g(x)) - x).abs().sum() + (g(f(y)) - y).abs().sum()),
        "The two means are averaged. They add up.": ("weight * (", "weight / 2 * ("),
        "This compares one translation with the other pile. The piles hold other objects: compare "
        "x with its own round trip.": lambda g, f, x, y, weight=10.0: weight * (
            (g(x) - y).abs().mean() + (f(y) - x).abs().mean()),
        "This compares a translation with its own input, which asks it to do nothing. Go there and "
        "back first.": lambda g, f, x, y, weight=10.0: weight * (
            (g(x) - x).abs().mean() + (f(y) - y).abs().mean()),
    },
)  # fmt: skip

# ---------------------------------------------------------------- 04 diffusion
