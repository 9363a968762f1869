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
}
