"""Check a room's machine before a class: `python -m tools.check`.

Prints a line for each thing that a lesson needs: ✓ is there, ✗ must be put right, ○ is worth
knowing. Asks no network, changes nothing, and does not load torch, which would take longer than
all else.
"""

import csv
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from helpers import session, weights
from tools import checksums, prefetch

GOOD, BAD, OTHER = "✓", "✗", "○"
PYTHONS = ((3, 11), (3, 12), (3, 13))
DISK = {"quick": 1, "full": 8}  # GB: executed copies and caches; public models and data sets
MEMORY = 3  # GB, the most that a lesson takes
PORTS = {  # the first that each tries, and how many it tries
    "JupyterLab": (8888, 50),
    "Gradio": (7860, 100),
}
TABLES = (
    "adapters.json", "dialogues.jsonl", "judgements.json", "phrasebook.tsv", "quiz.json",
    "quiz_before.json", "results.json", "sentences.jsonl", "timeline.csv", "transfer.json",
)  # fmt: skip
INSTALL = "Run python course.py lab once with a network."
RESTORE = "Get it back with git restore data, or download the course again."


class Line(NamedTuple):
    """One line of the list: a sign, what was looked at, what was found, and what to do."""

    sign: str
    subject: str
    found: str
    advice: str = ""


def profile() -> str | None:
    """What GENAI_PROFILE says, in small letters: "" where it is not set, None if it is wrong."""
    chosen = os.environ.get("GENAI_PROFILE", "").strip().lower()
    return chosen if chosen in ("", *session.PROFILES) else None


# ---------------------------------------------------------------- the machine


def check_python() -> Iterator[Line]:
    """A version that the course supports, and 64 bit: torch has no wheels for 32."""
    bits = 64 if sys.maxsize > 2**32 else 32
    found = f"{platform.python_version()}, {bits} bit"
    if sys.version_info[:2] in PYTHONS and bits == 64:
        yield Line(GOOD, "Python", found)
    else:
        yield Line(BAD, "Python", found, "Install Python 3.11, 3.12 or 3.13, 64 bit.")


def check_profile() -> Iterator[Line]:
    """GENAI_PROFILE is quick, full or not set."""
    chosen = profile()
    if chosen is None:
        found = f"GENAI_PROFILE is {os.environ['GENAI_PROFILE']!r}"
        yield Line(BAD, "profile", found, "Set it to quick or full, or not at all.")
    else:
        yield Line(GOOD, "profile", chosen or "not set, so the hardware decides")


def room(subject: str, free: float, needed: float, advice: str) -> Line:
    """The line for bytes that are free, where so many gigabytes are needed."""
    found = f"{free / 1e9:.1f} GB free"
    return Line(GOOD, subject, found) if free / 1e9 >= needed else Line(BAD, subject, found, advice)


def check_disk() -> Iterator[Line]:
    """Room for what the profile writes."""
    free, needed = shutil.disk_usage(session.ROOT).free, DISK[profile() or "quick"]
    yield room("disk", free, needed, f"Make room: lessons need {needed} GB.")


def check_memory() -> Iterator[Line]:
    """Room for the largest lesson."""
    import psutil  # comes with the notebooks' kernel

    free = psutil.virtual_memory().available
    yield room("memory", free, MEMORY, f"Close other programs: a lesson takes up to {MEMORY} GB.")


def check_cores() -> Iterator[Line]:
    """Two cores, with which the lessons' times were measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores >= 2:
        yield Line(GOOD, "cores", f"{cores}")
    else:
        yield Line(OTHER, "cores", "1, and lessons take longer than they say, which is for two")


def is_free(port: int) -> bool:
    """Whether a program could listen on a port of this machine's own address."""
    with socket.socket() as listener:
        if os.name != "nt":  # there this would share the port with a program that listens
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_ports() -> Iterator[Line]:
    """For each program that opens a page, a port that it will find."""
    for program, (first, count) in PORTS.items():
        port = next((p for p in range(first, first + count) if is_free(p)), None)
        subject = f"port for {program}"
        if port is None:
            found = f"none from {first} to {first + count - 1} is free"
            yield Line(BAD, subject, found, "End programs that listen there, or restart.")
        elif port != first:
            yield Line(OTHER, subject, f"{first} is in use, so it will be {port}")
        else:
            yield Line(GOOD, subject, f"{port}")


# ---------------------------------------------------------------- what is installed


