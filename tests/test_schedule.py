"""The instructor's schedule adds up, by the minutes that the lessons themselves state."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| (\d+):(\d\d) \| (\d+):(\d\d) \| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
MARK = re.compile(
    r"^## (?P<section>\d+)\. .*?(?P<takes>\d+) minutes"
    r"|\*\*Exercise (?P<exercise>\d+)\*\* \(\w+, (?P<needs>\d+) minutes(?P<where>[^)]*)\)",
    re.M,
)


def markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def read_lesson(text: str) -> SimpleNamespace:
    """The minutes that the opening cell states, of each section, of each exercise in class."""
    lesson = SimpleNamespace(sections={}, exercises={})
    lesson.stated = int(re.search(r"\*\*Time\*\*: (?:about )?(\d+) minutes", text)[1])
    for mark in MARK.finditer(text):
        if mark["section"]:
            here = int(mark["section"])
            lesson.sections[here] = int(mark["takes"])
        elif not re.search("home|after class", mark["where"]):
            lesson.exercises[int(mark["exercise"])] = here, int(mark["needs"])
    return lesson


def core_lessons() -> dict[str, SimpleNamespace]:
    """The lessons marked C on the start page, as "2.04", in the order of the days."""
    start = markdown(ROOT / "notebooks/00_start_here.ipynb")
    paths = sorted(re.findall(r"\((day\d_\w+/\d\d_\w+\.ipynb)\) C", start))
    return {
        f"{path[3]}.{path.split('/')[1][:2]}": read_lesson(markdown(ROOT / "notebooks" / path))
        for path in paths
    }


def numbers(text: str) -> list[int]:
    """The numbers in "1 to 3, 6"."""
    found = re.findall(r"(\d+)(?: to (\d+))?", text)
    return [n for a, b in found for n in range(int(a), int(b or a) + 1)]


def plan(lesson: SimpleNamespace, in_class: str, moved: str) -> tuple[int, int, str]:
    """Minutes that a block needs, minutes that it moves home, and what is wrong with it, if any."""
    sections, _, exercises = moved.partition("exercise")
    stay, go, exercises = numbers(in_class), numbers(sections), numbers(exercises)
    if set(stay) & set(go) or not set(stay + go) <= set(lesson.sections):
        return 0, 0, "a section does not exist, or is in two places"
    if any(n not in lesson.exercises or lesson.exercises[n][0] not in stay for n in exercises):
        return 0, 0, "a moved exercise is no part of the class"
    here, gone = (sum(lesson.sections[n] for n in part) for part in (stay, go))
    saved = sum(lesson.exercises[n][1] for n in exercises)
    forgotten = here + gone < lesson.stated - 5  # some lessons round their sum up to five minutes
    needed = max(here, lesson.stated - gone) - saved
    return needed, gone + saved, "sections are forgotten" if forgotten else ""


def faults(schedule: str, lessons: dict[str, SimpleNamespace]) -> Iterator[str]:
    """What does not add up, in words."""
    taught = []
    for day in schedule.split("\n## Day ")[1:]:
        end, at_work, since_break, stated, in_blocks, home = None, 0, 0, 0, 0, 0
        for *times, what, in_class, moved in ROW.findall(day):
            hour, minute, to_hour, to_minute, minutes = map(int, times)
            begin = 60 * hour + minute
            if end not in (None, begin):
                yield f"a gap or an overlap before {what}"
            end = 60 * to_hour + to_minute
            if end - begin != minutes:
                yield f"the minutes of {what} do not fit its times"
            if what.startswith(("Break", "Lunch")):
                since_break = 0
                continue
            at_work, since_break = at_work + minutes, since_break + minutes
            if since_break > 90:
                yield f"no break for {since_break} minutes by the end of {what}"
            if what[:4] in lessons:
                lesson = lessons[what[:4]]
                needed, moved_home, fault = plan(lesson, in_class, moved)
                if fault or minutes < needed:
                    yield f"{what}: {fault or f'{minutes} minutes, {needed} needed'}"
                taught.append(what[:4])
                stated, in_blocks = stated + lesson.stated, in_blocks + minutes
                home += moved_home
        if at_work > 360:
            yield f"{at_work} minutes of work in a day"
        sums = f"state {stated} minutes; {in_blocks} are taught here, {home} move home"
        if sums not in day:
            yield f"the day does not say: {sums}"
    if taught != list(lessons):
        yield "the core lessons are not there once each and in order"


def test_the_schedule_adds_up():
    schedule = (ROOT / "docs/instructor/schedule.md").read_text(encoding="utf-8")
    assert list(faults(schedule, core_lessons())) == []


TOY = """
## Day 1
The lessons state 90 minutes; 85 are taught here, 15 move home.

