"""Measured claims, and measures of generated samples."""

import json
import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

_lines: dict[str, str] = {}  # claim -> the line printed for it


class ClaimNotMet(AssertionError):
    """A measured value lies outside the band that the lesson claims."""


def expect(
    claim: str,
    value: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "",
) -> None:
    """Print a measured value beside the band that is claimed for it; fail the cell outside it.

    claim: what is measured, in words; value: a number or a tensor with one element;
    at_least, at_most: the band, ends included (give one or both); unit: as printed.

    Bands are set from at least five seeds of the quick profile. In the full profile, with other
    data and sizes, the value is printed and recorded but not judged.

    Errors: ClaimNotMet outside the band or for NaN; ValueError without a band or with an empty one;
    TypeError if the value is not one real number.
    """
    from helpers import session

    if at_least is None and at_most is None:
        raise ValueError(f"{claim!r} claims nothing: give at_least, at_most or both")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise ValueError(f"{claim!r}: at_least={at_least} is above at_most={at_most}")
    try:
        if isinstance(value, str | bytes):
            raise TypeError  # float("93") would work
        number = float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        kind = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__
        raise TypeError(f"{claim!r} needs one real number, not {kind}") from None
    band = " and ".join(
        f"{word} {_text(limit, 6)}"
        for word, limit in (("at least", at_least), ("at most", at_most))
        if limit is not None
    )

    def inside(x: float) -> bool:
        return (at_least is None or x >= at_least) and (at_most is None or x <= at_most)

    held = inside(number)
    judged = session.profile() == "quick"
    _record(claim, number, unit, at_least, at_most, held if judged else None)
    digits = 4
    while inside(float(f"{number:.{digits}g}")) != held and digits < 17:
        digits += 3  # rounding must not hide on which side of a limit the value lies
    measured = _text(number, digits) + (f" {unit}" if unit else "")
    if judged and not held:
        _lines.pop(claim, None)
        raise ClaimNotMet(
            f"{claim}: measured {measured}, claimed {band}. If you changed the lesson, this is "
            "what you found; if not, restart the kernel and run all cells."
        )
    note = "" if judged else "the quick profile claims "
    _lines[claim] = f"{'✓' if judged else '·'} {claim}: {measured} ({note}{band})"
    print(_lines[claim])


def _text(number: float, digits: int) -> str:
    """A number in so many digits; from 10,000 to a billion with commas and no exponent."""
    short = f"{number:.{digits}g}"
    if not 10_000 <= abs(float(short)) < 1e9:
        return short
    places = max(0, digits - len(f"{abs(number):.0f}"))
    text = f"{number:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def claims() -> None:
    """Print the claims that held in this session, in the order in which they were measured."""
    for line in _lines.values():
        print(line)
    print(f"{len(_lines)} claims measured in this notebook.")


def _record(
    claim: str, value: float, unit: str, at_least: float | None, at_most: float | None,
    held: bool | None,
) -> None:  # fmt: skip
    """Append the claim to the file that `course.py run` reads, if it asked for one."""
    if path := os.environ.get("GENAI_CLAIMS"):
        number = value if math.isfinite(value) else None  # JSON knows no NaN
        row = dict(claim=claim, value=number, unit=unit, at_least=at_least, at_most=at_most,
                   held=held)  # fmt: skip
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def frechet_distance(a: Any, b: Any) -> float:
    """Squared Fréchet distance between Gaussians fitted to two sets of features.

    |m_a − m_b|² + tr(C_a + C_b − 2 (C_a C_b)^½), in squared units of the features.
    a, b: tensors (N, D) and (M, D) with N, M at least 2; more than D samples each to be meaningful.
    Source: Dowson and Landau 1982, equation 4; as a measure of samples, Heusel et al. 2017,
    arXiv:1706.08500. Errors: ValueError for other shapes or non-finite values.
    """
    import torch

    a, b = _features(a, b)
    covariance_a, covariance_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T)
    # The eigenvalues of C_a C_b are real and not negative; rounding may say otherwise.
    eigenvalues = torch.linalg.eigvals(covariance_a @ covariance_b.reshape(a.shape[1], -1)).real
    root_trace = eigenvalues.clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    traces = a.var(0).sum() + b.var(0).sum()
    return (means + traces - 2 * root_trace).clamp(min=0).item()


