"""tools.export: what the two views hold, and which folders it leaves alone."""

import ast
import builtins
import dataclasses
import hashlib
import re
import subprocess
import sys
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.exercises import engine
from tools import export, publish, run

HERE = run.ROOT  # the course, where a test pretends another one
STUB = "    ...  # your code"
TOY = f'''from helpers.exercises import exercise


@exercise("vae.kl")
def kl(mu, log_var):
    """The divergence.

    (B, D), (B, D) -> (B,)
    """
{STUB}


print("below")'''


def stored():
    """The hash of every file of the course's notebooks."""
    paths = [path for path in (run.ROOT / "notebooks").rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """The folder with both views of the whole course; making them changes no notebook."""
    folder, before = tmp_path_factory.mktemp("course é") / "exports", stored()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "EXPORTS", folder)
        assert export.main(["--student"]) == 0
        assert export.main(["--solutions"]) == 0
    assert stored() == before
    assert {path.name for path in folder.iterdir()} == {"student", "solutions"}
    return folder


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A function that makes a course of one small lesson; its exports go beside it."""
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(export, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setattr(export, "EXPORTS", tmp_path / "exports")

    def write(*sources):
        lesson = tmp_path / "notebooks" / "day1_toy" / "01_toy.ipynb"
        lesson.parent.mkdir(parents=True, exist_ok=True)
        cells = [new_markdown_cell("# Toy"), *map(new_code_cell, sources)]
        nbformat.write(new_notebook(cells=cells), lesson)
        return tmp_path / "exports"

    return write


def pairs(views, view):
    """Each lesson's cells as the course has them, and as a view has them."""
    for lesson in run.lessons():
        exported = views / view / lesson.relative_to(run.ROOT / "notebooks")
        yield lesson, nbformat.read(lesson, 4).cells, nbformat.read(exported, 4).cells


def has_exercise(cell):
    return cell.cell_type == "code" and re.search(r"^@exercise\(", cell.source, re.MULTILINE)


# ---------------------------------------------------------------- the two views


def test_student_view_has_no_outputs_and_is_else_the_same(views):
    """But for what leads to files that are not exported: the badges of a course that is not
    published, to README.md, and a link to the glossary."""
    stubs, glossary = 0, "[glossary](../docs/glossary.md)"
    assert any(
        glossary in cell.source for _, before, _ in pairs(views, "student") for cell in before
    )
    for lesson, before, after in pairs(views, "student"):
        if not publish.address():
            title, _, badge, _, rest = before[0].source.split("\n", 4)
            assert badge.startswith("[![Open in Colab](") and "README.md" in badge
            before[0].source = f"{title}\n\n{rest}"
        for cell in before:
            cell.source = cell.source.replace(glossary, "glossary")
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        assert after == before, lesson
        stubs += sum(cell.source.count(STUB) for cell in after if has_exercise(cell))
    engine._load()
    assert stubs == len(engine._registry)


def needed(function):
    """The names that a function takes from the notebook."""
    found = {i.argval for i in engine._instructions(function.__code__) if "GLOBAL" in i.opname}
    return found - set(dir(builtins))


def imports(cells, names):
    """The lines with which these cells import some of the names."""
    for cell in cells:
        lines = re.findall(r"^(?:import|from) [^(\n]*$", cell.source, re.MULTILINE)
        nodes = ast.parse("\n".join(lines)).body
        for node in (n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)):
            if names & {alias.asname or alias.name for alias in node.names}:
                yield ast.unparse(node)


def test_solutions_pass_every_check_with_what_the_lesson_imports(views, monkeypatch, capsys):
    engine._load()
    copies = {name: dataclasses.replace(e) for name, e in engine._registry.items()}
    monkeypatch.setattr(engine, "_registry", copies)
    passed = []
    for lesson, _, cells in pairs(views, "solutions"):
        names = {"__name__": "__main__"}
        exec("from helpers.exercises import exercise", names)
        for number, cell in enumerate(cells):
            if not has_exercise(cell):
                continue
            [name] = names_of(cell.source)
            reference = engine._registry[name].reference
            above = [c for c in cells[: number + 1] if c.cell_type == "code"]
            for line in imports(above, needed(reference)):
                exec(line, names)
            capsys.readouterr()
            exec(cell.source, names)
            assert capsys.readouterr().out.startswith(f"✓ {name}: right."), lesson
            passed.append(name)
    assert sorted(passed) == sorted(engine._registry)


def names_of(source):
    return re.findall(r'^@exercise\("([\w.]+)"\)', source, re.MULTILINE)


