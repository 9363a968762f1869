"""The engine behind `@exercise`: it runs an answer safely, compares it, and says what is wrong.

An exercise is defined once, by `define`, from a reference answer, inputs to try it on, and the
mistakes that people make. A mistake is a wrong answer together with what a teacher would say to
it: an answer that computes the same thing as a known mistake is told so.
"""

import _thread
import contextlib
import copy
import difflib
import dis
import importlib
import inspect
import math
import random
import re
import reprlib
import textwrap
import threading
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.exercises import record

DAYS = ("day1", "day2", "day3")  # modules of helpers.exercises, loaded at first use
TIME_LIMIT = 10.0  # seconds one call of a student's function may take
TOLERANCE = 1e-4  # relative, of numbers; the absolute one is a tenth of it
SEED = 2_718_281_828  # of every check; no student's seed, so that reseeding shows

RIGHT, WRONG, OPEN, UNSEEN = "✓", "✗", "○", " "


class Refused(Exception):
    """Raised by a check: the answer is wrong, and this text tells the student why."""


@dataclass
class Exercise:
    """One exercise; `define` makes it. The fields from `state` on change as it is worked.

    state      what the cell gave when it last ran; a stub is OPEN
    attempt    what the last answer of this session was, RIGHT or WRONG; a stub changes nothing
    """

    name: str
    reference: Callable
    minutes: int
    level: str
    hints: Sequence[str]
    cases: Callable[[], Iterable[tuple]]
    mistakes: Mapping[str, Callable]
    checks: Sequence[Callable[[Callable], None]]
    gradients: bool
    allowed_globals: frozenset[str]
    tolerance: float
    state: str = UNSEEN
    attempt: str = UNSEEN
    tries: int = 0
    hints_given: int = field(default=0, repr=False)


_registry: dict[str, Exercise] = {}
_unkept = False  # True once an answer could not be written to the record


def define(
    name: str,
    reference: Callable,
    *,
    minutes: int,
    level: str,
    hints: Sequence[str],
    cases: Callable[[], Iterable[tuple]] = tuple,
    mistakes: Mapping[str, Callable | tuple[str, str]] | None = None,
    checks: Sequence[Callable[[Callable], None]] = (),
    gradients: bool = False,
    allowed_globals: Iterable[str] = (),
    tolerance: float = TOLERANCE,
) -> None:
    """Add an exercise.

    name             "topic.verb", as the notebook writes it
    reference        a right answer; `solution` prints its source
    minutes, level   what a student should expect; level is "easy", "medium" or "hard"
    hints            general nudges, given one at a time by `hint`
    cases            returns argument tuples; on each, an answer must equal the reference
    mistakes         what to say -> the wrong answer that deserves it: a function, or a pair
                     (old, new), the reference with one edit; `old` stands there exactly once
    checks           functions of the answer for what cannot be compared (random results, say);
                     each calls the answer as often as it likes and raises `Refused(why)`
    gradients        True: gradients with respect to floating-point inputs are compared too
    allowed_globals  notebook variables that the answer may read (functions and modules always may)
    tolerance        how far numbers may be off, relative; absolute, a tenth of it

    Errors: ValueError if nothing is checked, the level is unknown, the name belongs to another
    reference, or an edit does not fit.
    """
    if cases is tuple and not checks:
        raise ValueError(f"exercise {name!r} checks nothing: give it cases or checks")
    if level not in ("easy", "medium", "hard"):
        raise ValueError(f"exercise {name!r}: level is easy, medium or hard, not {level!r}")
    if name in _registry and _home(_registry[name].reference) != _home(reference):
        there = ".".join(_home(_registry[name].reference))
        raise ValueError(f"exercise {name!r} is defined already, by {there}")
    wrong = {
        says: _edited(reference, *mistake) if isinstance(mistake, tuple) else mistake
        for says, mistake in (mistakes or {}).items()
    }
    _registry[name] = Exercise(
        name, reference, minutes, level, tuple(hints), cases, wrong, tuple(checks), gradients,
        frozenset(allowed_globals), tolerance,
    )  # fmt: skip


