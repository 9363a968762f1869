"""The slides: what is in a deck, and how each slide looks in a real browser.

The decks that are walked by default are those of two lessons; `-m slow -k slides` walks all.
"""

import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import run, slides

LESSONS = {run.label_of(lesson).split()[0]: lesson for lesson in slides.core_lessons()}
BY_DEFAULT = ("2.06", "3.06")  # figures and formulas; long texts and printed lines


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """All decks in a scratch folder: `folder`, `counts` (slides by file) and `files` by lesson."""
    folder = tmp_path_factory.mktemp("slides")
    counts = slides.build(folder, list(LESSONS.values()))
    files = {label: folder / next(n for n in counts if n.startswith(label)) for label in LESSONS}
    return SimpleNamespace(folder=folder, counts=counts, files=files)


# ---------------------------------------------------------------- what is in a deck


class Reader(HTMLParser):
    """Collects pictures, what a page loads, and the text of slides and of notes."""

    def __init__(self, source):
        super().__init__()
        self.pictures, self.loads, self.slides, self.notes = [], [], [], []
        self.inside = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("section", "aside", "pre", "code", "script"):
            self.inside.append(tag)
        if tag == "section":
            self.slides.append([attrs.get("class"), attrs.get("id"), ""])
            self.notes.append("")
        if tag == "img":
            self.pictures.append((attrs["src"], attrs.get("alt", "")))
        if place := attrs.get("src") or (tag == "link" and attrs.get("href")):
            self.loads.append(place)

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data):
        if "aside" in self.inside:
            self.notes[-1] += data
        elif "section" in self.inside and not {"pre", "code"} & set(self.inside):
            self.slides[-1][2] += data


@pytest.fixture(scope="module")
def pages(decks):
    return {k: Reader(v.read_text(encoding="utf-8")) for k, v in decks.files.items()}


def words(text):
    return " ".join(re.findall(r"\w+", text))


def test_every_core_lesson_has_a_deck_and_the_index_links_it(decks):
    assert len(LESSONS) == len(slides.schedule()) == len(decks.counts) > 20
    index = (decks.folder / "index.html").read_text(encoding="utf-8")
    linked = re.findall(r'<a href="([^"]+)"', index)
    assert linked == list(decks.counts)
    assert all((decks.folder / name).is_file() for name in linked)


def test_every_figure_says_what_is_to_be_seen(pages):
    for label, page in pages.items():
        assert len(page.pictures) > 5, label
        for _, alt in page.pictures:
            assert len(alt.split()) >= 4, f"{label}: {alt!r}"


@pytest.mark.parametrize("label", LESSONS)
def test_every_figure_of_the_numbered_sections_is_there(label, pages):
    cells = json.loads(LESSONS[label].read_text(encoding="utf-8"))["cells"]
    numbered, wanted = False, []
    for cell in cells:
        if cell["cell_type"] == "markdown":
            heads = re.findall(r"^## (.*)", "".join(cell["source"]), re.M)
            numbered = bool(re.match(r"\d", heads[-1])) if heads else numbered
        elif numbered:
            for output in cell["outputs"]:
                wanted += (
                    [output["data"]["image/png"]] if "image/png" in output.get("data", {}) else []
                )
    shown = {source.partition(",")[2] for source, _ in pages[label].pictures}
    assert wanted and {"".join("".join(w).split()) for w in wanted} <= shown


def test_nothing_is_loaded_from_elsewhere(decks, pages):
    for label, page in pages.items():
        for place in page.loads:
            there = place.startswith("data:image/png") or (decks.folder / place).is_file()
            assert there, f"{label} loads {place[:80]}"
    for style in decks.folder.glob("_static/*.css"):
        for place in re.findall(r"url\(([^)]*)\)|@import ([^;]*)", style.read_text("utf-8")):
            assert "//" not in "".join(place).partition("data:")[0], f"{style.name}: {place}"


def test_no_signs_of_markdown_are_left(pages):
    for label, page in pages.items():
        for kind, _, text in page.slides:
            text = re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]", "", text, flags=re.S)
            assert not re.search(r"\$|\*\*|<details|^#", text), f"{label}, {kind}: {text[:200]}"


