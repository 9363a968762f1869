"""Models of digits: the denoiser of lesson 2.04 beside diffusers' UNet2DModel, and quality against
seconds of the VAE (1.06), the GAN (2.01) and diffusion (2.04)."""

import contextlib
import functools
import io
import statistics
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import diffusers
import torch
from torch import nn

from benchmarks import measure
from benchmarks.measure import Bar, Report, Table
from helpers import session
from helpers.metrics import frechet_distance
from tools import lesson

SCALES = {
    "tiny": dict(steps=2, rounds=1, seeds=1, times=1, drawn=70, lengths=(4, 4, 4), looks=2),
    "default": dict(
        steps=200, rounds=5, seeds=3, times=5, drawn=400, lengths=(480, 300, 120), looks=3
    ),
    "full": dict(
        steps=1_200, rounds=9, seeds=5, times=20, drawn=797, lengths=(2_000, 2_000, 1_200), looks=8
    ),
}
WIDTHS = (24, 64)  # of the library's network at both sizes: 631,865 parameters, ours has 626,865
ROWS = 32
PICTURE = "quality.png"


# ---------------------------------------------------------------- the denoiser


@functools.cache
def diffusion() -> SimpleNamespace:
    """The lesson's definitions; its functions look at `unet`, which is ours to set."""
    return lesson.run(
        lesson.place(2, 4), "UNet", "diffusion_loss", "step_cost", "prior_cost", "spread_times",
        "draw", "features", "real_digits", "fit", "train", "train_y", "test", "data", "ddim_step",
        "T", instead={"unet": "None"},
    )  # fmt: skip


class LibraryNet(nn.Module):
    """diffusers' UNet2DModel of as many parameters, called as the lesson calls its own."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.net = diffusers.UNet2DModel(
            in_channels=1, out_channels=levels, layers_per_block=1, block_out_channels=WIDTHS,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"), norm_num_groups=4,
            num_class_embeds=11, attention_head_dim=8,
        )  # fmt: skip

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.net(x_t.unsqueeze(1), t, class_labels=y).sample.movedim(1, 3)


def network(make: str) -> nn.Module:
    made = diffusion().UNet() if make == "ours" else LibraryNet(diffusion().data.levels)
    return made.to(diffusion().run.device)


def train_denoiser(model: nn.Module, steps: int, **more: Any) -> None:
    names = diffusion()
    with silence():
        names.fit(
            model, names.diffusion_loss, [names.train, names.train_y], steps=steps,
            batch_size=ROWS, average=0.995, **more,
        )  # fmt: skip


def step_of(model: nn.Module) -> Callable[[], None]:
    """A step as `fit` takes it, the average of the weights apart."""
    names, adam = diffusion(), torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def step():
        adam.zero_grad()
        names.diffusion_loss(model, names.train[:ROWS], names.train_y[:ROWS]).backward()
        adam.step()

    return step


def work_of_step(make: str) -> Callable[[], Any]:
    """For measure.peak: two steps."""
    diffusion(), network(make)  # all that is imported late

    def work():
        model = network(make)
        step = step_of(model)
        step()
        step()
        return model, step

    return work


@torch.inference_mode()
def bound(model: nn.Module, times: int) -> float:
    """The bound on −log p(x) of the test digits in nats, without the constant of the classes."""
    names = diffusion()
    y = names.data.test_y.to(names.run.device)
    costs = []
    for _ in range(times):
        t = names.spread_times(len(names.test))
        costs.append(names.T * names.step_cost(model, names.test, t, y).mean().item())
    return statistics.mean(costs) + names.prior_cost(names.test).mean().item()


def denoiser(scale: str) -> Report:
    """The bound that both reach in equal seconds of the processor, and their memory."""
    asked = SCALES[scale]
    models = [network("ours"), network("theirs")]
    sizes = [sum(w.numel() for w in model.parameters()) for model in models]
    fast, slow, ratio = measure.race(*map(step_of, models), asked["rounds"])
    steps = {"ours": asked["steps"], "theirs": max(1, round(asked["steps"] / ratio))}
    reached: dict[str, list[float]] = {"ours": [], "theirs": []}
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    for seed in range(asked["seeds"]):
        for make in reached:
            session.set_seed(seed)
            model = network(make)
            began = measure.now()
            train_denoiser(model, steps[make])
            spent[make].append(measure.now() - began)
            session.set_seed(1_000 + seed)  # the same noise for both
            reached[make].append(bound(model, asked["times"]))
    nats = [statistics.median(values) for values in reached.values()]
    reason = "the library's network learns more in a step than the step costs"
    bars = [
        Bar("denoiser, bound in equal seconds", *nats, "nats", nats[0] / nats[1], at_most=1,
            reason=reason),
        Bar("denoiser, a step", ROWS / fast, ROWS / slow, "pictures/s", ratio, at_least=1),
    ]  # fmt: skip
    mine, library = (measure.peak(work_of_step, make) for make in reached)
    name = "denoiser, a step, memory"
    bars.append(Bar(name, mine, library, "MB", mine / library, at_most=1))
    rows = [
        (name, f"{size:,}", str(steps[make]), f"{statistics.median(spent[make]):.1f}",
         ", ".join(f"{value:.1f}" for value in reached[make]))
        for name, make, size in zip(("lesson 2.04", "UNet2DModel"), reached, sizes, strict=True)
    ]  # fmt: skip
    head = ("network", "parameters", "steps", "seconds", "bound of each seed (nats per image)")
    note = (
        "Same loss, data, optimizer and number of parameters; steps are set so that both get the "
        "seconds of ours. Drawn classes are given, so log 10 for the class is not in the bound."
    )
    return Report(bars, [Table("Denoisers in equal seconds", head, rows, note)])


# ---------------------------------------------------------------- quality against seconds


@contextlib.contextmanager
def silence():
    """No bars of progress and no lines of `fit`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class Watch:
    """Seconds of training alone, and the Fréchet distance of drawings, at each look."""

    def __init__(self, drawn: int) -> None:
        self.drawn, self.looked, self.seen = drawn, 0.0, []
        self.began = measure.now()

    def look(self, draw: Callable[[int], torch.Tensor]) -> float:
        came = measure.now()
        state = torch.get_rng_state()
        features = diffusion().features(draw(self.drawn))
        apart = float(frechet_distance(features, diffusion().real_digits))
        torch.set_rng_state(state)
        self.seen.append((came - self.began - self.looked, apart))
        self.looked += measure.now() - came
        return apart


