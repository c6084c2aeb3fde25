"""One browser and one server for a run; each page is opened once for each width and kept as a `Visit`."""

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from browsers import HTML, MISSING, PAGES, chromium, launch, serving
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError
from visit import HEIGHTS, PATIENCE, Visit, load, open_page, watch
from xdist.scheduler import LoadScopeScheduling


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
    def attempt(page: str, how: int | str) -> Visit | BrowserError:
        try:
            if how == "file":
                return open_page(browser, (HTML / page).as_uri(), 1440, judge=False)
            return open_page(browser, root + page, how)
        except BrowserError as error:  # once is enough: the other tests of this visit fail without another wait
            return error

    def visit(page: str, how: int | str) -> Visit:
        result = attempt(page, how)
        if isinstance(result, BrowserError):
            pytest.fail(f"the page could not be visited: {result}")
        return result

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
    """Give each test that asks for it every page."""
    named = any("page_name" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "page_name" in metafunc.fixturenames and not named:
        metafunc.parametrize("page_name", PAGES)


class PageByPage(LoadScopeScheduling):
    """Run all tests of one page in one process, where its visits are kept; the other tests file by file."""

    def _split_scope(self, nodeid: str) -> str:
        page = re.search(r"[^\[]*\.html", nodeid.partition("[")[2])
        return page[0] if page else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log) -> LoadScopeScheduling:
    return PageByPage(config, log)
