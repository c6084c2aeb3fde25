"""One visit to a page of the built book: opened once for each width, it collects everything that tests ask."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from controls import drive
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, Request

PROBES = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")
HEIGHTS = {390: 844, 1440: 900}
PATIENCE = 120_000  # milliseconds: the two cores may have other work
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]  # WCAG 2.2, levels A and AA
AXE_CALL = "([out, options]) => axe.run(out ? { exclude: [[out]] } : document, options)"
ASKED = ("tooWide", "sticksOut", "unreachable", "plots", "attention", "lost", "weight", "kinds")  # of probes.js
FIT = 5_000  # milliseconds for figures and the page's scripts to follow the width
CONTRAST = 3.0  # of text in drawings, at least
TEXT_CONTRAST = 4.5  # of code and of tables of numbers: what axe asks of text


@dataclass
class Visit:
    """What one opening of a page showed."""

    address: str
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    axe: dict[str, list[dict]] = field(default_factory=dict)
    pale: dict[str, list[str]] = field(default_factory=dict)
    controls: list[dict] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def watching(page: Page, visit: Visit) -> Iterator[Visit]:
    """Collect what goes wrong on the page meanwhile: console errors, failed requests, requests to other hosts."""
    home = urlsplit(visit.address)

    def requested(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and (parts.scheme, parts.netloc) != (home.scheme, home.netloc):
            visit.foreign.append(request.url)

    ears = {
        "console": lambda message: visit.errors.append(message.text) if message.type == "error" else None,
        "pageerror": lambda error: visit.errors.append(str(error)),
        "request": requested,
        "requestfailed": lambda request: visit.failed.append(f"{request.url}: {request.failure}"),
        "response": lambda got: visit.failed.append(f"{got.url}: {got.status}") if got.status >= 400 else None,
    }
    for event, hear in ears.items():
        page.on(event, hear)
    try:
        yield visit
    finally:
        for event, hear in ears.items():
            page.remove_listener(event, hear)


def prepared(page: Page, width: int, theme: str = "light") -> Page:
    """The tab, as wide as asked and in these colours."""
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    return page


def load(page: Page, address: str, *, unfolded: bool = True) -> None:
    """Open a page, unfold what is folded, and wait until everything is drawn (or patience ends)."""
    page.goto(address, wait_until="load", timeout=PATIENCE)
    page.evaluate(PROBES)
    try:
        page.wait_for_function("kcProbes.undrawn() === 0", timeout=PATIENCE)
    except BrowserError:
        pass  # the test of plots names the one that is missing
    if unfolded:
        page.evaluate("kcProbes.unfold()")
    page.evaluate("kcProbes.settled()")


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    page.wait_for_function("width => window.innerWidth === width", arg=width, timeout=PATIENCE)
    page.evaluate("kcProbes.settled()")


def findings(page: Page, rules: list[str], leave_out: str = "") -> list[dict]:
    """Return what axe finds by these rules (names or tags): rule, impact, and the elements."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    options = {"runOnly": rules, "resultTypes": ["violations"], "elementRef": False, "preload": False}
    return [
        {
            "rule": rule["id"],
            "impact": rule["impact"],
            "target": " ".join(map(str, node["target"])),
            "html": node["html"][:300],
        }
        for rule in page.evaluate(AXE_CALL, [leave_out, options])["violations"]
        for node in rule["nodes"]
    ]


def change_theme(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'", timeout=PATIENCE)
    page.evaluate("kcProbes.settled()")


def collect(page: Page, visit: Visit) -> Visit:
    """Fill in everything that is asked of an opened page, in whatever width and colours it has."""
    page.evaluate("wait => kcProbes.fitted(wait)", FIT)
    visit.facts = page.evaluate("names => Object.fromEntries(names.map(name => [name, kcProbes[name]()]))", ASKED)
    return visit


def judge_colours(page: Page, visit: Visit) -> None:
    """Judge text in drawings, code and tables of numbers by our probe, in both themes and back in the first."""
    for theme in ("dark", "light"):
        change_theme(page, theme)
        visit.pale[theme] = page.evaluate(f"[...kcProbes.pale({CONTRAST}), ...kcProbes.paleMany({TEXT_CONTRAST})]")


def visit_page(page: Page, address: str) -> dict[int, Visit]:
    """Visit an address in a tab, which may have shown others before: loaded once, wide; then made as narrow as a phone.

    A page is loaded and drawn once and seen in every width and theme, for loading takes longest. Axe comes last:
    drawings and code, on which it takes minutes, are thinned out for it. On a phone it judges what surrounds the text,
    which is another there; the text itself is judged on the wide page.
    """
    begin = time.monotonic()
    wide, narrow = Visit(address), Visit(address)
    with watching(prepared(page, 1440), wide):
        load(page, address)
        collect(page, wide)
        wide.controls = drive(page)
        judge_colours(page, wide)
    with watching(page, narrow):
        resize(page, 390)
        collect(page, narrow)
        page.evaluate("kcProbes.thin()")
        narrow.axe["narrow"] = findings(page, RULES, leave_out="article")
    with watching(page, wide):
        resize(page, 1440)
        page.evaluate("wait => kcProbes.fitted(wait)", FIT)
        wide.axe["light"] = findings(page, RULES)
        change_theme(page, "dark")
        wide.axe["dark"] = findings(page, ["color-contrast"])
    page.goto("about:blank")  # what this breaks off is no failure, neither of this page nor of the next one
    wide.seconds = time.monotonic() - begin
    return {1440: wide, 390: narrow}


def visit_on_a_phone(page: Page, address: str) -> Visit:
    """Visit an address in a tab that is narrow from the beginning, for the facts alone."""
    with watching(prepared(page, 390), Visit(address)) as visit:
        load(page, address)
        collect(page, visit)
    page.goto("about:blank")
    return visit
