"""Answers to the exercises of Day 3, as students type them."""

from answers_day1 import Answers

WORD_PIECES = """
pieces, rest, front = [], word, ""
while rest:
    ends = [n for n in range(len(rest), 0, -1) if front + rest[:n] in vocabulary]
    if not ends:
        return ["[UNK]"]
    pieces.append(front + rest[:ends[0]])
    rest, front = rest[ends[0]:], "##"
return pieces
"""
CHUNKS = """
ids, chunks = [], []
for name, tokens in zip(batch["id"], batch["tokens"]):
    start = 0
    while True:
        ids.append(name)
        chunks.append(tokens[start:start + size])
        if start + size >= len(tokens):
            break
        start += size - overlap
return {"id": ids, "tokens": chunks}
"""
PADDED = """
longest = max(map(len, rows))
ids, mask = [], []
for row in rows:
    filling = longest - len(row)
    a, b = list(row) + [pad] * filling, [1] * len(row) + [0] * filling
    if side == "left":
        a, b = [pad] * filling + list(row), [0] * filling + [1] * len(row)
    ids.append(a)
    mask.append(b)
ids, mask = torch.tensor(ids), torch.tensor(mask)
return ids, mask
"""
CHECKED = r"""
import re
if not text.strip():
    return 'empty'
if len(text) > longest:
    return 'too long'
if not text.replace('\n', '').isprintable():
    return 'strange characters'
if '<' in text or '>' in text:
    return 'signs'
for word in re.findall(r'\w+|[^\w\s]', text):
    if word not in known:
        return f'unknown word: {word}'
return ''
"""
TERMS = """
terms = [items[0]]
for sign, b in zip(items[1::2], items[2::2]):
    if sign == "*":
        terms[-1] *= b
    elif sign == "/":
        terms[-1] /= b
    else:
        terms.append(b if sign == "+" else -b)
return sum(terms)
"""
SUPPORTED = r"""
import re
words, there = re.findall(r'\w+', said), re.findall(r'\w+', text)
if not words:
    return False
for word in words:
    if word not in free and word not in there:
        return False
return True
"""


