"""Four branches that add up, of which integrated gradients puts three in the wrong order and one on the wrong side.

A word's feature z goes from 0 (corrupt) to 1 (clean). In each branch an MLP writes h(z) and the next one answers with
f(h). All functions are straight lines with bends, so every score can be found by hand. Cutting the edge between the
two MLPs costs exactly what the branch adds, f(h(1)) - f(h(0)), because nothing but the sum comes after it.

Along the way h moves by itself, not in step with z. The integral of f'(h) dh is what the branch adds; that is CEAP.
EAP-IG takes the mean of f'(h) over z instead, and counts long stretches in which h doesn't move. (That scores should
keep the order of branches that add up is what arXiv 2606.16920 asks for; the functions are ours.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from plotly.subplots import make_subplots
from transformers import GPT2LMHeadModel

from helpers.atlas.planted import Planted, blank, feature, finished, pairs_of_tokens
from helpers.figures.display import COLORS
from helpers.searches.attribution import ceap, eap, eap_ig
from helpers.searches.exact import exact_scores

CLEAN, CORRUPT, ANSWER, WRONG = 1, 2, 3, 4  # words
CONSTANT, TOKEN, OUT, POSITION, BETWEEN = 0, 0, 5, 16, 24  # features: added to a word, a position or a branch
SCALE = 100.0  # of the constant feature; the larger it is, the less do norms react
LOGIT = 10.0  # what `blank` lets an answer's logit read its feature with
D_MODEL = 64
FINE = 200  # steps; few enough to be quick, and many enough for integrals

Bends = tuple[tuple[float, float], ...]  # (where, by how much the slope changes); one at -1 is a line from the start


@dataclass(frozen=True)
class Branch:
    """What the first MLP writes, as a function of z, and what the second one adds, as a function of that."""

    name: str
    first: Bends
    second: Bends


_LINE, _EARLY, _LATE = ((-1.0, 1.0),), ((-1.0, 4.0), (0.25, -4.0)), ((0.75, 4.0),)
BRANCHES = (
    Branch("steady", _LINE, ((-1.0, 1.0),)),
    Branch("early", _EARLY, ((0.5, 1.6),)),
    Branch("late", _LATE, ((0.5, 2.4),)),
    Branch("overshooting", _EARLY, ((-1.0, 1.8), (0.5, -2.4))),
)


def edge_of(number: int) -> str:
    """The edge between the two MLPs of a branch."""
    return f"m{2 * number}->m{2 * number + 1}"


@torch.no_grad()
def four_branches() -> Planted:
    """A GPT-2 of eight MLPs that computes the branches, two layers each, and its pair; its heads do nothing."""
    model = blank((D_MODEL, 2 * len(BRANCHES), 1), range(1, 5), 2, (CONSTANT, TOKEN, OUT, POSITION), SCALE)
    model.config.activation_function = "relu"
    for name, parameter in model.named_parameters():
        if "ln_" in name and name.endswith("weight"):
            parameter.fill_(SCALE / D_MODEL**0.5)  # the norm leaves everything as large as it is
    for number, branch in enumerate(BRANCHES):
        middle = BETWEEN + number
        _set_mlp(model, 2 * number, branch.first, TOKEN + CLEAN, (middle, 1.0))
        _set_mlp(model, 2 * number + 1, branch.second, middle, (OUT + ANSWER, 1 / LOGIT))
    bridge = finished(model)
    edges = frozenset(edge_of(number) for number in range(len(BRANCHES)))
    return Planted(bridge, pairs_of_tokens(bridge, [([CLEAN], [CORRUPT], ANSWER, WRONG)]), edges)


def _set_mlp(model: GPT2LMHeadModel, layer: int, bends: Bends, reads: int, writes: tuple[int, float]) -> None:
    """Let an MLP write a function of one feature into another: a neuron for each bend."""
    mlp, written = model.transformer.h[layer].mlp, writes[1] * feature(writes[0], D_MODEL)
    for neuron, (where, slope) in enumerate(bends):
        mlp.c_fc.weight[:, neuron] = feature(reads, D_MODEL)
        mlp.c_fc.bias[neuron] = -where
        mlp.c_proj.weight[neuron] = slope * written
        mlp.c_proj.bias -= max(-where, 0.0) * slope * written  # 0 at 0


def branch_scores(steps: int = FINE) -> pd.DataFrame:
    """What the searches say of the four edges, beside cutting them: rows are branches, columns searches.

    Args:
        steps: of the two integrals.
    """
    planted = four_branches()
    model, pairs = planted.model, planted.pairs
    found = {
        "exact": exact_scores(model, pairs),
        "CEAP": ceap(model, pairs, steps=steps),
        "EAP-IG": eap_ig(model, pairs, steps=steps),
        "EAP": eap(model, pairs),
    }
    places = [found["exact"].graph.place(edge_of(number)) for number in range(len(BRANCHES))]
    columns = {name: [float(scores.values[place]) for place in places] for name, scores in found.items()}
    return pd.DataFrame(columns, index=[branch.name for branch in BRANCHES])


def value(bends: Bends, x: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """A function of straight lines, which is 0 at 0."""
    return sum(slope * (np.maximum(x - where, 0) - max(-where, 0.0)) for where, slope in bends)


def slope(bends: Bends, x: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """The slope of such a function; at a bend, the one before it."""
    return sum(slope * (x > where) for where, slope in bends)


def finding(scores: pd.DataFrame) -> str:
    """Which search has the branches in the order that cutting has."""
    orders = {name: ", ".join(scores[name].sort_values(ascending=False).index) for name in scores}
    like = [name for name in scores if name != "exact" and orders[name] == orders["exact"]]
    others = [f"{name} {orders[name]}" for name in ("CEAP", "EAP-IG") if name not in like]
    agree = f", and so does {' and '.join(like)}" if like else ""
    return f"Cutting ranks {orders['exact']}{agree}" + "".join(f"; {told}" for told in others)


def branches_figure(scores: pd.DataFrame) -> go.Figure:
    """What each branch's source has written on the way, and the slope that its reader has there; with the scores.

    Args:
        scores: as from `branch_scores`.
    """
    told = [f"<b>{name}</b>: " + ", ".join(f"{k} {v:.2f}" for k, v in row.items()) for name, row in scores.iterrows()]
    figure = make_subplots(rows=len(BRANCHES), cols=1, shared_xaxes=True, subplot_titles=told, vertical_spacing=0.08)
    way = np.linspace(0, 1, FINE + 1)
    for row, branch in enumerate(BRANCHES, 1):
        written = value(branch.first, way)
        lines = {
            "h, written by the source": (written, dict(color=COLORS["sources"], width=3)),
            "f'(h), the slope of what the reader adds": (
                slope(branch.second, written),
                dict(color=COLORS["readers"], width=2, dash="dash", shape="hv"),
            ),
        }
        for name, (y, line) in lines.items():
            figure.add_scatter(x=way, y=y, name=name, line=line, legendgroup=name, showlegend=row == 1, row=row, col=1)
    figure.update_layout(title_text=finding(scores), height=150 + 130 * len(BRANCHES), legend_y=1.06)
    figure.update_annotations(x=0, xanchor="left", font_size=12)
    return figure.update_xaxes(title="way from the corrupt word (0) to the clean one (1)", row=len(BRANCHES), col=1)