@functools.cache
def vae() -> SimpleNamespace:
    return lesson.run(
        lesson.place(1, 6), "VAE", "negative_elbo_warped", "as_images", "paint", "train", "fit"
    )


def watch_vae(watch: Watch, steps: int, every: int) -> None:
    names = vae()

    def look(model):
        z = torch.randn(watch.drawn, names.settings.latents, device=names.run.device)
        return watch.look(lambda n: names.as_images(names.paint(model, z)).cpu())

    model = names.VAE().to(names.run.device)
    names.fit(
        model, names.negative_elbo_warped, [names.train], steps=steps, average=0.995,
        evaluate=look, evaluate_every=every,
    )  # fmt: skip


@functools.cache
def gan() -> SimpleNamespace:
    return lesson.run(
        lesson.place(2, 1), "make_generator", "make_discriminator", "Watcher", "play", "draw",
        "some_digits", "to_levels", instead={"watcher": "None", "generator": "None"},
    )  # fmt: skip


def watch_gan(watch: Watch, steps: int, every: int) -> None:
    names = gan()
    players = [
        make().to(names.run.device) for make in (names.make_generator, names.make_discriminator)
    ]
    averages = names.Watcher(players[0], [])

    @torch.no_grad()
    def look(step):
        averages(step)
        if step % every == 0:
            watch.look(lambda n: names.to_levels(names.draw(averages.average, n)).cpu())

    names.play(*players, names.some_digits, steps, "GAN", batch_size=32, lr=2e-3, gamma=0.03,
               every=4, watch=look)  # fmt: skip


def watch_diffusion(watch: Watch, steps: int, every: int) -> None:
    names = diffusion()

    def look(model):
        names.unet = model
        return watch.look(lambda n: names.draw(n, 5, names.ddim_step))

    train_denoiser(network("ours"), steps, evaluate=look, evaluate_every=every)


MODELS = {"VAE": watch_vae, "GAN": watch_gan, "diffusion": watch_diffusion}


def quality(scale: str) -> Report:
    """The Fréchet distance of drawings while the models train, with several seeds."""
    asked = SCALES[scale]
    seeds = max(asked["seeds"], 5) if scale != "tiny" else 1
    curves: dict[str, list] = {name: [] for name in MODELS}
    for seed in range(seeds):
        for (name, train), steps in zip(MODELS.items(), asked["lengths"], strict=True):
            session.set_seed(seed)
            watch = Watch(asked["drawn"])
            with silence():
                train(watch, steps, steps // asked["looks"])
            curves[name].append(watch.seen)
    rows = []
    for (name, runs), steps in zip(curves.items(), asked["lengths"], strict=True):
        for i, looks in enumerate(zip(*runs, strict=True)):
            spent, apart = zip(*looks, strict=True)
            low, high = min(apart), max(apart)
            rows.append((name, str(steps // asked["looks"] * (i + 1)),
                         f"{statistics.median(spent):.1f}", f"{statistics.median(apart):.0f}",
                         f"{low:.0f} to {high:.0f}"))  # fmt: skip
    head = ("model", "step", "seconds", f"Fréchet distance, median of {seeds} seeds", "all seeds")
    note = (
        f"{asked['drawn']} drawings at each look, against {len(diffusion().real_digits)} held-out "
        "digits; seconds are of training alone. Diffusion draws in five steps of DDIM. Learning "
        "rates of VAE and diffusion fall to zero at the last step of the row."
    )
    if scale != "tiny":
        draw(curves)
        note += f"\n\n![Fréchet distance against seconds, a line for each seed]({PICTURE})"
    return Report([], [Table("Quality against seconds, digits", head, rows, note)])


def draw(curves: dict[str, list]) -> None:
    """Write the picture beside the table: a line for each seed."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(6.5, 3.6))
    for number, (name, runs) in enumerate(curves.items()):
        for i, run in enumerate(runs):
            label = name if i == 0 else None
            ax.plot(*zip(*run, strict=True), "o-", color=f"C{number}", label=label, linewidth=1)
    ax.set(xlabel="seconds of training", ylabel="squared Fréchet distance", yscale="log",
           title="quality against seconds, five seeds")  # fmt: skip
    ax.legend()
    fig.savefig(lesson.ROOT / "benchmarks" / PICTURE, dpi=80, bbox_inches="tight")
    plt.close(fig)
