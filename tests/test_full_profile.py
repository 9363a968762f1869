"""The full profile's loading code, run against a hub on this machine.

For each lesson that names something on the hub, the statements that load it are taken out together
with all that they need, and are run as the full profile runs them: by name, from a hub that
HF_ENDPOINT points to. Under the public names it holds tiny models with random weights and tables
of a few rows, in the shape of the real ones. Every name must be asked for, and be answered. The
same hub serves tools.prefetch, whose names must be these.
"""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import hub, session
from helpers.data import shakespeare
from tools import prefetch
from tools.lesson import DEFINITIONS, needed_by, statements

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(ROOT.glob("notebooks/day*/[0-9][0-9]_*.ipynb"))
# What loads from the hub; a function of the lesson that calls one of these counts, too.
LOADERS = {"from_pretrained", "load_dataset", "pipeline", "snapshot_download", "hf_hub_download"}
TIMEOUT = 300  # seconds for a lesson's loading code


# ---------------------------------------------------------------- what the hub holds


def tokenizer(words: int = 300):
    """A tokenizer of English words and letters, with the special tokens of all families."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "data").glob("*.md"))]
    special = ["<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<mask>"]
    special += [f"<extra_id_{n}>" for n in range(10)]
    signs = pre_tokenizers.ByteLevel.alphabet()
    common = sorted({f"Ġ{word}" for word in re.findall(r"[a-z]+", " ".join(texts))})[:words]
    vocabulary = {token: n for n, token in enumerate([*special, *sorted(signs), *common])}
    merged = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    merged.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merged.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=merged, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", mask_token="<mask>", cls_token="<s>", sep_token="</s>",
    )  # fmt: skip
    made.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return made


def gpt2(size: int):
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(vocab_size=size, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2)
    )


def llama(size: int):
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        vocab_size=size, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=2048,
    ))  # fmt: skip


def t5(size: int):
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(T5Config(
        vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0, pad_token_id=0, eos_token_id=2,
    ))  # fmt: skip


def bert(size: int):
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(
        vocab_size=size, hidden_size=24, num_hidden_layers=6, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=512,
    ))  # fmt: skip


MODELS: dict[str, Callable] = {
    "HuggingFaceTB/SmolLM2-360M": llama,
    "HuggingFaceTB/SmolLM2-360M-Instruct": llama,
    "google/flan-t5-small": t5,
    "openai-community/gpt2": gpt2,
    "sentence-transformers/all-MiniLM-L6-v2": bert,
}
OPINIONS = ["a pleasure from start to end", "dull", "I would see it again", "not worth the ticket"]
DATA = {  # name -> the columns of a row, given its number
    "stanfordnlp/sst2": lambda n: {
        "idx": n, "sentence": f"{OPINIONS[n % 4]} ({n})", "label": (n + 1) % 2,
    },
    "knkarthick/samsum": lambda n: {
        "id": str(n), "dialogue": f"Ana: Are you there at {n}?\nBo: Yes, at {n}.\nAna: Good.",
        "summary": f"Ana and Bo meet at {n}.",
    },
}  # fmt: skip
ROWS = {"train": 600, "validation": 200, "test": 200}
OWNERS = "|".join(sorted({re.escape(name.split("/")[0]) for name in [*MODELS, *DATA]}))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The hub, and the (repository, file) that were asked for and are there."""
    asked: set[tuple[str, str]] = set()
    place = hub.start(tmp_path_factory.mktemp("hub"))
    words = tokenizer()
    for name, make in MODELS.items():
        make(len(words)).save_pretrained(place.place(name))
        words.save_pretrained(place.place(name))
    for name, row in DATA.items():
        folder = place.place(name, "dataset") / "data"
        folder.mkdir(parents=True)
        for split, count in ROWS.items():
            lines = "".join(json.dumps(row(n)) + "\n" for n in range(count))
            (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    served = hub._Handler.file

    def file(self, kind, repo, rev, path):
        served(self, kind, repo, rev, path)  # raises for what is not there
        if self.command == "GET":
            asked.add((repo, path))

    hub._Handler.file = file
    yield place, asked
    hub._Handler.file = served
    place.stop()


# ---------------------------------------------------------------- what a lesson loads


def names_in_code(path: Path) -> set[str]:
    """The names of models and data sets of the hub that a lesson's code spells out."""
    found = set()
    for node in statements(path):
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                found.update(re.findall(rf"\b(?:{OWNERS})/[\w.-]*\w", part.value))
    return found


def called(node: ast.AST) -> set[str]:
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {getattr(call, "attr", getattr(call, "id", "")) for call in calls}


def loads(node: ast.AST, functions: set[str]) -> bool:
    """Whether a statement calls a loader, or assigns what one of the lesson's functions loads."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    formats = {"csv", "json", "parquet", "text"}  # files on the disk, not names on the hub
    from_disk = [c for c in calls if c.args and getattr(c.args[0], "value", None) in formats]
    calls = [call.func for call in calls if call not in from_disk]
    names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
    plain = {call.id for call in calls if isinstance(call, ast.Name)}
    assigned = isinstance(node, ast.Assign)  # not a loop that trains on what it loads
    return bool(names & LOADERS or (assigned and plain & functions))


def from_own_hub(node: ast.stmt) -> bool:
    """Whether a statement names a hub of its own, as the lesson does that runs one."""
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(word.arg == "endpoint" for call in calls for word in call.keywords)


def loading_code(nodes: list[ast.stmt]) -> str:
    """The statements that load something, and all that these need, in their order."""
    functions = {
        node.name for node in nodes if isinstance(node, ast.FunctionDef) and loads(node, set())
    }
    needed: set[int] = set()
    for number, node in enumerate(nodes):
        if loads(node, functions) and not isinstance(node, DEFINITIONS):
            found = needed_by(nodes, number)
            if not any(from_own_hub(nodes[n]) for n in found):
                needed |= found
    return "\n".join(ast.unparse(nodes[number]) for number in sorted(needed))


def run(code: str, place: hub.Hub, home: Path) -> subprocess.CompletedProcess:
    """Run code as the full profile, with the hub at `place` and an empty cache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "GENAI_PROFILE": "full", "HF_ENDPOINT": place.url, "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=home, capture_output=True,
        text=True, encoding="utf-8", timeout=TIMEOUT,
    )  # fmt: skip


