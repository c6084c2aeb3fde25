"""The probes find what they are for: made-up bad pages, each with one fault, and one page without any."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browsers import serving
from controls import drive
from playwright.sync_api import Browser
from visit import Visit, collect, findings, load, open_page, watch

PLOT = """<div class="kc-figure" role="figure" aria-label="Bars"><div class="plotly-graph-div js-plotly-plot">
<svg class="main-svg" width="300" height="200" role="img" aria-label="Bars"><g class="overplot">{marks}</g>
<text x="20" y="100" style="fill: {ink}">tick</text></svg></div></div>"""
BAR = '<path d="M10,10h20v50h-20z" style="fill: #137249"/>'
VIEW = """<div id="circuits-vis-1">{text}<canvas width="80" height="80" role="img" aria-label="Head 0"></canvas></div>
<script>const pen = document.querySelector("canvas").getContext("2d"); {draw}</script>"""
DRAW = "pen.fillRect(0, 0, 9, 9)"
GOOD = (
    PLOT.format(marks=BAR, ink="#222") + VIEW.format(text="tokens", draw=DRAW) + '<a href="#here">x</a><p id="here">y'
)
STYLE = (
    "<style>html { color: #222; background: #fff } html[data-theme=dark] { color: #ddd; background: #12181b }</style>"
)
THEME = """<script>const dark = matchMedia("(prefers-color-scheme: dark)");
const choose = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");
dark.addEventListener("change", choose); choose();</script>"""
LONG = "<pre{}>" + "long " * 200 + "</pre>"


@pytest.fixture
def visit_to(browser: Browser, tmp_path: Path) -> Callable[..., Visit]:
    def visit(body: str, width: int = 390, axe: bool = False, drives: bool = False) -> Visit:
        head = f"<meta charset='utf-8'><link rel='icon' href='data:,'><title>A page</title>{STYLE}{THEME}"
        (tmp_path / "page.html").write_text(
            f"<!doctype html><html lang='en'><head>{head}</head><body><article>{body}</article></body></html>"
        )
        with serving(tmp_path) as root:
            page = browser.new_page(viewport={"width": width, "height": 800})
            seen = watch(page, root + "page.html")
            load(page, root + "page.html")
            collect(page, seen)
            seen.pale["light"] = page.evaluate("[...kcProbes.pale(3), ...kcProbes.paleMany(4.5)]")
            seen.axe["light"] = findings(page, ["wcag2a", "wcag2aa"]) if axe else []
            seen.controls = drive(page) if drives else []
            page.close()
        return seen

    return visit


def test_a_good_page_passes(browser: Browser, visit_to: Callable[..., Visit]):
    seen = visit_to(GOOD, axe=True)
    assert seen.errors == seen.failed == seen.foreign == seen.axe["light"] == seen.pale["light"] == []
    facts = seen.facts
    assert facts["tooWide"] == facts["sticksOut"] == facts["unreachable"] == facts["lost"] == []
    assert [plot["marks"] for plot in facts["plots"]] == [1]
    assert [(view["pictures"], view["empty"], view["text"]) for view in facts["attention"]] == [(1, 0, "tokens")]
    assert facts["kinds"] == {"plots": True, "attention": True, "maths": False, "explorer": False}
    assert 500 < facts["weight"]["html"] == facts["weight"]["bytes"] < 5000


def test_errors_of_scripts_are_seen(visit_to: Callable[..., Visit]):
    assert visit_to("<script>undefinedFunction()</script>").errors
    assert visit_to("<script>console.error('no')</script>").errors == ["no"]
    assert visit_to("<script>Promise.reject(new Error('late'))</script>").errors


def test_failed_and_foreign_requests_are_seen(visit_to: Callable[..., Visit]):
    seen = visit_to("<img alt='' src='not-there.png'>")
    assert any("not-there.png: 404" in one for one in seen.failed) and seen.foreign == []
    for body in (
        "<img alt='' src='https://example.org/a.png'>",
        "<script>fetch('http://127.0.0.2/data').catch(() => 0)</script>",
        "<style>@font-face { font-family: f; src: url(//example.org/f.woff2) } p { font-family: f }</style><p>x</p>",
    ):
        assert len(visit_to(body).foreign) == 1, body


@pytest.mark.parametrize("body", ["<div style='width: 900px'>wide</div>", LONG.format("")])
def test_what_is_too_wide_is_seen(body: str, visit_to: Callable[..., Visit]):
    facts = visit_to(body).facts
    assert facts["tooWide"] and facts["sticksOut"]


def test_what_is_cut_off_at_the_edge_is_seen(visit_to: Callable[..., Visit]):
    facts = visit_to("<style>html { overflow-x: clip }</style><div style='width: 900px'>wide</div>").facts
    assert facts["tooWide"] or facts["sticksOut"]


def test_a_box_out_of_the_keyboards_reach_is_seen(visit_to: Callable[..., Visit]):
    assert visit_to(LONG.format(" style='overflow: auto'")).facts["unreachable"]
    assert visit_to(LONG.format(" style='overflow: auto' tabindex=0")).facts["unreachable"] == []


@pytest.mark.parametrize(
    "marks", ["", '<path d=""/>', '<path d="M0,0h9v9z" style="fill: none"/>', '<rect width="0" height="0"/>']
)
def test_an_empty_plot_is_seen(marks: str, visit_to: Callable[..., Visit]):
    assert [plot["marks"] for plot in visit_to(PLOT.format(marks=marks, ink="#222")).facts["plots"]] == [0]


def test_an_empty_attention_view_is_seen(visit_to: Callable[..., Visit]):
    assert visit_to(VIEW.format(text="tokens", draw="")).facts["attention"][0]["empty"] == 1
    assert visit_to(VIEW.format(text="", draw=DRAW)).facts["attention"][0]["text"] == ""


def test_pale_text_is_seen(visit_to: Callable[..., Visit]):
    assert visit_to(PLOT.format(marks=BAR, ink="#ccc")).pale["light"]
    on_a_bar = '<path d="M0,0h300v200h-300z" style="fill: #137249"/>'
    assert visit_to(PLOT.format(marks=on_a_bar, ink="#222")).pale["light"], "dark on dark"
    assert visit_to(PLOT.format(marks=on_a_bar, ink="#fff")).pale["light"] == [], "white on dark"
    assert visit_to("<pre><span style='color: #999'># a comment</span></pre>").pale["light"]


def test_a_control_that_does_nothing_is_seen(visit_to: Callable[..., Visit]):
    menu = '<g><rect class="slider-rail-touch-rect" x="5" y="150" width="200" height="9" fill="#555"/></g>'
    assert [one["changed"] for one in visit_to(PLOT.format(marks=BAR + menu, ink="#222"), drives=True).controls] == [
        False,
        False,
    ]


def test_a_lost_anchor_is_seen(visit_to: Callable[..., Visit]):
    assert visit_to("<a href='#nowhere'>x</a>").facts["lost"] == ["#nowhere"]


@pytest.mark.parametrize(
    "body, rule",
    [
        ("<select><option>1</option></select>", "select-name"),
        ("<img src='data:,'>", "image-alt"),
        ("<p style='color: #bbb'>pale</p>", "color-contrast"),
        ("<button></button>", "button-name"),
        ("<canvas role='img'></canvas>", "role-img-alt"),
    ],
)
def test_axe_is_at_work(body: str, rule: str, visit_to: Callable[..., Visit]):
    found = visit_to(body, axe=True).axe["light"]
    assert rule in {one["rule"] for one in found if one["impact"] in ("serious", "critical")}


def test_a_whole_visit_judges_both_themes(browser: Browser, tmp_path: Path):
    body = PLOT.format(marks=BAR, ink="#222") + "<p style='color: #333'>dark</p><pre>code</pre>"
    (tmp_path / "page.html").write_text(f"<!doctype html><html lang='en'><title>x</title>{STYLE}{THEME}{body}</html>")
    seen = open_page(browser, (tmp_path / "page.html").as_uri(), 1440)
    assert seen.pale["light"] == [] and "tick" in seen.pale["dark"][0]
    assert seen.axe["light"] == [] and [one["rule"] for one in seen.axe["dark"]] == ["color-contrast"]
