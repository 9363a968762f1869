"""Exercises that check themselves.

    from helpers.exercises import exercise, hint, progress, solution

`@exercise("name")` above a function checks it as soon as its cell runs; `hint("name")` nudges,
`solution("name")` shows an answer, `progress()` lists what has been tried, in this session and in
earlier ones (`record.py`). The engine is in `engine.py`; the exercises themselves, a module a
day, are in `day1.py` and its neighbors.
"""

from helpers.exercises.engine import exercise, hint, progress, solution

__all__ = ["exercise", "hint", "progress", "solution"]