def _home(function: Callable) -> tuple[str, str]:
    """Module and name, which survive a reload of the module."""
    return function.__module__, function.__qualname__


def _edited(reference: Callable, old: str, new: str) -> Callable:
    source = textwrap.dedent(inspect.getsource(reference))
    if source.count(old) != 1:
        raise ValueError(
            f"{old!r} must stand once in {reference.__name__}, not {source.count(old)} times"
        )
    names: dict[str, Callable] = {}
    code = compile(source.replace(old, new), f"<{old} -> {new}>", "exec")
    exec(code, reference.__globals__, names)
    return names[reference.__name__]


# ---------------------------------------------------------------- what a notebook calls


def exercise(name: str) -> Callable[[Callable], Callable]:
    """Check the function below at once; keep it if it is right, else let the reference stand in.

    Never raises: whatever goes wrong is printed, and the notebook goes on.
    """
    if callable(name):  # @exercise without a name, straight above the function
        print(f'{WRONG} write @exercise("…") with the name of the exercise; nothing was checked.')
        return name

    def check(answer: Callable) -> Callable:
        found = _find(name)
        if found is None:
            return answer
        found.tries += 1
        problem = _first_problem(found, answer)
        if problem is None:
            _note(found, RIGHT)
            print(f"{RIGHT} {name}: right. From here on the lesson runs on your code.")
            return answer
        if problem == "":
            found.tries -= 1
            found.state = OPEN
            print(f"{OPEN} {name}: not attempted. The reference stands in, so you can read on.")
        else:
            _note(found, WRONG)
            print(f"{WRONG} {name}: {problem}")
            print("  The reference stands in. Change the cell and run it again.")
        minutes = "1 minute" if found.minutes == 1 else f"{found.minutes} minutes"
        print(f'  About {minutes}, {found.level}. Stuck? hint("{name}"), then solution("{name}")')
        return found.reference

    return check


def hint(name: str) -> None:
    """Print the next hint for an exercise; after the last, start again."""
    if (found := _find(name)) is not None:
        number = found.hints_given % len(found.hints)
        found.hints_given += 1
        print(f"Hint {number + 1} of {len(found.hints)}: {found.hints[number]}")


def solution(name: str) -> None:
    """Print an answer to an exercise, as code."""
    if _find(name) is not None:
        print(code_of(name))


def code_of(name: str) -> str:
    """The code that `solution` prints. Errors: KeyError if there is no such exercise."""
    _load()
    return textwrap.dedent(inspect.getsource(_registry[name].reference)).rstrip()


def progress(reset: bool = False) -> None:
    """Print what became of the exercises: in this session, and in all sessions together.

    reset: True forgets all that was kept; the cells of the notebooks stay as they are.
    """
    _load()
    if reset:
        _forget()
        return
    met = [e for e in _registry.values() if e.state != UNSEEN]
    earlier = record.load()
    if not met:
        print("No exercise has been run in this session yet.")
    for e in met:
        print(_line(e, earlier.get(e.name)))
    if met:
        right = sum(e.attempt == RIGHT for e in met)
        print(f"{right} of {len(met)} right in this session.")
    here = {e.name: _KEPT[e.attempt] for e in met if e.attempt != UNSEEN}
    if earlier:
        print("", *record.summary(earlier | here, set(here), list(_registry)), sep="\n")
    if _unkept:
        print("Answers are not kept for the next session: the record cannot be written.")


_KEPT = {RIGHT: record.RIGHT, WRONG: record.WRONG}


