"""Take definitions out of a lesson, to run them elsewhere: tests and benchmarks do.

What they run is the notebook's own code and no copy of it: the statements that define some names,
and all that these need, in the lesson's order.
"""

import ast
import contextlib
import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def place(day: int, lesson: int) -> Path:
    """The notebook of a lesson: place(2, 8) is Day 2, lesson 08."""
    [path] = ROOT.glob(f"notebooks/day{day}_*/{lesson:02}_*.ipynb")
    return path


def statements(path: Path) -> list[ast.stmt]:
    """Every top-level statement of a notebook's code, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    transform = TransformerManager().transform_cell
    return [node for source in sources for node in ast.parse(transform(source)).body]


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement binds at the top level."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    stored = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {part.id for part in stored if isinstance(part.ctx, ast.Store)}


def used(node: ast.stmt) -> set[str]:
    """The names that a statement reads from outside of itself."""
    parts = list(ast.walk(node))
    read = {
        part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }
    added = (part.target for part in parts if isinstance(part, ast.AugAssign))  # reads it, too
    read |= {target.id for target in added if isinstance(target, ast.Name)}
    inner = {part.arg for part in parts if isinstance(part, ast.arg)}
    functions = [part for part in parts if isinstance(part, ast.FunctionDef)]
    nested = (part for function in functions for part in ast.walk(function) if part is not function)
    inner |= {part.name for part in nested if isinstance(part, DEFINITIONS)}
    scopes = parts if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    for part in [*scopes, *(part.target for part in parts if isinstance(part, ast.comprehension))]:
        stored = (name for name in ast.walk(part) if isinstance(name, ast.Name))
        inner |= {name.id for name in stored if isinstance(name.ctx, ast.Store)}
    return read - inner


def needed_by(nodes: list[ast.stmt], target: int) -> set[int]:
    """The numbers of a statement and of all that define what it uses."""
    needed, open_ends = {target}, [target]
    while open_ends:
        number = open_ends.pop()
        for name in used(nodes[number]):
            before = [n for n in range(number) if name in defined(nodes[n])]
            if isinstance(nodes[number], DEFINITIONS):  # runs later, sees what comes later
                before = before or [n for n in range(len(nodes)) if name in defined(nodes[n])]
            for found in before[-1:]:
                if found not in needed:
                    needed.add(found)
                    open_ends.append(found)
    return needed


def taken_out(path: Path, *names: str, instead: dict[str, str] | None = None) -> str:
    """The statements of a lesson that define these names, with all that they need.

    instead: name -> the code that defines it in place of the lesson's own.
    Errors: KeyError for a name that the lesson does not define.
    """
    nodes = statements(path)
    for name, code in (instead or {}).items():
        for number, node in enumerate(nodes):
            if defined(node) == {name}:
                nodes[number] = ast.parse(f"{name} = {code}").body[0]
    needed: set[int] = set()
    for name in names:
        numbers = [n for n, node in enumerate(nodes) if name in defined(node)]
        if not numbers:
            raise KeyError(f"{path.name} does not define {name}")
        needed |= needed_by(nodes, numbers[-1])
    return "\n".join(ast.unparse(nodes[number]) for number in sorted(needed))


def run(path: Path, *names: str, instead: dict[str, str] | None = None) -> SimpleNamespace:
    """What `taken_out` returns, run in silence. Its names are the attributes of the result, and to
    set one changes what the lesson's functions see."""
    found = SimpleNamespace()
    code = compile(taken_out(path, *names, instead=instead), path.name, "exec")
    with contextlib.redirect_stdout(StringIO()):
        exec(code, vars(found))
    return found
