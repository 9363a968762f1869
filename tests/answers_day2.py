"""Answers to the exercises of Day 2, as students type them."""

from answers_day1 import Answers

FUNCTIONS = "from torch.nn.functional import logsigmoid, softplus\n"
NEAR = """d, i = torch.cdist(samples, centers).min(1)
near = d <= radius
n = i[near].bincount(minlength=len(centers))
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
    #
    #
    # ------------------------------------------------------------ 03 style_and_cycles
    #
    #
    # ------------------------------------------------------------ 04 diffusion
}  # fmt: skip
