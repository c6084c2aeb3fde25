"""Whether a name alone tells what is known of its person: linear probes of the residual stream at its last token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.atlas.corpora import world
from helpers.atlas.people import KIND
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import residuals
from helpers.prompts.relations import Fact, Relation
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.where_facts_are_kept.places import told_models

FOLDS, STRENGTH = 5, 0.1


def at_name(model, facts: Sequence[Fact]) -> np.ndarray:
    """The residual stream at the last token of each subject, which is all of the text: ``[layer fact d_model]``."""
    net = read_network(model)
    states = [residuals(net, torch.tensor([prompt_ids(model.tokenizer, fact.subject)]))[2::2, 0, -1] for fact in facts]
    return torch.stack(states, 1).numpy()


def probe_rows(model, tables: Iterable[Relation]) -> Iterator[pd.DataFrame]:
    """How often a probe that was trained on other people reads the answer, by layer and by the words of a name.

    Columns ``relation, words, layer, right, facts, chance``; chance is the share of the commonest answer.
    """
    for table in tables:
        answers = np.array([fact.answer for fact in table.facts])
        words = np.array([len(fact.subject.split()) for fact in table.facts])
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        chance = np.unique(answers, return_counts=True)[1].max() / len(answers)
        for layer, states in enumerate(at_name(model, table.facts)):
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
            read = pd.Series(cross_val_predict(probe, states, answers, cv=folds) == answers)
            part = read.groupby(words).agg(["mean", "size"]).set_axis(["right", "facts"], axis=1)
            part = part.rename_axis("words").reset_index()
            yield part.assign(relation=table.name, layer=layer, chance=chance)


def write_tables(load: Load, write: Write) -> None:
    """Probe all models of the second Atlas."""
    parts = (
        part.assign(model=name)
        for name, model, told in told_models(load)
        for part in probe_rows(model, (table for table in world(told) if table.kind == KIND))
    )
    write_parts(write, "name_probes", parts)
