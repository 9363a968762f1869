"""Make the example judgements of lesson 3.09: `python -m tools.judgements`.

Five tellers write stories; a SIMULATED panel says of pairs of them which is better. Nobody read
them: a choice is drawn from the model of Davidson 1970 (Bradley and Terry's with ties) with a
favor for the left side, from the strengths below. So the truth that a ranking looks for is known.
Writes data/judgements.json; half a minute on one thread.
"""

import json
import math
import random
from collections import Counter

import torch

from helpers import models, session
from helpers.data import stories

FILE = session.ROOT / "data" / "judgements.json"
STRENGTHS = {  # log-strengths, set by hand, sum 0
    "the world itself": 1.0,
    "storyteller": 0.8,
    "storyteller, hot": -0.1,
    "counts of three words": -0.6,
    "counts of two words": -1.1,
}
LEFT = 0.4  # added to the log-strength of what stands on the left
TIES = 0.3  # Davidson's nu: how often the panel says "tie"
READERS, EACH, STORIES = 20, 30, 24
SEED = 9


def panel(count: dict[str, int]) -> list[list]:
    """Judgements, each [reader, left teller, its story, right teller, its story, choice].

    count: teller -> how many stories it has. Pairs and sides are drawn at random.
    """
    generator = random.Random(SEED)
    rows = []
    for reader in range(READERS):
        for _ in range(EACH):
            sides = generator.sample([*STRENGTHS], 2)
            left, right = (STRENGTHS[name] for name in sides)
            chances = [
                math.exp(left + LEFT), math.exp(right), TIES * math.exp((left + LEFT + right) / 2)
            ]  # fmt: skip
            choice = generator.choices(("left", "right", "tie"), chances)[0]
            shown = [generator.randrange(count[name]) for name in sides]
            rows.append([f"simulated {reader}", sides[0], shown[0], sides[1], shown[1], choice])
    return rows


def by_counts(n: int, words: int, seed: int) -> list[str]:
    """Stories by counting: each word is drawn after the `words` − 1 before it."""
    generator = random.Random(seed)
    follow: dict[tuple, Counter] = {}
    for story in stories.make(3_000, seed=seed):
        tokens = ["<story>"] * (words - 1) + stories.tokenize(story.text) + ["<end>"]
        for i in range(words - 1, len(tokens)):
            follow.setdefault(tuple(tokens[i - words + 1 : i]), Counter())[tokens[i]] += 1
    told = []
    while len(told) < n:
        tokens = ["<story>"] * (words - 1)
        while tokens[-1] != "<end>":
            after = follow[tuple(tokens[len(tokens) - words + 1 :])]
            tokens += generator.choices([*after], [*after.values()])
        text = stories.detokenize(tokens[words - 1 : -1])
        if len(tokens) < 110:
            told.append(text)
    return told


def by_model(n: int, temperature: float, seed: int) -> list[str]:
    """Stories of the storyteller, sampled at a temperature."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.folder("storyteller"))
    model, end = models.load("storyteller"), tokenizer.convert_tokens_to_ids("<end>")
    torch.manual_seed(seed)
    start = torch.tensor([[tokenizer.convert_tokens_to_ids("<story>")]] * (2 * n))
    told = model.generate(start, do_sample=True, temperature=temperature, top_k=0, eos_token_id=end,
                          pad_token_id=0, max_new_tokens=108)  # fmt: skip
    told = [row for row in told if end in row]
    told = [tokenizer.convert_ids_to_tokens(row[1 : row.tolist().index(end)]) for row in told]
    return [stories.detokenize(tokens) for tokens in told][:n]


def make() -> dict:
    """All that the file holds."""
    told = {
        "the world itself": [story.text for story in stories.make(STORIES, seed=SEED)],
        "storyteller": by_model(STORIES, 1.0, SEED),
        "storyteller, hot": by_model(STORIES, 1.5, SEED),
        "counts of three words": by_counts(STORIES, 3, SEED),
        "counts of two words": by_counts(STORIES, 2, SEED),
    }
    return {
        "note": "Simulated: no human being judged. Choices were drawn from these strengths.",
        "strengths": STRENGTHS, "left": LEFT, "ties": TIES,
        "stories": told, "judgements": panel({name: len(texts) for name, texts in told.items()}),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    made = make()
    parts = [f" {json.dumps(key)}: {_lines(value)}" for key, value in made.items()]
    new = FILE.with_suffix(".json.part")  # broken off, the old file stays whole
    new.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8", newline="\n")
    new.replace(FILE)
    print(Counter(row[-1] for row in made["judgements"]), FILE.stat().st_size, "bytes")


def _lines(value: object) -> str:
    """A list with an entry a line; all else in one."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join("  " + json.dumps(row) for row in value) + "\n ]"


if __name__ == "__main__":
    main()
