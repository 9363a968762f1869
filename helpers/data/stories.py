"""Tiny stories in a consistent world, any number of them, each with its exact probability.

A story is told by a small random program, `_tell`: two or three characters at places, one or two
toys that lie somewhere or are carried along, a wish, an attempt, an outcome. Each random choice
is one call of `choose`, and no option's text begins another's, so that a text leaves no doubt how
it was made. The program that draws a story therefore also scores any text, exactly (as in a prefix
code), and knows the state of the world after each sentence, from which labels and answers follow.
"""

import functools
import math
import random
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

NAMES = {  # name -> pronoun
    "Emma": "she", "Lily": "she", "Mia": "she", "Zoe": "she",
    "Ben": "he", "Leo": "he", "Sam": "he", "Tom": "he",
}  # fmt: skip
PLACES = {  # place -> preposition
    "forest": "in", "garden": "in", "kitchen": "in", "library": "in",
    "castle": "at", "lake": "at", "beach": "on", "hill": "on",
}  # fmt: skip
TOYS = ("ball", "boat", "doll", "drum", "kite", "puppet", "robot", "train")
LOOKS = ("big", "funny", "little", "new", "old", "ugly")
COLORS = ("blue", "green", "orange", "red", "white", "yellow")
MOODS = ("sad", "happy")
TOPICS = ("search", "request", "gift", "visit")
SPECIALS = ("<pad>", "<story>", "<question>", "<answer>", "<headline>", "<correct>", "<end>")

ANIMALS = ("bird", "cat", "dog", "fox", "frog", "owl")
WEATHER = ("cold", "foggy", "rainy", "snowy", "sunny", "windy")
TIMES = ("afternoon", "day", "evening", "morning")
FEELINGS = {"happy": ("cheerful", "glad", "happy"), "sad": ("sad", "unhappy", "upset")}
ENDINGS = {
    "happy": ("danced", "laughed", "sang", "smiled"),
    "sad": ("cried", "frowned", "sighed", "wept"),
}
WALKS = ("hurried", "ran", "walked", "went")

_WORDS = """
. , ? One was lay there too So she She he He A An a an the had wanted to have play with give see
and found but it not took dropped saw up gave because alone did asked for kept loved liked like
want played no time tired Where Who What is has color nobody finds gives keeps plays cannot find
does
"""
VOCABULARY = SPECIALS + tuple(sorted({
    *_WORDS.split(), *NAMES, *PLACES, *PLACES.values(), *TOYS, *LOOKS, *COLORS, *ANIMALS,
    *WEATHER, *TIMES, *WALKS, *sum([*FEELINGS.values(), *ENDINGS.values()], ()),
}))  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """The world after one sentence, as far as it has been told.

    place   character or toy -> the place where it is; a toy is where its holder is
    holder  toy -> the character that has it, None where it lies
    color   toy -> its color
    """

    place: dict[str, str]
    holder: dict[str, str | None]
    color: dict[str, str]


@dataclass(frozen=True)
class Story:
    """A story and what is true of it.

    text       the story, sentences joined by spaces
    sentences  the same, one by one
    log_prob   exact log-probability of the text under the process, nats
    mood       "happy" or "sad": whether the wish came true and how the story ends
    topic      "search": the hero wants a toy that lies somewhere; "request": one that somebody
               has; "gift": wants somebody to have a toy; "visit": wants to be with somebody
    headline   a true summary of 4 to 8 words
    facts      the world after each sentence
    """

    text: str
    sentences: tuple[str, ...]
    log_prob: float
    mood: str
    topic: str
    headline: str
    facts: tuple[Facts, ...]


