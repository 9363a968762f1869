"""The sentences and conversations written for the course: complete, balanced, in splits apart."""

import itertools
import re
from collections import Counter

import pytest

from helpers import session
from helpers.data import dialogues, sentences


@pytest.fixture(scope="module")
def opinions():
    return sentences.load()


@pytest.fixture(scope="module")
def conversations():
    return dialogues.load()


def rows(data):
    return [row | {"split": split} for split in data for row in data[split]]


def words(text):
    return frozenset(re.findall(r"[a-z']+", text.lower()))


def alike(first, second):
    """The share of words that two sets of words have in common."""
    return len(first & second) / len(first | second)


def test_opinions_are_complete(opinions):
    assert {s: len(opinions[s]) for s in opinions} == {
        "train": 1341,
        "validation": 192,
        "test": 666,
    }
    columns = ["text", "domain", "manner", "sentiment", "topic", "formality"]
    assert all(opinions[split].column_names == columns for split in opinions)
    for row in rows(opinions):
        assert row["text"].isascii() and row["text"] == row["text"].strip()
        assert 5 <= len(row["text"].split()) <= 22, row["text"]
        assert row["domain"] in sentences.DOMAINS and row["manner"] in ("stated", "implied")
        assert all(row[label] in classes for label, classes in sentences.LABELS.items())


def test_opinions_are_balanced(opinions):
    for split, manner in itertools.product(opinions, ("stated", "implied")):
        part = [row for row in opinions[split] if row["manner"] == manner]
        for column in ("sentiment", "topic", "formality", "domain") if part else ():
            counts = Counter(row[column] for row in part).values()
            assert max(counts) - min(counts) <= 4, (split, manner, column)


def test_no_opinion_comes_twice_nor_nearly_so_in_another_split(opinions):
    found = rows(opinions)
    bags = [words(row["text"]) for row in found]
    assert len({tuple(sorted(bag)) for bag in bags}) >= len(bags) - 1
    for (one, a), (two, b) in itertools.combinations(zip(found, bags, strict=True), 2):
        if one["split"] != two["split"]:
            assert alike(a, b) <= 0.55, (one["text"], two["text"])


def test_formality_is_kept(opinions):
    """What no formal sentence has; an informal one may do without."""
    for row in rows(opinions):
        if row["formality"] == "formal":
            assert not re.search(r"n't\b|\bI'm\b|\b(gonna|wanna|yeah|nah|kinda)\b", row["text"]), (
                row
            )


def test_no_first_word_gives_the_sentiment_away(opinions):
    """Templates would: a first word that is common and always praises."""
    count = Counter((row["text"].split()[0].lower(), row["sentiment"]) for row in rows(opinions))
    total = sum(count.values())
    for (word, _), n in count.items():
        assert n <= 0.06 * total, word


def test_conversations_are_complete(conversations):
    found = rows(conversations)
    assert len(found) >= 300 and len({row["id"] for row in found}) == len(found)
    for row in found:
        turns = [line.split(": ", 1) for line in row["dialogue"].splitlines()]
        assert 4 <= len(turns) <= 9 and all(len(turn) == 2 for turn in turns), row["id"]
        assert len({name for name, _ in turns}) == 2, row["id"]
        assert row["summary"].count(".") >= 1 and 6 <= len(row["summary"].split()) <= 28, row["id"]
        assert any(name in row["summary"] for name, _ in turns), row["id"]


def test_no_conversation_or_summary_is_nearly_that_of_another_split(conversations):
    for column, most in (("summary", 0.6), ("dialogue", 0.5)):
        found = [(row["split"], words(row[column]), row["id"]) for row in rows(conversations)]
        for (one, a, i), (two, b, j) in itertools.combinations(found, 2):
            assert one == two or alike(a, b) <= most, (column, i, j)


def test_the_cards_say_what_the_files_hold(opinions, conversations):
    card = (session.ROOT / "data" / "sentences.md").read_text(encoding="utf-8")
    for split in opinions:
        manner = Counter(opinions[split]["manner"])
        line = f"| {split} | {manner['stated']:,} | {manner['implied']:,} |"
        assert line in card
    card = (session.ROOT / "data" / "dialogues.md").read_text(encoding="utf-8")
    for split in conversations:
        assert f"| {split} | {len(conversations[split]):,} |" in card


@pytest.mark.parametrize("module", [sentences, dialogues])
@pytest.mark.parametrize("content", [None, "", "no json", '{"text": "no split"}', "[1]"])
def test_missing_or_damaged_files_are_told_in_one_sentence(module, content, monkeypatch, tmp_path):
    file = tmp_path / module.FILE.name
    monkeypatch.setattr(module, "FILE", file)
    if content is None:
        with pytest.raises(FileNotFoundError, match=r"^data/\w+\.jsonl is missing; get it back"):
            module.load()
    else:
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"^data/\w+\.jsonl is damaged \(\w+\); get it back"):
            module.load()
