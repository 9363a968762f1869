"""Answers to the exercises of Day 1 and of the start page, as students type them."""

from dataclasses import dataclass


@dataclass
class Answers:
    """Bodies of an exercise's function; `wrong` maps each to the key phrase of what it is told."""

    right: list[str]
    wrong: dict[str, str]


KL = "0.5 * (mu**2 + log_var.exp() - 1 - log_var)"

ANSWERS = {
    # ------------------------------------------------------------ start here
    "start.brightness": Answers(
        right=[
            "return images.mean((1, 2))",
            "return images.flatten(1).mean(1)",
            """
            n, height, width = images.shape
            return torch.einsum("nhw->n", images) / (height * width)
            """,
            "return torch.stack([sum(row.sum() for row in i) / i.numel() for i in images])",
            "return torch.nn.functional.avg_pool2d(images[:, None], images.shape[1:])[:, 0, 0, 0]",
        ],
        wrong={
            "return images.mean()": "one number for all pictures together",
            "return images.sum() / images.numel()": "one number for all pictures together",
            "return images.mean(dim=0)": "averages over the pictures (dimension 0)",
            "return images.mean(dim=(0, 1))": "averages over the pictures and the rows",
            "return images.sum(dim=(1, 2))": "sum of the gray levels",
            "return images.sum(dim=(1, 2)) / images.shape[1]":
            "divides the sum by the number of rows",
            "return images.sum(dim=(1, 2)) / len(images)": "by the number of pictures",
            "return images.mean(dim=1)": "averages over the rows only",
            "return images.mean(dim=-1)": "averages over the columns only",
            "return images.mean(dim=(1, 2), keepdim=True)": "keepdim=True",
            "return [image.mean() for image in images]": "this is a Python list",
            "return [float(image.mean()) for image in images]": "this is a Python list",
            "return torch.tensor([float(i.mean()) for i in images]).double()": "got       float64",
            "return images.amax(dim=(1, 2))": "got       3.4105",
            "return images.mean(dim=(2, 3))": "Dimension out of range",
            "return image.mean(dim=(1, 2))": "NameError: name 'image' is not defined",
            "images.mean(dim=(1, 2))": "Is `return` missing?",
            "return images.average(dim=(1, 2))": "'Tensor' object has no attribute 'average'",
            "images /= images.shape[1] * images.shape[2]\nreturn images.sum(dim=(1, 2))":
            "changes its input `images` in place",
        },
    ),
    # ------------------------------------------------------------ 01 generative and discriminative
    # ------------------------------------------------------------ 02 deep learning primer
    # ------------------------------------------------------------ 03 probability and latents
    # ------------------------------------------------------------ 04 early generative nets
    # ------------------------------------------------------------ 05 autoencoders
    # ------------------------------------------------------------ 06 variational autoencoders
    "vae.reparameterize": Answers(
        right=[
            "return torch.distributions.Normal(mu, log_var.exp().sqrt()).rsample()",
            "eps = torch.randn(mu.shape)\nreturn torch.addcmul(mu, eps, (log_var / 2).exp())",
            "return mu + torch.empty_like(mu).normal_() * log_var.exp() ** 0.5",
            """
            import numpy as np
            noise = torch.from_numpy(np.random.standard_normal(tuple(mu.shape))).to(mu.dtype)
            return torch.exp(log_var / 2).mul(noise).add(mu)
            """,
        ],
        wrong={
            "return mu": "no noise is added, so every code is a point",
            "return mu + torch.exp(log_var / 2)": "No noise is drawn",
            "return mu + torch.exp(log_var) * torch.randn_like(mu)":
            "equals exp(log_var), the variance",
            "return mu + log_var * torch.randn_like(mu)": "equals log_var itself",
            "return mu + log_var / 2 * torch.randn_like(mu)": "the exponential is missing",
            "return mu + torch.exp(2 * log_var) * torch.randn_like(mu)":
            "the square of the variance",
            "return mu + torch.exp(-0.5 * log_var) * torch.randn_like(mu)": "a sign is wrong",
            "return mu + torch.randn_like(mu)": "log_var is not used",
            "return mu + torch.sqrt(log_var) * torch.randn_like(mu)": "contains NaN",
            "return mu + 2 * torch.exp(log_var / 2) * torch.randn_like(mu)":
            "deviation of z is off",
            "return torch.exp(log_var / 2) * torch.randn_like(mu)": "mu is not added",
            "return log_var + torch.exp(mu / 2) * torch.randn_like(mu)": "in each other's place",
            "return mu + torch.exp(log_var / 2) * torch.rand_like(mu)": "and not rand_like",
            "return mu + torch.exp(log_var / 2) * (torch.rand_like(mu) - 0.5)": "noise is uniform",
            "return mu + torch.exp(log_var / 2) * (torch.rand_like(mu) - 0.5) * 12**0.5":
            "the noise is not normal",
            "return mu + torch.exp(log_var / 2) * torch.randn(mu.shape[1])":
            "All pictures share the same noise. Draw as many numbers as mu has: torch.randn_like",
            "return mu + torch.exp(log_var / 2) * torch.randn(mu.size(0), 1)":
            "All latents of a picture share one number. Draw as many as mu has: torch.randn_like",
            "return torch.randn_like(mu) * mu + torch.exp(log_var / 2)":
            "z does not vary where mu is 0. It is μ + σ ε: the noise multiplies σ, and mu is",
            "return mu * torch.exp(log_var / 2) * torch.randn_like(mu)":
            "z does not vary where mu is 0. It is μ + σ ε: the noise multiplies σ, and mu is",
            """
            g = torch.Generator().manual_seed(0)
            return mu + torch.exp(log_var / 2) * torch.randn(mu.shape, generator=g)
            """: "Two draws are equal",
            """
            torch.manual_seed(0)
            return mu + torch.exp(log_var / 2) * torch.randn_like(mu)
            """: "It seeds the random generator",
            "return torch.normal(mu, torch.exp(log_var / 2))": "no gradient reaches mu or log_var",
            "return mu.detach() + torch.exp(log_var / 2) * torch.randn_like(mu)":
            "gradient of z with respect to mu must be 1",
            "return mu + torch.exp(log_var / 2).detach() * torch.randn_like(mu)":
            "gradient with respect to log_var is not",
            "return torch.normal(mu, log_var)": "normal expects all elements of std >= 0.0",
            "return mu + math.exp(log_var / 2) * torch.randn_like(mu)":
            "`math`, float() and item()",
            "return mu + torch.exp(log_var / 2) * torch.randn_like(mu).double()":
            "got       float64",
            "return (mu + torch.exp(log_var / 2) * torch.randn_like(mu)).mean(0)": "shape (3,)",
            """
            std = torch.exp(log_var / 2)
            return std.mul_(torch.randn_like(mu)).add_(mu)
            """: "modified by an inplace operation",
            "mu += torch.exp(log_var / 2) * torch.randn_like(mu)\nreturn mu":
            "changes its input `mu` in place",
        },
    ),
    "vae.kl": Answers(
        right=[
            """
            q = torch.distributions.Normal(mu, torch.exp(log_var / 2))
            p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
            return torch.distributions.kl_divergence(q, p).sum(-1)
            """,
            "return -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=-1)",
            """
            total = 0
            for m, v in zip(mu.T, log_var.T):
                total = total + (m * m + torch.expm1(v) - v) / 2
            return total
            """,
        ],
        wrong={
            f"return ({KL}).mean(dim=1)": "averages over the latent dimensions",
            f"return ({KL}).sum()": "one number for the whole batch",
            f"return ({KL}).mean()": "mean over batch and dimensions",
            f"return ({KL}).sum(dim=1).mean()": "averages over the batch as well",
            f"return ({KL}).sum(dim=0)": "runs over the batch (dim=0)",
            f"return {KL}": "The sum is missing",
            f"return ({KL}).sum(dim=1, keepdim=True)": "leave out keepdim=True",
            "return 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)": "never negative",
            "return (mu**2 + log_var.exp() - 1 - log_var).sum(dim=1)": "factor ½ is missing",
            "return 0.5 * (mu**2 + log_var.exp() - log_var).sum(dim=1)": "−1 is missing",
            "return 0.5 * (mu**2 + log_var.exp() + 1 - log_var).sum(dim=1)": "The 1 enters",
            "return 0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(1)":
            "as log σ. It is",
            "return 0.5 * (mu**2 + (log_var / 2).exp() - 1 - log_var).sum(1)": "standard deviation",
            "return 0.5 * (mu**2 + log_var**2 - 1 - log_var).sum(1)":
            "This squares log_var. σ² is exp(log_var).",
            "return (0.5 * mu**2 + log_var.exp() - 1 - log_var).sum(1)":
            "The ½ belongs to all four terms: add brackets.",
            "return 0.5 * ((mu**2 + log_var.exp() - log_var).sum(1) - 1)":
            "The −1 belongs to each latent: put it inside the sum.",
            """
            total = torch.zeros(len(mu))
            for m, v in zip(mu.T, log_var.T):
                total[:] = total + (m * m + torch.expm1(v) - v) / 2
            return total
            """: "expected  float64 shape (2,)\n  got       float32 shape (2,)",
            "return 0.5 * (mu + log_var.exp() - 1 - log_var).sum(1)": "mu must be squared",
            "return 0.5 * (log_var.exp() - 1 - log_var).sum(1)": "mu is not used",
            "return 0.5 * (mu**2 + log_var.exp() - 1 + log_var).sum(1)":
            "log_var enters with the wrong",
            "return 0.5 * (mu**2 + log_var.exp() - 1).sum(1)": "−log σ² is missing",
            "return 0.5 * (mu**2 + log_var - 1 - log_var.log()).sum(1)":
            "taken for the variance here",
            """
            q = torch.distributions.Normal(mu, torch.exp(log_var / 2))
            p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
            return torch.distributions.kl_divergence(p, q).sum(-1)
            """: "This is KL(p ‖ q)",
            "return kl(mu, log_var)": "It calls itself without end",
            f"with torch.no_grad():\n    return ({KL}).sum(1)": "no gradient reaches `mu`",
            f"log_var = log_var.detach()\nreturn ({KL}).sum(1)": "no gradient reaches `log_var`",
            "return 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1)":
            "name 'np' is not defined",
            "return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(2)": "Dimension out of range",
            "log_var -= 1\nreturn (mu**2 + log_var.exp() - log_var).sum(1) / 2":
            "changes its input `log_var` in place",
        },
    ),
    "vae.log_likelihood_estimate": Answers(
        right=[
            """
            top = log_weights.max(dim=0).values
            return top + (log_weights - top).exp().mean(dim=0).log()
            """,
            """
            log_sum = log_weights[0]
            for row in log_weights[1:]:
                log_sum = torch.logaddexp(log_sum, row)
            return log_sum - torch.tensor(float(log_weights.shape[0])).log()
            """,
            "return (log_weights - math.log(log_weights.size(0))).logsumexp(0)",
        ],
        wrong={
            "return log_weights.mean(dim=0)": "gives the ELBO again",
            "return torch.logsumexp(log_weights, dim=0)": "The mean became a sum: subtract log S.",
            "return log_weights.max(dim=0).values": "This is the largest weight alone",
            "return torch.logsumexp(log_weights, dim=0) / math.log(len(log_weights))":
            "Subtract log S: the logarithm of a quotient is a difference.",
            "return torch.logsumexp(log_weights, 0).mean()":
            "Keep one number per image, and subtract log S.",
            "return log_weights.exp().sum(0).log()": "The mean became a sum: subtract log S.",
            "return torch.logsumexp(log_weights, dim=0) + math.log(len(log_weights))":
            "log S is added",
            "return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[1])":
            "the number of images. S is the number of samples, S = len(log_weights).",
            "return torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])":
            "sums over the images (dimension 1)",
            "return torch.logsumexp(log_weights, dim=(0, 1)) - math.log(log_weights.numel())":
            "one number for all images together",
            "return (torch.logsumexp(log_weights, 0) - math.log(len(log_weights))).mean()":
            "averages over the images as well",
            "return torch.logsumexp(log_weights, dim=0) / len(log_weights)":
            "divides the logarithm by S",
            "return math.log(len(log_weights)) - torch.logsumexp(log_weights, 0)":
            "this is −log p(x)",
            "return log_weights.exp().mean(dim=0).log()": "exp(log_weights) rounds to zero here",
            "return log_weights.exp().mean(dim=0)": "it is p(x) and not log p(x)",
            "return torch.logsumexp(log_weights) - math.log(len(log_weights))":
            "TypeError: logsumexp()",
            """
            sums = [float(column.logsumexp(0)) for column in log_weights.T]
            return torch.tensor(sums) - math.log(len(log_weights))
            """:
            "no gradient reaches `log_weights`",
            "return log_weights.max(dim=0)": "of type max and not a tensor",
        },
    ),
    "vae.free_bits": Answers(
        right=[
            """
            mean = kl_per_dimension.mean(dim=0)
            return torch.maximum(mean, torch.full_like(mean, floor)).sum()
            """,
            """
            mean = kl_per_dimension.mean(dim=0)
            return torch.where(mean > floor, mean, floor).sum()
            """,
            "return (torch.relu(kl_per_dimension.mean(0) - floor) + floor).sum()",
            "return sum(max(k.mean(), torch.tensor(floor)) for k in kl_per_dimension.T)",
        ],
        wrong={
            "return kl_per_dimension.clamp(min=floor).mean(0).sum()":
            "floor is applied to each image",
            "return kl_per_dimension.mean(0).sum().clamp(min=floor)":
            "to the sum over all dimensions",
            "return kl_per_dimension.sum(1).mean().clamp(min=floor)":
            "to the sum over all dimensions",
            "return kl_per_dimension.mean(1).clamp(min=floor).sum()": "averages over the latent",
            "return kl_per_dimension.mean().clamp(min=floor)": "over batch and dimensions before",
            "return kl_per_dimension.sum(0).clamp(min=floor).sum()": "sums over the batch",
            "return kl_per_dimension.clamp(min=floor).sum()": "The batch is not averaged",
            "return (kl_per_dimension.mean(0) + floor).sum()": "The floor is added here",
            "return kl_per_dimension.mean(0).clamp(max=floor).sum()": "from above (clamp(max=…)",
            "return kl_per_dimension.mean(0).clamp(min=floor).mean()": "mean over the dimensions",
            "return kl_per_dimension.mean(0).sum()": "The floor is not used",
            "return torch.relu(kl_per_dimension.mean(0) - floor).sum()":
            "The floor is subtracted here",
            "return kl_per_dimension.mean(0).clamp(min=floor)":
            "sum over the dimensions is missing",
            "return torch.maximum(kl_per_dimension.mean(0), floor).sum()":
            "must be Tensor, not float",
            "return max(kl_per_dimension.mean(0), floor).sum()":
            "`if`, `and`, max() and min() need one",
            "return float(kl_per_dimension.mean(0).clamp(min=floor).sum())":
            "of type float and not a",
            """
            mean = kl_per_dimension.mean(0)
            return torch.where(mean > floor, mean, mean * 0 + floor).sum().detach()
            """: "no gradient reaches `kl_per_dimension`",
            """
            mean = kl_per_dimension.mean(0)
            return (mean + (floor - mean).clamp(min=0).detach()).sum()
            """: "the gradient of the sum with respect to `kl_per_dimension` is not",
        },
    ),
    # ------------------------------------------------------------ 07 discrete latents
}  # fmt: skip
