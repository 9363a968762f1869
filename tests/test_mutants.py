"""Proof that the suite can fail: lessons are broken on purpose, and what is noticed is counted.

A mutant is an edit of a lesson's code, which a careless author or student might make (mutants_day1
to mutants_day3), or of one character in a line of its stored outputs. Running the mutants of code
takes some two hours, so by request: `python course.py test -m slow -k mutants`; those that nothing
notices stand in SURVIVORS with the reason. That every edit still fits, and what becomes of changed
outputs, is checked by the fast tests; build/mutants.md counts the outputs.
"""

import json
import re
import subprocess
import sys
import zlib
from collections import Counter

import mutants_day1
import mutants_day2
import mutants_day3
import pytest
from nbval.plugin import get_sanitize_patterns

from tools import run

DAYS = (mutants_day1, mutants_day2, mutants_day3)
CODE = {lesson: edits for day in DAYS for lesson, edits in day.CODE.items()}
SURVIVORS = {lesson: why for day in DAYS for lesson, why in day.SURVIVORS.items()}
LESSONS = {run.label_of(path).split()[0]: path for path in run.lessons()}
SETTINGS = (run.ROOT / "tests" / "nbval.cfg").read_text(encoding="utf-8")
RULES = [(re.compile(pattern), new) for pattern, new in get_sanitize_patterns(SETTINGS)]
# What nbval lets pass among the stored lines, and why that is accepted.
NOT_COMPARED = "in a cell whose numbers depend on the machine; its claims have bands of their own"
MEASURED = "a measured number, a time or a version; the running cell judges the number by its band"


def code_cells(lesson: str) -> list[dict]:
    cells = json.loads(LESSONS[lesson].read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def broken(lesson: str, old: str, new: str) -> dict:
    """The notebook with one edit in its code."""
    notebook = json.loads(LESSONS[lesson].read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert sum("".join(cell["source"]).count(old) for cell in cells) == 1, f"{old!r}: not once"
    assert old != new
    for cell in cells:
        cell["source"] = "".join(cell["source"]).replace(old, new)
    return notebook


def place_of(lesson: str, name: str) -> int:
    """The number, from 0, of the code cell that an edit changes."""
    old = CODE[lesson][name][0]
    cells = enumerate(code_cells(lesson))
    return next(number for number, cell in cells if old in "".join(cell["source"]))


def as_compared(text: str) -> str:
    """A text output as nbval compares it."""
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


def changed_lines(text: str):
    """The text once for each of its lines, with one letter or digit of that line changed."""
    start = 0
    for line in text.splitlines(keepends=True):
        places = [match.start() for match in re.finditer(r"[^\W_]", line)]
        if places:
            i = start + places[zlib.crc32(line.encode()) % len(places)]
            other = str((int(text[i]) + 1) % 10) if text[i] in "0123456789" else "x"
            yield text[:i] + (other if other != text[i] else "y") + text[i + 1 :]
        start += len(line)


def fates(lesson: str) -> Counter:
    """How many changed lines are noticed, and how many are not, by reason."""
    counts = Counter()
    for cell in code_cells(lesson):
        tagged = "nbval-ignore-output" in cell["metadata"].get("tags", [])
        for output in cell["outputs"]:
            texts = [output["text"]] if "text" in output else []
            texts += [v for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
            for text in map("".join, texts):
                for changed in changed_lines(text):
                    same = as_compared(changed) == as_compared(text)
                    counts[NOT_COMPARED if tagged else MEASURED if same else "noticed"] += 1
    return counts


def test_every_lesson_is_broken_and_each_edit_fits():
    assert CODE.keys() == LESSONS.keys()
    for lesson, edits in CODE.items():
        for old, new in edits.values():
            broken(lesson, old, new)
    assert all(why.keys() <= CODE[lesson].keys() for lesson, why in SURVIVORS.items())
    assert sum(map(len, SURVIVORS.values())) <= 0.15 * sum(map(len, CODE.values()))


def test_changed_outputs_are_noticed():
    lines = {lesson: fates(lesson) for lesson in LESSONS}
    every = sum(lines.values(), Counter())
    rows = ["| lesson | lines of output, each changed | noticed |", "|---|---|---|"]
    rows += [f"| {name} | {n.total()} | {n['noticed']} |" for name, n in lines.items()]
    rows += [f"| all | {every.total()} | {every['noticed']} |", "", "Not noticed:", ""]
    rows += [f"- {every[reason]} lines: {reason}" for reason in (NOT_COMPARED, MEASURED)]
    table = run.ROOT / "build" / "mutants.md"
    table.parent.mkdir(exist_ok=True)
    table.write_text("\n".join([*rows, ""]), encoding="utf-8")
    assert every["noticed"] >= 0.85 * every.total()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lesson", "name"), [(lesson, name) for lesson, names in CODE.items() for name in names]
)
def test_a_mistake_is_noticed(lesson, name, tmp_path):
    path = tmp_path / LESSONS[lesson].name
    notebook = broken(lesson, *CODE[lesson][name])
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
         f"--rootdir={run.ROOT}", "-c", run.ROOT / "pyproject.toml", path],
        cwd=run.ROOT, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    if failed := re.search(r"^FAILED .*::Cell (\d+)", done.stdout, re.MULTILINE):
        assert int(failed[1]) >= place_of(lesson, name), "a cell before the mistake fails as it is"
    assert bool(failed) == bool(done.returncode), done.stdout
    survives = name in SURVIVORS.get(lesson, {})
    if survives:
        assert done.returncode == 0, "it is noticed now: take it out of SURVIVORS"
    else:
        assert done.returncode == 1, "nothing noticed it: the lesson needs a check, or a reason"
