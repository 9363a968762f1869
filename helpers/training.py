"""A training loop in about forty lines: progress, history, evaluation, best weights, resume."""

import contextlib
import copy
import glob
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import widgets

if TYPE_CHECKING:
    import torch


@dataclass
class History:
    """What happened: the loss of every step, and each evaluation as (step, value)."""

    losses: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0


def batches(
    *tensors: "torch.Tensor", batch_size: int, place: dict[str, Any] | None = None
) -> Iterator[tuple["torch.Tensor", ...]]:
    """Shuffled batches without end: tuples of (batch_size, …), each picture once an epoch.

    What does not fill a batch at the end of an epoch is left out of that epoch.
    place: a dict that keeps the order of this epoch and what of it is done, to go on from there.
    Errors, at the first batch: ValueError if there are no tensors, if they differ in length, or
    if one batch is more than all of them.
    """
    import torch

    if not tensors:
        raise ValueError("there are no tensors to draw batches from")
    n = len(tensors[0])
    if any(len(t) != n for t in tensors):
        raise ValueError(f"tensors of different lengths: {[len(t) for t in tensors]}")
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size must be from 1 to {n}, not {batch_size}")
    place = {} if place is None else place
    while True:
        if not place:
            place.update(order=torch.randperm(n, device=tensors[0].device), done=0)
        while place["done"] + batch_size <= n:
            chosen = place["order"][place["done"] : place["done"] + batch_size]
            place["done"] += batch_size
            yield tuple(t[chosen] for t in tensors)
        place.clear()


def fit(
    model: "torch.nn.Module",
    loss: Callable[..., "torch.Tensor"],
    data: Sequence["torch.Tensor"],
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 2e-3,
    average: float | None = None,
    evaluate: Callable[["torch.nn.Module"], float] | None = None,
    evaluate_every: int = 250,
    keep_best: bool = False,
    checkpoint: str | Path | None = None,
    label: str = "training",
) -> History:
    """Train `model` with AdamW for `steps` steps and return the history.

    loss(model, *batch)  a scalar tensor; one step is taken against its gradient
    data                 tensors of equal length N; batches are drawn from them, shuffled
    lr                   constant for the first half, then falling linearly to zero
    average              decay (0.995, say) of an exponential moving average of the weights: the
                         average is what is evaluated and what the model holds in the end
    evaluate(model)      called every `evaluate_every` steps without gradients, in eval mode;
                         with keep_best, the weights of its lowest value are restored in the end
    checkpoint           a file, written every `evaluate_every` steps: an interrupted call, made
                         again, goes on from there and ends with the same weights (torch's random
                         numbers go on, too); where it cannot be written, training goes on

    Interrupting (the stop button) ends the training early and keeps what was learned.
    Errors: ValueError for a loss that is no finite scalar or for bad arguments.
    """
    import torch

    if steps < 1 or evaluate_every < 1:
        raise ValueError("steps and evaluate_every must be 1 or more")
    if average is not None and not 0 < average < 1:
        raise ValueError(f"average must lie between 0 and 1, not {average}")
    if keep_best and evaluate is None:
        raise ValueError("keep_best needs evaluate, to know what is best")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01, fused=True)
    held = copy.deepcopy(model) if average else model  # the weights that are judged and kept
    history, best, first, place = History(), None, 0, {}
    for left in _partials(checkpoint):  # by a kernel that was killed while it wrote
        with contextlib.suppress(OSError):
            left.unlink()
    if checkpoint and Path(checkpoint).exists():
        first, history, best, place = _resume(checkpoint, model, held, optimizer, data)
    model.train()
    draw = batches(*data, batch_size=batch_size, place=place)
    began = time.perf_counter() - history.seconds
    try:
        for step in widgets.progress_bar(range(first, steps), label, total=steps, initial=first):
            optimizer.param_groups[0]["lr"] = lr * min(1.0, 2 * (1 - step / steps))
            value = loss(model, *next(draw))
            if not torch.is_tensor(value) or value.ndim or not torch.isfinite(value):
                raise ValueError(
                    f"step {step}: the loss must be one finite number in a tensor, "
                    f"not {_described(value)}"
                )
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            history.losses.append(value.item())
            if average:
                _average(held, model, min(average, (step + 1) / (step + 10)))
            if evaluate and ((step + 1) % evaluate_every == 0 or step + 1 == steps):
                held.eval()
                with torch.inference_mode():
                    score = float(evaluate(held))
                held.train()
                known = [v for _, v in history.evaluations if not math.isnan(v)]
                if keep_best and score < min(known, default=math.inf):
                    best = copy.deepcopy(held.state_dict())
                history.evaluations.append((step + 1, score))
            history.seconds = time.perf_counter() - began
            if checkpoint and (step + 1) % evaluate_every == 0:
                _save(checkpoint, step + 1, history, best, place, model, held, optimizer)
    except KeyboardInterrupt:
        print(f"{label}: stopped after {len(history.losses)} of {steps} steps.")
    model.load_state_dict(best or held.state_dict())
    model.eval()
    print(f"{label}: {len(history.losses)} steps in {history.seconds:.1f} s")
    return history


def _described(value: object) -> str:
    if not hasattr(value, "shape"):
        return f"a {type(value).__name__}"
    return f"shape {tuple(value.shape)}" if value.ndim else str(value.item())


def _average(held: "torch.nn.Module", model: "torch.nn.Module", decay: float) -> None:
    import torch

    with torch.no_grad():
        torch._foreach_lerp_(list(held.parameters()), list(model.parameters()), 1 - decay)
        for mine, theirs in zip(held.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)


def _partials(checkpoint: str | Path | None) -> list[Path]:
    """Unfinished files beside a checkpoint."""
    path = Path(checkpoint or "")
    return list(path.parent.glob(f"{glob.escape(path.name)}.*.partial")) if checkpoint else []


def _random_state(device: str) -> dict[str, "torch.Tensor"]:
    """The state of torch's random generators, of the CPU and of the device that trains."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if device in ("cuda", "mps"):
        states[device] = getattr(torch, device).get_rng_state()
    return states


def _save(path, step, history, best, place, model, held, optimizer) -> None:
    import torch

    path = Path(path)
    state = dict(step=step, history=vars(history), best=best, place=place,
                 model=model.state_dict(), held=held.state_dict(),
                 optimizer=optimizer.state_dict(),
                 random=_random_state(next(model.parameters()).device.type))  # fmt: skip
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two notebooks may save at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, content := io.BytesIO())  # torch's own writing hides what went wrong
        partial.write_bytes(content.getbuffer())
        partial.replace(path)  # a crash while writing leaves the last good file
    except OSError as error:  # the disk is full, say: no reason to lose the model
        why = error.strerror or type(error).__name__
        print(f"{path} could not be written after step {step} ({why}); the training goes on.")
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _resume(path, model, held, optimizer, data) -> tuple:
    import torch

    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        place, states = state["place"], state["random"]
        if len(place["order"]) != len(data[0]):
            raise ValueError("other data")
        model.load_state_dict(state["model"])
        held.load_state_dict(state["held"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(states["cpu"])
        device = next(model.parameters()).device.type
        if device != "cpu" and device in states:
            getattr(torch, device).set_rng_state(states[device])
    except Exception as error:
        raise ValueError(f"{path} is damaged or from another model ({type(error).__name__}); "
                         "delete it to start anew.") from None  # fmt: skip
    history = History(**state["history"])
    history.evaluations = [tuple(e) for e in history.evaluations]
    print(f"going on after step {state['step']} from {path}")
    return state["step"], history, state["best"], place
