"""Few-shot lists of ten relations and along the training: tables that take longer than a chapter may.

``make tables NAME=lists`` writes them; chapters read them with `read_table("lists_silence")`, ``"lists_vectors"`` and
``"lists_training"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pandas as pd
from tqdm.auto import tqdm

from helpers.circuits.metrics import hit_at_k
from helpers.components.skill_heads import measure_repeats
from helpers.models.load import checkpoints
from helpers.models.predict import top1_correct
from helpers.models.run import random_vector
from helpers.prompts.facts import relation_pairs
from helpers.prompts.relations import relation
from helpers.statistics import with_interval
from helpers.studies.in_context_learning.demonstrations import (
    attention_to_lines,
    circuits_by_lines,
    cost_of_silence,
    new_heads,
    overlap_by_lines,
)
from helpers.studies.in_context_learning.few_shot import (
    as_pairs,
    copy_demonstrations,
    corrupted_demonstrations,
    few_shot_prompts,
    mixed_demonstrations,
    right,
)
from helpers.studies.in_context_learning.function_vectors import (
    function_vector,
    indirect_effects,
    mean_writes,
    strongest,
    with_vector,
)
from helpers.studies.tables import SEEDS, Load, Write

OTHER = {  # the relation whose vector is tried beside the own one; of the same subjects where there is such a relation
    "comparative": "past_tense",
    "substance_phase": "element_symbol",
    "occupation_gender": "person_occupation",
    "person_occupation": "person_language",
    "country_capital": "country_currency",
    "country_currency": "country_capital",
    "person_language": "person_occupation",
    "element_symbol": "substance_phase",
    "animal_young": "past_tense",
    "past_tense": "comparative",
}
ASKED = tuple(OTHER)
FOUND_ON, JUDGED_ON, LINES = 24, 60, 4
AT = 2  # the layer at which a vector is added where only one is tried; it was chosen after looking at capitals
SETS = (NEW, LOOK, SAY) = ("new in the circuit", "look most at the lines", "say most of the relation")
SET_SIZE = 6  # heads in the sets that are chosen by a rank
GROWTH = (0, 1, 2, 4, 7, 8)  # lists of the corpus have up to eight lines, so an asked ninth line was never taught


def silence_rows(model, name: str) -> pd.DataFrame:
    """What three sets of heads cost in lists and in sentences of the test half; all are chosen on the train half.

    The sets: heads that are new in the circuit with lines; the heads that look most at lines; those that say most of
    the relation (`indirect_effects`).

    Returns:
        Columns ``relation, set, heads`` (their names), ``asked`` (in a list or a sentence), ``all heads``, ``without``,
        ``without others``, ``costs more, low, high``, and what the circuits with and without lines share
        (`overlap_by_lines`).
    """
    train = few_shot_prompts(name, FOUND_ON, LINES, split="train")
    circuits = circuits_by_lines(model, train)
    looks = attention_to_lines(model, train).sort_values("lines", ascending=False, kind="stable")
    says = indirect_effects(model, as_pairs(model, [s.without_lines() for s in train]), mean_writes(model, train))
    sets = {NEW: new_heads(circuits), LOOK: looks["head"].head(SET_SIZE).tolist(), SAY: strongest(says, SET_SIZE)}
    known = {"list": as_pairs(model, few_shot_prompts(name, JUDGED_ON, LINES))}
    known["sentence"] = relation_pairs(model, name, 12, split="test", known=False)
    rows, shared = [], overlap_by_lines(circuits)
    for (label, heads), (asked, pairs) in product(sets.items(), known.items()):
        cost = cost_of_silence(model, pairs, heads)
        row = {"relation": name, "set": label, "heads": " ".join(heads), "asked": asked}
        row |= {key: float(value) for key, value in cost.items()}
        rows.append(row | {"low": cost["costs more"].low, "high": cost["costs more"].high, **shared})
    return pd.DataFrame(rows)


def vector_rows(model, name: str, layers: Sequence[int] = tuple(range(6))) -> pd.DataFrame:
    """How often questions without lines are answered rightly when a vector is added, by layer and kind of vector.

    The kinds: the relation's own, one of another relation (`OTHER`), one of lists that name no relation (their lines
    are of several), one of lists with shuffled values, a random one; all from the same heads, chosen on the train half.

    Returns:
        Columns ``relation, kind, style`` (a taught or an untaught format), ``layer`` (-1: nothing added) and
        ``value, low, high``.
    """
    train = few_shot_prompts(name, FOUND_ON, LINES, split="train")
    means = mean_writes(model, train)
    heads = strongest(indirect_effects(model, as_pairs(model, [s.without_lines() for s in train]), means))
    own = function_vector(means, heads)
    lists = {
        "another relation's": few_shot_prompts(OTHER[name], FOUND_ON, LINES, split="train"),
        "of mixed lines": mixed_demonstrations(train),
        "of shuffled values": corrupted_demonstrations(train, "shuffled")[0],
    }
    vectors = {kind: function_vector(mean_writes(model, shots), heads) for kind, shots in lists.items()}
    vectors = {"its own": own, "random": random_vector(own), **vectors}
    rows = []
    for style, where in (("taught", layers), ("untaught", (AT,))):
        pairs = as_pairs(model, few_shot_prompts(name, JUDGED_ON, 0, style=None if style == "taught" else "slash"))
        runs = {("none", -1): pairs.clean_logits(model)}
        runs |= {(kind, n): with_vector(model, pairs, v, n) for kind, v in vectors.items() for n in where}
        for (kind, layer), logits in runs.items():
            share = with_interval(hit_at_k(logits, pairs, k=1))
            rows.append((name, kind, style, layer, *share.row()))
    return pd.DataFrame(rows, columns=["relation", "kind", "style", "layer", "value", "low", "high"])


def training_rows(model, names: Sequence[str] = ASKED, questions: int = 30) -> pd.DataFrame:
    """What a model can do with lists of several lengths, and what might be behind it.

    Returns:
        Columns ``measure, relation, value``: for each relation ``lines 0``, ``lines 1``, ... (facts of the test half)
        and ``sentence`` (its first facts, of both halves); ``novel`` and ``induction`` (the strongest head's score)
        once.
    """
    rows = []
    for name in names:
        facts = relation(name).facts[:questions]
        prompts, answers = [relation(name).prompt(f) for f in facts], [f" {f.answer}" for f in facts]
        rows.append(("sentence", name, top1_correct(model, prompts, answers).mean().item()))
        for lines in GROWTH:
            rows.append((f"lines {lines}", name, right(model, few_shot_prompts(name, questions, lines)).mean().item()))
    rows.append(("novel", "", right(model, copy_demonstrations(2 * questions)).mean().item()))
    rows.append(("induction", "", measure_repeats(model, count=8).induction.max()))
    return pd.DataFrame(rows, columns=["measure", "relation", "value"])


def write_tables(load: Load, write: Write) -> None:
    """Measure lists along the training and in both seeds."""
    steps = {name: step for step, name in checkpoints().items()} | {SEEDS[1]: None}
    write("lists_training", pd.concat(training_rows(load(n)).assign(model=n, step=step) for n, step in steps.items()))
    done: dict[str, list[pd.DataFrame]] = {"lists_silence": [], "lists_vectors": []}
    for seed in SEEDS:
        model = load(seed)
        for asked in tqdm(ASKED, desc=seed):
            done["lists_silence"].append(silence_rows(model, asked).assign(model=seed))
            done["lists_vectors"].append(vector_rows(model, asked).assign(model=seed))
        for table, parts in done.items():
            write(table, pd.concat(parts))
