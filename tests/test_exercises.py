"""The exercises and their engine: right answers, stubs, wrong answers, and code that attacks.

Answers are text, as a student types them, and run as a notebook runs a cell: in one namespace for
all cells, with the source known to tracebacks.
"""

import copy
import dataclasses
import inspect
import itertools
import linecache
import math
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from answers_day1 import ANSWERS as DAY1
from answers_day1 import KL
from answers_day2 import ANSWERS as DAY2
from answers_day3 import ANSWERS as DAY3

from helpers import exercises
from helpers.exercises import engine
from tools import run

torch.set_num_threads(1)
engine._load()

ANSWERS = DAY1 | DAY2 | DAY3
NAMES = sorted(engine._registry)
ROOT = Path(__file__).resolve().parent.parent
GENTLE = ("Change the cell and run it again.", "Stuck? hint(")


# ---------------------------------------------------------------- a notebook, as far as it matters


class Notebook:
    """Cells that share a namespace; `run` returns what a cell printed."""

    numbers = itertools.count(1)

    def __init__(self, capsys) -> None:
        self.capsys = capsys
        self.names = {"__name__": "__main__", "In": [], "Out": {}}
        self.run("import math\nimport torch\nfrom helpers.exercises import exercise")

    def run(self, source: str) -> str:
        source = textwrap.dedent(source).strip("\n") + "\n"
        filename = f"/tmp/ipykernel_7/{next(self.numbers)}.py"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        self.capsys.readouterr()
        exec(compile(source, filename, "exec"), self.names)
        return self.capsys.readouterr().out

    def answer(self, name: str, body: str) -> str:
        """Run the cell of an exercise, with `body` in place of the dots; return what it printed."""
        found = engine._registry[name]
        header = f"def {found.reference.__name__}{inspect.signature(found.reference)}:"
        body = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        return self.run(f'@exercise("{name}")\n{header}\n    """A docstring."""\n{body}')

    def kl(self, body: str) -> str:
        return self.answer("vae.kl", body)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Every test meets the exercises for the first time, and may define its own."""
    new = {"state": engine.UNSEEN, "attempt": engine.UNSEEN, "tries": 0, "hints_given": 0}
    copies = {name: dataclasses.replace(e, **new) for name, e in engine._registry.items()}
    monkeypatch.setattr(engine, "_registry", copies)


@pytest.fixture
def notebook(capsys):
    return Notebook(capsys)


def is_right(printed: str) -> bool:
    return printed.startswith("✓")


def message(printed: str) -> str:
    """What a refused answer is told, without the two lines that are always the same."""
    before, sign, text = printed.partition("✗ ")
    assert sign and not before.strip("\n").startswith(("✓", "○")), printed
    assert all(words in text for words in GENTLE), printed
    return "\n".join(text.split("\n")[:-3])


# ---------------------------------------------------------------- the answers


STUBS = {
    "as handed out": "...  # your code",
    "docstring only": "",
    "pass": "pass",
    "return None": "return None",
    "bare return": "return",
    "a comment": "# TODO\n...",
}

PARENTHESES = r"\((?:[^()]|\([^()]*\))*\)"  # with others in them
CODE = re.compile(rf"\w+(?:\.\w+)+{PARENTHESES}|{PARENTHESES}\.\w+")  # x.f(…) or (…).f
RIGHT = [(name, body) for name, answers in ANSWERS.items() for body in answers.right]
WRONG = [(name, body) for name, answers in ANSWERS.items() for body in answers.wrong]


def test_noise_must_be_drawn_on_the_device_of_mu(notebook, monkeypatch):
    if not torch.cuda.is_available():  # a device without values stands for the GPU
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        (torch.ones(1).to("meta") * 2 + 1).exp()  # its first use takes seconds
        monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor: tensor.to("meta"))
    body = "return mu + torch.exp(log_var / 2) * torch."
    said = message(notebook.answer("vae.reparameterize", body + "randn(mu.shape)"))
    assert "Make new tensors on the device of the inputs: torch.randn_like(mu), say." in said
    if torch.cuda.device_count():
        assert is_right(notebook.answer("vae.reparameterize", body + "randn_like(mu)"))


def test_every_exercise_is_tested():
    assert set(ANSWERS) == set(NAMES)
    for name, answers in ANSWERS.items():
        assert len(answers.right) >= 1, name
        assert len(answers.wrong) >= 4, name


@pytest.mark.parametrize(("name", "body"), RIGHT)
def test_right_answer_is_kept(notebook, name, body):
    printed = notebook.answer(name, body)
    assert printed == f"✓ {name}: right. From here on the lesson runs on your code.\n"
    kept = notebook.names[engine._registry[name].reference.__name__]
    assert kept.__module__ == "__main__"
    assert kept.__doc__ == "A docstring."


@pytest.mark.parametrize(("name", "body"), [pair for pair in RIGHT if "latents." in pair[0]])
def test_right_answer_is_kept_in_double_precision_too(notebook, name, body):
    torch.set_default_dtype(torch.float64)  # as that lesson does
    try:
        assert is_right(notebook.answer(name, body))
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", STUBS.values(), ids=STUBS)
def test_stub_is_not_attempted(notebook, name, body):
    found = engine._registry[name]
    printed = notebook.answer(name, body)
    assert printed.startswith(f"○ {name}: not attempted. The reference stands in")
    assert f'hint("{name}"), then solution("{name}")' in printed
    assert notebook.names[found.reference.__name__] is found.reference
    assert (found.state, found.tries) == (engine.OPEN, 0)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize(("name", "body"), WRONG)
def test_wrong_answer_is_told_why(notebook, name, body):
    found = engine._registry[name]
    printed = notebook.answer(name, body)
    assert ANSWERS[name].wrong[body] in message(printed)
    assert "the check itself failed" not in printed
    assert notebook.names[found.reference.__name__] is found.reference
    assert (found.state, found.tries) == (engine.WRONG, 1)


@pytest.mark.parametrize("name", NAMES)
def test_each_wrong_answer_has_its_own_message(notebook, name):
    told = {}
    for body in ANSWERS[name].wrong:
        told.setdefault(message(notebook.answer(name, body)), []).append(body)
    # Two ways to make the same mistake may be told the same; the key phrase says which those are.
    for text, bodies in told.items():
        assert len({ANSWERS[name].wrong[body] for body in bodies}) == 1, text
    phrases = list(ANSWERS[name].wrong.values())
    assert len(told) >= len(set(phrases))


def as_answer(found, function):
    """A student's function that computes what `function` does."""

    def answer(*arguments):
        return function(*arguments)

    answer.__signature__ = inspect.signature(found.reference)
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_right_and_every_known_mistake_is_recognized(name, capsys):
    found = engine._registry[name]
    assert exercises.exercise(name)(as_answer(found, found.reference)) is not found.reference
    for says, wrong in found.mistakes.items():
        capsys.readouterr()
        assert exercises.exercise(name)(as_answer(found, wrong)) is found.reference
        assert message(capsys.readouterr().out).endswith(f"\n  {says}")


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_complete(name):
    found = engine._registry[name]
    assert found.hints
    assert found.minutes >= 1
    for text in [*found.hints, *found.mistakes]:
        assert len(text) > 10 and text.endswith("."), text
        assert "!" not in text and "grey" not in text, text
    for text in found.hints:  # code is copied, and Python does not know the minus of formulas
        assert not any("−" in code for code in CODE.findall(text)), text


def test_code_in_a_hint_is_found():
    for code in ("F.relu(−x)", "(x − f(a + b)).sum()", "torch.cat([a − b, c])", "(x − m).T"):
        assert any("−" in found for found in CODE.findall(f"It is {code}."))
    assert not CODE.findall("It is −log(1 + exp(−t)) = softplus(−t). Then (t − 1) / 2.")


# ---------------------------------------------------------------- what an answer may do


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["no_grad", "inference_mode", "set_grad_enabled(False)"])
def test_works_inside_blocks_without_gradients(notebook, name, mode):
    mode = mode if mode.endswith(")") else f"{mode}()"
    body = textwrap.indent(textwrap.dedent(ANSWERS[name].right[0]).strip("\n"), " " * 8)
    reference = engine._registry[name].reference
    head = f"def {reference.__name__}{inspect.signature(reference)}:"
    printed = notebook.run(
        f'with torch.{mode}:\n    @exercise("{name}")\n    {head}\n{body}\n'
        "    after = torch.is_grad_enabled(), torch.is_inference_mode_enabled()"
    )
    assert is_right(printed)
    assert notebook.names["after"] == (False, mode == "inference_mode()")
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_gradients_are_checked_inside_such_blocks_too(notebook, mode):
    printed = notebook.run(f"""
        with torch.{mode}():
            @exercise("vae.kl")
            def kl(mu, log_var):
                return ({KL}).sum(1).detach()
        """)
    assert "no gradient reaches `mu`" in message(printed)


