"""The GPT of lesson 2.08 beside transformers: training, and telling with a cache."""

import functools
import itertools
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
import transformers

from benchmarks import measure
from benchmarks.measure import Bar, Report, Table
from tools import lesson

VOCABULARY, CONTEXT = 144, 144  # as the lesson has them
ROWS, TOKENS = 12, 64  # a batch of training
SIZES = {"64 wide": (64, 4, 2), "128 wide": (128, 4, 4), "256 wide": (256, 6, 8)}
KINDS = {"GPT": "GPT2LMHeadModel", "Llama form": "LlamaForCausalLM"}
NEW = 60  # tokens to tell
SCALES = {
    "tiny": dict(sizes=1, rounds=1, batches=(1,)),
    "default": dict(sizes=3, rounds=5, batches=(1, 8, 32)),
    "full": dict(sizes=3, rounds=15, batches=(1, 8, 32)),
}


@functools.cache
def code() -> SimpleNamespace:
    """The lesson's own definitions."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return lesson.run(
        lesson.place(2, 8), "GPT", "Config", "modern", "next_token_loss", "training_step",
        "generate", "greedy", "renamed", "turned", "GPT2_NAMES", "LLAMA_NAMES",
    )  # fmt: skip


def ours(kind: str, width: int, layers: int, heads: int) -> Any:
    config = code().Config(
        vocabulary=VOCABULARY, context=CONTEXT, width=width, layers=layers, heads=heads
    )
    return (code().GPT if kind == "GPT" else code().modern)(config).to(code().run.device)


def theirs(kind: str, width: int, layers: int, heads: int) -> Any:
    """The library's model of the same sizes, without dropout, with the library's own attention."""
    none = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
    if kind == "GPT":
        config = transformers.GPT2Config(
            vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=width, n_layer=layers, n_head=heads,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **none,
        )  # fmt: skip
    else:
        config = transformers.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=width, intermediate_size=8 * width // 3,
            num_hidden_layers=layers, num_attention_heads=heads, rms_norm_eps=1e-6,
            max_position_embeddings=CONTEXT, tie_word_embeddings=True, **none,
        )  # fmt: skip
    return getattr(transformers, KINDS[kind])(config).to(code().run.device)


def pair(kind: str, width: int, layers: int, heads: int) -> tuple[Any, Any]:
    """Ours and the library's, with the same weights."""
    mine, library = ours(kind, width, layers, heads), theirs(kind, width, layers, heads)
    names = code().GPT2_NAMES if kind == "GPT" else code().LLAMA_NAMES
    turned = code().turned if kind == "GPT" else lambda name, weight: weight
    state = mine.state_dict().items()
    library.load_state_dict({code().renamed(n, names): turned(n, w) for n, w in state})
    return mine, library


