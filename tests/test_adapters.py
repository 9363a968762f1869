"""The ways of fine-tuning: lesson 5 of Day 3 against the tool that measured its table, and both
against a count by hand, on an encoder of a few units."""

import ast
import copy
import json
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, BertModel
from transformers.utils import logging

from helpers import session
from helpers.data import sentences
from helpers.exercises import day3
from tools import adapters

LESSON = session.ROOT / "notebooks/day3_huggingface_finetuning/05_parameter_efficient.ipynb"
WAYS = ("full", "LoRA r=4", "adapters", "BitFit", "prefix", "prompt")
WIDTH, INNER, LAYERS, VOCABULARY, POSITIONS = 8, 12, 2, 10_000, 24  # the prompt draws below 10,000


def bert(hidden_size=WIDTH, intermediate_size=INNER, layers=LAYERS, heads=2, **more):
    more = {"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS} | more
    config = BertConfig(
        hidden_size=hidden_size, intermediate_size=intermediate_size, num_hidden_layers=layers,
        num_attention_heads=heads, **more,
    )  # fmt: skip
    return BertModel(config).eval().requires_grad_(False)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Matrices this small only wait for each other on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def part_of(rows, seed):
    """Random sentences with padding, as lesson and tool keep them."""
    draws = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 9, (rows, 1), generator=draws)
    mask = (torch.arange(9) < lengths).long()
    tokens = mask * torch.randint(1, VOCABULARY, (rows, 9), generator=draws)
    signs = torch.randint(2, (rows,), generator=draws)
    return dict(tokens=tokens, mask=mask, labels=signs, sentiment=signs)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return bert(hidden_dropout_prob=0.5)  # if dropout were on somewhere, it would show


@pytest.fixture(scope="module")
def data():
    return {"train": part_of(30, 1), "test": part_of(20, 2), "validation": part_of(12, 3)}


@pytest.fixture(scope="module")
def lesson(encoder, data):
    """What the lesson's cells define: classes, functions, and names that are set to a literal."""
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    nodes = [
        node
        for cell in cells
        if cell["cell_type"] == "code"
        for node in ast.parse("".join(cell["source"])).body
    ]
    names = {
        "nn": nn, "torch": torch, "F": torch.nn.functional, "config": encoder.config,
        "run": SimpleNamespace(device="cpu", seed=0), "train_part": data["train"],
        "test_part": data["test"], "progress_bar": lambda steps, _: steps,
    }  # fmt: skip
    for node in nodes:
        exercise = getattr(node, "decorator_list", []) and "exercise" in ast.dump(node)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        capital = {n.id for n in ast.walk(target or node) if isinstance(n, ast.Name)}
        taken = isinstance(node, ast.ClassDef) or (
            isinstance(node, ast.FunctionDef) and not exercise
        )
        if taken or (target and all(name.isupper() for name in capital)):
            try:
                exec(compile(ast.Module([node], []), LESSON.name, "exec"), names)
            except NameError:  # made of what the lesson computes
                continue
    names["lora_forward"] = day3.lora_forward
    return SimpleNamespace(**{n: v for n, v in names.items() if not n.startswith("__")})


def both(way, encoder, lesson):
    """The same way, as the lesson and as the tool make it, from the same random numbers."""
    made = []
    for build, change in (
        (lesson.Classifier, lesson.WAYS[way]),
        (adapters.Classifier, adapters.WAYS[way].change),
    ):
        session.set_seed(5)
        made.append(change(build(copy.deepcopy(encoder), 2)).eval())
    return made


def trained(model):
    return {n: w for n, w in model.named_parameters() if w.requires_grad and "head" not in n}


