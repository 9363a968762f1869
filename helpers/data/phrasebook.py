"""English sentences with their French translations, any number of them, drawn by one grammar.

Each pair is made from one meaning, so the translation is right, every word's partner is known, and
an English sentence has one translation only. Where English leaves a choice, the data always make
the same one: "you" is "tu"; "eats" is "mange", "ate" is "a mangé", "was eating" is "mangeait", "is
going to eat" is "va manger"; of states, "loved" is "aimait" and "was" is "était"; a friend, a
neighbor and a nurse are women; a child, a doctor, a teacher, a farmer, a baker and a hero are men.
"It" and "they" have the French gender of the noun that they stand for.

The words are those of data/phrasebook.tsv, with all their forms, in this order: singular and plural
of nouns; base, third person, past and -ing form of English verbs, then what follows them ("look
for"); masculine, feminine and both plurals of adjectives, then the form before a vowel ("bel");
infinitive, present (je, tu, il, nous, ils), imparfait (il, ils) and participle of French verbs,
then their preposition. The column "classes" says what a noun is, which nouns an adjective
describes, a verb has as subjects, and a preposition leads to; "objects" which nouns a verb acts on,
and to which a preposition leads where people do something.
"""

import functools
import itertools
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

LANGUAGES = ("english", "french")
SPLITS = ("training", "validation", "combinations", "longer")
LIMIT = 10  # words and marks of a training sentence, in either language; longer ones have more
LONGEST = 20

_Word = tuple[str, frozenset[int]]  # a word and numbers of what it says: partners share a number
_Words = list[_Word]
_Both = tuple[_Words, _Words]  # English, French


@dataclass(frozen=True)
class Pair:
    """A sentence in both languages.

    english, french  as printed; `tokenize` cuts them into words and marks
    alignment        pairs (i, j) in order: English token i and French token j say the same
    joined           its combinations of words, in English: (adjective, noun) and (subject, verb)
    """

    english: str
    french: str
    alignment: tuple[tuple[int, int], ...]
    joined: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class _Entry:
    """A row of the table."""

    kind: str
    english: tuple[str, ...]
    french: tuple[str, ...]
    mark: frozenset[str]
    classes: frozenset[str]
    objects: frozenset[str]

    @functools.cached_property
    def name(self) -> str:
        """The English word or words without their other forms."""
        skipped = {"noun": (1, 2), "verb": (1, 4)}.get(self.kind, (0, 0))
        return " ".join(self.english[: skipped[0]] + self.english[skipped[1] :])

    @property
    def direct(self) -> bool:
        """Whether the verb has an object without a preposition, in French."""
        return bool(self.objects) and len(self.french) == 9


@dataclass
class _Phrase:
    """A subject or an object."""

    english: _Words
    french: _Words
    pronoun: str  # the English one that can stand for it
    gender: str  # in French: "m", "f", or "" where nobody can know
    entry: _Entry | None = None

    @property
    def person(self) -> int:
        """Column of the verbs: I, you, it, we, they."""
        return _PRONOUNS[self.pronoun][1]

    @property
    def classes(self) -> frozenset[str]:
        return self.entry.classes if self.entry else _PERSON


