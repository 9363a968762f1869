"""What several files of tests share."""

import shutil
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
FLAGS = ("gpu", "quic", "background-networking", "component-update", "sync")


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright; without one of them the test is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with api.sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if not found and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("there is no Chromium: python -m playwright install chromium")
        chromium = playwright.chromium.launch(
            executable_path=found, args=[f"--disable-{flag}" for flag in FLAGS]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as a list of (data, keywords)."""
    heard = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *data, **keywords: heard.append((*data, keywords))
    )
    return heard
