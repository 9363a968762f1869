"""What all benchmarks share: processor time in turns, peak memory of a fresh process, exponents."""

import contextlib
import ctypes
import functools
import gc
import io
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from helpers import session

PRELOADED = ["benchmarks.preload"]  # in the server of which fresh processes are forked
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


def high_water() -> int:
    """The most memory that this process has held, in bytes."""
    if on_gpu():
        import torch

        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux":  # ru_maxrss is handed down from the parent, this is not
        with open("/proc/self/status") as lines:
            return int(lines.read().split("VmHWM:")[1].split()[0]) * 1024
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _grown(prepare: Callable, args: tuple) -> int:
    """In the fresh process: by how much the high-water mark rises over the prepared work."""
    import torch

    with contextlib.redirect_stdout(io.StringIO()):
        work = prepare(*args)
        warm = torch.ones(4, 4, requires_grad=True)
        (warm @ warm).sum().backward()  # starts the threads of autograd
        gc.collect()
        if sys.platform == "linux":
            with contextlib.suppress(OSError, AttributeError):  # other C libraries lack the first
                ctypes.CDLL(None).malloc_trim(0)  # or the work would fill what was freed before
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # sets the mark back to what is held now
        before = high_water()
        kept = work()
    after = high_water()
    del kept
    return max(after - before, 4096)  # a page, at least


def peak(prepare: Callable[..., Callable[[], Any]], *args: Any) -> float:
    """Megabytes that the work of prepare(*args) needs on top: the median of three fresh processes.

    prepare imports all that is needed and returns the work, a function; it must be one that a
    module defines, since the process finds it by name.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(PRELOADED)  # once, and no process sees another's work
    grown = []
    for _ in range(3):
        with context.Pool(1) as pool:
            grown.append(pool.apply(_grown, (prepare, args)))
    return statistics.median(grown) / MEGABYTE


# ---------------------------------------------------------------- growth


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The p of values ≈ c · sizes^p, by least squares on logarithms.

    Errors: ValueError for fewer than two sizes or numbers that are not positive.
    """
    import numpy as np

    if len(sizes) < 2 or len(sizes) != len(values) or min(*sizes, *values) <= 0:
        raise ValueError("an exponent needs two or more sizes and values, all of them positive")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
