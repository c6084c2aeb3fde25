"""One browser, one server and one tab for a run; each page is opened once and kept as a `Visit` for each width."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from urllib.parse import urlsplit

import pytest
from browsers import HTML, MISSING, PAGES, chromium, launch, serving
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError
from visit import PATIENCE, Visit, load, prepared, visit_on_a_phone, visit_page, watching
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
def tab(browser: Browser) -> Callable[[str], Page]:
    """Return a function: a blank tab for a scheme (a browser changes processes between http and file).

    It is kept from test to test, without what pages have stored; and replaced if it died.
    """
    tabs: dict[str, Page] = {}

    def blank(scheme: str) -> Page:
        page = tabs.get(scheme)
        try:
            page.evaluate("location.protocol !== 'about:' && (localStorage.clear(), sessionStorage.clear())")
            page.goto("about:blank")
        except (AttributeError, BrowserError):
            if page:
                page.context.close()
            tabs[scheme] = page = browser.new_context(reduced_motion="reduce").new_page()
            page.set_default_timeout(PATIENCE)
        return page

    return blank


@pytest.fixture(scope="session")
def visits(tab: Callable[[str], Page], root: str) -> Callable[[str, int | str], Visit]:
    """Return a function: page, and 390 or 1440 (over http) or "file" (on a phone); opens at the first call only."""

    @cache
    def attempt(page: str, scheme: str) -> dict[int | str, Visit] | BrowserError:
        try:
            if scheme == "file":
                return {"file": visit_on_a_phone(tab("file"), (HTML / page).as_uri())}
            return visit_page(tab("http"), root + page)
        except BrowserError as error:  # once is enough: the other tests of this visit fail without another wait
            return error

    def visit(page: str, how: int | str) -> Visit:
        result = attempt(page, "file" if how == "file" else "http")
        if isinstance(result, BrowserError):
            pytest.fail(f"the page could not be visited: {result}")
        return result[how]

    return visit


@pytest.fixture
def opened(tab: Callable[[str], Page]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an address for a test to use: what goes wrong on it, too, fails the test."""
    watched = []

    with ExitStack() as watches:

        def open_it(address: str, width: int = 1440, unfolded: bool = True) -> Page:
            watches.close()  # of the page that was in this tab before
            page = prepared(tab(urlsplit(address).scheme), width)
            watched.append(watches.enter_context(watching(page, Visit(address))))
            load(page, address, unfolded=unfolded)
            return page

        yield open_it
    assert [error for visit in watched for error in visit.errors + visit.failed + visit.foreign] == []


def pytest_generate_tests(metafunc) -> None:
    """Give each test that asks for it every page."""
    named = any("page_name" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "page_name" in metafunc.fixturenames and not named:
        metafunc.parametrize("page_name", PAGES)


class PageByPage(LoadScopeScheduling):
    """Run all tests of one page in one process, where its visits are kept; before them the other tests, by file."""

    def _split_scope(self, nodeid: str) -> str:
        page = re.search(r"[^\[]*\.html", nodeid.partition("[")[2])
        return page[0] if page else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # files of tests first and then heavy pages: what is long must not end alone
    return PageByPage(config, log)
