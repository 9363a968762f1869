"""The course in a real browser: pages run to their end, widgets move, a student works.

JupyterLab runs on a copy of the course, started with the arguments of `course.py lab`, and
Chromium is driven through it by Playwright. Every lesson, and every widget of the course, takes
most of an hour, so by request: `python course.py test -m slow -k browser`. The folder named by
GENAI_SCREENSHOTS, if there is one, keeps what was seen.
"""

import contextlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from tools import run

PARTS = ("helpers", "data", "notebooks")  # of the course, beside course.py and requirements.txt
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell stands in the page
    "apputils-extension/notification": {"fetchNews": "false"},
}
PATIENCE = 60  # seconds that a page, a cell of set-up or a picture may take on a slow machine
LONGEST = 900  # seconds that a lesson may take

# What is typed into the text field of a lesson's widget; any widget must also bear ODD.
ODD = "?"
TYPED = {
    "00_start_here": "7",  # the number of a question of the quiz
    "04_diffusion": "a large green cross at the top left",
    "05_words_and_tokens": "The tokens of another sentence",
    "07_transformer": "The princess finds her hat.",
    "09_llms_and_prompting": "One sunny morning Tom was on the hill. _ was in the library.",
    "01_hugging_face": "The battery died after a week",
    "07_multimodal": "a large pink cross below a small green triangle",
    "08_reasoning_and_tools": "What does a generator return?",
    "10_end_to_end_app": "Where is Tom?",
    "11_recap": "7",
}
SHOWS_A_WIDGET = re.compile(r"^(sliders\(|answers = quiz\.ask\(|display\(\{widgets\.)", re.M)
CONTROLS = ":is(.noUi-handle, input, select, textarea, button)"
KINDS = {
    "slider": ".noUi-handle",
    "field": "input[type=text], input[type=number]",
    "choice": "input[type=radio]",
    "button": "button",
}

READY = """async () => {
    if (!window.jupyterapp) return false;
    await jupyterapp.restored;
    const widget = jupyterapp.shell.currentWidget;
    if (!widget || !widget.context || !widget.content.widgets) return false;
    await widget.context.ready;
    await widget.context.sessionContext.ready;
    return true;
}"""
# Errors and warnings of all cells, and of the callbacks of widgets, which no cell shows. "No such
# comm" is the answer to JupyterLab, which asks for widgets before a kernel knows of any; lines that
# begin with seconds are of the debugger, which JupyterLab attaches when a kernel restarts.
LISTEN = r"""() => {
    const DEBUGGER = /^\d+\.\d\ds - /;
    window.complaints = [];
    jupyterapp.shell.currentWidget.context.sessionContext.iopubMessage.connect((_, message) => {
        const {header, content} = message;
        if (header.msg_type == 'error') complaints.push(content.traceback.join('\n'));
        if (header.msg_type == 'stream' && content.name == 'stderr'
            && !content.text.startsWith('No such comm') && !DEBUGGER.test(content.text))
            complaints.push(content.text);
    });
}"""
STATUS = "() => jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status"
CELLS = """() => jupyterapp.shell.currentWidget.content.widgets.map(cell => ({
    source: cell.model.sharedModel.getSource(),
    outputs: cell.model.type == 'code' ? cell.model.outputs.toJSON() : [],
}))"""
# What a reader sees of a widget: its pictures by their bytes, since each redraw has a new address,
# its lines of text and its chosen options, but not the control's own value.
FACE = """async cell => {
    const seen = [];
    for (const picture of cell.querySelectorAll('img')) {
        const bytes = await (await fetch(picture.src)).arrayBuffer();
        const hash = await crypto.subtle.digest('SHA-256', bytes);
        seen.push(Array.from(new Uint8Array(hash)).join());
    }
    const lines = '.widget-label, .widget-html-content, .widget-htmlmath-content';
    for (const line of cell.querySelectorAll(lines))
        seen.push(line.textContent);
    for (const option of cell.querySelectorAll('input[type=radio]')) seen.push(option.checked);
    return seen.join('\\n');
}"""
WITH_CONTROLS = """controls => Array.from(document.querySelectorAll('.jp-Notebook-cell')).map(
    (cell, i) => cell.querySelector(`.jp-Cell-outputWrapper ${controls}`) ? i : -1
).filter(i => i >= 0)"""
LABEL = """control => (control.closest('label') || control.closest('.widget-inline-hbox')
    ?.querySelector('.widget-label') || control).textContent.trim()"""
