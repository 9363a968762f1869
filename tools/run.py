"""Run lessons without a browser: `python -m tools.run [LESSON ...] [--seed N] [--record]`.

Each lesson runs in a fresh kernel of this Python, in its own folder; in the quick profile it uses
one core, so two run side by side where there are two. Executed copies and a table of times, memory
and claims go to build/. With --record, what a lesson shows and measures becomes
what the repository holds: its outputs, its line in data/results.json and its pictures.
"""

import argparse
import base64
import io
import json
import logging
import multiprocessing
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from datetime import date
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Runs in the kernel after the last cell. Linux hands a parent's ru_maxrss down to its children, so
# there the kernel's own high-water mark is read; on macOS ru_maxrss counts bytes.
REPORT = """
import json, platform, sys
if sys.platform == "linux":
    peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 2**10
elif sys.platform == "win32":
    import psutil
    peak = psutil.Process().memory_info().peak_wset / 2**20
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
torch, session = sys.modules.get("torch"), sys.modules.get("helpers.session")
print(json.dumps({
    "peak_memory_mb": round(peak),
    "python": platform.python_version(),
    "torch": torch and str(torch.__version__),
    "profile": session and session.profile(),
}))
"""


# ---------------------------------------------------------------- which lessons


def lessons() -> list[Path]:
    """All lessons in the order of the course."""
    found = (ROOT / "notebooks").glob("**/[0-9][0-9]_*.ipynb")
    return sorted(p for p in found if ".ipynb_checkpoints" not in p.parts)


def name_of(lesson: Path) -> str:
    """Folder and name, as in day1_foundations_vae/06_variational_autoencoders."""
    return lesson.relative_to(ROOT / "notebooks").with_suffix("").as_posix()


def day_of(lesson: Path) -> str | None:
    """The day's number, "1" in day1_foundations_vae; None for a notebook outside the days."""
    match = re.match(r"day(\d+)", lesson.parent.name)
    return match and match[1]


def label_of(lesson: Path) -> str:
    """Number and name, as in 1.06 variational_autoencoders."""
    number, _, title = lesson.stem.partition("_")
    return f"{day_of(lesson)}.{number} {title}" if day_of(lesson) else f"{number} {title}"


def find(wanted: str) -> list[Path]:
    """The lessons that a word on the command line means.

    wanted: a path, a number (06, or 1.06 for day 1), a day (day1), or part of a name.
    Errors: LookupError, in one sentence, if it means no lesson or could mean several.
    """
    known = lessons()
    paths = {Path(base, wanted).resolve() for base in (Path.cwd(), ROOT)}
    by_number = re.fullmatch(r"(?:(\d+)\.)?0*(\d+)", wanted)
    if found := [p for p in known if p.resolve() in paths]:
        pass
    elif by_number:
        day, number = by_number.groups()
        found = [p for p in known if int(p.name[:2]) == int(number) and day in (None, day_of(p))]
    elif re.fullmatch(r"day\d+", wanted):
        if found := [p for p in known if f"day{day_of(p)}" == wanted]:
            return found
    else:
        exact = [p for p in known if wanted in (name_of(p), p.stem, p.stem[3:])]
        found = exact or [p for p in known if wanted.lower() in name_of(p).lower()]
    if len(found) == 1:
        return found
    if found:
        raise LookupError(f"{wanted!r} could mean {' or '.join(map(label_of, found))}: say which.")
    choice = ", ".join(map(label_of, known)) or "none yet"
    raise LookupError(f"There is no lesson {wanted!r}; the lessons are: {choice}.")


# ---------------------------------------------------------------- running one lesson


class ThisPython(KernelSpecManager):
    """Knows one kernel, that of the running interpreter, whatever the user has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of the running interpreter's kernel for any name."""
        spec = ipykernel.kernelspec.get_kernel_dict()
        return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, **spec)


class Client(NotebookClient):
    """Notes when the first picture appeared."""

    first_picture: float | None = None  # time.perf_counter()

    def process_message(self, msg: dict, *args: Any) -> Any:
        """Handle one message of the kernel."""
        is_output = msg["msg_type"] in ("display_data", "execute_result")
        kinds = msg["content"]["data"] if is_output else ()
        if self.first_picture is None and any(kind.startswith("image/") for kind in kinds):
            self.first_picture = time.perf_counter()
        return super().process_message(msg, *args)


