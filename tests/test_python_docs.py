"""The prose of the language reference: clean, split, the same at every call."""

import os
import string
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from helpers.data import python_docs


@pytest.fixture(scope="module")
def prose():
    return python_docs.load()


CHECKSUM = """
import zlib
from helpers.data import python_docs

print(zlib.crc32(ascii(python_docs.load()).encode()))
"""


def test_it_is_the_same_in_every_session(prose):
    """A set of texts, say, has another order in another session."""
    told = subprocess.run(
        [sys.executable, "-c", CHECKSUM], cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(told.stdout) == zlib.crc32(ascii(prose).encode())


def test_there_is_enough_to_train_on(prose):
    assert len(prose.train) > 150_000
    assert 15_000 < len(prose.validation) < len(prose.train) / 4
    assert 15_000 < len(prose.test) < len(prose.train) / 4


def test_no_paragraph_stands_twice_nor_in_two_parts(prose):
    lines = [line for part in vars(prose).values() for line in part.splitlines()]
    assert len(lines) == len(set(lines))


def test_every_character_is_one_of_a_keyboard(prose):
    for part in vars(prose).values():
        assert set(part) <= set(string.printable) - set("\t\r\x0b\x0c")
        assert part.endswith("\n")


def test_what_is_left_is_prose(prose):
    for line in prose.train.splitlines():
        assert len(line.split()) >= python_docs.SHORTEST, line
        assert ">>>" not in line and "::=" not in line and "  " not in line, line
        assert line[0].isupper() or line[0] == '"', line
    assert "hashable" in prose.train and "*hashable*" not in prose.train
    assert "built- in" not in prose.train


@pytest.mark.parametrize(
    ("topic", "paragraphs"),
    [
        ("Heading\n*******\n", 0),
        ("A *word* that is put in italics, and then all of the others.\n", 1),
        ("* A list whose first entry is a whole sentence of many words.\n", 1),
        ('x = 1  # this is code and not a sentence, whatever it says."\n', 0),
        ("A sentence of eight words, with ünusual letters in it.\n", 0),
        ("The built-\nin types are broken over two lines here and there.\n", 1),
        ("A sentence with a note [4] in the middle of all its words.\n", 1),
    ],
)
def test_paragraphs_are_kept_or_left_out(topic, paragraphs):
    found = python_docs._paragraphs(topic)
    assert len(found) == paragraphs
    for text in found:
        assert "*" not in text and "[" not in text and "- in" not in text


def test_a_python_without_the_texts_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(RuntimeError, match="without pydoc_data"):
        python_docs.load()
