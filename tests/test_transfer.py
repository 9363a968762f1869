"""The table of lesson 4 of Day 3, and the small encoder."""

import json
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from helpers import models
from helpers.data import sentences
from helpers.exercises import day3
from tools import encoder, transfer


@pytest.fixture(scope="module")
def table():
    return json.loads(transfer.FILE.read_text(encoding="utf-8"))


def test_the_table_holds_each_run_once(table):
    runs = Counter((row["method"], row["labels"], row["seed"]) for row in table["runs"])
    assert set(runs) == {
        (m, n, s) for m in transfer.METHODS for n in transfer.LABELS for s in transfer.SEEDS
    }
    assert set(runs.values()) == {1}
    assert all(0 < row["accuracy"] <= 1 for row in table["runs"])
    assert sum(row["cpu_seconds"] for row in table["runs"]) < 30 * 60


def test_the_table_was_made_with_the_data_and_settings_that_ship(table):
    stated = sentences.load()["test"].filter(lambda row: row["manner"] == "stated")
    assert table["test sentences"] == len(stated)
    assert table["steps"] == {str(n): steps for n, steps in transfer.STEPS.items()}
    assert table["learning rates"] == transfer.RATES


def test_the_table_draws_as_the_lesson_does():
    labels = torch.arange(90) % 3
    torch.testing.assert_close(
        transfer.few_labels(labels, 7, 5), day3.few_labels(labels, 7, 5), rtol=0, atol=0
    )


@pytest.fixture(scope="module")
def small():
    from transformers import AutoModel, AutoTokenizer

    place = models.source("small encoder")
    return AutoModel.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)


def test_the_small_encoder_knows_every_piece_of_the_sentences(small):
    _, tokenizer = small
    ids = tokenizer([*sentences.load()["test"]["text"]])["input_ids"]
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert all(
        row[0] == tokenizer.cls_token_id and row[-1] == tokenizer.sep_token_id for row in ids
    )


def test_the_small_encoder_puts_like_sentences_near_each_other(small):
    x = encoder.vectors(*small, ["The soup was cold.", "Cold soup again.", "The flight was late."])
    near, far = F.cosine_similarity(x[0], x[1], dim=0), F.cosine_similarity(x[0], x[2], dim=0)
    assert near > far + 0.2


def test_padding_changes_no_vector(small):
    texts = ["Fine.", "A much longer sentence about a train that never came to the station."]
    both = encoder.vectors(*small, texts)
    torch.testing.assert_close(both[:1], encoder.vectors(*small, texts[:1]), rtol=1e-3, atol=1e-4)