def test_may_call_own_helpers_and_imports(notebook):
    notebook.run("""
        from math import pi
        from torch import exp
        import torch.nn.functional as F
        half = lambda x: 0.5 * x
        def terms(mu, log_var):
            return mu**2 + exp(log_var) - 1 - log_var + 0 * pi
        """)
    assert is_right(
        notebook.kl("return half(terms(mu, log_var) + 0 * pi).sum(1) + 0 * F.relu(mu[:, 0])")
    )


def test_may_be_a_closure_have_defaults_and_annotations(notebook):
    assert is_right(notebook.run("""
        def make(half):
            @exercise("vae.kl")
            def kl(mu: torch.Tensor, log_var: torch.Tensor = None) -> torch.Tensor:
                def terms():
                    return half * (mu**2 + log_var.exp() - 1 - log_var)
                return terms().sum(dim=1)
            return kl
        kl = make(0.5)
        """))  # fmt: skip
    assert notebook.names["kl"].__module__ == "__main__"


def test_notebook_may_redefine_names_that_the_engine_uses(notebook):
    notebook.run("""
        print = len = str = isinstance = tuple = list = "mine"
        inspect = copy = engine = helpers = None
        math = torch = 3
        """)
    assert is_right(notebook.kl(f"return ({KL}).sum(dim=1)"))
    assert "one number for the whole batch" in message(notebook.kl(f"return ({KL}).sum()"))
    assert "it reads `len` from the notebook" in message(
        notebook.kl(f"return ({KL}).sum() / len(mu)")
    )
    assert "it reads `torch` from the notebook" in message(
        notebook.kl("return torch.exp(mu).sum(1)")
    )


def test_own_name_means_own_function_and_is_given_back(notebook):
    right = f"return ({KL}).sum(dim=1)"
    for _ in range(2):  # the second time, the name is bound to the reference of the first
        assert "It calls itself without end" in message(notebook.kl("return kl(mu, log_var)"))
        assert notebook.names["kl"] is engine._registry["vae.kl"].reference
    assert "it calls `reference`, which is the reference" in message(
        notebook.run("""
        reference = kl
        @exercise("vae.kl")
        def kl(mu, log_var):
            return reference(mu, log_var)
        """)
    )
    before = notebook.names["kl"] = object()
    notebook.run(
        "def other():\n    global kl\n    mine = kl\n    return mine\nassert other() is kl"
    )
    notebook.run(f"""
        def cell():
            @exercise("vae.kl")
            def kl(mu, log_var):
                {right}
            return kl
        inner = cell()
        """)
    assert notebook.names["kl"] is before
    del notebook.names["kl"]
    notebook.run("inner = cell()")
    assert "kl" not in notebook.names


def test_reference_itself_is_no_attempt(notebook):
    printed = notebook.run("""
        @exercise("vae.kl")
        def kl(mu, log_var):
            return mu
        kl = exercise("vae.kl")(kl)
        """)
    assert "○ vae.kl: not attempted" in printed and "✓" not in printed


def test_recursion_that_ends_is_fine(notebook):
    assert is_right(notebook.answer("vae.log_likelihood_estimate", """
        k = len(log_weights)
        if k == 1:
            return log_weights[0]
        rest = log_likelihood_estimate(log_weights[1:]) + math.log(k - 1)
        return torch.logaddexp(log_weights[0], rest) - math.log(k)
        """))  # fmt: skip


# ---------------------------------------------------------------- what an answer may not do

TAKEN = {  # body of vae.kl -> what is said
    "it loops": ("while True:\n    pass", "It was stopped after 0.5 seconds. Does a loop in it"),
    "it loops and catches": (
        """
        try:
            while True:
                mu.sum()
        except:
            pass
        while True:
            mu.sum()
        """,
        "It was stopped after 0.5 seconds",
    ),
    "it is slow and catches": (
        f"""
        try:
            while True:
                mu.sum()
        except KeyboardInterrupt:
            return ({KL}).sum(1)
        """,
        "It was stopped after 0.5 seconds",
    ),
    "it returns nothing": (f"value = ({KL}).sum(1)", "It returns nothing. Is `return` missing?"),
    "it prints": (f"print(({KL}).sum(1))", "It returns nothing. Is `return` missing?"),
    "dots returned": ("return ...", "It returns `...`: replace the dots by your code."),
    "dots left inside": ("v = ...\nreturn mu + v", "An `...` still stands where your code"),
    "dots called": ("return ...(mu)", "An `...` still stands where your code should be"),
    "wrong dtype": (f"return ({KL}).sum(1).double()", "got       float64 shape (4,)"),
    "half": (f"return ({KL}).sum(1).half()", "got       float16 shape (4,)"),
    "integer": (f"return ({KL}).sum(1).int()", "got       int32 shape (4,)"),
    "complex": (f"return ({KL}).sum(1) + 0j", "got       complex64 shape (4,)"),
    "bool": ("return mu.sum(1) > 0", "got       bool shape (4,)"),
    "meta": ("return torch.empty(4, device='meta')", "got       float32 shape (4,) on meta"),
    "sparse": ("return mu.sum(1).to_sparse()", "got       sparse_coo float32 shape (4,)"),
    "0-d": ("return mu.sum()", "got       float32 shape ()"),
    "empty": ("return mu[:0].sum(1)", "got       float32 shape (0,)"),
    "NaN": ("return mu.sum(1) * math.inf * 0", "expected  3.7625 at [0]\n  got       nan"),
    "one NaN": (f"v = ({KL}).sum(1)\nv[2] = math.nan\nreturn v", " at [2]\n  got       nan"),
    "number": ("return 3.5", "got       3.5, of type float and not a tensor"),
    "string": ("return 'kl'", "got       'kl', of type str and not a tensor"),
    "numpy array": (f"return ({KL}).sum(1).numpy()", "of type ndarray and not a tensor"),
    "pair": (f"return ({KL}).sum(1), 1", "of type tuple and not a tensor"),
    "long list": ("return list(range(10**6))", "got       [0, 1, 2, 3, 4, 5, ...], of type list"),
    "generator": ("yield mu", "of type generator and not a tensor"),
    "function": ("return lambda: mu", "of type function and not a tensor"),
    "in place": (f"mu.zero_()\nreturn ({KL}).sum(1)", "changes its input `mu` in place"),
    "in place, shape": ("log_var.unsqueeze_(0)\nreturn mu.sum(1)", "changes its input `log_var`"),
    "in place, one element": ("mu[0, 0] = 0\nreturn mu.sum(1)", "changes its input `mu` in"),
    "random": ("return torch.randn(4)", "expected  3.7625 at [0]\n  got       "),
    "right at random": (
        f"return ({KL}).sum(1) + 1e-3 * torch.randn(4).sign() * (torch.rand(()) < 0.9)",
        "",
    ),
    "remembers": (
        f"""
        kl.calls = getattr(kl, "calls", 0) + 1
        return ({KL}).sum(1) + (kl.calls > 1)
        """,
        "Called twice with the same input it gave two different results",
    ),
    "reseeds": (f"torch.manual_seed(0)\nreturn ({KL}).sum(1)", "leave out manual_seed"),
    "seeds from the clock": (f"torch.seed()\nreturn ({KL}).sum(1)", "leave out manual_seed"),
    "switches gradients off": (
        f"torch.set_grad_enabled(False)\nreturn ({KL}).sum(1)",
        "no gradient reaches `mu`",
    ),
    "detaches": (f"return ({KL}).sum(1).detach()", "no gradient reaches `mu`, so nothing can be"),
    "new tensor": (f"return torch.tensor(({KL}).sum(1).tolist())", "no gradient reaches `mu`"),
    "uses data": (f"mu = mu.data\nreturn ({KL}).sum(1)", "no gradient reaches `mu`"),
    "half the gradient": (
        "m = mu.detach()\nreturn 0.5 * (mu * m + log_var.exp() - 1 - log_var).sum(1)",
        "the gradient of the sum with respect to `mu` is not",
    ),
    "numpy inside": (
        f"import numpy as np\nv = np.exp(log_var.numpy())\nreturn ({KL}).sum(1)",
        "Stay with torch: no gradient goes through numpy.",
    ),
    "spoils the gradient": (
        "v = log_var.exp()\nr = 0.5 * (mu**2 + v - 1 - log_var).sum(1)\nv.zero_()\nreturn r",
        "Do not change a tensor that a gradient goes through",
    ),
    "in place on a leaf": (
        "w = torch.zeros(4, requires_grad=True)\nw += mu.sum(1)\nreturn w",
        "Do not change a tensor that a gradient goes through",
    ),
    "no tensor when gradients are on": (
        f"return 1.0 if mu.requires_grad else ({KL}).sum(1)",
        "no gradient reaches `mu`",
    ),
    "backward inside": (
        f"r = ({KL}).sum(1)\nif mu.requires_grad:\n    r.sum().backward()\nreturn r",
        "The values are right, but there is no gradient. It stopped with RuntimeError: Trying to",
    ),
    "global": ("global best\nbest = mu\nreturn mu.sum(1)", "it changes `best`, a variable of the"),
    "del global": ("global torch\ndel torch\nreturn mu.sum(1)", "it changes `torch`, a variable"),
    "nested global": (
        "def inner():\n    global best\n    best = 1\ninner()\nreturn mu.sum(1)",
        "it changes `best`",
    ),
    "reads": (f"return beta * ({KL}).sum(1)", "it reads `beta` from the notebook. That"),
    "reads inside": ("return (lambda: mu.sum(1) + beta)()", "it reads `beta` from the notebook"),
    "reads in a class": ("class C:\n    b = beta\nreturn mu.sum(1)", "it reads `beta` from the"),
    "calls the model": ("return model(mu)", "it reads `model` from the notebook"),
    "reads the input's twin": ("return input_.sum(1)", "it reads `input_` from the notebook"),
    "exit": ("exit()", "leave out exit(), which ends the notebook"),
    "quit": ("quit()", "leave out quit(), which ends the notebook"),
    "sys.exit": ("import sys\nsys.exit('bye')", "Leave out sys.exit()"),
    "interrupted": ("raise KeyboardInterrupt", "You stopped it before it was done"),
}  # fmt: skip


