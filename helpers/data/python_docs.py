"""English prose that every Python brings along: the language reference, as `help()` shows it.

Source: the module `pydoc_data.topics` of the standard library (Python Software Foundation License).
The text differs a little from one Python version to the next, and so does what is learned from it.
"""

import re
from dataclasses import dataclass

# Typographic signs become plain ones, so that the characters are those of a keyboard.
PLAIN = {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "\xa0": " "}
SHORTEST = 8  # words; below it a paragraph is a heading, a name or a piece of code


@dataclass(frozen=True)
class Prose:
    """Three texts that share no paragraph; a paragraph is a line, ASCII, of eight words or more."""

    train: str
    validation: str
    test: str


def load() -> Prose:
    """The prose of the language reference: of every fifty paragraphs forty are for training.

    Headings, grammar rules, tables and most code are left out, and so are numbers in brackets, of
    notes as well as of indices; no paragraph comes twice.
    Errors: RuntimeError, in one sentence, if this Python lacks the module.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise RuntimeError(
            "this Python was installed without pydoc_data, where the texts are: use one from "
            "python.org or conda, or another text"
        ) from error

    found = [p for name in sorted(topics) for p in _paragraphs(topics[name])]
    unique = list(dict.fromkeys(found))  # the same paragraph may stand in several topics
    train, validation, test = [], [], []
    for start in range(0, len(unique), 50):
        block = unique[start : start + 50]
        train += block[:40]
        validation += block[40:45]
        test += block[45:]
    return Prose(*("\n".join(part) + "\n" for part in (train, validation, test)))


def _paragraphs(topic: str) -> list[str]:
    """What is prose in a topic: lines joined, marks of emphasis and numbers in brackets removed."""
    for sign, plain in PLAIN.items():
        topic = topic.replace(sign, plain)
    kept = []
    for block in re.split(r"\n\s*\n", topic):
        text = re.sub(r"-\n\s*(?=[a-z])", "-", block.strip())  # "built-" and "in" on two lines
        text = re.sub(r"\s+", " ", text)
        text = re.sub(r"^(?:\*|\d+\.) |\s*\[\d+\]", "", text).strip()  # marks
        text = re.sub(r"(?<![\w\"])\*+([\w ./-]+?)\*+(?![\w\"])", r"\1", text)  # *emphasis*
        if _is_prose(text):
            kept.append(text)
    return kept


def _is_prose(text: str) -> bool:
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return (
        bool(text)
        and text.isascii()
        and (text[0].isupper() or text[0] == '"')
        and text[-1] in '.:;)"'
        and len(text.split()) >= SHORTEST
        and letters >= 0.78 * len(text)
        and not re.search(r"::=|>>>| = |\*\*\*|===|---|\+-", text)
    )
