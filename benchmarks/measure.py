"""What all benchmarks share: processor time in turns, the most that tensors hold, exponents."""

import contextlib
import functools
import gc
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from helpers import session

MEGABYTE = 2**20


class Bar(NamedTuple):
    """A ratio of ours and the library's, and what it has to be."""

    name: str
    ours: float
    theirs: float
    unit: str  # of both
    ratio: float
    at_least: float | None = None
    at_most: float | None = None
    reason: str = ""  # what costs, where the bar may be missed

    @property
    def target(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    @property
    def met(self) -> bool:
        """As printed, with two digits: nobody can tell 1.196 from 1.2."""
        ratio = round(self.ratio, 2)
        low = self.at_least is None or ratio >= self.at_least
        return low and (self.at_most is None or ratio <= self.at_most)


class Table(NamedTuple):
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


class Report(NamedTuple):
    """What a benchmark found."""

    bars: list[Bar]
    tables: list[Table]


# ---------------------------------------------------------------- time


@functools.cache
def on_gpu() -> bool:
    return session.device() == "cuda"


def now() -> float:
    """Processor time of this process in seconds, whatever else the machine does; where a GPU
    works, the time on the wall once it has finished."""
    if not on_gpu():
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Seconds of one call, the mean of a few."""
    began = now()
    for _ in range(times):
        work()
    return (now() - began) / times


def race(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, times: int = 1
) -> tuple[float, float, float]:
    """Medians of the seconds of both, and of theirs over ours, each ratio within one round.

    They take turns, and each round the other one begins, so that what else runs on the machine
    hits both. One call of each before goes uncounted.
    """
    ours()
    theirs()
    spent: dict = {ours: [], theirs: []}
    for number in range(rounds):
        for work in (ours, theirs) if number % 2 else (theirs, ours):
            spent[work].append(seconds(work, times))
    ratios = [b / a for a, b in zip(spent[ours], spent[theirs], strict=True)]
    medians = map(statistics.median, (spent[ours], spent[theirs], ratios))
    return tuple(medians)


# ---------------------------------------------------------------- memory


def _most_held(work: Callable[[], Any]) -> int:
    """The most bytes that tensors held during the work, over what they held before."""
    import torch

    if on_gpu():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        kept = work()
        del kept
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as seen:
        kept = work()
    del kept
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    if not changes:
        return 0
    first = min(changes, key=lambda event: event["ts"])["args"]
    before = first["Total Allocated"] - first["Bytes"]
    return max(event["args"]["Total Allocated"] for event in changes) - before


def peak(prepare: Callable[..., Callable[[], Any]], *args: Any) -> float:
    """Megabytes that tensors hold at most, over what they held before, while the work runs that
    prepare(*args) returns. An exact count of PyTorch's, the same each time: by its profiler, on a
    GPU by its allocator. What Python and the operations keep for themselves is not in it.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        work = prepare(*args)
        gc.collect()  # or what dies during the work would count against it
        return max(_most_held(work), 1) / MEGABYTE


# ---------------------------------------------------------------- growth


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The p of values ≈ c · sizes^p, by least squares on logarithms.

    Errors: ValueError for fewer than two sizes or numbers that are not positive.
    """
    import numpy as np

    if len(sizes) < 2 or len(sizes) != len(values) or min(*sizes, *values) <= 0:
        raise ValueError("an exponent needs two or more sizes and values, all of them positive")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
