"""Exercises of Day 1 and of the start page: references, inputs, mistakes and hints.

A mistake's key is what the student reads; its value computes what that mistake computes, as a
function or as an edit of the reference.
"""

import math

import torch

from helpers.exercises.engine import Refused, define, different_kind, gradients


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


# ---------------------------------------------------------------- 02 deep learning primer


# ---------------------------------------------------------------- 03 probability and latents


# ---------------------------------------------------------------- 04 early generative nets


# ---------------------------------------------------------------- 05 autoencoders


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