CUT_OFF = """cell => Array.from(
    cell.querySelectorAll('.widget-label, .widget-readout, button, .jp-OutputArea-output'),
).filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60))"""
SQUEEZED = """cell => Array.from(cell.querySelectorAll('.widget-readout, input[type=text]'))
    .filter(e => e.offsetWidth < (e.matches('input') ? 250 : 25))
    .map(e => e.parentElement.textContent.trim() || 'a field')"""
BAD_FORMULAS = """() => Array.from(
    document.querySelectorAll('mjx-merror, [data-mjx-error]')).map(e => e.textContent)"""


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """JupyterLab on a copy of the course; gives its address with {} for the path, and the copy."""
    folder = tmp_path_factory.mktemp("browser")
    root = folder / "course"
    unneeded = shutil.ignore_patterns("cache", "__pycache__", ".ipynb_checkpoints")
    for part in PARTS:
        shutil.copytree(run.ROOT / part, root / part, ignore=unneeded)
    for name in ("course.py", "requirements.txt"):
        shutil.copy(run.ROOT / name, root)
    for path in root.glob("notebooks/**/*.ipynb"):  # what is seen shall be what was run
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    module, *arguments, environment = as_course_py_starts_it(
        root,
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
    )
    environment |= {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    for name in ("MPLBACKEND", "GENAI_SEED", "GENAI_CLAIMS", "GENAI_PROGRESS"):
        environment.pop(name, None)
    address = f"http://127.0.0.1:{port}{{}}?token={token}"
    log = folder / "lab.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT,
        ) as server,
    ):  # fmt: skip
        try:
            wait_for(lambda: answers(address, "/api/status"), "JupyterLab", 3 * PATIENCE)
            yield address, root
            answers(address, "/api/shutdown", method="POST")
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(PATIENCE)
        finally:
            server.kill()
            print(log.read_text(encoding="utf-8", errors="replace")[-3000:])


def as_course_py_starts_it(root, *options):
    """The module, its arguments and the environment with which `course.py lab` would go on."""
    spec = importlib.util.spec_from_file_location("course_copy", root / "course.py")
    course = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(course)
    course.start = lambda requirements, module, *arguments, **_: (module, *arguments)
    return *course.COMMANDS["lab"](options), dict(course.ENVIRONMENT)


def answers(address, path, method="GET"):
    """True if JupyterLab answers to a request."""
    try:
        request = urllib.request.Request(address.format(path), method=method)
        return urllib.request.urlopen(request, timeout=5).status == 200
    except OSError:
        return False


