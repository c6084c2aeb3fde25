"""The heads of indirect objects in the real model and in the second Atlas, by the same rules."""

from __future__ import annotations

import pandas as pd

from helpers.atlas.card import shipped
from helpers.atlas.corpora import PEOPLE
from helpers.atlas.skills import indirect_object_pairs
from helpers.atlas.training import RUNS
from helpers.checks import Count
from helpers.studies.indirect_objects.skill_classes import classify_skill_heads
from helpers.studies.tables import Load, Write

PAIRS = 12
KEPT = ["head", "layer", "class", "fits", "previous", "duplicate", "induction", "to_io", "to_s1", "to_s2"]
KEPT += ["writes_io", "writes_io_cut", "effect_via_queries", "model_diff"]


def named_heads(model, pairs: Count = PAIRS) -> pd.DataFrame:
    """The heads that fit a class, with what earned it (`classify_skill_heads`)."""
    found = classify_skill_heads(model, pairs=indirect_object_pairs(model, pairs, split="train"))
    return found.loc[found["class"] != "none", KEPT].reset_index(drop=True)


def write_tables(load: Load, write: Write) -> None:
    """Name them in SmolLM2, and in the models of the second Atlas that are shipped."""
    write("smollm2_skill_heads", named_heads(load("smollm2")))
    second = [name for name in shipped() if RUNS[name].corpus in PEOPLE]
    write("atlas2_skill_heads", pd.concat([named_heads(load(name)).assign(model=name) for name in second]))
