"""The tiny stories: exact probabilities, a consistent world, true labels and answers, English."""

import collections
import itertools
import math
import random
import re
import time

import pytest

from helpers.data import stories


@pytest.fixture(scope="module")
def told():
    return stories.make(1500, seed=11)


# ---------------------------------------------------------------- probabilities


def test_stories_depend_on_the_seed_and_on_nothing_else(told):
    random.seed(5)
    state = random.getstate()
    assert stories.make(60, seed=11) == told[:60]
    assert random.getstate() == state
    assert not {s.text for s in stories.make(60, seed=12)} & {s.text for s in told}
    assert stories.make(1, seed=0)[0].text == (  # on every platform
        "One sunny day Mia was in the library. Zoe was at the castle. A big green robot lay in "
        "the garden. Zoe had an old yellow doll. She wanted Mia to have it. Zoe walked to the "
        "kitchen, but Mia was not there. Zoe gave up. So she cried."
    )


def test_scoring_a_story_gives_the_log_probability_with_which_it_was_drawn(told):
    for story in told[:300]:
        assert stories.read(story.text) == story
        assert stories.log_prob(story.text) == story.log_prob < 0
        parts = stories.token_log_probs(story.text)
        assert len(parts) == len(stories.tokenize(story.text))
        assert sum(parts) == pytest.approx(story.log_prob) and max(parts) < 1e-9
        assert stories.next_tokens(story.text) == {"<end>": 1.0}
        assert stories.token_log_probs(f"{story.text} <end>") == [*parts, -math.inf]


def test_token_log_probs_are_those_of_next_tokens(told):
    for story in told[:8]:
        tokens = stories.tokenize(story.text)
        for i, log_prob in enumerate(stories.token_log_probs(story.text)):
            expected = stories.next_tokens(stories.detokenize(tokens[:i]))
            assert sum(expected.values()) == pytest.approx(1)
            assert math.log(expected[tokens[i]]) == pytest.approx(log_prob, abs=1e-9)


def test_no_option_of_a_choice_begins_another(monkeypatch):
    """So a text determines the choices, and no two ways of telling give the same text."""
    choose = stories._Teller.choose

    def checked(self, *groups):
        options = sorted(
            text.split() for weight, texts in groups if weight for text in texts.values()
        )
        assert options and all(options)
        for one, other in itertools.pairwise(
            options
        ):  # in this order a beginning comes just before
            assert other[: len(one)] != one
        return choose(self, *groups)

    monkeypatch.setattr(stories._Teller, "choose", checked)
    stories.make(300, seed=4)


@pytest.fixture
def tiny(monkeypatch):
    """A world so small that all of its stories can be told."""
    world = {
        "NAMES": {"Mia": "she", "Tom": "he"}, "PLACES": {"lake": "at", "hill": "on"},
        "TOYS": ("kite",), "LOOKS": ("old",), "COLORS": ("red",), "ANIMALS": ("owl",),
        "WEATHER": ("cold",), "TIMES": ("day",), "WALKS": ("ran",), "MAX_TRIES": 1, "MAX_TURNS": 1,
        "FEELINGS": {"happy": ("glad",), "sad": ("sad",)}, "ENDINGS": {"happy": (), "sad": ()},
        "SCENE": ({"have": 1}, {}, {"want": 1}, {}),
    }  # fmt: skip
    for name, value in world.items():
        monkeypatch.setattr(stories, name, value)


def every_telling():
    """Text and probability of every sequence of choices, by counting through the options."""
    script = []
    while True:
        teller, path, probability = stories._Teller([]), [], 1.0

        def choose(*groups, teller=teller, path=path, script=script):
            nonlocal probability
            options = [(value, text, weight / len(texts)) for weight, texts in groups if weight
                       for value, text in texts.items()]  # fmt: skip
            number = script[len(path)] if len(path) < len(script) else 0
            path.append((number, len(options)))
            value, text, weight = options[number]
            probability *= weight / sum(option[2] for option in options)
            teller.tokens += text.split()
            teller.log_probs += [0.0] * len(text.split())
            return value

        teller.choose = choose
        yield stories._tell(teller).text, probability
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        script = [number for number, _ in path[:-1]] + [path[-1][0] + 1]


