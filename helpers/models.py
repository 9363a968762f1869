"""Small trained models that ship with the course, by what they are for: `load("shape judge")`.

Each has a folder in data/models with its weights and its card: what it is, how it was trained,
how good it is. `python -m tools.pretrain ROLE` trains it again.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import session
from helpers.data import shapes


class Reading(NamedTuple):
    """What a judge reads in N pictures.

    factors     int64 (N, 4) for one object, (N, 7) for two: the likeliest class of each factor
    confidence  (N, 4) or (N, 7): the probability that the judge gives to it
    """

    factors: torch.Tensor
    confidence: torch.Tensor


class ShapeJudge(nn.Module):
    """Reads the factors of captioned shapes (helpers.data.shapes) from pictures of 16×16.

    Pictures are (N, 3, H, W), uint8 or floats from 0 to 255; other sizes are averaged or stretched
    to 16×16 first. Say whether a picture holds one object or two; what two objects are is answered
    as told from the left or from above (shapes.canonical).
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),  # 16×16 => 8×8
            nn.Conv2d(24, 48, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),  # 8×8 => 4×4
            nn.Conv2d(48, 64, 3, padding=1), nn.SiLU(), nn.Flatten(),
            nn.Linear(64 * 16, 64), nn.SiLU(),
        )  # fmt: skip
        self.heads = nn.ModuleList(
            nn.Linear(64, sum(map(len, shapes.FACTORS[objects].values()))) for objects in (1, 2)
        )

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """64 features for each picture, as Fréchet distances use them.  (N, 3, H, W) -> (N, 64)"""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must have shape (N, 3, H, W), not {tuple(images.shape)}")
        x = images.to(self.heads[0].weight) / 255
        if x.shape[2:] != (16, 16):
            x = F.interpolate(x, size=(16, 16), mode="area")
        return self.trunk(4 * (x - 0.8))

    def forward(self, images: torch.Tensor, objects: int = 1) -> dict[str, torch.Tensor]:
        """Logits (N, classes) of each factor; the names are those of shapes.FACTORS[objects]."""
        if objects not in shapes.FACTORS:
            raise ValueError(f"objects must be 1 or 2, not {objects!r}")
        names = shapes.FACTORS[objects]
        logits = self.heads[objects - 1](self.features(images))
        parts = logits.split([len(classes) for classes in names.values()], dim=1)
        return dict(zip(names, parts, strict=True))

    @torch.inference_mode()
    def read(self, images: torch.Tensor, objects: int = 1) -> Reading:
        """The likeliest class of each factor, and its probability."""
        best = [logits.softmax(dim=1).max(dim=1) for logits in self(images, objects).values()]
        confidence, factors = zip(*best, strict=True)
        return Reading(torch.stack(factors, dim=1), torch.stack(confidence, dim=1))


class DigitJudge(nn.Module):
    """Says which digit a picture shows; built and trained in lesson 02 of Day 1.

    Pictures are (N, H, W), gray levels from 0 (paper) to 16 (ink), uint8 or floats; other sizes
    than 8×8 are averaged or stretched to it first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # 8×8 => 4×4
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(16 * 32, 64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64, 10))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """64 features for each picture, as Fréchet distances use them.  (N, H, W) -> (N, 64)"""
        if images.ndim != 3:
            raise ValueError(f"images must have shape (N, H, W), not {tuple(images.shape)}")
        x = images.to(self.head[1].weight)[:, None]
        if x.shape[2:] != (8, 8):
            x = F.interpolate(x, size=(8, 8), mode="area")
        return self.body(2 * x / 16 - 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of the ten digits.  (N, H, W) -> (N, 10)"""
        return self.head(self.features(images))


WEIGHTS = "model.safetensors"
ROLES = {  # role -> its folder in data/models, and its class; None: as transformers saves models
    "digit judge": ("digit_judge", DigitJudge),
    "shape judge": ("shape_judge", ShapeJudge),
    "storyteller": ("storyteller", None),
    "instructed storyteller": ("instructed_storyteller", None),
}


def folder(role: str) -> Path:
    """The folder in data/models of the model that plays `role`, with its weights and its card.

    For the storytellers it is what `from_pretrained` of transformers takes, for the tokenizer, too.
    Errors: ValueError for an unknown role; FileNotFoundError where the weights are missing.
    """
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"no model for the role {role!r}: use {' or '.join(map(repr, ROLES))}")
    place = session.ROOT / "data" / "models" / ROLES[role][0]
    if not (place / WEIGHTS).is_file():
        raise FileNotFoundError(f"{_named(role)} is missing; {_cure(role)}")
    return place


def load(role: str) -> nn.Module:
    """The model that plays `role`, on the CPU, in eval mode, its weights without gradients.

    Errors: ValueError for an unknown role or a damaged file; FileNotFoundError for a missing one;
    ImportError where a library is missing.
    """
    place, kind = folder(role), ROLES[role][1]
    try:
        model = _read(place, kind)
    except ImportError:
        raise  # no fault of the files
    except Exception as error:
        reason = type(error).__name__
        named = _named(role) if kind else f"data/models/{place.name}"  # transformers reads several
        raise ValueError(
            f"{named} is damaged or of another version ({reason}); {_cure(role)}"
        ) from None
    return model.eval().requires_grad_(False)


def _read(place: Path, kind: type[nn.Module] | None) -> nn.Module:
    if kind is None:
        from transformers import AutoModelForCausalLM

        model, report = AutoModelForCausalLM.from_pretrained(
            place, local_files_only=True, output_loading_info=True
        )
        if any(report.values()):  # weights that are missing or too many are only warned of
            raise ValueError(report)
        return model
    from safetensors.torch import load_file

    model = kind()
    model.load_state_dict(load_file(place / WEIGHTS))
    return model


def _named(role: str) -> str:
    return f"data/models/{ROLES[role][0]}/{WEIGHTS}"


def _cure(role: str) -> str:
    return f'get it back with git, or train it again: python -m tools.pretrain "{role}"'
