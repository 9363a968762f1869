"""The recipe of the translator that ships: a small T5, English to French and back.

`python -m tools.pretrain "translator"`. It learns from sentences of `helpers.data.phrasebook`,
each with its task as a prefix, and is measured on sentences that training never holds. A text is
its words and marks with spaces between them, as `phrasebook.tokenize` cuts them.
"""

import math
import random
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn

from helpers import widgets
from helpers.data import phrasebook
from tools.storyteller import Made

PREFIXES = {"to French:": ("english", "french"), "to English:": ("french", "english")}
SPARE = ("shorten:", "ask:", "new:", "other:")  # prefixes that no training sentence has
SPECIALS = ("<pad>", "<end>", "<unk>")
WORDS = sorted({word for words in phrasebook.VOCABULARY.values() for word in words})
VOCABULARY = (*SPECIALS, "to", "French:", "English:", *SPARE, *(w for w in WORDS if w != "to"))
IDS = {token: i for i, token in enumerate(VOCABULARY)}
Texts = list[tuple[str, str]]  # what goes in, with its prefix, and what is to come out

CARD = """\
# Translator

Translates short sentences of `helpers.data.phrasebook`: `to French: the cat sleeps .` and
`to English: le chat dort .`. It is the old model that lessons fine-tune, and see forget.
The lessons load it with `AutoModelForSeq2SeqLM.from_pretrained(helpers.models.folder("{role}"))`.

- **Made by** `python -m tools.pretrain "{role}"`, seed 0:
  {minutes:.1f} minutes of training on one CPU core (measuring not counted).
- **Network**: T5 configuration (gated, with the table of tokens for input and output), {layers}
  layers in each stack, {width} wide, {heads} heads; {parameters:,} weights. A token is a word or a
  mark; {vocabulary:,} of them, among them {spare} prefixes that no training sentence has.
- **Data**: `helpers.data.phrasebook`, {pairs:,} pairs of its training split, both ways.
- **Training**: {steps:,} steps of {batch} sentences; Muon (rate {lr_matrices}; {lr_queries} on
  queries and keys) on the matrices, AdamW ({lr_rest}) on the rest, falling to 0 over the last
  60 percent.
- **License**: as the course, code MIT, weights and this text CC BY 4.0.

## Measured on {n:,} sentences of each kind

Exact matches with the one right translation, greedy, percent.

| prefix | validation | combinations |
|---|--:|--:|
{table}

The curve of the training is in `log.json`.

## Limits

- It knows these words and this grammar, in sentences of at most {limit} words and marks.
- The tokenizer turns a word that it does not know into `<unk>`.
"""


def texts(pairs: list[phrasebook.Pair], prefix: str) -> Texts:
    """Pairs as input and output of one of the two directions."""
    source, target = PREFIXES[prefix]
    cut = [
        [" ".join(phrasebook.tokenize(getattr(pair, side))) for side in (source, target)]
        for pair in pairs
    ]
    return [(f"{prefix} {first}", second) for first, second in cut]


def tokenizer() -> Any:
    """The tokenizer that ships: words between spaces, and `<end>` after each text."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    fast = Tokenizer(WordLevel(IDS, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.TemplateProcessing(
        single="$A <end>", special_tokens=[("<end>", IDS["<end>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", eos_token="<end>", unk_token="<unk>",
        model_max_length=64, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def new_model(width: int = 128, layers: int = 2, heads: int = 4) -> nn.Module:
    """A model that knows nothing yet."""
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(T5Config(
        vocab_size=len(IDS), d_model=width, d_kv=width // heads, d_ff=2 * width,
        num_layers=layers, num_decoder_layers=layers, num_heads=heads, dropout_rate=0.0,
        relative_attention_num_buckets=32, relative_attention_max_distance=32,
        feed_forward_proj="gated-silu", tie_word_embeddings=True, pad_token_id=IDS["<pad>"],
        eos_token_id=IDS["<end>"], decoder_start_token_id=IDS["<pad>"],
    ))  # fmt: skip


def encode(text: str) -> list[int]:
    """The numbers of a text's words, `<end>` last."""
    return [IDS[word] for word in text.split()] + [IDS["<end>"]]


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    """Rows of different lengths as one tensor (B, T), filled up."""
    return nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, float(fill))


