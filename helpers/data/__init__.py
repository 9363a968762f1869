"""Data for the lessons, a module a source; each says what it returns, with shapes and units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Images:
    """Gray pictures with labels, in three parts that never mix.

    train_x, validation_x, test_x   uint8 (N, height, width), gray levels 0 to levels − 1
    train_y, validation_y, test_y   int64 (N,), classes 0 to 9
    levels                          how many gray levels a pixel can have
    classes                         a name for each class
    """

    train_x: "torch.Tensor"
    train_y: "torch.Tensor"
    validation_x: "torch.Tensor"
    validation_y: "torch.Tensor"
    test_x: "torch.Tensor"
    test_y: "torch.Tensor"
    levels: int
    classes: tuple[str, ...]


def load_images(name: str) -> Images:
    """The pictures called `name`: "digits" (offline), "mnist" or "fashion_mnist" (downloaded once).

    Errors: ValueError for another name; ConnectionError, in one sentence, if a download fails.
    """
    if name == "digits":
        from helpers.data import digits

        return digits.load()
    if name in ("mnist", "fashion_mnist"):
        from helpers.data import mnist

        return mnist.load(name)
    raise ValueError(f"no pictures called {name!r}: use 'digits', 'mnist' or 'fashion_mnist'")