@pytest.fixture
def lesson(notebook, monkeypatch):
    """A notebook in the middle of a lesson, with variables and a model, and little patience."""
    monkeypatch.setattr(engine, "TIME_LIMIT", 0.5)
    notebook.run("beta = 2.0\nmodel = torch.nn.Linear(3, 4)\ninput_ = torch.zeros(4, 3)")
    return notebook


@pytest.mark.filterwarnings("ignore:'ellipsis' object is not callable")
@pytest.mark.parametrize(("body", "phrase"), TAKEN.values(), ids=TAKEN)
def test_what_is_not_allowed_is_said(lesson, body, phrase):
    printed = lesson.kl(body)
    assert phrase in message(printed)
    assert "the check itself failed" not in printed
    assert lesson.names["kl"] is engine._registry["vae.kl"].reference


EXCEPTIONS = {  # body of vae.kl -> the exception, the line quoted, and the advice if there is one
    "return mu + nu": ("NameError: name 'nu' is not defined", "This name is not known here"),
    "v = v + 1\nreturn v": ("UnboundLocalError", ""),
    "return mu.exq()": ("AttributeError: 'Tensor' object has no attribute 'exq'", ""),
    "return mu + torch.ones(7)": ("RuntimeError: The size of tensor a (3)", "Print both shapes"),
    "return mu @ log_var": (
        "shapes cannot be multiplied (4x3 and 4x3)",
        "the inner two sizes must be equal",
    ),
    "return mu + 'a'": ("TypeError: unsupported operand", ""),
    "return mu[9]": ("IndexError: index 9 is out of bounds", ""),
    "return {}['mu']": ("KeyError: 'mu'", ""),
    "return 1 / 0": ("ZeroDivisionError: division by zero", ""),
    "return torch.maximum(mu, 0.5)": ("must be Tensor, not float", "argument is a plain number"),
    "return torch.exp(2)": ("must be Tensor, not int", "math.log takes one number."),
    "return torch.clamp(1.0, min=0)": ("invalid combination", "tensor.clamp(min=…) takes numbers"),
    "return torch.max(mu, 0.5)": ("invalid combination", "One argument is a plain number"),
    "return torch.exp([1])": ("must be Tensor, not list", ""),
    "return mu.sum(dim='a')": ("invalid combination", ""),
    "return mu ^ 2": ("bitwise_xor", "Powers are written ** in Python."),
    "return 2.0 ^ 2": ("for ^: 'float'", "Powers are written ** in Python."),
    "return 0.5 * mu.sum": ("for *: 'float' and 'builtin", "lacks its parentheses, as in .sum("),
    "return torch.exp(mu.exp)": ("not builtin_function", "A method lacks its parentheses"),
    "return mu + torch.nn.Linear(3, 3).forward": ("'method'", "A method lacks its parentheses"),
    "return torch.logsumexp(mu)": ("missing 1 required", "Name the dimension to sum over, as in d"),
    "return mu + torch.ones(3, device='meta')": ("device", "on the device of the inputs: torch.ra"),
    "raise RuntimeError('all on the same device')":
    ("same device", "Make new tensors on the device of the inputs"),
    "return torch.distributions.Normal(mu, mu - 9, True)":
    ("Expected parameter scale", "A standard deviation must be positive. log_var is the"),
    "return torch.normal(mu, mu - 9)": ("std >= 0", "of its square: exp(log_var / 2)."),
    "return mu if mu else log_var": ("Boolean value", "argument: if mask is not None."),
    "return math.exp(mu)": (
        "converted to",
        "`math`, float() and item()",
    ),
    "return float(mu)": ("converted to", "`math`, float() and item() take one number"),
    "return mu if mu > 0 else log_var": ("Boolean value of Tensor with more", "`if`, `and`, max()"),
    "import nothing_of_this_name": ("ModuleNotFoundError: No module named", ""),
    "raise NotImplementedError": ("NotImplementedError.", ""),
    "assert mu.mean() == 7, 'no'": ("AssertionError: no", ""),
    "return mu.view(5, 5)": ("RuntimeError: shape '[5, 5]' is invalid", ""),
    "return torch.exp(log_var=log_var)": ("TypeError: exp() ", ""),
    "return next(iter([]))": ("StopIteration.", ""),
    "return 'x' * 10**30": ("OverflowError", ""),
    "raise MemoryError('too much')": ("MemoryError: too much", ""),
    "raise ValueError('first\\nsecond')": ("ValueError: first", ""),
    "raise ValueError('long ' * 1000)": ("ValueError: long long", ""),
    "raise BaseException('odd')": ("BaseException: odd", ""),
}  # fmt: skip


@pytest.mark.parametrize("body", EXCEPTIONS)
def test_exception_is_quoted_with_its_line(notebook, body):
    error, advice = EXCEPTIONS[body]
    said = message(notebook.kl(body)).split("\n")
    assert said[1].startswith("  It stopped with ") and error in said[1]
    line = body.split("\n")[0]
    assert said[2] == f"  in line 4 of the cell: {line}"
    assert advice in said[3] if advice else len(said) == 3
    assert max(map(len, said)) < 250


def test_line_is_that_of_the_students_own_function(notebook):
    notebook.run("def helper(x):\n    y = x\n    return y + torch.ones(7)")
    said = message(notebook.kl("\n\nz = mu\nreturn helper(z)"))
    assert "  in line 5 of the cell: return helper(z)" in said
    linecache.clearcache()  # no source, no quotation, and no failure
    notebook.names["compile_me"] = compile(
        "def odd(mu, log_var):\n    return mu + 'a'", "nowhere", "exec"
    )
    printed = notebook.run('exec(compile_me)\nexercise("vae.kl")(odd)')
    assert "It stopped with TypeError" in printed and "in line" not in printed


