"""Answers to the exercises of Day 1 and of the start page, as students type them."""

from dataclasses import dataclass


@dataclass
class Answers:
    """Bodies of an exercise's function; `wrong` maps each to the key phrase of what it is told."""

    right: list[str]
    wrong: dict[str, str]


ADAM = """
t = state["t"] + 1
m = beta1 * state["m"] + (1 - beta1) * gradient
v = beta2 * state["v"] + (1 - beta2) * gradient**2
m_hat, v_hat, new = m / (1 - beta1**t), v / (1 - beta2**t), {"m": m, "v": v, "t": t}
"""
CONV = """
k = filters.shape[-1]
windows = images.unfold(2, k, 1).unfold(3, k, 1)
"""
KL = "0.5 * (mu**2 + log_var.exp() - 1 - log_var)"

Z = """L = torch.linalg.cholesky(covariance)
z = torch.linalg.solve_triangular(L, (x - mean).T, upper=False)"""
VOLUME = "L.diagonal().log().sum()"
CONSTANT = "len(mean) * math.log(2 * math.pi) / 2"
HOT = (
    "hot = torch.nn.functional.one_hot(indices, len(counts)).to(z.dtype)\n"
    "n, s = hot.sum(0), hot.T @ z\n"
)

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
    "generative.log_density": Answers(
        right=[
            """
            normal = torch.distributions.MultivariateNormal(mean, covariance, validate_args=False)
            return normal.log_prob(x)
            """,
            """
            moved = x - mean
            squares = (moved @ torch.linalg.inv(covariance) * moved).sum(1)
            return -(squares + torch.logdet(2 * math.pi * covariance)) / 2
            """,
            """
            values, vectors = torch.linalg.eigh(covariance)
            z = (x - mean) @ vectors
            return -0.5 * (z**2 / values + values.log() + math.log(2 * math.pi)).sum(1)
            """,
        ],
        wrong={
            f"{Z}\nreturn -0.5 * (z**2).sum(1) - {VOLUME} - {CONSTANT}": "sum over dim=0",
            f"{Z}\nreturn -0.5 * (z**2).sum(0) - 0.5 * {VOLUME} - {CONSTANT}":
            "L is the root already",
            f"{Z}\nreturn -0.5 * (z**2).sum(0) - {VOLUME}": "term −½ D log 2π is missing",
            f"{Z}\nreturn -0.5 * z.sum(0) ** 2 - {VOLUME} - {CONSTANT}": "Square each z first",
            f"{Z}\nreturn -0.5 * (z**2).sum(0) - L.log().sum() - {CONSTANT}": "L.diagonal() first",
            f"{Z.replace('.T', '')}\nreturn z": "one column for each right-hand side",
            f"{Z}\nreturn -0.5 * (z**2).sum(0) - {VOLUME} - math.log(2 * math.pi) / 2":
            "for each of the D dimensions",
            f"{Z}\nreturn -(z**2).sum(0) - {VOLUME} - {CONSTANT}":
            "factor ½ before the sum of squares",
            """
            z = (x - mean) / covariance.diagonal().sqrt()
            log_norm = covariance.diagonal().log() + math.log(2 * math.pi)
            return -0.5 * (z**2 + log_norm).sum(1)
            """: "uses the variances alone",
            "L = torch.linalg.cholesky(covariance)\nreturn -0.5 * ((x - mean) @ L) ** 2":
            "got       float32 shape (5, 3)",
        },
    ),
    "generative.posterior": Answers(
        right=[
            "return torch.softmax(log_joint, dim=1)",
            """
            p = (log_joint - log_joint.max(dim=1, keepdim=True).values).exp()
            return p / p.sum(dim=1, keepdim=True)
            """,
        ],
        wrong={
            "return torch.softmax(log_joint, dim=0)": "normalizes over the pictures",
            "return log_joint.exp()": "This is p(x, y).",
            "return torch.log_softmax(log_joint, dim=1)": "the last exp is missing",
            "return log_joint.exp() / log_joint.exp().sum(1, keepdim=True)": "0 / 0 is NaN",
            "return log_joint / log_joint.sum(1, keepdim=True)": "sum of the logarithms",
            "return torch.exp(log_joint - log_joint.logsumexp(1))": "must match",
            "return log_joint.argmax(1)": "This is the most probable class.",
            "return log_joint.exp() / log_joint.logsumexp(1, keepdim=True)": "Subtract it before",
            """
            p = (log_joint - log_joint.max()).exp()
            return p / p.sum(1, keepdim=True)
            """: "One maximum for all pictures",
        },
    ),
    "generative.draw": Answers(
        right=[
            "return (torch.linalg.cholesky(covariance) @ noise.T).T + mean",
            """
            values, vectors = torch.linalg.eigh(covariance)
            return mean + noise @ (vectors * values.sqrt()).T
            """,
        ],
        wrong={
            "return mean + noise @ torch.linalg.cholesky(covariance)": "noise @ L.T",
            "return mean + noise @ covariance": "multiplied by the covariance itself",
            "return noise @ torch.linalg.cholesky(covariance).T": "The mean is not added",
            "return mean + noise * covariance.diagonal().sqrt()": "vary independently",
            "return mean + noise * torch.linalg.cholesky(covariance).diagonal()":
            "Only the diagonal of L is used",
            "return mean + noise @ covariance.sqrt()": "no root entry by entry",
            "return mean + noise": "The noise is not stretched",
            "return mean.expand_as(noise) * 1": "the noise is not used",
            """
            root = torch.linalg.cholesky(covariance)
            return mean + torch.randn_like(noise) @ root.T
            """: "The noise is given",
            """
            noise = (noise - noise.mean(0)) / noise.std(0)
            return mean + noise @ torch.linalg.cholesky(covariance).T
            """: "Treat each row of noise alone",
        },
    ),
    # ------------------------------------------------------------ 02 deep learning primer
    "primer.unbroadcast": Answers(
        right=[
            """
            while gradient.ndim > len(shape):
                gradient = gradient.sum(axis=0)
            for axis, size in enumerate(shape):
                if size == 1:
                    gradient = gradient.sum(axis=axis, keepdims=True)
            return gradient
            """,
            """
            import numpy as np
            full = (1,) * (gradient.ndim - len(shape)) + tuple(shape)
            axes = tuple(i for i, (g, s) in enumerate(zip(gradient.shape, full)) if g != s)
            return np.sum(gradient, axis=axes).reshape(shape)
            """,
            "return torch.from_numpy(gradient).sum_to_size(shape).numpy()",
        ],
        wrong={
            "return gradient": "gradient comes back as it came",
            "return gradient.sum(axis=0)": "This sums axis 0 whatever",
            "return gradient.reshape(shape)": "cannot reshape array of size 12 into shape (4,)",
            "return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))":
            "The axes where `shape` has size 1 are copies, too",
            "return gradient.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)":
            "leading axes that `shape` lacks are still there",
            """
            while gradient.ndim > len(shape):
                gradient = gradient.mean(axis=0)
            axes = tuple(i for i, n in enumerate(shape) if n == 1)
            return gradient.mean(axis=axes, keepdims=True)
            """: "takes the mean over the copies",
            """
            while gradient.ndim > len(shape):
                gradient = gradient.sum(axis=-1)
            return gradient
            """: "missing axes are the first ones",
            """
            import numpy as np
            return np.resize(gradient, shape)
            """: "cut or laid out anew",
            """
            while gradient.ndim > len(shape):
                gradient = gradient[0]
            return gradient[tuple(slice(n) for n in shape)]
            """: "keeps the first copy",
        },
    ),
    "primer.adam_step": Answers(
        right=[
            """
            t = state["t"] + 1
            m = state["m"] + (1 - beta1) * (gradient - state["m"])
            v = state["v"] + (1 - beta2) * (gradient * gradient - state["v"])
            size = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
            step = size * m / (v**0.5 + epsilon * (1 - beta2**t) ** 0.5)
            return parameter - step, dict(t=t, m=m, v=v)
            """,
            """
            import numpy as np
            new = {"t": state["t"] + 1}
            for name, beta, g in [("m", beta1, gradient), ("v", beta2, gradient**2)]:
                new[name] = beta * state[name] + (1 - beta) * g
            m, v = new["m"] / (1 - beta1 ** new["t"]), new["v"] / (1 - beta2 ** new["t"])
            return parameter - lr * m / (np.sqrt(v) + epsilon), new
            """,
        ],
        wrong={
            f"{ADAM}\nreturn parameter - lr * m / (v**0.5 + epsilon), new":
            "bias correction is missing",
            f"{ADAM}\nreturn parameter - lr * m / (v_hat**0.5 + epsilon), new":
            "m is not corrected",
            f"{ADAM}\nreturn parameter + lr * m_hat / (v_hat**0.5 + epsilon), new": "this climbs",
            f"{ADAM}\nreturn parameter - lr * m_hat / (v_hat + epsilon), new": "root is missing",
            f"{ADAM}\nreturn parameter - lr * m_hat / (v_hat + epsilon)**0.5, new":
            "ε belongs outside the root",
            f"{ADAM}\nnew = dict(m=m_hat, v=v_hat, t=t)\n"
            "return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new":
            "The state holds the corrected",
            f"{ADAM}\nnew['t'] -= 1\n"
            "return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new": "t is not counted up",
            f"{ADAM}\nreturn parameter - m_hat / (v_hat**0.5 + epsilon), new":
            "learning rate is not used",
            f"{ADAM}\nsize = lr * (1 - beta2**t)**0.5 / (1 - beta1**t)\n"
            "return parameter - size * m / (v**0.5 + epsilon), new": "the other form in the paper",
            f"{ADAM}\nold = state['t']\nm_hat = m / (1 - beta1**old)\n"
            "v_hat = v / (1 - beta2**old)\n"
            "return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new": "uses the old count",
            f"{ADAM}\nm_hat, v_hat = m / (1 - beta1 * t), v / (1 - beta2 * t)\n"
            "return parameter - lr * m_hat / (v_hat**0.5 + epsilon), new": "raised to the power t",
            'state["t"] += 1\nreturn parameter, state': "changes its input `state` in place",
            f"{ADAM}\nreturn parameter - lr * m_hat / (v_hat**0.5 + epsilon)": "expected",
        },
    ),
    "primer.cross_entropy": Answers(
        right=[
            "return -logits.log_softmax(dim=1).gather(1, labels[:, None]).mean()",
            "return torch.nn.functional.cross_entropy(logits, labels)",
            """
            logits = logits - logits.max(dim=1, keepdim=True).values.detach()
            log_total = logits.exp().sum(dim=1).log()
            return (log_total - logits[range(len(labels)), labels]).mean()
            """,
        ],
        wrong={
            "return logits.log_softmax(1)[range(len(labels)), labels].mean()":
            "sign is the other way round",
            "return -logits.log_softmax(1)[range(len(labels)), labels].sum()": "adds the rows up",
            "return -logits.log_softmax(1)[range(len(labels)), labels]": "One number for the batch",
            "return -logits.log_softmax(0)[range(len(labels)), labels].mean()":
            "must run over the classes",
            "return -logits[range(len(labels)), labels].mean()": "normalization is missing",
            "return -logits.softmax(1)[range(len(labels)), labels].mean()":
            "logarithm is missing",
            "return -logits.softmax(1)[range(len(labels)), labels].log().mean()":
            "softmax first, then the logarithm",
            """
            p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
            return -p[range(len(labels)), labels].log().mean()
            """: "exp of a large logit overflows",
            "return (torch.log(torch.exp(logits).sum(1))"
            " - logits[range(len(labels)), labels]).mean()": "The formula is right, but exp",
            """
            shifted = logits - logits.max()
            return (shifted.exp().sum(1).log() - shifted[range(len(labels)), labels]).mean()
            """: "One maximum for the whole batch",
            "p = logits.softmax(dim=1)[range(len(labels)), labels]\n"
            "return -(p + 1e-9).log().mean()": "A small number inside the log",
            "return torch.nn.functional.cross_entropy(logits.softmax(1), labels)":
            "applies softmax twice",
            "return -logits.log_softmax(1)[:, labels].mean()": "picks whole rows",
        },
    ),
    "primer.conv2d": Answers(
        right=[
            "return torch.nn.functional.conv2d(images, filters, bias)",
            """
            k, rows = filters.shape[-1], []
            for i in range(images.shape[2] - k + 1):
                row = []
                for j in range(images.shape[3] - k + 1):
                    window = images[:, :, i : i + k, j : j + k].flatten(1)
                    row.append(window @ filters.flatten(1).T + bias)
                rows.append(torch.stack(row, dim=-1))
            return torch.stack(rows, dim=2)
            """,
            """
            k, (h, w) = filters.shape[-1], images.shape[2:]
            columns = torch.nn.functional.unfold(images, k)
            maps = filters.flatten(1) @ columns + bias[:, None]
            return maps.view(len(images), len(filters), h - k + 1, w - k + 1)
            """,
        ],
        wrong={
            """
            k, (h, w) = filters.shape[-1], images.shape[2:]
            out = torch.zeros(len(images), len(filters), h - k + 1, w - k + 1)
            for i in range(h - k + 1):
                for j in range(w - k + 1):
                    window = images[:, :, i : i + k, j : j + k].flatten(1)
                    out[:, :, i, j] = window @ filters.flatten(1).T + bias
            return out
            """: "must have the dtype of the images",
            "return torch.nn.functional.conv2d(images, filters)": "bias is not added",
            "return torch.nn.functional.conv2d(images, filters.flip(2, 3), bias)":
            "filters are turned around",
            "return torch.nn.functional.conv2d(images, filters.mT, bias)":
            "Rows and columns of the filter",
            "return torch.nn.functional.conv2d(images, filters, bias, padding='same')":
            "edges are padded",
            "return torch.nn.functional.conv2d(images, filters, bias, stride=filters.shape[-1])":
            "move by one pixel",
            "return torch.nn.functional.conv2d(images, filters, -bias)": "wrong sign",
            "return torch.nn.functional.conv2d(images[:, :1], filters[:, :1], bias)":
            "Only the first input channel",
            f"{CONV}\nreturn torch.einsum('bchwij,ocij->bhwo', windows, filters) + bias":
            "axes are in another order",
            f"{CONV}\nreturn torch.einsum('bchwij,ocij->bohw', windows, filters) + bias":
            "must match the size",
        },
    ),
    # ------------------------------------------------------------ 03 probability and latents
    "latents.kl_discrete": Answers(
        right=[
            "return torch.where(p > 0, p * (p.log() - q.log()), 0.0).sum()",
            "return sum(a * (a / b).log() for a, b in zip(p, q) if a > 0)",
            "seen = p > 0\nreturn (p[seen] * torch.log(p[seen] / q[seen])).sum()",
            "return (p * (p / q).log()).nansum()",
            "return torch.where(p > 0, p * (p / q).log(), torch.zeros(len(p))).sum()",
            """
            total = torch.tensor(0.0)
            for a, b in zip(p, q):
                if a > 0:
                    total = total + a * (a / b).log()
            return total
            """,
        ],
        wrong={
            "return (torch.xlogy(q, q) - torch.xlogy(q, p)).sum()": "This is KL(q ‖ p).",
            "return (torch.xlogy(p, q) - torch.xlogy(p, p)).sum()": "divergence is never negative",
            "return -(p * q.log()).sum()": "This is the cross entropy H(p, q)",
            "return -(p * p.log()).sum()": "the entropy of p; q is not used",
            "return (p * (p / q).log2()).sum()": "to base 2",
            "return (p * (p / q).log()).mean()": "This is the mean over the outcomes",
            "return (p / q).log().sum()": "The probabilities p do not weigh",
            "return (p * (p / q).log()).sum()": "computes 0 · log 0, which is NaN",
            "return torch.xlogy(p, p / (q + 1e-8)).sum()": "the divergence is infinite",
            "return (p * torch.log((p + 1e-12) / (q + 1e-12))).sum()": "the divergence is infinite",
            "return (torch.xlogy(p, p) - torch.xlogy(p, q)).nan_to_num(posinf=0.0).sum()":
            "the divergence is infinite",
            "return float(torch.xlogy(p, p / q).sum())": "of type float and not a tensor",
        },
    ),
    "latents.effective_sample_size": Answers(
        right=[
            """
            w = (log_weights - log_weights.max()).exp()
            return w.sum() ** 2 / w.square().sum()
            """,
            "return (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp()",
        ],
        wrong={
            "w = log_weights.exp()\nreturn w.sum() ** 2 / (w**2).sum()": "rounds to 0 here",
            "return 2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)":
            "one exp is missing",
            "return torch.softmax(log_weights, 0).square().sum()": "is its inverse",
            "return log_weights.sum() ** 2 / (log_weights**2).sum()": "the logarithms themselves",
            "return 1 / torch.softmax(log_weights, 0).square().sum() / len(log_weights)":
            "This is the share of the samples",
            "return 1 / torch.softmax(log_weights, 0).max()": "over the largest share",
            """
            w = (log_weights - log_weights.max()).exp()
            return w.sum() / w.square().sum()
            """: "The square of the sum is missing",
            "return (2 * log_weights.logsumexp(0) - (log_weights**2).logsumexp(0)).exp()":
            "This squares the logarithm",
            "w = (log_weights - log_weights.min()).exp()\nreturn w.sum() ** 2 / (w**2).sum()":
            "subtract the largest log weight;",
            "w = (log_weights - log_weights.mean()).exp()\nreturn w.sum() ** 2 / (w**2).sum()":
            "subtract the largest log weight;",
            "w = (log_weights - log_weights.median()).exp()\nreturn w.sum() ** 2 / (w**2).sum()":
            "subtract the largest log weight;",
            "w = (log_weights - log_weights[0]).exp()\nreturn w.sum() ** 2 / (w**2).sum()":
            "subtract the largest log weight;",
            "return 1 / torch.softmax(log_weights, 0).sum()": "This is 1 whatever the weights are",
        },
    ),
    "latents.responsibilities": Answers(
        right=[
            """
            joint = log_weights + log_densities
            return (joint - joint.logsumexp(dim=1, keepdim=True)).exp()
            """,
            "return torch.stack([(log_weights + row).softmax(0) for row in log_densities])",
        ],
        wrong={
            "return log_densities.softmax(1)": "weights of the groups are not used",
            "return (log_weights + log_densities).softmax(0)": "Each point's row must sum to 1",
            "return (log_weights + log_densities).log_softmax(1)": "exp is missing",
            "return (log_weights * log_densities).softmax(1)": "Logarithms are multiplied here",
            "return (log_densities - log_weights).softmax(1)": "This subtracts the weights",
            "return (log_weights + log_densities).exp()": "sum over the groups is missing",
            "w = (log_weights + log_densities).exp()\nreturn w / w.sum(1, keepdim=True)":
            "rounds to 0 (or overflows)",
            "w = log_weights + log_densities\nreturn w / w.sum(1, keepdim=True)":
            "divides the logarithms by their sum",
            "return log_weights.softmax(0) * log_densities.softmax(1)": "rows do not sum to 1",
            **{
                f"j = log_weights + log_densities\nw = (j - {shift}).exp()\n"
                "return w / w.sum(1, keepdim=True)": "the largest value of each point's own row"
                for shift in (
                    "j.min(1, keepdim=True).values", "j.mean(1, keepdim=True)", "j[:, :1]",
                    "j.mean()", "j.max()",
                )
            },
            "return torch.nn.functional.one_hot((log_weights + log_densities).argmax(1), "
            "len(log_weights)).to(log_densities)": "gives each point to one group",
            "return (log_weights[:, None] + log_densities).softmax(1)": "must match the size",
        },
    ),
    "latents.score_gradient": Answers(
        right=[
            "return torch.einsum('s,sd->sd', values - baseline, z - mu)",
            "return torch.stack([(v - baseline) * (row - mu) for v, row in zip(values, z)])",
        ],
        wrong={
            "return values[:, None] * (z - mu)": "The baseline is not used",
            "return (values + baseline)[:, None] * (z - mu)": "The baseline is added",
            "return (values - baseline)[:, None] * (mu - z)": "good draws pull mu towards",
            "return (values - baseline)[:, None] * z": "mu is not subtracted",
            "return ((values - baseline)[:, None] * (z - mu)).mean(0)": "mean over the draws",
            "return (values - baseline) @ (z - mu)": "This sums over the draws",
            "return (values - baseline) * (z - mu).sum(dim=1)": "leaves one number for each draw",
            "return (values - baseline)[:, None] * torch.distributions.Normal(mu, 1).log_prob(z)":
            "multiplies by the log density",
            "return values[:, None] * (z - mu) - baseline": "subtracted from the product",
            "return (values - baseline) * (z - mu)": "Here it multiplies column s",
            "return (values - baseline)[:, None] * (z - mu) ** 2": "The score is squared here",
            "return (values[:, None] - baseline) * (z - mu) / len(values)":
            "This divides by the number of draws",
        },
    ),
    # ------------------------------------------------------------ 04 early generative nets
    "energy.hebb": Answers(
        right=[
            """
            n = patterns.shape[1]
            return torch.einsum("pi,pj->ij", patterns, patterns) / n * (1 - torch.eye(n))
            """,
            "return (patterns.T @ patterns / patterns.size(1)).fill_diagonal_(0)",
            """
            p, n = patterns.shape
            weights = torch.zeros(n, n)
            for x in patterns:
                weights += torch.outer(x, x) / n
            return weights - torch.eye(n) * p / n
            """,
        ],
        wrong={
            "return patterns.T @ patterns / patterns.shape[1]": "The diagonal must be zero",
            "return (patterns.T @ patterns / len(patterns)).fill_diagonal_(0)":
            "divides by the number of patterns",
            "return patterns.T @ patterns / len(patterns)": "and the diagonal is not zero",
            """
            for x in patterns:
                weights = torch.outer(x, x) / len(x)
            return weights.fill_diagonal_(0)
            """: "Only the last pattern is stored",
            "return torch.cov(patterns.T)": "covariance of the units",
            "return (patterns.T @ patterns).fill_diagonal_(0)": "division by the number of units",
            "return (patterns @ patterns.T / patterns.shape[1]).fill_diagonal_(0)":
            "overlaps of patterns",
            "return (-patterns.T @ patterns / patterns.shape[1]).fill_diagonal_(0)":
            "would be hills, not valleys",
            "return (patterns.T @ patterns / patterns.shape[1]).triu(1)": "one triangle to zero",
            """
            n = patterns.shape[1]
            return patterns.T @ patterns / n - torch.eye(n)
            """: "subtracts 1 from the diagonal, which is P/N",
        },
    ),
    "energy.free_energy": Answers(
        right=[
            """
            hidden = torch.logaddexp(torch.zeros(()), v @ W + c)
            return -(v * b).sum(1) - hidden.sum(1)
            """,
            "return torch.nn.functional.logsigmoid(-(c + v @ W)).sum(-1) - v @ b",
            "return -(v @ b + torch.nn.Softplus()(torch.addmm(c, v, W)).sum(axis=1))",
        ],
        wrong={
            "return v @ b + torch.nn.functional.softplus(v @ W + c).sum(1)": "this is −F(v)",
            "return v @ b - torch.nn.functional.softplus(v @ W + c).sum(1)": "it is −bᵀv",
            "return -v @ b + torch.nn.functional.softplus(v @ W + c).sum(1)":
            "sign of the hidden term is wrong",
            "return -v @ b - torch.log(1 + torch.exp(v @ W + c)).sum(1)": "exp overflows",
            "return -v @ b - torch.relu(v @ W + c).sum(1)": "the best hidden state alone",
            "return -v @ b - torch.nn.functional.softplus(v @ W).sum(1)":
            "hidden bias c is missing",
            "return (-v @ b - torch.nn.functional.softplus(v @ W + c).sum(1)).mean()":
            "averages over the batch",
            "return -v @ b - torch.nn.functional.softplus(v @ W + c).mean(1)":
            "averages over the hidden units",
            "return -v @ b - torch.nn.functional.softplus(W @ v + c).sum(1)": "RuntimeError",
            "return torch.exp(v @ b) * (1 + torch.exp(v @ W + c)).prod(1)": "is exp(−F(v))",
            """
            total = torch.zeros(len(v))
            total -= v @ b
            total -= torch.nn.functional.softplus(v @ W + c).sum(1)
            return total
            """: "float64",
        },
    ),
    "energy.cd_gradient": Answers(
        right=[
            """
            def statistics(v):
                h = torch.sigmoid(v @ W + c)
                return torch.einsum("bp,bh->ph", v, h) / len(v), v.mean(0), h.mean(0)
            return tuple(a - b for a, b in zip(statistics(v), statistics(v_chain)))
            """,
            """
            h, h_chain = (1 / (1 + torch.exp(-(x @ W + c))) for x in (v, v_chain))
            data = (v[:, :, None] * h[:, None]).mean(0)
            dreams = (v_chain[:, :, None] * h_chain[:, None]).mean(0)
            return data - dreams, v.mean(0) - v_chain.mean(0), h.mean(0) - h_chain.mean(0)
            """,
        ],
        wrong={
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            to_W = v_chain.T @ g / len(v_chain) - v.T @ h / len(v)
            return to_W, v_chain.mean(0) - v.mean(0), g.mean(0) - h.mean(0)
            """: "All signs are the other way round",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            return v.T @ h - v_chain.T @ g, (v.sum(0) - v_chain.sum(0)), h.sum(0) - g.sum(0)
            """: "These are sums over the batch",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            to_W = (v.T @ h - v_chain.T @ g) / len(v)
            return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "divides both phases by the size of the batch",
            """
            h, g = v @ W + c, v_chain @ W + c
            to_W = v.T @ h / len(v) - v_chain.T @ g / len(v_chain)
            return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "The sigmoid is missing",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            to_W = v.T @ h / len(v) - v_chain.T @ g / len(v_chain)
            return to_W, h.mean(0) - g.mean(0), v.mean(0) - v_chain.mean(0)
            """: "in each other's place",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            to_W = h.T @ v / len(v) - g.T @ v_chain / len(v_chain)
            return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "The part for W is transposed",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            return v.T @ h / len(v) - v_chain.T @ g / len(v_chain)
            """: "got",
            """
            h, g = (torch.bernoulli(torch.sigmoid(x @ W + c)) for x in (v, v_chain))
            to_W = v.T @ h / len(v) - v_chain.T @ g / len(v_chain)
            return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "are drawn",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            return v.T @ h - v_chain.T @ g, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "part for W is a sum",
            """
            h, g = torch.sigmoid(v @ W + c), torch.sigmoid(v_chain @ W + c)
            to_W = torch.outer(v.mean(0), h.mean(0)) - torch.outer(v_chain.mean(0), g.mean(0))
            return to_W, v.mean(0) - v_chain.mean(0), h.mean(0) - g.mean(0)
            """: "multiplies two means",
        },
    ),
    "energy.ais_step": Answers(
        right=[
            """
            x, soft = v @ W + c, torch.nn.functional.softplus
            change = (soft(beta_next * x) - soft(beta * x)).sum(1)
            return (beta_next - beta) * (v @ (b - base)) + change
            """,
            """
            def log_p(t):
                zero = torch.zeros(())
                return v @ torch.lerp(base, b, t) + torch.logaddexp(zero, t * (v @ W + c)).sum(1)
            return log_p(beta_next) - log_p(beta)
            """,
        ],
        wrong={
            """
            def log_p(t):
                return v @ torch.lerp(base, b, t) + torch.log1p(torch.exp(t * (v @ W + c))).sum(1)
            return log_p(beta_next) - log_p(beta)
            """: "exp overflows",
            """
            soft = torch.nn.functional.softplus
            def log_p(t):
                return (1 - t) * (v @ base) + t * (v @ b) + soft(t * (v @ W + c)).sum(1)
            return log_p(beta_next) / log_p(beta)
            """: "divides one logarithm by the other",
            """
            soft = torch.nn.functional.softplus
            change = soft((beta_next - beta) * (v @ W + c)).sum(1)
            return (beta_next - beta) * (v @ (b - base)) + change
            """: "softplus of a difference",
            """
            x, soft = v @ W + c, torch.nn.functional.softplus
            return (beta_next - beta) * (v @ (b - base) + soft(x).sum(1))
            """: "β stands before the softplus",
            """
            x, soft = v @ W + c, torch.nn.functional.softplus
            change = (soft(beta * x) - soft(beta_next * x)).sum(1)
            return (beta - beta_next) * (v @ (b - base)) + change
            """: "The sign is the other way round",
            """
            x, soft = v @ W + c, torch.nn.functional.softplus
            return (beta_next - beta) * (v @ b) + (soft(beta_next * x) - soft(beta * x)).sum(1)
            """: "independent pixels",
            """
            x, soft = v @ W + c, torch.nn.functional.softplus
            change = (soft(beta_next * x) - soft(beta * x)).sum(1)
            return (beta_next - beta) * (v @ (base - b)) + change
            """: "b and base are in each other's place",
            """
            soft = torch.nn.functional.softplus
            def log_p(t):
                return (1 - t) * (v @ base) + t * (v @ b) + soft(t * (v @ W) + c).sum(1)
            return log_p(beta_next) - log_p(beta)
            """: "multiplies v @ W and not c",
            """
            soft = torch.nn.functional.softplus
            def log_p(t):
                return (1 - t) * (v @ base) + t * (v @ b) + soft(t * (v @ W + c)).sum(1)
            return log_p(beta_next)
            """: "beta_next alone",
        },
    ),
    # ------------------------------------------------------------ 05 autoencoders
    "autoencoders.principal_angles": Answers(
        right=[
            """
            u = torch.linalg.svd(a, full_matrices=False).U
            v = torch.linalg.svd(b, full_matrices=False).U
            return torch.linalg.svd(u.T @ v).S.clamp(-1, 1).acos()
            """,
            """
            q, p = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
            squares = torch.linalg.eigvalsh(q.T @ p @ p.T @ q).clamp(0, 1)
            return torch.acos(squares.sqrt()).flip(0)
            """,
        ],
        wrong={
            "return torch.linalg.svdvals(torch.linalg.qr(a).Q.T @ torch.linalg.qr(b).Q)":
            "These are the cosines",
            """
            q, p = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
            return torch.acos(torch.linalg.svdvals(q.T @ p).clamp(max=1)).max()
            """: "largest angle only",
            "return torch.acos(torch.linalg.svdvals(a.T @ b).clamp(-1, 1))":
            "torch.linalg.qr(…).Q of both first",
            """
            a, b = a / a.norm(dim=0), b / b.norm(dim=0)
            return torch.acos(torch.linalg.svdvals(a.T @ b).clamp(-1, 1))
            """: "Only the lengths were made 1",
            "return torch.acos(torch.nn.functional.cosine_similarity(a, b, dim=0))":
            "angles between single columns",
            "return torch.acos((torch.linalg.qr(a).Q * torch.linalg.qr(b).Q).sum(dim=0))":
            "compares axis with axis",
            """
            q, p = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
            return torch.acos(torch.linalg.svdvals(p.T @ q))
            """: "two bases of the same subspace give NaN",
            """
            q, p = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
            return torch.acos(torch.linalg.eigvals(q.T @ p).real.clamp(-1, 1))
            """: "Eigenvalues are no singular values",
            """
            q, p = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
            return torch.asin(torch.linalg.svdvals(q.T @ p).clamp(max=1))
            """: "singular values are cosines",
            """
            q, p = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
            return torch.acos(torch.linalg.svdvals(q @ p.T).clamp(max=1))
            """: "transpose is on the wrong factor",
            "return torch.acos(torch.linalg.qr(a).T @ torch.linalg.qr(b))": "has no attribute 'T'",
        },
    ),
    "autoencoders.psnr": Answers(
        right=[
            """
            error = [torch.nn.functional.mse_loss(p, c) for p, c in zip(pictures, copies)]
            return 20 * math.log10(peak) - 10 * torch.log10(torch.stack(error))
            """,
            """
            root = (pictures - copies).flatten(1).norm(dim=1) / pictures[0].numel() ** 0.5
            return 20 * torch.log10(peak / root)
            """,
            """
            dimensions = tuple(range(1, pictures.ndim))
            return 10 * torch.log10(peak**2 / ((pictures - copies) ** 2).mean(dim=dimensions))
            """,
        ],
        wrong={
            "return 10 * torch.log10(peak**2 / torch.nn.functional.mse_loss(pictures, copies))":
            "one number for all pictures together",
            "return 10 * torch.log(peak**2 / (pictures - copies).pow(2).flatten(1).mean(1))":
            "natural logarithm",
            "return torch.log10(peak**2 / (pictures - copies).pow(2).flatten(1).mean(1))":
            "factor 10 is missing",
            "return 20 * torch.log10(peak**2 / (pictures - copies).pow(2).flatten(1).mean(1))":
            "The factor is 10 here",
            "return 10 * torch.log10(peak / (pictures - copies).pow(2).flatten(1).mean(1))":
            "peak must be squared",
            "return -10 * torch.log10((pictures - copies).pow(2).flatten(1).mean(1))":
            "peak is not used",
            "return 10 * torch.log10((pictures - copies).pow(2).flatten(1).mean(1) / peak**2)":
            "sign is the other way round",
            "return 10 * torch.log10(peak**2 / (pictures - copies).pow(2).flatten(1).sum(1))":
            "sums the squared errors",
            "return 10 * torch.log10(peak**2 / (pictures - copies).abs().flatten(1).mean(1))":
            "absolute errors",
            "return 10 * torch.log10(peak**2 / (pictures - copies).pow(2).mean(dim=1))":
            "averages over dimension 1 only",
            "return 10 * torch.log10(peak**2 / (pictures - copies).pow(2).mean(-1))":
            "averages over the last dimension only",
            "return 10 * torch.log10(pictures.max() ** 2 / "
            "(pictures - copies).pow(2).flatten(1).mean(1))": "happen to have",
            "return 10 * torch.log10(peak**2 / (pictures - copies).flatten(1).mean(1) ** 2)":
            "plus and minus cancel",
            "return 10 * torch.log10(peak**2 / (pictures - copies).pow(2).mean(dim=0))":
            "averages over the pictures",
            "return (pictures - copies).pow(2).flatten(1).mean(1)": "not yet in decibels",
            "pictures -= copies\nreturn 10 * torch.log10(peak**2 / pictures.pow(2).mean())":
            "changes its input `pictures` in place",
        },
    ),
    "autoencoders.entropy_bits": Answers(
        right=[
            """
            shifted = codes - codes.min()
            total = 0.0
            for d in range(codes.shape[1]):
                p = torch.bincount(shifted[:, d]) / len(codes)
                total += torch.special.entr(p).sum() / math.log(2)
            return float(total)
            """,
            """
            columns = [torch.unique(c, return_counts=True)[1] for c in codes.T]
            p = [torch.distributions.Categorical(probs=count.float()) for count in columns]
            return sum(one.entropy().item() for one in p) / math.log(2)
            """,
        ],
        wrong={
            """
            p = [c.unique(return_counts=True)[1] / len(c) for c in codes.T]
            return -sum((f * f.log()).sum().item() for f in p)
            """: "These are nats",
            """
            p = [c.unique(return_counts=True)[1] / len(c) for c in codes.T]
            return sum((f * f.log2()).sum().item() for f in p)
            """: "sign is the other way round",
            """
            p = [c.unique(return_counts=True)[1] / len(c) for c in codes.T]
            return -sum((f * f.log2()).sum().item() for f in p) / len(p)
            """: "mean over the columns",
            """
            f = codes.unique(return_counts=True)[1] / codes.numel()
            return -(f * f.log2()).sum().item()
            """: "columns thrown together",
            """
            f = codes.unique(return_counts=True)[1] / codes.numel()
            return -(f * f.log2()).sum().item() * codes.shape[1]
            """: "pools the columns",
            """
            f = codes.unique(dim=0, return_counts=True)[1] / len(codes)
            return -(f * f.log2()).sum().item()
            """: "counts whole rows",
            """
            p = [c.unique(return_counts=True)[1] / len(c) for c in codes]
            return -sum((f * f.log2()).sum().item() for f in p)
            """: "as if each picture were a column",
            "return sum(math.log2(len(c.unique())) for c in codes.T)": "the same length",
            "return float(sum(torch.bincount(c) for c in codes.T)[0])": "bincount",
            """
            p = [torch.bincount(c - c.min() + 1) / len(c) for c in codes.T]
            return -sum((f * f.log2()).sum().item() for f in p)
            """: "0 · log 0 is NaN",
            """
            p = [c.unique(return_counts=True)[1] / codes.numel() for c in codes.T]
            return -sum((f * f.log2()).sum().item() for f in p)
            """: "not by all N · D numbers",
            """
            p = [c.unique(return_counts=True)[1] / len(c) for c in codes.T]
            return -sum((f * f.log2()).sum().item() for f in p) / len(codes)
            """: "divides by N once more",
        },
    ),
    "autoencoders.auc": Answers(
        right=[
            """
            wins = sum((u > n) + 0.5 * (u == n) for u in unusual.tolist() for n in normal.tolist())
            return wins / (len(unusual) * len(normal))
            """,
            "return (torch.sign(unusual[:, None] - normal).mean().item() + 1) / 2",
            """
            ordered = normal.sort().values
            below = torch.searchsorted(ordered, unusual)
            up_to = torch.searchsorted(ordered, unusual, right=True)
            return ((below + up_to).double().mean() / (2 * len(normal))).item()
            """,
        ],
        wrong={
            "return (normal[:, None] > unusual).double().mean().item()": "in each other's place",
            """
            pairs = normal[:, None] - unusual[None, :]
            return ((pairs > 0).double() + 0.5 * (pairs == 0)).mean().item()
            """: "in each other's place",
            "return (unusual[:, None] > normal).double().mean().item()": "Ties are lost",
            "return (unusual[:, None] >= normal).double().mean().item()": "full successes",
            """
            pairs = unusual[:, None] - normal
            return ((pairs > 0).double() + 0.5 * (pairs == 0)).sum().item()
            """: "counts the pairs",
            "return (unusual.mean() - normal.mean()).item()": "compares the means",
            """
            wins = [float(u > n) + 0.5 * float(u == n) for u, n in zip(unusual, normal)]
            return sum(wins) / len(wins)
            """: "zip makes pairs",
            """
            wins = sum(float(u > n) + 0.5 * float(u == n) for u in unusual for n in normal)
            return wins / len(normal) * len(unusual)
            """: "the brackets are missing",
            "return (unusual > normal.mean()).double().mean().item()": "above the mean",
            "return (unusual > normal.max()).double().mean().item()": "the strictest",
            "return torch.sign(unusual[:, None] - normal).mean().item()": "0 for chance",
            "return (unusual > normal).double().mean().item()": "must match the size",
        },
    ),
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
    "discrete.quantize": Answers(
        right=[
            "indices = torch.cdist(z, codebook).argmin(dim=1)\nreturn indices, codebook[indices]",
            """
            gaps = (z[:, None, :] - codebook[None]).pow(2).sum(-1)
            nearest = gaps.min(dim=1).indices
            return nearest, torch.nn.functional.embedding(nearest, codebook)
            """,
        ],
        wrong={
            "i = torch.cdist(z, codebook).argmax(dim=1)\nreturn i, codebook[i]":
            "This is the farthest code",
            "i = (z @ codebook.T).argmax(dim=1)\nreturn i, codebook[i]":
            "the term |e|² of the distance is missing",
            "i = (z**2).sum(1, keepdim=True).sub(2 * z @ codebook.T).argmin(1)\n"
            "return i, codebook[i]": "the term |e|² of the distance is missing",
            "i = (z[:, None] - codebook).abs().sum(-1).argmin(1)\nreturn i, codebook[i]":
            "sum of absolute differences",
            "i = torch.cdist(z, codebook).argmin(dim=1)\nreturn codebook[i], i":
            "in each other's place: indices first",
            "return torch.cdist(z, codebook).argmin(dim=1)": "The vectors are missing",
            "i = torch.cdist(z, codebook).argmin(dim=1)\nreturn i, z":
            "The second result is z itself",
            "i = torch.cdist(z, codebook).argmin(dim=1)\nreturn i, codebook[i].detach()":
            "no gradient reaches `codebook`",
        },
    ),
    "discrete.straight_through": Answers(
        right=[
            "return (vectors - z).detach() + z",
            "return z - z.detach() + vectors.detach()",
        ],
        wrong={
            "return vectors": "no gradient reaches z",
            "return z": "The result equals z",
            "return vectors.detach()": "no gradient reaches z",
            "return z + (vectors - z)": "no gradient reaches z",
            "return z + vectors - z.detach()": "a gradient reaches vectors",
            "return z + (z - vectors).detach()": "The result is 2z − vectors",
            "return z + vectors.detach()": "The result is z + vectors",
            "return z + vectors.detach() - z": "no gradient reaches z",
            "return 2 * z + (vectors - 2 * z).detach()": "with respect to z must be 1",
        },
    ),
    "discrete.perplexity": Answers(
        right=[
            "p = (counts / counts.sum())[counts > 0]\nreturn (-(p * p.log()).sum()).exp()",
            "return torch.distributions.Categorical(probs=counts).entropy().exp()",
        ],
        wrong={
            "p = counts / counts.sum()\nreturn torch.exp(-(p * p.log()).sum())":
            "0 · log 0 became NaN",
            "p = (counts / counts.sum())[counts > 0]\nreturn -(p * p.log()).sum()":
            "This is the entropy in nats",
            "p = (counts / counts.sum())[counts > 0]\nreturn torch.exp(-(p * p.log2()).sum())":
            "exp of an entropy in bits",
            "p = (counts / counts.sum())[counts > 0]\nreturn torch.exp((p * p.log()).sum())":
            "The sign is the other way round",
            "return (counts > 0).sum().float()": "how many codes are used at all",
            "return 1 / (counts / counts.sum()).pow(2).sum()": "1 / Σ p²",
            "return 2 ** torch.special.entr(counts / counts.sum()).sum()": "2 belongs to bits",
            "p = counts.softmax(0)\nreturn torch.exp(-(p * p.log()).sum())": "by softmax",
        },
    ),
    "discrete.ema_update": Answers(
        right=[
            """
            n = torch.bincount(indices, minlength=len(counts)).to(counts.dtype)
            total = torch.zeros_like(sums).index_add_(0, indices, z)
            return torch.lerp(n, counts, decay), torch.lerp(total, sums, decay)
            """,
            """
            counts, sums = decay * counts, decay * sums
            for vector, k in zip(z, indices.tolist()):
                counts[k] += 1 - decay
                sums[k] += (1 - decay) * vector
            return counts, sums
            """,
        ],
        wrong={
            f"{HOT}return (1 - decay) * counts + decay * n, (1 - decay) * sums + decay * s":
            "The weights are in each other's place",
            f"{HOT}return decay * counts + n, decay * sums + s": "The factor 1 − decay is missing",
            f"{HOT}return n, s": "of this batch alone",
            f"{HOT}new = decay * counts + (1 - decay) * n\n"
            "return new, (decay * sums + (1 - decay) * s) / new[:, None]":
            "The sums are divided by the counts",
            f"{HOT}return decay * counts + (1 - decay) * n, s": "Only the counts are averaged",
            """
            counts, sums = counts.clone(), sums.clone()
            for v, k in zip(z, indices):
                counts[k] = decay * counts[k] + (1 - decay)
                sums[k] = decay * sums[k] + (1 - decay) * v
            return counts, sums
            """: "decay once for each vector",
            f"{HOT}s = torch.zeros_like(sums)\ns[indices] += z\n"
            "return decay * counts + (1 - decay) * n, decay * sums + (1 - decay) * s":
            "holds one vector only",
            f"{HOT}counts *= decay\ncounts += (1 - decay) * n\n"
            "return counts, decay * sums + (1 - decay) * s": "changes its input `counts` in place",
        },
    ),
}  # fmt: skip
