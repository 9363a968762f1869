"""Make a deck of slides of each core lesson: `python -m tools.slides`.

A deck is read off the stored lesson and the instructor's notes; nothing is written twice. Sections
that the schedule teaches come first, those that it moves home follow as spare slides. What goes
where:

    opening cell         title slide with the picture, aims, plan of the sections
    ## heading           a slide that opens the section, with the first sentences below it
    paragraph            its first sentences; the whole of it is in the speaker notes
    list, table, formula, diagram                                     as they are
    "Your guess", "Before you run"                                    a slide of its own
    figure               a slide, its caption below and as alternative text
    sliders              a reminder to show them in JupyterLab
    exercise             its task and its stub
    code                 hidden, unless a paragraph announces it and it is short (`is_shown`)
    printed lines        claims become a table, other short output is shown

The folder build/slides needs no server and no network.
"""

import ast
import base64
import html
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from tools import run

ROOT = run.ROOT
TARGET = ROOT / "build" / "slides"  # ignored by git
HERE = Path(__file__).resolve().parent
INSTRUCTOR = ROOT / "docs" / "instructor"

WORDS = 36  # of a paragraph on a slide: whole sentences, at least one
LINES = 10.0  # of text on a slide, before the next begins
ABOVE_A_FIGURE = 3.8  # lines of text that may stand on the slide of the figure that they announce
CODE = 16  # lines of code, at most
FEW = 7  # lines of code that define nothing, at most
OUTPUT = 10  # printed lines, at most
ROWS = 6  # claims on one slide
PRINTED = ("output", "claims")
DISPLAYED = ("formula", "list", "table", "drawing", "code")
ANNOUNCED = (*DISPLAYED, "guess")  # the paragraph before it stays with it

CORE = re.compile(r"\((day\d_\w+/\d\d_\w+\.ipynb)\) C")
TAUGHT = re.compile(r"^\|(?:[^|]*\|){3} (\d\.\d\d) [^|]*\| ([^|]*) \| ([^|]*) \|$", re.M)
SECTION = re.compile(r"## (?:(?P<number>\d+)\. )?(?P<title>.*?)(?: \((?P<remark>[^()]*)\))?$")
GUESS = re.compile(
    r"\*\*(?P<label>(?:Your guess|Before you)\b[^:*?]*)(?::?\*\*:?\s*|: )|\*\*(?=[^*]*\?\*\*)"
)
EXERCISE = re.compile(r"\*\*Exercise (?P<number>\d+)\*\* \((?P<remark>[^)]*)\)[.:]?\s*")
DETAILS = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>", re.S)
CLAIM = re.compile(
    r"✓ (?P<what>.+?): (?P<value>[^:]+?)(?: \((?:at least|at most|between)[^()]*\))?$"
)
DISTRACTS = re.compile(r"\b(?:plt|axe?s?)\b\s*[.,=)]|\.numpy\(\)|expect\(|show\(|set_seed|assert_")
NOT_SHOWN = re.compile(r"○ |  About \d+ minutes|.*\bsteps in [\d.]+ s$")


# ---------------------------------------------------------------- Markdown


def _markdown() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False}).enable("table").use(dollarmath_plugin)

    def formula(left: str, right: str, in_notes: str):
        def render(renderer, tokens, index, options, env) -> str:
            tex = html.escape(tokens[index].content.strip())
            if env.get("notes"):  # the browser turns it into MathML, which needs no style sheet
                return f'<span class="tex"{in_notes}>{tex}</span>'
            return f"{left}{tex}{right}"

        return render

    block = formula(r'<div class="formula">\[', r"\]</div>", ' data-display="true"')
    for kind in ("math_block", "math_inline_double"):
        md.add_render_rule(kind, block)
    md.add_render_rule("math_inline", formula(r"\(", r"\)", ""))
    return md


MARKDOWN = _markdown()


