"""Three wrong gradients: of a norm, of a softmax, of an activation, each where one edge is cut bit by bit.

An edge is cut along a line: of what its source writes more in the clean run than in the corrupt one, the reader gets a
share, from 0 (cut, as in `exact_scores`) to 1 (clean). The metric on the way is a curve. Cutting costs the difference
between its ends; EAP continues its tangent at the clean end; RelP and GIM continue lines of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from helpers.circuits.ablation import in_places, scenes
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun, sublayer_of
from helpers.circuits.metrics import logit_diff
from helpers.figures.circuit_layout import kind_of
from helpers.figures.display import COLORS
from helpers.models.run import final_residual, repeat_past
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import Rule, eap

Gradient = Literal["norm", "softmax", "activation"]
READERS: dict[Gradient, tuple[str, ...]] = {"norm": ("logits",), "softmax": ("q", "k"), "activation": ("mlp",)}
SHARES = tuple(n / 20 for n in range(21))
# How searches read a gradient: the rule of `eap`, and the line's colour and dashes
LINES: dict[str, tuple[Rule, str, str]] = {
    "EAP": ("gradient", "relation", "dash"),
    "RelP": ("relp", "mlp", "dot"),
    "GIM": ("gim", "mixture", "dashdot"),
}


@dataclass(frozen=True)
class EdgePath:
    """What happens while an edge is cut bit by bit; slopes are those at the clean end, of whole logits a share of 1.

    Attributes:
        metric: the logit difference.
        inside: what bends in the reader: the final norm's scale, as a multiple of the clean run's; the attention
            probability that cutting takes most from; or the metric if all that comes after the MLP were straight.
        scores: what the searches say of the edge.
    """

    edge: str
    shares: tuple[float, ...]
    metric: Float[Tensor, "share pair"]
    metric_slope: Float[Tensor, " pair"]
    inside: Float[Tensor, "share pair"]
    inside_slope: Float[Tensor, " pair"]
    scores: Mapping[str, float]

    @property
    def exact(self) -> float:
        """What cutting the edge costs, as in `exact_scores`."""
        return float((self.metric[-1] - self.metric[0]).mean())

    @property
    def nearest(self) -> str:
        """The search whose score is nearest to that."""
        return min(self.scores, key=lambda name: abs(self.scores[name] - self.exact))


@torch.no_grad()
def bent_edges(model, pairs: PromptPairs, gradient: Gradient) -> pd.DataFrame:
    """How wrong one gradient is, edge by edge: what cutting would cost if only the reader itself bent, beside EAP.

    All that comes after the reader is taken to be straight, so the two would be equal if the reader were, too. At the
    logits there is only the final norm, so there it is what cutting costs.

    Returns:
        Columns ``edge, alone, EAP``, the edge with the widest gap first.
    """
    graph = Graph.from_model(model)
    readers = [n for n, name in enumerate(graph.readers) if kind_of(name) in READERS[gradient]]
    alone = torch.zeros(graph.edges.shape, dtype=torch.float64)
    for _, scene in scenes(model, pairs, "corrupt", clean=True):
        run, down = MaskedRun(scene, graph, graph.edges), {}
        for reader in readers:
            sublayer = sublayer_of(graph, reader)
            seen = slice(graph.visible(sublayer))
            down = down if sublayer in down else {sublayer: _down(run, reader)}
            costs = -_straight(run, reader, -run.differences[seen], down[sublayer])
            alone[reader, seen] += costs.double().sum(1).cpu() / len(pairs)
    scores = eap(model, pairs)
    places = [(reader, source) for reader in readers for source in range(int(graph.edges[reader].sum()))]
    rows = [(graph.name(*place), float(alone[place]), float(scores.values[place])) for place in places]
    table = pd.DataFrame(rows, columns=["edge", "alone", "EAP"])
    return table.iloc[(table["alone"] - table["EAP"]).abs().argsort(kind="stable")[::-1]].reset_index(drop=True)


def edge_path(model, pairs: PromptPairs, edge: str, shares: Sequence[float] = SHARES) -> EdgePath:
    """Cut an edge bit by bit; the metric is the logit difference.

    Args:
        shares: of the source's difference that the reader still gets, the first one 0 and the last one 1.

    Raises:
        ValueError: for an edge that doesn't exist, or one into a value: nothing in attention bends there.
    """
    graph = Graph.from_model(model)
    reader, source = graph.place(edge)
    if edge.endswith("<v>"):
        raise ValueError(f"{edge} ends in values, of which attention takes a fixed mean; choose another edge")
    parts = []
    for places, scene in scenes(model, pairs, "corrupt", clean=True):
        run = MaskedRun(scene, graph, graph.edges)
        left = torch.tensor(shares, device=scene.embed.device)[:, None].repeat(1, len(scene.pairs)).requires_grad_()
        with torch.enable_grad():
            change = (left - 1)[..., None, None] * run.differences[source]
            values = scene.measure_residual(logit_diff, _final(run, reader, change).flatten(0, 1))
            inside = _inside(run, reader, change)
            slopes = [torch.autograd.grad(part.sum(), left, retain_graph=True)[0][-1] for part in (values, inside)]
        rows = torch.cat((values.detach(), inside.detach(), torch.stack(slopes))).T.cpu()
        parts.append((places, rows))
    values, inside, slopes = in_places(parts).T.split((len(shares), len(shares), 2))
    scores = {name: float(eap(model, pairs, rule=rule).values[reader, source]) for name, (rule, *_) in LINES.items()}
    return EdgePath(edge, tuple(shares), values, slopes[0], inside, slopes[1], scores)


def _final(
    run: MaskedRun, reader: int, change: Float[Tensor, "share batch pos d_model"]
) -> Float[Tensor, "share batch d_model"]:
    """The final residual if so much is added to a reader's input."""
    if run.graph.readers[reader] == "logits":
        return run.inputs[reader][:, -1] + change[:, :, -1]
    following = sublayer_of(run.graph, reader) + 1
    resid = run.inputs[run.graph.reader_rows(following).start] + run.own_change(reader, change)
    past = repeat_past(run.scene.past, len(change))
    return final_residual(run.net, resid.flatten(0, 1), following, past).unflatten(0, change.shape[:2])


