"""Exercises of Day 2: references, inputs, mistakes and hints. How to read it: see day1.py."""

import inspect
import math
from collections import Counter
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F

from helpers.exercises.engine import Refused, define


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
        "F.softplus(-real_logits).mean() is the first half; the second is the same for fakes, "
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
        "(m_a - m_b).square().sum() + C_a.trace() + C_b.trace() - 2 * that sum.",
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
        "beta = 1 - alpha.",
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


# ---------------------------------------------------------------- 05 words and tokens


def interpolated(both, context, shorter, alpha):
    return (both + alpha * shorter) / (context + alpha)


define(
    "ngram.interpolated",
    interpolated,
    minutes=5,
    level="easy",
    hints=[
        "The formula stands above: one fraction, with the shorter model only above the line.",
        "A check: with both = context = 0 the answer is shorter itself.",
        "In code: (both + alpha * shorter) / (context + alpha).",
    ],
    cases=lambda: [
        (torch.tensor([3.0, 0, 0, 7]), torch.tensor([5.0, 4, 0, 7]), _likely(4), 2.5),
        (torch.tensor([1.0, 0]), torch.tensor([12.0, 1]), _likely(2), 0.7),
        (torch.zeros(3), torch.zeros(3), _likely(3), 4),
    ],
    mistakes={
        "α is missing below the line: probabilities over all tokens then sum to more than 1.":
        ("(context + alpha)", "context"),
        "α is missing above the line: what was never seen keeps the probability 0.":
        ("(both + alpha * shorter)", "both"),
        "The shorter model is added without its weight α.": ("alpha * shorter", "shorter"),
        "α is added without the shorter model: that is not how likely this token is.":
        ("both + alpha * shorter", "both + alpha"),
        "This multiplies α with the shorter model below the line as well. α pretended sightings "
        "were added, whatever they are sightings of.":
        ("context + alpha", "context + alpha * shorter"),
        "Parentheses are missing: α · shorter belongs above the line, too.":
        lambda both, context, shorter, alpha: both + alpha * shorter / (context + alpha),
        "This mixes with the fixed weight α. The weight must depend on how often the context was "
        "seen.": lambda both, context, shorter, alpha: (
            alpha * shorter + (1 - alpha) * both / context.clamp(min=1)
        ),
        "both and context have changed places.":
        lambda both, context, shorter, alpha: (context + alpha * shorter) / (both + alpha),
        "This is the shorter model wherever the context was seen too little, and the counts "
        "elsewhere. Here both speak at once, with weights context and α.":
        lambda both, context, shorter, alpha: torch.where(both > 0, both / context, shorter),
        "The counts get the full weight, and α · shorter comes on top: the shares then sum to "
        "more than 1. Both stand above one line, (context + α).":
        lambda both, context, shorter, alpha: both / context + alpha * shorter,
        "both / context is 0 / 0 for a context that was never seen. One fraction with "
        "(context + α) below needs no such division.":
        lambda both, context, shorter, alpha: (
            context * (both / context) + alpha * shorter) / (context + alpha),
        "This divides by context, which is 0 for a context that was never seen, and mixes with a "
        "fixed weight. One fraction with (context + α) below does both at once.":
        lambda both, context, shorter, alpha: (
            (1 - alpha) * both / context + alpha * shorter
        ),
    },
)  # fmt: skip


def _likely(n: int) -> torch.Tensor:
    return torch.linspace(0.1, 0.4, n)


def negative_sampling_loss(center, context, negatives):
    real = (center * context).sum(dim=1)
    fake = (negatives * center.unsqueeze(1)).sum(dim=2)
    log_sigmoid = torch.nn.functional.logsigmoid
    return -log_sigmoid(real) - log_sigmoid(-fake).sum(dim=1)


define(
    "w2v.negative_sampling_loss",
    negative_sampling_loss,
    minutes=7,
    level="medium",
    hints=[
        "Scores first. The real pair: (center * context).sum(dim=1), shape (B,).",
        "The negatives: (negatives * center.unsqueeze(1)).sum(dim=2), shape (B, K).",
        "F.logsigmoid(t) is log σ(t) and never log 0. Sum the negatives' part over K.",
    ],
    cases=lambda: [
        (_normal(4, 3), _normal(4, 3, seed=1), _normal(4, 5, 3, seed=2)),
        (_normal(6, 2, seed=3), _normal(6, 2, seed=4), _normal(6, 1, 2, seed=5)),
        (40 * _normal(3, 8), 40 * _normal(3, 8, seed=6), 40 * _normal(3, 3, 8, seed=7)),
    ],
    gradients=True,
    mistakes={
        "The negatives have the wrong sign: fakes shall score low, log σ(−u·v).":
        ("log_sigmoid(-fake)", "log_sigmoid(fake)"),
        "The real pair has the wrong sign: it shall score high, log σ(u·v).":
        ("log_sigmoid(real)", "log_sigmoid(-real)"),
        "A loss is a negative logarithm: both parts have a minus sign.":
        lambda center, context, negatives: -negative_sampling_loss(center, context, negatives),
        "The part of the negatives is added where it must be subtracted.":
        ("- log_sigmoid(-fake)", "+ log_sigmoid(-fake)"),
        "This averages over the negatives; the formula sums.":
        ("log_sigmoid(-fake).sum(dim=1)", "log_sigmoid(-fake).mean(dim=1)"),
        "The negatives are summed over the whole batch: sum over dim=1, the K of each pair.":
        ("log_sigmoid(-fake).sum(dim=1)", "log_sigmoid(-fake).sum()"),
        "The scores are summed before the sigmoid. Each negative is a guess of its own.":
        ("log_sigmoid(-fake).sum(dim=1)", "log_sigmoid(-fake.sum(dim=1))"),
        "The negatives are compared with the context. They stand in for it: compare them with the "
        "center.": ("negatives * center", "negatives * context"),
        "This is one number for the whole batch; one for each pair is asked.":
        lambda center, context, negatives:
        negative_sampling_loss(center, context, negatives).mean(),
        "The minus sign stands outside of the sigmoid: log σ(−t) is not −log σ(t).":
        ("- log_sigmoid(-fake).sum(dim=1)", "+ log_sigmoid(fake).sum(dim=1)"),
        "The sigmoid comes before the sum over D. Sum over D first: a score is one number.":
        lambda center, context, negatives: (
            -F.logsigmoid(center * context).sum(1)
            - F.logsigmoid(-negatives * center.unsqueeze(1)).sum((1, 2))
        ),
        "The part of the real pair is missing.": ("-log_sigmoid(real) - ", "-"),
        "The part of the negatives is missing: all words would run to the same place.":
        (" - log_sigmoid(-fake).sum(dim=1)", ""),
        "log(sigmoid(t)) is log 0 for very negative t. F.logsigmoid does it in one step.":
        lambda center, context, negatives: (
            -torch.sigmoid((center * context).sum(1)).log()
            - torch.sigmoid(-(negatives * center.unsqueeze(1)).sum(2)).log().sum(1)
        ),
    },
)  # fmt: skip


def merge_most_frequent(words, new):
    counts = {}
    for word, n in words.items():
        for i in range(len(word) - 1):
            pair = word[i : i + 2]
            counts[pair] = counts.get(pair, 0) + n
    best = min(counts, key=lambda pair: (-counts[pair], pair))
    merged = {}
    for word, n in words.items():
        symbols, i = [], 0
        while i < len(word):
            here = word[i : i + 2] == best
            symbols.append(new if here else word[i])
            i += 2 if here else 1
        merged[tuple(symbols)] = n
    return best, merged


def _counts(words, weighted=True):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n if weighted else 1
    return counts


def _most_frequent(counts, order=tuple):
    """The most frequent pair; of several, the one whose `order` is the smallest."""
    return min(counts, key=lambda pair: (-counts[pair], order(pair)))


def _merged(words, new, best, once=False):
    """What the reference returns if the pair is `best`; once: at its first place in each word."""
    merged = {}
    for word, n in words.items():
        symbols, i = [], 0
        while i < len(word):
            here = word[i : i + 2] == best and not (once and new in symbols)
            symbols.append(new if here else word[i])
            i += 2 if here else 1
        merged[tuple(symbols)] = n
    return best, merged


def _without_jump(words, new):
    """Every place of a word is looked at, so that the right half of a pair stays."""
    best, _ = merge_most_frequent(words, new)
    return best, {
        tuple(new if word[i : i + 2] == best else word[i] for i in range(len(word))): n
        for word, n in words.items()
    }


