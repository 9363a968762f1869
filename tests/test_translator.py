"""The translator: the texts that it learns from, its recipe in small, and what ships."""

import functools
import json
import re

import pytest
import torch

from helpers import models, session
from helpers.data import phrasebook
from tools import pretrain, translator

ROLE = "translator"
SMALL = {"width": 16, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def pairs():
    return phrasebook.make(60, seed=5, split="validation")


def test_texts_are_the_pairs_in_either_direction(pairs):
    french = translator.texts(pairs, "to French:")
    english = translator.texts(pairs, "to English:")
    for pair, (asked, said), (back_asked, back_said) in zip(pairs, french, english, strict=True):
        assert asked == f"to French: {back_said}" and back_asked == f"to English: {said}"
        assert phrasebook.detokenize(said.split(), "french") == pair.french
        assert phrasebook.detokenize(back_said.split(), "english") == pair.english


def test_the_tokenizer_is_the_recipes_own_cut(pairs):
    tokenizer = translator.tokenizer()
    for asked, said in translator.texts(pairs, "to French:"):
        assert tokenizer(asked).input_ids == translator.encode(asked)
        assert tokenizer.decode(tokenizer(said).input_ids, skip_special_tokens=True) == said
    assert tokenizer("zzz").input_ids == [translator.IDS["<unk>"], translator.IDS["<end>"]]


def test_batches_are_seeded_and_labels_padded_with_nothing_asked(pairs):
    made = translator.texts(pairs, "to French:")
    first, again, other = (next(translator.batches(made, 8, seed=s)) for s in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    tokens, labels = first
    assert len(tokens) == len(labels) == 8
    assert (tokens >= 0).all() and ((labels >= 0) | (labels == -100)).all()
    rows = {tuple(translator.encode(said)) for _, said in made}
    assert {tuple(row[row != -100].tolist()) for row in labels} <= rows


def test_a_torch_without_muon_says_so(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    sentence = r"^the translator is trained with torch.optim.Muon, .* lacks: install 2\.9 or newer$"
    with pytest.raises(RuntimeError, match=sentence):
        translator.translator(steps=1)


def test_it_can_be_trained_again_with_the_same_result(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "ROOT", tmp_path)
    small = functools.partial(
        translator.translator, steps=3, batch=4, pairs=40, n=10, every=1, size=SMALL
    )
    monkeypatch.setitem(pretrain.MAKERS, ROLE, small)
    contents = []
    for _ in range(2):
        assert pretrain.main([ROLE]) == 0
        place = models.folder(ROLE)
        log = json.loads((place / "log.json").read_text(encoding="utf-8"))
        assert [row["step"] for row in log] == [1, 2, 3]
        assert "3 steps of 4" in (place / "README.md").read_text(encoding="utf-8")
        contents.append((place / models.WEIGHTS).read_bytes())
    assert contents[0] == contents[1]


def test_it_ships_small_and_loads_as_the_library_loads(pairs):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    place = models.folder(ROLE)
    assert sum(path.stat().st_size for path in place.iterdir()) < 5e6
    model, by_library = models.load(ROLE), AutoModelForSeq2SeqLM.from_pretrained(place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert tokenizer.get_vocab() == translator.IDS
    made = translator.texts(pairs, "to English:")
    batch = tokenizer([text for text, _ in made], padding=True, return_tensors="pt")
    labels = translator.padded([translator.encode(text) for _, text in made], -100)
    torch.testing.assert_close(
        model(**batch, labels=labels).logits, by_library(**batch, labels=labels).logits,
        rtol=1e-4, atol=1e-3,
    )  # fmt: skip


@pytest.mark.parametrize("prefix", translator.PREFIXES)
def test_it_does_what_its_card_says(prefix):
    model = models.load(ROLE)
    card = (models.folder(ROLE) / "README.md").read_text(encoding="utf-8")
    assert f"{sum(p.numel() for p in model.parameters()):,} weights" in card
    said = re.search(rf"^\| `{prefix}` \| ([\d.]+) \| ([\d.]+) \|$", card, re.M).groups()
    for split, percent in zip(("validation", "combinations"), said, strict=True):
        made = translator.texts(phrasebook.make(300, seed=77, split=split), prefix)
        share = 100 * translator.exact(model, made)
        assert share >= 90 and abs(share - float(percent)) < 4, (split, share)


def test_its_log_ends_where_its_card_says():
    log = json.loads((models.folder(ROLE) / "log.json").read_text(encoding="utf-8"))
    card = (models.folder(ROLE) / "README.md").read_text(encoding="utf-8")
    assert f"{log[-1]['step']:,} steps" in card and log[-1]["seconds"] < 5 * 60
    assert all(row.keys() >= {"loss", *translator.PREFIXES} for row in log)
