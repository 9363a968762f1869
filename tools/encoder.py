"""The recipe of the small encoder, which stands in where the published one cannot be had.

`python -m tools.pretrain "small encoder"`. A student of two layers learns to give the vectors of
its teacher, all-MiniLM-L6-v2, in the 128 directions that hold most of them (Hinton et al. 2015;
Wang et al. 2020, arXiv:2002.10957). It reads training splits only, and no label.
"""

import json
import random
import re
import time
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import models, widgets
from helpers.data import dialogues, phrasebook, python_docs, sentences
from tools.storyteller import Made

WIDTH, LAYERS, HEADS, PLACES = 128, 2, 4, 128
PIECES = 8_000  # of the teacher's 30,522
STEPS, BATCH, RATE = 3_000, 48, 2e-3
LABELS, SEEDS = 100, 10  # the measurement: logistic regression on frozen features

CARD = """\
# Small encoder

A vector of {width} numbers for a sentence: the mean over its tokens. It stands in for the published
all-MiniLM-L6-v2 where that cannot be had: `helpers.models.source("sentence encoder")`.

- **Made by** `python -m tools.pretrain "small encoder"`, seed 0: {minutes:.1f} minutes on one CPU
  thread, of which {teacher:.1f} are the teacher's.
- **Network**: BERT, {layers} layers, {width} wide, {heads} heads; {parameters:,} weights.
  Its {pieces:,} tokens are some of its teacher's, the pieces of the texts below first.
- **Data**: {texts:,} texts: training splits of the course's sentences, conversations, Python
  documentation and English phrases, their parts, and mixtures of two sentences. No label is read.
- **Training**: {steps:,} steps of {batch} texts; the student's vector is drawn to the teacher's,
  in the teacher's {width} principal directions (1 − cosine), and so are the likenesses within a
  batch; AdamW, falling rate. Tokens begin as the teacher's, in the same manner reduced.
- **License**: as the course, code MIT, weights and this text CC BY 4.0; the teacher is under the
  Apache License 2.0.

## Accuracy with {labels} labels, percent

Logistic regression on frozen vectors of length 1, stated sentences, mean of {seeds} draws.

| task | split | teacher | small encoder | chance |
|---|---|--:|--:|--:|
{table}

Cosine with the teacher's reduced vectors, test sentences: {cosine:.3f} on average.

## Limits

- It has seen few texts. On sentences from elsewhere nothing was measured.
- Lessons that claim something about the published encoder do not judge it where this one stands in.
"""


def _pieces(text: str) -> list[str]:
    """Sentences of a paragraph, of 4 to 40 words."""
    parts = re.split(r"(?<=[.?:])\s+", text)
    return [part for part in parts if 4 <= len(part.split()) <= 40]


def texts() -> list[str]:
    """All that the student reads; no text of a validation or test split."""
    dice = random.Random(0)
    own = list(sentences.load()["train"]["text"])
    talk = [
        line.split(": ", 1)[-1]
        for dialogue in dialogues.load()["train"]["dialogue"]
        for line in dialogue.splitlines()
    ]
    prose = python_docs.load().train
    docs = [part for line in prose.splitlines() for part in _pieces(line)]
    phrases = [pair.english for pair in phrasebook.make(1_000, seed=0)]
    found = own * 2 + talk + dice.sample(docs, min(2_000, len(docs))) + phrases
    for _ in range(9_000):  # parts of sentences, and two halves joined
        a, b = (dice.choice(own if dice.random() < 0.7 else talk).split() for _ in range(2))
        cut, other = dice.randint(0, len(a)), dice.randint(0, len(b))
        found.append(" ".join(a[:cut] + b[other:]) or " ".join(a))
    return sorted({text for text in found if len(text) > 3})


