"""Figures that read well in the built book, in Jupyter and in Colab, in light and in dark.

``setup()`` is called once per chapter. ``show()`` shows a figure with a text alternative. In the built
book a figure is drawn by scripts that lie beside the page, and its numbers follow as a folded table;
elsewhere nothing is unusual.
"""

from __future__ import annotations

import html
import json
import os
import re
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import HTML
from IPython.display import display as ipython_display
from IPython.utils.capture import capture_output
from plotly.basedatatypes import BaseFigure
from plotly.io.base_renderers import MimetypeRenderer

# What a colour means is the same in every chapter. Colours that appear together can be told apart by people
# with any common kind of colour blindness, and stand out from a white page and from a dark one.
COLORS = MappingProxyType(
    {
        "sources": "#4e92b5",
        "readers": "#be8541",
        "mover": "#4596e3",
        "relation": "#b9390c",
        "mixture": "#b71ba0",
        "mlp": "#137249",
        "clean": "#5d76db",
        "corrupt": "#cb5254",
        "subject": "#9443a9",
        "answer": "#40a44f",
        "other": "#879099",
    }
)
# The page's style sheet replaces exactly these two colours when the page is dark.
INK = "rgb(94, 108, 117)"
GRID = "rgb(217, 223, 226)"
SEQUENTIAL = ["#eef5f6", "#b5d5db", "#6eabb8", "#2c7e90", "#0e5566", "#07303b"]
DIVERGING = ["#0b5fa5", "#77aed6", "#eef0f0", "#e9a06b", "#c14f00"]
CONFIG = {"responsive": True, "displayModeBar": False}
TITLE_TAGS = re.compile(r"&lt;(/?(?:b|i|br|sub|sup))/?&gt;")


class RichOutput(Protocol):
    """Anything that a notebook can show as HTML, such as a circuitsvis picture."""

    def _repr_html_(self) -> str: ...


def building() -> bool:
    """Return whether this kernel is executing a chapter for the built book, where no kernel will be left."""
    return os.environ.get("BOOK_BUILD") == "1"


def template() -> go.layout.Template:
    """Return the book's plotly template: transparent, quiet, with the page's fonts."""
    title = dict(standoff=10, font=dict(size=14))
    lines = dict(gridcolor=GRID, linecolor=GRID, zerolinecolor=GRID)
    axis = dict(automargin=True, ticks="", tickfont=dict(size=13), title=title, **lines)
    order = ("mover", "relation", "mlp", "mixture", "readers", "corrupt", "sources", "other")
    layout = go.Layout(
        autosize=True,
        font=dict(family="inherit", size=13, color=INK),
        title=dict(x=0, xref="paper", xanchor="left", font=dict(size=16)),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=[COLORS[name] for name in order],
        colorscale=dict(sequential=SEQUENTIAL, sequentialminus=SEQUENTIAL[::-1], diverging=DIVERGING),
        coloraxis=dict(colorbar=dict(outlinewidth=0, thickness=12, ticklen=0)),
        hovermode="closest",
        hoverlabel=dict(font=dict(family="inherit", size=13)),
        legend=dict(orientation="h", x=0, y=1.02, xanchor="left", yanchor="bottom", title=dict(text="")),
        margin=dict(l=8, r=8, t=64, b=8),
        xaxis=axis,
        yaxis=axis,
    )
    heatmap = go.Heatmap(colorscale=SEQUENTIAL, colorbar=dict(outlinewidth=0, thickness=12, ticklen=0))
    return go.layout.Template(layout=layout, data=dict(heatmap=[heatmap]))


def setup() -> None:
    """Make the book's template the default; in the book's build, draw with the book's own scripts.

    circuitsvis asks a search engine whether there is internet, and waits for the answer, each time it draws; it would
    then fetch its script from elsewhere. From here on it draws with the script in its own package.
    """
    from circuitsvis.utils import render

    render.internet_on = lambda: False
    pio.templates["book"] = template()
    pio.templates.default = "book"
    if building():
        pio.renderers["book"] = BookRenderer()
        pio.renderers.default = "book"
        _render_circuitsvis_for_the_page()


