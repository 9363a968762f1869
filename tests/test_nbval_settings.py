"""Proof that nbval, with this repository's settings, lets pass what it must and catches the rest.

A toy notebook is run as `tools.run` would, its stored outputs are edited, one cell for each case,
and pytest is run on it with the settings of pyproject.toml and tests/nbval.cfg.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbval.plugin import get_sanitize_patterns

from tools import run

ROOT = Path(__file__).resolve().parent.parent
RULES = (ROOT / "tests" / "nbval.cfg").read_text(encoding="utf-8")

START = "from helpers import session\nhere = session.start()"
FIT = """import torch
from helpers import training
rows = [torch.ones(64, 1)]
loss = lambda model, x: model(x).mean()
history = training.fit(torch.nn.Linear(1, 1), loss, rows, steps=20, label="toy 3")"""
CLAIM = """from helpers.metrics import expect
expect("2 codes: −ELBO", 90.314, at_least=-2, at_most=91.5, unit="nats")"""
SMALL = "expect('difference', -3e-7, at_most=1e-06)"
SCORES = """import torch
from helpers.metrics import score_digits
pages = torch.randint(17, (100, 8, 8))
scores = score_digits("GAN", lambda n: pages[:n], pages[:40], training_s=1, parameters=78)"""
EXERCISE = """from helpers.exercises import exercise
@exercise("start.brightness")
def brightness(images): ..."""
FIGURE = """import matplotlib.pyplot as plt
from helpers import plots
plt.plot([1, 2])
plots.show("A line that rises from left to right")"""
SHAPE = "print(torch.zeros(2, 3).shape)"
NUMBERS = "print('loss 0.25, done in 3.2 s')\nprint('color 0xff7f0e')"
TEXT = "print('a: 5 steps in 3.2 seconds')\nprint('✓ 3 of 4 (at most 5)')"

# what, code, a pattern in the stored outputs, what is written there instead, does nbval pass
CASES = [
    ("start: nothing changed", START, "quick", "quick", True),
    ("start: versions", START, r"Python \S+, torch \S+,", "Python 3.12.9, torch 2.6.0+cpu,", True),
    ("start: time", START, r"in \d+\.\d s", "in 27.5 s", True),
    ("start: profile", START, "quick", "full", False),
    ("start: device", START, "on cpu", "on cuda", False),
    ("fit: nothing changed, the widget's view gone", FIT, "bar", "bar", True),
    ("fit: time", FIT, r"in \d+\.\d s", "in 12.6 s", True),
    ("fit: steps", FIT, "20 steps", "21 steps", False),
    ("fit: label", FIT, "toy 3: 20", "toy 4: 20", False),
    ("fit: text of the progress bar", FIT, "progress bar", "progress", False),
    ("claim: number", CLAIM, "90.31", "87", True),
    ("claim: small number", SMALL, "-3e-07", "0", True),
    ("claim: upper limit", CLAIM, "91.5", "99", False),
    ("claim: lower limit", CLAIM, "least -2", "least -3", False),
    ("claim: small limit", SMALL, "1e-06", "1e-05", False),
    ("claim: unit", CLAIM, "nats", "bits", False),
    ("claim: words", CLAIM, "ELBO", "loss", False),
    ("claim: number in its words", CLAIM, "2 codes", "3 codes", False),
    ("claim: not held", CLAIM, "✓ ", "✗ ", False),
    ("claim: no number", CLAIM, "90.31", "nan", False),
    ("score: number", SCORES, r"distance: [^\\\\]*", "distance: 1,299.4", True),
    ("score: seconds", SCORES, r"pictures: [^\\\\]*", "pictures: 3e-05", True),
    ("score: model", SCORES, "GAN, recall", "VAE, recall", False),
    ("score: measure", SCORES, "GAN, recall", "GAN, F-score", False),
    ("score: parameters", SCORES, "78", "79", False),
    ("score: no number", SCORES, r"recall: [^\\\\]*", "recall: nan", False),
    ("exercise: state", EXERCISE, "not attempted", "right", False),
    ("exercise: minutes", EXERCISE, "About 3", "About 4", False),
    ("figure: pixels (nbval never compares them)", FIGURE, "iVBORw0", "iVBORw1", True),
    ("figure: caption", FIGURE, "rises", "falls", False),
    ("shape", SHAPE, "2, 3", "3, 2", False),
    ("address", "object()", r"at 0x\w+", "at 0x7f0123456789", True),
    ("type at an address", "object()", "<object at", "<thing at", False),
    ("plain number", NUMBERS, "0.25", "0.26", False),
    ("time in another sentence", NUMBERS, "3.2 s", "3.3 s", False),
    ("hexadecimal number", NUMBERS, "0xff7f0e", "0xff7f0f", False),
    ("time in other words", TEXT, "3.2", "3.3", False),
    ("number that is no claim", TEXT, "✓ 3", "✓ 4", False),
    ("missing line", TEXT, r"a: 5 .*?\\n", "", False),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Whether nbval passes each case."""
    root = tmp_path_factory.mktemp("course")
    path = root / "notebooks" / "01_toy.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(source) for _, source, *_ in CASES]), path)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PYTEST", "GENAI"))]:
            patch.delenv(name)
        patch.setenv("GENAI_PROFILE", "quick")
        patch.setenv("PYTHONPATH", str(ROOT))
        environment = dict(os.environ)
        patch.setattr(run, "ROOT", root)
        notebook, result = run.execute(path, seed=None)
    assert result["ok"], result["error"]
    for cell, (what, _, old, new, _) in zip(notebook.cells, CASES, strict=True):
        stored = json.dumps(cell.outputs, ensure_ascii=False)
        assert re.search(old, stored), f"{what}: {old!r} is not in {stored}"
        cell.outputs = nbformat.from_dict(json.loads(re.sub(old, new, stored)))
    nbformat.write(notebook, path)

    report = root / "report.xml"
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert len(cases) == len(CASES), done.stdout
    return [len(case) == 0 for case in cases]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[what for what, *_ in CASES])
def test_an_edited_output(verdicts, number):
    *_, passes = CASES[number]
    assert verdicts[number] == passes


def test_every_rule_of_the_sanitizer_is_read():
    assert len(get_sanitize_patterns(RULES)) == RULES.count("regex:") == RULES.count("replace:")
    assert RULES.isascii()