def test_all_stories_of_a_tiny_world(tiny):
    tellings = list(every_telling())
    probabilities = dict(tellings)
    assert len(probabilities) == len(tellings) > 5000  # no two tellings give the same text
    assert math.fsum(probabilities.values()) == pytest.approx(1)
    for text, probability in probabilities.items():
        assert stories.log_prob(text) == pytest.approx(math.log(probability), abs=1e-9)
    n = 6000
    drawn = collections.Counter(story.text for story in stories.make(n, seed=1))
    assert drawn.keys() <= probabilities.keys()
    often = [text for text, p in probabilities.items() if n * p > 6]
    chi_square = sum((drawn[t] - n * probabilities[t]) ** 2 / (n * probabilities[t]) for t in often)
    assert len(often) > 200 and abs(chi_square - len(often)) < 4 * math.sqrt(2 * len(often))


def test_a_changed_story_is_less_probable_or_refused(told):
    generator, refused = random.Random(3), 0
    for story in told[:200]:
        tokens = stories.tokenize(story.text)
        tokens[generator.randrange(len(tokens))] = generator.choice(stories.VOCABULARY)
        changed = stories.detokenize(tokens)
        log_prob = stories.log_prob(changed)
        refused += log_prob == -math.inf
        parts = stories.token_log_probs(changed)
        assert log_prob == -math.inf or sum(parts) == pytest.approx(log_prob)
        assert (parts[-1] == -math.inf) == (log_prob == -math.inf)
    assert refused > 150
    swapped = [*told[0].sentences[:-3], *reversed(told[0].sentences[-3:])]
    assert stories.log_prob(" ".join(swapped)) == -math.inf
    assert stories.log_prob(f"{told[0].text} {told[1].text}") == -math.inf
    beginning = " ".join(told[0].sentences[:4])
    assert (
        stories.log_prob(beginning) == -math.inf and min(stories.token_log_probs(beginning)) > -99
    )


# ---------------------------------------------------------------- an independent reader

WHO, IT, AT = "([A-Z][a-z]+)", r"(it|the \w+)", r"((?:in|at|on) the \w+)"
RULES = {
    "enter": rf"(?:One \w+ \w+ )?{WHO} was (there|{AT})( too)?",
    "lie": rf"()An? \w+ (\w+) (\w+) lay {AT}",
    "have": rf"{WHO} had an? \w+ (\w+) (\w+)",
    "want": rf"{WHO} wanted (?:to have|to play with|to see) {IT}",
    "miss": rf"{WHO} wanted to (?:see|play with) ([A-Z]\w+)",
    "offer": rf"{WHO} wanted (?:to give {IT} to ([A-Z]\w+)|([A-Z]\w+) to have {IT})",
    "go": rf"{WHO} \w+ to the (\w+)(?:, but (.+) was (not) there| and (found|took) (.+))?",
    "take": rf"{WHO} took {IT}", "drop": rf"{WHO} dropped {IT}",
    "give": rf"{WHO} gave {IT} to (\w+)", "see": rf"{WHO} saw an? \w+ (\w+)",
    "ask": rf"{WHO} asked (\w+) (?:for {IT}|to play)", "feel": rf"{WHO} was (\w+) because (.+)",
    "play": rf"{WHO} played with (\w+)", "like": rf"{WHO} (?:loved|liked) it",
    "refuse": rf"{WHO} (?:kept it|had no time|was too tired|did not (?:like|want) it)",
    "despair": rf"{WHO} gave up", "end": r"So (\w+) (?:was )?(\w+)",
}  # fmt: skip
HAPPY = {"cheerful", "glad", "happy", "danced", "laughed", "sang", "smiled"}


