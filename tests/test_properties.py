"""Properties of every public function of `helpers`, tried on inputs that hypothesis makes up.

A few dozen inputs each, the same ones every time; GENAI_EXAMPLES=2000 tries so many.
"""

import ast
import contextlib
import hashlib
import http.client
import importlib
import inspect
import io
import itertools
import json
import math
import os
import pkgutil
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

matplotlib.use("agg")
import matplotlib.pyplot as plt

import helpers
from helpers import hub, metrics, models, plots, quiz, session, training, weights, widgets
from helpers.data import (
    dialogues,
    digits,
    load_images,
    mnist,
    phrasebook,
    python_docs,
    sentences,
    shakespeare,
    shapes,
    stories,
)  # fmt: skip
from helpers.exercises import engine, record

ROOT = Path(__file__).resolve().parent.parent
MANY = int(os.environ.get("GENAI_EXAMPLES", 25))
settings.register_profile(
    "course", derandomize=True, deadline=None, max_examples=MANY, database=None,
    suppress_health_check=list(HealthCheck), print_blob=False,
)  # fmt: skip
settings.load_profile("course")
few = settings(max_examples=max(4, MANY // 6))

TESTED = set()
SEEDS = st.integers(0, 2**32 - 1)
JUNK = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=9), st.binary(max_size=9),
    st.lists(st.integers(), max_size=3), st.integers(max_value=-1), st.integers(2**32),
)  # fmt: skip
TEXTS = st.text(max_size=80)
FLOATS = st.floats(-1e6, 1e6, width=32)


def covers(*functions):
    """Note that a test is about these functions."""
    TESTED.update(functions)
    return lambda test: test


def refused(function, *arguments, kinds=(ValueError,), **keywords):
    """Call with arguments that are wrong: the error is of the kind that is said, and one line."""
    with pytest.raises(kinds) as raised:
        function(*arguments, **keywords)
    assert str(raised.value).strip() and "\n" not in str(raised.value)