def show(figure: BaseFigure | RichOutput, *, alt: str) -> None:
    """Show a figure together with its text alternative.

    Args:
        figure: a plotly figure, or any object that a notebook shows as HTML, such as a circuitsvis picture.
        alt: what the figure shows and what is to be seen in it, for readers who cannot see it.

    Raises:
        ValueError: if ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence or two what the figure shows")
    if isinstance(figure, BaseFigure):
        described = go.Figure(figure)
        described.update_layout(meta=(described.layout.meta or {}) | {"alt": alt})
        if not building():
            ipython_display(HTML(f'<p style="position:absolute;left:-9999px">{html.escape(alt)}</p>'))
        described.show(config=CONFIG)
        return
    ipython_display(HTML(_figure(figure._repr_html_(), alt, "kc-card")))


def explore(function: Callable[..., object], *, page: Callable[[], object], **controls: Any) -> None:
    """Give whoever has a kernel live controls, and the page without one a figure in their place.

    Args:
        function: called with the controls' values, on every change; shows something.
        page: called once in the book's build instead; shows the answer for several values. There ``function`` is
            tried once, unseen, with its controls' first values: what only a kernel shows must not break unnoticed.
        **controls: for each argument of ``function``, what ``ipywidgets.interact`` accepts.
    """
    if building():
        page()
        with capture_output():
            function(**{name: _first(control) for name, control in controls.items()})
        return
    import ipywidgets

    ipywidgets.interact(function, **controls)


def _first(control: Any) -> Any:
    """The first value of what ``ipywidgets.interact`` accepts: a widget, choices, a range, or a value."""
    if hasattr(control, "value"):
        return control.value
    if isinstance(control, (dict, list, tuple)):
        first = next(iter(control.values() if isinstance(control, dict) else control))
        return first[1] if isinstance(first, tuple) else first
    return control


class BookRenderer(MimetypeRenderer):
    """Writes a plotly figure as HTML that needs only the script which the page brings along."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = dict(CONFIG)

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        """Return the figure as HTML: title, drawing, and the numbers as a folded table."""
        layout = fig_dict.setdefault("layout", {})
        title = layout.get("title") or {}
        text = title.get("text") or ""
        alt = (layout.get("meta") or {}).get("alt") or text or "Interactive figure"
        controls = json.dumps([layout.get("sliders"), layout.get("updatemenus"), fig_dict.get("frames")], default=str)
        heading = ""
        if text and '"title' not in controls:  # a control that changes the title needs it inside the drawing
            subtitle = (title.get("subtitle") or {}).get("text")
            heading = f'<p class="kc-title">{_title(text)}</p>'
            heading += f'<p class="kc-subtitle">{_title(subtitle)}</p>' if subtitle else ""
            layout["title"] = {}
            layout["margin"] = {"t": 16} | (layout.get("margin") or {})
        table = numbers_table(fig_dict)
        (layout.get("meta") or {}).pop("table", None)  # it stands beside the drawing and isn't needed in it
        for trace in fig_dict.get("data", []):
            shorten(trace)
        drawing = pio.to_html(
            fig_dict,
            config={**self.config, "plotlyServerURL": ""},
            include_plotlyjs=False,
            include_mathjax=False,
            full_html=False,
            default_height=int(layout.get("height") or 400),
            auto_play=False,
            validate=False,
        ).replace("Plotly.newPlot(", "kcPlot(")
        return {"text/html": _figure(heading + drawing + table, alt, "kc-plot")}


def _figure(body: str, alt: str, kind: str) -> str:
    label = html.escape(alt, quote=True)
    return f'<div class="kc-figure {kind}" role="figure" aria-label="{label}">{body}</div>'


def _title(text: str) -> str:
    return TITLE_TAGS.sub(r"<\1>", html.escape(text))


