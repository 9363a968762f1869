"""A student who solves everything: each lesson, with right answers typed in, runs and holds.

Slow (as long as the lessons), so by request: `python course.py test -m slow -k solved`. When a
lesson has run, each of its sliders is moved to both ends: what it draws must still be there.
"""

import importlib
import re
import textwrap

import nbformat
import pytest

from tools import run

STUB = "    ...  # your code"
WATCH = """
from helpers import widgets as _widgets

_sliders, _shown = _widgets.sliders, []


def _remembered(draw, ranges, **options):
    _shown.append((draw, ranges))
    _sliders(draw, ranges, **options)


_widgets.sliders = _remembered
"""
MOVE = """
for _draw, _ranges in _shown:
    _start = {name: r if isinstance(r, str) else r[2] for name, r in _ranges.items()}
    for _name, _range in _ranges.items():
        for _value in [_range] if isinstance(_range, str) else _range[:2]:
            assert _draw(**{**_start, _name: _value}).ndim in (2, 3), _name
print(len(_shown), "sliders moved")
"""


def answers(lesson) -> dict:
    """Answers to the exercises of a lesson's day; those of the start page are with Day 1."""
    return importlib.import_module(f"answers_day{run.day_of(lesson) or 1}").ANSWERS


def solve(notebook, bodies) -> list[str]:
    """Type bodies[name] into each exercise of the notebook; return the names."""
    names = []
    for cell in notebook.cells:
        found = re.search(r'^@exercise\("([\w.]+)"\)', cell.source, re.MULTILINE)
        if cell.cell_type == "code" and found:
            assert cell.source.count(STUB) == 1, found[1]
            body = textwrap.dedent(bodies[found[1]].right[0]).strip("\n")
            cell.source = cell.source.replace(STUB, textwrap.indent(body, "    "))
            names.append(found[1])
    return names


@pytest.mark.parametrize("lesson", run.lessons(), ids=run.name_of)
def test_every_exercise_has_a_place_to_type_in(lesson):
    assert solve(nbformat.read(lesson, as_version=4), answers(lesson))


@pytest.mark.slow
@pytest.mark.parametrize("lesson", run.lessons(), ids=run.name_of)
def test_a_solved_lesson_runs(lesson, tmp_path):
    notebook = nbformat.read(lesson, as_version=4)
    names = solve(notebook, answers(lesson))
    start = next(i for i, cell in enumerate(notebook.cells) if "session.start(" in cell.source)
    notebook.cells.insert(start + 1, nbformat.v4.new_code_cell(WATCH))
    notebook.cells.append(nbformat.v4.new_code_cell(MOVE))
    path = tmp_path / lesson.name
    nbformat.write(notebook, path)
    executed, result = run.execute(path, seed=None)
    assert result["error"] is None
    assert all(claim["held"] is not False for claim in result["claims"])
    printed = "".join(o.get("text", "") for c in executed.cells for o in c.get("outputs", []))
    assert f"{len(names)} of {len(names)} right in this session." in printed
    shown = sum("sliders(" in cell.source for cell in notebook.cells[start + 2 : -1])
    assert f"{shown} sliders moved" in printed