def replay(story):
    """Read a story by other rules than those that told it; refuse what is untrue or bad English.

    Yields after each sentence: where everything is, who has what, what color it is, and the plot.
    """
    place, holder, color, plot = {}, {}, {}, {}
    subject = toy = last_place = None
    people = set()

    def where(what):
        return place[holder.get(what) or what]

    def thing(text):
        assert toy is not None or text != "it"
        return toy if text == "it" else text.removeprefix("the ")

    for sentence in story.sentences:
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", sentence, re.IGNORECASE)
        kind, parts = next((k, m.groups()) for k, r in RULES.items()
                           if (m := re.fullmatch(rf"{r}\.", sentence)))  # fmt: skip
        who, *rest = parts
        rivals = [p for p in people if stories.NAMES.get(p) == stories.NAMES.get(subject)]
        clear = rivals == [subject]  # a pronoun may stand for the subject of the last sentence
        if who in ("She", "He", "she", "he"):
            assert clear and stories.NAMES[subject] == who.lower()
            who = subject
        else:
            assert kind == "enter" or not who or not (clear and who == subject)
        if kind == "enter":
            there = last_place if rest[0] == "there" else rest[0]
            assert who not in place and (rest[2] is not None) == (there in place.values())
            assert (rest[0] == "there") == (there == place.get(subject))
            place[who] = there
        elif kind in ("lie", "have"):
            assert rest[1] not in holder and not (kind == "lie" and rest[2] in place.values())
            color[rest[1]], holder[rest[1]] = rest[0], who or None
            if kind == "lie":
                place[rest[1]] = rest[2]
        elif kind == "want":
            wanted = thing(rest[0])
            assert holder[wanted] != who
            plot |= {"topic": "request" if holder[wanted] else "search", "toy": wanted}
        elif kind == "miss":
            assert place[who] != place[rest[0]]
            plot |= {"topic": "visit", "friend": rest[0]}
        elif kind == "offer":
            plot |= {
                "topic": "gift",
                "toy": thing(rest[0] or rest[3]),
                "friend": rest[1] or rest[2],
            }
            assert holder[plot["toy"]] == who
        elif kind == "go":
            assert rest[0] not in place[who]
            place[who] = f"{stories.PLACES[rest[0]]} the {rest[0]}"
            target, _, owner = (rest[1] or rest[4] or "").rpartition(" with ")[::-1]
            target = target.removeprefix("the ")
            if target:
                assert target == plot.get("friend", plot.get("toy"))
                assert (rest[2] == "not") == (where(target) != place[who])
                assert (holder.get(target) or "") == owner or rest[2] == "not"
            if rest[3] == "took":
                kind, rest = "take", [rest[4]]
        if kind == "take":
            got = thing(rest[0])
            assert holder[got] is None and place.pop(got) == place[who]
            holder[got] = who
        elif kind == "drop":
            assert holder[thing(rest[0])] == who
            holder[thing(rest[0])], place[thing(rest[0])] = None, place[who]
        elif kind == "give":
            assert holder[thing(rest[0])] == who and place[rest[1]] == place[who]
            holder[thing(rest[0])] = rest[1]
        elif kind in ("ask", "play"):
            assert place[who] == place[rest[0]]
            assert kind == "play" or rest[1] is None or holder[thing(rest[1])] == rest[0]
        elif kind == "feel":
            reason, company = rest[1], [p for p in place if p != who and place[p] == place[who]]
            pronoun, _, had = reason.partition(" had ")
            lacks = re.fullmatch(rf"{stories.NAMES[who]} did not have {IT}", reason)
            friend = reason.split()[0]
            assert (
                (had and pronoun == stories.NAMES[who] and holder[thing(had)] == who)
                or (reason.endswith("alone") and not set(company) & set(stories.NAMES))
                or (lacks and holder[thing(lacks[1])] != who)
                or (reason == f"{friend} was there" and friend in company)
                or (reason == f"{friend} was not there" and place[friend] != place[who])
            )
            assert (rest[0] in HAPPY) == bool(had or reason == f"{friend} was there")
        elif kind == "end":
            assert who == plot["hero"]
            plot["mood"] = "happy" if rest[0] in HAPPY else "sad"
        if kind in ("want", "miss", "offer"):
            plot["hero"] = who
        if kind in ("take", "give", "play", "refuse", "despair"):
            plot |= {"last": kind, "by": who}
        words = re.findall(r"\w+", sentence)
        people, subject = {who, *stories.NAMES.keys() & words} - {"", None}, who or None
        toy = next((w for w in words if w in stories.TOYS), toy if "it" in words else None)
        places = re.findall(AT, sentence)
        last_place = places[-1] if places else last_place if "there" in words else None
        at = {what: where(what) for what in [*place, *holder]}
        yield at, dict(holder), dict(color), plot


