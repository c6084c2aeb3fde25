"""Questions about facts of Atlas's world, as rows of a table with how often training stated each answer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.atlas.corpus import exposures
from helpers.prompts.pairs import split_of
from helpers.prompts.relations import Fact, relation


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


Case = tuple[str, Fact, int, str, str]  # case, fact, wording, context, what the context says