def _read() -> dict[str, list[_Entry]]:
    path = Path(__file__).resolve().parents[2] / "data" / "phrasebook.tsv"
    table: dict[str, list[_Entry]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        kind, english, french, *sets = line.split("\t")
        entry = _Entry(kind, tuple(english.split()), tuple(french.split()),
                       *(frozenset(cell.split()) for cell in sets))  # fmt: skip
        table.setdefault(kind, []).append(entry)
    return table


_TABLE = _read()
_VERBS = {verb.name: verb for verb in _TABLE["verb"]}
_BE, _THERE = _TABLE["be"][0], _TABLE["there"][0]
_FEEL = replace(_BE, french=_VERBS["have"].french)  # "is hungry" is "a faim"
_DETERMINERS = {entry.name: entry.french for entry in _TABLE["determiner"]}  # m., f., plural
_QUESTIONS, _CONJUNCTIONS = (
    {entry.name: " ".join(entry.french) for entry in _TABLE[kind]}
    for kind in ("question", "conjunction")
)
_ADVERBS = {entry.name: entry for entry in _TABLE["adverb"]}
_ASPIRATED = {form for noun in _TABLE["noun"] if "aspirated" in noun.mark for form in noun.french}
_PRONOUNS = {  # subject: object, person, French subject and object if masculine, if feminine
    "I": ("me", 0, "je me", "je me"), "you": ("you", 1, "tu te", "tu te"),
    "he": ("him", 2, "il le", "il le"), "she": ("her", 2, "elle la", "elle la"),
    "it": ("it", 2, "il le", "elle la"), "we": ("us", 3, "nous nous", "nous nous"),
    "they": ("them", 4, "ils les", "elles les"),
}  # fmt: skip
_GENDERS = {"he": "m", "she": "f"}
_REFLEXIVE = ("me", "te", "se", "nous", "se")
_IS, _WAS = ("am", "are", "is", "are", "are"), ("was", "were", "was", "were", "were")
_ORDER = ("other", "opinion", "size", "quality", "age", "color", "origin")  # English adjectives
_EXCLUSIVE = {"opinion", "size", "age", "color", "origin", "passing"}  # a red car is not blue
_PLAIN = {"attributive", "color", "origin"}  # marks of adjectives without "very"
_PERSON = frozenset(["person", "adult"])  # what a pronoun without a noun stands for
_PLACED = frozenset(["person", "animal", "clothes", "thing", "text"])  # what may be somewhere
_TENSES = ("present", "present", "present", "past", "past", "future")
_ASKED = ("ask", "ask where", "ask when", "ask why")
_ELIDED = ("le", "la", "je", "me", "te", "se", "ne", "de", "que")
_BEFORE_VOWEL = {"ce": "cet", "ma": "mon", "ta": "ton", "sa": "son"}
_CONTRACTED = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}


@functools.cache
def _of(classes: frozenset[str], *kinds: str) -> list[_Entry]:
    """The entries of any of these classes, in the table's order."""
    return [entry for kind in kinds for entry in _TABLE[kind] if entry.classes & classes]


@functools.cache
def _determiners(noun: _Entry, role: str, plural: bool, negated: bool, loved: bool) -> list[str]:
    """The English determiners that a noun may have, each as often as it is listed."""
    mass = "mass" in noun.mark
    owners = ["my", "your", "his", "her", "our", "their"] + ["'s", "'s"] * (role != "owner")
    if "kin" in noun.classes:
        return owners
    if role == "there" and negated:
        return [""]
    counted = ["two", "three", "four", "several", "many"] * (plural and not negated)
    bare = [""] * 9 if plural or mass else ["a"] * 9
    definite = ["the"] * 9 + ["this"] * (not mass) + owners * ("unowned" not in noun.mark)
    if role == "there":
        return bare + counted
    if role == "subject":
        return definite + counted + ["a", "a", "every"] * (not plural and not mass)
    if role == "object":
        return definite + bare * (not loved or "a" not in bare) + counted * (not loved)
    return definite


def _vowel(word: str) -> bool:
    """Whether "le" loses its vowel before this word."""
    return word[0].lower() in "aeiouyéêîœ" or (word[0] == "h" and word not in _ASPIRATED)


def _agree(adjective: _Entry, gender: str, plural: bool, following: str = "-") -> str:
    """The French form of an adjective; following: the noun, where it stands before one."""
    if len(adjective.french) == 5 and gender == "m" and not plural and _vowel(following):
        return adjective.french[4]  # un bel oiseau
    return adjective.french[(gender == "f") + 2 * plural]


def _join(*parts: _Both) -> _Both:
    return [w for english, _ in parts for w in english], [w for _, french in parts for w in french]