# name of the exercise -> its right and wrong answers
ANSWERS: dict[str, Answers] = {
    # ------------------------------------------------------------ 01 hugging_face
    "hf.word_pieces": Answers(
        right=[WORD_PIECES],
        wrong={
            WORD_PIECES.replace(
                "range(len(rest), 0, -1)", "range(1, len(rest) + 1)"
            ): "takes the shortest piece",
            WORD_PIECES.replace(
                'rest[ends[0]:], "##"', 'rest[ends[0]:], ""'
            ): "written with ## in front",
            WORD_PIECES.replace(
                'return ["[UNK]"]', 'return pieces + ["[UNK]"]'
            ): "without the pieces found before",
            WORD_PIECES.replace(
                'return ["[UNK]"]', 'rest, front = rest[1:], "##"\n        continue'
            ): "fits nowhere is left out",
            WORD_PIECES.replace(
                "return pieces", "return [p.replace('##', '') for p in pieces]"
            ): "have lost their ##",
            WORD_PIECES.replace(
                "range(len(rest), 0", "range(len(rest) - 1, 0"
            ): "last character but one",
        },
    ),
    "hf.pad_batch": Answers(
        right=[
            PADDED,
            "pad_sequence = torch.nn.utils.rnn.pad_sequence\n"
            "ids = [torch.tensor(row) for row in rows]\n"
            "ones = [torch.ones_like(row) for row in ids]\n"
            "ids = pad_sequence(ids, True, pad, padding_side=side)\n"
            "return ids, pad_sequence(ones, True, 0, padding_side=side)",
        ],
        wrong={
            PADDED.replace("return ids, mask", "return mask, ids"): "in each other's place",
            PADDED.replace(
                "return ids, mask", "return ids, (ids != pad).long()"
            ): "read off the ids",
            PADDED.replace("return ids, mask", "return ids, (mask == 0).long()"): "turned round",
            PADDED.replace("return ids, mask", "return ids, mask > 0"): "of type bool",
            PADDED.replace('side == "left"', "False"): "not looked at",
            PADDED.replace('side == "left"', 'side == "right"'): "sides are exchanged",
            PADDED.replace("[pad] *", "[0] *"): "whatever `pad` is",
        },
    ),
    "hf.chunk_batch": Answers(
        right=[CHUNKS],
        wrong={
            CHUNKS.replace(
                "start + size >= len(tokens)", "start + size - overlap >= len(tokens)"
            ): "held already",
            CHUNKS.replace("start += size - overlap", "start += size"): "do not overlap",
            CHUNKS.replace(
                "chunks.append(tokens[start:start + size])",
                "chunks.append(tokens[start:start + size - overlap])",
            ): "the step from one to the next",
            CHUNKS.replace(
                'return {"id": ids', 'return {"id": batch["id"]'
            ): "Each id stands there once",
            "ids, chunks = [], []\n"
            "for name, tokens in zip(batch['id'], batch['tokens']):\n"
            "    for start in range(0, len(tokens) - size + 1, size - overlap):\n"
            "        ids.append(name)\n"
            "        chunks.append(tokens[start:start + size])\n"
            "return dict(id=ids, tokens=chunks)": "are lost",
        },
    ),
    "hf.mean_pool": Answers(
        right=[
            "w = mask.unsqueeze(-1).to(states)\nreturn (w * states).sum(1) / w.sum(1)",
            "w = mask.to(states)\nw = w / w.sum(1, keepdim=True)\n"
            "return torch.einsum('bt,btd->bd', w, states)",
            "return torch.stack([s[m.bool()].mean(0) for s, m in zip(states, mask)])",
        ],
        wrong={
            "return states.mean(1)": "the mask is not used",
            "w = mask.unsqueeze(-1).float()\n"
            "return (states * w).sum(1) / w.sum(1)": "Give the mask their number format",
            "return (states * mask[:, :, None]).mean(1)": "counted below",
            "return (states * mask.unsqueeze(2)).sum(1)": "This is the sum",
            "return (states * mask.unsqueeze(2)).sum(1) / mask.sum()": "of the whole batch",
            "return states[:, 0]": "the first token's vector",
            "return states.sum(1) / mask.sum(1)[:, None]": "still in the sum",
            "m = 1 - mask[..., None]\nreturn (states * m).sum(1) / m.sum(1)": "mean of the filling",
        },
    ),
    # ------------------------------------------------------------ 02 training_llms
    "train.count_parameters": Answers(
        right=[
            """
            d = width
            attention = (3 * d * d + 3 * d) + (d * d + d)
            mlp = (4 * d * d + 4 * d) + (4 * d * d + d)
            return layers * (attention + mlp + 4 * d) + 2 * d + d * (vocabulary + context)
            """,
            """
            square = layers * (3 + 1 + 4 + 4)
            line = layers * (3 + 1 + 4 + 1 + 2 + 2) + 2 + vocabulary + context
            return (square * width + line) * width
            """,
        ],
        wrong={
            "return 12 * layers * width**2": "rule of thumb",
            """
            block = 12 * width**2
            return layers * block + 2 * width + (vocabulary + context) * width
            """: "biases are missing",
            """
            block = 12 * width**2 + 13 * width
            return layers * block + (vocabulary + context) * width
            """: "last norm is missing",
            """
            block = 12 * width**2 + 13 * width
            return layers * block + 2 * width + (2 * vocabulary + context) * width
            """: "once",
        },
    ),
    "train.flops": Answers(
        right=[
            """
            D = batch * context
            weights = 12 * layers * width * width + vocabulary * width
            return 6 * D * weights + 14 * layers * D * context * width
            """,
            """
            forward = batch * context * 2 * (12 * layers * width**2 + vocabulary * width)
            looks = layers * 2 * (2 * batch * context * context * width)
            return forward + looks + 2 * forward + 5 * looks // 2
            """,
        ],
        wrong={
            """
            return 6 * batch * context * (12 * layers * width**2 + vocabulary * width)
            """: "Attention is missing",
            """
            products = 2 * batch * context * (12 * layers * width**2 + vocabulary * width)
            return 3 * products + 3.5 * (4 * layers * batch * context**2 * width)
            """: "but a float",
            """
            D = batch * context
            weights = 12 * layers * width * width + vocabulary * width
            return 6 * D * weights + 12 * layers * D * context * width
            """: "not 3",
            """
            D = batch * context
            weights = 12 * layers * width * width + vocabulary * width
            return 2 * D * weights + 4 * layers * D * context * width
            """: "forward pass only",
            """
            D = batch * context
            return 6 * D * 12 * layers * width**2 + 14 * layers * D * context * width
            """: "output layer is missing",
        },
    ),
    "train.accumulate": Answers(
        right=[
            "return means @ (counts / counts.sum())",
            """
            total = 0
            for mean, count in zip(means, counts):
                total = total + mean * count
            return total / sum(counts)
            """,
        ],
        wrong={
            "return means.mean()": "mean of the means",
            "return sum(means)": "sum of the means",
            "return (means * counts).mean()": "number of micro-batches",
            "return (means.detach() * counts).sum() / counts.sum()": "no gradient reaches",
        },
    ),
    "train.cosine_schedule": Answers(
        right=[
            """
            if step < warmup:
                return step / warmup
            angle = math.pi / 2 * (step - warmup) / (steps - warmup)
            return math.cos(angle) ** 2
            """,
            """
            rise = step / warmup if warmup else 1
            done = max(0, step - warmup) / (steps - warmup)
            return min(rise, 1) * 0.5 * (1 + math.cos(done * math.pi))
            """,
        ],
        wrong={
            "return 0.5 * (1 + math.cos(math.pi * step / steps))": "warm-up is missing",
            """
            if step < warmup:
                return step / warmup
            return 0.5 * (1 + math.cos(math.pi * step / steps))
            """: "count the steps from there",
            """
            if step <= warmup:
                return step / warmup
            done = (step - warmup) / (steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * done))
            """: "division by zero",
            """
            if step < warmup:
                return step / warmup
            return 1 - (step - warmup) / (steps - warmup)
            """: "falls linearly",
            """
            if step < warmup:
                return step / warmup
            return math.cos(math.pi * (step - warmup) / (steps - warmup))
            """: "below 0",
        },
    ),
    # ------------------------------------------------------------ 03 full_finetuning
    "tune.shift_right": Answers(
        right=[
            """
            inputs = labels.new_full(labels.shape, start)
            inputs[:, 1:] = labels[:, :-1]
            inputs[inputs == -100] = start
            return inputs
            """,
            """
            inputs = labels.roll(1, dims=1)
            inputs[:, 0] = start
            return torch.where(inputs < 0, start, inputs)
            """,
        ],
        wrong={
            """
            inputs = labels.new_full(labels.shape, start)
            inputs[:, 1:] = labels[:, :-1]
            return inputs
            """: "−100 is still among the inputs",
            """
            return labels.masked_fill(labels == -100, start)
            """: "nothing is shifted",
            """
            inputs = torch.cat([torch.full_like(labels[:, :1], start), labels], dim=1)
            return inputs.masked_fill(inputs == -100, start)
            """: "one token longer",
            """
            inputs = labels.roll(1, dims=1)
            return torch.where(inputs < 0, start, inputs)
            """: "went to the front",
            """
            inputs = labels.new_zeros(labels.shape)
            inputs[:, 1:] = labels[:, :-1]
            inputs[inputs == -100] = start
            return inputs
            """: "must be `start`",
        },
    ),
    "tune.lcs": Answers(
        right=[
            """
            table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
            for i in range(1, len(a) + 1):
                for j in range(1, len(b) + 1):
                    if a[i - 1] == b[j - 1]:
                        table[i][j] = table[i - 1][j - 1] + 1
                    else:
                        table[i][j] = max(table[i - 1][j], table[i][j - 1])
            return table[len(a)][len(b)]
            """,
            """
            from functools import cache

            @cache
            def best(i, j):
                if not i or not j:
                    return 0
                if a[i - 1] == b[j - 1]:
                    return 1 + best(i - 1, j - 1)
                return max(best(i - 1, j), best(i, j - 1))

            return best(len(a), len(b))
            """,
        ],
        wrong={
            """
            return len(set(a) & set(b))
            """: "different words that both hold",
            """
            left, n = list(b), 0
            for word in a:
                if word in left:
                    left.remove(word)
                    n += 1
            return n
            """: "in any order",
            """
            best, row = 0, [0] * (len(b) + 1)
            for x in a:
                row = [0] + [row[j] + 1 if x == y else 0 for j, y in enumerate(b)]
                best = max(best, *row)
            return best
            """: "run of neighbors",
            """
            place, n = 0, 0
            for word in a:
                if word in b[place:]:
                    place = b.index(word, place) + 1
                    n += 1
            return n
            """: "greedy",
            """
            return sum(x == y for x, y in zip(a, b))
            """: "at the same place",
        },
    ),
    "tune.replay": Answers(
        right=[
            """
            total = len(new) / (1 - share)
            return [*new, *old[: round(total - len(new))]]
            """,
            """
            m = int(share * len(new) / (1 - share) + 0.5)
            mixed = list(new)
            mixed.extend(old[:m])
            return mixed
            """,
        ],
        wrong={
            """
            return new + old[: round(share * len(new))]
            """: "share is of the whole mixture",
            """
            return new + old[: int(share * len(old))]
            """: "not of the old examples that there are",
            """
            n = round(share * len(new))
            return new[: len(new) - n] + old[:n]
            """: "Some of the new examples are gone",
            """
            return new + old[: int(len(new) * share / (1 - share))]
            """: "cuts the number off",
            """
            return new + old
            """: "All old examples are taken",
        },
    ),
    "tune.interpolate": Answers(
        right=[
            """
            mixed = {}
            for name, weight in before.items():
                mixed[name] = weight + alpha * (after[name] - weight)
            return mixed
            """,
            """
            return {name: torch.lerp(before[name], after[name], alpha) for name in after}
            """,
        ],
        wrong={
            """
            return {n: alpha * before[n] + (1 - alpha) * after[n] for n in before}
            """: "ends are swapped",
            """
            return {n: before[n] + alpha * after[n] for n in before}
            """: "not alpha times what changed",
            """
            return {n: (before[n] + after[n]) / 2 for n in before}
            """: "plain mean",
            """
            return {n: alpha * (after[n] - before[n]) for n in before}
            """: "has to be added",
        },
    ),
    # ------------------------------------------------------------ 04 transfer_learning
    "transfer.few_labels": Answers(
        right=[
            """
            g = torch.Generator().manual_seed(seed)
            parts = []
            for c in labels.unique():
                rows = (labels == c).nonzero()[:, 0]
                parts.append(rows[torch.randperm(len(rows), generator=g)[:per_class]])
            return torch.cat(parts)
            """,
            """
            import random
            dice = random.Random(seed)
            rows = []
            for c in sorted(set(labels.tolist())):
                rows += dice.sample((labels == c).nonzero().flatten().tolist(), per_class)
            return torch.tensor(rows)
            """,
        ],
        wrong={
            """
            g = torch.Generator().manual_seed(seed)
            parts = []
            for c in labels.unique():
                rows = (labels == c).nonzero()[:, 0][: 2 * per_class]
                parts.append(rows[torch.randperm(len(rows), generator=g)[:per_class]])
            return torch.cat(parts)
            """: "never came",
            """
            g = torch.Generator().manual_seed(seed)
            return torch.randperm(len(labels), generator=g)[:per_class]
            """: "rows in all",
            """
            g = torch.Generator().manual_seed(seed)
            n = per_class * len(labels.unique())
            return torch.randperm(len(labels), generator=g)[:n]
            """: "not balanced",
            """
            parts = [(labels == c).nonzero()[:per_class, 0] for c in labels.unique()]
            return torch.cat(parts)
            """: "always the first rows",
            """
            torch.manual_seed(seed)
            order = torch.randperm(len(labels))
            return torch.cat([order[labels[order] == c][:per_class] for c in labels.unique()])
            """: "seeds the random generator",
            """
            order = torch.randperm(len(labels))
            return torch.cat([order[labels[order] == c][:per_class] for c in labels.unique()])
            """: "the same seed gave other rows",
            """
            g = torch.Generator().manual_seed(seed)
            parts = []
            for c in labels.unique():
                rows = (labels == c).nonzero()[:, 0]
                parts.append(rows[torch.randint(len(rows), (per_class,), generator=g)])
            return torch.cat(parts)
            """: "a row comes twice",
        },
    ),
    "transfer.freeze": Answers(
        right=[
            """
            out = []
            for name in names:
                parts = name.split(".")
                number = int(parts[parts.index("layer") + 1]) if "layer" in parts else -1
                out.append(parts[0] == "head" or number >= layers - last)
            return out
            """,
            """
            keep = tuple(f"encoder.encoder.layer.{i}." for i in range(layers - last, layers))
            return [name.startswith(keep + ("head.",)) for name in names]
            """,
        ],
        wrong={
            """
            keep = tuple(f"encoder.encoder.layer.{i}." for i in range(layers - last, layers))
            return [name.startswith(keep) for name in names]
            """: "The head is frozen",
            """
            keep = tuple(f"encoder.encoder.layer.{i}." for i in range(last))
            return [name.startswith(keep) or "head" in name for name in names]
            """: "the first layers",
            """
            keep = tuple(f"encoder.encoder.layer.{i}." for i in range(layers - last, layers))
            return [not name.startswith(keep + ("head.",)) for name in names]
            """: "True means trained",
            "return [True] * len(names)": "Everything is trained",
        },
    ),
    "transfer.interval": Answers(
        right=[
            """
            import numpy as np
            from scipy import stats
            m, se = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
            t = stats.t.ppf(0.975, len(values) - 1)
            return m, m - t * se, m + t * se
            """,
            """
            import statistics
            from scipy import stats
            mean = statistics.mean(values)
            error = statistics.stdev(values) / len(values) ** 0.5
            low, high = stats.t.interval(0.95, len(values) - 1, mean, error)
            return mean, low, high
            """,
        ],
        wrong={
            """
            import numpy as np
            m, se = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
            return m, m - 1.959964 * se, m + 1.959964 * se
            """: "This takes 1.96",
            """
            import numpy as np
            from scipy import stats
            n = len(values)
            half = stats.t.ppf(0.975, n - 1) * np.std(values) / n**0.5
            return np.mean(values), np.mean(values) - half, np.mean(values) + half
            """: "divides by n. Around",
            """
            import numpy as np
            from scipy import stats
            half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1)
            return np.mean(values), np.mean(values) - half, np.mean(values) + half
            """: "where one run lies",
            """
            import numpy as np
            from scipy import stats
            n = len(values)
            half = stats.t.ppf(0.95, n - 1) * np.std(values, ddof=1) / n**0.5
            return np.mean(values), np.mean(values) - half, np.mean(values) + half
            """: "5 % on each side",
        },
    ),
    "transfer.split_without_leaks": Answers(
        right=[
            """
            from collections import Counter
            sizes, chosen, rows = Counter(groups), set(), 0
            for group in order:
                if rows >= test_rows:
                    break
                chosen.add(group)
                rows += sizes[group]
            test = [i for i in range(len(groups)) if groups[i] in chosen]
            return [i for i in range(len(groups)) if groups[i] not in chosen], test
            """,
            """
            test = []
            for group in order:
                if len(test) < test_rows:
                    test += [i for i, g in enumerate(groups) if g == group]
            return sorted(set(range(len(groups))) - set(test)), sorted(test)
            """,
        ],
        wrong={
            """
            rows = list(range(len(groups)))
            return rows[test_rows:], rows[:test_rows]
            """: "a group stands on both sides",
            """
            chosen = set(order[:test_rows])
            test = [i for i, g in enumerate(groups) if g in chosen]
            return [i for i, g in enumerate(groups) if g not in chosen], test
            """: "rows, not groups",
            """
            test = []
            for group in order:
                test += [i for i, g in enumerate(groups) if g == group]
            test = test[:test_rows]
            return sorted(set(range(len(groups))) - set(test)), sorted(test)
            """: "A group is cut in two",
            """
            test = []
            for group in order:
                if len(test) <= test_rows:
                    test += [i for i, g in enumerate(groups) if g == group]
            return sorted(set(range(len(groups))) - set(test)), sorted(test)
            """: "One group too many",
            """
            test = []
            for group in order:
                if len(test) < test_rows:
                    test += [i for i, g in enumerate(groups) if g == group]
            return sorted(test), sorted(set(range(len(groups))) - set(test))
            """: "swapped",
        },
    ),
    # ------------------------------------------------------------ 05 parameter_efficient
    "peft.training_bytes": Answers(
        right=[
            "gradient, adam = 4 * trained, 8 * trained\n"
            "return bits * frozen / 8 + 4 * trained + gradient + adam",
            "return (frozen * bits + 128 * trained) / 8",
        ],
        wrong={
            "return frozen * bits + 16 * trained": "8 bits are one byte",
            "return frozen * bits / 8 + (4 + 8) * trained": "One of the four",
            "return frozen * bits / 8 + (4 + 4) * trained": "two averages of Adam",
            "return (frozen + trained) * 16": "The frozen ones have no gradient",
            "return (frozen + trained) * bits / 8 + 12 * trained": "belongs to the frozen ones",
            "return frozen * bits // 8 + 16 * trained": "This rounds down",
        },
    ),
    "peft.lora_forward": Answers(
        right=[
            "import torch\nlinear = torch.nn.functional.linear\n"
            "return h + linear(linear(x, A), B) * alpha / len(A)",
            "r = B.shape[1]\nnarrow = torch.einsum('...i,ri->...r', x, A)\n"
            "return h + torch.einsum('...r,or->...o', narrow, B) * (alpha / r)",
        ],
        wrong={
            "return h + x @ A.T @ B.T": "The scale is missing",
            "return h + alpha * x @ A.T @ B.T": "not by alpha / r",
            "return alpha / len(A) * x @ A.T @ B.T": "the detour alone",
            "return h + alpha / A.shape[1] * x @ A.T @ B.T": "the number of rows of A",
            "return alpha / len(A) * (h + x @ A.T @ B.T)": "Only the detour is",
            "return h + x @ (alpha / len(A) * B @ A).T": "Go through r: (x @ A.T) @ B.T",
        },
    ),
    "peft.merge": Answers(
        right=[
            "r = A.shape[0]\nreturn W + (B * (alpha / r)) @ A",
            "return torch.addmm(W, B, A, alpha=alpha / len(A))",
        ],
        wrong={
            "return W + B @ A": "The scale is missing",
            "return W + alpha * (B @ A)": "it should be alpha / r",
            "return alpha / len(A) * B @ A": "the change alone",
            "return W + alpha / len(A) * (A.T @ B.T)": "transposed",
            "return W - alpha / len(A) * B @ A": "unmerging",
        },
    ),
    "peft.nf4_quantize": Answers(
        right=[
            "rows = W.flatten().view(-1, block)\nscale = rows.abs().max(dim=1).values\n"
            "middles = (levels[1:] + levels[:-1]) / 2\n"
            "return torch.bucketize(rows / scale[:, None], middles), scale",
            "rows = W.reshape(-1, block)\nscale = rows.abs().amax(1)\n"
            "far = ((rows / scale[:, None]).unsqueeze(-1) - levels) ** 2\n"
            "return far.min(dim=-1).indices, scale",
        ],
        wrong={
            "b = W.reshape(-1, block)\na = b.amax(1)\n"
            "return ((b / a[:, None])[..., None] - levels).abs().argmin(-1), a": "without abs()",
            "b = W.reshape(-1, block)\na = b.abs().amax(1)\n"
            "return (b[..., None] - levels).abs().argmin(-1), a": "are not divided",
            "b = W.reshape(-1, block)\na = b.abs().amax(1)\n"
            "return ((b / a[:, None])[..., None] - levels).argmin(-1), a": "signed smallest",
            "b = W.reshape(-1, block)\na = b.abs().amax(1)\n"
            "i = ((b / a[:, None])[..., None] - levels).abs().argmin(-1)\n"
            "return levels[i], a": "the levels themselves",
            "b = W.T.reshape(-1, block)\na = b.abs().amax(1)\n"
            "return ((b / a[:, None])[..., None] - levels).abs().argmin(-1), a": "down the columns",
        },
    ),
    # ------------------------------------------------------------ 06 alignment
    "align.answer_labels": Answers(
        right=[
            "labels = [-100] * len(ids)\ninside = False\n"
            "for n, token in enumerate(ids):\n"
            "    if inside:\n"
            "        labels[n] = token\n"
            "        if token == end:\n"
            "            inside = False\n"
            "    elif token == answer:\n"
            "        inside = True\n"
            "return labels",
            "labels = []\nfor n, token in enumerate(ids):\n"
            "    opened = [k for k in range(n) if ids[k] == answer]\n"
            "    inside = opened and end not in ids[opened[-1] + 1 : n]\n"
            "    labels.append(token if inside else -100)\n"
            "return labels",
        ],
        wrong={
            "labels, inside = [], False\nfor token in ids:\n"
            "    inside = inside or token == answer\n"
            "    labels.append(token if inside else -100)\n"
            "    inside = inside and token != end\nreturn labels": "The mark before the answer",
            "labels, inside = [], False\nfor token in ids:\n"
            "    inside = inside and token != end\n"
            "    labels.append(token if inside else -100)\n"
            "    inside = inside or token == answer\nreturn labels": "The end mark does not count",
            "if answer not in ids:\n    return [-100] * len(ids)\n"
            "k = ids.index(answer) + 1\nreturn [-100] * k + ids[k:]": "never closes",
            "return ids": "Everything counts",
            "if answer not in ids:\n    return [-100] * len(ids)\n"
            "k = ids.index(answer) + 1\n"
            "e = ids.index(end, k) + 1 if end in ids[k:] else len(ids)\n"
            "return [-100] * k + ids[k:e] + [-100] * (len(ids) - e)": "Only the first answer",
        },
    ),
    "align.best_of_n": Answers(
        right=[
            "P, N = proxy.shape\nkept = proxy.view(P, N // n, n).argmax(dim=2)\n"
            "return value.view(P, N // n, n).gather(2, kept[..., None]).mean()",
            "total = 0.0\ncount = 0\nfor p, v in zip(proxy, value):\n"
            "    for start in range(0, len(p), n):\n"
            "        total = total + v[start + p[start : start + n].argmax()]\n"
            "        count += 1\n"
            "return total / count",
        ],
        wrong={
            "return proxy.reshape(-1, n).max(dim=1).values.mean()": "It chooses",
            "return value.reshape(-1, n).max(dim=1).values.mean()": "The choice is the proxy's",
            "kept = proxy[:, :n].argmax(dim=1)\n"
            "return value[range(len(value)), kept].mean()": "Only the first n",
            "return value[range(len(value)), proxy.argmax(dim=1)].mean()": "Each group of n",
            "return value.mean()": "nothing was chosen",
        },
    ),
    "align.dpo_loss": Answers(
        right=[
            "import torch.nn.functional as F\n"
            "r_w = beta * (winner - reference_winner)\n"
            "r_l = beta * (loser - reference_loser)\n"
            "return F.softplus(r_l - r_w).mean()",
            "import torch\n"
            "z = beta * (winner - loser - reference_winner + reference_loser)\n"
            "return -torch.nn.functional.logsigmoid(z).sum() / len(winner)",
        ],
        wrong={
            "import torch.nn.functional as F\n"
            "return -F.logsigmoid(beta * (winner - loser)).mean()": "The reference is missing",
            "import torch.nn.functional as F\n"
            "d = winner - reference_winner - loser + reference_loser\n"
            "return -F.logsigmoid(d).mean()": "beta is missing",
            "import torch.nn.functional as F\n"
            "d = winner - reference_winner - loser + reference_loser\n"
            "return F.logsigmoid(beta * d).mean()": "The sign is wrong",
            "import torch.nn.functional as F\n"
            "d = loser - reference_loser - winner + reference_winner\n"
            "return -F.logsigmoid(beta * d).mean()": "in each other's place",
            "import torch.nn.functional as F\n"
            "d = winner - reference_winner - loser + reference_loser\n"
            "return -F.logsigmoid(beta * d).sum()": "sum over the batch",
        },
    ),
    "align.group_advantages": Answers(
        right=[
            "mean, std = r.mean(1), r.std(1)\nreturn ((r.T - mean) / (std + 1e-4)).T",
            "import torch\nG = r.shape[1]\nd = r - r.sum(1, keepdim=True) / G\n"
            "return d / ((d ** 2).sum(1, keepdim=True).div(G - 1).sqrt() + 1e-4)",
        ],
        wrong={
            "return (r - r.mean()) / (r.std() + 1e-4)": "those of the whole batch",
            "return r - r.mean(dim=1, keepdim=True)": "division by the standard deviation",
            "return r / (r.std(dim=1, keepdim=True) + 1e-4)": "mean is not taken away",
            "return (r - r.mean(1, True)) / r.std(1, keepdim=True)": "Add 1e-4",
            "return (r - r.mean(1, True)) / (r.var(1, keepdim=True) + 1e-4)": "by the variance",
        },
    ),
    # ------------------------------------------------------------ 08 reasoning_and_tools
    "multimodal.clip_loss": Answers(
        right=[
            "a = pictures / pictures.norm(dim=1, keepdim=True)\n"
            "b = captions / captions.norm(dim=1, keepdim=True)\n"
            "logits = scale * a @ b.T\n"
            "rows, columns = logits.log_softmax(dim=1), logits.log_softmax(dim=0)\n"
            "return -(rows.diag().mean() + columns.diag().mean()) / 2",
            "logits = scale * torch.cosine_similarity(pictures[:, None], captions[None], dim=2)\n"
            "y = torch.arange(len(pictures))\n"
            "loss = torch.nn.CrossEntropyLoss()\n"
            "return 0.5 * loss(logits, y) + 0.5 * loss(logits.T, y)",
        ],
        wrong={
            "logits = scale * pictures @ captions.T\ny = torch.arange(len(logits))\n"
            "loss = torch.nn.functional.cross_entropy\n"
            "return (loss(logits, y) + loss(logits.T, y)) / 2": "not brought to length 1",
            "logits = scale * torch.cosine_similarity(pictures[:, None], captions[None], dim=2)\n"
            "return torch.nn.CrossEntropyLoss()(logits, torch.arange(len(logits)))": "half of the",
            "logits = scale * torch.cosine_similarity(pictures[:, None], captions[None], dim=2)\n"
            "y, loss = torch.arange(len(logits)), torch.nn.functional.cross_entropy\n"
            "return loss(logits, y) + loss(logits.T, y)": "The two halves are added",
            "logits = torch.cosine_similarity(pictures[:, None], captions[None], dim=2) / scale\n"
            "y, loss = torch.arange(len(logits)), torch.nn.functional.cross_entropy\n"
            "return (loss(logits, y) + loss(logits.T, y)) / 2": "divided by the scale",
            "logits = torch.cosine_similarity(pictures[:, None], captions[None], dim=2)\n"
            "y, loss = torch.arange(len(logits)), torch.nn.functional.cross_entropy\n"
            "return (loss(logits, y) + loss(logits.T, y)) / 2": "The scale is missing",
        },
    ),
    "multimodal.zero_shot": Answers(
        right=[
            "logits = scale * cosines\n"
            "return (logits.logsumexp(dim=2) - logits.logsumexp(dim=(1, 2))[:, None]).exp()",
            "p = torch.exp(scale * cosines)\nreturn p.sum(dim=2) / p.sum(dim=(1, 2)).unsqueeze(1)",
        ],
        wrong={
            "return (scale * cosines).softmax(dim=2).sum(dim=2)": "one class alone",
            "return (scale * cosines).softmax(dim=1).sum(dim=2)": "runs over the classes",
            "return (scale * cosines).mean(dim=2).softmax(dim=1)": "add probabilities",
            "p = cosines.flatten(1).softmax(1)\n"
            "return p.view(cosines.shape).sum(2)": "The scale is missing",
            "p = (scale * cosines).flatten(1).softmax(1)\n"
            "return p.view(cosines.shape).max(dim=2).values": "the best text of a class",
        },
    ),
    "multimodal.euler_step": Answers(
        right=[
            "noise = (x_t - t * guess) / (1 - t)\nreturn x_t + (guess - noise) / n_steps",
            "share = 1 / n_steps / (1 - t)\nreturn (1 - share) * x_t + share * guess",
        ],
        wrong={
            "return guess": "jumps to the guess",
            "return x_t + (guess - x_t) / n_steps": "a time of 1 − t left",
            "return x_t + (guess - x_t) / (1 - t)": "in one step",
            "return x_t - (guess - x_t) / (1 - t) / n_steps": "turned around",
            "return (guess - x_t) / (1 - t) / n_steps": "the way that is gone",
        },
    ),
    "tools.majority": Answers(
        right=[
            "from collections import Counter\nreturn Counter(votes).most_common(1)[0][0]",
            "return max(votes, key=votes.count)",
        ],
        wrong={
            "return max(set(votes))": "This is the largest answer",
            "return max(map(votes.count, votes))": "how many votes the winner has",
            "return max(sorted(votes), key=votes.count)": "takes the smallest answer",
            "return max(votes[::-1], key=votes.count)": "given last",
            "return sorted(votes)[len(votes) // 2]": "the median",
            "return votes[0]": "This is the first answer",
        },
    ),
    "tools.flat_value": Answers(
        right=[
            """
            items = list(items)
            for signs in ("*/", "+-"):
                at = 1
                while at < len(items):
                    a, sign, b = items[at - 1 : at + 2]
                    if sign not in signs:
                        at += 2
                        continue
                    if sign == "*":
                        value = a * b
                    elif sign == "/":
                        value = a / b
                    else:
                        value = a + b if sign == "+" else a - b
                    items[at - 1 : at + 2] = [value]
            return items[0]
            """,
            """
            total, term, plus = 0.0, items[0], 1
            for at in range(1, len(items), 2):
                sign, number = items[at], items[at + 1]
                if sign == "*":
                    term *= number
                elif sign == "/":
                    term /= number
                else:
                    total, term, plus = total + plus * term, number, 1 if sign == "+" else -1
            return total + plus * term
            """,
        ],
        wrong={
            """
            value = items[0]
            for sign, b in zip(items[1::2], items[2::2]):
                if sign == "+":
                    value += b
                elif sign == "-":
                    value -= b
                elif sign == "*":
                    value *= b
                else:
                    value /= b
            return value
            """: "from left to right",
            TERMS.replace("/= b", "//= b"): "drops what is behind the point",
            TERMS.replace('b if sign == "+" else -b', "b"): "A minus sign is read as a plus",
            TERMS.replace("sum(terms)", "terms[-1]"): "the last term alone",
        },
    ),
    "tools.recall_at_k": Answers(
        right=[
            "own = scores.gather(1, right[:, None])\n"
            "return ((scores > own).sum(dim=1) < k).float().mean()",
            "order = scores.argsort(dim=1, descending=True)[:, :k].tolist()\n"
            "hits = [r in row for r, row in zip(right.tolist(), order)]\n"
            "return sum(hits) / len(hits)",
        ],
        wrong={
            "return (scores.topk(k).indices == right[:, None]).any(1).float().sum()": (
                "This counts questions"
            ),
            "return (scores.argsort(dim=1)[:, :k] == right[:, None]).any(1).float().mean()": (
                "the k smallest scores"
            ),
            "return (scores.topk(k).indices == right[:, None]).float().mean()": (
                "which is precision"
            ),
            "return (scores.argmax(dim=1) == right).float().mean()": "Only the best passage",
            "return (scores.topk(k).indices[:, -1] == right).float().mean()": "Only the k-th",
        },
    ),
    "tools.cite": Answers(
        right=[
            "if not quote:\n    return None\n"
            "places = [(n, p.index(quote)) for n, p in enumerate(passages) if quote in p]\n"
            "return places[0] if places else None",
        ],
        wrong={
            "for n, p in enumerate(passages):\n"
            "    if quote in p:\n        return n, p.find(quote)": "stands everywhere",
            "for n, p in enumerate(passages):\n    if quote and quote in p:\n        return n": (
                "the number of the passage alone"
            ),
            "for n, p in enumerate(passages):\n"
            "    if quote and quote.lower() in p.lower():\n"
            "        return n, p.lower().find(quote.lower())": "Capital and small letters",
            "for n, p in enumerate(passages):\n    at = p.find(quote)\n"
            "    if quote and at > 0:\n        return n, at": "The place 0 is a place",
            "for n, p in enumerate(passages):\n"
            "    if quote and quote in p:\n        return p.find(quote), n": "each other",
        },
    ),
    # ------------------------------------------------------------ 09 evaluation
    "evaluate.bootstrap": Answers(
        right=[
            "import torch\nmeans = torch.stack([values[row].mean() for row in rows])\n"
            "return torch.stack([means.quantile(0.025), means.quantile(0.975)])",
            "import numpy as np\nimport torch\n"
            "means = np.take(values.numpy(), rows.numpy()).sum(1) / rows.shape[1]\n"
            "return torch.tensor(np.percentile(means, (2.5, 97.5))).float()",
        ],
        wrong={
            "import torch\nq = torch.tensor([0.025, 0.975])\n"
            "return values[rows].mean(0).quantile(q)": "runs over the test sets",
            "import torch\nreturn values.quantile(torch.tensor([0.025, "
            "0.975]))": "the values themselves",
            "import torch\nreturn values[rows].mean(1).quantile(torch.tensor([0.05, "
            "0.95]))": "90 percent are left",
            "import torch\nm = values[rows].mean(1)\n"
            "return torch.stack([m.min(), m.max()])": "the lowest and the highest",
            "import torch\nm = values[rows].mean(1)\n"
            "return torch.stack([m.mean() - 1.96 * m.std(), "
            "m.mean() + 1.96 * m.std()])": "a bell curve",
            "import torch\nreturn values[rows].mean(1).quantile(torch.tensor([0.975, "
            "0.025]))": "The larger end comes first",
        },
    ),
    "evaluate.sign_flip": Answers(
        right=[
            "chance = signs @ differences\n"
            "extreme = sum(abs(c) >= abs(differences.sum()) for c in chance)\n"
            "return (int(extreme) + 1) / (len(signs) + 1)",
            "import torch\ntotals = torch.cat([(differences * signs).sum(1), "
            "differences.sum()[None]])\n"
            "return (totals.abs() >= totals[-1].abs()).double().mean().item()",
        ],
        wrong={
            "return ((signs @ differences).abs() >= "
            "differences.sum().abs()).double().mean().item()": "A p-value of 0 claims too much",
            "return (1 + int((signs @ differences >= differences.sum()).sum())) / (len(signs) "
            "+ 1)": "the side that you chose after looking",
            "return (1 + int((abs(signs @ differences) > abs(differences.sum())).sum()))"
            " / (len(signs) + 1)": "count, too: >=",
            "return (1 + int((abs(signs @ differences) <= abs(differences.sum())).sum()))"
            " / (len(signs) + 1)": "that are smaller",
            "return (1 + int((abs(signs * differences).sum(1) >= abs(differences.sum())).sum()))"
            " / (len(signs) + 1)": "Sum first",
        },
    ),
    "evaluate.bradley_terry": Answers(
        right=[
            "import torch\nn, p = wins + wins.T, strengths\nnew = torch.stack([\n"
            "    wins[i].sum() / sum(n[i, j] / (p[i] + p[j]) for j in range(len(p)) if j != i)\n"
            "    for i in range(len(p))\n])\nreturn new / new.prod() ** (1 / len(new))",
            "below = ((wins + wins.T) / (strengths + strengths[:, None])).sum(0)\n"
            "log = wins.sum(1).log() - below.log()\nreturn (log - log.mean()).exp()",
        ],
        wrong={
            "new = wins.sum(0) / ((wins + wins.T) / (strengths[:, None] + strengths)).sum(1)\n"
            "return new / new.log().mean().exp()": "these are the losses",
            "return wins.sum(1) / ((wins + wins.T) / (strengths[:, None] + "
            "strengths)).sum(1)": "not divided by their geometric mean",
            "new = wins.sum(1) / ((wins + wins.T) / (strengths[:, None] + strengths)).sum(1)\n"
            "return new / new.sum()": "Divided by their sum",
            "new = wins.sum(1) / (wins / (strengths[:, None] + strengths)).sum(1)\n"
            "return new / new.log().mean().exp()": "the games of both",
            "new = wins.sum(1) / (wins + wins.T).sum(1)\n"
            "return new / new.log().mean().exp()": "does not ask against whom",
        },
    ),
    "evaluate.both_orders": Answers(
        right=[
            "agree = (first - 0.5) * (swapped - 0.5) > 0\n"
            "return 0.5 * first + 0.5 * (1 - swapped), agree.float().mean().item()",
            "for_a = 0.5 + (first - swapped) / 2\nwrong = sum(\n"
            "    (a > 0.5) == (b > 0.5) for a, b in zip(first.tolist(), swapped.tolist())\n"
            ")\nreturn for_a, wrong / len(first)",
        ],
        wrong={
            "return (first + swapped) / 2, ((first > 0.5) == (swapped > "
            "0.5)).double().mean().item()": "stands first there",
            "return (first + 1 - swapped) / 2, ((first > 0.5) != (swapped > "
            "0.5)).double().mean().item()": "on which both orders agree",
            "return (first + 1 - swapped) / 2, ((first > 0.5) == (swapped > "
            "0.5)).double()": "one number",
            "return first, ((first > 0.5) == (swapped > "
            "0.5)).double().mean().item()": "Only the first order",
            "return first + 1 - swapped, ((first > 0.5) == (swapped > "
            "0.5)).double().mean().item()": "divide by 2",
        },
    ),
    # ------------------------------------------------------------ 10 end_to_end_app
    "app.check_input": Answers(
        right=[
            CHECKED,
            "import re\nrules = [\n"
            "    ('empty', lambda: text.strip() == ''),\n"
            "    ('too long', lambda: longest < len(text)),\n"
            "    ('strange characters',\n"
            "     lambda: not text.replace('\\n', '').isprintable()),\n"
            "    ('signs', lambda: bool(set('<>') & set(text))),\n]\n"
            "for name, applies in rules:\n    if applies():\n        return name\n"
            "unknown = [w for w in re.findall(r'\\w+|[^\\w\\s]', text) if w not in known]\n"
            "return f'unknown word: {unknown[0]}' if unknown else ''",
        ],
        wrong={
            CHECKED.replace("not text.strip()", "text == ''"): "White space alone",
            CHECKED.replace("len(text) > longest", "len(text) >= longest"): "exactly `longest`",
            CHECKED.replace(
                "text.replace('\\n', '').isprintable()", "text.isprintable()"
            ): "A new line is allowed",
            CHECKED.replace(
                "'<' in text or '>' in text", "'<' in text and '>' in text"
            ): "here both are needed",
            CHECKED.replace("'<' in text or '>' in text", "'<' in text"): "A > alone",
            CHECKED.replace(r"\w+|[^\w\s]", r"\w+"): "Marks count, too",
            CHECKED.replace(
                "return f'unknown word: {word}'", "return 'unknown word'"
            ): "Say which word",
            CHECKED.replace("return ''", "return None"): "It returns nothing",
        },
    ),
    "app.supported": Answers(
        right=[
            "import re\nwords, there = (set(re.findall(r'\\w+', t)) for t in (said, text))\n"
            "return len(words) > 0 and words <= there | set(free)",
            SUPPORTED,
        ],
        wrong={
            SUPPORTED.replace("if not words:\n    return False\n", ""): "An empty answer",
            SUPPORTED.replace("word not in there", "word not in text"): "not pieces of text",
            SUPPORTED.replace("word not in free and ", ""): "need no support",
            SUPPORTED.replace(
                "        return False\nreturn True",
                "        continue\n    return True\nreturn False",
            ): "One supported word",
            SUPPORTED.replace(r"re.findall(r'\w+', said)", "said.split()").replace(
                r"re.findall(r'\w+', text)", "text.split()"
            ): "leaves the full stop",
        },
    ),
    "app.quantize_rows": Answers(
        right=[
            "import torch\nlargest = W.abs().max(dim=1, keepdim=True).values\n"
            "step = largest / 127\nstep[largest == 0] = 1\n"
            "return torch.round(W / step).to(torch.int8), step[:, 0]",
            "import torch\nsteps = []\nfor row in W:\n"
            "    steps.append(row.abs().max() / 127 if row.any() else torch.tensor(1.0))\n"
            "steps = torch.stack(steps)\n"
            "return (W.T / steps).T.round().to(torch.int8), steps",
        ],
        wrong={
            "import torch\nstep = W.abs().amax(1) / 127\n"
            "return (W / step[:, None]).round().to(torch.int8), step": "A row of zeros",
            "import torch\nstep = (W.abs().max() / 127).repeat(len(W))\n"
            "return (W / step[:, None]).round().to(torch.int8), step": "the whole matrix",
            "import torch\nstep = W.amax(1) / 127\nstep[step == 0] = 1\n"
            "return (W / step[:, None]).round().to(torch.int8), step": "without abs()",
            "import torch\nstep = W.abs().amax(1) / 127\nstep[step == 0] = 1\n"
            "return (W / step[:, None]).to(torch.int8), step": "cut off",
            "import torch\nstep = W.abs().amax(1) / 127\nstep[step == 0] = 1\n"
            "return (W / step[:, None]).round(), step": "torch.int8",
        },
    ),
    "recap.pareto": Answers(
        right=[
            "front = []\nfor i, mine in enumerate(costs):\n"
            "    beaten = [(other <= mine).all() and (other < mine).any() for other in costs]\n"
            "    front.append(not any(beaten))\nreturn torch.tensor(front)",
            "a, b = costs.unsqueeze(0), costs.unsqueeze(1)\n"
            "worse = (a >= b).all(-1) & ~(a == b).all(-1)\nreturn ~worse.any(0)",
        ],
        wrong={
            "return (costs == costs.min(0).values).any(1)": "best of single columns",
            "a, b = costs[:, None], costs\nreturn ~(a < b).all(2).any(0)": "also where the two",
            "a, b = costs[:, None], costs[None]\nreturn ~(a <= b).all(2).any(0)": "its own rival",
            "s = costs.sum(1)\nreturn s == s.min()": "the same price",
            "a, b = costs[:, None], costs[None]\n"
            "return ((a <= b).all(2) & (a < b).any(2)).any(0)": "The front is the rest",
            "a, b = costs[:, None], costs[None]\n"
            "return ~((a <= b).all(2) & (a < b).any(2)).any(1)": "dominate no other one",
        },
    ),
    "recap.exposure": Answers(
        right=[
            "import math\nrank = 1 + sum(float(p) > float(log_p[secret]) for p in log_p)\n"
            "return math.log2(len(log_p) / rank)",
            "order = log_p.argsort(descending=True)\n"
            "rank = (order == secret).nonzero().item() + 1\n"
            "return torch.tensor(len(log_p) / rank).log2()",
        ],
        wrong={
            "return math.log(len(log_p) / (log_p >= log_p[secret]).sum())": "in bits: log2",
            "return math.log2(len(log_p) / (log_p <= log_p[secret]).sum())": "least probable",
            "n = (log_p > log_p[secret]).sum() or 0.5\n"
            "return math.log2(len(log_p) / n)": "begins at 1",
            "return math.log2((log_p >= log_p[secret]).sum())": "log2 of the rank alone",
            "return -log_p[secret].item() / math.log(2)": "surprise of the secret",
            "return int((log_p >= log_p[secret]).sum())": "This is the rank",
        },
    ),
    "recap.permutation_p": Answers(
        right=[
            "import itertools\nboth = [*x.tolist(), *y.tolist()]\ntotal = sum(both)\n"
            "ours = sum(x.tolist()) / len(x) - sum(y.tolist()) / len(y)\n"
            "hits, n = 0, 0\n"
            "for group in itertools.combinations(both, len(x)):\n"
            "    rest = (total - sum(group)) / len(y)\n"
            "    hits += sum(group) / len(x) - rest >= ours - 1e-6\n    n += 1\n"
            "return hits / n",
            "both = torch.cat([x, y])\n"
            "sums = torch.combinations(both, len(x)).sum(1)\n"
            "return (sums >= x.sum() - 1e-7).float().mean()",
        ],
        wrong={
            "b = torch.cat([x, y])\ns = torch.combinations(b, len(x)).sum(1)\n"
            "return (s > x.sum() + 1e-6).double().mean()": "equal, too",
            "b = torch.cat([x, y])\ns = torch.combinations(b, len(x)).sum(1)\n"
            "return (s <= x.sum() + 1e-6).double().mean()": "SMALLER difference",
            "b = torch.cat([x, y])\ns = torch.combinations(b, len(x)).sum(1)\n"
            "d = s / len(x) - (b.sum() - s) / len(y)\n"
            "return (d.abs() >= (x.mean() - y.mean()).abs() - 1e-6).double().mean()": "two-sided",
            "b = torch.cat([x, y])\ns = torch.combinations(b, len(x)).sum(1)\n"
            "return (s >= x.sum() - 1e-6).sum()": "Asked is their share",
            "return x.mean() - y.mean()": "not how rare it is",
        },
    ),
}
