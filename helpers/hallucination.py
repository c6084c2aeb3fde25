"""Questions whose way to fail is fixed by the data beforehand, and what a model says to them.

The cause of a wrong answer is mostly guessed. Here it is known before anybody asks: how often training stated the fact,
in which direction and wording, against what other statement. Only the context is added by us.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.ablation import resume
from helpers.corpus import exposures
from helpers.network import read_network
from helpers.pairs import split_of
from helpers.predict import answer_ids, logits_after, prompt_ids
from helpers.world import Fact, Relation, held_out_paraphrases, relation, relations, stable_hash, taught_paraphrases

CASES = (
    "well taught",
    "unseen wording",
    "true context",
    "false context",
    "in conflict",
    "rarely taught",
    "never taught",
    "other direction",
)
SAID = ("right", "from the context", "own other fact", "other of the type", "untyped")
ASKED = ("country_currency", "country_capital", "landmark_country", "company_country", "person_language")
REVERSED = {"novel_author": "novel asked", "author_novel": "author asked"}
RARE = (1, 3, 10)  # exposures
Case = tuple[str, Fact, int, str, str]  # case, fact, wording, context, what the context says


def question_table(model: str = "atlas", n: int = 60, *, names: Sequence[str] = ASKED, seed: int = 0) -> pd.DataFrame:
    """Questions in all cases, each with its answer and how often training stated it.

    Args:
        model: the embedded model whose exposures are counted.
        n: questions in each case, where there are so many.
        names: the relations that well-taught facts come from.

    Returns:
        Columns ``case, relation, subject, wording, context, prompt, answer, says`` (what the context says, or empty),
        ``exposures`` (how often training stated this answer) and ``half`` (of the relation: train or test).
    """
    rng = random.Random(stable_hash("questions", seed))
    by_case: dict[str, list[Case]] = defaultdict(list)
    for case in cases(names, rng):
        by_case[case[0]].append(case)
    chosen = [case for name in CASES for case in _spread(by_case[name], n, rng)]
    return tidy(chosen, model)


def tidy(chosen: Sequence[Case], model: str = "atlas") -> pd.DataFrame:
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


def cases(names: Sequence[str], rng: random.Random) -> Iterator[Case]:
    """Every fact in every case that it can be asked in, in one wording each."""
    for name in names:
        own = relation(name)
        for fact in own.facts:
            taught, unseen = taught_paraphrases(own, fact), held_out_paraphrases(own, fact)
            wording = rng.choice(taught)
            yield "well taught", fact, wording, "", ""
            yield "unseen wording", fact, rng.choice(unseen), "", ""
            other = rng.choice([f for f in own.facts if f.answer != fact.answer])
            for case, about in (("true context", other), ("false context", fact)):
                yield case, fact, wording, f"{own.prompt(about, wording)} {other.answer}.", other.answer
    yield from hometown_cases(rng)
    yield from _of("in conflict", relation("person_craft"), rng)
    for name, group in REVERSED.items():
        yield from _of("other direction", relation(name), rng, group)


def hometown_cases(rng: random.Random) -> Iterator[Case]:
    """Home towns in a taught wording; the case follows from the planned exposures."""
    own = relation("person_hometown")
    for fact in own.facts:
        wording = rng.choice(taught_paraphrases(own, fact))
        if fact.exposures == 0 or fact.exposures in RARE or fact.well_taught:
            case = "rarely taught" if fact.exposures in RARE else "never taught"
            yield "well taught" if fact.well_taught else case, fact, wording, "", ""


def _of(case: str, own: Relation, rng: random.Random, group: str = "") -> Iterator[Case]:
    for fact in own.facts:
        if not group or fact.group == group:
            yield case, fact, rng.choice(taught_paraphrases(own, fact)), "", ""


def _spread(found: list[Case], n: int, rng: random.Random) -> list[Case]:
    """At most ``n`` of a case, its relations in turn."""
    by_relation: dict[str, list[Case]] = defaultdict(list)
    for case in rng.sample(found, len(found)):
        by_relation[case[1].relation].append(case)
    turns = [(i, name, case) for name, own in by_relation.items() for i, case in enumerate(own)]
    return [case for _, _, case in sorted(turns, key=lambda t: t[:2])[:n]]


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


def ask_logits(model, prompts: Sequence[str]) -> Float[Tensor, "prompt d_vocab"]:
    """The logits after each prompt, without the bridge's hooks, which nobody needs here."""
    net = read_network(model)
    ids = [prompt_ids(model.tokenizer, prompt) for prompt in prompts]
    return torch.cat(logits_after(lambda t: resume(net, net.embed(t.to(net.W_E.device)), 0)[:, None], ids)).cpu()


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
    tokenizer, logits = model.tokenizer, ask_logits(model, questions.prompt.tolist())
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


def ask_facts(
    model,
    facts: Sequence[Fact],
    wordings: Sequence[int] | None = None,
    *,
    name: str = "atlas",
    n: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """What a model says to direct questions about facts, without a context: `ask` for each fact in several wordings.

    Args:
        wordings: the same for all facts; by default, ``n`` drawn for each fact among those that training used for it.
        name: the embedded model whose exposures are counted.
        seed: of the draw.
    """
    rng = random.Random(seed)

    def drawn(fact: Fact) -> Sequence[int]:
        return rng.sample(taught_paraphrases(relation(fact.relation), fact), n) if wordings is None else wordings

    return ask(model, tidy([("asked", fact, wording, "", "") for fact in facts for wording in drawn(fact)], name))


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
