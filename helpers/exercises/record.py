"""What stays of the exercises when a kernel ends: for each that was tried, right or wrong.

One small file an exercise, in data/cache/progress, so that notebooks that run at the same time
write to different files; each is replaced as a whole. It holds one word and nothing about the
person. GENAI_PROGRESS names another folder, or is "off": tests and `tools.run` neither read nor
write a student's record. Nothing here raises: a lesson goes on without its record.
"""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from helpers import session

RIGHT, WRONG = "right", "wrong"

# The lesson of an exercise, by the first half of its name; "" is the notebook to start with.
LESSONS = {
    "start": "",
    "generative": "1.01",
    "primer": "1.02",
    "latents": "1.03",
    "energy": "1.04",
    "autoencoders": "1.05",
    "vae": "1.06",
    "discrete": "1.07",
    "gan": "2.01",
    "better_gans": "2.02",
    "style": "2.03",
    "cycle": "2.03",
    "diffusion": "2.04",
    "ngram": "2.05",
    "w2v": "2.05",
    "bpe": "2.05",
    "lstm": "2.05",
    "attention": "2.06",
    "transformer": "2.07",
    "gpt": "2.08",
    "llms": "2.09",
    "hf": "3.01",
    "train": "3.02",
    "tune": "3.03",
    "transfer": "3.04",
    "peft": "3.05",
    "align": "3.06",
    "multimodal": "3.07",
    "tools": "3.08",
    "evaluate": "3.09",
    "app": "3.10",
    "recap": "3.11",
}


def folder() -> Path | None:
    """Where the record is kept; None if it is switched off."""
    chosen = os.environ.get("GENAI_PROGRESS", "").strip()
    if chosen.lower() == "off":
        return None
    return Path(chosen) if chosen else session.CACHE / "progress"


def load() -> dict[str, str]:
    """Name of an exercise -> "right" or "wrong"; a file that cannot be read is left out."""
    states = {}
    for path in _files():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            state = json.loads(path.read_text(encoding="utf-8"))["state"]
            if state in (RIGHT, WRONG):
                states[path.stem] = state
    return states


def keep(name: str, state: str) -> bool:
    """Replace what is kept of one exercise; False if that cannot be written."""
    where = folder()
    if where is None:
        return True
    part = None
    try:
        where.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(suffix=".part", dir=where)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump({"state": state}, file)
        _replace(part, where / f"{name}.json")
    except (OSError, ValueError):
        if part:
            with contextlib.suppress(OSError):
                os.unlink(part)
        return False
    return True


def forget() -> bool:
    """Delete the record; False if some of it is still there."""
    for path in _files():
        with contextlib.suppress(OSError):
            path.unlink()
    return not _files()


def _files() -> list[Path]:
    where = folder()
    try:
        return sorted(path for path in where.glob("*.json") if path.is_file()) if where else []
    except (OSError, ValueError):
        return []


def _replace(part: str, place: Path) -> None:
    for wait in (0.01, 0.1, 0):  # Windows refuses while another notebook reads the old file
        try:
            return os.replace(part, place)
        except PermissionError:
            if not wait:
                raise
            time.sleep(wait)


def summary(states: Mapping[str, str], here: set[str], names: list[str]) -> list[str]:
    """The lines that tell how far a student is, by day and lesson.

    states   name -> "right" or "wrong"; names that are not among `names` are passed over
    here     names that the running session has tried; others are marked with a star
    names    all exercises, in the order of the course
    """
    by_lesson: dict[str, list[str]] = {}
    for name in names:
        by_lesson.setdefault(LESSONS.get(name.split(".")[0], "?"), []).append(name)
    counts = [sum(states.get(name) == state for name in names) for state in (RIGHT, WRONG)]
    lines = [
        f"All sessions: {counts[0]} of {len(names)} exercises solved, {counts[1]} tried and not "
        f"right, {len(names) - sum(counts)} not attempted."
    ]
    if "" in by_lesson:
        lines.append(_line("Start", by_lesson.pop(""), states, here))
    by_lesson = dict(sorted(by_lesson.items()))  # the days load in any order
    for day in dict.fromkeys(lesson[0] for lesson in by_lesson):
        lessons = {lesson: those for lesson, those in by_lesson.items() if lesson[0] == day}
        of_day = [name for those in lessons.values() for name in those]
        if not any(name in states for name in of_day):
            lines.append(f"Day {day}: none of {len(of_day)} attempted")
            continue
        lines.append(f"Day {day}")
        lines += [f"  {_line(lesson, those, states, here)}" for lesson, those in lessons.items()]
    if any(name in states and name not in here for name in names):
        lines.append("* in an earlier session, or in another notebook")
    return lines


def _line(label: str, names: list[str], states: Mapping[str, str], here: set[str]) -> str:
    """One lesson: how many of its exercises are solved, and which are what."""
    if not any(name in states for name in names):
        return f"{label}  none of {len(names)} attempted"
    parts = []
    for state, words in ((RIGHT, "solved"), (WRONG, "not right"), (None, "not attempted")):
        those = [
            name.split(".")[-1] + ("*" if state and name not in here else "")
            for name in names
            if states.get(name) == state
        ]
        if those:
            parts.append(f"{words}: {', '.join(those)}")
    solved = sum(states.get(name) == RIGHT for name in names)
    return f"{label}  {solved} of {len(names)}; {'; '.join(parts)}"
