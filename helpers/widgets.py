"""Progress bars and sliders that work in JupyterLab, VS Code and Colab, and leave no debris.

A widget lives only while its kernel does. So each is displayed together with a line of plain
text: that line is what a stored notebook, a printed page or a test sees.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

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

    bar = tqdm(items, desc=label, total=total, initial=initial, display=False)
    _display(bar.container, f"{label}: progress bar")
    yield from bar


def sliders(
    draw: Callable[..., "np.ndarray"],
    ranges: dict[str, tuple[float, float, float]],
    *,
    caption: str,
    height: int = 240,
) -> None:
    """A picture with a slider for each of its parameters; moving one redraws the picture.

    draw(**values)  returns gray levels (H, W) from 0 (white) to 1 (black)
    ranges          name -> (lowest, highest, value at the start)
    caption         what to do and what will be seen; also the text of the static version
    height          of the picture on the screen, in pixels

    Errors: ValueError if there is no slider, if a range is empty or its start value outside it,
    or if draw returns another shape.
    """
    import ipywidgets

    if not ranges:
        raise ValueError("sliders needs at least one range")
    for name, (low, high, start) in ranges.items():
        if not low < high:
            raise ValueError(f"slider {name!r}: {low} is not below {high}")
        if not low <= start <= high:
            raise ValueError(f"slider {name!r}: {start} does not lie between {low} and {high}")
    picture = ipywidgets.Image(format="png", height=height, layout={"object_fit": "contain"})
    bars = {
        name: ipywidgets.FloatSlider(
            value=start, min=low, max=high, step=(high - low) / 40, description=name,
            readout_format=".1f", style={"description_width": "initial"},
        )
        for name, (low, high, start) in ranges.items()
    }  # fmt: skip

    def redraw(_=None) -> None:
        picture.value = _png(draw(**{name: bar.value for name, bar in bars.items()}), height)

    def reset(_) -> None:
        for name, bar in bars.items():
            bar.value = ranges[name][2]

    for bar in bars.values():
        bar.observe(redraw, names="value")
    button = ipywidgets.Button(description="Reset")
    button.on_click(reset)
    redraw()
    panel = ipywidgets.HBox([ipywidgets.VBox([*bars.values(), button]), picture])
    _display(ipywidgets.VBox([ipywidgets.Label(caption), panel]), caption)


def _png(gray: "np.ndarray", height: int) -> bytes:
    """Gray levels (H, W), 0 white to 1 black, as a PNG of about `height` pixels, edges kept."""
    import numpy as np
    from PIL import Image

    gray = np.asarray(gray, dtype=float)
    if gray.ndim != 2 or not gray.size:
        raise ValueError(f"draw must return gray levels (H, W), not shape {gray.shape}")
    scale = max(1, height // len(gray))
    pixels = (255 * (1 - gray.clip(0, 1))).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()
