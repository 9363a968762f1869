"""Build the course's website: `python -m tools.site`. It works without a network.

Pages are the lessons as they are stored, with their outputs; nothing is executed. They and the
texts of docs/ keep their places, so that links between them hold. What differs from the files is
changed in memory: captions become alternative texts, and what needs a running kernel is named.
"""

import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

from tools import run

ROOT = run.ROOT
BUILD = ROOT / "build"  # ignored by git
TITLE = "Building Blocks of Generative AI"
LOOK = ROOT / "docs" / "site"  # style sheet, sign, and how the search ranks
MATHJAX = "sphinx-mathjax-offline"  # a package by this name, hyphens and all, carries MathJax
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml", "input/tex/extensions")

DAYS = {
    "1": "Day 1: foundations and autoencoders",
    "2": "Day 2: GANs, LLMs and transformers",
    "3": "Day 3: applications and fine-tuning",
}
INSTRUCTOR = {  # page -> its name at the side
    "README": "How to use the notes",
    "schedule": "Schedule",
    "day1": "Notes for Day 1",
    "day2": "Notes for Day 2",
    "day3": "Notes for Day 3",
}
# Pages to which the first page links
OTHERS = ("CONTRIBUTING.md", "LICENSE-text.md", "benchmarks/RESULTS.md")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.png)\)")
PUBLISHED = re.compile(
    r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob/(\S+?)/notebooks/"
)
# A badge of a course that is not published yet leads to the README, and nowhere on the site
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)\s]+\)\]\((?:(?:\.\./)*README\.md)?#on-colab\)")
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")
# Addresses and papers in the lessons' text, which name them without a link
NAMED = re.compile(r"(?<![\w`(<\[/\"'])(?:https?://[\w.~/%#?=&-]*[\w/]|arXiv:(\d{4}\.\d{4,5}))")
SETUP = 'if find_spec("helpers") is None:'  # in the cell that finds the course
BAR = re.compile(r": progress bar$|^Loading weights:|^Map:")  # what is stored of a progress bar


def published() -> tuple[str, str]:
    """OWNER/NAME of the course on GitHub and its branch, as the badges have them, or ("", "")."""
    found = PUBLISHED.search((ROOT / "notebooks/00_start_here.ipynb").read_text(encoding="utf-8"))
    return (found[1], found[2]) if found else ("", "")


def settings() -> dict[str, Any]:
    """Sphinx's settings. Buttons that launch a lesson are there when the course is published."""
    repository, branch = published()
    options: dict[str, Any] = {
        "logo": {"text": TITLE, "alt_text": "First page"},
        "show_toc_level": 2,
        "navbar_persistent": [],  # the search stands at the side
        "use_fullscreen_button": False,
        "search_bar_text": "Search the course",
        "pygments_light_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    }
    if repository:
        options |= {
            "repository_url": f"https://github.com/{repository}",
            "repository_branch": branch,
            "use_repository_button": True,
            "launch_buttons": {
                "colab_url": "https://colab.research.google.com",
                "binderhub_url": "https://mybinder.org",
                "notebook_interface": "jupyterlab",
            },
        }
    return {
        "project": TITLE,
        "author": f"The authors of {TITLE}",
        "copyright": f"The authors of {TITLE}",
        "language": "en",
        "extensions": ["myst_nb"],
        "nb_execution_mode": "off",
        "nb_merge_streams": True,
        "nb_code_prompt_show": "Show the code",
        "nb_code_prompt_hide": "Hide the code",
        "nb_render_markdown_format": "myst",  # tables and formulas in outputs, too
        "myst_enable_extensions": ["dollarmath", "amsmath", "colon_fence"],
        "myst_heading_anchors": 3,
        "smartquotes": False,
        "html_theme": "sphinx_book_theme",
        "html_theme_options": options,
        "html_context": {"default_mode": "auto"},
        "html_title": TITLE,
        "html_logo": str(LOOK / "logo.svg"),
        "html_favicon": str(LOOK / "logo.svg"),
        "html_static_path": [str(LOOK / "style.css")],
        "html_css_files": ["style.css"],
        "html_search_scorer": str(LOOK / "scorer.js"),
        "html_sourcelink_suffix": "",
        "html_use_index": False,
        "mathjax_path": "mathjax/tex-chtml.js",
    }


# ---------------------------------------------------------------- what is on the site


def opening(lesson: Path) -> str:
    """The first cell of a lesson."""
    cell = json.loads(lesson.read_text(encoding="utf-8"))["cells"][0]
    return "".join(cell["source"])


def title_of(lesson: Path) -> str:
    """The heading of a lesson."""
    return opening(lesson).splitlines()[0].removeprefix("# ")


def contents(caption: str, entries: list[str]) -> str:
    """A table of contents for the side of every page."""
    head = [":::{toctree}", ":hidden:", f":caption: {caption}", ""]
    return "\n".join([*head, *entries, ":::", ""])


def front_page() -> str:
    """README, with a picture of every lesson before its list of folders, and all contents."""
    gallery, tables = ["## The lessons", ""], [contents("Begin", ["notebooks/00_start_here"])]
    for day, name in DAYS.items():
        entries = []
        gallery += [f"### {name}", "", "::::{container} lessons"]
        for lesson in run.lessons():
            if run.day_of(lesson) != day:
                continue
            page = f"notebooks/{run.name_of(lesson)}"
            title, picture = title_of(lesson), PICTURE.search(opening(lesson))
            place = (lesson.parent / picture[2]).resolve().relative_to(ROOT).as_posix()
            entries.append(f"{lesson.name[:2]} {title} <{page}>")
            gallery += [
                ":::{container} lesson",
                f"[![{picture[1]}]({place})]({page}.ipynb)",
                "",
                f"[{lesson.name[:2]} {title}]({page}.ipynb)",
                ":::",
            ]
        sheet = f"notebooks/{lesson_folder(day)}/cheatsheet"
        entries.append(f"Cheat sheet <{sheet}>")
        gallery += ["::::", "", f"[Cheat sheet of Day {day}]({sheet}.md)", ""]
        tables.append(contents(name, entries))
    known = [f"docs/{path.stem}" for path in sorted((ROOT / "docs").glob("*.md"))]
    notes = [f"{name} <docs/instructor/{page}>" for page, name in INSTRUCTOR.items()]
    tables += [contents("Look up", known), contents("For instructors", notes)]
    tables.append(contents("About", [name.removesuffix(".md") for name in OTHERS]))
    before, mark, after = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What is")
    return "\n".join([before, *gallery, mark + after, *tables])


def lesson_folder(day: str) -> str:
    """The folder of a day's lessons."""
    return next(p.parent.name for p in run.lessons() if run.day_of(p) == day)


def gather(source: Path) -> None:
    """Copy pages, pictures and the files to which pages link to a folder, each to its place."""
    pages = [
        *run.lessons(),
        *(ROOT / "notebooks").glob("*/cheatsheet.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "instructor").glob("*.md"),
        *(ROOT / name for name in OTHERS),
    ]
    linked = set()
    for page in [*pages, ROOT / "README.md"]:
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            place = (page.parent / target).resolve()
            if ":" not in target and place.is_file() and place.is_relative_to(ROOT):
                linked.add(place)
    for path in {*pages, *linked} - {ROOT / "README.md"}:
        place = source / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (source / "index.md").write_text(front_page(), encoding="utf-8")


# ---------------------------------------------------------------- changes in memory


def link_to_front_page(folder: Path, text: str) -> str:
    """Let links to the repository's README, from a page in `folder`, lead to the first page."""

    def changed(match: re.Match) -> str:
        if (folder / match[1]).resolve() != ROOT / "README.md":
            return match[0]
        return f"]({match[1].removesuffix('README.md')}index.md{match[2] or ''})"

    return LINK.sub(changed, text)


def linked(match: re.Match) -> str:
    """A link in place of an address or of a paper's number."""
    return f"[{match[0]}](https://arxiv.org/abs/{match[1]})" if match[1] else f"<{match[0]}>"


def still(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook for reading: no progress bars, and sliders named as what needs a kernel."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = NAMED.sub(linked, source)
        elif SETUP in source:
            cell["metadata"].setdefault("tags", []).append("hide-input")
        kept = []
        for output in cell.get("outputs", ()):
            if list(output.get("data", ())) == ["text/plain"]:
                text = "".join(output["data"]["text/plain"])
                if BAR.search(text):
                    continue
                note = f":::{{container}} live\n**In a running notebook:** {text}\n:::"
                output["data"]["text/markdown"] = note
            kept.append(output)
        if "outputs" in cell:
            cell["outputs"] = kept
    return notebook


def change_source(app: Any, page: str, content: list[str]) -> None:
    """Sphinx's event: a page was read."""
    path = ROOT / Path(app.env.doc2path(page)).relative_to(app.srcdir)
    content[0] = link_to_front_page(path.parent, BADGE.sub("", content[0]))
    if path.suffix == ".ipynb":
        content[0] = json.dumps(still(json.loads(content[0])), ensure_ascii=False)


def describe_figures(app: Any, document: Any) -> None:
    """Sphinx's event: a page was parsed. A figure's caption becomes its alternative text."""
    from docutils import nodes

    def is_bundle(node: Any) -> bool:
        return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"

    for bundle in document.findall(is_bundle):
        images = list(bundle.findall(nodes.image))
        after = bundle.next_node(is_bundle, descend=False, siblings=True)
        if images and after is not None:
            images[0]["alt"] = next(after.findall(nodes.paragraph)).astext()


def copy_mathjax(target: Path) -> None:
    """Copy what formulas need of MathJax, a tenth of the package."""
    package = importlib.util.find_spec(MATHJAX).submodule_search_locations[0]
    source = Path(package, "static", "mathjax")
    for part in MATHJAX_PARTS:
        place = target / part
        place.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, place)
        else:
            shutil.copyfile(source / part, place)


# ---------------------------------------------------------------- the command


def build(work: Path) -> str:
    """Build the site in work/site; return Sphinx's warnings, a line each."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    source, warnings = work / "source", StringIO()
    gather(source)
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            source, None, work / "site", work / "doctrees", "html", settings(),
            status=None, warning=warnings,
        )  # fmt: skip
        app.connect("source-read", change_source)
        app.connect("doctree-read", describe_figures)
        app.build()
    copy_mathjax(work / "site" / "_static" / "mathjax")
    text = warnings.getvalue().replace(f"{source}{os.sep}", "")
    return re.sub(r"\x1b\[[\d;]*m", "", text)  # the colors of a terminal


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 (warnings), 2 (an option) or 130."""
    if arguments := sys.argv[1:] if arguments is None else arguments:
        print(f"site takes no options, and was given {arguments[0]}.", file=sys.stderr)
        return 2
    try:
        BUILD.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=BUILD) as work:
            warnings = build(Path(work))
            if (BUILD / "site").exists():
                (BUILD / "site").rename(Path(work, "before"))
            Path(work, "site").rename(BUILD / "site")
    except KeyboardInterrupt:
        print("Stopped: build/site is as it was.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"build/site could not be written ({error.strerror}).", file=sys.stderr)
        return 1
    print("build/site: open build/site/index.html in a browser.")
    if warnings:
        print(warnings, end="", file=sys.stderr)
    return int(bool(warnings))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
