"""The GPT of lesson 2.08 beside transformers: training, telling with a cache, and how it grows."""

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
    "tiny": dict(sizes=1, rounds=1, batches=(1,), lengths=(8, 16), widths=(16, 32), heavy=(16, 32)),
    "default": dict(
        sizes=3, rounds=5, batches=(1, 8, 32), lengths=(256, 512, 1024, 2048),
        widths=(128, 192, 256), heavy=(1024, 2048, 4096),
    ),
    "full": dict(
        sizes=3, rounds=15, batches=(1, 8, 32), lengths=(256, 512, 1024, 2048, 4096),
        widths=(128, 192, 256, 384, 512), heavy=(1024, 2048, 4096, 8192),
    ),
}  # fmt: skip


@functools.cache
def code() -> SimpleNamespace:
    """The lesson's own definitions."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return lesson.run(
        lesson.place(2, 8), "GPT", "Config", "modern", "next_token_loss", "training_step",
        "generate", "greedy", "Cache", "attend", "causal_attention",
        "renamed", "turned", "GPT2_NAMES", "LLAMA_NAMES",
    )  # fmt: skip


def ours(kind: str, width: int, layers: int, heads: int, context: int = CONTEXT) -> Any:
    config = code().Config(
        vocabulary=VOCABULARY, context=context, width=width, layers=layers, heads=heads
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
FIXED = "the larger the matrices, the larger the share that both spend in the same products"
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


# ---------------------------------------------------------------- growth


def work_of_attention(by_hand: bool, length: int) -> Callable[[], Any]:
    """For measure.peak: attention of one head over a text of some length."""
    attend = code().causal_attention if by_hand else code().attend
    q, k, v = torch.randn(3, 1, 1, length, 32)

    def work():
        with torch.inference_mode():
            return attend(q, k, v)

    return work


def growing(sizes: Any, make: Callable[[Any], Callable], rounds: int) -> list[float]:
    """Seconds at each size, the median of rounds that visit all sizes in turn."""
    works = [make(size) for size in sizes]
    spent: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, list_ in zip(works, spent, strict=True):
            value = measure.seconds(work)
            if number:  # the first round warms up
                list_.append(value)
    return [sorted(list_)[len(list_) // 2] for list_ in spent]


def cached_token(length: int) -> Callable[[], Any]:
    """Attention of one new token over kept keys and values of a text of some length."""
    q = torch.randn(64, 4, 1, 32)
    k, v = torch.randn(2, 64, 4, length, 32)
    return torch.inference_mode()(lambda: code().attend(q, k, v))


def kept_bytes(length: int) -> int:
    """Bytes in the cache after a text of some length."""
    model, cache = ours("GPT", 64, 4, 2, context=length), code().Cache()
    with torch.inference_mode():
        model(tokens(1, length), cache)
    return sum(t.numel() * t.element_size() for pair in cache.kept.values() for t in pair)


def growth(scale: str) -> Report:
    """How time and memory grow with data, width, depth and length, beside the theory."""
    asked = SCALES[scale]
    lengths, widths, heavy, rounds = (asked[n] for n in ("lengths", "widths", "heavy", "rounds"))
    data, depths = ((2, 4) if scale == "tiny" else (4, 8, 16, 32)), (1, 2, 4, 8)
    wide = widths[0]

    def attention(by_hand):
        return lambda length: work_of_attention(by_hand, length)

    def step(rows=ROWS, width=wide, layers=2):
        return step_of(ours("GPT", width, layers, 4), tokens(rows, TOKENS + 1))

    found = [
        ("attention by hand, time", "length", lengths, growing(lengths, attention(True), rounds),
         "2"),
        ("attention by hand, memory", "length", heavy,
         [measure.peak(work_of_attention, True, n) for n in heavy], "2"),
        ("PyTorch's attention, time", "length", lengths,
         growing(lengths, attention(False), rounds), "2"),
        ("one more token, keys and values kept, time", "length", lengths,
         growing(lengths, cached_token, rounds), "1"),
        ("what the cache keeps, bytes", "length", lengths, [kept_bytes(n) for n in lengths], "1"),
        ("a training step, time", "rows of data", data, growing(data, step, rounds), "1"),
        ("a training step, time", "layers", depths,
         growing(depths, lambda n: step(layers=n), rounds), "1 (tables and head come once)"),
        ("a training step, time", "width", widths,
         growing(widths, lambda n: step(width=n), rounds), "2 (small operations: 1)"),
    ]  # fmt: skip
    rows = [
        (what, f"{of}: {', '.join(map(str, sizes))}", theory,
         f"{measure.exponent(sizes, values):.2f}",
         ", ".join(f"{value / values[0]:.3g}" for value in values))
        for what, of, sizes, values, theory in found
    ]  # fmt: skip
    head = ("what", "grows with", "exponent, theory", "measured", "times the first")
    return Report([], [Table("Growth (lesson 2.08)", head, rows)])
