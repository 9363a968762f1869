"""Write all notebooks for a class: `python -m tools.export --student` or `--solutions [--execute]`.

The student's view has no outputs; in the solutions' view the reference stands in every exercise.
Each goes to a folder of its own in exports/, whole or not at all. A folder in which somebody has
worked since is left as it is.
"""

import argparse
import ast
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat

from tools import publish, run

ROOT = run.ROOT
EXPORTS = ROOT / "exports"  # ignored by git
LIST = ".exported.json"  # in an exported folder: the hash of each file, as it was written
UNSEEN = (".ipynb_checkpoints", ".DS_Store")  # left by programs that only looked
OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?:\.\./)+docs/[^)]*\)")  # nor is docs exported
BADGE = re.compile(r"^\[!\[Open in Colab\]\S*\n+", re.MULTILINE)


# ---------------------------------------------------------------- exercises


def exercises(source: str) -> dict[str, ast.FunctionDef]:
    """Name -> function of each exercise in a cell.

    Errors: ValueError, in one sentence, if a function holds more than its docstring and the dots.
    """
    if '@exercise("' not in source:
        return {}
    try:
        nodes = ast.parse(source).body
    except SyntaxError:
        raise ValueError("a cell with an exercise is no Python (git restore)") from None
    found = {}
    for node in nodes:
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "exercise":
                found[call.args[0].value] = node
    for name, function in found.items():
        *before, last = function.body
        is_open = isinstance(last, ast.Expr) and getattr(last.value, "value", None) is ...
        if not is_open or before[bool(ast.get_docstring(function)) :]:
            raise ValueError(f"{name} has an answer in it already: take it out (git restore)")
    return found


def body(code: str) -> list[str]:
    """The lines of a function below its header and its docstring."""
    [function] = ast.parse(code).body
    lines, first = code.splitlines(), function.body[0]
    if ast.get_docstring(function) is not None:
        return lines[first.end_lineno :]
    start = first.lineno - 1
    while lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return lines[start:]


def solved(source: str, code_of: Callable[[str], str]) -> str:
    """A cell with the body of the reference in place of the dots of every exercise."""
    lines = source.splitlines()
    for name, function in reversed(exercises(source).items()):
        dots, code = function.body[-1], body(code_of(name))
        if code[0].lstrip().startswith("def "):
            code.insert(0, "")  # below the docstring
        lines[dots.lineno - 1 : dots.end_lineno] = code
    return "\n".join(lines)


# ---------------------------------------------------------------- folders


def hashes(folder: Path) -> dict[str, str]:
    """The hash of each file below a folder, by its path; a link counts as a file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if set(UNSEEN) & set(name.parts) or name.as_posix() == LIST:
            continue
        if path.is_symlink():
            found[name.as_posix()] = "a link"
        elif path.is_file():
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def obstacle(folder: Path) -> str:
    """Why a folder may not be replaced, in one sentence; "" if it may, or is not there."""
    named = f"{folder.parent.name}/{folder.name}"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return f"{named} is not a folder: move it away, then run the same command again."
    there = hashes(folder) if folder.exists() else {}
    try:
        written = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        written = {}
    for name, value in there.items():
        if name not in written:
            return f"{named} holds {name}, which no export wrote: move the folder away, and again."
        if value != written[name]:
            return f"{named}/{name} was changed since its export: move the folder away, and again."
    return ""


def copy_the_rest(target: Path) -> None:
    """Copy what the notebooks link to: pictures and cheat sheets."""
    source = ROOT / "notebooks"
    for path in [*source.glob("images/*"), *source.glob("**/*.md")]:
        if path.is_file() and not set(UNSEEN) & set(path.parts):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


# ---------------------------------------------------------------- the command


def export(target: Path, solutions: bool, execute: bool) -> tuple[int, list[str]]:
    """Write the notebooks below `target`; return how many exercises they hold, and what failed.

    Errors: ValueError if a notebook of the course has an exercise that is answered already.
    """
    if solutions:
        from helpers.exercises.engine import code_of  # loads torch
    count, places, address = 0, [], publish.address()
    for lesson in run.lessons():
        notebook = nbformat.read(lesson, as_version=4)
        if not address:  # the badge leads to README.md, which is not exported
            notebook.cells[0].source = BADGE.sub("", notebook.cells[0].source)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = OUTSIDE.sub(r"\1", cell.source)
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            try:
                count += len(exercises(cell.source))
            except ValueError as error:
                raise ValueError(f"{run.label_of(lesson)}: {error}") from None
            cell.update(outputs=[], execution_count=None)
            if solutions:
                cell.source = solved(cell.source, code_of)
        place = target / f"{run.name_of(lesson)}.ipynb"
        run.write(place, nbformat.writes(notebook))
        places.append(place)
    failed = run_in_place(places) if execute else []
    copy_the_rest(target)
    run.write(target / LIST, run.as_json(hashes(target)))
    return count, failed


def run_in_place(places: list[Path]) -> list[str]:
    """Run notebooks, keep what they show, and return those that failed, in the course's order.

    Errors: KeyboardInterrupt when all that ran have ended.
    """
    errors = {}
    for place, _, notebook, result in run.execute_all(places, None, run.at_a_time()):
        run.write(place, nbformat.writes(notebook))
        errors[place] = result["error"]
        if result["error"] == "interrupted":
            continue
        done = f"failed: {result['error']}" if result["error"] else f"{result['seconds']} s"
        run.progress(f"{run.label_of(place)}: {done}", end="\n")
    if "interrupted" in errors.values():
        raise KeyboardInterrupt
    return [run.label_of(place) for place in places if errors[place]]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 (failed), 2 (wrong options) or 130."""
    parser = argparse.ArgumentParser(
        prog="export", allow_abbrev=False, description="Write all notebooks for a class."
    )
    parser.add_argument("--student", action="store_true", help="stubs, no outputs")
    parser.add_argument("--solutions", action="store_true", help="the reference in every exercise")
    parser.add_argument("--execute", action="store_true", help="run the solutions: half an hour")
    options, unknown = parser.parse_known_args(arguments)
    if unknown or options.student == options.solutions or (options.student and options.execute):
        word = f"{unknown[0]} is not known to export: say" if unknown else "Say"
        print(f"{word} --student or --solutions, the latter with --execute or not.",
              file=sys.stderr)  # fmt: skip
        return 2
    view = "student" if options.student else "solutions"
    folder = EXPORTS / view
    if problem := obstacle(folder):
        print(problem, file=sys.stderr)
        return 1
    try:
        EXPORTS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=EXPORTS) as work:
            count, failed = export(Path(work, view), options.solutions, options.execute)
            if problem := obstacle(folder):  # it took its time
                raise ValueError(problem)
            if folder.exists():
                folder.rename(Path(work, "before"))
            Path(work, view).rename(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"exports/{view} could not be written ({error.strerror}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Stopped: exports/{view} is as it was.", file=sys.stderr)
        return 130
    print(
        f"exports/{view}: {len(run.lessons())} notebooks with {count} exercises. Open them with "
        "python course.py lab, in that folder; elsewhere they need the course's own folder in "
        "PYTHONPATH."
    )
    if failed:
        print(f"Not run to the end: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
