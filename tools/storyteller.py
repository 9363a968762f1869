"""The recipe of the storyteller that ships: `python -m tools.pretrain "storyteller"`.

It learns from fresh stories only: none is seen twice, and none of those that measure is seen in
training. The log of its training is written beside its weights.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn as nn
import torch.nn.functional as F

from helpers import widgets
from helpers.data import stories

IDS = {token: i for i, token in enumerate(stories.VOCABULARY)}
Row = tuple[list[int], list[float]]  # tokens, and how much each one counts in the loss

CARD = """\
# {title}

{what} The lessons load it with `from_pretrained(helpers.models.folder("{role}"))`.

- **Made by** `python -m tools.pretrain "{role}"`, seed 0, {minutes:.0f} minutes of one CPU core.
- **Network**: Qwen3 configuration (the block of Llama with normalized queries and keys), {layers}
  layers, {width} wide, {heads} heads; {parameters:,} weights. A token is a word or a mark of
  `stories.VOCABULARY`.
- **Data**: `helpers.data.stories`, {tokens:,} tokens, every story new.
- **Training**: {training}
- **License**: as the course, code MIT, weights and this text CC BY 4.0.

## Measured on {n:,} fresh stories

{table}

The curve of the training is in `log.json`.

## Limits

{limits}
"""


# ---------------------------------------------------------------- texts as rows of tokens


def encode(text: str) -> list[int]:
    """The numbers of a text's tokens."""
    return [IDS[token] for token in stories.tokenize(text)]


def plain(story: stories.Story, generator: random.Random) -> Row:
    """A story as it is: `<story> … <end>`."""
    ids = encode(f"<story> {story.text} <end>")
    return ids, [0.0] + [1.0] * (len(ids) - 1)


def batches(row: Callable[[stories.Story, random.Random], Row], size: int, seed: int) -> Iterator:
    """Batches of tokens (B, T) and weights (B, T) without end, of rows of like length."""
    generator = random.Random(seed)
    while True:
        told = stories.make(32 * size, seed=generator.randrange(2**20, 2**32))
        rows = sorted((row(story, generator) for story in told), key=lambda made: len(made[0]))
        cut = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        for chosen in generator.sample(cut, len(cut)):
            yield padded(chosen)


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
    """Train in place: Muon on the matrices, AdamW on the rest; returns the log."""
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
    model.eval()
    total = 0.0
    for start in range(0, len(told), 100):
        tokens, weights = padded([plain(s, random.Random(0)) for s in told[start : start + 100]])
        total += (surprise(model, tokens) * weights[:, 1:]).sum().item()
    model.train()
    least = -sum(story.log_prob for story in told)
    return (total - least) / math.log(2) / sum(len(encode(s.text)) + 1 for s in told)


# ---------------------------------------------------------------- the model


def tokenizer():
    """The tokenizer that it ships with: a token is a word or a mark of the vocabulary."""
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
        minutes=log[-1]["seconds"] / 60, tokens=log[-1]["tokens"],
        parameters=sum(p.numel() for p in model.parameters()),
        layers=config.num_hidden_layers, width=config.hidden_size,
        heads=config.num_attention_heads, **words,
    )  # fmt: skip


def storyteller(
    steps: int = 4_000, batch: int = 32, n: int = 2_000
) -> tuple[nn.Module, str, list[dict]]:
    """The base model: it goes on with stories.  Returns model, card, log."""
    model, check = new_model(), stories.make(min(n, 500), seed=7)
    log = train(
        model, batches(plain, batch, 0), steps, lambda: {"excess": excess(model, check)},
        max(1, steps // 40), 0.02, 4e-3, "storyteller",
    )  # fmt: skip
    fresh = stories.make(n, seed=8)
    floor, error = stories.floor(fresh)
    table = (
        "| | bits per token |\n|---|--:|\n"
        f"| exact floor (standard error {error:.3f}) | {floor:.3f} |\n"
        f"| above the floor | {excess(model, fresh):.3f} |"
    )
    return model, card(
        model, log, title="Storyteller", role="storyteller", n=n, table=table,
        what="Goes on with stories of the world of `helpers.data.stories`.",
        training=f"{steps:,} steps of {batch} stories; Muon (rate 0.02) on the matrices, AdamW "
        "(0.004) on\n  the rest, falling to 0 over the last 40 percent.",
        limits="- It knows these words and this world and nothing else.\n- A story it tells is not "
        "always consistent: `stories.read` says where it goes wrong.",
    ), log  # fmt: skip


def as_json(log: list[dict]) -> str:
    """The log, one row a line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in log) + "\n]\n"