SIGNATURES = {
    "(m, log_var)": "takes (m, log_var)",
    "(log_var, mu)": "takes (log_var, mu); the exercise asks for (mu, log_var), in this order",
    "(mu)": "takes (mu);",
    "()": "takes ();",
    "(mu, log_var, dim=1)": "takes (mu, log_var, dim=1);",
    "(mu, log_var, cache=[])": "takes (mu, log_var, cache=[]);",
    "(*args)": "takes (*args);",
    "(**names)": "takes (**names);",
    "(mu, *, log_var)": "takes 1 positional argument but 2 were given",
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_other_arguments_are_refused(notebook, signature):
    printed = notebook.run(f'@exercise("vae.kl")\ndef kl{signature}:\n    return 1')
    assert SIGNATURES[signature] in message(printed)


def test_defaults_are_allowed(notebook):
    printed = notebook.run(
        f'@exercise("vae.kl")\ndef kl(mu=0, log_var=0):\n    return ({KL}).sum(1)'
    )
    assert is_right(printed)


NOT_FUNCTIONS = {
    "class kl:\n    pass": "this is a class.",
    "class kl(torch.nn.Module):\n    pass": "this is a class.",
    "import functools\n{at}\n@functools.cache\ndef kl(mu, log_var):\n    return 1":
    "of type _lru_cache_wrapper.",
    "class Toy:\n    {at}\n    @staticmethod\n    def kl(mu, log_var):\n        return 1":
    "staticmethod",
    "kl = exercise('vae.kl')(3)": "this is of type int.",
    "kl = exercise('vae.kl')(None)": "of type NoneType.",
    "kl = exercise('vae.kl')(torch.exp)": "of type builtin_function_or_method.",
    "kl = exercise('vae.kl')(torch.nn.Linear(2, 2))": "of type Linear.",
    "class Toy:\n    def kl(self, x):\n        return 1\nkl = exercise('vae.kl')(Toy().kl)":
    "of type method.",
}  # fmt: skip


@pytest.mark.parametrize("source", NOT_FUNCTIONS)
def test_something_other_than_a_function(notebook, source):
    at = '@exercise("vae.kl")'
    cell = source.replace("{at}", at) if "{at}" in source else source
    cell = cell if "exercise" in cell else f"{at}\n{cell}"
    said = message(notebook.run(cell))
    assert "@exercise belongs above a function (def …), and this is" in said
    assert NOT_FUNCTIONS[source] in said


def test_lambda_async_method_and_wrapped_functions(notebook):
    assert is_right(notebook.run(f'kl = exercise("vae.kl")(lambda mu, log_var: ({KL}).sum(1))'))
    assert "<lambda>" not in notebook.names
    with pytest.warns(RuntimeWarning, match="never awaited"):
        said = message(
            notebook.run('@exercise("vae.kl")\nasync def kl(mu, log_var):\n    return mu')
        )
        import gc

        gc.collect()
    assert "of type coroutine and not a tensor" in said
    said = message(
        notebook.run("""
        class Toy:
            @exercise("vae.kl")
            def kl(self, mu, log_var):
                return mu
        """)
    )
    assert "takes (self, mu, log_var)" in said
    said = message(
        notebook.run(f"""
        @exercise("vae.kl")
        @torch.no_grad()
        def kl(mu, log_var):
            return ({KL}).sum(1)
        """)
    )
    assert "no gradient reaches `mu`" in said


def test_exercise_without_its_name(notebook):
    printed = notebook.run("@exercise\ndef kl(mu, log_var):\n    return 7")
    assert printed.startswith('✗ write @exercise("…") with the name of the exercise')
    assert notebook.names["kl"](1, 2) == 7


@pytest.mark.parametrize("name", ["vae.nope", "", 3, None, [], {"a": 1}])
def test_unknown_exercise_says_which_there_are(capsys, name):
    function = lambda x: x  # noqa: E731
    assert exercises.exercise(name)(function) is function
    exercises.hint(name)
    exercises.solution(name)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"✗ there is no exercise {name!r}. ")
        listed = [known for known in NAMES if name != "vae.nope" or known.startswith("vae.")]
        assert line.endswith(f"There are: {', '.join(listed)}")


# ---------------------------------------------------------------- other kinds of results


def define(reference, *cases, name="test.result", **keywords):
    keywords = {"minutes": 1, "level": "easy", "hints": ["None."]} | keywords
    engine.define(name, reference, cases=lambda: list(cases), **keywords)


def judged(capsys, answer, name="test.result"):
    capsys.readouterr()
    exercises.exercise(name)(answer)
    return capsys.readouterr().out


def test_numbers_are_compared_to_rounding(capsys):
    define(lambda x: x / 3, (1.0,), (2.0e6,))
    for right in (
        lambda x: x / 3 + 1e-6,
        lambda x: torch.tensor(x / 3),
        lambda x: np.float64(x / 3),
        lambda x: (x / 3) * (1 + 1e-5),
    ):
        assert is_right(judged(capsys, right))
    assert "expected  0.333333\n  got       0.334333\n" in judged(capsys, lambda x: x / 3 + 1e-3)
    assert "got       nan\n" in judged(capsys, lambda x: math.nan)
    assert "got       '1/3', of type str\n" in judged(capsys, lambda x: "1/3")
    assert "got       a tensor, float32 shape (1,), of type Tensor" in judged(
        capsys, lambda x: torch.tensor([x / 3])
    )


def test_whole_numbers_and_texts_are_compared_exactly(capsys):
    define(lambda x: x + 1, (1,))
    assert is_right(judged(capsys, lambda x: x + 1))
    assert "expected  2\n  got       2, of type float" in judged(capsys, lambda x: x + 1.0)
    assert "expected  2\n  got       3\n" in judged(capsys, lambda x: x + 2)
    define(lambda x: x.upper(), ("a",))
    assert is_right(judged(capsys, lambda x: "A"))
    assert "expected  'A'\n  got       'a'\n" in judged(capsys, lambda x: x)
    define(lambda x: {"a": x}, (1,))
    assert is_right(judged(capsys, lambda x: {"a": 1}))
    assert "entry 'a':\n  expected  1\n  got       2\n" in judged(capsys, lambda x: {"a": 2})


def test_lists_and_tuples_are_compared_one_by_one(capsys):
    define(lambda x: (x, x.sum()), (torch.ones(2),))
    assert is_right(judged(capsys, lambda x: (x, x.sum())))
    assert is_right(judged(capsys, lambda x: [x, x.sum()]))
    two = "expected  a tuple of 2: a tensor, float32 shape (2,), a tensor, float32 shape ()\n"
    assert f"{two}  got       a tuple of 3: a tensor" in judged(capsys, lambda x: (x, x, x))
    assert f"{two}  got       a tensor, float32 shape (2,), of type" in judged(capsys, lambda x: x)
    assert "value 2 of 2:\n  expected  float32 shape ()\n" in judged(capsys, lambda x: (x, x))


def test_short_sequences_of_another_length_are_printed(capsys):
    define(lambda tokens: [*tokens, 7], ([1, 2],), (list(range(12)),))
    assert "expected  a list of 3: 1, 2, 7\n  got       a list of 2: 1, 2\n" in judged(
        capsys, lambda tokens: list(tokens)
    )
    assert "got       a tuple of 0\n" in judged(capsys, lambda tokens: ())
    assert "expected  a list of 13\n  got       a list of 12: 0, 1, 2, 3, 4, 5, 6, 7" in judged(
        capsys, lambda tokens: [*tokens, 7] if len(tokens) == 2 else list(tokens)
    )


def test_dicts_are_compared_entry_by_entry(capsys):
    p = {"w": torch.ones(2), "b": 1.0}
    define(lambda p: {key: 2 * value for key, value in p.items()}, (p,))
    assert is_right(judged(capsys, lambda p: {"b": 2 * p["b"] + 1e-7, "w": p["w"] + p["w"]}))
    said = judged(capsys, lambda p: {"w": 2 * p["w"]})
    assert (
        "expected  a dict with the keys ['w', 'b']\n  got       a dict with the keys ['w']" in said
    )
    assert "the keys ['w', 'b', 'c']" in judged(capsys, lambda p: {"w": 0, "b": 0, "c": 0})
    assert "keys ['w', 'b']\n  got       [1], of type list" in judged(capsys, lambda p: [1])
    assert "entry 'w':\n  expected  2 at [0]\n  got       1\n" in judged(capsys, lambda p: p)
    define(lambda x: {"a": {"b": [x]}}, (1.0,))
    assert "entry 'a':\n  entry 'b':\n  value 1 of 1:\n  expected  1\n  got       2\n" in judged(
        capsys, lambda x: {"a": {"b": [2 * x]}}
    )


@pytest.mark.parametrize(
    "array",
    [np.ones(3), np.array([1, 2]), np.array(["a", "b"]), np.array(2.5), np.array([math.nan, 1.0]),
     np.array([[1.0, 2.0]], dtype=np.float32)[:, ::-1], np.array([True])],
    ids=str,
)  # fmt: skip
def test_arrays_are_compared_like_tensors(capsys, array):
    define(lambda x: x.copy(), (array,))
    assert is_right(judged(capsys, lambda x: x[...]))
    assert "and not an array" in judged(capsys, lambda x: x.tolist())
    if array.dtype.kind != "U":
        assert "and not an array" in judged(capsys, lambda x: torch.tensor(x.tolist()))
        assert is_right(judged(capsys, lambda x: x + 0)) == (
            array.dtype.kind != "b" and array.ndim > 0
        )
    if array.ndim:
        assert "expected  " in judged(capsys, lambda x: np.concatenate([x, x]))
        last = ", ".join(str(n - 1) for n in array.shape)
        said = judged(
            capsys,
            lambda x: (
                np.append(x.ravel()[:-1], "z" if x.dtype.kind == "U" else not x.ravel()[-1])
                .astype(x.dtype)
                .reshape(x.shape)
            ),
        )
        assert f" at [{last}]\n  got       " in said or array.ravel()[-1] == 1