class _Sentence:
    """One sentence in the making; a detailed one has more adjectives, places and clauses."""

    def __init__(self, random: Random, detailed: bool):
        self.random, self.detailed = random, detailed
        self.numbers = itertools.count()
        self.joined: list[tuple[str, str]] = []
        self.named: list[_Phrase] = []  # all that it speaks of, which a pronoun could stand for
        self.subjects: list[_Phrase] = []
        self.marks: set[str] = set()  # of its adjectives, lest a red car be blue
        self.barred: set[str] = set()  # marks and words that its next adjectives cannot have
        self.unclear = False  # whether the English leaves a form of the French open

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def key(self) -> frozenset[int]:
        return frozenset([next(self.numbers)])

    def words(self, english: str, french: str) -> _Both:
        """Words that say the same."""
        key = self.key()
        return [(w, key) for w in english.split()], [(w, key) for w in french.split()]

    def pronoun(self, name: str, gender: str, role: int, entry: _Entry | None = None) -> _Phrase:
        """A pronoun as the subject (role 0) or the object (role 1)."""
        gender = _GENDERS.get(name, gender)
        english, _, *french = _PRONOUNS[name]
        words = self.words(english if role else name, french[gender == "f"].split()[role])
        self.named.append(_Phrase(*words, name, gender, entry))
        return self.named[-1]

    def noun(self, classes: frozenset[str], role: str, negated: bool = False, loved: bool = False,
             kinds: tuple[str, ...] = ("noun", "name")) -> _Phrase:  # fmt: skip
        """A name, or a noun with determiner and adjectives, which the sentence does not yet name.

        role: "subject", "object", "there" (after "there is"), "place", "definite" or "owner".
        negated: as the object of a negated verb it has "de" for un, une, des, du. loved: as the
        object of a verb of liking it has le, la, les where English has no article.
        """
        known = [phrase.entry for phrase in self.named]
        nouns = _of(classes, *kinds)
        noun = self.random.choice([entry for entry in nouns if entry not in known] or nouns)
        gender = "m" if "m" in noun.mark else "f"
        single = ("he" if gender == "m" else "she") if "person" in noun.classes else "it"
        if noun.kind == "name":
            self.named.append(_Phrase(*self.words(noun.name, noun.name), single, gender, noun))
            return self.named[-1]
        plural = len(noun.english) > 1 and self.chance(0.1 if role == "place" else 0.35)
        determiner = self.random.choice(_determiners(noun, role, plural, negated, loved))
        english, french = self.words(noun.english[plural], noun.french[plural])
        core, before, after = french[0], [], []
        phrase = _Phrase([], [], "they" if plural else single, gender, noun)
        self.named.append(phrase)  # now, so that no owner is the same
        adjectives = [] if role == "owner" else self.adjectives(noun, determiner)
        for adjective in adjectives:
            said = self.words(adjective.name, _agree(adjective, gender, plural, core[0]))
            if not (self.detailed or adjective.mark & _PLAIN) and self.chance(0.1):
                said = _join(self.words("very", "très"), said)
            english[-1:-1] = said[0]
            (before if "before" in adjective.mark else after).extend(said[1])
        french = before + french + after

        column = 2 if plural else int(gender == "f")
        article = _DETERMINERS["the"][column]
        key = self.key() if determiner else core[1]  # an article only in French belongs to the noun
        if determiner == "'s":
            owner = self.noun(_PERSON, "owner")
            suffix = "'" if owner.person == 4 and owner.english[-1][0].endswith("s") else "'s"
            phrase.english = [*owner.english, (suffix, key), *english]
            phrase.french = [(article, key), *french, ("de", key), *owner.french]
            return phrase
        if negated and determiner in ("", "a"):
            spoken = "de"
        elif determiner:
            spoken = _DETERMINERS[determiner][column].replace("beaucoup", "beaucoup de")
        elif loved or not plural:
            spoken = article if loved else f"de {article}"
        else:
            spoken = "de" if before else "des"  # de belles fleurs
        if _vowel(french[0][0]):
            spoken = _BEFORE_VOWEL.get(spoken, spoken)
        if determiner == "a" and english[0][0][0] in "aeiouI":
            determiner = "an"
        elif determiner == "this" and plural:
            determiner = "these"
        phrase.english = [(word, key) for word in determiner.split()] + english
        phrase.french = [(word, key) for word in spoken.split()] + french
        return phrase

    def adjectives(self, noun: _Entry, determiner: str) -> list[_Entry]:
        """None, one or two, in English order; of two, one stands before the noun in French."""
        count = self.random.choice((0, 1, 1, 2, 2) if self.detailed else (0, 0, 0, 1, 1))
        pool = _of(noun.classes, "adjective")
        chosen = [self.random.choice(pool) for _ in range(count if pool else 0)]
        barred = self.barred | ({"other"} if determiner in ("a", "every") else set())
        chosen = [a for a in chosen if not barred & (a.mark | {a.name})]
        if len(chosen) == 2 and ("before" in chosen[0].mark) == ("before" in chosen[1].mark):
            chosen.pop()
        for adjective in chosen:
            self.joined.append((adjective.name, noun.name))
            self.marks |= adjective.mark | {adjective.name}
        return sorted(chosen, key=lambda adjective: [rank not in adjective.mark for rank in _ORDER])

    def subject(self, classes: frozenset[str]) -> _Phrase:
        """A new subject; "he" and "she" only where they cannot mean somebody named before."""
        if "person" in classes and not self.named and self.chance(0.3):
            name = self.random.choice(("I", "I", "you", "you", "we", "we", "he", "she"))
            return self.pronoun(name, "", 0)
        return self.noun(classes, "subject")

    def clause(self, subject: _Phrase, verb: _Entry, tense: str, adverb: str = "",
               clitic: _Phrase | None = None, asked: str | None = None) -> _Both:  # fmt: skip
        """Subject and verb with an adverb and a pronoun as object, as a statement or a question.

        asked: None, "" for a question that yes or no answers, "where", "when" or "why".
        """
        self.subjects.append(subject)
        person = subject.person
        base, third, past, ing, *particle = verb.english
        infinitive, *present, was, were, participle = verb.french[:9]
        helper, main = "", third if person == 2 else base
        if tense == "progressive":
            helper, main = _WAS[person], ing
        elif tense == "future":
            helper, main = _IS[person], f"going to {base}"
        elif base == "be":
            helper, main = (_WAS if tense == "past" else _IS)[person], ""
        elif adverb == "not" or asked is not None:
            helper, main = "did" if tense == "past" else "does" if person == 2 else "do", base
        elif tense == "past":
            main = past
        self.unclear |= base == past and not helper and person != 2  # the girls read: when?

        finite, rest = present[person], ""
        if tense == "future":
            finite, rest = _VERBS["go to"].french[1 + person], infinitive
        elif tense == "progressive" or (tense == "past" and "state" in verb.mark):
            finite = were if person == 4 else was
            self.unclear |= person not in (2, 4)  # the table has no other forms
        elif tense == "past":
            finite = (_VERBS["have"] if "avoir" in verb.mark else _BE).french[1 + person]
            owner = clitic if "avoir" in verb.mark else subject  # with whom the participle agrees
            rest = participle
            if owner:
                rest += "e" * (owner.gender == "f") + "s" * (owner.person == 4)
                self.unclear |= owner.gender == "" or (owner is clitic and rest != participle)

        did, do, to = self.key(), self.key(), self.key()
        whole = did | do  # a tense that the verb itself shows
        pronoun = [(_REFLEXIVE[person], do)] if "se" in verb.mark else []
        pronoun = clitic.french if clitic else pronoun
        middle = self.words(adverb, " ".join(_ADVERBS[adverb].french) if adverb else "")
        negative = bool(adverb) and "negative" in _ADVERBS[adverb].mark
        french = [("ne", word[1]) for word in middle[1] if negative]
        french += pronoun * (tense != "future") + [(finite, did if rest else whole)] + middle[1]
        french += pronoun * (tense == "future") + [(word, do) for word in rest.split()]
        french += [(word, to if particle else do) for word in verb.french[9:]]
        french = subject.french + french
        before = [(word, did if main else whole) for word in helper.split()]
        after = [(word, do if word in (base, ing) else did) for word in main.split()]
        after = after if helper else [(word, whole) for word, _ in after]
        after += [(word, to if verb.french[9:] else do) for word in particle]
        after = middle[0] + after + (clitic.english if clitic else [])
        if asked is None:
            return subject.english + before + after, french
        question = self.words(asked, _QUESTIONS.get(asked, ""))
        english = question[0] + before + subject.english + after
        return english, question[1] + [("est-ce", did), ("que", did), *french]

    def place(self, person: bool = False) -> _Both:
        """Where somebody or something is; or where a person does something."""
        prepositions = [entry for entry in _TABLE["preposition"] if entry.objects or not person]
        preposition = self.random.choice(prepositions)
        noun = self.noun(preposition.objects if person else preposition.classes, "place")
        words = self.words(preposition.name, " ".join(preposition.french))
        return _join(words, (noun.english, noun.french))

    def adverb(self, subject: _Phrase, choices: Sequence[str] = ()) -> str:
        """Mostly none; often "not"; or one of the choices, which fit the tense and what is said."""
        if self.chance(0.7) or subject.english[0][0] == "every":
            return ""
        return self.random.choice(("not", "not", "not", *choices))

    def action(self, tense: str, subject: _Phrase | None = None, about: _Phrase | None = None,
               asked: str | None = None, vivid: bool = False,
               among: Collection[str] = tuple(_VERBS)) -> _Both:  # fmt: skip
        """Somebody does something; or, if nobody does what the subject would, how it is.

        about: what a pronoun as the object stands for, if the verb allows; vivid: a deed, and no
        adverb; among: only these verbs.
        """
        vivid = vivid or tense == "progressive" or bool(asked)
        unfit = {"state", "simple"} if vivid else set()
        pool = [verb for verb in map(_VERBS.get, among) if not verb.mark & unfit]
        if subject:
            pool = [verb for verb in pool if verb.classes & subject.classes]
        if asked == "where":
            pool = [verb for verb in pool if "être" not in verb.mark]
        if about:
            pool = [v for v in pool if v.direct and v.objects & about.classes] or pool
        if not pool:
            return self.state(tense, subject)
        verb = self.random.choice(pool)
        subject = subject or self.subject(verb.classes)
        if subject.entry:
            self.joined.append((subject.entry.name, verb.name))
        state, adverb, clitic, parts = "state" in verb.mark, "", None, []
        if not vivid and asked is None:
            often = ["often"] * (not state)
            choices = {"present": ["never", "no longer", "always", *often], "past": often}
            adverb = self.adverb(subject, choices.get(tense, ()))
        if verb.direct and about and verb.objects & about.classes:
            clitic = self.pronoun(about.pronoun, about.gender, 1)
        elif verb.direct and "person" in verb.objects and self.chance(0.2):
            own = ("I", "we") if subject.pronoun in ("I", "we") else (subject.pronoun,)
            others = [name for name in _PRONOUNS if name not in ("it", *own)]
            clitic = self.pronoun(self.random.choice(others), "", 1)
        elif verb.objects:
            loved, role = "generic" in verb.mark, "object" if verb.direct else "definite"
            role = "place" if "être" in verb.mark else role
            negated = bool(adverb) and "negative" in _ADVERBS[adverb].mark and not loved
            thing = self.noun(verb.objects, role, negated, loved)
            parts.append((thing.english, thing.french))
        parts.insert(0, self.clause(subject, verb, tense, adverb, clitic, asked))
        times = _of(frozenset([tense]), "time")
        likely = (0.1 if verb.objects else 0.4) + 0.3 * self.detailed
        settled = asked == "where" or verb.mark & {"être", "state", "simple"}
        if not settled and self.chance(likely):
            parts.append(self.place("person" in subject.classes))
        elif not (vivid or state) and adverb in ("", "not") and self.chance(0.2):
            time = self.random.choice(times)
            parts.append(self.words(time.name, " ".join(time.french)))
        return _join(*parts)

    def state(self, tense: str, subject: _Phrase | None = None, asked: str | None = None) -> _Both:
        """Somebody or something is so, or is somewhere."""
        if self.chance(0.25) and (not subject or subject.classes & _PLACED):
            subject = subject or self.subject(_PLACED)
            adverb = self.adverb(subject) if asked is None else ""
            return _join(self.clause(subject, _BE, tense, adverb, asked=asked), self.place())
        pool = [*_TABLE["adjective"], *_TABLE["feeling"]]
        used = self.marks & _EXCLUSIVE | {"attributive"}
        pool = [entry for entry in pool if not entry.mark & used and entry.name not in self.marks]
        if tense == "future":
            pool = [entry for entry in pool if "passing" in entry.mark]
        if subject:
            pool = [entry for entry in pool if entry.classes & subject.classes]
        if not pool:
            return self.state(tense, None, asked)
        quality = self.random.choice(pool)
        self.barred = quality.mark & _EXCLUSIVE | {quality.name}
        self.marks |= self.barred
        subject = subject or self.subject(quality.classes)
        if subject.entry:
            self.joined.append((quality.name, subject.entry.name))
        passing = "passing" in quality.mark and tense == "present"
        choices = ("never", "no longer", "always", "often") if passing else ()
        adverb = self.adverb(subject, choices) if asked is None else ""
        verb = _FEEL if quality.kind == "feeling" else _BE
        clause = self.clause(subject, verb, tense, adverb, asked=asked)
        if quality.kind == "feeling":
            return _join(clause, self.words(quality.name, quality.french[0]))
        plural = subject.pronoun in ("we", "they")
        form = _agree(quality, subject.gender, plural)
        self.unclear |= subject.gender == "" and form != _agree(quality, "f", plural)
        said, way = self.words(quality.name, form), self.random.random()
        if quality.mark & _PLAIN or way > 0.25:
            return _join(clause, said)
        if way > 0.1:
            return _join(clause, self.words("very", "très"), said)
        other = self.noun(quality.classes, "definite")
        than = self.words("as", "que"), (other.english, other.french)
        return _join(clause, self.words("as", "aussi"), said, *than)

    def there(self, asked: bool) -> _Both:
        """There is something somewhere."""
        negated, tense = not asked and self.chance(0.3), self.random.choice(("present", "past"))
        thing = self.noun(_PLACED - {"person"}, "there", negated, kinds=("noun",))
        (there, il), (_, y) = self.words("there", "il"), self.words("", "y")
        there, y = _Phrase(there, il, thing.pronoun, "m"), _Phrase([], y, "it", "m")
        y.french = [(word, there.english[0][1]) for word, _ in y.french]
        adverb = "no" if negated else ""
        clause = self.clause(there, _THERE, tense, adverb, y, "" if asked else None)
        return _join(clause, (thing.english, thing.french), self.place())

    def statement(self, tense: str, subject: _Phrase | None = None) -> _Both:
        return (self.action if self.chance(0.6) else self.state)(tense, subject)

    def two(self) -> _Both:
        """Two clauses, the second often about the subject, or a thing, of the first."""
        joint, tense = self.random.choice(tuple(_CONJUNCTIONS)), self.random.choice(_TENSES)
        link, comma = self.words(joint, _CONJUNCTIONS[joint]), self.words(",", ",")
        if joint == "when":
            tenses = self.random.choice((("progressive", "past"), ("present", "present")))
            first, second = (self.action(tense, vivid=True) for tense in tenses)
            if self.chance(0.5):
                return _join(link, second, comma, first)
            return _join(first, link, second)
        first = self.action(tense) if joint == "because" else self.statement(tense)
        subject = self.alone(self.subjects[:1])
        things = [p for p in self.named if p.entry and p.pronoun in ("it", "they")]
        about = self.alone([p for p in things if p is not self.subjects[0]])
        denied = any(word == "ne" for word, _ in first[1])
        if subject and self.chance(0.8):
            subject = self.pronoun(subject.pronoun, subject.gender, 0, subject.entry)
        else:
            subject = None
        if joint == "because" and tense == "future":
            tense = "present"
        if about and not denied and self.chance(0.6):
            among = ("love", "want", "hate") if joint == "because" else tuple(_VERBS)
            second = self.action(tense, subject, about, among=among)
        else:
            second = (self.state if joint == "because" else self.statement)(tense, subject)
        return _join(first, comma if joint == "but" else ([], []), link, second)

    def alone(self, phrases: list[_Phrase]) -> _Phrase | None:
        """The first of these that a pronoun can mean, since nothing else would have the same."""
        said = [phrase.pronoun for phrase in self.named]
        return next((phrase for phrase in phrases if said.count(phrase.pronoun) == 1), None)

    def draw(self) -> Pair:
        """The whole sentence."""
        kinds = ("statement", "progressive", "two", "there", "is there", "who", "where", *_ASKED)
        weights = (10, 0, 85, 5) if self.detailed else (40, 10, 22, 6, 2, 4, 2, 9, 2, 2, 4)
        (kind,) = self.random.choices(kinds[: len(weights)], weights)
        tense = self.random.choice(_TENSES)
        if kind == "statement":
            said = self.statement(tense)
        elif kind == "progressive":
            said = self.action(kind)
        elif kind == "two":
            said = self.two()
        elif kind.endswith("there"):
            said = self.there(asked=kind == "is there")
        elif kind == "who":
            said = self.statement(tense, _Phrase(*self.words("who", "qui"), "he", "m"))
        elif kind == "where":
            thing = self.noun(_PLACED, "definite")
            be = self.words(_IS[thing.person], _BE.french[1 + thing.person])
            said = _join(self.words("where", "où"), be, (thing.english, thing.french))
        else:
            asked = kind.removeprefix("ask").strip()
            still = asked in ("", "why") and self.chance(0.4)
            said = (self.state if still else self.action)(tense, asked=asked)
        mark = "." if kind in ("statement", "progressive", "two", "there") else "?"
        return _finished(*_join(said, self.words(mark, mark)), self.joined)