def as_html(source: str, notes: bool = False) -> str:
    """Markdown as HTML. Links between lessons become text: slides lie in another folder."""
    source = re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", source)
    body = MARKDOWN.render(source, {"notes": notes})
    formula = r"\(?\\\((?:(?!\\\)).)*\\\)[.,;:?)]*"  # with its brackets and full stop on one line
    return re.sub(formula, r'<span class="whole">\g<0></span>', body)


def inline(source: str) -> str:
    """A line of Markdown as HTML, without a paragraph around it."""
    return re.sub(r"^<p>|</p>$", "", as_html(source).strip())


def blocks(source: str) -> Iterator[tuple[str, str]]:
    """The kind (paragraph, bullet_list, table, fence, math_block, …) and source of each block."""
    lines = source.splitlines()
    for token in MARKDOWN.parse(source):
        if token.level == 0 and token.map and token.nesting >= 0:
            yield token.type.removesuffix("_open"), "\n".join(lines[slice(*token.map)])


def sentences(source: str) -> list[str]:
    """The sentences of a paragraph; none ends within a formula, code, brackets or bold type."""
    found, start = [], 0
    for match in re.finditer(r"(?<=[.!?])[*\")]*\s+(?=[A-Z$`*“\"(])", source):
        part = source[start : match.end()]
        closed = all(part.count(mark) % 2 == 0 for mark in ("$", "`", "**"))
        if closed and part.count("(") == part.count(")") and not re.search(
            r"\b(?:al|e\.g|i\.e|vs|Fig|eq)\.\s*$", part
        ):  # fmt: skip
            found.append(part.strip())
            start = match.end()
    return [*found, source[start:].strip()]


def lead(source: str, words: int = WORDS) -> str:
    """The first sentences of a paragraph, as many as fit; at least one."""
    kept, *rest = sentences(source)
    for sentence in rest:
        if len(f"{kept} {sentence}".split()) > words:
            break
        kept += f" {sentence}"
    return kept


def tail(source: str, words: int = WORDS) -> str:
    """The last sentences of a paragraph, as many as fit; at least one."""
    *rest, kept = sentences(source)
    for sentence in reversed(rest):
        if len(f"{sentence} {kept}".split()) > words:
            break
        kept = f"{sentence} {kept}"
    return kept


def capital(source: str) -> str:
    """Markdown with its first letter in capitals, unless it begins with code or a formula."""
    return re.sub(r"^([^\w`$]*)(\w)", lambda found: found[1] + found[2].upper(), source, count=1)


