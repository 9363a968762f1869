"""The simulated panel of lesson 3.09: what its card says, and what can be found in it."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from helpers import session
from helpers.data import stories
from tools import judgements


@pytest.fixture(scope="module")
def shipped():
    return json.loads(judgements.FILE.read_text(encoding="utf-8"))


def test_the_file_says_that_nobody_judged(shipped):
    assert "no human being judged" in shipped["note"]
    card = (session.ROOT / "data" / "judgements.md").read_text(encoding="utf-8")
    assert "No person judged" in card and "simulated" in card
    assert all(row[0].startswith("simulated ") for row in shipped["judgements"])


def test_the_file_is_what_the_command_makes(shipped):
    count = {name: len(texts) for name, texts in shipped["stories"].items()}
    assert shipped["strengths"] == judgements.STRENGTHS
    assert sum(shipped["strengths"].values()) == pytest.approx(0)
    assert (shipped["left"], shipped["ties"]) == (judgements.LEFT, judgements.TIES)
    assert count == dict.fromkeys(judgements.STRENGTHS, judgements.STORIES)
    assert judgements.panel(count) == shipped["judgements"]


def test_stories_are_those_of_their_tellers(shipped):
    told = shipped["stories"]
    made = stories.make(judgements.STORIES, seed=judgements.SEED)
    assert told["the world itself"] == [story.text for story in made]
    for words, name in ((3, "counts of three words"), (2, "counts of two words")):
        assert told[name] == judgements.by_counts(judgements.STORIES, words, judgements.SEED)
    for texts in told.values():
        for text in texts:
            assert stories.detokenize(stories.tokenize(text)) == text and len(text) < 600


def test_rows_are_as_the_card_describes_them(shipped):
    rows = shipped["judgements"]
    assert len(rows) == 600 and set(Counter(row[0] for row in rows).values()) == {30}
    for _, left, i, right, j, choice in rows:
        assert left != right and choice in ("left", "right", "tie")
        assert 0 <= i < judgements.STORIES and 0 <= j < judgements.STORIES


def test_the_strengths_can_be_found(shipped):
    names = [*shipped["strengths"]]
    rows = [row for row in shipped["judgements"] if row[-1] != "tie"]
    x = np.zeros((len(rows), len(names)))
    for line, (_, left, _, right, _, _) in zip(x, rows, strict=True):
        line[names.index(left)], line[names.index(right)] = 1, -1
    model = LogisticRegression(C=1e6).fit(x, [row[-1] == "left" for row in rows])
    true = np.array([*shipped["strengths"].values()])
    assert np.abs(model.coef_[0] - true).max() < 0.5
    assert abs(model.intercept_[0] - shipped["left"]) < 0.3
    ties = 1 - len(rows) / len(shipped["judgements"])
    even = shipped["ties"] / (2 + shipped["ties"])  # between equals, without a favor
    assert math.isclose(ties, even, abs_tol=0.06)