def _finished(english: _Words, french: _Words, joined: list[tuple[str, str]]) -> Pair:
    """The sentence as printed, with elisions and contractions, and which words are partners."""
    spoken: _Words = []
    for i, (word, keys) in enumerate(french):
        if word in _ELIDED and _vowel(french[i + 1][0]):
            spoken.append((word[:-1] + "'", keys))
        elif spoken and (spoken[-1][0], word) in _CONTRACTED:
            before, others = spoken.pop()
            spoken.append((_CONTRACTED[before, word], keys | others))
        else:
            spoken.append((word, keys))
    alignment = tuple(
        (i, j) for i, (_, a) in enumerate(english) for j, (_, b) in enumerate(spoken) if a & b
    )
    texts = [[word for word, _ in words] for words in (english, spoken)]
    return Pair(*map(detokenize, texts, LANGUAGES), alignment, tuple(joined))


def held_out(first: str, second: str) -> bool:
    """Whether training and validation hold no sentence that joins these two words: one in ten.

    The words are as in `Pair.joined`: an adjective and a noun, or a subject and a verb other than
    "be". A comparison does not join: training may hold "as hot as his milk" even where ("hot",
    "milk") is held out.
    """
    return zlib.crc32(f"{first} {second}".encode()) % 10 == 0


