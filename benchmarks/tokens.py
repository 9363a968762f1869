"""Byte-pair encoding of lesson 2.05 beside the library `tokenizers`, which is written in Rust."""

import ast
import contextlib
import io
import os
from types import SimpleNamespace

import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from benchmarks import measure
from benchmarks.measure import Bar, Report
from tools import lesson

SCALES = {
    "tiny": dict(letters=2_000, merges=5, rounds=1),
    "default": dict(letters=200_000, merges=60, rounds=3),
    "full": dict(letters=10**9, merges=400, rounds=5),
}
INTERPRETED = "compiled code against an interpreter"
REASONS = {
    "merging": f"{INTERPRETED}; and the library changes only the words that hold the merged pair, "
    "where the lesson counts all pairs of all words again for each merge",
    "encoding": f"{INTERPRETED}, which looks for the best pair of a piece anew after each merge",
}


class Merging:
    """The lesson's tokenizer, stopped before its loop of merges, and the library's."""

    def __init__(self, letters: int, merges: int) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread each
        source = lesson.taken_out(
            lesson.place(2, 5), "spelled_words", "encode",
            instead={
                "settings": f"SimpleNamespace(merges={merges})",
                "docs": f"SimpleNamespace(train=python_docs.load().train[:{letters}], "
                f"test=python_docs.load().test[:{letters // 4}])",
            },
        )  # fmt: skip
        nodes = ast.parse(source).body
        loops = [node for node in nodes if isinstance(node, ast.For)]
        [loop] = [node for node in loops if "spelled_words" in lesson.defined(node)]
        loop.iter = loop.iter.args[0]  # without the bar of progress
        rest = [node for node in nodes if node is not loop]
        self.names, self.size = SimpleNamespace(), 256 + merges
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(ast.Module(rest, []), "05.py", "exec"), vars(self.names))
        self.loop = compile(ast.Module([loop], []), "05.py", "exec")
        self.words, self.base = self.names.spelled_words, list(self.names.signs)

    def merge(self) -> None:
        self.names.spelled_words, self.names.signs = self.words, list(self.base)
        self.names.ranks.clear()
        exec(self.loop, vars(self.names))

    def merge_theirs(self) -> None:
        self.library = tokenizers.Tokenizer(tokenizers.models.BPE())
        self.library.pre_tokenizer = ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=self.size, initial_alphabet=ByteLevel.alphabet(), show_progress=False
        )
        self.library.train_from_iterator([self.names.docs.train], trainer)

    def encode(self) -> list[int]:
        self.names.encode_piece.cache_clear()
        return self.names.encode(self.names.docs.test)

    def encode_theirs(self) -> list[int]:
        return self.library.encode(self.names.docs.test).ids


def bpe(scale: str) -> Report:
    """Seconds to learn merges from a text, and to encode another."""
    asked, bars = SCALES[scale], []
    both = Merging(asked["letters"], asked["merges"])
    races = {
        "merging": (both.merge, both.merge_theirs, 1),
        "encoding": (both.encode, both.encode_theirs, 3),
    }
    for name, (mine, library, times) in races.items():
        a, b, ratio = measure.race(mine, library, asked["rounds"], times)
        bars.append(Bar(f"BPE, {name}", a, b, "s", ratio, at_least=1, reason=REASONS[name]))
    if both.encode() != both.encode_theirs():
        raise ValueError("ours and the library's tokens differ")
    return Report(bars, [])
