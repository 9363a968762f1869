"""Exercises of Day 2: references, inputs, mistakes and hints. How to read it: see day1.py."""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from helpers.exercises.engine import SEED, Refused, define, different_kind, gradients


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- 01 gans


# ---------------------------------------------------------------- 02 better_gans


def gradient_penalty(gradients):
    norms = gradients.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


define(
    "better_gans.gradient_penalty",
    gradient_penalty,
    minutes=5,
    level="easy",
    hints=[
        "Each picture has one gradient, with as many numbers as the picture has pixels, in "
        "whatever shape. Its norm is the root of the sum of their squares.",
        "gradients.flatten(1) has shape (B, P); .norm(dim=1) makes one number per picture.",
        "Subtract 1 from each norm, square, and take the mean over the batch.",
    ],
    cases=lambda: [
        (_normal(6, 2),),
        (2 * _normal(4, 8, 8, seed=1),),
        (_normal(3, 1, 5, 4, seed=2) / 10,),
    ],
    gradients=True,
    mistakes={
        "This is one norm for the whole batch. Each picture has its own: flatten(1), then "
        "norm(dim=1).": ("gradients.flatten(1).norm(dim=1)", "gradients.norm()"),
        "The norms run along the batch. Dimension 0 tells the pictures apart: norm(dim=1).":
        ("norm(dim=1)", "norm(dim=0)"),
        "This takes the norm over the last dimension only. A picture has more than one: "
        "flatten(1) first.": ("gradients.flatten(1).norm(dim=1)", "gradients.norm(dim=-1)"),
        "A picture has more than one dimension: norm(dim=1) of (B, 8, 8) leaves (B, 8). flatten(1) "
        "first.": ("gradients.flatten(1).norm(dim=1)", "gradients.norm(dim=1)"),
        "This squares too early: the norm, then minus 1, then the square.":
        ("(norms - 1).square()", "(norms.square() - 1)"),
        "This compares the squared norm with 1. Take the root first: the norm, then minus 1, then "
        "the square.": ("norm(dim=1)", "square().sum(dim=1)"),
        "The 1 is missing: this pulls the slope to 0, as R1 does. WGAN-GP wants a norm of 1.":
        ("(norms - 1)", "norms"),
        "The square is missing: norms above and below 1 cancel.": (".square()", ""),
        "This is the absolute distance from 1. The formula has its square.": ("square()", "abs()"),
        "This squares the mean. Square the distance of each norm from 1 first, then average.":
        ("(norms - 1).square().mean()", "(norms - 1).mean().square()"),
        "This sums over the batch. The loss is a mean over the batch.": ("mean()", "sum()"),
        "The mean over the batch is missing: the loss needs one number.": (".mean()", ""),
        "This subtracts 1 from every entry of the gradient. Take the norm first.":
        lambda gradients: (gradients.flatten(1) - 1).square().sum(dim=1).mean(),
        "This averages the squares over the pixels in place of summing them: the norm is the root "
        "of the sum.": ("norm(dim=1)", "square().mean(dim=1).sqrt()"),
        "This is the norm of absolute values (the 1-norm). The norm is the root of the sum of "
        "squares.": ("norm(dim=1)", "abs().sum(dim=1)"),
        "This penalizes norms above 1 only. That is a one-sided penalty; here norms below 1 count, "
        "too.": ("(norms - 1)", "(norms - 1).clamp(min=0)"),
    },
)  # fmt: skip


def spectral_norm(weight, u, steps):
    for _ in range(steps):
        v = weight.T @ u
        v = v / v.norm()
        u = weight @ v
        u = u / u.norm()
    return u @ weight @ v


define(
    "better_gans.spectral_norm",
    spectral_norm,
    minutes=8,
    level="medium",
    hints=[
        "One round: v = Wᵀu divided by its length, then u = Wv divided by its length.",
        "weight.T @ u has shape (n,), weight @ v has shape (m,). A vector's length is .norm().",
        "After the last round the estimate is u @ weight @ v, one number.",
    ],
    cases=lambda: [
        (_normal(5, 3), _normal(5, seed=1), 1),
        (_normal(4, 6, seed=2).double(), _normal(4, seed=3).double(), 3),
        (2 * _normal(7, 7, seed=4), _normal(7, seed=5), 10),
    ],
    mistakes={
        "v is not divided by its length, so the estimate is off by that factor.":
        ("v = v / v.norm()", "v = v"),
        "u is not divided by its length, so this is the square of the estimate.":
        ("u = u / u.norm()", "u = u"),
        "Divide by the length of the product, not of the vector you began with.":
        lambda weight, u, steps: _rounds(weight, u, steps, lambda x, old: x / old.norm()),
        "Neither vector is divided by its length. Without that they grow at every round.":
        lambda weight, u, steps: _rounds(weight, u, steps, lambda x, _: x),
        "The vectors are divided by the square of their length: .norm(), not a sum of squares.":
        lambda weight, u, steps: _rounds(weight, u, steps, lambda x, _: x / (x @ x)),
        "The vectors are divided by the sum of their absolute values. Their length is .norm(), the "
        "root of the sum of squares.":
        lambda weight, u, steps: _rounds(weight, u, steps, lambda x, _: x / x.abs().sum()),
        "This is the Frobenius norm, the root of all squared entries. It is larger: it adds up all "
        "singular values.": lambda weight, u, steps: weight.norm(),
        "This is the exact largest singular value. Asked for is what the given number of rounds "
        "finds, starting at u.":
        lambda weight, u, steps: torch.linalg.matrix_norm(weight, 2),
        "This does one round, whatever `steps` says. Repeat both lines `steps` times.":
        ("range(steps)", "range(1)"),
        "This does one round too many.": ("range(steps)", "range(steps + 1)"),
        "This is the normalized matrix. Asked for is the number by which it would be divided.":
        lambda weight, u, steps: weight / spectral_norm(weight, u, steps),
        "The vector is right, but the number is asked for: u @ weight @ v.":
        ("return u @ weight @ v", "return u"),
        "This is the inverse of the estimate.":
        lambda weight, u, steps: 1 / spectral_norm(weight, u, steps),
    },
)  # fmt: skip


