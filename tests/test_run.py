"""tools.run on small notebooks: what it runs, measures, writes, records and refuses."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from helpers.data import shapes
from tools import run

HERE = Path(__file__).resolve().parent.parent
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
PICTURE = f"""
import base64
from IPython.display import Image, display
display(Image(data=base64.b64decode("{PNG}")))"""
WIDGET = "from helpers import widgets\nfor _ in widgets.progress_bar(range(2), 'counting'): pass"
CLAIMS = """
from helpers.metrics import expect
expect("pictures", 3, at_least=2)
expect("loss", 0.5, at_most=1, unit="nats")"""
GOOD = [CLAIMS, PICTURE, WIDGET, "import os\nos.path.basename(os.getcwd())"]
FAILING = ["1 + 1", CLAIMS, "# why\nexpect('loss', 2, at_most=1)", "print('never')"]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A function that writes toy lessons into an empty course, in a folder with a space and é."""
    root = tmp_path / "the course é"
    (root / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    monkeypatch.delenv("GENAI_SEED", raising=False)

    def write(**lessons):
        for name, sources in lessons.items():
            path = root / "notebooks" / f"{name.replace('__', '/')}.ipynb"
            path.parent.mkdir(exist_ok=True)
            cells = [new_markdown_cell("# Toy"), *map(new_code_cell, sources)]
            cells[-1].metadata.update(tags=["keep-me"], execution={"iopub.status.busy": "now"})
            nbformat.write(new_notebook(cells=cells), path)
        return root

    return write


def results(root):
    return json.loads((root / "build" / "results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_runs_all_lessons_and_goes_on_after_one_that_fails(course, capsys, jobs):
    root = course(day1_a__01_failing=FAILING, day1_a__02_good=GOOD)
    assert run.main(["--jobs", jobs]) == 1
    failing, good = results(root)["day1_a/01_failing"], results(root)["day1_a/02_good"]

    assert not failing["ok"]
    said = "cell [3] (# why): ClaimNotMet: loss: measured 2, claimed at most 1."
    assert failing["error"].startswith(said)
    assert [claim["held"] for claim in failing["claims"]] == [True, True, False]
    cells = nbformat.read(root / "build/executed/day1_a/01_failing.ipynb", 4).cells
    assert [cell.get("execution_count") for cell in cells] == [None, 1, 2, 3, None]

    assert good["ok"] and good["error"] is None
    assert [claim["claim"] for claim in good["claims"]] == ["pictures", "loss"]
    assert 0 < good["first_picture_s"] <= good["seconds"] < 60
    assert 20 < good["peak_memory_mb"] < 2000
    assert good["profile"] == "quick" and good["seed"] is None and good["torch"] is None
    assert good["python"].startswith("3.") and good["machine"]["cpus"] >= 1
    cells = nbformat.read(root / "build/executed/day1_a/02_good.ipynb", 4).cells
    assert cells[-1].outputs[0].data["text/plain"] == "'day1_a'"

    table = (root / "build" / "results.md").read_text(encoding="utf-8")
    assert "| 2 of 3 |" in table and "| 2 of 2 |" in table
    assert "- day1_a/01_failing: cell [3]" in table
    printed = capsys.readouterr().out
    assert table.strip() in printed and "\r" not in printed
    first, second = sorted(printed.splitlines()[:2])
    assert first.startswith("1.01 failing: failed: cell [3]") and second.startswith("1.02 good: ")
    assert re.search(r"^2 in \d+\.\d minutes$", printed, re.MULTILINE)


def test_two_lessons_run_at_the_same_time(course):
    """Each waits for a file that the other writes."""
    meet = """
import pathlib, time
pathlib.Path({mine!r}).touch()
deadline = time.monotonic() + 30
while not pathlib.Path({other!r}).exists():
    assert time.monotonic() < deadline, "alone"
    time.sleep(0.05)"""
    course(
        day1_a__01_one=[meet.format(mine="a", other="b")],
        day1_a__02_two=[meet.format(mine="b", other="a")],
    )
    assert run.main(["--jobs", "2"]) == 0


def test_jobs_are_a_number_of_lessons(course, capsys):
    course(day1_a__01_good=["1"])
    with pytest.raises(SystemExit) as stopped:
        run.main(["--jobs", "0"])
    assert stopped.value.code == 2
    assert "1 or more" in capsys.readouterr().err


def test_uses_the_running_interpreter_and_passes_the_seed(course):
    show = "import os, sys\nprint(sys.executable, os.environ.get('GENAI_SEED'))"
    root = course(**{"00_start": [show]})
    assert run.main(["0", "--seed", "7"]) == 0
    cells = nbformat.read(root / "build" / "executed" / "00_start.ipynb", 4).cells
    assert cells[1].outputs[0].text == f"{sys.executable} 7\n"
    assert results(root)["00_start"]["seed"] == 7
    assert results(root)["00_start"]["first_picture_s"] is None


def test_neither_reads_nor_writes_a_students_record(course, monkeypatch):
    monkeypatch.setenv("GENAI_PROGRESS", "a student's folder")
    root = course(**{"00_start": ["import os\nprint(os.environ['GENAI_PROGRESS'])"]})
    assert run.main(["0"]) == 0
    cells = nbformat.read(root / "build" / "executed" / "00_start.ipynb", 4).cells
    assert cells[1].outputs[0].text == "off\n"


def test_says_so_when_a_kernel_dies(course):
    root = course(day1_a__01_dies=["import os\nos._exit(1)"])
    assert run.main([]) == 1
    assert "(import os): the kernel died" in results(root)["day1_a/01_dies"]["error"]
    assert results(root)["day1_a/01_dies"]["peak_memory_mb"] is None


def test_record_keeps_what_a_repository_should_hold(course):
    root = course(day1_a__01_good=GOOD, day1_a__02_failing=FAILING)
    data, failing = root / "data" / "results.json", root / "notebooks/day1_a/02_failing.ipynb"
    data.parent.mkdir()
    data.write_text('{"day2_b/01_other": {"ok": true}}', encoding="utf-8")
    path = root / "notebooks/day1_a/01_good.ipynb"
    source, untouched = nbformat.read(path, 4), failing.read_bytes()
    source.metadata.widgets = {"state": {}}
    source.cells[2].metadata.tags = ["picture:dot"]
    nbformat.write(source, path)

    assert run.main(["--record"]) == 1
    assert failing.read_bytes() == untouched
    notebook = nbformat.read(path, 4)
    assert notebook.metadata == run.METADATA
    assert [cell.id for cell in notebook.cells] == [cell.id for cell in source.cells]
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3, 4]
    assert notebook.cells[-1].metadata == {"tags": ["keep-me"]}
    assert notebook.cells[3].outputs[0].data == {"text/plain": "counting: progress bar"}
    assert "image/png" in notebook.cells[2].outputs[0].data
    assert (root / "notebooks/images/dot.png").read_bytes() == base64.b64decode(PNG)
    recorded = json.loads(data.read_text(encoding="utf-8"))
    assert list(recorded) == ["day1_a/01_good", "day2_b/01_other"]
    assert recorded["day1_a/01_good"] == results(root)["day1_a/01_good"]


@pytest.mark.parametrize(
    ("sources", "tag", "profile", "says"),
    [
        (["1"], "picture:dot", "quick", "picture:dot shows no picture"),
        (["import helpers.session"], "x", "full", "set GENAI_PROFILE=quick"),
        (["open('01_odd.ipynb', 'a').write(' ')"], "x", "quick", "edited while it ran"),
    ],
)
def test_record_refuses(course, monkeypatch, capsys, sources, tag, profile, says):
    monkeypatch.setenv("GENAI_PROFILE", profile)
    root = course(day1_a__01_odd=sources)
    path = root / "notebooks/day1_a/01_odd.ipynb"
    source = nbformat.read(path, 4)
    source.cells[1].metadata.tags = [tag]
    nbformat.write(source, path)
    assert run.main(["--record"]) == 1
    assert says in capsys.readouterr().out
    assert nbformat.read(path, 4).cells[1].execution_count is None
    assert not (root / "data").exists()


def test_record_takes_no_seed(course, capsys):
    course(day1_a__01_good=["1"])
    with pytest.raises(SystemExit) as stopped:
        run.main(["--record", "--seed", "1"])
    assert stopped.value.code == 2
    assert "leave out the seed" in capsys.readouterr().err


NAMES = ["00_start_here", "day1_a__05_autoencoders", "day1_a__06_vae", "day2_b__06_words"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("0", ["00_start_here"]),
        ("00", ["00_start_here"]),
        ("5", ["05_autoencoders"]),
        ("2.06", ["06_words"]),
        ("vae", ["06_vae"]),
        ("VAE", ["06_vae"]),
        ("autoencoders", ["05_autoencoders"]),
        ("day1_a/06_vae", ["06_vae"]),
        ("notebooks/day2_b/06_words.ipynb", ["06_words"]),
        ("day1", ["05_autoencoders", "06_vae"]),
    ],
)
def test_finds_a_lesson_by(course, wanted, found):
    course(**{name: ["1"] for name in NAMES})
    assert [path.stem for path in run.find(wanted)] == found


def test_finds_a_lesson_by_its_path_from_where_one_stands(course, monkeypatch):
    root = course(**{name: ["1"] for name in NAMES})
    monkeypatch.chdir(root / "notebooks" / "day1_a")
    lesson = root / "notebooks" / "day1_a" / "06_vae.ipynb"
    assert run.find("06_vae.ipynb") == run.find(str(lesson)) == [lesson]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("06", "'06' could mean 1.06 vae or 2.06 words: say which."),
        ("o", "could mean 1.05 autoencoders or 2.06 words"),
        ("gan", "There is no lesson 'gan'; the lessons are: 00 start_here, 1.05 autoencoders, "),
        ("3.06", "There is no lesson '3.06'"),
        ("day3", "There is no lesson 'day3'"),
        (__file__, "There is no lesson"),
    ],
)
def test_says_what_it_cannot_find(course, capsys, wanted, says):
    course(**{name: ["1"] for name in NAMES})
    assert run.main([wanted]) == 2
    assert says in capsys.readouterr().err


