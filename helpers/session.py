"""Start a lesson: seeds, device, profile, threads, plot style, and on Colab what is missing."""

import io
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "data" / "cache"  # downloads; ignored by git
PROFILES = ("quick", "full")


@dataclass(frozen=True)
class Session:
    """What a lesson needs to know about the machine that it runs on."""

    profile: str  # "quick" or "full"
    device: str  # "cpu", "cuda" or "mps"
    seed: int


def start(seed: int = 0) -> Session:
    """Prepare the notebook and print one line about it; call it once, at the top.

    seed: a non-negative integer for Python, NumPy and PyTorch; GENAI_SEED, if set, replaces it
    (so are bands set from several seeds: `course.py run --seed 3`).
    Returns the profile, the device and the seed. On Colab it first installs what is missing.
    Errors: ValueError for a negative or fractional seed or an unknown GENAI_PROFILE.
    """
    began = time.perf_counter()
    profile()  # a wrong GENAI_PROFILE is said before the slow imports
    if on_colab():
        install_missing()
    import torch

    if profile() == "quick":
        # Small models gain nothing from a second thread, and lose much when both wait for a core.
        torch.set_num_threads(1)
    if given := os.environ.get("GENAI_SEED", "").strip():
        seed = int(given) if given.isdecimal() else given
    set_seed(seed)
    _set_plot_style()
    session = Session(profile(), device(), seed)
    if isinstance(sys.stdout, io.TextIOWrapper):  # no notebook; a terminal may lack a letter
        sys.stdout.reconfigure(errors="replace")
    print(
        f"{session.profile} profile on {session.device}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, ready in {time.perf_counter() - began:.1f} s"
    )
    return session


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and PyTorch. Errors: ValueError unless seed is an integer >= 0."""
    import numpy as np
    import torch

    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 4294967295, not {seed!r}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries that students meet read the global state)
    torch.manual_seed(seed)


def profile() -> str:
    """ "quick" (offline, CPU, embedded data) or "full" (downloads, GPU).

    GENAI_PROFILE decides if it is set, else the hardware: full where there is a CUDA device.
    """
    chosen = os.environ.get("GENAI_PROFILE", "").strip().lower()
    if chosen in PROFILES:
        return chosen
    if chosen:
        raise ValueError(f"GENAI_PROFILE is quick or full, not {chosen!r}")
    return "full" if device() == "cuda" else "quick"


def device() -> str:
    """The accelerator that the full profile uses, "cuda" or "mps"; the quick profile uses "cpu"."""
    import torch

    if os.environ.get("GENAI_PROFILE", "").strip().lower() == "quick":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    wants_full = os.environ.get("GENAI_PROFILE", "").strip().lower() == "full"
    return "mps" if wants_full and torch.backends.mps.is_available() else "cpu"


def on_colab() -> bool:
    """True if this is a Google Colab machine."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def install_missing() -> None:
    """Install the requirements that are not there, without touching any version that is.

    Meant for hosted notebooks, which bring their own torch. Reads requirements.txt; skips what
    only a desk needs (jupyterlab) and this repository itself, which the bootstrap puts on the
    path. Says in one sentence what to do if pip fails or an installed version is too old.
    """
    missing, too_old = [], []
    for wanted, version in requirements():
        if wanted.name == "jupyterlab":
            continue
        if version is None:
            missing.append(f"{wanted.name}{wanted.specifier}")
        elif not wanted.specifier.contains(version, prereleases=True):
            too_old.append(f"{wanted.name} {version} (the course needs {wanted.specifier})")
    if too_old:
        print(f"This machine has {', '.join(too_old)}; lessons may fail until it is upgraded.")
    if not missing:
        return
    there = "".join(f"{name}=={version}\n" for name, version in sorted(_installed().items()))
    with tempfile.TemporaryDirectory() as folder:
        keep = Path(folder, "installed.txt")
        keep.write_text(there, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(keep), *missing]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"Could not install {', '.join(missing)}: {reason}")
    else:
        print(f"Installed {', '.join(missing)}.")


def requirements() -> "Iterator[tuple[Requirement, str | None]]":
    """Each line of requirements.txt that is for this machine, and the version that is installed."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    installed = _installed()
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if not line or line.startswith("-"):
            continue
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            yield wanted, installed.get(canonicalize_name(wanted.name))


def _installed() -> dict[str, str]:
    """Name -> version of every package that can be imported, as pip reads them."""
    from importlib import metadata

    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    versions: dict[str, str] = {}
    for package in metadata.distributions():
        try:
            name, version = canonicalize_name(package.metadata["Name"]), str(package.version)
            Version(version)
        except (TypeError, AttributeError, InvalidVersion):
            continue  # what an interrupted or very old installer left behind
        versions.setdefault(name, version)  # of two, Python imports the one that comes first
    return versions


def _set_plot_style() -> None:
    import matplotlib as mpl

    mpl.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "image.cmap": "gray_r",
            "lines.linewidth": 2,
            "legend.frameon": False,
            # Okabe and Ito's palette: told apart by color-blind readers too
            "axes.prop_cycle": mpl.cycler(
                color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
            ),
        }
    )
