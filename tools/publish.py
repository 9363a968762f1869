"""Write the repository's address into the course: `python -m tools.publish [OWNER/NAME]`.

Each notebook begins with a badge, which opens it on Colab, and with a set-up cell, which fetches
the course there. Both need the repository's address; until it is known, COURSE is empty and the
badge leads to README.md, which says how to publish.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from tools import run

GITHUB, COLAB = "https://github.com/", "https://colab.research.google.com/github/"
START, README, SECTION = "notebooks/00_start_here.ipynb", "README.md", "#on-colab"

# What is replaced in a file, found in its text so that all its other bytes stay; \" is JSON's quote
COURSE = re.compile(r'(?<=COURSE = \\").*?(?=\\")')
BADGE = re.compile(r"(?<=/open_in_colab\.svg\)\]\()[^)\s]*(?=\))")

# An address that git takes may name a user, and even a password, which goes no further than here.
HOST = r"(?:https://(?:[^@/\s]+@)?github\.com/|ssh://git@github\.com/|git@github\.com:)"
NAME = r"([a-z0-9][\w-]{0,38}/(?!\.+(?:git)?/?$)[\w.-]{1,100}?)(?:\.git)?/?"
BRANCH = r"[\w.-]+(?:/[\w.-]+)*"
SAY = "say python course.py publish OWNER/NAME"


# ---------------------------------------------------------------- addresses


def address() -> str:
    """OWNER/NAME, as the start notebook has it; "" while the course is not published."""
    try:
        text = (run.ROOT / START).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = COURSE.search(text)
    return on_github(found[0]) if found else ""


def on_github(text: str, host: str = HOST) -> str:
    """OWNER/NAME in an address on GitHub, "" in any other."""
    found = re.fullmatch(host + NAME, text, re.ASCII | re.IGNORECASE)
    return found[1] if found else ""


def from_remote() -> str:
    """OWNER/NAME of the git remote origin, "" if there is none or it is not on GitHub."""
    # A course that is no repository itself may lie in another one, whose remote is not meant.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(run.ROOT.parent)}
    command = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(
            command, cwd=run.ROOT, env=environment, capture_output=True, encoding="utf-8"
        )
    except OSError:
        return ""
    return on_github(done.stdout.strip())


# ---------------------------------------------------------------- files


def files() -> list[Path]:
    """What holds a badge: every notebook, and README.md, whose badge opens the start notebook."""
    return [*run.lessons(), run.ROOT / README]


def badge(place: str, repository: str, branch: str) -> str:
    """Where the badge of a file leads, by its path from the course's folder."""
    if repository:
        return f"{COLAB}{repository}/blob/{branch}/{START if place == README else place}"
    return SECTION if place == README else "../" * place.count("/") + README + SECTION


def rewritten(path: Path, repository: str, branch: str) -> bytes:
    """A file with its badge and its COURSE for a repository, or for none.

    Errors: ValueError, in one sentence, if it does not hold one of each.
    """
    place = path.relative_to(run.ROOT).as_posix()
    text = path.read_bytes().decode("utf-8")
    values = {BADGE: badge(place, repository, branch)}
    if path.suffix == ".ipynb":
        values[COURSE] = GITHUB + repository if repository else ""
    for pattern, value in values.items():
        if (count := len(pattern.findall(text))) != 1:
            what = 'badges "Open in Colab"' if pattern is BADGE else 'lines COURSE = "…"'
            raise ValueError(f"{place} has {count} {what}, not one: begin it as the others begin.")
        text = pattern.sub(value, text)
    return text.encode("utf-8")


def write(contents: dict[Path, bytes]) -> None:
    """Write files, none of them before there is room for all."""
    partial = {path: path.with_name(path.name + ".partial") for path in contents}
    try:
        for path, content in contents.items():
            partial[path].write_bytes(content)
        for path in contents:
            partial[path].replace(path)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


# ---------------------------------------------------------------- the command


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 (nothing was written) or 2 (an option)."""
    parser = argparse.ArgumentParser(
        prog="publish", allow_abbrev=False, description="Let the badges open the course on Colab."
    )
    parser.add_argument("repository", nargs="?", metavar="OWNER/NAME", help="else git's origin")
    parser.add_argument("--branch", default="main", help="if GitHub's default branch is not main")
    parser.add_argument("--undo", action="store_true", help="take the address out again")
    options = parser.parse_args(arguments)
    if options.undo and options.repository:
        parser.error("--undo takes no OWNER/NAME")
    if not re.fullmatch(BRANCH, options.branch, re.ASCII):
        parser.error("a branch is letters, digits, and . _ - / between them")

    repository = ""
    if options.repository:
        repository = on_github(options.repository, f"{HOST}?")
        problem = f"That is no address of a repository on GitHub: {SAY}."
    elif not options.undo:
        repository = from_remote()
        problem = f"The git remote origin is missing or not on GitHub: {SAY}."
    if not (repository or options.undo):
        print(problem, file=sys.stderr)
        return 1
    try:
        contents = {path: rewritten(path, repository, options.branch) for path in files()}
        changed = {path: new for path, new in contents.items() if path.read_bytes() != new}
        write(changed)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(changed)} of {len(contents)} files changed: {len(run.lessons())} notebooks and "
          f"{README} name {GITHUB + repository if repository else 'no repository'}.")  # fmt: skip
    if repository:
        print(f"Commit and push them: each badge opens its notebook of branch {options.branch} on "
              "Colab, if the repository is public.")  # fmt: skip
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
