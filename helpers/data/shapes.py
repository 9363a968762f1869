"""Captioned color pictures of shapes, any number of them; every factor of every picture is known.

Drawn here by formula: the signed distance of each pixel's center from the edge (negative inside,
in pixels) gives the share of the pixel that the shape covers, which makes smooth edges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SHAPES = ("circle", "square", "triangle", "cross")
COLORS = {  # red, green, blue from 0 to 255; they differ in lightness, too, for color-blind readers
    "red": (205, 35, 45), "green": (0, 158, 115), "blue": (30, 85, 200),
    "yellow": (245, 195, 20), "pink": (235, 140, 195), "black": (35, 35, 40),
}  # fmt: skip
SIZES = ("small", "large")
POSITIONS = (
    "top left", "top center", "top right",
    "middle left", "center", "middle right",
    "bottom left", "bottom center", "bottom right",
)  # fmt: skip
RELATIONS = ("left of", "right of", "above", "below")
OPPOSITE = (1, 0, 3, 2)  # of each relation: "A left of B" says the same as "B right of A"
BACKGROUND = 242  # the gray level of the paper

OBJECT = {"shape": SHAPES, "color": tuple(COLORS), "size": SIZES}
FACTORS = {  # number of objects -> name of each column of factors -> its classes
    1: OBJECT | {"position": POSITIONS},
    2: {f"first {name}": classes for name, classes in OBJECT.items()}
    | {"relation": RELATIONS}
    | {f"second {name}": classes for name, classes in OBJECT.items()},
}

# Lengths in widths of the picture. Radii of a circle, lowest and highest, for each size; the other
# shapes are scaled to look as large. The classes of size and of position keep well apart.
RADII = ((0.125, 0.145), (0.195, 0.215))
COLUMNS = (0.26, 0.5, 0.74)  # centers of left, center and right, and of top, middle and bottom
SHIFT = 0.05  # how far a center may be from there
APART = (0.255, 0.745)  # centers of two objects along the direction of their relation
ASIDE = 0.09  # how far they may be from the middle across that direction


@dataclass(frozen=True)
class Shapes:
    """Pictures with captions and factors.

    images    uint8 (N, 3, side, side), red, green, blue from 0 to 255
    captions  N texts, as in "a small red circle at the top left"
    factors   int64 (N, 4): classes of shape, color, size, position; or, for two objects, (N, 7):
              shape, color, size of the first, relation, shape, color, size of the second
    """

    images: "torch.Tensor"
    captions: list[str]
    factors: "torch.Tensor"


def make(n: int, *, seed: int = 0, side: int = 16, objects: int = 1) -> Shapes:
    """n random pictures of one or two objects; all classes of a factor are equally probable.

    The same arguments always give the same pictures, and another side gives the same scenes; the
    global random state is neither read nor changed. Errors: ValueError for n below 1, a side
    below 12, another number of objects or a seed that is no integer from 0 to 4294967295.
    """
    import torch

    _check_integer("n", n, 1)
    _check_integer("side", side, 12)
    if objects not in (1, 2) or isinstance(objects, bool):
        raise ValueError(f"objects must be 1 or 2, not {objects!r}")
    generator = _generator(seed, stream=0)
    counts = [len(classes) for classes in FACTORS[objects].values()]
    columns = [torch.randint(count, (n,), generator=generator) for count in counts]
    factors = torch.stack(columns, dim=1)
    images = render(factors, side=side, seed=seed)
    return Shapes(images, [_caption(row) for row in factors.tolist()], factors)


def render(factors: "torch.Tensor", *, side: int, seed: int) -> "torch.Tensor":
    """Pictures (N, 3, side, side), uint8, of scenes with the given factors (N, 4) or (N, 7).

    Place and size vary a little within their classes, by the seed. `make` draws its pictures so.
    Errors: ValueError for factors of another shape or out of range, and as for `make`.
    """
    import torch

    _check_integer("side", side, 12)
    factors = _checked(factors)
    generator = _generator(seed, stream=1)
    n, objects = len(factors), 1 if factors.shape[1] == 4 else 2
    noise = torch.rand(n, objects, 3, generator=generator)  # radius, x, y: 0 to 1 each
    kinds = factors[:, :3].unsqueeze(1)  # (N, objects, 3)
    if objects == 2:
        kinds = torch.stack([factors[:, :3], factors[:, 4:]], dim=1)
    radii = torch.tensor(RADII)[kinds[..., 2]]  # (N, objects, 2)
    radius = torch.lerp(radii[..., 0], radii[..., 1], noise[..., 0])
    center, shift = _places(factors[:, 3], objects)  # (N, objects, 2), x and y
    center = center + shift * (2 * noise[..., 1:] - 1)
    margin = 1.15 * radius.unsqueeze(2)  # no shape reaches farther
    center = torch.minimum(torch.maximum(center, margin), 1 - margin)
    parts = zip(kinds.split(512), center.split(512), radius.split(512), strict=True)
    images = [_draw(*part, side) for part in parts]  # in parts, to use little memory
    return torch.cat(images)


def _places(place: "torch.Tensor", objects: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Centers (N, objects, 2) for positions or relations (N,), and how far each may move."""
    import torch

    if objects == 1:
        grid = torch.tensor([[x, y] for y in COLUMNS for x in COLUMNS])  # in the order of POSITIONS
        return grid[place].unsqueeze(1), torch.tensor(SHIFT)
    (near, far), middle = APART, 0.5
    pairs = torch.tensor([
        [[near, middle], [far, middle]], [[far, middle], [near, middle]],  # left of, right of
        [[middle, near], [middle, far]], [[middle, far], [middle, near]],  # above, below
    ])  # fmt: skip
    across = (pairs == middle).float()  # 1 along the axis on which both objects are in the middle
    return pairs[place], (ASIDE * across)[place]


