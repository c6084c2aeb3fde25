"""Figures: readable by everybody, complete on a page without a kernel, and never fetched from elsewhere."""

import itertools
import json
import re
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from _tools.execution import KERNEL
from _tools.page_figures import TABLE_ROWS, PageRenderer, numbers_table
from plotly.offline import get_plotlyjs_version

from helpers.figures import display

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "_static"

# Machado, Oliveira and Fernandes (2009), severity 1.0: what linear RGB becomes for a colour-blind reader.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TOGETHER = [
    ("sources", "readers"),
    ("mover", "relation", "mixture", "mlp", "other"),
    ("clean", "corrupt", "other"),
    ("subject", "answer", "relation"),
    ("subject", "answer", "other"),
]


def linear(color: str) -> np.ndarray:
    srgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(first: str, second: str) -> float:
    a, b = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (first, second))
    return (b + 0.05) / (a + 0.05)


@pytest.fixture
def in_the_book(monkeypatch: pytest.MonkeyPatch):
    """Set the display up as the book's build does, and undo it."""
    from circuitsvis.utils import render

    monkeypatch.setenv("BOOK_FIGURES", KERNEL["BOOK_FIGURES"])
    for name in ("render_local", "internet_on"):
        monkeypatch.setattr(render, name, getattr(render, name))
    renderer, template = pio.renderers.default, pio.templates.default
    display.setup()
    yield
    pio.renderers.default, pio.templates.default = renderer, template


def page(figure: go.Figure) -> str:
    return PageRenderer().to_mimebundle(figure.to_dict())["text/html"]


@pytest.mark.parametrize("background", ["#ffffff", "#12181b"])
def test_every_colour_stands_out_from_the_page(background: str):
    for name, color in display.COLORS.items():
        assert contrast(color, background) >= 2.95, (name, contrast(color, background))


@pytest.mark.parametrize("vision", VISION)
def test_colours_that_appear_together_can_be_told_apart(vision: str):
    for group in TOGETHER:
        for a, b in itertools.combinations(group, 2):
            seen = [lab(VISION[vision] @ linear(display.COLORS[name])) for name in (a, b)]
            assert np.linalg.norm(seen[0] - seen[1]) > 20, (a, b)


def test_the_style_sheet_recolours_what_the_template_draws():
    css = (STATIC / "custom.css").read_text(encoding="utf-8")
    for color in (display.INK, display.GRID):
        assert f'[style*="{color}"]' in css
    text = [int(n) for n in re.findall(r"\d+", display.INK)]
    assert contrast("#" + "".join(f"{n:02x}" for n in text), "#ffffff") >= 4.5


def test_the_vendored_plotly_is_the_one_that_python_expects():
    script = (STATIC / "vendor" / "plotly" / "plotly-cartesian.min.js").read_text(encoding="utf-8")
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}" in script[:200]


def test_everything_vendored_has_its_licence():
    folders = [folder for folder in (STATIC / "vendor").iterdir() if folder.is_dir()]
    assert folders
    for folder in folders:
        assert any("LICENSE" in file.name for file in folder.iterdir()), folder.name


def test_a_figure_in_the_book_has_a_name_and_no_address(in_the_book, capsys):
    figure = go.Figure(go.Scatter(x=[1, 2], y=[0.5, 0.25]), layout_title_text="It falls <b>fast</b> & far")
    figure.update_layout(meta={"alt": 'A line that falls, "fast"'})
    html = page(figure)
    assert 'role="figure"' in html and 'aria-label="A line that falls, &quot;fast&quot;"' in html
    assert "It falls <b>fast</b> &amp; far</p>" in html, "the title is text, so that it wraps on a phone"
    assert "kcPlot(" in html and "Plotly.newPlot(" not in html
    assert "http" not in html, "nothing is fetched"


def test_the_title_stays_in_a_figure_whose_controls_change_it(in_the_book):
    figure = go.Figure(go.Bar(y=[1, 2]), layout_title_text="layer 0")
    steps = [dict(method="relayout", label="1", args=[{"title.text": "layer 1"}])]
    figure.update_layout(sliders=[dict(steps=steps)])
    assert "kc-title" not in page(figure)


def test_the_numbers_follow_the_figure():
    figure = go.Figure(layout=dict(xaxis_title="layer", yaxis_title="rank <b>(0 is best)</b>"))
    figure.add_scatter(x=np.arange(3), y=np.array([9.0, 4.123456, 0.0]), name="subject")
    table = numbers_table(figure.to_dict())
    assert '<th scope="col">layer</th>' in table and "(0 is best)" in table
    assert "<td>subject</td><td>1</td><td>4.123</td>" in table


def test_a_heatmap_becomes_a_matrix():
    figure = go.Figure(go.Heatmap(z=np.eye(2), x=["a", "<b>"], y=["p", "q"]))
    table = numbers_table(figure.to_dict())
    assert "<td>p</td><td>1</td><td>0</td>" in table and "&lt;b&gt;" in table


def test_a_long_table_says_how_much_it_leaves_out():
    figure = go.Figure(go.Scatter(x=np.arange(100), y=np.arange(100)))
    table = numbers_table(figure.to_dict())
    assert table.count("<tr>") == TABLE_ROWS + 1 and f"{100 - TABLE_ROWS} more rows" in table