def _line(e: Exercise, earlier: str | None) -> str:
    """The state of an exercise in one line; `earlier` is what the record says, if anything."""
    words = {RIGHT: "right", WRONG: "not yet right", OPEN: "not attempted"}
    tries = f", {e.tries} {'try' if e.tries == 1 else 'tries'}" if e.tries else ""
    last = _KEPT.get(e.attempt, earlier)
    if e.state == OPEN and last == record.RIGHT:
        return f"{RIGHT} {e.name}: solved earlier, the cell now holds the stub{tries}"
    if e.state == OPEN and last == record.WRONG:
        return f"{WRONG} {e.name}: not right earlier, the cell now holds the stub{tries}"
    return f"{e.state} {e.name}: {words[e.state]}{tries}"


def _note(found: Exercise, state: str) -> None:
    """Remember the verdict on an answer, for this session and for later ones."""
    global _unkept
    found.state = found.attempt = state
    _unkept = not record.keep(found.name, _KEPT[state])


def _forget() -> None:
    global _unkept
    _unkept = False
    for e in _registry.values():
        e.state, e.attempt, e.tries, e.hints_given = UNSEEN, UNSEEN, 0, 0
    if record.forget():
        print("Forgotten: from here on no exercise counts as tried. The cells are as they were.")
    else:
        print("The record of earlier sessions cannot be deleted: remove its files by hand.")


# ---------------------------------------------------------------- finding


def _load() -> None:
    for day in DAYS:
        importlib.import_module(f"helpers.exercises.{day}")


def _find(name: str) -> Exercise | None:
    _load()
    found = _registry.get(name) if isinstance(name, str) else None
    if found is None:
        known = sorted(_registry)
        close = [k for k in known if k.split(".")[-1] == name]
        close = close or difflib.get_close_matches(str(name), known, n=1)
        topic = (close[0] if close else str(name)).split(".")[0]
        listed = [k for k in known if k.split(".")[0] == topic] or known
        meant = f" Did you mean {close[0]}?" if close else ""
        print(f"{WRONG} there is no exercise {_short(name)}.{meant} There are: {', '.join(listed)}")
    return found


# ---------------------------------------------------------------- judging