| 9:00 | 9:40 | 40 | 1.01 Coins | 1, 2 | – |
| 9:40 | 9:50 | 10 | Break | – | – |
| 9:50 | 10:35 | 45 | 1.03 Dice | 1, 3 | section 2, exercise 2 |
"""
LESSONS = {
    "1.01": "**Time**: 30 minutes\n## 1. Heads (10 minutes)\n## 2. Tails (20 minutes)",
    "1.03": "**Time**: 60 minutes\n## 1. Six (20 minutes)\n"
    "**Exercise 1** (easy, 5 minutes, at home)\n## 2. Two (10 minutes)\n"
    "## 3. All (30 minutes)\n**Exercise 2** (hard, 5 minutes)",
}


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("", "", None),
        ("| 9:50 |", "| 9:55 |", "a gap or an overlap"),
        ("| 9:40 | 40", "| 9:40 | 50", "do not fit its times"),
        ("Break", "Questions", "no break for 95 minutes"),
        ("10:35 | 45", "16:35 | 405", "445 minutes of work"),
        ("10:35 | 45", "10:30 | 40", "Dice: 40 minutes, 45 needed"),
        (", exercise 2", "", "Dice: 45 minutes, 50 needed"),
        ("exercise 2", "exercise 1", "no part of the class"),
        ("section 2", "–", "Dice: sections are forgotten"),
        ("section 2", "section 3", "in two places"),
        ("1.03 Dice", "1.01 Dice", "once each and in order"),
        ("1.01 Coins", "Coins", "once each and in order"),
        ("state 90", "state 80", "state 90 minutes"),
        ("15 move", "10 move", "15 move home"),
    ],
)
def test_every_fault_is_found(right, wrong, complaint):
    lessons = {name: read_lesson(text) for name, text in LESSONS.items()}
    found = list(faults(TOY.replace(right, wrong, 1), lessons))
    assert any(complaint in fault for fault in found) if complaint else found == []


# ---------------------------------------------------------------- the questions to think about

QUESTION = re.compile(r"^(?:<details><summary>)?(\d+)\. ", re.M)
FOLDED = re.compile(r"\*\*Folded answers\*\*[^:]*, in short: (.*?)(?=\n\n|\n- |\Z)", re.S)
PATHS = sorted((ROOT / "notebooks").glob("day*/[0-9][0-9]_*.ipynb"))


def questions(text: str) -> list[int]:
    """The numbers of a lesson's questions to think about."""
    part = re.split("^## ", text.split("Questions to think about", 1)[1], flags=re.M)[0]
    return [int(n) for n in QUESTION.findall(part.split("<summary>Answers")[0])]


def answers(notes: str, label: str) -> list[int]:
    """The numbers of the short answers that the instructor's notes give to a lesson's questions."""
    part = re.split(rf"^## {label} ", notes, flags=re.M)[-1].split("\n## ")[0]
    text = " ".join(FOLDED.search(part)[1].split())
    return [int(n) for n in re.findall(r"(?:^|(?<=[.?!] ))(\d+) ", text)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name[3]}.{path.name[:2]}")
def test_every_question_to_think_about_has_a_short_answer(path):
    day = path.parent.name[3]
    notes = (ROOT / f"docs/instructor/day{day}.md").read_text(encoding="utf-8")
    asked = questions(markdown(path))
    assert asked == list(range(1, len(asked) + 1)) and len(asked) >= 4
    assert answers(notes, f"{day}.{path.name[:2]}") == asked


def test_a_missing_short_answer_is_found():
    open_ones = "## Questions to think about\n<details><summary>1. Why? 2 ways.</summary>\n\nNo.\n"
    assert questions(open_ones + "## What to remember\n3. x") == [1]
    folded = "## Questions to think about\n\n1. Why?\n2. Who?\n<details><summary>Answers\n\n1. He."
    assert questions(folded) == [1, 2]
    notes = "## 1.01 A\n- **Folded answers**, in short: 1 By\n  chance.{}\n\n## 1.02 B\n 2 No."
    assert answers(notes.format(" 2 In 3 ways."), "1.01") == [1, 2]
    assert answers(notes.format(""), "1.01") == [1]