def test_a_figure_without_a_table_form_has_none():
    wide = dict(z=np.zeros((2, 500)), x=np.arange(500), y=np.arange(2))
    assert numbers_table(go.Figure(go.Heatmap(**wide)).to_dict()) == ""
    assert numbers_table(go.Figure().to_dict()) == ""


def test_numbers_are_stored_in_single_precision(in_the_book):
    figure = go.Figure(go.Heatmap(z=np.random.default_rng(0).random((50, 50))))
    assert len(page(figure)) < 50 * 50 * 4 * 4 / 3 + 20_000
    assert figure.data[0].z.dtype == np.float64, "the figure itself is not changed"


def test_show_demands_a_text_alternative():
    with pytest.raises(ValueError, match="alt is empty"):
        display.show(go.Figure(), alt="  ")
    with pytest.raises(ValueError, match="figure has to be .* not None"):
        display.show(None, alt="Nothing.")


def test_circuitsvis_writes_numbers_only(in_the_book):
    from circuitsvis.attention import attention_heads

    patterns = np.full((1, 2, 2), 1 / 3)
    html = attention_heads(patterns, ["a", "</script>"])._repr_html_()
    assert "0.333" in html and "0.3333" not in html
    assert html.count("</script>") == 1, "a token cannot end the script"
    assert "http" not in html and len(html) < 2000


def test_circuitsvis_asks_nobody_outside_the_book_either(monkeypatch):
    from circuitsvis.attention import attention_heads
    from circuitsvis.utils import render

    def refuse(*arguments, **options):
        raise AssertionError("a request")

    monkeypatch.delenv("BOOK_BUILD", raising=False)
    monkeypatch.setattr(render, "internet_on", render.internet_on)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(render.request, "urlopen", refuse)
    template = pio.templates.default
    display.setup()
    html = attention_heads(np.full((1, 2, 2), 0.5), ["a", "b"])._repr_html_()
    pio.templates.default = template
    assert "unpkg.com" not in html and "CircuitsVis.render(" in html


def test_explore_shows_the_page_in_the_book_and_controls_elsewhere(monkeypatch):
    called = []
    monkeypatch.setenv("BOOK_BUILD", "1")
    display.explore(lambda k: called.append(("live", k)), page=lambda: called.append("page"), k=(0, 3))
    assert called == ["page", ("live", 0)], "in the book, the live function is tried, too"
    monkeypatch.delenv("BOOK_BUILD")
    display.explore(lambda k: called.append(("live", k)), page=lambda: called.append("page"), k=(0, 3))
    assert called == ["page", ("live", 0), ("live", 1)]


@pytest.mark.parametrize("control", [["a", "b"], {"x": "a"}, [("shown", "a")], "a", SimpleNamespace(value="a")])
def test_explore_knows_the_first_value_of_a_control(control, monkeypatch):
    seen = []
    monkeypatch.setenv("BOOK_BUILD", "1")
    display.explore(lambda k: seen.append(k), page=lambda: None, k=control)
    assert seen == ["a"]


def test_setup_outside_the_book_only_sets_the_template(monkeypatch):
    monkeypatch.delenv("BOOK_FIGURES", raising=False)
    renderer, template = pio.renderers.default, pio.templates.default
    display.setup()
    assert pio.renderers.default == renderer and pio.templates.default == "book"
    assert json.loads(go.Figure().to_json())["layout"]["template"]["layout"]["autosize"] is True
    pio.templates.default = template


def dark_colors() -> dict[str, str]:
    """What the page draws on a dark ground in place of `display.COLORS`."""
    light, dark = (STATIC / "figures.js").read_text(encoding="utf-8").split("const LIGHT")[1].split("const DARK")
    for scale in (display.SEQUENTIAL, display.DIVERGING):
        assert json.dumps(scale) in light
    rows = [[re.findall("#[0-9a-f]{6}", line) for line in part.splitlines()[1:4]] for part in (light, dark)]
    assert [len(row) for row in rows[0]] == [len(row) for row in rows[1]]
    brighter = dict(zip(rows[0][2], rows[1][2], strict=True))
    assert set(brighter) == {display.COLORS[name] for name in ("mlp", "relation", "mixture")}
    return {name: brighter.get(color, color) for name, color in display.COLORS.items()}


@pytest.mark.parametrize("vision", VISION)
def test_a_dark_pages_colours_are_brighter_and_can_be_told_apart(vision: str):
    dark = dark_colors()
    changed = [color for name, color in dark.items() if color != display.COLORS[name]]
    assert all(contrast(color, "#12181b") >= 3.4 for color in changed)
    for group in TOGETHER:
        for a, b in itertools.combinations(group, 2):
            seen = [lab(VISION[vision] @ linear(dark[name])) for name in (a, b)]
            assert np.linalg.norm(seen[0] - seen[1]) > 20, (a, b)


def test_the_colours_that_a_dark_page_explains_are_those_of_its_figures():
    css = (STATIC / "reading.css").read_text(encoding="utf-8")
    for name, color in dark_colors().items():
        if color != display.COLORS[name]:
            assert f'html[data-theme="dark"] .kc-swatch[data-colour="{name}"]' in css and color in css
