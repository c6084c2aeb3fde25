"""What the tables of masks and edits say: means by place, paired differences, and the figures of the chapter."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS
from helpers.statistics import Estimate, with_interval
from helpers.studies.verdicts import for_each

NAMES = {"smollm2": "SmolLM2", "atlas2": "Atlas", "atlas2-seed1": "another seed"}
COMPONENTS = ("circuit's components", "another relation's", "all", "random weights", "other components")
MASKS = ("mask: circuit", "mask: random, same profile", "mask: rest", "all")
PLACE_COLORS = dict(zip(COMPONENTS, ("mover", "mixture", "other", "mlp", "relation"), strict=True))
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
METHODS = {"learned": "mover", "first-order": "relation", "random": "other"}


def _wide(rows: pd.DataFrame, column: str, at: str) -> pd.DataFrame:
    chosen = rows[rows["at"] == at]
    return chosen.pivot_table(index=["model", "relation", "edit"], columns="place", values=column)


def by_place(rows: pd.DataFrame, places: Sequence[str], column: str, at: str = "equal loss") -> list[Estimate]:
    """The mean of a column of `edits.confined_rows` in each place, with its interval over edits."""
    wide = _wide(rows, column, at)
    return [with_interval(wide[place].dropna().tolist()) for place in places]


def gap(rows: pd.DataFrame, one: str, other: str, column: str, at: str = "equal loss") -> Estimate:
    """One place minus another for the same edits: the mean of the differences."""
    wide = _wide(rows, column, at)
    return with_interval((wide[one] - wide[other]).dropna().tolist())


def gaps(rows: pd.DataFrame, column: str, one: str = COMPONENTS[0]) -> pd.Series:
    """The other places of components that the rows have minus one, in a column, as text."""
    places = [place for place in COMPONENTS if place != one and place in set(rows.place)]
    return pd.Series({place: gap(rows, place, one, column).brief() for place in places})


def n_edits(rows: pd.DataFrame) -> int:
    """How many edits the rows are about."""
    return len(rows.drop_duplicates(["model", "relation", "edit"]))


def courses(losses: pd.DataFrame, *, title: str) -> go.Figure:
    """The mean loss before each step in each place; bars end at the quartiles over edits."""
    figure = go.Figure(layout_title_text=title)
    for place, color in PLACE_COLORS.items():
        rows = losses[losses.place == place]
        if len(rows):
            spread = dict(array=rows.high - rows.loss, arrayminus=rows.loss - rows.low, thickness=1, width=0)
            look = dict(mode="lines+markers", line_color=COLORS[color], name=place)
            figure.add_scatter(x=rows.step, y=rows.loss, error_y=dict(symmetric=False, **spread), **look)
    figure.update_xaxes(title="steps, all of the same length at first")
    return figure.update_yaxes(title="loss of the new answer, nats")


def kept_over_size(rows: pd.DataFrame, *, title: str) -> go.Figure:
    """What masks keep over the share of the weights: other facts by three methods, and the facts of the search."""
    lines = {method: rows[(rows.method == method) & (rows.asked == "other facts")] for method in METHODS}
    colors = dict(METHODS)
    lines["learned, seen facts"] = rows[(rows.method == "learned") & (rows.asked == "training")]
    colors["learned, seen facts"] = "answer"
    figure = go.Figure(layout_title_text=title)
    for name, line in lines.items():
        line = line.sort_values("share")
        spread = dict(symmetric=False, array=line.high - line.kept, arrayminus=line.kept - line.low)
        figure.add_scatter(x=line.share, y=line.kept, error_y=spread, name=name, line_color=COLORS[colors[name]])
    ticks = [f"{share:.0%}" for share in SHARES]
    figure.update_xaxes(title="share of the weights kept", type="log", tickvals=SHARES, ticktext=ticks)
    return figure.update_yaxes(title="share of prompts still right", range=[-0.04, 1.06])


def two_counts(parts: pd.DataFrame, share: float, *, title: str) -> go.Figure:
    """What a mask is made of (`masks.mask_parts`), counted twice: of all kept weights, and of each type."""
    parts = parts.sort_values("fraction", ascending=False)
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    sides = {"of all kept weights": (parts.composition, "other", 0.0)}
    sides["kept of this type"] = (parts.fraction, "mover", share)
    for column, (x_title, (values, color, least)) in enumerate(sides.items(), 1):
        bars = dict(orientation="h", marker_color=COLORS[color], showlegend=False)
        figure.add_bar(x=values, y=parts.type, row=1, col=column, **bars)
        for kind, value in zip(parts.type, values, strict=True):
            words = f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"
            note = dict(text=words, x=max(value, least), y=kind, xanchor="left", showarrow=False)
            figure.add_annotation(note, row=1, col=column)
        axis = dict(title=x_title, tickformat=".0%", range=[0, 1.25], tickvals=[0, 0.5, 1])
        figure.update_xaxes(axis, row=1, col=column)
    figure.add_vline(x=share, line=dict(color=COLORS["relation"], dash="dot"), row=1, col=2)
    figure.update_layout(title_text=title, height=200 + 30 * len(parts))
    return figure.update_yaxes(autorange="reversed")


def window(kept: pd.DataFrame, low: float = 0.05, high: float = 0.5) -> str:
    """A verdict: whether the smallest masks that keep half lie between two sizes, task by task.

    Args:
        kept: a row for each task, a column for each share of the weights that was tried; nan where it wasn't.
    """
    enough = [min(row.index[row >= 0.5], default=float("inf")) for _, row in kept.iterrows()]
    least, most = (f"{size:.0%}" if size <= 1 else "more" for size in (min(enough), max(enough)))
    return for_each(f"{least} to {most}", [low < share <= high for share in enough])
