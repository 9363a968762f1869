"""helpers.data.phrasebook: its sets, its French, its alignments, its tokens.

The French is judged here by rules of its own, with words listed by hand, not by the module's.
"""

import itertools
import random
import re
import time

import pytest

from helpers.data import phrasebook
from helpers.data.phrasebook import LIMIT, LONGEST, SPLITS, VOCABULARY, detokenize, make, tokenize

BOTH = phrasebook.LANGUAGES
VOWEL = r"(?:[aeiouéêîœ]|yeux|y |h(?!éris|éros|amster|aricot|ibou|ache))"  # drops an e before it


def size(split):
    return 20_000 if split == "training" else 1000


@pytest.fixture(scope="module")
def sets():
    return {split: make(size(split), split=split) for split in SPLITS}


@pytest.fixture(scope="module")
def every(sets):
    return list(itertools.chain(*sets.values()))


def words(pair, language):
    return tokenize(getattr(pair, language))


def test_the_same_arguments_give_the_same_pairs():
    random.seed(5)
    state = random.getstate()
    for split in SPLITS:
        first = make(40, seed=3, split=split)
        assert (
            first == make(40, seed=3, split=split) and first == make(50, seed=3, split=split)[:40]
        )
        assert first != make(40, seed=4, split=split)
    assert random.getstate() == state
    with pytest.raises(AttributeError):
        first[0].english = ""
    # the same on every platform and version of Python
    assert make(1)[0].english == "I get up."


def test_pairs_are_different_and_english_has_one_translation(sets, every):
    french = {}
    for pair in every:
        assert french.setdefault(pair.english, pair.french) == pair.french
    for split, pairs in sets.items():
        assert len({pair.english for pair in pairs}) == len(pairs) == size(split)


def test_no_test_sentence_stands_in_training(sets):
    others = {"training": sets["training"] + make(3000, seed=8)}
    others |= {split: sets[split] + make(200, seed=8, split=split) for split in SPLITS[1:]}
    for language in BOTH:
        texts = [{getattr(pair, language) for pair in others[split]} for split in SPLITS]
        assert all(not a & b for a, b in itertools.combinations(texts, 2))


def test_combinations_are_unseen_and_their_parts_are_not(sets):
    seen = {joined for pair in sets["training"] + sets["validation"] for joined in pair.joined}
    parts = {word for joined in seen for word in joined}
    assert not any(phrasebook.held_out(*joined) for joined in seen)
    new = [set(pair.joined) - seen for pair in sets["combinations"]]
    assert all(new) and all(any(phrasebook.held_out(*j) for j in joined) for joined in new)
    assert {word for joined in new for pair in joined for word in pair} <= parts
    assert not any(phrasebook.held_out(*j) for pair in sets["longer"] for j in pair.joined)


def test_longer_sentences_are_longer(sets):
    for language in BOTH:
        lengths = {s: [len(words(pair, language)) for pair in pairs] for s, pairs in sets.items()}
        longer = lengths.pop("longer")
        assert min(longer) > LIMIT == max(map(max, lengths.values())) and max(longer) <= LONGEST
        assert min(map(min, lengths.values())) >= 3


def test_training_holds_every_word(sets, every):
    for language in BOTH:
        known = {word for pair in sets["training"] for word in words(pair, language)}
        assert known == set(VOCABULARY[language]) and list(VOCABULARY[language]) == sorted(known)
        assert sum(word.isalpha() for word in known) > 350
        assert {word for pair in every for word in words(pair, language)} <= known


def test_tokens_and_back(every):
    for pair, language in itertools.product(every, BOTH):
        text = getattr(pair, language)
        assert detokenize(tokenize(text), language) == text
    french = "Est-ce qu’elle s'est levée aujourd'hui, L'AMIE d'Anna ?"
    assert tokenize(french) == [
        "est-ce", "qu'", "elle", "s'", "est", "levée", "aujourd'hui", ",", "l'", "amie", "d'",
        "Anna", "?",
    ]  # fmt: skip
    english = "The boys' uncle and Anna's French cat: I know 2 zebras"
    cut = "the boys ' uncle and Anna 's French cat : I know 2 zebras"
    assert " ".join(tokenize(english)) == cut and tokenize("  ") == []
    assert detokenize([], "french") == ""
    assert detokenize(["où", "est", "l'", "eau", "?"], "french") == "Où est l'eau ?"


def test_alignments_join_every_word(every):
    for pair in every:
        english, french = words(pair, "english"), words(pair, "french")
        assert list(pair.alignment) == sorted(set(pair.alignment))
        assert {i for i, _ in pair.alignment} == set(range(len(english)))
        assert {j for _, j in pair.alignment} == set(range(len(french)))


# Written by hand, as a teacher of both languages would translate it.
BY_HAND = """
The horses sleep. = Les chevaux dorment.
The man has three keys. = L'homme a trois clés.
Her eyes are green. = Ses yeux sont verts.
His eye is brown. = Son œil est marron.
My brother reads the newspapers. = Mon frère lit les journaux.
The cakes were good. = Les gâteaux étaient bons.
The mice were under the bed. = Les souris étaient sous le lit.
The owl sees the hero. = Le hibou voit le héros.
This man sells cakes. = Cet homme vend des gâteaux.
These owls are old. = Ces hiboux sont vieux.
This school is empty. = Cette école est vide.
My mother loves my school. = Ma mère aime mon école.
His friend is tired. = Son amie est fatiguée.
My old friend left. = Ma vieille amie est partie.
The old tree is beautiful. = Le vieil arbre est beau.
Their sisters play in our garden. = Leurs sœurs jouent dans notre jardin.
The king's sister sings. = La sœur du roi chante.
Anna's cat is black. = Le chat d'Anna est noir.
The boys' hats are dirty. = Les chapeaux des garçons sont sales.
The red car is clean. = La voiture rouge est propre.
The beautiful bird sleeps. = Le bel oiseau dort.
The old hero falls. = Le vieux héros tombe.
He wears a new hat. = Il porte un nouveau chapeau.
He visits the new hotel. = Il visite le nouvel hôtel.
She buys a white dress. = Elle achète une robe blanche.
She buys small cakes. = Elle achète de petits gâteaux.
She buys brown shoes. = Elle achète des chaussures marron.
Emma finds other keys. = Emma trouve d'autres clés.
The very old school is small. = La très vieille école est petite.
The cat is as intelligent as the bird. = Le chat est aussi intelligent que l'oiseau.
Every woman works. = Chaque femme travaille.
Many children sing. = Beaucoup d'enfants chantent.
She drinks water. = Elle boit de l'eau.
She does not drink water. = Elle ne boit pas d'eau.
She loves bread. = Elle aime le pain.
She does not love bread. = Elle n'aime pas le pain.
He did not buy an orange. = Il n'a pas acheté d'orange.
He never eats meat. = Il ne mange jamais de viande.
Paul no longer wears the coat. = Paul ne porte plus le manteau.
We often go to the markets. = Nous allons souvent aux marchés.
There is a hat near the tree. = Il y a un chapeau près de l'arbre.
He was near the castle. = Il était près du château.
There were no owls in the garden. = Il n'y avait pas de hiboux dans le jardin.
Is there a cat on the table? = Est-ce qu'il y a un chat sur la table ?
I come from the market. = Je viens du marché.
The girls went to the hotel. = Les filles sont allées à l'hôtel.
Louise went to the school yesterday. = Louise est allée à l'école hier.
We eat an egg. = Nous mangeons un œuf.
You clean the red car. = Tu nettoies la voiture rouge.
I am hungry. = J'ai faim.
The queen is cold. = La reine a froid.
The soup is cold. = La soupe est froide.
She got up. = Elle s'est levée.
We get dressed. = Nous nous habillons.
The boys got up today. = Les garçons se sont levés aujourd'hui.
You are going to get up. = Tu vas te lever.
The baker was sleeping. = Le boulanger dormait.
She looks for her hat. = Elle cherche son chapeau.
He helps us. = Il nous aide.
I love you. = Je t'aime.
Marie watches him. = Marie le regarde.
Who waits for the teacher? = Qui attend le professeur ?
Where are the keys? = Où sont les clés ?
Why is Anna sad? = Pourquoi est-ce qu'Anna est triste ?
Did the nurse help the doctor? = Est-ce que l'infirmière a aidé le médecin ?
The cat sleeps because it is tired. = Le chat dort parce qu'il est fatigué.
The cow sleeps because it is tired. = La vache dort parce qu'elle est fatiguée.
Paul takes the key because he wants it. = Paul prend la clé parce qu'il la veut.
The hats are old, but they are pretty. = Les chapeaux sont vieux, mais ils sont jolis.
The bottle is small, but it is empty. = La bouteille est petite, mais elle est vide.
"""
BY_HAND = dict(line.split(" = ") for line in BY_HAND.strip().splitlines())


class Biased(random.Random):
    """Mostly chooses what the wanted words name, so that their sentence is drawn soon."""

    wanted = frozenset()

    def choice(self, options):
        fit = [option for option in options if self.wanted & self.forms(option)]
        return super().choice(fit if fit and self.random() < 0.9 else options)

    @staticmethod
    def forms(option):
        english = getattr(option, "english", None) or (option if isinstance(option, str) else "",)
        return {{"a": "an", "this": "these"}.get(english[0], english[0]), *english}


@pytest.mark.parametrize("english", BY_HAND)
def test_sentences_are_translated_as_by_hand(english):
    chosen = Biased(0)
    chosen.wanted = {"", *tokenize(english.replace("s' ", "'s "))}  # "" for no determiner
    for _ in range(30_000):
        pair = phrasebook._Sentence(chosen, detailed=False).draw()
        if pair.english == english:
            assert pair.french == BY_HAND[english]
            return
    pytest.fail("the grammar does not draw this sentence")


def test_adjectives_change_places(every):
    after = {"red": "rouge", "blue": "bleu", "happy": "heureu", "French": "français"}
    before = {"old": "vie", "small": "petit", "new": "nouve", "beautiful": "be"}
    swapped = kept = 0
    for pair in every:
        english, french = words(pair, "english"), words(pair, "french")
        partners = dict(pair.alignment)
        for i, word in enumerate(english[:-1]):
            if not any(a == word and english[i + 1] in (n, n + "s") for a, n in pair.joined):
                continue
            adjective, noun = partners[i], partners[i + 1]
            if word in after:
                assert adjective - noun in (1, 2)  # 2 with "très"
                assert french[adjective].startswith(after[word])
                swapped += 1
            elif word in before:
                assert adjective == noun - 1 and french[adjective].startswith(before[word])
                kept += 1
    assert swapped > 200 and kept > 200


FEMININE = "femme|fille|reine|vache|chèvre|voiture|chemise|robe|jupe|maison|rue|table|pomme|gare"
MASCULINE = "roi|garçon|chat|chien|cheval|lapin|chapeau|manteau|camion|vélo|jardin|gâteau|pont"
PLURAL = "ces|mes|tes|ses|nos|leurs|deux|trois|quatre|plusieurs"
WRONG = {  # what never stands in good French
    "elision left out": rf"\b(?:je|me|te|se|le|la|de|ne|que) {VOWEL}",
    "elision too much": rf"\b(?:j|m|t|s|l|d|n|qu)'(?!{VOWEL}|A|E|O)",
    "contraction left out": r"\b(?:de|à) les? ",
    "ce, ma, ta, sa before a vowel": rf"\b(?:ce|ma|ta|sa) {VOWEL}",
    "bel, vieil, nouvel, cet elsewhere": rf"\b(?:bel|vieil|nouvel|cet) (?!{VOWEL})",
    "beau, vieux before a vowel": rf"\b(?:un|le|[mts]on|ce) (?:beau|vieux|nouveau) {VOWEL}",
    "pas un": r"\b(?:pas|jamais|plus) (?:\w+(?:é|u|i|is|it|ert|eint|er|ir|re) )?une? ",
    "a plural without s": rf"\b(?:{PLURAL}) \w*[^sxz ]\b",
    "a feminine with un": rf"\b(?:un|le|du|au|ce|mon|ton|son) (?!autre )(?:\w+ )?(?:{FEMININE})\b",
    "a masculine with une": rf"\b(?:une|la|cette|ma|ta|sa) (?:\w+ )?(?:{MASCULINE})\b",
    "white": rf"\b(?:(?:{FEMININE})s? blancs?|(?:{MASCULINE})s? blanches?)\b",
    "old": rf"\b(?:vieux|vieil) (?:{FEMININE})s?\b|\bvieilles? (?:{MASCULINE})s?\b",
    "marron or orange agreeing": r"\bmarrons\b|\b(?:robe|chapeau|jupe|camion|voiture)[sx]? oranges",
    "des before an adjective": r"\b(?:a|ont|achète|mange|vend) des (?:petit|beaux|belle|vieux)",
    "être without agreement": r"\belle (?:ne )?(?:s'|n')?est (?:pas |souvent |jamais )?\w+é\b",
    "plural être without s": r"\b(?:elles|ils) (?:ne |se )*sont (?:pas |souvent |jamais )?\w+é\b",
    "se with avoir": r"\b(?:se|s') ?(?:a|ont)\b",
    "adjective after": r"\b(?:rouge|bleue?|verte?|noire?|heureuse)s? (?:chat|robe|voiture|fille)",
    "adjective before": r"\b(?:chat|robe|voiture|maison)s? (?:petite?|belle|vieille|grande?)s?\b",
    "a space too few or many": r"\w\?|  | [.,]|' ",
}
WRONG = {name: re.compile(wrong, re.IGNORECASE) for name, wrong in WRONG.items()}


