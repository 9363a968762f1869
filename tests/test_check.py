"""tools.check: each fault that a room may have is one line of its own, with what to do."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple

import huggingface_hub
import psutil
import pytest

from helpers import models, session, weights
from tools import check, checksums

ROOT = session.ROOT
WANT = {  # what each subject is about when all is well
    "Python", "profile", "disk", "memory", "cores", "port for JupyterLab", "port for Gradio",
    "packages", "tables in data", "models in data", "sentence encoder",
}  # fmt: skip


@pytest.fixture
def listener():
    """A port of this machine on which a program listens."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened.getsockname()[1]


@pytest.fixture
def free(monkeypatch):
    """Two ports that nobody uses, in place of those that a room may be using just now."""
    with socket.socket() as first, socket.socket() as second:
        for opened in (first, second):
            opened.bind(("127.0.0.1", 0))
        ports = [opened.getsockname()[1] for opened in (first, second)]
    pairs = {"JupyterLab": (ports[0], 1), "Gradio": (ports[1], 1)}
    monkeypatch.setattr(check, "PORTS", pairs)
    return pairs


@pytest.fixture
def room(monkeypatch, tmp_path, free):
    """A machine on which all is well, with a copy of the course's data that may be damaged."""
    shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    monkeypatch.setattr(session, "ROOT", tmp_path)
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    space, memory = (
        namedtuple("Space", "free"),
        namedtuple("M", "available"),
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda place: space(20e9))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(8e9))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr(weights, "packaged", lambda package: None)
    hub = {"file": None}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: hub["file"])
    return namedtuple("Room", "root space memory hub")(tmp_path, space, memory, hub)


def found(capsys):
    """Exit code, and subject -> (sign, what was found, advice) of every line."""
    capsys.readouterr()
    code = check.main([])
    printed = capsys.readouterr().out
    *lines, last = [line for line in printed.splitlines() if line]
    width = max(line.find("  ", 2) for line in lines if line[0] != " ")  # of the longest subject
    table, subject = {}, ""
    for line in lines:
        sign, name, rest = line[0], line[2 : width + 2].strip(), line[width + 2 :].strip()
        if sign == " ":
            table[subject][2] = rest
        else:
            subject = name
            table[subject] = [sign, rest, ""]
    faults = [subject for subject, (sign, _, _) in table.items() if sign == check.BAD]
    assert code == bool(faults)
    assert last == (f"{len(faults)} to put right." if faults else "Ready.")
    for sign, _, advice in table.values():
        assert (sign == check.BAD) == bool(advice)
        assert not advice or advice.endswith(".")
    return table


def only_fault(capsys, subject):
    """What was found and what to do about one subject; everything else is well."""
    table = found(capsys)
    assert [s for s, (sign, _, _) in table.items() if sign == check.BAD] == [subject]
    return table[subject][1:]


# ---------------------------------------------------------------- all is well


def test_a_good_room_has_a_line_for_everything_and_code_0(room, capsys):
    table = found(capsys)
    assert set(table) == WANT
    others = [subject for subject, (sign, _, _) in table.items() if sign != check.GOOD]
    assert others == ["sentence encoder"]


def test_this_machine_in_time_without_torch_and_without_network():
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "from tools import check\n"
        "check.main([])\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "✓ models in data" in done.stdout and "✓ tables in data" in done.stdout


def test_options_are_refused_in_one_sentence(capsys):
    assert check.main(["--fix"]) == 2
    assert capsys.readouterr().err == "check takes no options, and was given --fix.\n"


# ---------------------------------------------------------------- the machine


@pytest.mark.parametrize(("version", "size"), [((3, 10, 4), 2**63 - 1), ((3, 12, 1), 2**31 - 1)])
def test_wrong_python(room, capsys, monkeypatch, version, size):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "maxsize", size)
    what, advice = only_fault(capsys, "Python")
    assert ("32 bit" in what) == (size < 2**32)
    assert advice == "Install Python 3.11, 3.12 or 3.13, 64 bit."


def test_supported_versions_are_those_of_course_py():
    source = (ROOT / "course.py").read_text(encoding="utf-8")
    assert (
        f"SUPPORTED = {json.dumps(['.'.join(map(str, v)) for v in check.PYTHONS])}".replace(
            "[", "("
        ).replace("]", ")")
        in source
    )


