"""What every stored notebook, and the repository, must look like.

Each rule is a function that yields what is wrong, in words. BROKEN, further down, holds a broken
toy notebook for every rule: a rule that cannot fail is no rule.
"""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, reads_json
from nbformat.validator import iter_validate

from helpers import metrics
from helpers.exercises import day2, day3, engine

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(
    path
    for path in (ROOT / "notebooks").glob("**/*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)

# How many code cells nbval collects from each notebook. A number that shrinks is a lesson that is
# tested less, so change it only with the cells that you meant to add or remove.
CODE_CELLS: dict[str, int] = {
    "00_start_here": 10,
    "day1_foundations_vae/01_generative_vs_discriminative": 101,
    "day1_foundations_vae/02_deep_learning_primer": 111,
    "day1_foundations_vae/03_probability_and_latents": 88,
    "day1_foundations_vae/04_early_generative_nets": 88,
    "day1_foundations_vae/05_autoencoders": 100,
    "day1_foundations_vae/06_variational_autoencoders": 103,
    "day1_foundations_vae/07_discrete_latents": 69,
    "day2_gans_transformers/01_gans": 66,
    "day2_gans_transformers/02_better_gans": 82,
    "day2_gans_transformers/03_style_and_cycles": 73,
    "day2_gans_transformers/04_diffusion": 116,
    "day2_gans_transformers/05_words_and_tokens": 84,
    "day2_gans_transformers/06_attention": 67,
    "day2_gans_transformers/07_transformer": 97,
    "day2_gans_transformers/08_gpt": 123,
    "day2_gans_transformers/09_llms_and_prompting": 105,
    "day3_huggingface_finetuning/01_hugging_face": 91,
    "day3_huggingface_finetuning/02_training_llms": 97,
    "day3_huggingface_finetuning/03_full_finetuning": 65,
    "day3_huggingface_finetuning/04_transfer_learning": 70,
    "day3_huggingface_finetuning/05_parameter_efficient": 89,
    "day3_huggingface_finetuning/06_alignment": 98,
    "day3_huggingface_finetuning/07_multimodal": 85,
    "day3_huggingface_finetuning/08_reasoning_and_tools": 93,
    "day3_huggingface_finetuning/09_evaluation": 83,
    "day3_huggingface_finetuning/10_end_to_end_app": 107,
    "day3_huggingface_finetuning/11_recap": 80,
}

TAGS = {"nbval-ignore-output", "nbval-check-output", "hide-input"}  # and picture:NAME
MARKERS = {"NBVAL_IGNORE_OUTPUT", "NBVAL_CHECK_OUTPUT"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp)/|\b[C-E]:\\\w")
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u2728\u274c\u274e\u2753-\u2757\u2763\u2764"
    "\u2795-\u2797\u2b50\u2b55\ufe0f]"
)
FILLER = re.compile(r"\b(simply|just|of course|let['’]s dive|obviously)\b", re.IGNORECASE)


class Page:
    """A notebook as it is stored, with what the rules look at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw = path.read_text(encoding="utf-8")
        self.notebook = reads_json(self.raw)  # as it is: no validation, no repair
        self.code = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        self.texts = [cell.source for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @cached_property
    def name(self) -> str:
        """Folder and name, as in day1_foundations_vae/06_variational_autoencoders."""
        parts = self.path.with_suffix("").parts
        return "/".join(parts[parts.index("notebooks") + 1 :])

    @cached_property
    def is_lesson(self) -> bool:
        """True but for the start page, which teaches nothing."""
        return not self.path.name.startswith("00_")

    @cached_property
    def outputs(self) -> list[tuple[int, dict]]:
        """Every output with the position of its code cell, counted from 1."""
        return [(n, out) for n, cell in enumerate(self.code, 1) for out in cell.outputs]

    @cached_property
    def calls(self) -> list[set[str]]:
        """For each code cell the names of the functions that it calls, and `assert`."""
        return [set(_called(cell.source)) for cell in self.code]

    @cached_property
    def headings(self) -> list[tuple[int, str]]:
        """Level and text of every heading."""
        lines = "\n".join(map(without_code, self.texts)).splitlines()
        found = (re.match(r"(#{1,6})\s+(.*)", line) for line in lines)
        return [(len(match[1]), match[2].strip()) for match in found if match]

    @cached_property
    def exercises(self) -> list[str]:
        """The names in `@exercise("…")`."""
        code = "\n".join(cell.source for cell in self.code)
        return re.findall(r"^@exercise\(\s*[\"'](.*?)[\"']", code, re.MULTILINE)


def _called(source: str) -> Iterator[str]:
    for node in ast.walk(parsed(source) or ast.Module([], [])):
        if isinstance(node, ast.Assert):
            yield "assert"
        elif isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", ""))


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a cell, magic commands included; None if it is no Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None


def without_code(text: str) -> str:
    """Markdown without fenced code, code spans, formulas and comments."""
    fence = r"^[ \t]*(```+|~~~+).*?^[ \t]*\1[ \t]*$"
    text = re.sub(fence, "", text, flags=re.MULTILINE | re.DOTALL)
    for other in (r"<!--.*?-->", r"(`+).+?\1", r"\$\$.+?\$\$", r"\$[^$\n]+?\$"):
        text = re.sub(other, "", text, flags=re.DOTALL)
    return text


def prose(text: str) -> str:
    """What a reader reads of Markdown: without code, formulas, addresses and tags."""
    text = re.sub(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", without_code(text))
    return re.sub(r"!(?=\[)|<[^<>]+>|https?://\S+", " ", text)


# ---------------------------------------------------------------- format


def check_name(page: Page) -> Iterator[str]:
    """tools.run finds lessons by this pattern."""
    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", page.path.name):
        yield "its name is not two digits, _ and lower-case words"


def check_format(page: Page) -> Iterator[str]:
    version = (page.notebook.nbformat, page.notebook.nbformat_minor)
    if version != (4, 5):
        yield f"nbformat {version[0]}.{version[1]}, not 4.5"
    yield from (f"invalid: {error.message}" for error in iter_validate(page.notebook))
    ids = [cell.get("id") for cell in page.notebook.cells]
    if len(set(ids)) < len(ids):
        yield "two cells have the same id"


def check_kernel(page: Page) -> Iterator[str]:
    if page.notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernelspec is not python3"


def check_metadata(page: Page) -> Iterator[str]:
    if "widgets" in page.notebook.metadata:
        yield "it stores the state of widgets"
    if any("widget" in kind for _, output in page.outputs for kind in output.get("data", {})):
        yield "it stores a widget's view, which shows nothing without its kernel"
    for cell in page.notebook.cells:
        for key in {"execution", "ExecuteTime"} & set(cell.metadata):
            yield f"a cell stores times ({key})"


def check_size(page: Page) -> Iterator[str]:
    if (size := page.path.stat().st_size) >= 1_000_000:
        yield f"{size / 1e6:.1f} MB; it must be under 1 MB"


def check_executed(page: Page) -> Iterator[str]:
    counts = [cell.execution_count for cell in page.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run from top to bottom: the execution counts are {counts}"


def check_outputs(page: Page) -> Iterator[str]:
    for number, output in page.outputs:
        if output.output_type == "error":
            yield f"cell [{number}] stores an error: {output.ename}"
        if output.get("name") == "stderr":
            yield f"cell [{number}] stores stderr: {output.text[:80]!r}"


def check_paths(page: Page) -> Iterator[str]:
    for cell in page.notebook.cells:
        if found := MACHINE_PATH.search(cell.source):
            yield f"a cell names a place on one machine: {found[0]}"
    for number, output in page.outputs:
        shown = [output.get("text", ""), output.get("evalue", "")]
        shown += [str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")]
        if found := MACHINE_PATH.search("\n".join(shown)):
            yield f"cell [{number}] prints a place on one machine: {found[0]}"


# ---------------------------------------------------------------- text


def check_headings(page: Page) -> Iterator[str]:
    levels = [level for level, _ in page.headings]
    first = page.notebook.cells[0] if page.notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "the first cell does not begin with the title (# …)"
    if levels.count(1) != 1:
        yield f"{levels.count(1)} titles (# …), not one"
    for (before, _), (after, text) in pairwise(page.headings):
        if after > before + 1:
            yield f"the heading {text!r} skips a level"


def check_pictures_in_text(page: Page) -> Iterator[str]:
    text = "\n".join(map(without_code, page.texts))
    for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]*)", text):
        if not alternative.strip():
            yield f"the picture {target} has no alternative text"
    for tag in re.findall(r"<img\b[^>]*>", text):
        if not re.search(r"\balt=[\"'][^\"']*\w", tag):
            yield f"the picture {tag} has no alternative text"


def check_links(page: Page) -> Iterator[str]:
    text = "\n".join(map(without_code, page.texts))
    targets = re.findall(r"\]\(<?([^)\s>]+)", text)
    targets += re.findall(r"\b(?:src|href)=[\"'](.*?)[\"']", text)
    for target in targets:
        path = unquote(target.partition("#")[0])
        if path and not re.match(r"[a-z]+:", path) and not (page.path.parent / path).exists():
            yield f"the link to {target} leads nowhere"


def check_captions(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code, 1):
        for output, after in pairwise([*cell.outputs, {}]):
            is_picture = any(kind.startswith("image/") for kind in output.get("data", {}))
            caption = after.get("data", {}).get("text/markdown", "")
            if is_picture and not re.fullmatch(r"\*[^*].*\*", caption.strip(), re.DOTALL):
                yield f"the picture of cell [{number}] has no caption: show it with plots.show"


def check_prose(page: Page) -> Iterator[str]:
    captions = [output.get("data", {}).get("text/markdown", "") for _, output in page.outputs]
    for text in map(prose, [*page.texts, *captions]):
        if "!" in text:
            yield f"an exclamation mark: …{text[: text.index('!') + 1][-40:]!r}"
        if emoji := EMOJI.search(text):
            yield f"an emoji: {emoji[0]!r}"
        yield from (f"filler: {word!r}" for word in FILLER.findall(text))


# ---------------------------------------------------------------- code


def check_code(page: Page) -> Iterator[str]:
    for number, cell in enumerate(page.code, 1):
        if not cell.source.strip():
            yield f"cell [{number}] is empty"
        if parsed(cell.source) is None:
            yield f"cell [{number}] is no Python"
        if cell.source.rstrip().endswith(";"):
            yield f"cell [{number}] ends with a semicolon, which nbval ignores: assign the value"
        if unsafe := re.search(r"\btorch\.load\b|\bpickle\b|\bjoblib\b", cell.source):
            yield f"cell [{number}] uses {unsafe[0]}: save tensors with safetensors"


def check_cell_sizes(page: Page) -> Iterator[str]:
    lines = [sum(bool(ln.strip()) for ln in cell.source.splitlines()) for cell in page.code]
    if (median := statistics.median(lines or [0])) > 8:
        yield f"the median code cell has {median:g} lines; it may have 8"
    for number, count in enumerate(lines, 1):
        if count > 45:
            yield f"cell [{number}] has {count} lines; it may have 45"


def check_markers(page: Page) -> Iterator[str]:
    """nbval ignores a misspelled marker without a word, and a skipped cell is not tested."""
    for number, (cell, calls) in enumerate(zip(page.code, page.calls, strict=True), 1):
        marks = set(cell.metadata.get("tags", []))
        for tag in sorted(marks - TAGS):
            if not re.fullmatch(r"picture:[a-z0-9_-]+", tag):
                yield f"cell [{number}] has the tag {tag!r}; known are {sorted(TAGS)}, picture:name"
        for line in re.findall(r"(?im)^.*\b(?:nbval|pytest_validate)[_-].*$", cell.source):
            mark = line.strip().lstrip("#").strip()
            marks.add(mark.lower().replace("_", "-"))
            if mark not in MARKERS or not line.strip().startswith("#"):
                yield f"cell [{number}] has the marker {line!r}; known are {sorted(MARKERS)}"
        if "nbval-ignore-output" in marks and not calls & {"assert", "expect", "assert_close"}:
            yield f"cell [{number}] hides its output from the tests and asserts nothing"


def check_number_of_cells(page: Page) -> Iterator[str]:
    if CODE_CELLS.get(page.name) != len(page.code):
        yield (
            f"{len(page.code)} code cells, not {CODE_CELLS.get(page.name, 'in the table yet')}; if "
            f'that is meant, set "{page.name}": {len(page.code)} in CODE_CELLS (test_hygiene.py)'
        )


# ---------------------------------------------------------------- lessons


def check_exercises(page: Page) -> Iterator[str]:
    engine._load()
    for name in page.exercises:
        if name not in engine._registry:
            yield f"there is no exercise {name!r} in helpers/exercises"
    if page.is_lesson and not 2 <= len(page.exercises) <= 4:
        yield f"{len(page.exercises)} exercises; a lesson has 2 to 4"


def check_lesson(page: Page) -> Iterator[str]:
    if not page.is_lesson:
        return
    kinds = [kind for _, output in page.outputs for kind in output.get("data", {})]
    if (pictures := sum(kind.startswith("image/") for kind in kinds)) < 4:
        yield f"{pictures} pictures; a lesson has 4 or more"
    if not any("expect" in calls for calls in page.calls):
        yield "no claim: a lesson calls expect"
    if not any(text.lower() == "references" for _, text in page.headings):
        yield "no section References"


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


def test_there_are_notebooks():
    assert NOTEBOOKS, "no notebook was found under notebooks/"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, check):
    problems = list(check(Page(path)))
    assert not problems, "\n".join([f"{path.relative_to(ROOT)}:", *problems])


def test_the_table_of_cells_names_no_notebook_that_is_gone():
    assert set(CODE_CELLS) <= {Page(path).name for path in NOTEBOOKS}


# ---------------------------------------------------------------- each rule can fail


def bundle(**data: str) -> nbformat.NotebookNode:
    return new_output("display_data", {k.replace("_", "/"): v for k, v in data.items()})


def stream(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return new_output("stream", name=name, text=text)


FIGURE = [bundle(image_png="iVBORw0KGgo="), bundle(text_markdown="*A line that rises.*")]
MARKED = {"tags": ["nbval-ignore-output", "picture:rise"]}


def toy() -> nbformat.NotebookNode:
    """A notebook that keeps every rule."""
    code = [
        new_code_cell("expect('loss', 1, at_most=2)", outputs=[stream("✓ loss: 1 (at most 2)\n")]),
        *[new_code_cell("plots.show('It rises.')", outputs=list(FIGURE)) for _ in range(4)],
        new_code_cell('@exercise("vae.kl")\ndef kl(mu, log_var): ...'),
        new_code_cell('@exercise("vae.free_bits")\ndef free_bits(kl, floor): ...'),
        new_code_cell("%matplotlib inline\nassert 1 > 0", metadata=MARKED),
        new_code_cell("# NBVAL_IGNORE_OUTPUT\ntorch.testing.assert_close(a, b)"),
    ]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
    text = "# Toy\n\nFrom $n! = 1$ and `a != b` to ✓.\n```\n# no heading, just code!\n```\n"
    text += "[![Open](https://x.org/just!.svg)](https://x.org) ![A line](../images/rise.png)\n"
    text += '<img alt="A line" src="../images/rise.png"> [up](../images/rise.png#part) [a](#toy)\n'
    last = "## More\n\n### Deeper\n\n## References\n\n- Kingma, 2013, https://x.org/home/wow!"
    cells = [new_markdown_cell(text), *code, new_markdown_cell(last)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A function that stores a toy notebook as a lesson of a day."""
    monkeypatch.setitem(CODE_CELLS, "day1_x/01_toy", 9)
    folder = tmp_path / "notebooks" / "day1_x"
    folder.mkdir(parents=True)
    (tmp_path / "notebooks" / "images").mkdir()
    (tmp_path / "notebooks" / "images" / "rise.png").touch()

    def write(notebook: nbformat.NotebookNode, name: str = "01_toy") -> Page:
        path = folder / f"{name}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return Page(path)

    return write


def at(number: int, tags: Sequence = (), outputs: Sequence = (), **changes: Any) -> Callable:
    """A change of one cell: its tags, more outputs, its source or count."""

    def change(notebook):
        cell = notebook.cells[number]
        cell.update(changes)
        if tags:
            cell.metadata.tags = list(tags)
        if outputs:
            cell.outputs = [*cell.outputs, *outputs]

    return change


def say(text: str) -> Callable:
    """A change of the text: a paragraph more."""
    return lambda notebook: notebook.cells.append(new_markdown_cell(text))


SENTENCES = {
    "Read this!": "an exclamation mark",
    "A rocket \U0001f680 here.": "an emoji",
    "It works \u2705 now.": "an emoji",
    "This is just a sum.": "filler: 'just'",
    "Simply add.": "filler: 'Simply'",
    "It is, of course, zero.": "filler: 'of course'",
    "Let’s dive in.": "filler",
    "Obviously.": "filler: 'Obviously'",
    "[It is simply](x.md)": "filler: 'simply'",
}
VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}

