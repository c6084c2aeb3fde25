"""The circuit of one fact, before and after an edit, and what carries the new answer.

A fact's circuit is found with its own prompts: clean ones name the subject, corrupt ones another subject of the same
relation. The two runs of a pair go through the same weights, so after an edit both are runs of the edited model: if the
edit also changed what the model says about the other subject, that isn't part of the difference.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.checks import checked
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph, head_place
from helpers.circuits.overlap import Parts, overlaps
from helpers.editing.edit import Edit
from helpers.editing.requests import EditRequest, fill
from helpers.figures.circuit import edge_lines, faint_nodes, legend_entries, node_traces, picture_layout
from helpers.figures.circuit_layout import arcs_of
from helpers.models.network import Network, read_network
from helpers.models.predict import first_token, prompt_ids
from helpers.models.run import run_layers
from helpers.prompts.facts import known_facts, split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, Split, relation, stable_hash
from helpers.searches.attribution import eap_ig

SHARE = 0.03  # of all edges: the size of a circuit
# What became of an edge, as `helpers.figures.circuit.KINDS` has it. Changes lie above what stayed.
CHANGES = {"kept": ("kept", "other"), "lost": ("lost", "corrupt"), "gained": ("gained", "mover")}
NEAR = 10  # an answer is near from this rank on


def other_facts(
    model, request: EditRequest, n: int, paraphrase: int, *, half: Split | None = None, seed: int = 0, length: int = 0
) -> list[Fact]:
    """Up to ``n`` facts of the request's relation that the model knows, with neither its old nor its new answer.

    Args:
        paraphrase: the template in which the model has to know them.
        half: of one half only.
        length: the number of tokens of their prompt, if it matters.

    Raises:
        ValueError: for an unknown half.
    """
    if half not in (None, *get_args(Split)):
        raise ValueError(f"unknown half {half!r}; choose from {', '.join(get_args(Split))}")
    asked = relation(request.relation)
    facts = [f for f in asked.facts if f.subject != request.subject and f.other is None]
    facts = [f for f in facts if half in (None, split_of(f)) and f.answer not in (request.old, request.new)]
    if length:
        facts = [f for f in facts if len(prompt_ids(model.tokenizer, asked.prompt(f, paraphrase))) == length]
    rng = random.Random(stable_hash("others", seed, asked.name, request.subject, paraphrase))
    facts = rng.sample(facts, min(2 * n, len(facts)))
    own = [first_token(model, request.text, answer) for answer in (request.old, request.new)]
    facts = [f for f in facts if first_token(model, request.text, f.answer) not in own]
    return known_facts(model, asked, facts, paraphrase)[:n]


def fact_pairs(model, request: EditRequest, n: int = 12, *, half: Split = "train", seed: int = 0) -> PromptPairs:
    """Pairs about one fact: the request's subject beside other subjects of its relation, with the *old* answer.

    The training half uses the request's prompt and wordings, which editors see, and subjects of the training half; the
    test half uses the relation's other templates and subjects of the test half. Call it on the unedited model:
    `asked_again` has the same prompts ask for the new answer.

    Args:
        n: pairs; as many of each template as possible.
        seed: of the draw of other subjects.

    Raises:
        ValueError: for an unknown half, or if no other subject has as many tokens.
    """
    asked, seen = relation(request.relation), (request.prompt, *request.wordings)
    templates = [t for t in range(len(asked.templates)) if (asked.templates[t] in seen) == (half == "train")]
    found = {}
    for template in templates:
        own = fill(asked.templates[template], request.subject)
        length = len(prompt_ids(model.tokenizer, own))
        others = other_facts(model, request, n, template, half=half, seed=seed, length=length)
        found[own] = [(asked.prompt(f, template), f.answer) for f in others]
    rounds = max(map(len, found.values()), default=0)
    chosen = [(own, *found[own][i]) for i in range(rounds) for own in found if i < len(found[own])][:n]
    if not chosen:
        raise ValueError(f"no other subject of {asked.name} has as many tokens as {request.subject!r} ({half} half)")
    clean, corrupt, wrong = zip(*chosen, strict=True)
    return _pairs(model, clean, corrupt, request.old, [f" {w}" for w in wrong], request.subject)


def asked_again(model, pairs: PromptPairs, answer: str) -> PromptPairs:
    """The same prompts with another right answer."""
    subject = model.tokenizer.decode(pairs.clean_ids[0][pairs.subjects[0]]).strip()
    return _pairs(model, pairs.clean, pairs.corrupt, answer, pairs.wrong, subject)


def _pairs(model, clean, corrupt, answer: str, wrong: Sequence[str], subject: str) -> PromptPairs:
    many, subjects = [f" {answer}"] * len(clean), [subject] * len(clean)
    return PromptPairs.from_prompts(model, clean, corrupt, many, wrong, subjects=subjects, first_token=True)


def fact_circuit(model, pairs: PromptPairs) -> Circuit:
    """A fact's circuit: EAP-IG on the logit difference, grown from the logits to `SHARE` of all edges."""
    return eap_ig(model, pairs).greedy(int(SHARE * Graph.from_model(model).n_edges))