NAMED = {path: found for path in NOTEBOOKS if (found := names_in_code(path))}


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.stem)
def test_every_name_of_a_lesson_is_loaded_from_the_hub(path, running, tmp_path):
    place, asked = running
    asked.clear()
    done = run(loading_code(statements(path)), place, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    # peft's own call of an old name is not ours to mend
    warned = done.stderr.replace("`is_gradient_checkpointing` is deprecated", "")
    old = r"<string>:\d+: \w*(?:Deprecation|Future)Warning|`\w+` is deprecated"
    assert not re.search(old, warned), done.stderr[-3000:]
    for name in NAMED[path]:
        files = {file for repo, file in asked if repo == name}
        wanted = ("model.safetensors", "tokenizer.json") if name in MODELS else (".jsonl",)
        assert any(file.endswith(wanted) for file in files), f"{name}: only {files} were loaded"


def test_every_owner_on_the_hub_is_known():
    """A lesson that names a repository of another owner must have it in MODELS or DATA."""
    public = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]*\w$")
    for path in NOTEBOOKS:
        for node in statements(path):
            for call in (part for part in ast.walk(node) if isinstance(part, ast.Call)):
                if called(call) & LOADERS and call.args and isinstance(call.args[0], ast.Constant):
                    value = call.args[0].value
                    if isinstance(value, str) and public.match(value):
                        assert value in MODELS or value in DATA, f"{path.stem}: {value}"


def test_the_slicer_takes_what_loading_needs_and_nothing_else():
    code = textwrap.dedent("""
        import torch
        import json
        def train(): return 1
        model = train()
        def load(name):
            return Auto.from_pretrained(name, dtype=kind)
        class Auto:
            from_pretrained = staticmethod(lambda name, dtype: name)
        kind = torch.float32
        name = "a/b"
        result = load(name)
        print(model)
    """)
    taken = loading_code(ast.parse(code).body)
    for line in ("import torch", "def load", "class Auto", "kind =", "name =", "result ="):
        assert line in taken
    for line in ("import json", "train()", "print"):
        assert line not in taken


def test_a_name_that_is_not_there_fails(running, tmp_path):
    place, _ = running
    code = "from transformers import AutoModel\nAutoModel.from_pretrained('student/missing')"
    assert run(code, place, tmp_path).returncode != 0


# ---------------------------------------------------------------- tools.prefetch

# In a process of its own, so that the hub's address and the cache are those of the test.
FETCH = """
import sys
from tools import prefetch
for name in [*prefetch.PICTURES, "tinyshakespeare"]:
    prefetch.ITEMS[name] = lambda: None
sys.exit(prefetch.main([]))
"""
OFFLINE = """
import os
os.environ["HF_HUB_OFFLINE"] = "1"
from datasets import load_dataset
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import cached_file
from tools import prefetch
for name in prefetch.MODELS:
    AutoConfig.from_pretrained(name)
    assert os.path.getsize(cached_file(name, "model.safetensors")) > 1000
    print(name, len(AutoTokenizer.from_pretrained(name)))
for name in prefetch.DATA:
    print(name, {split: len(rows) for split, rows in load_dataset(name).items()})
"""