def test_numpy_numbers_nan_and_infinity(capsys):
    define(lambda x: np.float32(x), (0.1,))
    assert is_right(judged(capsys, lambda x: np.float32(x)))
    assert is_right(judged(capsys, lambda x: x))
    define(lambda x: [math.nan, math.inf, np.int64(2)], (1,))
    assert is_right(judged(capsys, lambda x: [math.nan, math.inf, 2]))
    assert "expected  nan\n  got       0\n" in judged(capsys, lambda x: [0.0, math.inf, 2])
    assert "expected  inf\n  got       -inf\n" in judged(capsys, lambda x: [math.nan, -math.inf, 2])


def test_none_is_right_where_the_reference_returns_none(capsys):
    define(lambda pairs: max(pairs, default=None), ([2, 1],), ([],))
    assert is_right(judged(capsys, lambda pairs: sorted(pairs)[-1] if pairs else None))
    assert "expected  None\n  got       0, of type int\n" in judged(
        capsys, lambda pairs: max(pairs, default=0)
    )
    assert "It returns nothing" in judged(capsys, lambda pairs: print(pairs))


def test_numbers_are_printed_with_the_digits_that_tell_them_apart(capsys):
    define(lambda x: x, (torch.ones(1, dtype=torch.float64),), tolerance=1e-9)
    assert "expected  1 at [0]\n  got       1.0000001\n" in judged(capsys, lambda x: x + 1e-7)
    define(lambda x: x, (1.0,), tolerance=1e-9)
    assert "expected  1\n  got       1.0000001\n" in judged(capsys, lambda x: x + 1e-7)


# ---------------------------------------------------------------- other kinds of inputs


def test_what_cannot_be_compared_is_never_called_changed(capsys):
    class Own:
        pass

    cases = [
        torch.Generator().manual_seed(3), torch.nn.Linear(2, 1), torch.distributions.Normal(0, 1),
        Own(), (i for i in range(3)), [Own()], {"m": torch.nn.Linear(2, 1)}, torch.float32, abs,
        range(3), None, {1, 2}, "text", b"text", 1j,
    ]  # fmt: skip
    define(lambda x, y: y, *((case, 1.0) for case in cases))
    assert is_right(judged(capsys, lambda x, y: y))


def test_the_answer_gets_a_model_and_a_generator_of_its_own(capsys):
    def step(model, generator):
        with torch.no_grad():
            model.weight += 1
        return model.weight.detach() + torch.rand(2, generator=generator)

    define(step, (torch.nn.Linear(2, 1), torch.Generator().manual_seed(1)))
    assert is_right(judged(capsys, lambda model, generator: step(model, generator)))


def test_an_optimizer_belongs_to_the_copied_model(capsys):
    def train(model, optimizer):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        return model.weight.detach()

    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    define(train, (model, torch.optim.SGD(model.parameters(), lr=0.1)))
    assert is_right(judged(capsys, lambda model, optimizer: train(model, optimizer)))
    assert "expected  " in judged(capsys, lambda model, optimizer: model.weight.detach())
    assert torch.equal(model.weight, before) and model.weight.grad is None


def test_what_is_changed_in_place_is_said_with_fitting_advice(capsys):
    define(len, ([1, 2],), ({"a": 1},), (np.ones(2),), (torch.ones(2),))

    def changes(kind):
        def answer(obj, /):
            if isinstance(obj, kind):
                obj.append(3) if kind is list else obj.__setitem__("a" if kind is dict else 0, 7)
            return 2 if not isinstance(obj, dict) else 1

        return answer

    for kind, look, instead in (
        (list, "append, pop, x[i] = …)", "work on a copy, list(obj)."),
        (dict, "x[key] = …, +=, pop, update)", "build a new dict."),
        (np.ndarray, "+=, *=, or a method that ends in _)", "compute a new array."),
        (torch.Tensor, "+=, *=, or a method that ends in _)", "compute a new tensor."),
    ):
        said = judged(capsys, changes(kind))
        assert f"It changes its input `obj` in place (look for {look}. Whoever passed" in said
        assert instead in said


def test_a_lost_default_is_refused(capsys):
    def reference(x, mask=None, *, scale=2.0):
        return x * scale if mask is None else x

    define(reference, (1.0,))
    said = judged(capsys, lambda x, mask, *, scale=2.0: x * 2)
    assert "`mask` has lost its default: write mask=None, as the cell had it. Later cells" in said
    assert "write scale=2.0" in judged(capsys, lambda x, mask=None, *, scale: x * 2)
    assert is_right(judged(capsys, lambda x, mask=None, *, scale=2.0: x * 2))


@pytest.mark.parametrize("pack", [tuple, list, lambda parts: dict(zip("ab", parts, strict=True))])
def test_gradients_of_several_tensors(capsys, pack):
    define(lambda x: pack([x**2, (x > 0).long()]), (torch.tensor([1.0, 2.0]),), gradients=True)
    assert is_right(judged(capsys, lambda x: pack([x * x, (x > 0).long()])))
    assert "no gradient reaches `x`" in judged(
        capsys, lambda x: pack([(x * x).detach(), (x > 0).long()])
    )
    assert "the gradient of the sum with respect to `x` is not" in judged(
        capsys, lambda x: pack([x * x.detach(), (x > 0).long()])
    )


def test_tolerance(capsys):
    define(lambda x: {"a": [x, x.sum().item()]}, (torch.ones(2),), tolerance=0.1)
    assert is_right(judged(capsys, lambda x: {"a": [1.05 * x, 2.1]}))
    assert not is_right(judged(capsys, lambda x: {"a": [1.2 * x, 2.0]}))
    define(lambda x: 0 * x, (torch.ones(1),), tolerance=0.1)
    assert is_right(judged(capsys, lambda x: 0.009 * x))
    assert not is_right(judged(capsys, lambda x: 0.011 * x))


def test_mistakes_as_edits_of_the_reference(capsys):
    def tripled(x):
        return half(6 * x)

    mistakes = {"a sign.": ("6 * x", "-6 * x"), "a factor.": ("6", "7"), "squared.": lambda x: x**2}
    define(tripled, (1.0,), (2.0,), mistakes=mistakes)
    assert is_right(judged(capsys, lambda x: 3 * x))
    assert "\n  a sign.\n" in judged(capsys, lambda x: -3 * x)
    assert "\n  a factor.\n" in judged(capsys, lambda x: 3.5 * x)
    assert "\n  squared.\n" in judged(capsys, lambda x: x**2)
    for old, times in (("x", 2), ("y", 0)):
        with pytest.raises(ValueError, match=f"'{old}' must stand once in tripled, not {times} "):
            define(tripled, (1.0,), mistakes={"wrong.": (old, "z")})


def half(x):
    return x / 2


def test_a_name_belongs_to_one_reference():
    import importlib

    from helpers.exercises import day1

    before = engine._registry["vae.kl"].reference
    importlib.reload(day1)
    assert engine._registry["vae.kl"].reference is not before
    match = r"'vae.kl' is defined already, by helpers.exercises.day1.kl$"
    with pytest.raises(ValueError, match=match):
        define(half, (1.0,), name="vae.kl")


def test_a_misspelled_name_is_guessed(capsys):
    for wrong, meant in (
        ("vae.kll", "vae.kl"),
        ("kl", "vae.kl"),
        ("vea.free_bits", "vae.free_bits"),
    ):
        exercises.hint(wrong)
        printed = capsys.readouterr().out
        assert f"there is no exercise {wrong!r}. Did you mean {meant}? There are: vae." in printed
        assert "start.brightness" not in printed
    exercises.hint("start.bright")
    assert capsys.readouterr().out.endswith(
        "Did you mean start.brightness? There are: start.brightness\n"
    )


