"""Answers to the exercises of Day 2, as students type them."""

from answers_day1 import Answers

FUNCTIONS = "from torch.nn.functional import logsigmoid, softplus\n"
NEAR = """d, i = torch.cdist(samples, centers).min(1)
near = d <= radius
n = i[near].bincount(minlength=len(centers))
"""
PAIRS = """
from collections import Counter
counts = Counter()
for word, n in words.items():
    for pair in zip(word, word[1:]):
        counts[pair] += n
"""
MERGE = """
out = {}
for word, n in words.items():
    parts, i = [], 0
    while i < len(word):
        if tuple(word[i:i + 2]) == best:
            parts.append(new)
            i += 2
        else:
            parts.append(word[i])
            i += 1
    out[tuple(parts)] = n
"""
GATES = """
i, f, g, o = torch.chunk(x @ w_x.T + h @ w_h.T + b, 4, dim=-1)
i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
"""


ANSWERS: dict[str, Answers] = {
    # ------------------------------------------------------------ 01 gans
    "gan.optimal_discriminator": Answers(
        right=[
            "return (log_p - log_q).sigmoid()",
            "return 1 / (1 + torch.exp(log_q - log_p))",
            "return torch.exp(log_p - torch.logaddexp(log_p, log_q))",
            "return torch.stack([log_p, log_q]).softmax(dim=0)[0]",
        ],
        wrong={
            "p, q = log_p.exp(), log_q.exp()\nreturn p / (p + q)": "Stay in the logarithm",
            "return torch.sigmoid(log_q - log_p)": "in each other's place",
            "return log_p - log_q": "the logit of D*",
            "return (log_p - log_q).exp()": "the density ratio p / q",
            "return log_p - torch.logaddexp(log_p, log_q)": "This is log D*",
            "return log_p / (log_p + log_q)": "not densities",
            "p, q = log_p.exp(), log_q.exp()\nreturn p / (p + q + 1e-8)": "hides the 0 / 0",
            "return torch.exp(log_p - (log_p + log_q))": "is not log p + log q",
            "return torch.sigmoid(log_p)": "looks at log p alone",
            "return (log_p - log_q).tanh()": "runs from −1 to 1",
        },
    ),
    "gan.discriminator_loss": Answers(
        right=[
            f"{FUNCTIONS}return -logsigmoid(real_logits).mean() - logsigmoid(-fake_logits).mean()",
            "real, fake = torch.ones_like(real_logits), torch.zeros_like(fake_logits)\n"
            "bce = torch.nn.functional.binary_cross_entropy_with_logits\n"
            "return bce(real_logits, real) + bce(fake_logits, fake)",
        ],
        wrong={
            "r, f = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)\n"
            "return -torch.log(r).mean() - torch.log(1 - f).mean()": "its log is infinite",
            "r, f = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)\n"
            "return -torch.log(r + 1e-8).mean() - torch.log(1 - f + 1e-8).mean()":
            "hides the overflow",
            f"{FUNCTIONS}return softplus(-real_logits).mean() - softplus(fake_logits).mean()":
            "The sign of the fakes' term",
            f"{FUNCTIONS}r, f = logsigmoid(real_logits), logsigmoid(fake_logits)\n"
            "return -r.mean() - (1 - f).mean()":
            "not 1 − log D",
            "return -torch.log(real_logits).mean() - torch.log(1 - fake_logits).mean()":
            "not probabilities",
            "a, b = (1 + torch.exp(-real_logits)).log(), (1 + torch.exp(fake_logits)).log()\n"
            "return a.mean() + b.mean()": "its log is infinite",
            f"{FUNCTIONS}return softplus(-real_logits) + softplus(fake_logits)":
            "One number is asked for",
            f"{FUNCTIONS}return softplus(real_logits).mean() + softplus(-fake_logits).mean()":
            "in each other's place",
            f"{FUNCTIONS}return softplus(-real_logits).mean() + softplus(-fake_logits).mean()":
            "what the generator wants",
            f"{FUNCTIONS}return logsigmoid(real_logits).mean() + logsigmoid(-fake_logits).mean()":
            "turn the sign",
            f"{FUNCTIONS}return softplus(-real_logits).mean()": "The fakes are missing",
            f"{FUNCTIONS}return (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2":
            "added, not averaged",
            f"{FUNCTIONS}return softplus(-real_logits).sum() + softplus(fake_logits).sum()":
            "This is a sum over the batch",
        },
    ),
    "gan.generator_loss": Answers(
        right=[
            f"{FUNCTIONS}return -logsigmoid(fake_logits).mean()",
            "return torch.logaddexp(-fake_logits, torch.zeros_like(fake_logits)).mean()",
        ],
        wrong={
            f"{FUNCTIONS}return -softplus(fake_logits).mean()": "This is the minimax loss",
            f"{FUNCTIONS}return logsigmoid(-fake_logits).mean()": "This is the minimax loss",
            f"{FUNCTIONS}return softplus(fake_logits).mean()": "easier to find out",
            f"{FUNCTIONS}return logsigmoid(fake_logits).mean()": "This is log D",
            "return -torch.log(torch.sigmoid(fake_logits)).mean()": "its log is infinite",
            "return -torch.log(torch.sigmoid(fake_logits) + 1e-8).mean()": "hides the overflow",
            "return -torch.log(torch.sigmoid(fake_logits).mean())": "log of each first",
            "return -fake_logits.mean()": "a loss without a logarithm",
            f"{FUNCTIONS}return softplus(-fake_logits)": "One number for each fake",
        },
    ),
    "gan.count_modes": Answers(
        right=[
            """
            inside = torch.cdist(samples, centers) <= radius
            nearest = torch.cdist(samples, centers).argmin(1)
            one_hot = torch.nn.functional.one_hot(nearest, len(centers)).bool() & inside
            hit = one_hot.float().mean(0) >= share
            return int(hit.sum()), float(one_hot.any(1).float().mean())
            """,
            """
            counts = [0] * len(centers)
            for x in samples:
                gaps = (centers - x).pow(2).sum(1).sqrt()
                k = gaps.argmin().item()
                counts[k] += bool(gaps[k] <= radius)
            n = len(samples)
            return sum(c >= share * n for c in counts), sum(counts) / n
            """,
        ],
        wrong={
            f"{NEAR}return (n >= share * near.sum()).sum().item(), near.float().mean().item()":
            "share is taken of the near samples",
            f"{NEAR}return (n > 0).sum().item(), near.float().mean().item()":
            "as soon as one sample is near",
            f"{NEAR}n = i.bincount(minlength=len(centers))\n"
            "return (n >= share * len(samples)).sum().item(), near.float().mean().item()":
            "far from every center",
            f"{NEAR}return near.float().mean().item(), (n >= share * len(samples)).sum().item()":
            "in each other's place",
            f"{NEAR}return (n >= share * len(samples)).sum().item(), near.sum().item()":
            "divide by N",
            f"{NEAR}return (n >= share * len(samples)).sum().item()": "is missing",
            "n = torch.cdist(samples, centers) <= radius\n"
            "return (n.float().mean(0) >= share).sum().item(), n.any(1).float().mean().item()":
            "nearest center alone",
            f"{NEAR}twice = (torch.cdist(samples, centers) <= radius).sum().item() / len(samples)\n"
            "return (n >= share * len(samples)).sum().item(), twice": "counted twice",
        },
    ),
    # ------------------------------------------------------------ 02 better_gans
    "better_gans.gradient_penalty": Answers(
        right=[
            "return ((gradients.flatten(1).square().sum(1).sqrt() - 1) ** 2).mean()",
            "return torch.stack([(g.norm() - 1) ** 2 for g in gradients]).mean()",
            """
            norms = torch.linalg.vector_norm(gradients, dim=tuple(range(1, gradients.ndim)))
            return torch.nn.functional.mse_loss(norms, torch.ones_like(norms))
            """,
        ],
        wrong={
            "return (gradients.norm() - 1) ** 2": "one norm for the whole batch",
            "return ((gradients.norm(dim=-1) - 1) ** 2).mean()": "over the last dimension only",
            "return ((gradients.norm(dim=1) - 1) ** 2).mean()": "of (B, 8, 8) leaves (B, 8)",
            "return ((gradients**2).flatten(1).sum(1) - 1).pow(2).mean()": "the squared norm with",
            "return gradients.flatten(1).norm(dim=1).pow(2).mean()": "The 1 is missing",
            "return (gradients.flatten(1).norm(dim=1) - 1).mean()": "The square is missing",
            "return (gradients.flatten(1).norm(dim=1).mean() - 1) ** 2": "This squares the mean",
            "return ((gradients.flatten(1).norm(dim=1) - 1) ** 2).sum()": "sums over the batch",
            "return (gradients.flatten(1).norm(dim=1) - 1) ** 2": "mean over the batch is missing",
        },
    ),
    "better_gans.spectral_norm": Answers(
        right=[
            """
            for _ in range(steps):
                v = torch.nn.functional.normalize(weight.T @ u, dim=0)
                u = torch.nn.functional.normalize(weight @ v, dim=0)
            return torch.dot(u, weight.mv(v))
            """,
            """
            for _ in range(steps):
                v = (u @ weight) / (u @ weight).norm()
                length = (weight @ v).norm()
                u = weight @ v / length
            return length
            """,
        ],
        wrong={
            """
            for _ in range(steps):
                v = weight.T @ u
                u = weight @ v
            return u @ weight @ v
            """: "Neither vector is divided by its length",
            """
            for _ in range(steps):
                v = weight.T @ u / u.norm()
                u = weight @ v / v.norm()
            return u @ weight @ v
            """: "not of the vector you began with",
            "return weight.norm()": "This is the Frobenius norm",
            "return torch.linalg.svdvals(weight)[0]": "This is the exact largest singular value",
            """
            for _ in range(steps):
                v = weight.T @ u
                v = v / v.norm()
                u = weight @ v
                u = u / u.norm()
            return weight / (u @ weight @ v)
            """: "This is the normalized matrix",
            """
            for _ in range(steps):
                v = weight.T @ u
                v = v / v.norm()
                u = weight @ v
            return u @ weight @ v
            """: "u is not divided by its length",
        },
    ),
    "better_gans.frechet": Answers(
        right=[
            """
            roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0) ** 0.5
            apart = mean_a - mean_b
            return apart @ apart + torch.trace(covariance_a + covariance_b) - 2 * roots.sum()
            """,
            """
            values, vectors = torch.linalg.eigh(covariance_a)
            root = vectors * values.clamp(min=0).sqrt() @ vectors.T
            inner = torch.linalg.eigvalsh(root @ covariance_b @ root).clamp(min=0).sqrt().sum()
            traces = covariance_a.diagonal().sum() + covariance_b.diagonal().sum()
            return ((mean_a - mean_b) ** 2).sum() + traces - 2 * inner
            """,
        ],
        wrong={
            """
            roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0).sqrt()
            traces = (covariance_a + covariance_b).trace()
            return (mean_a - mean_b).norm() + traces - 2 * roots.sum()
            """: "The distance of the means must be squared",
            """
            roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0).sqrt()
            traces = (covariance_a + covariance_b).trace()
            return ((mean_a - mean_b) ** 2).sum() + traces - roots.sum()
            """: "The factor 2 before the root is missing",
            """
            roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.sqrt()
            traces = (covariance_a + covariance_b).trace()
            return ((mean_a - mean_b) ** 2).sum() + traces - 2 * roots.sum()
            """: "has no root: clamp(min=0) first",
            """
            roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0).sqrt()
            traces = (covariance_a + covariance_b).sum()
            return ((mean_a - mean_b) ** 2).sum() + traces - 2 * roots.sum()
            """: "The trace is the diagonal",
            """
            roots = torch.linalg.eigvalsh(covariance_a @ covariance_b).clamp(min=0).sqrt()
            traces = (covariance_a + covariance_b).trace()
            return ((mean_a - mean_b) ** 2).sum() + traces - 2 * roots.sum()
            """: "eigvalsh reads it wrong",
            """
            apart = mean_a - mean_b
            return apart @ apart + (covariance_a + covariance_b).trace()
            """: "The term with the root is missing",
        },
    ),
    "better_gans.precision_recall": Answers(
        right=[
            """
            real = among_real.sort(dim=1).values[:, k]
            drawn = among_drawn.sort(dim=1).values[:, k]
            return (
                (drawn_to_real <= real[None]).any(1).double().mean(),
                (drawn_to_real.T <= drawn).any(1).double().mean(),
            )
            """,
            """
            real = among_real.topk(k + 1, largest=False).values.amax(dim=1)
            drawn = among_drawn.topk(k + 1, largest=False).values.amax(dim=1)
            good = ((drawn_to_real - real).amin(dim=1) <= 0).double()
            reached = ((drawn_to_real - drawn[:, None]).amin(dim=0) <= 0).double()
            return good.mean(), reached.mean()
            """,
        ],
        wrong={
            """
            real = among_real.kthvalue(k, dim=1).values
            drawn = among_drawn.kthvalue(k, dim=1).values
            precision = (drawn_to_real <= real).any(dim=1).double().mean()
            return precision, (drawn_to_real <= drawn[:, None]).any(dim=0).double().mean()
            """: "The radius reaches the (k − 1)-th other sample",
            """
            real = among_real.kthvalue(k + 1, dim=1).values
            drawn = among_drawn.kthvalue(k + 1, dim=1).values
            precision = (drawn_to_real <= real).any(dim=1).double().mean()
            return (drawn_to_real <= drawn[:, None]).any(dim=0).double().mean(), precision
            """: "in each other's place",
            """
            real = among_real.kthvalue(k + 1, dim=1).values
            precision = (drawn_to_real <= real).any(dim=1).double().mean()
            return precision, (drawn_to_real <= real).any(dim=0).double().mean()
            """: "The recall here is coverage",
            """
            real = among_real.kthvalue(k + 1, dim=1).values
            drawn = among_drawn.kthvalue(k + 1, dim=1).values
            precision = (drawn_to_real <= real).any(1).float().mean()
            return precision, (drawn_to_real <= drawn[:, None]).any(0).float().mean()
            """: "The numbers are right, but float32",
            """
            real = among_real.kthvalue(k + 1, dim=1).values
            return (drawn_to_real <= real).any(dim=1).double().mean()
            """: "Only precision is returned",
        },
    ),
    # ------------------------------------------------------------ 03 style_and_cycles
    "style.modulate": Answers(
        right=[
            """
            w = torch.einsum("oiyx,bi->boiyx", weight, styles)
            return w / torch.sqrt((w**2).sum((2, 3, 4), keepdim=True) + eps)
            """,
            """
            rows = []
            for s in styles:
                w = weight * s.view(1, -1, 1, 1)
                rows.append(w / ((w * w).flatten(1).sum(1) + eps).sqrt().view(-1, 1, 1, 1))
            return torch.stack(rows)
            """,
        ],
        wrong={
            "return weight * styles[:, None, :, None, None]": "demodulation is missing",
            """
            w = weight[None] * styles[:, None, :, None, None]
            return w / (w.pow(2).sum(dim=(3, 4), keepdim=True) + eps).sqrt()
            """: "leaves out the input channels",
            """
            w = weight[None] * styles[:, None, :, None, None]
            return w / (w.pow(2).sum(dim=(2, 3, 4), keepdim=True).sqrt() + eps)
            """: "eps belongs under the root",
            """
            w = weight[None] * styles[:, None, :, None, None]
            return w / (w.pow(2).sum(dim=(2, 3, 4), keepdim=True) + eps)
            """: "the root is missing",
            """
            w = weight[None] * styles[:, None, :, None, None]
            return w / (w.pow(2).mean(dim=(2, 3, 4), keepdim=True) + eps).sqrt()
            """: "takes the mean of the squares",
        },
    ),
    "style.mix": Answers(
        right=[
            """
            numbers = torch.arange(layers, device=crossover.device)
            table = (numbers[None] < crossover.view(-1, 1)).unsqueeze(2)
            return w_coarse.unsqueeze(1) * table + w_fine.unsqueeze(1) * ~table
            """,
            """
            pairs = zip(w_coarse, w_fine, crossover.tolist())
            return torch.stack([torch.stack([a] * k + [b] * (layers - k)) for a, b, k in pairs])
            """,
        ],
        wrong={
            """
            table = torch.arange(layers)[None] <= crossover[:, None]
            return torch.where(table[:, :, None], w_coarse[:, None], w_fine[:, None])
            """: "belongs to the fine ones",
            """
            table = torch.arange(layers)[None] < crossover[:, None]
            return torch.where(table[:, :, None], w_fine[:, None], w_coarse[:, None])
            """: "the other way round",
            """
            rows = [torch.where((l < crossover)[:, None], w_coarse, w_fine) for l in range(layers)]
            return torch.stack(rows)
            """: "Pictures come first",
            """
            k = int(crossover[0])
            return torch.stack([w_coarse] * k + [w_fine] * (layers - k), dim=1)
            """: "the crossover of the first",
            "return torch.arange(layers) < crossover[:, None]": "torch.where",
        },
    ),
    "cycle.psnr": Answers(
        right=[
            """
            mse = torch.nn.functional.mse_loss(x.clip(-1, 1), truth, reduction="none")
            return 20 * math.log10(2) - 10 * mse.flatten(1).mean(1).log10()
            """,
            """
            mse = torch.stack([((a.clamp(-1, 1) - b) ** 2).mean() for a, b in zip(x, truth)])
            return 10 * torch.log(4 / mse) / math.log(10)
            """,
        ],
        wrong={
            "return 10 * torch.log10(4 / (x.clamp(-1, 1) - truth).pow(2).mean())":
            "one number for all pictures together",
            "return 10 * torch.log10(4 / (x - truth).pow(2).mean(dim=(1, 2, 3)))":
            "count as the limit",
            "return 10 * torch.log10(1 / (x.clamp(-1, 1) - truth).pow(2).mean(dim=(1, 2, 3)))":
            "its square is 4",
            "return 10 * torch.log(4 / (x.clamp(-1, 1) - truth).pow(2).mean(dim=(1, 2, 3)))":
            "base 10",
            "return 20 * torch.log10(4 / (x.clamp(-1, 1) - truth).pow(2).mean(dim=(1, 2, 3)))":
            "is 10",
        },
    ),
    "cycle.loss": Answers(
        right=[
            """
            l1 = torch.nn.functional.l1_loss
            return weight * (l1(to_plain(to_striped(x)), x) + l1(to_striped(to_plain(y)), y))
            """,
            """
            first, second = to_plain(to_striped(x)) - x, to_striped(to_plain(y)) - y
            return weight * first.abs().mean() + weight * second.abs().mean()
            """,
        ],
        wrong={
            """
            first, second = to_striped(to_plain(x)) - x, to_plain(to_striped(y)) - y
            return weight * (first.abs().mean() + second.abs().mean())
            """: "x is plain",
            """
            first, second = to_plain(to_striped(x)) - x, to_striped(to_plain(y)) - y
            return weight * (first.pow(2).mean() + second.pow(2).mean())
            """: "absolute values",
            "return weight * (to_plain(to_striped(x)) - x).abs().mean()":
            "The striped ones do, too",
            """
            first, second = to_plain(to_striped(x)) - x, to_striped(to_plain(y)) - y
            return 10 * (first.abs().mean() + second.abs().mean())
            """: "It is an argument",
            """
            first, second = to_striped(x) - y, to_plain(y) - x
            return weight * (first.abs().mean() + second.abs().mean())
            """: "other pile",
        },
    ),
    # ------------------------------------------------------------ 04 diffusion
    "diffusion.noise": Answers(
        right=[
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps",
            "return torch.sqrt(alpha_bar) * x0 + torch.sqrt(1 - alpha_bar) * eps",
            "return x0 * alpha_bar.sqrt() + (1 - alpha_bar).sqrt().mul(eps)",
        ],
        wrong={
            "return alpha_bar * x0 + (1 - alpha_bar) * eps": "Both roots are missing",
            "return alpha_bar * x0 + (1 - alpha_bar).sqrt() * eps": "root of ᾱ in front of x0",
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar) * eps": "root of 1 − ᾱ in front of",
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar**0.5) * eps": "is 1 − √ᾱ",
            "return alpha_bar**0.5 * eps + (1 - alpha_bar) ** 0.5 * x0": "have changed places",
            "return alpha_bar**0.5 * x0 + eps": "The noise keeps its full size",
        },
    ),
    "diffusion.posterior_mean": Answers(
        right=[
            """
            beta = 1 - alpha_bar / alpha_bar_before
            first = torch.sqrt(alpha_bar_before) * beta * x0
            second = torch.sqrt(1 - beta) * (1 - alpha_bar_before) * x_t
            return (first + second) / (1 - alpha_bar)
            """,
            """
            a, b = alpha_bar, alpha_bar_before
            return ((b - a) * x0 + a.sqrt() * (1 - b) * x_t) / (b.sqrt() * (1 - a))
            """,
        ],
        wrong={
            """
            beta = 1 - alpha_bar
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * beta * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "This takes β = 1 − ᾱ",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x_t
                    + a**0.5 * (1 - alpha_bar_before) * x0) / (1 - alpha_bar)
            """: "have changed their factors",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t)
            """: "division by 1 − ᾱ is missing",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x0
                    + alpha_bar**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "The factor of x_t has √ᾱ",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before * (1 - a) * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "root of ᾱ_before in front of x0",
            """
            first = alpha_bar_before**0.5 * (1 - alpha_bar) * x0
            second = alpha_bar**0.5 * (1 - alpha_bar_before) * x_t
            return (first + second) / (1 - alpha_bar)
            """: "α has no bar",
            """
            a = alpha_bar_before / alpha_bar
            first = alpha_bar_before**0.5 * (1 - a) * x0
            return (first + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "upside down",
        },
    ),
    "diffusion.ddim_step": Answers(
        right=[
            """
            eps = (x_t - torch.sqrt(alpha_bar) * x0) / torch.sqrt(1 - alpha_bar)
            return torch.sqrt(alpha_bar_before) * x0 + torch.sqrt(1 - alpha_bar_before) * eps
            """,
            """
            ratio = ((1 - alpha_bar_before) / (1 - alpha_bar)).sqrt()
            return ratio * x_t + (alpha_bar_before.sqrt() - ratio * alpha_bar.sqrt()) * x0
            """,
        ],
        wrong={
            """
            eps = (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
            return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps
            """: "which is x_t again",
            """
            eps = (x_t - x0) / (1 - alpha_bar) ** 0.5
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "subtracted at its full size",
            """
            eps = x_t - alpha_bar**0.5 * x0
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "division by √(1 − ᾱ) is missing",
            "return (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5": "This is the noise ε",
            "return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * x_t":
            "x_t is not the noise",
            """
            eps = (x_t - (1 - alpha_bar) ** 0.5 * x0) / alpha_bar**0.5
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "have changed places",
        },
    ),
    "diffusion.guided": Answers(
        right=[
            "return (1 - weight) * free + weight * asked",
            "return torch.lerp(free, asked, weight)",
        ],
        wrong={
            "return asked + weight * (asked - free)": "begins at asked",
            "return (1 + weight) * asked - weight * free": "begins at asked",
            "return weight * (asked - free)": "This is the step alone",
            "return free + weight * asked": "added at full size",
            "return free + weight * asked - free": "Parentheses are missing",
            "return asked + weight * (free - asked)": "changed places",
        },
    ),
    # ------------------------------------------------------------ 05 words and tokens
    "ngram.interpolated": Answers(
        right=[
            "share = context / (context + alpha)\nseen = both / context.clamp(min=1)\n"
            "return share * seen + (1 - share) * shorter",
            "return torch.add(both, shorter, alpha=alpha) / torch.add(context, alpha)",
        ],
        wrong={
            "return (both + alpha * shorter) / context": "α is missing below the line",
            "return both / (context + alpha)": "keeps the probability 0",
            "return (both + alpha) / (context + alpha)": "without the shorter model",
            "return (both + shorter) / (context + alpha)": "without its weight",
            "return both + alpha * shorter / (context + alpha)": "Parentheses are missing",
            "return both / context + alpha * shorter": "get the full weight",
            "return (1 - alpha) * both / context + alpha * shorter": "divides by context",
            "share = context / (context + alpha)\n"
            "return share * both / context + (1 - share) * shorter": "is 0 / 0",
        },
    ),
    "w2v.negative_sampling_loss": Answers(
        right=[
            """
            real = torch.einsum("bd,bd->b", center, context)
            fake = torch.einsum("bd,bkd->bk", center, negatives)
            return torch.nn.functional.softplus(-real) + torch.nn.functional.softplus(fake).sum(1)
            """,
            FUNCTIONS + "fake = (negatives @ center.unsqueeze(2)).squeeze(2)\n"
            "return -(logsigmoid((center * context).sum(-1)) + logsigmoid(-fake).sum(-1))",
        ],
        wrong={
            FUNCTIONS + "fake = (negatives @ center.unsqueeze(2)).squeeze(2)\n"
            "return -logsigmoid((center * context).sum(1)) - logsigmoid(fake).sum(1)":
            "fakes shall score low",
            FUNCTIONS + "fake = (negatives @ center.unsqueeze(2)).squeeze(2)\n"
            "return -logsigmoid((center * context).sum(1)) - logsigmoid(-fake).mean(1)":
            "the formula sums",
            FUNCTIONS + "return -logsigmoid((center * context).sum(1))":
            "run to the same place",
            FUNCTIONS + "return -logsigmoid(center * context).sum(1)"
            " - logsigmoid(-negatives * center.unsqueeze(1)).sum((1, 2))": "Sum over D first",
            FUNCTIONS + "fake = (negatives @ center.unsqueeze(2)).squeeze(2)\n"
            "return -logsigmoid((center * context).sum(1)) + logsigmoid(fake).sum(1)":
            "outside of the sigmoid",
            FUNCTIONS + "fake = (negatives @ center.unsqueeze(2)).squeeze(2)\n"
            "return logsigmoid((center * context).sum(1)) + logsigmoid(-fake).sum(1)":
            "A loss is a negative logarithm",
            """
            real = torch.sigmoid((center * context).sum(1)).log()
            fake = torch.sigmoid(-(negatives @ center.unsqueeze(2)).squeeze(2)).log().sum(1)
            return -real - fake
            """: "log 0",
        },
    ),
    "bpe.merge_most_frequent": Answers(
        right=[
            PAIRS + "best = sorted(counts, key=lambda p: (-counts[p], p))[0]\n" + MERGE
            + "return best, out",
            PAIRS + "top = max(counts.values())\n"
            "best = min(p for p in counts if counts[p] == top)\n" + MERGE + "return best, out",
        ],
        wrong={
            PAIRS + "best = max(counts, key=counts.get)\n" + MERGE + "return best, out":
            "met first",
            PAIRS + "best = max(counts, key=lambda p: (counts[p], p))\n" + MERGE
            + "return best, out": "takes the greatest",
            PAIRS.replace("+= n", "+= 1") + "best = min(counts, key=lambda p: (-counts[p], p))\n"
            + MERGE + "return best, out": "counted once a word",
            PAIRS + "best = min(counts, key=lambda p: (-counts[p], p))\n" + MERGE
            + "return out, best": "changed places in what is returned",
            PAIRS + "best = min(counts, key=lambda p: (-counts[p], p))\nreturn best, words":
            "The words are unchanged",
            PAIRS + "best = min(counts, key=lambda p: (-counts[p], p))\n" + MERGE
            + "return list(best), out": "must be a tuple",
            PAIRS + "best = min(counts, key=lambda p: (-counts[p], p[1], p[0]))\n" + MERGE
            + "return best, out": "compare the left ids first",
            PAIRS + "best = min(counts, key=lambda p: (-counts[p], p))\n"
            "out = {}\nfor word, n in words.items():\n"
            "    ids = [new if word[i : i + 2] == best else word[i] for i in range(len(word))]\n"
            "    out[tuple(ids)] = n\nreturn best, out": "go on by 2",
        },
    ),
    "lstm.cell": Answers(
        right=[
            GATES + "c = f * c + i * g\nreturn o * torch.tanh(c), c",
            """
            n = h.shape[1]
            z = torch.nn.functional.linear(x, w_x, b) + torch.nn.functional.linear(h, w_h)
            keep, add = z[:, n : 2 * n].sigmoid(), z[:, :n].sigmoid()
            cell = keep * c + add * z[:, 2 * n : 3 * n].tanh()
            return z[:, 3 * n :].sigmoid() * cell.tanh(), cell
            """,
        ],
        wrong={
            GATES + "c = f * c + i * g\nreturn c, o * torch.tanh(c)": "h first",
            GATES + "new = f * c + i * g\nreturn o * torch.tanh(c), new": "made of the old cell",
            GATES + "c = i * c + f * g\nreturn o * torch.tanh(c), c": "i and f have changed",
            GATES + "c = f * c + i * g\nreturn o * c, c": "tanh around the new cell",
            GATES + "c = c + i * g\nreturn o * torch.tanh(c), c": "without its forget gate",
            "i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)\n"
            "c = f.sigmoid() * c + i.sigmoid() * g.tanh()\nreturn o.tanh() * c.tanh(), c":
            "between nothing and all",
        },
    ),
    # ---------------------------------------------------------------- 06 attention
    "attention.additive_scores": Answers(
        right=[
            """
            q = torch.nn.functional.linear(queries, w_q)
            k = torch.nn.functional.linear(keys, w_k)
            return (torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) * v).sum(-1)
            """,
            """
            q = torch.einsum("bth,ah->bta", queries, w_q)
            k = torch.einsum("bsh,ah->bsa", keys, w_k)
            return torch.einsum("btsa,a->bts", (q[:, :, None] + k[:, None]).tanh(), v)
            """,
        ],
        wrong={
            "return ((queries @ w_q.T)[:, :, None] + (keys @ w_k.T)[:, None]) @ v":
            "The tanh is missing",
            "return torch.tanh((queries @ w_k.T)[:, :, None] + (keys @ w_q.T)[:, None]) @ v":
            "have changed places",
            "return torch.tanh((queries @ w_q.T)[:, :, None] + (keys @ w_k.T)[:, None]).sum(-1)":
            "v is missing",
            """
            e = torch.tanh((queries @ w_q.T)[:, :, None] + (keys @ w_k.T)[:, None]) @ v
            return e.softmax(dim=-1)
            """: "These are weights",
            "return torch.tanh((queries @ w_q.T)[:, None] + (keys @ w_k.T)[:, :, None]) @ v":
            "a row for each query",
            "return torch.tanh(queries @ w_q.T + keys @ w_k.T) @ v": "to key t only",
        },
    ),
    "attention.scaled_dot_product": Answers(
        right=[
            """
            scores = torch.einsum("...td,...sd->...ts", queries, keys) / math.sqrt(keys.shape[-1])
            scores = torch.where(mask, scores, torch.full_like(scores, -math.inf))
            return torch.softmax(scores, -1)
            """,
            """
            scores = (queries @ keys.mT / queries.shape[-1] ** 0.5).masked_fill(~mask, -1e9)
            return scores.softmax(-1)
            """,
            """
            scores = queries @ keys.mT * queries.size(-1) ** -0.5
            e = torch.exp(scores - scores.amax(-1, keepdim=True)) * mask
            return e / e.sum(-1, keepdim=True)
            """,
        ],
        wrong={
            """
            scores = queries @ keys.transpose(-2, -1)
            return scores.masked_fill(~mask, -math.inf).softmax(-1)
            """: "division by √D is missing",
            """
            scores = queries @ keys.transpose(-2, -1) / queries.shape[-1]
            return scores.masked_fill(~mask, -math.inf).softmax(-1)
            """: "This divides by D",
            """
            scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
            return scores.softmax(-1) * mask
            """: "after the softmax",
            """
            scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
            return (scores * mask).softmax(-1)
            """: "set to 0",
            """
            scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
            return scores.softmax(-1)
            """: "mask is not used",
            """
            scores = (queries @ keys.transpose(-2, -1)).masked_fill(~mask, -math.inf)
            return scores.softmax(-1) / math.sqrt(queries.shape[-1])
            """: "comes before the softmax",
        },
    ),
    "attention.causal_mask": Answers(
        right=[
            """
            place = torch.arange(valid.shape[1], device=valid.device)
            return (place[None, :] <= place[:, None])[None] & valid[:, None]
            """,
            """
            B, T = valid.shape
            return torch.tril(valid[:, None, :].expand(B, T, T))
            """,
        ],
        wrong={
            """
            T = valid.shape[1]
            return torch.ones(T, T, dtype=torch.bool).triu() & valid[:, None]
            """: "tril, not triu",
            """
            T = valid.shape[1]
            return torch.ones(T, T, dtype=torch.bool).tril(-1) & valid[:, None]
            """: "The diagonal is missing",
            """
            T = valid.shape[1]
            return torch.ones(T, T, dtype=torch.bool).tril() & valid[:, :, None]
            """: "among the queries",
            """
            T = valid.shape[1]
            return torch.ones(len(valid), T, T, dtype=torch.bool).tril()
            """: "The padding is forgotten",
            "return torch.ones(valid.shape[1], valid.shape[1], dtype=torch.bool).tril()":
            "one triangle",
        },
    ),
    "attention.split_heads": Answers(
        right=[
            """
            B, T, D = x.shape
            return x.reshape(B, T, n_heads, D // n_heads).permute(0, 2, 1, 3)
            """,
            "return torch.stack(x.chunk(n_heads, dim=-1), dim=1)",
        ],
        wrong={
            """
            B, T, D = x.shape
            return x.view(B, n_heads, T, D // n_heads)
            """: "cuts the wrong axis",
            """
            B, T, D = x.shape
            return x.view(B, T, n_heads, D // n_heads)
            """: "not moved forward",
            """
            B, T, D = x.shape
            return x.view(B, T, D // n_heads, n_heads).permute(0, 3, 1, 2)
            """: "every n_heads-th number",
            """
            B, T, D = x.shape
            return x.view(B, T, n_heads, D // n_heads).permute(0, 2, 3, 1)
            """: "tokens stand in the last axis",
        },
    ),
    # ------------------------------------------------------------ 07 transformer
    "transformer.positions": Answers(
        right=[
            """
            table = torch.zeros(n, d_model)
            speed = torch.exp(-torch.arange(0, d_model, 2) / d_model * torch.tensor(10000.0).log())
            table[:, 0::2] = torch.sin(torch.arange(n)[:, None] * speed)
            table[:, 1::2] = torch.cos(torch.arange(n)[:, None] * speed)
            return table
            """,
            """
            i = torch.arange(d_model) // 2
            angle = torch.outer(torch.arange(n).float(), 10000 ** (-2 * i / d_model))
            return torch.where(torch.arange(d_model) % 2 == 0, angle.sin(), angle.cos())
            """,
        ],
        wrong={
            """
            a = torch.arange(n)[:, None] * 10000 ** (-torch.arange(0, d_model, 2) / d_model)
            return torch.cat([a.sin(), a.cos()], 1)
            """: "They take turns",
            """
            a = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
            return torch.stack([a.cos(), a.sin()], -1).flatten(1)
            """: "have changed places",
            """
            a = torch.arange(n)[:, None] / 10000 ** (torch.arange(d_model // 2) / d_model)
            return torch.stack([a.sin(), a.cos()], -1).flatten(1)
            """: "the 2 is missing",
            """
            a = torch.arange(1, n + 1)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
            return torch.stack([a.sin(), a.cos()], -1).flatten(1)
            """: "count from 0",
            """
            a = torch.arange(n)[:, None] / 10000 ** (2 * torch.arange(0, d_model, 2) / d_model)
            return torch.stack([a.sin(), a.cos()], -1).flatten(1)
            """: "holds 2i already",
            """
            table = torch.zeros(n, d_model)
            for i in range(d_model):
                angle = torch.arange(n) * 10000 ** (-2 * i / d_model)
                table[:, i] = angle.sin() if i % 2 == 0 else angle.cos()
            return table
            """: "i counts pairs",
        },
    ),
    "transformer.label_smoothing": Answers(
        right=[
            """
            log_p = torch.log_softmax(logits, -1)
            goal = torch.full_like(log_p, share / logits.shape[1])
            goal[torch.arange(len(target)), target] += 1 - share
            return -(goal * log_p).sum(1).mean()
            """,
            """
            p = logits - logits.logsumexp(1, keepdim=True)
            right = p[range(len(target)), target]
            return -(1 - share) * right.mean() - share * p.mean()
            """,
        ],
        wrong={
            """
            p = logits.log_softmax(1)
            return (-(1 - share) * p[range(len(p)), target] - share * p.sum(1)).mean()
            """: "as a mean",
            """
            p = logits.log_softmax(1)
            return (-p[range(len(p)), target] - share * p.mean(1)).mean()
            """: "keeps 1 − share",
            """
            p = logits.log_softmax(1)
            return ((1 - share) * p[range(len(p)), target] + share * p.mean(1)).mean()
            """: "The sign is wrong",
            """
            p = logits.log_softmax(1)
            return -(1 - share) * p[range(len(p)), target] - share * p.mean(1)
            """: "Take their mean",
            """
            p = logits.softmax(1).log()
            return (-(1 - share) * p[range(len(p)), target] - share * p.mean(1)).mean()
            """: "log_softmax stays finite",
            """
            p = logits.log_softmax(1)
            goal = torch.full_like(p, share / (p.shape[1] - 1))
            goal[range(len(p)), target] = 1 - share
            return -(goal * p).sum(1).mean()
            """: "include the right one",
            """
            p = logits.log_softmax(1)
            goal = torch.full_like(p, share / p.shape[1])
            goal[range(len(p)), target] += 1 - share
            return -(goal * p).mean()
            """: "Sum over them",
        },
    ),
    "transformer.beam_step": Answers(
        right=[
            """
            best, place = torch.topk((scores.unsqueeze(1) + log_probs).view(-1), k)
            V = log_probs.size(1)
            parents = torch.div(place, V, rounding_mode="floor")
            return {"scores": best, "parents": parents, "words": place - parents * V}
            """,
            """
            total = scores[:, None] + log_probs
            order = total.flatten().argsort(descending=True)[:k]
            parents, words = torch.unravel_index(order, total.shape)
            return {"scores": total[parents, words], "parents": parents, "words": words}
            """,
        ],
        wrong={
            """
            best, i = log_probs.flatten().topk(k)
            V = log_probs.shape[1]
            return {"scores": best, "parents": i // V, "words": i % V}
            """: "cannot save a bad beginning",
            """
            best, i = (scores[:, None] * log_probs).flatten().topk(k)
            V = log_probs.shape[1]
            return {"scores": best, "parents": i // V, "words": i % V}
            """: "their logarithms add",
            """
            best, i = (scores[:, None] + log_probs).flatten().topk(k)
            V = log_probs.shape[1]
            return {"scores": best, "parents": i % V, "words": i // V}
            """: "have changed places",
            """
            best, i = (scores[:, None] + log_probs).flatten().topk(k)
            return {"scores": best, "parents": i // len(scores), "words": i % len(scores)}
            """: "not by K",
            """
            best, i = (scores[:, None] + log_probs).flatten().topk(k)
            return {"scores": best, "parents": i // log_probs.shape[1], "words": i}
            """: "take the remainder",
            """
            best, words = (scores[:, None] + log_probs).topk(k, dim=1)
            parents = torch.arange(len(scores))[:, None].expand_as(words)
            return {"scores": best, "parents": parents, "words": words}
            """: "among all K · V",
            """
            best, words = (scores[:, None] + log_probs).max(dim=1)
            return {"scores": best, "parents": torch.arange(len(scores)), "words": words}
            """: "may come from one beginning",
        },
    ),
    "transformer.bleu_precision": Answers(
        right=[
            """
            pieces = [candidate[i : i + n] for i in range(len(candidate) - n + 1)]
            left = [reference[i : i + n] for i in range(len(reference) - n + 1)]
            found = 0
            for piece in pieces:
                if piece in left:
                    left.remove(piece)
                    found += 1
            return {"found": found, "all": len(pieces)}
            """,
            """
            a = list(zip(*[candidate[i:] for i in range(n)]))
            b = list(zip(*[reference[i:] for i in range(n)]))
            return {"found": sum(min(a.count(p), b.count(p)) for p in set(a)), "all": len(a)}
            """,
        ],
        wrong={
            """
            a = list(zip(*[candidate[i:] for i in range(n)]))
            b = list(zip(*[reference[i:] for i in range(n)]))
            return {"found": sum(p in b for p in a), "all": len(a)}
            """: "Clipping is missing",
            """
            a = set(zip(*[candidate[i:] for i in range(n)]))
            b = set(zip(*[reference[i:] for i in range(n)]))
            return {"found": len(a & b), "all": len(a)}
            """: "counted once only",
            """
            a = list(zip(*[candidate[i:] for i in range(n)]))
            b = list(zip(*[reference[i:] for i in range(n)]))
            return {"found": sum(min(a.count(p), b.count(p)) for p in set(a)), "all": len(b)}
            """: "that would be a recall",
            """
            a = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n)]
            b = [tuple(reference[i : i + n]) for i in range(len(reference) - n)]
            return {"found": sum(min(a.count(p), b.count(p)) for p in set(a)), "all": len(a)}
            """: "The last piece is missing",
            """
            a = [tuple(sorted(candidate[i : i + n])) for i in range(len(candidate) - n + 1)]
            b = [tuple(sorted(reference[i : i + n])) for i in range(len(reference) - n + 1)]
            return {"found": sum(min(a.count(p), b.count(p)) for p in set(a)), "all": len(a)}
            """: "order inside a piece",
            """
            from collections import Counter
            a = Counter(zip(*[candidate[i:] for i in range(n)]))
            b = Counter(zip(*[reference[i:] for i in range(n)]))
            return {"found": len(a & b), "all": a.total()}
            """: "`found` adds up",
            """
            from collections import Counter
            a = Counter(zip(*[candidate[i:] for i in range(n)]))
            b = Counter(zip(*[reference[i:] for i in range(n)]))
            return {"found": (a & b).total(), "all": len(a)}
            """: "`all` adds up",
        },
    ),
    # ------------------------------------------------------------ 08 gpt
    "gpt.causal_attention": Answers(
        right=[
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S, dtype=torch.bool, device=q.device).tril(S - T)
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)
            """,
            """
            T, S, D = q.size(2), k.size(2), q.size(3)
            at = torch.arange(S, device=q.device)
            future = at > at[S - T :, None]
            scores = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(D)
            weights = torch.softmax(scores + torch.where(future, -math.inf, 0.0), dim=-1)
            return torch.einsum("bhts,bhsd->bhtd", weights, v)
            """,
            """
            seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device)
            seen = seen.tril(k.shape[-2] - q.shape[-2])
            scores = q @ k.mT / q.shape[-1] ** 0.5
            return scores.masked_fill(~seen, torch.tensor(-math.inf)).softmax(-1) @ v
            """,
        ],
        wrong={
            "return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1) @ v": "The mask is missing",
            """
            attention = torch.nn.functional.scaled_dot_product_attention
            return attention(q, k, v, is_causal=True)
            """: "are the last ones",
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            return (q @ k.mT).masked_fill(~mask, -math.inf).softmax(-1) @ v
            """: "division by √D is missing",
            """
            T, S = q.shape[-2], k.shape[-2]
            weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
            return weights * torch.ones(T, S).tril(S - T) @ v
            """: "no longer sum to 1",
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, 0)
            return scores.softmax(-1) @ v
            """: "exp(0) is 1",
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S).triu(S - T + 1) * -math.inf
            return (q @ k.mT / q.shape[-1] ** 0.5 + mask).softmax(-1) @ v
            """: "0 times −∞",
            """
            T, S = q.shape[-2], k.shape[-2]
            seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(seen, -math.inf).softmax(-1) @ v
            """: "upside down",
            """
            T, S = q.shape[-2], k.shape[-2]
            hidden = torch.ones(T, S, dtype=torch.bool).triu(S - T)
            return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(hidden, -math.inf).softmax(-1) @ v
            """: "may see itself",
            """
            T, S = q.shape[-2], k.shape[-2]
            seen = torch.ones(T, S, dtype=torch.bool).tril(S - T - 1)
            return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, -math.inf).softmax(-1) @ v
            """: "may see itself",
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            return (q @ k.mT / math.sqrt(S)).masked_fill(~mask, -math.inf).softmax(-1) @ v
            """: "D is the last axis",
            """
            T, S = q.shape[-2], k.shape[-2]
            mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)
            """: "on a GPU it would stop",
        },
    ),
    "gpt.top_p": Answers(
        right=[
            """
            values, order = torch.sort(logits, descending=True)
            probs = values.softmax(-1)
            gone = probs.cumsum(-1) - probs >= p
            gone[..., 0] = False
            values = values.masked_fill(gone, -math.inf)
            return torch.empty_like(logits).scatter_(-1, order, values)
            """,
            """
            values, order = logits.sort(dim=-1)
            gone = values.softmax(-1).cumsum(-1) <= 1 - p
            gone[..., -1] = False
            return logits.masked_fill(gone.scatter(-1, order, gone), -math.inf)
            """,
        ],
        wrong={
            """
            values, order = logits.sort(descending=True)
            gone = values.softmax(-1).cumsum(-1) > p
            return logits.masked_fill(gone.scatter(-1, order, gone), -math.inf)
            """: "crosses p is cut",
            """
            values, order = logits.sort(descending=True)
            probs = values.softmax(-1)
            return logits.masked_fill(probs.cumsum(-1) - probs >= p, -math.inf)
            """: "mask is not put back",
            """
            values, order = logits.sort(descending=True)
            probs = values.softmax(-1)
            return values.masked_fill(probs.cumsum(-1) - probs >= p, -math.inf)
            """: "come back sorted",
            "return logits.masked_fill(logits.softmax(-1) < p, -math.inf)": "Add up first",
            """
            values, order = logits.sort(descending=True)
            probs = values.softmax(-1)
            gone = probs.cumsum(-1) - probs >= p
            return logits.masked_fill(gone.scatter(-1, order, gone), 0.0)
            """: "It must be −∞",
            """
            values, order = logits.sort(descending=True)
            probs = values.softmax(-1)
            gone = probs.cumsum(-1) - probs >= p
            return logits.masked_fill(gone.scatter(-1, order, gone), -math.inf)
            """: "For p = 0 nothing is left",
        },
    ),
    "gpt.rms_norm": Answers(
        right=[
            "return torch.nn.functional.rms_norm(x, gain.shape, gain, eps)",
            "return gain * x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)",
        ],
        wrong={
            "return torch.nn.functional.layer_norm(x, gain.shape, gain, eps=eps)":
            "This is LayerNorm",
            "return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)": "The gain is missing",
            "return gain * x / ((x**2).sum(-1, keepdim=True) + eps).sqrt()": "sums the squares",
            "return gain * x / ((x**2).mean(-1, keepdim=True) + eps)": "The root is missing",
            "return gain * x / ((x**2).mean(-1, keepdim=True).sqrt() + eps)": "outside the root",
            "return gain * x / ((x**2).mean() + eps).sqrt()": "over all numbers",
        },
    ),
    "gpt.rotate": Answers(
        right=[
            """
            D = x.shape[-1]
            theta = base ** (-2 * torch.arange(D // 2, device=x.device) / D)
            angle = torch.outer(places, theta).unsqueeze(1)
            angle = torch.cat([angle, angle], dim=-1)
            a, b = x.chunk(2, dim=-1)
            return x * angle.cos() + torch.cat([-b, a], dim=-1) * angle.sin()
            """,
            """
            a, b = x.chunk(2, dim=-1)
            n = a.shape[-1]
            theta = torch.exp(-math.log(base) * torch.arange(n, device=x.device) / n)
            turn = torch.polar(torch.ones_like(theta), places[:, None, None] * theta)
            z = torch.complex(a, b) * turn
            return torch.cat([z.real, z.imag], dim=-1)
            """,
        ],
        wrong={
            """
            D = x.shape[-1]
            angle = places[:, None, None] * base ** (-2 * torch.arange(D // 2) / D)
            a, b = x[..., ::2], x[..., 1::2]
            first, second = a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()
            return torch.stack([first, second], dim=-1).flatten(-2)
            """: "The pairs are neighbors",
            """
            D = x.shape[-1]
            angle = places[:, None, None] * base ** (-2 * torch.arange(D // 2) / D)
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * angle.cos() + b * angle.sin(),
                              b * angle.cos() - a * angle.sin()], dim=-1)
            """: "wrong way",
            """
            D = x.shape[-1]
            angle = places[:, None, None] * base ** (-torch.arange(D // 2) / D)
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * angle.cos() - b * angle.sin(),
                              b * angle.cos() + a * angle.sin()], dim=-1)
            """: "half as fast",
            """
            D = x.shape[-1]
            at = torch.arange(x.shape[1])[:, None, None]
            angle = at * base ** (-2 * torch.arange(D // 2) / D)
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * angle.cos() - b * angle.sin(),
                              b * angle.cos() + a * angle.sin()], dim=-1)
            """: "places are not used",
            """
            D = x.shape[-1]
            angle = places[:, None] * base ** (-2 * torch.arange(D // 2) / D)
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * angle.cos() - b * angle.sin(),
                              b * angle.cos() + a * angle.sin()], dim=-1)
            """: "an axis for the heads",
        },
    ),
    # ------------------------------------------------------------ 09 llms_and_prompting
    "llms.mask_tokens": Answers(
        right=[
            """
            picked = (pick < 0.15) & (tokens != 0)
            inputs = tokens.clone()
            inputs[picked & (what < 0.8)] = mask
            inputs[picked & (what >= 0.9)] = others[picked & (what >= 0.9)]
            return inputs, tokens.masked_fill(~picked, -100)
            """,
            """
            labels = torch.full_like(tokens, -100)
            picked = torch.logical_and(pick < 0.15, tokens > 0)
            labels[picked] = tokens[picked]
            changed = torch.where(what < 0.8, mask, torch.where(what < 0.9, tokens, others))
            return torch.where(picked, changed, tokens), labels
            """,
        ],
        wrong={
            """
            picked = (pick < 0.15) & (tokens != 0)
            return torch.where(picked, mask, tokens), torch.where(picked, tokens, -100)
            """: "All picked tokens are hidden",
            """
            picked = pick < 0.15
            inputs = torch.where(picked & (what < 0.8), mask, tokens)
            inputs = torch.where(picked & (what >= 0.9), others, inputs)
            return inputs, torch.where(picked, tokens, -100)
            """: "Padding is picked",
            """
            picked = (pick < 0.15) & (tokens != 0)
            inputs = torch.where(picked & (what < 0.8), mask, tokens)
            inputs = torch.where(picked & (what >= 0.9), others, inputs)
            return inputs, tokens
            """: "The labels hold every token",
            """
            picked = (pick < 0.15) & (tokens != 0)
            tokens[picked & (what < 0.8)] = mask
            tokens[picked & (what >= 0.9)] = others[picked & (what >= 0.9)]
            return tokens, torch.where(picked, tokens, -100)
            """: "in place",
            """
            picked = (pick < 0.15) & (tokens != 0)
            inputs = torch.where(picked & (what < 0.8), mask, others)
            return inputs, torch.where(picked, tokens, -100)
            """: "Every token that is not hidden",
        },
    ),
    "llms.corrupt_spans": Answers(
        right=[
            """
            inputs, target = list(words), []
            for i, (start, stop) in reversed(list(enumerate(spans))):
                target = [f"<{i}>"] + inputs[start:stop] + target
                inputs[start:stop] = [f"<{i}>"]
            return inputs, target + [f"<{len(spans)}>"]
            """,
            """
            gap = {i: n for n, (a, b) in enumerate(spans) for i in range(a, b)}
            inputs, target, last = [], [], None
            for i, word in enumerate(words):
                n = gap.get(i)
                if n is None:
                    inputs.append(word)
                else:
                    if n != last:
                        inputs.append(f"<{n}>")
                        target.append(f"<{n}>")
                    target.append(word)
                last = n
            target.append(f"<{len(spans)}>")
            return inputs, target
            """,
        ],
        wrong={
            """
            inputs, target, end = [], [], 0
            for i, (start, stop) in enumerate(spans):
                inputs += words[end:start] + [f"<{i}>"]
                target += [f"<{i}>"] + words[start:stop]
                end = stop
            return inputs, target + [f"<{len(spans)}>"]
            """: "behind the last span are missing",
            """
            inputs, target, end = [], [], 0
            for i, (start, stop) in enumerate(spans):
                inputs += words[end:start] + [f"<{i}>"]
                target += [f"<{i}>"] + words[start:stop]
                end = stop
            return inputs + words[end:], target
            """: "last sign of the target is missing",
            """
            inputs, target, end = [], [], 0
            for i, (start, stop) in enumerate(spans):
                inputs += words[end:start] + [f"<{i}>"]
                target += [f"<{i}>"] + words[start:stop + 1]
                end = stop + 1
            return inputs + words[end:], target + [f"<{len(spans)}>"]
            """: "first place after a span",
            """
            inputs, target, end = [], [], 0
            for i, (start, stop) in enumerate(spans, 1):
                inputs += words[end:start] + [f"<{i}>"]
                target += [f"<{i}>"] + words[start:stop]
                end = stop
            return inputs + words[end:], target + [f"<{len(spans)}>"]
            """: "begin with <0>",
        },
    ),
    "llms.relative_bucket": Answers(
        right=[
            """
            import math
            shift = torch.zeros_like(distance)
            if both_sides:
                buckets //= 2
                shift = (distance > 0).long() * buckets
                d = distance.abs()
            else:
                d = torch.relu(-distance)
            near = buckets // 2
            far = torch.log(d.float() / near) / math.log(farthest / near) * (buckets - near)
            far = torch.minimum(near + far.long(), torch.tensor(buckets - 1))
            return shift + torch.where(d < near, d, far)
            """,
            """
            d = distance.abs() if both_sides else (-distance).clamp(min=0)
            n = buckets // 2 if both_sides else buckets
            near, steps = n // 2, n - n // 2
            ratio = torch.tensor(farthest / near).log()
            far = near + (steps * (d.clamp(min=near) / near).log() / ratio).floor().long()
            bucket = torch.where(d < near, d, far.clamp(max=n - 1))
            return bucket + n * (distance > 0) if both_sides else bucket
            """,
        ],
        wrong={
            """
            d = distance.abs() if both_sides else (-distance).clamp(min=0)
            return d.clamp(max=buckets - 1)
            """: "a bucket of its own",
            """
            n = buckets // 2 if both_sides else buckets
            d = distance.abs() if both_sides else (-distance).clamp(min=0)
            near = n // 2
            ratio = torch.tensor(farthest / near).log()
            far = near + ((d.clamp(min=1) / near).log() / ratio * (n - near)).long()
            return torch.where(d < near, d, far.clamp(max=n - 1))
            """: "Both sides have the same buckets",
            """
            n = buckets // 2 if both_sides else buckets
            d = distance.abs()
            near = n // 2
            ratio = torch.tensor(farthest / near).log()
            far = near + ((d.clamp(min=1) / near).log() / ratio * (n - near)).long()
            shift = n * (distance > 0) if both_sides else 0
            return shift + torch.where(d < near, d, far.clamp(max=n - 1))
            """: "counts as distance 0",
            """
            n = buckets // 2 if both_sides else buckets
            d = distance.abs() if both_sides else (-distance).clamp(min=0)
            near = n // 2
            ratio = torch.tensor(farthest / near).log()
            far = near + ((d.clamp(min=1) / near).log() / ratio * (n - near)).long()
            shift = n * (distance > 0) if both_sides else 0
            return shift + torch.where(d < near, d, far)
            """: "share the last bucket",
            """
            n = buckets // 2 if both_sides else buckets
            d = distance.abs() if both_sides else (-distance).clamp(min=0)
            shift = n * (distance > 0) if both_sides else 0
            return shift + d.clamp(max=n // 2)
            """: "get coarser",
        },
    ),
    "llms.few_shot_prompt": Answers(
        right=[
            """
            text = ""
            for asked, answer in examples:
                text += asked + between + answer + after
            return text + question + between.rstrip()
            """,
            """
            lines = [asked + between + answer for asked, answer in examples]
            return after.join(lines + [f"{question}{between}".rstrip()])
            """,
        ],
        wrong={
            """
            text = ""
            for asked, answer in examples:
                text += asked + between + answer + after
            return text + question + between
            """: "ends with a space",
            """
            text = ""
            for asked, answer in examples:
                text += asked + between + answer + after
            return text + question
            """: "is missing after the question",
            """
            lines = [f"{asked} = {answer}" for asked, answer in examples]
            return chr(10).join(lines + [question + " ="])
            """: "are arguments",
            """
            lines = [asked + between + answer for asked, answer in examples]
            return "".join(lines + [question + between.rstrip()])
            """: "Nothing separates",
            """
            lines = [asked + between + answer for asked, answer in examples]
            return after.join(lines + [question + between])[:-1]
            """: "Cut spaces only",
            """
            lines = [asked + between + answer for asked, answer in examples]
            return after.join(lines + [question + between.strip()])
            """: "Cut the end only",
        },
    ),
}  # fmt: skip
