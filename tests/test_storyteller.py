"""The storyteller: its recipe, and what ships, measured on stories that it has not seen."""

import functools
import json
import random
import re

import pytest
import torch

from helpers import models, session
from helpers.data import stories
from tools import pretrain, storyteller

ROLES = ("storyteller",)


@pytest.fixture(scope="module")
def told():
    return stories.make(200, seed=77)


@pytest.fixture(scope="module", params=ROLES)
def role(request):
    return request.param


def text_of(ids):
    return stories.detokenize([stories.VOCABULARY[i] for i in ids])


# ---------------------------------------------------------------- the texts that they learn from


def test_rows_hold_the_texts_and_weigh_what_is_to_be_learned(told):
    generator = random.Random(3)
    for story in told:
        ids, weights = storyteller.plain(story, generator)
        assert text_of(ids) == f"<story> {story.text} <end>" and weights[0] == 0 < min(weights[1:])


def test_batches_are_seeded_and_padded(told):
    first, again, other = (next(storyteller.batches(storyteller.plain, 4, s)) for s in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    tokens, weights = storyteller.padded([([1, 5, 6], [0.0, 1.0, 1.0]), ([1, 5], [0.0, 1.0])])
    assert tokens.tolist() == [[1, 5, 6], [1, 5, 0]]
    assert weights.tolist() == [[0, 1, 1], [0, 1, 0]]


class Oracle(torch.nn.Module):
    """A stand-in that always gives the token that really comes next."""

    def forward(self, tokens):
        following = torch.cat([tokens[:, 1:], tokens[:, :1]], dim=1)
        logits = 50.0 * torch.nn.functional.one_hot(following, len(storyteller.IDS))
        return type("Output", (), {"logits": logits.float()})


def test_measures_know_right_from_wrong(told):
    right, wrong = Oracle(), storyteller.new_model(width=16, layers=1, heads=1)
    floor, _ = stories.floor(told)
    assert storyteller.excess(right, told) == pytest.approx(-floor, rel=0.04)  # <end> counts, too
    assert storyteller.excess(wrong, told) == pytest.approx(7.17 - floor, abs=0.5)  # log2 of 144


# ---------------------------------------------------------------- training them again


def test_it_can_be_trained_again_with_the_same_result(monkeypatch, tmp_path, role):
    monkeypatch.setattr(session, "ROOT", tmp_path)
    quick = functools.partial(storyteller.storyteller, steps=3, batch=4, n=10)
    monkeypatch.setitem(pretrain.MAKERS, role, quick)
    contents = []
    for _ in range(2):
        assert pretrain.main([role]) == 0
        place = models.folder(role)
        log = json.loads((place / "log.json").read_text(encoding="utf-8"))
        assert [row["step"] for row in log] == [1, 2, 3]
        assert "3 steps of 4" in (place / "README.md").read_text(encoding="utf-8")
        contents.append((place / "model.safetensors").read_bytes())
    assert contents[0] == contents[1]


# ---------------------------------------------------------------- what ships


def test_they_are_small_and_load_as_the_library_loads(role):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = models.folder(role)
    assert sum(path.stat().st_size for path in place.iterdir()) < 12e6
    model, by_library = models.load(role), AutoModelForCausalLM.from_pretrained(place)
    assert sum(p.numel() for p in model.parameters()) <= 3_000_000
    tokenizer = AutoTokenizer.from_pretrained(place)
    text = stories.make(1, seed=3)[0].text
    batch = tokenizer(f"<story> {text} <end>", return_tensors="pt")
    assert batch.input_ids[0].tolist() == storyteller.encode(f"<story> {text} <end>")
    assert tokenizer.decode(batch.input_ids[0], skip_special_tokens=True) == text
    assert tokenizer.get_vocab() == storyteller.IDS
    torch.testing.assert_close(model(**batch).logits, by_library(**batch).logits)


def test_the_storyteller_is_close_to_the_floor_and_its_card_says_how_close():
    model, fresh = models.load("storyteller"), stories.make(1500, seed=31)
    above = storyteller.excess(model, fresh)
    assert above <= 0.032, above  # 0.03 and the error of this sample
    card = (models.folder("storyteller") / "README.md").read_text(encoding="utf-8")
    said = float(re.search(r"above the floor \| ([\d.]+) \|", card)[1])
    assert said <= 0.03 and abs(above - said) < 0.006


def test_the_stories_that_it_tells_hold_together():
    from transformers import AutoTokenizer

    model = models.load("storyteller")
    tokenizer = AutoTokenizer.from_pretrained(models.folder("storyteller"))
    session.set_seed(0)
    start = torch.full((100, 1), storyteller.IDS["<story>"])
    drawn = model.generate(start, do_sample=True, max_new_tokens=180, top_k=0)
    good = 0
    for row in drawn:
        try:
            stories.read(tokenizer.decode(row, skip_special_tokens=True))
            good += 1
        except ValueError:
            pass
    assert good >= 35, good  # about half: some 2 bits a story lie above the floor


def test_their_logs_tell_the_same_as_their_cards(role):
    log = json.loads((models.folder(role) / "log.json").read_text(encoding="utf-8"))
    card = (models.folder(role) / "README.md").read_text(encoding="utf-8")
    assert [row["step"] for row in log] == sorted({row["step"] for row in log})
    assert f"{log[-1]['tokens']:,} tokens" in card
    assert sum(row["seconds"] for row in log[-1:]) < 2 * 60 * 60
    assert all("excess" in row for row in log)


def test_folders_are_told_in_one_sentence(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"^no model for the role 'poet': use .*'storyteller'"):
        models.folder("poet")
    monkeypatch.setattr(session, "ROOT", tmp_path)
    cure = 'get it back with git, or train it again: python -m tools.pretrain "storyteller"'
    with pytest.raises(FileNotFoundError, match=f"safetensors is missing; {cure}$"):
        models.folder("storyteller")


def test_a_damaged_storyteller_is_told_in_one_sentence(monkeypatch, tmp_path):
    place = tmp_path / "data" / "models" / "storyteller"
    place.mkdir(parents=True)
    for path in models.folder("storyteller").iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    from safetensors.torch import load_file, save

    whole = load_file(place / models.WEIGHTS)
    monkeypatch.setattr(session, "ROOT", tmp_path)
    fewer = dict(list(whole.items())[:-1])
    for content in (b"", save(fewer, metadata={"format": "pt"})):
        (place / models.WEIGHTS).write_bytes(content)
        with pytest.raises(ValueError, match=r"storyteller/model.safetensors is damaged .*\); get"):
            models.load("storyteller")