def tokens(rows: int, length: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(VOCABULARY, (rows, length), generator=draws).to(code().run.device)


def step_of(model: Any, rows: torch.Tensor) -> Callable[[], None]:
    """A training step with the lesson's optimizer, for ours or for the library's."""
    if isinstance(model, code().GPT):
        return code().training_step(model, lambda: code().next_token_loss(model, rows))
    inputs, targets = rows[:, :-1], rows[:, 1:].flatten()
    model.train()

    def loss():
        return F.cross_entropy(model(inputs, use_cache=False).logits.flatten(0, 1), targets)

    return code().training_step(model, loss)


def teller_of(model: Any, beginning: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Tells the likeliest tokens with a cache."""
    if isinstance(model, code().GPT):
        return lambda: code().generate(model, beginning, NEW, code().greedy)
    model.eval()
    asked = dict(max_new_tokens=NEW, do_sample=False, use_cache=True, pad_token_id=0)
    return lambda: model.generate(beginning, attention_mask=torch.ones_like(beginning), **asked)


def work_of_training(make: str, kind: str, size: tuple) -> Callable[[], Any]:
    """For measure.peak: two steps of training."""
    code(), getattr(transformers, KINDS[kind])
    rows = tokens(ROWS, TOKENS + 1)

    def work():
        model = {"ours": ours, "theirs": theirs}[make](kind, *size)
        step = step_of(model, rows)
        step()
        step()
        return model, step

    return work


def work_of_telling(make: str, kind: str, size: tuple, rows: int) -> Callable[[], Any]:
    """For measure.peak: telling; the model is there already."""
    teller = teller_of({"ours": ours, "theirs": theirs}[make](kind, *size), tokens(rows, 4))
    teller_of({"ours": ours, "theirs": theirs}[make](kind, 8, 1, 1), tokens(1, 4))()  # imports
    return teller


def bar_of_memory(name: str, prepare: Callable, *args: Any, reason: str = "") -> Bar:
    mine, library = (measure.peak(prepare, make, *args) for make in ("ours", "theirs"))
    return Bar(f"{name}, memory", mine, library, "MB", mine / library, at_most=1, reason=reason)


# What the profiler shows (torch.profiler, the lesson's size), for the report
NORMS = (
    "a step of the Llama form spends its time as the library's does: in products of matrices, and "
    "in the small operations of RMSNorm and of the turn of queries and keys"
)
FIXED = "products of matrices and attention take most of a step, and both do the same ones"
LARGE = "with many rows, products and the copies of the growing cache weigh most, in both alike"
TURNS = (
    "one token costs about as many small operations as the library's: RMSNorm is five, and the "
    "turn of queries and keys computes its angles in each layer"
)


def training(scale: str) -> Report:
    """Tokens per second of training, and the memory that it takes, at three sizes."""
    asked, bars = SCALES[scale], []
    for kind in KINDS:
        for name, size in itertools.islice(SIZES.items(), asked["sizes"]):
            mine, library = pair(kind, *size)
            rows = tokens(ROWS, TOKENS + 1)
            torch.testing.assert_close(  # the same function, or the race means nothing
                mine(rows[:1, :9]), library(rows[:1, :9]).logits, rtol=1e-3, atol=1e-3
            )
            times = 2 if size[0] < 256 else 1
            a, b, ratio = measure.race(
                step_of(mine, rows), step_of(library, rows), asked["rounds"], times
            )
            speed = ROWS * TOKENS / a, ROWS * TOKENS / b, "tokens/s"
            reason = NORMS if kind != "GPT" else FIXED
            title = f"{kind}, {name}, training"
            bars.append(Bar(title, *speed, ratio, at_least=1.2, reason=reason))
            bars.append(bar_of_memory(title, work_of_training, kind, size))
    return Report(bars, [])


def telling(scale: str) -> Report:
    """Tokens per second of generation with a cache, at the lesson's size."""
    asked, size, bars = SCALES[scale], SIZES["64 wide"], []
    for kind in KINDS:
        mine, library = pair(kind, *size)
        for rows in asked["batches"]:
            a, b = (teller_of(model, tokens(rows, 4)) for model in (mine, library))
            if not torch.equal(a(), b()):
                raise ValueError(f"{kind}: ours and the library's told different tokens")
            fast, slow, ratio = measure.race(a, b, asked["rounds"])
            speed = rows * NEW / fast, rows * NEW / slow, "tokens/s"
            name, least = f"{kind}, telling {rows} at once", 2.5 if rows == 1 else 1
            reason = TURNS if kind != "GPT" else LARGE
            bars.append(Bar(name, *speed, ratio, at_least=least, reason=reason))
        rows = max(asked["batches"])
        name = f"{kind}, telling {rows} at once"
        bars.append(bar_of_memory(name, work_of_telling, kind, size, rows))
    return Report(bars, [])


def profile(scale: str) -> Report:
    """Where the time of ours goes at the lesson's size: the operations that take most."""
    size, rows = SIZES["64 wide"], []
    for kind in KINDS:
        model = ours(kind, *size)
        works = {
            "a step of training": step_of(model, tokens(ROWS, TOKENS + 1)),
            "telling one text": teller_of(model, tokens(1, 4)),
        }
        for name, work in works.items():
            work()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
                work()
            found = sorted(seen.key_averages(), key=lambda e: -e.self_cpu_time_total)
            total = sum(event.self_cpu_time_total for event in found)
            shares = (f"{e.key} {e.self_cpu_time_total / total:.0%}" for e in found[:6])
            calls = sum(e.count for e in found if e.key.startswith("aten::"))
            rows.append((kind, name, f"{calls:,}", ", ".join(shares)))
    head = ("model", "work", "calls of operations", "share of the time, largest first")
    note = "By torch.profiler, which itself slows small operations most."
    return Report([], [Table("Where the time goes (ours, 64 wide)", head, rows, note)])