def printed(function, *arguments, **keywords):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        function(*arguments, **keywords)
    return out.getvalue()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    for name in ("GENAI_SEED", "GENAI_CLAIMS", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    yield
    plt.close("all")


# ---------------------------------------------------------------- captioned shapes

FACTORS = st.sampled_from([1, 2]).flatmap(
    lambda objects: st.lists(
        st.tuples(*(st.integers(0, len(c) - 1) for c in shapes.FACTORS[objects].values())),
        min_size=1, max_size=5,
    )
)  # fmt: skip
CAPTION_WORDS = sorted(
    {word for table in shapes.FACTORS.values() for classes in table.values()
     for name in classes for word in name.split()} | {"a", "at", "the", "an", "of", "A", ","}
)  # fmt: skip


@covers(shapes.make, shapes.render)
@few
@given(st.integers(1, 4), SEEDS, st.integers(12, 36), st.sampled_from([1, 2]))
def test_shapes_are_those_of_their_captions_and_factors(n, seed, side, objects):
    state = torch.get_rng_state()
    made = shapes.make(n, seed=seed, side=side, objects=objects)
    assert made.images.shape == (n, 3, side, side) and made.images.dtype == torch.uint8
    assert torch.equal(torch.stack([shapes.parse(c) for c in made.captions]), made.factors)
    assert torch.equal(shapes.render(made.factors, side=side, seed=seed), made.images)
    assert torch.equal(shapes.make(n, seed=seed, side=16, objects=objects).factors, made.factors)
    assert torch.equal(torch.get_rng_state(), state)


@given(JUNK)
def test_bad_arguments_of_shapes_are_refused(junk):
    refused(shapes.make, junk if not isinstance(junk, int) or junk < 1 else -1)
    refused(shapes.make, 1, objects=junk)
    if junk is not False:
        refused(shapes.make, 1, seed=junk)
    refused(shapes.render, torch.tensor([[9, 9, 9, 9]]), side=12, seed=0)


@covers(shapes.caption, shapes.parse, shapes.canonical)
@given(FACTORS)
def test_captions_and_factors_are_inverse(factors):
    told = [shapes.caption(row) for row in factors]
    assert [tuple(shapes.parse(text).tolist()) for text in told] == factors
    assert torch.equal(shapes.parse(told[0].upper().replace(" ", " \t ")), torch.tensor(factors[0]))
    once = shapes.canonical(torch.tensor(factors))
    assert torch.equal(shapes.canonical(once), once)
    if once.shape[1] == 7:
        for row, text in zip(once.tolist(), told, strict=True):
            assert sorted(shapes.caption(row).split(" a ")[0].split()[-3:]) and row[3] in (0, 2)
            assert set(shapes.caption(row).split()) - {"left", "above", "of"} <= set(text.split())


@given(st.one_of(TEXTS, st.lists(st.sampled_from(CAPTION_WORDS), max_size=14).map(" ".join)))
def test_the_caption_parser_reads_or_says_why_not(text):
    try:
        factors = shapes.parse(text)
    except ValueError as error:
        assert "\n" not in str(error) and str(error).startswith("in the caption ")
    else:
        assert shapes.caption(factors) == " ".join(text.lower().split())


@given(st.data())
def test_the_caption_parser_finds_a_changed_word(data):
    words = shapes.caption(data.draw(FACTORS)[0]).split()
    place = data.draw(st.integers(0, len(words) - 1))
    words[place : place + 1] = data.draw(st.lists(st.sampled_from(CAPTION_WORDS), max_size=2))
    test_the_caption_parser_reads_or_says_why_not.hypothesis.inner_test(" ".join(words))


@given(st.one_of(st.none(), st.integers(), st.binary(), st.lists(TEXTS, max_size=2)))
def test_what_is_no_text_is_no_caption(junk):
    refused(shapes.parse, junk)


# ---------------------------------------------------------------- stories


@covers(stories.make, stories.read, stories.log_prob, stories.token_log_probs)
@covers(stories.tokenize, stories.detokenize, stories.questions, stories.at, stories.with_article)
@given(st.integers(1, 3), SEEDS)
def test_stories_are_read_as_they_were_told(n, seed):
    told = stories.make(n, seed=seed)
    assert stories.make(1, seed=seed) == told[:1]
    for story in told:
        assert stories.read(story.text) == story
        assert stories.read(" \n".join(story.text.split())) == story
        assert stories.detokenize(stories.tokenize(story.text)) == story.text
        parts = stories.token_log_probs(story.text)
        assert math.isclose(sum(parts), story.log_prob) and max(parts) <= 0
        assert stories.log_prob(story.text) == story.log_prob
        places = {stories.at(place) for place in stories.PLACES}
        for question, answer in stories.questions(story):
            assert not question.startswith("Where") or answer in places
    assert stories.with_article(f"a{seed}").startswith("an a")


@covers(stories.next_tokens)
@given(SEEDS, st.floats(0, 1))
def test_next_tokens_are_a_distribution_that_holds_what_came(seed, share):
    tokens = stories.tokenize(stories.make(1, seed=seed)[0].text)
    cut = int(share * (len(tokens) - 1))
    following = stories.next_tokens(stories.detokenize(tokens[:cut]))
    assert math.isclose(sum(following.values()), 1, rel_tol=1e-9)
    assert min(following.values()) > 0
    parts = stories.token_log_probs(stories.detokenize(tokens[: cut + 1]))
    assert math.isclose(math.log(following[tokens[cut]]), parts[-1], abs_tol=1e-9)


@given(SEEDS, st.data())
def test_a_changed_story_is_read_or_refused(seed, data):
    tokens = stories.tokenize(stories.make(1, seed=seed)[0].text)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(tokens) - 1))
        tokens[place] = data.draw(st.one_of(st.sampled_from(sorted(stories.VOCABULARY)), TEXTS))
    check_story(" ".join(tokens))


@given(TEXTS)
def test_any_text_is_read_as_a_story_or_refused(text):
    check_story(text)


def check_story(text):
    probability = stories.log_prob(text)
    if probability == -math.inf:
        refused(stories.read, text)
    else:
        assert stories.read(text).log_prob == probability < 0
    parts = stories.token_log_probs(text)
    assert all(part <= 1e-12 for part in parts)
    try:
        assert math.isclose(sum(stories.next_tokens(text).values()), 1)
    except ValueError as error:
        assert "\n" not in str(error)


@covers(stories.floor)
@few
@given(st.integers(2, 6), SEEDS)
def test_the_floor_is_a_cross_entropy(n, seed):
    mean, error = stories.floor(stories.make(n, seed=seed))
    assert 0 < mean < math.log2(len(stories.VOCABULARY)) and error >= 0


@given(JUNK)
def test_bad_arguments_of_stories_are_refused(junk):
    if not isinstance(junk, int) or isinstance(junk, bool) or junk < 1:
        refused(stories.make, junk)
        refused(phrasebook.make, junk)
    if not isinstance(junk, str):
        for function in (stories.read, stories.log_prob, stories.tokenize, stories.next_tokens,
                         stories.token_log_probs, phrasebook.tokenize):  # fmt: skip
            refused(function, junk)
    if junk is not None and (not isinstance(junk, int) or isinstance(junk, bool) or junk > 99):
        refused(stories.questions, stories.make(1)[0], after=junk)


