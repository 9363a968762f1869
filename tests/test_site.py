"""tools.site: the whole site is built once, read as files, and looked at in a browser."""

import ast
import contextlib
import functools
import html
import http.server
import io
import json
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools import run, site

HERE = run.ROOT
VI = "notebooks/day1_foundations_vae/06_variational_autoencoders"
SHEET = "notebooks/day2_gans_transformers/cheatsheet"
TEXTS = [f"docs/{path.stem}" for path in sorted((HERE / "docs").glob("*.md"))]
LESSON = "notebooks/day2_gans_transformers/01_gans"  # the shortest
KINDS = ("index", "search", *TEXTS, "docs/instructor/schedule", SHEET, LESSON)
SEARCHES = {  # a word -> the lesson that it should find first
    "Hopfield": "04_early_generative_nets",
    "reparameterize": "03_probability_and_latents",
    "LoRA": "05_parameter_efficient",
}
TYPESET = "async () => { if (window.MathJax) await MathJax.startup.promise; }"
FORMULAS = """() => ({
    asked: document.querySelectorAll('.math').length,
    set: document.querySelectorAll('.math mjx-container').length,
    bad: Array.from(document.querySelectorAll('mjx-merror')).map(e => e.textContent),
})"""
TOO_WIDE = """() => [
    ...(document.documentElement.scrollWidth > innerWidth ? ['the page'] : []),
    ...Array.from(document.querySelectorAll('.bd-article img'))
        .filter(i => i.getBoundingClientRect().width > i.closest('.bd-article').clientWidth)
        .map(i => i.alt),
]"""


class Page(HTMLParser):
    """What a page links to, loads, shows and can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self.places, self.links, self.loads, self.images = set(), [], [], []
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link":
            self.loads.append(found["href"])
        elif found.get("src"):
            self.loads.append(found["src"])
        if tag == "img":
            self.images.append((found.get("alt") or "", found["src"]))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, built without a warning."""
    folder, said = tmp_path_factory.mktemp("course é") / "build", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "BUILD", folder)
        with contextlib.redirect_stderr(said):
            code = site.main([])
    assert (code, said.getvalue()) == (0, "")
    assert [path.name for path in folder.iterdir()] == ["site"]
    return folder / "site"


@pytest.fixture(scope="module")
def pages(built):
    """Path from the site's folder, without .html -> page."""
    found = {}
    for path in built.rglob("*.html"):
        if "_static" not in path.relative_to(built).parts:
            found[path.relative_to(built).with_suffix("").as_posix()] = Page(path)
    return found


def outputs(lesson):
    """What the stored notebook shows, a dict of types each."""
    for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            yield {kind: "".join(text) for kind, text in data.items()}


def article(page):
    """The text of a page's own part, as it is read."""
    return page.text.split('<article class="bd-article">')[1].split("</article>")[0]


# ---------------------------------------------------------------- the files


def test_every_lesson_and_text_has_its_page(pages):
    texts = [path for path in (HERE / "docs").rglob("*.md")]
    sheets = [path for path in (HERE / "notebooks").rglob("cheatsheet.md")]
    for path in [*run.lessons(), *texts, *sheets]:
        page = pages[path.relative_to(HERE).with_suffix("").as_posix()]
        assert len(article(page)) > 500, path


def test_the_side_lists_the_lessons_in_their_order(pages):
    wanted = [f"{run.name_of(lesson)}.html" for lesson in run.lessons()]
    side = pages["index"].text.split('class="bd-links')[1].split("</nav>")[0]
    found = re.findall(r'href="notebooks/([^"]*/\d\d_[^"]*|00_[^"]*)"', side)
    assert found == wanted


def broken(pages, root):
    """Every link, and everything a page loads, that leads nowhere inside the site."""
    by_path = {page.path: page for page in pages.values()}
    for page in pages.values():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (page.path.parent / unquote(parts.path)).resolve()
            target = page.path if not parts.path else target
            if not target.is_file() or not target.is_relative_to(root):
                yield page.path.name, link
            elif parts.fragment and target in by_path:
                place = unquote(parts.fragment)
                if place not in by_path[target].places:
                    yield page.path.name, link


def test_no_link_inside_the_site_is_broken(pages, built):
    assert sum(len(page.links) for page in pages.values()) > 1_000
    assert list(broken(pages, built.resolve())) == []


def test_a_broken_link_would_be_seen(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html"></a><a href="#x"></a><img src="c.png">')
    toy = {"a": Page(tmp_path / "a.html")}
    assert {link for _, link in broken(toy, tmp_path)} == {"b.html", "#x", "c.png"}


def test_links_to_the_outside_are_well_formed(pages):
    found = {link for page in pages.values() for link in page.links if urlsplit(link).scheme}
    assert found
    for link in found:
        parts = urlsplit(link)
        assert parts.scheme == "mailto" or (
            parts.scheme in ("https", "http")
            and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc)
            and " " not in link
            and link[-1] not in ".,;)"
        ), link