BROKEN = [
    (check_format, lambda nb: nb.update(nbformat_minor=4), "nbformat 4.4"),
    (check_format, at(1, id="a b"), "invalid: 'a b'"),
    (check_format, lambda nb: nb.cells[1].pop("id"), "invalid: 'id' is a required"),
    (check_format, lambda nb: nb.cells[1].update(id=nb.cells[2].id), "the same id"),
    (check_kernel, lambda nb: nb.metadata.kernelspec.update(name="mine"), "not python3"),
    (check_kernel, lambda nb: nb.metadata.clear(), "not python3"),
    (check_metadata, lambda nb: nb.metadata.update(widgets={}), "state of widgets"),
    (check_metadata, at(1, outputs=[new_output("display_data", VIEW)]), "widget's view"),
    (check_metadata, lambda nb: nb.cells[1].metadata.update(execution={}), "stores times"),
    (check_size, at(1, outputs=[stream("x" * 1_000_000)]), "1.0 MB"),
    (check_executed, at(1, execution_count=None), "counts are [None, 2,"),
    (check_executed, at(2, execution_count=3), "counts are [1, 3,"),
    (check_outputs, at(1, outputs=[new_output("error", ename="E")]), "cell [1] stores an error"),
    (check_outputs, at(1, outputs=[stream("so", "stderr")]), "cell [1] stores stderr: 'so'"),
    *[
        (check_paths, change, f"machine: {path}")
        for path in ("/home/", "/Users/", "/root/", "/tmp/", "C:\\m")
        for change in (
            at(1, outputs=[stream(f"in {path}me")]),
            at(1, outputs=[bundle(text_plain=f"'{path}me'")]),
            at(1, source=f"open(r'{path}me')"),
            say(f"Look in {path}me."),
        )
    ],
    (check_headings, at(0, source="## Toy"), "does not begin with the title"),
    (check_headings, lambda nb: nb.cells.pop(0), "does not begin with the title"),
    (check_headings, say("# Another"), "2 titles"),
    (check_headings, say("#### Deep"), "'Deep' skips a level"),
    (check_pictures_in_text, say("![](../images/rise.png)"), "no alternative text"),
    (check_pictures_in_text, say('<img src="../images/rise.png">'), "no alternative text"),
    (check_pictures_in_text, say('<img alt="" src="x.png">'), "no alternative text"),
    (check_links, say("[a](02_gone.ipynb)"), "02_gone.ipynb leads nowhere"),
    (check_links, say("![a](../images/gone.png)"), "gone.png leads nowhere"),
    (check_links, say("[![a](https://x.org)](gone)"), "gone leads nowhere"),
    (check_links, say('<img alt="a" src="gone.png">'), "gone.png leads nowhere"),
    (check_captions, at(1, outputs=FIGURE[:1]), "cell [1] has no caption"),
    (check_captions, at(1, outputs=[FIGURE[0], stream("*a*")]), "cell [1] has no caption"),
    (check_captions, at(1, outputs=[FIGURE[0], bundle(text_markdown="a")]), "has no caption"),
    (check_captions, at(1, outputs=[FIGURE[0], *FIGURE]), "cell [1] has no caption"),
    *[(check_prose, say(text), message) for text, message in SENTENCES.items()],
    (check_prose, at(1, outputs=[bundle(text_markdown="*So it is!*")]), "an exclamation mark"),
    (check_code, at(1, source=" "), "cell [1] is empty"),
    (check_code, at(1, source="def f(:"), "cell [1] is no Python"),
    (check_code, at(1, source="plt.plot(x);"), "cell [1] ends with a semicolon"),
    (check_code, at(1, source="torch.load(x)"), "cell [1] uses torch.load"),
    (check_code, at(1, source="import pickle"), "cell [1] uses pickle"),
    (check_cell_sizes, at(1, source="x = 1\n" * 46), "cell [1] has 46 lines"),
    (
        check_cell_sizes,
        lambda nb: [at(n, source="x = 1\n\n" * 9)(nb) for n in range(1, 6)],
        "the median code cell has 9 lines",
    ),
    (check_markers, at(1, tags=["nbval_ignore_output"]), "the tag 'nbval_ignore_output'"),
    (check_markers, at(1, tags=["nbval-skip"]), "the tag 'nbval-skip'"),
    (check_markers, at(1, tags=["raises-exception"]), "the tag 'raises-exception'"),
    (check_markers, at(1, tags=["picture:"]), "the tag 'picture:'"),
    (check_markers, at(1, source="# NBVAL_IGNORE_OUTPUTS\nexpect(1)"), "OUTPUTS'; known are"),
    (check_markers, at(1, source="# NBVAL_IGNORE_OUTPUT because\nexpect(1)"), "because'; known"),
    (check_markers, at(1, source="# NBVAL_SKIP\n1"), "the marker '# NBVAL_SKIP'"),
    (check_markers, at(1, source="# nbval_ignore_output\nexpect(1)"), "nbval_ignore_output'; kno"),
    (check_markers, at(1, source="expect(1)  # NBVAL_IGNORE_OUTPUT"), "NBVAL_IGNORE_OUTPUT'; kn"),
    (check_markers, at(1, tags=["nbval-ignore-output"], source="# expect(1)"), "asserts nothing"),
    (check_markers, at(1, source="# NBVAL_IGNORE_OUTPUT\n1"), "asserts nothing"),
    (check_number_of_cells, lambda nb: nb.cells.pop(1), "8 code cells, not 9"),
    (check_exercises, at(6, source='@exercise("vae.lk")'), "there is no exercise 'vae.lk'"),
    (check_exercises, at(6, source="1"), "1 exercises; a lesson has 2 to 4"),
    (check_exercises, at(1, source='@exercise("vae.kl")\n' * 3), "5 exercises"),
    (check_lesson, lambda nb: nb.cells[2].outputs.clear(), "3 pictures"),
    (check_lesson, at(1, source="# expect('loss')"), "no claim"),
    (check_lesson, lambda nb: nb.cells.pop(), "no section References"),
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_good_notebook_keeps(check, store):
    assert list(check(store(toy()))) == []


@pytest.mark.parametrize(("check", "change", "message"), BROKEN)
def test_a_broken_notebook_is_refused(check, change, message, store):
    notebook = toy()
    change(notebook)
    problems = list(check(store(notebook)))
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("name", ["toy", "01_Toy", "01-toy"])
def test_a_name_that_is_no_lesson_is_refused(name, store):
    assert list(check_name(store(toy(), name)))


def test_every_rule_is_tested():
    assert {check for check, *_ in BROKEN} | {check_name} == set(CHECKS)


def test_the_start_page_need_not_be_a_lesson(store):
    page = store(new_notebook(cells=[new_markdown_cell("# Start")]), "00_toy")
    assert not list(check_lesson(page)) + list(check_exercises(page))


# ---------------------------------------------------------------- the repository


def repository_problems(sizes: dict[str, int]) -> Iterator[str]:
    """What is too large. sizes: bytes of each file that git holds or would add, by its path."""
    for path, size in sizes.items():
        if size > 1_000_000 and not path.startswith("data/models/"):
            yield f"{path} has {size / 1e6:.1f} MB; outside data/models 1 MB is the limit"
    if (data := sum(size for path, size in sizes.items() if path.startswith("data/"))) > 60e6:
        yield f"data/ has {data / 1e6:.0f} MB; 60 MB is the limit"


def test_repository_is_small():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git repository")
    paths = {name: ROOT / name for name in names.split("\0") if name}
    sizes = {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
    assert len(sizes) > 10
    assert not list(repository_problems(sizes))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"notebooks/images/a.gif": 1_100_000}, "a.gif has 1.1 MB"),
        ({"data/table.csv": 1_100_000}, "table.csv has 1.1 MB"),
        ({f"data/models/{n}": 11_000_000 for n in range(6)}, "data/ has 66 MB"),
    ],
)
def test_a_large_repository_is_refused(sizes, message):
    assert any(message in problem for problem in repository_problems(sizes))


