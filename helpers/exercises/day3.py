"""Exercises of Day 3: references, inputs, mistakes and hints. How to read it: see day1.py."""

import math

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


def _pieces_found_so_far(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if piece in vocabulary:
                break
        else:
            return [*pieces, "[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def _skips_what_does_not_fit(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if piece in vocabulary:
                pieces.append(piece)
                break
        else:
            end = start + 1
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
        "alone, without the pieces found before.": _pieces_found_so_far,
        "A character that fits nowhere is left out here. The word is then unknown as a whole.":
        _skips_what_does_not_fit,
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
