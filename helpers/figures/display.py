"""Figures that read well in the built book, in Jupyter and in Colab, in light and in dark.

``setup()`` is called once per chapter. ``show()`` shows a figure with a text alternative. In the built
book a figure is drawn by scripts that lie beside the page, and its numbers follow as a folded table;
elsewhere nothing is unusual.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import HTML
from IPython.display import display as ipython_display
from IPython.utils.capture import capture_output
from plotly.basedatatypes import BaseFigure

from helpers.checks import checked

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
UNREADABLE = {"<|endoftext|>": "BOS", "\ufffd": "(byte)"}  # how tokens that are no text are written
# The page's style sheet replaces exactly these two colours when the page is dark.
INK = "rgb(94, 108, 117)"
GRID = "rgb(217, 223, 226)"
SEQUENTIAL = ["#eef5f6", "#b5d5db", "#6eabb8", "#2c7e90", "#0e5566", "#07303b"]
DIVERGING = ["#0b5fa5", "#77aed6", "#eef0f0", "#e9a06b", "#c14f00"]
CONFIG = {"responsive": True, "displayModeBar": False}


@runtime_checkable
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
    if module := os.environ.get("BOOK_FIGURES"):  # whatever builds pages knows how they draw
        import_module(module).setup()


@checked
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
    ipython_display(HTML(figure_html(figure._repr_html_(), alt, "kc-card")))


@checked
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


def figure_html(body: str, alt: str, kind: str) -> str:
    """A figure's HTML with its name for screen readers; ``kind`` is the class that the style sheet knows."""
    label = html.escape(alt, quote=True)
    return f'<div class="kc-figure {kind}" role="figure" aria-label="{label}">{body}</div>'
