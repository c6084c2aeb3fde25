"""Where SmolLM2's wrong answers come from: the ways of right answers through its layers, and what takes them back.

``make tables NAME=hallucination`` writes `hallucination_asked` (questions), `hallucination_ways` (`contests.way_rows`),
`hallucination_lens` (the same by layer) and `hallucination_signs` (of `real_signs`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import Network, read_network
from helpers.models.run import forward, stop_names
from helpers.prompts.relations import Relation
from helpers.studies.hallucination.contests import (
    RIGHT,
    WRONG,
    Asked,
    Seen,
    batches,
    contests,
    late_stops,
    look,
    way_rows,
)
from helpers.studies.hallucination.real_questions import SAID, asked_relations, asked_rows, questions_of
from helpers.studies.hallucination.real_signs import sign_rows
from helpers.studies.tables import Load, Write

MOVER, MOVER_PLACE = "a23.h4", 23 * 9 + 4  # a head that decides many of SmolLM2's answers, and its place among all


@torch.no_grad()
def without(
    net: Network, asked: Sequence[Asked], sublayers: Sequence[int], usual: Float[Tensor, "question sublayer d_model"]
) -> Float[Tensor, "question d_vocab"]:
    """The logits when one sublayer of each question writes what it usually does, at the last position."""
    result = torch.empty(len(asked), net.W_U.shape[1])
    for places, tokens in batches(asked):
        at = torch.tensor([sublayers[i] for i in places])
        for step in forward(net, net.embed(tokens)):
            rows = (at == step.sublayer).nonzero().flatten()
            if len(rows):
                after = step.after.clone()
                after[rows, -1] = step.resid[rows, -1] + usual[[places[i] for i in rows], step.sublayer]
                step.after = after
        result[places] = net.unembed(step.after[:, -1])
    return result


def usual_writes(
    asked: Sequence[Asked], last: Float[Tensor, "stop question d_model"]
) -> Float[Tensor, "question sublayer d_model"]:
    """What each sublayer writes at the last position on the mean over the questions in the same template."""
    writes, result = last.diff(dim=0).transpose(0, 1), torch.empty(len(asked), len(last) - 1, last.shape[-1])
    for template in {question.template for question in asked}:
        own = torch.tensor([question.template == template for question in asked])
        result[own] = writes[own].mean(0)
    return result


def taken_out(net: Network, asked: Sequence[Asked], last: Tensor, ways: pd.DataFrame) -> pd.DataFrame:
    """Whether the loser is ahead when the sublayer that passed it writes as usual (``back``), or, as a control, the
    sublayer that passed another question's (``back_other``), for the ways ``"wrong"`` and ``"right"``.
    """
    lost = ways[ways.passed.notna() & ways.way.isin([WRONG, RIGHT])]
    usual, names, columns = usual_writes(asked, last), stop_names(len(net.layers)), {}
    own = [names.index(name) - 1 for name in lost.passed]
    other, rng = list(own), random.Random(0)
    for way in (WRONG, RIGHT):
        places = [i for i, w in enumerate(lost.way) if w == way]
        for place, sublayer in zip(places, [own[i] for i in rng.sample(places, len(places))], strict=True):
            other[place] = sublayer
    for name, sublayers in (("back", own), ("back_other", other)):
        if len(lost):
            logits = without(net, [asked[i] for i in lost.question], sublayers, usual[lost.question.tolist()])
            rows = range(len(lost))
            back = logits[rows, lost.loser.tolist()] > logits[rows, lost.winner.tolist()]
            columns[name] = pd.Series(back.tolist(), index=lost.index)
    return ways.assign(**columns)


def by_stop(net: Network, ways: pd.DataFrame) -> pd.DataFrame:
    """How many losers are ahead after each sublayer of the second half."""
    names, rows = [stop_names(len(net.layers))[stop] for stop in late_stops(net)], []
    for (relation, way, known), own in ways.groupby(["relation", "way", "known"]):
        for n, name in enumerate(names):
            ahead = own.stops.str[n].astype(int).sum()
            rows.append(dict(relation=relation, way=way, known=known, after=name, n=len(own), ahead=ahead))
    return pd.DataFrame(rows)


def relation_tables(model, asked: Relation, templates: Sequence[int]) -> tuple[dict[str, pd.DataFrame], Seen]:
    """Questions, ways, and shares by layer of one relation; and what else was seen, for the signs."""
    net, questions = read_network(model), questions_of(model, asked, templates)
    seen = look(net, questions)
    logits = net.unembed(seen.last[-1])
    table = asked_rows(model, questions, logits)
    table["to_subject"] = seen.attention.mean(1).tolist()
    table[MOVER] = seen.attention[:, MOVER_PLACE].tolist()
    found = contests(questions, logits, (table.kind == SAID[1]).tolist())
    ways = taken_out(net, questions, seen.last, way_rows(net, seen.last, found))
    about = table.loc[ways.question, ["relation", "subject", "template", "kind", "known"]].reset_index(drop=True)
    ways = pd.concat([about, ways.drop(columns="question")], axis=1)
    tables = {"asked": table, "lens": by_stop(net, ways)}
    for column in ("loser", "winner"):
        ways[column] = [model.tokenizer.decode([token]).strip() for token in ways[column]]
    return tables | {"ways": ways.drop(columns="stops")}, seen


def write_tables(load: Load, write: Write) -> None:
    """Ask all relations; written relation by relation, and the signs in the end."""
    model, done, states = load("smollm2"), {}, []
    for asked, templates in asked_relations():
        if not questions_of(model, asked, templates):  # numbers and symbols: no answer begins with a word
            continue
        tables, seen = relation_tables(model, asked, templates)
        states.append((seen.attention, seen.subject))
        for name, table in tables.items():
            done.setdefault(name, []).append(table)
            write(f"hallucination_{name}", pd.concat(done[name], ignore_index=True))
    attention, subject = (torch.cat(parts) for parts in zip(*states, strict=True))
    write("hallucination_signs", sign_rows(pd.concat(done["asked"], ignore_index=True), attention, subject))
