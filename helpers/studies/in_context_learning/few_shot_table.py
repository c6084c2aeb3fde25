"""Few-shot lists of ten relations and along the training: tables that take longer than a chapter may.

``make tables NAME=lists`` writes them; chapters read them with `read_table("lists_silence")`, ``"lists_vectors"`` and
``"lists_training"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from tqdm.auto import tqdm

from helpers.circuits.metrics import hit_at_k
from helpers.components.skill_heads import measure_repeats
from helpers.models.load import checkpoints
from helpers.models.predict import top1_correct
from helpers.models.run import random_vector
from helpers.prompts.pairs import relation_pairs
from helpers.prompts.relations import relation
from helpers.statistics import Estimate, with_interval
from helpers.studies.in_context_learning.demonstrations import (
    attention_to_lines,
    circuits_by_lines,
    cost_of_silence,
    new_heads,
    overlap_by_lines,
)
from helpers.studies.in_context_learning.few_shot import (
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
from helpers.studies.in_context_learning.list_pairs import as_pairs
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
PAPER = {  # arXiv 2405.17969, GPT-2 medium: % right with all heads, without the new ones, without as many random ones
    "comparative": (62.2, 32.6, 58.2),
    "substance_phase": (78.7, 52.9, 71.2),
    "occupation_gender": (87.0, 59.5, 86.5),
    "person_occupation": (35.2, 23.3, 31.6),
}
SET_SIZE = 6  # heads in the sets that are chosen by a rank
GROWTH = (0, 1, 2, 4, 7, 8)  # lists of the corpus have up to eight lines, so an asked ninth line was never taught


def head_sets(model, name: str) -> tuple[dict[str, list[str]], pd.Series]:
    """Three sets of heads, all chosen on the train half, and what the circuits with and without lines share.

    The sets: heads that are new in the circuit with lines; the heads that look most at lines; those that say most of
    the relation (`indirect_effects`). The shares are Jaccard overlaps of edges.
    """
    train = few_shot_prompts(name, FOUND_ON, LINES, split="train")
    circuits = circuits_by_lines(model, train)
    looks = attention_to_lines(model, train).sort_values("lines", ascending=False, kind="stable")
    says = indirect_effects(model, as_pairs(model, [s.without_lines() for s in train]), mean_writes(model, train))
    sets = {
        NEW: new_heads(circuits),
        LOOK: looks["head"].head(SET_SIZE).tolist(),
        SAY: strongest(says, SET_SIZE),
    }
    return sets, overlap_by_lines(circuits)


def silence_rows(model, name: str) -> pd.DataFrame:
    """What each set of heads costs in lists and in sentences of the test half.

    Returns:
        Columns ``relation, set, heads`` (their names), ``asked`` (in a list or a sentence), ``all heads``, ``without``,
        ``without others``, ``costs more, low, high``, and the overlaps of `head_sets`.
    """
    sets, shared = head_sets(model, name)
    known = {"list": as_pairs(model, few_shot_prompts(name, JUDGED_ON, LINES))}
    known["sentence"] = relation_pairs(model, name, 12, split="test", known=False)
    rows = []
    for label, heads in sets.items():
        for asked, pairs in known.items():
            cost = cost_of_silence(model, pairs, heads)
            more = cost.pop("costs more")
            row = {"relation": name, "set": label, "heads": " ".join(heads), "asked": asked}
            values = {key: float(value) for key, value in cost.items()}
            rows.append(row | values | {"costs more": float(more), "low": more.low, "high": more.high, **shared})
    return pd.DataFrame(rows)


def beside_paper(part: pd.DataFrame) -> pd.DataFrame:
    """One row for each relation: the paper's accuracies beside ours (whole per cents), the silent heads counted.

    Args:
        part: rows of ``lists_silence`` for one model, one set of heads and one way of asking.
    """

    def three(values: Iterable[float]) -> str:
        return "{:.0f} → {:.0f} ({:.0f})".format(*values)

    part = part.set_index("relation")
    ours = 100 * part[["all heads", "without", "without others"]]
    more = (100 * part[["costs more", "low", "high"]]).round().astype(int)
    columns = {
        "paper": [three(PAPER[name]) if name in PAPER else "" for name in part.index],
        "Atlas": [three(row) for row in ours.to_numpy()],
        "costs more": [f"{cost} [{low}, {high}]" for cost, low, high in more.to_numpy()],
        "heads": part.heads.fillna("").str.split().str.len(),
    }
    return pd.DataFrame(columns, part.index)


def mean_costs(part: pd.DataFrame) -> dict[str, dict[str, Estimate]]:
    """Rows of ``lists_silence``: for each model and set, the mean of ``costs more`` with an interval over relations."""
    return {
        model: {which: with_interval(own["costs more"][own["set"] == which].tolist()) for which in SETS}
        for model, own in part.groupby("model")
    }


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
    vectors = {"its own": own, "random": random_vector(own)}
    vectors["another relation's"] = function_vector(
        mean_writes(model, few_shot_prompts(OTHER[name], FOUND_ON, LINES, split="train")), heads
    )
    vectors["of mixed lines"] = function_vector(mean_writes(model, mixed_demonstrations(train)), heads)
    vectors["of shuffled values"] = function_vector(
        mean_writes(model, corrupted_demonstrations(train, "shuffled")[0]), heads
    )
    rows = []
    for style, where in (("taught", layers), ("untaught", (AT,))):
        pairs = as_pairs(model, few_shot_prompts(name, JUDGED_ON, 0, style=None if style == "taught" else "slash"))
        runs = {("none", -1): pairs.reference}
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


def list_tables(model, name: str, progress: bool = True) -> dict[str, pd.DataFrame]:
    """``lists_silence`` and ``lists_vectors`` of one model, with its name in column ``model``."""
    silence, vectors = [], []
    for asked in tqdm(ASKED, disable=not progress, desc=name):
        silence.append(silence_rows(model, asked))
        vectors.append(vector_rows(model, asked))
    tables = {"lists_silence": silence, "lists_vectors": vectors}
    return {key: pd.concat(parts, ignore_index=True).assign(model=name) for key, parts in tables.items()}


def write_tables(load: Load, write: Write) -> None:
    """Measure lists along the training and in both seeds."""
    done: dict[str, list[pd.DataFrame]] = {}
    steps = {name: step for step, name in checkpoints().items()} | {SEEDS[1]: None}
    parts = [training_rows(load(name)).assign(model=name, step=step) for name, step in steps.items()]
    write("lists_training", pd.concat(parts))
    for name in SEEDS:
        for table, rows in list_tables(load(name), name).items():
            done.setdefault(table, []).append(rows)
            write(table, pd.concat(done[table]))
