"""The benchmarks at their smallest setting: that they run, and that what they write is right.

Nothing here is timed. Memory is measured in this process, but for one test of a fresh one.
"""

import itertools
import json
import re
import time
from importlib.metadata import version

import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import measure
from tools import lesson

# For each benchmark, the beginnings of the bars that it must have
NAMED = {
    "training": ["GPT, 64 wide, training", "GPT, 64 wide, training, memory",
                 "Llama form, 64 wide, training", "Llama form, 64 wide, training, memory"],
    "telling": ["GPT, telling 1 at once", "GPT, telling 1 at once, memory",
                "Llama form, telling 1 at once", "Llama form, telling 1 at once, memory"],
    "profile": [],
    "lora": ["LoRA, a step", "LoRA, a step, memory"],
    "denoiser": ["denoiser, bound in equal seconds", "denoiser, a step",
                 "denoiser, a step, memory"],
    "bpe": ["BPE, merging", "BPE, encoding"],
    "quality": [],
    "growth": [],
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENAI_PROFILE", "quick")
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def reports():
    """What every benchmark finds at its smallest setting."""
    return {name: bench.run(name, "tiny") for name in bench.BENCHMARKS}


def test_each_benchmark_has_its_bars_with_a_target(reports):
    assert {name: [bar.name for bar in report.bars] for name, report in reports.items()} == NAMED
    for report in reports.values():
        for bar in report.bars:
            assert bar.ours > 0 and bar.theirs > 0 and bar.ratio > 0, bar
            assert (bar.at_least is None) != (bar.at_most is None), bar
            if "memory" in bar.name:
                assert bar.at_most == 1 and bar.ratio == pytest.approx(bar.ours / bar.theirs)
    targets = {bar.name: bar.at_least for report in reports.values() for bar in report.bars}
    assert targets["GPT, 64 wide, training"] == targets["Llama form, 64 wide, training"] == 1.2
    assert targets["GPT, telling 1 at once"] == 2.5 and targets["LoRA, a step"] == 1


def test_both_denoisers_are_of_one_size(reports):
    [table] = reports["denoiser"].tables
    ours, theirs = (int(row[1].replace(",", "")) for row in table.rows)
    assert abs(ours / theirs - 1) < 0.05


def test_what_is_written_has_every_row_the_versions_and_the_machine(reports):
    text = bench.written(reports, "default")
    for report in reports.values():
        for bar in report.bars:
            [row] = [line for line in text.splitlines() if line.startswith(f"| {bar.name} |")]
            assert row.endswith("| met |" if bar.met else "| **missed** |")
            assert bar.target in row
            assert bar.met or f"- {bar.name}: " in text
        for table in report.tables:
            assert f"## {table.title}" in text
    for package in bench.PACKAGES:
        assert f"{package} {version(package)}" in text
    assert re.search(r"\d+ cores, 1 thread used", text) and bench.processor() in text
    assert str(lesson.ROOT) not in text
    lines = text.splitlines()
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|"), below


@pytest.mark.parametrize(
    ("ratio", "least", "most", "met"),
    [(1.2, 1.2, None, True), (1.196, 1.2, None, True), (1.19, 1.2, None, False),
     (1.0, None, 1, True), (1.02, None, 1, False), (0.4, None, 1, True)],
)  # fmt: skip
def test_a_bar_is_met_or_missed(ratio, least, most, met):
    bar = measure.Bar("x", 1, 1, "s", ratio, least, most)
    assert bar.met == met
    assert bench.line(bar)[-1] == ("met" if met else "**missed**")


def test_what_a_law_names_does_grow(reports):
    """Memory is counted exactly, so even the two smallest sizes tell."""
    [table] = reports["growth"].tables
    for row in table.rows:
        theory, measured = row[5], row[6]
        if theory == "0":
            assert abs(float(measured)) < 0.1, row
        elif theory != "not in tensors":
            assert abs(float(measured) - float(theory[0])) < 0.5, row


def test_exponents_of_known_growth():
    sizes = [3, 10, 40, 200]
    for p in (0, 0.5, 1, 2):
        assert measure.exponent(sizes, [7 * n**p for n in sizes]) == pytest.approx(p, abs=1e-9)
    for bad in ([1, 2], [1]), ([1], [1]), ([1, 2], [0, 1]):
        with pytest.raises(ValueError, match="two or more"):
            measure.exponent(*bad)


def test_a_race_takes_turns_and_divides_theirs_by_ours(monkeypatch):
    clock, calls = [0.0], []

    def work(name, cost):
        calls.append(name)
        clock[0] += cost

    monkeypatch.setattr(measure, "now", lambda: clock[0])
    found = measure.race(lambda: work("a", 2), lambda: work("b", 3), rounds=4, times=2)
    assert found == (2, 3, 1.5)
    assert "".join(calls) == "ab" + "bbaa" + "aabb" + "bbaa" + "aabb"


def passes_through(megabytes):
    """Work that holds twice as much for a moment as it returns, and makes a tenth of it before."""
    before = torch.ones(megabytes * 2**18 // 10)

    def work():
        first = torch.ones(megabytes * 2**18)
        second = first + 1
        del first
        return second, before

    return work


def test_peak_is_the_most_that_tensors_hold_and_the_same_each_time():
    kept = torch.ones(80 * 2**18)  # of this process, so it must not count
    found = [measure.peak(passes_through, megabytes) for megabytes in (10, 60, 60)]
    assert [round(value, 2) for value in found] == [20, 120, 120], kept.shape
    assert measure.peak(lambda: lambda: None) < 1e-5


def test_seconds_are_of_the_processor():
    assert measure.seconds(lambda: time.sleep(0.2)) < 0.1


# ---------------------------------------------------------------- the command


def test_a_wrong_name_is_refused_in_one_sentence(capsys):
    assert bench.main(["gtp"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("There is no benchmark gtp: choose from training, ")
    assert said.count("\n") == 1


def test_without_a_gpu_one_sentence_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.main(["--gpu"]) == 1
    said = capsys.readouterr()
    assert said.err == "These benchmarks need a CUDA device, and torch finds none here.\n"
    assert said.out == ""


def test_only_all_benchmarks_together_are_written_to_the_file(capsys, monkeypatch, tmp_path):
    bar = measure.Bar("GPT, 64 wide, training", 2.0, 1.0, "tokens/s", 2.0, at_least=1.2)
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "run", lambda name, scale: measure.Report([bar], []))
    for arguments in (["training"], ["--tiny"]):
        assert bench.main(arguments) == 0
        assert "# Benchmarks" in capsys.readouterr().out and not list(tmp_path.iterdir())
    assert bench.main([]) == 0
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert f"{len(bench.BENCHMARKS)} of {len(bench.BENCHMARKS)} targets met" in text


def test_what_is_stored_has_the_bars_of_the_benchmarks():
    """Whoever renames a bar or adds one runs the command again."""
    text = (bench.HERE / "RESULTS.md").read_text(encoding="utf-8")
    for names in NAMED.values():
        for name in names:
            assert name.partition("telling 1 at once, memory")[0] in text, name
    assert "Written by `python course.py bench` on 20" in text


# ---------------------------------------------------------------- tools.lesson


def notebook(tmp_path, *sources):
    cells = [{"cell_type": "code", "source": source} for source in sources]
    path = tmp_path / "lesson.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path


def test_definitions_are_taken_out_with_what_they_need(tmp_path):
    path = notebook(
        tmp_path,
        "import math\nslow = 1 / 0",
        "size = 3",
        "def area(step):\n    return step * size",
        "def outer():\n    def step():\n        return size\n    return step",
        "for step in [1 / 0]: pass",
        "size = 5",
    )
    assert lesson.run(path, "area").area(2) == 6
    assert lesson.run(path, "outer").outer()() == 3  # its inner `step` is not the loop's
    names = lesson.run(path, "area", instead={"size": "10"})
    assert names.area(2) == 20
    names.size = 1
    assert names.area(2) == 2
    with pytest.raises(KeyError, match="does not define volume"):
        lesson.taken_out(path, "volume")