def names_of_day1(found: dict[str, Any]) -> None:
    weights = found["log_weight"].double().exp()
    assert found["effective"].item() == pytest.approx(
        (weights.sum() ** 2 / (weights**2).sum()).item()
    )
    torch.testing.assert_close(found["p_y_given_x"].sum(dim=1), torch.ones(8))
    torch.testing.assert_close(found["e"], found["codebook"][found["index"]])
    normals = [torch.distributions.Normal(0.0, 1.0)]
    normals.append(torch.distributions.Normal(found["mu"], torch.exp(found["log_var"] / 2)))
    by_library = torch.distributions.kl_divergence(normals[1], normals[0]).sum(dim=1)
    torch.testing.assert_close(found["kl"], by_library)
    assert 1 <= found["perplexity"] <= 64


def names_of_day2(found: dict[str, Any]) -> None:
    from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler

    logits, labels = torch.cat([found["real_logits"], found["fake_logits"]]), torch.ones(16)
    labels[8:] = 0
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(found["d_loss"], 2 * bce(logits, labels))
    torch.testing.assert_close(found["g_loss"], bce(found["fake_logits"], torch.ones(8)))
    a, b = found["a"], found["b"]
    assert found["frechet"].item() == pytest.approx(metrics.frechet_distance(a, b))
    measured = (found["precision"].item(), found["recall"].item())
    assert measured == metrics.precision_recall(a, b)
    assert found["covered"].item() == metrics.coverage(a, b)
    alone = torch.nn.functional.conv2d(found["x"][1:2], found["modulated"][1], padding=1)
    torch.testing.assert_close(found["y"][1:2], alone)
    torch.testing.assert_close(found["modulated"].square().sum(dim=(2, 3, 4)), torch.ones(4, 16))

    kept = dict(trained_betas=found["betas"].numpy(), clip_sample=False)
    kept["num_train_timesteps"] = found["T"]
    t, xt, eps = found["t"], found["xt"], found["eps"]
    by_library = DDPMScheduler(**kept).add_noise(found["x0"], eps, torch.tensor([t]))
    torch.testing.assert_close(xt, by_library)
    scheduler = DDIMScheduler(**kept)
    scheduler.set_timesteps(found["T"])
    torch.testing.assert_close(found["ddim"], scheduler.step(eps, t, xt).prev_sample)
    scheduler = DDPMScheduler(**kept)
    scheduler.set_timesteps(found["T"])
    drawn = [scheduler.step(eps, t, xt).prev_sample for _ in range(2_000)]
    spread = found["variance"].sqrt().item()
    torch.testing.assert_close(torch.stack(drawn).mean(0), found["mean"], rtol=0, atol=spread / 8)
    assert torch.stack(drawn).std(0).mean().item() == pytest.approx(spread, rel=0.01)
    torch.testing.assert_close(found["clean"], found["x0"])
    flow = FlowMatchEulerDiscreteScheduler()
    flow.set_timesteps(sigmas=[1 - found["s"], 1 - found["s"] - found["step"]])
    v = eps - found["x0"]  # σ = 1 − t runs the other way
    on_the_way = flow.step(v, flow.timesteps[0], found["on_the_way"]).prev_sample
    torch.testing.assert_close(found["next_x"], on_the_way, rtol=1e-6, atol=1e-6)