def batches(made: Texts, size: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of inputs (B, S) and labels (B, T) without end, of texts of like length."""
    generator = random.Random(seed)
    rows = [(encode(first), encode(second)) for first, second in made]
    while True:
        generator.shuffle(rows)
        some = 16 * size
        for i in range(0, len(rows) - len(rows) % size, some):
            near = sorted(rows[i : i + some], key=lambda row: (len(row[0]), len(row[1])))
            cut = [near[j : j + size] for j in range(0, len(near) - size + 1, size)]
            for chosen in generator.sample(cut, len(cut)):
                first, second = zip(*chosen, strict=True)
                yield padded(first, IDS["<pad>"]), padded(second, -100)


@torch.inference_mode()
def exact(model: nn.Module, made: Texts, most: int = 24) -> float:
    """The share of texts whose output is right to the last word, greedy."""
    right = 0
    for start in range(0, len(made), 250):
        part = made[start : start + 250]
        tokens = padded([encode(first) for first, _ in part], IDS["<pad>"])
        said = model.generate(
            tokens, attention_mask=(tokens != IDS["<pad>"]).long(), do_sample=False,
            num_beams=1, max_new_tokens=most,
        )  # fmt: skip
        for row, (_, wanted) in zip(said.tolist(), part, strict=True):
            row = [*row[1:], IDS["<end>"]]
            right += row[: row.index(IDS["<end>"]) + 1] == encode(wanted)
    return right / len(made)


def translator(
    steps: int = 2_200, batch: int = 64, pairs: int = 60_000, n: int = 1_000,
    lr_matrices: float = 0.02, lr_queries: float = 0.005, lr_rest: float = 0.01, every: int = 250,
    size: dict | None = None,
) -> Made:  # fmt: skip
    """The translator, its card and the log of its training. Errors: RuntimeError without Muon."""
    if not hasattr(torch.optim, "Muon"):
        raise RuntimeError(
            f"the translator is trained with torch.optim.Muon, which torch {torch.__version__} "
            "lacks: install 2.9 or newer"
        )
    model = new_model(**(size or {}))
    fresh = {
        (prefix, split): texts(phrasebook.make(n, seed=0, split=split), prefix)
        for prefix in PREFIXES for split in ("validation", "combinations")
    }  # fmt: skip
    drawn = phrasebook.make(pairs, seed=0)
    draw = batches([text for prefix in PREFIXES for text in texts(drawn, prefix)], batch, seed=0)
    tables = ("shared", "relative_attention_bias")
    groups: dict[str, list] = {"queries": [], "matrices": [], "rest": []}
    for name, weight in model.named_parameters():
        if weight.ndim != 2 or any(table in name for table in tables):
            groups["rest"].append(weight)
        else:  # T5 does not divide its scores by √d: queries and keys get a smaller rate
            groups["queries" if name.endswith((".q.weight", ".k.weight")) else "matrices"].append(
                weight
            )
    still = dict(momentum=0.95, weight_decay=0.0)
    optimizers = [
        torch.optim.Muon(groups["matrices"], lr=lr_matrices, **still),
        torch.optim.Muon(groups["queries"], lr=lr_queries, **still),
        torch.optim.AdamW(groups["rest"], lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    rates = (lr_matrices, lr_queries, lr_rest)
    log, losses, began, measuring = [], [], time.process_time(), 0.0
    for step in widgets.progress_bar(range(1, steps + 1), "translator"):
        share = min(step / 30, (1 - step / (steps + 1)) / 0.6, 1)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        tokens, labels = next(draw)
        loss = model(tokens, attention_mask=(tokens != IDS["<pad>"]).long(), labels=labels).loss
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
        if step % every == 0 or step == steps:
            paused = time.process_time()
            row = {"step": step, "seconds": round(paused - began - measuring, 1)}
            row["loss"] = round(math.fsum(losses[-every:]) / len(losses[-every:]), 4)
            for prefix in PREFIXES:
                row[prefix] = round(exact(model, fresh[prefix, "validation"][:200]), 3)
            log.append(row)
            measuring += time.process_time() - paused
            print(row, flush=True)
    model.eval()
    shares = {key: 100 * exact(model, made) for key, made in fresh.items()}
    table = "\n".join(
        f"| `{prefix}` | {shares[prefix, 'validation']:.1f} "
        f"| {shares[prefix, 'combinations']:.1f} |"
        for prefix in PREFIXES
    )
    config = model.config
    card = CARD.format(
        role="translator", minutes=log[-1]["seconds"] / 60, layers=config.num_layers,
        width=config.d_model, heads=config.num_heads, vocabulary=len(IDS), spare=len(SPARE),
        parameters=sum(p.numel() for p in model.parameters()), pairs=pairs, steps=steps,
        batch=batch, lr_matrices=lr_matrices, lr_queries=lr_queries, lr_rest=lr_rest, n=n,
        table=table, limit=phrasebook.LIMIT,
    )  # fmt: skip
    return Made(model, card, log, tokenizer())