# ---------------------------------------------------------------- the phrasebook, tokenizers


@covers(phrasebook.make, phrasebook.tokenize, phrasebook.detokenize, phrasebook.held_out)
@few
@given(
    st.integers(1, 3), SEEDS,
    st.sampled_from(["training", "validation", "combinations", "longer"]),
)  # fmt: skip
def test_pairs_are_cut_and_joined_again(n, seed, split):
    pairs = phrasebook.make(n, seed=seed, split=split)
    assert len(set(pairs)) == n and phrasebook.make(n, seed=seed, split=split) == pairs
    for pair in pairs:
        for text, language in ((pair.english, "english"), (pair.french, "french")):
            tokens = phrasebook.tokenize(text)
            assert phrasebook.detokenize(tokens, language) == text
            assert set(tokens) <= set(phrasebook.VOCABULARY[language])
        joined = any(phrasebook.held_out(*words) for words in pair.joined)
        assert joined == (split == "combinations")


@covers(phrasebook.words)
@given(TEXTS)
def test_any_text_is_cut_into_words(text):
    tokens = phrasebook.tokenize(text)
    assert all(token and not token.isspace() for token in tokens)
    for language in phrasebook.LANGUAGES:
        assert isinstance(phrasebook.detokenize(tokens, language), str)
    refused(phrasebook.detokenize, tokens, text)
    refused(phrasebook.detokenize, text or "a", "english")
    refused(phrasebook.words, f"{text}?")  # a text may be the name of a kind
    assert "Anna" in phrasebook.words("name")


