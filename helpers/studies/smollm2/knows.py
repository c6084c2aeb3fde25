"""What SmolLM2 knows of the book's real relations, beside Atlas, and what has to begin its texts."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids
from helpers.prompts.facts import answer_row, known_facts
from helpers.prompts.relations import REAL, Relation, relations
from helpers.statistics import bootstrap
from helpers.studies.tables import Load, Write, read_table, write_parts

BEGINNINGS = {"<|endoftext|>": ("<|endoftext|>",), "<|im_start|>": ("<|im_start|>",), "nothing": ()}
MODELS = ("smollm2", "atlas")
MOST = 40  # facts of a relation that are asked with each beginning and in each template


def asked_ids(model, asked: Relation, template: int) -> tuple[list[list[int]], list[int]]:
    """The prompts of some facts (`MOST`, drawn once) in a template, as ids, and each answer's first token.

    A lone space before an answer (before digits, in SmolLM2) says nothing and counts as the prompt's last token.
    """
    facts = random.Random(asked.name).sample(asked.facts, min(MOST, len(asked.facts)))
    ids, firsts = [], []
    for fact in facts:
        prompt = asked.prompt(fact, template)
        row = answer_row(model, prompt, fact.answer)
        if row:
            said = next(n for n, token in enumerate(row) if model.tokenizer.decode([token]).strip())
            ids.append([*prompt_ids(model.tokenizer, prompt), *row[:said]])
            firsts.append(row[said])
    return ids, firsts


def mean_row(values: Float[Tensor, " fact"], name: str) -> dict[str, float]:
    """A mean over facts with its interval (95 %, bootstrap), as columns."""
    mean = bootstrap(lambda v: v.mean(-1), values)
    return {name: float(mean), f"{name}_low": mean.low, f"{name}_high": mean.high}


def beginning_rows(model, asked: Relation) -> Iterator[dict[str, object]]:
    """How likely a relation's answers are with each beginning: the first template, the first token."""
    net, vocabulary = read_network(model), model.tokenizer.get_vocab()
    ids, firsts = asked_ids(model, asked, 0)
    for name, tokens in BEGINNINGS.items():
        begun = [[*(vocabulary[token] for token in tokens), *row[1:]] for row in ids]
        logits = logits_after(net, begun)[:, 0]
        answers = torch.tensor(firsts)
        likely = logits.softmax(-1).gather(-1, answers[:, None])[:, 0]
        top = (logits.argmax(-1) == answers).float()
        row = dict(relation=asked.name, beginning=name, facts=len(ids))
        yield row | mean_row(likely, "probability") | mean_row(top, "on_top")


def template_row(model, asked: Relation, template: int) -> dict[str, object]:
    """How often an answer's first token is the likeliest, or among the ten likeliest, in one template."""
    ids, firsts = asked_ids(model, asked, template)
    logits, answers = logits_after(read_network(model), ids)[:, 0], torch.tensor(firsts)
    ranks = (logits > logits.gather(-1, answers[:, None])).sum(-1)
    row = dict(relation=asked.name, kind=asked.kind, template=template, asked=len(ids))
    return row | {f"hit{k}": (ranks < k).float().mean().item() for k in (1, 10)}


def knows_rows(model, name: str, asked: Relation) -> pd.DataFrame:
    """A row for each template; in the best one, all facts are asked.

    ``known`` of ``facts``: those whose answer the model says to where it parts from all others.
    """
    table = pd.DataFrame([template_row(model, asked, n) for n in range(len(asked.templates))])
    best = table.hit1.idxmax()
    table["facts"], table["known"], table["model"] = len(asked.facts), pd.NA, name
    table.loc[best, "known"] = len(known_facts(model, asked, asked.facts, int(best)))
    return table


def both_row(models: dict[str, object], asked: Relation, known: pd.DataFrame) -> dict[str, object]:
    """How many facts each model knows in its best template, and how many both.

    Args:
        known: this relation's rows of the table ``smollm2_knows``.
    """
    best = known.dropna(subset="known").set_index("model").template
    said = [set(known_facts(models[name], asked, asked.facts, int(best[name]))) for name in MODELS]
    row = dict(relation=asked.name, kind=asked.kind, facts=len(asked.facts))
    return row | dict(zip(MODELS, map(len, said), strict=True)) | dict(both=len(said[0] & said[1]))


def write_tables(load: Load, write: Write) -> None:
    """Ask SmolLM2 with three beginnings; ask it and Atlas all real relations in all templates."""
    model, tables = load("smollm2"), relations(*REAL)
    write_parts(write, "smollm2_beginnings", (pd.DataFrame(beginning_rows(model, asked)) for asked in tables.values()))
    models = {name: load(name) for name in MODELS}
    write_parts(
        write,
        "smollm2_knows",
        (knows_rows(models[name], name, asked) for asked in tables.values() for name in MODELS),
    )
    known = read_table("smollm2_knows")
    rows = [both_row(models, asked, known[known.relation == name]) for name, asked in tables.items()]
    write("smollm2_both", pd.DataFrame(rows))
