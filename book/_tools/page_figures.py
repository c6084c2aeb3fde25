"""How a figure of a chapter becomes part of a page: drawn by scripts beside the page, its numbers in a folded table.

The kernel that executes a chapter for the book gets this module's name in ``BOOK_FIGURES``.
"""

from __future__ import annotations

import html
import json
import re
import uuid
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer

from helpers.figures.display import CONFIG, figure_html

TITLE_TAGS = re.compile(r"&lt;(/?(?:b|i|br|sub|sup))/?&gt;")
TABLE_ROWS = 60
TABLE_COLUMNS = 40


def setup() -> None:
    """Draw with the book's own scripts from here on."""
    pio.renderers["book"] = PageRenderer()
    pio.renderers.default = "book"
    render_circuitsvis()


class PageRenderer(MimetypeRenderer):
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
        return {"text/html": figure_html(heading + drawing + table, alt, "kc-plot")}


def _title(text: str) -> str:
    return TITLE_TAGS.sub(r"<\1>", html.escape(text))


def render_circuitsvis() -> None:
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
