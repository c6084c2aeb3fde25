"""Traces of many facts: which state, at which layer and token, brings the answer back.

``make tables NAME=edits`` writes ``helpers/tables/traces.csv``; see `read_table`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
import torch

from helpers.editing.tracing import Part, Trace, causal_trace
from helpers.models.predict import first_token, prompt_ids, token_span
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import Fact, relation, stable_hash, taught_paraphrases
from helpers.statistics import bootstrap
from helpers.studies.tables import ASKED, SEEDS, Load, Write

TRACED = 5  # prompts of each relation
Corruption = Literal["noise", "same type"]
ROLES = ("before", "subject first", "subject middle", "subject last", "behind", "last")


@dataclass(frozen=True)
class Traced:
    """A prompt to trace, and another subject of the same relation and length, with another answer."""

    prompt: str
    fact: Fact
    other: str


def traced_prompts(model, name: str, n: int) -> list[Traced]:
    """``n`` facts of a relation that the model knows, each in a wording of its training drawn at random.

    Only prompts that go on behind the subject are taken: otherwise its last token and the prompt's are the same.

    Raises:
        ValueError: if there are too few; the message says how many.
    """
    asked, found = relation(name), []
    rng = random.Random(stable_hash("traces", 0, name))
    facts = [fact for fact in known_facts(model, asked) if fact.other is None]
    for fact in rng.sample(facts, len(facts)):
        wording = rng.choice(taught_paraphrases(asked, fact))
        prompt = asked.prompt(fact, wording)
        length, answer = len(prompt_ids(model.tokenizer, prompt)), first_token(model, prompt, fact.answer)
        behind = token_span(model.tokenizer, prompt, fact.subject).stop < length
        if not behind or not known_facts(model, asked, [fact], wording):
            continue
        for other in rng.sample(facts, len(facts)):
            fits = len(prompt_ids(model.tokenizer, asked.prompt(other, wording))) == length
            if fits and first_token(model, prompt, other.answer) != answer:
                found.append(Traced(prompt, fact, other.subject))
                break
        if len(found) == n:
            return found
    raise ValueError(f"{name} has {len(found)} facts to trace, not {n}; ask for fewer")


def roles(trace: Trace) -> list[str]:
    """What each position is (`ROLES`): a subject of one token has only a last one, the words behind end before the
    prompt's last token.
    """
    start, stop, end = trace.subject.start, trace.subject.stop - 1, len(trace.tokens) - 1
    inside = {start: "subject first"} | {n: "subject middle" for n in range(start + 1, stop)}
    named = inside | {stop: "subject last", end: "last"}
    return [named.get(n, "before" if n < start else "behind") for n in range(end + 1)]


def trace_table(
    model, prompts: Sequence[Traced], *, corruption: Corruption = "noise", part: Part = "resid"
) -> pd.DataFrame:
    """Trace many prompts, and average each one's positions by their role.

    Args:
        corruption: ``"noise"`` on the subject's embeddings, or another subject of the ``"same type"``.

    Returns:
        A row for each prompt, layer and role: ``relation, prompt, layer, role, clean, corrupt, restored``.

    Raises:
        ValueError: for an unknown corruption, or as `causal_trace`.
    """
    if corruption not in get_args(Corruption):
        raise ValueError(f"unknown corruption {corruption!r}; choose from {', '.join(get_args(Corruption))}")
    rows = []
    for number, one in enumerate(prompts):
        fact, other = one.fact, one.other if corruption == "same type" else None
        trace = causal_trace(model, one.prompt, fact.subject, fact.answer, part=part, other=other, seed=number)
        places = roles(trace)
        for role in dict.fromkeys(places):
            mean = trace.restored[:, [r == role for r in places]].mean(1).tolist()
            rows += [(fact.relation, number, n, role, trace.clean, trace.corrupt, v) for n, v in enumerate(mean)]
    return pd.DataFrame(rows, columns=["relation", "prompt", "layer", "role", "clean", "corrupt", "restored"])


def trace_summary(table: pd.DataFrame, by: Sequence[str] = ("layer", "role")) -> pd.DataFrame:
    """The recovered share: what is brought back over what was lost, both summed over prompts.

    Returns:
        Columns of ``by``, then ``value, low, high`` (95 % bootstrap over prompts) and ``prompts``.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        back, lost = (torch.tensor((part[c] - part.corrupt).to_numpy()) for c in ("restored", "clean"))
        share = bootstrap(lambda b, l: b.mean(-1) / l.mean(-1), back, lost)  # noqa: E741
        rows.append((*key, *share.row(), len(part)))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "prompts"])


def trace_rows(models: dict[str, object]) -> pd.DataFrame:
    """What causal tracing says of the relations that are edited, in both models and with both corruptions.

    Returns:
        Columns ``model, corruption, part, relation, layer, role, value, low, high, prompts``; the relation ``all``
        stands for all prompts together.
    """
    found, by = [], ["relation", "layer", "role"]
    for name, model in models.items():
        prompts = [prompt for asked in ASKED for prompt in traced_prompts(model, asked, TRACED)]
        for corruption in ("noise", "same type"):
            for part in ("resid", "MLP"):
                table = trace_table(model, prompts, corruption=corruption, part=part)
                alike = trace_summary(table.assign(relation="all"), by)
                own = [trace_summary(table, by)] if part == "resid" else []
                found.append(pd.concat([alike, *own]).assign(model=name, corruption=corruption, part=part))
    columns = ["model", "corruption", "part", *by, "value", "low", "high", "prompts"]
    return pd.concat(found, ignore_index=True)[columns]


def write_tables(load: Load, write: Write) -> None:
    """Trace facts of both models of the first Atlas."""
    write("traces", trace_rows({name: load(name) for name in SEEDS}))