@pytest.mark.parametrize("chosen", ["fast", "quick full", "0"])
def test_bad_profile(room, capsys, monkeypatch, chosen):
    monkeypatch.setenv("GENAI_PROFILE", chosen)
    what, advice = only_fault(capsys, "profile")
    assert (what, advice) == (
        f"GENAI_PROFILE is {chosen!r}", "Set it to quick or full, or not at all."
    )  # fmt: skip


@pytest.mark.parametrize("chosen", ["", "quick", " FULL "])
def test_good_profile(room, capsys, monkeypatch, chosen):
    monkeypatch.setenv("GENAI_PROFILE", chosen)
    assert found(capsys)["profile"][0] == check.GOOD


@pytest.mark.parametrize(("chosen", "free", "needed"), [("quick", 0.2, 1), ("full", 7.9, 8)])
def test_no_disk(room, capsys, monkeypatch, chosen, free, needed):
    monkeypatch.setenv("GENAI_PROFILE", chosen)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: room.space(free * 1e9))
    what, advice = only_fault(capsys, "disk")
    assert (what, advice) == (f"{free} GB free", f"Make room: lessons need {needed} GB.")


def test_no_memory(room, capsys, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: room.memory(2.5e9))
    what, advice = only_fault(capsys, "memory")
    assert what == "2.5 GB free" and advice.startswith("Close other programs:")


def test_one_core_is_worth_knowing(room, capsys, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    assert found(capsys)["cores"][0] == check.OTHER


@pytest.mark.parametrize("program", ["JupyterLab", "Gradio"])
def test_no_free_port(room, capsys, monkeypatch, free, listener, program):
    monkeypatch.setitem(check.PORTS, program, (listener, 1))
    what, advice = only_fault(capsys, f"port for {program}")
    assert what == f"none from {listener} to {listener} is free"
    assert advice.startswith("End programs that listen there")


def test_port_in_use_and_the_next_one_free(room, capsys, monkeypatch):
    monkeypatch.setitem(check.PORTS, "Gradio", (7860, 100))
    monkeypatch.setattr(check, "is_free", lambda port: port != 7860)
    assert found(capsys)["port for Gradio"][:2] == [
        check.OTHER, "7860 is in use, so it will be 7861"
    ]  # fmt: skip


# ---------------------------------------------------------------- what is installed


def test_an_old_and_a_missing_package_have_a_line_each(room, capsys, monkeypatch):
    real = session._installed
    monkeypatch.setattr(session, "_installed", lambda: {**real(), "torch": "2.6.0"})
    assert only_fault(capsys, "torch") == ["2.6.0, needed >=2.7", check.INSTALL]
    less = {name: version for name, version in real().items() if name != "diffusers"}
    monkeypatch.setattr(session, "_installed", lambda: {**less, "torch": "2.6.0"})
    table = found(capsys)
    assert table["torch"][0] == check.BAD
    assert table["diffusers"] == [check.BAD, "not installed", check.INSTALL]
    assert "packages" not in table


def test_requirements_of_other_machines_are_left_out(room):
    (room.root / "requirements.txt").write_text(
        "torch>=2.7  # a comment\nnobody>=1 ; platform_machine == 'abacus'\n-e .\n"
    )
    assert [wanted.name for wanted, _ in session.requirements()] == ["torch"]


@pytest.mark.parametrize(
    "name", ["adapters.json", "sentences.jsonl", "phrasebook.tsv", "timeline.csv"]
)
def test_missing_and_damaged_tables(room, capsys, name):
    place = room.root / "data" / name
    content = place.read_bytes()
    place.unlink()
    assert only_fault(capsys, f"data/{name}") == ["missing", check.RESTORE]
    cut = b"" if place.suffix in (".csv", ".tsv") else content[:-5]
    for damaged in (cut, b"", b"\xff\xfe\x00"):
        place.write_bytes(damaged)
        assert only_fault(capsys, f"data/{name}") == ["damaged", check.RESTORE]


def test_every_table_of_the_course_is_looked_at():
    """A new table in data/ needs its name in TABLES."""
    there = {path.name for path in (ROOT / "data").iterdir() if path.is_file()}
    assert {name for name in there if not name.endswith((".md", ".partial"))} == set(check.TABLES)


def test_damaged_and_missing_models_have_a_line_each(room, capsys):
    place = room.root / "data" / "models"
    whole = bytearray((place / "shape_judge" / models.WEIGHTS).read_bytes())
    whole[len(whole) // 2] ^= 1  # one bit
    (place / "shape_judge" / models.WEIGHTS).write_bytes(whole)
    subject = f"data/models/shape_judge/{models.WEIGHTS}"
    assert only_fault(capsys, subject) == ["damaged or of another version", check.RESTORE]
    (place / "translator" / "tokenizer.json").unlink()
    table = found(capsys)
    assert table["data/models/translator/tokenizer.json"][1] == "missing"
    assert table[subject][0] == check.BAD
    shutil.rmtree(place / "shape_judge")
    assert found(capsys)[subject][1] == "missing"


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_text("one word\n")])
def test_damaged_list_of_models(room, capsys, damage):
    damage(room.root / "data" / "models" / checksums.LIST)
    subject = f"data/models/{checksums.LIST}"
    assert only_fault(capsys, subject) == ["missing or damaged", check.RESTORE]


