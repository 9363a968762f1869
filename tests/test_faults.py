"""What a room can do to the course: each fault is injected, and what happened stands in a table.

The table is build/faults.md. Nothing may be lost, nothing half-written may be left, and what a
student reads is one sentence. Details of many of these are tested beside the module concerned.
"""

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import hub, models, session, training
from helpers.data import load_images, shakespeare
from tools import checksums, export, run

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="limits and permissions of POSIX")
NAMED = (  # the faults, in the order of the table
    "network cut in mid-download", "disk full", "read-only data folder", "unwritable cache",
    "kernel killed while training", "kernel killed while saving", "damaged shipped model",
    "two notebooks save at once", "no HOME", "non-UTF-8 locale", "spaces and é in the path",
)  # fmt: skip
LOST = {"": "not run, or not survived"}


@pytest.fixture(scope="module")
def table():
    """fault -> what was tried -> what happened; written to build/faults.md at the end."""
    rows = {name: {} for name in NAMED}
    yield rows
    lines = ["| fault | where | what happened |", "| --- | --- | --- |"]
    for name, tried in rows.items():
        for where, what in (tried or LOST).items():
            lines.append(f"| {name} | {where} | {what.replace('|', '/')} |")
    run.write(ROOT / "build" / "faults.md", "\n".join(lines))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    torch.manual_seed(0)


def sentence(error):
    """What a student reads of an error: one line, and no second error behind it."""
    said = str(error.value)
    assert said and "\n" not in said and error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return said


# ---------------------------------------------------------------- a network that fails