def test_nothing_is_loaded_from_outside(pages, built):
    for name, page in pages.items():
        for link in page.loads:
            assert urlsplit(link).scheme in ("", "data") and not link.startswith("//"), (name, link)
    for sheet in built.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(\s*|@import\s+)[\"']?(https?:)?//", text), sheet


def test_every_picture_says_what_is_to_be_seen(pages):
    for name, page in pages.items():
        for alt, source in page.images:
            if "logo.svg" not in source and "open_in_colab" not in source:
                assert len(alt.split()) >= 4 and not alt.endswith(".png"), (name, source, alt)


def test_a_figure_has_its_caption_as_alternative_text(pages):
    for lesson in run.lessons():
        shown = list(outputs(lesson))
        captions = []
        for data, after in zip(shown, [*shown[1:], {}], strict=True):
            if "image/png" in data:
                captions.append(after["text/markdown"].strip("*"))
        page = pages[lesson.relative_to(HERE).with_suffix("").as_posix()]
        alts = [alt for alt, source in page.images if re.search(r"/[0-9a-f]{64}\.", source)]
        assert len(alts) == len(captions), lesson
        plain = [re.sub(r"[`*\\$]", "", text) for text in captions]
        assert [re.sub(r"[`*\\$]", "", text) for text in alts] == plain, lesson


def test_progress_bars_are_gone_and_sliders_are_named(pages):
    for lesson in run.lessons():
        page = pages[lesson.relative_to(HERE).with_suffix("").as_posix()]
        text = html.unescape(re.sub(r"<[^>]*>", "", article(page)))
        assert ": progress bar" not in text and "Loading weights" not in text, lesson
        for data in outputs(lesson):
            if list(data) == ["text/plain"] and not site.BAR.search(data["text/plain"]):
                assert f"In a running notebook: {data['text/plain']}" in text, lesson


def test_the_cell_that_finds_the_course_is_folded(pages):
    head, _, rest = article(pages[VI]).partition("<details")
    assert "find_spec" not in head and "find_spec" in rest.partition("</details>")[0]


def test_what_is_downloaded_is_the_stored_notebook(pages, built):
    for lesson in run.lessons():
        name = lesson.relative_to(HERE).as_posix()
        page = pages[name.removesuffix(".ipynb")]
        [link] = {link for link in page.links if link.endswith(f"_sources/{name}")}
        assert (page.path.parent / link).read_bytes() == lesson.read_bytes()


# ---------------------------------------------------------------- launching


BADGE = "[![Open in Colab](../images/open_in_colab.svg)]({})"
ON_COLAB = "https://colab.research.google.com/github/some-one/co.urse/blob/a/b/notebooks/00_s.ipynb"


def start_page(folder, link):
    place = folder / "notebooks" / "00_start_here.ipynb"
    place.parent.mkdir()
    place.write_text(json.dumps({"cells": [{"source": [BADGE.format(link)]}]}), encoding="utf-8")


def test_a_published_course_has_buttons_that_launch_its_lessons(tmp_path, monkeypatch):
    start_page(tmp_path, ON_COLAB)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    assert site.published() == ("some-one/co.urse", "a/b")
    options = site.settings()["html_theme_options"]
    assert options["repository_url"] == "https://github.com/some-one/co.urse"
    assert options["repository_branch"] == "a/b"
    assert options["launch_buttons"]["colab_url"] and options["launch_buttons"]["binderhub_url"]
    assert not site.BADGE.search(BADGE.format(ON_COLAB))  # it leads somewhere, so it stays


@pytest.mark.parametrize("link", ["../README.md#on-colab", "../../README.md#on-colab", "#on-colab"])
def test_a_course_that_is_not_published_has_no_dead_buttons(tmp_path, monkeypatch, link):
    start_page(tmp_path, link)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    assert site.published() == ("", "")
    assert "launch_buttons" not in site.settings()["html_theme_options"]
    assert site.BADGE.sub("", f"a {BADGE.format(link)} b") == "a  b"


def test_links_to_the_readme_lead_to_the_first_page():
    lesson, notes = HERE / "notebooks" / "day1_foundations_vae", HERE / "docs" / "instructor"
    change = site.link_to_front_page
    assert change(lesson, "[a](../../README.md#on-colab)") == "[a](../../index.md#on-colab)"
    assert change(HERE, "[a](README.md)") == "[a](index.md)"
    assert change(notes, "[a](README.md)") == "[a](README.md)"
    assert change(notes, "[a](https://x.org/README.md)") == "[a](https://x.org/README.md)"


# ---------------------------------------------------------------- the command


def test_options_are_refused(capsys):
    assert site.main(["--fast"]) == 2
    assert capsys.readouterr().err == "site takes no options, and was given --fast.\n"


def test_the_site_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(site, "BUILD", tmp_path / "build")
    said, stopped = [""], [False]

    def build(work):
        Path(work, "site").mkdir()
        Path(work, "site", "index.html").write_text(said[0])
        if stopped[0]:
            raise KeyboardInterrupt
        return said[0]

    monkeypatch.setattr(site, "build", build)
    assert site.main([]) == 0
    said[0] = "page.md: WARNING: a warning"
    assert site.main([]) == 1
    assert said[0] in capsys.readouterr().err
    stopped[0], said[0] = True, "broken off"
    assert site.main([]) == 130
    assert "as it was" in capsys.readouterr().err
    assert (tmp_path / "build/site/index.html").read_text() == "page.md: WARNING: a warning"
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["site"]


