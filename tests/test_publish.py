"""tools.publish: the address in badges, set-up cells and README.md, and nothing else changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import chain

import pytest

from tools import publish, run

HERE = run.ROOT  # the course, where a test works on a copy
COLAB = "https://colab.research.google.com/github/ada/course-1.x/blob/main/notebooks/"


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory):
    """A course not published, with the first two cells of each notebook: copied in no time."""
    root = tmp_path_factory.mktemp("beginnings")
    with pytest.MonkeyPatch.context() as patch:
        for path in publish.files():
            text, place = path.read_text(encoding="utf-8"), root / path.relative_to(HERE)
            if path.suffix == ".ipynb":
                notebook = json.loads(text)
                notebook["cells"] = notebook["cells"][:2]
                text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")
        patch.setattr(run, "ROOT", root)
        assert publish.main(["--undo"]) == 0
    return root


@pytest.fixture
def course(beginnings, tmp_path, monkeypatch):
    """Such a course of one's own, in a folder with a space."""
    root = tmp_path / "a cours é"
    shutil.copytree(beginnings, root)
    monkeypatch.setattr(run, "ROOT", root)
    return root


@pytest.fixture
def git(course):
    """A function that runs git in the copy; it has become a repository."""

    def call(*arguments):
        subprocess.run(["git", *arguments], cwd=course, check=True, capture_output=True)

    call("init", "-q")
    return call


def contents(root):
    """Every file below a folder."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def told(capsys):
    """The one sentence on stderr; nothing else is printed."""
    printed = capsys.readouterr()
    assert not printed.out
    [sentence] = printed.err.splitlines()
    return sentence


def opening(path):
    """The first cell and the first code cell of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = next(cell for cell in cells if cell["cell_type"] == "code")
    return "".join(cells[0]["source"]), "".join(code["source"])


# ---------------------------------------------------------------- the course as it is


def test_every_notebook_has_its_badge_below_the_title_and_the_one_address():
    """Also in a published course: there all of them name the same repository and branch."""
    here = publish.address()
    start = re.search(r"\(\S+?/blob/(\S+)/notebooks/", opening(HERE / publish.START)[0])
    assert bool(start) == bool(here)
    for path in publish.files():
        assert publish.rewritten(path, here, start[1] if start else "") == path.read_bytes(), path
    for path in run.lessons():
        place = path.relative_to(HERE).as_posix()
        up = "../" * (place.count("/") - 1)
        _, _, badge, blank, _ = opening(path)[0].split("\n", 4)
        assert badge.startswith(f"[![Open in Colab]({up}images/open_in_colab.svg)](") and not blank
    assert "## On Colab" in (HERE / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_badge_is_a_small_picture_that_names_itself():
    place = HERE / "notebooks" / "images" / "open_in_colab.svg"
    root = ET.fromstring(place.read_text(encoding="utf-8"))
    texts = {child.tag.partition("}")[2]: child.text for child in root}
    assert texts["title"] == texts["text"] == "Open in Colab" and texts["desc"]
    assert root.get("role") == "img" and place.stat().st_size < 1_000


# ---------------------------------------------------------------- what it writes


def test_badges_cells_and_readme_get_the_address_and_nothing_else_changes(course, capsys):
    before = contents(course)
    capsys.readouterr()
    assert publish.main(["ada/course-1.x"]) == 0
    after = contents(course)
    assert capsys.readouterr().out.startswith(
        f"{len(after)} of {len(after)} files changed: {len(after) - 1} notebooks and README.md "
        "name https://github.com/ada/course-1.x.\n"
    )
    assert publish.address() == "ada/course-1.x"
    assert after.keys() == before.keys()
    for path in run.lessons():
        badge, cell = opening(path)
        assert f"]({COLAB}{path.relative_to(course / 'notebooks').as_posix()})" in badge
        assert 'COURSE = "https://github.com/ada/course-1.x"' in cell.splitlines()
        old, new = (whole[path].splitlines() for whole in (before, after))
        changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        assert [b"open_in_colab" in a or b"COURSE = " in a for a, _ in changed] == [True, True]
    assert f"]({COLAB}00_start_here.ipynb)" in (course / "README.md").read_text(encoding="utf-8")


def test_twice_is_once_and_there_is_a_way_back_and_to_another_address(course):
    before = contents(course)
    assert publish.main(["ada/course-1.x"]) == 0
    once = contents(course)
    assert publish.main(["https://github.com/ada/course-1.x.git"]) == 0
    assert contents(course) == once
    assert publish.main(["bob/kurs", "--branch", "winter/2"]) == 0
    assert publish.address() == "bob/kurs"
    for path, content in contents(course).items():
        assert b"ada" not in content or b"ada" in before[path]
        assert b"github/bob/kurs/blob/winter/2/notebooks/" in content
    assert publish.main(["ada/course-1.x"]) == 0
    assert contents(course) == once
    assert publish.main(["--undo"]) == 0
    assert contents(course) == before and publish.address() == ""


def test_bytes_that_editors_write_differently_stay(course):
    """Another indentation, Windows' line ends, no line end at the end."""
    lesson = run.lessons()[1]
    raw = json.dumps(json.loads(lesson.read_text(encoding="utf-8")), indent=2)
    before = raw.replace("\n", "\r\n").encode()
    lesson.write_bytes(before)
    assert publish.main(["ada/course-1.x"]) == 0
    assert COLAB in opening(lesson)[0] and lesson.read_bytes() != before
    assert publish.main(["--undo"]) == 0
    assert lesson.read_bytes() == before


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_longest_address_keeps_the_style(course, command):
    """A line may be too long only where it ends with an address."""
    assert publish.main([f"{'o' * 39}/{'n' * 100}"]) == 0
    options = ["--no-cache", "--config", HERE / "pyproject.toml", course / publish.START]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- which address


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ada/course-1.x",
        "https://github.com/ada/course-1.x.git",
        "https://github.com/ada/course-1.x/",
        "https://ada:secret@github.com/ada/course-1.x.git",
        "git@github.com:ada/course-1.x.git",
        "git@github.com:ada/course-1.x",
        "ssh://git@github.com/ada/course-1.x.git",
    ],
)
def test_the_default_is_the_git_remote(course, git, capsys, url):
    git("remote", "add", "origin", url)
    assert publish.main([]) == 0
    assert publish.address() == "ada/course-1.x"
    assert "secret" not in capsys.readouterr().out
    notebooks = contents(course / "notebooks").values()
    assert not any(b"secret@" in content for content in notebooks)


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.com/ada/course.git",
        "https://ada:secret@example.org/ada/course.git",
        "https://github.com/ada",
        "https://github.com/ada/course/tree/main",
        "https://github.com.example.org/ada/course",
        "https://example.org/github.com/ada/course",
        "https://github.com/ada/..",
        "https://github.com/ada/.git",
        "https://github.com/-ada/course",
        "ada/course",  # for git, a folder
        'git@github.com:ada/x");import os',
    ],
)
def test_a_remote_elsewhere_is_refused_and_not_repeated(course, git, capsys, url):
    git("remote", "add", "origin", url)
    before = contents(course)
    capsys.readouterr()
    assert publish.main([]) == 1
    assert told(capsys) == (
        "The git remote origin is missing or not on GitHub: say python course.py publish "
        "OWNER/NAME."
    )
    assert contents(course) == before