def _first_problem(found: Exercise, answer: Any) -> str | None:
    """None if the answer is right, "" if it is untouched, else what is wrong with it."""
    if not inspect.isfunction(answer):
        kind = "a class" if isinstance(answer, type) else f"of type {type(answer).__name__}"
        return f"@exercise belongs above a function (def …), and this is {kind}."
    if answer is found.reference or _is_stub(answer):
        return ""
    try:
        with _undisturbed(), _called_by_name(answer):
            _check_signature(found, answer)
            _check_globals(found, answer)
            cases = list(found.cases())
            for number in range(len(cases)):
                _check_case(found, answer, cases, number)
            for check in found.checks:
                check(Guarded(answer))
    except Refused as refused:
        return str(refused)
    except KeyboardInterrupt:
        return "the check was interrupted."
    except BaseException as error:  # our own fault: the student must not pay for it
        return f"the check itself failed ({_first_line(error)}); your code was not judged."
    return None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Gradients on and a known seed within; generators and gradient mode as before afterwards."""
    import numpy as np
    import torch

    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            torch.default_generator.manual_seed(SEED)  # torch.manual_seed would seed the GPU too
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002


@contextlib.contextmanager
def _called_by_name(answer: Callable) -> Iterator[None]:
    """Bind the answer to its own name, as the notebook will do once the cell is through.

    Without this, `def kl(…): return kl(…)` would call the reference that an earlier run of the
    cell left under that name, and be called right.
    """
    names, name = answer.__globals__, answer.__name__
    missing = object()
    before = names.get(name, missing)
    names[name] = answer
    try:
        yield
    finally:
        if before is missing:
            names.pop(name, None)
        else:
            names[name] = before


def _is_stub(function: Callable) -> bool:
    """True if nothing but a docstring, `...`, `pass` or `return None` stands in the body."""
    skip = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL"}
    code = [i for i in dis.get_instructions(function) if i.opname not in skip]
    loads_none = [i for i in code if i.opname in ("LOAD_CONST", "RETURN_CONST")]
    returns = {"LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    return all(i.opname in returns for i in code) and all(i.argval is None for i in loads_none)


def _check_signature(found: Exercise, answer: Callable) -> None:
    wanted = inspect.signature(found.reference).parameters
    got = inspect.signature(answer).parameters
    if list(got) != list(wanted):
        takes = ", ".join(str(parameter) for parameter in got.values())  # *args with its star
        raise Refused(
            f"the function takes ({takes}); the exercise asks for ({', '.join(wanted)}), "
            "in this order and under these names."
        )
    for name, parameter in wanted.items():
        if parameter.default is not parameter.empty and got[name].default is parameter.empty:
            raise Refused(
                f"`{name}` has lost its default: write {name}={parameter.default!r}, as the cell "
                "had it. Later cells call the function without it."
            )


def _check_globals(found: Exercise, answer: Callable) -> None:
    """Refuse an answer that reads or writes the notebook's variables: it must use its arguments."""
    for instruction in _instructions(answer.__code__):
        name = instruction.argval
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise Refused(
                f"it changes `{name}`, a variable of the notebook (`global {name}`). A function "
                "that remembers is hard to trust: return the result and keep nothing."
            )
        if instruction.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
            continue
        if name in ("exit", "quit"):  # in a notebook these end the kernel, exception or not
            raise Refused(
                f"leave out {name}(), which ends the notebook: a function ends with return."
            )
        if name in found.allowed_globals or name.startswith("__"):
            continue
        if name not in answer.__globals__:
            continue  # a builtin, or unknown: a NameError, explained when it happens
        value = answer.__globals__[name]
        if value is getattr(math, name, answer):  # from math import pi
            continue
        if value is found.reference:
            raise Refused(f"it calls `{name}`, which is the reference. Write the formula yourself.")
        is_model = hasattr(value, "parameters")
        if not isinstance(value, types.ModuleType) and (not callable(value) or is_model):
            arguments = ", ".join(inspect.signature(answer).parameters)
            raise Refused(
                f"it reads `{name}` from the notebook. That works today and breaks when the cell "
                f"above changes: use only the arguments ({arguments})."
            )


def _instructions(code: types.CodeType) -> Iterable[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def _check_case(found: Exercise, answer: Callable, cases: list[tuple], number: int) -> None:
    arguments = cases[number]
    where = f"check {number + 1} of {len(cases)}{_describe_arguments(found, arguments)}"
    wanted = found.reference(*_copies(arguments))
    guarded = Guarded(answer, f"{where}\n  ", may_return_none=wanted is None)
    got = guarded(*arguments)
    difference = _difference(wanted, got, found.tolerance)
    if difference is not None:
        raise Refused(f"{where}\n{difference}{_diagnosis(found, guarded, got, cases[number:])}")
    if _difference(got, guarded(*arguments), found.tolerance) is not None:
        raise Refused(
            f"{where}\n  Called twice with the same input it gave two different results: something "
            "is remembered between calls, or drawn at random."
        )
    if found.gradients:
        _check_gradients(found, guarded, arguments, where)


def _check_gradients(found: Exercise, guarded: "Guarded", arguments: tuple, where: str) -> None:
    names = list(inspect.signature(found.reference).parameters)
    wanted = _gradients(found.reference, arguments)
    got = _gradients(guarded, arguments)
    for name, want, have in zip(names, wanted, got, strict=True):
        if have is None and (want is None or not want.any()):
            continue  # no gradient is as good as zeros
        if have is None:
            raise Refused(
                f"{where}\n  The values are right, but no gradient reaches `{name}`, so nothing "
                "can be learned. Look for detach(), item(), numpy(), torch.tensor(…) or no_grad()."
            )
        if want is not None and (difference := _difference(want, have, found.tolerance)):
            raise Refused(
                f"{where}\n  The values are right, but the gradient of the sum with respect to "
                f"`{name}` is not:\n{difference}"
            )


def _gradients(function: Callable, arguments: tuple) -> list:
    import torch

    fresh = [
        a.clone().requires_grad_() if torch.is_tensor(a) and a.is_floating_point() else a
        for a in arguments
    ]
    inputs = [a for a in fresh if torch.is_tensor(a) and a.requires_grad]
    found = iter(gradients(function(*fresh), inputs))
    return [next(found) if any(a is i for i in inputs) else None for a in fresh]


def gradients(output: Any, inputs: Sequence) -> list:
    """The gradient of the sum of `output` for each of `inputs`, None where none arrives.

    Of a list, a tuple or a dict, all floating-point tensors in it are summed. Raises `Refused` if
    autograd cannot compute the gradients.
    """
    import torch

    parts = [tensor for tensor in _tensors(output) if tensor.requires_grad]
    if not parts:
        return [None] * len(inputs)
    try:
        total = sum(tensor.sum() for tensor in parts)
        return list(torch.autograd.grad(total, inputs, allow_unused=True))
    except RuntimeError as error:
        raise Refused(
            f"The values are right, but there is no gradient. {_explain(error)}"
        ) from None


def _tensors(value: Any) -> Iterator:
    """The floating-point tensors in a result."""
    import torch

    if torch.is_tensor(value):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)


