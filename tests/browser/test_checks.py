"""The probes find what they are for: made-up bad pages, each with one fault, and one page without any."""

from collections.abc import Callable, Iterator
from pathlib import Path

import plotly.graph_objects as go
import pytest
from _tools.page_figures import PageRenderer
from browsers import serving
from controls import drive
from playwright.sync_api import Page
from visit import Visit, collect, findings, load, prepared, visit_page, watching

STATIC = Path(__file__).resolve().parents[2] / "book" / "_static"
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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("pages")
    with serving(folder) as root:
        yield folder, root


@pytest.fixture
def visit_to(tab: Callable[[str], Page], place: tuple[Path, str]) -> Callable[..., Visit]:
    folder, root = place

    def visit(body: str, axe: bool = False, drives: bool = False) -> Visit:
        name = f"{len(list(folder.iterdir()))}.html"  # never one that the browser may remember
        head = f"<meta charset='utf-8'><link rel='icon' href='data:,'><title>A page</title>{STYLE}{THEME}"
        (folder / name).write_text(
            f"<!doctype html><html lang='en'><head>{head}</head><body><article>{body}</article></body></html>"
        )
        page = prepared(tab("http"), 390)
        with watching(page, Visit(root + name)) as seen:
            load(page, root + name)
            collect(page, seen)
            seen.pale["light"] = page.evaluate("[...kcProbes.pale(3), ...kcProbes.paleMany(4.5)]")
            seen.axe["light"] = findings(page, ["wcag2a", "wcag2aa"]) if axe else []
            seen.controls = drive(page) if drives else []
        return seen

    return visit


def test_a_good_page_passes(visit_to: Callable[..., Visit]):
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


def test_controls_that_change_their_pictures_pass(tab: Callable[[str], Page], tmp_path: Path):
    figure = go.Figure([go.Bar(y=[1, 2]), go.Bar(y=[2, 1], visible=False)])
    shown = [dict(label=f"{n}", method="restyle", args=["visible", [n == 0, n == 1]]) for n in range(2)]
    figure.update_layout(updatemenus=[dict(buttons=shown)])
    drawing = PageRenderer().to_mimebundle(figure.to_plotly_json())["text/html"]
    view = """<div id="circuits-vis-1"><div role="button" tabindex="0"><h4>Head 0</h4></div><canvas></canvas></div>
<script>document.querySelector("[role=button]").onkeydown = () =>
  setTimeout(() => document.querySelector("canvas").getContext("2d").fillRect(0, 0, 9, 9), 200)</script>"""
    names = ("vendor/plotly/plotly-cartesian.min.js", "accessibility.js", "figures.js")
    scripts = "".join(f"<script src='{(STATIC / name).as_uri()}'></script>" for name in names)
    (tmp_path / "page.html").write_text(f"<!doctype html><title>x</title>{scripts}<p>{drawing}{view}")
    page = prepared(tab("file"), 1440)
    load(page, (tmp_path / "page.html").as_uri())
    assert [(one["control"], one["changed"]) for one in drive(page)] == [
        ("choice, keyboard", True),
        ("menu, mouse", True),
        ("head, keyboard", True),
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


def test_a_whole_visit_sees_both_themes_and_both_widths(tab: Callable[[str], Page], tmp_path: Path):
    body = PLOT.format(marks=BAR, ink="#222") + "<p style='color: #333'>dark</p><pre>code</pre><div>a box</div>"
    fault = "<style>@media (max-width: 600px) { div { min-width: 500px } }</style>"
    loud = "<script>addEventListener('resize', () => console.error(innerWidth))</script>"
    page = f"<!doctype html><html lang='en'><title>x</title>{STYLE}{THEME}{fault}{body}{loud}</html>"
    (tmp_path / "page.html").write_text(page)
    seen = visit_page(tab("file"), (tmp_path / "page.html").as_uri())
    wide, narrow = seen[1440], seen[390]
    assert wide.pale["light"] == [] and "tick" in wide.pale["dark"][0]
    assert wide.axe["light"] == [] and [one["rule"] for one in wide.axe["dark"]] == ["color-contrast"]
    assert wide.facts["tooWide"] == [] and narrow.facts["tooWide"] != []
    assert (narrow.errors, wide.errors) == (["390"], ["1440"])


def test_figures_and_scripts_may_take_a_while_to_follow_the_width(tab: Callable[[str], Page], tmp_path: Path):
    late = "setTimeout(() => document.querySelector('svg').setAttribute('width', innerWidth - 50), 400)"
    script = f"<script>addEventListener('resize', () => {late})</script>"
    plot = PLOT.format(marks=BAR, ink="#222").replace('width="300"', 'width="700"')
    (tmp_path / "page.html").write_text(f"<!doctype html><html lang='en'><title>x</title>{THEME}{plot}{script}</html>")
    seen = visit_page(tab("file"), (tmp_path / "page.html").as_uri())
    assert [seen[width].facts["plots"][0]["cut"] for width in (1440, 390)] == [0, 0]
    (tmp_path / "page.html").write_text(f"<!doctype html><html lang='en'><title>x</title>{THEME}{plot}</html>")
    seen = visit_page(tab("file"), (tmp_path / "page.html").as_uri())
    assert [seen[width].facts["plots"][0]["cut"] > 0 for width in (1440, 390)] == [False, True]


def test_a_tab_forgets_and_can_die(tab: Callable[[str], Page], place: tuple[Path, str]):
    folder, root = place
    (folder / "empty.html").write_text("<!doctype html><title>x</title><link rel='icon' href='data:,'>")
    first = tab("http")
    first.goto(root + "empty.html")
    first.evaluate("localStorage.setItem('mode', 'dark')")
    assert tab("http") is first
    first.goto(root + "empty.html")
    assert first.evaluate("localStorage.getItem('mode')") is None
    first.close()
    assert tab("http") is not first
