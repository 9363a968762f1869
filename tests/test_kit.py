"""What a student keeps: the glossary, and the cheat sheets joined for printing."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHEETS = sorted((ROOT / "notebooks").glob("day*/cheatsheet.md"))
LESSONS = sorted((ROOT / "notebooks").glob("day*/[0-9][0-9]_*.ipynb"))
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
DEFINED = re.compile(
    r"^- \*\*(?P<term>[^*]+)\*\*: (?P<words>[^\n]+) "
    r"\(\[(?P<label>\d\.\d\d)\]\((?P<link>[^)\s]+)\), section (?P<section>\d+)\)$",
    re.M,
)
SEE = re.compile(r"^- \*\*(?P<term>[^*]+)\*\*: see \*(?P<target>[^*]+)\*\.$", re.M)
ABBREVIATION = re.compile(r"(?<![\w/.])[A-Za-z]*[A-Z][A-Za-z]*[A-Z0-9]\w*(?:-[A-Z0-9]+)*")
A4 = 688  # CSS pixels between the margins of 14 mm; those of the page are smaller
NOT_TERMS = {"GB", "GPT-2", "PyTorch", "ROUGE-1", "ROUGE-L"}  # units, names, and kinds of a term


def plain(text: str) -> str:
    """Text without its signs of emphasis, in small letters."""
    return text.replace("*", "").replace("’", "'").lower()


def key(term: str) -> str:
    """What entries are sorted by: letters without accents, then digits; no leading digits."""
    letters = unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9 ]", "", letters.replace("-", " ")).lstrip("0123456789 ")


def markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def occurs(term: str, text: str) -> bool:
    """True if a term stands in a text as a word of its own, or as its plural."""
    words = re.escape(plain(term)).replace(r"\ ", r"\s+")
    return re.search(rf"(?<!\w){words}(?:e?s)?(?!\w)", plain(text)) is not None


def abbreviations(text: str) -> set[str]:
    """Words with two capitals, outside of code and formulas."""
    for inside in (r"```.*?```", r"`[^`]*`", r"\$\$.*?\$\$", r"\$[^$]*\$"):
        text = re.sub(inside, " ", text, flags=re.S)
    return set(ABBREVIATION.findall(text)) - NOT_TERMS


def in_memory(lesson: Path) -> str:
    """What a lesson asks to remember."""
    return re.split(r"^## ", markdown(lesson).split("## What to remember", 1)[1], flags=re.M)[0]


ENTRIES = [match.groupdict() for match in DEFINED.finditer(TEXT)]
OTHERS = [match.groupdict() for match in SEE.finditer(TEXT)]
TERMS = {entry["term"] for entry in ENTRIES}


def test_every_line_is_an_entry():
    lines = [line for line in TEXT.splitlines() if line.startswith("-")]
    assert len(ENTRIES) + len(OTHERS) == len(lines) >= 200
    assert max(len(entry["words"]) for entry in ENTRIES) <= 240
    assert all(entry["words"].rstrip(")").endswith((".", "?")) for entry in ENTRIES)


def test_entries_are_in_order_and_once():
    terms = re.findall(r"^- \*\*([^*]+)\*\*", TEXT, re.M)
    keys = [key(term) for term in terms]
    assert keys == sorted(keys)
    assert [name for name, count in Counter(keys).items() if count > 1] == []
    for part in re.split(r"^## ", TEXT, flags=re.M)[1:]:
        letter, *lines = part.splitlines()
        for term in re.findall(r"^- \*\*([^*]+)\*\*", "\n".join(lines), re.M):
            assert key(term)[0].upper() == letter


def test_see_leads_to_a_term():
    assert [entry for entry in OTHERS if entry["target"] not in TERMS] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: f"{path.parts[-2][3]}.{path.name[:2]}")
def test_a_term_stands_in_the_section_that_is_named(lesson):
    label = f"{lesson.parent.name[3]}.{lesson.name[:2]}"
    here = [entry for entry in ENTRIES if entry["label"] == label]
    title, *parts = re.split(r"^## ", markdown(lesson), flags=re.M)
    sections = {part.split(".")[0]: part for part in parts}
    for entry in here:
        assert (ROOT / "docs" / entry["link"]).resolve() == lesson, entry
        assert entry["section"] in sections, entry
        place = title.splitlines()[0] + "\n" + sections[entry["section"]]
        assert occurs(entry["term"], place), entry


def test_every_lesson_has_terms():
    labels = {f"{lesson.parent.name[3]}.{lesson.name[:2]}" for lesson in LESSONS}
    assert {entry["label"] for entry in ENTRIES} == labels


@pytest.mark.parametrize(
    "path", [*SHEETS, *LESSONS], ids=lambda path: f"{path.parts[-2][:4]}-{path.name[:2]}"
)
def test_every_abbreviation_is_explained(path):
    """Of the cheat sheets, and of what the lessons ask to remember."""
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else in_memory(path)
    known = {entry["term"].lower() for entry in [*ENTRIES, *OTHERS]}
    assert [a for a in abbreviations(text) if not {a.lower(), a.lower().rstrip("s")} & known] == []


def test_occurs_and_abbreviations_can_fail():
    assert occurs("patch", "Two **patches** of") and not occurs("rate", "generate")
    assert abbreviations("An MLP, `ABC` and $XY$: CD-1, PyTorch, Word") == {"MLP", "CD-1"}


# ---------------------------------------------------------------- the cheat sheets


def test_the_joined_page_holds_each_sheet_once():
    text = (ROOT / "docs" / "cheatsheets.md").read_text(encoding="utf-8")
    included = re.findall(r"^```\{include\} (\S+)\n:heading-offset: 1\n```$", text, re.M)
    assert [(ROOT / "docs" / name).resolve() for name in included] == SHEETS
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert all((ROOT / "docs" / name).is_file() for name in linked) and len(linked) == 4


@pytest.fixture(scope="module")
def printed(browser, tmp_path_factory):
    """The joined page in a browser, as it is printed; its formulas are set."""
    work = tmp_path_factory.mktemp("sheets")
    for sheet in [ROOT / "docs" / "cheatsheets.md", *SHEETS]:
        place = work / "source" / sheet.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sheet, place)
    settings = {
        "extensions": ["myst_parser", "sphinx-mathjax-offline"],
        "html_theme": "sphinx_book_theme",
        "master_doc": "docs/cheatsheets",
        "exclude_patterns": ["notebooks"],
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "suppress_warnings": ["myst.xref_missing"],  # the glossary and the sheets are left out
    }
    folders = [str(work / name) for name in ("source", "html", "trees")]
    subprocess.run(  # in one process two builds disturb each other
        [sys.executable, "-c", BUILD, json.dumps([folders, settings])], check=True
    )
    page = browser.new_page(viewport={"width": A4, "height": 1000})
    page.emulate_media(media="print")
    page.goto((work / "html" / "docs" / "cheatsheets.html").as_uri())
    page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
    page.evaluate("MathJax.startup.promise")
    yield page
    page.close()


BUILD = """
import json, sys
from sphinx.application import Sphinx
(source, html, trees), settings = json.loads(sys.argv[1])
Sphinx(source, None, html, trees, "html", settings, status=None, warning=None).build()
"""
WIDE = """() => [...document.querySelectorAll(
    "article :is(pre, table, p, mjx-container[display])"
)].filter(e => e.scrollWidth > e.clientWidth + 1
    || e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map(e => e.textContent.slice(0, 60))"""


def test_nothing_is_cut_off_on_paper(printed):
    assert printed.locator("article mjx-container").count() > 100
    assert printed.locator("mjx-merror").count() == 0
    assert printed.locator("article pre").count() >= 30
    assert printed.evaluate(WIDE) == []
    assert not printed.locator("#jb-print-toc").is_visible()
    pdf = printed.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type /Page\b(?!s)", pdf))
    assert 8 <= pages <= 16


def test_what_is_cut_off_is_found(printed):
    """Must be the last one: it changes the page."""
    wide = "document.querySelector('article pre').textContent = 'x'.repeat(400)"
    printed.evaluate(wide)
    printed.add_style_tag(content="article.bd-article pre { white-space: pre !important; }")
    assert printed.evaluate(WIDE)[0].startswith("xxx")