# ---------------------------------------------------------------- what the guide quotes

GUIDE = HERE / "docs" / "troubleshooting.md"


def quotes(text):
    """The quoted sentences of the guide, each in one line."""
    blocks = re.findall(r"(?:^> .*\n)+", text, re.MULTILINE)
    return [" ".join(line[2:] for line in block.splitlines()) for block in blocks]


def texts(source):
    """Every text in a program; where an f-string puts a value in, it has …"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_said(quote, known):
    """Whether some text holds a quote, or puts another text in its first gap to make it."""
    if any(quote.strip("… ") in text for text in known):
        return True
    for text in known:
        head, gap, rest = text.partition("…")
        if gap and not head and quote.endswith(rest) and len(rest) > 20:
            return quote.removesuffix(rest) in known
    return False


@pytest.fixture(scope="module")
def known():
    """Every text in the course's programs and in the code of its lessons."""
    found = set()
    for path in [HERE / "course.py", *HERE.glob("helpers/**/*.py"), *HERE.glob("tools/*.py")]:
        found |= set(texts(path.read_text(encoding="utf-8")))
    for lesson in run.lessons():
        for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                with contextlib.suppress(SyntaxError):  # a cell with %magic
                    found |= set(texts("".join(cell["source"])))
    return found


def test_the_guide_quotes_what_the_course_says(known):
    found = quotes(GUIDE.read_text(encoding="utf-8"))
    assert len(found) > 30
    assert [quote for quote in found if not is_said(quote, known)] == []


def test_a_stale_quote_would_be_seen(known):
    assert quotes("> one\n> two\n\ntext\n\n> three …\n") == ["one two", "three …"]
    assert not is_said("The course needs Python 2.7", known)
    assert not is_said("No hammer can be downloaded: check the internet connection and the free "
                       "disk space, then run the same command again.", known)  # fmt: skip


# ---------------------------------------------------------------- in a browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(built):
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextlib.contextmanager
def opened(browser, address, name):
    """A page of the site with its formulas set; nothing may be asked from elsewhere, or missed."""
    # Without motion: a button on its way from light to dark has, for a moment, neither's contrast.
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page.set_default_timeout(120_000)
    asked, missed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: answer.status >= 400 and missed.append(answer.url))
    page.on("pageerror", lambda error: missed.append(str(error)))
    try:
        page.goto(f"{address}{name}.html")
        page.evaluate(TYPESET)
        yield page
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
        assert missed == []
    finally:
        page.close()


def findings(page, *rules):
    """What axe-core holds to be serious or worse, by some of its rules or by all."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"resultTypes": ["violations"], "preload": False}  # which asks for wrong addresses
    if rules:
        options["runOnly"] = rules
    return [
        (found["id"], node["html"][:200])
        for found in axe.run(page, options=options).response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def check_page(page):
    """A page is readable by all, in both modes; its formulas are set; it fits a phone."""
    formulas = page.evaluate(FORMULAS)
    assert formulas["bad"] == [] and formulas["asked"] == formulas["set"]
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert findings(page, "color-contrast") == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate(TOO_WIDE) == []
    return formulas["set"]


@pytest.mark.parametrize("name", KINDS)
def test_a_page_of_each_kind_can_be_read_by_all(browser, address, name):
    with opened(browser, address, name) as page:
        assert check_page(page) > 10 or name != LESSON


def test_a_finding_would_be_seen(browser, address):
    with opened(browser, address, "docs/troubleshooting") as page:
        page.evaluate("document.querySelector('article p').style.color = '#ddd'")
        page.evaluate("document.querySelector('article').append(new Image(9, 9))")
        assert {name for name, _ in findings(page)} == {"color-contrast", "image-alt"}
        page.evaluate(
            "document.querySelector('article img').style = 'display:block; min-width:500px'"
        )
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate(TOO_WIDE)


def found_by(page, place, word):
    """The addresses that a search finds, best first."""
    page.goto(f"{place}search.html?q={word}")
    links = "#search-results ul.search > li > a"
    page.wait_for_selector(links)
    page.wait_for_selector("#search-results .search-summary:has-text('finished')")
    return page.eval_on_selector_all(links, "links => links.map(link => link.href)")


def test_a_word_finds_its_lesson_served_or_opened_as_a_file(browser, address, built):
    with opened(browser, address, "index") as page:
        for word, lesson in SEARCHES.items():
            assert lesson in found_by(page, address, word)[0]
    page = browser.new_page()
    word, lesson = next(iter(SEARCHES.items()))
    assert lesson in found_by(page, f"{built.as_uri()}/", word)[0]
    page.close()


@pytest.mark.slow
def test_every_page_can_be_read_by_all(browser, address, pages):
    seen = {}
    for name in pages:
        try:
            with opened(browser, address, name) as page:
                check_page(page)
        except AssertionError as error:
            seen[name] = str(error)[:500]
    assert seen == {}