def test_one_minute(capsys):
    define(lambda x: x, (1.0,))
    assert "About 1 minute, easy" in judged(capsys, lambda x: 2.0)
    define(lambda x: x, (1.0,), minutes=2)
    assert "About 2 minutes, easy" in judged(capsys, lambda x: 2.0)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([True, False]),
        torch.tensor([1, 2]),
        torch.tensor([1 + 2j, 3j]),
        torch.tensor([math.nan, math.inf]),
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
        torch.tensor(3.0),
        torch.zeros(0, 3),
    ],
    ids=str,
)
def test_tensors_of_any_type(capsys, tensor):
    define(lambda x: x.clone(), (tensor,))
    assert is_right(judged(capsys, lambda x: x))
    assert is_right(judged(capsys, lambda x: torch.nn.Parameter(x, requires_grad=False)))
    if tensor.numel():
        assert "got       " in judged(capsys, lambda x: ~x if x.dtype == torch.bool else x * 0 + 7)


def test_where_the_first_difference_is(capsys):
    define(lambda x: x.clone(), (torch.arange(6.0).view(2, 3),))

    def wrong(x):
        x = x.clone()
        x[1, 1:] = 9
        return x

    said = judged(capsys, wrong)
    assert ": check 1 of 1, with x of shape (2, 3)\n" in said
    assert "\n  expected  4 at [1, 1]\n  got       9\n" in said
    define(lambda x: x.sum(), (torch.ones(2),))
    said = judged(capsys, lambda x: x.mean())
    assert "\n  expected  2\n  got       1\n" in said
    define(lambda x, floor: x, (torch.ones(2), 0.5))
    said = judged(capsys, lambda x, floor: floor)
    assert "check 1 of 1, with x of shape (2,), floor = 0.5\n" in said
    define(lambda: 1, ())
    assert "check 1 of 1\n  expected  1\n" in judged(capsys, lambda: 2)


def test_only_allowed_variables_are_read(notebook):
    define(lambda x: 2 * x, (1.0,), allowed_globals=["beta"])
    notebook.run("beta = 2.0\nother = 2.0")
    cell = '@exercise("test.result")\ndef f(x):\n    return {} * x'
    assert is_right(notebook.run(cell.format("beta")))
    assert "it reads `other` from the notebook" in message(notebook.run(cell.format("other")))


def test_mistakes_equal_on_the_first_case_are_told_apart_by_the_others(capsys):
    mistakes = {"doubled.": lambda x: 2 * x, "squared.": lambda x: x**2, "broken.": lambda x: x[9]}
    define(lambda x: x, (2.0,), (3.0,), mistakes=mistakes)
    assert "\n  doubled." in judged(capsys, lambda x: x + x)
    assert "\n  squared." in judged(capsys, lambda x: x * x)
    assert "\n  doubled." in judged(capsys, lambda x: 4.0)  # neither: the first will do
    assert "\n  doubled." in judged(capsys, lambda x: 4.0 if x == 2.0 else 1 / 0)
    assert "doubled" not in judged(capsys, lambda x: 5.0)


def test_a_check_of_ours_that_fails_is_not_the_students_fault(capsys):
    def broken(answer):
        raise ZeroDivisionError("ours")

    define(lambda x: x, (1.0,), checks=[broken])
    assert "the check itself failed (ZeroDivisionError: ours); your code" in judged(
        capsys, lambda x: x
    )


def test_define_refuses_what_cannot_be_checked():
    with pytest.raises(ValueError, match=r"'a.b' checks nothing: give it cases"):
        engine.define("a.b", abs, minutes=1, level="easy", hints=["None."])
    with pytest.raises(ValueError, match="level is easy, medium or hard, not 'brutal'"):
        define(abs, (1,), level="brutal")


# ---------------------------------------------------------------- it never raises

NASTY_CLASSES = """
import collections, fractions, sys
import numpy as np

def raiser(error=ValueError):
    def method(*args, **kwargs):
        raise error("nasty")
    return method

METHODS = ["__eq__", "__repr__", "__str__", "__len__", "__bool__", "__iter__", "__getitem__",
           "__float__", "__format__", "__hash__", "__sub__", "__rsub__", "__abs__", "__getattr__",
           "__array__", "__deepcopy__", "__reduce_ex__", "__contains__", "__call__", "__next__"]
ERRORS = [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError, BaseException]
def nasty(error, *bases):
    names = {name: raiser(error) for name in METHODS}
    if not bases:
        names |= {name: property(raiser(error)) for name in ("shape", "dtype", "ndim", "item")}
    return type("Nasty", bases, names)

class Liar:
    __class__ = torch.Tensor
class Subclass(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise ValueError("nasty")
class Gentle(torch.Tensor):
    pass
class Meta(type):
    __name__ = property(raiser())
    __repr__ = raiser()
class Nameless(metaclass=Meta):
    pass
class NoText(Exception):
    __str__ = raiser()
class BadText(Exception):
    __str__ = lambda self: 3
loop = []
loop.append(loop)
"""

VALUES = [
    *(f"nasty({error})()" for error in
      ["ValueError", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "BaseException"]),
    "nasty(RecursionError)()", "nasty(ValueError, list)([1])", "nasty(ValueError, dict)(a=1)",
    "nasty(ValueError, float)(1)", "nasty(ValueError, str)('a')", "nasty(ValueError, int)(3)",
    "nasty(ValueError, tuple)((1, 2))", "nasty(ValueError)", "Liar()", "Nameless()", "Nameless",
    "Subclass(torch.ones(4))", "Gentle(torch.ones(4))", "loop", "10**5000", "'a' * 10**6",
    "list(range(10**5))", "[[[[[[1]]]]]] * 1000", "collections.deque([1])",
    "fractions.Fraction(1, 3)",
    "float('nan')", "float('inf')", "-0.0", "True", "1j", "b'bytes'", "NotImplemented", "...",
    "None",
    "math", "torch", "print", "(i for i in [1])", "range(4)", "{1, 2}", "slice(None)", "type",
    "object()", "lambda: 1", "sys", "ValueError('x')", "torch.nn.Linear(2, 2)", "torch.Generator()",
    "torch.float32", "torch.Size([4])", "np.ones(4)", "np.float32(3)", "np.array(['a', None])",
    "np.ma.masked_array([1.0, 2.0], mask=[0, 1])", "np.datetime64('2020-01-01')",
    "torch.ones(4, device='meta')", "torch.ones(4).to_sparse()", "torch.ones(4, 3).to_sparse_csr()",
    "torch.ones(4) * 1j", "torch.ones(4) > 0", "torch.ones(4).long()", "torch.ones(4).bfloat16()",
    "torch.ones(4, requires_grad=True)", "torch.full((4,), math.nan)", "torch.tensor(3.0)",
    "torch.ones(0)", "torch.zeros(1).expand(10**12)", "torch.zeros(1).expand(4)",
    "torch.nn.Parameter(torch.ones(4))", "[torch.ones(4)] * 3", "(torch.ones(4), None)",
    "torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)",
    "torch.ones(4).untyped_storage()", "torch.distributions.Normal(0.0, 1.0)",
    "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])", "torch.ones(4).T.conj()",
]  # fmt: skip

CONTEXTS = {
    "returned": "return {value}",
    "in a list": "return [{value}, {value}]",
    "raised": "raise type('E', (Exception,), {{}})({value})",
    "yielded": "yield {value}",
    "set on the input": "x.nasty = {value}\nreturn {value}",
    "at the second call": "f.n = getattr(f, 'n', 0) + 1\nreturn x.sum(1) if f.n == 1 else {value}",
    "at the third call": "f.n = getattr(f, 'n', 0) + 1\nreturn x.sum(1) if f.n < 3 else {value}",
    "kept": "f.value = {value}\nreturn {value}",
    "called and added": "return x + ({value})",
}