def _draw(kinds, center, radius, side: int) -> "torch.Tensor":
    """One chunk of pictures: kinds (N, objects, 3), center (N, objects, 2), radius (N, objects)."""
    import torch

    pixels = (torch.arange(side) + 0.5) / side
    colors = torch.tensor(list(COLORS.values()), dtype=torch.float32)
    images = torch.full((len(kinds), 3, side, side), float(BACKGROUND))
    for i in range(kinds.shape[1]):
        x = (pixels - center[:, i, :1])[:, None, :]  # (N, 1, side)
        y = (pixels - center[:, i, 1:])[:, :, None]  # (N, side, 1), downward
        r = radius[:, i, None, None]
        outside = torch.empty(len(kinds), side, side)
        for shape in range(len(SHAPES)):
            these = kinds[:, i, 0] == shape
            outside[these] = _distance(SHAPES[shape], x[these], y[these], r[these])
        cover = (0.5 - side * outside).clamp(0, 1).unsqueeze(1)  # (N, 1, side, side)
        images.lerp_(colors[kinds[:, i, 1]][:, :, None, None], cover)
    return images.round().to(torch.uint8)


def _distance(shape: str, x, y, r) -> "torch.Tensor":
    """Signed distance from the edge of a shape around 0 that looks as large as a circle of r."""
    import torch

    if shape == "circle":
        return torch.sqrt(x**2 + y**2) - r
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - 0.9 * r
    if shape == "cross":
        long, wide = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
        return torch.maximum(long - 1.1 * r, wide - 0.4 * r)
    y = y - 0.25 * r  # a triangle's centroid lies below the middle between tip and base
    slopes = 3**0.5 / 2 * x.abs() - y / 2  # distances from the centroid towards the upper sides
    return torch.maximum(slopes, y) - 0.66 * r


def caption(factors: Sequence[int]) -> str:
    """The caption of one scene: 4 factors, or 7 for two objects. `parse` is its inverse.

    Errors: ValueError for another number of factors or a class that does not exist.
    """
    import torch

    return _caption(_checked(torch.as_tensor(factors).unsqueeze(0))[0].tolist())