def _from_the_right(words, new):
    (best, _), merged = merge_most_frequent(words, new), {}
    for word, n in words.items():
        symbols, i = [], len(word)
        while i > 0:
            here = word[max(0, i - 2) : i] == best
            symbols.insert(0, new if here else word[i - 1])
            i -= 2 if here else 1
        merged[tuple(symbols)] = n
    return best, merged


def _not_overlapping(words, new):
    counts = Counter()
    for word, n in words.items():
        last = None
        for i, pair in enumerate(pairwise(word)):
            if last != (i - 1, pair):
                counts[pair] += n
                last = i, pair
    return _merged(words, new, _most_frequent(counts))


def _last_symbol_lost(words, new):
    best, merged = merge_most_frequent(words, new)
    return best, {word[:-1] if word[-1] != new else word: n for word, n in merged.items()}


def _pair_is_a_tuple(answer):
    pair, _ = answer({(1, 2): 3, (2, 1): 1}, 9)
    if not isinstance(pair, tuple):
        raise Refused(
            "The values are right, but the pair must be a tuple, (left, right): a later cell "
            "looks pairs up in a dict, which takes no lists. Return tuple(pair)."
        )


define(
    "bpe.merge_most_frequent",
    merge_most_frequent,
    minutes=10,
    level="medium",
    hints=[
        "Three steps: count pairs, choose one, replace it. word[i : i + 2] is the pair at place i.",
        "min(counts, key=lambda pair: (-counts[pair], pair)) is the most frequent, and of several "
        "the smallest.",
        "To replace, walk with `while i < len(word)`: if word[i : i + 2] == best append new and go "
        "on by 2, else append word[i] and go on by 1. tuple(…) in the end.",
    ],
    cases=lambda: [
        ({(3, 1, 2): 2, (1, 2): 3, (3, 1): 4}, 9),
        ({(5, 6, 5, 6, 7): 2, (1, 2): 1, (2, 1, 2, 1): 1}, 10),
        ({(4, 4, 4): 3, (4, 4, 4, 4): 2, (1, 4): 5}, 11),
        ({(2, 9): 2, (2, 3): 2, (7, 8): 2, (8, 1): 1}, 12),
        ({(1, 2): 9, (3, 4, 5): 5, (3, 4): 3, (6,): 50, (3, 4, 6): 1, (1, 2, 7): 1}, 13),
        ({(1, 2): 9, (3, 4, 5): 1, (3, 4): 1, (3, 4, 6): 1}, 14),
        ({(4, 4, 4): 2, (1, 2): 3}, 15),
        ({(1, 9): 2, (2, 3): 2, (4, 5): 2}, 16),
    ],
    mistakes={
        "Each pair was counted once a word. A word that occurs n times counts n times.":
        lambda words, new: _merged(words, new, _most_frequent(_counts(words, weighted=False))),
        "Of several pairs that are equally frequent take the smallest, as tuples compare; this "
        "takes the one met first.":
        lambda words, new: _merged(words, new, _most_frequent(_counts(words), lambda pair: 0)),
        "Of several pairs that are equally frequent take the smallest; this takes the greatest.":
        lambda words, new: _merged(
            words, new, _most_frequent(_counts(words), lambda pair: (-pair[0], -pair[1]))),
        "Only the first place in each word was merged. Go on to the end of the word.":
        lambda words, new: _merged(words, new, _most_frequent(_counts(words)), once=True),
        "The words are unchanged: replace the pair in them.":
        lambda words, new: (merge_most_frequent(words, new)[0], words),
        "The pair and the words have changed places in what is returned.":
        lambda words, new: merge_most_frequent(words, new)[::-1],
        "Only the words came back. Return the pair, then the words.":
        lambda words, new: merge_most_frequent(words, new)[1],
        "Only the pair came back. Return the pair, then the words.":
        lambda words, new: merge_most_frequent(words, new)[0],
        "The new words have lost their counts: each keeps the count of the old one.":
        ("merged[tuple(symbols)] = n", "merged[tuple(symbols)] = 1"),
        "Words without the pair are missing from the result: they stay as they are.":
        lambda words, new: (
            (made := merge_most_frequent(words, new))[0],
            {word: n for word, n in made[1].items() if new in word},
        ),
        "Merge from the left: (4, 4, 4) becomes (new, 4).": _from_the_right,
        "In (4, 4, 4) the pair (4, 4) stands twice: count every two neighbors.": _not_overlapping,
        "Of several pairs that are equally frequent compare the left ids first, then the right.":
        lambda words, new: _merged(
            words, new, _most_frequent(_counts(words), lambda pair: pair[::-1])),
        "After a merge go on by 2: here the right half of the pair stays behind the new id.":
        _without_jump,
        "The last symbol of a word is lost when no pair begins there. Walk to the end of the word.":
        _last_symbol_lost,
    },
    checks=[_pair_is_a_tuple],
)  # fmt: skip


def lstm_cell(x, h, c, w_x, w_h, b):
    i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c_new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c_new), c_new


def _cell_case(batch: int, d: int, size: int, seed: int) -> tuple[torch.Tensor, ...]:
    shapes = (batch, d), (batch, size), (batch, size), (4 * size, d), (4 * size, size), (4 * size,)
    return tuple(_normal(*shape, seed=seed + k) for k, shape in enumerate(shapes))