def test_the_list_holds_every_file_of_every_model():
    """`python -m tools.pretrain ROLE` writes a model's lines."""
    place = ROOT / "data" / "models"
    files = {path.relative_to(place).as_posix() for path in place.glob("*/*")}
    assert set(checksums.listed()) == {name for name in files if not name.endswith(".md")}
    assert {name.split("/")[0] for name in files} == {role[0] for role in models.ROLES.values()}
    assert checksums.damaged() == {}


def test_a_model_made_anew_gets_new_lines_and_others_keep_theirs(room):
    before = checksums.listed()
    folder = room.root / "data" / "models" / "translator"
    (folder / "log.json").unlink()
    (folder / "config.json").write_text("{}")
    checksums.enlist(folder)
    changed = {"translator/log.json", "translator/config.json"}
    assert {name for name, _ in set(before.items()) ^ set(checksums.listed().items())} == changed
    assert checksums.damaged() == {}
    checksums.enlist(folder)
    (folder.parent / checksums.LIST).unlink()
    checksums.enlist(folder)
    assert {name.split("/")[0] for name in checksums.listed()} == {"translator"}


# ---------------------------------------------------------------- the sentence encoder


def test_encoder_from_its_package(room, capsys, monkeypatch, tmp_path):
    (tmp_path / weights.WEIGHTS).write_bytes(b"published")
    monkeypatch.setattr(weights, "packaged", lambda package: tmp_path)
    monkeypatch.setattr(weights, "MINILM_SHA256", weights.sha256(tmp_path / weights.WEIGHTS))
    assert found(capsys)["sentence encoder"][0] == check.GOOD
    (tmp_path / weights.WEIGHTS).write_bytes(b"others")
    what, advice = only_fault(capsys, "sentence encoder")
    assert "does not hold the published weights" in what
    assert "pip uninstall" in advice and "--offline-models" in advice


def test_encoder_from_the_cache(room, capsys):
    room.hub["file"] = "/somewhere/model.safetensors"
    assert found(capsys)["sentence encoder"][:2] == [check.GOOD, "from the hub's cache"]


def test_without_the_encoder_the_line_says_how_to_get_it(room, capsys):
    sign, what, _ = found(capsys)["sentence encoder"]
    assert sign == check.OTHER and what.endswith("python course.py lab --offline-models")


# ---------------------------------------------------------------- the full profile


def test_public_models_count_in_the_full_profile_only(room, capsys, monkeypatch):
    assert "public models" not in found(capsys)
    monkeypatch.setenv("GENAI_PROFILE", "full")
    sign, what, _ = found(capsys)["public models"]
    assert (sign, what.split(":")[0]) == (check.OTHER, "0 of 5 in the hub's cache")
    assert "python course.py prefetch" in what
    room.hub["file"] = "/somewhere/model.safetensors"
    assert found(capsys)["public models"][:2] == [check.GOOD, "5 of 5 in the hub's cache"]