def execute(lesson: Path, seed: int | None) -> tuple[nbformat.NotebookNode, dict]:
    """Run a lesson; return the executed notebook, cleaned, and what was measured.

    An error in the lesson ends it and is part of the results; so is Ctrl-C, as "interrupted".
    """
    notebook = nbformat.read(lesson, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    client = Client(notebook, km=manager, coalesce_streams=True, startup_timeout=180)
    result = dict.fromkeys(("seconds", "first_picture_s", "peak_memory_mb", "profile"))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        claims = Path(folder) / "claims.jsonl"
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "GENAI_CLAIMS": str(claims), "PYTHONPATH": path}
        environment["GENAI_PROGRESS"] = "off"  # what is stored must not depend on who ran it
        if seed is not None:
            environment["GENAI_SEED"] = str(seed)
        place = {"cwd": str(lesson.parent), "env": environment, "stderr": subprocess.DEVNULL}
        try:
            with client.setup_kernel(cleanup_kc=True, **place):
                error = _run_cells(client, label_of(lesson))
                result["seconds"] = round(time.perf_counter() - began, 1)
                result |= _report(client)
        except KeyboardInterrupt:
            error = "interrupted"
            # The task that watched the kernel finds it dead; nobody is left to hear of that.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        except RuntimeError as reason:
            error = f"the kernel failed: {reason}"
        rows = claims.read_text(encoding="utf-8").splitlines() if claims.exists() else []
    result["seconds"] = result["seconds"] or round(time.perf_counter() - began, 1)
    if client.first_picture:
        result["first_picture_s"] = round(client.first_picture - began, 1)
    result |= {"ok": error is None, "error": error, "seed": seed, "date": f"{date.today()}"}
    result["claims"] = [json.loads(row) for row in rows]
    result["machine"] = {
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }
    clean(notebook)
    return notebook, result


def at_a_time() -> int:
    """How many lessons run side by side: 2, but 1 on one core and in the full profile."""
    return 1 + ((os.cpu_count() or 1) > 1 and os.environ.get("GENAI_PROFILE") != "full")


def execute_all(
    chosen: list[Path], seed: int | None, jobs: int
) -> Iterator[tuple[Path, bytes, nbformat.NotebookNode, dict]]:
    """Run lessons, some at a time; yield each as it ends, with its file as it was before.

    Ctrl-C ends those that run, and no other is begun.
    """
    if jobs == 1 or len(chosen) == 1:
        for lesson in chosen:
            before = lesson.read_bytes()
            notebook, result = execute(lesson, seed)
            yield lesson, before, notebook, result
            if result["error"] == "interrupted":
                return
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_stand_apart) as pool:
        waiting, running = list(reversed(chosen)), {}
        while waiting or running:
            try:
                while waiting and len(running) < jobs:
                    lesson = waiting.pop()
                    future = pool.submit(_execute_in_worker, lesson, seed)
                    running[future] = lesson, lesson.read_bytes()
                ended = wait(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                waiting, ended = [], set()
                for worker in multiprocessing.active_children():
                    if os.name == "posix":  # on a terminal of Windows they have heard of it already
                        os.kill(worker.pid, signal.SIGINT)
            for future in ended:
                yield *running.pop(future), *future.result()


def _stand_apart() -> None:
    """Hear Ctrl-C from the command, and not a second time from the terminal."""
    if os.name == "posix":
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _execute_in_worker(lesson: Path, seed: int | None) -> tuple[nbformat.NotebookNode, dict]:
    """Run a lesson; Ctrl-C reaches it, but no worker that waits for one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return execute(lesson, seed)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_cells(client: Client, label: str) -> str | None:
    """Run the code cells up to the first error, and say where and what that is."""
    cells = client.nb.cells
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        progress(f"{label}: cell {index + 1} of {len(cells)}")
        try:
            client.execute_cell(cell, index, client.code_cells_executed + 1)
        except CellExecutionError as error:
            message = f"{error.ename}: {error.evalue}".splitlines()[0]
            return f"{_describe(cell)}: {message}"
        except DeadKernelError:
            return f"{_describe(cell)}: the kernel died; too little memory is the usual reason"
    return None


def _describe(cell: nbformat.NotebookNode) -> str:
    """Number and first line of a cell, to find it by."""
    return f"cell [{cell.execution_count or ' '}] ({cell.source.strip().splitlines()[0][:50]})"


def _report(client: Client) -> dict:
    """Ask the kernel for its peak memory, versions and profile; nothing if it cannot answer."""
    client.nb.cells.append(nbformat.v4.new_code_cell(REPORT))
    try:
        cell = client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
        return json.loads(cell.outputs[-1].text)
    except (CellExecutionError, DeadKernelError):
        return {}
    finally:
        client.nb.cells.pop()


def clean(notebook: nbformat.NotebookNode) -> None:
    """Remove what lives no longer than its kernel: widget views and state, times, versions."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.update(METADATA)
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(WIDGET_VIEW, None)
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("data") != {}]


def smaller(png: str) -> str:
    """The same picture (PNG, base64) in 256 colors: for figures a third of the size.

    Each commit keeps its pictures for ever, and a notebook must stay under 1 MB. The 256 are
    refined by k-means: a median cut alone turns the rare bright colors of a figure into others.
    Animations stay as they are.
    """
    from PIL import Image

    file = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        if getattr(picture, "is_animated", False):
            return png
        picture.convert("RGB").quantize(256, kmeans=5).save(file, "png", optimize=True)
    found = base64.b64encode(file.getvalue()).decode("ascii")
    return min(found, png, key=len)


# ---------------------------------------------------------------- what is written


