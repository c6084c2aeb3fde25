"""Does tracing say where to edit? Traces of many facts, and for each fact and layer how well an edit there does.

``make tables NAME=edits`` writes ``helpers/tables/traces.csv`` and ``traced_edits.csv``; see `read_table`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.editing.requests import EditRequest
from helpers.editing.tracing import Part, Trace, causal_trace
from helpers.models.predict import first_token, next_token_probabilities, prompt_ids, token_span
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import Fact, relation, stable_hash, taught_paraphrases
from helpers.statistics import bootstrap
from helpers.studies.locate_and_edit.edit_table import METHODS, asked_requests, editor_of
from helpers.studies.tables import ASKED, FRESH, SEEDS, Load, Write

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


def traced_edits(model, requests: Sequence[EditRequest]) -> pd.DataFrame:
    """For each request and layer, what tracing recovers at the prompt's last token, and how well an edit there does.

    The edit is ROME's at the last token with the prompt alone, where there is room for failure.

    Returns:
        Columns ``fact, relation, layer, stream, MLP, success``: shares recovered by the stream and by the MLP alone
        (noise), and the mean probability of the new answer in other words after the edit.
    """
    method, rows = "ROME, last token, prompt alone", []
    editors = {layer: editor_of(model, method, layer) for layer in METHODS[method][2]}
    for number, request in enumerate(tqdm(requests, desc="traced edits")):
        fact = (request.text, request.subject, request.old)
        stream, alone = (causal_trace(model, *fact, part=part).recovered[:, -1].tolist() for part in ("resid", "MLP"))
        asked = [q.prompt for q in request.paraphrases]
        targets = torch.tensor([first_token(model, prompt, request.new) for prompt in asked])
        for layer, editor in editors.items():
            with editor(request):
                shares = next_token_probabilities(model, asked)
            success = shares.gather(1, targets.to(shares.device)[:, None]).mean().item()
            rows.append((number, request.relation, layer, stream[layer], alone[layer], success))
    return pd.DataFrame(rows, columns=["fact", "relation", "layer", "stream", "MLP", "success"])


def write_tables(load: Load, write: Write) -> None:
    """Trace facts of both models, and edit some where they were traced."""
    models = {name: load(name) for name in SEEDS}
    write("traces", trace_rows(models))
    write("traced_edits", traced_edits(models["atlas"], asked_requests(models["atlas"], FRESH)))
