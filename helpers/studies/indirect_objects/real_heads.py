"""The heads of indirect objects in the real model, by the same rules: ``make tables NAME=smollm2_skill_heads``."""

from __future__ import annotations

import pandas as pd

from helpers.atlas.skills import indirect_object_pairs
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
    """Name them in SmolLM2."""
    write("smollm2_skill_heads", named_heads(load("smollm2")))