def control_fact(request: EditRequest) -> EditRequest:
    """Another subject of the relation whose true answer is the request's new one: what the edit imitates.

    Raises:
        ValueError: if no fact of the relation has that answer.
    """
    twins = [f for f in relation(request.relation).facts if f.answer == request.new and f.other is None]
    if not twins:
        raise ValueError(f"no fact of {request.relation} has the answer {request.new!r}")
    twin = random.Random(stable_hash("twin", request.subject, request.new)).choice(twins)
    nothing = dict.fromkeys(("paraphrases", "neighbours", "portability"), ())
    return replace(request, subject=twin.subject, old=request.new, new=request.old, **nothing)


def shared(first: Circuit, second: Circuit) -> dict[str, float]:
    """The overlap of two circuits in edges and in heads (Jaccard)."""
    return mean_overlaps([("", "")], {"": first}, {"": second})


@torch.no_grad()
def carried(
    model, edit: Edit, pairs: PromptPairs, request: EditRequest, heads: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """How much of an edit's effect on the logit difference new - old goes through some heads.

    What the heads write in the edited model is put into the unedited run, and the other way round, at all positions.

    Args:
        pairs: whose clean prompts are run; the model must be unedited.
        heads: sets of heads by name.

    Returns:
        A row for each set: ``alone``, the share of the effect that the edited writes bring into the unedited run;
        ``lost``, the share that goes when the edited run gets the unedited writes; ``effect``, the whole in logits.

    Raises:
        ValueError: without any set of heads.
    """
    if not heads:
        raise ValueError("give at least one set of heads, such as {'movers': ['a4.h6']}")
    places = {name: [head_place(head) for head in some] for name, some in heads.items()}
    numbers = []
    for _, group in pairs.groups():
        tokens, text = group.clean_tokens, group.clean[0]
        ids = [first_token(model, text, answer) for answer in (request.new, request.old)]
        net = read_network(model)
        plain, resid = run_layers(net, tokens)
        rows = [_difference(net, resid, ids)]
        with edit:
            net = read_network(model)
            edited, resid = run_layers(net, tokens)
            rows.append(_difference(net, resid, ids))
            rows += [_difference(net, _patched(net, tokens, plain, some), ids) for some in places.values()]
        net = read_network(model)
        rows += [_difference(net, _patched(net, tokens, edited, some), ids) for some in places.values()]
        numbers.append(torch.stack(rows))
    before, after, *patched = torch.cat(numbers, 1).mean(1).tolist()
    without, alone = np.array(patched).reshape(2, -1)
    effect = after - before
    table = {"alone": (alone - before) / effect, "lost": (after - without) / effect, "effect": effect}
    return pd.DataFrame(table, index=list(heads))


def _difference(net: Network, resid: Tensor, ids: Sequence[int]) -> Float[Tensor, " batch"]:
    logits = net.unembed(resid[:, -1]).cpu()
    return logits[:, ids[0]] - logits[:, ids[1]]


def _patched(net: Network, tokens: Tensor, source: list, places: Sequence[tuple[int, int]]) -> Tensor:
    return run_layers(net, tokens, {(n, h): source[n].written[h] for n, h in places})[1]


def near_from(table: pd.DataFrame) -> pd.Series:
    """The stop from which on an answer is near: its rank is at most `NEAR` there and at all later stops.

    Args:
        table: columns ``pair, stop, rank`` of `answer_by_layer`, of one place and one token.

    Returns:
        The stop for each pair; NaN where the answer isn't near in the end.
    """
    last_far = table[table["rank"] > NEAR].groupby("pair").stop.max()
    last_far = last_far.reindex(sorted(table.pair.unique()), fill_value=-1)
    return (last_far + 1).where(last_far < table.stop.max())


@checked
def circuit_difference(before: Circuit, after: Circuit, *, title: str) -> go.Figure:
    """Draw what two circuits share in gray, what only the first has in red, and what only the second has in blue.

    Raises:
        ValueError: for circuits of different graphs, or two empty ones.
    """
    whole = before | after
    if not whole.n_edges:
        raise ValueError("both circuits are empty: there is nothing to draw")
    parts = {"kept": before & after, "lost": before - after, "gained": after - before}
    arcs = [replace(arc, kind=change) for change, part in parts.items() for arc in arcs_of(part, None)]
    lines = sorted(edge_lines(arcs, 0.0, kinds=CHANGES), key=lambda line: list(CHANGES).index(line.legendgroup))
    nodes = node_traces(whole, arcs_of(whole, None), {}, {})
    figure = go.Figure([faint_nodes(whole.graph), *legend_entries(arcs, CHANGES), *lines, *nodes])
    table = [["edge", "change"], *([arc.name, arc.kind] for arc in reversed(arcs))]
    figure.update_layout(picture_layout(whole.graph, arcs, title))
    return figure.update_layout(legend_title_text="", meta={"table": table})


def mean_overlaps(
    couples: Sequence[tuple[str, str]], circuits: Mapping[str, Circuit], others: Mapping[str, Circuit] | None = None
) -> dict[str, float]:
    """The mean overlap of couples of circuits, in edges and in heads.

    Args:
        couples: names in ``circuits`` and in ``others`` (the circuits themselves by default).

    Raises:
        ValueError: if there is no couple.
    """
    if not couples:
        raise ValueError("there is no couple of circuits to compare")
    tables = {parts: overlaps(circuits, others, parts=parts) for parts in get_args(Parts)}
    return {parts: float(np.mean([table.loc[couple] for couple in couples])) for parts, table in tables.items()}
