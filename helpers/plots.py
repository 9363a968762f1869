"""Pictures with captions: grids of images, curves with bands, tokens in boxes, and `show`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes


def show(caption: str) -> None:
    """Show the current figure and, below it, what is to be seen in it.

    The caption is the figure's alternative text: it says what someone who cannot see it needs to
    know. Errors: ValueError if it is missing or no sentence, or if there is no figure to show.
    """
    import matplotlib.pyplot as plt
    from IPython.display import Markdown, display

    if not isinstance(caption, str) or len(caption.split()) < 4:
        raise ValueError("a figure needs a caption: one sentence that says what is to be seen")
    if not plt.get_fignums():
        raise ValueError("there is no figure to show: draw one first")
    plt.show()
    plt.close("all")
    display(Markdown(f"*{caption}*"))


def image_grid(
    images: "torch.Tensor",
    *,
    columns: int,
    title: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    highest: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw images as one picture, row by row: (N, H, W) gray, or (N, 3, H, W) in color.

    columns: images in a row; row_labels, column_labels: one for each, or none;
    highest: in gray the value drawn black (default: the largest there is); in color the value of
    full brightness (default: 255 for whole numbers, else 1), beyond which colors are cut off;
    ax: where to draw (default: a new figure).
    Returns the axes. Errors: ValueError for another shape or a wrong number of labels.
    """
    import matplotlib.pyplot as plt
    import torch

    images = torch.as_tensor(images).detach().cpu()
    in_color = images.ndim == 4 and images.shape[1] == 3
    if not (images.ndim == 3 or in_color) or images.numel() == 0:
        raise ValueError(
            f"images must have shape (N, H, W) or (N, 3, H, W), not {tuple(images.shape)}"
        )
    if in_color:
        full = highest or (1 if images.is_floating_point() else 255)
        images = (images.movedim(1, 3) / full).clamp(0, 1)  # (N, H, W, 3)
    images = images.float()
    n, height, width = images.shape[:3]
    if columns < 1:
        raise ValueError("columns must be 1 or more")
    rows = -(-n // columns)
    for labels, count, what in ((row_labels, rows, "row"), (column_labels, columns, "column")):
        if labels and len(labels) != count:
            raise ValueError(f"{len(labels)} {what} labels for {count} {what}s")
    gap = max(1, height // 8)
    step_y, step_x = height + gap, width + gap
    paper = 1.0 if in_color else float("nan")  # both are drawn white
    canvas = torch.full((rows * step_y - gap, columns * step_x - gap, *images.shape[3:]), paper)
    for i, image in enumerate(images):
        y, x = i // columns * step_y, i % columns * step_x
        canvas[y : y + height, x : x + width] = image
    if ax is None:
        size = min(9.0, 0.62 * columns)
        figure_height = size * len(canvas) / canvas.shape[1] + 0.3 * bool(title) + 0.2
        _, ax = plt.subplots(figsize=(size + 0.9 * bool(row_labels), figure_height))
    top = images.max().item() if highest is None else highest
    ax.imshow(canvas.numpy(), cmap="gray_r", vmin=0, vmax=max(top, 0), interpolation="nearest")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    centers_x = [x * step_x + width / 2 - 0.5 for x in range(columns)]
    centers_y = [y * step_y + height / 2 - 0.5 for y in range(rows)]
    ax.set_xticks(centers_x if column_labels else [], column_labels or [])
    ax.set_yticks(centers_y if row_labels else [], row_labels or [])
    ax.tick_params(length=0, top=False, labeltop=bool(column_labels), bottom=False,
                   labelbottom=False)  # fmt: skip
    ax.set_title(title)
    return ax


def curves(
    lines: Mapping[str, tuple[Sequence[float], Any]],
    *,
    x: str,
    y: str,
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw named curves; where one was measured several times, its mean and a band of ± 1 std.

    lines: name -> (x values (N,), y values (N,) or, for R repetitions, (R, N));
    x, y: what the axes mean, with units. Returns the axes. Errors: ValueError for other shapes.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    ax = ax or plt.subplots(figsize=(6, 3.4))[1]
    for name, (at, values) in lines.items():
        at, values = np.asarray(at, dtype=float), np.asarray(values, dtype=float)
        if at.ndim != 1 or values.ndim not in (1, 2) or values.shape[-1] != len(at):
            raise ValueError(f"curve {name!r}: {values.shape} values at {at.shape} places")
        mean = values if values.ndim == 1 else values.mean(axis=0)
        (line,) = ax.plot(at, mean, label=name)
        if values.ndim == 2:
            spread = values.std(axis=0)
            ax.fill_between(at, mean - spread, mean + spread, color=line.get_color(), alpha=0.2)
    ax.set(xlabel=x, ylabel=y, title=title)
    ax.legend()
    return ax


def token_boxes(
    rows: Sequence[Sequence[str]],
    colors: Sequence[Sequence[Any]],
    *,
    title: str = "",
    columns: int = 100,
    ax: "Axes | None" = None,
) -> "Axes":
    """Write tokens in colored boxes, one row below the other; a long row goes on in a new line.

    colors: for each token of each row, a color as matplotlib takes it;
    columns: characters in a line; ax: where to draw (default: a new figure as high as it must be).
    Returns the axes. Errors: ValueError where tokens and colors differ in number, for what is no
    color, or for fewer columns than 1.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgba

    if columns < 1:
        raise ValueError("columns must be 1 or more")
    if [len(row) for row in rows] != [len(row) for row in colors]:
        raise ValueError("each token of each row needs one color")
    painted = [[to_rgba(color) for color in shades] for shades in colors]
    figure = None
    if ax is None:
        figure = plt.figure(figsize=(9, 1), layout="none")
        ax = figure.add_axes((0.01, 0, 0.98, 1))
    line = 0
    for row, shades in zip(rows, painted, strict=True):
        x = 0.0
        for token, color in zip(row, shades, strict=True):
            size = len(token) + 0.7
            if x and x + size > columns:
                x, line = 0.0, line + 1
            ax.add_patch(plt.Rectangle((x, -line - 0.4), size, 0.8, color=color, linewidth=0))
            ax.text(x + size / 2, -line - 0.05, token, ha="center", va="center",
                    family="monospace", size=9, parse_math=False)  # fmt: skip
            x += size + 0.3
        line += 1
    if figure is not None:
        figure.set_size_inches(9, 0.3 * (line + bool(title)) + 0.1)
    ax.set(xlim=(0, columns), ylim=(-line + 0.4, 0.6 + bool(title)))
    ax.text(0, 1, title, va="center", size=10)
    ax.axis("off")
    return ax