def wait_for(condition, what, seconds=PATIENCE):
    """Wait until the condition is true, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.25)
    pytest.fail(f"{what}: nothing within {seconds} s", pytrace=False)


@pytest.fixture
def opened(lab, browser, tmp_path):
    """A function that opens a notebook of the copy in a new tab; in the end its kernel stops."""
    address, root = lab
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    notebooks = []

    def opens(lesson):
        path = root / lesson.relative_to(run.ROOT)
        notebooks.append(Notebook(context.new_page(), address, path, root, tmp_path))
        return notebooks[-1]

    yield opens
    for notebook in notebooks:
        notebook.page.evaluate(
            "() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
        )
    context.close()


class Notebook:
    """A notebook that is open in JupyterLab, with its kernel running."""

    def __init__(self, page, address, path, root, folder):
        self.page, self.name, self.outside = page, path.stem, set()
        self.folder = Path(os.environ.get("GENAI_SCREENSHOTS") or folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: self._note(urlsplit(request.url)))
        place = f"/lab/workspaces/{secrets.token_hex(4)}/tree/{path.relative_to(root).as_posix()}"
        page.goto(address.format(place))
        wait_for(lambda: page.evaluate(READY), f"{self.name} to open", 2 * PATIENCE)
        page.evaluate(LISTEN)

    def _note(self, url):
        if url.hostname not in (None, "127.0.0.1"):  # None: a picture within the page
            self.outside.add(url.hostname)

    def command(self, name):
        """Run a command of JupyterLab's menus and return what it gives."""
        return self.page.evaluate("name => jupyterapp.commands.execute(name)", name)

    def run_all(self):
        """Run all cells; nothing may fail, warn, ask the internet or break a formula."""
        self.page.set_default_timeout(1000 * LONGEST)
        done = self.command("notebook:run-all-cells")
        self.page.set_default_timeout(1000 * PATIENCE)
        said = self.complaints()
        assert done and not said, f"{self.name}: {said}"
        assert not self.outside, f"{self.name} asked the internet for {self.outside}"
        assert not (bad := self.page.evaluate(BAD_FORMULAS)), f"{self.name}: formulas {bad}"

    def complaints(self):
        """What errors and warnings said since the page was opened, or since this was asked."""
        return self.page.evaluate("() => complaints.splice(0)")

    def cells(self):
        """Source and outputs of each cell, as dictionaries."""
        return self.page.evaluate(CELLS)

    def find(self, source):
        """The number of the first cell that contains a piece of code."""
        return next(i for i, cell in enumerate(self.cells()) if source in cell["source"])

    def cell(self, number):
        return self.page.locator(".jp-Notebook-cell").nth(number)

    def shown(self, number):
        """Where the outputs of a cell stand."""
        return self.cell(number).locator(".jp-Cell-outputWrapper")

    def shot(self, what, number=None):
        """Keep a screenshot, of the window or of what one cell shows."""
        seen = self.page if number is None else self.shown(number)
        what = re.sub(r"[^a-z0-9]+", "_", what.lower()).strip("_")
        seen.screenshot(path=self.folder / f"{self.name}-{what}.png")

    # ------------------------------------------------------------ as a student does

    def run_above(self, number):
        """Select a cell by a click, and run all cells above it."""
        self.cell(number).locator(".jp-InputPrompt").click()
        assert self.command("notebook:run-all-above"), self.complaints()

    def run_cell(self, number, *, says):
        """Click into a cell, press Shift+Enter, and wait until it shows a text."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        self.waits(number, says)

    def waits(self, number, says):
        where = f"{self.name}, cell {number}, to say {says!r}"
        wait_for(lambda: says in "".join(self.shown(number).all_inner_texts()), where)

    def type_over(self, number, line, text):
        """Replace, by keyboard, what stands in the line of a cell that contains a text."""
        self.cell(number).locator(".cm-line", has_text=line).click()
        for key in ("Home", "Shift+End"):
            self.page.keyboard.press(key)
        self.page.keyboard.type(text)

    def type_below(self, number, code, *, says):
        """Add a cell below another, type into it and run it."""
        self.cell(number).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("b")
        self.cell(number + 1).locator(".cm-content").click()
        self.page.keyboard.type(code)
        self.run_cell(number + 1, says=says)

    def restart(self):
        """Restart the kernel with the button of the notebook, and say yes."""
        self.page.locator("[data-command='notebook:restart-kernel']").first.click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    # ------------------------------------------------------------ widgets

    def widgets(self):
        """The numbers of the cells that show a widget with controls."""
        cells = enumerate(self.cells())
        wanted = [i for i, cell in cells if SHOWS_A_WIDGET.search(cell["source"])]
        found = self.page.evaluate(WITH_CONTROLS, CONTROLS)
        assert found == wanted, f"{self.name}: cells {wanted} make widgets, {found} show one"
        return wanted

    def settled(self, number):
        """What is seen of a widget when the kernel has nothing left to do."""
        faces = [None]

        def same():
            faces.append(self.shown(number).evaluate(FACE))
            return self.page.evaluate(STATUS) == "idle" and faces[-1] == faces[-2]

        wait_for(same, f"{self.name}, cell {number}, to come to rest", 2 * PATIENCE)
        return faces[-1]

    def changes(self, number, what, act, *arguments):
        """Do something to a widget; what is seen of it must change, without an error."""
        where, before = f"{self.name}, cell {number}, {what}", self.settled(number)
        act(*arguments)
        wait_for(
            lambda: self.shown(number).evaluate(FACE) != before, f"{where}: a change of picture"
        )
        self.settled(number)
        assert not (said := self.complaints()), f"{where}: {said}"
        self.shot(f"{number:03} {what}", number)

    def move_all(self):
        """Move each control of each widget, then press its Reset; return how many were moved."""
        moved = 0
        for number in self.widgets():
            shown = self.shown(number)
            reset = shown.get_by_role("button", name="Reset")
            controls = shown.locator(CONTROLS).filter(has_not_text="Reset").all()
            for control in controls:
                name, kind = control.evaluate(LABEL), kind_of(control)
                assert kind, f"{self.name}, cell {number}: who knows how to move {name!r}?"
                for text in texts_for(self.name, control) if kind == "field" else [""]:
                    self.changes(number, f"{kind} {name} {text}", move, control, kind, text)
                if reset.count():
                    self.changes(number, f"{kind} {name} Reset", reset.click)
            moved += len(controls)
            cut = shown.evaluate(CUT_OFF)
            assert not cut, f"{self.name}, cell {number}: cut off at the side: {cut}"
            narrow = shown.evaluate(SQUEEZED)
            assert not narrow, f"{self.name}, cell {number}: too narrow to read: {narrow}"
        return moved


def kind_of(control):
    """Which of KINDS a control is, or None."""
    matches = "(control, selector) => control.matches(selector)"
    return next((k for k, css in KINDS.items() if control.evaluate(matches, css)), None)


def texts_for(name, control):
    """What to type into the field of a lesson: something odd, if it takes any text, then sense."""
    odd = [] if control.get_attribute("type") == "number" else [ODD]
    return [*odd, TYPED[name]]


def move(control, kind, text):
    """Press keys on a slider, type a text and Enter into a field, click anything else."""
    if kind == "slider":
        ends = (float(control.get_attribute(f"aria-value{end}")) for end in ("min", "max"))
        above = float(control.get_attribute("aria-valuenow")) > sum(ends) / 2
        for _ in range(10):  # a quarter of the way
            control.press("ArrowLeft" if above else "ArrowRight")
    elif kind == "field":
        control.fill(text)
        control.press("Enter")
    else:
        control.click()


# ---------------------------------------------------------------- the tests


def test_start_here_runs_to_its_end(opened):
    page = opened(run.ROOT / "notebooks" / "00_start_here.ipynb")
    page.shot("top")
    page.run_all()
    pictures = [i for i, cell in enumerate(page.cells()) if "image/png" in str(cell["outputs"])]
    assert len(pictures) == 2
    for number in pictures:
        shown = page.shown(number)
        assert shown.locator("img").evaluate("img => img.complete && img.naturalWidth") > 500
        assert len(shown.locator("em").inner_text().split()) > 4
        page.shot(f"{number} picture", number)
    assert page.move_all() == 6  # the quiz before a day: four options, a number, Next


def test_a_student_tries_errs_asks_solves_and_restarts(opened):
    name = "latents.kl_discrete"
    page = opened(
        run.ROOT / "notebooks" / "day1_foundations_vae" / "03_probability_and_latents.ipynb"
    )
    task = page.find(f'@exercise("{name}")')
    page.run_above(task)
    page.run_cell(task, says=f"○ {name}: not attempted. The reference stands in")
    page.shot("student 1 stub")

    page.type_over(task, "# your code", "return (p * (p / q).log()).sum()")
    page.run_cell(task, says=f"✗ {name}: ")
    page.waits(task, "Where p is 0 this computes 0 · log 0, which is NaN.")
    page.shot("student 2 wrong")

    page.type_below(task, f'hint("{name}")', says="Hint 1 of 3: KL(p ‖ q) is the sum over k of")
    page.type_over(task, "return", "return (p * (p / q).log()).nansum()")
    page.run_cell(task, says=f"✓ {name}: right. From here on the lesson runs on your code.")
    page.run_cell(task + 2, says="✓ wasted questions, measured minus KL")
    page.type_below(task, "progress()", says=f"✓ {name}: right, 2 tries")
    page.shot("student 3 right")

    page.restart()
    page.run_above(page.find("profiles = {"))
    page.type_below(task, 'print("kl_discrete" in dir())', says="False")
    page.type_below(task, "progress()", says="solved: kl_discrete*")
    page.shot("student 4 restarted")
    assert not (said := page.complaints()), said


@pytest.mark.slow
@pytest.mark.parametrize("lesson", run.lessons(), ids=run.name_of)
def test_a_lesson_runs_to_its_end_and_its_widgets_move(opened, lesson):
    page = opened(lesson)
    page.run_all()
    page.shot("end")
    print(f"{len(page.widgets())} widgets, {page.move_all()} controls moved")
    if page.name == "11_recap":  # one question of Day 1 has been answered
        page.run_cell(page.find("quiz.mark("), says="11 open")