def check_packages() -> Iterator[Line]:
    """Every package of requirements.txt, not older than its floor."""
    faults, count = 0, 0
    for wanted, version in session.requirements():
        count += 1
        if version is None:
            faults += 1
            yield Line(BAD, wanted.name, "not installed", INSTALL)
        elif not wanted.specifier.contains(version, prereleases=True):
            faults += 1
            yield Line(BAD, wanted.name, f"{version}, needed {wanted.specifier}", INSTALL)
    if not faults:
        yield Line(GOOD, "packages", f"{count}, as requirements.txt asks for")


def check_tables() -> Iterator[Line]:
    """The tables in data/ are there and can be read."""
    faults = 0
    for name in TABLES:
        place = session.ROOT / "data" / name
        try:
            read(place)
        except FileNotFoundError:
            faults += 1
            yield Line(BAD, f"data/{name}", "missing", RESTORE)
        except (OSError, ValueError):
            faults += 1
            yield Line(BAD, f"data/{name}", "damaged", RESTORE)
    if not faults:
        yield Line(GOOD, "tables in data", f"{len(TABLES)}, complete")


def read(place: Path) -> None:
    """Read a table. Errors: OSError, or ValueError if it does not hold what its name says."""
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".json":
        rows = json.loads(text)
    elif place.suffix == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        separator = "," if place.suffix == ".csv" else "\t"
        rows = list(csv.reader(text.splitlines(), delimiter=separator))
    if not rows:
        raise ValueError("empty")


def check_models() -> Iterator[Line]:
    """Every file of the models that ship is as it was written."""
    try:
        faults, names = checksums.damaged(), checksums.listed()
    except (OSError, ValueError):
        yield Line(BAD, f"data/models/{checksums.LIST}", "missing or damaged", RESTORE)
        return
    for name, what in faults.items():
        yield Line(BAD, f"data/models/{name}", what, RESTORE)
    if not faults:
        models = {name.split("/")[0] for name in names}
        yield Line(GOOD, "models in data", f"{len(models)}, complete")


def check_encoder() -> Iterator[Line]:
    """The published sentence encoder of Day 3, where lessons find it without a network."""
    from huggingface_hub import try_to_load_from_cache

    subject, cure = "sentence encoder", "python course.py lab --offline-models"
    if place := weights.packaged(weights.MINILM_PACKAGE):
        if weights.sha256(place / weights.WEIGHTS) == weights.MINILM_SHA256:
            yield Line(GOOD, subject, f"from the package {weights.MINILM_PACKAGE}")
        else:
            remove = f"Remove it (pip uninstall {weights.MINILM_PACKAGE}), then run {cure}."
            yield Line(BAD, subject, "the package does not hold the published weights", remove)
    elif isinstance(try_to_load_from_cache(weights.MINILM, weights.WEIGHTS), str):
        yield Line(GOOD, subject, "from the hub's cache")
    else:
        yield Line(OTHER, subject, f"not here: a small one stands in, unless you run {cure}")


def check_public_models() -> Iterator[Line]:
    """In the full profile, the public models that are here without a network."""
    from huggingface_hub import try_to_load_from_cache

    names = prefetch.MODELS
    here = sum(isinstance(try_to_load_from_cache(name, weights.WEIGHTS), str) for name in names)
    if profile() == "full":
        found = f"{here} of {len(names)} in the hub's cache"
        if here == len(names):
            yield Line(GOOD, "public models", found)
        else:
            cure = "python course.py prefetch gets the others while there is a network"
            yield Line(OTHER, "public models", f"{found}: {cure}")


# ---------------------------------------------------------------- the command

CHECKS = (
    check_python, check_profile, check_disk, check_memory, check_cores, check_ports,
    check_packages, check_tables, check_models, check_encoder, check_public_models,
)  # fmt: skip


def as_table(lines: list[Line]) -> str:
    """The lines with their subjects in one column; advice stands below what it is for."""
    width = max(len(line.subject) for line in lines)
    rows = []
    for line in lines:
        rows.append(f"{line.sign} {line.subject:{width}}  {line.found}")
        if line.advice:
            rows.append(f"  {'':{width}}  {line.advice}")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Print the list and return the exit code: 0, 1 (something to put right) or 2 (an option)."""
    if arguments := sys.argv[1:] if arguments is None else arguments:
        print(f"check takes no options, and was given {arguments[0]}.", file=sys.stderr)
        return 2
    lines = [line for check in CHECKS for line in check()]
    faults = sum(line.sign == BAD for line in lines)
    print(as_table(lines))
    print(f"\n{faults} to put right." if faults else "\nReady.")
    return int(faults > 0)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