REFERENCES = {
    "a tensor": lambda x: x.sum(1),
    "a number": lambda x: float(x.sum()),
    "a whole number": lambda x: len(x),
    "a pair": lambda x: (x, 1),
    "a text": lambda x: "abc",
    "a dictionary": lambda x: {"a": 1},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wanted", REFERENCES)
def test_never_raises_whatever_comes_back(notebook, wanted):
    reference, x = REFERENCES[wanted], torch.arange(12.0).view(4, 3)
    define(reference, (x,), name="test.nasty", gradients=wanted == "a tensor",
           mistakes={"a mistake.": lambda x: x}, checks=[lambda answer: answer(x)])  # fmt: skip
    notebook.run(NASTY_CLASSES)
    before = state_of_the_world()
    for value, context in itertools.product(VALUES, CONTEXTS.values()):
        body = textwrap.indent(context.format(value=value), "    ")
        if value == "Liar()" and "x + (" in body:
            continue  # torch itself crashes, without any exercise
        try:
            printed = notebook.run(f'@exercise("test.nasty")\ndef f(x):\n{body}')
        except BaseException as error:
            pytest.fail(f"{type(error)} from\n{body}")
        assert printed[0] in "✗○✓" and len(printed) < 1500, printed
        # Right is only what equals the reference: -0.0 and True as numbers never do here.
        assert not is_right(printed), body
        assert notebook.names["f"] is reference, body
    assert state_of_the_world() == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_no_exercise_of_the_course_raises_either(notebook, name):
    notebook.run(NASTY_CLASSES)
    for value in VALUES:
        try:
            printed = notebook.answer(name, f"return {value}")
        except BaseException as error:
            pytest.fail(f"{type(error)} from {value}")
        assert printed[0] in "✗○" and len(printed) < 1500, printed


def test_an_object_that_cannot_be_printed(notebook):
    notebook.run(NASTY_CLASSES)
    said = message(notebook.kl("return nasty(SystemExit)()"))
    assert "got       an object that cannot be printed, of type Nasty and not a tensor" in said


def test_every_builtin_exception_is_caught(notebook):
    import builtins

    notebook.run(NASTY_CLASSES)
    kinds = [
        k for k in vars(builtins).values() if inspect.isclass(k) and issubclass(k, BaseException)
    ]
    plain = [k.__name__ for k in kinds if "Group" not in k.__name__ and "Unicode" not in k.__name__]
    assert len(plain) > 50
    odd = ["NoText()", "BadText()", "ExceptionGroup('g', [ValueError('x')])", "3",
           "UnicodeDecodeError('utf8', b'x', 0, 1, 'bad')", "'a string'"]  # fmt: skip
    for error in [*plain, *odd]:
        try:
            said = message(notebook.kl(f"raise {error}"))
        except BaseException as raised:
            pytest.fail(f"{type(raised)} from raise {error}")
        stopped = {"KeyboardInterrupt": "You stopped it", "RecursionError": "calls itself without"}
        assert stopped.get(error, "It stopped with ") in said


def state_of_the_world():
    """What a check must leave as it was, in a form that can be compared."""
    numpy = np.random.get_state()  # noqa: NPY002
    return dict(
        torch=torch.get_rng_state().tolist(), seed=torch.initial_seed(), python=random.getstate(),
        numpy=(numpy[0], numpy[1].tolist(), *numpy[2:]), grad=torch.is_grad_enabled(),
        inference=torch.is_inference_mode_enabled(), dtype=torch.get_default_dtype(),
        interrupt=signal.getsignal(signal.SIGINT), folder=os.getcwd(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "return torch.randn(4)",
        "torch.manual_seed(5)\nreturn torch.randn(4)",
        "import random\nrandom.seed(3)\nreturn random.random()",
        "import numpy as np\nnp.random.seed(3)\nreturn np.random.rand()",
        "torch.set_grad_enabled(False)\nreturn torch.randn(4)",
        "torch.inference_mode().__enter__()\nreturn torch.randn(4)",
        f"return ({KL}).sum(1)",
        "...",
        "return mu / 0 + nonsense",
    ],
)
def test_a_check_leaves_no_trace(notebook, body):
    torch.manual_seed(123)
    random.seed(4)
    torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    before, names, threads = state_of_the_world(), set(notebook.names), threading.active_count()
    notebook.kl(body)
    assert state_of_the_world() == before
    assert set(notebook.names) == names | {"kl"}
    deadline = time.monotonic() + 2
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads
    with torch.no_grad():
        notebook.kl(body)
        assert not torch.is_grad_enabled()


def test_checks_do_not_depend_on_the_notebooks_seed(notebook):
    body = "return mu + torch.exp(log_var) * torch.randn_like(mu)"
    printed = set()
    for seed in range(3):
        torch.manual_seed(seed)
        printed.add(notebook.answer("vae.reparameterize", body))
    assert len(printed) == 1


def test_time_is_limited_for_each_call_and_not_for_all(notebook, monkeypatch):
    monkeypatch.setattr(engine, "TIME_LIMIT", 0.8)
    began = time.monotonic()
    assert is_right(notebook.kl(f"import time\ntime.sleep(0.1)\nreturn ({KL}).sum(1)"))
    assert time.monotonic() - began > engine.TIME_LIMIT
    time.sleep(engine.TIME_LIMIT)  # nothing that was set going interrupts the notebook later


# ---------------------------------------------------------------- working through a lesson


def test_any_order_of_runs(notebook):
    found = engine._registry["vae.kl"]
    bodies = {"○": "...", "✗": "return mu", "✓": f"return ({KL}).sum(1)"}
    attempt = engine.UNSEEN
    for order in itertools.product(bodies, repeat=3):
        for sign in order:
            printed = notebook.kl(bodies[sign])
            attempt = attempt if sign == "○" else sign  # a stub is no attempt, and undoes none
            assert printed.startswith(sign)
            assert (notebook.names["kl"] is found.reference) == (sign != "✓")
            assert (found.state, found.attempt) == (sign, attempt)


def test_progress(notebook, capsys):
    def progress():
        capsys.readouterr()
        exercises.progress()
        return capsys.readouterr().out.splitlines()

    assert progress() == ["No exercise has been run in this session yet."]
    notebook.kl("...")
    assert progress() == ["○ vae.kl: not attempted", "0 of 1 right in this session."]
    notebook.kl("return mu")
    assert progress()[0] == "✗ vae.kl: not yet right, 1 try"
    notebook.kl("return mu")
    assert progress()[0] == "✗ vae.kl: not yet right, 2 tries"
    notebook.answer("start.brightness", "return images.mean((1, 2))")
    assert progress() == [
        "✓ start.brightness: right, 1 try",
        "✗ vae.kl: not yet right, 2 tries",
        "1 of 2 right in this session.",
    ]
    notebook.kl(f"return ({KL}).sum(1)")
    assert progress()[1:] == ["✓ vae.kl: right, 3 tries", "2 of 2 right in this session."]
    notebook.kl("...")  # a stub undoes nothing
    assert progress()[1:] == [
        "✓ vae.kl: solved earlier, the cell now holds the stub, 3 tries",
        "2 of 2 right in this session.",
    ]
    notebook.kl("return mu")  # a wrong answer counts
    assert progress()[1:] == ["✗ vae.kl: not yet right, 4 tries", "1 of 2 right in this session."]


# ---------------------------------------------------------------- what stays of a session


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A record of its own, and a way to restart the kernel as far as exercises matter."""
    monkeypatch.setenv("GENAI_PROGRESS", str(tmp_path / "progress"))

    class Kept:
        folder = tmp_path / "progress"

        def restart(self):
            new = {"state": engine.UNSEEN, "attempt": engine.UNSEEN, "tries": 0}
            copies = {name: dataclasses.replace(e, **new) for name, e in engine._registry.items()}
            monkeypatch.setattr(engine, "_registry", copies)
            monkeypatch.setattr(engine, "_unkept", False)

        def progress(self, capsys, **options):
            capsys.readouterr()
            exercises.progress(**options)
            return capsys.readouterr().out.splitlines()

    return Kept()


N = len(NAMES)
RIGHT_KL = f"return ({KL}).sum(1)"


def test_progress_survives_a_restart(notebook, kept, capsys):
    notebook.kl(RIGHT_KL)
    notebook.answer("vae.free_bits", "return kl_per_dimension")
    notebook.answer("start.brightness", "...")
    assert kept.progress(capsys)[-12:] == [
        f"All sessions: 1 of {N} exercises solved, 1 tried and not right, {N - 2} not attempted.",
        "Start  none of 1 attempted",
        "Day 1",
        "  1.01  none of 3 attempted",
        *(f"  1.0{lesson}  none of 4 attempted" for lesson in (2, 3, 4, 5)),
        "  1.06  1 of 4; solved: kl; not right: free_bits; not attempted: reparameterize, "
        "log_likelihood_estimate",
        "  1.07  none of 4 attempted",
        *(f"Day {day}: none of {len(those)} attempted" for day, those in OF_DAY.items()),
    ]
    kept.restart()
    lines = kept.progress(capsys)
    assert lines[0] == "No exercise has been run in this session yet."
    assert "  1.06  1 of 4; solved: kl*; not right: free_bits*;" in "\n".join(lines)
    assert lines[-1] == "* in an earlier session, or in another notebook"


OF_DAY = {
    day: [name for name, e in engine._registry.items() if e.reference.__module__[-1] == day]
    for day in "23"
}


def test_later_answers_count_and_stubs_do_not(notebook, kept, capsys):
    notebook.kl(RIGHT_KL)
    notebook.answer("vae.free_bits", "return kl_per_dimension")
    kept.restart()
    notebook.kl("...")
    notebook.answer("vae.free_bits", "...")
    lines = kept.progress(capsys)
    assert lines[:3] == [
        "✓ vae.kl: solved earlier, the cell now holds the stub",
        "✗ vae.free_bits: not right earlier, the cell now holds the stub",
        "0 of 2 right in this session.",
    ]
    assert f"1 of {N} exercises solved, 1 tried" in lines[4]
    notebook.kl("return mu")
    kept.restart()
    assert f"0 of {N} exercises solved, 2 tried" in "\n".join(kept.progress(capsys))


def test_progress_forgets_on_request(notebook, kept, capsys):
    notebook.kl(RIGHT_KL)
    assert kept.progress(capsys, reset=True) == [
        "Forgotten: from here on no exercise counts as tried. The cells are as they were."
    ]
    assert kept.progress(capsys) == ["No exercise has been run in this session yet."]
    kept.restart()
    assert kept.progress(capsys) == ["No exercise has been run in this session yet."]
    notebook.kl(RIGHT_KL)
    assert f"1 of {N} exercises solved" in "\n".join(kept.progress(capsys))


DAMAGE = ("", "{", "[]", "7", '{"state": 1}', '{"state": []}', '{"stat": "right"}', "\x00" * 9,
          "[" * 100_000)  # fmt: skip


@pytest.mark.parametrize("text", DAMAGE)
def test_a_damaged_record_is_passed_over(notebook, kept, capsys, text):
    notebook.kl(RIGHT_KL)
    (kept.folder / "vae.free_bits.json").write_text(text)
    (kept.folder / "vae.reparameterize.json").write_bytes(b"\xff\xfe\x00")
    (kept.folder / "gan.loss.json").mkdir()
    kept.restart()
    assert f"1 of {N} exercises solved, 0 tried" in "\n".join(kept.progress(capsys))
    notebook.answer("vae.free_bits", "return kl_per_dimension")  # and is written anew
    kept.restart()
    assert f"1 of {N} exercises solved, 1 tried" in "\n".join(kept.progress(capsys))


def test_another_versions_exercises_are_passed_over(notebook, kept, capsys):
    notebook.kl(RIGHT_KL)
    (kept.folder / "vae.gone.json").write_text('{"state": "right"}')
    (kept.folder / "vae.free_bits.json").write_text('{"state": "perfect"}')
    kept.restart()
    text = "\n".join(kept.progress(capsys))
    assert f"1 of {N} exercises solved, 0 tried" in text and "gone" not in text
    monkeyed = dataclasses.replace(engine._registry["vae.kl"], name="brand.new")
    engine._registry["brand.new"] = monkeyed  # one that no lesson is known of
    notebook.answer("brand.new", RIGHT_KL)
    assert f"2 of {N + 1} exercises solved" in "\n".join(kept.progress(capsys))


def test_a_record_that_cannot_be_written(notebook, kept, capsys):
    kept.folder.write_text("a file where the folder should be")
    printed = notebook.kl(RIGHT_KL)
    assert is_right(printed) and len(printed.splitlines()) == 1
    assert kept.progress(capsys) == [
        "✓ vae.kl: right, 1 try",
        "1 of 1 right in this session.",
        "Answers are not kept for the next session: the record cannot be written.",
    ]
    kept.folder.unlink()
    notebook.kl(RIGHT_KL)  # now it can
    assert f"1 of {N} exercises solved" in "\n".join(kept.progress(capsys))


def test_a_read_only_record_is_read(notebook, kept, capsys, monkeypatch):
    notebook.kl(RIGHT_KL)

    def refuse(*_, **__):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(engine.record.os, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    kept.restart()
    notebook.kl("return mu")
    lines = kept.progress(capsys)
    assert f"0 of {N} exercises solved, 1 tried" in "\n".join(lines)
    assert lines[-1].startswith("Answers are not kept")
    assert [path.name for path in kept.folder.iterdir()] == ["vae.kl.json"]  # no litter
    assert kept.progress(capsys, reset=True)[0].startswith("The record of earlier sessions cannot")


WRITER = """
import sys
from helpers.exercises import record
for turn in range(60):
    for name in sys.argv[2].split(","):
        assert record.keep(name, "wrong" if turn < 59 else "right")
        states = record.load()
        assert states.get(name) in ("right", "wrong"), states
"""


def test_two_notebooks_at_once_lose_nothing(kept):
    names = [NAMES[0:6], NAMES[5:11]]  # one of them in both
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, "x", ",".join(those)], cwd=ROOT)
        for those in names
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert engine.record.load() == dict.fromkeys(NAMES[:11], "right")
    assert len(list(kept.folder.iterdir())) == 11


def test_the_record_holds_one_word_and_is_ignored_by_git(notebook, kept, monkeypatch):
    notebook.kl(RIGHT_KL)
    files = list(kept.folder.iterdir())
    assert [file.read_text() for file in files] == ['{"state": "right"}']
    monkeypatch.delenv("GENAI_PROGRESS")
    assert engine.record.folder().relative_to(ROOT).as_posix() == "data/cache/progress"
    assert "data/cache/" in (ROOT / ".gitignore").read_text().splitlines()


def test_no_test_sees_a_students_record(notebook, tmp_path, monkeypatch, capsys):
    assert os.environ["GENAI_PROGRESS"] == "off"  # of conftest.py, for kernels too
    monkeypatch.setattr(engine.record.session, "CACHE", tmp_path)
    notebook.kl(RIGHT_KL)
    exercises.progress()
    assert capsys.readouterr().out.endswith("1 of 1 right in this session.\n")
    assert engine.record.forget() and not list(tmp_path.iterdir())


def test_every_exercise_belongs_to_the_lesson_that_asks_it():
    for lesson in run.lessons():
        day = run.day_of(lesson)
        label = f"{day}.{lesson.name[:2]}" if day else ""
        asked = re.findall(r'@exercise\(\\"([\w.]+)\\"\)', lesson.read_text(encoding="utf-8"))
        assert asked
        for name in asked:
            assert engine.record.LESSONS[name.split(".")[0]] == label, name


@pytest.mark.parametrize("name", NAMES)
def test_hints_one_at_a_time(capsys, name):
    hints = engine._registry[name].hints
    for number in [*range(len(hints)), 0]:
        exercises.hint(name)
        expected = f"Hint {number + 1} of {len(hints)}: {hints[number]}\n"
        assert capsys.readouterr().out == expected


@pytest.mark.parametrize("name", NAMES)
def test_solution_is_code_that_is_right(notebook, name):
    notebook.capsys.readouterr()
    exercises.solution(name)
    code = notebook.capsys.readouterr().out
    assert code.startswith("def ") and not code.endswith("\n\n")
    assert is_right(notebook.run(f'@exercise("{name}")\n{code}'))


def test_public_names():
    assert sorted(exercises.__all__) == ["exercise", "hint", "progress", "solution"]
    for name in exercises.__all__:
        assert isinstance(getattr(exercises, name), types.FunctionType)
    assert copy.copy(exercises.exercise).__doc__


def test_in_a_real_kernel():
    """Interrupts, exit() and tracebacks are the kernel's own there."""
    from jupyter_client.manager import start_new_kernel

    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "JUPYTER_PREFER_ENV_PATH": "1"}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    try:

        def run(source):
            heard = []
            reply = client.execute_interactive(
                source, timeout=30, allow_stdin=False,
                output_hook=lambda message: heard.append(message["content"].get("text", "")),
            )  # fmt: skip
            assert reply["content"]["status"] == "ok", reply
            return "".join(heard)

        run("from helpers.exercises import exercise, engine\nengine.TIME_LIMIT = 0.5\nbeta = 2")
        cell = '@exercise("start.brightness")\ndef brightness(images):\n    '
        assert "It was stopped after 0.5 seconds" in run(cell + "while True: pass")
        assert "in line 3 of the cell: return images + 'a'" in run(cell + "return images + 'a'")
        assert "leave out exit(), which ends the notebook" in run(cell + "exit()")
        assert "it reads `beta` from the notebook" in run(cell + "return images * beta")
        assert run(cell + "return images.mean((1, 2))").startswith("✓ start.brightness: right.")
        assert run("import time\ntime.sleep(0.5)\nprint('alive')") == "alive\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_addresses_and_machine_paths_do_not_show(notebook):
    """nbval compares stored outputs, so what is said must be the same on every machine."""
    for name, answers in ANSWERS.items():
        for body in ["...", *answers.wrong]:
            assert not re.search(r"0x[0-9a-f]{6}|/tmp/|/home/", notebook.answer(name, body)), body