@pytest.mark.parametrize("way", WAYS)
def test_lesson_and_tool_compute_the_same(way, encoder, data, lesson):
    ours, theirs = both(way, encoder, lesson)
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, theirs.state_dict()[name], rtol=0, atol=0)
    at_start = ours(data["test"]["tokens"], data["test"]["mask"])
    with torch.no_grad():
        ours.get_submodule("model" if way == "prompt" else "").head.weight.normal_()
        for weight in trained(ours).values():
            weight += 0.3 * torch.randn_like(weight)  # the detours begin at zero
    theirs.load_state_dict(ours.state_dict())  # strict: the same names
    outputs = [model(data["test"]["tokens"], data["test"]["mask"]) for model in (ours, theirs)]
    assert (outputs[0] - at_start).abs().max() > 0.1
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
    for output in outputs:
        output.square().sum().backward()
    for name, weight in trained(ours).items():
        other = theirs.get_parameter(name).grad
        torch.testing.assert_close(weight.grad, other, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_lesson_and_tool_train_the_same(way, encoder, data, lesson, monkeypatch):
    """Sentences, order, head's rate, schedule: from one seed both end at the same weights."""
    for name, value in (("N_LABELED", 10), ("STEPS", 3), ("BATCH", 4)):
        monkeypatch.setattr(adapters, name, value)
        monkeypatch.setitem(lesson.tune.__globals__, name, value)
    kept = []
    monkeypatch.setattr(adapters, "right_answers", lambda model, _: kept.append(model) or 0)
    adapters.measure(encoder, data, "test", way, lr=1e-2, seed=0)
    session.set_seed(0)
    ours = lesson.WAYS[way](lesson.Classifier(copy.deepcopy(encoder), 2)).eval()
    before = copy.deepcopy(ours.state_dict())
    lesson.tune(ours, 1e-2, way, steps=3)
    after, theirs = ours.state_dict(), kept[0].state_dict()
    for name in after:
        torch.testing.assert_close(after[name], theirs[name], rtol=1e-5, atol=1e-7, msg=name)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved - {n for n in moved if "head" in n} <= set(trained(ours))
    assert len(moved) > 2
    monkeypatch.undo()
    right = adapters.right_answers(ours, data["test"])
    assert lesson.accuracy(ours) == pytest.approx(right / len(data["test"]["mask"]))


def test_a_way_trains_what_it_should_and_nothing_else(encoder, lesson):
    norm, square, wide = 2 * WIDTH, 2 * WIDTH, WIDTH + INNER  # a norm; in and out of a matrix
    biases = 4 * WIDTH + INNER + WIDTH + norm  # query, key, value, three dense ones, two norms
    layer = 4 * WIDTH**2 + 2 * WIDTH * INNER + biases + norm
    tables = (VOCABULARY + POSITIONS + 2) * WIDTH + norm
    wanted = {
        "full": tables + LAYERS * layer,  # all but the pooler
        "LoRA r=4": LAYERS * 4 * (4 * square + 2 * wide),
        "adapters": LAYERS * 2 * (2 * WIDTH * 16 + 16 + WIDTH),
        "BitFit": LAYERS * biases + WIDTH,
        "prefix": LAYERS * 2 * 8 * WIDTH,
        "prompt": 8 * WIDTH,
    }
    words = {
        "LoRA r=4": {"A", "B"}, "adapters": {"down", "up"}, "BitFit": {"bias"},
        "prefix": {"keys", "values"}, "prompt": {"prompt"},
    }  # fmt: skip
    for way, count in wanted.items():
        for model in both(way, encoder, lesson):
            found = trained(model)
            assert sum(w.numel() for w in found.values()) == count == lesson.trained(model), way
            assert not any("pooler" in name for name in found)
            for name in found if way in words else ():
                assert words[way] & set(name.split(".")[-2:]), f"{way}: {name}"
            heads = [w for n, w in model.named_parameters() if "head" in n]
            assert len(heads) == 2 and all(w.requires_grad for w in heads)


# ---------------------------------------------------------------- the table


@pytest.fixture(scope="module")
def table():
    return json.loads(adapters.TABLE.read_text(encoding="utf-8"))


def test_the_table_holds_each_run_once(table):
    rows = Counter((row["split"], row["way"], row["lr"], row["seed"]) for row in table)
    tuned = {way for way, w in adapters.WAYS.items() if not isinstance(w.rates, str)}
    wanted = {
        ("validation", way, lr, seed)
        for way in tuned for lr in adapters.WAYS[way].rates for seed in adapters.TUNING_SEEDS
    }  # fmt: skip
    for way, w in adapters.WAYS.items():
        lr = adapters.best_rate(table, way if way in tuned else w.rates)
        wanted |= {("test", way, lr, seed) for seed in range(w.seeds)}
    assert set(rows) == wanted and set(rows.values()) == {1}
    assert all(w.seeds <= min(adapters.TUNING_SEEDS) for w in adapters.WAYS.values())


def test_the_table_was_made_with_the_data_and_settings_that_ship(table):
    stated = sentences.load().filter(lambda row: row["manner"] == "stated")
    with torch.device("meta"):  # the shapes of the published encoder, without numbers
        published = bert(
            384, 1536, layers=6, heads=12, vocab_size=30_522, max_position_embeddings=512
        )
        sizes = {}
        for way, w in adapters.WAYS.items():
            model = w.change(adapters.Classifier(copy.deepcopy(published), 2))
            sizes[way] = sum(weight.numel() for weight in trained(model).values())
    for row in table:
        assert (row["labels"], row["steps"]) == (adapters.N_LABELED, adapters.STEPS)
        assert row["tested"] == len(stated[row["split"]]) >= row["right"] > 0
        assert row["trained"] == sizes[row["way"]], row["way"]


def test_the_lesson_states_what_the_tool_does(table, lesson):
    ours = (lesson.N_LABELED, lesson.STEPS, lesson.BATCH, lesson.HEAD_RATE, lesson.MATRICES)
    theirs = (adapters.N_LABELED, adapters.STEPS, adapters.BATCH, adapters.HEAD_LR)
    assert ours == (*theirs, adapters.MATRICES)
    assert adapters.best_rate(table, "full") == lesson.FULL_RATE
    assert adapters.best_rate(table, "LoRA r=4") == lesson.LORA_RATE
    named = {*lesson.WAYS, *lesson.TRAPS, *(f"LoRA r={r}" for r in lesson.RANKS), "head only"}
    assert named == set(adapters.WAYS)


# ---------------------------------------------------------------- the command


def test_an_interrupted_command_goes_on_where_it_stopped(encoder, data, monkeypatch, tmp_path):
    ways = {
        "head only": adapters.Way(lambda model: model, (0.03, 0.1), 2),
        "LoRA r=4": adapters.Way(adapters.lora(4), (1e-2,), 2),
        "LoRA r=1": adapters.Way(adapters.lora(1), "LoRA r=4", 1),
    }
    small = dict(WAYS=ways, N_LABELED=8, STEPS=2, BATCH=4, TUNING_SEEDS=(10,))
    for name, value in small.items():
        monkeypatch.setattr(adapters, name, value)
    monkeypatch.setattr(adapters, "prepared", lambda: data)
    monkeypatch.setattr(adapters.models, "source", lambda name: name)
    monkeypatch.setattr(adapters.widgets, "progress_bar", lambda steps, _: steps)
    monkeypatch.setattr(AutoModel, "from_pretrained", lambda name: copy.deepcopy(encoder))
    for name in ("set_verbosity_error", "disable_progress_bar"):
        monkeypatch.setattr(logging, name, lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    measure, ran = adapters.measure, []

    def counted(encoder, data, *run):
        if len(ran) == stop:
            raise KeyboardInterrupt
        ran.append(run)
        return measure(encoder, data, *run)

    def command(file, *arguments):
        """The runs that the command makes, and the table that it leaves."""
        ran.clear()
        monkeypatch.setattr(adapters, "TABLE", tmp_path / file)
        try:
            assert adapters.main([*arguments]) == 0
        except KeyboardInterrupt:
            assert stop is not None
        return ran[:], (tmp_path / file).read_text(encoding="utf-8")

    monkeypatch.setattr(adapters, "measure", counted)
    stop = None
    all_runs, whole = command("whole.json")
    assert len(all_runs) == len(set(all_runs)) == 3 + 5
    stop = 4  # in the middle of the tests
    first, part = command("broken.json")
    assert first == all_runs[:4] and len(json.loads(part)) == 4
    stop = None
    assert command("broken.json") == (all_runs[4:], whole)
    assert command("broken.json") == ([], whole)
    assert command("broken.json", "--again") == (all_runs, whole)
    monkeypatch.setattr(adapters, "STEPS", 3)
    again, other = command("broken.json")
    assert again == all_runs and {row["steps"] for row in json.loads(other)} == {3}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == []
