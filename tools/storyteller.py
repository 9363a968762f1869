"""The recipes of the two storytellers that ship: a base model, and one that follows instructions.

`python -m tools.pretrain "storyteller"`, then `… "instructed storyteller"`, which goes on from the
first. Both learn from stories drawn anew: no whole one is seen twice, and none of those that
measure is seen in training. Single sentences recur, for the world is small. Each recipe also
returns the log of its training, from which lessons draw.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import models, widgets
from helpers.data import stories

SUMS = ("step", "tokens", "seconds")  # what a log counts from its beginning
IDS = {token: i for i, token in enumerate(stories.VOCABULARY)}
Row = tuple[list[int], list[float]]  # tokens, and how much each one counts in the loss

CARD = """\
# {title}

{what}
The lessons load it with `from_pretrained(helpers.models.folder("{role}"))`.

- **Made by** `python -m tools.pretrain "{role}"`, seed 0:
  {minutes:.0f} minutes of training on one CPU core (measuring not counted).
- **Network**: Qwen3 configuration (the block of Llama with normalized queries and keys), {layers}
  layers, {width} wide, {heads} heads; {parameters:,} weights. A token is a word or a mark of
  `stories.VOCABULARY`.
- **Data**: {data}
- **Training**: {training}
- **License**: as the course, code MIT, weights and this text CC BY 4.0.

## Measured on {n:,} fresh stories

{table}

The curve of the training is in `log.json`.

## Limits

{limits}
- The tokenizer turns a word that it does not know into `<pad>` and does not say so.
"""


class Made(NamedTuple):
    """What a recipe makes: a model, its card, perhaps the log of its training and a tokenizer."""

    model: nn.Module
    card: str
    log: list[dict] | None = None
    tokenizer: Any = None


# ---------------------------------------------------------------- texts as rows of tokens


def encode(text: str) -> list[int]:
    """The numbers of a text's tokens."""
    return [IDS[token] for token in stories.tokenize(text)]


def plain(story: stories.Story, generator: random.Random) -> Row:
    """A story as it is: `<story> … <end>`."""
    ids = encode(f"<story> {story.text} <end>")
    return ids, [0.0] + [1.0] * (len(ids) - 1)


def joined(*parts: tuple[str, float]) -> Row:
    """A row of texts, each with its weight in the loss."""
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in parts:
        tokens = encode(text)
        ids += tokens
        weights += [weight] * len(tokens)
    return ids, weights


def scene(generator: random.Random, people: int) -> tuple[str, list[tuple[str, str, str]]]:
    """Six toys and some people in plain sentences without a story, and facts about them.

    A fact is what it is about, a question and the answer. Without people all toys lie somewhere,
    and the facts are their colors only. Each color is drawn anew, so that one of them is often
    there twice or more: to guess that one is a first step for a model that cannot yet tell toys
    apart, and none can be inferred from those of the others.
    """
    toys = generator.sample(stories.TOYS, 6)
    colors = generator.choices(stories.COLORS, k=6)
    free = generator.sample(list(stories.NAMES), people)
    where = {who: generator.choice(list(stories.PLACES)) for who in free}
    sentences = [f"{who} was {stories.at(place)}." for who, place in where.items()]
    facts = [(who, f"Where is {who}?", stories.at(place)) for who, place in where.items()]
    for toy, color in zip(toys, colors, strict=True):
        look, place = generator.choice(stories.LOOKS), generator.choice(list(stories.PLACES))
        thing, holder = f"{stories.with_article(look)} {color} {toy}", "nobody"
        if free and generator.random() < 0.5:
            holder = free.pop()
            place = where[holder]
            sentences.append(f"{holder} had {thing}.")
        else:
            sentences.append(f"{thing.capitalize()} lay {stories.at(place)}.")
        facts.append((toy, f"What color is the {toy}?", color))
        if people:
            facts.append((toy, f"Where is the {toy}?", stories.at(place)))
            facts.append((toy, f"Who has the {toy}?", holder))
    generator.shuffle(sentences)
    return " ".join(sentences), facts


def looked_up(generator: random.Random, people: int) -> Row:
    """A scene, a list of facts of one kind, most of them more than once, and questions.

    The list gives a fact in a word, `kite red. ball blue.`, so that each is a reason to look up.
    """
    text, facts = scene(generator, people)
    mixed = list(facts)
    generator.shuffle(mixed)
    kind = generator.choice(("What", "Who", "Where")) if people else "What"
    parts = [("<story>", 0.0), (text, 0.0), ("<question>", 0.0)]
    for subject, _, answer in generator.choices(
        [fact for fact in facts if fact[1].startswith(kind)], k=12 if people else 14
    ):
        parts += [(subject, 0.0), (answer.split()[-1], 1.0), (".", 0.0)]
    for _, question, answer in mixed[: 4 if people else 3]:
        parts += [(f"<question> {question} <answer>", 0.0), (f"{answer}.", 1.0)]
    return joined(*parts)


def asked(story: stories.Story, generator: random.Random, most: int = 9) -> Row:
    """A story, more often only its beginning, and questions: `<question> … <answer> … .`"""
    after = generator.randint(2, len(story.sentences))
    if generator.random() < 0.3:
        after = len(story.sentences)
    pairs = stories.questions(story, after=after)
    parts = [("<story>", 0.0), (" ".join(story.sentences[:after]), 0.3)]
    for question, answer in generator.sample(pairs, min(most, len(pairs))):
        parts += [(f"<question> {question} <answer>", 0.0), (f"{answer}.", 1.0)]
    return joined(*parts)


def summed_up(story: stories.Story, generator: random.Random) -> Row:
    """A story and its headline: `<story> … <headline> … <end>`."""
    return joined(
        ("<story>", 0.0), (story.text, 0.3), ("<headline>", 0.0), (f"{story.headline} <end>", 1.0)
    )


def corrected(story: stories.Story, generator: random.Random) -> Row:
    """Sentences with a mistake, and without: `<correct> … <answer> …`"""
    parts = []
    for sentence in generator.sample(story.sentences, min(6, len(story.sentences))):
        wrong = mistaken(sentence, generator)
        parts += [(f"<correct> {wrong} <answer>", 0.0), (sentence, 1.0)]
    return joined(*parts)


def mistaken(sentence: str, generator: random.Random) -> str:
    """A sentence with one mistake: an article, a preposition, a word twice, or two words swapped.

    One in ten stays as it is, lest a model learn to change what is right.
    """
    words = stories.tokenize(sentence)
    if generator.random() < 0.1:
        return sentence
    articles = [i for i, word in enumerate(words) if word in ("a", "an", "A", "An")]
    prepositions = [
        i for i, word in enumerate(words[:-2])
        if word in ("in", "at", "on") and words[i + 2] in stories.PLACES
    ]  # fmt: skip
    kind = generator.choice(["twice", "swapped"] + ["article"] * (2 * bool(articles))
                            + ["preposition"] * (2 * bool(prepositions)))  # fmt: skip
    if kind == "article":
        place = generator.choice(articles)
        words[place] = {"a": "an", "an": "a", "A": "An", "An": "A"}[words[place]]
    elif kind == "preposition":
        place = generator.choice(prepositions)
        words[place] = generator.choice(sorted({"in", "at", "on"} - {words[place]}))
    elif kind == "twice":
        place = generator.randrange(len(words) - 1)
        words.insert(place, words[place])
    else:
        place = generator.randrange(len(words) - 2)  # no story has a word twice running
        words[place : place + 2] = words[place + 1], words[place]
    return stories.detokenize(words)


def batches(row: Callable[[stories.Story, random.Random], Row], size: int, seed: int) -> Iterator:
    """Batches of tokens (B, T) and weights (B, T) without end, of rows of like length."""
    generator = random.Random(seed)
    while True:
        told = stories.make(32 * size, seed=generator.randrange(2**20, 2**32))
        rows = sorted((row(story, generator) for story in told), key=lambda made: len(made[0]))
        cut = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        for chosen in generator.sample(cut, len(cut)):
            yield padded(chosen)


def lists(people: int, size: int, seed: int) -> Iterator:
    """Batches of rows of `looked_up` without end, of all lengths.

    Were they of like length, a batch would hold one kind of fact, and training jump to and fro.
    """
    generator = random.Random(seed)
    while True:
        yield padded([looked_up(generator, people) for _ in range(size)])


def padded(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of different lengths as tokens (B, T) and weights (B, T), 0 where nothing stands."""
    longest = max(len(ids) for ids, _ in rows)
    fill = [(ids + [0] * (longest - len(ids)), w + [0.0] * (longest - len(w))) for ids, w in rows]
    return torch.tensor([ids for ids, _ in fill]), torch.tensor([w for _, w in fill])


# ---------------------------------------------------------------- training


def surprise(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """−log p of each token but the first, nats.  (B, T) -> (B, T − 1)"""
    logits = model(tokens[:, :-1]).logits
    flat = F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
    return flat.view(tokens[:, 1:].shape)


def train(
    model: nn.Module, draw: Iterator, steps: int, measure: Callable[[], dict], every: int,
    lr_matrices: float, lr_rest: float, label: str, decay: float = 0.4,
) -> list[dict]:  # fmt: skip
    """Train in place: Muon on the matrices, AdamW on the rest; returns the log.

    Errors: RuntimeError if this torch has no Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise RuntimeError(
            f"a storyteller is trained with torch.optim.Muon, which torch {torch.__version__} "
            "lacks: install 2.9 or newer"
        )
    inner = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    chosen = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(inner, lr=lr_matrices, momentum=0.95, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=lr_rest, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rates, log, seen, began, measuring = (lr_matrices, lr_rest), [], 0, time.process_time(), 0.0
    for step in widgets.progress_bar(range(1, steps + 1), label):
        share = min(step / 50, (1 - step / (steps + 1)) / decay, 1)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        tokens, weights = next(draw)
        loss = (surprise(model, tokens) * weights[:, 1:]).sum() / weights[:, 1:].sum()
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        seen += int((tokens != 0).sum())
        if step % every == 0 or step == steps:
            paused = time.process_time()
            row = {"step": step, "tokens": seen, "seconds": round(paused - began - measuring, 1)}
            log.append(row | {name: round(value, 4) for name, value in measure().items()})
            measuring += time.process_time() - paused
            print(log[-1], flush=True)
    return log


@torch.inference_mode()
def excess(model: nn.Module, told: list[stories.Story]) -> float:
    """Bits per token above the exact floor, on these stories; `<end>` counts as a token."""
    training = model.training
    model.eval()
    total = 0.0
    for start in range(0, len(told), 100):
        tokens, weights = padded([plain(s, random.Random(0)) for s in told[start : start + 100]])
        total += (surprise(model, tokens) * weights[:, 1:]).sum().item()
    model.train(training)
    least = -sum(story.log_prob for story in told)
    return (total - least) / math.log(2) / sum(len(encode(s.text)) + 1 for s in told)


def kind_of(question: str) -> str:
    """What a question is about, in a word."""
    first = question.split()[0]
    if first == "Where":
        return "place of a toy" if " the " in question else "place of a person"
    return {"Who": "holder of a toy", "What": "color of a toy"}[first]


@torch.inference_mode()
def right(model: nn.Module, prompts: list[str], wanted: list[str]) -> list[bool]:
    """Whether a model that answers greedily gives exactly the wanted text after each prompt."""
    training = model.training
    model.eval()
    rows = [(encode(p), encode(w)) for p, w in zip(prompts, wanted, strict=True)]
    good = [False] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    for start in range(0, len(order), 100):
        part = order[start : start + 100]
        tokens, _ = padded([(p + w, [0.0] * len(p + w)) for p, w in (rows[i] for i in part)])
        best = model(tokens).logits.argmax(dim=-1)  # with right tokens before, as greedy has them
        for i, line in zip(part, best, strict=True):
            p, w = rows[i]
            good[i] = line[len(p) - 1 : len(p) + len(w) - 1].tolist() == w
    model.train(training)
    return good


def answers(model: nn.Module, told: list[stories.Story]) -> dict[str, float]:
    """The share of right answers by kind of question, two a whole story, and of all."""
    generator = random.Random(1)
    prompts, wanted, kinds = [], [], []
    for story in told:
        for question, answer in generator.sample(stories.questions(story), 2):
            prompts.append(f"<story> {story.text} <question> {question} <answer>")
            wanted.append(f"{answer}.")
            kinds.append(kind_of(question))
    good = right(model, prompts, wanted)
    shares = {
        kind: sum(g for g, k in zip(good, kinds, strict=True) if k == kind) / kinds.count(kind)
        for kind in sorted(set(kinds))
    }
    return {"all": sum(good) / len(good), **shares}


def lookups(model: nn.Module, n: int, people: int) -> float:
    """The share of right answers to questions about n scenes, one each."""
    generator, prompts, wanted = random.Random(3), [], []
    for _ in range(n):
        text, facts = scene(generator, people)
        _, question, answer = generator.choice(facts)
        prompts.append(f"<story> {text} <question> {question} <answer>")
        wanted.append(f"{answer}.")
    return sum(right(model, prompts, wanted)) / n


def headlines(model: nn.Module, told: list[stories.Story]) -> float:
    """The share of stories whose headline is exactly right."""
    prompts = [f"<story> {story.text} <headline>" for story in told]
    return sum(right(model, prompts, [f"{story.headline} <end>" for story in told])) / len(told)


def corrections(model: nn.Module, told: list[stories.Story]) -> float:
    """The share of sentences, one a story, that are corrected exactly."""
    generator = random.Random(2)
    chosen = [generator.choice(story.sentences) for story in told]
    prompts = [f"<correct> {mistaken(s, generator)} <answer>" for s in chosen]
    return sum(right(model, prompts, chosen)) / len(told)


# ---------------------------------------------------------------- the two models


def tokenizer():
    """The tokenizer that both models ship with: a token is a word or a mark of the vocabulary."""
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    fast = Tokenizer(WordLevel(IDS, unk_token="<pad>"))
    pieces = pre_tokenizers.Split(Regex(r"<\w+>|\w+|[^\w\s]"), "removed", invert=True)
    fast.pre_tokenizer = pieces
    fast.decoder = decoders.WordPiece(prefix="##", cleanup=True)  # spaces, but not before marks
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", bos_token="<story>", eos_token="<end>",
        additional_special_tokens=list(stories.SPECIALS[2:-1]), model_max_length=512,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def new_model(width: int = 128, layers: int = 4, heads: int = 4) -> nn.Module:
    """A model that knows nothing yet."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(
        vocab_size=len(IDS), hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads, head_dim=width // heads,
        intermediate_size=width * 8 // 3 // 16 * 16, max_position_embeddings=512,
        rope_theta=1000.0, tie_word_embeddings=True, bos_token_id=IDS["<story>"],
        eos_token_id=IDS["<end>"], pad_token_id=IDS["<pad>"],
    ))  # fmt: skip


def card(model: nn.Module, log: list[dict], **words: object) -> str:
    """The card of a model."""
    config = model.config
    return CARD.format(
        minutes=log[-1]["seconds"] / 60,
        parameters=sum(p.numel() for p in model.parameters()),
        layers=config.num_hidden_layers, width=config.hidden_size,
        heads=config.num_attention_heads, **words,
    )  # fmt: skip


def storyteller(steps: int = 4_000, batch: int = 32, n: int = 2_000) -> Made:
    """The base model: it goes on with stories."""
    model, check = new_model(), stories.make(min(n, 500), seed=7)
    log = train(
        model, batches(plain, batch, 0), steps, lambda: {"excess": excess(model, check)},
        max(1, steps // 40), 0.02, 4e-3, "storyteller",
    )  # fmt: skip
    return Made(model, storyteller_card(model, log, steps, batch, n), log, tokenizer())


def storyteller_card(model: nn.Module, log: list[dict], steps: int, batch: int, n: int) -> str:
    """The card of the base model, measured anew."""
    fresh = stories.make(n, seed=8)
    words = sum(len(encode(story.text)) for story in fresh)
    # Per token with `<end>`, as `excess`; the error nearly so, since stories are of like length.
    floor, error = (words / (words + n) * bits for bits in stories.floor(fresh))
    table = (
        "| | bits per token, `<end>` counted |\n|---|--:|\n"
        f"| exact floor (standard error {error:.4f}) | {floor:.4f} |\n"
        f"| above the floor | {excess(model, fresh):.4f} |"
    )
    return card(
        model, log, title="Storyteller", role="storyteller", n=n, table=table,
        what="Goes on with stories of the world of `helpers.data.stories`.",
        data=f"`helpers.data.stories`, {log[-1]['tokens']:,} tokens, every story drawn anew.",
        training=f"{steps:,} steps of {batch} stories; Muon (rate 0.02) on the matrices, AdamW "
        "(0.004) on\n  the rest, falling to 0 over the last 40 percent.",
        limits="- It knows these words and this world and nothing else.\n- A story it tells is not "
        "always consistent: `stories.read` says where it goes wrong.",
    )  # fmt: skip


@torch.no_grad()
def shrunk(model: nn.Module) -> nn.Module:
    """The same model, in place, with smaller matrices: it forgets a little and learns faster.

    Muon changes a matrix by about as much whatever its size, so large matrices turn slowly. After
    Ash and Adams 2020, On warm-starting neural network training, arXiv:1910.08475. Queries and
    keys are normalized, so that the size of their matrices means nothing else.
    """
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            weight *= 0.1 if "q_proj" in name or "k_proj" in name else 0.2
    return model


def instructed(
    steps: tuple[int, int, int] = (300, 400, 1_500), batch: int = 32, n: int = 2_000
) -> Made:
    """The same model, taught to follow three instructions."""
    model = shrunk(models.load("storyteller").train().requires_grad_(True))
    check, log = stories.make(min(n, 300), seed=9), []

    def mixed(story: stories.Story, generator: random.Random) -> Row:
        makers = (asked, summed_up, corrected, None)
        make = generator.choices(makers, (0.6, 0.15, 0.15, 0.1))[0]
        return make(story, generator) if make else looked_up(generator, people=4)

    def measure() -> dict[str, float]:
        bare, full = (lookups(model, len(check), people) for people in (0, 4))
        return answers(model, check) | {"color in a bare scene": bare, "any in a scene": full}

    rounds = {  # name -> texts, steps between looks, share of steps over which rates fall to 0
        "bare scenes": (lists(0, batch, 5), 25, 0.2),
        "scenes": (lists(4, batch, 5), 25, 0.2),
        "stories": (batches(mixed, batch, 4), 50, 0.4),
    }
    for (name, (draw, every, decay)), length in zip(rounds.items(), steps, strict=True):
        last = log[-1] if log else {}
        made = train(
            model, draw, length, measure, min(length, every), 0.02, 4e-3,
            f"instructed storyteller: {name}", decay,
        )  # fmt: skip
        log += [
            {"round": name} |
            {key: round(value + last.get(key, 0), 1) if key in SUMS else value
             for key, value in row.items()}
            for row in made
        ]  # fmt: skip
    return Made(model, instructed_card(model, log, steps, batch, n), log, tokenizer())


def instructed_card(
    model: nn.Module, log: list[dict], steps: tuple[int, int, int], batch: int, n: int
) -> str:
    """The card of the model that follows instructions, measured anew."""
    fresh = stories.make(n, seed=10)
    shares = answers(model, fresh)
    scenes = max(row["tokens"] for row in log if row["round"] != "stories")
    rows = [f"| question: {kind} | {100 * share:.1f} |" for kind, share in shares.items()]
    rows += [f"| headline | {100 * headlines(model, fresh):.1f} |",
             f"| correction of a sentence | {100 * corrections(model, fresh):.1f} |"]  # fmt: skip
    return card(
        model, log, title="Instructed storyteller", role="instructed storyteller", n=n,
        table="\n".join(["| instruction | exactly right, percent |", "|---|--:|", *rows]),
        what="The storyteller, taught to answer questions about a story (`<question> … <answer>`), "
        "to sum it up\n(`<headline>`) and to correct a sentence (`<correct> … <answer>`).",
        data=f"{log[-1]['tokens']:,} tokens, all drawn anew: {scenes:,} of scenes that "
        "`tools/storyteller.py`\n  makes, then stories of `helpers.data.stories` and more scenes.",
        training=f"from the storyteller, its matrices shrunk; {steps[0]:,} steps of {batch} plain "
        f"scenes with lists\n  of the colors of six toys, {steps[1]:,} of scenes with people and "
        f"lists of holders and places, too,\n  then {steps[2]:,} of stories (questions 60 percent, "
        "headlines 15, corrections 15, scenes 10). The words\n  of a story count 0.3 in the loss, "
        "answers 1, questions 0; rates as the storyteller's, in each\n  round anew.",
        limits="- It knows three instructions, in exactly these forms, and the words of the story "
        "world.\n- Asked what a story does not say, it makes something up.\n- Two questions a "
        "story; whole stories; the answer must agree word for word.\n- The stories are fresh, but "
        "single sentences recur, since the world is small: most of those to be\n  corrected stood "
        "in stories of the training, too.",
    )  # fmt: skip


def as_json(log: list[dict]) -> str:
    """The log, one row a line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in log) + "\n]\n"
