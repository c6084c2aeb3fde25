"""What of all that is known of a subject can be read at its last token, layer by layer (Geva and others 2023).

A logit lens reads a state as if the model ended there. Asked is not whether the answer of one question comes first, but
whether attributes of the subject (answers of several relations) come up at all, compared with those of other subjects.

``make tables NAME=smollm2_mlps`` writes the table of SmolLM2: ``smollm2_attributes``.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network
from helpers.models.predict import answer_ids, prompt_ids
from helpers.models.run import residuals
from helpers.prompts.relations import Relation, relation
from helpers.statistics import with_interval
from helpers.studies.tables import Load, Write, write_parts

TOP, SUBJECTS = 50, 60  # likeliest tokens, as in the paper; subjects of a kind
# SmolLM2's first position is no place for a subject: all heads without a job look there.
TEXT = "Here is a short text about {}"
# Kind of subject -> relations whose answers are attributes of it, and relations that are read backwards.
KINDS = {
    "countries": (
        ("country_capital", "country_currency", "country_language", "country_continent"),
        ("city_country", "landmark_country"),
    ),
    "persons": (("person_country", "person_language", "person_occupation"), ()),
    "companies": (("company_country",), ("product_company",)),
}


def attributes(tables: Sequence[Relation], backwards: Sequence[Relation] = ()) -> dict[str, list[str]]:
    """Subject -> its answers in some relations; in others, read backwards, the answer's subjects are its attributes."""
    found: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        for fact in table.facts:
            found[fact.subject].append(fact.answer)
    for table in backwards:
        for fact in table.facts:
            if fact.answer in found:
                found[fact.answer].append(fact.subject)
    return dict(found)


@torch.no_grad()
def lens_at_subject(model, text: str, subjects: Sequence[str]) -> Float[Tensor, "subject stop d_vocab"]:
    """The logits read at the end of a text that ends with the subject: after the embedding and after each layer."""
    net, by_length, rows = read_network(model), defaultdict(list), {}
    for subject in subjects:
        by_length[len(ids := prompt_ids(model.tokenizer, text.format(subject)))].append((subject, ids))
    for group in by_length.values():
        names, ids = zip(*group, strict=True)
        stops = residuals(net, torch.tensor(ids))[::2, :, -1]
        rows |= zip(names, net.unembed(stops).transpose(0, 1), strict=True)
    return torch.stack([rows[subject] for subject in subjects])


def first_tokens(model, subject: str, words: Sequence[str]) -> set[int]:
    """The first tokens of some answers, an article passed over, without tokens of the subject's own name."""
    own = set(answer_ids(model.tokenizer, "of", f" {subject}"))
    return {answer_ids(model.tokenizer, "of", f" {word.removeprefix('the ')}")[0] for word in words} - own


def attribute_rates(model, text: str, known: Mapping[str, Sequence[str]], k: int = TOP) -> pd.DataFrame:
    """How many of a subject's attributes can be read, by layer, compared with those of all other subjects.

    Returns:
        One row for each subject and stop: ``subject, tokens`` (of the subject), ``layers`` (that have run), ``own``
        and ``other`` (the share of its attributes, and of other subjects', among the ``k`` likeliest tokens), and
        ``above``: how often an own attribute stands above another subject's, each logit measured against its mean over
        all subjects. Chance is one half.
    """
    subjects = list(known)
    lens = lens_at_subject(model, text, subjects)
    top, raised = lens.topk(k).indices, lens - lens.mean(0)
    sets = {s: first_tokens(model, s, known[s]) for s in subjects}
    every, rows = set().union(*sets.values()), []
    for n, subject in enumerate(subjects):
        own = torch.tensor(sorted(sets[subject]), dtype=torch.long)
        foreign = every - sets[subject] - set(answer_ids(model.tokenizer, "of", f" {subject}"))
        other = torch.tensor(sorted(foreign))
        if not len(own):
            continue
        tokens = len(answer_ids(model.tokenizer, "of", f" {subject}"))
        for layers, (best, logits) in enumerate(zip(top[n], raised[n], strict=True)):
            shares = (torch.isin(some, best).float().mean().item() for some in (own, other))
            above = (logits[own][:, None] > logits[other]).float().mean().item()
            rows.append((subject, tokens, layers, *shares, above))
    return pd.DataFrame(rows, columns=["subject", "tokens", "layers", "own", "other", "above"])


def drawn(known: Mapping[str, Sequence[str]], n: int = SUBJECTS) -> dict[str, Sequence[str]]:
    """Some subjects with their attributes, the same ones each time."""
    chosen = random.Random(0).sample(sorted(known), min(n, len(known)))
    return {subject: known[subject] for subject in chosen}


def by_layers(rates: pd.DataFrame) -> pd.DataFrame:
    """Means over subjects of `attribute_rates`, with the interval of ``above`` and the number of subjects."""
    rows = []
    for layers, part in rates.groupby("layers"):
        above = with_interval(part.above)
        ends = {"above": float(above), "low": above.low, "high": above.high, "subjects": len(part)}
        rows.append({"layers": layers, "own": part.own.mean(), "other": part.other.mean()} | ends)
    return pd.DataFrame(rows)


def kind_rows(model, kind: str) -> pd.DataFrame:
    """The rows of a kind of subject (`KINDS`)."""
    tables, backwards = ([relation(name) for name in names] for names in KINDS[kind])
    return by_layers(attribute_rates(model, TEXT, drawn(attributes(tables, backwards)))).assign(kind=kind)


def write_tables(load: Load, write: Write) -> None:
    """Measure SmolLM2."""
    model = load("smollm2")
    write_parts(write, "smollm2_attributes", (kind_rows(model, kind) for kind in KINDS))
