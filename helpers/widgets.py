"""Progress bars, sliders and animations that work in JupyterLab, VS Code and Colab.

A widget lives only while its kernel does. So each is displayed together with a line of plain
text: that line is what a stored notebook, a printed page or a test sees.
"""

import html
import io
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# JupyterLab has the messages of widgets answered by a thread beside the one that runs cells, some
# by both; matplotlib knows one current figure, so one picture is drawn at a time.
DRAWING = threading.RLock()
MIMETYPE = "application/vnd.jupyter.widget-view+json"


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def _display(widget: Any, text: str) -> None:
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({MIMETYPE: view, "text/plain": text}, raw=True)


def progress_bar(
    items: Iterable, label: str, *, total: int | None = None, initial: int = 0
) -> Iterator:
    """Go through `items` behind a progress bar (tqdm) called `label`.

    total: how many steps there are in all, if `items` does not know; initial: how many are done.
    """
    if not _in_notebook():
        import tqdm

        yield from tqdm.tqdm(items, desc=label, total=total, initial=initial, leave=False)
        return
    from tqdm.notebook import tqdm

    # Twice a second: a test reads a kernel's messages when the cell is done, and beyond 2,000 of
    # them the queue drops the rest, the end of the cell included.
    bar = tqdm(items, desc=label, total=total, initial=initial, mininterval=0.5, display=False)
    _display(bar.container, f"{label}: progress bar")
    yield from bar


def sliders(
    draw: Callable[..., "np.ndarray"],
    ranges: dict[str, tuple[float, float, float] | str],
    *,
    caption: str,
    height: int = 240,
) -> None:
    """A picture with a slider for each of its parameters; moving one redraws the picture.

    draw(**values)  returns gray levels (H, W) from 0 (white) to 1 (black), or colors (H, W, 3) from
                    0 to 1; a ValueError that it raises is shown below the picture, which stays
    ranges          name -> (lowest, highest, value at the start), or a text: then there is a field
                    to type in, and Enter redraws
    caption         what to do and what will be seen; also the text of the static version
    height          of the picture on the screen, in pixels

    Errors: ValueError if there is no slider, if a range is empty or its start value outside it,
    or if draw, with the values at the start, raises it or returns another shape.
    """
    import ipywidgets

    if not ranges:
        raise ValueError("sliders needs at least one range")
    bars, starts = {}, {}
    for name, given in ranges.items():
        label, style = name.replace("_", " ").strip(), {"description_width": "initial"}
        if isinstance(given, str):
            starts[name] = given
            bars[name] = ipywidgets.Text(
                value=given, description=label, continuous_update=False, style=style,
                layout={"width": "auto"},
            )  # fmt: skip
            continue
        low, high, start = given
        if not low < high:
            raise ValueError(f"slider {name!r}: {low} is not below {high}")
        if not low <= start <= high:
            raise ValueError(f"slider {name!r}: {start} does not lie between {low} and {high}")
        starts[name] = start
        # About 40 steps; the start must be one of them, or the page moves the slider off it.
        below = max(1, round(40 * (start - low) / (high - low)))
        step = (start - low) / below if start > low else (high - low) / 40
        bars[name] = ipywidgets.FloatSlider(
            value=start, min=low, max=high, step=step, description=label,
            readout_format=".1f", style=style, layout={"width": "auto"},
        )  # fmt: skip
    picture = ipywidgets.Image(
        format="png", height=height,
        layout={"object_fit": "contain", "min_width": "0", "align_self": "flex-start"},
    )  # fmt: skip
    message = ipywidgets.HTML()  # a Label would cut off what is longer than the page is wide

    def redraw() -> None:
        with DRAWING:
            values = {name: bar.value for name, bar in bars.items()}
            picture.value = _png(draw(**values), height)

    def changed(_=None) -> None:
        try:
            redraw()
            message.value = ""
        except ValueError as error:
            message.value = html.escape(str(error), quote=False)

    def reset(_) -> None:
        for name, bar in bars.items():
            bar.value = starts[name]

    for bar in bars.values():
        bar.observe(changed, names="value")
    button = ipywidgets.Button(description="Reset")
    button.on_click(reset)
    redraw()
    # Numbers stand beside the picture, in a column that it may not squeeze; a sentence above it.
    numbers = not any(isinstance(start, str) for start in starts.values())
    column = {"flex": "0 0 300px"} if numbers else {}
    controls = ipywidgets.VBox([*bars.values(), button], layout=column)
    panel = (ipywidgets.HBox if numbers else ipywidgets.VBox)([controls, picture])
    above = ipywidgets.HTML(html.escape(caption, quote=False))
    _display(ipywidgets.VBox([above, panel, message]), caption)


def animation(frames: "Sequence[np.ndarray]", *, caption: str, milliseconds: int = 120) -> None:
    """Play pictures one after the other, for ever; where nothing can play, the last one stands.

    It is stored in the notebook and needs no kernel (an animated PNG).
    frames        two or more of one size: (H, W, 3), red, green, blue as uint8 from 0 to 255;
                  `frame()` makes one of the current matplotlib figure
    milliseconds  that each frame is seen; the last is seen for ten times as long
    caption       what is to be seen, as in `plots.show`

    Errors: ValueError for fewer frames, for other shapes or types, or without a caption.
    """
    import numpy as np
    from IPython.display import Image as Shown
    from IPython.display import Markdown, display
    from PIL import Image

    if not isinstance(caption, str) or len(caption.split()) < 4:
        raise ValueError("an animation needs a caption: one sentence that says what is to be seen")
    frames = [np.asarray(f) for f in frames]
    if len(frames) < 2:
        raise ValueError(f"an animation needs two frames or more, not {len(frames)}")
    for f in frames:
        if f.ndim != 3 or f.shape != (*frames[0].shape[:2], 3) or f.dtype != np.uint8:
            raise ValueError(f"frames must be uint8 (H, W, 3) of one size, not {f.dtype} {f.shape}")
    # One palette for all frames, a third of the size; some 50,000 pixels are enough to choose it.
    step = max(1, math.isqrt(len(frames) * frames[0].size // 150_000))
    some = np.concatenate([f[::step, ::step] for f in frames])
    palette = Image.fromarray(some).quantize(128, kmeans=1)
    last, *pictures = (
        Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE)
        for f in [frames[-1], *frames]
    )
    file = io.BytesIO()
    last.save(
        file, "png", save_all=True, append_images=pictures, default_image=True, loop=0,
        duration=[milliseconds] * (len(pictures) - 1) + [10 * milliseconds],
    )  # fmt: skip
    display(Shown(file.getvalue(), format="png"))
    display(Markdown(f"*{caption}*"))


def frame() -> "np.ndarray":
    """The current matplotlib figure as one frame of an animation; the figure is closed."""
    import matplotlib.pyplot as plt
    import numpy as np

    figure = plt.gcf()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)
    return pixels


def _png(picture: "np.ndarray", height: int) -> bytes:
    """A picture as a PNG of about `height` pixels, edges kept.

    Gray levels (H, W) from 0 white to 1 black, or colors (H, W, 3) from 0 to 1.
    """
    import numpy as np
    from PIL import Image

    picture = np.asarray(picture, dtype=float)
    in_color = picture.ndim == 3 and picture.shape[2] == 3
    if not (picture.ndim == 2 or in_color) or not picture.size:
        raise ValueError(f"draw must return (H, W) or (H, W, 3), not shape {picture.shape}")
    bright = picture.clip(0, 1) if in_color else 1 - picture.clip(0, 1)
    scale = max(1, height // len(picture))
    pixels = (255 * bright).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()