def names_of_day2_words(sections: list[dict[str, Any]]) -> None:
    """Lessons 05 to 09, each by what its own section left behind."""
    words, attention, transformer, gpt, llms = sections[4:]
    u, v, negatives = (words[name] for name in ("u", "v", "negatives"))
    scores = torch.cat([(u * v).sum(1, keepdim=True), -(negatives * u[:, None]).sum(2)], dim=1)
    torch.testing.assert_close(words["loss"], -scores.sigmoid().log().sum(1))
    pieces = words["tokenizer"].encode("the hat").tokens
    assert "".join(pieces).replace("Ġ", " ") == "the hat" and len(pieces) < 7
    bias = words["lstm"].bias_ih_l0.unflatten(0, (4, 128))  # of i, f, g, o
    assert bias[1].min() > 0.9 and bias[[0, 2, 3]].max() < 0.1
    lstm, state = torch.nn.LSTMCell(64, 128), None
    lstm.load_state_dict({n.removesuffix("_l0"): w for n, w in words["lstm"].state_dict().items()})
    x = torch.randn(8, 20, 64)
    for t in range(20):
        state = lstm(x[:, t], state)
    torch.testing.assert_close(state[0], words["lstm"](x)[0][:, -1])
    assert words["states"].shape == (8, 20, 128) and words["h"].shape == (1, 8, 128)

    attend = torch.nn.functional.scaled_dot_product_attention
    assert torch.equal(attention["mask"], day2.causal_mask(attention["valid"]))
    looks = attention["looks"]  # (B, heads, T, T)
    assert (looks.triu(1) == 0).all() and (looks[1, :, :, 3:] == 0).all()
    torch.testing.assert_close(looks.sum(-1), torch.ones(2, 4, 5))
    assert attention["out"].shape == attention["x"].shape

    torch.testing.assert_close(transformer["positions"], day2.positions(20, 64))
    assert torch.equal(transformer["later"], torch.ones(20, 20).triu(1).bool())
    log_p = transformer["logits"].log_softmax(1)
    right = log_p.gather(1, transformer["target"][:, None]).mean()
    torch.testing.assert_close(transformer["loss"], -0.9 * right - 0.1 * log_p.mean())
    total = transformer["total"].view(4, 100)
    best = total[transformer["parents"], transformer["chosen"]]
    torch.testing.assert_close(best, transformer["scores"])
    assert best.min() == total.flatten().sort(descending=True).values[3]

    k, v = (gpt[name].repeat_interleave(2, dim=1) for name in ("k", "v"))
    seen = torch.arange(9) <= torch.arange(6, 9)[:, None]
    torch.testing.assert_close(gpt["out"], attend(gpt["q"], k, v, seen))
    torch.testing.assert_close(gpt["x"].square().mean(1), torch.ones(5), rtol=1e-4, atol=1e-4)
    turned = day2.rotate(gpt["q"].transpose(1, 2), torch.arange(6, 9)).transpose(1, 2)
    torch.testing.assert_close(gpt["turned"], turned)
    p, gone = gpt["logits"].softmax(-1), gpt["gone"]
    kept = (p * ~gone).sum(-1)
    assert (kept >= 0.9).all() and (kept - p.masked_fill(gone, 2).amin(-1) < 0.9).all()
    assert not gone.gather(1, gpt["token"]).any()

    from transformers.models.t5.modeling_t5 import T5Attention

    bucket = T5Attention._relative_position_bucket(llms["apart"])
    torch.testing.assert_close(llms["bucket"], bucket)
    assert llms["bias"].shape == (4, 40, 40)
    drawn = (llms[name] for name in ("tokens", "pick", "what", "others"))
    inputs, labels = day2.mask_tokens(*drawn, mask=50)
    assert torch.equal(llms["inputs"], inputs) and torch.equal(llms["labels"], labels)