def _features(a: Any, b: Any) -> "tuple[torch.Tensor, torch.Tensor]":
    """Two sets of features as float64 on the CPU (MPS has no float64), if they fit each other."""
    import torch

    a, b = (torch.as_tensor(t).detach().cpu().double() for t in (a, b))
    matrices = a.ndim == b.ndim == 2 and a.numel() and a.shape[1] == b.shape[1]
    if not matrices or min(len(a), len(b)) < 2:
        raise ValueError(f"need features (N, D) and (M, D), got {tuple(a.shape)}, {tuple(b.shape)}")
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise ValueError("features contain NaN or infinite values")
    return a, b


def _inside(points: "torch.Tensor", centers: "torch.Tensor", k: int) -> "torch.Tensor":
    """Whether each point lies in each center's ball, which reaches its k-th nearest other center.

    (N, D), (M, D) -> bool (N, M)
    """
    import torch

    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k < len(centers):
        raise ValueError(f"k must be an integer from 1 to {len(centers) - 1}, not {k!r}")
    exact = "donot_use_mm_for_euclid_dist"  # the fast way loses digits between near points
    radii = torch.cdist(centers, centers, compute_mode=exact).kthvalue(k + 1, dim=1).values
    return torch.cdist(points, centers, compute_mode=exact) <= radii


def precision_recall(real: Any, fake: Any, k: int = 5) -> tuple[float, float]:
    """Precision and recall of generated samples, by balls around samples.

    Precision is the share of fake samples in the ball of some real one; recall is the share of real
    samples in the ball of some fake one. A ball reaches the k-th nearest sample of its own kind.
    real, fake: features (N, D) and (M, D). Source: Kynkäänniemi et al. 2019, arXiv:1904.06991.
    Errors: ValueError for other shapes, non-finite values, or k outside 1 … number of samples − 1.
    """
    real, fake = _features(real, fake)
    precise, recalled = _inside(fake, real, k).any(dim=1), _inside(real, fake, k).any(dim=1)
    return precise.double().mean().item(), recalled.double().mean().item()


def coverage(real: Any, fake: Any, k: int = 5) -> float:
    """The share of real samples whose ball holds a fake one.

    real, fake, k and errors as in `precision_recall`. One fake outlier cannot raise it, as it can
    raise recall: the balls are those of real samples. Source: Naeem et al. 2020, arXiv:2002.09797.
    """
    real, fake = _features(real, fake)
    return _inside(fake, real, k).any(dim=0).double().mean().item()


class Scores(NamedTuple):
    """How good drawn digits are, and what they cost.

    frechet               squared Fréchet distance in the 64 features of the digit judge
    precision, recall     see `precision_recall`, k = 5
    coverage              k = 5
    training_s            seconds of training
    per_100_s             seconds to draw 100 pictures
    parameters            numbers that were fitted
    """

    frechet: float
    precision: float
    recall: float
    coverage: float
    training_s: float
    per_100_s: float
    parameters: int


def score_digits(
    model: str,
    draw: "Callable[[int], torch.Tensor]",
    real: "torch.Tensor",
    *,
    training_s: float,
    parameters: int,
    levels: int = 17,
) -> Scores:
    """Judge drawn digits beside real ones, in features of the digit judge; print and record it.

    model   its name, as the tables of later lessons show it
    draw    draw(n) returns n pictures (n, H, W), gray levels from 0 (paper) to levels − 1 (ink);
            they are rounded to whole levels, as the real ones are
    real    held-out pictures (N, H, W); as many are drawn
    Errors: ValueError if draw returns something else.
    """
    import torch

    from helpers import models

    judge = models.load("digit judge")

    @torch.inference_mode()
    def features(images: torch.Tensor) -> torch.Tensor:
        whole = images.detach().cpu().float().round().clamp(0, levels - 1)
        return judge.features(16 * whole / (levels - 1))

    with torch.inference_mode():
        began = time.perf_counter()
        draw(100)
        per_100_s = time.perf_counter() - began
        fake = draw(len(real))
    if getattr(fake, "shape", None) != real.shape:
        shape = tuple(getattr(fake, "shape", ())) or type(fake).__name__
        raise ValueError(f"draw({len(real)}) must return {tuple(real.shape)}, not {shape}")
    real, fake = features(real), features(fake)
    scores = Scores(
        frechet_distance(real, fake), *precision_recall(real, fake), coverage(real, fake),
        training_s, per_100_s, parameters,
    )  # fmt: skip
    for name, value in zip(SCORE_NAMES, scores, strict=True):
        _record(f"{model}, {name}", value, "", None, None, None)
        print(f"{model}, {name}: {_text(value, 4)}")
    return scores


SCORE_NAMES = (
    "Fréchet distance", "precision", "recall", "coverage", "seconds of training",
    "seconds for 100 pictures", "parameters",
)  # fmt: skip