SHIPPED = sorted(ROOT.glob("data/models/*/tokenizer.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
@given(TEXTS, SEEDS)
def test_shipped_tokenizers_take_any_text_and_give_back_their_own(path, text, seed):
    from tokenizers import Tokenizer

    tokenizer = test_shipped_tokenizers_take_any_text_and_give_back_their_own.__dict__.setdefault(
        path, Tokenizer.from_file(str(path))
    )
    ids = tokenizer.encode(text).ids
    assert all(0 <= i < tokenizer.get_vocab_size() for i in ids)
    assert isinstance(tokenizer.decode(ids), str)
    own = {
        "translator": lambda: " ".join(
            phrasebook.tokenize(phrasebook.make(1, seed=seed)[0].french)
        ),
        "small_encoder": lambda: shapes.make(1, seed=seed, side=12).captions[0],
    }.get(path.parent.name, lambda: stories.make(1, seed=seed)[0].text)()
    once = tokenizer.encode(own).ids
    said = tokenizer.decode(once)
    assert tokenizer.encode(said).ids == once
    letters = [re.sub(r"\W", "", words).lower() for words in (said, own)]
    assert path.parent.name == "small_encoder" or letters[0] == letters[1]


# ---------------------------------------------------------------- tables and pictures


ROWS = st.dictionaries(
    st.sampled_from(["split", "text", "id"]),
    st.one_of(st.sampled_from(["train", "test"]), st.none(), st.integers(), TEXTS, st.booleans()),
    max_size=3,
)  # fmt: skip


@covers(sentences.load, dialogues.load, sentences.read_splits)
@given(st.one_of(
    st.binary(max_size=60), TEXTS.map(str.encode),
    st.lists(st.one_of(ROWS, JUNK.filter(lambda x: not isinstance(x, bytes))), max_size=4).map(
        lambda rows: "\n".join(map(json.dumps, rows)).encode()
    ),
))  # fmt: skip
def test_a_table_is_read_or_said_to_be_damaged(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "rows.jsonl"
    file.write_bytes(content)
    try:
        assert set(sentences.read_splits(file)) == set(sentences.SPLITS)
    except ValueError as error:
        assert re.fullmatch(
            r"data/rows\.jsonl is damaged \(\w+\); get it back with git", str(error)
        )
    for loaded in (sentences.load, dialogues.load):
        assert inspect.getdoc(loaded)


@covers(load_images, mnist.load, digits.load, python_docs.load, shakespeare.load)
@given(st.one_of(TEXTS, st.none(), st.integers()))
def test_other_names_of_pictures_are_refused(name):
    for function in (load_images, mnist.load):
        refused(function, name)
    assert torch.equal(load_images("digits").train_x[:3], digits.load().train_x[:3])


def test_texts_that_do_not_change():
    prose = python_docs.load()
    assert prose == python_docs.load() and prose.train.isascii()


# ---------------------------------------------------------------- measures


@covers(metrics.expect, metrics.claims)
@given(st.floats(), st.one_of(st.none(), FLOATS), st.one_of(st.none(), FLOATS), TEXTS)
def test_a_claim_holds_exactly_inside_its_band(value, low, high, unit):
    band = {"at_least": low, "at_most": high, "unit": unit}
    if (low is None and high is None) or (None not in (low, high) and low > high):
        return refused(metrics.expect, "it", value, **band)
    inside = (low is None or value >= low) and (high is None or value <= high)
    metrics._lines.clear()
    if inside:
        said = printed(metrics.expect, "it", value, **band)
        assert said.startswith("✓ it: ")
        assert printed(metrics.claims) == f"{said}1 claims measured in this notebook.\n"
    else:
        with pytest.raises(metrics.ClaimNotMet):
            metrics.expect("it", value, **band)
        assert not metrics._lines


@given(st.one_of(TEXTS, st.none(), st.complex_numbers(), st.lists(FLOATS), st.binary()))
def test_a_claim_about_something_else_is_refused(value):
    refused(metrics.expect, "it", value, at_least=0, kinds=(TypeError,))


@covers(metrics.frechet_distance, metrics.precision_recall, metrics.coverage)
@given(SEEDS, st.integers(2, 30), st.integers(2, 30), st.integers(1, 6), st.floats(0.01, 100))
def test_measures_of_samples(seed, n, m, size, scale):
    draw = torch.Generator().manual_seed(seed)
    a, b = (scale * torch.randn(rows, size, generator=draw) for rows in (n, m))
    distance = metrics.frechet_distance(a, b)
    assert 0 <= distance < math.inf
    assert math.isclose(
        distance, metrics.frechet_distance(b, a), rel_tol=1e-3, abs_tol=1e-3 * scale**2
    )
    assert metrics.frechet_distance(a, a) < 1e-3 * scale**2 * size
    k = min(n, m) - 1
    precision, recall = metrics.precision_recall(a, b, k)
    assert metrics.precision_recall(b, a, k) == (recall, precision)
    assert min(precision, recall, metrics.coverage(a, b, k)) >= 0
    assert metrics.precision_recall(a, a, k) == (1, 1) and metrics.coverage(a, a, k) == 1
    for function in (metrics.frechet_distance, metrics.precision_recall, metrics.coverage):
        refused(function, a, b[:, :-1])
        refused(function, a[:1], b)
        refused(function, a, b / 0)


@covers(metrics.score_digits)
@settings(max_examples=3)
@given(SEEDS, st.sampled_from([2, 17, 256]))
def test_any_pictures_are_scored(seed, levels):
    def drawn(n):
        return torch.randint(0, levels, (n, 8, 8), generator=torch.Generator().manual_seed(seed))

    real = digits.load().test_x[:12]
    with contextlib.redirect_stdout(io.StringIO()):
        scores = metrics.score_digits("it", drawn, real, training_s=1, parameters=2, levels=levels)
    assert all(0 <= value < math.inf for value in scores) and len(scores) == 7


# ---------------------------------------------------------------- models and weights


@covers(models.folder, models.load, models.source)
@given(st.one_of(TEXTS.filter(lambda name: name not in models.ROLES), st.none(), st.integers()))
def test_models_know_their_roles(name):
    refused(models.folder, name)
    refused(models.load, name)
    if name != "sentence encoder":
        assert models.source(name) in (name, str(name))


@covers(weights.sha256, weights.listed, weights.packaged)
@given(st.binary(max_size=99), st.dictionaries(st.from_regex(r"\A[a-z]+/[a-z.]+\Z"), st.binary()))
def test_files_of_weights(tmp_path_factory, content, files):
    folder = tmp_path_factory.getbasetemp()
    (folder / "file").write_bytes(content)
    assert weights.sha256(folder / "file") == hashlib.sha256(content).hexdigest()
    hashes = {name: hashlib.sha256(inside).hexdigest() for name, inside in files.items()}
    lines = [f"{value}  {name}\n" for name, value in hashes.items()]
    (folder / weights.LIST).write_text("".join(lines), encoding="utf-8")
    assert weights.listed(folder) == hashes
    assert weights.packaged("none-" + hashlib.md5(content).hexdigest()) is None


# ---------------------------------------------------------------- session


@covers(session.start, session.set_seed)
@given(SEEDS)
def test_a_seed_repeats_everything(seed):
    drawn = []
    for begin in (session.set_seed, session.start):
        printed(begin, seed)
        drawn.append([torch.rand(3).tolist(), np.random.rand(2).tolist()])  # noqa: NPY002
    assert drawn[0] == drawn[1]


@given(JUNK)
def test_what_is_no_seed_is_refused(junk):
    refused(session.set_seed, junk)
    refused(session.start, junk)


@covers(session.profile, session.device, session.on_colab)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=9))
def test_the_profile_is_one_of_two_or_refused(monkeypatch, value):
    with contextlib.suppress(OSError, ValueError):
        monkeypatch.setenv("GENAI_PROFILE", value)
    if os.environ["GENAI_PROFILE"].strip().lower() in (*session.PROFILES, ""):
        assert session.profile() in session.PROFILES
    else:
        refused(session.profile)
    assert session.device() in ("cpu", "cuda", "mps") and not session.on_colab()


NAMES = st.from_regex(r"\A[a-z]{1,6}(>=[0-9](\.[0-9])?)?( *# [a-z]*)?\Z")


@covers(session.requirements, session.install_missing)
@given(st.lists(NAMES, max_size=4, unique_by=lambda line: re.match("[a-z]+", line)[0]))
def test_requirements_are_read_and_what_is_missing_is_asked_for(
    monkeypatch, tmp_path_factory, lines
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "requirements.txt").write_text("# all\n-e .\n" + "\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(session, "ROOT", folder)
    monkeypatch.setattr(session, "_installed", lambda: {"torch": "2.9"})
    asked = []
    pip = SimpleNamespace(returncode=0, stderr="")
    monkeypatch.setattr(
        session.subprocess, "run", lambda command, **_: asked.extend(command) or pip
    )
    names = [wanted.name for wanted, _ in session.requirements()]
    assert names == [re.match("[a-z]+", line)[0] for line in lines]
    printed(session.install_missing)
    there = [re.match("[a-z]+", str(word))[0] for word in asked[7:]]
    assert set(names) - {"torch", "jupyterlab"} <= set(there)


# ---------------------------------------------------------------- training


@covers(training.batches)
@given(st.integers(1, 20), st.integers(1, 20), SEEDS, st.integers(0, 30))
def test_batches_of_an_epoch_and_where_they_go_on(n, size, seed, seen):
    x = torch.arange(n)
    if size > n:
        return refused(next, training.batches(x, batch_size=size))
    torch.manual_seed(seed)
    place = {}
    drawn = training.batches(x, -x, batch_size=size, place=place)
    for _ in range(seen):
        next(drawn)
    state, kept = torch.get_rng_state(), dict(place)
    following = [next(drawn) for _ in range(2 * (n // size))]
    assert all(torch.equal(a, -b) and len(a) == size for a, b in following)
    torch.set_rng_state(state)
    again = training.batches(x, -x, batch_size=size, place=kept)
    for (a, _), (b, _) in zip(following, again, strict=False):
        assert torch.equal(a, b)
    torch.manual_seed(seed)
    epoch = torch.cat([a for a, _ in itertools.islice(training.batches(x, x, batch_size=size),
                                                      n // size)])  # fmt: skip
    assert len(epoch.unique()) == n // size * size


@covers(training.fit)
@few
@given(st.integers(1, 12), st.integers(1, 5), st.booleans(), st.booleans(), SEEDS)
def test_any_training_ends_with_its_history(steps, every, average, best, seed):
    torch.manual_seed(seed)
    model, x = torch.nn.Linear(2, 1), torch.randn(6, 2)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        history = training.fit(
            model, lambda m, b: m(b).square().mean(), [x], steps=steps, batch_size=3,
            average=0.9 if average else None, evaluate=lambda m: m(x).square().mean(),
            evaluate_every=every, keep_best=best,
        )  # fmt: skip
    wanted = sorted({*range(every, steps + 1, every), steps})
    assert len(history.losses) == steps and [s for s, _ in history.evaluations] == wanted
    score = model(x).square().mean().item()
    target = min(v for _, v in history.evaluations) if best else history.evaluations[-1][1]
    assert math.isclose(score, target, rel_tol=1e-5, abs_tol=1e-9) and not model.training


# ---------------------------------------------------------------- what is drawn and displayed


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)


@covers(plots.show)
@few
@given(st.one_of(TEXTS, st.none(), st.lists(WORDS, min_size=4, max_size=6).map(" ".join)))
def test_a_figure_is_shown_with_a_sentence_only(shown, caption):
    plt.close("all")
    plt.figure()
    shown.clear()
    if isinstance(caption, str) and len(caption.split()) >= 4:
        plots.show(caption)
        assert shown[-1][0].data == f"*{caption}*" and not plt.get_fignums()
    else:
        refused(plots.show, caption)
        assert not shown


@covers(plots.image_grid)
@few
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(-1, 4))
def test_a_grid_is_drawn_or_refused(shape, columns):
    images = torch.arange(float(math.prod(shape))).view(shape)
    good = columns > 0 and images.numel() and (len(shape) == 3 or (len(shape) == 4
                                                                   and shape[1] == 3))  # fmt: skip
    if good:
        assert plots.image_grid(images, columns=columns).images
    else:
        refused(plots.image_grid, images, columns=columns)
    plt.close("all")


@covers(plots.curves)
@few
@given(st.integers(1, 5), st.integers(0, 3), st.integers(-1, 1), FLOATS)
def test_curves_are_drawn_or_refused(n, repeated, odd, value):
    values = np.full((repeated, n + odd) if repeated else n + odd, value)
    line = {"it": (range(n), values)}
    if odd:
        refused(plots.curves, line, x="x", y="y")
    else:
        ax = plots.curves(line, x="x", y="y")
        assert len(ax.lines) == 1 and len(ax.collections) == bool(repeated)
    plt.close("all")


@covers(plots.token_boxes)
@few
@given(st.lists(st.lists(WORDS, max_size=4), min_size=1, max_size=3), st.integers(0, 40))
def test_every_token_gets_a_box(rows, columns):
    colors = [["red"] * len(row) for row in rows]
    if columns < 1:
        return refused(plots.token_boxes, rows, colors, columns=columns)
    ax = plots.token_boxes(rows, colors, columns=columns)
    assert [text.get_text() for text in ax.texts[:-1]] == [token for row in rows for token in row]
    refused(plots.token_boxes, rows, [*colors, ["red"]])
    plt.close("all")


@covers(widgets.progress_bar)
@given(st.lists(st.integers(), max_size=9), WORDS)
def test_progress_passes_everything_on(items, label):
    with contextlib.redirect_stderr(io.StringIO()):
        assert list(widgets.progress_bar(iter(items), label, total=len(items))) == items


@covers(widgets.sliders)
@few
@given(FLOATS, FLOATS, FLOATS)
def test_a_slider_needs_a_range_with_its_start(shown, low, high, start):
    draw = lambda a: np.zeros((2, 2))  # noqa: E731
    if low < high and low <= start <= high:
        widgets.sliders(draw, {"a": (low, high, start)}, caption="Move it.")
        assert shown
    else:
        refused(widgets.sliders, draw, {"a": (low, high, start)}, caption="Move it.")


@covers(widgets.animation, widgets.frame)
@few
@given(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9), SEEDS)
def test_frames_play_from_two_on(shown, n, height, width, seed):
    draw = np.random.default_rng(seed).integers
    frames = [draw(0, 256, (height, width, 3)).astype(np.uint8) for _ in range(n)]
    if n < 2:
        refused(widgets.animation, frames, caption="Some colors come and go.")
    else:
        widgets.animation(frames, caption="Some colors come and go.")
        assert shown[-2][0].data.startswith(b"\x89PNG")
    plt.figure(figsize=(1, 1))
    assert widgets.frame().shape[2] == 3 and not plt.get_fignums()


# ---------------------------------------------------------------- the quiz


@covers(quiz.load, quiz.mark, quiz.ask)
@given(st.dictionaries(st.integers(1, 40), st.sampled_from("ABCD")), st.integers(-2, 5))
def test_any_answers_are_marked(shown, answers, day):
    questions = quiz.load()
    said = printed(quiz.mark, questions, answers)
    right = sum(questions[n - 1]["answer"] == letter for n, letter in answers.items())
    assert sum(map(int, re.findall(r"^Day \d: (\d+) of", said, re.MULTILINE))) == right
    assert said.count("✗") == len(answers) - right
    assert len(quiz.load(day)) in ((0,) if day not in (1, 2, 3) else range(1, 40))
    refused(quiz.mark, questions, {**answers, 41: "A"})
    refused(quiz.mark, questions, {**answers, 1: "E"})
    assert quiz.ask(questions[:2]) == {}


@covers(quiz.before, quiz.advise)
@given(st.dictionaries(st.integers(1, 12), st.sampled_from("ABCD")), st.integers(1, 3))
def test_any_answers_before_a_day_lead_to_lessons(answers, day):
    questions = quiz.before(day)
    said = printed(quiz.advise, questions, answers)
    right = sum(questions[n - 1]["answer"] == letter for n, letter in answers.items())
    assert said.startswith(f"{right} of 12 right, {12 - len(answers)} open\n")
    assert said.count("✗") == len(answers) - right
    refused(quiz.advise, questions, {**answers, 13: "A"})
    refused(quiz.before, day + 3)


NAMES = st.tuples(st.sampled_from(sorted(record.LESSONS)), st.text("abc_", min_size=1, max_size=9))


@covers(record.folder, record.keep, record.load, record.summary, record.forget)
@given(st.dictionaries(NAMES.map(".".join), st.sampled_from([record.RIGHT, record.WRONG])))
def test_any_record_is_kept_summed_up_and_forgotten(states):
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENAI_PROGRESS", place)
        assert record.folder() == Path(place)
        assert all(record.keep(name, state) for name, state in states.items())
        assert record.load() == states
        lines = record.summary(states, set(), [*states, "vae.open"])
        right = sum(state == record.RIGHT for state in states.values())
        assert lines[0] == (
            f"All sessions: {right} of {len(states) + 1} exercises solved, {len(states) - right} "
            "tried and not right, 1 not attempted."
        )
        assert record.forget() and record.load() == {}


# ---------------------------------------------------------------- the local hub


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with hub.start(tmp_path_factory.mktemp("outer") / "hub") as made:
        place = made.place("you/model")
        place.mkdir(parents=True)
        (place / "a.txt").write_bytes(b"a")
        yield made


@covers(hub.start)
@given(st.one_of(TEXTS, st.from_regex(r"\A[\w.-]*/[\w./-]*\Z", fullmatch=True)))
def test_a_repository_lies_in_its_hub(running, name):
    try:
        place = running.place(name)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert place.resolve().parents[2] == running.folder.resolve()


PARTS = [
    "", "..", "api", "models", "datasets", "you", "model", "resolve", "main", "a.txt", "commit",
    "tree", "revision", "refs", "preupload", "repos", "create", "%2e%2e", "%00", "paths-info",
]  # fmt: skip
BODIES = [b"", b"{}", b"[]", b"null", b'{"key": "file", "value": {"path": "../x", "content": ""}}',
          b'{"files": [1]}', b'{"paths": [1]}', b'{"name": "../..", "type": "model"}', b"\xff",
          b'{"key": "file", "value": {"path": "\\u0000", "content": ""}}']  # fmt: skip


@given(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    st.lists(st.one_of(st.sampled_from(PARTS), st.text("abc%./\\", max_size=4)), max_size=7),
    st.sampled_from(BODIES),
)  # fmt: skip
def test_any_request_is_answered(running, method, parts, body):
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=10)
    connection.request(method, "/" + "/".join(parts), body)
    status = connection.getresponse().status
    connection.close()
    assert 200 <= status < 500
    outside = {path.name for path in running.folder.parent.iterdir()}
    assert outside == {"hub"}


# ---------------------------------------------------------------- exercises

VALUES = [
    "x", "1", "2.5", "-x", "x.sum()", "None", "...", "x[0]", "[x, x]", "'text'", "x > 0",
    "torch.ones(3)", "x.T", "undefined", "x.numpy()", "float('nan')", "print", "{}",
]  # fmt: skip
SIGNS = [" + ", " * ", " @ ", " and ", " if x.ndim else ", ", ", " / ", " == "]
BODIES_OF_ANSWERS = st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).flatmap(
    lambda values: st.lists(
        st.sampled_from(SIGNS), min_size=len(values) - 1, max_size=len(values) - 1
    ).map(lambda signs: "".join(itertools.chain(*zip(values, [*signs, ""], strict=True))))
)


def total(x):
    """The sum of each row.  (N, D) -> (N,)"""
    return x.sum(dim=1)


@covers(engine.define, engine.exercise)
@given(BODIES_OF_ANSWERS, st.sampled_from(["return", "yield", "raise", "x +=", "for y in"]))
def test_any_answer_is_judged(body, begin):
    engine._load()
    registry = dict(engine._registry)
    engine.define(
        "test.total", total, minutes=1, level="easy", hints=["Sum."], gradients=True,
        cases=lambda: [(torch.arange(6.0).view(2, 3),)],
    )  # fmt: skip
    line = f"{begin} {body}" + (": pass" if begin == "for y in" else "")
    names = {"torch": torch, "exercise": engine.exercise}
    try:
        try:
            code = compile(f"@exercise('test.total')\ndef total(x):\n    {line}", "<cell>", "exec")
        except SyntaxError:
            return
        said = printed(exec, code, names)
        assert said[0] in "✓✗○" and names["total"] is total and len(said) < 1500
        assert "Traceback" not in said
    finally:
        engine._registry.clear()
        engine._registry.update(registry)


@covers(engine.hint, engine.solution, engine.progress)
@given(st.one_of(TEXTS, st.none(), st.integers(), st.lists(TEXTS, max_size=2)))
def test_an_exercise_that_is_not_there_is_told(name):
    for function in (engine.hint, engine.solution):
        assert printed(function, name).startswith("✗ there is no exercise ")
    answer = lambda x: x  # noqa: E731
    with contextlib.redirect_stdout(io.StringIO()):
        assert engine.exercise(name)(answer) is answer
    assert printed(engine.progress)


@covers(engine.code_of)
@few
@given(st.sampled_from(["vae.kl", "start.brightness", "tools.flat_value"]))
def test_code_of_an_exercise_is_a_function(name):
    assert isinstance(ast.parse(engine.code_of(name)).body[0], ast.FunctionDef)


@covers(engine.gradients, engine.different_kind)
@given(st.lists(st.integers(0, 3), max_size=3), st.lists(st.integers(0, 3), max_size=3), JUNK)
def test_gradients_and_kinds(first, second, junk):
    a, b = torch.ones(first, requires_grad=True), torch.ones(second, requires_grad=True)
    of_a, of_b = engine.gradients({"it": [3 * a, junk]}, [a, b])
    assert torch.equal(of_a, torch.full_like(a, 3.0)) and of_b is None
    assert (engine.different_kind(a, b) is None) == (first == second)
    assert engine.different_kind(a, junk).count("\n") == 1
    assert engine.different_kind(np.ones(first), a).count("\n") == 1


# ---------------------------------------------------------------- the tool of lesson 3.08


@pytest.fixture(scope="module")
def tool():
    """`calculate` and `answer_call` as they stand in the lesson, on the reference's answer."""
    from itertools import pairwise
    from math import inf

    path = next(ROOT.glob("notebooks/day3*/08_*.ipynb"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {"re": re, "pairwise": pairwise, "inf": inf}
    engine.code_of("tools.flat_value")
    names["flat_value"] = engine._registry["tools.flat_value"].reference
    for begin in ("LONGEST, DEEPEST", "def group(", "def calculate(", "TOOLS = "):
        [source] = [source for source in sources if source.startswith(begin)]
        exec(source, names)
    return names


@given(st.one_of(
    TEXTS, st.text("0123456789.+-*/() ", max_size=70), st.none(), st.integers(), st.binary(),
    st.text("0123456789.+-*/() ", max_size=30).map("calculate {}".format),
    st.text(max_size=20).map("calculate {}".format),
))  # fmt: skip
def test_any_call_of_a_tool_gets_a_text(tool, call):
    said = tool["answer_call"](call)
    assert isinstance(said, str) and "\n" not in said and len(said) < 60
    assert said.startswith("error : ") or math.isfinite(float(said))


EXPRESSIONS = st.recursive(
    st.integers(0, 999).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map("".join).map("({})".format),
    max_leaves=6,
)  # fmt: skip


@given(EXPRESSIONS)
def test_the_tool_computes_as_python_does(tool, text):
    said = tool["calculate"](text)
    try:
        wanted = eval(text)  # digits, signs and parentheses made above
    except ZeroDivisionError:
        assert said.startswith("error : ")
        return
    if said.startswith("error : "):
        assert len(text) > tool["LONGEST"] or not abs(wanted) < tool["LARGEST"]
    else:
        assert math.isclose(float(said), wanted, rel_tol=1e-6, abs_tol=1e-9)


# ---------------------------------------------------------------- none is left out


def test_every_public_function_of_helpers_has_a_property():
    public = set()
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        if not re.search(r"exercises\.day\d", module.name):  # references; see test_exercises.py
            found = importlib.import_module(module.name)
            public |= {
                function for name, function in vars(found).items()
                if inspect.isfunction(inspect.unwrap(function)) and not name.startswith("_")
                and function.__module__ == module.name
            }  # fmt: skip
    left_out = {f"{function.__module__}.{function.__name__}" for function in public - TESTED}
    assert left_out == set()