TEXT = b"First Citizen: Before we proceed any further, hear me speak.\n" * 2000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the files of its server well, or as badly as `server.mode` says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content, mode = self.server.files[self.path.rsplit("/")[-1]], self.server.mode
        if mode == "wrong bytes":
            content = b"<html>Log in to the network of this hotel</html>"
        if mode == "truncates":
            content = content[: len(content) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if mode in ("drops", "stalls"):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if mode == "stalls":
                self.server.over.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def idx(array):
    """An array of bytes in the format of the MNIST files."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture(scope="module")
def files():
    draw = np.random.default_rng(0).integers
    return {
        "train-images-idx3-ubyte.gz": idx(draw(0, 256, (5004, 4, 5))),
        "train-labels-idx1-ubyte.gz": idx(draw(0, 10, 5004)),
        "t10k-images-idx3-ubyte.gz": idx(draw(0, 256, (6, 4, 5))),
        "t10k-labels-idx1-ubyte.gz": idx(draw(0, 10, 6)),
        "input.txt": TEXT,
    }


@pytest.fixture
def network(files, tmp_path, monkeypatch):
    """A server on this machine in the place of the real ones, and an empty cache."""
    from torchvision import datasets

    from helpers.data import mnist

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.mode, server.over = files, "good", threading.Event()
    server.handle_error = lambda *_: None  # clients hang up
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    md5 = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", md5[:4])
    monkeypatch.setattr(shakespeare, "ADDRESS", address + "input.txt")
    monkeypatch.setattr(shakespeare, "SHA256", hashlib.sha256(TEXT).hexdigest())
    for module in (mnist, shakespeare):
        monkeypatch.setattr(module, "SILENCE", 0.5)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(session, "CACHE", tmp_path / "cache")
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


LOADERS = {"pictures": lambda: load_images("mnist"), "text": shakespeare.load}


def left_over(folder):
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


@pytest.mark.parametrize("mode", ["drops", "truncates", "wrong bytes", "stalls"])
@pytest.mark.parametrize("what", LOADERS)
def test_network_cut_in_mid_download(network, table, what, mode):
    network.mode = mode
    began = time.monotonic()
    with pytest.raises(ConnectionError) as raised:
        LOADERS[what]()
    assert time.monotonic() - began < 15
    said = sentence(raised)
    assert "could not be downloaded" in said and "GENAI_PROFILE=quick" in said
    assert left_over(session.CACHE) == []
    network.mode = "good"
    LOADERS[what]()  # it comes back, and so does the lesson
    reason = re.sub(r"\d{3,}", "N", said[said.index("(") + 1 : said.index(");")])
    table["network cut in mid-download"][f"server {mode}, {what}"] = (
        f"one sentence ({reason}), nothing left behind; the next try loads"
    )


FETCH = """
import sys
from tools import prefetch
prefetch.ITEMS = {"student/model": lambda: prefetch.model("student/model")}
sys.exit(prefetch.main([]))
"""
CUTS = {  # how the hub fails, how often, and whether the model comes in spite of it
    "drops once": ("drops", 1, True), "drops": ("drops", 99, False),
    "truncates": ("truncates", 99, False), "wrong bytes": ("wrong bytes", 99, False),
    "stalls": ("stalls", 99, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CUTS)
def test_hub_cut_in_mid_download(table, tmp_path, monkeypatch, name):
    mode, left, comes = CUTS[name]
    weights, over, send = bytes(range(256)) * 2_000, threading.Event(), hub._Handler.send

    def failing(self, content, status=200, headers=None):
        nonlocal left
        if self.command != "GET" or left == 0 or content != weights:
            return send(self, content, status, headers)
        left -= 1
        if mode == "wrong bytes":
            return send(self, b"<html>Log in to the network of this hotel</html>", status, headers)
        half = content[: len(content) // 2]
        if mode == "truncates":
            return send(self, half, status, headers)
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(half)
        self.wfile.flush()
        if mode == "stalls":
            over.wait(60)
        self.close_connection = True

    monkeypatch.setattr(hub._Handler, "send", failing)
    with hub.start(tmp_path / "hub") as running:
        place = running.place("student/model")
        place.mkdir(parents=True)
        for file in ("config.json", "tokenizer.json"):
            (place / file).write_bytes(b"{}")
        (place / "model.safetensors").write_bytes(weights)
        home = tmp_path / "home"
        given = dict(HF_ENDPOINT=running.url, HF_HOME=str(home), HF_HUB_DOWNLOAD_TIMEOUT="1")
        given |= dict(no_proxy="*", PYTHONPATH=str(ROOT), PYTHONUTF8="1")

        def fetch():
            command = [sys.executable, "-c", FETCH]
            return subprocess.run(
                command, env=os.environ | given, capture_output=True, encoding="utf-8", timeout=120
            )

        first = fetch()
        here = [path for path in home.rglob("model.safetensors") if path.is_file()]
        assert first.returncode == (0 if comes else 1), first.stderr[-3000:]
        assert "Traceback" not in first.stdout + first.stderr
        assert ("✗ student/model could not be downloaded (" in first.stdout) != comes
        assert len(here) == comes  # whole, or not there at all
        over.set()
        left = 0
        second = fetch()
        assert second.returncode == 0, second.stderr[-3000:]
    [here] = [path for path in home.rglob("model.safetensors") if path.is_file()]
    assert here.read_bytes() == weights
    table["network cut in mid-download"][f"hub {name}, model"] = (
        "the library asks again, and the model comes whole" if comes
        else "one sentence, no half model in its place; the next try loads"
    )  # fmt: skip


# ---------------------------------------------------------------- training, to be disturbed

DIM, ROWS, STEPS = 6, 40, 60


def small_training(checkpoint=None, *, slower=0.0, crash_at=None):
    """A training that needs batches in their order and random numbers; returns the model."""
    session.set_seed(3)
    steps = []
    x = torch.randn(ROWS, DIM)
    model = torch.nn.Sequential(
        torch.nn.Linear(DIM, 12), torch.nn.Dropout(0.3), torch.nn.Linear(12, 1)
    )

    def loss(trained, batch):
        time.sleep(slower)
        steps.append(batch)
        if len(steps) == crash_at:
            raise ZeroDivisionError
        return (trained(batch + 0.1 * torch.randn_like(batch)) - batch[:, :1]).square().mean()

    training.fit(
        model,
        loss,
        [x],
        steps=STEPS,
        batch_size=16,
        lr=0.05,
        average=0.9,
        evaluate=lambda m: m(x).square().mean().item(),
        evaluate_every=7,
        checkpoint=checkpoint,
    )
    return model


def same(a, b):
    return all(
        torch.equal(one, two)
        for one, two in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


CHILD = """
import os, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
import torch
torch.set_num_threads(int(sys.argv[3]))
import test_faults
if sys.argv[4] == "saving":
    from pathlib import Path
    real, saved = Path.write_bytes, []
    def write(path, content):
        saved.append(path)
        real(path, content if len(saved) < 3 else bytes(content)[:1000])
        if len(saved) == 3:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    Path.write_bytes = write
test_faults.small_training(sys.argv[2], slower=0.02)
"""


def child(checkpoint, how):
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-c", CHILD, str(ROOT), str(checkpoint), threads, how]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_kernel_killed_while_training_or_saving(table, tmp_path, capsys):
    training_file, saving_file = tmp_path / "a" / "model.pt", tmp_path / "b" / "model.pt"
    killed, killed_itself = child(training_file, "training"), child(saving_file, "saving")
    whole = small_training()
    try:
        until = time.monotonic() + 120
        while not training_file.exists() and time.monotonic() < until and killed.poll() is None:
            time.sleep(0.01)
        time.sleep(0.25)  # some steps later
        killed.kill()
        assert killed.wait(30) and killed_itself.wait(120)
    finally:
        killed.kill(), killed_itself.kill()
    step = torch.load(training_file, weights_only=True)["step"]
    assert 0 < step < STEPS
    assert same(small_training(training_file), whole)
    table["kernel killed while training"]["training.fit(checkpoint=…)"] = (
        f"went on after its last checkpoint of {STEPS} steps; weights equal to the last bit"
    )
    names = sorted(path.name for path in saving_file.parent.iterdir())
    assert len(names) == 2 and names[1].endswith(".partial")
    assert torch.load(saving_file, weights_only=True)["step"] == 14
    assert same(small_training(saving_file), whole)
    assert [path.name for path in saving_file.parent.iterdir()] == ["model.pt"]
    assert "going on after step 14" in capsys.readouterr().out
    table["kernel killed while saving"]["training.fit(checkpoint=…)"] = (
        "the checkpoint before it is whole; resumed to the same weights, the half file removed"
    )


def test_a_resumed_training_needs_its_random_numbers_and_its_place(tmp_path):
    """The test above would notice either: without one of them the weights differ."""
    whole, file = small_training(), tmp_path / "model.pt"
    for forget in ({"random": None}, {"place": None}, {}):
        with pytest.raises(ZeroDivisionError):
            small_training(file, crash_at=24)  # after step 21, in the middle of an epoch
        state = torch.load(file, weights_only=True)
        if "random" in forget:
            state["random"]["cpu"] = torch.Generator().manual_seed(1).get_state()
        if "place" in forget:
            state["place"]["order"] = state["place"]["order"].flip(0)
        torch.save(state, file)
        assert same(small_training(file), whole) == (forget == {})
        file.unlink()


# ---------------------------------------------------------------- disks and folders


@pytest.fixture
def full_disk():
    """Call it: from then on no file can grow beyond so many bytes, as the system itself sees to."""
    resource = pytest.importorskip("resource", reason="a limit of POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder():
    """A folder that other users may enter, as pytest's are not."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextlib.contextmanager
def read_only(place):
    """Nobody may write below a folder, and we are no superuser."""
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(OSError):
            (place / "probe").touch()
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in folders:
            path.chmod(0o755)


CANNOT = {"disk full": "File too large|No space left", "unwritable cache": "Permission denied"}


@POSIX
@pytest.mark.parametrize("what", LOADERS)
@pytest.mark.parametrize("fault", CANNOT)
def test_cache_that_takes_nothing(
    network, table, full_disk, folder, monkeypatch, capsys, what, fault
):
    monkeypatch.setattr(session, "CACHE", folder / "cache")
    session.CACHE.mkdir()
    if fault == "disk full":
        full_disk(2_000)
    with (
        contextlib.nullcontext() if fault == "disk full" else read_only(folder),
        pytest.raises(ConnectionError) as raised,
    ):
        LOADERS[what]()
    full_disk(-1)
    assert re.search(rf"could not be downloaded \(.*({CANNOT[fault]})", sentence(raised))
    assert "the free disk" in sentence(raised)
    assert left_over(session.CACHE) == []
    LOADERS[what]()
    table[fault][f"{what} to data/cache"] = "one sentence; nothing left behind; later it loads"


@POSIX
@pytest.mark.parametrize("fault", CANNOT)
def test_checkpoint_that_cannot_be_written(table, full_disk, folder, capsys, fault):
    whole, file = small_training(), folder / "runs" / "model.pt"
    with pytest.raises(ZeroDivisionError):
        small_training(file, crash_at=9)
    before = file.read_bytes()
    capsys.readouterr()
    if fault == "disk full":
        full_disk(len(before) // 2)
        model = small_training(file)
        full_disk(-1)
    else:
        with read_only(folder):
            model = small_training(file)
    said = capsys.readouterr().out.splitlines()
    assert same(model, whole)
    assert file.read_bytes() == before and [*file.parent.iterdir()] == [file]
    told = [line for line in said if "could not be written after step" in line]
    assert len(told) == STEPS // 7 - 1 and all(line.endswith("goes on.") for line in told)
    assert re.search(rf" after step 14 \(({CANNOT[fault]})\); the training", told[0])
    assert same(small_training(file), whole)  # from the old one
    table[fault]["training.fit(checkpoint=…)"] = (
        "one sentence a checkpoint; training ends as it would have, the old checkpoint is whole"
    )


@POSIX
def test_hub_on_a_full_disk(table, full_disk, tmp_path):
    from http.client import HTTPConnection

    with hub.start(tmp_path / "hub") as running:
        place = running.place("student/model")
        place.mkdir(parents=True)
        (place / "old.txt").write_bytes(b"old")
        files = {"old.txt": "bmV3", "large.bin": "A" * 8_000}
        lines = [
            {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}
            for path, content in files.items()
        ]
        body = "\n".join(map(json.dumps, [*lines, {"key": "header", "value": {}}]))
        full_disk(4_000)
        connection = HTTPConnection(running.url.removeprefix("http://"), timeout=10)
        connection.request("POST", "/api/models/student/model/commit/main", body)
        answer = connection.getresponse()
        said = json.loads(answer.read())["error"]
        full_disk(-1)
        connection.close()
        assert (answer.status, "\n" in said) == (507, False)
        assert [path.name for path in place.iterdir()] == ["old.txt"]
        assert (place / "old.txt").read_bytes() == b"old"
        assert [path.name for path in running.folder.iterdir()] == ["models"]
    table["disk full"]["pushing to the hub of lesson 3.01"] = (
        "refused (507, one sentence); the repository is as it was"
    )


@POSIX
def test_results_that_cannot_be_written(table, full_disk, folder, monkeypatch, capsys):
    lesson = folder / "notebooks" / "06_toy.ipynb"
    for place in ("build", "notebooks"):
        (folder / place).mkdir()
    lesson.write_text("{}", encoding="utf-8")
    result = {"ok": True, "error": None, "seconds": 1.0, "peak_memory_mb": 9, "claims": []}
    monkeypatch.setattr(run, "ROOT", folder)
    monkeypatch.setattr(export, "ROOT", folder)
    monkeypatch.setattr(export, "EXPORTS", folder / "exports")
    monkeypatch.setattr(run, "execute", lambda *_: ({"cells": ["x" * 9_000]}, result))
    monkeypatch.setattr(run.nbformat, "writes", json.dumps)
    assert run.main([]) == 0
    old = {path: path.read_bytes() for path in left_over(folder)}
    monkeypatch.setattr(run.nbformat, "writes", lambda notebook: json.dumps([notebook] * 2))
    for fault in ("disk full", "read-only data folder"):
        capsys.readouterr()
        if fault == "disk full":
            full_disk(4_000)
            code = run.main([])
            full_disk(-1)
        else:
            with read_only(folder):
                code = run.main([])
                assert export.main(["--student"]) == 1
            said = capsys.readouterr()
            assert said.err == "exports/student could not be written (Permission denied).\n"
            table[fault]["course.py export"] = "one sentence; no folder made"
            sys.stdout.write(said.out)
        assert code == 1
        assert re.search(r"^06 toy: 1\.0 s, .*, not written \(\w", capsys.readouterr().out)
        assert {path: path.read_bytes() for path in left_over(folder)} == old
        table[fault]["course.py run"] = (
            "the line of the lesson says that it was not written; the old results are whole"
        )


@POSIX
def test_read_only_data_folder_is_enough_for_the_quick_profile(table, folder, monkeypatch):
    from helpers.data import phrasebook, sentences, shapes, stories

    loaders = {
        "digits": lambda: load_images("digits").train_x, "sentences": sentences.load,
        "shapes": lambda: shapes.make(3).images, "stories": lambda: stories.make(2),
        "phrasebook": lambda: phrasebook.make(2), "judge": lambda: models.load("digit judge"),
        "storyteller": lambda: models.load("storyteller"),
    }  # fmt: skip
    for loader in loaders.values():  # imports first: the course itself may not be ours to read
        loader()
    shutil.copytree(ROOT / "data", folder / "data", ignore=shutil.ignore_patterns("cache"))
    monkeypatch.setattr(session, "ROOT", folder)
    monkeypatch.setattr(sentences, "FILE", folder / "data" / "sentences.jsonl")
    with read_only(folder):
        for loader in loaders.values():
            loader()
    table["read-only data folder"]["data and models that ship"] = "all load"


# ---------------------------------------------------------------- judgements of lesson 3.09


@pytest.fixture
def judge_cells(tmp_path):
    """`keep`, `clicked` and the cell that reads, as they stand in the lesson."""
    path = next(ROOT.glob("notebooks/day3*/09_*.ipynb"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    [keep] = [s for s in sources if s.startswith("def keep(")]
    [click] = [s for s in sources if "def clicked(" in s]
    [read] = [s for s in sources if s.startswith("mine = []")]
    names = {
        "json": json, "MINE": tmp_path / "cache" / "judgements.jsonl", "read": read,
        "state": {"pair": ["a", 0, "b", 1], "kept": 0}, "next_pair": lambda: ["b", 2, "a", 3],
        "words_of": {"a": "wxyz", "b": "wxyz"}, "count": SimpleNamespace(value=""),
        "columns": [SimpleNamespace(), SimpleNamespace()], "shipped": {"judgements": []},
    }  # fmt: skip
    exec(f"{keep}\n\n{click}", names)
    return names


@POSIX
def test_judgement_on_a_full_disk(table, full_disk, judge_cells):
    left = SimpleNamespace(description="left")
    judge_cells["clicked"](left)
    full_disk(40)  # room for half of the next
    judge_cells["clicked"](left)
    full_disk(-1)
    assert judge_cells["state"] == {"pair": ["b", 2, "a", 3], "kept": 1}  # asked again
    assert judge_cells["count"].value.startswith("This judgement could not be kept: ")
    judge_cells["clicked"](left)
    exec(judge_cells["read"], judge_cells)
    assert judge_cells["mine"] == [["you", *pair, "left"] for pair in
                                   (["a", 0, "b", 1], ["b", 2, "a", 3])]  # fmt: skip
    table["disk full"]["a judgement in lesson 3.09"] = (
        "one sentence, and the pair stays to be judged; those before and after it are read"
    )


# ---------------------------------------------------------------- what ships, damaged


def test_damaged_shipped_model(table, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data" / "models", tmp_path / "data" / "models")
    monkeypatch.setattr(session, "ROOT", tmp_path)
    for role, (name, _) in models.ROLES.items():
        assert models.folder(role).name == name
        for file in sorted((tmp_path / "data" / "models" / name).glob("*[!d]")):  # not the card
            whole = file.read_bytes()
            broken = bytearray(whole)
            broken[len(whole) // 2] ^= 1  # one bit
            for content in (bytes(broken), whole[:-1], None):
                file.write_bytes(content) if content else file.unlink()
                for use in (models.load, models.source):
                    with pytest.raises((ValueError, FileNotFoundError)) as raised:
                        use(role)
                    what = "is damaged or of another version (by its hash)"
                    assert sentence(raised).startswith(
                        f"data/models/{name}/{file.name} {what if content else 'is missing'}; get "
                    )
            file.write_bytes(whole)
    table["damaged shipped model"]["a bit, a byte short, or missing"] = (
        f"refused by hash in one sentence, every file of {len(models.ROLES)} models"
    )
    for content in ("no list", None):  # then the files speak for themselves
        place = tmp_path / "data" / "models" / checksums.LIST
        place.write_text(content, encoding="utf-8") if content else place.unlink()
        assert models.load("digit judge") is not None
    table["damaged shipped model"]["list of hashes damaged or missing"] = (
        "models load, unless they cannot be read; course.py check says what is damaged"
    )


# ---------------------------------------------------------------- two at once

SAVER = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
from pathlib import Path
import torch
import test_faults
from helpers import training
from tools import run
me, place = sys.argv[2], Path(sys.argv[3])
names = {"json": json, "MINE": place / "lines.jsonl"}
exec(sys.argv[4], names)
(place / me).touch()
while len(list(place.glob("[01]"))) < 2:  # both at once
    pass
model = torch.nn.Linear(200, 200)
x = torch.randn(8, 200)
training.fit(model, lambda m, b: m(b).square().mean(), [x], steps=40, batch_size=8,
             evaluate_every=1, checkpoint=place / "model.pt")
for n in range(60):
    run.write(place / "results.json", json.dumps([me] * 20_000))
    names["keep"]([me, n], "tie")
"""


def test_two_notebooks_save_at_once(table, tmp_path, judge_cells):
    path = next(ROOT.glob("notebooks/day3*/09_*.ipynb"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    [keep] = [s for s in sources if s.startswith("def keep(")]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(ROOT), me, str(tmp_path), keep],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        )
        for me in "01"
    ]  # fmt: skip
    seen = {"model.pt": 0, "results.json": 0}
    readers = {
        "model.pt": lambda file: torch.load(file, weights_only=True)["step"],
        "results.json": lambda file: len(json.loads(file.read_text(encoding="utf-8"))) - 20_000,
    }
    while any(one.poll() is None for one in both):
        for name, read in readers.items():
            if (tmp_path / name).exists():
                assert read(tmp_path / name) in range(41)  # always whole
                seen[name] += 1
        time.sleep(0.002)
    for one in both:
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0 and "Error" not in err, err[-2000:]
        assert os.name == "nt" or "could not be written" not in out
    assert min(seen.values()) > 3
    lines = (tmp_path / "lines.jsonl").read_text(encoding="utf-8").split()
    kept = [json.loads(line) for line in "".join(lines).replace("][", "]\n[").splitlines()]
    assert sorted((me, n) for _, me, n, _ in kept) == [(me, n) for me in "01" for n in range(60)]
    assert {path.name for path in tmp_path.iterdir()} == {
        "0", "1", "model.pt", "results.json", "lines.jsonl"
    }  # fmt: skip
    table["two notebooks save at once"]["checkpoint, results of course.py run, judgements"] = (
        "each file read whole at any moment, every line kept, no half file left"
    )


# ---------------------------------------------------------------- odd machines

START = """
import json, sys
cells = json.loads(open(sys.argv[1], encoding="utf-8").read())["cells"]
names = {"__name__": "__main__"}
for cell in cells:
    if cell["cell_type"] == "code":
        source = "".join(cell["source"])
        if "def brightness" not in source:  # its code is read from a file of the notebook
            exec(compile(source, "cell", "exec"), names)
        else:
            exec("from helpers.exercises.day1 import brightness", names)
            exec("from helpers.exercises import exercise, hint, progress, solution", names)
            exec("exercise('start.brightness')(lambda x: x)", names)
from helpers import models, quiz
from helpers.data import phrasebook, python_docs, sentences, shapes, stories
models.load("digit judge"), quiz.mark(quiz.load(), {1: "A", 2: "B", 3: "C"})
print(stories.make(1)[0].text, phrasebook.make(1)[0], shapes.make(1).captions)
print(sentences.load()["train"][0], len(python_docs.load().train), flush=True)
import locale, os
print("ENDED", locale.getpreferredencoding(False), os.path.expanduser("~"), file=sys.stderr)
"""
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name.upper() in ("PATH", "SYSTEMROOT", "TEMP", "TMP", "PYTHONPATH", "LD_LIBRARY_PATH")
}
MACHINES = {
    "no HOME": {"PYTHONIOENCODING": "cp1252"},
    "LC_ALL=C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_odd_machines(table, tmp_path, machine):
    home = {} if machine == "no HOME" else {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment = {
        **PLAIN, **home, **MACHINES[machine], "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg",
        "GENAI_PROFILE": "quick",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", START, str(ROOT / "notebooks" / "00_start_here.ipynb")],
        env=environment, cwd=tmp_path, capture_output=True, timeout=300,
    )  # fmt: skip
    said, errors = done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
    assert done.returncode == 0, errors[-3000:]
    assert "Traceback" not in errors and "ENDED" in errors
    assert "? share of pixels with some ink" in said
    if machine == "no HOME":
        table["no HOME"]["Start here, data, a model"] = "all as always"
    letters = "output in cp1252" if machine == "no HOME" else machine
    table["non-UTF-8 locale"][f"Start here, data, a model; {letters}"] = (
        "all as always; outside a notebook a ? stands for each ✓"
    )


def test_course_in_a_folder_with_spaces_and_accents(table, tmp_path):
    place = tmp_path / "Übung 1 é" / "der Kurs"
    ignore = shutil.ignore_patterns(
        ".git", ".venv", "cache", "build", "exports", "__pycache__", ".*_cache", "node_modules"
    )
    shutil.copytree(ROOT, place, ignore=ignore)
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONUTF8": "1"}
    code = (
        "from helpers import models, session, training\n"
        "from helpers.data import sentences\n"
        "from tools import check\n"
        "assert 'é' in str(session.ROOT)\n"
        "assert len(sentences.load()) == 3 and models.load('storyteller') is not None\n"
        "import torch\n"
        "file = session.CACHE / 'modèle.pt'\n"
        "for steps in (1, 2):\n"
        "    training.fit(torch.nn.Linear(1, 1), lambda m, b: m(b).mean(), [torch.ones(4, 1)],\n"
        "                 steps=steps, batch_size=2, evaluate_every=1, checkpoint=file)\n"
        "check.main([])\n"
    )
    done = [
        subprocess.run(
            [sys.executable, *arguments], cwd=place, env=environment, capture_output=True,
            encoding="utf-8", timeout=300,
        )
        for arguments in (["-c", code], ["-m", "tools.run", "00"])
    ]  # fmt: skip
    assert [one.returncode for one in done][1] == 0, done[1].stdout + done[1].stderr
    assert "going on after step 1" in done[0].stdout, done[0].stderr[-3000:]
    assert "✓ models in data" in done[0].stdout and "Traceback" not in done[0].stderr
    assert "| 00_start_here |" in done[1].stdout and "claims held: 1 of 1" in done[1].stdout
    assert (place / "build" / "results.json").is_file()
    table["spaces and é in the path"]["Start here by course.py run, check, data, a checkpoint"] = (
        "all as always"
    )


# ---------------------------------------------------------------- the table


def test_the_table_names_every_fault(table, request):
    """With all tests of this file run, no fault is without a line."""
    mine = [item for item in request.session.items if item.path == Path(__file__)]
    if os.name == "nt" or len({item.originalname for item in mine}) < 12:
        pytest.skip("a part of the tests, or a system without some of the faults")
    assert [name for name, tried in table.items() if not tried] == []