def _caption(row: Sequence[int]) -> str:
    colors = tuple(COLORS)
    shape, color, size, place, *second = row
    text = f"a {SIZES[size]} {colors[color]} {SHAPES[shape]}"
    if not second:
        return f"{text} at the {POSITIONS[place]}"
    shape, color, size = second
    return f"{text} {RELATIONS[place]} a {SIZES[size]} {colors[color]} {SHAPES[shape]}"


def parse(caption: str) -> "torch.Tensor":
    """The factors, int64 (4,) or (7,), that a caption names. The inverse of `caption`.

    Errors: ValueError, in one sentence that names the first word that is not understood.
    """
    import torch

    if not isinstance(caption, str):
        raise ValueError(f"a caption is a text, not {caption!r}")
    words = caption.lower().split()

    def take(phrases: Sequence[str]) -> int:
        """Remove the phrase with which the words begin, and return its number."""
        for number, phrase in enumerate(phrases):
            if words[: len(phrase.split())] == phrase.split():
                del words[: len(phrase.split())]
                return number
        known = sum(words[0] == phrase.split()[0] for phrase in phrases) if words else 0
        odd = words[min(1, known) : 1 + min(1, known)]  # what follows a word that may stand here
        said = f"{odd[0]!r} is not understood" if odd else "it ends too early"
        raise ValueError(f"in the caption {caption!r} {said}: expected {_either(phrases)}")

    def thing() -> list[int]:
        take(["a"])
        size, color, shape = take(SIZES), take(tuple(COLORS)), take(SHAPES)
        return [shape, color, size]

    factors = thing()
    place = take(["at the", *RELATIONS])
    factors += [take(POSITIONS)] if place == 0 else [place - 1, *thing()]
    if words:
        raise ValueError(
            f"in the caption {caption!r} {words[0]!r} is not understood: expected the end"
        )
    return torch.tensor(factors)


def _either(phrases: Sequence[str]) -> str:
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last


def canonical(factors: "torch.Tensor") -> "torch.Tensor":
    """Two-object scenes (N, 7) as told from the left or from the top: "left of" or "above" only.

    "A right of B" and "B left of A" are the same picture, so a reader of pictures (the shape
    judge) can only answer in one of the two forms. One-object factors (N, 4) come back as they
    are. Errors: ValueError for factors of another shape or out of range.
    """
    import torch

    factors = _checked(factors)
    if factors.shape[1] == 4:
        return factors
    turned = torch.tensor(OPPOSITE)[factors[:, 3:4]]
    other = torch.cat([factors[:, 4:], turned, factors[:, :3]], dim=1)
    return torch.where(factors[:, 3:4] % 2 == 1, other, factors)


def _checked(factors: "torch.Tensor") -> "torch.Tensor":
    """Factors as int64, if they name scenes."""
    import torch

    factors = torch.as_tensor(factors)
    if factors.ndim != 2 or factors.shape[1] not in (4, 7) or not len(factors):
        raise ValueError(f"factors must have shape (N, 4) or (N, 7), not {tuple(factors.shape)}")
    if factors.is_floating_point() or factors.dtype == torch.bool:
        raise ValueError(f"factors must be whole numbers, not {factors.dtype}")
    factors = factors.long()
    for (name, classes), column in zip(_columns(factors), factors.T, strict=True):
        if column.min() < 0 or column.max() >= len(classes):
            raise ValueError(
                f"the factor {name} goes from 0 to {len(classes) - 1}, "
                f"not from {column.min().item()} to {column.max().item()}"
            )
    return factors


def _columns(factors: "torch.Tensor") -> Iterator[tuple[str, Sequence[str]]]:
    yield from FACTORS[1 if factors.shape[1] == 4 else 2].items()


def _check_integer(name: str, value: int, lowest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ValueError(f"{name} must be an integer of {lowest} or more, not {value!r}")


def _generator(seed: int, stream: int) -> "torch.Generator":
    """Random numbers of our own; streams of one seed are independent of each other."""
    import torch

    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 4294967295, not {seed!r}")
    return torch.Generator().manual_seed(2 * seed + stream)