def all_of_day3(sections: list[dict[str, Any]]) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

    first, training, tuning, transfer, few = sections[:5]
    pooled = day3.mean_pool(first["states"], first["given"].attention_mask)
    torch.testing.assert_close(first["embedding"], pooled)
    assert 0.7 < first["cosine"] <= 1  # two sentences that say the same

    with torch.device("meta"):
        gpt2 = GPT2LMHeadModel(GPT2Config())
    assert training["N"] == gpt2.num_parameters()
    means, counts = training["means"], training["counts"]
    every_token = torch.cat([m.expand(n) for m, n in zip(means, counts.tolist(), strict=True)])
    torch.testing.assert_close(training["loss"], every_token.mean())
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    from transformers import get_cosine_schedule_with_warmup

    schedule = get_cosine_schedule_with_warmup(optimizer, training["warmup"], training["steps"])
    factor = schedule.lr_lambdas[0](training["step"])
    assert training["factor"] == pytest.approx(factor)

    small = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
                     decoder_start_token_id=0)  # fmt: skip
    shifted = T5ForConditionalGeneration(small)._shift_right(tuning["labels"])
    assert torch.equal(tuning["read"], shifted)
    asked = tuning["labels"] != -100
    log_p = tuning["logits"].log_softmax(-1)[asked]
    right = log_p.gather(1, tuning["labels"][asked][:, None])
    torch.testing.assert_close(tuning["loss"], -right.mean())
    ends = (tuning[name].weight for name in ("old", "new"))
    torch.testing.assert_close(tuning["mixed"].weight, sum(ends) / 2)

    drawn = transfer["y"][transfer["rows"]]
    assert drawn.bincount().tolist() == [16, 16] and len(set(transfer["rows"].tolist())) == 32
    scores = torch.tensor(transfer["scores"], dtype=torch.float64)
    half = 2.776 * scores.std() / 5**0.5
    assert transfer["ends"] == pytest.approx(
        [(scores.mean() - half).item(), (scores.mean() + half).item()], abs=1e-4
    )

    merged = few["x"] @ few["merged"].T
    torch.testing.assert_close(few["h"], merged)
    assert len(few["levels"]) == 16 and few["levels"][7] == 0
    wide = few["W"].abs().reshape(-1, 64).amax(1)[:, None] * few["levels"].diff().max() / 2
    assert ((few["restored"] - few["W"]).reshape(-1, 64).abs() <= wide + 1e-6).all()
    checks = (
        sheet_of_3_06, sheet_of_3_07, sheet_of_3_08, sheet_of_3_09, sheet_of_3_10, sheet_of_3_11,
    )  # fmt: skip
    for check, names in zip(checks, sections[5:], strict=True):
        check(names)