def _rounds(weight, u, steps, scale):
    for _ in range(steps):
        v = scale(weight.T @ u, u)
        u = scale(weight @ v, v)
    return u @ weight @ v


def frechet(mean_a, covariance_a, mean_b, covariance_b):
    eigenvalues = torch.linalg.eigvals(covariance_a @ covariance_b).real
    root_trace = eigenvalues.clamp(min=0).sqrt().sum()
    means = (mean_a - mean_b).square().sum()
    return means + covariance_a.trace() + covariance_b.trace() - 2 * root_trace


def _flat(d: int, rank: int, seed: int) -> torch.Tensor:
    """A covariance of lower rank than its size, as of few samples: eigenvalues that round to 0."""
    root = _normal(d, rank, seed=seed).double()
    return root @ root.T / rank


define(
    "better_gans.frechet",
    frechet,
    minutes=8,
    level="medium",
    hints=[
        "Three parts: the squared distance of the means, the two traces, and minus twice the trace "
        "of the root of C_a C_b.",
        "The trace of a matrix root is the sum of the roots of the eigenvalues: "
        "torch.linalg.eigvals(C_a @ C_b).real.clamp(min=0).sqrt().sum().",
        "(m_a − m_b).square().sum() + C_a.trace() + C_b.trace() − 2 · that sum.",
    ],
    cases=lambda: [
        (_normal(3).double(), _flat(3, 9, 1), _normal(3, seed=2).double(), _flat(3, 9, 3)),
        (_normal(4).double(), _flat(4, 9, 4), _normal(4).double(), _flat(4, 9, 5)),
        (_normal(6).double(), _flat(6, 3, 6), _normal(6, seed=7).double(), _flat(6, 4, 8)),
        (_normal(3).double(), torch.diag(torch.tensor([1, 2, -1e-9]).double()),
         _normal(3).double(), torch.eye(3).double()),  # one eigenvalue rounded below 0
    ],
    mistakes={
        "The distance of the means must be squared.":
        ("(mean_a - mean_b).square().sum()", "(mean_a - mean_b).norm()"),
        "The squares of the means are averaged over the features. |m_a − m_b|² is their sum.":
        ("square().sum()", "square().mean()"),
        "The means are not used: two clouds of one shape in different places would be equal.":
        ("return means + ", "return "),
        "The factor 2 before the root is missing.": ("- 2 * root_trace", "- root_trace"),
        "The sign of the root is wrong: for equal covariances the three traces must cancel.":
        ("- 2 * root_trace", "+ 2 * root_trace"),
        "The term with the root is missing.": (" - 2 * root_trace", ""),
        "The traces of the two covariances are missing.":
        (" + covariance_a.trace() + covariance_b.trace()", ""),
        "This adds up all entries of the covariances. The trace is the diagonal: .trace().":
        ("covariance_a.trace() + covariance_b.trace()", "covariance_a.sum() + covariance_b.sum()"),
        "The trace of C_b is missing.": (" + covariance_b.trace()", ""),
        "The trace of C_a is missing.": (" + covariance_a.trace()", ""),
        "This takes the root of each entry of C_a C_b. The root of a matrix is another thing: its "
        "trace is the sum of the roots of the eigenvalues.":
        ("eigenvalues.clamp(min=0).sqrt().sum()",
         "(covariance_a @ covariance_b).clamp(min=0).sqrt().trace()"),
        "The product of two symmetric matrices is not symmetric, so eigvalsh reads it wrong. Use "
        "torch.linalg.eigvals, and .real.": ("eigvals(covariance_a @ covariance_b).real",
                                             "eigvalsh(covariance_a @ covariance_b)"),
        "C_a * C_b multiplies entry by entry. The matrix product is C_a @ C_b.":
        ("covariance_a @ covariance_b", "covariance_a * covariance_b"),
        "The roots of the eigenvalues are missing: this subtracts the trace of the product.":
        (".clamp(min=0).sqrt().sum()", ".sum()"),
        "This takes the root of the sum. Take the root of each eigenvalue, then sum.":
        (".clamp(min=0).sqrt().sum()", ".sum().sqrt()"),
        "An eigenvalue that rounds to a tiny negative number has no root: clamp(min=0) first.":
        (".clamp(min=0)", ""),
        "The squared distance is asked for, as everyone reports it; this is its root.":
        lambda *given: frechet(*given).sqrt(),
        "This is complex: take .real of the eigenvalues.":
        lambda *given: frechet(*given).to(torch.complex128),
    },
)  # fmt: skip