def _render_circuitsvis_for_the_page() -> None:
    """Make circuitsvis write its numbers only, with three decimals; the page loads its script once."""
    from circuitsvis.utils import render
    from circuitsvis.utils.convert_props import convert_props

    def for_the_page(name: str, **props: Any) -> str:
        ident = f"circuits-vis-{uuid.uuid4().hex[:12]}"
        numbers = json.loads(convert_props(props), parse_float=lambda digits: round(float(digits), 3))
        data = json.dumps(numbers, separators=(",", ":")).replace("</", "<\\/")
        script = f'CircuitsVis.render("{ident}", CircuitsVis.{name}, {data})'
        return f'<div id="{ident}"></div><script>{script}</script>'

    render.render_local = for_the_page


TABLE_ROWS = 60
TABLE_COLUMNS = 40


def _values(value: Any) -> np.ndarray | None:
    """Return an array of a figure as plotly stores it (a list, a tuple, or base64 of its bytes)."""
    if isinstance(value, dict) and "bdata" in value:
        flat = np.frombuffer(b64decode(value["bdata"]), dtype=np.dtype(value["dtype"]))
        shape = [int(n) for n in str(value.get("shape", flat.size)).split(",")]
        return flat.reshape(shape)
    if isinstance(value, list | tuple | np.ndarray):
        try:
            return np.asarray(value)
        except ValueError:  # rows of unequal length
            return None
    return None


def shorten(trace: dict[str, Any]) -> None:
    """Store a trace's arrays in single precision: half the size, and no difference to the eye."""
    for key in ("x", "y", "z"):
        stored = trace.get(key)
        if isinstance(stored, dict) and stored.get("dtype") == "f8":
            array = _values(stored).astype(np.float32)
            trace[key] = {**stored, "dtype": "f4", "bdata": b64encode(array.tobytes()).decode()}


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return html.escape(str(value))


def _rows(trace: dict[str, Any], name: str) -> list[list[Any]]:
    """Return a trace's numbers as rows that begin with its name; none if it has no table form."""
    x, y, z = (_values(trace.get(key)) for key in "xyz")
    if z is not None and z.ndim == 2 and z.shape[1] <= TABLE_COLUMNS:
        columns = x if x is not None and len(x) == z.shape[1] else np.arange(z.shape[1])
        labels = y if y is not None and len(y) == z.shape[0] else np.arange(z.shape[0])
        return [["", *columns], *([label, *row] for label, row in zip(labels, z, strict=True))]
    if z is None and x is not None and y is not None and x.ndim == y.ndim == 1:
        return [[name, a, b] for a, b in zip(x, y, strict=False)]
    return []


def _all_rows(fig_dict: dict[str, Any]) -> list[list[Any]]:
    """Return the rows of all traces, below a head that names the axes."""
    layout, rows = fig_dict["layout"], []
    matrix = any("z" in trace for trace in fig_dict.get("data", []))
    if not matrix:
        axes = [((layout.get(key) or {}).get("title") or {}).get("text") or key[0] for key in ("xaxis", "yaxis")]
        rows.append(["", *(re.sub("<[^>]*>", " ", axis) for axis in axes)])
    for number, trace in enumerate(fig_dict.get("data", []), 1):
        rows += _rows(trace, trace.get("name") or (str(number) if len(fig_dict["data"]) > 1 else ""))
    return rows


def numbers_table(fig_dict: dict[str, Any]) -> str:
    """Return the figure's numbers as a folded HTML table, or nothing if they have no table form.

    A figure whose coordinates mean nothing brings its own rows, the first one as their head, in ``layout.meta.table``.
    """
    rows = (fig_dict["layout"].get("meta") or {}).get("table") or _all_rows(fig_dict)
    if len(rows) < 2:
        return ""
    lines = ["".join(f"<td>{_cell(value)}</td>" for value in row) for row in rows[: TABLE_ROWS + 1]]
    head = lines[0].replace("<td>", '<th scope="col">').replace("</td>", "</th>")
    body = "".join(f"<tr>{line}</tr>" for line in lines[1:])
    left = len(rows) - len(lines)
    more = f"<p>{left} more rows are in the figure.</p>" if left else ""
    return (
        '<details class="kc-data"><summary>The numbers</summary>'
        '<div tabindex="0" role="region" aria-label="The numbers of this figure">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}</details>"
    )