@pytest.mark.parametrize("label", LESSONS)
def test_the_instructors_notes_are_the_speakers(label, pages):
    remarks = slides.instructor_notes(label)
    assert {"Point", "Demo", "Ask", "Goes wrong", "When late"} <= set(remarks), label
    said = words(" ".join(pages[label].notes))
    for title, remark in remarks.items():
        shown = words(html.unescape(re.sub(r"<[^>]*>", "", slides.as_html(remark, notes=True))))
        assert shown[:60] in said, f"{label}: {title}"
    page, section = pages[label], None
    asked = int(re.search(r"\(section (\d+)\)", remarks["Ask"])[1])
    for (kind, name, _), note in zip(page.slides, page.notes, strict=True):
        section = (name or "section-0")[8:] if kind == "opening" else section
        if note.find("Ask (section") >= 0:
            assert section == str(asked)
            return
    pytest.fail("the question is on no slide")


@pytest.mark.parametrize("label", LESSONS)
def test_what_the_schedule_teaches_comes_first(label, pages):
    taught, _ = slides.schedule()[label]
    kinds = [(kind, name) for kind, name, _ in pages[label].slides]
    end = next(i for i, (kind, _) in enumerate(kinds) if kind == "remember")
    opened = [(i, int(name[8:])) for i, (kind, name) in enumerate(kinds) if kind == "opening"]
    assert [number for i, number in opened if i < end] == taught
    assert not {number for i, number in opened if i > end} & set(taught)


# ---------------------------------------------------------------- the rules, on small pieces


def test_sentences_do_not_end_within_formulas_code_or_brackets():
    source = "See $a. B$ and `x. Y`. As Ho et al. 2020 say (it. Is) so. **Bold. Type** ends."
    assert slides.sentences(source) == [
        "See $a. B$ and `x. Y`.",
        "As Ho et al. 2020 say (it. Is) so.",
        "**Bold. Type** ends.",
    ]


def test_a_paragraph_keeps_its_beginning_or_what_announces_the_next_block():
    source = "One two three. Four five six. Seven eight nine:"
    assert slides.lead(source, 6) == "One two three. Four five six."
    assert slides.lead(source, 2) == "One two three."
    assert slides.tail(source, 6) == "Four five six. Seven eight nine:"
    item = slides.text("Short. Then " + "long " * 40 + "end.")
    assert "long" not in item.body and "long" in item.note


def cell(source, kind="code", tags=()):
    return SimpleNamespace(cell_type=kind, source=source, metadata={"tags": list(tags)})


@pytest.mark.parametrize(
    ("source", "before", "tags", "shown"),
    [
        ("def f(x):\n    return x", "A text.", (), True),
        ("def f(x):\n    return x", "A text.", ("hide-input",), False),
        ("f(3)", "A text.", (), False),
        ("f(3)", "A text:", (), True),
        ("f(3)\n" * (slides.FEW + 1), "A text:", (), False),
        ("expect(f(3))", "A text:", (), False),
        ("def f(ax):\n    ax.plot(1)", "A text.", (), False),
        ("def f(x):\n" + "    x += 1\n" * slides.CODE, "A text.", (), False),
        ("def f(x):\n    return x", "**Exercise 1** (easy, 3 minutes). Do.", (), False),
        ("%timeit f", "A text.", (), False),
    ],
)
def test_code_is_shown_where_it_is_the_point(source, before, tags, shown):
    assert slides.is_shown(cell(source, tags=tags), cell(before, "markdown")) is shown
    assert not slides.is_shown(cell(source), cell("x = 1"))


def kinds(items):
    return [[item.kind for item in slide.items] for slide in slides.arrange(items)]


def test_a_slide_holds_one_idea():
    def item(kind, lines=2.0):
        return slides.Item(kind, "", lines, said="printed")

    text, guess, figure = item("text"), item("guess"), item("figure")
    assert kinds([text, figure, text]) == [["text", "figure"], ["text"]]
    assert kinds([text, text, figure]) == [["text", "text"], ["figure"]]
    assert kinds([text, guess, figure]) == [["text", "guess"], ["figure"]]
    assert kinds([text, item("heading"), text]) == [["text"], ["heading", "text"]]
    assert kinds([item("text", 6), text, item("formula", 4)]) == [["text"], ["text", "formula"]]
    assert kinds([guess, item("claims"), text]) == [["guess"], ["claims", "text"]]
    assert kinds([item("text", 5), text, item("guess", 3)]) == [["text"], ["text", "guess"]]
    alone = slides.arrange([figure, item("claims"), figure])
    assert [slide.kind for slide in alone] == ["figure", "figure"]
    assert alone[1].notes == ["printed"]