def record(lesson: Path, before: bytes, notebook: nbformat.NotebookNode, result: dict) -> str:
    """Make this run the one that the repository holds, or return why it may not be.

    before: the lesson's file as it was when the run began.
    """
    if result["profile"] == "full":
        return "set GENAI_PROFILE=quick, the profile that is recorded"
    if lesson.read_bytes() != before:
        return "the notebook was edited while it ran"
    found = pictures(notebook)
    if missing := [name for name, png in found.items() if png is None]:
        return f"the cell with the tag picture:{missing[0]} shows no picture"
    for name, png in found.items():
        (ROOT / "notebooks" / "images").mkdir(exist_ok=True)
        (ROOT / "notebooks" / "images" / f"{name}.png").write_bytes(png)
    table = ROOT / "data" / "results.json"
    recorded = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    write(table, as_json({**recorded, name_of(lesson): result}))
    write(lesson, nbformat.writes(notebook))
    return ""


def pictures(notebook: nbformat.NotebookNode) -> dict[str, bytes | None]:
    """The last PNG of each cell with a tag `picture:NAME`; None if it shows none."""
    found = {}
    for cell in notebook.cells:
        bundles = [output.get("data", {}) for output in cell.get("outputs", [])]
        shown = [bundle["image/png"] for bundle in bundles if "image/png" in bundle]
        for tag in cell.metadata.get("tags", []):
            if match := re.fullmatch(r"picture:([\w-]+)", tag):
                found[match[1]] = base64.b64decode(shown[-1]) if shown else None
    return found


def as_json(value: dict) -> str:
    """Text that changes only where the values do."""
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two commands may run at once
    try:
        partial.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def held(claims: list[dict]) -> str:
    """How many claims held, as in 9 of 9; in the full profile they are measured, not judged."""
    judged = [c for c in claims if c["held"] is not None]
    if claims and not judged:
        return f"{len(claims)} not judged"
    return f"{sum(c['held'] for c in judged)} of {len(judged)}" if judged else "–"


def as_table(results: dict[str, dict]) -> str:
    """The results as a Markdown table, followed by what failed."""
    rows = [["lesson", "seconds", "peak memory (MB)", "claims held"], ["---", "--:", "--:", "--:"]]
    for name, r in sorted(results.items()):  # by their names: the order of the course
        rows.append([name, r["seconds"], r["peak_memory_mb"] or "–", held(r["claims"])])
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    failed = [f"- {name}: {r['error']}" for name, r in sorted(results.items()) if r["error"]]
    return "\n".join([*lines, "", "Failed:", "", *failed] if failed else lines)


# ---------------------------------------------------------------- the command


def progress(text: str, end: str = "") -> None:
    """Show where the run is: on a terminal in one line, elsewhere only what ends a lesson."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r" + (text if end else text[:width]).ljust(width), end=end, flush=True)
    elif end:
        print(text, end=end, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 (failed), 2 (no such lesson) or 130."""
    parser = argparse.ArgumentParser(prog="run", description="Run lessons without a browser.")
    parser.add_argument("lesson", nargs="*", help="path, number (06 or 1.06), day1, part of a name")
    seed = os.environ.get("GENAI_SEED") or None
    parser.add_argument("--seed", type=int, default=seed, help="instead of each lesson's own")
    parser.add_argument("--record", action="store_true", help="keep outputs, results, pictures")
    parser.add_argument("--jobs", type=int, default=at_a_time(), help="lessons at a time (1 or 2)")
    options = parser.parse_args(arguments)
    if options.record and options.seed is not None:
        parser.error("--record keeps the run with the lessons' own seeds: leave out the seed")
    if options.jobs < 1:
        parser.error("--jobs is a number of lessons at a time, 1 or more")
    try:
        chosen = [p for word in options.lesson for p in find(word)] or lessons()
        if not chosen:
            raise LookupError(f"There are no lessons in {ROOT / 'notebooks'}.")
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2

    results, problems = {}, 0
    chosen = list(dict.fromkeys(chosen))
    began = time.perf_counter()
    for lesson, before, notebook, result in execute_all(chosen, options.seed, options.jobs):
        name = name_of(lesson)
        results[name] = result
        line = f"failed: {result['error']}"
        if result["ok"]:
            line = f"{result['seconds']} s, {result['peak_memory_mb']} MB"
            line += f", claims held: {held(result['claims'])}"
        try:
            write(ROOT / "build" / "executed" / f"{name}.ipynb", nbformat.writes(notebook))
            write(ROOT / "build" / "results.json", as_json(results))
            write(ROOT / "build" / "results.md", as_table(results))
            if result["ok"] and options.record:
                refused = record(lesson, before, notebook, result)
                line += f", not recorded: {refused}" if refused else ", recorded"
                problems += bool(refused)
        except OSError as error:  # a full disk or a folder to read only: what was measured is said
            line += f", not written ({error.strerror})"
            problems += 1
        progress(f"{label_of(lesson)}: {line}", end="\n")
    print("\n" + as_table(results))
    print(f"\n{len(results)} in {(time.perf_counter() - began) / 60:.1f} minutes")
    if any(result["error"] == "interrupted" for result in results.values()):
        return 130
    return int(problems > 0 or not all(result["ok"] for result in results.values()))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
