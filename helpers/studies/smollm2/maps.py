"""Where SmolLM2 holds an answer on its way, relation by relation (`patching_maps`)."""

from __future__ import annotations

import pandas as pd

from helpers.prompts.facts import relation_pairs
from helpers.studies.patching_maps import map_rows
from helpers.studies.smollm2.circuits import known_relations
from helpers.studies.tables import Load, Write, write_parts

PAIRS = 20


def relation_rows(model, name: str, template: int) -> pd.DataFrame:
    """The map of one relation."""
    return map_rows(model, relation_pairs(model, name, PAIRS, paraphrase=template)).assign(relation=name)


def write_tables(load: Load, write: Write) -> None:
    """Trace the relations that SmolLM2 knows."""
    model = load("smollm2")
    write_parts(write, "smollm2_maps", (relation_rows(model, *asked) for asked in known_relations().items()))
