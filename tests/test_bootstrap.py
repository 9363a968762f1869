"""The first code cell of every notebook, as Google Colab would run it: an empty folder, no helpers.

The clone comes from this checkout by a file URL and `google.colab` is a stand-in; the packages are
those of the environment that runs the tests.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[0-9][0-9]_*.ipynb"))

# -S leaves out .pth files, and so the editable install of helpers; packages come by their path.
PRELUDE = """
import importlib.metadata, subprocess, sys, types
sys.path.append({packages!r})
if {colab}:
    sys.modules["google"] = types.ModuleType("google")
    sys.modules["google.colab"] = types.ModuleType("google.colab")
calls, real_run = [], subprocess.run
def run(command, *args, **kwargs):
    calls.append([str(part) for part in command])
    return real_run(command, *args, **kwargs)
subprocess.run = run
def versions():
    return sorted((d.metadata["Name"], d.version) for d in importlib.metadata.distributions())
before = versions()
"""
EPILOGUE = """
assert versions() == before, "an installed version has changed"
print("calls:", [call[:3] for call in calls])
"""


def first_cell(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return next("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def first_cell_with(address: str) -> str:
    """The cell with this address in COURSE, whether the course is published or not."""
    pattern, line = r'^COURSE = ".*"$', f"COURSE = {address!r}"
    source, count = re.subn(pattern, lambda _: line, first_cell(NOTEBOOKS[0]), flags=re.MULTILINE)
    assert count == 1
    return source


def run_cell(source: str, folder: Path, colab: bool = True) -> subprocess.CompletedProcess:
    prelude = PRELUDE.format(packages=sysconfig.get_paths()["purelib"], colab=colab)
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLAB_RELEASE_TAG")
    }
    return subprocess.run(
        [sys.executable, "-S", "-c", prelude + source + EPILOGUE],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture(scope="module")
def course_url(tmp_path_factory) -> str:
    """A repository that holds this checkout as it is, committed or not."""
    origin = tmp_path_factory.mktemp("origin é") / "course"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file() and not name.endswith((".ipynb", ".png")):
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            (origin / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (
        ["init", "-q"],
        ["add", "-A", "-f"],
        [*identity, "commit", "-q", "-m", "course"],
    ):
        subprocess.run(["git", *command], cwd=origin, check=True)
    return origin.as_uri()


def test_every_notebook_begins_alike():
    assert len(NOTEBOOKS) >= 2
    assert len({first_cell(path) for path in NOTEBOOKS}) == 1, "set-up cells differ"


def test_colab_clones_once_and_installs_nothing(course_url, tmp_path):
    source = first_cell_with(course_url)
    first = run_cell(source, tmp_path)
    assert first.returncode == 0, first.stderr
    assert "profile on" in first.stdout
    assert "['git', 'clone', '-q']" in first.stdout and "pip" not in first.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["course"]
    second = run_cell(source, tmp_path)
    assert second.returncode == 0, second.stderr
    assert "calls: []" in second.stdout


def test_without_an_address_one_sentence_says_what_to_do(tmp_path):
    for colab in (True, False):
        done = run_cell(first_cell_with(""), tmp_path, colab)
        assert done.returncode == 1
        assert (
            done.stderr.strip()
            .splitlines()[-1]
            .startswith("RuntimeError: Start with `python course")
        )
    assert not list(tmp_path.iterdir())


def test_a_failed_clone_leaves_nothing(tmp_path):
    wrong = (tmp_path / "nothing here").as_uri()
    folder = tmp_path / "empty"
    folder.mkdir()
    done = run_cell(first_cell_with(wrong), folder)
    assert done.returncode == 1 and "git" in done.stderr
    assert not list(folder.iterdir())
