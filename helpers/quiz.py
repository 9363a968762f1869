"""Quizzes: questions in data/, a form to answer them, and marks with advice.

The quiz of lesson 3.11 has forty questions (`load`, `mark`); before each day twelve others say
which lessons not to miss (`before`, `advise`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from helpers import session, widgets

LETTERS = "ABCD"


def load(day: int | None = None) -> list[dict[str, Any]]:
    """The questions, of one day or of all, in the order of the lessons.

    Each has stem, options (four), answer (A to D), lesson (1.06 is lesson 6 of Day 1) and why.
    """
    rows = json.loads((session.ROOT / "data" / "quiz.json").read_text(encoding="utf-8"))
    return [row for row in rows if day is None or row["lesson"].startswith(f"{day}.")]


def before(day: int) -> list[dict[str, Any]]:
    """The questions to be answered before a day, 1 to 3: what it builds on, and what it teaches.

    Each has stem, options, answer and lesson as in `load`, section (of that lesson), and why: for
    each wrong letter, what is wrong with it. Errors: ValueError for another day.
    """
    days = json.loads((session.ROOT / "data" / "quiz_before.json").read_text(encoding="utf-8"))
    if str(day) not in days:
        raise ValueError(f"day is 1, 2 or 3, not {day!r}")
    return days[str(day)]


def ask(questions: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Show the questions one by one; return the answers, number -> letter, as they are given.

    The first question has number 1. Without a kernel one line of text stands in its place.
    """
    import ipywidgets

    answers: dict[int, str] = {}
    at = ipywidgets.BoundedIntText(
        1, min=1, max=len(questions), description="question", layout={"width": "160px"}
    )
    stem = ipywidgets.HTMLMath()
    options = ipywidgets.RadioButtons(layout={"width": "95%"})
    turning = False

    def head() -> None:
        question = questions[at.value - 1]
        stem.value = f"<b>{at.value}. {question['stem']}</b> ({len(answers)} answered)"

    def turn(_=None) -> None:
        nonlocal turning
        turning = True
        question = questions[at.value - 1]
        head()
        lines = [f"{a}: {text}" for a, text in zip(LETTERS, question["options"], strict=True)]
        options.options = lines
        chosen = answers.get(at.value)
        options.index = LETTERS.index(chosen) if chosen else None
        turning = False

    def choose(change) -> None:
        if not turning and change["new"] is not None:
            answers[at.value] = LETTERS[change["new"]]
            head()

    at.observe(turn, names="value")
    options.observe(choose, names="index")
    step = ipywidgets.Button(description="Next")
    step.on_click(lambda _: setattr(at, "value", min(at.value + 1, len(questions))))
    turn()
    widgets._display(
        ipywidgets.VBox([stem, options, ipywidgets.HBox([at, step])]),
        f"{len(questions)} questions: choose an option, press Next, and run the next cell.",
    )
    return answers


def mark(questions: Sequence[Mapping[str, Any]], answers: Mapping[int, str]) -> None:
    """Print the right answers by day, and for each wrong one why, and which lesson to see again.

    answers: number of the question, from 1, -> A, B, C or D; what is missing counts as open.
    Errors: ValueError for a number without a question or another letter.
    """
    _check(questions, answers)
    wrong = []
    for day in sorted({question["lesson"][0] for question in questions}):
        asked = [(n, q) for n, q in enumerate(questions, 1) if q["lesson"][0] == day]
        missed = [(n, q) for n, q in asked if n in answers and answers[n] != q["answer"]]
        given = sum(n in answers for n, _ in asked)
        print(f"Day {day}: {given - len(missed)} of {len(asked)} right, {len(asked) - given} open")
        wrong += missed
    for number, question in wrong:
        print(f"✗ {number}. It is {question['answer']}. {question['why']}")
    if lessons := sorted({question["lesson"] for _, question in wrong}):
        print("See again:", ", ".join(lessons))


def advise(questions: Sequence[Mapping[str, Any]], answers: Mapping[int, str]) -> None:
    """Print what was wrong with each wrong answer, and which lessons to read with care.

    questions: of `before`; answers: as for `mark`. An open question counts as not known.
    """
    _check(questions, answers)
    day = max(question["lesson"][0] for question in questions)
    missed = {n: q for n, q in enumerate(questions, 1) if answers.get(n) != q["answer"]}
    open_ones = sum(n not in answers for n in missed)
    print(f"{len(questions) - len(missed)} of {len(questions)} right, {open_ones} open")
    for number, question in missed.items():
        if number in answers:
            print(
                f"✗ {number}. It is {question['answer']}. {question['why'][answers[number]]} "
                f"See {question['lesson']}, section {question['section']}."
            )
    unknown = {question["lesson"] for question in missed.values()}
    known = {question["lesson"] for question in questions} - unknown
    for words, lessons in (
        ("See again before the day:", [x for x in unknown if x[0] < day]),
        ("Do not miss:", [x for x in unknown if x[0] == day]),
        ("Quick reading will do:", [x for x in known if x[0] == day]),
    ):
        if lessons:
            print(words, ", ".join(sorted(lessons)))


def _check(questions: Sequence[Mapping[str, Any]], answers: Mapping[int, str]) -> None:
    for number, letter in answers.items():
        if number not in range(1, len(questions) + 1) or letter not in tuple(LETTERS):
            raise ValueError(f"no question {number!r} with an option {letter!r}")