def _inside(
    run: MaskedRun, reader: int, change: Float[Tensor, "share batch pos d_model"]
) -> Float[Tensor, "share batch"]:
    """What bends in the reader (`EdgePath.inside`)."""
    name = run.graph.readers[reader]
    if name == "logits":
        scale = 1 / run.net.norm.standardize(_final(run, reader, change))[1][..., 0]
        return scale / scale[-1].detach()
    if "<" in name:
        pattern = _patterns(run, reader, change).flatten(2)
        most = (pattern[-1] - pattern[0]).argmax(-1)
        return pattern[:, torch.arange(len(most)), most]
    clean = run.scene.measure_residual(logit_diff, run.scene.clean[1][:, -1])
    return clean + _straight(run, reader, change, _down(run, reader))


def _down(run: MaskedRun, reader: int) -> Float[Tensor, "batch pos d_model"] | None:
    """The metric's gradient at the residual stream behind the reader's sublayer, in the clean run."""
    following = sublayer_of(run.graph, reader) + 1
    if following > 2 * run.graph.n_layers:
        return None
    with torch.enable_grad():
        resid = run.inputs[run.graph.reader_rows(following).start].detach().requires_grad_()
        final = final_residual(run.net, resid, following, run.scene.past)
        return torch.autograd.grad(run.scene.measure_residual(logit_diff, final).sum(), resid)[0]


def _straight(
    run: MaskedRun, reader: int, change: Float[Tensor, "trial batch pos d_model"], down: Tensor | None
) -> Float[Tensor, "trial batch"]:
    """How much more the metric would be if the reader bent and all after it were straight."""
    if down is not None:
        return (run.own_change(reader, change) * down).sum((-2, -1))
    clean = run.scene.measure_residual(logit_diff, run.inputs[reader][:, -1])
    return run.scene.measure_residual(logit_diff, _final(run, reader, change).flatten(0, 1)) - clean


