"""The recap's tables follow the results; its quiz and those before each day are sound."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import quiz, session

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "day3_huggingface_finetuning" / "11_recap.ipynb"
RESULTS = ROOT / "data" / "results.json"
LESSONS = {
    f"{path.parent.name[3]}.{path.name[:2]}"
    for path in (ROOT / "notebooks").glob("day*/[0-9][0-9]_*.ipynb")
}


# ---------------------------------------------------------------- the tables


@pytest.fixture(scope="module")
def recap() -> SimpleNamespace:
    """What the cells marked `# table` define; they are all that the tables are made with."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    tables = [source for source in sources if source.startswith("# table\n")]
    assert len(tables) >= 8
    names: dict[str, Any] = {}
    exec("import json, math, textwrap\nfrom pathlib import Path\n" + "\n".join(tables), names)
    return SimpleNamespace(**names)


def stored() -> dict:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def altered(recap, tmp_path, lesson: str, claim: str, value: float | None) -> dict:
    """The results, read from a copy in which one claim has another value (None: it is gone)."""
    copy = stored()
    name = next(n for n in copy if "/" in n and recap.number(n) == lesson)
    rows = copy[name]["claims"]
    assert any(row["claim"] == claim for row in rows), f"{lesson} measures no {claim!r}"
    rows[:] = [row for row in rows if value is not None or row["claim"] != claim]
    for row in rows:
        if row["claim"] == claim:
            row["value"] = value
    path = tmp_path / "results.json"
    path.write_text(json.dumps(copy), encoding="utf-8")
    return recap.read_results(path)


def test_the_results_are_read(recap):
    results = recap.read_results(RESULTS)
    assert all(re.fullmatch(r"[123]\.\d\d", lesson) for lesson, _ in results)
    rows = stored()["day1_foundations_vae/06_variational_autoencoders"]["claims"]
    assert results["1.06", rows[0]["claim"]] == rows[0]["value"]


def test_a_changed_result_changes_the_table_of_models(recap, tmp_path):
    before = recap.image_table(recap.read_results(RESULTS))
    results = altered(recap, tmp_path, "2.01", "GAN, Fréchet distance", 1.25)
    after = recap.image_table(results)
    assert next(iter(after)) == "GAN" != next(iter(before))  # the best one comes first
    assert after["GAN"]["Fréchet distance"] == 1.25
    assert {n: r for n, r in after.items() if n != "GAN"} == {
        n: r for n, r in before.items() if n != "GAN"
    }


@pytest.mark.parametrize(
    ("lesson", "claim", "pattern", "column"),
    [
        ("1.06", "conditional VAE, Fréchet distance", "VAE", 3),
        ("1.06", "drawn digits that the judge reads as asked", "VAE", 4),
        ("2.02", "conditional GAN, seconds of training", "GAN", 5),
        ("2.04", "diffusion, test −log p(x) at most", "diffusion", 2),
        ("2.04", "class right at w = 1", "diffusion", 4),
        ("2.08", "above the floor, the storyteller that ships", "transformer", 2),
        ("2.09", "questions answered right, instructed", "transformer", 4),
    ],
)
def test_a_changed_result_changes_its_field_only(recap, tmp_path, lesson, claim, pattern, column):
    def table(results):
        return {row[0]: row for row in recap.pattern_table(results, 60.0, 1000)}

    before = table(recap.read_results(RESULTS))
    after = table(altered(recap, tmp_path, lesson, claim, 0.123))
    changed = {
        (name, place)
        for name, row in after.items()
        for place, text in enumerate(row)
        if text != before[name][place]
    }
    assert changed == {(pattern, column)}


def test_what_did_not_run_is_said(recap, tmp_path):
    claim = "questions answered right, instructed"
    results = altered(recap, tmp_path, "2.09", claim, None)
    transformer = recap.pattern_table(results, 60.0, 1000)[-1]
    assert transformer[4] == "not run yet"
    results = altered(recap, tmp_path, "2.02", "one class: to nearest", 0.5)
    assert 0.5 in recap.nearest_table(results).values()