class Guarded:
    """A student's function, called on copies of the input, with whatever it does wrong explained.

    Raises `Refused` for an exception, endless recursion or an endless loop inside the function,
    for a forgotten `return`, and for an input changed in place.
    """

    def __init__(self, function: Callable, prefix: str = "", may_return_none: bool = False) -> None:
        self.function = function
        self.prefix = prefix
        self.may_return_none = may_return_none

    def __call__(self, *arguments: Any) -> Any:
        import torch

        given, seed = _copies(arguments), torch.initial_seed()
        result = self._run(given)
        for name, before, after in zip(
            inspect.signature(self.function).parameters, arguments, given, strict=False
        ):
            if _comparable(before) and _difference(before, after, 0) is not None:
                look, instead = _advice_against_changing(name, before)
                raise Refused(
                    f"{self.prefix}It changes its input `{name}` in place ({look}). Whoever "
                    f"passed `{name}` still needs it: {instead}."
                )
        if torch.initial_seed() != seed:
            raise Refused(
                f"{self.prefix}It seeds the random generator. Every draw after it, anywhere in the "
                "notebook, would repeat: leave out manual_seed."
            )
        if result is None and not self.may_return_none:
            raise Refused(f"{self.prefix}It returns nothing. Is `return` missing?")
        if result is ...:
            raise Refused(f"{self.prefix}It returns `...`: replace the dots by your code.")
        return result

    def _run(self, arguments: tuple) -> Any:
        import torch

        running, late, woken = True, threading.Event(), threading.Event()

        def watch() -> None:  # more than once: `except:` in a loop swallows an interrupt
            while not woken.wait(0.1 if late.is_set() else TIME_LIMIT) and running:
                late.set()
                _thread.interrupt_main()

        threading.Thread(target=watch, daemon=True).start()
        try:
            try:
                with torch.enable_grad():
                    result = self.function(*arguments)
            finally:
                running = False
                woken.set()
            if late.is_set():
                raise KeyboardInterrupt
            return result
        except RecursionError:
            raise Refused(
                f"{self.prefix}It calls itself without end. Does it use its own name where it "
                "means a function of torch, or does the recursion lack its last case?"
            ) from None
        except KeyboardInterrupt:
            if not late.is_set():
                raise Refused(f"{self.prefix}You stopped it before it was done.") from None
            raise Refused(
                f"{self.prefix}It was stopped after {TIME_LIMIT:g} seconds. Does a loop in it "
                "ever end?"
            ) from None
        except BaseException as error:
            filename = self.function.__code__.co_filename
            raise Refused(f"{self.prefix}{_explain(error, filename)}") from None


