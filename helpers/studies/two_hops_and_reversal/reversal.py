"""Facts asked in the direction in which training stated them, and in the other one (compare arXiv 2309.12288)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from helpers.atlas.questions import question_rows, states
from helpers.components.lens import lens_logits
from helpers.models.network import read_network
from helpers.models.run import stop_names
from helpers.prompts.relations import relation
from helpers.studies.two_hops_and_reversal.bridges import percentile_rank

# The groups of `one_way_facts` are named by the question that training answers.
STATED = {"author asked": "novel_author", "novel asked": "author_novel"}
WAYS = ("taught both ways", "asked as taught", "asked the other way")
BACK = {"novel_author": "author_novel", "country_capital": "capital_country"}


def reversal_questions(model: str = "atlas", wordings: Sequence[int] = (0, 3)) -> pd.DataFrame:
    """Novels and authors, asked in both directions, and countries and capitals, which were taught in both.

    Returns:
        The columns of `question_table`; ``case`` is one of `WAYS`.
    """
    rows = []
    for name in (name for both in BACK.items() for name in both):
        for fact in relation(name).facts:
            stated = STATED.get(fact.group, "")
            way = WAYS[0] if not stated else WAYS[1] if stated == name else WAYS[2]
            rows += [(way, fact, wording, "", "") for wording in wordings]
    return question_rows(rows, model)


@torch.no_grad()
def answer_percentiles(model, asked: pd.DataFrame) -> pd.DataFrame:
    """`percentile_rank` of each right answer among the answers of the same relation and case, stop by stop.

    Answers of one case were shown to the model in the same way, so one half is chance. The last stop is what the model
    says in the end; earlier ones are read by the logit lens.

    Args:
        asked: `reversal_questions`, put to the model by `ask`.

    Returns:
        Columns ``question`` (its place in the table), ``stop, behind, percentile_rank``.
    """
    net = read_network(model)
    logits = lens_logits(net, states(model, asked, net=net).to(net.W_U.device)).cpu()
    members = {key: torch.tensor(sorted(set(own["first"]))) for key, own in asked.groupby(["relation", "case"])}
    names, tables = stop_names(len(net.layers)), []
    for question, row in enumerate(asked.itertuples()):
        found = percentile_rank(logits[:, question], torch.tensor(row.first), members[row.relation, row.case])
        columns = {"question": question, "stop": range(len(names)), "behind": names, "standing": found.tolist()}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
