"""Opinions in one sentence, written by hand for this course, each with three labels.

Columns, all texts: `text`; `domain` (food, films, travel, devices, books, health); `manner`
("stated": the words judge; "implied": only facts are told); `sentiment` (positive, negative);
`topic`, what the opinion is about (price, people, time, quality); `formality` (formal, informal).
How they were made and checked: data/sentences.md.
"""

import json
from typing import TYPE_CHECKING

from helpers import session

if TYPE_CHECKING:
    from datasets import DatasetDict

FILE = session.ROOT / "data" / "sentences.jsonl"
SPLITS = ("train", "validation", "test")
LABELS = {
    "sentiment": ("negative", "positive"),
    "topic": ("people", "price", "quality", "time"),
    "formality": ("formal", "informal"),
}
DOMAINS = ("books", "devices", "films", "food", "health", "travel")


def load() -> "DatasetDict":
    """All sentences in their fixed splits, "train", "validation" and "test".

    Balanced in sentiment, topic, formality and domain; implied sentences are in "train" and "test"
    only. No sentence of one split is nearly the same as one of another.
    Errors: FileNotFoundError or ValueError, in one sentence, if the file is missing or damaged.
    """
    return read_splits(FILE)


def read_splits(file) -> "DatasetDict":
    """A jsonl file with a column `split` as a DatasetDict, without that column; errors as load."""
    from datasets import Dataset, DatasetDict

    place = f"data/{file.name}"
    if not file.is_file():
        raise FileNotFoundError(f"{place} is missing; get it back with git")
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        parts = {name: [row for row in rows if row["split"] == name] for name in SPLITS}
        columns = [name for name in rows[0] if name != "split"]
        return DatasetDict({
            name: Dataset.from_dict({c: [row[c] for row in part] for c in columns})
            for name, part in parts.items()
        })  # fmt: skip
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = type(error).__name__
        raise ValueError(f"{place} is damaged ({reason}); get it back with git") from None