def sheet_of_3_06(names: dict[str, Any]) -> None:
    both = torch.stack([names["r_w"], names["r_l"]], dim=1)
    first = torch.zeros(8, dtype=torch.long)  # a choice between two, by softmax
    torch.testing.assert_close(names["preference"], torch.nn.functional.cross_entropy(both, first))
    p = torch.arange(names["n"] * 1_000) + 0.5  # ranks of answers: the best of n has n u^(n − 1)
    density = names["n"] * (p / len(p)).double() ** (names["n"] - 1)
    assert names["paid"] == pytest.approx((density * density.log()).mean().item(), abs=1e-3)
    logs = (names[name] for name in ("pi_w", "pi_l", "ref_w", "ref_l"))
    torch.testing.assert_close(names["dpo"], day3.dpo_loss(*logs, names["beta"]))
    torch.testing.assert_close(names["A"], day3.group_advantages(names["r"]))
    assert names["k3"].min() >= 0
    expected = -(names["A"] * names["log_pi"]).mean() + 0.02 * names["k3"].mean()
    torch.testing.assert_close(names["grpo"], expected)


def sheet_of_3_07(names: dict[str, Any]) -> None:
    u, v = (t / t.norm(dim=1, keepdim=True) for t in (names["pictures"], names["captions"]))
    cosines = u @ v.T
    rows, columns = ((cosines / 0.07).log_softmax(dim).diag().mean() for dim in (1, 0))
    torch.testing.assert_close(names["pair_loss"], -(rows + columns) / 2)
    directions = names["prompts"] / names["prompts"].norm(dim=2, keepdim=True)
    fits = (u @ directions.flatten(0, 1).T).view(8, 5, 18)
    torch.testing.assert_close(names["zero_shot"], day3.zero_shot(fits, 1 / 0.07))
    rank = (cosines > cosines.diag()[:, None]).sum(dim=1)
    torch.testing.assert_close(names["recall_at_3"], (rank < 3).float().mean())
    x_t, free, asked, t = (names[name] for name in ("x_t", "free", "asked", "t"))
    end = 1.5 * asked - 0.5 * free
    noise = (x_t - t * end) / (1 - t)
    later = t + 1 / names["n"]
    torch.testing.assert_close(names["x_next"], (1 - later) * noise + later * end)