def test_the_command_takes_no_options_and_replaces_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "TARGET", tmp_path / "build" / "slides")
    monkeypatch.setattr(slides, "core_lessons", lambda: [LESSONS["2.07"]])
    assert slides.main(["--all"]) == 2
    assert "takes no options" in capsys.readouterr().err
    for _ in range(2):
        assert slides.main([]) == 0
        (slides.TARGET / "index.html").read_text(encoding="utf-8")
        assert not (slides.TARGET / "old").exists()
        (slides.TARGET / "old").touch()
    assert os.listdir(slides.TARGET.parent) == ["slides"]


# ---------------------------------------------------------------- in a browser

READY = "window.Reveal && Reveal.isReady && Reveal.isReady()"
WALK = (Path(__file__).parent / "walk_slides.js").read_text(encoding="utf-8")


@pytest.fixture
def show(browser, decks):
    """Opens a deck at 1280 by 720; whatever it asks of a network is refused, and is a fault."""
    opened, outside = browser.new_context(viewport={"width": 1280, "height": 720}), []

    def refuse(route):
        outside.append(route.request.url)
        route.abort()

    opened.route(re.compile(r"^(?!file:|data:|about:)"), refuse)

    def open_deck(label, options=""):
        page = opened.new_page()
        page.goto(decks.files[label].as_uri() + options)
        page.wait_for_function(READY, timeout=120_000)
        return page

    yield open_deck
    opened.close()
    assert outside == []


ALL = [pytest.param(k, marks=() if k in BY_DEFAULT else pytest.mark.slow) for k in LESSONS]


@pytest.mark.parametrize("label", ALL)
def test_every_slide_is_whole(label, show, decks):
    """Nothing sticks out of its box, pictures are loaded, formulas set, nothing is tiny."""
    result = show(label).evaluate(WALK)
    assert result["faults"] == []
    assert result["slides"] == decks.counts[decks.files[label].name]


@pytest.mark.parametrize("label", ALL)
def test_no_serious_barrier(label, show):
    """axe-core on all slides at once, as they are printed."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    [script] = Path(package.__file__).parent.rglob("axe.min.js")
    page = show(label, "?print-pdf")
    page.wait_for_function("document.querySelector('.pdf-page')")
    page.evaluate(script.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in serious] == []


FAULTS = {
    "sticks out": "s.querySelector('.body').append(Object.assign(document.createElement('p'),"
    " {textContent: 'word '.repeat(900)}))",
    "a picture is not loaded": "s.querySelector('img').src = 'data:image/png;base64,AAAA'",
    "has no alternative text": "s.querySelector('img').alt = ''",
    "a formula is wrong": "s.querySelector('.body').append(document.createElement('mjx-merror'))",
    "raw": "s.querySelector('h1').textContent = 'a $x$ b'",
    "shrunk": "s.style.setProperty('--scale', '0.5')",
    "no notes": "s.querySelector('.notes').textContent = ''",
}


def test_the_walk_finds_each_fault(show):
    page = show("2.07")
    assert page.evaluate(WALK, 1)["faults"] == []
    keep = "const s = document.querySelector('section.title');"
    page.evaluate(f"{keep} window.before = s.innerHTML")
    for words_, change in FAULTS.items():
        page.evaluate(f"{keep} {change}")
        page.wait_for_timeout(100)
        assert any(words_ in fault for fault in page.evaluate(WALK, 1)["faults"]), words_
        page.evaluate(f"{keep} s.innerHTML = window.before; s.style.removeProperty('--scale')")


def test_keys_and_speaker_view(show):
    page = show("2.07")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("Reveal.getIndices().h") == 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert page.evaluate("[Reveal.getIndices().h, Reveal.getIndices().v]") == [0, 1]
    page.keyboard.press("ArrowLeft")
    with page.context.expect_page() as opening:
        page.keyboard.press("s")
    point = words(slides.instructor_notes("2.07")["Point"])[:40]
    notes = opening.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("Point").wait_for(timeout=60_000)
    assert point in words(notes.inner_text())