@pytest.mark.parametrize("name", WRONG)
def test_french_is_without_fault(every, name):
    assert not [pair for pair in every if WRONG[name].search(pair.french)]


def test_the_faults_would_be_found():
    faulty = """Le homme dort.|L'hibou dort.|De le parc, il va au marché.|Ma amie dort.|Cet chat
    dort.|Un beau oiseau dort.|Il ne mange pas une pomme.|Ses chat dorment.|Un voiture est rouge.|
    Cette petite chien dort.|Ma robe blanc est belle.|La vieux fille dort.|Ses yeux sont marrons.|
    Elle achète des petits pains.|Elle ne s'est pas levé.|Ils ne se sont pas levé.|Il se a levé.|
    Rouge robe, tu es belle.|La voiture grande est propre.|Elle dort?"""
    texts = [" ".join(text.split()) for text in faulty.split("|")]
    for text, (name, wrong) in zip(texts, WRONG.items(), strict=True):
        assert wrong.search(text), name


def test_english_is_without_fault(every):
    for pair in every:
        assert not re.search(r"\b[Aa] [aeiouAEIOU]|\b[Aa]n [^aeiouI]|  |\bis I\b", pair.english)
        assert re.fullmatch(r"[A-Z][\w', ]+[.?]", pair.english)
        assert pair.english.endswith("?") == pair.french.endswith(" ?")


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"n": 0}, "n must be an integer of 1 or more, not 0"),
        ({"n": 2.0}, "n must be an integer of 1 or more, not 2.0"),
        ({"n": True}, "n must be an integer of 1 or more, not True"),
        ({"seed": -1}, "seed must be an integer from 0 to 4294967295, not -1"),
        ({"seed": 2**32}, "seed must be an integer from 0 to 4294967295, not 4294967296"),
        ({"seed": None}, "seed must be an integer from 0 to 4294967295, not None"),
        ({"split": "test"},
         "split must be one of training, validation, combinations, longer, not 'test'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(keywords, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        make(**({"n": 5} | keywords))


def test_pairs_are_drawn_quickly():
    began = time.process_time()
    make(2000)
    assert 2000 / (time.process_time() - began) > 2000  # pairs a second; 6000 are usual


def test_bad_texts_and_languages_are_refused():
    with pytest.raises(ValueError, match=r"^only a text can be cut into words, not \['Paul'\]$"):
        tokenize(["Paul"])
    with pytest.raises(ValueError, match=r"^language must be english or french, not 'german'$"):
        detokenize(["ja"], "german")


def test_words_of_a_kind():
    assert {"cat", "cats", "milk"} <= phrasebook.words("noun")
    assert {"red", "French"} <= phrasebook.words("adjective")
    assert not phrasebook.words("noun") & phrasebook.words("adjective")
    with pytest.raises(ValueError, match=r"^kind must be one of .*, not 'poem'$"):
        phrasebook.words("poem")
