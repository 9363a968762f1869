"""The recipe of the shape autoencoder, the first stage of latent diffusion.

`python -m tools.pretrain "shape autoencoder"`. It learns from pictures of `helpers.data.shapes`
without the pairs of shape and color that lessons keep out of training, and is measured on pictures
that training never holds.
"""

import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import models, training
from helpers.data import shapes
from tools.storyteller import Made

NEVER = (("circle", "yellow"), ("square", "red"), ("triangle", "green"), ("cross", "blue"))
NOISE = 0.07  # standard deviation of what is added to the latents in training
REACH = 4  # pixels by which training moves a picture, at most, around its edges

CARD = """\
# Shape autoencoder

Turns pictures of shapes of 32×32, in color, into latents of 8×8 places with 4 numbers each, a
twelfth as many numbers, and back. Lesson 3.07 draws in these latents:
`helpers.models.load("shape autoencoder")`.

- **Made by** `python -m tools.pretrain "shape autoencoder"`, seed 0: {seconds:.0f} seconds of
  training on one CPU thread (measuring not counted).
- **Network**: pixels of 4×4 are put on top of each other, then convolutions; the latents go
  through a normalization without weights (mean 0, variance 1); {parameters:,} weights.
- **Data**: `helpers.data.shapes`, {pool:,} pictures with one object and as many with two, moved by
  up to {reach} pixels around their edges. **Left out**: pictures that hold {never}.
- **Training**: {steps:,} steps of {batch} pictures; squared error of the pixels; noise of {noise}
  on the latents; AdamW, averaged weights.
- **License**: as the course, code MIT, weights and this text CC BY 4.0.

## Measured on {n:,} fresh pictures of each kind

PSNR is −10 log₁₀ of the mean squared error, brightness counted from 0 to 1. *Kept* is the share of
pictures of which the shape judge reads every factor right after encoding and decoding. *Noisy* is
with noise of 0.1 on the latents.

| objects | pairs of shape and color | PSNR, dB | kept, percent | kept, noisy, percent |
|--:|---|--:|--:|--:|
{table}

## Limits

- It knows these shapes, colors and sizes on light paper and nothing else.
- Latents are no probability distribution: decoding random numbers gives no pictures of shapes.
"""


def is_never(factors: torch.Tensor) -> torch.Tensor:
    """Whether an object of a scene is of a pair that is left out.  (N, 4) or (N, 7) -> (N,)"""
    colors = list(shapes.COLORS)
    left_out = torch.tensor([[shapes.SHAPES.index(s), colors.index(c)] for s, c in NEVER])
    objects = [factors[:, :2]] + ([factors[:, 4:6]] if factors.shape[1] == 7 else [])
    found = [(pair[:, None] == left_out).all(dim=2).any(dim=1) for pair in objects]
    return torch.stack(found).any(dim=0)


def pictures(n: int, objects: int, *, seed: int, never: bool = False) -> shapes.Shapes:
    """n pictures of 32×32, without the pairs that are left out, or (never) all with one of them."""
    share = {1: 1 / 6, 2: 11 / 36}[objects]  # of scenes with such a pair
    made = shapes.make(
        int(n / (share if never else 1 - share) * 1.1) + 200, seed=seed, side=32, objects=objects
    )
    rows = (is_never(made.factors) == never).nonzero()[:n, 0]
    captions = [made.captions[i] for i in rows.tolist()]
    return shapes.Shapes(made.images[rows], captions, made.factors[rows])


def moved(images: torch.Tensor, reach: int = REACH) -> torch.Tensor:
    """All pictures of a batch moved by the same random number of pixels, around their edges."""
    down, right = torch.randint(-reach, reach + 1, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))


@torch.inference_mode()
def measured(model: nn.Module, objects: int, never: bool, n: int, seed: int) -> list[float]:
    """PSNR in dB, percent of captions kept, and percent kept with noise of 0.1 on the latents."""
    made = pictures(n, objects, seed=seed, never=never)
    latents = torch.cat([model.encode(part) for part in made.images.split(500)])
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
    error, kept = [], []
    for drawn in (latents, latents + 0.1 * noise):
        back = torch.cat([model.decode(part) for part in drawn.split(500)]).clamp(0, 255).round()
        error.append(((back - made.images) / 255).square().mean())
        read = models.load("shape judge").read(back, objects).factors
        kept.append((read == shapes.canonical(made.factors)).all(dim=1).float().mean().item())
    return [-10 * error[0].log10().item(), 100 * kept[0], 100 * kept[1]]


def autoencoder(
    steps: int = 2_500, batch: int = 16, pool: int = 12_000, n: int = 2_000, lr: float = 3e-3
) -> Made:
    """The autoencoder and its card."""
    model = models.ShapeAutoencoder()
    images = torch.cat([pictures(pool, objects, seed=3000).images for objects in (1, 2)])

    def loss(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        images = moved(images)
        latents = model.encode(images)
        back = model.decode(latents + NOISE * torch.randn_like(latents))
        return F.mse_loss(back / 100, images / 100)

    began = time.perf_counter()
    training.fit(
        model, loss, [images], steps=steps, batch_size=batch, lr=lr, average=0.995,
        label="shape autoencoder",
    )  # fmt: skip
    settle(model, images)
    seconds = time.perf_counter() - began
    rows = []
    for objects in (1, 2):
        for never in (False, True):
            psnr, kept, noisy = measured(model, objects, never, n, seed=1)
            kind = "never in training" if never else "in training"
            rows.append(f"| {objects} | {kind} | {psnr:.1f} | {kept:.1f} | {noisy:.1f} |")
    card = CARD.format(
        seconds=seconds, parameters=sum(p.numel() for p in model.parameters()), pool=pool,
        reach=REACH, never=", ".join(f"a {color} {shape}" for shape, color in NEVER), steps=steps,
        batch=batch, noise=NOISE, n=n, table="\n".join(rows),
    )  # fmt: skip
    return Made(model, card)


@torch.no_grad()
def settle(model: nn.Module, images: torch.Tensor) -> None:
    """Mean and variance of the normalization as the final (averaged) weights have them."""
    norm = model.encoder[-1]
    norm.reset_running_stats()
    norm.momentum, kept = None, norm.momentum  # None: a plain mean over all batches
    model.train()
    for part in images[torch.randperm(len(images))[:4_000]].split(500):
        model.encode(part)
    norm.momentum = kept
    model.eval()