define(
    "lstm.cell",
    lstm_cell,
    minutes=8,
    level="medium",
    hints=[
        "All four parts in one line: x @ w_x.T + h @ w_h.T + b has shape (B, 4H).",
        "i, f, g, o = parts.chunk(4, dim=1). Sigmoid for i, f and o; tanh for g.",
        "The new c first, then h from the new c. Return h, c in this order.",
    ],
    cases=lambda: [_cell_case(3, 4, 5, 0), _cell_case(2, 6, 6, 10), _cell_case(4, 1, 2, 20)],
    gradients=True,
    mistakes={
        "h and c have changed places in what is returned: h first.":
        lambda x, h, c, w_x, w_h, b: lstm_cell(x, h, c, w_x, w_h, b)[::-1],
        "h is made of the old cell. Compute the new c first, then h from it.":
        ("torch.tanh(c_new), c_new", "torch.tanh(c), c_new"),
        "The tanh around the new cell is missing in h.":
        ("torch.tanh(c_new), c_new", "c_new, c_new"),
        "g goes through a sigmoid; it is tanh, since a cell must also be able to fall.":
        ("torch.tanh(g)", "torch.sigmoid(g)"),
        "The tanh of g is missing.": ("torch.tanh(g)", "g"),
        "The sigmoid of the forget gate is missing.": ("torch.sigmoid(f)", "f"),
        "The sigmoid of the input gate is missing.": ("torch.sigmoid(i)", "i"),
        "The sigmoid of the output gate is missing.": ("torch.sigmoid(o)", "o"),
        "i and f have changed places: the forget gate multiplies the old cell.":
        ("i, f, g, o =", "f, i, g, o ="),
        "The order of the four parts is i, f, g, o; here g and o have changed places.":
        ("i, f, g, o =", "i, f, o, g ="),
        "The forget gate multiplies h. It belongs to the old cell c.":
        ("torch.sigmoid(f) * c ", "torch.sigmoid(f) * h "),
        "The bias is missing.": (" + b)", ")"),
        "The part of the state, W_h h, is missing: without it there is no memory in the gates.":
        (" + h @ w_h.T", ""),
        "This keeps 1 − σ(f) of the cell. σ(f) near 1 means keep.":
        ("torch.sigmoid(f) * c ", "(1 - torch.sigmoid(f)) * c "),
        "The old cell is kept without its forget gate.": ("torch.sigmoid(f) * c ", "c "),
        "The output gate is a sigmoid: it lets through between nothing and all.":
        ("torch.sigmoid(o)", "torch.tanh(o)"),
        "All four parts went through a sigmoid and g through a tanh after it; g takes tanh alone.":
        ("torch.tanh(g)", "torch.tanh(torch.sigmoid(g))"),
        "W_h multiplies the old cell. The gates see the state h.": ("h @ w_h.T", "c @ w_h.T"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 06 attention


def additive_scores(queries, keys, w_q, w_k, v):
    return torch.tanh((queries @ w_q.T)[:, :, None] + (keys @ w_k.T)[:, None]) @ v


define(
    "attention.additive_scores",
    additive_scores,
    minutes=6,
    level="medium",
    hints=[
        "First queries @ w_q.T of shape (B, T, A) and keys @ w_k.T of shape (B, S, A).",
        "To add each to each, give them shapes (B, T, 1, A) and (B, 1, S, A): x[:, :, None] and "
        "x[:, None].",
        "The sum has shape (B, T, S, A). After the tanh, @ v sums over A.",
    ],
    cases=lambda: [
        (_normal(3, 3, 4, seed=5), _normal(3, 3, 4, seed=6), _normal(4, 4, seed=7),
         _normal(4, 4, seed=8), _normal(4, seed=9)),
        (_normal(2, 3, 4), _normal(2, 5, 4, seed=1), _normal(6, 4, seed=2), _normal(6, 4, seed=3),
         _normal(6, seed=4)),
    ],
    mistakes={
        "The tanh is missing. Without it the query moves all scores of its row alike, and the "
        "softmax does not see it.":
        lambda q, k, a, b, v: ((q @ a.T)[:, :, None] + (k @ b.T)[:, None]) @ v,
        "Queries and keys have changed places: the answer has a row for each query.":
        lambda q, k, a, b, v: additive_scores(q, k, a, b, v).transpose(1, 2),
        "w_q belongs to the queries and w_k to the keys; here they have changed places.":
        lambda q, k, a, b, v: additive_scores(q, k, b, a, v),
        "The matrices are not transposed: w_q has shape (A, H), so it is queries @ w_q.T.":
        lambda q, k, a, b, v: additive_scores(q, k, a.T, b.T, v),
        "v is missing: the sum over A is weighted by v.":
        lambda q, k, a, b, v: additive_scores(q, k, a, b, torch.ones_like(v)),
        "The tanh stands around the whole score. It belongs inside, before v.":
        lambda q, k, a, b, v: torch.tanh(
            ((q @ a.T)[:, :, None] + (k @ b.T)[:, None]) @ v),
        "Each vector has its own tanh. Add first: one tanh around the sum.":
        lambda q, k, a, b, v: (torch.tanh(q @ a.T)[:, :, None] + torch.tanh(k @ b.T)[:, None]) @ v,
        "The transformed vectors are multiplied. This form of attention adds them.":
        lambda q, k, a, b, v: torch.tanh((q @ a.T)[:, :, None] * (k @ b.T)[:, None]) @ v,
        "These are weights. Leave the softmax to the next line: the padding has to go first.":
        lambda q, k, a, b, v: additive_scores(q, k, a, b, v).softmax(-1),
        "The mean over A is taken. It is a sum.":
        lambda q, k, a, b, v: additive_scores(q, k, a, b, v) / len(v),
        "Query t is added to key t only. Add each to each: shapes (B, T, 1, A) and (B, 1, S, A).":
        lambda q, k, a, b, v: torch.tanh(q @ a.T + k @ b.T) @ v,
    },
)  # fmt: skip


def scaled_dot_product(queries, keys, mask):
    scores = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def _attention_cases() -> list[tuple]:
    lower = torch.ones(5, 5, dtype=torch.bool).tril()
    padded = torch.tensor([[True, True, False, True, False, True, True]]).expand(2, 4, 7)
    return [
        (_normal(2, 4, 8), _normal(2, 7, 8, seed=1), padded),
        (_normal(2, 3, 5, 16, seed=2), _normal(2, 3, 5, 16, seed=3), lower.expand(2, 3, 5, 5)),
        (9 * _normal(4, 8, seed=4), 9 * _normal(6, 8, seed=5), torch.ones(4, 6, dtype=torch.bool)),
    ]


define(
    "attention.scaled_dot_product",
    scaled_dot_product,
    minutes=6,
    level="medium",
    hints=[
        "Scores of all pairs are one matrix product: queries @ keys.transpose(-2, -1).",
        "Divide by the root of D, which is queries.shape[-1].",
        "scores.masked_fill(~mask, -math.inf) forbids what is False; then softmax over dim −1.",
    ],
    cases=_attention_cases,
    mistakes={
        "The division by √D is missing.": (" / queries.shape[-1] ** 0.5", ""),
        "This divides by D. The standard deviation of the scores is √D.": (" ** 0.5", ""),
        "The root is of another number: D is the length of a vector, queries.shape[-1].":
        ("queries.shape[-1] ** 0.5", "keys.shape[-2] ** 0.5"),
        "The mask is turned around: True allows a look.": ("~mask", "mask"),
        "The mask is not used.": (".masked_fill(~mask, -torch.inf)", ""),
        "The softmax goes over the queries. Each query shares out its weight among the keys: "
        "dim=-1.": ("dim=-1", "dim=-2"),
        "Weights are set to 0 after the softmax, so the rows no longer sum to 1. Mask the scores.":
        lambda q, k, mask: (
            (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1).masked_fill(~mask, 0)),
        "Forbidden scores are set to 0. A score of 0 is no −∞: exp(0) = 1 still gets weight.":
        ("-torch.inf", "0.0"),
        "These are scores. A softmax over the keys makes them weights.": (".softmax(dim=-1)", ""),
        "The scores are multiplied by √D. Divide.": (" / queries", " * queries"),
        "The weights are divided by √D, and no longer sum to 1. The division comes before the "
        "softmax.":
        lambda q, k, mask: (
            scaled_dot_product(q * q.shape[-1] ** 0.5, k, mask) / q.shape[-1] ** 0.5),
    },
)  # fmt: skip


def causal_mask(valid):
    n = valid.shape[1]
    return torch.ones(n, n, dtype=torch.bool, device=valid.device).tril() & valid[:, None, :]


define(
    "attention.causal_mask",
    causal_mask,
    minutes=5,
    level="easy",
    hints=[
        "torch.ones(T, T, dtype=torch.bool, device=valid.device).tril() is True where key ≤ query.",
        "valid says which keys may be seen: valid[:, None, :] has shape (B, 1, T).",
        "Both must hold: & of the two, which gives (B, T, T).",
    ],
    cases=lambda: [
        (torch.tensor([[True] * 5, [True] * 3 + [False] * 2]),),
        (torch.tensor([[True, True, False], [True, False, False], [True, True, True]]),),
        (torch.tensor([[False, False, True, True]]),),
    ],
    mistakes={
        "This allows the future and forbids the past: it is tril, not triu.":
        lambda valid: torch.ones_like(valid[0]).expand(valid.shape[1], -1).triu()
        & valid[:, None, :],
        "The diagonal is missing: a token may look at itself.": (".tril()", ".tril(-1)"),
        "Each token sees one step ahead: the mask is wrong by one place.": (".tril()", ".tril(1)"),
        "Padding is marked among the queries. It must not be looked at: keys are the last axis.":
        ("valid[:, None, :]", "valid[:, :, None]"),
        "The padding is forgotten.": (" & valid[:, None, :]", " & torch.ones_like(valid)[:, None]"),
        "The answer is one triangle (T, T), and knows nothing of the batch: take in valid, at the "
        "keys.":
        lambda valid: torch.ones_like(valid[0]).expand(valid.shape[1], -1).tril(),
        "The future is forgotten: only padding is masked.":
        lambda valid: valid[:, None, :].expand(-1, valid.shape[1], -1),
        "Either is enough here. Both must hold: &, not |.": (" & ", " | "),
        "True and False are turned around: True allows a look.":
        lambda valid: ~causal_mask(valid),
        "Rows of padding are all False: their softmax will be NaN. Only keys need the mask.":
        lambda valid: causal_mask(valid) & valid[:, :, None],
    },
)  # fmt: skip


def split_heads(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


define(
    "attention.split_heads",
    split_heads,
    minutes=6,
    level="medium",
    hints=[
        "Two steps: cut the last axis in two, then move the heads forward.",
        "x.view(B, T, n_heads, D // n_heads) cuts D numbers of each token into heads.",
        "Then .transpose(1, 2): (B, T, n_heads, …) becomes (B, n_heads, T, …).",
    ],
    cases=lambda: [
        (_normal(2, 3, 8), 4),
        (_normal(2, 4, 8, seed=1), 4),
        (_normal(1, 5, 6, seed=2), 1),
        (_normal(3, 2, 12, seed=3), 3),
    ],
    mistakes={
        "The numbers of one head come from several tokens: view alone straight to "
        "(B, n_heads, T, …) cuts the wrong axis. Cut D first, then transpose.":
        lambda x, h: x.reshape(len(x), h, x.shape[1], -1),
        "The heads are not moved forward: transpose axes 1 and 2.": (".transpose(1, 2)", ""),
        "The cut is right in size, but head 0 gets every n_heads-th number. It gets the first D/h.":
        lambda x, h: x.unflatten(-1, (-1, h)).permute(0, 3, 1, 2),
        "The tokens stand in the last axis: (B, n_heads, D/h, T). Only axes 1 and 2 are exchanged.":
        lambda x, h: split_heads(x, h).transpose(-2, -1),
        "n_heads is taken for the size of a head. A head has D / n_heads numbers.":
        lambda x, h: x.unflatten(-1, (-1, h)).transpose(1, 2),
        "The heads come first, before the batch: the order is (B, n_heads, T, D/h).":
        lambda x, h: split_heads(x, h).transpose(0, 1),
        "Every head has all numbers. Cut the last axis.":
        lambda x, h: x[:, None].expand(-1, h, -1, -1),
        "The heads are in the reverse order: head 0 gets the first numbers.":
        lambda x, h: split_heads(x, h).flip(1),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 07 transformer


def positions(n, d_model):
    angle = torch.arange(n)[:, None] * 10_000 ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


define(
    "transformer.positions",
    positions,
    minutes=7,
    level="medium",
    hints=[
        "First the angles t ω_i, a table (n, d_model / 2): positions as a column times ω as a row.",
        "2i runs over torch.arange(0, d_model, 2), so ω is 10_000 ** (-torch.arange(0, d_model, 2) "
        "/ d_model).",
        "Make a table of zeros (n, d_model) and fill [:, 0::2] with sines, [:, 1::2] with cosines.",
    ],
    cases=lambda: [(5, 8), (1, 2), (30, 16), (12, 64)],
    mistakes={
        "All sines stand first, then all cosines. They take turns: column 0 a sine, 1 a cosine.":
        ("torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)",
         "torch.cat([angle.sin(), angle.cos()], dim=1)"),
        "Sines and cosines have changed places: the even columns hold sines.":
        ("[angle.sin(), angle.cos()]", "[angle.cos(), angle.sin()]"),
        "The exponent is −2i / d, and i counts pairs. This falls half as fast: the 2 is missing.":
        ("-torch.arange(0, d_model, 2) / d_model", "-torch.arange(d_model // 2) / d_model"),
        "This falls twice as fast: arange in steps of 2 holds 2i already.":
        ("-torch.arange(0, d_model, 2) / d_model", "-2 * torch.arange(0, d_model, 2) / d_model"),
        "The exponent's sign is wrong: the waves become longer, not shorter.":
        ("-torch.arange(0, d_model, 2)", "torch.arange(0, d_model, 2)"),
        "Positions count from 0, not from 1.": ("torch.arange(n)[:", "torch.arange(1, n + 1)[:"),
        "The base of the waves is 10,000.": ("10_000", "1_000"),
        "The table lies on its side: one row for each position.":
        lambda n, d_model: positions(n, d_model).T,
        "i counts pairs of columns, not columns: column 2 is pair 1.":
        lambda n, d_model: torch.where(
            torch.arange(d_model) % 2 == 0,
            (torch.arange(n)[:, None] * 10_000 ** (-2 * torch.arange(d_model) / d_model)).sin(),
            (torch.arange(n)[:, None] * 10_000 ** (-2 * torch.arange(d_model) / d_model)).cos(),
        ),
        "Each column has its own speed here. A sine and its cosine share one.":
        lambda n, d_model: torch.where(
            torch.arange(d_model) % 2 == 0,
            (torch.arange(n)[:, None] * 10_000 ** (-torch.arange(d_model) / d_model)).sin(),
            (torch.arange(n)[:, None] * 10_000 ** (-torch.arange(d_model) / d_model)).cos(),
        ),
    },
)  # fmt: skip


def smoothed(logits, target, share):
    log_p = logits.log_softmax(dim=-1)
    right = -log_p.gather(1, target[:, None]).squeeze(1)
    return ((1 - share) * right - share * log_p.mean(dim=1)).mean()


define(
    "transformer.label_smoothing",
    smoothed,
    minutes=6,
    level="medium",
    hints=[
        "Both terms need log-probabilities: logits.log_softmax(dim=-1), (N, V).",
        "The right words: log_p.gather(1, target[:, None]), (N, 1). The sum over all words, "
        "divided by V, is a mean over dim 1.",
        "(1 - share) times the first, share times the second, both with a minus; then the mean.",
    ],
    cases=lambda: [
        (_normal(6, 10), torch.tensor([0, 3, 9, 3, 1, 7]), 0.1),
        (3 * _normal(4, 5, seed=1), torch.tensor([4, 0, 2, 2]), 0.3),
        (_normal(3, 7, seed=2), torch.tensor([6, 1, 0]), 0.0),
        (200 * _normal(3, 4, seed=3), torch.tensor([1, 3, 0]), 0.5),
    ],
    gradients=True,
    mistakes={
        "The share goes to all words as a mean, s / V each. This is a sum over V.":
        ("log_p.mean(dim=1)", "log_p.sum(dim=1)"),
        "share and 1 − share have changed places: most of the weight is on the right word.":
        lambda logits, target, share: smoothed(logits, target, 1 - share),
        "The right word keeps 1 − share, not all of it.": ("(1 - share) * right", "right"),
        "The sign is wrong: a loss is minus a log-probability.":
        lambda logits, target, share: -smoothed(logits, target, share),
        "The second term has the wrong sign: it is minus log p, too.":
        ("- share * log_p", "+ share * log_p"),
        "This is the sum over the words of the batch; the mean is asked for.":
        ("log_p.mean(dim=1)).mean()", "log_p.mean(dim=1)).sum()"),
        "One number for each word is left. Take their mean.":
        ("log_p.mean(dim=1)).mean()", "log_p.mean(dim=1))"),
        "The V words include the right one: it gets s / V as well, each of them divided by V.":
        lambda logits, target, share: (
            (1 - share) * F.cross_entropy(logits, target)
            - share / (logits.shape[1] - 1) * (
                logits.log_softmax(dim=1).sum(dim=1) + F.cross_entropy(
                    logits, target, reduction="none")
            ).mean()
        ),
        "The mean runs over the V words, too. Sum over them, then the mean over the N words.":
        lambda logits, target, share: smoothed(logits, target, share) / logits.shape[1],
        "The share is left out: this is plain cross entropy.":
        lambda logits, target, share: F.cross_entropy(logits, target),
        "Logits are no log-probabilities: log_softmax is missing.":
        ("logits.log_softmax(dim=-1)", "logits"),
        "The softmax runs over the batch. It belongs over the words, dim 1.":
        ("logits.log_softmax(dim=-1)", "logits.log_softmax(dim=0)"),
        "The logarithm of a softmax that has become 0 is −infinity. log_softmax stays finite.":
        ("logits.log_softmax(dim=-1)", "logits.softmax(dim=-1).log()"),
    },
)  # fmt: skip


def beam_step(scores, log_probs, k):
    total = (scores[:, None] + log_probs).flatten()
    best = total.topk(k)
    size = log_probs.shape[1]
    return {"scores": best.values, "parents": best.indices // size, "words": best.indices % size}


define(
    "transformer.beam_step",
    beam_step,
    minutes=8,
    level="medium",
    hints=[
        "The score of each continuation: scores[:, None] + log_probs, (K, V).",
        "The k best of all K · V: flatten the table, then topk(k) gives values and indices.",
        "Index i of the flat table is beginning i // V and word i % V.",
    ],
    cases=lambda: [
        (-_normal(3).abs(), _normal(3, 7, seed=1).log_softmax(dim=1), 3),
        (torch.zeros(1), _normal(1, 9, seed=2).log_softmax(dim=1), 4),
        (torch.tensor([-0.1, -6.0]), _normal(2, 6, seed=3).log_softmax(dim=1), 3),
        (-3 * _normal(4, seed=4).abs(), (2 * _normal(4, 5, seed=5)).log_softmax(dim=1), 2),
    ],
    mistakes={
        "The scores of the beginnings are left out: a good word cannot save a bad beginning.":
        ("(scores[:, None] + log_probs)", "log_probs"),
        "Log-probabilities are multiplied. Probabilities multiply, their logarithms add.":
        ("scores[:, None] + log_probs", "scores[:, None] * log_probs"),
        "parents and words have changed places: beginning i // V, word i % V.":
        ("best.indices // size, \"words\": best.indices % size",
         "best.indices % size, \"words\": best.indices // size"),
        "The flat table has rows of V words: divide by V, not by K.":
        ("log_probs.shape[1]", "log_probs.shape[0]"),
        "These are the worst continuations: log-probabilities nearer to 0 are better.":
        ("total.topk(k)", "total.topk(k, largest=False)"),
        "words holds places in the flat table; take the remainder by V.":
        ("best.indices % size", "best.indices"),
        "These are the k best words of each beginning. Choose k among all K · V together.":
        lambda scores, log_probs, k: {
            "scores": (best := (scores[:, None] + log_probs).topk(k, dim=1)).values,
            "parents": torch.arange(len(scores))[:, None].expand_as(best.indices),
            "words": best.indices,
        },
        "Each beginning goes on with its best word here. Several may come from one beginning.":
        lambda scores, log_probs, k: {
            "scores": (best := (scores[:, None] + log_probs).max(dim=1)).values,
            "parents": torch.arange(len(scores)),
            "words": best.indices,
        },
        "The best come first.":
        lambda scores, log_probs, k: {
            name: part.flip(0) for name, part in beam_step(scores, log_probs, k).items()
        },
        "scores holds the last word's log-probability only. Add its beginning's.":
        lambda scores, log_probs, k: {
            **(step := beam_step(scores, log_probs, k)),
            "scores": step["scores"] - scores[step["parents"]],
        },
        "These are probabilities; keep the logarithms.":
        ('"scores": best.values', '"scores": best.values.exp()'),
    },
)  # fmt: skip


def matches(candidate, reference, n):
    pieces, left = (
        [tuple(line[i : i + n]) for i in range(len(line) - n + 1)]
        for line in (candidate, reference)
    )
    found = 0
    for piece in pieces:
        if piece in left:
            left.remove(piece)  # it can be matched once
            found += 1
    return {"found": found, "all": len(pieces)}


def _by_one(candidate, reference, n, clip=True, distinct=False):
    """`matches` with its parts to switch off."""
    pieces, known = (
        [tuple(line[i : i + n]) for i in range(len(line) - n + 1)]
        for line in (candidate, reference)
    )
    pieces = sorted(set(pieces)) if distinct else pieces
    found = sum(piece in known for piece in pieces)
    return {"found": (Counter(pieces) & Counter(known)).total() if clip else found,
            "all": len(pieces)}  # fmt: skip


define(
    "transformer.bleu_precision",
    matches,
    minutes=7,
    level="medium",
    hints=[
        "The pieces of a list: tuple(line[i:i + n]) for i in range(len(line) - n + 1).",
        "collections.Counter counts them; a piece counts min(its count here, its count there).",
        "Counter(a) & Counter(b) takes that minimum for each piece; .total() adds up.",
    ],
    cases=lambda: [
        (["le", "chat", "noir", "dort", "."], ["le", "chat", "dort", "."], 1),
        (["le", "le", "le", "le"], ["le", "chat", "voit", "le", "chien", "."], 1),
        (["a", "b", "a", "b", "a", "b", "c"], ["a", "b", "a", "b", "c", "d"], 2),
        (["a", "b", "c", "d", "a", "b"], ["c", "d", "a", "b", "a", "b", "c"], 3),
        (["oui", "."], ["non", ".", "oui", "."], 4),
        (["son", "rouge", "chapeau", "."], ["son", "chapeau", "rouge", "."], 2),
        (["le", "chat"], ["la", "belle", "chatte"], 1),
    ],
    mistakes={
        "Clipping is missing: a piece counts at most as often as the right sentence holds it.":
        partial(_by_one, clip=False),
        "Repeated pieces are counted once only. Each one of the candidate's counts.":
        partial(_by_one, distinct=True),
        **{
            f"len() of a Counter is how many different pieces it holds. `{part}` adds up how often "
            "each stands there: .total().":
            lambda candidate, reference, n, part=part: {
                **matches(candidate, reference, n),
                part: _by_one(candidate, reference, n, distinct=True)[part],
            }
            for part in ("found", "all")
        },
        "The last piece is missing: a line of m words has m − n + 1 pieces.":
        ("len(line) - n + 1", "len(line) - n"),
        "Some pieces have fewer than n words: the last ones run beyond the end.":
        ("range(len(line) - n + 1)", "range(len(line))"),
        "all counts the right sentence's pieces: that would be a recall. Count the candidate's.":
        lambda candidate, reference, n: {
            **matches(candidate, reference, n), "all": matches(reference, reference, n)["all"]
        },
        "This gives the words one by one; n is not used.":
        lambda candidate, reference, n: matches(candidate, reference, 1),
        "The pieces do not overlap here. One begins at every word.":
        ("range(len(line) - n + 1)", "range(0, len(line) - n + 1, n)"),
        "The order inside a piece counts.":
        ("tuple(line[i : i + n])", "tuple(sorted(line[i : i + n]))"),
        "This searches letters: \"le\" stands in \"belle\". Compare whole words.":
        lambda candidate, reference, n: {
            **(made := matches(candidate, reference, n)),
            "found": sum(
                min(" ".join(candidate).count(piece), " ".join(reference).count(piece))
                for piece in {" ".join(candidate[i : i + n]) for i in range(made["all"])}
            ),
        },
        "found holds the pieces that are not there.":
        ("if piece in left:\n            left.remove(piece)",
         "if piece not in left:\n            pass"),
        "The sum of both is no share: all counts the candidate's pieces.":
        lambda candidate, reference, n: {
            **matches(candidate, reference, n),
            "all": len(candidate) + len(reference) - 2 * n + 2,
        },
    },
)  # fmt: skip


# ---------------------------------------------------------------- 08 gpt


def causal_attention(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    scores = q @ k.mT / q.shape[-1] ** 0.5
    seen = torch.ones(T, S, dtype=torch.bool, device=q.device).tril(S - T)
    return scores.masked_fill(~seen, float("-inf")).softmax(dim=-1) @ v


def _check_device(answer) -> None:
    """Refuse an answer that makes tensors on the processor although its inputs are elsewhere."""
    inputs = [torch.zeros(1, 1, 2, 4, device="meta") for _ in range(3)]
    if "places" in inspect.signature(answer.function).parameters:
        inputs = [inputs[0], torch.zeros(2, device="meta")]
    try:
        answer.function(*inputs)
    except Exception as problem:
        # Only what a GPU would refuse, too. It takes a single number from the processor, as in
        # masked_fill(hidden, torch.tensor(-math.inf)), which "meta" refuses in words of its own.
        said = str(problem)
        if "the expected device" in said or "tensors to be on the same device" in said:
            raise Refused(
                "The numbers are right, but on a GPU it would stop: make each new tensor on the "
                "device of the inputs, as in torch.ones(T, S, device=q.device)."
            ) from None


def _plain_attention(q, k, v, scale=None, shift=None, axis=-1):
    """Attention as `causal_attention`, with another scale, another diagonal or another axis."""
    T, S = q.shape[-2], k.shape[-2]
    scores = q @ k.mT / (q.shape[-1] ** 0.5 if scale is None else scale)
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T if shift is None else shift)
    return scores.masked_fill(~seen, -math.inf).softmax(dim=axis) @ v


define(
    "gpt.causal_attention",
    causal_attention,
    minutes=8,
    level="medium",
    gradients=True,
    hints=[
        "Four steps: scores q @ k.mT / √D, hide the future with −∞, softmax over the places looked "
        "at (the last axis), and @ v.",
        "seen = torch.ones(T, S, dtype=torch.bool, device=q.device).tril(S - T) is True where a "
        "query may look: with T = S the diagonal and below, with T < S the last T rows of that.",
        "scores.masked_fill(~seen, -math.inf), before the softmax.",
    ],
    cases=lambda: [
        tuple(_normal(2, 3, 5, 4, seed=s) for s in range(3)),
        (_normal(1, 2, 3, 8), _normal(1, 2, 7, 8, seed=1), _normal(1, 2, 7, 8, seed=2)),
        (_normal(2, 1, 1, 4), _normal(2, 1, 6, 4, seed=3), _normal(2, 1, 6, 4, seed=4)),
        (30 * _normal(1, 1, 4, 9), _normal(1, 1, 4, 9, seed=5), torch.eye(4)[None, None]),
    ],
    checks=[_check_device],
    mistakes={
        "The mask is missing: here each place sees the places after it.":
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        "With fewer queries than keys, the queries are the last ones: shift the diagonal by S − T.":
        lambda q, k, v: _plain_attention(q, k, v, shift=0),
        "The division by √D is missing.": lambda q, k, v: _plain_attention(q, k, v, scale=1),
        "This divides by D. Divide by √D.":
        lambda q, k, v: _plain_attention(q, k, v, scale=q.shape[-1]),
        "This divides by √S or √T. D is the last axis of q: q.shape[-1].":
        lambda q, k, v: _plain_attention(q, k, v, scale=k.shape[-2] ** 0.5),
        "nan comes from 0 times −∞. Write the −∞ by masked_fill(hidden, -math.inf).":
        lambda q, k, v: v.new_full((*q.shape[:-1], v.shape[-1]), math.nan),
        "A place may see itself, too. This mask hides it.":
        lambda q, k, v: _plain_attention(q, k, v, shift=k.shape[-2] - q.shape[-2] - 1),
        "This mask lets each place see one place ahead: the answer itself.":
        lambda q, k, v: _plain_attention(q, k, v, shift=k.shape[-2] - q.shape[-2] + 1),
        "The softmax runs along the queries. It runs along the places looked at, the last axis.":
        lambda q, k, v: _plain_attention(q, k, v, axis=-2),
        "The mask is 0 after the softmax, so the weights of a place no longer sum to 1. Hide the "
        "future with −∞ before it.":
        lambda q, k, v: (
            (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1).tril(k.shape[-2] - q.shape[-2]) @ v
        ),
        "The scores of the future are 0 before the softmax, and exp(0) is 1. They must be −∞.":
        lambda q, k, v: (
            (q @ k.mT / q.shape[-1] ** 0.5).tril(k.shape[-2] - q.shape[-2]).softmax(dim=-1) @ v
        ),
        "The mask is upside down: it hides the past and shows the future.":
        lambda q, k, v: (
            (q @ k.mT / q.shape[-1] ** 0.5)
            .masked_fill(torch.ones(q.shape[-2], k.shape[-2]).tril(k.shape[-2] - q.shape[-2]) > 0,
                         -math.inf).softmax(dim=-1) @ v
        ),
        "These are the weights. Multiply the values by them.":
        lambda q, k, v: causal_attention(q, k, torch.eye(k.shape[-2]).expand(*k.shape[:2], -1, -1)),
    },
)  # fmt: skip


def top_p(logits, p):
    ordered, places = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    gone = before >= p
    gone[..., 0] = False  # the best token stays, even for p = 0
    return logits.masked_fill(gone.scatter(-1, places, gone), float("-inf"))


def _cut(logits, p, gone):
    """Logits with −∞ where `gone` says so of (cumulated, single) sorted probabilities and p."""
    ordered, places = logits.sort(dim=-1, descending=True)
    single = ordered.softmax(dim=-1)
    out = gone(single.cumsum(dim=-1), single, p)
    return logits.masked_fill(torch.zeros_like(out).scatter(-1, places, out), float("-inf"))


def _top_p_cases() -> list[tuple]:
    fixed = torch.tensor([[0.05, 0.5, 0.15, 0.3], [0.25, 0.05, 0.65, 0.05]]).log()
    drawn = [(3 * _normal(4, 30), 0.9), (_normal(2, 9, seed=1), 1.0), (_normal(2, 9, seed=2), 0.0)]
    return [(fixed, 0.7), (fixed + 3, 0.4), *drawn]


define(
    "gpt.top_p",
    top_p,
    minutes=8,
    level="medium",
    hints=[
        "ordered, places = logits.sort(dim=-1, descending=True); then softmax and cumsum.",
        "What stood before a token is its cumulated probability minus its own. If that has reached "
        "p, the token goes.",
        "Back into place: mask.scatter(-1, places, sorted_mask); then "
        "logits.masked_fill(mask, -math.inf).",
    ],
    cases=_top_p_cases,
    mistakes={
        "For p = 0 nothing is left here. The best token always stays.":
        lambda logits, p: _cut(logits, p, lambda total, single, p: total - single >= p),
        "The token that crosses p is cut, too. It stays: compare the sum before it.":
        lambda logits, p: _cut(logits, p, lambda total, single, p: total > p),
        "The mask is not put back: it is in sorted order, the logits are not. Use scatter.":
        lambda logits, p: logits.masked_fill(
            (lambda s: s.cumsum(-1) - s >= p)(logits.sort(-1, descending=True)[0].softmax(-1)),
            float("-inf")),
        "The mask goes back by gather; that asks the other way round. Use scatter.":
        lambda logits, p: (lambda ordered, places: logits.masked_fill(
            (ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1) >= p).gather(-1, places),
            float("-inf")))(*logits.sort(-1, descending=True)),
        "The softmax is missing: these are sums of logits, not of probabilities.":
        lambda logits, p: (lambda ordered, places: logits.masked_fill(
            torch.zeros_like(logits, dtype=torch.bool).scatter(
                -1, places, ordered.cumsum(-1) - ordered >= p), float("-inf")))(
            *logits.sort(-1, descending=True)),
        "The logits come back sorted. Each must stay in its own place.":
        lambda logits, p: (lambda o: o.masked_fill(o.softmax(-1).cumsum(-1) - o.softmax(-1) >= p,
                                                   float("-inf")))(
            logits.sort(-1, descending=True)[0]),
        "This sorts upward, so it keeps the least probable tokens. Sort downward.":
        lambda logits, p: -_cut(-logits, p, lambda total, single, p: total - single >= p)
        .nan_to_num(neginf=float("inf")),
        "This keeps each token with a probability of p or more. Add up first, from the top.":
        lambda logits, p: _cut(logits, p, lambda total, single, p: single < p),
        "The cut tokens have logit 0, and exp(0) is 1. It must be −∞.":
        lambda logits, p: top_p(logits, p).nan_to_num(neginf=0.0),
        "These are probabilities. Return logits: the kept ones as they were, −∞ for the others.":
        lambda logits, p: top_p(logits, p).softmax(dim=-1),
        "It is the others that are cut: what is kept and what goes have changed places.":
        lambda logits, p: _cut(logits, p, lambda total, single, p: total - single < p),
        "One token too many stays: a token goes if those before it have reached p already.":
        lambda logits, p: _cut(logits, p, lambda total, single, p: total - 2 * single >= p),
        "The kept logits have changed. They come back as they were.":
        lambda logits, p: top_p(logits, p).log_softmax(dim=-1),
    },
)  # fmt: skip


def rms_norm(x, gain, eps=1e-6):
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * gain


define(
    "gpt.rms_norm",
    rms_norm,
    minutes=4,
    level="easy",
    gradients=True,
    hints=[
        "Square, mean over the last axis (keepdim=True), add eps, root; divide x by it.",
        "Then multiply by gain. No mean is subtracted.",
    ],
    cases=lambda: [
        (_normal(3, 8) + 0.5, _normal(8, seed=1), 1e-6),
        (_normal(2, 5, 6, seed=2), _normal(6, seed=3), 1e-5),
        (1e-3 * _normal(4, 8, seed=4), _normal(8, seed=5), 1e-4),
    ],
    mistakes={
        "This is LayerNorm: the mean is subtracted. RMSNorm leaves it.":
        lambda x, gain, eps=1e-6: F.layer_norm(x, x.shape[-1:], gain, eps=eps),
        "This divides by the standard deviation, which subtracts the mean. Divide by the root of "
        "the mean square.":
        lambda x, gain, eps=1e-6: gain * x / (x.var(-1, keepdim=True, correction=0) + eps).sqrt(),
        "The gain is missing.": (" * gain", ""),
        "This sums the squares. Take their mean over the C features.": (".mean(", ".sum("),
        "The root is missing.": lambda x, gain, eps=1e-6: (
            x / (x.square().mean(dim=-1, keepdim=True) + eps) * gain
        ),
        "eps stands outside the root. It is added to the mean square.":
        lambda x, gain, eps=1e-6: x / (x.square().mean(dim=-1, keepdim=True).sqrt() + eps) * gain,
        "eps is missing: for very small x it matters.": (" + eps", ""),
        "eps is fixed at 1e-6. Use the argument.":
        lambda x, gain, eps=1e-6: rms_norm(x, gain),
        "This squares the mean. Take the mean of the squares.":
        lambda x, gain, eps=1e-6: x * (x.mean(-1, keepdim=True) ** 2 + eps).rsqrt() * gain,
        "This takes the mean over all numbers. Each place has its own: dim=-1, keepdim=True.":
        lambda x, gain, eps=1e-6: x * torch.rsqrt(x.square().mean() + eps) * gain,
        "The mean runs along another axis than the last one.":
        lambda x, gain, eps=1e-6: gain * x / (x.square().mean(0, keepdim=True) + eps).sqrt(),
        "It multiplies by the root mean square. Divide by it.": ("torch.rsqrt", "torch.sqrt"),
        "The mean of |x| is not the root of the mean square.":
        lambda x, gain, eps=1e-6: x / (x.abs().mean(dim=-1, keepdim=True) + eps) * gain,
    },
)  # fmt: skip


def rotate(x, places, base=10_000.0):
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half, device=x.device) / half)
    angles = places[:, None, None] * speeds  # an axis for the heads
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def _neighbors(x, places, base=10_000.0):
    """The turn of pairs (2 i, 2 i + 1), as RoFormer has it."""
    mixed = rotate(torch.cat([x[..., ::2], x[..., 1::2]], dim=-1), places, base)
    return torch.stack(mixed.chunk(2, dim=-1), dim=-1).flatten(-2)


define(
    "gpt.rotate",
    rotate,
    minutes=10,
    level="hard",
    gradients=True,
    hints=[
        "half = D // 2; theta = base ** (-torch.arange(half, device=x.device) / half); angles = "
        "places[:, None, None] * theta, of shape (T, 1, D/2), is the same for all heads.",
        "a, b = x[..., :half], x[..., half:] are the two numbers of each pair.",
        "torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).",
    ],
    cases=lambda: [
        (_normal(1, 4, 4, 16, seed=1), torch.arange(7, 11), 10_000.0),
        (_normal(2, 5, 3, 8), torch.arange(5), 10_000.0),
        (_normal(1, 1, 1, 4, seed=2), torch.tensor([3]), 100.0),
    ],
    checks=[_check_device],
    mistakes={
        "Heads turn here as if they were places. The angles need an axis for the heads: "
        "(T, 1, D/2).":
        lambda x, places, base=10_000.0: (
            rotate(x.transpose(1, 2), places, base).transpose(1, 2)
        ),
        "The turn goes the wrong way: the sign of the sines is changed.":
        lambda x, places, base=10_000.0: rotate(x, -places, base),
        "The pairs are neighbors (0, 1), (2, 3), … here. Ours are (i, i + D/2).": _neighbors,
        "The second number of the pair: b · cos + a · sin, not minus.":
        ("b * cos + a", "b * cos - a"),
        "The first number of the pair: a · cos − b · sin, not plus.":
        ("a * cos - b", "a * cos + b"),
        "Both halves multiply their own sine. The sine mixes them: a takes b's, b takes a's.":
        ("a * cos - b * sin, b * cos + a * sin", "a * cos - a * sin, b * cos + b * sin"),
        "The speeds fall half as fast as they should: the exponent is −2 i / D.":
        ("/ half)", "/ (2 * half))"),
        "The speeds grow. The exponent is negative: later pairs turn more slowly.":
        ("(-torch", "(torch"),
        "All pairs turn at the same speed. Pair i turns at base^(−2 i / D).":
        lambda x, places, base=10_000.0: rotate(x, places, 1.0),
        "The places are not used: every token turns as its index in x. With a cache they differ.":
        lambda x, places, base=10_000.0: rotate(x, torch.arange(x.shape[1]), base),
        "base is fixed at 10,000. Use the argument.":
        lambda x, places, base=10_000.0: rotate(x, places),
        "i counts from 1 here. It counts from 0: the first pair turns by 1 radian per place.":
        ("torch.arange(half, device=x.device)", "torch.arange(1, half + 1, device=x.device)"),
        "The halves are right, and then mixed one by one. Put them behind each other: torch.cat.":
        lambda x, places, base=10_000.0: torch.stack(
            rotate(x, places, base).chunk(2, dim=-1), dim=-1).flatten(-2),
        "The two halves have changed places.":
        lambda x, places, base=10_000.0: rotate(x, places, base).roll(x.shape[-1] // 2, dims=-1),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 09 llms_and_prompting


def mask_tokens(tokens, pick, what, others, mask):
    picked = (pick < 0.15) & (tokens > 0)
    inputs = torch.where(picked & (what < 0.8), mask, tokens)
    inputs = torch.where(picked & (what >= 0.9), others, inputs)
    return inputs, torch.where(picked, tokens, -100)


def _mask_case(rows: int, length: int, seed: int, mask: int) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    tokens, others = torch.randint(1, mask, (2, rows, length), generator=generator)
    pick, what = torch.rand(2, rows, length, generator=generator)
    tokens[0, -length // 4 :] = 0
    return tokens, pick, what, others, mask


define(
    "llms.mask_tokens",
    mask_tokens,
    minutes=7,
    level="medium",
    hints=[
        "First who is picked: pick < 0.15, and no padding: tokens > 0. A tensor of bools.",
        "torch.where(condition, a, b) takes a where the condition holds, else b. Begin with the "
        "mask for picked & (what < 0.8).",
        "Then others where picked & (what >= 0.9). The labels: tokens where picked, else -100.",
    ],
    cases=lambda: [_mask_case(4, 40, 0, 50), _mask_case(6, 70, 1, 143)],
    mistakes={
        "Padding is picked, too. Where tokens is 0 there is nothing to guess.":
        ("(pick < 0.15) & (tokens > 0)", "pick < 0.15"),
        "85 % are picked: the condition is turned around. It is pick < 0.15.":
        ("pick < 0.15", "pick > 0.15"),
        "All picked tokens are hidden. A tenth of them gets another token, a tenth stays.":
        lambda tokens, pick, what, others, mask: mask_tokens(tokens, pick, 0 * what, others, mask),
        "A picked token never stays as it is: between 0.8 and 0.9 nothing changes.":
        ("what >= 0.9", "what >= 0.8"),
        "No token is replaced by another one: where picked and what >= 0.9, take it from others.":
        lambda tokens, pick, what, others, mask: mask_tokens(tokens, pick, what, tokens, mask),
        "Tokens that were not picked are changed, too: `picked &` is missing.":
        ("picked & (what < 0.8)", "what < 0.8"),
        "Tokens that were not picked are replaced by others: `picked &` is missing.":
        ("picked & (what >= 0.9)", "what >= 0.9"),
        "Every token that is not hidden gets another one. Only a tenth of the picked ones does.":
        lambda tokens, pick, what, others, mask: (
            torch.where((pick < 0.15) & (tokens != 0) & (what < 0.8), mask, others),
            mask_tokens(tokens, pick, what, others, mask)[1]),
        "The labels are the changed inputs: then the answer at a mask is the mask. Take tokens.":
        ("torch.where(picked, tokens, -100)", "torch.where(picked, inputs, -100)"),
        "The labels hold every token. Only picked ones are asked; -100 makes the loss skip others.":
        ("torch.where(picked, tokens, -100)", "tokens"),
        "What is not asked must have the label -100, which cross_entropy skips. 0 is a token.":
        ("tokens, -100)", "tokens, 0)"),
        "Labels where the input was changed only. The tenth that stays as it is is asked, too: "
        "the model cannot know that it is right.":
        ("torch.where(picked, tokens, -100)", "torch.where(picked & (inputs != tokens), tokens, "
         "-100)"),
        "Labels at the masks only. All picked tokens are asked, also those that were replaced or "
        "stay as they are.":
        ("torch.where(picked, tokens, -100)", "torch.where(inputs == mask, tokens, -100)"),
        "The tenth to be replaced is what >= 0.9. With what < 0.9 the masks are overwritten.":
        ("what >= 0.9", "what < 0.9"),
        "The labels are the wrong way round: -100 stands where the model should answer.":
        ("torch.where(picked, tokens, -100)", "torch.where(picked, -100, tokens)"),
        "Inputs and labels are swapped: first the inputs.":
        lambda *arguments: mask_tokens(*arguments)[::-1],
    },
)  # fmt: skip


def corrupt_spans(words, spans):
    inputs, target, end = [], [], 0
    for i, (start, stop) in enumerate(spans):
        inputs += [*words[end:start], f"<{i}>"]
        target += [f"<{i}>", *words[start:stop]]
        end = stop
    return inputs + words[end:], [*target, f"<{len(spans)}>"]


define(
    "llms.corrupt_spans",
    corrupt_spans,
    minutes=7,
    level="medium",
    hints=[
        "Go through the spans with enumerate and remember where the last one ended.",
        "For each span: the words since the last one and the sign go to the input; the sign and "
        "the span's words go to the target.",
        "After the loop: the words behind the last span to the input, one more sign to the target.",
    ],
    cases=lambda: [
        (["the", "robot", "sleeps", "in", "the", "old", "kitchen"], [(1, 2), (4, 6)]),
        (list("abcdefghij"), [(0, 3), (5, 6), (8, 10)]),
        (list("abcdef"), [(2, 4)]),
        (list("abc"), []),
    ],
    mistakes={
        "The words behind the last span are missing in the input.": ("inputs + words[end:]",
                                                                      "inputs"),
        "The last sign of the target is missing: it tells the model where to stop.":
        ("[*target, f\"<{len(spans)}>\"]", "target"),
        "`stop` is the first place after a span, as in a slice: words[start:stop].":
        lambda words, spans: corrupt_spans(words, [(a, b + 1) for a, b in spans]),
        "The hidden words are still in the input.": ("end = stop", "end = start"),
        "Each word before a span comes again with every later span: begin at the end of the last "
        "one.": ("*words[end:start]", "*words[:start]"),
        "The signs are missing in the input: the model cannot know where something is missing.":
        ("[*words[end:start], f\"<{i}>\"]", "words[end:start]"),
        "The signs are missing in the target: it is unclear which words fill which gap.":
        ("[f\"<{i}>\", *words[start:stop]]", "words[start:stop]"),
        "Every gap has the same sign. Count them, from <0> on.":
        lambda words, spans: tuple(
            ["<0>" if word[0] == "<" else word for word in part]
            for part in corrupt_spans(words, spans)),
        "One sign for every hidden word is BERT's game. Here a whole span gets one sign.":
        lambda words, spans: corrupt_spans(
            words, [(i, i + 1) for start, stop in spans for i in range(start, stop)]),
        "The last sign is one more number, not a word of its own: f\"<{len(spans)}>\".":
        ("f\"<{len(spans)}>\"", "\"<end>\""),
        "Two lists of words are wanted, not two texts.":
        lambda words, spans: tuple(" ".join(part) for part in corrupt_spans(words, spans)),
        "The signs begin with <0>, not with <1>.": ("enumerate(spans)", "enumerate(spans, 1)"),
        "Input and target are swapped: first the input.":
        lambda words, spans: corrupt_spans(words, spans)[::-1],
        "In the target the sign stands before the words of its span.":
        ("[f\"<{i}>\", *words[start:stop]]", "[*words[start:stop], f\"<{i}>\"]"),
    },
)  # fmt: skip


def relative_bucket(distance, both_sides, buckets=32, farthest=128):
    if both_sides:
        buckets = buckets // 2
        shift, distance = buckets * (distance > 0), distance.abs()
    else:
        shift, distance = 0, (-distance).clamp(min=0)
    near = buckets // 2
    share = torch.log(distance.clamp(min=1) / near) / math.log(farthest / near)
    far = (near + share * (buckets - near)).long().clamp(max=buckets - 1)
    return shift + torch.where(distance < near, distance, far)


def _apart(n: int) -> torch.Tensor:
    return torch.arange(n) - torch.arange(n)[:, None]


define(
    "llms.relative_bucket",
    relative_bucket,
    minutes=10,
    level="hard",
    hints=[
        "Two cases. Both sides: half of the buckets for each side, shift = buckets // 2 where "
        "distance > 0, then go on with distance.abs(). Left only: (-distance).clamp(min=0).",
        "near = buckets // 2 (of the halved number). Below near, the bucket is the distance.",
        "From near on: near + log(distance / near) / log(farthest / near) * (buckets - near), "
        "rounded down by .long(), at most buckets - 1. Choose with torch.where, and clamp the "
        "distance to 1 before the logarithm.",
    ],
    cases=lambda: [
        (torch.arange(-20, 21), True),
        (torch.arange(-20, 21), False),
        (torch.tensor([-500, -128, -127, -90, -60, -33, -17, 17, 33, 60, 90, 127, 500]), True),
        (torch.tensor([-500, -128, -127, -90, -60, -33, -17, 17, 33, 60, 90, 127, 500]), False),
        (_apart(14), True, 16, 40),
        (_apart(30), False, 8, 27),
    ],
    mistakes={
        "The sides are swapped: what comes after (distance > 0) gets the upper half.":
        ("distance > 0", "distance < 0"),
        "Distance 0 belongs to the left: only what comes after (distance > 0) is shifted.":
        ("(distance > 0)", "(distance >= 0)"),
        "Both sides have the same buckets: shift what comes after by half of them.":
        ("shift, distance = buckets * (distance > 0), distance.abs()",
         "shift, distance = 0, distance.abs()"),
        "With both sides, each side has half of the buckets: halve the number first.":
        ("buckets = buckets // 2", "buckets = buckets"),
        "With the left only, what comes after counts as distance 0.":
        ("(-distance).clamp(min=0)", "distance.abs()"),
        "With the left only, places before have a negative distance: turn the sign around first.":
        ("(-distance).clamp(min=0)", "distance.clamp(min=0)"),
        "Beyond `farthest` all share the last bucket: clamp to buckets - 1.":
        (".clamp(max=buckets - 1)", ""),
        "The far buckets start at near: add it.": ("(near + share", "(share"),
        "The far distances have buckets - near buckets to share, not all of them.":
        ("share * (buckets - near)", "share * buckets"),
        "Round down (.long()), not to the nearest.":
        ("(near + share * (buckets - near)).long()",
         "(near + share * (buckets - near)).round().long()"),
        "The logarithm is of distance / near, so that it begins at 0.":
        ("distance.clamp(min=1) / near", "distance.clamp(min=1)"),
        "The division by log(farthest / near) is missing.":
        (" / math.log(farthest / near)", ""),
        "Beyond `near` all distances share one bucket. They get coarser step by step.":
        ("torch.where(distance < near, distance, far)", "distance.clamp(max=near)"),
        "This gives each distance a bucket of its own. From near on, several share one, on a "
        "logarithmic scale.":
        lambda distance, both_sides, buckets=32, farthest=128: (
            distance.abs() if both_sides else (-distance).clamp(min=0)).clamp(max=buckets - 1),
        "`farthest` and the number of buckets are arguments.":
        lambda distance, both_sides, buckets=32, farthest=128: relative_bucket(
            distance, both_sides),
    },
)  # fmt: skip


def few_shot_prompt(examples, question, between=" = ", after="\n"):
    solved = [f"{asked}{between}{answer}" for asked, answer in examples]
    return after.join([*solved, question + between.rstrip()])


define(
    "llms.few_shot_prompt",
    few_shot_prompt,
    minutes=4,
    level="easy",
    hints=[
        'One text for each solved example: f"{asked}{between}{answer}".',
        "The last one is the question and between, without an answer and without a space at the "
        "end: between.rstrip().",
        "after.join([...]) puts `after` between them, and none at the end.",
    ],
    cases=lambda: [
        ([("wug", "red"), ("dax", "blue")], "wug"),
        ([("2 + 2", "4")], "3 + 5", " is ", " | "),
        ([], "wug", " → "),
        ([("wug", "red")], "dax", "\nColor:", "\n\n"),
        ([("wug", "red")], "dax", " :  "),
    ],
    mistakes={
        "The prompt ends with a space. The model has learned that a space belongs to the next "
        "word: take between.rstrip() at the end.": ("between.rstrip()", "between"),
        "Cut spaces only: between.rstrip() leaves a text alone that does not end with a space.":
        lambda examples, question, between=" = ", after="\n":
        after.join([f"{a}{between}{b}" for a, b in examples] + [(question + between)[:-1]]),
        "Cut the end only: between.strip() takes the space before it, too. Use rstrip().":
        ("between.rstrip()", "between.strip()"),
        "`after` is missing before the question: it stands there, too, as between examples.":
        lambda examples, question, between=" = ", after="\n":
        after.join(f"{a}{between}{b}" for a, b in examples) + question + between.rstrip(),
        "`after` stands at the end, too. The prompt must stop where the answer begins.":
        lambda examples, question, between=" = ", after="\n":
        few_shot_prompt(examples, question, between, after) + after,
        "The question comes first. It must come last: the model goes on from the end.":
        ("[*solved, question + between.rstrip()]", "[question + between.rstrip(), *solved]"),
        "`between` is missing after the question: the model cannot see that an answer is due.":
        ("question + between.rstrip()", "question"),
        "The examples are in reverse order.": ("in examples]", "in examples[::-1]]"),
        "Asked and answer are swapped.": ('f"{asked}{between}{answer}"',
                                          'f"{answer}{between}{asked}"'),
        "The examples show no answers: that is what they are for.":
        ('f"{asked}{between}{answer}"', 'f"{asked}{between.rstrip()}"'),
        "`between` and `after` are arguments. This has ' = ' and a line break always.":
        lambda examples, question, between=" = ", after="\n":
        few_shot_prompt(examples, question),
        "Nothing separates one example from the next: put `after` between them.":
        ("after.join", '"".join'),
        "This is the question alone: zero-shot. Put the examples before it.":
        ("[*solved, question + between.rstrip()]", "[question + between.rstrip()]"),
    },
)  # fmt: skip