def test_solutions_differ_from_the_student_view_in_the_bodies_of_exercises_only(views):
    for lesson, student, solutions in pairs_of_views(views):
        for before, after in zip(student, solutions, strict=True):
            if not has_exercise(before):
                assert after == before, lesson
                continue
            [name] = names_of(before.source)
            head, tail = before.source.split(STUB)
            assert after.source.startswith(head) and after.source.endswith(tail)
            filled = after.source.removeprefix(head).removesuffix(tail)
            assert engine.code_of(name).endswith(filled.lstrip("\n"))  # comments included
            assert not after.outputs and after.execution_count is None


def pairs_of_views(views):
    for (lesson, _, student), (_, _, solutions) in zip(
        pairs(views, "student"), pairs(views, "solutions"), strict=True
    ):
        yield lesson, student, solutions


@pytest.mark.parametrize("view", ["student", "solutions"])
def test_links_lead_to_what_was_exported(views, view):
    pages = [*(views / view).glob("**/*.ipynb"), *(views / view).glob("**/*.md")]
    assert len(pages) == len(run.lessons()) + 3  # the cheat sheets
    links = 0
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s#]+)|src=\\?[\"'](.*?)\\?[\"']", text):
            place = unquote("".join(target))
            if place.endswith((".ipynb", ".md", ".png", ".svg")) and "://" not in place:
                assert (page.parent / place).is_file(), f"{page.name}: {place}"
                links += 1
    assert links >= 75


def test_a_published_course_is_exported_with_its_badges(toy, tmp_path):
    badge = "[![Open in Colab](../images/open_in_colab.svg)](https://colab.research.google.com/x)"
    exports = toy(TOY)
    lesson = tmp_path / "notebooks" / "day1_toy" / "01_toy.ipynb"
    notebook = nbformat.read(lesson, 4)
    notebook.cells[0].source = f"# Toy\n\n{badge}\n\nText."
    nbformat.write(notebook, lesson)
    for url, opening in (("", "# Toy\n\nText."), ("https://github.com/a/b", None)):
        start = new_notebook(cells=[new_markdown_cell("# S"), new_code_cell(f'COURSE = "{url}"')])
        nbformat.write(start, tmp_path / publish.START)
        for view in ("student", "solutions"):
            assert export.main([f"--{view}"]) == 0
            exported = nbformat.read(exports / view / "day1_toy" / "01_toy.ipynb", 4)
            assert exported.cells[0].source == (opening or notebook.cells[0].source)


def test_a_cell_keeps_its_docstring_and_what_stands_around(toy):
    exports = toy(TOY, "x = ...", "# @exercise in a comment")
    assert export.main(["--solutions"]) == 0
    cells = nbformat.read(exports / "solutions" / "day1_toy" / "01_toy.ipynb", 4).cells
    filled = TOY.replace(STUB, "    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(dim=1)")
    assert [c.source for c in cells[1:]] == [filled, "x = ...", "# @exercise in a comment"]


def test_body_keeps_comments_and_leaves_out_header_and_docstring():
    code = 'def f(a,\n      b=1):\n    """Doc.\n\n    More."""\n    # why\n    return a  # b'
    assert export.body(code) == ["    # why", "    return a  # b"]
    assert export.body(code.replace('"""Doc.\n\n    More."""', "# first")) == [
        "    # first", "    # why", "    return a  # b"]  # fmt: skip


def test_executed_solutions_hold_outputs_and_what_failed_is_named(toy, capsys):
    exports = toy(TOY, "kl.__module__", "1 / 0", "print('never')")
    assert export.main(["--solutions", "--execute"]) == 1
    cells = nbformat.read(exports / "solutions" / "day1_toy" / "01_toy.ipynb", 4).cells
    assert cells[1].outputs[0].text.startswith("✓ vae.kl: right.")
    assert cells[2].outputs[0].data["text/plain"] == "'__main__'"
    assert cells[3].outputs[0].ename == "ZeroDivisionError" and not cells[4].outputs
    printed = capsys.readouterr()
    assert printed.out.startswith("1.01 toy: failed: cell [3] (1 / 0)")
    assert printed.err == "Not run to the end: 1.01 toy.\n"