def precision_recall(among_real, among_drawn, drawn_to_real, k):
    real_radius = among_real.kthvalue(k + 1, dim=1).values  # (N,)
    drawn_radius = among_drawn.kthvalue(k + 1, dim=1).values  # (M,)
    precision = (drawn_to_real <= real_radius).any(dim=1).double().mean()
    recall = (drawn_to_real <= drawn_radius[:, None]).any(dim=0).double().mean()
    return precision, recall


def _three_tables(n: int, m: int, k: int, width: float, seed: int) -> tuple:
    real, drawn = _normal(n, 2, seed=seed).double(), width * _normal(m, 2, seed=seed + 1).double()
    exact = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
    return exact(real, real), exact(drawn, drawn), exact(drawn, real), k


define(
    "better_gans.precision_recall",
    precision_recall,
    minutes=10,
    level="medium",
    hints=[
        "among_real.kthvalue(k + 1, dim=1).values has one radius for each real sample, shape (N,).",
        "Entry (i, j) of drawn_to_real is the distance from drawn i to real j. Compare with the "
        "radius of real j: that is along the columns, so (N,) fits as it is.",
        "precision = (drawn_to_real <= real_radius).any(dim=1).double().mean(); for recall the "
        "radius belongs to the row: drawn_radius[:, None], and any(dim=0).",
    ],
    cases=lambda: [
        _three_tables(30, 24, 3, 0.5, 0), _three_tables(25, 40, 5, 1.5, 2),
        _three_tables(35, 35, 1, 1.0, 4),
    ],
    mistakes={
        "The radius reaches the (k − 1)-th other sample: the sample itself, at distance 0, is the "
        "first of the nearest. Take number k + 1.":
        lambda r, d, x, k: precision_recall(r, d, x, k - 1),
        "The radius reaches one sample too far: number k + 1 is the k-th other.":
        lambda r, d, x, k: precision_recall(r, d, x, k + 1),
        "Precision and recall are in each other's place.":
        lambda *given: precision_recall(*given)[::-1],
        "Only precision is returned. Recall is asked for, too.":
        lambda *given: precision_recall(*given)[0],
        "The recall here is coverage: the balls of the real samples. For recall take the balls of "
        "the drawn ones.": lambda r, d, x, k: (
            precision_recall(r, d, x, k)[0],
            (x <= r.kthvalue(k + 1).values).any(dim=0).double().mean()),
        "For precision the balls are those of real samples; here they are those of drawn ones.":
        lambda r, d, x, k: (
            (x <= d.kthvalue(k + 1).values[:, None]).any(dim=1).double().mean(),
            precision_recall(r, d, x, k)[1]),
        "One ball is enough: any(…), not all(…).": lambda r, d, x, k: (
            (x <= r.kthvalue(k + 1).values).all(dim=1).double().mean(),
            (x <= d.kthvalue(k + 1).values[:, None]).all(dim=0).double().mean()),
        "`any` runs along the wrong axis. Rows are drawn samples, columns real ones: any(dim=1) "
        "has one answer for each drawn sample.": lambda r, d, x, k: (
            (x <= r.kthvalue(k + 1).values).any(dim=0).double().mean(),
            (x <= d.kthvalue(k + 1).values[:, None]).any(dim=1).double().mean()),
        "The numbers are right, but float32. Asked for is float64: .double().mean().":
        lambda *given: tuple(share.float() for share in precision_recall(*given)),
        "This averages over all pairs. First ask each sample whether any ball holds it, then "
        "average.": lambda r, d, x, k: (
            (x <= r.kthvalue(k + 1).values).double().mean(),
            (x <= d.kthvalue(k + 1).values[:, None]).double().mean()),
        "These are counts. Shares are asked for: a mean in place of a sum.":
        lambda r, d, x, k: (precision_recall(r, d, x, k)[0] * len(x),
                            precision_recall(r, d, x, k)[1] * x.shape[1]),
        "The radius is the largest distance. It reaches the k-th nearest other sample.":
        lambda r, d, x, k: precision_recall(r, d, x, min(len(r), len(d)) - 1),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 03 style_and_cycles


# ---------------------------------------------------------------- 04 diffusion