def test_the_world_is_consistent_and_the_facts_are_true(told):
    for story in told:
        states = list(replay(story))
        assert len(states) == len(story.facts) == len(story.sentences)
        assert " ".join(story.sentences) == story.text
        for (at, holder, color, _), facts in zip(states, story.facts, strict=True):
            assert facts.holder == holder and facts.color == color
            assert {w: f"{stories.PLACES[p]} the {p}" for w, p in facts.place.items()} == at


def test_labels_and_headlines_are_true(told):
    for story in told:
        *_, (at, holder, color, plot) = replay(story)
        hero, toy, friend = plot["hero"], plot.get("toy"), plot.get("friend")
        full = toy and f"the {color[toy]} {toy}"
        assert (story.topic, story.mood) == (plot["topic"], plot["mood"])
        headlines = {
            ("take", "happy"): f"{hero} finds {full}",
            ("play", "happy"): f"{hero} plays with {friend} {at[hero]}",
            ("give", "happy"): f"{plot['by']} gives {full} to {holder.get(toy)}",
            ("despair", "sad"): f"{hero} cannot find {friend or full}",
        }
        refusals = {"request": f"{plot['by']} keeps {full}", "search": f"{plot['by']} keeps {full}",
                    "gift": f"{friend} does not want {full}",
                    "visit": f"{friend} does not play with {hero}"}  # fmt: skip
        expected = headlines.get((plot["last"], plot["mood"]), refusals[plot["topic"]])
        assert story.headline == expected and 4 <= len(story.headline.split()) <= 8


def test_moods_and_topics_are_about_even(told):
    topics = collections.Counter(story.topic for story in told)
    moods = collections.Counter((story.topic, story.mood) for story in told)
    assert set(topics) == set(stories.TOPICS) and {mood for _, mood in moods} == set(stories.MOODS)
    for topic, count in topics.items():
        assert 0.19 < count / len(told) < 0.32
        assert 0.36 < moods[topic, "happy"] / count < 0.64
    assert 0.45 < sum(story.mood == "happy" for story in told) / len(told) < 0.55


def test_questions_have_true_answers_that_cannot_be_guessed(told):
    asked, guessed, answers = collections.Counter(), collections.Counter(), {}
    for number, story in enumerate(told):
        states = list(replay(story))
        assert stories.questions(story) == stories.questions(story, after=len(states))
        after = 1 + number % len(states)
        at, holder, color, _ = states[after - 1]
        last_place = re.findall(r"(?:to the|the) (\w+)", " ".join(story.sentences[:after]))
        last_place = [word for word in last_place if word in stories.PLACES][-1]
        pairs = stories.questions(story, after=after)
        assert len(dict(pairs)) == len(pairs) == len(at) + 2 * len(holder)
        for question, answer in pairs:
            kind, what = question.split()[0], re.findall(r"\w+", question)[-1]
            known = {"Where": at, "Who": holder, "What": color}[kind]
            assert answer == (known[what] or "nobody")
            asked[kind] += 1
            guessed[kind] += answer.endswith(last_place)
            answers.setdefault(kind, collections.Counter())[answer] += 1
    assert guessed["Where"] / asked["Where"] < 0.52
    for kind, most in (("Where", 0.16), ("Who", 0.5), ("What", 0.18)):
        assert answers[kind].most_common(1)[0][1] / asked[kind] < most