def test_solutions_are_in_the_style_of_the_course(views):
    options = ["--check", "--config", run.ROOT / "pyproject.toml", views / "solutions"]
    command = [sys.executable, "-m", "ruff", "format", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- what it leaves alone


def told(capsys):
    """The one sentence on stderr; nothing else is printed."""
    printed = capsys.readouterr()
    assert not printed.out
    [sentence] = printed.err.splitlines()
    return sentence


@pytest.mark.parametrize("view", ["student", "solutions"])
def test_folder_of_somebody_else_is_left_alone(toy, capsys, view):
    exports = toy(TOY)
    theirs = exports / view / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    assert export.main([f"--{view}"]) == 1
    assert told(capsys).startswith(f"exports/{view} holds thesis.txt, which no export wrote")
    assert theirs.read_text() == "years of work"
    assert [path.name for path in exports.rglob("*")] == [view, "thesis.txt"]


def edited(folder):
    (folder / "day1_toy" / "01_toy.ipynb").write_text("my answers")


def added(folder):
    (folder / "day1_toy" / "notes.md").write_text("mine")


def linked(folder):
    (folder / "day1_toy" / "data").symlink_to(folder.parent)


def unlisted(folder):
    (folder / export.LIST).unlink()


@pytest.mark.parametrize("change", [edited, added, linked, unlisted])
@pytest.mark.parametrize("view", ["student", "solutions"])
def test_folder_in_which_somebody_worked_is_left_alone(toy, capsys, view, change):
    folder = toy(TOY) / view
    assert export.main([f"--{view}"]) == 0
    change(folder)
    capsys.readouterr()
    before = export.hashes(folder)
    assert export.main([f"--{view}"]) == 1
    assert "move the folder away" in told(capsys)
    assert export.hashes(folder) == before


def test_file_or_link_in_place_of_the_folder_is_left_alone(toy, capsys, tmp_path):
    exports = toy(TOY)
    exports.mkdir()
    (exports / "student").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (exports / "solutions").symlink_to(tmp_path / "elsewhere")
    for view in ("student", "solutions"):
        assert export.main([f"--{view}"]) == 1
        assert told(capsys).startswith(f"exports/{view} is not a folder")
    assert (exports / "student").read_text() == "a file"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_own_folder_is_written_anew(toy):
    folder = toy(TOY) / "student"
    assert export.main(["--student"]) == 0
    (folder / ".ipynb_checkpoints").mkdir()  # left by Jupyter when a notebook was only looked at
    toy(TOY, "1 + 1")
    assert export.main(["--student"]) == 0
    assert len(nbformat.read(folder / "day1_toy" / "01_toy.ipynb", 4).cells) == 3
    assert [path.name for path in folder.parent.iterdir()] == ["student"]
    empty = folder.parent / "solutions"
    empty.mkdir()
    assert export.main(["--solutions"]) == 0


def test_interrupted_export_leaves_the_old_one(toy, capsys, monkeypatch):
    folder = toy(TOY) / "solutions"
    assert export.main(["--solutions"]) == 0
    before = export.hashes(folder)
    toy(TOY, "1 + 1")
    capsys.readouterr()
    interrupted = (new_notebook(), {"error": "interrupted"})
    monkeypatch.setattr(run, "execute", lambda lesson, seed: interrupted)
    assert export.main(["--solutions", "--execute"]) == 130
    assert told(capsys) == "Stopped: exports/solutions is as it was."
    assert export.hashes(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["solutions"]


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("options", [
    [], ["--student", "--solutions"], ["--student", "--execute"], ["--execute"],
])  # fmt: skip
def test_options_that_do_not_fit_are_one_sentence(toy, capsys, options):
    exports = toy(TOY)
    assert export.main(options) == 2
    assert told(capsys) == "Say --student or --solutions, the latter with --execute or not."
    assert not exports.exists()


@pytest.mark.parametrize("option", ["--students", "--stud", "06", "-x"])
def test_unknown_options_are_one_sentence(toy, capsys, option):
    exports = toy(TOY)
    assert export.main(["--student", option]) == 2
    assert told(capsys).startswith(f"{option} is not known to export: say --student or ")
    assert not exports.exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (TOY.replace(STUB, "    return mu"), "vae.kl has an answer in it already"),
        (TOY.replace(STUB, "    x = mu\n" + STUB), "vae.kl has an answer in it already"),
        (TOY.replace(STUB, "    return mu)"), "a cell with an exercise is no Python"),
    ],
)
@pytest.mark.parametrize("view", ["student", "solutions"])
def test_an_answer_in_the_course_does_not_reach_the_class(toy, capsys, view, source, says):
    exports = toy(source)
    assert export.main([f"--{view}"]) == 1
    assert told(capsys).startswith(f"1.01 toy: {says}")
    assert not list(exports.iterdir())