def test_without_a_remote_or_without_git_one_sentence_says_what_to_do(course, capsys, monkeypatch):
    outer = course.parent  # a repository in which the course lies, and which it is not
    for command in (["init", "-q"], ["remote", "add", "origin", "https://github.com/eve/other"]):
        subprocess.run(["git", *command], cwd=outer, check=True)
    for path in (os.environ["PATH"], str(course)):
        monkeypatch.setenv("PATH", path)
        capsys.readouterr()
        assert publish.main([]) == 1
        assert told(capsys).startswith("The git remote origin is missing")


@pytest.mark.parametrize("words", ["ada", "ada/x/y", "ada/x y", "https://gitlab.com/a/b", "a/.."])
def test_an_address_that_is_none_is_refused(course, capsys, words):
    before = contents(course)
    capsys.readouterr()
    assert publish.main([words]) == 1
    assert told(capsys).startswith("That is no address of a repository on GitHub: say python")
    assert contents(course) == before


@pytest.mark.parametrize(
    "options", [["a/b", "--undo"], ["a/b", "--branch", "x) y"], ["a/b", "--bra", "x"], ["a/b", "c"]]
)
def test_options_that_do_not_fit_are_refused(course, options):
    before = contents(course)
    with pytest.raises(SystemExit) as stop:
        publish.main(options)
    assert stop.value.code == 2 and contents(course) == before


# ---------------------------------------------------------------- all or nothing


def without_badge(path):
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("open_in_colab", "gone"), encoding="utf-8")


def with_two_addresses(path):
    text = path.read_text(encoding="utf-8")
    line = re.search(r' +"COURSE = .*\n', text)[0]
    path.write_text(text.replace(line, 2 * line), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "says"),
    [(without_badge, '0 badges "Open in Colab"'), (with_two_addresses, '2 lines COURSE = "…"')],
)
def test_one_notebook_that_differs_stops_all(course, capsys, change, says):
    change(run.lessons()[-1])
    before = contents(course)
    capsys.readouterr()
    assert publish.main(["ada/course-1.x"]) == 1
    place = "notebooks/day3_huggingface_finetuning/11_recap.ipynb"
    assert told(capsys) == f"{place} has {says}, not one: begin it as the others begin."
    assert contents(course) == before


def test_a_full_disk_leaves_everything_as_it_was(course, capsys, monkeypatch):
    before, room, write = contents(course), chain([True] * 5, [False]), type(course).write_bytes

    def until_full(path, content):
        if not next(room):
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(type(course), "write_bytes", until_full)
    capsys.readouterr()
    assert publish.main(["ada/course-1.x"]) == 1
    assert "No space left on device" in told(capsys)
    assert contents(course) == before


def test_a_folder_without_the_start_notebook_is_not_published(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert publish.address() == ""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / publish.START).write_text("{}", encoding="utf-8")
    assert publish.address() == ""