ADVICE = {  # a pattern in an exception's text -> what a teacher would say; the first one counts
    "ellipsis": "An `...` still stands where your code should be.",
    "must match the size": "Print both shapes, and compare their sizes from the last one back.",
    "Incompatible shapes of A and B": "Print both shapes: to solve A X = B, B has one column for "
    "each right-hand side.",
    "shapes cannot be multiplied": "Print both shapes: the inner two sizes must be equal.",
    "converted to": "`math`, float() and item() take one number; torch has the same functions for "
    "whole tensors.",
    "value of Tensor with more than one value": "`if`, `and`, max() and min() need one number; for "
    "a whole tensor there are torch.where, torch.maximum and tensor.clamp. To test for a missing "
    "argument: if mask is not None.",
    r"numpy\(\) on Tensor that requires grad": "Stay with torch: no gradient goes through numpy.",
    "in-?place operation": "Do not change a tensor that a gradient goes through: compute a new "
    "one.",
    "builtin_function_or_method|'method'": "A method lacks its parentheses, as in .sum(dim=1).",
    r"bitwise_xor|for \^:": "Powers are written ** in Python.",
    r"logsumexp\(\) missing": "Name the dimension to sum over, as in dim=0.",
    r"(must be Tensor, not|invalid combination .* got \((Tensor, )?) ?(float|int)\b": "One "
    "argument is a plain number where torch wants a tensor: tensor.clamp(min=…) takes numbers, "
    "math.log takes one number.",
    "(same|expected) device": "Make new tensors on the device of the inputs: torch.randn_like(mu), "
    "say.",
    "Expected parameter scale|elements of std >=": "A standard deviation must be positive. log_var "
    "is the logarithm of its square: exp(log_var / 2).",
}


def _explain(error: BaseException, filename: str = "") -> str:
    """One line for the exception, one for the place in the student's cell, one of advice."""
    said = _first_line(error)
    lines = [f"It stopped with {said}"]
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    if own and own[-1].line:
        lines.append(f"  in line {own[-1].lineno} of the cell: {_cut(own[-1].line)}")
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        lines.append("  This name is not known here: a typing error, or an import not yet run?")
    elif isinstance(error, SystemExit):
        lines.append("  Leave out sys.exit(): a function ends with `return`.")
    else:
        lines += [f"  {advice}" for text, advice in ADVICE.items() if re.search(text, said)][:1]
    return "\n".join(lines)


def _first_line(error: BaseException) -> str:
    try:
        text = str(error).strip().split("\n")[0]
    except BaseException:  # an exception of the student's own, with a broken __str__
        text = ""
    return _cut(f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}.", 200)


def _diagnosis(found: Exercise, answer: Callable, got: Any, cases: list[tuple]) -> str:
    """What a teacher would say, if the answer computes what a mistake that we know computes.

    `got` is what it returned on the first of the cases; the others decide between mistakes that
    are the same there.
    """
    fitting = [m for m in found.mistakes.items() if _computes(m[1], cases[0], got, found.tolerance)]
    for arguments in cases[1:]:
        if len(fitting) < 2:
            break
        try:
            got = answer(*arguments)
        except Refused:
            break
        rest = [m for m in fitting if _computes(m[1], arguments, got, found.tolerance)]
        fitting = rest or fitting
    return f"\n  {fitting[0][0]}" if fitting else ""


def _computes(mistake: Callable, arguments: tuple, value: Any, tolerance: float) -> bool:
    try:
        return _difference(mistake(*_copies(arguments)), value, tolerance) is None
    except Exception:  # a mistake need not work on every input
        return False


# ---------------------------------------------------------------- comparing and describing