def sheet_of_3_08(names: dict[str, Any]) -> None:
    assert names["winner"] == 7
    advantages = names["advantages"]
    torch.testing.assert_close(advantages.sum(dim=1), torch.zeros(2))
    assert not advantages[1].any() and advantages[0].tolist() == pytest.approx(
        [0.866, -0.866, -0.866, 0.866], abs=1e-3
    )
    assert names["worth"] == 9.0 - 6.0 / 4.0 * 2.0 + 1.0
    assert names["recall"] == 0.5
    number, at = names["cited"][0]
    assert names["passages"][number][at:] == names["quote"]


def sheet_of_3_09(names: dict[str, Any]) -> None:
    d, low, high = (names[name] for name in ("d", "low", "high"))
    half = 1.96 * d.std().item() / len(d) ** 0.5
    assert low.item() == pytest.approx(d.mean().item() - half, abs=0.08)
    assert high.item() == pytest.approx(d.mean().item() + half, abs=0.08)
    exact = 2 * (7 + 1) / 2**7  # of the seven that differ, one or none on one side
    assert names["p_value"] == pytest.approx(exact, abs=0.03)
    wins, strengths = names["wins"], names["strengths"]
    p = strengths[:, None] / (strengths[:, None] + strengths)
    games = (wins + wins.T).fill_diagonal_(0)
    torch.testing.assert_close((games * p).sum(1), wins.sum(1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(names["for_a"], torch.tensor([0.85, 0.45]))
    assert names["contradicts"] == 0.5


def sheet_of_3_10(names: dict[str, Any]) -> None:
    from scipy.stats import binomtest

    interval = binomtest(names["k"], names["n"]).proportion_ci(0.95, method="wilson")
    assert (names["low"], names["high"]) == pytest.approx((interval.low, interval.high), abs=1e-4)
    W, step, zero = names["W"], names["step"], torch.zeros(32, dtype=torch.int32)
    theirs = torch.fake_quantize_per_channel_affine(W, step, zero, 0, -127, 127)
    torch.testing.assert_close(names["unpacked"], theirs)
    assert names["q"].dtype == torch.int8 and names["q"].abs().amax(1).eq(127).all()
    assert ((names["unpacked"] - W).abs() <= step[:, None] / 2 + 1e-6).all()


def sheet_of_3_11(names: dict[str, Any]) -> None:
    from scipy import stats

    assert names["front"].tolist() == day3.pareto(names["costs"]).tolist()
    assert names["front"].tolist() == [True, True, False, True]
    assert names["bits"] == pytest.approx(day3.exposure(names["log_p"], names["secret"]))
    tested = stats.permutation_test(
        (names["x"].numpy(), names["y"].numpy()), lambda a, b: a.mean() - b.mean(),
        vectorized=False, alternative="greater",
    )  # fmt: skip
    assert names["p"].item() == pytest.approx(tested.pvalue)


def all_of_day1(sections: list[dict[str, Any]]) -> None:
    names_of_day1(sections[-1])


def all_of_day2(sections: list[dict[str, Any]]) -> None:
    names_of_day2(sections[3])
    names_of_day2_words(sections)


@pytest.mark.parametrize(
    ("day", "check"),
    [
        ("day1_foundations_vae", all_of_day1),
        ("day2_gans_transformers", all_of_day2),
        ("day3_huggingface_finetuning", all_of_day3),
    ],
    ids=["day1", "day2", "day3"],
)
def test_a_cheat_sheet_runs_and_is_right(day, check):
    """What its lines compute, against a second way to compute it."""
    text = (ROOT / "notebooks" / day / "cheatsheet.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    sections = []  # the names after each section
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for part in re.split(r"^(?=## )", text, flags=re.MULTILINE):
            for block in re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
                exec(compile(block, "cheatsheet.md", "exec"), found)
            sections.append(dict(found))
        check(sections[1:])
    assert not (problems := list(check_prose(SimpleNamespace(texts=[text], outputs=[])))), problems


def test_helpers_are_few():
    """The exercises' references aside."""
    files = [p for p in (ROOT / "helpers").glob("**/*.py") if not re.match(r"day\d", p.name)]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    shared, worlds, checking = (
        [n for path, n in lines.items() if path.parent.name == folder]
        for folder in ("helpers", "data", "exercises")
    )
    assert 500 < (n := sum(shared)) < 1_900, f"helpers has {n} lines; a lesson shows its own code"
    assert max(worlds) < 700, "a world of data is too long to read"
    assert sum(checking) < 1_100, "what checks exercises is too long to read"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    places = ["notebooks", "helpers", "tools", "benchmarks", "tests", "course.py"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", *places],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
