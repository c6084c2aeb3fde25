"""The committed tables of edits as scores with intervals, and the figures of many edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS
from helpers.statistics import Estimate, exact_interval, with_interval
from helpers.studies.plots import LINE_COLORS, SYMBOLS
from helpers.studies.verdicts import above, says

FOLLOWS = ("first hop", "second hop", "reversed")
SCORES = {
    "efficacy": ("prompt",),
    "paraphrase": ("held out", "taught"),
    "neighbourhood": ("same relation", "same subject"),
    "what follows": FOLLOWS,
}


def estimate(values: pd.Series) -> Estimate:
    """A mean over edits with its interval: the exact one of so many trials where all are 0 or all are 1."""
    if len(values) and values.nunique() == 1 and values.iloc[0] in (0, 1):
        return exact_interval(int(values.sum()), len(values))
    return with_interval(values)


def setting(
    table: pd.DataFrame, layer: int, place: str, method: str = "ROME", templates: int = 1, model: str | None = None
) -> pd.DataFrame:
    """The rows of one way to edit (and of one model, where a table has several)."""
    own = table[(table.method == method) & (table.layer == layer) & (table.place == place)]
    own = own[own.templates == templates]
    return own if model is None else own[own.model == model]


def each_edit(rows: pd.DataFrame, kinds: Sequence[str], measure: str = "beats") -> pd.Series:
    """For each edit that has such questions, the share of them with the right answer."""
    part = rows[rows.kind.str.split(", ").str[0].isin(kinds) | rows.kind.isin(kinds)]
    sums = part.assign(right=part[measure] * part.questions).groupby(["relation", "subject"])[["right", "questions"]]
    total = sums.sum()
    return total.right / total.questions


def score(rows: pd.DataFrame, name: str, measure: str = "beats") -> Estimate:
    """One of `SCORES`, or of the kinds of questions, with its interval over edits."""
    return estimate(each_edit(rows, SCORES.get(name, (name,)), measure))


def count(rows: pd.DataFrame, name: str) -> str:
    """How many edits have such questions, and how many questions these are: ``"12 (30)"``."""
    kinds = SCORES.get(name, (name,))
    part = rows[rows.kind.str.split(", ").str[0].isin(kinds) | rows.kind.isin(kinds)]
    return f"{len(part.drop_duplicates(['relation', 'subject']))} ({int(part.questions.sum())})"


def by_count(
    panels: Mapping[str, Mapping[str, pd.DataFrame]], *, title: str, x_title: str, log: Sequence[str] = ()
) -> go.Figure:
    """Lines over a number of edits, one panel below the other: tables with ``mean, min, max`` by that number.

    Args:
        log: the panels with a logarithmic axis; the others have shares.
    """
    figure = make_subplots(len(panels), 1, subplot_titles=list(panels), shared_xaxes=True, vertical_spacing=0.09)
    for row, (name, lines) in enumerate(panels.items(), 1):
        for symbol, color, (line, table) in zip(SYMBOLS, LINE_COLORS, lines.items(), strict=False):
            up, down = table["max"] - table["mean"], table["mean"] - table["min"]
            bars = dict(type="data", symmetric=False, array=up, arrayminus=down, thickness=1, width=3)
            look = dict(mode="lines+markers", marker_symbol=symbol, line_color=COLORS[color])
            look |= dict(name=line, legendgroup=line, showlegend=row == 1)
            figure.add_scatter(x=table.index, y=table["mean"], error_y=bars, **look, row=row, col=1)
        if name in log:
            figure.update_yaxes(type="log", dtick=1, exponentformat="none", row=row)
        else:
            figure.update_yaxes(range=[-0.03, 1.06], tickformat=".0%", row=row)
    figure.update_xaxes(title=x_title, row=len(panels))
    legend = dict(y=-0.1, yanchor="top")
    return figure.update_layout(title_text=title, height=160 + 190 * len(panels), margin_t=72, legend=legend)


def score_table(ways: Mapping[str, pd.DataFrame], names: Sequence[str] = tuple(SCORES)) -> pd.DataFrame:
    """Scores as text, a row for each way to edit, with the number of edits."""
    rows = {}
    for way, own in ways.items():
        rows[way] = {name: score(own, name).brief() for name in names}
        rows[way]["edits"] = str(len(each_edit(own, SCORES["efficacy"])))
    return pd.DataFrame(rows).T


def kind_table(ways: Mapping[str, pd.DataFrame], kinds: Sequence[str]) -> pd.DataFrame:
    """What follows, as text: a row for each kind of question that there is, a column for each way to edit."""
    rows = {}
    for kind in kinds:
        if all((own.kind == kind).any() for own in ways.values()):
            rows[kind] = {way: score(own, kind).brief() for way, own in ways.items()}
            rows[kind]["edits (questions)"] = count(next(iter(ways.values())), kind)
    return pd.DataFrame(rows).T


def said_table(said: Mapping[str, pd.DataFrame], edits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What is said by three ways to score it, as text: a row for each way to edit and kind of prompt."""
    rows = {}
    for way, texts in said.items():
        for kind, words in (("prompt", "edited prompt"), ("held out", "other words")):
            own = texts[texts.kind == kind]
            found = {name: estimate(own[name].astype(float)).brief() for name in ("begins", "free")}
            same = edits[way].merge(own[["relation", "subject"]])
            rows[f"{way}, {words}"] = {"ahead": score(same, kind).brief()} | found
    return pd.DataFrame(rows).T


def both_above(scores: Sequence[Estimate], limit: float) -> str:
    """Whether all scores are surely above a limit, or one is surely below it."""
    low, high = min(e.low for e in scores), min(e.high for e in scores)
    return says("; ".join(e.brief() for e in scores), low > limit, high < limit)


def gap(more: pd.Series, less: pd.Series, limit: float = 0) -> str:
    """Whether one share is higher than another, edit by edit, by more than a limit."""
    return above(with_interval((more - less).dropna()), limit)