def _copies(arguments: tuple) -> tuple:
    """Copies of what can be copied; functions, generators and the like are passed on."""
    memo: dict = {}  # of all arguments: an optimizer's copy belongs to the copy of its model
    return tuple(_copy(argument, memo) for argument in arguments)


def _copy(value: Any, memo: dict) -> Any:
    import torch

    if torch.is_tensor(value):
        return value.clone()
    if isinstance(value, torch.Generator):
        new = torch.Generator(value.device)
        new.set_state(value.get_state())
        return new
    if callable(value) and not isinstance(value, torch.nn.Module):
        return value
    try:
        return copy.deepcopy(value, memo)
    except Exception:
        return value


def _comparable(value: Any) -> bool:
    """True if a change of this input would show: numbers, texts, tensors, containers of these."""
    import numpy as np
    import torch

    if isinstance(value, Mapping):
        return all(_comparable(part) for part in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_comparable(part) for part in value)
    plain = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)
    return isinstance(value, plain) or torch.is_tensor(value)


def _advice_against_changing(name: str, value: Any) -> tuple[str, str]:
    import numpy as np

    if isinstance(value, list):
        return "look for append, pop, x[i] = …", f"work on a copy, list({name})"
    if isinstance(value, Mapping):
        return "look for x[key] = …, +=, pop, update", "build a new dict"
    kind = "array" if isinstance(value, np.ndarray) else "tensor"
    return "look for +=, *=, or a method that ends in _", f"compute a new {kind}"


def _difference(wanted: Any, got: Any, tolerance: float = TOLERANCE) -> str | None:
    """None if `got` equals `wanted` (to rounding), else two or three lines that tell them apart."""
    import numpy as np
    import torch

    if torch.is_tensor(wanted) or isinstance(wanted, np.ndarray):
        return _tensor_difference(wanted, got, tolerance)
    if isinstance(wanted, Mapping):
        return _mapping_difference(wanted, got, tolerance)
    if isinstance(wanted, list | tuple):
        return _sequence_difference(wanted, got, tolerance)
    one = torch.is_tensor(got) or isinstance(got, np.ndarray | np.generic)
    if one and got.ndim == 0 and isinstance(wanted, int | float | np.generic):
        got = got.item()
    if isinstance(wanted, np.generic):
        wanted = wanted.item()
    if isinstance(wanted, float) and isinstance(got, int | float):
        near = abs(wanted - got) <= tolerance / 10 + tolerance * abs(wanted) < math.inf
        same = near or wanted == got or (math.isnan(wanted) and math.isnan(got))
        if not same and type(wanted) is type(got):
            return _expected_got(*_apart(wanted, got, 6))
    else:
        same = wanted is got or _equal(wanted, got)
    return None if same else _expected_got(_short(wanted), _short(got) + _kind(wanted, got))


def _kind(wanted: Any, got: Any) -> str:
    return "" if type(got) is type(wanted) else f", of type {type(got).__name__}"


def _expected_got(wanted: str, got: str) -> str:
    return f"  expected  {wanted}\n  got       {got}"


def _tensor_difference(wanted: Any, got: Any, tolerance: float) -> str | None:
    import numpy as np
    import torch

    if (difference := different_kind(wanted, got)) is not None:
        return difference
    near = dict(rtol=tolerance, atol=tolerance / 10, equal_nan=True)
    if torch.is_tensor(wanted):
        far = (~torch.isclose(got, wanted, **near)).cpu().numpy()
    elif wanted.dtype.kind in "biufc":
        far = ~np.isclose(got, wanted, **near)
    else:
        far = np.asarray(wanted != got)
    if not far.any():
        return None
    index = tuple(np.argwhere(far)[0].tolist())
    want, have = _apart(wanted[index], got[index], 5)
    place = f" at [{', '.join(map(str, index))}]" if index else ""
    return _expected_got(want + place, have)


