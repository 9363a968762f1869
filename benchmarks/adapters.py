"""LoRA of lesson 3.05 beside peft: the time of a step, and its memory.

The encoder has the shapes of the published one and random weights: only time and memory count.
"""

import copy
import functools
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import peft
import torch
import torch.nn.functional as F
import transformers

from benchmarks import measure
from benchmarks.measure import Bar, Report
from tools import lesson

SHAPE = dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
TINY = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
ROWS, TOKENS, RANK = 16, 16, 4
ROUNDS = {"tiny": 1, "default": 7, "full": 25}


@functools.cache
def code() -> SimpleNamespace:
    """The lesson's own definitions, without the encoder that it loads."""
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")  # peft asks for it
    return lesson.run(
        lesson.place(3, 5), "Classifier", "LoRALinear", "wrap", "MATRICES", "lora_config",
        instead={"encoder": "None", "config": "None"},
    )  # fmt: skip


def encoder(shape: dict) -> Any:
    torch.manual_seed(0)
    code().config = transformers.BertConfig(**shape)
    model = transformers.BertModel(code().config).to(code().run.device)
    return model.eval().requires_grad_(False)


def ours(base: Any) -> Any:
    """The lesson's classifier with LoRA around every linear layer; base is changed."""
    model = code().Classifier(base, 2)
    code().wrap(base.encoder.layer, lambda layer: code().LoRALinear(layer, RANK, 2 * RANK))
    return model


def theirs(base: Any) -> Any:
    """The same by peft."""
    return code().Classifier(peft.get_peft_model(base, code().lora_config(RANK)).eval(), 2)


def step_of(model: Any) -> Callable[[], None]:
    draws = torch.Generator().manual_seed(0)
    given = torch.randint(30_000, (ROWS, TOKENS), generator=draws).to(code().run.device)
    mask, labels = torch.ones_like(given), given[:, 0] % 2
    moving = [w for w in model.parameters() if w.requires_grad]
    adam = torch.optim.AdamW(moving, lr=1e-4, fused=True)

    def step():
        adam.zero_grad()
        F.cross_entropy(model(given, mask), labels).backward()
        adam.step()

    return step


def work_of_step(make: str, shape: dict) -> Callable[[], Any]:
    """For measure.peak: LoRA on an encoder that is there already, and two steps."""
    step_of(theirs(encoder(TINY)))()  # all that is imported late
    base = encoder(shape)

    def work():
        model = {"ours": ours, "theirs": theirs}[make](base)
        step = step_of(model)
        step()
        step()
        return model, step

    return work


def lora(scale: str) -> Report:
    shape = TINY if scale == "tiny" else SHAPE
    base = encoder(shape)
    models = ours(copy.deepcopy(base)), theirs(base)
    counts = {sum(w.numel() for w in m.parameters() if w.requires_grad) for m in models}
    if len(counts) > 1:
        raise ValueError(f"ours and peft's train different numbers of weights: {counts}")
    fast, slow, ratio = measure.race(*map(step_of, models), ROUNDS[scale])
    reason = "both do the same products; what is left is the book-keeping around them"
    speed = ROWS * TOKENS / fast, ROWS * TOKENS / slow, "tokens/s"
    bars = [Bar("LoRA, a step", *speed, ratio, at_least=1, reason=reason)]
    mine, library = (measure.peak(work_of_step, make, shape) for make in ("ours", "theirs"))
    name = "LoRA, a step, memory"
    bars.append(Bar(name, mine, library, "MB", mine / library, at_most=1))
    return Report(bars, [])
