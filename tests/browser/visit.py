"""One visit to a page of the built book: opened once for each width, it collects everything that tests ask."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from controls import drive
from playwright.sync_api import Browser, Page, Request
from playwright.sync_api import Error as BrowserError

PROBES = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")
HEIGHTS = {390: 844, 1440: 900}
PATIENCE = 120_000  # milliseconds: the two cores may have other work
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]  # WCAG 2.2, levels A and AA
AXE_CALL = "([out, options]) => axe.run(out ? { exclude: [[out]] } : document, options)"
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


def watch(page: Page, address: str) -> Visit:
    """Collect from now on what goes wrong on the page: console errors, failed requests, requests to other hosts."""
    visit = Visit(address)
    home = urlsplit(address)

    def requested(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and (parts.scheme, parts.netloc) != (home.scheme, home.netloc):
            visit.foreign.append(request.url)

    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", requested)
    page.on("requestfailed", lambda request: visit.failed.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda got: visit.failed.append(f"{got.url}: {got.status}") if got.status >= 400 else None)
    return visit


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
    """Fill in everything that is asked of an opened page, in whatever colours it has."""
    asked = ("tooWide", "sticksOut", "unreachable", "plots", "attention", "lost", "weight", "kinds")
    visit.facts = {name: page.evaluate(f"kcProbes.{name}()") for name in asked}
    return visit


def judge_narrow(page: Page, visit: Visit) -> None:
    """Run axe on what surrounds the text, which is another on a phone; the text itself is judged on the wide page."""
    page.evaluate("kcProbes.thin()")
    visit.axe["narrow"] = findings(page, RULES, leave_out="article")


def judge_colours(page: Page, visit: Visit) -> None:
    """Judge both themes: text in drawings, code and tables of numbers by our probe, all the rest by axe."""
    for theme in ("dark", "light"):
        change_theme(page, theme)
        visit.pale[theme] = page.evaluate(f"[...kcProbes.pale({CONTRAST}), ...kcProbes.paleMany({TEXT_CONTRAST})]")
    page.evaluate("kcProbes.thin()")
    visit.axe["light"] = findings(page, RULES)
    change_theme(page, "dark")
    visit.axe["dark"] = findings(page, ["color-contrast"])


def open_page(browser: Browser, address: str, width: int, *, judge: bool = True) -> Visit:
    """Visit a page in a fresh context, whose cache is empty; `judge` its accessibility and colours, too."""
    begin = time.monotonic()
    size = {"width": width, "height": HEIGHTS[width]}
    context = browser.new_context(viewport=size, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    visit = watch(page, address)
    load(page, address)
    collect(page, visit)
    if judge:
        visit.controls = drive(page) if width > 600 else []
        (judge_narrow if width < 600 else judge_colours)(page, visit)
    context.close()
    visit.seconds = time.monotonic() - begin
    return visit