def different_kind(wanted: Any, got: Any) -> str | None:
    """None if `got` is a tensor (an array) of the type and shape of `wanted`, else two lines."""
    import numpy as np
    import torch

    kind, name = (torch.Tensor, "a tensor") if torch.is_tensor(wanted) else (np.ndarray, "an array")
    expected = _describe(wanted)
    if not isinstance(got, kind):
        text = f"{_short(got)}, of type {type(got).__name__} and not {name}"
    else:
        text = _describe(got)
    return None if text == expected else _expected_got(expected, text)


def _mapping_difference(wanted: Mapping, got: Any, tolerance: float) -> str | None:
    if not isinstance(got, Mapping) or set(wanted) != set(got):
        text = _keys(got) if isinstance(got, Mapping) else _short(got)
        return _expected_got(_keys(wanted), text + _kind(wanted, got))
    for key, want in wanted.items():
        if (difference := _difference(want, got[key], tolerance)) is not None:
            return f"  entry {_short(key)}:\n{difference}"
    return None


def _keys(mapping: Mapping) -> str:
    return f"a {type(mapping).__name__} with the keys {_short(list(mapping))}"


def _sequence_difference(wanted: Sequence, got: Any, tolerance: float) -> str | None:
    if not isinstance(got, list | tuple):
        return _expected_got(_entries(wanted), f"{_short(got)}, of type {type(got).__name__}")
    if len(got) != len(wanted):
        return _expected_got(_entries(wanted), _entries(got))
    for number, (want, have) in enumerate(zip(wanted, got, strict=True), 1):
        if (difference := _difference(want, have, tolerance)) is not None:
            return f"  value {number} of {len(wanted)}:\n{difference}"
    return None


def _entries(values: Sequence) -> str:
    """How many values there are in a sequence, and which, if they are few."""
    which = f": {', '.join(map(_short, values))}" if 0 < len(values) <= 12 else ""
    return _cut(f"a {type(values).__name__} of {len(values)}{which}", 200)


def _equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:
        return False


def _describe(tensor: Any) -> str:
    import torch

    words = [str(tensor.dtype).removeprefix("torch."), "shape", _shape(tensor.shape)]
    if torch.is_tensor(tensor):
        if tensor.layout is not torch.strided:
            words.insert(0, str(tensor.layout).removeprefix("torch."))
        if tensor.device.type != "cpu":
            words.append(f"on {tensor.device.type}")
    return " ".join(words)


def _describe_arguments(found: Exercise, arguments: tuple) -> str:
    names = inspect.signature(found.reference).parameters
    described = ", ".join(
        f"{name} of shape {_shape(value.shape)}"
        if hasattr(value, "shape")
        else f"{name} = {_short(value)}"
        for name, value in zip(names, arguments, strict=False)
    )
    return described and f", with {described}"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _apart(wanted: Any, got: Any, digits: int) -> list[str]:
    """Two numbers as text, with as many digits as tell them apart."""
    values = [value.item() if hasattr(value, "item") else value for value in (wanted, got)]
    while True:
        texts = [f"{v:.{digits}g}" if isinstance(v, float) else _short(v) for v in values]
        if texts[0] != texts[1] or digits > 17:
            return texts
        digits += 3


_REPR = reprlib.Repr()  # looks at the first few entries only
_REPR.maxstring = _REPR.maxother = 100


def _short(value: Any) -> str:
    """A value in at most 60 characters."""
    import numpy as np
    import torch

    try:
        if torch.is_tensor(value):
            return f"a tensor, {_describe(value)}"
        if isinstance(value, np.ndarray):
            return f"an array, {_describe(value)}"
        if isinstance(value, types.FunctionType):  # its repr holds an address
            return f"the function {value.__name__.lstrip('_')}"
        text = f"{value:.6g}" if isinstance(value, float) else _REPR.repr(value)
    except BaseException:  # an object of the student's own, with a broken __repr__ or __len__
        text = "an object that cannot be printed"
    return _cut(" ".join(text.split()))


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
