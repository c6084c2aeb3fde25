"""Is the bridge there? The logit lens on states of questions of two steps, and another question's bridge as control."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pandas as pd
import torch

from helpers.components.lens import lens_logits
from helpers.models.network import read_network
from helpers.models.predict import first_token
from helpers.studies.two_hops_and_reversal.reversal import percentile_rank
from helpers.studies.two_hops_and_reversal.swaps import PLACES, Place, Runs, part_of, states_at

WORDS = ("bridge", "another's bridge", "answer")


def read_ranks(
    model, table: pd.DataFrame, place: Place, stops: Sequence[int], runs: Runs | None = None, seed: int = 0
) -> pd.DataFrame:
    """Where words stand among their types (`percentile_rank`) when a state is read by the logit lens.

    Args:
        table: questions; types are the bridges and the answers of each ``kind`` in it.
        place: where the prompt's state is read, the end of the ``description`` or of the prompt.
        runs: as in `states_at`.

    Returns:
        Columns ``question`` (its place in the table), ``stop`` and `WORDS`; the control is the bridge of another
        question of the kind, with another bridge.
    """
    net, rng, rows = read_network(model), random.Random(seed), []
    table = table.reset_index(drop=True)
    states = states_at(net, model.tokenizer, table.prompt.tolist(), part_of(table, place), runs)
    for _, own in table.groupby("kind"):
        first = own.prompt.iloc[0]
        ids = {word: first_token(model, first, word) for word in {*own.bridge, *own.answer}}
        bridges, answers = (torch.tensor(sorted({ids[w] for w in own[c]})) for c in ("bridge", "answer"))
        for question, bridge, answer in zip(own.index, own.bridge, own.answer, strict=True):
            other = rng.choice([b for b in own.bridge if ids[b] != ids[bridge]])
            logits = lens_logits(net, states[list(stops), question])
            words = zip(WORDS, (bridge, other, answer), (bridges, bridges, answers), strict=True)
            ranks = {name: percentile_rank(logits, ids[word], members).tolist() for name, word, members in words}
            rows.append(pd.DataFrame({"question": question, "stop": list(stops), **ranks}))
    return pd.concat(rows, ignore_index=True)


def reading_rows(model, name: str, table: pd.DataFrame, stops: Sequence[int], most: int) -> Iterator[pd.DataFrame]:
    """`read_ranks` of questions that are answered rightly and of others, at both places; ``layer`` is -1 at first."""
    some = table.sample(frac=1, random_state=0).groupby(["kind", "right"]).head(most)
    runs: Runs = {}
    for place in PLACES:
        found = read_ranks(model, some, place, stops, runs)
        about = some.reset_index(drop=True).loc[found.question, ["kind", "subject", "case", "right"]]
        front = pd.DataFrame({"model": name, "place": place, "layer": found.stop // 2 - 1})
        yield pd.concat([front, about.reset_index(drop=True), found[list(WORDS)]], axis=1)