def tokenizer(teacher: Any, seen: list[str]) -> tuple[Any, list[int]]:
    """The teacher's tokenizer with fewer pieces, and their numbers in the teacher's table."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    names = teacher.convert_ids_to_tokens(range(len(teacher)))
    counts = torch.zeros(len(names))
    for text in seen:
        counts[teacher(text)["input_ids"]] += 1
    signs = [i for i, name in enumerate(names) if name in teacher.all_special_tokens]
    letters = [i for i, name in enumerate(names) if len(name.removeprefix("##")) == 1 and i > 998]
    letters = [i for i in letters if names[i].isascii()]
    used = counts.nonzero()[:, 0].tolist()
    rest = [i for i in range(1_996, len(names)) if names[i].removeprefix("##").isascii()]
    kept = list(dict.fromkeys([*signs, *letters, *used, *rest]))[:PIECES]  # rest: frequent first
    kept.sort()
    numbers = {names[old]: new for new, old in enumerate(kept)}
    state = json.loads(teacher.backend_tokenizer.to_str())
    state["model"]["vocab"] = numbers
    for token in state["added_tokens"]:
        token["id"] = numbers[token["content"]]
    for name, token in state["post_processor"]["special_tokens"].items():
        token["ids"] = [numbers[name]]
    state["truncation"], state["padding"] = None, None
    small = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)), model_max_length=PLACES,
        unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
        mask_token="[MASK]",
    )  # fmt: skip
    return small, kept


def pooled(model: nn.Module, given: dict[str, torch.Tensor]) -> torch.Tensor:
    """The mean over the tokens.  -> (B, width)"""
    hidden = model(**given).last_hidden_state
    mask = given["attention_mask"][..., None].to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


@torch.inference_mode()
def vectors(model: nn.Module, reader: Any, of: list[str]) -> torch.Tensor:
    """Vectors of length 1 of all texts, in batches of like lengths, in their order."""
    order = sorted(range(len(of)), key=lambda i: len(of[i]))
    parts = [order[i : i + 64] for i in range(0, len(order), 64)]
    found = [pooled(model, given(reader, [of[i] for i in part])) for part in
             widgets.progress_bar(parts, "vectors")]  # fmt: skip
    return F.normalize(torch.cat(found))[torch.tensor(order).argsort()]


def given(reader: Any, of: list[str]) -> dict[str, torch.Tensor]:
    """Token ids and mask, padded; at most PLACES tokens."""
    found = reader(of, padding=True, truncation=True, max_length=PLACES, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}


def small_encoder(steps: int = STEPS) -> Made:
    """Teacher's vectors, student, card."""
    from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = models.source("sentence encoder")
    teacher, reader = AutoModel.from_pretrained(place).eval(), AutoTokenizer.from_pretrained(place)
    if teacher.config.hidden_size == WIDTH:
        raise RuntimeError("the small encoder cannot teach itself: the published one is needed")
    seen, began = texts(), time.process_time()
    wanted = vectors(teacher, reader, seen)
    teacher_minutes = (time.process_time() - began) / 60
    middle = wanted.mean(0)
    basis = torch.linalg.svd(wanted - middle, full_matrices=False).Vh[:WIDTH].T  # (384, width)

    def reduced(x: torch.Tensor) -> torch.Tensor:
        return F.normalize((x - middle) @ basis)

    small, kept = tokenizer(reader, seen)
    config = BertConfig(
        vocab_size=len(kept), hidden_size=WIDTH, num_hidden_layers=LAYERS, intermediate_size=512,
        num_attention_heads=HEADS, max_position_embeddings=PLACES, type_vocab_size=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=small.pad_token_id,
    )  # fmt: skip
    student = BertModel(config, add_pooling_layer=False)
    words = teacher.get_input_embeddings().weight.detach()[kept]
    own = torch.linalg.svd(words - words.mean(0), full_matrices=False).Vh[:WIDTH].T
    start = (words - words.mean(0)) @ own
    with torch.no_grad():
        student.get_input_embeddings().weight.copy_(0.5 * start / start.std())
    targets = reduced(wanted)
    ids = [
        torch.tensor(small(text, truncation=True, max_length=PLACES)["input_ids"]) for text in seen
    ]
    train(student, ids, targets, steps, small.pad_token_id)
    minutes = (time.process_time() - began) / 60
    table, cosine = measured(student.eval(), small, teacher, reader, reduced)
    card = CARD.format(
        width=WIDTH, layers=LAYERS, heads=HEADS, pieces=len(kept), minutes=minutes, table=table,
        teacher=teacher_minutes, parameters=sum(p.numel() for p in student.parameters()),
        texts=len(seen), steps=steps, batch=BATCH, labels=LABELS, seeds=SEEDS, cosine=cosine,
    )  # fmt: skip
    return Made(student, card, None, small)


def train(student: nn.Module, ids: list[torch.Tensor], targets: torch.Tensor, steps: int, pad: int):
    """Draw the student's vectors to the targets (N, width)."""
    table, others = [], []
    for name, weight in student.named_parameters():
        (table if "word_embeddings" in name else others).append(weight)
    optimizer = torch.optim.AdamW(
        [dict(params=table, lr=RATE, weight_decay=0.0), dict(params=others, lr=RATE)], fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.1
    )
    student.train()
    for _ in widgets.progress_bar(range(steps), "distillation"):
        rows = torch.randint(len(ids), (BATCH,))
        tokens = nn.utils.rnn.pad_sequence([ids[i] for i in rows.tolist()], True, pad)
        said = pooled(student, dict(input_ids=tokens, attention_mask=(tokens != pad).long()))
        said, wanted = F.normalize(said), targets[rows]
        likeness = F.mse_loss(said @ said.T, wanted @ wanted.T)
        loss = (1 - (said * wanted).sum(1)).mean() + 5 * likeness
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def measured(student, small, teacher, reader, reduced) -> tuple[str, float]:
    """Accuracy of both in all tasks, as a Markdown table; mean cosine on the test sentences."""
    from sklearn.linear_model import LogisticRegression

    stated = sentences.load().filter(lambda row: row["manner"] == "stated")
    of = {split: list(stated[split]["text"]) for split in stated}
    both = [{s: vectors(m, r, of[s]) for s in of} for m, r in ((teacher, reader), (student, small))]
    rows = []
    for task, names in sentences.LABELS.items():
        y = {s: np.array([names.index(label) for label in stated[s][task]]) for s in stated}
        scores = {(i, s): [] for i in (0, 1) for s in ("validation", "test")}
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(y["train"]))
            per_class = LABELS // len(names)
            few = np.concatenate(
                [order[y["train"][order] == c][:per_class] for c in range(len(names))]
            )
            for i, x in enumerate(both):
                fitted = LogisticRegression(max_iter=2_000).fit(x["train"][few], y["train"][few])
                for split in ("validation", "test"):
                    scores[i, split].append(fitted.score(x[split], y[split]))
        for split in ("validation", "test"):
            row = [f"{100 * np.mean(scores[i, split]):.1f}" for i in (0, 1)]
            rows.append(f"| {task} | {split} | {' | '.join(row)} | {100 / len(names):.0f} |")
    near = (both[1]["test"] * reduced(both[0]["test"])).sum(1).mean().item()
    return "\n".join(rows), near
