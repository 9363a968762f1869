"""Measure the ways of fine-tuning of lesson 3.05: `python -m tools.adapters`.

Each run takes the sentence encoder, draws 300 labeled sentences from the training split, trains one
way for 36 steps, and counts right answers. Sentences and batches depend on the seed alone, so runs
of one seed can be compared in pairs. The learning rate of a way is the best of three on the
validation split, over eight seeds that are not used again (with three, a rate on the edge of what
LoRA bears looked best); only then come the runs on the test split.
The rows go to data/adapters.json, one after the other: an interrupted command, given again, goes on
where it was; rows of other settings are measured anew. One thread, about half an hour of one free
core. `--again` measures everything anew.
"""

import argparse
import copy
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import models, session, widgets
from helpers.data import sentences

TABLE = session.ROOT / "data" / "adapters.json"
N_LABELED, STEPS, BATCH = 300, 36, 16
HEAD_LR = 1e-2  # of the head beside other trained weights
TUNING_SEEDS = range(10, 18)  # of the runs that choose a learning rate
SIGNS = ("negative", "positive")


class Classifier(nn.Module):
    """The encoder, the mean of its outputs, and a linear head that begins at zero."""

    def __init__(self, encoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.config.hidden_size, classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(B, T), (B, T) -> logits (B, classes)"""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        mask = attention_mask[..., None].float()
        return self.head((hidden.last_hidden_state * mask).sum(1) / mask.sum(1))


class LoRA(nn.Module):
    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T


class Bottleneck(nn.Module):
    def __init__(self, base: nn.Linear, width: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.out_features, width)
        self.up = nn.Linear(width, base.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.base(x)
        return h + self.up(F.gelu(self.down(h)))


class Prefix(nn.Module):
    """An attention layer of BERT with `length` learned keys and values before those of the text."""

    def __init__(self, base: nn.Module, length: int) -> None:
        super().__init__()
        self.base = base
        shape = (base.num_attention_heads, length, base.attention_head_size)
        self.keys, self.values = (nn.Parameter(0.5 * torch.randn(shape)) for _ in range(2))

    def forward(
        self, x: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> tuple[torch.Tensor, None]:
        names, heads = ("query", "key", "value"), self.base.num_attention_heads
        parts = (getattr(self.base, n)(x).unflatten(-1, (heads, -1)) for n in names)
        q, k, v = (part.transpose(1, 2) for part in parts)  # (B, H, T, D)
        k = torch.cat([self.keys.expand(len(x), -1, -1, -1), k], dim=2)
        v = torch.cat([self.values.expand(len(x), -1, -1, -1), v], dim=2)
        if attention_mask is not None:
            length = self.keys.shape[1]
            attention_mask = F.pad(attention_mask, (length, 0), value=attention_mask.max())
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attention_mask)
        return mixed.transpose(1, 2).flatten(2), None


class Prompted(nn.Module):
    """A classifier that puts `length` learned vectors before the words of each text."""

    def __init__(self, model: Classifier, length: int) -> None:
        super().__init__()
        self.model, table = model, model.encoder.get_input_embeddings().weight
        first = torch.randint(1996, 10_000, (length,))  # ordinary words of the vocabulary
        self.prompt = nn.Parameter(table[first].detach().clone())

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        length = len(self.prompt)
        words = self.model.encoder.get_input_embeddings()(input_ids)
        x = torch.cat([self.prompt.expand(len(words), -1, -1), words], dim=1)
        seen = F.pad(attention_mask, (length, 0), value=1)
        hidden = self.model.encoder(inputs_embeds=x, attention_mask=seen).last_hidden_state
        mask = attention_mask[..., None].float()
        return self.model.head((hidden[:, length:] * mask).sum(1) / mask.sum(1))


# ---------------------------------------------------------------- the ways

Change = Callable[[Classifier], nn.Module]
MATRICES = ("query", "key", "value", "dense")  # every linear layer of the encoder


def lora(rank: int, alpha: float | None = None) -> Change:
    """LoRA on every matrix. Without alpha it grows with the root of the rank; 8 at rank 4."""
    alpha = alpha or 4 * rank**0.5

    def change(model: Classifier) -> nn.Module:
        for layer in model.encoder.encoder.layer:
            for name, part in [*layer.named_modules()]:
                if isinstance(part, nn.Linear) and name.split(".")[-1] in MATRICES:
                    parent = layer.get_submodule(name.rpartition(".")[0])
                    setattr(parent, name.split(".")[-1], LoRA(part, rank, alpha))
        return model

    return change


def adapters(width: int) -> Change:
    def change(model: Classifier) -> nn.Module:
        for layer in model.encoder.encoder.layer:
            for part in (layer.attention.output, layer.output):
                part.dense = Bottleneck(part.dense, width)
        return model

    return change


def prefix(length: int) -> Change:
    def change(model: Classifier) -> nn.Module:
        for layer in model.encoder.encoder.layer:
            layer.attention.self = Prefix(layer.attention.self, length)
        return model

    return change


def unfrozen(word: str) -> Change:
    def change(model: Classifier) -> nn.Module:
        for name, weight in model.encoder.named_parameters():
            weight.requires_grad_(word in name and "pooler" not in name)
        return model

    return change


class Way(NamedTuple):
    """How the model is changed, rates to choose from (or whose rate it takes), and its seeds."""

    change: Change
    rates: tuple[float, ...] | str
    seeds: int = 5


WAYS = {
    "head only": Way(lambda model: model, (0.03, 0.1, 0.3)),
    "full": Way(unfrozen(""), (3e-5, 1e-4, 3e-4)),
    "BitFit": Way(unfrozen("bias"), (2e-3, 6e-3, 2e-2)),
    "adapters": Way(adapters(16), (1e-3, 3e-3, 1e-2)),
    "prefix": Way(prefix(8), (1e-2, 3e-2, 0.1)),
    "prompt": Way(lambda model: Prompted(model, 8), (1e-2, 3e-2, 0.1)),
    "LoRA r=4": Way(lora(4), (1e-3, 3e-3, 1e-2)),
    "LoRA r=1": Way(lora(1), "LoRA r=4", 3),
    "LoRA r=2": Way(lora(2), "LoRA r=4", 3),
    "LoRA r=8": Way(lora(8), "LoRA r=4", 3),
    "LoRA r=16": Way(lora(16), "LoRA r=4", 3),
    "LoRA r=4, rate of full": Way(lora(4), "full", 2),
    "full, rate of LoRA": Way(unfrozen(""), "LoRA r=4", 2),
    "LoRA r=4, alpha 128": Way(lora(4, 128), "LoRA r=4", 2),
}


# ---------------------------------------------------------------- one run


def measure(
    encoder: nn.Module, data: dict[str, Any], split: str, way: str, lr: float, seed: int
) -> dict[str, Any]:
    """Train one way with one seed, and test it on a split; its row of the table."""
    session.set_seed(seed)
    model = WAYS[way].change(Classifier(copy.deepcopy(encoder), classes=2))
    model.eval()  # dropout stays off, as in the lesson
    added = [w for n, w in model.named_parameters() if w.requires_grad and "head" not in n]
    head = [w for n, w in model.named_parameters() if "head" in n]
    groups = [{"params": head, "lr": HEAD_LR if added else lr}]
    groups += [{"params": added, "lr": lr}] if added else []
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    draws, part = torch.Generator().manual_seed(seed), data["train"]  # whatever was drawn before
    chosen = torch.randperm(len(part["labels"]), generator=draws)[:N_LABELED]
    for _ in range(STEPS):
        rows = chosen[torch.randint(N_LABELED, (BATCH,), generator=draws)]
        loss = F.cross_entropy(model(*batch(part, rows)), part["labels"][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return dict(
        way=way, split=split, seed=seed, lr=lr, labels=N_LABELED, steps=STEPS,
        tested=len(data[split]["labels"]), trained=sum(w.numel() for w in added),
        right=right_answers(model, data[split]),
    )  # fmt: skip


def batch(part: dict[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask of some rows, cut to the longest of them.  (B,) -> (B, T), (B, T)"""
    longest = int(part["mask"][rows].sum(1).max())
    return part["tokens"][rows, :longest], part["mask"][rows, :longest]


@torch.inference_mode()
def right_answers(model: nn.Module, part: dict[str, Any]) -> int:
    """How many rows the model answers right; rows of like length together, which is faster."""
    order = part["mask"].sum(1).argsort()
    return sum(
        int((model(*batch(part, rows)).argmax(1) == part["labels"][rows]).sum())
        for rows in order.split(64)
    )


def prepared() -> dict[str, dict[str, Any]]:
    """The stated sentences of the training and the test split as tokens, masks and labels."""
    from transformers import AutoTokenizer

    tokenizer, data = AutoTokenizer.from_pretrained(models.source("sentence encoder")), {}
    for split, rows in sentences.load().items():
        rows = [row for row in rows if row["manner"] == "stated"]
        given = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
        labels = torch.tensor([SIGNS.index(row["sentiment"]) for row in rows])
        data[split] = dict(tokens=given.input_ids, mask=given.attention_mask, labels=labels)
    return data


def save(rows: list[dict[str, Any]]) -> None:
    """Write the table in the order of WAYS, in one go."""
    order = [*WAYS]
    rows.sort(key=lambda row: (row["split"], order.index(row["way"]), row["seed"], row["lr"]))
    new = TABLE.with_suffix(".tmp")
    text = ",\n".join(json.dumps(row) for row in rows)
    new.write_text(f"[\n{text}\n]\n", encoding="utf-8", newline="\n")
    new.replace(TABLE)


def best_rate(rows: list[dict[str, Any]], way: str) -> float:
    """The rate with the most right answers on the validation split, over the seeds; of equal ones
    the smaller."""
    right: Counter[float] = Counter()
    for row in rows:
        if row["split"] == "validation" and row["way"] == way:
            right[row["lr"]] += row["right"]
    return max(right, key=lambda lr: (right[lr], -lr))


def main(arguments: list[str] | None = None) -> int:
    """Measure what the table lacks; write it after every run."""
    parser = argparse.ArgumentParser(prog="adapters", description=__doc__.split("\n")[0])
    parser.add_argument("--again", action="store_true", help="forget what is measured already")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    encoder = AutoModel.from_pretrained(models.source("sentence encoder")).requires_grad_(False)
    data = prepared()
    old = [] if options.again or not TABLE.exists() else json.loads(TABLE.read_text("utf-8"))
    keys = ("split", "way", "lr", "seed", "labels", "steps")
    known = {tuple(row.get(k) for k in keys): row for row in old if row["way"] in WAYS}
    rows: list[dict[str, Any]] = []

    def need(split: str, way: str, lr: float, seed: int) -> None:
        key = (split, way, lr, seed, N_LABELED, STEPS)
        if key not in known:
            known[key] = measure(encoder, data, split, way, lr, seed)
            save([row for k, row in known.items() if k[4:] == key[4:]])
        rows.append(known[key])

    tuned = {way: w.rates for way, w in WAYS.items() if not isinstance(w.rates, str)}
    tries = [(w, lr, seed) for w, rates in tuned.items() for lr in rates for seed in TUNING_SEEDS]
    for way, lr, seed in widgets.progress_bar(tries, "rates"):
        need("validation", way, lr, seed)
    chosen = {way: best_rate(rows, way if way in tuned else w.rates) for way, w in WAYS.items()}
    runs = [(way, seed) for seed in range(5) for way, w in WAYS.items() if seed < w.seeds]
    runs.sort(key=lambda pair: pair[0] not in tuned)  # what carries most comes first
    for way, seed in widgets.progress_bar(runs, "tests"):
        need("test", way, chosen[way], seed)
    save(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