def test_every_field_of_the_tables_is_measured(recap):
    """A claim that a lesson renames would leave a hole."""
    results = recap.read_results(RESULTS)
    assert set(recap.OBEYS.values()) | set(recap.NEAREST.values()) <= set(results)
    for row in recap.pattern_table(results, 60.0, 1000):
        assert "not run yet" not in row


# ---------------------------------------------------------------- the quiz

QUESTIONS = quiz.load()


def test_the_quiz_has_forty_questions_on_all_days():
    assert len(QUESTIONS) == 40
    assert len({row["stem"] for row in QUESTIONS}) == 40
    days = Counter(row["lesson"][0] for row in QUESTIONS)
    assert min(days[day] for day in "123") >= 10
    assert [row["lesson"] for row in QUESTIONS] == sorted(row["lesson"] for row in QUESTIONS)
    assert quiz.load(2) == [row for row in QUESTIONS if row["lesson"][0] == "2"]


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: row["stem"][:40])
def test_a_question_is_whole(row):
    assert set(row) == {"stem", "options", "answer", "lesson", "why"}
    assert len(row["options"]) == len({text.lower() for text in row["options"]}) == 4
    assert row["answer"] in tuple("ABCD")  # one letter: exactly one right option
    assert len(row["stem"]) > 20 and len(row["why"]) > 20
    assert row["lesson"] in LESSONS, f"there is no lesson {row['lesson']}"


def test_every_lesson_is_asked_about():
    """The recap itself aside."""
    assert {row["lesson"] for row in QUESTIONS} == LESSONS - {"3.11"}


def test_no_letter_and_no_length_gives_the_answer_away():
    letters = Counter(row["answer"] for row in QUESTIONS)
    assert max(letters.values()) <= 12 and min(letters.values()) >= 8
    longest = sum(
        len(row["options"]["ABCD".index(row["answer"])]) > max(
            len(text) for text, letter in zip(row["options"], "ABCD", strict=True)
            if letter != row["answer"]
        )
        for row in QUESTIONS
    )  # fmt: skip
    assert longest <= 15
    same = [a["answer"] == b["answer"] for a, b in pairwise(QUESTIONS)]
    assert sum(same) <= 16


def test_marks_and_advice(capsys):
    right = {n: row["answer"] for n, row in enumerate(QUESTIONS, 1)}
    quiz.mark(QUESTIONS, right)
    assert "See again" not in capsys.readouterr().out
    wrong = right | {1: "A" if right[1] != "A" else "B"}
    del wrong[40]
    quiz.mark(QUESTIONS, wrong)
    lines = capsys.readouterr().out.splitlines()
    first = sum(row["lesson"][0] == "1" for row in QUESTIONS)
    last = sum(row["lesson"][0] == "3" for row in QUESTIONS)
    assert lines[0] == f"Day 1: {first - 1} of {first} right, 0 open"
    assert lines[2] == f"Day 3: {last - 1} of {last} right, 1 open"
    assert lines[3].startswith(f"✗ 1. It is {right[1]}. ")
    assert lines[4] == f"See again: {QUESTIONS[0]['lesson']}"


@pytest.mark.parametrize("answers", [{0: "A"}, {41: "A"}, {1: "E"}, {1: "AB"}, {1: "a"}])
def test_marking_refuses_what_is_no_answer(answers):
    with pytest.raises(ValueError, match="no question"):
        quiz.mark(QUESTIONS, answers)


def test_the_form_takes_answers(monkeypatch):
    shown = []
    monkeypatch.setattr(quiz.widgets, "_display", lambda widget, text: shown.append((widget, text)))
    answers = quiz.ask(QUESTIONS[:3])
    ((form, text),) = shown
    assert text.startswith("3 questions") and answers == {}
    stem, options, (at, step) = *form.children[:2], form.children[2].children
    options.index = 1
    step.click()
    assert QUESTIONS[1]["stem"] in stem.value and options.index is None
    options.index = 3
    step.click(), step.click()  # the last one is the end
    assert at.value == 3 and answers == {1: "B", 2: "D"}
    at.value = 1
    assert options.index == 1 and answers == {1: "B", 2: "D"}
    options.index = 0
    assert answers[1] == "A"


