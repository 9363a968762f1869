"""Measure accuracy against labels for lesson 4 of Day 3: `python -m tools.transfer`.

Five ways to learn sentiment, five numbers of labels, five seeds each: every run draws its own
labels and is judged on all stated test sentences. The result is data/transfer.json, from which the
lesson draws. About 19 minutes on one busy CPU core. Broken off, it goes on where it stopped;
`--again` begins anew.
"""

import argparse
import json
import platform
import sys
import time
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import models, session, widgets
from helpers.data import sentences

FILE = session.ROOT / "data" / "transfer.json"
LABELS = (8, 32, 100, 320, 800)
SEEDS = range(5)
METHODS = ("bag of words", "frozen", "last layers", "full", "scratch")
STEPS = {8: 10, 32: 16, 100: 20, 320: 60, 800: 100}  # updates of 16 sentences
LONGER = {320: 120, 800: 200}  # … of the network that knows nothing
RATES = {"last layers": 3e-4, "full": 1e-4, "scratch": 3e-4}  # of the encoder
HEAD_RATE = 1e-2
BATCH = 16


class Classifier(nn.Module):
    """Encoder, mean over a sentence's tokens, one linear layer that starts at zero."""

    def __init__(self, encoder, classes=2):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, given):
        """Tokens of B sentences -> (B, width)"""
        hidden = self.encoder(**given).last_hidden_state  # (B, T, width)
        mask = given["attention_mask"][..., None].to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1)

    def forward(self, given):
        return self.head(self.features(given))


def few_labels(labels, per_class, seed):
    """Row numbers of a balanced sample, without repetition.  (N,) -> (classes · per_class,)"""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    parts = [order[labels[order] == c][:per_class] for c in labels.unique()]
    return torch.cat(parts)


class Bench:
    """The data, the encoder, and one run of each method."""

    def __init__(self):
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        self.source = models.source("sentence encoder")
        self.tokenizer = AutoTokenizer.from_pretrained(self.source)
        self.config, self.auto = AutoConfig.from_pretrained(self.source), AutoModel
        stated = sentences.load().filter(lambda row: row["manner"] == "stated")
        self.texts = {name: list(part["text"]) for name, part in stated.items()}
        self.labels = {
            name: torch.tensor([s == "positive" for s in part["sentiment"]]).long()
            for name, part in stated.items()
        }
        model = Classifier(AutoModel.from_pretrained(self.source)).eval()
        self.features = {name: self.outputs(model.features, t) for name, t in self.texts.items()}

    def encode(self, texts):
        return self.tokenizer(list(texts), padding=True, return_tensors="pt")

    @torch.inference_mode()
    def outputs(self, function, texts):
        """function of all texts, in batches of like lengths, in the order of the texts."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = [
            function(self.encode(texts[i] for i in order[start : start + 32]))
            for start in range(0, len(order), 32)
        ]
        back = torch.empty(len(order), dtype=torch.long)
        back[order] = torch.arange(len(order))
        return torch.cat(parts)[back]

    def run(self, method, labels, seed):
        """Accuracy on the test split of one run."""
        chosen = few_labels(self.labels["train"], labels // 2, seed)
        if method in RATES:
            return self.tuned(method, chosen, labels, seed)
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        x, test_x = F.normalize(self.features["train"][chosen]), F.normalize(self.features["test"])
        if method == "bag of words":
            words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
            x = words.fit_transform([self.texts["train"][i] for i in chosen])
            test_x = words.transform(self.texts["test"])
        model = LogisticRegression(C=1, max_iter=2_000)
        model.fit(x, self.labels["train"][chosen])
        return model.score(test_x, self.labels["test"])

    def tuned(self, method, chosen, labels, seed, split="test", rate=None, steps=None):
        session.set_seed(seed)
        if method == "scratch":
            encoder = self.auto.from_config(self.config)
        else:
            encoder = self.auto.from_pretrained(self.source)
        if method == "last layers":
            encoder.requires_grad_(False)
            encoder.encoder.layer[-2:].requires_grad_(True)
        steps = steps or (LONGER if method == "scratch" else STEPS).get(labels, STEPS[labels])
        model = Classifier(encoder).train()
        trained = [p for p in encoder.parameters() if p.requires_grad]
        groups = [
            dict(params=trained, lr=rate or RATES[method]),
            dict(params=list(model.head.parameters()), lr=HEAD_RATE),
        ]
        optimizer = torch.optim.AdamW(groups, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (0.1 * steps), 1 - step / steps)
        )
        wanted, rows = self.labels["train"], []
        for _ in range(steps):
            if len(rows) < BATCH:
                rows = rows + chosen[torch.randperm(len(chosen))].tolist()
            batch, rows = rows[:BATCH], rows[BATCH:]
            logits = model(self.encode(self.texts["train"][i] for i in batch))
            loss = F.cross_entropy(logits, wanted[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        said = self.outputs(model.eval(), self.texts[split]).argmax(dim=1)
        return (said == self.labels[split]).double().mean().item()


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not yet in the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="transfer", description="Accuracy against labels.")
    parser.add_argument("--again", action="store_true", help="begin anew")
    again = parser.parse_args(arguments).again
    warnings.filterwarnings("ignore")
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    table = {"runs": []}
    if FILE.is_file() and not again:
        table = json.loads(FILE.read_text(encoding="utf-8"))
    done = {(row["method"], row["labels"], row["seed"]) for row in table["runs"]}
    plan = [(m, n, s) for n in LABELS for s in SEEDS for m in METHODS if (m, n, s) not in done]
    bench = Bench()
    head = {
        "made by": "python -m tools.transfer",
        "encoder": "all-MiniLM-L6-v2" if bench.config.hidden_size == 384 else "small encoder",
        "test sentences": len(bench.texts["test"]),
        "steps": STEPS, "steps, scratch": STEPS | LONGER, "learning rates": RATES,
        "python": platform.python_version(), "torch": str(torch.__version__),
    }  # fmt: skip
    recipe = ("encoder", "test sentences", "steps", "steps, scratch", "learning rates")
    same = json.loads(json.dumps(head))  # keys as the file has them
    if table["runs"] and any(table.get(key) != same[key] for key in recipe):
        print("The table was begun with another recipe or encoder: --again begins anew.")
        return 1
    table |= head
    for method, labels, seed in widgets.progress_bar(plan, "runs"):
        began = time.process_time()
        accuracy = bench.run(method, labels, seed)
        table["runs"].append(
            dict(method=method, labels=labels, seed=seed, accuracy=round(accuracy, 4),
                 cpu_seconds=round(time.process_time() - began, 1))
        )  # fmt: skip
        write(table)
    for method in METHODS:
        row = [
            np.mean(
                [r["accuracy"] for r in table["runs"] if (r["method"], r["labels"]) == (method, n)]
            )
            for n in LABELS
        ]
        print(f"{method:>14}", *(f"{x:.3f}" for x in row))
    print(f"{sum(r['cpu_seconds'] for r in table['runs']) / 60:.1f} CPU minutes")
    return 0


def write(table: dict) -> None:
    """The whole table or none of it: one run a line."""
    runs = ",\n  ".join(json.dumps(row) for row in table["runs"])
    head = json.dumps({k: v for k, v in table.items() if k != "runs"}, indent=1)[:-2]
    partial = FILE.with_suffix(".partial")
    partial.write_text(f'{head},\n "runs": [\n  {runs}\n ]\n}}\n', encoding="utf-8", newline="\n")
    partial.replace(FILE)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
