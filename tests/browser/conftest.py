"""One browser and one server for a run; each page is opened once for each width and kept as a `Visit`."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from browsers import HTML, MISSING, PAGES, chromium, launch, serving
from playwright.sync_api import Browser, Page, sync_playwright
from visit import HEIGHTS, PATIENCE, Visit, load, open_page, watch


def pytest_terminal_summary(terminalreporter) -> None:
    """Say what was measured: weight and seconds of each page; and loudly if there was no browser."""
    if not chromium():
        terminalreporter.write_line(f"\n{'!' * 100}\n{MISSING}\n{'!' * 100}", red=True, bold=True)
    rows = {}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        rows |= {key: value for key, value in report.user_properties if str(key).endswith(".html")}
    if rows:
        terminalreporter.write_line("\n  page kB    all kB  seconds  page")
    for page, (html, total, seconds) in sorted(rows.items()):
        terminalreporter.write_line(f"{html / 1000:9.0f} {total / 1000:9.0f} {seconds:8.1f}  {page}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not chromium():
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="session")
def root() -> Iterator[str]:
    with serving(HTML) as address:
        yield address


@pytest.fixture(scope="session")
def visits(browser: Browser, root: str) -> Callable[[str, int | str], Visit]:
    """Return a function: page, and 390 or 1440 (over http) or "file"; opens at the first call only."""

    @cache
    def visit(page: str, how: int | str) -> Visit:
        if how == "file":
            return open_page(browser, (HTML / page).as_uri(), 1440, judge=False)
        return open_page(browser, root + page, how)

    return visit


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an address for a test to use: what goes wrong on it, too, fails the test."""
    contexts, watched = [], []

    def open_it(address: str, width: int = 1440, unfolded: bool = True) -> Page:
        viewport = {"width": width, "height": HEIGHTS[width]}
        context = browser.new_context(viewport=viewport, color_scheme="light", reduced_motion="reduce")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        contexts.append(context)
        watched.append(watch(page, address))
        load(page, address, unfolded=unfolded)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [error for visit in watched for error in visit.errors + visit.failed + visit.foreign] == []


def pytest_generate_tests(metafunc) -> None:
    """Spread the pages: all tests of one page run in one process, where its visits are kept."""
    if "page_name" in metafunc.fixturenames:
        group = [pytest.param(page, marks=pytest.mark.xdist_group(page), id=page) for page in PAGES]
        metafunc.parametrize("page_name", group)