def _split(pair: Pair) -> str:
    """The set to which a sentence belongs, or "" for none."""
    lengths = [len(tokenize(text)) for text in (pair.english, pair.french)]
    if any(held_out(*words) for words in pair.joined):
        return "combinations" if max(lengths) <= LIMIT else ""
    if max(lengths) <= LIMIT:  # by the French text: "his hat" and "her hat" have the same one
        return "validation" if zlib.crc32(pair.french.encode()) % 10 == 0 else "training"
    return "longer" if min(lengths) > LIMIT and max(lengths) <= LONGEST else ""


def make(n: int, *, seed: int = 0, split: str = "training") -> list[Pair]:
    """n different pairs of sentences of one of four sets, which never share a sentence.

    training      sentences of at most LIMIT words and marks in either language
    validation    such sentences that training never holds, whatever its seed (one in ten)
    combinations  such sentences with a pair of words that training and validation never join
    longer        sentences of LIMIT + 1 to LONGEST words and marks, without such pairs of words

    What joins two words is said at `held_out`: a comparison does not.
    The same arguments always give the same pairs; the global random state is neither read nor
    changed. Errors: ValueError for n below 1, an unknown split, or a seed that is no integer from
    0 to 4294967295.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n must be an integer of 1 or more, not {n!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 4294967295, not {seed!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    random = Random(f"{split} {seed}")  # a text as the seed is hashed by SHA-512: alike everywhere
    pairs: dict[str, Pair] = {}
    while len(pairs) < n:
        sentence = _Sentence(random, detailed=split == "longer")
        pair = sentence.draw()
        if not sentence.unclear and _split(pair) == split:
            pairs.setdefault(pair.english, pair)
    return list(pairs.values())


def _vocabulary(language: str) -> tuple[str, ...]:
    """All words and marks of the table in a language, in alphabetical order."""
    words: set[str] = set()
    for entry in itertools.chain(*_TABLE.values()):
        words.update(getattr(entry, language))
        if language == "french" and entry.mark & {"être", "se"}:  # their participles agree
            words.update(entry.french[8] + ending for ending in ("e", "s", "es"))
    return tuple(sorted(words - {"-"}))


VOCABULARY = {language: _vocabulary(language) for language in LANGUAGES}
_PROPER = {word for words in VOCABULARY.values() for word in words if word != word.lower()}
_TOKEN = re.compile(r"aujourd'hui|(?:qu|[cdjlmnst])'|'s\b|[\w-]+|[^\w\s]", re.IGNORECASE)


def words(kind: str) -> frozenset[str]:
    """All English forms of the words of one kind: "noun", "adjective", "verb", "name", …

    Errors: ValueError for a kind that the table does not have.
    """
    if kind not in _TABLE:
        raise ValueError(f"kind must be one of {', '.join(_TABLE)}, not {kind!r}")
    return frozenset(word for entry in _TABLE[kind] for word in entry.english)


def tokenize(text: str) -> list[str]:
    """The words and marks of a sentence in either language, in small letters.

    Names, "I" and "French" keep their capitals.
    "L'amie d'Anna dort." => l', amie, d', Anna, dort, . and "Anna's cat" => Anna, 's, cat. Words
    that the grammar does not know are cut in the same way. Errors: ValueError for anything but a
    text.
    """
    if not isinstance(text, str):
        raise ValueError(f"only a text can be cut into words, not {text!r}")
    words = _TOKEN.findall(text.replace("’", "'"))
    return [word if word in _PROPER else word.lower() for word in words]


def detokenize(tokens: Sequence[str], language: str) -> str:
    """The sentence of these tokens, with its capital letter: the inverse of `tokenize`.

    A French question mark has a space before it. Errors: ValueError for an unknown language, or
    for tokens that are no list of words.
    """
    words = list(tokens)
    if isinstance(tokens, str) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"tokens must be a list of words, not {tokens!r}")
    if language not in LANGUAGES:
        raise ValueError(f"language must be english or french, not {language!r}")
    text = re.sub(r" ([.,])", r"\1", " ".join(words))
    if language == "english":
        text = re.sub(r" (\?|'s\b|')", r"\1", text)
    else:
        text = text.replace("' ", "'")
    return text[:1].upper() + text[1:]