# ---------------------------------------------------------------- the quizzes before each day

BEFORE = {day: quiz.before(day) for day in (1, 2, 3)}
EACH = [row for rows in BEFORE.values() for row in rows]


def sections(lesson: str) -> set[int]:
    """The numbers of a lesson's sections."""
    (path,) = (ROOT / "notebooks").glob(f"day{lesson[0]}_*/{lesson[2:]}_*.ipynb")
    text = path.read_text(encoding="utf-8")
    return {int(number) for number in re.findall(r'"## (\d+)\. ', text)}


@pytest.mark.parametrize("row", EACH, ids=lambda row: row["stem"][:40])
def test_a_question_before_a_day_is_whole(row):
    assert set(row) == {"stem", "options", "answer", "lesson", "section", "why"}
    assert len(row["options"]) == len({text.lower() for text in row["options"]}) == 4
    assert row["answer"] in tuple("ABCD")  # one letter: exactly one right option
    assert sorted(row["why"]) == sorted(set("ABCD") - {row["answer"]})  # why each other is wrong
    assert all(len(why) > 20 and why.endswith(".") for why in row["why"].values())
    assert len(set(row["why"].values())) == 3
    assert row["section"] in sections(row["lesson"]), "the lesson has no such section"


@pytest.mark.parametrize("day", BEFORE)
def test_each_day_has_a_quiz_of_its_own_lessons(day):
    rows = BEFORE[day]
    assert len(rows) == 12 and len({row["stem"] for row in EACH}) == 36
    of_day = {row["lesson"] for row in rows if row["lesson"][0] == str(day)}
    assert of_day == {lesson for lesson in LESSONS if lesson[0] == str(day)} - {"3.11"}
    earlier = [row for row in rows if row["lesson"][0] != str(day)]
    assert all(row["lesson"][0] < str(day) for row in earlier) and bool(earlier) == (day > 1)
    letters = Counter(row["answer"] for row in rows)
    assert set(letters.values()) == {3}
    for pick in (max, min):  # neither the longest nor the shortest option gives it away
        lengths = [[len(text) for text in row["options"]] for row in rows]
        right = ["ABCD".index(row["answer"]) for row in rows]
        alone = [
            n[at] == pick(n) and n.count(n[at]) == 1 for n, at in zip(lengths, right, strict=True)
        ]
        assert sum(alone) <= 6


def test_no_question_is_asked_twice():
    known = {row["stem"].lower() for row in QUESTIONS}
    right = {row["options"]["ABCD".index(row["answer"])].lower() for row in QUESTIONS}
    for row in EACH:
        assert row["stem"].lower() not in known
        assert row["options"]["ABCD".index(row["answer"])].lower() not in right


def test_advice_before_a_day(capsys):
    rows = BEFORE[2]
    right = {number: row["answer"] for number, row in enumerate(rows, 1)}
    quiz.advise(rows, right)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "12 of 12 right, 0 open"
    assert printed[1:] == [
        "Quick reading will do: 2.01, 2.02, 2.03, 2.04, 2.05, 2.06, 2.07, 2.08, 2.09"
    ]
    letter = next(letter for letter in "ABCD" if letter != right[1])
    answers = right | {1: letter}
    del answers[7]
    quiz.advise(rows, answers)
    assert capsys.readouterr().out.splitlines() == [
        "10 of 12 right, 1 open",
        f"✗ 1. It is {right[1]}. {rows[0]['why'][letter]} See 1.01, section 5.",
        "See again before the day: 1.01",
        "Do not miss: 2.05",
        "Quick reading will do: 2.01, 2.02, 2.03, 2.04, 2.06, 2.07, 2.08, 2.09",
    ]
    with pytest.raises(ValueError, match="no question 13"):
        quiz.advise(rows, {13: "A"})
    with pytest.raises(ValueError, match="day is 1, 2 or 3, not 4"):
        quiz.before(4)


def test_a_place_for_the_quiz():
    assert (session.ROOT / "data" / "quiz.json").is_file()