def _patterns(
    run: MaskedRun, reader: int, change: Float[Tensor, "share batch pos d_model"]
) -> Float[Tensor, "share batch head pos key"]:
    """Attention of the heads that a query or key reader feeds."""
    net, graph, scene = run.net, run.graph, run.scene
    n, fed = sublayer_of(graph, reader) // 2, graph.source_of(reader)
    first, layer, size = graph.source_rows(2 * n).start, net.layers[n], graph.n_heads // graph.n_groups
    heads = range(fed.start - first, fed.stop - first)
    is_query = graph.readers[reader].endswith("<q>")
    W, b, place = (layer.W_Q, layer.b_Q, heads[0]) if is_query else (layer.W_K, layer.b_K, heads[0] // size)
    new = layer.norm1(run.inputs[reader] + change) @ W[place] + b[place]
    new = net.rotate(new[..., None, :], scene.start)
    q = torch.stack([run.q[n][head] for head in heads], -2)
    k = run.k[n][heads[0] // size][..., None, :]
    if is_query:
        q = new
    else:
        earlier = k[:, : k.shape[1] - new.shape[2]].expand(len(new), *[-1] * 4)
        k = torch.cat((earlier, new), 2)
    return net.pattern(q.expand(len(new), *q.shape[-4:]), k.expand(len(new), *k.shape[-4:]))


def finding(path: EdgePath, how: str = "") -> str:
    """What cutting costs, ``how`` that comes about, and what the searches say."""
    said: dict[str, list[str]] = {}
    for name, score in path.scores.items():
        said.setdefault(f"{round(score, 2) + 0.0:.2f}", []).append(name)  # no "-0.00"
    told = ", ".join(f"{', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]} {score}"
                     for score, names in said.items())  # fmt: skip
    return f"Cutting {path.edge} costs {path.exact:.2f} logits{how}. Estimates: {told}"


def norm_figure(path: EdgePath) -> go.Figure:
    """An edge into the logits: the final norm divides by a scale that the write itself has made."""
    clean, cut, tangent = _inside_ends(path)
    how = f"; the final norm's scale goes to {cut / clean:.0%}, by its tangent to {tangent / clean:.0%}"
    return _figure(path, finding(path, how), path.inside, "scale, clean = 1")


def softmax_figure(path: EdgePath) -> go.Figure:
    """An edge into queries or keys: a softmax moves far only when one goes far."""
    clean, cut, tangent = _inside_ends(path)
    how = f"; attention goes from {clean:.2f} to {cut:.2f}, by its tangent to {tangent:.2f}"
    return _figure(path, finding(path, how), path.inside, "attention probability")


def activation_figure(path: EdgePath) -> go.Figure:
    """An edge into an MLP: its activations, and its gates if there are any, are no straight lines."""
    clean, cut, _ = _inside_ends(path)
    how = f", {clean - cut:.2f} if only this MLP bends"
    return _figure(path, finding(path, how), path.inside - path.metric[-1], "if only this MLP bends")


def _inside_ends(path: EdgePath) -> tuple[float, float, float]:
    """What is inside the reader: in the clean run, with the edge cut, and where the tangent leads; means of pairs."""
    clean = float(path.inside[-1].mean())
    return clean, float(path.inside[0].mean()), clean - float(path.inside_slope.mean())


def _figure(path: EdgePath, title: str, inside: Float[Tensor, "share pair"], name: str) -> go.Figure:
    """The metric above, with each search's line, and below what bends; faint lines are single pairs."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[0.6, 0.4])
    slopes = {"EAP": float(path.inside_slope.mean())}
    for row, values, lines in ((1, path.metric - path.metric[-1], path.scores), (2, inside, slopes)):
        _curves(figure, path.shares, values, row)
        for search, rise in lines.items():
            end, (_, color, dash) = float(values[-1].mean()), LINES[search]
            style = dict(color=COLORS[color], dash=dash, width=2)
            figure.add_scatter(x=[0, 1], y=[end - rise, end], name=search, legendgroup=search, mode="lines", line=style,
                               showlegend=row == 1, row=row, col=1)  # fmt: skip
    figure.update_layout(title_text=title, height=580)
    figure.update_xaxes(title="share of the clean message that is left", row=2, col=1)
    figure.update_yaxes(title="logits, clean = 0", row=1, col=1)
    return figure.update_yaxes(title=name, row=2, col=1)


def _curves(figure: go.Figure, shares: Sequence[float], values: Float[Tensor, "share pair"], row: int) -> None:
    """Each pair as a faint line, and their mean."""
    x = [x for _ in values.T for x in (*shares, None)]
    y = [y for pair in values.T.tolist() for y in (*pair, None)]
    faint, strong = dict(color=COLORS["other"], width=1), dict(color=COLORS["mover"], width=3)
    ends = dict(row=row, col=1)
    name = f"single pairs, n = {values.shape[1]}"
    figure.add_scatter(x=x, y=y, mode="lines", line=faint, opacity=0.35, name=name, showlegend=row == 1, **ends)
    mean = values.mean(1).tolist()
    figure.add_scatter(x=shares, y=mean, mode="lines", line=strong, name="exact", showlegend=row == 1, **ends)