def height(source: str, width: int = 72) -> float:
    """About how many lines Markdown takes on a slide."""
    text = re.sub(r"\$[^$]*\$", "formula", source)
    return sum(max(1, -(-len(line) // width)) for line in text.splitlines() if line.strip())


# ---------------------------------------------------------------- what a lesson consists of


@dataclass
class Item:
    """A piece of a slide: its kind, HTML, height in lines of text, and what the notes add."""

    kind: str
    body: str
    lines: float = 0.0
    note: str = ""  # Markdown
    label: str = ""
    said: str = ""  # what was printed, as Markdown


@dataclass
class Slide:
    """One slide; notes are Markdown."""

    kind: str
    items: list[Item]
    notes: list[str] = field(default_factory=list)


@dataclass
class Section:
    """A section of a lesson with its slides."""

    title: str
    number: int | None = None
    remark: str = ""  # what stands in brackets behind the title: minutes, and where
    in_class: bool = True
    items: list[Item] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)


def text(source: str, announces: bool = False) -> Item:
    """A paragraph: its first sentences, and the whole of it in the notes if it is longer.

    If it announces a formula, list or table, its last sentences.
    """
    if source.startswith("(") and source.endswith(")"):
        return Item("aside", "", note=source)
    kept = (tail if announces else lead)(source)
    note = source if len(kept) < len(source.strip()) else ""
    return Item("text", as_html(kept), height(kept) + 0.6, note)


def picture(data: bytes, alt: str, caption: str) -> Item:
    """A PNG with its alternative text, and below it its caption (Markdown)."""
    width, high = struct.unpack(">II", data[16:24])  # where a PNG says how large it is
    below = f"<figcaption>{inline(caption)}</figcaption>" if caption else ""
    return Item(
        "figure",
        f'<figure><img alt="{html.escape(alt, quote=True)}" width="{width}" height="{high}" '
        f'style="max-width: {2 * width}px" src="data:image/png;base64,'
        f'{base64.b64encode(data).decode()}">{below}</figure>',
    )


def linked_picture(source: str, lesson: Path, caption: str = "") -> Item:
    """The picture that `![what is to be seen](file)` names."""
    alt, name = re.match(r"!\[(.*?)\]\((.*?)\)", source, re.S).groups()
    return picture((lesson.parent / name).read_bytes(), alt, caption)


def code(source: str) -> Item:
    """Python in color."""
    body = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    lines = source.count("\n") + 1
    return Item("code", f'<pre class="code"><code>{body}</code></pre>', 0.75 * lines + 0.8)


def is_shown(cell, before) -> bool:
    """Whether a cell's code is the point: a short function or class that a paragraph announces.

    Or a few lines of any kind, if the paragraph ends with a colon.
    """
    if "hide-input" in cell.metadata.get("tags", []) or before.cell_type != "markdown":
        return False
    lines = [line for line in cell.source.splitlines() if line.strip()]
    if len(lines) > CODE or EXERCISE.search(before.source):
        return False
    try:
        nodes = ast.parse(cell.source).body
    except SyntaxError:  # a magic
        return False
    defines = all(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes)
    few = len(lines) <= FEW and before.source.rstrip().endswith(":")
    return bool(nodes) and (defines or few) and not DISTRACTS.search(cell.source)


def announced(shown: Item, items: list[Item]) -> list[Item]:
    """Code, unless it would stand alone on its slide: only a class may."""
    follows = bool(items) and items[-1].kind == "text"
    fits = follows and items[-1].lines + shown.lines <= LINES
    return [shown] if fits or (follows and ">class<" in shown.body) else []


def read_markdown(source: str, lesson: Path) -> Iterator[Item]:
    """The items of a cell of text, without its headings."""
    folded = [answer.strip() for _, answer in DETAILS.findall(source)]
    source = DETAILS.sub("", source)
    found, exercise = [], None
    parts = list(blocks(source))
    for (kind, block), (after, _) in pairwise([*parts, ("", "")]):
        asked, task = GUESS.search(block), EXERCISE.search(block)
        if kind == "heading":
            found.append(Item("heading", inline(block.lstrip("# ")), 1.6))
        elif block.startswith("!["):
            found.append(linked_picture(block, lesson))
        elif task:
            if before := block[: task.start()].strip():
                found.append(text(before))
            said = capital(block[task.end() :])
            kept = lead(said, 60)
            exercise = Item("exercise", as_html(kept), height(kept), said, task["remark"])
            exercise.label = f"Exercise {task['number']} · {task['remark']}"
            found.append(exercise)
        elif exercise and kind in ("paragraph", "bullet_list", "ordered_list"):
            exercise.note += f"\n\n{block}"
        elif asked and kind == "paragraph":
            if before := block[: asked.start()].strip():
                found.append(text(before, announces=True))
            question = block[asked.end() :]
            if question.count("**") % 2:  # the mark that opened the bold type was cut off
                question = f"**{question}"
            label = (asked["label"] or "Question").strip()
            question = capital(question)
            kept = lead(question, 48)
            note = question if len(kept) < len(question.strip()) else ""
            found.append(Item("guess", as_html(kept), height(kept, 48), note, label))
        elif kind == "paragraph":
            found.append(text(block, after.startswith(("math", "bullet", "ordered", "table"))))
        elif kind == "table":
            found.append(Item("table", as_html(block), 1.25 * (block.count("\n"))))
        elif kind == "fence":
            drawing = "\n".join(block.splitlines()[1:-1])
            body = f'<pre class="drawing">{html.escape(drawing)}</pre>'
            found.append(Item("drawing", body, 0.75 * (drawing.count("\n") + 1) + 0.8))
        elif kind.startswith("math"):
            rows = block.count(r"\\") + 1
            found.append(Item("formula", as_html(block), 1.9 * rows + 0.6))
        else:
            found.append(Item("list", as_html(block), height(block) + 0.6))
    if folded:
        asked = [item for item in found if item.kind in ("guess", "exercise")] or found[-1:]
        for item in asked[-1:]:
            item.note += "\n\n".join(["", *(f"**Folded answer.** {said}" for said in folded)])
    yield from found


def read_outputs(cell) -> Iterator[Item]:
    """Figures with their captions, sliders, claims and short printed lines of a cell."""
    claims, printed, waiting = [], [], None
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            waiting = data["image/png"]
        elif "text/markdown" in data and waiting:
            caption = data["text/markdown"].strip().strip("*")
            alt = re.sub(r"[*`$\\]", "", caption)
            yield picture(base64.b64decode(waiting), alt, caption)
            waiting = None
        elif output.output_type == "stream" and output.name == "stdout":
            for line in output.text.splitlines():
                if claim := CLAIM.match(line):
                    claims.append((claim["what"], claim["value"]))
                elif not NOT_SHOWN.match(line):
                    printed.append(line)
        elif list(data) == ["text/plain"] and "sliders(" in cell.source:
            caption = data["text/plain"]
            yield Item("live", f"<p>{html.escape(caption)}</p>", height(caption, 50) + 2)
    while printed and not printed[-1].strip():
        printed.pop()
    if printed:
        shown = printed[:OUTPUT] + ["…"] * (len(printed) > OUTPUT)
        body = f'<pre class="output">{html.escape(chr(10).join(shown))}</pre>'
        lines = sum(max(1, -(-len(line) // 92)) for line in shown)
        said = f"Printed:\n\n```\n{chr(10).join(shown)}\n```"
        yield Item("output", body, 0.75 * lines + 0.8, said=said)
    for start in range(0, len(claims), ROWS):
        part = claims[start : start + ROWS]
        rows = (
            f"<tr><td>{html.escape(what)}</td><td>{html.escape(value)}</td></tr>"
            for what, value in part
        )
        head = '<tr><th scope="col">Measured in the lesson</th><th scope="col">Value</th></tr>'
        body = f'<table class="claims"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
        said = "Measured: " + "; ".join(f"{what}: {value}" for what, value in part) + "."
        yield Item("claims", body, 1.1 * (len(part) + 1) + 0.5, said=said)


# ---------------------------------------------------------------- from items to slides


def arrange(items: list[Item]) -> list[Slide]:
    """Slides of a section: one figure, guess or exercise on each, text as much as fits.

    What a cell printed is shown beside a text or as the answer to a guess, else it goes into the
    notes of the next slide.
    """
    slides: list[Slide] = []
    pending: list[Item] = []
    carried: list[str] = []

    def end(kind: str) -> None:
        answers = kind == "text" and slides and slides[-1].kind == "guess"
        if pending and (answers or not all(item.kind in PRINTED for item in pending)):
            slides.append(Slide(kind, list(pending), list(carried)))
            carried.clear()
        else:
            carried.extend(item.said for item in pending)
        pending.clear()

    for item in items:
        if item.kind == "aside":
            carried.append(item.note)
            continue
        total = sum(p.lines for p in pending)
        with_text = all(p.kind in ("text", "heading") for p in pending)
        too_much = {
            "figure": total > ABOVE_A_FIGURE or not with_text,
            "exercise": not with_text or total > 2,
            "guess": total + item.lines > 7,
            "live": total + item.lines > 7,
        }.get(item.kind, total + item.lines > LINES)
        announced = ("heading", "text") if item.kind in ANNOUNCED else ("heading",)
        if too_much or item.kind == "heading":
            moved = []  # what announces the next item goes with it, and so does its heading
            while pending and pending[-1].kind in announced:
                moved.insert(0, pending.pop())
                announced = ("heading",)
            only_printed = item.kind == "figure" and all(p.kind in PRINTED for p in pending)
            end("figure" if only_printed else "text")
            pending.extend(moved)
        pending.append(item)
        if item.kind in ("figure", "guess", "live", "exercise"):
            end(item.kind)
    end("text")
    if slides:
        slides[-1].notes += carried
    return slides


def read_lesson(lesson: Path, cells: list) -> list[Section]:
    """The sections of a lesson with their items; the first holds what precedes them."""
    sections = [Section("Material")]
    for before, cell in pairwise(cells):
        if cell.cell_type == "markdown":
            for part in re.split(r"^(?=## )", cell.source, flags=re.M):
                if part.startswith("## "):
                    head, _, part = part.partition("\n")
                    found = SECTION.match(head.strip())
                    number = found["number"] and int(found["number"])
                    sections.append(Section(found["title"], number, found["remark"] or ""))
                if sections[-1].number or part is not cell.source:
                    sections[-1].items += read_markdown(part, lesson)
            continue
        items = list(read_outputs(cell))
        if not sections[-1].number:  # set-up: what the data look like
            items = [item for item in items if item.kind == "figure"]
        elif '@exercise("' in cell.source and before.cell_type == "markdown":
            stub = code(cell.source)
            for item in sections[-1].items[::-1]:
                if item.kind == "exercise":
                    item.body += stub.body
                    break
            items = [item for item in items if item.kind == "figure"]
        elif is_shown(cell, before):
            items = [*announced(code(cell.source), sections[-1].items), *items]
        sections[-1].items += items
    return sections


# ---------------------------------------------------------------- the instructor's notes


def numbers(text: str) -> list[int]:
    """The numbers in "1 to 3, 6"."""
    found = re.findall(r"(\d+)(?: to (\d+))?", text)
    return [n for a, b in found for n in range(int(a), int(b or a) + 1)]


def schedule() -> dict[str, tuple[list[int], list[int]]]:
    """Lesson -> the sections taught in class, the exercises moved home; as docs/ says."""
    source = (INSTRUCTOR / "schedule.md").read_text(encoding="utf-8")
    return {
        number: (numbers(taught), numbers(moved.partition("exercise")[2]))
        for number, taught, moved in TAUGHT.findall(source)
    }


def instructor_notes(label: str) -> dict[str, str]:
    """The remarks on a lesson ("1.06"), by their titles: Point, Demo, Ask and others."""
    source = (INSTRUCTOR / f"day{label[0]}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(label)} .*?$(.*?)(?=^## |\Z)", source, re.M | re.S)
    remarks = re.findall(r"^- (\*\*(.+?)\*\*.*?)(?=^- |\Z)", found[1] if found else "", re.M | re.S)
    return {title.strip("."): " ".join(remark.split()) for remark, title in remarks}


def share(remarks: dict[str, str], sections: list[Section]) -> None:
    """Put Demo, Ask and Goes wrong into the notes of the slides that they speak of."""
    by_number = {section.number: section for section in sections if section.number}
    if demo := remarks.get("Demo"):
        for number in dict.fromkeys(map(int, re.findall(r"[Ss]ections? (\d+)", demo))):
            if section := by_number.get(number):
                live = [s for s in section.slides if s.kind == "live"]
                (live or section.slides)[0].notes.append(demo)
    if ask := remarks.get("Ask"):
        where = re.search(r"\(section (\d+)\)", ask)
        if section := by_number.get(int(where[1])) if where else None:
            wanted = set(re.findall(r"\w{4,}", ask.lower()))

            def common(slide: Slide) -> int:
                return sum(len(wanted & set(re.findall(r"\w{4,}", i.body.lower())))
                           for i in slide.items if i.kind == "guess")  # fmt: skip

            max(section.slides, key=common).notes.append(ask)
    if wrong := remarks.get("Goes wrong"):
        for section in sections:
            for slide in section.slides:
                if slide.kind == "exercise":
                    slide.notes.append(wrong)


# ---------------------------------------------------------------- decks


def opening(source: str, lesson: Path, sections: list[Section], remarks: dict) -> list[Slide]:
    """Title, aims and plan."""
    parts = [block for _, block in blocks(source)]
    title = parts[0].lstrip("# ")
    image = next(part for part in parts if part.startswith("!["))
    caption = parts[parts.index(image) + 1].strip("*")
    after = parts[parts.index(image) + 2 :]
    day, number = run.day_of(lesson), int(lesson.name[:2])
    first = Slide(
        "title",
        [
            Item("text", f'<p class="number">Day {day} · Lesson {number}</p>'),
            Item("title", f"<h1>{inline(title)}</h1>"),
            linked_picture(image, lesson, lead(caption, 30)),
        ],
        [
            remarks.get("Point", ""),
            caption,
            *(part for part in after if part.startswith("**Before this")),
        ],
    )
    aims = next(part for part in after if "\n- " in part or part.startswith("- "))
    second = Slide(
        "aims",
        [Item("heading", "You will be able to"), Item("list", as_html(aims[aims.index("- ") :]))],
        [part for part in after if part.startswith("**You will do")],
    )
    rows = "".join(
        f'<li class="{"" if section.in_class else "home"}"><a href="#/{anchor(section)}">'
        f"<b>{section.number}</b> {inline(section.title)}</a>"
        f"<span>{joined('' if section.in_class else 'spare', minutes(section))}</span></li>"
        for section in sorted((s for s in sections if s.number), key=lambda s: s.number)
        if section.slides
    )
    plan = Slide(
        "plan",
        [Item("heading", "Plan"), Item("list", f'<ul class="plan">{rows}</ul>')],
        [remarks.get("When late", "")],
    )
    return [first, second, plan]


def anchor(section: Section) -> str:
    """The name of a section in the address of its first slide."""
    return f"section-{section.number}"


def joined(*remarks: str) -> str:
    """The remarks that are not empty, with dots between them."""
    return " · ".join(filter(None, remarks))


def minutes(section: Section) -> str:
    """How long a section takes, as "7 min"."""
    found = re.search(r"(\d+) minutes", section.remark)
    return f"{found[1]} min" if found else ""


def closing(sections: list[Section], remarks: dict, cells: list) -> list[Slide]:
    """Questions to think about, what to remember, what comes next."""
    source = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    slides = []
    parts = re.split(r"^## ", source, flags=re.M)
    questions = next((p for p in parts if re.match(r"(\d+\. )?Questions to think", p)), "")
    asked = DETAILS.findall(questions)
    answers = [f"**{question.strip()}** {answer.strip()}" for question, answer in asked]
    if asked:
        rows = [f"<li>{inline(re.sub(r'^[0-9]+[.] ', '', q.strip()))}</li>" for q, _ in asked]
        body = f"<ol>{''.join(rows)}</ol>"
        items = [Item("heading", "Questions to think about"), Item("list", body)]
        folded = next((v for k, v in remarks.items() if k.startswith("Folded")), "")
        slides.append(Slide("questions", items, [folded, *answers]))
    remember = next((p for p in parts if re.match(r"(\d+\. )?What to remember", p)), "")
    found = list(blocks(remember.partition("\n")[2]))
    points = next((block for kind, block in found if kind == "bullet_list"), "")
    onward = [block for kind, block in found if block.startswith("**Next")]
    references = next((p for p in parts if p.startswith("References")), "").partition("\n")[2]
    if points:
        items = [Item("heading", "What to remember"), Item("list", as_html(points))]
        notes = [remarks.get("Point", ""), *onward]
        notes += [f"**References**\n\n{references}"] if references else []
        slides.append(Slide("remember", items, notes))
    return slides


def render(slide: Slide, kicker: str, footer: str, name: str = "") -> str:
    """A slide as HTML, with its notes."""
    body, headed = [], slide.kind == "title"
    for item in slide.items:
        if item.kind == "heading":
            body.append(f"<h{3 if headed else 2}>{item.body}</h{3 if headed else 2}>")
            headed = True
        elif item.kind in ("guess", "exercise", "live"):
            label = "Live in JupyterLab" if item.kind == "live" else item.label
            body.append(f'<div class="{item.kind}"><p class="label">{html.escape(label)}</p>'
                        f"{item.body}</div>")  # fmt: skip
        else:
            body.append(item.body)
    few = all(item.kind == "text" for item in slide.items) and slide.kind == "text"
    few = few and sum(item.lines for item in slide.items) <= 4.5
    kind = "statement" if few else slide.kind
    top = f'<p class="kicker">{kicker}</p>' if kicker else ""
    if kicker and not headed:
        top = f'<h2 class="kicker">{kicker}</h2>'
    notes = [note for note in [*slide.notes, *(item.note for item in slide.items)] if note.strip()]
    aside = as_html("\n\n".join(notes), notes=True)
    return (
        f'<section class="{kind}"{f" id={chr(34)}{name}{chr(34)}" if name else ""}>{top}'
        f'<div class="body">{"".join(body)}</div><p class="footer">{footer}</p>'
        f'<aside class="notes">{aside}</aside></section>'
    )


def opener(section: Section) -> Slide:
    """The slide on which a section begins, with its first paragraph if it begins with one."""
    where = "" if section.in_class else "spare: at home in the schedule"
    remark = joined(minutes(section), where)
    head = (
        f'<p class="number" aria-hidden="true">{section.number}</p>'
        f'<h2>{inline(section.title)}</h2><p class="remark">{html.escape(remark)}</p>'
    )
    first = section.items[:1] if section.items and section.items[0].kind == "text" else []
    if section.items[1:2] and section.items[1].kind in DISPLAYED:  # goes with what it announces
        first = first if sum(item.lines for item in section.items[:2]) > LINES else []
    del section.items[: len(first)]
    return Slide("opening", [Item("head", head), *first])


def deck(lesson: Path) -> tuple[str, str, int]:
    """The title of a lesson, the HTML of its deck and the number of slides."""
    label = run.label_of(lesson).split()[0]
    cells = nbformat.v4.reads(lesson.read_text(encoding="utf-8")).cells  # not checked again: quick
    source, sections = cells[0].source, read_lesson(lesson, cells)
    title = re.match(r"# (.*)", source)[1]
    taught, home = schedule().get(label, ([], []))
    remarks = instructor_notes(label)
    numbered = [section for section in sections if section.number]
    numbered = [s for s in numbered if not re.match("Questions to think|To go on", s.title)]
    for section in numbered:
        section.in_class = not taught or section.number in taught
        for item in section.items:
            found = re.match(r"Exercise (\d+)", item.label)
            if found and int(found[1]) in home and "home" not in item.label:
                item.label += ", at home"
        section.slides = [opener(section), *arrange(section.items)]
    share(remarks, numbered)
    footer = html.escape(f"{label}  {title}")
    stacks = [[render(s, "", footer) for s in opening(source, lesson, numbered, remarks)]]
    material = list(arrange(sections[0].items))
    stacks[0] += [render(slide, "Material", footer) for slide in material]

    def stack(section: Section) -> list[str]:
        kicker = f"<b>{section.number}</b> {inline(section.title)}"
        first, *rest = section.slides
        return [
            render(first, "", footer, anchor(section)),
            *(render(s, kicker, footer) for s in rest),
        ]

    stacks += [stack(section) for section in numbered if section.in_class]
    stacks.append([render(s, "", footer) for s in closing(sections, remarks, cells)])
    stacks += [stack(section) for section in numbered if not section.in_class]
    body = "\n".join(f"<section>{''.join(slides)}</section>" for slides in stacks if slides)
    return title, PAGE.format(title=footer, slides=body), sum(map(len, stacks))


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="_static/reveal.css">
<link rel="stylesheet" href="_static/slides.css">
</head>
<body>
<main><div class="reveal"><div class="slides">
{slides}
</div></div></main>
<script src="_static/reveal.js"></script>
<script src="_static/notes.js"></script>
<script src="_static/slides.js"></script>
<script src="_static/mathjax/tex-chtml.js"></script>
</body>
</html>
"""

INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides: Building Blocks of Generative AI</title>
<link rel="stylesheet" href="_static/slides.css">
</head>
<body class="index">
<main>
<h1>Building Blocks of Generative AI</h1>
<p>A deck for each core lesson. In a deck: <kbd>Space</kbd> goes on, <kbd>↓</kbd> to the next
section, <kbd>S</kbd> opens the speaker notes, <kbd>Esc</kbd> shows all slides, <kbd>?</kbd> lists
the keys. To print a deck, add <code>?print-pdf</code> to its address.</p>
{days}
</main>
</body>
</html>
"""


# ---------------------------------------------------------------- the command


def core_lessons() -> list[Path]:
    """The lessons marked C in Start here, in the order of the course."""
    start = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    names = CORE.findall("\n".join(cell.source for cell in start.cells))
    return sorted(ROOT / "notebooks" / name for name in set(names))


def copy_programs(place: Path) -> None:
    """What the decks load, from the installed packages: reveal.js, MathJax and its fonts."""
    reveal = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
    mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    place.mkdir(parents=True)
    for source in (
        reveal / "dist/reveal.css", reveal / "dist/reveal.js", reveal / "plugin/notes/notes.js",
        HERE / "slides.css", HERE / "slides.js",
    ):  # fmt: skip
        shutil.copyfile(source, place / source.name)
    shutil.copytree(mathjax / "output/chtml/fonts", place / "mathjax/output/chtml/fonts")
    shutil.copytree(mathjax / "input/tex/extensions", place / "mathjax/input/tex/extensions")
    shutil.copyfile(mathjax / "tex-chtml.js", place / "mathjax/tex-chtml.js")


def build(target: Path, lessons: list[Path]) -> dict[str, int]:
    """Write the decks of these lessons and their index; return file name -> number of slides."""
    copy_programs(target / "_static")
    counts, days = {}, {}
    for lesson in lessons:
        title, page, count = deck(lesson)
        label = run.label_of(lesson).split()[0]
        name = f"{label}_{lesson.stem[3:]}.html"
        (target / name).write_text(page, encoding="utf-8")
        counts[name] = count
        line = f'<li><a href="{name}">{label} {html.escape(title)}</a> <span>{count} slides</span>'
        days.setdefault(run.day_of(lesson), []).append(f"{line}</li>")
    listed = "".join(f"<h2>Day {d}</h2><ul>{''.join(rows)}</ul>" for d, rows in days.items())
    (target / "index.html").write_text(INDEX.format(days=listed), encoding="utf-8")
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Write all decks and return the exit code: 0, or 2 for an option."""
    if arguments := sys.argv[1:] if arguments is None else arguments:
        print(f"slides takes no options, and was given {arguments[0]}.", file=sys.stderr)
        return 2
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=TARGET.parent) as work:
        counts = build(Path(work, "slides"), core_lessons())
        if TARGET.exists():
            TARGET.rename(Path(work, "before"))
        Path(work, "slides").rename(TARGET)
    print(f"{len(counts)} decks, {sum(counts.values())} slides: open build/slides/index.html.")
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
