"""Answers to the exercises of Day 2, as students type them."""

from answers_day1 import Answers

ANSWERS: dict[str, Answers] = {
    # ------------------------------------------------------------ 01 gans
    #
    #
    # ------------------------------------------------------------ 02 better_gans
    #
    #
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
}  # fmt: skip
