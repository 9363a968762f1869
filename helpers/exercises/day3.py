"""Exercises of Day 3: references, inputs, mistakes and hints. How to read it: see day1.py."""

import itertools
import math
import re

import numpy as np
import torch

from helpers.exercises.engine import Refused, define


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- 01 hugging_face


def word_pieces(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if piece in vocabulary:
                break
        else:  # no piece fits here
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def _fewest_pieces(word, vocabulary):
    best = {0: []}  # characters done -> the shortest way to do them
    for end in range(1, len(word) + 1):
        ways = []
        for start in range(end):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if start in best and piece in vocabulary:
                ways.append([*best[start], piece])
        if ways:
            best[end] = min(ways, key=len)
    return best.get(len(word), ["[UNK]"])


_PIECES = {"un", "##want", "##wanted", "##ed", "want", "wanted", "a", "##a", "##b", "ab", "abc",
           "##cd", "##d", "s", "##e", "##x", "[UNK]"}  # fmt: skip

define(
    "hf.word_pieces",
    word_pieces,
    minutes=8,
    level="medium",
    hints=[
        "Keep a position `start`. As long as it stands inside the word, look for the longest "
        "piece that begins there; then go on behind it.",
        "Try ends from len(word) down to start + 1. The piece is word[start:end], with ## in "
        "front unless start is 0. Stop at the first that stands in the vocabulary.",
        "A `for … else` helps: the `else` runs if the loop met no `break`, and there you return "
        '["[UNK]"]. After the loop append the piece and set start = end.',
    ],
    cases=lambda: [
        ("unwanted", _PIECES),
        ("wanted", _PIECES),
        ("abcd", _PIECES),
        ("unwantedz", _PIECES),
        ("zun", _PIECES),
        ("aab", _PIECES),
        ("s", _PIECES),
    ],
    mistakes={
        "This takes the shortest piece that fits. Begin with the longest: ends from len(word) "
        "down.": ("range(len(word), start, -1)", "range(start + 1, len(word) + 1)"),
        "Inside a word a piece is written with ## in front: look for that.":
        ('if start == 0 else "##" + word[start:end]', ""),
        "The first piece of a word has no ##; only those inside have.":
        ('word[start:end] if start == 0 else "##" + word[start:end]', '"##" + word[start:end]'),
        "The pieces are right and have lost their ##. The library keeps it: it tells a piece "
        "inside a word from one that begins it.":
        ("pieces.append(piece)", 'pieces.append(piece.removeprefix("##"))'),
        "If a part of the word cannot be written, the whole word is unknown: return [\"[UNK]\"] "
        "alone, without the pieces found before.":
        ('return ["[UNK]"]', 'return [*pieces, "[UNK]"]'),
        "A character that fits nowhere is left out here. The word is then unknown as a whole.":
        ('return ["[UNK]"]', "start += 1; continue"),
        "This finds the fewest pieces. WordPiece does not look ahead: it takes the longest piece "
        "at the front, even if the rest then needs more, or does not fit at all.": _fewest_pieces,
        "The longest piece is tried only as far as the last character but one: range stops before "
        "its end.": ("range(len(word), start, -1)", "range(len(word) - 1, start, -1)"),
    },
)  # fmt: skip


def pad_batch(rows, pad, side="right"):
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(longest - len(row), longest)
        ids[i, place] = torch.tensor(row)
        mask[i, place] = 1
    return ids, mask


def _mask_from_ids(rows, pad, side="right"):
    ids, _ = pad_batch(rows, pad, side)
    return ids, (ids != pad).long()


def _cut_to_shortest(rows, pad, side="right"):
    shortest = min(len(row) for row in rows)
    ids = torch.tensor([row[:shortest] for row in rows])
    return ids, torch.ones_like(ids)


define(
    "hf.pad_batch",
    pad_batch,
    minutes=6,
    level="easy",
    hints=[
        "T is the length of the longest row. Each row gets T minus its own length fillings.",
        "As lists: row + filling, or filling + row, where filling = [pad] * (T - len(row)). The "
        "mask is built the same way, from [1] * len(row) and zeros.",
        "torch.tensor of a list of lists of whole numbers is int64 already.",
    ],
    cases=lambda: [
        ([[5, 6, 7], [8], [9, 4]], 0),
        ([[5, 6, 7], [8], [9, 4]], 0, "left"),
        ([[3, 1, 2, 3], [3, 3]], 3, "left"),
        ([[3, 0, 2, 3], [7, 3, 1]], 3, "right"),
        ([[2, 9]], 1),
    ],
    mistakes={
        "The two tensors are in each other's place: first the ids, then the mask.":
        ("return ids, mask", "return mask, ids"),
        "The mask is turned round: 1 is a real token, 0 is filling.":
        ("return ids, mask", "return ids, 1 - mask"),
        "The mask is read off the ids. But the pad token may also be a real one: GPT-2 ends its "
        "texts with the token that fills its batches. Take the mask from the lengths.":
        _mask_from_ids,
        "`side` is not looked at: with side=\"left\" the filling comes first.":
        lambda rows, pad, side="right": pad_batch(rows, pad),
        "The sides are exchanged: `side` says where the filling is, not where the tokens are.":
        ('if side == "right"', 'if side != "right"'),
        "The filling is 0, whatever `pad` is.":
        ("torch.full((len(rows), longest), pad)", "torch.full((len(rows), longest), 0)"),
        "The long rows are cut. Nothing may be lost: fill the short ones instead.":
        _cut_to_shortest,
        "The mask is of type bool. The library gives whole numbers, int64.":
        ("return ids, mask", "return ids, mask.bool()"),
    },
)  # fmt: skip


def chunk_batch(batch, size, overlap):
    chunks = {"id": [], "tokens": []}
    for name, tokens in zip(batch["id"], batch["tokens"], strict=True):
        for start in range(0, max(len(tokens) - overlap, 1), size - overlap):
            chunks["id"].append(name)
            chunks["tokens"].append(tokens[start : start + size])
    return chunks


def _only_full_chunks(batch, size, overlap):
    chunks = {"id": [], "tokens": []}
    for name, tokens in zip(batch["id"], batch["tokens"], strict=True):
        for start in range(0, len(tokens) - size + 1, size - overlap):
            chunks["id"].append(name)
            chunks["tokens"].append(tokens[start : start + size])
    return chunks


def _nested_chunks(batch, size, overlap):
    starts = [range(0, max(len(t) - overlap, 1), size - overlap) for t in batch["tokens"]]
    pairs = zip(batch["tokens"], starts, strict=True)
    return {"id": batch["id"], "tokens": [[t[s : s + size] for s in places] for t, places in pairs]}


define(
    "hf.chunk_batch",
    chunk_batch,
    minutes=8,
    level="medium",
    hints=[
        "Two loops: over the texts, and over the places where chunks begin. The places are 0, "
        "step, 2 · step, … with step = size - overlap.",
        "A chunk that begins at `start` brings something new only if the one before it ended "
        "before the text did. It ended at start + overlap: so start + overlap < len(tokens).",
        "The places are range(0, max(len(tokens) - overlap, 1), size - overlap). The max keeps "
        "the first chunk of a text that is shorter than the overlap.",
    ],
    cases=lambda: [
        ({"id": ["a"], "tokens": [list(range(10))]}, 4, 1),
        ({"id": ["a", "b"], "tokens": [list(range(9)), [7, 8]]}, 4, 2),
        ({"id": ["x", "y", "z"], "tokens": [[5], list(range(4)), list(range(20, 31))]}, 4, 0),
        ({"id": [3, 4], "tokens": [list(range(12)), list(range(5))]}, 5, 3),
        ({"id": ["s", "t"], "tokens": [[1, 2], list(range(6))]}, 5, 3),
    ],
    mistakes={
        "The last chunk of a text holds only tokens that the chunk before it held already. Stop "
        "as soon as a chunk reaches the end: begin only where start + overlap < len(tokens).":
        ("max(len(tokens) - overlap, 1)", "len(tokens)"),
        "The chunks do not overlap: each begins size - overlap after the one before.":
        lambda batch, size, overlap: chunk_batch(batch, size, 0),
        "The chunks are size - overlap long. That is the step from one to the next; each holds "
        "`size` tokens.":
        ("tokens[start : start + size]", "tokens[start : start + size - overlap]"),
        "What is left at the end of a text, and texts shorter than `size`, are lost. The last "
        "chunk may be shorter.": _only_full_chunks,
        "There is one entry for each text, a list of its chunks. Each chunk has to be an entry of "
        "its own, with its id: that is how the table gets more rows.": _nested_chunks,
        "Each id stands there once. It belongs to every chunk of its text: both lists have the "
        "same length.":
        lambda batch, size, overlap: {**chunk_batch(batch, size, overlap), "id": batch["id"]},
        "A text shorter than the overlap is lost: its first chunk is always needed.":
        ("max(len(tokens) - overlap, 1)", "len(tokens) - overlap"),
        "The step is the overlap. Each chunk begins size - overlap after the one before.":
        lambda batch, size, overlap: chunk_batch(batch, size, size - overlap),
    },
)  # fmt: skip


def mean_pool(states, mask):
    weight = mask[:, :, None].to(states.dtype)  # (B, T, 1)
    return (states * weight).sum(dim=1) / weight.sum(dim=1)


def _states(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


define(
    "hf.mean_pool",
    mean_pool,
    minutes=5,
    level="easy",
    hints=[
        "Filling must not count, neither above nor below the line: multiply by the mask, add up, "
        "divide by the number of real tokens.",
        "mask has shape (B, T), states (B, T, D): give the mask a last axis, mask[:, :, None].",
        "w = mask[:, :, None].to(states.dtype); then (states * w).sum(1) / w.sum(1).",
    ],
    cases=lambda: [
        (_states(2, 4, 3), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])),
        (_states(3, 5, 5, seed=1), torch.tensor([[1] * 5, [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]])),
        (_states(3, 3, 2, seed=2), torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]])),
        (_states(2, 6, 4, seed=3, dtype=torch.float64),
         torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])),
        # small whole numbers and 1, 2 or 4 tokens: exact in two bytes, in any order of adding up
        (_states(3, 4, 4, seed=4).mul(4).round().to(torch.bfloat16),
         torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])),
        (_states(2, 4, 3, seed=5).mul(4).round().to(torch.float16),
         torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])),
    ],
    gradients=True,
    mistakes={
        "Filling counts here like a real token: the mask is not used.":
        lambda states, mask: states.mean(dim=1),
        "The result is float32, whatever the states are. Give the mask their number format: "
        "mask.to(states.dtype) instead of mask.float().":
        ("mask[:, :, None].to(states.dtype)", "mask[:, :, None].float()"),
        "Filling is left out above the line and counted below: divide by the number of real "
        "tokens, not by T.": ("/ weight.sum(dim=1)", "/ mask.shape[1]"),
        "This is the sum. Divide it by the number of real tokens.": (" / weight.sum(dim=1)", ""),
        "This divides by the real tokens of the whole batch. Each row has its own number.":
        ("weight.sum(dim=1)", "weight.sum()"),
        "This takes the first token's vector, as BERT's own classifiers do. The mean is asked "
        "for.": lambda states, mask: states[:, 0],
        "The mask is turned round: this is the mean of the filling.":
        lambda states, mask: mean_pool(states, 1 - mask),
        "The filling is not multiplied away: its vectors are still in the sum.":
        lambda states, mask: states.sum(dim=1) / mask.sum(dim=1, keepdim=True),
        "The sum runs over the wrong axis: tokens are axis 1, the vector's values axis 2.":
        lambda states, mask: (states * mask[:, :, None]).sum(2) / mask.sum(1, keepdim=True),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 02 training_llms


def count_parameters(layers, width, vocabulary, context):
    block = 12 * width**2 + 13 * width
    return layers * block + 2 * width + vocabulary * width + context * width


define(
    "train.count_parameters",
    count_parameters,
    minutes=5,
    level="easy",
    hints=[
        "Add up the table for one block: so many d², so many d.",
        "A block has 12 d² + 13 d. Outside are 2 d of the last norm, V d and T d.",
        "All in all layers * (12 * width**2 + 13 * width) + (2 + vocabulary + context) * width.",
    ],
    cases=lambda: [(2, 64, 96, 32), (12, 768, 50_257, 1024), (5, 24, 100, 64)],
    mistakes={
        "The biases are missing: a block has 13 d besides its 12 d², norms included.":
        ("+ 13 * width", ""),
        "The biases of the products are missing: 3d + d + 4d + d, besides the 4d of the norms.":
        ("13 * width", "4 * width"),
        "The norms of the blocks are missing: two in each, each with 2d.":
        ("13 * width", "9 * width"),
        "The last norm is missing: 2d.": ("2 * width + vocabulary", "vocabulary"),
        "The table of positions is missing: T d.": (" + context * width", ""),
        "The table of tokens is missing: V d.": ("vocabulary * width + ", ""),
        "The output layer shares the table of tokens: count V d once.":
        ("+ vocabulary * width", "+ 2 * vocabulary * width"),
        "This is one block only: there are `layers` of them.": ("layers * block", "block"),
        "This is 12 L d², the rule of thumb. Exact is asked: biases, norms and tables, too.":
        lambda layers, width, vocabulary, context: 12 * layers * width**2,
    },
)  # fmt: skip


def flops(layers, width, vocabulary, batch, context):
    products = 2 * batch * context * (12 * layers * width**2 + vocabulary * width)
    attention = 4 * layers * batch * context**2 * width
    return 3 * products + attention * 7 // 2


define(
    "train.flops",
    flops,
    minutes=7,
    level="medium",
    hints=[
        "Forward: 2 FLOPs for each of B T tokens and each of 12 L d² + V d weights.",
        "Attention forward: in each of L layers two products of 2 B T² d, so 4 L B T² d.",
        "Forward and backward: 1 + 2 = 3 times the products of the weights, 1 + 2.5 = 3.5 times "
        "attention. A whole number: multiply by 7, then // 2.",
    ],
    cases=lambda: [(2, 64, 96, 8, 64), (12, 768, 50_257, 4, 1024), (3, 16, 50, 2, 512)],
    mistakes={
        "This is the forward pass only. Backward costs twice as much, attention 2.5 times.":
        ("3 * products + attention * 7 // 2", "products + attention"),
        "This is the backward pass only. Add the forward pass.":
        ("3 * products + attention * 7 // 2", "2 * products + attention * 5 // 2"),
        "Attention is missing: in each layer Q K^T and A V, 2 B T² d each, 3.5 times in all.":
        ("3 * products + attention * 7 // 2", "3 * products"),
        "Attention backward costs 2.5 times its forward pass, so 3.5 in all, not 3.":
        ("attention * 7 // 2", "attention * 3"),
        "Right value, but a float: write attention * 7 // 2.":
        ("attention * 7 // 2", "attention * 3.5"),
        "Attention has two products: Q K^T and A V.": ("4 * layers", "2 * layers"),
        "Each layer has its own attention.": ("4 * layers * batch", "4 * batch"),
        "Each token looks at T others: attention grows with T².": ("context**2", "context"),
        "The output layer is missing: V d weights.": (" + vocabulary * width", ""),
        "A weight costs a multiplication and an addition: 2 FLOPs.":
        ("2 * batch * context *", "batch * context *"),
        "The batch is missing in attention.":
        ("layers * batch * context**2", "layers * context**2"),
        "The table of tokens is counted once, as the output layer; looking up a row is no product.":
        ("+ vocabulary * width", "+ 2 * vocabulary * width"),
    },
)  # fmt: skip


def accumulate(means, counts):
    return (means * counts).sum() / counts.sum()


define(
    "train.accumulate",
    accumulate,
    minutes=5,
    level="medium",
    hints=[
        "A mean times its number of tokens is the sum over the tokens.",
        "Add up these sums, and divide once by all tokens.",
        "Return (means * counts).sum() / counts.sum().",
    ],
    cases=lambda: [
        (torch.tensor([2.0, 1.0, 3.0]), torch.tensor([10, 90, 4])),
        (torch.rand(6, generator=torch.Generator().manual_seed(0)), torch.arange(1, 7)),
        (torch.tensor([2.5]), torch.tensor([7])),
    ],
    gradients=True,
    mistakes={
        "This is the mean of the means: a token in a short micro-batch weighs more than one in a "
        "long one.": lambda means, counts: means.mean(),
        "This is the sum of the means. The number of micro-batches must not matter.":
        lambda means, counts: means.sum(),
        "This is the sum over all tokens. Divide by their number: counts.sum().":
        (" / counts.sum()", ""),
        "This divides by the number of micro-batches; divide by the number of tokens.":
        ("counts.sum()", "len(counts)"),
        "These are the parts before they are added up: one number is wanted.":
        ("(means * counts).sum()", "(means * counts)"),
        "Multiply by the counts: a mean times its tokens is a sum. This divides by them.":
        ("means * counts", "means / counts"),
    },
)  # fmt: skip


def cosine_schedule(step, warmup, steps):
    if step < warmup:
        return step / warmup
    done = (step - warmup) / (steps - warmup)
    return (1 + math.cos(math.pi * done)) / 2


define(
    "train.cosine_schedule",
    cosine_schedule,
    minutes=5,
    level="easy",
    hints=[
        "Two cases. Below warmup the factor is step / warmup.",
        "Above, how much of the way is done: (step - warmup) / (steps - warmup), from 0 to 1.",
        "The cosine falls from 1 to -1 as its angle goes from 0 to π: (1 + cos(π done)) / 2.",
    ],
    cases=lambda: [(step, 10, 100) for step in (0, 3, 10, 11, 40, 55, 90, 99)]
    + [(0, 0, 20), (7, 0, 20), (150, 50, 400)],
    mistakes={
        "The decay begins where the warm-up ends: count the steps from there.":
        ("(step - warmup) / (steps - warmup)", "step / steps"),
        "The warm-up is missing: below `warmup` the factor is step / warmup.":
        lambda step, warmup, steps: (1 + math.cos(math.pi * step / steps)) / 2,
        "The decay is steps - warmup long: else it does not reach 0 at the end.":
        ("(steps - warmup)", "steps"),
        "The factor goes below 0: the cosine runs from 1 to -1. Add 1, and halve.":
        ("(1 + math.cos(math.pi * done)) / 2", "math.cos(math.pi * done)"),
        "Half of a cosine: the angle ends at π, not at 2π.":
        ("math.pi * done", "2 * math.pi * done"),
        "This is a quarter of a cosine. The angle ends at π.":
        ("(1 + math.cos(math.pi * done)) / 2", "math.cos(math.pi * done / 2)"),
        "This falls linearly. A cosine is asked for.":
        ("(1 + math.cos(math.pi * done)) / 2", "1 - done"),
        "Half is missing: 1 + cos goes from 2 to 0.":
        ("(1 + math.cos(math.pi * done)) / 2", "1 + math.cos(math.pi * done)"),
        "It rises in the decay: the sign of the cosine is plus.": ("1 + math.cos", "1 - math.cos"),
        "At step 0 the factor is 0, and 1 at step `warmup`: step / warmup, without adding 1.":
        ("return step / warmup", "return (step + 1) / (warmup + 1)"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 03 full_finetuning


def shift_right(labels, start):
    first = torch.full_like(labels[:, :1], start)
    inputs = torch.cat([first, labels[:, :-1]], dim=1)
    return inputs.masked_fill(inputs == -100, start)


define(
    "tune.shift_right",
    shift_right,
    minutes=5,
    level="easy",
    hints=[
        "The decoder writes word t after it has read the words before t, and before all `start`.",
        "A column of `start`, then all columns of the labels but the last: torch.cat(…, dim=1).",
        "−100 is no token: at the end, inputs.masked_fill(inputs == -100, start).",
    ],
    cases=lambda: [
        (torch.tensor([[7, 8, 9, 1]]), 0),
        (torch.tensor([[7, 8, 9, 1], [5, 1, -100, -100]]), 0),
        (torch.tensor([[4, 6, 1, -100, -100], [3, 4, 5, 6, 1], [1, -100, -100, -100, -100]]), 2),
    ],
    mistakes={
        "The decoder is given the very word that it is to write: nothing is shifted.":
        lambda labels, start: labels.masked_fill(labels == -100, start),
        "−100 is still among the inputs. It is no token, and the table of tokens has no such row.":
        ("inputs.masked_fill(inputs == -100, start)", "inputs"),
        "This shifts to the left: the decoder would read the word after the one it is to write.":
        lambda labels, start: torch.cat(
            [labels[:, 1:], torch.full_like(labels[:, :1], start)], 1
        ).masked_fill(torch.cat([labels[:, 1:], labels[:, :1]], 1) == -100, start),
        "The last word of each text went to the front: that is what torch.roll does. `start` "
        "belongs there.":
        lambda labels, start: torch.roll(labels, 1, 1).masked_fill(
            torch.roll(labels, 1, 1) == -100, start),
        "The result is one token longer than the labels: leave the last column of the labels out.":
        ("labels[:, :-1]", "labels"),
        "The first token must be `start`, not always 0.":
        ("torch.full_like(labels[:, :1], start)", "torch.zeros_like(labels[:, :1])"),
        "Texts are rows, (B, T): this shifts the texts, not their tokens.":
        lambda labels, start: torch.cat(
            [torch.full_like(labels[:1], start), labels[:-1]]
        ).masked_fill(torch.cat([labels[:1] * 0, labels[:-1]]) == -100, start),
        "Padding of the inputs is `start`, which is token 0 in T5, not 0 itself.":
        ("inputs.masked_fill(inputs == -100, start)", "inputs.clamp(min=0)"),
    },
)  # fmt: skip


def lcs(a, b):
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for j, other in enumerate(b):
            row.append(before[j] + 1 if word == other else max(before[j + 1], row[j]))
    return row[-1]


define(
    "tune.lcs",
    lcs,
    minutes=9,
    level="medium",
    hints=[
        "Let table[i][j] be the answer for the first i words of a and the first j words of b. "
        "table[0][j] and table[i][0] are 0.",
        "If the i-th word of a is the j-th of b, both are used: table[i-1][j-1] + 1.",
        "Else one of the two is not needed: max(table[i-1][j], table[i][j-1]).",
    ],
    cases=lambda: [
        (a.split(), b.split())
        for a, b in [
            ("the cat sleeps in the garden", "the old cat sleeps near the garden"),
            ("a b c d", "d c b a"), ("a b a b a", "b a b"), ("the the cat", "the cat the"),
            ("a b c d", "c d a b x"), ("x a y b z c", "a b c"), ("a b", "a a b b"), ("", "a b"),
            ("a b c d e f g h " * 4, "h g f e d c b a " * 4),
        ]
    ],
    mistakes={
        "This counts common words in any order. A subsequence keeps the order of both texts.":
        lambda a, b: sum(min(a.count(word), b.count(word)) for word in set(a)),
        "This counts different words that both hold, whatever their order.":
        lambda a, b: len(set(a) & set(b)),
        "This is the longest common run of neighbors. A subsequence may leave words out between.":
        lambda a, b: max(
            [n for n in range(len(a) + 1) for i in range(len(a) - n + 1)
             for j in range(len(b) - n + 1) if a[i : i + n] == b[j : j + n]]),
        "This compares words at the same place. One word left out early moves all the others.":
        lambda a, b: sum(x == y for x, y in zip(a, b, strict=False)),
        "This takes the first match that comes (greedy), which can use up words that later ones "
        "need. Fill the table.":
        lambda a, b: _greedy(a, b),
        "Where two words are equal, the count goes on from before both words: the upper left cell.":
        ("before[j] + 1", "row[j] + 1"),
        "Where they differ, the better of the two neighbors is kept, not the cell before both.":
        ("max(before[j + 1], row[j])", "before[j]"),
        "Where they differ, the count does not begin again at 0: this finds runs at the very end.":
        ("max(before[j + 1], row[j])", "0"),
    },
)  # fmt: skip


def _greedy(a, b):
    found, place = 0, 0
    for word in a:
        if word in b[place:]:
            place += b[place:].index(word) + 1
            found += 1
    return found


def replay(new, old, share):
    needed = round(len(new) * share / (1 - share))
    return new + old[:needed]


define(
    "tune.replay",
    replay,
    minutes=5,
    level="easy",
    hints=[
        "Let m be the number of old examples. Of all len(new) + m examples, m are old.",
        "m / (len(new) + m) = share. Solve for m.",
        "m = round(len(new) * share / (1 - share)); the first m of `old` follow the new ones.",
    ],
    cases=lambda: [
        ([f"n{i}" for i in range(90)], [f"o{i}" for i in range(120)], 0.1),
        ([f"n{i}" for i in range(30)], [f"o{i}" for i in range(40)], 0.5),
        ([f"n{i}" for i in range(8)], [f"o{i}" for i in range(40)], 0.75),
        ([f"n{i}" for i in range(5)], ["o1", "o2"], 0.0),
        ([f"n{i}" for i in range(10)], [f"o{i}" for i in range(40)], 0.4),
    ],
    mistakes={
        "The share is of the whole mixture: with 90 new ones and 10 %, 10 old ones are needed, "
        "not 9.": ("len(new) * share / (1 - share)", "len(new) * share"),
        "This cuts the number off: 6.67 old ones are 7 when rounded.":
        ("round(len(new) * share / (1 - share))", "int(len(new) * share / (1 - share) + 1e-9)"),
        "The share is of the mixture, not of the old examples that there are.":
        ("len(new) * share / (1 - share)", "len(old) * share"),
        "Some of the new examples are gone. Replay adds old ones; all the new ones stay.":
        lambda new, old, share: new[: round(len(new) * (1 - share))]
        + old[: round(len(new) * share)],
        "All old examples are taken: `share` says how many.": ("old[:needed]", "old"),
        "Old and new have changed places: `share` is that of the old ones, which come last.":
        lambda new, old, share: old + new[: round(len(old) * share / (1 - share))],
        "The new examples are missing.": ("new + old[:needed]", "old[:needed]"),
        "The order is: all the new ones, then the old ones.":
        ("new + old[:needed]", "old[:needed] + new"),
        "The last of the old examples are taken; the first ones are asked for.":
        ("old[:needed]", "old[len(old) - needed :]"),
    },
)  # fmt: skip


def interpolate(before, after, alpha):
    return {name: (1 - alpha) * before[name] + alpha * after[name] for name in before}


define(
    "tune.interpolate",
    interpolate,
    minutes=4,
    level="easy",
    hints=[
        "Both dicts have the same names. Make a new dict, one entry for each name.",
        "alpha 0 gives `before`, alpha 1 gives `after`, and between them a straight line.",
        "Return {name: (1 - alpha) * before[name] + alpha * after[name] for name in before}.",
    ],
    cases=lambda: [
        (_weights(1), _weights(2), 0.25),
        (_weights(3), _weights(4), 0.0),
        (_weights(5), _weights(6), 1.0),
        (_weights(7), _weights(8), 0.7),
    ],
    mistakes={
        "The ends are swapped: alpha = 0 must give `before`.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "alpha * before[name] + (1 - alpha) * after[name]"),
        "This adds alpha times the new weights, not alpha times what changed.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "before[name] + alpha * after[name]"),
        "This is the plain mean, whatever alpha is.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "(before[name] + after[name]) / 2"),
        "This is what changed, alpha times. It has to be added to the old weights.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "alpha * (after[name] - before[name])"),
        "This takes each weight tensor whole from one of the two. Weights are mixed number by "
        "number.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "after[name] if alpha > 0.5 else before[name]"),
        "The sign is wrong: this goes away from the new weights.":
        ("(1 - alpha) * before[name] + alpha * after[name]",
         "(1 + alpha) * before[name] - alpha * after[name]"),
        "A list of tensors has lost the names: load_state_dict needs them. Return a dict.":
        lambda before, after, alpha: list(interpolate(before, after, alpha).values()),
    },
)  # fmt: skip


def _weights(seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        "table.weight": torch.randn(4, 3, generator=generator),
        "norm.weight": torch.randn(3, generator=generator),
    }


# ---------------------------------------------------------------- 04 transfer_learning


def few_labels(labels, per_class, seed):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    parts = [order[labels[order] == c][:per_class] for c in labels.unique()]
    return torch.cat(parts)


def _classes(*counts: int, seed: int = 3) -> torch.Tensor:
    """Labels with so many rows of each class, shuffled."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


def _check_few_labels(answer) -> None:
    labels = _classes(40, 60, 25)
    before = torch.random.get_rng_state()
    rows = answer(labels.clone(), 10, 1)
    touched = not torch.equal(before, torch.random.get_rng_state())
    if not torch.is_tensor(rows) or rows.ndim != 1 or rows.dtype != torch.long:
        raise Refused(
            "one tensor of row numbers is asked for, whole numbers (int64), one dimension: "
            "torch.cat(…) joins the rows of the classes."
        )
    if len(rows) == 10:
        raise Refused(
            "these are 10 rows in all for per_class=10 and three classes. Draw that many of each."
        )
    if len(rows) and (rows.min() < 0 or rows.max() >= len(labels)):
        raise Refused("a row number lies outside 0 … N − 1: return places in `labels`.")
    found = labels[rows].bincount(minlength=3).tolist()
    if len(rows) == 30 and found != [10, 10, 10]:
        raise Refused(
            f"the classes 0, 1, 2 come {found} times: the sample is not balanced. Draw from each "
            "class apart, and return row numbers of `labels`, not places within a class."
        )
    if found != [10, 10, 10]:
        raise Refused(f"with per_class=10 the classes 0, 1, 2 come {found} times, wanted 10 each.")
    if len(rows.unique()) != 30:
        raise Refused(
            "a row comes twice. Draw without repetition: the first ones of torch.randperm(n)."
        )
    if not torch.equal(rows, answer(labels.clone(), 10, 1)):
        raise Refused(
            "the same seed gave other rows the second time. Make the generator anew in each call, "
            "from `seed`, and hand it to torch.randperm."
        )
    drawn = [set(answer(labels.clone(), 10, seed).tolist()) for seed in range(6)]
    if all(rows == drawn[0] for rows in drawn):
        first = {i for c in range(3) for i in (labels == c).nonzero()[:10, 0].tolist()}
        why = (
            "these are always the first rows of each class."
            if drawn[0] == first
            else "it is not used."
        )
        raise Refused(
            f"every seed gives the same rows: {why} Shuffle with the seed before cutting."
        )
    seen = {i for seed in range(80) for i in answer(labels.clone(), 10, seed).tolist()}
    if len(seen) < len(labels):  # by chance in fewer than 1 of 10,000 such checks
        raise Refused(
            f"in 80 draws {len(labels) - len(seen)} rows never came. Shuffle all rows of a class, "
            "then cut."
        )
    if touched:
        raise Refused(
            "it draws from the global generator, or seeds it, and so changes what other cells "
            "draw. Use torch.Generator().manual_seed(seed), and hand it to torch.randperm."
        )


define(
    "transfer.few_labels",
    few_labels,
    minutes=6,
    level="medium",
    hints=[
        "Shuffle all row numbers: torch.randperm(len(labels), generator=…). Then the first ones of "
        "a class are a random sample of it.",
        "order[labels[order] == c][:per_class] are the first rows of class c in that order.",
        "Collect these for c in labels.unique() and join them with torch.cat.",
    ],
    checks=[_check_few_labels],
)  # fmt: skip


def freeze(names, layers, last):
    trained = [f"layer.{i}." for i in range(layers - last, layers)]
    return [
        name.startswith("head.") or any(f".{part}" in name for part in trained) for name in names
    ]


def _names(layers: int) -> list[str]:
    parts = [
        f"layer.{i}.{p}" for i in range(layers) for p in ("attention.query.weight", "dense.bias")
    ]
    inner = ["embeddings.word_embeddings.weight", *(f"encoder.{part}" for part in parts)]
    return [f"encoder.{name}" for name in [*inner, "pooler.dense.weight"]] + [
        "head.weight", "head.bias",
    ]  # fmt: skip


define(
    "transfer.freeze",
    freeze,
    minutes=6,
    level="medium",
    hints=[
        "The last layers have the numbers layers − last to layers − 1.",
        "A name belongs to layer 4 if '.layer.4.' stands in it.",
        'any(f".layer.{i}." in name for i in range(layers - last, layers)), or '
        'name.startswith("head.").',
    ],
    cases=lambda: [(_names(6), 6, 2), (_names(12), 12, 1), (_names(12), 12, 11), (_names(2), 2, 2),
                   (_names(6), 6, 0)],
    mistakes={
        "The head is frozen. It is new and must be trained, whatever else is.":
        ('name.startswith("head.") or ', ""),
        "These are the first layers. They stay as they are: count from the end.":
        ("range(layers - last, layers)", "range(last)"),
        "True and False are swapped: True means trained.":
        lambda names, layers, last: [not on for on in freeze(names, layers, last)],
        "Layers count from 0: of six, the last one is layer 5.":
        ("range(layers - last, layers)", "range(layers - last + 1, layers + 1)"),
        "One layer too many is trained: the last ones begin at layers − last.":
        ("range(layers - last, layers)", "range(layers - last - 1, layers)"),
        "Only layer number layers − last is trained; all from there on are asked for.":
        ("range(layers - last, layers)", "range(layers - last, min(layers - last + 1, layers))"),
        "The last parameters of the list are not the last layers: a layer has several. Read the "
        "number in the name.":
        lambda names, layers, last: [
            i >= len(names) - last or name.startswith("head.") for i, name in enumerate(names)],
        "The embeddings are trained, too. They come before layer 0 and stay frozen.":
        lambda names, layers, last: [
            on or "embeddings" in name
            for on, name in zip(freeze(names, layers, last), names, strict=True)],
        "Everything that is no numbered layer is trained here. Of that, the head alone is: the "
        "embeddings and the pooler stay frozen.":
        lambda names, layers, last: [
            on or ".layer." not in name
            for on, name in zip(freeze(names, layers, last), names, strict=True)],
        "Everything is trained. Frozen are the embeddings and all layers but the last ones.":
        lambda names, layers, last: [True for _ in names],
        "names[-0:] and the like take everything where last is 0; then the head alone is trained.":
        lambda names, layers, last: freeze(names, layers, last or layers),
        "The pooler is no layer and not the head: it stays frozen.":
        lambda names, layers, last: [
            on or "pooler" in name
            for on, name in zip(freeze(names, layers, last), names, strict=True)],
        "These are the names of what is trained. For each name, True or False is asked for.":
        lambda names, layers, last: [
            name for name, on in zip(names, freeze(names, layers, last), strict=True) if on],
    },
)  # fmt: skip


def interval(values):
    from scipy import stats

    n = len(values)
    mean = sum(values) / n
    std = (sum((x - mean) ** 2 for x in values) / (n - 1)) ** 0.5
    half = stats.t.ppf(0.975, n - 1) * std / n**0.5
    return mean, mean - half, mean + half


define(
    "transfer.interval",
    interval,
    minutes=5,
    level="easy",
    hints=[
        "Mean first; then the standard deviation, np.std(values, ddof=1), which divides by n − 1.",
        "Half the width is t · s / √n, with t = scipy.stats.t.ppf(0.975, n - 1).",
        "Return three numbers: mean, mean - half, mean + half.",
    ],
    cases=lambda: [
        ([0.71, 0.75, 0.68, 0.74, 0.77],),
        ([1.0, 3.0],),
        ([0.5, 0.52, 0.47, 0.55, 0.49, 0.51, 0.6, 0.44],),
    ],
    mistakes={
        "This takes 1.96, the point of the normal distribution. With few runs s itself is "
        "uncertain: take Student's t, stats.t.ppf(0.975, n - 1).":
        ("stats.t.ppf(0.975, n - 1)", "stats.norm.ppf(0.975)"),
        "The variance divides by n. Around its own mean a sample is too narrow: divide by n − 1 "
        "(np.std with ddof=1).": ("/ (n - 1)) ** 0.5", "/ n) ** 0.5"),
        "The division by √n is missing: this is where one run lies, not where the mean lies.":
        (" / n**0.5", ""),
        "This divides by n, not by √n.": ("n**0.5", "n"),
        "0.95 leaves 5 % on each side. Of 95 % in the middle, 2.5 % are on each side: 0.975.":
        ("0.975", "0.95"),
        "The degrees of freedom are n − 1, not n.": ("0.975, n - 1", "0.975, n"),
        "This is the variance; take its square root.": ("(n - 1)) ** 0.5", "(n - 1))"),
        "These are the smallest and the largest value. They are not an interval for the mean.":
        lambda values: (sum(values) / len(values), min(values), max(values)),
        "Half the width is returned twice. Low and high are asked for: mean − half, mean + half.":
        lambda values: (interval(values)[0], *[interval(values)[2] - interval(values)[0]] * 2),
        "This is the interval of the middle value: the center is the mean, not the median.":
        lambda values: tuple(
            x - interval(values)[0] + float(np.median(values)) for x in interval(values)),
        "Low and high are swapped, or the sign of t is wrong: its 2.5 % point is negative.":
        ("mean - half, mean + half", "mean + half, mean - half"),
    },
)  # fmt: skip


def split_without_leaks(groups, order, test_rows):
    test = set()
    for group in order:
        if sum(g in test for g in groups) >= test_rows:
            break
        test.add(group)
    train = [i for i, g in enumerate(groups) if g not in test]
    return train, [i for i, g in enumerate(groups) if g in test]


define(
    "transfer.split_without_leaks",
    split_without_leaks,
    minutes=7,
    level="medium",
    hints=[
        "Choose groups, not rows: go through `order` and collect groups for the test.",
        "Stop as soon as the rows of the chosen groups are test_rows or more.",
        "test = [i for i, g in enumerate(groups) if g in chosen]; train is the rest.",
    ],
    cases=lambda: [
        ([0, 0, 1, 1, 2, 2, 3, 3], [2, 0, 3, 1], 3),
        ([5, 7, 5, 7, 7, 9, 5, 9, 8], [7, 9, 8, 5], 3),
        ([5, 7, 5, 7, 7, 9, 5, 9, 8], [9, 8, 5, 7], 3),
        ([1, 2, 3], [3, 1, 2], 1),
    ],
    mistakes={
        "These are rows in their order, not groups: a group stands on both sides.":
        lambda groups, order, test_rows: (
            list(range(test_rows, len(groups))), list(range(test_rows))),
        "The last rows are the test here: a group stands on both sides.":
        lambda groups, order, test_rows: (
            list(range(len(groups) - test_rows)),
            list(range(len(groups) - test_rows, len(groups)))),
        "test_rows counts rows, not groups: stop when the chosen groups have that many rows.":
        lambda groups, order, test_rows: (
            [i for i, g in enumerate(groups) if g not in order[:test_rows]],
            [i for i, g in enumerate(groups) if g in order[:test_rows]]),
        "A group is cut in two so that the test has exactly test_rows rows. Whole groups: it may "
        "have some more.":
        lambda groups, order, test_rows: _cut_groups(groups, order, test_rows),
        "One group too many is in the test: stop as soon as there are test_rows rows.":
        (">= test_rows", "> test_rows"),
        "A group that would go beyond test_rows is skipped. Take it: at least test_rows rows are "
        "wanted.":
        lambda groups, order, test_rows: _skipped_groups(groups, order, test_rows),
        "Train and test are swapped: first train.":
        lambda *arguments: split_without_leaks(*arguments)[::-1],
        "These are groups. Row numbers are asked for.":
        lambda groups, order, test_rows: tuple(
            [groups[i] for i in part] for part in split_without_leaks(groups, order, test_rows)),
        "The groups are taken from the end of `order`; begin with the first one.":
        lambda groups, order, test_rows: split_without_leaks(groups, order[::-1], test_rows),
        "`order` is not used: the groups are taken by their numbers.":
        lambda groups, order, test_rows: split_without_leaks(groups, sorted(order), test_rows),
        "All rows are in train, also those of the test.":
        ("if g not in test]", "if g == g]"),
        "The rows are in the order of the groups. Return them in ascending order.":
        lambda groups, order, test_rows: tuple(
            sorted(part, key=lambda i: order.index(groups[i]))
            for part in split_without_leaks(groups, order, test_rows)),
    },
)  # fmt: skip


def _cut_groups(groups, order, test_rows):
    rows = sorted(range(len(groups)), key=lambda i: order.index(groups[i]))
    return sorted(rows[test_rows:]), sorted(rows[:test_rows])


def _skipped_groups(groups, order, test_rows):
    chosen, rows = set(), 0
    for group in order:
        if rows + groups.count(group) <= test_rows:
            chosen.add(group)
            rows += groups.count(group)
    train = [i for i, g in enumerate(groups) if g not in chosen]
    return train, [i for i, g in enumerate(groups) if g in chosen]


# ---------------------------------------------------------------- 05 parameter_efficient


def training_bytes(frozen, trained, bits):
    return frozen * bits / 8 + 16 * trained


define(
    "peft.training_bytes",
    training_bytes,
    minutes=4,
    level="easy",
    hints=[
        "Two terms: what stands there frozen, and what is trained. 8 bits are one byte.",
        "A trained weight needs 4 bytes for itself, 4 for its gradient, and 4 for each of Adam's "
        "two averages.",
        "Return frozen * bits / 8 + 16 * trained.",
    ],
    cases=lambda: [(1_001, 3, 4), (0, 500, 32), (7_000, 0, 16), (64, 3, 4.5)],
    mistakes={
        "The frozen part is in bits. 8 bits are one byte.": ("bits / 8", "bits"),
        "This is the number of bits of all; bytes are asked for.":
        lambda frozen, trained, bits: frozen * bits + 128 * trained,
        "A trained weight takes 16 bytes: itself, its gradient and two averages of Adam. One of "
        "the four is missing here.": ("16 *", "12 *"),
        "This counts gradients and weights, but not the two averages of Adam.": ("16 *", "8 *"),
        "This counts the trained weights alone, without gradients and averages.": ("16 *", "4 *"),
        "The trained weights are stored in 4 bytes each, whatever `bits` is: that number belongs "
        "to the frozen ones.": ("16 * trained", "trained * (bits / 8 + 12)"),
        "All weights are counted as trained. The frozen ones have no gradient and no averages.":
        lambda frozen, trained, bits: 16 * (frozen + trained),
        "This rounds down. Half bytes add up: divide with /, not with //.": ("/ 8", "// 8"),
        "The frozen weights are counted at 4 bytes; they take `bits` bits each.":
        ("frozen * bits / 8", "4 * frozen"),
    },
)  # fmt: skip


def lora_forward(x, h, A, B, alpha):
    return h + alpha / A.shape[0] * (x @ A.T) @ B.T


def _check_narrow(answer):
    from torch.utils.flop_counter import FlopCounterMode

    x, A, B = _normal(3, 512), _normal(4, 512, seed=1), _normal(512, 4, seed=2)
    with FlopCounterMode(display=False) as counter:
        answer(x, torch.zeros(3, 512), A, B, 8)
    if counter.get_total_flops() > 100_000:  # narrow: 24,576; the product B A alone: 2,097,152
        raise Refused(
            "The values are right, but a matrix of O × I appears on the way. Go through r: "
            "(x @ A.T) @ B.T."
        )


define(
    "peft.lora_forward",
    lora_forward,
    minutes=6,
    level="medium",
    hints=[
        "The formula has columns, B A x; in PyTorch x lies in rows, so the order turns around.",
        "x @ A.T is (…, r), the narrow side. Then @ B.T makes it (…, O).",
        "r is A.shape[0], and the scale is alpha / r: h + alpha / r * (x @ A.T) @ B.T.",
    ],
    cases=lambda: [
        (_normal(3, 5), _normal(3, 7, seed=1), _normal(2, 5, seed=2), _normal(7, 2, seed=3), 8),
        (_normal(2, 4, 6), _normal(2, 4, 6, seed=1), _normal(3, 6, seed=2),
         _normal(6, 3, seed=3), 1.5),
        (_normal(6), _normal(4, seed=1), _normal(1, 6, seed=2), _normal(4, 1, seed=3), 2),
    ],
    gradients=True,
    checks=[_check_narrow],
    mistakes={
        "The scale is missing: the detour is multiplied by alpha / r.":
        ("alpha / A.shape[0] * ", ""),
        "The detour is multiplied by alpha, not by alpha / r. r is A.shape[0].":
        ("alpha / A.shape[0]", "alpha"),
        "The scale is divided by the wrong size: r is the number of rows of A, not of columns.":
        ("A.shape[0]", "A.shape[1]"),
        "The scale stands upside down: it is alpha / r.":
        ("alpha / A.shape[0]", "A.shape[0] / alpha"),
        "This is the detour alone. Add it to h, what the frozen layer gave.": ("h + ", ""),
        "The whole sum is multiplied by alpha / r. Only the detour is.":
        lambda x, h, A, B, alpha: alpha / A.shape[0] * (h + (x @ A.T) @ B.T),
        "The detour is subtracted. It is added.": ("h + ", "h - "),
        "The scale is alpha / sqrt(r). That is a later variant (rsLoRA); here it is alpha / r.":
        ("A.shape[0]", "A.shape[0] ** 0.5"),
    },
)  # fmt: skip


def merge(W, A, B, alpha):
    return W + alpha / A.shape[0] * B @ A


define(
    "peft.merge",
    merge,
    minutes=4,
    level="easy",
    hints=[
        "W x + s B A x = (W + s B A) x. Only one order of A and B gives the shape of W.",
        "B (O, r) times A (r, I) is (O, I), the shape of W. The scale s is alpha / r.",
        "Return W + alpha / A.shape[0] * B @ A.",
    ],
    cases=lambda: [
        (_normal(5, 5), _normal(2, 5, seed=1), _normal(5, 2, seed=2), 8),
        (_normal(4, 6, seed=3), _normal(3, 6, seed=4), _normal(4, 3, seed=5), 1.5),
        (_normal(3, 7, seed=6), _normal(1, 7, seed=7), _normal(3, 1, seed=8), 2),
    ],
    mistakes={
        "The scale is missing: the change is alpha / r times B A.": ("alpha / A.shape[0] * ", ""),
        "The change is multiplied by alpha; it should be alpha / r, with r = A.shape[0].":
        ("alpha / A.shape[0]", "alpha"),
        "The scale is divided by the wrong size: r is the number of rows of A.":
        ("A.shape[0]", "A.shape[1]"),
        "This is the change alone. The frozen W belongs to it.": ("W + ", ""),
        "This takes the detour out of W, which is unmerging. Merging adds it.": ("W + ", "W - "),
        "The change is transposed. B @ A has the shape of W by itself, even where both are "
        "square.": ("B @ A", "(B @ A).T"),
        "W is scaled, too. Only B A is multiplied by alpha / r.":
        lambda W, A, B, alpha: alpha / A.shape[0] * (W + B @ A),
    },
)  # fmt: skip


def nf4_quantize(W, levels, block=64):
    blocks = W.reshape(-1, block)
    absmax = blocks.abs().amax(dim=1)
    distance = (blocks / absmax[:, None])[..., None] - levels
    return distance.abs().argmin(dim=-1), absmax


def _even_scale(W, levels, block=64):
    blocks = W.reshape(-1, block)
    absmax = blocks.abs().amax(dim=1)
    codes = ((blocks / absmax[:, None] + 1) / 2 * (len(levels) - 1)).round().long()
    return codes, absmax


def _floor_level(W, levels, block=64):
    blocks = W.reshape(-1, block)
    absmax = blocks.abs().amax(dim=1)
    return torch.bucketize(blocks / absmax[:, None], levels).clamp(max=len(levels) - 1), absmax


_LEVELS = torch.tensor([-1.0, -0.6, -0.35, -0.15, 0.0, 0.1, 0.3, 0.55, 1.0])

define(
    "peft.nf4_quantize",
    nf4_quantize,
    minutes=8,
    level="medium",
    hints=[
        "Three steps: reshape into rows of `block` numbers; absmax of each row; divide, and look "
        "for the nearest level.",
        "absmax = blocks.abs().amax(dim=1). The distances of every number to every level: "
        "(blocks / absmax[:, None])[..., None] - levels, of shape (n, block, 16).",
        "The code is the place of the smallest absolute distance: .abs().argmin(dim=-1). Return "
        "codes and absmax.",
    ],
    cases=lambda: [
        (_normal(4, 8), _LEVELS, 8),
        (0.02 * _normal(6, 32, seed=1), _LEVELS, 64),
        (_normal(3, 10, seed=2) ** 3, torch.linspace(-1, 1, 16), 5),
        (-_normal(2, 64, seed=3).abs(), _LEVELS, 64),
    ],
    mistakes={
        "The largest value is taken without abs(): where the largest number is negative, the "
        "scale is wrong.":
        (".abs().amax", ".amax"),
        "One absmax is used for the whole matrix. Each block has its own.":
        lambda W, levels, block=64: (
            (W.reshape(-1, block)[..., None] / W.abs().max() - levels).abs().argmin(-1),
            W.abs().max().expand(W.numel() // block),
        ),
        "The numbers are not divided by the absmax of their block: the levels reach from −1 to 1.":
        ("(blocks / absmax[:, None])", "blocks"),
        "This finds the signed smallest difference, which is the largest level. The nearest level "
        "has the smallest absolute difference.": ("distance.abs().argmin", "distance.argmin"),
        "This is the farthest level; argmin finds the nearest.": ("argmin", "argmax"),
        "This assumes levels at even distances. Compare with the given levels.": _even_scale,
        "This takes the next level above, not the nearest one.": _floor_level,
        "This returns the levels themselves; their indices, from 0 to 15, are asked for.":
        lambda W, levels, block=64: (
            levels[nf4_quantize(W, levels, block)[0]], nf4_quantize(W, levels, block)[1]
        ),
        "codes and absmax are in each other's place.":
        lambda W, levels, block=64: nf4_quantize(W, levels, block)[::-1],
        "The blocks run down the columns; they run along the rows, as reshape does.":
        lambda W, levels, block=64: nf4_quantize(W.T, levels, block),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 06 alignment


def answer_labels(ids, answer, end):
    labels, inside = [], False
    for token in ids:
        labels.append(token if inside else -100)
        inside = token != end if inside else token == answer
    return labels


def _counts_the_mark(ids, answer, end):
    labels, inside = [], False
    for token in ids:
        inside = inside or token == answer
        labels.append(token if inside else -100)
        inside = inside and token != end
    return labels


def _first_turn_only(ids, answer, end):
    start = ids.index(answer) + 1
    stop = ids.index(end, start) + 1 if end in ids[start:] else len(ids)
    return [token if start <= n < stop else -100 for n, token in enumerate(ids)]


def _never_ends(ids, answer, end):
    start = ids.index(answer) + 1
    return [token if n >= start else -100 for n, token in enumerate(ids)]


def _without_the_end(ids, answer, end):
    return [-100 if token == end else token for token in answer_labels(ids, answer, end)]


def _user_counts(ids, answer, end):
    return [
        -100 if label != -100 else token
        for token, label in zip(ids, answer_labels(ids, answer, end), strict=True)
    ]


define(
    "align.answer_labels",
    answer_labels,
    minutes=6,
    level="medium",
    hints=[
        "Walk along the row and remember whether you are inside an answer.",
        "Begin with inside = False. For each token: first append the token or −100, then look "
        "whether it opens an answer (token == answer) or closes it (token == end).",
        "The order does it: the mark itself comes while inside is still False, the end mark while "
        "it is still True.",
    ],
    cases=lambda: [
        ([1, 7, 8, 2, 5, 6, 3], 2, 3),
        ([1, 7, 3, 2, 5, 3, 1, 9, 2, 4, 4, 3], 2, 3),
        ([1, 8, 2, 5, 3, 1, 6, 2, 7, 9], 2, 3),
        ([1, 7, 8], 2, 3),
    ],
    mistakes={
        "The mark before the answer counts here. The prompt ends with it, so the model never has "
        "to write it.": _counts_the_mark,
        "The end mark does not count here. From it the model learns to stop.": _without_the_end,
        "Only the first answer counts here. There may be several turns.":
        lambda ids, answer, end:
        _first_turn_only(ids, answer, end) if answer in ids else [-100] * len(ids),
        "The answer never closes here: what the user says in the next turn counts, too.":
        lambda ids, answer, end:
        _never_ends(ids, answer, end) if answer in ids else [-100] * len(ids),
        "These are the user's words. The assistant's are to count.": _user_counts,
        "Everything counts here. What stands outside of the answers becomes −100.":
        lambda ids, answer, end: list(ids),
        "The labels are shifted by one. The loss shifts them itself; here label t is token t.":
        lambda ids, answer, end: [*answer_labels(ids, answer, end)[1:], -100],
    },
)  # fmt: skip


def best_of_n(proxy, value, n):
    groups = proxy.reshape(-1, n)
    kept = groups.argmax(dim=1, keepdim=True)
    return value.reshape(-1, n).gather(1, kept).mean()


define(
    "align.best_of_n",
    best_of_n,
    minutes=6,
    level="medium",
    hints=[
        "reshape(-1, n) cuts every row into groups of n, of proxy and of value in the same way.",
        "argmax(dim=1) of the proxy's groups says which answer is kept in each.",
        "value.reshape(-1, n).gather(1, kept) with kept of shape (groups, 1), then the mean.",
    ],
    cases=lambda: [
        (_normal(3, 8), _normal(3, 8, seed=1), 4),
        (_normal(2, 12, seed=2), _normal(2, 12, seed=3), 3),
        (_normal(4, 4, seed=4), _normal(4, 4, seed=5), 1),
        (_normal(2, 6, seed=6), _normal(2, 6, seed=7), 6),
    ],
    mistakes={
        "This is the proxy of the kept answers. It chooses; the mean is taken of their value.":
        lambda proxy, value, n: proxy.reshape(-1, n).amax(dim=1).mean(),
        "This chooses by the value itself. The choice is the proxy's.":
        lambda proxy, value, n: value.reshape(-1, n).amax(dim=1).mean(),
        "Only the first n answers of each opening are used. All N / n groups count.":
        lambda proxy, value, n: best_of_n(proxy[:, :n], value[:, :n], n),
        "This keeps the answer with the lowest proxy.": ("argmax", "argmin"),
        "The groups mix openings: they run down the columns. Cut along the rows.":
        lambda proxy, value, n: best_of_n(proxy.T, value.T, n),
        "One answer is kept for each opening, whatever n is. Each group of n keeps one.":
        lambda proxy, value, n: best_of_n(proxy, value, proxy.shape[1]),
        "This is the mean over all answers: nothing was chosen.":
        lambda proxy, value, n: value.mean(),
        "These are sums. The mean over the groups is asked for.": (".mean()", ".sum()"),
        "Each group's value is returned. Take their mean.": (".mean()", ".squeeze(1)"),
    },
)  # fmt: skip


def dpo_loss(winner, loser, reference_winner, reference_loser, beta):
    difference = (winner - reference_winner) - (loser - reference_loser)
    return -torch.nn.functional.logsigmoid(beta * difference).mean()


define(
    "align.dpo_loss",
    dpo_loss,
    minutes=8,
    level="medium",
    hints=[
        "log(π / π_ref) is a difference of two log-probabilities; all four are already logs.",
        "Inside σ stands beta times: (winner − its reference) − (loser − its reference).",
        "F.logsigmoid(z) is log σ(z), exact for large z. Its mean, with a minus.",
    ],
    cases=lambda: [
        (*tuple(_normal(5, seed=s) - 20 for s in range(4)), 0.5),
        (*tuple(3 * _normal(4, seed=s) - 40 for s in range(4, 8)), 0.1),
        (torch.tensor([-300.0]), torch.tensor([-20.0]), torch.tensor([-30.0]),
         torch.tensor([-25.0]), 1.0),
    ],
    gradients=True,
    mistakes={
        "The sign is wrong: a loss is small where the winner gained more. Minus the logarithm.":
        ("return -", "return "),
        "Winner and loser are in each other's place.":
        lambda winner, loser, reference_winner, reference_loser, beta:
        dpo_loss(loser, winner, reference_loser, reference_winner, beta),
        "The reference is missing: this compares π alone, and would undo what the reference "
        "knew.":
        lambda winner, loser, reference_winner, reference_loser, beta:
        dpo_loss(winner, loser, torch.zeros_like(winner), torch.zeros_like(loser), beta),
        "beta is missing: it multiplies the difference.": ("beta * ", ""),
        "beta is outside of the logarithm. It stands inside of σ.":
        ("-torch.nn.functional.logsigmoid(beta * difference)",
         "-beta * torch.nn.functional.logsigmoid(difference)"),
        "The difference is divided by beta. In DPO the reward is beta times the log-ratio.":
        ("beta * difference", "difference / beta"),
        "This is σ without its logarithm: the probability that the winner is preferred.":
        ("logsigmoid", "sigmoid"),
        "These are ratios of log-probabilities. The log of a ratio is a difference of logs.":
        lambda winner, loser, reference_winner, reference_loser, beta:
        -torch.nn.functional.logsigmoid(
            beta * (winner / reference_winner - loser / reference_loser)
        ).mean(),
        "The two log-ratios are added. The loser's is subtracted.":
        (") - (loser", ") + (loser"),
        "This is the sum over the batch. The mean is asked for.": (".mean()", ".sum()"),
        "log(sigmoid(z)) becomes −∞ for very negative z. logsigmoid(z) is exact.":
        lambda winner, loser, reference_winner, reference_loser, beta:
        -torch.log(torch.sigmoid(
            beta * ((winner - reference_winner) - (loser - reference_loser))
        )).mean(),
    },
)  # fmt: skip


def group_advantages(r):
    centered = r - r.mean(dim=1, keepdim=True)
    return centered / (r.std(dim=1, keepdim=True) + 1e-4)


define(
    "align.group_advantages",
    group_advantages,
    minutes=5,
    level="easy",
    hints=[
        "A row is a group. Mean and standard deviation run along dimension 1.",
        "keepdim=True makes them (P, 1), which fits beside (P, G).",
        "(r - r.mean(dim=1, keepdim=True)) / (r.std(dim=1, keepdim=True) + 1e-4).",
    ],
    cases=lambda: [
        (_normal(3, 6),),
        (torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]]),),
        (_normal(4, 2, seed=1) + 5,),
    ],
    tolerance=1e-5,
    mistakes={
        "Mean and standard deviation are those of the whole batch. Each problem has its own.":
        lambda r: (r - r.mean()) / (r.std() + 1e-4),
        "They are taken over the problems. A group is a row: dim=1.":
        lambda r: (r - r.mean(dim=0)) / (r.std(dim=0) + 1e-4),
        "The division by the standard deviation is missing.":
        (" / (r.std(dim=1, keepdim=True) + 1e-4)", ""),
        "The mean is not taken away: in a group that is all right, every answer would be raised.":
        ("r - r.mean(dim=1, keepdim=True)", "r"),
        "Where all rewards of a group are equal, this is 0 / 0. Add 1e-4 to the divisor.":
        (" + 1e-4", ""),
        "This divides by the variance. Its root is the standard deviation.": ("r.std", "r.var"),
        "The standard deviation has G below the root here; torch.std has G − 1.":
        ("keepdim=True) + 1e-4", "keepdim=True, unbiased=False) + 1e-4"),
        "The sign is turned around: what is above the mean gets a positive advantage.":
        ("r - r.mean(dim=1, keepdim=True)", "r.mean(dim=1, keepdim=True) - r"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 07 multimodal


def clip_loss(pictures, captions, scale):
    pictures = torch.nn.functional.normalize(pictures, dim=1)
    captions = torch.nn.functional.normalize(captions, dim=1)
    logits = scale * pictures @ captions.T
    partner = torch.arange(len(logits), device=logits.device)
    by_picture = torch.nn.functional.cross_entropy(logits, partner)
    by_caption = torch.nn.functional.cross_entropy(logits.T, partner)
    return (by_picture + by_caption) / 2


def _clip_in_probabilities(pictures, captions, scale):
    pictures = torch.nn.functional.normalize(pictures, dim=1)
    captions = torch.nn.functional.normalize(captions, dim=1)
    p = (scale * pictures @ captions.T).softmax(dim=1)
    partner = torch.arange(len(p))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(p, partner) + entropy(p.T, partner)) / 2


def _clip_without_lengths(pictures, captions, scale):
    logits = scale * pictures @ captions.T
    partner = torch.arange(len(logits))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(logits, partner) + entropy(logits.T, partner)) / 2


define(
    "multimodal.clip_loss",
    clip_loss,
    minutes=8,
    level="medium",
    hints=[
        "Rows of length 1 (F.normalize, dim=1) turn a product of two matrices into cosines (B, B).",
        "The right answer of row i is column i: cross_entropy with classes 0 … B − 1.",
        "logits = scale * P @ C.T; the mean of cross_entropy(logits, arange) and of "
        "cross_entropy(logits.T, arange).",
    ],
    cases=lambda: [
        (_normal(4, 6), _normal(4, 6, seed=1), torch.tensor(5.0)),
        (2 * _normal(3, 2, seed=2), _normal(3, 2, seed=3) + 0.5, torch.tensor(1.5)),
    ],
    gradients=True,
    mistakes={
        "The vectors are not brought to length 1: long ones win whatever they say.":
        _clip_without_lengths,
        "This is half of the loss: for each picture its caption. Add the other half, for each "
        "caption its picture, and take the mean.":
        ("return (by_picture + by_caption) / 2", "return by_picture"),
        "This is the half that looks for the picture of each caption. Add the other half.":
        ("return (by_picture + by_caption) / 2", "return by_caption"),
        "The two halves are added; the loss is their mean.":
        ("(by_picture + by_caption) / 2", "by_picture + by_caption"),
        "The scale is missing: without it, cosines from −1 to 1 cannot make a sure softmax.":
        ("scale * pictures @ captions.T", "pictures @ captions.T"),
        "The cosines are divided by the scale. The scale multiplies; a temperature would divide.":
        ("scale * pictures", "pictures / scale"),
        "cross_entropy takes the softmax itself; give it the logits.":
        _clip_in_probabilities,
        "The lengths are taken down the columns. Each row is one vector: dim=1.":
        lambda pictures, captions, scale: _clip_without_lengths(
            torch.nn.functional.normalize(pictures, dim=0),
            torch.nn.functional.normalize(captions, dim=0), scale),
    },
)  # fmt: skip


def zero_shot(cosines, scale):
    n, classes, ways = cosines.shape
    p = (scale * cosines).reshape(n, classes * ways).softmax(dim=1)
    return p.reshape(n, classes, ways).sum(dim=2)


define(
    "multimodal.zero_shot",
    zero_shot,
    minutes=6,
    level="medium",
    hints=[
        "All C × P texts compete in one softmax; a class has the probabilities of its texts.",
        "Reshape (N, C, P) to (N, C · P) before the softmax, and back after it.",
        "(scale * cosines).reshape(N, -1).softmax(dim=1).reshape(N, C, P).sum(dim=2).",
    ],
    cases=lambda: [
        (torch.tanh(_normal(7, 4, 3)), torch.tensor(6.0)),
        (torch.tanh(_normal(2, 3, 5, seed=1)), 2.5),
    ],
    gradients=True,
    mistakes={
        "The softmax runs over the ways to write one class alone. All texts of all classes "
        "compete.":
        lambda cosines, scale: (scale * cosines).softmax(dim=2).sum(dim=2),
        "The softmax runs over the classes, for each way of writing alone. All texts of all "
        "classes compete in one.":
        lambda cosines, scale: (scale * cosines).softmax(dim=1).sum(dim=2),
        "This averages the cosines of a class and then compares. A picture fits one way of "
        "writing well and the others badly: add probabilities, not cosines.":
        lambda cosines, scale: (scale * cosines).mean(dim=2).softmax(dim=1),
        "This takes the best text of a class alone. Add the probabilities of all its texts.":
        ("sum(dim=2)", "amax(dim=2)"),
        "The mean over the texts of a class is P times too small: the classes do not sum to 1.":
        ("sum(dim=2)", "mean(dim=2)"),
        "The scale is missing: it belongs to what training made of the cosines.":
        ("scale * cosines", "cosines"),
        "The cosines are divided by the scale; it multiplies.":
        ("scale * cosines", "cosines / scale"),
        "These are the classes themselves; return their probabilities, (N, C).":
        lambda cosines, scale: zero_shot(cosines, scale).argmax(dim=1),
    },
)  # fmt: skip


def euler_step(x_t, guess, t, n_steps):
    return x_t + (guess - x_t) / (1 - t) / n_steps


define(
    "multimodal.euler_step",
    euler_step,
    minutes=5,
    level="medium",
    hints=[
        "The velocity is x − ε, constant along the line. Solve x_t = (1 − t) ε + t x for ε.",
        "ε = (x_t − t x) / (1 − t), so the velocity is (x − x_t) / (1 − t), with the guess for x.",
        "A step lasts 1 / n_steps: x_t + (guess - x_t) / (1 - t) / n_steps.",
    ],
    cases=lambda: [
        (_normal(3, 4), _normal(3, 4, seed=1), 0.25, 8),
        (_normal(2, 5, seed=2), _normal(2, 5, seed=3), 0.0, 20),
        (_normal(2, 3, seed=4), _normal(2, 3, seed=5), 0.9, 10),
    ],
    gradients=True,
    mistakes={
        "This jumps to the guess at once. Go along the velocity, and only for 1 / n_steps.":
        lambda x_t, guess, t, n_steps: guess,
        "The rest of the way is guess − x_t, and there is a time of 1 − t left for it: divide by "
        "1 − t to get the velocity.":
        (" / (1 - t)", ""),
        "This goes the whole rest of the way in one step: multiply by the length of a step, "
        "1 / n_steps.":
        (" / n_steps", ""),
        "This divides by t, the time that has passed. What counts is the time that is left.":
        lambda x_t, guess, t, n_steps:
        x_t + (guess - x_t) / (t if t else 1) / n_steps,
        "The direction is turned around: the picture lies at guess, so go from x_t to guess.":
        ("(guess - x_t)", "(x_t - guess)"),
        "This is the way that is gone. Add it to x_t.":
        ("x_t + (guess - x_t)", "(guess - x_t)"),
        "This takes x_t for the noise. x_t is already on the way: its velocity is "
        "(guess − x_t) / (1 − t).":
        lambda x_t, guess, t, n_steps:
        (1 - t - 1 / n_steps) * x_t + (t + 1 / n_steps) * guess,
    },
)  # fmt: skip


# ---------------------------------------------------------------- 08 reasoning_and_tools


def majority(votes):
    counts = {vote: votes.count(vote) for vote in dict.fromkeys(votes)}
    return max(counts, key=counts.get)  # of equals the first: dicts keep their order


define(
    "tools.majority",
    majority,
    minutes=4,
    level="easy",
    hints=[
        "Count how often each answer comes up; return the answer with the largest count.",
        "A dict keeps the order in which its keys came, and max returns the first of equals.",
        "counts = {vote: votes.count(vote) for vote in votes}; return max(counts, key=counts.get).",
    ],
    cases=lambda: [
        ([3, 7, 7, 1],),
        ([2, 2, 9],),
        ([4, 9, 2, 5, 3],),
        ([5],),
        ([1, 8, 8, 1, 4],),
        ([0, 0, 6, 6, 6, 0],),
    ],
    mistakes={
        "This returns how many votes the winner has. The answer itself is asked for.":
        lambda votes: max(votes.count(vote) for vote in votes),
        "Of equals this takes the smallest answer. The one that was given first wins.":
        lambda votes: min(votes, key=lambda vote: (-votes.count(vote), vote)),
        "Of equals this takes the largest answer. The one that was given first wins.":
        lambda votes: max(votes, key=lambda vote: (votes.count(vote), vote)),
        "Of equals this takes the one that was given last. The first one wins.":
        lambda votes: max(reversed(votes), key=votes.count),
        "This is the rarest answer. Take the most frequent one.":
        lambda votes: min(dict.fromkeys(votes), key=votes.count),
        "This is the largest answer. Count how often each comes up.": lambda votes: max(votes),
        "This is the first answer. Count how often each comes up.": lambda votes: votes[0],
        "This is the median of the answers. They are names of answers here, not amounts: count "
        "them.": lambda votes: sorted(votes)[len(votes) // 2],
    },
)  # fmt: skip


def flat_value(items):
    terms = [items[0]]
    for sign, number in zip(items[1::2], items[2::2], strict=True):
        if sign == "*":
            terms[-1] = terms[-1] * number
        elif sign == "/":
            terms[-1] = terms[-1] / number
        else:
            terms.append(number if sign == "+" else -number)
    return sum(terms)


def _left_to_right(items):
    value = items[0]
    for sign, number in zip(items[1::2], items[2::2], strict=True):
        if sign == "*":
            value = value * number
        elif sign == "/":
            value = value / number
        else:
            value = value + number if sign == "+" else value - number
    return value


def _in_order(items, order, last_first=False):
    """Sign by sign: all of the first kind, then all of the second, and so on."""
    items = list(items)
    for signs in order:
        while any(item in signs for item in items if isinstance(item, str)):
            places = [
                at for at, item in enumerate(items) if isinstance(item, str) and item in signs
            ]
            at = places[-1 if last_first else 0]
            items[at - 1 : at + 2] = [_left_to_right(items[at - 1 : at + 2])]
    return items[0]


define(
    "tools.flat_value",
    flat_value,
    minutes=8,
    level="medium",
    hints=[
        "Think of terms that are added up in the end. A * or / changes the last term; a + or − "
        "begins a new one.",
        "items[1::2] are the signs, items[2::2] the numbers behind them: go through both with zip.",
        "terms = [items[0]]; for *: terms[-1] *= number; for /: terms[-1] /= number; for + and −: "
        "terms.append(number) or terms.append(-number). Return sum(terms).",
    ],
    cases=lambda: [
        ([7.0],),
        ([3.0, "+", 4.0, "*", 5.0],),
        ([9.0, "-", 3.0, "+", 2.0],),
        ([40.0, "/", 4.0, "/", 2.0],),
        ([12.0, "/", 3.0, "*", 2.0],),
        ([1.0, "-", 6.0, "*", 2.0, "/", 4.0, "-", 5.0, "+", 0.5],),
        ([7.0, "/", 2.0],),
    ],
    mistakes={
        "This goes from left to right and gives 35 for 3 + 4 · 5. * and / bind tighter.":
        _left_to_right,
        "This does + and − first. * and / bind tighter.":
        lambda items: _in_order(items, ("+-", "*/")),
        "This does all * before any /: 12 / 3 · 2 becomes 12 / 6. They are of one rank, and the "
        "left one goes first.": lambda items: _in_order(items, ("*", "/", "+-")),
        "This does all + before any −: 9 − 3 + 2 becomes 9 − 5. They are of one rank, and the "
        "left one goes first.": lambda items: _in_order(items, ("*/", "+", "-")),
        "This goes from the right: 40 / 4 / 2 becomes 40 / 2. The left one goes first.":
        lambda items: _in_order(items, ("*/", "+-"), last_first=True),
        "The division drops what is behind the point: use / and not //.":
        ("terms[-1] / number", "terms[-1] // number"),
        "A minus sign is read as a plus.": ("else -number", "else number"),
        "This is the last term alone. Add up all of them.": ("sum(terms)", "terms[-1]"),
        "This is the first term alone. Add up all of them.": ("sum(terms)", "terms[0]"),
    },
)  # fmt: skip


def recall_at_k(scores, right, k):
    best = scores.topk(k, dim=1).indices  # (Q, k)
    return (best == right[:, None]).any(dim=1).float().mean().item()


def _ranked(seed=0, questions=7, passages=9):
    scores = _normal(questions, passages, seed=seed)
    right = torch.randint(passages, (questions,), generator=torch.Generator().manual_seed(seed))
    return scores, right


def _edges():
    """Right passages at the ranks 1, 2, 3, 4, 5 of five, none of them at its own place."""
    scores = torch.tensor([[5.0, 4, 3, 2, 1]]).repeat(5, 1) - 10
    return scores, torch.arange(5)


define(
    "tools.recall_at_k",
    recall_at_k,
    minutes=5,
    level="easy",
    hints=[
        "For each question, take the places of its k largest scores and look for the right one.",
        "scores.topk(k, dim=1).indices is (Q, k). Compare it with right[:, None].",
        "Return (best == right[:, None]).any(dim=1).float().mean().item().",
    ],
    cases=lambda: [
        (*_edges(), 1),
        (*_edges(), 2),
        (*_edges(), 5),
        (*_ranked(1), 3),
        (*_ranked(2, 8, 12), 4),
        (*_ranked(3, 5, 6), 1),
    ],
    mistakes={
        "This counts questions. Divide by how many there are.": (".mean()", ".sum()"),
        "These are the k smallest scores. The best passages have the largest.":
        ("scores.topk(k, dim=1)", "scores.topk(k, dim=1, largest=False)"),
        "This takes k + 1 passages.": ("topk(k, ", "topk(min(k + 1, scores.shape[1]), "),
        "Only the k-th passage is looked at. Any of the first k may be the right one.":
        ("best == right[:, None]", "best[:, -1:] == right[:, None]"),
        "Only the best passage is looked at. Any of the first k may be the right one.":
        ("best == right[:, None]", "best[:, :1] == right[:, None]"),
        "This divides by k as well, which is precision. Recall is a share of questions.":
        (".any(dim=1)", ""),
        "This is the share of questions that are missed. Recall counts those that are found.":
        ("return (best == right[:, None]).any(dim=1)",
         "return (best != right[:, None]).all(dim=1)"),
        "The best are sought down the columns, among questions. Each row is a question: dim=1.":
        lambda scores, right, k: (
            (scores.argsort(dim=0, descending=True).argsort(dim=0)
             .gather(1, right[:, None]) < k).float().mean().item()
        ),
    },
)  # fmt: skip


def cite(quote, passages):
    for number, passage in enumerate(passages):
        at = passage.find(quote)
        if quote and at >= 0:
            return number, at
    return None


_PASSAGES = [
    "A list can be changed. Its items can be anything.",
    "A tuple cannot be changed. (Its items may be lists.)",
    "Numbers are immutable. A tuple cannot be changed. That is all.",
]

define(
    "tools.cite",
    cite,
    minutes=5,
    level="easy",
    hints=[
        "Go through the passages with their numbers; the first that holds the quote wins.",
        "passage.find(quote) gives the place of the first character, or −1 if it is not there. "
        "The place 0 is a place.",
        "for number, passage in enumerate(passages): at = passage.find(quote); if quote and "
        "at >= 0: return number, at. Behind the loop: return None.",
    ],
    cases=lambda: [
        ("A tuple cannot be changed.", _PASSAGES),
        ("That is all.", _PASSAGES),
        ("A list can be changed.", _PASSAGES),
        ("Its items may be lists.", _PASSAGES),
        ("a tuple cannot be changed.", _PASSAGES),
        ("A tuple cannot be changed", ["Sets.", *_PASSAGES]),
        ("A tuple can be changed.", _PASSAGES),
        ("Its items", _PASSAGES),
        ("changed tuple", _PASSAGES),
        ("", _PASSAGES),
        ("A list", []),
    ],
    mistakes={
        "Capital and small letters are taken for the same. Word for word means letter for letter.":
        lambda quote, passages: cite(quote.lower(), [p.lower() for p in passages]),
        "An empty quotation stands everywhere and proves nothing: return None for it.":
        ("quote and at >= 0", "at >= 0"),
        "The place 0 is a place: a quotation at the beginning of a passage is missed.":
        ("at >= 0", "at > 0"),
        "find gives −1 where nothing is found. Here the first passage is cited whatever stands in "
        "it.": ("quote and at >= 0", "quote"),
        "This returns the number of the passage alone. The place of the first character belongs "
        "to it.": ("return number, at", "return number"),
        "This returns the place alone. The number of the passage belongs to it.":
        ("return number, at", "return at"),
        "Number and place are in each other's place.": ("return number, at", "return at, number"),
        "Passages are counted from 0, not from 1.": ("return number, at", "return number + 1, at"),
        "This finds the last passage that holds it. The first one is asked for.":
        lambda quote, passages: next(
            ((n, passages[n].find(quote)) for n in reversed(range(len(passages)))
             if quote and quote in passages[n]), None
        ),
        "This looks for the words one by one. They must stand together, in this order.":
        lambda quote, passages: next(
            ((n, p.find(quote.split()[0])) for n, p in enumerate(passages)
             if quote and all(word in p for word in quote.split())), None
        ),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 09 evaluation


def bootstrap(values, rows):
    means = values[rows].mean(dim=1)
    return means.quantile(means.new_tensor([0.025, 0.975]))


def _draws(repeats: int, n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(n, (repeats, n), generator=torch.Generator().manual_seed(seed))


define(
    "evaluate.bootstrap",
    bootstrap,
    minutes=5,
    level="easy",
    hints=[
        "values[rows] picks for every test set that is drawn again its N values: (R, N).",
        "Take the mean of each row: R means. The interval holds the middle 95 percent of them.",
        "means.quantile(torch.tensor([0.025, 0.975])) cuts 2.5 percent off at each side.",
    ],
    cases=lambda: [
        (_normal(30), _draws(400, 30)),
        ((_normal(50, seed=1) > 0.3).float(), _draws(300, 50, seed=1)),
        (3 + _normal(12, seed=2) ** 3, _draws(200, 12, seed=2)),
    ],
    mistakes={
        "The mean runs over the test sets. Take one mean for each test set: over the places in "
        "it.": (".mean(dim=1)", ".mean(dim=0)"),
        "One mean of everything has no spread; take one mean for each row.":
        lambda values, rows: values[rows].mean().repeat(2),
        "These are the quantiles of the values themselves: how examples differ. Asked is how the "
        "mean differs, from one test set to the next.":
        lambda values, rows: values.quantile(values.new_tensor([0.025, 0.975])),
        "This cuts 5 percent off at each side, so that 90 percent are left. Cut off 2.5.":
        ("[0.025, 0.975]", "[0.05, 0.95]"),
        "These are the lowest and the highest of all means. The middle 95 percent are asked for.":
        lambda values, rows: torch.stack(values[rows].mean(1).aminmax()),
        "This puts a bell curve around the mean (1.96 deviations), which is nearly the same. The "
        "bootstrap asks the means themselves: take their quantiles.":
        lambda values, rows: (
            values[rows].mean(1).mean() + torch.tensor([-1.96, 1.96]) * values[rows].mean(1).std()
        ),
        "The medians of the test sets are taken; the score is a mean.":
        lambda values, rows: (
            values[rows].median(1).values.quantile(values.new_tensor([0.025, 0.975]))
        ),
        "The larger end comes first. Return (low, high).":
        lambda values, rows: bootstrap(values, rows).flip(0),
    },
)  # fmt: skip


def sign_flip(differences, signs):
    measured = abs(differences.sum())
    by_chance = (signs * differences).sum(dim=1).abs()
    return (1 + (by_chance >= measured).sum().item()) / (1 + len(signs))


def _wins(n: int, better: float, seed: int) -> torch.Tensor:
    """Differences of −1, 0 and 1, whose sums have no rounding."""
    draws = torch.rand(n, generator=torch.Generator().manual_seed(seed))
    return (draws > 1 - better).long() - (draws < 0.15).long()


def _signs(repeats: int, n: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randint(2, (repeats, n), generator=torch.Generator().manual_seed(seed)) - 1


define(
    "evaluate.sign_flip",
    sign_flip,
    minutes=6,
    level="medium",
    hints=[
        "If both models are equally good, each difference could as well have the other sign.",
        "signs * differences is (R, N): R results by chance. Sum each row, and compare its size "
        "with that of differences.sum().",
        "Count rows with a size that is as large or larger, add 1, divide by R + 1.",
    ],
    cases=lambda: [
        (_wins(40, 0.3, 0), _signs(500, 40)),
        (_wins(60, 0.2, 1), _signs(300, 60, seed=1)),
        (_wins(25, 0.15, 2), _signs(200, 25, seed=2)),
        (-_wins(40, 0.3, 3), _signs(400, 40, seed=3)),
        (torch.ones(20).long(), _signs(99, 20, seed=4)),
    ],
    mistakes={
        "The result itself is one of those that chance could have brought: add 1 above and "
        "below. A p-value of 0 claims too much.":
        lambda differences, signs: (
            (signs * differences).sum(1).abs() >= abs(differences.sum())
        ).double().mean().item(),
        "This asks whether one model is better, the side that you chose after looking. Compare "
        "sizes, without the sign.":
        lambda differences, signs: (
            1 + ((signs * differences).sum(1) >= differences.sum()).sum().item()
        ) / (1 + len(signs)),
        "Chance results as large as the measured one count, too: >=, not >.": (">=", ">"),
        "This counts chance results that are smaller; count those at least as large.":
        (">=", "<="),
        "abs() stands inside of the sum: then no sign matters any more. Sum first.":
        lambda differences, signs: (
            1 + ((signs * differences).abs().sum(1) >= abs(differences.sum())).sum().item()
        ) / (1 + len(signs)),
        "The sum runs over the chance results instead of over the examples: sum each row.":
        lambda differences, signs: (
            1 + ((signs * differences).sum(0).abs() >= abs(differences.sum())).sum().item()
        ) / (1 + len(signs)),
    },
)  # fmt: skip


def bradley_terry_step(wins, strengths):
    games = wins + wins.T
    expected = games / (strengths[:, None] + strengths[None, :])
    new = wins.sum(dim=1) / expected.sum(dim=1)
    return new / new.log().mean().exp()


def _table(players: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    wins = torch.randint(1, 20, (players, players), generator=generator).float()
    return wins.fill_diagonal_(0)


def _powers(players: int, seed: int) -> torch.Tensor:
    return _normal(players, seed=seed).exp()


define(
    "evaluate.bradley_terry",
    bradley_terry_step,
    minutes=8,
    level="medium",
    hints=[
        "games = wins + wins.T holds how often i and j met; wins.sum(dim=1) how often i won.",
        "The denominator: games / (strengths[:, None] + strengths[None, :]), summed over j. Its "
        "diagonal is 0, for nobody meets himself.",
        "Divide the new strengths by their geometric mean, new.log().mean().exp().",
    ],
    cases=lambda: [
        (_table(3, 0), torch.ones(3)),
        (_table(5, 1), _powers(5, 1)),
        (_table(4, 2), _powers(4, 2)),
    ],
    mistakes={
        "The sum above runs down the columns: these are the losses. wins[i, j] is how often i "
        "beat j.": ("wins.sum(dim=1)", "wins.sum(dim=0)"),
        "The new strengths are not divided by their geometric mean.":
        ("new / new.log().mean().exp()", "new"),
        "The new strengths are divided by their sum or by their arithmetic mean; the geometric "
        "mean is asked for, so that the logarithms sum to 0.":
        ("new.log().mean().exp()", "new.mean()"),
        "Divided by their sum; divide by the geometric mean, so that the logarithms sum to 0.":
        ("new.log().mean().exp()", "new.sum()"),
        "Below stand the games of both, not the wins of one: n_ij = wins[i, j] + wins[j, i].":
        ("wins + wins.T", "wins"),
        "This is the share of games won. It does not ask against whom: divide each number of "
        "games by the strengths of both.":
        lambda wins, strengths: _geometric(wins.sum(1) / (wins + wins.T).sum(1)),
        "The old strength stands above, too. It is not part of this step.":
        lambda wins, strengths: _geometric(
            strengths * wins.sum(1)
            / ((wins + wins.T) / (strengths[:, None] + strengths)).sum(1)
        ),
        "The games are divided by the other's strength alone; below stands the sum of both.":
        ("(strengths[:, None] + strengths[None, :])", "strengths[None, :]"),
    },
)  # fmt: skip


def _geometric(new: torch.Tensor) -> torch.Tensor:
    return new / new.log().mean().exp()


def both_orders(first, swapped):
    for_a = (first + 1 - swapped) / 2
    same_side = (first > 0.5) == (swapped > 0.5)
    return for_a, same_side.double().mean().item()


define(
    "evaluate.both_orders",
    both_orders,
    minutes=4,
    level="easy",
    hints=[
        "`swapped` speaks for B, which then stands first. For A it says 1 − swapped.",
        "A judge that says above one half both times chose the first place both times: once A, "
        "once B. So it contradicts itself where both verdicts are on the same side of one half.",
        "Return (first + 1 - swapped) / 2 and the mean of (first > 0.5) == (swapped > 0.5), as a "
        "number.",
    ],
    cases=lambda: [
        (torch.tensor([0.9, 0.6, 0.3, 0.8]), torch.tensor([0.2, 0.7, 0.4, 0.1])),
        (_powers(20, 3) / 4 % 1, _powers(20, 4) / 4 % 1),
        (torch.tensor([0.55, 0.95]), torch.tensor([0.65, 0.15])),
    ],
    mistakes={
        "`swapped` is the chance that B is better, which stands first there. For A it is "
        "1 − swapped.":
        lambda first, swapped: ((first + swapped) / 2, both_orders(first, swapped)[1]),
        "This is the share of pairs on which both orders agree. Asked is where they contradict "
        "each other.":
        ("==", "!="),
        "The second result is one number, a share of the pairs.":
        (".mean().item()", ""),
        "This counts the pairs; the share is asked for.":
        (".mean()", ".sum()"),
        "Only the first order is used for A. Take the mean of both.":
        lambda first, swapped: (first, both_orders(first, swapped)[1]),
        "The sum of both orders is not a probability: divide by 2.":
        ("(first + 1 - swapped) / 2", "first + 1 - swapped"),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 10 end_to_end_app


def check_input(text, known, longest):
    import re

    if not text.strip():
        return "empty"
    if len(text) > longest:
        return "too long"
    if not all(c.isprintable() or c == "\n" for c in text):
        return "strange characters"
    if "<" in text or ">" in text:
        return "signs"
    for word in re.findall(r"\w+|[^\w\s]", text):
        if word not in known:
            return f"unknown word: {word}"
    return ""


def _signs_last(text, known, longest):
    complaint = check_input(text.replace("<", " ").replace(">", " "), known, longest)
    return complaint or ("signs" if "<" in text or ">" in text else "")


def _all_unknown(text, known, longest):
    unknown = [word for word in re.findall(r"\w+|[^\w\s]", text) if word not in known]
    first = check_input(text, known, longest)
    return f"unknown word: {' '.join(unknown)}" if first.startswith("unknown") else first


define(
    "app.check_input",
    check_input,
    minutes=7,
    level="medium",
    hints=[
        "Five questions, one after the other; the first that applies returns at once. text.strip() "
        "is empty for white space.",
        "A character is fine if c.isprintable() or c == '\\n'. A sign: '<' in text or '>' in text.",
        "for word in re.findall(r'\\w+|[^\\w\\s]', text): return f'unknown word: {word}' if it is "
        "not in known. After the loop return ''.",
    ],
    cases=lambda: [
        ("Ben sang.", {"Ben", "sang", "."}, 20),
        (" \n ", {"Ben"}, 20),
        ("", {"Ben"}, 20),
        ("Ben sang.", {"Ben", "sang", "."}, 9),
        ("Ben sang.", {"Ben", "sang", "."}, 8),
        ("Ben\nsang.", {"Ben", "sang", "."}, 20),
        ("Ben\0sang <b>", {"Ben", "sang", "."}, 20),
        ("Ben\x1b sang.", {"Ben", "sang", "."}, 20),
        ("Ben < Mia zzz", {"Ben", "Mia"}, 20),
        ("Ben > Mia zzz", {"Ben", "Mia"}, 20),
        ("zzz <Ben>", {"Ben"}, 20),
        ("ben saw Zoé, yes", {"Ben", "saw", ","}, 20),
        ("Ben saw Zoé, yes", {"Ben", "saw", ","}, 20),
        ("Ben sang!", {"Ben", "sang", "."}, 20),
        ("<\0" * 50, {"Ben"}, 20),
        ("Ben café", {"Ben", "caf"}, 20),
    ],
    mistakes={
        "White space alone is empty, too: look at text.strip().": ("text.strip()", "text"),
        "A text of exactly `longest` characters is allowed.": ("> longest", ">= longest"),
        "A new line is allowed, though it is not printable.": (' or c == "\\n"', ""),
        "One strange character is enough to refuse; here all must be strange.":
        ("not all(c.isprintable()", "not any(c.isprintable()"),
        "A > alone is a sign, too.": ('"<" in text or ">" in text', '"<" in text'),
        "A < or a > anywhere is a sign; here both are needed.":
        ('"<" in text or ">" in text', '"<" in text and ">" in text'),
        "Words are compared as they stand: with small letters 'Ben' and 'ben' become one.":
        lambda text, known, longest: check_input(
            text.lower(), {word.lower() for word in known}, longest
        ),
        "Marks count, too: one may be unknown. Cut with the pattern that is given.":
        (r"\w+|[^\w\s]", r"\w+"),
        "The order is another one: signs come before unknown words.": _signs_last,
        "Only the first unknown word is named.": _all_unknown,
        "Say which word is unknown: the visitor must know what to change.":
        ('f"unknown word: {word}"', '"unknown word"'),
        "Length comes before what is in the text: long junk should cost nothing.":
        lambda text, known, longest: (
            check_input(text, known, 10**9) or check_input(text, known, longest)
        ),
    },
)  # fmt: skip


def supported(said, text, free):
    import re

    words, there = re.findall(r"\w+", said), set(re.findall(r"\w+", text))
    return bool(words) and all(word in there or word in free for word in words)


define(
    "app.supported",
    supported,
    minutes=5,
    level="easy",
    hints=[
        "Cut both into words with re.findall(r'\\w+', …), the text as a set.",
        "all(word in there or word in free for word in words) is true for no words at all: that "
        "case needs a line of its own.",
        "Return bool(words) and all(word in there or word in free for word in words).",
    ],
    cases=lambda: [
        ("ran", "Ben ran to the hill.", {"on", "the"}),
        ("on the hill", "Ben ran to the hill.", {"on", "the"}),
        ("on the beach", "Ben ran to the hill.", {"on", "the"}),
        ("Ben", "Benjamin ran.", {"on"}),
        ("Benjamin", "Ben ran.", {"on"}),
        ("", "Ben ran.", {"on"}),
        (" ?!", "Ben ran.", {"on"}),
        ("nobody", "Ben ran.", {"nobody"}),
        ("ben", "Ben ran.", {"on"}),
        ("hill", "Ben ran to the hill.", set()),
        ("Mia ran.", "Ben ran.", set()),
        ("Ben ran!", "Ben ran.", set()),
    ],
    mistakes={
        "An empty answer is supported by nothing: all() of no words is true, so ask for words "
        "first.": ("bool(words) and ", ""),
        "'Ben' is found in 'Benjamin': compare whole words, not pieces of text.":
        lambda said, text, free: bool(re.findall(r"\w+", said)) and all(
            word in text or word in free for word in re.findall(r"\w+", said)
        ),
        "One supported word is not enough: all of them must be.": ("and all(", "and any("),
        "The words in `free` need no support.": (" or word in free", ""),
        "Compare words as they stand: 'ben' is not 'Ben'.":
        lambda said, text, free: supported(
            said.lower(), text.lower(), {word.lower() for word in free}
        ),
        "Cut with re.findall(r'\\w+', …): split() leaves the full stop at the word.":
        lambda said, text, free: bool(said.split()) and all(
            word in text.split() or word in free for word in said.split()
        ),
        "Words that are not free must stand in the text: this lets only free ones through.":
        ("word in there or ", ""),
        "The other way round: the words of `said` must stand in `text`.":
        lambda said, text, free: supported(text, said, free),
    },
)  # fmt: skip


def quantize_rows(W):
    largest = W.abs().amax(dim=1)
    step = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (W / step[:, None]).round().to(torch.int8), step


def _unguarded_zero(W):
    step = W.abs().amax(dim=1) / 127
    return (W / step[:, None]).round().to(torch.int8), step


def _one_step(W):
    step = (W.abs().max() / 127).expand(len(W))
    return (W / step[:, None]).round().to(torch.int8), step


def _step_of_columns(W):
    step = W.abs().amax(dim=0) / 127
    return (W / step).round().to(torch.int8), step


define(
    "app.quantize_rows",
    quantize_rows,
    minutes=6,
    level="medium",
    hints=[
        "The largest absolute value of each row, over 127, is its step; divide, round, convert.",
        "W.abs().amax(dim=1) is (O,); as a column it is step[:, None]. Where it is 0 take 1.",
        "Return (W / step[:, None]).round().to(torch.int8), step.",
    ],
    cases=lambda: [
        (_normal(4, 6),),
        (_normal(3, 5, seed=1) * torch.tensor([[1.0], [100.0], [0.01]]),),
        (torch.cat([_normal(2, 4, seed=2), torch.zeros(1, 4)]),),
        (-_normal(5, 5, seed=3).abs(),),
    ],
    mistakes={
        "A row of zeros divides by zero. Its step is 1.": _unguarded_zero,
        "One step is used for the whole matrix: each row has its own.": _one_step,
        "The steps belong to columns here; each row has its own.": _step_of_columns,
        "The largest value is taken without abs(): a row of negative numbers gets a wrong step.":
        (".abs().amax(dim=1)", ".amax(dim=1)"),
        "The numbers are cut off, not rounded: round() comes before the conversion.":
        (".round()", ""),
        "The step is the largest value over 128; 127 is the largest whole number of both signs.":
        ("/ 127", "/ 128"),
        "The whole numbers are not converted: they must be torch.int8, one byte each.":
        (".to(torch.int8)", ""),
        "Divide by the step; here W is multiplied by it.":
        ("W / step[:, None]", "W * step[:, None]"),
        "q and the steps are in each other's place.": lambda W: quantize_rows(W)[::-1],
        "The steps are (O,), one for each row, not a column (O, 1).":
        lambda W: (quantize_rows(W)[0], quantize_rows(W)[1][:, None]),
    },
)  # fmt: skip


# ---------------------------------------------------------------- 11 recap


def pareto(costs):
    below = (costs[:, None] <= costs[None]).all(dim=2)  # [j, i]: j nowhere above i
    better = (costs[:, None] < costs[None]).any(dim=2)
    return ~(below & better).any(dim=0)


def _best_of_a_column(costs):
    return (costs == costs.min(dim=0).values).any(dim=1)


def _strictly_better_in_all(costs):
    return ~(costs[:, None] < costs[None]).all(dim=2).any(dim=0)


def _ties_strike_out(costs):
    below = (costs[:, None] <= costs[None]).all(dim=2)
    below.fill_diagonal_(False)
    return ~below.any(dim=0)


def _smallest_sum(costs):
    return costs.sum(dim=1) == costs.sum(dim=1).min()


_COSTS = torch.tensor(
    [
        [1.0, 9.0],
        [2.0, 4.0],
        [3.0, 3.5],
        [2.0, 5.0],
        [4.0, 4.0],
        [9.0, 1.0],
        [3.0, 3.5],
        [1.0, 10.0],
    ]
)

define(
    "recap.pareto",
    pareto,
    minutes=6,
    level="medium",
    hints=[
        "Compare all pairs at once: costs[:, None] <= costs[None] has shape (N, N, K); its entry "
        "[j, i, k] says whether j is at most as high as i in column k.",
        "j dominates i if .all(dim=2) of <= and .any(dim=2) of < hold. Equal rows do not "
        "dominate each other.",
        "dominates = (a <= b).all(dim=2) & (a < b).any(dim=2) with a = costs[:, None] and "
        "b = costs[None]. Return ~dominates.any(dim=0).",
    ],
    cases=lambda: [
        (_COSTS,),
        (_normal(30, 3).round(decimals=1),),
        (torch.zeros(4, 2),),
        (_normal(1, 5),),
        (torch.tensor([[3.0], [1.0], [1.0], [2.0]]),),
    ],
    mistakes={
        "These are the rows that others dominate. The front is the rest.":
        lambda costs: ~pareto(costs),
        "These are the rows that dominate no other one. Asked is which rows no other dominates: "
        "any over the first index, j.":
        lambda costs: pareto(-costs),
        "These are the best of single columns. A row that is best in none may be on the front, "
        "and of two that are equal in one column the worse in another is not.":
        _best_of_a_column,
        "A row strikes out another also where the two are equal in a column: <= in all, < in at "
        "least one.": _strictly_better_in_all,
        "Two equal rows strike each other out here. Dominating takes at least one column that is "
        "strictly less.": _ties_strike_out,
        "A row counts as its own rival: <= holds with itself. At least one column must be "
        "strictly less.":
        lambda costs: ~(costs[:, None] <= costs[None]).all(dim=2).any(dim=0),
        "This adds up the columns, as if a second and a point of distance had the same price.":
        _smallest_sum,
        "One column that is less is not enough: j must be at most as high as i in all columns.":
        lambda costs: ~(costs[:, None] < costs[None]).any(dim=2).any(dim=0),
        "These are places of rows. Return a bool for each row.":
        lambda costs: pareto(costs).nonzero().squeeze(1),
    },
)  # fmt: skip


def exposure(log_p, secret):
    rank = (log_p >= log_p[secret]).sum()  # 1 for the most probable
    return math.log2(len(log_p)) - math.log2(rank)


def _rank_from_the_bottom(log_p, secret):
    return math.log2(len(log_p)) - math.log2((log_p <= log_p[secret]).sum())


def _rank_from_zero(log_p, secret):
    return math.log2(len(log_p)) - math.log2(max((log_p > log_p[secret]).sum(), 0.5))


define(
    "recap.exposure",
    exposure,
    minutes=5,
    level="easy",
    hints=[
        "The rank is 1 + the number of other texts that are more probable.",
        "Without two equal ones that is how many have log_p >= log_p[secret], itself among them.",
        "rank = (log_p >= log_p[secret]).sum(); return math.log2(len(log_p) / rank).",
    ],
    cases=lambda: [
        (_normal(384), 7),
        (-_normal(64, seed=1).abs() - 20, 0),
        (torch.linspace(-9, -1, 32), 31),
        (torch.linspace(-9, -1, 32), 0),
        (_normal(100, seed=2), 50),
    ],
    mistakes={
        "The rank is counted from the least probable text. Rank 1 is the most probable.":
        _rank_from_the_bottom,
        "The rank begins at 1, not at 0: count the secret itself.": _rank_from_zero,
        "These are nats. Exposure is in bits: log2.":
        lambda log_p, secret: math.log(len(log_p)) - math.log((log_p >= log_p[secret]).sum()),
        "This is the rank. The exposure is log2 of how many there are, minus log2 of the rank.":
        lambda log_p, secret: int((log_p >= log_p[secret]).sum()),
        "This is log2 of the rank alone: large for what is NOT remembered. Subtract it from "
        "log2 of how many there are.":
        lambda log_p, secret: math.log2((log_p >= log_p[secret]).sum()),
        "This is the surprise of the secret in bits. Only its rank among the others counts.":
        lambda log_p, secret: -log_p[secret].item() / math.log(2),
        "The number of other texts is taken; all of them count, the secret, too.":
        lambda log_p, secret: exposure(log_p, secret)
        + math.log2(len(log_p) - 1) - math.log2(len(log_p)),
    },
)  # fmt: skip


def _groups(size, n):
    """All choices of n out of size.  -> (choices, n)"""
    return torch.tensor(list(itertools.combinations(range(size), n)))


def _regrouped(x, y):
    """The difference of means of every way to deal x and y into groups of their sizes."""
    both, n = torch.cat([x, y]), len(x)
    first = both[_groups(len(both), n)].sum(dim=1)
    return first / n - (both.sum() - first) / (len(both) - n)


def permutation_p(x, y):
    import itertools

    both, n = torch.cat([x, y]), len(x)
    groups = torch.tensor(list(itertools.combinations(range(len(both)), n)))
    first = both[groups].sum(dim=1)  # of every group
    means = first / n - (both.sum() - first) / len(y)
    return (means >= x.mean() - y.mean() - 1e-6).double().mean().item()


def _strict_p(x, y):
    return (_regrouped(x, y) > x.mean() - y.mean() + 1e-6).double().mean().item()


def _two_sided(x, y):
    observed = (x.mean() - y.mean()).abs() - 1e-6
    return (_regrouped(x, y).abs() >= observed).double().mean().item()


def _other_side(x, y):
    return (_regrouped(x, y) <= x.mean() - y.mean() + 1e-6).double().mean().item()


def _normal_p(x, y):
    error = (x.var() / len(x) + y.var() / len(y)).sqrt()
    return 1 - torch.special.ndtr((x.mean() - y.mean()) / error).item()


def _counted(x, y):
    return (_regrouped(x, y) >= x.mean() - y.mean() - 1e-6).sum().item()


def _sums(x, y):
    """Differences of sums: with groups of unlike size another question."""
    both, n = torch.cat([x, y]), len(x)
    first = both[_groups(len(both), n)].sum(dim=1)
    return (2 * first - both.sum() >= x.mean() - y.mean() - 1e-6).double().mean().item()


define(
    "recap.permutation_p",
    permutation_p,
    minutes=6,
    level="medium",
    hints=[
        "both = torch.cat([x, y]); each tuple of itertools.combinations(range(len(both)), len(x)) "
        "says which ones go into the first group.",
        "The mean of the second group follows: (both.sum() - first) / len(y), with `first` the "
        "sums of the first groups.",
        "groups = torch.tensor(list(itertools.combinations(range(len(both)), len(x)))); "
        "first = both[groups].sum(dim=1); means = first / len(x) - (both.sum() - first) / len(y); "
        "return (means >= x.mean() - y.mean() - 1e-6).double().mean().item().",
    ],
    cases=lambda: [
        (_normal(5).double() + 1, _normal(5, seed=1).double()),
        (_normal(4, seed=2).double(), _normal(6, seed=3).double()),
        (torch.tensor([3.0, 1.0, 2.0]).double(), torch.tensor([2.0, 2.0, 0.0, 1.0]).double()),
        (torch.tensor([0.0, 0.0]).double(), torch.tensor([1.0, 1.0, 1.0]).double()),
        (_normal(7, seed=4).double() + 0.5, _normal(3, seed=5).double()),
    ],
    tolerance=1e-5,
    mistakes={
        "Ours is one of the regroupings: count differences that are equal, too, within 1e-6.":
        _strict_p,
        "This is two-sided: it counts large differences in the other direction, too. Asked is "
        "the one-sided share.": _two_sided,
        "This counts the regroupings with a SMALLER difference. Asked are those at least as "
        "large.": _other_side,
        "This is the p-value of a normal distribution. Go through the regroupings.": _normal_p,
        "This is how many regroupings there are. Asked is their share.": _counted,
        "These are sums of a group against a difference of means. Divide each sum by the size of "
        "its group.": _sums,
        "This is the difference of the means, not how rare it is.":
        lambda x, y: (x.mean() - y.mean()).item(),
    },
)  # fmt: skip