# ---------------------------------------------------------------- tokens, floor, errors


def test_the_vocabulary_is_closed_and_the_round_trip_exact(told):
    used = set(stories.SPECIALS)
    for story in told:
        texts = [story.text, story.headline]
        texts += [text for pair in stories.questions(story) for text in pair]
        texts.append(f"<story> {story.text} <headline> {story.headline} <end> <pad>")
        for text in texts:
            tokens = stories.tokenize(text)
            assert stories.detokenize(tokens) == text
            assert stories.tokenize(stories.detokenize(tokens)) == tokens
            used |= set(tokens)
    assert used == set(stories.VOCABULARY)
    assert len(stories.VOCABULARY) == len(used) and stories.VOCABULARY[0] == "<pad>"


def test_places_and_things_are_named_as_in_the_stories():
    assert stories.at("hill") == "on the hill" and stories.at("forest") == "in the forest"
    assert [stories.with_article(w) for w in ("orange", "red")] == ["an orange", "a red"]


def test_the_floor_is_the_mean_of_bits_over_that_of_tokens(told):
    mean, error = stories.floor(told)
    bits = [-story.log_prob / math.log(2) for story in told]
    tokens = [len(stories.tokenize(story.text)) for story in told]
    assert mean == pytest.approx(sum(bits) / sum(tokens))
    assert 0.86 < mean < 0.90 and 0.001 < error < 0.004
    half, other = (stories.floor(told[i::2])[0] for i in (0, 1))
    assert abs(half - other) < 4 * 2 * error
    assert 65 < sum(tokens) / len(told) < 82 and max(tokens) < 160


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda s: stories.make(0), "n must be an integer of 1 or more, not 0"),
        (lambda s: stories.make(True), "n must be an integer of 1 or more, not True"),
        (lambda s: stories.make(2, seed=-1),
         "seed must be an integer from 0 to 4294967295, not -1"),
        (lambda s: stories.questions(s, after=0), "after must be an integer from 1 to 8, not 0"),
        (lambda s: stories.questions(s, after=9), "after must be an integer from 1 to 8, not 9"),
        (lambda s: stories.questions(s, after=2.), "after must be an integer from 1 to 8, not 2.0"),
        (lambda s: stories.floor([s]), "floor needs at least 2 stories, not 1"),
        (lambda s: stories.tokenize("Mia was green-eyed."),
         "'-' is not in the vocabulary of the stories"),
        (lambda s: stories.detokenize(["Mia", "slept"]),
         "'slept' is not in the vocabulary of the stories"),
        (lambda s: stories.detokenize([["Mia"]]),
         "['Mia'] is not in the vocabulary of the stories"),
        (lambda s: stories.tokenize(5), "a text is expected, not 5"),
        (lambda s: stories.log_prob(None), "a text is expected, not None"),
        (lambda s: stories.token_log_probs(b"One"), "a text is expected, not b'One'"),
        (lambda s: stories.read(""),
         "the story ends too early: sentence 1 is missing or cut off"),
        (lambda s: stories.read(s.text[:-1]),
         "the story ends too early: sentence 8 is missing or cut off"),
        (lambda s: stories.read(f"{s.text} {s.text}"), "the story is over before sentence 9"),
        (lambda s: stories.next_tokens(f"{s.text} <end>"), "the story is over before sentence 9"),
        (lambda s: stories.next_tokens(f"{s.sentences[0]} Nobody came. It"),
         "sentence 2 cannot be told there: 'Nobody came.' goes wrong at 'Nobody'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(told, use, sentence):
    story = next(story for story in told if len(story.sentences) == 8)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        use(story)


def test_stories_are_told_quickly():
    stories.make(100)
    began = time.process_time()
    stories.make(1000)
    assert time.process_time() - began < 2  # seconds; a fifth of that is usual