@pytest.fixture(scope="module")
def fetched(running, tmp_path_factory):
    """A cache filled in two runs, what these printed, and which files the second asked for.

    At the first run one model is not on the hub.
    """
    place, asked = running
    home = tmp_path_factory.mktemp("home")
    gone, kept = place.place("openai-community/gpt2"), home / "kept"
    gone.rename(kept)
    try:
        first = run(FETCH, place, home)
    finally:
        kept.rename(gone)
    asked.clear()
    return home, first, run(FETCH, place, home), set(asked)


def test_prefetch_knows_every_name_that_lessons_load():
    assert set(prefetch.MODELS) == set(MODELS) and set(prefetch.DATA) == set(DATA)
    sources = {path: path.read_text(encoding="utf-8") for path in NOTEBOOKS}
    found = re.findall(r'"(?:fashion_)?mnist\b', "".join(sources.values()).replace("\\", ""))
    assert {name.strip('"') for name in found} == set(prefetch.PICTURES)
    [source] = [source for path, source in sources.items() if path.stem == "08_gpt"]
    assert "shakespeare.load()" in source


def test_prefetch_goes_on_after_a_failure_and_later_fetches_what_is_missing(fetched):
    _, first, second, asked = fetched
    assert first.returncode == 1 and "Traceback" not in first.stderr + first.stdout
    [fault] = [line for line in first.stdout.splitlines() if line.startswith("✗")]
    assert fault.startswith("✗ openai-community/gpt2 could not be downloaded (Repository")
    assert "\nMissing: openai-community/gpt2. Check the network" in first.stdout
    assert second.returncode == 0, second.stderr[-3000:]
    assert f"1 of {len(prefetch.ITEMS)}: {prefetch.MODELS[0]}" in second.stdout
    assert "All here" in second.stdout and "✗" not in second.stdout
    large = {repo for repo, file in asked if file.endswith((".safetensors", ".jsonl"))}
    assert large == {"openai-community/gpt2"}


def test_prefetched_names_load_without_a_network(running, fetched):
    place, asked = running
    asked.clear()
    done = run(OFFLINE, place, fetched[0])
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == len(MODELS) + len(DATA)
    assert done.stdout.count(str(ROWS)) == len(DATA)
    assert not asked


def fetch_only(monkeypatch, name, download):
    monkeypatch.setattr(prefetch, "ITEMS", {name: download})
    return prefetch.main([])


def test_an_unfinished_model_is_missing_although_the_hub_returns_its_folder(
    monkeypatch, tmp_path, capsys
):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert fetch_only(monkeypatch, "a/b", lambda: prefetch.model("a/b")) == 1
    assert "tokenizer.json, model.safetensors did not arrive" in capsys.readouterr().out


def test_the_text_is_downloaded_once_whole_or_not_at_all(monkeypatch, tmp_path, capsys):
    import io

    monkeypatch.setattr(session, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(shakespeare, "SHA256", hashlib.sha256("Où ?".encode()).hexdigest())

    def refuse(*_, **__):
        raise OSError("no route\nto host")

    monkeypatch.setattr(shakespeare, "urlopen", refuse)
    assert fetch_only(monkeypatch, "tinyshakespeare", prefetch.shakespeare) == 1
    said = "✗ tinyshakespeare could not be downloaded (ConnectionError: Tiny Shakespeare could"
    assert said in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(shakespeare, "urlopen", lambda *_, **__: io.BytesIO(b"<html>log in"))
    assert fetch_only(monkeypatch, "tinyshakespeare", prefetch.shakespeare) == 1
    assert "(what came is another text); check the network" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(shakespeare, "urlopen", lambda *_, **__: io.BytesIO("Où ?".encode()))
    assert fetch_only(monkeypatch, "tinyshakespeare", prefetch.shakespeare) == 0
    assert (tmp_path / "cache" / "tinyshakespeare.txt").read_text(encoding="utf-8") == "Où ?"
    monkeypatch.setattr(shakespeare, "urlopen", refuse)
    assert fetch_only(monkeypatch, "tinyshakespeare", prefetch.shakespeare) == 0


def test_prefetch_is_stopped_by_ctrl_c_and_takes_no_options(monkeypatch, capsys):
    def stopped():
        raise KeyboardInterrupt

    assert fetch_only(monkeypatch, "a/b", stopped) == 130
    assert capsys.readouterr().err == "Stopped: run the same command again to go on.\n"
    assert prefetch.main(["--fast"]) == 2
    assert capsys.readouterr().err == "prefetch takes no options, and was given --fast.\n"
