"""Short conversations with a summary of one sentence each, written by hand for this course.

Columns, all texts: `id`; `dialogue`, a line a turn, "Name: what is said"; `summary`. The names of
the columns are those of SAMSum (Gliwa et al., 2019, arXiv:1911.12237), which the full profile
loads. How they were made: data/dialogues.md.
"""

from typing import TYPE_CHECKING

from helpers import session
from helpers.data.sentences import read_splits

if TYPE_CHECKING:
    from datasets import DatasetDict

FILE = session.ROOT / "data" / "dialogues.jsonl"


def load() -> "DatasetDict":
    """All conversations in their fixed splits, "train", "validation" and "test".

    Errors: FileNotFoundError or ValueError, in one sentence, if the file is missing or damaged.
    """
    return read_splits(FILE)