def make(n: int, *, seed: int = 0) -> list[Story]:
    """n random stories. The first m of them are those of `make(m, seed=seed)`.

    The same arguments always give the same stories; the global random state is neither read nor
    changed. Errors: ValueError for n below 1 or a seed that is no integer from 0 to 4294967295.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n must be an integer of 1 or more, not {n!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 4294967295, not {seed!r}")
    generator = random.Random(seed)
    return [_tell(_Teller([], generator)) for _ in range(n)]


def read(text: str) -> Story:
    """The story that a text tells, with its labels and facts.

    Errors: ValueError, in one sentence that names the first sentence that cannot be told.
    """
    teller, story, _ = _follow(text)
    if story is None or teller.left:
        raise ValueError(_complaint(teller, story))
    return story


def log_prob(text: str) -> float:
    """Exact log-probability of a text, nats; −inf if it is not a whole story of this world.

    As for all functions here, white space does not count. Errors: ValueError for what is no text.
    """
    teller, story, _ = _follow(text)
    return -math.inf if story is None or teller.left else story.log_prob


def token_log_probs(text: str) -> list[float]:
    """Log-probability of each token given those before it, nats; of a story, or of its beginning.

    The sum over a story is its log_prob. At the first token that cannot stand where it does the
    list ends, with −inf. `<end>` is no part of a text: it has no entry, and cannot stand in one.
    Errors: ValueError for what is no text.
    """
    teller, _, _ = _follow(text)
    return teller.log_probs + [-math.inf] * bool(teller.left)


def next_tokens(text: str) -> dict[str, float]:
    """Exact probability of each token that can follow the beginning of a story; they sum to 1.

    After a whole story it is {"<end>": 1.0}; a text that itself holds `<end>` is refused.
    Errors: ValueError, as for `read`.
    """
    teller, story, expected = _follow(text)
    if teller.left:
        raise ValueError(_complaint(teller, story))
    return expected


def floor(stories: Sequence[Story]) -> tuple[float, float]:
    """Bits per token that no model can beat on average, as measured on stories: mean and its error.

    The cross-entropy of the process with itself, −Σ log2 p / Σ tokens, and its standard error (of a
    ratio of two sums over stories). `<end>`, which is certain, is not counted as a token.
    Errors: ValueError for fewer than two stories.
    """
    if len(stories) < 2:
        raise ValueError(f"floor needs at least 2 stories, not {len(stories)}")
    bits = [-story.log_prob / math.log(2) for story in stories]
    lengths = [len(_split(story.text)) for story in stories]
    mean = sum(bits) / sum(lengths)
    squares = sum((b - mean * m) ** 2 for b, m in zip(bits, lengths, strict=True))
    n = len(stories)
    return mean, math.sqrt(squares * n / (n - 1)) / sum(lengths)


def questions(story: Story, *, after: int | None = None) -> list[tuple[str, str]]:
    """All questions that can be answered after the first `after` sentences (all if None).

    Pairs of question and answer, as in ("Where is the kite?", "in the garden"): where each
    character and toy is, who has each toy (a name or "nobody"), and its color.
    Errors: ValueError for an `after` that is no integer from 1 to the number of sentences.
    """
    last = len(story.sentences)
    after = last if after is None else after
    if not isinstance(after, int) or isinstance(after, bool) or not 1 <= after <= last:
        raise ValueError(f"after must be an integer from 1 to {last}, not {after!r}")
    facts = story.facts[after - 1]
    pairs = []
    for who, place in facts.place.items():
        name = who if who in NAMES else f"the {who}"
        pairs.append((f"Where is {name}?", at(place)))
    for toy, holder in facts.holder.items():
        pairs.append((f"Who has the {toy}?", holder or "nobody"))
        pairs.append((f"What color is the {toy}?", facts.color[toy]))
    return pairs


def tokenize(text: str) -> list[str]:
    """Words, punctuation marks and specials such as "<end>", as written. Inverse: `detokenize`.

    Errors: ValueError that names the first token that is not in VOCABULARY.
    """
    return _checked(_split(text))


def detokenize(tokens: Iterable[str]) -> str:
    """The text of tokens: spaces between them, but none before a punctuation mark.

    Errors: ValueError that names the first token that is not in VOCABULARY.
    """
    return _join(_checked(list(tokens)))


def _split(text: str) -> list[str]:
    if not isinstance(text, str):
        raise ValueError(f"a text is expected, not {text!r}")
    return re.findall(r"<\w+>|\w+|\S", text)


def _join(tokens: list[str]) -> str:
    return re.sub(r" ([.,?])", r"\1", " ".join(tokens))


def _checked(tokens: list[str]) -> list[str]:
    for token in tokens:
        if not isinstance(token, str) or token not in _KNOWN:
            raise ValueError(f"{token!r} is not in the vocabulary of the stories")
    return tokens


_KNOWN = frozenset(VOCABULARY)
_words = functools.cache(str.split)


# ---------------------------------------------------------------- the teller and its world


class _Stop(Exception):
    """The given text ends here or goes wrong; args: the probability of each token expected."""


class _Teller:
    """Draws a text, or follows a given one, and keeps the state of the world."""

    def __init__(self, tokens: list[str], generator: random.Random | None = None):
        self.tokens, self.generator = tokens, generator  # without a generator: follow the tokens
        self.log_probs: list[float] = []  # of the tokens told so far
        self.start = 0  # where this sentence starts
        self.place: dict[str, str] = {}  # of characters, and where toys lie or lay
        self.holder: dict[str, str | None] = {}  # of toys
        self.color: dict[str, str] = {}
        self.did: dict[str, str] = {}  # what a character did last
        self.heard: set[str | None] = set()  # the characters in the last sentence
        self.subject = self.toy = None  # of the last sentence: "she" or "he", and "it", in the next
        self.mood = self.headline = ""  # once the story is decided
        self.facts: list[Facts] = []

    @property
    def left(self) -> list[str]:
        return self.tokens[len(self.log_probs) :]

    def choose(self, *groups: tuple[float, dict[Hashable, str]]) -> Hashable:
        """Choose a value by its text; the options of a group share its weight evenly."""
        options = []  # value, words, weight
        for weight, texts in groups:
            if weight and texts:
                share = weight / len(texts)
                options += [(value, _words(text), share) for value, text in texts.items()]
        total = math.fsum([option[2] for option in options])
        if self.generator is not None:  # draw the text that is then followed like any other
            under = self.generator.random() * total
            for option in options:
                under -= option[2]
                if under < 0:
                    break
            self.tokens.extend(option[1])
        depth = 0
        while depth < len(options[0][1]):  # no text begins another: one option is left at its end
            position = len(self.log_probs)
            token = self.tokens[position] if position < len(self.tokens) else None
            agreeing = [option for option in options if option[1][depth] == token]
            if not agreeing:
                expected: dict[str, float] = {}
                for _, words, weight in options:
                    expected[words[depth]] = expected.get(words[depth], 0.0) + weight / total
                raise _Stop(expected)
            weight = math.fsum([option[2] for option in agreeing])
            self.log_probs.append(math.log(weight / total))
            options, total, depth = agreeing, weight, depth + 1
        return options[0][0]

    def pick(self, texts: Iterable[str]) -> str:
        return self.choose((1, _same(texts)))

    def say(self, text: str) -> None:
        self.pick([text])

    def end(self, subject: str | None = None) -> None:
        """The end of a sentence about a subject."""
        self.say(".")
        sentence = self.tokens[self.start : len(self.log_probs)]
        self.start = len(self.log_probs)
        self.subject, self.heard = subject, {subject, *NAMES.keys() & sentence}
        if "it" not in sentence:
            self.toy = next((word for word in sentence if word in TOYS), None)
        place = self.place | {toy: self.where(toy) for toy in self.holder}
        self.facts.append(Facts(place, dict(self.holder), dict(self.color)))

    def name(self, who: str) -> str:
        """A name, or a pronoun if the last sentence leaves no doubt whom it means."""
        rivals = [other for other in self.heard if NAMES.get(other) == NAMES[who]]
        return NAMES[who].capitalize() if self.subject == who and len(rivals) == 1 else who

    def it(self, toy: str) -> str:
        return "it" if toy == self.toy else f"the {toy}"

    def people(self, place: str | None = None) -> list[str]:
        """The characters: all, or those at a place."""
        return [who for who in self.place if who in NAMES and place in (None, self.place[who])]

    def where(self, what: str) -> str:
        """The place of a character or of a toy, lying or carried."""
        return self.place[self.holder.get(what) or what]

    def hand(self, toy: str, who: str | None) -> None:
        """Somebody gets a toy; or (None) it lies where it is."""
        if who is None:
            self.place[toy] = self.where(toy)
        self.holder[toy] = who


def _follow(text: str) -> tuple[_Teller, Story | None, dict[str, float]]:
    """A teller that has followed a text; its story, if it is one; what may come next."""
    teller = _Teller(_split(text))
    try:
        return teller, _tell(teller), {"<end>": 1.0}
    except _Stop as stop:
        return teller, None, *stop.args


def _complaint(teller: _Teller, story: Story | None) -> str:
    number = len(teller.facts) + 1
    if not teller.left:
        return f"the story ends too early: sentence {number} is missing or cut off"
    if story is not None:
        return f"the story is over before sentence {number}"
    sentence, *_ = re.split(r"(?<=\.)", _join(teller.tokens[teller.start :]))
    wrong = teller.left[0]
    return f"sentence {number} cannot be told there: {sentence!r} goes wrong at {wrong!r}"


# ---------------------------------------------------------------- the process

# Weights of a choice are relative to each other; the options of a kind share its weight evenly.
SAME_PLACE = 0.25  # that somebody enters where the last one did
SCENE = (  # which kinds of sentence may come third, fourth, fifth and sixth
    {"enter": 0.5, "lie": 0.2, "have": 0.3},  # a third character, or the first toy
    {"lie": 0.4, "have": 0.6},
    {"want": 0.4, "lie": 0.24, "have": 0.36},
    {"want": 1.0},
)
WISHES = {"search": 0.85, "request": 1.1, "gift": 2.2, "visit": 0.7}
OTHERS = 1.0  # what others do, against 1 for the hero
LUCK = 0.4  # that the hero looks in the right place
YES = 0.74  # that somebody says yes
MAX_TRIES = MAX_TURNS = 3  # of the hero; of the others
TURNS = {"walk": 2, "see": 1.5, "feel": 0.5, "take": 2, "drop": 0.7, "give": 1.5}


def _tell(t: _Teller) -> Story:
    """The process itself: tell one story."""
    hero = _set_the_scene(t)
    topic, toy, friend = _wish(t, hero)
    seen: list[str] = []  # where the hero looked in vain
    turns = 0  # of the others
    while not t.mood:
        others = {who: t.name(who) for who in t.people() if who != hero}
        busy = turns == MAX_TURNS or t.did.get(hero) == "find"
        who = t.choose((1, {hero: t.name(hero)}), (0 if busy else OTHERS, others))
        if who != hero:
            turns += 1
            _turn(t, who, hero)
        elif t.where(friend or toy) != t.place[hero]:
            _seek(t, hero, friend or toy, seen)
        elif friend or t.holder[toy]:
            _meet(t, hero, topic, toy, friend)
        else:
            _take(t, hero, toy, t.it(toy))
    name = t.name(hero)
    t.say(f"So {name if name == hero else name.lower()}")
    t.pick([f"was {word}" for word in FEELINGS[t.mood]] + list(ENDINGS[t.mood]))
    t.end(hero)
    text = _join(t.tokens[: len(t.log_probs)])
    sentences = tuple(re.findall(r"\w[^.]*\.", text))
    return Story(text, sentences, math.fsum(t.log_probs), t.mood, topic, t.headline, tuple(t.facts))


def _set_the_scene(t: _Teller) -> str:
    """Characters and toys, up to the first words of the wish; returns the hero."""
    t.say("One")
    t.pick(WEATHER)
    t.pick(TIMES)
    for _ in range(2):
        _enter(t, _open(t, {"enter": 1})[1])
    kind, value = _open(t, SCENE[0])
    if kind == "enter":
        _enter(t, value)
        kind, value = _open(t, SCENE[1])
    _bring(t, kind, value)
    kind, value = _open(t, SCENE[2])
    if kind != "want":
        _bring(t, kind, value)
        kind, value = _open(t, SCENE[3])
    return value


def _open(t: _Teller, weights: dict[str, float]) -> tuple[str, str]:
    """The first words of a sentence: its kind, and a character or the look of a toy."""
    people = {who: t.name(who) for who in t.people()}
    texts = {
        "enter": _same(name for name in NAMES if name not in people),
        "lie": {look: with_article(look).capitalize() for look in LOOKS},
        "have": {who: f"{people[who]} had" for who in people if who not in t.holder.values()},
        "want": {who: f"{people[who]} wanted" for who in people},
    }
    return t.choose(*(
        (weight, {(kind, value): text for value, text in texts[kind].items()})
        for kind, weight in weights.items()
    ))  # fmt: skip


def _enter(t: _Teller, who: str) -> None:
    t.say("was")
    last = t.place.get(t.subject)
    other = {place: f"{at(place)} too" if t.people(place) else at(place) for place in PLACES}
    other.pop(last, None)
    there = {last: "there too"} if last else {}
    t.place[who] = t.choose((SAME_PLACE, there), (1 - SAME_PLACE, other))
    t.end(who)


def _bring(t: _Teller, kind: str, value: str) -> None:
    """A toy that somebody has, or that lies where nobody is."""
    if kind == "have":
        t.pick(map(with_article, LOOKS))
    color = t.pick(COLORS)
    toy = t.pick(toy for toy in TOYS if toy not in t.holder)
    t.color[toy], t.holder[toy] = color, value if kind == "have" else None
    if kind == "lie":
        t.say("lay")
        t.place[toy] = t.choose((1, {p: at(p) for p in PLACES if p not in t.place.values()}))
    t.end(t.holder[toy])


def _wish(t: _Teller, hero: str) -> tuple[str, str | None, str | None]:
    """What the hero wants: topic, toy (none in a visit) and friend (in a gift or a visit)."""
    wishes: dict[str, dict] = {topic: {} for topic in TOPICS}

    def add(topic: str, toy: str | None, friend: str | None, *texts: str) -> None:
        wishes[topic] |= {(topic, toy, friend, text): text for text in texts}

    friends = [who for who in t.people() if who != hero]
    for toy, holder in t.holder.items():
        it = t.it(toy)
        if holder != hero:
            add("request" if holder else "search", toy, None, f"to have {it}", f"to play with {it}")
        for friend in friends if holder == hero else []:
            add("gift", toy, friend, f"to give {it} to {friend}", f"{friend} to have {it}")
    for friend in friends:
        if t.place[friend] != t.place[hero]:
            add("visit", None, friend, f"to see {friend}", f"to play with {friend}")
    topic, toy, friend, _ = t.choose(*((WISHES[topic], wishes[topic]) for topic in TOPICS))
    t.end(hero)
    return topic, toy, friend


def _seek(t: _Teller, hero: str, target: str, seen: list[str]) -> None:
    """The hero looks for a toy or a friend, has a feeling, or gives up."""
    goes = _same(WALKS) if len(seen) < MAX_TRIES else {}
    feels = {"feel": "was"} if t.did.get(hero) != "feel" else {}
    gives_up = {"give up": "gave up"} if seen else {}
    verb = t.did[hero] = t.choose((1, goes), (0.2, feels), (0.8 * len(seen), gives_up))
    if verb == "feel":
        _feel(t, hero, target)
    elif verb == "give up":
        missing = target if target in NAMES else _full(t, target)
        t.mood, t.headline = "sad", f"{hero} cannot find {missing}"
        t.end(hero)
    else:
        _go(t, hero, target, seen)


def _go(t: _Teller, hero: str, target: str, seen: list[str]) -> None:
    """The hero goes somewhere and finds the target there, or not."""
    there, holder = t.where(target), t.holder.get(target)
    name = target if target in NAMES else f"the {target}"  # "it" might be taken for the place
    wrong = {p: f"to the {p}" for p in PLACES if p not in (there, t.place[hero], *seen)}
    t.place[hero] = t.choose((LUCK, {there: f"to the {there}"}), (1 - LUCK, wrong))
    if t.place[hero] != there:
        seen.append(t.place[hero])
        t.say(f", but {name} was not there")
        t.end(hero)
    elif target in TOYS and not holder:
        t.say("and")
        _take(t, hero, target, name)
    else:
        t.did[hero] = "find"
        t.say(f"and found {holder} with {name}" if holder else f"and found {name}")
        t.end(hero)


def _turn(t: _Teller, who: str, hero: str) -> None:
    """What another character does meanwhile: nothing twice running, and no taking back."""
    texts: dict[str, dict] = {verb: {} for verb in TURNS}
    texts["walk"] = {("walk", verb): verb for verb in WALKS}
    texts["see"] = {("see", look): f"saw {with_article(look)}" for look in LOOKS if look != "new"}
    texts["feel"] = {("feel", ""): "was"}
    others = [other for other in t.people(t.place[who]) if other not in (who, hero)]
    for toy, holder in t.holder.items():
        it = t.it(toy)
        if holder == who:
            texts["drop"]["drop", toy, None] = f"dropped {it}"
            texts["give"] |= {("give", toy, other): f"gave {it} to {other}" for other in others}
        elif not holder and t.place[toy] == t.place[who]:
            texts["take"]["take", toy, who] = f"took {it}"
    last = t.did.get(who)
    barred = {"take": ("drop", "give"), "drop": ("take",)}.get(last, (last,))
    verb, *rest = t.choose(*((TURNS[v], texts[v]) for v in TURNS if v not in barred))
    t.did[who] = verb
    if verb == "walk":
        t.place[who] = t.choose((1, {p: f"to the {p}" for p in PLACES if p != t.place[who]}))
    elif verb == "see":
        t.pick(ANIMALS)
    elif verb != "feel":
        toy, receiver = rest
        t.hand(toy, receiver)
        if verb == "give":
            t.did[receiver] = "take"
    if verb == "feel":
        _feel(t, who)
    else:
        t.end(who)


def _feel(t: _Teller, who: str, target: str | None = None) -> None:
    """A mood and a true reason for it."""
    pronoun = NAMES[who]
    company = [other for other in t.people(t.place[who]) if other != who]
    happy = [f"{pronoun} had {t.it(toy)}" for toy, holder in t.holder.items() if holder == who]
    happy += [f"{other} was there" for other in company]
    sad = [] if company else [f"{pronoun} was alone"]
    if target:
        missing = f"{target} was not there", f"{pronoun} did not have {t.it(target)}"
        sad.append(missing[target in TOYS])
    reasons = {mood: because for mood, because in (("sad", sad), ("happy", happy)) if because}
    mood, _ = t.choose((1, {(mood, w): f"{w} because" for mood in reasons for w in FEELINGS[mood]}))
    t.pick(reasons[mood])
    t.end(who)


def _meet(t: _Teller, hero: str, topic: str, toy: str | None, friend: str | None) -> None:
    """The hero is where the wish can come true; somebody else decides whether it does."""
    full = _full(t, toy) if toy else ""
    if topic == "gift":
        t.say(f"gave {t.it(toy)} to {friend}")
        t.hand(toy, friend)
        yes, no = ("loved it", "liked it"), ("did not like it", "did not want it")
        headlines = f"{hero} gives {full} to {friend}", f"{friend} does not want {full}"
    elif topic == "visit":
        t.say(f"asked {friend} to play")
        yes, no = (f"played with {hero}",), ("had no time", "was too tired")
        place = at(t.place[hero])
        headlines = f"{hero} plays with {friend} {place}", f"{friend} does not play with {hero}"
    else:
        friend = t.holder[toy]
        t.say(f"asked {friend} for {t.it(toy)}")
        yes, no = (f"gave it to {hero}",), ("kept it",)
        headlines = f"{friend} gives {full} to {hero}", f"{friend} keeps {full}"
    t.end(hero)
    t.say(friend)
    answers = {("happy", text): text for text in yes}
    t.mood, _ = t.choose((YES, answers), (1 - YES, {("sad", text): text for text in no}))
    t.headline = headlines[t.mood == "sad"]
    if topic in ("search", "request") and t.mood == "happy":
        t.hand(toy, hero)
    t.end(friend)


def _take(t: _Teller, hero: str, toy: str, name: str) -> None:
    """The hero takes the toy that was wanted."""
    t.say(f"took {name}")
    t.hand(toy, hero)
    t.mood, t.headline = "happy", f"{hero} finds {_full(t, toy)}"
    t.end(hero)


def _same(texts: Iterable[str]) -> dict[str, str]:
    return {text: text for text in texts}


def at(place: str) -> str:
    """A place with its preposition, as in "on the hill"."""
    return f"{PLACES[place]} the {place}"


@functools.cache
def with_article(word: str) -> str:
    """A word with "a" or "an" before it."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _full(t: _Teller, toy: str) -> str:
    return f"the {t.color[toy]} {toy}"
