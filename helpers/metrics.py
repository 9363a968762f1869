"""Measured claims, and measures of generated samples."""

import json
import math
import os
from typing import Any

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

    a, b = (torch.as_tensor(t).detach().cpu().double() for t in (a, b))  # MPS has no float64
    matrices = a.ndim == b.ndim == 2 and a.numel() and a.shape[1] == b.shape[1]
    if not matrices or min(len(a), len(b)) < 2:
        raise ValueError(f"need features (N, D) and (M, D), got {tuple(a.shape)}, {tuple(b.shape)}")
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise ValueError("features contain NaN or infinite values")
    covariance_a, covariance_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T)
    # The eigenvalues of C_a C_b are real and not negative; rounding may say otherwise.
    eigenvalues = torch.linalg.eigvals(covariance_a @ covariance_b.reshape(a.shape[1], -1)).real
    root_trace = eigenvalues.clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    traces = a.var(0).sum() + b.var(0).sum()
    return (means + traces - 2 * root_trace).clamp(min=0).item()