def test_says_so_without_lessons(course, capsys):
    course()
    assert run.main([]) == 2
    assert "There are no lessons" in capsys.readouterr().err


def test_on_a_terminal_it_shows_each_cell(course, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    run.progress("1.01 toy: cell 2 of 3")
    run.progress("1.01 toy: done", end="\n")
    shown = capsys.readouterr().out
    assert shown.startswith("\r1.01 toy: cell 2 of 3 ") and shown.endswith(" \n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("whom", ["the command", "all on the terminal"])
def test_ctrl_c_ends_with_what_is_done_so_far(course, jobs, whom):
    slow = ["import time\ntime.sleep(60)"]
    names = ["day1_a__02_slow", "day1_a__03_slow", "day1_a__04_slow", "day1_a__05_slow"]
    root = course(day1_a__01_one=["1"], **dict.fromkeys(names, slow))
    code = (
        "import pathlib, sys; from tools import run; run.ROOT = pathlib.Path(sys.argv[1]); "
        "sys.exit(run.main(['--jobs', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(root), str(jobs)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:
        first = process.stdout.readline()
        time.sleep(1.5)
        if whom == "the command":
            process.send_signal(signal.SIGINT)
        else:
            os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert first.startswith(b"1.01 one: ") and b"1.02 slow: failed: interrupted" in rest
    assert errors == b""
    assert len(results(root)) == 1 + jobs, "a lesson was begun after Ctrl-C"
    assert results(root)["day1_a/01_one"]["ok"]
    assert results(root)["day1_a/02_slow"]["error"] == "interrupted"
    assert (root / "build" / "executed" / "day1_a" / "02_slow.ipynb").exists()


def test_a_smaller_picture_keeps_its_colors():
    torch.manual_seed(0)
    noisy = shapes.make(60, seed=1).images + 12 * torch.randn(60, 3, 16, 16)
    grid = noisy.clamp(0, 255).byte().view(6, 10, 3, 16, 16).permute(0, 3, 1, 4, 2)
    colors = grid.reshape(96, 160, 3).numpy().repeat(6, 0).repeat(6, 1)
    file = io.BytesIO()
    Image.fromarray(colors).save(file, "png")
    png = base64.b64encode(file.getvalue()).decode()
    smaller = run.smaller(png)
    assert len(smaller) < len(png) / 2
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(smaller))).convert("RGB"))
    off = np.abs(found.astype(int) - colors).max(axis=2)
    assert (off > 40).mean() < 0.001  # a median cut alone: 0.003, among them the yellow shapes


def test_an_animation_is_stored_as_it_is():
    file = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "green", "blue")]
    frames[0].save(file, "png", save_all=True, append_images=frames[1:])
    png = base64.b64encode(file.getvalue()).decode()
    assert run.smaller(png) == png
