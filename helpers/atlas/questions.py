"""Questions about facts as rows of a table: what a model says to each, of which kind that is, and its states there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.corpus import exposures
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, logits_after, prompt_ids, token_span
from helpers.models.run import residuals
from helpers.prompts.facts import split_of
from helpers.prompts.relations import Fact, relation, relations

SAID = ("right", "from the context", "own other fact", "other of the type", "untyped")
Case = tuple[str, Fact, int, str, str]  # case, fact, wording, context, what the context says


def question_rows(chosen: Sequence[Case], model: str = "atlas") -> pd.DataFrame:
    """One row for each question, in the columns of `question_table`."""
    counts = exposures(model).groupby(["relation", "subject", "answer"])["count"].sum()
    rows = []
    for case, fact, wording, context, says in chosen:
        asked = relation(fact.relation).prompt(fact, wording)
        key = (fact.relation, fact.subject, fact.answer)
        about = {"case": case, "relation": fact.relation, "subject": fact.subject, "wording": wording}
        about |= {"context": context, "prompt": f"{context} {asked}".strip(), "answer": fact.answer, "says": says}
        rows.append(about | {"exposures": int(counts.get(key, 0)), "half": split_of(fact)})
    return pd.DataFrame(rows)


def own_facts() -> dict[str, set[str]]:
    """All that the world says of each subject, in any relation and either direction."""
    said: dict[str, set[str]] = defaultdict(set)
    for own in relations().values():
        for fact in own.facts:
            said[fact.subject] |= {fact.answer} | ({fact.other} if fact.other else set())
            said[fact.answer].add(fact.subject)
    return said


def type_ids(tokenizer, name: str, prompt: str) -> Int[Tensor, " member"]:
    """The first tokens of all answers of a relation, as they stand after a prompt."""
    return torch.tensor(sorted({answer_ids(tokenizer, prompt, f" {a}")[0] for a in relation(name).answers}))


def ask(model, questions: pd.DataFrame) -> pd.DataFrame:
    """What a model says to each question, and of which kind it is.

    Returns:
        The questions with ``first`` (the answer's first token), ``said_id``, ``said`` (the likeliest token and its
        text), ``kind`` (one of `SAID`, the first that fits), ``right``, ``probability`` (of what is said), ``entropy``
        (nats) and ``margin`` (logit before the second likeliest token).

    Raises:
        ValueError: if there is no question.
    """
    if questions.empty:
        raise ValueError("there is no question to ask; give at least one")
    tokenizer = model.tokenizer
    logits = logits_after(read_network(model), [prompt_ids(tokenizer, p) for p in questions.prompt])[:, 0].cpu()
    best = logits.topk(2, dim=-1)
    spread = logits.log_softmax(-1)
    table = questions.copy()
    pairs = list(zip(table.prompt, table.answer, strict=True))
    table["first"] = [answer_ids(tokenizer, prompt, f" {answer}")[0] for prompt, answer in pairs]
    table["said_id"] = best.indices[:, 0].tolist()
    table["said"] = [tokenizer.decode([i]) for i in table.said_id]
    table["kind"] = _kinds(tokenizer, table)
    table["right"] = table.kind == "right"
    table["probability"] = spread.max(-1).values.exp().tolist()
    table["entropy"] = (-(spread.exp() * spread).sum(-1)).tolist()
    table["margin"] = (best.values[:, 0] - best.values[:, 1]).tolist()
    return table


def _kinds(tokenizer, table: pd.DataFrame) -> list[str]:
    known, types, kinds = own_facts(), {}, []
    for row in table.itertuples():
        if row.relation not in types:
            types[row.relation] = set(type_ids(tokenizer, row.relation, row.prompt).tolist())
        own = {answer_ids(tokenizer, row.prompt, f" {other}")[0] for other in known[row.subject]}
        context = answer_ids(tokenizer, row.prompt, f" {row.says}")[:1] if row.says else []
        fits = row.said_id == row.first, row.said_id in context, row.said_id in own, row.said_id in types[row.relation]
        kinds.append(next((kind for kind, fit in zip(SAID, fits, strict=False) if fit), SAID[-1]))
    return kinds


def groups(model, asked: pd.DataFrame) -> Iterator[tuple[list[int], Int[Tensor, "batch pos"]]]:
    """Questions of equal length: their places in the table, and their tokens."""
    by_length: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    for place, prompt in enumerate(asked.prompt):
        ids = prompt_ids(model.tokenizer, prompt)
        by_length[len(ids)].append((place, ids))
    for rows in by_length.values():
        yield [place for place, _ in rows], torch.tensor([ids for _, ids in rows], device=model.W_E.device)


@torch.no_grad()
def states(
    model, asked: pd.DataFrame, place: str = "last", net: Network | None = None
) -> Float[Tensor, "stop question d_model"]:
    """The residual stream at all stops, at each question's last position or its subject's last token.

    Raises:
        ValueError: for an unknown place.
    """
    if place not in ("last", "subject_last"):
        raise ValueError(f"unknown place {place!r}; choose last or subject_last")
    net = net or read_network(model)
    result = torch.empty(2 * len(net.layers) + 1, len(asked), net.W_E.shape[1])
    for places, tokens in groups(model, asked):
        stops = residuals(net, tokens).cpu()
        result[:, places] = stops[:, torch.arange(len(places)), positions(model, asked.iloc[places], place)]
    return result


def positions(model, asked: pd.DataFrame, place: str) -> Int[Tensor, " question"]:
    """Where the last position, or the subject's last token, of each question stands (`subject_spans`)."""
    if place == "last":
        return torch.tensor([len(prompt_ids(model.tokenizer, prompt)) - 1 for prompt in asked.prompt])
    return torch.tensor([span.stop - 1 for span in subject_spans(model.tokenizer, asked)])


def subject_spans(tokenizer, asked: pd.DataFrame) -> list[slice]:
    """Where each question names its subject; a context before it may name the same one and doesn't count.

    Raises:
        ValueError: if a question doesn't contain its subject as whole tokens.
    """
    spans = []
    for prompt, context, subject in zip(asked.prompt, asked.context, asked.subject, strict=True):
        question = prompt[len(context) :].strip()
        span = token_span(tokenizer, question, subject)
        before = len(prompt_ids(tokenizer, prompt)) - len(prompt_ids(tokenizer, question))
        spans.append(slice(span.start + before, span.stop + before))
    return spans
